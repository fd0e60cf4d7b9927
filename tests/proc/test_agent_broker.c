/*
 * Agent and broker, for real: the broker's own program in its sandbox with its ledger writer, the
 * agent's protocol code against it over TLS on a Unix socket. Only the secure processor is simulated:
 * reports are signed by a platform made for this run.
 *
 *   test_agent_broker BROKER LEDGER    the programs
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attest/agent/agent_kbs.h"
#include "attest/broker/kbs_bind.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "base/fd.h"
#include "base/wr.h"
#include "policy/policy.h"
#include "sev/sim/sim_mint.h"
#include "sev/sim/sim_report.h"
#include "tests/unit/cm.h"

#define SECRET     "a day of card transactions"
#define KEY_PATH   "payments/disk/transactions-kek"
#define OTHER_PATH "payments/disk/other"
#define START_MS   20000
#define SILENCE_MS 15000 /* the broker gives up after 10 s */

static const char *broker_program;
static const char *ledger_program;

/* One broker for the run, in a folder of its own. */
static struct world {
	char folder[64];
	pid_t broker;
	int log_fd;
	struct sim_minted minted;
	struct sim_machine machine;
	uint8_t *ca;
	size_t ca_len;
	struct agent_broker target;
	char *policy_text; /* the payments example */
} w;

/* --- making the world -------------------------------------------------------------------------- */

static const char *in_folder(const char *name)
{
	static char path[4][256];
	static unsigned int at;

	at = (at + 1) % ARRAY_LEN(path);
	(void)snprintf(path[at], sizeof path[at], "%s/%s", w.folder, name);
	return path[at];
}

static void file_write(const char *name, const void *bytes, size_t len)
{
	assert_int_equal(fd_replace_file(AT_FDCWD, in_folder(name), bytes, len, 0600, NULL), 0);
}

