/*
 * sup_child: one process the supervisor started, and the guest they all belong to.
 *
 * Trust:   none in a child: its messages go through tables of rules, its log lines are escaped, and
 *          no decision waits for it without a time-out.
 * Owns:    a child: its process, channel, log pipe; sup_child_close() ends it. A guest: all of it.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/chan.h"
#include "base/loop.h"
#include "base/why.h"
#include "policy/plan.h"
#include "sandbox/foreign.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "vmm/super/sup_confine.h"
#include "vmm/super/sup_control.h"
#include "vmm/super/sup_log.h"
#include "vmm/super/sup_open.h"
#include "vmm/super/sup_out.h"
#include "vmm/super/sup_proto.h"

struct sup_guest;

/* What a child may send, and when: the state of its table of rules. */
enum sup_child_state {
	CHILD_STARTING, /* until READY */
	CHILD_READY,
	CHILD_GONE, /* reaped; end is filled in */
};

struct sup_child {
	struct sup_guest *guest;
	struct spawn_child spawned;
	struct chan chan;
	struct src chan_src;
	struct src end_src; /* the pidfd */
	struct src log_src;
	struct sup_log log;
	enum sup_child_state state;
	struct spawn_end end;
	bool is_stopping;                /* STOP was sent: its end is expected */
	char label[LIMIT_ID_BYTES + 16]; /* "dev-blk data" */
	struct receipt_want want;        /* what it has to show with READY */
	char cgroup[LIMIT_PATH_BYTES];   /* its leaf; empty: none */
	struct wire_receipt receipt;     /* what it showed; zero until READY */
};

/* Where a start or an end has got to; sup_watch.c has the table. */
enum sup_phase {
	PHASE_DEVICES,      /* ledger writer and devices have their CONFIG; all must be READY */
	PHASE_LAUNCH,       /* the monitor has its CONFIG; LAUNCHED and READY must come */
	PHASE_ENTRY,        /* the ledger's "launched" entry is on its way to the disk */
	PHASE_RUN,          /* the guest runs */
	PHASE_STOP_MONITOR, /* the monitor was told to end, or said it does */
	PHASE_STOP_DEVICES, /* the same for the devices: they drain */
	PHASE_LAST_ENTRY,   /* the ledger's "ended" entry */
	PHASE_STOP_LEDGER,
	PHASE_OVER,
	PHASE_COUNT
};

#define SUP_CHILDREN_MAX SUP_PROCESSES_MAX

/* How it ended: the first cause wins. */
struct sup_result {
	int err; /* 0, or what failed; why says it */
	struct why why;
	int signal;     /* that ended the chamber; 0: none */
	bool has_ended; /* the monitor said how: */
	uint32_t how;   /* enum ended_how */
	uint32_t status;
	char text[400];
};

/* Our ends of the vhost-user pairs, until the monitor has them. */
struct sup_devices {
	uint32_t n;
	uint32_t kinds[LIMIT_DEVICES]; /* enum mon_device */
	int fronts[LIMIT_DEVICES];
};

struct sup_guest {
	struct loop loop;
	const struct wire_plan *plan;
	struct sup_files *files;
	struct confine *confine;
	int registry; /* the folder of the guest's file, O_PATH */
	struct sup_child children
		[SUP_CHILDREN_MAX]; /* ledger (if any), devices, quote, owner, monitor last */
	unsigned int n_children;
	struct sup_child *ledger; /* NULL: the plan has none */
	struct sup_child *owner;  /* NULL: nobody is waited for */
	struct sup_child *monitor;
	int quote_end; /* the monitor's end of casemate-quote's channel, until it has it; -1: none */
	struct sup_devices devices;
	enum sup_phase phase;
	struct src timer;
	struct src signals;
	struct sup_out out;      /* serial and console output, to standard output */
	struct src console_out;  /* read end of the console device's output; fd -1: none */
	struct src input;        /* standard input; fd -1: not watched */
	int console_in;          /* write end of the console device's input; -1: none */
	bool is_launched;        /* LAUNCHED came */
	bool has_owner_released; /* the owner's answer was no refusal */
	bool is_owner_awaited;   /* MEASURED went out, the owner's answer has not come */
	bool has_entry;          /* "launched" is durable */
	bool is_entry_done;      /* the entry on its way is durable */
	bool is_cause_awaited;   /* no phase moves on while it is found out who failed first */
	uint32_t cookie;         /* of the entry on its way */
	struct wire_launched launched;
	struct sup_result result;
	void (*on_running)(struct sup_guest *g); /* the guest runs now: for the registry */
};

/* Start the program of a role and watch it. The child is guest->children[n_children++]. */
MUST_USE int sup_child_start(struct sup_guest *g, enum role role, const char *id, const int *fds,
	unsigned int n_fds, struct why *why);

/*
 * The same for a program of another make: it has started when this returns, its receipt was right.
 * uid, gid: whose it is where we are root. It has no channel; STOP is SIGTERM.
 */
MUST_USE int sup_child_start_foreign(struct sup_guest *g, const char *id,
	const struct foreign *what, uint32_t uid, uint32_t gid, struct why *why);

/* Has it namespaces that no other process of the guest, as far as they are READY, is in? */
MUST_USE int sup_child_check_apart(const struct sup_child *c, struct why *why);

/* Send without blocking; a child whose queue is full is as good as dead: -EAGAIN, logged. */
MUST_USE int sup_child_send(struct sup_child *c, uint16_t type, const void *payload, size_t len,
	const int *fds, unsigned int n_fds);

/* STOP, or SIGTERM for a program of another make; a child that cannot be told is killed. */
void sup_child_stop(struct sup_child *c);

/* SIGKILL, unless it is gone; the end arrives like any other. */
void sup_child_kill(struct sup_child *c);

/* If it has ended and nobody noticed yet: notice. */
void sup_child_check_end(struct sup_child *c);

/* Release; a process that still runs is killed and reaped. */
void sup_child_close(struct sup_child *c);
