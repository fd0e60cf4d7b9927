#include "attest/cmd_measure.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/eventlog.h"
#include "attest/json_out.h"
#include "base/cpu_model.h"

/* --- what the command line changes ------------------------------------------------------------ */

/* Who launches, and with what, where it is not as the policy says. */
static MUST_USE int inputs_change(
	const struct measure_args *a, struct launch_inputs *in, struct why *why)
{
	unsigned long long n = 0;
	uint64_t features = 0;
	int err = 0;

	if (a->vmm != NULL && digest_vmm_parse(a->vmm, &in->vmm) < 0)
		return why_set(why, -EINVAL,
			"--vmm: want casemate, qemu, ec2, ec2-rdx0, gce, krun or cloud-hypervisor");
	if (in->kind == LAUNCH_SNP_DIRECT && in->vmm != VMM_CASEMATE)
		return why_set(why, -EINVAL,
			"--vmm: the policy names no firmware, and only casemate boots a kernel so");
	if (in->kind == LAUNCH_TDX && in->vmm != VMM_CASEMATE && in->vmm != VMM_QEMU)
		return why_set(why, -EINVAL,
			"--vmm: how %s launches a TD is not known here; want casemate or qemu",
			digest_vmm_name(in->vmm));
	if (a->cpu != NULL && strcmp(a->cpu, "host") == 0)
		in->cpu_signature = 0;
	else if (a->cpu != NULL && cpu_model_parse(a->cpu, &in->cpu_signature) < 0)
		return why_set(why, -EINVAL,
			"--cpu: \"%s\" is neither host nor one of %s, or a version of it", a->cpu,
			CPU_MODEL_NAMES);
	if (a->vcpus_is != NULL) {
		err = opts_parse_u64("--vcpus", a->vcpus_is, 1, LIMIT_DIGEST_VCPUS, &n, why);
		if (err < 0)
			return -EINVAL; /* the command line's fault, whatever it was */
		in->boot.vcpus = (uint32_t)n;
	}
	if (err == 0 && a->features != NULL) {
		err = cmd_parse_word("features", a->features, UINT64_MAX, &features, why);
		in->boot.vmsa_features = in->kind == LAUNCH_SEV_ES ? features : features & ~1ull;
	}
	if (err == 0 && in->vmm == VMM_QEMU && in->cpu_signature == 0 &&
		(in->kind == LAUNCH_SNP || in->kind == LAUNCH_SEV_ES))
		err = why_set(why, -EINVAL,
			"--vmm qemu measures the CPU model: write machine.cpu, or give --cpu");
	return err;
}

/* --- the prediction --------------------------------------------------------------------------- */

static const char rtmr0_why[] =
	"it depends on the firmware's own variables and boot entries and on the "
	"VMM's ACPI tables: take it from an event log that you have reviewed";

/* Is the digest that of a predicted event of this register? */
static bool event_is_predicted(const struct launch *l, unsigned int reg, const uint8_t *digest)
{
	for (size_t i = 0; digest != NULL && i < l->log.n; i++)
		if (l->log.at[i].reg == reg && l->log.at[i].why == NULL &&
			memcmp(l->log.at[i].digest, digest, SHA384_BYTES) == 0)
			return true;
	return false;
}

