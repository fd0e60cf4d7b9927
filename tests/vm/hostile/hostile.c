/*
 * hostile: a guest that attacks its machine: each attack is a row of the table. Before each it says
 * `hostile: try NAME`; after it everything is reset, and if all devices work as on the first day it
 * says `hostile: ok NAME`, else `hostile: FAIL NAME: WHY`. Ends with `hostile: done N` and power
 * off. Command line: seed=N rounds=N where=N (the machine: hostile.h) only=N end=N (ends.c).
 */
#include "tests/vm/hostile/hostile.h"

#define RING(name, build, where)                                                                   \
	{                                                                                          \
		"ring: " name, where, ring_try, build, MUST_BREAK                                  \
	}
#define RING_MAY(name, build, where)                                                               \
	{                                                                                          \
		"ring: " name, where, ring_try, build, EITHER                                      \
	}

/* clang-format off */
static const struct attack attacks[] = {
	{ "pci: every byte of configuration space in every width", PLAIN | FIRMWARE, pci_every_byte, NULL, EITHER },
	{ "pci: the address register, in parts", PLAIN | FIRMWARE, pci_address_port, NULL, EITHER },
	{ "pci: sizes of BARs, of those that are not there too", PLAIN | FIRMWARE, pci_bar_sizes, NULL, EITHER },
	{ "pci: BARs on one another", PLAIN | FIRMWARE, pci_bars_on_one_another, NULL, EITHER },
	{ "pci: BARs on RAM, the APICs, flash, the window's ends", PLAIN | FIRMWARE, pci_bars_anywhere, NULL, EITHER },
	{ "pci: decoding off while requests are under way", PLAIN | FIRMWARE, pci_decoding_off, NULL, EITHER },
	{ "pci: BARs moved while another vCPU uses them", PLAIN | FIRMWARE, pci_bar_race, NULL, EITHER },
	{ "ports: unknown ones are read", PLAIN | FIRMWARE, ports_unknown, NULL, EITHER },
	{ "ports: random ones are written", PLAIN | FIRMWARE, ports_random, NULL, EITHER },
	{ "ports: nonsense for switch-off, reset and status", PLAIN | FIRMWARE, ports_power, NULL, EITHER },
	{ "ports: strings of thousands", PLAIN | FIRMWARE, ports_string, NULL, EITHER },
	{ "serial: every register", PLAIN | FIRMWARE, serial_registers, NULL, EITHER },
	{ "serial: a flood", PLAIN | FIRMWARE, serial_flood, NULL, EITHER },
	{ "memory: holes", PLAIN | FIRMWARE | TD, mmio_holes, NULL, EITHER },
	{ "memory: accesses over the ends of registers", PLAIN | FIRMWARE | TD, mmio_bar_ends, NULL, EITHER },
	{ "memory: strings, exchanges and 16 bytes at registers", PLAIN | FIRMWARE, mmio_wide, NULL, EITHER },
	{ "I/O APIC: nonsense", PLAIN | FIRMWARE | TD, ioapic_nonsense, NULL, EITHER },

	{ "fw_cfg: every selector", FIRMWARE | TD, fwcfg_selectors, NULL, EITHER },
	{ "fw_cfg: commands from anywhere to anywhere", FIRMWARE | TD, fwcfg_commands, NULL, EITHER },
	{ "fw_cfg: skips far behind the end", FIRMWARE | TD, fwcfg_far_skips, NULL, EITHER },
	{ "flash: sequences of commands", FIRMWARE, flash_sequences, NULL, EITHER },
	{ "flash: modes changed by two vCPUs", FIRMWARE, flash_race, NULL, EITHER },
	{ "debug port: a flood", FIRMWARE, debug_flood, NULL, EITHER },
	{ "clock: every register, in every width", FIRMWARE | TD, rtc_nonsense, NULL, EITHER },
	{ "power management: registers and timer", FIRMWARE | TD, pm_nonsense, NULL, EITHER },

	{ "virtio: every register in every width", VIRTIO | ENCRYPTED, common_every_register, NULL, EITHER },
	{ "virtio: random registers", VIRTIO, common_random, NULL, EITHER },
	{ "virtio: features that were not offered", VIRTIO | ENCRYPTED, common_features, NULL, EITHER },
	{ "virtio: every status, in no order", VIRTIO, common_status, NULL, EITHER },
	{ "virtio: interrupt status and device configuration", VIRTIO, other_registers, NULL, EITHER },
	{ "virtio: notifications everywhere", VIRTIO, notify_everywhere, NULL, EITHER },
	{ "virtio: queue sizes", VIRTIO | ENCRYPTED, queue_sizes, NULL, EITHER },
	{ "virtio: queue addresses", VIRTIO | ENCRYPTED, queue_addresses, NULL, EITHER },
	{ "virtio: rings on one another", VIRTIO, queue_overlaps, NULL, EITHER },
	{ "virtio: queues changed after DRIVER_OK", VIRTIO | ENCRYPTED, queue_frozen, NULL, EITHER },
	{ "virtio: queues that are not there", VIRTIO, queue_select_far, NULL, EITHER },
	{ "virtio: kicks before the start", VIRTIO, kicks_before_start, NULL, EITHER },
	{ "virtio: kicks at full speed from two vCPUs", VIRTIO, kicks_full_speed, NULL, EITHER },
	{ "virtio: resets in mid-flight", VIRTIO | ENCRYPTED, reset_in_flight, NULL, EITHER },
	{ "virtio: starts and resets at full speed", VIRTIO, reset_storm, NULL, EITHER },
	{ "virtio: one vCPU resets what the other starts", VIRTIO, race_reset, NULL, EITHER },
	{ "virtio: broken again and again", VIRTIO, broken_storm, NULL, EITHER },
	{ "msi-x: nonsense in the table", VIRTIO, msix_nonsense, NULL, EITHER },
	{ "msi-x: vectors to nowhere while requests are served", PLAIN, msix_storm, NULL, EITHER },
	{ "msi-x: vectors masked and unmasked by another vCPU", PLAIN, msix_race, NULL, EITHER },

	RING("a descriptor that follows itself", chain_self, VIRTIO | ENCRYPTED),
	RING("descriptors in a circle", chain_circle, VIRTIO),
	RING("a next that is far outside", chain_next_far, VIRTIO),
	RING_MAY("a chain as long as the table", chain_whole_table, VIRTIO),
	RING("buffers of no length", chain_empty, VIRTIO),
	RING("buffers of 4 GiB", chain_4gib, VIRTIO),
	RING("a chain of more than 4 GiB", chain_more_than_4gib, VIRTIO),
	RING("buffers where no memory is", chain_outside, VIRTIO | ENCRYPTED),
	RING("buffers that wrap the address space", chain_wraps, VIRTIO),
	RING("buffers over the end of memory", chain_crosses_end, VIRTIO),
	RING("buffers in registers", chain_in_registers, VIRTIO),
	RING("writable before readable", chain_write_first, VIRTIO),
	RING_MAY("writable only", chain_all_writable, VIRTIO),
	RING_MAY("readable only", chain_all_readable, VIRTIO),
	RING_MAY("unknown flags", chain_flags, VIRTIO),
	RING_MAY("rings as buffers", chain_on_rings, VIRTIO),
	RING("an indirect table in an indirect table", indirect_nested, VIRTIO),
	RING("an indirect table with a next", indirect_next, VIRTIO),
	RING("an indirect table and a byte", indirect_odd_length, VIRTIO),
	RING("an indirect table of nothing", indirect_empty, VIRTIO),
	RING("an indirect table of 4 GiB", indirect_too_long, VIRTIO),
	RING("an indirect table over the end of memory", indirect_outside, VIRTIO),
	RING_MAY("an indirect table at an odd address", indirect_misaligned, VIRTIO),
	RING("the table as its own indirect table", indirect_self, VIRTIO),
	RING("a loop in an indirect table", indirect_loop, VIRTIO),
	{ "ring: index jumps", VIRTIO, ring_index_jump, NULL, EITHER },
	{ "ring: heads outside the table", VIRTIO, ring_head_far, NULL, EITHER },
	{ "ring: used ring written by the driver", PLAIN, ring_used_changed, NULL, EITHER },
	{ "ring: event indices and flags", PLAIN, ring_events, NULL, EITHER },
	{ "ring: random descriptors", VIRTIO | ENCRYPTED, ring_random, NULL, EITHER },
	{ "ring: random indirect tables", VIRTIO, ring_random_indirect, NULL, EITHER },
	{ "race: descriptors change while they are read", PLAIN, race_descriptors, NULL, EITHER },
	{ "race: an indirect table changes while it is read", PLAIN, race_indirect, NULL, EITHER },
	{ "race: indices change while they are read", PLAIN, race_index, NULL, EITHER },

	{ "blk: request types", PLAIN, blk_types, NULL, EITHER },
	{ "blk: sectors behind the end", PLAIN, blk_sectors, NULL, EITHER },
	{ "blk: header and status in odd places", PLAIN, blk_framing, NULL, EITHER },
	{ "blk: lengths that are no sectors", PLAIN, blk_lengths, NULL, EITHER },
	{ "blk: everything that writes, on a read-only disk", PLAIN, blk_read_only, NULL, EITHER },
	{ "blk: pieces to discard and to zero", PLAIN, blk_pieces, NULL, EITHER },
	{ "blk: flushes", PLAIN, blk_flushes, NULL, EITHER },
	{ "blk: the whole disk at once, many times", PLAIN, blk_whole_disk, NULL, EITHER },
	{ "blk: random requests", PLAIN, blk_random, NULL, EITHER },
	{ "blk: hours of work, then a reset", PLAIN, blk_slow_then_reset, NULL, EITHER },
	{ "rng: a flood", PLAIN, rng_flood, NULL, EITHER },
	{ "console: a flood", CONSOLES, console_flood, NULL, EITHER },
	{ "console: gigabytes, then a reset", CONSOLES, console_slow_then_reset, NULL, EITHER },
	{ "console: buffers for input", CONSOLES, console_input, NULL, EITHER },
	{ "vsock: lengths that lie", PLAIN, vsock_lengths, NULL, EITHER },
	{ "vsock: operations and types", PLAIN, vsock_operations, NULL, EITHER },
	{ "vsock: ports that the policy does not name", PLAIN, vsock_ports, NULL, EITHER },
	{ "vsock: a service that is not there, again and again", PLAIN, vsock_nobody, NULL, EITHER },
	{ "vsock: other guests' context ids", PLAIN, vsock_foreign, NULL, EITHER },
	{ "vsock: counters that lie", PLAIN, vsock_credit, NULL, EITHER },
	{ "vsock: a thousand connections", PLAIN, vsock_connections, NULL, EITHER },
	{ "vsock: requests and no buffers for the answers", PLAIN, vsock_no_buffers, NULL, EITHER },
	{ "vsock: buffers too small for an answer", PLAIN, vsock_small_buffers, NULL, EITHER },
	{ "vsock: random packets", PLAIN, vsock_random, NULL, EITHER },
	{ "race: a packet's header changes while it is read", PLAIN, vsock_race, NULL, EITHER },

	{ "private memory: conversions of what is not there", PROTECTED, private_conversions, NULL, EITHER },
	{ "private memory: the same conversion for ever", PROTECTED, private_again, NULL, EITHER },
	{ "private memory: rings and buffers change hands in flight", PROTECTED, private_in_flight, NULL, EITHER },
	{ "private memory: two vCPUs convert the same pages", PROTECTED, private_race, NULL, EITHER },
	{ "private memory: accesses of the other kind", PROTECTED, private_touches, NULL, EITHER },
	{ "private memory: certificates to anywhere", PROTECTED, private_guest_requests, NULL, EITHER },
	{ "private memory: processors that are not there", PROTECTED, private_processors, NULL, EITHER },

	{ "td: MapGPA of what is not there", TD, td_maps, NULL, EITHER },
	{ "td: rings and buffers change hands in flight", TD, td_in_flight, NULL, EITHER },
	{ "td: GetQuote with no buffer", TD, td_quote_places, NULL, EITHER },
	{ "td: GetQuote with headers that lie", TD, td_quote_headers, NULL, EITHER },
	{ "td: a quote's buffer changes while it is read", TD, td_quote_race, NULL, EITHER },
	{ "td: a quote's buffer becomes private in flight", TD, td_quote_taken_back, NULL, EITHER },
	{ "td: a flood of quotes", TD, td_quote_flood, NULL, EITHER },
	{ "td: quotes on one another", TD, td_quote_overlaps, NULL, EITHER },
	{ "td: every vector for quotes", TD, td_vectors, NULL, EITHER },
	{ "td: calls of noise", TD, td_calls, NULL, EITHER },
};
/* clang-format on */

