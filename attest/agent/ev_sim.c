#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "attest/agent/ev.h"
#include "base/fd.h"
#include "base/le.h"
#include "base/num.h"
#include "sev/abi_tdx.h"
#include "sev/sim/sim_guest_port.h"

#define STATE_POLLS 1000u /* EXECUTE is answered before the OUT returns; this is for "never" */

_Static_assert(SIM_REPORT_BYTES == EV_REPORT_BYTES, "one report");
_Static_assert(SIM_TABLE_BYTES_MAX <= EV_TABLE_BYTES, "the table fits");

/* insb() and outsb() of <sys/io.h> do not tell the compiler that they touch memory. */
static void port_read(void *ret, size_t len)
{
	/* The pages must be there: KVM has read the port when storing faults, and reads on after it. */
	memset(ret, 0, len);
	__asm__ volatile("rep insb"
			 : "+D"(ret), "+c"(len)
			 : "d"((uint16_t)SIM_PORT_DATA)
			 : "memory");
}

static void port_write(const void *bytes, size_t len)
{
	__asm__ volatile("rep outsb"
			 : "+S"(bytes), "+c"(len)
			 : "d"((uint16_t)SIM_PORT_DATA)
			 : "memory");
}

static uint32_t port_read_le32(void)
{
	le32 v;

	port_read(&v, sizeof v);
	return le32_get(v);
}

static MUST_USE int sim_find(struct ev *ev, struct why *why)
{
	if (ioperm(SIM_PORT_DATA, 2, 1) < 0)
		return why_set(why, -errno, "ioperm: %s", strerrordesc_np(errno));
	uint8_t state = inb(SIM_PORT_CONTROL);
	if (state < SIM_STATE_IDLE || state > SIM_STATE_READY)
		return why_set(why, -ENODEV, "no secure processor at port 0x%x (it reads 0x%02x)",
			SIM_PORT_CONTROL, state);
	outb(SIM_CMD_BEGIN, SIM_PORT_CONTROL);
	outb(SIM_CMD_TD_QUERY, SIM_PORT_CONTROL);
	ev->kind = inb(SIM_PORT_CONTROL) == SIM_STATE_READY ? EV_TDX : EV_SNP;
	return 0;
}

static MUST_USE int execute(const uint8_t *request, struct why *why)
{
	unsigned int polls = 0;

	outb(SIM_CMD_BEGIN, SIM_PORT_CONTROL);
	port_write(request, SIM_REQUEST_BYTES);
	outb(SIM_CMD_EXECUTE, SIM_PORT_CONTROL);
	while (inb(SIM_PORT_CONTROL) != SIM_STATE_READY)
		if (++polls == STATE_POLLS)
			return why_set(why, -EREMOTEIO, "no answer");
	return 0;
}

static MUST_USE int snp_get(const uint8_t *report_data, struct ev_evidence *ret, struct why *why)
{
	/* MSG_REPORT_REQ: report data, VMPL 0, key selection 0 (attestation.md 1.6). */
	uint8_t request[SIM_REQUEST_BYTES] = { 0 };

	memcpy(request, report_data, EV_REPORT_DATA_BYTES);
	int err = execute(request, why);
	if (err < 0)
		return err;
	uint32_t status = port_read_le32();
	uint32_t len = port_read_le32();
	if (status != 0 || len != EV_REPORT_BYTES)
		return why_set(why, -EREMOTEIO, "firmware status 0x%x, %u bytes", status, len);
	port_read(ret->bytes, EV_REPORT_BYTES);
	ret->len = EV_REPORT_BYTES;
	len = port_read_le32();
	if (len > EV_TABLE_BYTES)
		return why_set(why, -EBADMSG, "certificate table of %u bytes", len);
	port_read(ret->table, len);
	ret->table_len = len;
	return 0;
}

/* --- TDX -------------------------------------------------------------------------------------- */

#define REGION_BYTES    (2u << 20) /* a huge page, if the kernel has one */
#define BUFFER_BYTES    16384u     /* as Linux's tdx_guest driver takes */
#define PAGES           (BUFFER_BYTES / PAGE_BYTES)
#define PAGEMAP         "proc/self/pagemap"
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FRAME   ((1ull << 55) - 1)
#define QUOTE_WAIT_MS   35000u /* the monitor gives up after 30 s */
#define QUOTE_POLL_MS   10

_Static_assert(BUFFER_BYTES <= EV_BYTES_MAX, "a quote fits");

