/*
 * engine: libtpms behind five calls: what is stored comes back after a power cycle, what cannot be
 * stored is not answered as if it were; the published inputs that once broke libtpms are refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/cm.h"
#include "tests/unit/disk_fault.h"
#include "vtpm/engine.h"
#include "vtpm/tpm_build.h"

#define NV_INDEX 0x01800001u
/* AUTHREAD, AUTHWRITE, OWNERREAD, OWNERWRITE, NO_DA. TPM part 2, 13.4. */
#define NV_ATTRIBUTES 0x02060006u

struct bench {
	int fd;
	struct secret key;
	struct nvstore store;
};

static void bench_on(struct bench *b, bool may_make)
{
	struct why why = { 0 };
	int err = nvstore_open(&b->store, b->fd, &b->key, "bank/payments", &why);

	if (err == -ENODATA && may_make) {
		why_clear(&why);
		err = nvstore_create(&b->store, b->fd, &b->key, "bank/payments", &why);
	}
	if (err == 0)
		err = engine_start(&b->store, may_make, &why);
	if (err < 0)
		fail_msg("%s", why_text(&why, err));
}

static void bench_off(struct bench *b)
{
	engine_stop();
	nvstore_close(&b->store);
}

static int setup(void **state)
{
	static struct bench b;

	disk_sync_error = 0;
	b.fd = memfd_create("state", MFD_CLOEXEC);
	assert_int_equal(secret_init(&b.key, NVSTORE_KEY_BYTES), 0);
	bench_on(&b, true);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	disk_sync_error = 0;
	bench_off(b);
	secret_done(&b->key);
	fd_drop(&b->fd);
	return 0;
}

/* --- commands ------------------------------------------------------------------------------------- */

static uint32_t run(struct tpm_build *b, uint32_t *ret_handle, struct rd *ret)
{
	uint32_t rc = 0xdead;
	int err = tpm_build_run(b, ret_handle, ret, &rc, NULL);

	assert_true(err == 0 || err == -EREMOTEIO);
	return rc;
}

static uint32_t startup(uint16_t type)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_STARTUP, NULL, 0);
	wr_be16(&b.w, type);
	return run(&b, NULL, &r);
}

static uint32_t nv_define(uint16_t size)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_NV_DEFINE_SPACE, (uint32_t[]){ TPM_RH_OWNER }, 1);
	tpm_build_2b(&b, NULL, 0);
	size_t at = tpm_build_open_2b(&b);
	wr_be32(&b.w, NV_INDEX);
	wr_be16(&b.w, 0x000b);
	wr_be32(&b.w, NV_ATTRIBUTES);
	tpm_build_2b(&b, NULL, 0);
	wr_be16(&b.w, size);
	tpm_build_close_2b(&b, at);
	return run(&b, NULL, &r);
}

static uint32_t nv_write(const char *text)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_NV_WRITE, (uint32_t[]){ NV_INDEX, NV_INDEX }, 1);
	tpm_build_2b(&b, text, strlen(text));
	wr_be16(&b.w, 0);
	return run(&b, NULL, &r);
}

static uint32_t nv_read(char *ret, uint16_t len)
{
	struct tpm_build b;
	struct rd r;

	tpm_build_begin(&b, TPM_CC_NV_READ, (uint32_t[]){ NV_INDEX, NV_INDEX }, 1);
	wr_be16(&b.w, len);
	wr_be16(&b.w, 0);
	uint32_t rc = run(&b, NULL, &r);
	if (rc != TPM_RC_SUCCESS)
		return rc;
	assert_int_equal(rd_be16(&r), len);
	rd_copy(&r, ret, len);
	assert_int_equal(rd_end(&r), 0);
	return rc;
}

