/*
 * ev: where a guest's evidence comes from. Declared once, defined twice: ev_kernel.c asks the
 *     kernel, ev_sim.c the simulator's port; the linker chooses, and what ships has ev_kernel.c.
 *
 * Trust:   what comes back passed through the host: the broker judges it, not we.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

#define EV_REPORT_DATA_BYTES 64u
#define EV_REPORT_BYTES      1184u  /* SEV-SNP ATTESTATION_REPORT (attestation.md, chapter 1) */
#define EV_TABLE_BYTES       16384u /* a certificate table in practice (1.7) */

struct ev_report {
	uint8_t report[EV_REPORT_BYTES];
	size_t table_len; /* 0: the host gave none */
	uint8_t table[EV_TABLE_BYTES];
};

/* Is there a source, and which? 0 and a static name; -ENODEV with why. */
MUST_USE int ev_find(const char **ret_name, struct why *why);

/* A report with this report data, and the host's certificates. -EREMOTEIO: refused, -EBADMSG. */
MUST_USE int ev_get_report(
	const uint8_t report_data[EV_REPORT_DATA_BYTES], struct ev_report *ret, struct why *why);
