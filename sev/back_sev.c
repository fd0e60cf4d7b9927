/*
 * AMD SEV and SEV-ES: ordinary memory, encrypted in place; the launch stops at a measurement that
 * the guest's owner may judge before it gives a secret. ABI 2.3 to 2.5, 2.12.
 */
#include <errno.h>
#include <linux/psp-sev.h>
#include <string.h>

#include "sev/abi_kvm.h"
#include "sev/back.h"
#include "sev/fw.h"
#include "sev/sev_cmd.h"

#define POLICY_ES       (1ull << 2) /* ABI 2.7 */
#define POLICY_RESERVED 0xffc0ull   /* bits 15:6 */
#define SEV_GRAIN       16u         /* what the firmware encrypts at a time */
#define MEASURE_BYTES   48u         /* hmac, mnonce: ABI 2.5 */

/* The kernel's headers have these; what is written here is that they are the specification's. */
WIRE_SIZE(struct kvm_sev_launch_start, 40);
WIRE_SIZE(struct kvm_sev_launch_update_data, 16);
WIRE_SIZE(struct kvm_sev_launch_measure, 16);
WIRE_SIZE(struct kvm_sev_launch_secret, 48);
WIRE_SIZE(struct sev_user_data_status, 12);
WIRE_SIZE(struct kvm_enc_region, 16);
_Static_assert(KVM_MEMORY_ENCRYPT_REG_REGION == 0x8010aebb, "ABI 1.1");

static bool is_es(const struct guest *g)
{
	return g->kind == GUEST_SEV_ES;
}

/* API version and build of the platform: the owner's tools put them into the measurement's HMAC. */
static MUST_USE int platform_read(struct guest *g, struct why *why)
{
	struct sev_user_data_status status = { 0 };
	struct abi_sev_issue cmd = {
		.cmd = SEV_PLATFORM_STATUS,
		.data_lo = (uint32_t)(uintptr_t)&status,
		.data_hi = (uint32_t)((uintptr_t)&status >> 32),
	};
	int err = fw_ioctl(g->sev_fd, ABI_SEV_ISSUE_CMD, &cmd);

	if (err < 0)
		return why_set(
			why, err, "PLATFORM_STATUS: /dev/sev says %s", strerrorname_np(-err));
	g->platform.api_major = status.api_major;
	g->platform.api_minor = status.api_minor;
	g->platform.build = status.build;
	return 0;
}

static int sev_open(struct guest *g, const struct guest_setup *setup, struct why *why)
{
	const unsigned int type = is_es(g) ? ABI_VM_TYPE_SEV_ES : ABI_VM_TYPE_SEV;
	struct abi_sev_init init = { .vmsa_features = setup->vmsa_features };
	int err = sev_cmd_check_host(g, type, setup->vmsa_features, why);

	if (err < 0)
		return err;
	g->sev_dh = setup->sev_dh;
	g->session = setup->sev_session;
	g->vm_fd = fw_ioctl_int(g->kvm_fd, KVM_CREATE_VM, type);
	if (g->vm_fd < 0)
		return why_set(why, g->vm_fd, "cannot create a SEV VM");
	err = sev_cmd_issue(g, ABI_SEV_INIT2, &init, "KVM_SEV_INIT2", why);
	return err < 0 ? err : platform_read(g, why);
}

/* The memory stays where it is from now on: ciphertext depends on the address (ABI 2.5). */
static int sev_add_memory(struct guest *g, struct ram_region *r, struct why *why)
{
	struct kvm_enc_region region = { .addr = (uintptr_t)r->host, .size = r->size };
	int err = back_add_plain_memory(g, r, why);

	if (err < 0)
		return err;
	err = fw_ioctl(g->vm_fd, KVM_MEMORY_ENCRYPT_REG_REGION, &region);
	if (err == -ENOMEM)
		return why_set(why, err,
			"cannot lock %llu MiB of guest memory: the host has not that much free, or "
			"the memory-lock limit is lower (ulimit -l, LimitMEMLOCK=, RLIMIT_MEMLOCK)",
			(unsigned long long)r->size >> 20);
	return err < 0 ? why_set(why, err, "cannot register the memory at 0x%llx: KVM says %s",
				 (unsigned long long)r->gpa, strerrorname_np(-err))
		       : 0;
}

