/*
 * casemate-sim-qgs: a quote generation service for simulated trust domains: reads the platform file,
 * listens on a socket, answers one request after the other (ABI 4.11). Built with -Dsimulator=true
 * only; what it signs attests nothing. It serves tests on one machine: no sandbox, no concurrency.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/rd.h"
#include "base/wr.h"
#include "sev/sim/sim_platform.h"
#include "sev/sim/sim_qgs.h"

#define BACKLOG    16
#define SILENCE_MS 10000 /* of a client, before the next one is served */

struct args {
	const char *socket;
	const char *vsock;
	struct opt_list faults;
};

/* 0 with all of it, -ENODATA at the end of the stream before, -ETIMEDOUT. */
static MUST_USE int bytes_recv(int fd, uint8_t *ret, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n = poll(&p, 1, SILENCE_MS);
		if (n == 0)
			return -ETIMEDOUT;
		ssize_t got = n < 0 ? -1 : recv(fd, ret + at, len - at, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		at += (size_t)got;
	}
	return 0;
}

/* One request and its answer; an error ends the connection. */
static MUST_USE int request_serve(struct sim_qgs *q, int fd)
{
	static uint8_t in[SIM_QGS_IN_MAX], out[SIM_QGS_FRAME_HEAD + SIM_QGS_OUT_MAX];
	uint8_t head[SIM_QGS_FRAME_HEAD];
	size_t len = 0;
	int err = bytes_recv(fd, head, sizeof head);

	if (err < 0)
		return err;
	struct rd r = rd_of(head, sizeof head);
	uint32_t in_len = rd_be32(&r);
	if (in_len == 0 || in_len > sizeof in)
		return -EMSGSIZE;
	err = bytes_recv(fd, in, in_len);
	if (err < 0)
		return err;
	sim_qgs_answer(q, in, in_len, out + SIM_QGS_FRAME_HEAD, &len);
	if (len == 0)
		return -EPROTO;
	struct wr w = wr_of(out, SIM_QGS_FRAME_HEAD);
	wr_be32(&w, (uint32_t)len);
	return fd_write_all(fd, out, SIM_QGS_FRAME_HEAD + len);
}

static void client_serve(struct sim_qgs *q, int fd)
{
	int err = 0;

	while (err == 0)
		err = request_serve(q, fd);
	if (err != -ENODATA)
		log_warn("connection closed: %s", strerrordesc_np(-err));
}

static MUST_USE int unix_listen(const char *path, int *ret, struct why *why)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof a.sun_path)
		return why_set(why, -EINVAL, "--socket %s: too long", path);
	memcpy(a.sun_path, path, strlen(path));
	(void)unlink(path); /* of the last run; a file of another kind makes bind() fail */
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, BACKLOG) < 0)
		return why_set(
			why, -errno, "cannot listen on %s: %s", path, strerrordesc_np(errno));
	*ret = fd_take(&fd);
	return 0;
}

static MUST_USE int vsock_listen(const char *port, int *ret, struct why *why)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };
	unsigned long long v = 0;
	int err = opts_parse_u64("--vsock", port, 1, UINT32_MAX - 1, &v, why);
	AUTO(fd) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (err < 0)
		return err;
	a.svm_port = (uint32_t)v;
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, BACKLOG) < 0)
		return why_set(why, -errno, "cannot listen on vsock port %s: %s", port,
			strerrordesc_np(errno));
	*ret = fd_take(&fd);
	return 0;
}

static MUST_USE int faults_parse(
	const struct opt_list *faults, struct sim_tdx_script *ret, struct why *why)
{
	for (size_t i = 0; i < faults->n; i++) {
		if (ret->n == LIMIT_SIM_FAULTS)
			return why_set(why, -EINVAL, "at most %u faults", LIMIT_SIM_FAULTS);
		int err = sim_tdx_fault_parse(faults->at[i], &ret->fault[ret->n++], why);
		if (err < 0)
			return err;
	}
	return 0;
}

static void bytes_auto(uint8_t **bytes)
{
	free(*bytes);
}

static MUST_USE int serve(const char *path, const struct args *args, struct why *why)
{
	AUTO(bytes) uint8_t *file = NULL; /* the platform's fields point into it */
	size_t len = 0;
	struct sim_platform p;
	struct sim_tdx_crypto crypto;
	AUTO(fd) int fd = -1;
	int err = fd_read_path(path, LIMIT_SIM_PLATFORM_BYTES, &file, &len, why);

	if (err == 0)
		err = sim_platform_parse(&p, file, len, why);
	if (err == 0 && !p.tdx.is_present)
		err = why_set(why, -EINVAL, "%s is a machine without TDX", path);
	if (err == 0)
		err = faults_parse(&args->faults, &p.tdx.script, why);
	if (err == 0)
		err = sim_tdx_crypto_init(&crypto, &p.tdx, why);
	if (err == 0)
		err = args->vsock != NULL ? vsock_listen(args->vsock, &fd, why)
					  : unix_listen(args->socket, &fd, why);
	if (err < 0)
		return err;
	struct sim_qgs q = { .platform = &p.tdx, .crypto = &crypto, .script = p.tdx.script };
	(void)signal(SIGPIPE, SIG_IGN);
	printf("ready\n"); /* for whoever started us and waits */
	(void)fflush(stdout);
	for (;;) {
		AUTO(fd) int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0)
			client_serve(&q, client);
		else if (errno != EINTR && errno != ECONNABORTED)
			return why_set(why, -errno, "accept: %s", strerrordesc_np(errno));
	}
}

int main(int argc, char **argv)
{
	struct why why = { 0 };
	struct args args = { 0 };
	char **names = NULL;
	size_t n = 0;
	const struct opt options[] = {
		{ "socket", OPT_TEXT, &args.socket, "PATH", "listen on this Unix socket" },
		{ "vsock", OPT_TEXT, &args.vsock, "PORT", "listen on this vsock port" },
		{ "fault", OPT_LIST, &args.faults, "'QUOTE N CODE'",
			"answer the Nth request with this error code" },
		{ 0 },
	};
	const struct opt_spec spec = {
		.usage = "casemate-sim-qgs FILE --socket PATH",
		.about = "Quote simulated trust domains of the machine in FILE. It proves nothing.",
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	int err = opts_parse(&spec, argc, argv, &names, &n, &why);

	log_set_name("casemate-sim-qgs");
	if (err == 1)
		return EXIT_YES;
	if (err == 0 && (args.socket == NULL) == (args.vsock == NULL))
		err = why_set(&why, -EINVAL, "give --socket or --vsock");
	if (err == 0)
		err = serve(names[0], &args, &why);
	log_err("%s", why_text(&why, err));
	return err == -EINVAL ? EXIT_USAGE : opts_exit_status(err);
}
