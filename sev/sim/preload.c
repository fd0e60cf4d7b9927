/*
 * casemate-sim-preload.so: the simulator for a VMM that is not ours. Preloaded (LD_PRELOAD) into an
 * unmodified QEMU it answers what that asks of /dev/kvm and /dev/sev with the code that stands
 * behind sev/fw.h in casemate-monitor-sim; all other calls of the interposed functions go to the
 * kernel. Built with -Dsimulator=true only; a guest under it is not encrypted.
 *
 *   CASEMATE_SIM_PLATFORM  the platform file (casemate-sim-platform); without it nothing is changed
 *   CASEMATE_SIM_LOG       a line is appended here for each VM whose launch is finished:
 *                          KIND DIGEST policy=HEX host-data=HEX
 */
/* The names of libc as they are linked, not as headers rename or check them. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cdefs.h"
#include "base/wr.h"
#include "sev/abi_kvm.h"
#include "sev/abi_snp.h"
#include "sev/abi_tdx.h"
#include "sev/fw.h"
#include "sev/sim/sim_cpuid.h"
#include "sev/sim/sim_host.h"
#include "sev/sim/sim_state.h"

/* The checked forms that fortified programs call: headers declare them only to such programs. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

#define SEV_LEAF      0x8000001Fu
#define CPUID_ENTRIES 256u  /* KVM takes no more */
#define LOG_LINE_MAX  512u  /* 256 are used */
#define ALIAS_FDS     1024u /* a VMM opens the two devices first; its later descriptors may be any */

/* What the VMM's own descriptors of the two devices stand for: machine below. */
enum alias { ALIAS_NONE, ALIAS_KVM, ALIAS_SEV };

static _Atomic(uint8_t) alias_of[ALIAS_FDS];

/* The simulator's own descriptors: of /dev/kvm and of the platform file. */
static struct {
	pthread_once_t once;
	bool is_open;
	int kvm_fd;
	int sev_fd;
} machine = { .once = PTHREAD_ONCE_INIT, .kvm_fd = -1, .sev_fd = -1 };

/* The simulator's own calls, and what libraries do below it, are not for the simulator. */
static _Thread_local bool is_inside;
static _Thread_local void *mapping;   /* mmap() below hands it to the simulator's map_run */
static _Thread_local int close_value; /* what close(2) said below fw_close() */

static struct kvm_cpuid_entry2 sev_leaf; /* every vCPU of a VMM has the same */

/* --- the kernel ---------------------------------------------------------------------------- */

static int kernel_ioctl(int fd, unsigned long request, unsigned long arg)
{
	long ret = syscall(SYS_ioctl, fd, request, arg);

	return ret < 0 ? -errno : (int)ret;
}

/*
 * CPUID 0x8000001F: a guest that finds SEV there goes on to the MSR that says what of it is active,
 * which the KVM underneath does not have. Its guests run unencrypted; so it is told nothing of the
 * leaf, and the VMM gets back what it had set.
 */
static MUST_USE int cpuid_set(int vcpu_fd, const struct kvm_cpuid2 *table)
{
	size_t size = sizeof *table + MIN(table->nent, CPUID_ENTRIES) * sizeof table->entries[0];
	struct kvm_cpuid2 *below = malloc(size);

	if (below == NULL)
		return -ENOMEM;
	memcpy(below, table, size);
	for (uint32_t i = 0; i < MIN(below->nent, CPUID_ENTRIES); i++) {
		struct kvm_cpuid_entry2 *e = &below->entries[i];
		if (e->function != SEV_LEAF)
			continue;
		sev_leaf = *e;
		*e = (struct kvm_cpuid_entry2){ .function = SEV_LEAF };
	}
	int ret = kernel_ioctl(vcpu_fd, KVM_SET_CPUID2, (uintptr_t)below);
	free(below);
	return ret;
}

static MUST_USE int cpuid_get(int vcpu_fd, struct kvm_cpuid2 *table)
{
	int ret = kernel_ioctl(vcpu_fd, KVM_GET_CPUID2, (uintptr_t)table);

	for (uint32_t i = 0; ret >= 0 && i < MIN(table->nent, CPUID_ENTRIES); i++)
		if (table->entries[i].function == SEV_LEAF)
			table->entries[i] = sev_leaf;
	return ret;
}

