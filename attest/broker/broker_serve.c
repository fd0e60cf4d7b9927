#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/broker/broker_answer.h"
#include "attest/broker/broker_cmd.h"
#include "attest/broker/broker_notify.h"
#include "attest/broker/broker_reload.h"
#include "attest/broker/broker_server.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"
#include "sandbox/sandbox.h"
#include "sandbox/stage.h"

/*
 * Root is for binding sockets only: become the store's owner. A store of root's is given to a user
 * of its own first; from then on that user is its owner, and `secret put` keeps it so.
 */
static MUST_USE int root_leave(const struct store *store, struct why *why)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(store->dir_fd, &st) < 0)
		return -errno;
	uid_t uid = st.st_uid != 0 ? st.st_uid : ids_pick(0);
	int err = store_give_to(store, uid, why);
	if (err < 0)
		return err;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return why_set(
			why, -errno, "cannot become user %u: %s", uid, strerrordesc_np(errno));
	/* The change made us undumpable, and /proc/self root's; the sandbox writes its maps there. */
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : 0;
}

/* In this order: what needs rights and a file system first, the sandbox last. */
static MUST_USE int start(struct broker *b, const char *path, struct reader *reader,
	struct server **ret, struct why *why)
{
	const struct broker_config *c = &b->config;
	const struct kek kek = broker_config_kek(c);
	const struct server_config net = { c->listen, c->listen_tcp, c->certificate, c->key,
		c->admin_listen, c->admin_listen_tcp, c->admin_ca,
		notify_open(getenv("NOTIFY_SOCKET")), reader, path };

	int err = broker_ledger_start(
		&b->ledger, c->ledger_folder, c->ledger_key, c->ledger_origin, why);
	if (err == 0)
		err = reader_start(reader, path, c, why);
	if (err == 0)
		err = store_find(c->store, &kek, &b->store, why);
	if (err == 0)
		err = tokens_open(&b->tokens, c->token_key, c->token_issuer, c->token_s, why);
	if (err == 0)
		err = server_open(&net, b, ret, why);
	if (err == 0)
		err = root_leave(&b->store, why);
	return err == 0 ? sandbox_enter(ROLE_BROKER, why) : err;
}

/* Behind the filter: nothing is released at the end, the process is over. */
static MUST_USE int serve(struct broker *b, struct server *server)
{
	const struct broker_config *c = &b->config;

	rate_init(&b->rate, c->rate_peer, c->rate_all);
	log_info("serving on %s%s%s", c->listen != NULL ? c->listen : "",
		c->listen != NULL && c->listen_tcp != NULL ? " and " : "",
		c->listen_tcp != NULL ? c->listen_tcp : "");
	int err = server_run(server);
	broker_ledger_flush(&b->ledger);
	return err;
}

/* All of a broker that did not get to serve. */
static void broker_done(struct broker *b)
{
	broker_ledger_stop(&b->ledger);
	tokens_close(&b->tokens);
	store_close(&b->store);
	files_done(b);
	free(b);
}

int broker_cmd_serve(int argc, char **argv)
{
	const char *path = NULL;
	const struct opt options[] = {
		{ "config", OPT_TEXT, &path, "FILE", "the configuration (casemate-broker(8))" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-broker serve --config FILE",
		"Release secrets to guests that prove what they are.", options, 0, 0 };
	struct reader reader = READER_NONE;
	struct server *server = NULL;
	struct broker *b = NULL;
	struct why why = { 0 };
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err > 0)
		return EXIT_YES;
	if (err == 0 && path == NULL)
		err = why_set(&why, -EINVAL, "--config is missing");
	if (err < 0) {
		log_err("%s", why_text(&why, err));
		return EXIT_USAGE;
	}
	b = calloc(1, sizeof *b);
	err = b == NULL ? -ENOMEM : 0;
	if (err == 0) {
		b->store = STORE_NONE;
		b->ledger = BROKER_LEDGER_NONE;
		err = files_load(b, path, &why);
	}
	if (err == 0)
		err = start(b, path, &reader, &server, &why);
	if (err == 0) {
		err = serve(b, server);
	} else if (b != NULL) {
		server_close(server);
		reader_stop(&reader);
		broker_done(b);
	}
	if (err < 0)
		log_err("%s", why_text(&why, err));
	return err < 0 ? opts_exit_status(err) : EXIT_YES;
}
