/*
 * policy: the launch policy as plain values: what may run, on which hardware, with which devices,
 *         and which keys it gets (docs/policy-language.md, casemate.policy(5)).
 *
 * Trust:   none in the bytes: anybody may have written the file. What policy_parse() returns is in
 *          range, terminated and cross-checked; whether it is wise is lint's business.
 * Owns:    nothing; struct policy is a plain value (about 100 KiB: static or heap, not the stack).
 * Threads: any; one value belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "policy/plan.h"

#define POLICY_SCHEMA_NAME "launch-policy/1"

enum policy_tee {
	POLICY_TEE_NONE, /* a plain guest, for development: proves nothing */
	POLICY_TEE_SNP,
	POLICY_TEE_TDX,
	POLICY_TEE_SEV,
	POLICY_TEE_SEV_ES,
	POLICY_TEE_SW, /* KVM's software-protected VM, for development: proves nothing either */
	POLICY_TEE_COUNT
};

/* AMD product names as the certificate issuers use them. */
enum policy_product {
	POLICY_PRODUCT_MILAN,
	POLICY_PRODUCT_GENOA,
	POLICY_PRODUCT_TURIN,
	POLICY_PRODUCT_COUNT
};

/* Which TCB of the report is compared with min_tcb, beside REPORTED_TCB's certificate check. */
enum policy_tcb_field {
	POLICY_TCB_COMMITTED, /* the default: cannot be rolled back */
	POLICY_TCB_LAUNCH,
	POLICY_TCB_CURRENT,
	POLICY_TCB_REPORTED,
	POLICY_TCB_COUNT
};

enum policy_demand {
	POLICY_ANY,
	POLICY_REQUIRE, /* the bit must be 1 */
	POLICY_FORBID,  /* the bit must be 0 */
	POLICY_DEMAND_COUNT
};

enum policy_hugepages { POLICY_HUGE_NO, POLICY_HUGE_2M, POLICY_HUGE_1G, POLICY_HUGE_COUNT };
enum policy_mode { POLICY_RO, POLICY_RW, POLICY_MODE_COUNT };

/* Who serves a disk; the numbers of enum plan_backend. */
enum policy_backend {
	POLICY_BACKEND_CASEMATE,
	POLICY_BACKEND_QEMU_STORAGE_DAEMON,
	POLICY_BACKEND_COUNT
};

enum policy_integrity {
	POLICY_INTEGRITY_NONE,
	POLICY_INTEGRITY_LUKS2,
	POLICY_INTEGRITY_LUKS2_AEAD,
	POLICY_INTEGRITY_VERITY, /* verity_root is filled in */
	POLICY_INTEGRITY_COUNT
};

enum policy_confinement {
	POLICY_CONFINEMENT_AVAILABLE,
	POLICY_CONFINEMENT_STRICT,
	POLICY_CONFINEMENT_COUNT
};

enum policy_console {
	POLICY_CONSOLE_NONE,
	POLICY_CONSOLE_SERIAL,
	POLICY_CONSOLE_VIRTIO,
	POLICY_CONSOLE_COUNT
};

enum policy_env {
	POLICY_ENV_DEV,
	POLICY_ENV_TEST,
	POLICY_ENV_STAGING,
	POLICY_ENV_PROD,
	POLICY_ENV_COUNT
};

enum policy_data_class {
	POLICY_DATA_NONE,
	POLICY_DATA_INTERNAL,
	POLICY_DATA_CONFIDENTIAL,
	POLICY_DATA_PII,
	POLICY_DATA_PCI_CHD,
	POLICY_DATA_EPHI,
	POLICY_DATA_COUNT
};

/* keys[].release.require: a mask of these. A key is released only when every set row holds. */
#define POLICY_RELEASE_AFFIRMING 0x1u  /* "attestation:affirming": the verdict */
#define POLICY_RELEASE_POLICY    0x2u  /* "policy:this": HOST_DATA is this policy's hash */
#define POLICY_RELEASE_TCB       0x4u  /* "tcb:>=min": row tcb is affirming and min_tcb is given */
#define POLICY_RELEASE_DEBUG_OFF 0x8u  /* "debug:off" */
#define POLICY_RELEASE_ACCEPTED  0x10u /* "tcb:accepted": row tcb is affirming; SNP: by a min_tcb */

/* Bits of the SNP guest policy (docs/specs.md, SNP ABI; kvm-cvm-abi 2.7). */
#define POLICY_SNP_SMT           (1ull << 16)
#define POLICY_SNP_ONE           (1ull << 17) /* must be one */
#define POLICY_SNP_MIGRATE_MA    (1ull << 18)
#define POLICY_SNP_DEBUG         (1ull << 19)
#define POLICY_SNP_SINGLE_SOCKET (1ull << 20)

