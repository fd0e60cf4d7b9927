/*
 * sup_host_kernel: which Linux runs here, and which known faults it has.
 *
 * Trust:   texts of the kernel's, and a table of our own.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>

#include "vmm/super/sup_host_facts.h"

struct host_kernel {
	unsigned int major, minor, patch;
	bool is_exact; /* patch is upstream's, not a distribution's own count */
};

/* Out of `uname -r` and `uname -v` (Debian says upstream's version there). False: no version. */
bool host_kernel_parse(const struct host_facts *f, struct host_kernel *ret);

/* One fault of KVM that the host's safety from its guests depends on. */
struct host_fault {
	const char *cve;
	unsigned int since[2];     /* major, minor */
	unsigned int fixed[2];     /* mainline */
	unsigned int stable[2][3]; /* backports: major, minor, patch; zeros: none */
};

enum host_fault_id { HOST_FAULT_GHCB, HOST_FAULT_VMSA, HOST_FAULT_COUNT };
extern const struct host_fault host_faults[HOST_FAULT_COUNT];

/* 1: fixed or never had it; 0: has it; -1: cannot be told from the version. */
int host_fault_check(const struct host_fault *fault, const struct host_kernel *k);
