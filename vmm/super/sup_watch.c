#include "vmm/super/sup_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "attest/ledger/ledger_proto.h"
#include "attest/owner/owner_proto.h"
#include "base/fd.h"
#include "base/log.h"
#include "vmm/super/sup_start.h"

#define CAUSE_WAIT_MS 1000

/* ---- phases ---------------------------------------------------------------------------------- */

static void devices_tick(struct sup_guest *g);
static void launch_tick(struct sup_guest *g);
static void entry_tick(struct sup_guest *g);
static void run_tick(struct sup_guest *g);
static void monitor_stop_enter(struct sup_guest *g);
static void monitor_stop_tick(struct sup_guest *g);
static void devices_stop_enter(struct sup_guest *g);
static void devices_stop_tick(struct sup_guest *g);
static void last_entry_enter(struct sup_guest *g);
static void last_entry_tick(struct sup_guest *g);
static void ledger_stop_enter(struct sup_guest *g);
static void ledger_stop_tick(struct sup_guest *g);
static void over_enter(struct sup_guest *g);
static void start_is_late(struct sup_guest *g);
static void stop_is_late(struct sup_guest *g);
static void last_entry_is_late(struct sup_guest *g);

static void launch_enter(struct sup_guest *g);
static void cause_await(struct sup_guest *g);
static void entry_enter(struct sup_guest *g);
static void run_enter(struct sup_guest *g);
static void writers_pause(struct sup_guest *g, bool is_paused);

/*
 * A phase is entered once, looked at after every event (tick), and late after its time-out. The
 * numbers hold on a machine that emulates another: a launch hashes every page of an initrd.
 */
static const struct phase {
	const char *name;
	uint64_t timeout_ms; /* 0: none */
	void (*enter)(struct sup_guest *g);
	void (*tick)(struct sup_guest *g);
	void (*late)(struct sup_guest *g);
} phases[PHASE_COUNT] = {
	[PHASE_DEVICES] = { "starting the devices", 30000, NULL, devices_tick, start_is_late },
	[PHASE_LAUNCH] = { "launching the guest", 300000, launch_enter, launch_tick,
		start_is_late },
	[PHASE_ENTRY] = { "writing the ledger", 30000, entry_enter, entry_tick, start_is_late },
	[PHASE_RUN] = { "running", 0, run_enter, run_tick, NULL },
	[PHASE_STOP_MONITOR] = { "ending the monitor", 10000, monitor_stop_enter, monitor_stop_tick,
		stop_is_late },
	[PHASE_STOP_DEVICES] = { "ending the devices", 10000, devices_stop_enter, devices_stop_tick,
		stop_is_late },
	[PHASE_LAST_ENTRY] = { "closing the ledger", 10000, last_entry_enter, last_entry_tick,
		last_entry_is_late },
	[PHASE_STOP_LEDGER] = { "ending the ledger writer", 10000, ledger_stop_enter,
		ledger_stop_tick, stop_is_late },
	[PHASE_OVER] = { "over", 0, over_enter, NULL, NULL },
};

static void phase_enter(struct sup_guest *g, enum sup_phase phase)
{
	g->phase = phase;
	if (loop_timer_arm(g->timer.fd, phases[phase].timeout_ms) < 0)
		log_warn("no time-out for %s", phases[phase].name);
	if (phases[phase].enter != NULL)
		phases[phase].enter(g);
	/* What this phase waits for may be there already. */
	if (g->phase == phase && phases[phase].tick != NULL)
		phases[phase].tick(g);
}

static void guest_tick(struct sup_guest *g)
{
	if (!g->is_cause_awaited && phases[g->phase].tick != NULL)
		phases[g->phase].tick(g);
}

void sup_watch_fail(struct sup_guest *g, int err, const char *fmt, ...)
{
	struct why why = { 0 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why.text, sizeof why.text, fmt, ap);
	va_end(ap);
	if (g->result.err == 0 && g->result.signal == 0) {
		g->result.err = err;
		(void)why_set(&g->result.why, err, "%s", why.text);
	} else {
		log_debug("%s", why.text); /* the first cause is the one a person needs */
	}
	if (g->phase < PHASE_STOP_MONITOR)
		phase_enter(g, PHASE_STOP_MONITOR);
}

static bool is_device(const struct sup_guest *g, const struct sup_child *c)
{
	return c != g->ledger && c != g->monitor;
}

