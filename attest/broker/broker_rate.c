#include "attest/broker/broker_rate.h"

#include <openssl/rand.h>
#include <stddef.h>
#include <string.h>

void rate_init(struct rate *r, uint64_t peer_max, uint64_t all_max)
{
	*r = (struct rate){ .minute = UINT64_MAX };
	r->peer_max = peer_max != 0 ? (unsigned int)peer_max : LIMIT_BROKER_RATE_PEER;
	r->peer_max = MIN(r->peer_max, UINT16_MAX - 1u);
	r->all_max = all_max != 0 ? (unsigned int)all_max : LIMIT_BROKER_RATE_ALL;
	if (RAND_bytes((unsigned char *)&r->seed, sizeof r->seed) != 1)
		r->seed = 0; /* then places may be guessed: shared limits, nothing else */
}

/* FNV-1a from a random start. */
static size_t place_of(const struct rate *r, const uint8_t *peer, size_t len)
{
	uint64_t h = r->seed ^ 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ peer[i]) * 0x100000001b3u;
	return (size_t)((h ^ h >> 32) % LIMIT_BROKER_PEERS);
}

bool rate_is_over(struct rate *r, const void *peer, size_t len, uint64_t now_ms)
{
	if (r->minute != now_ms / 60000) {
		r->minute = now_ms / 60000;
		r->n_all = 0;
		memset(r->n_peer, 0, sizeof r->n_peer);
	}
	if (len > 0) {
		uint16_t *n = &r->n_peer[place_of(r, peer, len)];
		if (*n >= r->peer_max)
			return true; /* not counted for all: one peer does not lock out the rest */
		++*n;
	}
	if (r->n_all >= r->all_max)
		return true;
	r->n_all++;
	return false;
}
