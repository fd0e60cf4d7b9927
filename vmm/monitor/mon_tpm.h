/*
 * mon_tpm: the registers through which a guest speaks to its TPM, in one of two interfaces: CRB, a
 *          page with a buffer, and FIFO, a stream ("TIS"). The commands go to casemate-vtpm
 *          (vtpm_proto.h), one at a time; the guest polls until the response is there. No interrupt.
 *          (Sandbox specification 4.5, 4.6; TCG PC Client Platform TPM Profile.)
 *
 * Trust:   offsets, lengths and values are the guest's; a command is passed on unread, cut to the
 *          buffer. Responses are bounded by the channel's rules.
 * Owns:    the channel to casemate-vtpm.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/loop.h"
#include "base/why.h"
#include "vmm/monitor/mon_bus.h"
#include "vtpm/vtpm_proto.h"

#define TPM_BASE       0xfed40000u
#define TPM_LOCALITIES 5u
#define TPM_STRIDE     0x1000u /* of a locality's registers */
#define TPM_BYTES      (TPM_LOCALITIES * TPM_STRIDE)
/* Control area of locality 0: what the ACPI table TPM2 points to. */
#define TPM_CRB_CONTROL (TPM_BASE + 0x40u)

enum tpm_interface { TPM_CRB, TPM_FIFO };

enum tpm_state {
	TPM_IDLE,
	TPM_READY,      /* a command may be written */
	TPM_RECEPTION,  /* FIFO: len bytes of it are there */
	TPM_EXECUTION,  /* casemate-vtpm has it */
	TPM_ABORT,      /* casemate-vtpm has it, and nobody waits for it: `after` comes next */
	TPM_COMPLETION, /* buf holds a response of len bytes, of which FIFO has given `at` */
};

struct tpm {
	struct chan chan;
	struct src src;
	struct loop *loop;
	struct bus_dev dev;
	enum tpm_interface interface;
	enum tpm_state state, after;
	bool is_dead;       /* casemate-vtpm is gone: every command fails */
	bool has_cancelled; /* the command at hand */
	int active;         /* locality in use; -1: none */
	uint8_t asked;      /* a bit for each locality that wants to be next */
	uint8_t seized;     /* a bit for each locality that was thrown out */
	uint32_t len, at;
	struct {
		struct wire_vtpm_command hdr;
		uint8_t buf[VTPM_BUFFER_BYTES];
	} command; /* hdr.zero stays zero; buf is command and response */
};

/*
 * Take the channel and put the registers on the bus. Release with mon_tpm_close(), also after a
 * failure, and when it was never opened (all zero).
 */
MUST_USE int mon_tpm_open(struct tpm *t, enum tpm_interface interface, int fd, struct loop *loop,
	struct bus *bus, struct why *why);
void mon_tpm_close(struct tpm *t);

/*
 * Before the first vCPU runs: extend a register (0 to 23) in both banks and wait for that.
 * -EREMOTEIO: the TPM says no; -EPIPE: casemate-vtpm is gone.
 */
MUST_USE int mon_tpm_measure(struct tpm *t, const struct wire_vtpm_measure *m, struct why *why);
