/* The last thing a guest does: each way out of it, and some that lead nowhere. */
#include "sev/sim/sim_guest_port.h"
#include "tests/vm/hostile/hostile.h"

static void apic_send(uint32_t command) /* to ourselves; Intel SDM 3A, 11.6.1 */
{
	mmio_out(APIC + 0xf0, 4, 0x1ff);
	mmio_out(APIC + 0x310, 4, 0);
	mmio_out(APIC + 0x300, 4, command);
}

/* An MSI of a broken queue: this delivery mode to this vCPU. */
static void msi_send(uint32_t mode)
{
	struct device *d = device_of(BLK, 0);

	(void)device_agree(d, F_ALWAYS);
	queue_clear(d, 0, QUEUE_SIZE);
	mmio_out(d->common + C_QUEUE_SELECT, 2, 0);
	mmio_out(d->common + C_QUEUE_VECTOR, 2, 0);
	queue_place(d, 0, QUEUE_SIZE, (uint64_t)d->q[0].desc, (uint64_t)d->q[0].avail,
		(uint64_t)d->q[0].used);
	mmio_out(d->bars[1], 4, 0xfee00000);
	mmio_out(d->bars[1] + 4, 4, 0);
	mmio_out(d->bars[1] + 8, 4, mode);
	mmio_out(d->bars[1] + 12, 4, 0);
	for (unsigned int cap = pci_in(d->func, 0x34, 1); cap != 0;
		cap = pci_in(d->func, cap + 1, 1))
		if (pci_in(d->func, cap, 1) == 0x11)
			pci_out(d->func, cap + 2, 2, 0x8000);
	device_set_status(d, 15);
	(void)blk_do(d, 0, 0, BUFFERS, 512);
	halt();
}

