#include "attest/broker/broker_notify.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

int notify_open(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = name != NULL ? strlen(name) : 0;
	AUTO(fd) int fd = -1;

	if (len < 2 || len >= sizeof sa.sun_path || (name[0] != '/' && name[0] != '@'))
		return -1;
	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -1;
	return fd_take(&fd);
}

void notify_send(int fd, const char *state)
{
	if (fd >= 0)
		(void)!write(fd, state, strlen(state));
}

void notify_reloading(int fd)
{
	struct timespec t = { 0 };
	char text[64];

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	(void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	notify_send(fd, text);
}
