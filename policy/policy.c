#include "policy/policy.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu_model.h"
#include "policy/plan_bits.h"
#include "policy/policy_priv.h"
#include "policy/schema.h"

/* --- cross-checks: what two keys say about one another ---------------------------------------- */

/* One contradiction: where, and the cause. */
static int contradict(struct doc *doc, const char *path, struct why *why, const char *cause)
{
	return schema_fail(doc, doc_find_near(doc, path), "POL-001", -EBADMSG, why, "%s", cause);
}

static int contradict_row(struct doc *doc, const char *list, uint64_t row, const char *key,
	struct why *why, const char *cause)
{
	bool is_one = doc->values[doc_find_near(doc, list)].type == DOC_OBJECT; /* FIELD_OR_ONE */
	char path[80];

	if (is_one)
		(void)snprintf(path, sizeof path, "%s.%s", list, key);
	else
		(void)snprintf(
			path, sizeof path, "%s[%llu].%s", list, (unsigned long long)row, key);
	return contradict(doc, path, why, cause);
}

static MUST_USE int id_block_check(struct doc *doc, const struct policy *p, struct why *why)
{
	const struct policy_snp *snp = &p->tee.snp;
	const uint8_t *block = snp->id_block.block, *auth = snp->id_block.auth;
	le32 version, id_algo, author_algo;
	le64 bits;

	if (!snp->has_id_block)
		return snp->has_author_key ? contradict(doc, "tee.snp.author_key", why,
						     "an author key counts only with an id_block")
					   : 0;
	/* ID block and ID authentication page: kvm-cvm-abi 2.11. */
	memcpy(&version, block + 0x50, sizeof version);
	memcpy(&bits, block + 0x58, sizeof bits);
	memcpy(&id_algo, auth, sizeof id_algo);
	memcpy(&author_algo, auth + 4, sizeof author_algo);
	if (le32_get(version) != 1)
		return contradict(
			doc, "tee.snp.id_block.block", why, "the ID block's version is not 1");
	if (le64_get(bits) != snp->guest_policy_bits)
		return contradict(doc, "tee.snp.id_block.block", why,
			"the ID block was made for another guest_policy");
	if (le32_get(id_algo) != 1)
		return contradict(doc, "tee.snp.id_block.auth", why,
			"the ID key's algorithm is not 1 (ECDSA P-384 with SHA-384)");
	if (snp->has_author_key && le32_get(author_algo) != 1)
		return contradict(doc, "tee.snp.id_block.auth", why,
			"author_key is given, but the page carries no author key");
	return 0;
}

/* Each object of tee stands with its types and only with them. */
static MUST_USE int objects_check(struct doc *doc, const struct policy *p, struct why *why)
{
	const struct {
		const char *path, *missing, *excess;
		bool has, is_type;
	} rows[] = {
		{ "tee.snp", "type snp needs the object tee.snp", "tee.snp needs type snp",
			p->tee.has_snp, p->tee.type == POLICY_TEE_SNP },
		{ "tee.tdx", "type tdx needs the object tee.tdx", "tee.tdx needs type tdx",
			p->tee.has_tdx, p->tee.type == POLICY_TEE_TDX },
		{ "tee.sev", "types sev and sev-es need the object tee.sev",
			"tee.sev needs type sev or sev-es", p->tee.has_sev,
			p->tee.type == POLICY_TEE_SEV || p->tee.type == POLICY_TEE_SEV_ES },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].has != rows[i].is_type)
			return contradict(doc, rows[i].has ? rows[i].path : "tee.type", why,
				rows[i].has ? rows[i].excess : rows[i].missing);
	return 0;
}

static bool product_is_listed(const struct policy_snp *snp, enum policy_product product)
{
	for (uint64_t i = 0; i < snp->n_products; i++)
		if (snp->products[i] == product)
			return true;
	return false;
}

/* Every product of the policy has one row, of its own or the one for all. */
static MUST_USE int min_tcb_check(
	struct doc *doc, const struct policy_snp *snp, bool has_turin, struct why *why)
{
	static const char path[] = "tee.snp.min_tcb", fmc[] = "only Turin has an FMC";
	uint64_t n = snp->n_min_tcbs;

