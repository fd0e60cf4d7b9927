#include "attest/appraise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/appraise_row.h"
#include "attest/id_block.h"
#include "attest/sha384.h"
#include "attest/snp_leaf.h"
#include "base/le.h"
#include "base/secret.h"
#include "base/wr.h"
#include "policy/policy.h"

/* --- equal bytes ------------------------------------------------------------------------------ */

static void data_rows(const struct snp_report *r, const struct attest_inputs *in, struct verdict *v)
{
	const uint8_t *host = in->host_data;

	if (host == NULL && in->policy != NULL)
		host = in->policy->hash;
	row_equal(v, ROW_REPORT_DATA, in->report_data, r->report_data, SNP_REPORT_DATA_BYTES,
		"no expected report data was given",
		"report data differ: the report was made for another nonce or key");
	row_equal(v, ROW_HOST_DATA, host, r->host_data, SNP_HOST_DATA_BYTES, "no policy was given",
		"host data differ: the guest was launched with another policy than this one");
}

/* --- the guest policy word -------------------------------------------------------------------- */

/* 1.2: a bit that allows may be set only where the reference has it, one that requires must be. */
static const struct {
	uint64_t bit;
	bool is_allowance;
	const char *text;
} policy_bits[] = {
	{ SNP_POLICY_SMT, true, "simultaneous multithreading is allowed" },
	{ SNP_POLICY_CXL_ALLOW, true, "CXL devices are allowed" },
	{ SNP_POLICY_SINGLE_SOCKET, false, "one socket is not demanded" },
	{ SNP_POLICY_MEM_AES_256_XTS, false, "AES-256-XTS is not demanded" },
	{ SNP_POLICY_RAPL_DIS, false, "RAPL off is not demanded" },
	{ SNP_POLICY_CIPHERTEXT_HIDING, false, "ciphertext hiding is not demanded" },
	{ SNP_POLICY_PAGE_SWAP_DISABLE, false, "page swapping is not forbidden" },
};

static const char *policy_bits_fault(uint64_t got, uint64_t want)
{
	for (size_t i = 0; i < ARRAY_LEN(policy_bits); i++) {
		bool is_got = (got & policy_bits[i].bit) != 0,
		     is_wanted = (want & policy_bits[i].bit) != 0;
		if (policy_bits[i].is_allowance ? is_got && !is_wanted : is_wanted && !is_got)
			return policy_bits[i].text;
	}
	if ((got & 0xFFFF) < (want & 0xFFFF)) /* major above minor: one number orders them */
		return "its least firmware ABI is older";
	return NULL;
}

static void guest_policy_row(const struct snp_report *r, const struct policy *p, struct verdict *v)
{
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	row_word(got, r->policy);
	if ((r->policy & SNP_POLICY_ONE) == 0 || (r->policy & SNP_POLICY_RESERVED) != 0)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, "", got,
			"guest policy is malformed: bit 17 must be 1, bits 63 to 26 must be 0 (AMD "
			"56860, 4.3)");
	if (p == NULL) {
		verdict_set(v, ROW_POLICY, VERDICT_NONE, "", got, "no policy was given");
		return;
	}
	uint64_t bits = p->tee.snp.guest_policy_bits;
	const char *fault = policy_bits_fault(r->policy, bits);
	if (fault != NULL)
		verdict_set(v, ROW_POLICY, VERDICT_CONTRAINDICATED, row_word(want, bits), got,
			"guest policy is weaker than the launch policy's: %s", fault);
	else
		verdict_set(v, ROW_POLICY, VERDICT_AFFIRMING, row_word(want, bits), got, "%s", "");
}

static void debug_rows(const struct snp_report *r, const struct policy *p, struct verdict *v)
{
	row_bit(v, ROW_DEBUG, (r->policy & SNP_POLICY_DEBUG) != 0, p,
		p != NULL && p->tee.snp.guest_policy.debug, "the host may read the guest's memory");
	row_bit(v, ROW_MIGRATION, (r->policy & SNP_POLICY_MIGRATE_MA) != 0, p,
		p != NULL && p->tee.snp.guest_policy.migrate_ma,
		"a migration agent may take the guest to another machine");
}

/* --- platform --------------------------------------------------------------------------------- */

