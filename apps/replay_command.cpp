// tessera replay: the command line of a replay.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "apps/commands.h"
#include "apps/common_options.h"
#include "apps/replay.h"
#include "ssl/encoders.h"

namespace tsr {
namespace {

struct Options {
  ReplayOptions replay;
  std::string init, views, dump;
  std::vector<std::string> settings;
  bool list_state = false;
};

void print_step(std::int64_t step, const StepReport& report) {
  // 17 significant digits: the reader gets the same double.
  std::printf("{\"step\": %lld, \"loss\": %.17g, \"gradient_norm\": ", static_cast<long long>(step),
              report.loss);
  if (report.skipped) {
    std::puts("null}");  // a float16 gradient overflowed
  } else {
    std::printf("%.17g}\n", report.gradient_norm);
  }
  std::fflush(stdout);
}

void run(Options o) {
  for (const std::string& assignment : o.settings) o.replay.settings.assign(assignment);
  if (o.list_state) {
    list_replay_state(std::move(o.replay), std::cout);
    return;
  }
  if (o.init.empty()) throw CLI::RequiredError("--init");
  if (o.views.empty()) throw CLI::RequiredError("--views");
  Replay replay(std::move(o.replay), read_safetensors(o.init).tensors, o.init,
                read_safetensors(o.views).tensors, o.views);
  for (std::int64_t step = 0; step < replay.steps(); ++step) print_step(step, replay.step());
  if (!o.dump.empty()) write_safetensors(o.dump, replay.state(), {{"format", "pt"}});
}

}  // namespace

void add_replay_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("replay", "Repeat a training on given weights and views");
  const auto o = std::make_shared<Options>();
  command->add_option("METHOD", o->replay.method, joined(method_names()))->type_name("")->required();
  command->add_option("--init", o->init, "initial state, in PyTorch's names and layout")
      ->type_name("W.safetensors");
  command
      ->add_option("--views", o->views,
                   "view0, view1, … float32 [steps, N, C, H, W]; index int64 [steps, N]; rand.*")
      ->type_name("V.safetensors");
  command->add_option("--arch", o->replay.arch, joined(encoder_names()) + " (default resnet18)")
      ->type_name("A");
  command->add_option("--precision", o->replay.precision, "fp64 (default), fp32, bf16, fp16")->type_name("P");
  command->add_option("--set", o->settings, "a setting of the encoder, the method or its training")
      ->type_name("key=value")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--dump", o->dump, "write the final state, in the names of --init")->type_name("FILE");
  command->add_flag("--list-state", o->list_state, "list the tensors that the files must hold, and stop");
  add_threads_option(*command);
  command->callback([o] { run(*o); });
}

}  // namespace tsr
