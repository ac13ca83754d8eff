#include "data/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>

#include "data/shapes.h"
#include "tests/data/temp_folder.h"
#include "tests/data/test_images.h"

namespace {

/// A few tiny images; can be slow, fail at one sample, and counts what it decodes.
struct Tiny final : tsr::Dataset {
  explicit Tiny(std::int64_t count, bool with_labels = true) : count(count) {
    if (with_labels) names = {"even", "odd"};
  }
  std::string name() const override { return "tiny"; }
  std::int64_t size() const override { return count; }
  int channels() const override { return 1; }
  tsr::Image image(std::int64_t index) const override {
    ++decoded;
    std::this_thread::sleep_for(delay);
    TSR_CHECK_INPUT(index != bad, "sample ", index, " is bad");
    return noise_image(6, 6, 1, static_cast<std::uint64_t>(index));
  }
  const std::vector<std::string>& class_names() const override { return names; }
  std::int64_t label(std::int64_t index) const override { return index % 2; }
  std::int64_t id(std::int64_t index) const override { return 1000 + index; }

  std::int64_t count, bad = -1;
  std::chrono::microseconds delay{0};
  std::vector<std::string> names;
  mutable std::atomic<int> decoded{0};
};

tsr::LoaderConfig config_of(std::int64_t batch_size, int workers = 0) {
  tsr::LoaderConfig config;
  config.batch_size = batch_size;
  config.workers = workers;
  config.seed = 7;
  const auto view = std::make_shared<tsr::RandomAugmentation>(tsr::small_image_augmentation(5));
  config.views = {view, view};
  return config;
}

std::vector<std::int64_t> ids_of(const tsr::Batch& batch) {
  const auto* ids = batch.ids.data<std::int64_t>();
  return {ids, ids + batch.ids.numel()};
}

bool same_bytes(const tsr::Tensor& a, const tsr::Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.numel() * tsr::size_of(a.dtype()))) == 0;
}

bool same(const tsr::Batch& a, const tsr::Batch& b) {
  return a.epoch == b.epoch && a.views.size() == b.views.size() && same_bytes(a.ids, b.ids) &&
         same_bytes(a.labels, b.labels) &&
         std::equal(a.views.begin(), a.views.end(), b.views.begin(), same_bytes);
}

}  // namespace

TEST_CASE("a batch carries views, labels, ids and the epoch") {
  tsr::Loader loader(std::make_shared<Tiny>(10), config_of(4));
  CHECK(loader.batches_per_epoch() == 2);
  const tsr::Batch batch = loader.next();
  REQUIRE(batch.views.size() == 2);
  CHECK(batch.views[0].shape() == tsr::Shape{4, 5, 5, 1});
  CHECK(!same_bytes(batch.views[0], batch.views[1]));
  CHECK(batch.epoch == 0);
  for (int i = 0; i < 4; ++i)
    CHECK(batch.labels.data<std::int64_t>()[i] == batch.ids.data<std::int64_t>()[i] % 2);
  loader.next();
  CHECK(loader.next().epoch == 1);
  tsr::Loader unlabelled(std::make_shared<Tiny>(10, false), config_of(4));
  CHECK(!unlabelled.next().labels.defined());
}

TEST_CASE("the bytes don't depend on the number of workers") {
  const auto set = std::make_shared<Tiny>(23);
  tsr::Loader inline_loader(set, config_of(4, 0)), one(set, config_of(4, 1)), three(set, config_of(4, 3));
  for (int i = 0; i < 14; ++i) {
    const tsr::Batch expected = inline_loader.next();
    CHECK(same(expected, one.next()));
    CHECK(same(expected, three.next()));
  }
}

TEST_CASE("views of several sizes are the same with any number of workers, whatever the other views") {
  const auto set = std::make_shared<Tiny>(23);
  const auto small = std::make_shared<tsr::RandomAugmentation>(tsr::small_image_augmentation(3));
  const auto config = [&](int workers, int locals) {
    tsr::LoaderConfig result = config_of(4, workers);
    result.views.insert(result.views.end(), static_cast<std::size_t>(locals), small);
    return result;
  };
  tsr::Loader inline_loader(set, config(0, 3)), three(set, config(3, 3)), fewer(set, config(2, 1));
  for (int i = 0; i < 7; ++i) {
    const tsr::Batch expected = inline_loader.next();
    REQUIRE(expected.views.size() == 5);
    CHECK(expected.views[1].shape() == tsr::Shape{4, 5, 5, 1});
    for (std::size_t v = 2; v < 5; ++v) CHECK(expected.views[v].shape() == tsr::Shape{4, 3, 3, 1});
    CHECK(!same_bytes(expected.views[2], expected.views[3]));
    CHECK(same(expected, three.next()));
    const tsr::Batch part = fewer.next();
    for (std::size_t v = 0; v < 3; ++v) CHECK(same_bytes(expected.views[v], part.views[v]));
  }
}

