#include "sev/sim/sim_vm.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "base/num.h"
#include "sev/sim/sim_kind.h"
#include "sev/sim/sim_psp.h"

/*
 * A guest_memfd can be neither mapped, read, written nor resized. An epoll descriptor cannot
 * either, and making one needs no path and no rights.
 */
int sim_vm_create_gmem(struct sim_vm *vm, const struct abi_guest_memfd *arg)
{
	if (!vm->kind->has_gmem || arg->flags != 0 || arg->size == 0 || (int64_t)arg->size < 0 ||
		!num_is_aligned(arg->size, PAGE_BYTES))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(vm->gmem); i++) {
		if (vm->gmem[i].fd >= 0)
			continue;
		int fd = epoll_create1(EPOLL_CLOEXEC);
		if (fd < 0)
			return -errno;
		vm->gmem[i] = (struct sim_gmem){ .fd = fd, .size = arg->size };
		return fd;
	}
	return -EMFILE;
}

/* Make the contents of guest memory go away, as a conversion does. */
static void memory_erase(uint8_t *p, uint64_t len)
{
	if (madvise(p, len, MADV_REMOVE) < 0) /* huge pages, or no shared memory */
		memset(p, 0, len);
}

/* Call erase for the parts of [first, end) that lie in slots with private memory. */
static void range_erase(struct sim_vm *vm, uint64_t first, uint64_t end)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++) {
		const struct sim_slot *s = &vm->slot[i];
		if (!s->is_used || s->gmem == NULL)
			continue;
		uint64_t from = MAX(first, s->gpa);
		uint64_t to = MIN(end, s->gpa + s->size);
		if (from < to)
			memory_erase(s->host + (from - s->gpa), to - from);
	}
}

struct sim_slot *sim_vm_find_slot(struct sim_vm *vm, uint64_t gpa)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++) {
		struct sim_slot *s = &vm->slot[i];
		if (s->is_used && s->gmem != NULL && gpa >= s->gpa && gpa - s->gpa < s->size)
			return s;
	}
	return NULL;
}

static struct sim_slot *slot_by_number(struct sim_vm *vm, uint32_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++)
		if (vm->slot[i].is_used && vm->slot[i].slot == number)
			return &vm->slot[i];
	return NULL;
}

static struct sim_slot *slot_free(struct sim_vm *vm)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++)
		if (!vm->slot[i].is_used)
			return &vm->slot[i];
	return NULL;
}

static MUST_USE int region_pass(struct sim_vm *vm, const struct abi_region2 *arg)
{
	struct kvm_userspace_memory_region r = {
		.slot = arg->slot,
		.flags = arg->flags & ~ABI_MEM_GUEST_MEMFD,
		.guest_phys_addr = arg->guest_phys_addr,
		.memory_size = arg->memory_size,
		.userspace_addr = arg->userspace_addr,
	};

	return vm->m->host->ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&r);
}

static bool ranges_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b ? b - a < a_len : a - b < b_len;
}

/* Bind a range of a guest_memfd. ABI 1.4: EBADF, EINVAL, EEXIST. */
static MUST_USE int gmem_bind(
	struct sim_vm *vm, const struct abi_region2 *arg, struct sim_gmem **ret)
{
	struct sim_gmem *g = NULL;

	if ((int)arg->guest_memfd < 0)
		return -EBADF;
	for (size_t i = 0; i < ARRAY_LEN(vm->gmem); i++)
		if (vm->gmem[i].fd == (int)arg->guest_memfd)
			g = &vm->gmem[i];
	if (g == NULL) /* no guest_memfd, or another VM's */
		return -EINVAL;
	if (!num_is_aligned(arg->guest_memfd_offset, PAGE_BYTES) ||
		!num_fits(arg->guest_memfd_offset, arg->memory_size, g->size))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++) {
		const struct sim_slot *s = &vm->slot[i];
		if (s->is_used && s->gmem == g &&
			ranges_overlap(
				s->gmem_offset, s->size, arg->guest_memfd_offset, arg->memory_size))
			return -EEXIST;
	}
	*ret = g;
	return 0;
}

