/*
 * cm: cmocka and the headers it needs, in the order it needs them.
 *
 * Trust:   nothing from outside.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
