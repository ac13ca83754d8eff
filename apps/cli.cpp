#include "apps/cli.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>

#include "apps/commands.h"
#include "tensor/error.h"
#include "tensor/suggest.h"

namespace tsr {
namespace {

constexpr int kRuntimeFailure = 1, kUsage = 2;

/// The name by which the program was called, without its folder.
std::string program_name(int argc, char** argv) {
  const std::string name = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "";
  return name.empty() ? "tessera" : name;
}

int report(const CLI::App& app, const std::string& message, int code) {
  std::string line = message;
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  std::cerr << app.get_name() << ": error: " << line << '\n';
  return code;
}

/// The innermost sub-command that was chosen, or the program itself.
const CLI::App& chosen(const CLI::App& app) {
  const auto given = app.get_subcommands();
  return given.empty() ? app : chosen(*given.front());
}

std::string see_help(const CLI::App& app) {
  std::string words = "--help";
  for (const CLI::App* command = &app; command != nullptr; command = command->get_parent())
    words.insert(0, command->get_name() + ' ');
  return "see " + words;
}

/// Names of the sub-commands that a command has.
std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> long_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string unexpected_argument(const CLI::App& app) {
  const CLI::App& command = chosen(app);
  auto extras = command.remaining();
  if (extras.empty()) extras = app.remaining();
  const std::string word = extras.empty() ? "" : extras.front();
  if (word.starts_with("-"))
    return text(word, ": unknown option; ",
                did_you_mean(word.substr(0, word.find('=')), long_options(command)));
  const auto names = command_names(command);
  if (names.empty()) return text(word, ": unexpected argument; ", see_help(command));
  return text(word, ": unknown command; ", did_you_mean(word, names));
}

/// CLI11's errors in our form.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) return unexpected_argument(app);
  const CLI::App& command = chosen(app);
  std::string what = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (!app.remaining().empty()) return unexpected_argument(app);
    if (command.get_parent() == nullptr) return text("command: is required; ", see_help(command));
    return text(what.substr(0, what.find(" is required")), ": is required; ", see_help(command));
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)
    return text(what.substr(0, what.find(':')), ": needs one value; ", see_help(command));
  const std::string could_not = "Could not convert: ";
  if (what.starts_with(could_not)) {
    what = what.substr(could_not.size());
    const auto equals = what.find(" = ");
    if (equals != std::string::npos)
      return text(what.substr(0, equals), ": '", what.substr(equals + 3), "' is not a number of that kind");
  }
  if (what.find(": ") == std::string::npos) what = "usage: " + what;
  return text(what, "; ", see_help(command));
}

void declare(CLI::App& app) {
  app.require_subcommand(1);
  add_pretrain_command(app);
  add_replay_command(app);
  add_embed_command(app);
  add_attend_command(app);
  add_eval_command(app);
  add_demo_command(app);
  add_info_command(app);
}

}  // namespace

int run_command(int argc, char** argv) {
  CLI::App app("Tessera: self-supervised learning from scratch.", program_name(argc, argv));
  try {
    declare(app);
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(app, usage_message(app, error), kUsage);
  } catch (const InputError& error) {
    return report(app, error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return report(app, "memory: not enough of it; try a smaller batch", kRuntimeFailure);
  } catch (const std::exception& error) {
    return report(app, error.what(), kRuntimeFailure);
  }
}

}  // namespace tsr
