/*
 * setup: a new TPM has the banks, keys and certificates that a guest expects, certificates lead to the
 * CA and hold the key they are for, and nobody writes over them.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/cm.h"
#include "vtpm/engine.h"
#include "vtpm/setup.h"
#include "vtpm/tpm_build.h"

struct bench {
	char dir[32];
	int dir_fd, fd;
	struct secret key;
	struct nvstore store;
	struct ek_ca ca;
	unsigned int steps;
};

static void step_count(void *owner, const char *what)
{
	struct bench *b = owner;

	assert_true(what[0] != '\0');
	b->steps++;
}

static int setup(void **state)
{
	static struct bench b;
	struct why why = { 0 };

	strcpy(b.dir, "/tmp/casemate-ca.XXXXXX");
	assert_non_null(mkdtemp(b.dir));
	b.dir_fd = open(b.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b.steps = 0;
	b.fd = memfd_create("state", MFD_CLOEXEC);
	assert_int_equal(secret_init(&b.key, NVSTORE_KEY_BYTES), 0);
	assert_int_equal(nvstore_create(&b.store, b.fd, &b.key, "bank/payments", NULL), 0);
	int err = ek_ca_open(&b.ca, b.dir_fd, &why);
	if (err == 0)
		err = setup_run(&b.store, &b.ca, "bank/payments", step_count, &b, &why);
	if (err < 0)
		fail_msg("%s", why_text(&why, err));
	assert_int_equal(b.steps, 1 + EK_COUNT);
	assert_int_equal(engine_start(&b.store, false, NULL), 0);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	engine_stop();
	nvstore_close(&b->store);
	ek_ca_close(&b->ca);
	secret_done(&b->key);
	(void)unlinkat(b->dir_fd, "ca.key", 0);
	(void)unlinkat(b->dir_fd, "ca.pem", 0);
	(void)rmdir(b->dir);
	fd_drop(&b->dir_fd);
	fd_drop(&b->fd);
	return 0;
}

static uint32_t run(struct tpm_build *b, struct rd *ret)
{
	uint32_t rc = 0xdead;
	int err = tpm_build_run(b, NULL, ret, &rc, NULL);

	assert_true(err == 0 || err == -EREMOTEIO);
	return rc;
}

static void startup(void)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_STARTUP, NULL, 0);
	wr_be16(&b.w, 0);
	assert_int_equal(run(&b, &r), TPM_RC_SUCCESS);
}

static X509 *cert_of(const struct setup_key *key)
{
	const uint8_t *p = key->cert;
	X509 *cert = d2i_X509(NULL, &p, key->cert_len);

	assert_non_null(cert);
	assert_ptr_equal(p, key->cert + key->cert_len);
	return cert;
}

static bool has_extension(X509 *cert, const char *oid, const char *bytes, size_t len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 0);
	int at = X509_get_ext_by_OBJ(cert, object, -1);
	ASN1_OBJECT_free(object);
	if (at < 0)
		return false;
	const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(X509_get_ext(cert, at));
	return memmem(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v), bytes, len) != NULL;
}

static void test_keys_and_certificates(void **state)
{
	struct bench *b = *state;
	X509_STORE *roots = X509_STORE_new();
	struct why why = { 0 };
	struct setup_key key;

	assert_int_equal(X509_STORE_add_cert(roots, b->ca.cert), 1);
	startup();
	for (unsigned int i = 0; i < EK_COUNT; i++) {
		int err = setup_read_key((enum ek_kind)i, &key, &why);
		if (err < 0)
			fail_msg("%s", why_text(&why, err));
		assert_true(key.is_there && key.cert_len > 0);
		X509 *cert = cert_of(&key);
		X509_STORE_CTX *ctx = X509_STORE_CTX_new();
		assert_int_equal(X509_STORE_CTX_init(ctx, roots, cert, NULL), 1);
		if (X509_verify_cert(ctx) != 1)
			/* what libcrypto does not know of the alternative name is critical for it */
			fail_msg(
				"%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
		X509_STORE_CTX_free(ctx);
		/* tcg-kp-EKCertificate; maker, model, version; specification 2.0. */
		assert_true(has_extension(cert, "2.5.29.37", "\x06\x05\x67\x81\x05\x08\x01", 7));
		assert_true(has_extension(cert, "2.5.29.17", "id:49424D00", 11));
		assert_true(has_extension(cert, "2.5.29.17", "casemate-vtpm", 13));
		assert_true(has_extension(cert, "2.5.29.17", "\x67\x81\x05\x02\x03", 5));
		assert_true(has_extension(cert, "2.5.29.9", "\x67\x81\x05\x02\x10", 5));
		assert_true(has_extension(cert, "2.5.29.9",
			"\x0c\x03"
			"2.0\x02\x01\x00",
			8));
		/* The key in it is the key in the TPM: the end of its public area. */
		uint8_t *der = NULL;
		int len = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
		assert_true(len > 40);
		assert_non_null(memmem(der, (size_t)len, key.public + key.public_len - 32, 32));
		OPENSSL_free(der);
		X509_free(cert);
	}
	X509_STORE_free(roots);
}

