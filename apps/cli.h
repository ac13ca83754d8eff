#pragma once
// The tessera command as a function, so that a program with methods, encoders, data sets or augmentations of
// its own has it whole.

namespace tsr {

/// Runs the command line and returns the exit code: 0; 2 for usage and bad input; 1 for what failed at run
/// time. An error is one line on standard error: "tessera: error: WHAT: WHY", under the program's own name.
int run_command(int argc, char** argv);

}  // namespace tsr
