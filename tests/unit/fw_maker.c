#include "tests/unit/fw_maker.h"

#include <string.h>

#include "base/cdefs.h"
#include "base/wr.h"

#define FOOTER_AT (FW_IMAGE_BYTES - 32 - 18)

static const uint8_t guids[][16] = {
	[FW_FOOTER] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45, 0xba, 0xea, 0xa3, 0x66,
		0xc5, 0x5a, 0x08, 0x2d },
	[FW_RESET] = { 0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, 0x89, 0x0e, 0x68, 0xc7, 0x7e,
		0x2f, 0xb4, 0x4e },
	[FW_SECRET] = { 0x61, 0xb3, 0x2e, 0x4c, 0x9b, 0x7d, 0xc3, 0x4c, 0x80, 0x81, 0x12, 0x7c,
		0x90, 0xd3, 0xd2, 0x94 },
	[FW_HASHES] = { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, 0x92, 0x7b, 0x1d, 0xa6,
		0xef, 0xa8, 0xd4, 0x54 },
	[FW_SEV] = { 0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, 0xa7, 0x5e, 0x55, 0x85, 0xa7,
		0xbf, 0x67, 0xcc },
	[FW_TDX] = { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47, 0x86, 0x5e, 0x46, 0x85, 0xa7,
		0xbf, 0x8e, 0xc2 },
};

static const uint32_t sev_sections[][3] = {
	{ 0x800000, 0x9000, 1 },
	{ 0x80d000, 0x1000, 2 },
	{ 0x80e000, 0x1000, 3 },
	{ 0x80f000, 0x1000, 4 },
	{ 0, 0, 1 }, /* what this build does not have */
	{ 0x810000, 0x1000, 0x10 },
};

static const struct {
	uint32_t offset, raw;
	uint64_t gpa, size;
	uint32_t type, attributes;
} tdvf_sections[] = {
	{ 0x2000, 0x2000, 0xffffe000, 0x2000, 0, 1 },
	{ 0, 0x1000, 0xffffc000, 0x2000, 1, 0 }, /* the second page: zeros */
	{ 0, 0, FW_HOB_GPA, 0x2000, 2, 0 },
	{ 0, 0, 0x80b000, 0x2000, 3, 0 },
};

void fw_put_entry(struct fw_maker *m, enum fw_entry entry, const uint32_t *data, size_t n)
{
	size_t len = 4 * n + 18;
	struct wr w = wr_of(m->image + m->end - len, len);

	for (size_t i = 0; i < n; i++)
		wr_le32(&w, data[i]);
	wr_le16(&w, (uint16_t)len);
	wr_copy(&w, guids[entry], 16);
	m->end -= len;
}

static void metadata_put(struct fw_maker *m)
{
	struct wr w = wr_of(m->image + FW_SEV_AT, 0x200);

	wr_str(&w, "ASEV");
	wr_le32(&w, 16 + 12 * ARRAY_LEN(sev_sections));
	wr_le32(&w, 1);
	wr_le32(&w, ARRAY_LEN(sev_sections));
	for (size_t i = 0; i < ARRAY_LEN(sev_sections); i++)
		for (size_t j = 0; j < 3; j++)
			wr_le32(&w, sev_sections[i][j]);
	w = wr_of(m->image + FW_TDX_AT, 0x200);
	wr_str(&w, "TDVF");
	wr_le32(&w, 16 + 32 * ARRAY_LEN(tdvf_sections));
	wr_le32(&w, 1);
	wr_le32(&w, ARRAY_LEN(tdvf_sections));
	for (size_t i = 0; i < ARRAY_LEN(tdvf_sections); i++) {
		wr_le32(&w, tdvf_sections[i].offset);
		wr_le32(&w, tdvf_sections[i].raw);
		wr_le64(&w, tdvf_sections[i].gpa);
		wr_le64(&w, tdvf_sections[i].size);
		wr_le32(&w, tdvf_sections[i].type);
		wr_le32(&w, tdvf_sections[i].attributes);
	}
}

void fw_make(struct fw_maker *m)
{
	memset(m->image, 0, sizeof m->image);
	for (size_t i = 0; i < FW_SEV_AT; i++)
		m->image[i] = (uint8_t)(i * 5 + (i >> 8));
	metadata_put(m);
	m->end = FOOTER_AT;
	fw_put_entry(m, FW_RESET, &(uint32_t){ FW_AP_RESET }, 1);
	fw_put_entry(m, FW_SECRET, (uint32_t[]){ FW_SECRET_GPA, FW_SECRET_SIZE }, 2);
	fw_put_entry(m, FW_HASHES, (uint32_t[]){ 0x810c00, 0x400 }, 2);
	fw_put_entry(m, FW_SEV, &(uint32_t){ FW_IMAGE_BYTES - FW_SEV_AT }, 1);
	fw_put_entry(m, FW_TDX, &(uint32_t){ FW_IMAGE_BYTES - FW_TDX_AT }, 1);
	struct wr w = wr_of(m->image + FOOTER_AT, 18);
	wr_le16(&w, (uint16_t)(FOOTER_AT + 18 - m->end));
	wr_copy(&w, guids[FW_FOOTER], 16);
}
