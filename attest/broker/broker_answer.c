#include "attest/broker/broker_answer.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "attest/broker/broker_sev.h"
#include "attest/broker/kbs_bind.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/wr.h"

#define PREFIX      "/kbs/v0"
#define VERSION     "0.4.0"
#define COOKIE_NAME "kbs-session-id="
#define BEARER      "Bearer "
#define EXTRA_MAX   1024u /* extra-params: an id and two lists of names */
#define ID_HEX      (2 * SESSION_ID_BYTES)
#define PEM_START   "-----BEGIN"
#define DER_START   0x30 /* of a SEQUENCE */

/* --- auth -------------------------------------------------------------------------------------- */

static void reply_challenge(struct broker_reply *r, const struct session *s)
{
	char id[ID_HEX + 1];

	wr_hex_str(id, sizeof id, s->id, sizeof s->id);
	reply_json(r, json_pack("{s:s,s:s}", "nonce", s->nonce, "extra-params", ""));
	(void)snprintf(r->set_cookie, sizeof r->set_cookie,
		COOKIE_NAME "%s; Path=" PREFIX "; Max-Age=%u; Secure; HttpOnly; SameSite=Strict",
		id, LIMIT_KBS_SESSION_MS / 1000);
}

/*
 * extra-params: "" or an object, as a value or as text: {"id": hash of the policy} for evidence that
 * carries none. Whoever lists hash algorithms must have ours.
 */
static MUST_USE int extra_read(const json_t *extra, struct session *s, struct why *why)
{
	AUTO(kbs_json) json_t *parsed = NULL;
	const char *text = json_string_value(extra);
	size_t index;
	const json_t *name;

	if (text != NULL && text[0] != '\0') {
		if (strlen(text) > EXTRA_MAX || kbs_json_load(text, strlen(text), &parsed, why) < 0)
			return why_set(why, -EBADMSG, "\"extra-params\": want a short JSON object");
		extra = parsed;
	}
	const json_t *id = json_object_get(extra, "id");
	if (id != NULL) {
		if (!json_is_string(id) ||
			opts_parse_hex(json_string_value(id), s->policy_hash, 32) < 0)
			return why_set(why, -EBADMSG,
				"\"id\": want the policy's hash, 64 hexadecimal digits");
		s->has_policy = true;
	}
	const json_t *known = json_object_get(extra, "supported-hash-algorithms");
	bool has_ours = known == NULL;
	json_array_foreach(known, index, name) has_ours =
		has_ours ||
		(json_is_string(name) && strcmp(json_string_value(name), "sha384") == 0);
	return has_ours ? 0
			: why_set(why, -EBADMSG,
				  "\"supported-hash-algorithms\": sha384 is not among them");
}

static void auth_answer(struct broker *b, const struct broker_request *rq, struct broker_reply *r)
{
	AUTO(kbs_json) json_t *j = NULL;
	struct session asked = { 0 };
	struct why why = { 0 };

	int err = kbs_json_load(rq->body, rq->body_len, &j, &why);
	const char *version = err == 0 ? kbs_json_text(j, "version", 32, &why) : NULL;
	const char *tee = version != NULL ? kbs_json_text(j, "tee", 32, &why) : NULL;
	if (tee == NULL)
		return reply_refuse(r, NO_REQUEST, &why);
	if (strcmp(version, VERSION) != 0) {
		(void)why_set(&why, 0, "protocol version %s, want " VERSION, version);
		return reply_refuse(r, NO_VERSION, &why);
	}
	if (tee_parse(tee, &asked.tee, &why) < 0)
		return reply_refuse(r, NO_TEE, &why);
	if (extra_read(json_object_get(j, "extra-params"), &asked, &why) < 0)
		return reply_refuse(r, NO_REQUEST, &why);
	struct session *s = sessions_new(&b->sessions, rq->now_ms, rq->now);
	if (s == NULL) {
		(void)why_set(&why, 0, "too many guests are proving themselves; try again");
		return reply_refuse(r, NO_ROOM, &why);
	}
	s->tee = asked.tee;
	s->has_policy = asked.has_policy;
	memcpy(s->policy_hash, asked.policy_hash, sizeof s->policy_hash);
	b->metrics.n[METRIC_CHALLENGES]++;
	reply_challenge(r, s);
}

