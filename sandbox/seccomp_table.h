/*
 * seccomp_table: a system call allow-list as seccomp_gen.py writes it from a .syscalls file.
 *
 * Trust:   compiled in.
 * Owns:    nothing; const.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SECCOMP_CONDS_MAX 4u

/* True when (argument & mask) == value. */
struct seccomp_cond {
	uint8_t arg;
	uint64_t mask;
	uint64_t value;
};

/* A call is allowed (or answered with err) when all conditions of one of its rows hold. */
struct seccomp_row {
	int nr;
	uint16_t err; /* 0: allow; else the errno it gets */
	uint8_t n_conds;
	struct seccomp_cond conds[SECCOMP_CONDS_MAX];
};

struct seccomp_table {
	const char *name;
	size_t n_rows;
	const struct seccomp_row *rows;
};

/* getppid(2) is answered with this errno by our filters and by nothing else. */
#define SECCOMP_CANARY_ERRNO 2989

extern const struct seccomp_table seccomp_policy;
extern const struct seccomp_table seccomp_ledger;
extern const struct seccomp_table seccomp_monitor;
extern const struct seccomp_table seccomp_monitor_sim;
extern const struct seccomp_table seccomp_dev_blk;
extern const struct seccomp_table seccomp_dev_console;
extern const struct seccomp_table seccomp_dev_rng;
extern const struct seccomp_table seccomp_dev_vsock;
extern const struct seccomp_table seccomp_quote;
extern const struct seccomp_table seccomp_owner;
extern const struct seccomp_table seccomp_broker;
extern const struct seccomp_table seccomp_test;
