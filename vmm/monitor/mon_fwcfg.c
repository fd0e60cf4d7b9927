#include "vmm/monitor/mon_fwcfg.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"

/* Ports from FWCFG_PORT on: selector (16 bits), data (8 bits); address of a command (big-endian). */
enum { P_SELECTOR = 0, P_DATA = 1, P_COMMAND_HIGH = 4, P_COMMAND_LOW = 8, P_COUNT = 12 };

#define PORTS_WITHOUT_COMMANDS 2u
#define ID_PORTS               0x1u
#define ID_COMMANDS            0x2u

/* Bits of a command; its upper half is the item to select. The guest waits for 0 or an error. */
enum { DMA_ERROR = 0x1, DMA_READ = 0x2, DMA_SKIP = 0x4, DMA_SELECT = 0x8, DMA_WRITE = 0x10 };

static const uint8_t *item_bytes(const struct fwcfg_item *i)
{
	return i->bytes != NULL ? i->bytes : i->number;
}

#define OFFSET_BITS 48u
#define OFFSET_MAX  ((1ull << OFFSET_BITS) - 1)

static void item_select(struct fwcfg *f, uint16_t key)
{
	atomic_store(&f->cursor, (uint64_t)key << OFFSET_BITS);
}

/* Move on by n bytes, at most to the end of all offsets; returns where it was. */
static uint64_t cursor_move(struct fwcfg *f, uint64_t n)
{
	uint64_t was = atomic_load(&f->cursor);
	uint64_t to;

	do {
		uint64_t offset = was & OFFSET_MAX;
		to = (was & ~OFFSET_MAX) | (offset + MIN(n, OFFSET_MAX - offset));
	} while (!atomic_compare_exchange_weak(&f->cursor, &was, to));
	return was;
}

/* What is left of the item from a cursor on; nothing of one that is not there. */
static size_t item_left(const struct fwcfg *f, uint64_t cursor, const uint8_t **ret)
{
	uint64_t offset = cursor & OFFSET_MAX;

	for (unsigned int i = 0; i < f->n_items; i++) {
		const struct fwcfg_item *item = &f->items[i];
		if (item->key == cursor >> OFFSET_BITS && offset < item->len) {
			*ret = item_bytes(item) + offset;
			return item->len - offset;
		}
	}
	return 0;
}

/* --- commands in RAM ------------------------------------------------------------------------------ */

/* len bytes of the item, zeros after its end, to gpa. */
static MUST_USE int item_copy(struct fwcfg *f, uint64_t gpa, uint32_t len)
{
	const uint8_t *bytes = NULL;
	size_t n = MIN(item_left(f, atomic_load(&f->cursor), &bytes), (size_t)len);

	if (len > LIMIT_FWCFG_COPY_BYTES || !mon_memory_has(f->memory, gpa, len))
		return -EFAULT;
	int err = n > 0 ? mon_memory_write(f->memory, gpa, bytes, n) : 0;
	if (err == 0 && len > n)
		err = mon_memory_zero(f->memory, gpa + n, len - n);
	return err;
}

static void command_run(struct fwcfg *f, uint64_t gpa)
{
	uint8_t bytes[FWCFG_COMMAND_BYTES];
	uint8_t answer[4];
	struct wr w = wr_of(answer, sizeof answer);

	if (mon_memory_read(f->memory, gpa, bytes, sizeof bytes) < 0)
		return; /* there is nowhere to answer */
	struct rd r = rd_of(bytes, sizeof bytes);
	uint32_t control = rd_be32(&r);
	uint32_t len = rd_be32(&r);
	uint64_t to = rd_be64(&r);
	int err = 0;
	if ((control & DMA_SELECT) != 0)
		item_select(f, (uint16_t)(control >> 16));
	if ((control & DMA_READ) != 0)
		err = item_copy(f, to, len);
	else if ((control & DMA_WRITE) != 0)
		err = -EACCES;
	if (err == 0 && (control & (DMA_READ | DMA_SKIP)) != 0)
		(void)cursor_move(f, len);
	wr_be32(&w, err < 0 ? (uint32_t)DMA_ERROR : 0);
	(void)!mon_memory_write(f->memory, gpa, answer, sizeof answer);
}

/* --- ports ---------------------------------------------------------------------------------------- */

/* The next n bytes of the item, zeros after its end. On any thread. */
static void data_read(struct fwcfg *f, uint8_t *ret, size_t n)
{
	const uint8_t *bytes = NULL;
	uint64_t cursor = cursor_move(f, n); /* these bytes are ours, whoever reads beside us */
	size_t left = item_left(f, cursor, &bytes);

	left = MIN(left, n);
	if (left > 0)
		memcpy(ret, bytes, left);
	memset(ret + left, 0, n - left);
}