/*
 * Memory whose guest-physical address is known and stays: pages that lie one behind another, found
 * by /proc/self/pagemap, and held by a pipe so that the kernel cannot move them (an elevated
 * reference count, as O_DIRECT has it) before the host has written the quote.
 */
struct buffer {
	uint8_t *region; /* REGION_BYTES, aligned to them */
	void *mapping;
	int pipe[2];
	uint8_t *at; /* BUFFER_BYTES of the region */
	uint64_t gpa;
};

static void buffer_auto(struct buffer *b)
{
	fd_auto(&b->pipe[0]);
	fd_auto(&b->pipe[1]);
	if (b->mapping != MAP_FAILED)
		(void)munmap(b->mapping, 2 * (size_t)REGION_BYTES);
}

/* 0: the pages of b->at lie one behind another, from b->gpa on; -ENOENT: they do not. */
static MUST_USE int frames_check(struct buffer *b, int pagemap)
{
	uint64_t entry[PAGES];
	int err = fd_pread_all(
		pagemap, entry, sizeof entry, (uintptr_t)b->at / PAGE_BYTES * sizeof entry[0]);

	if (err < 0)
		return err;
	for (size_t i = 0; i < PAGES; i++)
		if ((entry[i] & PAGEMAP_PRESENT) == 0 || (entry[i] & PAGEMAP_FRAME) == 0 ||
			(entry[i] & PAGEMAP_FRAME) != (entry[0] & PAGEMAP_FRAME) + i)
			return -ENOENT;
	b->gpa = (entry[0] & PAGEMAP_FRAME) * PAGE_BYTES;
	return 0;
}

static MUST_USE int region_make(struct buffer *b)
{
	b->mapping = mmap(NULL, 2 * (size_t)REGION_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->mapping == MAP_FAILED || pipe2(b->pipe, O_CLOEXEC) < 0)
		return -errno;
	b->region = (uint8_t *)b->mapping + (-(uintptr_t)b->mapping & (REGION_BYTES - 1));
	(void)madvise(b->region, REGION_BYTES, MADV_HUGEPAGE); /* else neighbours are looked for */
	memset(b->region, 1, REGION_BYTES);
	return 0;
}

static MUST_USE int buffer_find(const struct ev *ev, struct buffer *b, struct why *why)
{
	AUTO(fd) int pagemap = openat(ev->root, PAGEMAP, O_RDONLY | O_CLOEXEC);
	int err = pagemap < 0 ? -errno : region_make(b);

	b->at = b->region;
	if (err == 0)
		err = frames_check(b, pagemap);
	while (err == -ENOENT && b->at + PAGE_BYTES + BUFFER_BYTES <= b->region + REGION_BYTES) {
		b->at += PAGE_BYTES;
		err = frames_check(b, pagemap);
	}
	if (err == 0) { /* hold them, then look again: they may have moved in between */
		struct iovec v = { b->at, BUFFER_BYTES };
		err = vmsplice(b->pipe[1], &v, 1, 0) == (ssize_t)BUFFER_BYTES ? 0 : -EIO;
	}
	if (err == 0)
		err = frames_check(b, pagemap);
	return err == 0 ? 0
			: why_set(why, err, "no memory with a known address (/%s, as root): %s",
				  PAGEMAP, strerrordesc_np(-err));
}

/* One command of a TD: bytes before it, its answer's status; the length of what follows is left. */
static MUST_USE int td_call(uint8_t command, const void *bytes, size_t len, uint64_t *ret_status,
	uint32_t *ret_len, struct why *why)
{
	le64 status;

	outb(SIM_CMD_BEGIN, SIM_PORT_CONTROL);
	port_write(bytes, len);
	outb(command, SIM_PORT_CONTROL);
	if (inb(SIM_PORT_CONTROL) != SIM_STATE_READY)
		return why_set(why, -EREMOTEIO, "no answer to command 0x%x", command);
	port_read(&status, sizeof status);
	*ret_status = le64_get(status);
	*ret_len = port_read_le32();
	return 0;
}

static MUST_USE int buffer_convert(const struct buffer *b, bool is_to_private, struct why *why)
{
	const le64 args[] = { le64_of(b->gpa), le64_of(BUFFER_BYTES), le64_of(is_to_private) };
	uint64_t status = 0;
	uint32_t len = 0;
	int err = td_call(SIM_CMD_TD_MAP, args, sizeof args, &status, &len, why);

	if (err == 0 && status != ABI_TDVMCALL_SUCCESS)
		err = why_set(why, -EREMOTEIO, "MapGPA: 0x%llx", (unsigned long long)status);
	return err;
}

