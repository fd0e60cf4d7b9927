#include "attest/snp_signature.h"

#include <errno.h>
#include <string.h>

#include "attest/ecdsa.h"

#define NUMBER_USED 48u /* of 72 bytes: P-384 */

/* R or S: little-endian, bytes 48 to 71 zero. */
static MUST_USE int number_check(
	const uint8_t b[SNP_SIG_NUMBER_BYTES], const char *name, struct why *why)
{
	static const uint8_t zero[SNP_SIG_NUMBER_BYTES];

	if (memcmp(b + NUMBER_USED, zero, SNP_SIG_NUMBER_BYTES - NUMBER_USED) != 0)
		return why_set(
			why, -EKEYREJECTED, "%s of the signature is longer than 384 bits", name);
	if (memcmp(b, zero, NUMBER_USED) == 0)
		return why_set(
			why, -EKEYREJECTED, "the report is not signed: its signature is zero");
	return 0;
}

int snp_signature_verify(const struct snp_report *report, const uint8_t raw[SNP_REPORT_BYTES],
	X509 *leaf, struct why *why)
{
	if (!report->sig_tail_is_zero)
		return why_set(why, -EKEYREJECTED, "bytes behind S of the signature are not zero");
	int err = number_check(report->sig_r, "R", why);
	if (err == 0)
		err = number_check(report->sig_s, "S", why);
	if (err < 0)
		return err;
	err = ecdsa_verify_le(X509_get0_pubkey(leaf), "SHA2-384", report->sig_r, report->sig_s,
		NUMBER_USED, raw, SNP_REPORT_SIGNED);
	return err != -EKEYREJECTED ? err
				    : why_set(why, err,
					      "the signature does not fit the key of the "
					      "certificate: another key "
					      "signed, or the report was changed");
}
