/* casemate-dev-vsock: the socket device of one guest. Started by the supervisor only. */
#include <string.h>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_link.h"
#include "vmm/device/dev_vsock.h"
#include "vmm/super/sup_proto.h"

static MUST_USE int vsock_open(
	struct dev_vsock *dev, struct loop *loop, struct chan *chan, struct why *why)
{
	struct wire_vsock_config config;
	struct dev_vsock_setup setup = { 0 };

	memcpy(&config, chan->in->buf, sizeof config);
	setup.cid = le64_get(config.cid);
	setup.n_ports = le32_get(config.n_ports); /* judged by dev_vsock_open() */
	for (unsigned int i = 0; i < LIMIT_VSOCK_PORTS; i++)
		setup.ports[i] = le32_get(config.ports[i]);
	return dev_vsock_open(dev, loop, msg_take_fd(chan->in, 0), chan, &setup, why);
}

int main(void)
{
	static struct dev_vsock dev;
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct dev_link link;
	struct why why = { 0 };

	int err = child_start(ROLE_DEV_VSOCK, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, sizeof(struct wire_vsock_config),
			sizeof(struct wire_vsock_config), 1, 1, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = vsock_open(&dev, &loop, &chan, &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, dev_vsock_rules, dev_vsock_n_rules, &dev);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_VSOCK, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_vsock_close(&dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
