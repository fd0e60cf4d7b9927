#include "vmm/monitor/mon_quote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/quote/quote_proto.h"

/* casemate-quote has its own limit on the service; we wait a little longer, for its answer. */
#define WAIT_MS    (LIMIT_QUOTE_MS + 2000u)
#define VECTOR_MIN 32u /* what the architecture leaves to software */

/* Message to one local APIC, by its number of 32 bits (ABI 4.11). */
#define MSI_ADDRESS   0xfee00000ull
#define MSI_DEST_AT   12u
#define MSI_DEST_HIGH 0xffffff00ull /* the rest stands in the address' upper half */

#define STATUS_AT     8u
#define IN_LEN_AT     16u

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- the buffer ------------------------------------------------------------------------------- */

/* False: the guest has taken the buffer away; that is its own loss. */
static bool buffer_write(
	const struct quotes *q, uint64_t gpa, uint64_t at, const void *src, size_t len)
{
	return guest_is_shared(q->guest, gpa + at, len) &&
	       mon_memory_write(q->memory, gpa + at, src, len) == 0;
}

static bool status_write(const struct quotes *q, uint64_t gpa, uint64_t status)
{
	le64 s = le64_of(status);

	return buffer_write(q, gpa, STATUS_AT, &s, sizeof s);
}

/* The quote first, then the word that says it is there (ABI 4.11). */
static bool quote_write(
	const struct quotes *q, const struct quote_wait *w, const uint8_t *quote, uint32_t len)
{
	le32 out_len = le32_of(len);

	if (len > w->size - sizeof(struct tdx_quote_buffer) ||
		!buffer_write(q, w->gpa, sizeof(struct tdx_quote_buffer), quote, len) ||
		!buffer_write(q, w->gpa, IN_LEN_AT + 4, &out_len, sizeof out_len))
		return false;
	atomic_thread_fence(memory_order_release);
	return status_write(q, w->gpa, TDX_QUOTE_DONE);
}

