// DINO: its loss and meters against plain loops, its two collapses, and what its hooks do.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "ssl/encoders.h"
#include "ssl/heads.h"
#include "ssl/trainer.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

constexpr std::int64_t kOut = 16;

/// A method on a tiny encoder, and the trainer that keeps its clock.
struct Setup {
  std::unique_ptr<Method> method;
  std::unique_ptr<Trainer> trainer;
};

Setup make_setup(const std::string& name, const std::string& arch,
                 const std::vector<std::string>& assignments,
                 TrainerOptions options = {.batch_size = 8, .steps_per_epoch = 4, .total_steps = 400}) {
  seed_init(1);
  seed_layers(1);
  Settings settings;
  for (const std::string& assignment : assignments) settings.assign(assignment);
  const MethodInfo& info = find_method(name);
  apply_defaults(info, arch, settings);
  Setup setup;
  setup.method = make_method(info, make_encoder(arch, 3, 8, settings), settings);
  setup.method->to(float64);
  setup.trainer = std::make_unique<Trainer>(*setup.method, options, settings);
  settings.check_all_read();
  setup.method->train();
  return setup;
}

std::vector<std::string> tiny_dino(const std::vector<std::string>& more = {}) {
  std::vector<std::string> list{"patch=4",
                                "dim=16",
                                "depth=1",
                                "heads=2",
                                "pool=avg",
                                "drop_path=0",
                                "out_dim=16",
                                "bottleneck=8",
                                "projector_hidden=16",
                                "teacher_temperature=0.04",
                                "learning_rate=0.002",
                                "warmup_steps=0",
                                "weight_decay=0",
                                "weight_decay_end=0",
                                "ema_momentum=0.97",
                                "freeze_last_layer=0"};
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

/// Two global and one local view of eight samples out of 32.
Batch draw_batch(const Tensor& samples, Generator& random) {
  Batch batch{.views = {}, .labels = {}, .ids = slice(permutation(32, random), 0, 0, 8)};
  const Tensor chosen = index_select(samples, 0, batch.ids);
  for (const std::int64_t side : {8, 8, 4}) {
    const Tensor cut = slice(slice(chosen, 1, 0, side), 2, 0, side);
    batch.views.push_back(contiguous(cut + normal(cut.shape(), random, 0, 0.3, float64)));
  }
  return batch;
}

Tensor draw_samples(Generator& random) { return normal({32, 8, 8, 3}, random, 0, 1, float64); }

double meter(const Method& method, const std::string& name) {
  const auto found = std::ranges::find(method.meters, name, &Meter::name);
  REQUIRE(found != method.meters.end());
  return found->value;
}

/// The meters after 400 steps.
struct Ending {
  double entropy, kl, center;
};

Ending meters_after(const std::vector<std::string>& changes) {
  Setup setup = make_setup("dino", "vit_mini", tiny_dino(changes));
  Generator random(2);
  const Tensor samples = draw_samples(random);
  for (int step = 0; step < 400; ++step) setup.trainer->step(draw_batch(samples, random));
  const Method& method = *setup.method;
  return {meter(method, "teacher_entropy"), meter(method, "kl"), meter(method, "center_norm")};
}

}  // namespace

TEST_CASE("DINO's loss and meters are those of the loop over pairs") {
  Setup setup = make_setup("dino", "vit_mini", tiny_dino({"teacher_temperature_epochs=0"}));
  Method& method = *setup.method;
  Generator random(3);
  const Batch batch = draw_batch(draw_samples(random), random);
  const double loss = method.loss(batch).item();

  // Before the first step teacher and student are equal, and the centre is 0.
  NoGrad guard;
  Tensors outputs;
  const auto tensors = named_tensors(method);
  DinoHead head({.in = 16, .hidden = 16, .bottleneck = 8, .out = kOut});
  head.to(float64);
  for (const NamedTensor& entry : named_tensors(head))
    for (const NamedTensor& ours : tensors)
      if (ours.name == "projector." + entry.name) copy_into(entry.tensor, ours.tensor);
  for (const Tensor& view : batch.views) outputs.push_back(head(method.encoder()(view)));
  double total = 0, entropy = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const Tensor q = softmax(outputs[i] / 0.04);
    entropy -= sum(q * log(q)).item() / 16;
    for (std::size_t v = 0; v < 3; ++v)
      if (v != i) total -= sum(q * log(softmax(outputs[v] / 0.1))).item() / 8 / 4;
  }
  CHECK(loss == doctest::Approx(total).epsilon(1e-12));
  CHECK(meter(method, "teacher_entropy") == doctest::Approx(entropy).epsilon(1e-12));
  CHECK(meter(method, "kl") == doctest::Approx(total - entropy).epsilon(1e-9));
  CHECK(meter(method, "center_norm") == 0);
  CHECK(method.collapsed_loss(8) == doctest::Approx(std::log(kOut)));
}

