/*
 * abi_run: scenario files (scn.h) at the ioctl boundary of the simulator, where a VMM's mistakes are
 * found: one file for each invariant of the ABI document, 7.1 and 7.2. No back end is in between; the
 * owner's side of sessions and certificates is that of attest/.
 *
 *   platform seed=N asids=N sev-asids=N hidden=N kinds=N memlock=N flags=N features=N
 *   fault COMMAND N STATUS
 *   open [ro]                           the seam, /dev/sev read-only if told so
 *   vm TYPE | vm-use N | vm-close       VMs are counted from 0; the newest is the one in use
 *   cap NR [kvm] is=N                   KVM_CHECK_EXTENSION of the VM, or of /dev/kvm
 *   attr NR is=N                        KVM_GET_DEVICE_ATTR of /dev/kvm, group SEV
 *   hypercalls mask=N                   KVM_CAP_EXIT_HYPERCALL
 *   init2 [features= flags= ghcb=] | sev-init | es-init
 *   vcpu | vcpu-use N | vcpu-close | vcpu-debug | regs get|set | sregs .. | fpu .. | cpuid
 *   dr7 v=X                             KVM_SET_DEBUGREGS
 *   gmem size=N [flags=] | gmem-use N | gmem-close | gmem-map | gmem-read
 *   region [v1] slot= gpa= size= [at= flags= gmem offset=]    at: offset in the VMM's memory
 *   private|shared gpa= size= [flags= attributes=]
 *   punch offset= size= | prefault gpa= size= [flags=] [all]
 *   fill at= size= byte=X | byte at= is=X [not]
 *   lock|unlock at= size=               KVM_MEMORY_ENCRYPT_REG_REGION and UNREG
 *   start policy= [session=good|short|cert|mac|none] [handle=]
 *   data at= size= | vmsa | measure [size=] | finish | status is=N | send ID | dbg decrypt|encrypt ..
 *   secret at= size= [bad=mac|flags|header|size] | report [size=]
 *   op ID                               a command with 128 bytes of zeros for an argument
 *   snp-start policy= [flags=]
 *   snp-update gpa= size= type= [at= flags= done=]       done: pages of this one call; none: all
 *   snp-finish [flags= host=X vcek=N id=good|ld|policy|algo|sig|null] | certs
 *   digest HEX
 *   guest report|extended|secrets|message|convert|touch|terminate|ap ...   what vCPU 0 does next
 *   run [exit=N]                        KVM_RUN; the guest's answer is checked by
 *   answer at=N is=N                    a u32 of the answer
 *   ret v=N [pages=]                    the monitor's answer to an exit
 *   dev NR [arg=none] [size=N] [bad=]   /dev/sev; see dev_run()
 *
 * A command of the firmware may say `fw=N`: what `error` is to be afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/psp-sev.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attest/sev_session.h"
#include "base/fd.h"
#include "base/opts.h"
#include "base/rd.h"
#include "base/wr.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"
#include "sev/sim/sim_identity.h"
#include "sev/sim/sim_message.h"
#include "sev/sim/sim_state.h"
#include "tests/sim/scn.h"
#include "tests/sim/simkit.h"

#define MEM_BYTES  (8u << 20)
#define VMS        8u
#define VCPUS      4u
#define GMEMS      4u
#define ANSWER_MAX 4352u

struct vm {
	int fd;
	int vcpu[VCPUS];
	struct kvm_run *run[VCPUS];
	unsigned int n_vcpus, vcpu_at;
};

/* What the guest of vCPU 0 does: one command through the port, then the answer, then HLT. */
struct guest_side {
	uint8_t command;
	uint8_t request[SIM_MESSAGE_MAX];
	uint32_t n_request;
	unsigned int step;
	uint8_t answer[ANSWER_MAX];
};

struct world {
	struct kit kit;
	struct why why;
	uint8_t *mem;
	struct vm vm[VMS];
	unsigned int n_vms, vm_at;
	int gmem[GMEMS];
	unsigned int n_gmems, gmem_at;
	uint32_t error; /* of the last command */
	uint32_t policy;
	uint8_t measure[SEV_MEASURE_BYTES];
	struct sev_session session;
	bool has_session;
	struct guest_side guest;
	uint8_t vmpck[32];
	uint64_t seqno;
};

static struct vm *vm_of(struct world *w)
{
	return &w->vm[w->vm_at];
}

static int vcpu_of(struct world *w)
{
	const struct vm *vm = vm_of(w);

	return vm->n_vcpus > 0 ? vm->vcpu[vm->vcpu_at] : -1;
}

static int wrong(struct world *w, const char *what, uint64_t got)
{
	return why_set(&w->why, -EBADMSG, "%s is 0x%llx", what, (unsigned long long)got);
}

/* The result of a firmware command, and what `error` says. */
static int checked(struct world *w, const struct scn_line *l, int err, uint32_t error)
{
	uint64_t want = scn_number(l, "fw", err == 0 ? 0 : error);

	w->error = error;
	if (err == 0 && error == ABI_SEV_NO_FW_CALL)
		error = 0;
	return error == want ? err : wrong(w, "error", error);
}

static int op(struct world *w, const struct scn_line *l, uint32_t id, void *arg)
{
	struct abi_sev_cmd cmd = {
		.id = id,
		.data = (uintptr_t)arg,
		.error = ABI_SEV_NO_FW_CALL,
		.sev_fd = (uint32_t)scn_number(l, "sev-fd", (uint32_t)w->kit.sev_fd),
	};
	int err = fw_ioctl(vm_of(w)->fd, ABI_MEMORY_ENCRYPT_OP, &cmd);

	return checked(w, l, err, cmd.error);
}

/* --- the platform ---------------------------------------------------------------------------- */

