/* The broker as the guest owner's: launches of a SEV platform made here, real cryptography. */
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/broker_admin.h"
#include "attest/broker/broker_answer.h"
#include "attest/broker/broker_sev.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_sev.h"
#include "attest/sev_cert.h"
#include "base/b64.h"
#include "base/fd.h"
#include "base/rd.h"
#include "base/wr.h"
#include "tests/unit/cm.h"
#include "tests/unit/sev_maker.h"

#define NOW    1700000000
#define POLICY 0x00160005u /* API 22.0 at least, SEV-ES, no debugging */
#define SECRET "the key of the disk"
#define OTHER  "the other key"

static const char policy_start[] =
	"{\"schema\":\"launch-policy/1\",\"name\":\"bank/cards\",\"serial\":%u,"
	"\"tee\":{\"type\":\"sev-es\",\"simulated\":true,\"sev\":{\"policy\":\"0x160005\","
	"\"migration\":true,"
	"\"api_major\":0,\"api_minor\":22,\"build\":5}},"
	"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
	"\"boot\":{\"firmware\":{\"file\":\"OVMF.fd\"},\"kernel\":{\"file\":\"vmlinuz\"},"
	"\"cmdline\":\"\"},\"machine\":{\"vcpus\":2,\"memory_mib\":256},\"devices\":{}%s}";

#define KEY(id, source, require)                                                                   \
	"{\"id\":\"" id "\",\"source\":\"kbs:///" source                                           \
	"\",\"purpose\":\"p\",\"release\":{\"require\":[" require "]}}"
#define KEYS                                                                                       \
	",\"keys\":[" KEY("disk", "bank/disk/data",                                                \
		"\"attestation:affirming\",\"debug:off\"") "," KEY("tls", "bank/tls/key",          \
		"\"policy:this\",\"tcb:accepted\"") "]"

static struct sev_maker maker;
static struct broker broker;
static char folder[64];

/* ---- a ledger writer that says yes, or nothing is there ------------------------------------------ */

static struct {
	pthread_t thread;
	int fd;
	unsigned int n[LEDGER_EVENT_COUNT];
	char resource[LIMIT_PATH_BYTES];
	char text[400];
} ledger;

static void *ledger_serve(void *arg)
{
	struct chan c;

	if (chan_open(&c, ledger.fd) < 0)
		abort();
	while (chan_recv(&c, true) == 0) {
		struct wire_ledger_entry e;
		memcpy(&e, c.in->buf, sizeof e);
		struct wire_ledger_done done = { .cookie = e.cookie };
		ledger.n[le32_get(e.event)]++;
		memcpy(ledger.resource, e.resource, sizeof ledger.resource);
		memcpy(ledger.text, e.text, sizeof ledger.text);
		if (chan_send(&c, LEDGER_MSG_DONE, &done, sizeof done, NULL, 0) < 0)
			break;
	}
	chan_close(&c);
	return NULL;
}

static void ledger_start(void)
{
	int pair[2];

	memset(ledger.n, 0, sizeof ledger.n);
	assert_int_equal(chan_pair(pair), 0);
	ledger.fd = pair[1];
	broker.ledger = BROKER_LEDGER_NONE;
	assert_int_equal(broker_ledger_use(&broker.ledger, pair[0]), 0);
	assert_int_equal(pthread_create(&ledger.thread, NULL, ledger_serve, NULL), 0);
}

static void ledger_stop(void)
{
	chan_close(&broker.ledger.chan);
	broker.ledger = BROKER_LEDGER_NONE;
	assert_int_equal(pthread_join(ledger.thread, NULL), 0);
}

/* ---- a launch that is in order, for tests to spoil ------------------------------------------------ */

struct guest {
	uint8_t policy_hash[32], session[32], digest[32];
	uint8_t tek[16], tik[SEV_TIK_BYTES];
	uint8_t measure[48];
	uint8_t api[3];
	uint32_t word;
	unsigned int vcpus;
	uint32_t flags;
};

static struct attest_blob certs_all(void)
{
	static uint8_t bytes[16384];
	size_t len = 0;

