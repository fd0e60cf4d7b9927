#include "sev/sim/sim_amd_port.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"
#include "sev/fw_error.h"
#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_message.h"
#include "sev/sim/sim_port.h"
#include "sev/sim/sim_psp.h"
#include "sev/sim/sim_report.h"
#include "sev/sim/sim_snp.h"

_Static_assert(sizeof(struct snp_report_req) == SIM_REQUEST_BYTES, "request");
_Static_assert(sizeof(struct snp_report) == SIM_REPORT_BYTES, "report");

#define EFER_SVME 0x1000u

static void answer(struct sim_port *port, const struct wr *w)
{
	port->n_out = wr_check(w) == 0 ? (uint32_t)w->len : 0;
	port->at_out = 0;
	port->state = SIM_STATE_READY;
}

static int answer_u32(struct sim_vm *vm, uint32_t v)
{
	struct wr w = wr_of(vm->port.out, sizeof vm->port.out);

	wr_le32(&w, v);
	answer(&vm->port, &w);
	return SIM_RUN_ON;
}

/* --- requests to the firmware ---------------------------------------------------------------- */

static uint32_t report_judge(struct sim_vm *vm, struct rd *r, struct snp_report *ret)
{
	struct snp_report_req req;
	uint32_t status = sim_psp_step(vm->m, SIM_SNP_GUEST_REQUEST);

	rd_copy(r, &req, sizeof req);
	if (status != FW_SUCCESS)
		return status;
	return rd_end(r) == 0 ? sim_report_make(vm->m, vm->snp, &req, ret) : FW_INVALID_LEN;
}

static void report_write(struct wr *w, uint32_t status, const struct snp_report *report)
{
	wr_le32(w, status == FW_SUCCESS ? sizeof *report : 0);
	if (status == FW_SUCCESS)
		wr_copy(w, report, sizeof *report);
}

static int on_report(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct snp_report report;
	uint8_t table[SIM_TABLE_BYTES_MAX];
	size_t len = 0;
	uint32_t status = report_judge(vm, r, &report);
	struct wr w = wr_of(vm->port.out, sizeof vm->port.out);

	(void)vcpu;
	if (status == FW_SUCCESS && sim_table_write(&vm->m->platform, vm->m->vlek != NULL, table,
					    sizeof table, &len) < 0)
		len = 0; /* too long: an empty table, as many real hosts give */
	wr_le32(&w, status);
	report_write(&w, status, &report);
	wr_le32(&w, (uint32_t)len);
	wr_copy(&w, table, len);
	answer(&vm->port, &w);
	return SIM_RUN_ON;
}

/* The certificates are there, or the monitor said why not: the request itself. ABI 3.5. */
static void extended_finish(struct sim_vm *vm, uint64_t vmm_error, uint64_t pages)
{
	struct rd r = rd_of(vm->port.in, SIM_REQUEST_BYTES);
	struct snp_report report;
	uint32_t status = vmm_error == 0 ? report_judge(vm, &r, &report) : 0;
	struct wr w = wr_of(vm->port.out, sizeof vm->port.out);

	wr_le32(&w, status);
	wr_le64(&w, vmm_error);
	wr_le64(&w, pages);
	report_write(&w, vmm_error == 0 ? status : FW_INVALID_PARAM, &report);
	answer(&vm->port, &w);
}

static int on_extended(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct abi_req_certs e = { 0 };

	rd_skip(r, SIM_REQUEST_BYTES);
	e.gpa = rd_le64(r);
	e.npages = rd_le64(r);
	if (rd_end(r) < 0 || !num_is_aligned(e.gpa, PAGE_BYTES))
		return answer_u32(vm, FW_INVALID_PARAM);
	if (!vm->snp->has_certs) {
		struct sim_slot *s = sim_vm_find_slot(vm, e.gpa);
		if (s != NULL) /* KVM's empty table: one zero entry */
			memset(s->host + (e.gpa - s->gpa), 0, sizeof(struct snp_cert_entry));
		extended_finish(vm, 0, e.npages);
		return SIM_RUN_ON;
	}
	vcpu->run->exit_reason = ABI_EXIT_SNP_REQ_CERTS;
	memcpy((uint8_t *)vcpu->run + ABI_RUN_UNION_AT, &e, sizeof e);
	vcpu->pending = SIM_PENDING_CERTS;
	return 0;
}

