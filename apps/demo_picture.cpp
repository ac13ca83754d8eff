#include "apps/demo_picture.h"

#include <algorithm>

#include "autograd/ops.h"
#include "data/draw.h"
#include "data/image_io.h"

namespace tsr {
namespace {

constexpr std::int64_t kNeighbours = 5, kMostClasses = 10;
constexpr Rgb kRed{214, 39, 40}, kBlack{0, 0, 0}, kGrey{90, 90, 90}, kRule{225, 225, 225};

/// The first test image of each class, as rows of the test set.
std::vector<std::int64_t> first_of_each_class(const EvalData& data) {
  std::vector<std::int64_t> rows;
  const std::int64_t* labels = data.test.labels.data<std::int64_t>();
  for (std::int64_t c = 0; c < std::min(data.classes, kMostClasses); ++c) {
    const std::int64_t* found = std::find(labels, labels + data.test.labels.numel(), c);
    if (found != labels + data.test.labels.numel()) rows.push_back(found - labels);
  }
  return rows;
}

Neighbours neighbours_of(const std::vector<std::int64_t>& queries, const EvalData& data) {
  const Tensor rows = from_values(queries, {static_cast<std::int64_t>(queries.size())});
  return nearest_neighbours(unit_features(index_select(data.test.features, 0, rows)),
                            unit_features(data.train.features),
                            std::min(kNeighbours, data.train.labels.numel()));
}

/// Rows of a query and its neighbours.
std::vector<SheetCell> cells_of(const std::vector<std::int64_t>& queries, const Neighbours& neighbours,
                                const EvalSplits& splits, const EvalData& data) {
  const auto& names = splits.test->class_names();
  const auto name = [&](std::int64_t label) { return names[static_cast<std::size_t>(label)]; };
  std::vector<SheetCell> cells;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const std::int64_t truth = splits.test->label(queries[q]), k = neighbours.index.size(1);
    cells.push_back({splits.test->image(queries[q]), {}, name(truth)});
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int64_t row = neighbours.index.data<std::int64_t>()[static_cast<std::int64_t>(q) * k + j];
      const std::int64_t label = data.train.labels.data<std::int64_t>()[row];
      SheetCell cell{
          splits.all_train->image(splits.rows.train[static_cast<std::size_t>(row)]), {}, name(label)};
      if (label != truth) cell.frame = kRed;
      cells.push_back(std::move(cell));
    }
  }
  return cells;
}

/// Two sheets side by side under a title.
Image compose(const Image& left, const Image& right, const std::string& title, const std::string& legend) {
  constexpr int kMargin = 18, kHeader = 62, kBetween = 30;
  Image canvas(kHeader + std::max(left.height, right.height) + kMargin,
               2 * kMargin + left.width + kBetween + right.width, 3, 255);
  draw_text(canvas, kMargin, kMargin + 6, title, kBlack, 2);
  draw_text(canvas, kMargin + 24, kMargin + 6, legend, kGrey, 2);
  paste(canvas, left, kHeader, kMargin);
  paste(canvas, right, kHeader, kMargin + left.width + kBetween);
  fill_rectangle(canvas, kHeader + 8, kMargin + left.width + kBetween / 2 - 1, left.height - 16, 2, kRule);
  return canvas;
}

}  // namespace

void write_neighbours(const std::filesystem::path& file, const EvalSplits& splits, const EvalData& data) {
  const auto queries = first_of_each_class(data);
  const Neighbours neighbours = neighbours_of(queries, data);
  const auto cells = cells_of(queries, neighbours, splits, data);
  const int columns = 1 + static_cast<int>(neighbours.index.size(1));
  const int side = std::max(cells.front().image.height, cells.front().image.width);
  const SheetStyle style{.columns = columns,
                         .enlarge = std::max(1, 140 / side),
                         .frame = 5,
                         .gap = 10,
                         .text = 2,
                         .first_column_gap = 16};
  const auto half = cells.begin() + static_cast<std::ptrdiff_t>((queries.size() + 1) / 2) * columns;
  const Image left = draw_sheet({cells.begin(), half}, style);
  const Image right =
      half == cells.end() ? Image(left.height, 1, 3, 255) : draw_sheet({half, cells.end()}, style);
  write_png(file,
            compose(left, right, "A test image, and its five nearest training images by the trained encoder",
                    "red frame: another class than the test image's"));
}

}  // namespace tsr
