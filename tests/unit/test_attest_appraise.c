#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "attest/id_block.h"
#include "attest/sha384.h"
#include "policy/policy.h"
#include "tests/unit/cm.h"
#include "tests/unit/sev_maker.h"
#include "tests/unit/snp_maker.h"

#define TCB_MILAN 0xDB18000000000004u

static struct maker maker;
static struct attest_blob ark, ask, vcek, vlek, other_tcb_vcek, other_chip_vcek;

/* One verification; what it points to is here so that a test changes one thing. */
struct fixture {
	uint8_t report[SNP_REPORT_BYTES];
	struct attest_blob certs[4];
	struct attest_inputs in;
	struct policy *policy; /* not given until in.policy is set */
	struct verdict v;
};

static struct fixture *fixture_new(uint32_t version)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->policy = calloc(1, sizeof *f->policy);
	assert_non_null(f->policy);
	maker_report(f->report, version);
	maker_sign(f->report, maker.leaf);
	f->certs[0] = vcek;
	f->certs[1] = ask;
	f->in = (struct attest_inputs){ .evidence = { f->report, sizeof f->report },
		.certs = f->certs,
		.n_certs = 2,
		.roots = &ark,
		.n_roots = 1,
		.at = MAKER_NOW };
	struct policy *p = f->policy;
	p->tee.type = POLICY_TEE_SNP;
	p->tee.simulated = true;
	p->tee.snp.guest_policy_bits = 0x30000;
	p->tee.snp.guest_policy.smt = true;
	p->boot.n_launch_digests = 1;
	memset(p->boot.launch_digests[0].sha384, 0xD2, 48);
	memset(p->hash, 0xD3, 32);
	return f;
}

static void fixture_free(struct fixture *f)
{
	free(f->policy);
	free(f);
}

static void judge(struct fixture *f)
{
	struct why why = { 0 };

	if (attest_verify_snp(&f->in, &f->v, &why) < 0)
		fail_msg("no verdict: %s", why.text);
}

static void expect_row(const struct fixture *f, enum verdict_row_id row, enum verdict_status status)
{
	if (f->v.rows[row].status != status)
		fail_msg("row %s is %s (%s), want %s", verdict_row_name(row),
			verdict_status_name(f->v.rows[row].status), f->v.rows[row].why,
			verdict_status_name(status));
	assert_int_equal(f->v.overall >= status, 1);
	if (status == VERDICT_CONTRAINDICATED || status == VERDICT_WARNING)
		assert_true(f->v.rows[row].why[0] != '\0');
}

static void resign_and_judge(struct fixture *f)
{
	maker_sign(f->report, maker.leaf);
	judge(f);
}

/* --- signature, chain, trust -------------------------------------------------------------------- */

static void a_right_report_is_affirmed(void **state)
{
	for (uint32_t version = 2; version <= 5; version++) {
		struct fixture *f = fixture_new(version);
		judge(f);
		assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
		assert_int_equal(f->v.trust, TRUST_SIMULATED);
		expect_row(f, ROW_TRUST, VERDICT_NONE); /* nobody said which class is good enough */
		expect_row(f, ROW_SIGNATURE, VERDICT_AFFIRMING);
		expect_row(f, ROW_CHAIN, VERDICT_AFFIRMING);
		expect_row(f, ROW_TCB, VERDICT_AFFIRMING);
		expect_row(f, ROW_CHIP_ID, VERDICT_AFFIRMING);
		expect_row(f, ROW_REVOCATION, VERDICT_NONE);
		expect_row(f, ROW_MEASUREMENT, VERDICT_NONE);
		fixture_free(f);
	}
}

static void a_policy_that_fits_affirms_every_asked_row(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.policy = f->policy;
	f->in.report_data = f->report + 0x50;
	judge(f);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	const enum verdict_row_id rows[] = { ROW_TRUST, ROW_DEBUG, ROW_MIGRATION, ROW_POLICY,
		ROW_MEASUREMENT, ROW_REPORT_DATA, ROW_HOST_DATA, ROW_VMPL, ROW_PLATFORM_INFO };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		expect_row(f, rows[i], VERDICT_AFFIRMING);
	fixture_free(f);
}

