#include "attest/broker/broker_admin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/broker_sev.h"
#include "attest/broker/kbs_json.h"
#include "base/b64.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/wr.h"

#define PREFIX "/kbs/v0"

/* --- shared with the command line ---------------------------------------------------------------- */

/* SHA-384; of SEV and SEV-ES SHA-256, kept with zeros behind (attest/verify_sev.c). */
static MUST_USE int digest_parse(const char *text, uint8_t ret[STORE_DIGEST_BYTES])
{
	memset(ret, 0, STORE_DIGEST_BYTES);
	return opts_parse_hex(text, ret, strlen(text) == 64 ? 32 : STORE_DIGEST_BYTES);
}

int broker_put_policy(const struct store *s, const struct broker_config *config, const char *tenant,
	const uint8_t *bytes, size_t len, const char *filename, const char *const *digests,
	size_t n, const uint8_t *host_data, struct policy *policy,
	uint8_t ret_hash[STORE_HASH_BYTES], struct why *why)
{
	uint8_t parsed[LIMIT_BROKER_DIGESTS][STORE_DIGEST_BYTES];
	const char *owner = tenant != NULL ? tenant : "";

	if (n > ARRAY_LEN(parsed))
		return why_set(why, -EINVAL, "at most %u launch digests", LIMIT_BROKER_DIGESTS);
	for (size_t i = 0; i < n; i++)
		if (digests[i] == NULL || digest_parse(digests[i], parsed[i]) < 0)
			return why_set(why, -EINVAL,
				"launch digest: want 96 hexadecimal digits (SEV, SEV-ES: 64), not "
				"\"%.100s\"",
				digests[i] != NULL ? digests[i] : "");
	int err = policy_parse(bytes, len, filename, policy, why);
	if (err == 0 && config != NULL)
		err = broker_config_tenant(
			config, policy->name, policy->labels.tenant, &owner, why);
	if (err == 0 && tenant != NULL && strcmp(owner, tenant) != 0)
		err = why_set(
			why, -EACCES, "policy %s is not of tenant \"%s\"", policy->name, tenant);
	if (err < 0)
		return err;
	const struct store_put put = { owner, policy->name, policy->serial,
		(const uint8_t(*)[STORE_DIGEST_BYTES])parsed, n, host_data };
	return store_write_policy(s, bytes, len, &put, ret_hash, why);
}

struct lister {
	const struct store *store;
	struct policy *policy;
	json_t *rows;
};

static int policy_add(void *owner, const char *hex)
{
	struct lister *l = owner;
	AUTO(store_policy) struct store_policy p = { 0 };
	uint8_t hash[STORE_HASH_BYTES];
	const char *state = "damaged";
	const char *name = "(damaged)";
	json_int_t serial = 0;

	int err = opts_parse_hex(hex, hash, sizeof hash);
	if (err == 0)
		err = store_read_policy(l->store, hash, &p, NULL);
	if (err == 0)
		err = policy_parse(p.bytes, p.len, hex, l->policy, NULL);
	if (err == 0) {
		name = l->policy->name;
		serial = (json_int_t)l->policy->serial;
		bool is_revoked = p.is_revoked || store_check_serial(l->store, p.tenant, name,
							  l->policy->serial, NULL) < 0;
		state = is_revoked ? "revoked" : "active";
	}
	return json_array_append_new(l->rows,
		       json_pack("{s:s,s:s,s:s,s:I,s:I}", "hash", hex, "state", state, "name", name,
			       "serial", serial, "launch_digests", (json_int_t)p.n_digests)) < 0
		       ? -ENOMEM
		       : 0;
}

int broker_list_policies(const struct store *s, const char *tenant, json_t **ret, struct why *why)
{
	struct lister l = { s, malloc(sizeof *l.policy), json_array() };
	int err = l.policy == NULL ? -ENOMEM : store_list_policies(s, tenant, policy_add, &l, why);

	free(l.policy);
	if (err < 0)
		json_decref(l.rows);
	else
		*ret = l.rows;
	return err;
}

