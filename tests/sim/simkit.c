#include "tests/sim/simkit.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"

#define TEST_RSA_BITS 2048

/* A test program without its platform has nothing to say. */
static void must(bool is_true)
{
	if (!is_true)
		abort();
}

void kit_init(struct kit *k, enum sim_product product, uint32_t report_version)
{
	static struct sim_minted made[SIM_PRODUCT_COUNT];
	struct sim_minted *m = &made[product];

	if (m->bytes[0] == NULL)
		must(sim_mint(m, product, report_version, TEST_RSA_BITS, NULL) == 0);
	memset(k, 0, sizeof *k);
	k->kvm_fd = k->sev_fd = -1;
	k->minted = *m;
	k->minted.platform.report_version = report_version;
}

int kit_open(struct kit *k, struct why *why)
{
	static uint8_t file[LIMIT_SIM_PLATFORM_BYTES];
	size_t len = 0;

	must(sim_platform_print(&k->minted.platform, file, sizeof file, &len) == 0);
	k->sev_fd = memfd_create("platform", MFD_CLOEXEC);
	must(k->sev_fd >= 0 && fd_pwrite_all(k->sev_fd, file, len, 0) == 0);
	sim_set_host(&fake_kvm);
	k->kvm_fd = fake_kvm_open();
	return fw_open(k->kvm_fd, k->sev_fd, why);
}

int kit_add_memory(struct kit *k, uint64_t gpa, uint64_t size, struct why *why)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED && k->n_ram < 4);
	k->ram[k->n_ram] = p;
	k->ram_size[k->n_ram++] = size;
	return guest_add_memory(k->guest, k->n_ram - 1, gpa, size, p, why);
}

static struct kvm_segment segment(uint16_t selector, unsigned int attrib, uint64_t base)
{
	return (struct kvm_segment){
		.selector = selector,
		.base = base,
		.limit = 0xFFFF,
		.type = attrib & 0xF,
		.s = attrib >> 4 & 1,
		.present = attrib >> 7 & 1,
	};
}

int kit_make_vcpu(int kvm_fd, int vm_fd, unsigned int id, uint64_t rdx, struct kvm_run **ret_run)
{
	const struct kvm_segment ds = segment(0, 0x93, 0);
	struct kvm_regs regs = { .rflags = 2, .rip = 0xFFF0, .rdx = rdx };
	struct kvm_sregs sregs = {
		.es = ds,
		.ss = ds,
		.ds = ds,
		.fs = ds,
		.gs = ds,
		.cs = segment(0xF000, 0x9B, 0xFFFF0000),
		.ldt = segment(0, 0x82, 0),
		.tr = segment(0, 0x8B, 0),
		.gdt = { .limit = 0xFFFF },
		.idt = { .limit = 0xFFFF },
		.cr0 = 0x60000010, /* caches off, as after reset: KVM turns them on */
	};
	int fd = fw_ioctl_int(vm_fd, KVM_CREATE_VCPU, id);

	if (fd < 0)
		return fd;
	must(fw_ioctl(fd, KVM_SET_REGS, &regs) == 0 && fw_ioctl(fd, KVM_SET_SREGS, &sregs) == 0);
	must(fw_map_run(fd, (size_t)fw_ioctl_int(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0), ret_run) == 0);
	return fd;
}

int kit_add_vcpu(struct kit *k, uint64_t rdx)
{
	struct kvm_run *run = NULL;
	int fd = kit_make_vcpu(k->kvm_fd, guest_vm_fd(k->guest), k->n_vcpus, rdx, &run);

	if (fd < 0)
		return fd;
	if (k->n_vcpus == 0)
		k->run = run;
	k->vcpu[k->n_vcpus++] = fd;
	return fd;
}

void kit_done(struct kit *k)
{
	for (unsigned int i = 0; i < k->n_vcpus; i++)
		fw_close(k->vcpu[i]);
	guest_close(k->guest);
	for (unsigned int i = 0; i < k->n_ram; i++)
		(void)munmap(k->ram[i], k->ram_size[i]);
	fd_drop(&k->sev_fd);
	if (k->kvm_fd >= 0)
		fake_kvm.close(k->kvm_fd);
	k->kvm_fd = -1;
}

/* --- a guest that asks ----------------------------------------------------------------------- */

/* One access to a port, as the guest makes them one after the other. */
struct access {
	uint16_t port;
	bool is_in;
	uint8_t *at;
	uint32_t count;
};

struct script {
	struct access access[16];
	unsigned int n, i;
};

