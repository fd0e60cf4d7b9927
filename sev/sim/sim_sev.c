#include "sev/sim/sim_sev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "sev/fw_error.h"
#include "sev/sim/sim_amd_port.h"
#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_port.h"
#include "sev/sim/sim_psp.h"
#include "sev/sim/sim_sev_mem.h"
#include "sev/sim/sim_vmsa.h"

#define GHCB_VERSION_MAX 2u
#define SNP_ID_FIRST     100u
#define REPORT_BYTES     208u
#define MEASURE_BYTES    48u
#define VMSA_FPU_AT      0x400u

/* ABI 2.7. */
#define POLICY_NODBG    (1u << 0)
#define POLICY_NOKS     (1u << 1)
#define POLICY_ES       (1u << 2)
#define POLICY_NOSEND   (1u << 3)
#define POLICY_RESERVED 0xFFC0u

/* GET_ATTESTATION_REPORT. ABI 2.5. */
struct wire_sev_report {
	uint8_t mnonce[16];
	uint8_t digest[SIM_SHA256_BYTES];
	le32 policy; /* the last that is signed */
	le32 sig_usage;
	le32 sig_algo;
	le32 reserved;
	uint8_t sig[2 * SNP_NUM_BYTES];
};
WIRE_SIZE(struct wire_sev_report, REPORT_BYTES);
WIRE_AT(struct wire_sev_report, sig_usage, 52);

