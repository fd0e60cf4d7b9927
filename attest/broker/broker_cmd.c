#include "attest/broker/broker_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/broker/broker_admin.h"
#include "attest/broker/broker_import.h"
#include "attest/broker/broker_sev.h"
#include "attest/broker/kbs_json.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/wr.h"
#include "policy/policy.h"

static int report(int err, const struct why *why)
{
	log_err("%s", why_text(why, err));
	if (err == -EACCES || err == -ENOENT || err == -E2BIG)
		return EXIT_NO;
	return opts_exit_status(err);
}

static int usage(const struct why *why)
{
	log_err("%s", why_text(why, -EINVAL));
	return EXIT_USAGE;
}

/* --- both ---------------------------------------------------------------------------------------- */

/* What `secret` and `policy` have in common: their options, the store, the words. */
struct verb {
	const char *folder, *config_path, *tenant, *file;
	bool is_json;
	struct opt_list digests;
	const char *init_data, *below, *serial;
	const char *policy;
	struct opt_list certs;
	bool is_held, is_reusable;

	struct broker_config config;
	bool has_config;
	struct store store;
	char **args;
	size_t n;
	bool is_list, is_put;
};

static void verb_auto(struct verb *v)
{
	store_close(&v->store);
	broker_config_done(&v->config);
}

/* The store: named itself, or by the configuration. */
static MUST_USE int store_take(struct verb *v, struct why *why)
{
	const char *folder = v->folder;
	struct kek kek = { 0 };

	if ((v->folder == NULL) == (v->config_path == NULL))
		return why_set(why, -EINVAL, "give one of --store and --config");
	if (folder == NULL) {
		int err = broker_config_read(v->config_path, &v->config, why);
		if (err < 0)
			return err == -ENOENT ? -EIO
					      : err; /* -ENOENT is for what a store does not hold */
		v->has_config = true;
		kek = broker_config_kek(&v->config);
		folder = v->config.store;
	}
	return v->is_put ? store_open(folder, &kek, &v->store, why)
			 : store_find(folder, &kek, &v->store, why);
}

/*
 * Parse the line "put X | list | WORD X", open the store. EXIT_YES with v->args NULL: help was shown;
 * else the status to end with, or -1: go on.
 */
static MUST_USE int verb_begin(struct verb *v, const struct opt_spec *spec,
	const char *const *words, int argc, char **argv, struct why *why)
{
	int err = opts_parse(spec, argc, argv, &v->args, &v->n, why);

	if (err != 0)
		return err > 0 ? EXIT_YES : usage(why);
	v->is_list = strcmp(v->args[0], "list") == 0;
	v->is_put = strcmp(v->args[0], "put") == 0;
	while (*words != NULL && strcmp(v->args[0], *words) != 0)
		words++;
	if (v->n != (v->is_list ? 1 : 2) || (!v->is_list && !v->is_put && *words == NULL)) {
		(void)why_set(why, 0, "want: %s", spec->usage);
		return usage(why);
	}
	err = store_take(v, why);
	if (err == -EINVAL)
		return usage(why);
	return err < 0 ? report(err, why) : -1;
}

#define STORE_OPTIONS(v)                                                                           \
	{ "config", OPT_TEXT, &(v).config_path, "FILE",                                            \
		"the broker's configuration, which names the store" },                             \
		{ "store", OPT_TEXT, &(v).folder, "FOLDER", "the store itself" },                  \
		{ "tenant", OPT_TEXT, &(v).tenant, "NAME", "whose; without it: no tenant's" },     \
	{                                                                                          \
		"json", OPT_FLAG, &(v).is_json, NULL, "one JSON object"                            \
	}

static MUST_USE int json_answer(json_t *j)
{
	AUTO(kbs_text) char *text = NULL;

	int err = j == NULL ? -ENOMEM : kbs_json_print(j, &text);
	json_decref(j);
	if (err < 0 || puts(text) < 0)
		return EXIT_OURS;
	return EXIT_YES;
}

/* --- secret ------------------------------------------------------------------------------------ */

