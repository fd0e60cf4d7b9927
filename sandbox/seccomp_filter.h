/*
 * seccomp_filter: the allow-lists as the kernel takes them, compiled when casemate is built
 *                 (seccomp_compile_main.c; docs/decisions/0009). NAME.pfc in the build folder is the
 *                 same for people.
 *
 * Trust:   compiled in.
 * Owns:    nothing; const.
 * Threads: any.
 */
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

struct seccomp_filter {
	const char *name;   /* of its list: "dev-blk", "monitor-vcpu" */
	size_t n_rules;     /* of the list: a call, or a call with one set of values */
	uint16_t n;         /* instructions */
	uint8_t sha256[32]; /* of the instructions, as they lie in memory */
	const struct sock_filter *code;
};

/* getppid(2) is answered with this errno by our filters and by nothing else. */
#define SECCOMP_CANARY_ERRNO 2989

extern const struct seccomp_filter seccomp_policy;
extern const struct seccomp_filter seccomp_ledger;
extern const struct seccomp_filter seccomp_monitor;
extern const struct seccomp_filter seccomp_monitor_vcpu;
extern const struct seccomp_filter seccomp_monitor_sim;
extern const struct seccomp_filter seccomp_monitor_sim_vcpu;
extern const struct seccomp_filter seccomp_dev_blk;
extern const struct seccomp_filter seccomp_dev_console;
extern const struct seccomp_filter seccomp_dev_rng;
extern const struct seccomp_filter seccomp_dev_vsock;
extern const struct seccomp_filter seccomp_quote;
extern const struct seccomp_filter seccomp_owner;
extern const struct seccomp_filter seccomp_broker;
extern const struct seccomp_filter seccomp_broker_reader;
extern const struct seccomp_filter seccomp_super;
extern const struct seccomp_filter seccomp_foreign;
extern const struct seccomp_filter seccomp_test;
