#include "vmm/monitor/mon_boot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"
#include "vmm/monitor/mon_acpi.h"

/* Offsets in the setup header (Linux Documentation/arch/x86/boot.rst). */
#define HDR_SETUP_SECTS     0x1f1u
#define HDR_BOOT_FLAG       0x1feu
#define HDR_JUMP_LEN        0x201u
#define HDR_MAGIC           0x202u
#define HDR_VERSION         0x206u
#define HDR_TYPE_OF_LOADER  0x210u
#define HDR_LOADFLAGS       0x211u
#define HDR_RAMDISK         0x218u
#define HDR_CMD_LINE_PTR    0x228u
#define HDR_INITRD_ADDR_MAX 0x22cu
#define HDR_RELOCATABLE     0x234u
#define HDR_SETUP_DATA      0x250u
#define HDR_PREF_ADDRESS    0x258u
#define HDR_INIT_SIZE       0x260u
#define HDR_END_MAX         0x290u /* boot_params continues with other things there */

/* Offsets in boot_params. */
#define BP_ACPI_RSDP    0x070u
#define BP_E820_ENTRIES 0x1e8u
#define BP_E820_TABLE   0x2d0u

#define SETUP_CC_BLOB   7u
#define CC_BLOB_MAGIC   0x45444d41u

enum { E820_RAM = 1, E820_RESERVED = 2 };

struct setup {
	uint8_t end_of_header; /* the byte at 0x201 */
	uint32_t initrd_addr_max;
	uint32_t init_size;
	size_t payload;
};

static uint32_t u32_at(const uint8_t *p, size_t at)
{
	struct rd r = rd_of(p + at, 4);

	return rd_le32(&r);
}

static void put_u32(uint8_t *p, size_t at, uint32_t v)
{
	struct wr w = wr_of(p + at, 4);

	wr_le32(&w, v);
}

static void put_u64(uint8_t *p, size_t at, uint64_t v)
{
	struct wr w = wr_of(p + at, 8);

	wr_le64(&w, v);
}

static MUST_USE int setup_parse(const struct boot *b, struct setup *ret, struct why *why)
{
	const uint8_t *k = b->kernel;

	if (b->kernel_len < 1024 || k[HDR_BOOT_FLAG] != 0x55 || k[HDR_BOOT_FLAG + 1] != 0xaa ||
		memcmp(k + HDR_MAGIC, "HdrS", 4) != 0)
		return why_set(why, -EBADMSG, "kernel: no bzImage setup header at byte 0x1f1");
	unsigned int version = u32_at(k, HDR_VERSION) & 0xffff;
	if (version < 0x20c)
		return why_set(why, -EPROTONOSUPPORT,
			"kernel: boot protocol %u.%u, want 2.12 or later", version >> 8,
			version & 255);
	if ((k[HDR_LOADFLAGS] & 1) == 0 || k[HDR_RELOCATABLE] == 0)
		return why_set(why, -EPROTONOSUPPORT, "kernel: not a relocatable bzImage");
	if (u32_at(k, HDR_PREF_ADDRESS) != BOOT_KERNEL_GPA || u32_at(k, HDR_PREF_ADDRESS + 4) != 0)
		return why_set(why, -EPROTONOSUPPORT,
			"kernel: preferred address 0x%x, want 0x1000000",
			u32_at(k, HDR_PREF_ADDRESS));
	unsigned int sects = k[HDR_SETUP_SECTS] != 0 ? k[HDR_SETUP_SECTS] : 4;
	size_t payload = ((size_t)sects + 1) * 512;
	if (payload >= b->kernel_len)
		return why_set(why, -EBADMSG,
			"kernel: truncated, %zu bytes end before the code at %zu", b->kernel_len,
			payload);
	/* syssize (in 16-byte units) tells how long the code should be: a cut file is caught here. */
	uint64_t want = (uint64_t)u32_at(k, 0x1f4) * 16;
	if (want > ((b->kernel_len - payload + 15) & ~(uint64_t)15))
		return why_set(why, -EBADMSG,
			"kernel: truncated, the header promises %llu bytes of code, the file has "
			"%zu",
			(unsigned long long)want, b->kernel_len - payload);
	*ret = (struct setup){
		.end_of_header = k[HDR_JUMP_LEN],
		.initrd_addr_max = u32_at(k, HDR_INITRD_ADDR_MAX),
		.init_size = u32_at(k, HDR_INIT_SIZE),
		.payload = payload,
	};
	return 0;
}