static MUST_USE int certs_complete(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	static const struct {
		uint64_t ret;
		uint64_t vmm_error;
	} rows[] = {
		{ 0, 0 },
		{ ENOSPC, 1ull << 32 },
		{ EAGAIN, 2ull << 32 },
		{ EIO, 0xFFFFFFFFull << 32 },
	};
	struct abi_req_certs e;

	memcpy(&e, (const uint8_t *)vcpu->run + ABI_RUN_UNION_AT, sizeof e);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].ret != e.ret)
			continue;
		vcpu->pending = SIM_PENDING_NOTHING;
		extended_finish(vm, rows[i].vmm_error, e.npages);
		return 0;
	}
	return -EINVAL;
}

static int on_secrets(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct wr w = wr_of(vm->port.out, sizeof vm->port.out);
	bool has_page = le32_get(vm->snp->secrets.version) != 0;

	(void)vcpu;
	if (rd_end(r) < 0 || !has_page)
		return answer_u32(vm, FW_INVALID_PARAM);
	wr_le32(&w, FW_SUCCESS);
	wr_le32(&w, sizeof vm->snp->secrets);
	wr_copy(&w, &vm->snp->secrets, sizeof vm->snp->secrets);
	answer(&vm->port, &w);
	return SIM_RUN_ON;
}

static int on_message(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct sim_message m;
	size_t len = 0;
	uint32_t status = sim_psp_step(vm->m, SIM_SNP_GUEST_REQUEST);
	struct wr w = wr_of(vm->port.out, sizeof vm->port.out);

	(void)vcpu;
	size_t n = r->left;
	if (status == FW_SUCCESS && (rd_check(r) < 0 || n > sizeof m))
		status = FW_INVALID_LEN;
	if (status == FW_SUCCESS) {
		memset(&m, 0, sizeof m);
		rd_copy(r, &m, n);
		status = sim_message_answer(vm->m, vm->snp, &m, n, &len);
	}
	wr_le32(&w, status);
	wr_le32(&w, (uint32_t)len);
	wr_copy(&w, &m, len);
	answer(&vm->port, &w);
	return SIM_RUN_ON;
}

/* --- events for the monitor ------------------------------------------------------------------ */

#define PSC_GENERIC 0x100u /* the upper half of what the guest finds. ABI 3.2 */

static int on_convert(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct kvm_run *run = vcpu->run;
	uint64_t args[3];

	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = rd_le64(r);

	if (rd_end(r) < 0 || !vm->has_hypercalls)
		return answer_u32(vm, PSC_GENERIC);
	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof run->hypercall);
	run->hypercall.nr = ABI_HC_MAP_GPA_RANGE;
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		run->hypercall.args[i] = args[i];
	vcpu->pending = SIM_PENDING_CONVERT;
	return 0;
}

static MUST_USE int convert_complete(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	uint64_t ret = vcpu->run->hypercall.ret;

	if (ret != 0 && ret != EINVAL && ret != EAGAIN)
		return -EINVAL; /* and the guest waits on: ABI 1.7 */
	vcpu->pending = SIM_PENDING_NOTHING;
	(void)answer_u32(vm, ret == 0 ? 0 : PSC_GENERIC);
	return 0;
}

/* An access with one C-bit to a page that KVM has with the other: a memory fault, until it fits. */
static MUST_USE int touch_try(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	uint64_t until;
	const struct abi_memory_fault f = {
		.flags = vcpu->touch_is_private ? ABI_MEMORY_FAULT_PRIVATE : 0,
		.gpa = vcpu->touch_gpa & ~(uint64_t)(PAGE_BYTES - 1),
		.size = PAGE_BYTES,
	};

	if (sim_ranges_get(&vm->is_private, f.gpa, &until) == vcpu->touch_is_private) {
		vcpu->pending = SIM_PENDING_NOTHING;
		(void)answer_u32(vm, 0);
		return 0;
	}
	vcpu->pending = SIM_PENDING_TOUCH;
	vcpu->run->exit_reason = ABI_EXIT_MEMORY_FAULT;
	memcpy((uint8_t *)vcpu->run + ABI_RUN_UNION_AT, &f, sizeof f);
	return -EFAULT;
}

static int on_touch(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	vcpu->touch_gpa = rd_le64(r);
	vcpu->touch_is_private = rd_u8(r) != 0;
	if (rd_end(r) < 0)
		return answer_u32(vm, FW_INVALID_PARAM);
	int err = touch_try(vm, vcpu);
	return err < 0 ? err : SIM_RUN_ON;
}

static int on_terminate(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	struct kvm_run *run = vcpu->run;
	uint64_t set = rd_u8(r) & 0xF;
	uint64_t code = rd_u8(r);

	if (rd_end(r) < 0)
		return answer_u32(vm, FW_INVALID_PARAM);
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = ABI_SYSTEM_EVENT_SEV_TERM;
	run->system_event.ndata = 1;
	run->system_event.data[0] = 0x100 | set << 12 | code << 16; /* the GHCB MSR. ABI 1.7 */
	return 0;
}