static int sev_start(struct guest *g, uint64_t policy, struct why *why)
{
	struct kvm_sev_launch_start start = {
		.policy = (uint32_t)policy,
		.dh_uaddr = (uintptr_t)g->sev_dh,
		.dh_len = g->sev_dh != NULL ? GUEST_SEV_DH_BYTES : 0,
		.session_uaddr = (uintptr_t)g->session,
		.session_len = g->session != NULL ? GUEST_SEV_SESSION_BYTES : 0,
	};

	/* Without an owner's certificate the firmware would not look at these (ABI 2.5). */
	if (policy > UINT32_MAX || (policy & POLICY_RESERVED) != 0)
		return why_set(why, -ERANGE, "SEV guest policy 0x%llx: reserved bits are set",
			(unsigned long long)policy);
	if (((policy & POLICY_ES) != 0) != is_es(g))
		return why_set(why, -ERANGE,
			"SEV guest policy 0x%llx: bit 2 must be set for SEV-ES, and only for it",
			(unsigned long long)policy);
	int err = sev_cmd_issue(g, KVM_SEV_LAUNCH_START, &start, "SEV_LAUNCH_START", why);
	g->sev_dh = g->session = NULL;
	g->platform.policy = (uint32_t)policy;
	return err;
}

static int sev_measure(struct guest *g, struct ram_region *r, enum page_type type, uint64_t gpa,
	void *src, uint64_t len, uint64_t *ret_done, struct why *why)
{
	uint8_t *at = r->host + (gpa - r->gpa);
	struct kvm_sev_launch_update_data update = { .uaddr = (uintptr_t)at, .len = (uint32_t)len };

	if (type != PAGE_NORMAL)
		return why_set(why, -EOPNOTSUPP, "a SEV guest has no pages of type %u", type);
	memcpy(at, src, len);
	int err = sev_cmd_issue(
		g, KVM_SEV_LAUNCH_UPDATE_DATA, &update, "SEV_LAUNCH_UPDATE_DATA", why);
	if (err < 0)
		return why_prefix(why, err, "%llu bytes at 0x%llx", (unsigned long long)len,
			(unsigned long long)gpa);
	*ret_done = len;
	return 0;
}

static int sev_read_measurement(struct guest *g, struct guest_measurement *ret, struct why *why)
{
	uint8_t answer[MEASURE_BYTES];
	struct kvm_sev_launch_measure measure = { .uaddr = (uintptr_t)answer,
		.len = sizeof answer };
	int err = 0;

	if (is_es(g))
		err = sev_cmd_issue(
			g, KVM_SEV_LAUNCH_UPDATE_VMSA, NULL, "SEV_LAUNCH_UPDATE_VMSA", why);
	if (err == 0)
		err = sev_cmd_issue(g, KVM_SEV_LAUNCH_MEASURE, &measure, "SEV_LAUNCH_MEASURE", why);
	if (err < 0)
		return err;
	*ret = g->platform;
	memcpy(ret->hmac, answer, sizeof ret->hmac);
	memcpy(ret->mnonce, answer + sizeof ret->hmac, sizeof ret->mnonce);
	return 0;
}

static int sev_put_secret(struct guest *g, uint8_t *at, const uint8_t *header, const void *body,
	uint32_t len, struct why *why)
{
	struct kvm_sev_launch_secret secret = {
		.hdr_uaddr = (uintptr_t)header,
		.hdr_len = GUEST_SEV_HEADER_BYTES,
		.guest_uaddr = (uintptr_t)at,
		.guest_len = len,
		.trans_uaddr = (uintptr_t)body,
		.trans_len = len,
	};

	return sev_cmd_issue(g, KVM_SEV_LAUNCH_SECRET, &secret, "SEV_LAUNCH_SECRET", why);
}

static int sev_finish(struct guest *g, const struct guest_identity *id, struct why *why)
{
	(void)id;
	return sev_cmd_issue(g, KVM_SEV_LAUNCH_FINISH, NULL, "SEV_LAUNCH_FINISH", why);
}

const struct back back_sev = {
	.flow = LAUNCH_FLOW_SEV,
	.grain = SEV_GRAIN,
	.open = sev_open,
	.add_memory = sev_add_memory,
	.start = sev_start,
	.measure = sev_measure,
	.read_measurement = sev_read_measurement,
	.put_secret = sev_put_secret,
	.finish = sev_finish,
};
