// Runs each softmax of docs/first-kernel.md and prints how wrong it is; `step` runs one warp for a debugger.
#include <cstdio>
#include <string_view>

#include "examples/kernel/softmax_ladder.h"
#include "tensor/error.h"

namespace {

using namespace tsr;
using emu::Rung;

void print_errors() {
  const Tensor around_0 = emu::draw_logits(64, 1024, 0), around_10000 = emu::draw_logits(64, 1024, 1e4);
  std::printf("error of a weight at most, in units of its row's largest\n");
  std::printf("%-12s%16s%20s\n", "", "logits near 0", "logits near 10000");
  for (const Rung& rung : emu::softmax_ladder())
    std::printf("%-12s%16.0e%20.0e\n", rung.name, emu::largest_error(rung, around_0),
                emu::largest_error(rung, around_10000));
}

/// A block a row means 256 threads even for 32 numbers: lane i of the first warp holds the number i.
void run_one_row() {
  const Tensor logits = arange(32).to(float32);
  const Tensor y = emu::weights(emu::softmax_ladder()[2], logits.as_strided({1, 32}, {32, 1}, 0));
  std::printf("%.4f %.4f %.4f\n", y.data<float>()[29], y.data<float>()[30], y.data<float>()[31]);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "step") {
      run_one_row();
    } else {
      print_errors();
    }
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}
