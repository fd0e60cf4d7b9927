/*
 * verdict: the answer of an appraisal: one row a claim, the overall verdict is the worst row.
 *
 * Trust:   texts may quote outside bytes; they are escaped when they are set.
 * Owns:    nothing; plain values of fixed size.
 * Threads: any; one verdict belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/claims.h"
#include "base/cdefs.h"
#include "base/why.h"
#include "base/wr.h"

/* In order of badness: the overall verdict is the largest of the rows. */
enum verdict_status {
	VERDICT_NONE,            /* not asked, or no data to answer with */
	VERDICT_AFFIRMING,       /* holds */
	VERDICT_WARNING,         /* a person decides */
	VERDICT_CONTRAINDICATED, /* does not hold */
	VERDICT_STATUS_COUNT
};

/* Who vouches for the evidence. */
enum trust_class {
	TRUST_HOST,      /* no trusted root: it is only what the host says */
	TRUST_SIMULATED, /* a root that somebody gave, not a vendor's */
	TRUST_HARDWARE,  /* a vendor's pinned root */
	TRUST_CLASS_COUNT
};

enum evidence_kind {
	EVIDENCE_UNKNOWN,
	EVIDENCE_SNP,
	EVIDENCE_TDX,
	EVIDENCE_SEV,
	EVIDENCE_TPM,
	EVIDENCE_KIND_COUNT
};

/* The rows in the order in which they are shown; the names are part of the command line contract. */
#define VERDICT_ROWS(X)                                                                            \
	X(SIGNATURE, "signature")         /* the evidence's signature fits the leaf key */         \
	X(CHAIN, "chain")                 /* leaf to a trusted root, at the asked time */          \
	X(TRUST, "trust")                 /* is the trust class one the policy accepts? */         \
	X(REVOCATION, "revocation")       /* CRL of the root */                                    \
	X(PRODUCT, "product")             /* processor family of report, certificates, policy */   \
	X(TCB, "tcb")                     /* firmware levels: certificate, order, minimum */       \
	X(CHIP_ID, "chip_id")             /* the chip: certificate, policy's inventory */          \
	X(DEBUG, "debug")                 /* may the host read the guest's memory? */              \
	X(MIGRATION, "migration")         /* may a migration agent take the guest away? */         \
	X(POLICY, "policy")               /* the other guest policy bits */                        \
	X(MEASUREMENT, "measurement")     /* the launch digest */                                  \
	X(REPORT_DATA, "report_data")     /* the value the verifier asked for */                   \
	X(HOST_DATA, "host_data")         /* the hash of the launch policy */                      \
	X(VMPL, "vmpl")                   /* privilege level that asked for the report */          \
	X(PLATFORM_INFO, "platform_info") /* SMT, memory encryption, alias check, ... */           \
	X(ID_KEY, "id_key")               /* who signed the ID block */                            \
	X(AUTHOR_KEY, "author_key")       /* who signed the ID key */                              \
	X(COLLATERAL, "collateral")       /* TCB info, QE identity, CRLs: genuine, of that time */ \
	X(QE, "qe")                       /* the quoting enclave: its report, identity, binding */ \
	X(MODULE, "module")               /* who made the TDX module, which one it is */           \
	X(RTMR, "rtmr")                   /* the runtime measurement registers */                  \
	X(OWNER, "owner")                 /* MROWNER, MROWNERCONFIG; the owner's session (SEV) */  \
	X(PCRS, "pcrs")           /* the TPM's registers: quoted digest, expected values */        \
	X(EVENT_LOG, "event_log") /* the boot log replays to the registers */                      \
	X(IMA, "ima")             /* the IMA log replays to its register */                        \
	X(BINDING, "binding")     /* key or TPM to the TEE's report */

enum verdict_row_id {
#define VERDICT_ROW_ID(id, name) ROW_##id,
	VERDICT_ROWS(VERDICT_ROW_ID)
#undef VERDICT_ROW_ID
		ROW_COUNT
};

#define ROW_BIT(id)       (1u << (id))

#define VERDICT_VALUE_MAX 224 /* 64 bytes in hexadecimal, and a word before and after */
#define VERDICT_WHY_MAX   600 /* advisories are listed there */

struct verdict_row {
	enum verdict_status status;
	char expected[VERDICT_VALUE_MAX]; /* empty: nothing was expected */
	char actual[VERDICT_VALUE_MAX];   /* empty: nothing was found */
	char why[VERDICT_WHY_MAX];        /* one sentence; empty for a plain yes */
};

struct verdict {
	enum evidence_kind kind;
	enum trust_class trust;
	enum verdict_status overall;
	struct verdict_row rows[ROW_COUNT];
	struct claims claims; /* empty fields of the evidence are listed too */
};

/* Names as the command line contract spells them; never NULL. */
PUBLIC const char *verdict_row_name(enum verdict_row_id row);
PUBLIC const char *verdict_status_name(enum verdict_status status);
PUBLIC const char *trust_class_name(enum trust_class trust);
PUBLIC const char *evidence_kind_name(enum evidence_kind kind);

/* The row of that name; -EINVAL for an unknown one. */
PUBLIC MUST_USE int verdict_row_parse(const char *name, enum verdict_row_id *ret);

/* A verdict without rows: everything NONE, trust class HOST. */
void verdict_init(struct verdict *v, enum evidence_kind kind);

/*
 * Set a row; a worse status than the one that is there replaces it, a better one does not, so that
 * checks of one row may come in any order. The why is a printf format, "" for none.
 */
void verdict_set(struct verdict *v, enum verdict_row_id row, enum verdict_status status,
	const char *expected, const char *actual, const char *why, ...) PRINTF(6, 7);

/* The same for a row alone, for answers with rows of their own (tokens); its format is applied already. */
void verdict_row_set(struct verdict_row *r, enum verdict_status status, const char *expected,
	const char *actual, const char *why);

/* One row under a name: an object of a JSON array, lines for people. */
void verdict_row_print_json(const char *name, const struct verdict_row *row, struct wr *w);
void verdict_row_print_text(const char *name, const struct verdict_row *row, struct wr *w);

/* Rows of the mask that are NONE become CONTRAINDICATED; overall becomes the worst row. */
void verdict_close(struct verdict *v, uint32_t required_rows);

/* The first row with the worst status, for the one line a person reads first. */
PUBLIC enum verdict_row_id verdict_worst_row(const struct verdict *v);

/* One sentence: "launch digest differs: ..."; the worst row's name and why. Always terminated. */
PUBLIC void verdict_print_line(const struct verdict *v, char *ret, size_t size);

/* The object of the command line contract (schema "casemate.attest.verdict/1"), one line. */
PUBLIC void verdict_print_json(const struct verdict *v, struct wr *w);

/* A table for people, one line a row. */
PUBLIC void verdict_print_text(const struct verdict *v, struct wr *w);
