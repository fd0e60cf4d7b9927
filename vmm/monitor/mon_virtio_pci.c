#include "vmm/monitor/mon_virtio_pci.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/wr.h"
#include "vmm/super/sup_proto.h"

/* BAR 0: one page a structure (virtio 1.2, 4.1.4). BAR 1: MSI-X table and pending bits. */
#define REGS_COMMON  0x0000u
#define REGS_ISR     0x1000u
#define REGS_DEVICE  0x2000u
#define REGS_NOTIFY  0x3000u
#define REGS_BYTES   0x4000u
#define NOTIFY_STEP  4u
#define COMMON_BYTES 0x38u
#define MSIX_PBA     0x800u
#define MSIX_BYTES   0x1000u
#define BAR_STRIDE   0x10000u
#define MSIX_ENTRY   16u

#define NO_VECTOR    0xffffu
#define GSI_FIRST    24u /* above the I/O APIC's pins */

/* Device status bits (2.1) and interrupt status bits (4.1.4.5). */
enum {
	S_ACKNOWLEDGE = 1,
	S_DRIVER = 2,
	S_DRIVER_OK = 4,
	S_FEATURES_OK = 8,
	S_NEEDS_RESET = 0x40,
	S_FAILED = 0x80,
};
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

/* Common configuration (4.1.4.3). */
enum {
	C_DEVICE_FEATURE_SELECT = 0x00,
	C_DEVICE_FEATURE = 0x04,
	C_DRIVER_FEATURE_SELECT = 0x08,
	C_DRIVER_FEATURE = 0x0c,
	C_CONFIG_VECTOR = 0x10,
	C_NUM_QUEUES = 0x12,
	C_STATUS = 0x14,
	C_GENERATION = 0x15,
	C_QUEUE_SELECT = 0x16,
	C_QUEUE_SIZE = 0x18,
	C_QUEUE_VECTOR = 0x1a,
	C_QUEUE_ENABLE = 0x1c,
	C_QUEUE_NOTIFY_OFF = 0x1e,
	C_QUEUE_DESC = 0x20,
	C_QUEUE_DRIVER = 0x28,
	C_QUEUE_DEVICE = 0x30,
};

static bool msix_is_on(const struct vdev *v)
{
	unsigned int control = pci_get32(&v->func, v->msix_cap) >> 16;

	return (control & 0xc000) == 0x8000; /* enabled, function not masked */
}

static bool vector_is_live(const struct vdev *v, uint16_t vector)
{
	return msix_is_on(v) && vector <= v->front.n_queues && !v->entries[vector].is_masked;
}

/*
 * Connect or disconnect every queue's interrupt as the tables now say. A call that comes while
 * the vector is masked stays in the event descriptor, and KVM delivers it when we connect again.
 */
static void irqs_update(struct vdev *v)
{
	bool is_running = (v->status & S_DRIVER_OK) != 0;

	for (unsigned int i = 0; i < v->front.n_queues; i++) {
		struct vq *q = &v->vqs[i];
		bool is_on = is_running && q->is_enabled && vector_is_live(v, q->vector);
		if (q->is_irqfd_on) {
			mon_kvm_set_irqfd(v->kvm, q->call_fd, v->gsi_base + i, false);
			q->is_irqfd_on = false;
		}
		if (!is_on)
			continue;
		const struct msix_entry *e = &v->entries[q->vector];
		mon_kvm_set_route(v->kvm, v->gsi_base + i, e->address, e->data);
		mon_kvm_set_irqfd(v->kvm, q->call_fd, v->gsi_base + i, true);
		q->is_irqfd_on = true;
	}
}

/* Tell the guest that configuration or status changed (4.1.5.4). */
static void config_interrupt(struct vdev *v)
{
	v->isr |= ISR_CONFIG;
	if (vector_is_live(v, v->config_vector))
		mon_kvm_signal_msi(v->kvm, v->entries[v->config_vector].address,
			v->entries[v->config_vector].data);
}

static void vdev_break(struct vdev *v)
{
	v->status |= S_NEEDS_RESET;
	config_interrupt(v);
}

