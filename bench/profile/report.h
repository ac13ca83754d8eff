#pragma once
// A profile of kernels for people, and for programs.

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <vector>

#include "cuda/check/profile.h"

namespace tsr::bench {

/// A row a kernel: launches, bytes and sectors a request of loads and stores, wavefronts a request of shared
/// memory, and how often its threads met.
void print_kernels(std::ostream& out, const std::vector<emu::check::KernelProfile>& profiles);

/// A row for what each line of each kernel does, the busiest first, with the line itself where the file is
/// below `root`.
void print_lines(std::ostream& out, const std::vector<emu::check::KernelProfile>& profiles,
                 const std::filesystem::path& root);

/// An array of kernels: {"kernel", "launches", "blocks", "threads", "global": {"load": {…}, "store": {…},
/// "atomic": {…}}, "shared": the same, "barriers", "collectives", "tensor_core_instructions", "lines":
/// [{"source", "memory", "kind", …}], "meetings": [{"source", "call", "count"}]}, where {…} is a Traffic:
/// "accesses", "bytes", "requests", "transactions", "ideal", "worst".
nlohmann::json to_json(const std::vector<emu::check::KernelProfile>& profiles);

}  // namespace tsr::bench