static MUST_USE int region_delete(struct sim_vm *vm, const struct abi_region2 *arg)
{
	struct sim_slot *s = slot_by_number(vm, arg->slot);

	if (s == NULL)
		return -EINVAL;
	int err = region_pass(vm, arg);
	if (err == 0)
		*s = (struct sim_slot){ 0 };
	return err;
}

/* ABI 1.4: what the kind and private memory rule out, then the numbers themselves. */
static MUST_USE int region_check(const struct sim_vm *vm, const struct abi_region2 *arg)
{
	const uint32_t known = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY | ABI_MEM_GUEST_MEMFD;
	bool has_gmem = (arg->flags & ABI_MEM_GUEST_MEMFD) != 0;
	uint64_t end;

	if ((arg->flags & ~known) != 0 || (has_gmem && !vm->kind->has_gmem) ||
		(has_gmem && arg->flags != ABI_MEM_GUEST_MEMFD) ||
		(vm->kind->has_sealed && (arg->flags & KVM_MEM_READONLY) != 0))
		return -EINVAL;
	if (!num_is_aligned(
		    arg->guest_phys_addr | arg->memory_size | arg->userspace_addr, PAGE_BYTES) ||
		num_add(&end, arg->guest_phys_addr, arg->memory_size) < 0)
		return -EINVAL;
	return 0;
}

/* A slot that exists: with private memory it never changes; another may move or change flags. */
static MUST_USE int slot_check(const struct sim_slot *old, const struct abi_region2 *arg)
{
	if (old->gmem != NULL || (old->flags & ABI_MEM_GUEST_MEMFD) != 0 ||
		(arg->flags & ABI_MEM_GUEST_MEMFD) != 0 || old->size != arg->memory_size ||
		old->host != (uint8_t *)(uintptr_t)arg->userspace_addr ||
		((old->flags ^ arg->flags) & KVM_MEM_READONLY) != 0)
		return -EINVAL;
	return 0;
}

/* The upper half of a slot's number is its address space: a second one is for SMM (api.rst, 4.35). */
static bool is_same_space(uint32_t a, uint32_t b)
{
	return a >> 16 == b >> 16;
}

int sim_vm_set_region(struct sim_vm *vm, const struct abi_region2 *arg)
{
	struct sim_gmem *gmem = NULL;
	int err = region_check(vm, arg);

	if (err < 0)
		return err;
	if (arg->memory_size == 0)
		return region_delete(vm, arg);
	struct sim_slot *s = slot_by_number(vm, arg->slot);
	if (s != NULL)
		err = slot_check(s, arg);
	if (err < 0 || arg->userspace_addr == 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++)
		if (vm->slot[i].is_used && &vm->slot[i] != s &&
			is_same_space(vm->slot[i].slot, arg->slot) &&
			ranges_overlap(vm->slot[i].gpa, vm->slot[i].size, arg->guest_phys_addr,
				arg->memory_size))
			return -EEXIST;
	if ((arg->flags & ABI_MEM_GUEST_MEMFD) != 0)
		err = gmem_bind(vm, arg, &gmem);
	if (err < 0)
		return err;
	if (s == NULL)
		s = slot_free(vm);
	if (s == NULL)
		return -EINVAL;
	err = region_pass(vm, arg);
	if (err < 0)
		return err;
	*s = (struct sim_slot){
		.is_used = true,
		.slot = arg->slot,
		.gpa = arg->guest_phys_addr,
		.size = arg->memory_size,
		.flags = arg->flags,
		.host = (uint8_t *)(uintptr_t)arg->userspace_addr,
		.gmem = gmem,
		.gmem_offset = arg->guest_memfd_offset,
	};
	return 0;
}