/* Sessions of SEV launches lie among the secrets (broker_sev.c). */
static int name_add(void *owner, const char *name)
{
	if (name[0] == '.')
		return 0;
	return json_array_append_new(owner, json_string(name)) < 0 ? -ENOMEM : 0;
}

int broker_list_secrets(const struct store *s, const char *tenant, json_t **ret, struct why *why)
{
	json_t *names = json_array();
	int err = store_list_secrets(s, tenant, name_add, names, why);

	if (err < 0)
		json_decref(names);
	else
		*ret = names;
	return err;
}

/* --- requests ------------------------------------------------------------------------------------ */

/* One request of one administrator. */
struct admin {
	struct broker *b;
	const struct broker_request *rq;
	const struct broker_tenant *tenant;
	const char *rest; /* of the path, behind the row's */
	struct broker_reply *reply;
};

static int secret_put(const struct admin *a, struct why *why)
{
	AUTO(secret) struct secret secret = { 0 };
	struct kbs_path path;

	if (a->rq->body_len == 0 || a->rq->body_len >= LIMIT_SECRET_BYTES)
		return why_set(why, -ERANGE, "a secret has 1 to %u bytes", LIMIT_SECRET_BYTES - 1);
	int err = kbs_path_parse(a->rest, &path, why);
	if (err == 0)
		err = secret_init_copy(&secret, a->rq->body, a->rq->body_len);
	if (err == 0)
		err = store_write_secret(&a->b->store, a->tenant->name, &path, &secret, why);
	return err;
}

static int secret_remove(const struct admin *a, struct why *why)
{
	struct kbs_path path;
	int err = kbs_path_parse(a->rest, &path, why);

	return err < 0 ? err : store_remove_secret(&a->b->store, a->tenant->name, &path, why);
}

static int secret_list(const struct admin *a, struct why *why)
{
	json_t *names = NULL;
	int err = broker_list_secrets(&a->b->store, a->tenant->name, &names, why);

	if (err == 0)
		reply_json(a->reply, json_pack("{s:o}", "secrets", names));
	return err;
}

/* The body's members: these and no others, or somebody relies on one that was passed over. */
static MUST_USE int body_unpack(
	const struct admin *a, json_t **ret, struct why *why, const char *members, ...)
{
	json_error_t e = { 0 };
	va_list ap;
	int err = kbs_json_load(a->rq->body, a->rq->body_len, ret, why);

	if (err < 0)
		return err;
	va_start(ap, members);
	err = json_vunpack_ex(*ret, &e, JSON_STRICT, members, ap);
	va_end(ap);
	return err < 0 ? why_set(why, -EBADMSG, "JSON: %s", e.text) : 0;
}

/* {"policy": base64 of the file's bytes, "launch_digests": [hex], "init_data": text}. */
static int policy_put(const struct admin *a, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	const char *digests[LIMIT_BROKER_DIGESTS];
	const char *text = NULL, *init_data = NULL;
	json_t *list = NULL;
	uint8_t hash[STORE_HASH_BYTES];
	uint8_t init[64];
	char hex[2 * STORE_HASH_BYTES + 1];
	size_t len = 0, init_len = 0;

	int err = body_unpack(a, &j, why, "{s:s,s?:o,s?:s%}", "policy", &text, "launch_digests",
		&list, "init_data", &init_data, &init_len);
	size_t n = json_array_size(list);
	if (err < 0)
		return err;
	if (list != NULL && (!json_is_array(list) || n > ARRAY_LEN(digests)))
		return why_set(why, -E2BIG, "\"launch_digests\": want a list of at most %u",
			LIMIT_BROKER_DIGESTS);
	for (size_t i = 0; i < n; i++)
		digests[i] = json_string_value(json_array_get(list, i));
	uint8_t *bytes = malloc(strlen(text) + 1);
	struct policy *policy = malloc(sizeof *policy);
	if (bytes == NULL || policy == NULL)
		err = -ENOMEM;
	else if (b64_parse(text, strlen(text), bytes, strlen(text), &len) < 0 &&
		 b64url_parse(text, strlen(text), bytes, strlen(text), &len) < 0)
		err = why_set(why, -EBADMSG, "\"policy\": want the file's bytes in base64");
	if (err == 0 && init_data != NULL)
		err = initdata_digest(init_data, init_len, init, why);
	if (err == 0)
		err = broker_put_policy(&a->b->store, &a->b->config, a->tenant->name, bytes, len,
			"policy", digests, n, init_data != NULL ? init : NULL, policy, hash, why);
	if (err == 0) {
		wr_hex_str(hex, sizeof hex, hash, sizeof hash);
		reply_json(a->reply, json_pack("{s:s,s:s,s:I}", "hash", hex, "name", policy->name,
					     "serial", (json_int_t)policy->serial));
	}
	free(policy);
	free(bytes);
	return err;
}

