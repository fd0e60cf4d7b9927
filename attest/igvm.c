#include "attest/igvm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/le.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"

#define MAGIC            0x4d564749u /* "IGVM" */
#define FIXED_BYTES      24u
#define CHECKSUM_AT      20u
#define PLATFORM_SNP     2u
#define FLAG_2M          0x1u
#define FLAG_UNMEASURED  0x2u
#define HASHES_GPA       0x10c00ull /* where Cloud Hypervisor puts a kernel's hashes */
#define HASHES_BYTES     0x400u
#define KVM_RDX_AT_RESET 0x600u /* of a vCPU that had no CPUID yet */

enum header_type {
	HEADER_PLATFORM = 0x1,
	HEADER_GUEST_POLICY = 0x101,
	HEADER_RELOCATABLE = 0x102,
	HEADER_PAGE_TABLE = 0x103,
	HEADER_PARAMETER_AREA = 0x301,
	HEADER_PAGE_DATA = 0x302,
	HEADER_PARAMETER_INSERT = 0x303,
	HEADER_VP_CONTEXT = 0x304,
	HEADER_REQUIRED_MEMORY = 0x305,
	HEADER_VP_COUNT = 0x307,
	HEADER_ID_BLOCK = 0x30b,
	HEADER_MEMORY_MAP = 0x30c,
	HEADER_ERROR_RANGE = 0x30d,
	HEADER_COMMAND_LINE = 0x30e,
	HEADER_PPTT = 0x310,
	HEADER_DEVICE_TREE = 0x312,
	HEADER_OPTIONAL = 0x80000000,
};

enum data_type { DATA_NORMAL, DATA_SECRETS, DATA_CPUID };

/* One walk over a file's headers. */
struct walk {
	const uint8_t *file;
	size_t len;
	const struct ovmf_launch *launch;
	uint32_t mask; /* of the SNP platform */
	struct digest_snp snp;
	uint64_t area_bytes[LIMIT_IGVM_AREAS]; /* 0: no such area, or inserted already */
	const uint8_t *contexts[LIMIT_VCPUS];  /* VMSA pages of the file */
	bool has_hashes;                       /* the kernel's are in */
	struct why *why;
};

static void walk_auto(struct walk *w)
{
	digest_snp_done(&w->snp);
}

bool igvm_recognise(const uint8_t *file, size_t len)
{
	struct rd r = rd_of(file, len);

	return rd_le32(&r) == MAGIC;
}

