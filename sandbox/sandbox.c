#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/receipt.h"
#include "sandbox/stage.h"

static bool is_prepared;

int sandbox_start(enum role role, struct why *why)
{
#ifdef HAS_SANITIZER
	stage_sanitizer();
#endif
	(void)umask(077);
	if (environ != NULL && environ[0] != NULL)
		return why_set(
			why, -EPERM, "%s: the environment is not empty", role_get(role)->name);
	return stage_fds(role_get(role), why);
}

/* Threads keep the capabilities they were made with: there must be one yet. */
static MUST_USE int threads_check(struct why *why)
{
	struct stat st;

	if (stat("/proc/self/task", &st) < 0)
		return why_set(why, -errno, "cannot count threads: is /proc mounted?");
	return st.st_nlink != 3 ? why_set(why, -EBUSY, "threads exist before the sandbox") : 0;
}

int sandbox_prepare(enum role role, struct why *why)
{
	const struct role_row *row = role_get(role);
	int err = is_prepared ? why_set(why, -EALREADY, "the sandbox is entered twice") : 0;

	if (err == 0)
		err = threads_check(why);
	if (err == 0)
		err = stage_ids(row, why);
	if (err == 0)
		err = stage_ns(row, why);
	if (err == 0)
		err = stage_caps(why);
	if (err == 0)
		err = stage_rlimit(row, why);
	if (err == 0)
		err = stage_landlock(row, why);
	is_prepared = true;
	return err;
}

void sandbox_note_prepared(void)
{
	is_prepared = true;
}

/* Nobody waits for a receipt of a program that started itself: it reads its own. */
static MUST_USE int own_check(const struct role_row *row, uint32_t must, struct why *why)
{
	uint32_t missing = must & ~le32_get(receipt_get()->held);

	if ((row->flags & ROLE_IS_SELF_STARTED) == 0 || missing == 0)
		return 0;
	return why_set(why, -EPERM, "sandbox of %s: %s does not hold", row->name,
		receipt_bit_name((unsigned int)__builtin_ctz(missing)));
}

int sandbox_enter(enum role role, struct why *why)
{
	const struct role_row *row = role_get(role);
	int err = is_prepared ? 0 : sandbox_prepare(role, why);

	if (err < 0)
		return err;
	uint32_t must = receipt_must(role); /* it asks the kernel: before the filter */
	receipt_close(row);
	if ((row->flags & ROLE_IS_SELF_STARTED) != 0)
		err = stage_calls(row, /* may_connect= */ false, why);
	if (err == 0)
		err = stage_seccomp(row, why);
	if (err < 0)
		return err;
	receipt_hold(RECEIPT_SECCOMP); /* the canary was caught */
	/* One has the filter now; whoever made more counted them. The parent counts too. */
	if (le32_get(receipt_get()->n_threads) == 1)
		receipt_hold(RECEIPT_THREADS);
	return own_check(row, must, why);
}
