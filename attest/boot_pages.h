/*
 * boot_pages: the pages measured direct boot makes itself: boot parameters, GDT, confidential-
 *             computing blob, ACPI tables, CPU state (docs/launch.md, layout 1).
 *
 * Trust:   the kernel's setup header may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/digest_snp.h"
#include "base/cdefs.h"
#include "base/num.h"
#include "base/why.h"

#define BOOT_GPA_PARAMS  0x7000u
#define BOOT_GPA_CMDLINE 0x8000u
#define BOOT_GPA_GDT     0xA000u
#define BOOT_GPA_CC_BLOB 0xB000u
#define BOOT_GPA_SECRETS 0xC000u
#define BOOT_GPA_CPUID   0xD000u
#define BOOT_GPA_ACPI    0xE0000u
#define BOOT_GPA_KERNEL  0x1000000u
#define BOOT_ACPI_PAGES  2u

/* What the setup header of a bzImage says that this boot needs. */
struct boot_kernel {
	const uint8_t *header; /* 0x1F1 to header_end of the file */
	size_t header_len;
	const uint8_t *body; /* the protected-mode part */
	size_t body_len;
	uint64_t initrd_addr_max;
	uint64_t init_size;
};

/* -EBADMSG with why when it is no bzImage, or one this boot does not take. */
MUST_USE int boot_kernel_parse(
	struct boot_kernel *ret, const uint8_t *image, size_t len, struct why *why);

struct boot_layout {
	uint64_t memory;     /* M, bytes */
	uint64_t low;        /* L: RAM below the hole */
	uint64_t initrd_gpa; /* R; 0 without a ramdisk */
	uint64_t initrd_len;
	uint32_t vcpus;
	uint64_t sev_features; /* bit 0 set */
};

/* Place the ramdisk. -ERANGE with why when kernel or ramdisk do not fit. */
MUST_USE int boot_layout_make(struct boot_layout *ret, const struct boot_kernel *kernel,
	uint64_t initrd_len, uint64_t memory, struct why *why);

void boot_params_print(const struct boot_kernel *kernel, const struct boot_layout *layout,
	uint8_t ret[PAGE_BYTES]);
void boot_gdt_print(uint8_t ret[PAGE_BYTES]);
void boot_cc_blob_print(uint8_t ret[PAGE_BYTES]);
void boot_acpi_print(uint32_t vcpus, uint8_t ret[BOOT_ACPI_PAGES * PAGE_BYTES]);
void boot_vmsa_print(uint32_t vcpu, uint64_t sev_features, uint8_t ret[PAGE_BYTES]);
