/* Reaches: pe_authenticode: headers, directories, sections, certificates, and the hash of the parts. */
#include <stdlib.h>

#include "attest/pe.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t digest[SHA384_BYTES];
	struct why why = { 0 };

	if (pe_authenticode(data, size, digest, &why) < 0 && why.text[0] == 0)
		abort();
	return 0;
}