static bool queue_is_sane(const struct vdev *v, const struct vq *q)
{
	uint64_t n = q->size;

	return n != 0 && (n & (n - 1)) == 0 && n <= FRONT_QUEUE_SIZE_MAX &&
	       num_is_aligned(q->desc, 16) && num_is_aligned(q->driver, 2) &&
	       num_is_aligned(q->device, 4) && mon_memory_has(v->memory, q->desc, 16 * n) &&
	       mon_memory_has(v->memory, q->driver, 6 + 2 * n) &&
	       mon_memory_has(v->memory, q->device, 6 + 8 * n);
}

static void vdev_start(struct vdev *v)
{
	struct front_queue queues[FRONT_QUEUES_MAX] = { 0 };

	for (unsigned int i = 0; i < v->front.n_queues; i++) {
		const struct vq *q = &v->vqs[i];
		if (q->is_enabled && !queue_is_sane(v, q)) {
			vdev_break(v);
			return;
		}
		queues[i] = (struct front_queue){ q->is_enabled, q->size, q->desc, q->driver,
			q->device, q->kick_fd, q->call_fd };
	}
	v->status |= S_DRIVER_OK;
	irqs_update(v);
	if (mon_front_start(&v->front, v->driver_features, queues) < 0)
		v->dead(v->owner, v, "did not take its queues");
}

static void vdev_reset(struct vdev *v)
{
	bool was_running = (v->status & S_DRIVER_OK) != 0;

	v->status = 0;
	irqs_update(v);
	if (was_running && mon_front_stop(&v->front) < 0)
		v->dead(v->owner, v, "did not stop its queues");
	v->isr = 0;
	v->driver_features = 0;
	v->device_feature_select = v->driver_feature_select = 0;
	v->config_vector = NO_VECTOR;
	v->queue_select = 0;
	for (unsigned int i = 0; i < FRONT_QUEUES_MAX; i++) {
		struct vq *q = &v->vqs[i];
		*q = (struct vq){ .size = FRONT_QUEUE_SIZE_MAX,
			.vector = NO_VECTOR,
			.kick_fd = q->kick_fd,
			.call_fd = q->call_fd };
	}
}

/* Status moves forward one step at a time, or back to zero (3.1.1). */
static void status_write(struct vdev *v, uint8_t s)
{
	uint8_t kept = v->status & S_NEEDS_RESET;

	if (s == 0) {
		vdev_reset(v);
		return;
	}
	if ((s & S_FEATURES_OK) != 0 && (v->status & S_FEATURES_OK) == 0 &&
		!mon_front_takes(&v->front, v->driver_features))
		s &= (uint8_t)~S_FEATURES_OK;
	bool is_starting = (s & S_DRIVER_OK) != 0 && (v->status & S_DRIVER_OK) == 0;
	bool may_start = (s & S_FEATURES_OK) != 0 && kept == 0;
	if ((v->status & S_DRIVER_OK) != 0)
		s |= S_DRIVER_OK | S_FEATURES_OK; /* only a reset takes these back */
	v->status = (uint8_t)(((is_starting ? s & ~S_DRIVER_OK : s) & 0xbf) | kept);
	if (is_starting && may_start)
		vdev_start(v);
}

static struct vq *queue_selected(struct vdev *v)
{
	return v->queue_select < v->front.n_queues ? &v->vqs[v->queue_select] : NULL;
}

static void common_image(struct vdev *v, uint8_t image[COMMON_BYTES])
{
	static const struct vq none = { .vector = NO_VECTOR };
	const struct vq *q = queue_selected(v);
	struct wr w = wr_of(image, COMMON_BYTES);
	unsigned int fs = v->device_feature_select;
	unsigned int ds = v->driver_feature_select;

	if (q == NULL)
		q = &none;
	wr_le32(&w, fs);
	wr_le32(&w, fs < 2 ? (uint32_t)(v->front.features >> (32 * fs)) : 0);
	wr_le32(&w, ds);
	wr_le32(&w, ds < 2 ? (uint32_t)(v->driver_features >> (32 * ds)) : 0);
	wr_le16(&w, v->config_vector);
	wr_le16(&w, (uint16_t)v->front.n_queues);
	wr_u8(&w, v->status);
	wr_u8(&w, v->generation);
	wr_le16(&w, v->queue_select);
	wr_le16(&w, q->size);
	wr_le16(&w, q->vector);
	wr_le16(&w, q->is_enabled);
	wr_le16(&w, q == &none ? 0 : v->queue_select);
	wr_le64(&w, q->desc);
	wr_le64(&w, q->driver);
	wr_le64(&w, q->device);
}

