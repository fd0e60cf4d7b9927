#include "vmm/monitor/mon_fwimage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/sha256.h"
#include "base/wr.h"
#include "vmm/monitor/mon_hob.h"

#define END_GPA        (1ull << 32)
#define GUID_BYTES     16u
#define TAIL_BYTES     32u /* of the image, behind the table */
#define ENTRY_OVERHEAD (2u + GUID_BYTES)

/* --- the table of GUIDs (ABI 2.13) ------------------------------------------------------------- */

/* As they stand on disk: the first three fields little-endian. */
static const uint8_t footer_guid[GUID_BYTES] = "\xde\x82\xb5\x96\xb2\x1f\xf7\x45"
					       "\xba\xea\xa3\x66\xc5\x5a\x08\x2d";

/* What we look for, and how many bytes of data it has at least. */
enum entry {
	ENTRY_AP_RESET,
	ENTRY_SECRET,
	ENTRY_HASHES,
	ENTRY_SEV,
	ENTRY_TDVF,
	ENTRY_SVSM, /* only that it makes sense: no SVSM is started here */
	ENTRY_COUNT
};

static const struct {
	uint8_t guid[GUID_BYTES];
	size_t bytes;
} entries[ENTRY_COUNT] = {
	[ENTRY_AP_RESET] = { "\xde\x71\xf7\x00\x7e\x1a\xcb\x4f\x89\x0e\x68\xc7\x7e\x2f\xb4\x4e",
		4 },
	[ENTRY_SECRET] = { "\x61\xb3\x2e\x4c\x9b\x7d\xc3\x4c\x80\x81\x12\x7c\x90\xd3\xd2\x94", 8 },
	[ENTRY_HASHES] = { "\x1f\x37\x55\x72\x3b\x3a\x04\x4b\x92\x7b\x1d\xa6\xef\xa8\xd4\x54", 8 },
	[ENTRY_SEV] = { "\x66\x65\x88\xdc\x4a\x98\x98\x47\xa7\x5e\x55\x85\xa7\xbf\x67\xcc", 4 },
	[ENTRY_TDVF] = { "\x35\x65\x7a\xe4\x4a\x98\x98\x47\x86\x5e\x46\x85\xa7\xbf\x8e\xc2", 4 },
	[ENTRY_SVSM] = { "\x12\xa6\x89\xa7\x97\x05\x4b\x4c\xa4\x9f\xcb\xb1\xfe\x9d\x1d\xdd", 4 },
};

/* Data of one entry; at NULL: the image has none such. */
struct found {
	const uint8_t *at;
	size_t len;
};

static MUST_USE int entry_note(
	struct found found[ENTRY_COUNT], const uint8_t *guid, const uint8_t *at, size_t len)
{
	for (unsigned int i = 0; i < ENTRY_COUNT; i++) {
		if (memcmp(guid, entries[i].guid, GUID_BYTES) != 0)
			continue;
		if (found[i].at != NULL || len < entries[i].bytes)
			return -EBADMSG; /* twice, or cut */
		found[i] = (struct found){ at, len };
	}
	return 0;
}

/* From the footer towards the image's beginning: every entry ends in its length and its GUID. */
static MUST_USE int table_walk(
	const struct fwimage *f, struct found found[ENTRY_COUNT], struct why *why)
{
	size_t at = f->size - TAIL_BYTES; /* where the next entry ends */
	size_t end = at;
	size_t left = ENTRY_OVERHEAD;
	bool is_footer = true;

	if (memcmp(f->map + at - GUID_BYTES, footer_guid, GUID_BYTES) != 0)
		return 0; /* an image without a table */
	while (left >= ENTRY_OVERHEAD) {
		struct rd r = rd_of(f->map + at - ENTRY_OVERHEAD, 2);
		size_t len = rd_le16(&r);
		if (is_footer) { /* its length is the whole table's */
			if (len < ENTRY_OVERHEAD || len > end)
				return why_set(why, -EBADMSG,
					"firmware: a table of %zu bytes at its end", len);
			left = len;
			len = ENTRY_OVERHEAD;
		}
		if (len < ENTRY_OVERHEAD || len > left)
			return why_set(why, -EBADMSG,
				"firmware: table entry of %zu bytes, %zu are left", len, left);
		if (!is_footer && entry_note(found, f->map + at - GUID_BYTES, f->map + at - len,
					  len - ENTRY_OVERHEAD) < 0)
			return why_set(
				why, -EBADMSG, "firmware: a table entry is cut, or there twice");
		is_footer = false;
		at -= len;
		left -= len;
	}
	return left == 0 ? 0 : why_set(why, -EBADMSG, "firmware: %zu odd bytes in its table", left);
}