	for (unsigned int k = 0; k < MAKER_KEYS; k++) {
		memcpy(bytes + len, maker.certs[k], maker.len[k]);
		len += maker.len[k];
	}
	return (struct attest_blob){ bytes, len };
}

static const char *whose = ""; /* whose guests are made */

static void session_keep(const struct guest *g)
{
	struct sev_kept kept = {
		.flags = g->flags, .tek = g->tek, .tik = g->tik, .certs = certs_all()
	};
	struct why why = { 0 };

	memcpy(kept.policy_hash, g->policy_hash, 32);
	if (broker_sev_put(&broker.store, whose, g->session, &kept, &why) < 0)
		fail_msg("%s", why.text);
}

/* A policy, a session and a launch of their own. */
static struct guest guest_make(const char *keys, uint32_t flags)
{
	static unsigned int serial;
	static struct policy policy;
	char text[2048], hex[65];
	const char *digests[] = { hex };
	struct guest g = { .api = { 0, 22, 9 }, .word = POLICY, .vcpus = 2, .flags = flags };
	struct why why = { 0 };

	serial++;
	memset(g.digest, (int)(0x10 + serial), sizeof g.digest);
	wr_hex_str(hex, sizeof hex, g.digest, sizeof g.digest);
	int n = snprintf(text, sizeof text, policy_start, serial, keys);
	if (broker_put_policy(&broker.store, NULL, whose, (const uint8_t *)text, (size_t)n, "p",
		    digests, 1, NULL, &policy, g.policy_hash, &why) < 0)
		fail_msg("%s", why.text);
	memset(g.session, (int)serial, sizeof g.session);
	memset(g.tek, (int)(0x60 + serial), sizeof g.tek);
	memset(g.tik, (int)(0xA0 + serial), 16);
	assert_int_equal(
		EVP_Digest(maker.certs[MAKER_PDH], 1044, g.tik + 16, NULL, EVP_sha256(), NULL), 1);
	session_keep(&g);
	maker_measure(g.tik, g.api, g.word, g.digest, g.measure);
	return g;
}

/* The same launch once more: the firmware draws another nonce. */
static void guest_remeasure(struct guest *g)
{
	struct sev_measured m = { g->api[0], g->api[1], g->api[2], g->word, { 0 }, { 0 } };

	memcpy(m.digest, g->digest, sizeof m.digest);
	memset(m.mnonce, 0x4E, sizeof m.mnonce);
	memcpy(g->measure + 32, m.mnonce, sizeof m.mnonce);
	assert_int_equal(sev_measure_mac(g->tik, &m, g->measure), 0);
}

static void body_print(const struct guest *g, char *ret, size_t size)
{
	struct wr w = wr_of(ret, size);

	wr_str(&w, "{\"policy\":\"");
	wr_hex(&w, g->policy_hash, 32);
	wr_str(&w, "\",\"session\":\"");
	wr_hex(&w, g->session, 32);
	wr_str(&w, "\",\"measure\":\"");
	b64_print(&w, g->measure, sizeof g->measure);
	wr_printf(&w, "\",\"sev_policy\":%u,\"api\":[%u,%u,%u],\"vcpus\":%u}", g->word, g->api[0],
		g->api[1], g->api[2], g->vcpus);
	assert_int_equal(wr_end_str(&w), 0);
}

static struct broker_reply reply; /* the last */
static char detail[1024];         /* of a refusal */

static int body_send(const char *body)
{
	const struct broker_request rq = { .method = BROKER_POST,
		.path = BROKER_SEV_PATH,
		.body = body,
		.body_len = strlen(body),
		.now_ms = 1000,
		.now = NOW };
	AUTO(kbs_json) json_t *j = NULL;

	kbs_text_free(reply.body);
	broker_answer(&broker, &rq, &reply);
	assert_non_null(reply.body);
	assert_int_equal(kbs_json_load(reply.body, strlen(reply.body), &j, NULL), 0);
	const char *text = json_string_value(json_object_get(j, "detail"));
	(void)snprintf(detail, sizeof detail, "%s", text != NULL ? text : "");
	return reply.status;
}

static int ask(const struct guest *g)
{
	char body[1024];

	body_print(g, body, sizeof body);
	return body_send(body);
}