static void notify(const struct quotes *q)
{
	uint64_t dest = q->apic_id;

	if (q->vector != 0)
		q->signal(q->owner,
			MSI_ADDRESS | (dest & 0xff) << MSI_DEST_AT | (dest & MSI_DEST_HIGH) << 32,
			q->vector);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void wait_end(struct quotes *q, struct quote_wait *w, uint64_t status)
{
	w->is_used = false;
	if (status == TDX_QUOTE_DONE || status_write(q, w->gpa, status))
		notify(q);
}

static void timer_arm(struct quotes *q)
{
	uint64_t now = now_ms();
	uint64_t first = UINT64_MAX;

	for (unsigned int i = 0; i < LIMIT_QUOTE_PENDING; i++)
		if (q->waits[i].is_used)
			first = MIN(first, q->waits[i].deadline_ms);
	uint64_t wait = first == UINT64_MAX ? 0 : first > now ? first - now : 1;
	if (loop_timer_arm(q->timer.fd, wait) < 0)
		log_warn("quotes are no longer timed");
}

static void timer_fire(struct src *src, uint32_t events)
{
	struct quotes *q = CONTAINER_OF(src, struct quotes, timer);
	uint64_t now = now_ms();

	(void)events;
	loop_timer_clear(src->fd);
	for (unsigned int i = 0; i < LIMIT_QUOTE_PENDING; i++)
		if (q->waits[i].is_used && q->waits[i].deadline_ms <= now)
			wait_end(q, &q->waits[i], TDX_QUOTE_ERROR);
	timer_arm(q);
}

/* --- casemate-quote --------------------------------------------------------------------------- */

static void service_drop(struct quotes *q, const char *text)
{
	log_warn("casemate-quote %s: there are no quotes from now on", text);
	loop_del(q->loop, &q->src);
	chan_close(&q->chan);
	for (unsigned int i = 0; i < LIMIT_QUOTE_PENDING; i++)
		if (q->waits[i].is_used)
			wait_end(q, &q->waits[i], TDX_QUOTE_UNAVAILABLE);
}

static int on_answer(void *owner, struct msg *m)
{
	struct quotes *q = owner;
	struct wire_quote_answer a;
	uint32_t len = m->len - (uint32_t)sizeof a;

	memcpy(&a, m->buf, sizeof a);
	for (unsigned int i = 0; i < LIMIT_QUOTE_PENDING; i++) {
		struct quote_wait *w = &q->waits[i];
		if (!w->is_used || w->cookie != le32_get(a.cookie))
			continue;
		uint32_t err = le32_get(a.err);
		bool is_there = err == 0 && len > 0 && quote_write(q, w, m->buf + sizeof a, len);
		wait_end(q, w,
			is_there          ? TDX_QUOTE_DONE
			: err == ENOTCONN ? TDX_QUOTE_UNAVAILABLE
					  : TDX_QUOTE_ERROR);
	}
	return 0; /* a cookie of nobody's: it came too late */
}

static const struct rule rules[] = {
	[QUOTE_MSG_ANSWER] = { IN(0), sizeof(struct wire_quote_answer),
		sizeof(struct wire_quote_answer) + LIMIT_QUOTE_BYTES, 0, 0, false, on_answer },
};

static void chan_fire(struct src *src, uint32_t events)
{
	struct quotes *q = CONTAINER_OF(src, struct quotes, src);
	int err = chan_step(&q->chan, false, rules, ARRAY_LEN(rules), 0, q);

	(void)events;
	if (err < 0 && err != -EAGAIN)
		service_drop(q, err == -EPIPE ? "is gone" : "sent nonsense");
}

static MUST_USE int request_send(struct quotes *q, uint32_t cookie, uint64_t gpa)
{
	struct wire_quote_request request = { .cookie = le32_of(cookie) };
	int err = mon_memory_read(q->memory, gpa + sizeof(struct tdx_quote_buffer), request.report,
		sizeof request.report);

	return err < 0 ? err
		       : chan_send(&q->chan, QUOTE_MSG_REQUEST, &request, sizeof request, NULL, 0);
}

/* --- TDVMCALLs -------------------------------------------------------------------------------- */

static struct quote_wait *wait_free(struct quotes *q)
{
	for (unsigned int i = 0; i < LIMIT_QUOTE_PENDING; i++)
		if (!q->waits[i].is_used)
			return &q->waits[i];
	return NULL;
}

static uint64_t buffer_check(const struct quotes *q, uint64_t gpa, uint64_t size, uint32_t *ret_in)
{
	struct tdx_quote_buffer head;

	if (size == 0)
		return ABI_TDVMCALL_INVALID_OPERAND;
	if (!num_is_aligned(gpa | size, PAGE_BYTES))
		return ABI_TDVMCALL_ALIGN_ERROR;
	if (size > LIMIT_QUOTE_BUFFER_BYTES || !guest_is_shared(q->guest, gpa, size) ||
		!mon_memory_has(q->memory, gpa, size) ||
		mon_memory_read(q->memory, gpa, &head, sizeof head) < 0)
		return ABI_TDVMCALL_INVALID_OPERAND;
	*ret_in = le32_get(head.in_len);
	return le64_get(head.version) == TDX_QUOTE_BUFFER_VERSION && *ret_in <= size - sizeof head
		       ? ABI_TDVMCALL_SUCCESS
		       : ABI_TDVMCALL_INVALID_OPERAND;
}

static uint64_t quote_start(struct quotes *q, uint64_t gpa, uint64_t size)
{
	uint32_t in_len = 0;
	uint64_t ret = buffer_check(q, gpa, size, &in_len);
	struct quote_wait *w = wait_free(q);

	if (ret != ABI_TDVMCALL_SUCCESS)
		return ret;
	if (q->chan.fd < 0) {
		(void)status_write(q, gpa, TDX_QUOTE_UNAVAILABLE);
		return ret;
	}
	if (w == NULL)
		return ABI_TDVMCALL_RETRY;
	if (in_len != QUOTE_REPORT_BYTES) { /* a guest that speaks to the service itself */
		(void)status_write(q, gpa, TDX_QUOTE_ERROR);
		return ret;
	}
	*w = (struct quote_wait){ true, ++q->cookie, gpa, size, now_ms() + WAIT_MS };
	(void)status_write(q, gpa, TDX_QUOTE_IN_FLIGHT);
	int err = request_send(q, w->cookie, gpa);
	if (err < 0)
		wait_end(q, w, TDX_QUOTE_ERROR);
	if (err == -EPIPE)
		service_drop(q, "is gone");
	timer_arm(q);
	return ret;
}

void mon_quote_serve(struct quotes *q, uint32_t apic_id, struct abi_exit_tdx *e)
{
	const struct guest_td_info *info = guest_td_info(q->guest);

	switch (e->nr) {
	case ABI_TDVMCALL_GET_TD_VM_CALL_INFO:
		e->ret = ABI_TDVMCALL_SUCCESS;
		e->info.r11 = info->kernel_r11 | (info->user_r11 & ABI_TDX_R11_SETUP_EVENT_NOTIFY);
		e->info.r12 = info->kernel_r12;
		e->info.r13 = e->info.r14 = 0;
		break;
	case ABI_TDVMCALL_GET_QUOTE:
		e->ret = quote_start(q, e->quote.gpa, e->quote.size);
		break;
	case ABI_TDVMCALL_SETUP_EVENT_NOTIFY:
		if (e->notify.vector < VECTOR_MIN || e->notify.vector > 255) {
			e->ret = ABI_TDVMCALL_INVALID_OPERAND;
			break;
		}
		q->vector = (uint32_t)e->notify.vector;
		q->apic_id = apic_id;
		e->ret = ABI_TDVMCALL_SUCCESS;
		break;
	default:
		e->ret = ABI_TDVMCALL_SUBFUNC_UNSUPPORTED;
		break;
	}
}

/* --- open, close ------------------------------------------------------------------------------ */

int mon_quote_open(struct quotes *q, int fd, struct loop *loop, struct guest *guest,
	const struct mon_memory *memory,
	void (*signal)(void *owner, uint64_t address, uint32_t data), void *owner, struct why *why)
{
	AUTO(fd) int sock = fd;
	struct stat st;

	*q = (struct quotes){
		.chan = { .fd = -1 },
		.src = { -1, chan_fire },
		.timer = { -1, timer_fire },
		.loop = loop,
		.guest = guest,
		.memory = memory,
		.signal = signal,
		.owner = owner,
	};
	if (sock < 0 || fstat(sock, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	/* Its other end may not read: what does not fit is refused, the loop must not wait (STOP). */
	if (fcntl(sock, F_SETFL, O_NONBLOCK) < 0)
		return why_set(why, -errno, "cannot reach casemate-quote");
	int err = chan_open(&q->chan, fd_take(&sock));
	q->src.fd = q->chan.fd;
	if (err == 0)
		err = loop_timer_open(&q->timer.fd);
	if (err == 0)
		err = loop_add(loop, &q->src, EPOLLIN | EPOLLRDHUP);
	if (err == 0)
		err = loop_add(loop, &q->timer, EPOLLIN);
	return err < 0 ? why_set(why, err, "cannot reach casemate-quote: %s", strerrordesc_np(-err))
		       : 0;
}

void mon_quote_close(struct quotes *q)
{
	if (q->loop == NULL)
		return;
	if (q->chan.fd >= 0)
		loop_del(q->loop, &q->src);
	if (q->timer.fd >= 0)
		loop_del(q->loop, &q->timer);
	fd_drop(&q->timer.fd);
	chan_close(&q->chan);
	q->loop = NULL;
}