struct policy_guest_bits {
	uint64_t abi_major; /* least firmware ABI, 0 to 255 each */
	uint64_t abi_minor;
	bool smt;
	bool debug;
	bool migrate_ma;
	bool single_socket;
};

/* Bits of the SEV guest policy (kvm-cvm-abi 2.7). */
#define POLICY_SEV_NODBG  (1ull << 0)
#define POLICY_SEV_NOKS   (1ull << 1)
#define POLICY_SEV_ES     (1ull << 2)
#define POLICY_SEV_NOSEND (1ull << 3)

/* Bits of TDATTRIBUTES (attestation.md, 6.2). */
#define POLICY_TD_DEBUG           (1ull << 0)
#define POLICY_TD_SEPT_VE_DISABLE (1ull << 28)
#define POLICY_TD_MIGRATABLE      (1ull << 29)
#define POLICY_TD_PKS             (1ull << 30)
#define POLICY_TD_KEY_LOCKER      (1ull << 31)
#define POLICY_TD_PERFMON         (1ull << 63)

/* Security version numbers, 0 to 255 each; fmc only on Turin and later (else 0). */
struct policy_tcb {
	uint64_t fmc;
	uint64_t bootloader;
	uint64_t tee;
	uint64_t snp;
	uint64_t microcode;
};

/* A row of min_tcb: for one product, or for all that the policy names. */
struct policy_min_tcb {
	bool has_product;
	enum policy_product product;
	struct policy_tcb tcb;
};

/* PLATFORM_INFO of the report, one demand a bit, in bit order. */
struct policy_platform {
	enum policy_demand smt;                    /* bit 0 */
	enum policy_demand tsme;                   /* 1 */
	enum policy_demand ecc;                    /* 2 */
	enum policy_demand rapl_disabled;          /* 3 */
	enum policy_demand ciphertext_hiding_dram; /* 4 */
	enum policy_demand alias_check;            /* 5 */
	enum policy_demand iommu_write_safe;       /* 6 */
};

struct policy_chip {
	uint8_t id[64]; /* CHIP_ID as in the report; Turin's 8 bytes are followed by zeros */
};

struct policy_digest {
	uint8_t sha384[48];
};

/* An advisory of Intel's: "INTEL-SA-01234". */
struct policy_advisory {
	char id[LIMIT_POLICY_ADVISORY_BYTES];
};

/* TDX TCB statuses by Intel's names; Revoked and NotSupported are never acceptable. */
enum policy_tdx_status {
	POLICY_TDX_UP_TO_DATE,
	POLICY_TDX_SW_HARDENING_NEEDED,
	POLICY_TDX_CONFIGURATION_NEEDED,
	POLICY_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	POLICY_TDX_OUT_OF_DATE,
	POLICY_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
	POLICY_TDX_TD_RELAUNCH_ADVISED,
	POLICY_TDX_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
	POLICY_TDX_STATUS_COUNT
};

struct policy_tdx_tcb {
	uint64_t accept; /* mask of 1 << enum policy_tdx_status; 0: only UpToDate */
	bool has_grace;
	struct {
		uint64_t status; /* mask: accepted for so long after the level's TCB date */
		uint64_t days;
	} grace;
	uint64_t n_deny;
	struct policy_advisory deny[LIMIT_POLICY_ADVISORIES]; /* never, whatever the status */
	bool has_min_date;
	int64_t min_date;         /* the level's TCB date, seconds since 1970 */
	uint64_t min_eval_number; /* tcbEvaluationDataNumber; 0: any */
};

struct policy_tdx {
	bool debug; /* TD attribute DEBUG allowed */
	struct {
		enum policy_demand sept_ve_disable; /* bit 28 */
		enum policy_demand migratable;      /* 29; without this key: forbid */
		enum policy_demand pks;             /* 30 */
		enum policy_demand key_locker;      /* 31 */
		enum policy_demand perfmon;         /* 63 */
	} attributes;
	bool has_xfam;
	uint64_t xfam; /* exactly this */
	struct policy_tdx_tcb tcb;
	uint64_t n_mrseam; /* 0: any module that the TCB info names */
	struct policy_digest mrseam[LIMIT_POLICY_DIGESTS];
	struct {
		uint64_t n; /* 0: not compared */
		struct policy_digest at[LIMIT_POLICY_DIGESTS];
	} rtmr[4];
	bool has_mrowner, has_mrownerconfig;
	uint8_t mrowner[48];
	uint8_t mrownerconfig[48];
	uint64_t n_piids; /* platform instance ids; 0: any */
	struct {
		uint8_t id[16];
	} piids[LIMIT_POLICY_CHIPS];
	enum policy_demand smt, cached_keys, dynamic_platform; /* of the PCK certificate, 7.1 */
	char quoting[LIMIT_PATH_BYTES]; /* a Unix socket's path or "vsock:CID:PORT"; empty: none */