static int ask_recorded(const struct guest *g)
{
	ledger_start();
	int status = ask(g);
	ledger_stop();
	return status;
}

static void detail_says(const char *text)
{
	if (strstr(detail, text) == NULL)
		fail_msg("\"%s\" is not in: %s", text, detail);
}

/* ---- what is released ---------------------------------------------------------------------------- */

/* As the firmware: the plain table of the packet in the last reply. */
static size_t packet_open(const struct guest *g, uint8_t *ret, size_t size)
{
	AUTO(kbs_json) json_t *j = NULL;
	uint8_t header[64], body[LIMIT_SEV_SECRET_BYTES];
	size_t header_len = 0, len = 0;

	assert_int_equal(kbs_json_load(reply.body, strlen(reply.body), &j, NULL), 0);
	const char *h = json_string_value(json_object_get(j, "header"));
	const char *b = json_string_value(json_object_get(j, "body"));
	assert_int_equal(b64_parse(h, strlen(h), header, sizeof header, &header_len), 0);
	assert_int_equal(b64_parse(b, strlen(b), body, sizeof body, &len), 0);
	if (len == 0) {
		assert_int_equal(header_len, 0);
		return 0;
	}
	assert_int_equal(header_len, 52);
	assert_true(len <= size && len % 16 == 0);
	assert_int_equal(maker_secret_open(g->tek, g->tik, g->measure, header, body, len, ret), 0);
	return len;
}

/* The entry of a path in a table; its bytes as text. */
static void table_has(const uint8_t *table, size_t len, const char *path, const char *want)
{
	struct rd r = rd_of(table, len);
	uint8_t raw[16];
	char text[KBS_SEV_GUID_TEXT + 1];

	assert_int_equal(kbs_sev_guid(path, text, raw), 0);
	rd_skip(&r, 16);
	uint32_t total = rd_le32(&r);
	assert_true(total >= 20 && total <= len);
	struct rd entries = rd_sub(&r, total - 20);
	while (entries.left > 0) {
		const uint8_t *guid = rd_bytes(&entries, 16);
		uint32_t n = rd_le32(&entries);
		assert_int_equal(rd_check(&entries), 0);
		const uint8_t *p = rd_bytes(&entries, n - 20);
		assert_non_null(p);
		if (memcmp(guid, raw, 16) != 0)
			continue;
		assert_int_equal(n - 20, strlen(want));
		assert_memory_equal(p, want, strlen(want));
		return;
	}
	fail_msg("no entry for %s", path);
}

static void right_launch_gets_its_keys(void **state)
{
	struct guest g = guest_make(KEYS, 0);
	uint8_t table[LIMIT_SEV_SECRET_BYTES];

	assert_int_equal(ask_recorded(&g), 200);
	size_t len = packet_open(&g, table, sizeof table);
	table_has(table, len, "bank/disk/data", SECRET);
	table_has(table, len, "bank/tls/key", OTHER);
	assert_int_equal(ledger.n[LEDGER_PROVEN], 1);
	assert_int_equal(ledger.n[LEDGER_RELEASED], 2);
	assert_string_equal(ledger.resource, "bank/tls/key");
	assert_null(strstr(reply.body, SECRET));
}

static void launch_without_keys_may_run(void **state)
{
	struct guest g = guest_make("", 0);
	uint8_t table[LIMIT_SEV_SECRET_BYTES];

	assert_int_equal(ask_recorded(&g), 200);
	assert_int_equal(packet_open(&g, table, sizeof table), 0);
	assert_int_equal(ledger.n[LEDGER_PROVEN], 1);
	assert_int_equal(ledger.n[LEDGER_RELEASED], 0);
}

static void session_serves_one_launch(void **state)
{
	struct guest g = guest_make(KEYS, 0);

	assert_int_equal(ask_recorded(&g), 200);
	assert_int_equal(ask_recorded(&g), 403);
	detail_says("this session was used already");
	guest_remeasure(&g);
	assert_int_equal(ask_recorded(&g), 403);
	assert_int_equal(ledger.n[LEDGER_RELEASED], 0);
}

