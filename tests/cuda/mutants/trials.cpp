#include "tests/cuda/mutants/trials.h"

#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

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

/// A line: the trial's place among all, seconds, then the numbers that it reached.
void write(const std::vector<Trial>& trials, std::size_t i, std::ostream& file) {
  file << i << ' ' << trials[i].seconds;
  for (std::size_t number = 0; number < trials[i].reached.size(); ++number)
    if (trials[i].reached[number]) file << ' ' << number;
  file << '\n';
}

void read(std::vector<Trial>& trials, const std::string& cache) {
  std::ifstream file(cache);
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    std::istringstream words(line);
    std::size_t i = 0;
    TSR_CHECK(words >> i && i < trials.size(), cache, ": ", line, ": no such trial; delete the file");
    words >> trials[i].seconds;
    for (std::size_t number = 0; words >> number; trials[i].reached[number] = true)
      if (trials[i].reached.size() <= number) trials[i].reached.resize(number + 1);
  }
  TSR_CHECK(lines == trials.size(), cache, ": ", lines, " lines for ", trials.size(),
            " trials; delete the file");
}

void run(Trial& trial) {
  take_reached();
  const auto start = std::chrono::steady_clock::now();
  const test::Failures failures = trial.check(trial.op_case);
  trial.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  trial.reached = take_reached();
  TSR_CHECK(failures.empty(), "without any mistake: ", failures.front());
}

/// Every jobs-th trial from the first one given, into a file.
void run_share(std::vector<Trial>& trials, std::size_t first, int jobs, const std::string& part) {
  std::ofstream file(part);
  for (std::size_t i = first; i < trials.size(); i += static_cast<std::size_t>(jobs)) {
    run(trials[i]);
    write(trials, i, file);
  }
}

std::string part_of(const std::string& cache, int job) { return text(cache, '.', job); }

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

fs::file_time_type time_of_build() {
  Dl_info info{};
  TSR_ASSERT(::dladdr(reinterpret_cast<const void*>(&on), &info) != 0);
  return std::max(fs::last_write_time(info.dli_fname), fs::last_write_time("/proc/self/exe"));
}

void survey(std::vector<Trial>& trials, const std::string& cache, int jobs) {
  if (fs::exists(cache) && fs::last_write_time(cache) > time_of_build()) return read(trials, cache);
  std::cout << "running " << trials.size() << " checks without a mistake, to learn what they reach"
            << std::endl;
  for (int job = 0; job < jobs; ++job) {
    const pid_t child = ::fork();
    TSR_CHECK(child >= 0, "fork: ", std::strerror(errno));
    if (child > 0) continue;
    try {
      run_share(trials, static_cast<std::size_t>(job), jobs, part_of(cache, job));
      ::_exit(0);
    } catch (const std::exception& error) {
      std::cerr << error.what() << std::endl;
      ::_exit(1);
    }
  }
  bool whole = true;
  for (int job = 0; job < jobs; ++job) {
    int status = 0;
    ::wait(&status);
    whole = whole && status == 0;
  }
  TSR_CHECK(whole, "a check fails without any mistake");
  std::ofstream file(cache + ".new");
  for (int job = 0; job < jobs; ++job) {
    file << std::ifstream(part_of(cache, job)).rdbuf();
    fs::remove(part_of(cache, job));
  }
  file.close();
  fs::rename(cache + ".new", cache);
  read(trials, cache);
}

}  // namespace tsr::mutant
