#include "attest/ledger/entry.h"

#include <errno.h>
#include <string.h>

#include "base/opts.h"
#include "base/rd.h"
#include "sandbox/receipt.h"

#define NS_PER_SECOND   1000000000u
#define SECONDS_PER_DAY 86400u

static const char *const event_names[LEDGER_EVENT_COUNT] = {
	[LEDGER_LAUNCHED] = "launched",
	[LEDGER_PROVEN] = "proven",
	[LEDGER_REFUSED] = "refused",
	[LEDGER_RELEASED] = "released",
	[LEDGER_ENDED] = "ended",
};

const char *entry_event_name(enum ledger_event event)
{
	return (unsigned int)event < LEDGER_EVENT_COUNT ? event_names[event] : NULL;
}

static MUST_USE int event_parse(const char *name, enum ledger_event *ret)
{
	for (unsigned int i = LEDGER_LAUNCHED; i < LEDGER_EVENT_COUNT; i++) {
		if (strcmp(name, event_names[i]) == 0) {
			*ret = (enum ledger_event)i;
			return 0;
		}
	}
	return -EBADMSG;
}

/* --- time: the proleptic Gregorian calendar in eras of 400 years, which are 146097 days ---- */

struct date {
	uint64_t year;
	uint64_t month; /* 1 to 12 */
	uint64_t day;   /* 1 to 31 */
};

/* Counted from 1 March of year 0, so that the leap day is the last of its year. */
static struct date date_of_days(uint64_t days_since_1970)
{
	uint64_t days = days_since_1970 + 719468;
	uint64_t era = days / 146097;
	uint64_t doe = days % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;

	return (struct date){
		.year = era * 400 + yoe + (month <= 2),
		.month = month,
		.day = doy - (153 * mp + 2) / 5 + 1,
	};
}

