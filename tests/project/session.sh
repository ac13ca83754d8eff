#!/bin/sh
# session.sh PAGE COMMANDS PROGRAM: gdb does the commands with the program, and what it is told and what it answers
# stands in the page. Exit status 77, a skipped test, where gdb is absent or may not run a program.
set -eu
page=$1 commands=$2 program=$3

command -v gdb >/dev/null || {
  echo "gdb is absent"
  exit 77
}
# commands after a +, and values: the lines between them are worded by gdb's version
essential() { grep -E '^ *(\+|\$[0-9]+ = |[0-9]+: |Value returned )' | sed 's/^ *//'; }

said=$(gdb --nx --batch -x "$commands" "$program" 2>&1) || :
case $said in
*ptrace:* | *"Could not trace"* | *"not permitted"*)
  printf '%s\n' "$said"
  exit 77
  ;;
esac
printed=$(printf '%s\n' "$said" | essential | sed '/^+start/d')
shown=$(grep '^    ' "$page" | essential)
[ "$printed" = "$shown" ] && exit
printf 'printed:\n%s\n\nin the page:\n%s\n\nall that gdb said:\n%s\n' "$printed" "$shown" "$said"
exit 1