static int on_platform(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct sim_platform *p = &w->kit.minted.platform;

	p->seed = (uint32_t)scn_number(l, "seed", p->seed);
	p->asids = (uint32_t)scn_number(l, "asids", p->asids);
	p->sev_asids = (uint32_t)scn_number(l, "sev-asids", p->sev_asids);
	p->hidden_asids = (uint32_t)scn_number(l, "hidden", p->hidden_asids);
	p->kinds = (uint32_t)scn_number(l, "kinds", p->kinds);
	p->memlock_bytes = scn_number(l, "memlock", p->memlock_bytes);
	p->flags = (uint32_t)scn_number(l, "flags", p->flags);
	p->vmsa_features = scn_number(l, "features", p->vmsa_features);
	if (scn_text(l, "committed") != NULL)
		memset(p->committed_tcb, (int)scn_number(l, "committed", 0), 8);
	return 0;
}

static int on_fault(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct sim_script *script = &w->kit.minted.platform.script;
	char text[128];

	(void)snprintf(text, sizeof text, "%s %s %s", l->word[1], l->word[2], l->word[3]);
	return sim_fault_parse(text, &script->fault[script->n++], &w->why);
}

static int on_open(void *world, const struct scn_line *l)
{
	struct world *w = world;
	char path[64];
	int err = kit_open(&w->kit, &w->why);

	if (err < 0 || !scn_has(l, "ro"))
		return err;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", w->kit.sev_fd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)close(w->kit.sev_fd);
	w->kit.sev_fd = fd;
	return fw_open(w->kit.kvm_fd, fd, &w->why);
}

static int on_vm(void *world, const struct scn_line *l)
{
	struct world *w = world;
	int fd = fw_ioctl_int(w->kit.kvm_fd, KVM_CREATE_VM, strtoul(l->word[1], NULL, 0));

	if (fd < 0)
		return fd;
	if (w->n_vms == VMS)
		scn_bad("too many VMs");
	w->vm_at = w->n_vms++;
	w->vm[w->vm_at] = (struct vm){ .fd = fd };
	return 0;
}

static int on_vm_use(void *world, const struct scn_line *l)
{
	struct world *w = world;

	w->vm_at = (unsigned int)strtoul(l->word[1], NULL, 0);
	if (w->vm_at >= w->n_vms)
		scn_bad("vm-use");
	return 0;
}

static int on_vm_close(void *world, const struct scn_line *l)
{
	struct world *w = world;

	(void)l;
	fw_close(vm_of(w)->fd);
	vm_of(w)->fd = -1;
	return 0;
}

static int on_cap(void *world, const struct scn_line *l)
{
	struct world *w = world;
	int fd = scn_has(l, "kvm") ? w->kit.kvm_fd : vm_of(w)->fd;
	int got = fw_ioctl_int(fd, KVM_CHECK_EXTENSION, strtoul(l->word[1], NULL, 0));

	return (uint64_t)got == scn_number(l, "is", 0) ? 0 : wrong(w, "cap", (uint64_t)got);
}

static int on_attr(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint64_t value = 0;
	struct kvm_device_attr a = {
		.group = ABI_X86_GRP_SEV,
		.attr = strtoul(l->word[1], NULL, 0),
		.addr = (uintptr_t)&value,
	};
	int err = fw_ioctl(w->kit.kvm_fd, KVM_GET_DEVICE_ATTR, &a);

	if (err < 0)
		return err;
	return value == scn_number(l, "is", 0) ? 0 : wrong(w, "attribute", value);
}

static int on_hypercalls(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_enable_cap cap = { .cap = ABI_CAP_EXIT_HYPERCALL,
		.args = { scn_number(l, "mask", 1ull << ABI_HC_MAP_GPA_RANGE) } };

	return fw_ioctl(vm_of(w)->fd, KVM_ENABLE_CAP, &cap);
}

static int on_init2(void *world, const struct scn_line *l)
{
	struct abi_sev_init init = {
		.vmsa_features = scn_number(l, "features", 0),
		.flags = (uint32_t)scn_number(l, "flags", 0),
		.ghcb_version = (uint16_t)scn_number(l, "ghcb", 0),
		.pad1 = 0xFFFF, /* not looked at: ABI 7.1.9 */
	};

	return op(world, l, ABI_SEV_INIT2, &init);
}

static int on_sev_init(void *world, const struct scn_line *l)
{
	return op(world, l, KVM_SEV_INIT, NULL);
}

static int on_es_init(void *world, const struct scn_line *l)
{
	return op(world, l, KVM_SEV_ES_INIT, NULL);
}

/* --- vCPUs ----------------------------------------------------------------------------------- */

static int on_vcpu(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct vm *vm = vm_of(w);
	int fd = kit_make_vcpu(
		w->kit.kvm_fd, vm->fd, vm->n_vcpus, scn_number(l, "rdx", 0), &vm->run[vm->n_vcpus]);

	if (fd < 0)
		return fd;
	if (vm->n_vcpus == VCPUS)
		scn_bad("too many vCPUs");
	vm->vcpu_at = vm->n_vcpus++;
	vm->vcpu[vm->vcpu_at] = fd;
	return 0;
}

static int on_vcpu_use(void *world, const struct scn_line *l)
{
	struct world *w = world;

	vm_of(w)->vcpu_at = (unsigned int)strtoul(l->word[1], NULL, 0);
	return 0;
}

static int on_vcpu_close(void *world, const struct scn_line *l)
{
	struct world *w = world;

	(void)l;
	fw_close(vcpu_of(w));
	vm_of(w)->vcpu[vm_of(w)->vcpu_at] = -1;
	return 0;
}

static int on_vcpu_debug(void *world, const struct scn_line *l)
{
	struct kvm_guest_debug d = { .control = (uint32_t)scn_number(l, "control", 1) };

	return fw_ioctl(vcpu_of(world), KVM_SET_GUEST_DEBUG, &d);
}

