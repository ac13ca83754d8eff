// tessera embed: features of a data set, in a file.
#include <iostream>
#include <memory>

#include "apps/command.h"
#include "apps/commands.h"
#include "apps/features.h"

namespace tsr {
namespace {

struct EmbedCommand {
  std::string model, data, out, split = "train";
};

Split split_from_name(const std::string& name) {
  TSR_CHECK_INPUT(name == "train" || name == "test", "--split: '", name,
                  "' is unknown; choose train or test");
  return name == "train" ? Split::train : Split::test;
}

Tensor ids_of(const Dataset& dataset) {
  Tensor ids = empty({dataset.size()}, int64);
  for (std::int64_t i = 0; i < dataset.size(); ++i) ids.data<std::int64_t>()[i] = dataset.id(i);
  return ids;
}

void run(const EmbedCommand& o) {
  const Split split = split_from_name(o.split);
  TSR_CHECK_INPUT(!std::filesystem::is_directory(o.out), "--out: ", o.out, " is a folder; name a file");
  EncoderModel model = load_encoder(o.model);
  const DatasetPtr dataset = open_dataset(o.data, split);
  TensorMap tensors{{"features", extract_features(model, *dataset)}, {"ids", ids_of(*dataset)}};
  if (dataset->labelled()) tensors["labels"] = labels_of(*dataset);
  write_safetensors(o.out, tensors, {{"model", o.model}, {"data", o.data}, {"split", o.split}});
  std::cout << describe(tensors.at("features")) << " of " << dataset->name() << ": " << o.out << '\n';
}

}  // namespace

void add_embed_command(Command& tessera) {
  Command command = tessera.subcommand("embed", "Write an encoder's features of a data set");
  const auto o = std::make_shared<EmbedCommand>();
  command.option("--model", &o->model, "DIR|FILE", "a run's folder or an encoder file", {.required = true});
  command.option("--data", &o->data, "SPEC", "as for pretrain", {.required = true});
  command.option("--split", &o->split, "S", "train (default) or test");
  command.option("--out", &o->out, "FILE.safetensors", "features [N, D] float32, ids and labels int64 [N]",
                 {.required = true});
  command.threads_option();
  command.action([o] { run(*o); });
}

}  // namespace tsr
