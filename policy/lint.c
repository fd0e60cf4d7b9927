#include "policy/lint.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S INT64_C(86400)

struct lint {
	const struct doc *doc;
	const struct policy *p;
	int64_t now;
	struct lint_report *report;
	const struct lint_rule *rule; /* the one being checked */
};

/* --- reporting ------------------------------------------------------------------------------- */

static bool is_waived(const struct lint *l)
{
	if (!l->rule->may_be_waived)
		return false;
	for (uint64_t i = 0; i < l->p->n_waivers; i++)
		if (strcmp(l->p->waivers[i].rule, l->rule->id) == 0 &&
			l->now < l->p->waivers[i].expires)
			return true;
	return false;
}

static void put(struct lint *l, enum lint_severity severity, uint32_t value, const char *text)
{
	struct lint_report *r = l->report;

	if (r->n == LINT_FINDINGS_MAX)
		r->is_cut = true;
	struct lint_finding dropped;
	struct lint_finding *f = r->is_cut ? &dropped : &r->findings[r->n++];
	*f = (struct lint_finding){ .rule = l->rule,
		.severity = severity,
		.is_waived = is_waived(l),
		.at = l->doc->values[value].at };
	doc_print_path(l->doc, value, f->path, sizeof f->path);
	(void)snprintf(f->text, sizeof f->text, "%s", text);
	if (!f->is_waived) {
		r->n_errors += severity == LINT_ERROR ? 1 : 0;
		r->n_warnings += severity == LINT_WARNING ? 1 : 0;
	}
}

