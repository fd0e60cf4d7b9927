/* The broker's judge: evidence of a platform made here, against a policy in a store made here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/broker_judge.h"
#include "attest/broker/broker_store.h"
#include "tests/unit/cm.h"
#include "tests/unit/snp_maker.h"

#define DAY 86400

static const char policy_text[] =
	"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":1,\"tee\":{\"type\":\"snp\","
	"\"simulated\":true,\"snp\":{\"product\":[\"Milan\"],\"guest_policy\":{\"smt\":true}}},"
	"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
	"\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\"},"
	"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{}}";

static struct maker maker;
static char folder[64];
static struct store store = STORE_NONE;
static uint8_t policy_id[STORE_HASH_BYTES];
static uint8_t digest[1][STORE_DIGEST_BYTES];
static struct attest_blob ark, ask, fresh, revoking, stale, of_others;
static struct judge judge;
static uint8_t report_data[64];

static X509 *ca_make(const char *subject, EVP_PKEY *key, int pathlen)
{
	const struct maker_ca o = { .subject = subject,
		.issuer = "ARK-Milan",
		.key = key,
		.signer = maker.ark,
		.pathlen = pathlen };

	return maker_ca(&o);
}

static struct attest_blob crl_make(const char *issuer, X509 *revoked, time_t from, time_t to)
{
	X509_CRL *crl = maker_crl(&maker, issuer, NULL, revoked, from, to);
	unsigned char *der = NULL;
	int len = i2d_X509_CRL(crl, &der);

	assert_true(len > 0);
	X509_CRL_free(crl);
	return (struct attest_blob){ der, (size_t)len };
}

/* As a host sends it; the type is what the host says, and nobody has to believe it. */
static void evidence_add(const char *type, const void *bytes, size_t len)
{
	struct kbs_snp *e = &judge.evidence;

	assert_true(e->n_certs < LIMIT_KBS_CERTS && len <= sizeof e->bytes - e->bytes_len);
	memcpy(e->bytes + e->bytes_len, bytes, len);
	e->certs[e->n_certs++] = (struct kbs_snp_cert){
		.type = type, .offset = (uint32_t)e->bytes_len, .len = (uint32_t)len
	};
	e->bytes_len += len;
}

/* A right report with VCEK and ASK, and no CRL anywhere. */
static void judge_begin(void)
{
	struct maker_leaf leaf = { .tcb = 0xDB18000000000004u };
	uint8_t *report = judge.evidence.report;

	memset(&judge, 0, sizeof judge);
	judge.roots[0] = ark;
	judge.n_roots = 1;
	maker_report(report, 3);
	memcpy(report + 0xC0, policy_id, sizeof policy_id);
	maker_sign(report, maker.leaf);
	memset(leaf.hwid, 0xC1, sizeof leaf.hwid);
	X509 *x = maker_leaf(&maker, &leaf);
	struct attest_blob vcek = maker_der(x);
	evidence_add("VCEK", vcek.p, vcek.len);
	evidence_add("ASK", ask.p, ask.len);
	free((void *)(uintptr_t)vcek.p);
	X509_free(x);
}

static int judged(void)
{
	struct proof proof = { 0 };
	struct why why = { 0 };

	return judge_evidence(&judge, &store, report_data, MAKER_NOW, &proof, &why);
}

static void what_fits_the_policy_is_proven(void **state)
{
	judge_begin();
	assert_int_equal(judged(), 0);
	assert_true(judge.is_genuine);
}

static void no_needed_row_may_differ(void **state)
{
	static const size_t at[] = { 0x08 + 2, 0x30, 0x50, 0x90, 0xC0 };

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		judge_begin();
		judge.evidence.report[at[i]] ^= 8; /* guest policy: debug */
		assert_int_equal(judged(), -EACCES);
		maker_sign(judge.evidence.report, maker.leaf);
		assert_int_equal(judged(), -EACCES);
	}
	judge_begin();
	judge.n_roots = 0;
	assert_int_equal(judged(), -EACCES);
	judge_begin();
	judge.evidence.n_certs = 0;
	assert_int_equal(judged(), -EACCES);
}

static void with_lists_every_chain_needs_a_current_one(void **state)
{
	judge_begin();
	judge.n_crls = 1;
	judge.crls[0] = of_others;
	assert_int_equal(judged(), -EACCES);
	judge.crls[0] = stale;
	assert_int_equal(judged(), -EACCES);
	judge.crls[0] = fresh;
	assert_int_equal(judged(), 0);
	judge.crls[1] = revoking;
	judge.n_crls = 2;
	assert_int_equal(judged(), -EACCES);
}

static void the_hosts_lists_push_out_none_of_ours(void **state)
{
	judge_begin();
	while (judge.evidence.n_certs < LIMIT_KBS_CERTS)
		evidence_add("CRL", of_others.p, of_others.len);
	assert_int_equal(judged(), 0);
	for (size_t i = 0; i < LIMIT_BROKER_BLOBS; i++)
		judge.crls[i] = i == 0 ? revoking : fresh;
	judge.n_crls = LIMIT_BROKER_BLOBS;
	assert_int_equal(judged(), -EACCES);
	judge.crls[0] = fresh;
	assert_int_equal(judged(), 0);
}

static int setup(void **state)
{
	struct why why = { 0 };

	maker_init(&maker);
	X509 *x = ca_make("ARK-Milan", maker.ark, 1);
	ark = maker_der(x);
	X509_free(x);
	x = ca_make("SEV-Milan", maker.ask, 0);
	ask = maker_der(x);
	fresh = crl_make("ARK-Milan", NULL, MAKER_NOW - DAY, MAKER_NOW + DAY);
	revoking = crl_make("ARK-Milan", x, MAKER_NOW - DAY, MAKER_NOW + DAY);
	stale = crl_make("ARK-Milan", NULL, MAKER_NOW - 2 * DAY, MAKER_NOW - DAY);
	of_others = crl_make("ARK-Genoa", NULL, MAKER_NOW - DAY, MAKER_NOW + DAY);
	X509_free(x);
	memset(digest, 0xD2, sizeof digest);
	memset(report_data, 0xD1, sizeof report_data);
	(void)snprintf(folder, sizeof folder, "/tmp/casemate-test-XXXXXX");
	return mkdtemp(folder) == NULL || store_open(folder, &store, &why) < 0 ||
	       store_write_policy(&store, policy_text, strlen(policy_text),
		       (const uint8_t(*)[STORE_DIGEST_BYTES])digest, 1, policy_id, &why) < 0;
}

static int teardown(void **state)
{
	struct attest_blob *crls[] = { &fresh, &revoking, &stale, &of_others };
	char command[128];

	for (size_t i = 0; i < ARRAY_LEN(crls); i++)
		OPENSSL_free((void *)(uintptr_t)crls[i]->p);
	free((void *)(uintptr_t)ark.p);
	free((void *)(uintptr_t)ask.p);
	maker_done(&maker);
	store_close(&store);
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_the_policy_is_proven),
		cmocka_unit_test(no_needed_row_may_differ),
		cmocka_unit_test(with_lists_every_chain_needs_a_current_one),
		cmocka_unit_test(the_hosts_lists_push_out_none_of_ours),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