static int policy_list(const struct admin *a, struct why *why)
{
	json_t *rows = NULL;
	int err = broker_list_policies(&a->b->store, a->tenant->name, &rows, why);

	if (err == 0)
		reply_json(a->reply, json_pack("{s:o}", "policies", rows));
	return err;
}

static MUST_USE int name_check(const char *name, json_int_t serial, struct why *why)
{
	return name == NULL || strlen(name) >= LIMIT_NAME_BYTES || serial < 0
		       ? why_set(why, -EBADMSG, "want \"name\" of a policy and \"serial\"")
		       : 0;
}

/* {"hash"}, or {"name", "serial"}. */
static int policy_revoke(const struct admin *a, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	const struct store *s = &a->b->store;
	const char *hex = NULL, *name = NULL, *tenant = a->tenant->name;
	uint8_t hash[STORE_HASH_BYTES];
	json_int_t serial = -1;

	int err = body_unpack(
		a, &j, why, "{s?:s,s?:s,s?:I}", "hash", &hex, "name", &name, "serial", &serial);
	if (err < 0)
		return err;
	if (hex != NULL)
		return name != NULL || opts_parse_hex(hex, hash, sizeof hash) < 0
			       ? why_set(why, -EBADMSG,
					 "want \"hash\", 64 hexadecimal digits, or \"name\" and "
					 "\"serial\"")
			       : store_revoke_policy(s, tenant, hash, why);
	err = name_check(name, serial, why);
	return err < 0 ? err : store_revoke_serial(s, tenant, name, (uint64_t)serial, why);
}

static int policy_minimum(const struct admin *a, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	const char *name = NULL;
	json_int_t serial = -1;

	int err = body_unpack(a, &j, why, "{s:s,s:I}", "name", &name, "serial", &serial);
	if (err == 0)
		err = name_check(name, serial, why);
	return err < 0 ? err
		       : store_set_minimum(
				 &a->b->store, a->tenant->name, name, (uint64_t)serial, why);
}

/* A member in base64 of min to max bytes. */
static MUST_USE int member_bytes(const char *name, const char *text, size_t min, size_t max,
	uint8_t *ret, size_t *ret_len, struct why *why)
{
	return b64_parse(text, strlen(text), ret, max, ret_len) < 0 || *ret_len < min
		       ? why_set(why, -EBADMSG, "\"%s\": want %zu to %zu bytes in base64", name,
				 min, max)
		       : 0;
}

