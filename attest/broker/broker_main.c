/* casemate-broker: the relying party: secrets for guests that prove what they are. */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "attest/broker/broker_cmd.h"
#include "attest/broker/kbs_json.h"
#include "base/log.h"
#include "base/opts.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "serve", broker_cmd_serve },
	{ "secret", broker_cmd_secret },
	{ "policy", broker_cmd_policy },
	{ "sev-session", broker_cmd_sev_session },
	{ "store", broker_cmd_store },
};

static const char help[] =
	"usage: casemate-broker VERB ...\n\n"
	"  serve --config FILE                            release secrets to proven guests\n"
	"  secret put REPOSITORY/TYPE/TAG [--file FILE]   keep a secret (from standard input)\n"
	"  secret list | secret rm REPOSITORY/TYPE/TAG\n"
	"  policy put FILE [--launch-digest HEX]...       whose guests may get secrets\n"
	"  policy list | policy revoke HASH\n"
	"  policy revoke NAME --serial N|--below N        one serial, or all below one\n"
	"  sev-session put FOLDER --policy HASH --certs FILE...   keys of a SEV launch\n"
	"  sev-session list | sev-session release SESSION | sev-session rm SESSION\n"
	"  store import FOLDER --config FILE              a store of plain files, as before 0.2\n"
	"  store rekey FILE --config FILE                 from the key of configuration FILE\n\n"
	"secret, policy and sev-session take --config FILE or --store FOLDER. VERB --help says "
	"more.\n";

static int verb_run(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout) < 0 ? EXIT_OURS : EXIT_YES;
	if (argc > 1)
		log_err("unknown verb \"%.40s\": want one of serve, secret, policy, sev-session, "
			"store",
			argv[1]);
	else
		log_err("a verb is missing: one of serve, secret, policy, sev-session, store");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	log_set_name("casemate-broker");
	/* What the C library frees is overwritten: protocol buffers of libraries hold secrets too. */
	(void)mallopt(M_PERTURB, 0x5a);
	kbs_json_init();
	return opts_end(verb_run(argc, argv));
}
