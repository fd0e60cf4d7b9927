/*
 * ledger_proto: entries on their way to the ledger writer.
 *
 * Trust:   the writer trusts the supervisor or broker that started it for the contents, not for
 *          lengths. The senders trust nothing the writer says but "this entry is durable".
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"

enum ledger_msg {
	LEDGER_MSG_ENTRY = 16, /* -> writer: struct wire_ledger_entry */
	LEDGER_MSG_DONE =
		17, /* writer ->: struct wire_ledger_done, after the entry is on the disk */
	LEDGER_MSG_RECEIPT =
		18, /* -> writer: struct wire_ledger_receipt, for the next entry; not answered */
};

enum ledger_event {
	LEDGER_LAUNCHED = 1,
	LEDGER_PROVEN = 2,
	LEDGER_REFUSED = 3,
	LEDGER_RELEASED = 4,
	LEDGER_ENDED = 5,
	LEDGER_EVENT_COUNT
};

/* CONFIG of the writer; it has the ledger's folder and the signing key's file since its start, as
 * descriptors 4 and 5 (sandbox/role.c), so none comes with it. */
struct wire_ledger_config {
	char origin[LIMIT_NAME_BYTES];
};
WIRE_SIZE(struct wire_ledger_config, 96);

struct wire_ledger_entry {
	le32 cookie;  /* comes back in DONE */
	le32 event;   /* enum ledger_event */
	le64 time_ns; /* since 1970, UTC */
	char guest[LIMIT_NAME_BYTES];
	le64 serial; /* of the policy */
	uint8_t policy_hash[32];
	uint8_t launch_digest[48];       /* zero when the sender does not know it */
	uint8_t evidence_hash[32];       /* SHA-256 of the report; zero when there is none */
	char resource[LIMIT_PATH_BYTES]; /* released: which secret, never the secret */
	char text[400]; /* a sentence for people: verdict, first failing row, how it ended */
};
WIRE_SIZE(struct wire_ledger_entry, 1144);

/* How one process of the guest proved that it is confined (sandbox/receipt.h), in short. */
struct wire_ledger_receipt {
	char process[LIMIT_ID_BYTES + 16]; /* "dev-blk data" */
	le32 uid;
	le32 held;                      /* RECEIPT_* */
	uint8_t filter[8];              /* first bytes of the filter's SHA-256 */
	char label[LIMIT_LABEL_BYTES];  /* SELinux context; empty: none */
	char cgroup[LIMIT_LABEL_BYTES]; /* its leaf, from "/casemate/" on; empty: none */
};
WIRE_SIZE(struct wire_ledger_receipt, LIMIT_ID_BYTES + 32 + 2 * LIMIT_LABEL_BYTES);

struct wire_ledger_done {
	le32 cookie;
	le32 err;   /* positive errno; 0: durable */
	le64 index; /* of the entry */
};
WIRE_SIZE(struct wire_ledger_done, 16);