	for (uint64_t i = 0; i < n; i++) {
		const struct policy_min_tcb *row = &snp->min_tcbs[i];
		bool is_turin = row->has_product ? row->product == POLICY_PRODUCT_TURIN : has_turin;
		const char *cause = NULL;
		if (!row->has_product && n > 1)
			cause = "each row of several names its product";
		else if (row->has_product && policy_find_min_tcb(snp, row->product) != &row->tcb)
			cause = "another row has this product";
		else if (row->has_product && !product_is_listed(snp, row->product))
			cause = "tee.snp.product does not name this product";
		else if (row->tcb.fmc != 0 && !is_turin)
			cause = fmc;
		if (cause != NULL)
			return contradict_row(
				doc, path, i, cause == fmc ? "fmc" : "product", why, cause);
	}
	for (uint64_t i = 0; n > 0 && i < snp->n_products; i++)
		if (policy_find_min_tcb(snp, snp->products[i]) == NULL)
			return contradict(
				doc, path, why, "a product of tee.snp.product has no row");
	return 0;
}

static MUST_USE int snp_check(struct doc *doc, const struct policy *p, struct why *why)
{
	const struct policy_snp *snp = &p->tee.snp;
	bool has_turin = false;

	for (uint64_t i = 0; i < snp->n_products; i++) {
		has_turin |= snp->products[i] == POLICY_PRODUCT_TURIN;
		for (uint64_t j = 0; j < i; j++)
			if (snp->products[i] == snp->products[j])
				return contradict(doc, "tee.snp.product", why, "a product twice");
	}
	int err = min_tcb_check(doc, snp, has_turin, why);
	if (err < 0)
		return err;
	if (snp->provisional == POLICY_REQUIRE)
		return contradict(doc, "tee.snp.provisional", why,
			"provisional firmware can be forbidden, nobody needs it");
	return id_block_check(doc, p, why);
}

static MUST_USE int tdx_check(struct doc *doc, const struct policy *p, struct why *why)
{
	const struct policy_tdx *tdx = &p->tee.tdx;

	/* x87 and SSE state are always there (attestation.md, 6.2). */
	if (tdx->has_xfam && (tdx->xfam & 3) != 3)
		return contradict(doc, "tee.tdx.xfam", why, "bits 0 and 1 are always set");
	if ((tdx->tcb.accept & tdx->tcb.grace.status) != 0)
		return contradict(doc, "tee.tdx.tcb.grace.status", why,
			"a status that is accepted needs no grace");
	return 0;
}

static MUST_USE int tpm_check(struct doc *doc, const struct policy *p, struct why *why)
{
	const struct policy_tpm *tpm = &p->tee.tpm;

	for (uint64_t i = 0; i < tpm->n_pcrs; i++)
		for (uint64_t j = 0; j < i; j++)
			if (tpm->pcrs[i].index == tpm->pcrs[j].index)
				return contradict_row(doc, "tee.tpm.pcrs", i, "index", why,
					"another row has this register");
	if (tpm->secure_boot != POLICY_ANY && !tpm->require_event_log)
		return contradict(doc, "tee.tpm.secure_boot", why,
			"only the event log says so: event_log must be true");
	return 0;
}

static MUST_USE int sev_check(struct doc *doc, const struct policy *p, struct why *why)
{
	const struct policy_sev *sev = &p->tee.sev;
	bool is_es = (sev->policy & POLICY_SEV_ES) != 0;

	if (!p->tee.has_sev)
		return 0;
	if (is_es != (p->tee.type == POLICY_TEE_SEV_ES))
		return contradict(doc, "tee.sev.policy", why,
			"bit 2 (SEV-ES) must be set with type sev-es and only then");
	if (sev->debug && (sev->policy & POLICY_SEV_NODBG) != 0)
		return contradict(doc, "tee.sev.debug", why,
			"the guest policy forbids debugging: bit 0 (NODBG) of tee.sev.policy is "
			"set");
	if (sev->migration && (sev->policy & POLICY_SEV_NOSEND) != 0)
		return contradict(doc, "tee.sev.migration", why,
			"the guest policy forbids migration: bit 3 (NOSEND) of tee.sev.policy is "
			"set");
	if (sev->has_owner && !sev->has_session)
		return contradict(doc, "tee.sev.owner", why,
			"an owner needs tee.sev.session: without it nobody can check the launch "
			"measurement");
	return 0;
}

