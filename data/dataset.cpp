#include "data/dataset.h"

#include <cstdlib>
#include <utility>

#include "tensor/registry.h"

namespace tsr {
namespace {

namespace fs = std::filesystem;

Registry<DatasetInfo>& datasets() {
  static Registry<DatasetInfo> list("data set");
  return list;
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

RegisterDataset::RegisterDataset(DatasetInfo info) { datasets().add(std::move(info)); }

std::vector<std::string> dataset_names() {
  std::vector<std::string> names = datasets().names();
  std::erase_if(names, [](const std::string& name) { return !datasets().find(name).argument.empty(); });
  return names;
}

std::vector<std::string> dataset_specs() {
  std::vector<std::string> specs = datasets().names();
  for (std::string& spec : specs)
    if (const std::string& argument = datasets().find(spec).argument; !argument.empty())
      spec += ':' + argument;
  return specs;
}

DatasetPtr open_dataset(std::string_view spec, Split split) {
  const auto colon = spec.find(':');
  const DatasetInfo& info = datasets().find(spec.substr(0, colon));
  const bool given = colon != std::string_view::npos;
  TSR_CHECK_INPUT(given || info.argument.empty(), "data set '", spec, "': write ", info.name, ':',
                  info.argument);
  TSR_CHECK_INPUT(!given || !info.argument.empty(), "data set '", spec, "': write just ", info.name,
                  "; it takes nothing after a colon");
  return info.open(split, given ? spec.substr(colon + 1) : "");
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
