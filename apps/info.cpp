// tessera info: what this build and this machine can do.
#include <filesystem>
#include <iostream>
#include <sstream>
#include <unistd.h>

#include "apps/augmentations.h"
#include "apps/command.h"
#include "apps/commands.h"
#include "apps/run_config.h"
#include "data/dataset.h"
#include "ssl/encoders.h"
#include "ssl/method.h"
#include "tensor/backend.h"
#include "tensor/cpu/instruction_set.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

void line(const char* name, const std::string& value) {
  std::cout << name << std::string(14 - std::string_view(name).size(), ' ') << value << '\n';
}

std::string memory_text() {
  const double bytes =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  std::ostringstream out;
  out.precision(1);
  out << std::fixed << bytes / (1 << 30) << " GiB";
  return out.str();
}

/// How large the set is, or why it can't be used.
std::string dataset_state(const std::string& name) {
  try {
    return text(name, ": ", open_dataset(name, Split::train)->size(), " training images");
  } catch (const InputError& error) {
    return error.what();
  }
}

void print_info() {
  line("version", TESSERA_VERSION);
  line("build", TESSERA_BUILD_TYPE);
  line("compiler", TESSERA_COMPILER);
  line("devices", described_devices());
  line("instructions", instruction_set());
  line("threads", std::to_string(thread_count()));
  line("memory", memory_text());
  line("methods", joined(method_names(), " "));
  line("presets", joined(preset_names(), " "));
  line("encoders", joined(encoder_names(), " "));
  line("augmentations", joined(augmentation_names(), " "));
  std::cout << "data folders\n";
  for (const auto& folder : dataset_folders())
    std::cout << "  " << folder.string() << (std::filesystem::is_directory(folder) ? "" : " (not there)")
              << '\n';
  std::cout << "data sets\n";
  for (const std::string& name : dataset_names()) std::cout << "  " << dataset_state(name) << '\n';
}

}  // namespace

void add_info_command(Command& tessera) {
  Command command = tessera.subcommand("info", "Show the build, the machine, methods and data sets");
  command.action(print_info);
}

}  // namespace tsr
