/*
 * seccomp-loaded PID: the filters the kernel runs for each thread of a process: a line
 * "THREAD LIST SHA256" each, LIST being ours with the same instructions; "own-signals" for the one of
 * sandbox_narrow() with this process's number in it; or "?". Exit status 4: this kernel does not show
 * them, or not to us.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/sha256.h"
#include "sandbox/role.h"
#include "sandbox/seccomp_filter.h"

#define CODE_MAX 4096u /* BPF_MAXINSNS */

static const char *name_of(const uint8_t digest[SHA256_BYTES])
{
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct seccomp_filter *kinds[] = { role_get((enum role)role)->filter,
			role_get((enum role)role)->thread_filter };
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			if (kinds[i] != NULL && memcmp(kinds[i]->sha256, digest, SHA256_BYTES) == 0)
				return kinds[i]->name;
	}
	return "?";
}

/*
 * socket and tgkill to another process than pid kill; all else is left to the next filter. The guest
 * looked at has no ports.
 */
static bool keeps_signals(const struct sock_filter *code, long len, pid_t pid)
{
	const uint16_t is_equal = BPF_JMP | BPF_JEQ | BPF_K;

	return len == 7 && code[1].code == is_equal && code[1].k == SYS_socket && code[1].jt == 3 &&
	       code[1].jf == 0 && code[2].code == is_equal && code[2].k == SYS_tgkill &&
	       code[2].jt == 0 && code[2].jf == 3 && code[4].code == is_equal &&
	       code[4].k == (uint32_t)pid && code[4].jt == 1 && code[4].jf == 0 &&
	       code[5].k == SECCOMP_RET_KILL_PROCESS && code[6].k == SECCOMP_RET_ALLOW;
}

/* All filters of one stopped thread of process pid; how many. */
static int filters_print(pid_t tid, pid_t pid)
{
	static struct sock_filter code[CODE_MAX];
	uint8_t digest[SHA256_BYTES];
	int n = 0;

	for (;; n++) {
		long len = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)(intptr_t)n, code);
		if (len < 0)
			return errno == ENOENT ? n : -errno;
		sha256(code, (size_t)len * sizeof code[0], digest);
		printf("%d %s ", tid,
			keeps_signals(code, len, pid) ? "own-signals" : name_of(digest));
		for (size_t i = 0; i < sizeof digest; i++)
			printf("%02x", digest[i]);
		printf("\n");
	}
}

static int thread_look(pid_t tid, pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0 ||
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, NULL, __WALL) != tid)
		return -errno;
	int n = filters_print(tid, pid);
	(void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return n;
}

int main(int argc, char **argv)
{
	char path[64];

	if (argc != 2)
		return 2;
	(void)snprintf(path, sizeof path, "/proc/%d/task", atoi(argv[1]));
	DIR *d = opendir(path);
	if (d == NULL)
		return 3;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (e->d_name[0] == '.')
			continue;
		int n = thread_look(atoi(e->d_name), atoi(argv[1]));
		if (n < 0) {
			fprintf(stderr, "seccomp-loaded: %s: %s\n", e->d_name, strerrordesc_np(-n));
			return 4;
		}
	}
	(void)closedir(d);
	return 0;
}
