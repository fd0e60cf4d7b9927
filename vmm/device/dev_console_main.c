/* casemate-dev-console: the virtio console of one guest. Started by the supervisor only. */
#include <signal.h>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_console.h"
#include "vmm/device/dev_link.h"

int main(void)
{
	static struct dev_console dev;
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct dev_link link;
	struct why why = { 0 };

	(void)signal(SIGPIPE, SIG_IGN); /* the reader of the output may go */
	int err = child_start(ROLE_DEV_CONSOLE, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, 0, 0, 3, 3, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = dev_console_open(&dev, &loop, msg_take_fd(chan.in, 0),
			msg_take_fd(chan.in, 1), msg_take_fd(chan.in, 2), &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, NULL, 0, NULL);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_CONSOLE, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_console_close(&dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
