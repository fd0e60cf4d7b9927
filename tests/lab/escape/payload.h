/*
 * payload: the hostile code's door: every place where a program can be taken over calls it.
 *
 * Trust:   none to be had.
 * Owns:    nothing.
 * Threads: any; the first that comes at the ordered moment is taken over.
 */
#pragma once

#include "tests/lab/escape/order.h"

/* The moment is there. Returns when the program is to go on as it was. */
void payload_taken_over(enum order_when when);