/* The session's public half is no secret of its host: another tenant keeps it with keys of its own. */
static void session_of_another_tenant_uses_none_up(void **state)
{
	struct guest mine = guest_make("", 0);

	whose = "mallory";
	struct guest other = guest_make("", 0);
	memcpy(other.session, mine.session, sizeof other.session);
	session_keep(&other);
	assert_int_equal(ask_recorded(&other), 200);
	assert_int_equal(ask_recorded(&other), 403);
	whose = "";
	assert_int_equal(ask_recorded(&mine), 200);
	assert_int_equal(ask_recorded(&mine), 403);
}

static void reusable_session_answers_each_measurement_once(void **state)
{
	struct guest g = guest_make(KEYS, SEV_SESSION_REUSABLE);

	assert_int_equal(ask_recorded(&g), 200);
	assert_int_equal(ask_recorded(&g), 403);
	detail_says("this measurement was answered already");
	guest_remeasure(&g);
	assert_int_equal(ask_recorded(&g), 200);
}

static void held_launch_waits_for_its_owner(void **state)
{
	struct guest g = guest_make(KEYS, SEV_SESSION_HELD);
	struct guest bad = g;

	assert_int_equal(ask_recorded(&g), 202);
	assert_int_equal(reply.retry_after_s, 5);
	assert_null(strstr(reply.body, "header"));
	assert_int_equal(ledger.n[LEDGER_PROVEN] + ledger.n[LEDGER_RELEASED], 0);
	bad.measure[0] ^= 1; /* held or not: a wrong one is refused at once */
	assert_int_equal(ask_recorded(&bad), 401);
	assert_int_equal(broker_sev_release(&broker.store, "", g.session, NULL), 0);
	assert_int_equal(ask_recorded(&g), 200);
}

static void one_release_never_lets_many_launches_run(void **state)
{
	struct guest g = guest_make(KEYS, SEV_SESSION_HELD);
	struct sev_kept both = { .flags = SEV_SESSION_HELD | SEV_SESSION_REUSABLE,
		.tek = g.tek,
		.tik = g.tik,
		.certs = certs_all() };
	struct why why = { 0 };

	assert_int_equal(broker_sev_put(&broker.store, whose, g.session, &both, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "one release"));
	assert_int_equal(ask_recorded(&g), 202); /* what was there stays */
	assert_int_equal(broker_sev_release(&broker.store, "", g.session, NULL), 0);
	assert_int_equal(ask_recorded(&g), 200);
	guest_remeasure(&g); /* another launch of the session */
	assert_int_equal(ask_recorded(&g), 403);
}

static void without_a_ledger_nothing_is_released(void **state)
{
	struct guest g = guest_make(KEYS, 0);

	broker.ledger = BROKER_LEDGER_NONE;
	assert_int_equal(ask(&g), 503);
	assert_null(strstr(reply.body, "header"));
	assert_int_equal(ask_recorded(&g), 200); /* and the session is not spent by that */
}

/* ---- what is refused ----------------------------------------------------------------------------- */

static void other_key_is_refused(void **state)
{
	struct guest g = guest_make(KEYS, 0);
	uint8_t tik[16];

	memset(tik, 0x33, sizeof tik);
	maker_measure(tik, g.api, g.word, g.digest, g.measure);
	assert_int_equal(ask_recorded(&g), 401);
	detail_says("signature");
	assert_int_equal(ledger.n[LEDGER_REFUSED], 1);
	assert_int_equal(ledger.n[LEDGER_PROVEN], 0);
}

static void other_kernel_is_refused_and_named(void **state)
{
	struct guest g = guest_make(KEYS, 0);

	g.digest[5] ^= 1; /* of a launch with another kernel: no digest tells which piece it was */
	g.vcpus = 4;
	maker_measure(g.tik, g.api, g.word, g.digest, g.measure);
	assert_int_equal(ask_recorded(&g), 401);
	detail_says("any of 1 expected digests");
	detail_says("expects 2 vCPUs (the host has 4), kernel vmlinuz");
}

