# Makes a program of the ```cpp blocks of a page (those that name no file), one after another in main(), and writes what
# its ```text blocks say that it prints: awk -v expected=FILE -f sample.awk PAGE > PROGRAM
/^```cpp$/ { in_code = 1; next }
/^```text$/ { in_text = 1; next }
/^```/ { in_code = in_text = 0; next }
in_code && /^#include/ { head = head $0 "\n"; next }
in_code { body = body $0 "\n" }
in_text { print > expected }
END { printf "%s\nusing namespace tsr;\n\nint main() {\n%s}\n", head, body }