	/* Computed by policy_parse(): TDATTRIBUTES bits that must be 1, must be 0. */
	uint64_t attributes_require;
	uint64_t attributes_forbid;
};

/* SEV and SEV-ES: the guest policy of LAUNCH_START, the least firmware, and the guest's owner. */
struct policy_sev {
	uint64_t policy; /* the 32-bit word */
	bool debug;      /* asked for by name: NODBG may be clear in policy at a launch */
	bool migration;  /* the same for NOSEND */
	uint64_t api_major, api_minor, build;
	bool has_session;
	struct {
		char dh_cert[LIMIT_PATH_BYTES]; /* 2084 bytes */
		char session[LIMIT_PATH_BYTES]; /* 128 bytes (kvm-cvm-abi 2.12) */
	} session;
	bool has_owner; /* somebody releases a secret before the guest runs; needs a session */
	struct {
		char url[LIMIT_PATH_BYTES];
		char ca[LIMIT_PATH_BYTES];
		uint64_t wait_s;
	} owner;
};

/* A TPM's registers, for whoever appraises its quote. */
struct policy_pcr {
	uint64_t index; /* 0 to 23 */
	uint64_t n;
	struct {
		uint8_t sha256[32];
	} at[LIMIT_POLICY_DIGESTS];
};

struct policy_tpm {
	uint64_t n_pcrs;
	struct policy_pcr pcrs[24];
	uint64_t
		n_aks; /* SHA-256 of the AK's SubjectPublicKeyInfo; 0: any that its chain or TEE vouches for */
	struct {
		uint8_t sha256[32];
	} aks[LIMIT_POLICY_DIGESTS];
	enum policy_demand secure_boot;
	bool require_event_log;
};

/* How old endorsements may be, and what is refused whatever they say. */
struct policy_endorsements {
	bool has_max_age;
	uint64_t max_age_days; /* past nextUpdate, signed and in order: a warning until then */
	bool require_crl;
	uint64_t n_deny_chips; /* chips, platforms: CHIP_ID, or the 16-byte PIID and zeros */
	struct policy_chip deny_chips[LIMIT_POLICY_CHIPS];
	uint64_t n_deny_digests; /* launch digests, MRTDs */
	struct policy_digest deny_digests[LIMIT_POLICY_DIGESTS];
};

struct policy_snp {
	uint64_t n_products;
	enum policy_product products[POLICY_PRODUCT_COUNT];
	struct policy_guest_bits guest_policy;
	uint64_t n_min_tcbs; /* 0: any; else each product of the policy has one row */
	struct policy_min_tcb min_tcbs[POLICY_PRODUCT_COUNT];
	enum policy_tcb_field tcb_field;
	struct policy_platform platform_info;
	uint64_t vmpl;    /* the report's VMPL, 0 to 3 */
	uint64_t n_chips; /* 0: any chip */
	struct policy_chip chips[LIMIT_POLICY_CHIPS];
	bool has_id_block;
	struct {
		uint8_t block[96];
		uint8_t auth[4096];
	} id_block;
	bool has_author_key;
	uint8_t author_key[48]; /* AUTHOR_KEY_DIGEST of the report */
	uint64_t n_id_keys;     /* ID_KEY_DIGESTs that are accepted; 0: as the ID block says */
	struct policy_digest id_keys[LIMIT_POLICY_DIGESTS];
	uint64_t min_guest_svn;
	bool has_family_id, has_image_id;
	uint8_t family_id[16], image_id[16];
	uint64_t min_build;            /* CURRENT_BUILD of a firmware of min_version or later */
	uint64_t min_major, min_minor; /* CURRENT_MAJOR, CURRENT_MINOR */
	enum policy_demand
		provisional;  /* firmware whose COMMITTED is not CURRENT; as it comes: any */
	uint64_t mitigations; /* bits that CURRENT_MIT_VECTOR and LAUNCH_MIT_VECTOR must have */
	uint64_t n_csp_ids;   /* of a VLEK; 0: any */
	struct {
		char id[LIMIT_ID_BYTES];
	} csp_ids[LIMIT_POLICY_DIGESTS];
	uint64_t vmsa_features; /* SEV_FEATURES beside SNPActive (bit 0, which KVM sets itself) */
	char certs[LIMIT_PATH_BYTES]; /* certificate table for guest requests; empty: none */

