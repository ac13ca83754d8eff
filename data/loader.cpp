#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <system_error>
#include <utility>

#include "tensor/random.h"

namespace tsr {
namespace {

// The stream that shuffles is none of the views' (data/augment.h forks the seed by epochs, counted from 0).
constexpr std::uint64_t kOrderStream = ~std::uint64_t{0};

/// One sample's views, into place i of the batch.
void add_views(const LoaderConfig& config, const Image& image, std::int64_t epoch, std::int64_t i,
               Batch& batch) {
  const std::int64_t id = batch.ids.data<std::int64_t>()[i];
  for (std::size_t v = 0; v < config.views.size(); ++v) {
    const Generator generator = view_generator(config.seed, epoch, id, static_cast<int>(v));
    if (config.raw) {
      const ViewRecipe recipe = config.views[v]->draw(image.height, image.width, generator);
      std::memcpy(batch.raw.recipes[v].data<float>() + i * ViewRecipe::kFields, &recipe, sizeof recipe);
    } else {
      config.views[v]->apply(image, generator,
                             batch.views[v].data<float>() + i * (batch.views[v].numel() / batch.ids.numel()));
    }
  }
}

/// Images one behind the other, and where each is.
void pack(const std::vector<Image>& images, RawViews& raw) {
  raw.places = empty({static_cast<std::int64_t>(images.size()), 3}, int64);
  auto* place = raw.places.data<std::int64_t>();
  std::int64_t bytes = 0;
  for (const Image& image : images) {
    *place++ = bytes;
    *place++ = image.height;
    *place++ = image.width;
    bytes += static_cast<std::int64_t>(image.pixels.size());
  }
  raw.pixels = empty({bytes}, uint8);
  auto* out = raw.pixels.data<std::uint8_t>();
  for (const Image& image : images) out = std::copy(image.pixels.begin(), image.pixels.end(), out);
}

/// Samples begin … begin+count-1 of an epoch's order, each decoded once for all its views.
Batch make_batch(const Dataset& dataset, const LoaderConfig& config, const std::int64_t* indices,
                 std::int64_t count, std::int64_t epoch) {
  Batch batch;
  for (const AugmentationPtr& view : config.views) {
    if (config.raw) {
      batch.raw.recipes.push_back(empty({count, ViewRecipe::kFields}));
    } else {
      batch.views.push_back(empty({count, view->size(), view->size(), dataset.channels()}));
    }
  }
  batch.ids = empty({count}, int64);
  if (dataset.labelled()) batch.labels = empty({count}, int64);
  std::vector<Image> images;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = indices[i];
    batch.ids.data<std::int64_t>()[i] = dataset.id(index);
    if (dataset.labelled()) batch.labels.data<std::int64_t>()[i] = dataset.label(index);
    Image image = dataset.image(index);
    add_views(config, image, epoch, i, batch);
    if (config.raw) images.push_back(std::move(image));
  }
  if (config.raw) pack(images, batch.raw);
  return batch;
}

}  // namespace