/* CRC-32 (IEEE 802.3) over the headers, their checksum taken as zero. */
static uint32_t crc_of(const uint8_t *p, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= CHECKSUM_AT && i < CHECKSUM_AT + 4 ? 0 : p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* --- pages ------------------------------------------------------------------------------------ */

static MUST_USE int page_at(struct walk *w, uint32_t offset, const uint8_t **ret)
{
	if (offset > w->len || w->len - offset < PAGE_BYTES)
		return why_set(
			w->why, -EBADMSG, "IGVM: a page at byte %u is outside the file", offset);
	*ret = w->file + offset;
	return 0;
}

static MUST_USE int hashes_print(struct walk *w, uint8_t page[PAGE_BYTES])
{
	uint8_t *at = page + HASHES_GPA % PAGE_BYTES;

	memset(at, 0, HASHES_BYTES);
	w->has_hashes = true;
	return digest_kernel_hashes(w->launch, at);
}

static MUST_USE int page_measure(
	struct walk *w, enum snp_page_type type, uint64_t gpa, const uint8_t *page)
{
	int err = 0;

	(void)measured_add(w->launch->trace, "page", snp_page_type_name((uint8_t)type), gpa,
		type == SNP_PAGE_NORMAL ? page : NULL, PAGE_BYTES, &err);
	if (err < 0)
		return err;
	return type == SNP_PAGE_NORMAL ? digest_snp_add(&w->snp, type, gpa, page, PAGE_BYTES)
				       : digest_snp_add_empty(&w->snp, type, gpa, 1);
}

static MUST_USE int page_data(struct walk *w, struct rd *r)
{
	static const enum snp_page_type types[] = { SNP_PAGE_NORMAL, SNP_PAGE_SECRETS,
		SNP_PAGE_CPUID };
	const uint8_t *data = NULL;
	uint8_t page[PAGE_BYTES] = { 0 };
	uint64_t gpa = rd_le64(r);
	rd_skip(r, 4);
	uint32_t offset = rd_le32(r), flags = rd_le32(r), kind = rd_le16(r);

	if (rd_check(r) < 0 || gpa % PAGE_BYTES != 0 || kind > DATA_CPUID || (flags & FLAG_2M) != 0)
		return why_set(w->why, -EPROTONOSUPPORT,
			"IGVM: page data of kind %u, flags 0x%x: Cloud Hypervisor takes none", kind,
			flags);
	int err = offset != 0 ? page_at(w, offset, &data) : 0;
	if (err < 0)
		return err;
	if (data != NULL)
		memcpy(page, data, PAGE_BYTES);
	if (w->launch->kernel != NULL && kind != DATA_CPUID &&
		gpa == HASHES_GPA / PAGE_BYTES * PAGE_BYTES) {
		err = hashes_print(w, page);
		return err < 0 ? err : page_measure(w, SNP_PAGE_NORMAL, gpa, page);
	}
	enum snp_page_type type = types[kind];
	if (kind == DATA_NORMAL && (flags & FLAG_UNMEASURED) != 0)
		type = SNP_PAGE_UNMEASURED;
	else if (kind == DATA_NORMAL && data == NULL)
		type = SNP_PAGE_ZERO;
	return page_measure(w, type, gpa, page);
}

static MUST_USE int area_define(struct walk *w, struct rd *r)
{
	uint64_t bytes = rd_le64(r);
	uint32_t index = rd_le32(r);

	if (rd_check(r) < 0 || index >= LIMIT_IGVM_AREAS || bytes == 0 || bytes % PAGE_BYTES != 0 ||
		bytes > (uint64_t)LIMIT_FIRMWARE_PAGES * PAGE_BYTES || w->area_bytes[index] != 0)
		return why_set(w->why, -EBADMSG, "IGVM: parameter area %u makes no sense", index);
	w->area_bytes[index] = bytes;
	return 0;
}

static MUST_USE int area_insert(struct walk *w, struct rd *r)
{
	uint64_t gpa = rd_le64(r);
	rd_skip(r, 4);
	uint32_t index = rd_le32(r);
	int err = 0;

	if (rd_check(r) < 0 || gpa % PAGE_BYTES != 0 || index >= LIMIT_IGVM_AREAS ||
		w->area_bytes[index] == 0)
		return why_set(w->why, -EBADMSG, "IGVM: parameter area %u is not there", index);
	uint64_t bytes = w->area_bytes[index];
	if (w->launch->kernel != NULL && gpa <= HASHES_GPA && HASHES_GPA - gpa < bytes)
		return why_set(w->why, -EPROTONOSUPPORT,
			"IGVM: a parameter area lies where the kernel's hashes go");
	(void)measured_add(w->launch->trace, "parameters", "unmeasured", gpa, NULL, bytes, &err);
	w->area_bytes[index] = 0;
	return err < 0 ? err
		       : digest_snp_add_empty(
				 &w->snp, SNP_PAGE_UNMEASURED, gpa, bytes / PAGE_BYTES);
}

static MUST_USE int context_take(struct walk *w, struct rd *r)
{
	rd_skip(r, 12);
	uint32_t offset = rd_le32(r), index = rd_le16(r);

	if (rd_check(r) < 0 || (index < LIMIT_VCPUS && w->contexts[index] != NULL))
		return why_set(w->why, -EBADMSG, "IGVM: vCPU %u has no context, or two", index);
	/* Others are of vCPUs that this guest does not have. */
	return index < LIMIT_VCPUS ? page_at(w, offset, &w->contexts[index]) : 0;
}

/* --- headers ---------------------------------------------------------------------------------- */

static MUST_USE int platform_take(struct walk *w, struct rd *r)
{
	uint32_t mask = rd_le32(r);
	rd_skip(r, 1);
	uint8_t type = rd_u8(r);

	if (rd_check(r) == 0 && type == PLATFORM_SNP)
		w->mask = mask;
	return rd_check(r);
}

static MUST_USE int header_take(struct walk *w, uint32_t type, struct rd *r)
{
	/* Directives with a mask of platforms in bytes 8 to 11; others are for all. */
	bool has_mask = type == HEADER_PAGE_DATA || type == HEADER_PARAMETER_INSERT ||
			type == HEADER_VP_CONTEXT;
	struct rd peek = *r;

	rd_skip(&peek, 8);
	uint32_t mask = has_mask ? rd_le32(&peek) : w->mask;
	if (type != HEADER_PLATFORM && w->mask == 0)
		return why_set(w->why, -EPROTONOSUPPORT, "IGVM: the file is not for SEV-SNP");
	if (type != HEADER_PLATFORM && (mask & w->mask) == 0)
		return 0;
	switch (type) {
	case HEADER_PLATFORM:
		return platform_take(w, r);
	case HEADER_PAGE_DATA:
		return page_data(w, r);
	case HEADER_PARAMETER_AREA:
		return area_define(w, r);
	case HEADER_PARAMETER_INSERT:
		return area_insert(w, r);
	case HEADER_VP_CONTEXT:
		return context_take(w, r);
	default:
		break;
	}
	/* What fills parameter areas, or says what is needed: nothing of it is measured. */
	bool is_known = (type >= HEADER_GUEST_POLICY && type <= HEADER_PAGE_TABLE) ||
			type == HEADER_REQUIRED_MEMORY ||
			(type >= HEADER_VP_COUNT && type <= HEADER_DEVICE_TREE &&
				type != HEADER_ERROR_RANGE && type != 0x311);
	if (is_known || (type & HEADER_OPTIONAL) != 0)
		return 0;
	return why_set(
		w->why, -EPROTONOSUPPORT, "IGVM: a header of type 0x%x is not known here", type);
}

static MUST_USE int headers_walk(struct walk *w)
{
	struct rd r = rd_of(w->file, w->len);

	rd_skip(&r, 4);
	uint32_t version = rd_le32(&r), at = rd_le32(&r), size = rd_le32(&r), total = rd_le32(&r);
	uint32_t crc = rd_le32(&r);
	if (rd_check(&r) < 0 || at < FIXED_BYTES || at > w->len || size > w->len - at ||
		total > w->len)
		return why_set(w->why, -EBADMSG, "IGVM: the header points outside the file");
	if (version != 1 && version != 2)
		return why_set(w->why, -EPROTONOSUPPORT, "IGVM: version %u, want 1 or 2", version);
	if (crc_of(w->file, (size_t)at + size) != crc)
		return why_set(w->why, -EBADMSG, "IGVM: the headers' checksum is wrong");
	r = rd_of(w->file + at, size);
	while (r.left > 0) {
		uint32_t type = rd_le32(&r), len = rd_le32(&r);
		struct rd payload = rd_sub(&r, len);
		rd_skip(&r, (8 - len % 8) % 8);
		if (rd_check(&r) < 0)
			return why_set(w->why, -EBADMSG, "IGVM: a header is cut off");
		int err = header_take(w, type, &payload);
		if (err < 0)
			return why_set(w->why, err, "IGVM: a header is too short");
	}
	return 0;
}

/* --- vCPUs ------------------------------------------------------------------------------------ */

/* Where KVM puts what Cloud Hypervisor takes over from a context, 8 bytes each (ABI 2.9). */
static const uint16_t taken[] = { 0x150, 0x158, 0x170, 0x178, 0x1d8, 0x1f8, 0x308, 0x310, 0x318,
	0x328, 0x330, 0x338, 0x340, 0x348, 0x350, 0x358, 0x360, 0x368, 0x370, 0x378 };
#define AT_GDTR       0x60u
#define AT_LDTR       0x70u
#define AT_IDTR       0x80u
#define AT_TR         0x90u
#define AT_EFER       0xd0u
#define AT_CR4        0x148u
#define AT_CR0        0x158u

#define EFER_SVME     0x1000u
#define CR4_MCE       0x40u
#define CR0_CD_NW     0x60000000u
#define SEG_BYTES     16u
#define SEG_ATTRIBUTE 0xfffu

static uint64_t get64(const uint8_t *p)
{
	le64 v;

	memcpy(&v, p, sizeof v);
	return le64_get(v);
}

static void put64(uint8_t *p, uint64_t v)
{
	le64 x = le64_of(v);

	memcpy(p, &x, sizeof x);
}

static void segment_take(uint8_t *ret, const uint8_t *from)
{
	memcpy(ret, from, SEG_BYTES);
	ret[3] = (uint8_t)(ret[3] & SEG_ATTRIBUTE >> 8);
}

/* Base and 16 bits of limit; KVM knows no more of these two. */
static void table_take(uint8_t *ret, const uint8_t *from)
{
	memset(ret, 0, SEG_BYTES);
	memcpy(ret + 4, from + 4, 2);
	memcpy(ret + 8, from + 8, 8);
}

static void context_print(const uint8_t *from, uint64_t features, uint8_t page[PAGE_BYTES])
{
	struct vmsa reset = vmsa_reset(0xfffffff0u, features);

	vmsa_print(&reset, page);
	for (size_t at = 0; at < AT_GDTR; at += SEG_BYTES)
		segment_take(page + at, from + at);
	table_take(page + AT_GDTR, from + AT_GDTR);
	segment_take(page + AT_LDTR, from + AT_LDTR);
	table_take(page + AT_IDTR, from + AT_IDTR);
	segment_take(page + AT_TR, from + AT_TR);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		memcpy(page + taken[i], from + taken[i], 8);
	put64(page + AT_EFER, get64(from + AT_EFER) | EFER_SVME);
	put64(page + AT_CR4, get64(from + AT_CR4) | CR4_MCE);
	put64(page + AT_CR0, get64(from + AT_CR0) & ~(uint64_t)CR0_CD_NW);
}

/* A vCPU that nobody set up, as KVM makes it before it has CPUID (ABI 2.9). */
static void native_print(uint64_t features, uint8_t page[PAGE_BYTES])
{
	struct vmsa v = vmsa_reset(0xfffffff0u, features);

	v.cs.attrib = 0x9a;
	v.es.attrib = v.ss.attrib = v.ds.attrib = v.fs.attrib = v.gs.attrib = 0x92;
	v.tr.attrib = 0x83;
	v.rdx = KVM_RDX_AT_RESET;
	vmsa_print(&v, page);
}

#define AT_FEATURES 0x3b0u
#define FEATURE_SNP 1ull

static MUST_USE int vcpus_measure(struct walk *w)
{
	uint64_t features =
		(w->contexts[0] != NULL ? get64(w->contexts[0] + AT_FEATURES) : 0) | FEATURE_SNP;
	uint8_t page[PAGE_BYTES];
	int err = 0;

	for (uint32_t i = 0; i < w->launch->vcpus && err == 0; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "vmsa%u", i);
		if (i < LIMIT_VCPUS && w->contexts[i] != NULL)
			context_print(w->contexts[i], features, page);
		else
			native_print(features, page);
		if (i < LIMIT_VCPUS)
			(void)measured_add(w->launch->trace, name, "vmsa", SNP_VMSA_GPA, page,
				sizeof page, &err);
		if (err == 0)
			err = digest_snp_add(
				&w->snp, SNP_PAGE_VMSA, SNP_VMSA_GPA, page, sizeof page);
	}
	return err;
}

