#!/bin/sh
# compile.sh ARCH SOURCE BASE NVCC FLAG...: BASE.ptx.txt is the PTX of a file's kernels, BASE.log what ptxas -v says of
# them, both with names that people can read, and BASE.d what the PTX depends on.
set -eu
arch=$1 source=$2 base=$3 nvcc=$4
shift 4

"$nvcc" "$@" -arch="compute_$arch" -MMD -MF "$base.d" -ptx -o "$base.ptx" "$source"
c++filt <"$base.ptx" >"$base.ptx.txt"
"${nvcc%nvcc}ptxas" -v -arch="sm_$arch" "$base.ptx" -o "$base.cubin" 2>"$base.mangled" || {
  cat "$base.mangled"
  exit 1
}
c++filt <"$base.mangled" >"$base.log"