/* RTMR 0 as a reviewed log has it, and how much of that log is as predicted. */
static MUST_USE int event_log_read(struct launch *l, const char *path, struct why *why)
{
	static struct eventlog_replay replay; /* large; one thread, one call */
	struct measure_register *r = &l->registers[0];
	struct eventlog log;
	struct eventlog_event e;
	size_t n = 0, n_predicted = 0;

	int err = cmd_files_add(&l->event_log, path, LIMIT_EVIDENCE_BYTES, why);
	if (err < 0)
		return err;
	struct attest_blob blob = l->event_log.at[0];
	err = eventlog_replay(blob, TPM_ALG_SHA384, EVENTLOG_CCEL, &replay, why);
	if (err == 0)
		err = eventlog_open(&log, blob, why);
	if (err < 0)
		return why_prefix(why, err, "%s", path);
	if (replay.problem.text[0] != '\0')
		return why_set(why, -EACCES, "%s: %s", path, replay.problem.text);
	while ((err = eventlog_next(&log, &e, why)) == 0) {
		if (e.reg != 1 || e.type == EVENT_NO_ACTION)
			continue;
		n++;
		n_predicted += event_is_predicted(l, 0, eventlog_digest_of(&e, TPM_ALG_SHA384));
	}
	if (err != -ENODATA)
		return why_prefix(why, err, "%s", path);
	(void)snprintf(l->log_when, sizeof l->log_when,
		"as the event log has it; %zu of its %zu events are as predicted, review the "
		"others",
		n_predicted, n);
	r->values =
		(struct launch_values){ .n = 1, .len = SHA384_BYTES, .at[0].when = l->log_when };
	memcpy(r->values.at[0].digest, replay.value[1], SHA384_BYTES);
	return 0;
}

static MUST_USE int registers_predict(struct launch *l)
{
	static const enum launch_kind kinds[] = { LAUNCH_TDX, LAUNCH_TDX_RTMR1, LAUNCH_TDX_RTMR2 };
	struct why why = { 0 };

	(void)why_set(&l->registers[0].why, 0, "%s", rtmr0_why);
	for (unsigned int i = 1; i < 3; i++) {
		struct launch_inputs in = l->in;
		in.kind = kinds[i];
		int err = launch_digest_compute(
			&in, &l->memo, &l->trace, &l->registers[i].values, &l->registers[i].why);
		if (err == -ENOMEM || err == -EIO)
			return err;
	}
	/* Without it the registers are known all the same; the reason stands with them. */
	if (rtmr_events(&l->in, &l->log, &why) < 0)
		(void)why_set(&l->registers[0].why, 0, "%s", why_text(&why, -EBADMSG));
	return 0;
}

static MUST_USE int launch_predict(
	const struct measure_args *a, const char *path, struct launch *l, struct why *why)
{
	char folder[PATH_MAX];
	int err = cmd_folder_of(path, folder, sizeof folder, why);

	if (err == 0)
		err = predict_launch_load(&l->policy, folder, &l->files, &l->in, why);
	if (err == 0)
		err = inputs_change(a, &l->in, why);
	if (err == 0)
		err = launch_digest_compute(&l->in, &l->memo, &l->trace, &l->values, why);
	if (err == 0 && l->in.vmm == VMM_CASEMATE && l->policy.tee.sev.has_owner &&
		l->memo.ovmf.secret_gpa == 0)
		err = why_set(
			why, -EOPNOTSUPP, "this firmware has no place for the owner's secret");
	if (err == 0 && a->event_log != NULL && l->in.kind != LAUNCH_TDX)
		err = why_set(why, -EINVAL, "--event-log is for guests of type tdx");
	if (err == 0 && l->in.kind == LAUNCH_TDX)
		err = registers_predict(l);
	if (err == 0 && a->event_log != NULL)
		err = event_log_read(l, a->event_log, why);
	return err < 0 && err != -EINVAL ? why_prefix(why, err, "%s", path) : err;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void word_json(struct wr *w, const char *name, uint64_t v)
{
	char text[32];

	(void)snprintf(text, sizeof text, "0x%llx", (unsigned long long)v);
	json_text(w, name, text);
}

static void piece_json(const struct measured_piece *p, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "name", p->name);
	if (p->gpa != MEASURED_NO_GPA)
		word_json(w, "gpa", p->gpa);
	if (p->offset != MEASURED_NO_GPA)
		json_number(w, "offset", p->offset);
	json_number(w, "length", p->len);
	json_number(w, "pages", p->n_pages);
	json_text(w, "type", p->type);
	if (p->digest_len > 0)
		json_hex(w, p->digest_len == 32 ? "sha256" : "sha384", p->digest, p->digest_len);
	json_close(w, '}');
}