/* The inverse for years from 1970; a day that does not exist gives another one. */
static uint64_t days_of_date(struct date d)
{
	uint64_t y = d.year - (d.month <= 2);
	uint64_t yoe = y % 400;
	uint64_t mp = d.month > 2 ? d.month - 3 : d.month + 9;
	uint64_t doy = (153 * mp + 2) / 5 + d.day - 1;

	return y / 400 * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void entry_print_time(struct wr *w, uint64_t time_ns)
{
	uint64_t seconds = time_ns / NS_PER_SECOND;
	struct date d = date_of_days(seconds / SECONDS_PER_DAY);
	uint64_t s = seconds % SECONDS_PER_DAY;

	wr_printf(w, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", (unsigned int)d.year,
		(unsigned int)d.month, (unsigned int)d.day, (unsigned int)(s / 3600),
		(unsigned int)(s / 60 % 60), (unsigned int)(s % 60),
		(unsigned int)(time_ns % NS_PER_SECOND));
}

/* --- writing ------------------------------------------------------------------------------- */

static void string_print(struct wr *w, const char *s)
{
	wr_u8(w, '"');
	for (; *s != 0; s++) {
		uint8_t c = (uint8_t)*s;
		if (c == '"' || c == '\\')
			wr_printf(w, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			wr_printf(w, "\\u00%02x", c);
		else
			wr_u8(w, c);
	}
	wr_u8(w, '"');
}

static void digest_print(struct wr *w, const uint8_t *digest, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= digest[i];
	if (any == 0) {
		wr_str(w, "null");
		return;
	}
	wr_u8(w, '"');
	wr_hex(w, digest, len);
	wr_u8(w, '"');
}

/* A text that may be missing. */
static void optional_print(struct wr *w, const char *s)
{
	if (s[0] != 0)
		string_print(w, s);
	else
		wr_str(w, "null");
}

static void receipt_print(struct wr *w, const struct entry_receipt *r)
{
	const char *before = "";

	wr_str(w, "{\"process\":");
	string_print(w, r->process);
	wr_printf(w, ",\"uid\":%u,\"filter\":\"", r->uid);
	wr_hex(w, r->filter, sizeof r->filter);
	wr_str(w, "\",\"label\":");
	optional_print(w, r->label);
	wr_str(w, ",\"cgroup\":");
	optional_print(w, r->cgroup);
	wr_str(w, ",\"held\":[");
	for (unsigned int i = 0; 1u << i <= RECEIPT_ALL; i++) {
		if ((r->held & 1u << i) == 0)
			continue;
		wr_printf(w, "%s\"%s\"", before, receipt_bit_name(i));
		before = ",";
	}
	wr_str(w, "]}");
}

int entry_print(const struct entry *e, struct wr *w)
{
	wr_str(w, "{\"schema\":\"" ENTRY_SCHEMA "\",\"time\":\"");
	entry_print_time(w, e->time_ns);
	wr_printf(w, "\",\"event\":\"%s\",\"guest\":", entry_event_name(e->event));
	string_print(w, e->guest);
	wr_printf(w, ",\"serial\":%llu,\"policy_sha256\":", (unsigned long long)e->serial);
	digest_print(w, e->policy_hash, sizeof e->policy_hash);
	wr_str(w, ",\"launch_digest\":");
	digest_print(w, e->launch_digest, sizeof e->launch_digest);
	wr_str(w, ",\"evidence_sha256\":");
	digest_print(w, e->evidence_hash, sizeof e->evidence_hash);
	wr_str(w, ",\"resource\":");
	optional_print(w, e->resource);
	wr_str(w, ",\"text\":");
	string_print(w, e->text);
	for (unsigned int i = 0; i < e->n_receipts; i++) {
		wr_str(w, i == 0 ? ",\"sandbox\":[" : ",");
		receipt_print(w, &e->receipts[i]);
	}
	wr_str(w, e->n_receipts > 0 ? "]}" : "}");
	return wr_check(w);
}

/* --- reading ------------------------------------------------------------------------------- */

static void want(struct rd *r, const char *literal)
{
	size_t len = strlen(literal);

	if (len > r->left || memcmp(r->at, literal, len) != 0)
		rd_fail(r);
	else
		rd_skip(r, len);
}

static bool starts_with(const struct rd *r, const char *literal)
{
	return strlen(literal) <= r->left && memcmp(r->at, literal, strlen(literal)) == 0;
}

static uint64_t number_parse(struct rd *r)
{
	uint64_t v = 0;

	if (r->left == 0 || *r->at < '0' || *r->at > '9')
		rd_fail(r);
	while (r->left > 0 && *r->at >= '0' && *r->at <= '9') {
		if (__builtin_mul_overflow(v, 10u, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*r->at - '0'), &v)) {
			rd_fail(r);
			return 0;
		}
		rd_skip(r, 1);
	}
	return v;
}

/* Exactly n decimal digits. */
static uint64_t digits_parse(struct rd *r, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = rd_u8(r);
		if (c < '0' || c > '9')
			rd_fail(r);
		v = v * 10 + (uint64_t)(uint8_t)(c - '0');
	}
	return v;
}

static uint8_t escape_parse(struct rd *r)
{
	uint8_t c = rd_u8(r);
	uint8_t v = 0;
	char hex[3] = "";

	if (c == '"' || c == '\\')
		return c;
	if (c != 'u')
		rd_fail(r);
	want(r, "00");
	rd_copy(r, hex, 2);
	if (rd_check(r) == 0 && opts_parse_hex(hex, &v, 1) < 0)
		rd_fail(r);
	return v;
}

static void string_parse(struct rd *r, char *ret, size_t size)
{
	size_t len = 0;

	want(r, "\"");
	for (uint8_t c; (c = rd_u8(r)) != '"' && rd_check(r) == 0;) {
		if (c == '\\')
			c = escape_parse(r);
		if (c == 0 || len + 1 >= size)
			rd_fail(r);
		else
			ret[len++] = (char)c;
	}
	ret[len] = 0;
}

static void digest_parse(struct rd *r, uint8_t *ret, size_t len)
{
	char hex[2 * 48 + 1] = "";

	if (starts_with(r, "null")) {
		rd_skip(r, 4);
		return;
	}
	want(r, "\"");
	rd_copy(r, hex, 2 * len);
	want(r, "\"");
	if (rd_check(r) == 0 && opts_parse_hex(hex, ret, len) < 0)
		rd_fail(r);
}

