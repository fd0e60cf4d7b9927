#include "attest/tpm_alg.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const struct tpm_alg algs[] = {
	{ TPM_ALG_SHA1, 20, "sha1", "SHA1" },
	{ TPM_ALG_SHA256, 32, "sha256", "SHA2-256" },
	{ TPM_ALG_SHA384, 48, "sha384", "SHA2-384" },
	{ TPM_ALG_SHA512, 64, "sha512", "SHA2-512" },
	{ TPM_ALG_SM3, 32, "sm3", "SM3" },
};

const struct tpm_alg *tpm_alg_find(uint16_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(algs); i++)
		if (algs[i].id == id)
			return &algs[i];
	return NULL;
}

const struct tpm_alg *tpm_alg_named(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(algs); i++)
		if (strlen(algs[i].name) == len && strncasecmp(algs[i].name, name, len) == 0)
			return &algs[i];
	return NULL;
}

const char *tpm_alg_name(uint16_t id)
{
	const struct tpm_alg *alg = tpm_alg_find(id);

	return alg == NULL ? "?" : alg->name;
}

int tpm_hash(const struct tpm_alg *alg, const struct tpm_part *parts, size_t n, uint8_t *ret)
{
	EVP_MD *md = EVP_MD_fetch(NULL, alg->openssl, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = md != NULL && ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) == 1;

	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return ok ? 0 : -EIO;
}

int tpm_extend(const struct tpm_alg *alg, uint8_t *value, const uint8_t *digest)
{
	const struct tpm_part parts[] = { { value, alg->size }, { digest, alg->size } };

	return tpm_hash(alg, parts, ARRAY_LEN(parts), value);
}
