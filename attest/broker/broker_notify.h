/*
 * broker_notify: what systemd hears of the broker's state (sd_notify(3)'s protocol: datagrams).
 *
 * Trust:   NOTIFY_SOCKET comes from whoever started the broker.
 * Owns:    the socket.
 * Threads: one.
 */
#pragma once

#include "base/cdefs.h"

/* The socket that NOTIFY_SOCKET names ("@" first: an abstract one); -1: nobody listens. */
int notify_open(const char *name);

/* "READY=1", "STOPPING=1"; nothing when fd is -1. */
void notify_send(int fd, const char *state);
/* Before the files are read again; systemd wants the time. */
void notify_reloading(int fd);
