#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "sandbox/stage.h"

/* uid 0 gives nothing, and nothing that is given up can be had again. */
#define SECUREBITS_NARROW                                                                          \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
		SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |                          \
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static uint64_t permitted_of(const struct __user_cap_data_struct sets[2])
{
	return sets[0].permitted | (uint64_t)sets[1].permitted << 32;
}

/* An ordinary user may not do this, and has nothing to lose there. */
static MUST_USE int bounds_drop(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if ((keep >> cap & 1) == 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
			errno != EINVAL) /* EINVAL: past the last */
			return -errno;
	return prctl(PR_SET_SECUREBITS, SECUREBITS_NARROW, 0, 0, 0) < 0 ? -errno : 0;
}

static MUST_USE int caps_drop(uint64_t keep)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };

	if (syscall(SYS_capget, &hdr, sets) < 0)
		return -errno;
	keep &= permitted_of(sets);
	int err = (sets[0].effective >> CAP_SETPCAP & 1) != 0 ? bounds_drop(keep) : 0;
	if (err < 0)
		return err;
	for (unsigned int i = 0; i < 2; i++) {
		sets[i].permitted = (uint32_t)(keep >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &hdr, sets) < 0)
		return -errno;
	memset(sets, 0xff, sizeof sets); /* read back */
	if (syscall(SYS_capget, &hdr, sets) < 0)
		return -errno;
	return permitted_of(sets) == keep ? 0 : -EPERM;
}

int sandbox_narrow(enum role role, const struct sandbox_keep *keep, struct why *why)
{
	const struct role_row *row = role_get(role);
	int err = caps_drop(keep->caps);

	if (err == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (err < 0)
		return why_set(why, err, "sandbox of %s, caps: capabilities cannot be given up: %s",
			row->name, strerrordesc_np(-err));
	err = stage_landlock_narrow(row, keep->folders, keep->n_folders, why);
	if (err < 0)
		return err;
	err = stage_calls(row, keep->may_connect, why);
	return err < 0 ? err : stage_seccomp(row, why);
}
