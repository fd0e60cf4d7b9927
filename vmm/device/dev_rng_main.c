/* casemate-dev-rng: random bytes for one guest. Started by the supervisor only. */
#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_link.h"
#include "vmm/device/dev_rng.h"

int main(void)
{
	static struct dev_rng dev;
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct dev_link link;
	struct why why = { 0 };

	int err = child_start(ROLE_DEV_RNG, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, 0, 0, 1, 1, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = dev_rng_open(&dev, &loop, msg_take_fd(chan.in, 0), &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, NULL, 0, NULL);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_RNG, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_rng_close(&dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
