/* Reaches setup_parse(), initrd_place(), params_build() of vmm/monitor/mon_boot.c. */
#include "tests/fuzz/fuzz.h"
#include "vmm/monitor/mon_boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t initrd[1];
	static struct boot b;
	const struct boot_config config = {
		.memory_bytes = 256u << 20, .vcpus = 1, .is_protected = true, .cmdline = "quiet"
	};

	b = (struct boot){ .kernel = (uint8_t *)(uintptr_t)data,
		.kernel_len = size,
		.initrd = (uint8_t *)(uintptr_t)initrd,
		.initrd_len = sizeof initrd };
	struct boot_piece pieces[BOOT_PIECES];
	if (mon_boot_build(&b, &config, NULL) == 0)
		(void)mon_boot_list(&b, pieces);
	return 0;
}
