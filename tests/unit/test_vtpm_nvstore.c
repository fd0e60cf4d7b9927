/*
 * nvstore: states come back; what is damaged, foreign, of another key or version is told apart; a crash
 * between any two writes, with any part of what was not yet synchronised on the disk, leaves a state that
 * was acknowledged or the one in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/cm.h"
#include "vtpm/nvstore.h"

#define GUEST      "bank/payments"
#define FILE_BYTES (2 * NVSTORE_SLOT_BYTES)

/* --- a disk that can lose what was not synchronised, and be full -------------------------------- */

static int disk_error;    /* what pwrite() answers, 0: it writes */
static int sync_error;    /* what fdatasync() answers */
static size_t write_room; /* bytes of one pwrite() that are taken */
static unsigned int writes, syncs;

ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t at)
{
	writes++;
	if (disk_error != 0 && write_room == 0) {
		errno = disk_error;
		return -1;
	}
	size_t n = disk_error != 0 && len > write_room ? write_room : len;
	if (disk_error != 0)
		write_room -= n;
	return __real_pwrite64(fd, buf, n, at);
}

int __wrap_fdatasync(int fd)
{
	syncs++;
	if (sync_error != 0) {
		errno = sync_error;
		return -1;
	}
	return __real_fdatasync(fd);
}

/* --- helpers -------------------------------------------------------------------------------------- */

static struct secret key_make(uint8_t fill)
{
	struct secret key;

	assert_int_equal(secret_init(&key, NVSTORE_KEY_BYTES), 0);
	memset(key.p, fill, key.len);
	return key;
}

