/*
 * Exits of a vCPU: what a guest says when it ends itself, TDVMCALLs and quotes, the certificate table,
 * and the I/O APIC of TDs. The guest object is a plain one over a KVM that is made up here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/wr.h"
#include "sev/abi_kvm.h"
#include "sev/abi_tdx.h"
#include "sev/back.h"
#include "tests/unit/cm.h"
#include "vmm/monitor/mon_exit.h"
#include "vmm/monitor/mon_ioapic.h"
#include "vmm/quote/quote_proto.h"

#define RAM_BYTES (1ull << 20)
#define BUFFER    0x10000u
#define APIC_ID   3u

/* --- a machine around the exits ------------------------------------------------------------------ */

struct bench {
	char crash[400];
	unsigned int n_msi;
	uint64_t msi_address;
	uint32_t msi_data;
	struct bus bus;
	struct loop loop;
	struct guest guest;
	struct mon_memory memory;
	struct certs certs;
	struct quotes quotes;
	struct vcpu vcpu;
	struct kvm_run run;
	int peer; /* the other end of the channel for quotes, -1: none */
};

static void crashed(void *owner, const char *text)
{
	struct bench *b = owner;

	(void)snprintf(b->crash, sizeof b->crash, "%s", text);
}

static void signalled(void *owner, uint64_t address, uint32_t data)
{
	struct bench *b = owner;

	b->n_msi++;
	b->msi_address = address;
	b->msi_data = data;
}

static unsigned int n_converted; /* pieces, each within a memory slot */

static MUST_USE int convert_note(
	struct guest *g, struct ram_region *r, uint64_t gpa, uint64_t len, bool is_to_private)
{
	assert_true(gpa >= r->gpa && num_fits(gpa - r->gpa, len, r->size));
	bits_set(&r->is_private, (gpa - r->gpa) / PAGE_BYTES, len / PAGE_BYTES, is_to_private);
	n_converted++;
	return 0;
}

static const struct back back_test = {
	.flow = LAUNCH_FLOW_PAGES, .grain = PAGE_BYTES, .convert = convert_note
};

static struct bench *bench_open(bool has_quotes)
{
	struct bench *b = calloc(1, sizeof *b);
	struct ram_region *r = NULL;
	int fds[2] = { -1, -1 };

	assert_non_null(b);
	assert_int_equal(loop_open(&b->loop), 0);
	b->memory.map =
		mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(b->memory.map != MAP_FAILED);
	b->memory.size = RAM_BYTES;
	b->memory.n = 1;
	b->memory.ranges[0] = (struct mem_range){ 0, RAM_BYTES, 0 };
	b->guest = (struct guest){ .kind = GUEST_TDX, .back = &back_test, .vm_fd = -1 };
	(void)pthread_mutex_init(&b->guest.convert_lock, NULL);
	assert_int_equal(ram_add(&b->guest.ram, 0, 0, RAM_BYTES, b->memory.map, &r), 0);
	b->guest.td_info = (struct guest_td_info){ .kernel_r11 = 0x10, .user_r11 = 0x3 };
	if (has_quotes)
		assert_int_equal(chan_pair(fds), 0);
	b->peer = fds[1];
	assert_int_equal(mon_quote_open(&b->quotes, fds[0], &b->loop, &b->guest, &b->memory,
				 signalled, b, NULL),
		0);
	mon_certs_init(&b->certs, -1);
	b->vcpu.id = APIC_ID;
	b->vcpu.run = &b->run;
	return b;
}

static void bench_close(struct bench *b)
{
	mon_quote_close(&b->quotes);
	mon_certs_done(&b->certs);
	ram_done(&b->guest.ram);
	(void)pthread_mutex_destroy(&b->guest.convert_lock);
	(void)munmap(b->memory.map, RAM_BYTES);
	loop_close(&b->loop);
	fd_drop(&b->peer);
	free(b);
}

static void serve(struct bench *b)
{
	const struct exit_ops ops = { &b->bus, &b->guest, &b->memory, &b->certs, &b->quotes,
		crashed, b };

	b->crash[0] = 0;
	mon_exit_serve(&ops, &b->vcpu);
}

static void is_private_set(struct bench *b, uint64_t gpa, bool is_private)
{
	bits_set(&b->guest.ram.region[0].is_private, gpa / PAGE_BYTES, 1, is_private);
}

/* --- guests that end themselves ------------------------------------------------------------------- */