static void off(void)
{
	power_off();
}
static void status_then_off(void)
{
	port_out(0x604, 1, 42);
	power_off();
}
static void reset(void)
{
	port_out(0x602, 1, 1);
}
static void triple_fault(void)
{
	static const uint8_t no_table[10];

	__asm__ volatile("lidt %0; ud2" : : "m"(no_table));
}
static void halt_for_good(void)
{
	halt();
}
static void spin(void)
{
	for (;;)
		for (unsigned int n = 0; n < n_devices; n++)
			device_kick(&devices[n], 0);
}
static void spin_both(void)
{
	(void)race_init();
	race_start(spin);
	spin();
}
static void run_nowhere(void)
{
	((void (*)(void))HOLE)();
}
static void run_registers(void)
{
	((void (*)(void))devices[0].common)();
}
static void stack_in_registers(void)
{
	__asm__ volatile("mov %0, %%rsp; push %%rax; push %%rax; ud2"
			 :
			 : "r"(devices[0].common + 0x38));
}
static void tables_in_registers(void)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(HOLE) : "memory");
}
static void tables_change(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	for (unsigned int i = 0; i < 512; i++) { /* each entry points at the table it is in */
		*(volatile uint64_t *)cr3 = cr3 | 3;
		__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
	}
}
static void init_by_apic(void)
{
	apic_send(0x4500);
	halt();
}
static void smi_by_apic(void)
{
	apic_send(0x4200);
	halt();
}
static void nmi_by_msi(void)
{
	msi_send(0x400);
}
static void init_by_msi(void)
{
	msi_send(0x500);
}
static void smi_by_msi(void)
{
	msi_send(0x200);
}
static void reset_string(void)
{
	memset((void *)BUFFERS, 1, 4000);
	port_out_string(0x602, 1, (void *)BUFFERS, 4000);
}
static void serial_for_ever(void)
{
	memset((void *)BUFFERS, 's', 4000);
	for (;;)
		port_out_string(0x3f8, 1, (void *)BUFFERS, 4000);
}
static void other_runs_on(void)
{
	(void)race_init();
	race_start(spin);
	power_off();
}
static void busy_disk_then_off(void)
{
	struct device *d = device_of(BLK, 0);

	(void)device_start(d, 0);
	for (unsigned int i = 0; i < QUEUE_SIZE; i++)
		queue_offer(&d->q[0], 0);
	desc_set(&d->q[0], 0, BUFFERS, 16, D_NEXT, 1);
	desc_set(&d->q[0], 1, BUFFERS + 64, 1, D_WRITE, 0);
	device_kick(d, 0);
	power_off();
}
static void pci_reset(void)
{
	port_out(0xcf9, 1, 2);
	port_out(0xcf9, 1, 6);
}
static void pm_off(void)
{
	port_out(0xb004, 2, 0x2000);
}
static void flash_open_then_off(void)
{
	mmio_out(0x100000000 - option("code", 131072) - 4096, 1, 0x70); /* shows its status */
	power_off();
}
static void touch_private(uint64_t gpa)
{
	uint8_t bytes[9];

	memcpy(bytes, &gpa, 8);
	bytes[8] = 1;
	(void)snp_ask(SIM_CMD_TOUCH, bytes, sizeof bytes);
}
static void snp_touch(void)
{
	touch_private(BEYOND);
}
static void snp_touch_top(void)
{
	touch_private(0xffffffffffffffff);
}
static void snp_touch_registers(void)
{
	touch_private(devices[0].common);
}
static void snp_terminate(void)
{
	static const uint8_t unknown[] = { 0xff, 0xff };

	(void)snp_ask(SIM_CMD_TERMINATE, unknown, sizeof unknown);
}
static void snp_terminate_known(void)
{
	static const uint8_t page_state[] = { 1, 1 };

	(void)snp_ask(SIM_CMD_TERMINATE, page_state, sizeof page_state);
}
static void leave_often(void)
{
	(void)pci_in(0, 0, 4);
}
static void snp_bad_processor(void) /* the other one is to run what is no VMSA */
{
	(void)race_init();
	race_start(leave_often);
	snp_create(1, 1, 1, BUFFERS + PAGE);
	halt();
}
static void td_fatal(void) /* a message that would move the reader's cursor */
{
	uint64_t args[10];

	memset(args, '\x1b', sizeof args);
	(void)td_ask(SIM_CMD_TD_FATAL, args, sizeof args);
}
static void td_touch_unaccepted(void)
{
	static const uint64_t args[][3] = { { BUFFERS, PAGE, 0 }, { BUFFERS, PAGE, 1 } };

	(void)td_ask(SIM_CMD_TD_MAP, args[0], 24);
	(void)td_ask(SIM_CMD_TD_MAP, args[1], 24); /* private again, and nobody accepts it */
	(void)td_ask(SIM_CMD_TD_TOUCH, (const uint64_t[]){ BUFFERS, 1 }, 16);
}

static void hypercalls_then_off(void)
{
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t ret = i < 40 ? i : i < 120 ? 12 : random_next(); /* 12: MAP_GPA_RANGE */
		__asm__ volatile("vmmcall"
				 : "+a"(ret)
				 : "b"(random_address()),
				 "c"(random_below(3) == 0 ? random_next() : random_below(64)),
				 "d"(random_next())
				 : "memory");
	}
	power_off();
}

/* hostile.py has the same list, with what must come of each. */
static void (*const ends[])(void) = { off, status_then_off, reset, triple_fault, halt_for_good,
	spin, spin_both, run_nowhere, run_registers, stack_in_registers, tables_in_registers,
	tables_change, init_by_apic, smi_by_apic, nmi_by_msi, init_by_msi, smi_by_msi, reset_string,
	serial_for_ever, serial_for_ever, other_runs_on, busy_disk_then_off, pci_reset, pm_off,
	flash_open_then_off, snp_touch, snp_terminate, hypercalls_then_off, hypercalls_then_off,
	snp_touch_top, snp_touch_registers, snp_terminate_known, snp_bad_processor, td_fatal,
	td_touch_unaccepted };

void end_by_name(uint64_t number)
{
	if (number < ARRAY_LEN(ends))
		ends[number]();
	say("hostile: still here\n");
	halt();
}
