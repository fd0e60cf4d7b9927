/*
 * device: a whole device process in a fuzz target: its own dev_NAME_run(), from CONFIG to the exit
 *         status, with a supervisor, a monitor and a guest that do what the input says. There is
 *         no sandbox: child_start(), sandbox_enter() and loop_run() are exchanged by the linker
 *         (-Wl,--wrap); mappings are guarded (guard.h).
 *
 * Trust:   none in the input.
 * Owns:    everything it makes; a descriptor or mapping that is left is a finding.
 * Threads: one.
 *
 * Input: a byte of flags (1: CONFIG from the input; 2: no handshake beforehand; 4: indirect
 * descriptors; 8: event index), then records. The low four bits of a record's
 * first byte say what it is (enum device_record), 0x80: the next record comes before the device
 * runs, 0x40: guest memory changes back and forth between the steps of the device. Numbers are
 * little-endian; descriptors are picked from a table by four bits each: see fds_make().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/rd.h"
#include "tests/unit/vu_front.h"

enum device_record {
	DEVICE_MEMORY,  /* u24 offset, u8 length, bytes: guest memory */
	DEVICE_DESC,    /* u8 queue, u8 index, u32 offset, u32 length, u8 flags, u8 next */
	DEVICE_HEAD,    /* u8 queue, u8 index: offer this descriptor, and kick */
	DEVICE_OFFER,   /* u8 queue, u8 how many (1-4), each u16 length with bit 15: writable; then
	                   u8 length, bytes: what the first holds; and kick */
	DEVICE_INDEX,   /* u8 queue, u16: the index of the available ring */
	DEVICE_KICK,    /* u8 queue */
	DEVICE_MESSAGE, /* u8 request, u8 descriptors (low 4 bits: how many, next: which), u8 length
	                   (255: the request's own), bytes: a vhost-user message */
	DEVICE_BYTES,   /* u8 descriptors, u8 length, bytes: anything on the vhost-user socket */
	DEVICE_QUEUE,   /* u8 queue with bit 7: stop it; start it where the ring is by itself */
	DEVICE_SUPER,   /* u8 type, u8 descriptors, u8 length, bytes: a message of the supervisor */
	DEVICE_OWN,     /* the device's own: struct device_fuzz.act */
	DEVICE_AGREE,   /* the handshake, again */
	DEVICE_USED,    /* u8 queue: the guest takes what was used and offers it again */
	DEVICE_RECORD_COUNT
};

struct device_fuzz {
	int (*run)(void); /* with a zeroed device */
	unsigned int n_queues;
	size_t config_len;
	/* The CONFIG of a good start, and the descriptors behind the socket: both for the call. */
	unsigned int (*config)(uint8_t *ret_config, int *ret_fds);
	/* A record of the device's own; NULL: none. */
	void (*act)(struct front *f, struct chan *super, struct rd *r);
	/* A message of the process to its supervisor; NULL: nobody listens. */
	void (*hear)(const struct msg *m);
	/* Release what config() made and the process did not get; NULL: nothing. */
	void (*end)(void);
};

/* One input; aborts on a finding. */
void device_fuzz(const struct device_fuzz *d, const uint8_t *data, size_t size);

/* Let the device do everything it can; bounded. */
void device_settle(void);