static void sev_terminations_are_put_into_words(void **state)
{
	static const struct {
		uint64_t msr;
		const char *words;
	} said[] = {
		{ 0x100, "a general error (reason set 0, code 0)" },
		{ 0x020100, "an SEV feature that the host does not offer" },
		{ 0x021100, "could not be validated" },
		{ 0x0c1100, "Secure AVIC" },
		{ 0x0d1100, "a reason unknown here (reason set 1, code 13)" },
		{ 0xfff100, "a reason unknown here (reason set 15, code 255)" },
		{ 0x12345000, "the kernel's log" },
	};
	struct bench *b = bench_open(false);

	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		b->run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
		b->run.system_event.type = ABI_SYSTEM_EVENT_SEV_TERM;
		b->run.system_event.data[0] = said[i].msr;
		serve(b);
		assert_non_null(strstr(b->crash, said[i].words));
	}
	bench_close(b);
}

/* Whatever is in the register: its numbers are told, and nothing behind the tables is read. */
static void every_sev_termination_is_told(void **state)
{
	struct bench *b = bench_open(false);
	char numbers[40];

	b->run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
	b->run.system_event.type = ABI_SYSTEM_EVENT_SEV_TERM;
	for (uint64_t v = 0; v < 1u << 12; v++) { /* set and code; noise above */
		b->run.system_event.data[0] = ~0ull << 24 | v << 12 | 0x100;
		serve(b);
		(void)snprintf(numbers, sizeof numbers, "(reason set %u, code %u)",
			(unsigned int)v & 15, (unsigned int)v >> 4);
		assert_non_null(strstr(b->crash, numbers));
	}
	bench_close(b);
}

/* No byte of a guest's message reaches a terminal as anything but text. */
static void every_byte_of_a_fatal_error_is_text(void **state)
{
	struct bench *b = bench_open(false);

	b->run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
	b->run.system_event.type = ABI_SYSTEM_EVENT_TDX_FATAL;
	b->run.system_event.ndata = ABI_TDX_FATAL_NDATA;
	for (unsigned int v = 1; v < 256; v++) {
		memset((void *)b->run.system_event.data, (int)v, ABI_TDX_FATAL_NDATA * 8);
		b->run.system_event.data[1] = UINT64_MAX; /* RCX: all of them are there */
		serve(b);
		for (const char *c = b->crash; *c != 0; c++)
			assert_true(*c >= ' ' && *c <= '~');
		assert_non_null(strstr(b->crash, "fatal error"));
	}
	bench_close(b);
}

static void fatal_errors_of_a_td_are_readable(void **state)
{
	struct bench *b = bench_open(false);
	uint64_t *r = (uint64_t *)b->run.system_event.data;

	b->run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
	b->run.system_event.type = ABI_SYSTEM_EVENT_TDX_FATAL;
	b->run.system_event.ndata = ABI_TDX_FATAL_NDATA;
	memset(r, 0, 16 * 8);
	r[1] = 1ull << 14 | 1ull << 15 | 1ull << 3; /* R14, R15, RBX */
	r[12] = 1ull << 63 | 2;
	r[13] = 0x7000;
	memcpy(&r[14], "TD mis", 6);
	memcpy((char *)&r[14] + 6, "\x1b[", 2);
	memcpy(&r[15], "configur", 8);
	memcpy(&r[3], "ed\0junk", 8);
	memcpy(&r[2], "not here", 8);
	serve(b);
	assert_string_equal(b->crash, "the guest reported a fatal error, code 0x2 at 0x7000: "
				      "\"TD mis.[configured\"");
	b->run.system_event.ndata = 0xffffffff; /* the array has sixteen */
	r[1] = UINT64_MAX;
	for (unsigned int i = 2; i < 16; i++)
		r[i] = 0x4141414141414141;
	serve(b);
	assert_non_null(strstr(b->crash, "AAAAAAAA"));
	bench_close(b);
}

static void unknown_exits_end_the_guest(void **state)
{
	struct bench *b = bench_open(false);

	b->run.exit_reason = 99;
	serve(b);
	assert_non_null(strstr(b->crash, "exit 99"));
	b->run.exit_reason = KVM_EXIT_AP_RESET_HOLD;
	serve(b);
	assert_string_equal(b->crash, "");
	bench_close(b);
}

/* --- pages that change hands ---------------------------------------------------------------------- */

#define HOLE (2 * RAM_BYTES) /* behind the second slot: one page, then the third */

/* Three slots; the second follows the first at once. */
static struct bench *bench_open_slots(enum guest_kind kind)
{
	struct bench *b = bench_open(false);
	struct ram_region *r = NULL;