static void registers_json(const struct launch *l, struct wr *w)
{
	json_open(w, "registers", '[');
	for (unsigned int i = 0; i < ARRAY_LEN(l->registers); i++) {
		const struct measure_register *r = &l->registers[i];
		json_open(w, NULL, '{');
		json_number(w, "rtmr", i);
		json_bool(w, "predicted", r->values.n > 0);
		if (r->values.n == 0)
			json_text(w, "why", r->why.text);
		json_open(w, "values", '[');
		for (size_t k = 0; k < r->values.n; k++) {
			json_open(w, NULL, '{');
			json_hex(w, "sha384", r->values.at[k].digest, SHA384_BYTES);
			json_text(w, "when", r->values.at[k].when);
			json_close(w, '}');
		}
		json_close(w, ']');
		json_close(w, '}');
	}
	json_close(w, ']');
	json_open(w, "events", '[');
	for (size_t i = 0; i < l->log.n; i++) {
		const struct rtmr_event *e = &l->log.at[i];
		json_open(w, NULL, '{');
		json_number(w, "rtmr", e->reg);
		json_text(w, "name", e->name);
		if (e->why == NULL)
			json_hex(w, "sha384", e->digest, sizeof e->digest);
		else
			json_text(w, "not_predicted", e->why);
		json_close(w, '}');
	}
	json_close(w, ']');
}

static void launch_json(const struct launch *l, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "schema", MEASURE_SCHEMA);
	json_text(w, "name", l->policy.name);
	json_number(w, "serial", l->policy.serial);
	json_hex(w, "policy_sha256", l->policy.hash, sizeof l->policy.hash);
	json_text(w, "tee", policy_tee_names[l->policy.tee.type]);
	json_text(w, "boot", l->in.kind == LAUNCH_SNP_DIRECT ? "direct" : "firmware");
	json_hex(w, "launch_digest", l->values.at[0].digest, l->values.len);
	json_open(w, "inputs", '{');
	json_text(w, "cmdline", l->in.boot.cmdline);
	json_number(w, "vcpus", l->in.boot.vcpus);
	json_number(w, "memory_mib", l->in.boot.memory_mib);
	word_json(w, "vmsa_features", l->in.boot.vmsa_features);
	word_json(w, "cpu_signature", l->in.cpu_signature);
	json_text(w, "vmm", digest_vmm_name(l->in.vmm));
	json_close(w, '}');
	json_open(w, "pieces", '[');
	for (size_t i = 0; i < l->trace.n; i++)
		piece_json(&l->trace.at[i], w);
	json_close(w, ']');
	if (l->trace.is_cut)
		json_bool(w, "pieces_cut", true);
	if (l->in.kind == LAUNCH_TDX)
		registers_json(l, w);
	json_close(w, '}');
}

/* --- text ------------------------------------------------------------------------------------- */

static void registers_text(const struct launch *l, struct wr *w)
{
	for (unsigned int i = 0; i < ARRAY_LEN(l->registers); i++) {
		const struct measure_register *r = &l->registers[i];
		if (r->values.n == 0)
			wr_printf(w, "RTMR %u is not predicted: %s\n", i, r->why.text);
		for (size_t k = 0; k < r->values.n; k++) {
			wr_hex(w, r->values.at[k].digest, SHA384_BYTES);
			wr_printf(w, "  RTMR %u%s%s\n", i,
				r->values.at[k].when[0] != '\0' ? ", " : "", r->values.at[k].when);
		}
	}
}

