#include "sev/gmem.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/num.h"
#include "sev/abi_kvm.h"
#include "sev/fw.h"

int gmem_open(struct guest *g, struct why *why)
{
	struct kvm_enable_cap cap = {
		.cap = ABI_CAP_EXIT_HYPERCALL,
		.args = { 1ull << ABI_HC_MAP_GPA_RANGE },
	};
	int attributes = fw_ioctl_int(g->vm_fd, KVM_CHECK_EXTENSION, ABI_CAP_MEMORY_ATTRIBUTES);
	int memfd = fw_ioctl_int(g->vm_fd, KVM_CHECK_EXTENSION, ABI_CAP_GUEST_MEMFD);

	if (attributes < 0 || (attributes & (int)ABI_MEMORY_ATTRIBUTE_PRIVATE) == 0 || memfd <= 0)
		return why_set(why, -EOPNOTSUPP, "this KVM has no private guest memory");
	int err = fw_ioctl(g->vm_fd, KVM_ENABLE_CAP, &cap);
	return err < 0 ? why_set(why, err, "cannot have page conversions forwarded") : 0;
}

int gmem_add_memory(struct guest *g, struct ram_region *r, struct why *why)
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

static MUST_USE int attributes_write(
	struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len, bool is_private)
{
	struct abi_attributes a = {
		.address = gpa,
		.size = len,
		.attributes = is_private ? ABI_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};
	int err = fw_ioctl(g->vm_fd, ABI_SET_MEMORY_ATTRIBUTES, &a);

	if (err < 0)
		return err;
	bits_set(&r->is_private, (gpa - r->gpa) / PAGE_BYTES, len / PAGE_BYTES, is_private);
	return 0;
}

int gmem_set_private(struct guest *g, struct ram_region *r, struct why *why)
{
	int err = attributes_write(g, r, r->gpa, r->size, true);

	return err < 0 ? why_set(why, err, "cannot make the memory at 0x%llx private",
				 (unsigned long long)r->gpa)
		       : 0;
}

/*
 * The shared copy of pages that have become private. A huge page goes back when the last part of it
 * has become private, not before: a hole in its middle would free nothing.
 */
static void shared_discard(const struct guest *g, struct ram_region *r, uint64_t at, uint64_t len)
{
	const uint64_t page = g->shared_page_bytes;
	uint64_t into = (uintptr_t)(r->host + at) & (page - 1);

	if (page == PAGE_BYTES) {
		(void)madvise(r->host + at, len, MADV_REMOVE);
		return;
	}
	if (into > at) /* the region begins inside a huge page */
		return;
	for (uint64_t start = at - into; start < at + len; start += page) {
		if (!num_fits(start, page, r->size))
			return;
		uint64_t first = start / PAGE_BYTES;
		uint64_t n = page / PAGE_BYTES;
		if (bits_find(&r->is_private, first, n, false) == first + n)
			(void)madvise(r->host + start, page, MADV_REMOVE);
	}
}

int gmem_convert(
	struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len, bool is_to_private)
{
	uint64_t at = gpa - r->gpa;
	int err = attributes_write(g, r, gpa, len, is_to_private);

	if (err < 0)
		return err;
	if (!is_to_private)
		return fw_punch(r->gmem_fd, at, len);
	/* Where the memory cannot be given back it only stays in use: nobody reads it again. */
	shared_discard(g, r, at, len);
	return 0;
}
