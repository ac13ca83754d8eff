// tessera attend: where the heads of a Vision Transformer look.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>

#include "apps/attention_picture.h"
#include "apps/command.h"
#include "apps/commands.h"
#include "apps/model_io.h"
#include "autograd/ops.h"
#include "data/augment.h"
#include "data/draw.h"
#include "data/image_io.h"
#include "nn/vit.h"

namespace tsr {
namespace {

struct AttendCommand {
  std::string model, data, out = "attention.png";
  std::vector<std::string> images;
  std::int64_t count = 8, block = -1, size = 0;
};

struct NamedImage {
  Image image;
  std::string name;
};

/// One channel from three, by the weights of ITU-R BT.601.
Image to_grey(const Image& image) {
  if (image.channels == 1) return image;
  Image grey(image.height, image.width, 1);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* p = image.at(y, x);
      *grey.at(y, x) = static_cast<std::uint8_t>(std::lround(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]));
    }
  return grey;
}

/// The images that were asked for: files, or the first of a data set's test split.
std::vector<NamedImage> images_of(const AttendCommand& o) {
  TSR_CHECK_INPUT(o.images.empty() != o.data.empty(),
                  "attend: name images by --image FILE, or a data set by --data");
  std::vector<NamedImage> images;
  for (const std::string& file : o.images)
    images.push_back({read_image(file), std::filesystem::path(file).filename().string()});
  if (!o.data.empty()) {
    TSR_CHECK_INPUT(o.count >= 1, "--count: ", o.count, ": must be at least 1");
    const DatasetPtr dataset = open_dataset(o.data, Split::test);
    for (std::int64_t i = 0; i < std::min(o.count, dataset->size()); ++i)
      images.push_back(
          {dataset->image(i), dataset->labelled()
                                  ? dataset->class_names()[static_cast<std::size_t>(dataset->label(i))]
                                  : text("image ", i)});
  }
  return images;
}

ViT& transformer_of(EncoderModel& model, const AttendCommand& o) {
  auto* vit = dynamic_cast<ViT*>(model.encoder.get());
  TSR_CHECK_INPUT(vit != nullptr, "--model: ", o.model, ": its encoder, ", model.info.arch,
                  ", has no attention; choose a Vision Transformer's (vit_mini, vit_tiny, …)");
  const std::int64_t depth = vit->options.depth;
  TSR_CHECK_INPUT(o.block >= -depth && o.block < depth, "--block: ", o.block, ": the encoder has ", depth,
                  " blocks; choose ", -depth, " to ", depth - 1);
  vit->eval();
  return *vit;
}

/// The centre of an image, float32 [size, size, channels]; its pixels in 0 … 1 unless normalised.
Tensor centre_of(const Image& image, std::int64_t size, const Normalization& normalization) {
  Tensor view = empty({size, size, image.channels});
  CenterCrop(static_cast<int>(size), normalization).apply(image, Generator(), view.data<float>());
  return view;
}

Image as_image(const Tensor& view) {
  Image image(static_cast<int>(view.size(0)), static_cast<int>(view.size(1)), static_cast<int>(view.size(2)));
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] =
        static_cast<std::uint8_t>(std::lround(255 * std::clamp(view.data<float>()[i], 0.0F, 1.0F)));
  return image;
}

/// The attention of the class token to the patches, [heads, side, side].
Tensor maps_of(ViT& vit, const Tensor& view, std::int64_t block) {
  const std::int64_t side = view.size(0) / vit.options.patch;
  const Tensor all = vit.attention_map(unsqueeze(view, 0), block);  // [1, heads, tokens, tokens]
  const Tensor patches = slice(select(select(all, 2, 0), 0, 0), 1, vit.prefix(), all.size(3));
  return contiguous(reshape(patches, {patches.size(0), side, side}));
}

void run(const AttendCommand& o) {
  EncoderModel model = load_encoder(o.model);
  ViT& vit = transformer_of(model, o);
  const std::int64_t size = o.size > 0 ? o.size : model.info.image_size;
  TSR_CHECK_INPUT(o.size >= 0 && size % vit.size_multiple() == 0, "--size: ", o.size,
                  ": must be a multiple of the patches' ", vit.size_multiple(), " pixels");
  std::vector<AttendedImage> attended;
  for (const NamedImage& each : images_of(o)) {
    const Image image = model.info.channels == 1 ? to_grey(each.image) : to_rgb(each.image);
    attended.push_back({as_image(centre_of(image, size, {})), each.name,
                        maps_of(vit, centre_of(image, size, model.info.normalization), o.block)});
  }
  write_attention_picture(o.out, attended);
  std::cout << attended.size() << (attended.size() == 1 ? " image, " : " images, ") << vit.options.heads
            << " heads: " << o.out << '\n';
}

}  // namespace

void add_attend_command(Command& tessera) {
  Command command = tessera.subcommand("attend", "Draw where the heads of a Vision Transformer look");
  const auto o = std::make_shared<AttendCommand>();
  command.option("--model", &o->model, "DIR|FILE", "a run's folder or an encoder file", {.required = true});
  command.option("--image", &o->images, "FILE", "images to look at, one or several",
                 {.several_in_a_row = true});
  command.option("--data", &o->data, "SPEC",
                 "or a data set, as for pretrain: the first images of its test split");
  command.option("--count", &o->count, "N", "how many of the data set's (default 8)");
  command.option("--block", &o->block, "B",
                 "which block's attention, from the last when negative (default -1)");
  command.option("--size", &o->size, "S", "pixels of the image's side (default: those of training)");
  command.option("--out", &o->out, "FILE.png", "the picture (default attention.png)");
  command.threads_option();
  command.action([o] { run(*o); });
}

}  // namespace tsr
