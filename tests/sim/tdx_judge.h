/*
 * tdx_judge: what the project's verifier says of a simulated machine's quote, in words: the verifier's
 *            headers and the simulator's name the same structures.
 *
 * Trust:   tests only.
 * Owns:    nothing; the words are constants.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sev/sim/sim_tdx_mint.h"

/* Words of verdict_status_name(); trust of trust_class_name(). "no verdict": no quote at all. */
struct tdx_judgement {
	const char *overall;
	const char *trust;
	const char *signature, *chain, *revocation, *tcb, *qe, *module, *collateral, *measurement,
		*report_data;
};

/* Under the machine's root and with its collateral, now. Rows that are no yes are printed. */
struct tdx_judgement tdx_judge(const struct sim_tdx_minted *m, const uint8_t *quote, size_t len,
	const uint8_t report_data[64], const uint8_t mrtd[48]);