/* KVM completes an IN on the next KVM_RUN, so the bytes are taken when the guest runs again. */
static int guest_step(struct kvm_run *run, void *owner)
{
	struct script *s = owner;
	uint8_t *io = (uint8_t *)run + run->io.data_offset;

	if (s->i > 0 && s->access[s->i - 1].is_in)
		memcpy(s->access[s->i - 1].at, io, s->access[s->i - 1].count);
	if (s->i == s->n) {
		run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	const struct access *a = &s->access[s->i++];
	uint64_t data_offset = run->io.data_offset;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = a->is_in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = 1;
	run->io.port = a->port;
	run->io.count = a->count;
	run->io.data_offset = data_offset;
	if (!a->is_in)
		memcpy(io, a->at, a->count);
	return 0;
}

static void say(struct script *s, uint16_t port, bool is_in, void *at, size_t count)
{
	s->access[s->n++] = (struct access){ port, is_in, at, (uint32_t)count };
}

int kit_ask(struct kit *k, const void *request, size_t len, struct kit_answer *ret)
{
	static uint8_t table[sizeof ret->table];
	uint8_t begin = SIM_CMD_BEGIN;
	uint8_t execute = SIM_CMD_EXECUTE;
	uint8_t copy[256];
	uint8_t state[3];
	le32 status, length, table_len;
	struct script s = { 0 };

	memset(ret, 0, sizeof *ret);
	memcpy(copy, request, len);
	say(&s, SIM_PORT_CONTROL, false, &begin, 1);
	say(&s, SIM_PORT_CONTROL, true, &state[0], 1);
	say(&s, SIM_PORT_DATA, false, copy, len / 2);
	say(&s, SIM_PORT_DATA, false, copy + len / 2, len - len / 2);
	say(&s, SIM_PORT_CONTROL, false, &execute, 1);
	say(&s, SIM_PORT_CONTROL, true, &state[1], 1);
	say(&s, SIM_PORT_DATA, true, &status, 4);
	say(&s, SIM_PORT_DATA, true, &length, 4);
	fake_kvm_set_guest(guest_step, &s);
	int err = fw_run(k->vcpu[0]);
	if (err < 0)
		return err;
	must(state[0] == SIM_STATE_COLLECTING && state[1] == SIM_STATE_READY);
	ret->status = le32_get(status);
	must(le32_get(length) == (ret->status == 0 ? SIM_REPORT_BYTES : 0));

	s = (struct script){ 0 };
	if (ret->status == 0)
		say(&s, SIM_PORT_DATA, true, &ret->report, sizeof ret->report);
	say(&s, SIM_PORT_DATA, true, &table_len, 4);
	err = fw_run(k->vcpu[0]);
	must(err == 0 && le32_get(table_len) <= sizeof ret->table);
	ret->table_len = le32_get(table_len);

	s = (struct script){ 0 };
	for (uint32_t at = 0; at < ret->table_len; at += 1024)
		say(&s, SIM_PORT_DATA, true, table + at, MIN(1024u, ret->table_len - at));
	err = fw_run(k->vcpu[0]);
	memcpy(ret->table, table, ret->table_len);
	return err;
}

/* --- signatures, with OpenSSL and nothing of the simulator's ------------------------------------ */

bool kit_is_signed(const struct kit *k, const struct snp_report *report)
{
	const unsigned char *der = k->minted.platform.blob[SIM_BLOB_VCEK].p;
	X509 *cert = d2i_X509(NULL, &der, (long)k->minted.platform.blob[SIM_BLOB_VCEK].len);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *sig_der = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ECDSA_SIG_set0(sig, BN_lebin2bn(report->signature.r, SNP_NUM_BYTES, NULL),
		     BN_lebin2bn(report->signature.s, SNP_NUM_BYTES, NULL)) == 1);
	int sig_len = i2d_ECDSA_SIG(sig, &sig_der);
	bool is_good =
		EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, X509_get0_pubkey(cert)) == 1 &&
		EVP_DigestVerify(
			ctx, sig_der, (size_t)sig_len, (const unsigned char *)report, 0x2A0) == 1;
	OPENSSL_free(sig_der);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	X509_free(cert);
	return is_good;
}

static void key_put(EVP_PKEY *key, struct snp_public_key *ret)
{
	BIGNUM *x = NULL;
	BIGNUM *y = NULL;

	memset(ret, 0, sizeof *ret);
	ret->curve = le32_of(SNP_CURVE_P384);
	must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
		BN_bn2lebinpad(x, ret->qx, SNP_NUM_BYTES) > 0 &&
		BN_bn2lebinpad(y, ret->qy, SNP_NUM_BYTES) > 0);
	BN_free(x);
	BN_free(y);
}

static void sign(EVP_PKEY *key, const void *p, size_t len, struct snp_signature *ret)
{
	uint8_t der[256];
	size_t der_len = sizeof der;
	const unsigned char *at = der;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, der, &der_len, p, len) == 1);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
	memset(ret, 0, sizeof *ret);
	must(sig != NULL && BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), ret->r, SNP_NUM_BYTES) > 0 &&
		BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), ret->s, SNP_NUM_BYTES) > 0);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

void kit_make_id(
	const uint8_t ld[48], uint64_t policy, struct snp_id_block *block, struct snp_id_auth *auth)
{
	EVP_PKEY *id = EVP_EC_gen("P-384");
	EVP_PKEY *author = EVP_EC_gen("P-384");

	memset(block, 0, sizeof *block);
	memset(auth, 0, sizeof *auth);
	memcpy(block->ld, ld, sizeof block->ld);
	memset(block->family_id, 0x11, sizeof block->family_id);
	memset(block->image_id, 0x22, sizeof block->image_id);
	block->version = le32_of(1);
	block->guest_svn = le32_of(7);
	block->policy = le64_of(policy);
	auth->id_key_algo = le32_of(1);
	auth->author_key_algo = le32_of(1);
	key_put(id, &auth->id_pubkey);
	key_put(author, &auth->author_pubkey);
	sign(id, block, sizeof *block, &auth->id_block_sig);
	sign(author, &auth->id_pubkey, sizeof auth->id_pubkey, &auth->id_key_sig);
	EVP_PKEY_free(id);
	EVP_PKEY_free(author);
}