static void *user_pointer(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

/* The caller's structure, in and out. */
static MUST_USE int arg_read(const struct abi_sev_cmd *cmd, void *ret, size_t len)
{
	if (cmd->data == 0)
		return -EFAULT;
	memcpy(ret, user_pointer(cmd->data), len);
	return 0;
}

static void arg_write(const struct abi_sev_cmd *cmd, const void *p, size_t len)
{
	memcpy(user_pointer(cmd->data), p, len);
}

/* --- initialisation -------------------------------------------------------------------------- */

static bool is_es(const struct sim_vm *vm)
{
	return vm->sev->class == SIM_ASID_ES;
}

static MUST_USE int asid_bind(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	uint32_t status = sim_psp_step(vm->m, SIM_INIT2);

	if (status != FW_SUCCESS)
		return sim_psp_result(status, &cmd->error);
	int err = sim_asid_take(vm->m, vm->sev->class);
	if (err == 0) {
		vm->sev->is_init = true;
		vm->m->is_sev_reset = false; /* KVM initialises the platform */
	}
	return err;
}

/* ABI 2.4. */
static int vm_init2(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct abi_sev_init init;
	int err = arg_read(cmd, &init, sizeof init);

	if (err < 0)
		return err;
	uint64_t offered = is_es(vm) ? vm->m->platform.vmsa_features & ~SNP_FEATURE_SECURE_TSC : 0;
	if (vm->sev->is_init || vm->sev->is_legacy || vm->n_vcpus > 0 || init.flags != 0 ||
		(init.vmsa_features & ~offered) != 0 ||
		init.ghcb_version > (is_es(vm) ? GHCB_VERSION_MAX : 0))
		return -EINVAL;
	vm->sev->features = init.vmsa_features;
	return asid_bind(vm, cmd);
}

/* --- the launch ------------------------------------------------------------------------------ */

#define IN(state) (1u << (state))

/* What the firmware says first: is there a guest, and is this its moment? ABI 7.2.1. */
static uint32_t moment_judge(const struct sim_vm *vm, uint32_t states)
{
	if (vm->sev->state == SIM_SEV_INVALID)
		return vm->m->guests != NULL ? FW_INVALID_GUEST : FW_INVALID_PLATFORM_STATE;
	return (states & IN(vm->sev->state)) != 0 ? FW_SUCCESS : FW_INVALID_GUEST_STATE;
}

static uint32_t command_judge(const struct sim_vm *vm, enum sim_command command, uint32_t states)
{
	uint32_t status = sim_psp_step(vm->m, command);

	return status == FW_SUCCESS ? moment_judge(vm, states) : status;
}

/* What LAUNCH_START was given. */
struct start {
	struct kvm_sev_launch_start arg;
	struct sim_transport transport;
	uint8_t key[SIM_AES_BYTES];
};

/* Only with an owner's certificate does the firmware look at API and reserved bits. ABI 7.2.2. */
static uint32_t session_judge(const struct sim_vm *vm, struct start *s)
{
	const struct sim_platform *p = &vm->m->platform;
	struct sim_sev_cert dh;
	struct sim_session_blob blob;
	uint32_t policy = s->arg.policy;
	uint32_t api = policy >> 16 & 0xFF, minor = policy >> 24;

	if (s->arg.dh_uaddr == 0)
		return sim_random(&s->transport, sizeof s->transport) == 0 ? FW_SUCCESS
									   : FW_HWSEV_RET_PLATFORM;
	if (s->arg.dh_len != sizeof dh || s->arg.session_uaddr == 0 ||
		s->arg.session_len != sizeof blob)
		return FW_INVALID_LEN;
	if ((policy & POLICY_RESERVED) != 0 || api > p->api_major ||
		(api == p->api_major && minor > p->api_minor))
		return FW_POLICY_FAILURE;
	memcpy(&dh, user_pointer(s->arg.dh_uaddr), sizeof dh);
	memcpy(&blob, user_pointer(s->arg.session_uaddr), sizeof blob);
	return sim_session_open(
		&vm->m->crypto, &vm->m->identity, &dh, &blob, policy, &s->transport);
}

/* Handle 0 is a new key; another is that of a guest which shares its own. ABI 2.5. */
static uint32_t key_judge(const struct sim_vm *vm, struct start *s)
{
	if (s->arg.handle == 0)
		return sim_random(s->key, sizeof s->key) == 0 ? FW_SUCCESS : FW_HWSEV_RET_PLATFORM;
	const struct sim_sev *other = vm->m->guests;
	while (other != NULL && other->handle != s->arg.handle)
		other = other->next;
	if (other == NULL)
		return FW_INVALID_GUEST;
	if ((other->policy & POLICY_NOKS) != 0 || other->policy != s->arg.policy)
		return FW_POLICY_FAILURE;
	memcpy(s->key, other->key, sizeof s->key);
	return FW_SUCCESS;
}

static uint32_t start_judge(const struct sim_vm *vm, struct start *s)
{
	bool wants_es = (s->arg.policy & POLICY_ES) != 0;
	uint32_t status = sim_psp_step(vm->m, SIM_LAUNCH_START);

	if (status == FW_SUCCESS)
		status = session_judge(vm, s);
	if (status == FW_SUCCESS && wants_es && (vm->m->platform.kinds & SIM_KIND_ES) == 0)
		status = FW_UNSUPPORTED;
	if (status == FW_SUCCESS)
		status = key_judge(vm, s);
	if (status == FW_SUCCESS)
		status = sim_psp_step(vm->m, SIM_ACTIVATE);
	if (status == FW_SUCCESS && vm->sev->state != SIM_SEV_INVALID)
		status = FW_ASID_OWNED;
	if (status == FW_SUCCESS && wants_es != is_es(vm))
		status = FW_INVALID_ASID;
	return status;
}

/* ABI 2.3: KVM copies blobs itself. */
static bool is_blob(uint64_t addr, uint32_t len)
{
	return addr == 0 || (len > 0 && len <= LIMIT_SIM_BLOB_BYTES);
}

static int launch_start(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct sim_sev *sev = vm->sev;
	struct start s = { 0 };
	int err = arg_read(cmd, &s.arg, sizeof s.arg);

	if (err == 0 && (!is_blob(s.arg.dh_uaddr, s.arg.dh_len) ||
				!is_blob(s.arg.session_uaddr, s.arg.session_len)))
		err = -EINVAL;
	if (err < 0)
		return err;
	uint32_t status = start_judge(vm, &s);
	if (status == FW_SUCCESS) {
		sev->sha = sim_sha256_new(&vm->m->crypto);
		sev->transport = s.transport;
		memcpy(sev->key, s.key, sizeof sev->key);
		sev->policy = s.arg.policy;
		sev->handle = s.arg.handle = ++vm->m->n_handles;
		sev->state = SIM_SEV_UPDATE;
		sev->next = vm->m->guests;
		vm->m->guests = sev;
		arg_write(cmd, &s.arg, sizeof s.arg);
	}
	explicit_bzero(&s, sizeof s);
	return sim_psp_result(status, &cmd->error);
}

static int launch_update_data(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct kvm_sev_launch_update_data u;
	int err = arg_read(cmd, &u, sizeof u);

	if (err == 0)
		err = sim_sev_check_pin(vm, u.uaddr, u.len);
	if (err < 0)
		return err;
	uint32_t status = command_judge(vm, SIM_LAUNCH_UPDATE_DATA, IN(SIM_SEV_UPDATE));
	if (status == FW_SUCCESS && !num_is_aligned(u.uaddr, SIM_AES_BYTES))
		status = FW_INVALID_ADDRESS;
	if (status == FW_SUCCESS && !num_is_aligned(u.len, SIM_AES_BYTES))
		status = FW_INVALID_LEN;
	if (status != FW_SUCCESS)
		return sim_psp_result(status, &cmd->error);
	sim_sha256_add(vm->sev->sha, user_pointer(u.uaddr), u.len);
	err = sim_sev_encrypt(vm, u.uaddr, u.len);
	return err == 0 ? sim_psp_result(FW_SUCCESS, &cmd->error) : err;
}

static MUST_USE int vmsa_update(struct sim_vm *vm, struct sim_vcpu *vcpu, struct abi_sev_cmd *cmd)
{
	struct snp_vmsa vmsa;

	if (vcpu->is_protected || vcpu->is_debugged)
		return -EINVAL;
	int err = sim_vmsa_read(vm->m->host, vcpu->fd, vm->sev->features, &vmsa);
	if (err < 0)
		return err;
	if (vm->sev->is_legacy) /* the FPU's part is not brought up to date: ABI 2.4 */
		memset((uint8_t *)&vmsa + VMSA_FPU_AT, 0, sizeof vmsa - VMSA_FPU_AT);
	uint32_t status = command_judge(vm, SIM_LAUNCH_UPDATE_VMSA, IN(SIM_SEV_UPDATE));
	if (status == FW_SUCCESS) {
		sim_sha256_add(vm->sev->sha, &vmsa, sizeof vmsa);
		vcpu->is_protected = true;
	}
	return sim_psp_result(status, &cmd->error);
}

static int launch_update_vmsa(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	int err = 0;

	if (!is_es(vm))
		return -ENOTTY;
	for (uint32_t i = 0; i < vm->n_vcpus && err == 0; i++)
		err = vmsa_update(vm, &vm->vcpu[i], cmd);
	return err;
}

/* A buffer that is too short learns the length it needs; nothing else changes. ABI 7.2.5. */
static MUST_USE int length_say(
	struct abi_sev_cmd *cmd, void *arg, size_t arg_len, uint32_t *len, uint32_t needed)
{
	*len = needed;
	arg_write(cmd, arg, arg_len);
	return sim_psp_result(FW_INVALID_LEN, &cmd->error);
}

static int launch_measure(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	const struct sim_platform *p = &vm->m->platform;
	struct kvm_sev_launch_measure a;
	struct sim_measured m = {
		.api = { p->api_major, p->api_minor, p->api_build },
		.policy = vm->sev->policy,
	};
	int err = arg_read(cmd, &a, sizeof a);

	if (err < 0)
		return err;
	if (a.len > LIMIT_SIM_BLOB_BYTES)
		return -EINVAL;
	uint32_t status = command_judge(vm, SIM_LAUNCH_MEASURE, IN(SIM_SEV_UPDATE));
	if (status == FW_SUCCESS && a.len < MEASURE_BYTES)
		return length_say(cmd, &a, sizeof a, &a.len, MEASURE_BYTES);
	if (status == FW_SUCCESS && a.uaddr == 0)
		status = FW_INVALID_ADDRESS;
	if (status == FW_SUCCESS && sim_random(m.nonce, sizeof m.nonce) < 0)
		status = FW_HWSEV_RET_PLATFORM;
	if (status != FW_SUCCESS)
		return sim_psp_result(status, &cmd->error);
	sim_sha256_get(vm->sev->sha, m.digest);
	sim_session_measure(&vm->m->crypto, vm->sev->transport.tik, &m, vm->sev->measure);
	uint8_t *to = user_pointer(a.uaddr);
	memcpy(to, vm->sev->measure, sizeof vm->sev->measure);
	memcpy(to + sizeof vm->sev->measure, m.nonce, sizeof m.nonce);
	vm->sev->state = SIM_SEV_SECRET;
	a.len = MEASURE_BYTES;
	arg_write(cmd, &a, sizeof a);
	return sim_psp_result(FW_SUCCESS, &cmd->error);
}

/* What KVM itself demands; pages that do not touch in memory are the usual case. ABI 7.2.6. */
static MUST_USE int secret_check(const struct sim_vm *vm, const struct kvm_sev_launch_secret *a)
{
	bool is_one_page = a->guest_uaddr / PAGE_BYTES ==
			   (a->guest_uaddr + MAX(a->guest_len, 1u) - 1) / PAGE_BYTES;
	int err = sim_sev_check_pin(vm, a->guest_uaddr, a->guest_len);

	if (err < 0)
		return err;
	if (!is_one_page && (vm->m->platform.flags & SIM_FLAG_CONTIGUOUS) == 0)
		return -EINVAL;
	if (a->hdr_uaddr == 0 || a->trans_uaddr == 0 || !is_blob(a->hdr_uaddr, a->hdr_len) ||
		!is_blob(a->trans_uaddr, a->trans_len))
		return -EINVAL;
	return 0;
}

static uint32_t secret_judge(const struct sim_vm *vm, const struct kvm_sev_launch_secret *a)
{
	uint32_t status = command_judge(vm, SIM_LAUNCH_SECRET, IN(SIM_SEV_SECRET));

	if (status != FW_SUCCESS)
		return status;
	if (a->hdr_len != sizeof(struct sim_secret_header) || a->guest_len != a->trans_len ||
		!num_is_aligned(a->guest_len, SIM_AES_BYTES) || a->guest_len > LIMIT_SIM_BLOB_BYTES)
		return FW_INVALID_LEN;
	return num_is_aligned(a->guest_uaddr, SIM_AES_BYTES) ? FW_SUCCESS : FW_INVALID_ADDRESS;
}

static int launch_secret(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	static uint8_t bytes[LIMIT_SIM_BLOB_BYTES];
	struct kvm_sev_launch_secret a;
	struct sim_secret_header h;
	int err = arg_read(cmd, &a, sizeof a);

	if (err == 0)
		err = secret_check(vm, &a);
	if (err < 0)
		return err;
	uint32_t status = secret_judge(vm, &a);
	if (status == FW_SUCCESS) {
		memcpy(&h, user_pointer(a.hdr_uaddr), sizeof h);
		memcpy(bytes, user_pointer(a.trans_uaddr), a.trans_len);
		status = sim_session_secret(&vm->m->crypto, &vm->sev->transport, vm->sev->measure,
			&h, bytes, a.trans_len);
	}
	if (status != FW_SUCCESS)
		return sim_psp_result(status, &cmd->error);
	/* A secret replaces what was there: take the old scrambling away first. */
	err = sim_ranges_set(
		&vm->sev->encrypted, a.guest_uaddr, a.guest_uaddr + a.guest_len, false);
	memcpy(user_pointer(a.guest_uaddr), bytes, a.guest_len);
	explicit_bzero(bytes, sizeof bytes);
	if (err == 0)
		err = sim_sev_encrypt(vm, a.guest_uaddr, a.guest_len);
	return err == 0 ? sim_psp_result(FW_SUCCESS, &cmd->error) : err;
}

static int launch_finish(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	uint32_t status = command_judge(vm, SIM_LAUNCH_FINISH, IN(SIM_SEV_SECRET));

	if (status == FW_SUCCESS) {
		vm->sev->state = SIM_SEV_RUNNING;
		vm->is_launched = true;
		sim_sev_open(vm);
	}
	return sim_psp_result(status, &cmd->error);
}

/* --- beside the launch ----------------------------------------------------------------------- */

static int guest_status(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	const struct kvm_sev_guest_status s = {
		.handle = vm->sev->handle,
		.policy = vm->sev->policy,
		.state = (uint32_t)vm->sev->state,
	};
	uint32_t status = command_judge(vm, SIM_GUEST_STATUS, UINT32_MAX);

	if (status == FW_SUCCESS && cmd->data == 0)
		return -EFAULT;
	if (status == FW_SUCCESS)
		arg_write(cmd, &s, sizeof s);
	return sim_psp_result(status, &cmd->error);
}

static MUST_USE int report_make(
	const struct sim_vm *vm, const uint8_t mnonce[16], struct wire_sev_report *ret)
{
	struct snp_signature sig;
	struct wire_sev_report r = {
		.policy = le32_of(vm->sev->policy),
		.sig_usage = le32_of(SIM_USAGE_PEK),
		.sig_algo = le32_of(SIM_ALGO_ECDSA_SHA256),
	};

	memcpy(r.mnonce, mnonce, sizeof r.mnonce);
	sim_sha256_get(vm->sev->sha, r.digest);
	int err = sim_identity_sign(
		&vm->m->identity, &r, offsetof(struct wire_sev_report, sig_usage), &sig);
	memcpy(r.sig, &sig, sizeof r.sig);
	*ret = r;
	return err;
}

static int attestation_report(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	struct kvm_sev_attestation_report a;
	struct wire_sev_report r;
	int err = arg_read(cmd, &a, sizeof a);

	if (err < 0)
		return err;
	if (a.len > LIMIT_SIM_BLOB_BYTES)
		return -EINVAL;
	uint32_t status =
		command_judge(vm, SIM_ATTESTATION, IN(SIM_SEV_SECRET) | IN(SIM_SEV_RUNNING));
	if (status == FW_SUCCESS && a.len < sizeof r)
		return length_say(cmd, &a, sizeof a, &a.len, sizeof r);
	if (status == FW_SUCCESS && a.uaddr == 0)
		status = FW_INVALID_ADDRESS;
	if (status == FW_SUCCESS && report_make(vm, a.mnonce, &r) < 0)
		status = FW_HWSEV_RET_PLATFORM;
	if (status != FW_SUCCESS)
		return sim_psp_result(status, &cmd->error);
	memcpy(user_pointer(a.uaddr), &r, sizeof r);
	a.len = sizeof r;
	arg_write(cmd, &a, sizeof a);
	return sim_psp_result(FW_SUCCESS, &cmd->error);
}

/* Both are a copy, but for bytes that are scrambled as long as the launch lasts. ABI 2.3. */
static MUST_USE int debug_copy(
	struct sim_vm *vm, struct abi_sev_cmd *cmd, enum sim_command command, bool is_decrypt)
{
	struct kvm_sev_dbg d;
	uint64_t end;
	int err = arg_read(cmd, &d, sizeof d);

	if (err < 0)
		return err;
	if (d.len == 0 || d.dst_uaddr == 0 || num_add(&end, d.src_uaddr, d.len) < 0)
		return -EINVAL;
	uint32_t status = command_judge(
		vm, command, IN(SIM_SEV_UPDATE) | IN(SIM_SEV_SECRET) | IN(SIM_SEV_RUNNING));
	if (status == FW_SUCCESS && (vm->sev->policy & POLICY_NODBG) != 0)
		status = FW_POLICY_FAILURE;
	if (status != FW_SUCCESS)
		return sim_psp_result(status, &cmd->error);
	uint64_t guest = is_decrypt ? d.src_uaddr : d.dst_uaddr;
	bool is_scrambled = sim_sev_is_encrypted(vm->sev, guest, guest + d.len) &&
			    num_is_aligned(guest | d.len, SIM_AES_BYTES);
	if (is_scrambled)
		sim_sev_flip(vm, guest, d.len);
	memmove(user_pointer(d.dst_uaddr), user_pointer(d.src_uaddr), d.len);
	if (is_scrambled)
		sim_sev_flip(vm, guest, d.len);
	return sim_psp_result(FW_SUCCESS, &cmd->error);
}

static int dbg_decrypt(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	return debug_copy(vm, cmd, SIM_DBG_DECRYPT, true);
}

static int dbg_encrypt(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	return debug_copy(vm, cmd, SIM_DBG_ENCRYPT, false);
}

/* Migration is not simulated: where the policy does not forbid it, the firmware has no such thing. */
static int send_any(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	uint32_t status = moment_judge(vm, IN(SIM_SEV_RUNNING));

	if (status == FW_SUCCESS)
		status =
			(vm->sev->policy & POLICY_NOSEND) != 0 ? FW_POLICY_FAILURE : FW_UNSUPPORTED;
	return sim_psp_result(status, &cmd->error);
}

static int send_later(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	return sim_psp_result(moment_judge(vm, 0), &cmd->error);
}

static int receive_any(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	(void)vm;
	return sim_psp_result(FW_UNSUPPORTED, &cmd->error);
}

/* --- commands -------------------------------------------------------------------------------- */

/* What is not here is EINVAL: unknown, or never implemented by KVM (ABI 2.3). */
static const struct {
	uint32_t id;
	int (*run)(struct sim_vm *vm, struct abi_sev_cmd *cmd);
} commands[] = {
	{ KVM_SEV_LAUNCH_START, launch_start },
	{ KVM_SEV_LAUNCH_UPDATE_DATA, launch_update_data },
	{ KVM_SEV_LAUNCH_UPDATE_VMSA, launch_update_vmsa },
	{ KVM_SEV_LAUNCH_SECRET, launch_secret },
	{ KVM_SEV_LAUNCH_MEASURE, launch_measure },
	{ KVM_SEV_LAUNCH_FINISH, launch_finish },
	{ KVM_SEV_SEND_START, send_any },
	{ KVM_SEV_SEND_UPDATE_DATA, send_later },
	{ KVM_SEV_SEND_FINISH, send_later },
	{ KVM_SEV_SEND_CANCEL, send_later },
	{ KVM_SEV_RECEIVE_START, receive_any },
	{ KVM_SEV_RECEIVE_UPDATE_DATA, send_later },
	{ KVM_SEV_RECEIVE_FINISH, send_later },
	{ KVM_SEV_GUEST_STATUS, guest_status },
	{ KVM_SEV_DBG_DECRYPT, dbg_decrypt },
	{ KVM_SEV_DBG_ENCRYPT, dbg_encrypt },
	{ KVM_SEV_GET_ATTESTATION_REPORT, attestation_report },
};

static MUST_USE int sev_command(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	if (cmd->id == ABI_SEV_INIT2)
		return vm_init2(vm, cmd);
	if (cmd->id >= SNP_ID_FIRST) /* ABI 7.2.7 */
		return cmd->id == ABI_SNP_LAUNCH_UPDATE || cmd->id > ABI_SNP_ENABLE_REQ_CERTS
			       ? -EINVAL
			       : -ENOTTY;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (commands[i].id != cmd->id)
			continue;
		if (!vm->sev->is_init)
			return -ENOTTY;
		if ((int)cmd->sev_fd != vm->m->sev_fd)
			return -EBADF;
		return commands[i].run(vm, cmd);
	}
	return -EINVAL;
}

