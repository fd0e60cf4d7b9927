/*
 * ev: where a guest's evidence comes from. The sources are tried in order: configfs-tsm,
 *     /dev/sev-guest, /dev/tdx_guest, a TPM, the simulator's port. One that is absent is passed
 *     over; one that is there and fails is an error with its name, never a reason to try the next:
 *     the host must not choose a weaker kind of evidence by breaking the stronger one.
 *
 * Trust:   what comes back passed through the host: the broker judges it, not we.
 * Owns:    an open ev has the folder below which it looks, and its configfs entry.
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/cdefs.h"
#include "base/why.h"

#define EV_REPORT_DATA_BYTES 64u
#define EV_REPORT_BYTES      1184u  /* SEV-SNP ATTESTATION_REPORT (attestation.md, chapter 1) */
#define EV_BYTES_MAX         32768u /* a TDX quote is 5 to 8 KiB, its kernel buffer at most 32 */
#define EV_TABLE_BYTES       32768u /* a certificate table: at most 16 KiB in practice (1.7) */
#define EV_LOG_BYTES         65536u /* what OVMF reserves for a boot log; more does not fit a request */

enum ev_kind { EV_SNP, EV_TDX, EV_TPM, EV_KIND_COUNT };

struct ev_evidence {
	enum ev_kind kind;
	size_t len; /* SNP: EV_REPORT_BYTES; TDX: a quote; TPM: JSON, as the protocol spells it */
	uint8_t bytes[EV_BYTES_MAX];
	size_t table_len; /* SNP: the host's certificate table; 0: it gave none */
	uint8_t table[EV_TABLE_BYTES];
	size_t log_len; /* TDX: the CCEL boot log; 0: none, or none that fits */
	uint8_t log[EV_LOG_BYTES];
};

struct ev {
	int root; /* folder that stands for / */
	const struct ev_source *source;
	enum ev_kind kind;
};

/* A kind of source. */
struct ev_source {
	const char *name;
	/* Is it there? 0 with ev->kind set; -ENODEV: absent; anything else: it is, and fails. */
	int (*find)(struct ev *ev, struct why *why);
	int (*get)(const struct ev *ev, const uint8_t *report_data, struct ev_evidence *ret,
		struct why *why);
};

extern const struct ev_source ev_tsm, ev_sev_guest, ev_tdx_guest, ev_tpm;
/* Declared once, defined twice: ev_sim.c, and ev_none.c (never there) in what ships. */
extern const struct ev_source ev_last;

/*
 * Find the source: files are looked up below the folder root ("/" in a guest), only is a source's
 * name, NULL for any. -ENODEV: none is there; other errors: the one that is there fails.
 */
MUST_USE int ev_open(const char *root, const char *only, struct ev *ret, struct why *why);
void ev_close(struct ev *ev);

/* As in the key-broker protocol: "snp", "tdx", "tpm". */
const char *ev_kind_name(enum ev_kind kind);

/* Evidence for this report data. -EREMOTEIO: refused; -EBADMSG: not what was asked for. */
MUST_USE int ev_get(const struct ev *ev, const uint8_t report_data[EV_REPORT_DATA_BYTES],
	struct ev_evidence *ret, struct why *why);

/* For sources: read a whole file below the root; -EMSGSIZE when it has more than max bytes. */
MUST_USE int ev_read(const struct ev *ev, const char *path, void *ret, size_t max, size_t *ret_len);
