/*
 * mon_file: the monitor's own SHA-384 against the standard and libcrypto; and that each place where a
 * file of the policy is read refuses another one.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha512.h"
#include "base/wr.h"
#include "tests/unit/bzimage.h"
#include "tests/unit/cm.h"
#include "tests/unit/fw_maker.h"
#include "vmm/monitor/mon_boot.h"
#include "vmm/monitor/mon_file.h"
#include "vmm/monitor/mon_flash.h"
#include "vmm/monitor/mon_fwimage.h"

/* --- SHA-384 ----------------------------------------------------------------------------------- */

/* FIPS 180-4's examples, and no bytes at all. */
static void sha384_gives_the_standards_examples(void **state)
{
	static const struct {
		const char *text, *hex;
	} rows[] = {
		{ "", "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
		      "274edebfe76f65fbd51ad2f14898b95b" },
		{ "abc", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
			 "8086072ba1e7cc2358baeca134c825a7" },
		{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
		  "klmnopqrlmnopqrsmnopqrstnopqrstu",
			"09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712"
			"fcc7c71a557e2db966c3e9fa91746039" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t digest[SHA512_384_BYTES];
		char hex[2 * sizeof digest + 1];
		sha512_384(rows[i].text, strlen(rows[i].text), digest);
		wr_hex_str(hex, sizeof hex, digest, sizeof digest);
		assert_string_equal(hex, rows[i].hex);
	}
}

static void sha384_is_libcryptos_at_every_length_and_in_pieces(void **state)
{
	static uint8_t bytes[1000];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 256);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		uint8_t is[SHA512_384_BYTES], pieces[SHA512_384_BYTES], want[SHA512_384_BYTES];
		struct sha512 s;
		size_t cut = len * 3 / 7;
		assert_int_equal(EVP_Digest(bytes, len, want, NULL, EVP_sha384(), NULL), 1);
		sha512_384(bytes, len, is);
		sha512_init_384(&s);
		sha512_add(&s, bytes, cut);
		sha512_add(&s, bytes + cut, len - cut);
		sha512_end_384(&s, pieces);
		assert_memory_equal(is, want, sizeof want);
		assert_memory_equal(pieces, want, sizeof want);
	}
}

/* --- files ------------------------------------------------------------------------------------- */

static struct wire_plan_digest digest_of(const void *bytes, size_t len)
{
	struct wire_plan_digest d = { .has_sha384 = le32_of(1) };

	assert_int_equal(EVP_Digest(bytes, len, d.sha384, NULL, EVP_sha384(), NULL), 1);
	return d;
}

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_pwrite_all(fd, bytes, len, 0), 0);
	return fd;
}

static void a_file_is_read_when_it_is_what_the_policy_means(void **state)
{
	static const char text[] = "what the policy means";
	struct wire_plan_digest want = digest_of(text, sizeof text), any = { 0 };
	AUTO(fd) int fd = file_of(text, sizeof text);
	const struct mon_file files[] = { { fd, &want }, { fd, &any }, { fd, NULL } };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		uint8_t *bytes = NULL;
		size_t len = 0;
		assert_int_equal(
			mon_file_read(&files[i], sizeof text, "kernel", &bytes, &len, NULL), 0);
		assert_int_equal(len, sizeof text);
		assert_memory_equal(bytes, text, sizeof text);
		(void)munmap(bytes, len);
	}
}

static void another_file_is_refused_and_both_digests_are_named(void **state)
{
	static const char meant[] = "a", is[] = "b";
	struct wire_plan_digest want = digest_of(meant, sizeof meant);
	struct wire_plan_digest found = digest_of(is, sizeof is);
	AUTO(fd) int fd = file_of(is, sizeof is);
	AUTO(fd) int empty = file_of("", 0);
	char hex[2][2 * SHA512_384_BYTES + 1];
	struct why why = { 0 };
	uint8_t *bytes = NULL;
	size_t len = 77;

	wr_hex_str(hex[0], sizeof hex[0], want.sha384, sizeof want.sha384);
	wr_hex_str(hex[1], sizeof hex[1], found.sha384, sizeof found.sha384);
	assert_int_equal(
		mon_file_read(&(struct mon_file){ fd, &want }, 100, "initrd", &bytes, &len, &why),
		-EBADMSG);
	assert_null(bytes);
	assert_int_equal(len, 77);
	assert_ptr_equal(
		strstr(why.text, "initrd: differs from the policy: boot.initrd.sha384 is "),
		why.text);
	assert_true(strstr(why.text, hex[0]) != NULL && strstr(why.text, hex[1]) != NULL);
	/* The last byte of a digest counts as the first. */
	found.sha384[47] ^= 1;
	assert_int_equal(
		mon_file_check(&(struct mon_file){ fd, &found }, "kernel", is, sizeof is, NULL),
		-EBADMSG);
	/* No file at all is not the file. */
	assert_int_equal(mon_file_read(&(struct mon_file){ empty, &want }, 100, "initrd", &bytes,
				 &len, NULL),
		-EBADMSG);
	assert_int_equal(
		mon_file_read(&(struct mon_file){ fd, NULL }, 1, "initrd", &bytes, &len, NULL),
		-EMSGSIZE);
}