int igvm_digest(const uint8_t *file, size_t len, const struct ovmf_launch *l,
	uint8_t ret[SHA384_BYTES], struct why *why)
{
	AUTO(walk) struct walk w = { .file = file, .len = len, .launch = l, .why = why };
	uint8_t page[PAGE_BYTES] = { 0 };

	if (l->vmm != VMM_CLOUD_HYPERVISOR)
		return why_set(why, -EOPNOTSUPP,
			"an IGVM file is measured as cloud-hypervisor launches it; %s does not",
			digest_vmm_name(l->vmm));
	if (len > LIMIT_FIRMWARE_BYTES)
		return why_set(why, -EMSGSIZE, "the file has %zu bytes, at most %u", len,
			LIMIT_FIRMWARE_BYTES);
	if (l->vcpus == 0 || l->vcpus > LIMIT_DIGEST_VCPUS)
		return why_set(
			why, -ERANGE, "%u vCPUs, want 1 to %u", l->vcpus, LIMIT_DIGEST_VCPUS);
	int err = digest_snp_init(&w.snp);
	if (err == 0)
		err = headers_walk(&w);
	if (err == 0 && l->kernel != NULL && !w.has_hashes) {
		err = hashes_print(&w, page);
		if (err == 0)
			err = page_measure(
				&w, SNP_PAGE_NORMAL, HASHES_GPA / PAGE_BYTES * PAGE_BYTES, page);
	}
	if (err == 0)
		err = vcpus_measure(&w);
	if (err < 0)
		return why_set(why, err, "the digest cannot be computed");
	memcpy(ret, w.snp.ld, SHA384_BYTES);
	return 0;
}