static void bits_of_the_measurement_all_count(void **state)
{
	struct guest g = guest_make(KEYS, 0);

	for (size_t i = 0; i < sizeof g.measure; i += 5) {
		struct guest bad = g;
		bad.measure[i] ^= 4;
		assert_int_equal(ask_recorded(&bad), 401);
	}
	struct guest bad = g;
	bad.api[2]++; /* the MAC is over it */
	assert_int_equal(ask_recorded(&bad), 401);
	assert_int_equal(ask_recorded(&g), 200);
}

static void weaker_guest_policy_is_refused(void **state)
{
	static const uint32_t words[] = { 0x00160004, 0x00160001, 0x00150005 };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct guest g = guest_make(KEYS, 0);
		g.word = words[i];
		maker_measure(g.tik, g.api, g.word, g.digest, g.measure);
		assert_int_equal(ask_recorded(&g), 401);
		detail_says(i == 0 ? "debug" : "weaker than the launch policy's");
	}
}

static void old_firmware_is_refused(void **state)
{
	static const uint8_t apis[][3] = { { 0, 22, 4 }, { 0, 21, 99 } };

	for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
		struct guest g = guest_make(KEYS, 0);
		memcpy(g.api, apis[i], 3);
		maker_measure(g.tik, g.api, g.word, g.digest, g.measure);
		assert_int_equal(ask_recorded(&g), 401);
		detail_says("the firmware is below the policy's minimum");
	}
}

static void other_platforms_certificates_are_refused(void **state)
{
	struct guest g = guest_make(KEYS, 0);

	g.tik[16] ^= 1; /* the session was made for another PDH */
	session_keep(&g);
	assert_int_equal(ask_recorded(&g), 401);
	broker.judge.roots.n = 0; /* nor is a root believed that nobody gave */
	g.tik[16] ^= 1;
	session_keep(&g);
	assert_int_equal(ask_recorded(&g), 401);
	broker.judge.roots.n = 1;
	assert_int_equal(ask_recorded(&g), 200);
}

static void unknown_session_and_policy_are_refused(void **state)
{
	struct guest g = guest_make(KEYS, 0);
	struct guest other = guest_make(KEYS, 0);
	struct guest bad = g;

	memset(bad.session, 0xEE, sizeof bad.session);
	assert_int_equal(ask_recorded(&bad), 401);
	detail_says("not known here: keep it with casemate broker sev-session put");
	bad = g;
	memset(bad.policy_hash, 0xEE, sizeof bad.policy_hash);
	assert_int_equal(ask_recorded(&bad), 403);
	bad = g;
	memcpy(bad.session, other.session, sizeof bad.session);
	assert_int_equal(ask_recorded(&bad), 401);
	detail_says("this session is for another policy");
	assert_int_equal(store_revoke_policy(&broker.store, NULL, g.policy_hash, NULL), 0);
	assert_int_equal(ask_recorded(&g), 403);
	detail_says("revoked");
}

static void policy_of_another_tee_is_refused(void **state)
{
	static const char text[] =
		"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":1,\"tee\":{\"type\":"
		"\"snp\",\"snp\":{\"product\":[\"Milan\"],\"guest_policy\":{\"smt\":true}}},"
		"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
		"\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\"},"
		"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{}}";
	static struct policy policy;
	struct guest g = guest_make(KEYS, 0);

	assert_int_equal(broker_put_policy(&broker.store, NULL, NULL, (const uint8_t *)text,
				 strlen(text), "p", NULL, 0, NULL, &policy, g.policy_hash, NULL),
		0);
	session_keep(&g);
	assert_int_equal(ask_recorded(&g), 403);
	detail_says("for no SEV or SEV-ES guest");
}

static void key_that_cannot_go_out_stops_all(void **state)
{
	struct guest g =
		guest_make(",\"keys\":[" KEY("disk", "bank/disk/data", "\"debug:off\"") "," KEY(
				   "none", "bank/disk/nobody", "\"debug:off\"") "]",
			0);

	assert_int_equal(ask_recorded(&g), 404);
	assert_null(strstr(reply.body, "header"));
	assert_int_equal(ledger.n[LEDGER_RELEASED], 0);
	g = guest_make(",\"keys\":[{\"id\":\"k\",\"source\":\"kbs:///bank/disk/data\",\"purpose\":"
		       "\"p\"}]",
		0);
	assert_int_equal(ask_recorded(&g), 403);
	detail_says("says nothing about its release");
	/* More than the firmware has room for. */
	g = guest_make(",\"keys\":[" KEY("big", "bank/disk/big", "\"debug:off\"") "]", 0);
	assert_int_equal(ask_recorded(&g), 400);
	detail_says("more than 3072 bytes");
}

