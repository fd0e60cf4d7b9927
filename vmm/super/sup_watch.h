/*
 * sup_watch: the life of a guest, from "everything is spawned" to "everybody is reaped": one table
 *            of phases, each with a time-out, moved on by messages and ends of children.
 *
 * Trust:   none in the children; time-outs decide where they do not.
 * Owns:    nothing beyond the guest it was given.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "vmm/super/sup_child.h"

/* Prepare loop, timer, signals and output of a guest. 0 or an error with why. */
MUST_USE int sup_watch_open(struct sup_guest *g, struct why *why);

/*
 * Run the loop from PHASE_DEVICES until everybody has ended. How it went is in g->result; the
 * return value is 0 or the error of the loop itself.
 */
MUST_USE int sup_watch_run(struct sup_guest *g);

/* From sup_child.c: messages may be waiting (true: there may be more); the child has ended. */
bool sup_watch_messages(struct sup_child *c);
void sup_watch_end(struct sup_child *c);

/* Something failed: the first cause is kept, and the guest is brought down. */
void sup_watch_fail(struct sup_guest *g, int err, const char *fmt, ...) PRINTF(3, 4);

void sup_watch_close(struct sup_guest *g);
