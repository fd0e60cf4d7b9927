/*
 * agent_cmd_tls: the agent's verbs for attested TLS: a certificate in files, and proxies for
 *                programs that know nothing of it.
 *
 * Trust:   the command line is the caller's.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

/* tls-cert, tls-serve, tls-connect; the program's exit status. */
int agent_cmd_tls_cert(int argc, char **argv);
int agent_cmd_tls_serve(int argc, char **argv);
int agent_cmd_tls_connect(int argc, char **argv);
