#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/digest_mrtd.h"
#include "attest/digest_ovmf.h"
#include "attest/id_block.h"
#include "base/cpu_model.h"
#include "base/fd.h"
#include "base/opts.h"
#include "tests/unit/cm.h"
#include "tests/unit/sev_maker.h"

#define IMAGE_BYTES 16384u

static const char *vectors; /* published digests and their inputs; NULL: none here */

static const uint32_t sections[][3] = {
	{ 0x800000, 0x3000, OVMF_SNP_SEC_MEM },
	{ 0x80D000, 0x1000, OVMF_SNP_SECRETS },
	{ 0x80E000, 0x1000, OVMF_CPUID },
	{ 0x80F000, 0x1000, OVMF_SVSM_CAA },
	{ 0x810000, 0x1000, OVMF_KERNEL_HASHES },
};
static const uint32_t volumes[][6] = {
	{ 0x2000, 0x2000, 0xFFFFE000, 0x2000, TDVF_BFV, TDVF_EXTEND },
	{ 0, 0x2000, 0xFFFFC000, 0x3000, TDVF_CFV, 0 },
	{ 0, 0, 0x809000, 0x2000, TDVF_TD_HOB, 0 },
	{ 0, 0, 0x1000000, 0x1000000, 4, TDVF_PAGE_AUG },
};
static const struct maker_firmware whole = { 0x80B004, 0x810C00, sections, ARRAY_LEN(sections),
	volumes, ARRAY_LEN(volumes) };

static uint8_t image[IMAGE_BYTES];

static struct ovmf firmware_of(const struct maker_firmware *f)
{
	struct ovmf o;

	maker_firmware(f, image, sizeof image);
	assert_int_equal(ovmf_parse(&o, image, sizeof image, NULL), 0);
	return o;
}

/* --- reading an image --------------------------------------------------------------------------- */

static void an_image_says_what_it_has(void **state)
{
	struct ovmf o = firmware_of(&whole);
	struct tdvf t;

	assert_int_equal(o.gpa, 0x100000000ull - IMAGE_BYTES);
	assert_true(o.has_reset && o.has_hashes && o.has_metadata && o.has_tdvf);
	assert_int_equal(o.ap_reset, 0x80B004);
	assert_int_equal(o.hashes_gpa, 0x810C00);
	assert_int_equal(o.n_sections, 5);
	assert_int_equal(o.sections[4].type, OVMF_KERNEL_HASHES);
	assert_int_equal(tdvf_parse(&t, &o, NULL), 0);
	assert_int_equal(t.n, 4);
	assert_int_equal(t.at[1].size, 0x3000);
	assert_true(ovmf_has_section(&o, OVMF_SVSM_CAA));
}

static void an_image_without_a_table_has_nothing(void **state)
{
	static uint8_t plain[IMAGE_BYTES];
	struct ovmf o;

	assert_int_equal(ovmf_parse(&o, plain, sizeof plain, NULL), 0);
	assert_false(o.has_reset || o.has_hashes || o.has_metadata || o.has_tdvf);
	assert_false(ovmf_has_section(&o, OVMF_CPUID));
}

static void a_shim_without_a_table_has_its_descriptor(void **state)
{
	struct ovmf o = firmware_of(&whole);
	struct tdvf t;

	memset(image + sizeof image - 50, 0, 50); /* the footer */
	image[sizeof image - 32 + 1] = (uint8_t)((IMAGE_BYTES - 1024) >> 8);
	assert_int_equal(ovmf_parse(&o, image, sizeof image, NULL), 0);
	assert_true(o.has_tdvf && !o.has_reset);
	assert_int_equal(tdvf_parse(&t, &o, NULL), 0);
	assert_int_equal(t.n, 4);
}

static void images_of_odd_length_are_refused(void **state)
{
	static uint8_t big[LIMIT_FIRMWARE_BYTES + 4096];
	struct ovmf o;

	assert_int_equal(ovmf_parse(&o, big, 0, NULL), -EBADMSG);
	assert_int_equal(ovmf_parse(&o, big, 4095, NULL), -EBADMSG);
	assert_int_equal(ovmf_parse(&o, big, sizeof big, NULL), -EMSGSIZE);
}