static void requests_that_are_none_are_refused(void **state)
{
	static const char hash[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	static const char zeros[] =
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	static const struct {
		const char *policy, *measure, *rest;
	} rows[] = {
		{ "00", zeros, "\"sev_policy\":1,\"api\":[0,1,2],\"vcpus\":1" },
		{ hash, "AAAA", "\"sev_policy\":1,\"api\":[0,1,2],\"vcpus\":1" },
		{ hash, "no base64!", "\"sev_policy\":1,\"api\":[0,1,2],\"vcpus\":1" },
		{ hash, zeros, "\"sev_policy\":-1,\"api\":[0,1,2],\"vcpus\":1" },
		{ hash, zeros, "\"sev_policy\":4294967296,\"api\":[0,1,2],\"vcpus\":1" },
		{ hash, zeros, "\"sev_policy\":1,\"api\":[0,1,256],\"vcpus\":1" },
		{ hash, zeros, "\"sev_policy\":1,\"api\":[0,1],\"vcpus\":1" },
		{ hash, zeros, "\"sev_policy\":1,\"api\":[0,1,2,3],\"vcpus\":1" },
		{ hash, zeros, "\"sev_policy\":1,\"api\":[0,1,2],\"vcpus\":0" },
		{ hash, zeros, "\"sev_policy\":1,\"api\":[0,1,2]" },
		{ hash, zeros, "\"sev_policy\":1,\"api\":[0,1,2],\"vcpus\":1,\"more\":1" },
		{ hash, zeros, "\"sev_policy\":\"1\",\"api\":[0,1,2],\"vcpus\":1" },
	};
	char body[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(body, sizeof body,
			"{\"policy\":\"%s\",\"session\":\"%s\",\"measure\":\"%s\",%s}",
			rows[i].policy, hash, rows[i].measure, rows[i].rest);
		assert_int_equal(body_send(body), 400);
	}
	assert_int_equal(body_send(""), 400);
	assert_int_equal(body_send("[]"), 400);
}

/* ---- the store ------------------------------------------------------------------------------------ */

static void sessions_are_no_secrets_of_guests(void **state)
{
	AUTO(kbs_json) json_t *names = NULL;
	AUTO(kbs_json) json_t *rows = NULL;
	struct guest g = guest_make(KEYS, SEV_SESSION_HELD);
	struct kbs_path path;
	char hex[65];
	bool is_found = false;
	const json_t *row;
	size_t i;

	wr_hex_str(hex, sizeof hex, g.session, sizeof g.session);
	assert_int_equal(kbs_path_parse(".sev/session/x", &path, NULL), -EBADMSG);
	assert_int_equal(broker_list_secrets(&broker.store, "", &names, NULL), 0);
	assert_int_equal(json_array_size(names), 3);
	assert_int_equal(broker_sev_list(&broker.store, "", &rows, NULL), 0);
	json_array_foreach(rows, i, row) is_found =
		is_found || (strcmp(json_string_value(json_object_get(row, "session")), hex) == 0 &&
				    json_is_true(json_object_get(row, "held")));
	assert_true(is_found);
	assert_int_equal(broker_sev_remove(&broker.store, "", g.session, NULL), 0);
	assert_int_equal(broker_sev_remove(&broker.store, "", g.session, NULL), -ENOENT);
	assert_int_equal(broker_sev_release(&broker.store, "", g.session, NULL), -ENOENT);
}

/* A request of an administrator; the JSON of the answer is the caller's. */
static int admin_ask(enum broker_method method, const char *path, const char *body, json_t **ret)
{
	static const uint8_t spki[32] = { 0xAD };
	const struct broker_request rq = {
		.method = method, .path = path, .body = body, .body_len = strlen(body), .now = NOW
	};
	struct broker_reply r;

	broker_admin_answer(&broker, &rq, spki, &r);
	assert_non_null(r.body);
	assert_int_equal(kbs_json_load(r.body, strlen(r.body), ret, NULL), 0);
	kbs_text_free(r.body);
	return r.status;
}

/* What POST /kbs/v0/sev-session takes, for this guest. */
static void admin_body(const struct guest *g, const uint8_t blob[SEV_SESSION_BYTES], size_t tik_len,
	char *ret, size_t size)
{
	const struct attest_blob certs = certs_all();
	struct wr w = wr_of(ret, size);

	wr_str(&w, "{\"held\":true,\"policy\":\"");
	wr_hex(&w, g->policy_hash, 32);
	wr_str(&w, "\",\"session\":\"");
	b64_print(&w, blob, SEV_SESSION_BYTES);
	wr_str(&w, "\",\"tek\":\"");
	b64_print(&w, g->tek, sizeof g->tek);
	wr_str(&w, "\",\"tik\":\"");
	b64_print(&w, g->tik, tik_len);
	wr_str(&w, "\",\"certs\":\"");
	b64_print(&w, certs.p, certs.len);
	wr_str(&w, "\"}");
	assert_int_equal(wr_end_str(&w), 0);
}

static void sessions_are_administered_from_afar(void **state)
{
	static char body[32768], path[128], name[65];
	struct broker_tenant tenant = { .n_pins = 1 };
	struct guest g = guest_make(KEYS, 0);
	uint8_t blob[SEV_SESSION_BYTES];
	AUTO(kbs_json) json_t *put = NULL;
	AUTO(kbs_json) json_t *list = NULL;
	AUTO(kbs_json) json_t *bad = NULL;
	AUTO(kbs_json) json_t *released = NULL;
	AUTO(kbs_json) json_t *removed = NULL;
	AUTO(kbs_json) json_t *again = NULL;
	AUTO(kbs_json) json_t *denied = NULL;

	tenant.pins[0].sha256[0] = 0xAD;
	broker.config.tenants = &tenant;
	broker.config.n_tenants = 1;
	memset(blob, 0x5E, sizeof blob);
	admin_body(&g, blob, sizeof g.tik, body, sizeof body);
	assert_int_equal(admin_ask(BROKER_POST, "/kbs/v0/sev-session", body, &denied), 403);
	tenant.pins[0].may_write = true;
	assert_int_equal(admin_ask(BROKER_POST, "/kbs/v0/sev-session", body, &put), 200);
	assert_int_equal(broker_sev_id(blob, g.session), 0);
	wr_hex_str(name, sizeof name, g.session, 32);
	assert_string_equal(json_string_value(json_object_get(put, "session")), name);
	assert_int_equal(admin_ask(BROKER_GET, "/kbs/v0/sev-session", "", &list), 200);
	assert_true(json_array_size(json_object_get(list, "sessions")) > 0);
	assert_int_equal(ask_recorded(&g), 202); /* held */
	(void)snprintf(path, sizeof path, "{\"session\":\"%s\"}", name);
	assert_int_equal(
		admin_ask(BROKER_POST, "/kbs/v0/sev-session/release", path, &released), 200);
	assert_int_equal(ask_recorded(&g), 200);
	(void)snprintf(path, sizeof path, "/kbs/v0/sev-session/%s", name);
	assert_int_equal(admin_ask(BROKER_DELETE, path, "", &removed), 200);
	assert_int_equal(admin_ask(BROKER_DELETE, path, "", &again), 404);
	assert_int_equal(ask_recorded(&g), 401);
	static const char wants[] = "{\"reusable\":true,";
	char *head = strchr(body, '{');
	memmove(head + sizeof wants - 1, head + 1, strlen(head)); /* held already */
	memcpy(head, wants, sizeof wants - 1);
	AUTO(kbs_json) json_t *both = NULL;
	assert_int_equal(admin_ask(BROKER_POST, "/kbs/v0/sev-session", body, &both), 400);
	/* A key without the digest of its platform would leave that open. */
	admin_body(&g, blob, 16, body, sizeof body);
	assert_int_equal(admin_ask(BROKER_POST, "/kbs/v0/sev-session", body, &bad), 400);
	/* Nothing of a key that does not parse is quoted. */
	AUTO(kbs_json) json_t *cut = NULL;
	assert_int_equal(
		admin_ask(BROKER_POST, "/kbs/v0/sev-session", "{\"tek\":\"c2VjcmV0", &cut), 400);
	assert_null(strstr(json_string_value(json_object_get(cut, "detail")), "c2Vj"));
	broker.config.tenants = NULL;
	broker.config.n_tenants = 0;
}

static void guids_are_what_was_published(void **state)
{
	char text[KBS_SEV_GUID_TEXT + 1];
	uint8_t raw[16];

	assert_int_equal(kbs_sev_guid("bank/disk/data", text, raw), 0);
	assert_string_equal(text, "64f7b992-39a3-8244-bf41-79155d6b4edf");
	assert_int_equal(raw[3], 0x64); /* little-endian on disk */
	assert_int_equal(text[14], '8');
}

static void secret_put(const char *text, const void *bytes, size_t len)
{
	AUTO(secret) struct secret secret = { 0 };
	struct kbs_path path;

	assert_int_equal(kbs_path_parse(text, &path, NULL), 0);
	assert_int_equal(secret_init_copy(&secret, bytes, len), 0);
	assert_int_equal(store_write_secret(&broker.store, "", &path, &secret, NULL), 0);
}

static int setup(void **state)
{
	static uint8_t big[4000];

	kbs_json_init();
	sev_maker_init(&maker, 2048);
	rate_init(&broker.rate, 0, 0);
	broker.store = STORE_NONE;
	broker.ledger = BROKER_LEDGER_NONE;
	broker.judge.roots.at[0] =
		(struct attest_blob){ maker.certs[MAKER_ARK], maker.len[MAKER_ARK] };
	broker.judge.roots.n = 1;
	(void)snprintf(folder, sizeof folder, "/tmp/casemate-test-XXXXXX");
	if (mkdtemp(folder) == NULL || store_open(folder, NULL, &broker.store, NULL) < 0)
		return -1;
	secret_put("bank/disk/data", SECRET, strlen(SECRET));
	secret_put("bank/tls/key", OTHER, strlen(OTHER));
	secret_put("bank/disk/big", big, sizeof big);
	return 0;
}

static int teardown(void **state)
{
	char line[128];

	kbs_text_free(reply.body);
	store_close(&broker.store);
	sev_maker_done(&maker);
	(void)snprintf(line, sizeof line, "rm -rf %s", folder);
	return system(line) == 0 ? 0 : -1; /* NOLINT: a folder of ours */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_launch_gets_its_keys),
		cmocka_unit_test(launch_without_keys_may_run),
		cmocka_unit_test(session_serves_one_launch),
		cmocka_unit_test(session_of_another_tenant_uses_none_up),
		cmocka_unit_test(reusable_session_answers_each_measurement_once),
		cmocka_unit_test(held_launch_waits_for_its_owner),
		cmocka_unit_test(one_release_never_lets_many_launches_run),
		cmocka_unit_test(without_a_ledger_nothing_is_released),
		cmocka_unit_test(other_key_is_refused),
		cmocka_unit_test(other_kernel_is_refused_and_named),
		cmocka_unit_test(bits_of_the_measurement_all_count),
		cmocka_unit_test(weaker_guest_policy_is_refused),
		cmocka_unit_test(old_firmware_is_refused),
		cmocka_unit_test(other_platforms_certificates_are_refused),
		cmocka_unit_test(unknown_session_and_policy_are_refused),
		cmocka_unit_test(policy_of_another_tee_is_refused),
		cmocka_unit_test(key_that_cannot_go_out_stops_all),
		cmocka_unit_test(requests_that_are_none_are_refused),
		cmocka_unit_test(sessions_are_no_secrets_of_guests),
		cmocka_unit_test(sessions_are_administered_from_afar),
		cmocka_unit_test(guids_are_what_was_published),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
