#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/appraise.h"
#include "attest/appraise_row.h"
#include "attest/evidence.h"
#include "attest/sev_chain.h"
#include "attest/sev_session.h"
#include "base/secret.h"
#include "base/wr.h"
#include "policy/policy.h"

#define DIGEST_BYTES 32u
/* Launch digests have 48 bytes elsewhere: SEV's are followed by zeros. */
#define SLOT_BYTES 48u

/* The guest policy of LAUNCH_START (kvm-cvm-abi.md, 2.7). */
#define SEV_POLICY_NODBG    0x1u
#define SEV_POLICY_NOKS     0x2u
#define SEV_POLICY_ES       0x4u
#define SEV_POLICY_NOSEND   0x8u
#define SEV_POLICY_DOMAIN   0x10u
#define SEV_POLICY_SEV      0x20u
#define SEV_POLICY_RESERVED 0xFFC0u

struct sev_case {
	const struct attest_inputs *in;
	bool is_measure; /* LAUNCH_MEASURE's answer; else a platform certificate itself is the evidence */
	const struct sev_cert *leaf; /* NULL: none */
	struct sev_certs given, roots;
	struct sev_chain chain;
	struct why chain_why, unreadable; /* the first blob that cannot be read */
	bool has_chain;
	bool is_tied; /* leaf is the PDH that the session was made for */
	/* What the MAC was found to be over. */
	bool has_mac;
	struct sev_measured measured;
};

/* --- gathering -------------------------------------------------------------------------------- */

static void blobs_add(
	struct sev_case *c, struct sev_certs *set, const struct attest_blob *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)!sev_certs_add(set, b[i].p, b[i].len, &c->unreadable);
}

/* Does the owner know which PDH the session was made for? */
static bool is_pdh_known(const struct sev_case *c)
{
	return c->in->sev.tik.len == SEV_TIK_BYTES;
}

static bool is_sessions_pdh(const struct sev_case *c, const struct sev_cert *leaf)
{
	uint8_t digest[DIGEST_BYTES];

	return is_pdh_known(c) && sev_cert_digest(leaf, digest) == 0 &&
	       memcmp(digest, c->in->sev.tik.p + SEV_KEY_BYTES, sizeof digest) == 0;
}

/* The host may send several PDHs: the session's speaks, else the first that leads up. */
static void chain_find(struct sev_case *c)
{
	size_t n = c->is_measure ? c->given.n : 1;

	for (size_t i = 0; i < n; i++) {
		const struct sev_cert *leaf = &c->given.at[i];
		struct sev_chain chain = { 0 };
		struct why why = { 0 };
		if (c->is_measure && leaf->usage != SEV_USAGE_PDH)
			continue;
		bool is_tied = c->is_measure && is_sessions_pdh(c, leaf);
		bool leads = sev_chain_verify(&c->given, &c->roots, leaf, &chain, &why) == 0;
		if (c->leaf != NULL && (!leads || (c->has_chain && (c->is_tied || !is_tied))))
			continue;
		c->leaf = leaf, c->chain = chain, c->chain_why = why;
		c->has_chain = leads, c->is_tied = is_tied;
	}
}

static MUST_USE int case_gather(struct sev_case *c, struct why *why)
{
	const struct attest_inputs *in = c->in;

	if (!c->is_measure) {
		/* Looks like a certificate; one that cannot be read is a bad certificate, not no evidence. */
		int err = sev_certs_add(&c->given, in->evidence.p, in->evidence.len, &c->chain_why);
		if (err < 0 && !sev_cert_recognise(in->evidence.p, in->evidence.len))
			return why_set(why, -EBADMSG,
				"%zu bytes that are neither LAUNCH_MEASURE's answer (%u bytes) nor "
				"SEV "
				"certificates",
				in->evidence.len, SEV_MEASURE_BYTES);
		if (err < 0)
			return 0;
	}
	blobs_add(c, &c->roots, in->roots, in->n_roots);
	blobs_add(c, &c->given, in->certs, in->n_certs);
	chain_find(c);
	return 0;
}

