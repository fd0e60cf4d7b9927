#include "vmm/super/sup_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/opts.h"
#include "policy/plan.h"
#include "vmm/super/sup_cmd.h"
#include "vmm/super/sup_host_rows.h"
#include "vmm/super/sup_json.h"

static const char *const state_names[] = {
	[HOST_NO] = "no", [HOST_YES] = "yes", [HOST_UNKNOWN] = "unknown"
};

static void row_print(
	const struct host_row *r, enum host_state state, const char *observed, bool is_needed)
{
	const char *mark = state == HOST_YES  ? "yes"
			   : is_needed        ? "NO"
			   : state == HOST_NO ? "no"
					      : "?";

	printf("%-4s %-22s %s\n", mark, r->id, observed);
	if (state == HOST_YES)
		return;
	if (is_needed)
		printf("     %-22s wanted: %s (%s)\n", "", r->wanted, r->source);
	printf("     %-22s %s: %s\n", "", is_needed ? "needed" : "not needed here, but", r->fix);
}

static void field_print(const char *name, const char *text)
{
	printf(", \"%s\": ", name);
	sup_json_text(stdout, text);
}

static void row_print_json(const struct host_row *r, enum host_state state, const char *observed,
	bool is_needed, bool is_first)
{
	printf("%s{\"id\": \"%s\", \"state\": \"%s\", \"ok\": %s, \"needed\": %s",
		is_first ? "" : ", ", r->id, state_names[state],
		state == HOST_YES ? "true" : "false", is_needed ? "true" : "false");
	field_print("observed", observed);
	field_print("wanted", r->wanted);
	field_print("source", r->source);
	if (state != HOST_YES)
		field_print("fix", r->fix);
	printf("}");
}

static bool facts_print(const struct host_facts *f, unsigned int tee, bool is_json)
{
	bool is_ready = host_is_ready(f, tee);
	size_t n = 0;
	const struct host_row *rows = host_rows(&n);

	if (is_json)
		printf("{\"schema\": \"casemate/host/2\", \"tee\": \"%s\", \"rows\": [",
			plan_tee_name(tee));
	for (size_t i = 0; i < n; i++) {
		char observed[HOST_OBSERVED_BYTES] = "";
		enum host_state state = rows[i].judge(f, rows[i].which, observed, sizeof observed);
		bool is_needed = host_row_is_needed(&rows[i], tee);
		if (is_json)
			row_print_json(&rows[i], state, observed, is_needed, i == 0);
		else
			row_print(&rows[i], state, observed, is_needed);
	}
	if (is_json)
		printf("], \"ready\": %s}\n", is_ready ? "true" : "false");
	else
		printf("%s for guests with tee %s\n", is_ready ? "ready" : "not ready",
			plan_tee_name(tee));
	return is_ready;
}

static MUST_USE int tee_parse(const char *word, unsigned int *ret, struct why *why)
{
	for (unsigned int tee = 0; tee < PLAN_TEE_COUNT; tee++)
		if (strcmp(word, plan_tee_name(tee)) == 0) {
			*ret = tee;
			return 0;
		}
	return why_set(
		why, -EINVAL, "--tee: \"%s\" is none of none, sw, sev, sev-es, snp and tdx", word);
}

int sup_cmd_host(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "recover") == 0)
		return sup_cmd_recover(argc - 1, argv + 1);
	const char *word = NULL;
	unsigned int tee = PLAN_TEE_NONE;
	bool is_json = false;
	const struct opt options[] = {
		{ "tee", OPT_TEXT, &word, "TEE",
			"the guests in question: none (default), sw, sev, sev-es, snp or tdx" },
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate host check [--tee TEE] [--json]",
		"What this machine can do; exit 0 only if run would work for the given --tee.",
		options, 1, 1 };
	char **args = NULL;
	size_t n_args = 0;
	struct why why = { 0 };
	struct host_facts facts = { 0 };
	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);

	if (err == 0 && strcmp(args[0], "check") != 0)
		err = why_set(
			&why, -EINVAL, "host: unknown word \"%s\", want check or recover", args[0]);
	if (err == 0 && word != NULL)
		err = tee_parse(word, &tee, &why);
	if (err != 0)
		return sup_cmd_usage(err, &why);
	AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return sup_cmd_fail(why_set(&why, -errno, "cannot open /"), &why);
	const struct host_source here = { root, host_cpuid };
	host_look_cpu(&here, &facts);
	host_look_files(&here, &facts);
	host_look_devices(&here, &facts);
	host_look_self(&facts);
	return facts_print(&facts, tee, is_json) ? EXIT_YES : EXIT_NO;
}