/* --- the kinds ------------------------------------------------------------------------------- */

static bool sev_is_offered(const struct sim_machine *m)
{
	return m->platform.has_sev && (m->platform.kinds & SIM_KIND_SEV) != 0;
}

static bool es_is_offered(const struct sim_machine *m)
{
	return m->platform.has_sev && (m->platform.kinds & SIM_KIND_ES) != 0;
}

static bool legacy_is_offered(const struct sim_machine *m)
{
	(void)m;
	return false; /* nobody creates one: sim_sev_legacy_command() */
}

static MUST_USE int state_new(struct sim_vm *vm, enum sim_asid class)
{
	vm->sev = calloc(1, sizeof *vm->sev);
	if (vm->sev == NULL)
		return -ENOMEM;
	vm->sev->class = class;
	return 0;
}

static int sev_create(struct sim_vm *vm)
{
	return state_new(vm, SIM_ASID_SEV);
}

static int es_create(struct sim_vm *vm)
{
	return state_new(vm, SIM_ASID_ES);
}

static void sev_release(struct sim_vm *vm)
{
	struct sim_sev **at = &vm->m->guests;

	while (*at != NULL && *at != vm->sev)
		at = &(*at)->next;
	if (*at != NULL)
		*at = vm->sev->next;
	if (vm->sev->is_init)
		sim_asid_give(vm->m, vm->sev->class);
	sim_ranges_done(&vm->sev->encrypted);
	sim_sha256_free(vm->sev->sha);
	explicit_bzero(vm->sev, sizeof *vm->sev);
	free(vm->sev);
	vm->sev = NULL;
}

