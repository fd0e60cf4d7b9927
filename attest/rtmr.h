/*
 * rtmr: what the firmware of a TD will measure into its runtime registers when it starts a kernel
 *       that the VMM gave it (attestation.md, 8.2; kvm-cvm-abi.md, 4.9). What depends on the
 *       firmware's build or on tables of the VMM is listed, and said not to be predicted.
 *
 * Trust:   kernel, ramdisk and firmware may be anything.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/launch_digest.h"
#include "base/cdefs.h"
#include "base/why.h"

struct rtmr_event {
	unsigned int reg; /* 0, 1 or 2 */
	const char *name; /* a constant: as the event log has it */
	const char *why;  /* a constant: why its digest is not predicted; NULL: it is */
	uint8_t digest[SHA384_BYTES];
};

#define RTMR_EVENTS_MAX 24u

struct rtmr_log {
	size_t n;
	struct rtmr_event at[RTMR_EVENTS_MAX];
};

/*
 * RTMR 1 or 2 (by in->kind) of this launch: a value for each way in which firmware is known to do it.
 * -EBADMSG: the kernel is no PE image; -EOPNOTSUPP: there is no kernel, so a disk decides; -ERANGE: a
 * ramdisk that QEMU could not place.
 */
MUST_USE int rtmr_predict(const struct launch_inputs *in, struct measured *trace,
	struct launch_values *ret, struct why *why);

/*
 * The events in the order of the log, of all three registers, as newer firmware has them; without a
 * kernel only those of register 0. Errors of rtmr_hob_print().
 */
MUST_USE int rtmr_events(const struct launch_inputs *in, struct rtmr_log *ret, struct why *why);

/*
 * The hand-off list that the VMM gives the TD's firmware, up to its end marker, as it is measured:
 * into size bytes. -EFAULT: a section lies outside RAM; -EMSGSIZE: it does not fit.
 */
MUST_USE int rtmr_hob_print(const struct launch_inputs *in, uint8_t *ret, size_t size,
	size_t *ret_len, struct why *why);