static bool all_ready_but_monitor(const struct sup_guest *g)
{
	for (unsigned int i = 0; i < g->n_children; i++)
		if (&g->children[i] != g->monitor && g->children[i].state != CHILD_READY)
			return false;
	return true;
}

static void devices_tick(struct sup_guest *g)
{
	if (all_ready_but_monitor(g))
		phase_enter(g, PHASE_LAUNCH);
}

static void launch_enter(struct sup_guest *g)
{
	struct why why = { 0 };
	int err = sup_start_monitor(g, &why);

	if (err == -EPIPE)
		cause_await(g); /* it has ended: that is the cause */
	if (err < 0)
		sup_watch_fail(g, err, "%s", why_text(&why, err));
}

static void launch_tick(struct sup_guest *g)
{
	if (g->is_launched && g->monitor->state == CHILD_READY)
		phase_enter(g, g->ledger != NULL ? PHASE_ENTRY : PHASE_RUN);
}

static MUST_USE int entry_send(struct sup_guest *g, enum ledger_event event, const char *text)
{
	struct wire_ledger_entry entry = { .cookie = le32_of(++g->cookie),
		.event = le32_of((uint32_t)event),
		.serial = g->plan->serial };
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	entry.time_ns = le64_of((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	memcpy(entry.guest, g->plan->name, sizeof entry.guest);
	memcpy(entry.policy_hash, g->plan->policy_hash, sizeof entry.policy_hash);
	(void)snprintf(entry.text, sizeof entry.text, "%s", text);
	g->is_entry_done = false;
	return sup_child_send(g->ledger, LEDGER_MSG_ENTRY, &entry, sizeof entry, NULL, 0);
}

/* How each process proved itself goes before the launch's entry, and into it. */
static MUST_USE int receipts_send(struct sup_guest *g)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < g->n_children; i++) {
		const struct sup_child *c = &g->children[i];
		const struct wire_receipt *r = &c->receipt;
		struct wire_ledger_receipt wire;
		/* A leaf of ours has our folder in it; what is before that is the host's affair. */
		const char *leaf = c->cgroup[0] != 0 ? strstr(c->cgroup, "/casemate/") : NULL;

		memset(&wire, 0, sizeof wire);
		memcpy(wire.process, c->label, sizeof wire.process);
		wire.uid = r->uid;
		wire.held = r->held;
		memcpy(wire.filter, r->filter_sha256, sizeof wire.filter);
		memcpy(wire.label, r->label, sizeof wire.label);
		if (leaf != NULL && strlen(leaf) < sizeof wire.cgroup)
			memcpy(wire.cgroup, leaf, strlen(leaf));
		err = sup_child_send(g->ledger, LEDGER_MSG_RECEIPT, &wire, sizeof wire, NULL, 0);
	}
	return err;
}

static void entry_enter(struct sup_guest *g)
{
	char text[200];
	bool is_simulated = g->monitor->spawned.role == ROLE_MONITOR_SIM;

	(void)snprintf(text, sizeof text, "%s guest%s%s: %llu pages measured in %llu us",
		plan_tee_title(le32_get(g->plan->tee)),
		is_simulated ? " on a simulated processor" : "",
		g->owner != NULL ? ", released by its owner" : "",
		(unsigned long long)le64_get(g->launched.measured_pages),
		(unsigned long long)le64_get(g->launched.measured_us));
	int err = receipts_send(g);
	if (err == 0)
		err = entry_send(g, LEDGER_LAUNCHED, text);
	if (err < 0)
		sup_watch_fail(g, err, "cannot reach the ledger writer: %s", strerrordesc_np(-err));
}

static void entry_tick(struct sup_guest *g)
{
	if (!g->is_entry_done)
		return;
	g->has_entry = true;
	phase_enter(g, PHASE_RUN);
}

static void run_enter(struct sup_guest *g)
{
	struct why why = { 0 };
	int err = confine_narrow(g->confine, g->registry, &why);

	fd_drop(&g->registry);
	if (err < 0) {
		sup_watch_fail(g, err, "the supervisor cannot give up its rights: %s",
			why_text(&why, err));
		return;
	}
	err = sup_child_send(g->monitor, SUP_MSG_GO, NULL, 0, NULL, 0);
	if (err < 0) {
		sup_watch_fail(g, err, "cannot tell the monitor to go: %s", strerrordesc_np(-err));
		return;
	}
	if (g->on_running != NULL)
		g->on_running(g);
}

static void run_tick(struct sup_guest *g)
{
	if (g->result.has_ended)
		phase_enter(g, PHASE_STOP_MONITOR);
}