static uint32_t raw(const void *cmd, size_t len)
{
	const uint8_t *rsp;
	size_t rsp_len;

	assert_int_equal(engine_run(0, cmd, len, &rsp, &rsp_len), 0);
	assert_true(rsp_len >= TPM_HEADER_BYTES && rsp_len <= TPM_BUFFER_BYTES);
	return tpm_rsp_code(rsp, rsp_len);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_power_cycle_keeps_nv(void **state)
{
	struct bench *b = *state;
	char text[8] = "";

	assert_int_equal(nv_write("x"), TPM_RC_INITIALIZE); /* no Startup yet */
	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	assert_int_equal(nv_define(8), TPM_RC_SUCCESS);
	assert_int_equal(nv_write("eight by"), TPM_RC_SUCCESS);
	struct nvstore_mark mark = b->store.mark;
	bench_off(b); /* no Shutdown */
	bench_on(b, false);
	assert_memory_equal(b->store.mark.instance, mark.instance, sizeof mark.instance);
	assert_int_equal(b->store.mark.run, mark.run + 1);
	assert_true(b->store.mark.generation > mark.generation);
	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	assert_int_equal(nv_read(text, 8), TPM_RC_SUCCESS);
	assert_memory_equal(text, "eight by", 8);
}

static void test_pcrs_are_volatile(void **state)
{
	struct bench *b = *state;
	struct tpm_build c;
	struct rd r;
	uint8_t digests[2][32];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(startup(0), TPM_RC_SUCCESS);
		tpm_build_begin(&c, TPM_CC_PCR_EXTEND, (uint32_t[]){ 8 }, 1);
		wr_be32(&c.w, 1);
		wr_be16(&c.w, 0x000b);
		wr_zero(&c.w, 32);
		assert_int_equal(run(&c, NULL, &r), TPM_RC_SUCCESS);
		tpm_build_begin(&c, TPM_CC_PCR_READ, NULL, 0);
		wr_be32(&c.w, 1);
		wr_be16(&c.w, 0x000b);
		wr_copy(&c.w, "\3\0\1\0", 4);
		assert_int_equal(run(&c, NULL, &r), TPM_RC_SUCCESS);
		rd_skip(&r, 4 + 4 + 2 + 4 + 4);
		assert_int_equal(rd_be16(&r), 32);
		rd_copy(&r, digests[i], 32);
		assert_int_equal(rd_end(&r), 0);
		bench_off(b);
		bench_on(b, false);
	}
	assert_memory_equal(digests[0], digests[1], 32);
	/* SHA-256 of 64 zero bytes */
	assert_memory_equal(digests[0], "\xf5\xa5\xfd\x42\xd1\x6a\x20\x30", 8);
}

/* A guest's identity is not made anew where its state is gone. */
static void test_no_state_no_tpm(void **state)
{
	struct bench *b = *state;
	AUTO(nvstore) struct nvstore fresh = NVSTORE_NONE;
	AUTO(fd) int fd = memfd_create("other", MFD_CLOEXEC);
	struct why why = { 0 };

	engine_stop();
	assert_int_equal(nvstore_create(&fresh, fd, &b->key, "bank/payments", NULL), 0);
	assert_int_equal(engine_start(&fresh, false, &why), -ENODATA);
	assert_non_null(strstr(why.text, "no state"));
	assert_int_equal(fresh.mark.generation, 0);
}

/* A state that the store vouches for and libtpms does not take. */
static void test_state_of_nonsense(void **state)
{
	struct bench *b = *state;
	struct why why = { 0 };
	uint8_t text[5000];

	memset(text, 7, sizeof text);
	engine_stop();
	assert_int_equal(nvstore_save(&b->store, text, sizeof text, false), 0);
	uint64_t generation = b->store.mark.generation;
	assert_int_equal(engine_start(&b->store, false, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "does not take"));
	assert_int_equal(b->store.mark.generation, generation);
}

/*
 * The answer to a command whose state did not reach the disk is a failure, and so is all that follows;
 * and nothing of the command is in a log.
 */
