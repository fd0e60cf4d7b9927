/*
 * casemate-policy: the launch policy from the command line; and, started by the supervisor, the
 * sandboxed process that reads one policy file and answers with the plan.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"
#include "policy/diff.h"
#include "policy/explain.h"
#include "policy/fmt.h"
#include "policy/lint.h"
#include "policy/lint_print.h"
#include "policy/policy_priv.h"
#include "policy/schema.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"

#define TEXT_BYTES     (64u << 10) /* explain: every list of the schema full is below 32 KiB */
#define READER_FD_FILE (SPAWN_FD_CHAN + 1)

/* --- the sandboxed reader -------------------------------------------------------------------- */

/* What the libraries open or ask for on first use, while there is a file system. */
static MUST_USE int libraries_prime(void)
{
	uint8_t hash[32];

	json_object_seed(0);
	return policy_hash("", 0, hash);
}

static MUST_USE int name_take(const struct msg *m, char ret[LIMIT_PATH_BYTES], struct why *why)
{
	if (memchr(m->buf, 0, m->len) != m->buf + m->len - 1)
		return why_set(why, -EBADMSG, "CONFIG: the file name is not terminated");
	memcpy(ret, m->buf, m->len);
	return 0;
}

static MUST_USE int plan_make(const char *name, int64_t now, struct wire_plan *ret, struct why *why)
{
	static struct policy policy;
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err = fd_read_file(READER_FD_FILE, LIMIT_POLICY_BYTES, &bytes, &len);

	if (err == -EMSGSIZE)
		err = why_set(why, err, "%s is longer than %u bytes", name, LIMIT_POLICY_BYTES);
	else if (err < 0)
		err = why_set(why, err, "cannot read %s: %s", name, strerrordesc_np(-err));
	if (err == 0)
		err = policy_parse(bytes, len, name, &policy, why);
	free(bytes);
	if (err == 0) {
		err = policy_check_time(&policy, now, why);
		if (err < 0)
			err = why_prefix(why, err, "%s", name);
	}
	if (err == 0)
		err = policy_plan(&policy, ret, why);
	return err;
}

