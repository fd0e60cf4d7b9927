/*
 * mon_kvm: the virtual machine as KVM has it: interrupt controllers, vCPUs with their CPUID and
 *          first registers, event descriptors. All calls go through sev/fw.h.
 *
 * Trust:   the kernel's answers are believed; nothing of the guest is read here.
 * Owns:    the guest object (sev/guest.h) and the vCPU descriptors.
 * Threads: the loop thread, but for fw_run() by the vCPU's own thread.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "sev/guest.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_fwimage.h"
#include "vmm/monitor/mon_ioapic.h"
#include "vmm/monitor/mon_memory.h"

#define KVM_ROUTES_MAX 72u /* I/O APIC pins and four vectors a device */

struct mon_kvm {
	struct guest *guest;
	int vm_fd; /* the guest's */
	unsigned int n_vcpus;
	int vcpu_fds[LIMIT_VCPUS];
	struct kvm_run *runs[LIMIT_VCPUS];
	size_t run_size;
	struct kvm_cpuid2 *cpuid; /* of vCPU 0 */
	struct kvm_irq_routing *routes;
	struct ioapic ioapic; /* TDX: KVM has none */
};

struct mon_kvm_config {
	enum guest_kind kind;
	bool starts_in_firmware; /* all vCPUs in the reset state of a PC; else as docs/launch.md */
	uint32_t cpu_signature;  /* CPUID leaf 1 EAX, in RDX at reset; 0: the host's, and RDX 0 */
	const struct fwimage *firmware; /* of a protected guest, as memory; NULL: none */
	struct guest_setup setup;       /* but for what is known here: descriptors, CPUID table */
};

/*
 * Make the VM with its memory slots, irqchip and vCPUs in their start state. The
 * descriptors stay the caller's. Release with mon_kvm_close(), after the vCPU threads have ended.
 */
MUST_USE int mon_kvm_open(struct mon_kvm *ret, const struct mon_kvm_config *config, int kvm_fd,
	int sev_fd, const struct mon_memory *memory, struct why *why);
void mon_kvm_close(struct mon_kvm *k);

/*
 * Let the guest read size bytes at host as memory at gpa, without writing there; host NULL: no
 * longer. rom is 0 or 1. size and gpa are whole pages. The mapping must outlive the guest.
 */
MUST_USE int mon_kvm_set_rom(
	struct mon_kvm *k, unsigned int rom, uint64_t gpa, size_t size, void *host);

/* TDX: put the I/O APIC on the bus, which KVM does not have then. Errors of bus_add(). */
MUST_USE int mon_kvm_init_ioapic(struct mon_kvm *k, struct bus *bus);

/* Drive an I/O APIC pin. */
void mon_kvm_set_irq(struct mon_kvm *k, unsigned int gsi, bool is_high);

/* Send one message-signalled interrupt now. */
void mon_kvm_signal_msi(struct mon_kvm *k, uint64_t address, uint32_t data);

/* Let gsi mean this message, from now on. */
void mon_kvm_set_route(struct mon_kvm *k, unsigned int gsi, uint64_t address, uint32_t data);

/* Connect an event descriptor to gsi, or take it off. */
void mon_kvm_set_irqfd(struct mon_kvm *k, int event_fd, unsigned int gsi, bool is_on);

/* Let 16-bit writes to a guest-physical address signal the event descriptor, or stop that. */
void mon_kvm_set_ioeventfd(struct mon_kvm *k, int event_fd, uint64_t gpa, bool is_on);