	b->guest.kind = kind;
	b->guest.state = LAUNCH_RUNNING;
	assert_int_equal(ram_add(&b->guest.ram, 1, RAM_BYTES, RAM_BYTES, b->memory.map, &r), 0);
	assert_int_equal(
		ram_add(&b->guest.ram, 2, HOLE + PAGE_BYTES, RAM_BYTES, b->memory.map, &r), 0);
	n_converted = 0;
	return b;
}

static void conversions_are_judged(void **state)
{
	static const struct {
		uint64_t nr, gpa, pages, attributes, ret;
		unsigned int n; /* pieces converted */
	} rows[] = {
		{ ABI_HC_MAP_GPA_RANGE, 0, 1, ABI_MAP_GPA_ENCRYPTED, 0, 1 },
		{ ABI_HC_MAP_GPA_RANGE, 0, 1, ~ABI_MAP_GPA_ENCRYPTED, 0,
			1 }, /* shared, huge pages */
		{ ABI_HC_MAP_GPA_RANGE, RAM_BYTES - PAGE_BYTES, 2, UINT64_MAX, 0, 2 },
		{ ABI_HC_MAP_GPA_RANGE, 0, HOLE / PAGE_BYTES, ABI_MAP_GPA_ENCRYPTED, 0, 2 },
		{ ABI_HC_MAP_GPA_RANGE, 0, HOLE / PAGE_BYTES + 1, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, 0, HOLE / PAGE_BYTES + 2, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, HOLE - PAGE_BYTES, 3, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, HOLE, 1, ABI_MAP_GPA_ENCRYPTED, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, IOAPIC_GPA, 1, ABI_MAP_GPA_ENCRYPTED, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, 0, 0, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, 8, 1, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, PAGE_BYTES, UINT64_MAX / PAGE_BYTES, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, PAGE_BYTES, UINT64_MAX / PAGE_BYTES + 2, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, PAGE_BYTES, UINT64_MAX, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, UINT64_MAX - PAGE_BYTES + 1, 1, 0, EINVAL, 0 },
		{ ABI_HC_MAP_GPA_RANGE, UINT64_MAX - PAGE_BYTES + 1, 2, 0, EINVAL, 0 },
		{ 0, 0, 1, 0, EINVAL, 0 },
		{ UINT64_MAX, 0, 1, 0, EINVAL, 0 },
	};
	struct bench *b = bench_open_slots(GUEST_SNP);

	b->run.exit_reason = KVM_EXIT_HYPERCALL;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		n_converted = 0;
		b->run.hypercall.nr = rows[i].nr;
		b->run.hypercall.args[0] = rows[i].gpa;
		b->run.hypercall.args[1] = rows[i].pages;
		b->run.hypercall.args[2] = rows[i].attributes;
		b->run.hypercall.ret = 0x5555;
		serve(b);
		assert_string_equal(b->crash, "");
		assert_int_equal(b->run.hypercall.ret, rows[i].ret);
		assert_int_equal(n_converted, rows[i].n);
	}
	bench_close(b);
}

/* A TD may say of registers, which have no page to convert, that they are shared; nothing else. */
static void registers_of_a_td_are_shared(void **state)
{
	struct bench *b = bench_open_slots(GUEST_TDX);

	b->run.exit_reason = KVM_EXIT_HYPERCALL;
	b->run.hypercall.nr = ABI_HC_MAP_GPA_RANGE;
	b->run.hypercall.args[0] = IOAPIC_GPA;
	b->run.hypercall.args[1] = 1;
	serve(b);
	assert_int_equal(b->run.hypercall.ret, 0);
	b->run.hypercall.args[2] = ABI_MAP_GPA_ENCRYPTED;
	serve(b);
	assert_int_equal(b->run.hypercall.ret, EINVAL);
	b->run.hypercall.args[0] = HOLE - PAGE_BYTES; /* and no range that is both */
	b->run.hypercall.args[1] = 2;
	b->run.hypercall.args[2] = 0;
	serve(b);
	assert_int_equal(b->run.hypercall.ret, EINVAL);
	assert_int_equal(n_converted, 0);
	bench_close(b);
}

