/*
 * The monitor's launch of every kind of guest over the simulated processors: the digest that the
 * simulator computed is the one the relying party's code predicts; the owner of a SEV guest is waited
 * for; every single call failed once, each time with a reason and a clean end.
 */
#include <errno.h>
#include <linux/psp-sev.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attest/digest_mrtd.h"
#include "attest/digest_ovmf.h"
#include "attest/sev_cert.h"
#include "attest/sev_session.h"
#include "base/chan.h"
#include "base/fd.h"
#include "policy/plan.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"
#include "tests/sim/simkit.h"
#include "tests/sim/tdxkit.h"
#include "tests/unit/cm.h"
#include "tests/unit/fw_maker.h"
#include "vmm/monitor/mon_exit.h"
#include "vmm/monitor/mon_launch.h"

#define RAM_BYTES (12ull << 20)
#define VCPUS     2u
#define SIGNATURE 0x00a00f11u /* the fake KVM's own */

/* What a kind of guest is launched with. */
static const struct {
	enum guest_kind kind;
	uint64_t policy, features, td_attributes;
} kinds[GUEST_KIND_COUNT] = {
	[GUEST_NONE] = { GUEST_NONE, 0, 0, 0 },
	[GUEST_SW] = { GUEST_SW, 0, 0, 0 },
	[GUEST_SEV] = { GUEST_SEV, 0x1, 0, 0 },
	[GUEST_SEV_ES] = { GUEST_SEV_ES, 0x5, 0, 0 },
	[GUEST_SNP] = { GUEST_SNP, 0x30000, 0, 0 },
	[GUEST_TDX] = { GUEST_TDX, 0, 0, ABI_TDX_ATTR_SEPT_VE_DISABLE },
};

static const struct fwimage_boot with_kernel = {
	.kernel = (const uint8_t *)"KERNEL",
	.kernel_len = 6,
	.cmdline = "console=ttyS0",
};

/* --- a monitor's worth of things --------------------------------------------------------------- */

struct bench {
	struct kit amd;
	struct tdxkit intel;
	int fds[MON_FD_FIRST_DEVICE];
	int kvm_fd, sev_fd;
	struct wire_mon_config config;
	struct mon_kvm_config kvm_config;
	struct mon_memory memory;
	struct launch launch;
	struct mon_kvm kvm;
	struct chan chan; /* our end */
	int owner_fd;     /* the supervisor's end */
	struct wire_launched launched;
};

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_pwrite_all(fd, bytes, len, 0), 0);
	return fd;
}

/* A machine of the kind's vendor, with one scripted fault or none. */
static void platform_open(struct bench *b, enum guest_kind kind, const struct sim_fault *fault)
{
	struct sim_platform *p;

	if (kind == GUEST_TDX) {
		tdxkit_init(&b->intel, 4);
		p = &b->intel.platform;
	} else {
		kit_init(&b->amd, SIM_MILAN, 3);
		p = &b->amd.minted.platform;
	}
	if (fault != NULL)
		p->script = (struct sim_script){ .n = 1, .fault = { *fault } };
	struct why why = { 0 };
	int err = kind == GUEST_TDX ? tdxkit_open(&b->intel, &why) : kit_open(&b->amd, &why);
	if (err < 0 && fault == NULL)
		fail_msg("%s", why.text);
	b->kvm_fd = kind == GUEST_TDX ? b->intel.kvm_fd : b->amd.kvm_fd;
	b->sev_fd = kind == GUEST_TDX ? b->intel.sev_fd : b->amd.sev_fd;
}

static struct bench *bench_open(enum guest_kind kind, const struct sim_fault *fault)
{
	static struct fw_maker maker;
	struct bench *b = calloc(1, sizeof *b);
	int pair[2];