/* The value at path (or what is nearest to where it would be) breaks the rule. */
static void PRINTF(3, 4) found(struct lint *l, const char *path, const char *fmt, ...)
{
	char text[WHY_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put(l, l->rule->severity, doc_find_near(l->doc, path), text);
}

#define ROW_PATH(buf, list, row, key)                                                              \
	(void)snprintf((buf), sizeof(buf), "%s[%llu]%s", (list), (unsigned long long)(row), (key))

static bool is_env(const struct lint *l, enum policy_env env)
{
	return l->p->labels.has_env && l->p->labels.env == env;
}

static bool is_protected(const struct lint *l)
{
	return policy_tee_proves(l->p->tee.type);
}

static bool is_sensitive(const struct lint *l)
{
	return l->p->labels.data_class == POLICY_DATA_PCI_CHD ||
	       l->p->labels.data_class == POLICY_DATA_EPHI;
}

/* --- the rules ------------------------------------------------------------------------------- */

static void pol_003(struct lint *l)
{
	int64_t days = (l->p->valid.not_after - l->p->valid.not_before) / DAY_S;

	if (!is_protected(l))
		return;
	if (!l->p->has_valid)
		found(l, "valid", "no validity window: the policy never has to be reviewed");
	else if (days > 2 * 366)
		put(l, LINT_ERROR, doc_find_near(l->doc, "valid.not_after"),
			"valid for more than 24 months");
	else if (days > 366)
		found(l, "valid.not_after", "valid for more than 12 months");
}

static void pol_004(struct lint *l)
{
	if (is_env(l, POLICY_ENV_PROD) && l->p->change.ticket[0] == 0)
		found(l, "change.ticket", "env is prod, but no change.ticket is named");
}

static void pol_010(struct lint *l)
{
	for (uint32_t i = 1; i < l->doc->n_values; i++) {
		const struct doc_value *v = &l->doc->values[i];
		if (v->key_len >= 2 && memcmp(l->doc->text + v->key_at, "x-", 2) == 0)
			put(l, LINT_NOTE, i, "a key of your own: kept, never evaluated");
	}
}

static void tee_001(struct lint *l)
{
	const char *path = NULL;

	if (l->p->tee.snp.guest_policy.debug)
		path = "tee.snp.guest_policy.debug";
	if (l->p->tee.tdx.debug)
		path = "tee.tdx.attributes.debug";
	if (l->p->tee.has_sev && (l->p->tee.sev.policy & POLICY_SEV_NODBG) == 0)
		path = "tee.sev.policy";
	if (path != NULL && !is_env(l, POLICY_ENV_DEV))
		found(l, path, "the host may debug the guest, which is not labelled env dev");
}

static void tee_002(struct lint *l)
{
	if (l->p->tee.snp.guest_policy.migrate_ma)
		found(l, "tee.snp.guest_policy.migrate_ma", "a migration agent may move the guest");
	if (l->p->tee.has_tdx && l->p->tee.tdx.attributes.migratable != POLICY_FORBID)
		found(l, "tee.tdx.attributes.migratable", "a migration TD may move the guest");
	if (l->p->tee.has_sev && (l->p->tee.sev.policy & POLICY_SEV_NOSEND) == 0)
		found(l, "tee.sev.policy", "the host may send the guest to another machine");
}

static void tee_003(struct lint *l)
{
	enum policy_tcb_field field = l->p->tee.snp.tcb_field;
	const struct policy_sev *sev = &l->p->tee.sev;

	if (l->p->tee.has_sev && sev->api_major == 0 && sev->api_minor == 0 && sev->build == 0)
		found(l, "tee.sev.build",
			"no api_major, api_minor, build: any firmware is accepted");
	if (l->p->tee.has_tdx && l->p->tee.tdx.tcb.min_eval_number == 0 &&
		!l->p->tee.tdx.tcb.has_min_date)
		put(l, LINT_WARNING, doc_find_near(l->doc, "tee.tdx.tcb.min_eval_number"),
			"no min_eval_number and no min_tcb_date: an older TCB info that has not "
			"run out yet is as good as the newest");
	if (!l->p->tee.has_snp)
		return;
	if (l->p->tee.snp.n_min_tcbs == 0)
		found(l, "tee.snp.min_tcb", "no min_tcb: any firmware, however old, is accepted");
	if (field == POLICY_TCB_CURRENT || field == POLICY_TCB_REPORTED)
		found(l, "tee.snp.tcb_field", "the %s TCB can be lowered again by the host",
			policy_tcb_field_names[field]);
}

static void tee_005(struct lint *l)
{
	if (l->p->tee.snp.guest_policy.smt && is_sensitive(l))
		found(l, "tee.snp.guest_policy.smt",
			"a sibling thread may run somebody else beside cardholder or health data");
	if (l->p->tee.has_tdx && l->p->tee.tdx.smt != POLICY_FORBID && is_sensitive(l))
		found(l, "tee.tdx.smt",
			"a sibling thread may run somebody else beside cardholder or health data");
}

/* Revoked and NotSupported end in the reader. */
static void tee_006(struct lint *l)
{
	const uint64_t old = 1ull << POLICY_TDX_OUT_OF_DATE |
			     1ull << POLICY_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;

	if ((l->p->tee.tdx.tcb.accept & old) != 0)
		found(l, "tee.tdx.tcb.accept",
			"a platform with known holes is accepted without end; give it days of "
			"grace");
}

static void tee_007(struct lint *l)
{
	const struct policy *p = l->p;

	if (p->tee.simulated)
		return;
	if (p->tee.has_snp && p->tee.snp.n_chips == 0)
		found(l, "tee.snp.chip_ids", "any host with such a processor is accepted");
	if (p->tee.has_tdx && p->tee.tdx.n_piids == 0)
		found(l, "tee.tdx.piids", "any host with such a processor is accepted");
}

static void tee_008(struct lint *l)
{
	const struct policy_snp *s = &l->p->tee.snp;

	/* Rows that name a product are one for each (policy_parse()). */
	if (s->n_products > 1 && s->n_min_tcbs > 0 && !s->min_tcbs[0].has_product)
		found(l, "tee.snp.min_tcb",
			"%llu products share one min_tcb row; version numbers of "
			"different products do not compare",
			(unsigned long long)s->n_products);
}

static void tee_010(struct lint *l)
{
	if (l->p->tee.simulated && is_env(l, POLICY_ENV_PROD))
		found(l, "tee.simulated", "env is prod, but evidence of a simulator is accepted");
}

static void tee_011(struct lint *l)
{
	if (!is_protected(l) && is_env(l, POLICY_ENV_PROD))
		found(l, "tee.type", "env is prod, but the guest is not protected");
}

static void tee_012(struct lint *l)
{
	if (l->p->tee.type == POLICY_TEE_SW)
		found(l, "tee.type",
			"sw is for development: the memory is not encrypted, and nothing proves "
			"it");
}

/* Only of policies that say enough to launch: others appraise what somebody else launched. */
static void tee_013(struct lint *l)
{
	const struct policy_sev *sev = &l->p->tee.sev;

	if (!l->p->tee.has_sev || !l->p->boot.has_firmware)
		return;
	if (!sev->has_session)
		found(l, "tee.sev.session",
			"no session: the firmware makes keys that nobody else has, and nobody can "
			"check the measurement");
	else if (!sev->has_owner)
		found(l, "tee.sev.owner",
			"no owner: the guest runs whether anybody checked its measurement or not");
}

static void tee_014(struct lint *l)
{
	if (l->p->tee.has_sev && (l->p->tee.sev.policy & POLICY_SEV_NOKS) == 0)
		found(l, "tee.sev.policy",
			"the host may start a guest of its own with this guest's key");
}

static void boot_001(struct lint *l)
{
	if (!is_protected(l))
		return;
	if (l->p->boot.has_firmware && !l->p->boot.firmware.has_sha384)
		found(l, "boot.firmware", "the firmware has no sha384");
	if (l->p->boot.has_kernel && !l->p->boot.kernel.has_sha384)
		found(l, "boot.kernel", "the kernel has no sha384");
	if (l->p->boot.has_initrd && !l->p->boot.initrd.has_sha384)
		found(l, "boot.initrd", "the initrd has no sha384");
}

/* The words of the command line that hand the machine to whoever holds the console. */
static const char *bad_word(const char *word, size_t len)
{
	static const char *const starts[] = { "init=", "rdinit=", "systemd.unit=", "systemd.debug",
		"rd.break", "break=" };
	static const char *const whole[] = { "debug", "single", "S", "1", "emergency", "rescue" };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (strncmp(word, starts[i], strlen(starts[i])) == 0)
			return starts[i];
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (strlen(whole[i]) == len && memcmp(word, whole[i], len) == 0)
			return whole[i];
	return NULL;
}

/* The word is ROOT or ROOT@OFFSET (casemate-agent(8)). */
static bool is_verity_of(const struct policy *p, const char *word, size_t len)
{
	const char *at = memchr(word, '@', len);
	size_t hex_len = at != NULL ? (size_t)(at - word) : len;

	for (uint64_t i = 0; i < p->devices.n_disks; i++) {
		char want[65];
		if (p->devices.disks[i].integrity != POLICY_INTEGRITY_VERITY)
			continue;
		for (size_t k = 0; k < 32; k++)
			(void)snprintf(
				want + 2 * k, 3, "%02x", p->devices.disks[i].verity.verity_root[k]);
		if (hex_len == 64 && memcmp(want, word, 64) == 0)
			return true;
	}
	return false;
}

static void boot_003(struct lint *l)
{
	static const char verity[] = "casemate.verity=";
	bool has_verity = false;

	if (!is_protected(l) || !l->p->boot.has_kernel)
		return;
	for (const char *at = l->p->boot.cmdline; *at != 0;) {
		size_t len = strcspn(at, " ");
		const char *bad = bad_word(at, len);
		if (bad != NULL)
			found(l, "boot.cmdline", "\"%.*s\" lets the console take over the guest",
				(int)MIN(len, 60u), at);
		if (strncmp(at, verity, strlen(verity)) == 0) {
			has_verity = true;
			if (!is_verity_of(l->p, at + strlen(verity), len - strlen(verity)))
				found(l, "boot.cmdline",
					"casemate.verity is not the verity_root of any disk");
		}
		at += len;
		at += strspn(at, " ");
	}
	if (!has_verity)
		found(l, "boot.cmdline",
			"no casemate.verity=: the measurement does not cover the "
			"workload's disk");
}

static void boot_004(struct lint *l)
{
	char path[64];

	for (uint64_t i = 0; is_protected(l) && i < l->p->devices.n_disks; i++) {
		const struct policy_disk *d = &l->p->devices.disks[i];
		if (d->mode != POLICY_RO || d->integrity != POLICY_INTEGRITY_NONE)
			continue;
		ROW_PATH(path, "devices.disk", i, ".file");
		found(l, path, "disk %s is read only, but nothing says which bytes it holds",
			d->id);
	}
}

static void boot_005(struct lint *l)
{
	if (is_protected(l) && !l->p->boot.has_kernel)
		found(l, "boot",
			"no kernel: the launch measurement covers the firmware, and nothing of "
			"what it finds on a disk");
}

static void dev_001(struct lint *l)
{
	char path[64];

	for (uint64_t i = 0; is_protected(l) && i < l->p->devices.n_disks; i++) {
		const struct policy_disk *d = &l->p->devices.disks[i];
		if (d->mode != POLICY_RW)
			continue;
		ROW_PATH(path, "devices.disk", i, ".integrity");
		if (d->integrity == POLICY_INTEGRITY_NONE)
			found(l, path, "the host reads and changes disk %s at will", d->id);
		if (d->integrity == POLICY_INTEGRITY_LUKS2)
			put(l, LINT_WARNING, doc_find_near(l->doc, path),
				"luks2 hides the contents; the host can still put old or damaged "
				"blocks "
				"in unnoticed");
	}
}

static void dev_002(struct lint *l)
{
	if (l->p->devices.console != POLICY_CONSOLE_NONE && is_env(l, POLICY_ENV_PROD))
		found(l, "devices.console", "whatever the guest prints, the host reads");
}

static void dev_003(struct lint *l)
{
	char path[64];

	for (uint64_t i = 0; i < l->p->devices.n_disks; i++) {
		const struct policy_disk *d = &l->p->devices.disks[i];
		if (d->backend == POLICY_BACKEND_CASEMATE)
			continue;
		ROW_PATH(path, "devices.disk", i, ".backend");
		found(l, path, "disk %s is served by %s, a program of another make", d->id,
			policy_backend_names[d->backend]);
	}
}

static void key_001(struct lint *l)
{
	const uint64_t need = POLICY_RELEASE_AFFIRMING | POLICY_RELEASE_POLICY;
	char path[64];

	for (uint64_t i = 0; i < l->p->n_keys; i++) {
		const struct policy_key *k = &l->p->keys[i];
		ROW_PATH(path, "keys", i, ".release.require");
		if (!k->has_release)
			found(l, path, "key %s has no release object; the broker never releases it",
				k->id);
		else if ((k->release.require & need) != need)
			found(l, path,
				"key %s goes out without attestation:affirming and policy:this",
				k->id);
	}
}

static void key_002(struct lint *l)
{
	char path[64];

	for (uint64_t i = 0; i < l->p->n_keys; i++) {
		ROW_PATH(path, "keys", i, ".release.max_age_s");
		if (l->p->keys[i].has_release && l->p->keys[i].release.max_age_s > 300)
			found(l, path, "evidence of %llu s ago still opens key %s",
				(unsigned long long)l->p->keys[i].release.max_age_s,
				l->p->keys[i].id);
	}
}

static bool is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '=';
}

