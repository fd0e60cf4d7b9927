#include "sev/sim/sim_psp.h"

#include <errno.h>

#include "sev/fw_error.h"

uint32_t sim_psp_step(struct sim_machine *m, enum sim_command command)
{
	if (m->is_psp_dead)
		return SIM_FAULT_ERRNO | EBUSY;
	uint32_t status = sim_script_step(&m->platform.script, command);
	m->is_psp_dead = status == (SIM_FAULT_ERRNO | ETIMEDOUT);
	return status;
}

int sim_psp_result(uint32_t status, uint32_t *ret_error)
{
	if ((status & SIM_FAULT_ERRNO) != 0)
		return -(int)(status & ~SIM_FAULT_ERRNO);
	*ret_error = status;
	return status == FW_SUCCESS ? 0 : -EIO;
}

/* Early stops, the same ones for the same seed. */
static uint64_t random_step(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}

uint64_t sim_pages_to_do(struct sim_machine *m, uint64_t n)
{
	if (m->platform.seed == 0)
		return n;
	uint64_t r = random_step(&m->seed);
	return (r & 3) == 0 ? 1 + (r >> 8) % n : n;
}

bool sim_is_signal(struct sim_machine *m)
{
	return (m->platform.flags & SIM_FLAG_SIGNALS) != 0 && (random_step(&m->seed) & 3) == 0;
}

/* How many guests the class can have beside those of the class it shares with. ABI 2.4. */
static uint32_t asid_room(const struct sim_machine *m, enum sim_asid class)
{
	const struct sim_platform *p = &m->platform;

	if (class == SIM_ASID_SEV)
		return p->sev_asids;
	if (p->hidden_asids == 0) /* one pool for both */
		return p->asids;
	return class == SIM_ASID_SNP ? p->hidden_asids : p->asids - p->hidden_asids;
}

static uint32_t asid_used(const struct sim_machine *m, enum sim_asid class)
{
	bool is_shared = class != SIM_ASID_SEV && m->platform.hidden_asids == 0;

	return is_shared ? m->n_asids[SIM_ASID_ES] + m->n_asids[SIM_ASID_SNP] : m->n_asids[class];
}

int sim_asid_take(struct sim_machine *m, enum sim_asid class)
{
	if (asid_room(m, class) == 0)
		return -ENOTTY;
	if (asid_used(m, class) >= asid_room(m, class))
		return -EBUSY;
	m->n_asids[class]++;
	return 0;
}

void sim_asid_give(struct sim_machine *m, enum sim_asid class)
{
	if (m->n_asids[class] > 0) /* fw_open() may have begun anew in between */
		m->n_asids[class]--;
}
