#include "policy/explain.h"

#include <stdio.h>
#include <string.h>

#include "policy/schema.h"

static void hex_print(const uint8_t *bytes, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static void head_print(const struct policy *p, struct wr *w)
{
	char from[SCHEMA_TIME_BYTES], to[SCHEMA_TIME_BYTES];

	wr_printf(w, "policy %s serial %llu  sha256:", p->name, (unsigned long long)p->serial);
	wr_hex(w, p->hash, sizeof p->hash);
	if (p->has_valid) {
		schema_print_time(p->valid.not_before, from);
		schema_print_time(p->valid.not_after, to);
		wr_printf(w, "\nvalid %.10s to %.10s; outside, run refuses it\n", from, to);
	} else {
		wr_str(w, "\nvalid without end\n");
	}
}

static void file_print(const char *what, const struct policy_file *f, struct wr *w)
{
	if (!f->has_sha384) {
		wr_printf(w, "  %s: whatever is at %s\n", what, f->file);
		return;
	}
	wr_printf(w, "  %s: sha384 ", what);
	wr_hex(w, f->sha384, 8);
	wr_printf(w, "... (at %s)\n", f->file);
}

static void boot_print(const struct policy *p, struct wr *w)
{
	wr_printf(w, "It lets one thing run, on %llu vCPU%s%s%s with %llu MiB of memory:\n",
		(unsigned long long)p->machine.vcpus, p->machine.vcpus == 1 ? "" : "s",
		p->machine.cpu_signature != 0 ? " of model " : "",
		p->machine.cpu_signature != 0 ? p->machine.cpu : "",
		(unsigned long long)p->machine.memory_mib);
	if (p->boot.has_firmware)
		file_print("firmware", &p->boot.firmware, w);
	if (p->boot.flash_vars[0] != 0)
		wr_printf(w, "  the firmware's variables: %s, which the guest writes\n",
			p->boot.flash_vars);
	if (!p->boot.has_kernel) {
		wr_str(w, "  whatever the firmware finds on a disk\n");
		return;
	}
	file_print("kernel", &p->boot.kernel, w);
	if (p->boot.has_initrd)
		file_print("initrd", &p->boot.initrd, w);
	wr_printf(w, "  command line: %s\n", p->boot.cmdline[0] != 0 ? p->boot.cmdline : "(empty)");
}

static void digests_print(const struct policy *p, struct wr *w)
{
	for (uint64_t i = 0; i < p->boot.n_launch_digests; i++) {
		wr_str(w, "  launch digest, one of: ");
		wr_hex(w, p->boot.launch_digests[i].sha384, 48);
		wr_str(w, "\n");
	}
}

static void floor_print(const struct policy_snp *s, struct wr *w)
{
	if (s->n_min_tcbs == 0)
		wr_str(w, "  firmware: any, however old\n");
	for (uint64_t i = 0; i < s->n_min_tcbs; i++) {
		const struct policy_min_tcb *row = &s->min_tcbs[i];
		const struct policy_tcb *t = &row->tcb;
		wr_printf(w, "  firmware%s%s at least:", row->has_product ? " of " : "",
			row->has_product ? policy_product_names[row->product] : "");
		if (t->fmc != 0)
			wr_printf(w, " fmc %llu", (unsigned long long)t->fmc);
		wr_printf(w, " bootloader %llu, tee %llu, snp %llu, microcode %llu (%s)\n",
			(unsigned long long)t->bootloader, (unsigned long long)t->tee,
			(unsigned long long)t->snp, (unsigned long long)t->microcode,
			policy_tcb_field_names[s->tcb_field]);
	}
}

static void platform_print(const struct policy_snp *s, struct wr *w)
{
	static const char *const bits[] = { "SMT on", "TSME on", "ECC on", "energy counters off",
		"ciphertext hiding on", "alias check done", "IOMMU writes safe" };

	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		if ((s->platform_require & 1ull << i) != 0)
			wr_printf(w, "  platform: %s\n", bits[i]);
		if ((s->platform_forbid & 1ull << i) != 0)
			wr_printf(w, "  platform: not %s\n", bits[i]);
	}
}

