#include "vmm/monitor/mon_hob.h"

#include <errno.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/wr.h"

/* ABI 4.9; UEFI PI 1.7, volume 3. */
#define HOB_PHIT           0x0001u
#define HOB_PHIT_BYTES     56u
#define HOB_PHIT_VERSION   9u
#define HOB_RESOURCE       0x0003u
#define HOB_RESOURCE_BYTES 48u
#define HOB_END            0xffffu
#define HOB_END_BYTES      8u
#define MEMORY_ADDED       0u /* EFI_RESOURCE_SYSTEM_MEMORY */
#define MEMORY_UNACCEPTED  7u
#define MEMORY_ATTRIBUTES  7u /* present, initialised, tested */

static void header_write(struct wr *w, uint16_t type, uint16_t bytes)
{
	wr_le16(w, type);
	wr_le16(w, bytes);
	wr_le32(w, 0);
}

static void resource_write(struct wr *w, uint32_t type, uint64_t start, uint64_t len)
{
	if (len == 0)
		return;
	header_write(w, HOB_RESOURCE, HOB_RESOURCE_BYTES);
	wr_zero(w, 16); /* owner */
	wr_le32(w, type);
	wr_le32(w, MEMORY_ATTRIBUTES);
	wr_le64(w, start);
	wr_le64(w, len);
}

/* By address; a few dozen at most. */
static void ranges_sort(struct hob_range *r, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++)
		for (unsigned int j = i; j > 0 && r[j].gpa < r[j - 1].gpa; j--) {
			struct hob_range swap = r[j];
			r[j] = r[j - 1];
			r[j - 1] = swap;
		}
}

/* One range of RAM, cut where memory was added; *at is the first added range not yet seen. */
static MUST_USE int ram_write(struct wr *w, const struct mem_range *ram,
	const struct hob_range *added, unsigned int n, unsigned int *at)
{
	uint64_t from = ram->gpa;
	uint64_t end = ram->gpa + ram->size;

	for (; *at < n && added[*at].gpa < end; (*at)++) {
		const struct hob_range *a = &added[*at];
		if (a->gpa < from || a->size == 0 || a->size > end - a->gpa)
			return -EFAULT; /* before the RAM, on another one, or past the end */
		resource_write(w, MEMORY_UNACCEPTED, from, a->gpa - from);
		resource_write(w, MEMORY_ADDED, a->gpa, a->size);
		from = a->gpa + a->size;
	}
	resource_write(w, MEMORY_UNACCEPTED, from, end - from);
	return 0;
}

int mon_hob_build(uint8_t *ret, size_t size, uint64_t gpa, const struct mon_memory *memory,
	const struct hob_range *added, unsigned int n, struct why *why)
{
	struct hob_range sorted[LIMIT_FIRMWARE_SECTIONS];
	struct wr w = wr_of(ret, size);
	unsigned int at = 0;
	int err = n > ARRAY_LEN(sorted) ? -EMSGSIZE : 0;

	for (unsigned int i = 0; err == 0 && i < n; i++)
		sorted[i] = added[i];
	if (err == 0)
		ranges_sort(sorted, n);
	header_write(&w, HOB_PHIT, HOB_PHIT_BYTES);
	wr_le32(&w, HOB_PHIT_VERSION);
	wr_le32(&w, 0);  /* boot mode: full configuration */
	wr_zero(&w, 32); /* memory and free ranges: the firmware's own business */
	size_t end_at = w.len;
	wr_le64(&w, 0);
	for (unsigned int i = 0; err == 0 && i < memory->n; i++)
		err = ram_write(&w, &memory->ranges[i], sorted, n, &at);
	if (err == -EFAULT || (err == 0 && at < n))
		return why_set(why, -EFAULT,
			"the firmware's memory at 0x%llx is not in the guest's RAM, or there twice",
			(unsigned long long)sorted[MIN(at, n - 1)].gpa);
	uint64_t end = gpa + w.len + HOB_END_BYTES;
	header_write(&w, HOB_END, HOB_END_BYTES);
	if (err < 0 || wr_check(&w) < 0)
		return why_set(why, -EMSGSIZE,
			"the list of the guest's memory does not fit into the firmware's %zu bytes",
			size);
	struct wr at_end = wr_of(ret + end_at, 8);
	wr_le64(&at_end, end);
	return 0;
}