/* Where the ramdisk goes: as high as the kernel can reach, above the kernel. */
static MUST_USE int initrd_place(
	struct boot *b, const struct setup *s, uint64_t low, struct why *why)
{
	uint64_t kernel_end;

	if (num_align_up(&kernel_end, (uint64_t)BOOT_KERNEL_GPA + s->init_size, PAGE_BYTES) < 0 ||
		kernel_end > low || b->kernel_len - s->payload > low - BOOT_KERNEL_GPA)
		return why_set(why, -ERANGE,
			"kernel: needs memory up to %llu MiB, the guest has %llu MiB",
			((unsigned long long)BOOT_KERNEL_GPA + s->init_size) >> 20,
			(unsigned long long)low >> 20);
	b->initrd_gpa = 0;
	if (b->initrd_len == 0)
		return 0;
	uint64_t top = MIN(low, (uint64_t)s->initrd_addr_max + 1);
	if (b->initrd_len > top ||
		((top - b->initrd_len) & ~(uint64_t)(PAGE_BYTES - 1)) < kernel_end)
		return why_set(why, -ERANGE,
			"initrd: %zu bytes do not fit between the kernel's end at 0x%llx and "
			"0x%llx",
			b->initrd_len, (unsigned long long)kernel_end, (unsigned long long)top);
	b->initrd_gpa = (top - b->initrd_len) & ~(uint64_t)(PAGE_BYTES - 1);
	return 0;
}

static void e820_put(uint8_t *params, uint64_t start, uint64_t end, uint32_t type)
{
	struct wr w = wr_of(params + BP_E820_TABLE + 20u * params[BP_E820_ENTRIES]++, 20);

	wr_le64(&w, start);
	wr_le64(&w, end - start);
	wr_le32(&w, type);
}

static void params_build(
	struct boot *b, const struct boot_config *config, const struct setup *s, uint64_t low)
{
	uint8_t *p = b->params;
	size_t end = MIN((size_t)HDR_MAGIC + s->end_of_header, (size_t)HDR_END_MAX);

	put_u64(p, BP_ACPI_RSDP, ACPI_GPA);
	memcpy(p + HDR_SETUP_SECTS, b->kernel + HDR_SETUP_SECTS, end - HDR_SETUP_SECTS);
	p[HDR_TYPE_OF_LOADER] = 0xff;
	put_u32(p, HDR_RAMDISK, (uint32_t)b->initrd_gpa);
	put_u32(p, HDR_RAMDISK + 4, (uint32_t)b->initrd_len);
	put_u32(p, HDR_CMD_LINE_PTR, BOOT_CMDLINE_GPA);
	put_u64(p, HDR_SETUP_DATA, config->is_protected ? BOOT_CC_BLOB_GPA : 0);
	e820_put(p, 0, 0x7000, E820_RAM);
	e820_put(p, 0x7000, 0x10000, E820_RESERVED);
	e820_put(p, 0x10000, 0xa0000, E820_RAM);
	e820_put(p, 0xe0000, 0x100000, E820_RESERVED);
	e820_put(p, 0x100000, low, E820_RAM);
	if (config->memory_bytes > BOOT_HOLE_START)
		e820_put(p, BOOT_HIGH_GPA, BOOT_HIGH_GPA + (config->memory_bytes - BOOT_HOLE_START),
			E820_RAM);
}

