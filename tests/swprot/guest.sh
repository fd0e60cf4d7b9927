#!/bin/bash
# guest.sh OUT: build the test guest, a bzImage of a few pages, with the compiler at hand.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
out=${1:?usage: guest.sh OUT}
${CC:-gcc} -O2 -Wall -Wextra -Werror -ffreestanding -nostdlib -static -fno-pic -no-pie -m64 -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-Wl,-T,"$here/guest.ld" -Wl,--build-id=none,-N,-z,noexecstack,--no-warn-rwx-segments -o "$out.elf" "$here/guest_start.S" "$here/guest.c"
objcopy -O binary "$out.elf" "$out"
rm -f "$out.elf"
