/*
 * seccomp-loaded PID: the filters the kernel runs for each thread of a process: a line
 * "THREAD LIST SHA256" each, LIST being ours with the same instructions, or "?". Exit status 4: this
 * kernel does not show them, or not to us.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
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

/* All filters of one stopped thread; how many. */
static int filters_print(pid_t tid)
{
	static struct sock_filter code[CODE_MAX];
	uint8_t digest[SHA256_BYTES];
	int n = 0;

	for (;; n++) {
		long len = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)(intptr_t)n, code);
		if (len < 0)
			return errno == ENOENT ? n : -errno;
		sha256(code, (size_t)len * sizeof code[0], digest);
		printf("%d %s ", tid, name_of(digest));
		for (size_t i = 0; i < sizeof digest; i++)
			printf("%02x", digest[i]);
		printf("\n");
	}
}

static int thread_look(pid_t tid)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0 ||
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, NULL, __WALL) != tid)
		return -errno;
	int n = filters_print(tid);
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
		int n = thread_look(atoi(e->d_name));
		if (n < 0) {
			fprintf(stderr, "seccomp-loaded: %s: %s\n", e->d_name, strerrordesc_np(-n));
			return 4;
		}
	}
	(void)closedir(d);
	return 0;
}
