#include "attest/sha384.h"

#include <errno.h>

int sha384_init(struct sha384 *ret)
{
	struct sha384 s = { .md = EVP_MD_fetch(NULL, "SHA2-384", NULL), .ctx = EVP_MD_CTX_new() };

	if (s.md == NULL || s.ctx == NULL) {
		sha384_done(&s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void sha384_done(struct sha384 *s)
{
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->md);
	*s = (struct sha384){ 0 };
}

int sha384_of(struct sha384 *s, const void *buf, size_t len, uint8_t ret[SHA384_BYTES])
{
	if (EVP_DigestInit_ex2(s->ctx, s->md, NULL) != 1 ||
		EVP_DigestUpdate(s->ctx, buf, len) != 1 ||
		EVP_DigestFinal_ex(s->ctx, ret, NULL) != 1)
		return -EIO;
	return 0;
}

int sha384_once(const void *buf, size_t len, uint8_t ret[SHA384_BYTES])
{
	AUTO(sha384) struct sha384 s = { 0 };
	int err = sha384_init(&s);

	return err < 0 ? err : sha384_of(&s, buf, len, ret);
}
