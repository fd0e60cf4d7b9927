#!/bin/bash
# libattest.sh BUILD EVIDENCE-MAKER CC...: the library as somebody else gets it: installed into an empty
# folder, found by pkg-config, used by a program that sees nothing of ours. TAP.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: libattest.sh BUILD EVIDENCE-MAKER CC...}
maker=$2
shift 2
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0
bad=0

check() {
	n=$((n + 1))
	if "${@:2}" >"$work/new" 2>&1; then
		echo "ok $n - $1"
	else
		bad=1
		echo "not ok $n - $1"
		sed 's/^/# /' "$work/new"
	fi
	mv "$work/new" "$work/out" # for the next check
}

# What a library without files, network, clock, environment, output or threads has no use for.
banned='socket|connect|bind|sendto|recvfrom|getaddrinfo|gethostbyname|time|clock_gettime|gettimeofday|localtime|gmtime|open|open64|openat|creat|fopen|fopen64|opendir|stat|access|read|write|printf|__printf_chk|puts|fwrite|getenv|secure_getenv|setlocale|syslog|exit|abort|system|fork|execve|pthread_create'
imports_none() {
	local found
	nm -D --undefined-only "$1" >"$work/imports" || return 1
	found=$(awk '{print $NF}' "$work/imports" | sed 's/@.*//' | grep -Ex "$banned")
	[ -z "$found" ] || { echo "imports: $found"; return 1; }
}
imports_some() { ! imports_none "$1"; }
# The promise is the header: every function of it, and nothing else, is exported.
exports_are_declared() {
	sed -n 's/^ATTEST_API .*[ *]\(attest_[a-z_]*\)(.*/\1/p' "$1" | sort >"$work/declared"
	nm -D --defined-only "$2" | awk '$2 == "T" {print $3}' | sed 's/@.*//' | sort >"$work/exported"
	[ -s "$work/declared" ] && diff "$work/declared" "$work/exported"
}
versioned() { ! nm -D --defined-only "$1" | awk '$2 == "T"' | grep -v '@@CASEMATE_ATTEST_[0-9]*$'; }

check "the library installs" meson install -C "$build" --no-rebuild --destdir "$work/root" --tags libattest,devel
lib=$(find "$work/root" -name 'libattest.so.*.*.*' | head -1)
header=$(find "$work/root" -path '*/include/casemate/attest.h')
pc=$(find "$work/root" -name casemate-attest.pc)
check "with library, header and pkg-config file" test -f "$lib" -a -f "$header" -a -f "$pc"
check "the header knows none of ours" bash -c "! grep -n '#include \"' '$header'"
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$work/root
read -ra flags <<<"$(pkg-config --cflags --libs casemate-attest)"
check "a C11 program builds with what pkg-config says" \
	"$@" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror "$here/libattest_user.c" -o "$work/user" "${flags[@]}" -pthread
awk '/^\.Bd -literal/ { on = 1; next } /^\.Ed/ { on = 0 } on' "$here/../../docs/man/libattest.3" |
	sed 's/\\en/\\n/g' >"$work/page.c"
check "so does the manual page's example" "$@" -Wall -Wextra -Werror -c "$work/page.c" -o "$work/page.o" "${flags[@]}"
check "it runs with the library's own name" bash -c "readelf -d '$work/user' | grep -q 'NEEDED.*libattest\.so\.[0-9]*\]'"
mkdir "$work/evidence"
check "evidence is made" "$maker" "$work/evidence"
LD_LIBRARY_PATH=${lib%/*} check "every answer is the right one" "$work/user" "$work/evidence"
check "the verdict is one JSON object" python3 -c 'import json,sys
o = json.load(open(sys.argv[1]))
assert o["schema"] == "casemate.attest.verdict/1" and o["verdict"] == "affirming", o' "$work/out"
check "what is exported is what the header declares" exports_are_declared "$header" "$lib"
check "every name has its version" versioned "$lib"
check "no file, network, clock, environment or output is imported" imports_none "$lib"
for f in socket time fopen; do
	printf 'int %s(void);\nint use(void) { return %s(); }\n' $f $f >"$work/bad.c"
	"$@" -fno-builtin -shared -fPIC -o "$work/bad.so" "$work/bad.c" 2>/dev/null
	check "and one that imports $f is found" imports_some "$work/bad.so"
done
echo "1..$n"
exit $bad
