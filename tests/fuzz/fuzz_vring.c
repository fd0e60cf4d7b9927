/*
 * Ring memory as the guest wrote it: vring_start, vring_pop_chain (direct and indirect), chain_map,
 * chain_read, chain_write, vring_push_used, vring_is_due, vring_want_kicks.
 *
 * Input: flags, base (u16), then guest memory from its first byte: descriptors of a ring of 8 at
 * 0, the available ring at 128, the used ring at 160, anything behind.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/virtio/vring.h"

#define RAM 4096u

/* Everything a device does with a chain; the results do not matter, the accesses do. */
static void chain_use(const struct mem *mem, const struct chain *c)
{
	static uint8_t buf[RAM];
	struct iovec iov[LIMIT_CHAIN_SEGS];
	unsigned int n = 0;

	if (chain_map(mem, c, false, c->read_len / 2, c->read_len - c->read_len / 2, iov, &n) < 0 ||
		chain_map(mem, c, true, 0, c->write_len, iov, &n) < 0)
		abort(); /* vring_pop_chain() promised that the buffers are there */
	if (chain_read(mem, c, 0, buf, MIN(c->read_len, RAM)) < 0 ||
		chain_write(mem, c, c->write_len - MIN(c->write_len, 16), buf,
			MIN(c->write_len, 16)) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chain chain;
	struct mem mem = { 0 };
	struct vring ring = { 0 };
	uint8_t *ram = aligned_alloc(RAM, RAM);

	if (size < 3 || ram == NULL) {
		free(ram);
		return 0;
	}
	memset(ram, 0, RAM);
	memcpy(ram, data + 3, MIN(size - 3, RAM));
	const struct mem_region r = { { 0x1000 }, RAM, 0x9000, ram };
	const struct vring_setup setup = {
		.size = 8,
		.base = (uint16_t)(data[1] | data[2] << 8),
		.has_indirect = (data[0] & 1) != 0,
		.has_event_idx = (data[0] & 2) != 0,
		.desc = 0x9000,
		.avail = 0x9000 + 128,
		.used = 0x9000 + 160,
	};
	if (mem_add_region(&mem, &r) < 0 || vring_start(&ring, &mem, &setup) < 0)
		abort();
	for (int i = 0; i < 64; i++) {
		(void)vring_want_kicks(&ring, i % 2 == 0);
		if (vring_pop_chain(&ring, &chain) < 0)
			break;
		chain_use(&mem, &chain);
		if (vring_push_used(&ring, chain.head, 1) < 0)
			abort();
		(void)vring_is_due(&ring);
	}
	free(ram);
	return 0;
}
