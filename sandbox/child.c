#include "sandbox/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/opts.h"
#include "sandbox/receipt.h"
#include "sandbox/sandbox.h"

int child_start(enum role role, struct chan *ret, struct why *why)
{
	/* The channel first: the parent hears of everything that fails after this. */
	int err = chan_open(ret, SPAWN_FD_CHAN);

	if (err == 0)
		err = sandbox_start(role, why);
	if (err < 0)
		return err;
	/* The role's descriptors are not for anybody this process might ever start. */
	for (unsigned int i = 0; i < role_count_fds(role_get(role)); i++)
		if (fcntl(SPAWN_FD_CHAN + (int)i, F_SETFD, FD_CLOEXEC) < 0)
			return why_set(why, -errno, "fcntl: %s", strerrordesc_np(errno));
	return 0;
}

int child_recv_config(struct chan *c, uint32_t min_len, uint32_t max_len, unsigned int min_fds,
	unsigned int max_fds, struct why *why)
{
	int err = chan_recv(c, /* is_waiting= */ true);

	if (err < 0)
		return why_set(why, err, "no CONFIG from the parent: %s", strerrordesc_np(-err));
	const struct msg *m = c->in;
	if (m->type != SUP_MSG_CONFIG) {
		msg_drop_fds(c->in);
		return why_set(why, -EPROTO, "message %u from the parent, want CONFIG", m->type);
	}
	if (m->len < min_len || m->len > max_len || m->n_fds < min_fds || m->n_fds > max_fds) {
		unsigned int n_fds = m->n_fds;
		msg_drop_fds(c->in);
		return why_set(why, -EBADMSG,
			"CONFIG has %u bytes and %u descriptors, want %u to %u and %u to %u",
			m->len, n_fds, min_len, max_len, min_fds, max_fds);
	}
	receipt_note_fds(m->fds, m->n_fds);
	return 0;
}

int child_send_ready(struct chan *c)
{
	return chan_send(c, SUP_MSG_READY, receipt_get(), sizeof(struct wire_receipt), NULL, 0);
}

int child_end(struct chan *c, int err, const struct why *why)
{
	if (err < 0) {
		struct wire_failed failed = { .err = le32_of((uint32_t)-err) };
		(void)snprintf(failed.text, sizeof failed.text, "%s", why_text(why, err));
		if (chan_send(c, SUP_MSG_FAILED, &failed, sizeof failed, NULL, 0) < 0)
			log_err("%s", failed.text); /* the parent cannot be told: the log it is */
	}
	chan_close(c);
	return err < 0 ? EXIT_OURS : EXIT_YES;
}
