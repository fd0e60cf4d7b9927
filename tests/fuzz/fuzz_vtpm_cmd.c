/* Must reach: tpm_cmd_check: body_check, sessions_check; tpm_rsp_code. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vtpm/tpm_cmd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tpm_cc_row *row = NULL;
	uint8_t rsp[TPM_HEADER_BYTES];

	uint32_t rc = tpm_cmd_check(data, size, &row);
	assert((rc == TPM_RC_SUCCESS) == (row != NULL));
	assert(row == NULL ||
		(size >= TPM_HEADER_BYTES + 4u * row->handles && size <= TPM_BUFFER_BYTES));
	assert(tpm_rsp_print(rsp, rc) == sizeof rsp && tpm_rsp_code(rsp, sizeof rsp) == rc);
	(void)tpm_rsp_code(data, size);
	return 0;
}
