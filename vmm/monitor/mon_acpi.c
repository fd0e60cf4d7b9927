#include "vmm/monitor/mon_acpi.h"

#include <assert.h>
#include <string.h>

#include "base/num.h"
#include "base/wr.h"
#include "vmm/monitor/mon_power.h"

#define HEADER_BYTES   36u
#define LAPIC_ADDRESS  0xfee00000u
#define IOAPIC_ADDRESS 0xfec00000u

/* FADT fixed feature flags: WBINVD, PWR_BUTTON, SLP_BUTTON, RESET_REG_SUP, HW_REDUCED. */
#define FADT_FLAGS 0x00100431u
/* FADT boot architecture: VGA not present, no PCIe ASPM, no CMOS RTC. */
#define FADT_BOOT 0x0034u

/* clang-format off */
/* The body of the DSDT, compiled from docs/dsdt.asl; the same for every guest. */
static const uint8_t dsdt_body[] = {
	0x08, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x07, 0x04, 0x0a, 0x05, 0x00, 0x00, 0x00, 0x10, 0x45, 0x0a,
	0x5f, 0x53, 0x42, 0x5f, 0x5b, 0x82, 0x4a, 0x06, 0x50, 0x43, 0x49, 0x30, 0x08, 0x5f, 0x48, 0x49,
	0x44, 0x0c, 0x41, 0xd0, 0x0a, 0x03, 0x08, 0x5f, 0x55, 0x49, 0x44, 0x00, 0x08, 0x5f, 0x42, 0x42,
	0x4e, 0x00, 0x08, 0x5f, 0x43, 0x52, 0x53, 0x11, 0x48, 0x04, 0x0a, 0x44, 0x88, 0x0d, 0x00, 0x02,
	0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x47, 0x01, 0xf8, 0x0c,
	0xf8, 0x0c, 0x01, 0x08, 0x88, 0x0d, 0x00, 0x01, 0x0c, 0x03, 0x00, 0x00, 0x00, 0x10, 0xff, 0xff,
	0x00, 0x00, 0x00, 0xf0, 0x87, 0x17, 0x00, 0x00, 0x0c, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0xc0, 0xff, 0xff, 0xbf, 0xfe, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x3e, 0x79, 0x00,
	0x5b, 0x82, 0x31, 0x43, 0x4f, 0x4d, 0x31, 0x08, 0x5f, 0x48, 0x49, 0x44, 0x0c, 0x41, 0xd0, 0x05,
	0x01, 0x08, 0x5f, 0x55, 0x49, 0x44, 0x00, 0x08, 0x5f, 0x43, 0x52, 0x53, 0x11, 0x16, 0x0a, 0x13,
	0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08, 0x89, 0x06, 0x00, 0x03, 0x01, 0x04, 0x00, 0x00,
	0x00, 0x79, 0x00,
};
/* clang-format on */

static uint8_t sum_of(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return (uint8_t)(0u - sum);
}

/* Start a table at the next multiple of 16; returns its offset. */
static size_t table_start(struct wr *w, const char *signature, uint8_t revision)
{
	wr_pad_to(w, (w->len + 15) & ~(size_t)15);
	size_t at = w->len;
	wr_str(w, signature);
	wr_le32(w, 0); /* length: table_end() */
	wr_u8(w, revision);
	wr_u8(w, 0); /* checksum: table_end() */
	wr_str(w, "CASEMT");
	wr_str(w, "CASEMATE");
	wr_le32(w, 1);
	wr_str(w, "CSMT");
	wr_le32(w, 1);
	return at;
}

static void table_end(struct wr *w, size_t at)
{
	le32 len = le32_of((uint32_t)(w->len - at));

	memcpy(w->buf + at + 4, &len, sizeof len);
	w->buf[at + 9] = sum_of(w->buf + at, w->len - at);
}

/* Generic address structure of an 8-bit I/O port. */
static void wr_port(struct wr *w, uint16_t port)
{
	wr_u8(w, 1);
	wr_u8(w, 8);
	wr_u8(w, 0);
	wr_u8(w, 1);
	wr_le64(w, port);
}

static size_t fadt_build(struct wr *w, uint64_t dsdt)
{
	size_t at = table_start(w, "FACP", 6);

	wr_pad_to(w, at + 109);
	wr_le16(w, FADT_BOOT);
	wr_pad_to(w, at + 112);
	wr_le32(w, FADT_FLAGS);
	wr_port(w, PORT_RESET);
	wr_u8(w, RESET_VALUE);
	wr_pad_to(w, at + 131);
	wr_u8(w, 4); /* minor version */
	wr_pad_to(w, at + 140);
	wr_le64(w, dsdt);
	wr_pad_to(w, at + 244);
	wr_port(w, PORT_SLEEP_CONTROL);
	wr_port(w, PORT_SLEEP_STATUS);
	wr_pad_to(w, at + 276);
	table_end(w, at);
	return at;
}

static size_t madt_build(struct wr *w, unsigned int vcpus)
{
	size_t at = table_start(w, "APIC", 5);

	wr_le32(w, LAPIC_ADDRESS);
	wr_le32(w, 0);
	for (unsigned int i = 0; i < vcpus; i++) {
		const uint8_t lapic[] = { 0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0 };
		wr_copy(w, lapic, sizeof lapic);
	}
	wr_le32(w, 0x00000c01); /* I/O APIC, 12 bytes, id 0 */
	wr_le32(w, IOAPIC_ADDRESS);
	wr_le32(w, 0);
	wr_copy(w, (const uint8_t[]){ 4, 6, 0xff, 0, 0, 1 }, 6); /* NMI on LINT1 */
	table_end(w, at);
	return at;
}

/*
 * The order in memory is RSDP, XSDT, FADT, DSDT, MADT, but the XSDT and the FADT name addresses
 * further on: the positions follow from the sizes.
 */
void mon_acpi_build(uint8_t *ret, unsigned int vcpus)
{
	struct wr w = wr_of(ret, ACPI_BYTES);
	const uint64_t xsdt = ACPI_GPA + 48;
	const uint64_t fadt = xsdt + 64;  /* 36 + 2 * 8 = 52, rounded up */
	const uint64_t dsdt = fadt + 288; /* 276, rounded up */
	const uint64_t madt = dsdt + ((HEADER_BYTES + sizeof dsdt_body + 15) & ~(uint64_t)15);

	memset(ret, 0, ACPI_BYTES);
	wr_str(&w, "RSD PTR ");
	wr_u8(&w, 0);
	wr_str(&w, "CASEMT");
	wr_u8(&w, 2);
	wr_le32(&w, 0);
	wr_le32(&w, HEADER_BYTES);
	wr_le64(&w, xsdt);
	wr_zero(&w, 4);
	ret[8] = sum_of(ret, 20);
	ret[32] = sum_of(ret, HEADER_BYTES);

	size_t at = table_start(&w, "XSDT", 1);
	assert(at + ACPI_GPA == xsdt);
	wr_le64(&w, fadt);
	wr_le64(&w, madt);
	table_end(&w, at);
	at = fadt_build(&w, dsdt);
	assert(at + ACPI_GPA == fadt);
	at = table_start(&w, "DSDT", 2);
	assert(at + ACPI_GPA == dsdt);
	wr_copy(&w, dsdt_body, sizeof dsdt_body);
	table_end(&w, at);
	at = madt_build(&w, vcpus);
	assert(at + ACPI_GPA == madt);
	assert(wr_check(&w) == 0);
}
