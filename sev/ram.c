#include "sev/ram.h"

#include <errno.h>
#include <stdlib.h>

#include "base/num.h"

void bits_set(struct bits *b, uint64_t first, uint64_t n, bool value)
{
	for (uint64_t i = first; i < first + n;) {
		if (i % 64 == 0 && first + n - i >= 64) { /* a whole word at a time */
			b->word[i / 64] = value ? UINT64_MAX : 0;
			i += 64;
			continue;
		}
		if (value)
			b->word[i / 64] |= 1ull << (i % 64);
		else
			b->word[i / 64] &= ~(1ull << (i % 64));
		i++;
	}
}

bool bits_get(const struct bits *b, uint64_t at)
{
	return (b->word[at / 64] >> (at % 64) & 1) != 0;
}

uint64_t bits_find(const struct bits *b, uint64_t first, uint64_t n, bool value)
{
	const uint64_t none = value ? 0 : UINT64_MAX;

	for (uint64_t i = first; i < first + n;) {
		if (i % 64 == 0 && first + n - i >= 64 && b->word[i / 64] == none) {
			i += 64;
			continue;
		}
		if (bits_get(b, i) == value)
			return i;
		i++;
	}
	return first + n;
}

static void region_done(struct ram_region *r)
{
	free(r->measured.word);
	free(r->is_private.word);
	*r = (struct ram_region){ .gmem_fd = -1 };
}

static bool region_collides(const struct ram_region *r, uint32_t slot, uint64_t gpa, uint64_t size)
{
	if (r->slot == slot)
		return true;
	return gpa < r->gpa ? r->gpa - gpa < size : gpa - r->gpa < r->size;
}

int ram_add(struct ram *ram, uint32_t slot, uint64_t gpa, uint64_t size, void *host,
	struct ram_region **ret)
{
	uint64_t end;
	struct ram_region r = {
		.slot = slot, .gpa = gpa, .size = size, .host = host, .gmem_fd = -1
	};

	if (size == 0 || !num_is_aligned(gpa | size | (uintptr_t)host, PAGE_BYTES) ||
		num_add(&end, gpa, size) < 0)
		return -EINVAL;
	if (ram->n == ARRAY_LEN(ram->region))
		return -ENOSPC;
	for (size_t i = 0; i < ram->n; i++)
		if (region_collides(&ram->region[i], slot, gpa, size))
			return -EEXIST;

	size_t words = (size_t)(size / PAGE_BYTES / 64 + 1);
	r.measured.word = calloc(words, sizeof(uint64_t));
	r.is_private.word = calloc(words, sizeof(uint64_t));
	if (r.measured.word == NULL || r.is_private.word == NULL) {
		region_done(&r);
		return -ENOMEM;
	}
	ram->region[ram->n] = r;
	*ret = &ram->region[ram->n++];
	return 0;
}

void ram_drop_last(struct ram *ram)
{
	region_done(&ram->region[--ram->n]);
}

void ram_done(struct ram *ram)
{
	while (ram->n > 0)
		ram_drop_last(ram);
}

struct ram_region *ram_find(struct ram *ram, uint64_t gpa)
{
	for (size_t i = 0; i < ram->n; i++) {
		struct ram_region *r = &ram->region[i];
		if (gpa >= r->gpa && gpa - r->gpa < r->size)
			return r;
	}
	return NULL;
}

bool ram_holds(struct ram *ram, uint64_t gpa, uint64_t len)
{
	while (len > 0) {
		const struct ram_region *r = ram_find(ram, gpa);
		if (r == NULL)
			return false;
		uint64_t part = MIN(len, r->size - (gpa - r->gpa));
		gpa += part;
		len -= part;
	}
	return true;
}

bool ram_touches(const struct ram *ram, uint64_t gpa, uint64_t len)
{
	for (size_t i = 0; i < ram->n; i++) {
		const struct ram_region *r = &ram->region[i];
		if (gpa < r->gpa ? r->gpa - gpa < len : gpa - r->gpa < r->size)
			return true;
	}
	return false;
}
