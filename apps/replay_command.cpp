// tessera replay: the command line of a replay.
#include <cstdio>
#include <iostream>
#include <memory>

#include "apps/command.h"
#include "apps/commands.h"
#include "apps/replay.h"
#include "ssl/encoders.h"

namespace tsr {
namespace {

struct ReplayCommand {
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

void run(ReplayCommand o) {
  for (const std::string& assignment : o.settings) o.replay.settings.assign(assignment);
  if (o.list_state) {
    list_replay_state(std::move(o.replay), std::cout);
    return;
  }
  if (o.init.empty()) throw MissingOption{"--init"};
  if (o.views.empty()) throw MissingOption{"--views"};
  Replay replay(std::move(o.replay), read_safetensors(o.init).tensors, o.init,
                read_safetensors(o.views).tensors, o.views);
  for (std::int64_t step = 0; step < replay.steps(); ++step) print_step(step, replay.step());
  if (!o.dump.empty()) write_safetensors(o.dump, replay.state(), {{"format", "pt"}});
}

}  // namespace

void add_replay_command(Command& tessera) {
  Command command = tessera.subcommand("replay", "Repeat a training on given weights and views");
  const auto o = std::make_shared<ReplayCommand>();
  command.option("METHOD", &o->replay.method, "", joined(method_names()), {.required = true});
  command.option("--init", &o->init, "W.safetensors", "initial state, in PyTorch's names and layout");
  command.option("--views", &o->views, "V.safetensors",
                 "view0, view1, … float32 [steps, N, C, H, W]; index int64 [steps, N]; rand.*");
  command.option("--arch", &o->replay.arch, "A", joined(encoder_names()) + " (default resnet18)");
  command.option("--precision", &o->replay.precision, "P", "fp64 (default), fp32, bf16, fp16");
  command.option("--set", &o->settings, "key=value", "a setting of the encoder, the method or its training");
  command.option("--dump", &o->dump, "FILE", "write the final state, in the names of --init");
  command.flag("--list-state", o->list_state, "list the tensors that the files must hold, and stop");
  command.threads_option();
  command.action([o] { run(*o); });
}

}  // namespace tsr