/*
 * Does this run of 32 or more characters look drawn by lot? Hex digits alone do; other text when it
 * mixes cases and digits and carries more than 4.2 bits a character (English has about 4).
 */
static bool is_random(const char *s, size_t len)
{
	unsigned int counts[128] = { 0 };
	bool has_upper = false, has_lower = false, has_digit = false, is_hex = true;
	double bits = 0;

	for (size_t i = 0; i < len; i++) {
		counts[(unsigned char)s[i] & 0x7f]++;
		has_upper |= s[i] >= 'A' && s[i] <= 'Z';
		has_lower |= s[i] >= 'a' && s[i] <= 'z';
		has_digit |= s[i] >= '0' && s[i] <= '9';
		is_hex &= strchr("0123456789abcdefABCDEF", s[i]) != NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		double share = (double)counts[i] / (double)len;
		bits -= share > 0 ? share * log2(share) : 0;
	}
	if (is_hex)
		return bits > 2.5;
	return has_upper && has_lower && has_digit && bits > 4.2;
}

/* Is it announced as a digest, which is public? */
static bool is_digest_before(const char *text, size_t at)
{
	static const char *const marks[] = { "sha256:", "sha384:", "verity=", "roothash=" };

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		size_t n = strlen(marks[i]);
		if (at >= n && memcmp(text + at - n, marks[i], n) == 0)
			return true;
	}
	return false;
}

