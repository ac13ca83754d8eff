#include "tests/cuda/mutants/trials.h"

#include <chrono>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tensor/error.h"
#include "tests/cuda/mutants/mutant.h"

namespace tsr::mutant {
namespace {

namespace fs = std::filesystem;

test::Failures values(const test::OpCase& op_case) { return check_values_on(op_case, Device::emu); }
test::Failures gradients(const test::OpCase& op_case) { return check_gradients_on(op_case, Device::emu); }
test::Failures low_precision(const test::OpCase& op_case) {
  return check_low_precision(op_case, Device::emu);
}

/// When the program or its kernels were built last.
fs::file_time_type time_of_build() {
  Dl_info info{};
  TSR_ASSERT(::dladdr(reinterpret_cast<const void*>(&on), &info) != 0);
  return std::max(fs::last_write_time(info.dli_fname), fs::last_write_time("/proc/self/exe"));
}

/// A line a trial: seconds, then the numbers that it reached.
void write(const std::vector<Trial>& trials, const std::string& cache) {
  std::ofstream file(cache);
  for (const Trial& trial : trials) {
    file << trial.seconds;
    for (std::size_t i = 0; i < trial.reached.size(); ++i)
      if (trial.reached[i]) file << ' ' << i;
    file << '\n';
  }
}

void read(std::vector<Trial>& trials, const std::string& cache) {
  std::ifstream file(cache);
  std::string line;
  for (Trial& trial : trials) {
    TSR_CHECK(std::getline(file, line), cache, ": ends early; delete it");
    std::istringstream words(line);
    words >> trial.seconds;
    for (std::size_t i = 0; words >> i; trial.reached[i] = true)
      if (trial.reached.size() <= i) trial.reached.resize(i + 1);
  }
}

void run(Trial& trial) {
  take_reached();
  const auto start = std::chrono::steady_clock::now();
  const test::Failures failures = trial.check(trial.op_case);
  trial.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  trial.reached = take_reached();
  TSR_CHECK(failures.empty(), "without any mistake: ", failures.front());
}

}  // namespace

std::vector<Trial> all_trials() {
  std::vector<Trial> trials;
  for (const test::OpCase& op_case : test::all_cases())
    for (const test::Variant& variant : op_case.variants) {
      test::OpCase one = op_case;
      one.variants = {variant};
      for (const auto check : {&values, &gradients, &low_precision}) trials.push_back({one, check, 0, {}});
    }
  return trials;
}

void survey(std::vector<Trial>& trials, const std::string& cache) {
  if (fs::exists(cache) && fs::last_write_time(cache) > time_of_build()) return read(trials, cache);
  std::cout << "running " << trials.size() << " checks without a mistake, to learn what they reach"
            << std::endl;
  for (Trial& trial : trials) run(trial);
  write(trials, cache);
}

}  // namespace tsr::mutant
