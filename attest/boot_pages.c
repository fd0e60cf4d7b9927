#include "attest/boot_pages.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"

/* --- the kernel's setup header (Linux x86 boot protocol) ------------------------------------- */

#define SETUP_HEADER_AT    0x1F1u
#define SETUP_HEADER_MAX   0x290u
#define SETUP_HEADER_LEAST 0x264u /* up to and with init_size */
#define SECTOR_BYTES       512u

static uint32_t field32(const uint8_t *image, size_t at)
{
	struct rd r = rd_of(image + at, 4);

	return rd_le32(&r);
}

static uint32_t field16(const uint8_t *image, size_t at)
{
	struct rd r = rd_of(image + at, 2);

	return rd_le16(&r);
}

/* What docs/launch.md demands of the header; the name of the first demand that does not hold. */
static const char *header_fault(const uint8_t *image, size_t len)
{
	if (len < SETUP_HEADER_MAX)
		return "shorter than a setup header";
	if (field16(image, 0x1FE) != 0xAA55)
		return "no boot signature 0xAA55 at 0x1FE";
	if (memcmp(image + 0x202, "HdrS", 4) != 0)
		return "no 'HdrS' at 0x202";
	if (field16(image, 0x206) < 0x020C)
		return "its boot protocol is older than 2.12";
	if ((image[0x211] & 1) == 0)
		return "not LOADED_HIGH: a zImage";
	if (image[0x234] == 0)
		return "not relocatable";
	if (field32(image, 0x258) != BOOT_GPA_KERNEL || field32(image, 0x25C) != 0)
		return "its preferred address is not 0x1000000";
	return NULL;
}

int boot_kernel_parse(struct boot_kernel *ret, const uint8_t *image, size_t len, struct why *why)
{
	const char *fault = header_fault(image, len);

	if (fault != NULL)
		return why_set(
			why, -EBADMSG, "the kernel is no bzImage this boot takes: %s", fault);

	size_t sects = image[SETUP_HEADER_AT] == 0 ? 4 : image[SETUP_HEADER_AT];
	size_t body_at = (sects + 1) * SECTOR_BYTES;
	if (body_at >= len)
		return why_set(why, -EBADMSG,
			"the kernel ends at byte %zu, inside its %zu setup sectors", len, sects);
	/* 0x201 is the offset byte of the jump at 0x200: where the header ends. */
	size_t header_end = MIN(0x202u + (size_t)image[0x201], SETUP_HEADER_MAX);
	*ret = (struct boot_kernel){
		.header = image + SETUP_HEADER_AT,
		.header_len = header_end - SETUP_HEADER_AT,
		.body = image + body_at,
		.body_len = len - body_at,
		.initrd_addr_max = field32(image, 0x22C),
		.init_size = field32(image, 0x260),
	};
	return 0;
}

/* --- memory ---------------------------------------------------------------------------------- */

#define GIB     (1ull << 30)
#define LOW_MAX (3 * GIB)
#define HIGH_AT (4 * GIB)

