/*
 * ready.c [RUNS]: from the first spawn to the last READY of a guest's device processes (disk, console,
 * random numbers, vsock), beside as many bare fork+exec of the same program in the same run. Prints
 * medians in microseconds and their ratio; asserts nothing about time. Run it from the build folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/fd.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "vmm/super/sup_proto.h"

#define DEVICES 4u

static const enum role roles[DEVICES] = { ROLE_DEV_BLK, ROLE_DEV_CONSOLE, ROLE_DEV_RNG,
	ROLE_DEV_VSOCK };

static double now_us(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static NORETURN void die(const char *what)
{
	fprintf(stderr, "ready: %s\n", what);
	exit(1);
}

static void config_send(struct chan *chan, enum role role, const int fds[3])
{
	static struct wire_blk_config blk;
	static struct wire_vsock_config vsock;
	const void *payload = role == ROLE_DEV_BLK ? (void *)&blk : (void *)&vsock;
	size_t len = role == ROLE_DEV_BLK ? sizeof blk : role == ROLE_DEV_VSOCK ? sizeof vsock : 0;
	unsigned int n = role == ROLE_DEV_CONSOLE ? 3 : role == ROLE_DEV_BLK ? 2 : 1;

	blk.size = le64_of(1u << 20);
	memcpy(blk.id, "disk", 5);
	vsock.cid = le64_of(5);
	if (chan_send(chan, SUP_MSG_CONFIG, payload, len, fds, n) < 0)
		die("cannot configure a device");
}

/* One guest's devices, as the supervisor starts them: all are spawned, then waited for. */
static double devices_start(int disk)
{
	struct spawn_child child[DEVICES];
	struct chan chan[DEVICES];
	int front[DEVICES]; /* open: a device waits for its monitor */
	struct why why = { 0 };
	double begin = now_us();

	for (unsigned int i = 0; i < DEVICES; i++) {
		int pair[2];
		if (spawn_start(roles[i], NULL, 0, NULL, &child[i], &why) < 0)
			die(why.text);
		if (chan_open(&chan[i], fd_take(&child[i].chan_fd)) < 0 ||
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			die("no channel");
		int fds[3] = { pair[1], disk, disk };
		config_send(&chan[i], roles[i], fds);
		(void)close(pair[1]);
		front[i] = pair[0];
	}
	for (unsigned int i = 0; i < DEVICES; i++) {
		struct pollfd p = { .fd = chan[i].fd, .events = POLLIN };
		struct receipt_want want = receipt_want_of(&child[i], 0);
		struct wire_receipt receipt;
		if (poll(&p, 1, 10000) != 1 || chan_recv(&chan[i], false) < 0)
			die("no word of a device");
		if (chan[i].in->type != SUP_MSG_READY)
			die(((const struct wire_failed *)(const void *)chan[i].in->buf)->text);
		if (receipt_verify(
			    &child[i], &want, chan[i].in->buf, chan[i].in->len, &receipt, &why) < 0)
			die(why.text);
	}
	double end = now_us();
	for (unsigned int i = 0; i < DEVICES; i++) {
		spawn_kill(&child[i]);
		chan_close(&chan[i]);
		(void)close(front[i]);
	}
	return end - begin;
}

/* The same programs, executed without a channel: they say how they are used, and end. */
static double bare_start(const char (*paths)[512])
{
	pid_t pid[DEVICES];
	double begin = now_us();

	for (unsigned int i = 0; i < DEVICES; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			int null = open("/dev/null", O_RDWR);
			(void)dup2(null, 1);
			(void)dup2(null, 2);
			execl(paths[i], paths[i], (char *)NULL);
			_exit(126);
		}
	}
	for (unsigned int i = 0; i < DEVICES; i++)
		(void)waitpid(pid[i], NULL, 0);
	return now_us() - begin;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	unsigned int runs = argc > 1 ? (unsigned int)atoi(argv[1]) : 31;
	static double with[1000], bare[1000];
	static char paths[DEVICES][512];
	struct why why = { 0 };
	int disk = memfd_create("disk", MFD_CLOEXEC);

	if (runs < 1 || runs > ARRAY_LEN(with) || disk < 0 || ftruncate(disk, 1 << 20) < 0)
		die("want 1 to 1000 runs");
	for (unsigned int i = 0; i < DEVICES; i++) {
		int fd = -1;
		if (spawn_open_binary(
			    role_get(roles[i])->binary, &fd, paths[i], sizeof paths[i], &why) < 0)
			die(why.text);
		(void)close(fd);
	}
	for (unsigned int i = 0; i < runs; i++) {
		with[i] = devices_start(disk);
		bare[i] = bare_start((const char(*)[512])paths);
	}
	qsort(with, runs, sizeof with[0], by_size);
	qsort(bare, runs, sizeof bare[0], by_size);
	printf("%u devices, %u runs: spawn to READY %.0f us (least %.0f), bare fork+exec+exit %.0f "
	       "us "
	       "(least %.0f), ratio %.2f\n",
		DEVICES, runs, with[runs / 2], with[0], bare[runs / 2], bare[0],
		with[runs / 2] / bare[runs / 2]);
	return 0;
}