static int sev_vm_ioctl(struct sim_vm *vm, unsigned long request, unsigned long arg)
{
	const struct kvm_enc_region *region = (const void *)arg;
	bool is_region = request == KVM_MEMORY_ENCRYPT_REG_REGION ||
			 request == KVM_MEMORY_ENCRYPT_UNREG_REGION;

	if (request == ABI_MEMORY_ENCRYPT_OP)
		return arg != 0 ? sev_command(vm, (void *)arg) : 0;
	if (!is_region)
		return SIM_PASS;
	if (!vm->sev->is_init)
		return -ENOTTY;
	if (region == NULL)
		return -EFAULT;
	return request == KVM_MEMORY_ENCRYPT_REG_REGION ? sim_sev_register(vm, region)
							: sim_sev_unregister(vm, region);
}

static int sev_run_check(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	return vm->is_launched && (!is_es(vm) || vcpu->is_protected) ? 0 : -EINVAL;
}

static int es_run_end(struct sim_vm *vm, struct sim_vcpu *vcpu)
{
	return sim_port_owns(vcpu->run) ? sim_amd_port_step(vm, vcpu) : 0;
}

static void sev_digest(const struct sim_vm *vm, uint8_t ret[SNP_DIGEST_BYTES])
{
	memset(ret, 0, SNP_DIGEST_BYTES);
	if (vm->sev->sha != NULL)
		sim_sha256_get(vm->sev->sha, ret);
}