/* --- the MAC ---------------------------------------------------------------------------------- */

static bool mac_holds(struct sev_case *c, const uint8_t digest[DIGEST_BYTES], uint32_t policy)
{
	const struct attest_sev *sev = &c->in->sev;
	const uint8_t *evidence = c->in->evidence.p;
	struct sev_measured m = { .api_major = sev->api_major,
		.api_minor = sev->api_minor,
		.build = sev->build,
		.policy = policy };
	uint8_t mac[SEV_MAC_BYTES];

	memcpy(m.digest, digest, sizeof m.digest);
	memcpy(m.mnonce, evidence + SEV_MAC_BYTES, sizeof m.mnonce);
	if (sev_measure_mac(sev->tik.p, &m, mac) < 0 || !secret_equal(mac, evidence, sizeof mac))
		return false;
	c->measured = m;
	c->has_mac = true;
	return true;
}

/* The guest policy may be known from the launch policy alone. */
static bool digest_try(struct sev_case *c, const uint8_t digest[DIGEST_BYTES])
{
	const struct policy *p = c->in->policy;

	return mac_holds(c, digest, c->in->sev.policy) ||
	       (p != NULL && p->tee.has_sev && mac_holds(c, digest, (uint32_t)p->tee.sev.policy));
}

static bool slot_try(struct sev_case *c, const uint8_t slot[SLOT_BYTES], size_t *n)
{
	if (!row_is_zero(slot + DIGEST_BYTES, SLOT_BYTES - DIGEST_BYTES))
		return false;
	*n += 1;
	return digest_try(c, slot);
}

/* Which of the expected digests is the MAC over? Gives how many there were to try. */
static size_t mac_find(struct sev_case *c)
{
	const struct attest_inputs *in = c->in;
	uint64_t n_own = in->policy == NULL ? 0 : in->policy->boot.n_launch_digests;
	size_t n = in->sev.digest != NULL;
	bool found = in->sev.digest != NULL && digest_try(c, in->sev.digest);

	for (size_t i = 0; i < in->n_digests && !found; i++)
		found = slot_try(c, in->digests[i], &n);
	for (uint64_t i = 0; i < n_own && !found; i++)
		found = slot_try(c, in->policy->boot.launch_digests[i].sha384, &n);
	return n;
}

#define NOT_TIED "nothing ties this measurement to a session of yours: "

/* The MAC proves the session's key, the chain a PDH: are they of one platform? */
static void tie_row(const struct sev_case *c, struct verdict *v)
{
	uint8_t digest[DIGEST_BYTES];
	char want[ROW_TEXT_MAX] = "", got[ROW_TEXT_MAX] = "";

	if (is_pdh_known(c))
		row_hex(want, c->in->sev.tik.p + SEV_KEY_BYTES, DIGEST_BYTES);
	if (c->leaf != NULL && sev_cert_digest(c->leaf, digest) == 0)
		row_hex(got, digest, sizeof digest);
	if (c->is_tied)
		verdict_set(v, ROW_OWNER, VERDICT_AFFIRMING, want, got,
			"the session was made for this PDH; holds if nobody but its owner has the "
			"key");
	else if (is_pdh_known(c))
		verdict_set(v, ROW_OWNER, VERDICT_CONTRAINDICATED, want, got,
			"the certificates do not lead up from the PDH that the session was made "
			"for: they say nothing of the platform that measured");
	else
		verdict_set(v, ROW_OWNER, VERDICT_WARNING, "", got,
			"the measurement is of your session, but the key's file (16 bytes) does "
			"not "
			"say which PDH that was made for: the certificates may be another "
			"platform's");
}