/* --- sections ---------------------------------------------------------------------------------- */

/* The rest of the image from `back` bytes before its end. */
static struct rd from_end(const struct fwimage *f, uint32_t back)
{
	return back <= f->size ? rd_of(f->map + (f->size - back), back) : rd_of(NULL, 0);
}

static int section_refuse(const struct fwimage *f, const struct fwimage_section *s, struct why *why)
{
	return why_set(why, -EBADMSG,
		"firmware: section %u is 0x%llx bytes at 0x%llx: no whole pages", f->n_sections,
		(unsigned long long)s->size, (unsigned long long)s->gpa);
}

/* Whole pages below 2^52, and not more of them than anybody needs. */
static MUST_USE int section_add(
	struct fwimage *f, const struct fwimage_section *s, uint64_t *pages, struct why *why)
{
	if (s->size == 0 || !num_is_aligned(s->gpa | s->size, PAGE_BYTES) ||
		!num_fits(s->gpa, s->size, 1ull << 52))
		return section_refuse(f, s, why);
	*pages += s->size / PAGE_BYTES;
	if (f->n_sections == ARRAY_LEN(f->sections) || *pages > LIMIT_FIRMWARE_PAGES)
		return why_set(why, -EMSGSIZE,
			"firmware: more than %u sections or %u pages of memory",
			LIMIT_FIRMWARE_SECTIONS, LIMIT_FIRMWARE_PAGES);
	f->sections[f->n_sections++] = *s;
	return 0;
}

/* SEV metadata. ABI 2.13. */
enum { SEV_SEC_MEM = 1, SEV_SECRETS = 2, SEV_CPUID = 3, SEV_SVSM_CAA = 4, SEV_HASHES = 0x10 };

#define SEV_SIGNATURE    0x56455341u /* "ASEV" */
#define SEV_HEADER_BYTES 16u
#define SEV_ENTRY_BYTES  12u

static MUST_USE int sev_section_check(
	const struct fwimage *f, const struct fwimage_section *s, struct why *why)
{
	switch (s->type) {
	case SEV_SEC_MEM:
	case SEV_SVSM_CAA:
		if (num_fits(s->gpa, s->size, END_GPA))
			return 0;
		return section_refuse(f, s, why);
	case SEV_SECRETS:
	case SEV_CPUID:
	case SEV_HASHES:
		if (s->size == PAGE_BYTES)
			return 0;
		return why_set(why, -EBADMSG,
			"firmware: SEV section of type %u is 0x%llx bytes, want one page", s->type,
			(unsigned long long)s->size);
	default:
		return why_set(why, -EPROTONOSUPPORT, "firmware: SEV section of unknown type 0x%x",
			s->type);
	}
}

static MUST_USE int sev_parse(struct fwimage *f, uint32_t back, struct why *why)
{
	struct rd r = from_end(f, back);
	uint32_t signature = rd_le32(&r);
	uint32_t bytes = rd_le32(&r);
	uint32_t version = rd_le32(&r);
	uint32_t n = rd_le32(&r);
	uint64_t pages = 0;
	int err = 0;

	if (rd_check(&r) < 0 || signature != SEV_SIGNATURE)
		return why_set(why, -EBADMSG, "firmware: no SEV metadata where it says");
	if (version != 1)
		return why_set(why, -EPROTONOSUPPORT,
			"firmware: SEV metadata of version %u, want 1", version);
	if (n > LIMIT_FIRMWARE_SECTIONS || bytes < SEV_HEADER_BYTES + n * SEV_ENTRY_BYTES)
		return why_set(why, -EBADMSG, "firmware: %u SEV sections in %u bytes", n, bytes);
	for (uint32_t i = 0; err == 0 && i < n; i++) {
		struct fwimage_section s = { 0 };
		s.gpa = rd_le32(&r);
		s.size = rd_le32(&r);
		s.type = rd_le32(&r);
		if (rd_check(&r) < 0)
			return why_set(why, -EBADMSG, "firmware: SEV metadata are cut");
		if (s.size == 0 && (s.type == SEV_SEC_MEM || s.type == SEV_SVSM_CAA))
			continue; /* what a build does not have (Debian's for TDX: an SVSM) */
		err = sev_section_check(f, &s, why);
		if (err == 0)
			err = section_add(f, &s, &pages, why);
	}
	return err;
}

