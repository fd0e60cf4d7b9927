/* Reaches sim_qgs_answer(): requests of every type, bare reports; the MAC is checked, never right. */
#include <stdlib.h>

#include "sev/sim/sim_qgs.h"
#include "sev/sim/sim_tdx_mint.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sim_tdx_minted m;
	static struct sim_tdx_crypto crypto;
	static uint8_t out[SIM_QGS_OUT_MAX];
	size_t len = 0;

	if (crypto.ak == NULL && (sim_tdx_mint(&m, 4, NULL) < 0 ||
					 sim_tdx_crypto_init(&crypto, &m.platform, NULL) < 0))
		abort();
	struct sim_qgs q = { .platform = &m.platform, .crypto = &crypto };
	sim_qgs_answer(&q, data, size, out, &len);
	/* Only a bare report has no answer; a refusal's size is its own. */
	if (len > sizeof out || (len == 0) != (size == sizeof(struct tdx_report)))
		abort();
	if (len > 0 && (out[8] | out[9] << 8) != (int)len)
		abort();
	return 0;
}