static void log_text(const struct launch *l, struct wr *w)
{
	struct eventlog log;
	struct eventlog_event e;

	if (l->event_log.n == 0 || eventlog_open(&log, l->event_log.at[0], NULL) < 0)
		return;
	wr_printf(w, "\n%-8s %-34s %s\n", "register", "event of the log", "");
	while (eventlog_next(&log, &e, NULL) == 0) {
		if (e.reg < 1 || e.reg > 3 || e.type == EVENT_NO_ACTION)
			continue;
		bool is_predicted =
			event_is_predicted(l, e.reg - 1, eventlog_digest_of(&e, TPM_ALG_SHA384));
		wr_printf(w, "RTMR %-3u %-34s %s\n", e.reg - 1, eventlog_type_name(e.type),
			is_predicted ? "as predicted" : "not predicted");
	}
}

static void events_text(const struct launch *l, struct wr *w)
{
	wr_printf(w, "\n%-8s %-26s %s\n", "register", "event", "SHA-384");
	for (size_t i = 0; i < l->log.n; i++) {
		const struct rtmr_event *e = &l->log.at[i];
		wr_printf(w, "RTMR %-3u %-26s ", e->reg, e->name);
		if (e->why == NULL)
			wr_hex(w, e->digest, sizeof e->digest);
		else
			wr_printf(w, "(not predicted: %s)", e->why);
		wr_str(w, "\n");
	}
}

static void pieces_text(const struct launch *l, struct wr *w)
{
	wr_printf(w, "\n%-18s %-15s %10s %10s %6s %-12s %s\n", "piece", "address", "offset",
		"bytes", "pages", "type", "digest");
	for (size_t i = 0; i < l->trace.n; i++) {
		const struct measured_piece *p = &l->trace.at[i];
		char gpa[24] = "-", offset[24] = "-";
		if (p->gpa != MEASURED_NO_GPA)
			(void)snprintf(gpa, sizeof gpa, "0x%013llx", (unsigned long long)p->gpa);
		if (p->offset != MEASURED_NO_GPA)
			(void)snprintf(
				offset, sizeof offset, "%llu", (unsigned long long)p->offset);
		wr_printf(w, "%-18s %-15s %10s %10llu %6llu %-12s ", p->name, gpa, offset,
			(unsigned long long)p->len, (unsigned long long)p->n_pages, p->type);
		if (p->digest_len > 0)
			wr_hex(w, p->digest, p->digest_len);
		else
			wr_str(w, "(contents are not measured)");
		wr_str(w, "\n");
	}
	if (l->trace.is_cut)
		wr_str(w, "... and more\n");
}

static void launch_text(const struct launch *l, bool explain, struct wr *w)
{
	bool is_tdx = l->in.kind == LAUNCH_TDX;

	wr_hex(w, l->values.at[0].digest, l->values.len);
	wr_str(w, is_tdx ? "  MRTD\n" : "\n");
	if (is_tdx)
		registers_text(l, w);
	if (!explain)
		return;
	pieces_text(l, w);
	if (is_tdx && l->log.n > 0)
		events_text(l, w);
	if (is_tdx)
		log_text(l, w);
	wr_printf(w, "\ncommand line: %s\nvCPUs: %u, memory: %llu MiB, VMSA features: 0x%llx\n",
		l->in.boot.cmdline, l->in.boot.vcpus, (unsigned long long)l->in.boot.memory_mib,
		(unsigned long long)l->in.boot.vmsa_features);
	if (l->in.kind != LAUNCH_SNP_DIRECT)
		wr_printf(w, "CPU signature: 0x%x, as %s launches it\n", l->in.cpu_signature,
			digest_vmm_name(l->in.vmm));
}

/* --- the command ------------------------------------------------------------------------------ */

static MUST_USE int measure_answer(const struct measure_args *a, const struct launch *l,
	struct wr *w, int *ret_status, struct why *why)
{
	bool is_equal = true;
	int err = 0;

	if (a->diff != NULL)
		err = measure_diff(a, l, w, &is_equal, why);
	else if (a->as_json)
		launch_json(l, w);
	else
		launch_text(l, a->explain, w);
	*ret_status = is_equal ? EXIT_YES : EXIT_NO;
	return err;
}

