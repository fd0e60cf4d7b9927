/*
 * libattest: verifies and appraises attestation evidence, for programs that are not ours; installed
 *            as <casemate/attest.h>, described in libattest(3).
 *
 * Trust:   everything that is given may be hostile, except roots, policy and expected values, which
 *          are the caller's own. Nothing is read from files, the network, the environment or a clock.
 * Owns:    a request owns copies of what it was given; results own their texts.
 * Threads: any; one request belongs to one thread at a time, requests share no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined __GNUC__
#define ATTEST_API __attribute__((visibility("default")))
#else
#define ATTEST_API
#endif

struct attest_request;
struct attest_result;

/* What a piece of a request is. The comment says how many there may be and their lengths. */
enum attest_part {
	ATTEST_EVIDENCE,      /* 1: SNP report, TDX quote, SEV launch measurement, TPM quote */
	ATTEST_CERTIFICATES,  /* 64: PEM, DER or a certificate table each */
	ATTEST_ROOT,          /* 16: an extra trust root; what it vouches for is "simulated" */
	ATTEST_CRL,           /* 16: PEM or DER */
	ATTEST_COLLATERAL,    /* 32, TDX: TCB info, QE identity, chains, CRLs, bundles */
	ATTEST_EVENT_LOG,     /* 4: CCEL or TCG event log */
	ATTEST_TPM_SIGNATURE, /* 1 */
	ATTEST_TPM_AK,        /* 1: the attestation key or its certificate */
	ATTEST_TPM_PCRS,      /* 1: values of the quoted registers */
	ATTEST_TPM_IMA,       /* 1: the kernel's ASCII list */
	ATTEST_TPM_TEE,       /* 1: the TEE's report that vouches for the key */
	ATTEST_SEV_TIK,       /* 1, 16 or 48 bytes: the session's key; and its PDH */
	ATTEST_POLICY,        /* 1: the bytes of a launch policy, casemate.policy(5) */
	ATTEST_REPORT_DATA,   /* 1, 1 to 64 bytes: the nonce or hash asked for; zeros behind */
	ATTEST_HOST_DATA,     /* 1, 32 bytes; without it the hash of the policy */
	ATTEST_DIGEST,        /* 16, 48 bytes (SEV, SEV-ES: 1 of 32): accepted launch digests */
	ATTEST_TPM_TEE_QUOTE, /* 1: proves it: TDX quote of an HCL report, SNP report of an SVSM's */
	ATTEST_PART_COUNT
};

/* In order of badness; the overall status is that of the worst row. */
enum attest_status {
	ATTEST_NONE,            /* not asked, or no data to answer with */
	ATTEST_AFFIRMING,       /* holds */
	ATTEST_WARNING,         /* a person decides */
	ATTEST_CONTRAINDICATED, /* does not hold */
	ATTEST_STATUS_COUNT
};

/* One row of a verdict. The texts live as long as the result; empty ones are "". */
struct attest_row {
	const char *name; /* "signature", "tcb", ... */
	enum attest_status status;
	const char *expected;
	const char *actual;
	const char *why; /* one sentence; empty for a plain yes */
};

/* An empty request, or NULL when memory is short. */
ATTEST_API struct attest_request *attest_request_new(void);

/* NULL is fine. */
ATTEST_API void attest_request_free(struct attest_request *request);

/*
 * Give one piece; the bytes are copied. 0, or a negative errno value: -EINVAL for a length or part
 * that cannot be, -EMSGSIZE for one piece too many, -EBADMSG and others for a policy that cannot be
 * used, -ENOMEM. attest_request_error() has the cause; the request is as before.
 */
ATTEST_API int attest_request_add(
	struct attest_request *request, enum attest_part part, const void *bytes, size_t len);

/* Validity is judged at this time, seconds since 1970 in UTC. Has to be set: there is no clock. */
ATTEST_API void attest_request_set_time(struct attest_request *request, int64_t seconds);

/* "snp", "tdx", "sev" or "tpm" instead of recognising the evidence. -EINVAL for another word. */
ATTEST_API int attest_request_set_kind(struct attest_request *request, const char *kind);

/* SEV, SEV-ES: the firmware's version and the guest policy at launch. */
ATTEST_API void attest_request_set_sev(struct attest_request *request, uint8_t api_major,
	uint8_t api_minor, uint8_t build, uint32_t policy);

/* The row of this name must not be `none`. -EINVAL when there is no such row. */
ATTEST_API int attest_request_require(struct attest_request *request, const char *row);

/*
 * Judge. 0 with a whole verdict in *ret, whatever it says; the caller frees it. A negative errno
 * value means that there is no verdict: -EINVAL without evidence or time, -EBADMSG and
 * -EPROTONOSUPPORT for bytes that are no evidence we know, -EMSGSIZE for too many, -ENOMEM. A request
 * may be judged again.
 */
ATTEST_API int attest_request_verify(struct attest_request *request, struct attest_result **ret);

/* Why the last call of this request failed; "" when none did. */
ATTEST_API const char *attest_request_error(const struct attest_request *request);

/* NULL is fine. */
ATTEST_API void attest_result_free(struct attest_result *result);

/* The worst row's. Only ATTEST_AFFIRMING is a yes. */
ATTEST_API enum attest_status attest_result_status(const struct attest_result *result);

/* "snp", "tdx", "sev", "tpm". */
ATTEST_API const char *attest_result_kind(const struct attest_result *result);

/* "hardware": a vendor's root; "simulated": a root that was given; "host": nobody. */
ATTEST_API const char *attest_result_trust(const struct attest_result *result);

/* Row number index, from 0; -ERANGE behind the last one. */
ATTEST_API int attest_result_row(
	const struct attest_result *result, size_t index, struct attest_row *ret);

/* The row of this name; -EINVAL when there is none. */
ATTEST_API int attest_result_find(
	const struct attest_result *result, const char *name, struct attest_row *ret);

/* The worst row in one sentence, for the one line that a person reads first. */
ATTEST_API const char *attest_result_line(const struct attest_result *result);

/* The whole verdict with the evidence's fields: the object "casemate.attest.verdict/1". */
ATTEST_API const char *attest_result_json(const struct attest_result *result);

/* "none", "affirming", "warning", "contraindicated"; "?" for another number. */
ATTEST_API const char *attest_status_name(enum attest_status status);

#ifdef __cplusplus
}
#endif
