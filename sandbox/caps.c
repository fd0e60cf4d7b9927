#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/stage.h"

/* uid 0 gives nothing, setuid changes nothing, nothing is kept or raised; and all of it for good. */
#define SECUREBITS_ALL                                                                             \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
		SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |                          \
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static MUST_USE int bounding_drop(void)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
			errno != EINVAL) /* EINVAL: past the last */
			return -errno;
	return 0;
}

bool caps_are_empty(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	memset(sets, 0xff, sizeof sets);
	if (syscall(SYS_capget, &hdr, sets) < 0)
		return false;
	for (int i = 0; i < 2; i++)
		if ((sets[i].effective | sets[i].permitted | sets[i].inheritable) != 0)
			return false;
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 ||
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			return false;
	return true;
}

bool securebits_are_locked(void)
{
	return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) == SECUREBITS_ALL;
}

int stage_caps(struct why *why)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	int err = bounding_drop();

	if (err < 0)
		return why_set(why, err, "sandbox, caps: bounding set: %s", strerrordesc_np(-err));
	if (prctl(PR_SET_SECUREBITS, SECUREBITS_ALL, 0, 0, 0) < 0)
		return why_set(
			why, -errno, "sandbox, caps: securebits: %s", strerrordesc_np(errno));
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return why_set(
			why, -errno, "sandbox, caps: ambient set: %s", strerrordesc_np(errno));
	if (syscall(SYS_capset, &hdr, none) < 0)
		return why_set(why, -errno, "sandbox, caps: capset: %s", strerrordesc_np(errno));
	return caps_are_empty() ? 0 : why_set(why, -EPERM, "sandbox, caps: a capability is left");
}
