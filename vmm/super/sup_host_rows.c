#include "vmm/super/sup_host_rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cdefs.h"
#include "policy/plan.h"
#include "sandbox/cgroup.h"
#include "vmm/super/sup_foreign.h"
#include "vmm/super/sup_host_kernel.h"

#define MIB           (1ull << 20)
#define MEMLOCK_LEAST (256 * MIB) /* the smallest guest worth the name */
#define KVM_API       12u

/* Who needs a row. */
#define TEE(name) (1u << PLAN_TEE_##name)
#define FOR_ALL   ((1u << PLAN_TEE_COUNT) - 1)
#define FOR_SEVS  (TEE(SEV) | TEE(SEV_ES) | TEE(SNP))
#define FOR_NONE  0u /* nobody: good to have, or told for the record */

#define SAY(...)  ((void)snprintf(observed, size, __VA_ARGS__))

/* What is not there is a no; what may not be looked at is unknown. */
static enum host_state state_of_err(int err)
{
	return err == ENOENT || err == ENOTDIR || err == ENODEV || err == ENXIO ? HOST_NO
										: HOST_UNKNOWN;
}

static enum host_state seen_or_not(
	int err, const char *what, enum host_state seen, char *observed, size_t size)
{
	if (err == 0)
		return seen;
	SAY("%s: %s", what, strerrordesc_np(err));
	return state_of_err(err);
}

/* A value of a thing that cannot be read is unknown, whyever. */
static enum host_state read_or_unknown(
	int err, const char *what, enum host_state seen, char *observed, size_t size)
{
	if (err == 0)
		return seen;
	SAY("%s: %s", what, strerrordesc_np(err));
	return HOST_UNKNOWN;
}

/* ---- kernel ---------------------------------------------------------------------------------- */

static enum host_state judge_kernel(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	struct host_kernel k;

	(void)which;
	if (!host_kernel_parse(f, &k)) {
		SAY("no version to be read");
		return HOST_UNKNOWN;
	}
	SAY("Linux %s", f->release.err == 0 ? f->release.s : "of unknown release");
	return k.major > 6 || (k.major == 6 && k.minor >= 1) ? HOST_YES : HOST_NO;
}

static enum host_state judge_fault(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	static const char *const says[] = { "has it", "does not have it",
		"may have it: this distribution's version does not tell" };
	struct host_kernel k;

	if (!host_kernel_parse(f, &k)) {
		SAY("no version to be read");
		return HOST_UNKNOWN;
	}
	int is_fine = host_fault_check(&host_faults[which], &k);
	enum host_state state = is_fine < 0 ? HOST_UNKNOWN : is_fine > 0 ? HOST_YES : HOST_NO;
	SAY("Linux %u.%u.%u %s", k.major, k.minor, k.patch, says[state]);
	return state;
}

/* ---- processor ------------------------------------------------------------------------------- */

enum { VENDOR_AMD, VENDOR_INTEL };

/* ATT 1.5; the last column: what is publicly broken for good (peers: MilanLaunchy/BadFuse). */
static const struct product {
	const char *name;
	uint32_t family, first_model, last_model;
	const char *broken;
} products[] = {
	{ "Naples", 0x17, 0x00, 0x0f, "no SEV-SNP" },
	{ "Rome", 0x17, 0x30, 0x3f, "no SEV-SNP" },
	{ "Milan", 0x19, 0x00, 0x0f,
		"its attestation seed can be extracted (arXiv 2605.12990): relying parties may "
		"refuse it" },
	{ "Genoa", 0x19, 0x10, 0x1f, NULL },
	{ "Bergamo or Siena", 0x19, 0xa0, 0xaf, NULL },
	{ "Turin", 0x1a, 0x00, 0x11, NULL },
};

static const struct product *product_find(const struct host_facts *f)
{
	for (size_t i = 0; i < ARRAY_LEN(products); i++)
		if (f->family == products[i].family && f->model >= products[i].first_model &&
			f->model <= products[i].last_model)
			return &products[i];
	return NULL;
}

static bool is_amd(const struct host_facts *f)
{
	return strcmp(f->vendor, "AuthenticAMD") == 0;
}

static enum host_state judge_vendor(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	SAY("%s, family 0x%x, model 0x%x, stepping %u", f->vendor, f->family, f->model,
		f->stepping);
	return (which == VENDOR_AMD ? is_amd(f) : strcmp(f->vendor, "GenuineIntel") == 0) ? HOST_YES
											  : HOST_NO;
}

static enum host_state judge_product(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct product *p = is_amd(f) ? product_find(f) : NULL;

	(void)which;
	if (p == NULL) {
		SAY("%s family 0x%x model 0x%x: in no table", f->vendor, f->family, f->model);
		return HOST_UNKNOWN;
	}
	SAY("%s%s%s", p->name, p->broken != NULL ? ": " : "", p->broken != NULL ? p->broken : "");
	return p->broken != NULL ? HOST_NO : HOST_YES;
}

