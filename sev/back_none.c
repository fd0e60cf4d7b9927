/* No protection: "measured" pages are copied into the memory the guest and its devices share. */
#include <errno.h>
#include <string.h>

#include "sev/abi_kvm.h"
#include "sev/back.h"
#include "sev/fw.h"

static int none_open(struct guest *g, const struct guest_setup *setup, struct why *why)
{
	int fd = fw_ioctl_int(g->kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_DEFAULT);

	(void)setup->vmsa_features;
	if (fd < 0)
		return why_set(why, fd, "cannot create a VM");
	g->vm_fd = fd;
	return 0;
}

static int none_add_memory(struct guest *g, struct ram_region *r, struct why *why)
{
	struct kvm_userspace_memory_region region = {
		.slot = r->slot,
		.guest_phys_addr = r->gpa,
		.memory_size = r->size,
		.userspace_addr = (uintptr_t)r->host,
	};
	int err = fw_ioctl(g->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);

	return err < 0 ? why_set(why, err, "cannot give the VM its memory at 0x%llx",
				 (unsigned long long)r->gpa)
		       : 0;
}

static int none_set_private(struct guest *g, struct ram_region *r, struct why *why)
{
	return 0;
}

static int none_start(struct guest *g, uint64_t policy, struct why *why)
{
	return 0;
}

static int none_measure(struct guest *g, struct ram_region *r, enum page_type type, uint64_t gpa,
	void *src, uint64_t len, uint64_t *ret_done, struct why *why)
{
	uint8_t *to = r->host + (gpa - r->gpa);

	if (src != NULL)
		memcpy(to, src, len);
	else
		memset(to, 0, len);
	*ret_done = len;
	return 0;
}

static int none_finish(struct guest *g, const struct guest_identity *id, struct why *why)
{
	return 0;
}

static int none_convert(
	struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len, bool is_to_private)
{
	return -EOPNOTSUPP;
}

const struct back back_none = {
	.open = none_open,
	.add_memory = none_add_memory,
	.set_private = none_set_private,
	.start = none_start,
	.measure = none_measure,
	.finish = none_finish,
	.convert = none_convert,
};
