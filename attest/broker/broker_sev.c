#include "attest/broker/broker_sev.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_sev.h"
#include "base/b64.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/rd.h"
#include "base/wr.h"

/* Among the secrets, where no resource's path leads: those have no part that starts with a dot. */
#define FOLDER  ".sev"
#define TYPE    "session"
#define HEX_ID  64u
#define VERSION 1u
/* How soon a host may ask again while its launch is held. */
#define HELD_S       5u
#define MARK_LABEL   "casemate sev launch"
#define BOOT_LABEL   "casemate sev boot"
#define SOURCE_START "kbs:///"

/* ---- sessions ---------------------------------------------------------------------------------- */

/* A kept session's bytes: the keys together, TIK and PDH digest as attest_verify() wants them. */
struct record {
	le32 version;
	le32 flags;
	uint8_t policy_hash[32];
	uint8_t tek[SEV_KEY_BYTES];
	uint8_t tik[SEV_TIK_BYTES];
};
WIRE_SIZE(struct record, 104);
WIRE_AT(struct record, tik, 56);

int broker_sev_id(const uint8_t session[SEV_SESSION_BYTES], uint8_t ret[32])
{
	return EVP_Digest(session, SEV_SESSION_BYTES, ret, NULL, EVP_sha256(), NULL) == 1 ? 0
											  : -EIO;
}

static struct kbs_path path_of(const uint8_t id[32])
{
	struct kbs_path path = { .part = { FOLDER, TYPE } };

	_Static_assert(sizeof path.part[2] > HEX_ID, "a session's name fits a tag");
	wr_hex_str(path.part[2], sizeof path.part[2], id, 32);
	return path;
}

int broker_sev_put(const struct store *s, const char *tenant, const uint8_t id[32],
	const struct sev_kept *kept, struct why *why)
{
	const struct kbs_path path = path_of(id);
	AUTO(secret) struct secret secret = { 0 };
	struct record r = { le32_of(VERSION), le32_of(kept->flags), { 0 }, { 0 }, { 0 } };

	if ((kept->flags & SEV_SESSION_HELD) != 0 && (kept->flags & SEV_SESSION_REUSABLE) != 0)
		return why_set(why, -EBADMSG,
			"held and reusable: one release would let every launch of this session "
			"run, later ones too: keep a session for each launch that is to be held");
	if (kept->certs.len > LIMIT_SECRET_BYTES - sizeof r)
		return why_set(why, -EMSGSIZE, "the certificates have %zu bytes, at most %zu",
			kept->certs.len, LIMIT_SECRET_BYTES - sizeof r);
	int err = secret_init(&secret, sizeof r + kept->certs.len);
	if (err < 0)
		return err;
	memcpy(r.policy_hash, kept->policy_hash, sizeof r.policy_hash);
	memcpy(r.tek, kept->tek, sizeof r.tek);
	memcpy(r.tik, kept->tik, sizeof r.tik);
	memcpy(secret.p, &r, sizeof r);
	explicit_bzero(&r, sizeof r);
	if (kept->certs.len > 0)
		memcpy(secret.p + sizeof r, kept->certs.p, kept->certs.len);
	return store_write_secret(s, tenant, &path, &secret, why);
}

/* *ret points into *ret_secret. */
static MUST_USE int session_read(const struct store *s, const char *tenant, const uint8_t id[32],
	struct secret *ret_secret, struct sev_kept *ret, struct why *why)
{
	const struct kbs_path path = path_of(id);
	struct why cause = { 0 };
	int err = store_read_secret(s, tenant, &path, ret_secret, &cause);

	if (err == -ENOENT)
		return why_set(why, err,
			"session %s: not known here: keep it with casemate broker sev-session put",
			path.part[2]);
	if (err < 0)
		return why_set(why, err, "%s", cause.text);
	const struct record *r = (const struct record *)ret_secret->p;
	if (ret_secret->len < sizeof *r || le32_get(r->version) != VERSION)
		return why_set(why, -EIO, "session %s: kept by another version", path.part[2]);
	*ret = (struct sev_kept){ .flags = le32_get(r->flags),
		.tek = r->tek,
		.tik = r->tik,
		.certs = { ret_secret->p + sizeof *r, ret_secret->len - sizeof *r } };
	memcpy(ret->policy_hash, r->policy_hash, sizeof ret->policy_hash);
	return 0;
}

