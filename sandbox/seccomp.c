#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "sandbox/seccomp_build.h"
#include "sandbox/stage.h"

static MUST_USE int row_add(scmp_filter_ctx ctx, const struct seccomp_row *row)
{
	struct scmp_arg_cmp cmp[SECCOMP_CONDS_MAX];

	if (row->n_conds > SECCOMP_CONDS_MAX)
		return -ERANGE;
	for (unsigned int i = 0; i < row->n_conds; i++)
		cmp[i] = SCMP_CMP(row->conds[i].arg, SCMP_CMP_MASKED_EQ, row->conds[i].mask,
			row->conds[i].value);
	uint32_t action = row->err == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(row->err);
	return seccomp_rule_add_array(ctx, action, row->nr, row->n_conds, cmp);
}

static MUST_USE int rows_add(scmp_filter_ctx ctx, const struct seccomp_table *table)
{
	/* A foreign architecture's call kills the process, not the thread; NNP is ours to set; all
	 * threads; and a search tree, since every call of a vCPU passes here. */
	int err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (err == 0)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ERRNO(SECCOMP_CANARY_ERRNO), SCMP_SYS(getppid), 0);
	for (size_t i = 0; err == 0 && i < table->n_rows; i++)
		err = row_add(ctx, &table->rows[i]);
	return err;
}

int seccomp_build(const struct seccomp_table *table, void **ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (ctx == NULL)
		return -ENOMEM;
	int err = rows_add(ctx, table);
	if (err < 0) {
		seccomp_release(ctx);
		return err;
	}
	*ret = ctx;
	return 0;
}

int sandbox_check(void)
{
	errno = 0;
	return syscall(SYS_getppid) == -1 && errno == SECCOMP_CANARY_ERRNO ? 0 : -EPERM;
}

int stage_seccomp(const struct role_row *row, struct why *why)
{
	scmp_filter_ctx ctx = NULL;
	int err = seccomp_build(row->syscalls, &ctx);

	if (err < 0)
		return why_set(why, err, "sandbox of %s, seccomp: the list cannot be compiled: %s",
			row->name, strerrordesc_np(-err));
	err = seccomp_load(ctx);
	if (err < 0) {
		seccomp_release(ctx);
		return why_set(why, err,
			"sandbox of %s, seccomp: the kernel refused the filter: %s", row->name,
			strerrordesc_np(-err));
	}
	seccomp_release(ctx); /* frees memory: munmap and brk are on every list */
	err = sandbox_check();
	return err < 0 ? why_set(why, err, "sandbox of %s, seccomp: the canary call was not caught",
				 row->name)
		       : 0;
}
