#include "sev/sim/sim_ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sim_ranges_done(struct sim_ranges *s)
{
	free(s->at);
	*s = (struct sim_ranges){ 0 };
}

bool sim_ranges_get(const struct sim_ranges *s, uint64_t at, uint64_t *ret_until)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct sim_range *r = &s->at[i];
		if (at < r->first) {
			*ret_until = r->first;
			return false;
		}
		if (at < r->end) {
			*ret_until = r->end;
			return true;
		}
	}
	*ret_until = UINT64_MAX;
	return false;
}

static MUST_USE int room_make(struct sim_ranges *s)
{
	if (s->n + 1 < s->room)
		return 0;
	size_t room = s->room * 2 + 8;
	struct sim_range *at = reallocarray(s->at, room, sizeof *at);
	if (at == NULL)
		return -ENOMEM;
	s->at = at;
	s->room = room;
	return 0;
}

static void range_remove(struct sim_ranges *s, size_t i)
{
	memmove(&s->at[i], &s->at[i + 1], (s->n - i - 1) * sizeof s->at[0]);
	s->n--;
}

static void range_insert(struct sim_ranges *s, size_t i, struct sim_range r)
{
	memmove(&s->at[i + 1], &s->at[i], (s->n - i) * sizeof s->at[0]);
	s->at[i] = r;
	s->n++;
}

/* Take [first, end) out; needs room for one more range. */
static void range_cut(struct sim_ranges *s, uint64_t first, uint64_t end)
{
	for (size_t i = 0; i < s->n;) {
		struct sim_range r = s->at[i];
		if (r.end <= first || r.first >= end) {
			i++;
			continue;
		}
		range_remove(s, i);
		if (r.end > end)
			range_insert(s, i, (struct sim_range){ end, r.end });
		if (r.first < first)
			range_insert(s, i++, (struct sim_range){ r.first, first });
	}
}

int sim_ranges_set(struct sim_ranges *s, uint64_t first, uint64_t end, bool is_in)
{
	struct sim_range whole = { first, end };
	int err = room_make(s);

	if (err < 0)
		return err;
	range_cut(s, first, end);
	if (!is_in)
		return 0;
	size_t i = 0;
	while (i < s->n && s->at[i].end < first)
		i++;
	/* Neighbours that touch become one. */
	while (i < s->n && s->at[i].first <= end) {
		whole.first = whole.first < s->at[i].first ? whole.first : s->at[i].first;
		whole.end = whole.end > s->at[i].end ? whole.end : s->at[i].end;
		range_remove(s, i);
	}
	range_insert(s, i, whole);
	return 0;
}