/* TDVF descriptor. ABI 4.8: what QEMU takes. */
enum { TDVF_BFV, TDVF_CFV, TDVF_HOB, TDVF_TEMP_MEM };

#define TDVF_SIGNATURE    0x46564454u /* "TDVF" */
#define TDVF_HEADER_BYTES 16u
#define TDVF_ENTRY_BYTES  32u
#define TDVF_ATTR_MEASURE 0x1u
#define TDVF_ATTRS_KNOWN  0x1u /* PAGE.AUG is for types that we do not take */

static MUST_USE int tdvf_section_check(
	struct fwimage *f, const struct fwimage_section *s, uint32_t attributes, struct why *why)
{
	bool has_contents = s->type == TDVF_BFV || s->type == TDVF_CFV;

	if (s->type > TDVF_TEMP_MEM || (attributes & ~TDVF_ATTRS_KNOWN) != 0)
		return why_set(why, -EPROTONOSUPPORT,
			"firmware: TDVF section of type %u, attributes 0x%x", s->type, attributes);
	if ((s->raw_size > 0) != has_contents || s->raw_size > s->size ||
		!num_fits(s->offset, s->raw_size, f->size))
		return why_set(why, -EBADMSG,
			"firmware: TDVF section of type %u has 0x%x bytes at 0x%x of the image for "
			"0x%llx bytes of memory",
			s->type, s->raw_size, s->offset, (unsigned long long)s->size);
	if (s->type != TDVF_HOB)
		return 0;
	if (f->hob_gpa != 0 || s->gpa == 0)
		return why_set(why, -EBADMSG, "firmware: two TD HOB sections, or one at 0");
	f->hob_gpa = s->gpa;
	return 0;
}

static MUST_USE int tdvf_parse(struct fwimage *f, uint32_t back, struct why *why)
{
	struct rd r = from_end(f, back);
	uint32_t signature = rd_le32(&r);
	uint32_t bytes = rd_le32(&r);
	uint32_t version = rd_le32(&r);
	uint32_t n = rd_le32(&r);
	uint64_t pages = 0;
	int err = 0;

	if (rd_check(&r) < 0 || signature != TDVF_SIGNATURE)
		return why_set(why, -EBADMSG, "firmware: no TDVF descriptor where it says");
	if (version != 1)
		return why_set(why, -EPROTONOSUPPORT,
			"firmware: TDVF descriptor of version %u, want 1", version);
	if (n < 2 || n > LIMIT_FIRMWARE_SECTIONS ||
		bytes != TDVF_HEADER_BYTES + n * TDVF_ENTRY_BYTES)
		return why_set(why, -EBADMSG, "firmware: %u TDVF sections in %u bytes", n, bytes);
	for (uint32_t i = 0; err == 0 && i < n; i++) {
		struct fwimage_section s = { 0 };
		s.offset = rd_le32(&r);
		s.raw_size = rd_le32(&r);
		s.gpa = rd_le64(&r);
		s.size = rd_le64(&r);
		s.type = rd_le32(&r);
		uint32_t attributes = rd_le32(&r);
		s.is_measured = (attributes & TDVF_ATTR_MEASURE) != 0;
		if (rd_check(&r) < 0)
			return why_set(why, -EBADMSG, "firmware: the TDVF descriptor is cut");
		err = tdvf_section_check(f, &s, attributes, why);
		if (err == 0)
			err = section_add(f, &s, &pages, why);
	}
	if (err == 0 && f->hob_gpa == 0)
		return why_set(why, -EBADMSG, "firmware: no TD HOB section");
	return err;
}

/* --- the image --------------------------------------------------------------------------------- */

static uint32_t found_u32(const struct found *found, size_t at)
{
	struct rd r = rd_of(found->at, found->len);

	rd_skip(&r, at);
	return rd_le32(&r);
}

