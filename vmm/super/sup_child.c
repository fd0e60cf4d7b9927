#include "vmm/super/sup_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "vmm/super/sup_watch.h"

static void chan_fire(struct src *src, uint32_t events)
{
	(void)sup_watch_messages(CONTAINER_OF(src, struct sup_child, chan_src));
}

/* Print what is in the log pipe; false when there is no more. */
static bool log_step(struct sup_child *c)
{
	if (c->log_src.fd < 0)
		return false;
	enum sup_log_read got = sup_log_read(&c->log, c->log_src.fd);
	if (got == SUP_LOG_ENDED) {
		loop_del(&c->guest->loop, &c->log_src);
		c->log_src.fd = -1; /* the descriptor itself is spawned's */
	}
	return got == SUP_LOG_MORE;
}

static void log_fire(struct src *src, uint32_t events)
{
	(void)log_step(CONTAINER_OF(src, struct sup_child, log_src));
}

/*
 * Pieces of what a child left in its channel and its log pipe that are looked at: many times what
 * either holds. More means that somebody else has got hold of the other end and goes on.
 */
#define LEFT_PIECES_MAX 1024

/* What it said before it ended comes first: the cause is there. */
void sup_child_check_end(struct sup_child *c)
{
	if (c->state == CHILD_GONE || spawn_reap(&c->spawned, &c->end) < 0)
		return;
	loop_del(&c->guest->loop, &c->end_src);
	c->end_src.fd = -1;
	for (int i = 0; i < LEFT_PIECES_MAX && sup_watch_messages(c); i++)
		;
	for (int i = 0; i < LEFT_PIECES_MAX && log_step(c); i++)
		;
	c->state = CHILD_GONE;
	sup_watch_end(c);
}

static void end_fire(struct src *src, uint32_t events)
{
	sup_child_check_end(CONTAINER_OF(src, struct sup_child, end_src));
}

/* The next child of the guest, nameless as yet in its list: that grows when it runs. */
static MUST_USE int child_next(struct sup_guest *g, enum role role, const char *id,
	struct sup_child **ret, struct spawn_place *place, struct why *why)
{
	struct sup_child *c = &g->children[g->n_children];

	if (g->n_children == SUP_CHILDREN_MAX)
		return why_set(why, -ERANGE, "more processes than a guest has");
	*c = (struct sup_child){ .guest = g, .spawned = SPAWN_CHILD_NONE, .chan = { .fd = -1 } };
	(void)snprintf(c->label, sizeof c->label, "%s%s%s", role_get(role)->name,
		id[0] != 0 ? " " : "", id);
	c->log = sup_log_of(c->label);
	*ret = c;
	return confine_place(g->confine, role, c->label, place, c->cgroup, why);
}

/* It runs: whatever happens next, it is one of the guest's. */
static MUST_USE int child_watch(struct sup_guest *g, struct sup_child *c, struct why *why)
{
	struct src *const srcs[] = { &c->end_src, &c->log_src, &c->chan_src };
	int err = 0;

	g->n_children++;
	c->end_src = (struct src){ .fd = c->spawned.pidfd, .fire = end_fire };
	c->log_src = (struct src){ .fd = c->spawned.log_fd, .fire = log_fire };
	c->chan_src = (struct src){ .fd = -1, .fire = chan_fire };
	if (c->spawned.chan_fd >= 0)
		err = chan_open(&c->chan, fd_take(&c->spawned.chan_fd));
	c->chan_src.fd = c->chan.fd;
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(srcs); i++)
		if (srcs[i]->fd >= 0)
			err = loop_add(&g->loop, srcs[i], EPOLLIN);
	return err < 0 ? why_set(why, err, "cannot watch %s: %s", c->label, strerrordesc_np(-err))
		       : 0;
}

int sup_child_start(struct sup_guest *g, enum role role, const char *id, const int *fds,
	unsigned int n_fds, struct why *why)
{
	struct spawn_place place = SPAWN_PLACE_NONE;
	struct sup_child *c = NULL;
	int err = child_next(g, role, id, &c, &place, why);

	if (err == 0)
		err = spawn_start(role, fds, n_fds, &place, &c->spawned, why);
	fd_drop(&place.cgroup_fd);
	if (err < 0)
		return err;
	c->want = receipt_want_of(&c->spawned, place.guest_bytes);
	c->want.label = place.label;
	c->want.cgroup = c->cgroup[0] != 0 ? c->cgroup : NULL;
	return child_watch(g, c, why);
}

int sup_child_check_apart(const struct sup_child *c, struct why *why)
{
	const struct sup_guest *g = c->guest;
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < g->n_children; i++)
		if (&g->children[i] != c && g->children[i].state == CHILD_READY)
			err = receipt_check_apart(&c->receipt, &g->children[i].receipt, why);
	return err;
}

int sup_child_start_foreign(struct sup_guest *g, const char *id, const struct foreign *what,
	uint32_t uid, uint32_t gid, struct why *why)
{
	struct spawn_place place = SPAWN_PLACE_NONE;
	struct sup_child *c = NULL;
	int err = child_next(g, ROLE_FOREIGN, id, &c, &place, why);

	place.uid = uid;
	place.gid = gid;
	if (err == 0)
		err = foreign_start(what, &place, c->cgroup[0] != 0 ? c->cgroup : NULL, &c->spawned,
			&c->receipt, why);
	fd_drop(&place.cgroup_fd);
	if (err < 0)
		return c != NULL ? why_prefix(why, err, "%s", c->label) : err;
	err = child_watch(g, c, why);
	if (err == 0)
		err = sup_child_check_apart(c, why);
	if (err == 0)
		c->state = CHILD_READY;
	return err;
}

int sup_child_send(struct sup_child *c, uint16_t type, const void *payload, size_t len,
	const int *fds, unsigned int n_fds)
{
	return chan_send(&c->chan, type, payload, len, fds, n_fds);
}

static int signal_send(const struct sup_child *c, int sig)
{
	return syscall(SYS_pidfd_send_signal, c->spawned.pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

void sup_child_kill(struct sup_child *c)
{
	if (c->state != CHILD_GONE && c->spawned.pid != 0)
		(void)signal_send(c, SIGKILL);
}

void sup_child_stop(struct sup_child *c)
{
	if (c->state == CHILD_GONE || c->is_stopping)
		return;
	c->is_stopping = true;
	int err = c->spawned.role == ROLE_FOREIGN
			  ? signal_send(c, SIGTERM)
			  : sup_child_send(c, SUP_MSG_STOP, NULL, 0, NULL, 0);
	if (err < 0)
		sup_child_kill(c); /* it cannot be told */
}

void sup_child_close(struct sup_child *c)
{
	chan_close(&c->chan);
	spawn_kill(&c->spawned);
}