uint64_t rounds;
static const char *why; /* the attack in hand failed */
uint64_t where;

void fail(const char *what)
{
	if (why == NULL)
		why = what;
}

/* Every device does what it is for. */
static void works(void)
{
	static bool (*const works_of[])(struct device * d) = { [BLK] = works_blk,
		[RNG] = works_rng,
		[CONSOLE] = works_console,
		[VSOCK] = works_vsock };
	static const char *const texts[] = { [BLK] = "a disk does not work",
		[RNG] = "rng does not work",
		[CONSOLE] = "the console does not work",
		[VSOCK] = "vsock does not work" };

	devices_home();
	for (unsigned int n = 0; n < n_devices; n++)
		if (!works_of[devices[n].type](&devices[n]))
			fail(texts[devices[n].type]);
	if (where == TD && !works_quote())
		fail("no quote can be had");
}

static void attack_make(const struct attack *a)
{
	uint64_t from = tsc();

	say("hostile: try ");
	say(a->name);
	say("\n");
	why = NULL;
	a->make(a);
	works();
	say(why == NULL ? "hostile: ok " : "hostile: FAIL ");
	say(a->name);
	if (why != NULL) {
		say(": ");
		say(why);
	}
	say(" # ");
	say_number((tsc() - from) / 1000000);
	say(" million ticks\n");
}