static int below_ioctl(int fd, unsigned long request, unsigned long arg)
{
	if (request == KVM_SET_CPUID2)
		return cpuid_set(fd, (const void *)arg);
	if (request == KVM_GET_CPUID2)
		return cpuid_get(fd, (void *)arg);
	return kernel_ioctl(fd, request, arg);
}

static int kernel_run(int vcpu_fd)
{
	return kernel_ioctl(vcpu_fd, KVM_RUN, 0);
}

static int kernel_map_run(int vcpu_fd, size_t size, struct kvm_run **ret)
{
	*ret = mapping;
	return 0;
}

static void kernel_close(int fd)
{
	close_value = (int)syscall(SYS_close, fd) < 0 ? -errno : 0;
}

static const struct sim_host kernel = {
	.ioctl = below_ioctl,
	.run = kernel_run,
	.map_run = kernel_map_run,
	.close = kernel_close,
};

/* --- the machine --------------------------------------------------------------------------- */

/* A VMM compares its setting with the CPU it runs on: so has the simulated one its C-bit there. */
static uint32_t c_bit_position(void)
{
	unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;

	(void)__get_cpuid_count(0x8000001Fu, 0, &eax, &ebx, &ecx, &edx);
	return ebx & 0x3F;
}

static void machine_open(void)
{
	struct why why = { 0 };
	const char *path = getenv("CASEMATE_SIM_PLATFORM");

	if (path == NULL)
		return;
	machine.kvm_fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/kvm", O_RDWR | O_CLOEXEC);
	machine.sev_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (machine.kvm_fd < 0 || machine.sev_fd < 0) {
		(void)dprintf(STDERR_FILENO, "casemate-sim-preload: cannot open %s: %s\n",
			machine.kvm_fd < 0 ? "/dev/kvm" : path, strerrordesc_np(errno));
		return;
	}
	sim_set_host(&kernel);
	sim_cpuid_set_c_bit(c_bit_position());
	if (fw_open(machine.kvm_fd, machine.sev_fd, &why) < 0)
		(void)dprintf(STDERR_FILENO, "casemate-sim-preload: %s\n", why.text);
	else
		machine.is_open = true;
}

/* The descriptor the simulator knows: its own one for an alias, else the same. */
static int fd_resolve(int fd)
{
	uint8_t alias = fd >= 0 && (unsigned int)fd < ALIAS_FDS ? alias_of[fd] : ALIAS_NONE;

	if (alias == ALIAS_NONE)
		return fd;
	return alias == ALIAS_KVM ? machine.kvm_fd : machine.sev_fd;
}

