#pragma once
// Batches of augmented views, made ahead of time by worker threads.

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"
#include "tensor/batch.h"

namespace tsr {

struct LoaderConfig {
  std::int64_t batch_size = 256;
  std::vector<AugmentationPtr> views;  ///< SimCLR has the same one twice
  std::uint64_t seed = 0;              ///< of the order and of the views
  bool shuffle = true;                 ///< an order of its own for each epoch, else the set's
  bool drop_last = true;               ///< leave out an epoch's last batch when it isn't full
  int workers = 0;                     ///< threads; 0 makes each batch inside next()
  int prefetch = 2;                    ///< batches ready or being made ahead, a worker
  bool raw = false;                    ///< batches hold images and recipes, and views_on makes the views
};

/// Which batch comes next: all that must be kept to go on from here.
struct LoaderPosition {
  std::int64_t epoch = 0, batch = 0;
  bool operator==(const LoaderPosition&) const = default;
};

/// An endless stream of batches, epoch after epoch. The bytes of a batch depend on the data set, the seed,
/// the augmentations, the batch size and the position alone. To be used by one thread.
class Loader {
 public:
  /// Throws InputError for a batch size below 1 or, with drop_last, above the number of samples, for an empty
  /// set, no augmentation, or a negative number of workers.
  Loader(DatasetPtr dataset, LoaderConfig config);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  std::int64_t batches_per_epoch() const { return batches_per_epoch_; }
  /// The next batch. Rethrows what making it threw, in the order of the stream; the position then stays.
  Batch next();
  LoaderPosition position() const;
  /// Goes on from there; what was made ahead is thrown away.
  void seek(LoaderPosition position);
  /// Time that next() has taken so far: what training waits for its data.
  double seconds_waited() const { return seconds_waited_; }

 private:
  using Order = std::shared_ptr<const std::vector<std::int64_t>>;
  struct Made {
    Batch batch;
    std::exception_ptr error;
  };

  Batch make(std::int64_t number);
  Order order_of(std::int64_t epoch);
  void work();
  void stop();
  Made take(std::int64_t number);

  const DatasetPtr dataset_;
  const LoaderConfig config_;
  std::int64_t batches_per_epoch_ = 0;
  double seconds_waited_ = 0;

  std::mutex order_mutex_;
  std::map<std::int64_t, Order> orders_;  // of the latest epochs asked for

  // Batches are numbered through all epochs. Workers make claimed_, claimed_ + 1, … up to a bound beyond
  // next_.
  std::mutex mutex_;
  std::condition_variable made_one_, wanted_one_;
  std::int64_t next_ = 0, claimed_ = 0;
  std::uint64_t seeks_ = 0;  // a batch begun before the latest seek is not kept
  std::map<std::int64_t, Made> made_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tsr
