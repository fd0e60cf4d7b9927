/* casemate-owner: the measurement of a SEV launch to its owner's broker, the secret's packet back. Started
 * by the supervisor only. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attest/broker/kbs_json.h"
#include "attest/owner/owner_answer.h"
#include "attest/owner/owner_http.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/opts.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"

#define SESSION_BYTES 128u
#define PAUSE_S       5u /* where a broker does not say how long */

enum owner_state {
	OWNER_STARTED,  /* until MEASURED came */
	OWNER_MEASURED, /* the deadline runs; the broker is asked */
	OWNER_STOPPED,  /* STOP, or the supervisor is gone */
};

struct owner {
	struct chan chan;
	enum owner_state state;
	struct wire_owner_config config;
	struct wire_sev_measured measured;
	uint8_t session[32];
	uint64_t deadline_ms;  /* CLOCK_MONOTONIC */
	unsigned int n_failed; /* requests without an answer, in a row */
	struct owner_http *http;
	char request[OWNER_REQUEST_MAX];
	struct why last; /* why there is no answer yet */
};

static uint64_t now_ms(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- start ------------------------------------------------------------------------------------- */

/* At its beginning, wherever the file's position is: the monitor has the same open file. */
static MUST_USE int session_read(struct owner *o, int fd, struct why *why)
{
	uint8_t bytes[SESSION_BYTES + 1];
	ssize_t len = pread(fd, bytes, sizeof bytes, 0);

	if (len < 0)
		return why_set(
			why, -errno, "the session cannot be read: %s", strerrordesc_np(errno));
	if (len != SESSION_BYTES)
		return why_set(why, -EBADMSG, "the session has %s than %u bytes",
			len < (ssize_t)SESSION_BYTES ? "less" : "more", SESSION_BYTES);
	return EVP_Digest(bytes, SESSION_BYTES, o->session, NULL, EVP_sha256(), NULL) == 1 ? 0
											   : -EIO;
}

static MUST_USE int config_check(const struct wire_owner_config *c, struct why *why)
{
	uint32_t wait_s = le32_get(c->wait_s);

	return memchr(c->url, 0, sizeof c->url) == NULL ||
			       memchr(c->guest, 0, sizeof c->guest) == NULL || wait_s == 0 ||
			       wait_s > LIMIT_OWNER_WAIT_S
		       ? why_set(why, -EBADMSG, "CONFIG: a text without its end, or wait_s %u",
				 wait_s)
		       : 0;
}

/* CONFIG, and all that needs the world outside. */
static MUST_USE int owner_open(struct owner *o, struct why *why)
{
	uint8_t *ca = NULL;
	size_t ca_len = 0;

	int err = child_recv_config(
		&o->chan, sizeof o->config, sizeof o->config, OWNER_FD_COUNT, OWNER_FD_COUNT, why);
	if (err < 0)
		return err;
	memcpy(&o->config, o->chan.in->buf, sizeof o->config);
	AUTO(fd) int ca_fd = msg_take_fd(o->chan.in, OWNER_FD_CA);
	AUTO(fd) int session_fd = msg_take_fd(o->chan.in, OWNER_FD_SESSION);
	err = config_check(&o->config, why);
	if (err == 0)
		err = session_read(o, session_fd, why);
	if (err == 0) {
		err = fd_read_file(ca_fd, LIMIT_CERT_BLOB_BYTES, &ca, &ca_len);
		if (err < 0)
			(void)why_set(why, err, "the owner's CA cannot be read: %s",
				strerrordesc_np(-err));
	}
	if (err == 0)
		err = owner_http_open(o->config.url, OWNER_PATH, ca, ca_len, &o->http, why);
	free(ca);
	return err;
}

/* ---- the supervisor ------------------------------------------------------------------------------ */

static int measured_take(void *owner, struct msg *m)
{
	struct owner *o = owner;

	memcpy(&o->measured, m->buf, sizeof o->measured);
	o->state = OWNER_MEASURED;
	o->deadline_ms = now_ms() + (uint64_t)le32_get(o->config.wait_s) * 1000;
	return owner_print_request(&o->config, &o->measured, o->session, o->request);
}

static int stop_take(void *owner, struct msg *m)
{
	struct owner *o = owner;

	o->state = OWNER_STOPPED;
	return 0;
}

#define MEASURED_BYTES sizeof(struct wire_sev_measured)

/* clang-format off */
static const struct rule rules[] = {
	/*                         in states                                length          fds   once  */
	[SUP_MSG_STOP]         = { IN(OWNER_STARTED) | IN(OWNER_MEASURED), 0, 0,           0, 0, true, stop_take },
	[SUP_MSG_SEV_MEASURED] = { IN(OWNER_STARTED), MEASURED_BYTES, MEASURED_BYTES,      0, 0, true, measured_take },
};
/* clang-format on */

static MUST_USE int chan_take(struct owner *o, bool is_waiting)
{
	int err = chan_step(&o->chan, is_waiting, rules, ARRAY_LEN(rules), o->state, o);

	if (err == -EPIPE)
		o->state = OWNER_STOPPED;
	return err == -EPIPE || err == -EAGAIN ? 0 : err;
}

/* Nothing for so long, unless the supervisor has something to say. */
static MUST_USE int pause_for(struct owner *o, uint64_t ms)
{
	struct pollfd p = { .fd = o->chan.fd, .events = POLLIN };
	int n = poll(&p, 1, (int)MIN(ms, (uint64_t)INT32_MAX));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? 0 : chan_take(o, false);
}

/* ---- the broker ---------------------------------------------------------------------------------- */

/* The reason changes seldom: it is in the log once. */
static void reason_keep(struct owner *o, const struct why *why)
{
	if (strcmp(o->last.text, why->text) != 0)
		log_info("%s: %s; asking again", o->config.guest, why->text);
	o->last = *why;
}

static MUST_USE int answer_send(struct owner *o, struct wire_sev_secret *secret)
{
	int err = chan_send(&o->chan, SUP_MSG_SEV_SECRET, secret, sizeof *secret, NULL, 0);

	return err == -EPIPE ? 0 : err;
}

static MUST_USE int refusal_send(struct owner *o, int err, const struct why *why)
{
	static struct wire_sev_secret secret;

	secret.err = le32_of((uint32_t)-err);
	(void)snprintf(secret.text, sizeof secret.text, "%s", why_text(why, err));
	log_info("%s: %s", o->config.guest, why_text(why, err));
	return answer_send(o, &secret);
}

static MUST_USE int packet_send(struct owner *o, const struct owner_result *r)
{
	static struct wire_sev_secret secret;
	struct why why = { 0 };
	int err = owner_parse_packet(r->body, r->len, &secret, &why);

	if (err < 0)
		return refusal_send(o, err, &why);
	log_info("%s: the owner answered with a packet of %u bytes", o->config.guest,
		le32_get(secret.len));
	return answer_send(o, &secret);
}

/* One request, to its end or the supervisor's. */
static MUST_USE int request_run(struct owner *o, uint64_t left_ms, struct why *why)
{
	bool is_over = false;
	int err = owner_http_start(
		o->http, o->request, (uint32_t)MIN(left_ms, LIMIT_OWNER_REQUEST_MS), why);

	while (err == 0 && !is_over && o->state == OWNER_MEASURED) {
		err = owner_http_step(o->http, o->chan.fd, &is_over);
		if (err == 0 && !is_over)
			err = chan_take(o, false);
	}
	owner_http_stop(o->http);
	return err;
}

/* What a request came to. *ret_pause_s: how long to wait before the next; 0: the answer was sent. */
static MUST_USE int result_take(struct owner *o, uint32_t *ret_pause_s)
{
	struct owner_result r;
	struct why why = { 0 };

	*ret_pause_s = 0;
	owner_http_get(o->http, &r);
	if (r.error != NULL) {
		(void)why_set(&why, 0, "the owner's broker at %.200s: %s", o->config.url, r.error);
		if (r.is_final)
			return refusal_send(o, -EREMOTEIO, &why);
		*ret_pause_s = MIN(1u << MIN(o->n_failed, 4u), LIMIT_OWNER_PAUSE_S);
		o->n_failed++;
		reason_keep(o, &why);
		return 0;
	}
	o->n_failed = 0;
	enum owner_next next = owner_judge_status(r.status);
	if (next == OWNER_DONE)
		return packet_send(o, &r);
	owner_parse_refusal(r.body, r.len, r.status, &why);
	if (next == OWNER_REFUSED)
		return refusal_send(o, -EACCES, &why);
	*ret_pause_s = r.retry_after_s > 0 ? r.retry_after_s : PAUSE_S;
	reason_keep(o, &why);
	return 0;
}

static MUST_USE int late_send(struct owner *o)
{
	struct why why = o->last;

	(void)why_prefix(&why, 0, "no answer of the owner within %u s", le32_get(o->config.wait_s));
	return refusal_send(o, -ETIMEDOUT, &why);
}

static MUST_USE int owner_run(struct owner *o, struct why *why)
{
	int err = 0;

	while (err == 0 && o->state == OWNER_STARTED)
		err = chan_take(o, true);
	while (err == 0 && o->state == OWNER_MEASURED) {
		uint64_t now = now_ms();
		uint32_t pause_s = 0;
		if (now >= o->deadline_ms)
			return late_send(o);
		err = request_run(o, o->deadline_ms - now, why);
		if (err < 0 || o->state != OWNER_MEASURED)
			break;
		err = result_take(o, &pause_s);
		if (err < 0 || pause_s == 0)
			break;
		now = now_ms();
		if (now < o->deadline_ms)
			err = pause_for(o, MIN((uint64_t)pause_s * 1000, o->deadline_ms - now));
	}
	return err;
}

int main(void)
{
	static struct owner o;
	struct why why = { 0 };

	o.chan.fd = -1;
	kbs_json_init();
	/* The system's OpenSSL configuration is not ours: the same settings everywhere. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return EXIT_OURS;
	(void)signal(SIGPIPE, SIG_IGN);
	int err = child_start(ROLE_OWNER, &o.chan, &why);
	if (err == 0)
		err = owner_open(&o, &why);
	if (err == 0)
		err = sandbox_enter(ROLE_OWNER, &why);
	if (err == 0)
		err = child_send_ready(&o.chan);
	if (err == 0)
		err = owner_run(&o, &why);
	owner_http_close(o.http);
	return child_end(&o.chan, err == -EPIPE ? 0 : err, &why);
}