/* A self-signed certificate and its key, in PEM. */
static void certificate_make(const char *name)
{
	char cert_path[128], key_path[128];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	assert_non_null(key);
	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	/* Long over: a guest has no clock to judge by, and must not pretend to have one. */
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -200L * 86400);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), -100L * 86400);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)"casemate-broker", -1, -1, 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_EXTENSION *san =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:casemate-broker");
	(void)X509_add_ext(x, san, -1);
	X509_EXTENSION_free(san);
	(void)X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	(void)snprintf(cert_path, sizeof cert_path, "%s/%s.pem", w.folder, name);
	(void)snprintf(key_path, sizeof key_path, "%s/%s.key", w.folder, name);
	FILE *f = fopen(cert_path, "we");
	assert_int_equal(PEM_write_X509(f, x), 1);
	(void)fclose(f);
	f = fopen(key_path, "we");
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* Run a program to its end; what it printed goes to out (may be NULL). Its exit status. */
static int program_run(const char *const argv[], const char *input, char *out, size_t out_size)
{
	int in[2], to[2];
	size_t len = 0;
	int status = -1;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(to[1], 1);
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(126);
	}
	(void)close(in[0]);
	(void)close(to[1]);
	if (input != NULL)
		assert_int_equal(fd_write_all(in[1], input, strlen(input)), 0);
	(void)close(in[1]);
	char sink[512];
	for (ssize_t n; (n = read(to[0], sink, sizeof sink)) > 0;)
		if (out != NULL && len + (size_t)n < out_size) {
			memcpy(out + len, sink, (size_t)n);
			len += (size_t)n;
		}
	if (out != NULL)
		out[len] = '\0';
	(void)close(to[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int broker_run(const char *input, const char *a, const char *b, const char *c, const char *d,
	const char *e, char *out, size_t out_size)
{
	const char *argv[] = { broker_program, a, b, "--store", in_folder("store"), c, d, e, NULL };

	return program_run(argv, input, out, out_size);
}

static void platform_make(void)
{
	char pem[8192];
	size_t len = 0;
	struct why why = { 0 };

	assert_int_equal(sim_mint(&w.minted, SIM_GENOA, 5, SIM_RSA_BITS, &why), 0);
	w.machine.platform = w.minted.platform;
	assert_int_equal(sim_crypto_init(&w.machine.crypto, &w.minted.platform, &why), 0);
	assert_int_equal(
		sim_mint_pem(w.minted.platform.blob[SIM_BLOB_ARK], pem, sizeof pem, &len), 0);
	file_write("ark.pem", pem, len);
}

/* Wait for a line of the broker's log that has this text. */
static bool log_wait(const char *text, int timeout_ms)
{
	static char kept[16384];
	static size_t len;
	struct pollfd p = { .fd = w.log_fd, .events = POLLIN };

	while (strstr(kept, text) == NULL) {
		if (len > sizeof kept / 2)
			len = 0;
		if (poll(&p, 1, timeout_ms) <= 0)
			return false;
		ssize_t n = read(w.log_fd, kept + len, sizeof kept - 1 - len);
		if (n <= 0)
			return false;
		(void)!write(2, kept + len, (size_t)n);
		len += (size_t)n;
		kept[len] = '\0';
	}
	len = 0;
	kept[0] = '\0';
	return true;
}

static void broker_start(const char *config)
{
	int to[2];

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	w.broker = fork();
	if (w.broker == 0) {
		(void)dup2(to[1], 2);
		(void)execl(
			broker_program, broker_program, "serve", "--config", config, (char *)NULL);
		_exit(126);
	}
	(void)close(to[1]);
	w.log_fd = to[0];
	assert_true(log_wait("serving on", START_MS));
}

static int broker_stop(void)
{
	int status = 0;

	(void)kill(w.broker, SIGTERM);
	(void)waitpid(w.broker, &status, 0);
	(void)close(w.log_fd);
	w.broker = 0;
	return status;
}

static int world_make(void **state)
{
	static const char config[] =
		"{ // of the test\n"
		"\"listen\": \"broker.sock\", \"store\": \"store\", \"roots\": [\"ark.pem\"],\n"
		"\"tls\": {\"certificate\": \"broker.pem\", \"key\": \"broker.key\"},\n"
		"\"ledger\": {\"folder\": \"ledger\", \"key\": \"ledger.key\", \"origin\": "
		"\"test/x\"}}\n";
	size_t len = 0;

	(void)snprintf(w.folder, sizeof w.folder, "/tmp/casemate-test-XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	certificate_make("broker");
	certificate_make("stranger");
	platform_make();
	file_write("config", config, strlen(config));
	const char *init[] = { ledger_program, "init", in_folder("ledger"), "--origin", "test/x",
		"--key", in_folder("ledger.key"), NULL };
	assert_int_equal(mkdir(in_folder("ledger"), 0700), 0);
	assert_int_equal(program_run(init, NULL, NULL, 0), 0);
	assert_int_equal(broker_run(SECRET, "secret", "put", KEY_PATH, NULL, NULL, NULL, 0), 0);
	assert_int_equal(broker_run(SECRET, "secret", "put", OTHER_PATH, NULL, NULL, NULL, 0), 0);
	assert_int_equal(fd_read_path(in_folder("broker.pem"), 65536, &w.ca, &w.ca_len, NULL), 0);
	assert_int_equal(fd_read_path(SOURCE_ROOT "/policy/examples/payments.policy.jsonc", 65536,
				 (uint8_t **)&w.policy_text, &len, NULL),
		0);
	(void)snprintf(
		w.target.unix_path, sizeof w.target.unix_path, "%s", in_folder("broker.sock"));
	(void)snprintf(w.target.host, sizeof w.target.host, "casemate-broker");
	broker_start(in_folder("config"));
	return 0;
}

static int world_end(void **state)
{
	const char *rm[] = { "/bin/rm", "-rf", w.folder, NULL };

	if (w.broker != 0)
		(void)broker_stop();
	sim_crypto_done(&w.machine.crypto);
	sim_mint_done(&w.minted);
	free(w.ca);
	free(w.policy_text);
	return program_run(rm, NULL, NULL, 0);
}

/* --- policies and guests ----------------------------------------------------------------------- */

static void text_replace(char *text, size_t size, const char *old, const char *new)
{
	char *at = strstr(text, old);

	assert_non_null(at);
	assert_true(strlen(text) + strlen(new) < size);
	memmove(at + strlen(new), at + strlen(old), strlen(at + strlen(old)) + 1);
	memcpy(at, new, strlen(new));
}

#define VALID                                                                                      \
	"  \"valid\": {\"not_before\": \"2026-11-01T00:00:00Z\", \"not_after\": "                  \
	"\"2027-10-31T23:59:59Z\"},\n"

/* A guest that a policy of its own describes: what its firmware reports, whatever it asks. */
struct guest {
	const struct sim_machine *m;
	struct sim_snp *snp; /* what its firmware knows of it */
	char digest_hex[97];
	char hash_hex[65];
};

/* Store the example with one change (old may be NULL); serial makes it a policy of its own. */
static void policy_put(struct guest *g, const char *old, const char *new, bool is_stored)
{
	static unsigned int serial = 100;
	static char text[32768];
	char number[32], out[256];
	uint8_t hash[32];
	struct wr hex = wr_of(g->hash_hex, sizeof g->hash_hex);

	(void)snprintf(text, sizeof text, "%s", w.policy_text);
	(void)snprintf(number, sizeof number, "\"serial\": %u,", ++serial);
	text_replace(text, sizeof text, "\"serial\": 1,", number);
	text_replace(text, sizeof text, VALID, "");
	if (old != NULL)
		text_replace(text, sizeof text, old, new);
	assert_int_equal(policy_hash(text, strlen(text), hash), 0);
	wr_hex(&hex, hash, sizeof hash);
	assert_int_equal(wr_end_str(&hex), 0);
	memcpy(g->snp->host_data, hash, sizeof hash);
	if (!is_stored)
		return;
	file_write("policy.jsonc", text, strlen(text));
	assert_int_equal(broker_run(NULL, "policy", "put", in_folder("policy.jsonc"),
				 "--launch-digest", g->digest_hex, out, sizeof out),
		0);
	assert_memory_equal(out, g->hash_hex, 64);
}

static void guest_make(struct guest *g)
{
	static uint8_t next;
	struct wr hex = wr_of(g->digest_hex, sizeof g->digest_hex);

	g->snp = calloc(1, sizeof *g->snp);
	assert_non_null(g->snp);
	g->m = &w.machine;
	g->snp->state = SIM_GUEST_RUNNING;
	g->snp->policy = 0x30000 | 1 << 8 | 55; /* what the example's guest_policy says */
	memset(g->snp->ld, 0x40 + ++next, sizeof g->snp->ld);
	assert_int_equal(sim_random(g->snp->report_id, sizeof g->snp->report_id), 0);
	wr_hex(&hex, g->snp->ld, sizeof g->snp->ld);
	assert_int_equal(wr_end_str(&hex), 0);
}

static void guest_auto(struct guest *g)
{
	free(g->snp);
}

static void guest_report(
	const struct guest *g, const uint8_t report_data[64], struct ev_evidence *ret)
{
	struct snp_report_req req = { 0 };
	struct snp_report report;

	memcpy(req.report_data, report_data, 64);
	assert_int_equal(sim_report_make(g->m, g->snp, &req, &report), 0);
	ret->kind = EV_SNP;
	ret->len = sizeof report;
	memcpy(ret->bytes, &report, sizeof report);
	assert_int_equal(sim_table_write(&w.minted.platform, false, ret->table, sizeof ret->table,
				 &ret->table_len),
		0);
}

/* --- one conversation -------------------------------------------------------------------------- */

struct talk {
	struct agent_kbs *kbs;
	char nonce[AGENT_NONCE_MAX + 1];
	json_t *key;
	json_t *pub;
	struct ev_evidence evidence;
	struct why why;
};

static void talk_auto(struct talk *t)
{
	agent_kbs_close(t->kbs);
	json_decref(t->key);
	json_decref(t->pub);
}

/* Challenge, a key, and a report that binds both. */
static void talk_begin(struct talk *t, const struct guest *g)
{
	uint8_t report_data[64];

	assert_int_equal(agent_kbs_open(&w.target, w.ca, w.ca_len, &t->kbs, &t->why), 0);
	int err = agent_kbs_challenge(t->kbs, EV_SNP, t->nonce, &t->why);
	if (err < 0)
		print_error("challenge: %s\n", t->why.text);
	assert_int_equal(err, 0);
	assert_int_equal(kbs_key_new(&t->key, &t->pub, &t->why), 0);
	assert_int_equal(kbs_bind_report_data(t->nonce, t->pub, report_data), 0);
	guest_report(g, report_data, &t->evidence);
}

static int talk_prove(struct talk *t)
{
	why_clear(&t->why);
	return agent_kbs_prove(t->kbs, t->nonce, t->pub, &t->evidence, &t->why);
}

/* Fetch; the secret must be right when there is one. */
static int talk_fetch(struct talk *t, const char *path)
{
	AUTO(secret) struct secret got = { 0 };

	why_clear(&t->why);
	int err = agent_kbs_fetch(t->kbs, path, t->key, &got, &t->why);
	if (err < 0) {
		assert_null(got.p);
		return err;
	}
	assert_int_equal(got.len, strlen(SECRET));
	assert_memory_equal(got.p, SECRET, got.len);
	return 0;
}

static void assert_why(const struct talk *t, const char *part)
{
	if (strstr(t->why.text, part) == NULL)
		fail_msg("want \"%s\" in \"%s\"", part, t->why.text);
}

/* Nothing was proven, so nothing may be fetched either. */
static void assert_refused(struct talk *t, const char *part)
{
	assert_int_equal(talk_prove(t), -EACCES);
	assert_why(t, part);
	assert_int_equal(talk_fetch(t, KEY_PATH), -EACCES);
}

#define BEGIN(old, new)                                                                            \
	AUTO(guest) struct guest g = { 0 };                                                        \
	AUTO(talk) struct talk t = { 0 };                                                          \
	guest_make(&g);                                                                            \
	policy_put(&g, old, new, true)

/* --- what holds -------------------------------------------------------------------------------- */

static void a_proven_guest_gets_its_key(void **state)
{
	BEGIN(NULL, NULL);
	talk_begin(&t, &g);
	int err = talk_prove(&t);
	if (err < 0)
		print_error("%s\n", t.why.text);
	assert_int_equal(err, 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), 0);
}

static void the_ledger_has_what_happened(void **state)
{
	static char out[262144];
	const char *list[] = { ledger_program, "list", NULL, "--json", NULL };
	const char *verify[] = { ledger_program, "verify", NULL, NULL };
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), 0);
	list[2] = verify[2] = in_folder("ledger");
	assert_int_equal(program_run(verify, NULL, NULL, 0), 0);
	assert_int_equal(program_run(list, NULL, out, sizeof out), 0);
	const char *at = strstr(out, g.hash_hex);
	assert_non_null(at);
	assert_non_null(strstr(out, "\"proven\""));
	assert_non_null(strstr(out, "\"released\""));
	assert_non_null(strstr(out, KEY_PATH));
	assert_null(strstr(out, SECRET));
}