static void vmpl_row(const struct snp_report *r, const struct policy *p, struct verdict *v)
{
	char want[16] = "", got[16];

	(void)snprintf(got, sizeof got, "%u", r->vmpl);
	if (p != NULL)
		(void)snprintf(want, sizeof want, "%llu", (unsigned long long)p->tee.snp.vmpl);
	if (r->vmpl == SNP_VMPL_HOST)
		verdict_set(v, ROW_VMPL, VERDICT_CONTRAINDICATED, want, "host",
			"the host asked for this report, not the guest: its report data prove "
			"nothing");
	else if (r->vmpl > 3)
		verdict_set(v, ROW_VMPL, VERDICT_CONTRAINDICATED, want, got, "VMPL is not 0 to 3");
	else if (p == NULL)
		verdict_set(v, ROW_VMPL, VERDICT_NONE, "", got, "no policy was given");
	else if (r->vmpl != p->tee.snp.vmpl)
		verdict_set(v, ROW_VMPL, VERDICT_CONTRAINDICATED, want, got,
			"another privilege level of the guest asked for the report");
	else
		verdict_set(v, ROW_VMPL, VERDICT_AFFIRMING, want, got, "%s", "");
}

static const char *const platform_bit_names[] = { "SMT", "TSME", "ECC", "RAPL off",
	"ciphertext hiding", "alias check", "IOMMU write safe", "TIO" };

static const char *lowest_bit_name(uint64_t bits)
{
	unsigned int i = (unsigned int)__builtin_ctzll(bits);

	return i < ARRAY_LEN(platform_bit_names) ? platform_bit_names[i] : "a reserved bit";
}

static void platform_row(const struct snp_report *r, const struct policy *p, struct verdict *v)
{
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	row_word(got, r->platform_info);
	if (p == NULL) {
		verdict_set(v, ROW_PLATFORM_INFO, VERDICT_NONE, "", got, "no policy was given");
		return;
	}
	uint64_t require = p->tee.snp.platform_require, forbid = p->tee.snp.platform_forbid;
	uint64_t missing = require & ~r->platform_info, excess = forbid & r->platform_info;
	(void)snprintf(want, sizeof want, "require 0x%llx forbid 0x%llx",
		(unsigned long long)require, (unsigned long long)forbid);
	if (missing != 0)
		verdict_set(v, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED, want, got,
			"the policy requires %s, the platform has it off",
			lowest_bit_name(missing));
	else if (excess != 0)
		verdict_set(v, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED, want, got,
			"the policy forbids %s, the platform has it on", lowest_bit_name(excess));
	else
		verdict_set(v, ROW_PLATFORM_INFO, VERDICT_AFFIRMING, want, got, "%s", "");
}

/* --- ID block --------------------------------------------------------------------------------- */

/* The firmware took this very block, or one of the same key: then it has to say the same. */
static bool id_block_is(const struct id_block *b, const struct snp_report *r)
{
	return memcmp(b->ld, r->measurement, sizeof b->ld) == 0 && b->policy == r->policy &&
	       memcmp(b->family_id, r->family_id, sizeof b->family_id) == 0 &&
	       memcmp(b->image_id, r->image_id, sizeof b->image_id) == 0 &&
	       b->guest_svn == r->guest_svn;
}

static void id_block_row(const struct snp_report *r, const struct policy_snp *s, struct verdict *v)
{
	struct id_block b;
	struct why why = { 0 };

	int err = id_block_verify(s->id_block.block, s->id_block.auth, &b, &why);
	if (err < 0) {
		verdict_set(v, ROW_ID_KEY, VERDICT_CONTRAINDICATED, "", "", "the policy's %s",
			why_text(&why, err));
		return;
	}
	row_equal(v, ROW_ID_KEY, b.id_key_digest, r->id_key_digest, sizeof b.id_key_digest, "",
		row_is_zero(r->id_key_digest, sizeof r->id_key_digest)
			? "the guest was launched without an ID block"
			: "the ID block was signed by another key");
	if (!id_block_is(&b, r))
		verdict_set(v, ROW_ID_KEY, VERDICT_CONTRAINDICATED, "", "",
			"launch digest, guest policy, family id, image id or guest SVN are not "
			"those of the policy's ID block");
	if (s->has_author_key && memcmp(b.author_key_digest, s->author_key, SHA384_BYTES) != 0)
		verdict_set(v, ROW_AUTHOR_KEY, VERDICT_CONTRAINDICATED, "", "",
			"the policy's ID block is not signed by the author key it names");
}