static void monitor_stop_enter(struct sup_guest *g)
{
	if (g->monitor == NULL)
		return;
	writers_pause(g, false); /* a monitor that waits for us would not hear us */
	if (g->monitor->state == CHILD_STARTING)
		sup_child_kill(g->monitor); /* no guest runs yet: nothing to be tidy about */
	else
		sup_child_stop(g->monitor);
}

static void monitor_stop_tick(struct sup_guest *g)
{
	if (g->monitor == NULL || g->monitor->state == CHILD_GONE)
		phase_enter(g, PHASE_STOP_DEVICES);
}

static void devices_stop_enter(struct sup_guest *g)
{
	for (unsigned int i = 0; i < g->n_children; i++)
		if (is_device(g, &g->children[i]))
			sup_child_stop(&g->children[i]);
}

static void devices_stop_tick(struct sup_guest *g)
{
	for (unsigned int i = 0; i < g->n_children; i++)
		if (is_device(g, &g->children[i]) && g->children[i].state != CHILD_GONE)
			return;
	phase_enter(g, PHASE_LAST_ENTRY);
}

static void end_describe(const struct sup_guest *g, char *ret, size_t size)
{
	static const char *const hows[ENDED_COUNT] = {
		[ENDED_OFF] = "the guest switched itself off",
		[ENDED_RESET] = "the guest asked for a reset",
		[ENDED_CRASH] = "the guest crashed",
		[ENDED_STOP] = "stopped",
		[ENDED_DEVICE] = "a device process is gone",
	};
	const struct sup_result *r = &g->result;

	if (r->signal != 0)
		(void)snprintf(ret, size, "stopped by signal %d", r->signal);
	else if (r->err < 0)
		(void)snprintf(ret, size, "failed: %s", why_text(&r->why, r->err));
	else if (r->has_ended && r->status != UINT32_MAX)
		(void)snprintf(ret, size, "%s; its workload ended with status %u", hows[r->how],
			r->status);
	else
		(void)snprintf(ret, size, "%s", r->has_ended ? hows[r->how] : "ended");
}

static void last_entry_enter(struct sup_guest *g)
{
	char text[400];

	if (!g->has_entry || g->ledger == NULL || g->ledger->state != CHILD_READY)
		return;
	end_describe(g, text, sizeof text);
	int err = entry_send(g, LEDGER_ENDED, text);
	if (err < 0) {
		g->is_entry_done = true; /* as done as it gets */
		sup_watch_fail(g, err, "cannot reach the ledger writer: %s", strerrordesc_np(-err));
	}
}

static void last_entry_tick(struct sup_guest *g)
{
	if (!g->has_entry || g->ledger == NULL || g->ledger->state != CHILD_READY ||
		g->is_entry_done)
		phase_enter(g, PHASE_STOP_LEDGER);
}

static void last_entry_is_late(struct sup_guest *g)
{
	sup_watch_fail(g, -ETIMEDOUT, "the ledger writer did not confirm the last entry in time");
	phase_enter(g, PHASE_STOP_LEDGER);
}

static void ledger_stop_enter(struct sup_guest *g)
{
	if (g->ledger != NULL)
		sup_child_stop(g->ledger);
}

static void ledger_stop_tick(struct sup_guest *g)
{
	if (g->ledger == NULL || g->ledger->state == CHILD_GONE)
		phase_enter(g, PHASE_OVER);
}

static void over_enter(struct sup_guest *g)
{
	loop_stop(&g->loop, 0);
}

static void start_is_late(struct sup_guest *g)
{
	const char *who = "the ledger writer";

	if (g->is_owner_awaited) {
		sup_watch_fail(g, -ETIMEDOUT, "%s: no word of the owner's broker within %u s",
			g->owner->label, le32_get(g->plan->owner_wait_s) + LIMIT_OWNER_GRACE_S);
		return;
	}
	for (unsigned int i = 0; i < g->n_children; i++)
		if (g->children[i].state == CHILD_STARTING &&
			(g->phase == PHASE_LAUNCH || &g->children[i] != g->monitor))
			who = g->children[i].label;
	sup_watch_fail(g, -ETIMEDOUT, "%s: %s did not answer within %llu s", phases[g->phase].name,
		g->phase == PHASE_ENTRY ? "the ledger writer" : who,
		(unsigned long long)phases[g->phase].timeout_ms / 1000);
}

