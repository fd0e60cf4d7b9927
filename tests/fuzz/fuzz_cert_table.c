/*
 * Reaches cert_store_add() (PEM, DER, certificate table), cert_table_parse(), snp_leaf_parse(),
 * cert_check_ca() and the vendor pins.
 */
#include "attest/cert.h"
#include "attest/snp_leaf.h"
#include "attest/vendor.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	static const uint8_t chip_id[SNP_CHIP_ID_BYTES];
	struct snp_leaf leaf;
	uint64_t tcb;

	/* What was read before a failure stays in the store, and is looked at too. */
	int err = cert_store_add(&s, data, size, NULL);
	for (size_t i = 0; i < s.n; i++) {
		if (snp_leaf_recognise(s.at[i]))
			err = snp_leaf_parse(&leaf, s.at[i], NULL);
		else
			err = cert_check_ca(s.at[i], NULL);
		for (enum snp_product p = 0;
			err == 0 && snp_leaf_recognise(s.at[i]) && p < SNP_PRODUCT_COUNT; p++)
			if (snp_leaf_tcb(&leaf, p, &tcb))
				(void)snp_leaf_hwid_is(&leaf, p, chip_id);
		(void)vendor_root_product(s.at[i]);
	}
	(void)err;
	return 0;
}