int broker_sev_release(
	const struct store *s, const char *tenant, const uint8_t id[32], struct why *why)
{
	AUTO(secret) struct secret secret = { 0 };
	struct sev_kept kept = { 0 };

	int err = session_read(s, tenant, id, &secret, &kept, why);
	kept.flags &= ~SEV_SESSION_HELD;
	return err < 0 ? err : broker_sev_put(s, tenant, id, &kept, why);
}

int broker_sev_remove(
	const struct store *s, const char *tenant, const uint8_t id[32], struct why *why)
{
	const struct kbs_path path = path_of(id);

	return store_remove_secret(s, tenant, &path, why);
}

struct lister {
	const struct store *store;
	const char *tenant;
	json_t *rows;
};

static int session_add(void *owner, const char *name)
{
	static const char prefix[] = FOLDER "/" TYPE "/";
	struct lister *l = owner;
	AUTO(secret) struct secret secret = { 0 };
	struct sev_kept kept;
	uint8_t id[32];
	char hex[HEX_ID + 1];

	if (strncmp(name, prefix, strlen(prefix)) != 0 ||
		opts_parse_hex(name + strlen(prefix), id, sizeof id) < 0)
		return 0;
	int err = session_read(l->store, l->tenant, id, &secret, &kept, NULL);
	if (err < 0)
		return err;
	wr_hex_str(hex, sizeof hex, kept.policy_hash, sizeof kept.policy_hash);
	return json_array_append_new(
		       l->rows, json_pack("{s:s,s:s,s:b,s:b}", "session", name + strlen(prefix),
					"policy", hex, "held", (kept.flags & SEV_SESSION_HELD) != 0,
					"reusable", (kept.flags & SEV_SESSION_REUSABLE) != 0)) < 0
		       ? -ENOMEM
		       : 0;
}

int broker_sev_list(const struct store *s, const char *tenant, json_t **ret, struct why *why)
{
	struct lister l = { s, tenant, json_array() };
	int err = l.rows == NULL ? -ENOMEM : store_list_secrets(s, tenant, session_add, &l, why);

	if (err < 0)
		json_decref(l.rows);
	else
		*ret = l.rows;
	return err;
}

/* ---- a request --------------------------------------------------------------------------------- */

/* What the host says of a launch. */
struct launch {
	uint8_t session[32];
	uint8_t policy_hash[32];
	struct judge_launch judge;
	unsigned int vcpus;
};

static MUST_USE int launch_parse(
	const struct broker_request *rq, struct launch *ret, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	const char *policy = NULL, *session = NULL, *measure = NULL;
	json_int_t word = -1, vcpus = 0;
	json_error_t e = { 0 };
	int api[3] = { -1, -1, -1 };
	size_t len = 0;

	int err = kbs_json_load(rq->body, rq->body_len, &j, why);
	if (err < 0)
		return err;
	if (json_unpack_ex(j, &e, JSON_STRICT, "{s:s,s:s,s:s,s:I,s:[i,i,i!],s:I}", "policy",
		    &policy, "session", &session, "measure", &measure, "sev_policy", &word, "api",
		    &api[0], &api[1], &api[2], "vcpus", &vcpus) < 0)
		return why_set(why, -EBADMSG, "JSON: %s", e.text);
	if (opts_parse_hex(policy, ret->policy_hash, sizeof ret->policy_hash) < 0)
		return why_set(why, -EBADMSG, "\"policy\": want its hash, 64 hexadecimal digits");
	if (opts_parse_hex(session, ret->session, sizeof ret->session) < 0)
		return why_set(why, -EBADMSG,
			"\"session\": want the SHA-256 of LAUNCH_START's session, 64 hexadecimal "
			"digits");
	if (b64_parse(measure, strlen(measure), ret->judge.measure, sizeof ret->judge.measure,
		    &len) < 0 ||
		len != SEV_MEASURE_BYTES)
		return why_set(
			why, -EBADMSG, "\"measure\": want %u bytes in base64", SEV_MEASURE_BYTES);
	if (word < 0 || word > UINT32_MAX || vcpus < 1 || vcpus > LIMIT_DIGEST_VCPUS)
		return why_set(why, -EBADMSG, "\"sev_policy\" or \"vcpus\": out of range");
	for (size_t i = 0; i < ARRAY_LEN(api); i++) {
		if (api[i] < 0 || api[i] > 255)
			return why_set(why, -EBADMSG, "\"api\": want three numbers up to 255");
		ret->judge.api[i] = (uint8_t)api[i];
	}
	ret->judge.policy_word = (uint32_t)word;
	ret->vcpus = (unsigned int)vcpus;
	return 0;
}

