#include "attest/agent/agent_relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define CHUNK_BYTES 16384u

/* One direction: false when it is over. */
static bool chunk_copy(int from, int to)
{
	uint8_t buf[CHUNK_BYTES];
	ssize_t n;

	do
		n = read(from, buf, sizeof buf);
	while (n < 0 && errno == EINTR);
	return n > 0 && fd_write_all(to, buf, (size_t)n) == 0;
}

/* The peers take turns (requests and answers), so blocking writes cannot wait for each other. */
static NORETURN void relay_run(int a, int b)
{
	struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			_exit(1);
		if (p[0].revents != 0 && !chunk_copy(a, b))
			_exit(0);
		if (p[1].revents != 0 && !chunk_copy(b, a))
			_exit(0);
	}
}

/* One client, then nobody: what comes after it is not the connection that was proven. */
static NORETURN void relay_accept(int listener, const char *path, int far)
{
	int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	(void)unlink(path);
	(void)close(listener);
	if (near < 0)
		_exit(1);
	relay_run(near, far);
}

int agent_relay_start(int far_fd, const char *path, pid_t *ret_pid)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO(fd) int far = far_fd;
	AUTO(fd) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	(void)unlink(path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&sa, sizeof sa) < 0 ||
		listen(listener, 1) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGPIPE, SIG_IGN);
		relay_accept(listener, path, far);
	}

	*ret_pid = pid;
	return 0;
}

void agent_relay_stop(pid_t pid)
{
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
