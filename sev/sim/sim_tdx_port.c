#include "sev/sim/sim_tdx_port.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"
#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_port.h"

#define MAP_CHUNK_BYTES (2ull << 20) /* one exit of MapGPA: ABI 7.3.8 */
#define VECTOR_MIN      32u          /* ABI 4.10 */
#define VECTOR_MAX      255u
#define TOUCH_VE        1u /* answer: the guest would get #VE */

static struct sim_tdx_vcpu *vcpu_of(struct sim_vm *vm, const struct sim_vcpu *vcpu)
{
	return &vm->tdx->vcpu[vcpu - vm->vcpu];
}

/* The guest reads: u64 status, u32 length, bytes. */
static void answer(struct sim_vm *vm, uint64_t status, const void *p, size_t len)
{
	struct wr w = wr_of(vm->port.out, sizeof vm->port.out);

	wr_le64(&w, status);
	wr_le32(&w, (uint32_t)len);
	wr_copy(&w, p, len);
	vm->port.n_out = (uint32_t)w.len;
	vm->port.at_out = 0;
	vm->port.state = SIM_STATE_READY;
}

static void answer_status(struct sim_vm *vm, uint64_t status)
{
	answer(vm, status, NULL, 0);
}

static struct abi_exit_tdx *exit_of(struct kvm_run *run)
{
	return (void *)((uint8_t *)run + ABI_RUN_UNION_AT);
}

/* --- answered by the module ------------------------------------------------------------------- */

static MUST_USE int on_query(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	(void)vcpu;
	(void)r;
	answer_status(vm, 0);
	return SIM_RUN_ON;
}

static MUST_USE int on_report(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	uint8_t report_data[TDX_REPORT_DATA_BYTES];
	struct tdx_report report;

	(void)vcpu;
	rd_copy(r, report_data, sizeof report_data);
	if (rd_end(r) == 0 && sim_td_report(&vm->tdx->td, report_data, &report) == 0)
		answer(vm, 0, &report, sizeof report);
	else
		answer_status(vm, ABI_TDX_OPERAND_INVALID);
	return SIM_RUN_ON;
}

static MUST_USE int on_extend(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	uint8_t digest[TDX_DIGEST_BYTES];
	uint32_t index = rd_le32(r);

	(void)vcpu;
	rd_copy(r, digest, sizeof digest);
	bool is_done = rd_end(r) == 0 && sim_td_extend(&vm->tdx->td, index, digest) == 0;
	answer_status(vm, is_done ? 0 : ABI_TDX_OPERAND_INVALID);
	return SIM_RUN_ON;
}

/* Are all pages of the range of one kind, and in memory with private pages? */
static bool range_is(struct sim_vm *vm, uint64_t gpa, uint64_t len, bool is_private)
{
	if (len == 0 || !sim_td_is_private_range(&vm->tdx->td, gpa, len))
		return false;
	for (uint64_t at = gpa; at < gpa + len;) {
		const struct sim_slot *s = sim_vm_find_slot(vm, at);
		uint64_t until;
		if (s == NULL || sim_ranges_get(&vm->is_private, at, &until) != is_private)
			return false;
		at = MIN(until, s->gpa + s->size);
	}
	return true;
}

static MUST_USE int on_accept(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	uint64_t gpa = rd_le64(r);
	uint64_t len = rd_le64(r);

	(void)vcpu;
	bool is_done = rd_end(r) == 0 && num_is_aligned(gpa | len, PAGE_BYTES) &&
		       range_is(vm, gpa, len, true) && sim_td_accept(&vm->tdx->td, gpa, len) == 0;
	answer_status(vm, is_done ? 0 : ABI_TDX_OPERAND_INVALID);
	return SIM_RUN_ON;
}

/*
 * What an access of the guest to this page gives: a memory fault where KVM has it otherwise; the end
 * of the TD, or #VE, for a private page that was never accepted (ABI 4.6, 7.3.7).
 */
static MUST_USE int touch_try(struct sim_vm *vm, struct sim_vcpu *vcpu, struct sim_tdx_vcpu *v)
{
	struct sim_td *td = &vm->tdx->td;
	uint64_t until;
	bool is_private = sim_ranges_get(&vm->is_private, v->gpa, &until);

	if (is_private != v->is_private) {
		struct abi_memory_fault fault = {
			.flags = v->is_private ? ABI_MEMORY_FAULT_PRIVATE : 0,
			.gpa = v->gpa & ~(uint64_t)(PAGE_BYTES - 1),
			.size = PAGE_BYTES,
		};
		vcpu->run->exit_reason = ABI_EXIT_MEMORY_FAULT;
		memcpy((uint8_t *)vcpu->run + ABI_RUN_UNION_AT, &fault, sizeof fault);
		v->call = SIM_TDX_TOUCH; /* the instruction is executed again */
		return -EFAULT;
	}
	v->call = SIM_TDX_NO_CALL;
	if (!is_private || sim_ranges_get(td->added, v->gpa, &until)) {
		answer_status(vm, 0);
		return 0;
	}
	if ((td->attributes & ABI_TDX_ATTR_SEPT_VE_DISABLE) == 0) {
		answer_status(vm, TOUCH_VE);
		return 0;
	}
	td->is_dead = true;
	return -EIO;
}

