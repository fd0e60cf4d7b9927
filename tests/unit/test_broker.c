/* The broker without a network: sessions by an injected clock, the store, the configuration. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/broker/broker_answer.h"
#include "attest/broker/broker_config.h"
#include "attest/broker/broker_db.h"
#include "attest/broker/broker_store.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "base/fd.h"
#include "tests/unit/cm.h"

#define AUTH_BODY "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}"

static char folder[64];
static struct broker broker;

static const char *in_folder(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static int folder_make(void **state)
{
	(void)snprintf(folder, sizeof folder, "/tmp/casemate-test-XXXXXX");
	broker.store = STORE_NONE;
	broker.ledger = BROKER_LEDGER_NONE;
	rate_init(&broker.rate, 0, 0);
	return mkdtemp(folder) == NULL ||
	       store_open(in_folder("store"), NULL, &broker.store, NULL) < 0 ||
	       tokens_open(&broker.tokens, NULL, NULL, 0, NULL) < 0;
}

static int folder_remove(void **state)
{
	char command[128];

	for (size_t i = 0; i < ARRAY_LEN(broker.sessions.at); i++)
		session_drop(&broker.sessions.at[i]);
	tokens_close(&broker.tokens);
	store_close(&broker.store);
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

/* --- sessions -------------------------------------------------------------------------------- */

static int ask(enum broker_method method, const char *path, const char *body, const char *cookie,
	uint64_t now_ms, char ret_cookie[BROKER_COOKIE_MAX])
{
	struct broker_request rq = { .method = method,
		.path = path,
		.cookie = cookie,
		.body = body,
		.body_len = strlen(body),
		.now_ms = now_ms,
		.now = 1790000000 };
	struct broker_reply r;

	broker_answer(&broker, &rq, &r);
	assert_non_null(r.body);
	kbs_text_free(r.body);
	if (ret_cookie != NULL) {
		(void)snprintf(ret_cookie, BROKER_COOKIE_MAX, "%s", r.set_cookie);
		ret_cookie[strcspn(ret_cookie, ";")] = '\0';
	}
	return r.status;
}

static void a_flood_of_sessions_leaves_the_proven_alone(void **state)
{
	char first[BROKER_COOKIE_MAX], second[BROKER_COOKIE_MAX];

	assert_int_equal(ask(BROKER_POST, "/kbs/v0/auth", AUTH_BODY, NULL, 1000, first), 200);
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/auth", AUTH_BODY, NULL, 1001, second), 200);
	broker.sessions.at[1].state = SESSION_PROVEN;
	for (size_t i = 0; i < 2 * LIMIT_KBS_SESSIONS; i++)
		assert_int_equal(
			ask(BROKER_POST, "/kbs/v0/auth", AUTH_BODY, NULL, 2000 + i, NULL), 200);
	/* 401 both, but for different reasons: the first is gone, the second has used its nonce. */
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", first, 3000, NULL), 401);
	assert_int_equal(broker.sessions.at[1].state, SESSION_PROVEN);
	/* Guests of many policies fill the table: the next finds room, strangers take one place of it. */
	for (size_t i = 0; i < LIMIT_KBS_SESSIONS; i++)
		broker.sessions.at[i].state = SESSION_PROVEN;
	for (size_t i = 0; i < LIMIT_KBS_SESSIONS; i++)
		assert_int_equal(
			ask(BROKER_POST, "/kbs/v0/auth", AUTH_BODY, NULL, 4000, NULL), 200);
	unsigned int n = 0;
	for (size_t i = 0; i < LIMIT_KBS_SESSIONS; i++)
		n += broker.sessions.at[i].state == SESSION_PROVEN;
	assert_int_equal(n, LIMIT_KBS_SESSIONS - 1);
	assert_int_not_equal(broker.sessions.at[1].state, SESSION_PROVEN); /* the oldest */
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/auth", AUTH_BODY, NULL,
				 10000 + LIMIT_KBS_SESSION_MS, NULL),
		200);
}

static void a_session_is_known_by_its_cookie_alone(void **state)
{
	char cookie[BROKER_COOKIE_MAX], other[BROKER_COOKIE_MAX + 8];
	const uint64_t now = 10000000;

	assert_int_equal(ask(BROKER_POST, "/kbs/v0/auth", AUTH_BODY, NULL, now, cookie), 200);
	/* 400: the session is known, the body is not taken; 401: no session */
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", NULL, now, NULL), 401);
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", "", now, NULL), 401);
	(void)snprintf(other, sizeof other, "%s0", cookie);
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", other, now, NULL), 401);
	(void)snprintf(other, sizeof other, "x%s", cookie);
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", other, now, NULL), 401);
	other[0] = 0;
	(void)snprintf(other, sizeof other, "%.*s", (int)strlen(cookie) - 1, cookie);
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", other, now, NULL), 401);
	assert_int_equal(ask(BROKER_GET, "/kbs/v0/resource/a/b/c", "", cookie, now, NULL), 401);
	(void)snprintf(other, sizeof other, "a=b; %s", cookie);
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", other, now, NULL), 400);
	assert_int_equal(
		ask(BROKER_POST, "/kbs/v0/attest", "{}", cookie, now, NULL), 401); /* spent */
}