	assert_non_null(b);
	b->amd.kvm_fd = b->amd.sev_fd = b->intel.kvm_fd = b->intel.sev_fd = -1;
	b->intel.vm = b->intel.gmem = -1;
	platform_open(b, kind, fault);
	fw_make(&maker);
	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		b->fds[i] = file_of("", 0);
	fd_drop(&b->fds[MON_FD_FIRMWARE]);
	b->fds[MON_FD_FIRMWARE] = file_of(maker.image, sizeof maker.image);
	int fd = memfd_create("ram", MFD_CLOEXEC);
	assert_true(fd >= 0 && ftruncate(fd, (off_t)RAM_BYTES) == 0);
	assert_int_equal(mon_memory_open(&b->memory, fd, RAM_BYTES, NULL), 0);
	assert_int_equal(chan_pair(pair), 0);
	assert_int_equal(chan_open(&b->chan, pair[0]), 0);
	b->owner_fd = pair[1];
	b->config = (struct wire_mon_config){
		.vcpus = le32_of(VCPUS),
		.memory_bytes = le64_of(RAM_BYTES),
		.guest_policy = le64_of(kinds[kind].policy),
		.vmsa_features = le64_of(kinds[kind].features),
		.td_attributes = le64_of(kinds[kind].td_attributes),
		.cpu_signature = le32_of(SIGNATURE),
	};
	memset(b->config.host_data, 0xD7, sizeof b->config.host_data);
	memset(b->config.mrowner, 0xA1, sizeof b->config.mrowner);
	memset(b->config.mrownerconfig, 0xA2, sizeof b->config.mrownerconfig);
	return b;
}

static void bench_close(struct bench *b)
{
	mon_kvm_close(&b->kvm);
	mon_launch_close(&b->launch);
	mon_memory_close(&b->memory);
	chan_close(&b->chan);
	fd_drop(&b->owner_fd);
	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		fd_drop(&b->fds[i]);
	b->amd.n_vcpus = b->intel.n_vcpus = 0; /* they were the monitor's */
	kit_done(&b->amd);
	tdxkit_done(&b->intel);
	free(b);
}

static int vm_make(struct bench *b, enum guest_kind kind, struct why *why)
{
	int err = mon_launch_open(&b->launch, &b->kvm_config, kind, &b->config, b->fds, why);

	return err == 0 ? mon_kvm_open(
				  &b->kvm, &b->kvm_config, b->kvm_fd, b->sev_fd, &b->memory, why)
			: err;
}

static int launch(struct bench *b, const struct fwimage_boot *boot, struct why *why)
{
	const struct launch_source source = { { b->fds[MON_FD_KERNEL], NULL },
		{ b->fds[MON_FD_INITRD], NULL }, *boot, &b->memory, &b->chan };

	return mon_launch(&b->launch, &b->kvm, &b->config, &source, &b->launched, why);
}

/* --- digests: what the processor says, what was predicted ---------------------------------------- */

static void predict(enum guest_kind kind, uint8_t ret[48])
{
	static struct fw_maker maker;
	struct ovmf o;
	struct ovmf_launch l = {
		.firmware = &o,
		.vmm = VMM_QEMU,
		.vcpus = VCPUS,
		.signature = SIGNATURE,
		.features = kind == GUEST_SNP,
		.kernel = with_kernel.kernel,
		.kernel_len = with_kernel.kernel_len,
		.cmdline = with_kernel.cmdline,
	};

	memset(ret, 0, 48);
	fw_make(&maker);
	assert_int_equal(ovmf_parse(&o, maker.image, sizeof maker.image, NULL), 0);
	if (kind == GUEST_SNP)
		assert_int_equal(digest_ovmf_snp(&l, ret, NULL), 0);
	else if (kind == GUEST_TDX)
		assert_int_equal(digest_mrtd(&o, false, ret, NULL), 0);
	else
		assert_int_equal(digest_sev(&l, kind == GUEST_SEV_ES, ret, NULL), 0);
}

static void sev_report(struct bench *b, uint8_t ret[48])
{
	uint8_t report[208] = { 0 };
	struct kvm_sev_attestation_report r = { .uaddr = (uintptr_t)report, .len = sizeof report };
	struct abi_sev_cmd cmd = {
		.id = KVM_SEV_GET_ATTESTATION_REPORT,
		.data = (uintptr_t)&r,
		.sev_fd = (uint32_t)b->sev_fd,
	};

	assert_int_equal(fw_ioctl(b->kvm.vm_fd, ABI_MEMORY_ENCRYPT_OP, &cmd), 0);
	memcpy(ret, report + 16, 32);
}

