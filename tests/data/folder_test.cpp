#include "data/folder.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "data/image_io.h"
#include "tests/data/temp_folder.h"
#include "tests/golden/golden.h"

namespace {

namespace fs = std::filesystem;

void put_file(const std::string& name, const fs::path& to) {
  write_file(to, read_file(files_folder() / name));
}

}  // namespace

TEST_CASE("each kind of image file decodes to the pixels that Pillow decodes") {
  const auto& golden = tsr::test::read_golden("augment.json");
  for (const auto& item : golden.at("files").items()) {
    const std::string& name = item.key();
    const auto& expected = item.value();
    const tsr::Image image = tsr::read_image(files_folder() / name);
    CAPTURE(name);
    REQUIRE(image.channels == 3);
    REQUIRE(image.height == expected.at("height").get<int>());
    REQUIRE(image.width == expected.at("width").get<int>());
    const auto pixels = expected.at("pixels").get<std::vector<int>>();
    int worst = 0;
    for (std::size_t i = 0; i < pixels.size(); ++i)
      worst = std::max(worst, std::abs(pixels[i] - image.pixels[i]));
    CHECK(worst <= (name.ends_with(".jpg") ? 3 : 0));  // JPEG decoders may round differently
  }
}

TEST_CASE("empty, truncated and foreign image files are errors with the file's name") {
  const TempFolder folder;
  for (const auto& entry : fs::directory_iterator(files_folder())) {
    const Bytes bytes = read_file(entry.path());
    const std::string name = entry.path().filename().string();
    for (const std::size_t kept : {std::size_t{0}, std::size_t{3}, bytes.size() / 2, bytes.size() - 40}) {
      write_file(folder / name, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept)));
      CAPTURE(name);
      CAPTURE(kept);
      const std::string text = input_error([&] { tsr::read_image(folder / name); });
      CHECK(contains(text, (folder / name).string()));
    }
  }
  write_file(folder / "empty.jpg", {});
  CHECK(contains(input_error([&] { tsr::read_image(folder / "empty.jpg"); }), "empty file (0 bytes)"));
  write_file(folder / "words.png", {'h', 'e', 'l', 'l', 'o', ' ', 't', 'h', 'e', 'r', 'e', '!'});
  CHECK(contains(input_error([&] { tsr::read_image(folder / "words.png"); }), "not one of"));
  CHECK(contains(input_error([&] { tsr::read_image(folder / "none.png"); }), "No such file"));
  CHECK(contains(input_error([&] { tsr::read_image(folder.path()); }), "is a folder"));
}

TEST_CASE("a JPEG whose header claims too many pixels, or whose data is damaged, is an error") {
  Bytes bytes = read_file(files_folder() / "rgb.jpg");
  std::size_t frame = 0;
  while (!(bytes[frame] == 0xFF && bytes[frame + 1] == 0xC0)) ++frame;
  for (const std::size_t i : {5, 6, 7, 8}) bytes[frame + i] = 0xFD;
  CHECK(contains(input_error([&] { tsr::decode_image(bytes, "huge.jpg"); }), "too many"));
}

TEST_CASE("PNG round trip, and a failure to write leaves nothing behind") {
  const TempFolder folder;
  for (const int channels : {1, 3}) {
    tsr::Image image(5, 7, channels);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 7);
    tsr::write_png(folder / "image.png", image);
    const tsr::Image back = tsr::read_image(folder / "image.png");
    REQUIRE(back.height == 5);
    REQUIRE(back.width == 7);
    for (int y = 0; y < 5; ++y)
      for (int x = 0; x < 7; ++x)
        for (int c = 0; c < 3; ++c) CHECK(back.at(y, x)[c] == image.at(y, x)[channels == 1 ? 0 : c]);
  }
  fs::create_directories(folder / "taken.png/inside");
  CHECK(contains(input_error([&] { tsr::write_png(folder / "taken.png", tsr::Image(2, 2, 1)); }),
                 "cannot write"));
  CHECK(!fs::exists(folder / "taken.png.part"));
  CHECK(contains(input_error([&] { tsr::write_png(folder / "no/such.png", tsr::Image(2, 2, 1)); }),
                 "cannot write"));
}

TEST_CASE("class folders: sorted classes, sorted files, in depth, other files passed over") {
  const TempFolder folder;
  put_file("rgb.png", folder / "zebra/b.PNG");
  put_file("rgb.jpg", folder / "zebra/a.jpg");
  put_file("grey.pgm", folder / "ant/deep/x.pgm");
  put_file("grey.jpg", folder / "ant/y.jpeg");
  write_file(folder / "ant/notes.txt", {'x'});
  write_file(folder / ".hidden/z.png", {'x'});
  const auto set = tsr::open_folder(folder.path(), tsr::Split::train);
  CHECK(set->class_names() == std::vector<std::string>{"ant", "zebra"});
  REQUIRE(set->size() == 4);
  CHECK(set->channels() == 3);
  CHECK(set->label(1) == 0);
  CHECK(set->label(2) == 1);
  CHECK(set->image(2).pixels == tsr::read_image(files_folder() / "rgb.jpg").pixels);
  CHECK(set->image(1).pixels == tsr::read_image(files_folder() / "grey.pgm").pixels);
  CHECK(contains(input_error([&] { tsr::open_folder(folder.path(), tsr::Split::test); }), "no test images"));
}

TEST_CASE("a flat folder is unlabelled") {
  const TempFolder folder;
  put_file("rgb.png", folder / "2.png");
  put_file("rgb.jpg", folder / "10.jpg");
  const auto set = tsr::open_dataset("folder:" + folder.path().string(), tsr::Split::train);
  CHECK(set->size() == 2);
  CHECK(!set->labelled());
  CHECK_THROWS_AS(set->label(0), tsr::Error);
  CHECK(set->image(0).pixels == tsr::read_image(files_folder() / "rgb.jpg").pixels);
}

TEST_CASE("train beside test or val: the labels are those of the training classes") {
  for (const std::string held_out : {"test", "val"}) {
    const TempFolder folder;
    put_file("rgb.png", folder / "train/a/1.png");
    put_file("rgb.png", folder / "train/b/1.png");
    put_file("rgb.jpg", folder / (held_out + "/b/1.jpg"));
    CHECK(tsr::open_folder(folder.path(), tsr::Split::train)->size() == 2);
    const auto test = tsr::open_folder(folder.path(), tsr::Split::test);
    REQUIRE(test->size() == 1);
    CHECK(test->label(0) == 1);
    put_file("rgb.jpg", folder / (held_out + "/c/1.jpg"));
    CHECK(contains(input_error([&] { tsr::open_folder(folder.path(), tsr::Split::test); }),
                   "training images lack"));
  }
}

TEST_CASE("folders that hold nothing usable are refused") {
  const TempFolder folder;
  auto error = [&] { return input_error([&] { tsr::open_folder(folder.path(), tsr::Split::train); }); };
  CHECK(contains(error(), "holds no images"));
  fs::create_directories(folder / "a");
  CHECK(contains(error(), "holds no images"));
  write_file(folder / "a/1.jpg", {});
  CHECK(contains(error(), "1.jpg: empty file (0 bytes)"));
  put_file("rgb.jpg", folder / "a/1.jpg");
  CHECK(tsr::open_folder(folder.path(), tsr::Split::train)->size() == 1);
  put_file("rgb.jpg", folder / "loose.jpg");
  CHECK(contains(error(), "loose.jpg"));
  CHECK(
      contains(input_error([&] { tsr::open_folder(folder / "none", tsr::Split::train); }), "no such folder"));
}