/* Who boots what: the monitor a kernel, firmware a kernel, or firmware a disk. */
static MUST_USE int boot_check(struct doc *doc, const struct policy *p, struct why *why)
{
	bool has_kernel = p->boot.has_kernel;

	if (!has_kernel && !p->boot.has_firmware)
		return contradict(doc, "boot", why,
			"key \"kernel\" is missing; only firmware can boot without one");
	if (has_kernel && !p->boot.has_cmdline)
		return contradict(doc, "boot", why, "key \"cmdline\" is missing");
	if (!has_kernel && p->boot.has_initrd)
		return contradict(doc, "boot.initrd", why, "an initrd needs boot.kernel");
	if (!has_kernel && p->boot.has_cmdline)
		return contradict(doc, "boot.cmdline", why,
			"a command line needs boot.kernel; what a disk boots has its own");
	if (!has_kernel && p->devices.n_disks == 0)
		return contradict(doc, "devices", why,
			"without boot.kernel the firmware boots a disk: devices.disk has none");
	if (p->boot.flash_vars[0] == 0)
		return 0;
	if (!p->boot.has_firmware)
		return contradict(doc, "boot.flash_vars", why,
			"only firmware has variables: boot.firmware is missing");
	return p->tee.type == POLICY_TEE_NONE
		       ? 0
		       : contradict(doc, "boot.flash_vars", why,
				 "only a plain guest (type none) has flash: the firmware of an "
				 "encrypted one is memory, and its variables end with it");
}

/* SEV's launch digests are SHA-256 with zeros behind, all others SHA-384. */
static MUST_USE int launch_digest_check(struct doc *doc, const struct policy *p, struct why *why)
{
	static const uint8_t zero[16];

	for (uint64_t i = 0; policy_tee_proves(p->tee.type) && i < p->boot.n_launch_digests; i++) {
		char path[48];
		(void)snprintf(
			path, sizeof path, "boot.launch_digest[%llu]", (unsigned long long)i);
		const struct doc_value *v = &doc->values[doc_find_near(doc, path)];
		bool is_short = strncmp(doc->text + v->at, "\"sha256:", 8) == 0;
		if (p->tee.has_sev && memcmp(p->boot.launch_digests[i].sha384 + 32, zero, 16) != 0)
			return contradict(
				doc, path, why, "SEV's launch digests are SHA-256: \"sha256:...\"");
		if (!p->tee.has_sev && is_short)
			return contradict(doc, path, why,
				"SHA-256 is the launch digest of SEV and SEV-ES; want "
				"\"sha384:...\"");
	}
	return 0;
}

static MUST_USE int tee_check(struct doc *doc, const struct policy *p, struct why *why)
{
	bool is_protected = policy_tee_proves(p->tee.type);
	int err = objects_check(doc, p, why);

	if (err < 0)
		return err;
	if (!is_protected && p->tee.simulated)
		return contradict(doc, "tee.simulated", why,
			"only evidence can be simulated; a plain "
			"guest has none");
	if (!is_protected && !p->tee.has_tpm && p->tee.has_endorsements)
		return contradict(doc, "tee.endorsements", why, "nobody speaks for a plain guest");
	if (is_protected && !p->has_audit)
		return contradict(
			doc, "audit", why, "a protected guest needs the object \"audit\"");
	if (!is_protected && p->n_keys > 0)
		return contradict(doc, "keys", why,
			"nothing proves what a plain guest is, so no key "
			"can be released to it");
	err = snp_check(doc, p, why);
	if (err == 0)
		err = sev_check(doc, p, why);
	if (err == 0)
		err = launch_digest_check(doc, p, why);
	if (err == 0)
		err = tdx_check(doc, p, why);
	return err < 0 ? err : tpm_check(doc, p, why);
}

