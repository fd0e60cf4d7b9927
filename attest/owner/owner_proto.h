/*
 * owner_proto: the supervisor and casemate-owner, which carries the measurement of a SEV or SEV-ES
 *              launch to the guest owner's broker and brings back the secret's packet.
 *
 *   supervisor -> owner   SUP_MSG_CONFIG        struct wire_owner_config, 2 descriptors
 *   owner -> supervisor   SUP_MSG_READY         the broker's name is resolved, the sandbox entered;
 *                                               the broker itself was not asked anything yet
 *   supervisor -> owner   SUP_MSG_SEV_MEASURED  the monitor's message, as it came; once
 *   owner -> supervisor   SUP_MSG_SEV_SECRET    for the monitor, as it came; once, wait_s after
 *                                               MEASURED at the latest. A refusal is an answer: err
 *                                               and text say who refused what; then the launch ends
 *   supervisor -> owner   SUP_MSG_STOP          at any time: the process ends with status 0
 *
 * After its answer the process ends by itself, with status 0. It is started before the monitor has
 * its CONFIG, so that a broker that cannot be found costs no launch. The supervisor's own time-out
 * is LIMIT_OWNER_GRACE_S longer than wait_s.
 *
 * Trust:   the supervisor believes lengths only: what the packet says is between owner and firmware,
 *          whose key its MAC needs. casemate-owner trusts the supervisor's CONFIG, but for lengths.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "vmm/super/sup_proto.h" /* SUP_MSG_SEV_*, struct wire_sev_measured, wire_sev_secret */

/* Descriptors with CONFIG, in this order. */
enum owner_fd {
	OWNER_FD_CA, /* read only, PEM: whom to trust as the broker's issuer (plan's owner_ca) */
	OWNER_FD_SESSION, /* read only, 128 bytes: LAUNCH_START's session, the same file that the
	                   * monitor gets; its SHA-256 tells the broker which keys it needs */
	OWNER_FD_COUNT
};

struct wire_owner_config {
	char url[LIMIT_PATH_BYTES];   /* https://HOST[:PORT][/PREFIX], terminated */
	char guest[LIMIT_NAME_BYTES]; /* the guest's name, for logs, terminated */
	uint8_t policy_hash[32];
	le32 wait_s; /* 1 to LIMIT_OWNER_WAIT_S */
	le32 vcpus;  /* for the broker's message when no digest fits: SEV-ES measures each */
};
WIRE_SIZE(struct wire_owner_config, 648);
WIRE_AT(struct wire_owner_config, policy_hash, 608);