/* Every signed byte that the parser takes as it is: one flipped bit breaks the signature. */
static void any_flipped_bit_is_found(void **state)
{
	struct fixture *f = fixture_new(5);

	for (size_t at = 0; at < SNP_REPORT_BYTES; at += 5) {
		uint8_t bit = (uint8_t)(1u << (at % 8));
		f->report[at] ^= bit;
		struct why why = { 0 };
		int err = attest_verify_snp(&f->in, &f->v, &why);
		if (err == 0) {
			expect_row(f, ROW_SIGNATURE, VERDICT_CONTRAINDICATED);
			assert_int_equal(f->v.trust, TRUST_HOST); /* whose root is beside it */
		} else {
			assert_true(err == -EBADMSG || err == -EPROTONOSUPPORT);
		}
		f->report[at] ^= bit;
	}
	judge(f);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void signatures_of_other_keys_and_none_are_refused(void **state)
{
	struct fixture *f = fixture_new(3);

	maker_sign(f->report, maker.other);
	judge(f);
	expect_row(f, ROW_SIGNATURE, VERDICT_CONTRAINDICATED);
	memset(f->report + SNP_REPORT_SIGNED, 0, SNP_REPORT_BYTES - SNP_REPORT_SIGNED);
	judge(f);
	expect_row(f, ROW_SIGNATURE, VERDICT_CONTRAINDICATED);
	maker_sign(f->report, maker.leaf);
	f->report[0x2A0 + 60] = 1; /* R beyond 384 bits */
	judge(f);
	expect_row(f, ROW_SIGNATURE, VERDICT_CONTRAINDICATED);
	maker_sign(f->report, maker.leaf);
	f->report[SNP_REPORT_BYTES - 1] = 1; /* behind S, where no signature covers it */
	judge(f);
	expect_row(f, ROW_SIGNATURE, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void without_a_certificate_nothing_is_proven(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.n_certs = 0;
	judge(f);
	expect_row(f, ROW_SIGNATURE, VERDICT_NONE);
	expect_row(f, ROW_CHAIN, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_TRUST, VERDICT_CONTRAINDICATED);
	assert_int_equal(f->v.trust, TRUST_HOST);
	fixture_free(f);
}

static void without_a_root_nothing_is_proven(void **state)
{
	struct fixture *f = fixture_new(3);

	f->certs[2] = ark; /* at hand, but nobody trusts it */
	f->in.n_certs = 3;
	f->in.n_roots = 0;
	judge(f);
	expect_row(f, ROW_CHAIN, VERDICT_CONTRAINDICATED);
	assert_int_equal(f->v.trust, TRUST_HOST);
	fixture_free(f);
}

static void an_unreadable_blob_counts_as_absent(void **state)
{
	struct fixture *f = fixture_new(3);
	const uint8_t noise[] = "noise";

	f->certs[2] = (struct attest_blob){ noise, sizeof noise };
	f->in.n_certs = 3;
	judge(f);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	f->certs[0] = f->certs[2];
	judge(f);
	expect_row(f, ROW_CHAIN, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void the_fitting_leaf_is_found_among_many(void **state)
{
	struct fixture *f = fixture_new(3);

	f->certs[0] = other_tcb_vcek;
	f->certs[2] = other_chip_vcek;
	f->certs[3] = vcek;
	f->in.n_certs = 4;
	judge(f);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void a_certificate_of_another_tcb_or_chip_is_refused(void **state)
{
	struct fixture *f = fixture_new(3);

	f->certs[0] = other_tcb_vcek;
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_CHIP_ID, VERDICT_AFFIRMING);
	f->certs[0] = other_chip_vcek;
	judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_TCB, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void key_info_and_certificate_have_to_agree(void **state)
{
	struct fixture *f = fixture_new(3);

	maker_put32(f->report + 0x48, SNP_KEY_VLEK << 2);
	resign_and_judge(f);
	expect_row(f, ROW_CHAIN, VERDICT_CONTRAINDICATED);
	maker_put32(f->report + 0x48, SNP_KEY_NONE << 2);
	resign_and_judge(f);
	expect_row(f, ROW_SIGNATURE, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void a_masked_chip_is_no_answer_unless_asked_for(void **state)
{
	struct fixture *f = fixture_new(3);

	memset(f->report + 0x1A0, 0, 64);
	resign_and_judge(f);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	expect_row(f, ROW_CHIP_ID, VERDICT_NONE);
	f->policy->tee.snp.n_chips = 1;
	f->in.policy = f->policy;
	judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void simulated_trust_is_for_policies_that_say_so(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.policy = f->policy;
	judge(f);
	expect_row(f, ROW_TRUST, VERDICT_AFFIRMING);
	f->policy->tee.simulated = false;
	judge(f);
	expect_row(f, ROW_TRUST, VERDICT_CONTRAINDICATED);
	assert_int_equal(f->v.overall, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void cpuid_of_another_product_is_refused(void **state)
{
	struct fixture *f = fixture_new(3);

	f->report[0x189] = 0x11; /* Genoa */
	resign_and_judge(f);
	expect_row(f, ROW_PRODUCT, VERDICT_CONTRAINDICATED);
	f->report[0x189] = 0x77; /* nobody's */
	resign_and_judge(f);
	expect_row(f, ROW_PRODUCT, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void firmware_levels_have_to_be_in_order(void **state)
{
	static const struct {
		size_t at; /* byte of a component that is lowered */
	} rows[] = { { 0x1E0 + 6 } /* COMMITTED below REPORTED */, { 0x038 + 7 } /* CURRENT */ };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f = fixture_new(3);
		f->report[rows[i].at]--;
		resign_and_judge(f);
		expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
		fixture_free(f);
	}
	struct fixture *f = fixture_new(3);
	f->report[0x1F0 + 7]++; /* LAUNCH above CURRENT */
	resign_and_judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void a_time_outside_the_certificates_is_refused(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.at = MAKER_NOW + 1000 * 24 * (time_t)3600;
	judge(f);
	expect_row(f, ROW_CHAIN, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

/* --- expected values and policy ------------------------------------------------------------------ */

static void values_that_differ_are_refused(void **state)
{
	struct fixture *f = fixture_new(3);
	const uint8_t wrong[64] = { 0 };
	const uint8_t digests[2][48] = { { 1 }, { 2 } };

	f->in.report_data = wrong;
	f->in.host_data = wrong;
	f->in.digests = digests;
	f->in.n_digests = 2;
	judge(f);
	expect_row(f, ROW_REPORT_DATA, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_HOST_DATA, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_MEASUREMENT, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void any_of_the_expected_digests_will_do(void **state)
{
	struct fixture *f = fixture_new(3);
	uint8_t digests[2][48] = { { 1 }, { 2 } };

	memset(digests[1], 0xD2, 48);
	f->in.digests = (const uint8_t(*)[48])digests;
	f->in.n_digests = 2;
	judge(f);
	expect_row(f, ROW_MEASUREMENT, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void a_policy_without_any_digest_does_not_pass(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.policy = f->policy;
	f->policy->boot.n_launch_digests = 0;
	judge(f);
	expect_row(f, ROW_MEASUREMENT, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void debug_and_migration_are_shown_and_refused(void **state)
{
	struct fixture *f = fixture_new(3);

	maker_put64(f->report + 8, 0xF0000);
	resign_and_judge(f);
	expect_row(f, ROW_DEBUG, VERDICT_WARNING);
	expect_row(f, ROW_MIGRATION, VERDICT_WARNING);
	assert_int_equal(f->v.overall, VERDICT_WARNING);
	f->in.policy = f->policy;
	judge(f);
	expect_row(f, ROW_DEBUG, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_MIGRATION, VERDICT_CONTRAINDICATED);
	f->policy->tee.snp.guest_policy.debug = true;
	judge(f);
	expect_row(f, ROW_DEBUG, VERDICT_AFFIRMING);
	expect_row(f, ROW_MIGRATION, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void guest_policies_are_compared_bit_by_bit(void **state)
{
	static const struct {
		uint64_t report, reference;
		enum verdict_status want;
	} rows[] = {
		{ 0x30000, 0x30000, VERDICT_AFFIRMING },
		{ 0x20000, 0x30000, VERDICT_AFFIRMING },       /* SMT off is stricter */
		{ 0x30000, 0x20000, VERDICT_CONTRAINDICATED }, /* SMT on is not */
		{ 0x130000, 0x30000, VERDICT_AFFIRMING },      /* single socket is stricter */
		{ 0x30000, 0x130000, VERDICT_CONTRAINDICATED },
		{ 0x230000, 0x30000, VERDICT_CONTRAINDICATED }, /* CXL */
		{ 0x30137, 0x30136, VERDICT_AFFIRMING }, /* ABI 1.55 where 1.54 is asked for */
		{ 0x300FF, 0x30100, VERDICT_CONTRAINDICATED }, /* 0.255 is below 1.0 */
		{ 0x10000, 0x30000, VERDICT_CONTRAINDICATED }, /* bit 17 */
		{ 0x10000030000, 0x30000, VERDICT_CONTRAINDICATED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture *f = fixture_new(3);
		maker_put64(f->report + 8, rows[i].report);
		f->policy->tee.snp.guest_policy_bits = rows[i].reference;
		f->in.policy = f->policy;
		resign_and_judge(f);
		expect_row(f, ROW_POLICY, rows[i].want);
		fixture_free(f);
	}
}

static void malformed_guest_policies_are_refused_without_a_policy(void **state)
{
	struct fixture *f = fixture_new(3);

	maker_put64(f->report + 8, 0x10000);
	resign_and_judge(f);
	expect_row(f, ROW_POLICY, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void the_minimum_tcb_is_of_the_proven_product(void **state)
{
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	s->n_min_tcbs = 2;
	s->min_tcbs[0] =
		(struct policy_min_tcb){ true, POLICY_PRODUCT_GENOA, { 0, 9, 0, 99, 255 } };
	s->min_tcbs[1] =
		(struct policy_min_tcb){ true, POLICY_PRODUCT_MILAN, { 0, 4, 0, 24, 219 } };
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_AFFIRMING);
	s->min_tcbs[0].product = POLICY_PRODUCT_MILAN;
	s->min_tcbs[1].product = POLICY_PRODUCT_GENOA;
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_TCB].why, "below the policy's minimum"));
	s->min_tcbs[0].product = POLICY_PRODUCT_TURIN;
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_TCB].why, "no row for this product"));
	fixture_free(f);
}

static void the_minimum_tcb_is_of_the_named_field(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.policy = f->policy;
	f->policy->tee.snp.n_min_tcbs = 1;
	f->policy->tee.snp.min_tcbs[0].tcb = (struct policy_tcb){ 0, 4, 0, 24, 219 };
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_AFFIRMING);
	f->policy->tee.snp.min_tcbs[0].tcb.snp = 25;
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_TCB].why, "COMMITTED_TCB: snp"));
	f->report[0x38 + 6] = 25; /* CURRENT is newer, COMMITTED is not */
	f->policy->tee.snp.tcb_field = POLICY_TCB_CURRENT;
	resign_and_judge(f);
	expect_row(f, ROW_TCB, VERDICT_AFFIRMING);
	f->policy->tee.snp.tcb_field = POLICY_TCB_COMMITTED;
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void vmpl_is_the_policys_and_never_the_hosts(void **state)
{
	struct fixture *f = fixture_new(3);

	maker_put32(f->report + 0x30, 1);
	resign_and_judge(f);
	expect_row(f, ROW_VMPL, VERDICT_NONE);
	f->in.policy = f->policy;
	judge(f);
	expect_row(f, ROW_VMPL, VERDICT_CONTRAINDICATED);
	f->policy->tee.snp.vmpl = 1;
	judge(f);
	expect_row(f, ROW_VMPL, VERDICT_AFFIRMING);
	f->in.policy = NULL;
	maker_put32(f->report + 0x30, SNP_VMPL_HOST);
	resign_and_judge(f);
	expect_row(f, ROW_VMPL, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void platform_bits_are_required_and_forbidden(void **state)
{
	struct fixture *f = fixture_new(3); /* 0x25: SMT, ECC, alias check */

	f->in.policy = f->policy;
	f->policy->tee.snp.platform_require = SNP_PLATFORM_ALIAS_CHECK;
	f->policy->tee.snp.platform_forbid = SNP_PLATFORM_TSME_EN;
	judge(f);
	expect_row(f, ROW_PLATFORM_INFO, VERDICT_AFFIRMING);
	f->policy->tee.snp.platform_forbid = SNP_PLATFORM_SMT_EN;
	judge(f);
	expect_row(f, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED);
	f->policy->tee.snp.platform_forbid = 0;
	f->policy->tee.snp.platform_require = SNP_PLATFORM_CIPHERTEXT_HIDING;
	judge(f);
	expect_row(f, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_PLATFORM_INFO].why, "ciphertext hiding"));
	fixture_free(f);
}

static void products_and_chips_are_those_of_the_policy(void **state)
{
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	s->n_products = 1;
	s->products[0] = POLICY_PRODUCT_MILAN;
	s->n_chips = 2;
	memset(s->chips[1].id, 0xC1, 64);
	judge(f);
	expect_row(f, ROW_PRODUCT, VERDICT_AFFIRMING);
	expect_row(f, ROW_CHIP_ID, VERDICT_AFFIRMING);
	s->products[0] = POLICY_PRODUCT_GENOA;
	s->n_chips = 1;
	judge(f);
	expect_row(f, ROW_PRODUCT, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_CHIP_ID, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

/* A signed block for what the fixture's report says; the report names its keys. */
static void id_block_sign(struct fixture *f)
{
	struct policy_snp *s = &f->policy->tee.snp;
	struct id_block b;

	memcpy(s->id_block.block, f->report + 0x90, 48);       /* launch digest */
	memset(s->id_block.block + 0x30, 0x11, 16);            /* family id */
	memcpy(s->id_block.block + 0x58, f->report + 0x08, 8); /* guest policy */
	maker_put32(s->id_block.block + 0x54, 0);              /* guest SVN */
	memset(f->report + 0x10, 0x11, 16);
	memset(f->report + 0x20, 0, 16);
	maker_put32(f->report + 0x04, 0);
	maker_id_block(s->id_block.block, s->id_block.auth, 1);
	assert_int_equal(id_block_verify(s->id_block.block, s->id_block.auth, &b, NULL), 0);
	memcpy(f->report + 0xE0, b.id_key_digest, 48);
	memcpy(f->report + 0x110, b.author_key_digest, 48);
	memcpy(s->author_key, b.author_key_digest, 48);
	maker_put32(f->report + 0x48, SNP_KEY_AUTHOR_KEY_EN);
	resign_and_judge(f);
}

static void id_blocks_are_compared_by_key_and_content(void **state)
{
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	s->has_id_block = true;
	id_block_sign(f);
	expect_row(f, ROW_ID_KEY, VERDICT_AFFIRMING);
	f->report[0x20] = 1; /* image id */
	resign_and_judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
	f->report[0x20] = 0;
	memset(f->report + 0xE0, 0, 48);
	resign_and_judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED); /* launched without one */
	fixture_free(f);
}

/* One byte of each field of block and page: nothing of a forged block is believed. */
static void id_blocks_whose_signature_fails_are_refused(void **state)
{
	static const size_t auth_at[] = { 0, 4, 0x40, 0x40 + 72, 0x240, 0x244, 0x680, 0x884, 4095 };
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	s->has_id_block = true;
	s->has_author_key = true;
	id_block_sign(f);
	expect_row(f, ROW_AUTHOR_KEY, VERDICT_AFFIRMING);
	for (size_t i = 0; i < ARRAY_LEN(auth_at); i++) {
		s->id_block.auth[auth_at[i]] ^= 1;
		judge(f);
		expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
		s->id_block.auth[auth_at[i]] ^= 1;
	}
	s->id_block.block[0] ^= 1;
	judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
	s->id_block.block[0] ^= 1;
	s->author_key[0] ^= 1;
	judge(f);
	expect_row(f, ROW_AUTHOR_KEY, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

static void author_keys_have_to_be_enabled(void **state)
{
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	s->has_author_key = true;
	memset(s->author_key, 0x77, 48);
	memset(f->report + 0x110, 0x77, 48);
	resign_and_judge(f);
	expect_row(f, ROW_AUTHOR_KEY, VERDICT_CONTRAINDICATED);
	maker_put32(f->report + 0x48, SNP_KEY_AUTHOR_KEY_EN);
	resign_and_judge(f);
	expect_row(f, ROW_AUTHOR_KEY, VERDICT_AFFIRMING);
	s->author_key[0] ^= 1;
	judge(f);
	expect_row(f, ROW_AUTHOR_KEY, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

/* One demand of the policy that the report meets, and the same with one thing more. */
static void id_values_are_those_of_the_policy(void **state)
{
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	s->n_id_keys = 2;
	memset(s->id_keys[0].sha384, 0x11, 48);
	memset(s->id_keys[1].sha384, 0x22, 48);
	judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_ID_KEY].why, "without an ID block"));
	memset(f->report + 0xE0, 0x22, 48);
	resign_and_judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_AFFIRMING);
	s->n_id_keys = 1;
	judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_ID_KEY].why, "none of the policy's id_keys"));
	s->n_id_keys = 0;

	s->has_family_id = true;
	memset(s->family_id, 0x33, 16);
	judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
	memset(f->report + 0x10, 0x33, 16);
	resign_and_judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_AFFIRMING);
	s->has_image_id = true;
	s->image_id[15] = 1;
	judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
	f->report[0x2F] = 1;
	resign_and_judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_AFFIRMING);

	s->min_guest_svn = 3;
	maker_put32(f->report + 4, 2);
	resign_and_judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_CONTRAINDICATED);
	maker_put32(f->report + 4, 3);
	resign_and_judge(f);
	expect_row(f, ROW_ID_KEY, VERDICT_AFFIRMING);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void firmware_is_as_new_and_as_final_as_the_policy_wants(void **state)
{
	static const struct {
		uint64_t major, minor, build;
		enum verdict_status status;
	} cases[] = {
		{ 1, 55, 7, VERDICT_AFFIRMING }, /* what the report has */
		{ 1, 55, 8, VERDICT_CONTRAINDICATED },
		{ 1, 54, 200, VERDICT_AFFIRMING },
		{ 1, 56, 0, VERDICT_CONTRAINDICATED },
		{ 2, 0, 0, VERDICT_CONTRAINDICATED },
		{ 0, 255, 255, VERDICT_AFFIRMING },
	};
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		s->min_major = cases[i].major;
		s->min_minor = cases[i].minor;
		s->min_build = cases[i].build;
		judge(f);
		expect_row(f, ROW_TCB, cases[i].status);
	}
	s->min_major = 0;
	s->provisional = POLICY_FORBID;
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_AFFIRMING);
	f->report[0x1E8] = 8; /* the build that runs, not the committed one */
	resign_and_judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_TCB].why, "provisional"));
	f->report[0x1E8] = 7;
	f->report[0x38 + 6]++; /* CURRENT_TCB: a later SNP firmware */
	resign_and_judge(f);
	expect_row(f, ROW_TCB, VERDICT_CONTRAINDICATED);
	s->provisional = POLICY_ANY;
	judge(f);
	expect_row(f, ROW_TCB, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void mitigations_are_in_both_vectors(void **state)
{
	struct fixture *f = fixture_new(5);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	s->mitigations = 0x21;
	judge(f);
	expect_row(f, ROW_PLATFORM_INFO, VERDICT_AFFIRMING);
	s->mitigations = 0x41;
	judge(f);
	expect_row(f, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED);
	s->mitigations = 0x21;
	for (size_t at = 0x1F8; at <= 0x200; at += 8) {
		f->report[at] = 0x1F;
		resign_and_judge(f);
		expect_row(f, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED);
		f->report[at] = 0x3F;
	}
	fixture_free(f);
	f = fixture_new(3);
	f->in.policy = f->policy;
	f->policy->tee.snp.mitigations = 1;
	judge(f);
	expect_row(f, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(f->v.rows[ROW_PLATFORM_INFO].why, "no mitigation vectors"));
	fixture_free(f);
}

static void providers_are_those_of_the_policy(void **state)
{
	struct fixture *f = fixture_new(3);
	struct policy_snp *s = &f->policy->tee.snp;

	f->in.policy = f->policy;
	f->in.n_certs = 1; /* no ASVK: the VLEK's chain is not what this test is about */
	s->n_csp_ids = 2;
	(void)snprintf(s->csp_ids[0].id, sizeof s->csp_ids[0].id, "CN=other.example");
	(void)snprintf(s->csp_ids[1].id, sizeof s->csp_ids[1].id, "CN=csp.example");
	judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_CONTRAINDICATED); /* a VCEK names nobody */
	f->certs[0] = vlek;
	maker_put32(f->report + 0x48, SNP_KEY_VLEK << 2);
	resign_and_judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_NONE);
	s->n_csp_ids = 1;
	judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_CONTRAINDICATED);
	assert_string_equal(f->v.rows[ROW_CHIP_ID].actual, "CN=csp.example");
	fixture_free(f);
}

static void a_policy_out_of_its_time_or_kind_is_refused(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.policy = f->policy;
	f->policy->has_valid = true;
	f->policy->valid.not_before = MAKER_NOW - 10;
	f->policy->valid.not_after = MAKER_NOW + 10;
	judge(f);
	expect_row(f, ROW_POLICY, VERDICT_AFFIRMING);
	f->policy->valid.not_after = MAKER_NOW - 1;
	judge(f);
	expect_row(f, ROW_POLICY, VERDICT_CONTRAINDICATED);
	f->policy->has_valid = false;
	f->policy->tee.type = POLICY_TEE_NONE;
	judge(f);
	expect_row(f, ROW_POLICY, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

/* --- revocation ------------------------------------------------------------------------------- */

static struct attest_blob crl_blob(const char *issuer, bool revokes)
{
	X509 *x = NULL;
	const unsigned char *at = ask.p;
	unsigned char *der = NULL;

	if (revokes)
		x = d2i_X509(NULL, &at, (long)ask.len);
	X509_CRL *crl = maker_crl(&maker, issuer, NULL, x, MAKER_NOW - 86400, MAKER_NOW + 86400);
	int len = i2d_X509_CRL(crl, &der);
	assert_true(len > 0);
	X509_free(x);
	X509_CRL_free(crl);
	return (struct attest_blob){ der, (size_t)len };
}

static void crls_of_the_host_push_out_none_of_the_callers(void **state)
{
	struct fixture *f = fixture_new(3);
	struct attest_blob flood = crl_blob("ARK-Genoa", false);
	struct attest_blob revoking = crl_blob("ARK-Milan", true);
	struct attest_blob certs[2 + LIMIT_CRLS];

	for (size_t i = 0; i < LIMIT_CRLS; i++)
		certs[i] = flood;
	certs[LIMIT_CRLS] = vcek;
	certs[LIMIT_CRLS + 1] = ask;
	f->in.certs = certs;
	f->in.n_certs = ARRAY_LEN(certs);
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_NONE);
	assert_int_equal(f->v.overall, VERDICT_AFFIRMING);
	f->in.crls = &revoking;
	f->in.n_crls = 1;
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_CONTRAINDICATED);
	OPENSSL_free((void *)(uintptr_t)flood.p);
	OPENSSL_free((void *)(uintptr_t)revoking.p);
	fixture_free(f);
}

static void a_given_crl_that_is_not_taken_is_a_warning(void **state)
{
	struct fixture *f = fixture_new(3);
	struct attest_blob fresh = crl_blob("ARK-Milan", false);
	struct attest_blob crls[LIMIT_CRLS + 1];

	for (size_t i = 0; i < ARRAY_LEN(crls); i++)
		crls[i] = fresh;
	f->in.crls = crls;
	f->in.n_crls = LIMIT_CRLS;
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_AFFIRMING);
	f->in.n_crls = ARRAY_LEN(crls); /* more than there is room for */
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_WARNING);
	crls[0].len--; /* cut */
	f->in.n_crls = 1;
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_WARNING);
	OPENSSL_free((void *)(uintptr_t)fresh.p);
	fixture_free(f);
}

static void a_policy_may_require_a_crl(void **state)
{
	struct fixture *f = fixture_new(3);
	struct attest_blob fresh = crl_blob("ARK-Milan", false);

	f->in.policy = f->policy;
	f->policy->tee.endorsements.require_crl = true;
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_CONTRAINDICATED);
	f->in.crls = &fresh;
	f->in.n_crls = 1;
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_AFFIRMING);
	f->in.at = MAKER_NOW + 30 * 86400; /* the list has expired, the certificates have not */
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_WARNING);
	f->policy->tee.endorsements.has_max_age = true;
	f->policy->tee.endorsements.max_age_days = 29;
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_CONTRAINDICATED);
	f->policy->tee.endorsements.max_age_days = 30;
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_WARNING);
	OPENSSL_free((void *)(uintptr_t)fresh.p);
	fixture_free(f);
}