/* --- AP creation ----------------------------------------------------------------------------- */

enum ap_request { AP_CREATE_ON_INIT, AP_CREATE, AP_DESTROY };

#define AP_REFUSED 1u

/*
 * ABI 3.3. What KVM checks at once is refused at once; what it finds when the vCPU is to run, sends
 * that into sim_amd_port_complete(). The guest underneath starts its processors by SIPI.
 */
static int on_create_ap(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r)
{
	uint32_t apic_id = rd_le32(r);
	uint32_t request = rd_le32(r);
	uint64_t features = rd_le64(r);
	uint64_t gpa = rd_le64(r);

	(void)vcpu;
	if (rd_end(r) < 0 || apic_id >= vm->n_vcpus || request > AP_DESTROY)
		return answer_u32(vm, AP_REFUSED);
	struct sim_vcpu *ap = &vm->vcpu[apic_id];
	if (request == AP_DESTROY) {
		ap->vmsa = SIM_VMSA_NONE;
		return answer_u32(vm, 0);
	}
	if (features != vm->snp->features || !num_is_aligned(gpa, PAGE_BYTES) ||
		num_is_aligned(gpa, 2ull << 20))
		return answer_u32(vm, AP_REFUSED);
	ap->vmsa = SIM_VMSA_GUEST;
	ap->vmsa_gpa = gpa;
	return answer_u32(vm, 0);
}

/* Is what the vCPU would run with a VMSA? ABI 7.2.17. */
static bool is_vmsa_good(struct sim_vm *vm, const struct sim_vcpu *vcpu)
{
	uint64_t until;
	struct snp_vmsa v;
	const struct sim_slot *s = sim_vm_find_slot(vm, vcpu->vmsa_gpa);

	if (vcpu->vmsa != SIM_VMSA_GUEST)
		return vcpu->vmsa == SIM_VMSA_LAUNCHED;
	if (s == NULL || !sim_ranges_get(&vm->is_private, vcpu->vmsa_gpa, &until))
		return false;
	memcpy(&v, s->host + (vcpu->vmsa_gpa - s->gpa), sizeof v);
	return (le64_get(v.efer) & EFER_SVME) != 0 && le64_get(v.sev_features) == vm->snp->features;
}

/* --- the port -------------------------------------------------------------------------------- */

static const struct {
	uint8_t command;
	bool is_snp; /* of SNP guests only */
	MUST_USE int (*run)(struct sim_vm *vm, struct sim_vcpu *vcpu, struct rd *r);
} commands[] = {
	{ SIM_CMD_EXECUTE, true, on_report },
	{ SIM_CMD_EXTENDED, true, on_extended },
	{ SIM_CMD_SECRETS, true, on_secrets },
	{ SIM_CMD_MESSAGE, true, on_message },
	{ SIM_CMD_CONVERT, true, on_convert },
	{ SIM_CMD_TOUCH, true, on_touch },
	{ SIM_CMD_TERMINATE, false, on_terminate },
	{ SIM_CMD_CREATE_AP, true, on_create_ap },
};

int sim_amd_port_step(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct sim_port *port = &vm->port;
	bool is_command = run->io.port == SIM_PORT_CONTROL &&
			  run->io.direction == KVM_EXIT_IO_OUT && run->io.count == 1;
	uint8_t command = is_command ? ((uint8_t *)run)[run->io.data_offset] : SIM_CMD_BEGIN;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (commands[i].command != command || port->state != SIM_STATE_COLLECTING ||
			(commands[i].is_snp && vm->snp == NULL))
			continue;
		/* More than fits was dropped, but counted: too long for all. */
		struct rd r = rd_of(port->in, MIN(port->n_in, sizeof port->in));
		if (port->n_in > sizeof port->in)
			rd_fail(&r);
		return commands[i].run(vm, vcpu, &r);
	}
	sim_port_step(vm, run);
	return SIM_RUN_ON;
}

int sim_amd_port_complete(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	if (vm->snp != NULL && !is_vmsa_good(vm, vcpu))
		return -EINVAL;
	switch (vcpu->pending) {
	case SIM_PENDING_NOTHING:
		return 0;
	case SIM_PENDING_CERTS:
		return certs_complete(vm, vcpu);
	case SIM_PENDING_CONVERT:
		return convert_complete(vm, vcpu);
	case SIM_PENDING_TOUCH:
		return touch_try(vm, vcpu);
	}
	return -EINVAL;
}
