#include "attest/agent/agent_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attest/broker/kbs_sev.h"
#include "base/fd.h"
#include "base/limits.h"

/* Straight into locked memory. */
static MUST_USE int bytes_read(int fd, struct secret *room, size_t *ret_len)
{
	size_t len = 0;

	while (len < room->len) {
		ssize_t n = read(fd, room->p + len, room->len - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return len == 0 ? -EBADMSG : len == room->len ? -EMSGSIZE : 0;
}

int agent_launch_take(const char *root, const char *path, struct secret *ret, struct why *why)
{
	AUTO(secret) struct secret room = { 0 };
	char guid[KBS_SEV_GUID_TEXT + 1], file[LIMIT_PATH_BYTES];
	uint8_t raw[16];
	size_t len = 0;

	int err = kbs_sev_guid(path, guid, raw);
	if (err < 0)
		return why_set(why, err, "key %s: it has no GUID", path);
	int n = snprintf(file, sizeof file, "%s/" AGENT_LAUNCH_FOLDER "/%s", root, guid);
	if (n < 0 || (size_t)n >= sizeof file)
		return -ENAMETOOLONG;
	AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return why_set(why, -errno,
			"key %s: the launch brought none, or module efi_secret is "
			"not loaded (%s: %s)",
			path, file, strerrordesc_np(errno));
	/* One byte more than firmware has room for: then it was longer. */
	err = secret_init(&room, LIMIT_SEV_SECRET_BYTES + 1);
	if (err == 0)
		err = bytes_read(fd, &room, &len);
	if (err == 0)
		err = secret_init_copy(ret, room.p, len);
	if (err < 0)
		return why_set(why, err, "key %s: cannot be read from the launch: %s", path,
			strerrordesc_np(-err));
	(void)unlink(file);
	return 0;
}