TEST_CASE("without centring DINO collapses to one output, without sharpening to all of them alike") {
  const double uniform = std::log(kOut);
  const Ending sound = meters_after({});
  CAPTURE(sound.entropy);
  CAPTURE(sound.kl);
  CHECK(sound.entropy > 0.03 * uniform);
  CHECK(sound.entropy < 0.8 * uniform);
  CHECK(sound.kl > 0.02);
  CHECK(sound.center > 0.1);

  const Ending one_hot = meters_after({"center=false"});
  CAPTURE(one_hot.entropy);
  CHECK(one_hot.entropy < 0.01 * uniform);
  CHECK(one_hot.kl < 0.005);
  CHECK(one_hot.center == 0);

  const Ending flat = meters_after({"teacher_temperature=0.1", "teacher_temperature_start=0.1"});
  CAPTURE(flat.entropy);
  CHECK(flat.entropy > 0.95 * uniform);
  CHECK(flat.kl < 0.005);
}

TEST_CASE("the last layer rests in the first epoch, then moves; the teacher gets no gradient") {
  Setup setup = make_setup("dino", "vit_mini", tiny_dino({"freeze_last_layer=1", "center_momentum=0.5"}));
  const auto find = [&](const std::string& name) {
    for (const NamedTensor& entry : named_tensors(*setup.method))
      if (entry.name == name) return entry.tensor.detach();
    FAIL("no tensor ", name);
    return Tensor();
  };
  const Tensor last = find("projector.last_layer.weight_v"), first = find("projector.mlp.0.weight"),
               teacher = find("teacher.projector.mlp.0.weight"), center = find("center");
  const Tensor last_before = last.clone(), first_before = first.clone();
  Generator random(4);
  const Tensor samples = draw_samples(random);
  for (int step = 0; step < 4; ++step) {
    CHECK(norm(last - last_before).item() == 0);
    const Tensor teacher_before = teacher.clone();
    setup.trainer->step(draw_batch(samples, random));
    // 0.97 at first, by a cosine to 1.
    const double momentum = 1 - 0.03 * (1 + std::cos(std::acos(-1.) * step / 400)) / 2;
    CHECK(norm(teacher - (teacher_before * momentum + first * (1 - momentum))).item() < 1e-12);
  }
  CHECK(norm(first - first_before).item() > 1e-3);
  CHECK(norm(last - last_before).item() == 0);
  CHECK(norm(center).item() > 0);
  setup.trainer->step(draw_batch(samples, random));
  CHECK(norm(last - last_before).item() > 1e-3);
  for (const NamedTensor& entry : named_parameters(*setup.method))
    if (entry.name.starts_with("teacher.")) CHECK_FALSE(entry.tensor.grad().defined());
}

TEST_CASE("accumulated, DINO's step is that of the whole batch, its centre too") {
  Generator random(5);
  const Batch batch = draw_batch(draw_samples(random), random);
  std::vector<Tensor> whole;
  for (const char* parts : {"accumulate=1", "accumulate=4"}) {
    Setup setup = make_setup("dino", "vit_mini", tiny_dino({parts, "epsilon=0.01"}));
    setup.trainer->step(batch);
    const auto tensors = named_tensors(*setup.method);
    if (whole.empty()) {
      for (const NamedTensor& entry : tensors) whole.push_back(entry.tensor.clone());
      continue;
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      CAPTURE(tensors[i].name);
      CHECK(norm(tensors[i].tensor.detach() - whole[i].detach()).item() < 1e-10);
    }
  }
}

TEST_CASE("MoCo v3's defaults go by the encoder") {
  Setup vit = make_setup("mocov3", "vit_mini", {"dim=16", "heads=2", "depth=1", "projector_hidden=8"});
  for (const NamedTensor& entry : named_parameters(*vit.method)) {
    CAPTURE(entry.name);
    const bool fixed = entry.name.find("patch_embed") != std::string::npos ||
                       entry.name.ends_with("pos_embed") || entry.name.starts_with("momentum.");
    CHECK(entry.tensor.requires_grad() != fixed);
  }
  // 2·2T·ln N with T = 0.2.
  CHECK(vit.method->collapsed_loss(8) == doctest::Approx(0.8 * std::log(8)));

  Setup resnet = make_setup("mocov3", "resnet18", {"width=2", "projector_hidden=8"});
  CHECK(resnet.method->collapsed_loss(8) == doctest::Approx(4 * std::log(8)));
  int zero = 0;
  for (const NamedTensor& entry : named_parameters(*resnet.method))
    if (entry.name.starts_with("encoder.") && entry.name.ends_with("bn2.weight"))
      zero += norm(entry.tensor.detach()).item() == 0 ? 1 : 0;
  CHECK(zero == 8);
}

}  // namespace tsr::test