/* An NMI comes and goes: nobody can keep an MSI from being one. */
__attribute__((interrupt)) static void nmi_taken(void *frame)
{
	(void)frame;
}

static void nmi_catch(void)
{
	static uint64_t table[2 * 3];
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = { sizeof table - 1, (uint64_t)table };
	uint64_t at = (uint64_t)nmi_taken;

	table[4] = (at & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (at >> 16 & 0xffff) << 48;
	table[5] = at >> 32;
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

/* With firmware the command line is where a kernel's loader finds it. */
static void cmdline_fetch(void)
{
	char id[4];

	port_out(0x510, 2, 0);
	port_in_string(0x511, 1, id, sizeof id);
	has_firmware = id[0] == 'Q' && id[1] == 'E' && id[2] == 'M' && id[3] == 'U';
	if (!has_firmware)
		return;
	port_out(0x510, 2, 0x15);
	port_in_string(0x511, 1, (void *)0x8000, 256);
}

void guest_main(void);
void guest_main(void)
{
	cmdline_fetch();
	uint64_t only = option("only", ~0ull);
	uint64_t end = option("end", ~0ull);
	unsigned int n = 0;

	where = option("where", PLAIN);
	random_state = option("seed", 1);
	rounds = option("rounds", 1);
	thin = (uint32_t)option("thin", 1);
	nmi_catch();
	devices_find();
	if (end != ~0ull) {
		say("hostile: end\n");
		end_by_name(end);
	}
	say("hostile: start, seed ");
	say_number(random_state);
	say(", rounds ");
	say_number(rounds);
	say(race_init() ? ", two vCPUs\n" : ", NO SECOND VCPU\n");
	for (unsigned int i = 0; i < ARRAY_LEN(attacks); i++)
		if ((attacks[i].where & where) != 0 && (only == ~0ull || only == i)) {
			attack_make(&attacks[i]);
			n++;
		}
	say("hostile: done ");
	say_number(n);
	say("\n");
	power_off();
}
