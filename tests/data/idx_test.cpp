#include "data/idx.h"

#include "tests/data/temp_folder.h"

namespace {

void append_word(Bytes& bytes, std::uint32_t word) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
}

/// An IDX file with these sizes and `count` values 0, 1, 2, … (mod `modulus`).
Bytes idx_bytes(const std::vector<std::uint32_t>& sizes, std::size_t count, std::uint32_t modulus = 251) {
  Bytes bytes;
  append_word(bytes, 0x0800 + static_cast<std::uint32_t>(sizes.size()));
  for (const std::uint32_t size : sizes) append_word(bytes, size);
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(i % modulus));
  return bytes;
}

const std::vector<std::string> kClasses = {"a", "b", "c"};

tsr::DatasetPtr open(const TempFolder& folder, const Bytes& images, const Bytes& labels) {
  write_file(folder / "images", images);
  write_file(folder / "labels", labels);
  return tsr::open_idx("set", folder / "images", folder / "labels", kClasses);
}

}  // namespace

TEST_CASE("plain and gzip IDX files read alike") {
  const TempFolder folder;
  const Bytes bytes = idx_bytes({5, 4, 3}, 60);
  write_file(folder / "plain", bytes);
  write_gzip(folder / "packed.gz", bytes);
  for (const char* name : {"plain", "packed.gz"}) {
    const tsr::IdxArray array = tsr::read_idx(folder / name, 3);
    CHECK(array.sizes == std::vector<std::int64_t>{5, 4, 3});
    REQUIRE(array.values.size() == 60);
    CHECK(array.values[59] == 59);
  }
}

TEST_CASE("an IDX data set gives its images and labels") {
  const TempFolder folder;
  const tsr::DatasetPtr set = open(folder, idx_bytes({5, 4, 3}, 60), idx_bytes({5}, 5, 3));
  CHECK(set->size() == 5);
  CHECK(set->channels() == 1);
  CHECK(set->class_names() == kClasses);
  CHECK(set->label(4) == 1);
  CHECK(set->id(4) == 4);
  const tsr::Image image = set->image(2);
  CHECK(image.height == 4);
  CHECK(image.width == 3);
  CHECK(*image.at(1, 2) == 2 * 12 + 1 * 3 + 2);
  CHECK_THROWS_AS(set->image(5), tsr::Error);
  CHECK_THROWS_AS(set->label(-1), tsr::Error);
}

TEST_CASE("damaged IDX files are refused with their name and the reason") {
  const TempFolder folder;
  auto error_of = [&](const Bytes& bytes, int rank = 3) {
    write_file(folder / "file", bytes);
    std::string text = input_error([&] { tsr::read_idx(folder / "file", rank); });
    CHECK(contains(text, (folder / "file").string()));
    return text;
  };
  const Bytes good = idx_bytes({5, 4, 3}, 60);
  CHECK(contains(error_of({}), "only 0 bytes"));
  CHECK(contains(error_of({0, 0}), "only 2 bytes"));
  CHECK(contains(error_of({0x1f, 0x8b, 8, 0}), "gzip"));
  CHECK(contains(error_of(good, 1), "magic number 0x803 where 0x801"));
  CHECK(contains(error_of({'P', 'N', 'G', 0}), "magic number"));
  CHECK(contains(error_of(Bytes(good.begin(), good.begin() + 10)), "truncated"));
  CHECK(contains(error_of(Bytes(good.begin(), good.end() - 1)), "promises 60 elements, 59 are there"));
  CHECK(contains(error_of(idx_bytes({5, 4, 3}, 61)), "goes on after the 60 elements"));
  CHECK(contains(error_of(idx_bytes({0xFFFFFFFF, 0xFFFF, 1}, 60)), "promises"));
  CHECK(contains(error_of(idx_bytes({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, 60)), "overflow"));
  CHECK(contains(input_error([&] { tsr::read_idx(folder / "none", 3); }), "No such file"));
  CHECK(contains(input_error([&] { tsr::read_idx(folder.path(), 3); }), "is a folder"));
}

TEST_CASE("a truncated or damaged gzip stream is refused, wherever it breaks off") {
  const TempFolder folder;
  Bytes noise;  // incompressible, so that every byte of the stream matters
  for (std::uint32_t i = 0, x = 1; i < 60'000; ++i, x = x * 1664525 + 1013904223)
    noise.push_back(static_cast<std::uint8_t>(x >> 24));
  Bytes bytes = idx_bytes({100, 20, 30}, 0);
  bytes.insert(bytes.end(), noise.begin(), noise.end());
  write_gzip(folder / "good.gz", bytes);
  CHECK(tsr::read_idx(folder / "good.gz", 3).values == noise);
  const Bytes packed = read_file(folder / "good.gz");
  for (const std::size_t kept : {packed.size() - 1, packed.size() - 8, packed.size() / 2, std::size_t{12}}) {
    write_file(folder / "cut.gz", Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(kept)));
    CHECK(contains(input_error([&] { tsr::read_idx(folder / "cut.gz", 3); }), "truncated gzip stream"));
  }
  Bytes flipped = packed;
  flipped[flipped.size() / 2] ^= 0x10;
  write_file(folder / "flipped.gz", flipped);
  CHECK(contains(input_error([&] { tsr::read_idx(folder / "flipped.gz", 3); }), "damaged gzip stream"));
}

TEST_CASE("images and labels must agree") {
  const TempFolder folder;
  const Bytes images = idx_bytes({5, 4, 3}, 60);
  CHECK(contains(input_error([&] { open(folder, images, idx_bytes({4}, 4, 3)); }),
                 "4 labels for the 5 images"));
  CHECK(contains(input_error([&] { open(folder, images, idx_bytes({5}, 5)); }), "label 4 where"));
  CHECK(contains(input_error([&] {
                   open(folder, idx_bytes({0, 4, 3}, 0), idx_bytes({0}, 0));
                 }),
                 "no pixels"));
  CHECK(contains(input_error([&] {
                   open(folder, idx_bytes({5, 0, 3}, 0), idx_bytes({5}, 5, 3));
                 }),
                 "no pixels"));
}