/* APM volume 3, E.4.17: the bit of EAX. */
static enum host_state judge_cpuid(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	if (!is_amd(f)) {
		SAY("no AMD processor");
		return HOST_NO;
	}
	if (f->enc[0] == 0) {
		SAY("CPUID 0x8000001f: nothing");
		return HOST_NO;
	}
	SAY("CPUID 0x8000001f: EAX 0x%x, C-bit %u, %u ASIDs, those below %u for SEV-ES and SNP",
		f->enc[0], f->enc[1] & 0x3f, f->enc[2], f->enc[3]);
	return (f->enc[0] >> which & 1) != 0 ? HOST_YES : HOST_NO;
}

static enum host_state judge_microcode(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->microcode.err == 0)
		SAY("%s", f->microcode.s);
	return read_or_unknown(f->microcode.err, "not shown", HOST_YES, observed, size);
}

static enum host_state judge_syscfg(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const uint64_t want = 1ull << 23 | 1ull << 24; /* MEM_ENCRYPT, SNP_EN */

	(void)which;
	if (f->syscfg.err == 0)
		SAY("SYSCFG 0x%llx", (unsigned long long)f->syscfg.v);
	return read_or_unknown(f->syscfg.err, "SYSCFG cannot be read",
		(f->syscfg.v & want) == want ? HOST_YES : HOST_NO, observed, size);
}

static enum host_state judge_rmp(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	int err = f->rmp_base.err != 0 ? f->rmp_base.err : f->rmp_end.err;
	bool is_there = f->rmp_base.v != 0 && f->rmp_end.v > f->rmp_base.v;

	(void)which;
	if (err == 0)
		SAY("%llu MiB at 0x%llx",
			is_there ? (unsigned long long)((f->rmp_end.v + 1 - f->rmp_base.v) / MIB)
				 : 0,
			(unsigned long long)f->rmp_base.v);
	return read_or_unknown(
		err, "RMP_BASE cannot be read", is_there ? HOST_YES : HOST_NO, observed, size);
}

static enum host_state judge_keyids(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	unsigned int n = (unsigned int)(f->keyids.v >> 32);

	(void)which;
	if (f->keyids.err == 0)
		SAY("%u key identifiers for TDX", n);
	return read_or_unknown(f->keyids.err, "MSR 0x87 cannot be read", n > 0 ? HOST_YES : HOST_NO,
		observed, size);
}

/* ---- KVM ------------------------------------------------------------------------------------- */

static enum host_state judge_kvm(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->kvm_api.err == 0)
		SAY("/dev/kvm, API version %llu", (unsigned long long)f->kvm_api.v);
	return seen_or_not(f->kvm_api.err, "/dev/kvm", f->kvm_api.v == KVM_API ? HOST_YES : HOST_NO,
		observed, size);
}

/* PLAN_TEE_* are KVM's numbers of VM types. ABI 1.2: ask KVM, not CPUID. */
static enum host_state judge_vm_type(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	if (f->vm_types.err == 0)
		SAY("KVM_CAP_VM_TYPES 0x%llx, this is bit %u", (unsigned long long)f->vm_types.v,
			which);
	return seen_or_not(f->vm_types.err, "/dev/kvm",
		(f->vm_types.v >> which & 1) != 0 ? HOST_YES : HOST_NO, observed, size);
}

static enum host_state judge_param(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct host_text *p = &f->param[which];
	bool is_on = p->s[0] == 'Y' || p->s[0] == '1';

	if (p->err == 0)
		SAY("%s", p->s);
	return seen_or_not(p->err, "module not loaded, or a kernel without the parameter",
		is_on ? HOST_YES : HOST_NO, observed, size);
}

/* peers: CVE-2025-48514; KVM with newer firmware takes SEV-ES away while SNP is on (ABI 1.2). */
static enum host_state judge_es_beside_snp(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const uint64_t both = TEE(SEV_ES) | TEE(SNP);

	(void)which;
	if (f->vm_types.err == 0)
		SAY("KVM %s both", (f->vm_types.v & both) == both ? "offers" : "does not offer");
	return seen_or_not(f->vm_types.err, "/dev/kvm",
		(f->vm_types.v & both) == both ? HOST_NO : HOST_YES, observed, size);
}

/* ---- the secure processor -------------------------------------------------------------------- */

static enum host_state judge_psp(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	static const char *const states[] = { "not initialised", "initialised", "with guests" };
	const struct abi_psp_status *v = &f->sev.v;

	(void)which;
	if (f->sev.err == EIO)
		SAY("/dev/sev: PLATFORM_STATUS: firmware status 0x%x", f->sev.fw);
	else if (f->sev.err != 0)
		SAY("/dev/sev: %s", strerrordesc_np(f->sev.err));
	else
		SAY("API %u.%u build %u, %s%s, %u guests", v->api_major, v->api_minor, v->build,
			v->state < ARRAY_LEN(states) ? states[v->state] : "in an unknown state",
			(le32_get(v->flags) & ABI_PSP_FLAG_ES) != 0 ? ", SEV-ES on" : "",
			le32_get(v->guest_count));
	return f->sev.err == 0 ? HOST_YES : state_of_err(f->sev.err);
}