/* Each spoils one field of the image. */
static void broken_tables_are_refused(void **state)
{
	const size_t table = IMAGE_BYTES - 32 - 18, sev = IMAGE_BYTES - 2048,
		     tdx = IMAGE_BYTES - 1024;
	const struct {
		size_t at;
		uint8_t value;
		int err;
	} rows[] = {
		{ table, 17, -EBADMSG },                /* shorter than its footer */
		{ table + 1, 0xFF, -EBADMSG },          /* longer than the image */
		{ table, 18 + 5, -EBADMSG },            /* ends inside an entry */
		{ table - 18, 17, -EBADMSG },           /* an entry shorter than its head */
		{ table - 18 + 1, 1, -EBADMSG },        /* an entry longer than the table */
		{ sev, 0, -EBADMSG },                   /* no ASEV */
		{ sev + 8, 2, -EPROTONOSUPPORT },       /* version */
		{ sev + 4, 15, -EBADMSG },              /* shorter than its sections */
		{ sev + 12, 33, -EBADMSG },             /* too many sections */
		{ sev + 16 + 8, 9, -EPROTONOSUPPORT },  /* unknown type */
		{ sev + 16, 1, -EBADMSG },              /* address inside a page */
		{ sev + 16 + 4, 1, -EBADMSG },          /* size not of whole pages */
		{ sev + 28 + 5, 0x20, -EBADMSG },       /* two pages of secrets */
		{ sev + 16 + 7, 0x40, -EMSGSIZE },      /* a gigabyte of pages */
		{ tdx + 3, 0, -EBADMSG },               /* no TDVF */
		{ tdx + 8, 2, -EPROTONOSUPPORT },       /* version */
		{ tdx + 4, 0, -EBADMSG },               /* length is not of n sections */
		{ tdx + 13, 1, -EBADMSG },              /* too many sections */
		{ tdx + 16 + 24, 9, -EPROTONOSUPPORT }, /* unknown type */
		{ tdx + 16 + 2, 1, -EBADMSG },          /* data past the image */
		{ tdx + 16 + 5, 0x30, -EBADMSG },       /* more data than memory */
		{ tdx + 16 + 8, 1, -EBADMSG },          /* address inside a page */
		{ tdx + 16 + 15, 1, -EBADMSG },         /* address past 2^52 */
		{ tdx + 16 + 16, 1, -EBADMSG },         /* size not of whole pages */
		{ tdx + 16 + 20, 1, -EMSGSIZE },        /* 4 GiB to add */
		{ tdx + 16 + 64 + 4, 1, -EBADMSG },     /* a TD HOB with data */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ovmf o;
		maker_firmware(&whole, image, sizeof image);
		image[rows[i].at] = rows[i].value;
		struct tdvf t;
		int err = ovmf_parse(&o, image, sizeof image, NULL);
		if (err ==
			0) /* SEV's digests do not depend on it: it is read when it is asked for */
			err = tdvf_parse(&t, &o, NULL);
		if (err != rows[i].err)
			fail_msg("row %zu: %d, want %d", i, err, rows[i].err);
	}
}

static void metadata_past_the_end_are_refused(void **state)
{
	struct ovmf o;

	maker_firmware(&whole, image, sizeof image);
	image[IMAGE_BYTES - 32 - 18 - 22 - 26 - 22 + 1] = 0xFF; /* offset from the end */
	assert_int_equal(ovmf_parse(&o, image, sizeof image, NULL), -EBADMSG);
	maker_firmware(&whole, image, sizeof image);
	image[IMAGE_BYTES - 32 - 18 - 22 - 26 - 22] = 20; /* inside, but too near to the end */
	image[IMAGE_BYTES - 32 - 18 - 22 - 26 - 22 + 1] = 0;
	memcpy(image + IMAGE_BYTES - 20, "ASEV\x1c\0\0\0\x01\0\0\0\x01\0\0\0", 16);
	assert_int_equal(ovmf_parse(&o, image, sizeof image, NULL), -EBADMSG);
}

/* --- digests ---------------------------------------------------------------------------------- */

static struct ovmf_launch launch_of(const struct ovmf *o)
{
	return (struct ovmf_launch){ .firmware = o,
		.vcpus = 2,
		.signature = 0x800F12,
		.features = 1,
		.kernel = (const uint8_t *)"KERNEL",
		.kernel_len = 6,
		.cmdline = "console=ttyS0" };
}