static void denied_chips_and_digests_are_refused(void **state)
{
	struct fixture *f = fixture_new(3);
	struct policy_endorsements *p = &f->policy->tee.endorsements;

	f->in.policy = f->policy;
	p->n_deny_chips = p->n_deny_digests = 1;
	memset(p->deny_chips[0].id, 0x77, sizeof p->deny_chips[0].id);
	memset(p->deny_digests[0].sha384, 0x77, sizeof p->deny_digests[0].sha384);
	judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_AFFIRMING);
	expect_row(f, ROW_MEASUREMENT, VERDICT_AFFIRMING);
	memcpy(p->deny_chips[0].id, f->report + 0x1A0, 64);
	memcpy(p->deny_digests[0].sha384, f->report + 0x90, 48);
	judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_MEASUREMENT, VERDICT_CONTRAINDICATED);
	memset(f->report + 0x1A0, 0, 64); /* hidden in the report, but its certificate names it */
	resign_and_judge(f);
	expect_row(f, ROW_CHIP_ID, VERDICT_CONTRAINDICATED);
	fixture_free(f);
}

/* --- the verdict as a whole ----------------------------------------------------------------------- */

static void a_required_row_has_to_be_answered(void **state)
{
	struct fixture *f = fixture_new(3);

	f->in.required_rows = ROW_BIT(ROW_REVOCATION) | ROW_BIT(ROW_SIGNATURE);
	judge(f);
	expect_row(f, ROW_REVOCATION, VERDICT_CONTRAINDICATED);
	expect_row(f, ROW_SIGNATURE, VERDICT_AFFIRMING);
	fixture_free(f);
}

