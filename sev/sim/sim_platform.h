/*
 * sim_platform: the file that stands for a machine with an AMD secure processor: what it says
 *               about itself, its key and certificates, and a script of failures. The simulator
 *               reads it through the descriptor that would be /dev/sev.
 *
 *   File (integers little-endian):
 *     8  "CMSIMPLT"
 *     4  version 1
 *     4  number of records
 *     then for each record: u32 tag, u32 length, bytes; nothing behind the last one.
 *   Records: 1 values (struct sim_wire_values), 2 VCEK private key (PKCS #8 DER), 3 ARK, 4 ASK,
 *   5 VCEK certificate (DER), each exactly once; 6 a fault {command, nth, status: u32}, any number; 7
 *   struct sim_wire_sev, 8 CEK, OCA, PEK and PDH (sim_identity.h), 9 ASVK and 10 VLEK certificate
 *   (DER), each exactly once;
 *   16 to 31 of TDX (sim_tdx_platform.h). A machine has all records of AMD's, or those of TDX.
 *
 * Trust:   the file may be malformed; it is a test's, never a secret of anybody.
 * Owns:    struct sim_platform owns its copy of the bytes.
 * Threads: any; the value is not changed after it was parsed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/why.h"
#include "sev/sim/sim_fault.h"
#include "sev/sim/sim_tdx_platform.h"

enum sim_product { SIM_MILAN, SIM_GENOA, SIM_TURIN, SIM_PRODUCT_COUNT };

#define SIM_FLAG_SMT        (1u << 0) /* SMT is on: a policy without bit 16 is refused */
#define SIM_FLAG_NO_SNP     (1u << 1) /* SNP is not initialised: its platform commands are ENODEV */
#define SIM_FLAG_NO_CERTS   (1u << 2) /* this KVM knows no SNP_ENABLE_REQ_CERTS */
#define SIM_FLAG_CONTIGUOUS (1u << 3) /* LAUNCH_SECRET may cross pages: they happen to touch */
#define SIM_FLAG_SIGNALS    (1u << 4) /* signals come in, too: EINTR, EAGAIN, EIO with error 0 */
#define SIM_FLAGS_ALL       0x1Fu
#define SIM_CHIP_ID_BYTES   64u

/* Record 1. */
struct sim_wire_values {
	le32 product;
	le32 report_version; /* 3 or 5 */
	le32 fms;            /* CPUID 1 EAX, for the report and the secrets page */
	le32 asids;          /* SEV-ES and SNP guests at the same time */
	le32 seed;           /* of the early stops of LAUNCH_UPDATE; 0: never stop early */
	le32 flags;
	le64 platform_info;
	uint8_t current_tcb[8];
	uint8_t committed_tcb[8];
	uint8_t reported_tcb[8];
	uint8_t chip_id[SIM_CHIP_ID_BYTES];
	uint8_t api_build;
	uint8_t api_minor;
	uint8_t api_major;
	uint8_t zero_a;
	uint8_t zero_b[4];
	le64 vmsa_features; /* offered for INIT2 */
	le64 policy_mask;   /* policy bits KVM accepts */
	le64 mit_vector;    /* version 5 reports */
};
WIRE_SIZE(struct sim_wire_values, 152);
WIRE_AT(struct sim_wire_values, chip_id, 56);
WIRE_AT(struct sim_wire_values, vmsa_features, 128);

/* Record 7: what SEV and SEV-ES add. */
struct sim_wire_sev {
	le32 kinds;        /* bit n: KVM offers VM type 2 + n (SEV, SEV-ES, SNP) */
	le32 sev_asids;    /* guests of plain SEV at the same time */
	le32 hidden_asids; /* of `asids`, for SNP alone (ciphertext_hiding_asids); 0: shared with ES */
	le32 zero;
	le64 memlock_bytes; /* the limit for registered memory; 0: the process's own */
};
WIRE_SIZE(struct sim_wire_sev, 24);

#define SIM_KIND_SEV (1u << 0)
#define SIM_KIND_ES  (1u << 1)
#define SIM_KIND_SNP (1u << 2)

enum sim_blob { SIM_BLOB_KEY, SIM_BLOB_ARK, SIM_BLOB_ASK, SIM_BLOB_VCEK, SIM_BLOB_COUNT };
enum sim_vlek { SIM_VLEK_ASVK, SIM_VLEK_CERT, SIM_VLEK_COUNT };

struct sim_bytes {
	const uint8_t *p;
	size_t len;
};

struct sim_platform {
	bool has_sev; /* an AMD machine: what follows, up to the script, has values */
	enum sim_product product;
	uint32_t report_version;
	uint32_t fms;
	uint32_t asids;
	uint32_t seed;
	uint32_t flags;
	uint64_t platform_info;
	uint8_t current_tcb[8];
	uint8_t committed_tcb[8];
	uint8_t reported_tcb[8];
	uint8_t chip_id[SIM_CHIP_ID_BYTES];
	uint8_t api_build;
	uint8_t api_minor;
	uint8_t api_major;
	uint64_t vmsa_features;
	uint64_t policy_mask;
	uint64_t mit_vector;
	uint32_t kinds;
	uint32_t sev_asids;
	uint32_t hidden_asids;
	uint64_t memlock_bytes;
	struct sim_bytes identity; /* SIM_IDENTITY_BYTES */
	struct sim_bytes vlek[SIM_VLEK_COUNT];
	struct sim_bytes blob[SIM_BLOB_COUNT]; /* into the bytes that were parsed */
	struct sim_tdx_platform tdx;
	struct sim_script script;
};

/*
 * Parse; the blobs point into buf, which must outlive *ret. -EBADMSG: malformed;
 * -EPROTONOSUPPORT: another version; -ERANGE: a value outside its range.
 */
MUST_USE int sim_platform_parse(
	struct sim_platform *ret, const void *buf, size_t len, struct why *why);

/* Write into buf of size bytes; *ret_len is what was used. -EMSGSIZE. */
MUST_USE int sim_platform_print(
	const struct sim_platform *p, void *buf, size_t size, size_t *ret_len);

/* "Milan", "Genoa", "Turin". */
const char *sim_product_name(enum sim_product product);