static void snp_report(struct bench *b, uint8_t ret[48])
{
	struct snp_report_req req = { 0 };
	struct kit_answer answer;

	b->amd.vcpu[0] = b->kvm.vcpu_fds[0];
	b->amd.run = b->kvm.runs[0];
	assert_int_equal(kit_ask(&b->amd, &req, sizeof req, &answer), 0);
	assert_int_equal(answer.status, 0);
	assert_memory_equal(answer.report.host_data, b->config.host_data, 32);
	memcpy(ret, answer.report.measurement, 48);
}

static void tdx_report(struct bench *b, uint8_t ret[48])
{
	struct tdx_report report;
	uint8_t data[64] = { 0 }, zeros[16] = { 0 };
	uint64_t status = 1;
	uint32_t len = 0;

	b->intel.vcpu[0] = b->kvm.vcpu_fds[0];
	b->intel.run = b->kvm.runs[0];
	assert_int_equal(tdxkit_ask(&b->intel, SIM_CMD_TD_REPORT, data, sizeof data), 0);
	assert_int_equal(tdxkit_answer(&b->intel, &status, &report, sizeof report, &len), 0);
	assert_int_equal(status, 0);
	assert_int_equal(len, sizeof report);
	assert_memory_equal(report.td.mrconfigid, b->config.host_data, 32);
	assert_memory_equal(report.td.mrconfigid + 32, zeros, 16);
	assert_memory_equal(report.td.mrowner, b->config.mrowner, 48);
	assert_memory_equal(report.td.mrownerconfig, b->config.mrownerconfig, 48);
	assert_int_equal(le64_get(report.td.attributes), ABI_TDX_ATTR_SEPT_VE_DISABLE);
	memcpy(ret, report.td.mrtd, 48);
}

static void digest_is_predicted(enum guest_kind kind)
{
	struct bench *b = bench_open(kind, NULL);
	uint8_t want[48], got[48] = { 0 };
	struct why why = { 0 };

	int err = vm_make(b, kind, &why);
	if (err == 0)
		err = launch(b, &with_kernel, &why);
	if (err < 0)
		fail_msg("%d: %s", err, why.text);
	assert_true(guest_is_launched(b->kvm.guest));
	assert_true(le64_get(b->launched.measured_pages) > 4);
	predict(kind, want);
	if (kind == GUEST_SNP)
		snp_report(b, got);
	else if (kind == GUEST_TDX)
		tdx_report(b, got);
	else
		sev_report(b, got);
	assert_memory_equal(got, want, sizeof want);
	bench_close(b);
}

static void a_sev_guest_has_the_predicted_digest(void **state)
{
	digest_is_predicted(GUEST_SEV);
}

static void a_sev_es_guest_has_the_predicted_digest(void **state)
{
	digest_is_predicted(GUEST_SEV_ES);
}

static void an_snp_guest_has_the_predicted_digest(void **state)
{
	digest_is_predicted(GUEST_SNP);
}

static void a_td_has_the_predicted_mrtd(void **state)
{
	digest_is_predicted(GUEST_TDX);
}

/* --- conversions ----------------------------------------------------------------------------------- */

static void pages_of_a_td_are_converted(void **state)
{
	struct bench *b = bench_open(GUEST_TDX, NULL);
	struct guest *g;

	assert_int_equal(vm_make(b, GUEST_TDX, NULL), 0);
	g = b->kvm.guest;
	assert_int_equal(guest_convert(g, 0x100000, 0x2000, false), -EPROTO);
	assert_int_equal(launch(b, &with_kernel, NULL), 0);
	assert_false(guest_is_shared(g, 0x100000, 0x2000));
	assert_int_equal(guest_convert(g, 0x100000, 0x2000, false), 0);
	assert_true(guest_is_shared(g, 0x100000, 0x2000));
	assert_false(guest_is_shared(g, 0x100000, 0x2001));
	assert_int_equal(guest_convert(g, 0x101000, 0x1000, true), 0);
	assert_true(guest_is_shared(g, 0x100fff, 1));
	assert_false(guest_is_shared(g, 0x100fff, 2));
	/* A TD makes device memory shared too; private it cannot be, and RAM's end is not RAM. */
	assert_int_equal(guest_convert(g, 0xfec00000, 0x1000, false), 0);
	assert_int_equal(guest_convert(g, 0xfec00000, 0x1000, true), -EFAULT);
	assert_int_equal(guest_convert(g, RAM_BYTES - 0x1000, 0x2000, false), -EFAULT);
	assert_false(guest_is_shared(g, UINT64_MAX, 2));
	bench_close(b);
}