static void snp_print(const struct policy *p, struct wr *w)
{
	const struct policy_snp *s = &p->tee.snp;

	wr_str(w, "It counts as proven only by a report of AMD SEV-SNP that says:\n  processor:");
	for (uint64_t i = 0; i < s->n_products; i++)
		wr_printf(w, "%s %s", i > 0 ? " or" : "", policy_product_names[s->products[i]]);
	if (s->n_chips > 0)
		wr_printf(w, ", one of %llu listed chips\n", (unsigned long long)s->n_chips);
	else
		wr_str(w, ", any chip\n");
	wr_printf(w, "  debugging %s, migration %s, shared cores (SMT) %s\n",
		s->guest_policy.debug ? "ALLOWED" : "off",
		s->guest_policy.migrate_ma ? "ALLOWED" : "off",
		s->guest_policy.smt ? "allowed" : "off");
	floor_print(s, w);
	if (s->min_major != 0 || s->min_minor != 0)
		wr_printf(w, "  firmware version at least %llu.%llu, build %llu\n",
			(unsigned long long)s->min_major, (unsigned long long)s->min_minor,
			(unsigned long long)s->min_build);
	platform_print(s, w);
	wr_str(w, "  host data: the hash of this file\n");
	if (s->has_author_key)
		wr_str(w, "  an ID block signed under the named author key\n");
	if (s->n_id_keys > 0)
		wr_printf(w, "  an ID block signed by one of %llu keys\n",
			(unsigned long long)s->n_id_keys);
	if (s->certs[0] != 0)
		wr_printf(w, "The guest gets the certificates of %s with its reports.\n", s->certs);
}

static void status_print(uint64_t mask, struct wr *w)
{
	const char *between = "";

	for (size_t i = 0; i < POLICY_TDX_STATUS_COUNT; i++) {
		if ((mask & 1ull << i) == 0)
			continue;
		wr_printf(w, "%s%s", between, policy_tdx_status_names[i]);
		between = ", ";
	}
}

static void tdx_print(const struct policy *p, struct wr *w)
{
	const struct policy_tdx *t = &p->tee.tdx;

	wr_str(w, "It counts as proven only by a quote of Intel TDX that says:\n");
	if (t->n_piids > 0)
		wr_printf(w, "  one of %llu listed platforms\n", (unsigned long long)t->n_piids);
	else
		wr_str(w, "  any platform\n");
	wr_printf(w, "  debugging %s, migration %s, shared cores (SMT) %s\n",
		t->debug ? "ALLOWED" : "off",
		t->attributes.migratable == POLICY_FORBID ? "off" : "ALLOWED",
		t->smt == POLICY_FORBID ? "off" : "allowed");
	wr_str(w, "  TCB status: ");
	status_print(t->tcb.accept != 0 ? t->tcb.accept : 1ull << POLICY_TDX_UP_TO_DATE, w);
	if (t->tcb.has_grace) {
		wr_printf(w, "; for %llu days more: ", (unsigned long long)t->tcb.grace.days);
		status_print(t->tcb.grace.status, w);
	}
	wr_str(w, "\n");
	if (t->tcb.n_deny > 0)
		wr_printf(w, "  none of %llu denied advisories is open\n",
			(unsigned long long)t->tcb.n_deny);
	if (t->tcb.min_eval_number > 0)
		wr_printf(w, "  TCB info of evaluation %llu or later\n",
			(unsigned long long)t->tcb.min_eval_number);
	if (t->tcb.has_min_date) {
		char date[SCHEMA_TIME_BYTES];
		schema_print_time(t->tcb.min_date, date);
		wr_printf(w, "  TCB level of %.10s or later\n", date);
	}
	if (t->has_xfam)
		wr_printf(w, "  XFAM 0x%llx\n", (unsigned long long)t->xfam);
	wr_str(w, "  MRCONFIGID: the hash of this file\n");
	for (size_t i = 0; i < ARRAY_LEN(t->rtmr); i++)
		if (t->rtmr[i].n > 0)
			wr_printf(w, "  RTMR %zu: %llu accepted\n", i,
				(unsigned long long)t->rtmr[i].n);
	if (t->quoting[0] != 0)
		wr_printf(w, "Its quotes are signed by the service at %s.\n", t->quoting);
}

