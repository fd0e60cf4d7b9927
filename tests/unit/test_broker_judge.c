/* The broker's judge: evidence of a platform made here, against a policy in a store made here. */
#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attest/broker/broker_answer.h"
#include "attest/broker/kbs_bind.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "base/fd.h"
#include "base/wr.h"
#include "tests/unit/cm.h"
#include "tests/unit/snp_maker.h"

#define DAY 86400

static const char policy_text[] =
	"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":1,\"tee\":{\"type\":\"snp\","
	"\"simulated\":true,\"snp\":{\"product\":[\"Genoa\",\"Milan\"],\"guest_policy\":{\"smt\":"
	"true},"
	"\"min_tcb\":[{\"product\":\"Genoa\",\"bootloader\":9,\"tee\":9,\"snp\":99,\"microcode\":"
	"99},"
	"{\"product\":\"Milan\",\"bootloader\":4,\"tee\":0,\"snp\":24,\"microcode\":219}]}},"
	"\"keys\":[{\"id\":\"k\",\"source\":\"kbs:///a/b/c\",\"purpose\":\"p\","
	"\"release\":{\"require\":[\"tcb:accepted\"]}}],"
	"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
	"\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\"},"
	"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{}}";

static struct maker maker;
static char folder[64];
static struct broker broker;
static uint8_t policy_id[STORE_HASH_BYTES];
static uint8_t digest[1][STORE_DIGEST_BYTES];
static struct attest_blob ark, ask, fresh, revoking, stale, of_others;
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
	struct kbs_snp *e = &broker.judge.evidence.snp;

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
	uint8_t *report = broker.judge.evidence.snp.report;

	memset(&broker.judge, 0, sizeof broker.judge);
	broker.judge.roots.at[0] = ark;
	broker.judge.roots.n = 1;
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

static struct proof proof; /* of what was judged last */

static int judged(void)
{
	struct why why = { 0 };

	const struct judge_question q = {
		.report_data = report_data, .report_data_len = 64, .now = MAKER_NOW
	};

	proof = (struct proof){ 0 };
	return judge_evidence(&broker.judge, &broker.store, &q, &proof, &why);
}

static void what_fits_the_policy_is_proven(void **state)
{
	judge_begin();
	assert_int_equal(judged(), 0);
	assert_true(broker.judge.is_genuine);
}

static void a_key_waits_for_a_tcb_that_is_accepted(void **state)
{
	const struct policy_key *key = NULL;
	struct why why = { 0 };

	judge_begin();
	assert_int_equal(judged(), 0);
	assert_true(proof.is_tcb_met);
	assert_int_equal(judge_release(&broker.judge, &proof, "a/b/c", 0, &key, &why), 0);
	assert_string_equal(key->id, "k");
	proof.is_tcb_met = false; /* as with a policy that says nothing of it */
	assert_int_equal(judge_release(&broker.judge, &proof, "a/b/c", 0, &key, &why), -EACCES);
	assert_non_null(strstr(why.text, "key k wants tcb:>=min or tcb:accepted"));
	judge_begin();
	memset(broker.judge.evidence.snp.report + 0x1E0, 0, 8); /* COMMITTED_TCB */
	memset(broker.judge.evidence.snp.report + 0x180, 0, 8); /* REPORTED_TCB */
	maker_sign(broker.judge.evidence.snp.report, maker.leaf);
	assert_int_equal(judged(), -EACCES);
	assert_false(proof.is_tcb_met);
}

static void no_needed_row_may_differ(void **state)
{
	static const size_t at[] = { 0x08 + 2, 0x30, 0x50, 0x90, 0xC0 };

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		judge_begin();
		broker.judge.evidence.snp.report[at[i]] ^= 8; /* guest policy: debug */
		assert_int_equal(judged(), -EACCES);
		maker_sign(broker.judge.evidence.snp.report, maker.leaf);
		assert_int_equal(judged(), -EACCES);
	}
	judge_begin();
	broker.judge.roots.n = 0;
	assert_int_equal(judged(), -EACCES);
	judge_begin();
	broker.judge.evidence.snp.n_certs = 0;
	assert_int_equal(judged(), -EACCES);
}

