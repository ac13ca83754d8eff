// Bad input: one line that says what and why, exit code 2, and nothing left behind.
#include <doctest/doctest.h>

#include "tensor/safetensors.h"
#include "tests/apps/tessera.h"

namespace tsr::test {
namespace {

struct Mistake {
  std::vector<std::string> words;
  std::string message;  ///< after "tessera: error: "
};

/// Each mistake gives its message alone and leaves the folder as it was.
void check_mistakes(const std::filesystem::path& folder, const std::vector<Mistake>& mistakes) {
  const auto before = listing(folder);
  for (const Mistake& mistake : mistakes) {
    const auto result = tessera(folder, mistake.words);
    CHECK(result.err == "tessera: error: " + mistake.message + "\n");
    CHECK(result.out.empty());
    CHECK(result.code == 2);
    CHECK(listing(folder) == before);
  }
}

std::vector<std::string> pretrain(std::vector<std::string> more) {
  std::vector<std::string> words{"pretrain", "simclr", "--data", "shapes", "--out", "new/run"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// DINO or MoCo v3 on a small ViT, with small heads, with one setting.
std::vector<std::string> vit(const std::string& method, const std::string& setting) {
  std::vector<std::string> words{"pretrain", method,  "--arch",  "vit_mini", "--data",
                                 "shapes",   "--out", "new/run", "--set",    "projector_hidden=16"};
  if (method == "dino") words.insert(words.end(), {"--set", "out_dim=16"});
  words.insert(words.end(), {"--set", setting});
  return words;
}

}  // namespace

TEST_CASE("usage mistakes") {
  const ScratchFolder scratch;
  check_mistakes(
      scratch.path(),
      {{{}, "command: is required; see tessera --help"},
       {{"pretrian"}, "pretrian: unknown command; did you mean 'pretrain'?"},
       {{"pretrain", "simclr"}, "--data: is required; see tessera pretrain --help"},
       {{"pretrain", "--data", "shapes"}, "METHOD: is required; see tessera pretrain --help"},
       {{"pretrain", "simclr", "--data"}, "--data: needs one value; see tessera pretrain --help"},
       {{"replay"}, "METHOD: is required; see tessera replay --help"},
       {{"replay", "simclr"}, "--init: is required; see tessera replay --help"},
       {pretrain({"--epoch", "3"}), "--epoch: unknown option; did you mean '--epochs'?"},
       {pretrain({"extra"}), "extra: unexpected argument; see tessera pretrain --help"},
       {pretrain({"--batch-size", "many"}), "--batch-size: 'many' is not a number of that kind"},
       {pretrain({"--batch-size", "0"}), "--batch-size: 0 is too small; at least 2"},
       {pretrain({"--epochs", "0"}), "--epochs: 0 is too small; at least 1"},
       {pretrain({"--epochs", "2", "--steps", "9"}),
        "--steps: epochs and steps exclude each other; give one"},
       {pretrain({"--threads", "0"}), "--threads: 0: must be 1 to 1024"},
       {pretrain({"--workers", "-1"}), "workers -1: must be 0 to 1024"},
       {pretrain({"--batch-size", "30001"}), "batch size 30001: shapes has only 30000 samples"},
       {pretrain({"--precision", "fp8"}), "--precision: 'fp8' is unknown; choose fp32, fp64, bf16 or fp16"},
       {pretrain({"--device", "cuda"}), "cuda: not in this build; available: cpu, emu"},
       {pretrain({"--preset", "cifra"}), "--preset: 'cifra' is unknown; did you mean 'cifar'?"},
       {pretrain({"--preset", "dino-quick"}),
        "--preset dino-quick: method is 'dino' but the command says 'simclr'"}});
}

TEST_CASE("unknown names and settings") {
  const ScratchFolder scratch;
  check_mistakes(
      scratch.path(),
      {{{"pretrain", "simcrl", "--data", "shapes"}, "method 'simcrl': unknown; did you mean 'simclr'?"},
       {{"pretrain", "simclr", "--data", "shape"}, "data set 'shape': unknown; did you mean 'shapes'?"},
       {{"pretrain", "simclr", "--data", "folder"}, "data set 'folder': write folder:PATH"},
       {{"pretrain", "simclr", "--data", "shapes:32"},
        "data set 'shapes:32': write just shapes; it takes nothing after a colon"},
       {pretrain({"--set", "augmentation=simcrl"}), "augmentation 'simcrl': unknown; did you mean 'simclr'?"},
       {pretrain({"--arch", "resnet81"}), "arch 'resnet81': unknown; did you mean 'resnet18'?"},
       {pretrain({"--set", "temprature=1"}), "setting temprature: unknown; did you mean 'temperature'?"},
       {pretrain({"--set", "temperature"}), "--set temperature: expected key=value"},
       {pretrain({"--set", "temperature=hot"}), "setting temperature=hot: not a number"},
       {pretrain({"--set", "flip=2"}), "setting flip=2: outside 0 to 1"},
       {pretrain({"--set", "self_mask=yes"}), "setting self_mask=yes: write true or false"},
       {pretrain({"--set", "doors=cublas"}), "setting doors=cublas: choose one of library handwritten"},
       {pretrain({"--set", "stem=big"}), "setting stem=big: choose one of imagenet cifar small"},
       {pretrain({"--arch", "vit_mini", "--set", "stem=cifar"}),
        "setting stem=cifar: choose one of patch frozen conv"},
       {pretrain({"--arch", "vit_tiny", "--set", "image_size=40"}),
        "ViT: image_size = 40, patch = 16; both must be positive, and patch must divide image_size"},
       {pretrain({"--arch", "vit_mini", "--set", "heads=5"}),
        "MultiHeadAttention: dim = 128, heads = 5; both must be positive, and heads must divide dim"}});
}

TEST_CASE("settings of DINO and MoCo v3 that make no sense") {
  const ScratchFolder scratch;
  check_mistakes(
      scratch.path(),
      {{vit("dino", "out_dim=0"), "setting out_dim=0: outside 2 to 16777216"},
       {vit("dino", "local_crop=3"), "setting local_crop: unknown; did you mean 'local_crops'?"},
       {vit("dino", "local_crops=-1"), "setting local_crops=-1: outside 0 to 64"},
       {vit("dino", "local_size=64"),
        "setting local_size=64: local views are no larger than the global 32 pixels; see image_size"},
       {vit("dino", "local_size=14"),
        "views of 14 pixels: vit_mini takes multiples of 4; see the settings image_size, local_size and "
        "patch"},
       {vit("dino", "local_crop_max=0.01"), "setting local_crop_max=0.01: outside 0.05 to 1"},
       {vit("dino", "center=no"), "setting center=no: write true or false"},
       {vit("dino", "center_momentum=1.5"), "setting center_momentum=1.5: outside 0 to 1"},
       {vit("dino", "ema_momentum=2"), "setting ema_momentum=2: outside 0 to 1"},
       {vit("dino", "teacher_temperature=0"), "setting teacher_temperature=0: outside 0.0001 to 10000"},
       {vit("dino", "temperature=1"), "setting temperature: unknown; did you mean 'student_temperature'?"},
       {vit("dino", "clip_norm=1"),
        "settings clip_norm and clip_each_norm exclude each other; leave one at 0"},
       {vit("mocov3", "temperature=0"), "setting temperature=0: outside 0.0001 to 10000"},
       {vit("mocov3", "stem=cifar"), "setting stem=cifar: choose one of patch frozen conv"},
       {vit("mocov3", "init=xavier"), "setting init=xavier: choose one of timm mocov3"},
       {vit("mocov3", "local_crops=2"), "setting local_crops: unknown; did you mean 'scale_loss'?"}});
}

TEST_CASE("configuration files that make no sense") {
  const ScratchFolder scratch;
  write_text(scratch.path() / "broken.json", "{\"epochs\": 3");
  write_text(scratch.path() / "unknown.json", R"({"epoch": 3})");
  write_text(scratch.path() / "type.json", R"({"epochs": "three"})");
  write_text(scratch.path() / "setting.json", R"({"settings": {"temperature": [1]}})");
  write_text(scratch.path() / "method.json", R"({"method": "byol"})");
  check_mistakes(
      scratch.path(),
      {{pretrain({"--config", "no.json"}), "no.json: no such file, or not readable"},
       {pretrain({"--config", "broken.json"}), "broken.json: not a JSON object"},
       {pretrain({"--config", "unknown.json"}), "unknown.json: epoch: unknown field; did you mean 'epochs'?"},
       {pretrain({"--config", "type.json"}), "type.json: epochs: \"three\" is not an integer"},
       {pretrain({"--config", "setting.json"}),
        "setting.json: settings: temperature: expected a number, a text, true or false"},
       {pretrain({"--config", "method.json"}),
        "method.json: method is 'byol' but the command says 'simclr'"}});
}

TEST_CASE("files that aren't what they should be") {
  const ScratchFolder scratch;
  const auto& folder = scratch.path();
  write_text(folder / "short.safetensors", "abc");
  write_text(folder / "lying.safetensors",
             std::string("\x48\0\0\0\0\0\0\0", 8) +
                 R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,800]}}                )" + "12345678");
  write_safetensors(folder / "other.safetensors", {{"weight", zeros({2})}});
  write_text(folder / "taken/file.txt", "mine");
  write_text(folder / "file", "mine");
  std::filesystem::create_directory(folder / "empty");
  write_text(folder / "images/photo.jpg", "");
  const auto embed = [](const std::string& model, const std::string& out = "features.safetensors") {
    return std::vector<std::string>{"embed", "--model", model, "--data", "shapes", "--out", out};
  };
  check_mistakes(
      folder,
      {{embed("none"), "none: no such file or folder"},
       {embed("taken"), "taken: holds no model.safetensors; a run writes it when it is complete"},
       {embed("short.safetensors"), "short.safetensors: too short for a safetensors file (3 bytes)"},
       {embed("lying.safetensors"),
        "lying.safetensors: tensor 'x': data_offsets [0, 800] lie outside the 8 bytes of data"},
       {embed("other.safetensors"),
        "other.safetensors: not an encoder that Tessera wrote; to start from such weights use pretrain "
        "--from"},
       {embed("none", "taken"), "--out: taken is a folder; name a file"},
       {pretrain({"--from", "other.safetensors"}),
        "other.safetensors: doesn't fit the model: 100 tensors missing (conv1.weight, bn1.weight, bn1.bias, "
        "…); "
        "1 tensor unknown to the model (weight)"},
       {{"pretrain", "simclr", "--data", "shapes", "--out", "taken"},
        "--out: taken is not empty; add --resume to go on with the run in it, or choose another folder"},
       {{"pretrain", "simclr", "--data", "shapes", "--out", "taken", "--resume"},
        "--out: taken has no config.json, so there is no run to resume; choose another folder"},
       {{"pretrain", "simclr", "--data", "shapes", "--out", "file"}, "--out: file is not a folder"},
       {{"replay", "simclr", "--init", "other.safetensors", "--views", "other.safetensors"},
        "other.safetensors: tensor 'view0' is missing"}});
}

