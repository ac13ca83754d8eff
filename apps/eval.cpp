// tessera eval: an encoder judged by classifiers on its frozen features.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/command.h"
#include "apps/commands.h"
#include "apps/evaluation.h"

namespace tsr {
namespace {

struct EvalCommand {
  std::string model, data;
  std::int64_t per_class = 0;
  std::int64_t held_out = 0;
  std::uint64_t seed = 0;
  std::int64_t draws = 5;
  std::optional<std::int64_t> k;
  std::optional<double> temperature, weight_decay;
  bool json = false;
};

ProtocolOptions protocol(const EvalCommand& o) {
  TSR_CHECK_INPUT(o.per_class >= 0, "--labels-per-class: ", o.per_class, ": must not be negative");
  TSR_CHECK_INPUT(o.held_out >= 0, "--held-out: ", o.held_out, ": must not be negative");
  TSR_CHECK_INPUT(o.draws >= 1, "--draws: ", o.draws, ": must be at least 1");
  ProtocolOptions p{.seed = o.seed, .draws = o.draws};
  if (o.k) {
    TSR_CHECK_INPUT(*o.k >= 1, "--k: ", *o.k, ": must be at least 1");
    p.ks = {*o.k};
  }
  if (o.temperature) {
    TSR_CHECK_INPUT(*o.temperature > 0, "--temperature: ", *o.temperature, ": must be above 0");
    p.temperatures = {*o.temperature};
  }
  if (o.weight_decay) {
    TSR_CHECK_INPUT(*o.weight_decay > 0, "--weight-decay: ", *o.weight_decay, ": must be above 0");
    p.weight_decays = {*o.weight_decay};
  }
  return p;
}

nlohmann::ordered_json to_json(const KnnSetting& s) {
  // JSON has no infinity; equal votes are a null temperature.
  return {{"k", s.k},
          {"temperature", std::isinf(s.temperature) ? nlohmann::json() : nlohmann::json(s.temperature)},
          {"centred", s.centred}};
}

nlohmann::ordered_json to_json(const ProbeSetting& s) {
  return {{"weight_decay", s.weight_decay}, {"scaling", name_of(s.scaling)}};
}

void row(const char* name, const std::string& value) {
  std::cout << name << std::string(10 - std::string_view(name).size(), ' ') << value << '\n';
}

template <class Setting>
void print(const EvalCommand& o, const char* classifier, const EvalData& data,
           const Judged<Setting>& judged) {
  const bool several = o.per_class > 0;
  row("labels", several ? text(o.per_class, " a class, ", o.draws, " draws") : "all");
  row(classifier,
      text(describe(judged.setting), "; ", percent(judged.held_out), " % of held-out images right"));
  row("accuracy", percent(judged.test, several) + " % of test images right");
  if (!o.json) return;
  const nlohmann::ordered_json line{{"classifier", classifier},
                                    {"model", o.model},
                                    {"data", o.data},
                                    {"labels_per_class", o.per_class},
                                    {"draws", several ? o.draws : 1},
                                    {"images", data.train.labels.numel()},
                                    {"held_out_images", data.held_out.labels.numel()},
                                    {"test_images", data.test.labels.numel()},
                                    {"setting", to_json(judged.setting)},
                                    {"held_out", judged.held_out},
                                    {"mean", judged.test.mean},
                                    {"std", judged.test.std}};
  std::cout << line.dump() << '\n';
}

void run(const EvalCommand& o, bool knn) {
  const ProtocolOptions options = protocol(o);
  EncoderModel model = load_encoder(o.model);
  const EvalSplits splits =
      split_for_evaluation(open_dataset(o.data, Split::train), open_dataset(o.data, Split::test),
                           {.held_out = o.held_out, .seed = o.seed});
  const EvalData data = encoder_data(model, splits);
  row("model", text(encoder_file(o.model).string(), " (", model.info.arch, ", ", data.train.features.size(1),
                    " features)"));
  row("data", text(o.data, ": ", data.train.labels.numel(), " training images, ",
                   data.held_out.labels.numel(), " held out, ", data.test.labels.numel(), " for the test"));
  if (knn) {
    print(o, "knn", data, judge_knn(data, o.per_class, options));
  } else {
    print(o, "linear", data, judge_linear(data, o.per_class, options));
  }
}

std::shared_ptr<EvalCommand> add_common_options(Command& command) {
  auto o = std::make_shared<EvalCommand>();
  command.option("--model", &o->model, "DIR|FILE", "a run's folder or an encoder file", {.required = true});
  command.option("--data", &o->data, "SPEC", "as for pretrain, with labels", {.required = true});
  command.option("--labels-per-class", &o->per_class, "N",
                 "labels to learn from, of each class (default: all)");
  command.option("--draws", &o->draws, "N", "times that so few labels are drawn (default 5)");
  command.option("--held-out", &o->held_out, "N",
                 "training images that only choose settings (default: a sixth, at most 10000)");
  command.option("--seed", &o->seed, "S", "of what is held out and drawn (default 0)");
  command.flag("--json", o->json, "end with one line of JSON");
  command.threads_option();
  return o;
}

}  // namespace

void add_eval_command(Command& tessera) {
  Command command = tessera.subcommand("eval", "Judge an encoder by classifiers on its features");

  Command knn = command.subcommand("knn", "Nearest neighbours by cosine similarity, weighted by exp(s/T)");
  const auto k = add_common_options(knn);
  knn.option("--k", &k->k, "N", "neighbours that vote (default: the best on held-out images)");
  knn.option("--temperature", &k->temperature, "T", "T (default: the best on held-out images)");
  knn.action([k] { run(*k, true); });

  Command linear = command.subcommand("linear", "A linear classifier (logistic regression)");
  const auto l = add_common_options(linear);
  linear.option("--weight-decay", &l->weight_decay, "W", "(default: the best on held-out images)");
  linear.action([l] { run(*l, false); });
}

}  // namespace tsr
