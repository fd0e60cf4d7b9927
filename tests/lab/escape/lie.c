#include "tests/lab/escape/lie.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/chan.h"
#include "sandbox/child.h"
#include "sandbox/receipt.h"
#include "vmm/super/sup_proto.h"
#include "vmm/virtio/vu_proto.h"

#define FDS_MAX 253 /* SCM_MAX_FD */

union control {
	struct cmsghdr align;
	uint8_t buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

/* These bytes, with n copies of descriptor fd. */
static ssize_t raw_send(int sock, const void *bytes, size_t len, int fd, unsigned int n)
{
	static union control control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (unsigned int i = 0; i < n; i++)
			memcpy(CMSG_DATA(cm) + i * sizeof fd, &fd, sizeof fd);
	}
	return __real_sendmsg(sock, &mh, MSG_NOSIGNAL);
}

/* ---- on the channel --------------------------------------------------------------------------- */

static struct {
	struct chan_hdr hdr;
	uint8_t payload[LIMIT_CHAN_MSG_BYTES + 4096];
} packet, last;
static size_t last_len;

void lie_note_sent(const struct msghdr *mh)
{
	last_len = 0;
	for (size_t i = 0; i < mh->msg_iovlen; i++) {
		if (mh->msg_iov[i].iov_len > sizeof last - last_len)
			return;
		memcpy((uint8_t *)&last + last_len, mh->msg_iov[i].iov_base,
			mh->msg_iov[i].iov_len);
		last_len += mh->msg_iov[i].iov_len;
	}
}

/* A message whose header says len and which has that many bytes of packet.payload. */
static void tell(uint16_t type, size_t len)
{
	packet.hdr = (struct chan_hdr){ .type = le16_of(type), .len = le32_of((uint32_t)len) };
	(void)raw_send(SPAWN_FD_CHAN, &packet, sizeof packet.hdr + len, -1, 0);
}

static void unknown_type(void)
{
	tell(CHAN_TYPES_MAX - 1, 0);
}

static void huge_type(void)
{
	tell(0xffff, 0);
}

static void ready_empty(void)
{
	tell(SUP_MSG_READY, 0);
}

static void replay(void)
{
	(void)raw_send(SPAWN_FD_CHAN, &last, last_len, -1, 0);
}

static void replay_fd(void)
{
	(void)raw_send(SPAWN_FD_CHAN, &last, last_len, STDERR_FILENO, 1);
}

static void replay_fds(void)
{
	(void)raw_send(SPAWN_FD_CHAN, &last, last_len, STDERR_FILENO, FDS_MAX);
}

/* READY before its time, with the receipt as it is but for one thing. */
static void receipt_tell(void (*change)(struct wire_receipt *r))
{
	struct wire_receipt r = *receipt_get();

	change(&r);
	memcpy(packet.payload, &r, sizeof r);
	tell(SUP_MSG_READY, sizeof r);
}

static void other_role(struct wire_receipt *r)
{
	r->role = le32_of(le32_get(r->role) == ROLE_DEV_RNG ? ROLE_DEV_BLK : ROLE_DEV_RNG);
}

static void no_filter(struct wire_receipt *r)
{
	r->held = le32_of(le32_get(r->held) & ~RECEIPT_SECCOMP);
}

static void other_filter(struct wire_receipt *r)
{
	r->filter_sha256[0] ^= 1;
}

static void other_uid(struct wire_receipt *r)
{
	r->uid = le32_of(0);
}

static void other_namespace(struct wire_receipt *r)
{
	r->ns[RECEIPT_NS_NET] = le64_of(le64_get(r->ns[RECEIPT_NS_NET]) + 1);
}

static void other_label(struct wire_receipt *r)
{
	memset(r->label, 0, sizeof r->label); /* where SELinux is, there is a longer one */
	memcpy(r->label, "root:root:root_t:s0", sizeof "root:root:root_t:s0");
}

