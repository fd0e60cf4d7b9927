/* Reaches: igvm_recognise, igvm_digest: its headers, pages, parameter areas and vCPU contexts, with a
 * kernel's hashes and without. */
#include <stdlib.h>

#include "attest/igvm.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct measured trace;
	struct ovmf_launch l = { .vmm = VMM_CLOUD_HYPERVISOR, .vcpus = 2, .trace = &trace };
	uint8_t digest[SHA384_BYTES];
	struct why why = { 0 };

	trace.n = 0;
	(void)igvm_recognise(data, size);
	if (igvm_digest(data, size, &l, digest, &why) < 0 && why.text[0] == 0)
		abort();
	l.kernel = (const uint8_t *)"k";
	l.kernel_len = 1;
	why_clear(&why);
	if (igvm_digest(data, size, &l, digest, &why) < 0 && why.text[0] == 0)
		abort();
	return 0;
}