/* --- sessions ---------------------------------------------------------------------------------- */

/* The session the Cookie header names, among other cookies; NULL with why. */
static struct session *session_of(
	struct broker *b, const struct broker_request *rq, struct why *why)
{
	const char *at = rq->cookie;
	char hex[ID_HEX + 1];
	uint8_t id[SESSION_ID_BYTES];
	struct session *s = NULL;

	while (at != NULL && strncmp(at, COOKIE_NAME, strlen(COOKIE_NAME)) != 0) {
		at = strchr(at, ';');
		at = at != NULL ? at + 1 + strspn(at + 1, " ") : NULL;
	}
	if (at != NULL && strlen(at + strlen(COOKIE_NAME)) >= ID_HEX) {
		at += strlen(COOKIE_NAME);
		memcpy(hex, at, ID_HEX);
		hex[ID_HEX] = '\0';
		if ((at[ID_HEX] == '\0' || at[ID_HEX] == ';') &&
			opts_parse_hex(hex, id, sizeof id) == 0)
			s = sessions_find(&b->sessions, id, rq->now_ms);
	}
	if (s == NULL)
		(void)why_set(why, -EACCES,
			"no session with this cookie; it may have ended: start with auth");
	return s;
}

/* --- attest ------------------------------------------------------------------------------------ */

struct claim_of_guest {
	json_t *root;
	const char *nonce;
	json_t *key; /* borrowed from root */
	uint8_t report_data[KBS_REPORT_DATA_BYTES];
	bool has_init_data;
	uint8_t init_data[64]; /* its digest */
};

static void claim_of_guest_auto(struct claim_of_guest *c)
{
	json_decref(c->root);
}

/* What is absent, null or empty says nothing, and nothing else may be said there. */
static bool is_empty(const json_t *j)
{
	return j == NULL || json_is_null(j) || (json_is_string(j) && json_string_length(j) == 0);
}

/* {"format", "body"}: the digest of the body has to be in the evidence. */
static MUST_USE int init_data_parse(const json_t *j, struct claim_of_guest *c, struct why *why)
{
	const json_t *body = json_object_get(j, "body");

	if (is_empty(j))
		return 0;
	if (!json_is_string(body))
		return why_set(why, -EBADMSG, "init-data: want format and body, both text");
	c->has_init_data = true;
	return initdata_digest(
		json_string_value(body), json_string_length(body), c->init_data, why);
}

/* Parse the body; evidence goes to the judge's scratch space. */
static MUST_USE int attest_parse(struct broker *b, enum broker_tee tee,
	const struct broker_request *rq, struct claim_of_guest *c, struct why *why)
{
	int err = kbs_json_load(rq->body, rq->body_len, &c->root, why);
	if (err < 0)
		return err;
	const json_t *runtime = json_object_get(c->root, "runtime-data");
	const json_t *evidence = json_object_get(c->root, "tee-evidence");
	c->nonce = kbs_json_text(runtime, "nonce", 2 * SESSION_NONCE_TEXT, why);
	c->key = json_object_get(runtime, "tee-pubkey");
	if (c->nonce == NULL)
		return -EBADMSG;
	const char *additional =
		json_string_value(json_object_get(evidence, "additional_evidence"));
	bool is_no_device = additional != NULL && strcmp(additional, "{}") == 0;
	if (!is_no_device && !is_empty(json_object_get(evidence, "additional_evidence")))
		return why_set(
			why, -EPROTONOSUPPORT, "additional_evidence: no devices are known here");
	err = init_data_parse(json_object_get(c->root, "init-data"), c, why);
	if (err == 0)
		err = kbs_key_check(c->key, b->config.may_rsa1_5, why);
	if (err == 0)
		err = evidence_parse(json_object_get(evidence, "primary_evidence"), tee,
			&b->judge.evidence, why);
	if (err == 0)
		err = kbs_bind_with(
			is_no_device ? additional : "", c->nonce, c->key, c->report_data);
	return err;
}