static uint64_t time_parse(struct rd *r)
{
	static const uint64_t last_whole_second = UINT64_MAX / NS_PER_SECOND - 1;
	struct date d = { 0 };

	d.year = digits_parse(r, 4);
	want(r, "-");
	d.month = digits_parse(r, 2);
	want(r, "-");
	d.day = digits_parse(r, 2);
	want(r, "T");
	uint64_t s = digits_parse(r, 2) * 3600;
	want(r, ":");
	s += digits_parse(r, 2) * 60;
	want(r, ":");
	s += digits_parse(r, 2);
	want(r, ".");
	uint64_t ns = digits_parse(r, 9);
	want(r, "Z");
	/* A month 13 or 30 February does not survive being written again. */
	if (d.year < 1970 || d.month < 1 || d.month > 12 || d.day < 1) {
		rd_fail(r);
		return 0;
	}
	s += days_of_date(d) * SECONDS_PER_DAY;
	if (s > last_whole_second) {
		rd_fail(r);
		return 0;
	}
	return s * NS_PER_SECOND + ns;
}

static void optional_parse(struct rd *r, char *ret, size_t size)
{
	if (starts_with(r, "null"))
		rd_skip(r, 4);
	else
		string_parse(r, ret, size);
}

/* The names in the order of their bits; any other order does not survive being written again. */
static uint32_t held_parse(struct rd *r)
{
	uint32_t held = 0;
	char name[32] = "";

	want(r, "[");
	while (rd_check(r) == 0 && !starts_with(r, "]")) {
		unsigned int bit = 0;
		if (held != 0)
			want(r, ",");
		string_parse(r, name, sizeof name);
		while (1u << bit <= RECEIPT_ALL && strcmp(name, receipt_bit_name(bit)) != 0)
			bit++;
		if (1u << bit > RECEIPT_ALL)
			rd_fail(r);
		held |= 1u << bit;
	}
	want(r, "]");
	return held;
}

static void receipt_parse(struct rd *r, struct entry_receipt *ret)
{
	char hex[2 * sizeof ret->filter + 1] = "";

	want(r, "{\"process\":");
	string_parse(r, ret->process, sizeof ret->process);
	want(r, ",\"uid\":");
	uint64_t uid = number_parse(r);
	ret->uid = (uint32_t)uid;
	if (uid > UINT32_MAX)
		rd_fail(r);
	want(r, ",\"filter\":\"");
	rd_copy(r, hex, sizeof hex - 1);
	want(r, "\",\"label\":");
	if (rd_check(r) == 0 && opts_parse_hex(hex, ret->filter, sizeof ret->filter) < 0)
		rd_fail(r);
	optional_parse(r, ret->label, sizeof ret->label);
	want(r, ",\"cgroup\":");
	optional_parse(r, ret->cgroup, sizeof ret->cgroup);
	want(r, ",\"held\":");
	ret->held = held_parse(r);
	want(r, "}");
}

static void receipts_parse(struct rd *r, struct entry *e)
{
	want(r, ",\"sandbox\":[");
	do {
		if (e->n_receipts == LIMIT_LEDGER_RECEIPTS) {
			rd_fail(r);
			return;
		}
		if (e->n_receipts > 0)
			want(r, ",");
		receipt_parse(r, &e->receipts[e->n_receipts++]);
	} while (rd_check(r) == 0 && starts_with(r, ","));
	want(r, "]");
}

static void fields_parse(struct rd *r, struct entry *e, char *event, size_t event_size)
{
	want(r, "{\"schema\":\"" ENTRY_SCHEMA "\",\"time\":\"");
	e->time_ns = time_parse(r);
	want(r, "\",\"event\":");
	string_parse(r, event, event_size);
	want(r, ",\"guest\":");
	string_parse(r, e->guest, sizeof e->guest);
	want(r, ",\"serial\":");
	e->serial = number_parse(r);
	want(r, ",\"policy_sha256\":");
	digest_parse(r, e->policy_hash, sizeof e->policy_hash);
	want(r, ",\"launch_digest\":");
	digest_parse(r, e->launch_digest, sizeof e->launch_digest);
	want(r, ",\"evidence_sha256\":");
	digest_parse(r, e->evidence_hash, sizeof e->evidence_hash);
	want(r, ",\"resource\":");
	optional_parse(r, e->resource, sizeof e->resource);
	want(r, ",\"text\":");
	string_parse(r, e->text, sizeof e->text);
	if (starts_with(r, ","))
		receipts_parse(r, e);
	want(r, "}");
}

