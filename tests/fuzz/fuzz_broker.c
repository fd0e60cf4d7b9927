/*
 * A run of the broker, request after request, as its HTTP server hands them over (parsing HTTP is
 * libevent's): strangers, guests and administrators, in any order, over a store in /tmp without a name.
 * Reaches broker_answer(), broker_admin_answer(), broker_sev_answer(), sessions, tokens, store.
 *
 * What the judge says and whether the ledger writes are the input's, exchanged by the linker. A secret
 * that leaves before it is in the ledger, twice where once a boot is promised, for somebody who has
 * not proven anything, or in the clear, a reply without a status or that is no JSON, and a header that
 * another could hide in are findings.
 *
 * Input: records; their first byte modulo RECORD_COUNT says what they are. Numbers are little-endian; of a
 * guest's requests the cookie and the nonce are those of the last challenge.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attest/broker/broker_admin.h"
#include "attest/broker/broker_answer.h"
#include "attest/broker/broker_sev.h"
#include "attest/broker/kbs_json.h"
#include "base/log.h"
#include "base/rd.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guard.h"
#include "tests/fuzz/tokens_key.h"

#define RECORDS_MAX 100
#define TEXT_MAX    4096u
#define CANARY      "canary-6f1d2c"
#define KEY                                                                                        \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","                            \
	"\"x\":\"6QdSp1q0WHVZOee_TqjVaYJ4Rwi09lmGMs_otptJ8Ag\","                                   \
	"\"y\":\"ilMnxSi5EhsgkozLcdoZ2_OvuikDO-ubuEkwG6D6a_U\"}"

enum record {
	RECORD_AUTH, /* a good one */
	RECORD_ATTEST, /* u8 what the judge says (modulo 4), u8 whether the ledger writes (bit 0: no) */
	RECORD_GET, /* u8 which resource, u8 bit 0: the ledger does not write, bit 1: by token, bit 2: no
	               cookie */
	RECORD_BODY,  /* u8 which request (table below), u16 length, body: a stranger's */
	RECORD_RAW,   /* u8 method, u8 length, path; u8 length, cookie; u8 length, authorization */
	RECORD_ADMIN, /* u8 method with bit 7: of another key, u8 length, path; u16 length, body */
	RECORD_TIME,  /* u16 seconds pass */
	RECORD_COUNT
};

static const char policy_text[] =
	"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":1,\"tee\":{\"type\":\"snp\","
	"\"simulated\":true,\"snp\":{\"product\":[\"Milan\"],\"guest_policy\":{\"smt\":true}}},"
	"\"keys\":[{\"id\":\"k\",\"source\":\"kbs:///a/b/c\",\"purpose\":\"p\",\"release\":{"
	"\"require\":[\"debug:off\"]}},"
	"{\"id\":\"o\",\"source\":\"kbs:///a/b/once\",\"purpose\":\"q\",\"release\":{"
	"\"require\":[\"debug:off\"],\"once_per_boot\":true}}],"
	"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
	"\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\"},"
	"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{}}";

static struct broker broker;
static sqlite3 *fresh; /* the store as each input finds it */
static uint8_t known_hash[STORE_HASH_BYTES];

static struct {
	uint64_t now_ms;
	char cookie[BROKER_COOKIE_MAX]; /* of the last challenge, without attributes */
	char nonce[SESSION_NONCE_TEXT + 1];
	char token[TEXT_MAX];
	int verdict; /* of the judge */
	bool ledger_is_mute;
	unsigned int n_proven, n_released; /* in this request: in the ledger */
	unsigned int n_ever;               /* proven in this run */
	unsigned int n_once;
} run;

/* ---- what the linker exchanges ---------------------------------------------------------------- */

int __wrap_judge_evidence(struct judge *j, const struct store *store,
	const struct judge_question *q, struct proof *ret, struct why *why);
int __wrap_broker_ledger_write(struct broker_ledger *l, enum ledger_event event,
	const struct proof *proof, const char *resource, const char *text, struct why *why);

int __wrap_judge_evidence(struct judge *j, const struct store *store,
	const struct judge_question *q, struct proof *ret, struct why *why)
{
	verdict_init(&j->verdict, EVIDENCE_TDX);
	if (run.verdict == -EBADMSG || run.verdict == -EIO)
		return why_set(why, run.verdict, "no evidence");
	memcpy(ret->policy_hash, known_hash, sizeof known_hash);
	memset(ret->boot_id, 7, sizeof ret->boot_id);
	(void)snprintf(ret->guest, sizeof ret->guest, "a/b");
	ret->serial = 1;
	ret->is_debug_off = true;
	return run.verdict < 0 ? why_set(why, run.verdict, "a row fails") : 0;
}

int __wrap_broker_ledger_write(struct broker_ledger *l, enum ledger_event event,
	const struct proof *proof, const char *resource, const char *text, struct why *why)
{
	if (run.ledger_is_mute)
		return why_set(why, -EPIPE, "the ledger writer is gone");
	run.n_proven += event == LEDGER_PROVEN;
	run.n_released += event == LEDGER_RELEASED;
	run.n_once += event == LEDGER_RELEASED && strcmp(resource, "a/b/once") == 0;
	return 0;
}

