#include "vmm/monitor/mon_tpm.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"

#define HEADER_BYTES 10u /* tag u16, size u32, code u32; big-endian */
#define RC_FAILURE   0x101u
#define TAG_PLAIN    0x8001u

/* The engine is IBM's; so is what it says of its maker. */
#define VENDOR_DEVICE 0x00011014u
#define REVISION      1u

/* Registers of a locality, from its page. */
enum {
	R_ACCESS = 0x00, /* FIFO, a byte; CRB: LOC_STATE */
	R_LOC_STATE = 0x00,
	R_LOC_CTRL = 0x08,
	R_LOC_STS = 0x0c,
	R_CAPABILITY = 0x14, /* FIFO */
	R_STS = 0x18,        /* FIFO */
	R_STS_FAMILY = 0x1b,
	R_FIFO = 0x24,
	R_FIFO_END = 0x28,
	R_INTERFACE = 0x30,
	R_CRB_IDS = 0x34,
	R_CTRL_REQ = 0x40,
	R_CTRL_STS = 0x44,
	R_CANCEL = 0x48,
	R_START = 0x4c,
	R_CMD_SIZE = 0x58,
	R_CMD_ADDRESS = 0x5c,
	R_RSP_SIZE = 0x64,
	R_RSP_ADDRESS = 0x68,
	R_BUFFER = 0x80,    /* CRB, to the end of the page */
	R_XFIFO_END = 0xc0, /* FIFO: 0x80 to here is another door to R_FIFO */
	R_FIFO_IDS = 0xf00,
	R_FIFO_REVISION = 0xf04,
};
_Static_assert(R_BUFFER + VTPM_BUFFER_BYTES == TPM_STRIDE, "the buffer ends with its page");

/* LOC_STATE, LOC_CTRL, LOC_STS. */
#define LOC_NOT_ESTABLISHED 0x01u
#define LOC_ASSIGNED        0x02u
#define LOC_ACTIVE_AT       2
#define LOC_VALID           0x80u
#define CTRL_REQUEST        0x1u
#define CTRL_RELINQUISH     0x2u
#define CTRL_SEIZE          0x4u
#define LOC_GRANTED         0x1u
#define LOC_SEIZED          0x2u

/* CRB, version 1; localities 0 to 4; 64 bytes at a time; CRB alone can be chosen, and is. */
#define INTERFACE_CRB 0x00025911u
/* FIFO, version 0; localities 0 to 4; FIFO alone can be chosen. */
#define INTERFACE_FIFO 0x00002100u
#define REQ_READY      0x1u
#define REQ_IDLE       0x2u
#define STS_ERROR      0x1u
#define STS_IDLE       0x2u

/* ACCESS. */
#define ACCESS_VALID   0x80u
#define ACCESS_ACTIVE  0x20u
#define ACCESS_SEIZED  0x10u
#define ACCESS_SEIZE   0x08u
#define ACCESS_PENDING 0x04u
#define ACCESS_REQUEST 0x02u

/* FIFO interface 1.3, 64 bytes at a time, the burst count moves, no interrupt. */
#define CAPABILITY_FIFO 0x30000600u
#define STS_FAMILY_2    0x04000000u
#define STS_CANCEL      0x01000000u
#define STS_VALID       0x80u
#define STS_READY       0x40u
#define STS_GO          0x20u
#define STS_DATA        0x10u
#define STS_EXPECT      0x08u
#define STS_TESTED      0x04u
#define STS_RETRY       0x02u
#define BURST_AT        8
#define BURST_MAX       0xffffu

/* --- commands ------------------------------------------------------------------------------------ */

/* The size in a command's or response's header; what is there so far when that is not whole yet. */
static uint32_t size_of(const struct tpm *t)
{
	struct rd r = rd_of(t->command.buf, sizeof t->command.buf);

	rd_skip(&r, sizeof(uint16_t));
	return rd_be32(&r);
}

static void response_set(struct tpm *t, const uint8_t *bytes, uint32_t len)
{
	memcpy(t->command.buf, bytes, len);
	t->len = len;
	t->at = 0;
	t->state = TPM_COMPLETION;
}

