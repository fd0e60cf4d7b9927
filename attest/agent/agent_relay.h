/*
 * agent_relay: a Unix socket for a stream of another kind. libcurl 7.88 connects a socket that its
 *              callback says is connected already (CURL_SOCKOPT_ALREADY_CONNECTED), and gives up on
 *              one whose address it cannot print ("ssloc inet_ntop() failed"): an AF_VSOCK socket
 *              fails both ways, a Unix socket's path neither. It may have the vsock itself once the
 *              oldest libcurl we build with takes it.
 *
 * Trust:   none in what is copied: TLS is between curl and the broker, not here.
 * Owns:    a child process that copies until either side ends.
 * Threads: one.
 */
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "base/cdefs.h"

/*
 * Connect to far and join it to whoever connects to the Unix socket made at path; who comes after
 * gets a connection of his own. *ret_pid is the child that copies, for agent_relay_stop(). Call
 * before there are secrets: the child has a copy of our memory. The errors of connect(2).
 */
MUST_USE int agent_relay_start(
	const struct sockaddr *far, socklen_t far_len, const char *path, pid_t *ret_pid);

/* End the child; 0 for pid is fine. */
void agent_relay_stop(pid_t pid);
