#include "policy/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "policy/plan_bits.h"

static const struct {
	const char *title, *name;
} tees[PLAN_TEE_COUNT] = {
	[PLAN_TEE_NONE] = { "plain", "none" },
	[PLAN_TEE_SW] = { "software-protected", "sw" },
	[PLAN_TEE_SEV] = { "SEV", "sev" },
	[PLAN_TEE_SEV_ES] = { "SEV-ES", "sev-es" },
	[PLAN_TEE_SNP] = { "SEV-SNP", "snp" },
	[PLAN_TEE_TDX] = { "TDX", "tdx" },
};

const char *plan_tee_title(uint32_t tee)
{
	return tee < PLAN_TEE_COUNT ? tees[tee].title : "?";
}

const char *plan_tee_name(uint32_t tee)
{
	return tee < PLAN_TEE_COUNT ? tees[tee].name : "?";
}

/* Digits to a number that is a vsock address; all ones is "any" (vsock(7)). */
static const char *number_parse(const char *text, char end, uint32_t *ret)
{
	uint64_t v = 0;
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 10 || text[n] != end)
		return NULL;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	if (v >= UINT32_MAX)
		return NULL;
	*ret = (uint32_t)v;
	return text + n + (end != 0 ? 1 : 0);
}

int plan_parse_quoting(const char *text, struct plan_vsock *ret)
{
	static const char prefix[] = "vsock:";
	struct plan_vsock to = { .is_vsock = strncmp(text, prefix, strlen(prefix)) == 0 };

	if (to.is_vsock) {
		const char *port = number_parse(text + strlen(prefix), ':', &to.cid);
		if (port == NULL || number_parse(port, 0, &to.port) == NULL)
			return -EBADMSG;
	}
	if (text[0] == 0)
		return -EBADMSG;
	*ret = to;
	return 0;
}

static bool is_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Terminated, zero behind the end, and nothing but printable ASCII in between. */
static bool is_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == size || !is_zero(text + len, size - len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static MUST_USE int text_check(
	const char *what, const char *text, size_t size, bool may_be_empty, struct why *why)
{
	if (!is_text(text, size))
		return why_set(why, -EBADMSG, "plan: %s is not terminated printable text", what);
	if (!may_be_empty && text[0] == 0)
		return why_set(why, -EBADMSG, "plan: %s is missing", what);
	return 0;
}

static MUST_USE int range_check(
	const char *what, uint64_t v, uint64_t min, uint64_t max, struct why *why)
{
	if (v < min || v > max)
		return why_set(why, -EBADMSG, "plan: %s is %llu, want %llu to %llu", what,
			(unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
	return 0;
}

static MUST_USE int disks_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t n = le32_get(plan->n_disks);
	int err = range_check("the number of disks", n, 0, LIMIT_DISKS, why);

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		const struct wire_plan_disk *d = &plan->disks[i];
		uint32_t flags = le32_get(d->flags);
		err = text_check("a disk's id", d->id, sizeof d->id, false, why);
		if (err == 0)
			err = text_check("a disk's path", d->path, sizeof d->path, false, why);
		if (err == 0 && (flags & ~PLAN_DISK_FLAGS_ALL) != 0)
			err = why_set(
				why, -EBADMSG, "plan: disk %s: unknown flags 0x%x", d->id, flags);
		if (err == 0 && flags == (PLAN_DISK_READ_ONLY | PLAN_DISK_DISCARD))
			err = why_set(
				why, -EBADMSG, "plan: disk %s: discard, but read only", d->id);
		if (err == 0 && le32_get(d->backend) >= PLAN_BACKEND_COUNT)
			err = why_set(why, -EBADMSG, "plan: disk %s: unknown back end", d->id);
		for (uint32_t j = 0; err == 0 && j < i; j++)
			if (strcmp(plan->disks[j].id, d->id) == 0)
				err = why_set(why, -EBADMSG, "plan: two disks named %s", d->id);
	}
	if (err == 0 && !is_zero(&plan->disks[n], (LIMIT_DISKS - n) * sizeof plan->disks[0]))
		err = why_set(why, -EBADMSG, "plan: unused disk rows are not zero");
	return err;
}

static MUST_USE int ports_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t n = le32_get(plan->n_ports);
	bool has_vsock = (le32_get(plan->flags) & PLAN_VSOCK) != 0;
	int err = range_check("the number of ports", n, 0, has_vsock ? LIMIT_VSOCK_PORTS : 0, why);

	/* Context ids 0 to 2 and all ones are taken (virtio 1.2, 5.10.4). */
	if (err == 0 && has_vsock)
		err = range_check("the vsock id", le64_get(plan->vsock_cid), 3, 0xfffffffe, why);
	if (err == 0 && !has_vsock && le64_get(plan->vsock_cid) != 0)
		err = why_set(why, -EBADMSG, "plan: a vsock id without vsock");
	for (uint32_t i = 0; err == 0 && i < n; i++) {
		const struct wire_plan_port *p = &plan->ports[i];
		err = text_check("a port's socket", p->path, sizeof p->path, false, why);
		if (err == 0)
			err = range_check("a port", le32_get(p->port), 1, 0xfffffffe, why);
		if (err == 0 && le32_get(p->zero) != 0)
			err = why_set(why, -EBADMSG, "plan: a port's padding is not zero");
		for (uint32_t j = 0; err == 0 && j < i; j++)
			if (le32_get(plan->ports[j].port) == le32_get(p->port))
				err = why_set(
					why, -EBADMSG, "plan: port %u twice", le32_get(p->port));
	}
	if (err == 0 && !is_zero(&plan->ports[n], (LIMIT_VSOCK_PORTS - n) * sizeof plan->ports[0]))
		err = why_set(why, -EBADMSG, "plan: unused port rows are not zero");
	return err;
}

