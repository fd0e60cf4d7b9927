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
#include "attest/broker/broker_config.h"
#include "attest/broker/broker_server.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"
#include "sandbox/sandbox.h"
#include "sandbox/stage.h"

static MUST_USE int blobs_read(
	char *const paths[], size_t n, struct attest_blob *ret, size_t *ret_n, struct why *why)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *bytes = NULL;
		size_t len = 0;
		size_t n_certs = 0;
		int err = fd_read_path(paths[i], LIMIT_CERT_BLOB_BYTES, &bytes, &len, why);
		if (err < 0)
			return err;
		ret[i] = (struct attest_blob){ bytes, len };
		err = attest_check_certs(ret[i], &n_certs, why);
		if (err == 0 && n_certs == 0)
			err = why_set(why, -EBADMSG, "no certificate or CRL in it");
		if (err < 0)
			return why_prefix(why, err, "%s", paths[i]);
	}
	*ret_n = n;
	return 0;
}

/* All of them must be readable; a CRL's age shows in the verdict. */
static MUST_USE int judge_open(struct judge *j, const struct broker_config *config, struct why *why)
{
	int err = blobs_read(config->roots, config->n_roots, j->roots, &j->n_roots, why);

	if (err == 0)
		err = blobs_read(config->certs, config->n_certs, j->certs, &j->n_certs, why);
	if (err == 0)
		err = blobs_read(config->crls, config->n_crls, j->crls, &j->n_crls, why);
	return err;
}

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
static MUST_USE int serve(struct broker *b, const struct broker_config *config, struct why *why)
{
	struct server_config net = { config->listen, config->listen_tcp, config->certificate,
		config->key };
	struct server *server = NULL;

	int err = store_find(config->store, &b->store, why);
	if (err == 0)
		err = judge_open(&b->judge, config, why);
	if (err == 0)
		err = broker_ledger_start(&b->ledger, config->ledger_folder, config->ledger_key,
			config->ledger_origin, why);
	if (err == 0)
		err = server_open(&net, b, &server, why);
	if (err == 0)
		err = root_leave(&b->store, why);
	if (err == 0)
		err = sandbox_enter(ROLE_BROKER, why);
	if (err < 0) {
		broker_ledger_stop(&b->ledger);
		return err;
	}
	log_info("serving on %s%s%s", config->listen != NULL ? config->listen : "",
		config->listen != NULL && config->listen_tcp != NULL ? " and " : "",
		config->listen_tcp != NULL ? config->listen_tcp : "");
	return server_run(server);
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
	AUTO(broker_config) struct broker_config config = { 0 };
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
	err = broker_config_read(path, &config, &why);
	if (err == 0) {
		b = calloc(1, sizeof *b);
		err = b == NULL ? -ENOMEM : 0;
	}
	if (err == 0) {
		b->store = STORE_NONE;
		b->ledger = BROKER_LEDGER_NONE;
		err = serve(b, &config, &why);
	}
	if (err < 0)
		log_err("%s", why_text(&why, err));
	return err < 0 ? opts_exit_status(err) : EXIT_YES;
}