static int on_registers(void *world, const struct scn_line *l)
{
	static const struct {
		const char *name;
		unsigned long get, set;
	} rows[] = {
		{ "regs", KVM_GET_REGS, KVM_SET_REGS },
		{ "sregs", KVM_GET_SREGS, KVM_SET_SREGS },
		{ "fpu", KVM_GET_XSAVE, KVM_SET_XSAVE },
		{ "debugregs", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS },
	};
	static uint8_t bytes[4096];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, l->word[0]) != 0)
			continue;
		int err = fw_ioctl(vcpu_of(world), rows[i].get, bytes);
		if (strcmp(l->word[1], "set") == 0) /* back what there was, if it can be read */
			err = fw_ioctl(vcpu_of(world), rows[i].set, bytes);
		return err;
	}
	scn_bad(l->word[0]);
}

static int on_cpuid(void *world, const struct scn_line *l)
{
	union fake_cpuid table;

	(void)l;
	fake_kvm_cpuid(&table);
	return fw_ioctl(vcpu_of(world), KVM_SET_CPUID2, &table.head);
}

static int on_msr(void *world, const struct scn_line *l)
{
	struct world *w = world;
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + 2 * sizeof(struct kvm_msr_entry)];
	} m = { .head = { .nmsrs = 1 } };

	m.head.entries[0].index = (uint32_t)strtoul(l->word[1], NULL, 0);
	int got = fw_ioctl(vcpu_of(w), KVM_GET_MSRS, &m);
	return (uint64_t)got == scn_number(l, "is", 1) ? 0 : wrong(w, "count", (uint64_t)got);
}

static int on_dr7(void *world, const struct scn_line *l)
{
	struct kvm_debugregs dbg = { .dr6 = 0xFFFF0FF0, .dr7 = scn_number(l, "v", 0x400) };

	return fw_ioctl(vcpu_of(world), KVM_SET_DEBUGREGS, &dbg);
}

/* --- memory ---------------------------------------------------------------------------------- */

static int on_gmem(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct abi_guest_memfd arg = { .size = scn_number(l, "size", 0),
		.flags = scn_number(l, "flags", 0) };
	int fd = fw_ioctl(vm_of(w)->fd, ABI_CREATE_GUEST_MEMFD, &arg);

	if (fd < 0)
		return fd;
	if (w->n_gmems == GMEMS)
		scn_bad("too many guest_memfds");
	w->gmem_at = w->n_gmems++;
	w->gmem[w->gmem_at] = fd;
	return 0;
}

static int gmem_of(const struct world *w)
{
	return w->n_gmems > 0 ? w->gmem[w->gmem_at] : -1;
}

static int on_gmem_use(void *world, const struct scn_line *l)
{
	struct world *w = world;

	w->gmem_at = (unsigned int)strtoul(l->word[1], NULL, 0);
	return 0;
}

static int on_gmem_close(void *world, const struct scn_line *l)
{
	struct world *w = world;

	(void)l;
	fw_close(gmem_of(w));
	w->gmem[w->gmem_at] = -1;
	return 0;
}

/* Nothing of a file works on it: 0 if every attempt failed. */
static int on_gmem_file(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint8_t byte = 0;
	int fd = gmem_of(w);

	(void)l;
	bool any = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED ||
		   read(fd, &byte, 1) >= 0 || write(fd, &byte, 1) >= 0 || ftruncate(fd, 0) >= 0;
	return any ? -EBADMSG : 0;
}

static int on_region(void *world, const struct scn_line *l)
{
	struct world *w = world;
	bool has_gmem = scn_has(l, "gmem");
	uint64_t at = scn_number(l, "at", 0);
	struct abi_region2 r = {
		.slot = (uint32_t)scn_number(l, "slot", 0),
		.flags = (uint32_t)scn_number(l, "flags", has_gmem ? ABI_MEM_GUEST_MEMFD : 0),
		.guest_phys_addr = scn_number(l, "gpa", 0),
		.memory_size = scn_number(l, "size", MEM_BYTES),
		.userspace_addr = (uintptr_t)(w->mem + at),
		.guest_memfd_offset = scn_number(l, "offset", 0),
		.guest_memfd = has_gmem ? (uint32_t)gmem_of(w) : 0,
	};
	struct kvm_userspace_memory_region v1 = { r.slot, r.flags, r.guest_phys_addr, r.memory_size,
		r.userspace_addr };

	return scn_has(l, "v1") ? fw_ioctl(vm_of(w)->fd, KVM_SET_USER_MEMORY_REGION, &v1)
				: fw_ioctl(vm_of(w)->fd, ABI_SET_USER_MEMORY_REGION2, &r);
}

static int on_attribute(void *world, const struct scn_line *l)
{
	struct world *w = world;
	bool is_private = strcmp(l->word[0], "private") == 0;
	struct abi_attributes a = {
		.address = scn_number(l, "gpa", 0),
		.size = scn_number(l, "size", MEM_BYTES),
		.attributes =
			scn_number(l, "attributes", is_private ? ABI_MEMORY_ATTRIBUTE_PRIVATE : 0),
		.flags = scn_number(l, "flags", 0),
	};

	return fw_ioctl(vm_of(w)->fd, ABI_SET_MEMORY_ATTRIBUTES, &a);
}

static int on_punch(void *world, const struct scn_line *l)
{
	return fw_punch(gmem_of(world), scn_number(l, "offset", 0), scn_number(l, "size", 4096));
}

static int on_prefault(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint64_t arg[8] = { scn_number(l, "gpa", 0), scn_number(l, "size", 4096),
		scn_number(l, "flags", 0) };
	unsigned int calls = 0;
	int err = 0;

	do {
		err = fw_ioctl(vcpu_of(w), ABI_PRE_FAULT_MEMORY, arg);
		calls++;
	} while (
		scn_has(l, "all") && (err == -EINTR || err == -EAGAIN || (err == 0 && arg[1] > 0)));
	if (err == 0 && scn_number(l, "calls", 0) > calls)
		return wrong(w, "number of calls", calls);
	return err;
}

static int on_fill(void *world, const struct scn_line *l)
{
	struct world *w = world;

	memset(w->mem + scn_number(l, "at", 0), (int)scn_number(l, "byte", 0),
		scn_number(l, "size", 4096));
	return 0;
}

