/*
 * sim_report: the attestation report of a running guest, and the certificate table beside it.
 *             ABI 3.5; "Attestation facts" 1.1, 1.7.
 *
 * Trust:   the request comes from the guest.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/abi_snp.h"
#include "sev/sim/sim_snp.h"

/* Firmware status: 0 and the signed report in *ret, INVALID_GUEST_STATE, INVALID_PARAM, INVALID_KEY. */
uint32_t sim_report_make(const struct sim_machine *m, const struct sim_snp *snp,
	const struct snp_report_req *req, struct snp_report *ret);

/* VCEK, ASK, ARK, or VLEK, ASVK, ARK, in DER; -EMSGSIZE when size is too small. */
MUST_USE int sim_table_write(
	const struct sim_platform *p, bool is_vlek, void *buf, size_t size, size_t *ret_len);