/* --- exits of a simulated SNP guest ------------------------------------------------------------------ */

static void refused(struct bench *b, enum guest_kind kind, int want, const char *words);

struct running {
	struct bench *b;
	struct certs certs;
	struct quotes quotes;
	struct vcpu vcpu;
	char crash[300];
};

static void crashed(void *owner, const char *text)
{
	struct running *r = owner;

	(void)snprintf(r->crash, sizeof r->crash, "%s", text);
}

static struct running *running_open(int certs_fd)
{
	struct running *r = calloc(1, sizeof *r);

	assert_non_null(r);
	r->b = bench_open(GUEST_SNP, NULL);
	if (certs_fd >= 0) {
		fd_drop(&r->b->fds[MON_FD_SNP_CERTS]);
		r->b->fds[MON_FD_SNP_CERTS] = certs_fd;
	}
	assert_int_equal(vm_make(r->b, GUEST_SNP, NULL), 0);
	assert_int_equal(launch(r->b, &with_kernel, NULL), 0);
	mon_certs_init(&r->certs, fd_take(&r->b->fds[MON_FD_SNP_CERTS]));
	r->vcpu = (struct vcpu){ .fd = r->b->kvm.vcpu_fds[0], .run = r->b->kvm.runs[0] };
	r->b->intel.vcpu[0] = r->vcpu.fd; /* its guest sends any bytes through the port */
	r->b->intel.run = r->vcpu.run;
	return r;
}

static void running_close(struct running *r)
{
	mon_certs_done(&r->certs);
	bench_close(r->b);
	free(r);
}

/* The guest asks by the port, and the monitor serves the exit that this is. */
static void guest_asks(struct running *r, uint8_t command, const void *bytes, size_t len)
{
	const struct exit_ops ops = { NULL, r->b->kvm.guest, &r->b->memory, &r->certs, &r->quotes,
		crashed, r };

	r->vcpu.run_err = tdxkit_ask(&r->b->intel, command, bytes, len);
	mon_exit_serve(&ops, &r->vcpu);
	while (r->vcpu.is_completing) {
		r->vcpu.run_err = fw_run(r->vcpu.fd);
		assert_int_equal(
			r->vcpu.run_err, -EINTR); /* completed, and the guest did not run */
		mon_exit_serve(&ops, &r->vcpu);
	}
}

static uint64_t guest_hears(struct running *r)
{
	uint64_t answer = UINT64_MAX;
	uint32_t len = 0;
	uint8_t rest[8];

	assert_int_equal(tdxkit_answer(&r->b->intel, &answer, rest, sizeof rest, &len), 0);
	return answer;
}

static void an_snp_guest_gets_its_certificates(void **state)
{
	uint8_t table[600] = { 1, 2, 3 };
	struct {
		struct snp_report_req req;
		le64 gpa, pages;
	} ask = { .gpa = le64_of(0x100000), .pages = le64_of(1) };

	table[16] = 48;
	table[20] = 200;
	memset(table + 48, 0x30, 200);
	struct running *r = running_open(file_of(table, sizeof table));
	assert_int_equal(guest_convert(r->b->kvm.guest, 0x100000, 0x1000, false), 0);
	guest_asks(r, SIM_CMD_EXTENDED, &ask, sizeof ask);
	assert_string_equal(r->crash, "");
	assert_int_equal(guest_hears(r), 0); /* status and the low half of the monitor's error */
	assert_memory_equal(r->b->memory.map + 0x100000, table, sizeof table);
	assert_false(r->certs.is_locked);
	running_close(r);
}

static void a_host_that_cannot_forward_them_is_named(void **state)
{
	struct bench *b = bench_open(GUEST_SNP, NULL);

	assert_int_equal(fd_pwrite_all(b->fds[MON_FD_SNP_CERTS], "x", 1, 0), 0);
	b->amd.minted.platform.flags |= SIM_FLAG_NO_CERTS;
	kit_done(&b->amd);
	assert_int_equal(kit_open(&b->amd, NULL), 0);
	b->kvm_fd = b->amd.kvm_fd;
	b->sev_fd = b->amd.sev_fd;
	refused(b, GUEST_SNP, -EOPNOTSUPP, "Linux 7.0");
}