static int reader_main(void)
{
	static struct wire_plan plan;
	char name[LIMIT_PATH_BYTES] = "policy";
	int64_t now = (int64_t)time(NULL);
	struct why why = { 0 };
	struct chan chan = { .fd = -1 };

	int err = child_start(ROLE_POLICY, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, 1, LIMIT_PATH_BYTES, 0, 0, &why);
	if (err == 0)
		err = name_take(chan.in, name, &why);
	if (err == 0)
		err = libraries_prime();
	if (err == 0)
		err = sandbox_enter(ROLE_POLICY, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = plan_make(name, now, &plan, &why);
	if (err == 0)
		err = chan_send(&chan, PLAN_MSG_PLAN, &plan, sizeof plan, NULL, 0);
	return child_end(&chan, err, &why);
}

/* --- the command line ------------------------------------------------------------------------ */

struct input {
	uint8_t *bytes;
	size_t len;
	struct doc doc;
	struct policy *policy;
	bool is_read; /* the bytes are there, well-formed or not */
};

static void input_done(struct input *in)
{
	doc_close(&in->doc);
	free(in->bytes);
	free(in->policy);
}

static void input_auto(struct input *in)
{
	input_done(in);
}

static MUST_USE int input_read(struct input *ret, const char *path, struct why *why)
{
	ret->policy = calloc(1, sizeof *ret->policy);
	if (ret->policy == NULL)
		return -ENOMEM;
	int err = fd_read_path(path, LIMIT_POLICY_BYTES, &ret->bytes, &ret->len, why);
	if (err < 0)
		return err;
	ret->is_read = true;
	return policy_parse_doc(&ret->doc, ret->bytes, ret->len, path, ret->policy, why);
}

static int failed(int err, const struct why *why)
{
	fprintf(stderr, "casemate-policy: %s\n", why_text(why, err));
	return policy_exit_status(err);
}

static int wrong_line(const struct why *why)
{
	fprintf(stderr, "casemate-policy: %s\n", why_text(why, -EINVAL));
	return EXIT_USAGE;
}

/* Print and release; the reference is stolen. */
static int json_out(json_t *j, int status)
{
	if (j == NULL || json_dumpf(j, stdout, JSON_INDENT(2)) < 0)
		status = EXIT_OURS;
	json_decref(j);
	putchar('\n');
	return fflush(stdout) == 0 ? status : EXIT_OURS;
}

static int text_out(const struct wr *w, int status)
{
	if (wr_check(w) < 0)
		return EXIT_OURS;
	(void)fwrite(w->buf, 1, w->len, stdout); /* opts_end() looks at the outcome */
	return status;
}

/* The reader's failure as the one finding of a report. */
static void malformed_report(const struct input *in, const struct why *why, struct lint_report *ret)
{
	struct lint_finding *f = &ret->findings[0];
	unsigned int line, column;
	char place[32];

	doc_place(&in->doc, in->doc.fail_at, &line, &column);
	(void)snprintf(place, sizeof place, ":%u:%u: ", line, column);
	const char *cause = strstr(why->text, place);
	*ret = (struct lint_report){ .n = 1, .n_errors = 1 };
	f->rule = lint_find_rule(in->doc.fail_rule);
	f->severity = LINT_ERROR;
	f->at = in->doc.fail_at;
	(void)snprintf(
		f->text, sizeof f->text, "%s", cause != NULL ? cause + strlen(place) : why->text);
}

static MUST_USE int time_read(const char *text, int64_t *ret, struct why *why)
{
	*ret = (int64_t)time(NULL);
	if (text == NULL)
		return 0;
	if (schema_parse_time(text, false, ret) < 0)
		return why_set(
			why, -EINVAL, "--at: \"%s\" is no time such as 2026-11-30T00:00:00Z", text);
	return 0;
}

static int lint_verb(int argc, char **argv)
{
	static struct lint_report report;
	bool is_json = false;
	const char *format = NULL, *at = NULL;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object on standard output" },
		{ "format", OPT_TEXT, &format, "FORMAT", "text, json or sarif" },
		{ "at", OPT_TEXT, &at, "TIME", "judge waivers at this time instead of now" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate policy lint [OPTIONS] POLICY",
		"Check a launch policy against the rules of casemate.policy(5).", options, 1, 1 };
	AUTO(input) struct input in = { 0 };
	struct why why = { 0 };
	char **args;
	size_t n_args;
	int64_t now = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err == 1)
		return EXIT_YES;
	if (err == 0)
		err = time_read(at, &now, &why);
	if (err == 0 && format == NULL)
		format = is_json ? "json" : "text";
	if (err == 0 && strcmp(format, "text") != 0 && strcmp(format, "json") != 0 &&
		strcmp(format, "sarif") != 0)
		err = why_set(&why, -EINVAL, "--format: want text, json or sarif");
	if (err < 0)
		return wrong_line(&why);
	err = input_read(&in, args[0], &why);
	if (err < 0 && (!in.is_read || why.text[0] == 0))
		return failed(err, &why);
	int status = policy_exit_status(err);
	if (err < 0)
		malformed_report(&in, &why, &report);
	else
		lint_check(&in.doc, in.policy, now, &report);
	if (err == 0 && report.n_errors > 0)
		status = EXIT_NO;
	if (strcmp(format, "json") == 0)
		return json_out(lint_print_json(&in.doc, &report), status);
	if (strcmp(format, "sarif") == 0)
		return json_out(lint_print_sarif(&in.doc, &report), status);
	lint_print_people(stdout, &in.doc, &report);
	return fflush(stdout) == 0 ? status : EXIT_OURS;
}

static int hash_verb(int argc, char **argv)
{
	bool is_json = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate policy hash [--json] POLICY",
		"Print the SHA-256 of the file as written: the launch's host data.", options, 1,
		1 };
	AUTO(input) struct input in = { 0 };
	struct why why = { 0 };
	char **args, hex[65];
	size_t n_args;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err == 1)
		return EXIT_YES;
	if (err < 0)
		return wrong_line(&why);
	err = input_read(&in, args[0], &why);
	if (err < 0)
		return failed(err, &why);
	struct wr w = wr_of(hex, sizeof hex);
	wr_hex(&w, in.policy->hash, sizeof in.policy->hash);
	if (wr_end_str(&w) < 0)
		return EXIT_OURS;
	if (is_json)
		return json_out(json_pack("{s:s, s:s, s:I, s:s}", "schema",
					"casemate/policy-hash/1", "name", in.policy->name, "serial",
					(json_int_t)in.policy->serial, "sha256", hex),
			EXIT_YES);
	printf("%s\n", hex);
	return fflush(stdout) == 0 ? EXIT_YES : EXIT_OURS;
}

static int explain_verb(int argc, char **argv)
{
	static char text[TEXT_BYTES];
	bool is_json = false, is_fields = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object on standard output" },
		{ "fields", OPT_FLAG, &is_fields, NULL, "explain every key of the format instead" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate policy explain [--json] POLICY | --fields",
		"Say in sentences what a launch policy means.", options, 0, 1 };
	AUTO(input) struct input in = { 0 };
	struct wr w = wr_of(text, sizeof text);
	struct why why = { 0 };
	char **args;
	size_t n_args;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err == 1)
		return EXIT_YES;
	if (err == 0 && is_fields != (n_args == 0))
		err = why_set(&why, -EINVAL, "want either a policy or --fields");
	if (err < 0)
		return wrong_line(&why);
	if (is_fields) {
		explain_print_fields(&w);
		return text_out(&w, EXIT_YES);
	}
	err = input_read(&in, args[0], &why);
	if (err < 0)
		return failed(err, &why);
	if (is_json)
		return json_out(explain_json(in.policy), EXIT_YES);
	explain_print(in.policy, &w);
	return text_out(&w, EXIT_YES);
}