/* A policy that lists other digests than the one its files give is an answer of no. */
static MUST_USE int listed_check(const struct launch *l, struct why *why)
{
	uint64_t n = l->policy.boot.n_launch_digests;

	for (uint64_t i = 0; i < n; i++)
		if (memcmp(l->policy.boot.launch_digests[i].sha384, l->values.at[0].digest,
			    l->values.len) == 0)
			return 0;
	if (n == 0)
		return 0;
	return why_set(why, -EACCES,
		"the policy's boot.launch_digest does not list the digest its files give");
}

static int measure_run(const struct measure_args *a, const char *path, struct launch *l)
{
	struct why why = { 0 };
	struct wr w = { 0 };
	int status = EXIT_YES;

	int err = policy_read(path, &l->policy, &why);
	if (err < 0)
		return cmd_fail(policy_exit_status(err), err, &why);
	err = launch_predict(a, path, l, &why);
	if (err == 0)
		err = cmd_text_open(&w, &why);
	if (err == 0)
		err = measure_answer(a, l, &w, &status, &why);
	if (err < 0)
		status = cmd_fail(err == -EOPNOTSUPP ? EXIT_INPUT
				  : err == -EINVAL   ? EXIT_USAGE
						     : opts_exit_status(err),
			err, &why);
	else
		status = cmd_print(&w, status);
	free(w.buf);
	bool is_policys =
		a->vmm == NULL && a->cpu == NULL && a->vcpus_is == NULL && a->features == NULL;
	if (err == 0 && a->diff == NULL && is_policys && listed_check(l, &why) < 0)
		status = cmd_fail(EXIT_NO, -EACCES, &why);
	return status;
}

int cmd_measure(int argc, char **argv)
{
	static struct launch launch; /* large; one thread, one call */
	struct measure_args a = { 0 };
	const struct opt options[] = {
		{ "explain", OPT_FLAG, &a.explain, NULL, "list every measured piece" },
		{ "vmm", OPT_TEXT, &a.vmm, "VMM",
			"as casemate (if not given), qemu, ec2, ec2-rdx0, gce, krun or "
			"cloud-hypervisor launches it" },
		{ "vcpus", OPT_TEXT, &a.vcpus_is, "N", "so many vCPUs, whatever the policy says" },
		{ "cpu", OPT_TEXT, &a.cpu, "MODEL", "this CPU model (EPYC-Milan), or host" },
		{ "features", OPT_TEXT, &a.features, "HEX", "these SEV_FEATURES" },
		{ "event-log", OPT_TEXT, &a.event_log, "FILE",
			"tdx: take RTMR 0 from this log, and compare its events" },
		{ "diff", OPT_TEXT, &a.diff, "DIGEST|FILE",
			"compare with a digest, a report or quote, or another 'measure --json'" },
		{ "candidate-cmdline", OPT_LIST, &a.cmdlines, "TEXT|@FILE",
			"--diff: try this command line" },
		{ "candidate-kernel", OPT_LIST, &a.kernels, "FILE", "--diff: try this kernel" },
		{ "candidate-initrd", OPT_LIST, &a.initrds, "FILE",
			"--diff: try this initial ramdisk" },
		{ "candidate-firmware", OPT_LIST, &a.firmwares, "FILE",
			"--diff: try this firmware" },
		{ "candidate-vcpus", OPT_LIST, &a.vcpus, "N", "--diff: try this number of vCPUs" },
		{ "candidate-memory", OPT_LIST, &a.memories, "MIB",
			"--diff: try this memory size" },
		{ "json", OPT_FLAG, &a.as_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = {
		"casemate measure POLICY [--explain] [--vmm VMM] [--vcpus N] [--cpu MODEL] "
		"[--diff DIGEST|FILE] [--json]",
		"Predict the launch digest of a policy from the files it names, offline.", options,
		1, 1
	};
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	int status = measure_run(&a, args[0], &launch);
	predict_files_done(&launch.files);
	cmd_files_done(&launch.event_log);
	return status;
}