/* Has the image what guests of this kind cannot do without? */
static MUST_USE int kind_check(const struct fwimage *f, enum guest_kind kind, struct why *why)
{
	if (kind == GUEST_TDX && !f->has_tdvf)
		return why_set(why, -EOPNOTSUPP,
			"this firmware has no TDVF descriptor: it is not built for TDX");
	if (kind == GUEST_SNP && !f->has_sev)
		return why_set(why, -EOPNOTSUPP,
			"this firmware has no SEV metadata: it is not built for SEV-SNP");
	if ((kind == GUEST_SNP || kind == GUEST_SEV_ES) && !f->has_ap_reset)
		return why_set(why, -EOPNOTSUPP,
			"this firmware does not say where vCPUs start: it is not built for "
			"encrypted registers");
	return 0;
}

int mon_fwimage_parse(struct fwimage *f, enum guest_kind kind, struct why *why)
{
	struct found found[ENTRY_COUNT] = { 0 };
	int err = table_walk(f, found, why);

	if (err < 0)
		return err;
	f->has_ap_reset = found[ENTRY_AP_RESET].at != NULL;
	f->ap_reset = found_u32(&found[ENTRY_AP_RESET], 0);
	f->secret_gpa = found_u32(&found[ENTRY_SECRET], 0);
	f->secret_size = found_u32(&found[ENTRY_SECRET], 4);
	f->has_secret = f->secret_gpa != 0; /* OVMF builds without have zeros */
	f->hashes_gpa = found_u32(&found[ENTRY_HASHES], 0);
	f->hashes_size = found_u32(&found[ENTRY_HASHES], 4);
	f->has_hashes = f->hashes_gpa != 0;
	f->has_sev = found[ENTRY_SEV].at != NULL;
	f->has_tdvf = found[ENTRY_TDVF].at != NULL;
	err = kind_check(f, kind, why);
	/* For every kind of guest: an image that contradicts itself is refused, as by who predicts. */
	if (err == 0 && f->has_sev)
		err = sev_parse(f, found_u32(&found[ENTRY_SEV], 0), why);
	if (kind != GUEST_SNP)
		f->n_sections = 0;
	if (err == 0 && kind == GUEST_TDX)
		err = tdvf_parse(f, found_u32(&found[ENTRY_TDVF], 0), why);
	return err;
}

/*
 * Shared memory of its own, not of the RAM that device processes hold: KVM gives the shared view of a
 * page back to the host when the guest makes the page private. Without a descriptor: the sandbox lets
 * no file grow (RLIMIT_FSIZE), a memfd neither.
 */
static MUST_USE int image_read(struct fwimage *f, int fd, size_t size, struct why *why)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return why_set(why, -errno, "firmware: no memory for %zu bytes", size);
	*f = (struct fwimage){ .map = map, .size = size, .gpa = END_GPA - size };
	int err = fd_pread_all(fd, map, size, 0);
	return err < 0 ? why_set(why, err, "firmware: cannot be read: %s", strerrordesc_np(-err))
		       : 0;
}

int mon_fwimage_open(
	struct fwimage *ret, const struct mon_file *file, enum guest_kind kind, struct why *why)
{
	struct stat st;

	*ret = (struct fwimage){ 0 };
	if (fstat(file->fd, &st) < 0)
		return why_set(why, -errno, "firmware: cannot be examined");
	if (st.st_size == 0)
		return mon_file_check(file, "firmware", "", 0, why);
	if (st.st_size < 0 || st.st_size > LIMIT_FIRMWARE_BYTES)
		return why_set(why, -EMSGSIZE, "firmware: %lld bytes, at most %u",
			(long long)st.st_size, LIMIT_FIRMWARE_BYTES);
	if (!num_is_aligned((uint64_t)st.st_size, PAGE_BYTES))
		return why_set(why, -EBADMSG, "firmware: %lld bytes are no whole pages",
			(long long)st.st_size);
	int err = image_read(ret, file->fd, (size_t)st.st_size, why);
	if (err == 0)
		err = mon_file_check(file, "firmware", ret->map, ret->size, why);
	if (err == 0)
		err = mon_fwimage_parse(ret, kind, why);
	if (err < 0)
		mon_fwimage_close(ret);
	return err;
}

void mon_fwimage_close(struct fwimage *f)
{
	if (f->map != NULL)
		(void)munmap(f->map, f->size);
	free(f->hob);
	f->map = f->hob = NULL;
}

/* --- the kernel's hashes (ABI 2.13) ------------------------------------------------------------- */

