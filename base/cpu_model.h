/*
 * cpu_model: QEMU's names of AMD processors, and the CPUID signature that each stands for.
 *
 * Trust:   the name may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"

/* CPUID signature (leaf 1, EAX) of one of QEMU's models: "EPYC-v4"; -EINVAL for another name. */
MUST_USE int cpu_model_parse(const char *name, uint32_t *ret);

/* The names, without their versions, for messages: "EPYC, EPYC-IBPB, ...". */
#define CPU_MODEL_NAMES "EPYC, EPYC-IBPB, EPYC-Rome, EPYC-Milan, EPYC-Genoa, EPYC-Turin"

/* The n-th model without its version, or NULL behind the last. */
const char *cpu_model_at(unsigned int n);