static enum host_state judge_snp(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct abi_psp_snp_status *v = &f->snp.v;
	bool is_rmp = (v->is_rmp & 1) != 0;

	(void)which;
	if (f->snp.err == EIO)
		SAY("/dev/sev: SNP_PLATFORM_STATUS: firmware status 0x%x", f->snp.fw);
	else if (f->snp.err != 0)
		SAY("/dev/sev: %s", strerrordesc_np(f->snp.err));
	else
		SAY("API %u.%u build %u, %sinitialised, RMP %sinitialised, flags 0x%x, %u guests",
			v->api_major, v->api_minor, le32_get(v->build), v->state == 1 ? "" : "not ",
			is_rmp ? "" : "not ", le32_get(v->flags), le32_get(v->guest_count));
	if (f->snp.err != 0)
		return state_of_err(f->snp.err);
	return v->state == 1 && is_rmp ? HOST_YES : HOST_NO;
}

/* Minimum versions of the firmware's interface. */
enum { FIRMWARE_SEV, FIRMWARE_SNP };
static const struct firmware {
	uint8_t major, minor;
} firmwares[] = {
	[FIRMWARE_SEV] = { 0, 16 }, /* GET_ID2: ABI 2.1 */
	[FIRMWARE_SNP] = { 1,
		51 }, /* Linux does not start SNP below: drivers/crypto/ccp, SNP_MIN_API */
};

static enum host_state judge_firmware(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct firmware *want = &firmwares[which];
	bool is_snp = which == FIRMWARE_SNP;
	unsigned int major = is_snp ? f->snp.v.api_major : f->sev.v.api_major;
	unsigned int minor = is_snp ? f->snp.v.api_minor : f->sev.v.api_minor;
	int err = is_snp ? f->snp.err : f->sev.err;

	if (err == 0)
		SAY("API %u.%u", major, minor);
	return read_or_unknown(err, "/dev/sev",
		major > want->major || (major == want->major && minor >= want->minor) ? HOST_YES
										      : HOST_NO,
		observed, size);
}

/* ATT 1.4: the byte of each component; family 0x1a on has the FMC in front. */
static void tcb_print(const struct host_facts *f, const uint8_t tcb[8], char *ret, size_t size)
{
	if (f->family >= 0x1a)
		(void)snprintf(ret, size, "FMC %u, boot loader %u, TEE %u, SNP %u, microcode %u",
			tcb[0], tcb[1], tcb[2], tcb[3], tcb[7]);
	else
		(void)snprintf(ret, size, "boot loader %u, TEE %u, SNP %u, microcode %u", tcb[0],
			tcb[1], tcb[6], tcb[7]);
}

/* Component by component: reported may be lower, never higher. ATT 1.4. */
static enum host_state judge_tcb(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	char current[96];
	char reported[96];
	bool is_higher = false;

	(void)which;
	if (f->snp.err != 0)
		return read_or_unknown(f->snp.err, "/dev/sev", HOST_YES, observed, size);
	tcb_print(f, f->snp.v.current_tcb, current, sizeof current);
	tcb_print(f, f->snp.v.reported_tcb, reported, sizeof reported);
	bool is_same = memcmp(f->snp.v.current_tcb, f->snp.v.reported_tcb, 8) == 0;
	for (size_t i = 0; i < 8; i++)
		is_higher = is_higher || f->snp.v.reported_tcb[i] > f->snp.v.current_tcb[i];
	SAY("current %s; reported %s", current, is_same ? "the same" : reported);
	return is_higher ? HOST_NO : HOST_YES;
}

/* peers: BadRAM, CVE-2024-21944. */
static enum host_state judge_alias(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->snp.err != 0)
		return read_or_unknown(f->snp.err, "/dev/sev", HOST_YES, observed, size);
	SAY("the host is not told; a guest's report says it (PLATFORM_INFO, bit 5)");
	return HOST_UNKNOWN;
}

/* ---- how many guests ------------------------------------------------------------------------- */

static enum host_state judge_pool(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct host_num *all = &f->capacity[which];
	const struct host_num *now = &f->current[which];

	if (all->err != 0 || now->err != 0) {
		SAY("the misc cgroup does not count them here: %s",
			strerrordesc_np(all->err != 0 ? all->err : now->err));
		return HOST_UNKNOWN;
	}
	SAY("%llu, %llu in use", (unsigned long long)all->v, (unsigned long long)now->v);
	return now->v < all->v ? HOST_YES : HOST_NO;
}

