/*
 * The monitor's reader of firmware images, and what it launches: compared with the launch digests that
 * the relying party's own code predicts, for images made here, the published ones (argument: folder of
 * vectors) and those of Debian where they are in the cache; and with one thing wrong at a time.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attest/digest_mrtd.h"
#include "attest/digest_ovmf.h"
#include "attest/launch_digest.h"
#include "attest/sha384.h"
#include "base/fd.h"
#include "base/rd.h"
#include "base/sha256.h"
#include "base/wr.h"
#include "tests/unit/cm.h"
#include "tests/unit/fw_maker.h"
#include "vmm/monitor/mon_fwimage.h"
#include "vmm/monitor/mon_hob.h"

static const char *vectors = "";

/* 2 GiB below the hole, 1 GiB above it. */
static const struct mon_memory memory = {
	.size = 3ull << 30,
	.n = 2,
	.ranges = { { 0, 2ull << 30, 0 }, { 1ull << 32, 1ull << 30, 2ull << 30 } },
};

static const struct fwimage_boot no_kernel = { .cmdline = "" };
static const struct fwimage_boot with_kernel = {
	.kernel = (const uint8_t *)"KERNEL",
	.kernel_len = 6,
	.cmdline = "console=ttyS0",
};

/* --- SHA-256 ------------------------------------------------------------------------------------ */

static void sha256_is_the_standards(void **state)
{
	/* FIPS 180-4 examples; one, two and very many blocks. */
	static const struct {
		const char *text;
		uint8_t first[4];
	} known[] = {
		{ "", { 0xe3, 0xb0, 0xc4, 0x42 } },
		{ "abc", { 0xba, 0x78, 0x16, 0xbf } },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			{ 0x24, 0x8d, 0x6a, 0x61 } },
	};
	static uint8_t buf[1000];
	uint8_t mine[SHA256_BYTES], theirs[SHA256_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		sha256(known[i].text, strlen(known[i].text), mine);
		assert_memory_equal(mine, known[i].first, 4);
	}
	for (size_t i = 0; i < sizeof buf; i++)
		buf[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t len = 0; len <= sizeof buf; len++) { /* every place of the padding */
		sha256(buf, len, mine);
		assert_int_equal(EVP_Digest(buf, len, theirs, NULL, EVP_sha256(), NULL), 1);
		assert_memory_equal(mine, theirs, sizeof mine);
	}
}

static void sha256_in_pieces_is_the_same(void **state)
{
	uint8_t whole[SHA256_BYTES], pieces[SHA256_BYTES];
	static const uint8_t buf[333] = { 1, 2, 3 };
	struct sha256 s;

	sha256(buf, sizeof buf, whole);
	for (size_t cut = 1; cut < sizeof buf; cut += 31) {
		sha256_init(&s);
		for (size_t at = 0; at < sizeof buf; at += cut)
			sha256_add(&s, buf + at, MIN(cut, sizeof buf - at));
		sha256_end(&s, pieces);
		assert_memory_equal(whole, pieces, sizeof whole);
	}
}

static void kernel_hashes_are_vector_v7(void **state)
{
	/* kvm-cvm-abi.md, 8, V7: the hash of the table of 176 bytes. */
	static const uint8_t want[] = { 0xd8, 0x4e, 0x2f, 0xba, 0xa5, 0xb7, 0x55, 0xa7, 0xc0, 0x5f,
		0x46, 0xa4, 0xf3, 0x10, 0x6e, 0x92, 0x14, 0x31, 0x29, 0xe1, 0x3a, 0xd2, 0x1d, 0x6a,
		0x65, 0x52, 0xbf, 0x05, 0xed, 0x4e, 0x9b, 0xa8 };
	uint8_t table[FWIMAGE_HASHES_BYTES], got[SHA256_BYTES];

	mon_fwimage_hash(&with_kernel, table);
	sha256(table, sizeof table, got);
	assert_memory_equal(got, want, sizeof want);
}