/* signature, measurement, owner: without key or digest the MAC says nothing, and that is no yes. */
static void mac_rows(struct sev_case *c, struct verdict *v)
{
	char mac[ROW_TEXT_MAX];
	bool has_tik = c->in->sev.tik.len == SEV_KEY_BYTES || is_pdh_known(c);
	size_t n = has_tik ? mac_find(c) : 0;
	const char *missing = !has_tik ? "no transport integrity key (16 or 48 bytes) was given"
			      : n == 0 ? "no expected launch digest (32 bytes) was given"
				       : NULL;

	row_hex(mac, c->in->evidence.p, SEV_MAC_BYTES);
	if (missing != NULL) {
		verdict_set(v, ROW_SIGNATURE, VERDICT_NONE, "", mac, "not checked: %s", missing);
		verdict_set(v, ROW_MEASUREMENT, VERDICT_NONE, "", "", "not known: %s", missing);
		verdict_set(v, ROW_OWNER, VERDICT_CONTRAINDICATED, "", "", NOT_TIED "%s", missing);
		return;
	}
	if (!c->has_mac) {
		verdict_set(v, ROW_SIGNATURE, VERDICT_CONTRAINDICATED, "", mac,
			"the MAC does not hold with this key, API %u.%u build %u and any of %zu "
			"expected digests: one of them is not the launch's",
			c->in->sev.api_major, c->in->sev.api_minor, c->in->sev.build, n);
		verdict_set(v, ROW_MEASUREMENT, VERDICT_NONE, "", "",
			"not known: the MAC does not hold");
		verdict_set(v, ROW_OWNER, VERDICT_CONTRAINDICATED, "", "",
			NOT_TIED "the MAC does not hold");
		return;
	}
	uint8_t slots[1][SLOT_BYTES] = { 0 };
	struct attest_inputs found = *c->in;
	memcpy(slots[0], c->measured.digest, DIGEST_BYTES);
	found.digests = (const uint8_t(*)[SLOT_BYTES])slots;
	found.n_digests = 1;
	row_measurement(v, &found, slots[0], "");
	verdict_set(v, ROW_SIGNATURE, VERDICT_AFFIRMING, "", mac, "%s", "");
	tie_row(c, v);
}

/* --- the guest policy ------------------------------------------------------------------------- */

/* Bits that every launch should demand; kvm-cvm-abi.md, 2.7. */
static const struct {
	uint32_t bit;
	const char *text;
} demands[] = {
	{ SEV_POLICY_NODBG, "the host may debug the guest" },
	{ SEV_POLICY_NOKS, "its key may be shared with other guests" },
	{ SEV_POLICY_ES, "the registers are not encrypted (SEV-ES)" },
	{ SEV_POLICY_NOSEND, "it may be sent to another platform" },
	{ SEV_POLICY_DOMAIN, "it may be sent outside its domain" },
	{ SEV_POLICY_SEV, "it may be sent to a platform without SEV" },
};

static const char *policy_fault(uint32_t got, uint32_t want)
{
	for (size_t i = 0; i < ARRAY_LEN(demands); i++)
		if ((want & ~got & demands[i].bit) != 0)
			return demands[i].text;
	if ((uint8_t)(got >> 16) < (uint8_t)(want >> 16) || /* API major; equal: minor */
		((uint8_t)(got >> 16) == (uint8_t)(want >> 16) && got >> 24 < want >> 24))
		return "its least firmware API is older";
	return NULL;
}

