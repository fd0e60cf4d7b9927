/*
 * vtpm_proto: messages between a monitor and casemate-vtpm, over a base/chan socket pair
 *             (SOCK_SEQPACKET): commands go out, responses come back, one at a time. A guest
 *             that resets itself ends, and its TPM with it: there is no message for that.
 *
 * Trust:   either side checks lengths; commands are the guest's, responses the engine's. The monitor
 *          may be a guest's victim: it can do to the TPM what its guest can, no more.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"

/* Command and response buffer of the CRB interface: its page without the registers. */
#define VTPM_BUFFER_BYTES 3968u

enum vtpm_msg {
	VTPM_MSG_COMMAND = 16,  /* monitor -> vtpm: struct wire_vtpm_command, then the command */
	VTPM_MSG_CANCEL = 17,   /* monitor -> vtpm: empty; the command at hand is to end early */
	VTPM_MSG_MEASURE = 18,  /* monitor -> vtpm: struct wire_vtpm_measure, before any COMMAND */
	VTPM_MSG_RESPONSE = 19, /* vtpm -> monitor: the response to a COMMAND */
	VTPM_MSG_MEASURED = 20, /* vtpm -> monitor: le32, the TPM's response code */
};

/* 1 to VTPM_BUFFER_BYTES bytes follow; what is no command gets the TPM's own error. */
struct wire_vtpm_command {
	uint8_t locality; /* 0 to 4 */
	uint8_t zero[3];
};
WIRE_SIZE(struct wire_vtpm_command, 4);

/*
 * One measurement of a boot without firmware: extends the register in both banks. The first one starts
 * the TPM up (TPM2_Startup(CLEAR)), as the root of trust for measurement does.
 */
struct wire_vtpm_measure {
	le32 pcr; /* 0 to 23 */
	uint8_t sha256[32];
	uint8_t sha384[48];
};
WIRE_SIZE(struct wire_vtpm_measure, 84);
