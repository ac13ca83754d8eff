#include "tests/ops/op_check.h"

int main() { return tsr::test::run_op_cases(); }