/* --- digests of what is launched ----------------------------------------------------------------- */

static struct ovmf_launch launch_of(const struct ovmf *o, const struct fwimage_boot *boot)
{
	return (struct ovmf_launch){
		.firmware = o,
		.vmm = VMM_QEMU,
		.vcpus = 2,
		.signature = 0x00a00f11,
		.features = 1,
		.kernel = boot->kernel,
		.kernel_len = boot->kernel_len,
		.initrd = boot->initrd,
		.initrd_len = boot->initrd_len,
		.cmdline = boot->cmdline,
	};
}

static int page_type_of(const struct fwimage_piece *p)
{
	static const int types[PAGE_TYPE_COUNT] = {
		[PAGE_NORMAL] = SNP_PAGE_NORMAL,
		[PAGE_ZERO] = SNP_PAGE_ZERO,
		[PAGE_UNMEASURED] = SNP_PAGE_UNMEASURED,
		[PAGE_SECRETS] = SNP_PAGE_SECRETS,
		[PAGE_CPUID] = SNP_PAGE_CPUID,
	};

	return types[p->type];
}

static void snp_digest(const struct fwimage_piece *pieces, unsigned int n,
	const struct ovmf_launch *l, uint8_t ret[SHA384_BYTES])
{
	struct digest_snp d = { 0 };
	uint8_t page[PAGE_BYTES];

	assert_int_equal(digest_snp_init(&d), 0);
	for (unsigned int i = 0; i < n; i++) {
		enum snp_page_type type = (enum snp_page_type)page_type_of(&pieces[i]);
		if (pieces[i].bytes != NULL)
			assert_int_equal(digest_snp_add(&d, type, pieces[i].gpa, pieces[i].bytes,
						 pieces[i].len),
				0);
		else
			assert_int_equal(digest_snp_add_empty(&d, type, pieces[i].gpa,
						 pieces[i].size / PAGE_BYTES),
				0);
	}
	for (uint32_t i = 0; i < l->vcpus; i++) {
		struct vmsa v = digest_vmsa(l, i == 0);
		vmsa_print(&v, page);
		assert_int_equal(
			digest_snp_add(&d, SNP_PAGE_VMSA, SNP_VMSA_GPA, page, sizeof page), 0);
	}
	memcpy(ret, d.ld, SHA384_BYTES);
	digest_snp_done(&d);
}

static void sev_digest(const struct fwimage_piece *pieces, unsigned int n,
	const struct ovmf_launch *l, bool is_es, uint8_t ret[SHA256_BYTES])
{
	uint8_t page[PAGE_BYTES];
	struct sha256 s;

	sha256_init(&s);
	for (unsigned int i = 0; i < n; i++)
		sha256_add(&s, pieces[i].bytes, pieces[i].len);
	for (uint32_t i = 0; is_es && i < l->vcpus; i++) {
		struct vmsa v = digest_vmsa(l, i == 0);
		vmsa_print(&v, page);
		sha256_add(&s, page, sizeof page);
	}
	sha256_end(&s, ret);
}

static void block_add(EVP_MD_CTX *ctx, const char *what, uint64_t gpa)
{
	uint8_t block[128] = { 0 };
	struct wr w = wr_of(block, sizeof block);

	wr_str(&w, what);
	wr_pad_to(&w, 16);
	wr_le64(&w, gpa);
	assert_int_equal(EVP_DigestUpdate(ctx, block, sizeof block), 1);
}

