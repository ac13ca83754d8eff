#include "cuda/check/finding.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <dlfcn.h>
#include <execinfo.h>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "cuda/emulator/block.h"

namespace tsr::emu::check {
namespace {

/// Who called whom when the host touched device memory, from the innermost outwards.
struct HostAccess {
  static constexpr int kMost = 16;
  std::array<void*, kMost> frames{};
  int count = 0;
};
constexpr std::size_t kMostHostAccesses = 64;
std::array<HostAccess, kMostHostAccesses> host_accesses;
std::atomic<std::size_t> host_access_count = 0;

/// A place as the tree calls it.
std::string in_tree(const std::string& place) {
  const std::string whole = std::filesystem::path(place).lexically_normal().string();
  const std::string root = TESSERA_SOURCE_DIR "/";
  return whole.starts_with(root) ? whole.substr(root.size()) : whole;
}

bool is_own(const std::string& place) {
  return place.find("cuda/emulator/") == std::string::npos &&
         place.find("/include/c++/") == std::string::npos;
}

std::string read_line(FILE* file) {
  std::string line;
  for (int c = std::fgetc(file); c != EOF && c != '\n'; c = std::fgetc(file)) line += static_cast<char>(c);
  return line;
}

/// Reads what addr2line -a -f -i says: an address, "0x12", then a function and its place, from the innermost
/// outwards, and so on.
std::vector<std::string> read_places(FILE* lines) {
  std::vector<std::string> places;
  bool found = false;  // the place to report of the last address
  while (std::feof(lines) == 0) {
    const std::string function = read_line(lines);
    if (function.starts_with("0x")) {
      places.emplace_back();
      found = false;
      continue;
    }
    std::string place = read_line(lines);
    if (found || places.empty()) continue;
    place = place.substr(0, place.find(' '));  // without "(discriminator 2)"
    place = place.starts_with("?") ? function : in_tree(place);
    found = is_own(place);
    if (found || places.back().empty()) places.back() = place;
  }
  return places;
}

/// What addr2line says of addresses of one loaded file, whose code begins at `base`.
std::vector<std::string> sources_in(const char* file, const char* base,
                                    const std::vector<const void*>& codes) {
  std::string command = text("addr2line -a -f -C -i -e '", file, "'");
  for (const void* code : codes) {
    // a return address is behind its call
    command += text(' ', Hex{static_cast<std::uint64_t>(static_cast<const char*>(code) - base - 1)});
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> lines(::popen(command.c_str(), "r"), &::pclose);
  return lines == nullptr ? std::vector<std::string>{} : read_places(lines.get());
}

}  // namespace

std::vector<std::string> sources_of(const std::vector<const void*>& codes) {
  struct Module {
    std::vector<const void*> codes;
    std::vector<std::size_t> places;  // of each in the result
  };
  std::map<std::pair<std::string, const char*>, Module> modules;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    Dl_info info{};
    if (::dladdr(codes[i], &info) == 0) continue;
    Module& module = modules[{info.dli_fname, static_cast<const char*>(info.dli_fbase)}];
    module.codes.push_back(codes[i]);
    module.places.push_back(i);
  }
  std::vector<std::string> result(codes.size(), "??");
  for (const auto& [where, module] : modules) {
    const auto sources = sources_in(where.first.c_str(), where.second, module.codes);
    for (std::size_t i = 0; i < sources.size() && i < module.places.size(); ++i)
      result[module.places[i]] = sources[i];
  }
  return result;
}

std::string source_of(const void* code) { return sources_of({code}).front(); }

void report(const void* code, const std::string& message) {
  Block& block = Block::current();
  block.stop(
      std::make_exception_ptr(Error(text("emu: ", block.where(), ", ", source_of(code), ": ", message))));
}

void note_host_access(const void* code) {
  const std::size_t number = host_access_count++;
  if (number >= kMostHostAccesses) return;
  HostAccess& access = host_accesses.at(number);
  std::array<void*, HostAccess::kMost + 4> all{};  // the handler's own frames first
  const int count = ::backtrace(all.data(), static_cast<int>(all.size()));
  const auto end = all.begin() + count, begin = std::find(all.begin(), end, code);
  access.count = static_cast<int>(std::min<std::ptrdiff_t>(end - begin, HostAccess::kMost));
  std::copy_n(begin, access.count, access.frames.begin());
  // that of an instruction; the others are return addresses, as sources_of expects
  if (access.count > 0) access.frames[0] = static_cast<char*>(access.frames[0]) + 1;
}

std::vector<std::string> take_host_accesses() {
  std::vector<std::string> result;
  const std::size_t count = std::min(host_access_count.exchange(0), kMostHostAccesses);
  for (std::size_t i = 0; i < count; ++i) {
    const HostAccess& access = host_accesses.at(i);
    const std::vector<const void*> frames(access.frames.begin(), access.frames.begin() + access.count);
    const auto places = sources_of(frames);
    // a library without debug information (memcpy) did it for whom it was called by
    const auto place =
        std::find_if(places.begin(), places.end(), [](const std::string& p) { return !p.starts_with("?"); });
    result.push_back(
        text("emu: host, ", place == places.end() ? "??" : *place,
             ": device memory touched outside a launch or transfer; copy it with to(Device::cpu)"));
  }
  return result;
}

}  // namespace tsr::emu::check
