/*
 * what_changed: which input of a launch explains a digest that is not the predicted one. A digest
 *               cannot be read backwards; so other inputs are tried until one gives it.
 *
 * Trust:   the digest is whatever somebody found in a report.
 * Owns:    nothing; everything is borrowed for the call.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/launch_digest.h"
#include "base/cdefs.h"
#include "base/why.h"

#define CHANGED_CANDIDATES 64

/* Inputs that somebody suspects, tried alone and with one another. */
struct changed_candidates {
	size_t n_kernels, n_initrds, n_cmdlines, n_vcpus, n_memories, n_firmwares;
	struct {
		const uint8_t *p;
		size_t len;
	} kernels[CHANGED_CANDIDATES], initrds[CHANGED_CANDIDATES], firmwares[CHANGED_CANDIDATES];
	const char *cmdlines[CHANGED_CANDIDATES];
	uint32_t vcpus[CHANGED_CANDIDATES];
	uint64_t memories_mib[CHANGED_CANDIDATES];
};

enum changed_input {
	CHANGED_KERNEL,
	CHANGED_INITRD,
	CHANGED_CMDLINE,
	CHANGED_VCPUS,
	CHANGED_MEMORY,
	CHANGED_FEATURES,
	CHANGED_FIRMWARE,
	CHANGED_CPU,
	CHANGED_VMM, /* or, for MRTD, the order in which it adds pages */
	CHANGED_INPUT_COUNT
};

/* "kernel", "initrd", "cmdline", "vcpus", "memory_mib", "vmsa_features", ...; for people with a space. */
const char *changed_input_key(enum changed_input input);
const char *changed_input_name(enum changed_input input);

struct changed {
	bool is_found;
	uint32_t inputs;         /* 1 << enum changed_input, of the first combination that fits */
	struct launch_inputs in; /* that combination */
	char cmdline[LIMIT_CMDLINE_BYTES]; /* in.boot.cmdline points here or to a candidate */
	unsigned int n_tried;
};

/* Does this input have a say in the digest of this kind? */
bool changed_input_matters(enum changed_input input, enum launch_kind kind);

/*
 * Try, beside the candidates: every word of the command line left out, words that people add put
 * in between any two, numbers of vCPUs, common memory sizes, VMSA features, models of CPU and VMMs; of
 * these what matters to the kind. digest is as long as the kind's. 0 (look at is_found), or an error of
 * launch_digest_compute() for the base itself.
 */
MUST_USE int what_changed(const struct launch_inputs *base, const uint8_t *digest,
	const struct changed_candidates *candidates, struct changed *ret, struct why *why);

/*
 * How one command line became another, for people: "'quiet' added", "'ro' removed", "'a' became
 * 'b'". Always terminated.
 */
void changed_words(const char *from, const char *to, char *ret, size_t size);