/* ABI 4.7: each page added, then its sixteen chunks if it is measured. */
static void mrtd_of(const struct fwimage_piece *pieces, unsigned int n, uint8_t ret[SHA384_BYTES])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestInit_ex2(ctx, EVP_sha384(), NULL), 1);
	for (unsigned int i = 0; i < n; i++)
		for (uint64_t at = 0; at < pieces[i].size; at += PAGE_BYTES) {
			const struct fwimage_piece *p = &pieces[i];
			uint8_t page[PAGE_BYTES] = { 0 };
			if (p->bytes != NULL && at < p->len)
				memcpy(page, p->bytes + at, MIN(p->len - at, sizeof page));
			block_add(ctx, "MEM.PAGE.ADD", p->gpa + at);
			for (size_t c = 0; p->type == PAGE_NORMAL && c < PAGE_BYTES; c += 256) {
				block_add(ctx, "MR.EXTEND", p->gpa + at + c);
				assert_int_equal(EVP_DigestUpdate(ctx, page + c, 256), 1);
			}
		}
	assert_int_equal(EVP_DigestFinal_ex(ctx, ret, NULL), 1);
	EVP_MD_CTX_free(ctx);
}

static const enum launch_kind launch_kinds[GUEST_KIND_COUNT] = {
	[GUEST_SEV] = LAUNCH_SEV,
	[GUEST_SEV_ES] = LAUNCH_SEV_ES,
	[GUEST_SNP] = LAUNCH_SNP,
	[GUEST_TDX] = LAUNCH_TDX,
};

/* casemate measure says of our launch what the monitor says, in the same words. */
static void predict_agrees(const uint8_t *image, size_t len, enum guest_kind kind,
	const struct fwimage_boot *boot, int err, const struct why *why)
{
	const struct launch_inputs in = {
		.kind = launch_kinds[kind],
		.vmm = VMM_CASEMATE,
		.firmware = image,
		.firmware_len = len,
		.boot = { .kernel = boot->kernel,
			.kernel_len = boot->kernel_len,
			.initrd = boot->initrd,
			.initrd_len = boot->initrd_len,
			.cmdline = boot->cmdline,
			.vcpus = 1,
			.memory_mib = 256 },
	};
	static struct launch_memo memo; /* large */
	struct launch_values values;
	struct why their_why = { 0 };

	memo = (struct launch_memo){ 0 };
	int their_err = launch_digest_compute(&in, &memo, NULL, &values, &their_why);
	if (their_err != err || strcmp(why->text, their_why.text) != 0)
		fail_msg("kind %d: monitor %d (%s), measure %d (%s)", kind, err, why->text,
			their_err, their_why.text);
}

/*
 * One image, one kind, with or without a kernel: both readers refuse it, or the digests are equal.
 * Returns whether it can be launched.
 */
static bool agree(
	const uint8_t *image, size_t len, enum guest_kind kind, const struct fwimage_boot *boot)
{
	struct fwimage f = {
		.map = (uint8_t *)(uintptr_t)image, .size = len, .gpa = (1ull << 32) - len
	};
	struct fwimage_piece pieces[FWIMAGE_PIECES];
	struct ovmf o;
	uint8_t mine[SHA384_BYTES] = { 0 }, theirs[SHA384_BYTES] = { 0 };
	unsigned int n = 0;
	struct why why = { 0 }, their_why = { 0 };
	int err = mon_fwimage_parse(&f, kind, &why);

	if (err == 0)
		err = mon_fwimage_list(&f, kind, boot, &memory, pieces, &n, &why);
	int their_err = ovmf_parse(&o, image, len, &their_why);
	struct ovmf_launch l = launch_of(&o, boot);
	if (kind != GUEST_SNP)
		l.features = 0;
	if (their_err == 0 && kind == GUEST_SNP)
		their_err = digest_ovmf_snp(&l, theirs, &their_why);
	else if (their_err == 0 && kind == GUEST_TDX)
		their_err = digest_mrtd(&o, false, theirs, &their_why);
	else if (their_err == 0)
		their_err = digest_sev(&l, kind == GUEST_SEV_ES, theirs, &their_why);
	if (err == 0 && kind == GUEST_SNP)
		snp_digest(pieces, n, &l, mine);
	else if (err == 0 && kind == GUEST_TDX)
		mrtd_of(pieces, n, mine);
	else if (err == 0)
		sev_digest(pieces, n, &l, kind == GUEST_SEV_ES, mine);
	/* What we refuse others may launch: measure says no where it is asked about our launches. */
	if (err == 0) {
		assert_int_equal(their_err, 0);
		assert_memory_equal(mine, theirs, sizeof mine);
	}
	predict_agrees(image, len, kind, boot, err, &why);
	free(f.hob);
	return err == 0;
}

