#include "cuda/check/warp_request.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace tsr::emu::check {
namespace {

constexpr std::uintptr_t kSector = 32, kWord = 4, kBanks = 32;

/// The addresses of the lanes of `mask`, in rising order.
std::vector<std::uintptr_t> addresses(const WarpRequest& request, unsigned mask) {
  std::vector<std::uintptr_t> result;
  result.reserve(32);
  for (unsigned lanes = request.lanes & mask; lanes != 0; lanes &= lanes - 1)
    result.push_back(request.address.at(static_cast<std::size_t>(std::countr_zero(lanes))));
  std::sort(result.begin(), result.end());
  return result;
}

/// Calls body(unit) once for each unit of `size` bytes that a range at one of the rising addresses touches.
template <class Body>
void for_each_unit(const std::vector<std::uintptr_t>& rising, std::size_t bytes, std::uintptr_t size,
                   Body&& body) {
  std::uintptr_t next = 0;  // units below are done
  for (const std::uintptr_t address : rising) {
    const std::uintptr_t end = (address + bytes - 1) / size + 1;
    for (std::uintptr_t unit = std::max(next, address / size); unit < end; ++unit) body(unit);
    next = std::max(next, end);
  }
}

/// Wavefronts of one part of a warp.
unsigned degree(const std::vector<std::uintptr_t>& rising, std::size_t bytes) {
  std::array<unsigned, kBanks> words{};
  for_each_unit(rising, bytes, kWord, [&](std::uintptr_t word) { ++words.at(word % kBanks); });
  return *std::max_element(words.begin(), words.end());
}

}  // namespace

void WarpRequest::add(unsigned lane, const void* p, std::size_t size) {
  lanes |= 1u << lane;
  bytes = static_cast<unsigned>(size);
  address.at(lane) = reinterpret_cast<std::uintptr_t>(p);
}

Transactions sectors(const WarpRequest& request) {
  const auto rising = addresses(request, ~0u);
  Transactions result;
  for_each_unit(rising, request.bytes, kSector, [&](std::uintptr_t) { ++result.actual; });
  std::uintptr_t touched = 0, end = 0;
  for (const std::uintptr_t address : rising) {
    touched += address + request.bytes - std::max(address, end);
    end = address + request.bytes;
  }
  result.ideal = static_cast<unsigned>((touched + kSector - 1) / kSector);
  return result;
}

Transactions wavefronts(const WarpRequest& request) {
  const unsigned together = request.bytes <= 4 ? 32 : request.bytes == 8 ? 16 : 8;
  Transactions result;
  for (unsigned first = 0; first < 32; first += together) {
    const unsigned mask = (together == 32 ? ~0u : (1u << together) - 1) << first;
    const auto rising = addresses(request, mask);
    if (rising.empty()) continue;
    ++result.ideal;
    result.actual += degree(rising, request.bytes);
  }
  return result;
}

}  // namespace tsr::emu::check