static int file_make(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A state that says which one it is. */
static size_t state_fill(uint8_t *ret, uint32_t number)
{
	size_t len = 100 + number % 5000;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(number * 7 + i);
	memcpy(ret, &number, sizeof number);
	return len;
}

static void save_number(struct nvstore *s, uint32_t number)
{
	uint8_t state[6000];
	size_t len = state_fill(state, number);

	assert_int_equal(nvstore_save(s, state, len, false), 0);
}

static uint32_t number_of(const struct nvstore *s)
{
	uint8_t want[6000];
	uint32_t number;

	memcpy(&number, s->state, sizeof number);
	assert_int_equal(s->len, state_fill(want, number));
	assert_memory_equal(s->state, want, s->len);
	return number;
}

/* A file with the states 1 to n. */
static int file_with(uint32_t n)
{
	AUTO(secret) struct secret key = key_make(1);
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	int fd = file_make();

	assert_int_equal(nvstore_create(&s, fd, &key, GUEST, NULL), 0);
	for (uint32_t i = 1; i <= n; i++)
		save_number(&s, i);
	return fd;
}

static int open_error(int fd, uint8_t key_fill, const char *guest, const char *says)
{
	AUTO(secret) struct secret key = key_make(key_fill);
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	struct why why = { 0 };

	int err = nvstore_open(&s, fd, &key, guest, &why);
	assert_true(err < 0);
	assert_ptr_equal(s.state, NULL);
	if (says != NULL && strstr(why.text, says) == NULL)
		fail_msg("'%s' is not in '%s'", says, why.text);
	return err;
}

static uint32_t open_number(int fd, bool *ret_torn)
{
	AUTO(secret) struct secret key = key_make(1);
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	struct why why = { 0 };

	int err = nvstore_open(&s, fd, &key, GUEST, &why);
	if (err < 0)
		fail_msg("%s", why_text(&why, err));
	if (ret_torn != NULL)
		*ret_torn = s.has_torn;
	assert_int_equal(s.mark.generation, number_of(&s));
	return number_of(&s);
}

static void byte_change(int fd, uint64_t at, uint8_t mask)
{
	uint8_t b;

	assert_int_equal(fd_pread_all(fd, &b, 1, at), 0);
	b ^= mask;
	assert_int_equal(fd_pwrite_all(fd, &b, 1, at), 0);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_states_come_back(void **state)
{
	AUTO(secret) struct secret key = key_make(1);
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	AUTO(fd) int fd = file_make();
	struct nvstore_mark last = { 0 };

	assert_int_equal(nvstore_create(&s, fd, &key, GUEST, NULL), 0);
	assert_int_equal(s.len, 0);
	for (uint32_t i = 1; i <= 20; i++) {
		uint8_t text[6000];
		size_t len = state_fill(text, i);
		assert_int_equal(nvstore_save(&s, text, len, i % 5 == 0), 0);
		assert_int_equal(s.mark.generation, i);
		assert_int_equal(s.mark.run, i / 5);
		assert_memory_not_equal(s.mark.digest, last.digest, sizeof last.digest);
		last = s.mark;
		AUTO(nvstore) struct nvstore again = NVSTORE_NONE;
		assert_int_equal(nvstore_open(&again, fd, &key, GUEST, NULL), 0);
		assert_int_equal(number_of(&again), i);
		assert_memory_equal(&again.mark, &s.mark, sizeof again.mark);
		assert_false(again.has_torn);
	}
}

static void test_limits(void **state)
{
	AUTO(secret) struct secret key = key_make(1);
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	AUTO(nvstore) struct nvstore again = NVSTORE_NONE;
	AUTO(fd) int fd = file_make();
	uint8_t *big = calloc(1, LIMIT_VTPM_STATE_BYTES + 1);

	assert_non_null(big);
	assert_int_equal(nvstore_create(&s, fd, &key, GUEST, NULL), 0);
	assert_int_equal(nvstore_save(&s, big, 0, false), -EMSGSIZE);
	assert_int_equal(nvstore_save(&s, big, LIMIT_VTPM_STATE_BYTES + 1, false), -EMSGSIZE);
	assert_int_equal(nvstore_save(&s, big, LIMIT_VTPM_STATE_BYTES, false), 0);
	assert_int_equal(nvstore_open(&again, fd, &key, GUEST, NULL), 0);
	assert_int_equal(again.len, LIMIT_VTPM_STATE_BYTES);
	free(big);
	nvstore_close(&again);
	struct why why = { 0 };
	assert_int_equal(nvstore_create(&again, fd, &key, GUEST, &why), -EEXIST);
	assert_non_null(strstr(why.text, "not empty"));
}

static void test_who_may_open(void **state)
{
	AUTO(fd) int fd = file_with(3);
	AUTO(fd) int empty = file_make();

	assert_int_equal(open_error(empty, 1, GUEST, "holds no state"), -ENODATA);
	assert_int_equal(open_error(fd, 2, GUEST, "another key"), -EKEYREJECTED);
	assert_int_equal(open_error(fd, 1, "bank/other", "another guest's"), -EXDEV);
	assert_int_equal(open_number(fd, NULL), 3);
	byte_change(fd, 16, 2); /* the version of both */
	byte_change(fd, NVSTORE_SLOT_BYTES + 16, 2);
	assert_int_equal(open_error(fd, 1, GUEST, "later version"), -ENOTSUP);
}

/* Nothing of the two files is in clear but the header; equal states look different. */
static void test_nothing_in_clear(void **state)
{
	AUTO(secret) struct secret key = key_make(1);
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	AUTO(fd) int fd = file_make();
	uint8_t file[2][1200];
	uint8_t plain[1000];

	memset(plain, 'S', sizeof plain);
	assert_int_equal(nvstore_create(&s, fd, &key, GUEST, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(nvstore_save(&s, plain, sizeof plain, false), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(fd_pread_all(fd, file[i], 1100, i * NVSTORE_SLOT_BYTES), 0);
		assert_null(memmem(file[i], sizeof file[i], "SSSS", 4));
	}
	assert_memory_not_equal(file[0] + 128, file[1] + 128, 12);
	assert_memory_not_equal(file[0] + 140, file[1] + 140, 900);
}

/* Every bit of what the newest slot is made of: the state before is found; and the other way about. */
static void test_one_changed_bit(void **state)
{
	AUTO(fd) int fd = file_with(2); /* 1 in the second slot, 2 in the first */
	bool is_torn;

	for (size_t at = 0; at < 128 + 28 + 101; at++) {
		uint8_t mask = (uint8_t)(1u << at % 8);
		byte_change(fd, at, mask);
		assert_int_equal(open_number(fd, &is_torn), 1);
		assert_true(is_torn);
		byte_change(fd, at, mask);
		byte_change(fd, NVSTORE_SLOT_BYTES + at, mask);
		assert_int_equal(open_number(fd, &is_torn), 2);
		assert_true(is_torn);
		byte_change(fd, NVSTORE_SLOT_BYTES + at, mask);
	}
	assert_int_equal(open_number(fd, &is_torn), 2);
	assert_false(is_torn);
	byte_change(fd, 200, 1);
	byte_change(fd, NVSTORE_SLOT_BYTES + 200, 1);
	assert_int_equal(open_error(fd, 1, GUEST, "damaged"), -EBADMSG);
}

static void test_truncated(void **state)
{
	for (off_t len = 0; len < 300; len += 7) {
		AUTO(fd) int fd = file_with(1); /* in the second slot */
		assert_int_equal(ftruncate(fd, NVSTORE_SLOT_BYTES + len), 0);
		if (len < 128 + 28 + 101)
			assert_int_equal(
				open_error(fd, 1, GUEST, len == 0 ? "holds no state" : "damaged"),
				len == 0 ? -ENODATA : -EBADMSG);
		else
			assert_int_equal(open_number(fd, NULL), 1);
	}
}

/* A slot in the other's place, slots of two TPMs, and what is behind them. */
static void test_slots_are_not_exchanged(void **state)
{
	AUTO(fd) int a = file_with(2);
	AUTO(fd) int b = file_with(3);
	uint8_t slot[1000];

	assert_int_equal(fd_pread_all(b, slot, 128 + 28 + 103, NVSTORE_SLOT_BYTES),
		0); /* 3 of another TPM */
	assert_int_equal(fd_pwrite_all(a, slot, 128 + 28 + 103, NVSTORE_SLOT_BYTES), 0);
	assert_int_equal(open_error(a, 1, GUEST, "two TPMs"), -EBADMSG);
	assert_int_equal(fd_pwrite_all(a, slot, 128 + 28 + 103, 0),
		0); /* odd generations are the second's */
	assert_int_equal(open_number(a, NULL), 3);
	memset(slot, 0xff, sizeof slot);
	assert_int_equal(fd_pwrite_all(a, slot, sizeof slot, FILE_BYTES), 0);
	assert_int_equal(open_number(a, NULL), 3);
}

/* Disk full after each number of bytes; a failed fdatasync(). What was acknowledged stays; nothing
 * is saved any more. */
static void test_full_disk(void **state)
{
	static const size_t rooms[] = { 0, 1, 64, 127, 128, 129, 140, 200, 257, 258 };
	AUTO(secret) struct secret key = key_make(1);
	uint8_t text[6000];

	for (size_t i = 0; i <= ARRAY_LEN(rooms); i++) {
		AUTO(fd) int fd = file_with(2);
		AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
		assert_int_equal(nvstore_open(&s, fd, &key, GUEST, NULL), 0);
		size_t len = state_fill(text, 3);
		if (i < ARRAY_LEN(rooms)) {
			disk_error = ENOSPC;
			write_room = rooms[i];
		} else {
			sync_error = EIO;
		}
		assert_int_equal(
			nvstore_save(&s, text, len, false), i < ARRAY_LEN(rooms) ? -ENOSPC : -EIO);
		disk_error = sync_error = 0;
		unsigned int before = writes;
		assert_int_equal(nvstore_save(&s, text, len, false), -EROFS);
		assert_int_equal(writes, before);
		assert_int_equal(open_number(fd, NULL), i < ARRAY_LEN(rooms) ? 2 : 3);
	}
}

/*
 * Power cut: the disk holds everything up to the last fdatasync(), and of the write behind it any set
 * of its sectors, each old or new. 300 sets for each of 12 saves, and all prefixes.
 */
static void test_power_cut(void **state)
{
	enum { SECTOR = 512 };
	AUTO(secret) struct secret key = key_make(1);
	AUTO(nvstore) struct nvstore s = NVSTORE_NONE;
	AUTO(fd) int fd = file_make();
	AUTO(fd) int cut = file_make();
	static uint8_t before[FILE_BYTES], after[FILE_BYTES], mixed[FILE_BYTES];
	unsigned int seen[2] = { 0 };

	srand(7);
	assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	assert_int_equal(nvstore_create(&s, fd, &key, GUEST, NULL), -EEXIST);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(nvstore_create(&s, fd, &key, GUEST, NULL), 0);
	assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	for (uint32_t number = 1; number <= 12; number++) {
		assert_int_equal(fd_pread_all(fd, before, sizeof before, 0), 0);
		unsigned int synced = syncs;
		save_number(&s, number * 400);
		s.mark.generation = number; /* as saved */
		assert_int_equal(syncs, synced + 1);
		assert_int_equal(fd_pread_all(fd, after, sizeof after, 0), 0);
		for (unsigned int set = 0; set < 340; set++) {
			for (size_t at = 0; at < FILE_BYTES; at += SECTOR) {
				bool is_new =
					set < 40 ? at % NVSTORE_SLOT_BYTES < (size_t)set * SECTOR
						 : rand() % 2 != 0;
				memcpy(mixed + at, (is_new ? after : before) + at, SECTOR);
			}
			assert_int_equal(fd_pwrite_all(cut, mixed, sizeof mixed, 0), 0);
			AUTO(nvstore) struct nvstore again = NVSTORE_NONE;
			int err = nvstore_open(&again, cut, &key, GUEST, NULL);
			if (number == 1 && err < 0) {
				assert_true(err == -ENODATA || err == -EBADMSG);
				continue; /* nothing was acknowledged yet */
			}
			assert_int_equal(err, 0);
			uint32_t got = number_of(&again) / 400;
			assert_true(got == number || got == number - 1);
			seen[got == number]++;
		}
	}
	assert_true(seen[0] > 100 && seen[1] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states_come_back),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_who_may_open),
		cmocka_unit_test(test_nothing_in_clear),
		cmocka_unit_test(test_one_changed_bit),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_slots_are_not_exchanged),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_power_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
