/* casemate-dev-vsock: the socket device of one guest. Started by the supervisor only. */
#include "vmm/device/dev_vsock.h"

int main(void)
{
	static struct dev_vsock dev; /* too large for a stack */

	return dev_vsock_run(&dev);
}