static MUST_USE int disk_check(struct doc *doc, const struct policy *p, uint64_t i, struct why *why)
{
	const struct policy_disk *d = &p->devices.disks[i];
	bool is_luks = d->integrity == POLICY_INTEGRITY_LUKS2 ||
		       d->integrity == POLICY_INTEGRITY_LUKS2_AEAD;

	for (uint64_t j = 0; j < i; j++)
		if (strcmp(p->devices.disks[j].id, d->id) == 0)
			return contradict_row(
				doc, "devices.disk", i, "id", why, "another disk has this id");
	if (d->discard && d->mode == POLICY_RO)
		return contradict_row(doc, "devices.disk", i, "discard", why,
			"discard writes, but the mode is ro");
	if (d->integrity == POLICY_INTEGRITY_VERITY && d->mode != POLICY_RO)
		return contradict_row(
			doc, "devices.disk", i, "mode", why, "a disk with a verity root is ro");
	if (is_luks && d->key[0] == 0)
		return contradict_row(doc, "devices.disk", i, "integrity", why,
			"luks2 needs the key that opens it");
	if (!is_luks && d->key[0] != 0)
		return contradict_row(doc, "devices.disk", i, "key", why,
			"only luks2 and luks2-aead disks have a key");
	if (d->key[0] != 0 && policy_find_key(p, d->key) == NULL)
		return contradict_row(doc, "devices.disk", i, "key", why, "keys[] has no such id");
	return 0;
}

/* The broker finds the terms of a release by the source: two rows would be one secret under two. */
static MUST_USE int keys_check(struct doc *doc, const struct policy *p, struct why *why)
{
	for (uint64_t i = 0; i < p->n_keys; i++) {
		if (policy_find_key(p, p->keys[i].id) != &p->keys[i])
			return contradict_row(doc, "keys", i, "id", why, "another key has this id");
		for (uint64_t j = 0; j < i; j++)
			if (strcmp(p->keys[j].source, p->keys[i].source) == 0)
				return contradict_row(doc, "keys", i, "source", why,
					"another key has this source");
	}
	return 0;
}

static MUST_USE int lists_check(struct doc *doc, const struct policy *p, struct why *why)
{
	for (uint64_t i = 0; i < p->devices.n_disks; i++) {
		int err = disk_check(doc, p, i, why);
		if (err < 0)
			return err;
	}
	for (uint64_t i = 0; i < p->devices.vsock.n_ports; i++)
		for (uint64_t j = 0; j < i; j++)
			if (p->devices.vsock.ports[i].port == p->devices.vsock.ports[j].port)
				return contradict_row(doc, "devices.vsock.ports", i, "port", why,
					"another row has this port");
	return keys_check(doc, p, why);
}

static MUST_USE int host_check(struct doc *doc, const struct policy *p, struct why *why)
{
	bool is_strict = p->host.confinement == POLICY_CONFINEMENT_STRICT;

	if (is_strict && strcmp(p->host.selinux, "off") == 0)
		return contradict(doc, "host.mac_label.selinux", why,
			"confinement strict demands labels: leave it out, or write required");
	if (is_strict && p->host.has_landlock && !p->host.landlock)
		return contradict(doc, "host.landlock", why,
			"confinement strict demands Landlock: leave it out, or write true");
	return 0;
}

static MUST_USE int machine_check(struct doc *doc, const struct policy *p, struct why *why)
{
	static const uint64_t huge_mib[POLICY_HUGE_COUNT] = { 1, 2, 1024 };

	if (p->machine.memory_mib % huge_mib[p->machine.hugepages] != 0)
		return contradict(doc, "machine.memory_mib", why,
			"memory must be a multiple of the huge page size");
	if (p->machine.cpu[0] != 0 && p->machine.has_cpu_model)
		return contradict(doc, "machine.cpu_model", why, "cpu says it already");
	if (p->machine.cpu_signature != 0 && p->tee.type == POLICY_TEE_TDX)
		return contradict(doc, "machine.cpu", why,
			"the TDX module shows its guests the host's processor: write host");
	if (p->has_valid && p->valid.not_after <= p->valid.not_before)
		return contradict(doc, "valid.not_after", why, "not_after is not after not_before");
	return 0;
}

