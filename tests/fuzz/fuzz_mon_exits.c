/*
 * A whole monitor with all its devices over a made-up KVM and the simulated processors: what its
 * guest, its device processes, casemate-quote and the supervisor send it, exit by exit. Reaches
 * machine_open(), mon_launch(), mon_exit_serve() and everything behind the bus.
 *
 * Guest memory has forbidden pages around it (guard.h); a descriptor or mapping that is left, a
 * second ENDED and a message that no supervisor knows are findings. vCPU threads are not started
 * (mon_vcpu_start() is exchanged by the linker): their exits are the input. sendmsg(2) is watched, so
 * that device processes answer at once.
 *
 * Input: u8 kind of guest (low 3 bits; 0x40: the devices' answers come from the input while it runs,
 * 0x80: from the first one on, 0x20: plain guest without firmware, 0x10: no launch, 0x08: no quoting
 * service, and a broken certificate table), then records; their first byte modulo RECORD_COUNT says what they are, see record_run().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/rd.h"
#include "policy/plan.h"
#include "sev/abi_kvm.h"
#include "sev/abi_tdx.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guard.h"
#include "tests/sim/simkit.h"
#include "tests/sim/tdxkit.h"
#include "tests/unit/fw_maker.h"
#include "vmm/monitor/mon_exit.h"
#include "vmm/monitor/mon_machine.h"
#include "vmm/quote/quote_proto.h"
#include "vmm/virtio/vu_msg.h"

#define RECORDS_MAX 300
#define STEPS_MAX   50
#define RAM_BYTES   ((uint64_t)LIMIT_MEMORY_MIB_MIN << 20)
#define TOUCHED     0x40000u /* of RAM: where records write */
#define VCPUS       2u
#define DEVICES     4u
#define FDS_COUNTED 256
#define DATA_AT     4096u /* of port I/O in the run page */
#define BAR_STRIDE  0x10000u

enum record {
	RECORD_IO,     /* u8 port, u16 port if it is not in the table, u8 size and direction, u8
	                   count, u32 value */
	RECORD_MMIO,   /* u8 where, u64 offset, u8 length and direction, u64 value */
	RECORD_CALL,   /* u8 number, u64 gpa, u64 pages, u8 attributes */
	RECORD_FAULT,  /* u64 flags, u64 gpa, u64 size */
	RECORD_TDX,    /* u8 leaf, u64 gpa or vector, u64 size */
	RECORD_CERTS,  /* u64 gpa, u64 pages */
	RECORD_SYSTEM, /* u8 type, u8 n, u64 data[] */
	RECORD_OTHER,  /* u8 reason, u8 error */
	RECORD_RAM,    /* u24 address, u8 length, bytes */
	RECORD_BACK,   /* u8 device and what: the device process acts by itself */
	RECORD_QUOTE,  /* u8 what, u8 cookie, u8 error, u16 length: casemate-quote answers */
	RECORD_SUPER,  /* u8 type, u8 length, bytes */
	RECORD_CONFIG, /* u8 device, u8 register, u32 value: PCI configuration space */
	RECORD_DRIVER, /* u8 device, u16 steps, u16 pages, u32 features: a driver's start */
	RECORD_PAST,   /* the vCPU returns from completing an exit */
	RECORD_COUNT
};

struct back {
	int sock;  /* the device process's end, -1: gone */
	int front; /* the monitor's */
	struct vu_msg msg;
};

static struct {
	struct machine m;
	struct rd in;
	unsigned int flags;
	bool has_ended;
	bool is_hostile;  /* device processes answer what the input says */
	int super;        /* the supervisor's end */
	int quote;        /* casemate-quote's end */
	uint32_t n_asked; /* of casemate-quote: the last cookie */
	struct back back[DEVICES];
	struct kit amd;
	struct tdxkit intel;
} run;

/* ---- what the linker exchanges ---------------------------------------------------------------- */

ssize_t __real_sendmsg(int fd, const struct msghdr *mh, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags);
int __wrap_mon_vcpu_start(struct vcpus *ret, struct mon_kvm *kvm, struct loop *loop,
	const struct vcpu_ops *ops, struct why *why);
void __wrap_mon_vcpu_stop(struct vcpus *vs, struct loop *loop);

