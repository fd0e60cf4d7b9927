#include "attest/cmd_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cmd.h"
#include "attest/dsse.h"
#include "attest/ear.h"
#include "attest/token.h"
#include "base/fd.h"
#include "policy/policy.h"

#define LIFETIME_S 300 /* what CoCo's attestation service gives its tokens */

#define FORM_DSSE  EAR_FORM_COUNT

static const struct {
	const char *name;
	enum ear_form form; /* FORM_DSSE: a statement */
} formats[] = {
	{ "ear", EAR_DRAFT },
	{ "ear-veraison", EAR_VERAISON },
	{ "coco", EAR_TRUSTEE },
	{ "dsse", FORM_DSSE },
};

static MUST_USE int format_parse(const char *name, enum ear_form *ret, struct why *why)
{
	*ret = EAR_DRAFT;
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(formats); i++) {
		if (strcmp(formats[i].name, name) != 0)
			continue;
		*ret = formats[i].form;
		return 0;
	}
	return name == NULL ? 0
			    : why_set(why, -EINVAL,
				      "--token-format: '%s' is not ear, ear-veraison, coco or dsse",
				      name);
}

int cmd_token_usage(const struct token_args *a, bool has_references, struct why *why)
{
	enum ear_form form;

	if (a->token == NULL && a->issuers.n > 0)
		return why_set(why, -EINVAL, "--issuer goes with --token");
	if (a->token == NULL && !has_references && a->keys.n > 0)
		return why_set(why, -EINVAL, "--keys goes with --token or --reference");
	if ((a->out == NULL) != (a->key == NULL))
		return why_set(why, -EINVAL, "--token-out and --token-key go together");
	if (a->out == NULL && (a->format != NULL || a->policy_id != NULL))
		return why_set(
			why, -EINVAL, "--token-format and --token-policy-id go with --token-out");
	return format_parse(a->format, &form, why);
}

/* --- checking ---------------------------------------------------------------------------------- */

static MUST_USE int trust_load(const struct token_args *a, const struct attest_inputs *in,
	struct jwk_set *keys, struct cert_store *roots, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < a->keys.n && err == 0; i++) {
		AUTO(cmd_files) struct cmd_files file = { 0 };
		err = cmd_files_add(&file, a->keys.at[i], LIMIT_EVIDENCE_BYTES, why);
		if (err < 0)
			break;
		err = jwk_set_add(keys, file.at[0].p, file.at[0].len, why);
		if (err < 0)
			err = why_prefix(why, err, "%s", a->keys.at[i]);
	}
	for (size_t i = 0; i < in->n_roots && err == 0; i++)
		err = cert_store_add(roots, in->roots[i].p, in->roots[i].len, why);
	return err;
}

static int answer(const struct token *t, bool as_json, bool accept_warning)
{
	bool is_good = t->overall == VERDICT_AFFIRMING ||
		       (t->overall == VERDICT_WARNING && accept_warning);
	struct why why = { 0 };
	struct wr w = { 0 };
	int err = cmd_text_open(&w, &why);

	if (err < 0)
		return cmd_fail(EXIT_OURS, err, &why);
	if (as_json)
		token_print_json(t, &w);
	else
		token_print_text(t, &w);
	int status = cmd_print(&w, is_good ? EXIT_YES : EXIT_NO);
	free(w.buf);
	return status;
}

int cmd_token_verify(const struct token_args *a, const struct attest_inputs *in, bool as_json,
	bool accept_warning)
{
	static struct token token; /* large; one thread, one call */
	static struct jwk_set keys;
	AUTO(cmd_files) struct cmd_files file = { 0 };
	AUTO(cert_store) struct cert_store roots = { 0 };
	struct why why = { 0 };
	int err = cmd_files_add(&file, a->token, LIMIT_TOKEN_BYTES, &why);

	if (err == 0)
		err = trust_load(a, in, &keys, &roots, &why);
	if (err == 0) {
		struct token_inputs ti = {
			.bytes = file.at[0],
			.trust = { .keys = &keys, .roots = &roots, .at = in->at },
			.nonce = { in->report_data,
				in->report_data != NULL ? in->report_data_len : 0 },
			.issuers = a->issuers.at,
			.n_issuers = a->issuers.n,
		};
		err = token_verify(&ti, &token, &why);
		if (err < 0)
			err = why_prefix(&why, err, "%s", a->token);
	}
	int status = err < 0 ? cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why)
			     : answer(&token, as_json, accept_warning);
	token_done(&token);
	jwk_set_done(&keys);
	return status;
}

/* --- writing ----------------------------------------------------------------------------------- */

/* Who reads a token wants to know which policy it was: its name and hash. */
static void policy_id_print(
	const struct token_args *a, const struct policy *p, char *ret, size_t size)
{
	char hash[65];

	if (a->policy_id != NULL || p == NULL) {
		(void)snprintf(ret, size, "%s", a->policy_id != NULL ? a->policy_id : EAR_POLICY);
		return;
	}
	wr_hex_str(hash, sizeof hash, p->hash, sizeof p->hash);
	(void)snprintf(ret, size, "casemate:%s:sha256:%s", p->name, hash);
}

static MUST_USE int key_load(const char *path, struct jwk *ret, struct why *why)
{
	uint8_t *pem = NULL;
	size_t len = 0;
	int err = fd_read_path(path, LIMIT_CERT_BLOB_BYTES, &pem, &len, why);

	if (err < 0)
		return err;
	err = jwk_load_private(ret, pem, len, why);
	explicit_bzero(pem, len);
	free(pem);
	return err < 0 ? why_prefix(why, err, "%s", path) : 0;
}

static MUST_USE int text_write(const char *path, const char *text, struct why *why)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);

	if (fd < 0)
		return why_set(why, -errno, "cannot write %s", path);
	int err = fd_write_all(fd, text, strlen(text));
	return err < 0 ? why_set(why, err, "cannot write %s", path) : 0;
}

int cmd_token_write(const struct token_args *a, const struct attest_inputs *in,
	const struct verdict *v, struct why *why)
{
	AUTO(jwk) struct jwk key = { 0 };
	char policy_id[256];
	char *text = NULL;
	struct ear_options o = { .issued_at = in->at,
		.expires = in->at + LIFETIME_S,
		.policy_id = policy_id,
		.key = &key };
	int err = format_parse(a->format, &o.form, why);

	if (err == 0)
		err = key_load(a->key, &key, why);
	if (err < 0)
		return err;
	policy_id_print(a, in->policy, policy_id, sizeof policy_id);
	/* What was asked for is the nonce, when it is long enough to be one. */
	if (in->report_data != NULL && in->report_data_len >= EAR_NONCE_MIN)
		o.nonce = (struct attest_blob){ in->report_data, in->report_data_len };
	if (o.form == FORM_DSSE) {
		o.raw_evidence = in->evidence;
		err = dsse_print_verdict(v, &o, &text, why);
	} else {
		err = ear_print(v, &o, &text, why);
	}
	if (err == 0)
		err = text_write(a->out, text, why);
	free(text);
	return err;
}