/* What the policy wants of an ID block that it does not carry itself. */
static void id_value_rows(const struct snp_report *r, const struct policy_snp *s, struct verdict *v)
{
	const uint8_t *key = s->id_keys[0].sha384;
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	for (uint64_t i = 0; i < s->n_id_keys; i++)
		if (secret_equal(s->id_keys[i].sha384, r->id_key_digest, sizeof r->id_key_digest))
			key = s->id_keys[i].sha384;
	if (s->n_id_keys > 0)
		row_equal(v, ROW_ID_KEY, key, r->id_key_digest, sizeof r->id_key_digest, "",
			row_is_zero(r->id_key_digest, sizeof r->id_key_digest)
				? "the guest was launched without an ID block"
				: "the ID block was signed by none of the policy's id_keys");
	if (s->has_family_id)
		row_equal(v, ROW_ID_KEY, s->family_id, r->family_id, sizeof r->family_id, "",
			"FAMILY_ID is not the policy's");
	if (s->has_image_id)
		row_equal(v, ROW_ID_KEY, s->image_id, r->image_id, sizeof r->image_id, "",
			"IMAGE_ID is not the policy's");
	if (r->guest_svn < s->min_guest_svn)
		verdict_set(v, ROW_ID_KEY, VERDICT_CONTRAINDICATED,
			row_word(want, s->min_guest_svn), row_word(got, r->guest_svn),
			"GUEST_SVN is below the policy's: an older version of the guest");
}

static void id_rows(const struct snp_report *r, const struct policy *p, struct verdict *v)
{
	const uint8_t *author =
		p != NULL && p->tee.snp.has_author_key ? p->tee.snp.author_key : NULL;

	if (p != NULL && p->tee.snp.has_id_block)
		id_block_row(r, &p->tee.snp, v);
	else
		row_equal(v, ROW_ID_KEY, NULL, r->id_key_digest, sizeof r->id_key_digest,
			"no ID block was asked for", "");
	if (p != NULL)
		id_value_rows(r, &p->tee.snp, v);
	if (author != NULL && (r->key_info & SNP_KEY_AUTHOR_KEY_EN) == 0)
		verdict_set(v, ROW_AUTHOR_KEY, VERDICT_CONTRAINDICATED, "", "",
			"the guest was launched without an author key");
	row_equal(v, ROW_AUTHOR_KEY, author, r->author_key_digest, sizeof r->author_key_digest,
		"no author key was asked for", "the ID key was signed by another author key");
}

/* --- what the policy demands of hardware and firmware ---------------------------------------- */

static const enum snp_product products[POLICY_PRODUCT_COUNT] = {
	[POLICY_PRODUCT_MILAN] = SNP_PRODUCT_MILAN,
	[POLICY_PRODUCT_GENOA] = SNP_PRODUCT_GENOA,
	[POLICY_PRODUCT_TURIN] = SNP_PRODUCT_TURIN,
};

static void policy_product_row(enum snp_product product, const struct policy *p, struct verdict *v)
{
	for (uint64_t i = 0; i < p->tee.snp.n_products; i++)
		if (products[p->tee.snp.products[i]] == product)
			return;
	if (p->tee.snp.n_products > 0)
		verdict_set(v, ROW_PRODUCT, VERDICT_CONTRAINDICATED,
			snp_product_name(products[p->tee.snp.products[0]]),
			snp_product_name(product), "the policy does not name this product");
}