#define RECEIPT(name, change)                                                                      \
	static void name(void)                                                                     \
	{                                                                                          \
		receipt_tell(change);                                                              \
	}
RECEIPT(receipt_role, other_role)
RECEIPT(receipt_no_filter, no_filter)
RECEIPT(receipt_filter, other_filter)
RECEIPT(receipt_uid, other_uid)
RECEIPT(receipt_namespace, other_namespace)
RECEIPT(receipt_label, other_label)

#define ESCAPES "\033[2J\033]0;owned\007\r\ncasemate: error: forged\n\b\b\x9b\x00"

static void failed_escapes(void)
{
	struct wire_failed f = { .err = le32_of(EIO), .text = ESCAPES };

	memcpy(packet.payload, &f, sizeof f);
	tell(SUP_MSG_FAILED, sizeof f);
}

static void failed_unterminated(void)
{
	struct wire_failed f = { .err = le32_of(0xffffffff) };

	memset(f.text, 'A', sizeof f.text);
	memcpy(packet.payload, &f, sizeof f);
	tell(SUP_MSG_FAILED, sizeof f);
}

static void end_tell(uint32_t how, uint32_t status)
{
	struct wire_ended e = { .how = le32_of(how), .status = le32_of(status), .text = ESCAPES };

	memcpy(packet.payload, &e, sizeof e);
	tell(SUP_MSG_ENDED, sizeof e);
}

static void ended(void)
{
	end_tell(ENDED_OFF, 0);
}

static void ended_crash(void)
{
	end_tell(ENDED_CRASH, 0);
}

static void ended_status(void)
{
	end_tell(ENDED_OFF, 256);
}

static void ended_how(void)
{
	end_tell(99, 0);
}

static void launched(void)
{
	tell(SUP_MSG_LAUNCHED, sizeof(struct wire_launched));
}

static void measured(void)
{
	tell(SUP_MSG_SEV_MEASURED, sizeof(struct wire_sev_measured));
}

static void secret(void)
{
	tell(SUP_MSG_SEV_SECRET, sizeof(struct wire_sev_secret));
}

static void length_lie(void)
{
	packet.hdr = (struct chan_hdr){ .type = le16_of(SUP_MSG_READY), .len = le32_of(1000) };
	(void)raw_send(SPAWN_FD_CHAN, &packet, sizeof packet.hdr, -1, 0);
}

static void length_huge(void)
{
	packet.hdr = (struct chan_hdr){ .type = le16_of(SUP_MSG_READY), .len = le32_of(~0u) };
	(void)raw_send(SPAWN_FD_CHAN, &packet, sizeof packet.hdr, -1, 0);
}

static void header_short(void)
{
	(void)raw_send(SPAWN_FD_CHAN, &packet, 3, -1, 0);
}

static void packet_empty(void)
{
	(void)raw_send(SPAWN_FD_CHAN, &packet, 0, STDERR_FILENO, 1);
}

static void packet_large(void)
{
	tell(SUP_MSG_READY, LIMIT_CHAN_MSG_BYTES + 1024);
}

static void serial_flood(void)
{
	memset(packet.payload, 'A', 256);
	for (int i = 0; i < 5000; i++)
		tell(SUP_MSG_SERIAL, 256);
}

static void connect_nowhere(void)
{
	const struct wire_connect c = { .index = le32_of(99) };

	memcpy(packet.payload, &c, sizeof c);
	tell(SUP_MSG_CONNECT, sizeof c);
}

/* Answers are not read meanwhile: they, and their descriptors, must not pile up. */
static void connect_flood(void)
{
	memset(packet.payload, 0, sizeof(struct wire_connect));
	for (int i = 0; i < 5000; i++)
		tell(SUP_MSG_CONNECT, sizeof(struct wire_connect));
}

static void channel_close(void)
{
	(void)close(SPAWN_FD_CHAN);
}

/* ---- on the log ------------------------------------------------------------------------------- */

static void log_write(const void *bytes, size_t len)
{
	ssize_t n = write(STDERR_FILENO, bytes, len);

	(void)n;
}