/* ---- a request and its reply -------------------------------------------------------------------- */

static void reply_check(const struct broker_reply *r)
{
	if (r->status < 200 || r->status > 599 || r->body == NULL)
		finding("a reply without a status");
	for (const char *p = r->set_cookie; *p != 0; p++)
		if (*p < 0x20 || *p > 0x7e)
			finding("a header that another could hide in");
	if (strstr(r->body, CANARY) != NULL)
		finding("a secret in the clear");
	json_t *j = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL);
	if (j == NULL && !r->is_text)
		finding("a reply that is no JSON");
	const char *nonce = json_string_value(json_object_get(j, "nonce"));
	const char *token = json_string_value(json_object_get(j, "token"));
	if (r->status == 200 && nonce != NULL)
		(void)snprintf(run.nonce, sizeof run.nonce, "%s", nonce);
	if (r->status == 200 && token != NULL)
		(void)snprintf(run.token, sizeof run.token, "%s", token);
	json_decref(j);
	if (r->set_cookie[0] != 0)
		(void)snprintf(run.cookie, sizeof run.cookie, "%.*s",
			(int)strcspn(r->set_cookie, ";"), r->set_cookie);
}

static void ask(struct broker_request *rq)
{
	struct broker_reply reply;
	bool is_resource =
		rq->method == BROKER_GET && strncmp(rq->path, "/kbs/v0/resource/", 17) == 0;
	bool is_attest = rq->method == BROKER_POST && strcmp(rq->path, "/kbs/v0/attest") == 0;

	run.n_proven = run.n_released = 0;
	rq->now_ms = run.now_ms;
	rq->now = (int64_t)(1790000000 + run.now_ms / 1000);
	if (rq->body == NULL)
		rq->body = "";
	broker_answer(&broker, rq, &reply);
	if (is_attest && reply.status == 200 && run.n_proven != 1)
		finding("a token that is not in the ledger");
	if (is_resource && reply.status == 200 && (run.n_released != 1 || run.n_ever == 0))
		finding("a secret that is not in the ledger, or for nobody");
	if (run.n_once > 1)
		finding("a secret twice in one boot");
	run.n_ever += run.n_proven;
	reply_check(&reply);
	kbs_text_free(reply.body);
	run.ledger_is_mute = false;
}

static void attest_send(struct rd *r)
{
	static const int verdicts[] = { 0, -EACCES, -EBADMSG, -EIO };
	char body[1024];

	run.verdict = verdicts[rd_u8(r) % ARRAY_LEN(verdicts)];
	run.ledger_is_mute = (rd_u8(r) & 1) != 0;
	int n = snprintf(body, sizeof body,
		"{\"runtime-data\":{\"nonce\":\"%s\",\"tee-pubkey\":" KEY "},"
		"\"tee-evidence\":{\"primary_evidence\":{\"quote\":\"AAAA\"}}}",
		run.nonce);
	ask(&(struct broker_request){ .method = BROKER_POST,
		.path = "/kbs/v0/attest",
		.cookie = run.cookie,
		.body = body,
		.body_len = (size_t)n });
}

static void resource_send(struct rd *r)
{
	static const char *const paths[] = { "a/b/c", "a/b/once", "a/b/none", "a/../c" };
	char path[64];
	char bearer[TEXT_MAX + 16];

	(void)snprintf(path, sizeof path, "/kbs/v0/resource/%s", paths[rd_u8(r) % 4u]);
	uint8_t how = rd_u8(r);
	run.ledger_is_mute = (how & 1) != 0;
	(void)snprintf(bearer, sizeof bearer, "Bearer %s", run.token);
	ask(&(struct broker_request){ .method = BROKER_GET,
		.path = path,
		.cookie = (how & 4) != 0 ? NULL : run.cookie,
		.authorization = (how & 2) != 0 ? bearer : NULL });
}