static MUST_USE int report_get(const uint8_t *report_data, struct tdx_report *ret, struct why *why)
{
	uint64_t status = 0;
	uint32_t len = 0;
	int err = td_call(SIM_CMD_TD_REPORT, report_data, EV_REPORT_DATA_BYTES, &status, &len, why);

	if (err == 0 && (status != 0 || len != sizeof *ret))
		err = why_set(why, -EREMOTEIO, "TDG.MR.REPORT: 0x%llx, %u bytes",
			(unsigned long long)status, len);
	if (err == 0)
		port_read(ret, sizeof *ret);
	return err;
}

/* The status word as it is now: the host writes it. */
static uint64_t buffer_status(const struct buffer *b)
{
	const struct tdx_quote_buffer *head = (const void *)b->at;
	le64 status;

	memcpy(&status, &head->status, sizeof status);
	__asm__ volatile("" : : : "memory");
	return le64_get(status);
}

/* GetQuote, and wait as Linux does: by looking. The buffer is the host's too: copied, then judged. */
static MUST_USE int quote_wait(const struct buffer *b, struct ev_evidence *ret, struct why *why)
{
	const le64 args[] = { le64_of(b->gpa), le64_of(BUFFER_BYTES) };
	struct tdx_quote_buffer head;
	uint64_t status = 0;
	uint32_t len = 0;
	int err = td_call(SIM_CMD_TD_QUOTE, args, sizeof args, &status, &len, why);

	if (err == 0 && status != ABI_TDVMCALL_SUCCESS)
		err = why_set(why, -EREMOTEIO, "GetQuote: 0x%llx", (unsigned long long)status);
	if (err < 0)
		return err;
	for (unsigned int ms = 0; buffer_status(b) == TDX_QUOTE_IN_FLIGHT; ms += QUOTE_POLL_MS) {
		const struct timespec t = { .tv_nsec = QUOTE_POLL_MS * 1000000L };
		if (ms >= QUOTE_WAIT_MS)
			return why_set(why, -ETIMEDOUT, "GetQuote: no answer");
		(void)nanosleep(&t, NULL);
	}
	memcpy(&head, b->at, sizeof head);
	len = le32_get(head.out_len);
	if (le64_get(head.status) != TDX_QUOTE_DONE || len == 0 || len > BUFFER_BYTES - sizeof head)
		return why_set(why, -EREMOTEIO, "GetQuote: status 0x%llx, %u bytes",
			(unsigned long long)le64_get(head.status), len);
	memcpy(ret->bytes, b->at + sizeof head, len);
	ret->len = len;
	return 0;
}

static MUST_USE int tdx_get(
	const struct ev *ev, const uint8_t *report_data, struct ev_evidence *ret, struct why *why)
{
	AUTO(buffer) struct buffer b = { .mapping = MAP_FAILED, .pipe = { -1, -1 } };
	const struct tdx_quote_buffer head = {
		.version = le64_of(TDX_QUOTE_BUFFER_VERSION),
		.in_len = le32_of(sizeof(struct tdx_report)),
	};
	struct tdx_report report;
	int err = report_get(report_data, &report, why);

	if (err == 0)
		err = buffer_find(ev, &b, why);
	if (err == 0)
		err = buffer_convert(&b, false, why); /* and its contents are gone */
	if (err < 0)
		return err;
	memset(b.at, 0, BUFFER_BYTES);
	memcpy(b.at, &head, sizeof head);
	memcpy(b.at + sizeof head, &report, sizeof report);
	err = quote_wait(&b, ret, why);
	if (err == -ETIMEDOUT) { /* the host may still write: never give these pages back */
		b.mapping = MAP_FAILED;
		b.pipe[0] = b.pipe[1] = -1;
		return err;
	}
	int back = buffer_convert(&b, true, why);
	return err < 0 ? err : back;
}

static MUST_USE int sim_get(
	const struct ev *ev, const uint8_t *report_data, struct ev_evidence *ret, struct why *why)
{
	return ev->kind == EV_TDX ? tdx_get(ev, report_data, ret, why)
				  : snp_get(report_data, ret, why);
}

const struct ev_source ev_last = { "simulated", sim_find, sim_get };
