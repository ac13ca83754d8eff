// safetensors: round trips, and files that lie.
#include "tensor/safetensors.h"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace tsr::test {
namespace {

namespace fs = std::filesystem;

/// A file name that nobody else has; removed at the end.
struct TemporaryFile {
  fs::path path = fs::temp_directory_path() / ("tessera-" + std::to_string(getpid()) + ".safetensors");
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
};

/// Writes a file of this header and this many bytes of data; the length field may lie.
void write_raw(const fs::path& path, const std::string& header, std::size_t data, std::uint64_t length) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << header << std::string(data, '\1');
}

void check_refused(const std::string& header, std::size_t data, const std::string& why) {
  const TemporaryFile file;
  write_raw(file.path, header, data, header.size());
  CHECK_THROWS_WITH_AS(read_safetensors(file.path), doctest::Contains(why.c_str()), InputError);
}

}  // namespace

TEST_CASE("every dtype, empty tensors, scalars and metadata come back") {
  const TemporaryFile file;
  TensorMap tensors{{"scalar", scalar(1.5)}, {"empty", zeros({0, 3})}};
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    tensors[std::string(name_of(dtype))] = from_values({0, 1, 2, 3, 0, 5}, {2, 3}).to(dtype);
  }
  write_safetensors(file.path, tensors, {{"who", "we \"quote\""}});
  const SafetensorsFile back = read_safetensors(file.path);
  CHECK(back.metadata == Metadata{{"who", "we \"quote\""}});
  REQUIRE(back.tensors.size() == tensors.size());
  for (const auto& entry : tensors) {
    INFO(entry.first);
    const Tensor& tensor = entry.second;
    const Tensor& other = back.tensors.at(entry.first);
    CHECK(other.dtype() == tensor.dtype());
    CHECK(other.shape() == tensor.shape());
    CHECK(std::memcmp(other.raw(), tensor.raw(),
                      static_cast<std::size_t>(tensor.numel() * size_of(tensor.dtype()))) == 0);
  }
}

TEST_CASE("a strided tensor is written dense") {
  const TemporaryFile file;
  const Tensor base = from_values({1, 2, 3, 4, 5, 6}, {2, 3});
  write_safetensors(file.path, {{"t", base.as_strided({3, 2}, {1, 3}, 0)}});
  const Tensor back = read_safetensors(file.path).tensors.at("t");
  const float want[] = {1, 4, 2, 5, 3, 6};
  CHECK(std::equal(std::begin(want), std::end(want), back.data<float>()));
}

TEST_CASE("headers that lie are refused by name") {
  check_refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}})", 8,
                "tensor 'x': data_offsets [0, 16] lie outside the 8 bytes of data");
  check_refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "lie outside");
  check_refused(R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "needs 12");
  check_refused(R"({"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})", 8,
                "too large");
  check_refused(R"({"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "not a size");
  check_refused(R"({"x":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8,
                "at most 8 sizes");
  check_refused(R"({"x":{"dtype":"F13","shape":[2],"data_offsets":[0,8]}})", 8,
                "dtype 'F13' is not supported; known: F32 F64 BF16 F16 I64 I32 U8 BOOL");
  for (const char* name : {"I8", "I16", "U16", "U32", "U64", "F8_E4M3", "F8_E5M2"})
    check_refused(text(R"({"x":{"dtype":")", name, R"(","shape":[8],"data_offsets":[0,8]}})"), 8,
                  text("tensor 'x': dtype '", name, "' is not supported"));
  check_refused(R"({"x":{"dtype":"F32","shape":[2]}})", 8, "lacks dtype, shape or two data_offsets");
  check_refused(
      R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      12, "tensors 'x' and 'y' overlap");
  check_refused(R"({"__metadata__":3})", 0, "__metadata__ is not an object");
  check_refused(R"({"__metadata__":{"a":3}})", 0, "metadata 'a' is not a string");
  check_refused(R"([1, 2])", 0, "not a JSON object");
  check_refused(R"( {"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "not a JSON object");
  check_refused(R"({"x":)", 0, "not a JSON object");
}

TEST_CASE("data that belongs to no tensor, or names that come twice, are refused") {
  check_refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12,
                "the 4 bytes of data before tensor 'x' belong to none");
  check_refused(
      R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})",
      6, "the 2 bytes of data before tensor 'y' belong to none");
  check_refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 11,
                "the last 3 bytes of data belong to no tensor");
  check_refused(R"({})", 1, "the last 1 bytes of data belong to no tensor");
  check_refused(
      R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      2, "the header has 'x' twice");
}

TEST_CASE("a bool that is neither 0 nor 1 is refused when it is read") {
  const TemporaryFile file;
  const std::string header = R"({"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  write_raw(file.path, header, 0, header.size());
  std::ofstream(file.path, std::ios::binary | std::ios::app) << '\1' << '\2';
  const SafetensorsReader reader(file.path);
  CHECK_THROWS_WITH_AS(reader.read("x"), doctest::Contains("tensor 'x' holds a bool that is neither 0 nor 1"),
                       InputError);
}

TEST_CASE("shapes whose bytes overflow are refused") {
  // 2^61 elements of 8 bytes: the count fits 64 bits, the bytes wrap to 0.
  check_refused(R"({"x":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 8,
                "tensor 'x': shape is too large");
  // As signed numbers -1 and -1, whose product would fit.
  check_refused(
      R"({"x":{"dtype":"U8","shape":[18446744073709551615,18446744073709551615],"data_offsets":[0,1]}})", 1,
      "tensor 'x': shape is too large");
}

