#include "sandbox/svirt_mcs.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "c" and a number below MCS_CATEGORIES, no zeros before it; *at moves behind it. */
static MUST_USE int category_parse(const char **at, uint16_t *ret)
{
	const char *p = *at;
	unsigned int v = 0;

	if (*p++ != 'c' || !is_digit(*p) || (p[0] == '0' && is_digit(p[1])))
		return -EBADMSG;
	for (; is_digit(*p); p++) {
		v = v * 10 + (unsigned int)(*p - '0');
		if (v >= MCS_CATEGORIES)
			return -ERANGE;
	}
	*at = p;
	*ret = (uint16_t)v;
	return 0;
}

const char *mcs_range_of(const char *label)
{
	for (int i = 0; i < 3; i++) {
		label = strchr(label, ':');
		if (label == NULL)
			return NULL;
		label++;
	}
	return label;
}

/* "cA" or "cA.cB", into the set. */
static MUST_USE int run_parse(const char **at, struct mcs_set *set)
{
	uint16_t first;
	int err = category_parse(at, &first);
	uint16_t last = first;

	if (err == 0 && **at == '.') {
		(*at)++;
		err = category_parse(at, &last);
	}
	if (err < 0 || last < first)
		return -EBADMSG;
	for (unsigned int c = first; c <= last; c++)
		set->bits[c / 64] |= 1ull << c % 64;
	return 0;
}

int mcs_parse_pool(const char *label, struct mcs_set *ret)
{
	struct mcs_set set = { 0 };
	const char *level = mcs_range_of(label);

	if (level == NULL)
		return -EBADMSG;
	const char *dash = strchr(level, '-');
	level = dash != NULL ? dash + 1 : level;
	const char *at = strchr(level, ':');
	if (at == NULL) {
		memset(ret, 0xff, sizeof *ret);
		return 0;
	}
	do {
		at++;
		int err = run_parse(&at, &set);
		if (err < 0)
			return err;
	} while (*at == ',');
	if (*at != 0)
		return -EBADMSG;
	*ret = set;
	return 0;
}

unsigned int mcs_count(const struct mcs_set *set)
{
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(set->bits); i++)
		n += (unsigned int)__builtin_popcountll(set->bits[i]);
	return n;
}

/* The n-th category of the set. */
static uint16_t category_get(const struct mcs_set *set, uint32_t n)
{
	uint16_t c = 0;

	for (; c < MCS_CATEGORIES - 1; c++)
		if ((set->bits[c / 64] >> c % 64 & 1) != 0 && n-- == 0)
			break;
	return c;
}

struct mcs_pair mcs_get_pair(const struct mcs_set *set, uint32_t n)
{
	uint32_t count = mcs_count(set);
	uint32_t low = 0;

	assert(count >= 2 && n < count * (count - 1) / 2);
	/* The first category is in count - 1 pairs, the second in one less that are new, ... */
	for (uint32_t row = count - 1; n >= row; row--) {
		n -= row;
		low++;
	}
	return (struct mcs_pair){ category_get(set, low), category_get(set, low + 1 + n) };
}

int mcs_parse_name(const char *text, struct mcs_pair *ret)
{
	struct mcs_pair pair;
	int err = category_parse(&text, &pair.low);

	if (err < 0 || *text++ != ',')
		return -EBADMSG;
	err = category_parse(&text, &pair.high);
	if (err < 0 || *text != 0 || pair.low >= pair.high)
		return -EBADMSG;
	*ret = pair;
	return 0;
}

int mcs_parse_range(const char *text, struct mcs_pair *ret)
{
	return strncmp(text, "s0:", 3) == 0 ? mcs_parse_name(MCS_NAME_OF(text), ret) : -EBADMSG;
}

void mcs_print_range(struct mcs_pair pair, char ret[MCS_RANGE_BYTES])
{
	(void)snprintf(ret, MCS_RANGE_BYTES, "s0:c%u,c%u", pair.low % MCS_CATEGORIES,
		pair.high % MCS_CATEGORIES);
}
