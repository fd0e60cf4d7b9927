/*
 * target: one process to be taken over: started as its starter does, in its real sandbox.
 *
 * Trust:   the process is hostile: its words are searched, its end is waited for with a time-out.
 * Owns:    a struct target_run holds the process and its pipes; target_end() releases them.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "base/chan.h"
#include "base/why.h"
#include "sandbox/spawn.h"
#include "tests/lab/escape/order.h"

struct target_run {
	struct spawn_child child;
	struct chan chan; /* the parent's end */
	int peers[2];     /* other ends that must stay open: front end, monitor */
};

struct target {
	const char *name; /* "monitor vcpu" */
	enum role role;
	const char *binary;
	enum order_when when;
	bool has_disk;
	MUST_USE int (*start)(struct target_run *r, struct why *why);
};

extern const struct target targets[];
extern const unsigned int n_targets;

/* Processes get labels and a pair of categories of their own: 0, or an error with why. */
MUST_USE int target_use_labels(struct why *why);
/* The pair is free again. Fine without labels. */
void target_drop_labels(void);

/* The folder all of it happens in: programs, and files for them to hold. Once, before all else. */
void target_set_folder(const char *path);

/* End what still runs, reap it, close everything. */
void target_end(struct target_run *r);
