#pragma once
// Data sets: numbered images with optional labels.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"
#include "tensor/tensor.h"

namespace tsr {

enum class Split { train, test };

/// A numbered collection of images, read only: every method may be called by several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  /// What the user asked for: "fashion-mnist", "folder:photos".
  virtual std::string name() const = 0;
  virtual std::int64_t size() const = 0;
  /// Channels of every image: 1 or 3.
  virtual int channels() const = 0;
  /// The decoded image. Throws InputError, naming the file, when it can't be decoded.
  virtual Image image(std::int64_t index) const = 0;
  /// Names of the classes in label order; empty when the set is unlabelled.
  virtual const std::vector<std::string>& class_names() const = 0;
  /// 0 … class_names().size() - 1. Throws Error for an unlabelled set.
  virtual std::int64_t label(std::int64_t index) const = 0;
  /// A number that stays with the sample when the set is cut into subsets: its index in the whole split.
  virtual std::int64_t id(std::int64_t index) const { return index; }

  bool labelled() const { return !class_names().empty(); }
};

using DatasetPtr = std::shared_ptr<const Dataset>;

/// An entry of the list of data sets.
struct DatasetInfo {
  std::string name;           ///< SPEC is this, or with an argument "name:ARGUMENT"
  std::string argument = {};  ///< what the argument is, as in "PATH"; empty for a set that takes none
  std::function<DatasetPtr(Split split, std::string_view argument)> open;
};

/// `const RegisterDataset rings({.name = "rings", …});` at namespace scope enters a data set.
struct RegisterDataset {
  explicit RegisterDataset(DatasetInfo info);
};

/// Opens what SPEC says, in a build without others:
///   fashion-mnist, mnist   IDX files, plain or gzip, in a folder of that name below one of dataset_folders()
///   shapes                 drawn on the fly (data/shapes.h)
///   folder:PATH            image files (data/folder.h)
/// Throws InputError: unknown name (with the nearest known one), nothing found (with the folders searched),
/// or files that are not what they should be.
DatasetPtr open_dataset(std::string_view spec, Split split);

/// The data sets that a name alone opens.
std::vector<std::string> dataset_names();
/// What SPEC may be: names, and those with an argument as "folder:PATH".
std::vector<std::string> dataset_specs();

/// Where named data sets are looked for, in order: $TESSERA_DATA; $XDG_CACHE_HOME/tessera or
/// ~/.cache/tessera; the system's /usr/local/share/datasets and /usr/share/datasets.
std::vector<std::filesystem::path> dataset_folders();

/// The samples at `indices` of a data set, which keep their ids. Throws Error for an index out of range.
DatasetPtr subset(DatasetPtr dataset, std::vector<std::int64_t> indices);

/// All labels, int64 [N]. Throws Error for an unlabelled set.
Tensor labels_of(const Dataset& dataset);

}  // namespace tsr
