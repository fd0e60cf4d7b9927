/* measure --diff: which input of the launch is another one. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cmd_measure.h"
#include "attest/digest_snp.h"
#include "attest/json_out.h"
#include "attest/snp_report.h"
#include "attest/tdx_quote.h"
#include "attest/what_changed.h"
#include "base/cpu_model.h"

#define JSON_MAX (1u << 20) /* a measurement of ours is below 32 KiB */

/* --- the other launch ------------------------------------------------------------------------- */

/* What --diff was given: a digest, and more when it is evidence or a measurement of ours. */
struct other {
	uint8_t digest[SHA384_BYTES];
	bool has_host_data;
	uint8_t host_data[SNP_HOST_DATA_BYTES]; /* of a quote: MRCONFIGID's first half */
	bool has_rtmrs;
	uint8_t rtmr[3][SHA384_BYTES];
	json_t *json; /* NULL: only digests are known */
};

static void other_auto(struct other *o)
{
	json_decref(o->json);
}

static MUST_USE int other_json(
	const struct launch *l, struct attest_blob b, struct other *o, struct why *why)
{
	json_error_t e;
	const char *schema = NULL, *digest = NULL;

	o->json = json_loadb((const char *)b.p, b.len, JSON_REJECT_DUPLICATES, &e);
	if (o->json == NULL)
		return why_set(why, -EBADMSG, "line %d, column %d: %s", e.line, e.column, e.text);
	if (json_unpack(o->json, "{s:s, s:s}", "schema", &schema, "launch_digest", &digest) < 0 ||
		strcmp(schema, MEASURE_SCHEMA) != 0)
		return why_set(why, -EBADMSG, "no measurement of ours (schema %s)", MEASURE_SCHEMA);
	if (opts_parse_hex(digest, o->digest, l->values.len) < 0)
		return why_set(
			why, -EBADMSG, "a measurement of another kind of guest (tee differs)");
	return 0;
}

static MUST_USE int other_report(
	const struct launch *l, struct attest_blob b, struct other *o, struct why *why)
{
	struct snp_report r;
	int err = attest_parse_snp(b, &r, why);

	if (err == 0 && l->policy.tee.type != POLICY_TEE_SNP)
		err = why_set(why, -EBADMSG, "a report of SEV-SNP; the policy is for %s",
			policy_tee_names[l->policy.tee.type]);
	if (err < 0)
		return err;
	memcpy(o->digest, r.measurement, sizeof o->digest);
	memcpy(o->host_data, r.host_data, sizeof o->host_data);
	o->has_host_data = true;
	return 0;
}

static MUST_USE int other_quote(
	const struct launch *l, struct attest_blob b, struct other *o, struct why *why)
{
	struct tdx_quote q;
	int err = tdx_quote_parse(&q, b.p, b.len, why);

	if (err == 0 && l->policy.tee.type != POLICY_TEE_TDX)
		err = why_set(why, -EBADMSG, "a quote of TDX; the policy is for %s",
			policy_tee_names[l->policy.tee.type]);
	if (err < 0)
		return err;
	memcpy(o->digest, q.body.mrtd, sizeof o->digest);
	memcpy(o->host_data, q.body.mrconfigid, sizeof o->host_data);
	memcpy(o->rtmr, q.body.rtmr, sizeof o->rtmr);
	o->has_host_data = o->has_rtmrs = true;
	return 0;
}

/* What the firmware of SEV and SEV-ES attests on request: nonce, then the digest (ABI 2.5). */
#define SEV_REPORT_BYTES  208u
#define SEV_REPORT_DIGEST 16u

static MUST_USE int other_sev(
	const struct launch *l, struct attest_blob b, struct other *o, struct why *why)
{
	if (l->values.len != 32)
		return why_set(why, -EBADMSG, "a report of SEV; the policy is for %s",
			policy_tee_names[l->policy.tee.type]);
	memcpy(o->digest, b.p + SEV_REPORT_DIGEST, 32);
	return 0;
}