static int diff_verb(int argc, char **argv)
{
	static struct diff_report report;
	static char text[TEXT_BYTES];
	bool is_json = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate policy diff [--json] OLD NEW",
		"Say what changed from one policy to another: stricter, looser, mixed or other.",
		options, 2, 2 };
	AUTO(input) struct input from = { 0 };
	AUTO(input) struct input to = { 0 };
	struct wr w = wr_of(text, sizeof text);
	struct why why = { 0 };
	char **args;
	size_t n_args;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err == 1)
		return EXIT_YES;
	if (err < 0)
		return wrong_line(&why);
	err = input_read(&from, args[0], &why);
	if (err == 0)
		err = input_read(&to, args[1], &why);
	if (err < 0)
		return failed(err, &why);
	diff_compare(from.doc.root, to.doc.root, &report);
	int status = report.overall == DIFF_SAME ? EXIT_YES : EXIT_NO;
	if (is_json)
		return json_out(diff_json(&report), status);
	diff_print(&report, &w);
	return text_out(&w, status);
}

static int schema_verb(int argc, char **argv)
{
	const struct opt options[] = { { 0 } };
	const struct opt_spec spec = { "casemate policy schema",
		"Print the JSON Schema (draft-07) of a launch policy without its comments.",
		options, 0, 0 };
	struct why why = { 0 };
	char **args;
	size_t n_args;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err == 1)
		return EXIT_YES;
	if (err < 0)
		return wrong_line(&why);
	return json_out(schema_publish(), EXIT_YES);
}

/* Who may read a policy stays as it is when its text changes. */
static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 0777 : 0600;
}

static int fmt_verb(int argc, char **argv)
{
	bool is_check = false, is_write = false;
	const struct opt options[] = {
		{ "check", OPT_FLAG, &is_check, NULL,
			"print nothing; exit 1 when it would change" },
		{ "write", OPT_FLAG, &is_write, NULL, "replace the file; its hash changes" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate policy fmt [--check | --write] POLICY",
		"Print a launch policy in its normal form; comments stay.", options, 1, 1 };
	AUTO(input) struct input in = { 0 };
	struct why why = { 0 };
	uint8_t *text = NULL;
	size_t len = 0, n_args;
	char **args;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err == 1)
		return EXIT_YES;
	if (err == 0 && is_check && is_write)
		err = why_set(&why, -EINVAL, "want --check or --write, not both");
	if (err < 0)
		return wrong_line(&why);
	err = input_read(&in, args[0], &why);
	if (err == 0)
		err = fmt_print(&in.doc, in.bytes, &text, &len);
	if (err < 0)
		return failed(err, &why);
	bool is_same = len == in.len && memcmp(text, in.bytes, len) == 0;
	if (is_write && !is_same)
		err = fd_replace_file(AT_FDCWD, args[0], text, len, mode_of(args[0]), &why);
	else if (!is_check && !is_write)
		(void)fwrite(text, 1, len, stdout); /* opts_end() looks at the outcome */
	free(text);
	if (err < 0)
		return failed(err, &why);
	return is_check && !is_same ? EXIT_NO : EXIT_YES;
}

static int later_verb(int argc, char **argv)
{
	fprintf(stderr, "casemate-policy: %s is not in this version\n", argv[0]);
	return EXIT_USAGE;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} verbs[] = {
	{ "lint", lint_verb, "check a policy against the rules" },
	{ "hash", hash_verb, "print the hash that the launch binds" },
	{ "explain", explain_verb, "say in sentences what a policy means" },
	{ "fmt", fmt_verb, "print it in its normal form" },
	{ "schema", schema_verb, "print the JSON Schema of the format" },
	{ "diff", diff_verb, "say what changed: stricter, looser or mixed" },
	{ "sign", later_verb, "not in this version" },
	{ "verify", later_verb, "not in this version" },
};

static void help_print(void)
{
	printf("usage: casemate policy VERB ...\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-8s %s\n", verbs[i].name, verbs[i].about);
	printf("`casemate policy VERB --help` says more; casemate.policy(5) has every key.\n");
}

static int verb_run(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		help_print();
		return EXIT_YES;
	}
	if (argc < 2)
		log_err("a verb is missing: one of lint, hash, explain, diff, fmt, schema");
	else
		log_err("unknown verb \"%.40s\": want one of lint, hash, explain, diff, fmt, "
			"schema",
			argv[1]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	/* The system's OpenSSL configuration is not ours: the same settings everywhere. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return EXIT_OURS;
	if (spawn_is_child(argc))
		return reader_main();
	log_set_name("casemate-policy");
	return opts_end(verb_run(argc, argv));
}
