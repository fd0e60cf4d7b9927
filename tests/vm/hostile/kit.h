/*
 * kit: what the guests of this folder have in common: ports, memory-mapped registers, random
 *      numbers, lines for the host, PCI, virtio devices over PCI with their rings, a second vCPU.
 *
 * Trust:   nothing here is defended: whoever runs it is the attacker (or its neighbour).
 * Owns:    guest memory from RINGS on; the code and its variables are below (guest.ld).
 * Threads: the first vCPU, but for what race_start() runs on the second.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB          0x100000ull
#define PAGE         4096ull
#define RAM_BYTES    (128 * MIB)
#define RINGS        (32 * MIB)    /* 64 KiB for each queue: table, available ring, used ring */
#define BUFFERS      (48 * MIB)    /* for requests; 64 MiB and more are there */
#define BEYOND       0x90000000ull /* no memory there */
#define HOLE         0xd8000000ull /* nor a register */
#define APIC         0xfee00000ull
#define QUEUE_SIZE   256u
#define DEVICES_MAX  8u
#define QUEUES_MAX   3u
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define ARRAY_LEN(a) (sizeof(a) / sizeof(a)[0])

/* ---- instructions ------------------------------------------------------------------------------ */

void port_out(uint16_t port, unsigned int len, uint32_t v); /* len 1, 2 or 4 */
uint32_t port_in(uint16_t port, unsigned int len);
/* rep outs, rep ins: n units of len bytes at buf. */
void port_out_string(uint16_t port, unsigned int len, const void *buf, uint32_t n);
void port_in_string(uint16_t port, unsigned int len, void *buf, uint32_t n);
/* One access of 1, 2, 4 or 8 bytes, as aligned as at is. */
void mmio_out(uint64_t at, unsigned int len, uint64_t v);
uint64_t mmio_in(uint64_t at, unsigned int len);
uint64_t tsc(void);
#define PATIENCE 8000000000ull  /* of the time stamp counter: seconds on any machine */
void pause_for(uint64_t ticks); /* of the time stamp counter */
/* There is no C library; the compiler calls these too. */
void *memset(void *to, int v, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void barrier(void);

/* ---- random numbers, the same for the same seed ------------------------------------------------ */

extern uint64_t random_state;
uint64_t random_next(void);
uint32_t random_below(uint32_t n);
uint64_t random_address(void);   /* RAM, its end, registers, holes, the end of the address space */
unsigned int random_width(void); /* 1, 2, 4 or 8 */

/* Of long lists of accesses one in so many is made: an emulated processor takes a millisecond each. */
extern uint32_t thin;
bool thinned(void); /* not this one */

/* ---- the host ---------------------------------------------------------------------------------- */

/* To the serial port, or the virtio console where there is one, whole lines. */
void say(const char *text);
void say_number(uint64_t v);
void say_hex(uint64_t v);
/* A byte from the host on the serial port has come. */
bool host_called(void);
/* The value of NAME=NUMBER in the command line, or of none. */
uint64_t option(const char *name, uint64_t none);
extern bool has_firmware; /* our way in was the reset vector */
void power_off(void) __attribute__((noreturn));
void halt(void) __attribute__((noreturn));

/* ---- PCI --------------------------------------------------------------------------------------- */

uint32_t pci_in(
	unsigned int func, unsigned int at, unsigned int len); /* func: slot * 8 + function */
void pci_out(unsigned int func, unsigned int at, unsigned int len, uint32_t v);

/* ---- virtio ------------------------------------------------------------------------------------ */

enum device_type { NET = 1, BLK = 2, CONSOLE = 3, RNG = 4, VSOCK = 19 };

/* Common configuration, virtio 1.2, 4.1.4.3. */
enum {
	C_DEVICE_FEATURE_SELECT = 0x00,
	C_DEVICE_FEATURE = 0x04,
	C_DRIVER_FEATURE_SELECT = 0x08,
	C_DRIVER_FEATURE = 0x0c,
	C_CONFIG_VECTOR = 0x10,
	C_NUM_QUEUES = 0x12,
	C_STATUS = 0x14,
	C_QUEUE_SELECT = 0x16,
	C_QUEUE_SIZE = 0x18,
	C_QUEUE_VECTOR = 0x1a,
	C_QUEUE_ENABLE = 0x1c,
	C_QUEUE_DESC = 0x20,
	C_QUEUE_DRIVER = 0x28,
	C_QUEUE_DEVICE = 0x30,
	C_BYTES = 0x38,
};
enum { S_ACKNOWLEDGE = 1, S_DRIVER = 2, S_DRIVER_OK = 4, S_FEATURES_OK = 8, S_NEEDS_RESET = 0x40 };
enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };

#define F_INDIRECT  (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_ALWAYS    (3ull << 32) /* VERSION_1, ACCESS_PLATFORM */

/* 2.7.5 */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct queue {
	uint16_t size;
	volatile struct desc *desc;
	volatile uint16_t *avail; /* flags, index, entries, used event */
	volatile uint16_t *used;  /* flags, index, entries of 8 bytes, available event */
	uint16_t seen;            /* entries of the used ring that were looked at */
};

struct device {
	uint16_t type; /* 0: none */
	unsigned int func;
	uint32_t bars[2]; /* where the host had them */
	uint64_t common, isr, config, notify;
	unsigned int n_queues;
	bool is_read_only; /* a disk */
	struct queue q[QUEUES_MAX];
};

extern struct device devices[DEVICES_MAX];
extern unsigned int n_devices;

void devices_find(void);
struct device *device_of(uint16_t type, unsigned int n); /* the n-th, from 0; NULL: there is none */
void device_home(struct device *d); /* its BARs where they were, decoding on, MSI-X off */
void devices_home(void);
uint64_t device_features(struct device *d);
uint8_t device_status(struct device *d);
void device_set_status(struct device *d, uint8_t status);
/* Reset, these features of those it offers, and up to FEATURES_OK: did it agree? */
bool device_agree(struct device *d, uint64_t features);
void queue_clear(
	struct device *d, unsigned int i, uint16_t size); /* rings of zeros, in our memory */
void queue_place(struct device *d, unsigned int i, uint16_t size, uint64_t desc, uint64_t driver,
	uint64_t device);
/* All of it, to DRIVER_OK. */
bool device_start(struct device *d, uint64_t features);
void device_kick(struct device *d, unsigned int i);
void desc_set(struct queue *q, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
	uint16_t next);
void queue_offer(struct queue *q, uint16_t head);
/* Wait until the device used the next entry (0), broke (1), or did neither for a while (2). */
enum outcome { USED, BROKE, SILENT };
enum outcome device_wait(struct device *d, unsigned int i);
/* Offer head, kick, wait; *ret_len (may be NULL) is the used length. */
enum outcome device_do(struct device *d, unsigned int i, uint16_t head, uint32_t *ret_len);

/* One whole request of n bytes at buf; the status byte, 0xff if none came. */
uint8_t blk_do(struct device *d, uint32_t type, uint64_t sector, uint64_t buf, uint32_t n);

/* ---- the second vCPU --------------------------------------------------------------------------- */

bool race_init(void);                /* does it run? */
void race_start(void (*step)(void)); /* again and again */
void race_stop(void);
