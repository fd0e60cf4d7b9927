/*
 * seccomp_table: the system call allow-lists as seccomp_gen.py writes them from policy/seccomp, for
 *                seccomp-compile and for tests. No process of ours holds them.
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
	const char *name; /* "dev-blk", "monitor-vcpu" */
	size_t n_rows;
	const struct seccomp_row *rows;
};

extern const struct seccomp_table seccomp_tables[];
extern const size_t seccomp_n_tables;
