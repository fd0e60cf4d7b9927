/*
 * mon_vcpu: one thread a vCPU. A thread runs the guest and hands every exit that KVM does not
 *           answer itself to the loop thread, then waits: all device models run on one thread,
 *           without locks (style rule 44), but for reads of what never changes (serve). Kicks and
 *           interrupts do not come this way.
 *
 * Trust:   the run page is written by the guest's exits; the loop thread judges it.
 * Owns:    the threads and their event descriptors.
 * Threads: struct vcpu belongs to its thread while is_waiting is false, to the loop thread while
 *          it is true.
 */
#pragma once

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/monitor/mon_kvm.h"

struct vcpus;
struct vcpu;

struct vcpu_ops {
	/* First of all that a thread does: it locks itself up (sandbox_enter_thread()). */
	int (*enter)(void *owner, struct why *why);
	/* On the vCPU's thread, without a system call: was this exit answered by that? */
	bool (*serve)(void *owner, struct vcpu *v);
	/* An exit: run_err and *run as fw_run() left them. On the loop thread. */
	void (*exited)(void *owner, struct vcpu *v);
	void *owner;
};

struct vcpu {
	struct vcpus *all;
	int entered_fd;       /* the thread counts itself here when it is locked up, or failed to */
	atomic_int enter_err; /* what enter() said, -EINPROGRESS before, and why */
	struct why enter_why;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	int run_err;        /* of the last fw_run() */
	bool is_completing; /* immediate_exit was set to complete an exit: that is one of its own */
	atomic_bool is_waiting; /* an exit wants the loop thread */
	int resume_fd;          /* the loop thread lets the vCPU go on */
	pthread_t thread;
};

struct vcpus {
	struct src exits; /* threads signal it when they wait */
	int entered_fd;   /* of the threads that start; -1: all have */
	unsigned int n;
	atomic_bool is_ending;
	struct vcpu at[LIMIT_VCPUS];
	struct vcpu_ops ops;
};

/*
 * Make the threads; each has entered its sandbox when this returns 0, and waits until mon_vcpu_go().
 * Before the loop thread enters its own. Release with mon_vcpu_stop(). Errors of enter() with its
 * why.
 */
MUST_USE int mon_vcpu_start(struct vcpus *ret, struct mon_kvm *kvm, struct loop *loop,
	const struct vcpu_ops *ops, struct why *why);

/* Let all vCPUs run. */
void mon_vcpu_go(struct vcpus *vs);

/* End all threads and wait for them. */
void mon_vcpu_stop(struct vcpus *vs, struct loop *loop);
