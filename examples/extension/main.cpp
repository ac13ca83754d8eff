#include "apps/cli.h"

int main(int argc, char** argv) { return tsr::run_command(argc, argv); }
