#!/bin/sh
# Proves the front door on a machine that has nothing: makes a minimal root with debootstrap, copies a clone of the
# last commit into it, and there runs the given commands (./run test without any), typing nothing else.
#
#   tests/bare-machine.sh [--suite bookworm] [--mirror URL] [--keep] [COMMAND...]
#   tests/bare-machine.sh "./run test" "./run demo"
#
# The mirror is the one that this machine's apt uses for the suite. Needs root, for chroot, and debootstrap.
set -eu

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
suite=bookworm
mirror=
keep=

say() { printf 'bare-machine: %s\n' "$*"; }
die() {
  printf 'bare-machine: error: %s\n' "$*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
  --suite) suite=${2:?--suite needs a name} && shift 2 ;;
  --mirror) mirror=${2:?--mirror needs a URL} && shift 2 ;;
  --keep) keep=yes && shift ;;
  -*) die "unknown option $1; the first lines of this script tell them" ;;
  *) break ;;
  esac
done
[ $# -gt 0 ] || set -- "./run test"

[ "$(id -u)" -eq 0 ] || die "making and entering a root file system needs root; try sudo $0"
command -v debootstrap >/dev/null || die "debootstrap is missing; apt-get install debootstrap"

# Prints a field of the lists that apt reads for the suite, as $(REPO_URI) or $(COMPONENT); one line each.
apt_lists() { apt-get indextargets "Created-By: Packages" "Release: $suite" --format "$1" 2>/dev/null | sort -u; }

# shellcheck disable=SC2016 # apt expands these, not the shell
if [ -z "$mirror" ]; then
  mirror=$(apt_lists '$(REPO_URI)' | head -n 1)
  components=$(apt_lists '$(COMPONENT)' | paste -s -d, -)
fi
[ -n "$mirror" ] || die "this machine's apt knows no mirror for $suite; name one with --mirror"

# mktemp's default place may forbid devices or programs, as a tmpfs does.
target=$(mktemp -d "${TMPDIR:-/var/tmp}/tessera-bare.XXXXXX")
chmod 755 "$target"
clean_up() {
  umount "$target/proc" 2>/dev/null || :
  # Never delete through a mount that is still there.
  if [ -n "$keep" ] || grep -q " $target/" /proc/mounts; then
    say "left in place: $target"
  else
    rm -rf --one-file-system "$target"
  fi
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

say "making a minimal $suite from $mirror"
debootstrap --variant=minbase --components="${components:-main}" "$suite" "$target" "$mirror" >"$target.log" 2>&1 || {
  tail -n 20 "$target.log" >&2
  die "debootstrap failed; the whole log is $target.log"
}
rm "$target.log"

# How this machine reaches its mirror: proxy, time-outs, checks, and the certificates where that means https.
apt-config dump | grep -E '^Acquire::(https?|Retries|Check-)[^ ]* "?[^"]' >"$target/etc/apt/apt.conf.d/99host" || :
cp -L /etc/resolv.conf /etc/hosts "$target/etc/"
case "$mirror$(apt-config dump Acquire::http)" in
*https:*)
  mkdir -p "$target/etc/ssl/certs"
  cp -L /etc/ssl/certs/ca-certificates.crt "$target/etc/ssl/certs/"
  ;;
esac
mount -t proc proc "$target/proc"

git -C "$repository" diff --quiet HEAD || say "uncommitted changes stay behind: the clone is of the last commit"
git clone --quiet --no-hardlinks "file://$repository" "$target/tessera"

inside() {
  env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" ${http_proxy:+http_proxy="$http_proxy"} \
    ${https_proxy:+https_proxy="$https_proxy"} chroot "$target" /bin/sh -c "cd /tessera && $1" </dev/null
}

for tool in c++ cc cmake ninja git python3; do
  if inside "command -v $tool" >/dev/null; then die "the root is not bare: it has $tool"; fi
done
# shellcheck disable=SC2016 # expanded inside
say "inside: $(inside '. /etc/os-release && echo "$PRETTY_NAME, $(dpkg-query -f "." -W | wc -c) packages"')"

for command in "$@"; do
  say "running: $command"
  start=$(date +%s)
  inside "$command" || die "failed in the bare root, with exit code $?: $command"
  say "took $(($(date +%s) - start)) s: $command"
done

start=$(date +%s%N)
inside "./run build" >/dev/null
say "with nothing to do, ./run build took $((($(date +%s%N) - start) / 1000000)) ms"
say "passed"
