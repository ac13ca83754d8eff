#include "bench/profile/report.h"

#include <cstdint>
#include <fstream>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string>

namespace tsr::bench {
namespace {

using emu::check::KernelProfile;
using emu::check::Kind;
using emu::check::LineTraffic;
using emu::check::Meeting;
using emu::check::Memory;
using emu::check::Traffic;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr Kind kKinds[] = {Kind::read, Kind::write, Kind::atomic};

const char* name_of(Kind kind) {
  return kind == Kind::read ? "load" : kind == Kind::write ? "store" : "atomic";
}
const char* name_of(Memory memory) { return memory == Memory::global ? "global" : "shared"; }

/// Without the namespaces that every kernel has.
std::string short_name(std::string name) {
  for (const std::string part : {"tsr::emu::", "emu::", "{anonymous}::", "tsr::"})
    for (std::size_t at = name.find(part); at != std::string::npos; at = name.find(part, at))
      name.erase(at, part.size());
  return name;
}

std::string size_text(std::uint64_t bytes) {
  const char* unit = " B";
  auto size = static_cast<double>(bytes);
  for (const char* larger : {" KiB", " MiB", " GiB"}) {
    if (size < 1024) break;
    size /= 1024;
    unit = larger;
  }
  std::ostringstream out;
  out << std::fixed << std::setprecision(*unit == ' ' && unit[1] == 'B' ? 0 : 1) << size << unit;
  return out.str();
}

std::string ratio_text(std::uint64_t sum, std::uint64_t requests) {
  if (requests == 0) return "-";
  std::ostringstream out;
  out << std::fixed << std::setprecision(1) << static_cast<double>(sum) / static_cast<double>(requests);
  return out.str();
}

Traffic sum_of(const KernelProfile& profile, Memory memory) {
  Traffic sum;
  for (const Kind kind : kKinds) sum += profile.total(memory, kind);
  return sum;
}

void print_traffic(std::ostream& out, const Traffic& traffic) {
  out << std::setw(11) << (traffic.requests == 0 ? "-" : size_text(traffic.bytes)) << std::setw(8)
      << ratio_text(traffic.transactions, traffic.requests) << std::setw(6)
      << ratio_text(traffic.ideal, traffic.requests);
}

/// Line `number` of a file, without what indents it; "" when there is none.
std::string line_of(const fs::path& root, const std::string& source) {
  const std::size_t colon = source.rfind(':');
  if (colon == std::string::npos) return "";
  std::ifstream file(root / source.substr(0, colon));
  std::string line;
  for (int left = std::atoi(source.c_str() + colon + 1); left > 0; --left)
    if (!std::getline(file, line)) return "";
  const std::size_t begin = line.find_first_not_of(' ');
  return begin == std::string::npos ? "" : line.substr(begin);
}

void print_line(std::ostream& out, const std::string& what, std::uint64_t count, const std::string& numbers,
                const std::string& source, const fs::path& root) {
  out << "  " << std::left << std::setw(18) << what << std::right << std::setw(11) << count << std::setw(22)
      << numbers << "  " << source << "  " << line_of(root, source) << '\n';
}

json to_json(const Traffic& traffic) {
  return {{"accesses", traffic.accesses},         {"bytes", traffic.bytes}, {"requests", traffic.requests},
          {"transactions", traffic.transactions}, {"ideal", traffic.ideal}, {"worst", traffic.worst}};
}

json to_json(const KernelProfile& profile) {
  json result{{"kernel", profile.kernel},
              {"launches", profile.launches},
              {"blocks", profile.blocks},
              {"threads", profile.threads},
              {"barriers", profile.total(Meeting::barrier)},
              {"collectives", profile.total(Meeting::collective)},
              {"tensor_core_instructions", profile.total(Meeting::tensor_core)},
              {"lines", json::array()},
              {"meetings", json::array()}};
  for (const Memory memory : {Memory::global, Memory::shared})
    for (const Kind kind : kKinds)
      result[name_of(memory)][name_of(kind)] = to_json(profile.total(memory, kind));
  for (const LineTraffic& line : profile.traffic) {
    json entry = to_json(line.traffic);
    entry.update({{"source", line.source}, {"memory", name_of(line.memory)}, {"kind", name_of(line.kind)}});
    result["lines"].push_back(entry);
  }
  for (const auto& line : profile.meetings)
    result["meetings"].push_back({{"source", line.source}, {"call", line.call}, {"count", line.count}});
  return result;
}

}  // namespace

void print_kernels(std::ostream& out, const std::vector<KernelProfile>& profiles) {
  out << "                     global loads            global stores            shared memory\n"
         "launches     blocks      bytes sectors ideal      bytes sectors ideal      bytes   waves ideal"
         "  barriers  collectives  tensor core  kernel\n";
  for (const KernelProfile& profile : profiles) {
    Traffic stores = profile.total(Memory::global, Kind::write);
    stores += profile.total(Memory::global, Kind::atomic);
    out << std::setw(8) << profile.launches << std::setw(11) << profile.blocks;
    print_traffic(out, profile.total(Memory::global, Kind::read));
    print_traffic(out, stores);
    print_traffic(out, sum_of(profile, Memory::shared));
    out << std::setw(10) << profile.total(Meeting::barrier) << std::setw(13)
        << profile.total(Meeting::collective) << std::setw(13) << profile.total(Meeting::tensor_core) << "  "
        << short_name(profile.kernel) << '\n';
  }
  out << "sectors (32 bytes) and waves (one word a bank): a warp's request needs so many; ideal is the "
         "fewest "
         "for its bytes\n";
}

void print_lines(std::ostream& out, const std::vector<KernelProfile>& profiles, const fs::path& root) {
  for (const KernelProfile& profile : profiles) {
    out << '\n'
        << short_name(profile.kernel) << "\n  " << std::left << std::setw(18) << "what" << std::right
        << std::setw(11) << "by warps" << std::setw(22) << "each / ideal / worst" << '\n';
    for (const LineTraffic& line : profile.traffic) {
      const Traffic& t = line.traffic;
      print_line(out, std::string(name_of(line.memory)) + ' ' + name_of(line.kind), t.requests,
                 ratio_text(t.transactions, t.requests) + " / " + ratio_text(t.ideal, t.requests) + " / " +
                     std::to_string(t.worst),
                 line.source, root);
    }
    for (const auto& line : profile.meetings) print_line(out, line.call, line.count, "", line.source, root);
  }
}

json to_json(const std::vector<KernelProfile>& profiles) {
  json result = json::array();
  for (const KernelProfile& profile : profiles) result.push_back(to_json(profile));
  return result;
}

}  // namespace tsr::bench