static void address_write(uint64_t *field, uint64_t at, unsigned int len, uint64_t value)
{
	if (len == 8)
		*field = value;
	else if (at == 0)
		*field = (*field & 0xffffffff00000000u) | (uint32_t)value;
	else
		*field = (*field & 0xffffffffu) | value << 32;
}

static void driver_feature_write(struct vdev *v, uint32_t value)
{
	unsigned int shift = 32 * v->driver_feature_select;

	if (v->driver_feature_select < 2 && (v->status & S_FEATURES_OK) == 0)
		v->driver_features = (v->driver_features & ~((uint64_t)UINT32_MAX << shift)) |
				     (uint64_t)value << shift;
}

static void queue_write(struct vdev *v, struct vq *q, uint64_t at, unsigned int len, uint64_t value)
{
	if (at == C_QUEUE_SIZE && len == 2)
		q->size = (uint16_t)value;
	else if (at == C_QUEUE_ENABLE && len == 2 && value == 1)
		q->is_enabled = true;
	else if (len < 4 || (at & (len - 1)) != 0)
		return;
	else if (at >= C_QUEUE_DESC && at < C_QUEUE_DRIVER)
		address_write(&q->desc, at - C_QUEUE_DESC, len, value);
	else if (at >= C_QUEUE_DRIVER && at < C_QUEUE_DEVICE)
		address_write(&q->driver, at - C_QUEUE_DRIVER, len, value);
	else if (at >= C_QUEUE_DEVICE && at < COMMON_BYTES)
		address_write(&q->device, at - C_QUEUE_DEVICE, len, value);
}

static uint16_t vector_accept(const struct vdev *v, uint64_t value)
{
	return value <= v->front.n_queues ? (uint16_t)value : NO_VECTOR;
}

static void common_write(struct vdev *v, uint64_t at, unsigned int len, uint64_t value)
{
	struct vq *q = queue_selected(v);

	if (at == C_STATUS && len == 1) {
		status_write(v, (uint8_t)value);
		return;
	}
	if (at == C_QUEUE_SELECT && len == 2)
		v->queue_select = (uint16_t)value;
	if (at == C_DEVICE_FEATURE_SELECT && len == 4)
		v->device_feature_select = (uint32_t)value;
	if ((v->status & S_DRIVER_OK) != 0)
		return; /* frozen */
	if (at == C_DRIVER_FEATURE_SELECT && len == 4)
		v->driver_feature_select = (uint32_t)value;
	else if (at == C_DRIVER_FEATURE && len == 4)
		driver_feature_write(v, (uint32_t)value);
	else if (at == C_CONFIG_VECTOR && len == 2)
		v->config_vector = vector_accept(v, value);
	else if (at == C_QUEUE_VECTOR && len == 2 && q != NULL)
		q->vector = vector_accept(v, value);
	else if (q != NULL && !q->is_enabled)
		queue_write(v, q, at, len, value);
}

static uint64_t image_read(const uint8_t *image, size_t size, uint64_t at, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		if (at + i < size)
			v |= (uint64_t)image[at + i] << (8 * i);
	return v;
}

static uint64_t regs_read(struct bus_dev *dev, uint64_t at, unsigned int len)
{
	struct vdev *v = CONTAINER_OF(dev, struct vdev, regs);
	uint8_t image[COMMON_BYTES];
	uint64_t value;

	switch (at & ~(uint64_t)0xfff) {
	case REGS_COMMON:
		common_image(v, image);
		return image_read(image, sizeof image, at, len);
	case REGS_ISR:
		value = at == REGS_ISR ? v->isr : 0;
		v->isr = 0;
		return value;
	case REGS_DEVICE:
		return image_read(v->front.config, v->front.config_len, at - REGS_DEVICE, len);
	default:
		return 0;
	}
}

static void regs_write(struct bus_dev *dev, uint64_t at, unsigned int len, uint64_t value)
{
	struct vdev *v = CONTAINER_OF(dev, struct vdev, regs);
	uint64_t q = (at - REGS_NOTIFY) / NOTIFY_STEP;

	if (at < REGS_ISR)
		common_write(v, at, len, value);
	else if (at >= REGS_NOTIFY && q < v->front.n_queues && (v->status & S_DRIVER_OK) != 0)
		(void)eventfd_write(
			v->vqs[q].kick_fd, 1); /* a width KVM's ioeventfd did not take */
}

