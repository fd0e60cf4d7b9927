/*
 * appraise_row: rows that every kind of evidence has, set alike: equal bytes, a bit that is on, one
 *               of several digests, a policy that is in force.
 *
 * Trust:   the values are judged here; policy and expected values are the caller's.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/evidence.h"
#include "attest/verdict.h"
#include "policy/policy.h"

#define ROW_TEXT_MAX VERDICT_VALUE_MAX

/* Lower-case hex digits; 0x and the digits of a number. Both return ret. */
const char *row_hex(char ret[ROW_TEXT_MAX], const void *bytes, size_t len);
const char *row_word(char ret[ROW_TEXT_MAX], uint64_t v);

bool row_is_zero(const void *bytes, size_t len);

/* Affirming when equal, contraindicated for the reason `differs`; expected NULL: not asked. */
void row_equal(struct verdict *v, enum verdict_row_id row, const void *expected, const void *actual,
	size_t len, const char *not_asked, const char *differs);

/* A property that is bad to have: off is affirming; on is what the policy says of it, or a warning. */
void row_bit(struct verdict *v, enum verdict_row_id row, bool is_set, const struct policy *p,
	bool is_allowed, const char *meaning);

/*
 * Row measurement: is the launch digest (48 bytes) one of in->digests or the policy's, and none of
 * those it denies? differs: why a single expected one may differ.
 */
void row_measurement(struct verdict *v, const struct attest_inputs *in, const uint8_t actual[48],
	const char *differs);

/* Row chip_id: is this chip (64 bytes, zeros behind) on the policy's deny list? */
void row_chip_denied(struct verdict *v, const struct policy *p, const uint8_t chip[64]);

/* Row policy: is the launch policy for this kind of guest, and valid at this time? p NULL: no row. */
void row_policy_itself(struct verdict *v, const struct policy *p, enum policy_tee type, time_t at);