/* ---- TDX ------------------------------------------------------------------------------------- */

static enum host_state judge_tdx_module(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	bool is_offered = f->vm_types.err == 0 && (f->vm_types.v >> PLAN_TEE_TDX & 1) != 0;
	unsigned int major = 0;
	unsigned int minor = 0;

	(void)which;
	if (f->tdx_module.err == 0 && sscanf(f->tdx_module.s, "%u.%u.", &major, &minor) == 2) {
		SAY("version %s, %s", f->tdx_module.s, is_offered ? "initialised" : "not in use");
		return is_offered && (major > 1 || (major == 1 && minor >= 5)) ? HOST_YES : HOST_NO;
	}
	SAY(is_offered ? "initialised; this kernel does not show its version"
		       : "not initialised, and no version shown");
	return is_offered ? HOST_UNKNOWN : HOST_NO;
}

static enum host_state judge_qgs(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->qgs.err == 0)
		SAY("listens at /var/run/tdx-qgs/qgs.socket");
	else
		SAY("/var/run/tdx-qgs/qgs.socket: %s", strerrordesc_np(f->qgs.err));
	return f->qgs.err == 0              ? HOST_YES
	       : f->qgs.err == ECONNREFUSED ? HOST_NO
					    : state_of_err(f->qgs.err);
}

/* ---- the rest of the machine ----------------------------------------------------------------- */

static enum host_state judge_iommu(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->iommus.err == 0)
		SAY("%llu", (unsigned long long)f->iommus.v);
	return seen_or_not(f->iommus.err, "/sys/class/iommu", f->iommus.v > 0 ? HOST_YES : HOST_NO,
		observed, size);
}

/* ---- what our processes are locked up with --------------------------------------------------- */

static enum host_state judge_namespaces(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	SAY("%s, as %s",
		f->namespaces.err == 0        ? "to be had"
		: f->namespaces.err == ENOSPC ? "their limit is reached"
					      : strerrordesc_np(f->namespaces.err),
		f->is_root ? "root" : "an ordinary user");
	return f->namespaces.err == 0 ? HOST_YES : HOST_NO;
}

static enum host_state judge_seccomp(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	SAY("%s", f->seccomp.err == 0 ? "filters that end the process"
				      : strerrordesc_np(f->seccomp.err));
	return f->seccomp.err == 0 ? HOST_YES : HOST_NO;
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(list, word); at != NULL; at = strstr(at + 1, word))
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == 0))
			return true;
	return false;
}

/* Which actions a filter may have, and which of them the kernel's log names. */
enum { ACTIONS_AVAILABLE, ACTIONS_LOGGED };

static enum host_state judge_actions(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct host_text *t =
		which == ACTIONS_LOGGED ? &f->seccomp_logged : &f->seccomp_avail;
	bool has_all = has_word(t->s, "kill_process") &&
		       (which == ACTIONS_LOGGED || has_word(t->s, "errno"));

	if (t->err == 0)
		SAY("%s", t->s);
	return read_or_unknown(
		t->err, "cannot be read", has_all ? HOST_YES : HOST_NO, observed, size);
}

/* Landlock's ABI, and what came with which (sandbox specs 1.11). */
static enum host_state judge_landlock(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	if (f->landlock.err == 0)
		SAY("ABI %llu", (unsigned long long)f->landlock.v);
	else
		SAY("%s", strerrordesc_np(f->landlock.err));
	return f->landlock.err == 0 && f->landlock.v >= which ? HOST_YES : HOST_NO;
}

static enum host_state judge_selinux(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	bool is_enforcing = f->selinux.s[0] == '1';

	(void)which;
	if (f->selinux.err == 0)
		SAY("%s", is_enforcing ? "enforcing" : "permissive");
	return seen_or_not(
		f->selinux.err, "off", is_enforcing ? HOST_YES : HOST_NO, observed, size);
}

static enum host_state judge_module(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	static const char *const says[] = {
		[SVIRT_HOST_NONE] = "no SELinux",
		[SVIRT_HOST_NO_MODULE] = "the loaded policy does not know casemate's types",
		[SVIRT_HOST_PERMISSIVE] = "loaded; SELinux is permissive",
		[SVIRT_HOST_ENFORCING] = "loaded",
	};

	(void)which;
	SAY("%s", says[f->svirt]);
	return f->svirt >= SVIRT_HOST_PERMISSIVE ? HOST_YES : HOST_NO;
}

static enum host_state judge_cgroup(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->controllers.err == 0)
		SAY("controllers: %s", f->controllers.s[0] != 0 ? f->controllers.s : "none");
	return seen_or_not(
		f->controllers.err, "/sys/fs/cgroup/cgroup.controllers", HOST_YES, observed, size);
}

static const char *const controller_names[] = { "memory", "pids", "cpu", "io" };

