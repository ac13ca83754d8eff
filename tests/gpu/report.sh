#!/bin/sh
# report.sh TREE [PYTHON]: what only a GPU can tell, as one report in Markdown on standard output. Without a GPU, or
# without the device cuda in the build TREE, all of it that can be is rehearsed on the emulator. PYTHON has PyTorch, for
# the benchmarks. Progress goes to standard error. Exit code 1 when something that ran failed.
set -eu
tree=$1 python=${2-}
failed=0 ran=0 skipped=0

say() { printf 'gpu: %s\n' "$*" >&2; }

skip() { # WHAT WHY
  say "skipped: $1: $2"
  printf '\n**Skipped**: %s.\n' "$2"
  skipped=$((skipped + 1))
}

# Quotes what a command prints, which is Markdown when the fence is empty.
quote() { # NAME FENCE COMMAND...
  name=$1 fence=$2 status=0
  shift 2
  say "$name"
  printf '\n%s\n' "$fence"
  "$@" 2>&1 || status=$?
  printf '%s\n' "$fence"
  ran=$((ran + 1))
  [ "$status" -ne 0 ] || return 0
  say "FAILED: $name: exit code $status"
  printf '\n**Failed**: exit code %s.\n' "$status"
  failed=$((failed + 1))
}

if "$tree/bin/tessera" info | grep -q '^devices.* cuda'; then
  device=cuda lacking=
else
  device=emu lacking="no GPU: $("$tree/bin/tessera-bench" --device cuda 2>&1 | sed -n 's/^tessera-bench: error: //p')"
fi

printf "# What a GPU tells\n\nWritten by \`./run gpu\` on %s.\n" "$(date -u +%F)"
if [ "$device" = emu ]; then
  printf '\nA **rehearsal on the emulator** (%s): nothing here ran on a GPU, and no time means anything.\n' "$lacking"
fi
printf '\n## The machine\n'
quote 'the machine' '```' "$tree/bin/tessera" info
if [ "$device" = cuda ]; then quote 'the driver' '```' nvidia-smi; else skip 'the driver' "$lacking"; fi

printf '\n## Every OpCase on %s, against its reference, the CPU and the emulator\n' "$device"
for variant in library handwritten; do
  printf '\n### Products and convolutions: %s\n' "$variant"
  quote "every OpCase on $device, $variant" '' "$tree/bin/compare-devices" "$device" "$variant"
done

printf '\n## compute-sanitizer\n'
for tool in memcheck racecheck synccheck initcheck; do
  printf '\n### %s\n' "$tool"
  if [ "$device" = emu ]; then
    skip "$tool" "$lacking; without one there is \`./run check\`"
  elif ! command -v compute-sanitizer >/dev/null; then
    skip "$tool" 'compute-sanitizer is not installed; it comes with the CUDA toolkit'
  else
    quote "$tool" '```' compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$tree/bin/compare-devices" cuda handwritten values
  fi
done

printf '\n## Speed\n\nOurs, by handwritten kernels, beside the library; a SimCLR step by either, beside PyTorch.\n'
if [ -z "$python" ]; then
  skip 'PyTorch' "PyTorch is absent; \`./run bench --peers\` installs it"
  quote 'the benchmarks' '```' "$tree/bin/tessera-bench" --device "$device" --json /dev/null
else
  if [ "$device" = emu ]; then skip 'PyTorch on the same GPU' "$lacking"; fi
  quote 'the benchmarks' '```' "$tree/bin/tessera-bench" --device "$device" --python "$python" --json /dev/null
fi

printf '\n%s parts ran, %s failed, %s skipped\n' "$ran" "$failed" "$skipped"
say "$ran parts ran, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