static MUST_USE int other_load(
	const struct launch *l, const char *text, struct other *o, struct why *why)
{
	AUTO(cmd_files) struct cmd_files file = { 0 };

	if (opts_parse_hex(text, o->digest, l->values.len) == 0)
		return 0;
	int err = cmd_files_add(&file, text, JSON_MAX, why);
	if (err < 0)
		return why_prefix(why, err, "--diff: neither %zu hexadecimal digits nor a file",
			2 * l->values.len);
	struct attest_blob b = file.at[0];
	enum evidence_kind kind = attest_recognise(b.p, b.len);
	if (kind == EVIDENCE_SNP)
		err = other_report(l, b, o, why);
	else if (kind == EVIDENCE_TDX)
		err = other_quote(l, b, o, why);
	else if (b.len > 0 && b.p[0] == '{')
		err = other_json(l, b, o, why);
	else if (b.len == SEV_REPORT_BYTES)
		err = other_sev(l, b, o, why);
	else
		err = why_set(why, -EBADMSG,
			"neither a report, a quote nor the output of 'measure --json'");
	return err < 0 ? why_prefix(why, err, "%s", text) : 0;
}

/* --- naming the difference -------------------------------------------------------------------- */

struct answer {
	bool is_equal;
	bool is_first;   /* the next detail is the first of its digest */
	uint32_t inputs; /* 1 << enum changed_input */
	char detail[LIMIT_CMDLINE_BYTES * 2 + 512];
};

static void text_add(struct answer *a, const char *fmt, ...) PRINTF(2, 3);
static void detail_add(struct answer *a, const char *fmt, ...) PRINTF(2, 3);

static void PRINTF(2, 0) text_put(struct answer *a, const char *fmt, va_list ap)
{
	size_t len = strlen(a->detail);

	(void)vsnprintf(a->detail + len, sizeof a->detail - len, fmt, ap);
}

static void text_add(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_put(a, fmt, ap);
	va_end(ap);
}

/* What differs, one behind another. */
static void detail_add(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	if (!a->is_first)
		text_add(a, ", ");
	a->is_first = false;
	va_start(ap, fmt);
	text_put(a, fmt, ap);
	va_end(ap);
}

/* "number of vCPUs differs (4, the policy says 2)" ... */
static void differs(struct answer *a, enum changed_input input, const char *detail)
{
	a->inputs |= 1u << input;
	detail_add(a, "%s differs%s%s%s", changed_input_name(input), detail[0] != '\0' ? " (" : "",
		detail, detail[0] != '\0' ? ")" : "");
}

static void number_compare(struct answer *a, enum changed_input input, uint64_t own, uint64_t is)
{
	char text[96];

	if (own == is)
		return;
	(void)snprintf(text, sizeof text,
		input == CHANGED_FEATURES ? "0x%llx, this launch has 0x%llx"
					  : "%llu, this launch has %llu",
		(unsigned long long)is, (unsigned long long)own);
	differs(a, input, text);
}

static void cmdline_compare(struct answer *a, const char *own, const char *is)
{
	char text[LIMIT_CMDLINE_BYTES * 2];

	if (strcmp(own, is) == 0)
		return;
	changed_words(own, is, text, sizeof text);
	differs(a, CHANGED_CMDLINE, text);
}

/* "EPYC-Milan", "host", or the signature where no model has it. */
static const char *cpu_name(uint32_t signature, char text[16])
{
	uint32_t s = 0;

	if (signature == 0)
		return "host";
	for (unsigned int i = 0; cpu_model_at(i) != NULL; i++)
		if (cpu_model_parse(cpu_model_at(i), &s) == 0 && s == signature)
			return cpu_model_at(i);
	(void)snprintf(text, 16, "0x%x", signature);
	return text;
}

static void cpu_compare(struct answer *a, uint32_t own, uint32_t is)
{
	char text[96], one[16], two[16];

	if (own == is)
		return;
	(void)snprintf(
		text, sizeof text, "%s, this launch has %s", cpu_name(is, one), cpu_name(own, two));
	differs(a, CHANGED_CPU, text);
}

static void vmm_compare(
	struct answer *a, const struct launch_inputs *own, const struct launch_inputs *is)
{
	char text[96];

	if (own->is_two_pass != is->is_two_pass)
		differs(a, CHANGED_VMM, "one that adds whole sections before it extends them");
	if (own->vmm == is->vmm)
		return;
	(void)snprintf(text, sizeof text, "%s, this launch is of %s", digest_vmm_name(is->vmm),
		digest_vmm_name(own->vmm));
	differs(a, CHANGED_VMM, text);
}