static void sev_print(const struct policy *p, struct wr *w)
{
	const struct policy_sev *s = &p->tee.sev;

	wr_printf(w,
		"It counts as proven only by a launch measurement of AMD %s that says:\n"
		"  debugging %s, leaving the machine %s\n"
		"  firmware at least %llu.%llu, build %llu\n",
		p->tee.type == POLICY_TEE_SEV ? "SEV" : "SEV-ES",
		(s->policy & POLICY_SEV_NODBG) != 0 ? "off" : "ALLOWED",
		(s->policy & POLICY_SEV_NOSEND) != 0 ? "off" : "ALLOWED",
		(unsigned long long)s->api_major, (unsigned long long)s->api_minor,
		(unsigned long long)s->build);
	if (s->has_session)
		wr_printf(w, "The launch is in the owner's session %s.\n", s->session.session);
	if (s->has_owner)
		wr_printf(w,
			"Before the guest runs, %s sees the measurement and releases its secret, "
			"within %llu s.\n",
			s->owner.url, (unsigned long long)s->owner.wait_s);
}

static void sw_print(const struct policy *p, struct wr *w)
{
	wr_str(w, "The guest's memory is kept from other processes of the host, but it is NOT "
		  "encrypted, and\nnothing proves any of it: for development.\n");
}

static void none_print(const struct policy *p, struct wr *w)
{
	wr_str(w, "The guest is NOT protected: the host can read and change all of it.\n");
}

static void tee_print(const struct policy *p, struct wr *w)
{
	static void (*const printers[POLICY_TEE_COUNT])(const struct policy *, struct wr *) = {
		[POLICY_TEE_NONE] = none_print,
		[POLICY_TEE_SNP] = snp_print,
		[POLICY_TEE_TDX] = tdx_print,
		[POLICY_TEE_SEV] = sev_print,
		[POLICY_TEE_SEV_ES] = sev_print,
		[POLICY_TEE_SW] = sw_print,
	};
	const struct policy_endorsements *e = &p->tee.endorsements;

	printers[p->tee.type](p, w);
	if (p->tee.has_tpm)
		wr_printf(w, "A quote of its TPM must hold %llu registers%s.\n",
			(unsigned long long)p->tee.tpm.n_pcrs,
			p->tee.tpm.require_event_log ? ", and an event log must explain them" : "");
	if (e->has_max_age)
		wr_printf(w, "The vendors' statements count until %llu days past their date.\n",
			(unsigned long long)e->max_age_days);
	if (e->n_deny_chips > 0 || e->n_deny_digests > 0)
		wr_printf(w, "Refused whatever they prove: %llu machines, %llu launch digests.\n",
			(unsigned long long)e->n_deny_chips, (unsigned long long)e->n_deny_digests);
	if (p->tee.simulated)
		wr_str(w, "SIMULATED evidence is accepted as well: it proves nothing about "
			  "hardware.\n");
}

static void keys_print(const struct policy *p, struct wr *w)
{
	static const char *const rows[] = { "an affirming verdict", "this policy's hash",
		"the firmware floor", "debugging off" };

	for (uint64_t i = 0; i < p->n_keys; i++) {
		const struct policy_key *k = &p->keys[i];
		const char *between = " after";
		wr_printf(w, "Key %s (%s) is released", k->id, k->purpose);
		if (!k->has_release) {
			wr_str(w, " never\n");
			continue;
		}
		for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
			if ((k->release.require & 1ull << j) == 0)
				continue;
			wr_printf(w, "%s %s", between, rows[j]);
			between = ",";
		}
		wr_printf(w, "%s evidence not older than %llu s%s\n",
			k->release.require == 0 ? " after nothing but" : ", with",
			(unsigned long long)k->release.max_age_s,
			k->release.once_per_boot ? ", once per boot" : "");
	}
}

