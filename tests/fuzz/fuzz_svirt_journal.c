/* Must reach: journal_parse, all three kinds of record; with a checksum that fits, and without. */
#include <assert.h>
#include <string.h>

#include "base/cdefs.h"
#include "base/sha256.h"
#include "sandbox/svirt_journal.h"
#include "tests/fuzz/fuzz.h"

#define BYTES_MAX (4 * JOURNAL_RECORD_BYTES)

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
	return 0;
}
