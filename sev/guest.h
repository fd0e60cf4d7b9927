/*
 * guest: one encrypted (or, for development, plain) guest, from the creation of its VM to the end
 *        of its measured launch, and the conversion of its memory afterwards. The same calls for
 *        every kind; what differs is behind them (back_*.c).
 *
 *        Order, enforced by the tables in launch.c (a call at the wrong moment is -EPROTO):
 *
 *          guest_open
 *          guest_add_memory ...             KVM_CREATE_IRQCHIP, KVM_CREATE_VCPU, KVM_SET_CPUID2,
 *          guest_set_private                KVM_SET_SREGS/REGS ... are the caller's, on
 *          guest_init_vcpu ...     (TDX)    guest_vm_fd(), any time before guest_finish_launch
 *          guest_start_launch
 *          guest_measure_pages / _cpuid ... in the order that makes the launch digest
 *          guest_read_measurement  (SEV, SEV-ES: a must)
 *          guest_put_secret        (SEV, SEV-ES: if the owner gave one)
 *          guest_finish_launch
 *          fw_run, guest_convert ...
 *
 * Trust:   the caller is trusted; gpa and len of guest_convert() come from the guest.
 * Owns:    the VM descriptor and the guest_memfds.
 * Threads: one until guest_finish_launch() has returned; guest_convert() from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

struct guest;
struct kvm_cpuid2;

enum guest_kind {
	GUEST_NONE,   /* no protection: measured pages are copied into shared memory */
	GUEST_SW,     /* KVM_X86_SW_PROTECTED_VM: private memory, no encryption, starts shared */
	GUEST_SEV,    /* AMD SEV: encrypted memory, registers in the clear */
	GUEST_SEV_ES, /* AMD SEV-ES: registers too */
	GUEST_SNP,    /* AMD SEV-SNP */
	GUEST_TDX,    /* Intel TDX */
	GUEST_KIND_COUNT
};

/* What a launch-measured page is (ABI 2.8). VMSA pages are added by guest_finish_launch(). */
enum page_type {
	PAGE_NORMAL,     /* contents and address are measured */
	PAGE_ZERO,       /* zeros; the address is measured; src is NULL */
	PAGE_UNMEASURED, /* contents given, only the address is measured */
	PAGE_SECRETS,    /* filled by the firmware; src is NULL, len one page */
	PAGE_CPUID,      /* use guest_measure_cpuid() */
	PAGE_TYPE_COUNT
};

/* ABI 2.11; sizes of the opaque blobs of guest_finish_launch(). */
#define GUEST_ID_BLOCK_BYTES  96u
#define GUEST_ID_AUTH_BYTES   4096u
#define GUEST_HOST_DATA_BYTES 32u

/* What the launch is bound to. Pointers are borrowed for the call. Ignored by GUEST_NONE. */
struct guest_identity {
	uint8_t host_data[GUEST_HOST_DATA_BYTES]; /* hash of the policy */
	const uint8_t *id_block;                  /* GUEST_ID_BLOCK_BYTES, or NULL for none */
	const uint8_t *id_auth;                   /* GUEST_ID_AUTH_BYTES; set if id_block is */
	bool has_author_key;                      /* id_auth holds an author key too */
	bool is_vcek_disabled;                    /* reports are signed by a VLEK or not at all */
};

#define GUEST_TDX_ID_BYTES      48u
#define GUEST_SEV_DH_BYTES      2084u
#define GUEST_SEV_SESSION_BYTES 128u
#define GUEST_SEV_HEADER_BYTES  52u /* of a secret: ABI 2.12 */

/* What a VM is made with; a kind reads its own part. Pointers are borrowed for the call. */
struct guest_setup {
	int kvm_fd;
	int sev_fd; /* used until guest_finish_launch(), stays the caller's; -1: none */
	unsigned int vcpus;
	uint64_t shared_page_bytes; /* of the memory behind guest_add_memory(); 0: 4096 */
	const uint8_t *sev_dh;      /* SEV: the owner's certificate, GUEST_SEV_DH_BYTES, ... */
	const uint8_t *sev_session; /* ... and session; both or NULL; until guest_start_launch() */
	uint64_t vmsa_features;     /* SEV-ES, SNP: without bit 0 (ABI 2.4) */
	bool wants_certs;           /* SNP: guest requests for certificates come as exits */
	const struct kvm_cpuid2 *cpuid; /* TDX: the table the vCPUs will get */
	uint64_t td_attributes;         /* TDX: ABI 4.3 */
	uint64_t td_xfam;               /* TDX: 0: all that the host supports */
	const uint8_t *mrconfigid;      /* TDX: GUEST_TDX_ID_BYTES each; NULL: zeros */
	const uint8_t *mrowner;
	const uint8_t *mrownerconfig;
};

/*
 * Create the VM of this kind and initialise it (SEV*: INIT2; TDX: INIT_VM). The caller owns *ret and
 * ends it with guest_close(). -EOPNOTSUPP: the host does not offer this kind; -ERANGE: a bit of
 * vmsa_features, td_attributes or td_xfam that it does not offer.
 */
MUST_USE int guest_open(
	enum guest_kind kind, const struct guest_setup *setup, struct guest **ret, struct why *why);

/* Release everything. The vCPU descriptors must be closed by the caller, before. NULL is fine. */
void guest_close(struct guest *g);