/* Hosts put DER or PEM into the table (attestation.md 1.7). */
static MUST_USE int cert_print(const struct kbs_snp *e, const struct kbs_snp_cert *c, BIO *out)
{
	const char *name =
		c->type != NULL && strcmp(c->type, "CRL") == 0 ? "X509 CRL" : "CERTIFICATE";
	const uint8_t *bytes = e->bytes + c->offset;
	size_t n = 0;

	/* The judge passed over what cannot be read; in the file it would hide all the rest. */
	if (attest_check_certs((struct attest_blob){ bytes, c->len }, &n, NULL) < 0)
		return 0;
	if (bytes[0] == DER_START)
		return PEM_write_bio(out, name, "", bytes, (long)c->len) > 0 ? 0 : -ENOMEM;
	if (c->len < strlen(PEM_START) || memcmp(bytes, PEM_START, strlen(PEM_START)) != 0)
		return 0;
	/* It may end without a newline, and the next one begins with a line. */
	return BIO_write(out, bytes, (int)c->len) > 0 && BIO_write(out, "\n", 1) > 0 ? 0 : -ENOMEM;
}

/* The certificates that came with the evidence, as PEM; NULL when memory is short. */
static BIO *certs_print(const struct kbs_snp *e)
{
	BIO *out = BIO_new(BIO_s_mem());

	for (size_t i = 0; out != NULL && i < e->n_certs; i++) {
		if (cert_print(e, &e->certs[i], out) < 0) {
			BIO_free(out);
			return NULL;
		}
	}
	return out;
}

/*
 * Auditors judge again what the ledger says we judged. A failure to keep it refuses nobody. Anybody
 * with a processor of the kind makes evidence that is refused: it takes no room from the proven.
 */
static void evidence_keep(struct broker *b, const struct proof *proof, bool is_proven)
{
	const struct evidence *e = &b->judge.evidence;
	const struct attest_blob blob = evidence_blob(e);
	unsigned int *n = is_proven ? &b->n_evidence_proven : &b->n_evidence_refused;
	struct why why = { 0 };
	char *pem = NULL;

	if (!b->judge.is_genuine || *n == LIMIT_BROKER_EVIDENCE)
		return;
	if (++*n == LIMIT_BROKER_EVIDENCE)
		log_warn("evidence: %u %s pieces kept in this run, no more are", *n,
			is_proven ? "proven" : "refused");
	BIO *certs = certs_print(&e->snp);
	long len = certs != NULL ? BIO_get_mem_data(certs, &pem) : -1;
	int err = len < 0 ? -ENOMEM
			  : store_write_evidence(&b->store, proof->evidence_hash, blob.p, blob.len,
				    pem, (size_t)len, &why);
	BIO_free(certs);
	if (err < 0)
		log_err("%s", why_text(&why, err));
}

static MUST_USE int proven_keep(
	struct broker *b, struct session *s, struct claim_of_guest *c, struct why *why)
{
	int err = broker_ledger_write(
		&b->ledger, LEDGER_PROVEN, &s->proof, NULL, "every required row affirming", why);
	if (err < 0)
		return err;
	log_info("proven: %s serial %llu", s->proof.guest, (unsigned long long)s->proof.serial);
	s->key = json_incref(c->key);
	s->state = SESSION_PROVEN;
	sessions_thin(&b->sessions, s);
	b->metrics.n[METRIC_PROVEN]++;
	return 0;
}

/* The judge said no, with the first failing row. */
static void reply_unproven(
	struct broker *b, const struct session *s, const struct why *why, struct broker_reply *r)
{
	struct why ignored = { 0 };

	log_info("refused: %s", why->text);
	b->metrics.n[METRIC_REFUSED]++;
	if (broker_ledger_write(&b->ledger, LEDGER_REFUSED, &s->proof, NULL, why->text, &ignored) <
		0)
		log_err("%s", ignored.text);
	reply_refuse(r, NO_PROOF, why);
}

