// Device memory of the checking build: out of the host's reach but for launches and transfers.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <execinfo.h>
#include <map>
#include <mutex>
#include <signal.h>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

#include "cuda/check/finding.h"
#include "cuda/check/shadow.h"
#include "cuda/emulator/watch.h"
#include "tensor/error.h"

namespace tsr::emu::check {
namespace {

constexpr std::size_t kZone = 256;  ///< between two allocations

std::byte* in_use() {  ///< a byte a byte of device memory: 1 when allocated
  static auto* map = static_cast<std::byte*>(reserve(kDeviceBytes));
  return map;
}

void protect(int rights) { ::mprotect(device_begin(), kDeviceBytes, rights); }

struct sigaction previous;

/// The host reached for device memory: notes where, and lets it go on.
void on_fault(int, siginfo_t* info, void* context) {
  const auto* at = static_cast<const std::byte*>(info->si_addr);
  if (at < device_begin() || at >= device_begin() + kDeviceBytes) {
    ::sigaction(SIGSEGV, &previous, nullptr);  // not ours: happens again, and ends as it would have
    return;
  }
  protect(PROT_READ | PROT_WRITE);
  const auto* machine = static_cast<ucontext_t*>(context);
  note_host_access(reinterpret_cast<const void*>(machine->uc_mcontext.gregs[REG_RIP]));
}

/// Again and again, for a test's framework handles signals of its own.
void handle_faults() {
  struct sigaction now {};
  ::sigaction(SIGSEGV, nullptr, &now);
  if (now.sa_sigaction == &on_fault) return;
  previous = now;
  struct sigaction action {};
  action.sa_sigaction = &on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(SIGSEGV, &action, nullptr);
}

/// What the host touched and nobody asked about is a failure of the program.
void report_host_accesses() {
  const std::vector<std::string> findings = take_host_accesses();
  if (findings.empty()) return;
  for (const std::string& finding : findings) std::fprintf(stderr, "%s\n", finding.c_str());
  std::fflush(nullptr);
  std::_Exit(1);
}

/// Gives the whole pages of a range back to the system. Those that the program holds make each protect()
/// dearer.
void give_back(void* begin, std::size_t bytes) {
  constexpr std::uintptr_t kPage = 4096;
  const auto from = reinterpret_cast<std::uintptr_t>(begin), first = (from + kPage - 1) / kPage * kPage,
             last = (from + bytes) / kPage * kPage;
  if (first < last) ::madvise(static_cast<std::byte*>(begin) + (first - from), last - first, MADV_DONTNEED);
}

class DeviceMemory final : public Allocator {
 public:
  void* allocate(std::size_t bytes) override {
    const std::size_t size = std::max<std::size_t>((bytes + kZone - 1) / kZone, 1) * kZone;
    std::lock_guard lock(mutex_);
    handle_faults();
    std::byte* p = nullptr;
    if (auto& free = free_[size]; !free.empty()) {
      p = free.back();
      free.pop_back();
    } else {
      TSR_CHECK(used_ + size + kZone <= kDeviceBytes, "emu: out of memory: ", bytes, " bytes asked for, ",
                stats_.live_bytes, " in use; the checking build has ", kDeviceBytes);
      p = device_begin() + used_;
      used_ += size + kZone;
    }
    std::memset(in_use() + (p - device_begin()), 1, bytes);
    stats_.live_bytes += static_cast<std::int64_t>(bytes);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return p;
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    const std::size_t size = std::max<std::size_t>((bytes + kZone - 1) / kZone, 1) * kZone;
    std::lock_guard lock(mutex_);
    auto* p = static_cast<std::byte*>(pointer);
    std::memset(in_use() + (p - device_begin()), 0, bytes);
    give_back(p, bytes);
    give_back(&device_byte(p), bytes * sizeof(Byte));
    free_[size].push_back(p);
    stats_.live_bytes -= static_cast<std::int64_t>(bytes);
  }
  MemoryStats stats() const override {
    std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() override {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }
  void trim() override {}  // nothing is given back: an address names one allocation size for ever

 private:
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<std::byte*>> free_;
  std::size_t used_ = kZone;  ///< a zone before the first allocation as well
  MemoryStats stats_;
};

std::recursive_mutex& access_mutex() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}
int accesses = 0;

}  // namespace

void* reserve(std::size_t bytes) {
  void* memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TSR_CHECK(memory != MAP_FAILED, "emu: no addresses for ", bytes, " bytes of shadow memory");
  return memory;
}

std::byte* device_begin() {
  static std::byte* const begin = [] {
    auto* memory = static_cast<std::byte*>(reserve(kDeviceBytes));
    ::mprotect(memory, kDeviceBytes, PROT_NONE);
    void* nothing = nullptr;
    ::backtrace(&nothing, 1);  // its first call loads a library, which a handler must not
    std::atexit(&report_host_accesses);
    return memory;
  }();
  return begin;
}

bool allocated(const std::byte* p) { return in_use()[p - device_begin()] != std::byte{0}; }

Byte& device_byte(const std::byte* p) {
  static auto* bytes = static_cast<Byte*>(reserve(kDeviceBytes * sizeof(Byte)));
  return bytes[p - device_begin()];
}

}  // namespace tsr::emu::check

namespace tsr::emu::watch {

DeviceAccess::DeviceAccess() {
  check::access_mutex().lock();
  if (check::accesses++ == 0) check::protect(PROT_READ | PROT_WRITE);
}
DeviceAccess::~DeviceAccess() {
  if (--check::accesses == 0) {
    check::handle_faults();
    check::protect(PROT_NONE);
  }
  check::access_mutex().unlock();
}

Allocator& device_memory() {
  static auto* memory = new check::DeviceMemory;  // never destroyed: tensors may outlive main
  return *memory;
}

}  // namespace tsr::emu::watch
