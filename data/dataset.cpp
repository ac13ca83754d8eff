#include "data/dataset.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "data/folder.h"
#include "data/idx.h"
#include "data/shapes.h"
#include "tensor/suggest.h"

namespace tsr {
namespace {

namespace fs = std::filesystem;

/// A data set known by name that lies in IDX files.
struct NamedIdx {
  std::string name;
  std::vector<std::string> class_names;
  std::string how_to_get;
};

const std::vector<NamedIdx>& named_idx() {
  static const std::vector<NamedIdx> all = {
      {"fashion-mnist",
       {"t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"},
       "install the package dataset-fashion-mnist (Debian, Ubuntu)"},
      {"mnist", {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, "download the four files"},
  };
  return all;
}

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

class Subset final : public Dataset {
 public:
  Subset(DatasetPtr whole, std::vector<std::int64_t> indices)
      : whole_(std::move(whole)), indices_(std::move(indices)) {
    for (const std::int64_t index : indices_)
      TSR_CHECK(index >= 0 && index < whole_->size(), "subset: index ", index, " of ", whole_->name(),
                ", which has ", whole_->size(), " samples");
  }

  std::string name() const override { return whole_->name(); }
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  int channels() const override { return whole_->channels(); }
  Image image(std::int64_t index) const override { return whole_->image(at(index)); }
  const std::vector<std::string>& class_names() const override { return whole_->class_names(); }
  std::int64_t label(std::int64_t index) const override { return whole_->label(at(index)); }
  std::int64_t id(std::int64_t index) const override { return whole_->id(at(index)); }

 private:
  std::int64_t at(std::int64_t index) const {
    TSR_CHECK(index >= 0 && index < size(), name(), ": no sample ", index, " among ", size());
    return indices_[static_cast<std::size_t>(index)];
  }

  DatasetPtr whole_;
  std::vector<std::int64_t> indices_;
};

}  // namespace

std::vector<fs::path> dataset_folders() {
  std::vector<fs::path> folders;
  auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (const std::string data = variable("TESSERA_DATA"); !data.empty()) folders.emplace_back(data);
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty())
    folders.push_back(fs::path(cache) / "tessera");
  else if (const std::string home = variable("HOME"); !home.empty())
    folders.push_back(fs::path(home) / ".cache" / "tessera");
  folders.emplace_back("/usr/local/share/datasets");
  folders.emplace_back("/usr/share/datasets");
  return folders;
}

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const NamedIdx& set : named_idx()) names.push_back(set.name);
  names.emplace_back("shapes");
  return names;
}

DatasetPtr open_dataset(std::string_view spec, Split split) {
  constexpr std::string_view kFolder = "folder:";
  if (spec.starts_with(kFolder)) return open_folder(fs::path(spec.substr(kFolder.size())), split);
  if (spec == "shapes") return std::make_shared<Shapes>(split);
  for (const NamedIdx& set : named_idx())
    if (spec == set.name) return open_named_idx(set, split);
  std::vector<std::string> known = dataset_names();
  known.emplace_back("folder:PATH");
  std::sort(known.begin(), known.end());
  const std::string guess = nearest(spec, known);
  const std::string list =
      std::accumulate(known.begin() + 1, known.end(), known.front(),
                      [](const std::string& all, const std::string& name) { return all + ", " + name; });
  throw InputError(text("unknown data set '", spec, "'",
                        guess.empty() ? "" : "; did you mean '" + guess + "'?", " (known: ", list, ")"));
}

DatasetPtr subset(DatasetPtr dataset, std::vector<std::int64_t> indices) {
  return std::make_shared<Subset>(std::move(dataset), std::move(indices));
}

Tensor labels_of(const Dataset& dataset) {
  Tensor labels = empty({dataset.size()}, int64);
  auto* out = labels.data<std::int64_t>();
  for (std::int64_t i = 0; i < dataset.size(); ++i) out[i] = dataset.label(i);
  return labels;
}

}  // namespace tsr
