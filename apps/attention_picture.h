#pragma once
// What a Vision Transformer's heads look at, as a picture.

#include <filesystem>
#include <string>
#include <vector>

#include "data/image.h"
#include "tensor/tensor.h"

namespace tsr {

/// An image as the network saw it (but for the normalisation) and where its class token looks.
struct AttendedImage {
  Image image;
  std::string name;  ///< below it
  Tensor maps;       ///< float32 [heads, rows, columns] on the cpu: the attention to each patch
};

/// A row an image: the image, the mean over the heads, each head. Every map has colours of its own, from
/// black (0) to pale yellow (its largest value, which the caption tells in percent). Throws InputError when
/// the file can't be written.
void write_attention_picture(const std::filesystem::path& file, const std::vector<AttendedImage>& images);

}  // namespace tsr
