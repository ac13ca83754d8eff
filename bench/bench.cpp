// tessera-bench: ours beside the peers, taking turns in one run.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/command.h"
#include "bench/cases.h"
#include "bench/peer.h"
#include "tensor/cpu/instruction_set.h"
#include "tensor/error.h"
#include "tensor/kernel.h"
#include "tensor/parallel.h"
#include "tensor/suggest.h"
#include "tensor/tensor.h"

namespace tsr::bench {
namespace {

using nlohmann::json;

struct Arguments {
  std::vector<std::string> names;
  std::string json_file, python, device = "cpu";
};

/// Seconds of each repetition.
struct Samples {
  std::vector<double> seconds;

  double smallest() const { return *std::min_element(seconds.begin(), seconds.end()); }
  double median() const {
    std::vector<double> sorted = seconds;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    return *middle;
  }
};

struct Result {
  const Case& what;
  Samples ours, theirs;  ///< theirs is empty without a peer
  std::string peer;
};

/// Returns when all that the device was given has run.
void wait_for(Device device) {
  if (device != Device::cpu) empty({1}, float32, device).to(Device::cpu);
}

/// Seconds of a repetition, with threads awake, each on a core of its own, and caches as one leaves them to
/// the next, as in training: the first ones of a turn go without the clock. On a device it is several in a
/// row: what queueing one costs hides behind the others.
double time_of(const std::function<void()>& body, Device device) {
  const int in_a_row = device == Device::cuda ? 10 : 1;
  const auto awake = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  do body();
  while (device == Device::cpu && std::chrono::steady_clock::now() < awake);
  wait_for(device);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < in_a_row; ++i) body();
  wait_for(device);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / in_a_row;
}

/// Ours and theirs in turn, so that whatever else the machine does meets both: at least kFewest times, then
/// until some seconds are spent or kMost is reached.
Result measure(const Case& what, Peer* peer, Device device) {
  constexpr std::size_t kFewest = 5, kMost = 100;
  const double limit = device == Device::cpu ? 3 : 0.1;
  if (device == Device::cuda) choose_variant(device, "library");  // whatever the last case chose
  const std::function<void()> body = what.prepare();
  body();
  wait_for(device);
  std::function<double()> theirs;
  if (!what.rival.empty()) {
    const std::function<void()> rival = what.prepare_rival();
    rival();
    theirs = [rival, device] { return time_of(rival, device); };
  } else if (peer != nullptr && peer->has(what.name)) {
    theirs = [&] { return peer->seconds(what.name); };
  }
  Result result{what, {}, {}, what.rival};
  if (result.peer.empty() && theirs) result.peer = peer->about().at("peer").get<std::string>();
  double spent = 0;
  for (std::size_t i = 0; i < kFewest || (spent < limit && i < kMost); ++i) {
    result.ours.seconds.push_back(time_of(body, device));
    spent += result.ours.seconds.back();
    if (!theirs) continue;
    result.theirs.seconds.push_back(theirs());
    spent += result.theirs.seconds.back();
  }
  return result;
}

std::string milliseconds(double seconds) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(seconds < 0.1 ? 3 : 1) << seconds * 1e3 << " ms";
  return out.str();
}

/// " 217.3 GFLOP/s", or nothing where no work is stated.
std::string rate(const Case& what, double seconds) {
  if (what.work == 0) return "";
  std::ostringstream out;
  out << std::fixed << std::setprecision(1) << " (" << what.work / seconds * 1e-9
      << (what.unit == "flop" ? " GFLOP/s)" : " GB/s)");
  return out.str();
}

std::string line_of(const Result& r) {
  std::ostringstream out;
  const double ours = r.ours.smallest();
  out << std::left << std::setw(28) << r.what.name << " ours " << milliseconds(ours) << rate(r.what, ours);
  if (r.theirs.seconds.empty()) {
    out << "   no peer";
  } else {
    const double theirs = r.theirs.smallest();
    out << "   " << r.peer << ' ' << milliseconds(theirs) << rate(r.what, theirs) << "   ratio " << std::fixed
        << std::setprecision(2) << theirs / ours << " (medians " << r.theirs.median() / r.ours.median()
        << ')';
  }
  return out.str();
}