/* A descriptor of the VMM's own for one of the two devices. */
static int alias_open(enum alias alias, int flags)
{
	int fd = -1;

	(void)pthread_once(&machine.once, machine_open);
	if (!machine.is_open)
		return errno = ENODEV, -1;
	if (alias == ALIAS_KVM)
		fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/kvm", flags);
	else
		fd = (int)syscall(SYS_fcntl, machine.sev_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if ((unsigned int)fd >= ALIAS_FDS) {
		(void)syscall(SYS_close, fd);
		return errno = EMFILE, -1;
	}
	alias_of[fd] = (uint8_t)alias;
	return fd;
}

static int path_open(int dir, const char *path, int flags, mode_t mode)
{
	bool is_ours = !is_inside && path != NULL && getenv("CASEMATE_SIM_PLATFORM") != NULL;
	int fd;

	if (!is_ours || (strcmp(path, "/dev/kvm") != 0 && strcmp(path, "/dev/sev") != 0))
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	is_inside = true;
	fd = alias_open(strcmp(path, "/dev/kvm") == 0 ? ALIAS_KVM : ALIAS_SEV, flags);
	is_inside = false;
	return fd;
}

/* --- requests ------------------------------------------------------------------------------ */

/* What the VMM asked for, as far as the log repeats it. */
static struct {
	unsigned long vm_type;
	uint64_t policy; /* TDX: attributes */
	uint8_t host_data[32];
} launch;

static void launch_print(struct wr *w, int vm_fd)
{
	static const char *const names[] = {
		[ABI_VM_TYPE_SEV] = "sev",
		[ABI_VM_TYPE_SEV_ES] = "sev-es",
		[ABI_VM_TYPE_SNP] = "snp",
		[ABI_VM_TYPE_TDX] = "tdx",
	};
	const char *name = launch.vm_type < ARRAY_LEN(names) ? names[launch.vm_type] : NULL;
	bool is_short = launch.vm_type == ABI_VM_TYPE_SEV || launch.vm_type == ABI_VM_TYPE_SEV_ES;
	uint8_t digest[SNP_DIGEST_BYTES] = { 0 };

	if (name == NULL || sim_get_digest(vm_fd, digest) < 0)
		return;
	wr_printf(w, "%s ", name);
	wr_hex(w, digest, is_short ? 32 : SNP_DIGEST_BYTES);
	wr_printf(w, " policy=%llx host-data=", (unsigned long long)launch.policy);
	wr_hex(w, launch.host_data, sizeof launch.host_data);
	wr_printf(w, "\n");
}

/* One line, in one write(2): several VMMs may share the file. */
static void launch_log(int vm_fd)
{
	const char *path = getenv("CASEMATE_SIM_LOG");
	char line[LOG_LINE_MAX];
	struct wr w = wr_of(line, sizeof line);

	if (path == NULL)
		return;
	launch_print(&w, vm_fd);
	int fd = (int)syscall(
		SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || syscall(SYS_write, fd, line, w.len) < 0)
		(void)dprintf(STDERR_FILENO, "casemate-sim-preload: cannot write %s\n", path);
	if (fd >= 0)
		(void)syscall(SYS_close, fd);
}

/* A launch command was done. */
static void launch_note(int vm_fd, const struct abi_sev_cmd *cmd)
{
	const void *p = (const void *)(uintptr_t)cmd->data;
	bool is_tdx = launch.vm_type == ABI_VM_TYPE_TDX;

	if (is_tdx && cmd->id == ABI_TDX_INIT_VM)
		launch.policy = ((const struct abi_tdx_init_vm *)p)->attributes;
	if (is_tdx && cmd->id == ABI_TDX_FINALIZE_VM)
		launch_log(vm_fd);
	if (is_tdx)
		return;
	if (cmd->id == KVM_SEV_INIT || cmd->id == KVM_SEV_ES_INIT) /* of a plain VM: ABI 2.3 */
		launch.vm_type = cmd->id == KVM_SEV_INIT ? ABI_VM_TYPE_SEV : ABI_VM_TYPE_SEV_ES;
	if (cmd->id == ABI_SNP_LAUNCH_START)
		launch.policy = ((const struct abi_snp_start *)p)->policy;
	if (cmd->id == KVM_SEV_LAUNCH_START)
		launch.policy = ((const struct kvm_sev_launch_start *)p)->policy;
	if (cmd->id == ABI_SNP_LAUNCH_FINISH)
		memcpy(launch.host_data, ((const struct abi_snp_finish *)p)->host_data,
			sizeof launch.host_data);
	if (cmd->id == ABI_SNP_LAUNCH_FINISH || cmd->id == KVM_SEV_LAUNCH_FINISH)
		launch_log(vm_fd);
}

/*
 * The guest's address width goes through CPUID 0x80000008 EAX[23:16], and a VMM repeats there what
 * KVM says of the processor: at least 48 on one with TDX, 40 or nothing on others (ABI 4.3).
 */
static void td_widen(struct abi_tdx_init_vm *arg)
{
	struct abi_tdx_cpuid *e = (void *)(arg + 1);

	for (uint32_t i = 0; i < MIN(arg->nent, ABI_TDX_CPUID_MAX); i++)
		if (e[i].function == 0x80000008u && (e[i].eax >> 16 & 0xFF) < 48)
			e[i].eax = (e[i].eax & 0xFF00FFFFu) | 48u << 16;
}

/* A command of the firmware names /dev/sev by the VMM's descriptor. */
static int firmware_command(int fd, struct abi_sev_cmd *cmd)
{
	uint32_t sev_fd = cmd->sev_fd;
	bool is_tdx = launch.vm_type == ABI_VM_TYPE_TDX;
	bool is_alias = !is_tdx && sev_fd < ALIAS_FDS && alias_of[sev_fd] == ALIAS_SEV;

	if (is_tdx && cmd->id == ABI_TDX_INIT_VM && cmd->data != 0)
		td_widen((void *)(uintptr_t)cmd->data);
	if (is_alias)
		cmd->sev_fd = (uint32_t)machine.sev_fd;
	int ret = fw_ioctl(fd, ABI_MEMORY_ENCRYPT_OP, cmd);
	if (is_alias)
		cmd->sev_fd = sev_fd;
	if (ret == 0)
		launch_note(fd, cmd);
	return ret;
}

/* What the simulator is asked: KVM's requests and the one of /dev/sev. */
static bool request_is_ours(unsigned long request)
{
	return _IOC_TYPE(request) == KVMIO || request == ABI_SEV_ISSUE_CMD;
}

static int request_pass(int fd, unsigned long request, unsigned long arg)
{
	int ret;

	if (is_inside || !machine.is_open || !request_is_ours(request))
		return kernel_ioctl(fd, request, arg);
	is_inside = true;
	if (request == KVM_RUN)
		ret = fw_run(fd);
	else if (request == ABI_MEMORY_ENCRYPT_OP && arg != 0)
		ret = firmware_command(fd, (void *)arg);
	else
		ret = fw_ioctl_int(fd_resolve(fd), request, arg);
	if (request == KVM_CREATE_VM && ret >= 0)
		launch.vm_type = arg;
	is_inside = false;
	return ret;
}

/* --- what is interposed -------------------------------------------------------------------- */

static mode_t mode_take(int flags, va_list ap)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
}