static void body_send(struct rd *r)
{
	static const char *const paths[] = { "/kbs/v0/auth", "/kbs/v0/attest", BROKER_SEV_PATH };
	const char *path = paths[rd_u8(r) % ARRAY_LEN(paths)];
	size_t len = rd_le16(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	ask(&(struct broker_request){ .method = BROKER_POST,
		.path = path,
		.cookie = run.cookie,
		.body = rd_bytes(r, len),
		.body_len = len });
}

static char *text_read(struct rd *r)
{
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	const uint8_t *bytes = rd_bytes(r, len);
	char *text = bytes != NULL ? strndup((const char *)bytes, len) : strdup("");
	if (text == NULL)
		abort();
	return text;
}

static void raw_send(struct rd *r)
{
	enum broker_method method = rd_u8(r) % BROKER_METHOD_COUNT;
	char *path = text_read(r);
	char *cookie = text_read(r);
	char *authorization = text_read(r);

	ask(&(struct broker_request){ .method = method,
		.path = path,
		.cookie = cookie[0] != 0 ? cookie : NULL,
		.authorization = authorization[0] != 0 ? authorization : NULL,
		.peer = "peer",
		.peer_len = 4 });
	free(path);
	free(cookie);
	free(authorization);
}

/* An administrator may put keys where he likes, and may change what is once a boot: not counted. */
static void admin_send(struct rd *r)
{
	const uint8_t spki[32] = { 0 };
	const uint8_t other[32] = { 1 };
	struct broker_reply reply;
	uint8_t method = rd_u8(r);
	char *path = text_read(r);
	size_t len = rd_le16(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	const uint8_t *body = rd_bytes(r, len);
	const struct broker_request rq = { .method = (method & 0x7f) % BROKER_METHOD_COUNT,
		.path = path,
		.body = body != NULL ? (const void *)body : "",
		.body_len = len };
	broker_admin_answer(&broker, &rq, (method & 0x80) != 0 ? other : spki, &reply);
	if ((method & 0x80) != 0 && reply.status != 403)
		finding("an answer for a key that administers nothing");
	reply_check(&reply);
	kbs_text_free(reply.body);
	free(path);
}

static void record_run(struct rd *r)
{
	static const char auth[] = "{\"version\":\"0.4.0\",\"tee\":\"tdx\",\"extra-params\":\"\"}";

	switch ((enum record)(rd_u8(r) % RECORD_COUNT)) {
	case RECORD_AUTH:
		ask(&(struct broker_request){ .method = BROKER_POST,
			.path = "/kbs/v0/auth",
			.body = auth,
			.body_len = strlen(auth) });
		break;
	case RECORD_ATTEST:
		attest_send(r);
		break;
	case RECORD_GET:
		resource_send(r);
		break;
	case RECORD_BODY:
		body_send(r);
		break;
	case RECORD_RAW:
		raw_send(r);
		break;
	case RECORD_ADMIN:
		admin_send(r);
		break;
	case RECORD_TIME:
	case RECORD_COUNT:
		run.now_ms += rd_le16(r) * 1000ull;
		break;
	}
}

/* ---- all inputs --------------------------------------------------------------------------------- */

static void secret_put(const char *text)
{
	AUTO(secret) struct secret s = { 0 };
	struct kbs_path path;

	if (kbs_path_parse(text, &path, NULL) < 0 ||
		secret_init_copy(&s, CANARY, strlen(CANARY)) < 0 ||
		store_write_secret(&broker.store, "", &path, &s, NULL) < 0)
		finding("no broker to test");
}

static void store_copy(sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");

	if (b == NULL || sqlite3_backup_step(b, -1) != SQLITE_DONE ||
		sqlite3_backup_finish(b) != SQLITE_OK)
		finding("no broker to test");
}

static void broker_make(void)
{
	static struct policy policy;
	char folder[] = "/tmp/casemate-fuzz-XXXXXX";
	char command[64];

	kbs_json_init();
	broker.store = STORE_NONE;
	broker.ledger = BROKER_LEDGER_NONE;
	broker.config.tenants = calloc(1, sizeof *broker.config.tenants);
	if (broker.config.tenants == NULL || mkdtemp(folder) == NULL ||
		store_open(folder, NULL, &broker.store, NULL) < 0)
		finding("no broker to test");
	broker.config.n_tenants = broker.config.tenants[0].n_pins = 1;
	broker.config.tenants[0].pins[0].may_write = true;
	(void)snprintf(command, sizeof command, "rm -rf %s", folder); /* its descriptors stay */
	if (system(command) != 0 ||
		sqlite3_exec(broker.store.db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF",
			NULL, NULL, NULL) != SQLITE_OK ||
		broker_put_policy(&broker.store, &broker.config, NULL, (const uint8_t *)policy_text,
			strlen(policy_text), "policy", NULL, 0, NULL, &policy, known_hash,
			NULL) < 0 ||
		sqlite3_open(":memory:", &fresh) != SQLITE_OK)
		finding("no broker to test");
	secret_put("a/b/c");
	secret_put("a/b/once");
	if (tokens_key_open(&broker.tokens) < 0)
		finding("no broker to test");
	store_copy(fresh, broker.store.db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int changes;
	struct rd r = rd_of(data, size);

	log_set_level(LOG_LEVEL_ERR);
	if (memmem(data, size, CANARY, strlen(CANARY)) != NULL)
		return 0; /* what somebody sends may come back to him */
	if (fresh == NULL)
		broker_make();
	else if (sqlite3_total_changes(broker.store.db) != changes)
		store_copy(broker.store.db, fresh);
	changes = sqlite3_total_changes(broker.store.db);
	memset(&run, 0, sizeof run);
	run.now_ms = 1000;
	rate_init(&broker.rate, 0, 0);
	for (int i = 0; i < RECORDS_MAX && r.left > 0; i++)
		record_run(&r);
	for (size_t i = 0; i < ARRAY_LEN(broker.sessions.at); i++)
		session_drop(&broker.sessions.at[i]);
	return 0;
}