static void log_flood(void)
{
	static const char line[] = "error: the sky is falling\n";

	for (int i = 0; i < 50000; i++)
		log_write(line, sizeof line - 1);
}

static void log_endless_line(void)
{
	memset(packet.payload, 'A', sizeof packet.payload);
	for (int i = 0; i < 16; i++)
		log_write(packet.payload, sizeof packet.payload);
	log_write("\n", 1);
}

static void log_escapes(void)
{
	log_write(ESCAPES "\n", sizeof ESCAPES);
}

static void log_close(void)
{
	(void)close(STDERR_FILENO);
}

/* ---- on a vhost-user socket -------------------------------------------------------------------- */

/* The message, in one piece, to be changed. */
struct vu_packet {
	struct vu_hdr hdr;
	uint8_t payload[4096];
};

static size_t vu_copy(struct vu_packet *ret, const struct msghdr *mh)
{
	memset(ret, 0, sizeof *ret);
	size_t len = MIN(mh->msg_iov[0].iov_len, sizeof *ret);
	memcpy(ret, mh->msg_iov[0].iov_base, len);
	return len;
}

/* Send it changed; the caller believes it sent its own. The descriptors stay unless fds says how many
 * copies of fd go instead. */
static ssize_t vu_tell(int sock, const struct msghdr *mh, const struct vu_packet *p, size_t len,
	int fd, unsigned int fds)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = len };
	struct msghdr changed = *mh;

	changed.msg_iov = &iov;
	changed.msg_iovlen = 1;
	ssize_t n = fds > 0 ? raw_send(sock, p, len, fd, fds)
			    : __real_sendmsg(sock, &changed, MSG_NOSIGNAL);
	return n < 0 ? n : (ssize_t)mh->msg_iov[0].iov_len;
}

#define VU_LIE(name, ...)                                                                          \
	static ssize_t name(int sock, const struct msghdr *mh, int flags)                          \
	{                                                                                          \
		static struct vu_packet p;                                                         \
		size_t len = vu_copy(&p, mh);                                                      \
		int fd = -1;                                                                       \
		unsigned int fds = 0;                                                              \
		__VA_ARGS__                                                                        \
		return vu_tell(sock, mh, &p, len, fd, fds);                                        \
	}

VU_LIE(vu_other_request, p.hdr.request = le32_of(le32_get(p.hdr.request) + 1);)
VU_LIE(vu_unknown_request, p.hdr.request = le32_of(250);)
VU_LIE(vu_no_reply_flag, p.hdr.flags = le32_of(le32_get(p.hdr.flags) & ~VU_REPLY);)
VU_LIE(vu_version, p.hdr.flags = le32_of(le32_get(p.hdr.flags) ^ VU_VERSION_MASK);)
VU_LIE(vu_flags, p.hdr.flags = le32_of(le32_get(p.hdr.flags) | 0xffff0000u);)
VU_LIE(vu_short, p.hdr.size = le32_of(0); len = sizeof p.hdr;)
VU_LIE(vu_long, p.hdr.size = le32_of(VU_PAYLOAD_MAX); len = sizeof p.hdr + VU_PAYLOAD_MAX;)
VU_LIE(vu_endless, p.hdr.size = le32_of(~0u); len = sizeof p;)
VU_LIE(vu_fd, fd = STDERR_FILENO; fds = 1;)
VU_LIE(vu_fds, fd = STDERR_FILENO; fds = FDS_MAX;)
VU_LIE(vu_all_ones, memset(p.payload, 0xff, len - sizeof p.hdr);)
VU_LIE(vu_zero, memset(p.payload, 0, len - sizeof p.hdr);)
VU_LIE(vu_channel_fd, fd = SPAWN_FD_CHAN; fds = 1;)
VU_LIE(vu_kvm_fd, fd = SPAWN_FD_CHAN + 1; fds = 1;)
VU_LIE(vu_memory_fd, fd = SPAWN_FD_CHAN + 3; fds = 1;)