static uint64_t msix_read(struct bus_dev *dev, uint64_t at, unsigned int len)
{
	const struct vdev *v = CONTAINER_OF(dev, struct vdev, msix);
	uint64_t i = at / MSIX_ENTRY;
	uint8_t image[MSIX_ENTRY];
	struct wr w = wr_of(image, sizeof image);

	if (at >= MSIX_PBA || i > v->front.n_queues)
		return 0;
	wr_le64(&w, v->entries[i].address);
	wr_le32(&w, v->entries[i].data);
	wr_le32(&w, v->entries[i].is_masked);
	return image_read(image, sizeof image, at % MSIX_ENTRY, len);
}

static void msix_write(struct bus_dev *dev, uint64_t at, unsigned int len, uint64_t value)
{
	struct vdev *v = CONTAINER_OF(dev, struct vdev, msix);
	uint64_t i = at / MSIX_ENTRY;

	if (at >= MSIX_PBA || i > v->front.n_queues || len < 4 || (at & (len - 1)) != 0)
		return;
	struct msix_entry *e = &v->entries[i];
	unsigned int field = (unsigned int)(at % MSIX_ENTRY);
	if (field < 8)
		address_write(&e->address, field, len, value);
	else if (field == 8)
		e->data = (uint32_t)value;
	if (field == 12)
		e->is_masked = (value & 1) != 0;
	else if (field == 8 && len == 8)
		e->is_masked = (value >> 32 & 1) != 0;
	irqs_update(v);
}

/* Put the registers where the BARs now say, and take them away from where they were. */
static void vdev_map(struct vdev *v)
{
	uint64_t regs = 0;
	uint64_t msix = 0;

	if (!pci_func_get_bar(&v->func, 0, &regs) || !pci_func_get_bar(&v->func, 1, &msix))
		regs = msix = 0;
	if (regs == v->regs_base && msix == v->msix_base)
		return;
	if (v->regs_base != 0) {
		bus_del(v->bus, BUS_MMIO, v->regs_base, &v->regs);
		bus_del(v->bus, BUS_MMIO, v->msix_base, &v->msix);
		for (unsigned int i = 0; i < v->front.n_queues; i++)
			mon_kvm_set_ioeventfd(v->kvm, v->vqs[i].kick_fd,
				v->regs_base + REGS_NOTIFY + NOTIFY_STEP * i, false);
	}
	v->regs_base = v->msix_base = 0;
	if (regs == 0 || bus_add(v->bus, BUS_MMIO, regs, REGS_BYTES, &v->regs) < 0)
		return;
	if (bus_add(v->bus, BUS_MMIO, msix, MSIX_BYTES, &v->msix) < 0) {
		bus_del(v->bus, BUS_MMIO, regs, &v->regs);
		return;
	}
	v->regs_base = regs;
	v->msix_base = msix;
	for (unsigned int i = 0; i < v->front.n_queues; i++)
		mon_kvm_set_ioeventfd(
			v->kvm, v->vqs[i].kick_fd, regs + REGS_NOTIFY + NOTIFY_STEP * i, true);
}

static void vdev_config_wrote(struct pci_func *f, unsigned int at, unsigned int len)
{
	struct vdev *v = CONTAINER_OF(f, struct vdev, func);

	if (at < PCI_BAR0 + 4 * PCI_BARS)
		vdev_map(v);
	if (at >= v->msix_cap && at < v->msix_cap + 4)
		irqs_update(v);
}

static void front_broke(void *owner)
{
	vdev_break(owner);
}

static void front_died(void *owner)
{
	struct vdev *v = owner;

	v->dead(v->owner, v, "is gone");
}