/* V7 of kvm-cvm-abi.md, 8. */
static void the_table_of_hashes_is_v7(void **state)
{
	struct ovmf o = firmware_of(&whole);
	struct ovmf_launch l = launch_of(&o);
	uint8_t table[KERNEL_HASHES_BYTES], got[32], want[32];

	assert_int_equal(digest_kernel_hashes(&l, table), 0);
	assert_int_equal(EVP_Digest(table, sizeof table, got, NULL, EVP_sha256(), NULL), 1);
	assert_int_equal(
		opts_parse_hex("d84e2fbaa5b755a7c05f46a4f3106e92143129e13ad21d6a6552bf05ed4e9ba8",
			want, sizeof want),
		0);
	assert_memory_equal(got, want, sizeof want);
}

static void snp_of(const struct ovmf_launch *l, uint8_t ret[SHA384_BYTES])
{
	assert_int_equal(digest_ovmf_snp(l, ret, NULL), 0);
}

/* Every input that is measured changes the digest; a vCPU model only where it is measured. */
static void each_input_changes_the_digest(void **state)
{
	struct ovmf o = firmware_of(&whole);
	const struct ovmf_launch base = launch_of(&o);
	struct ovmf_launch l[8] = { base, base, base, base, base, base, base, base };
	uint8_t first[SHA384_BYTES], other[SHA384_BYTES], seen[8][SHA384_BYTES];

	snp_of(&base, first);
	l[0].vcpus = 3;
	l[1].signature++;
	l[2].features = 0x21;
	l[3].kernel = (const uint8_t *)"kernel";
	l[4].initrd = (const uint8_t *)"x", l[4].initrd_len = 1;
	l[5].cmdline = "";
	l[6].kernel = NULL;
	l[7].vmm = VMM_GCE;
	for (size_t i = 0; i < ARRAY_LEN(l); i++) {
		snp_of(&l[i], seen[i]);
		assert_memory_not_equal(seen[i], first, sizeof first);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(seen[i], seen[k], sizeof first);
	}
	l[7].signature++;
	snp_of(&l[7], other);
	assert_memory_equal(other, seen[7], sizeof other);
}

static void vmms_start_their_vcpus_otherwise(void **state)
{
	struct ovmf o = firmware_of(&whole);
	struct ovmf_launch l = launch_of(&o);
	uint8_t pages[2 * (VMM_KRUN + 1)][PAGE_BYTES], ours[PAGE_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		l.vmm = (enum digest_vmm)(i / 2);
		struct vmsa v = digest_vmsa(&l, i % 2 == 0);
		vmsa_print(&v, pages[i]);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(pages[i], pages[k], PAGE_BYTES);
	}
	/* casemate starts them as QEMU does; Cloud Hypervisor has no firmware image to start. */
	l.vmm = VMM_CASEMATE;
	for (size_t i = 0; i < 2; i++) {
		struct vmsa v = digest_vmsa(&l, i == 0);
		vmsa_print(&v, ours);
		assert_memory_equal(ours, pages[i], PAGE_BYTES);
	}
	l.vmm = VMM_CLOUD_HYPERVISOR;
	assert_int_equal(digest_ovmf_snp(&l, ours, NULL), -EOPNOTSUPP);
	l.vmm = VMM_KRUN;
	struct vmsa bsp = digest_vmsa(&l, true), ap = digest_vmsa(&l, false);
	assert_int_equal(bsp.rsi, 0x7000);
	assert_int_equal(bsp.rsp, 0x8FF0);
	assert_int_equal(ap.cs.selector, 0x9100);
	assert_int_equal(ap.rsi, 0);
}