TEST_CASE("a sample's views don't depend on the batch that it is in") {
  const auto set = std::make_shared<Tiny>(12);
  tsr::LoaderConfig config = config_of(12);
  tsr::Loader whole(set, config);
  config.batch_size = 5;
  config.shuffle = false;
  tsr::Loader parts(set, config);
  const tsr::Batch all = whole.next(), first = parts.next();
  const auto ids = ids_of(all);
  for (std::int64_t i = 0; i < 5; ++i) {
    CHECK(first.ids.data<std::int64_t>()[i] == 1000 + i);
    const auto place = std::find(ids.begin(), ids.end(), 1000 + i) - ids.begin();
    const float* in_all = all.views[1].data<float>() + place * 25;
    CHECK(std::equal(in_all, in_all + 25, first.views[1].data<float>() + i * 25));
  }
}

TEST_CASE("an epoch shows every sample once, in an order of its own") {
  tsr::LoaderConfig config = config_of(4, 2);
  config.drop_last = false;
  const auto set = std::make_shared<Tiny>(10);
  tsr::Loader loader(set, config);
  CHECK(loader.batches_per_epoch() == 3);
  std::vector<std::vector<std::int64_t>> orders;
  for (int epoch = 0; epoch < 3; ++epoch) {
    auto& order = orders.emplace_back();
    for (int i = 0; i < 3; ++i) {
      const auto ids = ids_of(loader.next());
      CHECK(ids.size() == (i == 2 ? 2 : 4));
      order.insert(order.end(), ids.begin(), ids.end());
    }
    CHECK(std::set(order.begin(), order.end()).size() == 10);
  }
  CHECK(orders[0] != orders[1]);
  CHECK(orders[1] != orders[2]);
  config.seed = 8;
  CHECK(ids_of(tsr::Loader(set, config).next()) != std::vector(orders[0].begin(), orders[0].begin() + 4));
  config.shuffle = false;
  CHECK(ids_of(tsr::Loader(set, config).next()) == std::vector<std::int64_t>{1000, 1001, 1002, 1003});
}

TEST_CASE("each image is decoded once for all its views") {
  const auto set = std::make_shared<Tiny>(10);
  tsr::Loader loader(set, config_of(5));
  loader.next();
  CHECK(set->decoded == 5);
}

TEST_CASE("a loader goes on exactly where another one stood") {
  const auto set = std::make_shared<Tiny>(23);
  tsr::Loader original(set, config_of(4, 1));
  std::vector<tsr::LoaderPosition> positions;
  std::vector<tsr::Batch> batches;
  for (int i = 0; i < 13; ++i) {
    positions.push_back(original.position());
    batches.push_back(original.next());
  }
  CHECK(positions[0] == tsr::LoaderPosition{0, 0});
  CHECK(positions[7] == tsr::LoaderPosition{1, 2});
  for (const int workers : {0, 1, 3}) {
    tsr::Loader resumed(set, config_of(4, workers));
    for (const std::size_t from : {7, 2, 12, 0}) {  // forward and back again, with batches under way
      resumed.seek(positions[from]);
      CHECK(resumed.position() == positions[from]);
      for (std::size_t i = from; i < std::min<std::size_t>(from + 4, 13); ++i)
        CHECK(same(resumed.next(), batches[i]));
    }
    CHECK(contains(input_error([&] { resumed.seek({0, 5}); }), "an epoch has 5"));
    CHECK(contains(input_error([&] { resumed.seek({-1, 0}); }), "epoch -1"));
  }
}

TEST_CASE("what a worker throws comes out of next(), in order, and again when asked again") {
  for (const int workers : {0, 1, 3}) {
    const auto set = std::make_shared<Tiny>(20);
    set->bad = 9;  // in the third batch of four
    tsr::LoaderConfig config = config_of(4, workers);
    config.shuffle = false;
    tsr::Loader loader(set, config);
    CHECK(ids_of(loader.next()).front() == 1000);
    CHECK(ids_of(loader.next()).front() == 1004);
    for (int again = 0; again < 2; ++again) {
      CHECK(input_error([&] { loader.next(); }) == "sample 9 is bad");
      CHECK(loader.position() == tsr::LoaderPosition{0, 2});
    }
    loader.seek({0, 3});
    CHECK(ids_of(loader.next()).front() == 1012);
  }
}

