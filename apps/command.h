#pragma once
// Command lines. An option is one call here, and cli.cpp alone knows CLI11, whose templates take longer to
// compile than all of the commands.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
}

namespace tsr {

class Command {
 public:
  /// Where an option's value goes. A function is called with it while the command line is read.
  using Target = std::variant<std::string*, int*, std::int64_t*, std::uint64_t*, std::optional<std::int64_t>*,
                              std::optional<double>*, std::vector<std::string>*,
                              std::function<void(const std::string&)>, std::function<void(std::int64_t)>>;

  /// How often an option may or must be given. A list takes one value each time, or several in a row.
  struct Rules {
    bool required = false, several_in_a_row = false;
  };

  explicit Command(CLI::App& app) : app_(&app) {}

  /// An option (--name) or argument (NAME); `type` is what the help calls its value.
  void option(const std::string& name, const Target& target, const std::string& type, const std::string& help,
              Rules rules = {.required = false, .several_in_a_row = false});
  /// An option without a value.
  void flag(const std::string& name, bool& target, const std::string& help);
  /// --threads N, applied as soon as it is read.
  void threads_option();
  /// A command below this one; whoever has such needs one of them.
  Command subcommand(const std::string& name, const std::string& help);
  /// What the command does, once its options are read.
  void action(std::function<void()> run);
  /// Closes the help.
  void footer(const std::string& words);

 private:
  CLI::App* app_;
};

/// Thrown by an action that lacks an option or argument, where only it can tell.
struct MissingOption {
  std::string name;
};

/// Reads a command line, which `declare` describes, and runs the action chosen. Returns the exit code: 0; 2
/// for usage and bad input; 1 for what failed at run time. An error is one line on standard error: "PROGRAM:
/// error: WHAT: WHY".
int parse_and_run(int argc, char** argv, const std::string& description,
                  const std::function<void(Command&)>& declare);

/// "a, b, c": for the help of an option that takes a name.
std::string joined(const std::vector<std::string>& words, const char* separator = ", ");

}  // namespace tsr
