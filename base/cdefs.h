/*
 * cdefs: compiler attributes and the few macros everybody needs.
 *
 * Trust:   nothing from outside.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN     __attribute__((noreturn))
#define PUBLIC       __attribute__((visibility("default")))
#define UNUSED       __attribute__((unused))

/* Run fn##_auto(&variable) when the variable leaves its scope (style rule 22). */
#define AUTO(fn)     __attribute__((cleanup(fn##_auto), unused)) /* being closed is a use */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define CONTAINER_OF(ptr, type, member)                                                            \
	((type *)(void *)((unsigned char *)(ptr)-offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Layout of structs that cross a process, a network or guest memory (style rule 26). */
#define WIRE_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define WIRE_AT(type, member, where)                                                               \
	_Static_assert(offsetof(type, member) == (where), #type "." #member)