static void test_failed_store(void **state)
{
	struct bench *b = *state;
	AUTO(fd) int log = memfd_create("log", MFD_CLOEXEC);
	AUTO(fd) int stderr_fd = dup(STDERR_FILENO);
	char text[8];

	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	assert_int_equal(nv_define(8), TPM_RC_SUCCESS);
	assert_int_equal(nv_write("acked   "), TPM_RC_SUCCESS);
	assert_false(engine_has_failed());
	disk_sync_error = EIO;
	assert_true(dup2(log, STDERR_FILENO) >= 0);
	assert_int_equal(nv_write("lost    "), TPM_RC_FAILURE);
	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	assert_int_equal(lseek(log, 0, SEEK_END), 0);
	assert_true(engine_has_failed());
	disk_sync_error = 0;
	assert_int_equal(nv_read(text, 8), TPM_RC_FAILURE);
	assert_int_equal(startup(0), TPM_RC_FAILURE);
	bench_off(b);
	bench_on(b, false);
	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	assert_int_equal(nv_read(text, 8), TPM_RC_SUCCESS);
}

static void test_start_that_cannot_store(void **state)
{
	struct bench *b = *state;
	struct why why = { 0 };

	engine_stop();
	disk_sync_error = ENOSPC;
	assert_int_equal(engine_start(&b->store, false, &why), -EIO);
	assert_non_null(strstr(why.text, "cannot be written"));
}

static void test_bad_commands_are_answered(void **state)
{
	static const char *const bad[] = { "", "\x80\x01\0\0\0\x0a\0\0\1",
		"\x80\x01\0\0\0\x0b\0\0\1\x7b", "\x80\x03\0\0\0\x0a\0\0\1\x7b",
		"\x80\x01\0\0\0\x0a\x20\0\0\0" };
	static const size_t lens[] = { 0, 9, 10, 10, 10 };

	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(raw(bad[i], lens[i]) != TPM_RC_SUCCESS);
	uint8_t long_one[TPM_BUFFER_BYTES + 1] = { 0x80, 0x01, 0, 0, 0x0f, 0x81, 0, 0, 1, 0x7b };
	assert_int_equal(raw(long_one, sizeof long_one), TPM_RC_COMMAND_SIZE);
}

/* What our table says of handles is what the engine says: TPM_CAP_COMMANDS, TPMA_CC. Part 2, 8.9. */
static void test_table_agrees_with_engine(void **state)
{
	size_t n, seen = 0;
	struct tpm_build b;
	struct rd r;

	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	tpm_build_begin(&b, TPM_CC_GET_CAPABILITY, NULL, 0);
	wr_be32(&b.w, 2);
	wr_be32(&b.w, 0x11f);
	wr_be32(&b.w, 256);
	assert_int_equal(run(&b, NULL, &r), TPM_RC_SUCCESS);
	rd_skip(&r, 1 + 4);
	uint32_t count = rd_be32(&r);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t cc = rd_be32(&r);
		const struct tpm_cc_row *row = tpm_cc_find(cc & 0xffff);
		if ((cc & 1u << 29) != 0)
			continue; /* a vendor's */
		if (row == NULL) {
			print_message("# the engine has 0x%x, the table not\n", cc & 0xffff);
			continue;
		}
		seen++;
		if (row->handles != (cc >> 25 & 7))
			fail_msg("%s: %u handles, the engine says %u", row->name, row->handles,
				cc >> 25 & 7);
	}
	assert_int_equal(rd_end(&r), 0);
	(void)tpm_cc_rows(&n);
	assert_true(seen > 100 && seen <= n);
}

static void test_random(void **state)
{
	uint8_t seen[2][32];
	struct tpm_build b;
	struct rd r;

	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	for (int i = 0; i < 2; i++) {
		tpm_build_begin(&b, TPM_CC_GET_RANDOM, NULL, 0);
		wr_be16(&b.w, 32);
		assert_int_equal(run(&b, NULL, &r), TPM_RC_SUCCESS);
		assert_int_equal(rd_be16(&r), 32);
		rd_copy(&r, seen[i], 32);
	}
	assert_memory_not_equal(seen[0], seen[1], 32);
}

