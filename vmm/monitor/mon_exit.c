#include "vmm/monitor/mon_exit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "sev/abi_kvm.h"

static void PRINTF(2, 3) exit_crash(const struct exit_ops *ops, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	ops->crash(ops->owner, text);
}

static uint64_t bytes_get(const uint8_t *p, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void bytes_put(uint8_t *p, unsigned int len, uint64_t v)
{
	for (unsigned int i = 0; i < len; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void io_serve(const struct exit_ops *ops, struct kvm_run *run)
{
	uint8_t *p = (uint8_t *)run + run->io.data_offset;
	unsigned int len = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, p += len) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(ops->bus, BUS_IO, run->io.port, len, bytes_get(p, len));
		else
			bytes_put(p, len, bus_read(ops->bus, BUS_IO, run->io.port, len));
	}
}

static void mmio_serve(const struct exit_ops *ops, struct kvm_run *run)
{
	unsigned int len = MIN(run->mmio.len, 8u);

	if (run->mmio.is_write)
		bus_write(ops->bus, BUS_MMIO, run->mmio.phys_addr, len,
			bytes_get(run->mmio.data, len));
	else
		bytes_put(run->mmio.data, len,
			bus_read(ops->bus, BUS_MMIO, run->mmio.phys_addr, len));
}

/* KVM_HC_MAP_GPA_RANGE: the answer is 0 or a positive errno of the few KVM passes on (ABI 1.7). */
static void hypercall_serve(const struct exit_ops *ops, struct kvm_run *run)
{
	uint64_t len;
	bool is_to_private = (run->hypercall.args[2] & ABI_MAP_GPA_ENCRYPTED) != 0;

	if (run->hypercall.nr != ABI_HC_MAP_GPA_RANGE ||
		num_mul(&len, run->hypercall.args[1], PAGE_BYTES) < 0) {
		run->hypercall.ret = EINVAL;
		return;
	}
	int err = guest_convert(ops->guest, run->hypercall.args[0], len, is_to_private);
	run->hypercall.ret = err == 0 ? 0 : err == -EAGAIN ? EAGAIN : EINVAL;
}

static void fault_serve(const struct exit_ops *ops, struct kvm_run *run)
{
	struct abi_memory_fault f;

	memcpy(&f, (const uint8_t *)run + ABI_RUN_UNION_AT, sizeof f);
	bool is_to_private = (f.flags & ABI_MEMORY_FAULT_PRIVATE) != 0;
	int err = (f.flags & ~ABI_MEMORY_FAULT_PRIVATE) != 0
			  ? -EINVAL
			  : guest_convert(ops->guest, f.gpa, f.size, is_to_private);
	if (err < 0)
		exit_crash(ops, "the guest touched 0x%llx as %s memory, which it cannot be (%s)",
			(unsigned long long)f.gpa, is_to_private ? "private" : "shared",
			strerrorname_np(-err));
}

static void system_event_serve(const struct exit_ops *ops, const struct kvm_run *run)
{
	/* data[0] is the GHCB MSR (ABI 1.7) */
	if (run->system_event.type == ABI_SYSTEM_EVENT_SEV_TERM)
		exit_crash(ops, "the guest asked for its termination (reason set %llu, code %llu)",
			(unsigned long long)(run->system_event.data[0] >> 12 & 0xf),
			(unsigned long long)(run->system_event.data[0] >> 16 & 0xff));
	else
		exit_crash(ops, "system event %u", run->system_event.type);
}

void mon_exit_serve(const struct exit_ops *ops, unsigned int vcpu, struct kvm_run *run, int run_err)
{
	if (run_err == -EFAULT && run->exit_reason == ABI_EXIT_MEMORY_FAULT) {
		fault_serve(ops, run);
		return;
	}
	if (run_err < 0) {
		exit_crash(ops, "vCPU %u cannot run: %s", vcpu, strerrordesc_np(-run_err));
		return;
	}
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		io_serve(ops, run);
		break;
	case KVM_EXIT_MMIO:
		mmio_serve(ops, run);
		break;
	case KVM_EXIT_HYPERCALL:
		hypercall_serve(ops, run);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event_serve(ops, run);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:
		exit_crash(ops, "vCPU %u: triple fault", vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		exit_crash(ops, "vCPU %u cannot enter the guest, hardware reason 0x%llx", vcpu,
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_crash(ops, "vCPU %u: KVM internal error %u", vcpu, run->internal.suberror);
		break;
	default:
		exit_crash(ops, "vCPU %u: exit %u is not expected", vcpu, run->exit_reason);
		break;
	}
}
