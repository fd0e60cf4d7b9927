/*
 * guard: shared mappings with a forbidden page on either side, for fuzz targets that map guest
 *        memory: what a bounds check misses is a fault, not a neighbour's byte; and the word
 *        that a target ends with. Linked with -Wl,--wrap=mmap64,--wrap=munmap.
 *
 * Trust:   tests only.
 * Owns:    the pages around each mapping; they go with it.
 * Threads: one.
 */
#pragma once

/* Say what was found and abort. */
_Noreturn void finding(const char *text);

/* How many guarded mappings there are: none, when everything was released. */
unsigned int guard_count(void);