#define TEE(kind)      (1u << PLAN_TEE_##kind)
#define TEES_SEV       (TEE(SEV) | TEE(SEV_ES))
#define TEES_AMD       (TEES_SEV | TEE(SNP))
#define TEES_PROTECTED (TEES_AMD | TEE(TDX))

#define FIELD(member)  plan->member, sizeof plan->member

/* What only some kinds of guest may have: elsewhere it must be zero. */
static MUST_USE int excess_check(const struct wire_plan *plan, struct why *why)
{
	const struct {
		const char *what;
		uint32_t tees; /* mask of 1 << enum plan_tee */
		const void *at;
		size_t len;
	} rows[] = {
		{ "guest policy bits", TEES_AMD, &plan->guest_policy, 8 },
		{ "VMSA features", TEE(SEV_ES) | TEE(SNP), &plan->vmsa_features, 8 },
		/* The TDX module shows the host's. */
		{ "a processor's signature", ~TEE(TDX), &plan->cpu_signature, 4 },
		{ "TD attributes", TEE(TDX), &plan->td_attributes, 8 },
		{ "XFAM", TEE(TDX), &plan->td_xfam, 8 },
		{ "MROWNER", TEE(TDX), FIELD(mrowner) },
		{ "MROWNERCONFIG", TEE(TDX), FIELD(mrownerconfig) },
		{ "an ID block", TEE(SNP), FIELD(id_block) },
		{ "an ID authentication page", TEE(SNP), FIELD(id_auth) },
		{ "a certificate table", TEE(SNP), FIELD(snp_certs) },
		{ "a quoting service", TEE(TDX), FIELD(qgs) },
		{ "an owner's certificate", TEES_SEV, FIELD(sev_dh) },
		{ "an owner's session", TEES_SEV, FIELD(sev_session) },
		{ "an owner", TEES_SEV, FIELD(owner_url) },
		{ "an owner's issuer", TEES_SEV, FIELD(owner_ca) },
		{ "a time to wait for the owner", TEES_SEV, &plan->owner_wait_s, 4 },
		{ "flash variables", TEE(NONE), FIELD(flash_vars) },
	};
	static const struct {
		const char *what;
		uint32_t flag, tees;
	} flags[] = {
		{ "simulated evidence", PLAN_SIMULATED, TEES_PROTECTED },
		{ "an ID block", PLAN_ID_BLOCK, TEE(SNP) },
		{ "a session", PLAN_SEV_SESSION, TEES_SEV },
		{ "an owner", PLAN_OWNER, TEES_SEV },
	};
	uint32_t tee = le32_get(plan->tee);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((rows[i].tees & 1u << tee) == 0 && !is_zero(rows[i].at, rows[i].len))
			return why_set(why, -EBADMSG, "plan: a %s guest with %s",
				plan_tee_title(tee), rows[i].what);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if ((flags[i].tees & 1u << tee) == 0 &&
			(le32_get(plan->flags) & flags[i].flag) != 0)
			return why_set(why, -EBADMSG, "plan: a %s guest with %s",
				plan_tee_title(tee), flags[i].what);
	return 0;
}