static void impossible_launches_are_refused(void **state)
{
	struct maker_firmware bare = whole;
	uint8_t digest[SHA384_BYTES];

	bare.hashes_gpa = 0;
	struct ovmf o = firmware_of(&bare);
	struct ovmf_launch l = launch_of(&o);
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP);
	assert_int_equal(digest_sev(&l, false, digest, NULL), -EOPNOTSUPP);
	bare = whole;
	bare.n_sections = 4; /* the area, but no section for it */
	o = firmware_of(&bare);
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP);
	assert_int_equal(digest_sev(&l, true, digest, NULL), 0);
	bare = whole;
	bare.hashes_gpa = 0x810FF0; /* across the end of its page */
	o = firmware_of(&bare);
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP);
	bare = whole;
	bare.hashes_gpa += PAGE_BYTES; /* where no section of theirs is */
	o = firmware_of(&bare);
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP);
	bare = whole;
	bare.ap_reset = 0;
	o = firmware_of(&bare);
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP);
	assert_int_equal(digest_sev(&l, true, digest, NULL), -EOPNOTSUPP);
	assert_int_equal(digest_sev(&l, false, digest, NULL), 0);
	o = firmware_of(&whole);
	l.vcpus = 0;
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -ERANGE);
	l.vcpus = LIMIT_DIGEST_VCPUS + 1;
	assert_int_equal(digest_sev(&l, true, digest, NULL), -ERANGE);
	bare.n_tdvf = 0;
	o = firmware_of(&bare);
	assert_int_equal(digest_mrtd(&o, false, digest, NULL), -EOPNOTSUPP);
}

static void names_are_those_of_qemu(void **state)
{
	static const char *const bad[] = { "", "epyc", "EPYC-", "EPYC-v", "EPYC-v0", "EPYC-v10",
		"EPYC-Naples", "EPYC-Milan-v", "Opteron" };
	static const struct {
		const char *name;
		uint32_t signature;
	} good[] = { { "EPYC", 0x800F12 }, { "EPYC-v4", 0x800F12 }, { "EPYC-IBPB", 0x800F12 },
		{ "EPYC-Rome-v2", 0x830F10 }, { "EPYC-Milan", 0xA00F11 },
		{ "EPYC-Genoa", 0xA10F10 }, { "EPYC-Turin-v1", 0xB00F00 } };
	enum digest_vmm vmm;
	uint32_t signature = 0;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(cpu_model_parse(good[i].name, &signature), 0);
		assert_int_equal(signature, good[i].signature);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(cpu_model_parse(bad[i], &signature), -EINVAL);
	assert_int_equal(digest_vmm_parse("gce", &vmm), 0);
	assert_int_equal(vmm, VMM_GCE);
	assert_int_equal(digest_vmm_parse("QEMU", &vmm), -EINVAL);
}

/* V5 of kvm-cvm-abi.md, 8: one measured page of 0xF4, one that is only added. */
static void mrtd_is_v5(void **state)
{
	static const uint32_t two[][6] = {
		{ 0, 0x1000, 0xFFFFF000, 0x1000, TDVF_BFV, TDVF_EXTEND },
		{ 0, 0, 0x809000, 0x1000, TDVF_TD_HOB, 0 },
	};
	const struct maker_firmware f = { .tdvf = two, .n_tdvf = 2 };
	struct ovmf o = firmware_of(&f);
	uint8_t got[SHA384_BYTES], want[SHA384_BYTES];

	memset(image, 0xF4, 4096);
	assert_int_equal(digest_mrtd(&o, false, got, NULL), 0);
	assert_int_equal(opts_parse_hex("31d56233674714816063aeae0429052041d2d49cb55cfac3ddf547669f"
					"fcfd940621e4f5de7951ac6ca8390c56d6664e",
				 want, sizeof want),
		0);
	assert_memory_equal(got, want, sizeof want);
	assert_int_equal(digest_mrtd(&o, true, got, NULL), 0); /* one page: no other order */
	assert_memory_equal(got, want, sizeof want);
}

