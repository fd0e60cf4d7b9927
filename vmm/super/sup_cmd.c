#include "vmm/super/sup_cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/opts.h"
#include "sandbox/spawn.h"
#include "vmm/super/sup_control.h"
#include "vmm/super/sup_host.h"
#include "vmm/super/sup_run.h"

/* A verb is a function of ours, or a program (with its first argument, where it has one). */
static const struct verb {
	const char *name;
	const char *about;
	int (*run)(int argc, char **argv);
	const char *program;
	const char *first;
} verbs[] = {
	{ "run", "launch a guest from a policy, in the foreground", sup_cmd_launch, NULL, NULL },
	{ "list", "the guests that run", sup_cmd_list, NULL, NULL },
	{ "show", "one guest that runs", sup_cmd_show, NULL, NULL },
	{ "stop", "end a guest", sup_cmd_stop, NULL, NULL },
	{ "host", "what this machine can do: host check; host recover", sup_cmd_host, NULL, NULL },
	{ "measure", "the launch digest a policy will produce", NULL, "casemate-attest",
		"measure" },
	{ "attest", "decode and verify evidence", NULL, "casemate-attest", NULL },
	{ "policy", "lint, explain and hash launch policies", NULL, "casemate-policy", NULL },
	{ "ledger", "verify, list and prove ledger entries", NULL, "casemate-ledger", NULL },
	{ "broker", "the relying party's server and its store", NULL, "casemate-broker", NULL },
	{ "vtpm", "make and show a guest's TPM", NULL, "casemate-vtpm", NULL },
};

int sup_cmd_usage(int err, const struct why *why)
{
	if (err > 0)
		return EXIT_YES;
	fprintf(stderr, "casemate: %s\n", why_text(why, err));
	return EXIT_USAGE;
}

/* The errors of the supervisor that opts_exit_status() does not know. */
static int status_of(int err)
{
	static const struct {
		int err;
		int status;
	} own[] = {
		{ -EBUSY, EXIT_INPUT },    /* a disk another guest uses */
		{ -EEXIST, EXIT_NO },      /* a guest of that name runs */
		{ -ENOPKG, EXIT_MACHINE }, /* a program of ours is not installed */
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (own[i].err == err)
			return own[i].status;
	return opts_exit_status(err);
}

int sup_cmd_fail(int err, const struct why *why)
{
	fprintf(stderr, "casemate: %s\n", why_text(why, err));
	return status_of(err);
}

/* Become the program that owns the verb: casemate attest show X -> casemate-attest show X. */
static int program_exec(const struct verb *v, int argc, char **argv)
{
	char path[PATH_MAX];
	char **args = calloc((size_t)argc + 2, sizeof *args);
	char *name = strdup(v->program);
	char *first = v->first != NULL ? strdup(v->first) : NULL;
	struct why why = { 0 };
	AUTO(fd) int fd = -1;
	int n = 0;

	if (args == NULL || name == NULL || (v->first != NULL && first == NULL))
		return sup_cmd_fail(-ENOMEM, NULL);
	int err = spawn_open_binary(v->program, &fd, path, sizeof path, &why);
	if (err < 0)
		return sup_cmd_fail(err, &why);
	args[n++] = name;
	if (first != NULL)
		args[n++] = first;
	for (int i = 2; i < argc; i++)
		args[n++] = argv[i];
	(void)execv(path, args);
	return sup_cmd_fail(
		why_set(&why, -EIO, "cannot run %s: %s", path, strerrordesc_np(errno)), &why);
}

static void help_print(void)
{
	printf("usage: casemate VERB ...\n\n"
	       "Launch encrypted guests on KVM, prove what runs, release secrets only to "
	       "that.\n\nverbs:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].about);
	printf("\ncasemate VERB --help says more; casemate --version prints the version.\n"
	       "exit status: 0 yes, 1 no, 2 usage, 3 bad input, 4 this machine lacks something,\n"
	       "5 something of ours failed; run: the workload's, 128+n after signal n.\n");
}

static int verb_unknown(const char *name)
{
	if (name == NULL)
		fprintf(stderr, "casemate: a verb is missing; the verbs are");
	else
		fprintf(stderr, "casemate: unknown verb \"%.40s\"; the verbs are", name);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(stderr, "%s %s", i > 0 ? "," : "", verbs[i].name);
	fprintf(stderr, "\n");
	return EXIT_USAGE;
}

static int verb_run(int argc, char **argv)
{
	if (argc < 2)
		return verb_unknown(NULL);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		help_print();
		return EXIT_YES;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("casemate %s\n", CASEMATE_VERSION);
		return EXIT_YES;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		return verbs[i].run != NULL ? verbs[i].run(argc - 1, argv + 1)
					    : program_exec(&verbs[i], argc, argv);
	}
	return verb_unknown(argv[1]);
}

int sup_cmd_run(int argc, char **argv)
{
	return opts_end(verb_run(argc, argv));
}
