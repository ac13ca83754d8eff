#include "data/folder.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "data/image_io.h"

namespace tsr {
namespace {

namespace fs = std::filesystem;

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// What lies directly in a folder, sorted, hidden entries left out.
struct Listing {
  std::vector<fs::path> folders, images;
};

Listing list(const fs::path& folder) {
  Listing listing;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (hidden(entry->path())) continue;
    if (entry->is_directory())
      listing.folders.push_back(entry->path());
    else if (is_image_name(entry->path()))
      listing.images.push_back(entry->path());
  }
  TSR_CHECK_INPUT(!error, folder.string(), ": cannot list: ", error.message());
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.images.begin(), listing.images.end());
  return listing;
}

void append_in_depth(const fs::path& folder, std::vector<fs::path>& images) {
  const Listing listing = list(folder);
  images.insert(images.end(), listing.images.begin(), listing.images.end());
  for (const fs::path& below : listing.folders) append_in_depth(below, images);
}

class FolderDataset final : public Dataset {
 public:
  FolderDataset(const fs::path& path, const fs::path& root, std::vector<std::string> class_names)
      : name_("folder:" + path.string()), class_names_(std::move(class_names)) {
    const Listing listing = list(root);
    if (class_names_.empty()) {
      files_ = listing.images;
      TSR_CHECK_INPUT(!files_.empty(), root.string(), ": holds no images (", kImageNames, ")");
    } else {
      for (const fs::path& folder : listing.folders) add_class(folder);
    }
    for (const fs::path& file : files_) {
      std::error_code error;
      const auto bytes = fs::file_size(file, error);
      TSR_CHECK_INPUT(!error, file.string(), ": cannot read: ", error.message());
      TSR_CHECK_INPUT(bytes > 0, file.string(), ": empty file (0 bytes)");
    }
  }

  std::string name() const override { return name_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  int channels() const override { return 3; }
  Image image(std::int64_t index) const override { return read_image(files_[checked(index)]); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  std::int64_t label(std::int64_t index) const override {
    TSR_CHECK(labelled(), name_, ": is unlabelled: its images are not in class folders");
    return labels_[checked(index)];
  }

 private:
  void add_class(const fs::path& folder) {
    const auto place = std::lower_bound(class_names_.begin(), class_names_.end(), folder.filename().string());
    TSR_CHECK_INPUT(place != class_names_.end() && *place == folder.filename().string(), folder.string(),
                    ": a class that the training images lack");
    const std::size_t before = files_.size();
    append_in_depth(folder, files_);
    TSR_CHECK_INPUT(files_.size() > before, folder.string(), ": holds no images (", kImageNames, ")");
    labels_.resize(files_.size(), place - class_names_.begin());
  }

  std::size_t checked(std::int64_t index) const {
    TSR_CHECK(index >= 0 && index < size(), name_, ": no sample ", index, " among ", size());
    return static_cast<std::size_t>(index);
  }

  std::string name_;
  std::vector<std::string> class_names_;
  std::vector<fs::path> files_;
  std::vector<std::int64_t> labels_;
};

/// The class folders' names; none for a flat folder.
std::vector<std::string> classes_of(const fs::path& root) {
  const Listing listing = list(root);
  TSR_CHECK_INPUT(listing.folders.empty() || listing.images.empty(), root.string(),
                  ": has class folders, and ", listing.images.size(), " images outside them (such as ",
                  listing.images.front().filename().string(), "): move them into classes, or away");
  std::vector<std::string> names;
  for (const fs::path& folder : listing.folders) names.push_back(folder.filename().string());
  return names;
}

const RegisterDataset registered_folder({.name = "folder",
                                         .argument = "PATH",
                                         .open = [](Split split, std::string_view path) {
                                           return open_folder(path, split);
                                         }});

}  // namespace

DatasetPtr open_folder(const fs::path& path, Split split) {
  TSR_CHECK_INPUT(fs::is_directory(path), "folder:", path.string(), ": no such folder");
  const bool divided = fs::is_directory(path / "train");
  const fs::path training = divided ? path / "train" : path;
  fs::path root = training;
  if (split == Split::test) {
    root = fs::is_directory(path / "test") ? path / "test" : path / "val";
    TSR_CHECK_INPUT(divided && fs::is_directory(root), "folder:", path.string(),
                    ": has no test images: they are looked for in ", (path / "test").string(), " and ",
                    (path / "val").string(), ", beside ", (path / "train").string());
  }
  return std::make_shared<FolderDataset>(path, root, classes_of(training));
}

}  // namespace tsr