Loader::Loader(DatasetPtr dataset, LoaderConfig config)
    : dataset_(std::move(dataset)), config_(std::move(config)) {
  const std::int64_t samples = dataset_->size(), size = config_.batch_size;
  TSR_CHECK_INPUT(samples > 0, dataset_->name(), ": has no samples");
  TSR_CHECK_INPUT(size >= 1, "batch size ", size, ": must be at least 1");
  TSR_CHECK_INPUT(!config_.drop_last || size <= samples, "batch size ", size, ": ", dataset_->name(),
                  " has only ", samples, " samples");
  TSR_CHECK_INPUT(!config_.views.empty(), "loader: no augmentation: a batch needs at least one view");
  TSR_CHECK_INPUT(config_.workers >= 0 && config_.workers <= 1024, "workers ", config_.workers,
                  ": must be 0 to 1024");
  TSR_CHECK_INPUT(config_.prefetch >= 1, "prefetch ", config_.prefetch, ": must be at least 1");
  if (config_.raw)
    for (const AugmentationPtr& view : config_.views) view->settings();  // throws where there are no recipes
  batches_per_epoch_ = config_.drop_last ? samples / size : (samples + size - 1) / size;
  try {
    for (int i = 0; i < config_.workers; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    stop();
    throw InputError(text("workers ", config_.workers, ": cannot start so many threads: ", error.what()));
  }
}

Loader::~Loader() { stop(); }

void Loader::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_one_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Batch Loader::next() {
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t number = next_;
  Made made;
  if (threads_.empty()) {
    made.batch = make(number);
  } else {
    made = take(number);
  }
  if (made.error) std::rethrow_exception(made.error);
  {
    std::lock_guard lock(mutex_);
    ++next_;
  }
  wanted_one_.notify_all();
  seconds_waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::move(made.batch);
}

/// Waits for a batch that the workers make. One that failed stays, so that asking again fails again.
Loader::Made Loader::take(std::int64_t number) {
  std::unique_lock lock(mutex_);
  made_one_.wait(lock, [&] { return made_.contains(number); });
  const auto place = made_.find(number);
  if (place->second.error) return {{}, place->second.error};
  Made made = std::move(place->second);
  made_.erase(place);
  return made;
}

LoaderPosition Loader::position() const { return {next_ / batches_per_epoch_, next_ % batches_per_epoch_}; }

void Loader::seek(LoaderPosition position) {
  TSR_CHECK_INPUT(position.epoch >= 0 && position.batch >= 0 && position.batch < batches_per_epoch_,
                  "loader: no batch ", position.batch, " of epoch ", position.epoch, ": an epoch has ",
                  batches_per_epoch_);
  {
    std::lock_guard lock(mutex_);
    next_ = claimed_ = position.epoch * batches_per_epoch_ + position.batch;
    ++seeks_;
    made_.clear();
  }
  wanted_one_.notify_all();
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  const std::int64_t ahead = std::int64_t{config_.workers} * config_.prefetch;
  for (;;) {
    wanted_one_.wait(lock, [&] { return stopping_ || claimed_ < next_ + ahead; });
    if (stopping_) return;
    const std::int64_t number = claimed_++;
    const std::uint64_t seeks = seeks_;
    lock.unlock();
    Made made;
    try {
      made.batch = make(number);
    } catch (...) {
      made.error = std::current_exception();
    }
    lock.lock();
    if (seeks == seeks_) made_.emplace(number, std::move(made));
    made_one_.notify_all();
  }
}

Batch Loader::make(std::int64_t number) {
  const std::int64_t epoch = number / batches_per_epoch_, index = number % batches_per_epoch_;
  const Order order = order_of(epoch);
  const std::int64_t begin = index * config_.batch_size,
                     count = std::min(config_.batch_size, dataset_->size() - begin);
  Batch batch = make_batch(*dataset_, config_, order->data() + begin, count, epoch);
  batch.epoch = epoch;
  return batch;
}

/// An epoch's order; workers may be at work on two epochs at once.
Loader::Order Loader::order_of(std::int64_t epoch) {
  std::lock_guard lock(order_mutex_);
  if (const auto known = orders_.find(epoch); known != orders_.end()) return known->second;
  auto order = std::make_shared<std::vector<std::int64_t>>(static_cast<std::size_t>(dataset_->size()));
  std::iota(order->begin(), order->end(), 0);
  if (config_.shuffle) {
    Generator generator = Generator(config_.seed).fork(kOrderStream).fork(static_cast<std::uint64_t>(epoch));
    const Tensor shuffled = permutation(dataset_->size(), generator);
    std::copy_n(shuffled.data<std::int64_t>(), order->size(), order->begin());
  }
  constexpr std::size_t kKept = 3;
  while (orders_.size() >= kKept) orders_.erase(orders_.begin());
  return orders_[epoch] = order;
}

}  // namespace tsr