static void with_lists_every_chain_needs_a_current_one(void **state)
{
	judge_begin();
	broker.judge.crls.n = 1;
	broker.judge.crls.at[0] = of_others;
	assert_int_equal(judged(), -EACCES);
	broker.judge.crls.at[0] = stale;
	assert_int_equal(judged(), -EACCES);
	broker.judge.crls.at[0] = fresh;
	assert_int_equal(judged(), 0);
	broker.judge.crls.at[1] = revoking;
	broker.judge.crls.n = 2;
	assert_int_equal(judged(), -EACCES);
}

static void the_hosts_lists_push_out_none_of_ours(void **state)
{
	judge_begin();
	while (broker.judge.evidence.snp.n_certs < LIMIT_KBS_CERTS)
		evidence_add("CRL", of_others.p, of_others.len);
	assert_int_equal(judged(), 0);
	for (size_t i = 0; i < LIMIT_BROKER_BLOBS; i++)
		broker.judge.crls.at[i] = i == 0 ? revoking : fresh;
	broker.judge.crls.n = LIMIT_BROKER_BLOBS;
	assert_int_equal(judged(), -EACCES);
	broker.judge.crls.at[0] = fresh;
	assert_int_equal(judged(), 0);
}

/* --- a whole conversation, with a ledger that is gone ------------------------------------------ */

static int request(const char *path, const char *body, char cookie[BROKER_COOKIE_MAX], json_t **ret)
{
	struct broker_request rq = { .method = BROKER_POST,
		.path = path,
		.cookie = cookie,
		.body = body,
		.body_len = strlen(body),
		.now_ms = 1000,
		.now = MAKER_NOW };
	struct broker_reply r;

	broker_answer(&broker, &rq, &r);
	assert_non_null(r.body);
	assert_int_equal(kbs_json_load(r.body, strlen(r.body), ret, NULL), 0);
	kbs_text_free(r.body);
	if (r.set_cookie[0] != '\0')
		(void)snprintf(cookie, BROKER_COOKIE_MAX, "%.*s", (int)strcspn(r.set_cookie, ";"),
			r.set_cookie);
	return r.status;
}

/* Send what is in broker.judge.evidence, signed for the nonce; the status. */
static int proved(bool is_right)
{
	AUTO(kbs_json) json_t *challenge = NULL;
	AUTO(kbs_json) json_t *answer = NULL;
	AUTO(kbs_json) json_t *private_key = NULL;
	AUTO(kbs_json) json_t *public_key = NULL;
	AUTO(kbs_text) char *body = NULL;
	char cookie[BROKER_COOKIE_MAX] = "";
	uint8_t *report = broker.judge.evidence.snp.report;

	assert_int_equal(request("/kbs/v0/auth", "{\"version\":\"0.4.0\",\"tee\":\"snp\"}", cookie,
				 &challenge),
		200);
	const char *nonce = json_string_value(json_object_get(challenge, "nonce"));
	assert_int_equal(kbs_key_new(&private_key, &public_key, NULL), 0);
	assert_int_equal(kbs_bind_report_data(nonce, public_key, report + 0x50), 0);
	report[0x90] = is_right ? 0xD2 : 0;
	maker_sign(report, maker.leaf);
	AUTO(kbs_json)
	json_t *j = json_pack("{s:{s:s,s:O},s:{s:o}}", "runtime-data", "nonce", nonce, "tee-pubkey",
		public_key, "tee-evidence", "primary_evidence",
		kbs_snp_print(&broker.judge.evidence.snp));
	assert_int_equal(kbs_json_print(j, &body), 0);
	return request("/kbs/v0/attest", body, cookie, &answer);
}

/* The kept certificates of the report that was judged last; -ENOENT: none. */
static int kept(size_t *ret_n)
{
	uint8_t hash[32];
	char name[160];
	uint8_t *bytes = NULL;
	size_t len = 0;
	struct wr w = wr_of(name, sizeof name);

	(void)EVP_Digest(
		broker.judge.evidence.snp.report, SNP_REPORT_BYTES, hash, NULL, EVP_sha256(), NULL);
	wr_printf(&w, "%s/evidence/", folder);
	wr_hex(&w, hash, sizeof hash);
	wr_str(&w, ".certs");
	assert_int_equal(wr_end_str(&w), 0);
	int err = fd_read_path(name, 65536, &bytes, &len, NULL);
	if (err == 0)
		err = attest_check_certs((struct attest_blob){ bytes, len }, ret_n, NULL);
	free(bytes);
	return err;
}

