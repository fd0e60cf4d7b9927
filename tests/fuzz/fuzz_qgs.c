/* Reaches qgs_parse_frame(), qgs_parse_answer(). */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/quote/qgs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *quote = NULL;
	struct why why = { 0 };
	size_t len = 0;

	if (size < QGS_FRAME_BYTES)
		return 0;
	(void)!qgs_parse_frame(data, &len, &why);
	if (qgs_parse_answer(data + QGS_FRAME_BYTES, size - QGS_FRAME_BYTES, &quote, &len, &why) <
		0)
		return 0;
	if (quote < data || len == 0 || len > size - (size_t)(quote - data))
		abort();
	return 0;
}
