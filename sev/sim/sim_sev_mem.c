#include "sev/sim/sim_sev_mem.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "sev/sim/sim_sev.h"

void sim_sev_flip(const struct sim_vm *vm, uint64_t addr, uint64_t len)
{
	uint8_t iv[SIM_AES_BYTES] = { 0 };

	for (size_t i = 0; i < 8; i++)
		iv[SIM_AES_BYTES - 1 - i] = (uint8_t)((addr >> 4) >> (8 * i));
	sim_aes_ctr(&vm->m->crypto, vm->sev->key, iv, (void *)(uintptr_t)addr, len);
}

bool sim_sev_is_encrypted(const struct sim_sev *sev, uint64_t first, uint64_t end)
{
	uint64_t until;

	return sim_ranges_get(&sev->encrypted, first, &until) || until < end;
}

int sim_sev_encrypt(struct sim_vm *vm, uint64_t addr, uint64_t len)
{
	uint8_t once[SIM_AES_BYTES];
	const uint8_t iv[SIM_AES_BYTES] = { 0 };

	if (!sim_sev_is_encrypted(vm->sev, addr, addr + len)) {
		sim_sev_flip(vm, addr, len);
		return sim_ranges_set(&vm->sev->encrypted, addr, addr + len, true);
	}
	if (sim_random(once, sizeof once) < 0)
		return -EIO;
	sim_aes_ctr(&vm->m->crypto, once, iv, (void *)(uintptr_t)addr, len);
	return 0;
}

void sim_sev_open(struct sim_vm *vm)
{
	const struct sim_ranges *r = &vm->sev->encrypted;

	for (size_t i = 0; i < r->n; i++)
		sim_sev_flip(vm, r->at[i].first, r->at[i].end - r->at[i].first);
	sim_ranges_done(&vm->sev->encrypted);
}

/* KVM pins what it is given; every page counts against RLIMIT_MEMLOCK. ABI 2.5. */
static uint64_t bytes_pinned(uint64_t addr, uint64_t len)
{
	uint64_t first = addr & ~(uint64_t)(PAGE_BYTES - 1);

	return (addr + len - first + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

int sim_sev_check_pin(const struct sim_vm *vm, uint64_t addr, uint64_t len)
{
	uint64_t end, sum;

	if (len == 0 || num_add(&end, addr, len) < 0 || end > UINT64_MAX - PAGE_BYTES)
		return -EINVAL;
	if (num_add(&sum, vm->sev->locked_bytes, bytes_pinned(addr, len)) < 0 ||
		sum > vm->m->memlock_bytes)
		return -ENOMEM;
	return addr != 0 ? 0 : -EFAULT;
}

static struct sim_sev_region *region_find(struct sim_sev *sev, uint64_t addr, uint64_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(sev->region); i++)
		if (sev->region[i].addr == addr && sev->region[i].size == size)
			return &sev->region[i];
	return NULL;
}

int sim_sev_register(struct sim_vm *vm, const struct kvm_enc_region *r)
{
	struct sim_sev_region *free_one = region_find(vm->sev, 0, 0);
	int err = sim_sev_check_pin(vm, r->addr, r->size);

	if (err < 0)
		return err;
	if (free_one == NULL)
		return -ENOMEM;
	*free_one = (struct sim_sev_region){ r->addr, r->size };
	vm->sev->locked_bytes += bytes_pinned(r->addr, r->size);
	return 0;
}

int sim_sev_unregister(struct sim_vm *vm, const struct kvm_enc_region *r)
{
	struct sim_sev_region *have = r->size != 0 ? region_find(vm->sev, r->addr, r->size) : NULL;

	if (have == NULL)
		return -EINVAL;
	*have = (struct sim_sev_region){ 0 };
	vm->sev->locked_bytes -= bytes_pinned(r->addr, r->size);
	return 0;
}