TEST_CASE("data sets that aren't what they should be") {
  const ScratchFolder scratch;
  const auto& folder = scratch.path();
  std::filesystem::create_directory(folder / "empty");
  write_text(folder / "photos/photo.jpg", "");
  write_text(folder / "texts/notes.txt", "mine");
  for (const char* spec : {"folder:none", "folder:empty", "folder:photos", "folder:texts"}) {
    const auto before = listing(folder);
    const auto result = tessera(folder, {"pretrain", "simclr", "--data", spec, "--batch-size", "2"});
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.err.starts_with("tessera: error: "));
    CHECK(result.err.find('\n') == result.err.size() - 1);
    CHECK(result.err.find(std::string(spec).substr(7)) != std::string::npos);
    CHECK(listing(folder) == before);
  }
}

TEST_CASE("a run that fails before its first checkpoint leaves nothing") {
  const ScratchFolder scratch;
  // Embeddings of a rate like this overflow within a few steps.
  const auto result =
      tessera(scratch.path(),
              pretrain({"--steps", "40", "--batch-size", "4", "--set", "width=4", "--set", "stem=small",
                        "--set", "image_size=8", "--set", "optimizer=sgd", "--set", "learning_rate=1e6",
                        "--set", "projector_bn=false", "--set", "warmup_steps=0"}));
  CAPTURE(result.err);
  CHECK(result.code == 1);
  CHECK(result.err.find("tessera: error: training: the loss is ") != std::string::npos);
  CHECK(listing(scratch.path()).empty());
}

}  // namespace tsr::test