static void policy_tcb_row(const struct snp_report *r, enum snp_product product,
	const struct policy *p, struct verdict *v)
{
	const struct policy_snp *s = &p->tee.snp;
	const struct {
		const char *name;
		uint64_t word;
	} fields[POLICY_TCB_COUNT] = {
		[POLICY_TCB_COMMITTED] = { "COMMITTED_TCB", r->committed_tcb },
		[POLICY_TCB_LAUNCH] = { "LAUNCH_TCB", r->launch_tcb },
		[POLICY_TCB_CURRENT] = { "CURRENT_TCB", r->current_tcb },
		[POLICY_TCB_REPORTED] = { "REPORTED_TCB", r->reported_tcb },
	};
	char want[TCB_TEXT_MAX], got[TCB_TEXT_MAX];
	const struct policy_tcb *min = NULL;

	if (s->n_min_tcbs == 0)
		return;
	for (enum policy_product i = 0; i < POLICY_PRODUCT_COUNT; i++)
		if (products[i] == product)
			min = policy_find_min_tcb(s, i);
	if (min == NULL) {
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, "", snp_product_name(product),
			"the policy's min_tcb has no row for this product");
		return;
	}
	struct tcb is = tcb_decode(product, fields[s->tcb_field].word);
	struct tcb least = { .has_fmc = is.has_fmc,
		.fmc = (uint8_t)min->fmc,
		.bootloader = (uint8_t)min->bootloader,
		.tee = (uint8_t)min->tee,
		.snp = (uint8_t)min->snp,
		.microcode = (uint8_t)min->microcode };
	tcb_print(&least, want);
	tcb_print(&is, got);
	const char *below = tcb_first_below(&is, &least);
	if (below != NULL)
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, want, got,
			"%s: %s is below the policy's minimum: the host's firmware has to be "
			"updated and "
			"committed",
			fields[s->tcb_field].name, below);
}

static uint32_t fw_number(uint64_t major, uint64_t minor, uint64_t build)
{
	return (uint32_t)(major << 16 | minor << 8 | build);
}

/* The firmware that runs: least version, and is it there to stay? (1.1, CURRENT and COMMITTED) */
static void policy_firmware_row(
	const struct snp_report *r, const struct policy_snp *s, struct verdict *v)
{
	const struct snp_fw_version *is = &r->current, *stays = &r->committed;
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	(void)snprintf(want, sizeof want, "%llu.%llu.%llu", (unsigned long long)s->min_major,
		(unsigned long long)s->min_minor, (unsigned long long)s->min_build);
	(void)snprintf(got, sizeof got, "%u.%u.%u", is->major, is->minor, is->build);
	if (fw_number(is->major, is->minor, is->build) <
		fw_number(s->min_major, s->min_minor, s->min_build))
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, want, got,
			"the host's firmware is older than the policy's min_firmware");
	(void)snprintf(want, sizeof want, "%u.%u.%u", stays->major, stays->minor, stays->build);
	if (s->provisional == POLICY_FORBID &&
		(r->current_tcb != r->committed_tcb || memcmp(is, stays, sizeof *is) != 0))
		verdict_set(v, ROW_TCB, VERDICT_CONTRAINDICATED, want, got,
			"the host's firmware is provisional: CURRENT is not COMMITTED, so it can "
			"be "
			"taken back");
}

static void policy_mitigation_row(
	const struct snp_report *r, const struct policy_snp *s, struct verdict *v)
{
	uint64_t has = r->has_mit_vectors ? r->launch_mit_vector & r->current_mit_vector : 0;
	char want[ROW_TEXT_MAX], got[ROW_TEXT_MAX];

	if ((s->mitigations & ~has) != 0)
		verdict_set(v, ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED,
			row_word(want, s->mitigations), row_word(got, has),
			r->has_mit_vectors
				? "the firmware did not find every mitigation that the policy wants"
				: "a report of this version has no mitigation vectors, the policy "
				  "wants some");
}

/* A VLEK speaks for a provider, not for a chip. */
void appraise_snp_provider(const char *csp_id, const struct policy *p, struct verdict *v)
{
	if (p == NULL || p->tee.snp.n_csp_ids == 0)
		return;
	for (uint64_t i = 0; csp_id != NULL && i < p->tee.snp.n_csp_ids; i++)
		if (strcmp(p->tee.snp.csp_ids[i].id, csp_id) == 0)
			return;
	verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, p->tee.snp.csp_ids[0].id,
		csp_id != NULL ? csp_id : "",
		csp_id != NULL ? "the VLEK is another provider's than the policy's csp_ids"
			       : "the policy names providers, but no VLEK signed this report");
}

