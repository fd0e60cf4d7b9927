#include "vmm/monitor/mon_serial.h"

#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/num.h"

#define SERIAL_PORT 0x3f8u
#define FLUSH_MS    20u /* output without a newline waits this long for company */

/* Registers (PC16550D data sheet, table II). */
enum { R_DATA, R_IER, R_IIR_FCR, R_LCR, R_MCR, R_LSR, R_MSR, R_SCR, R_COUNT };
enum { IER_RDI = 1, IER_THRI = 2, IER_MASK = 0xf };
enum { IIR_NONE = 1, IIR_THRI = 2, IIR_RDI = 4, IIR_FIFO = 0xc0 };
enum { LCR_DLAB = 0x80, MCR_LOOP = 0x10, FCR_ENABLE = 1, FCR_CLEAR_IN = 2 };
enum { LSR_DR = 1, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum { MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_DCD = 0x80 };

static uint8_t serial_cause(const struct serial *s)
{
	if ((s->ier & IER_RDI) != 0 && s->n_in > 0)
		return IIR_RDI;
	if ((s->ier & IER_THRI) != 0 && s->is_thri_pending)
		return IIR_THRI;
	return IIR_NONE;
}

static void serial_update(struct serial *s)
{
	bool is_high = serial_cause(s) != IIR_NONE;

	if (is_high != s->is_line_high) {
		s->is_line_high = is_high;
		s->set_irq(s->owner, is_high);
	}
}

void mon_serial_flush(struct serial *s)
{
	if (s->n_out > 0)
		s->emit(s->owner, s->out, s->n_out);
	s->n_out = 0;
}

static void serial_put(struct serial *s, uint8_t byte)
{
	if ((s->mcr & MCR_LOOP) != 0) {
		mon_serial_feed(s, &byte, 1);
		return;
	}
	s->out[s->n_out++] = byte;
	if (byte == '\n' || s->n_out == SERIAL_OUT_MAX)
		mon_serial_flush(s);
	else if (s->n_out == 1 && loop_timer_arm(s->timer.fd, FLUSH_MS) < 0)
		mon_serial_flush(s);
	s->is_thri_pending = true;
}

static uint8_t serial_get(struct serial *s)
{
	if (s->n_in == 0)
		return 0;
	uint8_t v = s->in[0];
	s->n_in--;
	memmove(s->in, s->in + 1, s->n_in);
	return v;
}

static uint8_t serial_read_iir(struct serial *s)
{
	uint8_t cause = serial_cause(s);

	if (cause == IIR_THRI)
		s->is_thri_pending = false;
	return (uint8_t)(cause | ((s->fcr & FCR_ENABLE) != 0 ? IIR_FIFO : 0));
}

/* With loop-back on, the modem inputs follow the modem outputs; drivers probe with that. */
static uint8_t serial_read_msr(const struct serial *s)
{
	if ((s->mcr & MCR_LOOP) == 0)
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uint8_t)((s->mcr & 2) << 3 | (s->mcr & 1) << 5 | (s->mcr & 4) << 4 |
			 (s->mcr & 8) << 4);
}

static uint64_t serial_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	struct serial *s = CONTAINER_OF(dev, struct serial, dev);
	bool is_dlab = (s->lcr & LCR_DLAB) != 0;
	uint8_t v = 0;

	if (len != 1)
		return ~(uint64_t)0;
	switch (offset) {
	case R_DATA:
		v = is_dlab ? s->dll : serial_get(s);
		break;
	case R_IER:
		v = is_dlab ? s->dlm : s->ier;
		break;
	case R_IIR_FCR:
		v = serial_read_iir(s);
		break;
	case R_LCR:
		v = s->lcr;
		break;
	case R_MCR:
		v = s->mcr;
		break;
	case R_LSR:
		v = (uint8_t)(LSR_THRE | LSR_TEMT | (s->n_in > 0 ? LSR_DR : 0));
		break;
	case R_MSR:
		v = serial_read_msr(s);
		break;
	default:
		v = s->scr;
		break;
	}
	serial_update(s);
	return v;
}

static void serial_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t value)
{
	struct serial *s = CONTAINER_OF(dev, struct serial, dev);
	bool is_dlab = (s->lcr & LCR_DLAB) != 0;
	uint8_t v = (uint8_t)value;

	if (len != 1)
		return;
	switch (offset) {
	case R_DATA:
		if (is_dlab)
			s->dll = v;
		else
			serial_put(s, v);
		break;
	case R_IER:
		if (is_dlab)
			s->dlm = v;
		else if ((s->ier & IER_THRI) == 0 && (v & IER_THRI) != 0)
			s->is_thri_pending = true;
		if (!is_dlab)
			s->ier = v & IER_MASK;
		break;
	case R_IIR_FCR:
		s->fcr = v;
		if ((v & FCR_CLEAR_IN) != 0)
			s->n_in = 0;
		break;
	case R_LCR:
		s->lcr = v;
		break;
	case R_MCR:
		s->mcr = v & 0x1f;
		break;
	case R_SCR:
		s->scr = v;
		break;
	default:
		break;
	}
	serial_update(s);
}

static void serial_timer(struct src *src, uint32_t events)
{
	struct serial *s = CONTAINER_OF(src, struct serial, timer);

	loop_timer_clear(src->fd);
	mon_serial_flush(s);
}

void mon_serial_feed(struct serial *s, const uint8_t *bytes, size_t len)
{
	size_t n = MIN(len, SERIAL_IN_MAX - s->n_in);

	memcpy(s->in + s->n_in, bytes, n);
	s->n_in += n;
	serial_update(s);
}

int mon_serial_init(struct serial *s, struct bus *bus, struct loop *loop,
	void (*emit)(void *owner, const uint8_t *bytes, size_t len),
	void (*set_irq)(void *owner, bool is_high), void *owner)
{
	*s = (struct serial){
		.dev = { serial_read, serial_write },
		.timer = { -1, serial_timer },
		.emit = emit,
		.set_irq = set_irq,
		.owner = owner,
	};
	int err = loop_timer_open(&s->timer.fd);
	if (err == 0)
		err = loop_add(loop, &s->timer, EPOLLIN);
	if (err == 0)
		err = bus_add(bus, BUS_IO, SERIAL_PORT, R_COUNT, &s->dev);
	return err;
}

void mon_serial_done(struct serial *s, struct loop *loop)
{
	loop_del(loop, &s->timer);
	fd_drop(&s->timer.fd);
}
