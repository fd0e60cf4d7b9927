/*
 * agent_settings: what the kernel command line tells the agent. It is launch-measured, so a broker
 *                 that accepted the measurement accepted these words.
 *
 *   casemate.workload=/PATH        the program to run, in the root file system (needed)
 *   casemate.root=NAME             block device of the root, default vda
 *   casemate.verity=HASH@OFFSET    its dm-verity root hash (SHA-256) and where the hash tree starts,
 *                                  in bytes; the data is what lies before it (needed)
 *   casemate.volume=NAME           block device of a LUKS2 volume; none when it is not given
 *   casemate.key=REPOSITORY/TYPE/TAG  its key at the broker (needed with a volume)
 *   casemate.mount=/PATH           where it is mounted, default /data
 *   casemate.integrity=required    refuse a volume without authenticated encryption
 *   casemate.broker=vsock:CID:PORT, unix:PATH or tcp:ADDRESS:PORT, default vsock:2:7001; or "launch":
 *                                  the owner put the key into the launch (SEV, SEV-ES)
 *   casemate.host=NAME             the name in the broker's certificate, default casemate-broker
 *   casemate.ca=HEX                SHA-256 of the broker's public key (SubjectPublicKeyInfo); without
 *                                  it /etc/casemate/broker-ca.pem of the initramfs says whom to trust
 *
 *   casemate.evidence=SOURCE       the only source of evidence to use (ev.h); default the first there is
 *   casemate.teekey=KIND           P-256, P-384 (default), P-521 or RSA: what secrets are sealed to
 *
 *   Other words that start with "casemate." are errors, and so is a word given twice.
 *
 * Trust:   measured; read strictly all the same.
 * Owns:    nothing; a plain value.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

#define AGENT_DEVICE_MAX 16
#define AGENT_WORD_MAX   16
#define AGENT_HOST_MAX   64
#define AGENT_PATH_MAX   100 /* a Unix socket's path has 107 bytes */

struct agent_broker {
	char unix_path[AGENT_PATH_MAX + 1]; /* empty: vsock */
	uint32_t vsock_cid;
	uint32_t vsock_port;
	char tcp[AGENT_PATH_MAX + 1]; /* ADDRESS:PORT; empty: not TCP */
	char host[AGENT_HOST_MAX + 1];
	bool has_pin;
	uint8_t pin[32];
	unsigned int tries;     /* for the first request; 0 is 1 */
	unsigned int timeout_s; /* of one request; 0: a minute */
};

struct agent_settings {
	char workload[LIMIT_PATH_BYTES];
	char root[AGENT_DEVICE_MAX + 1];
	uint8_t verity[32];
	uint64_t verity_offset;
	char volume[AGENT_DEVICE_MAX + 1]; /* empty: none */
	char key[LIMIT_PATH_BYTES];
	char mount[LIMIT_PATH_BYTES];
	bool is_integrity_required;
	char evidence[AGENT_WORD_MAX + 1]; /* ev.h's name of a source; empty: the first there is */
	char key_kind[AGENT_WORD_MAX + 1]; /* kbs_key_make()'s */
	bool is_key_launched;              /* there is no broker: the key came with the launch */
	struct agent_broker broker;
};

/* Read a command line (/proc/cmdline). -EBADMSG or -EMSGSIZE with why naming the word. */
MUST_USE int agent_settings_parse(
	const char *cmdline, size_t len, struct agent_settings *ret, struct why *why);

/* "vsock:2:7001", "unix:/PATH", "tcp:10.0.2.2:8080", "tcp:[fd00::1]:8080"; -EBADMSG. */
MUST_USE int agent_broker_parse(const char *text, struct agent_broker *ret);

/* "P-256", "P-384", "P-521" or "RSA"; -EBADMSG. */
MUST_USE int agent_key_kind_parse(const char *text, char ret[AGENT_WORD_MAX + 1]);