/* Bits of the kinds it can be launched as, without and with a kernel. */
static unsigned int kinds_of(const uint8_t *image, size_t len)
{
	static const enum guest_kind kinds[] = { GUEST_SEV, GUEST_SEV_ES, GUEST_SNP, GUEST_TDX };
	unsigned int bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		bits |= agree(image, len, kinds[i], &no_kernel) ? 1u << i : 0;
		bits |= agree(image, len, kinds[i], &with_kernel) ? 0x10u << i : 0;
	}
	return bits;
}

static void file_agrees(const char *folder, const char *name, unsigned int want_kinds)
{
	char path[500];
	uint8_t *image = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	if (fd_read_path(path, LIMIT_FIRMWARE_BYTES, &image, &len, NULL) < 0) {
		print_message("# %s is not here\n", path);
		skip();
	}
	assert_int_equal(kinds_of(image, len), want_kinds);
	free(image);
}

#define K_SEV    0x11u
#define K_SEV_NO 0x01u
#define K_ES     0x22u
#define K_ES_NO  0x02u
#define K_SNP    0x44u
#define K_SNP_NO 0x04u
#define K_TDX    0x88u

static void published_images_agree(void **state)
{
	char folder[400];

	(void)snprintf(folder, sizeof folder, "%s/launch", vectors);
	file_agrees(folder, "ovmf_hashes.fd", K_SEV | K_ES | K_SNP);
	file_agrees(folder, "ovmf_nohashes.fd", K_SEV_NO | K_ES_NO | K_SNP_NO);
	file_agrees(folder, "ovmf_es.fd", K_SEV | K_ES | K_SNP_NO);
}

static void published_tdvf_agrees(void **state)
{
	char folder[400];

	(void)snprintf(folder, sizeof folder, "%s/launch/mrtd", vectors);
	file_agrees(folder, "tdvf-synth-a.fd", K_SEV_NO | K_TDX);
}

static void cached(const char *package, const char *name, unsigned int want_kinds)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	char folder[400];

	(void)snprintf(folder, sizeof folder, "%s%s/casemate/firmware/%s",
		cache != NULL  ? cache
		: home != NULL ? home
			       : "/nonexistent",
		cache != NULL ? "" : "/.cache", package);
	file_agrees(folder, name, want_kinds);
}

static void debians_firmware_for_amd_sev_agrees(void **state)
{
	cached("ovmf-amdsev", "OVMF.amdsev.fd", K_SEV | K_ES | K_SNP | K_TDX);
}

static void debians_firmware_for_all_agrees(void **state)
{
	cached("ovmf", "OVMF.fd", K_SEV_NO | K_ES_NO | K_SNP_NO | K_TDX);
	cached("ovmf", "OVMF_CODE_4M.fd", K_SEV_NO | K_ES_NO);
}

static void debians_firmware_for_tdx_agrees(void **state)
{
	cached("ovmf-inteltdx", "OVMF.inteltdx.ms.fd", K_SEV_NO | K_ES_NO | K_SNP_NO | K_TDX);
}

/* --- images made here ----------------------------------------------------------------------------- */

static struct fwimage parsed(struct fw_maker *m, enum guest_kind kind, int want)
{
	struct fwimage f = {
		.map = m->image, .size = FW_IMAGE_BYTES, .gpa = (1ull << 32) - FW_IMAGE_BYTES
	};
	struct why why = { 0 };
	int err = mon_fwimage_parse(&f, kind, &why);

