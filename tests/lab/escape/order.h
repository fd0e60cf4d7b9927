/*
 * order: what a program of ours that was taken over is to try, and when. The harness writes it into
 *        its copy of the program's file: the program gets no argument, no variable and no descriptor
 *        that the real one would not get.
 *
 * Trust:   both ends are tests.
 * Owns:    nothing.
 * Threads: read by every thread of the program; written before it is started.
 */
#pragma once

#include <stdint.h>

/* Found once in the file of a program that has the payload, and in no other. */
#define ORDER_MARK "casemate escape suite: order\n"

/* Where in its life the program is taken over. */
enum order_when {
	WHEN_NEVER,   /* the program is the real one */
	WHEN_ENTERED, /* the sandbox is complete, nothing hostile was read yet */
	WHEN_READY,   /* about to say READY */
	WHEN_LOOP,    /* a turn of its loop, after READY: the loop_turn-th */
	WHEN_VCPU,    /* the monitor: a vCPU's thread, about to enter the guest again */
	WHEN_MESSAGE, /* lies: about to send a message on another socket than its channel */
	WHEN_COUNT
};

struct order {
	char mark[32];
	uint32_t when;      /* enum order_when */
	uint32_t attempt;   /* index into attempts[], or lies[] when is_live */
	uint32_t is_live;   /* a lie to the other processes of a running guest */
	uint32_t loop_turn; /* WHEN_LOOP, WHEN_VCPU: at this turn, the first is 0 */
	uint32_t step;      /* WHEN_MESSAGE: the message of this number, the first is 1; 0: all */
	int32_t victim_pid; /* a process of the guest next door */
	char victim_disk[256];
	char victim_socket[108];  /* a socket by path */
	char victim_abstract[32]; /* a socket by abstract name: all of it, the first byte is zero */
};

extern volatile struct order order;
