/*
 * scn_tdx: runs scenario files (scn.h) against the simulated Intel machine, request by request as KVM
 * documents them: what a back end gets to see when it does something wrong. Prints TAP.
 *
 *   platform seed=N keys=N entropy=N attributes=X xfam=X quote=4|5 levels=4|5   before vm
 *   fault COMMAND N STATUS                      before vm
 *   plain-machine                               no TDX in it
 *   types has=N | types lacks=N                 KVM_CAP_VM_TYPES
 *   vm                                          KVM_CREATE_VM, type 5; another one each time
 *   cap irqchip|hypercalls|bus [ns=N]           KVM_ENABLE_CAP
 *   tsc khz=N
 *   capabilities [room=N] [hw=X] [flags=X]      checks what comes back
 *   init [attributes=X] [xfam=X] [gpaw=N] [leaf=F:I:A:B:C:D] [nent=N] [reserved=X] [padding=X]
 *        [flags=X] [hw=X] [tries=N] [no-address] [count=N: entries from GET capabilities]
 *   hw-error is=X                               of the last command, as it was written back
 *   not-written                                 the last command came back as it went
 *   memory                                      8 MiB at 0x800000 and 1 MiB below 4 GiB, private
 *   attributes gpa=X size=X to=private|shared
 *   vcpu
 *   cpuid [vcpu=N] [x2apic=no]
 *   init-vcpu [vcpu=N] [flags=X] [hw=X]
 *   region gpa=X [pages=N] [data=X] [measure] [source=null|odd] [flags=X] [vcpu=N] [once] [left=N]
 *   launch                                      all of it, with the pages of vector V5
 *   finalize
 *   digest HEX
 *   request NAME [vcpu=N]                       KVM requests of the table below
 *   msr set|get INDEX [count=N]                 how many went through
 *   prefault gpa=X size=X [flags=X]             KVM_PRE_FAULT_MEMORY until nothing is left
 *   run                                         KVM_RUN of a guest that halts
 *   guest COMMAND NUMBER ...                    as in sim_guest_port.h; KVM_RUN's result
 *   exit tdx nr=X [gpa=X] [size=X] [vector=X] [leaf=X] [ret=X]
 *   exit hypercall gpa=X pages=N private=0|1 | exit fatal code=X | exit fault gpa=X private=0|1
 *   ret X                                       what the monitor answers the exit with
 *   answer status=X [first=X]                   runs the guest on to its answer
 *   byte gpa=X is=X                             what the guest would find
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opts.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"
#include "sev/sim/sim_state.h"
#include "tests/sim/scn.h"
#include "tests/sim/tdxkit.h"

#define VMS_MAX 4

struct world {
	struct tdxkit kit;
	bool is_open;
	int old_vm[VMS_MAX]; /* left open: their keys stay in use */
	unsigned int n_old;
	struct abi_tdx_cmd sent;
	struct why why;
};

static struct why *world_why(void *p)
{
	return &((struct world *)p)->why;
}

static void *world_begin(void)
{
	struct world *w = calloc(1, sizeof *w);

	if (w == NULL)
		scn_bad("memory");
	tdxkit_init(&w->kit, 4);
	return w;
}

static void world_end(void *p)
{
	struct world *w = p;

	for (unsigned int i = 0; i < w->n_old; i++)
		fw_close(w->old_vm[i]);
	tdxkit_done(&w->kit);
	free(w);
}

/* "what is 0x.., want 0x.." */
static int number_check(struct world *w, const struct scn_line *l, const char *key, uint64_t is)
{
	uint64_t want = scn_number(l, key, is);

	return is == want ? 0
			  : why_set(&w->why, -EBADMSG, "%s is 0x%llx, want 0x%llx", key,
				    (unsigned long long)is, (unsigned long long)want);
}

static int vcpu_of(const struct world *w, const struct scn_line *l)
{
	uint64_t i = scn_number(l, "vcpu", 0);

	if (i >= w->kit.n_vcpus)
		scn_bad("no such vCPU");
	return w->kit.vcpu[i];
}