/* --- computed values ------------------------------------------------------------------------- */

static uint64_t guest_bits(const struct policy_guest_bits *g)
{
	return g->abi_minor | g->abi_major << 8 | POLICY_SNP_ONE | (g->smt ? POLICY_SNP_SMT : 0) |
	       (g->migrate_ma ? POLICY_SNP_MIGRATE_MA : 0) | (g->debug ? POLICY_SNP_DEBUG : 0) |
	       (g->single_socket ? POLICY_SNP_SINGLE_SOCKET : 0);
}

static void platform_bits(struct policy_snp *snp)
{
	const struct policy_platform *p = &snp->platform_info;
	const enum policy_demand demands[] = { p->smt, p->tsme, p->ecc, p->rapl_disabled,
		p->ciphertext_hiding_dram, p->alias_check, p->iommu_write_safe };

	for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
		snp->platform_require |= demands[i] == POLICY_REQUIRE ? 1ull << i : 0;
		snp->platform_forbid |= demands[i] == POLICY_FORBID ? 1ull << i : 0;
	}
}

static void td_bits(struct policy_tdx *t)
{
	const struct {
		uint64_t bit;
		enum policy_demand demand;
	} rows[] = {
		{ POLICY_TD_DEBUG, t->debug ? POLICY_ANY : POLICY_FORBID },
		{ POLICY_TD_SEPT_VE_DISABLE, t->attributes.sept_ve_disable },
		{ POLICY_TD_MIGRATABLE, t->attributes.migratable },
		{ POLICY_TD_PKS, t->attributes.pks },
		{ POLICY_TD_KEY_LOCKER, t->attributes.key_locker },
		{ POLICY_TD_PERFMON, t->attributes.perfmon },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t->attributes_require |= rows[i].demand == POLICY_REQUIRE ? rows[i].bit : 0;
		t->attributes_forbid |= rows[i].demand == POLICY_FORBID ? rows[i].bit : 0;
	}
}

/* --- the public calls ------------------------------------------------------------------------ */

int policy_hash(const void *bytes, size_t len, uint8_t ret[32])
{
	unsigned int n = 0;

	if (EVP_Digest(bytes, len, ret, &n, EVP_sha256(), NULL) != 1 || n != 32)
		return -EIO;
	return 0;
}

static MUST_USE int doc_read(struct doc *doc, struct policy *p, struct why *why)
{
	int err = schema_read(doc, p, why);

	if (err < 0)
		return err;
	if (p->tee.has_snp)
		p->tee.snp.guest_policy_bits = guest_bits(&p->tee.snp.guest_policy);
	platform_bits(&p->tee.snp);
	if (p->tee.has_tdx)
		td_bits(&p->tee.tdx);
	if (cpu_model_parse(p->machine.cpu, &p->machine.cpu_signature) < 0)
		p->machine.cpu_signature = 0; /* host, or not written: the form was checked */
	err = machine_check(doc, p, why);
	if (err == 0)
		err = host_check(doc, p, why);
	if (err == 0)
		err = lists_check(doc, p, why);
	if (err == 0)
		err = tee_check(doc, p, why);
	if (err == 0)
		err = boot_check(doc, p, why);
	return err;
}

int policy_parse_doc(struct doc *ret_doc, const void *bytes, size_t len, const char *filename,
	struct policy *ret, struct why *why)
{
	struct policy *p = calloc(1, sizeof *p);
	int err = doc_open(ret_doc, bytes, len, filename, why);

	if (err == 0 && p == NULL)
		err = -ENOMEM;
	if (err == 0)
		err = doc_read(ret_doc, p, why);
	if (err == 0)
		err = policy_hash(bytes, len, p->hash);
	if (err == 0)
		*ret = *p;
	free(p);
	return err;
}

