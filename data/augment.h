#pragma once
// From an image to a view of it: what a network sees.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"
#include "data/image.h"
#include "data/recipe.h"
#include "data/resize.h"
#include "tensor/batch.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace tsr {

/// Makes views. Thread-safe: the same image and generator give the same bits, whoever asks and in which
/// order.
class Augmentation {
 public:
  virtual ~Augmentation() = default;
  /// Height and width of a view.
  virtual int size() const = 0;
  /// Writes a view, float32 [size, size, image.channels].
  virtual void apply(const Image& image, Generator generator, float* out) const = 0;

  /// Where views may be made on a device: all that apply draws for an image of this size, and what all its
  /// views have in common. By default InputError: only the host can make them.
  virtual ViewRecipe draw(int height, int width, Generator generator) const;
  virtual ViewSettings settings() const;
};

using AugmentationPtr = std::shared_ptr<const Augmentation>;

/// The random stream of one view: a function of these four alone, so that neither the number of workers nor
/// the batch's make-up matters.
Generator view_generator(std::uint64_t seed, std::int64_t epoch, std::int64_t id, int view);

/// What is subtracted from each channel, and what the result is divided by, for values in 0…1.
struct Normalization {
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};
};

/// Mean and standard deviation of the pixels of at most `limit` images, evenly spaced in the set (of all when
/// there are no more). One channel fills all three places.
Normalization pixel_statistics(const Dataset& dataset, std::int64_t limit = 60'000);

/// SimCLR's augmentation (Chen et al., "A Simple Framework for Contrastive Learning of Visual
/// Representations", ICML 2020, appendix A) and its relatives, in the order of the fields. The defaults are
/// the paper's for ImageNet. To an image of one channel saturation, hue and greyscale do nothing.
struct AugmentationConfig {
  int size = 224;  ///< of the view, in pixels

  /// A crop of this share of the image's area, of this ratio of width to height (uniform in its logarithm),
  /// resized to the view: torchvision's RandomResizedCrop.
  float min_area = 0.08f, max_area = 1;
  float min_ratio = 3 / 4.f, max_ratio = 4 / 3.f;
  float flip = 0.5f;  ///< probability of mirroring left to right

  /// With probability `jitter`, in random order: brightness, contrast and saturation by factors in
  /// [max(0, 1 - value), 1 + value], hue by a turn in [-value, value] of the circle.
  float jitter = 0.8f;
  float brightness = 0.8f, contrast = 0.8f, saturation = 0.8f, hue = 0.2f;
  float grey = 0.2f;  ///< probability of dropping colour

  float blur = 0.5f;  ///< probability of a Gaussian blur, whose kernel spans a tenth of the view
  float min_sigma = 0.1f, max_sigma = 2;  ///< its standard deviation in pixels

  float solarize = 0;  ///< probability of inverting bright pixels (BYOL)
  float solarize_threshold = 128 / 255.f;

  Normalization normalization;

  /// Scales the four jitter ranges from the paper's strength 1.
  AugmentationConfig& jitter_strength(float strength);
};

/// The paper's settings for small images (appendix B.9): jitter strength 0.5, no blur.
AugmentationConfig small_image_augmentation(int size = 32);

/// Draws views by a config. Throws InputError for a value out of range.
class RandomAugmentation final : public Augmentation {
 public:
  explicit RandomAugmentation(const AugmentationConfig& config);
  int size() const override { return config_.size; }
  void apply(const Image& image, Generator generator, float* out) const override;
  const AugmentationConfig& config() const { return config_; }

  ViewRecipe draw(int height, int width, Generator generator) const override;
  ViewSettings settings() const override;

 private:
  void draw_jitter(RandomWords& words, ViewRecipe& recipe) const;

  AugmentationConfig config_;
};

/// Makes the views of a raw batch on a device: for each augmentation float32 [N, size, size, channels].
Tensors views_on(Device device, const RawViews& raw, const std::vector<AugmentationPtr>& augmentations,
                 std::int64_t channels);

/// The box that torchvision's RandomResizedCrop would draw from `height` × `width` pixels: ten tries, then
/// the largest central box of a permitted ratio.
Box random_box(int height, int width, const AugmentationConfig& config, RandomWords& words);

/// The view for evaluation: the shorter side resized to `resize` pixels, then the central size × size. Draws
/// nothing.
class CenterCrop final : public Augmentation {
 public:
  /// `resize` 0 stands for the size itself up to 64 pixels, beyond that for the usual 8/7 of it (256 for
  /// 224).
  explicit CenterCrop(int size, const Normalization& normalization = {}, int resize = 0);
  int size() const override { return size_; }
  void apply(const Image& image, Generator generator, float* out) const override;

 private:
  int size_, resize_;
  Normalization normalization_;
};

/// Views of samples begin … end-1, float32 [end - begin, size, size, channels], made by all threads; `seed`
/// matters when the augmentation is random.
Tensor make_views(const Dataset& dataset, const Augmentation& augmentation, std::int64_t begin,
                  std::int64_t end, std::uint64_t seed = 0);

}  // namespace tsr
