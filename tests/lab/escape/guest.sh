#!/bin/bash
# guest.sh OUT: build the smallest bzImage, which says '!' and halts (tests/bench/tiny.S).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
out=${1:?usage: guest.sh OUT}
${CC:-gcc} -c -o "$out.o" "$here/../../bench/tiny.S"
objcopy -O binary "$out.o" "$out"
rm -f "$out.o"