/* For whoever wants to judge again: by the hash of the report, as in the ledger. */
static bool evidence_is_kept(const struct ev_evidence *e)
{
	uint8_t hash[32];
	char name[128];
	uint8_t *bytes = NULL;
	size_t len = 0;
	struct wr hex = wr_of(name, sizeof name);

	(void)EVP_Digest(e->bytes, e->len, hash, NULL, EVP_sha256(), NULL);
	wr_str(&hex, "store/evidence/");
	wr_hex(&hex, hash, sizeof hash);
	wr_str(&hex, ".report");
	assert_int_equal(wr_end_str(&hex), 0);
	if (fd_read_path(in_folder(name), 65536, &bytes, &len, NULL) < 0)
		return false;
	assert_int_equal(len, e->len);
	assert_memory_equal(bytes, e->bytes, len);
	free(bytes);
	memcpy(name + strlen(name) - strlen("report"), "certs", 6);
	assert_int_equal(fd_read_path(in_folder(name), 65536, &bytes, &len, NULL), 0);
	assert_non_null(strstr((char *)bytes, "-----BEGIN CERTIFICATE-----"));
	free(bytes);
	return true;
}

static void genuine_evidence_is_kept_and_no_other(void **state)
{
	AUTO(talk) struct talk refused = { 0 };
	AUTO(talk) struct talk forged = { 0 };
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_true(evidence_is_kept(&t.evidence));
	g.snp->ld[0] ^= 1;
	talk_begin(&refused, &g);
	assert_int_equal(talk_prove(&refused), -EACCES);
	assert_true(evidence_is_kept(&refused.evidence));
	talk_begin(&forged, &g);
	forged.evidence.bytes[0x90] ^= 1;
	assert_int_equal(talk_prove(&forged), -EACCES);
	assert_false(evidence_is_kept(&forged.evidence));
}

