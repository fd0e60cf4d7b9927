#include "sev/sim/sim_dev.h"

#include <errno.h>
#include <linux/psp-sev.h>
#include <string.h>

#include "sev/fw_error.h"
#include "sev/sim/sim_psp.h"
#include "sev/sim/sim_sev.h"
#include "sev/sim/sim_vlek.h"

/* Commands that Debian 12's header does not have. ABI 2.1. */
#define DEV_SNP_PLATFORM_STATUS 9u
#define DEV_SNP_COMMIT          10u
#define DEV_SNP_SET_CONFIG      11u
#define DEV_SNP_VLEK_LOAD       12u
#define DEV_COMMANDS            13u

#define STATE_UNINIT            0u
#define STATE_INIT              1u
#define STATE_WORKING           2u

#define STATUS_OWNED            0x1u
#define STATUS_ES               0x100u
#define CHAIN_BYTES             (3u * SIM_SEV_CERT_BYTES)
#define CONFIG_ALL              (SIM_MASK_CHIP_ID | SIM_MASK_CHIP_KEY)
#define SNP_FLAG_VLEK           (1u << 2)
#define SNP_FLAG_HIDING_CAP     (1u << 5)
#define SNP_FLAG_HIDING_EN      (1u << 6)

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

struct wire_snp_config {
	uint8_t reported_tcb[8];
	le32 flags; /* bit 0 mask chip id, bit 1 mask chip key */
	uint8_t zero[52];
};
WIRE_SIZE(struct wire_snp_config, 64);

struct wire_vlek_load {
	le32 len;
	uint8_t version;
	uint8_t zero[3];
	le64 address;
};
WIRE_SIZE(struct wire_vlek_load, 16);

/* One command at work: its argument, and the firmware's status. */
struct call {
	void *arg;
	uint32_t status;
};

