/* Reaches id_block_verify(); the block stands before its authentication page. */
#include "attest/id_block.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct id_block b;

	if (size == ID_BLOCK_BYTES + ID_AUTH_BYTES)
		(void)!id_block_verify(data, data + ID_BLOCK_BYTES, &b, NULL);
	return 0;
}
