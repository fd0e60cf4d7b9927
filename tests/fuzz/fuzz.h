/*
 * fuzz: the one function a fuzz target defines; libFuzzer calls it, or replay.c does.
 *
 * Trust:   none in the bytes.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

PUBLIC int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