/* --- the machine ----------------------------------------------------------------------------- */

static int on_platform(void *p, const struct scn_line *l)
{
	struct world *w = p;

	if (scn_text(l, "quote") != NULL)
		tdxkit_init(&w->kit, (uint32_t)scn_number(l, "quote", 4));
	struct sim_tdx_platform *t = &w->kit.platform.tdx;
	t->seed = (uint32_t)scn_number(l, "seed", t->seed);
	t->keys = (uint32_t)scn_number(l, "keys", t->keys);
	t->no_entropy = (uint32_t)scn_number(l, "entropy", t->no_entropy);
	t->attributes = scn_number(l, "attributes", t->attributes);
	t->xfam = scn_number(l, "xfam", t->xfam);
	if (scn_is(l, "levels", "4"))
		t->flags &= ~SIM_TDX_FLAG_5_LEVEL;
	return 0;
}

static int on_fault(void *p, const struct scn_line *l)
{
	struct world *w = p;
	struct sim_tdx_script *s = &w->kit.platform.tdx.script;
	char text[128];

	if (l->n != 4)
		scn_bad("fault COMMAND N STATUS");
	(void)snprintf(text, sizeof text, "%s %s %s", l->word[1], l->word[2], l->word[3]);
	return sim_tdx_fault_parse(text, &s->fault[s->n++], &w->why);
}

static int machine_open(struct world *w)
{
	if (w->is_open)
		return 0;
	w->is_open = true;
	return tdxkit_open(&w->kit, &w->why);
}

static int on_plain_machine(void *p, const struct scn_line *l)
{
	struct world *w = p;

	(void)l;
	w->is_open = true;
	sim_set_host(&fake_kvm);
	w->kit.kvm_fd = fake_kvm_open();
	return fw_open(w->kit.kvm_fd, -1, &w->why);
}

static int on_types(void *p, const struct scn_line *l)
{
	struct world *w = p;
	int err = machine_open(w);

	if (err < 0)
		return err;
	int mask = fw_ioctl_int(w->kit.kvm_fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES);
	bool has = (mask >> scn_number(l, "has", scn_number(l, "lacks", 31)) & 1) != 0;
	return has == (scn_text(l, "has") != NULL)
		       ? 0
		       : why_set(&w->why, -EBADMSG, "VM types 0x%x", (unsigned int)mask);
}

/* --- the VM ---------------------------------------------------------------------------------- */

static int on_vm(void *p, const struct scn_line *l)
{
	struct world *w = p;
	int err = machine_open(w);

	(void)l;
	if (err == 0 && w->kit.vm >= 0 && w->n_old < VMS_MAX)
		w->old_vm[w->n_old++] = w->kit.vm;
	return err == 0 ? tdxkit_vm(&w->kit) : err;
}

static int on_cap(void *p, const struct scn_line *l)
{
	struct world *w = p;

	if (strcmp(l->word[1], "irqchip") == 0)
		return tdxkit_cap(&w->kit, KVM_CAP_SPLIT_IRQCHIP, 24);
	if (strcmp(l->word[1], "hypercalls") == 0)
		return tdxkit_cap(&w->kit, ABI_CAP_EXIT_HYPERCALL, 1u << ABI_HC_MAP_GPA_RANGE);
	return tdxkit_cap(&w->kit, ABI_CAP_X86_APIC_BUS_CYCLES_NS, scn_number(l, "ns", 40));
}

static int on_tsc(void *p, const struct scn_line *l)
{
	return fw_ioctl_int(((struct world *)p)->kit.vm, KVM_SET_TSC_KHZ, scn_number(l, "khz", 0));
}