static const json_t *other_piece(const json_t *json, const char *name)
{
	const json_t *pieces = json_object_get(json, "pieces");

	for (size_t i = 0; i < json_array_size(pieces); i++) {
		const json_t *p = json_array_get(pieces, i);
		const char *is = json_string_value(json_object_get(p, "name"));
		if (is != NULL && strcmp(is, name) == 0)
			return p;
	}
	return NULL;
}

/* "agrees", or the piece is missing on one side or has another digest. */
static bool piece_agrees(const struct launch *l, const json_t *json, const char *name)
{
	const struct measured_piece *own = measured_find(&l->trace, name);
	const json_t *is = other_piece(json, name);
	uint8_t digest[SHA384_BYTES];

	if (own == NULL || is == NULL)
		return own == NULL && is == NULL;
	const char *hex =
		json_string_value(json_object_get(is, own->digest_len == 32 ? "sha256" : "sha384"));
	if (own->digest_len == 0 || hex == NULL)
		return own->digest_len == 0 && hex == NULL;
	return opts_parse_hex(hex, digest, own->digest_len) == 0 &&
	       memcmp(own->digest, digest, own->digest_len) == 0;
}

static uint64_t json_word(const json_t *in, const char *key)
{
	const char *text = json_string_value(json_object_get(in, key));

	return text == NULL ? 0 : strtoull(text, NULL, 0);
}

/* Both sides list their inputs: compare them one by one. */
static void json_compare(const struct launch *l, const json_t *json, struct answer *a)
{
	static const struct {
		enum changed_input input;
		const char *piece;
	} pieces[] = {
		{ CHANGED_FIRMWARE, "firmware" },
		{ CHANGED_FIRMWARE, "boot-firmware" },
		{ CHANGED_KERNEL, "kernel" },
		{ CHANGED_INITRD, "initrd" },
	};
	const json_t *in = json_object_get(json, "inputs");
	const char *cmdline = json_string_value(json_object_get(in, "cmdline"));
	const char *vmm = json_string_value(json_object_get(in, "vmm"));
	struct launch_inputs is = { .vmm = VMM_CASEMATE, .is_two_pass = l->in.is_two_pass };

	if (vmm != NULL && digest_vmm_parse(vmm, &is.vmm) < 0)
		is.vmm = VMM_COUNT;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		if (!piece_agrees(l, json, pieces[i].piece))
			differs(a, pieces[i].input, "");
	cmdline_compare(a, l->in.boot.cmdline, cmdline == NULL ? "" : cmdline);
	number_compare(a, CHANGED_VCPUS, l->in.boot.vcpus,
		(uint64_t)json_integer_value(json_object_get(in, "vcpus")));
	number_compare(a, CHANGED_MEMORY, l->in.boot.memory_mib,
		(uint64_t)json_integer_value(json_object_get(in, "memory_mib")));
	number_compare(
		a, CHANGED_FEATURES, l->in.boot.vmsa_features, json_word(in, "vmsa_features"));
	cpu_compare(a, l->in.cpu_signature, (uint32_t)json_word(in, "cpu_signature"));
	vmm_compare(a, &l->in, &is);
	/* The setup header is the one measured part of the kernel file outside its piece. */
	if (a->inputs == 0 && !piece_agrees(l, json, "boot-parameters"))
		differs(a, CHANGED_KERNEL, "its setup header");
}