	if (err != want)
		fail_msg("%d, want %d: %s", err, want, why.text);
	return f;
}

static void an_image_says_where_everything_is(void **state)
{
	static struct fw_maker m;

	fw_make(&m);
	struct fwimage f = parsed(&m, GUEST_SNP, 0);
	assert_true(f.has_ap_reset && f.has_hashes && f.has_secret && f.has_sev && f.has_tdvf);
	assert_int_equal(f.ap_reset, 0xfffff004);
	assert_int_equal(f.secret_gpa, 0x810000);
	assert_int_equal(f.secret_size, 0xc00);
	assert_int_equal(f.n_sections, 5);
	f = parsed(&m, GUEST_TDX, 0);
	assert_int_equal(f.n_sections, 4);
	assert_int_equal(f.hob_gpa, 0x809000);
	assert_int_equal(kinds_of(m.image, FW_IMAGE_BYTES), K_SEV | K_ES | K_SNP | K_TDX);
}

static void an_image_without_a_table_is_for_plain_sev_alone(void **state)
{
	static struct fw_maker m;

	fw_make(&m);
	memset(m.image + FW_IMAGE_BYTES - 48, 0, 16); /* the footer's GUID */
	assert_int_equal(kinds_of(m.image, FW_IMAGE_BYTES), K_SEV_NO);
	(void)parsed(&m, GUEST_SNP, -EOPNOTSUPP);
	(void)parsed(&m, GUEST_TDX, -EOPNOTSUPP);
	(void)parsed(&m, GUEST_SEV_ES, -EOPNOTSUPP);
}

