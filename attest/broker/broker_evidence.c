#include "attest/broker/broker_evidence.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/kbs_json.h"
#include "base/b64.h"

static const char *const names[TEE_COUNT] = { "snp", "tdx", "az-snp-vtpm", "az-tdx-vtpm", "tpm" };

const char *tee_name(enum broker_tee tee)
{
	return names[tee];
}

int tee_parse(const char *name, enum broker_tee *ret, struct why *why)
{
	for (enum broker_tee t = 0; t < TEE_COUNT; t++)
		if (strcmp(names[t], name) == 0) {
			*ret = t;
			return 0;
		}
	return why_set(why, -EPROTONOSUPPORT,
		"tee %s: want snp, tdx, az-snp-vtpm, az-tdx-vtpm or tpm", name);
}

/* A member in base64, either alphabet; what is absent or null has no bytes. */
static MUST_USE int bytes_parse(const json_t *j, const char *name, bool is_needed, uint8_t *ret,
	size_t max, size_t *ret_len, struct why *why)
{
	const json_t *member = json_object_get(j, name);
	const char *text = json_string_value(member);
	size_t len = json_string_length(member);

	*ret_len = 0;
	if (!is_needed && (member == NULL || json_is_null(member) || (text != NULL && len == 0)))
		return 0;
	if (text == NULL || len == 0 ||
		(b64_parse(text, len, ret, max, ret_len) < 0 &&
			b64url_parse(text, len, ret, max, ret_len) < 0))
		return why_set(why, -EBADMSG, "\"%s\": want bytes in base64", name);
	return 0;
}

/* Members differ by version: whoever judges the quote knows them. */
static MUST_USE int text_keep(const json_t *primary, struct evidence *e, struct why *why)
{
	AUTO(kbs_text) char *text = NULL;

	if (!json_is_object(primary))
		return why_set(why, -EBADMSG, "\"primary_evidence\": want an object");
	int err = kbs_json_print(primary, &text);
	if (err < 0)
		return err;
	e->len = strlen(text);
	if (e->len > sizeof e->bytes)
		return -EMSGSIZE;
	memcpy(e->bytes, text, e->len);
	return 0;
}

int evidence_parse(
	const json_t *primary, enum broker_tee tee, struct evidence *ret, struct why *why)
{
	ret->tee = tee;
	ret->len = ret->log_len = ret->snp.n_certs = 0;
	if (tee == TEE_SNP)
		return kbs_snp_parse(primary, &ret->snp, why);
	if (tee != TEE_TDX)
		return text_keep(primary, ret, why);
	int err =
		bytes_parse(primary, "quote", true, ret->bytes, sizeof ret->bytes, &ret->len, why);
	return err < 0 ? err
		       : bytes_parse(primary, "cc_eventlog", false, ret->log, sizeof ret->log,
				 &ret->log_len, why);
}

struct attest_blob evidence_blob(const struct evidence *e)
{
	return e->tee == TEE_SNP ? (struct attest_blob){ e->snp.report, sizeof e->snp.report }
				 : (struct attest_blob){ e->bytes, e->len };
}

/* --- init-data (12.2) ---------------------------------------------------------------------------- */

/* The value of a top-level `algorithm = "..."`; TOML's tables start with a bracket. */
static const char *toml_algorithm(const char *text, size_t len, size_t *ret_len)
{
	static const char key[] = "algorithm";

	for (const char *line = text, *end = text + len; line < end && *line != '[';) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((eol != NULL ? eol : end) - line);
		if (n > strlen(key) && strncmp(line, key, strlen(key)) == 0) {
			const char *at = line + strlen(key);
			at += strspn(at, " \t");
			at += *at == '=';
			at += strspn(at, " \t");
			*ret_len = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz0123456789-");
			return (*at == '"' || *at == '\'') && at[1 + *ret_len] == *at ? at + 1
										      : NULL;
		}
		line += n + 1;
	}
	return NULL;
}

int initdata_digest(const void *body, size_t len, uint8_t ret[64], struct why *why)
{
	static const char *const algorithms[][2] = { { "sha256", "sha-256" },
		{ "sha384", "sha-384" }, { "sha512", "sha-512" } };
	AUTO(kbs_json) json_t *j = NULL;
	AUTO(kbs_text)
	char *text = strndup(body, len); /* no embedded zero: what follows is unseen */
	size_t n = 0;

	if (text == NULL)
		return -ENOMEM;
	if (len == 0 || strlen(text) != len)
		return why_set(why, -EBADMSG, "init-data: want text");
	const char *name = NULL;
	if (kbs_json_load(body, len, &j, NULL) == 0) {
		name = json_string_value(json_object_get(j, "algorithm"));
		n = name != NULL ? strlen(name) : 0;
	} else {
		name = toml_algorithm(text, len, &n);
	}
	for (size_t i = 0; name != NULL && i < 2 * ARRAY_LEN(algorithms); i++) {
		const char *one = algorithms[i / 2][i % 2];
		if (strlen(one) != n || strncmp(one, name, n) != 0)
			continue;
		memset(ret, 0, 64);
		return EVP_Digest(body, len, ret, NULL, EVP_get_digestbyname(algorithms[i / 2][0]),
			       NULL) == 1
			       ? 0
			       : -EIO;
	}
	return why_set(why, -EPROTONOSUPPORT,
		"init-data: want an algorithm of sha256, sha384, sha512 in it");
}