json object_of(const Result& r) {
  const auto in_ms = [](double seconds) { return seconds * 1e3; };
  json object{{"name", r.what.name},
              {"peer", nullptr},
              {"ours", in_ms(r.ours.smallest())},
              {"theirs", nullptr},
              {"unit", "ms"},
              {"ratio", nullptr},
              {"ours_median", in_ms(r.ours.median())},
              {"repetitions", r.ours.seconds.size()}};
  if (r.theirs.seconds.empty()) return object;
  object["peer"] = r.peer;
  object["theirs"] = in_ms(r.theirs.smallest());
  object["theirs_median"] = in_ms(r.theirs.median());
  object["ratio"] = r.theirs.smallest() / r.ours.smallest();
  return object;
}

json environment(const Peer* peer) {
  json object{{"tessera",
               {{"version", TESSERA_VERSION},
                {"build", TESSERA_BUILD_TYPE},
                {"compiler", TESSERA_COMPILER},
                {"instructions", instruction_set()},
                {"threads", thread_count()}}},
              {"peer", nullptr}};
  if (peer != nullptr) {
    object["peer"] = peer->about();
    object["peer"].erase("cases");
  }
  return object;
}

std::string heading(const Peer* peer) {
  std::string line = text("Tessera ", TESSERA_VERSION, " (", TESSERA_BUILD_TYPE, ", ", TESSERA_COMPILER, ", ",
                          instruction_set(), ", ", thread_count(), " threads)");
  if (peer == nullptr)
    return line + "; PyTorch is absent (./run bench --peers installs it, --python names one)";
  const auto word = [&](const char* key) { return peer->about().at(key).get<std::string>(); };
  return text(line, " beside ", word("peer"), ' ', word("version"), " (", word("flags"), ", ",
              peer->about().at("threads").get<int>(),
              " threads)\nminimum over repetitions taken in turn; a ratio "
              "above 1 means that ours is faster");
}

/// The cases named, each by its name or a beginning of it; all of them when none is named.
std::vector<Case> selected(const std::vector<std::string>& names, Device device) {
  std::vector<Case> all, chosen;
  if (device != Device::cpu) all = device_cases(device);
  if (device != Device::emu)
    for (Case& c : all_cases(device)) all.push_back(std::move(c));
  if (names.empty()) return all;
  std::vector<std::string> known;
  known.reserve(all.size());
  for (const Case& c : all) known.push_back(c.name);
  for (const std::string& name : names) {
    bool found = false;
    for (const Case& c : all) {
      if (!c.name.starts_with(name)) continue;
      chosen.push_back(c);
      found = true;
    }
    TSR_CHECK_INPUT(found, name, ": no such case; ", did_you_mean(name, known));
  }
  return chosen;
}

void run(const Arguments& arguments) {
  const Device device = device_from_name(arguments.device);
  const std::vector<Case> cases = selected(arguments.names, device);
  std::ofstream file;
  if (!arguments.json_file.empty()) {
    file.open(arguments.json_file);
    TSR_CHECK_INPUT(file, "--json ", arguments.json_file, ": can't be written");
  }
  std::ostream& objects = file.is_open() ? static_cast<std::ostream&>(file) : std::cout;
  std::unique_ptr<Peer> peer;
  if (!arguments.python.empty())
    peer = std::make_unique<Peer>(arguments.python, TESSERA_PEER_SCRIPT, thread_count(), arguments.device);
  std::cout << heading(peer.get()) << '\n';
  objects << environment(peer.get()).dump() << '\n';
  for (const Case& c : cases) {
    const Result result = measure(c, peer.get(), device);
    std::cout << line_of(result) << std::endl;
    objects << object_of(result).dump() << std::endl;
  }
}

int main_of(int argc, char** argv) {
  Arguments arguments;
  return parse_and_run(argc, argv, "Measures Tessera beside its peers.", [&](Command& bench) {
    bench.option("NAME", &arguments.names, "", "cases, or beginnings of their names (default: all)",
                 {.several_in_a_row = true});
    bench.option("--json", &arguments.json_file, "FILE", "write the JSON objects, one a line, to this file");
    bench.option("--python", &arguments.python, "PYTHON", "a Python with PyTorch, the peer");
    bench.option("--device", &arguments.device, "D",
                 "cpu (default); cuda or emu: also our kernels beside cuBLAS's and cuDNN's");
    bench.threads_option();
    bench.action([&] { run(arguments); });
  });
}

}  // namespace
}  // namespace tsr::bench

int main(int argc, char** argv) { return tsr::bench::main_of(argc, argv); }