static void secret_look(struct lint *l, uint32_t value)
{
	static const char *const words[] = {
		"password=", "passwd=", "passphrase=", "token=", "secret="
	};
	const struct doc_value *v = &l->doc->values[value];
	const char *text = l->doc->text;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (memmem(text + v->at, v->end - v->at, words[i], strlen(words[i])) != NULL)
			put(l, l->rule->severity, value,
				"the text holds a password or token; the policy is public to the "
				"host");
	for (size_t at = v->at; at < v->end;) {
		size_t len = 0;
		while (at + len < v->end && is_base64(text[at + len]))
			len++;
		if (len >= 32 && !is_digest_before(text, at) && is_random(text + at, len)) {
			put(l, l->rule->severity, value,
				"this looks like a key or token; the policy is public to the host");
			return;
		}
		at += len + 1;
	}
}

static void key_003(struct lint *l)
{
	static const char pem[] = "PRIVATE KEY-----";

	if (memmem(l->doc->text, l->doc->len, pem, strlen(pem)) != NULL)
		found(l, "", "the file holds a private key");
	for (uint32_t i = 0; i < l->doc->n_values; i++)
		if (l->doc->values[i].type == DOC_TEXT && !l->doc->values[i].is_digest)
			secret_look(l, i);
}

static void host_001(struct lint *l)
{
	if (!l->p->host.has_seccomp)
		found(l, "host.seccomp", "host.seccomp is not written");
	if (!l->p->host.has_core_dump)
		found(l, "host.core_dump", "host.core_dump is not written");
	if (l->p->host.has_landlock && !l->p->host.landlock)
		found(l, "host.landlock", "a kernel without Landlock is good enough");
	if (strcmp(l->p->host.selinux, "off") == 0)
		found(l, "host.mac_label.selinux", "the guest's processes have no label");
}

