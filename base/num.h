/*
 * num: integer arithmetic that cannot wrap unseen.
 *
 * Trust:   operands may be hostile; that is what the module is for.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"

#define PAGE_BYTES 4096u

/* *ret = a + b, a - b, a * b; -EOVERFLOW (and *ret untouched) when it does not fit. */
static inline MUST_USE int num_add(uint64_t *ret, uint64_t a, uint64_t b)
{
	uint64_t v;

	if (__builtin_add_overflow(a, b, &v))
		return -EOVERFLOW;
	*ret = v;
	return 0;
}

static inline MUST_USE int num_sub(uint64_t *ret, uint64_t a, uint64_t b)
{
	if (b > a)
		return -EOVERFLOW;
	*ret = a - b;
	return 0;
}

static inline MUST_USE int num_mul(uint64_t *ret, uint64_t a, uint64_t b)
{
	uint64_t v;

	if (__builtin_mul_overflow(a, b, &v))
		return -EOVERFLOW;
	*ret = v;
	return 0;
}

/* Narrowing; -EOVERFLOW when the value does not fit. */
static inline MUST_USE int num_to_u32(uint32_t *ret, uint64_t v)
{
	if (v > UINT32_MAX)
		return -EOVERFLOW;
	*ret = (uint32_t)v;
	return 0;
}

static inline MUST_USE int num_to_u16(uint16_t *ret, uint64_t v)
{
	if (v > UINT16_MAX)
		return -EOVERFLOW;
	*ret = (uint16_t)v;
	return 0;
}

/* Is [at, at + len) inside [0, size)? By subtraction, so it cannot wrap. */
static inline bool num_fits(uint64_t at, uint64_t len, uint64_t size)
{
	return at <= size && len <= size - at;
}

static inline bool num_is_aligned(uint64_t v, uint64_t power_of_two)
{
	return (v & (power_of_two - 1)) == 0;
}

/* Round up to a multiple of a power of two; -EOVERFLOW when it does not fit. */
static inline MUST_USE int num_align_up(uint64_t *ret, uint64_t v, uint64_t power_of_two)
{
	uint64_t sum;
	int err = num_add(&sum, v, power_of_two - 1);

	if (err < 0)
		return err;
	*ret = sum & ~(power_of_two - 1);
	return 0;
}
