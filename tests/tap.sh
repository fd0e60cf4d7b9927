#!/bin/bash
# tap.sh PROGRAM [ARGUMENT]...: run a cmocka program. Its TAP calls a skipped test "not ok N # SKIP",
# which counts as a failure elsewhere; TAP 13 says "ok N # SKIP".
set -o pipefail
"$@" | sed -u 's/^not ok \([0-9]* # SKIP\)/ok \1/'
