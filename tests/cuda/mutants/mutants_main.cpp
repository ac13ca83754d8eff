// emu-mutants: switches on one mistake after the other in the kernels, and sees whether an OpCase notices.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/command.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/cuda/mutants/ledger.h"
#include "tests/cuda/mutants/mutant.h"
#include "tests/cuda/mutants/trials.h"

namespace tsr::mutant {
namespace {

struct Mutant {
  unsigned number;
  std::string kind, file, line, name;
};

struct Arguments {
  std::vector<std::string> stems, kinds;
  int jobs = 2;
  bool verbose = false;
};

std::vector<Mutant> read_mutants() {
  std::vector<Mutant> all;
  std::ifstream file(TESSERA_MUTANTS_LIST);
  Mutant m;
  for (std::string number; std::getline(file, number, '\t');) {
    m.number = static_cast<unsigned>(std::stoul(number));
    std::getline(file, m.kind, '\t');
    std::getline(file, m.file, '\t');
    std::getline(file, m.line, '\t');
    std::getline(file, m.name);
    all.push_back(m);
  }
  TSR_CHECK(!all.empty(), TESSERA_MUTANTS_LIST, ": no mutants");
  return all;
}

bool wanted(const Mutant& m, const Arguments& arguments) {
  const auto any = [](const std::vector<std::string>& words, const auto& fits) {
    return words.empty() || std::ranges::any_of(words, fits);
  };
  return any(arguments.stems,
             [&](const std::string& s) { return m.file.find('/' + s + '.') != std::string::npos; }) &&
         any(arguments.kinds, [&](const std::string& k) { return m.kind == k; });
}

/// Names, each with the reason that an indented line below gives.
std::map<std::string, std::string> read_explanations() {
  std::map<std::string, std::string> all;
  std::ifstream file(TESSERA_SURVIVORS);
  std::string* reason = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] != ' ') {
      reason = &all[line];
    } else {
      TSR_CHECK(reason != nullptr, TESSERA_SURVIVORS, ": begins with a reason");
      *reason += line.substr(line.find_first_not_of(' ')) + ' ';
    }
  }
  return all;
}

// ---- one mutant, in a process of its own: it may crash or run for ever ----

void run_trials(const std::vector<const Trial*>& trials, Outcome& outcome) {
  for (const Trial* trial : trials) {
    ::alarm(static_cast<unsigned>(5 + 20 * trial->seconds));
    std::string failure;
    try {
      const test::Failures failures = trial->check(trial->op_case);
      if (failures.empty()) continue;
      failure = failures.front();
    } catch (const std::exception& error) {
      failure = trial->op_case.name + ": " + error.what();
    }
    outcome.fate = failure.find(": emu: ") == std::string::npos ? Fate::value : Fate::finding;
    std::strncpy(outcome.message, failure.c_str(), sizeof outcome.message - 1);
    return;
  }
}

pid_t start(const Mutant& m, const std::vector<Trial>& trials, Outcome& outcome) {
  std::vector<const Trial*> reaching;
  for (const Trial& trial : trials)
    if (trial.reaches(m.number)) reaching.push_back(&trial);
  std::ranges::stable_sort(reaching, {}, &Trial::seconds);
  const pid_t child = ::fork();
  TSR_CHECK(child >= 0, "fork: ", std::strerror(errno));
  if (child > 0) return child;
  switch_to(m.number);
  run_trials(reaching, outcome);
  ::_exit(0);
}

void finish(int status, Outcome& outcome) {
  if (!WIFSIGNALED(status)) return;
  outcome.fate = WTERMSIG(status) == SIGALRM ? Fate::hang : Fate::crash;
  std::strncpy(outcome.message, ::strsignal(WTERMSIG(status)), sizeof outcome.message - 1);
}

