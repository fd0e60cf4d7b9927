/*
 * elf_needs: what an ELF program or library of this machine needs: its interpreter, its libraries by
 *            name, and where it says they lie. The least that shows which files a program is made of.
 *
 * Trust:   nothing in the file: every offset is checked against it, every list has a limit.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

struct elf_needs {
	char interp[LIMIT_PATH_BYTES]; /* "" : none, a library */
	char runpath
		[LIMIT_PATH_BYTES]; /* folders, with colons between them; "$ORIGIN" as it stands */
	unsigned int n;
	char names[LIMIT_ELF_NEEDED][LIMIT_ELF_NAME_BYTES];
};

/*
 * Read it. -EBADMSG: no ELF file for x86-64, or a damaged one; -EMSGSIZE: more than a limit allows.
 * System V ABI, "Object Files", "Program Loading and Dynamic Linking".
 */
MUST_USE int elf_needs_read(int fd, struct elf_needs *ret, struct why *why);