/* {"session", "tek", "tik", "certs": base64, "policy": hash, "held", "reusable"}: names the session. */
static int session_put(const struct admin *a, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	AUTO(secret) struct secret keys = { 0 };
	static uint8_t certs[LIMIT_SECRET_BYTES]; /* one thread, one request at a time */
	const char *session = NULL, *tek = NULL, *tik = NULL, *chain = NULL, *policy = NULL;
	uint8_t blob[SEV_SESSION_BYTES], id[32];
	char hex[2 * sizeof id + 1];
	int is_held = 0, is_reusable = 0;
	struct sev_kept kept = { 0 };
	size_t n = 0;

	/* What a parser says of the text it stumbled over may be a piece of a key. */
	int err = body_unpack(a, &j, NULL, "{s:s,s:s,s:s,s:s,s:s,s?:b,s?:b}", "session", &session,
		"tek", &tek, "tik", &tik, "certs", &chain, "policy", &policy, "held", &is_held,
		"reusable", &is_reusable);
	if (err < 0)
		return why_set(why, err,
			"JSON: want \"session\", \"tek\", \"tik\", \"certs\", \"policy\" as texts; "
			"\"held\", \"reusable\" as true or false");
	if (opts_parse_hex(policy, kept.policy_hash, sizeof kept.policy_hash) < 0)
		err = why_set(why, -EBADMSG, "\"policy\": want its hash, 64 hexadecimal digits");
	if (err == 0)
		err = secret_init(&keys, SEV_KEY_BYTES + SEV_TIK_BYTES);
	if (err == 0)
		err = member_bytes("session", session, sizeof blob, sizeof blob, blob, &n, why);
	if (err == 0)
		err = member_bytes("tek", tek, SEV_KEY_BYTES, SEV_KEY_BYTES, keys.p, &n, why);
	if (err == 0)
		err = member_bytes(
			"tik", tik, SEV_TIK_BYTES, SEV_TIK_BYTES, keys.p + SEV_KEY_BYTES, &n, why);
	if (err == 0)
		err = member_bytes("certs", chain, 1, sizeof certs, certs, &n, why);
	if (err == 0)
		err = broker_sev_id(blob, id);
	if (err < 0)
		return err;
	kept.flags = (is_held != 0 ? SEV_SESSION_HELD : 0) |
		     (is_reusable != 0 ? SEV_SESSION_REUSABLE : 0);
	kept.tek = keys.p;
	kept.tik = keys.p + SEV_KEY_BYTES;
	kept.certs = (struct attest_blob){ certs, n };
	err = broker_sev_put(&a->b->store, a->tenant->name, id, &kept, why);
	wr_hex_str(hex, sizeof hex, id, sizeof id);
	if (err == 0)
		reply_json(a->reply, json_pack("{s:s}", "session", hex));
	return err;
}

static int session_list(const struct admin *a, struct why *why)
{
	json_t *rows = NULL;
	int err = broker_sev_list(&a->b->store, a->tenant->name, &rows, why);

	if (err == 0)
		reply_json(a->reply, json_pack("{s:o}", "sessions", rows));
	return err;
}

static MUST_USE int session_name(const char *text, uint8_t ret[32], struct why *why)
{
	return opts_parse_hex(text, ret, 32) < 0
		       ? why_set(why, -EBADMSG, "want a session, 64 hexadecimal digits")
		       : 0;
}

/* {"session"}. */
static int session_release(const struct admin *a, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	const char *session = NULL;
	uint8_t id[32];

	int err = body_unpack(a, &j, why, "{s:s}", "session", &session);
	if (err == 0)
		err = session_name(session, id, why);
	return err < 0 ? err : broker_sev_release(&a->b->store, a->tenant->name, id, why);
}

static int session_remove(const struct admin *a, struct why *why)
{
	uint8_t id[32];
	int err = session_name(a->rest, id, why);

	return err < 0 ? err : broker_sev_remove(&a->b->store, a->tenant->name, id, why);
}

static int metrics_get(const struct admin *a, struct why *why)
{
	unsigned int n = 0;

	if (a->tenant->name[0] != '\0')
		return why_set(why, -EACCES,
			"the counters are of all tenants: for the keys at the top of the "
			"configuration");
	for (size_t i = 0; i < LIMIT_KBS_SESSIONS; i++)
		n += a->b->sessions.at[i].state != SESSION_FREE;
	a->reply->is_text = true;
	a->reply->status = 200;
	return metrics_print(&a->b->metrics, n, &a->reply->body);
}