static void failure_set(struct tpm *t)
{
	uint8_t bytes[HEADER_BYTES];
	struct wr w = wr_of(bytes, sizeof bytes);

	wr_be16(&w, TAG_PLAIN);
	wr_be32(&w, HEADER_BYTES);
	wr_be32(&w, RC_FAILURE);
	response_set(t, bytes, sizeof bytes);
}

static void vtpm_drop(struct tpm *t, const char *text)
{
	log_warn("casemate-vtpm %s: the guest's TPM fails from now on", text);
	loop_del(t->loop, &t->src);
	chan_close(&t->chan);
	t->is_dead = true;
	if (t->state == TPM_EXECUTION)
		failure_set(t);
	if (t->state == TPM_ABORT)
		t->state = t->after;
}

/* The first len bytes of the buffer are a command. */
static void command_send(struct tpm *t, uint32_t len)
{
	if (t->is_dead)
		return failure_set(t);
	t->state = TPM_EXECUTION;
	t->has_cancelled = false;
	t->command.hdr.locality = (uint8_t)t->active;
	if (chan_send(&t->chan, VTPM_MSG_COMMAND, &t->command, sizeof t->command.hdr + len, NULL,
		    0) < 0)
		vtpm_drop(t, "takes no command");
}

static void command_cancel(struct tpm *t)
{
	if (t->has_cancelled)
		return;
	t->has_cancelled = true;
	if (chan_send(&t->chan, VTPM_MSG_CANCEL, NULL, 0, NULL, 0) < 0)
		vtpm_drop(t, "takes no message");
}

/* What is under way is nobody's any more; `next` follows, once casemate-vtpm is done with it. */
static void command_abort(struct tpm *t, enum tpm_state next)
{
	t->after = next;
	t->len = 0;
	t->at = 0;
	if (t->state != TPM_EXECUTION && t->state != TPM_ABORT) {
		t->state = next;
		return;
	}
	t->state = TPM_ABORT;
	command_cancel(t);
}

static int response_take(void *owner, struct msg *m)
{
	struct tpm *t = owner;

	if (t->state == TPM_ABORT)
		t->state = t->after;
	else
		response_set(t, m->buf, m->len);
	return 0;
}

static const struct rule rules[] = {
	[VTPM_MSG_RESPONSE] = { IN(TPM_EXECUTION) | IN(TPM_ABORT), HEADER_BYTES, VTPM_BUFFER_BYTES,
		0, 0, false, response_take },
};

static void chan_fire(struct src *src, uint32_t events)
{
	struct tpm *t = CONTAINER_OF(src, struct tpm, src);
	int err = chan_step(&t->chan, false, rules, ARRAY_LEN(rules), t->state, t);

	if (err < 0 && err != -EAGAIN)
		vtpm_drop(t, err == -EPIPE ? "is gone" : "broke a rule");
}

/* --- localities ---------------------------------------------------------------------------------- */

/* Nobody, or the highest that asked, is next. */
static void locality_leave(struct tpm *t)
{
	command_abort(t, TPM_IDLE);
	t->active = -1;
	for (int l = TPM_LOCALITIES - 1; l >= 0 && t->active < 0; l--)
		if ((t->asked >> l & 1) != 0)
			t->active = l;
	if (t->active >= 0)
		t->asked &= (uint8_t) ~(1u << t->active);
}

/* Locality 4 is for the hardware that starts a measured launch: no guest has it. */
static void locality_ask(struct tpm *t, unsigned int l, bool is_seizing)
{
	uint8_t bit = (uint8_t)(1u << l);

	if (l == TPM_LOCALITIES - 1 || t->active == (int)l)
		return;
	if (t->interface == TPM_CRB)
		t->seized &= (uint8_t)~bit; /* FIFO has a bit to clear it with */
	if (t->active < 0) {
		t->active = (int)l;
	} else if (is_seizing && (int)l > t->active) {
		t->seized |= (uint8_t)(1u << t->active);
		command_abort(t, TPM_IDLE);
		t->active = (int)l;
		t->asked &= (uint8_t)~bit;
	} else if (!is_seizing) {
		t->asked |= bit;
	}
}

