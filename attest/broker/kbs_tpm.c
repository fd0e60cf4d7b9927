#include "attest/broker/kbs_tpm.h"

#include <errno.h>
#include <unistd.h>

#define HEADER_BYTES 10u
#define TAG_PLAIN    0x8001u
#define TAG_SESSIONS 0x8002u
#define RS_PASSWORD  0x40000009u
#define RC_RETRY     0x922u /* "not now": busy with itself */
#define TRIES        4u
#define PAUSE_US     20000u

struct wr tpm_begin(struct tpm *t, uint32_t code, uint32_t handle, bool is_authorised)
{
	struct wr w = wr_of(t->command, sizeof t->command);

	wr_be16(&w, is_authorised ? TAG_SESSIONS : TAG_PLAIN);
	wr_be32(&w, 0); /* size, when it is known */
	wr_be32(&w, code);
	if (handle != 0)
		wr_be32(&w, handle);
	if (is_authorised) {
		wr_be32(&w, 9);
		wr_be32(&w, RS_PASSWORD);
		wr_zero(&w, 5); /* nonce, attributes, password: none */
	}
	return w;
}

static MUST_USE int command_once(
	struct tpm *t, size_t len, struct rd *ret, uint32_t *ret_code, struct why *why)
{
	size_t got = 0, want = HEADER_BYTES;

	if (write(t->fd, t->command, len) != (ssize_t)len)
		return why_set(why, -EREMOTEIO, "cannot send a command");
	while (got < want) {
		ssize_t n = read(t->fd, t->answer + got, sizeof t->answer - got);
		if (n <= 0)
			return why_set(why, -EREMOTEIO, "no answer");
		got += (size_t)n;
		struct rd size = rd_of(t->answer + 2, 4);
		if (got >= HEADER_BYTES)
			want = rd_be32(&size);
		if (want < HEADER_BYTES || want > sizeof t->answer)
			return why_set(why, -EBADMSG, "an answer of %zu bytes", want);
	}
	struct rd r = rd_of(t->answer, got);
	rd_skip(&r, 6);
	*ret_code = rd_be32(&r);
	*ret = r;
	return got == want ? 0 : why_set(why, -EBADMSG, "bytes behind an answer");
}

int tpm_send(struct tpm *t, struct wr *w, struct rd *ret, struct why *why)
{
	struct wr size = wr_of(t->command + 2, 4);
	uint32_t code = RC_RETRY;

	wr_be32(&size, (uint32_t)w->len);
	int err = wr_check(w);
	for (unsigned int i = 0; i < TRIES && err == 0 && code == RC_RETRY; i++) {
		if (i > 0)
			(void)usleep(PAUSE_US << i);
		err = command_once(t, w->len, ret, &code, why);
	}
	return err < 0 || code == 0 ? err : why_set(why, -EREMOTEIO, "it answers 0x%x", code);
}
