#include "vmm/monitor/mon_machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "policy/plan.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/monitor/mon_exit.h"
#include "vmm/monitor/mon_launch.h"

#define SERIAL_IRQ 4u

/* --- the end ---------------------------------------------------------------------------------- */

static void machine_end(struct machine *m, enum ended_how how, const char *text)
{
	struct wire_ended e = { .how = le32_of(how), .status = le32_of(m->power.workload_status) };

	if (m->state == MACHINE_ENDED)
		return;
	m->state = MACHINE_ENDED;
	mon_serial_flush(&m->serial);
	(void)snprintf(e.text, sizeof e.text, "%s", text);
	int err = chan_send(&m->chan, SUP_MSG_ENDED, &e, sizeof e, NULL, 0);
	loop_stop(&m->loop, err);
}

static void machine_crash(void *owner, const char *text)
{
	machine_end(owner, ENDED_CRASH, text);
}

static void power_end(void *owner, enum ended_how how)
{
	machine_end(owner, how,
		how == ENDED_OFF ? "the guest switched itself off" : "the guest asked for a reset");
}

static void device_dead(void *owner, struct vdev *v, const char *text)
{
	struct machine *m = owner;
	char line[120];

	(void)snprintf(line, sizeof line, "the device process of device %zu (virtio type %u) %s",
		(size_t)(v - m->devices), v->front.device_type, text);
	machine_end(m, ENDED_DEVICE, line);
}

/* --- serial ------------------------------------------------------------------------------------ */

static void serial_emit(void *owner, const uint8_t *bytes, size_t len)
{
	struct machine *m = owner;

	if ((le32_get(m->config.flags) & MON_CONFIG_SERIAL) != 0 &&
		chan_send(&m->chan, SUP_MSG_SERIAL, bytes, len, NULL, 0) < 0)
		machine_end(m, ENDED_STOP, "the supervisor is gone");
}

static void serial_irq(void *owner, bool is_high)
{
	struct machine *m = owner;

	mon_kvm_set_irq(&m->kvm, SERIAL_IRQ, is_high);
}

/* --- exits -------------------------------------------------------------------------------------- */

static int vcpu_enter(void *owner, struct why *why)
{
	const struct machine *m = owner;

	return sandbox_enter_thread(m->role, why);
}

static bool vcpu_serve(void *owner, struct vcpu *v)
{
	struct machine *m = owner;

	return m->has_firmware && mon_fwcfg_serve(&m->pc.fwcfg, v->run);
}

static void vcpu_exited(void *owner, struct vcpu *v)
{
	struct machine *m = owner;
	const struct exit_ops ops = { &m->bus, m->kvm.guest, &m->memory, &m->certs, &m->quotes,
		machine_crash, m };

	mon_exit_serve(&ops, v);
}

/* --- messages ------------------------------------------------------------------------------------ */

static int on_go(void *owner, struct msg *msg)
{
	struct machine *m = owner;

	m->state = MACHINE_RUNNING;
	mon_vcpu_go(&m->vcpus);
	return 0;
}

static int on_input(void *owner, struct msg *msg)
{
	struct machine *m = owner;

	mon_serial_feed(&m->serial, msg->buf, msg->len);
	return 0;
}

static int on_stop(void *owner, struct msg *msg)
{
	machine_end(owner, ENDED_STOP, "stopped by the supervisor");
	return 0;
}

static const struct rule rules[] = {
	/*                 in states                                    length  fds   once   */
	[SUP_MSG_GO] = { IN(MACHINE_READY), 0, 0, 0, 0, true, on_go },
	[SUP_MSG_INPUT] = { IN(MACHINE_READY) | IN(MACHINE_RUNNING), 1, 256, 0, 0, false,
		on_input },
	[SUP_MSG_STOP] = { IN(MACHINE_READY) | IN(MACHINE_RUNNING), 0, 0, 0, 0, true, on_stop },
};

static void chan_fire(struct src *src, uint32_t events)
{
	struct machine *m = CONTAINER_OF(src, struct machine, chan_src);
	int err = chan_step(&m->chan, false, rules, ARRAY_LEN(rules), m->state, m);

	if (err < 0 && err != -EAGAIN)
		loop_stop(&m->loop, err);
}

/* --- building ------------------------------------------------------------------------------------ */