/* The tenant is in it: nobody uses up a session of another's by keeping its name with other keys. */
static MUST_USE int mark_make(const char *label, const char *tenant, const uint8_t session[32],
	const uint8_t *measure, uint8_t ret[32])
{
	uint8_t buf[64 + LIMIT_POLICY_LABEL_BYTES + 32 + SEV_MEASURE_BYTES];
	struct wr w = wr_of(buf, sizeof buf);

	wr_copy(&w, label, strlen(label) + 1);
	wr_copy(&w, tenant, strlen(tenant) + 1);
	wr_copy(&w, session, 32);
	if (measure != NULL)
		wr_copy(&w, measure, SEV_MEASURE_BYTES);
	return wr_check(&w) == 0 && EVP_Digest(buf, w.len, ret, NULL, EVP_sha256(), NULL) == 1
		       ? 0
		       : -EIO;
}

/* ---- the packet --------------------------------------------------------------------------------- */

struct packet {
	size_t n; /* keys in it */
	const struct policy_key *keys[LIMIT_POLICY_KEYS];
	uint8_t header[SEV_SECRET_HEADER_BYTES];
	size_t len; /* of body; 0: no packet */
	uint8_t body[LIMIT_SEV_SECRET_BYTES];
};

/* The key's secret, if the proof is good enough for it. */
static MUST_USE int key_read(struct broker *b, const struct proof *proof,
	const struct policy_key *key, struct secret *ret, struct sev_secret *ret_entry,
	struct why *why)
{
	const char *path = key->source + strlen(SOURCE_START);
	const struct policy_key *row = NULL;
	char text[KBS_SEV_GUID_TEXT + 1];
	struct kbs_path parsed;

	if (strncmp(key->source, SOURCE_START, strlen(SOURCE_START)) != 0)
		return why_set(why, -EACCES, "key %s: its source is no " SOURCE_START, key->id);
	int err = judge_release(&b->judge, proof, path, 0, &row, why);
	if (err == 0)
		err = kbs_path_parse(path, &parsed, why);
	if (err == 0)
		err = store_read_secret(&b->store, proof->tenant, &parsed, ret, why);
	if (err == 0)
		err = kbs_sev_guid(path, text, ret_entry->guid);
	ret_entry->p = ret->p;
	ret_entry->len = ret->len;
	return err;
}

/* All keys of the policy or none: a guest that misses one would start and fail. */
static MUST_USE int packet_make(struct broker *b, const struct sev_kept *kept,
	const uint8_t *measure, const struct proof *proof, struct packet *ret, struct why *why)
{
	const struct policy *p = &b->judge.policy;
	struct secret bytes[LIMIT_POLICY_KEYS] = { 0 };
	struct sev_secret entries[LIMIT_POLICY_KEYS] = { 0 };
	AUTO(secret) struct secret plain = { 0 };
	AUTO(secret) struct secret keys = { 0 };

	if (p->n_keys == 0)
		return 0;
	int err = secret_init(&plain, LIMIT_SEV_SECRET_BYTES);
	if (err == 0)
		err = secret_init(&keys, 2 * SEV_KEY_BYTES);
	if (err == 0) {
		memcpy(keys.p, kept->tek, SEV_KEY_BYTES);
		memcpy(keys.p + SEV_KEY_BYTES, kept->tik, SEV_KEY_BYTES);
	}
	for (size_t i = 0; err == 0 && i < p->n_keys; i++) {
		ret->keys[i] = &p->keys[i];
		err = key_read(b, proof, &p->keys[i], &bytes[i], &entries[i], why);
	}
	if (err == 0)
		err = sev_secret_table(entries, p->n_keys, plain.p, plain.len, &ret->len, why);
	if (err == 0)
		err = sev_secret_make(
			&keys, measure, plain.p, ret->len, ret->header, ret->body, why);
	for (size_t i = 0; i < p->n_keys; i++)
		secret_done(&bytes[i]);
	ret->n = p->n_keys;
	return err;
}