/* CVE-2025-49133: a scheme for RSA or ECC keys, used with a keyed-hash key. */
static void test_sign_with_the_wrong_scheme(void **state)
{
	static const uint16_t schemes[] = { 0x0014, 0x0016, 0x0018, 0x001a, 0x001b, 0x001c };
	struct tpm_build b;
	struct rd r;
	uint32_t key;

	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	tpm_build_begin(&b, TPM_CC_CREATE_PRIMARY, (uint32_t[]){ TPM_RH_OWNER }, 1);
	tpm_build_2b(&b, "\0\0\0", 4); /* no password, no data */
	size_t at = tpm_build_open_2b(&b);
	wr_be16(&b.w, 0x0008); /* TPM_ALG_KEYEDHASH */
	wr_be16(&b.w, 0x000b);
	wr_be32(&b.w, 0x00060072); /* fixed, of the TPM, made by it, password, signs, decrypts */
	tpm_build_2b(&b, NULL, 0);
	wr_be16(&b.w, 0x0010); /* no scheme */
	tpm_build_2b(&b, NULL, 0);
	tpm_build_close_2b(&b, at);
	tpm_build_2b(&b, NULL, 0);
	wr_be32(&b.w, 0);
	assert_int_equal(run(&b, &key, &r), TPM_RC_SUCCESS);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		uint8_t digest[32] = { 1 };
		tpm_build_begin(&b, TPM_CC_SIGN, &key, 1);
		tpm_build_2b(&b, digest, sizeof digest);
		wr_be16(&b.w, schemes[i]);
		wr_be16(&b.w, 0x000b);
		if (schemes[i] == 0x001a)
			wr_be16(&b.w, 0); /* ECDAA: a count */
		wr_be16(&b.w, 0x8024);    /* TPM_ST_HASHCHECK, of nobody */
		wr_be32(&b.w, TPM_RH_NULL);
		wr_be16(&b.w, 0);
		uint32_t rc = run(&b, NULL, &r);
		assert_true(rc != TPM_RC_SUCCESS && rc != TPM_RC_FAILURE);
	}
	assert_int_equal(
		raw("\x80\x01\0\0\0\x0c\0\0\1\x7b\0\x08", 12), TPM_RC_SUCCESS); /* it lives */
}

/* Random commands with good headers, 20,000 of them: an answer each, and the TPM lives. */
static void test_noise(void **state)
{
	uint8_t cmd[256];
	size_t n;
	const struct tpm_cc_row *rows = tpm_cc_rows(&n);

	srand(11);
	assert_int_equal(startup(0), TPM_RC_SUCCESS);
	for (int i = 0; i < 20000; i++) {
		size_t len = 10 + (size_t)rand() % 100;
		struct wr w = wr_of(cmd, sizeof cmd);
		wr_be16(&w, rand() % 2 ? TPM_ST_SESSIONS : TPM_ST_NO_SESSIONS);
		wr_be32(&w, (uint32_t)len);
		wr_be32(&w, rows[(size_t)rand() % n].code);
		while (w.len < len)
			wr_u8(&w, rand() % 3 ? (uint8_t)(rand() % 4) : (uint8_t)rand());
		(void)raw(cmd, len);
	}
	assert_false(engine_has_failed());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_power_cycle_keeps_nv),
		TEST(test_pcrs_are_volatile),
		TEST(test_no_state_no_tpm),
		TEST(test_state_of_nonsense),
		TEST(test_failed_store),
		TEST(test_start_that_cannot_store),
		TEST(test_bad_commands_are_answered),
		TEST(test_table_agrees_with_engine),
		TEST(test_random),
		TEST(test_sign_with_the_wrong_scheme),
		TEST(test_noise),
	};

	return engine_open() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