static void a_pinned_key_needs_no_authority(void **state)
{
	AUTO(guest) struct guest g = { 0 };
	AUTO(agent_kbs) struct agent_kbs *k = NULL;
	struct agent_broker pinned = w.target;
	char nonce[AGENT_NONCE_MAX + 1];
	uint8_t *spki = NULL;
	FILE *f = fopen(in_folder("broker.pem"), "re");
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);

	pinned.has_pin = true;
	(void)EVP_Digest(spki, (size_t)len, pinned.pin, NULL, EVP_sha256(), NULL);
	(void)fclose(f);
	X509_free(x);
	OPENSSL_free(spki);
	assert_int_equal(agent_kbs_open(&pinned, NULL, 0, &k, NULL), 0);
	assert_int_equal(agent_kbs_challenge(k, EV_SNP, nonce, NULL), 0);
}

static void another_boot_may_have_the_key_again(void **state)
{
	AUTO(talk) struct talk second = { 0 };
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), 0);
	assert_int_equal(sim_random(g.snp->report_id, sizeof g.snp->report_id), 0);
	talk_begin(&second, &g);
	assert_int_equal(talk_prove(&second), 0);
	assert_int_equal(talk_fetch(&second, KEY_PATH), 0);
}

/* --- what is refused: evidence ------------------------------------------------------------------- */

static void wrong_nonce(void **state)
{
	AUTO(talk) struct talk other = { 0 };
	BEGIN(NULL, NULL);

	talk_begin(&other, &g);
	talk_begin(&t, &g);
	/* Everything of another session's challenge: whole, bound, and not ours. */
	memcpy(t.nonce, other.nonce, sizeof t.nonce);
	json_decref(t.pub);
	t.pub = json_incref(other.pub);
	t.evidence = other.evidence;
	assert_refused(&t, "nonce");
}

static void replayed_nonce(void **state)
{
	BEGIN(NULL, NULL);
	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(talk_prove(&t), -EACCES);
	assert_why(&t, "was used");
}

static void a_failed_nonce_is_spent(void **state)
{
	struct ev_evidence good;
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	good = t.evidence;
	t.evidence.bytes[0x90] ^= 1; /* measurement: the signature breaks */
	assert_int_equal(talk_prove(&t), -EACCES);
	t.evidence = good;
	assert_refused(&t, "was used");
}