static int on_byte(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint64_t at = scn_number(l, "at", 0);
	bool is_all = true, is_none = true;

	for (size_t i = 0; i < 64; i++) {
		bool is = w->mem[at + i] == scn_number(l, "is", 0);
		is_all = is_all && is;
		is_none = is_none && !is;
	}
	/* Scrambled bytes may be the same here and there, but not all of them. */
	return (scn_has(l, "not") ? !is_all : is_all) ? 0 : wrong(w, "byte", w->mem[at]);
}

/* --- SEV and SEV-ES -------------------------------------------------------------------------- */

static int on_lock(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_enc_region r = { (uintptr_t)(w->mem + scn_number(l, "at", 0)),
		scn_number(l, "size", 4096) };
	bool is_lock = strcmp(l->word[0], "lock") == 0;

	return fw_ioctl(vm_of(w)->fd,
		is_lock ? KVM_MEMORY_ENCRYPT_REG_REGION : KVM_MEMORY_ENCRYPT_UNREG_REGION, &r);
}

/* What the owner gets from the platform, and trusts. */
static int owner_session(struct world *w, struct why *why)
{
	enum { PDH, PEK, OCA, CEK, ASK, ARK };
	static const struct {
		int child, issuer;
	} signer_of[] = { { PDH, PEK }, { PEK, OCA }, { PEK, CEK }, { OCA, OCA }, { CEK, ASK },
		{ ASK, ARK }, { ARK, ARK } };
	static struct sim_sev_cert pdh;
	static struct sim_sev_cert chain[3];
	struct sev_user_data_pdh_cert_export a = { (uintptr_t)&pdh, sizeof pdh, (uintptr_t)chain,
		sizeof chain };
	struct abi_sev_issue issue = { .cmd = SEV_PDH_CERT_EXPORT };
	struct sev_certs certs = { 0 };
	uint64_t addr = (uintptr_t)&a;

	issue.data_lo = (uint32_t)addr;
	issue.data_hi = (uint32_t)(addr >> 32);
	int err = fw_ioctl(w->kit.sev_fd, ABI_SEV_ISSUE_CMD, &issue);
	if (err == 0)
		err = sev_certs_add(&certs, (const uint8_t *)&pdh, sizeof pdh, why);
	if (err == 0)
		err = sev_certs_add(&certs, (const uint8_t *)chain, sizeof chain, why);
	if (err == 0)
		err = sev_certs_add(&certs, w->kit.minted.ca, w->kit.minted.ca_len, why);
	for (size_t i = 0; i < ARRAY_LEN(signer_of) && err == 0; i++)
		err = sev_cert_verify(
			&certs.at[signer_of[i].child], &certs.at[signer_of[i].issuer], why);
	if (err == 0)
		err = sev_session_make(&certs.at[PDH], w->policy, &w->session, why);
	w->has_session = err == 0;
	return err;
}

static int on_start(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_sev_launch_start s = {
		.handle = (uint32_t)scn_number(l, "handle", 0),
		.policy = (uint32_t)scn_number(l, "policy", 1),
	};

	w->policy = s.policy;
	if (scn_text(l, "session") != NULL) {
		int err = owner_session(w, &w->why);
		if (err < 0)
			return err;
		s.dh_uaddr = (uintptr_t)w->session.godh;
		s.dh_len = sizeof w->session.godh - scn_is(l, "session", "short-cert");
		s.session_uaddr = (uintptr_t)w->session.blob;
		s.session_len = sizeof w->session.blob - scn_is(l, "session", "short");
		w->session.godh[8] ^= scn_is(l, "session", "usage");
		w->session.godh[30] ^= scn_is(l, "session", "point");
		w->session.blob[70] ^= scn_is(l, "session", "wrap-mac");
		w->session.blob[100] ^= scn_is(l, "session", "policy-mac");
		if (scn_is(l, "session", "alone"))
			s.dh_uaddr = 0, s.dh_len = 0;
		if (scn_is(l, "session", "long"))
			s.session_len = 16385;
	}
	return op(w, l, KVM_SEV_LAUNCH_START, &s);
}

static int on_data(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_sev_launch_update_data u = { (uintptr_t)(w->mem + scn_number(l, "at", 0)),
		(uint32_t)scn_number(l, "size", 4096) };

	return op(w, l, KVM_SEV_LAUNCH_UPDATE_DATA, &u);
}

static int on_plain_op(void *world, const struct scn_line *l)
{
	static const struct {
		const char *name;
		uint32_t id;
	} rows[] = {
		{ "vmsa", KVM_SEV_LAUNCH_UPDATE_VMSA },
		{ "finish", KVM_SEV_LAUNCH_FINISH },
		{ "certs", ABI_SNP_ENABLE_REQ_CERTS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, l->word[0]) == 0)
			return op(world, l, rows[i].id, NULL);
	scn_bad(l->word[0]);
}

static int on_op(void *world, const struct scn_line *l)
{
	static uint8_t zeros[128];

	return op(world, l, (uint32_t)strtoul(l->word[1], NULL, 0), zeros);
}

/* A buffer's length comes back. */
static int length_check(struct world *w, const struct scn_line *l, int err, uint32_t len)
{
	return len == scn_number(l, "length", len) ? err : wrong(w, "length", len);
}

static int on_measure(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_sev_launch_measure a = { (uintptr_t)w->measure,
		(uint32_t)scn_number(l, "size", sizeof w->measure) };
	const struct sim_platform *p = &w->kit.minted.platform;
	struct sev_measured m = { p->api_major, p->api_minor, p->api_build, w->policy };
	uint8_t mac[SEV_MAC_BYTES], digest[SNP_DIGEST_BYTES];
	int err = op(w, l, KVM_SEV_LAUNCH_MEASURE, &a);

	err = length_check(w, l, err, a.len);
	if (err < 0 || !w->has_session)
		return err;
	err = sim_get_digest(vm_of(w)->fd, digest);
	memcpy(m.digest, digest, sizeof m.digest);
	memcpy(m.mnonce, w->measure + SEV_MAC_BYTES, sizeof m.mnonce);
	if (err == 0)
		err = sev_measure_mac(w->session.keys.p + SEV_KEY_BYTES, &m, mac);
	return err == 0 && memcmp(mac, w->measure, sizeof mac) != 0 ? wrong(w, "MAC", 0) : err;
}

