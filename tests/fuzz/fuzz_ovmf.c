/* Reaches ovmf_parse(), tdvf_parse(), digest_ovmf_snp(), digest_sev(), digest_mrtd(). */
#include "attest/digest_mrtd.h"
#include "attest/digest_ovmf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ovmf o;
	struct ovmf_launch l = { .firmware = &o, .vcpus = 2, .kernel = data, .kernel_len = 1 };
	uint8_t digest[SHA384_BYTES];

	if (ovmf_parse(&o, data, size, NULL) < 0)
		return 0;
	(void)!digest_ovmf_snp(&l, digest, NULL);
	(void)!digest_sev(&l, true, digest, NULL);
	(void)!digest_mrtd(&o, false, digest, NULL);
	return 0;
}
