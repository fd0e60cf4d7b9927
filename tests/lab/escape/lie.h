/*
 * lie: what a taken-over process tells the other processes of its guest while it runs.
 *
 * Trust:   runs inside the program under test as if its code had been replaced.
 * Owns:    nothing.
 * Threads: the one that was taken over.
 */
#pragma once

#include <stddef.h>

struct lie {
	const char *name;
	void (*run)(void); /* returns when the program goes on as if nothing were */
};

extern const struct lie lies[];
extern const size_t n_lies;
