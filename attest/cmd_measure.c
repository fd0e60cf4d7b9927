#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cmd.h"
#include "attest/digest_snp.h"
#include "attest/json_out.h"
#include "attest/predict.h"
#include "attest/snp_report.h"
#include "attest/what_changed.h"
#include "policy/policy.h"

#define SCHEMA      "casemate.attest.measure/1"
#define SCHEMA_DIFF "casemate.attest.diff/1"
#define JSON_MAX    (1u << 20) /* a measurement of ours is below 8 KiB */

struct args {
	const char *diff;
	struct opt_list kernels, initrds, cmdlines, vcpus, memories;
	bool as_json, explain;
};

/* The launch the policy describes. Large: static in cmd_measure(). */
struct launch {
	struct policy policy;
	struct predict_files files;
	struct boot_inputs in;
	struct boot_digest digest;
};

/* --- the prediction --------------------------------------------------------------------------- */

static MUST_USE int launch_predict(const char *path, struct launch *l, struct why *why)
{
	char folder[PATH_MAX];
	int err = cmd_folder_of(path, folder, sizeof folder, why);

	if (err == 0)
		err = predict_files_load(&l->policy, folder, &l->files, &l->in, why);
	if (err == 0)
		err = boot_digest_compute(&l->in, &l->digest, why);
	if (err == 0)
		err = predict_check_initrd(&l->policy, &l->digest, why);
	return err < 0 ? why_prefix(why, err, "%s", path) : 0;
}

static void word_json(struct wr *w, const char *name, uint64_t v)
{
	char text[32];

	(void)snprintf(text, sizeof text, "0x%llx", (unsigned long long)v);
	json_text(w, name, text);
}

static void piece_json(const struct boot_digest_piece *p, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "name", p->name);
	word_json(w, "gpa", p->gpa);
	json_number(w, "length", p->len);
	json_number(w, "pages", p->n_pages);
	json_text(w, "type", snp_page_type_name(p->page_type));
	if (p->page_type == SNP_PAGE_NORMAL || p->page_type == SNP_PAGE_VMSA)
		json_hex(w, "sha384", p->sha384, sizeof p->sha384);
	json_close(w, '}');
}

static void launch_json(const struct launch *l, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "schema", SCHEMA);
	json_text(w, "name", l->policy.name);
	json_number(w, "serial", l->policy.serial);
	json_hex(w, "policy_sha256", l->policy.hash, sizeof l->policy.hash);
	json_text(w, "tee", "snp");
	json_hex(w, "launch_digest", l->digest.digest, SHA384_BYTES);
	json_open(w, "inputs", '{');
	json_text(w, "cmdline", l->in.cmdline);
	json_number(w, "vcpus", l->in.vcpus);
	json_number(w, "memory_mib", l->in.memory_mib);
	word_json(w, "vmsa_features", l->in.vmsa_features);
	json_close(w, '}');
	json_open(w, "pieces", '[');
	for (size_t i = 0; i < l->digest.n_pieces; i++)
		piece_json(&l->digest.pieces[i], w);
	json_close(w, ']');
	json_close(w, '}');
}

static void launch_text(const struct launch *l, bool explain, struct wr *w)
{
	wr_hex(w, l->digest.digest, SHA384_BYTES);
	wr_str(w, "\n");
	if (!explain)
		return;
	wr_printf(w, "\n%-16s %-15s %11s %6s %-8s %s\n", "piece", "address", "bytes", "pages",
		"type", "SHA-384");
	for (size_t i = 0; i < l->digest.n_pieces; i++) {
		const struct boot_digest_piece *p = &l->digest.pieces[i];
		wr_printf(w, "%-16s 0x%013llx %11llu %6u %-8s ", p->name,
			(unsigned long long)p->gpa, (unsigned long long)p->len, p->n_pages,
			snp_page_type_name(p->page_type));
		if (p->page_type == SNP_PAGE_NORMAL || p->page_type == SNP_PAGE_VMSA)
			wr_hex(w, p->sha384, sizeof p->sha384);
		else
			wr_str(w, "(contents are not measured)");
		wr_str(w, "\n");
	}
	wr_printf(w, "\ncommand line: %s\nvCPUs: %u, memory: %llu MiB, VMSA features: 0x%llx\n",
		l->in.cmdline, l->in.vcpus, (unsigned long long)l->in.memory_mib,
		(unsigned long long)l->in.vmsa_features);
}

/* --- the other launch ------------------------------------------------------------------------- */

