#include "vmm/super/sup_out.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A pipe that poll(2) calls writable takes a page without blocking (PIPE_BUF, pipe(7)). */
#define PIECE_BYTES 4096u

static void out_write(struct sup_out *out, int timeout_ms)
{
	while (out->len > 0 && !out->is_broken) {
		struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
		if (poll(&p, 1, timeout_ms) <= 0)
			return;
		ssize_t n = write(STDOUT_FILENO, out->buf, MIN(out->len, PIECE_BYTES));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			out->is_broken = true;
			break;
		}
		out->len -= (size_t)n;
		memmove(out->buf, out->buf + n, out->len);
	}
	if (out->is_broken)
		out->len = 0;
}

/* Watch the reader while something is left; a file cannot be watched and never needs to be. */
static void out_watch(struct sup_out *out)
{
	bool is_needed = out->len > 0;

	if (is_needed && !out->is_watched)
		out->is_watched = loop_add(out->loop, &out->src, EPOLLOUT) == 0;
	if (!is_needed && out->is_watched) {
		loop_del(out->loop, &out->src);
		out->is_watched = false;
	}
}

static void out_fire(struct src *src, uint32_t events)
{
	struct sup_out *out = CONTAINER_OF(src, struct sup_out, src);

	out_write(out, 0);
	out_watch(out);
	if (!sup_out_is_full(out))
		out->on_room(out);
}

void sup_out_init(struct sup_out *out, struct loop *loop, void (*on_room)(struct sup_out *out))
{
	out->loop = loop;
	out->src = (struct src){ .fd = STDOUT_FILENO, .fire = out_fire };
	out->on_room = on_room;
}

void sup_out_add(struct sup_out *out, const void *bytes, size_t len)
{
	if (out->is_broken || len > sizeof out->buf - out->len)
		return;
	memcpy(out->buf + out->len, bytes, len);
	out->len += len;
	out_write(out, 0);
	out_watch(out);
}

void sup_out_flush(struct sup_out *out, int timeout_ms)
{
	out_write(out, timeout_ms);
	if (out->len == 0)
		return;
	out->is_broken = true; /* or every piece that still comes would wait as long again */
	out->len = 0;
}