static void attest_answer(struct broker *b, const struct broker_request *rq, struct broker_reply *r)
{
	AUTO(claim_of_guest) struct claim_of_guest c = { 0 };
	AUTO(kbs_text) char *token = NULL;
	struct why why = { 0 };
	struct session *s = session_of(b, rq, &why);

	if (s == NULL)
		return reply_refuse(r, NO_SESSION, &why);
	if (s->state != SESSION_CHALLENGED) {
		(void)why_set(&why, 0, "this session's nonce was used; start with auth");
		return reply_refuse(r, NO_SESSION, &why);
	}
	s->state = SESSION_SPENT; /* one try a nonce, whatever comes of it */
	int err = attest_parse(b, s->tee, rq, &c, &why);
	if (err < 0)
		return reply_refuse(r, refusal_of(err), &why);
	if (strlen(c.nonce) != SESSION_NONCE_TEXT ||
		!secret_equal(c.nonce, s->nonce, SESSION_NONCE_TEXT)) {
		(void)why_set(&why, 0, "nonce: not the one of this session");
		return reply_refuse(r, NO_PROOF, &why);
	}
	const struct judge_question q = {
		.report_data = c.report_data,
		.report_data_len = KBS_BOUND_BYTES,
		.now = rq->now,
		.policy_hash = s->has_policy ? s->policy_hash : NULL,
		.init_data = c.has_init_data ? c.init_data : NULL,
	};
	s->proof.since = s->since;
	err = judge_evidence(&b->judge, &b->store, &q, &s->proof, &why);
	if (err == 0 || err == -EACCES)
		evidence_keep(b, &s->proof, err == 0);
	if (err == -EACCES)
		return reply_unproven(b, s, &why, r);
	if (err == 0)
		err = tokens_print(&b->tokens, &b->judge.verdict, s, c.key, rq->now, &token, &why);
	if (err == 0)
		err = proven_keep(b, s, &c, &why);
	if (err < 0) {
		if (refusal_of(err) != NO_REQUEST)
			log_err("attest: %s", why_text(&why, err));
		return reply_error(r, err, &why);
	}
	reply_json(r, json_pack("{s:s}", "token", token));
}

/* --- resource ---------------------------------------------------------------------------------- */

