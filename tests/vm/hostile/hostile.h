/*
 * hostile: what the attacks share: their table's rows, and how one says that something was not as
 *          it must be.
 *
 * Trust:   none: this is the attacker.
 * Owns:    nothing.
 * Threads: the first vCPU; functions given to race_start() run on the second.
 */
#pragma once

#include "tests/vm/hostile/kit.h"

/* Where an attack is made. */
enum { PLAIN = 1, CONSOLES = 2, FIRMWARE = 4, PROTECTED = 8, TD = 16 };
#define VIRTIO    (PLAIN | CONSOLES)
#define ENCRYPTED (PROTECTED | TD)

/* What the device must make of a chain (ring_try). */
enum expect { EITHER, MUST_BREAK };

struct attack {
	const char *name;
	unsigned int where;
	void (*make)(const struct attack *a);
	void (*build)(struct queue *q); /* ring_try: the chain at descriptor 0 */
	enum expect expect;
};

/* The attack in hand did not end as it must; the first text is told. */
void fail(const char *what);

extern uint64_t where;  /* the machine we are in */
extern uint64_t rounds; /* of each random part */

/* attack_machine.c */
void pci_every_byte(const struct attack *a);
void pci_address_port(const struct attack *a);
void pci_bar_sizes(const struct attack *a);
void pci_bars_on_one_another(const struct attack *a);
void pci_bars_anywhere(const struct attack *a);
void pci_decoding_off(const struct attack *a);
void pci_bar_race(const struct attack *a);
void ports_unknown(const struct attack *a);
void ports_random(const struct attack *a);
void ports_power(const struct attack *a);
void ports_string(const struct attack *a);
void serial_registers(const struct attack *a);
void serial_flood(const struct attack *a);
void mmio_holes(const struct attack *a);
void mmio_bar_ends(const struct attack *a);
void mmio_wide(const struct attack *a);
void ioapic_nonsense(const struct attack *a);
void fwcfg_selectors(const struct attack *a);
void fwcfg_commands(const struct attack *a);
void fwcfg_far_skips(const struct attack *a);
void flash_sequences(const struct attack *a);
void flash_race(const struct attack *a);
void debug_flood(const struct attack *a);
void rtc_nonsense(const struct attack *a);
void pm_nonsense(const struct attack *a);

/* attack_virtio.c */
void common_every_register(const struct attack *a);
void common_random(const struct attack *a);
void common_features(const struct attack *a);
void common_status(const struct attack *a);
void queue_sizes(const struct attack *a);
void queue_addresses(const struct attack *a);
void queue_overlaps(const struct attack *a);
void queue_frozen(const struct attack *a);
void queue_select_far(const struct attack *a);
void other_registers(const struct attack *a);
void notify_everywhere(const struct attack *a);
void kicks_before_start(const struct attack *a);
void kicks_full_speed(const struct attack *a);
void reset_in_flight(const struct attack *a);
void reset_storm(const struct attack *a);
void msix_nonsense(const struct attack *a);
void msix_race(const struct attack *a);
void msix_storm(const struct attack *a);
void broken_storm(const struct attack *a);
void race_reset(const struct attack *a);

/* attack_ring.c */
void ring_try(const struct attack *a);
void ring_index_jump(const struct attack *a);
void ring_head_far(const struct attack *a);
void ring_used_changed(const struct attack *a);
void ring_events(const struct attack *a);
void ring_random(const struct attack *a);
void ring_random_indirect(const struct attack *a);
void race_descriptors(const struct attack *a);
void race_indirect(const struct attack *a);
void race_index(const struct attack *a);

void chain_self(struct queue *q);
void chain_circle(struct queue *q);
void chain_next_far(struct queue *q);
void chain_whole_table(struct queue *q);
void chain_empty(struct queue *q);
void chain_4gib(struct queue *q);
void chain_more_than_4gib(struct queue *q);
void chain_outside(struct queue *q);
void chain_wraps(struct queue *q);
void chain_crosses_end(struct queue *q);
void chain_in_registers(struct queue *q);
void chain_write_first(struct queue *q);
void chain_all_writable(struct queue *q);
void chain_all_readable(struct queue *q);
void chain_flags(struct queue *q);
void chain_on_rings(struct queue *q);
void indirect_nested(struct queue *q);
void indirect_next(struct queue *q);
void indirect_odd_length(struct queue *q);
void indirect_empty(struct queue *q);
void indirect_too_long(struct queue *q);
void indirect_outside(struct queue *q);
void indirect_misaligned(struct queue *q);
void indirect_self(struct queue *q);
void indirect_loop(struct queue *q);

/* attack_device.c */
bool works_blk(struct device *d);
bool works_rng(struct device *d);
bool works_console(struct device *d);
bool works_vsock(struct device *d);
void blk_types(const struct attack *a);
void blk_sectors(const struct attack *a);
void blk_framing(const struct attack *a);
void blk_lengths(const struct attack *a);
void blk_read_only(const struct attack *a);
void blk_pieces(const struct attack *a);
void blk_flushes(const struct attack *a);
void blk_whole_disk(const struct attack *a);
void blk_random(const struct attack *a);
void blk_slow_then_reset(const struct attack *a);
void rng_flood(const struct attack *a);
void console_flood(const struct attack *a);
void console_slow_then_reset(const struct attack *a);
void console_input(const struct attack *a);
void vsock_lengths(const struct attack *a);
void vsock_operations(const struct attack *a);
void vsock_ports(const struct attack *a);
void vsock_nobody(const struct attack *a);
void vsock_foreign(const struct attack *a);
void vsock_credit(const struct attack *a);
void vsock_connections(const struct attack *a);
void vsock_no_buffers(const struct attack *a);
void vsock_small_buffers(const struct attack *a);
void vsock_random(const struct attack *a);
void vsock_race(const struct attack *a);

/* attack_private.c */
void private_conversions(const struct attack *a);
void private_again(const struct attack *a);
void private_in_flight(const struct attack *a);
void private_race(const struct attack *a);
void private_touches(const struct attack *a);
void private_guest_requests(const struct attack *a);
void private_processors(const struct attack *a);
bool works_quote(void);
void td_maps(const struct attack *a);
void td_in_flight(const struct attack *a);
void td_quote_places(const struct attack *a);
void td_quote_headers(const struct attack *a);
void td_quote_race(const struct attack *a);
void td_quote_taken_back(const struct attack *a);
void td_quote_flood(const struct attack *a);
void td_quote_overlaps(const struct attack *a);
void td_vectors(const struct attack *a);
void td_calls(const struct attack *a);
/* Ask the simulated processor (sev/sim/sim_guest_port.h); the answer's first bytes. */
uint32_t snp_ask(uint8_t command, const void *bytes, uint32_t n);
uint64_t td_ask(uint8_t command, const void *bytes, uint32_t n);
void snp_create(uint32_t apic_id, uint32_t request, uint64_t features, uint64_t vmsa);

/* ends.c: each is the last thing a guest does. */
void end_by_name(uint64_t number);
