// A CUDA kernel, run without a GPU: docs/emulator.md walks through it.
#define TSR_BACKEND emu
#include <iostream>
#include <numeric>
#include <vector>

#include "cuda/kernel.h"

namespace tsr::emu {
namespace {

__global__ void reverse_kernel(const int* x, int* y, int n) {
  SHARED(int, tile, [256]);
  const int i = static_cast<int>(threadIdx.x);
  if (i >= n) return;  // the mistake: these threads never reach the barrier
  tile[i] = x[i];
  __syncthreads();
  y[i] = tile[n - 1 - i];
}

}  // namespace
}  // namespace tsr::emu

int main() {
  using namespace tsr::emu;
  std::vector<int> x(100), y(100);
  std::iota(x.begin(), x.end(), 0);
  launch<reverse_kernel>({.grid = {1}, .block = {100}}, current_stream(), x.data(), y.data(), 100);
  std::cout << y[0] << ' ' << y[99] << std::endl;
  try {
    launch<reverse_kernel>({.grid = {1}, .block = {128}}, current_stream(), x.data(), y.data(), 100);
  } catch (const tsr::Error& error) {
    std::cout << error.what() << '\n';
  }
}