static void mrtd_knows_two_orders_and_ignores_added_memory(void **state)
{
	static const uint32_t start[][6] = { { 0, 0x1000, 0xFFFFC000, 0x2000, TDVF_BFV,
						     TDVF_EXTEND },
		{ 0, 0, 0x809000, 0x1000, TDVF_TD_HOB, 0 },
		{ 0, 0, 0x1000000, 0x1000000, 4, TDVF_PAGE_AUG } };
	struct maker_firmware f = { .tdvf = start, .n_tdvf = 3 };
	struct ovmf o = firmware_of(&f);
	uint8_t one[SHA384_BYTES], two[SHA384_BYTES], got[SHA384_BYTES];

	assert_int_equal(digest_mrtd(&o, false, one, NULL), 0);
	assert_int_equal(digest_mrtd(&o, true, two, NULL), 0);
	assert_memory_not_equal(one, two, sizeof one);
	f.n_tdvf = 2;
	o = firmware_of(&f);
	assert_int_equal(digest_mrtd(&o, false, got, NULL), 0);
	assert_memory_equal(got, one, sizeof got);
	f.n_tdvf = 1;
	o = firmware_of(&f);
	assert_int_equal(digest_mrtd(&o, false, got, NULL), 0);
	assert_memory_not_equal(got, one, sizeof got);
	memset(image + IMAGE_BYTES - 1024, 0, 16);
	assert_int_equal(digest_mrtd(&o, false, got, NULL), -EBADMSG);
}

static void the_digest_of_an_image_may_be_given(void **state)
{
	AUTO(digest_snp) struct digest_snp d = { 0 };
	struct ovmf o = firmware_of(&whole);
	struct ovmf_launch l = launch_of(&o);
	uint8_t want[SHA384_BYTES], got[SHA384_BYTES];

	snp_of(&l, want);
	assert_int_equal(digest_snp_init(&d), 0);
	assert_int_equal(digest_snp_add(&d, SNP_PAGE_NORMAL, o.gpa, image, sizeof image), 0);
	assert_int_equal(ovmf_parse(&o, image + IMAGE_BYTES - 4096, 4096, NULL), 0);
	l.firmware_ld = d.ld;
	snp_of(&l, got);
	assert_memory_equal(got, want, sizeof want);
}

static void an_svsm_starts_first(void **state)
{
	static uint8_t svsm_image[IMAGE_BYTES];
	struct ovmf o = firmware_of(&whole), svsm;
	struct ovmf_launch l = launch_of(&o);
	uint8_t plain[SHA384_BYTES], digest[SHA384_BYTES], other[SHA384_BYTES];

	l.kernel = NULL;
	snp_of(&l, plain);
	maker_firmware(&whole, svsm_image, sizeof svsm_image);
	assert_int_equal(ovmf_parse(&svsm, svsm_image, sizeof svsm_image, NULL), 0);
	l.svsm = &svsm;
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP); /* it says no entry */
	svsm.has_svsm = true;
	snp_of(&l, digest);
	assert_memory_not_equal(digest, plain, sizeof plain);
	l.vars_size = 0x1000;
	snp_of(&l, other);
	assert_memory_not_equal(digest, other, sizeof other);
	l.vars_size = 0x800;
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP);
	l.vars_size = 0;
	l.vmm = VMM_EC2;
	assert_int_equal(digest_ovmf_snp(&l, digest, NULL), -EOPNOTSUPP);
}

/* --- ID blocks -------------------------------------------------------------------------------- */

static void id_blocks_verify_with_and_without_an_author(void **state)
{
	uint8_t block[96] = { 0x1D }, auth[4096];
	struct id_block b;

	block[0x54] = 7;
	maker_id_block(block, auth, 0);
	assert_int_equal(id_block_verify(block, auth, &b, NULL), 0);
	assert_false(b.has_author);
	assert_int_equal(b.guest_svn, 7);
	maker_id_block(block, auth, 1);
	assert_int_equal(id_block_verify(block, auth, &b, NULL), 0);
	assert_true(b.has_author);
	assert_memory_not_equal(b.id_key_digest, b.author_key_digest, SHA384_BYTES);
}