int __wrap_mon_vcpu_start(struct vcpus *ret, struct mon_kvm *kvm, struct loop *loop,
	const struct vcpu_ops *ops, struct why *why)
{
	memset(ret, 0, sizeof *ret);
	ret->exits.fd = ret->entered_fd = -1;
	ret->ops = *ops;
	for (unsigned int i = 0; i < kvm->n_vcpus; i++) {
		struct vcpu *v = &ret->at[ret->n++];
		v->all = ret;
		v->id = i;
		v->fd = kvm->vcpu_fds[i];
		v->run = kvm->runs[i];
		v->resume_fd = -1;
	}
	return 0;
}

void __wrap_mon_vcpu_stop(struct vcpus *vs, struct loop *loop)
{
	vs->n = 0;
}

/* ---- device processes ------------------------------------------------------------------------- */

static void back_send(struct back *b, const void *buf, size_t len)
{
	if (send(b->sock, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		fd_drop(&b->sock); /* the monitor has let go of it */
}

/* The answer that a good device process gives; its payload may be longer for a bad one. */
static uint32_t answer_make(const struct vu_msg *m, uint8_t *ret)
{
	const struct vu_u64 features = { le64_of(3ull << 32 | 1ull << 30 | 3ull << 28 | 0xff) };
	const struct vu_u64 protocol = { le64_of(VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_CONFIG) };

	memset(ret, 0, VU_PAYLOAD_MAX);
	switch (m->request) {
	case VU_GET_FEATURES:
		memcpy(ret, &features, sizeof features);
		return sizeof features;
	case VU_GET_PROTOCOL_FEATURES:
		memcpy(ret, &protocol, sizeof protocol);
		return sizeof protocol;
	case VU_GET_CONFIG:
		memcpy(ret, m->buf, m->len);
		return m->len;
	default:
		return 8; /* an acknowledgement, or GET_VRING_BASE */
	}
}

static void answer_send(struct back *b)
{
	const struct vu_msg *m = &b->msg;
	uint8_t raw[sizeof(struct vu_hdr) + VU_PAYLOAD_MAX + 8];
	uint32_t len = answer_make(m, raw + sizeof(struct vu_hdr));
	struct vu_hdr hdr = { le32_of(m->request), le32_of(VU_VERSION | VU_REPLY), le32_of(len) };
	uint8_t how = run.is_hostile ? rd_u8(&run.in) % 12 : 0;

	if (how == 1)
		hdr.request = le32_of(m->request + 1);
	if (how == 2)
		hdr.flags = le32_of(rd_u8(&run.in));
	if (how == 3 && len > 0)
		hdr.size = le32_of(--len);
	if (how == 4)
		hdr.size = le32_of(len += 8);
	if (how == 5 || how == 6)
		rd_copy(&run.in, raw + sizeof hdr, MIN((size_t)len, run.in.left));
	if (how == 7)
		hdr.size = le32_of(rd_le32(&run.in));
	memcpy(raw, &hdr, sizeof hdr);
	if (how == 8)
		back_send(b, raw, 5); /* and it dies in the middle of it */
	else if (how != 9)
		back_send(b, raw, sizeof hdr + len);
	/* A monitor waits for what does not come: let it be the end, so that it need not for long. */
	if (how == 3 || how == 7 || how == 8 || how == 9)
		fd_drop(&b->sock);
}

static void back_serve(struct back *b)
{
	while (b->sock >= 0) {
		int err = vu_recv_step(b->sock, &b->msg);
		if (err == -EAGAIN)
			return;
		if (err < 0)
			finding("the monitor sends a device process nonsense");
		uint32_t r = b->msg.request;
		if ((b->msg.flags & VU_NEED_REPLY) != 0 || r == VU_GET_FEATURES ||
			r == VU_GET_PROTOCOL_FEATURES || r == VU_GET_CONFIG ||
			r == VU_GET_VRING_BASE)
			answer_send(b);
		vu_msg_done(&b->msg);
		vu_msg_init(&b->msg);
	}
}

/* ---- the supervisor and casemate-quote -------------------------------------------------------- */

static void super_read(void)
{
	uint8_t buf[sizeof(struct chan_hdr) + LIMIT_CHAN_MSG_BYTES];
	struct chan_hdr hdr;

	for (ssize_t n; (n = recv(run.super, buf, sizeof buf, MSG_DONTWAIT)) > 0;) {
		memcpy(&hdr, buf, sizeof hdr);
		uint16_t type = le16_get(hdr.type);
		if (type == SUP_MSG_ENDED && (run.has_ended || n != 8 + sizeof(struct wire_ended)))
			finding("ENDED twice, or of another length");
		run.has_ended |= type == SUP_MSG_ENDED;
		if (type != SUP_MSG_ENDED && type != SUP_MSG_SERIAL && type != SUP_MSG_LAUNCHED &&
			type != SUP_MSG_SEV_MEASURED)
			finding("a message that no supervisor knows");
	}
}

static void quote_read(void)
{
	uint8_t buf[sizeof(struct chan_hdr) + sizeof(struct wire_quote_request) + 1];
	le32 cookie;

	for (ssize_t n;
		run.quote >= 0 && (n = recv(run.quote, buf, sizeof buf, MSG_DONTWAIT)) > 0;) {
		if (n != (ssize_t)sizeof buf - 1)
			finding("a request that casemate-quote does not know");
		memcpy(&cookie, buf + sizeof(struct chan_hdr), sizeof cookie);
		run.n_asked = le32_get(cookie);
	}
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	ssize_t n = __real_sendmsg(fd, mh, flags);

	for (unsigned int i = 0; i < DEVICES; i++)
		if (fd == run.back[i].front && run.back[i].sock >= 0)
			back_serve(&run.back[i]);
	if (fd == run.m.chan.fd)
		super_read();
	return n;
}

/* ---- exits ------------------------------------------------------------------------------------ */

static void exit_run(struct vcpu *v, uint32_t reason, int err)
{
	v->run->exit_reason = reason;
	v->run_err = err;
	run.m.vcpus.ops.exited(run.m.vcpus.ops.owner, v);
}

static uint64_t io_run(
	uint16_t port, unsigned int size, uint32_t count, bool is_out, uint64_t value)
{
	struct vcpu *v = &run.m.vcpus.at[0];
	uint8_t *at = (uint8_t *)v->run + DATA_AT;
	uint64_t got = 0;

	v->run->io.direction = is_out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	v->run->io.port = port;
	v->run->io.size = (uint8_t)size;
	v->run->io.count = count;
	v->run->io.data_offset = DATA_AT;
	for (uint32_t i = 0; is_out && i < count; i++)
		memcpy(at + (size_t)i * size, &value, size);
	exit_run(v, KVM_EXIT_IO, 0);
	memcpy(&got, at, size);
	return got;
}

static void mmio_run(uint64_t gpa, unsigned int len, bool is_write, uint64_t value)
{
	struct vcpu *v = &run.m.vcpus.at[0];

	v->run->mmio.phys_addr = gpa;
	v->run->mmio.len = len;
	v->run->mmio.is_write = is_write;
	memcpy(v->run->mmio.data, &value, sizeof value);
	exit_run(v, KVM_EXIT_MMIO, 0);
}

static void record_io(struct rd *r)
{
	static const uint16_t ports[] = { 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff,
		0x70, 0x71, 0x402, 0x510, 0x511, 0x514, 0x518, 0x51c, 0xcf8, 0xcf9, 0xcfc, 0xcfd,
		0xcfe, 0xcff, 0xb000, 0xb001, 0xb002, 0xb004, 0xb005, 0xb008, 0x600, 0x601, 0x602,
		0x603, 0x604, 0x605, 0x606, 0x607 };
	uint8_t which = rd_u8(r);
	uint16_t port = which < ARRAY_LEN(ports) ? ports[which] : rd_le16(r);
	uint8_t how = rd_u8(r);
	unsigned int size = 1u << (how & 3) % 3;
	uint32_t count = rd_u8(r) + 1u;

	/* KVM gives what fits in a page. */
	count = (how & 0x40) != 0 ? MIN(count * 64, 4096 / size) : count % 16 + 1;
	(void)io_run(port, size, count, (how & 0x80) != 0, rd_le32(r));
}

static void record_mmio(struct rd *r)
{
	uint8_t where = rd_u8(r);
	uint64_t at = rd_le64(r);
	uint8_t how = rd_u8(r);
	uint64_t value = rd_le64(r);
	uint64_t base = 0;

	switch (where & 7) {
	case 0:
	case 1:
	case 2:
	case 3:
		base = PCI_WINDOW_START + (uint64_t)(where & 3) * BAR_STRIDE;
		at &= 0x7fff;
		break;
	case 4:
		base = 0xffff0000u;
		at &= 0xffff;
		break;
	case 5:
		base = IOAPIC_GPA;
		at &= 0x3f;
		break;
	default:
		break;
	}
	mmio_run(base + at, (how & 0x40) != 0 ? how & 15 : 1u << (how & 3), (how & 0x80) != 0,
		value);
}

static void record_call(struct vcpu *v, struct rd *r)
{
	uint8_t nr = rd_u8(r);

	v->run->hypercall.nr = (nr & 0x80) != 0 ? nr : ABI_HC_MAP_GPA_RANGE;
	v->run->hypercall.args[0] = rd_le64(r);
	v->run->hypercall.args[1] = rd_le64(r);
	v->run->hypercall.args[2] = rd_u8(r);
	exit_run(v, KVM_EXIT_HYPERCALL, 0);
}

static void record_fault(struct vcpu *v, struct rd *r)
{
	struct abi_memory_fault f = { rd_le64(r), rd_le64(r), rd_le64(r) };

	memcpy((uint8_t *)v->run + ABI_RUN_UNION_AT, &f, sizeof f);
	exit_run(v, ABI_EXIT_MEMORY_FAULT, -EFAULT);
}

static void record_tdx(struct vcpu *v, struct rd *r)
{
	struct abi_exit_tdx e = { .nr = ABI_TDVMCALL_GET_TD_VM_CALL_INFO + rd_u8(r) % 6 };

	e.data[0] = rd_le64(r);
	e.data[1] = rd_le64(r);
	memcpy((uint8_t *)v->run + ABI_RUN_UNION_AT, &e, sizeof e);
	exit_run(v, ABI_EXIT_TDX, 0);
	quote_read();
}

static void record_certs(struct vcpu *v, struct rd *r)
{
	struct abi_req_certs c = { .gpa = rd_le64(r), .npages = rd_le64(r) };

	memcpy((uint8_t *)v->run + ABI_RUN_UNION_AT, &c, sizeof c);
	exit_run(v, ABI_EXIT_SNP_REQ_CERTS, 0);
}

static void record_system(struct vcpu *v, struct rd *r)
{
	v->run->system_event.type = rd_u8(r) % 9;
	v->run->system_event.ndata = rd_u8(r); /* what it says it has */
	for (unsigned int i = 0; i < ABI_TDX_FATAL_NDATA; i++)
		v->run->system_event.data[i] = rd_le64(r);
	exit_run(v, KVM_EXIT_SYSTEM_EVENT, 0);
}

/* KVM's word, not the guest's: it is what it says. */
static void record_other(struct vcpu *v, struct rd *r)
{
	static const uint8_t reasons[] = { KVM_EXIT_UNKNOWN, KVM_EXIT_EXCEPTION, KVM_EXIT_HLT,
		KVM_EXIT_INTR, KVM_EXIT_SHUTDOWN, KVM_EXIT_FAIL_ENTRY, KVM_EXIT_INTERNAL_ERROR,
		KVM_EXIT_AP_RESET_HOLD, KVM_EXIT_X86_RDMSR, 99 };
	static const int errors[] = { 0, 0, 0, -EFAULT, -EINVAL, -EIO };
	uint8_t reason = rd_u8(r);

	exit_run(v, reasons[reason % ARRAY_LEN(reasons)], errors[rd_u8(r) % ARRAY_LEN(errors)]);
}

/* ---- what else happens ------------------------------------------------------------------------ */

static void record_ram(struct rd *r)
{
	uint32_t at = rd_le16(r);
	uint8_t buf[256];

	at |= (uint32_t)rd_u8(r) << 16;
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	rd_copy(r, buf, len);
	(void)!mon_memory_write(&run.m.memory, at % TOUCHED, buf, len);
}

static void record_back(struct rd *r)
{
	uint8_t byte = rd_u8(r);
	unsigned int i = byte % DEVICES;

	switch (byte >> 4 & 3) {
	case 0:
	case 1:
		(void)eventfd_write(run.m.devices[i].front.err.fd, 1);
		break;
	case 2:
		if (run.back[i].sock >= 0)
			back_send(&run.back[i], &byte, 1);
		break;
	default:
		fd_drop(&run.back[i].sock);
		break;
	}
}

static void record_quote(struct rd *r)
{
	static uint8_t msg[sizeof(struct chan_hdr) + sizeof(struct wire_quote_answer) + 0x10000];
	uint8_t what = rd_u8(r);
	uint32_t cookie = run.n_asked - rd_u8(r) % 4u;
	struct wire_quote_answer a = { le32_of(cookie), le32_of(rd_u8(r)) };
	size_t len = rd_le16(r);

	if ((what & 3) == 3) {
		fd_drop(&run.quote);
		return;
	}
	struct chan_hdr hdr = { le16_of(QUOTE_MSG_ANSWER + (what & 2)),
		.len = le32_of((uint32_t)(sizeof a + len)) };
	memcpy(msg, &hdr, sizeof hdr);
	memcpy(msg + sizeof hdr, &a, sizeof a);
	if (run.quote >= 0 &&
		send(run.quote, msg, sizeof hdr + sizeof a + len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		fd_drop(&run.quote);
}

static void record_super(struct rd *r)
{
	uint8_t type = rd_u8(r);
	uint8_t msg[sizeof(struct chan_hdr) + 256];
	size_t len = rd_u8(r); /* MIN() asks twice */

	len = MIN(len, r->left);
	struct chan_hdr hdr = { .type = le16_of(type % CHAN_TYPES_MAX),
		.len = le32_of((uint32_t)len) };

	memcpy(msg, &hdr, sizeof hdr);
	rd_copy(r, msg + sizeof hdr, len);
	if (send(run.super, msg, sizeof hdr + len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* full */
}

static uint32_t function_of(unsigned int device)
{
	for (uint32_t i = 0; i < PCI_SLOTS * PCI_SLOT_FUNCS; i++)
		if (run.m.pci.funcs[i] == &run.m.devices[device].func)
			return i / PCI_SLOT_FUNCS << 11 | i % PCI_SLOT_FUNCS << 8;
	return 0;
}

static void config_write(unsigned int device, uint8_t at, uint32_t value)
{
	(void)io_run(0xcf8, 4, 1, true, 1u << 31 | function_of(device) | (at & 0xfcu));
	(void)io_run(0xcfc, 4, 1, true, value);
}

static void record_config(struct rd *r)
{
	uint8_t device = rd_u8(r) % DEVICES;
	uint8_t at = rd_u8(r);

	config_write(device, at, rd_le32(r));
	(void)io_run(0xcfc, 4, 1, false, 0);
}

/* The steps of virtio 1.2, 3.1.1, each if its bit is set. */
static void record_driver(struct rd *r)
{
	unsigned int d = rd_u8(r) % DEVICES;
	uint16_t steps = rd_le16(r);
	uint64_t page = (uint64_t)rd_le16(r) << 12;
	uint32_t low = rd_le32(r);
	uint64_t bar = PCI_WINDOW_START + d * BAR_STRIDE;
	const struct {
		uint64_t at, len, value;
	} rows[] = {
		{ 0x14, 1, 0 },
		{ 0x14, 1, 1 },
		{ 0x14, 1, 3 },
		{ 0x08, 4, 0 },
		{ 0x0c, 4, low },
		{ 0x08, 4, 1 },
		{ 0x0c, 4, 3 },
		{ 0x14, 1, 11 },
		{ 0x16, 2, low >> 30 },
		{ 0x18, 2, 8 },
		{ 0x20, 8, page },
		{ 0x28, 8, page + 0x1000 },
		{ 0x30, 8, page + 0x2000 },
		{ 0x1a, 2, low >> 30 },
		{ 0x1c, 2, 1 },
		{ 0x14, 1, 15 },
	};

	config_write(d, PCI_COMMAND, PCI_COMMAND_MEM);
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		if ((steps >> i & 1) != 0)
			mmio_run(bar + rows[i].at, (unsigned int)rows[i].len, true, rows[i].value);
}

static void loop_settle(void)
{
	struct pollfd p = { .fd = run.m.loop.epoll_fd, .events = POLLIN };

	for (int i = 0; i < STEPS_MAX && !run.m.loop.is_stopped && poll(&p, 1, 0) == 1; i++)
		if (loop_step(&run.m.loop, 0) < 0)
			finding("no machine to test");
	super_read();
}

static void timers_fire(void)
{
	run.m.serial.timer.fire(&run.m.serial.timer, 0);
	if (run.m.quotes.timer.fd >= 0)
		run.m.quotes.timer.fire(&run.m.quotes.timer, 0);
}

static void record_run(struct rd *r)
{
	uint8_t what = rd_u8(r);
	struct vcpu *v = &run.m.vcpus.at[what >> 7];

	/* A vCPU that completes an exit comes back first, whatever the input says. */
	if (v->is_completing)
		exit_run(v, KVM_EXIT_INTR, (what & 0x40) != 0 ? -EINTR : 0);
	switch ((enum record)((what & 0x3f) % RECORD_COUNT)) {
	case RECORD_IO:
		record_io(r);
		break;
	case RECORD_MMIO:
		record_mmio(r);
		break;
	case RECORD_CALL:
		record_call(v, r);
		break;
	case RECORD_FAULT:
		record_fault(v, r);
		break;
	case RECORD_TDX:
		record_tdx(v, r);
		break;
	case RECORD_CERTS:
		record_certs(v, r);
		break;
	case RECORD_SYSTEM:
		record_system(v, r);
		break;
	case RECORD_OTHER:
		record_other(v, r);
		break;
	case RECORD_RAM:
		record_ram(r);
		break;
	case RECORD_BACK:
		record_back(r);
		break;
	case RECORD_QUOTE:
		record_quote(r);
		break;
	case RECORD_SUPER:
		record_super(r);
		break;
	case RECORD_CONFIG:
		record_config(r);
		break;
	case RECORD_DRIVER:
		record_driver(r);
		break;
	case RECORD_PAST:
	case RECORD_COUNT:
		if ((what & 0x40) != 0)
			timers_fire();
		break;
	}
	loop_settle();
}

/* ---- a machine -------------------------------------------------------------------------------- */

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || fd_pwrite_all(fd, bytes, len, 0) < 0)
		finding("no machine to test");
	return fd;
}

static int memory_make(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)RAM_BYTES) < 0)
		finding("no machine to test");
	return fd;
}

/* One entry and the end: what mon_certs_check() wants; in a guest without quotes what it does not. */
static int certs_make(void)
{
	uint8_t table[56] = { 1 };

	table[16] = 48;
	table[20] = (run.flags & 0x08) == 0 ? 8 : 9;
	return file_of(table, sizeof table);
}

static const struct {
	uint32_t tee;
	uint64_t policy, td_attributes;
} kinds[] = {
	{ PLAN_TEE_NONE, 0, 0 },
	{ PLAN_TEE_SW, 0, 0 },
	{ PLAN_TEE_SEV, 1, 0 },
	{ PLAN_TEE_SEV_ES, 5, 0 },
	{ PLAN_TEE_SNP, 0x30000, 0 },
	{ PLAN_TEE_TDX, 0, ABI_TDX_ATTR_SEPT_VE_DISABLE },
	{ PLAN_TEE_NONE, 0, 0 },
	{ 99, 0, 0 },
};

static void platform_open(uint32_t tee, int *ret_kvm, int *ret_sev)
{
	struct why why = { 0 };

	run.amd.kvm_fd = run.amd.sev_fd = run.intel.kvm_fd = run.intel.sev_fd = -1;
	run.intel.vm = run.intel.gmem = -1;
	if (tee == PLAN_TEE_TDX) {
		tdxkit_init(&run.intel, 4);
		if (tdxkit_open(&run.intel, &why) < 0)
			finding("no machine to test");
	} else {
		kit_init(&run.amd, SIM_MILAN, 3);
		if (kit_open(&run.amd, &why) < 0)
			finding("no machine to test");
	}
	*ret_kvm = tee == PLAN_TEE_TDX ? run.intel.kvm_fd : run.amd.kvm_fd;
	*ret_sev =
		fcntl(tee == PLAN_TEE_TDX ? run.intel.sev_fd : run.amd.sev_fd, F_DUPFD_CLOEXEC, 0);
}

static void devices_make(int *ret_fds)
{
	int pair[2];

	for (unsigned int i = 0; i < DEVICES; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			finding("no machine to test");
		ret_fds[i] = run.back[i].front = pair[0];
		run.back[i].sock = pair[1];
		vu_msg_init(&run.back[i].msg);
	}
}

/* What the supervisor's CONFIG would have brought; the descriptors as they are (fake_kvm knows them). */
static void config_make(struct machine *m)
{
	static struct fw_maker maker;
	static const uint32_t devices[DEVICES] = { MON_DEVICE_BLK, MON_DEVICE_CONSOLE,
		MON_DEVICE_RNG, MON_DEVICE_VSOCK };
	struct wire_mon_config c = {
		.tee = le32_of(kinds[run.flags & 7].tee),
		.vcpus = le32_of(VCPUS),
		.memory_bytes = le64_of(RAM_BYTES),
		.guest_policy = le64_of(kinds[run.flags & 7].policy),
		.td_attributes = le64_of(kinds[run.flags & 7].td_attributes),
		.cpu_signature = le32_of(0x00a00f11),
		.flags = le32_of(MON_CONFIG_SERIAL),
		.n_devices = le32_of(DEVICES),
		.cmdline = "quiet",
	};
	struct msg *in = m->chan.in;
	int pair[2];

	for (unsigned int i = 0; i < DEVICES; i++)
		c.devices[i] = le32_of(devices[i]);
	memset(c.host_data, 0xD7, sizeof c.host_data);
	fw_make(&maker);
	memset(in->buf, 0, sizeof c);
	memcpy(in->buf, &c, sizeof c);
	in->len = sizeof c;
	in->n_fds = MON_FD_FIRST_DEVICE + DEVICES;
	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		in->fds[i] = file_of("", 0);
	fd_drop(&in->fds[MON_FD_KVM]);
	fd_drop(&in->fds[MON_FD_SEV]);
	platform_open(le32_get(c.tee), &in->fds[MON_FD_KVM], &in->fds[MON_FD_SEV]);
	fd_drop(&in->fds[MON_FD_MEMORY]);
	in->fds[MON_FD_MEMORY] = memory_make();
	if ((run.flags & 0x20) == 0 &&
		fd_pwrite_all(in->fds[MON_FD_FIRMWARE], maker.image, sizeof maker.image, 0) < 0)
		finding("no machine to test");
	if (ftruncate(in->fds[MON_FD_FLASH_VARS], 0x2000) < 0)
		finding("no machine to test");
	fd_drop(&in->fds[MON_FD_SNP_CERTS]);
	in->fds[MON_FD_SNP_CERTS] = certs_make();
	if ((run.flags & 0x08) == 0) {
		if (chan_pair(pair) < 0)
			finding("no machine to test");
		fd_drop(&in->fds[MON_FD_QUOTE]);
		in->fds[MON_FD_QUOTE] = pair[0];
		run.quote = pair[1];
	}
	devices_make(in->fds + MON_FD_FIRST_DEVICE);
}

static void machine_make(struct machine *m)
{
	int pair[2];

	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		m->fds[i] = -1;
	if (chan_pair(pair) < 0 || chan_open(&m->chan, pair[0]) < 0)
		finding("no machine to test");
	run.super = pair[1];
	run.quote = -1;
	config_make(m);
}

/* From CONFIG to the end, as main() does it; a guest that cannot be launched ends there. */
static void machine_live(struct machine *m)
{
	const uint8_t go[] = { SUP_MSG_GO, 0, 0, 0, 0, 0, 0, 0 };
	struct why why = { 0 };

	run.is_hostile = (run.flags & 0x80) != 0;
	int err = machine_open(m, &why);
	if (err == 0 && (run.flags & 0x10) == 0)
		err = machine_launch(m, &why);
	if (err < 0 && why.text[0] == 0)
		finding("a failure without a reason");
	if (err < 0)
		return;
	run.is_hostile = (run.flags & 0xc0) != 0;
	m->state = MACHINE_READY;
	if (send(run.super, go, sizeof go, MSG_NOSIGNAL) < 0)
		finding("no machine to test");
	loop_settle();
	for (int i = 0; i < RECORDS_MAX && run.in.left > 0 && !m->loop.is_stopped; i++)
		record_run(&run.in);
}

static unsigned int fds_count(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < FDS_COUNTED; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int before = fds_count();

	log_set_level(LOG_LEVEL_ERR);
	memset(&run, 0, sizeof run);
	run.in = rd_of(data, size);
	run.flags = rd_u8(&run.in);
	machine_make(&run.m);
	machine_live(&run.m);
	run.m.fds[MON_FD_KVM] = -1; /* fake_kvm's own */
	machine_close(&run.m);
	chan_close(&run.m.chan);
	for (unsigned int i = 0; i < DEVICES; i++) {
		vu_msg_done(&run.back[i].msg);
		fd_drop(&run.back[i].sock);
	}
	fd_drop(&run.super);
	fd_drop(&run.quote);
	kit_done(&run.amd);
	tdxkit_done(&run.intel);
	if (fds_count() != before)
		finding("a descriptor leaked, or one that was not theirs is closed");
	if (guard_count() != 0)
		finding("a mapping leaked");
	return 0;
}