static void replayed_evidence(void **state)
{
	AUTO(talk) struct talk second = { 0 };
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	talk_begin(&second, &g);
	second.evidence = t.evidence;
	assert_refused(&second, "report_data");
}

static void other_key(void **state)
{
	AUTO(kbs_json) json_t *key = NULL;
	json_t *pub = NULL;
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(kbs_key_new(&key, &pub, NULL), 0);
	json_decref(t.pub);
	t.pub = pub;
	assert_refused(&t, "report_data");
}

static void other_report_data(void **state)
{
	uint8_t data[64] = { 7 };
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	guest_report(&g, data, &t.evidence);
	assert_refused(&t, "report_data");
}

static void changed_report(void **state)
{
	static const size_t at[] = { 0x08, 0x90, 0xC0 + 31, 0x140, 0x2A0, 0x2E8 };

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		BEGIN(NULL, NULL);
		talk_begin(&t, &g);
		t.evidence.bytes[at[i]] ^= 1;
		assert_refused(&t, "");
	}
}

static void unknown_policy(void **state)
{
	AUTO(guest) struct guest g = { 0 };
	AUTO(talk) struct talk t = { 0 };

	guest_make(&g);
	policy_put(&g, NULL, NULL, false);
	talk_begin(&t, &g);
	assert_refused(&t, "not known here");
}

static void revoked_policy(void **state)
{
	BEGIN(NULL, NULL);
	assert_int_equal(broker_run(NULL, "policy", "revoke", g.hash_hex, NULL, NULL, NULL, 0), 0);
	talk_begin(&t, &g);
	assert_refused(&t, "revoked");
	/* and it cannot come back by being put again */
	assert_int_equal(
		broker_run(NULL, "policy", "put", in_folder("policy.jsonc"), NULL, NULL, NULL, 0),
		1);
}

static void policy_of_another_time(void **state)
{
	BEGIN("  \"change\": {",
		"  \"valid\": {\"not_before\": \"2001-01-01T00:00:00Z\", \"not_after\": "
		"\"2001-02-01T00:00:00Z\"},\n  \"change\": {");
	talk_begin(&t, &g);
	assert_refused(&t, "policy");
}

static void wrong_measurement(void **state)
{
	BEGIN(NULL, NULL);
	g.snp->ld[47] ^= 1;
	talk_begin(&t, &g);
	assert_refused(&t, "measurement");
}

static void no_launch_digest_at_all(void **state)
{
	AUTO(guest) struct guest g = { 0 };
	AUTO(talk) struct talk t = { 0 };

	guest_make(&g);
	policy_put(&g, NULL, NULL, false);
	/* the same policy, put without a digest */
	static char text[32768];
	(void)snprintf(text, sizeof text, "%s", w.policy_text);
	text_replace(text, sizeof text, VALID, "");
	text_replace(text, sizeof text, "\"serial\": 1,", "\"serial\": 9999,");
	file_write("policy.jsonc", text, strlen(text));
	assert_int_equal(
		broker_run(NULL, "policy", "put", in_folder("policy.jsonc"), NULL, NULL, NULL, 0),
		0);
	assert_int_equal(policy_hash(text, strlen(text), g.snp->host_data), 0);
	talk_begin(&t, &g);
	assert_refused(&t, "measurement");
}

static void debug_bit(void **state)
{
	BEGIN(NULL, NULL);
	g.snp->policy |= POLICY_SNP_DEBUG;
	talk_begin(&t, &g);
	assert_refused(&t, "debug");
}

static void migration_bit(void **state)
{
	BEGIN(NULL, NULL);
	g.snp->policy |= POLICY_SNP_MIGRATE_MA;
	talk_begin(&t, &g);
	assert_refused(&t, "migration");
}

static void simulated_chain_for_a_policy_that_wants_hardware(void **state)
{
	BEGIN("\"simulated\": true,", "\"simulated\": false,");
	talk_begin(&t, &g);
	assert_refused(&t, "trust");
}

static void firmware_below_the_minimum(void **state)
{
	BEGIN("\"snp\": 23, \"microcode\": 72", "\"snp\": 24, \"microcode\": 72");
	talk_begin(&t, &g);
	assert_refused(&t, "tcb");
}

static void no_certificates(void **state)
{
	BEGIN(NULL, NULL);
	talk_begin(&t, &g);
	t.evidence.table_len = 0;
	assert_refused(&t, "");
}