/* ---- the answer --------------------------------------------------------------------------------- */

/* On the record before anything leaves: what was proven, then each key. */
static MUST_USE int ledger_write(
	struct broker *b, const struct proof *proof, const struct packet *pk, struct why *why)
{
	int err = broker_ledger_write(
		&b->ledger, LEDGER_PROVEN, proof, NULL, "the launch measurement holds", why);

	for (size_t i = 0; err == 0 && i < pk->n; i++)
		err = broker_ledger_write(&b->ledger, LEDGER_RELEASED, proof,
			pk->keys[i]->source + strlen(SOURCE_START), "into this launch", why);
	return err;
}

/* One measurement, one answer; and one launch a session unless the owner said otherwise. */
static MUST_USE int launch_record(struct broker *b, const struct launch *l,
	const struct sev_kept *kept, const struct proof *proof, const struct packet *pk,
	struct why *why)
{
	bool is_reusable = (kept->flags & SEV_SESSION_REUSABLE) != 0;
	uint8_t mark[STORE_HASH_BYTES];
	struct why cause = { 0 };

	int err = mark_make(
		MARK_LABEL, proof->tenant, l->session, is_reusable ? l->judge.measure : NULL, mark);
	if (err == 0)
		err = store_mark_released(&b->store, mark, &cause);
	if (err == -EEXIST)
		return why_set(why, -EACCES, "%s",
			is_reusable
				? "this measurement was answered already: launch again"
				: "this session was used already: a launch needs one of its own, "
				  "from casemate attest sev-session");
	if (err < 0)
		return why_set(why, err, "%s", why_text(&cause, err));
	err = ledger_write(b, proof, pk, why);
	if (err < 0)
		store_forget_released(&b->store, mark);
	return err;
}

static void packet_reply(const struct packet *pk, struct broker_reply *r)
{
	char header[B64_TEXT_LEN(SEV_SECRET_HEADER_BYTES) + 1] = "";
	char body[B64_TEXT_LEN(LIMIT_SEV_SECRET_BYTES) + 1] = "";
	struct wr h = wr_of(header, sizeof header), w = wr_of(body, sizeof body);

	if (pk->len > 0)
		b64_print(&h, pk->header, sizeof pk->header);
	b64_print(&w, pk->body, pk->len);
	if (wr_end_str(&h) < 0 || wr_end_str(&w) < 0)
		return reply_refuse(r, NO_LUCK, NULL);
	reply_json(r, json_pack("{s:s,s:s}", "header", header, "body", body));
}

/* A person has to say yes, and hears of it once a request. */
static void held_reply(const struct launch *l, const struct proof *proof, struct broker_reply *r)
{
	char hex[HEX_ID + 1];

	wr_hex_str(hex, sizeof hex, l->session, sizeof l->session);
	log_info("held: %s serial %llu: its measurement holds; let it run with casemate broker "
		 "sev-session release %s",
		proof->guest, (unsigned long long)proof->serial, hex);
	reply_json(r, json_pack("{s:s}", "state", "held"));
	r->status = 202;
	r->retry_after_s = HELD_S;
}