static void devices_print(const struct policy *p, struct wr *w)
{
	static const char *const consoles[POLICY_CONSOLE_COUNT] = { "none", "serial port",
		"virtio console" };

	wr_str(w, "The guest gets:\n");
	for (uint64_t i = 0; i < p->devices.n_disks; i++) {
		const struct policy_disk *d = &p->devices.disks[i];
		bool is_foreign = d->backend != POLICY_BACKEND_CASEMATE;
		wr_printf(w, "  disk %s: %s, %s, integrity %s%s%s%s%s\n", d->id, d->file,
			d->mode == POLICY_RO ? "read only" : "writable",
			policy_integrity_names[d->integrity], d->key[0] != 0 ? ", key " : "",
			d->key, is_foreign ? ", served by " : "",
			is_foreign ? policy_backend_names[d->backend] : "");
	}
	wr_printf(w, "  console: %s%s\n", consoles[p->devices.console],
		p->devices.console != POLICY_CONSOLE_NONE ? ", which the host reads" : "");
	for (uint64_t i = 0; i < p->devices.vsock.n_ports; i++)
		wr_printf(w, "  vsock port %llu, answered by %s\n",
			(unsigned long long)p->devices.vsock.ports[i].port,
			p->devices.vsock.ports[i].socket);
	wr_str(w, "  no network device and no device of the host\n");
}

static const char *label_words(const struct policy *p)
{
	if (p->host.selinux[0] == 0 || strcmp(p->host.selinux, "auto") == 0)
		return "SELinux labels where the host has SELinux";
	if (strcmp(p->host.selinux, "off") == 0)
		return "no SELinux labels";
	return strcmp(p->host.selinux, "required") == 0 ? "SELinux labels, enforced"
							: "SELinux labels, enforced, always with ";
}

static void host_print(const struct policy *p, struct wr *w)
{
	bool is_strict = p->host.confinement == POLICY_CONFINEMENT_STRICT;

	wr_printf(w, "The host confines its processes with %s%s; Landlock %s; ", label_words(p),
		plan_is_range(p->host.selinux) ? p->host.selinux : "",
		p->host.landlock || !p->host.has_landlock ? "must be there" : "where it is");
	wr_str(w, is_strict ? "a host that lacks a wall is refused.\n"
			    : "what else a host lacks is said, and it starts.\n");
	const struct {
		uint64_t value;
		const char *what;
	} limits[] = {
		{ p->host.cpu_percent, "hundredths of a CPU at most" },
		{ p->host.cpu_weight, "of 100 shares of the CPUs" },
		{ p->host.io_weight, "of 100 shares of the disks" },
		{ p->host.overhead_mib, "MiB of the host beside its memory" },
	};
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (limits[i].value != 0)
			wr_printf(w, "  %llu %s\n", (unsigned long long)limits[i].value,
				limits[i].what);
}

static json_t *host_json(const struct policy *p)
{
	bool is_strict = p->host.confinement == POLICY_CONFINEMENT_STRICT;

	return json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:I}", "confinement",
		is_strict ? "strict" : "available", "landlock",
		p->host.landlock || !p->host.has_landlock, "selinux",
		p->host.selinux[0] != 0 ? p->host.selinux : "auto", "cpu_percent",
		(json_int_t)p->host.cpu_percent, "cpu_weight", (json_int_t)p->host.cpu_weight,
		"io_weight", (json_int_t)p->host.io_weight, "overhead_mib",
		(json_int_t)p->host.overhead_mib);
}

