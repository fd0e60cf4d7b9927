/*
 * plan: what the policy reader tells the supervisor: what to open, with which flags, for whom.
 *       One fixed-size message; the supervisor parses nothing else of a policy.
 *
 * Trust:   the reader read a hostile file and may be its victim: the supervisor checks every field
 *          again with plan_check() before it opens anything.
 * Owns:    nothing; plain values.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/why.h"

#define PLAN_VERSION 3u

/* Messages on the policy reader's channel: the supervisor sends CONFIG, the reader one answer. */
enum plan_msg {
	PLAN_MSG_PLAN = 16, /* reader -> supervisor: struct wire_plan */
};

enum plan_tee {
	/* The numbers of the KVM VM types (ABI 1.2). */
	PLAN_TEE_NONE = 0, /* a plain guest, for development */
	PLAN_TEE_SW = 1, /* KVM_X86_SW_PROTECTED_VM: private memory without encryption, for tests */
	PLAN_TEE_SEV = 2,
	PLAN_TEE_SEV_ES = 3,
	PLAN_TEE_SNP = 4,
	PLAN_TEE_TDX = 5,
	PLAN_TEE_COUNT
};

/* Flags of a plan, a disk. */
#define PLAN_SIMULATED      0x1u /* the policy accepts trust class "simulated" */
#define PLAN_ID_BLOCK       0x2u /* id_block and id_auth are filled in */
#define PLAN_AUTHOR_KEY     0x4u /* id_auth carries an author key */
#define PLAN_RNG            0x8u
#define PLAN_CONSOLE        0x10u /* a virtio console beside the 16550 */
#define PLAN_VSOCK          0x20u
#define PLAN_HUGE_2M        0x40u
#define PLAN_HUGE_1G        0x80u
#define PLAN_SERIAL         0x100u /* the 16550's output goes to the terminal; else it is dropped */
#define PLAN_SEV_SESSION    0x200u /* sev_dh and sev_session name the owner's session */
#define PLAN_OWNER          0x400u /* SEV, SEV-ES: wait for the owner's secret before running */
#define PLAN_STRICT         0x800u /* host.confinement strict: refuse to start when a wall is missing */
#define PLAN_LANDLOCK       0x1000u /* host.landlock: refuse a kernel without it */
#define PLAN_MAC_REQUIRED   0x2000u /* host.mac_label.selinux: required, or a static range */
#define PLAN_MAC_OFF        0x4000u /* host.mac_label.selinux: off */
#define PLAN_FLAGS_ALL      0x7fffu
#define PLAN_DISK_READ_ONLY 0x1u
#define PLAN_DISK_DISCARD   0x2u
#define PLAN_DISK_FLAGS_ALL 0x3u

/* Which program serves a disk: ours, or one of another make, by a path that the supervisor knows. */
enum plan_backend {
	PLAN_BACKEND_CASEMATE = 0,
	PLAN_BACKEND_QEMU_STORAGE_DAEMON = 1,
	PLAN_BACKEND_COUNT
};

/* The most of a CPU limit: one for each vCPU and each device process. */
#define PLAN_CPU_PERCENT_MAX (100u * (LIMIT_VCPUS + LIMIT_DEVICES))
/* What the guest's processes may use together beside its memory: they need 8 MiB of their own; the rest
 * is page cache of disks, which the kernel takes back when it is short, and KVM's tables. */
#define PLAN_OVERHEAD_MIB 256u
#define PLAN_MCS_COUNT    1024u /* categories c0 to c1023 of a targeted policy */

struct wire_plan_disk {
	char id[LIMIT_ID_BYTES];     /* zero-terminated; also the virtio serial */
	char path[LIMIT_PATH_BYTES]; /* relative to the policy's folder, or absolute */
	le32 flags;
	le32 backend; /* enum plan_backend */
};
WIRE_SIZE(struct wire_plan_disk, 552);

struct wire_plan_port {
	char path[LIMIT_PATH_BYTES]; /* the Unix socket that serves the port on the host */
	le32 port;
	le32 zero;
};
WIRE_SIZE(struct wire_plan_port, 520);

/* What a guest starts from: a file each, and what the policy says of its contents. */
enum plan_file { PLAN_FILE_FIRMWARE, PLAN_FILE_KERNEL, PLAN_FILE_INITRD, PLAN_FILE_COUNT };

struct wire_plan_digest {
	le32 has_sha384; /* 1; 0: any contents will do, and sha384 is zero */
	le32 zero;
	uint8_t sha384[48]; /* of the whole file */
};
WIRE_SIZE(struct wire_plan_digest, 56);

