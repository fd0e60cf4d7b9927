#include "attest/broker/broker_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "sandbox/receipt.h"

#define NS_PER_S  1000000000u
#define NS_PER_MS 1000000u
#define START_MS  10000u
#define ERRNO_MAX 4095u /* of the kernel's errors */

enum state { L_STARTING, L_READY };

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t = { 0 };

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int done_take(void *owner, struct msg *m)
{
	struct broker_ledger *l = owner;
	struct wire_ledger_done done;

	memcpy(&done, m->buf, sizeof done);
	if (le32_get(done.cookie) != l->cookie)
		return -EPROTO;
	l->is_done = true;
	l->done_err = le32_get(done.err);
	return 0;
}

static int ready_take(void *owner, struct msg *m)
{
	struct broker_ledger *l = owner;
	struct receipt_want want = receipt_want_of(&l->child, 0);
	struct wire_receipt receipt;

	int err = receipt_verify(&l->child, &want, m->buf, m->len, &receipt, &l->failure);
	l->done_err = (uint32_t)-err;
	l->is_done = true;
	return 0;
}

static int failed_take(void *owner, struct msg *m)
{
	struct broker_ledger *l = owner;
	struct wire_failed failed;

	memcpy(&failed, m->buf, sizeof failed);
	failed.text[sizeof failed.text - 1] = '\0';
	(void)why_set(&l->failure, 0, "%s", failed.text);
	l->is_done = true;
	l->done_err = le32_get(failed.err) != 0 ? le32_get(failed.err) : EIO;
	return 0;
}

static const struct rule rules[] = {
	/*                    in states       length                              fds   once   */
	[SUP_MSG_READY] = { IN(L_STARTING), sizeof(struct wire_receipt),
		sizeof(struct wire_receipt), 0, 0, true, ready_take },
	[SUP_MSG_FAILED] = { IN(L_STARTING) | IN(L_READY), sizeof(struct wire_failed),
		sizeof(struct wire_failed), 0, 0, true, failed_take },
	[LEDGER_MSG_DONE] = { IN(L_READY), sizeof(struct wire_ledger_done),
		sizeof(struct wire_ledger_done), 0, 0, false, done_take },
};

/* Wait for the one message that ends the current step; anything else ends the relation. */
static MUST_USE int answer_wait(struct broker_ledger *l, enum state state, uint64_t timeout_ms)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + timeout_ms * NS_PER_MS;

	while (!l->is_done) {
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		struct pollfd p = { .fd = l->chan.fd, .events = POLLIN };
		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		int n = poll(&p, 1, (int)((end_ns - now_ns) / NS_PER_MS) + 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		int err = chan_step(&l->chan, false, rules, ARRAY_LEN(rules), state, l);
		if (err < 0 && err != -EAGAIN)
			return err;
	}
	if (l->done_err == 0)
		return 0;
	return l->done_err <= ERRNO_MAX ? -(int)l->done_err : -EIO;
}

int broker_ledger_use(struct broker_ledger *l, int chan_fd)
{
	return chan_open(&l->chan, chan_fd);
}

static MUST_USE int config_send(struct broker_ledger *l, const char *origin, struct why *why)
{
	struct wire_ledger_config config = { 0 };

	if (strlen(origin) >= sizeof config.origin)
		return why_set(why, -EMSGSIZE, "ledger origin: at most %zu bytes",
			sizeof config.origin - 1);
	memcpy(config.origin, origin, strlen(origin));
	return spawn_send_config(&l->chan, &config, sizeof config, NULL, 0);
}