static void locality_give_up(struct tpm *t, unsigned int l)
{
	if (t->active == (int)l)
		locality_leave(t);
	else
		t->asked &= (uint8_t) ~(1u << l);
}

/* --- CRB ----------------------------------------------------------------------------------------- */

static uint32_t crb_read(const struct tpm *t, unsigned int l, uint32_t at)
{
	bool is_mine = t->active == (int)l;

	if (at >= R_BUFFER) {
		le32 v;
		memcpy(&v, &t->command.buf[at - R_BUFFER], sizeof v);
		return t->state == TPM_COMPLETION || t->state == TPM_READY ? le32_get(v)
									   : UINT32_MAX;
	}
	switch (at) {
	case R_LOC_STATE:
		return LOC_NOT_ESTABLISHED | LOC_VALID |
		       (t->active < 0 ? 0 : LOC_ASSIGNED | (uint32_t)t->active << LOC_ACTIVE_AT);
	case R_LOC_STS:
		return (is_mine ? LOC_GRANTED : 0) | ((t->seized >> l & 1) != 0 ? LOC_SEIZED : 0);
	case R_INTERFACE:
		return INTERFACE_CRB;
	case R_CRB_IDS:
		return VENDOR_DEVICE;
	case R_CTRL_REQ:
		return t->state == TPM_ABORT ? REQ_IDLE : 0;
	case R_CTRL_STS:
		return (t->state == TPM_IDLE ? STS_IDLE : 0) | (t->is_dead ? STS_ERROR : 0);
	case R_CANCEL:
		return t->state == TPM_EXECUTION && t->has_cancelled;
	case R_START:
		return t->state == TPM_EXECUTION;
	case R_CMD_SIZE:
	case R_RSP_SIZE:
		return VTPM_BUFFER_BYTES;
	case R_CMD_ADDRESS:
	case R_RSP_ADDRESS:
		return TPM_BASE + l * TPM_STRIDE + R_BUFFER;
	default:
		return 0;
	}
}

static void crb_start(struct tpm *t)
{
	uint32_t size = size_of(t);

	/* A size that makes no sense is the TPM's to refuse. */
	command_send(t, MAX(HEADER_BYTES, MIN(size, VTPM_BUFFER_BYTES)));
}

static void crb_ask(struct tpm *t, unsigned int l, uint32_t v)
{
	if ((v & CTRL_RELINQUISH) != 0)
		locality_give_up(t, l);
	else if ((v & (CTRL_REQUEST | CTRL_SEIZE)) != 0)
		locality_ask(t, l, (v & CTRL_SEIZE) != 0);
}

static void crb_write(struct tpm *t, unsigned int l, uint32_t at, unsigned int len, uint64_t v)
{
	bool is_mine = t->active == (int)l;

	if (at == R_LOC_CTRL)
		return crb_ask(t, l, (uint32_t)v);
	if (!is_mine)
		return;
	if (at >= R_BUFFER && t->state == TPM_READY) {
		for (unsigned int i = 0; i < len; i++)
			t->command.buf[at - R_BUFFER + i] = (uint8_t)(v >> 8 * i);
	} else if (at == R_CTRL_REQ && (v & REQ_READY) != 0 &&
		   (t->state == TPM_IDLE || t->state == TPM_COMPLETION)) {
		t->state = TPM_READY;
	} else if (at == R_CTRL_REQ && (v & REQ_IDLE) != 0 &&
		   (t->state == TPM_READY || t->state == TPM_COMPLETION)) {
		t->state = TPM_IDLE;
	} else if (at == R_CANCEL && (v & 1) != 0 && t->state == TPM_EXECUTION) {
		command_cancel(t);
	} else if (at == R_START && (v & 1) != 0 && t->state == TPM_READY) {
		crb_start(t);
	}
}

