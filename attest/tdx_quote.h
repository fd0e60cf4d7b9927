/*
 * tdx_quote: layout and parser of TDX quotes, versions 4 and 5 (attestation.md, chapter 6).
 *
 * Trust:   the host gave the bytes; parsing says nothing about who signed them.
 * Owns:    nothing; pointers lead into the parsed buffer, the body is a copy.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/claims.h"
#include "base/cdefs.h"
#include "base/le.h"
#include "base/why.h"

/* TD report; 1.0 ends before tee_tcb_svn2, 1.5 before vmid (6.2). What is not there is zero. */
struct tdx_body {
	uint8_t tee_tcb_svn[16], mrseam[48], mrsignerseam[48];
	le64 seam_attributes, td_attributes, xfam;
	uint8_t mrtd[48], mrconfigid[48], mrowner[48], mrownerconfig[48];
	uint8_t rtmr[4][48];
	uint8_t report_data[64];
	uint8_t tee_tcb_svn2[16], mrservicetd[48];
	uint8_t vmid, td_id[32], dev_info[48], init_servtd_hash[48];
	le64 init_servtd_attr;
	uint8_t init_cpusvn[16], init_tee_tcb_svn[16], init_tee_fmspc[12], cur_servtd_hash[48];
	le64 cur_servtd_attr;
};
WIRE_SIZE(struct tdx_body, 885);
WIRE_AT(struct tdx_body, mrtd, 136);
WIRE_AT(struct tdx_body, report_data, 520);
WIRE_AT(struct tdx_body, tee_tcb_svn2, 584);
WIRE_AT(struct tdx_body, vmid, 648);

/* SGX enclave report of the quoting enclave (6.4). */
struct tdx_qe_report {
	uint8_t cpusvn[16];
	le32 miscselect;
	uint8_t reserved1[28];
	uint8_t attributes[16], mrenclave[32];
	uint8_t reserved2[32];
	uint8_t mrsigner[32];
	uint8_t reserved3[96];
	le16 isvprodid, isvsvn;
	uint8_t reserved4[60];
	uint8_t report_data[64];
};
WIRE_SIZE(struct tdx_qe_report, 384);
WIRE_AT(struct tdx_qe_report, mrsigner, 128);
WIRE_AT(struct tdx_qe_report, report_data, 320);

#define TDX_BODY_1_0          2u /* body types of version 5; a version 4 quote has 1.0 */
#define TDX_BODY_1_5          3u
#define TDX_BODY_1_5_EXTENDED 4u

/* TDATTRIBUTES (6.2) */
#define TDX_ATTR_TUD        0xFFull /* bits 7:0, DEBUG among them */
#define TDX_ATTR_MIGRATABLE (1ull << 29)

/* Certification data inside the QE's (6.3). */
#define TDX_CERT_PCK_LEAF 4u
#define TDX_CERT_CHAIN    5u /* PEM; DER one behind another in samples of Intel's */

struct tdx_quote {
	uint16_t version, body_type;
	const uint8_t *vendor;    /* 16: of the quoting enclave */
	const uint8_t *user_data; /* 20 */
	struct tdx_body body;
	const uint8_t *signed_bytes; /* what the signature covers */
	size_t signed_len;
	const uint8_t *signature; /* 64: r, s */
	const uint8_t *key;       /* 64: x, y of the attestation key */
	const struct tdx_qe_report *qe;
	const uint8_t *qe_signature; /* 64 */
	const uint8_t *qe_auth;
	size_t qe_auth_len;
	uint16_t cert_type;
	const uint8_t *cert;
	size_t cert_len;
	size_t n_trailing; /* bytes behind the signature data: never looked at */
};

/*
 * Parse a quote. -EBADMSG: sizes that do not add up, bytes that make no sense; -EPROTONOSUPPORT: a
 * version, TEE, key type, body or certification data that is not ours. ret lives as long as buf.
 */
MUST_USE int tdx_quote_parse(
	struct tdx_quote *ret, const uint8_t *buf, size_t len, struct why *why);

/* Is the quoting enclave Intel's by its vendor id? The id alone proves nothing. */
bool tdx_quote_is_intel(const struct tdx_quote *q);

/* List the fields of a quote. */
void tdx_quote_claims(const struct tdx_quote *q, struct claims *c);