/* Does the hierarchy have it (which: a place in controller_names)? Ours to use: judge_delegation(). */
static enum host_state judge_controller(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	bool has = has_word(f->controllers.s, controller_names[which]);

	if (f->controllers.err == 0)
		SAY("%s", has ? "there" : "not there (switched off, or cgroup v1 has it)");
	return seen_or_not(f->controllers.err, "/sys/fs/cgroup/cgroup.controllers",
		has ? HOST_YES : HOST_NO, observed, size);
}

static enum host_state judge_delegation(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->cgroup.err != 0) {
		SAY("%s", why_text(&f->cgroup_why, -f->cgroup.err));
		return f->cgroup.err == ENODEV ? HOST_NO : HOST_UNKNOWN;
	}
	SAY("a folder for a guest can be made; limits:%s%s%s%s%s",
		(f->cgroup.v & CGROUP_HAS_MEMORY) != 0 ? " memory" : "",
		(f->cgroup.v & CGROUP_HAS_PIDS) != 0 ? " pids" : "",
		(f->cgroup.v & CGROUP_HAS_CPU) != 0 ? " cpu" : "",
		(f->cgroup.v & CGROUP_HAS_IO) != 0 ? " io" : "",
		f->cgroup.v == 0 ? " none (are other processes in this folder?)" : "");
	return f->cgroup.v == CGROUP_HAS_ALL ? HOST_YES : HOST_NO;
}

static enum host_state judge_mdwe(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	SAY("%s", f->mdwe.err == 0 ? "PR_SET_MDWE" : strerrordesc_np(f->mdwe.err));
	return f->mdwe.err == 0 ? HOST_YES : f->mdwe.err == EINVAL ? HOST_NO : HOST_UNKNOWN;
}

/* A kernel without the switch may be older than it, or built without what it switches: unknown. */
static enum host_state judge_sysctl(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct host_num *n = &f->sysctl[which];

	if (n->err == 0)
		SAY("%llu", (unsigned long long)n->v);
	return read_or_unknown(
		n->err, "no such switch", n->v >= 1 ? HOST_YES : HOST_NO, observed, size);
}

/* A pipe is fed whatever RLIMIT_CORE says. core(5). */
static enum host_state judge_core(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->core_pattern.err == 0)
		SAY("%s", f->core_pattern.s);
	return read_or_unknown(f->core_pattern.err, "cannot be read",
		f->core_pattern.s[0] != '|' ? HOST_YES : HOST_NO, observed, size);
}

/* ---- programs, memory, the rest -------------------------------------------------------------- */

static enum host_state judge_program(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	const struct host_text *p = &f->program[which];

	SAY("%s", p->err == 0 ? p->s : "not installed");
	return p->err == 0 ? HOST_YES : HOST_NO;
}

static enum host_state judge_memlock(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->memlock.v == UINT64_MAX)
		SAY("unlimited");
	else
		SAY("guests up to %llu MiB", (unsigned long long)(f->memlock.v / MIB));
	return seen_or_not(f->memlock.err, "cannot be read",
		f->memlock.v >= MEMLOCK_LEAST ? HOST_YES : HOST_NO, observed, size);
}

static enum host_state judge_tpm(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	SAY("/dev/tpmrm0");
	return seen_or_not(f->tpm.err, "/dev/tpmrm0", HOST_YES, observed, size);
}

