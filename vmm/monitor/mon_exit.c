#include "vmm/monitor/mon_exit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "sev/abi_kvm.h"
#include "sev/abi_tdx.h"

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

	/* How firmware of an encrypted guest reads a kernel: megabytes. */
	if (len == 1 && run->io.direction == KVM_EXIT_IO_IN) {
		bus_read_bytes(ops->bus, BUS_IO, run->io.port, p, run->io.count);
		return;
	}
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

/* --- a guest that ends itself ------------------------------------------------------------------ */

/* The GHCB MSR of a termination request. ABI 1.7. */
#define GHCB_TERM(msr)   (((msr)&0xfff) == 0x100)
#define GHCB_REASON_SETS 2u
#define GHCB_REASONS     13u

static const char *const term_reasons[GHCB_REASON_SETS][GHCB_REASONS] = {
	{
		"a general error",
		"it does not speak this GHCB protocol",
		"it needs an SEV feature that the host does not offer, or has none it expects",
	},
	{
		"its GHCB was not registered",
		"a page could not change hands",
		"a page could not be validated, or was validated already",
		"it does not run at VMPL 0",
		"its CPUID page is not valid",
		"a CPUID value is missing",
		"its secrets page cannot be used",
		"there is no SVSM",
		"an SVSM is said to run at VMPL 0",
		"the SVSM's calling area is wrong",
		"Secure TSC does not work",
		"the SVSM's calling area cannot be mapped",
		"Secure AVIC does not work",
	},
};

static void sev_term_say(const struct exit_ops *ops, uint64_t msr)
{
	unsigned int set = msr >> 12 & 0xf;
	unsigned int code = msr >> 16 & 0xff;
	const char *text =
		set < GHCB_REASON_SETS && code < GHCB_REASONS ? term_reasons[set][code] : NULL;

	if (!GHCB_TERM(msr))
		exit_crash(ops, "the guest asked for its end; the reason is in the kernel's log");
	else
		exit_crash(ops, "the guest asked for its end: %s (reason set %u, code %u)",
			text != NULL ? text : "a reason unknown here", set, code);
}

/* Registers in the order of their numbers; the message's, in the order of its bytes. ABI 1.7. */
enum {
	RCX = 1,
	RDX = 2,
	RBX = 3,
	RSI = 6,
	RDI = 7,
	R8 = 8,
	R9 = 9,
	R12 = 12,
	R13 = 13,
	R14 = 14,
	R15 = 15
};
static const uint8_t fatal_message[] = { R14, R15, RBX, RDI, RSI, R8, R9, RDX };
#define FATAL_HAS_GPA (1ull << 63) /* in R12 */

/* The guest's own words, as far as they are printable. */
static void fatal_read(const uint64_t *registers, char ret[sizeof fatal_message * 8 + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof fatal_message * 8; i++) {
		unsigned int r = fatal_message[i / 8];
		char c = (char)(registers[r] >> (i % 8 * 8));
		if ((registers[RCX] >> r & 1) == 0)
			continue;
		if (c == 0)
			break;
		ret[n++] = c >= ' ' && c <= '~' ? c : '.';
	}
	ret[n] = 0;
}

static void tdx_fatal_say(const struct exit_ops *ops, const struct kvm_run *run)
{
	char message[sizeof fatal_message * 8 + 1];
	char where[40] = "";
	uint64_t registers[ABI_TDX_FATAL_NDATA] = { 0 };

	for (unsigned int i = 0; i < MIN(run->system_event.ndata, ABI_TDX_FATAL_NDATA); i++)
		registers[i] = run->system_event.data[i];
	fatal_read(registers, message);
	if ((registers[R12] & FATAL_HAS_GPA) != 0)
		(void)snprintf(
			where, sizeof where, " at 0x%llx", (unsigned long long)registers[R13]);
	exit_crash(ops, "the guest reported a fatal error, code 0x%llx%s: \"%s\"",
		(unsigned long long)(registers[R12] & ~FATAL_HAS_GPA), where, message);
}

static void system_event_serve(const struct exit_ops *ops, const struct kvm_run *run)
{
	if (run->system_event.type == ABI_SYSTEM_EVENT_SEV_TERM)
		sev_term_say(ops, run->system_event.data[0]);
	else if (run->system_event.type == ABI_SYSTEM_EVENT_TDX_FATAL)
		tdx_fatal_say(ops, run);
	else
		exit_crash(ops, "system event %u", run->system_event.type);
}

/* --- requests ----------------------------------------------------------------------------------- */

static void tdx_serve(const struct exit_ops *ops, struct vcpu *v)
{
	uint8_t *at = (uint8_t *)v->run + ABI_RUN_UNION_AT;
	struct abi_exit_tdx e;

	memcpy(&e, at, sizeof e);
	mon_quote_serve(ops->quotes, v->id, &e);
	memcpy(at, &e, sizeof e);
}

/*
 * The firmware signs the report while KVM completes the exit: the vCPU completes it without running
 * the guest, then the table may change again (ABI 3.5).
 */
static void certs_serve(const struct exit_ops *ops, struct vcpu *v)
{
	uint8_t *at = (uint8_t *)v->run + ABI_RUN_UNION_AT;
	struct abi_req_certs req;

	memcpy(&req, at, sizeof req);
	if (mon_certs_serve(ops->certs, ops->guest, ops->memory, &req)) {
		v->is_completing = true;
		v->run->immediate_exit = 1;
	}
	memcpy(at, &req, sizeof req);
}

/* True: the exit was only completed, the guest has not run. */
static bool completion_take(const struct exit_ops *ops, struct vcpu *v)
{
	if (!v->is_completing)
		return false;
	v->is_completing = false;
	v->run->immediate_exit = 0;
	mon_certs_unlock(ops->certs);
	return v->run_err == -EINTR;
}

void mon_exit_serve(const struct exit_ops *ops, struct vcpu *v)
{
	struct kvm_run *run = v->run;

	if (completion_take(ops, v))
		return;
	if (v->run_err == -EFAULT && run->exit_reason == ABI_EXIT_MEMORY_FAULT) {
		fault_serve(ops, run);
		return;
	}
	if (v->run_err < 0) {
		exit_crash(ops, "vCPU %u cannot run: %s", v->id, strerrordesc_np(-v->run_err));
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
	case ABI_EXIT_TDX:
		tdx_serve(ops, v);
		break;
	case ABI_EXIT_SNP_REQ_CERTS:
		certs_serve(ops, v);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_AP_RESET_HOLD: /* KVM has parked the vCPU; a SIPI lets it go on: ABI 3.4 */
		break;
	case KVM_EXIT_SHUTDOWN:
		exit_crash(ops, "vCPU %u: triple fault", v->id);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		exit_crash(ops, "vCPU %u cannot enter the guest, hardware reason 0x%llx", v->id,
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_crash(ops, "vCPU %u: KVM internal error %u", v->id, run->internal.suberror);
		break;
	default:
		exit_crash(ops, "vCPU %u: exit %u is not expected", v->id, run->exit_reason);
		break;
	}
}