/* Whatever one bit of block or page is flipped. */
static void every_byte_of_an_id_block_counts(void **state)
{
	uint8_t block[96] = { 0x1D }, auth[4096];
	struct id_block b;

	maker_id_block(block, auth, 1);
	for (size_t i = 0; i < sizeof block + sizeof auth; i++) {
		uint8_t *p = i < sizeof block ? block + i : auth + (i - sizeof block);
		*p ^= (uint8_t)(1u << i % 8);
		int err = id_block_verify(block, auth, &b, NULL);
		if (err != -EBADMSG && err != -EKEYREJECTED)
			fail_msg("byte %zu: %d", i, err);
		*p ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(id_block_verify(block, auth, &b, NULL), 0);
}

static void an_author_cannot_be_taken_away(void **state)
{
	uint8_t block[96] = { 0 }, auth[4096];
	struct id_block b;

	maker_id_block(block, auth, 1);
	memset(auth + 4, 0, 4);
	assert_int_equal(id_block_verify(block, auth, &b, NULL), -EBADMSG);
}

/* --- published digests -------------------------------------------------------------------------- */

static struct predicted {
	uint8_t *p;
	size_t len;
} file_load(const char *name)
{
	struct predicted f = { 0 };
	char path[4096];

	if (name == NULL)
		return f;
	(void)snprintf(path, sizeof path, "%s/launch/%s", vectors, name);
	assert_int_equal(fd_read_path(path, 1u << 20, &f.p, &f.len, NULL), 0);
	return f;
}

static json_t *json_of(const char *name)
{
	if (vectors == NULL)
		skip();
	struct predicted f = file_load(name);
	json_t *j = json_loadb((const char *)f.p, f.len, 0, NULL);
	free(f.p);
	assert_non_null(j);
	return j;
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void digest_compare(const uint8_t *got, const char *want)
{
	uint8_t w[SHA384_BYTES];
	size_t len = strlen(want) / 2;

	assert_true(len == 32 || len == SHA384_BYTES);
	assert_int_equal(opts_parse_hex(want, w, len), 0);
	assert_memory_equal(got, w, len);
}

static enum digest_vmm vmm_of(const char *name)
{
	enum digest_vmm v = VMM_COUNT;

	if (strcmp(name, "QEMU") == 0)
		return VMM_QEMU;
	assert_int_equal(digest_vmm_parse(name, &v), 0);
	return v;
}

static void entry_check(const json_t *e)
{
	const char *mode = text_of(e, "mode"), *want = text_of(e, "expected");
	struct predicted f = file_load(text_of(e, "ovmf")), k = file_load(text_of(e, "kernel")),
			 i = file_load(text_of(e, "initrd"));
	uint8_t digest[SHA384_BYTES];
	struct ovmf o;
	struct ovmf_launch l = { .firmware = &o,
		.vmm = vmm_of(text_of(e, "vmm")),
		.vcpus = (uint32_t)json_integer_value(json_object_get(e, "vcpus")),
		.features = (uint64_t)json_integer_value(json_object_get(e, "guest_features")),
		.kernel = k.p,
		.kernel_len = k.len,
		.initrd = i.p,
		.initrd_len = i.len,
		.cmdline = text_of(e, "append") };

	assert_int_equal(ovmf_parse(&o, f.p, f.len, NULL), 0);
	if (text_of(e, "vcpu_type") != NULL)
		assert_int_equal(cpu_model_parse(text_of(e, "vcpu_type"), &l.signature), 0);
	int err = strcmp(mode, "SEV_SNP") == 0
			  ? digest_ovmf_snp(&l, digest, NULL)
			  : digest_sev(&l, strcmp(mode, "SEV_ES") == 0, digest, NULL);
	assert_int_equal(err, want == NULL ? -EOPNOTSUPP : 0);
	if (want != NULL)
		digest_compare(digest, want);
	free(f.p);
	free(k.p);
	free(i.p);
}

static void published_digests_are_reproduced(void **state)
{
	json_t *all = json_of("launch_digests.json"), *e;
	size_t i;

	assert_true(json_array_size(all) > 0);
	json_array_foreach(all, i, e) entry_check(e);
	json_decref(all);
}

static void published_mrtds_are_reproduced(void **state)
{
	json_t *all = json_of("mrtd/mrtd.json"), *e;
	size_t i;

	json_array_foreach(all, i, e)
	{
		char name[256];
		uint8_t digest[SHA384_BYTES];
		struct ovmf o;
		(void)snprintf(name, sizeof name, "mrtd/%s", text_of(e, "firmware"));
		struct predicted f = file_load(name);
		assert_int_equal(ovmf_parse(&o, f.p, f.len, NULL), 0);
		assert_int_equal(digest_mrtd(&o, false, digest, NULL), 0);
		digest_compare(digest, text_of(e, "single_pass"));
		assert_int_equal(digest_mrtd(&o, true, digest, NULL), 0);
		digest_compare(digest, text_of(e, "two_pass"));
		free(f.p);
	}
	json_decref(all);
}

static void published_vmsas_are_reproduced(void **state)
{
	static const struct {
		const char *file;
		enum digest_vmm vmm;
		const char *model;
		uint64_t features;
		bool is_bsp;
	} rows[] = {
		{ "vmsa/sev_es-qemu-EPYC-Milan-features0-bsp.bin", VMM_QEMU, "EPYC-Milan", 0,
			true },
		{ "vmsa/sev_es-qemu-EPYC-Milan-features0-ap.bin", VMM_QEMU, "EPYC-Milan", 0,
			false },
		{ "vmsa/sev_snp-qemu-EPYC-v4-features1-bsp.bin", VMM_QEMU, "EPYC-v4", 1, true },
		{ "vmsa/sev_snp-qemu-EPYC-v4-features1-ap.bin", VMM_QEMU, "EPYC-v4", 1, false },
		{ "vmsa/sev_snp-ec2-EPYC-v4-features1-bsp.bin", VMM_EC2, "EPYC-v4", 1, true },
		{ "vmsa/sev_snp-ec2-EPYC-v4-features1-ap.bin", VMM_EC2, "EPYC-v4", 1, false },
	};
	const struct ovmf o = { .ap_reset = 0x80B004 };

	if (vectors == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ovmf_launch l = {
			.firmware = &o, .vmm = rows[i].vmm, .features = rows[i].features
		};
		uint8_t page[PAGE_BYTES];
		assert_int_equal(cpu_model_parse(rows[i].model, &l.signature), 0);
		struct vmsa v = digest_vmsa(&l, rows[i].is_bsp);
		vmsa_print(&v, page);
		struct predicted f = file_load(rows[i].file);
		assert_int_equal(f.len, PAGE_BYTES);
		assert_memory_equal(f.p, page, PAGE_BYTES);
		free(f.p);
	}
}

static void published_id_blocks_verify(void **state)
{
	json_t *want = json_of("idblock/expected.json");
	struct predicted block = file_load("idblock/id_block.bin"),
			 edited = file_load("idblock/id_block-edited.bin"),
			 auth = file_load("idblock/id_auth.bin");
	struct id_block b;

	assert_int_equal(id_block_verify(block.p, auth.p, &b, NULL), 0);
	digest_compare(b.id_key_digest, text_of(want, "id_key_digest"));
	digest_compare(b.author_key_digest, text_of(want, "author_key_digest"));
	assert_int_equal(id_block_verify(edited.p, auth.p, &b, NULL), -EKEYREJECTED);
	free(block.p);
	free(edited.p);
	free(auth.p);
	json_decref(want);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_says_what_it_has),
		cmocka_unit_test(an_image_without_a_table_has_nothing),
		cmocka_unit_test(a_shim_without_a_table_has_its_descriptor),
		cmocka_unit_test(images_of_odd_length_are_refused),
		cmocka_unit_test(broken_tables_are_refused),
		cmocka_unit_test(metadata_past_the_end_are_refused),
		cmocka_unit_test(the_table_of_hashes_is_v7),
		cmocka_unit_test(each_input_changes_the_digest),
		cmocka_unit_test(vmms_start_their_vcpus_otherwise),
		cmocka_unit_test(impossible_launches_are_refused),
		cmocka_unit_test(names_are_those_of_qemu),
		cmocka_unit_test(mrtd_is_v5),
		cmocka_unit_test(mrtd_knows_two_orders_and_ignores_added_memory),
		cmocka_unit_test(the_digest_of_an_image_may_be_given),
		cmocka_unit_test(an_svsm_starts_first),
		cmocka_unit_test(id_blocks_verify_with_and_without_an_author),
		cmocka_unit_test(every_byte_of_an_id_block_counts),
		cmocka_unit_test(an_author_cannot_be_taken_away),
		cmocka_unit_test(published_digests_are_reproduced),
		cmocka_unit_test(published_mrtds_are_reproduced),
		cmocka_unit_test(published_vmsas_are_reproduced),
		cmocka_unit_test(published_id_blocks_verify),
	};
	struct stat st;

	if (argc > 1 && stat(argv[1], &st) == 0)
		vectors = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
