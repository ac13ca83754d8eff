// safetensors: round trips, and files that lie.
#include "tensor/safetensors.h"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
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
                "dtype 'F13' is not supported");
  check_refused(R"({"x":{"dtype":"F32","shape":[2]}})", 8, "lacks dtype, shape or two data_offsets");
  check_refused(
      R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
      12, "tensors 'x' and 'y' overlap");
  check_refused(R"({"__metadata__":3})", 0, "__metadata__ is not an object");
  check_refused(R"([1, 2])", 0, "not a JSON object");
  check_refused(R"({"x":)", 0, "not a JSON object");
}

TEST_CASE("shapes whose bytes overflow are refused") {
  // 2^61 elements of 8 bytes: the count fits 64 bits, the bytes wrap to 0.
  check_refused(R"({"x":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 8,
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

TEST_CASE("a write that fails leaves the old file and no other") {
  const TemporaryFile file;
  write_safetensors(file.path, {{"t", zeros({1})}});
  CHECK_THROWS_AS(write_safetensors(file.path / "below-a-file", {{"t", zeros({1})}}), Error);
  CHECK(read_safetensors(file.path).tensors.contains("t"));
}

}  // namespace tsr::test