/* A flag and the fields it speaks of: all there, or all zero. */
static MUST_USE int flags_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t flags = le32_get(plan->flags);
	uint32_t wait = le32_get(plan->owner_wait_s);
	bool has_session = (flags & PLAN_SEV_SESSION) != 0;
	bool has_owner = (flags & PLAN_OWNER) != 0;

	if ((flags & PLAN_AUTHOR_KEY) != 0 && (flags & PLAN_ID_BLOCK) == 0)
		return why_set(why, -EBADMSG, "plan: an author key without an ID block");
	if ((flags & PLAN_ID_BLOCK) == 0 && (!is_zero(plan->id_block, sizeof plan->id_block) ||
						    !is_zero(plan->id_auth, sizeof plan->id_auth)))
		return why_set(why, -EBADMSG, "plan: ID block bytes without the flag");
	if ((flags & PLAN_ID_BLOCK) != 0 && (is_zero(plan->id_block, sizeof plan->id_block) ||
						    is_zero(plan->id_auth, sizeof plan->id_auth)))
		return why_set(why, -EBADMSG, "plan: an ID block or its signatures are all zero");
	if (has_session != (plan->sev_dh[0] != 0) || has_session != (plan->sev_session[0] != 0))
		return why_set(why, -EBADMSG,
			"plan: a session needs its flag, certificate and session, all or none");
	if (has_owner != (plan->owner_url[0] != 0) || has_owner != (plan->owner_ca[0] != 0) ||
		has_owner != (wait != 0))
		return why_set(why, -EBADMSG,
			"plan: an owner needs its flag, URL, issuer and time, all or none");
	if (has_owner && !has_session)
		return why_set(why, -EBADMSG, "plan: an owner without a session");
	if (wait > LIMIT_OWNER_WAIT_S)
		return why_set(why, -EBADMSG, "plan: the owner has %u s, at most %u", wait,
			LIMIT_OWNER_WAIT_S);
	if (has_owner && strncmp(plan->owner_url, "https://", 8) != 0)
		return why_set(why, -EBADMSG, "plan: the owner's URL is not https://");
	if ((flags & PLAN_HUGE_2M) != 0 && (flags & PLAN_HUGE_1G) != 0)
		return why_set(why, -EBADMSG, "plan: two sizes of huge pages");
	if ((flags & PLAN_SERIAL) != 0 && (flags & PLAN_CONSOLE) != 0)
		return why_set(why, -EBADMSG,
			"plan: two consoles: the terminal shows the serial port, or virtio's");
	return 0;
}

/* ABI 2.7: KVM leaves this to the firmware, which says INVALID_ASID. */
#define SEV_POLICY_ES (1u << 2)

static MUST_USE int tee_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t tee = le32_get(plan->tee);
	uint64_t bits = le64_get(plan->guest_policy);
	struct plan_vsock to;

	if (tee >= PLAN_TEE_COUNT)
		return why_set(why, -EBADMSG, "plan: guest kind %u", tee);
	int err = excess_check(plan, why);
	if (err == 0)
		err = flags_check(plan, why);
	if (err < 0)
		return err;
	if (plan_tee_is_protected(tee) && plan->ledger[0] == 0)
		return why_set(why, -EBADMSG, "plan: a protected guest without a ledger");
	if ((1u << tee & TEES_SEV) != 0 &&
		(bits > UINT32_MAX || ((bits & SEV_POLICY_ES) != 0) != (tee == PLAN_TEE_SEV_ES)))
		return why_set(why, -EBADMSG, "plan: guest policy 0x%llx is not one of %s",
			(unsigned long long)bits, plan_tee_title(tee));
	err = plan_check_bits(plan, why);
	if (err < 0)
		return why_prefix(why, err, "plan");
	if (plan->qgs[0] != 0 && plan_parse_quoting(plan->qgs, &to) < 0)
		return why_set(why, -EBADMSG,
			"plan: the quoting service is no path and no "
			"vsock:CID:PORT");
	return 0;
}

