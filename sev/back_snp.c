/* AMD SEV-SNP. ABI 2.3 to 2.11, 3.2. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "sev/abi_kvm.h"
#include "sev/abi_snp.h"
#include "sev/back.h"
#include "sev/fw.h"
#include "sev/gmem.h"
#include "sev/sev_cmd.h"

/* Calls that come back busy without having done anything, before we give up. */
#define TRIES_MAX 100u

static const uint8_t firmware_type[PAGE_TYPE_COUNT] = {
	[PAGE_NORMAL] = SNP_PAGE_NORMAL,
	[PAGE_ZERO] = SNP_PAGE_ZERO,
	[PAGE_UNMEASURED] = SNP_PAGE_UNMEASURED,
	[PAGE_SECRETS] = SNP_PAGE_SECRETS,
	[PAGE_CPUID] = SNP_PAGE_CPUID,
};

static int snp_open(struct guest *g, const struct guest_setup *setup, struct why *why)
{
	struct abi_sev_init init = { .vmsa_features = setup->vmsa_features };
	uint64_t has_certs = 0;
	int err = sev_cmd_check_host(g, ABI_VM_TYPE_SNP, setup->vmsa_features, why);

	if (err < 0)
		return err;
	/* Kernels before 6.19 have no such attribute; then KVM itself is the judge (ABI 1.2, 2.7). */
	if (sev_cmd_read_attr(g, ABI_X86_SNP_POLICY_BITS, &g->policy_mask) < 0)
		g->policy_mask = UINT64_MAX;
	if (setup->wants_certs &&
		(sev_cmd_read_attr(g, ABI_X86_SNP_REQ_CERTS, &has_certs) < 0 || has_certs != 1))
		return why_set(why, -EOPNOTSUPP,
			"this host's KVM does not forward requests for certificates (Linux 7.0 "
			"does); "
			"without a certificate table in the policy the guest can still be "
			"launched");
	g->vm_fd = fw_ioctl_int(g->kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP);
	if (g->vm_fd < 0)
		return why_set(why, g->vm_fd, "cannot create an SEV-SNP VM");
	err = gmem_open(g, why);
	if (err == 0)
		err = sev_cmd_issue(g, ABI_SEV_INIT2, &init, "KVM_SEV_INIT2", why);
	if (err == 0 && setup->wants_certs) /* before any vCPU: ABI 3.5 */
		err = sev_cmd_issue(
			g, ABI_SNP_ENABLE_REQ_CERTS, NULL, "KVM_SEV_SNP_ENABLE_REQ_CERTS", why);
	return err;
}

static int snp_start(struct guest *g, uint64_t policy, struct why *why)
{
	struct abi_snp_start start = { .policy = policy };

	if ((policy & SNP_POLICY_ONE) == 0 || (policy & ~g->policy_mask) != 0)
		return why_set(why, -ERANGE,
			"SNP guest policy 0x%llx: bit 17 must be set, and this host allows 0x%llx",
			(unsigned long long)policy, (unsigned long long)g->policy_mask);
	return sev_cmd_issue(g, ABI_SNP_LAUNCH_START, &start, "SNP_LAUNCH_START", why);
}

/*
 * One call; it may do any number of pages (ABI 2.6). KVM's word on how many is checked before it
 * moves anything of ours.
 */
static MUST_USE int update_some(struct guest *g, struct abi_snp_update *u, struct why *why)
{
	char what[64];
	const struct abi_snp_update before = *u;

	(void)snprintf(what, sizeof what, "SNP_LAUNCH_UPDATE of the page at 0x%llx",
		(unsigned long long)u->gfn_start * SNP_PAGE_BYTES);
	int err = sev_cmd_issue(g, ABI_SNP_LAUNCH_UPDATE, u, what, why);
	if (err < 0) {
		*u = before;
		return err;
	}
	uint64_t left = u->len;
	if (left > before.len || !num_is_aligned(left, SNP_PAGE_BYTES))
		return why_set(why, -EIO, "%s: KVM says %llu of %llu bytes are left", what,
			(unsigned long long)left, (unsigned long long)before.len);
	*u = before;
	u->len = left;
	u->gfn_start += (before.len - left) / SNP_PAGE_BYTES;
	u->uaddr += before.uaddr != 0 ? before.len - left : 0;
	return 0;
}

static int snp_measure(struct guest *g, struct ram_region *r, enum page_type type, uint64_t gpa,
	void *src, uint64_t len, uint64_t *ret_done, struct why *why)
{
	struct abi_snp_update u = {
		.gfn_start = gpa / SNP_PAGE_BYTES,
		.uaddr = (uintptr_t)src,
		.len = len,
		.type = firmware_type[type],
	};
	unsigned int tries = 0;
	int err = 0;

	/* Firmware writes the secrets page itself, but KVM wants a source for all but ZERO. */
	if (type == PAGE_SECRETS)
		u.uaddr = (uintptr_t)g->stage;
	while (u.len > 0 && err == 0) {
		uint64_t left = u.len;
		struct why first = { 0 };
		err = update_some(g, &u, &first);
		tries = u.len < left ? 0 : tries + 1;
		if ((err == 0 || err == -EINTR || err == -EAGAIN) && tries < TRIES_MAX)
			err = 0; /* it may stop anywhere: go on where it stopped */
		else if (err == 0)
			err = why_set(why, -EIO, "SNP_LAUNCH_UPDATE at 0x%llx does not advance",
				(unsigned long long)u.gfn_start * SNP_PAGE_BYTES);
		else
			err = why_set(why, err, "%s", first.text);
	}
	*ret_done = len - u.len;
	return err;
}

static int snp_finish(struct guest *g, const struct guest_identity *id, struct why *why)
{
	struct abi_snp_finish finish = {
		.id_block_uaddr = (uintptr_t)id->id_block,
		.id_auth_uaddr = (uintptr_t)id->id_auth,
		.id_block_en = id->id_block != NULL,
		.auth_key_en = id->id_block != NULL && id->has_author_key,
		.vcek_disabled = id->is_vcek_disabled,
	};

	memcpy(finish.host_data, id->host_data, sizeof finish.host_data);
	return sev_cmd_issue(g, ABI_SNP_LAUNCH_FINISH, &finish, "SNP_LAUNCH_FINISH", why);
}

const struct back back_snp = {
	.flow = LAUNCH_FLOW_PAGES,
	.grain = PAGE_BYTES,
	.open = snp_open,
	.add_memory = gmem_add_memory,
	.set_private = gmem_set_private,
	.start = snp_start,
	.measure = snp_measure,
	.finish = snp_finish,
	.convert = gmem_convert,
};
