/*
 * tdx_error: the TDX module's status words, in words. ABI 4.3, 4.13.
 *
 * Trust:   words may be anything.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TDX_ERROR_TEXT_BYTES 200u

/* The class's name, the operand's if it has one, and what that usually means; zero-terminated. */
void tdx_error_print(uint64_t word, char ret[TDX_ERROR_TEXT_BYTES]);
