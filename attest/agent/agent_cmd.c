#include "attest/agent/agent_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attest/agent/agent_cmd_tls.h"
#include "attest/agent/agent_prove.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_path.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"

#define CA_BYTES_MAX 65536u

static int exit_of(int err)
{
	switch (err) {
	case -EACCES:
	case -EKEYREJECTED:
		return EXIT_NO;
	case -EINVAL:
		return EXIT_USAGE;
	case -ENODEV:
	case -EOPNOTSUPP:
		return EXIT_MACHINE;
	case -ENOENT:
	case -EBADMSG:
	case -EMSGSIZE:
	case -EPROTONOSUPPORT:
		return EXIT_INPUT;
	default:
		return EXIT_OURS;
	}
}

int agent_cmd_end(int err, const struct why *why)
{
	if (err == 0)
		return EXIT_YES;
	log_err("%s", why_text(why, err));
	return exit_of(err);
}

static MUST_USE int source_take(
	const struct agent_cmd_source *s, struct agent_settings *ret, struct why *why)
{
	if (s->name == NULL)
		return 0;
	if (strlen(s->name) >= sizeof ret->evidence)
		return why_set(why, -EINVAL, "--evidence: %s is no source of evidence", s->name);
	memcpy(ret->evidence, s->name, strlen(s->name) + 1);
	return 0;
}

/* Bytes to a new file, or to standard output. */
static MUST_USE int out_write(const char *path, const void *bytes, size_t len, struct why *why)
{
	int err = path != NULL ? fd_replace_file(AT_FDCWD, path, bytes, len, 0600, why)
			       : fd_write_all(STDOUT_FILENO, bytes, len);

	return err < 0 ? why_set(why, err, "standard output: %s", strerrordesc_np(-err)) : 0;
}

/* --- get --------------------------------------------------------------------------------------- */

struct get_args {
	struct agent_cmd_source source;
	const char *broker, *host, *ca, *pin, *key_kind, *timeout, *tries, *out, *token_out;
};

static MUST_USE int number_take(
	const char *name, const char *text, unsigned int max, unsigned int *ret, struct why *why)
{
	unsigned long long v = *ret;
	int err = text == NULL ? 0 : opts_parse_u64(name, text, 1, max, &v, why);

	*ret = (unsigned int)v;
	return err;
}

static MUST_USE int get_settings(
	const struct get_args *a, const char *path, struct agent_settings *s, struct why *why)
{
	struct kbs_path parsed;
	int err = source_take(&a->source, s, why);

	if (err < 0)
		return err;
	if (kbs_path_parse(path, &parsed, why) < 0 || strlen(path) >= sizeof s->key)
		return why_set(why, -EINVAL, "%.80s is no resource", path);
	memcpy(s->key, path, strlen(path) + 1);
	if (a->broker == NULL || agent_broker_parse(a->broker, &s->broker) < 0)
		return why_set(why, -EINVAL,
			"--broker: want vsock:CID:PORT, unix:PATH or tcp:ADDRESS:PORT");
	if (a->host != NULL && strlen(a->host) >= sizeof s->broker.host)
		return why_set(why, -EINVAL, "--host: at most %u characters", AGENT_HOST_MAX);
	if (a->host != NULL)
		memcpy(s->broker.host, a->host, strlen(a->host) + 1);
	s->broker.has_pin = a->pin != NULL;
	if (a->pin != NULL && opts_parse_hex(a->pin, s->broker.pin, sizeof s->broker.pin) < 0)
		return why_set(why, -EINVAL, "--pin: want 64 hexadecimal digits");
	if (a->key_kind != NULL && agent_key_kind_parse(a->key_kind, s->key_kind) < 0)
		return why_set(why, -EINVAL, "--teekey: want P-256, P-384, P-521 or RSA");
	err = number_take("--timeout", a->timeout, 3600, &s->broker.timeout_s, why);
	return err < 0 ? err : number_take("--tries", a->tries, 100, &s->broker.tries, why);
}

static MUST_USE int get_run(const struct get_args *a, const struct agent_settings *s,
	struct agent_prove *p, struct why *why)
{
	uint8_t *ca = NULL;
	size_t ca_len = 0;
	int err = a->ca == NULL ? 0 : fd_read_path(a->ca, CA_BYTES_MAX, &ca, &ca_len, why);

	if (err == 0)
		err = agent_prove_find(p, a->source.root, s, why);
	if (err == 0)
		err = agent_prove_challenge(p, s, ca, ca_len, why);
	if (err == 0)
		err = agent_prove_report(p, s, why);
	if (err == 0)
		err = agent_prove_send(p, why);
	if (err == 0)
		err = agent_prove_fetch(p, s, why);
	if (err == 0)
		err = out_write(a->out, p->key.p, p->key.len, why);
	const char *token = err == 0 ? agent_kbs_token(p->kbs) : NULL;
	if (token != NULL && a->token_out != NULL)
		err = out_write(a->token_out, token, strlen(token), why);
	free(ca);
	return err;
}