static enum host_state judge_huge(
	const struct host_facts *f, unsigned int which, char *observed, size_t size)
{
	(void)which;
	if (f->free_huge.err == 0)
		SAY("%llu of 2 MiB are free", (unsigned long long)f->free_huge.v);
	return seen_or_not(f->free_huge.err, "no pool", f->free_huge.v > 0 ? HOST_YES : HOST_NO,
		observed, size);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define FIX_SEV_BIOS                                                                               \
	"switch on SMEE and SEV in the machine's firmware (CPU settings), and set aside ASIDs "    \
	"for SEV-ES there"
#define FIX_SNP_BIOS                                                                               \
	"an EPYC 7003 or later; in its firmware: SEV-SNP and SNP memory (RMP table) coverage on"
#define FIX_WHOLE   "install casemate whole: its programs lie beside it"
#define FIX_MSR     "as root, after modprobe msr"
#define FIX_PSP     "modprobe ccp, and join the group of /dev/sev"
#define FIX_UNIFIED "boot with systemd.unified_cgroup_hierarchy=1"
#define FIX_POOLS   "end guests; more ASIDs for SEV-ES are set aside in the machine's firmware"

/* clang-format off */
static const struct host_row rows[] = {
	{ "kernel", FOR_ALL, judge_kernel, 0, "Linux 6.1 or later", "/proc/sys/kernel/osrelease",
		"install Linux 6.1 or later (Debian 12's is)" },
	{ "kernel.cve-2023-4155", TEE(SEV_ES) | TEE(SNP), judge_fault, HOST_FAULT_GHCB,
		"a guest cannot race KVM over its GHCB: 6.5, 6.4.11, 6.1.52 or later",
		"/proc/sys/kernel/osrelease, version", "install a newer kernel" },
	{ "kernel.cve-2026-31591", FOR_NONE, judge_fault, HOST_FAULT_VMSA,
		"no VMM can crash the host at SNP_LAUNCH_FINISH: 7.2 or later, or not 6.11 or later",
		"/proc/sys/kernel/osrelease, version",
		"install a newer kernel; until then let only casemate open /dev/kvm (it keeps the order)" },
	{ "kvm", FOR_ALL, judge_kvm, 0, "API version 12", "KVM_GET_API_VERSION",
		"switch on virtualisation in the firmware (in a virtual machine: nesting on its host), "
		"modprobe kvm_amd or kvm_intel, and join the group kvm" },
	{ "user-namespaces", FOR_ALL, judge_namespaces, 0, "all kinds of them", "clone3",
		"sysctl user.max_user_namespaces=10000 and, where it exists, kernel.unprivileged_userns_clone=1" },
	{ "seccomp", FOR_ALL, judge_seccomp, 0, "SECCOMP_RET_KILL_PROCESS", "seccomp",
		"a kernel with CONFIG_SECCOMP_FILTER" },
	{ "monitor", FOR_ALL, judge_program, HOST_PROGRAM_MONITOR, "casemate-monitor", "beside casemate",
		FIX_WHOLE },
	{ "policy", FOR_ALL, judge_program, HOST_PROGRAM_POLICY, "casemate-policy", "beside casemate", FIX_WHOLE },
	{ "ledger", FOR_SEVS | TEE(TDX), judge_program, HOST_PROGRAM_LEDGER, "casemate-ledger", "beside casemate",
		FIX_WHOLE },

	{ "kvm.sw", TEE(SW), judge_vm_type, PLAN_TEE_SW, "bit 1", "KVM_CAP_VM_TYPES",
		"Linux 6.8 or later built with CONFIG_KVM_SW_PROTECTED_VM, and nested paging" },
	{ "kvm.sev", TEE(SEV), judge_vm_type, PLAN_TEE_SEV, "bit 2", "KVM_CAP_VM_TYPES",
		"Linux 6.10 or later, kvm_amd.sev=1, and an ASID left for SEV (not all set aside for SEV-ES)" },
	{ "kvm.sev-es", TEE(SEV_ES), judge_vm_type, PLAN_TEE_SEV_ES, "bit 3", "KVM_CAP_VM_TYPES",
		"Linux 6.10 or later, kvm_amd.sev_es=1, ASIDs set aside; newer firmware takes it away while SNP is on" },
	{ "kvm.snp", TEE(SNP), judge_vm_type, PLAN_TEE_SNP, "bit 4", "KVM_CAP_VM_TYPES",
		"an EPYC 7003 or later with SNP on in its firmware, Linux 6.11 or later and kvm_amd.sev_snp=1; "
		"a simulated processor (run --simulator) needs none of it" },
	{ "kvm.tdx", TEE(TDX), judge_vm_type, PLAN_TEE_TDX, "bit 5", "KVM_CAP_VM_TYPES",
		"a Xeon with TDX on in its firmware, Linux 6.16 or later and kvm_intel.tdx=1" },

	{ "cpu.amd", FOR_SEVS, judge_vendor, VENDOR_AMD, "AuthenticAMD", "CPUID 0, 1", "an AMD EPYC" },
	{ "cpu.sev", FOR_SEVS, judge_cpuid, 1, "EAX bit 1", "CPUID 0x8000001f", FIX_SEV_BIOS },
	{ "cpu.sev-es", TEE(SEV_ES) | TEE(SNP), judge_cpuid, 3, "EAX bit 3", "CPUID 0x8000001f", FIX_SEV_BIOS },
	{ "cpu.snp", TEE(SNP), judge_cpuid, 4, "EAX bit 4", "CPUID 0x8000001f", FIX_SNP_BIOS },
	{ "cpu.product", FOR_NONE, judge_product, 0, "a product whose attestation is not broken",
		"CPUID 1", "another machine, where the relying party demands it" },
	{ "cpu.microcode", FOR_NONE, judge_microcode, 0, "shown, for the record (no list of versions is built in)",
		"/sys/devices/system/cpu/cpu0/microcode/version", "a kernel with CONFIG_MICROCODE" },
	{ "msr.snp", FOR_NONE, judge_syscfg, 0, "SYSCFG bits 23 and 24", "MSR 0xc0010010", FIX_MSR "; " FIX_SNP_BIOS },
	{ "msr.rmp", FOR_NONE, judge_rmp, 0, "an RMP table", "MSR 0xc0010132, 0xc0010133", FIX_MSR "; " FIX_SNP_BIOS },
	{ "param.sev", TEE(SEV), judge_param, HOST_PARAM_SEV, "Y", "/sys/module/kvm_amd/parameters/sev",
		"modprobe kvm_amd sev=1" },
	{ "param.sev-es", TEE(SEV_ES), judge_param, HOST_PARAM_ES, "Y", "/sys/module/kvm_amd/parameters/sev_es",
		"modprobe kvm_amd sev=1 sev_es=1" },
	{ "param.snp", TEE(SNP), judge_param, HOST_PARAM_SNP, "Y", "/sys/module/kvm_amd/parameters/sev_snp",
		"Linux 6.11 or later; modprobe kvm_amd sev=1 sev_es=1 sev_snp=1" },
	{ "psp", FOR_SEVS, judge_psp, 0, "PLATFORM_STATUS answers", "/dev/sev", FIX_PSP },
	{ "psp.snp", TEE(SNP), judge_snp, 0, "SNP and RMP initialised", "/dev/sev, SNP_PLATFORM_STATUS",
		FIX_PSP "; see what ccp and SEV-SNP say in the kernel's log" },
	{ "psp.api.sev", TEE(SEV) | TEE(SEV_ES), judge_firmware, FIRMWARE_SEV, "API 0.16 or later (GET_ID2)",
		"/dev/sev, PLATFORM_STATUS", "update the machine's firmware" },
	{ "psp.api.snp", TEE(SNP), judge_firmware, FIRMWARE_SNP, "API 1.51 or later (Linux does not start SNP below)",
		"/dev/sev, SNP_PLATFORM_STATUS", "update the machine's firmware" },
	{ "psp.tcb", FOR_NONE, judge_tcb, 0, "nothing reported above what runs", "/dev/sev, SNP_PLATFORM_STATUS",
		"set the reported TCB again (SNP_SET_CONFIG) and fetch the certificate that belongs to it" },
	{ "psp.alias-check", FOR_NONE, judge_alias, 0, "memory checked for aliases (BadRAM, CVE-2024-21944)",
		"no interface of the host's", "demand it of the report, in the policy" },
	{ "psp.es-beside-snp", FOR_NONE, judge_es_beside_snp, 0, "not SEV-ES and SNP on one host (CVE-2025-48514)",
		"KVM_CAP_VM_TYPES", "update the machine's firmware: KVM then offers one of them" },
	{ "asid.sev", TEE(SEV), judge_pool, HOST_POOL_SEV, "one left", "/sys/fs/cgroup/misc.capacity, misc.current", FIX_POOLS },
	{ "asid.sev-es", TEE(SEV_ES) | TEE(SNP), judge_pool, HOST_POOL_SEV_ES, "one left",
		"/sys/fs/cgroup/misc.capacity, misc.current", FIX_POOLS },
	{ "memory-lock", TEE(SEV) | TEE(SEV_ES), judge_memlock, 0, "the guest's memory and its firmware, at least 256 MiB",
		"RLIMIT_MEMLOCK", "raise memlock in /etc/security/limits.d (or LimitMEMLOCK= of the service) and log in again" },
	{ "iommu", TEE(SNP), judge_iommu, 0, "at least one", "/sys/class/iommu",
		"switch on the IOMMU in the machine's firmware; not iommu=off or iommu=pt in the kernel's command line" },

	{ "cpu.intel", TEE(TDX), judge_vendor, VENDOR_INTEL, "GenuineIntel", "CPUID 0, 1", "a Xeon with TDX" },
	{ "msr.tdx", FOR_NONE, judge_keyids, 0, "at least one key identifier", "MSR 0x87",
		FIX_MSR "; switch on TME-MT and TDX in the machine's firmware" },
	{ "param.tdx", TEE(TDX), judge_param, HOST_PARAM_TDX, "Y", "/sys/module/kvm_intel/parameters/tdx",
		"Linux 6.16 or later; modprobe kvm_intel tdx=1" },
	{ "tdx.module", FOR_NONE, judge_tdx_module, 0, "initialised, version 1.5 or later", "/sys/devices/faux/tdx_host/version",
		"update the machine's firmware; see what virt/tdx says in the kernel's log" },
	{ "tdx.keys", TEE(TDX), judge_pool, HOST_POOL_TDX, "one left", "/sys/fs/cgroup/misc.capacity, misc.current", "end guests" },
	{ "tdx.qgs", FOR_NONE, judge_qgs, 0, "somebody listens", "/var/run/tdx-qgs/qgs.socket",
		"install Intel's quote generation service (guests start without it, but cannot prove themselves)" },

	{ "seccomp.actions", FOR_NONE, judge_actions, ACTIONS_AVAILABLE, "kill_process and errno",
		"/proc/sys/kernel/seccomp/actions_avail", "a kernel with CONFIG_SECCOMP_FILTER" },
	{ "seccomp.log", FOR_NONE, judge_actions, ACTIONS_LOGGED, "kill_process: the log then says which call it was",
		"/proc/sys/kernel/seccomp/actions_logged",
		"sysctl kernel.seccomp.actions_logged=\"kill_process kill_thread trap errno\"" },
	{ "landlock", FOR_NONE, judge_landlock, 1, "any ABI", "landlock_create_ruleset", "boot with lsm=...,landlock" },
	{ "landlock.scope", FOR_NONE, judge_landlock, 6, "ABI 6: signals and abstract sockets too", "landlock_create_ruleset",
		"Linux 6.12 or later; boot with lsm=...,landlock" },
	{ "mdwe", FOR_NONE, judge_mdwe, 0, "memory that was written is never executed (prctl PR_SET_MDWE)", "prctl",
		"Linux 6.3 or later" },
	{ "selinux", FOR_NONE, judge_selinux, 0, "enforcing", "/sys/fs/selinux/enforce",
		"apt-get install selinux-basics selinux-policy-default; selinux-activate; reboot" },
	{ "selinux.module", FOR_NONE, judge_module, 0, "casemate's policy module is loaded", "/sys/fs/selinux/context",
		"policy/selinux/install.sh; see casemate-selinux(8)" },
	{ "cgroup-v2", FOR_NONE, judge_cgroup, 0, "mounted", "/sys/fs/cgroup/cgroup.controllers", FIX_UNIFIED },
	{ "cgroup.memory", FOR_NONE, judge_controller, 0, "memory", "/sys/fs/cgroup/cgroup.controllers",
		FIX_UNIFIED "; not cgroup_disable=memory" },
	{ "cgroup.pids", FOR_NONE, judge_controller, 1, "pids", "/sys/fs/cgroup/cgroup.controllers", FIX_UNIFIED },
	{ "cgroup.cpu", FOR_NONE, judge_controller, 2, "cpu", "/sys/fs/cgroup/cgroup.controllers", FIX_UNIFIED },
	{ "cgroup.io", FOR_NONE, judge_controller, 3, "io", "/sys/fs/cgroup/cgroup.controllers", FIX_UNIFIED },
	{ "cgroup.delegation", FOR_NONE, judge_delegation, 0, "a folder with memory, pids, cpu and io, for this user",
		"/proc/self/cgroup, the folder's owner",
		"systemd-run --user --scope -p Delegate=yes casemate ...; all four controllers: Delegate=yes in "
		"/etc/systemd/system/user@.service.d/delegate.conf" },
	{ "io-uring", FOR_NONE, judge_sysctl, HOST_SYSCTL_IO_URING, "1 or 2: not for everybody",
		"/proc/sys/kernel/io_uring_disabled", "Linux 6.6 or later; sysctl kernel.io_uring_disabled=2" },
	{ "ptrace-scope", FOR_NONE, judge_sysctl, HOST_SYSCTL_PTRACE, "1 or more: only what one started oneself",
		"/proc/sys/kernel/yama/ptrace_scope", "boot with lsm=...,yama; sysctl kernel.yama.ptrace_scope=1" },
	{ "unprivileged-bpf", FOR_NONE, judge_sysctl, HOST_SYSCTL_BPF, "1 or 2: for root alone",
		"/proc/sys/kernel/unprivileged_bpf_disabled", "sysctl kernel.unprivileged_bpf_disabled=1" },
	{ "core-pattern", FOR_NONE, judge_core, 0, "a file, not a program: RLIMIT_CORE then holds",
		"/proc/sys/kernel/core_pattern",
		"sysctl kernel.core_pattern=core (our processes are not dumpable, whatever it says)" },
	{ "tpm", FOR_NONE, judge_tpm, 0, "there", "/dev/tpmrm0",
		"switch on the TPM in the firmware; modprobe tpm_crb or tpm_tis" },
	{ "huge-pages", FOR_NONE, judge_huge, 0, "some free", "/sys/kernel/mm/hugepages",
		"write a number to /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages" },
	{ "qemu-storage-daemon", FOR_NONE, judge_program, HOST_PROGRAM_QSD, "for disks whose policy names it as back end",
		SUP_FOREIGN_QSD, "install qemu-system-common (Debian) or qemu-img (Fedora)" },
	{ "simulator", FOR_NONE, judge_program, HOST_PROGRAM_SIM, "casemate-monitor-sim", "beside casemate",
		"for tests: meson configure -Dsimulator=true" },
};
/* clang-format on */

const struct host_row *host_rows(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

bool host_row_is_needed(const struct host_row *row, unsigned int tee)
{
	return (row->needed >> tee & 1) != 0;
}

bool host_is_ready(const struct host_facts *f, unsigned int tee)
{
	char observed[HOST_OBSERVED_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (host_row_is_needed(&rows[i], tee) &&
			rows[i].judge(f, rows[i].which, observed, sizeof observed) != HOST_YES)
			return false;
	return true;
}
