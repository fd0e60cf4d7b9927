/* The whole of casemate-dev-rng (device.h): dev_rng_run(), rng_serve(), vu_back and the ring. */
#include <string.h>

#include "tests/fuzz/device.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/device/dev_rng.h"

static int rng_run(void)
{
	static struct dev_rng dev;

	memset(&dev, 0, sizeof dev);
	return dev_rng_run(&dev);
}

static unsigned int rng_config(uint8_t *ret_config, int *ret_fds)
{
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device_fuzz d = { .run = rng_run, .n_queues = 1, .config = rng_config };

	device_fuzz(&d, data, size);
	return 0;
}
