#include "attest/ledger/ledger_role.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "attest/ledger/ledger.h"
#include "attest/ledger/ledger_proto.h"
#include "base/chan.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"

enum writer_state { W_READY };

struct writer {
	struct chan chan;
	struct loop loop;
	struct src src;
	struct ledger *ledger;
	struct entry next; /* receipts that came for it */
	int next_err;      /* what is wrong with them */
};

static MUST_USE int entry_take(void *owner, struct msg *m)
{
	struct writer *w = owner;
	struct wire_ledger_entry wire;
	struct entry entry;
	struct why why = { 0 };
	uint64_t index = 0;

	memcpy(&wire, m->buf, sizeof wire);
	int err = entry_of_wire(&wire, &entry, &why);
	if (err == 0)
		err = w->next_err;
	entry.n_receipts = w->next.n_receipts;
	memcpy(entry.receipts, w->next.receipts, sizeof entry.receipts);
	memset(&w->next, 0, sizeof w->next);
	w->next_err = 0;
	if (err == 0)
		err = ledger_append(w->ledger, &entry, &index, &why);
	if (err < 0)
		log_info("entry not written: %s",
			why_text(&why, err)); /* the asker says what it means */
	struct wire_ledger_done done = {
		.cookie = wire.cookie,
		.err = le32_of((uint32_t)-err),
		.index = le64_of(err < 0 ? 0 : index),
	};
	return chan_send(&w->chan, LEDGER_MSG_DONE, &done, sizeof done, NULL, 0);
}

/* Kept for the entry that follows, which says what became of it. */
static MUST_USE int receipt_take(void *owner, struct msg *m)
{
	struct writer *w = owner;
	struct wire_ledger_receipt wire;
	struct why why = { 0 };

	memcpy(&wire, m->buf, sizeof wire);
	int err = entry_add_receipt(&w->next, &wire, &why);
	if (err < 0)
		log_info("receipt not taken: %s", why_text(&why, err));
	w->next_err = w->next_err < 0 ? w->next_err : err;
	return 0;
}

static MUST_USE int stop_take(void *owner, struct msg *m)
{
	struct writer *w = owner;

	loop_stop(&w->loop, 0);
	return 0;
}

#define ENTRY_BYTES   sizeof(struct wire_ledger_entry)
#define RECEIPT_BYTES sizeof(struct wire_ledger_receipt)

/* clang-format off */
static const struct rule rules[] = {
	/*                    in states    length                    fds   once   */
	[SUP_MSG_STOP]     = { IN(W_READY), 0,           0,           0, 0, true,  stop_take },
	[LEDGER_MSG_ENTRY] = { IN(W_READY), ENTRY_BYTES, ENTRY_BYTES, 0, 0, false, entry_take },
	[LEDGER_MSG_RECEIPT] = { IN(W_READY), RECEIPT_BYTES, RECEIPT_BYTES, 0, 0, false, receipt_take },
};
/* clang-format on */

/* A malformed message ends the relation: nothing of it can be believed any more. */
static void chan_fire(struct src *src, uint32_t events)
{
	struct writer *w = CONTAINER_OF(src, struct writer, src);
	int err = 0;

	while (err == 0 && !w->loop.is_stopped)
		err = chan_step(
			&w->chan, /* is_waiting= */ false, rules, ARRAY_LEN(rules), W_READY, w);
	if (err == -EPIPE)
		loop_stop(&w->loop, 0);
	else if (err < 0 && err != -EAGAIN)
		loop_stop(&w->loop, err);
}

static MUST_USE int signer_read(const char *origin, struct note_signer *ret, struct why *why)
{
	AUTO(secret) struct secret pem = { 0 };
	size_t len = 0;

	int err = secret_init(&pem, LIMIT_SECRET_BYTES);
	while (err == 0 && len < pem.len) {
		ssize_t n = pread(LEDGER_FD_KEY, pem.p + len, pem.len - len, (off_t)len);
		if (n <= 0) {
			err = n < 0 ? -errno : 0;
			break;
		}
		len += (size_t)n;
	}
	if (err < 0)
		return why_set(why, err, "cannot read the signing key");
	(void)close(LEDGER_FD_KEY);
	err = note_signer_parse(pem.p, len, origin, ret, why);
	return err < 0 ? why_prefix(why, err, "signing key") : 0;
}

/* CONFIG, key and ledger: what needs the world outside. */
static MUST_USE int writer_open(struct writer *w, struct why *why)
{
	AUTO(note_signer) struct note_signer signer = { 0 };
	struct wire_ledger_config config;

	int err = child_recv_config(&w->chan, sizeof config, sizeof config, 0, 0, why);
	if (err < 0)
		return err;
	memcpy(&config, w->chan.in->buf, sizeof config);
	if (memchr(config.origin, 0, sizeof config.origin) == NULL)
		return why_set(why, -EBADMSG, "CONFIG: an origin without its end");
	err = signer_read(config.origin, &signer, why);
	if (err == 0)
		err = ledger_open(LEDGER_FD_FOLDER, &signer, &w->ledger, why);
	if (err == 0)
		err = loop_open(&w->loop);
	w->src = (struct src){ .fd = w->chan.fd, .fire = chan_fire };
	return err < 0 ? err : loop_add(&w->loop, &w->src, EPOLLIN);
}

int ledger_serve(void)
{
	static struct writer w; /* too large for a stack */
	struct why why = { 0 };

	w.chan.fd = -1;
	w.loop.epoll_fd = -1;
	int err = child_start(ROLE_LEDGER, &w.chan, &why);
	if (err == 0 && OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		err = -ENOMEM;
	if (err == 0)
		err = writer_open(&w, &why);
	if (err == 0)
		err = sandbox_enter(ROLE_LEDGER, &why);
	if (err == 0)
		err = child_send_ready(&w.chan);
	if (err == 0)
		err = loop_run(&w.loop);
	ledger_close(w.ledger);
	loop_close(&w.loop);
	return child_end(&w.chan, err == -EPIPE ? 0 : err, &why);
}
