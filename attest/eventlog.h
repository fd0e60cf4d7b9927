/*
 * eventlog: boot event logs in TCG form, of a TPM (registers are PCRs) and of a TD (CCEL: register
 *           n + 1 is RTMR n): parsing in place, replay, and which event data its digest proves
 *           (attestation.md, 8.2 to 8.4, 9.4 and 9.5).
 *
 * Trust:   none in the bytes: the host wrote the log. A replay that ends in quoted values proves the
 *          digests and their order, and an event's data only where eventlog_prove() says so.
 * Owns:    nothing; events point into the log.
 * Threads: any; one value belongs to one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/evidence.h"
#include "attest/tpm_alg.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/rd.h"
#include "base/why.h"

enum eventlog_kind { EVENTLOG_TCG, EVENTLOG_CCEL };

#define EVENTLOG_REGISTERS      24u
#define EVENTLOG_CCEL_REGISTERS 5u /* 0: MRTD, which no event extends; 1 to 4: RTMR0 to RTMR3 */

#define EVENT_NO_ACTION         3u

struct eventlog_digest {
	uint16_t alg;
	const uint8_t *p; /* as long as the algorithm says */
};

struct eventlog_event {
	size_t index, offset; /* count and byte, from 0 */
	uint32_t reg, type;
	size_t n_digests;
	struct eventlog_digest digests[LIMIT_EVENTLOG_BANKS];
	const uint8_t *data;
	size_t len;
};

/* A log that is being read; its fields are eventlog.c's, but for the banks. */
struct eventlog {
	struct rd r;
	size_t len, n; /* of the log; events so far */
	bool is_agile; /* else SHA-1 only: TPM 1.2 form */
	size_t n_banks;
	struct {
		uint16_t alg, size;
	} banks[LIMIT_EVENTLOG_BANKS];
};

/*
 * Start reading a log. What follows its last event may be padding of 00 or FF, nothing else. -EBADMSG:
 * no event log, -EMSGSIZE: longer than LIMIT_EVIDENCE_BYTES.
 */
MUST_USE int eventlog_open(struct eventlog *ret, struct attest_blob log, struct why *why);

/* The next event (the first is the header). -ENODATA: there is none; -EBADMSG: malformed. */
MUST_USE int eventlog_next(struct eventlog *log, struct eventlog_event *ret, struct why *why);

/* Could the bytes be an event log? One without the newer form's header has to be whole. */
bool eventlog_recognise(struct attest_blob log);

/* CCEL when SHA-384 or SM3 is the only bank and no event names a register above 4. */
enum eventlog_kind eventlog_guess_kind(struct attest_blob log);

/*
 * Logs of several boots, each behind its length (u32 LE), as Windows keeps them; a plain log is one.
 * Returns how many, at most LIMIT_EVENTLOG_BOOTS.
 */
size_t eventlog_split(struct attest_blob blob, struct attest_blob ret[LIMIT_EVENTLOG_BOOTS]);

/* The digest of that bank, or NULL. */
const uint8_t *eventlog_digest_of(const struct eventlog_event *e, uint16_t alg);

/* "EV_SEPARATOR", or "EV_?" for a type we do not know. */
const char *eventlog_type_name(uint32_t type);

enum eventlog_proof {
	EVENTLOG_UNPROVEN, /* the digest is of something that is not in the log: data is hearsay */
	EVENTLOG_PROVEN,   /* the digest is the data's */
	EVENTLOG_EDITED,   /* the digest must be the data's, and is not */
};

/* What the event's digest in that bank says of its data (9.5). */
enum eventlog_proof eventlog_prove(const struct eventlog_event *e, uint16_t alg);

enum eventlog_switch { EVENTLOG_NOT_SAID, EVENTLOG_OFF, EVENTLOG_ON };

struct eventlog_replay {
	const struct tpm_alg *alg;
	uint8_t value[EVENTLOG_REGISTERS][TPM_DIGEST_MAX];
	uint32_t present; /* bit n: the log says something of register n */
	size_t n_events, n_extended, n_proven;
	/* Proven, before the separator of its register. */
	enum eventlog_switch secure_boot;
	/* The first thing that a replay alone does not see: edited data, a second separator; else empty. */
	struct why problem;
};

/*
 * Replay one log in one bank. 0 also with a problem; whether the values are the right ones is for the
 * caller to compare. -EBADMSG: malformed; -ENOENT: the log has no such bank; -EMSGSIZE; -EIO.
 */
MUST_USE int eventlog_replay(struct attest_blob log, uint16_t alg, enum eventlog_kind kind,
	struct eventlog_replay *ret, struct why *why);

/* "PCR 7", "RTMR 1", "MRTD". */
#define EVENTLOG_NAME_MAX 16
void eventlog_register_name(uint32_t reg, enum eventlog_kind kind, char ret[EVENTLOG_NAME_MAX]);

/* What the data says, one line of printable characters; may be empty. Always terminated. */
void eventlog_explain(const struct eventlog_event *e, char *ret, size_t size);