void explain_print(const struct policy *p, struct wr *w)
{
	head_print(p, w);
	boot_print(p, w);
	digests_print(p, w);
	tee_print(p, w);
	keys_print(p, w);
	devices_print(p, w);
	host_print(p, w);
	if (p->has_audit)
		wr_printf(w, "Launch, proof, release and end are recorded in %s as %s.\n",
			p->audit.ledger, p->audit.origin);
	if (p->n_waivers > 0)
		wr_printf(w, "%llu lint rule%s waived.\n", (unsigned long long)p->n_waivers,
			p->n_waivers == 1 ? " is" : "s are");
	wr_str(w,
		"Not covered: availability, side channels, faults of the guest's own software.\n");
}

static json_t *file_json(const struct policy_file *f)
{
	char hex[97] = "";

	if (f->has_sha384)
		hex_print(f->sha384, 48, hex);
	return json_pack("{s:s, s:s?}", "file", f->file, "sha384", f->has_sha384 ? hex : NULL);
}

static json_t *keys_json(const struct policy *p)
{
	json_t *list = json_array();

	for (uint64_t i = 0; i < p->n_keys; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:b}", "id", p->keys[i].id,
				      "source", p->keys[i].source, "purpose", p->keys[i].purpose,
				      "released", p->keys[i].has_release, "max_age_s",
				      (json_int_t)p->keys[i].release.max_age_s, "once_per_boot",
				      p->keys[i].release.once_per_boot));
	return list;
}

static json_t *disks_json(const struct policy *p)
{
	json_t *list = json_array();

	for (uint64_t i = 0; i < p->devices.n_disks; i++)
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:b, s:s, s:s}", "id", p->devices.disks[i].id, "file",
				p->devices.disks[i].file, "read_only",
				p->devices.disks[i].mode == POLICY_RO, "integrity",
				policy_integrity_names[p->devices.disks[i].integrity], "backend",
				policy_backend_names[p->devices.disks[i].backend]));
	return list;
}

json_t *explain_json(const struct policy *p)
{
	char hash[65];

	hex_print(p->hash, 32, hash);
	return json_pack(
		"{s:s, s:s, s:I, s:s, s:s, s:b, s:o?, s:o?, s:o?, s:s, s:I, s:I, s:s, s:o, "
		"s:o, s:o}",
		"schema", "casemate/policy-explain/1", "name", p->name, "serial",
		(json_int_t)p->serial, "sha256", hash, "tee", policy_tee_names[p->tee.type],
		"simulated", p->tee.simulated, "firmware",
		p->boot.has_firmware ? file_json(&p->boot.firmware) : NULL, "kernel",
		p->boot.has_kernel ? file_json(&p->boot.kernel) : NULL, "initrd",
		p->boot.has_initrd ? file_json(&p->boot.initrd) : NULL, "cmdline", p->boot.cmdline,
		"vcpus", (json_int_t)p->machine.vcpus, "memory_mib",
		(json_int_t)p->machine.memory_mib, "cpu",
		p->machine.cpu_signature != 0 ? p->machine.cpu : "host", "disks", disks_json(p),
		"keys", keys_json(p), "host", host_json(p));
}

static void field_print(const char *path, const struct field *f, void *owner)
{
	struct wr *w = owner;

	wr_printf(w, "%s\n    ", path);
	if (f->kind == FIELD_LATER || f->kind == FIELD_EMPTY)
		wr_str(w, f->kind == FIELD_LATER ? "Not in this version: "
						 : "Must be an empty list in this version: ");
	wr_printf(w, "%s%s\n", f->doc, (f->flags & FIELD_REQUIRED) != 0 ? " Required." : "");
	if (f->words != NULL && f->words[0] != NULL) {
		wr_str(w, "    One of:");
		for (const char *const *word = f->words; *word != NULL; word++)
			wr_printf(w, " %s", *word);
		wr_str(w, "\n");
	}
	if (f->kind == FIELD_NUMBER)
		wr_printf(w, "    %llu to %llu.\n", (unsigned long long)f->min,
			(unsigned long long)f->max);
}

void explain_print_fields(struct wr *ret)
{
	schema_walk(field_print, ret);
}
