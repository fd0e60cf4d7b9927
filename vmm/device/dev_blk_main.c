/* casemate-dev-blk: one disk of one guest. Started by the supervisor only. */
#include <string.h>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_blk.h"
#include "vmm/device/dev_link.h"
#include "vmm/super/sup_proto.h"

static MUST_USE int blk_open(struct dev_blk *dev, struct loop *loop, struct msg *m, struct why *why)
{
	struct wire_blk_config config;
	int sock = msg_take_fd(m, 0);
	int disk = msg_take_fd(m, 1);

	memcpy(&config, m->buf, sizeof config);
	config.id[sizeof config.id - 1] = 0;
	const struct dev_blk_setup setup = {
		.size = le64_get(config.size),
		.flags = le32_get(config.flags),
		.id = config.id,
	};
	return dev_blk_open(dev, loop, sock, disk, &setup, why);
}

int main(void)
{
	static struct dev_blk dev;
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct dev_link link;
	struct why why = { 0 };

	int err = child_start(ROLE_DEV_BLK, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, sizeof(struct wire_blk_config),
			sizeof(struct wire_blk_config), 2, 2, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = blk_open(&dev, &loop, chan.in, &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, NULL, 0, NULL);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_BLK, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_blk_close(&dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