static ssize_t vu_silence(int sock, const struct msghdr *mh, int flags)
{
	return (ssize_t)mh->msg_iov[0].iov_len;
}

static ssize_t vu_twice(int sock, const struct msghdr *mh, int flags)
{
	(void)__real_sendmsg(sock, mh, flags);
	return __real_sendmsg(sock, mh, flags);
}

static ssize_t vu_pieces(int sock, const struct msghdr *mh, int flags)
{
	static struct vu_packet p;
	size_t len = vu_copy(&p, mh);

	for (size_t i = 0; i < len; i++)
		(void)raw_send(sock, (uint8_t *)&p + i, 1, -1, 0);
	return (ssize_t)len;
}

static ssize_t vu_hang_up(int sock, const struct msghdr *mh, int flags)
{
	(void)close(sock);
	return (ssize_t)mh->msg_iov[0].iov_len;
}

static ssize_t vu_flood(int sock, const struct msghdr *mh, int flags)
{
	for (int i = 0; i < 10000; i++)
		if (__real_sendmsg(sock, mh, flags | MSG_DONTWAIT) < 0)
			break;
	return __real_sendmsg(sock, mh, flags);
}

/* A monitor's memory table: its regions lie after the count. */
static struct vu_mem_table *table_of(struct vu_packet *p)
{
	return (struct vu_mem_table *)(void *)p->payload;
}

VU_LIE(mem_many, table_of(&p)->n = le32_of(LIMIT_MEM_REGIONS + 1);)
VU_LIE(mem_endless, table_of(&p)->n = le32_of(~0u);)
VU_LIE(mem_none, table_of(&p)->n = le32_of(0);)
VU_LIE(mem_beyond, table_of(&p)->at[0].size = le64_of(1ull << 40);)
VU_LIE(mem_wraps, table_of(&p)->at[0].offset = le64_of(~4095ull);)
VU_LIE(mem_address_wraps, table_of(&p)->at[0].gpa = le64_of(~4095ull);)
VU_LIE(ring_outside, ((struct vu_addr *)(void *)p.payload)->desc = le64_of(~4095ull);)
VU_LIE(ring_unaligned, ((struct vu_addr *)(void *)p.payload)->used = le64_of(0x1001);)
VU_LIE(ring_large, ((struct vu_state *)(void *)p.payload)->num = le32_of(65535);)
VU_LIE(ring_none, ((struct vu_state *)(void *)p.payload)->num = le32_of(0);)
VU_LIE(queue_far, p.payload[0] = 200;)