/* At this offset of the image, this number of 4 bytes: refused with this error. */
static const struct {
	const char *what;
	uint32_t at, value;
	enum guest_kind kind;
	int err;
} wrongs[] = {
	{ "SEV signature", FW_SEV_AT, 0, GUEST_SNP, -EBADMSG },
	{ "SEV length", FW_SEV_AT + 4, 16, GUEST_SNP, -EBADMSG },
	{ "SEV version", FW_SEV_AT + 8, 2, GUEST_SNP, -EPROTONOSUPPORT },
	{ "SEV number of sections", FW_SEV_AT + 12, 0x10000001, GUEST_SNP, -EBADMSG },
	{ "SEV section not on a page", FW_SEV_AT + 16, 0x800800, GUEST_SNP, -EBADMSG },
	{ "a secrets page of no pages", FW_SEV_AT + 32, 0, GUEST_SNP, -EBADMSG },
	{ "SEV section of all memory", FW_SEV_AT + 20, 0xff000000, GUEST_SNP, -EMSGSIZE },
	{ "SEV section of unknown type", FW_SEV_AT + 24, 5, GUEST_SNP, -EPROTONOSUPPORT },
	{ "two secrets pages in one", FW_SEV_AT + 32, 0x2000, GUEST_SNP, -EBADMSG },
	{ "two pages of hashes", FW_SEV_AT + 80, 0x2000, GUEST_SNP, -EBADMSG },
	{ "SEV section beyond 4 GiB", FW_SEV_AT + 16, 0xffff8000, GUEST_SNP, -EBADMSG },
	/* What is said of SNP has to make sense for the others, too. */
	{ "SEV section of unknown type", FW_SEV_AT + 24, 5, GUEST_SEV, -EPROTONOSUPPORT },
	{ "SEV section of unknown type", FW_SEV_AT + 24, 5, GUEST_SEV_ES, -EPROTONOSUPPORT },
	{ "SEV section of unknown type", FW_SEV_AT + 24, 5, GUEST_TDX, -EPROTONOSUPPORT },
	{ "SEV version", FW_SEV_AT + 8, 2, GUEST_SEV, -EPROTONOSUPPORT },
	{ "TDVF section of no size", FW_TDX_AT + 16 + 96 + 16, 0, GUEST_TDX, -EBADMSG },
	{ "TDVF signature", FW_TDX_AT, 0, GUEST_TDX, -EBADMSG },
	{ "TDVF length", FW_TDX_AT + 4, 0, GUEST_TDX, -EBADMSG },
	{ "TDVF version", FW_TDX_AT + 8, 0, GUEST_TDX, -EPROTONOSUPPORT },
	{ "TDVF number of sections", FW_TDX_AT + 12, 1, GUEST_TDX, -EBADMSG },
	{ "TDVF contents outside the image", FW_TDX_AT + 16, 0x3000, GUEST_TDX, -EBADMSG },
	{ "TDVF contents wrap", FW_TDX_AT + 16, 0xfffff000, GUEST_TDX, -EBADMSG },
	{ "TDVF contents longer than memory", FW_TDX_AT + 32, 0x1000, GUEST_TDX, -EBADMSG },
	{ "TDVF volume without contents", FW_TDX_AT + 20, 0, GUEST_TDX, -EBADMSG },
	{ "TDVF address not on a page", FW_TDX_AT + 24, 0xffffe001, GUEST_TDX, -EBADMSG },
	{ "TDVF address beyond 2^52", FW_TDX_AT + 28, 0x00100000, GUEST_TDX, -EBADMSG },
	{ "TDVF type", FW_TDX_AT + 40, 5, GUEST_TDX, -EPROTONOSUPPORT },
	{ "TDVF attributes", FW_TDX_AT + 44, 2, GUEST_TDX, -EPROTONOSUPPORT },
	{ "TD HOB with contents", FW_TDX_AT + 16 + 68, 0x1000, GUEST_TDX, -EBADMSG },
	{ "no TD HOB", FW_TDX_AT + 16 + 88, 3, GUEST_TDX, -EBADMSG },
	{ "two TD HOBs", FW_TDX_AT + 16 + 96 + 24, 2, GUEST_TDX, -EBADMSG },
	{ "huge temporary memory", FW_TDX_AT + 16 + 96 + 20, 1, GUEST_TDX, -EMSGSIZE },
	{ "table longer than the image", FW_IMAGE_BYTES - 50, 0x82deffff, GUEST_SEV, -EBADMSG },
	{ "table shorter than its footer", FW_IMAGE_BYTES - 50, 0x82de0011, GUEST_SEV, -EBADMSG },
	{ "odd bytes in the table", FW_IMAGE_BYTES - 50, 0x82de0013, GUEST_SEV, -EBADMSG },
	{ "entry longer than the table", FW_IMAGE_BYTES - 68, 0x71de4000, GUEST_SEV, -EBADMSG },
	{ "entry shorter than its GUID", FW_IMAGE_BYTES - 68, 0x71de0001, GUEST_SEV, -EBADMSG },
	{ "SEV metadata outside the image", FW_IMAGE_BYTES - 68 - 22 - 26 - 26 + 18 - 22,
		FW_IMAGE_BYTES + 1, GUEST_SNP, -EBADMSG },
};

static unsigned int kind_bit(enum guest_kind kind)
{
	return kind == GUEST_SEV ? 0 : kind == GUEST_SEV_ES ? 1 : kind == GUEST_SNP ? 2 : 3;
}

static void one_wrong_number_is_refused(void **state)
{
	static struct fw_maker m;

	for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
		fw_make(&m);
		struct wr w = wr_of(m.image + wrongs[i].at, 4);
		wr_le32(&w, wrongs[i].value);
		struct fwimage f = { .map = m.image, .size = FW_IMAGE_BYTES };
		struct why why = { 0 };
		int err = mon_fwimage_parse(&f, wrongs[i].kind, &why);
		if (err != wrongs[i].err)
			fail_msg("%s: %d, want %d (%s)", wrongs[i].what, err, wrongs[i].err,
				why.text);
		assert_true(why.text[0] != 0);
		assert_int_equal(
			kinds_of(m.image, FW_IMAGE_BYTES) & 0x11u << kind_bit(wrongs[i].kind), 0);
	}
}