int policy_parse(
	const void *bytes, size_t len, const char *filename, struct policy *ret, struct why *why)
{
	AUTO(doc) struct doc doc = { .filename = filename };

	return policy_parse_doc(&doc, bytes, len, filename, ret, why);
}

int policy_check_time(const struct policy *policy, int64_t now, struct why *why)
{
	char seen[SCHEMA_TIME_BYTES], edge[SCHEMA_TIME_BYTES];
	bool is_early = now < policy->valid.not_before;

	if (!policy->has_valid || (!is_early && now <= policy->valid.not_after))
		return 0;
	schema_print_time(now, seen);
	schema_print_time(is_early ? policy->valid.not_before : policy->valid.not_after, edge);
	return why_set(why, -EACCES, "policy %s serial %llu %s %s; it is %s", policy->name,
		(unsigned long long)policy->serial,
		is_early ? "is not valid before" : "was valid until", edge, seen);
}

static void plan_devices(const struct policy *p, struct wire_plan *plan)
{
	plan->n_disks = le32_of((uint32_t)p->devices.n_disks);
	for (uint64_t i = 0; i < p->devices.n_disks; i++) {
		const struct policy_disk *d = &p->devices.disks[i];
		struct wire_plan_disk *w = &plan->disks[i];
		memcpy(w->id, d->id, sizeof w->id);
		memcpy(w->path, d->file, sizeof w->path);
		w->flags = le32_of((d->mode == POLICY_RO ? PLAN_DISK_READ_ONLY : 0) |
				   (d->discard ? PLAN_DISK_DISCARD : 0));
		w->backend = le32_of((uint32_t)d->backend);
	}
	plan->n_ports = le32_of((uint32_t)p->devices.vsock.n_ports);
	plan->vsock_cid = le64_of(p->devices.vsock.cid);
	for (uint64_t i = 0; i < p->devices.vsock.n_ports; i++) {
		memcpy(plan->ports[i].path, p->devices.vsock.ports[i].socket,
			sizeof plan->ports[i].path);
		plan->ports[i].port = le32_of((uint32_t)p->devices.vsock.ports[i].port);
	}
}

static bool has_range(const struct policy *p)
{
	return plan_is_range(p->host.selinux);
}

static uint32_t confinement_flags(const struct policy *p)
{
	bool is_required = strcmp(p->host.selinux, "required") == 0 || has_range(p);

	return (p->host.confinement == POLICY_CONFINEMENT_STRICT ? PLAN_STRICT : 0) |
	       (p->host.landlock || !p->host.has_landlock ? PLAN_LANDLOCK : 0) |
	       (is_required ? PLAN_MAC_REQUIRED : 0) |
	       (strcmp(p->host.selinux, "off") == 0 ? PLAN_MAC_OFF : 0);
}

static void plan_host(const struct policy *p, struct wire_plan *plan)
{
	if (has_range(p))
		memcpy(plan->mac_range, p->host.selinux, sizeof plan->mac_range);
	plan->cpu_weight = le32_of((uint32_t)p->host.cpu_weight);
	plan->cpu_percent = le32_of((uint32_t)p->host.cpu_percent);
	plan->io_weight = le32_of((uint32_t)p->host.io_weight);
	plan->overhead_mib = le32_of((uint32_t)p->host.overhead_mib);
}

static uint32_t plan_flags(const struct policy *p)
{
	static const uint32_t consoles[POLICY_CONSOLE_COUNT] = {
		[POLICY_CONSOLE_SERIAL] = PLAN_SERIAL,
		[POLICY_CONSOLE_VIRTIO] = PLAN_CONSOLE,
	};
	static const uint32_t huge[POLICY_HUGE_COUNT] = {
		[POLICY_HUGE_2M] = PLAN_HUGE_2M,
		[POLICY_HUGE_1G] = PLAN_HUGE_1G,
	};

	return (p->tee.simulated ? PLAN_SIMULATED : 0) |
	       (p->tee.snp.has_id_block ? PLAN_ID_BLOCK : 0) |
	       (p->tee.snp.has_author_key ? PLAN_AUTHOR_KEY : 0) |
	       (p->tee.sev.has_session ? PLAN_SEV_SESSION : 0) |
	       (p->tee.sev.has_owner ? PLAN_OWNER : 0) | (p->devices.rng ? PLAN_RNG : 0) |
	       (p->devices.has_vsock ? PLAN_VSOCK : 0) | consoles[p->devices.console] |
	       huge[p->machine.hugepages] | confinement_flags(p);
}

