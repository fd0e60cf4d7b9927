#include "sandbox/foreign.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/chan.h"
#include "base/fd.h"
#include "sandbox/child.h"

struct config {
	size_t len;
	uint8_t bytes[LIMIT_FOREIGN_CONFIG_BYTES];
	int fds[LIMIT_CHAN_FDS];
	unsigned int n_fds;
};

static MUST_USE int strings_add(
	struct config *c, const char *const *strings, unsigned int max, le32 *ret_n)
{
	unsigned int n = 0;

	for (; strings != NULL && strings[n] != NULL; n++) {
		size_t len = strlen(strings[n]) + 1;
		if (n == max || len > sizeof c->bytes - c->len)
			return -EMSGSIZE;
		memcpy(c->bytes + c->len, strings[n], len);
		c->len += len;
	}
	*ret_n = le32_of(n);
	return 0;
}

static MUST_USE int fd_add(struct config *c, int fd)
{
	if (c->n_fds == LIMIT_CHAN_FDS)
		return -EMSGSIZE;
	c->fds[c->n_fds++] = fd;
	return 0;
}

static MUST_USE int bind_add(struct config *c, const struct foreign_bind *b)
{
	const char *const words[] = { b->from, b->at, b->is_writable ? "rw" : "ro", NULL };
	le32 n;
	int err = strings_add(c, words, ARRAY_LEN(words), &n);

	return err < 0 ? err : fd_add(c, b->fd);
}

static MUST_USE int config_make(const struct foreign *what, struct config *c, struct why *why)
{
	struct wire_foreign head = { .n_binds = le32_of(what->n_binds) };

	c->len = sizeof head;
	c->n_fds = 0;
	if (what->argv[0] == NULL || what->argv[0][0] != '/')
		return why_set(
			why, -EINVAL, "a program of another make is named by its whole path");
	int err = strings_add(c, what->argv, LIMIT_FOREIGN_ARGS, &head.n_args);
	if (err == 0)
		err = strings_add(c, what->files, LIMIT_FOREIGN_FILES, &head.n_files);
	for (unsigned int i = 0; err == 0 && i < what->n_binds; i++)
		err = bind_add(c, &what->binds[i]);
	for (unsigned int i = 0; err == 0 && i < what->n_fds; i++)
		err = fd_add(c, what->fds[i]);
	if (err < 0)
		return why_set(why, err, "%s: too many words, paths or descriptors", what->argv[0]);
	memcpy(c->bytes, &head, sizeof head);
	return 0;
}

/* The next message, or -EPIPE when the channel has ended. */
static MUST_USE int message_wait(struct chan *chan, const char *program, struct why *why)
{
	struct pollfd p = { .fd = chan->fd, .events = POLLIN };
	struct wire_failed failed;
	int n = poll(&p, 1, LIMIT_FOREIGN_MS);

	if (n <= 0)
		return why_set(why, n < 0 ? -errno : -ETIMEDOUT,
			"%s: no word from casemate-foreign", program);
	int err = chan_recv(chan, false);
	if (err < 0)
		return err;
	if (chan->in->type != SUP_MSG_FAILED || chan->in->len != sizeof failed)
		return 0;
	memcpy(&failed, chan->in->buf, sizeof failed);
	failed.text[sizeof failed.text - 1] = 0;
	int code = (int)(le32_get(failed.err) & 0xfff);
	return why_set(why, code != 0 ? -code : -EPROTO, "%s: %s", program, failed.text);
}

/* READY with a receipt as it has to be; then GO, and the channel ends when the program is executed. */
static MUST_USE int start_finish(struct chan *chan, const struct spawn_child *c,
	const struct receipt_want *want, const char *program, struct wire_receipt *ret,
	struct why *why)
{
	int err = message_wait(chan, program, why);

	if (err == 0 && chan->in->type != SUP_MSG_READY)
		err = -EPROTO;
	if (err < 0)
		return why_set(why, err, "%s: casemate-foreign is not ready: %s", program,
			strerrordesc_np(-err));
	err = receipt_verify(c, want, chan->in->buf, chan->in->len, ret, why);
	if (err == 0)
		err = chan_send(chan, FOREIGN_MSG_GO, NULL, 0, NULL, 0);
	if (err < 0)
		return why_prefix(why, err, "%s", program);
	err = message_wait(chan, program, why);
	if (err == -EPIPE)
		return 0;
	return err < 0 ? err : why_set(why, -EPROTO, "%s: an unexpected message", program);
}

static void chan_auto(struct chan *c)
{
	chan_close(c);
}

int foreign_start(const struct foreign *what, const struct spawn_place *place, const char *cgroup,
	struct spawn_child *ret, struct wire_receipt *ret_receipt, struct why *why)
{
	AUTO(spawn) struct spawn_child c = SPAWN_CHILD_NONE;
	AUTO(chan) struct chan chan = { .fd = -1 };
	struct config config;
	struct wire_receipt receipt;

	int err = config_make(what, &config, why);
	if (err == 0)
		err = spawn_start(ROLE_FOREIGN, NULL, 0, place, &c, why);
	if (err < 0)
		return err;
	struct receipt_want want = receipt_want_of(&c, place != NULL ? place->guest_bytes : 0);
	want.label = place != NULL ? place->label : NULL;
	want.cgroup = cgroup;
	err = chan_open(&chan, fd_take(&c.chan_fd));
	if (err == 0)
		err = spawn_send_config(&chan, config.bytes, config.len, config.fds, config.n_fds);
	if (err < 0)
		return why_set(why, err, "%s: the channel to casemate-foreign: %s", what->argv[0],
			strerrordesc_np(-err));
	err = start_finish(&chan, &c, &want, what->argv[0], &receipt, why);
	if (err < 0)
		return err;
	if (ret_receipt != NULL)
		*ret_receipt = receipt;
	*ret = c;
	c = SPAWN_CHILD_NONE;
	return 0;
}