static void the_json_has_the_contracted_keys(void **state)
{
	struct fixture *f = fixture_new(5);
	static uint8_t text[64 * 1024];
	struct wr w = wr_of(text, sizeof text);
	json_error_t e;

	judge(f);
	verdict_print_json(&f->v, &w);
	assert_int_equal(wr_check(&w), 0);
	json_t *j = json_loadb((const char *)text, w.len, JSON_REJECT_DUPLICATES, &e);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "verdict")), "affirming");
	assert_string_equal(json_string_value(json_object_get(j, "trust_class")), "simulated");
	assert_string_equal(json_string_value(json_object_get(j, "kind")), "snp");
	assert_int_equal(json_array_size(json_object_get(j, "rows")), ROW_COUNT);
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const json_t *row = json_array_get(json_object_get(j, "rows"), i);
		const char *const keys[] = { "row", "status", "expected", "actual", "why" };
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			assert_non_null(json_object_get(row, keys[k]));
		enum verdict_row_id id;
		assert_int_equal(
			verdict_row_parse(json_string_value(json_object_get(row, "row")), &id), 0);
		assert_int_equal(id, i);
	}
	const json_t *claims = json_object_get(j, "claims");
	assert_int_equal(json_integer_value(json_object_get(claims, "version")), 5);
	assert_true(json_is_false(json_object_get(claims, "policy_debug_allowed")));
	assert_int_equal(json_integer_value(json_object_get(claims, "reported_tcb_snp")), 24);
	json_decref(j);
	fixture_free(f);
}

