/* No protection: "measured" pages are copied into the memory the guest and its devices share. */
#include <errno.h>
#include <string.h>

#include "sev/abi_kvm.h"
#include "sev/back.h"
#include "sev/fw.h"

static int none_open(struct guest *g, const struct guest_setup *setup, struct why *why)
{
	int fd = fw_ioctl_int(g->kvm_fd, KVM_CREATE_VM, ABI_VM_TYPE_DEFAULT);

	(void)setup;
	if (fd < 0)
		return why_set(why, fd, "cannot create a VM");
	g->vm_fd = fd;
	return 0;
}

int back_add_plain_memory(struct guest *g, struct ram_region *r, struct why *why)
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

int back_copy_measured(struct guest *g, struct ram_region *r, enum page_type type, uint64_t gpa,
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

const struct back back_none = {
	.flow = LAUNCH_FLOW_PAGES,
	.grain = PAGE_BYTES,
	.open = none_open,
	.add_memory = back_add_plain_memory,
	.measure = back_copy_measured,
};
