/* AMD SEV-SNP. ABI 2.3 to 2.11, 3.2. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/num.h"
#include "sev/abi_kvm.h"
#include "sev/abi_snp.h"
#include "sev/back.h"
#include "sev/fw.h"
#include "sev/fw_error.h"

/* Calls that come back busy without having done anything, before we give up. */
#define TRIES_MAX 100u

static const uint8_t firmware_type[PAGE_TYPE_COUNT] = {
	[PAGE_NORMAL] = SNP_PAGE_NORMAL,
	[PAGE_ZERO] = SNP_PAGE_ZERO,
	[PAGE_UNMEASURED] = SNP_PAGE_UNMEASURED,
	[PAGE_SECRETS] = SNP_PAGE_SECRETS,
	[PAGE_CPUID] = SNP_PAGE_CPUID,
};

/* One command. -EREMOTEIO: the firmware refused; else the kernel's errno. `what` names it. */
static MUST_USE int snp_issue(
	struct guest *g, enum abi_sev_id id, void *arg, const char *what, struct why *why)
{
	struct abi_sev_cmd cmd = {
		.id = id,
		.data = (uintptr_t)arg,
		.error = ABI_SEV_NO_FW_CALL,
		.sev_fd = (uint32_t)g->sev_fd,
	};
	int err = fw_ioctl(g->vm_fd, ABI_MEMORY_ENCRYPT_OP, &cmd);

	if (err >= 0)
		return 0;
	if (err == -EIO && cmd.error != 0 && cmd.error != ABI_SEV_NO_FW_CALL)
		return why_set(why, -EREMOTEIO, "%s: the firmware says %s (0x%x)", what,
			fw_error_name(cmd.error), cmd.error);
	return why_set(why, err, "%s: KVM says %s", what, strerrorname_np(-err));
}

static MUST_USE int attr_read(const struct guest *g, uint64_t attr, uint64_t *ret)
{
	uint64_t value = 0;
	struct kvm_device_attr a = {
		.group = ABI_X86_GRP_SEV,
		.attr = attr,
		.addr = (uintptr_t)&value,
	};
	int err = fw_ioctl(g->kvm_fd, KVM_GET_DEVICE_ATTR, &a);

	if (err < 0)
		return err;
	*ret = value;
	return 0;
}

static MUST_USE int host_check(struct guest *g, uint64_t vmsa_features, struct why *why)
{
	uint64_t features = 0;
	int types = fw_ioctl_int(g->kvm_fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES);

	if (types < 0 || (types & 1 << ABI_VM_TYPE_SNP) == 0)
		return why_set(why, -EOPNOTSUPP,
			"this host offers no SEV-SNP guests (KVM_CAP_VM_TYPES is 0x%x)",
			types < 0 ? 0u : (unsigned int)types);
	if (g->sev_fd < 0)
		return why_set(why, -EOPNOTSUPP, "SEV-SNP needs /dev/sev");
	int err = attr_read(g, ABI_X86_SEV_VMSA_FEATURES, &features);
	if (err < 0)
		return why_set(why, err, "cannot read the offered VMSA features");
	if ((vmsa_features & SNP_FEATURE_ACTIVE) != 0 || (vmsa_features & ~features) != 0)
		return why_set(why, -ERANGE, "VMSA features 0x%llx: this host offers 0x%llx",
			(unsigned long long)vmsa_features, (unsigned long long)features);
	/* Kernels before 6.19 have no such attribute; then KVM itself is the judge (ABI 1.2, 2.7). */
	if (attr_read(g, ABI_X86_SNP_POLICY_BITS, &g->policy_mask) < 0)
		g->policy_mask = UINT64_MAX;
	return 0;
}

static MUST_USE int vm_check(const struct guest *g, struct why *why)
{
	int attributes = fw_ioctl_int(g->vm_fd, KVM_CHECK_EXTENSION, ABI_CAP_MEMORY_ATTRIBUTES);
	int memfd = fw_ioctl_int(g->vm_fd, KVM_CHECK_EXTENSION, ABI_CAP_GUEST_MEMFD);

	if (attributes < 0 || (attributes & (int)ABI_MEMORY_ATTRIBUTE_PRIVATE) == 0 || memfd <= 0)
		return why_set(why, -EOPNOTSUPP, "this KVM has no private guest memory");
	return 0;
}

