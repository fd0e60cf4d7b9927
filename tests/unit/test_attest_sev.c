#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/evidence.h"
#include "attest/sev_chain.h"
#include "attest/sev_session.h"
#include "base/fd.h"
#include "base/opts.h"
#include "policy/policy.h"
#include "tests/unit/cm.h"
#include "tests/unit/sev_maker.h"

static struct sev_maker maker; /* made once: RSA keys take their time */
static const char *vectors;    /* a collection of real evidence; NULL: none here */
static struct verdict verdict;

#define SEV_POLICY 0x00160005u /* API 22.0 at least, SEV-ES, no debugging */

static const uint8_t api[3] = { 0, 22, 9 };

/* --- a case that is in order, for tests to spoil ------------------------------------------------- */

struct fixture {
	uint8_t certs[MAKER_KEYS][MAKER_SEV_CERT];
	struct attest_blob blobs[MAKER_KEYS], root;
	uint8_t tik[48], digest[32], evidence[48];
	struct policy *policy;
	struct attest_inputs in;
};

/* What sev-session writes behind the TIK. */
static void pdh_digest(const uint8_t *cert, uint8_t ret[32])
{
	assert_int_equal(EVP_Digest(cert, 1044, ret, NULL, EVP_sha256(), NULL), 1);
}

static struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->policy = calloc(1, sizeof *f->policy);
	assert_non_null(f->policy);
	memcpy(f->certs, maker.certs, sizeof f->certs);
	for (size_t i = 0; i < MAKER_KEYS; i++)
		f->blobs[i] = (struct attest_blob){ f->certs[i], maker.len[i] };
	f->root = (struct attest_blob){ maker.certs[MAKER_ARK], maker.len[MAKER_ARK] };
	memset(f->tik, 0x71, sizeof f->tik);
	pdh_digest(f->certs[MAKER_PDH], f->tik + 16);
	memset(f->digest, 0xD1, sizeof f->digest);
	maker_measure(f->tik, api, SEV_POLICY, f->digest, f->evidence);
	f->policy->tee.type = POLICY_TEE_SEV_ES;
	f->policy->tee.simulated = true;
	f->policy->tee.has_sev = true;
	f->policy->tee.sev =
		(struct policy_sev){ .policy = SEV_POLICY, .api_minor = 22, .build = 5 };
	f->policy->boot.n_launch_digests = 1;
	memcpy(f->policy->boot.launch_digests[0].sha384, f->digest, 32);
	f->policy->tee.sev.migration = true; /* SEV_POLICY does not forbid it */
	f->in = (struct attest_inputs){
		.evidence = { f->evidence, sizeof f->evidence },
		.certs = f->blobs,
		.n_certs = MAKER_KEYS,
		.roots = &f->root,
		.n_roots = 1,
		.policy = f->policy,
		.sev = { .tik = { f->tik, sizeof f->tik },
			.api_minor = api[1],
			.build = api[2],
			.policy = SEV_POLICY },
	};
	return f;
}

static void fixture_free(struct fixture *f)
{
	free(f->policy);
	free(f);
}

static void expect(struct fixture *f, enum verdict_status overall, enum verdict_row_id row,
	enum verdict_status status)
{
	assert_int_equal(attest_verify(&f->in, &verdict, NULL), 0);
	if (verdict.overall != overall || verdict.rows[row].status != status) {
		char line[800];
		verdict_print_line(&verdict, line, sizeof line);
		fail_msg("row %s is %s; %s", verdict_row_name(row),
			verdict_status_name(verdict.rows[row].status), line);
	}
}

#define YES  VERDICT_AFFIRMING
#define NO   VERDICT_CONTRAINDICATED
#define NONE VERDICT_NONE

/* --- verdicts --------------------------------------------------------------------------------- */

static void a_launch_in_order_is_affirmed(void **state)
{
	struct fixture *f = fixture_new();

	expect(f, YES, ROW_SIGNATURE, YES);
	assert_int_equal(verdict.trust, TRUST_SIMULATED);
	expect(f, YES, ROW_MEASUREMENT, YES);
	expect(f, YES, ROW_CHAIN, YES);
	expect(f, YES, ROW_TCB, YES);
	expect(f, YES, ROW_POLICY, YES);
	expect(f, YES, ROW_DEBUG, YES);
	fixture_free(f);
}