/* A command with whatever the line wants wrong in its envelope. */
static int command(struct world *w, const struct scn_line *l, int fd, uint32_t id, uint32_t flags,
	const void *data)
{
	w->sent = (struct abi_tdx_cmd){
		.id = id,
		.flags = (uint32_t)scn_number(l, "flags", flags),
		.data = (uintptr_t)data,
		.hw_error = scn_number(l, "hw", 0),
	};
	w->kit.cmd = w->sent;
	return fw_ioctl(fd, ABI_MEMORY_ENCRYPT_OP, &w->kit.cmd);
}

static int on_capabilities(void *p, const struct scn_line *l)
{
	struct world *w = p;
	struct {
		struct abi_tdx_capabilities head;
		struct abi_tdx_cpuid entries[ABI_TDX_CPUID_MAX];
	} caps = { .head = { .nent = (uint32_t)scn_number(l, "room", ABI_TDX_CPUID_MAX) } };
	const uint32_t room = caps.head.nent;
	int err = command(w, l, w->kit.vm, ABI_TDX_CAPABILITIES, 0, &caps);
	bool has_address = false;

	if (err == -E2BIG && caps.head.nent != room)
		return why_set(&w->why, -EBADMSG, "the count is told: %u", caps.head.nent);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < caps.head.nent; i++) {
		const struct abi_tdx_cpuid *e = &caps.entries[i];
		has_address = has_address || (e->function == 0x80000008 && e->eax == 0xFF0000);
		if (e->function == 7 && e->index == 0 &&
			((e->ebx & 0x810) != 0 || (e->ecx & 0x20) != 0))
			return why_set(&w->why, -EBADMSG, "TSX or WAITPKG may be configured");
	}
	if (!has_address || caps.head.supported_attrs != w->kit.platform.tdx.attributes ||
		caps.head.supported_xfam != w->kit.platform.tdx.xfam ||
		caps.head.user_tdvmcallinfo_1_r11 != ABI_TDX_R11_SETUP_EVENT_NOTIFY)
		return why_set(&w->why, -EBADMSG, "other capabilities");
	return 0;
}

/* "F:I:A:B:C:D", numbers; I may be "-" for no index. */
static struct abi_tdx_cpuid leaf_parse(const char *text)
{
	uint32_t v[6] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		char *end = NULL;
		bool is_none = text[0] == '-';
		v[i] = is_none ? 0xFFFFFFFF : (uint32_t)strtoul(text, &end, 0);
		end = is_none ? (char *)(uintptr_t)(text + 1) : end;
		if (*end != (i == 5 ? 0 : ':'))
			scn_bad("leaf=F:I:A:B:C:D");
		text = end + 1;
	}
	return (struct abi_tdx_cpuid){
		.function = v[0],
		.index = v[1] == 0xFFFFFFFF ? 0 : v[1],
		.flags = v[1] == 0xFFFFFFFF ? 0 : KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = v[2],
		.ebx = v[3],
		.ecx = v[4],
		.edx = v[5],
	};
}

static int on_init(void *p, const struct scn_line *l)
{
	struct world *w = p;
	struct tdxkit_init a = tdxkit_init_arg();
	uint64_t tries = scn_number(l, "tries", 10000);
	int err = -EAGAIN;

	a.head.attributes = scn_number(l, "attributes", a.head.attributes);
	a.head.xfam = scn_number(l, "xfam", a.head.xfam);
	a.head.reserved[11] = scn_number(l, "reserved", 0);
	a.head.padding = (uint32_t)scn_number(l, "padding", 0);
	a.entries[0].eax = (uint32_t)scn_number(l, "gpaw", 48) << 16;
	if (scn_text(l, "leaf") != NULL)
		a.entries[a.head.nent++] = leaf_parse(scn_text(l, "leaf"));
	if (scn_has(l, "no-address"))
		a.head.nent = 0;
	a.head.nent = (uint32_t)scn_number(l, "nent", a.head.nent);
	for (uint64_t i = 0; i < tries && err == -EAGAIN; i++)
		err = command(w, l, w->kit.vm, ABI_TDX_INIT_VM, 0, &a);
	return err;
}

