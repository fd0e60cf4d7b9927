/*
 * entry: one line of a ledger: a JSON object on one line, always written the same way.
 *
 *        {"schema":"casemate/ledger-entry/1","time":"2025-01-02T03:04:05.000000006Z",
 *        "event":"released","guest":"prod/payments","serial":7,"policy_sha256":"…",
 *        "launch_digest":"…","evidence_sha256":"…","resource":"…","text":"…",
 *        "sandbox":[{"process":"dev-blk data","uid":1879048193,"filter":"0123456789abcdef",
 *        "label":"…","cgroup":"…","held":["root-empty",…]},…]}
 *
 *        Keys in this order, no space, no newline. A digest of zeros, an empty resource, label or
 *        cgroup are null: the sender did not know it. "sandbox" is there when a launch came with
 *        receipts; entries of older ledgers have none. In strings, a quote and a backslash stand behind a
 *        backslash and every byte outside printable ASCII is \u00XX with its value, so that an
 *        entry is ASCII, moves no cursor, and two different entries never look the same.
 *
 * Trust:   none in the bytes; what entry_print() did not write, entry_parse() refuses.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "attest/ledger/ledger_proto.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "base/wr.h"

#define ENTRY_SCHEMA "casemate/ledger-entry/1"
/* "2025-01-02T03:04:05.000000006Z" and its zero. */
#define ENTRY_TIME_MAX 31

/* Its texts are printable ASCII without quotes and backslashes. */
struct entry_receipt {
	char process[LIMIT_ID_BYTES + 16];
	uint32_t uid;
	uint32_t held; /* RECEIPT_* of sandbox/receipt.h */
	uint8_t filter[8];
	char label[LIMIT_LABEL_BYTES];
	char cgroup[LIMIT_LABEL_BYTES];
};

struct entry {
	enum ledger_event event;
	uint64_t time_ns; /* since 1970, UTC */
	uint64_t serial;
	uint8_t policy_hash[32];
	uint8_t launch_digest[48];
	uint8_t evidence_hash[32];
	char guest[LIMIT_NAME_BYTES];
	char resource[LIMIT_PATH_BYTES];
	char text[400];
	unsigned int n_receipts;
	struct entry_receipt receipts[LIMIT_LEDGER_RECEIPTS];
};

/* "launched", "proven" …; NULL for a number that is no event. */
const char *entry_event_name(enum ledger_event event);

/* RFC 3339 with nanoseconds, UTC. */
void entry_print_time(struct wr *w, uint64_t time_ns);

/* From a message. -EBADMSG: an unknown event, or a string that does not end. */
MUST_USE int entry_of_wire(
	const struct wire_ledger_entry *wire, struct entry *ret, struct why *why);

/* One receipt more. -EBADMSG: unknown bits or a text it may not have; -EMSGSIZE: too many. */
MUST_USE int entry_add_receipt(
	struct entry *e, const struct wire_ledger_receipt *wire, struct why *why);

/* The canonical bytes; -EMSGSIZE when the writer is too small (LIMIT_LEDGER_ENTRY_BYTES never is). */
MUST_USE int entry_print(const struct entry *entry, struct wr *w);

/* Canonical bytes back. -EBADMSG for anything else; why names the byte. */
MUST_USE int entry_parse(const void *bytes, size_t len, struct entry *ret, struct why *why);