static void without_a_ledger_nothing_is_proven(void **state)
{
	judge_begin();
	assert_int_equal(proved(true), 503);
	judge_begin();
	assert_int_equal(proved(false), 401);
}

static void kept_certificates_can_be_read_whatever_the_host_added(void **state)
{
	size_t n = 0;
	size_t pem_len = 0;
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;

	assert_true(PEM_write_bio(bio, "X509 CRL", "", fresh.p, (long)fresh.len) > 0);
	pem_len = (size_t)BIO_get_mem_data(bio, &pem) - 1; /* no newline at the end */
	judge_begin();
	evidence_add("CRL", pem, pem_len);
	evidence_add("CRL", pem, pem_len);
	evidence_add(NULL, "junk", 4);
	assert_int_equal(proved(true), 503);
	assert_int_equal(kept(&n), 0);
	assert_int_equal(n, 4);
	BIO_free(bio);
}

static void refused_evidence_takes_no_room_from_the_proven(void **state)
{
	size_t n = 0;

	broker.n_evidence_refused = LIMIT_BROKER_EVIDENCE;
	judge_begin();
	assert_int_equal(proved(false), 401);
	assert_int_equal(kept(&n), -ENOENT);
	judge_begin();
	assert_int_equal(proved(true), 503);
	assert_int_equal(kept(&n), 0);
	broker.n_evidence_refused = 0;
}

/* Every error but 0 says "not durable". */
static void an_error_that_is_no_errno_is_an_error(void **state)
{
	static const uint32_t errs[] = { 0, 0x1000, 0x80000000u, 28 };
	const struct proof none = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		struct broker_ledger l = BROKER_LEDGER_NONE;
		struct chan writer = { .fd = -1 };
		struct wire_ledger_done done = { .cookie = le32_of(1), .err = le32_of(errs[i]) };
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
		assert_int_equal(broker_ledger_use(&l, fds[0]), 0);
		assert_int_equal(chan_open(&writer, fds[1]), 0);
		assert_int_equal(
			chan_send(&writer, LEDGER_MSG_DONE, &done, sizeof done, NULL, 0), 0);
		assert_int_equal(broker_ledger_write(&l, LEDGER_PROVEN, &none, NULL, "", NULL),
			errs[i] == 0 ? 0 : -EPIPE);
		chan_close(&writer);
		chan_close(&l.chan);
	}
}

static int setup(void **state)
{
	struct why why = { 0 };

	kbs_json_init();
	broker.store = STORE_NONE;
	broker.ledger = BROKER_LEDGER_NONE;

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
	rate_init(&broker.rate, 0, 0);
	const struct store_put put = { "", "a/b", 1, (const uint8_t(*)[STORE_DIGEST_BYTES])digest,
		1, NULL };
	(void)snprintf(folder, sizeof folder, "/tmp/casemate-test-XXXXXX");
	return mkdtemp(folder) == NULL || store_open(folder, NULL, &broker.store, &why) < 0 ||
	       store_write_policy(&broker.store, policy_text, strlen(policy_text), &put, policy_id,
		       &why) < 0 ||
	       tokens_open(&broker.tokens, NULL, NULL, 0, &why) < 0;
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
	tokens_close(&broker.tokens);
	store_close(&broker.store);
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_the_policy_is_proven),
		cmocka_unit_test(a_key_waits_for_a_tcb_that_is_accepted),
		cmocka_unit_test(no_needed_row_may_differ),
		cmocka_unit_test(with_lists_every_chain_needs_a_current_one),
		cmocka_unit_test(the_hosts_lists_push_out_none_of_ours),
		cmocka_unit_test(without_a_ledger_nothing_is_proven),
		cmocka_unit_test(kept_certificates_can_be_read_whatever_the_host_added),
		cmocka_unit_test(refused_evidence_takes_no_room_from_the_proven),
		cmocka_unit_test(an_error_that_is_no_errno_is_an_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
