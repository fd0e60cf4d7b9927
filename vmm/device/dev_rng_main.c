/* casemate-dev-rng: random bytes for one guest. Started by the supervisor only. */
#include "vmm/device/dev_rng.h"

int main(void)
{
	static struct dev_rng dev; /* too large for a stack */

	return dev_rng_run(&dev);
}
