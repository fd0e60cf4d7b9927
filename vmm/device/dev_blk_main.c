/* casemate-dev-blk: one disk of one guest. Started by the supervisor only. */
#include "vmm/device/dev_blk.h"

int main(void)
{
	static struct dev_blk dev; /* too large for a stack */

	return dev_blk_run(&dev);
}