static void gdt_build(uint8_t *page)
{
	put_u64(page, 0x10, 0x00cf9b000000ffff); /* flat 32-bit code */
	put_u64(page, 0x18, 0x00cf93000000ffff); /* flat data */
}

static void cc_blob_build(uint8_t *page)
{
	struct wr w = wr_of(page, PAGE_BYTES);

	wr_le64(&w, 0);
	wr_le32(&w, SETUP_CC_BLOB);
	wr_le32(&w, 4);
	wr_le32(&w, BOOT_CC_BLOB_GPA + 0x20);
	wr_pad_to(&w, 0x20);
	wr_le32(&w, CC_BLOB_MAGIC);
	wr_le16(&w, 1);
	wr_le16(&w, 0);
	wr_le64(&w, BOOT_SECRETS_GPA);
	wr_le32(&w, PAGE_BYTES);
	wr_le32(&w, 0);
	wr_le64(&w, BOOT_CPUID_GPA);
	wr_le32(&w, PAGE_BYTES);
	wr_le32(&w, 0);
}

int mon_boot_build(struct boot *b, const struct boot_config *config, struct why *why)
{
	struct setup s = { 0 };
	uint64_t low = MIN(config->memory_bytes, (uint64_t)BOOT_HOLE_START);
	size_t cmdline_len = strlen(config->cmdline);
	int err = setup_parse(b, &s, why);

	if (err == 0)
		err = initrd_place(b, &s, low, why);
	if (err < 0)
		return err;
	if (cmdline_len >= LIMIT_CMDLINE_BYTES)
		return why_set(
			why, -EMSGSIZE, "command line: %zu bytes, at most 2047", cmdline_len);
	b->payload = s.payload;
	params_build(b, config, &s, low);
	memcpy(b->cmdline, config->cmdline, cmdline_len);
	gdt_build(b->gdt);
	if (config->is_protected)
		cc_blob_build(b->cc_blob);
	mon_acpi_build(b->acpi, config->vcpus);
	return 0;
}

int mon_boot_init(struct boot *ret, const struct boot_config *config, const struct mon_file *kernel,
	const struct mon_file *initrd, struct why *why)
{
	*ret = (struct boot){ 0 };
	int err = mon_file_read(
		kernel, LIMIT_KERNEL_BYTES, "kernel", &ret->kernel, &ret->kernel_len, why);

	if (err == 0)
		err = mon_file_read(
			initrd, LIMIT_INITRD_BYTES, "initrd", &ret->initrd, &ret->initrd_len, why);
	if (err == 0)
		err = mon_boot_build(ret, config, why);
	if (err < 0)
		mon_boot_done(ret);
	return err;
}

void mon_boot_done(struct boot *b)
{
	if (b->kernel != NULL)
		(void)munmap(b->kernel, b->kernel_len);
	if (b->initrd != NULL)
		(void)munmap(b->initrd, b->initrd_len);
	b->kernel = NULL;
	b->initrd = NULL;
}

unsigned int mon_boot_list(const struct boot *b, struct boot_piece ret[BOOT_PIECES])
{
	const struct boot_piece pieces[BOOT_PIECES] = {
		{ "kernel", BOOT_KERNEL_GPA, b->kernel + b->payload, b->kernel_len - b->payload },
		{ "initrd", b->initrd_gpa, b->initrd, b->initrd_len },
		{ "boot parameters", BOOT_PARAMS_GPA, b->params, sizeof b->params },
		{ "command line", BOOT_CMDLINE_GPA, b->cmdline, sizeof b->cmdline },
		{ "GDT", BOOT_GDT_GPA, b->gdt, sizeof b->gdt },
		{ "confidential-computing blob", BOOT_CC_BLOB_GPA, b->cc_blob, sizeof b->cc_blob },
		{ "ACPI tables", ACPI_GPA, b->acpi, sizeof b->acpi },
	};

	memcpy(ret, pieces, sizeof pieces);
	return BOOT_PIECES;
}