static void aud_001(struct lint *l)
{
	static const uint64_t least[POLICY_DATA_COUNT] = {
		[POLICY_DATA_PCI_CHD] = 365,
		[POLICY_DATA_EPHI] = 2190,
	};
	uint64_t want = least[l->p->labels.data_class];

	if (l->p->audit.retain_days < want)
		found(l, "audit.retain_days",
			"the ledger is kept %llu days; this data class needs %llu",
			(unsigned long long)l->p->audit.retain_days, (unsigned long long)want);
}

static void aud_002(struct lint *l)
{
	if (l->p->has_audit)
		found(l, "audit",
			"no witness signs the ledger; whoever holds its key can rewrite it");
}

static void wvr_001(struct lint *l)
{
	char path[64];

	for (uint64_t i = 0; i < l->p->n_waivers; i++) {
		const struct policy_waiver *w = &l->p->waivers[i];
		const struct lint_rule *rule = lint_find_rule(w->rule);
		ROW_PATH(path, "waivers", i, ".rule");
		if (rule == NULL)
			found(l, path, "there is no rule %s", w->rule);
		else if (!rule->may_be_waived)
			found(l, path, "rule %s cannot be waived", w->rule);
		ROW_PATH(path, "waivers", i, ".expires");
		if (l->now >= w->expires)
			found(l, path, "the waiver of %s has expired", w->rule);
		else if (w->expires - l->now > 181 * DAY_S)
			found(l, path, "the waiver of %s ends more than 180 days from now",
				w->rule);
	}
}