struct wire_plan {
	le32 version;                /* PLAN_VERSION */
	le32 flags;                  /* PLAN_* */
	char name[LIMIT_NAME_BYTES]; /* the guest's name */
	le64 serial;                 /* of the policy */
	uint8_t policy_hash[32];     /* SHA-256 of the policy's bytes: HOST_DATA */
	le32 tee;                    /* enum plan_tee */
	le32 vcpus;                  /* 1 to LIMIT_VCPUS */
	le64 memory_mib;
	le64 guest_policy;  /* SNP, SEV, SEV-ES: guest policy bits (ABI 2.7) */
	le64 vmsa_features; /* SNP, SEV-ES: for KVM_SEV_INIT2 (ABI 2.4) */
	le32 cpu_signature; /* CPUID leaf 1 EAX of the guest, in RDX at reset; 0: the host's, RDX 0 */
	le32 owner_wait_s;   /* PLAN_OWNER: how long the launch waits, 1 to LIMIT_OWNER_WAIT_S */
	le64 td_attributes;  /* TDX: ABI 4.3 */
	le64 td_xfam;        /* TDX: 0: all that the host supports */
	uint8_t mrowner[48]; /* TDX; MRCONFIGID is policy_hash and zeros */
	uint8_t mrownerconfig[48];
	uint8_t id_block[96]; /* ABI 2.11, opaque to the supervisor */
	uint8_t id_auth[4096];
	char firmware[LIMIT_PATH_BYTES]; /* empty: measured direct boot (docs/launch.md) */
	char flash_vars
		[LIMIT_PATH_BYTES]; /* plain guests with firmware: its variables; empty: none */
	char kernel
		[LIMIT_PATH_BYTES]; /* empty: none; only with firmware, which then boots a disk */
	char initrd[LIMIT_PATH_BYTES]; /* empty: none */
	char cmdline[LIMIT_CMDLINE_BYTES];
	le32 n_disks;
	le32 n_ports;
	le64 vsock_cid; /* 3 to 0xfffffffe when PLAN_VSOCK */
	struct wire_plan_disk disks[LIMIT_DISKS];
	struct wire_plan_port ports[LIMIT_VSOCK_PORTS];
	char ledger[LIMIT_PATH_BYTES]; /* the ledger's folder; empty: none (plain guests only) */
	char ledger_key[LIMIT_PATH_BYTES]; /* PEM private key, Ed25519 */
	char ledger_origin[LIMIT_NAME_BYTES];
	char sev_dh[LIMIT_PATH_BYTES]; /* PLAN_SEV_SESSION: the owner's certificate, 2084 bytes */
	char sev_session[LIMIT_PATH_BYTES]; /* PLAN_SEV_SESSION: 128 bytes (ABI 2.12) */
	char snp_certs
		[LIMIT_PATH_BYTES]; /* SNP: certificate table for guest requests; empty: none */
	char qgs[LIMIT_PATH_BYTES]; /* TDX: the quoting service, a Unix socket's path or
	                                     * "vsock:CID:PORT"; empty: none */
	char owner_url[LIMIT_PATH_BYTES]; /* PLAN_OWNER: the broker, https:// */
	char owner_ca[LIMIT_PATH_BYTES]; /* PLAN_OWNER: PEM, whom to trust as the broker's issuer */
	char mac_range[LIMIT_ID_BYTES];  /* static MCS range "s0:cA,cB"; empty: a fresh pair */
	le32 cpu_weight;   /* host.limits, of the whole guest: cpu.weight 1 to 10000; 0: unset */
	le32 cpu_percent;  /* cpu.max in hundredths of one CPU; 0: none */
	le32 io_weight;    /* io.weight 1 to 10000; 0: unset */
	le32 overhead_mib; /* memory of all processes beside the guest's own; 0: the default */
	struct wire_plan_digest digests[PLAN_FILE_COUNT]; /* whoever reads a file compares it */
};

/* Does the processor protect this kind of guest, and prove it? The supervisor asks too. */
static inline bool plan_tee_is_protected(uint32_t tee)
{
	return tee >= PLAN_TEE_SEV && tee < PLAN_TEE_COUNT;
}

/* A kind of guest for people ("SEV-SNP") and for policies and --json ("snp"); "?" beyond COUNT. */
const char *plan_tee_title(uint32_t tee);
const char *plan_tee_name(uint32_t tee);

/* Where a quoting service listens: a Unix socket, or a port of a vsock peer. */
struct plan_vsock {
	bool is_vsock; /* false: the text is a path */
	uint32_t cid;
	uint32_t port;
};

/* Read wire_plan.qgs. -EBADMSG: it starts with "vsock:", but no CID:PORT follows, or is empty. */
MUST_USE int plan_parse_quoting(const char *text, struct plan_vsock *ret);

/* Is it a static pair of SELinux categories, "s0:cA,cB" with A below B? */
bool plan_is_range(const char *text);

/*
 * Is every field of the plan in its range: strings terminated, numbers within limits.h, no unknown
 * flag, unused rows zero, a protected guest with a ledger? 0, or -EBADMSG with why. For the
 * supervisor, which trusts no reader.
 */
MUST_USE int plan_check(const struct wire_plan *plan, struct why *why);