	/* Computed by policy_parse(), for direct comparison. */
	uint64_t guest_policy_bits; /* the whole POLICY word given at launch */
	uint64_t platform_require;  /* PLATFORM_INFO bits that must be 1 */
	uint64_t platform_forbid;   /* PLATFORM_INFO bits that must be 0 */
};

struct policy_file {
	char file[LIMIT_PATH_BYTES]; /* relative to the policy's folder, or absolute */
	bool has_sha384;
	uint8_t sha384[48]; /* of the whole file */
};

struct policy_disk {
	char id[LIMIT_ID_BYTES];
	char file[LIMIT_PATH_BYTES];
	enum policy_mode mode;
	bool discard;
	enum policy_integrity integrity;
	struct {
		uint8_t verity_root[32];
	} verity;
	char key[LIMIT_ID_BYTES]; /* id of a row of keys[]; empty: none */
	enum policy_backend backend;
};

struct policy_port {
	uint64_t port;
	char socket[LIMIT_PATH_BYTES];
};

struct policy_key {
	char id[LIMIT_ID_BYTES];
	char source[LIMIT_POLICY_TEXT_BYTES]; /* "kbs:///repository/type/tag" */
	char purpose[LIMIT_ID_BYTES];
	bool has_release;
	struct {
		uint64_t require;   /* mask of POLICY_RELEASE_* */
		uint64_t max_age_s; /* of the evidence when the key goes out; 60 when not written */
		bool once_per_boot;
	} release;
};

struct policy_waiver {
	char rule[16];
	char reason[LIMIT_POLICY_TEXT_BYTES];
	char approver[LIMIT_POLICY_TEXT_BYTES];
	int64_t expires; /* seconds since 1970: the end of the day that is written */
};

struct policy {
	uint8_t hash[32]; /* SHA-256 of the file's bytes as written: HOST_DATA */

	char name[LIMIT_NAME_BYTES]; /* "namespace/id" */
	uint64_t serial;

	bool has_valid;
	struct {
		int64_t not_before; /* seconds since 1970, UTC */
		int64_t not_after;
	} valid;

	struct {
		char ticket[LIMIT_POLICY_LABEL_BYTES];
		char summary[LIMIT_POLICY_TEXT_BYTES];
		bool has_supersedes;
		uint8_t supersedes[32];
	} change;

	struct {
		char tenant[LIMIT_POLICY_LABEL_BYTES];
		enum policy_data_class data_class;
		bool has_env;
		enum policy_env env;
		uint64_t n_frameworks;
		char frameworks[LIMIT_POLICY_FRAMEWORKS][LIMIT_POLICY_LABEL_BYTES];
	} labels;

	struct {
		enum policy_tee type;
		bool simulated; /* trust class "simulated" is accepted */
		bool has_snp;
		struct policy_snp snp;
		bool has_tdx;
		struct policy_tdx tdx;
		bool has_sev;
		struct policy_sev sev;
		bool has_tpm;
		struct policy_tpm tpm;
		bool has_endorsements;
		struct policy_endorsements endorsements;
	} tee;

	struct {
		bool has_firmware;
		struct policy_file firmware; /* without it: measured direct boot (docs/launch.md) */
		char flash_vars[LIMIT_PATH_BYTES]; /* plain guests with firmware; empty: none */
		bool has_kernel;                   /* always without firmware */
		struct policy_file kernel;
		bool has_initrd;
		struct policy_file initrd;
		bool has_cmdline; /* exactly when there is a kernel */
		char cmdline[LIMIT_CMDLINE_BYTES];
		uint64_t n_launch_digests; /* 0: compute it from the files */
		struct policy_digest launch_digests[LIMIT_POLICY_DIGESTS];
	} boot;

	struct {
		uint64_t vcpus;
		uint64_t memory_mib;
		enum policy_hugepages hugepages;
		bool has_cpu_model;       /* the older key: "host" */
		char cpu[LIMIT_ID_BYTES]; /* "host", a model of base/cpu_model.h, or empty: host */
		uint32_t cpu_signature;   /* computed: of that model; 0: the host's */
	} machine;