static void policy_chip_row(const struct snp_report *r, const struct policy *p, struct verdict *v)
{
	char got[ROW_TEXT_MAX];

	if (p->tee.snp.n_chips == 0)
		return;
	row_hex(got, r->chip_id, sizeof r->chip_id);
	if (row_is_zero(r->chip_id, sizeof r->chip_id)) {
		verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, "one of the policy's chips",
			"masked", "the policy names chips, the host hides which one this is");
		return;
	}
	for (uint64_t i = 0; i < p->tee.snp.n_chips; i++)
		if (memcmp(p->tee.snp.chips[i].id, r->chip_id, sizeof r->chip_id) == 0)
			return;
	verdict_set(v, ROW_CHIP_ID, VERDICT_CONTRAINDICATED, "one of the policy's chips", got,
		"the policy does not name this chip");
}

void appraise_snp(const struct snp_report *report, enum snp_product product,
	const struct attest_inputs *in, struct verdict *v)
{
	const struct policy *p = in->policy;

	if (p != NULL) {
		row_policy_itself(v, p, POLICY_TEE_SNP, in->at);
		policy_product_row(product, p, v);
		policy_tcb_row(report, product, p, v);
		policy_firmware_row(report, &p->tee.snp, v);
		policy_mitigation_row(report, &p->tee.snp, v);
		policy_chip_row(report, p, v);
	}
	guest_policy_row(report, p, v);
	debug_rows(report, p, v);
	row_measurement(v, in, report->measurement,
		"launch digest differs: kernel, initial ramdisk, command line, memory or vCPUs are "
		"not "
		"those expected; 'casemate measure POLICY --diff' names the one");
	data_rows(report, in, v);
	vmpl_row(report, p, v);
	platform_row(report, p, v);
	id_rows(report, p, v);
}

void appraise_trust(enum trust_class trust, const struct policy *policy, struct verdict *v)
{
	const char *got = trust_class_name(trust);
	bool may_simulate = policy != NULL && policy->tee.simulated;
	const char *want = may_simulate ? "hardware or simulated" : "hardware";

	v->trust = trust;
	if (trust == TRUST_HARDWARE)
		verdict_set(v, ROW_TRUST, VERDICT_AFFIRMING, want, got, "%s", "");
	else if (trust == TRUST_HOST)
		verdict_set(v, ROW_TRUST, VERDICT_CONTRAINDICATED, want, got,
			"no trusted root vouches for this evidence: it is what the host says");
	else if (policy == NULL)
		verdict_set(v, ROW_TRUST, VERDICT_NONE, "", got,
			"vouched for by a root that was given, not by a vendor; no policy was "
			"given to refuse it");
	else if (may_simulate)
		verdict_set(v, ROW_TRUST, VERDICT_AFFIRMING, want, got,
			"the policy accepts simulated trust");
	else
		verdict_set(v, ROW_TRUST, VERDICT_CONTRAINDICATED, want, got,
			"a root that was given vouches for it, not a vendor, and the policy does "
			"not say "
			"'simulated'");
}

/* --- claims ----------------------------------------------------------------------------------- */

static void tcb_claims(struct claims *c, enum snp_product product, const char *name,
	const char *text_name, uint64_t v)
{
	char text[TCB_TEXT_MAX];
	struct tcb t = tcb_decode(product, v);
	le64 raw = le64_of(v);

	tcb_print(&t, text);
	claims_add_bytes(c, name, &raw, sizeof raw);
	if (product != SNP_PRODUCT_UNKNOWN)
		claims_add_text(c, text_name, text);
}

static void policy_claims(struct claims *c, uint64_t p)
{
	char text[ROW_TEXT_MAX];

	claims_add_text(c, "policy", row_word(text, p));
	claims_add_number(c, "policy_abi_major", p >> 8 & 0xFF);
	claims_add_number(c, "policy_abi_minor", p & 0xFF);
	claims_add_bool(c, "policy_smt_allowed", (p & SNP_POLICY_SMT) != 0);
	claims_add_bool(c, "policy_migrate_ma", (p & SNP_POLICY_MIGRATE_MA) != 0);
	claims_add_bool(c, "policy_debug_allowed", (p & SNP_POLICY_DEBUG) != 0);
	claims_add_bool(c, "policy_single_socket", (p & SNP_POLICY_SINGLE_SOCKET) != 0);
}

