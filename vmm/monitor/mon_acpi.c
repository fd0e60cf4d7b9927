#include "vmm/monitor/mon_acpi.h"

#include <assert.h>
#include <string.h>

#include "base/num.h"
#include "base/wr.h"
#include "vmm/monitor/mon_pci.h"
#include "vmm/monitor/mon_power.h"

#define HEADER_BYTES   36u
#define XSDT_BYTES     52u
#define FADT_BYTES     276u
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

static void fadt_build(struct wr *w, uint64_t dsdt)
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
	wr_pad_to(w, at + FADT_BYTES);
	table_end(w, at);
}

static void madt_build(struct wr *w, unsigned int vcpus)
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
}

/* Where the tables are, from their first byte; the XSDT and the FADT name what comes after them. */
#define AT_XSDT 0u
#define AT_FADT 64u              /* 36 + 2 * 8 = 52, rounded up */
#define AT_DSDT (AT_FADT + 288u) /* 276, rounded up */
#define AT_MADT (AT_DSDT + ((HEADER_BYTES + (unsigned int)sizeof dsdt_body + 15u) & ~15u))

/* Fields that hold addresses. */
#define XSDT_FADT 36u
#define XSDT_MADT 44u
#define FADT_DSDT 140u
#define RSDP_XSDT 24u
#define RSDP_SUM  8u  /* of the first 20 bytes */
#define RSDP_SUM2 32u /* of all */
#define TABLE_SUM 9u

/* The PCI memory window in the DSDT: its first address and its length. */
#define DSDT_WINDOW_START 0x6eu
#define DSDT_WINDOW_BYTES 0x7au

static void rsdp_build(uint8_t *ret, uint64_t xsdt)
{
	struct wr w = wr_of(ret, ACPI_RSDP_BYTES);

	wr_str(&w, "RSD PTR ");
	wr_u8(&w, 0);
	wr_str(&w, "CASEMT");
	wr_u8(&w, 2);
	wr_le32(&w, 0);
	wr_le32(&w, ACPI_RSDP_BYTES);
	wr_le64(&w, xsdt);
	wr_zero(&w, 4);
	assert(wr_check(&w) == 0);
}

static void dsdt_build(struct wr *w, uint32_t window_start)
{
	size_t at = table_start(w, "DSDT", 2);
	uint8_t *body = w->buf + w->len;

	wr_copy(w, dsdt_body, sizeof dsdt_body);
	pci_put32(body, DSDT_WINDOW_START, window_start);
	pci_put32(body, DSDT_WINDOW_BYTES, PCI_WINDOW_END - window_start);
	table_end(w, at);
}

/* XSDT, FADT, DSDT, MADT with the addresses they have when the first is at base. */
static size_t tables_build(
	uint8_t *ret, size_t size, uint64_t base, unsigned int vcpus, uint32_t window_start)
{
	struct wr w = wr_of(ret, size);
	size_t at = table_start(&w, "XSDT", 1);

	wr_le64(&w, base + AT_FADT);
	wr_le64(&w, base + AT_MADT);
	table_end(&w, at);
	fadt_build(&w, base + AT_DSDT);
	wr_pad_to(&w, AT_DSDT);
	dsdt_build(&w, window_start);
	madt_build(&w, vcpus);
	assert(wr_check(&w) == 0);
	return w.len;
}

void mon_acpi_build(uint8_t *ret, unsigned int vcpus)
{
	const size_t rsdp_room = 48; /* its 36 bytes, rounded up */

	memset(ret, 0, ACPI_BYTES);
	rsdp_build(ret, ACPI_GPA + rsdp_room);
	ret[RSDP_SUM] = sum_of(ret, 20);
	ret[RSDP_SUM2] = sum_of(ret, ACPI_RSDP_BYTES);
	(void)tables_build(ret + rsdp_room, ACPI_BYTES - rsdp_room, ACPI_GPA + rsdp_room, vcpus,
		PCI_WINDOW_START);
}

/* --- for firmware ------------------------------------------------------------------------------------
 * The script (QEMU, hw/acpi/bios-linker-loader.c): commands of 128 bytes with fields at fixed
 * places. Pointers hold offsets, sums are zero until firmware has put the addresses in.
 */
#define LOADER_COMMAND 128u
#define LOADER_NAME    56u
enum { LOADER_ALLOCATE = 1, LOADER_POINTER = 2, LOADER_SUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

static void wr_name(struct wr *w, const char *name)
{
	size_t end = w->len + LOADER_NAME;

	wr_str(w, name);
	wr_pad_to(w, end);
}

static void command_end(struct wr *w)
{
	wr_pad_to(w, (w->len + LOADER_COMMAND - 1) / LOADER_COMMAND * LOADER_COMMAND);
}

static void loader_allocate(struct wr *w, const char *file, uint8_t zone)
{
	wr_le32(w, LOADER_ALLOCATE);
	wr_name(w, file);
	wr_le32(w, 16); /* alignment */
	wr_u8(w, zone);
	command_end(w);
}

/* The 8 bytes at `at` of the file become an address in etc/acpi/tables. */
static void loader_point(struct wr *w, const char *file, uint32_t at)
{
	wr_le32(w, LOADER_POINTER);
	wr_name(w, file);
	wr_name(w, ACPI_FILE_TABLES);
	wr_le32(w, at);
	wr_u8(w, 8);
	command_end(w);
}

static void loader_sum(struct wr *w, const char *file, uint32_t at, uint32_t start, uint32_t len)
{
	wr_le32(w, LOADER_SUM);
	wr_name(w, file);
	wr_le32(w, at);
	wr_le32(w, start);
	wr_le32(w, len);
	command_end(w);
}

void mon_acpi_build_files(struct acpi_files *ret, unsigned int vcpus, uint32_t window_start)
{
	struct wr w = wr_of(ret->loader, sizeof ret->loader);

	memset(ret, 0, sizeof *ret);
	rsdp_build(ret->rsdp, AT_XSDT);
	ret->rsdp[RSDP_SUM] = sum_of(ret->rsdp, 20);
	ret->tables_len = tables_build(ret->tables, sizeof ret->tables, 0, vcpus, window_start);
	ret->tables[AT_XSDT + TABLE_SUM] = ret->tables[AT_FADT + TABLE_SUM] = 0;

	loader_allocate(&w, ACPI_FILE_RSDP, ZONE_FSEG);
	loader_allocate(&w, ACPI_FILE_TABLES, ZONE_HIGH);
	loader_point(&w, ACPI_FILE_TABLES, AT_FADT + FADT_DSDT);
	loader_sum(&w, ACPI_FILE_TABLES, AT_FADT + TABLE_SUM, AT_FADT, FADT_BYTES);
	loader_point(&w, ACPI_FILE_TABLES, AT_XSDT + XSDT_FADT);
	loader_point(&w, ACPI_FILE_TABLES, AT_XSDT + XSDT_MADT);
	loader_sum(&w, ACPI_FILE_TABLES, AT_XSDT + TABLE_SUM, AT_XSDT, XSDT_BYTES);
	loader_point(&w, ACPI_FILE_RSDP, RSDP_XSDT);
	loader_sum(&w, ACPI_FILE_RSDP, RSDP_SUM2, 0, ACPI_RSDP_BYTES);
	assert(wr_check(&w) == 0 && w.len == sizeof ret->loader);
}