/* What --diff was given: a digest, and more when it is a measurement of ours. */
struct other {
	uint8_t digest[SHA384_BYTES];
	bool has_host_data;
	uint8_t host_data[SNP_HOST_DATA_BYTES];
	json_t *json; /* NULL: only the digest is known */
};

static void other_auto(struct other *o)
{
	json_decref(o->json);
}

static MUST_USE int other_json(struct attest_blob b, struct other *o, struct why *why)
{
	json_error_t e;
	const char *schema = NULL, *digest = NULL;

	o->json = json_loadb((const char *)b.p, b.len, JSON_REJECT_DUPLICATES, &e);
	if (o->json == NULL)
		return why_set(why, -EBADMSG, "line %d, column %d: %s", e.line, e.column, e.text);
	if (json_unpack(o->json, "{s:s, s:s}", "schema", &schema, "launch_digest", &digest) < 0 ||
		strcmp(schema, SCHEMA) != 0 || opts_parse_hex(digest, o->digest, SHA384_BYTES) < 0)
		return why_set(why, -EBADMSG, "no measurement of ours (schema %s)", SCHEMA);
	return 0;
}

static MUST_USE int other_report(struct attest_blob b, struct other *o, struct why *why)
{
	struct snp_report r;
	int err = attest_parse_snp(b, &r, why);

	if (err < 0)
		return err;
	memcpy(o->digest, r.measurement, sizeof o->digest);
	memcpy(o->host_data, r.host_data, sizeof o->host_data);
	o->has_host_data = true;
	return 0;
}

static MUST_USE int other_load(const char *text, struct other *o, struct why *why)
{
	AUTO(cmd_files) struct cmd_files file = { 0 };

	if (opts_parse_hex(text, o->digest, SHA384_BYTES) == 0)
		return 0;
	int err = cmd_files_add(&file, text, JSON_MAX, why);
	if (err < 0)
		return why_prefix(why, err, "--diff: neither 96 hexadecimal digits nor a file");
	struct attest_blob b = file.at[0];
	if (attest_recognise(b.p, b.len) == EVIDENCE_SNP)
		err = other_report(b, o, why);
	else if (b.len > 0 && b.p[0] == '{')
		err = other_json(b, o, why);
	else
		err = why_set(why, -EBADMSG, "neither a report nor the output of 'measure --json'");
	return err < 0 ? why_prefix(why, err, "%s", text) : 0;
}

/* --- naming the difference -------------------------------------------------------------------- */

struct answer {
	bool is_equal;
	uint32_t inputs; /* 1 << enum changed_input */
	char detail[LIMIT_CMDLINE_BYTES * 2 + 256];
};

static void detail_add(struct answer *a, const char *fmt, ...) PRINTF(2, 3);