int broker_ledger_start(struct broker_ledger *l, const char *folder, const char *key,
	const char *origin, struct why *why)
{
	AUTO(fd) int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd) int key_fd = open(key, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (folder_fd < 0 || key_fd < 0) {
		int err = -errno;
		return why_set(why, err, "ledger: cannot open %s: %s", folder_fd < 0 ? folder : key,
			strerrordesc_np(-err));
	}
	int fds[] = { folder_fd, key_fd };
	int err = spawn_start(ROLE_LEDGER, fds, ARRAY_LEN(fds), NULL, &l->child, why);
	if (err == 0)
		err = broker_ledger_use(l, fd_take(&l->child.chan_fd));
	if (err == 0)
		err = config_send(l, origin, why);
	if (err == 0)
		err = answer_wait(l, L_STARTING, START_MS);
	struct spawn_end end;
	if (err == -EPIPE && l->failure.text[0] == '\0' && spawn_wait_end(&l->child, &end) == 0) {
		char text[300];
		spawn_print_end(&end, text, sizeof text);
		(void)why_set(&l->failure, err, "it %s", text);
	}
	if (err < 0) {
		(void)why_set(why, err, "the ledger writer did not start: %s",
			why_text(&l->failure, err));
		broker_ledger_stop(l);
	}
	return err;
}

void broker_ledger_stop(struct broker_ledger *l)
{
	chan_close(&l->chan);
	spawn_kill(&l->child);
}

/* Evidence costs a stranger nothing, so refusals are written at a bounded rate. */
static bool refusal_is_dropped(struct broker_ledger *l, uint64_t now_ns)
{
	uint64_t minute = now_ns / NS_PER_S / 60;

	if (minute != l->minute) {
		l->minute = minute;
		l->n_refusals = 0;
	}
	if (l->n_refusals < LIMIT_KBS_REFUSALS_MINUTE) {
		l->n_refusals++;
		return false;
	}
	l->n_unwritten++;
	return true;
}

int broker_ledger_write(struct broker_ledger *l, enum ledger_event event, const struct proof *proof,
	const char *resource, const char *text, struct why *why)
{
	struct wire_ledger_entry e = { 0 };
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);

	if (l->chan.fd < 0)
		return why_set(why, -EPIPE, "the ledger writer is gone");
	if (event == LEDGER_REFUSED && refusal_is_dropped(l, now_ns))
		return 0;
	l->cookie++;
	l->is_done = false;
	l->done_err = 0;
	e.cookie = le32_of(l->cookie);
	e.event = le32_of(event);
	e.time_ns = le64_of(now_ns);
	e.serial = le64_of(proof->serial);
	memcpy(e.guest, proof->guest, strnlen(proof->guest, sizeof e.guest - 1));
	memcpy(e.policy_hash, proof->policy_hash, sizeof e.policy_hash);
	memcpy(e.launch_digest, proof->launch_digest, sizeof e.launch_digest);
	memcpy(e.evidence_hash, proof->evidence_hash, sizeof e.evidence_hash);
	if (resource != NULL)
		memcpy(e.resource, resource, strnlen(resource, sizeof e.resource - 1));
	if (l->n_unwritten > 0)
		(void)snprintf(e.text, sizeof e.text,
			"(%u refusals before this one were not written) %s", l->n_unwritten, text);
	else
		memcpy(e.text, text, strnlen(text, sizeof e.text - 1));

	int err = chan_send(&l->chan, LEDGER_MSG_ENTRY, &e, sizeof e, NULL, 0);
	if (err == 0)
		err = answer_wait(l, L_READY, LIMIT_KBS_LEDGER_MS);
	if (err == 0) {
		l->n_unwritten = 0;
		return 0;
	}
	/* A writer that refused one entry may take the next; one that broke the protocol may not. */
	if (!l->is_done)
		chan_close(&l->chan);
	return why_set(why, -EPIPE, "the ledger did not take the entry: %s", strerrordesc_np(-err));
}

void broker_ledger_flush(struct broker_ledger *l)
{
	static const struct proof nobody = { 0 };

	l->minute = 0; /* this one is written, whatever the minute had */
	if (l->n_unwritten > 0)
		(void)!broker_ledger_write(l, LEDGER_REFUSED, &nobody, NULL, "(end)", NULL);
}
