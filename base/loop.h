/*
 * loop: one epoll loop per process (style rule 43). A source is embedded in its owner; the
 *       handler gets the source and finds the owner with CONTAINER_OF.
 *
 * Trust:   none needed; events are hints, handlers read until EAGAIN.
 * Owns:    the epoll descriptor; sources and their descriptors stay the caller's.
 * Threads: one; loop_stop() may also be called from a handler only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"

struct src {
	int fd;
	void (*fire)(struct src *src, uint32_t events);
};

struct loop {
	int epoll_fd;
	bool is_stopped;
	int result;
};

/* 0 or an error of epoll_create1(2). Release with loop_close(). */
MUST_USE int loop_open(struct loop *ret);
void loop_close(struct loop *loop);

/* Watch src->fd for EPOLL* events; the source must stay where it is until loop_del(). */
MUST_USE int loop_add(struct loop *loop, struct src *src, uint32_t events);
MUST_USE int loop_mod(struct loop *loop, struct src *src, uint32_t events);
/* Stop watching; safe in a handler, also for another source of the same round. */
void loop_del(struct loop *loop, struct src *src);

/* Run handlers until loop_stop(); returns what it was given, or an error of epoll_wait(2). */
MUST_USE int loop_run(struct loop *loop);

/* One round: wait at most timeout_ms (-1: for ever), run what is due. 0 or an error. */
MUST_USE int loop_step(struct loop *loop, int timeout_ms);

/* Make loop_run() return result after the current handler. */
void loop_stop(struct loop *loop, int result);

/*
 * A timer and signals as descriptors for a source. timer: CLOCK_MONOTONIC, non-blocking; arm
 * with loop_timer_arm (0 disarms). signals: blocks them for the process, then a signalfd.
 */
MUST_USE int loop_timer_open(int *ret_fd);
MUST_USE int loop_timer_arm(int fd, uint64_t timeout_ms);
void loop_timer_clear(int fd);
MUST_USE int loop_signal_open(const int *signals, size_t n, int *ret_fd);
