/*
 * Must reach: journal_parse, all three kinds of record; with a checksum that fits, and without; and as a
 * file among the journals of a folder, where what names a label that its pair does not give is left
 * out (journals_next).
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cdefs.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "sandbox/svirt_journal.h"
#include "sandbox/svirt_priv.h"
#include "tests/fuzz/fuzz.h"

#define BYTES_MAX (4 * JOURNAL_RECORD_BYTES)
#define PAIR      "c1,c2" /* the file's name */

/* What is found is whole: text ends, numbers are in range. */
static void journal_check(const struct journal *j)
{
	assert(strlen(j->guest) < sizeof j->guest && strlen(j->boot) < sizeof j->boot);
	assert(j->n_objects <= LIMIT_SVIRT_OBJECTS);
	for (unsigned int i = 0; i < j->n_objects; i++) {
		const struct journal_object *o = &j->objects[i];
		assert(o->object < SVIRT_OBJECT_COUNT && o->path[0] == '/');
		assert(strlen(o->path) < sizeof o->path && o->old_label[0] != 0 &&
			o->new_label[0] != 0);
		assert(strlen(o->old_label) < sizeof o->old_label &&
			strlen(o->new_label) < sizeof o->new_label);
	}
}

static char top[] = "/tmp/casemate-fuzz-XXXXXX";
static int folder = -1;

static void folder_remove(void)
{
	(void)unlinkat(folder, PAIR, 0);
	(void)rmdir(top);
}

static void folder_make(void)
{
	if (mkdtemp(top) == NULL)
		abort();
	folder = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || atexit(folder_remove) != 0)
		abort();
}

/* As whoever restores labels finds it. */
static void file_check(const uint8_t *buf, size_t len)
{
	static struct journal_file f;
	struct journals list;

	if (folder < 0)
		folder_make();
	AUTO(fd) int fd = openat(folder, PAIR, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f.fd = -1;
	if (fd < 0 || fd_pwrite_all(fd, buf, len, 0) < 0 ||
		journals_list(folder, NULL, &list) < 0 || journals_next(&list, &f) != 1)
		abort();
	journal_check(&f.is);
	for (unsigned int i = 0; i < f.is.n_objects; i++)
		assert(svirt_gives_label(f.is.objects[i].object, PAIR, f.is.objects[i].new_label));
	journals_close(&list, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct journal j;
	uint8_t buf[BYTES_MAX];
	size_t len = MIN(size, sizeof buf);

	journal_parse(data, size, &j);
	journal_check(&j);
	memcpy(buf, data, len);
	for (size_t at = 0; at + JOURNAL_RECORD_BYTES <= len; at += JOURNAL_RECORD_BYTES)
		sha256(buf + at, JOURNAL_RECORD_BYTES - SHA256_BYTES,
			buf + at + JOURNAL_RECORD_BYTES - SHA256_BYTES);
	journal_parse(buf, len, &j);
	journal_check(&j);
	if (j.n_objects > 0)
		file_check(buf, len);
	return 0;
}