static void platform_claims(struct claims *c, const struct snp_report *r)
{
	/* In bit order (1.3). */
	static const char *const bits[] = { "platform_smt_enabled", "platform_tsme_enabled",
		"platform_ecc_enabled", "platform_rapl_disabled", "platform_ciphertext_hiding",
		"platform_alias_check", "platform_iommu_write_safe", "platform_tio_enabled" };
	char text[ROW_TEXT_MAX];

	claims_add_text(c, "platform_info", row_word(text, r->platform_info));
	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		claims_add_bool(c, bits[i], (r->platform_info >> i & 1) != 0);
	claims_add_text(c, "signing_key", snp_signing_key_name(r->signing_key));
	claims_add_bool(c, "author_key_enabled", (r->key_info & SNP_KEY_AUTHOR_KEY_EN) != 0);
	claims_add_bool(c, "mask_chip_key", (r->key_info & SNP_KEY_MASK_CHIP_KEY) != 0);
	if (r->has_cpuid) {
		claims_add_number(c, "cpuid_family", r->cpuid_family);
		claims_add_number(c, "cpuid_model", r->cpuid_model);
		claims_add_number(c, "cpuid_stepping", r->cpuid_stepping);
	}
	claims_add_bytes(c, "chip_id", r->chip_id, sizeof r->chip_id);
}

static void firmware_claims(struct claims *c, const struct snp_report *r, enum snp_product product)
{
	char text[32];

	tcb_claims(c, product, "reported_tcb", "reported_tcb_levels", r->reported_tcb);
	if (product != SNP_PRODUCT_UNKNOWN) {
		struct tcb t = tcb_decode(product, r->reported_tcb);
		claims_add_number(c, "reported_tcb_bootloader", t.bootloader);
		claims_add_number(c, "reported_tcb_tee", t.tee);
		claims_add_number(c, "reported_tcb_snp", t.snp);
		claims_add_number(c, "reported_tcb_microcode", t.microcode);
	}
	tcb_claims(c, product, "committed_tcb", "committed_tcb_levels", r->committed_tcb);
	tcb_claims(c, product, "current_tcb", "current_tcb_levels", r->current_tcb);
	tcb_claims(c, product, "launch_tcb", "launch_tcb_levels", r->launch_tcb);
	(void)snprintf(text, sizeof text, "%u.%u.%u", r->current.major, r->current.minor,
		r->current.build);
	claims_add_text(c, "current_firmware", text);
	(void)snprintf(text, sizeof text, "%u.%u.%u", r->committed.major, r->committed.minor,
		r->committed.build);
	claims_add_text(c, "committed_firmware", text);
	if (r->has_mit_vectors) {
		claims_add_number(c, "launch_mit_vector", r->launch_mit_vector);
		claims_add_number(c, "current_mit_vector", r->current_mit_vector);
	}
}

void appraise_snp_claims(
	const struct snp_report *report, enum snp_product product, struct claims *c)
{
	const struct snp_report *r = report;

	claims_add_number(c, "version", r->version);
	claims_add_text(c, "product", snp_product_name(product));
	claims_add_number(c, "guest_svn", r->guest_svn);
	claims_add_bytes(c, "family_id", r->family_id, sizeof r->family_id);
	claims_add_bytes(c, "image_id", r->image_id, sizeof r->image_id);
	claims_add_number(c, "vmpl", r->vmpl);
	policy_claims(c, r->policy);
	claims_add_bytes(c, "measurement", r->measurement, sizeof r->measurement);
	claims_add_bytes(c, "report_data", r->report_data, sizeof r->report_data);
	claims_add_bytes(c, "host_data", r->host_data, sizeof r->host_data);
	claims_add_bytes(c, "id_key_digest", r->id_key_digest, sizeof r->id_key_digest);
	claims_add_bytes(c, "author_key_digest", r->author_key_digest, sizeof r->author_key_digest);
	claims_add_bytes(c, "report_id", r->report_id, sizeof r->report_id);
	claims_add_bytes(c, "report_id_ma", r->report_id_ma, sizeof r->report_id_ma);
	platform_claims(c, r);
	firmware_claims(c, r, product);
}