static void an_snp_guest_converts_pages_and_ends_itself(void **state)
{
	const uint64_t convert[] = { 0x200000, 3, 0 };
	const uint8_t terminate[] = { 1, 2 };
	struct running *r = running_open(-1);

	guest_asks(r, SIM_CMD_CONVERT, convert, sizeof convert);
	assert_string_equal(r->crash, "");
	assert_true(guest_is_shared(r->b->kvm.guest, 0x200000, 0x3000));
	guest_asks(r, SIM_CMD_TERMINATE, terminate, sizeof terminate);
	assert_non_null(strstr(r->crash, "could not be validated"));
	running_close(r);
}

/* --- what cannot be launched ----------------------------------------------------------------------- */

static void refused(struct bench *b, enum guest_kind kind, int want, const char *words)
{
	struct why why = { 0 };
	int err = vm_make(b, kind, &why);

	if (err == 0)
		err = launch(b, &with_kernel, &why);
	if (err != want || strstr(why.text, words) == NULL)
		fail_msg("%d (%s), want %d (%s)", err, why.text, want, words);
	bench_close(b);
}

static void what_a_kind_cannot_do_is_said(void **state)
{
	struct bench *b = bench_open(GUEST_SEV, NULL);

	assert_int_equal(ftruncate(b->fds[MON_FD_FIRMWARE], 0), 0);
	refused(b, GUEST_SEV, -EOPNOTSUPP, "starts in firmware");
	b = bench_open(GUEST_TDX, NULL);
	assert_int_equal(ftruncate(b->fds[MON_FD_FIRMWARE], 0), 0);
	refused(b, GUEST_TDX, -EOPNOTSUPP, "starts in firmware");
	b = bench_open(GUEST_SEV, NULL);
	b->config.guest_policy = le64_of(5);
	refused(b, GUEST_SEV, -ERANGE, "bit 2");
	b = bench_open(GUEST_SEV_ES, NULL);
	b->config.guest_policy = le64_of(1);
	refused(b, GUEST_SEV_ES, -ERANGE, "bit 2");
	b = bench_open(GUEST_SEV, NULL);
	b->config.guest_policy = le64_of(0x41);
	refused(b, GUEST_SEV, -ERANGE, "reserved");
	b = bench_open(GUEST_SEV, NULL);
	b->config.vmsa_features = le64_of(0x20);
	refused(b, GUEST_SEV, -ERANGE, "VMSA features");
	b = bench_open(GUEST_TDX, NULL);
	b->config.td_attributes = le64_of(ABI_TDX_ATTR_DEBUG);
	refused(b, GUEST_TDX, -ERANGE, "attributes");
	b = bench_open(GUEST_TDX, NULL);
	b->config.td_xfam = le64_of(1ull << 40 | 3);
	refused(b, GUEST_TDX, -ERANGE, "XFAM");
	b = bench_open(GUEST_TDX, NULL);
	b->config.td_xfam = le64_of(2);
	refused(b, GUEST_TDX, -ERANGE, "bits 0 and 1");
	b = bench_open(GUEST_SEV, NULL);
	refused(b, GUEST_TDX, -EOPNOTSUPP, "no TDX guests");
	b = bench_open(GUEST_TDX, NULL);
	refused(b, GUEST_SEV_ES, -EOPNOTSUPP, "no SEV-ES guests");
}

static void an_owners_session_is_whole_or_refused(void **state)
{
	static const uint8_t bytes[GUEST_SEV_DH_BYTES];
	struct bench *b = bench_open(GUEST_SEV, NULL);

	assert_int_equal(fd_pwrite_all(b->fds[MON_FD_SEV_DH], bytes, 2083, 0), 0);
	refused(b, GUEST_SEV, -EBADMSG, "2084");
	b = bench_open(GUEST_SEV, NULL);
	assert_int_equal(fd_pwrite_all(b->fds[MON_FD_SEV_DH], bytes, 2084, 0), 0);
	refused(b, GUEST_SEV, -EBADMSG, "both");
	b = bench_open(GUEST_SEV, NULL);
	assert_int_equal(fd_pwrite_all(b->fds[MON_FD_SEV_DH], bytes, 2084, 0), 0);
	assert_int_equal(fd_pwrite_all(b->fds[MON_FD_SEV_SESSION], bytes, 128, 0), 0);
	refused(b, GUEST_SEV, -EREMOTEIO, "INVALID_CERTIFICATE");
}