static int on_secret(void *world, const struct scn_line *l)
{
	struct world *w = world;
	static uint8_t plain[SEV_SECRET_MAX], data[SEV_SECRET_MAX];
	uint8_t header[SEV_SECRET_HEADER_BYTES] = { 0 };
	uint32_t size = (uint32_t)scn_number(l, "size", 64);
	struct kvm_sev_launch_secret a = {
		.hdr_uaddr = (uintptr_t)header,
		.hdr_len = sizeof header - scn_is(l, "bad", "header"),
		.guest_uaddr = (uintptr_t)(w->mem + scn_number(l, "at", 0)),
		.guest_len = size,
		.trans_uaddr = (uintptr_t)data,
		.trans_len = size + 16u * scn_is(l, "bad", "length"),
	};

	memset(plain, 0x5E, sizeof plain);
	if (w->has_session) {
		int err = sev_secret_make(&w->session.keys, w->measure, plain,
			size > 0 && size % 16 == 0 && size <= sizeof plain ? size : 64, header,
			data, &w->why);
		if (err < 0)
			return err;
	}
	header[0] |= scn_is(l, "bad", "compressed");
	header[30] ^= scn_is(l, "bad", "mac");
	return op(w, l, KVM_SEV_LAUNCH_SECRET, &a);
}

static int on_status(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_sev_guest_status s = { 0 };
	int err = op(w, l, KVM_SEV_GUEST_STATUS, &s);

	if (err < 0)
		return err;
	if (s.policy != scn_number(l, "policy", s.policy))
		return wrong(w, "policy", s.policy);
	return s.state == scn_number(l, "is", s.state) ? 0 : wrong(w, "state", s.state);
}

/* The PEK signed policy, digest and nonce. */
static bool is_report_signed(const struct world *w, const uint8_t report[208])
{
	const struct sim_sev_cert *certs = (const void *)w->kit.minted.platform.identity.p;
	struct sim_sev_cert pek;
	struct snp_signature sig = { 0 };

	memcpy(&pek,
		(const uint8_t *)certs + SIM_CERT_PEK * (SIM_EC_BYTES + SIM_SEV_CERT_BYTES) +
			SIM_EC_BYTES,
		sizeof pek);
	memcpy(&sig, report + 64, 144);
	return sim_ec_verify(&pek.key, &sig, SIM_SHA256, report, 52);
}

static int on_report(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint8_t report[208] = { 0 };
	struct kvm_sev_attestation_report a = { .mnonce = { 7 },
		.uaddr = (uintptr_t)report,
		.len = (uint32_t)scn_number(l, "size", sizeof report) };
	int err = op(w, l, KVM_SEV_GET_ATTESTATION_REPORT, &a);

	err = length_check(w, l, err, a.len);
	if (err < 0)
		return err;
	return report[0] == 7 && is_report_signed(w, report) ? 0 : wrong(w, "report", report[0]);
}

static int on_dbg(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_sev_dbg d = {
		.src_uaddr = (uintptr_t)(w->mem + scn_number(l, "from", 0)),
		.dst_uaddr = (uintptr_t)(w->mem + scn_number(l, "to", 4096)),
		.len = (uint32_t)scn_number(l, "size", 64),
	};

	return op(w, l,
		strcmp(l->word[1], "decrypt") == 0 ? KVM_SEV_DBG_DECRYPT : KVM_SEV_DBG_ENCRYPT, &d);
}

static int on_digest(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint8_t want[SNP_DIGEST_BYTES] = { 0 }, got[SNP_DIGEST_BYTES];
	size_t len = strlen(l->word[1]) / 2;
	int err = len <= sizeof want ? opts_parse_hex(l->word[1], want, len) : -EINVAL;

	if (err == 0)
		err = sim_get_digest(vm_of(w)->fd, got);
	if (err == 0 && memcmp(want, got, sizeof want) != 0)
		return why_set(&w->why, -EBADMSG, "another digest, %02x%02x%02x%02x...", got[0],
			got[1], got[2], got[3]);
	return err;
}

/* --- SNP ------------------------------------------------------------------------------------- */

static int on_snp_start(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct abi_snp_start s = { .policy = scn_number(l, "policy", 0x30000),
		.flags = (uint16_t)scn_number(l, "flags", 0) };

	w->policy = (uint32_t)s.policy;
	return op(w, l, ABI_SNP_LAUNCH_START, &s);
}

static int on_snp_update(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint64_t at = scn_number(l, "at", 0);
	struct abi_snp_update u = {
		.gfn_start = scn_number(l, "gpa", 0) / 4096,
		.uaddr = scn_has(l, "null") ? 0 : (uintptr_t)(w->mem + at),
		.len = scn_number(l, "size", 4096),
		.type = (uint8_t)scn_number(l, "type", SNP_PAGE_NORMAL),
		.flags = (uint16_t)scn_number(l, "flags", 0),
	};
	uint64_t pages = u.len / 4096, calls = 0;
	int err = 0;

	do {
		err = op(w, l, ABI_SNP_LAUNCH_UPDATE, &u);
		calls++;
	} while (!scn_has(l, "once") && err == 0 && u.len > 0);
	if (err == 0 && scn_text(l, "done") != NULL &&
		pages - u.len / 4096 != scn_number(l, "done", 0))
		return wrong(w, "number of pages", pages - u.len / 4096);
	return err == 0 && calls < scn_number(l, "calls", 0) ? wrong(w, "number of calls", calls)
							     : err;
}

