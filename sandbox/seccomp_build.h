/*
 * seccomp_build: an allow-list as a libseccomp filter, not loaded. For stage_seccomp() and for the
 *                test that exports filters and judges calls with them.
 *
 * Trust:   the table is compiled in.
 * Owns:    the filter; the caller releases it with seccomp_release(3).
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"
#include "sandbox/seccomp_table.h"

/* 0 or an error of libseccomp; *ret is a scmp_filter_ctx. */
MUST_USE int seccomp_build(const struct seccomp_table *table, void **ret);