static void plan_snp(const struct policy_snp *snp, struct wire_plan *plan)
{
	plan->guest_policy = le64_of(snp->guest_policy_bits);
	plan->vmsa_features = le64_of(snp->vmsa_features);
	memcpy(plan->id_block, snp->id_block.block, sizeof plan->id_block);
	memcpy(plan->id_auth, snp->id_block.auth, sizeof plan->id_auth);
	memcpy(plan->snp_certs, snp->certs, sizeof plan->snp_certs);
}

static void plan_sev(const struct policy_sev *sev, struct wire_plan *plan)
{
	plan->guest_policy = le64_of(sev->policy);
	memcpy(plan->sev_dh, sev->session.dh_cert, sizeof plan->sev_dh);
	memcpy(plan->sev_session, sev->session.session, sizeof plan->sev_session);
	if (!sev->has_owner)
		return;
	memcpy(plan->owner_url, sev->owner.url, sizeof plan->owner_url);
	memcpy(plan->owner_ca, sev->owner.ca, sizeof plan->owner_ca);
	plan->owner_wait_s = le32_of((uint32_t)sev->owner.wait_s);
}

/*
 * TDATTRIBUTES of the launch: what the quote must say, debugging where somebody wrote so, and
 * SEPT_VE_DISABLE, without which Linux guests refuse to run (ABI 4.3), unless it is forbidden.
 */
static uint64_t td_launch_attributes(const struct policy_tdx *tdx)
{
	return tdx->attributes_require | (tdx->debug ? POLICY_TD_DEBUG : 0) |
	       (POLICY_TD_SEPT_VE_DISABLE & ~tdx->attributes_forbid);
}

static void plan_tdx(const struct policy_tdx *tdx, struct wire_plan *plan)
{
	plan->td_attributes = le64_of(td_launch_attributes(tdx));
	plan->td_xfam = le64_of(tdx->xfam);
	memcpy(plan->mrowner, tdx->mrowner, sizeof plan->mrowner);
	memcpy(plan->mrownerconfig, tdx->mrownerconfig, sizeof plan->mrownerconfig);
	memcpy(plan->qgs, tdx->quoting, sizeof plan->qgs);
}

static struct wire_plan_digest digest_of(const struct policy_file *f)
{
	struct wire_plan_digest d = { .has_sha384 = le32_of(f->has_sha384 ? 1 : 0) };

	if (f->has_sha384)
		memcpy(d.sha384, f->sha384, sizeof d.sha384);
	return d;
}

static void plan_boot(const struct policy *p, struct wire_plan *plan)
{
	plan->digests[PLAN_FILE_FIRMWARE] = digest_of(&p->boot.firmware);
	plan->digests[PLAN_FILE_KERNEL] = digest_of(&p->boot.kernel);
	plan->digests[PLAN_FILE_INITRD] = digest_of(&p->boot.initrd);
	memcpy(plan->firmware, p->boot.firmware.file, sizeof plan->firmware);
	memcpy(plan->flash_vars, p->boot.flash_vars, sizeof plan->flash_vars);
	memcpy(plan->kernel, p->boot.kernel.file, sizeof plan->kernel);
	memcpy(plan->initrd, p->boot.initrd.file, sizeof plan->initrd);
	memcpy(plan->cmdline, p->boot.cmdline, sizeof plan->cmdline);
}