/* Firmware, or a kernel that the monitor boots by itself; a disk where there is no kernel. */
static MUST_USE int boot_check(const struct wire_plan *plan, struct why *why)
{
	bool has_firmware = plan->firmware[0] != 0, has_kernel = plan->kernel[0] != 0;
	uint32_t tee = le32_get(plan->tee);

	if (!has_firmware && (1u << tee & (TEES_SEV | TEE(TDX))) != 0)
		return why_set(
			why, -EBADMSG, "plan: a %s guest without firmware", plan_tee_title(tee));
	if (!has_firmware && !has_kernel)
		return why_set(why, -EBADMSG, "plan: neither firmware nor a kernel");
	if (!has_firmware && plan->flash_vars[0] != 0)
		return why_set(why, -EBADMSG, "plan: flash variables without firmware");
	if (!has_kernel && (plan->initrd[0] != 0 || plan->cmdline[0] != 0))
		return why_set(why, -EBADMSG, "plan: an initrd or a command line without a kernel");
	if (!has_kernel && le32_get(plan->n_disks) == 0)
		return why_set(why, -EBADMSG, "plan: neither a kernel nor a disk to boot from");
	return 0;
}

/* A digest of a file that is named, or nothing. */
static MUST_USE int digests_check(const struct wire_plan *plan, struct why *why)
{
	const char *const paths[PLAN_FILE_COUNT] = {
		[PLAN_FILE_FIRMWARE] = plan->firmware,
		[PLAN_FILE_KERNEL] = plan->kernel,
		[PLAN_FILE_INITRD] = plan->initrd,
	};

	for (unsigned int i = 0; i < PLAN_FILE_COUNT; i++) {
		const struct wire_plan_digest *d = &plan->digests[i];
		uint32_t has = le32_get(d->has_sha384);
		if (has > 1 || le32_get(d->zero) != 0 ||
			(has == 0 && !is_zero(d->sha384, sizeof d->sha384)))
			return why_set(
				why, -EBADMSG, "plan: file %u: digest bytes out of place", i);
		if (has == 1 && paths[i][0] == 0)
			return why_set(why, -EBADMSG, "plan: file %u: a digest without a file", i);
	}
	return 0;
}

/* "cN", N below PLAN_MCS_COUNT and without zeros before it; what follows it, or NULL. */
static const char *category_parse(const char *text, uint32_t *ret)
{
	uint32_t v = 0;
	const char *p = text + 1;

	if (text[0] != 'c' || *p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return NULL;
	for (; *p >= '0' && *p <= '9' && v < PLAN_MCS_COUNT; p++)
		v = v * 10 + (uint32_t)(*p - '0');
	*ret = v;
	return v < PLAN_MCS_COUNT ? p : NULL;
}

bool plan_is_range(const char *text)
{
	uint32_t low = 0;
	uint32_t high = 0;

	if (strncmp(text, "s0:", 3) != 0)
		return false;
	const char *p = category_parse(text + 3, &low);
	p = p != NULL && *p == ',' ? category_parse(p + 1, &high) : NULL;
	return p != NULL && *p == 0 && low < high;
}

static MUST_USE int confinement_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t flags = le32_get(plan->flags);
	uint32_t overhead = le32_get(plan->overhead_mib);
	bool has_range = plan->mac_range[0] != 0;

	if ((flags & PLAN_MAC_OFF) != 0 && (flags & (PLAN_MAC_REQUIRED | PLAN_STRICT)) != 0)
		return why_set(why, -EBADMSG, "plan: labels are off and demanded");
	if (!is_text(plan->mac_range, sizeof plan->mac_range) ||
		(has_range && !plan_is_range(plan->mac_range)))
		return why_set(why, -EBADMSG, "plan: the label's range is no s0:cA,cB");
	if (has_range && (flags & PLAN_MAC_REQUIRED) == 0)
		return why_set(why, -EBADMSG, "plan: a label's range that is not required");
	int err = range_check("cpu_weight", le32_get(plan->cpu_weight), 0, 10000, why);
	if (err == 0)
		err = range_check(
			"cpu_percent", le32_get(plan->cpu_percent), 0, PLAN_CPU_PERCENT_MAX, why);
	if (err == 0)
		err = range_check("io_weight", le32_get(plan->io_weight), 0, 10000, why);
	if (err == 0 && overhead != 0)
		err = range_check("overhead_mib", overhead, 64, 65536, why);
	return err;
}