const struct sim_kind sim_kind_sev = {
	.vm_type = ABI_VM_TYPE_SEV,
	.is_offered = sev_is_offered,
	.create = sev_create,
	.release = sev_release,
	.vm_ioctl = sev_vm_ioctl,
	.run_check = sev_run_check,
	.digest = sev_digest,
};

const struct sim_kind sim_kind_sev_es = {
	.vm_type = ABI_VM_TYPE_SEV_ES,
	.has_sealed = true,
	.is_offered = es_is_offered,
	.create = es_create,
	.release = sev_release,
	.vm_ioctl = sev_vm_ioctl,
	.run_check = sev_run_check,
	.run_end = es_run_end,
	.digest = sev_digest,
};

/* --- a default VM ---------------------------------------------------------------------------- */

int sim_sev_legacy_command(struct sim_vm *vm, struct abi_sev_cmd *cmd)
{
	bool wants_es = cmd->id == KVM_SEV_ES_INIT;

	if (cmd->id == KVM_SEV_INIT || wants_es) {
		if (vm->n_vcpus > 0)
			return -EINVAL;
		int err = state_new(vm, wants_es ? SIM_ASID_ES : SIM_ASID_SEV);
		if (err == 0)
			err = asid_bind(vm, cmd);
		if (err == 0) {
			vm->sev->is_legacy = true;
			vm->kind = &sim_kind_legacy;
		} else if (vm->sev != NULL) {
			sev_release(vm);
		}
		return err;
	}
	if (cmd->id == ABI_SNP_LAUNCH_UPDATE || cmd->id > ABI_SNP_ENABLE_REQ_CERTS ||
		cmd->id == ABI_SEV_INIT2)
		return -EINVAL;
	return -ENOTTY;
}

