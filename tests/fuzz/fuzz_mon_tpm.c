/*
 * Must reach: tpm_read, tpm_write of both interfaces, response_take, command_abort, locality_leave. The
 * input is the interface, then reads, writes, responses and the end of casemate-vtpm, as they come.
 */
#include <assert.h>
#include <unistd.h>

#include "base/rd.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/monitor/mon_tpm.h"

enum { OP_READ, OP_WRITE, OP_RESPOND, OP_BUFFER, OP_END, OP_COUNT };

/* A response to the command that is there, or one that nobody asked for. */
static void respond(struct chan *vtpm, struct rd *r)
{
	uint8_t bytes[64];
	size_t len = rd_u8(r) % sizeof bytes;

	while (chan_recv(vtpm, false) == 0)
		assert(vtpm->in->len <= sizeof(struct wire_vtpm_command) + VTPM_BUFFER_BYTES);
	rd_copy(r, bytes, len);
	(void)!chan_send(vtpm, VTPM_MSG_RESPONSE, bytes, len, NULL, 0);
}

static void step(struct tpm *t, struct bus *bus, struct chan *vtpm, struct rd *r)
{
	uint8_t op = rd_u8(r);
	uint32_t at = rd_le16(r) % TPM_BYTES;
	unsigned int len = 1u << (op >> 6);

	switch (op % OP_COUNT) {
	case OP_READ:
		(void)bus_read(bus, BUS_MMIO, TPM_BASE + at, len);
		break;
	case OP_WRITE:
		bus_write(bus, BUS_MMIO, TPM_BASE + at, len, rd_le32(r));
		break;
	case OP_RESPOND:
		if (vtpm->fd >= 0)
			respond(vtpm, r);
		break;
	case OP_BUFFER:
		for (unsigned int i = 0; i < 16; i++)
			bus_write(bus, BUS_MMIO,
				TPM_BASE + (t->interface == TPM_CRB ? 0x80u + i : 0x24u), 1,
				rd_u8(r));
		break;
	default:
		chan_close(vtpm);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);
	struct bus bus = { 0 };
	struct chan vtpm = { .fd = -1 };
	struct loop loop;
	static struct tpm t;
	int pair[2];

	if (chan_pair(pair) < 0 || chan_open(&vtpm, pair[1]) < 0 || loop_open(&loop) < 0)
		return 0;
	bool is_open = mon_tpm_open(&t, rd_u8(&r) % 2 ? TPM_FIFO : TPM_CRB, pair[0], &loop, &bus,
			       NULL) == 0;
	for (int n = 0; is_open && n < 200 && r.left > 0; n++) {
		step(&t, &bus, &vtpm, &r);
		(void)!loop_step(&loop, 0);
		assert(t.len <= VTPM_BUFFER_BYTES && t.at <= t.len);
		assert(t.active >= -1 && t.active < (int)TPM_LOCALITIES - 1);
	}
	mon_tpm_close(&t);
	chan_close(&vtpm);
	loop_close(&loop);
	return 0;
}