int boot_layout_make(struct boot_layout *ret, const struct boot_kernel *kernel, uint64_t initrd_len,
	uint64_t memory, struct why *why)
{
	struct boot_layout l = {
		.memory = memory, .low = MIN(memory, LOW_MAX), .initrd_len = initrd_len
	};
	uint64_t kernel_end = BOOT_GPA_KERNEL + kernel->init_size;

	if (kernel_end > l.low || kernel->body_len > l.low - BOOT_GPA_KERNEL)
		return why_set(why, -ERANGE,
			"the kernel needs memory up to 0x%llx, the guest has 0x%llx",
			(unsigned long long)kernel_end, (unsigned long long)l.low);
	if (initrd_len > 0) {
		uint64_t top = MIN(l.low, kernel->initrd_addr_max + 1);
		uint64_t least = (kernel_end + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
		if (initrd_len > top || ((top - initrd_len) & ~(uint64_t)(PAGE_BYTES - 1)) < least)
			return why_set(why, -ERANGE,
				"the initial ramdisk of %llu bytes does not fit between 0x%llx and "
				"0x%llx",
				(unsigned long long)initrd_len, (unsigned long long)least,
				(unsigned long long)top);
		l.initrd_gpa = (top - initrd_len) & ~(uint64_t)(PAGE_BYTES - 1);
	}
	*ret = l;
	return 0;
}

/* --- boot parameters ------------------------------------------------------------------------- */

#define E820_RAM      1u
#define E820_RESERVED 2u

static void e820_add(struct wr *w, uint8_t *n, uint64_t from, uint64_t to, uint32_t type)
{
	wr_le64(w, from);
	wr_le64(w, to - from);
	wr_le32(w, type);
	(*n)++;
}

static uint8_t e820_print(const struct boot_layout *l, uint8_t *at, size_t size)
{
	struct wr w = wr_of(at, size);
	uint8_t n = 0;

	e820_add(&w, &n, 0, 0x7000, E820_RAM);
	e820_add(&w, &n, 0x7000, 0x10000, E820_RESERVED);
	e820_add(&w, &n, 0x10000, 0xA0000, E820_RAM);
	e820_add(&w, &n, 0xE0000, 0x100000, E820_RESERVED);
	e820_add(&w, &n, 0x100000, l->low, E820_RAM);
	if (l->memory > LOW_MAX)
		e820_add(&w, &n, HIGH_AT, HIGH_AT + (l->memory - LOW_MAX), E820_RAM);
	assert(wr_check(&w) == 0);
	return n;
}

static void patch(uint8_t *page, size_t at, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		page[at + i] = (uint8_t)(v >> (8 * i));
}

void boot_params_print(
	const struct boot_kernel *kernel, const struct boot_layout *layout, uint8_t ret[PAGE_BYTES])
{
	memset(ret, 0, PAGE_BYTES);
	patch(ret, 0x070, BOOT_GPA_ACPI, 8);
	ret[0x1E8] = e820_print(layout, ret + 0x2D0, PAGE_BYTES - 0x2D0);
	memcpy(ret + SETUP_HEADER_AT, kernel->header, kernel->header_len);
	ret[0x210] = 0xFF;
	patch(ret, 0x218, layout->initrd_gpa, 4);
	patch(ret, 0x21C, layout->initrd_len, 4);
	patch(ret, 0x228, BOOT_GPA_CMDLINE, 4);
	patch(ret, 0x250, BOOT_GPA_CC_BLOB, 8);
}

/* --- GDT and confidential-computing blob ------------------------------------------------------ */

void boot_gdt_print(uint8_t ret[PAGE_BYTES])
{
	memset(ret, 0, PAGE_BYTES);
	patch(ret, 0x10, 0x00CF9B000000FFFF, 8); /* flat 32-bit code */
	patch(ret, 0x18, 0x00CF93000000FFFF, 8); /* flat data */
}

#define CC_BLOB_AT 0x20u

void boot_cc_blob_print(uint8_t ret[PAGE_BYTES])
{
	struct wr w = wr_of(ret, PAGE_BYTES);

	wr_le64(&w, 0); /* setup_data: next */
	wr_le32(&w, 7); /* SETUP_CC_BLOB */
	wr_le32(&w, 4);
	wr_le32(&w, BOOT_GPA_CC_BLOB + CC_BLOB_AT);
	wr_pad_to(&w, CC_BLOB_AT);
	wr_le32(&w, 0x45444D41); /* cc_blob_sev_info: "AMDE" */
	wr_le16(&w, 1);
	wr_le16(&w, 0);
	wr_le64(&w, BOOT_GPA_SECRETS);
	wr_le32(&w, PAGE_BYTES);
	wr_le32(&w, 0);
	wr_le64(&w, BOOT_GPA_CPUID);
	wr_le32(&w, PAGE_BYTES);
	wr_le32(&w, 0);
	wr_pad_to(&w, PAGE_BYTES);
	assert(wr_check(&w) == 0);
}

/* --- ACPI 6.4 --------------------------------------------------------------------------------- */

#define RSDP_BYTES         36u
#define ACPI_HEADER_BYTES  36u
#define FADT_BYTES         276u
#define RESET_PORT         0x602u
#define SLEEP_CONTROL_PORT 0x600u
#define SLEEP_STATUS_PORT  0x601u

/* AML of docs/launch.md: _S5, \_SB.PCI0, \_SB.COM1. */
/* clang-format off */
static const uint8_t dsdt_aml[] = {
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

static void checksum_set(uint8_t *table, size_t len, size_t at)
{
	uint8_t sum = 0;

	table[at] = 0;
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + table[i]);
	table[at] = (uint8_t)(0x100u - sum);
}

/* Start a table at the next multiple of 16; its offset. */
static size_t table_begin(struct wr *w, const char *signature, uint8_t revision)
{
	size_t at = (w->len + 15) & ~(size_t)15;

	wr_pad_to(w, at);
	wr_copy(w, signature, 4);
	wr_le32(w, 0); /* length and checksum: table_finish() */
	wr_u8(w, revision);
	wr_u8(w, 0);
	wr_copy(w, "CASEMT", 6);
	wr_copy(w, "CASEMATE", 8);
	wr_le32(w, 1);
	wr_copy(w, "CSMT", 4);
	wr_le32(w, 1);
	return at;
}

static void table_finish(struct wr *w, size_t at)
{
	patch(w->buf, at + 4, w->len - at, 4);
	checksum_set(w->buf + at, w->len - at, 9);
}

/* Generic address structure of an I/O port of 8 bits. */
static void gas_add(struct wr *w, uint64_t port)
{
	wr_u8(w, 1); /* system I/O */
	wr_u8(w, 8);
	wr_u8(w, 0);
	wr_u8(w, 1);
	wr_le64(w, port);
}

static size_t fadt_add(struct wr *w)
{
	size_t at = table_begin(w, "FACP", 6);

	wr_pad_to(w, at + 109);
	wr_le16(w, 0x0034); /* IAPC_BOOT_ARCH: no VGA, no ASPM, no CMOS RTC */
	wr_pad_to(w, at + 112);
	wr_le32(w, 0x00100431); /* HW_REDUCED, RESET_REG_SUP, SLP_BUTTON, PWR_BUTTON, WBINVD */
	gas_add(w, RESET_PORT);
	wr_u8(w, 1); /* RESET_VALUE stands right behind RESET_REG */
	wr_pad_to(w, at + 131);
	wr_u8(w, 4);
	wr_pad_to(w, at + 244);
	gas_add(w, SLEEP_CONTROL_PORT);
	gas_add(w, SLEEP_STATUS_PORT);
	wr_pad_to(w, at + FADT_BYTES);
	table_finish(w, at);
	return at;
}

static size_t dsdt_add(struct wr *w)
{
	size_t at = table_begin(w, "DSDT", 2);

	wr_copy(w, dsdt_aml, sizeof dsdt_aml);
	table_finish(w, at);
	return at;
}

static size_t madt_add(struct wr *w, uint32_t vcpus)
{
	size_t at = table_begin(w, "APIC", 5);

	wr_le32(w, 0xFEE00000);
	wr_le32(w, 0);
	for (uint32_t i = 0; i < vcpus; i++) {
		const uint8_t lapic[] = { 0, 8, (uint8_t)i, (uint8_t)i };
		wr_copy(w, lapic, sizeof lapic);
		wr_le32(w, 1); /* enabled */
	}
	const uint8_t ioapic[] = { 1, 12, 0, 0 };
	wr_copy(w, ioapic, sizeof ioapic);
	wr_le32(w, 0xFEC00000);
	wr_le32(w, 0);
	const uint8_t nmi[] = { 4, 6, 0xFF, 0, 0, 1 };
	wr_copy(w, nmi, sizeof nmi);
	table_finish(w, at);
	return at;
}

static void rsdp_print(uint8_t *at, uint64_t xsdt)
{
	struct wr w = wr_of(at, RSDP_BYTES);

	wr_copy(&w, "RSD PTR ", 8);
	wr_u8(&w, 0);
	wr_copy(&w, "CASEMT", 6);
	wr_u8(&w, 2);
	wr_le32(&w, 0);
	wr_le32(&w, RSDP_BYTES);
	wr_le64(&w, xsdt);
	wr_zero(&w, 4);
	checksum_set(at, 20, 8);
	checksum_set(at, RSDP_BYTES, 32);
}

void boot_acpi_print(uint32_t vcpus, uint8_t ret[BOOT_ACPI_PAGES * PAGE_BYTES])
{
	struct wr w = wr_of(ret, BOOT_ACPI_PAGES * PAGE_BYTES);

	wr_zero(&w, RSDP_BYTES);
	size_t xsdt = table_begin(&w, "XSDT", 1);
	wr_zero(&w, 2 * 8);
	table_finish(&w, xsdt);
	size_t fadt = fadt_add(&w);
	size_t dsdt = dsdt_add(&w);
	size_t madt = madt_add(&w, vcpus);

	patch(ret, fadt + 140, BOOT_GPA_ACPI + dsdt, 8);
	checksum_set(ret + fadt, FADT_BYTES, 9);
	patch(ret, xsdt + ACPI_HEADER_BYTES, BOOT_GPA_ACPI + fadt, 8);
	patch(ret, xsdt + ACPI_HEADER_BYTES + 8, BOOT_GPA_ACPI + madt, 8);
	checksum_set(ret + xsdt, ACPI_HEADER_BYTES + 2 * 8, 9);
	rsdp_print(ret, BOOT_GPA_ACPI + xsdt);
	wr_pad_to(&w, BOOT_ACPI_PAGES * PAGE_BYTES);
	assert(wr_check(&w) == 0);
}

/* --- CPU state -------------------------------------------------------------------------------- */

void boot_vmsa_print(uint32_t vcpu, uint64_t sev_features, uint8_t ret[PAGE_BYTES])
{
	struct vmsa v = vmsa_reset(0xFFFFFFF0, sev_features);

	if (vcpu == 0) {
		const struct vmsa_seg flat = { 0x18, 0xC93, 0xFFFFFFFF, 0 };
		v.cs = (struct vmsa_seg){ 0x10, 0xC9B, 0xFFFFFFFF, 0 };
		v.es = v.ss = v.ds = v.fs = v.gs = flat;
		v.gdtr = (struct vmsa_seg){ 0, 0, 0x1F, BOOT_GPA_GDT };
		v.idtr = (struct vmsa_seg){ 0, 0, 0, 0 };
		v.cr0 = 0x11; /* PE, ET */
		v.rip = BOOT_GPA_KERNEL;
		v.rsi = BOOT_GPA_PARAMS;
	}
	vmsa_print(&v, ret);
}