static MUST_USE int ledger_check(const struct wire_plan *plan, struct why *why)
{
	bool has_ledger = plan->ledger[0] != 0;

	if (has_ledger != (plan->ledger_key[0] != 0) || has_ledger != (plan->ledger_origin[0] != 0))
		return why_set(why, -EBADMSG,
			"plan: a ledger needs its folder, key and origin, all three or none");
	return 0;
}

static MUST_USE int texts_check(const struct wire_plan *plan, struct why *why)
{
	const struct {
		const char *what;
		const char *text;
		size_t size;
		bool may_be_empty;
	} texts[] = {
		{ "the name", plan->name, sizeof plan->name, false },
		{ "the firmware's path", plan->firmware, sizeof plan->firmware, true },
		{ "the flash variables' path", plan->flash_vars, sizeof plan->flash_vars, true },
		{ "the kernel's path", plan->kernel, sizeof plan->kernel, true },
		{ "the initrd's path", plan->initrd, sizeof plan->initrd, true },
		{ "the command line", plan->cmdline, sizeof plan->cmdline, true },
		{ "the ledger's path", plan->ledger, sizeof plan->ledger, true },
		{ "the ledger key's path", plan->ledger_key, sizeof plan->ledger_key, true },
		{ "the ledger's origin", plan->ledger_origin, sizeof plan->ledger_origin, true },
		{ "the owner's certificate's path", plan->sev_dh, sizeof plan->sev_dh, true },
		{ "the session's path", plan->sev_session, sizeof plan->sev_session, true },
		{ "the certificate table's path", plan->snp_certs, sizeof plan->snp_certs, true },
		{ "the quoting service", plan->qgs, sizeof plan->qgs, true },
		{ "the owner's URL", plan->owner_url, sizeof plan->owner_url, true },
		{ "the owner's issuer's path", plan->owner_ca, sizeof plan->owner_ca, true },
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(texts); i++)
		err = text_check(
			texts[i].what, texts[i].text, texts[i].size, texts[i].may_be_empty, why);
	return err;
}

int plan_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t flags = le32_get(plan->flags);

	if (le32_get(plan->version) != PLAN_VERSION)
		return why_set(why, -EBADMSG, "plan: version %u, want %u", le32_get(plan->version),
			PLAN_VERSION);
	if ((flags & ~PLAN_FLAGS_ALL) != 0)
		return why_set(why, -EBADMSG, "plan: unknown flags 0x%x", flags);
	int err = texts_check(plan, why);
	if (err == 0)
		err = range_check(
			"the number of vCPUs", le32_get(plan->vcpus), 1, LIMIT_VCPUS, why);
	if (err == 0)
		err = range_check("memory in MiB", le64_get(plan->memory_mib), LIMIT_MEMORY_MIB_MIN,
			LIMIT_MEMORY_MIB_MAX, why);
	if (err == 0)
		err = tee_check(plan, why);
	if (err == 0)
		err = disks_check(plan, why);
	if (err == 0)
		err = boot_check(plan, why);
	if (err == 0)
		err = digests_check(plan, why);
	if (err == 0)
		err = ports_check(plan, why);
	if (err == 0)
		err = ledger_check(plan, why);
	if (err == 0)
		err = confinement_check(plan, why);
	return err;
}
