/*
 * mon_quote: a TD's quotes (TDVMCALL GetQuote, ABI 4.11): the report goes from the guest's shared
 *            buffer to casemate-quote, the quote comes back into it, while the guest goes on. Also
 *            the interrupt that tells the guest so, if it wants one.
 *
 * Trust:   addresses, sizes and the buffer are the guest's, and are read once; it may have made the
 *          buffer private when the quote comes: then nothing is written. The quote is bounded.
 * Owns:    the channel to casemate-quote and the timer.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/why.h"
#include "sev/abi_tdx.h"
#include "sev/guest.h"
#include "vmm/monitor/mon_memory.h"

struct quote_wait {
	bool is_used;
	uint32_t cookie;
	uint64_t gpa;
	uint64_t size;        /* of the buffer */
	uint64_t deadline_ms; /* CLOCK_MONOTONIC */
};

struct quotes {
	struct chan chan; /* fd -1: there is no casemate-quote */
	struct src src;
	struct src timer;
	struct loop *loop;
	struct guest *guest;
	const struct mon_memory *memory;
	uint32_t cookie; /* of the last request */
	struct quote_wait waits[LIMIT_QUOTE_PENDING];
	uint32_t vector, apic_id; /* vector 0: the guest wants no interrupt */
	void (*signal)(void *owner, uint64_t address, uint32_t data);
	void *owner;
};

/*
 * Take fd, a channel to casemate-quote; -1, or something that is no socket: there is none, and
 * requests are answered so. signal() sends a message-signalled interrupt. Before sandbox_enter().
 * Release with mon_quote_close(), also after a failure, and if it was never opened (all zero).
 */
MUST_USE int mon_quote_open(struct quotes *q, int fd, struct loop *loop, struct guest *guest,
	const struct mon_memory *memory,
	void (*signal)(void *owner, uint64_t address, uint32_t data), void *owner, struct why *why);
void mon_quote_close(struct quotes *q);

/* Serve KVM_EXIT_TDX of the vCPU with this APIC id: fill in e->ret and what comes with it. */
void mon_quote_serve(struct quotes *q, uint32_t apic_id, struct abi_exit_tdx *e);