static void test_banks(void **state)
{
	struct tpm_build b;
	struct rd r;

	startup();
	tpm_build_begin(&b, TPM_CC_GET_CAPABILITY, NULL, 0);
	wr_be32(&b.w, 5); /* TPM_CAP_PCRS */
	wr_be32(&b.w, 0);
	wr_be32(&b.w, 16);
	assert_int_equal(run(&b, &r), TPM_RC_SUCCESS);
	rd_skip(&r, 1 + 4);
	uint32_t n = rd_be32(&r);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t alg = rd_be16(&r);
		assert_int_equal(rd_u8(&r), 3);
		for (int k = 0; k < 3; k++)
			assert_int_equal(rd_u8(&r), alg == 0x000b || alg == 0x000c ? 0xff : 0);
	}
	assert_int_equal(rd_end(&r), 0);
	assert_true(n >= 2);
}

/* Locked means locked: not for its owner, nor for the platform. */
static void test_certificates_stay(void **state)
{
	static const uint32_t who[] = { TPM_RH_OWNER, TPM_RH_PLATFORM, 0 };
	struct setup_key key;
	struct tpm_build b;
	struct rd r;

	startup();
	assert_int_equal(setup_read_key(EK_P384, &key, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(who); i++) {
		uint32_t index = ek_row(EK_P384)->nv_index;
		tpm_build_begin(&b, TPM_CC_NV_WRITE,
			(uint32_t[]){ who[i] != 0 ? who[i] : index, index }, 1);
		tpm_build_2b(&b, "x", 1);
		wr_be16(&b.w, 0);
		assert_true(run(&b, &r) != TPM_RC_SUCCESS);
	}
	struct setup_key again;
	assert_int_equal(setup_read_key(EK_P384, &again, NULL), 0);
	assert_memory_equal(&again, &key, sizeof key);
}

/* The keys come from the seed: made again of the templates they are the same. */
static void test_keys_are_of_the_seed(void **state)
{
	struct setup_key key;
	struct tpm_build b;
	uint8_t public[512];
	uint32_t handle;
	struct rd r;

	startup();
	for (unsigned int i = 0; i < EK_COUNT; i++) {
		assert_int_equal(setup_read_key((enum ek_kind)i, &key, NULL), 0);
		tpm_build_begin(&b, TPM_CC_CREATE_PRIMARY, (uint32_t[]){ TPM_RH_ENDORSEMENT }, 1);
		tpm_build_2b(&b, "\0\0\0", 4);
		size_t at = tpm_build_open_2b(&b);
		ek_print_template(ek_row((enum ek_kind)i), &b.w);
		tpm_build_close_2b(&b, at);
		tpm_build_2b(&b, NULL, 0);
		wr_be32(&b.w, 0);
		assert_int_equal(tpm_build_run(&b, &handle, &r, NULL, NULL), 0);
		uint16_t len = rd_be16(&r);
		assert_int_equal(len, key.public_len);
		rd_copy(&r, public, len);
		assert_memory_equal(public, key.public, len);
		tpm_build_begin(&b, TPM_CC_FLUSH_CONTEXT, NULL, 0);
		wr_be32(&b.w, handle);
		assert_int_equal(run(&b, &r), TPM_RC_SUCCESS);
	}
}

/* The CA is made once; its key is nobody else's to read; what is not its certificate is refused. */
static void test_ca(void **state)
{
	struct bench *b = *state;
	AUTO(ek_ca) struct ek_ca again = { 0 };
	struct why why = { 0 };
	struct stat st;

	assert_int_equal(fstatat(b->dir_fd, "ca.key", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ek_ca_open(&again, b->dir_fd, &why), 0);
	assert_int_equal(X509_cmp(again.cert, b->ca.cert), 0);
	ek_ca_close(&again);
	assert_int_equal(unlinkat(b->dir_fd, "ca.key", 0), 0);
	assert_int_equal(ek_ca_open(&again, b->dir_fd, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "ca.key"));
	why_clear(&why);
	assert_int_equal(fd_replace_file(b->dir_fd, "ca.key", "nonsense", 8, 0600, NULL), 0);
	assert_int_equal(ek_ca_open(&again, b->dir_fd, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "ca.key"));
	why_clear(&why);
	assert_int_equal(unlinkat(b->dir_fd, "ca.key", 0), 0);
	assert_int_equal(renameat(b->dir_fd, "ca.pem", b->dir_fd, "old.pem"), 0);
	assert_int_equal(ek_ca_open(&again, b->dir_fd, NULL), 0); /* another one */
	assert_int_equal(renameat(b->dir_fd, "old.pem", b->dir_fd, "ca.pem"), 0);
	ek_ca_close(&again);
	assert_int_equal(ek_ca_open(&again, b->dir_fd, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "not of its ca.key"));
}

/* Public areas that are not the template's, or cut. */
static void test_bad_public_areas(void **state)
{
	struct bench *b = *state;
	struct ek_subject subject = { .guest = "bank/payments" };
	uint8_t cert[EK_CERT_MAX];
	struct setup_key key;
	size_t len;

	startup();
	for (unsigned int i = 0; i < EK_COUNT; i++) {
		assert_int_equal(setup_read_key((enum ek_kind)i, &key, NULL), 0);
		for (size_t at = 0; at < key.public_len; at++)
			assert_int_equal(ek_certify(&b->ca, EK_CERT_KEY, (enum ek_kind)i, &subject,
						 key.public, at, cert, &len, NULL),
				-EBADMSG);
		for (size_t at = 0; at < 58; at++) {
			key.public[at] ^= 1;
			int err = ek_certify(&b->ca, EK_CERT_KEY, (enum ek_kind)i, &subject,
				key.public, key.public_len, cert, &len, NULL);
			assert_true(err == -EBADMSG || (i == EK_P256 && at >= 56) ||
				    (i == EK_RSA_2048 && at >= 58));
			key.public[at] ^= 1;
		}
		subject.guest = "a-tenant-with-a-long-name/"
				"a-guest-whose-name-is-longer-than-a-common-name-may-be";
		assert_int_equal(ek_certify(&b->ca, EK_CERT_KEY, (enum ek_kind)i, &subject,
					 key.public, key.public_len, cert, &len, NULL),
			0);
		assert_non_null(memmem(cert, len, subject.guest, strlen(subject.guest)));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys_and_certificates),
		TEST(test_banks),
		TEST(test_certificates_stay),
		TEST(test_keys_are_of_the_seed),
		TEST(test_ca),
		TEST(test_bad_public_areas),
	};

	return engine_open() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
