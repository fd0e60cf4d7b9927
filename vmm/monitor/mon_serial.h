/*
 * mon_serial: a 16550A UART at 0x3f8, IRQ 4; output goes to the supervisor in pieces.
 *
 * Trust:   the guest writes registers as it likes; input comes from the supervisor.
 * Owns:    its timer.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/loop.h"
#include "vmm/monitor/mon_bus.h"

#define SERIAL_OUT_MAX 256u /* a message's worth */
#define SERIAL_IN_MAX  256u

struct serial {
	struct bus_dev dev;
	struct src timer;
	uint8_t ier, lcr, mcr, scr, dll, dlm, fcr;
	bool is_thri_pending; /* transmitter became empty and nobody has read IIR since */
	bool is_line_high;
	size_t n_out, n_in;
	uint8_t out[SERIAL_OUT_MAX];
	uint8_t in[SERIAL_IN_MAX];
	void (*emit)(void *owner, const uint8_t *bytes, size_t len);
	void (*set_irq)(void *owner, bool is_high);
	void *owner;
};

/* emit() gets the guest's output; set_irq() drives IRQ 4. Release with mon_serial_done(). */
MUST_USE int mon_serial_init(struct serial *s, struct bus *bus, struct loop *loop,
	void (*emit)(void *owner, const uint8_t *bytes, size_t len),
	void (*set_irq)(void *owner, bool is_high), void *owner);
void mon_serial_done(struct serial *s, struct loop *loop);

/* Input for the guest; what does not fit is dropped, as on a real line. */
void mon_serial_feed(struct serial *s, const uint8_t *bytes, size_t len);

/* Hand on what is buffered. */
void mon_serial_flush(struct serial *s);
