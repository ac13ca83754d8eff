// tessera embed: features of a data set, in a file.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "apps/commands.h"
#include "apps/common_options.h"
#include "apps/features.h"

namespace tsr {
namespace {

struct Options {
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

void run(const Options& o) {
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

void add_embed_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("embed", "Write an encoder's features of a data set");
  const auto o = std::make_shared<Options>();
  command->add_option("--model", o->model, "a run's folder or an encoder file")
      ->type_name("DIR|FILE")
      ->required();
  command->add_option("--data", o->data, "as for pretrain")->type_name("SPEC")->required();
  command->add_option("--split", o->split, "train (default) or test")->type_name("S");
  command->add_option("--out", o->out, "features [N, D] float32, ids and labels int64 [N]")
      ->type_name("FILE.safetensors")
      ->required();
  add_threads_option(*command);
  command->callback([o] { run(*o); });
}

}  // namespace tsr
