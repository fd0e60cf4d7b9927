#include "vmm/device/dev_rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/device/dev_link.h"

/*
 * 5.4.6: "the device MUST place one or more random bytes into each buffer, and may use less than
 * the entire buffer". A request without a writable part cannot be served.
 */
static int rng_serve(struct vu_back *b, const struct chain *c, uint32_t *ret_len)
{
	uint8_t bytes[LIMIT_RNG_BYTES];
	size_t len = MIN(c->write_len, sizeof bytes);

	if (len == 0)
		return -EBADMSG;
	ssize_t n = getrandom(bytes, len, 0);
	if (n < 0)
		return -errno;
	int err = chain_write(&b->mem, c, 0, bytes, (size_t)n);
	explicit_bzero(bytes, sizeof bytes);
	if (err == 0)
		*ret_len = (uint32_t)n;
	return err;
}

static const struct vu_ops rng_ops = {
	.n_queues = 1,
	.queues = { { .serve = rng_serve } },
};

int dev_rng_open(struct dev_rng *d, struct loop *loop, int sock, struct why *why)
{
	return vu_back_open(&d->back, loop, sock, &rng_ops, 0, NULL, 0, why);
}

void dev_rng_close(struct dev_rng *d)
{
	vu_back_close(&d->back);
}

/* ---- the process ----------------------------------------------------------------------------- */

int dev_rng_run(struct dev_rng *dev)
{
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
		err = dev_rng_open(dev, &loop, msg_take_fd(chan.in, 0), &why);
	if (err == 0)
		err = dev_link_open(&link, &loop, &chan, NULL, 0, NULL);
	if (err == 0)
		err = sandbox_enter(ROLE_DEV_RNG, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	dev_rng_close(dev);
	loop_close(&loop);
	return child_end(&chan, err, &why);
}
