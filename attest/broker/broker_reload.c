#include "attest/broker/broker_reload.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rd.h"
#include "base/wr.h"
#include "sandbox/sandbox.h"

#define READER_FD   3
#define REPLY_MS    10000
#define HEADER      8u /* error number, length of what follows */
#define GROUPS      4u
#define FOLDERS_MAX (2 * (1 + GROUPS * LIMIT_BROKER_BLOBS))
#define BUNDLE_MAX  (LIMIT_BROKER_CONFIG_BYTES + GROUPS * LIMIT_BROKER_BLOBS * LIMIT_CERT_BLOB_BYTES)
#define BUNDLE_ROOM (BUNDLE_MAX + 4 * (GROUPS * LIMIT_BROKER_BLOBS + 1))

/*
 * A bundle: the configuration's bytes, then those of each file it lists, in its order; each after
 * its length (32 bits). What stands in it twice is read twice.
 */
struct bundle {
	uint8_t *bytes;
	size_t len;
};

static void bundle_auto(struct bundle *b)
{
	free(b->bytes);
}

/* The four lists of files of a configuration. */
static char *const *group_of(const struct broker_config *c, size_t i, size_t *ret_n)
{
	const size_t counts[GROUPS] = { c->n_roots, c->n_certs, c->n_crls, c->n_collateral };
	char *const *const lists[GROUPS] = { c->roots, c->certs, c->crls, c->collateral };

	*ret_n = counts[i];
	return lists[i];
}

/* --- reading files ------------------------------------------------------------------------------- */

static MUST_USE int file_add(struct wr *w, const char *path, size_t max, struct why *why)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err = fd_read_path(path, max, &bytes, &len, why);

	if (err == 0) {
		wr_le32(w, (uint32_t)len);
		wr_copy(w, bytes, len);
		err = wr_check(w);
	}
	free(bytes);
	return err;
}

static MUST_USE int bundle_read(const char *path, struct bundle *ret, struct why *why)
{
	AUTO(broker_config) struct broker_config c = { 0 };
	AUTO(bundle) struct bundle b = { malloc(BUNDLE_ROOM), 0 };
	struct wr w = wr_of(b.bytes, b.bytes != NULL ? BUNDLE_ROOM : 0);

	int err = b.bytes == NULL ? -ENOMEM : file_add(&w, path, LIMIT_BROKER_CONFIG_BYTES, why);
	if (err == 0)
		err = broker_config_parse(path, b.bytes + 4, w.len - 4, &c, why);
	for (size_t g = 0; err == 0 && g < GROUPS; g++) {
		size_t n = 0;
		char *const *paths = group_of(&c, g, &n);
		for (size_t i = 0; err == 0 && i < n; i++)
			err = file_add(&w, paths[i], LIMIT_CERT_BLOB_BYTES, why);
	}
	if (err < 0)
		return err;
	b.len = w.len;
	*ret = b;
	b.bytes = NULL;
	return 0;
}

/* --- taking over --------------------------------------------------------------------------------- */

/* What one bundle amounts to. */
struct files {
	struct broker_config config;
	struct blobs blobs[GROUPS];
};

static void files_auto(struct files *f)
{
	for (size_t g = 0; g < GROUPS; g++)
		blobs_done(&f->blobs[g]);
	broker_config_done(&f->config);
}

/* Certificates and CRLs must be readable; collateral is judged with the quote it is for. */
static MUST_USE int blob_take(
	struct rd *r, struct blobs *to, const char *path, bool is_cert, struct why *why)
{
	uint32_t len = rd_le32(r);
	const uint8_t *bytes = rd_bytes(r, len);
	size_t n = 0;

	if (bytes == NULL || to->n == ARRAY_LEN(to->at))
		return -EBADMSG;
	uint8_t *copy = malloc(len + 1);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, bytes, len);
	to->at[to->n++] = (struct attest_blob){ copy, len };
	if (!is_cert)
		return 0;
	int err = attest_check_certs(to->at[to->n - 1], &n, why);
	if (err == 0 && n == 0)
		err = why_set(why, -EBADMSG, "no certificate or CRL in it");
	return err < 0 ? why_prefix(why, err, "%s", path) : 0;
}