/* --- FIFO ---------------------------------------------------------------------------------------- */

/* More bytes of a command are expected: its header is not there, or says so. */
static bool is_expecting(const struct tpm *t)
{
	return t->state == TPM_RECEPTION && t->len < VTPM_BUFFER_BYTES &&
	       (t->len < HEADER_BYTES || t->len < size_of(t));
}

static uint32_t fifo_status(const struct tpm *t, bool is_mine)
{
	uint32_t room = t->state == TPM_COMPLETION ? t->len - t->at : VTPM_BUFFER_BYTES - t->len;
	uint32_t v = STS_FAMILY_2 | STS_TESTED | STS_VALID;

	if (!is_mine)
		return UINT32_MAX;
	if (t->state == TPM_READY)
		v |= STS_READY;
	if (is_expecting(t))
		v |= STS_EXPECT;
	if (t->state == TPM_COMPLETION && t->at < t->len)
		v |= STS_DATA;
	if (t->state == TPM_READY || t->state == TPM_RECEPTION || t->state == TPM_COMPLETION)
		v |= MIN(room, BURST_MAX) << BURST_AT;
	return v;
}

static uint8_t fifo_access(const struct tpm *t, unsigned int l)
{
	uint8_t others = (uint8_t)(t->asked & ~(1u << l));

	return (uint8_t)(ACCESS_VALID | LOC_NOT_ESTABLISHED |
			 (t->active == (int)l ? ACCESS_ACTIVE : 0) |
			 ((t->seized >> l & 1) != 0 ? ACCESS_SEIZED : 0) |
			 ((t->asked >> l & 1) != 0 ? ACCESS_REQUEST : 0) |
			 (others != 0 ? ACCESS_PENDING : 0));
}

static uint8_t fifo_pop(struct tpm *t)
{
	return t->state == TPM_COMPLETION && t->at < t->len ? t->command.buf[t->at++] : 0xff;
}

static void fifo_push(struct tpm *t, uint8_t byte)
{
	if (t->state == TPM_READY) {
		t->state = TPM_RECEPTION;
		t->len = 0;
	}
	if (is_expecting(t))
		t->command.buf[t->len++] = byte;
}

static bool is_fifo_data(uint32_t at)
{
	return (at >= R_FIFO && at < R_FIFO_END) || (at >= R_BUFFER && at < R_XFIFO_END);
}

static uint32_t fifo_read(const struct tpm *t, unsigned int l, uint32_t at)
{
	switch (at) {
	case R_ACCESS:
		return fifo_access(t, l);
	case R_CAPABILITY:
		return CAPABILITY_FIFO;
	case R_STS:
		return fifo_status(t, t->active == (int)l);
	case R_INTERFACE:
		return INTERFACE_FIFO;
	case R_FIFO_IDS:
		return VENDOR_DEVICE;
	case R_FIFO_REVISION:
		return REVISION;
	default:
		return 0;
	}
}

static void fifo_ask(struct tpm *t, unsigned int l, uint8_t v)
{
	if ((v & ACCESS_ACTIVE) != 0)
		locality_give_up(t, l);
	if ((v & ACCESS_SEIZED) != 0)
		t->seized &= (uint8_t) ~(1u << l);
	if ((v & (ACCESS_SEIZE | ACCESS_REQUEST)) != 0)
		locality_ask(t, l, (v & ACCESS_SEIZE) != 0);
}

static void fifo_control(struct tpm *t, uint32_t v)
{
	if ((v & STS_CANCEL) != 0 && t->state == TPM_EXECUTION) {
		command_cancel(t);
	} else if ((v & STS_READY) != 0 && t->state != TPM_READY && t->state != TPM_ABORT) {
		command_abort(t, TPM_READY);
	} else if ((v & STS_GO) != 0 && t->state == TPM_RECEPTION && !is_expecting(t)) {
		command_send(t, t->len);
	} else if ((v & STS_RETRY) != 0 && t->state == TPM_COMPLETION) {
		t->at = 0;
	}
}