static void a_worse_status_replaces_a_better_one(void **state)
{
	struct verdict *v = calloc(1, sizeof *v);
	char line[64];

	verdict_init(v, EVIDENCE_SNP);
	verdict_set(v, ROW_TCB, VERDICT_AFFIRMING, "", "", "%s", "");
	verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, "a", "b\n", "worse");
	verdict_set(v, ROW_TCB, VERDICT_WARNING, "", "", "better");
	verdict_close(v, 0);
	assert_int_equal(v->rows[ROW_TCB].status, VERDICT_CONTRAINDICATED);
	assert_string_equal(v->rows[ROW_TCB].actual, "b?");
	assert_int_equal(v->overall, VERDICT_CONTRAINDICATED);
	verdict_print_line(v, line, sizeof line);
	assert_string_equal(line, "tcb: worse");
	free(v);
}

static struct attest_blob ca_blob(const char *subject, EVP_PKEY *key, int pathlen)
{
	const struct maker_ca o = { .subject = subject,
		.issuer = "ARK-Milan",
		.key = key,
		.signer = maker.ark,
		.pathlen = pathlen };
	X509 *x = maker_ca(&o);
	struct attest_blob b = maker_der(x);

	X509_free(x);
	return b;
}

static struct attest_blob leaf_blob(uint64_t tcb, uint8_t chip, bool is_vlek)
{
	struct maker_leaf o = { .tcb = tcb, .is_vlek = is_vlek };

