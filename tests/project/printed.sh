#!/bin/sh
# printed.sh PAGE COMMAND...: what the command prints stands in the page as it is, indented as a block.
set -eu
page=$1
shift
"$@" | sed 's/^./    &/' | awk '
  FNR == NR { printed = printed $0 "\n"; next }
  { page = page $0 "\n" }
  END {
    if (printed != "" && index(page, printed)) exit
    printf "printed, and not in the page:\n%s", printed
    exit 1
  }' - "$page"
