/*
 * fw_maker: a small firmware image that is good for SEV, SEV-ES, SEV-SNP and TDX, for tests to launch or to
 *           damage.
 *
 * Trust:   tests only.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FW_IMAGE_BYTES 0x4000u
#define FW_IMAGE_GPA   0xffffc000u
#define FW_SEV_AT      0x3000u /* of the SEV metadata */
#define FW_TDX_AT      0x3800u /* of the TDVF descriptor */
#define FW_HOB_GPA     0x809000u
#define FW_SECRET_GPA  0x810000u
#define FW_SECRET_SIZE 0xc00u
#define FW_AP_RESET    0xfffff004u

enum fw_entry { FW_FOOTER, FW_RESET, FW_SECRET, FW_HASHES, FW_SEV, FW_TDX };

struct fw_maker {
	uint8_t image[FW_IMAGE_BYTES];
	size_t end; /* of the next table entry */
};

void fw_make(struct fw_maker *m);

/* One more entry of the table, n numbers of data; the table's length stays as it was. */
void fw_put_entry(struct fw_maker *m, enum fw_entry entry, const uint32_t *data, size_t n);
