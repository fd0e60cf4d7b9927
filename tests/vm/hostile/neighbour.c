/*
 * neighbour: a guest that minds its own business: it writes stamped blocks over its whole disk, reads
 * them back and compares every byte, round after round, until the host sends a byte. Then it says
 * `neighbour: whole after N rounds` and switches off; a byte that is not what it wrote ends it with
 * `neighbour: LOST ...`. In the end each block holds its stamp of round N (hostile.py compares).
 */
#include "tests/vm/hostile/kit.h"

#define BLOCK  4096u
#define BLOCKS 64u

static uint64_t stamp(uint64_t round, uint64_t block, uint64_t word)
{
	return (round << 40 ^ block << 20 ^ word) * 0x9e3779b97f4a7c15ull;
}

static void block_fill(uint64_t round, uint64_t block)
{
	volatile uint64_t *p = (volatile uint64_t *)BUFFERS;

	for (uint64_t i = 0; i < BLOCK / 8; i++)
		p[i] = stamp(round, block, i);
}

static bool block_is_whole(uint64_t round, uint64_t block)
{
	const volatile uint64_t *p = (const volatile uint64_t *)BUFFERS;

	for (uint64_t i = 0; i < BLOCK / 8; i++)
		if (p[i] != stamp(round, block, i))
			return false;
	return true;
}

static void lost(const char *what, uint64_t round, uint64_t block)
{
	say("neighbour: LOST ");
	say(what);
	say(", round ");
	say_number(round);
	say(", block ");
	say_number(block);
	say("\n");
	port_out(0x604, 1, 1);
	power_off();
}

void guest_main(void);
void guest_main(void)
{
	struct device *d;
	uint64_t round = 0;

	devices_find();
	d = device_of(BLK, 0);
	if (d == NULL || !device_start(d, 0))
		lost("no disk", 0, 0);
	say("neighbour: start\n");
	do {
		round++;
		for (uint64_t b = 0; b < BLOCKS; b++) {
			block_fill(round, b);
			if (blk_do(d, 1, b * (BLOCK / 512), BUFFERS, BLOCK) != 0)
				lost("a write", round, b);
			/* the one before, of this round; of the first its predecessor in a circle */
			uint64_t other = (b * 37 + round) % BLOCKS;
			uint64_t of = other <= b ? round : round - 1;
			if (of > 0 && (blk_do(d, 0, other * (BLOCK / 512), BUFFERS, BLOCK) != 0 ||
					      !block_is_whole(of, other)))
				lost("a block", round, other);
		}
	} while (!host_called());
	for (uint64_t b = 0; b < BLOCKS; b++)
		if (blk_do(d, 0, b * (BLOCK / 512), BUFFERS, BLOCK) != 0 ||
			!block_is_whole(round, b))
			lost("a block in the end", round, b);
	say("neighbour: whole after ");
	say_number(round);
	say(" rounds\n");
	port_out(0x604, 1, 0);
	power_off();
}