int entry_parse(const void *bytes, size_t len, struct entry *ret, struct why *why)
{
	struct rd r = rd_of(bytes, len);
	struct entry e = { 0 };
	char event[16] = "";
	uint8_t again[LIMIT_LEDGER_ENTRY_BYTES];
	struct wr w = wr_of(again, sizeof again);

	if (len > LIMIT_LEDGER_ENTRY_BYTES)
		return why_set(why, -EBADMSG, "%zu bytes, an entry has at most %u", len,
			LIMIT_LEDGER_ENTRY_BYTES);
	fields_parse(&r, &e, event, sizeof event);
	if (rd_end(&r) < 0)
		return why_set(why, -EBADMSG, "not a " ENTRY_SCHEMA " object near byte %zu",
			(size_t)(r.at - (const uint8_t *)bytes));
	if (event_parse(event, &e.event) < 0)
		return why_set(why, -EBADMSG, "unknown event \"%s\"", event);
	if (entry_print(&e, &w) < 0 || w.len != len || memcmp(again, bytes, len) != 0)
		return why_set(why, -EBADMSG, "not in the one form of " ENTRY_SCHEMA);
	*ret = e;
	return 0;
}

static MUST_USE int text_take(char *ret, const char *from, size_t size)
{
	if (memchr(from, 0, size) == NULL)
		return -EBADMSG;
	memcpy(ret, from, strlen(from) + 1);
	return 0;
}

int entry_of_wire(const struct wire_ledger_entry *wire, struct entry *ret, struct why *why)
{
	struct entry e = { 0 };
	uint32_t event = le32_get(wire->event);

	if (event < LEDGER_LAUNCHED || event >= LEDGER_EVENT_COUNT)
		return why_set(why, -EBADMSG, "ledger entry: event %u, want 1 to %d", event,
			LEDGER_EVENT_COUNT - 1);
	if (text_take(e.guest, wire->guest, sizeof wire->guest) < 0 ||
		text_take(e.resource, wire->resource, sizeof wire->resource) < 0 ||
		text_take(e.text, wire->text, sizeof wire->text) < 0)
		return why_set(why, -EBADMSG, "ledger entry: a text without its end");
	e.event = (enum ledger_event)event;
	e.time_ns = le64_get(wire->time_ns);
	e.serial = le64_get(wire->serial);
	if (e.time_ns / NS_PER_SECOND > UINT64_MAX / NS_PER_SECOND - 1)
		return why_set(why, -EBADMSG, "ledger entry: a time in the year 2554");
	memcpy(e.policy_hash, wire->policy_hash, sizeof e.policy_hash);
	memcpy(e.launch_digest, wire->launch_digest, sizeof e.launch_digest);
	memcpy(e.evidence_hash, wire->evidence_hash, sizeof e.evidence_hash);
	*ret = e;
	return 0;
}

/* Ours and the kernel's words: nothing in them needs an escape, so that many fit an entry. */
static bool is_plain(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '"' || text[i] == '\\')
			return false;
	return len < size;
}

int entry_add_receipt(struct entry *e, const struct wire_ledger_receipt *wire, struct why *why)
{
	if (e->n_receipts == LIMIT_LEDGER_RECEIPTS)
		return why_set(why, -EMSGSIZE, "ledger entry: more than %u receipts",
			LIMIT_LEDGER_RECEIPTS);
	if (!is_plain(wire->process, sizeof wire->process) ||
		!is_plain(wire->label, sizeof wire->label) ||
		!is_plain(wire->cgroup, sizeof wire->cgroup) || wire->process[0] == 0)
		return why_set(why, -EBADMSG, "ledger entry: a receipt with a bad text");
	if ((le32_get(wire->held) & ~RECEIPT_ALL) != 0)
		return why_set(why, -EBADMSG, "ledger entry: a receipt with unknown bits");
	struct entry_receipt *r = &e->receipts[e->n_receipts++];
	memset(r, 0, sizeof *r);
	r->uid = le32_get(wire->uid);
	r->held = le32_get(wire->held);
	memcpy(r->filter, wire->filter, sizeof r->filter);
	(void)stpcpy(r->process, wire->process);
	(void)stpcpy(r->label, wire->label);
	(void)stpcpy(r->cgroup, wire->cgroup);
	return 0;
}