static void every_flipped_bit_of_a_measurement_is_refused(void **state)
{
	struct fixture *f = fixture_new();

	for (size_t bit = 0; bit < 8 * sizeof f->evidence; bit++) {
		f->evidence[bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect(f, NO, ROW_SIGNATURE, NO);
		f->evidence[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	fixture_free(f);
}

/* A bit of every seventh byte, padding and unused slots too: the chain says no. */
static void a_flipped_bit_of_any_certificate_is_refused(void **state)
{
	struct fixture *f = fixture_new();

	for (size_t k = 0; k < MAKER_KEYS; k++)
		for (size_t i = 0; i < maker.len[k]; i += 7) {
			f->certs[k][i] ^= (uint8_t)(1u << (i + k) % 8);
			if (k == MAKER_ARK) /* a root that somebody gave has to sign itself, too */
				f->root.p = f->certs[k];
			expect(f, NO, ROW_CHAIN, NO);
			f->root.p = maker.certs[MAKER_ARK];
			f->certs[k][i] ^= (uint8_t)(1u << (i + k) % 8);
			if (k != MAKER_ARK && k != MAKER_ASK && i == 203)
				i = 980; /* the key's zero padding is all alike */
		}
	fixture_free(f);
}

static void a_missing_certificate_is_named(void **state)
{
	static const char *const names[MAKER_KEYS] = { "ARK", "ASK", "CEK", "OCA", "PEK", "PDH" };
	struct fixture *f = fixture_new();

	for (size_t k = 0; k < MAKER_KEYS; k++) {
		size_t len = f->blobs[k].len;
		f->blobs[k].len = 0;
		f->in.n_roots = 0;
		expect(f, NO, ROW_CHAIN, NO);
		assert_non_null(strstr(verdict.rows[ROW_CHAIN].why, names[k]));
		f->blobs[k].len = len;
	}
	fixture_free(f);
}

static void a_root_that_nobody_gave_is_refused(void **state)
{
	struct fixture *f = fixture_new();

	f->in.n_roots = 0;
	expect(f, NO, ROW_CHAIN, NO);
	expect(f, NO, ROW_TRUST, NO);
	assert_int_equal(verdict.trust, TRUST_HOST);
	f->in.n_roots = 1;
	f->policy->tee.simulated = false;
	expect(f, NO, ROW_TRUST, NO);
	fixture_free(f);
}

static void a_chain_of_two_platforms_is_refused(void **state)
{
	static struct sev_maker other;
	struct fixture *f = fixture_new();

	sev_maker_init(&other, 2048);
	for (size_t k = 1; k < MAKER_KEYS; k++) {
		f->blobs[k].p = other.certs[k];
		expect(f, NO, ROW_CHAIN, NO);
		f->blobs[k].p = f->certs[k];
	}
	sev_maker_done(&other);
	fixture_free(f);
}

static void without_the_owners_key_nothing_is_affirmed(void **state)
{
	struct fixture *f = fixture_new();

	f->in.sev.tik.len = 0;
	expect(f, NO, ROW_SIGNATURE, NONE);
	expect(f, NO, ROW_OWNER, NO);
	f->in.policy = NULL; /* also when nothing is asked */
	expect(f, NO, ROW_OWNER, NO);
	f->in.sev.tik.len = sizeof f->tik;
	expect(f, NO, ROW_MEASUREMENT, NONE);
	f->in.sev.digest = f->digest;
	f->in.policy = f->policy;
	expect(f, YES, ROW_OWNER, YES);
	fixture_free(f);
}

/* The MAC is by the session's key whatever the certificates are. */
static void a_session_for_another_pdh_says_nothing_of_the_platform(void **state)
{
	static struct sev_maker other; /* shares the keys */
	struct fixture *f = fixture_new();

	other = maker;
	other.certs[MAKER_PDH][5] ^= 1; /* API minor */
	sev_maker_sign(&other, MAKER_PDH);
	memcpy(f->certs[MAKER_PDH], other.certs[MAKER_PDH], MAKER_SEV_CERT);
	expect(f, NO, ROW_OWNER, NO);
	expect(f, NO, ROW_CHAIN, YES);
	expect(f, NO, ROW_SIGNATURE, YES);
	assert_int_equal(verdict.trust, TRUST_HOST);
	f->in.sev.tik.len = 16; /* nobody knows */
	expect(f, VERDICT_WARNING, ROW_OWNER, VERDICT_WARNING);
	for (size_t len = 17; len < sizeof f->tik; len++) {
		f->in.sev.tik.len = len;
		expect(f, NO, ROW_OWNER, NO);
	}
	f->in.sev.tik.len = sizeof f->tik;
	memcpy(f->certs[MAKER_OCA], maker.certs[MAKER_PDH],
		MAKER_SEV_CERT); /* of two, the session's */
	f->blobs[MAKER_OCA].len = maker.len[MAKER_PDH];
	struct attest_blob certs[MAKER_KEYS + 1];
	memcpy(certs, f->blobs, sizeof f->blobs);
	certs[MAKER_KEYS] = (struct attest_blob){ maker.certs[MAKER_OCA], maker.len[MAKER_OCA] };
	f->in.certs = certs, f->in.n_certs = ARRAY_LEN(certs);
	expect(f, YES, ROW_OWNER, YES);
	assert_int_equal(verdict.trust, TRUST_SIMULATED);
	certs[MAKER_OCA] = f->blobs[MAKER_PDH], certs[MAKER_PDH] = f->blobs[MAKER_OCA];
	expect(f, YES, ROW_OWNER, YES);
	f->in.certs = f->blobs, f->in.n_certs = 0; /* no PDH at all */
	expect(f, NO, ROW_OWNER, NO);
	fixture_free(f);
}

static void another_digest_version_policy_or_key_fails_the_mac(void **state)
{
	struct fixture *f = fixture_new();

	f->policy->boot.launch_digests[0].sha384[0] ^= 1;
	expect(f, NO, ROW_SIGNATURE, NO);
	f->in.sev.digest = f->digest;
	expect(f, YES, ROW_SIGNATURE, YES);
	f->in.sev.build++;
	expect(f, NO, ROW_SIGNATURE, NO);
	f->in.sev.build--;
	f->in.sev.policy = 0; /* the launch policy's word is tried as well */
	expect(f, YES, ROW_SIGNATURE, YES);
	f->policy->tee.sev.policy = 1;
	expect(f, NO, ROW_SIGNATURE, NO);
	f->in.sev.policy = SEV_POLICY;
	f->tik[15] ^= 0x80;
	expect(f, NO, ROW_SIGNATURE, NO);
	fixture_free(f);
}

static void denied_digests_are_refused(void **state)
{
	struct fixture *f = fixture_new();

	f->policy->tee.endorsements.n_deny_digests = 1;
	memcpy(f->policy->tee.endorsements.deny_digests[0].sha384, f->digest, 32);
	expect(f, NO, ROW_MEASUREMENT, NO);
	fixture_free(f);
}

static void launch(struct fixture *f, uint32_t policy)
{
	f->in.sev.policy = policy;
	maker_measure(f->tik, api, policy, f->digest, f->evidence);
}

static void weaker_guest_policies_are_refused(void **state)
{
	static const struct {
		uint32_t policy, want;
		enum verdict_row_id row;
	} rows[] = {
		{ 0x00160004, 0x00160005, ROW_DEBUG },     /* debugging allowed */
		{ 0x00160001, 0x00160005, ROW_POLICY },    /* no SEV-ES */
		{ 0x00150005, 0x00160005, ROW_POLICY },    /* older API */
		{ 0x00160005, 0x0016000D, ROW_MIGRATION }, /* may be sent */
		{ 0x00160045, 0x00160005, ROW_POLICY },    /* a reserved bit */
		{ 0x00160005, 0x01160005, ROW_POLICY },    /* older minor */
	};
	struct fixture *f = fixture_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		f->policy->tee.sev.policy = rows[i].want;
		launch(f, rows[i].policy);
		expect(f, NO, rows[i].row, NO);
	}
	/* The word leaves both open; nobody asked for either by name. */
	f->policy->tee.sev.policy = 0x00160004;
	f->policy->tee.sev.migration = false;
	launch(f, 0x0016000C);
	expect(f, NO, ROW_DEBUG, NO);
	launch(f, 0x00160005);
	expect(f, NO, ROW_MIGRATION, NO);
	f->policy->tee.sev.debug = true;
	launch(f, 0x0016000C);
	expect(f, YES, ROW_DEBUG, YES);
	f->policy->tee.sev.policy = 0x00160005;
	launch(f, 0x0017002F); /* stricter */
	expect(f, YES, ROW_POLICY, YES);
	f->in.policy = NULL;
	f->in.sev.digest = f->digest;
	launch(f, 0x8);
	expect(f, VERDICT_WARNING, ROW_DEBUG, VERDICT_WARNING);
	fixture_free(f);
}

static void old_firmware_and_wrong_kinds_are_refused(void **state)
{
	struct fixture *f = fixture_new();

	f->policy->tee.sev.build = 10;
	expect(f, NO, ROW_TCB, NO);
	f->policy->tee.sev.build = 0;
	f->policy->tee.sev.api_major = 1;
	expect(f, NO, ROW_TCB, NO);
	f->policy->tee.sev.api_major = 0;
	f->policy->tee.type = POLICY_TEE_SNP;
	expect(f, NO, ROW_POLICY, NO);
	fixture_free(f);
}

static void what_sev_cannot_say_is_refused_where_it_is_asked(void **state)
{
	const uint8_t data[64] = { 1 };
	struct fixture *f = fixture_new();

	f->in.report_data = data;
	expect(f, NO, ROW_REPORT_DATA, NO);
	f->in.report_data = NULL;
	f->in.host_data = data;
	expect(f, NO, ROW_HOST_DATA, NO);
	f->in.host_data = NULL;
	f->policy->tee.endorsements.require_crl = true;
	expect(f, NO, ROW_REVOCATION, NO);
	f->policy->tee.endorsements.require_crl = false;
	f->policy->tee.endorsements.n_deny_chips = 1;
	expect(f, NO, ROW_CHIP_ID, NO);
	f->policy->tee.endorsements.n_deny_chips = 0;
	f->policy->tee.has_tpm = true; /* nothing is asked of it yet */
	expect(f, YES, ROW_PCRS, NONE);
	f->policy->tee.tpm.n_pcrs = 1;
	expect(f, NO, ROW_PCRS, NO);
	f->policy->tee.has_tpm = false;
	f->in.required_rows = ROW_BIT(ROW_REVOCATION);
	expect(f, NO, ROW_REVOCATION, NO);
	fixture_free(f);
}

/* A platform's certificates as evidence, before anything is launched. */
static void certificates_alone_prove_a_platform_and_no_guest(void **state)
{
	struct fixture *f = fixture_new();

	f->in.policy = NULL;
	f->in.evidence = f->blobs[MAKER_PDH];
	expect(f, NO, ROW_MEASUREMENT, NO); /* the owner's key was given: a launch was asked for */
	f->in.sev.tik.len = 0;
	for (size_t k = 0; k < MAKER_KEYS; k++) {
		f->in.evidence = f->blobs[k];
		expect(f, YES, ROW_CHAIN, YES);
		expect(f, YES, ROW_SIGNATURE, NONE);
	}
	f->in.evidence.len -= 1;
	expect(f, NO, ROW_CHAIN, NO);
	f->in.evidence.len += 1;
	f->in.policy = f->policy;
	expect(f, NO, ROW_MEASUREMENT, NO);
	f->in.evidence.len = 3;
	assert_int_equal(attest_verify(&f->in, &verdict, NULL), -EBADMSG);
	f->in.kind = EVIDENCE_SEV;
	assert_int_equal(attest_verify(&f->in, &verdict, NULL), -EBADMSG);
	fixture_free(f);
}

static void an_oca_needs_a_platform(void **state)
{
	struct fixture *f = fixture_new();

	f->in.policy = NULL;
	f->in.sev.tik.len = 0;
	f->in.evidence = f->blobs[MAKER_OCA];
	f->blobs[MAKER_PEK].len = 0;
	expect(f, NO, ROW_CHAIN, NO);
	fixture_free(f);
}

/* PDH_CERT_EXPORT gives them behind one another. */
static void certificates_are_told_apart_in_one_blob(void **state)
{
	static uint8_t all[MAKER_KEYS * MAKER_SEV_CERT + 1];
	struct fixture *f = fixture_new();
	struct attest_blob one = { all, 0 };
	size_t n = 0;

	for (size_t k = 0; k < MAKER_KEYS; k++) {
		memcpy(all + one.len, f->certs[k], maker.len[k]);
		one.len += maker.len[k];
	}
	f->in.certs = &one;
	f->in.n_certs = 1;
	expect(f, YES, ROW_CHAIN, YES);
	assert_int_equal(attest_check_certs(one, &n, NULL), 0);
	assert_int_equal(n, MAKER_KEYS);
	one.len += 1;
	assert_int_equal(attest_check_certs(one, &n, NULL), -EBADMSG);
	fixture_free(f);
}

static void roots_of_4096_bits_sign_with_sha384(void **state)
{
	static struct sev_maker big;
	struct sev_certs certs = { 0 }, roots = { 0 };
	struct sev_chain chain;

	sev_maker_init(&big, 4096);
	for (size_t k = 0; k < MAKER_KEYS; k++)
		assert_int_equal(sev_certs_add(&certs, big.certs[k], big.len[k], NULL), 0);
	assert_int_equal(sev_certs_add(&roots, big.certs[0], big.len[0], NULL), 0);
	assert_int_equal(sev_chain_verify(&certs, &roots, &certs.at[MAKER_PDH], &chain, NULL), 0);
	assert_int_equal(chain.trust, TRUST_SIMULATED);
	assert_ptr_equal(chain.cek, &certs.at[MAKER_CEK]);
	sev_maker_done(&big);
}

static void too_many_certificates_are_refused(void **state)
{
	static uint8_t many[(LIMIT_SEV_CERTS + 1) * MAKER_SEV_CERT];
	struct sev_certs certs = { 0 };

	for (size_t i = 0; i <= LIMIT_SEV_CERTS; i++)
		memcpy(many + i * MAKER_SEV_CERT, maker.certs[MAKER_PDH], MAKER_SEV_CERT);
	assert_int_equal(sev_certs_add(&certs, many, sizeof many, NULL), -EMSGSIZE);
	assert_int_equal(certs.n, LIMIT_SEV_CERTS);
}

/* --- the owner's side -------------------------------------------------------------------------- */

static struct sev_cert cert_of(enum maker_key k)
{
	struct sev_certs certs = { 0 };

	assert_int_equal(sev_certs_add(&certs, maker.certs[k], maker.len[k], NULL), 0);
	return certs.at[0];
}

static void the_firmware_opens_a_session_and_its_secret(void **state)
{
	AUTO(sev_session) struct sev_session s = { 0 };
	struct sev_cert pdh = cert_of(MAKER_PDH);
	uint8_t made_for[32], tek[16], tik[16], mac[32], header[52], data[64], plain[64], got[64];
	struct sev_measured m = { api[0], api[1], api[2], 5, { 0xD1 }, { 0 } };
	uint8_t measure[48];

	assert_int_equal(sev_session_make(&pdh, 5, &s, NULL), 0);
	assert_int_equal(maker_session_open(&maker, s.godh, s.blob, 5, tek, tik), 0);
	assert_memory_equal(tek, s.keys.p, 16);
	assert_memory_equal(tik, s.keys.p + 16, 16);
	pdh_digest(maker.certs[MAKER_PDH], made_for);
	assert_memory_equal(s.pdh, made_for, sizeof made_for);
	maker_measure(tik, api, 5, m.digest, measure);
	memcpy(m.mnonce, measure + 32, 16);
	assert_int_equal(sev_measure_mac(s.keys.p + 16, &m, mac), 0);
	assert_memory_equal(mac, measure, 32);
	memset(plain, 0x42, sizeof plain);
	assert_int_equal(sev_secret_make(&s.keys, mac, plain, sizeof plain, header, data, NULL), 0);
	assert_int_equal(maker_secret_open(tek, tik, mac, header, data, sizeof data, got), 0);
	assert_memory_equal(got, plain, sizeof plain);
	assert_memory_not_equal(data, plain, sizeof plain);
	data[63] ^= 1;
	assert_int_equal(maker_secret_open(tek, tik, mac, header, data, sizeof data, got), -1);
}

static void a_session_is_bound_to_its_policy_and_every_byte(void **state)
{
	AUTO(sev_session) struct sev_session s = { 0 };
	struct sev_cert pdh = cert_of(MAKER_PDH);
	uint8_t tek[16], tik[16];

	assert_int_equal(sev_session_make(&pdh, 5, &s, NULL), 0);
	assert_int_equal(maker_session_open(&maker, s.godh, s.blob, 4, tek, tik), -1);
	for (size_t i = 0; i < sizeof s.blob; i++) {
		s.blob[i] ^= 1;
		assert_int_equal(maker_session_open(&maker, s.godh, s.blob, 5, tek, tik), -1);
		s.blob[i] ^= 1;
	}
}

static void two_sessions_share_nothing(void **state)
{
	AUTO(sev_session) struct sev_session a = { 0 }, b = { 0 };
	struct sev_cert pdh = cert_of(MAKER_PDH);

	assert_int_equal(sev_session_make(&pdh, 5, &a, NULL), 0);
	assert_int_equal(sev_session_make(&pdh, 5, &b, NULL), 0);
	assert_memory_not_equal(a.keys.p, b.keys.p, 32);
	assert_memory_not_equal(a.blob, b.blob, 64);
	assert_memory_not_equal(a.godh + 20, b.godh + 20, 48);
}

static void sessions_are_made_with_a_pdh_only(void **state)
{
	struct sev_session s = { 0 };
	struct sev_cert pek = cert_of(MAKER_PEK), ark = cert_of(MAKER_ARK);

	assert_int_equal(sev_session_make(&pek, 5, &s, NULL), -EKEYREJECTED);
	assert_int_equal(sev_session_make(&ark, 5, &s, NULL), -EKEYREJECTED);
}

static void secrets_have_whole_blocks(void **state)
{
	static uint8_t data[SEV_SECRET_MAX + 16], out[SEV_SECRET_MAX + 16];
	const size_t bad[] = { 0, 1, 15, 17, SEV_SECRET_MAX + 16 };
	const uint8_t mac[32] = { 0 };
	uint8_t header[52];
	AUTO(secret) struct secret keys = { 0 };

	assert_int_equal(secret_init(&keys, 32), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			sev_secret_make(&keys, mac, data, bad[i], header, out, NULL), -ERANGE);
	assert_int_equal(sev_secret_make(&keys, mac, data, SEV_SECRET_MAX, header, out, NULL), 0);
}

static void the_table_of_secrets_counts_its_bytes(void **state)
{
	static const uint8_t long_one[4096];
	const struct sev_secret entries[] = { { { 0xAA }, (const uint8_t *)"key", 3 },
		{ { 0xBB }, long_one, 20 } };
	const struct sev_secret big = { { 0 }, long_one, sizeof long_one };
	uint8_t table[96];
	size_t len = 0;

	assert_int_equal(sev_secret_table(entries, 2, table, sizeof table, &len, NULL), 0);
	assert_int_equal(len, 96); /* 20 + 23 + 40 = 83 */
	assert_int_equal(table[0], 0x42);
	assert_int_equal(table[16], 83);
	assert_int_equal(table[20], 0xAA);
	assert_int_equal(table[36], 23);
	assert_memory_equal(table + 40, "key", 3);
	assert_int_equal(table[43], 0xBB);
	assert_int_equal(sev_secret_table(entries, 2, table, 95, &len, NULL), -EMSGSIZE);
	assert_int_equal(sev_secret_table(&big, 1, table, sizeof table, &len, NULL), -EMSGSIZE);
}

/* All-zero inputs; the values are published with virtee/sev's session test. */
static void a_wrapped_session_is_the_published_one(void **state)
{
	const uint8_t zero[32] = { 0 };
	uint8_t blob[128], want[112];

	assert_int_equal(sev_session_wrap(zero, 16, zero, zero, zero, 0, blob), 0);
	assert_int_equal(
		opts_parse_hex("2137bc7f9bb8bd7c3e55a576a15d3454b3856b8ba27afadf46dcfee9f02c02c4"
			       "00000000000000000000000000000000"
			       "3176c0752738bd9d5e86689534020f528c088f16238826b000b327dee6aeed7d"
			       "aa7855e13839dd767cd5da7c1ff5036540c9264b7a803029315e55375287b4af",
			want, sizeof want),
		0);
	assert_memory_equal(blob + 16, want, sizeof want);
}

/* attestation.md, 4.7, and V6 of kvm-cvm-abi.md, 8. */
static void published_measurements_are_reproduced(void **state)
{
	static const struct {
		struct sev_measured m;
		const char *digest, *mnonce, *tik, *want;
	} rows[] = {
		{ { 0, 18, 15, 0, { 0 }, { 0 } },
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			"4fbe0bedbad6c86ae8f68971d103e554", "66320db73158a35a255d051758e95ed4",
			"6faab2daae389bcd3405a05d6cafe33c0414f7bedd0bae19ba5f38b7fd1664ea" },
		{ { 0, 22, 32, 5, { 0 }, { 0 } },
			"16288f20517176316027412de95fe43fc17ecf12274f51daf8ab388f6de00f48",
			"b0700ff0e9a2a4ba9b4b44597b996360", "67527d39e37e7479477603420e023545",
			"5165437217110beaa900d5907abcbe584016704e41d2108f9ff816e6e36618d2" },
		{ { 1, 23, 33, 65537, { 0 }, { 0 } },
			"04e65650e593efc5db69a19c68cef6b88a489cc252861581070e517195efb493",
			"36e621e534f30500c3d0da39c0697eff", "c2578cf33f57def7e135a67952d4740c",
			"db113bfe4de88ac89b58a44931b459ea040b98218c6c56df64d26ff25da91cb9" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sev_measured m = rows[i].m;
		uint8_t tik[16], want[32], got[32];
		assert_int_equal(opts_parse_hex(rows[i].digest, m.digest, 32), 0);
		assert_int_equal(opts_parse_hex(rows[i].mnonce, m.mnonce, 16), 0);
		assert_int_equal(opts_parse_hex(rows[i].tik, tik, 16), 0);
		assert_int_equal(opts_parse_hex(rows[i].want, want, 32), 0);
		assert_int_equal(sev_measure_mac(tik, &m, got), 0);
		assert_memory_equal(got, want, 32);
	}
}

/* --- a real platform --------------------------------------------------------------------------- */

static const char *const real_names[] = { "ark", "ask", "cek", "oca", "pek", "pdh" };

static void real_load(const char *name, struct attest_blob *ret)
{
	char path[4096];
	uint8_t *p = NULL;
	size_t len = 0;

	if (vectors == NULL)
		skip();
	(void)snprintf(path, sizeof path, "%s/sev-legacy/naples/%s", vectors, name);
	assert_int_equal(fd_read_path(path, 1u << 20, &p, &len, NULL), 0);
	*ret = (struct attest_blob){ p, len };
}

static void real_load_all(struct attest_blob certs[ARRAY_LEN(real_names)])
{
	for (size_t i = 0; i < ARRAY_LEN(real_names); i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "%s.cert", real_names[i]);
		real_load(name, &certs[i]);
	}
}

static void real_free(struct attest_blob certs[ARRAY_LEN(real_names)])
{
	for (size_t i = 0; i < ARRAY_LEN(real_names); i++)
		free((void *)(uintptr_t)certs[i].p);
}

static void a_real_platform_leads_to_amds_root(void **state)
{
	struct attest_blob certs[ARRAY_LEN(real_names)], bad;
	struct attest_inputs in = { .certs = certs, .n_certs = ARRAY_LEN(certs) };

	real_load_all(certs);
	real_load("ark.cert.bad", &bad);
	for (size_t i = 0; i < ARRAY_LEN(certs); i++) {
		in.evidence = certs[i];
		assert_int_equal(attest_verify(&in, &verdict, NULL), 0);
		assert_int_equal(verdict.overall, YES);
		assert_int_equal(verdict.trust, TRUST_HARDWARE);
	}
	in.evidence = bad;
	assert_int_equal(attest_verify(&in, &verdict, NULL), 0);
	assert_int_equal(verdict.rows[ROW_CHAIN].status, NO);
	free((void *)(uintptr_t)bad.p);
	real_free(certs);
}

static void real_expect_no(const struct attest_inputs *in)
{
	if (attest_verify(in, &verdict, NULL) < 0)
		return; /* its first bytes: no evidence that we know */
	assert_int_equal(verdict.rows[ROW_CHAIN].status, NO);
	assert_int_equal(verdict.overall, NO);
}

/* A bit of every 37th byte of every certificate, and every cut at such a byte. */
static void a_damaged_real_platform_is_refused(void **state)
{
	struct attest_blob certs[ARRAY_LEN(real_names)], pdh;
	struct attest_inputs in = { .certs = certs, .n_certs = ARRAY_LEN(certs) };

	real_load_all(certs);
	pdh = certs[ARRAY_LEN(certs) - 1];
	in.evidence = pdh;
	for (size_t k = 0; k < ARRAY_LEN(certs); k++) {
		uint8_t *p = (uint8_t *)(uintptr_t)certs[k].p;
		size_t len = certs[k].len;
		for (size_t i = 0; i < len; i += 37) {
			p[i] ^= (uint8_t)(1u << i % 8);
			real_expect_no(&in);
			p[i] ^= (uint8_t)(1u << i % 8);
			certs[k].len = i;
			if (certs[k].p != pdh.p)
				real_expect_no(&in);
			certs[k].len = len;
		}
	}
	real_free(certs);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_launch_in_order_is_affirmed),
		cmocka_unit_test(every_flipped_bit_of_a_measurement_is_refused),
		cmocka_unit_test(a_flipped_bit_of_any_certificate_is_refused),
		cmocka_unit_test(a_missing_certificate_is_named),
		cmocka_unit_test(a_root_that_nobody_gave_is_refused),
		cmocka_unit_test(a_chain_of_two_platforms_is_refused),
		cmocka_unit_test(without_the_owners_key_nothing_is_affirmed),
		cmocka_unit_test(a_session_for_another_pdh_says_nothing_of_the_platform),
		cmocka_unit_test(another_digest_version_policy_or_key_fails_the_mac),
		cmocka_unit_test(denied_digests_are_refused),
		cmocka_unit_test(weaker_guest_policies_are_refused),
		cmocka_unit_test(old_firmware_and_wrong_kinds_are_refused),
		cmocka_unit_test(what_sev_cannot_say_is_refused_where_it_is_asked),
		cmocka_unit_test(certificates_alone_prove_a_platform_and_no_guest),
		cmocka_unit_test(an_oca_needs_a_platform),
		cmocka_unit_test(certificates_are_told_apart_in_one_blob),
		cmocka_unit_test(roots_of_4096_bits_sign_with_sha384),
		cmocka_unit_test(too_many_certificates_are_refused),
		cmocka_unit_test(the_firmware_opens_a_session_and_its_secret),
		cmocka_unit_test(a_session_is_bound_to_its_policy_and_every_byte),
		cmocka_unit_test(two_sessions_share_nothing),
		cmocka_unit_test(sessions_are_made_with_a_pdh_only),
		cmocka_unit_test(secrets_have_whole_blocks),
		cmocka_unit_test(the_table_of_secrets_counts_its_bytes),
		cmocka_unit_test(a_wrapped_session_is_the_published_one),
		cmocka_unit_test(published_measurements_are_reproduced),
		cmocka_unit_test(a_real_platform_leads_to_amds_root),
		cmocka_unit_test(a_damaged_real_platform_is_refused),
	};
	struct stat st;

	if (argc > 1 && stat(argv[1], &st) == 0)
		vectors = argv[1];
	sev_maker_init(&maker, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sev_maker_done(&maker);
	return failed;
}
