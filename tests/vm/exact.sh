#!/bin/bash
# exact.sh BUILD ARGUMENT...: build the guests, then tests/proc/test_syscalls_exact.py.
set -euo pipefail
build=$(cd "${1:?usage: exact.sh BUILD ARGUMENT...}" && pwd -P)
here=$(cd "$(dirname "$0")" && pwd -P)
images=$build/exact-images

mkdir -p "$images/swprot"
"$here/../swprot/guest.sh" "$images/swprot/guest"
"$here/hostile/guests.sh" "$images/hostile"
exec python3 "$here/../proc/test_syscalls_exact.py" "$build" "${@:2}"
