/*
 * casemate-attest: evidence decoded, verified and appraised, and launches predicted; offline.
 * `casemate attest show|verify` and `casemate measure` execute it.
 */
#include <stdio.h>
#include <string.h>

#include "attest/cmd.h"
#include "attest/cmd_refvalues.h"
#include "base/log.h"
#include "base/opts.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} commands[] = {
	{ "show", cmd_show, "decode a report, a certificate table or certificates" },
	{ "verify", cmd_verify, "verify and appraise evidence; one row a claim" },
	{ "measure", cmd_measure, "predict the launch digest of a policy" },
	{ "endorsements", cmd_endorsements, "the cache of certificates, CRLs and collateral" },
	{ "refvalues", cmd_refvalues, "decode reference values: CoRIM, or a measurement of ours" },
	{ "digest", cmd_digest, "compute the launch digest of a guest with a firmware image" },
	{ "id-block", cmd_id_block, "verify an SNP ID block" },
	{ "sev-session", cmd_sev_session, "make the owner's session for a SEV launch" },
	{ "sev-secret", cmd_sev_secret, "encrypt secrets for a SEV guest that was measured" },
};

static void help_print(void)
{
	printf("usage: casemate-attest COMMAND ...\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-12s %s\n", commands[i].name, commands[i].about);
	printf("\n'casemate-attest COMMAND --help' lists the options.\n");
}

/* "what: want one of show, verify, ..." */
static int usage_fail(const char *what, const char *name, const char *end)
{
	char names[256] = "";

	for (size_t i = 0, n = 0; i < ARRAY_LEN(commands) && n < sizeof names; i++)
		n += (size_t)snprintf(
			names + n, sizeof names - n, "%s%s", i == 0 ? "" : ", ", commands[i].name);
	log_err("%s%.40s%s: want one of %s", what, name, end, names);
	return EXIT_USAGE;
}

static int command_run(int argc, char **argv)
{
	if (argc < 2)
		return usage_fail("a command is missing", "", "");
	if (strcmp(argv[1], "--help") == 0) {
		help_print();
		return EXIT_YES;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("casemate-attest %s\n", CASEMATE_VERSION);
		return EXIT_YES;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return usage_fail("unknown command '", argv[1], "'");
}

int main(int argc, char **argv)
{
	log_set_name("casemate-attest");
	return opts_end(command_run(argc, argv));
}