static MUST_USE int config_take(struct machine *m, struct why *why)
{
	struct msg *msg = m->chan.in;

	memcpy(&m->config, msg->buf, sizeof m->config);
	const struct wire_mon_config *c = &m->config;
	struct stat firmware;
	uint32_t vcpus = le32_get(c->vcpus);
	uint64_t bytes = le64_get(c->memory_bytes);
	m->n_devices = le32_get(c->n_devices);
	if (vcpus == 0 || vcpus > LIMIT_VCPUS || m->n_devices > LIMIT_DEVICES ||
		bytes < (uint64_t)LIMIT_MEMORY_MIB_MIN << 20 ||
		bytes > (uint64_t)LIMIT_MEMORY_MIB_MAX << 20 ||
		!num_is_aligned(bytes, PAGE_BYTES) ||
		memchr(c->cmdline, 0, sizeof c->cmdline) == NULL ||
		msg->n_fds != MON_FD_FIRST_DEVICE + m->n_devices)
		return why_set(why, -EBADMSG, "configuration: a number is outside its range");
	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		m->fds[i] = msg_take_fd(msg, i);
	if (fstat(m->fds[MON_FD_FIRMWARE], &firmware) < 0)
		return why_set(why, -errno, "the firmware's file cannot be examined");
	m->has_firmware = firmware.st_size > 0;
	return 0;
}

static MUST_USE int kind_of(const struct wire_mon_config *c, enum guest_kind *ret, struct why *why)
{
	switch (le32_get(c->tee)) {
	case PLAN_TEE_NONE:
		*ret = GUEST_NONE;
		return 0;
	case PLAN_TEE_SW:
		*ret = GUEST_SW;
		return 0;
	case PLAN_TEE_SEV:
		*ret = GUEST_SEV;
		return 0;
	case PLAN_TEE_SEV_ES:
		*ret = GUEST_SEV_ES;
		return 0;
	case PLAN_TEE_SNP:
		*ret = GUEST_SNP;
		return 0;
	case PLAN_TEE_TDX:
		*ret = GUEST_TDX;
		return 0;
	default:
		return why_set(why, -EOPNOTSUPP, "kind of protection %u is none of ours",
			le32_get(c->tee));
	}
}

/* A file of CONFIG, and what the policy says of it. */
static struct mon_file file_of(const struct machine *m, enum mon_fd fd, enum plan_file file)
{
	return (struct mon_file){ m->fds[fd], &m->config.digests[file] };
}

static MUST_USE int firmware_machine_open(struct machine *m, struct why *why)
{
	const struct pc_config config = {
		.vcpus = m->kvm.n_vcpus,
		.is_protected = guest_kind(m->kvm.guest) != GUEST_NONE,
		.cmdline = m->config.cmdline,
		.firmware = file_of(m, MON_FD_FIRMWARE, PLAN_FILE_FIRMWARE),
		.kernel = file_of(m, MON_FD_KERNEL, PLAN_FILE_KERNEL),
		.initrd = file_of(m, MON_FD_INITRD, PLAN_FILE_INITRD),
		.vars_fd = m->fds[MON_FD_FLASH_VARS],
		.end = power_end,
		.owner = m,
	};

	return mon_pc_open(&m->pc, &config, &m->bus, &m->pci, &m->kvm, &m->memory, why);
}

static MUST_USE int devices_open(struct machine *m, struct why *why)
{
	int err = mon_serial_init(&m->serial, &m->bus, &m->loop, serial_emit, serial_irq, m);

	if (err == 0)
		err = mon_power_init(&m->power, &m->bus, power_end, m);
	if (err == 0)
		err = mon_kvm_init_ioapic(&m->kvm, &m->bus);
	if (err == 0)
		err = mon_pci_init(&m->pci, &m->bus,
			m->has_firmware ? mon_pc_window_start(&m->memory) : PCI_WINDOW_START);
	if (err == 0 && m->has_firmware)
		err = firmware_machine_open(m, why);
	for (unsigned int i = 0; err == 0 && i < m->n_devices; i++)
		err = mon_virtio_pci_init(&m->devices[i], i, le32_get(m->config.devices[i]),
			msg_take_fd(m->chan.in, MON_FD_FIRST_DEVICE + i), &m->bus, &m->pci, &m->kvm,
			&m->memory, &m->loop, device_dead, m, why);
	return err < 0 ? why_set(why, err, "cannot build the machine: %s", strerrordesc_np(-err))
		       : 0;
}

static void quote_signal(void *owner, uint64_t address, uint32_t data)
{
	struct machine *m = owner;

	mon_kvm_signal_msi(&m->kvm, address, data);
}

/* What a guest may ask of the host about itself: certificates, quotes. */
static MUST_USE int requests_open(struct machine *m, struct why *why)
{
	mon_certs_init(&m->certs, fd_take(&m->fds[MON_FD_SNP_CERTS]));
	return mon_quote_open(&m->quotes, fd_take(&m->fds[MON_FD_QUOTE]), &m->loop, m->kvm.guest,
		&m->memory, quote_signal, m, why);
}