#define HASHES_TABLE_BYTES 168u
#define HASHES_ENTRY_BYTES 50u

void mon_fwimage_hash(const struct fwimage_boot *boot, uint8_t ret[FWIMAGE_HASHES_BYTES])
{
	static const uint8_t table_guid[GUID_BYTES] = "\x06\xd6\x38\x94\x22\x4f\xc9\x4c"
						      "\xb4\x79\xa7\x93\xd4\x11\xfd\x21";
	const struct {
		uint8_t guid[GUID_BYTES];
		const void *bytes;
		size_t len;
	} parts[] = {
		{ "\xd8\x2d\xd0\x97\x20\xbd\x94\x4c\xaa\x78\xe7\x71\x4d\x36\xab\x2a", boot->cmdline,
			strlen(boot->cmdline) + 1 }, /* with its zero */
		{ "\x31\xf7\xba\x44\x2f\x3a\xd7\x4b\x9a\xf1\x41\xe2\x91\x69\x78\x1d", boot->initrd,
			boot->initrd_len },
		{ "\x37\x94\xe7\x4d\xd2\xab\x7f\x42\xb8\x35\xd5\xb1\x72\xd2\x04\x5b", boot->kernel,
			boot->kernel_len },
	};
	struct wr w = wr_of(ret, FWIMAGE_HASHES_BYTES);

	wr_copy(&w, table_guid, sizeof table_guid);
	wr_le16(&w, HASHES_TABLE_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint8_t hash[SHA256_BYTES];
		sha256(parts[i].bytes, parts[i].len, hash);
		wr_copy(&w, parts[i].guid, GUID_BYTES);
		wr_le16(&w, HASHES_ENTRY_BYTES);
		wr_copy(&w, hash, sizeof hash);
	}
	wr_pad_to(&w, FWIMAGE_HASHES_BYTES);
}

/* Without a measured hash the firmware would start whatever the host gives it. */
static MUST_USE int hashes_check(
	const struct fwimage *f, const struct fwimage_boot *boot, struct why *why)
{
	if (boot->kernel == NULL)
		return 0;
	if (!f->has_hashes || f->hashes_size < FWIMAGE_HASHES_BYTES)
		return why_set(why, -EOPNOTSUPP,
			"this firmware has no place for a kernel's hashes and would start any: "
			"boot "
			"a disk, or use a build for AMD SEV (OvmfPkg/AmdSev)");
	return 0;
}

/* --- the list ----------------------------------------------------------------------------------- */

struct list {
	struct fwimage_piece *at;
	unsigned int n;
};

static struct fwimage_piece *list_next(struct list *l)
{
	return &l->at[l->n++];
}

static void image_list(const struct fwimage *f, struct list *l)
{
	*list_next(l) =
		(struct fwimage_piece){ "firmware", f->gpa, f->map, f->size, f->size, PAGE_NORMAL };
}

static MUST_USE int sev_list(
	struct fwimage *f, const struct fwimage_boot *boot, struct list *l, struct why *why)
{
	int err = hashes_check(f, boot, why);

	if (err < 0)
		return err;
	image_list(f, l);
	if (boot->kernel == NULL)
		return 0;
	mon_fwimage_hash(boot, f->hashes);
	*list_next(l) = (struct fwimage_piece){ "kernel hashes", f->hashes_gpa, f->hashes,
		FWIMAGE_HASHES_BYTES, FWIMAGE_HASHES_BYTES, PAGE_NORMAL };
	return 0;
}

/* The section's page with the table where the firmware looks for it. */
static MUST_USE int snp_hashes_list(struct fwimage *f, const struct fwimage_boot *boot,
	struct fwimage_piece *p, struct why *why)
{
	uint64_t at = f->hashes_gpa - p->gpa;

	if (f->hashes_gpa < p->gpa || !num_fits(at, FWIMAGE_HASHES_BYTES, PAGE_BYTES))
		return why_set(why, -EBADMSG,
			"firmware: the kernel's hashes at 0x%x are not in their section's page",
			f->hashes_gpa);
	memset(f->hashes, 0, sizeof f->hashes);
	mon_fwimage_hash(boot, f->hashes + at);
	p->type = PAGE_NORMAL;
	p->bytes = f->hashes;
	p->len = sizeof f->hashes;
	return 0;
}