static void a_session_ends(void **state)
{
	char cookie[BROKER_COOKIE_MAX];
	const uint64_t now = 20000000;

	assert_int_equal(ask(BROKER_POST, "/kbs/v0/auth", AUTH_BODY, NULL, now, cookie), 200);
	assert_int_equal(ask(BROKER_POST, "/kbs/v0/attest", "{}", cookie,
				 now + LIMIT_KBS_SESSION_MS + 1, NULL),
		401);
}

/* One guest's flood takes its own places, nobody else's. */
static void proven_sessions_of_one_policy_are_bounded(void **state)
{
	static struct sessions all;
	struct session *other = sessions_new(&all, 1, 0);
	unsigned int n = 0;

	other->state = SESSION_PROVEN;
	other->proof.policy_hash[0] = 1;
	for (uint64_t i = 0; i < LIMIT_KBS_SESSIONS + 10; i++) {
		struct session *s = sessions_new(&all, 2 + i, 0);
		assert_non_null(s);
		s->state = SESSION_PROVEN;
		sessions_thin(&all, s);
	}
	for (size_t i = 0; i < ARRAY_LEN(all.at); i++)
		n += all.at[i].state == SESSION_PROVEN && all.at[i].proof.policy_hash[0] == 0;
	assert_int_equal(n, LIMIT_BROKER_SESSIONS_POLICY);
	assert_int_equal(other->state, SESSION_PROVEN);
}

static void rates_are_of_a_peer_and_of_all(void **state)
{
	static struct rate r;

	rate_init(&r, 3, 5);
	for (int i = 0; i < 3; i++)
		assert_false(rate_is_over(&r, "peer", 4, 0));
	assert_true(rate_is_over(&r, "peer", 4, 59999));
	assert_false(rate_is_over(&r, "another", 7, 0));
	assert_false(rate_is_over(&r, NULL, 0, 0));
	assert_true(rate_is_over(&r, NULL, 0, 0));
	assert_false(rate_is_over(&r, "peer", 4, 60000));
}

