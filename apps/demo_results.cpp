#include "apps/demo_results.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "tensor/file.h"

namespace tsr {
namespace {

constexpr std::array<const char*, 2> kClassifiers{"knn", "linear"};
constexpr std::array<const char*, 3> kRepresentations{"raw", "untrained", "trained"};
constexpr std::size_t kFirstColumn = 19, kColumn = 15;

/// Characters, not bytes: "±" is one.
std::size_t width_of(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u ? 1 : 0;
  return count;
}

std::string left(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}
std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ') + text;
}

std::string budget_title(std::int64_t per_class) {
  return per_class == 0 ? "all labels" : text(per_class, " a class");
}

std::string row_title(const std::string& representation) {
  return representation == "raw" ? "raw pixels" : representation + " encoder";
}

double rounded_percent(double share) { return std::round(share * 1e4) / 1e2; }

}  // namespace

void DemoResults::judge(const std::string& representation, const EvalData& data,
                        const ProtocolOptions& options) {
  for (const std::int64_t per_class : kDemoBudgets) {
    const auto knn = judge_knn(data, per_class, options);
    cells.push_back({"knn", representation, per_class, knn.test, describe(knn.setting)});
    const auto linear = judge_linear(data, per_class, options);
    cells.push_back({"linear", representation, per_class, linear.test, describe(linear.setting)});
  }
}

const DemoCell& DemoResults::find(const std::string& classifier, const std::string& representation,
                                  std::int64_t per_class) const {
  for (const DemoCell& cell : cells)
    if (cell.classifier == classifier && cell.representation == representation && cell.per_class == per_class)
      return cell;
  throw Bug(text("demo: ", classifier, " of ", representation, " was never judged"));
}

std::string table_of(const DemoResults& results) {
  std::string out =
      left("", kFirstColumn) + left("  kNN", 3 * kColumn) + "  linear probe\n" + left("", kFirstColumn);
  for (std::size_t i = 0; i < kClassifiers.size(); ++i)
    for (const std::int64_t per_class : kDemoBudgets) out += right(budget_title(per_class), kColumn);
  out += '\n';
  for (const char* representation : kRepresentations) {
    out += left(row_title(representation), kFirstColumn);
    for (const char* classifier : kClassifiers)
      for (const std::int64_t per_class : kDemoBudgets)
        out +=
            right(percent(results.find(classifier, representation, per_class).score, per_class > 0), kColumn);
    out += '\n';
  }
  return out;
}

std::string settings_of(const DemoResults& results) {
  std::string out;
  for (const DemoCell& cell : results.cells)
    out += "  " + left(cell.classifier, 8) + left(row_title(cell.representation), kFirstColumn) +
           left(budget_title(cell.per_class), 13) + cell.setting + '\n';
  return out;
}

void write_summary(const std::filesystem::path& file, const DemoResults& results) {
  nlohmann::ordered_json json;
  for (const char* classifier : kClassifiers)
    for (const char* representation : kRepresentations)
      for (const std::int64_t per_class : kDemoBudgets) {
        const Score& score = results.find(classifier, representation, per_class).score;
        auto& entry = json[classifier][representation];
        if (per_class == 0) {
          entry["all"] = rounded_percent(score.mean);
        } else {
          entry[text("per_class_", per_class)] = {{"mean", rounded_percent(score.mean)},
                                                  {"std", rounded_percent(score.std)}};
        }
      }
  json["train_seconds"] = std::round(results.train_seconds * 10) / 10;
  write_atomically(file, json.dump(2) + '\n');
}

}  // namespace tsr