static void another_platform(void **state)
{
	struct sim_minted other;
	struct sim_machine machine = { 0 };
	struct why why = { 0 };
	uint8_t data[64];
	BEGIN(NULL, NULL);

	assert_int_equal(sim_mint(&other, SIM_GENOA, 3, SIM_RSA_BITS, &why), 0);
	machine.platform = other.platform;
	assert_int_equal(sim_crypto_init(&machine.crypto, &other.platform, &why), 0);
	g.m = &machine;
	talk_begin(&t, &g);
	assert_int_equal(kbs_bind_report_data(t.nonce, t.pub, data), 0);
	guest_report(&g, data, &t.evidence);
	assert_int_equal(sim_table_write(&other.platform, false, t.evidence.table,
				 sizeof t.evidence.table, &t.evidence.table_len),
		0);
	assert_refused(&t, "chain");
	sim_crypto_done(&machine.crypto);
	sim_mint_done(&other);
}

/* --- what is refused: keys ----------------------------------------------------------------------- */

static void unknown_resource(void **state)
{
	BEGIN("kbs:///payments/disk/transactions-kek", "kbs:///payments/disk/nobody-put-it");
	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(talk_fetch(&t, "payments/disk/nobody-put-it"), -EREMOTEIO);
	assert_why(&t, "404");
}

static void resource_that_the_policy_does_not_name(void **state)
{
	BEGIN(NULL, NULL);
	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(talk_fetch(&t, OTHER_PATH), -EACCES);
	assert_why(&t, "names no key");
	assert_int_equal(talk_fetch(&t, "payments/disk/.."), -EREMOTEIO); /* 400: no such name */
	assert_int_equal(talk_fetch(&t, KEY_PATH "?x=1"), -EREMOTEIO);
	assert_int_equal(talk_fetch(&t, KEY_PATH "/x"), -EREMOTEIO);
	assert_int_equal(talk_fetch(&t, KEY_PATH), 0);
}

static void second_release_to_one_boot(void **state)
{
	AUTO(talk) struct talk again = { 0 };
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), -EACCES);
	assert_why(&t, "already");
	talk_begin(&again, &g); /* a new session, the same boot */
	assert_int_equal(talk_prove(&again), 0);
	assert_int_equal(talk_fetch(&again, KEY_PATH), -EACCES);
}

static void more_than_once_where_the_policy_lets(void **state)
{
	BEGIN("\"once_per_boot\": true", "\"once_per_boot\": false");
	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), 0);
}

static void old_evidence(void **state)
{
	BEGIN("\"max_age_s\": 60", "\"max_age_s\": 1");
	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	(void)sleep(2);
	assert_int_equal(talk_fetch(&t, KEY_PATH), -EACCES);
	assert_why(&t, "s old");
}

static void policy_revoked_between_proof_and_release(void **state)
{
	BEGIN(NULL, NULL);
	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	assert_int_equal(broker_run(NULL, "policy", "revoke", g.hash_hex, NULL, NULL, NULL, 0), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), -EACCES);
	assert_why(&t, "revoked");
}

static void answer_for_another_key(void **state)
{
	json_t *pub = NULL;
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	json_decref(t.key);
	assert_int_equal(kbs_key_new(&t.key, &pub, NULL), 0);
	json_decref(pub);
	assert_int_equal(talk_fetch(&t, KEY_PATH), -EKEYREJECTED);
}

static void fetch_without_proof(void **state)
{
	BEGIN(NULL, NULL);
	talk_begin(&t, &g);
	assert_int_equal(talk_fetch(&t, KEY_PATH), -EACCES);
}

/* --- what is refused: the wire ------------------------------------------------------------------- */

static size_t body_drop(char *bytes, size_t one, size_t n, void *arg)
{
	return n;
}

/* One request without our client; the HTTP status, or 0 when there was no answer. */
static long raw_request(
	const char *path, const char *body, size_t len, long tls, const char *cookie)
{
	CURL *c = curl_easy_init();
	char url[256];
	long status = 0;

	(void)snprintf(url, sizeof url, "https://casemate-broker/kbs/v0%s", path);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, w.target.unix_path);
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, tls);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, body_drop);
	if (cookie != NULL)
		(void)curl_easy_setopt(c, CURLOPT_COOKIE, cookie);
	if (body != NULL) {
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)len);
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	}
	if (curl_easy_perform(c) == CURLE_OK)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	return status;
}

static long raw_post(const char *path, const char *body)
{
	return raw_request(path, body, strlen(body), CURL_SSLVERSION_TLSv1_3, NULL);
}

#define AUTH_BODY "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}"