static MUST_USE int snp_list(
	struct fwimage *f, const struct fwimage_boot *boot, struct list *l, struct why *why)
{
	static const struct {
		const char *name;
		enum page_type type;
	} types[] = {
		[SEV_SEC_MEM] = { "firmware's memory", PAGE_ZERO },
		[SEV_SECRETS] = { "secrets page", PAGE_SECRETS },
		[SEV_CPUID] = { "CPUID page", PAGE_CPUID },
		[SEV_SVSM_CAA] = { "SVSM calling area", PAGE_ZERO },
		[SEV_HASHES] = { "kernel hashes", PAGE_ZERO },
	};
	bool has_hashes = false;
	int err = hashes_check(f, boot, why);

	image_list(f, l);
	for (unsigned int i = 0; err == 0 && i < f->n_sections; i++) {
		const struct fwimage_section *s = &f->sections[i];
		struct fwimage_piece *p = list_next(l);
		*p = (struct fwimage_piece){ types[s->type].name, s->gpa, NULL, 0, s->size,
			types[s->type].type };
		if (s->type != SEV_HASHES)
			continue;
		has_hashes = true;
		if (boot->kernel != NULL)
			err = snp_hashes_list(f, boot, p, why);
	}
	if (err == 0 && boot->kernel != NULL && !has_hashes)
		err = why_set(why, -EOPNOTSUPP,
			"this firmware's SEV metadata have no section for a kernel's hashes");
	return err;
}

static MUST_USE int hob_list(struct fwimage *f, const struct fwimage_section *s,
	const struct mon_memory *memory, struct fwimage_piece *p, struct why *why)
{
	struct hob_range added[LIMIT_FIRMWARE_SECTIONS];
	unsigned int n = 0;

	for (unsigned int i = 0; i < f->n_sections; i++)
		if (f->sections[i].type == TDVF_HOB || f->sections[i].type == TDVF_TEMP_MEM)
			added[n++] = (struct hob_range){ f->sections[i].gpa, f->sections[i].size };
	free(f->hob);
	f->hob = calloc(1, s->size);
	if (f->hob == NULL)
		return why_set(why, -ENOMEM, "no memory for the TD HOB");
	p->bytes = f->hob;
	p->len = s->size;
	p->type = s->is_measured ? PAGE_NORMAL : PAGE_UNMEASURED;
	return mon_hob_build(f->hob, s->size, s->gpa, memory, added, n, why);
}

static MUST_USE int tdx_list(
	struct fwimage *f, const struct mon_memory *memory, struct list *l, struct why *why)
{
	static const char *const names[] = {
		[TDVF_BFV] = "boot firmware volume",
		[TDVF_CFV] = "configuration firmware volume",
		[TDVF_HOB] = "TD HOB",
		[TDVF_TEMP_MEM] = "firmware's memory",
	};
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < f->n_sections; i++) {
		const struct fwimage_section *s = &f->sections[i];
		bool has_contents = s->raw_size > 0;
		struct fwimage_piece *p = list_next(l);
		*p = (struct fwimage_piece){
			.name = names[s->type],
			.gpa = s->gpa,
			.bytes = has_contents ? f->map + s->offset : NULL,
			.len = s->raw_size,
			.size = s->size,
			.type = s->is_measured ? PAGE_NORMAL
				: has_contents ? PAGE_UNMEASURED
					       : PAGE_ZERO,
		};
		if (s->type == TDVF_HOB)
			err = hob_list(f, s, memory, p, why);
	}
	return err;
}

int mon_fwimage_list(struct fwimage *f, enum guest_kind kind, const struct fwimage_boot *boot,
	const struct mon_memory *memory, struct fwimage_piece ret[FWIMAGE_PIECES],
	unsigned int *ret_n, struct why *why)
{
	struct list l = { .at = ret };
	int err = 0;

	switch (kind) {
	case GUEST_NONE:
	case GUEST_SW:
		image_list(f, &l);
		break;
	case GUEST_SEV:
	case GUEST_SEV_ES:
		err = sev_list(f, boot, &l, why);
		break;
	case GUEST_SNP:
		err = snp_list(f, boot, &l, why);
		break;
	case GUEST_TDX:
		err = tdx_list(f, memory, &l, why);
		break;
	case GUEST_KIND_COUNT:
		err = -EINVAL;
		break;
	}
	if (err == 0)
		*ret_n = l.n;
	return err;
}
