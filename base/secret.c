#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/opts.h"

int secret_init(struct secret *ret, size_t len)
{
	uint64_t size;

	if (len == 0 || len > LIMIT_SECRET_BYTES || num_align_up(&size, len, PAGE_BYTES) < 0)
		return -ERANGE;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	if (mlock(p, size) < 0 || madvise(p, size, MADV_DONTDUMP) < 0 ||
		madvise(p, size, MADV_WIPEONFORK) < 0) {
		(void)munmap(p, size);
		return -ENOMEM;
	}
	*ret = (struct secret){ .p = p, .len = len, .map_size = size };
	return 0;
}

int secret_init_copy(struct secret *ret, const void *src, size_t len)
{
	int err = secret_init(ret, len);

	if (err == 0)
		memcpy(ret->p, src, len);
	return err;
}

int secret_parse_key(struct secret *ret, char *text, size_t len)
{
	AUTO(secret) struct secret key = { 0 };

	int err = secret_init(&key, SECRET_KEY_BYTES);
	if (err == 0 && len == SECRET_KEY_BYTES) {
		memcpy(key.p, text, len);
	} else if (err == 0) {
		while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
			len--;
		text[len] = '\0';
		err = opts_parse_hex(text, key.p, SECRET_KEY_BYTES);
	}
	if (err == 0)
		*ret = secret_take(&key);
	return err;
}

void secret_done(struct secret *s)
{
	if (s->p != NULL) {
		explicit_bzero(s->p, s->map_size);
		(void)munmap(s->p, s->map_size);
	}
	*s = (struct secret){ 0 };
}

struct secret secret_take(struct secret *s)
{
	struct secret v = *s;

	*s = (struct secret){ 0 };
	return v;
}

bool secret_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= (uint8_t)(x[i] ^ y[i]);
	return diff == 0;
}
