#include "vmm/monitor/mon_certs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/rd.h"

#define GUID_BYTES  16u
#define ENTRY_BYTES 24u /* GUID, offset, length: ABI 3.5 */

static bool lock_set(const struct certs *c, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(c->fd, F_OFD_SETLK, &lock) == 0;
}

void mon_certs_init(struct certs *c, int fd)
{
	struct stat st;

	c->fd = fd;
	c->is_locked = false;
	c->has_table = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0;
	if (!c->has_table)
		fd_drop(&c->fd);
}

void mon_certs_done(struct certs *c)
{
	if (c->has_table)
		fd_drop(&c->fd); /* and the lock with it */
	c->has_table = false;
}

bool mon_certs_check(const uint8_t *table, size_t len)
{
	static const uint8_t zeros[ENTRY_BYTES];
	struct rd r = rd_of(table, len);

	for (unsigned int i = 0; i < LIMIT_CERT_TABLE_ENTRIES; i++) {
		const uint8_t *entry = rd_bytes(&r, ENTRY_BYTES);
		if (entry == NULL)
			return false;
		if (memcmp(entry, zeros, ENTRY_BYTES) == 0)
			return true;
		struct rd e = rd_of(entry, ENTRY_BYTES);
		rd_skip(&e, GUID_BYTES);
		uint32_t at = rd_le32(&e);
		uint32_t bytes = rd_le32(&e);
		if (at < ENTRY_BYTES || bytes == 0 || !num_fits(at, bytes, len))
			return false;
	}
	return false;
}

/* The file as it is now; *ret_len whole pages, zeros at the end. */
static MUST_USE int table_read(struct certs *c, size_t *ret_len)
{
	struct stat st;

	if (fstat(c->fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0 || (uint64_t)st.st_size > sizeof c->table)
		return -EMSGSIZE;
	size_t len = (size_t)st.st_size;
	memset(c->table, 0, sizeof c->table);
	int err = fd_pread_all(c->fd, c->table, len, 0);
	if (err == 0 && !mon_certs_check(c->table, len))
		err = -EBADMSG;
	*ret_len = (len + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
	return err;
}

static MUST_USE int table_give(struct certs *c, struct guest *g, const struct mon_memory *memory,
	struct abi_req_certs *req)
{
	size_t len = 0;
	int err = table_read(c, &len);

	if (err < 0) {
		log_warn_seldom("the certificate table cannot be given to the guest: %s",
			strerrordesc_np(-err));
		return EIO;
	}
	if (req->npages < len / PAGE_BYTES) {
		req->npages = len / PAGE_BYTES;
		return ENOSPC;
	}
	if (!num_is_aligned(req->gpa, PAGE_BYTES) || !guest_is_shared(g, req->gpa, len) ||
		mon_memory_write(memory, req->gpa, c->table, len) < 0)
		return EIO;
	return 0;
}

bool mon_certs_serve(struct certs *c, struct guest *g, const struct mon_memory *memory,
	struct abi_req_certs *req)
{
	if (!mon_certs_has(c)) {
		req->ret = EIO; /* nobody asked KVM for this exit */
		return false;
	}
	if (c->is_locked || !lock_set(c, F_RDLCK)) {
		req->ret = EAGAIN;
		return false;
	}
	c->is_locked = true;
	req->ret = (uint64_t)table_give(c, g, memory, req);
	if (req->ret == 0)
		return true;
	mon_certs_unlock(c);
	return false;
}

void mon_certs_unlock(struct certs *c)
{
	c->is_locked = false;
	(void)lock_set(c, F_UNLCK);
}