/* The CPUID page of the fake KVM's table; it comes back corrected. */
static int on_snp_cpuid(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct snp_cpuid_page *p = (void *)(w->mem + scn_number(l, "at", 0));

	memset(p, 0, sizeof *p);
	p->count = le32_of((uint32_t)scn_number(l, "count", 1));
	p->entry[0].eax_in = le32_of((uint32_t)scn_number(l, "leaf", 0x80000007));
	p->entry[0].edx = le32_of((uint32_t)scn_number(l, "edx", 0x100));
	p->entry[0].reserved = le64_of(scn_number(l, "reserved", 0));
	return 0;
}

static int on_snp_finish(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct snp_id_block block;
	struct snp_id_auth auth;
	struct abi_snp_finish f = {
		.flags = (uint16_t)scn_number(l, "flags", 0),
		.vcek_disabled = (uint8_t)scn_number(l, "vcek", 0),
		.host_data = { (uint8_t)scn_number(l, "host", 0) },
		.auth_key_en = scn_has(l, "author"),
	};

	if (scn_text(l, "id") != NULL) {
		uint8_t ld[SNP_DIGEST_BYTES] = { 0 };
		int err = sim_get_digest(vm_of(w)->fd, ld);
		if (err < 0)
			return err;
		ld[0] ^= scn_is(l, "id", "ld");
		kit_make_id(ld, w->policy ^ (unsigned int)scn_is(l, "id", "policy"), &block, &auth);
		auth.id_key_algo = le32_of(scn_is(l, "id", "algo") ? 2 : 1);
		auth.id_block_sig.r[3] ^= scn_is(l, "id", "sig");
		auth.id_key_sig.r[3] ^= scn_is(l, "id", "author-sig");
		f.id_block_en = 1;
		f.id_block_uaddr = scn_is(l, "id", "null") ? 0 : (uintptr_t)&block;
		f.id_auth_uaddr = (uintptr_t)&auth;
	}
	return op(w, l, ABI_SNP_LAUNCH_FINISH, &f);
}

/* --- a guest --------------------------------------------------------------------------------- */

static int guest_step(struct kvm_run *run, void *owner)
{
	struct guest_side *g = owner;
	uint8_t *io = (uint8_t *)run + run->io.data_offset;
	const struct {
		uint16_t port;
		bool is_in;
		uint8_t byte;
		uint32_t count;
	} rows[] = {
		{ SIM_PORT_CONTROL, false, SIM_CMD_BEGIN, 1 },
		{ SIM_PORT_DATA, false, 0, g->n_request },
		{ SIM_PORT_CONTROL, false, g->command, 1 },
		{ SIM_PORT_DATA, true, 0, ANSWER_MAX / 2 },
		{ SIM_PORT_DATA, true, 0, ANSWER_MAX / 2 },
	};
	uint64_t offset = run->io.data_offset;

	if (g->step > 3 &&
		g->step <= ARRAY_LEN(rows)) /* an IN completes when the vCPU runs again */
		memcpy(g->answer + (g->step - 4) * (ANSWER_MAX / 2), io, ANSWER_MAX / 2);
	if (g->step == 1 && g->n_request == 0)
		g->step++;
	if (run->immediate_exit != 0)
		return -EINTR;
	if (g->step >= ARRAY_LEN(rows)) {
		g->step = ARRAY_LEN(rows) + 1;
		run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	unsigned int i = g->step++;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = rows[i].is_in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = 1;
	run->io.port = rows[i].port;
	run->io.count = rows[i].count;
	run->io.data_offset = offset;
	if (i == 1)
		memcpy(io, g->request, g->n_request);
	else if (!rows[i].is_in)
		io[0] = rows[i].byte;
	return 0;
}

/* Messages are encrypted by this program's own means. */
static void message_make(struct world *w, const struct scn_line *l, struct wr *out)
{
	struct sim_message m = {
		.seqno = le64_of(scn_number(l, "seqno", w->seqno + 1)),
		.algo = 1,
		.header_version = 1,
		.header_size = le16_of(96),
		.type = (uint8_t)scn_number(l, "type", SIM_MESSAGE_REPORT_REQ),
		.version = 1,
		.size = le16_of(96),
		.vmpck = (uint8_t)scn_number(l, "vmpck", 0),
	};
	struct snp_report_req req = { .vmpl = le32_of((uint32_t)scn_number(l, "vmpl", 0)),
		.key_sel = le32_of((uint32_t)scn_number(l, "key", 0)) };
	uint8_t iv[12] = { 0 };
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	memcpy(iv, &m.seqno, sizeof m.seqno);
	if (EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, w->vmpck, iv) != 1 ||
		EVP_EncryptUpdate(ctx, NULL, &n, &m.algo, 48) != 1 ||
		EVP_EncryptUpdate(ctx, m.payload, &n, (const uint8_t *)&req, sizeof req) != 1 ||
		EVP_EncryptFinal_ex(ctx, m.payload + n, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, m.tag) != 1)
		scn_bad("libcrypto");
	EVP_CIPHER_CTX_free(ctx);
	m.tag[3] ^= scn_is(l, "bad", "tag");
	wr_copy(out, &m, 96 + sizeof req);
}

/* Decrypt the answer in place; false when its tag is wrong. */
static bool message_open(const struct world *w, struct sim_message *m)
{
	uint8_t iv[12] = { 0 };
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	memcpy(iv, &m->seqno, sizeof m->seqno);
	bool is_good = EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, w->vmpck, iv) == 1 &&
		       EVP_DecryptUpdate(ctx, NULL, &n, &m->algo, 48) == 1 &&
		       EVP_DecryptUpdate(ctx, m->payload, &n, m->payload, le16_get(m->size)) == 1 &&
		       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, m->tag) == 1 &&
		       EVP_DecryptFinal_ex(ctx, m->payload + n, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return is_good;
}

static void report_request(const struct scn_line *l, struct wr *out)
{
	struct snp_report_req req = { .report_data = { 9 },
		.vmpl = le32_of((uint32_t)scn_number(l, "vmpl", 0)),
		.key_sel = le32_of((uint32_t)scn_number(l, "key", 0)) };

	wr_copy(out, &req, sizeof req);
}