static int snp_open(struct guest *g, const struct guest_setup *setup, struct why *why)
{
	struct abi_sev_init init = { .vmsa_features = setup->vmsa_features };
	struct kvm_enable_cap cap = {
		.cap = ABI_CAP_EXIT_HYPERCALL,
		.args = { 1ull << ABI_HC_MAP_GPA_RANGE },
	};
	int err = host_check(g, setup->vmsa_features, why);

	if (err < 0)
		return err;
	g->vm_fd = fw_ioctl_int(g->kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_SNP);
	if (g->vm_fd < 0)
		return why_set(why, g->vm_fd, "cannot create an SEV-SNP VM");
	err = vm_check(g, why);
	if (err < 0)
		return err;
	err = fw_ioctl(g->vm_fd, KVM_ENABLE_CAP, &cap);
	if (err < 0)
		return why_set(why, err, "cannot have page conversions forwarded");
	return snp_issue(g, ABI_SEV_INIT2, &init, "KVM_SEV_INIT2", why);
}

static int snp_add_memory(struct guest *g, struct ram_region *r, struct why *why)
{
	struct abi_guest_memfd memfd = { .size = r->size };
	AUTO(fw) int fd = fw_ioctl(g->vm_fd, ABI_CREATE_GUEST_MEMFD, &memfd);

	if (fd < 0)
		return why_set(why, fd, "cannot make private memory of %llu bytes",
			(unsigned long long)r->size);
	struct abi_region2 region = {
		.slot = r->slot,
		.flags = ABI_MEM_GUEST_MEMFD,
		.guest_phys_addr = r->gpa,
		.memory_size = r->size,
		.userspace_addr = (uintptr_t)r->host,
		.guest_memfd = (uint32_t)fd,
	};
	int err = fw_ioctl(g->vm_fd, ABI_SET_USER_MEMORY_REGION2, &region);
	if (err < 0)
		return why_set(why, err, "cannot give the VM its memory at 0x%llx",
			(unsigned long long)r->gpa);
	r->gmem_fd = fd; /* must stay open as long as the VM lives: ABI 1.3 */
	fd = -1;
	return 0;
}

static MUST_USE int attributes_write(struct guest *g, uint64_t gpa, uint64_t len, bool is_private)
{
	struct abi_attributes a = {
		.address = gpa,
		.size = len,
		.attributes = is_private ? ABI_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	return fw_ioctl(g->vm_fd, ABI_SET_MEMORY_ATTRIBUTES, &a);
}

static int snp_set_private(struct guest *g, struct ram_region *r, struct why *why)
{
	int err = attributes_write(g, r->gpa, r->size, true);

	return err < 0 ? why_set(why, err, "cannot make the memory at 0x%llx private",
				 (unsigned long long)r->gpa)
		       : 0;
}

static int snp_start(struct guest *g, uint64_t policy, struct why *why)
{
	struct abi_snp_start start = { .policy = policy };

	if ((policy & SNP_POLICY_ONE) == 0 || (policy & ~g->policy_mask) != 0)
		return why_set(why, -ERANGE,
			"SNP guest policy 0x%llx: bit 17 must be set, and this host allows 0x%llx",
			(unsigned long long)policy, (unsigned long long)g->policy_mask);
	return snp_issue(g, ABI_SNP_LAUNCH_START, &start, "SNP_LAUNCH_START", why);
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
	int err = snp_issue(g, ABI_SNP_LAUNCH_UPDATE, u, what, why);
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
	return snp_issue(g, ABI_SNP_LAUNCH_FINISH, &finish, "SNP_LAUNCH_FINISH", why);
}

static int snp_convert(
	struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len, bool is_to_private)
{
	uint64_t at = gpa - r->gpa;
	int err = attributes_write(g, gpa, len, is_to_private);

	if (err < 0)
		return err;
	if (!is_to_private)
		return fw_punch(r->gmem_fd, at, len);
	/* The shared copy: where it cannot be freed (huge pages) it only stays in use. */
	(void)madvise(r->host + at, len, MADV_REMOVE);
	return 0;
}

const struct back back_snp = {
	.open = snp_open,
	.add_memory = snp_add_memory,
	.set_private = snp_set_private,
	.start = snp_start,
	.measure = snp_measure,
	.finish = snp_finish,
	.convert = snp_convert,
};
