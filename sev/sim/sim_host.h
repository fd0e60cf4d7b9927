/*
 * sim_host: the KVM underneath the simulator: the machine's own, or (in tests where there is no
 *           /dev/kvm) one that only remembers.
 *
 * Trust:   the host is trusted.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

struct kvm_run;

/* As the functions of sev/fw.h; values or -errno. */
struct sim_host {
	MUST_USE int (*ioctl)(int fd, unsigned long request, unsigned long arg);
	MUST_USE int (*run)(int vcpu_fd);
	MUST_USE int (*map_run)(int vcpu_fd, size_t size, struct kvm_run **ret);
	void (*close)(int fd);
};

extern const struct sim_host sim_host_kernel;

/* Use another KVM than the machine's; before fw_open(). NULL: the machine's. */
void sim_set_host(const struct sim_host *host);