static void an_entry_that_comes_twice_is_refused(void **state)
{
	static struct fw_maker m;

	fw_make(&m);
	size_t before = m.end;
	fw_put_entry(&m, FW_SECRET, (uint32_t[]){ 0x900000, 0x1000 }, 2);
	struct wr w = wr_of(m.image + FW_IMAGE_BYTES - 50, 2);
	wr_le16(&w, (uint16_t)(FW_IMAGE_BYTES - 32 - m.end));
	assert_true(m.end < before);
	(void)parsed(&m, GUEST_SEV, -EBADMSG);
}

static void a_kernel_needs_a_place_for_its_hashes(void **state)
{
	struct fwimage_piece pieces[FWIMAGE_PIECES];
	static struct fw_maker m;
	unsigned int n = 0;

	fw_make(&m);
	struct fwimage f = parsed(&m, GUEST_SNP, 0);
	f.has_hashes = false;
	assert_int_equal(mon_fwimage_list(&f, GUEST_SNP, &with_kernel, &memory, pieces, &n, NULL),
		-EOPNOTSUPP);
	assert_int_equal(mon_fwimage_list(&f, GUEST_SEV, &with_kernel, &memory, pieces, &n, NULL),
		-EOPNOTSUPP);
	f = parsed(&m, GUEST_SNP, 0);
	f.hashes_gpa = 0x810f80; /* across the end of its page */
	assert_int_equal(
		mon_fwimage_list(&f, GUEST_SNP, &with_kernel, &memory, pieces, &n, NULL), -EBADMSG);
	f.hashes_gpa = 0x80ff00; /* before it */
	assert_int_equal(
		mon_fwimage_list(&f, GUEST_SNP, &with_kernel, &memory, pieces, &n, NULL), -EBADMSG);
	f = parsed(&m, GUEST_SNP, 0);
	f.n_sections--; /* no section for it */
	assert_int_equal(mon_fwimage_list(&f, GUEST_SNP, &with_kernel, &memory, pieces, &n, NULL),
		-EOPNOTSUPP);
	assert_int_equal(mon_fwimage_list(&f, GUEST_SNP, &no_kernel, &memory, pieces, &n, NULL), 0);
}

static void a_file_is_taken_whole_or_not_at_all(void **state)
{
	static struct fw_maker m;
	struct fwimage f;
	int fd = memfd_create("test", MFD_CLOEXEC);
	const struct mon_file file = { fd, NULL };

	fw_make(&m);
	assert_int_equal(mon_fwimage_open(&f, &file, GUEST_SNP, NULL), 0);
	assert_null(f.map); /* empty: none */
	assert_int_equal(fd_pwrite_all(fd, m.image, FW_IMAGE_BYTES, 0), 0);
	assert_int_equal(mon_fwimage_open(&f, &file, GUEST_SNP, NULL), 0);
	assert_int_equal(f.gpa, FW_IMAGE_GPA);
	assert_memory_equal(f.map, m.image, FW_IMAGE_BYTES);
	mon_fwimage_close(&f);
	assert_int_equal(ftruncate(fd, FW_IMAGE_BYTES - 1), 0);
	assert_int_equal(mon_fwimage_open(&f, &file, GUEST_SNP, NULL), -EBADMSG);
	assert_int_equal(ftruncate(fd, LIMIT_FIRMWARE_BYTES + PAGE_BYTES), 0);
	assert_int_equal(mon_fwimage_open(&f, &file, GUEST_SNP, NULL), -EMSGSIZE);
	assert_null(f.map);
	(void)close(fd);
}

/* --- the TD HOB ----------------------------------------------------------------------------------- */

static uint64_t u64_at(const uint8_t *p)
{
	struct rd r = rd_of(p, 8);

	return rd_le64(&r);
}

