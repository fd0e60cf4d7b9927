/*
 * vu_proto: the vhost-user protocol on the wire: requests, payloads, feature bits (QEMU's
 *           docs/interop/vhost-user.rst, version of QEMU 7.2).
 *
 * Trust:   nothing here; both ends check what they get.
 * Owns:    nothing.
 * Threads: any.
 *
 * The protocol is in native byte order; we run on little-endian machines only.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"

/* Header flags: version in bits 0-1. */
#define VU_VERSION      0x1u
#define VU_VERSION_MASK 0x3u
#define VU_REPLY        0x4u
#define VU_NEED_REPLY   0x8u

struct vu_hdr {
	le32 request; /* enum vu_request */
	le32 flags;
	le32 size; /* of the payload */
};
WIRE_SIZE(struct vu_hdr, 12);

/* "Front-end message types". Those that are not named here we neither send nor accept. */
enum vu_request {
	VU_GET_FEATURES = 1,           /* - -> u64 */
	VU_SET_FEATURES = 2,           /* u64 */
	VU_SET_OWNER = 3,              /* - */
	VU_RESET_OWNER = 4,            /* -; deprecated: ignored */
	VU_SET_MEM_TABLE = 5,          /* vu_mem_table, a descriptor a region */
	VU_SET_VRING_NUM = 8,          /* vu_state */
	VU_SET_VRING_ADDR = 9,         /* vu_addr */
	VU_SET_VRING_BASE = 10,        /* vu_state */
	VU_GET_VRING_BASE = 11,        /* vu_state -> vu_state; stops the ring */
	VU_SET_VRING_KICK = 12,        /* u64 index word, 0 or 1 descriptor */
	VU_SET_VRING_CALL = 13,        /* u64 index word, 0 or 1 descriptor */
	VU_SET_VRING_ERR = 14,         /* u64 index word, 0 or 1 descriptor */
	VU_GET_PROTOCOL_FEATURES = 15, /* - -> u64 */
	VU_SET_PROTOCOL_FEATURES = 16, /* u64 */
	VU_GET_QUEUE_NUM = 17,         /* - -> u64 */
	VU_SET_VRING_ENABLE = 18,      /* vu_state */
	VU_GET_CONFIG = 24,            /* vu_config -> vu_config; size 0 says no */
	VU_SET_CONFIG = 25,            /* vu_config */
	VU_RESET_DEVICE = 34,          /* -; stops every ring */
	VU_REQUEST_COUNT
};

/* Protocol feature bits ("Protocol features"). */
#define VU_PROTOCOL_MQ           (1ull << 0)
#define VU_PROTOCOL_REPLY_ACK    (1ull << 3)
#define VU_PROTOCOL_CONFIG       (1ull << 9)
#define VU_PROTOCOL_RESET_DEVICE (1ull << 13)

/* The virtio feature bit that means "protocol features exist"; never shown to a guest. */
#define VU_F_PROTOCOL_FEATURES (1ull << 30)

/* The index word of KICK, CALL, ERR. */
#define VU_INDEX_MASK  0xffull
#define VU_INDEX_NO_FD 0x100ull

struct vu_u64 {
	le64 v;
};
WIRE_SIZE(struct vu_u64, 8);

struct vu_state {
	le32 index;
	le32 num;
};
WIRE_SIZE(struct vu_state, 8);

/* "A vring address description". desc, used, avail are user addresses. */
struct vu_addr {
	le32 index;
	le32 flags; /* bit 0: log writes to the used ring; we offer no log, so 0 */
	le64 desc;
	le64 used;
	le64 avail;
	le64 log;
};
WIRE_SIZE(struct vu_addr, 40);
WIRE_AT(struct vu_addr, used, 16);

struct vu_region {
	le64 gpa;
	le64 size;
	le64 user;   /* "user address": a key only; ours is the gpa, so that no pointer leaks */
	le64 offset; /* into the descriptor */
};
WIRE_SIZE(struct vu_region, 32);

struct vu_mem_table {
	le32 n;
	le32 zero;
	struct vu_region at[LIMIT_MEM_REGIONS];
};
WIRE_SIZE(struct vu_mem_table, 8 + 32 * LIMIT_MEM_REGIONS);
#define VU_MEM_TABLE_BYTES(n) (8 + 32 * (size_t)(n)) /* what is sent */

#define VU_CONFIG_BYTES       256u /* "payload ≤ 256" */

struct vu_config {
	le32 offset;
	le32 size;  /* of what follows */
	le32 flags; /* 0: the guest writes; 1: migration, which we refuse */
	uint8_t payload[VU_CONFIG_BYTES];
};
WIRE_SIZE(struct vu_config, 12 + VU_CONFIG_BYTES);
#define VU_CONFIG_MSG_BYTES(n) (12 + (size_t)(n)) /* what is sent */

/* The longest payload of all. */
#define VU_PAYLOAD_MAX 272u
_Static_assert(sizeof(struct vu_mem_table) <= VU_PAYLOAD_MAX, "memory table fits");
_Static_assert(sizeof(struct vu_config) <= VU_PAYLOAD_MAX, "config fits");
