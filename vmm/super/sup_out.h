/*
 * sup_out: the guest's output on our standard output, without ever waiting for its reader.
 *
 * Trust:   the bytes are the guest's and go out as they are: that is what a console is.
 * Owns:    the buffer; descriptor 1 stays the process's.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/loop.h"

/* Output that waits for a slow reader; then the guest's console waits. */
#define SUP_OUT_BYTES 65536u

struct sup_out {
	struct loop *loop;
	struct src src;
	bool is_watched; /* waiting for the reader */
	bool is_broken;  /* the reader is gone or stands still: all is dropped */
	size_t len;
	uint8_t buf[SUP_OUT_BYTES];
	void (*on_room)(struct sup_out *out); /* there is room again */
};

void sup_out_init(struct sup_out *out, struct loop *loop, void (*on_room)(struct sup_out *out));

/* Add bytes (at most SUP_OUT_BYTES / 2 when sup_out_is_full() is false: they always fit). */
void sup_out_add(struct sup_out *out, const void *bytes, size_t len);

/* Should the writers pause? */
static inline bool sup_out_is_full(const struct sup_out *out)
{
	return out->len > SUP_OUT_BYTES / 2;
}

/*
 * Write what is left, as long as its reader takes some of it every timeout_ms. A reader that does
 * not is given up: what is left and what comes later is dropped. For the end of a guest only.
 */
void sup_out_flush(struct sup_out *out, int timeout_ms);
