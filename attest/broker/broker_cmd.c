#include "attest/broker/broker_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/broker/broker_config.h"
#include "attest/broker/broker_store.h"
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

/* The store: named itself, or by the configuration. */
static MUST_USE int store_take(const char *folder, const char *config_path, bool is_making,
	struct store *ret, struct why *why)
{
	AUTO(broker_config) struct broker_config config = { 0 };

	if ((folder == NULL) == (config_path == NULL))
		return why_set(why, -EINVAL, "give one of --store and --config");
	if (folder == NULL) {
		int err = broker_config_read(config_path, &config, why);
		if (err < 0)
			return err == -ENOENT ? -EIO
					      : err; /* -ENOENT is for what a store does not hold */
		folder = config.store;
	}
	return is_making ? store_open(folder, ret, why) : store_find(folder, ret, why);
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

static MUST_USE int secret_put(
	const struct store *s, const char *path, const char *file, struct why *why)
{
	AUTO(secret) struct secret secret = { 0 };
	struct kbs_path parsed;

	int err = kbs_path_parse(path, &parsed, why);
	if (err == 0)
		err = secret_input(file, &secret, why);
	if (err == 0)
		err = store_write_secret(s, &parsed, &secret, why);
	return err;
}

static MUST_USE int secret_remove(const struct store *s, const char *path, struct why *why)
{
	struct kbs_path parsed;

	int err = kbs_path_parse(path, &parsed, why);
	return err < 0 ? err : store_remove_secret(s, &parsed, why);
}

static int name_print(void *owner, const char *name)
{
	return owner != NULL    ? json_array_append_new(owner, json_string(name)) < 0 ? -ENOMEM : 0
	       : puts(name) < 0 ? -EIO
				: 0;
}

static int secret_list(const struct store *s, bool is_json, struct why *why)
{
	json_t *names = is_json ? json_array() : NULL;
	int err = store_list_secrets(s, name_print, names, why);

	if (err < 0) {
		json_decref(names);
		return report(err, why);
	}
	return is_json ? json_answer(json_pack("{s:s,s:o}", "schema", "casemate.broker.secrets/1",
				 "secrets", names))
		       : EXIT_YES;
}

int broker_cmd_secret(int argc, char **argv)
{
	const char *folder = NULL;
	const char *config = NULL;
	const char *file = NULL;
	bool is_json = false;
	const struct opt options[] = {
		{ "config", OPT_TEXT, &config, "FILE",
			"the broker's configuration, which names the store" },
		{ "store", OPT_TEXT, &folder, "FOLDER", "the store itself" },
		{ "file", OPT_TEXT, &file, "FILE",
			"put: read the secret from here, not standard input" },
		{ "json", OPT_FLAG, &is_json, NULL, "list: one JSON object" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-broker secret put|rm REPOSITORY/TYPE/TAG | list",
		"Keep, list or remove the secrets that proven guests may get.", options, 1, 2 };
	AUTO(store) struct store s = STORE_NONE;
	struct why why = { 0 };
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage(&why);
	bool is_list = strcmp(args[0], "list") == 0;
	bool is_put = strcmp(args[0], "put") == 0;
	if (n != (is_list ? 1 : 2) || (!is_list && !is_put && strcmp(args[0], "rm") != 0)) {
		(void)why_set(&why, 0, "want secret put PATH, secret rm PATH or secret list");
		return usage(&why);
	}
	err = store_take(folder, config, is_put, &s, &why);
	if (err == -EINVAL)
		return usage(&why);
	if (err < 0)
		return report(err, &why);
	if (is_list)
		return secret_list(&s, is_json, &why);
	err = is_put ? secret_put(&s, args[1], file, &why) : secret_remove(&s, args[1], &why);
	return err < 0 ? report(err, &why) : EXIT_YES;
}

/* --- policy ------------------------------------------------------------------------------------ */

static void hex_print(const uint8_t *bytes, size_t len, char *ret, size_t size)
{
	struct wr w = wr_of(ret, size);

	wr_hex(&w, bytes, len);
	if (wr_end_str(&w) < 0)
		ret[0] = '\0';
}

static MUST_USE int digests_parse(const struct opt_list *list,
	uint8_t ret[LIMIT_BROKER_DIGESTS][STORE_DIGEST_BYTES], struct why *why)
{
	if (list->n > LIMIT_BROKER_DIGESTS)
		return why_set(why, -EINVAL, "at most %u launch digests", LIMIT_BROKER_DIGESTS);
	for (size_t i = 0; i < list->n; i++)
		if (opts_parse_hex(list->at[i], ret[i], STORE_DIGEST_BYTES) < 0)
			return why_set(why, -EINVAL,
				"--launch-digest: want 96 hexadecimal digits, not \"%s\"",
				list->at[i]);
	return 0;
}

/* What is put must be a policy that the broker will be able to use. */
static int policy_put(const struct store *s, const char *path, const struct opt_list *list,
	bool is_json, struct why *why)
{
	uint8_t digests[LIMIT_BROKER_DIGESTS][STORE_DIGEST_BYTES];
	uint8_t hash[STORE_HASH_BYTES];
	char hex[2 * STORE_HASH_BYTES + 1];
	struct policy *policy = NULL;
	uint8_t *bytes = NULL;
	size_t len = 0;

	int err = digests_parse(list, digests, why);
	if (err < 0)
		return usage(why);
	policy = malloc(sizeof *policy);
	err = policy == NULL ? -ENOMEM : fd_read_path(path, LIMIT_POLICY_BYTES, &bytes, &len, why);
	if (err == 0)
		err = policy_parse(bytes, len, path, policy, why);
	if (err < 0)
		log_err("%s", why_text(why, err));
	int status = err < 0 ? policy_exit_status(err) : EXIT_YES;
	if (err == 0 && list->n == 0 && policy->boot.n_launch_digests == 0)
		log_warn("no launch digest, here or in the policy: nothing will ever be proven "
			 "with it");
	if (err == 0) {
		err = store_write_policy(s, bytes, len, digests, list->n, hash, why);
		status = err < 0 ? report(err, why) : EXIT_YES;
	}
	if (err == 0) {
		hex_print(hash, sizeof hash, hex, sizeof hex);
		status = is_json         ? json_answer(json_pack("{s:s,s:s,s:s,s:I}", "schema",
						   "casemate.broker.policy/1", "hash", hex, "name",
						   policy->name, "serial", (json_int_t)policy->serial))
			 : puts(hex) < 0 ? EXIT_OURS
					 : EXIT_YES;
	}
	free(policy);
	free(bytes);
	return status;
}

static int policy_revoke(const struct store *s, const char *hex, struct why *why)
{
	uint8_t hash[STORE_HASH_BYTES];

	if (opts_parse_hex(hex, hash, sizeof hash) < 0) {
		(void)why_set(
			why, 0, "want the policy's hash, 64 hexadecimal digits, not \"%s\"", hex);
		return usage(why);
	}
	int err = store_revoke_policy(s, hash, why);
	return err < 0 ? report(err, why) : EXIT_YES;
}

struct policy_lister {
	const struct store *store;
	struct policy *policy;
	json_t *rows; /* NULL: text */
};

static int policy_print(void *owner, const char *hex)
{
	struct policy_lister *l = owner;
	AUTO(store_policy) struct store_policy p = { 0 };
	uint8_t hash[STORE_HASH_BYTES];
	const char *name = "(damaged)";
	const char *state = "damaged";
	json_int_t serial = 0;

	int err = opts_parse_hex(hex, hash, sizeof hash);
	if (err < 0)
		return 0; /* not a file of ours */
	err = store_read_policy(l->store, hash, &p, NULL);
	if (err == 0)
		err = policy_parse(p.bytes, p.len, hex, l->policy, NULL);
	if (err == 0) {
		name = l->policy->name;
		serial = (json_int_t)l->policy->serial;
		state = p.is_revoked ? "revoked" : "active";
	}
	if (l->rows == NULL)
		return printf("%s  %-8s %s serial %lld, %zu launch digests\n", hex, state, name,
			       (long long)serial, p.n_digests) < 0
			       ? -EIO
			       : 0;
	return json_array_append_new(l->rows,
		       json_pack("{s:s,s:s,s:s,s:I,s:I}", "hash", hex, "state", state, "name", name,
			       "serial", serial, "launch_digests", (json_int_t)p.n_digests)) < 0
		       ? -ENOMEM
		       : 0;
}

static int policy_list(const struct store *s, bool is_json, struct why *why)
{
	struct policy_lister l = { .store = s, .rows = is_json ? json_array() : NULL };

	l.policy = malloc(sizeof *l.policy);
	int err = l.policy == NULL ? -ENOMEM : store_list_policies(s, policy_print, &l, why);
	free(l.policy);
	if (err < 0) {
		json_decref(l.rows);
		return report(err, why);
	}
	return is_json ? json_answer(json_pack("{s:s,s:o}", "schema", "casemate.broker.policies/1",
				 "policies", l.rows))
		       : EXIT_YES;
}

int broker_cmd_policy(int argc, char **argv)
{
	const char *folder = NULL;
	const char *config = NULL;
	struct opt_list digests = { 0 };
	bool is_json = false;
	const struct opt options[] = {
		{ "config", OPT_TEXT, &config, "FILE",
			"the broker's configuration, which names the store" },
		{ "store", OPT_TEXT, &folder, "FOLDER", "the store itself" },
		{ "launch-digest", OPT_LIST, &digests, "HEX",
			"put: a launch digest the guest may have, as `casemate measure` prints "
			"it" },
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-broker policy put FILE | list | revoke HASH",
		"Keep, list or revoke the launch policies whose guests may get secrets.", options,
		1, 2 };
	AUTO(store) struct store s = STORE_NONE;
	struct why why = { 0 };
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage(&why);
	bool is_list = strcmp(args[0], "list") == 0;
	bool is_put = strcmp(args[0], "put") == 0;
	if (n != (is_list ? 1 : 2) || (!is_list && !is_put && strcmp(args[0], "revoke") != 0)) {
		(void)why_set(&why, 0, "want policy put FILE, policy list or policy revoke HASH");
		return usage(&why);
	}
	err = store_take(folder, config, is_put, &s, &why);
	if (err == -EINVAL)
		return usage(&why);
	if (err < 0)
		return report(err, &why);
	if (is_list)
		return policy_list(&s, is_json, &why);
	return is_put ? policy_put(&s, args[1], &digests, is_json, &why)
		      : policy_revoke(&s, args[1], &why);
}