static void memory_faults_are_judged(void **state)
{
	static const struct {
		uint64_t flags, gpa, size;
		const char *crash; /* NULL: granted */
	} rows[] = {
		{ ABI_MEMORY_FAULT_PRIVATE, 0x3000, PAGE_BYTES, NULL },
		{ 0, 0x3000, PAGE_BYTES, NULL },
		{ ABI_MEMORY_FAULT_PRIVATE, RAM_BYTES - PAGE_BYTES, 2 * PAGE_BYTES, NULL },
		{ 1, 0x3000, PAGE_BYTES, "0x3000 as shared memory, which it cannot be (EINVAL)" },
		{ UINT64_MAX, 0x3000, PAGE_BYTES, "0x3000 as private" },
		{ 0, 0x3008, PAGE_BYTES, "(EINVAL)" },
		{ 0, 0x3000, 0, "(EINVAL)" },
		{ 0, 0x3000, 8, "(EINVAL)" },
		{ 0, HOLE, PAGE_BYTES, "(EFAULT)" },
		{ ABI_MEMORY_FAULT_PRIVATE, IOAPIC_GPA, PAGE_BYTES, "0xfec00000 as private" },
		{ 0, PAGE_BYTES, UINT64_MAX - PAGE_BYTES + 1, "(EFAULT)" },
		{ 0, UINT64_MAX - PAGE_BYTES + 1, PAGE_BYTES, "0xfffffffffffff000 as shared" },
		{ 0, UINT64_MAX - PAGE_BYTES + 1, 2 * PAGE_BYTES, "(EFAULT)" },
	};
	struct bench *b = bench_open_slots(GUEST_SNP);

	b->run.exit_reason = ABI_EXIT_MEMORY_FAULT;
	b->vcpu.run_err = -EFAULT;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct abi_memory_fault f = { rows[i].flags, rows[i].gpa, rows[i].size };
		n_converted = 0;
		memcpy((uint8_t *)&b->run + ABI_RUN_UNION_AT, &f, sizeof f);
		serve(b);
		assert_int_equal(n_converted > 0, rows[i].crash == NULL);
		if (rows[i].crash == NULL)
			assert_string_equal(b->crash, "");
		else
			assert_non_null(strstr(b->crash, rows[i].crash));
	}
	b->vcpu.run_err = 0; /* without its errno it is an exit that nobody expects */
	serve(b);
	assert_non_null(strstr(b->crash, "is not expected"));
	bench_close(b);
}

/* --- TDVMCALLs ------------------------------------------------------------------------------------ */

static struct abi_exit_tdx tdvmcall(struct bench *b, struct abi_exit_tdx e)
{
	b->run.exit_reason = ABI_EXIT_TDX;
	memcpy((uint8_t *)&b->run + ABI_RUN_UNION_AT, &e, sizeof e);
	serve(b);
	assert_string_equal(b->crash, "");
	memcpy(&e, (uint8_t *)&b->run + ABI_RUN_UNION_AT, sizeof e);
	return e;
}

static void tdvmcalls_that_we_do_not_have_say_so(void **state)
{
	struct bench *b = bench_open(false);
	struct abi_exit_tdx e = tdvmcall(b, (struct abi_exit_tdx){ .nr = 0x12345 });

	assert_true(e.ret == ABI_TDVMCALL_SUBFUNC_UNSUPPORTED);
	e = tdvmcall(b, (struct abi_exit_tdx){ .nr = ABI_TDVMCALL_GET_TD_VM_CALL_INFO,
				.info = { 1, 9, 9, 9, 9 } });
	assert_true(e.ret == ABI_TDVMCALL_SUCCESS);
	assert_int_equal(e.info.r11, 0x12); /* KVM's and, of what we may offer, the interrupt */
	assert_int_equal(e.info.r12 | e.info.r13 | e.info.r14, 0);
	e = tdvmcall(b,
		(struct abi_exit_tdx){ .nr = ABI_TDVMCALL_SETUP_EVENT_NOTIFY, .notify = { 31 } });
	assert_true(e.ret == ABI_TDVMCALL_INVALID_OPERAND);
	bench_close(b);
}

static void buffer_make(struct bench *b, uint64_t version, uint32_t in_len)
{
	struct wr w = wr_of(b->memory.map + BUFFER, 24);

	wr_le64(&w, version);
	wr_le64(&w, 0x1234);
	wr_le32(&w, in_len);
	wr_le32(&w, 0);
	memset(b->memory.map + BUFFER + 24, 0xAB, QUOTE_REPORT_BYTES);
}

static uint64_t status_of(const struct bench *b)
{
	struct tdx_quote_buffer head;

	memcpy(&head, b->memory.map + BUFFER, sizeof head);
	return le64_get(head.status);
}

static uint64_t quote_ask(struct bench *b, uint64_t gpa, uint64_t size)
{
	return tdvmcall(
		b, (struct abi_exit_tdx){ .nr = ABI_TDVMCALL_GET_QUOTE, .quote = { gpa, size } })
		.ret;
}