static int health_get(const struct admin *a, struct why *why)
{
	if (a->b->ledger.chan.fd < 0)
		return why_set(why, -EPIPE, "the ledger writer is gone");
	reply_json(a->reply, json_pack("{s:s}", "status", "ok"));
	return 0;
}

static const struct {
	enum broker_method method;
	bool is_write;
	const char *path; /* with a slash at its end: what follows is the call's */
	int (*answer)(const struct admin *a, struct why *why);
} rows[] = {
	{ BROKER_POST, true, PREFIX "/resource/", secret_put },
	{ BROKER_DELETE, true, PREFIX "/resource/", secret_remove },
	{ BROKER_GET, false, PREFIX "/resources", secret_list },
	{ BROKER_POST, true, PREFIX "/launch-policy", policy_put },
	{ BROKER_GET, false, PREFIX "/launch-policy", policy_list },
	{ BROKER_POST, true, PREFIX "/launch-policy/revoke", policy_revoke },
	{ BROKER_POST, true, PREFIX "/launch-policy/minimum", policy_minimum },
	{ BROKER_POST, true, PREFIX "/sev-session", session_put },
	{ BROKER_GET, false, PREFIX "/sev-session", session_list },
	{ BROKER_POST, true, PREFIX "/sev-session/release", session_release },
	{ BROKER_DELETE, true, PREFIX "/sev-session/", session_remove },
	{ BROKER_GET, false, "/metrics", metrics_get },
	{ BROKER_GET, false, "/healthz", health_get },
};

/* The tenant this key administers; NULL: none. */
static const struct broker_tenant *tenant_find(
	const struct broker_config *c, const uint8_t spki[32], bool *ret_may_write)
{
	for (size_t i = 0; i < c->n_tenants; i++)
		for (size_t k = 0; k < c->tenants[i].n_pins; k++)
			if (secret_equal(c->tenants[i].pins[k].sha256, spki, 32)) {
				*ret_may_write = c->tenants[i].pins[k].may_write;
				return &c->tenants[i];
			}
	return NULL;
}

static bool path_fits(const char *row, const char *path, const char **ret_rest)
{
	size_t len = strlen(row);

	*ret_rest = path + MIN(len, strlen(path));
	return strncmp(path, row, len) == 0 && (row[len - 1] == '/' || path[len] == '\0');
}

void broker_admin_answer(struct broker *b, const struct broker_request *rq, const uint8_t spki[32],
	struct broker_reply *ret)
{
	struct admin a = { b, rq, NULL, NULL, ret };
	bool may_write = false;
	struct why why = { 0 };

	*ret = (struct broker_reply){ 0 };
	b->metrics.n[METRIC_ADMIN]++;
	a.tenant = tenant_find(&b->config, spki, &may_write);
	if (a.tenant == NULL) {
		(void)why_set(&why, 0, "this certificate's key administers nothing here");
		return reply_refuse(ret, NO_PERMISSION, &why);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].method != rq->method || !path_fits(rows[i].path, rq->path, &a.rest))
			continue;
		if (rows[i].is_write && !may_write) {
			(void)why_set(&why, 0, "this certificate's key may only read");
			return reply_refuse(ret, NO_PERMISSION, &why);
		}
		int err = rows[i].answer(&a, &why);
		if (rows[i].is_write)
			log_info("admin of \"%s\": %s %s: %s", a.tenant->name,
				rq->method == BROKER_DELETE ? "DELETE" : "POST", rq->path,
				err < 0 ? why_text(&why, err) : "done");
		if (err < 0)
			reply_error(ret, err, &why);
		else if (ret->status == 0)
			reply_json(ret, json_object());
		return;
	}
	(void)why_set(&why, 0, "no such path for an administrator");
	reply_refuse(ret, NO_PATH, &why);
}