bool mon_fwcfg_serve(struct fwcfg *f, struct kvm_run *run)
{
	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_IN ||
		run->io.port != FWCFG_PORT + P_DATA || run->io.size != 1)
		return false;
	data_read(f, (uint8_t *)run + run->io.data_offset, run->io.count);
	return true;
}

/* Strings of other ports are ones. */
static void fwcfg_read_bytes(struct bus_dev *dev, uint64_t offset, uint8_t *ret, size_t n)
{
	struct fwcfg *f = CONTAINER_OF(dev, struct fwcfg, dev);

	if (offset == P_DATA)
		data_read(f, ret, n);
	else
		memset(ret, 0xff, n);
}

static uint64_t fwcfg_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	struct fwcfg *f = CONTAINER_OF(dev, struct fwcfg, dev);

	if (offset == P_DATA && len == 1) {
		uint8_t v = 0;
		data_read(f, &v, 1);
		return v;
	}
	/* Where commands are understood, their register reads "QEMU CFG". */
	if (offset == P_COMMAND_HIGH && len == 4)
		return 0x554d4551; /* "QEMU" */
	if (offset == P_COMMAND_LOW && len == 4)
		return 0x47464320; /* " CFG" */
	return ~(uint64_t)0;
}

static void fwcfg_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct fwcfg *f = CONTAINER_OF(dev, struct fwcfg, dev);
	uint32_t swapped = __builtin_bswap32((uint32_t)v);

	if (offset == P_SELECTOR && len == 2)
		item_select(f, (uint16_t)v);
	else if (offset == P_COMMAND_HIGH && len == 4)
		f->command = (uint64_t)swapped << 32;
	else if (offset == P_COMMAND_LOW && len == 4) {
		uint64_t at = f->command | swapped;
		f->command = 0;
		command_run(f, at);
	}
}

int mon_fwcfg_init(struct fwcfg *f, struct bus *bus, const struct mon_memory *memory)
{
	*f = (struct fwcfg){ .dev = { fwcfg_read, fwcfg_write, fwcfg_read_bytes },
		.memory = memory };
	mon_fwcfg_add(f, FWCFG_SIGNATURE, "QEMU", 4);
	mon_fwcfg_add_number(f, FWCFG_ID, 4, ID_PORTS | (memory != NULL ? ID_COMMANDS : 0));
	mon_fwcfg_add(f, FWCFG_DIR, f->dir, 4);
	return bus_add(bus, BUS_IO, FWCFG_PORT, memory != NULL ? P_COUNT : PORTS_WITHOUT_COMMANDS,
		&f->dev);
}

void mon_fwcfg_add(struct fwcfg *f, uint16_t key, const void *bytes, size_t len)
{
	assert(f->n_items < FWCFG_ITEMS_MAX && bytes != NULL);
	f->items[f->n_items++] = (struct fwcfg_item){ .key = key, .bytes = bytes, .len = len };
}

void mon_fwcfg_add_number(struct fwcfg *f, uint16_t key, unsigned int len, uint32_t v)
{
	assert(f->n_items < FWCFG_ITEMS_MAX && len <= 4);
	struct fwcfg_item *i = &f->items[f->n_items++];

	*i = (struct fwcfg_item){ .key = key, .len = len };
	for (unsigned int at = 0; at < len; at++)
		i->number[at] = (uint8_t)(v >> (8 * at));
}

/* The directory is the third item that mon_fwcfg_init() made: a count, then size, key and name. */
void mon_fwcfg_add_file(struct fwcfg *f, const char *name, const void *bytes, size_t len)
{
	uint16_t key = (uint16_t)(FWCFG_FIRST_FILE + f->n_files);
	struct wr count = wr_of(f->dir, 4);
	struct wr w = wr_of(f->dir + 4 + f->n_files * FWCFG_DIR_ENTRY, FWCFG_DIR_ENTRY);

	mon_fwcfg_add(f, key, bytes, len);
	f->n_files++;
	wr_be32(&count, f->n_files);
	wr_be32(&w, (uint32_t)len);
	wr_be16(&w, key);
	wr_le16(&w, 0);
	wr_str(&w, name);
	wr_pad_to(&w, FWCFG_DIR_ENTRY - 1);
	wr_u8(&w, 0); /* the name ends in a zero */
	assert(wr_check(&w) == 0);
	f->items[2].len = 4 + f->n_files * FWCFG_DIR_ENTRY;
}