static int on_hw_error(void *p, const struct scn_line *l)
{
	struct world *w = p;

	return number_check(w, l, "is", w->kit.cmd.hw_error);
}

static int on_not_written(void *p, const struct scn_line *l)
{
	struct world *w = p;

	(void)l;
	return memcmp(&w->sent, &w->kit.cmd, sizeof w->sent) == 0 ? 0 : -EBADMSG;
}

static int on_memory(void *p, const struct scn_line *l)
{
	(void)l;
	return tdxkit_memory(&((struct world *)p)->kit);
}

static int on_attributes(void *p, const struct scn_line *l)
{
	return tdxkit_attributes(&((struct world *)p)->kit, scn_number(l, "gpa", 0),
		scn_number(l, "size", 4096), scn_is(l, "to", "private"));
}

static int on_finalize(void *p, const struct scn_line *l)
{
	struct world *w = p;

	return command(w, l, w->kit.vm, ABI_TDX_FINALIZE_VM, 0, NULL);
}

static int on_digest(void *p, const struct scn_line *l)
{
	struct world *w = p;
	uint8_t want[SNP_DIGEST_BYTES], got[SNP_DIGEST_BYTES];
	int err = opts_parse_hex(l->word[1], want, sizeof want);

	if (err == 0)
		err = sim_get_digest(w->kit.vm, got);
	if (err == 0 && memcmp(want, got, sizeof want) != 0)
		err = why_set(&w->why, -EBADMSG, "another digest, %02x%02x%02x...", got[0], got[1],
			got[2]);
	return err;
}

/* --- vCPUs and pages ------------------------------------------------------------------------- */

static int on_vcpu(void *p, const struct scn_line *l)
{
	(void)l;
	return tdxkit_vcpu(&((struct world *)p)->kit);
}

static int on_cpuid(void *p, const struct scn_line *l)
{
	struct world *w = p;

	(void)vcpu_of(w, l);
	return tdxkit_cpuid(
		&w->kit, (unsigned int)scn_number(l, "vcpu", 0), !scn_is(l, "x2apic", "no"));
}

static int on_init_vcpu(void *p, const struct scn_line *l)
{
	struct world *w = p;
	const void *hob =
		(const void *)(uintptr_t)0x809000; /* a value for RCX and R8, no pointer */

	return command(w, l, vcpu_of(w, l), ABI_TDX_INIT_VCPU, 0, hob);
}

static int on_get_cpuid(void *p, const struct scn_line *l)
{
	struct world *w = p;
	union {
		struct kvm_cpuid2 head;
		uint8_t room[sizeof(struct kvm_cpuid2) + 64 * sizeof(struct kvm_cpuid_entry2)];
	} t = { .head = { .nent = (uint32_t)scn_number(l, "room", 64) } };
	int err = command(w, l, vcpu_of(w, l), ABI_TDX_GET_CPUID, 0, &t);

	for (uint32_t i = 0; err == 0 && i < t.head.nent; i++)
		if (t.head.entries[i].function == scn_number(l, "leaf", 0x80000008) &&
			scn_text(l, "eax") != NULL)
			err = number_check(w, l, "eax", t.head.entries[i].eax);
	return err;
}

static bool is_transient(int err)
{
	return err == -EAGAIN || err == -EBUSY || err == -EINTR;
}

static int on_region(void *p, const struct scn_line *l)
{
	static uint8_t pages[64 * 4096] __attribute__((aligned(4096)));
	struct world *w = p;
	struct abi_tdx_mem_region r = {
		.source_addr = scn_is(l, "source", "null") ? 0 : (uintptr_t)pages,
		.gpa = scn_number(l, "gpa", 0),
		.nr_pages = scn_number(l, "pages", 1),
	};
	int err = -EAGAIN;
	int tries = 0;

	memset(pages, (int)scn_number(l, "data", 0xF4), sizeof pages);
	if (scn_is(l, "source", "odd"))
		r.source_addr += 8;
	while (is_transient(err) && tries++ < (scn_has(l, "once") ? 1 : 10000))
		err = command(w, l, vcpu_of(w, l), ABI_TDX_INIT_MEM_REGION,
			scn_has(l, "measure") ? ABI_TDX_MEASURE_REGION : 0, &r);
	if (scn_text(l, "left") != NULL && number_check(w, l, "left", r.nr_pages) < 0)
		return -EBADMSG;
	if (scn_has(l, "stopped") && tries < 2)
		return why_set(&w->why, -EBADMSG, "it went through in one call");
	return err;
}

