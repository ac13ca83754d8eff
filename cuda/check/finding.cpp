#include "cuda/check/finding.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <dlfcn.h>
#include <memory>

#include "cuda/emulator/block.h"

namespace tsr::emu::check {
namespace {

constexpr std::size_t kMostHostAccesses = 64;
std::array<const void*, kMostHostAccesses> host_accesses;
std::atomic<std::size_t> host_access_count = 0;

std::string first_place(FILE* lines) {
  std::string first;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), lines) != nullptr) {
    std::string line(buffer.data());
    line = line.substr(0, line.find_first_of(" \n"));  // without "(discriminator 2)"
    if (first.empty()) first = line;
    if (line.find("cuda/emulator/") == std::string::npos && line.find("/include/c++/") == std::string::npos) {
      first = line;
      break;
    }
  }
  for (const char* root : {"/cuda/", "/tests/"})
    if (const std::size_t at = first.rfind(root);
        at != std::string::npos && first.rfind("/tests/cuda/") != at - 6)
      return first.substr(at + 1);
  return first;
}

}  // namespace

std::string source_of(const void* code) {
  Dl_info info{};
  if (::dladdr(code, &info) == 0) return "?";
  // a return address is behind its call
  const auto offset = static_cast<const char*>(code) - static_cast<const char*>(info.dli_fbase) - 1;
  std::array<char, 32> hex{};
  std::snprintf(hex.data(), hex.size(), "%#tx", offset);
  const std::string command = text("addr2line -i -e '", info.dli_fname, "' ", hex.data());
  const std::unique_ptr<FILE, int (*)(FILE*)> lines(::popen(command.c_str(), "r"), &::pclose);
  return lines == nullptr ? "?" : first_place(lines.get());
}

void report(const void* code, const std::string& message) {
  Block& block = Block::current();
  block.stop(
      std::make_exception_ptr(Error(text("emu: ", block.where(), ", ", source_of(code), ": ", message))));
}

void note_host_access(const void* code) {
  const std::size_t i = host_access_count++;
  // addresses of instructions here: source_of expects the one behind
  if (i < kMostHostAccesses) host_accesses.at(i) = static_cast<const char*>(code) + 1;
}

std::vector<std::string> take_host_accesses() {
  std::vector<std::string> result;
  const std::size_t count = host_access_count.exchange(0);
  for (std::size_t i = 0; i < count && i < kMostHostAccesses; ++i)
    result.push_back(
        text("host, ", source_of(host_accesses.at(i)),
             ": device memory touched outside a launch or transfer; copy it with to(Device::cpu)"));
  return result;
}

}  // namespace tsr::emu::check