/* Once encrypted, registers can still be asked for, and written to no effect. ABI 5.1. */
static int legacy_vcpu_ioctl(
	struct sim_vm *vm, struct sim_vcpu *vcpu, unsigned long request, unsigned long arg)
{
	static const unsigned long writes[] = { KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_SREGS2,
		KVM_SET_XCRS, KVM_SET_FPU, KVM_SET_XSAVE, KVM_SET_DEBUGREGS };

	(void)vm;
	(void)arg;
	for (size_t i = 0; vcpu->is_protected && i < ARRAY_LEN(writes); i++)
		if (writes[i] == request)
			return 0;
	return SIM_BELOW;
}

static int legacy_vm_ioctl(struct sim_vm *vm, unsigned long request, unsigned long arg)
{
	int ret = sev_vm_ioctl(vm, request, arg);

	if (ret != SIM_PASS)
		return ret;
	return request == KVM_CREATE_VCPU ? SIM_PASS : SIM_BELOW;
}

const struct sim_kind sim_kind_legacy = {
	.vm_type = UINT32_MAX,
	.is_offered = legacy_is_offered,
	.release = sev_release,
	.vm_ioctl = legacy_vm_ioctl,
	.vcpu_ioctl = legacy_vcpu_ioctl,
	.run_check = sev_run_check,
	.digest = sev_digest,
};