/* What is good enough to appraise evidence, but not to launch. */
static MUST_USE int launch_check(const struct policy *p, struct why *why)
{
	const struct policy_sev *sev = &p->tee.sev;
	bool needs_firmware = p->tee.has_sev || p->tee.has_tdx;

	/* KVM's mask of policy bits never has 18 (kvm-cvm-abi 2.7). */
	if (p->tee.snp.guest_policy.migrate_ma)
		return why_set(why, -EPROTONOSUPPORT,
			"tee.snp.guest_policy.migrate_ma: KVM refuses guests with a migration "
			"agent");
	if (needs_firmware && !p->boot.has_firmware)
		return why_set(why, -EBADMSG,
			"boot.firmware is missing: a guest of type %s starts in firmware (OVMF); "
			"as it stands the policy can only appraise evidence",
			policy_tee_names[p->tee.type]);
	if (p->tee.has_sev && (sev->policy & POLICY_SEV_NODBG) == 0 && !sev->debug)
		return why_set(why, -EACCES,
			"tee.sev.policy lets the host debug the guest (bit 0, NODBG, is clear): "
			"set "
			"the bit, or ask for it by name with \"debug\": true in tee.sev");
	if (p->tee.has_sev && (sev->policy & POLICY_SEV_NOSEND) == 0 && !sev->migration)
		return why_set(why, -EACCES,
			"tee.sev.policy lets the host send the guest to another machine (bit 3, "
			"NOSEND, is clear): set the bit, or ask for it by name with "
			"\"migration\": true in tee.sev");
	return 0;
}

int policy_plan(const struct policy *policy, struct wire_plan *ret, struct why *why)
{
	static const uint32_t tees[POLICY_TEE_COUNT] = {
		[POLICY_TEE_NONE] = PLAN_TEE_NONE,
		[POLICY_TEE_SNP] = PLAN_TEE_SNP,
		[POLICY_TEE_TDX] = PLAN_TEE_TDX,
		[POLICY_TEE_SEV] = PLAN_TEE_SEV,
		[POLICY_TEE_SEV_ES] = PLAN_TEE_SEV_ES,
		[POLICY_TEE_SW] = PLAN_TEE_SW,
	};
	struct wire_plan plan = { 0 };

	int err = launch_check(policy, why);
	if (err < 0)
		return err;
	plan.version = le32_of(PLAN_VERSION);
	plan.flags = le32_of(plan_flags(policy));
	memcpy(plan.name, policy->name, sizeof plan.name);
	plan.serial = le64_of(policy->serial);
	memcpy(plan.policy_hash, policy->hash, sizeof plan.policy_hash);
	plan.tee = le32_of(tees[policy->tee.type]);
	plan.vcpus = le32_of((uint32_t)policy->machine.vcpus);
	plan.memory_mib = le64_of(policy->machine.memory_mib);
	plan.cpu_signature = le32_of(policy->machine.cpu_signature);
	if (policy->tee.has_snp)
		plan_snp(&policy->tee.snp, &plan);
	if (policy->tee.has_sev)
		plan_sev(&policy->tee.sev, &plan);
	if (policy->tee.has_tdx)
		plan_tdx(&policy->tee.tdx, &plan);
	plan_boot(policy, &plan);
	plan_devices(policy, &plan);
	plan_host(policy, &plan);
	memcpy(plan.ledger, policy->audit.ledger, sizeof plan.ledger);
	memcpy(plan.ledger_key, policy->audit.key, sizeof plan.ledger_key);
	memcpy(plan.ledger_origin, policy->audit.origin, sizeof plan.ledger_origin);
	err = plan_check_bits(&plan, why);
	if (err < 0) /* what plan_check() would say of a plan, in the policy's words */
		return why_prefix(why, err, "tee of type %s", policy_tee_names[policy->tee.type]);
	err = plan_check(&plan, why);
	if (err == 0)
		*ret = plan;
	return err;
}

const struct policy_key *policy_find_key(const struct policy *policy, const char *id)
{
	for (uint64_t i = 0; i < policy->n_keys; i++)
		if (strcmp(policy->keys[i].id, id) == 0)
			return &policy->keys[i];
	return NULL;
}
