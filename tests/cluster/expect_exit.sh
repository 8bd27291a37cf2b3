#!/bin/sh
# expect_exit.sh CODE TEXT COMMAND...: the command must end with CODE and say TEXT.
code=$1
text=$2
shift 2
output=$("$@" 2>&1)
found=$?
echo "$output"
echo "exit code $found, expected $code; expected text: $text"
test "$found" -eq "$code" && echo "$output" | grep -qF -- "$text"
