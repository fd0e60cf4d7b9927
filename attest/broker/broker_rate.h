/*
 * broker_rate: requests a minute: of one peer, of all.
 *
 * Trust:   a peer's address is what its connection comes from.
 * Owns:    nothing; a plain value.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"

struct rate {
	unsigned int peer_max, all_max; /* a minute */
	uint64_t seed; /* random: strangers do not choose whom they share a place with */
	uint64_t minute;
	unsigned int n_all;
	uint16_t n_peer[LIMIT_BROKER_PEERS];
};

/* 0: the limits of limits.h. */
void rate_init(struct rate *r, uint64_t peer_max, uint64_t all_max);

/* Count a request of this peer (any bytes; len 0: it has no address and only counts for all). */
bool rate_is_over(struct rate *r, const void *peer, size_t len, uint64_t now_ms);
