#include "vmm/super/sup_plan.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "sandbox/svirt.h"
#include "vmm/super/sup_log.h"

#define READER_TIMEOUT_MS 30000 /* as the devices: a machine that emulates another is slow */

/* What the reader may say: one plan, or why there is none. */
struct answer {
	struct spawn_child *child;
	struct wire_plan *plan;
	struct why *why;
	bool is_ready;
	bool has_plan;
	int err;
};

/* It is locked up, and says so before it reads a byte of the policy. */
static int ready_take(void *owner, struct msg *m)
{
	struct answer *a = owner;
	struct receipt_want want = receipt_want_of(a->child, 0);
	struct wire_receipt receipt;

	a->err = receipt_verify(a->child, &want, m->buf, m->len, &receipt, a->why);
	if (a->err < 0)
		a->err = why_prefix(a->why, -EREMOTEIO, "the policy reader is not confined");
	a->is_ready = a->err == 0;
	return 0;
}

static int plan_take(void *owner, struct msg *m)
{
	struct answer *a = owner;

	if (!a->is_ready)
		return -EPROTO;

	memcpy(a->plan, m->buf, sizeof *a->plan);
	a->has_plan = true;
	return 0;
}

static int failed_take(void *owner, struct msg *m)
{
	struct answer *a = owner;
	struct wire_failed failed;

	memcpy(&failed, m->buf, sizeof failed);
	failed.text[sizeof failed.text - 1] = 0;
	uint32_t err = le32_get(failed.err);
	a->err = why_set(a->why, err > 0 && err < 4096 && err != EINVAL ? -(int)err : -EREMOTEIO,
		"%s", failed.text);
	return 0;
}

static const struct rule rules[] = {
	[SUP_MSG_READY] = { IN(0), sizeof(struct wire_receipt), sizeof(struct wire_receipt), 0, 0,
		true, ready_take },
	[SUP_MSG_FAILED] = { IN(0), sizeof(struct wire_failed), sizeof(struct wire_failed), 0, 0,
		true, failed_take },
	[PLAN_MSG_PLAN] = { IN(0), sizeof(struct wire_plan), sizeof(struct wire_plan), 0, 0, true,
		plan_take },
};

static int64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One small wait for one answer; there is nothing else to do yet, hence no loop. */
static MUST_USE int answer_wait(struct spawn_child *c, struct chan *chan, struct answer *a)
{
	struct sup_log log = sup_log_of("policy");
	int64_t end = now_ms() + READER_TIMEOUT_MS;

	while (!a->has_plan && a->err == 0) {
		struct pollfd p[2] = { { .fd = chan->fd, .events = POLLIN },
			{ .fd = c->log_fd, .events = POLLIN } };
		int64_t left = end - now_ms();
		if (left <= 0)
			return why_set(a->why, -ETIMEDOUT,
				"the policy reader did not answer within %d s",
				READER_TIMEOUT_MS / 1000);
		if (poll(p, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents != 0 && sup_log_read(&log, c->log_fd) == SUP_LOG_ENDED)
			fd_drop(&c->log_fd);
		if (p[0].revents == 0)
			continue;
		int err = chan_step(chan, /* is_waiting= */ false, rules, ARRAY_LEN(rules), 0, a);
		if (err < 0 && err != -EAGAIN)
			return err;
	}
	for (int i = 0; i < 64 && c->log_fd >= 0 && sup_log_read(&log, c->log_fd) == SUP_LOG_MORE;
		i++)
		; /* more than the pipe holds: what a reader that goes on says is not waited for */
	return a->err;
}

/* The reader broke: how it ended is the best that can be said. */
static int reader_end(struct spawn_child *c, int err, struct why *why)
{
	struct spawn_end end;
	char text[300];

	if (why->text[0] != 0)
		return err;
	if (spawn_wait_end(c, &end) == 0) {
		spawn_print_end(&end, text, sizeof text);
		return why_set(why, -EREMOTEIO, "the policy reader %s and gave no plan", text);
	}
	return why_set(why, -EREMOTEIO, "the policy reader broke: %s", strerrordesc_np(-err));
}

int sup_plan_read(int policy_fd, const char *name, struct wire_plan *ret, struct why *why)
{
	AUTO(spawn) struct spawn_child c = SPAWN_CHILD_NONE;
	static struct wire_plan plan; /* too large for a stack */
	struct answer a = { .child = &c, .plan = &plan, .why = why };
	struct chan chan = { .fd = -1 };
	struct spawn_place place = SPAWN_PLACE_NONE;
	char label[LIMIT_LABEL_BYTES];
	int err = svirt_plain_label(ROLE_POLICY, label, why);

	place.label = err == 0 && label[0] != 0 ? label : NULL;
	if (err == 0)
		err = spawn_start(ROLE_POLICY, &policy_fd, 1, &place, &c, why);
	if (err == 0)
		err = chan_open(&chan, fd_take(&c.chan_fd));
	if (err == 0)
		err = spawn_send_config(
			&chan, name, MIN(strlen(name), LIMIT_PATH_BYTES - 1) + 1, NULL, 0);
	if (err == 0)
		err = answer_wait(&c, &chan, &a);
	chan_close(&chan);
	if (err < 0)
		return reader_end(&c, err, why);
	err = plan_check(&plan, why);
	if (err < 0)
		return why_prefix(why, -EREMOTEIO, "the policy reader's answer is wrong");
	*ret = plan;
	return 0;
}