/* From a file or standard input, straight into locked memory. */
static MUST_USE int secret_input(const char *path, struct secret *ret, struct why *why)
{
	AUTO(secret) struct secret room = { 0 };
	AUTO(fd)
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(STDIN_FILENO);
	size_t len = 0;

	if (fd < 0) {
		int err = errno;
		return why_set(why, -EIO, "cannot open %s: %s", path, strerrordesc_np(err));
	}
	int err = secret_init(&room, LIMIT_SECRET_BYTES);
	while (err == 0 && len < room.len) {
		ssize_t n = read(fd, room.p + len, room.len - len);
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			err = -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	if (err == 0 && (len == 0 || len == room.len))
		err = why_set(why, -ERANGE, "a secret has 1 to %u bytes", LIMIT_SECRET_BYTES - 1);
	return err < 0 ? why_set(why, err, "cannot read the secret")
		       : secret_init_copy(ret, room.p, len);
}

static MUST_USE int secret_change(const struct verb *v, const char *tenant, struct why *why)
{
	AUTO(secret) struct secret secret = { 0 };
	struct kbs_path path;

	int err = kbs_path_parse(v->args[1], &path, why);
	if (err == 0 && !v->is_put)
		return store_remove_secret(&v->store, tenant, &path, why);
	if (err == 0)
		err = secret_input(v->file, &secret, why);
	return err < 0 ? err : store_write_secret(&v->store, tenant, &path, &secret, why);
}

/* Names, one a line. */
static MUST_USE int lines_answer(json_t *names)
{
	size_t i;
	const json_t *name;
	int status = EXIT_YES;

	json_array_foreach(names, i, name) if (puts(json_string_value(name)) < 0) status =
		EXIT_OURS;
	json_decref(names);
	return status;
}

int broker_cmd_secret(int argc, char **argv)
{
	AUTO(verb) struct verb v = { .store = STORE_NONE };
	const struct opt options[] = {
		STORE_OPTIONS(v),
		{ "file", OPT_TEXT, &v.file, "FILE",
			"put: read the secret from here, not standard input" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-broker secret put|rm REPOSITORY/TYPE/TAG | list",
		"Keep, list or remove the secrets that proven guests may get.", options, 1, 2 };
	json_t *names = NULL;
	struct why why = { 0 };

	int status = verb_begin(&v, &spec, (const char *const[]){ "rm", NULL }, argc, argv, &why);
	if (status >= 0)
		return status;
	const char *tenant = v.tenant != NULL ? v.tenant : "";
	int err = v.is_list ? broker_list_secrets(&v.store, tenant, &names, &why)
			    : secret_change(&v, tenant, &why);
	if (err < 0)
		return report(err, &why);
	if (!v.is_list)
		return EXIT_YES;
	return v.is_json ? json_answer(json_pack("{s:s,s:o}", "schema", "casemate.broker.secrets/1",
				   "secrets", names))
			 : lines_answer(names);
}

/* --- policy -------------------------------------------------------------------------------------- */

/* The digest of the init-data whose guests carry it instead of the policy's hash. */
static MUST_USE int init_data_read(const char *path, uint8_t ret[64], struct why *why)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err = fd_read_path(path, LIMIT_KBS_BODY_BYTES, &bytes, &len, why);

	if (err == 0)
		err = initdata_digest(bytes, len, ret, why);
	free(bytes);
	return err;
}

/* What is put must be a policy that the broker will be able to use. */
static int policy_put(const struct verb *v, struct why *why)
{
	uint8_t hash[STORE_HASH_BYTES];
	uint8_t init[64];
	char hex[2 * STORE_HASH_BYTES + 1];
	uint8_t *bytes = NULL;
	size_t len = 0;
	struct policy *policy = malloc(sizeof *policy);
	const char *path = v->args[1];

	int err = policy == NULL ? -ENOMEM
				 : fd_read_path(path, LIMIT_POLICY_BYTES, &bytes, &len, why);
	if (err == -ENOENT)
		err = -EIO;
	if (err == 0 && v->init_data != NULL)
		err = init_data_read(v->init_data, init, why);
	if (err == 0)
		err = broker_put_policy(&v->store, v->has_config ? &v->config : NULL, v->tenant,
			bytes, len, path, v->digests.at, v->digests.n,
			v->init_data != NULL ? init : NULL, policy, hash, why);
	int status = EXIT_YES;
	if (err == -EINVAL) {
		(void)why_prefix(why, 0, "--launch-digest");
		status = usage(why);
	} else if (err < 0)
		status = report(err, why);
	if (err == 0) {
		if (v->digests.n == 0 && policy->boot.n_launch_digests == 0)
			log_warn("no launch digest, here or in the policy: nothing will ever be "
				 "proven with it");
		wr_hex_str(hex, sizeof hex, hash, sizeof hash);
		status = v->is_json      ? json_answer(json_pack("{s:s,s:s,s:s,s:I}", "schema",
						   "casemate.broker.policy/1", "hash", hex, "name",
						   policy->name, "serial", (json_int_t)policy->serial))
			 : puts(hex) < 0 ? EXIT_OURS
					 : EXIT_YES;
	}
	free(policy);
	free(bytes);
	return status;
}

/* By hash; or by name: one serial, or all below one. */
static int policy_revoke(const struct verb *v, struct why *why)
{
	uint8_t hash[STORE_HASH_BYTES];
	unsigned long long serial = 0;
	const char *what = v->args[1];
	const char *tenant = v->tenant != NULL ? v->tenant : "";
	const char *number = v->below != NULL ? v->below : v->serial;

	if (number == NULL && opts_parse_hex(what, hash, sizeof hash) < 0) {
		(void)why_set(why, 0,
			"want the policy's hash, 64 hexadecimal digits, not \"%s\"; or a name with "
			"--serial or --below",
			what);
		return usage(why);
	}
	if ((v->below != NULL && v->serial != NULL) ||
		(number != NULL && opts_parse_u64(v->below != NULL ? "--below" : "--serial", number,
					   0, INT64_MAX, &serial, why) < 0)) {
		if (v->below != NULL && v->serial != NULL)
			(void)why_set(why, 0, "give one of --serial and --below");
		return usage(why);
	}
	int err = v->below != NULL    ? store_set_minimum(&v->store, tenant, what, serial, why)
		  : v->serial != NULL ? store_revoke_serial(&v->store, tenant, what, serial, why)
				      : store_revoke_policy(&v->store, tenant, hash, why);
	return err < 0 ? report(err, why) : EXIT_YES;
}

static int policy_list(const struct verb *v, struct why *why)
{
	json_t *rows = NULL;
	const json_t *row;
	size_t i;
	int err = broker_list_policies(&v->store, v->tenant != NULL ? v->tenant : "", &rows, why);

	if (err < 0)
		return report(err, why);
	if (v->is_json)
		return json_answer(json_pack(
			"{s:s,s:o}", "schema", "casemate.broker.policies/1", "policies", rows));
	json_array_foreach(rows, i, row)
	{
		const char *hash, *state, *name;
		json_int_t serial, n;
		if (json_unpack((json_t *)(uintptr_t)row, "{s:s,s:s,s:s,s:I,s:I}", "hash", &hash,
			    "state", &state, "name", &name, "serial", &serial, "launch_digests",
			    &n) == 0 &&
			printf("%s  %-8s %s serial %lld, %lld launch digests\n", hash, state, name,
				(long long)serial, (long long)n) < 0)
			err = -EIO;
	}
	json_decref(rows);
	return err < 0 ? EXIT_OURS : EXIT_YES;
}

int broker_cmd_policy(int argc, char **argv)
{
	AUTO(verb) struct verb v = { .store = STORE_NONE };
	const struct opt options[] = {
		STORE_OPTIONS(v),
		{ "launch-digest", OPT_LIST, &v.digests, "HEX",
			"put: a launch digest the guest may have, as `casemate measure` prints "
			"it" },
		{ "init-data", OPT_TEXT, &v.init_data, "FILE",
			"put: guests carry the digest of this init-data, not the policy's hash" },
		{ "serial", OPT_TEXT, &v.serial, "N", "revoke NAME: this serial, kept or not yet" },
		{ "below", OPT_TEXT, &v.below, "N", "revoke NAME: every serial below this one" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-broker policy put FILE | list | revoke HASH|NAME",
		"Keep, list or revoke the launch policies whose guests may get secrets.", options,
		1, 2 };
	struct why why = { 0 };

	int status =
		verb_begin(&v, &spec, (const char *const[]){ "revoke", NULL }, argc, argv, &why);
	if (status >= 0)
		return status;
	return v.is_list  ? policy_list(&v, &why)
	       : v.is_put ? policy_put(&v, &why)
			  : policy_revoke(&v, &why);
}

/* --- sev-session --------------------------------------------------------------------------------- */

/* One of the files of casemate attest sev-session, of exactly this length. */
static MUST_USE int session_file(
	const char *folder, const char *name, uint8_t *ret, size_t len, struct why *why)
{
	char path[2 * LIMIT_PATH_BYTES];
	uint8_t *p = NULL;
	size_t got = 0;

	int n = snprintf(path, sizeof path, "%s/%s", folder, name);
	int err = n < 0 || (size_t)n >= sizeof path ? -ENAMETOOLONG
						    : fd_read_path(path, len, &p, &got, why);
	if (err == -ENOENT)
		err = -EIO;
	if (err == 0 && got != len)
		err = why_set(why, -EBADMSG, "%s: %zu bytes, want %zu", path, got, len);
	if (err == 0)
		memcpy(ret, p, len);
	if (p != NULL)
		explicit_bzero(p, got);
	free(p);
	return err;
}

/* The platform's certificates, one behind the other as the files say. */
static MUST_USE int session_certs(
	const struct opt_list *list, uint8_t *ret, size_t size, size_t *ret_len, struct why *why)
{
	struct sev_certs certs = { 0 };
	int err = 0;

	*ret_len = 0;
	for (size_t i = 0; err == 0 && i < list->n; i++) {
		uint8_t *p = NULL;
		size_t len = 0;
		err = fd_read_path(list->at[i], size - *ret_len, &p, &len, why);
		if (err == -ENOENT)
			err = -EIO;
		if (err == 0)
			memcpy(ret + *ret_len, p, len);
		free(p);
		if (err == 0)
			err = sev_certs_add(&certs, ret + *ret_len, len, why);
		if (err < 0)
			return why_prefix(why, err, "%s", list->at[i]);
		*ret_len += len;
	}
	return err;
}

static MUST_USE int session_put(
	const struct verb *v, const char *tenant, uint8_t ret_id[32], struct why *why)
{
	static uint8_t certs[LIMIT_SECRET_BYTES];
	uint8_t blob[SEV_SESSION_BYTES];
	AUTO(secret) struct secret keys = { 0 };
	struct sev_kept kept = { .flags = (v->is_held ? SEV_SESSION_HELD : 0) |
					  (v->is_reusable ? SEV_SESSION_REUSABLE : 0) };

	if (v->policy == NULL || v->certs.n == 0)
		return why_set(why, -EINVAL, "--policy and --certs are needed");
	if (v->is_held && v->is_reusable)
		return why_set(why, -EINVAL,
			"--hold and --reusable: one release would let every launch of the session "
			"run, later ones too: put a session for each launch that is to be held");
	if (opts_parse_hex(v->policy, kept.policy_hash, sizeof kept.policy_hash) < 0)
		return why_set(why, -EINVAL,
			"--policy: want its hash, 64 hexadecimal digits, not \"%.100s\"",
			v->policy);
	int err = secret_init(&keys, SEV_KEY_BYTES + SEV_TIK_BYTES);
	if (err == 0)
		err = session_file(v->args[1], "tek.bin", keys.p, SEV_KEY_BYTES, why);
	if (err == 0)
		err = session_file(
			v->args[1], "tik.bin", keys.p + SEV_KEY_BYTES, SEV_TIK_BYTES, why);
	if (err == 0)
		err = session_file(v->args[1], "session.bin", blob, sizeof blob, why);
	if (err == 0)
		err = session_certs(&v->certs, certs, sizeof certs, &kept.certs.len, why);
	if (err == 0)
		err = broker_sev_id(blob, ret_id);
	if (err < 0)
		return err;
	kept.tek = keys.p;
	kept.tik = keys.p + SEV_KEY_BYTES;
	kept.certs.p = certs;
	return broker_sev_put(&v->store, tenant, ret_id, &kept, why);
}

static int session_lines(json_t *rows)
{
	const json_t *row;
	size_t i;
	int status = EXIT_YES;

	json_array_foreach(rows, i, row)
	{
		const char *id, *policy;
		int is_held, is_reusable;
		if (json_unpack((json_t *)(uintptr_t)row, "{s:s,s:s,s:b,s:b}", "session", &id,
			    "policy", &policy, "held", &is_held, "reusable", &is_reusable) < 0 ||
			printf("%s  policy %s%s%s\n", id, policy, is_held ? " held" : "",
				is_reusable ? " reusable" : "") < 0)
			status = EXIT_OURS;
	}
	json_decref(rows);
	return status;
}

static int session_list(const struct verb *v, const char *tenant, struct why *why)
{
	json_t *rows = NULL;
	int err = broker_sev_list(&v->store, tenant, &rows, why);

	if (err < 0)
		return report(err, why);
	return v->is_json ? json_answer(json_pack("{s:s,s:o}", "schema",
				    "casemate.broker.sev-sessions/1", "sessions", rows))
			  : session_lines(rows);
}

int broker_cmd_sev_session(int argc, char **argv)
{
	AUTO(verb) struct verb v = { .store = STORE_NONE };
	const struct opt options[] = {
		STORE_OPTIONS(v),
		{ "policy", OPT_TEXT, &v.policy, "HASH", "put: the launch policy it is for" },
		{ "certs", OPT_LIST, &v.certs, "FILE",
			"put: the platform's certificates, PDH to ARK" },
		{ "hold", OPT_FLAG, &v.is_held, NULL,
			"put: its launch waits until it is released here" },
		{ "reusable", OPT_FLAG, &v.is_reusable, NULL, "put: for more than one launch" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-broker sev-session put FOLDER | list | "
				       "release SESSION | rm SESSION",
		"Keep the sessions of SEV launches whose measurement this broker answers.", options,
		1, 2 };
	uint8_t id[32];
	char hex[2 * sizeof id + 1];
	struct why why = { 0 };

	int status = verb_begin(
		&v, &spec, (const char *const[]){ "release", "rm", NULL }, argc, argv, &why);
	if (status >= 0)
		return status;
	const char *tenant = v.tenant != NULL ? v.tenant : "";
	if (v.is_list)
		return session_list(&v, tenant, &why);
	int err = v.is_put ? session_put(&v, tenant, id, &why)
		  : opts_parse_hex(v.args[1], id, sizeof id) < 0
			  ? why_set(&why, -EINVAL,
				    "want a session, 64 hexadecimal digits, not \"%.100s\"",
				    v.args[1])
		  : strcmp(v.args[0], "rm") == 0 ? broker_sev_remove(&v.store, tenant, id, &why)
						 : broker_sev_release(&v.store, tenant, id, &why);
	if (err < 0)
		return err == -EINVAL ? usage(&why) : report(err, &why);
	wr_hex_str(hex, sizeof hex, id, sizeof id);
	return !v.is_put       ? EXIT_YES
	       : v.is_json     ? json_answer(json_pack("{s:s,s:s}", "schema",
					 "casemate.broker.sev-session/1", "session", hex))
	       : puts(hex) < 0 ? EXIT_OURS
			       : EXIT_YES;
}

/* --- store --------------------------------------------------------------------------------------- */

static int old_import(const struct verb *v, struct why *why)
{
	struct import_count n = { 0 };
	int err = store_import(&v->store, v->has_config ? &v->config : NULL, v->args[1], &n, why);

	if (err < 0)
		return report(err, why);
	log_info("%u secrets, %u policies, %u releases imported; %s holds the secrets in plain "
		 "text: "
		 "remove it",
		n.secrets, n.policies, n.released, v->args[1]);
	return EXIT_YES;
}

/* The store opens with the key of the other configuration and gets that of its own. */
static int key_change(struct verb *v, struct why *why)
{
	AUTO(broker_config) struct broker_config old = { 0 };
	AUTO(broker_config) struct broker_config config = { 0 };
	int err = v->config_path == NULL || v->folder != NULL
			  ? why_set(why, -EINVAL, "store rekey wants --config, not --store")
			  : broker_config_read(v->config_path, &config, why);

	if (err == -EINVAL)
		return usage(why);
	if (err == 0)
		err = broker_config_read(v->args[1], &old, why);
	const struct kek from = broker_config_kek(&old), to = broker_config_kek(&config);
	if (err == 0)
		err = store_find(config.store, &from, &v->store, why);
	if (err == 0)
		err = store_rekey(&v->store, &to, why);
	return err < 0 ? report(err == -ENOENT ? -EIO : err, why) : EXIT_YES;
}

int broker_cmd_store(int argc, char **argv)
{
	AUTO(verb) struct verb v = { .store = STORE_NONE, .is_put = true };
	const struct opt options[] = {
		{ "config", OPT_TEXT, &v.config_path, "FILE", "the broker's configuration" },
		{ "store", OPT_TEXT, &v.folder, "FOLDER", "import: the store itself" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-broker store import FOLDER | rekey OLD-CONFIG",
		"Take over a store of plain files; change the key a store is sealed with.", options,
		2, 2 };
	struct why why = { 0 };

	int err = opts_parse(&spec, argc, argv, &v.args, &v.n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage(&why);
	if (strcmp(v.args[0], "rekey") == 0)
		return key_change(&v, &why);
	if (strcmp(v.args[0], "import") != 0) {
		(void)why_set(&why, 0, "want: %s", spec.usage);
		return usage(&why);
	}
	err = store_take(&v, &why);
	if (err < 0)
		return err == -EINVAL ? usage(&why) : report(err, &why);
	return old_import(&v, &why);
}