static void fifo_write(struct tpm *t, unsigned int l, uint32_t at, unsigned int len, uint64_t v)
{
	if (at == R_ACCESS)
		return fifo_ask(t, l, (uint8_t)v);
	if (t->active != (int)l)
		return;
	if (at == R_STS)
		fifo_control(t, (uint32_t)v);
	else if (at == R_STS_FAMILY)
		fifo_control(t, (uint32_t)v << 24);
	else
		for (unsigned int i = 0; i < len && is_fifo_data(at); i++)
			fifo_push(t, (uint8_t)(v >> 8 * i));
}

/* --- the bus ------------------------------------------------------------------------------------- */

/* Byte by byte: registers have side effects when read in FIFO's stream alone. */
static uint64_t tpm_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	struct tpm *t = CONTAINER_OF(dev, struct tpm, dev);
	uint64_t v = 0;

	for (unsigned int i = 0; i < len; i++) {
		unsigned int l = (unsigned int)((offset + i) / TPM_STRIDE);
		uint32_t at = (uint32_t)(offset + i) % TPM_STRIDE;
		uint32_t word = at & ~3u;
		uint8_t byte;
		if (t->interface == TPM_FIFO && is_fifo_data(at))
			byte = t->active == (int)l ? fifo_pop(t) : 0xff;
		else
			byte = (uint8_t)((t->interface == TPM_CRB ? crb_read(t, l, word)
								  : fifo_read(t, l, word)) >>
					 8 * (at & 3));
		v |= (uint64_t)byte << 8 * i;
	}
	return v;
}

static void tpm_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct tpm *t = CONTAINER_OF(dev, struct tpm, dev);
	unsigned int l = (unsigned int)(offset / TPM_STRIDE);
	uint32_t at = (uint32_t)(offset % TPM_STRIDE);

	if (at + len > TPM_STRIDE)
		return; /* half of it is another locality's */
	if (t->interface == TPM_CRB)
		crb_write(t, l, at, len, v);
	else
		fifo_write(t, l, at, len, v);
}

int mon_tpm_open(struct tpm *t, enum tpm_interface interface, int fd, struct loop *loop,
	struct bus *bus, struct why *why)
{
	*t = (struct tpm){ .chan = { .fd = -1 },
		.loop = loop,
		.dev = { tpm_read, tpm_write, NULL },
		.interface = interface,
		.active = -1 };
	int err = chan_open(&t->chan, fd);
	t->src = (struct src){ t->chan.fd, chan_fire };
	if (err == 0)
		err = loop_add(loop, &t->src, EPOLLIN);
	if (err == 0)
		err = bus_add(bus, BUS_MMIO, TPM_BASE, TPM_BYTES, &t->dev);
	return err < 0 ? why_set(why, err, "the TPM's registers: %s", strerrordesc_np(-err)) : 0;
}

void mon_tpm_close(struct tpm *t)
{
	if (t->loop != NULL)
		chan_close(&t->chan);
}

/* --- a boot without firmware --------------------------------------------------------------------- */

static int measured_take(void *owner, struct msg *m)
{
	memcpy(owner, m->buf, sizeof(le32));
	return 0;
}

int mon_tpm_measure(struct tpm *t, const struct wire_vtpm_measure *m, struct why *why)
{
	static const struct rule measured[] = {
		[VTPM_MSG_MEASURED] = { IN(0), sizeof(le32), sizeof(le32), 0, 0, false,
			measured_take },
	};
	le32 rc = { 0 };

	int err = chan_send(&t->chan, VTPM_MSG_MEASURE, m, sizeof *m, NULL, 0);
	if (err == 0)
		err = chan_step(&t->chan, true, measured, ARRAY_LEN(measured), 0, &rc);
	if (err < 0)
		return why_set(why, err, "casemate-vtpm: %s", strerrordesc_np(-err));
	return le32_get(rc) == 0 ? 0
				 : why_set(why, -EREMOTEIO,
					   "the TPM refuses measurement of register %u: 0x%x",
					   le32_get(m->pcr), le32_get(rc));
}
