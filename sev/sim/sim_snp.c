#include "sev/sim/sim_snp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "sev/fw_error.h"
#include "sev/sim/sim_amd_port.h"
#include "sev/sim/sim_digest.h"
#include "sev/sim/sim_id.h"
#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_port.h"
#include "sev/sim/sim_psp.h"
#include "sev/sim/sim_vmsa.h"

#define GHCB_VERSION_MAX 2u
#define SNP_ID_FIRST     100u /* below: commands of SEV and SEV-ES */

/* The firmware answered: its status, as KVM passes it on. */
static MUST_USE int firmware_says(struct abi_sev_cmd *cmd, uint32_t status)
{
	return sim_psp_result(status, &cmd->error);
}

static void *user_pointer(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

/* ABI 2.4. */
static MUST_USE int init_check(const struct sim_vm *vm, const struct abi_sev_init *init)
{
	if (vm->n_vcpus > 0 || init->flags != 0 ||
		(init->vmsa_features & ~vm->m->platform.vmsa_features) != 0 ||
		(init->vmsa_features & SNP_FEATURE_ACTIVE) != 0 ||
		init->ghcb_version > GHCB_VERSION_MAX || init->ghcb_version == 1)
		return -EINVAL;
	return 0;
}

static MUST_USE int vm_init(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct abi_sev_init init;

	if (cmd->data == 0)
		return -EFAULT;
	memcpy(&init, user_pointer(cmd->data), sizeof init);
	int err = init_check(vm, &init);
	if (err < 0)
		return err;
	uint32_t status = sim_psp_step(vm->m, SIM_INIT2);
	if (status != FW_SUCCESS)
		return firmware_says(cmd, status);
	err = sim_asid_take(vm->m, SIM_ASID_SNP);
	if (err < 0)
		return err;
	vm->snp->is_init = true;
	vm->snp->features = init.vmsa_features | SNP_FEATURE_ACTIVE;
	return 0;
}

/* What the firmware itself says about a policy. ABI 2.6, 2.7. */
static uint32_t policy_judge(const struct sim_platform *p, uint64_t policy)
{
	unsigned int major = (unsigned int)(policy >> 8 & 0xFF);
	unsigned int minor = (unsigned int)(policy & 0xFF);

	if ((p->flags & SIM_FLAG_SMT) != 0 && (policy & SNP_POLICY_SMT) == 0)
		return FW_POLICY_FAILURE;
	if (major > p->api_major || (major == p->api_major && minor > p->api_minor))
		return FW_POLICY_FAILURE;
	return FW_SUCCESS;
}

static MUST_USE int launch_start(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct abi_snp_start start;

	if (!vm->snp->is_init)
		return -ENOTTY;
	if (cmd->data == 0)
		return -EFAULT;
	memcpy(&start, user_pointer(cmd->data), sizeof start);
	if (vm->snp->state != SIM_GUEST_NONE || start.flags != 0 ||
		(start.policy & ~vm->m->platform.policy_mask) != 0 ||
		(start.policy & SNP_POLICY_ONE) == 0)
		return -EINVAL;
	uint32_t status = sim_psp_step(vm->m, SIM_SNP_LAUNCH_START);
	if (status == FW_SUCCESS)
		status = policy_judge(&vm->m->platform, start.policy);
	if (status == FW_SUCCESS)
		status = sim_psp_step(vm->m, SIM_ACTIVATE);
	if (status != FW_SUCCESS)
		return firmware_says(cmd, status);
	vm->snp->policy = start.policy;
	memset(vm->snp->ld, 0, sizeof vm->snp->ld);
	vm->snp->state = SIM_GUEST_LAUNCH;
	return firmware_says(cmd, FW_SUCCESS);
}

/* The firmware fills the secrets page; its keys stay out of the monitor's reach (ABI 7.2.18). */
static uint32_t secrets_make(struct sim_vm *vm)
{
	struct snp_secrets_page s = {
		.version = le32_of(SNP_SECRETS_VERSION),
		.fms = le32_of(vm->m->platform.fms),
	};

	if (sim_random(s.vmpck, sizeof s.vmpck) < 0)
		return FW_HWSEV_RET_PLATFORM;
	vm->snp->secrets = s;
	return FW_SUCCESS;
}

static uint32_t cpuid_judge(struct sim_vm *vm, uint8_t *page)
{
	struct snp_cpuid_page p;
	bool is_fixable;

	memcpy(&p, page, sizeof p);
	if (sim_cpuid_check(&vm->m->cpuid, &p, &is_fixable))
		return FW_SUCCESS;
	if (is_fixable)
		memcpy(page, &p, sizeof p); /* the corrected table goes back to the caller */
	return FW_INVALID_PARAM;
}

/* One page through the firmware; the guest's memory and the digest change only on success. */
static uint32_t page_load(
	struct sim_vm *vm, const struct sim_slot *slot, uint8_t type, uint64_t gpa, uint8_t *src)
{
	uint32_t status = sim_psp_step(vm->m, SIM_SNP_LAUNCH_UPDATE);

	if (status == FW_SUCCESS && vm->snp->state != SIM_GUEST_LAUNCH)
		status = FW_INVALID_GUEST_STATE;
	if (status == FW_SUCCESS && type == SNP_PAGE_SECRETS)
		status = secrets_make(vm);
	if (status == FW_SUCCESS && type == SNP_PAGE_CPUID)
		status = cpuid_judge(vm, src);
	if (status != FW_SUCCESS)
		return status;
	uint8_t *to = slot->host + (gpa - slot->gpa);
	if (type == SNP_PAGE_ZERO || type == SNP_PAGE_SECRETS)
		memset(to, 0, SNP_PAGE_BYTES);
	else
		memcpy(to, src, SNP_PAGE_BYTES);
	sim_digest_extend(&vm->m->crypto, vm->snp->ld, type, gpa, src);
	return FW_SUCCESS;
}

static MUST_USE int update_check(const struct sim_vm *vm, const struct abi_snp_update *u)
{
	if (u->flags != 0 || u->len == 0 || !num_is_aligned(u->len, PAGE_BYTES))
		return -EINVAL;
	if (u->type != SNP_PAGE_NORMAL && (u->type < SNP_PAGE_ZERO || u->type > SNP_PAGE_CPUID))
		return -EINVAL;
	if (u->type != SNP_PAGE_ZERO && !num_is_aligned(u->uaddr, PAGE_BYTES))
		return -EINVAL;
	return 0;
}

/* One page with what KVM demands before it asks the firmware: those refusals are EIO, error 0. */
static MUST_USE int update_page(struct sim_vm *vm, const struct sim_slot *slot,
	const struct abi_snp_update *u, uint64_t gpa, struct abi_sev_cmd *cmd)
{
	uint64_t until;
	uint8_t *src = u->type == SNP_PAGE_ZERO ? NULL : user_pointer(u->uaddr);

	if (!sim_ranges_get(&vm->is_private, gpa, &until) ||
		sim_ranges_get(&vm->added, gpa, &until) ||
		(src == NULL && u->type != SNP_PAGE_ZERO))
		return cmd->error = 0, -EIO;
	uint32_t status = page_load(vm, slot, u->type, gpa, src);
	if (status != FW_SUCCESS)
		return firmware_says(cmd, status);
	return sim_ranges_set(&vm->added, gpa, gpa + PAGE_BYTES, true);
}

static MUST_USE int launch_update(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct abi_snp_update u;
	int err = 0;

	if (!vm->snp->is_init || vm->snp->state == SIM_GUEST_NONE ||
		vm->snp->state == SIM_GUEST_BROKEN)
		return -EINVAL;
	if (cmd->data == 0)
		return -EFAULT;
	memcpy(&u, user_pointer(cmd->data), sizeof u);
	err = update_check(vm, &u);
	if (err < 0)
		return err;
	const struct sim_slot *slot = u.gfn_start > UINT64_MAX / PAGE_BYTES
					      ? NULL
					      : sim_vm_find_slot(vm, u.gfn_start * PAGE_BYTES);
	if (slot == NULL)
		return -EINVAL;
	if (sim_is_signal(vm->m)) /* EIO with error 0: nothing was done. ABI 2.6 */
		return cmd->error = 0, -EIO;
	uint64_t gpa = u.gfn_start * PAGE_BYTES;
	uint64_t in_slot = slot->size - (gpa - slot->gpa);
	uint64_t n = sim_pages_to_do(vm->m, MIN(u.len, in_slot) / PAGE_BYTES);
	uint64_t done = 0;
	for (; done < n; done++) {
		err = update_page(vm, slot, &u, gpa + done * PAGE_BYTES, cmd);
		if (err < 0)
			break;
		if (u.type != SNP_PAGE_ZERO)
			u.uaddr += PAGE_BYTES;
	}
	if (done == 0)
		return err;
	/* KVM keeps quiet about the failure: it happens again when the caller comes back. */
	if (err == -EIO && cmd->error != 0)
		vm->m->platform.script.seen[SIM_SNP_LAUNCH_UPDATE]--;
	u.gfn_start += done;
	u.len -= done * PAGE_BYTES;
	memcpy(user_pointer(cmd->data), &u, sizeof u);
	return firmware_says(cmd, FW_SUCCESS);
}

/* KVM measures every vCPU's state, in index order; after that its registers are out of reach. */
static MUST_USE int vmsas_load(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	for (uint32_t i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpu[i].is_protected || vm->vcpu[i].is_debugged)
			return -EINVAL;
	for (uint32_t i = 0; i < vm->n_vcpus; i++) {
		struct snp_vmsa vmsa;
		int err = sim_vmsa_read(vm->m->host, vm->vcpu[i].fd, vm->snp->features, &vmsa);
		if (err < 0)
			return err;
		uint32_t status = sim_psp_step(vm->m, SIM_SNP_LAUNCH_UPDATE);
		if (status != FW_SUCCESS)
			return firmware_says(cmd, status);
		sim_digest_extend(&vm->m->crypto, vm->snp->ld, SNP_PAGE_VMSA, SNP_VMSA_GPA, &vmsa);
		vm->vcpu[i].is_protected = true;
	}
	return 0;
}

/* What FINISH is about, as KVM copies it before it asks the firmware. */
struct identity {
	struct snp_id_block block;
	struct snp_id_auth auth;
};

static MUST_USE int identity_read(const struct abi_snp_finish *f, struct identity *ret)
{
	if (f->id_block_en == 0)
		return 0;
	if (f->id_block_uaddr == 0 || f->id_auth_uaddr == 0)
		return -EFAULT;
	memcpy(&ret->block, user_pointer(f->id_block_uaddr), sizeof ret->block);
	memcpy(&ret->auth, user_pointer(f->id_auth_uaddr), sizeof ret->auth);
	return 0;
}

static void identity_keep(struct sim_vm *vm, const struct identity *id, bool has_author)
{
	struct sim_snp *snp = vm->snp;

	snp->has_id_block = true;
	snp->has_author_key = has_author;
	snp->id_block = id->block;
	sim_sha384(
		&vm->m->crypto, &id->auth.id_pubkey, sizeof id->auth.id_pubkey, snp->id_key_digest);
	if (has_author)
		sim_sha384(&vm->m->crypto, &id->auth.author_pubkey, sizeof id->auth.author_pubkey,
			snp->author_key_digest);
}

static MUST_USE int firmware_finish(
	struct sim_vm *vm, const struct abi_snp_finish *f, struct abi_sev_cmd *cmd)
{
	struct sim_launch launch = { .policy = vm->snp->policy };
	struct identity id;
	bool has_author = f->auth_key_en != 0; /* without an ID block: ignored */
	int err = identity_read(f, &id);

	if (err < 0)
		return err;
	uint32_t status = sim_psp_step(vm->m, SIM_SNP_LAUNCH_FINISH);
	memcpy(launch.ld, vm->snp->ld, sizeof launch.ld);
	if (status == FW_SUCCESS && f->id_block_en != 0)
		status = sim_id_check(&launch, &id.block, &id.auth, has_author);
	if (status == FW_SUCCESS && sim_random(vm->snp->report_id, sizeof vm->snp->report_id) < 0)
		status = FW_HWSEV_RET_PLATFORM;
	if (status == FW_SUCCESS && f->id_block_en != 0)
		identity_keep(vm, &id, has_author);
	return firmware_says(cmd, status);
}

static MUST_USE int launch_finish(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct abi_snp_finish f;

	if (!vm->snp->is_init)
		return -ENOTTY;
	if (vm->snp->state == SIM_GUEST_NONE || vm->snp->state == SIM_GUEST_BROKEN)
		return -EINVAL;
	if (cmd->data == 0)
		return -EFAULT;
	memcpy(&f, user_pointer(cmd->data), sizeof f);
	if (f.flags != 0)
		return -EINVAL;
	int err = vmsas_load(vm, cmd);
	if (err < 0) {
		/* With one vCPU taken there is no way back; with none it can be tried again. */
		if (vm->n_vcpus > 0 && vm->vcpu[0].is_protected &&
			vm->snp->state == SIM_GUEST_LAUNCH)
			vm->snp->state = SIM_GUEST_BROKEN;
		return err;
	}
	if (vm->snp->state == SIM_GUEST_RUNNING) /* only a VM without vCPUs gets here */
		return firmware_says(cmd, FW_INVALID_GUEST_STATE);
	err = firmware_finish(vm, &f, cmd);
	if (err < 0) {
		vm->snp->state = SIM_GUEST_BROKEN;
		return err;
	}
	memcpy(vm->snp->host_data, f.host_data, sizeof vm->snp->host_data);
	vm->snp->is_vcek_disabled = (f.vcek_disabled & 1) != 0;
	vm->snp->state = SIM_GUEST_RUNNING;
	vm->is_launched = true;
	sim_vm_erase_rest(vm);
	return firmware_says(cmd, FW_SUCCESS);
}

/* Before any vCPU. ABI 3.5. */
static MUST_USE int certs_enable(struct sim_vm *vm)
{
	if ((vm->m->platform.flags & SIM_FLAG_NO_CERTS) != 0)
		return -EINVAL;
	if (!vm->snp->is_init)
		return -ENOTTY;
	if (vm->n_vcpus > 0)
		return -EINVAL;
	vm->snp->has_certs = true;
	return 0;
}

static MUST_USE int snp_command(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	/* ABI 2.3: an initialised SNP VM takes no command of the older kinds, INIT2 included. */
	if (vm->snp->is_init && cmd->id < SNP_ID_FIRST)
		return -EPERM;
	if (cmd->id == ABI_SNP_ENABLE_REQ_CERTS)
		return certs_enable(vm);
	if ((int)cmd->sev_fd != vm->m->sev_fd && cmd->id != ABI_SEV_INIT2)
		return -EBADF;
	switch (cmd->id) {
	case ABI_SEV_INIT2:
		return vm_init(vm, cmd);
	case ABI_SNP_LAUNCH_START:
		return launch_start(vm, cmd);
	case ABI_SNP_LAUNCH_UPDATE:
		return launch_update(vm, cmd);
	case ABI_SNP_LAUNCH_FINISH:
		return launch_finish(vm, cmd);
	default: /* not an enum of ours: any number may come */
		return -EINVAL;
	}
}

/* --- the kind -------------------------------------------------------------------------------- */

static bool snp_is_offered(const struct sim_machine *m)
{
	return m->platform.has_sev && (m->platform.kinds & SIM_KIND_SNP) != 0 &&
	       (m->platform.flags & SIM_FLAG_NO_SNP) == 0;
}

static int snp_create(struct sim_vm *vm)
{
	vm->snp = calloc(1, sizeof *vm->snp);
	return vm->snp != NULL ? 0 : -ENOMEM;
}

static void snp_release(struct sim_vm *vm)
{
	if (vm->snp->is_init)
		sim_asid_give(vm->m, SIM_ASID_SNP);
	explicit_bzero(vm->snp, sizeof *vm->snp);
	free(vm->snp);
	vm->snp = NULL;
}

static int snp_vm_ioctl(struct sim_vm *vm, unsigned long request, unsigned long arg)
{
	struct abi_sev_cmd *cmd = (void *)arg;

	switch (request) {
	case ABI_MEMORY_ENCRYPT_OP:
		return cmd != NULL ? snp_command(vm, cmd) : 0;
	case KVM_MEMORY_ENCRYPT_REG_REGION:
	case KVM_MEMORY_ENCRYPT_UNREG_REGION:
		return 0; /* accepted and harmless on SNP: ABI 2.5 */
	default:
		return SIM_PASS;
	}
}

static int snp_run_check(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	if (!vcpu->is_protected || !vm->is_launched)
		return -EINVAL;
	return sim_amd_port_complete(vm, vcpu);
}

static int snp_run_end(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	return sim_port_owns(vcpu->run) ? sim_amd_port_step(vm, vcpu) : 0;
}

static void snp_digest(const struct sim_vm *vm, uint8_t ret[SNP_DIGEST_BYTES])
{
	memcpy(ret, vm->snp->ld, SNP_DIGEST_BYTES);
}

const struct sim_kind sim_kind_snp = {
	.vm_type = ABI_VM_TYPE_SNP,
	.has_gmem = true,
	.has_sealed = true,
	.is_offered = snp_is_offered,
	.create = snp_create,
	.release = snp_release,
	.vm_ioctl = snp_vm_ioctl,
	.run_check = snp_run_check,
	.run_end = snp_run_end,
	.digest = snp_digest,
};