static int on_launch(void *p, const struct scn_line *l)
{
	struct world *w = p;
	int err = machine_open(w);

	(void)l;
	return err == 0 ? tdxkit_launch(&w->kit) : err;
}

/* Requests whose argument does not matter or is all zeros. */
static const struct {
	const char *name;
	unsigned long request;
	bool is_vcpu;
} requests[] = {
	{ "create-irqchip", KVM_CREATE_IRQCHIP, false },
	{ "create-pit", KVM_CREATE_PIT2, false },
	{ "register-memory", KVM_MEMORY_ENCRYPT_REG_REGION, false },
	{ "get-regs", KVM_GET_REGS, true },
	{ "set-regs", KVM_SET_REGS, true },
	{ "get-sregs", KVM_GET_SREGS, true },
	{ "set-sregs", KVM_SET_SREGS, true },
	{ "get-sregs2", KVM_GET_SREGS2, true },
	{ "get-xcrs", KVM_GET_XCRS, true },
	{ "get-fpu", KVM_GET_FPU, true },
	{ "get-xsave", KVM_GET_XSAVE, true },
	{ "get-debugregs", KVM_GET_DEBUGREGS, true },
	{ "translate", KVM_TRANSLATE, true },
	{ "set-guest-debug", KVM_SET_GUEST_DEBUG, true },
	{ "get-lapic", KVM_GET_LAPIC, true },
	{ "set-lapic", KVM_SET_LAPIC, true },
	{ "smi", KVM_SMI, true },
	{ "vcpu-tsc", KVM_SET_TSC_KHZ, true },
	{ "clock-ctrl", KVM_KVMCLOCK_CTRL, true },
};

static int on_request(void *p, const struct scn_line *l)
{
	static uint8_t zeros[4096];
	struct world *w = p;

	memset(zeros, 0, sizeof zeros);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		if (strcmp(requests[i].name, l->word[1]) == 0)
			return fw_ioctl(requests[i].is_vcpu ? vcpu_of(w, l) : w->kit.vm,
				requests[i].request, zeros);
	scn_bad(l->word[1]);
}

static int on_mp_state(void *p, const struct scn_line *l)
{
	struct world *w = p;
	struct kvm_mp_state mp = { .mp_state = (uint32_t)scn_number(l, "set", 0) };

	if (scn_text(l, "set") != NULL)
		return fw_ioctl(vcpu_of(w, l), KVM_SET_MP_STATE, &mp);
	mp.mp_state = 77;
	int err = fw_ioctl(vcpu_of(w, l), KVM_GET_MP_STATE, &mp);
	return err == 0 ? number_check(w, l, "is", mp.mp_state) : err;
}

static int on_msr(void *p, const struct scn_line *l)
{
	struct world *w = p;
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + 2 * sizeof(struct kvm_msr_entry)];
	} m = { .head = { .nmsrs = 2 } };

	m.head.entries[0].index = 0x277; /* PAT: emulated */
	m.head.entries[1].index = (uint32_t)strtoul(l->word[2], NULL, 0);
	int n = fw_ioctl(vcpu_of(w, l),
		strcmp(l->word[1], "set") == 0 ? KVM_SET_MSRS : KVM_GET_MSRS, &m.head);
	return n < 0 ? n : number_check(w, l, "count", (uint64_t)n);
}

