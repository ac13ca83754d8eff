// Data sets known by name that lie in IDX files: fashion-mnist and mnist.
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/idx.h"

namespace tsr {
namespace {

namespace fs = std::filesystem;

struct NamedIdx {
  std::string name;
  std::vector<std::string> class_names;
  std::string how_to_get;
};

/// The plain or the gzip file of this stem, or an empty path.
fs::path find_idx_file(const fs::path& folder, const std::string& stem) {
  std::error_code error;
  for (const char* ending : {"", ".gz"})
    if (fs::path path = folder / (stem + ending); fs::exists(path, error)) return path;
  return {};
}

DatasetPtr open_named_idx(const NamedIdx& set, Split split) {
  const std::string prefix = split == Split::train ? "train" : "t10k";
  std::string searched;
  for (const fs::path& root : dataset_folders()) {
    const fs::path folder = root / set.name;
    const fs::path images = find_idx_file(folder, prefix + "-images-idx3-ubyte");
    const fs::path labels = find_idx_file(folder, prefix + "-labels-idx1-ubyte");
    TSR_CHECK_INPUT(images.empty() == labels.empty(), folder.string(), ": has the ", prefix,
                    images.empty() ? " labels but not the images" : " images but not the labels");
    if (!images.empty()) return open_idx(set.name, images, labels, set.class_names);
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  throw InputError(text(set.name, ": not found in ", searched, "; ", set.how_to_get, ", or put ", prefix,
                        "-images-idx3-ubyte and ", prefix,
                        "-labels-idx1-ubyte (plain or .gz) into one of these folders"));
}

DatasetInfo entry(const NamedIdx& set) {
  return {.name = set.name,
          .open = [set](Split split, std::string_view) { return open_named_idx(set, split); }};
}

const RegisterDataset fashion_mnist(entry({"fashion-mnist",
                                           {"t-shirt", "trouser", "pullover", "dress", "coat", "sandal",
                                            "shirt", "sneaker", "bag", "ankle boot"},
                                           "install the package dataset-fashion-mnist (Debian, Ubuntu)"})),
    mnist(entry({"mnist", {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, "download the four files"}));

}  // namespace
}  // namespace tsr
