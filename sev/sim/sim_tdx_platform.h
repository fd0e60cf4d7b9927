/*
 * sim_tdx_platform: the TDX part of the platform file (sim_platform.h): records 16 to 31. What the
 *                   TDX module and the quoting enclave of the simulated machine say about
 *                   themselves, their keys, and a script of failures.
 *
 *   16 values (struct sim_tdx_wire_values), 17 PCK private key, 18 attestation private key (both
 *   PKCS #8 DER, P-256), 19 the PCK certificate chain (PEM: leaf, CA, root), each exactly once or
 *   all absent; 20 a fault {command: u32, nth: u32, status: u64}, any number up to a limit.
 *
 * Trust:   as sim_platform.h.
 * Owns:    nothing; pointers point into the file's bytes.
 * Threads: any; the value is not changed after it was parsed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/rd.h"
#include "base/why.h"
#include "base/wr.h"
#include "sev/abi_tdx.h"

#define SIM_TDX_TAG_FIRST    16u
#define SIM_TDX_TAG_LAST     31u

#define SIM_TDX_FLAG_5_LEVEL (1u << 0) /* 5-level EPT: a guest address width of 52 is possible */
#define SIM_TDX_KEY_BYTES    32u

/* Record 16. */
struct sim_tdx_wire_values {
	le32 quote_version; /* 4 or 5 */
	le32 body_type;     /* of version 5: 2 (TDX 1.0) or 3 (1.5) */
	le32 keys;          /* TDs at the same time */
	le32 seed;          /* of the early stops of INIT_MEM_REGION; 0: never stop early */
	le32 no_entropy;    /* that many first INIT_VM of a TD find no entropy */
	le32 flags;
	le64 attributes; /* TD attributes that KVM offers */
	le64 xfam;
	uint8_t tee_tcb_svn[16];
	uint8_t tee_tcb_svn2[16]; /* 1.5: the module's after an update under running TDs */
	uint8_t cpusvn[16];
	uint8_t mrseam[TDX_DIGEST_BYTES];
	uint8_t report_key[SIM_TDX_KEY_BYTES]; /* of the MAC in TDREPORTs: the CPU's */
	le16 qe_isvsvn;
	uint8_t zero[6];
};
WIRE_SIZE(struct sim_tdx_wire_values, 176);
WIRE_AT(struct sim_tdx_wire_values, mrseam, 88);
WIRE_AT(struct sim_tdx_wire_values, qe_isvsvn, 168);

/* Module functions, and quotes, that can be made to fail; pages and chunks count one by one. */
/* clang-format off */
#define SIM_TDX_COMMAND(x) \
	x(TDH_MNG_INIT) \
	x(TDH_VP_INIT) \
	x(TDH_MEM_PAGE_ADD) \
	x(TDH_MR_EXTEND) \
	x(TDH_MR_FINALIZE) \
	x(QUOTE)
/* clang-format on */

#define SIM_TDX_COMMAND_ENUM(name) SIM_##name,
enum sim_tdx_command { SIM_TDX_COMMAND(SIM_TDX_COMMAND_ENUM) SIM_TDX_COMMAND_COUNT };
#undef SIM_TDX_COMMAND_ENUM

struct sim_tdx_fault {
	uint32_t command; /* enum sim_tdx_command */
	uint32_t nth;     /* 1 is the first */
	uint64_t status;  /* of the module (ABI 4.13), or a QGS error code (ABI 4.11); not 0 */
};

struct sim_tdx_script {
	uint32_t n;
	struct sim_tdx_fault fault[LIMIT_SIM_FAULTS];
	uint32_t seen[SIM_TDX_COMMAND_COUNT];
};

enum sim_tdx_blob { SIM_TDX_PCK_KEY, SIM_TDX_AK, SIM_TDX_CHAIN, SIM_TDX_BLOB_COUNT };

struct sim_tdx_bytes {
	const uint8_t *p;
	size_t len;
};

struct sim_tdx_platform {
	bool is_present; /* the machine has TDX */
	uint32_t seen;   /* tags, while records are read */
	uint32_t quote_version;
	uint32_t body_type;
	uint32_t keys;
	uint32_t seed;
	uint32_t no_entropy;
	uint32_t flags;
	uint64_t attributes;
	uint64_t xfam;
	uint8_t tee_tcb_svn[16];
	uint8_t tee_tcb_svn2[16];
	uint8_t cpusvn[16];
	uint8_t mrseam[TDX_DIGEST_BYTES];
	uint8_t report_key[SIM_TDX_KEY_BYTES];
	uint16_t qe_isvsvn;
	struct sim_tdx_bytes blob[SIM_TDX_BLOB_COUNT];
	struct sim_tdx_script script;
};

/* One record of len bytes, body; malformed (or twice the same): rd_fail(body). */
void sim_tdx_platform_record(
	struct sim_tdx_platform *p, uint32_t tag, uint32_t len, struct rd *body);

/* After the last record. -EBADMSG: incomplete; -ERANGE: a value outside its range. */
MUST_USE int sim_tdx_platform_check(const struct sim_tdx_platform *p, struct why *why);

/* Write the records; the number of them. */
uint32_t sim_tdx_platform_count(const struct sim_tdx_platform *p);
void sim_tdx_platform_print(const struct sim_tdx_platform *p, struct wr *w);

/*
 * Parse "COMMAND N STATUS": a command of SIM_TDX_COMMAND; a status of the module by name
 * (OPERAND_BUSY, OPERAND_INVALID, RND_NO_ENTROPY, NO_VCPUS ...) or any number. -EINVAL with why.
 */
MUST_USE int sim_tdx_fault_parse(const char *text, struct sim_tdx_fault *ret, struct why *why);

/* Count one command; the status it is to fail with, or 0. */
uint64_t sim_tdx_script_step(struct sim_tdx_script *s, enum sim_tdx_command command);