static MUST_USE int files_parse(
	const char *path, const struct bundle *b, struct files *f, struct why *why)
{
	struct rd r = rd_of(b->bytes, b->len);
	uint32_t len = rd_le32(&r);
	const uint8_t *config = rd_bytes(&r, len);

	int err =
		config == NULL ? -EBADMSG : broker_config_parse(path, config, len, &f->config, why);
	for (size_t g = 0; err == 0 && g < GROUPS; g++) {
		size_t n = 0;
		char *const *paths = group_of(&f->config, g, &n);
		for (size_t i = 0; err == 0 && i < n; i++)
			err = blob_take(&r, &f->blobs[g], paths[i], g < GROUPS - 1, why);
	}
	return err < 0 ? err : rd_end(&r);
}

/* Swap; what b had goes with f. */
static void blobs_swap(struct broker *b, struct files *f)
{
	struct blobs *const to[GROUPS] = { &b->judge.roots, &b->judge.certs, &b->judge.crls,
		&b->judge.collateral };

	for (size_t g = 0; g < GROUPS; g++) {
		struct blobs had = *to[g];
		*to[g] = f->blobs[g];
		f->blobs[g] = had;
	}
}

static void tenants_swap(struct broker_config *a, struct broker_config *b)
{
	struct broker_tenant *tenants = a->tenants;
	size_t n = a->n_tenants;

	a->tenants = b->tenants;
	a->n_tenants = b->n_tenants;
	b->tenants = tenants;
	b->n_tenants = n;
}

int files_load(struct broker *b, const char *path, struct why *why)
{
	AUTO(bundle) struct bundle bundle = { 0 };
	AUTO(files) struct files f = { 0 };

	int err = bundle_read(path, &bundle, why);
	if (err == 0)
		err = files_parse(path, &bundle, &f, why);
	if (err < 0)
		return err;
	blobs_swap(b, &f);
	b->config = f.config;
	f.config = (struct broker_config){ 0 };
	return 0;
}

void files_done(struct broker *b)
{
	struct files f = { .config = b->config };

	blobs_swap(b, &f);
	files_auto(&f);
	b->config = (struct broker_config){ 0 };
}

/* --- the reader ---------------------------------------------------------------------------------- */

/* Without a signal to us when the other end is closed. */
static MUST_USE int socket_write(int fd, const void *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct iovec iov = { (uint8_t *)(uintptr_t)bytes + at, len - at };
		const struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The bytes, or the sentence that says why there are none. */
static void reply_send(int err, const struct bundle *b, const struct why *why)
{
	uint8_t header[HEADER];
	struct wr w = wr_of(header, sizeof header);
	const char *text = err < 0 ? why_text(why, err) : "";
	size_t len = err < 0 ? strlen(text) : b->len;

	wr_le32(&w, (uint32_t)-err);
	wr_le32(&w, (uint32_t)len);
	if (socket_write(READER_FD, header, sizeof header) < 0 ||
		socket_write(READER_FD, err < 0 ? (const void *)text : b->bytes, len) < 0)
		_exit(EXIT_FAILURE);
}

static void request_answer(const char *path)
{
	AUTO(bundle) struct bundle bundle = { 0 };
	struct why why = { 0 };
	int err = bundle_read(path, &bundle, &why);

	reply_send(err, &bundle, &why);
}

struct folders {
	struct sandbox_folder at[FOLDERS_MAX];
	unsigned int n;
};

/* The folder of a file, and that of the file it leads to if it is a symbolic link. */
static MUST_USE int folders_add(struct folders *f, const char *path, struct why *why)
{
	char real[PATH_MAX];
	const char *const paths[] = { path, realpath(path, real) };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char copy[PATH_MAX];
		int fd = -1;
		if (paths[i] != NULL && strlen(paths[i]) < sizeof copy) {
			memcpy(copy, paths[i], strlen(paths[i]) + 1);
			fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (fd < 0)
			return why_set(why, -EIO, "cannot open the folder of %s", path);
		f->at[f->n++] = (struct sandbox_folder){ fd, SANDBOX_MAY_READ };
	}
	return 0;
}

/* No rights are left but to read below the folders of the files there are now. */
static MUST_USE int reader_narrow(const struct broker_config *c, const char *path, struct why *why)
{
	struct folders f = { .n = 0 };
	int err = folders_add(&f, path, why);

	for (size_t g = 0; err == 0 && g < GROUPS; g++) {
		size_t n = 0;
		char *const *paths = group_of(c, g, &n);
		for (size_t i = 0; err == 0 && i < n; i++)
			err = folders_add(&f, paths[i], why);
	}
	const struct sandbox_keep keep = { .folders = f.at, .n_folders = f.n };
	if (err == 0)
		err = sandbox_narrow(ROLE_READER, &keep, why);
	for (unsigned int i = 0; i < f.n; i++)
		(void)close(f.at[i].fd);
	return err;
}

/* Everything but the socket and the log is closed: no listener, no store, no ledger. */
static _Noreturn void reader_run(
	int fd, const char *path, const struct broker_config *c, pid_t parent)
{
	static const struct bundle none = { 0 };
	struct why why = { 0 };
	char byte;

	if (dup2(fd, READER_FD) < 0 || close_range(READER_FD + 1, ~0U, 0) < 0 ||
		prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_FAILURE);
	/* The terminal's and systemd's signals are for the broker; this ends with its socket. */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	int err = reader_narrow(c, path, &why);
	reply_send(err, &none, &why);
	if (err < 0)
		_exit(EXIT_FAILURE);
	while (read(READER_FD, &byte, 1) == 1)
		request_answer(path);
	_exit(EXIT_SUCCESS);
}

static MUST_USE int socket_read(int fd, void *ret, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int is_there = poll(&p, 1, REPLY_MS);
		ssize_t n = is_there > 0 ? read(fd, (uint8_t *)ret + at, len - at) : is_there;
		if (n < 0 && errno == EINTR) /* the next SIGHUP comes while this one is answered */
			continue;
		if (n <= 0)
			return -EPIPE;
		at += (size_t)n;
	}
	return 0;
}