/* The MAC fits no digest: what the owner expected, for whoever looks for the difference. */
static void expected_add(const struct broker *b, const struct launch *l, struct why *why)
{
	const struct policy *p = &b->judge.policy;
	char hex[2 * 8 + 1] = "";

	if (why == NULL || b->judge.verdict.rows[ROW_SIGNATURE].status == VERDICT_AFFIRMING)
		return;
	wr_hex_str(hex, sizeof hex, p->boot.kernel.sha384, 8);
	size_t len = strlen(why->text);
	(void)snprintf(why->text + len, sizeof why->text - len,
		"; the policy expects %llu vCPUs (the host has %u), kernel %.60s%s%s%s",
		(unsigned long long)p->machine.vcpus, l->vcpus, p->boot.kernel.file,
		p->boot.kernel.has_sha384 ? " sha384 " : "", p->boot.kernel.has_sha384 ? hex : "",
		p->boot.kernel.has_sha384 ? "..." : "");
}

static void refused_reply(struct broker *b, const struct launch *l, const struct proof *proof,
	struct why *why, struct broker_reply *r)
{
	struct why ignored = { 0 };

	expected_add(b, l, why);
	log_info("launch refused: %s", why->text);
	b->metrics.n[METRIC_REFUSED]++;
	if (broker_ledger_write(&b->ledger, LEDGER_REFUSED, proof, NULL, why->text, &ignored) < 0)
		log_err("%s", ignored.text);
	reply_refuse(r, NO_PROOF, why);
}

/* Everything that needs the session's keys. */
static void launch_answer(struct broker *b, struct launch *l, const struct store_policy *p,
	const struct broker_request *rq, struct broker_reply *r)
{
	static struct packet pk; /* one thread, one request at a time */
	AUTO(secret) struct secret secret = { 0 };
	struct proof proof = { .since = rq->now };
	struct sev_kept kept = { 0 };
	struct why why = { 0 };

	int err = session_read(&b->store, p->tenant, l->session, &secret, &kept, &why);
	if (err == 0 && memcmp(kept.policy_hash, l->policy_hash, sizeof l->policy_hash) != 0)
		err = why_set(&why, -ENOENT, "this session is for another policy");
	if (err == -ENOENT)
		return reply_refuse(r, NO_SESSION, &why);
	l->judge.tik = kept.tik;
	l->judge.certs = kept.certs;
	if (err == 0)
		err = mark_make(BOOT_LABEL, p->tenant, l->session, l->judge.measure, proof.boot_id);
	if (err == 0)
		err = judge_launch(&b->judge, p, &l->judge, rq->now, &proof, &why);
	if (err == -EACCES)
		return refused_reply(b, l, &proof, &why, r);
	if (err == 0 && (kept.flags & SEV_SESSION_HELD) != 0)
		return held_reply(l, &proof, r);
	pk = (struct packet){ 0 };
	if (err == 0)
		err = packet_make(b, &kept, l->judge.measure, &proof, &pk, &why);
	if (err == 0)
		err = launch_record(b, l, &kept, &proof, &pk, &why);
	if (err < 0) {
		log_info("launch of %s: nothing released: %s", b->judge.policy.name,
			why_text(&why, err));
		b->metrics.n[METRIC_NOT_RELEASED]++;
		return reply_error(r, err, &why);
	}
	log_info("launch of %s serial %llu: measurement holds, %zu keys released into it",
		proof.guest, (unsigned long long)proof.serial, pk.n);
	b->metrics.n[METRIC_PROVEN]++;
	b->metrics.n[METRIC_RELEASED] += pk.n;
	packet_reply(&pk, r);
}

void broker_sev_answer(struct broker *b, const struct broker_request *rq, struct broker_reply *ret)
{
	AUTO(store_policy) struct store_policy p = { 0 };
	struct launch l = { 0 };
	struct why why = { 0 };

	int err = launch_parse(rq, &l, &why);
	if (err == 0)
		err = judge_load_policy(&b->judge, &b->store, l.policy_hash, rq->now, &p, &why);
	if (err == 0 && b->judge.policy.tee.type != POLICY_TEE_SEV &&
		b->judge.policy.tee.type != POLICY_TEE_SEV_ES)
		err = why_set(&why, -EACCES, "the policy is for no SEV or SEV-ES guest");
	if (err < 0)
		return reply_error(ret, err, &why);
	launch_answer(b, &l, &p, rq, ret);
}
