/*
 * mon_virtio_pci: the virtio 1.2 transport over PCI (chapter 4.1), modern only, MSI-X only. The
 *                 device behind it is a process of its own, reached through mon_front. The
 *                 monitor never reads a ring: kicks go by ioeventfd, interrupts by irqfd.
 *
 * Trust:   every register is the guest's. Registers freeze at DRIVER_OK.
 * Owns:    the front end and the event descriptors.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "vmm/monitor/mon_bus.h"
#include "vmm/monitor/mon_front.h"
#include "vmm/monitor/mon_kvm.h"
#include "vmm/monitor/mon_memory.h"
#include "vmm/monitor/mon_pci.h"

#define VDEV_VECTORS_MAX (FRONT_QUEUES_MAX + 1u)

struct vq {
	uint16_t size;
	uint16_t vector;
	bool is_enabled;
	uint64_t desc, driver, device;
	int kick_fd, call_fd;
	bool is_irqfd_on;
};

struct msix_entry {
	uint64_t address;
	uint32_t data;
	bool is_masked;
};

struct vdev {
	struct pci_func func;
	struct bus_dev regs; /* BAR 0 */
	struct bus_dev msix; /* BAR 1 */
	struct front front;
	struct bus *bus;
	struct mon_kvm *kvm;
	const struct mon_memory *memory;
	uint64_t regs_base, msix_base; /* where they are mapped; 0: not */
	unsigned int gsi_base;
	unsigned int msix_cap; /* offset in configuration space */
	uint32_t device_feature_select, driver_feature_select;
	uint64_t driver_features;
	uint16_t config_vector, queue_select;
	uint8_t status, isr, generation;
	struct vq vqs[FRONT_QUEUES_MAX];
	struct msix_entry entries[VDEV_VECTORS_MAX];
	/* The device process is gone or broke its word. */
	void (*dead)(void *owner, struct vdev *v, const char *text);
	void *owner;
};

/*
 * Connect to the device process behind socket_fd (taken) and put a function for it on the bus.
 * index (0 to LIMIT_DEVICES - 1) decides addresses and interrupt numbers. -EPIPE, -EPROTO,
 * -ETIMEDOUT with why when the process does not answer as it must.
 */
MUST_USE int mon_virtio_pci_init(struct vdev *v, unsigned int index, uint32_t device_type,
	int socket_fd, struct bus *bus, struct pci *pci, struct mon_kvm *kvm,
	const struct mon_memory *memory, struct loop *loop,
	void (*dead)(void *owner, struct vdev *v, const char *text), void *owner, struct why *why);
void mon_virtio_pci_done(struct vdev *v, struct loop *loop);
