#include "attest/agent/agent_run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attest/agent/agent_disk.h"
#include "base/fd.h"
#include "base/limits.h"

#define EXIT_NOT_STARTED 127 /* as shells say it */
#define END_WAIT_MS      2000

static const char *const root_types[] = { "ext4", "squashfs", "erofs" };

int agent_run_mount_root(struct why *why)
{
	static const struct {
		const char *name;
		unsigned int minor;
	} nodes[] = { { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 },
		{ "urandom", 9 } };
	int err = -ENODEV;

	(void)mkdir(AGENT_ROOT, 0755);
	for (size_t i = 0; err < 0 && i < ARRAY_LEN(root_types); i++) {
		if (mount("/dev/mapper/" AGENT_MAP_ROOT, AGENT_ROOT, root_types[i],
			    MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0)
			err = 0;
		else if (errno !=
			 ENODEV) /* a file system the kernel knows: its reason is the reason */
			err = -errno;
	}
	if (err < 0)
		return why_set(why, err, "the root cannot be mounted (ext4, squashfs, erofs): %s",
			strerrordesc_np(-err));
	/* Where the root has no such folder, the workload does without. */
	(void)mount("proc", AGENT_ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	(void)mount(
		"tmpfs", AGENT_ROOT "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=25%");
	if (mount("tmpfs", AGENT_ROOT "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC,
		    "mode=0755,size=64k") == 0)
		for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
			char path[64];
			(void)snprintf(path, sizeof path, AGENT_ROOT "/dev/%s", nodes[i].name);
			if (mknod(path, S_IFCHR | 0666, makedev(1, nodes[i].minor)) == 0)
				(void)chmod(path, 0666);
		}
	return 0;
}

int agent_run_mount_volume(const char *at, struct why *why)
{
	char path[sizeof AGENT_ROOT + LIMIT_PATH_BYTES];

	(void)snprintf(path, sizeof path, AGENT_ROOT "%s", at);
	if (mount("/dev/mapper/" AGENT_MAP_VOLUME, path, "ext4", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    NULL) < 0)
		return why_set(why, -errno,
			"the volume cannot be mounted at %s of the root (ext4): %s", at,
			strerrordesc_np(errno));
	return 0;
}

/* What a batch program may need to look after its own files and children; the guest is not among it. */
static MUST_USE int rights_drop(void)
{
	static const uint8_t kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
		CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_NET_BIND_SERVICE };
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 };

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (memchr(kept, cap, sizeof kept) == NULL)
			(void)prctl(
				PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: the kernel knows fewer */
	for (size_t i = 0; i < sizeof kept; i++) {
		caps[kept[i] / 32].effective |= 1u << (kept[i] % 32);
		caps[kept[i] / 32].permitted |= 1u << (kept[i] % 32);
	}
	if (syscall(SYS_capset, &hdr, caps) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* In the child. Only returns when it failed. */
static MUST_USE int program_become(const char *path)
{
	static const char name_path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	static const char *const environment[] = { name_path, "HOME=/", "LANG=C.UTF-8", NULL };
	const char *const argv[] = { path, NULL };
	sigset_t none;

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	AUTO(fd) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -errno;
	/* A root of its own: the initramfs, and with it our files, is out of reach. */
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0 || chdir(AGENT_ROOT) < 0 ||
		mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	if (close_range(3, ~0u, 0) < 0)
		return -errno;
	int err = rights_drop();
	if (err < 0)
		return err;
	(void)umask(022);
	(void)execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
	return -errno;
}

/* As the first program we also inherit, and reap, whoever lost its parent. */
static MUST_USE int program_wait(pid_t pid, int *ret_status)
{
	int status = 0;

	for (;;) {
		pid_t got = waitpid(-1, &status, 0);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == pid)
			break;
	}
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

int agent_run_program(const char *path, int *ret_status, struct why *why)
{
	int failed[2];
	int child_err = 0;

	if (pipe2(failed, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		int err = program_become(path);
		(void)!write(failed[1], &err, sizeof err);
		_exit(EXIT_NOT_STARTED);
	}
	int err = pid < 0 ? -errno : 0;
	(void)close(failed[1]);
	ssize_t n = read(failed[0], &child_err, sizeof child_err);
	(void)close(failed[0]);
	if (err == 0)
		err = program_wait(pid, ret_status);
	if (err < 0)
		return why_set(why, err, "the workload: %s", strerrordesc_np(-err));
	if (n == (ssize_t)sizeof child_err)
		return why_set(why, child_err, "%s cannot be started: %s", path,
			strerrordesc_np(-child_err));
	return 0;
}

void agent_run_end(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	if (getpid() == 1) {
		(void)kill(-1, SIGTERM);
		for (int ms = 0;
			ms < END_WAIT_MS && (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD);
			ms += 10)
			(void)nanosleep(&pause, NULL);
		(void)kill(-1, SIGKILL);
		while (waitpid(-1, NULL, 0) > 0)
			;
	}
	sync();
	/* Everything below goes with the tree; a lazy unmount would leave the volume open. */
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[1024];
	char paths[16][128];
	size_t n_paths = 0;
	while (f != NULL && n_paths < ARRAY_LEN(paths) && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%*s %127s", paths[n_paths]) == 1 &&
			strncmp(paths[n_paths], AGENT_ROOT, strlen(AGENT_ROOT)) == 0)
			n_paths++;
	if (f != NULL)
		(void)fclose(f);
	while (n_paths > 0)
		(void)umount2(paths[--n_paths], 0);
}