/* clang-format off */
const struct lie lies[] = {
	/* WHEN_READY, WHEN_LOOP */
	{ "a message nobody knows", unknown_type },
	{ "a message beyond every table", huge_type },
	{ "READY without a receipt", ready_empty },
	{ "its last message again", replay },
	{ "its last message with a descriptor", replay_fd },
	{ "its last message with 253 descriptors", replay_fds },
	{ "the receipt of another role", receipt_role },
	{ "a receipt without a filter", receipt_no_filter },
	{ "a receipt of another filter", receipt_filter },
	{ "a receipt of uid 0", receipt_uid },
	{ "a receipt of another namespace", receipt_namespace },
	{ "a receipt of another label", receipt_label },
	{ "FAILED with escape sequences", failed_escapes },
	{ "FAILED without an end", failed_unterminated },
	{ "the end of the guest", ended },
	{ "the guest's crash with escape sequences", ended_crash },
	{ "an exit status no process has", ended_status },
	{ "an end there is not", ended_how },
	{ "LAUNCHED", launched },
	{ "a measurement for an owner nobody asked", measured },
	{ "an owner's secret", secret },
	{ "a length that is not its own", length_lie },
	{ "a length of 4 GiB", length_huge },
	{ "a header cut short", header_short },
	{ "an empty packet with a descriptor", packet_empty },
	{ "more than a message may have", packet_large },
	{ "serial output without end", serial_flood },
	{ "a connection to a port it has not", connect_nowhere },
	{ "connections without end", connect_flood },
	{ "no channel any more", channel_close },
	{ "lines without end", log_flood },
	{ "a line without end", log_endless_line },
	{ "lines with escape sequences", log_escapes },
	{ "no log any more", log_close },
	/* WHEN_MESSAGE */
	{ "vu: another request's number", NULL, vu_other_request, LIE_ANY_REQUEST },
	{ "vu: a request nobody knows", NULL, vu_unknown_request, LIE_ANY_REQUEST },
	{ "vu: no reply by its flags", NULL, vu_no_reply_flag, LIE_ANY_REQUEST },
	{ "vu: another version", NULL, vu_version, LIE_ANY_REQUEST },
	{ "vu: flags nobody knows", NULL, vu_flags, LIE_ANY_REQUEST },
	{ "vu: too short", NULL, vu_short, LIE_ANY_REQUEST },
	{ "vu: too long", NULL, vu_long, LIE_ANY_REQUEST },
	{ "vu: a length of 4 GiB", NULL, vu_endless, LIE_ANY_REQUEST },
	{ "vu: a descriptor", NULL, vu_fd, LIE_ANY_REQUEST },
	{ "vu: 253 descriptors", NULL, vu_fds, LIE_ANY_REQUEST },
	{ "vu: all ones", NULL, vu_all_ones, LIE_ANY_REQUEST },
	{ "vu: zeros", NULL, vu_zero, LIE_ANY_REQUEST },
	{ "vu: silence", NULL, vu_silence, LIE_ANY_REQUEST },
	{ "vu: twice", NULL, vu_twice, LIE_ANY_REQUEST },
	{ "vu: byte by byte", NULL, vu_pieces, LIE_ANY_REQUEST },
	{ "vu: hangs up", NULL, vu_hang_up, LIE_ANY_REQUEST },
	{ "vu: without end", NULL, vu_flood, LIE_ANY_REQUEST },
	{ "vu: nine regions of memory", NULL, mem_many, VU_SET_MEM_TABLE },
	{ "vu: regions without end", NULL, mem_endless, VU_SET_MEM_TABLE },
	{ "vu: no memory", NULL, mem_none, VU_SET_MEM_TABLE },
	{ "vu: memory beyond the file", NULL, mem_beyond, VU_SET_MEM_TABLE },
	{ "vu: memory at an offset that wraps", NULL, mem_wraps, VU_SET_MEM_TABLE },
	{ "vu: memory at an address that wraps", NULL, mem_address_wraps, VU_SET_MEM_TABLE },
	{ "vu: its channel for memory", NULL, vu_channel_fd, VU_SET_MEM_TABLE },
	{ "vu: KVM for memory", NULL, vu_kvm_fd, VU_SET_MEM_TABLE },
	{ "vu: a ring outside memory", NULL, ring_outside, VU_SET_VRING_ADDR },
	{ "vu: a ring at an odd address", NULL, ring_unaligned, VU_SET_VRING_ADDR },
	{ "vu: a ring of 65535", NULL, ring_large, VU_SET_VRING_NUM },
	{ "vu: a ring of nothing", NULL, ring_none, VU_SET_VRING_NUM },
	{ "vu: a queue there is not", NULL, queue_far, VU_SET_VRING_ENABLE },
	{ "vu: its channel for a kick", NULL, vu_channel_fd, VU_SET_VRING_KICK },
	{ "vu: KVM for a kick", NULL, vu_kvm_fd, VU_SET_VRING_KICK },
	{ "vu: memory for a kick", NULL, vu_memory_fd, VU_SET_VRING_KICK },
	{ "vu: its channel for a call", NULL, vu_channel_fd, VU_SET_VRING_CALL },
	{ "vu: all features", NULL, vu_all_ones, VU_SET_FEATURES },
};
/* clang-format on */
const size_t n_lies = ARRAY_LEN(lies);
