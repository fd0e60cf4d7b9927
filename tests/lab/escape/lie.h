/*
 * lie: what a taken-over process tells the other processes of its guest while it runs.
 *
 * Trust:   runs inside the program under test as if its code had been replaced.
 * Owns:    nothing.
 * Threads: the one that was taken over.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* When the program sends a message of this number on another socket than its channel. */
#define LIE_ANY_REQUEST 0xffffffffu

struct lie {
	const char *name;
	/* WHEN_READY, WHEN_LOOP: returns when the program goes on as if nothing were. */
	void (*run)(void);
	/* WHEN_MESSAGE: in the place of sendmsg(2), for the order.step-th such message; 0: all. */
	ssize_t (*send)(int fd, const struct msghdr *mh, int flags);
	uint32_t request; /* a vhost-user request's number, or LIE_ANY_REQUEST */
};

extern const struct lie lies[];
extern const size_t n_lies;

/* sendmsg(2) itself. */
__typeof__(sendmsg) __real_sendmsg;

/* Every message that left on the channel: the last one can be played again. */
void lie_note_sent(const struct msghdr *mh);