static int on_guest(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct guest_side *g = &w->guest;
	struct wr out = wr_of(g->request, sizeof g->request);
	const char *what = l->word[1];

	*g = (struct guest_side){ .command = SIM_CMD_BEGIN };
	out = wr_of(g->request, sizeof g->request);
	if (strcmp(what, "report") == 0) {
		g->command = SIM_CMD_EXECUTE;
		report_request(l, &out);
	} else if (strcmp(what, "extended") == 0) {
		g->command = SIM_CMD_EXTENDED;
		report_request(l, &out);
		wr_le64(&out, scn_number(l, "gpa", 0));
		wr_le64(&out, scn_number(l, "pages", 4));
	} else if (strcmp(what, "secrets") == 0) {
		g->command = SIM_CMD_SECRETS;
	} else if (strcmp(what, "message") == 0) {
		g->command = SIM_CMD_MESSAGE;
		message_make(w, l, &out);
	} else if (strcmp(what, "convert") == 0) {
		g->command = SIM_CMD_CONVERT;
		wr_le64(&out, scn_number(l, "gpa", 0));
		wr_le64(&out, scn_number(l, "pages", 1));
		wr_le64(&out, scn_has(l, "private") ? ABI_MAP_GPA_ENCRYPTED : 0);
	} else if (strcmp(what, "touch") == 0) {
		g->command = SIM_CMD_TOUCH;
		wr_le64(&out, scn_number(l, "gpa", 0));
		wr_u8(&out, scn_has(l, "private"));
	} else if (strcmp(what, "terminate") == 0) {
		g->command = SIM_CMD_TERMINATE;
		wr_u8(&out, (uint8_t)scn_number(l, "set", 0));
		wr_u8(&out, (uint8_t)scn_number(l, "code", 0));
	} else if (strcmp(what, "ap") == 0) {
		g->command = SIM_CMD_CREATE_AP;
		wr_le32(&out, (uint32_t)scn_number(l, "id", 1));
		wr_le32(&out, (uint32_t)scn_number(l, "request", 1));
		wr_le64(&out, scn_number(l, "features", 1));
		wr_le64(&out, scn_number(l, "gpa", 0x1000));
	} else {
		scn_bad(what);
	}
	g->n_request = (uint32_t)out.len;
	fake_kvm_set_guest(guest_step, g);
	return 0;
}

static int on_run(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct vm *vm = vm_of(w);
	struct kvm_run *run = vm->run[vm->vcpu_at];

	if (w->guest.command == 0) /* nothing to do: HLT at once */
		w->guest.step = 5;
	fake_kvm_set_guest(guest_step, &w->guest);
	run->immediate_exit = scn_has(l, "immediate");
	int err = fw_run(vcpu_of(w));
	run->immediate_exit = 0;
	if (scn_text(l, "exit") != NULL && run->exit_reason != scn_number(l, "exit", 0))
		return wrong(w, "exit", run->exit_reason);
	if (scn_text(l, "data") != NULL && run->system_event.data[0] != scn_number(l, "data", 0))
		return wrong(w, "event", run->system_event.data[0]);
	return err;
}

static int on_answer(void *world, const struct scn_line *l)
{
	struct world *w = world;
	le32 v;

	memcpy(&v, w->guest.answer + scn_number(l, "at", 0), sizeof v);
	if (le32_get(v) != scn_number(l, "is", 0))
		return wrong(w, "answer", le32_get(v));
	if (scn_has(l, "secrets")) /* the guest has its keys now */
		memcpy(w->vmpck, w->guest.answer + 8 + 0x20, sizeof w->vmpck);
	if (scn_text(l, "message") != NULL) {
		struct sim_message *m = (void *)(w->guest.answer + 8);
		struct sim_report_rsp rsp;
		w->seqno = le64_get(m->seqno);
		if (!message_open(w, m))
			return wrong(w, "tag", m->tag[0]);
		memcpy(&rsp, m->payload, sizeof rsp);
		if (le32_get(rsp.status) != scn_number(l, "message", 0))
			return wrong(w, "message status", le32_get(rsp.status));
	}
	return 0;
}

/* The monitor's answer to the exit. */
static int on_ret(void *world, const struct scn_line *l)
{
	struct world *w = world;
	struct kvm_run *run = vm_of(w)->run[vm_of(w)->vcpu_at];
	uint64_t ret = scn_number(l, "v", 0);
	struct abi_req_certs *e = (void *)((uint8_t *)run + ABI_RUN_UNION_AT);

	if (run->exit_reason == KVM_EXIT_HYPERCALL) {
		run->hypercall.ret = ret;
	} else {
		e->ret = ret;
		e->npages = scn_number(l, "pages", e->npages);
	}
	return 0;
}

/* --- /dev/sev -------------------------------------------------------------------------------- */

/*
 * dev NR [arg=none] [size=N] [is=N at=N [bytes=1|4]] [tcb=X flags=N] [hashstick=good|tag|svn]: the
 * argument is made for the command; two lengths are `size` (what the command returns stands in
 * `length`); `is` is what the argument has at `at` afterwards.
 */
