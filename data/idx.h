#pragma once
// The IDX format of MNIST and its relatives, plain or gzip (http://yann.lecun.com/exdb/mnist/).

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace tsr {

/// An IDX file of bytes: its sizes and its elements, row-major.
struct IdxArray {
  std::vector<std::int64_t> sizes;
  std::vector<std::uint8_t> values;
};

/// Reads an IDX file of unsigned bytes with `rank` sizes. Throws InputError, naming the file, when it can't
/// be read, has another magic number, is truncated, or goes on after its last element.
IdxArray read_idx(const std::filesystem::path& path, int rank);

/// Opens the image file and its label file (grey images, labels below class_names.size()). Throws InputError
/// as read_idx does, and when the counts differ, there are no images, or a label is out of range.
DatasetPtr open_idx(std::string name, const std::filesystem::path& images,
                    const std::filesystem::path& labels, std::vector<std::string> class_names);

}  // namespace tsr
