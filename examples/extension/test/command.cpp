// The program's command line, as its users call it: command PROGRAM.
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "autograd/ops.h"
#include "nn/torch_state.h"
#include "ssl/encoders.h"
#include "ssl/method.h"
#include "tensor/safetensors.h"
#include "tests/support/program.h"

namespace {

using namespace tsr;
using namespace tsr::test;
using Words = std::vector<std::string>;

std::filesystem::path program;
int failures = 0;

void expect(bool holds, const std::string& what) {
  std::cout << (holds ? "ok      " : "FAILED  ") << what << std::endl;
  failures += !holds;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Standard output of a call that must succeed.
std::string output(const ScratchFolder& scratch, const Words& words) {
  const CommandResult result = run_program(program, scratch.path(), words);
  if (result.code != 0)
    expect(false, words.front() + " ends with " + std::to_string(result.code) + ": " + result.err);
  return result.out;
}

/// A call must fail with this line, after the program's name.
void expect_error(const ScratchFolder& scratch, const Words& words, const std::string& message) {
  const CommandResult result = run_program(program, scratch.path(), words);
  const std::string line = "tessera-rings: error: " + message + "\n";
  expect(result.code == 2 && result.err == line, "error: " + message);
  if (result.err != line) std::cout << "  but it says " << result.err << '\n';
}

Words pretrain(const std::string& out, const Words& more = {}) {
  Words words{"pretrain", "spread", "--data",        "rings", "--arch",          "tiny",         "--steps",
              "120",      "--set",  "optimizer=sgd", "--set", "learning_rate=1", "--batch-size", "64",
              "--out",    out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void test_registries(const ScratchFolder& scratch) {
  const std::string info = output(scratch, {"info"});
  for (const char* name : {"simclr spread", "resnet50 tiny", "simclr turns", "rings: 512 training images"})
    expect(contains(info, name), std::string("info tells ") + name);
  expect_error(scratch, {"pretrain", "spred", "--data", "rings"},
               "method 'spred': unknown; did you mean 'spread'?");
  expect_error(scratch, {"pretrain", "spread", "--data", "ring"},
               "data set 'ring': unknown; did you mean 'rings'?");
  expect_error(scratch, pretrain("run", {"--set", "augmentation=turn"}),
               "augmentation 'turn': unknown; did you mean 'turns'?");
  expect_error(scratch, pretrain("run", {"--set", "windowmin=1"}),
               "setting windowmin: unknown; did you mean 'window_min'?");
  expect_error(scratch, {"pretrain", "spread"}, "--data: is required; see tessera-rings pretrain --help");
}

/// Killed again and again and resumed, the run leaves the bytes of one that wasn't.
void test_resume(const ScratchFolder& scratch) {
  const auto start = std::chrono::steady_clock::now();
  output(scratch, pretrain("whole"));
  const std::chrono::duration<double, std::milli> whole = std::chrono::steady_clock::now() - start;
  const Words again =
      pretrain("killed", {"--checkpoint-every", "4", "--resume", "--workers", "2", "--threads", "1"});
  int kills = 0, code = 0;
  for (int attempt = 1; attempt <= 3; ++attempt) {
    code =
        run_program(program, scratch.path(), again, static_cast<int>(whole.count()) * attempt / 5 + 1).code;
    kills += code != 0;
  }
  if (code != 0) output(scratch, again);
  expect(kills > 0, "killed in the middle " + std::to_string(kills) + " times");
  for (const char* file : {"model.safetensors", "checkpoint.safetensors", "metrics.jsonl", "config.json"}) {
    const std::string content = read_text(scratch.path() / "whole" / file);
    expect(!content.empty() && content == read_text(scratch.path() / "killed" / file),
           std::string("the same bytes in ") + file);
  }
  expect(contains(read_text(scratch.path() / "whole/config.json"), "\"augmentation\": \"turns\""),
         "the method's own augmentation is noted");
}

/// The number before "% of test images right".
double accuracy(const std::string& out) {
  const auto end = out.find(" % of test images right"), begin = out.rfind(' ', end - 1);
  return end == std::string::npos ? 0 : std::strtod(out.c_str() + begin, nullptr);
}

void test_judgement(const ScratchFolder& scratch) {
  for (const char* classifier : {"knn", "linear"}) {
    const double right =
        accuracy(output(scratch, {"eval", classifier, "--model", "whole", "--data", "rings"}));
    expect(right > 60,
           std::string("eval ") + classifier + " (" + std::to_string(right) + " %, chance is 25 %)");
  }
  const Words embed{"embed",   "--model", "whole", "--data",          "rings",
                    "--split", "test",    "--out", "test.safetensors"};
  expect(output(scratch, embed) == "float32[128, 32] of rings: test.safetensors\n", "embed");
}

/// Initial state and views as a script of somebody else's would write them.
void write_replay_files(const std::filesystem::path& folder, Method& method, TensorMap& views) {
  write_safetensors(folder / "init.safetensors", torch_state_dict(method));
  Generator random(3);
  for (const char* view : {"view0", "view1"}) views[view] = normal({2, 5, 1, 12, 12}, random);
  views["rand.noise"] = normal({2, 10, 8}, random);
  write_safetensors(folder / "views.safetensors", views);
}

/// The loss of the first step, without the command.
double first_loss(Method& method, const TensorMap& views) {
  Batch batch;
  for (const char* view : {"view0", "view1"})
    batch.views.push_back(contiguous(permute(select(views.at(view), 0, 0), {0, 2, 3, 1})).to(float64));
  method.to(float64);
  method.draws.replay(views);
  return method.loss(batch).item();
}

double number_after(const std::string& text, const std::string& key) {
  const auto found = text.find(key);
  return found == std::string::npos ? NAN : std::strtod(text.c_str() + found + key.size(), nullptr);
}

void test_replay(const ScratchFolder& scratch) {
  const std::string state = output(scratch, {"replay", "spread", "--list-state", "--arch", "tiny"});
  for (const char* line :
       {"--init   centre  float32[8]", "--init   encoder.conv2.weight  float32[32, 16, 3, 3]",
        "--views  rand.noise  float32[steps, 2N, 8]"})
    expect(contains(state, line), std::string("list-state tells ") + line);

  Settings settings;
  seed_init(5);
  const auto method = make_method(find_method("spread"), make_encoder("tiny", 1, 12, settings), settings);
  TensorMap views;
  write_replay_files(scratch.path(), *method, views);
  const Words replay{"replay", "spread",           "--arch",  "tiny",
                     "--init", "init.safetensors", "--views", "views.safetensors",
                     "--dump", "final.safetensors"};
  const std::string printed = output(scratch, replay);
  const double expected = first_loss(*method, views);
  expect(std::abs(number_after(printed, "\"loss\": ") - expected) < 1e-12, "replay's first loss");
  expect(printed == output(scratch, replay), "replay repeats itself");
  const TensorMap final_state = read_safetensors(scratch.path() / "final.safetensors").tensors;
  expect(sum(abs(final_state.at("centre"))).item() > 0, "the centre has moved");

  views["rand.noise"] = views["rand.noise"] * -1.0;
  write_safetensors(scratch.path() / "views.safetensors", views);
  expect(printed != output(scratch, replay), "replay takes its noise from the file");
  views["rand.nose"] = views["rand.noise"];
  write_safetensors(scratch.path() / "views.safetensors", views);
  expect_error(scratch, replay,
               "views.safetensors: tensor 'rand.nose' is unknown to spread; did you mean 'rand.noise'?");
  views.erase("rand.nose");
  views.erase("rand.noise");
  write_safetensors(scratch.path() / "views.safetensors", views);
  expect_error(scratch, replay, "views.safetensors: tensor 'rand.noise' is missing");
}

}  // namespace

int main(int, char** argv) {
  program = argv[1];
  const ScratchFolder scratch;
  test_registries(scratch);
  test_resume(scratch);
  test_judgement(scratch);
  test_replay(scratch);
  std::cout << failures << " failures\n";
  return failures > 0 ? 1 : 0;
}