static void policy_rows(const struct sev_case *c, struct verdict *v)
{
	const struct policy *p = c->in->policy;
	uint32_t got = c->measured.policy;
	char want_text[ROW_TEXT_MAX], got_text[ROW_TEXT_MAX];

	if (!c->has_mac) {
		verdict_set(v, ROW_DEBUG, VERDICT_NONE, "", "", "not known: no MAC speaks for it");
		verdict_set(v, ROW_POLICY, VERDICT_NONE, "", "", "not known: no MAC speaks for it");
		return;
	}
	uint32_t want = p == NULL ? 0 : (uint32_t)p->tee.sev.policy;
	/* As at a launch: what the policy's word leaves open has to be asked for by name, too. */
	bool may_debug = p != NULL && p->tee.sev.debug && (want & SEV_POLICY_NODBG) == 0;
	bool may_send = p != NULL && p->tee.sev.migration && (want & SEV_POLICY_NOSEND) == 0;
	row_bit(v, ROW_DEBUG, (got & SEV_POLICY_NODBG) == 0, p, may_debug,
		"the host may read the guest's memory");
	row_bit(v, ROW_MIGRATION, (got & SEV_POLICY_NOSEND) == 0, p, may_send,
		"the host may send the guest to another machine");
	row_word(got_text, got);
	if ((got & SEV_POLICY_RESERVED) != 0)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, "", got_text,
			"guest policy is malformed: bits 15 to 6 must be 0");
	if (p == NULL) {
		verdict_set(v, ROW_POLICY, VERDICT_NONE, "", got_text, "no policy was given");
		return;
	}
	row_word(want_text, want);
	const char *fault = policy_fault(got, want);
	if (fault != NULL)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, want_text, got_text,
			"guest policy is weaker than the launch policy's: %s", fault);
	else
		verdict_set(v, ROW_POLICY, VERDICT_AFFIRMING, want_text, got_text, "%s", "");
}

/* The firmware's version is part of the MAC. */
static void firmware_row(const struct sev_case *c, struct verdict *v)
{
	const struct policy *p = c->in->policy;
	const struct sev_measured *m = &c->measured;
	char want[ROW_TEXT_MAX] = "", got[ROW_TEXT_MAX];

	if (!c->has_mac) {
		verdict_set(v, ROW_TCB, VERDICT_NONE, "", "", "not known: no MAC speaks for it");
		return;
	}
	(void)snprintf(got, sizeof got, "%u.%u.%u", m->api_major, m->api_minor, m->build);
	if (p == NULL) {
		verdict_set(v, ROW_TCB, VERDICT_NONE, "", got, "no policy was given");
		return;
	}
	const struct policy_sev *s = &p->tee.sev;
	uint64_t is = (uint64_t)m->api_major << 16 | (uint64_t)m->api_minor << 8 | m->build;
	(void)snprintf(want, sizeof want, "%llu.%llu.%llu", (unsigned long long)s->api_major,
		(unsigned long long)s->api_minor, (unsigned long long)s->build);
	if (is < (s->api_major << 16 | s->api_minor << 8 | s->build))
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, want, got,
			"the firmware is below the policy's minimum: the host has to update it");
	else
		verdict_set(v, ROW_TCB, VERDICT_AFFIRMING, want, got, "%s", "");
}

/* --- the rest --------------------------------------------------------------------------------- */

static void chain_rows(const struct sev_case *c, struct verdict *v)
{
	char text[ROW_TEXT_MAX];

	if (c->has_chain) {
		(void)snprintf(text, sizeof text, "%s%s%s ARK", sev_usage_name(c->leaf->usage),
			c->leaf == c->chain.ark ? " is " : " < ... < ", c->chain.product);
		verdict_set(v, ROW_CHAIN, VERDICT_AFFIRMING, "", text, "%s", "");
		verdict_set(v, ROW_PRODUCT, VERDICT_AFFIRMING, "", c->chain.product, "%s", "");
	} else if (c->chain_why.text[0] != '\0')
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", "", "%s%s%s",
			c->chain_why.text, c->unreadable.text[0] != '\0' ? "; " : "",
			c->unreadable.text);
	else
		verdict_set(v, ROW_CHAIN, VERDICT_CONTRAINDICATED, "", "",
			"no PDH certificate at hand: give the platform's with --certs%s%s",
			c->unreadable.text[0] != '\0' ? "; " : "", c->unreadable.text);
	/* Another platform's roots vouch for nothing that was measured. */
	bool is_other = c->is_measure && is_pdh_known(c) && !c->is_tied;
	appraise_trust(c->has_chain && !is_other ? c->chain.trust : TRUST_HOST, c->in->policy, v);
}