/* What a once-per-boot mark is called: policy, boot, key. */
static MUST_USE int release_id(const struct proof *p, const char *path, uint8_t ret[32])
{
	uint8_t buf[64 + 3 * (KBS_NAME_MAX + 1)];
	struct wr w = wr_of(buf, sizeof buf);

	wr_copy(&w, p->policy_hash, sizeof p->policy_hash);
	wr_copy(&w, p->boot_id, sizeof p->boot_id);
	wr_str(&w, path);
	if (wr_check(&w) < 0 || EVP_Digest(buf, w.len, ret, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	return 0;
}

/* On the record and on the disk first; then, and only then, the reply may leave. */
static MUST_USE int release_record(
	struct broker *b, const struct proof *p, const char *path, bool is_once, struct why *why)
{
	uint8_t id[STORE_HASH_BYTES];

	int err = release_id(p, path, id);
	if (err == 0 && is_once)
		err = store_mark_released(&b->store, id, why);
	if (err == -EEXIST)
		return -EACCES;
	if (err < 0)
		return err;
	err = broker_ledger_write(&b->ledger, LEDGER_RELEASED, p, path,
		is_once ? "once for this boot" : "released", why);
	if (err < 0 && is_once)
		store_forget_released(&b->store, id);
	return err;
}

/* Who asks: a session of ours, or the bearer of a token. */
struct asker {
	struct proof proof;
	json_t *key;
	uint64_t age_ms; /* of the evidence */
};

static void asker_auto(struct asker *a)
{
	json_decref(a->key);
}

static MUST_USE int resource_release(struct broker *b, const struct asker *a, const char *path,
	const struct broker_request *rq, char **ret, struct why *why)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	AUTO(secret) struct secret secret = { 0 };
	AUTO(kbs_text) char *jwe = NULL;
	const struct policy_key *key = NULL;
	struct kbs_path parsed;

	int err = kbs_path_parse(path, &parsed, why);
	if (err == 0)
		err = judge_load_policy(
			&b->judge, &b->store, a->proof.policy_hash, rq->now, &p, why);
	if (err == 0)
		err = judge_release(&b->judge, &a->proof, path, a->age_ms, &key, why);
	if (err == 0)
		err = store_read_secret(&b->store, p.tenant, &parsed, &secret, why);
	if (err == 0)
		err = kbs_jwe_seal(&secret, a->key, &jwe, why);
	if (err == 0)
		err = release_record(b, &a->proof, path, key->release.once_per_boot, why);
	if (err < 0)
		return err;

	*ret = jwe;
	jwe = NULL;
	return 0;
}

/* By a token where one is shown, else by the cookie. */
static MUST_USE int asker_find(struct broker *b, const struct broker_request *rq, struct asker *a,
	enum refusal *ret_no, struct why *why)
{
	const char *token = rq->authorization;

	if (token != NULL && strncasecmp(token, BEARER, strlen(BEARER)) == 0) {
		*ret_no = NO_TOKEN;
		int err = tokens_read(
			&b->tokens, token + strlen(BEARER), rq->now, &a->proof, &a->key, why);
		if (err == 0) /* it may be older than the operator's last word on old padding */
			err = kbs_key_check(a->key, b->config.may_rsa1_5, why);
		if (err == 0 && rq->now > a->proof.since)
			a->age_ms = (uint64_t)(rq->now - a->proof.since) * 1000;
		return err;
	}
	*ret_no = rq->cookie == NULL ? NO_TOKEN : NO_SESSION;
	if (rq->cookie == NULL)
		return why_set(why, -EACCES, "neither a token nor a session's cookie was sent");
	struct session *s = session_of(b, rq, why);
	if (s == NULL)
		return -EACCES;
	if (s->state != SESSION_PROVEN)
		return why_set(why, -EACCES, "this session has not proven anything");
	if (++s->n_requests > LIMIT_BROKER_RATE_SESSION) {
		*ret_no = NO_HURRY;
		return why_set(
			why, -EACCES, "this session has asked %u times", LIMIT_BROKER_RATE_SESSION);
	}
	a->proof = s->proof;
	a->key = json_incref(s->key);
	a->age_ms = rq->now_ms - s->since_ms;
	return 0;
}

static void resource_answer(
	struct broker *b, const struct broker_request *rq, const char *path, struct broker_reply *r)
{
	AUTO(asker) struct asker a = { 0 };
	enum refusal no = NO_SESSION;
	struct why why = { 0 };

	if (asker_find(b, rq, &a, &no, &why) < 0)
		return reply_refuse(r, no, &why);
	int err = resource_release(b, &a, path, rq, &r->body, &why);
	if (err < 0) {
		log_info("not released to %s: %s", a.proof.guest, why_text(&why, err));
		b->metrics.n[METRIC_NOT_RELEASED]++;
		return reply_error(r, err, &why);
	}
	log_info("released to %s: %s", a.proof.guest, path);
	b->metrics.n[METRIC_RELEASED]++;
	r->status = 200;
}

/* --- all ----------------------------------------------------------------------------------------- */

static void request_answer(
	struct broker *b, const struct broker_request *rq, struct broker_reply *ret)
{
	static const char resource[] = PREFIX "/resource/";
	struct why why = { 0 };

	if (rate_is_over(&b->rate, rq->peer, rq->peer_len, rq->now_ms)) {
		b->metrics.n[METRIC_LIMITED]++;
		(void)why_set(&why, 0, "too many requests in this minute");
		return reply_refuse(ret, NO_HURRY, &why);
	}
	if (rq->method == BROKER_POST && strcmp(rq->path, PREFIX "/auth") == 0)
		return auth_answer(b, rq, ret);
	if (rq->method == BROKER_POST && strcmp(rq->path, PREFIX "/attest") == 0)
		return attest_answer(b, rq, ret);
	if (rq->method == BROKER_GET && strncmp(rq->path, resource, strlen(resource)) == 0)
		return resource_answer(b, rq, rq->path + strlen(resource), ret);
	if (rq->method == BROKER_POST && strcmp(rq->path, BROKER_SEV_PATH) == 0)
		return broker_sev_answer(b, rq, ret);
	if (rq->method == BROKER_GET && strcmp(rq->path, "/.well-known/jwks.json") == 0)
		return reply_json(ret, json_loads(b->tokens.jwks, 0, NULL));
	(void)why_set(&why, 0,
		"want POST " PREFIX "/auth, POST " PREFIX "/attest, GET " PREFIX
		"/resource/REPOSITORY/TYPE/TAG or POST " BROKER_SEV_PATH);
	reply_refuse(ret, NO_PATH, &why);
}

void broker_answer(struct broker *b, const struct broker_request *rq, struct broker_reply *ret)
{
	*ret = (struct broker_reply){ 0 };
	request_answer(b, rq, ret);
	b->metrics.statuses[MIN((size_t)ret->status / 100, ARRAY_LEN(b->metrics.statuses) - 1)]++;
}
