#!/bin/sh
# report.sh TREE PYTHON [PART...]: what only a GPU can tell, as one report in Markdown on standard output. Without a GPU,
# or without the device cuda in the build TREE, all of it that can be is rehearsed on the emulator. PYTHON has PyTorch,
# for the benchmarks; it may be empty. The parts are cases, training, speed and compute-sanitizer's tools, by default all.
# Progress goes to standard error. Exit code 1 when something that ran failed.
set -eu
tree=$1 python=$2
shift 2
tools='memcheck racecheck synccheck initcheck'
parts=${*:-cases training $tools speed}
failed=0 ran=0 skipped=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

wanted() { case " $parts " in *" $1 "*) ;; *) return 1 ;; esac }

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

# Runs compare-devices for every op, some at a time, each in a process of its own, behind the words WRAPPER; prints what
# they said, with a table's rows first.
every_op() { # NAME VARIANT MODE WRAPPER
  say "$1"
  results=$(mktemp -d "$scratch/XXXXXX")
  "$tree/bin/compare-devices" list >"$results.ops"
  # shellcheck disable=SC2016 # for the inner shell
  OMP_NUM_THREADS=1 xargs -P "$(nproc)" -I OP sh -c '
    $4 "$1" "$2" "$5" OP $3 >"$6/OP" 2>&1 || echo "exit code $?" >"$6/OP.failed"' \
    every_op "$tree/bin/compare-devices" "$device" "$3" "$4" "$2" "$results" <"$results.ops"
  if [ -z "$3" ]; then
    printf '\n| op | variants | from the CPU | from emu | failures |\n|---|---|---|---|---|\n'
    while read -r op; do
      grep '^| ' "$results/$op" || echo "| $op | | | | $(cat "$results/$op.failed") |"
    done <"$results.ops"
  fi
  bad=$(find "$results" -name '*.failed' | wc -l)
  printf '\n%s ops, of which %s failed.\n' "$(wc -l <"$results.ops")" "$bad"
  ran=$((ran + 1))
  [ "$bad" -ne 0 ] || return 0
  failed=$((failed + 1))
  for failure in "$results"/*.failed; do
    op=$(basename "$failure" .failed)
    printf '\n**%s**:\n\n```\n' "$op"
    grep -v '^| ' "$results/$op" | head -n 30
    printf '```\n'
  done
}

# Ten steps of SimCLR into a folder of its own.
train() { # NAME DEVICE OPTION...
  out=$scratch/$1 on=$2
  shift 2
  "$tree/bin/tessera" pretrain simclr --data shapes --steps 10 --batch-size 8 --seed 2 --set width=4 \
    --set image_size=16 --set learning_rate=0.01 --device "$on" --out "$out" "$@" >"$out.log" 2>&1 || {
    cat "$out.log"
    return 1
  }
  grep -o '"loss":[^,}]*' "$out/metrics.jsonl" | cut -d: -f2 >"$out.losses"
}

# Losses on the device beside the CPU's, and whether two runs leave the same bytes.
compare_training() { # VARIANT
  rm -rf "$scratch/host" "$scratch/once" "$scratch/again"
  train host cpu && train once "$device" --set doors="$1" && train again "$device" --set doors="$1" || return
  paste "$scratch/host.losses" "$scratch/once.losses" | awk -v device="$device" '
    NR == 1 { print "| step | cpu | " device " |\n|---|---|---|" }
    { print "| " NR " | " $1 " | " $2 " |"; far = ($1 - $2)^2 > 1e-8 ? 1 : far }
    END { exit NR != 10 || far }' || return
  for file in model.safetensors checkpoint.safetensors metrics.jsonl; do
    cmp "$scratch/once/$file" "$scratch/again/$file" || return
  done
  printf '\nTwo runs left the same bytes.\n'
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


if wanted cases; then
  printf '\n## Every OpCase on %s, against its reference, the CPU and the emulator\n' "$device"
  for variant in library handwritten; do
    printf '\n### Products and convolutions: %s\n' "$variant"
    every_op "every OpCase on $device, $variant" "$variant" '' ''
  done
fi

if wanted training; then
  printf '\n## Ten steps of SimCLR\n'
  for variant in library handwritten; do
    printf '\n### Products and convolutions: %s\n' "$variant"
    quote "ten steps of SimCLR, $variant" '' compare_training "$variant"
  done
fi

for tool in $tools; do
  if ! wanted "$tool"; then continue; fi
  printf '\n## compute-sanitizer: %s\n' "$tool"
  if [ "$device" = emu ]; then
    skip "$tool" "$lacking; without one there is \`./run check\`"
  elif ! command -v compute-sanitizer >/dev/null; then
    skip "$tool" 'compute-sanitizer is not installed; it comes with the CUDA toolkit'
  else
    every_op "$tool" handwritten values "compute-sanitizer --tool $tool --error-exitcode 1"
  fi
done

if wanted speed; then
  printf '\n## Speed\n\nOurs, by handwritten kernels, beside the library; a SimCLR step by either, beside PyTorch.\n'
  if [ -z "$python" ]; then
    skip 'PyTorch' "PyTorch is absent; \`./run bench --peers\` installs it"
    quote 'the benchmarks' '```' "$tree/bin/tessera-bench" --device "$device" --json /dev/null
  else
    if [ "$device" = emu ]; then skip 'PyTorch on the same GPU' "$lacking"; fi
    quote 'the benchmarks' '```' "$tree/bin/tessera-bench" --device "$device" --python "$python" --json /dev/null
  fi
fi

printf '\n%s parts ran, %s failed, %s skipped\n' "$ran" "$failed" "$skipped"
say "$ran parts ran, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
