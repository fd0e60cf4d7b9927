#include "sev/sim/sim_dev.h"

#include <errno.h>
#include <string.h>

#include "sev/fw_error.h"

/* /dev/sev commands. ABI 2.1. */
#define SEV_CMD_PLATFORM_STATUS     1u
#define SEV_CMD_SNP_PLATFORM_STATUS 9u
#define SEV_CMD_LAST                12u
#define SEV_STATE_INIT              1u
#define SEV_STATE_WORKING           2u

struct wire_sev_status {
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t state;
	le32 flags;
	uint8_t build;
	le32 guest_count;
};
WIRE_SIZE(struct wire_sev_status, 12);
WIRE_AT(struct wire_sev_status, guest_count, 8);

struct wire_snp_status {
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t state;
	uint8_t is_rmp_init;
	le32 build_id;
	le32 flags;
	le32 guest_count;
	uint8_t current_tcb[8];
	uint8_t reported_tcb[8];
};
WIRE_SIZE(struct wire_snp_status, 32);
WIRE_AT(struct wire_snp_status, current_tcb, 16);

static void sev_status_write(const struct sim_machine *m, void *to)
{
	struct wire_sev_status s = {
		.api_major = m->platform.api_major,
		.api_minor = m->platform.api_minor,
		.state = m->guests != NULL ? SEV_STATE_WORKING : SEV_STATE_INIT,
		.build = m->platform.api_build,
		.guest_count = le32_of(0),
	};

	memcpy(to, &s, sizeof s);
}

static void snp_status_write(const struct sim_machine *m, void *to)
{
	struct wire_snp_status s = {
		.api_major = m->platform.api_major,
		.api_minor = m->platform.api_minor,
		.state = 1,
		.is_rmp_init = 1,
		.build_id = le32_of(m->platform.api_build),
		.guest_count = le32_of(m->n_asids[SIM_ASID_SNP]),
	};

	memcpy(s.current_tcb, m->platform.current_tcb, sizeof s.current_tcb);
	memcpy(s.reported_tcb, m->platform.reported_tcb, sizeof s.reported_tcb);
	memcpy(to, &s, sizeof s);
}

int sim_dev_ioctl(struct sim_machine *m, unsigned long request, unsigned long arg)
{
	struct abi_sev_issue *issue = (void *)arg;

	if (request != ABI_SEV_ISSUE_CMD)
		return -EINVAL;
	if (issue == NULL)
		return -EFAULT;
	if (issue->cmd > SEV_CMD_LAST)
		return -EINVAL;
	void *to = (void *)(uintptr_t)((uint64_t)issue->data_hi << 32 | issue->data_lo);
	if (to == NULL)
		return -EFAULT;
	if (issue->cmd == SEV_CMD_PLATFORM_STATUS)
		sev_status_write(m, to);
	else if (issue->cmd == SEV_CMD_SNP_PLATFORM_STATUS)
		snp_status_write(m, to);
	else
		return -ENOSYS; /* not simulated: say so, loudly */
	issue->error = FW_SUCCESS;
	return 0;
}
