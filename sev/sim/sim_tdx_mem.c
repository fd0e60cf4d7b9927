/* INIT_MEM_REGION: pages from the monitor into the TD, some of them at a time. ABI 4.5. */
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "sev/sim/sim_tdx.h"

/* Early stops, the same ones for the same seed: 0, or why the call ends here. */
static MUST_USE int stop_draw(struct sim_tdx *t)
{
	static const int errors[] = { -EAGAIN, -EBUSY, -EINTR };

	if (t->seed == 0)
		return 0;
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 7;
	t->seed ^= t->seed << 17;
	uint64_t r = t->seed >> 11;
	return (r & 31) == 0 ? errors[(r >> 8) % ARRAY_LEN(errors)] : 0;
}

static MUST_USE int region_check(const struct sim_td *td, const struct abi_tdx_mem_region *r)
{
	uint64_t len, end;

	if (!num_is_aligned(r->source_addr | r->gpa, PAGE_BYTES) || r->nr_pages == 0 ||
		num_mul(&len, r->nr_pages, PAGE_BYTES) < 0 ||
		num_add(&end, r->source_addr, len) < 0 || num_add(&end, r->gpa, len) < 0 ||
		!sim_td_is_private_range(td, r->gpa, len))
		return -EINVAL;
	return r->source_addr == 0 ? -EOPNOTSUPP : 0;
}

/* One page: into guest_memfd, which is here the slot's own memory, and into the TD. */
static MUST_USE int page_add(
	struct sim_vm *vm, const struct abi_tdx_mem_region *r, bool is_measured)
{
	const struct sim_slot *slot = sim_vm_find_slot(vm, r->gpa);
	const uint8_t *source = (const uint8_t *)(uintptr_t)r->source_addr;
	uint64_t until;

	if (slot == NULL || !sim_ranges_get(&vm->is_private, r->gpa, &until))
		return -EINVAL;
	uint64_t status = sim_td_add_page(&vm->tdx->td, r->gpa, source, is_measured);
	if ((status & ABI_TDX_STATUS_MASK) == ABI_TDX_OPERAND_BUSY)
		return -EBUSY;
	if (status != 0)
		return -EIO;
	memmove(slot->host + (r->gpa - slot->gpa), source, PAGE_BYTES);
	return 0;
}

int sim_tdx_add_region(
	struct sim_vm *vm, const struct sim_tdx_vcpu *vcpu, const struct abi_tdx_cmd *cmd)
{
	struct abi_tdx_mem_region *r = (void *)(uintptr_t)cmd->data;

	if (!vcpu->is_init || (cmd->flags & ~ABI_TDX_MEASURE_REGION) != 0)
		return -EINVAL;
	if (r == NULL)
		return -EFAULT;
	int err = region_check(&vm->tdx->td, r);
	while (err == 0 && r->nr_pages > 0) {
		err = stop_draw(vm->tdx);
		if (err == 0)
			err = page_add(vm, r, (cmd->flags & ABI_TDX_MEASURE_REGION) != 0);
		if (err < 0)
			break; /* the struct points at the page that is next */
		r->source_addr += PAGE_BYTES;
		r->gpa += PAGE_BYTES;
		r->nr_pages--;
	}
	return err;
}