static void detail_add(struct answer *a, const char *fmt, ...)
{
	size_t len = strlen(a->detail);
	va_list ap;

	if (len > 0)
		len += (size_t)snprintf(a->detail + len, sizeof a->detail - len, ", ");
	if (len >= sizeof a->detail)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(a->detail + len, sizeof a->detail - len, fmt, ap);
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
		input == CHANGED_FEATURES ? "0x%llx, the policy says 0x%llx"
					  : "%llu, the policy says %llu",
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

static const char *other_piece_sha384(const json_t *json, const char *name)
{
	const json_t *pieces = json_object_get(json, "pieces");

	for (size_t i = 0; i < json_array_size(pieces); i++) {
		const json_t *p = json_array_get(pieces, i);
		const char *is = json_string_value(json_object_get(p, "name"));
		if (is != NULL && strcmp(is, name) == 0)
			return json_string_value(json_object_get(p, "sha384"));
	}
	return NULL;
}

/* "agrees", or the piece is missing on one side or has another digest. */
static bool piece_agrees(const struct launch *l, const json_t *json, const char *name)
{
	const struct boot_digest_piece *own = boot_digest_find(&l->digest, name);
	const char *is = other_piece_sha384(json, name);
	uint8_t digest[SHA384_BYTES];

	if (own == NULL || is == NULL)
		return own == NULL && is == NULL;
	return opts_parse_hex(is, digest, sizeof digest) == 0 &&
	       memcmp(own->sha384, digest, sizeof digest) == 0;
}

/* Both sides list their inputs: compare them one by one. */
static void json_compare(const struct launch *l, const json_t *json, struct answer *a)
{
	const json_t *in = json_object_get(json, "inputs");
	const char *cmdline = json_string_value(json_object_get(in, "cmdline"));
	const char *features = json_string_value(json_object_get(in, "vmsa_features"));

	if (!piece_agrees(l, json, "kernel"))
		differs(a, CHANGED_KERNEL, "");
	if (!piece_agrees(l, json, "initrd"))
		differs(a, CHANGED_INITRD, "");
	cmdline_compare(a, l->in.cmdline, cmdline == NULL ? "" : cmdline);
	number_compare(a, CHANGED_VCPUS, l->in.vcpus,
		(uint64_t)json_integer_value(json_object_get(in, "vcpus")));
	number_compare(a, CHANGED_MEMORY, l->in.memory_mib,
		(uint64_t)json_integer_value(json_object_get(in, "memory_mib")));
	number_compare(a, CHANGED_FEATURES, l->in.vmsa_features,
		features == NULL ? 0 : strtoull(features, NULL, 0));
	/* The setup header is the one measured part of the kernel file outside its piece. */
	if (a->inputs == 0 && !piece_agrees(l, json, "boot-parameters"))
		differs(a, CHANGED_KERNEL, "its setup header");
}

static void found_compare(const struct launch *l, const struct changed *c, struct answer *a)
{
	if ((c->inputs & 1u << CHANGED_KERNEL) != 0)
		differs(a, CHANGED_KERNEL, "it is one of --candidate-kernel");
	if ((c->inputs & 1u << CHANGED_INITRD) != 0)
		differs(a, CHANGED_INITRD, "it is one of --candidate-initrd");
	cmdline_compare(a, l->in.cmdline, c->in.cmdline);
	number_compare(a, CHANGED_VCPUS, l->in.vcpus, c->in.vcpus);
	number_compare(a, CHANGED_MEMORY, l->in.memory_mib, c->in.memory_mib);
	number_compare(a, CHANGED_FEATURES, l->in.vmsa_features, c->in.vmsa_features);
}

/* "kernel and initrd agree", of the three inputs people think of first. */
static void agreeing_print(uint32_t changed, char *ret, size_t size)
{
	const enum changed_input main_inputs[] = { CHANGED_KERNEL, CHANGED_INITRD,
		CHANGED_CMDLINE };
	const char *names[ARRAY_LEN(main_inputs)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(main_inputs); i++)
		if ((changed & 1u << main_inputs[i]) == 0)
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
	struct predict_image at[2 * CHANGED_CANDIDATES];
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

static MUST_USE int images_load(const struct args *a, struct candidate_files *f,
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
	c->n_kernels = a->kernels.n;
	c->n_initrds = a->initrds.n;
	return err;
}

static MUST_USE int candidates_load(const struct args *a, struct candidate_files *f,
	struct changed_candidates *c, struct why *why)
{
	unsigned long long n = 0;
	int err = images_load(a, f, c, why);

	for (size_t i = 0; i < a->cmdlines.n && err == 0; i++)
		err = candidate_cmdline(f, a->cmdlines.at[i], &c->cmdlines[i], why);
	for (size_t i = 0; i < a->vcpus.n && err == 0; i++) {
		err = opts_parse_u64("--candidate-vcpus", a->vcpus.at[i], 1, LIMIT_VCPUS, &n, why);
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

static MUST_USE int digest_search(const struct args *args, const struct launch *l,
	const struct other *o, struct answer *a, struct why *why)
{
	AUTO(candidate_files) struct candidate_files files = { 0 };
	static struct changed_candidates candidates; /* large; one thread, one call */
	struct changed changed;

	int err = candidates_load(args, &files, &candidates, why);
	if (err == 0)
		err = what_changed(&l->in, o->digest, &candidates, &changed, why);
	if (err < 0)
		return err;
	if (changed.is_found)
		found_compare(l, &changed, a);
	else
		detail_add(a,
			"none of %u other launches tried gives it: it is another kernel or initrd, "
			"a command line "
			"not guessed, or several inputs at once; offer what you suspect with "
			"--candidate-cmdline, "
			"--candidate-kernel, --candidate-initrd",
			changed.n_tried);
	return 0;
}

static void answer_json(const struct launch *l, const struct other *o, const struct answer *a,
	const char *sentence, struct wr *w)
{
	json_open(w, NULL, '{');
	json_text(w, "schema", SCHEMA_DIFF);
	json_bool(w, "equal", a->is_equal);
	json_hex(w, "expected", l->digest.digest, SHA384_BYTES);
	json_hex(w, "actual", o->digest, SHA384_BYTES);
	json_open(w, "changed", '[');
	for (enum changed_input i = 0; i < CHANGED_INPUT_COUNT; i++)
		if ((a->inputs & 1u << i) != 0)
			json_text(w, NULL, changed_input_key(i));
	json_close(w, ']');
	json_text(w, "why", sentence);
	json_close(w, '}');
}

static MUST_USE int launch_diff(const struct args *args, const struct launch *l, struct wr *w,
	bool *ret_equal, struct why *why)
{
	AUTO(other) struct other o = { 0 };
	static struct answer a; /* large; one thread, one call */
	char sentence[sizeof a.detail + 256], agree[128];

	int err = other_load(args->diff, &o, why);
	if (err < 0)
		return err;
	a.is_equal = memcmp(o.digest, l->digest.digest, SHA384_BYTES) == 0;
	if (!a.is_equal && o.json != NULL)
		json_compare(l, o.json, &a);
	else if (!a.is_equal)
		err = digest_search(args, l, &o, &a, why);
	if (err < 0)
		return err;
	agreeing_print(a.inputs, agree, sizeof agree);
	bool is_foreign = o.has_host_data && memcmp(o.host_data, l->policy.hash, 32) != 0;
	(void)snprintf(sentence, sizeof sentence, "launch digest %s%s%s%s%s",
		a.is_equal ? "agrees" : "differs", a.is_equal ? "" : ": ", a.detail,
		a.inputs != 0 ? agree : "",
		is_foreign ? "; the report's host data name another policy" : "");
	if (args->as_json)
		answer_json(l, &o, &a, sentence, w);
	else
		wr_printf(w, "%s\n", sentence);
	*ret_equal = a.is_equal;
	return 0;
}

/* --- the command ------------------------------------------------------------------------------ */

static MUST_USE int measure_answer(const struct args *a, const struct launch *l, struct wr *w,
	int *ret_status, struct why *why)
{
	bool is_equal = true;
	int err = 0;

	if (a->diff != NULL)
		err = launch_diff(a, l, w, &is_equal, why);
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
		if (memcmp(l->policy.boot.launch_digests[i].sha384, l->digest.digest,
			    SHA384_BYTES) == 0)
			return 0;
	if (n == 0)
		return 0;
	return why_set(why, -EACCES,
		"the policy's boot.launch_digest does not list the digest its files give");
}

static int measure_run(const struct args *a, const char *path, struct launch *l)
{
	struct why why = { 0 };
	struct wr w = { 0 };
	int status = EXIT_YES;

	int err = policy_read(path, &l->policy, &why);
	if (err < 0)
		return cmd_fail(policy_exit_status(err), err, &why);
	err = launch_predict(path, l, &why);
	if (err == 0)
		err = cmd_text_open(&w, &why);
	if (err == 0)
		err = measure_answer(a, l, &w, &status, &why);
	if (err < 0)
		status = cmd_fail(
			err == -EOPNOTSUPP ? EXIT_INPUT : opts_exit_status(err), err, &why);
	else
		status = cmd_print(&w, status);
	free(w.buf);
	if (err == 0 && a->diff == NULL && listed_check(l, &why) < 0)
		status = cmd_fail(EXIT_NO, -EACCES, &why);
	return status;
}

int cmd_measure(int argc, char **argv)
{
	static struct launch launch; /* large; one thread, one call */
	struct args a = { 0 };
	const struct opt options[] = {
		{ "explain", OPT_FLAG, &a.explain, NULL, "list every measured piece" },
		{ "diff", OPT_TEXT, &a.diff, "DIGEST|FILE",
			"compare with a digest, a report, or another 'measure --json'" },
		{ "candidate-cmdline", OPT_LIST, &a.cmdlines, "TEXT|@FILE",
			"--diff: try this command line" },
		{ "candidate-kernel", OPT_LIST, &a.kernels, "FILE", "--diff: try this kernel" },
		{ "candidate-initrd", OPT_LIST, &a.initrds, "FILE",
			"--diff: try this initial ramdisk" },
		{ "candidate-vcpus", OPT_LIST, &a.vcpus, "N", "--diff: try this number of vCPUs" },
		{ "candidate-memory", OPT_LIST, &a.memories, "MIB",
			"--diff: try this memory size" },
		{ "json", OPT_FLAG, &a.as_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = {
		"casemate measure POLICY [--explain] [--diff DIGEST|FILE] [--json]",
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
	return status;
}
