#include "vmm/device/dev_rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

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