static int cmd_get(int argc, char **argv)
{
	static struct agent_prove p; /* large; one thread, one call */
	struct get_args a = { 0 };
	struct agent_settings s = { .key_kind = "P-384",
		.broker = { .host = "casemate-broker", .tries = 1 } };
	const struct opt options[] = {
		{ "broker", OPT_TEXT, &a.broker, "WHERE",
			"vsock:CID:PORT, unix:PATH or tcp:ADDRESS:PORT" },
		{ "host", OPT_TEXT, &a.host, "NAME", "the name in the broker's certificate" },
		{ "ca", OPT_TEXT, &a.ca, "FILE", "whom to trust as the broker: PEM" },
		{ "pin", OPT_TEXT, &a.pin, "HEX", "SHA-256 of the broker's public key" },
		{ "teekey", OPT_TEXT, &a.key_kind, "KIND", "P-256, P-384 (default), P-521 or RSA" },
		{ "timeout", OPT_TEXT, &a.timeout, "SECONDS", "for one request (60)" },
		{ "tries", OPT_TEXT, &a.tries, "N", "for a broker that is not there (1)" },
		{ "out", OPT_TEXT, &a.out, "FILE", "instead of standard output" },
		{ "token-out", OPT_TEXT, &a.token_out, "FILE",
			"the broker's token, if it gave one" },
		AGENT_CMD_SOURCE_OPTIONS(a.source),
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-agent get --broker WHERE [OPTION]... "
				       "REPOSITORY/TYPE/TAG",
		"Prove this guest to a key broker and fetch a secret.", options, 1, 1 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err > 0)
		return EXIT_YES;
	if (err == 0)
		err = get_settings(&a, args[0], &s, &why);
	if (err < 0)
		return agent_cmd_end(-EINVAL, &why);
	err = get_run(&a, &s, &p, &why);
	agent_prove_done(&p);
	return agent_cmd_end(err, &why);
}

/* --- evidence ---------------------------------------------------------------------------------- */

struct evidence_args {
	struct agent_cmd_source source;
	const char *report_data, *out, *certs_out, *log_out;
};

static MUST_USE int evidence_run(const struct evidence_args *a, const uint8_t *report_data,
	const struct agent_settings *s, struct agent_prove *p, struct why *why)
{
	const struct ev_evidence *e = &p->evidence;
	int err = agent_prove_find(p, a->source.root, s, why);

	if (err == 0)
		err = ev_get(&p->ev, report_data, &p->evidence, why);
	if (err == 0)
		err = out_write(a->out, e->bytes, e->len, why);
	if (err == 0 && a->certs_out != NULL && e->table_len > 0)
		err = out_write(a->certs_out, e->table, e->table_len, why);
	if (err == 0 && a->log_out != NULL && e->log_len > 0)
		err = out_write(a->log_out, e->log, e->log_len, why);
	return err;
}

static int cmd_evidence(int argc, char **argv)
{
	static struct agent_prove p;
	struct evidence_args a = { 0 };
	struct agent_settings s = { 0 };
	uint8_t report_data[EV_REPORT_DATA_BYTES] = { 0 };
	const struct opt options[] = {
		{ "report-data", OPT_TEXT, &a.report_data, "HEX",
			"what it is to say; filled up with zeros to 64 bytes" },
		{ "out", OPT_TEXT, &a.out, "FILE", "instead of standard output" },
		{ "certs-out", OPT_TEXT, &a.certs_out, "FILE", "the host's certificates" },
		{ "event-log-out", OPT_TEXT, &a.log_out, "FILE", "the boot log" },
		AGENT_CMD_SOURCE_OPTIONS(a.source),
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-agent evidence [OPTION]...",
		"Make evidence of this guest.", options, 0, 0 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err > 0)
		return EXIT_YES;
	if (err == 0)
		err = source_take(&a.source, &s, &why);
	if (err == 0 && a.report_data != NULL &&
		(strlen(a.report_data) > 2 * sizeof report_data ||
			opts_parse_hex(a.report_data, report_data, strlen(a.report_data) / 2) < 0))
		err = why_set(&why, -EINVAL, "--report-data: want at most 128 hexadecimal digits");
	if (err < 0)
		return agent_cmd_end(-EINVAL, &why);
	err = evidence_run(&a, report_data, &s, &p, &why);
	agent_prove_done(&p);
	return agent_cmd_end(err, &why);
}

/* --- the verbs --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} verbs[] = {
	{ "get", cmd_get, "prove this guest to a key broker and fetch a secret" },
	{ "evidence", cmd_evidence, "make evidence of this guest" },
	{ "tls-cert", agent_cmd_tls_cert, "make a certificate that carries evidence" },
	{ "tls-serve", agent_cmd_tls_serve, "serve TLS with such a certificate" },
	{ "tls-connect", agent_cmd_tls_connect, "speak to a service that has one" },
};

static void verbs_print(FILE *f)
{
	(void)fputs("usage: casemate-agent VERB [OPTION]...\n", f);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		(void)fprintf(f, "  %-12s %s\n", verbs[i].name, verbs[i].about);
	(void)fputs("As process 1 it is the first program of a guest (casemate-agent(8)).\n", f);
}

int agent_cmd(int argc, char **argv)
{
	kbs_json_init();
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return opts_end(verbs[i].run(argc - 1, argv + 1));
	bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;
	verbs_print(is_help ? stdout : stderr);
	return is_help ? opts_end(EXIT_YES) : EXIT_USAGE;
}
