/*
 * sup_proto: messages between the supervisor and the processes it starts. Types below 16 are the
 *            same for every role; a role's own start at 16.
 *
 * Trust:   towards the supervisor: none. Towards a child: the supervisor is trusted, the lengths
 *          are checked all the same.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"
#include "base/limits.h"
#include "policy/plan.h"
#include "sandbox/child.h"

/* SUP_MSG_CONFIG, READY, FAILED, STOP and SPAWN_FD_CHAN are in sandbox/child.h. */
enum sup_msg {
	SUP_MSG_GO = 16,       /* supervisor -> monitor: empty; the ledger has the launch, run */
	SUP_MSG_LAUNCHED = 17, /* monitor -> supervisor: struct wire_launched, before READY */
	SUP_MSG_ENDED = 18,    /* monitor -> supervisor: struct wire_ended */
	SUP_MSG_SERIAL = 19,   /* monitor -> supervisor: 1 to 256 bytes of 16550 output */
	SUP_MSG_INPUT = 20,    /* supervisor -> monitor: 1 to 256 bytes of terminal input */

	/* SEV, SEV-ES with an owner: between the pages' measurement and the end of the launch. */
	SUP_MSG_SEV_MEASURED = 21, /* monitor -> supervisor: struct wire_sev_measured */
	SUP_MSG_SEV_SECRET = 22,   /* supervisor -> monitor: struct wire_sev_secret */

	SUP_MSG_CONNECT = 24,   /* dev-vsock -> supervisor: struct wire_connect */
	SUP_MSG_CONNECTED = 25, /* supervisor -> dev-vsock: struct wire_connected, 1 fd or none */
};

/* CONFIG of the monitor. Descriptors, in this order: */
enum mon_fd {
	MON_FD_KVM, /* /dev/kvm */
	MON_FD_SEV, /* /dev/sev (or the simulated platform's file); /dev/null for a plain guest */
	MON_FD_MEMORY,      /* the shared memfd, sized to the guest's RAM */
	MON_FD_KERNEL,      /* read only; an empty file when there is none */
	MON_FD_INITRD,      /* read only; an empty file when there is none */
	MON_FD_FIRMWARE,    /* read only; an empty file: measured direct boot */
	MON_FD_FLASH_VARS,  /* read and write, plain guests; an empty file when there is none */
	MON_FD_SEV_DH,      /* read only, 2084 bytes; an empty file: no session */
	MON_FD_SEV_SESSION, /* read only, 128 bytes; an empty file: no session */
	MON_FD_SNP_CERTS,   /* read only; an empty file: none. Read-locked during guest requests */
	MON_FD_QUOTE, /* TDX: a channel to casemate-quote (quote_proto.h); an empty file: none */
	MON_FD_FIRST_DEVICE, /* then one vhost-user socket a device, in the order of devices[] */
};

/* virtio device ids (virtio 1.2, chapter 5). */
enum mon_device {
	MON_DEVICE_BLK = 2,
	MON_DEVICE_CONSOLE = 3,
	MON_DEVICE_RNG = 4,
	MON_DEVICE_VSOCK = 19,
};

#define MON_CONFIG_ID_BLOCK   0x1u
#define MON_CONFIG_AUTHOR_KEY 0x2u
#define MON_CONFIG_SERIAL     0x4u

struct wire_mon_config {
	le32 tee; /* enum plan_tee */
	le32 vcpus;
	le64 memory_bytes;
	le64 guest_policy;
	le64 vmsa_features;
	le64 td_attributes;
	le64 td_xfam;
	uint8_t mrowner[48];
	uint8_t mrownerconfig[48];
	le32 cpu_signature;
	le32 owner_wait_s; /* 0: nobody is waited for */
	uint8_t host_data[32];
	le32 flags; /* MON_CONFIG_* */
	le32 n_devices;
	le32 devices[12]; /* enum mon_device */
	uint8_t id_block[96];
	uint8_t id_auth[4096];
	char cmdline[LIMIT_CMDLINE_BYTES];
	struct wire_plan_digest digests[PLAN_FILE_COUNT]; /* of the files that come with this */
};

/* CONFIG of casemate-dev-blk; descriptors: vhost-user socket, disk. */
struct wire_blk_config {
	le64 size;  /* of the disk in bytes */
	le32 flags; /* PLAN_DISK_* */
	le32 zero;
	char id[LIMIT_ID_BYTES];
};
WIRE_SIZE(struct wire_blk_config, 48);

/* CONFIG of casemate-dev-vsock; descriptor: vhost-user socket. */
struct wire_vsock_config {
	le64 cid;
	le32 n_ports;
	le32 ports[LIMIT_VSOCK_PORTS];
	le32 zero;
};
WIRE_SIZE(struct wire_vsock_config, 48);

/* casemate-dev-console: vhost-user socket, output descriptor, input descriptor (or /dev/null).
 * casemate-dev-rng: vhost-user socket. Both have an empty CONFIG. */

/* The guest wants a stream to the n-th port of the configuration; the supervisor connects. */
struct wire_connect {
	le32 index;  /* into ports[] */
	le32 cookie; /* comes back in the answer */
};
WIRE_SIZE(struct wire_connect, 8);

struct wire_connected {
	le32 cookie;
	le32 err; /* positive errno; 0: the descriptor is with the message */
};
WIRE_SIZE(struct wire_connected, 8);

/* The launch is finished and measured; no vCPU has run yet. */
struct wire_launched {
	uint8_t kernel_sha256[32]; /* zero: the monitor has no hash code; reserved */
	le64 measured_pages;
	le64 measured_us; /* time spent in launch commands */
};
WIRE_SIZE(struct wire_launched, 48);

/* What KVM_SEV_LAUNCH_MEASURE said, and where (ABI 2.12). */
struct wire_sev_measured {
	uint8_t hmac[32];
	uint8_t mnonce[16];
	le32 policy;
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t build;
	uint8_t zero;
};
WIRE_SIZE(struct wire_sev_measured, 56);

/* The owner's answer: a packet for KVM_SEV_LAUNCH_SECRET, or a refusal. */
struct wire_sev_secret {
	le32 err; /* 0; else a positive errno and text says why: the launch ends */
	le32 len; /* of body, 0: the owner releases nothing but lets the guest run */
	uint8_t header[52];
	uint8_t body[LIMIT_SEV_SECRET_BYTES];
	char text[200];
};

enum ended_how {
	ENDED_OFF = 0, /* the guest switched itself off */
	ENDED_RESET =
		1, /* the guest asked for a reset (a protected guest cannot be reset in place) */
	ENDED_CRASH = 2,  /* triple fault, internal error, SEV termination request */
	ENDED_STOP = 3,   /* the supervisor asked */
	ENDED_DEVICE = 4, /* a device process is gone */
	ENDED_COUNT
};

struct wire_ended {
	le32 how;    /* enum ended_how */
	le32 status; /* the workload's exit status, 0 to 255, or 0xffffffff when it reported none */
	char text[400];
};
WIRE_SIZE(struct wire_ended, 408);
