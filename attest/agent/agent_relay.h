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

#include <sys/types.h>

#include "base/cdefs.h"

/*
 * Take the connected stream far_fd (also on failure) and join it to the first one who connects to
 * the Unix socket made at path; *ret_pid is the child that copies, for agent_relay_stop(). Call
 * before there are secrets: the child has a copy of our memory.
 */
MUST_USE int agent_relay_start(int far_fd, const char *path, pid_t *ret_pid);

/* End the child; 0 for pid is fine. */
void agent_relay_stop(pid_t pid);
