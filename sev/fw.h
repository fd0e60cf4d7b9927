/*
 * fw: the seam. Every KVM and /dev/sev call of the monitor goes through these functions, which are
 *     declared once and defined twice: fw_kernel.c (the system calls, nothing else; it is what
 *     ships) and sev/sim (the simulator; only in casemate-monitor-sim). The linker chooses.
 *
 * Trust:   the caller is trusted; what comes back from the kernel is the kernel's word.
 * Owns:    nothing of its own: descriptors belong to the caller, and end with fw_close().
 * Threads: any; fw_open() once, before the others and before sandbox_enter().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"

struct kvm_run;

/*
 * Make the calls below possible on these descriptors: kvm_fd is /dev/kvm, sev_fd is /dev/sev or -1.
 * They stay the caller's. Checks KVM_GET_API_VERSION. The simulator reads its platform file from
 * sev_fd here and sets up its cryptography. -EPROTONOSUPPORT: not KVM API 12.
 */
MUST_USE int fw_open(int kvm_fd, int sev_fd, struct why *why);

/* ioctl(2) with a pointer argument (or NULL). The value it returns (>= 0) or -errno. */
MUST_USE int fw_ioctl(int fd, unsigned long request, void *arg);

/*
 * ioctl(2) with an argument by value: KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_CHECK_EXTENSION,
 * KVM_GET_VCPU_MMAP_SIZE, KVM_SET_TSS_ADDR, KVM_SET_TSC_KHZ. Descriptors that come back are the
 * caller's, CLOEXEC, and end with fw_close().
 */
MUST_USE int fw_ioctl_int(int fd, unsigned long request, unsigned long arg);

/*
 * KVM_RUN. 0 or -errno; with -EFAULT (and only then) exit_reason may be KVM_EXIT_MEMORY_FAULT,
 * otherwise an error leaves it stale (ABI 1.7).
 */
MUST_USE int fw_run(int vcpu_fd);

/*
 * Map the vCPU's shared page(s), size as KVM_GET_VCPU_MMAP_SIZE says, and remember them for
 * fw_run(). The mapping is released by munmap(2), after the vCPU has stopped for good.
 */
MUST_USE int fw_map_run(int vcpu_fd, size_t size, struct kvm_run **ret);

/* Free [offset, offset + len) of a guest_memfd (fallocate, PUNCH_HOLE|KEEP_SIZE). Page-aligned. */
MUST_USE int fw_punch(int gmem_fd, uint64_t offset, uint64_t len);

/* Close a descriptor that came from the functions above (VM, vCPU, guest_memfd); -1 is fine. */
void fw_close(int fd);

static inline void fw_auto(int *fd)
{
	fw_close(*fd);
}
