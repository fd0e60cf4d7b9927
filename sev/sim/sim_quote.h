/*
 * sim_quote: the simulated quoting enclave: TDX quotes of versions 4 and 5 from a TDREPORT of the
 *            same machine (ATT 6), and the enclave's identity, which the minted collateral names.
 *
 * Trust:   the report may be anybody's: its MAC is checked first.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "sev/abi_tdx.h"
#include "sev/sim/sim_tdx_crypto.h"
#include "sev/sim/sim_tdx_platform.h"

#define SIM_QUOTE_BYTES_MAX 16384u /* ours have 5 KiB; GetQuote's usual buffer is this long */

/* The enclave: MRSIGNER, product, and attributes (INIT, MODE64BIT). ATT 6.4, 7.2. */
#define SIM_QE_MRSIGNER_BYTE 0x44
#define SIM_QE_PRODUCT       2u
#define SIM_QE_ATTRIBUTES    0x11

/*
 * A quote over the report into buf of size bytes. -EKEYREJECTED: the report is no report of this
 * machine; -EMSGSIZE; -EIO: libcrypto failed.
 */
MUST_USE int sim_quote_make(const struct sim_tdx_platform *p, const struct sim_tdx_crypto *c,
	const struct tdx_report *report, uint8_t *buf, size_t size, size_t *ret_len);