enum guest_kind guest_kind(const struct guest *g);

/* The VM descriptor, for the caller's own KVM calls; it stays the guest's. */
int guest_vm_fd(const struct guest *g);

/* Has guest_finish_launch() succeeded? */
bool guest_is_launched(const struct guest *g);

/*
 * RAM: memory slot `slot` of size bytes at gpa (both multiples of a page), whose shared view is
 * the caller's mapping at host (of a MAP_SHARED memfd; it must outlive the guest). SNP: also makes
 * the guest_memfd for the private view. At most LIMIT_SEV_SLOTS.
 */
MUST_USE int guest_add_memory(
	struct guest *g, uint32_t slot, uint64_t gpa, uint64_t size, void *host, struct why *why);

/* Make all RAM added so far private (SNP, TDX); nothing for the other kinds. */
MUST_USE int guest_set_private(struct guest *g, struct why *why);

/*
 * TDX: give a vCPU that has its CPUID table the value that firmware finds in RCX and R8, the address
 * of the TD HOB; one at least, before memory is measured. vcpu_fd stays the caller's and must stay
 * open until guest_finish_launch(). Nothing for the other kinds.
 */
MUST_USE int guest_init_vcpu(struct guest *g, int vcpu_fd, uint64_t hob_gpa, struct why *why);

/*
 * Begin the measured launch under these guest policy bits (ABI 2.7; SNP: bit 17 must be set; SEV:
 * bit 2 says whether it is SEV-ES; ignored by the other kinds).
 */
MUST_USE int guest_start_launch(struct guest *g, uint64_t policy, struct why *why);

/*
 * Put len bytes at gpa, rounded up with zeros to whole pages (SEV, SEV-ES: to whole 16 bytes, as
 * gpa must be a multiple of), and measure them in ascending order. src needs no alignment; NULL for
 * PAGE_ZERO and PAGE_SECRETS. TDX measures the contents of PAGE_NORMAL alone.
 * -EPROTO: a page was measured before (why names its address; nothing was changed);
 * -EFAULT: not in RAM; -EREMOTEIO: the firmware refused (why names its code and the address);
 * -EOPNOTSUPP: this kind of guest has no such pages.
 */
MUST_USE int guest_measure_pages(struct guest *g, enum page_type type, uint64_t gpa,
	const void *src, size_t len, struct why *why);

/*
 * Build the CPUID page from the table the vCPUs were given, filtered to what the firmware checks
 * (ABI 2.8), and put it at gpa. -ERANGE: the filtered table has more than 64 entries.
 */
MUST_USE int guest_measure_cpuid(
	struct guest *g, uint64_t gpa, const struct kvm_cpuid2 *table, struct why *why);

/* What the firmware measured, sealed for the guest's owner (ABI 2.12). */
struct guest_measurement {
	uint8_t hmac[32];
	uint8_t mnonce[16];
	uint32_t policy;
	uint8_t api_major;
	uint8_t api_minor;
	uint8_t build;
};

/*
 * SEV, SEV-ES: measure the vCPUs' state (SEV-ES) and read the measurement; nothing more can be
 * measured. -EOPNOTSUPP: another kind. After a failure the guest is dead.
 */
MUST_USE int guest_read_measurement(
	struct guest *g, struct guest_measurement *ret, struct why *why);

/*
 * SEV, SEV-ES: put the owner's packet, header of GUEST_SEV_HEADER_BYTES and len bytes, at gpa.
 * -ERANGE: len is no multiple of 16 from 16 up, or the place is not in one page; -EFAULT: it is not
 * RAM; -EREMOTEIO: the firmware refused it, the guest stays as it was.
 */
MUST_USE int guest_put_secret(struct guest *g, uint64_t gpa, const uint8_t *header,
	const void *body, size_t len, struct why *why);

/*
 * Measure the vCPUs' state and end the launch. All vCPUs must exist with their final CPUID and
 * registers. After a failure the guest is dead: every later call but guest_close() is -ENOTCONN.
 */
MUST_USE int guest_finish_launch(struct guest *g, const struct guest_identity *id, struct why *why);

/*
 * Make [gpa, gpa + len) private or shared, for KVM_EXIT_HYPERCALL (MAP_GPA_RANGE) and
 * KVM_EXIT_MEMORY_FAULT; frees the copy that is no longer used. The contents are lost. A TD may make
 * shared what is no RAM at all: nothing happens (ABI 3.2).
 * -EINVAL: not page-aligned or empty; -EFAULT: not wholly inside RAM; -EPROTO: not launched;
 * -EOPNOTSUPP: this kind has no conversion; -ELOOP: a fault repeats without progress.
 */
MUST_USE int guest_convert(struct guest *g, uint64_t gpa, uint64_t len, bool is_to_private);

/* Is [gpa, gpa + len) RAM that the guest shares with us at this moment? False on any doubt. */
bool guest_is_shared(struct guest *g, uint64_t gpa, uint64_t len);

/* TDX: what GetTdVmCallInfo is answered from (ABI 4.2, 4.10). Zeros for the other kinds. */
struct guest_td_info {
	uint64_t kernel_r11; /* KVM's own */
	uint64_t user_r11;   /* what we may offer beside */
	uint64_t kernel_r12;
};
const struct guest_td_info *guest_td_info(const struct guest *g);