static MUST_USE int on_touch(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct sim_tdx_vcpu *v = vcpu_of(vm, vcpu);

	v->gpa = rd_le64(r);
	v->is_private = rd_le64(r) != 0;
	if (rd_end(r) < 0 || sim_vm_find_slot(vm, v->gpa) == NULL) {
		answer_status(vm, ABI_TDVMCALL_INVALID_OPERAND);
		return SIM_RUN_ON;
	}
	int err = touch_try(vm, vcpu, v);
	return err == 0 ? SIM_RUN_ON : err;
}

/* --- exits: TDVMCALLs ------------------------------------------------------------------------- */

static MUST_USE int refused(struct sim_vm *vm, uint64_t status)
{
	answer_status(vm, status);
	return SIM_RUN_ON;
}

/* KVM_EXIT_TDX with this default answer; the caller fills in the rest. ABI 4.10. */
static struct abi_exit_tdx *exit_begin(
	struct sim_vm *vm, struct sim_vcpu *vcpu, uint64_t nr, uint64_t ret, enum sim_tdx_call call)
{
	struct abi_exit_tdx *e = exit_of(vcpu->run);

	vcpu->run->exit_reason = ABI_EXIT_TDX;
	*e = (struct abi_exit_tdx){ .nr = nr, .ret = ret };
	vcpu_of(vm, vcpu)->call = call;
	return e;
}

static MUST_USE int on_quote(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	uint64_t gpa = rd_le64(r);
	uint64_t size = rd_le64(r);

	if (rd_end(r) < 0 || !range_is(vm, gpa, MAX(size, 1u), false))
		return refused(vm, ABI_TDVMCALL_INVALID_OPERAND); /* a private page: ABI 7.3.9 */
	struct abi_exit_tdx *e = exit_begin(
		vm, vcpu, ABI_TDVMCALL_GET_QUOTE, ABI_TDVMCALL_SUBFUNC_UNSUPPORTED, SIM_TDX_RET);
	e->quote.gpa = gpa;
	e->quote.size = size;
	return 0;
}

static MUST_USE int on_notify(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	uint64_t vector = rd_le64(r);

	if (rd_end(r) < 0 || vector < VECTOR_MIN || vector > VECTOR_MAX)
		return refused(vm, ABI_TDVMCALL_INVALID_OPERAND);
	exit_begin(vm, vcpu, ABI_TDVMCALL_SETUP_EVENT_NOTIFY, ABI_TDVMCALL_SUBFUNC_UNSUPPORTED,
		SIM_TDX_RET)
		->notify.vector = vector;
	return 0;
}

static MUST_USE int on_info(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	static const uint64_t zeros[4];
	uint64_t leaf = rd_le64(r);

	if (rd_end(r) < 0 || leaf > 1)
		return refused(vm, ABI_TDVMCALL_INVALID_OPERAND);
	if (leaf == 0) {
		answer(vm, ABI_TDVMCALL_SUCCESS, zeros, sizeof zeros);
		return SIM_RUN_ON;
	}
	exit_begin(vm, vcpu, ABI_TDVMCALL_GET_TD_VM_CALL_INFO, ABI_TDVMCALL_SUCCESS, SIM_TDX_INFO)
		->info.leaf = leaf;
	return 0;
}

/* Registers by their x86 numbers; the message's in the order of ABI 1.7. */
static MUST_USE int on_fatal(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	enum { RCX = 1, RDX = 2, RBX = 3, RSI = 6, RDI = 7, R10 = 10, R11, R12, R13, R14, R15 };
	static const uint8_t message[] = { R14, R15, RBX, RDI, RSI, 8, 9, RDX };
	struct kvm_run *run = vcpu->run;
	uint64_t data[ABI_TDX_FATAL_NDATA] = { 0 };

	data[R12] = rd_le64(r);
	data[R13] = rd_le64(r);
	for (size_t i = 0; i < ARRAY_LEN(message); i++)
		data[message[i]] = rd_le64(r);
	if (rd_end(r) < 0)
		return refused(vm, ABI_TDVMCALL_INVALID_OPERAND);
	data[R11] = ABI_TDVMCALL_REPORT_FATAL_ERROR;
	data[RCX] = 1u << R10 | 1u << R11 | 1u << R12 | 1u << R13;
	for (size_t i = 0; i < ARRAY_LEN(message); i++)
		data[RCX] |= 1u << message[i];
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = ABI_SYSTEM_EVENT_TDX_FATAL;
	run->system_event.ndata = ABI_TDX_FATAL_NDATA;
	memcpy(run->system_event.data, data, sizeof data);
	answer_status(vm, ABI_TDVMCALL_SUCCESS);
	return 0;
}