static void buffers_for_quotes_are_checked(void **state)
{
	struct bench *b = bench_open(true);

	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	assert_true(quote_ask(b, BUFFER, 0) == ABI_TDVMCALL_INVALID_OPERAND);
	assert_true(quote_ask(b, BUFFER + 8, 0x4000) == ABI_TDVMCALL_ALIGN_ERROR);
	assert_true(quote_ask(b, BUFFER, 0x4001) == ABI_TDVMCALL_ALIGN_ERROR);
	assert_true(quote_ask(b, BUFFER, 0x21000) == ABI_TDVMCALL_INVALID_OPERAND);
	assert_true(quote_ask(b, RAM_BYTES - 0x1000, 0x2000) == ABI_TDVMCALL_INVALID_OPERAND);
	assert_true(quote_ask(b, RAM_BYTES, 0x1000) == ABI_TDVMCALL_INVALID_OPERAND);
	assert_true(quote_ask(b, UINT64_MAX - 0xfff, 0x1000) == ABI_TDVMCALL_INVALID_OPERAND);
	is_private_set(b, BUFFER + 0x3000, true);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_INVALID_OPERAND);
	is_private_set(b, BUFFER + 0x3000, false);
	buffer_make(b, 2, QUOTE_REPORT_BYTES);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_INVALID_OPERAND);
	buffer_make(b, 1, 0x4000 - 23);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_INVALID_OPERAND);
	assert_int_equal(status_of(b), 0x1234);
	buffer_make(b, 1, 100); /* a guest with a message of its own for the service */
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	assert_true(status_of(b) == TDX_QUOTE_ERROR);
	bench_close(b);
}

static uint32_t request_take(struct bench *b)
{
	struct {
		struct chan_hdr hdr;
		struct wire_quote_request r;
	} m;
	uint8_t report[QUOTE_REPORT_BYTES];

	memset(report, 0xAB, sizeof report);
	assert_int_equal(read(b->peer, &m, sizeof m), sizeof m);
	assert_int_equal(le16_get(m.hdr.type), QUOTE_MSG_REQUEST);
	assert_memory_equal(m.r.report, report, sizeof report);
	return le32_get(m.r.cookie);
}

static void answer(struct bench *b, uint32_t cookie, uint32_t err, uint32_t len)
{
	static uint8_t buf[sizeof(struct chan_hdr) + 8 + LIMIT_QUOTE_BYTES + 1];
	struct wr w = wr_of(buf, sizeof buf);

	wr_le16(&w, QUOTE_MSG_ANSWER);
	wr_le16(&w, 0);
	wr_le32(&w, 8 + len);
	wr_le32(&w, cookie);
	wr_le32(&w, err);
	memset(buf + w.len, 0xCD, len);
	assert_int_equal(write(b->peer, buf, w.len + len), w.len + len);
	assert_int_equal(loop_step(&b->loop, 1000), 0);
}

static void a_quote_comes_back_into_the_buffer(void **state)
{
	struct bench *b = bench_open(true);
	uint8_t quote[5000];

	memset(quote, 0xCD, sizeof quote);
	assert_true(tdvmcall(b, (struct abi_exit_tdx){ .nr = ABI_TDVMCALL_SETUP_EVENT_NOTIFY,
					.notify = { 0x77 } })
			    .ret == ABI_TDVMCALL_SUCCESS);
	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	assert_true(status_of(b) == TDX_QUOTE_IN_FLIGHT);
	uint32_t cookie = request_take(b);
	answer(b, cookie + 1, 0, 10); /* nobody's */
	assert_true(status_of(b) == TDX_QUOTE_IN_FLIGHT);
	assert_int_equal(b->n_msi, 0);
	answer(b, cookie, 0, sizeof quote);
	assert_true(status_of(b) == TDX_QUOTE_DONE);
	assert_memory_equal(b->memory.map + BUFFER + 24, quote, sizeof quote);
	struct tdx_quote_buffer head;
	memcpy(&head, b->memory.map + BUFFER, sizeof head);
	assert_int_equal(le32_get(head.out_len), sizeof quote);
	assert_int_equal(b->n_msi, 1);
	assert_int_equal(b->msi_address, 0xfee00000 | APIC_ID << 12);
	assert_int_equal(b->msi_data, 0x77);
	bench_close(b);
}

