#include "attest/broker/kbs_bind.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "attest/broker/kbs_json.h"
#include "base/limits.h"

#define JWK_MEMBERS_MAX 8u /* kty crv alg x y kid use, and one to spare */

/* Public members only: "d" and its friends do not belong on the wire. */
static bool member_is_public(const char *name)
{
	static const char *const names[] = { "kty", "crv", "alg", "x", "y", "n", "e", "kid",
		"use" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool text_is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static bool member_is(const json_t *jwk, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(jwk, name));

	return text != NULL && strcmp(text, value) == 0;
}

/* Length of a base64url number in bytes, 0 when it is absent. */
static size_t number_bytes(const json_t *jwk, const char *name)
{
	return json_string_length(json_object_get(jwk, name)) * 3 / 4;
}

static MUST_USE int ec_check(const json_t *jwk, struct why *why)
{
	static const struct {
		const char *name;
		size_t bytes;
	} curves[] = { { "P-256", 32 }, { "P-384", 48 }, { "P-521", 66 } };

	if (!member_is(jwk, "alg", "ECDH-ES+A256KW"))
		return why_set(
			why, -EPROTONOSUPPORT, "tee-pubkey: EC key, want alg ECDH-ES+A256KW");
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (member_is(jwk, "crv", curves[i].name))
			return number_bytes(jwk, "x") == curves[i].bytes &&
					       number_bytes(jwk, "y") == curves[i].bytes
				       ? 0
				       : why_set(why, -EBADMSG,
						 "tee-pubkey: x and y of %s want %zu bytes each",
						 curves[i].name, curves[i].bytes);
	return why_set(why, -EPROTONOSUPPORT, "tee-pubkey: want curve P-256, P-384 or P-521");
}

static MUST_USE int rsa_check(const json_t *jwk, bool may_rsa1_5, struct why *why)
{
	size_t n = number_bytes(jwk, "n");

	if (!member_is(jwk, "alg", "RSA-OAEP-256") &&
		!(may_rsa1_5 && member_is(jwk, "alg", "RSA1_5")))
		return why_set(why, -EPROTONOSUPPORT, "tee-pubkey: RSA key, want alg RSA-OAEP-256");
	if (n < 256 || n > 512 || !member_is(jwk, "e", "AQAB"))
		return why_set(why, -EBADMSG, "tee-pubkey: want RSA of 2048 to 4096 bits, e 65537");
	return 0;
}

int kbs_key_check(const json_t *jwk, bool may_rsa1_5, struct why *why)
{
	const char *name;
	json_t *value;

	if (!json_is_object(jwk) || json_object_size(jwk) > JWK_MEMBERS_MAX)
		return why_set(why, -EBADMSG, "tee-pubkey: want an object of at most %u members",
			JWK_MEMBERS_MAX);
	json_object_foreach((json_t *)(uintptr_t)jwk, name, value)
	{
		if (!member_is_public(name) || !json_is_string(value) ||
			json_string_length(value) > LIMIT_KBS_KEY_TEXT_BYTES ||
			json_string_length(value) != strlen(json_string_value(value)) ||
			!text_is_plain(json_string_value(value)))
			return why_set(
				why, -EBADMSG, "tee-pubkey: member \"%.20s\" is not ours", name);
	}
	if (member_is(jwk, "kty", "EC"))
		return ec_check(jwk, why);
	if (member_is(jwk, "kty", "RSA"))
		return rsa_check(jwk, may_rsa1_5, why);
	return why_set(why, -EPROTONOSUPPORT, "tee-pubkey: want kty EC or RSA");
}

int kbs_bind_report_data(const char *nonce, const json_t *jwk, uint8_t ret[KBS_REPORT_DATA_BYTES])
{
	return kbs_bind_with("", nonce, jwk, ret);
}

int kbs_bind_with(const char *additional, const char *nonce, const json_t *jwk,
	uint8_t ret[KBS_REPORT_DATA_BYTES])
{
	AUTO(kbs_json)
	json_t *bound = json_pack("{s:s,s:s,s:O}", "additional-evidence", additional, "nonce",
		nonce, "tee-pubkey", (json_t *)(uintptr_t)jwk);
	AUTO(kbs_text) char *text = NULL;
	uint8_t digest[KBS_REPORT_DATA_BYTES] = { 0 };

	if (bound == NULL)
		return -ENOMEM;
	int err = kbs_json_print(bound, &text);
	if (err < 0)
		return err;
	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha384(), NULL) != 1)
		return -EIO;

	memcpy(ret, digest, KBS_REPORT_DATA_BYTES);
	return 0;
}