/* Who was told to end and has not is killed; its end arrives as an event. */
static void stop_is_late(struct sup_guest *g)
{
	for (unsigned int i = 0; i < g->n_children; i++) {
		struct sup_child *c = &g->children[i];
		if (c->state == CHILD_GONE || !(c->is_stopping || c == g->monitor))
			continue;
		log_warn("%s did not end in time and is killed", c->label);
		sup_child_kill(c);
	}
}

/* ---- messages -------------------------------------------------------------------------------- */

static int ready_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct sup_guest *g = c->guest;
	struct why why = { 0 };

	int err = receipt_verify(&c->spawned, &c->want, m->buf, m->len, &c->receipt, &why);
	if (err == 0)
		err = sup_child_check_apart(c, &why);
	if (err == -ESRCH)
		return 0; /* it has ended: told with how it did */
	if (err < 0) {
		sup_watch_fail(
			g, -EREMOTEIO, "%s is not confined as it must be: %s", c->label, why.text);
		sup_child_kill(c);
		return 0;
	}
	c->state = CHILD_READY;
	return 0;
}

/* An error a child may give; anything that is not an errno is a failure of ours. */
static int failed_errno(uint32_t err)
{
	return err > 0 && err < 4096 && err != EINVAL ? -(int)err : -EREMOTEIO;
}

static int64_t now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_cause_known(const struct sup_guest *g)
{
	if (g->result.err != 0 || g->result.signal != 0)
		return true;
	if (g->result.has_ended && g->result.how != ENDED_DEVICE)
		return true;
	if (!g->result.has_ended)
		return g->monitor == NULL || g->monitor->state == CHILD_GONE;
	for (unsigned int i = 0; i < g->n_children; i++)
		if (is_device(g, &g->children[i]) && g->children[i].state != CHILD_GONE)
			return false;
	return true;
}

/*
 * The kernel closes the sockets of a process before it reports its end, so others may see the
 * consequence before we see the cause. Wait a moment for the end, or the word, that explains it.
 */
static void cause_await(struct sup_guest *g)
{
	int64_t end = now_ms() + CAUSE_WAIT_MS;
	bool was_awaited = g->is_cause_awaited;

	g->is_cause_awaited = true;
	while (!was_awaited && !is_cause_known(g) && now_ms() < end) {
		struct pollfd p[SUP_CHILDREN_MAX + 1];
		nfds_t n = 0;
		for (unsigned int i = 0; i < g->n_children; i++)
			if (g->children[i].state != CHILD_GONE)
				p[n++] = (struct pollfd){ .fd = g->children[i].spawned.pidfd,
					.events = POLLIN };
		if (g->monitor != NULL)
			p[n++] = (struct pollfd){ .fd = g->monitor->chan.fd, .events = POLLIN };
		(void)poll(p, n, (int)MAX(end - now_ms(), (int64_t)0));
		if (g->monitor != NULL)
			(void)sup_watch_messages(g->monitor);
		for (unsigned int i = 0; i < g->n_children; i++)
			sup_child_check_end(&g->children[i]);
	}
	g->is_cause_awaited = was_awaited;
}

/* Whoever died before this child spoke is the cause of what it says. */
static void others_check(const struct sup_child *c)
{
	struct sup_guest *g = c->guest;
	bool was_awaited = g->is_cause_awaited;

	g->is_cause_awaited = true;
	for (unsigned int i = 0; i < g->n_children; i++)
		if (&g->children[i] != c)
			sup_child_check_end(&g->children[i]);
	g->is_cause_awaited = was_awaited;
}

/* A child has descriptors, no paths: the file it speaks of, or NULL. */
static const char *file_of(const struct sup_child *c, const char *text)
{
	const struct wire_plan *plan = c->guest->plan;

	if (c == c->guest->ledger)
		return plan->ledger;
	const struct {
		const char *starts, *path;
	} rows[] = {
		{ "kernel: ", plan->kernel },
		{ "initrd: ", plan->initrd },
		{ "firmware: ", plan->firmware },
		{ "flash variables: ", plan->flash_vars },
		{ "certificate table: ", plan->snp_certs },
	};
	for (size_t i = 0; c == c->guest->monitor && i < ARRAY_LEN(rows); i++)
		if (strncmp(text, rows[i].starts, strlen(rows[i].starts)) == 0)
			return rows[i].path;
	return NULL;
}