static void quotes_that_fail_say_why(void **state)
{
	struct bench *b = bench_open(true);

	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	answer(b, request_take(b), ENOTCONN, 0);
	assert_true(status_of(b) == TDX_QUOTE_UNAVAILABLE);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	answer(b, request_take(b), EREMOTEIO, 0);
	assert_true(status_of(b) == TDX_QUOTE_ERROR);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	answer(b, request_take(b), 0, 0); /* success without a quote */
	assert_true(status_of(b) == TDX_QUOTE_ERROR);
	assert_true(quote_ask(b, BUFFER, 0x1000) == ABI_TDVMCALL_SUCCESS);
	answer(b, request_take(b), 0, 0x1000 - 23); /* one byte more than the buffer has */
	assert_true(status_of(b) == TDX_QUOTE_ERROR);
	bench_close(b);
}

static void a_buffer_made_private_meanwhile_is_left_alone(void **state)
{
	struct bench *b = bench_open(true);

	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	uint32_t cookie = request_take(b);
	is_private_set(b, BUFFER, true);
	memset(b->memory.map + BUFFER, 0xEE, 0x1000);
	answer(b, cookie, 0, 100);
	for (size_t i = 0; i < 0x1000; i++)
		assert_int_equal(b->memory.map[BUFFER + i], 0xEE);
	assert_int_equal(b->n_msi, 0);
	bench_close(b);
}

static void too_many_quotes_are_put_off(void **state)
{
	struct bench *b = bench_open(true);

	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	for (unsigned int i = 0; i < LIMIT_QUOTE_PENDING; i++)
		assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_RETRY);
	answer(b, request_take(b), EREMOTEIO, 0);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	/* The other process ends: everybody who waits is told. */
	fd_drop(&b->peer);
	assert_int_equal(loop_step(&b->loop, 1000), 0);
	assert_true(status_of(b) == TDX_QUOTE_UNAVAILABLE);
	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	assert_true(status_of(b) == TDX_QUOTE_UNAVAILABLE);
	bench_close(b);
}

/* Requests that timed out stay in its socket: a full one is no reason for the loop to stand still. */
static void casemate_quote_that_does_not_read_stops_nobody(void **state)
{
	struct bench *b = bench_open(true);
	unsigned int n_failed = 0;

	(void)alarm(20);
	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	for (unsigned int i = 0; i < 2000 && n_failed == 0; i++) {
		assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
		n_failed += status_of(b) == TDX_QUOTE_ERROR;
		memset(b->quotes.waits, 0, sizeof b->quotes.waits); /* their time is over */
	}
	(void)alarm(0);
	assert_int_equal(n_failed, 1);
	assert_true(b->quotes.chan.fd >= 0); /* it may read again */
	bench_close(b);
}

static void nonsense_from_casemate_quote_ends_the_relation(void **state)
{
	struct bench *b = bench_open(true);

	buffer_make(b, 1, QUOTE_REPORT_BYTES);
	assert_true(quote_ask(b, BUFFER, 0x4000) == ABI_TDVMCALL_SUCCESS);
	answer(b, request_take(b), 0, LIMIT_QUOTE_BYTES + 1);
	assert_true(status_of(b) == TDX_QUOTE_UNAVAILABLE);
	bench_close(b);
}

/* --- certificates --------------------------------------------------------------------------------- */

static size_t table_make(uint8_t *buf, size_t size, size_t cert_len)
{
	struct wr w = wr_of(buf, size);

	memset(buf, 0, size);
	for (uint8_t i = 1; i <= 16; i++)
		wr_u8(&w, i);
	wr_le32(&w, 48);
	wr_le32(&w, (uint32_t)cert_len);
	wr_zero(&w, 24);
	for (size_t i = 0; i < cert_len; i++)
		wr_u8(&w, 0x30);
	assert_int_equal(wr_check(&w), 0);
	return w.len;
}

static int table_file(size_t cert_len)
{
	static uint8_t buf[LIMIT_SNP_CERTS_BYTES];
	size_t len = table_make(buf, sizeof buf, cert_len);
	int fd = memfd_create("certs", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_pwrite_all(fd, buf, len, 0), 0);
	return fd;
}

static struct abi_req_certs certs_ask(struct bench *b, uint64_t gpa, uint64_t npages)
{
	struct abi_req_certs r = { gpa, npages, 0 };

	b->run.exit_reason = ABI_EXIT_SNP_REQ_CERTS;
	b->vcpu.run_err = 0;
	memcpy((uint8_t *)&b->run + ABI_RUN_UNION_AT, &r, sizeof r);
	serve(b);
	assert_string_equal(b->crash, "");
	memcpy(&r, (uint8_t *)&b->run + ABI_RUN_UNION_AT, sizeof r);
	return r;
}

