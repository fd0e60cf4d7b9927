/*
 * sup_host_facts: what can be seen of this machine: files of the kernel, CPUID, devices, limits.
 *                 Seen only; what it means is judged in sup_host_rows.
 *
 * Trust:   the kernel's answers; lengths are bounded all the same.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/svirt.h"
#include "sev/abi_psp.h"

/* A thing seen: err 0, or why it was not: a positive errno. */
struct host_num {
	int err;
	uint64_t v;
};

struct host_text {
	int err;
	char s[128]; /* the first line */
};

struct host_psp {
	int err;     /* of the ioctl, or of opening /dev/sev */
	uint32_t fw; /* status of the firmware, with err EIO */
	struct abi_psp_status v;
};

struct host_snp {
	int err;
	uint32_t fw;
	struct abi_psp_snp_status v;
};

/* Kinds that the misc cgroup counts. Linux admin-guide/cgroup-v2, "Misc". */
enum host_pool { HOST_POOL_SEV, HOST_POOL_SEV_ES, HOST_POOL_TDX, HOST_POOL_COUNT };

/* Numbers below /proc/sys that say how much an ordinary user may try. */
enum host_sysctl { HOST_SYSCTL_IO_URING, HOST_SYSCTL_PTRACE, HOST_SYSCTL_BPF, HOST_SYSCTL_COUNT };

/* Module parameters. ABI 1.8. */
enum host_param { HOST_PARAM_SEV, HOST_PARAM_ES, HOST_PARAM_SNP, HOST_PARAM_TDX, HOST_PARAM_COUNT };

enum host_program {
	HOST_PROGRAM_MONITOR,
	HOST_PROGRAM_POLICY,
	HOST_PROGRAM_LEDGER,
	HOST_PROGRAM_SIM,
	HOST_PROGRAM_QSD, /* of another make, at its own place */
	HOST_PROGRAM_COUNT
};

struct host_facts {
	/* CPUID */
	char vendor[13];
	uint32_t family, model, stepping;
	uint32_t max_extended; /* leaf 0x80000000 */
	uint32_t enc[4];       /* leaf 0x8000001F; zeros where there is none */
	/* /dev/cpu/0/msr */
	struct host_num syscfg, rmp_base, rmp_end, keyids;
	/* files */
	struct host_text release, version; /* of the kernel: uname -r, -v */
	struct host_text microcode;
	struct host_text param[HOST_PARAM_COUNT];
	struct host_text selinux, lsm;
	struct host_text tdx_module;
	struct host_text controllers; /* of the unified hierarchy's root */
	struct host_text core_pattern;
	struct host_text seccomp_avail, seccomp_logged; /* actions, separated by spaces */
	struct host_num sysctl[HOST_SYSCTL_COUNT];
	struct host_num free_huge, iommus, tpm;
	struct host_num capacity[HOST_POOL_COUNT], current[HOST_POOL_COUNT];
	/* devices */
	struct host_num kvm_api, vm_types;
	struct host_psp sev;
	struct host_snp snp;
	struct host_num qgs; /* v is 1: somebody listens */
	/* this process */
	struct host_num memlock; /* hard limit; UINT64_MAX: none */
	struct host_num namespaces, seccomp, landlock, mdwe;
	struct host_num cgroup; /* CGROUP_HAS_*: what a guest of this user's could have */
	struct why cgroup_why;  /* why not */
	enum svirt_host svirt;
	bool is_root;
	struct host_text program[HOST_PROGRAM_COUNT]; /* where it is */
};

/*
 * Where to look: paths are taken below root_fd; cpuid fills {eax, ebx, ecx, edx} with zeros for a
 * leaf that is not there. Tests give a folder and a processor of their own.
 */
struct host_source {
	int root_fd;
	void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t ret[4]);
};

/* The processor this runs on. */
void host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret[4]);

/* Each fills in its part of *ret; nothing fails, what cannot be seen says why. */
void host_look_cpu(const struct host_source *from, struct host_facts *ret);     /* sup_host_cpu.c */
void host_look_devices(const struct host_source *from, struct host_facts *ret); /* sup_host_dev.c */
void host_look_files(const struct host_source *from, struct host_facts *ret);
void host_look_self(struct host_facts *ret); /* limits, namespaces, programs: of this process */

/* The first line of a file below root_fd. */
void host_text_read(int root_fd, const char *path, struct host_text *ret);