PUBLIC int open(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = mode_take(flags, ap);
	va_end(ap);
	return path_open(AT_FDCWD, path, flags, mode);
}

PUBLIC int openat(int dir, const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = mode_take(flags, ap);
	va_end(ap);
	return path_open(dir, path, flags, mode);
}

PUBLIC int __open_2(const char *path, int flags)
{
	return path_open(AT_FDCWD, path, flags, 0);
}

PUBLIC int __openat_2(int dir, const char *path, int flags)
{
	return path_open(dir, path, flags, 0);
}

PUBLIC int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	va_start(ap, request);
	int ret = request_pass(fd, request, va_arg(ap, unsigned long));
	va_end(ap);
	return ret < 0 ? (errno = -ret, -1) : ret;
}

/* The kernel makes every mapping; the simulator hears of those that begin a vCPU's. */
PUBLIC void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	struct kvm_run *run = NULL;
	void *p = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);

	if (is_inside || !machine.is_open || p == MAP_FAILED || fd < 0 || offset != 0)
		return p;
	is_inside = true;
	mapping = p;
	(void)!fw_map_run(fd, len, &run);
	is_inside = false;
	return p;
}

PUBLIC int fallocate(int fd, int mode, off_t offset, off_t len)
{
	int err = -EBADF; /* as fw_punch() says of what is no guest_memfd */

	if (!is_inside && machine.is_open && mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
		is_inside = true;
		err = fw_punch(fd, (uint64_t)offset, (uint64_t)len);
		is_inside = false;
	}
	if (err == -EBADF)
		return (int)syscall(SYS_fallocate, fd, mode, offset, len);
	return err < 0 ? (errno = -err, -1) : 0;
}

/*
 * What a VMM gives back of the shared view once its private twin is there must stay: the simulator
 * has one memory for both.
 */
PUBLIC int madvise(void *addr, size_t len, int advice)
{
	bool is_kept = false;

	if (!is_inside && machine.is_open && (advice == MADV_DONTNEED || advice == MADV_REMOVE)) {
		is_inside = true;
		is_kept = sim_is_private_memory(addr, len);
		is_inside = false;
	}
	return is_kept ? 0 : (int)syscall(SYS_madvise, addr, len, advice);
}

PUBLIC int close(int fd)
{
	if (is_inside || !machine.is_open || fd < 0)
		return (int)syscall(SYS_close, fd);
	is_inside = true;
	if ((unsigned int)fd < ALIAS_FDS)
		alias_of[fd] = ALIAS_NONE;
	fw_close(fd);
	is_inside = false;
	return close_value < 0 ? (errno = -close_value, -1) : 0;
}

/* On x86-64 the 64-bit forms are the same functions. */
PUBLIC int open64(const char *path, int flags, ...) __attribute__((alias("open")));
PUBLIC int openat64(int dir, const char *path, int flags, ...) __attribute__((alias("openat")));
PUBLIC int __open64_2(const char *path, int flags) __attribute__((alias("__open_2")));
PUBLIC int __openat64_2(int dir, const char *path, int flags) __attribute__((alias("__openat_2")));
PUBLIC void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
	__attribute__((alias("mmap")));
PUBLIC int fallocate64(int fd, int mode, off64_t offset, off64_t len)
	__attribute__((alias("fallocate")));