int sim_vm_set_attributes(struct sim_vm *vm, const struct abi_attributes *arg)
{
	uint64_t end;
	bool is_private = arg->attributes == ABI_MEMORY_ATTRIBUTE_PRIVATE;

	if (!vm->kind->has_gmem || arg->flags != 0 ||
		(arg->attributes & ~ABI_MEMORY_ATTRIBUTE_PRIVATE) != 0 || arg->size == 0 ||
		!num_is_aligned(arg->address | arg->size, PAGE_BYTES) ||
		num_add(&end, arg->address, arg->size) < 0)
		return -EINVAL;
	for (uint64_t at = arg->address; at < end;) {
		uint64_t a, b;
		bool was_private = sim_ranges_get(&vm->is_private, at, &a);
		bool is_added = sim_ranges_get(&vm->added, at, &b);
		uint64_t until = MIN(MIN(a, b), end);
		/*
		 * Never preserved (ABI 3.2). Until the launch is over the guest has only what that
		 * added; the rest is the VMM's, and the attribute does not touch it (ABI 1.5).
		 */
		if (was_private != is_private && (vm->is_launched || is_added))
			range_erase(vm, at, until);
		at = until;
	}
	return sim_ranges_set(&vm->is_private, arg->address, end, is_private);
}

/* Only what is private now: the shared view of a page is another memory on real hardware. */
static void private_erase(struct sim_vm *vm, const struct sim_slot *s, uint64_t first, uint64_t end)
{
	for (uint64_t gpa = first; gpa < end;) {
		uint64_t until;
		bool is_private = sim_ranges_get(&vm->is_private, gpa, &until);
		until = MIN(until, end);
		if (is_private)
			memory_erase(s->host + (gpa - s->gpa), until - gpa);
		gpa = until;
	}
}

static void gmem_erase(
	struct sim_vm *vm, const struct sim_gmem *gmem, uint64_t offset, uint64_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++) {
		const struct sim_slot *s = &vm->slot[i];
		if (!s->is_used || s->gmem != gmem)
			continue;
		uint64_t first = MAX(offset, s->gmem_offset);
		uint64_t end = MIN(offset + len, s->gmem_offset + s->size);
		if (first < end)
			private_erase(vm, s, s->gpa + (first - s->gmem_offset),
				s->gpa + (end - s->gmem_offset));
	}
}

int sim_vm_punch(struct sim_vm *vm, struct sim_gmem *gmem, uint64_t offset, uint64_t len)
{
	if (len == 0 || !num_is_aligned(offset | len, PAGE_BYTES) ||
		!num_fits(offset, len, gmem->size))
		return -EINVAL;
	gmem_erase(vm, gmem, offset, len);
	return 0;
}

void sim_vm_close_gmem(struct sim_vm *vm, struct sim_gmem *gmem)
{
	gmem_erase(vm, gmem, 0, gmem->size);
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++)
		if (vm->slot[i].is_used && vm->slot[i].gmem == gmem)
			vm->slot[i].gmem = NULL;
	*gmem = (struct sim_gmem){ .fd = -1 };
}

void sim_vm_erase_rest(struct sim_vm *vm)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->slot); i++) {
		const struct sim_slot *s = &vm->slot[i];
		if (!s->is_used || s->gmem == NULL)
			continue;
		for (uint64_t at = s->gpa; at < s->gpa + s->size;) {
			uint64_t a, b;
			bool is_private = sim_ranges_get(&vm->is_private, at, &a);
			bool is_added = sim_ranges_get(&vm->added, at, &b);
			uint64_t until = MIN(MIN(a, b), s->gpa + s->size);
			if (is_private && !is_added)
				memory_erase(s->host + (at - s->gpa), until - at);
			at = until;
		}
	}
}

int sim_vm_prefault(struct sim_vm *vm, struct sim_prefault *arg)
{
	struct sim_machine *m = vm->m;

	if (arg == NULL)
		return -EFAULT;
	if (arg->flags != 0 || arg->size == 0 || !num_is_aligned(arg->gpa | arg->size, PAGE_BYTES))
		return -EINVAL;
	if (!vm->kind->has_gmem || !vm->is_launched)
		return -EOPNOTSUPP;
	if (sim_is_signal(m))
		return sim_is_signal(m) ? -EINTR : -EAGAIN;
	const struct sim_slot *s = sim_vm_find_slot(vm, arg->gpa);
	if (s == NULL)
		return -ENOENT;
	uint64_t room = MIN(arg->size, s->size - (arg->gpa - s->gpa));
	uint64_t done = sim_pages_to_do(m, room / PAGE_BYTES) * PAGE_BYTES;
	arg->gpa += done;
	arg->size -= done;
	return 0;
}
