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
static void relay_run(int a, int b)
{
	struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (p[0].revents != 0 && !chunk_copy(a, b))
			return;
		if (p[1].revents != 0 && !chunk_copy(b, a))
			return;
	}
}

static MUST_USE int far_connect(const struct sockaddr *far, socklen_t far_len, int *ret_fd)
{
	AUTO(fd) int fd = socket(far->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, far, far_len) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* One client after the other, each with a connection of its own: a broker may close after any answer. */
static NORETURN void relay_serve(
	int listener, const struct sockaddr *far, socklen_t far_len, int far_fd)
{
	for (;;) {
		AUTO(fd) int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		AUTO(fd) int fd = fd_take(&far_fd);
		if (near < 0 && errno != EINTR && errno != ECONNABORTED)
			_exit(1);
		if (near >= 0 && (fd >= 0 || far_connect(far, far_len, &fd) == 0))
			relay_run(near, fd);
	}
}

int agent_relay_start(
	const struct sockaddr *far, socklen_t far_len, const char *path, pid_t *ret_pid)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	AUTO(fd) int fd = -1;
	AUTO(fd) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	(void)unlink(path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&sa, sizeof sa) < 0 ||
		listen(listener, 1) < 0)
		return -errno;
	int err = far_connect(far, far_len, &fd);
	pid_t pid = err < 0 ? -1 : fork();
	if (pid < 0) {
		err = err < 0 ? err : -errno;
		(void)unlink(path);
		return err;
	}
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGPIPE, SIG_IGN);
		relay_serve(listener, far, far_len, fd);
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