static int failed_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct wire_failed failed;

	memcpy(&failed, m->buf, sizeof failed); /* before others speak: m is the channel's */
	others_check(c);
	failed.text[sizeof failed.text - 1] = 0;
	const char *file = file_of(c, failed.text);
	sup_watch_fail(c->guest, failed_errno(le32_get(failed.err)), "%s: %s%s%s", c->label,
		file != NULL ? file : "", file != NULL ? ": " : "", failed.text);
	return 0;
}

static int launched_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;

	if (c->guest->owner != NULL && !c->guest->has_owner_released)
		return -EPROTO; /* what the policy says the owner has to see was not shown */
	memcpy(&c->guest->launched, m->buf, sizeof c->guest->launched);
	c->guest->is_launched = true;
	return 0;
}

/* Measured, and held: the owner decides. It has its own time instead of the launch's. */
static int measured_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct sup_guest *g = c->guest;
	uint64_t wait_ms = (le32_get(g->plan->owner_wait_s) + LIMIT_OWNER_GRACE_S) * UINT64_C(1000);

	if (g->owner == NULL || g->owner->state != CHILD_READY || g->phase != PHASE_LAUNCH)
		return -EPROTO;
	int err = loop_timer_arm(g->timer.fd, wait_ms);
	if (err == 0)
		err = sup_child_send(g->owner, SUP_MSG_SEV_MEASURED, m->buf, m->len, NULL, 0);
	if (err < 0)
		sup_watch_fail(g, err, "cannot ask the owner: %s", strerrordesc_np(-err));
	g->is_owner_awaited = err == 0;
	return 0;
}

static int secret_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct sup_guest *g = c->guest;
	struct wire_sev_secret secret;

	if (!g->is_owner_awaited)
		return -EPROTO;
	memcpy(&secret, m->buf, sizeof secret);
	g->is_owner_awaited = false;
	c->is_stopping = true; /* it has said all, and ends */
	if (le32_get(secret.len) > sizeof secret.body)
		return -EBADMSG;
	if (g->phase != PHASE_LAUNCH)
		return 0; /* the launch is given up: no timer starts anew, nobody is told */
	if (le32_get(secret.err) != 0) {
		secret.text[sizeof secret.text - 1] = 0;
		sup_watch_fail(g, failed_errno(le32_get(secret.err)), "the owner at %s: %s",
			g->plan->owner_url, secret.text);
		return 0;
	}
	g->has_owner_released = true;
	int err = loop_timer_arm(g->timer.fd, phases[g->phase].timeout_ms);
	if (err == 0)
		err = sup_child_send(g->monitor, SUP_MSG_SEV_SECRET, m->buf, m->len, NULL, 0);
	if (err < 0)
		sup_watch_fail(g, err, "cannot give the monitor the owner's secret: %s",
			strerrordesc_np(-err));
	return 0;
}

static int ended_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct sup_result *r = &c->guest->result;
	struct wire_ended ended;

	memcpy(&ended, m->buf, sizeof ended);
	uint32_t status = le32_get(ended.status);
	if (le32_get(ended.how) >= ENDED_COUNT || (status > 255 && status != UINT32_MAX))
		return -EBADMSG;
	r->has_ended = true;
	r->how = le32_get(ended.how);
	r->status = status;
	ended.text[sizeof ended.text - 1] = 0;
	memcpy(r->text, ended.text, sizeof r->text);
	c->is_stopping = true;
	if (r->how == ENDED_DEVICE)
		cause_await(c->guest);
	return 0;
}

/* The terminal's reader is slow: the guest's console waits, not we. */
static void writers_pause(struct sup_guest *g, bool is_paused)
{
	struct src *const from[] = { g->monitor != NULL ? &g->monitor->chan_src : NULL,
		&g->console_out };

	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		if (from[i] != NULL && from[i]->fd >= 0 &&
			loop_mod(&g->loop, from[i], is_paused ? 0 : EPOLLIN) < 0)
			log_warn("cannot pause the guest's output");
}

static void out_has_room(struct sup_out *out)
{
	writers_pause(CONTAINER_OF(out, struct sup_guest, out), false);
}

static void out_take(struct sup_guest *g, const void *bytes, size_t len)
{
	if (len > sizeof g->out.buf - g->out.len) /* only of writers that end, or ended */
		sup_out_flush(&g->out, 1000);
	sup_out_add(&g->out, bytes, len);
	if (sup_out_is_full(&g->out) && g->phase < PHASE_STOP_MONITOR)
		writers_pause(g, true);
}

static int serial_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;

	if ((le32_get(c->guest->plan->flags) & PLAN_SERIAL) != 0)
		out_take(c->guest, m->buf, m->len);
	return 0;
}

