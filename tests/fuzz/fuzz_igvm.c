/* Reaches: igvm_recognise, igvm_digest: its headers, pages, parameter areas and vCPU contexts, with a
 * kernel's hashes and without. */
#include <stdlib.h>
#include <string.h>

#include "attest/igvm.h"
#include "tests/fuzz/fuzz.h"

/* The headers' checksum made right: libFuzzer would not find it. */
static void crc_mend(uint8_t *file, size_t size)
{
	uint32_t at = 0, len = 0, crc = UINT32_MAX;

	if (size < 24)
		return;
	memcpy(&at, file + 8, sizeof at);
	memcpy(&len, file + 12, sizeof len);
	if (at > size || len > size - at)
		return;
	memset(file + 20, 0, 4);
	for (size_t i = 0; i < (size_t)at + len; i++) {
		crc ^= file[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
	}
	crc = ~crc;
	memcpy(file + 20, &crc, sizeof crc);
}

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
	uint8_t *file = malloc(size + 1);
	if (file == NULL)
		return 0;
	memcpy(file, data, size);
	crc_mend(file, size);
	trace.n = 0;
	(void)igvm_recognise(file, size);
	why_clear(&why);
	if (igvm_digest(file, size, &l, digest, &why) < 0 && why.text[0] == 0)
		abort();
	l.kernel = (const uint8_t *)"k";
	l.kernel_len = 1;
	why_clear(&why);
	if (igvm_digest(file, size, &l, digest, &why) < 0 && why.text[0] == 0)
		abort();
	free(file);
	return 0;
}