/* --- whoever reads ------------------------------------------------------------------------------ */

static int flash_map(void *owner, unsigned int slot, uint64_t gpa, size_t size, void *host)
{
	return 0;
}

static int flash_try(int fd, const struct wire_plan_digest *want, struct why *why)
{
	static const struct flash_ops ops = { flash_map, NULL };
	AUTO(fd) int none = file_of("", 0);
	struct bus bus = { 0 };
	struct flash flash;
	const struct mon_file code = { fd, want };
	int err = mon_flash_open(&flash, &bus, &code, none, &ops, why);

	mon_flash_close(&flash);
	return err;
}

static int fwimage_try(int fd, const struct wire_plan_digest *want, struct why *why)
{
	struct fwimage f;
	int err = mon_fwimage_open(&f, &(struct mon_file){ fd, want }, GUEST_SNP, why);

	if (err == 0)
		mon_fwimage_close(&f);
	return err;
}

static void other_firmware_is_refused_in_flash_and_as_memory(void **state)
{
	static struct fw_maker m;

	fw_make(&m);
	struct wire_plan_digest want = digest_of(m.image, sizeof m.image);
	for (unsigned int i = 0; i < 2; i++) {
		int (*try)(int, const struct wire_plan_digest *, struct why *) =
			i == 0 ? flash_try : fwimage_try;
		struct why why = { 0 };
		AUTO(fd) int fd = file_of(m.image, sizeof m.image);
		assert_int_equal(try(fd, &want, NULL), 0);
		uint8_t byte = m.image[0] ^ 1; /* where no parser looks */
		assert_int_equal(fd_pwrite_all(fd, &byte, 1, 0), 0);
		assert_int_equal(try(fd, NULL, NULL), 0);
		assert_int_equal(try(fd, &want, &why), -EBADMSG);
		assert_ptr_equal(strstr(why.text, "firmware: differs"), why.text);
	}
}

static int boot_try(int kernel_fd, const struct wire_plan_digest *kernel, int initrd_fd,
	const struct wire_plan_digest *initrd, struct why *why)
{
	static const struct boot_config config = {
		.memory_bytes = 256u << 20, .vcpus = 1, .cmdline = "x"
	};
	static struct boot boot;
	int err = mon_boot_init(&boot, &config, &(struct mon_file){ kernel_fd, kernel },
		&(struct mon_file){ initrd_fd, initrd }, why);

	mon_boot_done(&boot);
	return err;
}

static void another_kernel_or_ramdisk_is_refused_by_a_direct_boot(void **state)
{
	static uint8_t image[BZIMAGE_SETUP_BYTES + 8192];
	static const char ramdisk[] = "ramdisk";
	struct why why = { 0 };

	bzimage_make(image, sizeof image);
	AUTO(fd) int kernel_fd = file_of(image, sizeof image);
	AUTO(fd) int initrd_fd = file_of(ramdisk, sizeof ramdisk);
	struct wire_plan_digest kernel = digest_of(image, sizeof image);
	struct wire_plan_digest initrd = digest_of(ramdisk, sizeof ramdisk);
	assert_int_equal(boot_try(kernel_fd, &kernel, initrd_fd, &initrd, &why), 0);
	assert_int_equal(boot_try(kernel_fd, &kernel, initrd_fd, &kernel, &why), -EBADMSG);
	assert_ptr_equal(strstr(why.text, "initrd: differs"), why.text);
	why_clear(&why);
	assert_int_equal(boot_try(kernel_fd, &initrd, initrd_fd, &initrd, &why), -EBADMSG);
	assert_ptr_equal(strstr(why.text, "kernel: differs"), why.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha384_gives_the_standards_examples),
		cmocka_unit_test(sha384_is_libcryptos_at_every_length_and_in_pieces),
		cmocka_unit_test(a_file_is_read_when_it_is_what_the_policy_means),
		cmocka_unit_test(another_file_is_refused_and_both_digests_are_named),
		cmocka_unit_test(other_firmware_is_refused_in_flash_and_as_memory),
		cmocka_unit_test(another_kernel_or_ramdisk_is_refused_by_a_direct_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
