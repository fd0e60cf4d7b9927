/* casemate-dev-console: the virtio console of one guest. Started by the supervisor only. */
#include "vmm/device/dev_console.h"

int main(void)
{
	static struct dev_console dev; /* too large for a stack */

	return dev_console_run(&dev);
}