static void the_table_is_locked_until_the_report_is_made(void **state)
{
	struct bench *b = bench_open(false);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[64];
	int fd = table_file(5000);

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int writer = open(path, O_RDWR | O_CLOEXEC); /* a description of its own */
	assert_true(writer >= 0);
	mon_certs_init(&b->certs, fd);
	struct abi_req_certs r = certs_ask(b, BUFFER, 1);
	assert_int_equal(r.ret, ENOSPC);
	assert_int_equal(r.npages, 2);
	assert_false(b->vcpu.is_completing);
	assert_int_equal(fcntl(writer, F_OFD_SETLK, &lock), 0);
	assert_int_equal(certs_ask(b, BUFFER, 2).ret, EAGAIN);
	lock.l_type = F_UNLCK;
	assert_int_equal(fcntl(writer, F_OFD_SETLK, &lock), 0);
	lock.l_type = F_WRLCK;
	assert_int_equal(certs_ask(b, BUFFER, 2).ret, 0);
	assert_int_equal(b->memory.map[BUFFER + 48], 0x30);
	assert_int_equal(b->memory.map[BUFFER + 48 + 5000], 0);
	assert_true(b->vcpu.is_completing && b->run.immediate_exit == 1);
	assert_int_equal(fcntl(writer, F_OFD_SETLK, &lock), -1);
	b->vcpu.run_err = -EINTR; /* the vCPU comes back: the report is made */
	serve(b);
	assert_false(b->vcpu.is_completing || b->run.immediate_exit != 0);
	assert_string_equal(b->crash, "");
	assert_int_equal(fcntl(writer, F_OFD_SETLK, &lock), 0);
	(void)close(writer);
	bench_close(b);
}

/* Two vCPUs that take turns would else keep the host's tool from its write lock for ever. */
static void a_second_request_waits_for_the_first(void **state)
{
	struct bench *b = bench_open(false);
	struct abi_req_certs first = { BUFFER, 16, 0 };
	struct abi_req_certs second = first;

	mon_certs_init(&b->certs, table_file(100));
	assert_true(mon_certs_serve(&b->certs, &b->guest, &b->memory, &first));
	assert_false(mon_certs_serve(&b->certs, &b->guest, &b->memory, &second));
	assert_int_equal(second.ret, EAGAIN);
	assert_true(b->certs.is_locked);
	mon_certs_unlock(&b->certs);
	assert_false(b->certs.is_locked);
	assert_true(mon_certs_serve(&b->certs, &b->guest, &b->memory, &second));
	assert_int_equal(second.ret, 0);
	mon_certs_unlock(&b->certs);
	bench_close(b);
}

static void where_the_guest_cannot_have_the_table_it_gets_none(void **state)
{
	struct bench *b = bench_open(false);

	assert_int_equal(certs_ask(b, BUFFER, 2).ret, EIO); /* no table */
	mon_certs_init(&b->certs, table_file(5000));
	assert_int_equal(certs_ask(b, RAM_BYTES - 0x1000, 2).ret, EIO);
	assert_int_equal(certs_ask(b, BUFFER + 1, 2).ret, EIO);
	assert_int_equal(certs_ask(b, UINT64_MAX - 0xfff, 2).ret, EIO);
	is_private_set(b, BUFFER + 0x1000, true);
	assert_int_equal(certs_ask(b, BUFFER, 2).ret, EIO);
	assert_int_equal(certs_ask(b, BUFFER + 0x2000, 2).ret, 0);
	assert_int_equal(ftruncate(b->certs.fd, 5000), 0); /* the certificate is cut */
	b->vcpu.run_err = -EINTR;                          /* that report is made */
	serve(b);
	assert_int_equal(certs_ask(b, BUFFER + 0x2000, 2).ret, EIO);
	bench_close(b);
}

static void tables_are_checked(void **state)
{
	static uint8_t t[200];
	size_t len = table_make(t, sizeof t, 100);
	struct wr w = wr_of(t + 16, 8);

	assert_true(mon_certs_check(t, len));
	assert_false(mon_certs_check(t, len - 1));
	assert_false(mon_certs_check(t, 40)); /* no zero entry */
	assert_false(mon_certs_check(t, 0));
	wr_le32(&w, 0xffffffff);
	assert_false(mon_certs_check(t, len));
	w = wr_of(t + 16, 8);
	wr_le32(&w, 8); /* inside the entries */
	assert_false(mon_certs_check(t, len));
}

/* --- I/O APIC ------------------------------------------------------------------------------------- */

static void apic_write(struct bus *bus, uint8_t reg, uint32_t v)
{
	bus_write(bus, BUS_MMIO, IOAPIC_GPA, 4, reg);
	bus_write(bus, BUS_MMIO, IOAPIC_GPA + 0x10, 4, v);
}