static void found_compare(const struct launch *l, const struct changed *c, struct answer *a)
{
	static const struct {
		enum changed_input input;
		const char *text;
	} files[] = {
		{ CHANGED_FIRMWARE, "it is one of --candidate-firmware" },
		{ CHANGED_KERNEL, "it is one of --candidate-kernel" },
		{ CHANGED_INITRD, "it is one of --candidate-initrd" },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if ((c->inputs & 1u << files[i].input) != 0)
			differs(a, files[i].input, files[i].text);
	cmdline_compare(a, l->in.boot.cmdline, c->in.boot.cmdline);
	number_compare(a, CHANGED_VCPUS, l->in.boot.vcpus, c->in.boot.vcpus);
	number_compare(a, CHANGED_MEMORY, l->in.boot.memory_mib, c->in.boot.memory_mib);
	number_compare(a, CHANGED_FEATURES, l->in.boot.vmsa_features, c->in.boot.vmsa_features);
	cpu_compare(a, l->in.cpu_signature, c->in.cpu_signature);
	vmm_compare(a, &l->in, &c->in);
}

/* "kernel and initrd agree", of the three inputs people think of first. */
static void agreeing_print(const struct launch *l, uint32_t changed, char *ret, size_t size)
{
	bool has_kernel = l->in.boot.kernel != NULL;
	const enum changed_input main_inputs[] = { CHANGED_KERNEL, CHANGED_INITRD,
		CHANGED_CMDLINE };
	const char *names[ARRAY_LEN(main_inputs)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(main_inputs); i++)
		if (has_kernel && (changed & 1u << main_inputs[i]) == 0)
			names[n++] = changed_input_name(main_inputs[i]);
	ret[0] = '\0';
	if (n == 1)
		(void)snprintf(ret, size, "; %s agrees", names[0]);
	else if (n == 2)
		(void)snprintf(ret, size, "; %s and %s agree", names[0], names[1]);
	else if (n == 3)
		(void)snprintf(ret, size, "; %s, %s and %s agree", names[0], names[1], names[2]);
}

/* --- candidates ------------------------------------------------------------------------------- */

struct candidate_files {
	size_t n;
	struct predict_image at[3 * CHANGED_CANDIDATES];
	struct cmd_files texts;
};

static void candidate_files_auto(struct candidate_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		predict_image_done(&f->at[i]);
	cmd_files_done(&f->texts);
}

static MUST_USE int candidate_image(struct candidate_files *f, const char *path, size_t max,
	struct predict_image *ret, struct why *why)
{
	if (f->n == ARRAY_LEN(f->at))
		return why_set(why, -EMSGSIZE, "more than %zu candidate files", f->n);
	int err = predict_image_load(path, max, &f->at[f->n], why);
	if (err < 0)
		return err;
	*ret = f->at[f->n++];
	return 0;
}

/* TEXT, or @FILE without its last newline. */
static MUST_USE int candidate_cmdline(
	struct candidate_files *f, const char *text, const char **ret, struct why *why)
{
	*ret = text;
	if (text[0] != '@')
		return 0;
	int err = cmd_files_add(&f->texts, text + 1, LIMIT_CMDLINE_BYTES, why);
	if (err < 0)
		return err;
	struct attest_blob b = f->texts.at[f->texts.n - 1];
	char *line = (char *)(uintptr_t)b.p; /* ours, and zero-terminated by fd_read_path() */
	line[strcspn(line, "\n")] = '\0';
	*ret = line;
	return 0;
}

static MUST_USE int images_load(const struct measure_args *a, struct candidate_files *f,
	struct changed_candidates *c, struct why *why)
{
	struct predict_image image = { 0 };
	int err = 0;

	for (size_t i = 0; i < a->kernels.n && err == 0; i++) {
		err = candidate_image(f, a->kernels.at[i], LIMIT_KERNEL_BYTES, &image, why);
		c->kernels[i].p = image.p, c->kernels[i].len = image.len;
	}
	for (size_t i = 0; i < a->initrds.n && err == 0; i++) {
		err = candidate_image(f, a->initrds.at[i], LIMIT_INITRD_BYTES, &image, why);
		c->initrds[i].p = image.p, c->initrds[i].len = image.len;
	}
	for (size_t i = 0; i < a->firmwares.n && err == 0; i++) {
		err = candidate_image(f, a->firmwares.at[i], LIMIT_FIRMWARE_BYTES, &image, why);
		c->firmwares[i].p = image.p, c->firmwares[i].len = image.len;
	}
	c->n_firmwares = a->firmwares.n;
	c->n_kernels = a->kernels.n;
	c->n_initrds = a->initrds.n;
	return err;
}

static MUST_USE int candidates_load(const struct measure_args *a, struct candidate_files *f,
	struct changed_candidates *c, struct why *why)
{
	unsigned long long n = 0;
	int err = images_load(a, f, c, why);

	for (size_t i = 0; i < a->cmdlines.n && err == 0; i++)
		err = candidate_cmdline(f, a->cmdlines.at[i], &c->cmdlines[i], why);
	for (size_t i = 0; i < a->vcpus.n && err == 0; i++) {
		err = opts_parse_u64(
			"--candidate-vcpus", a->vcpus.at[i], 1, LIMIT_DIGEST_VCPUS, &n, why);
		c->vcpus[i] = (uint32_t)n;
	}
	for (size_t i = 0; i < a->memories.n && err == 0; i++) {
		err = opts_parse_u64("--candidate-memory", a->memories.at[i], LIMIT_MEMORY_MIB_MIN,
			LIMIT_MEMORY_MIB_MAX, &n, why);
		c->memories_mib[i] = n;
	}
	c->n_cmdlines = a->cmdlines.n;
	c->n_vcpus = a->vcpus.n;
	c->n_memories = a->memories.n;
	return err;
}

/* --- diff ------------------------------------------------------------------------------------- */

static MUST_USE int digest_search(const struct measure_args *args, const struct launch *l,
	enum launch_kind kind, const uint8_t *digest, struct answer *a, struct why *why)
{
	AUTO(candidate_files) struct candidate_files files = { 0 };
	static struct changed_candidates candidates; /* large; one thread, one call at a time */
	static struct changed changed;
	struct launch_inputs base = l->in;

	base.kind = kind;
	candidates = (struct changed_candidates){ 0 };
	int err = candidates_load(args, &files, &candidates, why);
	if (err == 0)
		err = what_changed(&base, digest, &candidates, &changed, why);
	if (err < 0)
		return err;
	if (changed.is_found)
		found_compare(l, &changed, a);
	else
		detail_add(a,
			"none of %u other launches tried gives it: it is another %s, "
			"or several inputs at once; offer what you suspect with "
			"--candidate-cmdline, "
			"--candidate-kernel, --candidate-initrd%s",
			changed.n_tried,
			changed_input_matters(CHANGED_CMDLINE, kind)
				? (changed_input_matters(CHANGED_FIRMWARE, kind)
						  ? "firmware, kernel or initrd, a command line "
						    "not guessed"
						  : "kernel or initrd, a command line not guessed")
			: changed_input_matters(CHANGED_KERNEL, kind) ? "kernel"
								      : "firmware",
			changed_input_matters(CHANGED_FIRMWARE, kind) ? ", --candidate-firmware"
								      : "");
	return 0;
}

static bool is_predicted(const struct launch_values *v, const uint8_t *digest)
{
	for (size_t i = 0; i < v->n; i++)
		if (memcmp(v->at[i].digest, digest, v->len) == 0)
			return true;
	return false;
}

/* One digest of the other launch: "MRTD agrees", "RTMR 1 differs: kernel differs". */
static MUST_USE int one_compare(const struct measure_args *args, const struct launch *l,
	enum launch_kind kind, const struct launch_values *own, const uint8_t *is, struct answer *a,
	struct why *why)
{
	bool is_equal = is_predicted(own, is);

	a->is_equal = a->is_equal && is_equal;
	text_add(a, "%s%s %s", a->detail[0] != '\0' ? "; " : "", launch_kind_title(kind),
		is_equal ? "agrees" : "differs: ");
	a->is_first = true;
	return is_equal ? 0 : digest_search(args, l, kind, is, a, why);
}

static MUST_USE int registers_compare(const struct measure_args *args, const struct launch *l,
	const struct other *o, struct answer *a, struct why *why)
{
	int err = 0;

	for (unsigned int i = 1; i < 3 && err == 0; i++)
		if (l->registers[i].values.n > 0)
			err = one_compare(args, l, i == 1 ? LAUNCH_TDX_RTMR1 : LAUNCH_TDX_RTMR2,
				&l->registers[i].values, o->rtmr[i], a, why);
		else
			text_add(a, "; RTMR %u is not predicted", i);
	if (l->registers[0].values.n == 0)
		text_add(a, "; RTMR 0 is not predicted");
	else if (err == 0 && is_predicted(&l->registers[0].values, o->rtmr[0]))
		text_add(a, "; RTMR 0 is that of the event log");
	else if (err == 0) {
		a->is_equal = false;
		text_add(a, "; RTMR 0 is not that of the event log");
	}
	return err;
}

/* A register's first value of another measurement of ours; false: it predicts none. */
static bool json_register(const json_t *json, unsigned int i, uint8_t ret[SHA384_BYTES])
{
	const json_t *row = json_array_get(json_object_get(json, "registers"), i);
	const json_t *value = json_array_get(json_object_get(row, "values"), 0);
	const char *hex = json_string_value(json_object_get(value, "sha384"));

	return hex != NULL && opts_parse_hex(hex, ret, SHA384_BYTES) == 0;
}

/* A TD's MRTD is its firmware's alone: kernel, ramdisk and command line are in the registers. */
static void json_registers_compare(const struct launch *l, const json_t *json, struct answer *a)
{
	bool is_equal = true;

	for (unsigned int i = 0; i < ARRAY_LEN(l->registers); i++) {
		const struct launch_values *own = &l->registers[i].values;
		uint8_t digest[SHA384_BYTES] = { 0 };
		bool is_there = json_register(json, i, digest);
		bool is_told = i == 0 ? own->n > 0 && is_there : own->n > 0 || is_there;
		bool agrees = is_there && is_predicted(own, digest);
		is_equal = is_equal && (agrees || !is_told);
		text_add(a, "; RTMR %u %s", i,
			!is_told ? "is not predicted"
			: agrees ? "agrees"
				 : "differs");
	}
	if (is_equal)
		return;
	if (a->is_equal) { /* else json_compare() has named it */
		text_add(a, ": ");
		a->is_first = true;
		json_compare(l, json, a);
	}
	a->is_equal = false;
}

/* Whose launch is it: the policy's hash goes into host data, and of a TD into MRCONFIGID. */
static bool policy_compare(const struct launch *l, const struct other *o, struct answer *a)
{
	static const uint8_t none[sizeof o->host_data];
	const char *where =
		o->has_rtmrs ? "the quote's MRCONFIGID names" : "the report's host data name";

	if (!o->has_host_data || memcmp(o->host_data, l->policy.hash, sizeof o->host_data) == 0)
		return true;
	a->is_equal = false;
	text_add(a, "; %s %s", where,
		memcmp(o->host_data, none, sizeof none) == 0 ? "no policy" : "another policy");
	return false;
}

static void answer_json(const struct launch *l, const struct other *o, const struct answer *a,
	bool is_policys, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "schema", MEASURE_SCHEMA_DIFF);
	json_bool(w, "equal", a->is_equal);
	json_hex(w, "expected", l->values.at[0].digest, l->values.len);
	json_hex(w, "actual", o->digest, l->values.len);
	json_open(w, "changed", '[');
	for (enum changed_input i = 0; i < CHANGED_INPUT_COUNT; i++)
		if ((a->inputs & 1u << i) != 0)
			json_text(w, NULL, changed_input_key(i));
	if (!is_policys)
		json_text(w, NULL, "policy");
	json_close(w, ']');
	json_text(w, "why", a->detail);
	json_close(w, '}');
}