TEST_CASE("truncated files and impossible header lengths are refused") {
  const TemporaryFile file;
  CHECK_THROWS_WITH_AS(read_safetensors(file.path), doctest::Contains("no such file"), InputError);
  CHECK_THROWS_WITH_AS(read_safetensors(fs::temp_directory_path()),
                       doctest::Contains("no such file, or not readable"), InputError);
  std::ofstream(file.path) << "four";
  CHECK_THROWS_WITH_AS(read_safetensors(file.path), doctest::Contains("too short"), InputError);
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    write_raw(file.path, "{}", 0, length);
    CHECK_THROWS_WITH_AS(read_safetensors(file.path), doctest::Contains("doesn't fit the file"), InputError);
  }
  write_safetensors(file.path, {{"t", zeros({100})}});
  fs::resize_file(file.path, fs::file_size(file.path) - 1);
  CHECK_THROWS_WITH_AS(read_safetensors(file.path), doctest::Contains("lie outside"), InputError);
}

TEST_CASE("a reader knows all and reads one") {
  const TemporaryFile file;
  write_safetensors(file.path, {{"a", zeros({3}, uint8)}, {"b", ones({2, 2}, float64)}, {"c", ones({1})}});
  const SafetensorsReader reader(file.path);
  CHECK(reader.entries() == std::map<std::string, TensorInfo>{
                                {"a", {uint8, {3}}}, {"b", {float64, {2, 2}}}, {"c", {float32, {1}}}});
  CHECK(reader.read("c").item() == 1);
  CHECK(reader.read("b").data<double>()[3] == 1);
  CHECK_THROWS_WITH_AS(reader.read("d"), doctest::Contains("tensor 'd' is missing"), InputError);
  fs::resize_file(file.path, fs::file_size(file.path) - 1);  // behind its back
  CHECK_THROWS_WITH_AS(reader.read("a"), doctest::Contains("1 bytes too early"), InputError);
  CHECK(reader.read("c").item() == 1);
}

TEST_CASE("data is aligned to its elements, and what the format can't hold is refused") {
  const TemporaryFile file;
  write_safetensors(file.path,
                    {{"a", ones({3}, uint8)}, {"b", ones({3}, float16)}, {"c", ones({1}, float64)}});
  std::ifstream in(file.path, std::ios::binary);
  std::uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  std::string header(length, ' ');
  in.read(header.data(), static_cast<std::streamsize>(length));
  CHECK(length % 8 == 0);
  CHECK(header.find(R"("c":{"data_offsets":[0,8])") != std::string::npos);
  CHECK(header.find(R"("b":{"data_offsets":[8,14])") != std::string::npos);
  CHECK(header.find(R"("a":{"data_offsets":[14,17])") != std::string::npos);
  CHECK_THROWS_WITH_AS(write_safetensors(file.path, {{"\xff", ones({1})}}), doctest::Contains("not UTF-8"),
                       Error);
  CHECK_THROWS_WITH_AS(write_safetensors(file.path, {{"__metadata__", ones({1})}}),
                       doctest::Contains("no tensor can be called __metadata__"), Error);
  CHECK(read_safetensors(file.path).tensors.contains("a"));
}

TEST_CASE("of a file of six gigabytes a small tensor costs little memory") {
  const TemporaryFile file;
  constexpr std::uint64_t kBig = 6'000'000'000;
  const std::string header =
      text(R"({"big":{"dtype":"F32","shape":[)", kBig / 4, R"(],"data_offsets":[0,)", kBig,
           R"(]},"small":{"dtype":"F32","shape":[2],"data_offsets":[)", kBig, ',', kBig + 8, R"(]}})");
  write_raw(file.path, header, 0, header.size());
  std::error_code refused;
  fs::resize_file(file.path, fs::file_size(file.path) + kBig, refused);  // a hole: no disk is used
  if (refused) {
    MESSAGE("skipped: the file system has no room for a sparse file: " << refused.message());
    return;
  }
  const float values[] = {3, 4};
  std::ofstream(file.path, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(values), sizeof values);
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const SafetensorsReader reader(file.path);
  const Tensor small = reader.read("small");
  getrusage(RUSAGE_SELF, &after);
  CHECK(small.data<float>()[1] == 4);
  CHECK(reader.entries().at("big").shape == Shape{kBig / 4});
  CHECK(after.ru_maxrss - before.ru_maxrss < 64 * 1024);  // KiB
}

TEST_CASE("writing copies one tensor at a time, and only where it isn't dense") {
  const TemporaryFile file;
  constexpr std::int64_t kSide = 512, kBytes = kSide * kSide * 4;
  TensorMap tensors;
  for (int i = 0; i < 6; ++i)
    tensors[std::to_string(i)] = full({kSide, kSide}, i).as_strided({kSide, kSide}, {1, kSide}, 0);
  Allocator& memory = allocator(Device::cpu);
  memory.reset_peak();
  const std::int64_t before = memory.stats().live_bytes;
  write_safetensors(file.path, tensors);
  CHECK(memory.stats().peak_bytes - before <= kBytes + kBytes / 8);
  CHECK(read_safetensors(file.path).tensors.at("5").data<float>()[7] == 5);
}

TEST_CASE("a write that fails leaves the old file and no other") {
  const TemporaryFile file;
  write_safetensors(file.path, {{"t", zeros({1})}});
  CHECK_THROWS_AS(write_safetensors(file.path / "below-a-file", {{"t", zeros({1})}}), Error);
  CHECK(read_safetensors(file.path).tensors.contains("t"));
}

}  // namespace tsr::test