static int on_prefault(void *p, const struct scn_line *l)
{
	struct world *w = p;
	uint64_t arg[8] = { scn_number(l, "gpa", 0), scn_number(l, "size", 4096),
		scn_number(l, "flags", 0) };
	int err = 0;

	for (int i = 0; i < 10000 && (err == 0 || is_transient(err)) && arg[1] > 0; i++)
		err = fw_ioctl(vcpu_of(w, l), ABI_PRE_FAULT_MEMORY, arg);
	return err == 0 && arg[1] > 0 ? -ELOOP : err;
}

/* --- running --------------------------------------------------------------------------------- */

static int halts(struct kvm_run *run, void *owner)
{
	(void)owner;
	run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

static int on_run(void *p, const struct scn_line *l)
{
	struct world *w = p;

	fake_kvm_set_guest(halts, NULL);
	return fw_run(vcpu_of(w, l));
}

static const struct {
	const char *name;
	uint8_t command;
} guest_commands[] = {
	{ "query", SIM_CMD_TD_QUERY },
	{ "accept", SIM_CMD_TD_ACCEPT },
	{ "touch", SIM_CMD_TD_TOUCH },
	{ "quote", SIM_CMD_TD_QUOTE },
	{ "notify", SIM_CMD_TD_NOTIFY },
	{ "info", SIM_CMD_TD_INFO },
	{ "fatal", SIM_CMD_TD_FATAL },
	{ "map", SIM_CMD_TD_MAP },
};

static int on_guest(void *p, const struct scn_line *l)
{
	struct world *w = p;
	uint64_t v[SCN_WORDS_MAX];

	for (size_t i = 2; i < l->n; i++)
		v[i - 2] = strtoull(l->word[i], NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(guest_commands); i++)
		if (strcmp(guest_commands[i].name, l->word[1]) == 0)
			return tdxkit_ask_numbers(&w->kit, guest_commands[i].command, v, l->n - 2);
	scn_bad(l->word[1]);
}

static int exit_tdx(struct world *w, const struct scn_line *l)
{
	const struct abi_exit_tdx *e = tdxkit_exit(&w->kit);
	int err = number_check(w, l, "nr", e->nr);

	if (err == 0 && w->kit.run->exit_reason != ABI_EXIT_TDX)
		err = why_set(&w->why, -EBADMSG, "exit %u", w->kit.run->exit_reason);
	if (err == 0)
		err = number_check(w, l, "ret", e->ret);
	if (err == 0)
		err = number_check(w, l, "gpa", e->quote.gpa);
	if (err == 0)
		err = number_check(w, l, "size", e->quote.size);
	if (err == 0)
		err = number_check(w, l, "vector", e->notify.vector);
	return err == 0 ? number_check(w, l, "leaf", e->info.leaf) : err;
}

static int exit_hypercall(struct world *w, const struct scn_line *l)
{
	const struct kvm_run *run = w->kit.run;
	int err = number_check(w, l, "gpa", run->hypercall.args[0]);

	if (run->exit_reason != KVM_EXIT_HYPERCALL || run->hypercall.nr != ABI_HC_MAP_GPA_RANGE)
		err = why_set(&w->why, -EBADMSG, "exit %u", run->exit_reason);
	if (err == 0)
		err = number_check(w, l, "pages", run->hypercall.args[1]);
	return err == 0 ? number_check(w, l, "private", run->hypercall.args[2] >> 4) : err;
}

static int exit_fatal(struct world *w, const struct scn_line *l)
{
	const struct kvm_run *run = w->kit.run;

	if (run->exit_reason != KVM_EXIT_SYSTEM_EVENT ||
		run->system_event.type != ABI_SYSTEM_EVENT_TDX_FATAL ||
		run->system_event.ndata != ABI_TDX_FATAL_NDATA)
		return why_set(&w->why, -EBADMSG, "exit %u", run->exit_reason);
	int err = number_check(w, l, "code", run->system_event.data[12]);
	return err == 0 ? number_check(w, l, "r14", run->system_event.data[14]) : err;
}

static int exit_fault(struct world *w, const struct scn_line *l)
{
	struct abi_memory_fault f;

	memcpy(&f, tdxkit_exit(&w->kit), sizeof f);
	if (w->kit.run->exit_reason != ABI_EXIT_MEMORY_FAULT)
		return why_set(&w->why, -EBADMSG, "exit %u", w->kit.run->exit_reason);
	int err = number_check(w, l, "gpa", f.gpa);
	return err == 0 ? number_check(w, l, "private", f.flags >> 3) : err;
}

static int on_exit_is(void *p, const struct scn_line *l)
{
	static const struct {
		const char *name;
		int (*check)(struct world *w, const struct scn_line *l);
	} kinds[] = {
		{ "tdx", exit_tdx },
		{ "hypercall", exit_hypercall },
		{ "fatal", exit_fatal },
		{ "fault", exit_fault },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, l->word[1]) == 0)
			return kinds[i].check(p, l);
	scn_bad(l->word[1]);
}