/* --- the table ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct lint_rule rules[] = {
	{ "AUD-001", LINT_ERROR, true, "The ledger is kept as long as the data class demands",
	  "PCI DSS 10.5.1 and 45 CFR 164.316(b)(2)(i) set the least time.", "Raise audit.retain_days." },
	{ "AUD-002", LINT_WARNING, true, "Somebody else signs the ledger too",
	  "A signature of the host alone proves nothing against the host.", "Export checkpoints to another party; witnesses come in a later version." },
	{ "BOOT-001", LINT_ERROR, true, "Firmware, kernel and initrd are named by digest",
	  "A path says where, not what.", "Add sha384, as printed by `sha384sum FILE`." },
	{ "BOOT-003", LINT_ERROR, true, "The command line leaves no way in and names the verity root",
	  "The command line is measured, and so is what it permits.", "Remove the word; add casemate.verity=ROOT@OFFSET of the workload's disk." },
	{ "BOOT-004", LINT_WARNING, true, "Read-only disks are named by content",
	  "The host can put another file at the same path.", "Give the disk a verity_root." },
	{ "BOOT-005", LINT_WARNING, true, "The kernel is measured at launch",
	  "Firmware that boots a disk runs whatever the host put there.", "Name boot.kernel, or demand the registers that a boot log explains (tee.tpm, tee.tdx.rtmr)." },
	{ "DEV-001", LINT_ERROR, true, "Writable disks are protected from the host",
	  "Storage that the host supplies is hostile.", "Use luks2-aead, or at least luks2, with a key." },
	{ "DEV-002", LINT_WARNING, true, "Production guests have no console",
	  "Logs hold personal data more often than anybody plans.", "Set devices.console to none." },
	{ "DEV-003", LINT_WARNING, true, "Disks are served by casemate's own process",
	  "A program of another make has a wider list of system calls, and bugs of its own.", "Leave devices.disk[].backend out, or waive with the reason." },
	{ "HOST-001", LINT_ERROR, true, "The confinement of the guest's processes is written down, and whole",
	  "A reviewer must see it without knowing the defaults, and no wall is given up.", "Write host.seccomp strict and host.core_dump forbid; leave host.landlock and host.mac_label on." },
	{ "KEY-001", LINT_ERROR, true, "Keys go only to an affirmed guest of this policy",
	  "Otherwise another guest on the same host gets them.", "Require attestation:affirming and policy:this." },
	{ "KEY-002", LINT_WARNING, true, "Evidence is fresh when a key is released",
	  "Old evidence can be replayed.", "Set release.max_age_s to 300 or less." },
	{ "KEY-003", LINT_ERROR, false, "No secret stands in the policy",
	  "The policy is public: the host reads it, the ledger names it.", "Put the secret into the broker and name it under keys." },
	{ "POL-001", LINT_ERROR, false, "The file has the form of the schema",
	  "A key that is not understood is a promise that is not kept.", "See casemate.policy(5); keys of your own start with x-." },
	{ "POL-003", LINT_WARNING, true, "The policy is reviewed at least once a year",
	  "PCI DSS 12.3.3 and 12.3.4 ask for a yearly review.", "Set valid.not_after at most 12 months after not_before." },
	{ "POL-004", LINT_ERROR, true, "Production changes name their ticket",
	  "Auditors follow a change from its approval.", "Write change.ticket." },
	{ "POL-010", LINT_NOTE, true, "Keys of your own are listed",
	  "A reviewer must not take them for promises.", "Nothing to do." },
	{ "TEE-001", LINT_ERROR, false, "Debugging is off",
	  "A debugged guest has no secrets.", "Set debug to false (SEV: bit 0 of policy to one), or label the guest env dev." },
	{ "TEE-002", LINT_ERROR, true, "No migration agent",
	  "It could copy the guest elsewhere.", "Set migrate_ma to false, migratable to forbid (SEV: bit 3 of policy to one)." },
	{ "TEE-003", LINT_ERROR, true, "A firmware floor that cannot be rolled back",
	  "Old firmware has published holes; what is not committed can be lowered again.", "Write min_tcb and tcb_field committed or launch; for TDX min_eval_number, for SEV build." },
	{ "TEE-005", LINT_WARNING, true, "No shared cores for the most sensitive data",
	  "Sibling threads share caches and more.", "Set guest_policy.smt to false (TDX: smt to forbid), or waive it with a reason." },
	{ "TEE-006", LINT_WARNING, true, "No platform with known holes for ever",
	  "OutOfDate means that an attack on this platform is published.", "Move the status into tcb.grace; Revoked and NotSupported are never accepted." },
	{ "TEE-007", LINT_WARNING, true, "Owned hosts are listed",
	  "Without a list a stranger's machine of the same make serves as well.", "Write chip_ids (TDX: piids), read at the machines themselves." },
	{ "TEE-008", LINT_WARNING, true, "One min_tcb row for one product",
	  "Each product counts its versions by itself.", "Write min_tcb as a list, a row with product for each." },
	{ "TEE-009", LINT_ERROR, false, "Masks and digests have their exact form",
	  "A cut digest matches nothing, or too much.", "Masks: \"0x...\"; digests: \"sha384:...\" or \"sha256:...\" with every digit." },
	{ "TEE-010", LINT_ERROR, false, "Production accepts no simulated evidence",
	  "Anybody can make it.", "Remove tee.simulated." },
	{ "TEE-011", LINT_ERROR, true, "Production guests are protected",
	  "A plain guest is an open book to its host.", "Use another tee.type." },
	{ "TEE-012", LINT_WARNING, true, "Software protection is not taken for encryption",
	  "KVM_X86_SW_PROTECTED_VM keeps memory from processes, not from the host's kernel, and has no evidence.", "Use another tee.type." },
	{ "TEE-013", LINT_WARNING, true, "Somebody checks the launch measurement of SEV and SEV-ES",
	  "They have no report that could be asked for later.", "Write tee.sev.session and tee.sev.owner." },
	{ "TEE-014", LINT_ERROR, true, "No other guest has the key of a SEV guest",
	  "A guest that shares the key reads the memory.", "Set bit 1 of tee.sev.policy to one." },
	{ "WVR-001", LINT_ERROR, false, "Waivers are for known rules, and end",
	  "An exception without end is a rule.", "Set expires at most 180 days ahead; remove what cannot be waived." },
};

/* POL-001 and TEE-009, and errors of TEE-006, are found by the reader. */
static const struct {
	const char *id;
	void (*check)(struct lint *l);
} checks[] = {
	{ "POL-003", pol_003 }, { "POL-004", pol_004 }, { "POL-010", pol_010 },
	{ "TEE-001", tee_001 }, { "TEE-002", tee_002 }, { "TEE-003", tee_003 }, { "TEE-005", tee_005 }, { "TEE-006", tee_006 },
	{ "TEE-007", tee_007 }, { "TEE-008", tee_008 }, { "TEE-010", tee_010 }, { "TEE-011", tee_011 },
	{ "TEE-012", tee_012 }, { "TEE-013", tee_013 }, { "TEE-014", tee_014 },
	{ "BOOT-001", boot_001 }, { "BOOT-003", boot_003 }, { "BOOT-004", boot_004 }, { "BOOT-005", boot_005 },
	{ "DEV-001", dev_001 }, { "DEV-002", dev_002 }, { "DEV-003", dev_003 },
	{ "KEY-001", key_001 }, { "KEY-002", key_002 }, { "KEY-003", key_003 },
	{ "HOST-001", host_001 }, { "AUD-001", aud_001 }, { "AUD-002", aud_002 },
	{ "WVR-001", wvr_001 },
};
/* clang-format on */

const struct lint_rule *const lint_rules = rules;
const size_t lint_rules_count = ARRAY_LEN(rules);

const struct lint_rule *lint_find_rule(const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (strcmp(rules[i].id, id) == 0)
			return &rules[i];
	return NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;

	return x->at != y->at ? (x->at > y->at) - (x->at < y->at)
			      : strcmp(x->rule->id, y->rule->id);
}

void lint_check(
	const struct doc *doc, const struct policy *policy, int64_t now, struct lint_report *ret)
{
	struct lint l = { .doc = doc, .p = policy, .now = now, .report = ret };

	*ret = (struct lint_report){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		l.rule = lint_find_rule(checks[i].id);
		checks[i].check(&l);
	}
	qsort(ret->findings, ret->n, sizeof ret->findings[0], by_place);
}
