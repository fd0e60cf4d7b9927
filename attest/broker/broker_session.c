#include "attest/broker/broker_session.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/b64.h"
#include "base/secret.h"
#include "base/wr.h"

void session_drop(struct session *s)
{
	json_decref(s->key);
	explicit_bzero(s, sizeof *s);
}

void sessions_expire(struct sessions *all, uint64_t now_ms)
{
	for (size_t i = 0; i < ARRAY_LEN(all->at); i++)
		if (all->at[i].state != SESSION_FREE &&
			now_ms - all->at[i].since_ms > LIMIT_KBS_SESSION_MS)
			session_drop(&all->at[i]);
}

/* A free place, or the one that is missed least. */
static struct session *place_find(struct sessions *all)
{
	struct session *least = &all->at[0];

	for (size_t i = 0; i < ARRAY_LEN(all->at); i++) {
		struct session *s = &all->at[i];
		bool is_proven = s->state == SESSION_PROVEN;
		bool least_is = least->state == SESSION_PROVEN;
		if (s->state == SESSION_FREE)
			return s;
		if (is_proven == least_is ? s->since_ms < least->since_ms : least_is)
			least = s;
	}
	session_drop(least);
	return least;
}

void sessions_thin(struct sessions *all, const struct session *s)
{
	struct session *oldest = NULL;
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all->at); i++) {
		struct session *o = &all->at[i];
		if (o == s || o->state != SESSION_PROVEN ||
			memcmp(o->proof.policy_hash, s->proof.policy_hash, 32) != 0)
			continue;
		n++;
		if (oldest == NULL || o->since_ms < oldest->since_ms)
			oldest = o;
	}
	if (n >= LIMIT_BROKER_SESSIONS_POLICY)
		session_drop(oldest);
}

struct session *sessions_new(struct sessions *all, uint64_t now_ms, int64_t now)
{
	uint8_t nonce[SESSION_NONCE_BYTES];

	sessions_expire(all, now_ms);
	struct session *s = place_find(all);
	if (RAND_bytes(s->id, sizeof s->id) != 1 || RAND_bytes(nonce, sizeof nonce) != 1)
		return NULL;
	struct wr w = wr_of(s->nonce, sizeof s->nonce);
	b64_print(&w, nonce, sizeof nonce);
	if (wr_end_str(&w) < 0)
		return NULL;
	s->state = SESSION_CHALLENGED;
	s->since_ms = now_ms;
	s->since = now;
	return s;
}

struct session *sessions_find(
	struct sessions *all, const uint8_t id[SESSION_ID_BYTES], uint64_t now_ms)
{
	struct session *found = NULL;

	sessions_expire(all, now_ms);
	for (size_t i = 0; i < ARRAY_LEN(all->at); i++)
		if (all->at[i].state != SESSION_FREE &&
			secret_equal(all->at[i].id, id, SESSION_ID_BYTES))
			found = &all->at[i];
	return found;
}