static MUST_USE int connect_answer(struct sup_child *c, le32 cookie, int err, int fd)
{
	struct wire_connected answer = { .cookie = cookie, .err = le32_of((uint32_t)-err) };

	return sup_child_send(c, SUP_MSG_CONNECTED, &answer, sizeof answer, &fd, err == 0 ? 1 : 0);
}

static int connect_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct sup_guest *g = c->guest;
	struct wire_connect wanted;
	AUTO(fd) int fd = -1;

	memcpy(&wanted, m->buf, sizeof wanted);
	uint32_t index = le32_get(wanted.index);
	if (index >= le32_get(g->plan->n_ports))
		return -ERANGE;
	int err = sup_open_port(g->files, &g->plan->ports[index], &fd);
	if (err < 0)
		sup_log_warn(&c->log, "guest port %u: cannot connect to %s: %s",
			le32_get(g->plan->ports[index].port), g->plan->ports[index].path,
			strerrordesc_np(-err));
	return connect_answer(c, wanted.cookie, err, fd);
}

static int quoting_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct sup_guest *g = c->guest;
	struct wire_connect wanted;
	AUTO(fd) int fd = -1;

	memcpy(&wanted, m->buf, sizeof wanted);
	if (le32_get(wanted.index) != 0)
		return -ERANGE;
	int err = sup_open_quoting(g->files, g->plan, &fd);
	if (err < 0)
		sup_log_warn(&c->log, "cannot connect to the quoting service %s: %s", g->plan->qgs,
			strerrordesc_np(-err));
	return connect_answer(c, wanted.cookie, err, fd);
}

static int done_take(void *owner, struct msg *m)
{
	struct sup_child *c = owner;
	struct sup_guest *g = c->guest;
	struct wire_ledger_done done;

	memcpy(&done, m->buf, sizeof done);
	if (le32_get(done.cookie) != g->cookie || g->is_entry_done)
		return -EPROTO;
	if (le32_get(done.err) != 0) {
		int err = failed_errno(le32_get(done.err));
		g->is_entry_done = g->phase == PHASE_LAST_ENTRY; /* answered, if badly */
		sup_watch_fail(g, err == -EREMOTEIO ? -EIO : err,
			"ledger %s: the entry is not on the disk: %s%s", g->plan->ledger,
			strerrordesc_np(-err),
			err == -ENOSPC || err == -EDQUOT ? ": make room there" : "");
		return 0;
	}
	g->is_entry_done = true;
	return 0;
}

#define ANY (IN(CHILD_STARTING) | IN(CHILD_READY))

/* clang-format off */
#define COMMON_RULES \
	[SUP_MSG_READY]      = { IN(CHILD_STARTING), sizeof(struct wire_receipt), \
				 sizeof(struct wire_receipt), 0, 0, true, ready_take }, \
	[SUP_MSG_FAILED]     = { ANY, sizeof(struct wire_failed), sizeof(struct wire_failed), 0, 0, true, \
				 failed_take }

static const struct rule device_rules[] = { COMMON_RULES };
static const struct rule monitor_rules[] = {
	COMMON_RULES,
	[SUP_MSG_LAUNCHED]   = { IN(CHILD_STARTING), sizeof(struct wire_launched),
				 sizeof(struct wire_launched), 0, 0, true, launched_take },
	[SUP_MSG_SEV_MEASURED] = { IN(CHILD_STARTING), sizeof(struct wire_sev_measured),
				 sizeof(struct wire_sev_measured), 0, 0, true, measured_take },
	[SUP_MSG_ENDED]      = { IN(CHILD_READY), sizeof(struct wire_ended), sizeof(struct wire_ended), 0, 0,
				 true, ended_take },
	[SUP_MSG_SERIAL]     = { IN(CHILD_READY), 1, 256, 0, 0, false, serial_take },
};
static const struct rule quote_rules[] = {
	COMMON_RULES,
	[SUP_MSG_CONNECT]    = { IN(CHILD_READY), sizeof(struct wire_connect), sizeof(struct wire_connect),
				 0, 0, false, quoting_take },
};
static const struct rule owner_rules[] = {
	COMMON_RULES,
	[SUP_MSG_SEV_SECRET] = { IN(CHILD_READY), sizeof(struct wire_sev_secret),
				 sizeof(struct wire_sev_secret), 0, 0, true, secret_take },
};
static const struct rule vsock_rules[] = {
	COMMON_RULES,
	[SUP_MSG_CONNECT]    = { IN(CHILD_READY), sizeof(struct wire_connect), sizeof(struct wire_connect),
				 0, 0, false, connect_take },
};
static const struct rule ledger_rules[] = {
	COMMON_RULES,
	[LEDGER_MSG_DONE]    = { IN(CHILD_READY), sizeof(struct wire_ledger_done),
				 sizeof(struct wire_ledger_done), 0, 0, false, done_take },
};