static void *user_pointer(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

static uint32_t context_count(const struct sim_machine *m)
{
	uint32_t n = 0;

	for (const struct sim_sev *g = m->guests; g != NULL; g = g->next)
		n++;
	return n;
}

/* --- platform -------------------------------------------------------------------------------- */

static int platform_status(struct sim_machine *m, struct call *c)
{
	uint8_t ready = m->guests != NULL ? STATE_WORKING : STATE_INIT;
	const struct sev_user_data_status s = {
		.api_major = m->platform.api_major,
		.api_minor = m->platform.api_minor,
		.state = m->is_sev_reset ? STATE_UNINIT : ready,
		.flags = (m->identity.is_owned ? STATUS_OWNED : 0) |
			 ((m->platform.kinds & SIM_KIND_ES) != 0 ? STATUS_ES : 0),
		.build = m->platform.api_build,
		.guest_count = context_count(m),
	};

	memcpy(c->arg, &s, sizeof s);
	return 0;
}

static uint32_t status_of(int err)
{
	return err == 0 ? FW_SUCCESS : FW_HWSEV_RET_PLATFORM;
}

static int factory_reset(struct sim_machine *m, struct call *c)
{
	if (m->guests != NULL)
		return -EBUSY;
	c->status = status_of(sim_identity_new_pek(&m->identity));
	m->is_sev_reset = true;
	return 0;
}

static int pek_gen(struct sim_machine *m, struct call *c)
{
	c->status = m->guests != NULL ? FW_INVALID_PLATFORM_STATE
				      : status_of(sim_identity_new_pek(&m->identity));
	return 0;
}

static int pdh_gen(struct sim_machine *m, struct call *c)
{
	c->status = status_of(sim_identity_new_pdh(&m->identity));
	return 0;
}

/* A buffer that is missing or too short: its length will say what is needed. */
static bool is_room(uint32_t len, uint64_t addr, uint32_t needed, struct call *c)
{
	bool is_enough = addr != 0 && len >= needed;

	if (!is_enough)
		c->status = FW_INVALID_LEN;
	return is_enough;
}

static int pek_csr(struct sim_machine *m, struct call *c)
{
	struct sev_user_data_pek_csr a;
	struct sim_sev_cert csr;

	memcpy(&a, c->arg, sizeof a);
	if (a.length > LIMIT_SIM_BLOB_BYTES)
		return -EFAULT;
	if (is_room(a.length, a.address, sizeof csr, c)) {
		sim_identity_csr(&m->identity, &csr);
		memcpy(user_pointer(a.address), &csr, sizeof csr);
	}
	a.length = sizeof csr;
	memcpy(c->arg, &a, sizeof a);
	return 0;
}

static int pdh_cert_export(struct sim_machine *m, struct call *c)
{
	const struct sim_sev_cert *cert = m->identity.cert;
	struct sev_user_data_pdh_cert_export a;

	memcpy(&a, c->arg, sizeof a);
	if (a.pdh_cert_len > LIMIT_SIM_BLOB_BYTES || a.cert_chain_len > LIMIT_SIM_BLOB_BYTES)
		return -EFAULT;
	uint32_t pdh_len = a.pdh_cert_len, chain_len = a.cert_chain_len;
	a.pdh_cert_len = SIM_SEV_CERT_BYTES;
	a.cert_chain_len = CHAIN_BYTES;
	if (is_room(pdh_len, a.pdh_cert_address, SIM_SEV_CERT_BYTES, c) &&
		is_room(chain_len, a.cert_chain_address, CHAIN_BYTES, c)) {
		struct sim_sev_cert *chain = user_pointer(a.cert_chain_address);
		memcpy(user_pointer(a.pdh_cert_address), &cert[SIM_CERT_PDH], sizeof cert[0]);
		memcpy(&chain[0], &cert[SIM_CERT_PEK], sizeof chain[0]);
		memcpy(&chain[1], &cert[SIM_CERT_OCA], sizeof chain[1]);
		memcpy(&chain[2], &cert[SIM_CERT_CEK], sizeof chain[2]);
	}
	memcpy(c->arg, &a, sizeof a);
	return 0;
}

static int pek_cert_import(struct sim_machine *m, struct call *c)
{
	struct sev_user_data_pek_cert_import a;
	struct sim_sev_cert pek, oca;

	memcpy(&a, c->arg, sizeof a);
	if (a.pek_cert_address == 0 || a.oca_cert_address == 0 || a.pek_cert_len == 0 ||
		a.oca_cert_len == 0 || a.pek_cert_len > LIMIT_SIM_BLOB_BYTES ||
		a.oca_cert_len > LIMIT_SIM_BLOB_BYTES)
		return -EINVAL;
	if (a.pek_cert_len != sizeof pek || a.oca_cert_len != sizeof oca) {
		c->status = FW_INVALID_LEN;
		return 0;
	}
	memcpy(&pek, user_pointer(a.pek_cert_address), sizeof pek);
	memcpy(&oca, user_pointer(a.oca_cert_address), sizeof oca);
	c->status = m->guests != NULL ? FW_INVALID_PLATFORM_STATE
				      : sim_identity_import(&m->identity, &pek, &oca);
	return 0;
}

/* One socket. */
static int get_id(struct sim_machine *m, struct call *c)
{
	struct sev_user_data_get_id id = { 0 };

	memcpy(id.socket1, m->platform.chip_id, sizeof id.socket1);
	memcpy(c->arg, &id, sizeof id);
	return 0;
}

static int get_id2(struct sim_machine *m, struct call *c)
{
	struct sev_user_data_get_id2 a;

	memcpy(&a, c->arg, sizeof a);
	if (a.length > LIMIT_SIM_BLOB_BYTES)
		return -EFAULT;
	if (is_room(a.length, a.address, SIM_CHIP_ID_BYTES, c))
		memcpy(user_pointer(a.address), m->platform.chip_id, SIM_CHIP_ID_BYTES);
	a.length = SIM_CHIP_ID_BYTES;
	memcpy(c->arg, &a, sizeof a);
	return 0;
}

/* --- SNP ------------------------------------------------------------------------------------- */

static int snp_status(struct sim_machine *m, struct call *c)
{
	const struct sim_platform *p = &m->platform;
	bool is_init = (p->flags & SIM_FLAG_NO_SNP) == 0;
	uint32_t hiding = p->hidden_asids != 0 ? SNP_FLAG_HIDING_CAP | SNP_FLAG_HIDING_EN : 0;
	struct wire_snp_status s = {
		.api_major = p->api_major,
		.api_minor = p->api_minor,
		.state = is_init,
		.is_rmp_init = is_init,
		.build_id = le32_of(p->api_build),
		.flags = le32_of(m->snp_masks | (m->vlek != NULL ? SNP_FLAG_VLEK : 0) | hiding),
		.guest_count = le32_of(m->n_asids[SIM_ASID_SNP]),
	};

	memcpy(s.current_tcb, p->current_tcb, sizeof s.current_tcb);
	memcpy(s.reported_tcb, p->reported_tcb, sizeof s.reported_tcb);
	memcpy(c->arg, &s, sizeof s);
	return 0;
}

static int snp_commit(struct sim_machine *m, struct call *c)
{
	(void)c;
	memcpy(m->platform.committed_tcb, m->platform.current_tcb,
		sizeof m->platform.committed_tcb);
	return 0;
}

static bool bytes_are_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

/* Component by component. */
static bool tcb_is_at_most(const uint8_t a[8], const uint8_t b[8])
{
	bool is = true;

	for (size_t i = 0; i < 8; i++)
		is = is && a[i] <= b[i];
	return is;
}

static int snp_set_config(struct sim_machine *m, struct call *c)
{
	struct sim_platform *p = &m->platform;
	struct wire_snp_config a;

	memcpy(&a, c->arg, sizeof a);
	uint32_t masks = le32_get(a.flags);
	if ((masks & ~CONFIG_ALL) != 0 || !bytes_are_zero(a.zero, sizeof a.zero) ||
		!tcb_is_at_most(a.reported_tcb, p->committed_tcb)) {
		c->status = FW_INVALID_PARAM;
		return 0;
	}
	const uint8_t *tcb = bytes_are_zero(a.reported_tcb, sizeof a.reported_tcb)
				     ? p->committed_tcb
				     : a.reported_tcb;
	if (memcmp(tcb, p->reported_tcb, sizeof p->reported_tcb) != 0) {
		sim_ec_free(m->vlek); /* it was for another TCB */
		m->vlek = NULL;
	}
	memcpy(p->reported_tcb, tcb, sizeof p->reported_tcb);
	m->snp_masks = masks;
	return 0;
}

static int snp_vlek_load(struct sim_machine *m, struct call *c)
{
	struct wire_vlek_load a;
	struct sim_hashstick h;
	void *key = NULL;

	memcpy(&a, c->arg, sizeof a);
	if (le32_get(a.len) != sizeof a || a.version != 0)
		return -EINVAL;
	if (le64_get(a.address) == 0)
		return -EFAULT;
	memcpy(&h, user_pointer(le64_get(a.address)), sizeof h);
	c->status = sim_vlek_open(&m->crypto, &m->platform, &h, &key);
	if (c->status == FW_SUCCESS) {
		sim_ec_free(m->vlek);
		m->vlek = key;
	}
	return 0;
}

/* --- the table ------------------------------------------------------------------------------- */

/* What a command needs. ABI 2.1. */
#define NEED_WRITE 1u /* the descriptor was opened for writing */
#define NEED_SNP   2u /* SNP is initialised */
#define NEED_INIT  4u /* the platform is initialised, which needs a writer (and is done for one) */
#define NEED_ARG   8u

static const struct {
	enum sim_command command;
	unsigned int needs;
	int (*run)(struct sim_machine *m, struct call *c);
} rows[DEV_COMMANDS] = {
	[SEV_FACTORY_RESET] = { SIM_FACTORY_RESET, NEED_WRITE, factory_reset },
	[SEV_PLATFORM_STATUS] = { SIM_PLATFORM_STATUS, NEED_ARG, platform_status },
	[SEV_PEK_GEN] = { SIM_PEK_GEN, NEED_WRITE | NEED_INIT, pek_gen },
	[SEV_PEK_CSR] = { SIM_PEK_CSR, NEED_WRITE | NEED_INIT | NEED_ARG, pek_csr },
	[SEV_PDH_GEN] = { SIM_PDH_GEN, NEED_WRITE | NEED_INIT, pdh_gen },
	[SEV_PDH_CERT_EXPORT] = { SIM_PDH_CERT_EXPORT, NEED_INIT | NEED_ARG, pdh_cert_export },
	[SEV_PEK_CERT_IMPORT] = { SIM_PEK_CERT_IMPORT, NEED_WRITE | NEED_INIT | NEED_ARG,
		pek_cert_import },
	[SEV_GET_ID] = { SIM_GET_ID, NEED_ARG, get_id },
	[SEV_GET_ID2] = { SIM_GET_ID2, NEED_ARG, get_id2 },
	[DEV_SNP_PLATFORM_STATUS] = { SIM_SNP_PLATFORM_STATUS, NEED_ARG, snp_status },
	[DEV_SNP_COMMIT] = { SIM_SNP_COMMIT, NEED_SNP, snp_commit },
	[DEV_SNP_SET_CONFIG] = { SIM_SNP_SET_CONFIG, NEED_WRITE | NEED_SNP | NEED_ARG,
		snp_set_config },
	[DEV_SNP_VLEK_LOAD] = { SIM_SNP_VLEK_LOAD, NEED_WRITE | NEED_SNP | NEED_ARG,
		snp_vlek_load },
};

static MUST_USE int needs_check(struct sim_machine *m, unsigned int needs, const void *arg)
{
	bool must_init = (needs & NEED_INIT) != 0 && m->is_sev_reset;

	if (((needs & NEED_WRITE) != 0 || must_init) && !m->is_sev_writable)
		return -EPERM;
	if ((needs & NEED_SNP) != 0 && (m->platform.flags & SIM_FLAG_NO_SNP) != 0)
		return -ENODEV;
	if ((needs & NEED_ARG) != 0 && arg == NULL)
		return -EFAULT;
	if (must_init)
		m->is_sev_reset = false;
	return 0;
}

int sim_dev_ioctl(struct sim_machine *m, unsigned long request, unsigned long arg)
{
	struct abi_sev_issue *issue = (void *)arg;

	if (request != ABI_SEV_ISSUE_CMD)
		return -EINVAL;
	if (issue == NULL)
		return -EFAULT;
	if (issue->cmd >= ARRAY_LEN(rows))
		return -EINVAL;
	struct call c = {
		.arg = user_pointer((uint64_t)issue->data_hi << 32 | issue->data_lo),
	};
	int err = needs_check(m, rows[issue->cmd].needs, c.arg);
	if (err < 0)
		return err;
	c.status = sim_psp_step(m, rows[issue->cmd].command);
	if (c.status == FW_SUCCESS)
		err = rows[issue->cmd].run(m, &c);
	return err < 0 ? err : sim_psp_result(c.status, &issue->error);
}
