#!/bin/bash
# guests.sh OUT: build the hostile guest, its neighbour (both bzImages) and firmware that is the
# hostile guest as well, into the folder OUT, with the compiler at hand.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
out=${1:?usage: guests.sh OUT}
start=$here/../../swprot
code=131072 # bytes of the firmware

guest() { # NAME SOURCE...
	${CC:-gcc} -O2 -Wall -Wextra -Werror -Wno-unused-parameter -ffreestanding -nostdlib -static -fno-pic -no-pie -m64 \
		-mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
		-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -I"$here/../../.." \
		-Wl,-T,"$start/guest.ld" -Wl,--build-id=none,-N,-z,noexecstack,--no-warn-rwx-segments -o "$out/$1.elf" \
		"$start/guest_start.S" "${@:2}" "$here/kit.c"
	objcopy -O binary "$out/$1.elf" "$out/$1"
}

mkdir -p "$out"
guest hostile "$here"/{hostile,attack_machine,attack_virtio,attack_ring,attack_device,attack_private,ends}.c
guest neighbour "$here/neighbour.c"

objcopy -O binary -j .text "$out/hostile.elf" "$out/text"
bytes=$(stat -c %s "$out/text")
[ "$bytes" -le $((code - 4096)) ] || { echo "guests.sh: $bytes bytes of guest do not fit into the firmware" >&2; exit 1; }
${CC:-gcc} -c -Wa,--defsym,FROM=$((0x100000000 - code)) -Wa,--defsym,BYTES="$bytes" -Wa,--defsym,CODE="$code" -o "$out/fw.o" "$here/fw_start.S"
objcopy -O binary -j .text "$out/fw.o" "$out/fw.page"
truncate -s $((code - 4096)) "$out/text"
cat "$out/text" "$out/fw.page" >"$out/firmware"
rm -f "$out"/*.elf "$out"/fw.o "$out/fw.page" "$out/text"