	memset(o.hwid, chip, sizeof o.hwid);
	X509 *x = maker_leaf(&maker, &o);
	struct attest_blob b = maker_der(x);
	X509_free(x);
	return b;
}

static int setup(void **state)
{
	maker_init(&maker);
	ark = ca_blob("ARK-Milan", maker.ark, 1);
	ask = ca_blob("SEV-Milan", maker.ask, 0);
	vcek = leaf_blob(TCB_MILAN, 0xC1, false);
	vlek = leaf_blob(TCB_MILAN, 0, true);
	other_tcb_vcek = leaf_blob(TCB_MILAN - (1ull << 48), 0xC1, false);
	other_chip_vcek = leaf_blob(TCB_MILAN, 0xC2, false);
	return 0;
}

static int teardown(void **state)
{
	struct attest_blob *blobs[] = { &ark, &ask, &vcek, &vlek, &other_tcb_vcek,
		&other_chip_vcek };

	for (size_t i = 0; i < ARRAY_LEN(blobs); i++)
		free((void *)(uintptr_t)blobs[i]->p);
	maker_done(&maker);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_report_is_affirmed),
		cmocka_unit_test(a_policy_that_fits_affirms_every_asked_row),
		cmocka_unit_test(any_flipped_bit_is_found),
		cmocka_unit_test(signatures_of_other_keys_and_none_are_refused),
		cmocka_unit_test(without_a_certificate_nothing_is_proven),
		cmocka_unit_test(without_a_root_nothing_is_proven),
		cmocka_unit_test(an_unreadable_blob_counts_as_absent),
		cmocka_unit_test(the_fitting_leaf_is_found_among_many),
		cmocka_unit_test(a_certificate_of_another_tcb_or_chip_is_refused),
		cmocka_unit_test(key_info_and_certificate_have_to_agree),
		cmocka_unit_test(a_masked_chip_is_no_answer_unless_asked_for),
		cmocka_unit_test(simulated_trust_is_for_policies_that_say_so),
		cmocka_unit_test(cpuid_of_another_product_is_refused),
		cmocka_unit_test(firmware_levels_have_to_be_in_order),
		cmocka_unit_test(a_time_outside_the_certificates_is_refused),
		cmocka_unit_test(values_that_differ_are_refused),
		cmocka_unit_test(any_of_the_expected_digests_will_do),
		cmocka_unit_test(a_policy_without_any_digest_does_not_pass),
		cmocka_unit_test(debug_and_migration_are_shown_and_refused),
		cmocka_unit_test(guest_policies_are_compared_bit_by_bit),
		cmocka_unit_test(malformed_guest_policies_are_refused_without_a_policy),
		cmocka_unit_test(the_minimum_tcb_is_of_the_proven_product),
		cmocka_unit_test(the_minimum_tcb_is_of_the_named_field),
		cmocka_unit_test(vmpl_is_the_policys_and_never_the_hosts),
		cmocka_unit_test(platform_bits_are_required_and_forbidden),
		cmocka_unit_test(products_and_chips_are_those_of_the_policy),
		cmocka_unit_test(id_blocks_are_compared_by_key_and_content),
		cmocka_unit_test(id_blocks_whose_signature_fails_are_refused),
		cmocka_unit_test(author_keys_have_to_be_enabled),
		cmocka_unit_test(id_values_are_those_of_the_policy),
		cmocka_unit_test(firmware_is_as_new_and_as_final_as_the_policy_wants),
		cmocka_unit_test(mitigations_are_in_both_vectors),
		cmocka_unit_test(providers_are_those_of_the_policy),
		cmocka_unit_test(a_policy_out_of_its_time_or_kind_is_refused),
		cmocka_unit_test(crls_of_the_host_push_out_none_of_the_callers),
		cmocka_unit_test(a_given_crl_that_is_not_taken_is_a_warning),
		cmocka_unit_test(a_policy_may_require_a_crl),
		cmocka_unit_test(denied_chips_and_digests_are_refused),
		cmocka_unit_test(a_required_row_has_to_be_answered),
		cmocka_unit_test(the_json_has_the_contracted_keys),
		cmocka_unit_test(a_worse_status_replaces_a_better_one),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