/* What this evidence cannot carry is refused where it is asked for. */
static void absent_rows(const struct sev_case *c, struct verdict *v)
{
	const struct policy_endorsements *e =
		c->in->policy == NULL ? NULL : &c->in->policy->tee.endorsements;
	const struct {
		enum verdict_row_id row;
		bool is_asked;
		const char *why;
	} rows[] = {
		{ ROW_REVOCATION, e != NULL && e->require_crl,
			"AMD publishes no revocation list for these certificates" },
		{ ROW_CHIP_ID, e != NULL && e->n_deny_chips > 0,
			"SEV evidence does not say which chip it is of" },
		{ ROW_REPORT_DATA, c->in->report_data != NULL,
			"SEV evidence carries no report data: what is fresh is the session's key" },
		{ ROW_HOST_DATA, c->in->host_data != NULL, "SEV evidence carries no host data" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		verdict_set(v, rows[i].row,
			rows[i].is_asked ? VERDICT_CONTRAINDICATED : VERDICT_NONE, "", "", "%s",
			rows[i].why);
}

static void certificate_rows(const struct sev_case *c, struct verdict *v)
{
	const struct attest_inputs *in = c->in;
	bool is_asked = in->policy != NULL || in->n_digests > 0 || in->sev.digest != NULL ||
			in->sev.tik.len > 0;
	enum verdict_status status = is_asked ? VERDICT_CONTRAINDICATED : VERDICT_NONE;

	verdict_set(v, ROW_SIGNATURE, VERDICT_NONE, "", "",
		"a platform's certificates: nothing was launched yet");
	verdict_set(v, ROW_MEASUREMENT, status, "", "",
		"a platform's certificates say nothing of a guest");
}

static void claims_list(const struct sev_case *c, struct claims *claims)
{
	const struct sev_measured *m = &c->measured;
	char text[ROW_TEXT_MAX];

	if (c->is_measure)
		claims_add_bytes(claims, "mnonce", c->in->evidence.p + SEV_MAC_BYTES, 16);
	if (c->has_mac) {
		claims_add_bytes(claims, "measurement", m->digest, sizeof m->digest);
		claims_add_text(claims, "policy", row_word(text, m->policy));
		claims_add_number(claims, "api_major", m->api_major);
		claims_add_number(claims, "api_minor", m->api_minor);
		claims_add_number(claims, "build", m->build);
		claims_add_bool(
			claims, "policy_debug_allowed", (m->policy & SEV_POLICY_NODBG) == 0);
		claims_add_bool(claims, "policy_es", (m->policy & SEV_POLICY_ES) != 0);
	}
	if (c->has_chain) {
		claims_add_text(claims, "product", c->chain.product);
		claims_add_bytes(
			claims, "root_spki_sha256", c->chain.ark_spki, sizeof c->chain.ark_spki);
	}
}

int attest_verify_sev(const struct attest_inputs *in, struct verdict *ret, struct why *why)
{
	struct sev_case c = { .in = in, .is_measure = in->evidence.len == SEV_MEASURE_BYTES };
	const struct policy *p = in->policy;

	int err = case_gather(&c, why);
	if (err < 0)
		return err;
	verdict_init(ret, EVIDENCE_SEV);
	chain_rows(&c, ret);
	row_policy_itself(ret, p,
		p != NULL && p->tee.type == POLICY_TEE_SEV_ES ? POLICY_TEE_SEV_ES : POLICY_TEE_SEV,
		in->at);
	if (c.is_measure) {
		mac_rows(&c, ret);
		policy_rows(&c, ret);
		firmware_row(&c, ret);
	} else {
		certificate_rows(&c, ret);
	}
	absent_rows(&c, ret);
	claims_list(&c, &ret->claims);
	verdict_close(ret, in->required_rows);
	return 0;
}
