#include "apps/cli.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>

#include "apps/command.h"
#include "apps/commands.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
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
    const std::string subject = what.substr(0, what.find(" is required"));
    return text(subject == "A subcommand" ? "command" : subject, ": is required; ", see_help(command));
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

/// Gives CLI11 a target, whatever its kind.
CLI::Option* add_option(CLI::App& app, const std::string& name, const Command::Target& target,
                        const std::string& help) {
  return std::visit(
      [&]<class T>(const T& to) {
        if constexpr (std::is_same_v<T, std::function<void(const std::string&)>>)
          return app.add_option_function<std::string>(name, to, help);
        else if constexpr (std::is_same_v<T, std::function<void(std::int64_t)>>)
          return app.add_option_function<std::int64_t>(name, to, help);
        else
          return app.add_option(name, *to, help);
      },
      target);
}

}  // namespace

void Command::option(const std::string& name, const Target& target, const std::string& type,
                     const std::string& help, Rules rules) {
  CLI::Option* option = add_option(*app_, name, target, help);
  option->type_name(type);
  if (rules.required) option->required();
  if (std::holds_alternative<std::vector<std::string>*>(target) && !rules.several_in_a_row)
    option->type_size(1)->allow_extra_args(false);
}

void Command::flag(const std::string& name, bool& target, const std::string& help) {
  app_->add_flag(name, target, help);
}

void Command::threads_option() {
  const auto apply = [](std::int64_t count) {
    TSR_CHECK_INPUT(count >= 1 && count <= 1024, "--threads: ", count, ": must be 1 to 1024");
    set_thread_count(static_cast<int>(count));
  };
  option("--threads", apply, "N", "threads that compute (default: all that this process may use)");
}

Command Command::subcommand(const std::string& name, const std::string& help) {
  app_->require_subcommand(1);
  return Command(*app_->add_subcommand(name, help));
}

void Command::action(std::function<void()> run) { app_->callback(std::move(run)); }

void Command::footer(const std::string& words) { app_->footer(words); }

int parse_and_run(int argc, char** argv, const std::string& description,
                  const std::function<void(Command&)>& declare) {
  CLI::App app(description, program_name(argc, argv));
  try {
    Command command(app);
    declare(command);
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(app, usage_message(app, error), kUsage);
  } catch (const MissingOption& missing) {
    return report(app, text(missing.name, ": is required; ", see_help(chosen(app))), kUsage);
  } catch (const InputError& error) {
    return report(app, error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return report(app, "memory: not enough of it; try a smaller batch", kRuntimeFailure);
  } catch (const std::exception& error) {
    return report(app, error.what(), kRuntimeFailure);
  }
}

std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : separator) + word;
  return line;
}

int run_command(int argc, char** argv) {
  return parse_and_run(argc, argv, "Tessera: self-supervised learning from scratch.", [](Command& tessera) {
    add_pretrain_command(tessera);
    add_replay_command(tessera);
    add_embed_command(tessera);
    add_attend_command(tessera);
    add_eval_command(tessera);
    add_demo_command(tessera);
    add_info_command(tessera);
  });
}

}  // namespace tsr
