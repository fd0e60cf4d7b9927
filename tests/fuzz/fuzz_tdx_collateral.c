/*
 * Reaches tdx_collateral_add() with all its forms, cert_store_add(), tdx_pck_parse(), and
 * tdx_tcb_evaluate() over documents that nobody signed.
 */
#include "attest/tdx_tcb.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tdx_qe_report qe;
	AUTO(tdx_collateral) struct tdx_collateral c = { 0 };
	AUTO(cert_store) struct cert_store s = { 0 };
	struct tdx_quote q = { .body_type = TDX_BODY_1_5, .qe = &qe };
	struct tdx_pck pck = { .pcesvn = 11 };
	struct tdx_tcb tcb;
	char text[64];

	if (tdx_collateral_add(&c, &s, (struct attest_blob){ data, size }, NULL) < 0)
		return 0;
	for (size_t i = 0; i < s.n; i++)
		if (tdx_pck_parse(&pck, s.at[i], NULL) < 0)
			pck.svn[0] = 5;
	q.body.tee_tcb_svn2[0] = q.body.tee_tcb_svn2[1] = 3;
	for (size_t i = 0; i < c.n; i++)
		if (tdx_tcb_evaluate(&c.at[i], &c.at[c.n - 1 - i], &pck, &q, &tcb, NULL) == 0)
			tdx_tcb_print_advisories(&tcb, text, sizeof text);
	return 0;
}