static void malformed_requests(void **state)
{
	assert_int_equal(raw_post("/auth", AUTH_BODY), 200);
	assert_int_equal(raw_post("/auth", ""), 400);
	assert_int_equal(raw_post("/auth", "{"), 400);
	assert_int_equal(raw_post("/auth", "[]"), 400);
	assert_int_equal(raw_post("/auth", "{\"version\":\"0.4.0\"}"), 400);
	assert_int_equal(raw_post("/auth", "{\"version\":4,\"tee\":\"snp\"}"), 400);
	assert_int_equal(raw_post("/auth", "{\"version\":\"9.0.0\",\"tee\":\"snp\"}"), 400);
	assert_int_equal(raw_post("/auth", "{\"version\":\"0.4.0\",\"tee\":\"toaster\"}"), 400);
	assert_int_equal(
		raw_post("/auth", "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"tee\":\"snp\"}"), 400);
	assert_int_equal(raw_post("/attest", "{}"), 401); /* no session */
	assert_int_equal(raw_post("/elsewhere", "{}"), 404);
	assert_int_equal(raw_request("/auth", NULL, 0, CURL_SSLVERSION_TLSv1_3, NULL), 404);
	assert_int_equal(
		raw_request("/resource/" KEY_PATH, NULL, 0, CURL_SSLVERSION_TLSv1_3, NULL), 401);
	assert_int_equal(
		raw_request("/resource/" KEY_PATH, NULL, 0, CURL_SSLVERSION_TLSv1_3,
			"kbs-session-id=00000000000000000000000000000000000000000000000000000000"
			"00000000"),
		401);
	assert_int_equal(raw_request("/resource/" KEY_PATH, NULL, 0, CURL_SSLVERSION_TLSv1_3,
				 "a=b; kbs-session-id=zz"),
		401);
}

static void oversized_body(void **state)
{
	size_t len = LIMIT_KBS_BODY_BYTES + 1;
	char *body = malloc(len);

	memset(body, ' ', len);
	long status = raw_request("/auth", body, len, CURL_SSLVERSION_TLSv1_3, NULL);
	assert_true(status == 413 || status == 400 || status == 0);
	free(body);
	assert_int_equal(raw_post("/auth", AUTH_BODY), 200); /* it still serves */
}

static void tls_1_2_client(void **state)
{
	assert_int_equal(raw_request("/auth", AUTH_BODY, strlen(AUTH_BODY),
				 CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2, NULL),
		0);
}

static int unix_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", w.target.unix_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

static void garbage_instead_of_tls(void **state)
{
	AUTO(fd) int fd = unix_connect();
	char got[256];

	assert_int_equal(fd_write_all(fd, "GET / HTTP/1.1\r\n\r\n", 18), 0);
	while (read(fd, got, sizeof got) > 0)
		;
	assert_int_equal(raw_post("/auth", AUTH_BODY), 200);
}

/* Whoever says nothing does not keep a place for ever; others are served meanwhile. */
static void silent_clients(void **state)
{
	int fds[8];
	char got[16];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = unix_connect();
	assert_int_equal(raw_post("/auth", AUTH_BODY), 200);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };
		assert_int_equal(poll(&p, 1, SILENCE_MS), 1);
		assert_true(read(fds[i], got, sizeof got) <= 0);
		(void)close(fds[i]);
	}
}

static void agent_refuses_a_stranger(void **state)
{
	AUTO(agent_kbs) struct agent_kbs *k = NULL;
	AUTO(agent_kbs) struct agent_kbs *pinned = NULL;
	AUTO(agent_kbs) struct agent_kbs *misnamed = NULL;
	struct agent_broker target = w.target;
	char nonce[AGENT_NONCE_MAX + 1];
	uint8_t *ca = NULL;
	size_t len = 0;

	assert_int_equal(fd_read_path(in_folder("stranger.pem"), 65536, &ca, &len, NULL), 0);
	assert_int_equal(agent_kbs_open(&target, ca, len, &k, NULL), 0);
	assert_int_equal(agent_kbs_challenge(k, EV_SNP, nonce, NULL), -EREMOTEIO);
	free(ca);
	target.has_pin = true; /* of zeros: nobody's */
	assert_int_equal(agent_kbs_open(&target, NULL, 0, &pinned, NULL), 0);
	assert_int_equal(agent_kbs_challenge(pinned, EV_SNP, nonce, NULL), -EREMOTEIO);
	target = w.target;
	(void)snprintf(target.host, sizeof target.host, "another.example");
	assert_int_equal(agent_kbs_open(&target, w.ca, w.ca_len, &misnamed, NULL), 0);
	assert_int_equal(agent_kbs_challenge(misnamed, EV_SNP, nonce, NULL), -EREMOTEIO);
}

static void agent_wants_to_know_whom_to_trust(void **state)
{
	AUTO(agent_kbs) struct agent_kbs *k = NULL;

	assert_int_equal(agent_kbs_open(&w.target, NULL, 0, &k, NULL), -EINVAL);
}

/* --- the broker's own end ------------------------------------------------------------------------ */

static void a_second_broker_does_not_take_the_socket(void **state)
{
	const char *argv[] = { broker_program, "serve", "--config", in_folder("config"), NULL };

	assert_true(program_run(argv, NULL, NULL, 0) != 0);
	assert_int_equal(raw_post("/auth", AUTH_BODY), 200);
}

/* Its ledger writer is the broker's child, found by its parent's id. */
static pid_t ledger_pid(void)
{
	char path[128];
	char text[64] = "";

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", w.broker, w.broker);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	(void)fclose(f);
	return atoi(text);
}