static int on_ret(void *p, const struct scn_line *l)
{
	struct world *w = p;
	uint64_t ret = strtoull(l->word[1], NULL, 0);

	if (w->kit.run->exit_reason == KVM_EXIT_HYPERCALL)
		w->kit.run->hypercall.ret = ret;
	else
		tdxkit_exit(&w->kit)->ret = ret;
	return 0;
}

static int on_answer(void *p, const struct scn_line *l)
{
	struct world *w = p;
	uint64_t status = 0;
	uint64_t first = 0;
	int err = tdxkit_answer(&w->kit, &status, &first, sizeof first, NULL);

	if (err == 0)
		err = number_check(w, l, "status", status);
	return err == 0 ? number_check(w, l, "first", first) : err;
}

static int on_byte(void *p, const struct scn_line *l)
{
	struct world *w = p;
	uint64_t gpa = scn_number(l, "gpa", 0);

	if (gpa < TDXKIT_RAM_GPA || gpa - TDXKIT_RAM_GPA >= TDXKIT_RAM_BYTES)
		scn_bad("byte: only in RAM");
	return number_check(w, l, "is", w->kit.ram[gpa - TDXKIT_RAM_GPA]);
}

static const struct scn_step steps[] = {
	{ "platform", on_platform, 2 },
	{ "fault", on_fault, 4 },
	{ "plain-machine", on_plain_machine, 1 },
	{ "types", on_types, 2 },
	{ "vm", on_vm, 1 },
	{ "cap", on_cap, 2 },
	{ "tsc", on_tsc, 2 },
	{ "capabilities", on_capabilities, 1 },
	{ "init", on_init, 1 },
	{ "hw-error", on_hw_error, 2 },
	{ "not-written", on_not_written, 1 },
	{ "memory", on_memory, 1 },
	{ "attributes", on_attributes, 2 },
	{ "vcpu", on_vcpu, 1 },
	{ "cpuid", on_cpuid, 1 },
	{ "init-vcpu", on_init_vcpu, 1 },
	{ "get-cpuid", on_get_cpuid, 1 },
	{ "region", on_region, 2 },
	{ "launch", on_launch, 1 },
	{ "finalize", on_finalize, 1 },
	{ "digest", on_digest, 2 },
	{ "request", on_request, 2 },
	{ "mp-state", on_mp_state, 2 },
	{ "msr", on_msr, 3 },
	{ "prefault", on_prefault, 2 },
	{ "run", on_run, 1 },
	{ "guest", on_guest, 2 },
	{ "exit", on_exit_is, 2 },
	{ "ret", on_ret, 2 },
	{ "answer", on_answer, 1 },
	{ "byte", on_byte, 2 },
};

int main(int argc, char **argv)
{
	static const struct scn_program program = {
		.steps = steps,
		.n = ARRAY_LEN(steps),
		.begin = world_begin,
		.end = world_end,
		.why = world_why,
	};

	return scn_main(&program, argc, argv);
}
