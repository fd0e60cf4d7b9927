/* casemate-foreign: enters a sandbox, then becomes a program of another make (sandbox/foreign.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/fd.h"
#include "base/opts.h"
#include "sandbox/child.h"
#include "sandbox/foreign.h"
#include "sandbox/foreign_jail.h"
#include "sandbox/sandbox.h"
#include "sandbox/stage.h"

/* What CONFIG said; the words lie in bytes. */
struct task {
	char bytes[LIMIT_FOREIGN_CONFIG_BYTES];
	unsigned int n_args;
	unsigned int n_files;
	const char *args[LIMIT_FOREIGN_ARGS + 1];
	const char *files[LIMIT_FOREIGN_FILES];
	unsigned int n_binds;
	const char *binds[LIMIT_CHAN_FDS][3]; /* from, at, mode */
	int all_fds[LIMIT_CHAN_FDS];          /* of the binds, then the program's */
	unsigned int n_fds;
	int *fds;
	int program;
};

static MUST_USE int words_cut(char **at, const char *end, const char **ret, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		char *zero = memchr(*at, 0, (size_t)(end - *at));
		if (zero == NULL || zero == *at)
			return -EBADMSG;
		ret[i] = *at;
		*at = zero + 1;
	}
	return 0;
}

static MUST_USE int task_parse(struct task *t, struct msg *m)
{
	struct wire_foreign head;
	char *at = t->bytes + sizeof head;
	const char *end = t->bytes + m->len;

	memcpy(t->bytes, m->buf, m->len); /* child_recv_config() checked the length */
	memcpy(&head, t->bytes, sizeof head);
	t->n_args = le32_get(head.n_args);
	t->n_files = le32_get(head.n_files);
	t->n_binds = le32_get(head.n_binds);
	if (t->n_args == 0 || t->n_args > LIMIT_FOREIGN_ARGS || t->n_files > LIMIT_FOREIGN_FILES ||
		t->n_binds > m->n_fds)
		return -EBADMSG;
	int err = words_cut(&at, end, t->args, t->n_args);
	if (err == 0)
		err = words_cut(&at, end, t->files, t->n_files);
	for (unsigned int i = 0; err == 0 && i < t->n_binds; i++)
		err = words_cut(&at, end, t->binds[i], ARRAY_LEN(t->binds[i]));
	if (err < 0 || at != end)
		return -EBADMSG;
	for (unsigned int i = 0; i < m->n_fds; i++)
		t->all_fds[i] = msg_take_fd(m, i);
	t->fds = t->all_fds + t->n_binds;
	t->n_fds = m->n_fds - t->n_binds;
	return 0;
}

static MUST_USE int jail_enter(struct task *t, struct why *why)
{
	static struct foreign_files files; /* too long for a stack */
	int err = foreign_files_add_program(&files, t->args[0], why);

	/* Its descriptors 0 and 1 lead there, and many a program opens it. */
	if (err == 0)
		err = foreign_files_bind(&files, -1, NULL, "/dev/null", true, why);
	for (unsigned int i = 0; err == 0 && i < t->n_files; i++)
		err = foreign_files_add(&files, t->files[i], false, why);
	for (unsigned int i = 0; err == 0 && i < t->n_binds; i++)
		err = foreign_files_bind(&files, t->all_fds[i], t->binds[i][0], t->binds[i][1],
			strcmp(t->binds[i][2], "rw") == 0, why);
	return err < 0 ? err : foreign_jail_enter(&files, &t->program, why);
}

/* Up out of the way, then down to their places; the channel, the program and all else end at exec. */
static MUST_USE int fds_place(struct task *t, struct chan *chan)
{
	int least = FOREIGN_FD_FIRST + (int)LIMIT_CHAN_FDS;
	int *all[LIMIT_CHAN_FDS + 2] = { &chan->fd, &t->program };

	for (unsigned int i = 0; i < t->n_fds; i++)
		all[2 + i] = &t->fds[i];
	for (unsigned int i = 0; i < 2 + t->n_fds; i++) {
		int high = fcntl(*all[i], F_DUPFD_CLOEXEC, least);
		if (high < 0)
			return -errno;
		(void)close(*all[i]);
		*all[i] = high;
	}
	for (unsigned int i = 0; i < t->n_fds; i++)
		if (dup2(t->fds[i], FOREIGN_FD_FIRST + (int)i) < 0)
			return -errno;
	return 0;
}

/* The parent has seen READY and says whether it goes on. */
static MUST_USE int go_wait(struct chan *chan, struct why *why)
{
	int err = chan_recv(chan, /* is_waiting= */ true);

	if (err == 0 && (chan->in->type != FOREIGN_MSG_GO || chan->in->len != 0))
		err = -EPROTO;
	return err < 0 ? why_set(why, err, "the parent does not go on: %s", strerrordesc_np(-err))
		       : 0;
}

static MUST_USE int foreign_run(struct task *t, struct chan *chan, struct why *why)
{
	static const char *const no_environment[] = { NULL };
	int err = child_recv_config(
		chan, sizeof(struct wire_foreign), sizeof t->bytes, 0, LIMIT_CHAN_FDS, why);

	if (err < 0)
		return err;
	err = task_parse(t, chan->in);
	if (err < 0)
		return why_set(why, err, "CONFIG makes no sense");
	err = jail_enter(t, why);
	if (err < 0)
		return err;
	err = fds_place(t, chan);
	if (err < 0)
		return why_set(why, err, "cannot place descriptors: %s", strerrordesc_np(-err));
	err = sandbox_enter(ROLE_FOREIGN, why);
	if (err == 0)
		err = child_send_ready(chan);
	if (err == 0)
		err = go_wait(chan, why);
	if (err < 0)
		return err;
	(void)syscall(SYS_execveat, t->program, "", t->args, no_environment, AT_EMPTY_PATH);
	return why_set(why, -errno, "cannot execute it: %s", strerrordesc_np(errno));
}

int main(int argc, char **argv)
{
	static struct task task = { .program = -1 };
	struct chan chan = { .fd = -1 };
	struct why why = { 0 };

	(void)argv;
	if (!spawn_is_child(argc)) {
		(void)fprintf(stderr, "casemate-foreign is started by casemate\n");
		return EXIT_USAGE;
	}
	int err = child_start(ROLE_FOREIGN, &chan, &why);
	if (err == 0)
		err = foreign_run(&task, &chan, &why);
	return child_end(&chan, err, &why);
}