int measure_diff(const struct measure_args *args, const struct launch *l, struct wr *w,
	bool *ret_equal, struct why *why)
{
	AUTO(other) struct other o = { 0 };
	static struct answer a; /* large; one thread, one call */
	char agree[128];

	int err = other_load(l, args->diff, &o, why);
	if (err < 0)
		return err;
	a.is_equal = true;
	if (o.json != NULL && !is_predicted(&l->values, o.digest)) {
		a.is_equal = false;
		text_add(&a, "%s differs: ", launch_kind_title(l->in.kind));
		a.is_first = true;
		json_compare(l, o.json, &a);
	} else {
		err = one_compare(args, l, l->in.kind, &l->values, o.digest, &a, why);
	}
	if (err == 0 && o.json != NULL && l->in.kind == LAUNCH_TDX)
		json_registers_compare(l, o.json, &a);
	if (err == 0 && o.has_rtmrs)
		err = registers_compare(args, l, &o, &a, why);
	if (err < 0)
		return err;
	agreeing_print(l, a.inputs, agree, sizeof agree);
	if (a.inputs != 0)
		text_add(&a, "%s", agree);
	bool is_policys = policy_compare(l, &o, &a);
	if (args->as_json)
		answer_json(l, &o, &a, is_policys, w);
	else
		wr_printf(w, "%s\n", a.detail);
	*ret_equal = a.is_equal;
	return 0;
}