static int dev_argument(struct world *w, const struct scn_line *l, uint32_t cmd, uint8_t arg[128])
{
	static uint8_t big[4][16384];
	static struct sim_hashstick h;
	uint32_t size = (uint32_t)scn_number(l, "size", cmd == 8 ? 64 : SIM_SEV_CERT_BYTES);
	struct wr out = wr_of(arg, 128);

	switch (cmd) {
	case SEV_PEK_CSR:
	case SEV_GET_ID2:
		wr_le64(&out, (uintptr_t)big[0]);
		wr_le32(&out, size);
		return 0;
	case SEV_PDH_CERT_EXPORT:
		wr_le64(&out, (uintptr_t)big[0]);
		wr_le32(&out, size);
		wr_le64(&out, (uintptr_t)big[1]);
		wr_le32(&out, 3 * size);
		return 0;
	case SEV_PEK_CERT_IMPORT:
		wr_le64(&out, (uintptr_t)big[0]);
		wr_le32(&out, size);
		wr_le64(&out, (uintptr_t)big[1]);
		wr_le32(&out, size);
		return 0;
	case 11: /* SNP_SET_CONFIG */
		for (unsigned int i = 0; i < 8; i++)
			wr_u8(&out, (uint8_t)scn_number(l, "tcb", 0));
		wr_le32(&out, (uint32_t)scn_number(l, "flags", 0));
		return 0;
	case 12: /* SNP_VLEK_LOAD */
		h = w->kit.minted.hashstick;
		h.tag[0] ^= scn_is(l, "hashstick", "tag");
		h.tcb[7] ^= scn_is(l, "hashstick", "svn");
		wr_le32(&out, (uint32_t)scn_number(l, "len", 16));
		wr_le32(&out, (uint32_t)scn_number(l, "version", 0));
		wr_le64(&out, (uintptr_t)&h);
		return 0;
	default:
		return 0;
	}
}

static int on_dev(void *world, const struct scn_line *l)
{
	struct world *w = world;
	uint32_t cmd = (uint32_t)strtoul(l->word[1], NULL, 0);
	uint8_t arg[128] = { 0 };
	struct abi_sev_issue issue = { .cmd = cmd, .error = ABI_SEV_NO_FW_CALL };
	uint64_t addr = scn_is(l, "arg", "none") ? 0 : (uintptr_t)arg;
	int err = dev_argument(w, l, cmd, arg);

	issue.data_lo = (uint32_t)addr;
	issue.data_hi = (uint32_t)(addr >> 32);
	if (err == 0)
		err = fw_ioctl(w->kit.sev_fd, ABI_SEV_ISSUE_CMD, &issue);
	if (scn_text(l, "is") != NULL) {
		le32 v = { 0 };
		memcpy(&v, arg + scn_number(l, "at", 0), scn_number(l, "bytes", 4));
		if (le32_get(v) != scn_number(l, "is", 0))
			return wrong(w, "argument", le32_get(v));
	}
	return checked(w, l, err, issue.error);
}

/* --- the program ----------------------------------------------------------------------------- */

static const struct scn_step steps[] = {
	{ "platform", on_platform, 2 },
	{ "fault", on_fault, 4 },
	{ "open", on_open, 1 },
	{ "vm", on_vm, 2 },
	{ "vm-use", on_vm_use, 2 },
	{ "vm-close", on_vm_close, 1 },
	{ "cap", on_cap, 3 },
	{ "attr", on_attr, 2 },
	{ "hypercalls", on_hypercalls, 1 },
	{ "init2", on_init2, 1 },
	{ "sev-init", on_sev_init, 1 },
	{ "es-init", on_es_init, 1 },
	{ "vcpu", on_vcpu, 1 },
	{ "vcpu-use", on_vcpu_use, 2 },
	{ "vcpu-close", on_vcpu_close, 1 },
	{ "vcpu-debug", on_vcpu_debug, 1 },
	{ "regs", on_registers, 2 },
	{ "sregs", on_registers, 2 },
	{ "fpu", on_registers, 2 },
	{ "debugregs", on_registers, 2 },
	{ "cpuid", on_cpuid, 1 },
	{ "msr", on_msr, 2 },
	{ "dr7", on_dr7, 2 },
	{ "gmem", on_gmem, 2 },
	{ "gmem-use", on_gmem_use, 2 },
	{ "gmem-close", on_gmem_close, 1 },
	{ "gmem-file", on_gmem_file, 1 },
	{ "region", on_region, 1 },
	{ "private", on_attribute, 1 },
	{ "shared", on_attribute, 1 },
	{ "punch", on_punch, 1 },
	{ "prefault", on_prefault, 1 },
	{ "fill", on_fill, 2 },
	{ "byte", on_byte, 2 },
	{ "lock", on_lock, 1 },
	{ "unlock", on_lock, 1 },
	{ "start", on_start, 1 },
	{ "data", on_data, 1 },
	{ "vmsa", on_plain_op, 1 },
	{ "measure", on_measure, 1 },
	{ "secret", on_secret, 1 },
	{ "finish", on_plain_op, 1 },
	{ "status", on_status, 1 },
	{ "report", on_report, 1 },
	{ "dbg", on_dbg, 2 },
	{ "digest", on_digest, 2 },
	{ "op", on_op, 2 },
	{ "snp-start", on_snp_start, 1 },
	{ "snp-update", on_snp_update, 1 },
	{ "snp-cpuid", on_snp_cpuid, 1 },
	{ "snp-finish", on_snp_finish, 1 },
	{ "certs", on_plain_op, 1 },
	{ "guest", on_guest, 2 },
	{ "run", on_run, 1 },
	{ "answer", on_answer, 2 },
	{ "ret", on_ret, 2 },
	{ "dev", on_dev, 2 },
};

static void *world_begin(void)
{
	static struct world w;

	memset(&w, 0, sizeof w);
	kit_init(&w.kit, SIM_MILAN, 3);
	w.mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w.mem == MAP_FAILED)
		scn_bad("memory");
	return &w;
}

static void world_end(void *world)
{
	struct world *w = world;

	for (unsigned int i = 0; i < w->n_vms; i++)
		for (unsigned int k = 0; k < w->vm[i].n_vcpus; k++)
			fw_close(w->vm[i].vcpu[k]);
	for (unsigned int i = 0; i < w->n_gmems; i++)
		fw_close(w->gmem[i]);
	for (unsigned int i = 0; i < w->n_vms; i++)
		fw_close(w->vm[i].fd);
	if (w->has_session)
		sev_session_auto(&w->session);
	(void)munmap(w->mem, MEM_BYTES);
	kit_done(&w->kit);
}

static struct why *world_why(void *world)
{
	struct world *w = world;

	return &w->why;
}

int main(int argc, char **argv)
{
	const struct scn_program program = { steps, ARRAY_LEN(steps), world_begin, world_end,
		world_why };

	return scn_main(&program, argc, argv);
}