/* Keys that sign tokens: from a file, or none that can. */
static void tokens_are_of_one_key_and_issuer(void **state)
{
	static const char rsa[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
	static const char ec[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
		"-----END PRIVATE KEY-----\n"; /* RFC 8037, A.1 */
	struct tokens mine = { 0 }, theirs = { 0 }, none = { 0 };
	static struct verdict v;
	struct session s = { .state = SESSION_PROVEN, .nonce = "AAAA" };
	AUTO(kbs_json) json_t *key = NULL;
	AUTO(kbs_json) json_t *pub = NULL;
	AUTO(kbs_json) json_t *got = NULL;
	AUTO(kbs_text) char *token = NULL;
	struct proof proof;

	verdict_init(&v, EVIDENCE_SNP);
	assert_int_equal(kbs_key_new(&key, &pub, NULL), 0);
	assert_true(tokens_open(&mine, in_folder("none"), NULL, 0, NULL) < 0);
	assert_int_equal(
		fd_replace_file(AT_FDCWD, in_folder("k"), rsa, strlen(rsa), 0600, NULL), 0);
	assert_true(tokens_open(&mine, in_folder("k"), NULL, 0, NULL) < 0);
	assert_int_equal(fd_replace_file(AT_FDCWD, in_folder("k"), ec, strlen(ec), 0600, NULL), 0);
	assert_int_equal(tokens_open(&mine, in_folder("k"), "me", 60, NULL), 0);
	assert_int_equal(tokens_open(&theirs, in_folder("k"), "them", 60, NULL), 0);
	(void)snprintf(s.proof.guest, sizeof s.proof.guest, "a/b");
	memset(s.proof.boot_id, 7, sizeof s.proof.boot_id);
	s.proof.since = 1000;
	s.proof.serial = 3;
	s.proof.is_debug_off = true;
	assert_int_equal(tokens_print(&mine, &v, &s, pub, 1000, &token, NULL), 0);
	assert_int_equal(tokens_read(&mine, token, 1059, &proof, &got, NULL), 0);
	assert_memory_equal(&proof, &s.proof, sizeof proof);
	assert_true(json_equal(got, pub));
	json_decref(got);
	got = NULL;
	assert_int_equal(tokens_read(&mine, token, 1060, &proof, &got, NULL), -EACCES);
	assert_int_equal(tokens_read(&theirs, token, 1001, &proof, &got, NULL), -EACCES);
	assert_int_equal(tokens_read(&broker.tokens, token, 1001, &proof, &got, NULL), -EACCES);
	assert_int_equal(tokens_read(&none, token, 1001, &proof, &got, NULL), -EACCES);
	token[strlen(token) / 2] ^= 1;
	assert_int_equal(tokens_read(&mine, token, 1001, &proof, &got, NULL), -EACCES);
	assert_null(got);
	tokens_close(&mine);
	tokens_close(&theirs);
}

/* --- the store ------------------------------------------------------------------------------- */

static const char *tenant = "";

static int secret_put(const char *path, const char *text)
{
	AUTO(secret) struct secret s = { 0 };
	struct kbs_path parsed;

	int err = kbs_path_parse(path, &parsed, NULL);
	if (err == 0)
		err = secret_init_copy(&s, text, strlen(text));
	return err < 0 ? err : store_write_secret(&broker.store, tenant, &parsed, &s, NULL);
}

static int secret_check(const char *path, const char *text)
{
	AUTO(secret) struct secret s = { 0 };
	struct kbs_path parsed;

	int err = kbs_path_parse(path, &parsed, NULL);
	if (err == 0)
		err = store_read_secret(&broker.store, tenant, &parsed, &s, NULL);
	if (err == 0) {
		assert_int_equal(s.len, strlen(text));
		assert_memory_equal(s.p, text, s.len);
	}
	return err;
}

static void secrets_come_back_and_go(void **state)
{
	struct kbs_path path;
	struct stat st;

	assert_int_equal(secret_put("a/b/c", "one"), 0);
	assert_int_equal(secret_put("a/b/c", "two"), 0);
	assert_int_equal(secret_put("a/b.x/c-1_2", "three"), 0);
	assert_int_equal(secret_check("a/b/c", "two"), 0);
	assert_int_equal(secret_check("a/b.x/c-1_2", "three"), 0);
	assert_int_equal(stat(in_folder("store/store.db"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(kbs_path_parse("a/b/c", &path, NULL), 0);
	assert_int_equal(store_remove_secret(&broker.store, "", &path, NULL), 0);
	assert_int_equal(secret_check("a/b/c", ""), -ENOENT);
	assert_int_equal(store_remove_secret(&broker.store, "", &path, NULL), -ENOENT);
}

static void names_that_are_paths_are_refused(void **state)
{
	static const char *const bad[] = { "", "a", "a/b", "a/b/c/d", "/a/b/c", "a//c", "a/b/",
		"../b/c", "a/../c", "a/b/..", "a/b/.hidden", "a/b/c.new", "a/b/c d", "a/b/c\n",
		"a/b/\xc3\xa9",
		"a/b/0123456789012345678901234567890123456789012345678901234567890123x" };
	struct kbs_path path;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (kbs_path_parse(bad[i], &path, NULL) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
}

static int row_change(const char *sql)
{
	return db_script(broker.store.db, sql, NULL);
}

/* Nothing of a secret is in the file, and no row can stand for another. */
static void secrets_are_sealed_where_they_are(void **state)
{
	static const char canary[] = "canary-6f1d2c";
	uint8_t *bytes = NULL;
	size_t len = 0;

	assert_int_equal(secret_put("s/b/one", canary), 0);
	assert_int_equal(secret_put("s/b/two", "other"), 0);
	assert_int_equal(fd_read_path(in_folder("store/store.db"), 1 << 20, &bytes, &len, NULL), 0);
	assert_non_null(memmem(bytes, len, "s/b/one", 7));
	assert_null(memmem(bytes, len, canary, strlen(canary)));
	free(bytes);
	assert_int_equal(row_change("UPDATE secret SET sealed=(SELECT sealed FROM secret WHERE "
				    "path='s/b/two') WHERE path='s/b/one'"),
		0);
	assert_int_equal(secret_check("s/b/one", ""), -EKEYREJECTED);
	assert_int_equal(secret_check("s/b/two", "other"), 0);
	assert_int_equal(row_change("UPDATE secret SET version=version+1 WHERE path='s/b/two'"), 0);
	assert_int_equal(secret_check("s/b/two", ""), -EKEYREJECTED);
	assert_int_equal(secret_put("s/b/two", "again"), 0);
	assert_int_equal(row_change("UPDATE secret SET sealed=x'00' WHERE path='s/b/two'"), 0);
	assert_int_equal(secret_check("s/b/two", ""), -EKEYREJECTED);
}

static void tenants_do_not_see_each_other(void **state)
{
	const struct store_put of_a = { .tenant = "a", .name = "n/x", .serial = 1 };
	const struct store_put of_b = { .tenant = "b", .name = "n/x", .serial = 1 };
	struct kbs_path path;
	uint8_t hash[32];

	tenant = "a";
	assert_int_equal(secret_put("t/t/t", "of a"), 0);
	tenant = "b";
	assert_int_equal(secret_check("t/t/t", ""), -ENOENT);
	assert_int_equal(kbs_path_parse("t/t/t", &path, NULL), 0);
	assert_int_equal(store_remove_secret(&broker.store, "b", &path, NULL), -ENOENT);
	assert_int_equal(secret_put("t/t/t", "of b"), 0);
	tenant = "a";
	assert_int_equal(secret_check("t/t/t", "of a"), 0);
	/* not even by moving the row */
	assert_int_equal(row_change("DELETE FROM secret WHERE tenant='b';"
				    "UPDATE secret SET tenant='b' WHERE tenant='a'"),
		0);
	tenant = "b";
	assert_int_equal(secret_check("t/t/t", ""), -EKEYREJECTED);
	tenant = "";
	assert_int_equal(store_write_policy(&broker.store, "{a}", 3, &of_a, hash, NULL), 0);
	assert_int_equal(store_write_policy(&broker.store, "{a}", 3, &of_b, hash, NULL), -EACCES);
	assert_int_equal(store_revoke_policy(&broker.store, "b", hash, NULL), -ENOENT);
	assert_int_equal(store_set_minimum(&broker.store, "b", "n/x", 9, NULL), 0);
	assert_int_equal(store_check_serial(&broker.store, "a", "n/x", 1, NULL), 0);
	assert_int_equal(store_check_serial(&broker.store, "b", "n/x", 1, NULL), -EACCES);
}

/* Host data that stands for a policy: nobody else's, and never in a policy's own place. */
static void host_data_stands_for_one_policy(void **state)
{
	static const uint8_t host_data[32] = { 7 };
	const struct store_put mine = {
		.tenant = "a", .name = "n/h", .serial = 1, .host_data = host_data
	};
	const struct store_put theirs = {
		.tenant = "b", .name = "n/h", .serial = 1, .host_data = host_data
	};
	uint8_t hash[32], other[32], got[32];

	assert_int_equal(store_find_policy(&broker.store, host_data, got, NULL), -ENOENT);
	assert_int_equal(store_write_policy(&broker.store, "{h}", 3, &mine, hash, NULL), 0);
	assert_int_equal(store_find_policy(&broker.store, host_data, got, NULL), 0);
	assert_memory_equal(got, hash, 32);
	assert_int_equal(
		store_write_policy(&broker.store, "{i}", 3, &theirs, other, NULL), -EACCES);
	assert_int_equal(store_find_policy(&broker.store, host_data, got, NULL), 0);
	assert_memory_equal(got, hash, 32);
	struct store_put grab = { .tenant = "b", .name = "n/g", .serial = 1, .host_data = hash };
	assert_int_equal(store_write_policy(&broker.store, "{j}", 3, &grab, other, NULL), 0);
	assert_int_equal(store_find_policy(&broker.store, hash, got, NULL), 0);
	assert_memory_equal(got, hash, 32);
}

#define PUT(n_) (&(const struct store_put){ "", "n/x", 1, digests, n_, NULL })

static void policies_are_kept_by_their_hash(void **state)
{
	static const uint8_t digests[2][STORE_DIGEST_BYTES] = { { 1 }, { 2 } };
	AUTO(store_policy) struct store_policy p = { 0 };
	uint8_t hash[32], same[32];

	assert_int_equal(store_write_policy(&broker.store, "{}", 2, PUT(1), hash, NULL), 0);
	assert_int_equal(store_write_policy(&broker.store, "{}", 2, PUT(2), same, NULL), 0);
	assert_memory_equal(hash, same, 32);
	assert_int_equal(store_read_policy(&broker.store, hash, &p, NULL), 0);
	assert_int_equal(p.len, 2);
	assert_int_equal(p.n_digests, 2);
	assert_memory_equal(p.digests, digests, sizeof digests);
	assert_false(p.is_revoked);
	store_policy_done(&p);
	assert_int_equal(store_revoke_policy(&broker.store, "", hash, NULL), 0);
	assert_int_equal(store_read_policy(&broker.store, hash, &p, NULL), 0);
	assert_true(p.is_revoked);
	assert_int_equal(store_write_policy(&broker.store, "{}", 2, PUT(1), hash, NULL), -EACCES);
	hash[0] ^= 1;
	assert_int_equal(store_revoke_policy(&broker.store, "", hash, NULL), -ENOENT);
}

static void digests_are_not_without_end(void **state)
{
	uint8_t digests[LIMIT_BROKER_DIGESTS + 1][STORE_DIGEST_BYTES] = { 0 };
	uint8_t hash[32];
	struct why why = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(digests); i++)
		digests[i][0] = (uint8_t)i;
	assert_int_equal(store_write_policy(&broker.store, "{d}", 3, PUT(LIMIT_BROKER_DIGESTS + 1),
				 hash, &why),
		-E2BIG);
	assert_non_null(strstr(why.text, "launch digests")); /* not: "not known here" */
	assert_int_equal(
		store_write_policy(&broker.store, "{d}", 3, PUT(LIMIT_BROKER_DIGESTS), hash, NULL),
		0);
	digests[0][1] = 1;
	assert_int_equal(store_write_policy(&broker.store, "{d}", 3, PUT(1), hash, NULL), -E2BIG);
}

static void serials_only_go_up(void **state)
{
	static const uint8_t(*digests)[STORE_DIGEST_BYTES] = NULL;
	uint8_t hash[32];

	assert_int_equal(store_check_serial(&broker.store, "", "n/x", 1, NULL), 0);
	assert_int_equal(store_set_minimum(&broker.store, "", "n/x", 5, NULL), 0);
	assert_int_equal(store_set_minimum(&broker.store, "", "n/x", 4, NULL), -EACCES);
	assert_int_equal(store_check_serial(&broker.store, "", "n/x", 4, NULL), -EACCES);
	assert_int_equal(store_check_serial(&broker.store, "", "n/x", 5, NULL), 0);
	assert_int_equal(store_check_serial(&broker.store, "", "n/y", 1, NULL), 0);
	assert_int_equal(store_write_policy(&broker.store, "{s}", 3, PUT(0), hash, NULL), -EACCES);
	assert_int_equal(store_revoke_serial(&broker.store, "", "n/x", 7, NULL), 0);
	assert_int_equal(store_check_serial(&broker.store, "", "n/x", 7, NULL), -EACCES);
	assert_int_equal(store_check_serial(&broker.store, "", "n/x", 8, NULL), 0);
}

static void a_changed_policy_is_not_the_policy(void **state)
{
	static const uint8_t(*digests)[STORE_DIGEST_BYTES] = NULL;
	AUTO(store_policy) struct store_policy p = { 0 };
	const struct store_put put = { "", "n/z", 1, digests, 0, NULL };
	uint8_t hash[32];

	assert_int_equal(store_write_policy(&broker.store, "{ }", 3, &put, hash, NULL), 0);
	assert_int_equal(row_change("UPDATE policy SET bytes=x'7b7d' WHERE bytes=x'7b207d'"), 0);
	assert_int_equal(store_read_policy(&broker.store, hash, &p, NULL), -EBADMSG);
}

/* A policy of tenant "a" with a digest and host data, a minimum serial, two revocations. */
static void sealed_make(const char *name, struct store *s, uint8_t hash[32])
{
	static const uint8_t digests[1][STORE_DIGEST_BYTES] = { { 1 } }, host_data[32] = { 7 };
	const struct store_put put = { "a", "n/a", 5, digests, 1, host_data };

	assert_int_equal(store_open(in_folder(name), NULL, s, NULL), 0);
	assert_int_equal(store_write_policy(s, "{a}", 3, &put, hash, NULL), 0);
	assert_int_equal(store_set_minimum(s, "a", "n/a", 5, NULL), 0);
	assert_int_equal(store_revoke_serial(s, "a", "n/a", 6, NULL), 0);
	assert_int_equal(store_revoke_serial(s, "a", "n/a", 7, NULL), 0);
}

static void sealed_refuses(const struct store *s, const uint8_t hash[32], const char *what)
{
	static const uint8_t host_data[32] = { 7 };
	const struct store_put put = { "b", "n/b", 1, NULL, 0, NULL };
	AUTO(store_policy) struct store_policy p = { 0 };
	struct why why = { 0 };
	uint8_t got[32];

	if (store_read_policy(s, hash, &p, &why) != -EBADMSG ||
		store_check_serial(s, "a", "n/a", 5, NULL) != -EBADMSG ||
		store_find_policy(s, host_data, got, NULL) != -EBADMSG ||
		store_list_policies(s, "a", NULL, NULL, NULL) != -EBADMSG)
		fail_msg("read after: %s", what);
	if (strstr(why.text, "the policy's row was changed from outside") == NULL)
		fail_msg("%s: %s", what, why.text);
	/* nor does a change make it whole */
	if (store_write_policy(s, "{b}", 3, &put, got, NULL) != -EBADMSG ||
		store_revoke_policy(s, NULL, hash, NULL) != -EBADMSG ||
		store_revoke_serial(s, "b", "n/b", 1, NULL) != -EBADMSG ||
		store_set_minimum(s, "b", "n/b", 1, NULL) != -EBADMSG ||
		store_check_serial(s, "b", "n/b", 1, NULL) != -EBADMSG)
		fail_msg("written after: %s", what);
}

static void what_is_changed_from_outside_is_refused(void **state)
{
	static const char *const changes[] = {
		"UPDATE policy SET tenant='b'",
		"UPDATE policy SET revoked=1",
		"UPDATE policy SET hash=zeroblob(32)",
		"DELETE FROM policy",
		"INSERT INTO policy SELECT zeroblob(32), 'b', 0, bytes FROM policy",
		"UPDATE minimum SET serial=4",
		"UPDATE minimum SET serial=CAST(serial AS BLOB)",
		"UPDATE minimum SET tenant='b'",
		"DELETE FROM minimum",
		"UPDATE revoked SET serial=8 WHERE serial=7",
		"UPDATE revoked SET name=CAST(name AS BLOB)",
		"DELETE FROM revoked WHERE serial=6",
		"DELETE FROM revoked",
		"INSERT INTO revoked VALUES('a', 'n/a', 9)",
		("INSERT INTO minimum SELECT * FROM revoked WHERE serial=6 ON CONFLICT DO UPDATE "
		 "SET serial=6; DELETE FROM revoked WHERE serial=6"),
		"INSERT INTO digest SELECT hash, zeroblob(48) FROM policy",
		"UPDATE digest SET digest=zeroblob(48)",
		"DELETE FROM digest",
		"UPDATE host_data SET hash=zeroblob(32)",
		"INSERT INTO host_data SELECT zeroblob(32), hash FROM policy",
		"DELETE FROM host_data",
		"DELETE FROM seal",
		"UPDATE seal SET mac=zeroblob(32)",
		"UPDATE seal SET mac=x'00'",
		"INSERT INTO seal SELECT mac FROM seal",
		"CREATE TRIGGER t AFTER INSERT ON policy BEGIN DELETE FROM revoked; END",
		"CREATE INDEX i ON revoked(name)",
	};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		AUTO(store) struct store s = STORE_NONE;
		char name[32];
		uint8_t hash[32];

		(void)snprintf(name, sizeof name, "sealed-%zu", i);
		sealed_make(name, &s, hash);
		if (db_script(s.db, changes[i], NULL) < 0)
			fail_msg("no statement: %s", changes[i]);
		sealed_refuses(&s, hash, changes[i]);
		store_close(&s);
		assert_int_equal(store_find(in_folder(name), NULL, &s, NULL), 0);
		sealed_refuses(&s, hash, changes[i]);
	}
}

/* What is so by the store's own doing holds, here and after opening it again, also under another key. */
static void what_the_store_changed_holds(void **state)
{
	const struct kek kek = { .file = "/dev/null" };
	AUTO(store) struct store s = STORE_NONE;
	AUTO(store) struct store second = STORE_NONE;
	AUTO(store_policy) struct store_policy p = { 0 };
	char key[256];
	uint8_t hash[32];

	(void)snprintf(key, sizeof key, "%s/kek-sealed", folder);
	const struct kek other = { .file = key };
	assert_int_equal(
		fd_replace_file(AT_FDCWD, key, "0123456789abcdef0123456789abcdef", 32, 0600, NULL),
		0);
	sealed_make("holds", &s, hash);
	assert_int_equal(store_find(in_folder("holds"), NULL, &second, NULL), 0);
	assert_int_equal(store_revoke_serial(&second, "a", "n/a", 8, NULL), 0);
	assert_int_equal(store_check_serial(&s, "a", "n/a", 8, NULL), -EACCES);
	assert_int_equal(store_set_minimum(&s, "a", "n/a", 4, NULL), -EACCES);
	assert_int_equal(store_check_serial(&second, "a", "n/a", 5, NULL), 0);
	assert_true(store_rekey(&s, &kek, NULL) < 0);
	assert_int_equal(store_rekey(&s, &other, NULL), 0);
	store_close(&s);
	assert_int_equal(store_find(in_folder("holds"), &other, &s, NULL), 0);
	assert_int_equal(store_read_policy(&s, hash, &p, NULL), 0);
	assert_string_equal(p.tenant, "a");
	assert_int_equal(store_check_serial(&s, "a", "n/a", 8, NULL), -EACCES);
}

/* Rows and seal of another store are no better: each store has its own key. */
static void a_seal_is_of_one_store(void **state)
{
	AUTO(store) struct store s = STORE_NONE;
	AUTO(store) struct store donor = STORE_NONE;
	uint8_t hash[32], mac[32];

	sealed_make("one", &s, hash);
	sealed_make("donor", &donor, hash);
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	assert_int_equal(db_bind(donor.db, "SELECT mac FROM seal", NULL, 0, &q, NULL), 0);
	assert_int_equal(db_step(q, NULL), 1);
	assert_int_equal(db_column(q, 0, mac, sizeof mac), 0);
	assert_int_equal(sqlite3_reset(q), SQLITE_OK);
	assert_int_equal(db_run(s.db, "UPDATE seal SET mac=?", DB_VALUES(DB_BLOB(mac, sizeof mac)),
				 NULL, NULL),
		0);
	sealed_refuses(&s, hash, "the seal of another store");
}

/* All rows are there, two of them in each other's place in the tree, where no search finds them. */
static void a_row_that_is_hidden_is_missed(void **state)
{
	AUTO(store) struct store s = STORE_NONE;
	uint8_t hash[32], cells[4];

	sealed_make("hidden", &s, hash);
	AUTO(db_stmt) sqlite3_stmt *q = NULL;
	assert_int_equal(db_bind(s.db,
				 "SELECT (rootpage-1)*page_size FROM sqlite_schema, "
				 "pragma_page_size WHERE name='revoked'",
				 NULL, 0, &q, NULL),
		0);
	assert_int_equal(db_step(q, NULL), 1);
	const off_t at =
		sqlite3_column_int64(q, 0) + 8; /* after the page's header: cell pointers */
	assert_int_equal(sqlite3_reset(q), SQLITE_OK);
	AUTO(fd) int fd = open(in_folder("hidden/store.db"), O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, cells, sizeof cells, at), sizeof cells);
	const uint8_t swapped[] = { cells[2], cells[3], cells[0], cells[1] };
	assert_int_equal(pwrite(fd, swapped, sizeof swapped, at), sizeof swapped);
	AUTO(store) struct store again = STORE_NONE;
	assert_int_equal(store_find(in_folder("hidden"), NULL, &again, NULL), 0);
	sealed_refuses(&again, hash, "rows in each other's place");
}

static void a_boot_is_remembered_once(void **state)
{
	static const uint8_t id[32] = { 9 };

	assert_int_equal(store_mark_released(&broker.store, id, NULL), 0);
	assert_int_equal(store_mark_released(&broker.store, id, NULL), -EEXIST);
	store_forget_released(&broker.store, id);
	assert_int_equal(store_mark_released(&broker.store, id, NULL), 0);
}

static void a_file_with_a_second_name_is_not_given_away(void **state)
{
	assert_int_equal(fd_replace_file(AT_FDCWD, in_folder("victim"), "x", 1, 0600, NULL), 0);
	char from[256];
	(void)snprintf(from, sizeof from, "%s/victim", folder);
	assert_int_equal(linkat(AT_FDCWD, from, broker.store.dir_fd, "evidence/hard", 0), 0);
	assert_int_equal(store_give_to(&broker.store, geteuid(), NULL), -EBADF);
	assert_int_equal(unlinkat(broker.store.dir_fd, "evidence/hard", 0), 0);
	assert_int_equal(store_give_to(&broker.store, geteuid(), NULL), 0);
}

/* Key in a file; another key, a changed one, none: said, and nothing is opened. */
static void a_store_opens_with_its_own_key_alone(void **state)
{
	char path[256], key[256];
	struct kek kek = { .file = key };
	AUTO(store) struct store s = STORE_NONE;
	struct why why = { 0 };

	(void)snprintf(path, sizeof path, "%s/keyed", folder);
	(void)snprintf(key, sizeof key, "%s/kek", folder);
	assert_int_equal(store_open(path, &kek, &s, &why), -EIO); /* no key file */
	assert_int_equal(fd_replace_file(AT_FDCWD, key, "short", 5, 0600, NULL), 0);
	assert_int_equal(store_open(path, &kek, &s, &why), -EBADMSG);
	assert_int_equal(fd_replace_file(AT_FDCWD, key,
				 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
				 "\n",
				 65, 0600, NULL),
		0);
	assert_int_equal(store_open(path, &kek, &s, &why), 0);
	store_close(&s);
	why_clear(&why);
	assert_int_equal(store_find(path, NULL, &s, &why), -EIO); /* "local", not "file" */
	if (strstr(why.text, "store_key") == NULL)
		fail_msg("%s", why.text);
	assert_int_equal(
		fd_replace_file(AT_FDCWD, key, "0123456789abcdef0123456789abcdef", 32, 0600, NULL),
		0);
	assert_int_equal(store_find(path, &kek, &s, &why), -EKEYREJECTED);
}

/* --- the configuration ----------------------------------------------------------------------- */

static int config(const char *text, struct broker_config *c, struct why *why)
{
	assert_int_equal(
		fd_replace_file(AT_FDCWD, in_folder("config"), text, strlen(text), 0600, NULL), 0);
	return broker_config_read(in_folder("config"), c, why);
}

#define TLS     "\"tls\": {\"certificate\": \"a\", \"key\": \"/b\"}"
#define LEDGER  "\"ledger\": {\"folder\": \"l\", \"key\": \"k\", \"origin\": \"o\"}"
#define STORE   "\"store\": \"s\""
#define KEY_HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void config_is_read_below_its_folder(void **state)
{
	AUTO(broker_config) struct broker_config c = { 0 };

	assert_int_equal(
		config("{ // comment\n\"listen\": \"x.sock\", \"listen_tcp\": \"127.0.0.1:1\", "
		       "\"roots\": [\"r1\", \"/r2\"], " STORE ", " TLS ", " LEDGER "}\n",
			&c, NULL),
		0);
	assert_string_equal(c.listen, in_folder("x.sock"));
	assert_string_equal(c.listen_tcp, "127.0.0.1:1");
	assert_string_equal(c.key, "/b");
	assert_int_equal(c.n_roots, 2);
	assert_string_equal(c.roots[1], "/r2");
	assert_string_equal(c.ledger_origin, "o");
}

static void config_errors_have_a_place(void **state)
{
	static const struct {
		const char *text;
		const char *place;
	} rows[] = {
		{ "{" TLS ", " LEDGER "}\n", ":1:1: \"store\"" },
		{ "{" STORE ", " LEDGER "}\n", ":1:1: \"tls\"" },
		{ "{" STORE ", " TLS "}\n", ":1:1: \"ledger\"" },
		{ "{" STORE ", " TLS ", " LEDGER ",\n\"port\": 1}\n", ":2:9: \"port\"" },
		{ "{" STORE ", " TLS ", " LEDGER ",\n\"listen\": 1}\n", ":2:11: \"listen\"" },
		{ "{" STORE ", " TLS ", " LEDGER ",\n\"roots\": \"r\"}\n", ":2:10: \"roots\"" },
		{ "{" STORE ", " TLS ", " LEDGER ",\n\"roots\": [1]}\n", ":2:10: \"roots\"" },
		{ "{" STORE ", \"tls\": {\"certificate\": \"a\"}, " LEDGER "}\n", "\"key\"" },
		{ "{" STORE ", " STORE ", " TLS ", " LEDGER "}\n", ":1:" },
		{ "{", ":1:" },
		{ "{" STORE ", " TLS ", " LEDGER
		  ",\n\"tenants\": [{\"name\": \"a\", \"namespaces\": "
		  "[\"n\"]}, {\"name\": \"b\", \"namespaces\": [\"n\"]}]}\n",
			"twice" },
		{ "{" STORE ", " TLS ", " LEDGER ",\n\"admins\": [\"" KEY_HEX "\"], \"tenants\": "
		  "[{\"name\": \"a\", \"readers\": [\"" KEY_HEX "\"]}]}\n",
			"twice" },
		{ "{" STORE ", " TLS ", " LEDGER ",\n\"admins\": [\"" KEY_HEX "\"], \"readers\": "
		  "[\"" KEY_HEX "\"]}\n",
			"twice" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(broker_config) struct broker_config c = { 0 };
		struct why why = { 0 };
		assert_int_equal(config(rows[i].text, &c, &why), -EBADMSG);
		if (strstr(why.text, rows[i].place) == NULL)
			fail_msg("want %s in %s", rows[i].place, why.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_sessions_leaves_the_proven_alone),
		cmocka_unit_test(a_session_is_known_by_its_cookie_alone),
		cmocka_unit_test(a_session_ends),
		cmocka_unit_test(proven_sessions_of_one_policy_are_bounded),
		cmocka_unit_test(rates_are_of_a_peer_and_of_all),
		cmocka_unit_test(tokens_are_of_one_key_and_issuer),
		cmocka_unit_test(secrets_come_back_and_go),
		cmocka_unit_test(names_that_are_paths_are_refused),
		cmocka_unit_test(secrets_are_sealed_where_they_are),
		cmocka_unit_test(tenants_do_not_see_each_other),
		cmocka_unit_test(host_data_stands_for_one_policy),
		cmocka_unit_test(policies_are_kept_by_their_hash),
		cmocka_unit_test(digests_are_not_without_end),
		cmocka_unit_test(serials_only_go_up),
		cmocka_unit_test(a_changed_policy_is_not_the_policy),
		cmocka_unit_test(what_is_changed_from_outside_is_refused),
		cmocka_unit_test(what_the_store_changed_holds),
		cmocka_unit_test(a_seal_is_of_one_store),
		cmocka_unit_test(a_row_that_is_hidden_is_missed),
		cmocka_unit_test(a_boot_is_remembered_once),
		cmocka_unit_test(a_file_with_a_second_name_is_not_given_away),
		cmocka_unit_test(a_store_opens_with_its_own_key_alone),
		cmocka_unit_test(config_is_read_below_its_folder),
		cmocka_unit_test(config_errors_have_a_place),
	};

	kbs_json_init();
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