/* -EACCES: the reader says why not. -EPIPE: it is gone. */
static MUST_USE int reply_read(int fd, struct bundle *ret, struct why *why)
{
	AUTO(bundle) struct bundle b = { 0 };
	uint8_t header[HEADER];

	int err = socket_read(fd, header, sizeof header);
	if (err < 0)
		return err;
	struct rd h = rd_of(header, sizeof header);
	bool is_error = rd_le32(&h) != 0;
	b.len = rd_le32(&h);
	if (b.len > BUNDLE_ROOM)
		return -EPIPE;
	b.bytes = calloc(1, b.len + 1);
	err = b.bytes == NULL ? -ENOMEM : socket_read(fd, b.bytes, b.len);
	if (err == 0 && is_error)
		err = why_set(why, -EACCES, "%s", (const char *)b.bytes);
	if (err < 0)
		return err;
	*ret = b;
	b.bytes = NULL;
	return 0;
}

void reader_stop(struct reader *r)
{
	fd_drop(&r->fd);
	if (r->pid > 0)
		(void)waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

int reader_start(struct reader *r, const char *path, const struct broker_config *c, struct why *why)
{
	AUTO(bundle) struct bundle none = { 0 };
	AUTO(fd) int child_fd = -1;
	pid_t parent = getpid();
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r->fd = fds[0];
	child_fd = fds[1];
	pid_t pid = fork();
	if (pid == 0)
		reader_run(child_fd, path, c, parent);
	int err = pid < 0 ? -errno : 0;
	r->pid = MAX(pid, 0);
	fd_drop(&child_fd);
	if (err == 0)
		err = reply_read(r->fd, &none, why);
	if (err == 0)
		return 0;
	reader_stop(r);
	return why_prefix(why, err == -EACCES ? -EIO : err, "cannot start the reader of files");
}

static MUST_USE int bundle_ask(struct reader *r, struct bundle *ret, struct why *why)
{
	return socket_write(r->fd, "", 1) == 0 ? reply_read(r->fd, ret, why) : -EPIPE;
}

int files_reload(struct broker *b, struct reader *r, const char *path, struct why *why)
{
	AUTO(bundle) struct bundle bundle = { 0 };
	AUTO(files) struct files f = { 0 };

	int err = r->fd < 0 ? -EPIPE : bundle_ask(r, &bundle, why);
	if (err == -EPIPE) {
		fd_drop(&r->fd); /* its next answer could be to another question */
		return why_set(why, err, "the process that reads files is gone");
	}
	if (err == 0)
		err = files_parse(path, &bundle, &f, why);
	if (err < 0)
		return err == -ENOMEM ? err : -EACCES;
	const char *fixed = broker_config_differs(&b->config, &f.config);
	if (fixed != NULL)
		log_warn("\"%s\" has changed: that counts after a restart", fixed);
	blobs_swap(b, &f);
	tenants_swap(&b->config, &f.config);
	b->config.may_rsa1_5 = f.config.may_rsa1_5;
	rate_init(&b->rate, f.config.rate_peer, f.config.rate_all);
	return 0;
}