/// Runs the mutants, some at a time, and calls done(index, outcome) as each ends.
template <class Done>
void run_all(const std::vector<Mutant>& mutants, const std::vector<Trial>& trials, int jobs, Done&& done) {
  if (mutants.empty()) return;
  auto* outcomes = static_cast<Outcome*>(::mmap(nullptr, mutants.size() * sizeof(Outcome),
                                                PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  TSR_CHECK(outcomes != MAP_FAILED, "no memory to share with the mutants");
  std::map<pid_t, std::size_t> running;
  for (std::size_t next = 0; next < mutants.size() || !running.empty();) {
    if (next < mutants.size() && running.size() < static_cast<std::size_t>(jobs)) {
      running[start(mutants[next], trials, outcomes[next])] = next;
      ++next;
      continue;
    }
    int status = 0;
    const pid_t child = ::wait(&status);
    const std::size_t i = running.at(child);
    running.erase(child);
    finish(status, outcomes[i]);
    done(i, outcomes[i]);
  }
}

// ---- the report ----

using Counts = std::map<std::string, std::map<Fate, int>>;

void print_table(const Counts& counts) {
  std::cout
      << "\nkind       mutants   caught   rate   by a finding  by a value  crashed  ran for ever  survived\n";
  std::map<Fate, int> all;
  const auto row = [](const std::string& kind, std::map<Fate, int> by) {
    int total = 0;
    for (const auto& [fate, count] : by) total += count;
    const int caught = total - by[Fate::survived];
    std::cout << std::left << std::setw(8) << kind << std::right << std::setw(10) << total << std::setw(9)
              << caught << std::setw(6) << std::fixed << std::setprecision(1)
              << 100.0 * caught / std::max(total, 1) << '%' << std::setw(15) << by[Fate::finding]
              << std::setw(12) << by[Fate::value] << std::setw(9) << by[Fate::crash] << std::setw(14)
              << by[Fate::hang] << std::setw(10) << by[Fate::survived] << '\n';
  };
  for (const auto& [kind, by] : counts) {
    row(kind, by);
    for (const auto& [fate, count] : by) all[fate] += count;
  }
  row("all", all);
}

int run(const Arguments& arguments) {
  TSR_CHECK_INPUT(arguments.jobs >= 1 && arguments.jobs <= 1024, "--jobs: ", arguments.jobs,
                  ": must be 1 to 1024");
  set_thread_count(1);  // a forked process has no others
  std::vector<Mutant> mutants = read_mutants();
  const auto explanations = read_explanations();
  for (const auto& [name, reason] : explanations)
    TSR_CHECK(
        !reason.empty() && std::ranges::any_of(mutants, [&](const Mutant& m) { return m.name == name; }),
        TESSERA_SURVIVORS, ": ", name, ": no such mutant, or no reason");
  std::erase_if(mutants, [&](const Mutant& m) { return !wanted(m, arguments); });
  TSR_CHECK(!mutants.empty(), "no mutant is of these kernels and kinds");
  std::vector<Trial> trials = all_trials();
  survey(trials, TESSERA_MUTANTS_LIST ".reached", arguments.jobs);
  Ledger ledger(TESSERA_MUTANTS_LIST ".fates", time_of_build());
  Counts counts;
  int wrong = 0;
  const auto tell = [&](const Mutant& m, const Outcome& outcome) {
    ++counts[m.kind][outcome.fate];
    const bool survived = outcome.fate == Fate::survived, explained = explanations.contains(m.name);
    if (survived != explained) ++wrong;
    if (survived && !explained)
      std::cout << "SURVIVED " << m.name << "  (" << m.file << ':' << m.line << ")\n";
    else if (explained && !survived)
      std::cout << "CAUGHT, though survivors.txt explains why not: " << m.name << "\n  " << outcome.message
                << '\n';
    else if (arguments.verbose)
      std::cout << kFates[static_cast<int>(outcome.fate)] << ' ' << m.name << "\n  " << outcome.message
                << '\n';
    std::cout << std::flush;
  };
  std::erase_if(mutants, [&](const Mutant& m) {
    const Outcome* known = ledger.find(m.name);
    if (known != nullptr) tell(m, *known);
    return known != nullptr;
  });
  run_all(mutants, trials, arguments.jobs, [&](std::size_t i, const Outcome& outcome) {
    ledger.add(mutants[i].name, outcome);
    tell(mutants[i], outcome);
  });
  print_table(counts);
  std::cout << (wrong == 0 ? "every survivor is explained in " : "not as explained in ") << TESSERA_SURVIVORS
            << '\n';
  return wrong == 0 ? 0 : 1;
}

int main_of(int argc, char** argv) {
  Arguments arguments;
  int unexplained = 0;
  const char* what =
      "Puts one mistake after the other into the CUDA kernels, and sees whether an OpCase notices.";
  const int code = parse_and_run(argc, argv, what, [&](Command& mutants) {
    mutants.option("STEM", &arguments.stems, "", "files: softmax, reduce, ... (default: all)",
                   {.several_in_a_row = true});
    mutants.option("--kind", &arguments.kinds, "KIND", "barrier, mask, wait, index+1, index-1 (default: all)",
                   {.several_in_a_row = true});
    mutants.option("--jobs", &arguments.jobs, "N", "mutants at a time (default 2)");
    mutants.flag("--verbose", arguments.verbose, "tell what caught each");
    mutants.action([&] { unexplained = run(arguments); });
  });
  return code != 0 ? code : unexplained;
}

}  // namespace
}  // namespace tsr::mutant

int main(int argc, char** argv) { return tsr::mutant::main_of(argc, argv); }