/* Capabilities: four virtio structures (4.1.4) and MSI-X (PCI 3.0, 6.8.2). */
static void caps_add(struct vdev *v)
{
	static const struct {
		uint8_t type;
		uint32_t offset;
		uint32_t len;
	} parts[] = {
		{ 1, REGS_COMMON, COMMON_BYTES },
		{ 3, REGS_ISR, 1 },
		{ 4, REGS_DEVICE, FRONT_CONFIG_MAX },
		{ 2, REGS_NOTIFY, FRONT_QUEUES_MAX * NOTIFY_STEP },
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		bool is_notify = parts[i].type == 2;
		uint8_t cap[20];
		struct wr w = wr_of(cap, sizeof cap);
		wr_u8(&w, 9); /* vendor specific */
		wr_u8(&w, 0);
		wr_u8(&w, is_notify ? 20 : 16);
		wr_u8(&w, parts[i].type);
		wr_le32(&w, 0); /* BAR 0 */
		wr_le32(&w, parts[i].offset);
		wr_le32(&w, parts[i].len);
		wr_le32(&w, NOTIFY_STEP);
		(void)pci_func_add_cap(&v->func, cap, is_notify ? 20 : 16);
	}
	uint8_t msix[12];
	struct wr w = wr_of(msix, sizeof msix);
	wr_u8(&w, 0x11);
	wr_u8(&w, 0);
	wr_le16(&w, (uint16_t)v->front.n_queues); /* table size minus one */
	wr_le32(&w, 1);                           /* table in BAR 1, offset 0 */
	wr_le32(&w, MSIX_PBA | 1);
	v->msix_cap = pci_func_add_cap(&v->func, msix, sizeof msix);
	v->func.writable[v->msix_cap + 3] = 0xc0; /* enable, function mask */
}

static MUST_USE int events_open(struct vdev *v)
{
	for (unsigned int i = 0; i < v->front.n_queues; i++) {
		v->vqs[i].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		v->vqs[i].call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->vqs[i].kick_fd < 0 || v->vqs[i].call_fd < 0)
			return -errno;
	}
	return 0;
}

static uint32_t class_of(uint32_t device_type)
{
	switch (device_type) {
	case MON_DEVICE_BLK:
		return 0x018000;
	case MON_DEVICE_CONSOLE:
		return 0x078000;
	default:
		return 0xff0000;
	}
}

int mon_virtio_pci_init(struct vdev *v, unsigned int index, uint32_t device_type, int socket_fd,
	struct bus *bus, struct pci *pci, struct mon_kvm *kvm, const struct mon_memory *memory,
	struct loop *loop, void (*dead)(void *owner, struct vdev *v, const char *text), void *owner,
	struct why *why)
{
	uint32_t bar = PCI_WINDOW_START + index * BAR_STRIDE;

	memset(v, 0, sizeof *v);
	v->bus = bus;
	v->kvm = kvm;
	v->memory = memory;
	v->dead = dead;
	v->owner = owner;
	v->regs = (struct bus_dev){ regs_read, regs_write };
	v->msix = (struct bus_dev){ msix_read, msix_write };
	v->gsi_base = GSI_FIRST + index * FRONT_QUEUES_MAX;
	for (unsigned int i = 0; i < FRONT_QUEUES_MAX; i++)
		v->vqs[i].kick_fd = v->vqs[i].call_fd = -1;
	int err = mon_front_open(&v->front, device_type, socket_fd, memory, loop,
		&(struct front_events){ front_broke, front_died, v }, why);
	if (err < 0)
		return err;
	err = events_open(v);
	if (err < 0)
		return why_set(why, err, "no descriptors for queue events");
	for (unsigned int i = 0; i < VDEV_VECTORS_MAX; i++)
		v->entries[i].is_masked = true;
	pci_func_init(&v->func, 0x1af4, (uint16_t)(0x1040 + device_type), class_of(device_type),
		(uint16_t)(0x40 + device_type));
	v->func.wrote = vdev_config_wrote;
	pci_func_set_bar(&v->func, 0, bar, REGS_BYTES);
	pci_func_set_bar(&v->func, 1, bar + REGS_BYTES, MSIX_BYTES);
	caps_add(v);
	vdev_reset(v);
	return mon_pci_add(pci, &v->func);
}

void mon_virtio_pci_done(struct vdev *v, struct loop *loop)
{
	mon_front_close(&v->front, loop);
	for (unsigned int i = 0; i < FRONT_QUEUES_MAX; i++) {
		fd_drop(&v->vqs[i].kick_fd);
		fd_drop(&v->vqs[i].call_fd);
	}
}