/* The exit for the next chunk. ABI 1.7. */
static void map_exit(struct kvm_run *run, const struct sim_tdx_vcpu *v)
{
	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof run->hypercall);
	run->hypercall.nr = ABI_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = v->gpa;
	run->hypercall.args[1] = MIN(v->end - v->gpa, MAP_CHUNK_BYTES) / PAGE_BYTES;
	run->hypercall.args[2] = v->is_private ? ABI_MAP_GPA_ENCRYPTED : 0;
}

static MUST_USE int on_map(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct sim_tdx_vcpu *v = vcpu_of(vm, vcpu);
	uint64_t gpa = rd_le64(r);
	uint64_t len = rd_le64(r);
	bool is_private = rd_le64(r) != 0;

	if (!vm->has_hypercalls)
		return refused(vm, ABI_TDVMCALL_SUBFUNC_UNSUPPORTED);
	if (rd_end(r) < 0 || len == 0 || !sim_td_is_private_range(&vm->tdx->td, gpa, len))
		return refused(vm, ABI_TDVMCALL_INVALID_OPERAND);
	if (!num_is_aligned(gpa | len, PAGE_BYTES))
		return refused(vm, ABI_TDVMCALL_ALIGN_ERROR);
	v->call = SIM_TDX_MAP;
	v->gpa = gpa;
	v->end = gpa + len;
	v->is_private = is_private;
	map_exit(vcpu->run, v);
	return 0;
}

/* The monitor's answer to one chunk: on to the next one, or the guest's answer. */
static MUST_USE int map_complete(struct sim_vm *vm, struct kvm_run *run, struct sim_tdx_vcpu *v)
{
	uint64_t ret = run->hypercall.ret;

	if (ret != 0 && ret != EAGAIN && ret != EINVAL)
		return -EINVAL; /* and the call waits on: ABI 1.7 */
	v->call = SIM_TDX_NO_CALL;
	if (ret != 0) {
		le64 next = le64_of(v->gpa);
		answer(vm, ret == EAGAIN ? ABI_TDVMCALL_RETRY : ABI_TDVMCALL_INVALID_OPERAND, &next,
			sizeof next);
		return 0;
	}
	v->gpa += MIN(v->end - v->gpa, MAP_CHUNK_BYTES);
	if (v->gpa == v->end) {
		answer_status(vm, ABI_TDVMCALL_SUCCESS);
		return 0;
	}
	v->call = SIM_TDX_MAP;
	map_exit(run, v);
	return SIM_RUN_EXIT;
}

int sim_tdx_port_complete(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	struct sim_tdx_vcpu *v = vcpu_of(vm, vcpu);
	enum sim_tdx_call call = v->call;

	if (vcpu->run == NULL)
		return 0;
	const struct abi_exit_tdx *e = exit_of(vcpu->run);
	switch (call) {
	case SIM_TDX_NO_CALL:
		return 0;
	case SIM_TDX_MAP:
		return map_complete(vm, vcpu->run, v);
	case SIM_TDX_TOUCH:
		return touch_try(vm, vcpu, v);
	case SIM_TDX_RET:
		answer_status(vm, e->ret);
		break;
	case SIM_TDX_INFO:
		answer(vm, e->ret, &e->info.r11, 4 * sizeof(uint64_t));
		break;
	}
	v->call = SIM_TDX_NO_CALL;
	return 0;
}

/* --- the port --------------------------------------------------------------------------------- */

static const struct {
	uint8_t command;
	MUST_USE int (*run)(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r);
} commands[] = {
	{ SIM_CMD_TD_QUERY, on_query },
	{ SIM_CMD_TD_REPORT, on_report },
	{ SIM_CMD_TD_EXTEND, on_extend },
	{ SIM_CMD_TD_ACCEPT, on_accept },
	{ SIM_CMD_TD_TOUCH, on_touch },
	{ SIM_CMD_TD_QUOTE, on_quote },
	{ SIM_CMD_TD_NOTIFY, on_notify },
	{ SIM_CMD_TD_INFO, on_info },
	{ SIM_CMD_TD_FATAL, on_fatal },
	{ SIM_CMD_TD_MAP, on_map },
};

int sim_tdx_port_step(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const struct sim_port *port = &vm->port;
	bool is_command = run->io.port == SIM_PORT_CONTROL && run->io.direction == KVM_EXIT_IO_OUT;
	uint8_t command = is_command ? ((uint8_t *)run)[run->io.data_offset] : 0;

	if (is_command && run->io.count != 1)
		return SIM_RUN_ON; /* ignored */
	if (!is_command || command == SIM_CMD_BEGIN) {
		sim_port_step(vm, run);
		return SIM_RUN_ON;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (commands[i].command != command || port->state != SIM_STATE_COLLECTING)
			continue;
		/* More than a request holds counts as malformed: it is one byte too long for all. */
		struct rd r = rd_of(port->in, MIN(port->n_in, sizeof port->in));
		if (port->n_in > sizeof port->in)
			rd_fail(&r);
		return commands[i].run(vm, vcpu, &r);
	}
	return SIM_RUN_ON;
}