int machine_open(struct machine *m, struct why *why)
{
	const struct vcpu_ops vcpu_ops = { vcpu_enter, vcpu_serve, vcpu_exited, m };
	struct mon_kvm_config kvm_config = { 0 };
	enum guest_kind kind = GUEST_NONE;
	int err = loop_open(&m->loop);

	m->chan_src = (struct src){ m->chan.fd, chan_fire };
	if (err == 0)
		err = loop_add(&m->loop, &m->chan_src, EPOLLIN | EPOLLRDHUP);
	if (err == 0)
		err = config_take(m, why);
	if (err == 0)
		err = mon_memory_open(&m->memory, fd_take(&m->fds[MON_FD_MEMORY]),
			le64_get(m->config.memory_bytes), why);
	if (err == 0)
		err = kind_of(&m->config, &kind, why);
	if (err == 0)
		err = mon_launch_open(&m->launch, &kvm_config, kind, &m->config, m->fds, why);
	if (err == 0)
		err = mon_kvm_open(&m->kvm, &kvm_config, m->fds[MON_FD_KVM], m->fds[MON_FD_SEV],
			&m->memory, why);
	if (err == 0)
		err = devices_open(m, why);
	if (err == 0)
		err = requests_open(m, why);
	if (err == 0)
		err = mon_vcpu_start(&m->vcpus, &m->kvm, &m->loop, &vcpu_ops, why);
	return err;
}

/* A plain guest with firmware: its flash is there already, and nothing is put into RAM. */
static MUST_USE int firmware_launch(struct machine *m, struct wire_launched *ret, struct why *why)
{
	const struct guest_identity nobody = { 0 };
	int err = guest_start_launch(m->kvm.guest, 0, why);

	*ret = (struct wire_launched){ 0 };
	return err == 0 ? guest_finish_launch(m->kvm.guest, &nobody, why) : err;
}

int machine_launch(struct machine *m, struct why *why)
{
	static const enum mon_fd needed_to_launch[] = { MON_FD_KVM, MON_FD_SEV, MON_FD_KERNEL,
		MON_FD_INITRD, MON_FD_FIRMWARE, MON_FD_SEV_DH, MON_FD_SEV_SESSION };
	const struct launch_source source = {
		.kernel = file_of(m, MON_FD_KERNEL, PLAN_FILE_KERNEL),
		.initrd = file_of(m, MON_FD_INITRD, PLAN_FILE_INITRD),
		.boot = { m->pc.kernel, m->pc.kernel_len, m->pc.initrd, m->pc.initrd_len,
			m->config.cmdline },
		.memory = &m->memory,
		.chan = &m->chan,
	};
	struct wire_launched launched;
	bool is_plain = guest_kind(m->kvm.guest) == GUEST_NONE;
	int err = m->has_firmware && is_plain
			  ? firmware_launch(m, &launched, why)
			  : mon_launch(&m->launch, &m->kvm, &m->config, &source, &launched, why);

	/* All that the guest was made of: nobody who takes this process over can make another. The
	 * flash variables' file stays open: its lock, which the supervisor took, must last. */
	for (size_t i = 0; i < ARRAY_LEN(needed_to_launch); i++)
		fd_drop(&m->fds[needed_to_launch[i]]);
	if (err == 0)
		err = chan_send(&m->chan, SUP_MSG_LAUNCHED, &launched, sizeof launched, NULL, 0);
	return err;
}

int machine_run(struct machine *m, struct why *why)
{
	m->state = MACHINE_READY;
	int err = child_send_ready(&m->chan);
	if (err == 0)
		err = loop_run(&m->loop);
	if (err == -EPIPE) /* the supervisor is gone; there is nobody to serve and nobody to tell */
		return 0;
	return err < 0 ? why_set(why, err, "the loop ended: %s", strerrordesc_np(-err)) : 0;
}

void machine_close(struct machine *m)
{
	if (m->vcpus.n > 0)
		mon_vcpu_stop(&m->vcpus, &m->loop);
	for (unsigned int i = 0; i < m->n_devices; i++)
		if (m->devices[i].bus != NULL)
			mon_virtio_pci_done(&m->devices[i], &m->loop);
	mon_quote_close(&m->quotes);
	mon_certs_done(&m->certs);
	mon_kvm_close(&m->kvm);
	mon_launch_close(&m->launch);
	if (m->serial.emit != NULL)
		mon_serial_done(&m->serial, &m->loop);
	mon_pc_close(&m->pc);
	mon_memory_close(&m->memory);
	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		fd_drop(&m->fds[i]);
	loop_close(&m->loop);
}