static void the_processors_refusals_come_with_their_usual_cause(void **state)
{
	static const struct {
		enum guest_kind kind;
		const char *fault, *words;
	} faults[] = {
		{ GUEST_SNP, "SNP_LAUNCH_START 1 POLICY_FAILURE", "SMT on" },
		{ GUEST_SNP, "SNP_LAUNCH_FINISH 1 BAD_MEASUREMENT", "another launch digest" },
		{ GUEST_SEV, "LAUNCH_START 1 RESOURCE_LIMIT", "too many encrypted guests" },
		{ GUEST_SEV, "INIT2 1 INVALID_PLATFORM_STATE", "the kernel's log" },
		{ GUEST_SEV_ES, "LAUNCH_UPDATE_VMSA 1 UNSUPPORTED", "UNSUPPORTED" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct sim_fault f;
		assert_int_equal(sim_fault_parse(faults[i].fault, &f, NULL), 0);
		struct bench *b = bench_open(faults[i].kind, &f);
		refused(b, faults[i].kind, -EREMOTEIO, faults[i].words);
	}
}

static void memory_that_cannot_be_locked_is_said_plainly(void **state)
{
	struct bench *b = bench_open(GUEST_SEV, NULL);

	b->amd.minted.platform.memlock_bytes = 4096;
	kit_done(&b->amd);
	assert_int_equal(kit_open(&b->amd, NULL), 0);
	b->kvm_fd = b->amd.kvm_fd;
	b->sev_fd = b->amd.sev_fd;
	refused(b, GUEST_SEV, -ENOMEM, "memory-lock limit");
}

/* --- the owner of a SEV guest ----------------------------------------------------------------------- */

struct owner {
	int fd;
	struct sev_session session;
	const uint8_t *digest;
	bool is_lying; /* the packet is for another launch */
	bool is_mac_right;
};

static void *owner_main(void *arg)
{
	struct owner *o = arg;
	struct wire_sev_measured m;
	struct wire_sev_secret s = { .len = le32_of(64) };
	uint8_t plain[64], mac[SEV_MAC_BYTES];
	struct chan c;

	if (chan_open(&c, o->fd) < 0 || chan_recv(&c, true) < 0 || c.in->len != sizeof m)
		return NULL;
	memcpy(&m, c.in->buf, sizeof m);
	struct sev_measured said = { .api_major = m.api_major,
		.api_minor = m.api_minor,
		.build = m.build,
		.policy = le32_get(m.policy) };
	memcpy(said.digest, o->digest, 32);
	memcpy(said.mnonce, m.mnonce, 16);
	o->is_mac_right = sev_measure_mac(o->session.keys.p + SEV_KEY_BYTES, &said, mac) == 0 &&
			  memcmp(mac, m.hmac, sizeof mac) == 0;
	memset(plain, 0x5E, sizeof plain);
	m.hmac[0] ^= o->is_lying ? 1 : 0;
	if (sev_secret_make(
		    &o->session.keys, m.hmac, plain, sizeof plain, s.header, s.body, NULL) == 0)
		(void)!chan_send(&c, SUP_MSG_SEV_SECRET, &s, sizeof s, NULL, 0);
	chan_close(&c);
	return NULL;
}

/* The platform's PDH, as its host exports it. */
static struct sev_cert pdh_export(struct bench *b, uint8_t bytes[2084])
{
	static uint8_t chain[6252];
	static struct sev_certs certs;
	struct sev_user_data_pdh_cert_export e = {
		.pdh_cert_address = (uintptr_t)bytes,
		.pdh_cert_len = 2084,
		.cert_chain_address = (uintptr_t)chain,
		.cert_chain_len = sizeof chain,
	};
	struct abi_sev_issue cmd = { .cmd = SEV_PDH_CERT_EXPORT,
		.data_lo = (uint32_t)(uintptr_t)&e,
		.data_hi = (uint32_t)((uintptr_t)&e >> 32) };

	certs.n = 0;
	assert_int_equal(fw_ioctl(b->sev_fd, ABI_SEV_ISSUE_CMD, &cmd), 0);
	assert_int_equal(sev_certs_add(&certs, bytes, 2084, NULL), 0);
	return certs.at[0];
}

static int launch_with_owner(enum guest_kind kind, bool is_lying, struct why *why)
{
	struct bench *b = bench_open(kind, NULL);
	static uint8_t pdh[2084];
	uint8_t digest[48], secret[64];
	struct owner owner = { .is_lying = is_lying, .digest = digest };
	pthread_t thread;

	struct sev_cert cert = pdh_export(b, pdh);
	assert_int_equal(
		sev_session_make(&cert, (uint32_t)kinds[kind].policy, &owner.session, NULL), 0);
	assert_int_equal(fd_pwrite_all(b->fds[MON_FD_SEV_DH], owner.session.godh, 2084, 0), 0);
	assert_int_equal(fd_pwrite_all(b->fds[MON_FD_SEV_SESSION], owner.session.blob, 128, 0), 0);
	b->config.owner_wait_s = le32_of(20);
	predict(kind, digest);
	assert_int_equal(vm_make(b, kind, why), 0);
	owner.fd = fd_take(&b->owner_fd);
	assert_int_equal(pthread_create(&thread, NULL, owner_main, &owner), 0);
	int err = launch(b, &with_kernel, why);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(owner.is_mac_right);
	memset(secret, 0x5E, sizeof secret);
	if (err == 0) /* the simulator's guest runs unencrypted: it sees what was put there */
		assert_memory_equal(b->memory.map + FW_SECRET_GPA, secret, sizeof secret);
	sev_session_auto(&owner.session);
	bench_close(b);
	return err;
}

static void the_owner_checks_the_measurement_and_gives_a_secret(void **state)
{
	assert_int_equal(launch_with_owner(GUEST_SEV, false, NULL), 0);
	assert_int_equal(launch_with_owner(GUEST_SEV_ES, false, NULL), 0);
}

static void a_secret_for_another_launch_is_refused(void **state)
{
	struct why why = { 0 };

	assert_int_equal(launch_with_owner(GUEST_SEV, true, &why), -EREMOTEIO);
	assert_non_null(strstr(why.text, "packed for another launch"));
}

/* The supervisor says this, or nothing; with what error does the launch end? */
static int owner_says(
	uint16_t type, const void *payload, size_t len, uint32_t wait_s, struct why *why)
{
	struct bench *b = bench_open(GUEST_SEV, NULL);
	struct chan c;

	b->config.owner_wait_s = le32_of(wait_s);
	assert_int_equal(vm_make(b, GUEST_SEV, why), 0);
	assert_int_equal(chan_open(&c, fd_take(&b->owner_fd)), 0);
	if (type != 0)
		assert_int_equal(chan_send(&c, type, payload, len, NULL, 0), 0);
	int err = launch(b, &with_kernel, why);
	chan_close(&c);
	bench_close(b);
	return err;
}

static void the_wait_for_the_owner_ends(void **state)
{
	static struct wire_sev_secret s;
	struct why why = { 0 };

	assert_int_equal(owner_says(0, NULL, 0, 1, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "did not answer in 1 seconds"));
	assert_int_equal(owner_says(SUP_MSG_STOP, NULL, 0, 20, NULL), -ECANCELED);
	assert_int_equal(owner_says(SUP_MSG_GO, NULL, 0, 20, NULL), -EBADMSG);
	assert_int_equal(owner_says(SUP_MSG_SEV_SECRET, &s, sizeof s - 1, 20, NULL), -EBADMSG);
	assert_int_equal(owner_says(SUP_MSG_SEV_SECRET, &s, sizeof s, 20, NULL), 0); /* no secret */
	s.err = le32_of(EACCES);
	memcpy(s.text, "the digest is not ours", 22);
	why_clear(&why);
	assert_int_equal(owner_says(SUP_MSG_SEV_SECRET, &s, sizeof s, 20, &why), -EACCES);
	assert_non_null(strstr(why.text, "refused: the digest is not ours"));
	s.err = le32_of(0);
	s.len = le32_of(FW_SECRET_SIZE + 16);
	assert_int_equal(owner_says(SUP_MSG_SEV_SECRET, &s, sizeof s, 20, NULL), -EMSGSIZE);
	s.len = le32_of(17);
	assert_int_equal(owner_says(SUP_MSG_SEV_SECRET, &s, sizeof s, 20, NULL), -ERANGE);
}

static void a_supervisor_that_is_gone_ends_the_wait(void **state)
{
	struct bench *b = bench_open(GUEST_SEV, NULL);

	b->config.owner_wait_s = le32_of(20);
	assert_int_equal(vm_make(b, GUEST_SEV, NULL), 0);
	fd_drop(&b->owner_fd);
	assert_int_equal(launch(b, &with_kernel, NULL), -EPIPE);
	bench_close(b);
}

/* --- every call failed once -------------------------------------------------------------------------- */

/* 0: the n-th call was not made any more, the launch succeeded; else its error. */
static int launch_with_failure(enum guest_kind kind, uint32_t nth, uint32_t error)
{
	const struct sim_fault fault = { SIM_IOCTL, nth, SIM_FAULT_ERRNO | error };
	struct bench *b = bench_open(kind, &fault);
	struct why why = { 0 };

	int err = vm_make(b, kind, &why);
	if (err == 0)
		err = launch(b, &with_kernel, &why);
	if (err < 0 && why.text[0] == 0)
		fail_msg("call %u failed with %d and no reason", nth, err);
	if (err < 0 && b->kvm.guest != NULL && guest_is_launched(b->kvm.guest))
		fail_msg("call %u failed and the guest is launched", nth);
	bench_close(b);
	return err;
}

/* How many calls can fail; some may be made again (busy, interrupted), or be left out. */
static void every_failure_is_clean(enum guest_kind kind, uint32_t error, unsigned int at_least)
{
	unsigned int n_failed = 0;
	unsigned int n_passed = 0;

	for (uint32_t nth = 1; n_passed < 40 && nth < 2000; nth++) {
		int err = launch_with_failure(kind, nth, error);
		n_failed += err < 0;
		n_passed = err < 0 ? 0 : n_passed + 1;
	}
	print_message("# %u failed calls ended a launch\n", n_failed);
	assert_int_equal(n_passed, 40); /* past the last call */
	if (n_failed < at_least)
		fail_msg("only %u calls failed, want %u", n_failed, at_least);
}

static void every_failed_call_of_a_sev_launch_ends_it(void **state)
{
	every_failure_is_clean(GUEST_SEV, EIO, 20);
}

static void every_failed_call_of_a_sev_es_launch_ends_it(void **state)
{
	every_failure_is_clean(GUEST_SEV_ES, EFAULT, 20);
}

static void every_failed_call_of_an_snp_launch_ends_it(void **state)
{
	every_failure_is_clean(GUEST_SNP, EIO, 25);
}

static void every_failed_call_of_a_tdx_launch_ends_it(void **state)
{
	every_failure_is_clean(GUEST_TDX, EIO, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sev_guest_has_the_predicted_digest),
		cmocka_unit_test(a_sev_es_guest_has_the_predicted_digest),
		cmocka_unit_test(an_snp_guest_has_the_predicted_digest),
		cmocka_unit_test(a_td_has_the_predicted_mrtd),
		cmocka_unit_test(pages_of_a_td_are_converted),
		cmocka_unit_test(an_snp_guest_gets_its_certificates),
		cmocka_unit_test(a_host_that_cannot_forward_them_is_named),
		cmocka_unit_test(an_snp_guest_converts_pages_and_ends_itself),
		cmocka_unit_test(what_a_kind_cannot_do_is_said),
		cmocka_unit_test(an_owners_session_is_whole_or_refused),
		cmocka_unit_test(the_processors_refusals_come_with_their_usual_cause),
		cmocka_unit_test(memory_that_cannot_be_locked_is_said_plainly),
		cmocka_unit_test(the_owner_checks_the_measurement_and_gives_a_secret),
		cmocka_unit_test(a_secret_for_another_launch_is_refused),
		cmocka_unit_test(the_wait_for_the_owner_ends),
		cmocka_unit_test(a_supervisor_that_is_gone_ends_the_wait),
		cmocka_unit_test(every_failed_call_of_a_sev_launch_ends_it),
		cmocka_unit_test(every_failed_call_of_a_sev_es_launch_ends_it),
		cmocka_unit_test(every_failed_call_of_an_snp_launch_ends_it),
		cmocka_unit_test(every_failed_call_of_a_tdx_launch_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