static void nothing_is_released_without_a_ledger(void **state)
{
	AUTO(talk) struct talk late = { 0 };
	BEGIN(NULL, NULL);

	talk_begin(&t, &g);
	assert_int_equal(talk_prove(&t), 0);
	talk_begin(&late, &g);
	assert_int_equal(kill(ledger_pid(), SIGKILL), 0);
	assert_int_equal(talk_fetch(&t, KEY_PATH), -EREMOTEIO);
	assert_why(&t, "503");
	assert_int_equal(talk_prove(&late), -EREMOTEIO);
	assert_int_equal(talk_fetch(&late, KEY_PATH), -EACCES);
	/* and the key was not used up by the release that did not happen */
	(void)broker_stop();
	broker_start(in_folder("config"));
	AUTO(talk) struct talk again = { 0 };
	talk_begin(&again, &g);
	assert_int_equal(talk_prove(&again), 0);
	assert_int_equal(talk_fetch(&again, KEY_PATH), 0);
}

static void the_broker_ends_when_told(void **state)
{
	int status = broker_stop();

	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The broker is down: its socket answers no more, or is not there. */
static void an_agent_without_a_broker_says_so(void **state)
{
	for (int i = 0; i < 2; i++) {
		AUTO(agent_kbs) struct agent_kbs *k = NULL;
		struct agent_broker target = w.target;
		char nonce[AGENT_NONCE_MAX + 1];
		struct why why = { 0 };
		if (i == 1)
			(void)snprintf(target.unix_path, sizeof target.unix_path, "%s",
				in_folder("none.sock"));
		assert_int_equal(agent_kbs_open(&target, w.ca, w.ca_len, &k, NULL), 0);
		assert_int_equal(agent_kbs_challenge(k, EV_SNP, nonce, &why), -EREMOTEIO);
		if (strstr(why.text, "broker: ") != why.text || strstr(why.text, "onnect") == NULL)
			fail_msg("unclear: %s", why.text);
		print_message("# %s\n", why.text);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proven_guest_gets_its_key),
		cmocka_unit_test(the_ledger_has_what_happened),
		cmocka_unit_test(genuine_evidence_is_kept_and_no_other),
		cmocka_unit_test(a_pinned_key_needs_no_authority),
		cmocka_unit_test(another_boot_may_have_the_key_again),
		cmocka_unit_test(wrong_nonce),
		cmocka_unit_test(replayed_nonce),
		cmocka_unit_test(a_failed_nonce_is_spent),
		cmocka_unit_test(replayed_evidence),
		cmocka_unit_test(other_key),
		cmocka_unit_test(other_report_data),
		cmocka_unit_test(changed_report),
		cmocka_unit_test(unknown_policy),
		cmocka_unit_test(revoked_policy),
		cmocka_unit_test(policy_of_another_time),
		cmocka_unit_test(wrong_measurement),
		cmocka_unit_test(no_launch_digest_at_all),
		cmocka_unit_test(debug_bit),
		cmocka_unit_test(migration_bit),
		cmocka_unit_test(simulated_chain_for_a_policy_that_wants_hardware),
		cmocka_unit_test(firmware_below_the_minimum),
		cmocka_unit_test(no_certificates),
		cmocka_unit_test(another_platform),
		cmocka_unit_test(unknown_resource),
		cmocka_unit_test(resource_that_the_policy_does_not_name),
		cmocka_unit_test(second_release_to_one_boot),
		cmocka_unit_test(more_than_once_where_the_policy_lets),
		cmocka_unit_test(old_evidence),
		cmocka_unit_test(policy_revoked_between_proof_and_release),
		cmocka_unit_test(answer_for_another_key),
		cmocka_unit_test(fetch_without_proof),
		cmocka_unit_test(malformed_requests),
		cmocka_unit_test(oversized_body),
		cmocka_unit_test(tls_1_2_client),
		cmocka_unit_test(garbage_instead_of_tls),
		cmocka_unit_test(silent_clients),
		cmocka_unit_test(agent_refuses_a_stranger),
		cmocka_unit_test(agent_wants_to_know_whom_to_trust),
		cmocka_unit_test(a_second_broker_does_not_take_the_socket),
		cmocka_unit_test(nothing_is_released_without_a_ledger),
		cmocka_unit_test(the_broker_ends_when_told),
		cmocka_unit_test(an_agent_without_a_broker_says_so),
	};

	if (argc != 3) {
		(void)fprintf(stderr, "usage: %s BROKER LEDGER\n", argv[0]);
		return 2;
	}
	broker_program = argv[1];
	ledger_program = argv[2];
	(void)signal(SIGPIPE, SIG_IGN);
	kbs_json_init();
	return cmocka_run_group_tests(tests, world_make, world_end);
}