static const struct {
	const struct rule *rules;
	size_t n;
} role_rules[ROLE_COUNT] = {
	[ROLE_LEDGER]      = { ledger_rules, ARRAY_LEN(ledger_rules) },
	[ROLE_MONITOR]     = { monitor_rules, ARRAY_LEN(monitor_rules) },
	[ROLE_MONITOR_SIM] = { monitor_rules, ARRAY_LEN(monitor_rules) },
	[ROLE_DEV_BLK]     = { device_rules, ARRAY_LEN(device_rules) },
	[ROLE_DEV_CONSOLE] = { device_rules, ARRAY_LEN(device_rules) },
	[ROLE_DEV_RNG]     = { device_rules, ARRAY_LEN(device_rules) },
	[ROLE_DEV_VSOCK]   = { vsock_rules, ARRAY_LEN(vsock_rules) },
	[ROLE_QUOTE]       = { quote_rules, ARRAY_LEN(quote_rules) },
	[ROLE_OWNER]       = { owner_rules, ARRAY_LEN(owner_rules) },
};
/* clang-format on */

bool sup_watch_messages(struct sup_child *c)
{
	struct sup_guest *g = c->guest;
	int err = 0;

	/* A bounded number a turn: no child keeps the loop from the others. */
	for (int i = 0; i < 16 && err == 0 && c->chan.fd >= 0; i++)
		err = chan_step(&c->chan, /* is_waiting= */ false,
			role_rules[c->spawned.role].rules, role_rules[c->spawned.role].n, c->state,
			c);
	if (err < 0 && err != -EAGAIN) {
		loop_del(&g->loop, &c->chan_src);
		c->chan_src.fd = -1;
		chan_close(&c->chan);
		if (err != -EPIPE) {
			sup_watch_fail(g, -EREMOTEIO,
				"%s: a message it may not send (%s): it is killed", c->label,
				strerrordesc_np(-err));
			sup_child_kill(c);
		}
	}
	guest_tick(g);
	return err == 0 && c->chan.fd >= 0;
}

void sup_watch_end(struct sup_child *c)
{
	struct sup_guest *g = c->guest;
	char text[300];

	if (c->end.is_signal && c->end.status == SIGKILL && confine_was_oom(g->confine, c->label))
		(void)snprintf(text, sizeof text,
			"was killed: it, or the guest as a whole, used more memory than it may "
			"(host.limits.overhead_mib)");
	else
		spawn_print_end(&c->end, text, sizeof text);
	bool is_clean = !c->end.is_signal && c->end.status == 0;
	bool is_consequence = false;
	if (is_clean && !c->is_stopping && is_device(g, c) && g->phase <= PHASE_RUN) {
		/* A device ends of itself when its monitor is gone, or going. */
		is_consequence = g->is_cause_awaited;
		cause_await(g);
		is_consequence |= g->result.err != 0 || g->result.has_ended;
	}
	if (is_consequence) {
		log_debug("%s %s", c->label, text);
	} else if (c->is_stopping) {
		if (c->end.is_signal && c->end.status != SIGKILL)
			log_warn("%s %s while it was ending", c->label, text);
	} else if (g->phase < PHASE_RUN) {
		sup_watch_fail(
			g, -EREMOTEIO, "%s %s while %s", c->label, text, phases[g->phase].name);
	} else if (g->phase == PHASE_RUN) {
		sup_watch_fail(
			g, -EREMOTEIO, "%s %s; the guest cannot go on without it", c->label, text);
	} else if (!is_clean && g->result.has_ended && g->result.how == ENDED_DEVICE) {
		/* The monitor saw the socket close before we saw the process end: this is the cause. */
		sup_watch_fail(
			g, -EREMOTEIO, "%s %s; the guest cannot go on without it", c->label, text);
	}
	guest_tick(g);
}

/* ---- what is not a child --------------------------------------------------------------------- */

static void timer_fire(struct src *src, uint32_t events)
{
	struct sup_guest *g = CONTAINER_OF(src, struct sup_guest, timer);

	loop_timer_clear(src->fd);
	if (phases[g->phase].late != NULL)
		phases[g->phase].late(g);
	guest_tick(g);
}