static uint32_t u32_at(const uint8_t *p)
{
	return (uint32_t)u64_at(p);
}

static void the_hob_covers_all_memory_once(void **state)
{
	const struct hob_range added[] = { { 0x80b000, 0x2000 }, { 0x809000, 0x2000 } };
	static const struct {
		uint32_t type;
		uint64_t start, len;
	} want[] = {
		{ 7, 0, 0x809000 },
		{ 0, 0x809000, 0x2000 },
		{ 0, 0x80b000, 0x2000 },
		{ 7, 0x80d000, (2ull << 30) - 0x80d000 },
		{ 7, 1ull << 32, 1ull << 30 },
	};
	uint8_t hob[PAGE_BYTES];
	const uint8_t *p = hob;

	assert_int_equal(mon_hob_build(hob, sizeof hob, 0x809000, &memory, added, 2, NULL), 0);
	assert_int_equal(u64_at(p), 1 | 56 << 16);
	assert_int_equal(u32_at(p + 8), 9);
	assert_int_equal(u64_at(p + 48), 0x809000 + 56 + 5 * 48 + 8);
	p += 56;
	for (size_t i = 0; i < ARRAY_LEN(want); i++, p += 48) {
		assert_int_equal(u64_at(p), 3 | 48 << 16);
		assert_int_equal(u32_at(p + 24), want[i].type);
		assert_int_equal(u32_at(p + 28), 7);
		assert_int_equal(u64_at(p + 32), want[i].start);
		assert_int_equal(u64_at(p + 40), want[i].len);
	}
	assert_int_equal(u64_at(p), 0xffff | 8 << 16);
}

static void a_hob_that_cannot_be_right_is_refused(void **state)
{
	uint8_t hob[PAGE_BYTES];
	const struct hob_range twice[] = { { 0x1000, 0x2000 }, { 0x2000, 0x1000 } };
	const struct hob_range out[] = { { 0xc0000000, 0x1000 } };
	const struct hob_range past[] = { { (2ull << 30) - 0x1000, 0x2000 } };
	const struct hob_range high[] = { { 2ull << 32, 0x1000 } };

	assert_int_equal(mon_hob_build(hob, sizeof hob, 0, &memory, twice, 2, NULL), -EFAULT);
	assert_int_equal(mon_hob_build(hob, sizeof hob, 0, &memory, out, 1, NULL), -EFAULT);
	assert_int_equal(mon_hob_build(hob, sizeof hob, 0, &memory, past, 1, NULL), -EFAULT);
	assert_int_equal(mon_hob_build(hob, sizeof hob, 0, &memory, high, 1, NULL), -EFAULT);
	assert_int_equal(mon_hob_build(hob, 100, 0, &memory, NULL, 0, NULL), -EMSGSIZE);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_is_the_standards),
		cmocka_unit_test(sha256_in_pieces_is_the_same),
		cmocka_unit_test(kernel_hashes_are_vector_v7),
		cmocka_unit_test(an_image_says_where_everything_is),
		cmocka_unit_test(an_image_without_a_table_is_for_plain_sev_alone),
		cmocka_unit_test(one_wrong_number_is_refused),
		cmocka_unit_test(an_entry_that_comes_twice_is_refused),
		cmocka_unit_test(a_kernel_needs_a_place_for_its_hashes),
		cmocka_unit_test(a_file_is_taken_whole_or_not_at_all),
		cmocka_unit_test(published_images_agree),
		cmocka_unit_test(published_tdvf_agrees),
		cmocka_unit_test(debians_firmware_for_amd_sev_agrees),
		cmocka_unit_test(debians_firmware_for_all_agrees),
		cmocka_unit_test(debians_firmware_for_tdx_agrees),
		cmocka_unit_test(the_hob_covers_all_memory_once),
		cmocka_unit_test(a_hob_that_cannot_be_right_is_refused),
	};

	if (argc > 1)
		vectors = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
