#pragma once
// Image files in folders.

#include <filesystem>

#include "data/dataset.h"

namespace tsr {

/// Opens PATH as a data set of 3-channel images, of any sizes, decoded when asked for:
///   - PATH/train beside PATH/test or PATH/val: the splits; else all of PATH is the training split;
///   - class sub-folders (searched in depth): labelled, classes being the sorted names of the training
///   split's;
///   - image files directly inside: unlabelled.
/// Files are in sorted order; hidden ones and other kinds are passed over. Throws InputError for a folder
/// that is missing or holds no images, an empty class, loose images beside classes, an empty image file, a
/// split that isn't there, or a test class that training lacks.
DatasetPtr open_folder(const std::filesystem::path& path, Split split);

}  // namespace tsr