static void signals_fire(struct src *src, uint32_t events)
{
	struct sup_guest *g = CONTAINER_OF(src, struct sup_guest, signals);
	struct signalfd_siginfo info;

	if (read(src->fd, &info, sizeof info) != sizeof info)
		return;
	if (g->result.signal == 0 && g->result.err == 0 && !g->result.has_ended)
		g->result.signal = (int)info.ssi_signo;
	else if (g->phase >= PHASE_STOP_MONITOR)
		for (unsigned int i = 0; i < g->n_children; i++) /* asked twice: at once */
			if (&g->children[i] != g->ledger)
				sup_child_kill(&g->children[i]);
	if (g->phase < PHASE_STOP_MONITOR)
		phase_enter(g, PHASE_STOP_MONITOR);
}

static void console_out_fire(struct src *src, uint32_t events)
{
	struct sup_guest *g = CONTAINER_OF(src, struct sup_guest, console_out);
	uint8_t buf[4096];
	ssize_t n = read(src->fd, buf, sizeof buf);

	if (n > 0) {
		out_take(g, buf, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		loop_del(&g->loop, src);
		fd_drop(&src->fd);
	}
}

/* What is typed goes to the 16550, or to the virtio console where that is the only one. */
static void input_fire(struct src *src, uint32_t events)
{
	struct sup_guest *g = CONTAINER_OF(src, struct sup_guest, input);
	uint8_t buf[256];
	ssize_t n = read(src->fd, buf, sizeof buf);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		loop_del(&g->loop, src);
		src->fd = -1; /* standard input stays open: it is not ours */
		return;
	}
	if (g->phase != PHASE_RUN)
		return;
	int err = 0;
	if ((le32_get(g->plan->flags) & PLAN_SERIAL) != 0)
		err = sup_child_send(g->monitor, SUP_MSG_INPUT, buf, (size_t)n, NULL, 0);
	else if (g->console_in >= 0 && write(g->console_in, buf, (size_t)n) < 0)
		err = -errno;
	if (err < 0)
		log_warn("input is lost: the guest does not take it");
}

int sup_watch_open(struct sup_guest *g, struct why *why)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	int err = loop_open(&g->loop);

	g->timer = (struct src){ .fd = -1, .fire = timer_fire };
	g->signals = (struct src){ .fd = -1, .fire = signals_fire };
	g->console_out = (struct src){ .fd = -1, .fire = console_out_fire };
	g->input = (struct src){ .fd = -1, .fire = input_fire };
	g->console_in = -1;
	g->quote_end = -1;
	g->registry = -1;
	sup_out_init(&g->out, &g->loop, out_has_room);
	if (err == 0)
		err = loop_timer_open(&g->timer.fd);
	if (err == 0)
		err = loop_add(&g->loop, &g->timer, EPOLLIN);
	if (err == 0)
		err = loop_signal_open(signals, ARRAY_LEN(signals), &g->signals.fd);
	if (err == 0)
		err = loop_add(&g->loop, &g->signals, EPOLLIN);
	return err < 0 ? why_set(why, err, "cannot make the loop: %s", strerrordesc_np(-err)) : 0;
}

int sup_watch_run(struct sup_guest *g)
{
	if (g->console_out.fd >= 0) {
		int err = loop_add(&g->loop, &g->console_out, EPOLLIN);
		if (err < 0)
			return err;
	}
	phase_enter(g, PHASE_DEVICES);
	int err = loop_run(&g->loop);
	while (g->console_out.fd >= 0) { /* what the console process wrote before it ended */
		size_t before = g->out.len;
		console_out_fire(&g->console_out, 0);
		if (g->console_out.fd >= 0 && g->out.len == before)
			break;
		sup_out_flush(&g->out, 1000);
	}
	sup_out_flush(&g->out, 1000);
	return err;
}

void sup_watch_close(struct sup_guest *g)
{
	for (unsigned int i = g->n_children; i > 0; i--)
		sup_child_close(&g->children[i - 1]);
	for (uint32_t i = 0; i < g->devices.n; i++)
		fd_drop(&g->devices.fronts[i]);
	fd_drop(&g->quote_end);
	fd_drop(&g->registry);
	fd_drop(&g->console_out.fd);
	fd_drop(&g->console_in);
	fd_drop(&g->signals.fd);
	fd_drop(&g->timer.fd);
	loop_close(&g->loop);
}