	struct {
		uint64_t n_disks;
		struct policy_disk disks[LIMIT_DISKS];
		enum policy_console console;
		bool rng;
		bool has_vsock;
		struct {
			uint64_t cid;
			uint64_t n_ports;
			struct policy_port ports[LIMIT_VSOCK_PORTS];
		} vsock;
	} devices;

	uint64_t n_keys;
	struct policy_key keys[LIMIT_POLICY_KEYS];

	struct {
		bool has_confinement;
		enum policy_confinement confinement;
		bool has_seccomp;
		bool has_core_dump;
		bool has_landlock; /* without it: demanded */
		bool landlock;
		bool has_selinux;
		char selinux
			[LIMIT_ID_BYTES]; /* "auto", "required", "off", a range, or empty: auto */
		uint64_t cpu_percent;     /* of one CPU; 0: no limit */
		uint64_t cpu_weight;      /* 0: not written */
		uint64_t io_weight;       /* 0: not written */
		uint64_t overhead_mib;    /* 0: not written */
	} host;

	bool has_audit;
	struct {
		char ledger[LIMIT_PATH_BYTES]; /* folder */
		char key[LIMIT_PATH_BYTES];    /* PEM, Ed25519 private key */
		char origin[LIMIT_NAME_BYTES];
		bool has_retain_days;
		uint64_t retain_days;
	} audit;

	uint64_t n_waivers;
	struct policy_waiver waivers[LIMIT_POLICY_WAIVERS];
};

/*
 * Parse and cross-check the bytes of a policy file. filename is for messages only; every why reads
 * "file:line:column: cause" (columns count bytes). *ret is written only on success. -EBADMSG:
 * malformed or unknown; -ERANGE: a value outside its range; -EPROTONOSUPPORT: a key or value that this
 * version cannot honour; -EMSGSIZE: longer than LIMIT_POLICY_BYTES; -ENOMEM. All of them are
 * EXIT_INPUT to a command (policy_exit_status()).
 */
MUST_USE int policy_parse(
	const void *bytes, size_t len, const char *filename, struct policy *ret, struct why *why);

/* Read the file at path (bounded) and policy_parse() it. Also errors of open(2) and read(2). */
MUST_USE int policy_read(const char *path, struct policy *ret, struct why *why);

/* SHA-256 of the bytes as written. -EIO when libcrypto fails. */
MUST_USE int policy_hash(const void *bytes, size_t len, uint8_t ret[32]);

/* Is now (seconds since 1970) inside the validity window? 0, or -EACCES with why. */
MUST_USE int policy_check_time(const struct policy *policy, int64_t now, struct why *why);

/*
 * What the supervisor has to open and start for this policy; passes plan_check(). -EPROTONOSUPPORT for
 * demands that no kernel can fulfil (migrate_ma); -EACCES for debugging or migration that the
 * guest policy would allow and nobody asked for by name; -EBADMSG for a policy that can appraise
 * evidence but does not say enough to launch (firmware).
 */
MUST_USE int policy_plan(const struct policy *policy, struct wire_plan *ret, struct why *why);

/*
 * Does something of the processor protect the guest, and prove it? A software-protected guest is
 * appraised like a plain one: nobody outside the host can tell the two apart.
 */
static inline bool policy_tee_proves(enum policy_tee tee)
{
	return tee != POLICY_TEE_NONE && tee != POLICY_TEE_SW;
}

/* What min_tcb asks of this product, or NULL: it has no row. Here for who links no policy library. */
static inline const struct policy_tcb *policy_find_min_tcb(
	const struct policy_snp *snp, enum policy_product product)
{
	for (uint64_t i = 0; i < snp->n_min_tcbs; i++)
		if (!snp->min_tcbs[i].has_product || snp->min_tcbs[i].product == product)
			return &snp->min_tcbs[i].tcb;
	return NULL;
}

/* The row of keys[] with this id, or NULL. */
const struct policy_key *policy_find_key(const struct policy *policy, const char *id);

/* The exit status of a command that met this error of policy_parse() or policy_read(). */
int policy_exit_status(int err);

/* Words of the file format, indexed by the enum of the same name. */
extern const char *const policy_tee_names[POLICY_TEE_COUNT + 1];
extern const char *const policy_tdx_status_names[POLICY_TDX_STATUS_COUNT + 1];
extern const char *const policy_product_names[POLICY_PRODUCT_COUNT + 1];
extern const char *const policy_tcb_field_names[POLICY_TCB_COUNT + 1];
extern const char *const policy_integrity_names[POLICY_INTEGRITY_COUNT + 1];
extern const char *const policy_backend_names[POLICY_BACKEND_COUNT + 1];