static uint32_t apic_read(struct bus *bus, uint8_t reg)
{
	bus_write(bus, BUS_MMIO, IOAPIC_GPA, 4, reg);
	return (uint32_t)bus_read(bus, BUS_MMIO, IOAPIC_GPA + 0x10, 4);
}

static void pins_become_messages(void **state)
{
	struct bench *b = bench_open(false);
	struct ioapic a;

	assert_int_equal(mon_ioapic_init(&a, &b->bus, signalled, b), 0);
	assert_int_equal(apic_read(&b->bus, 1), 0x00170011);
	assert_int_equal(apic_read(&b->bus, 0x18), 0x10000); /* masked */
	mon_ioapic_set(&a, 4, true);
	assert_int_equal(b->n_msi, 0);
	mon_ioapic_set(&a, 4, false);
	apic_write(&b->bus, 0x19, 2u << 24);
	apic_write(&b->bus, 0x18, 0x0831); /* logical, fixed, vector 0x31 */
	mon_ioapic_set(&a, 4, true);
	mon_ioapic_set(&a, 4, true); /* no new edge */
	assert_int_equal(b->n_msi, 1);
	assert_int_equal(b->msi_address, 0xfee02004);
	assert_int_equal(b->msi_data, 0x4031);
	mon_ioapic_set(&a, 4, false);
	assert_int_equal(b->n_msi, 1);
	apic_write(&b->bus, 0x18, 0x1f831 | 0x5000); /* masked, level; read-only bits stay zero */
	assert_int_equal(apic_read(&b->bus, 0x18), 0x1a831);
	mon_ioapic_set(&a, 4, true);
	assert_int_equal(b->n_msi, 1);
	apic_write(&b->bus, 0x18, 0xa831); /* still high when somebody listens */
	assert_int_equal(b->n_msi, 2);
	apic_write(&b->bus, 0x18, 0x0731); /* ExtINT: there is no PIC */
	mon_ioapic_set(&a, 4, false);
	mon_ioapic_set(&a, 4, true);
	assert_int_equal(b->n_msi, 2);
	bench_close(b);
}

static void registers_that_are_not_there_do_nothing(void **state)
{
	struct bench *b = bench_open(false);
	struct ioapic a;

	assert_int_equal(mon_ioapic_init(&a, &b->bus, signalled, b), 0);
	for (unsigned int reg = 0; reg < 256; reg++) {
		apic_write(&b->bus, (uint8_t)reg, UINT32_MAX);
		uint32_t v = apic_read(&b->bus, (uint8_t)reg);
		assert_true(v == 0 || reg < 0x10 + 2 * IOAPIC_PINS);
	}
	assert_int_equal(apic_read(&b->bus, 1), 0x00170011);
	bus_write(&b->bus, BUS_MMIO, IOAPIC_GPA + 0x20, 4, UINT32_MAX);
	assert_int_equal(bus_read(&b->bus, BUS_MMIO, IOAPIC_GPA + 0xffc, 4), 0);
	assert_int_equal(b->n_msi, 0);
	bench_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sev_terminations_are_put_into_words),
		cmocka_unit_test(every_sev_termination_is_told),
		cmocka_unit_test(every_byte_of_a_fatal_error_is_text),
		cmocka_unit_test(fatal_errors_of_a_td_are_readable),
		cmocka_unit_test(unknown_exits_end_the_guest),
		cmocka_unit_test(conversions_are_judged),
		cmocka_unit_test(registers_of_a_td_are_shared),
		cmocka_unit_test(memory_faults_are_judged),
		cmocka_unit_test(tdvmcalls_that_we_do_not_have_say_so),
		cmocka_unit_test(buffers_for_quotes_are_checked),
		cmocka_unit_test(a_quote_comes_back_into_the_buffer),
		cmocka_unit_test(quotes_that_fail_say_why),
		cmocka_unit_test(a_buffer_made_private_meanwhile_is_left_alone),
		cmocka_unit_test(too_many_quotes_are_put_off),
		cmocka_unit_test(casemate_quote_that_does_not_read_stops_nobody),
		cmocka_unit_test(nonsense_from_casemate_quote_ends_the_relation),
		cmocka_unit_test(the_table_is_locked_until_the_report_is_made),
		cmocka_unit_test(a_second_request_waits_for_the_first),
		cmocka_unit_test(where_the_guest_cannot_have_the_table_it_gets_none),
		cmocka_unit_test(tables_are_checked),
		cmocka_unit_test(pins_become_messages),
		cmocka_unit_test(registers_that_are_not_there_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