TEST_CASE("workers make a bounded number of batches ahead") {
  const auto set = std::make_shared<Tiny>(1000);
  tsr::LoaderConfig config = config_of(4, 3);
  config.prefetch = 2;
  tsr::Loader loader(set, config);
  loader.next();
  for (int i = 0; i < 200 && set->decoded < 7 * 4; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(set->decoded == 7 * 4);  // the one taken and six ahead
}

TEST_CASE("a loader can be destroyed at any moment") {
  const auto set = std::make_shared<Tiny>(50);
  set->delay = std::chrono::microseconds(200);
  for (int taken = 0; taken < 4; ++taken) {
    tsr::Loader loader(set, config_of(5, 3));
    for (int i = 0; i < taken; ++i) loader.next();
  }
}

TEST_CASE("the time spent waiting is counted") {
  const auto set = std::make_shared<Tiny>(50);
  set->delay = std::chrono::milliseconds(2);
  for (const int workers : {0, 1}) {
    tsr::Loader loader(set, config_of(5, workers));
    CHECK(loader.seconds_waited() == 0);
    loader.next();
    const double waited = loader.seconds_waited();
    CHECK(waited > 0.005);
    loader.next();
    CHECK(loader.seconds_waited() > waited);
  }
}

TEST_CASE("raw batches make the same views on the host, and nearly the same on a device") {
  const auto dataset = std::make_shared<tsr::Shapes>(tsr::Split::train);
  tsr::AugmentationConfig strong;
  strong.size = 40;
  strong.solarize = 0.5f;
  tsr::LoaderConfig config;
  config.batch_size = 12;
  config.views = {std::make_shared<tsr::RandomAugmentation>(strong),
                  std::make_shared<tsr::RandomAugmentation>(tsr::small_image_augmentation(24))};
  tsr::LoaderConfig raw = config;
  raw.raw = true;
  raw.workers = 2;
  tsr::Loader loader(dataset, config), raw_loader(dataset, raw);
  for (int batch = 0; batch < 3; ++batch) {
    const tsr::Batch made = loader.next(), given = raw_loader.next();
    CHECK(given.views.empty());
    CHECK(ids_of(given) == ids_of(made));
    const tsr::Tensors host = tsr::views_on(tsr::Device::cpu, given.raw, raw.views, dataset->channels()),
                       device = tsr::views_on(tsr::Device::emu, given.raw, raw.views, dataset->channels());
    for (std::size_t v = 0; v < 2; ++v) {
      CHECK(tsr::text(host[v]) == tsr::text(made.views[v]));
      const tsr::Tensor there = device[v].to(tsr::Device::cpu);
      float worst = 0;
      for (std::int64_t i = 0; i < there.numel(); ++i) {
        REQUIRE(host[v].data<float>()[i] == made.views[v].data<float>()[i]);
        worst = std::max(worst, std::abs(there.data<float>()[i] - host[v].data<float>()[i]));
      }
      CHECK(worst < 2e-5f);
    }
  }
  config.views = {std::make_shared<tsr::CenterCrop>(8)};
  config.raw = true;
  CHECK_THROWS_WITH_AS(tsr::Loader(dataset, config),
                       "augmentation: this one has no recipes; its views can be made on the host alone",
                       tsr::InputError);
}

TEST_CASE("a loader that cannot work says why") {
  const auto set = std::make_shared<Tiny>(10);
  auto error = [&](auto change, const tsr::DatasetPtr& from) {
    tsr::LoaderConfig config = config_of(4);
    change(config);
    return input_error([&] { tsr::Loader loader(from, config); });
  };
  CHECK(contains(error([](auto& c) { c.batch_size = 0; }, set), "batch size 0"));
  CHECK(contains(error([](auto& c) { c.batch_size = 11; }, set), "has only 10 samples"));
  CHECK(contains(error([](auto& c) { c.views.clear(); }, set), "no augmentation"));
  CHECK(contains(error([](auto& c) { c.workers = -1; }, set), "workers -1"));
  CHECK(contains(error([](auto& c) { c.prefetch = 0; }, set), "prefetch 0"));
  CHECK(contains(error([](auto&) {}, std::make_shared<Tiny>(0)), "no samples"));
}
