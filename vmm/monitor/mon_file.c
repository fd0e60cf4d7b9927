#include "vmm/monitor/mon_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/sha512.h"
#include "base/wr.h"

#define HEX_BYTES (2 * SHA512_384_BYTES + 1)

int mon_file_check(
	const struct mon_file *f, const char *name, const void *bytes, size_t len, struct why *why)
{
	uint8_t is[SHA512_384_BYTES];
	char is_hex[HEX_BYTES], want_hex[HEX_BYTES];

	if (f->want == NULL || le32_get(f->want->has_sha384) == 0)
		return 0;
	sha512_384(bytes, len, is);
	if (memcmp(is, f->want->sha384, sizeof is) == 0)
		return 0;
	wr_hex_str(is_hex, sizeof is_hex, is, sizeof is);
	wr_hex_str(want_hex, sizeof want_hex, f->want->sha384, sizeof f->want->sha384);
	return why_set(why, -EBADMSG,
		"%s: differs from the policy: boot.%s.sha384 is %s, the file's %s", name, name,
		want_hex, is_hex);
}

int mon_file_read(const struct mon_file *f, size_t max, const char *name, uint8_t **ret,
	size_t *ret_len, struct why *why)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return why_set(why, -errno, "%s: cannot be examined", name);
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return why_set(why, -EMSGSIZE, "%s: %lld bytes, at most %zu", name,
			(long long)st.st_size, max);
	size_t len = (size_t)st.st_size;
	if (len == 0) {
		*ret_len = 0;
		return mon_file_check(f, name, "", 0, why);
	}
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return why_set(why, -ENOMEM, "%s: no memory for %zu bytes", name, len);
	int err = fd_pread_all(f->fd, p, len, 0);
	if (err < 0)
		(void)why_set(why, err, "%s: cannot be read: %s", name, strerrordesc_np(-err));
	else
		err = mon_file_check(f, name, p, len, why);
	if (err < 0) {
		(void)munmap(p, len);
		return err;
	}
	*ret = p;
	*ret_len = len;
	return 0;
}
