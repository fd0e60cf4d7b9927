#include "attest/eventlog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/wr.h"

/* --- types -------------------------------------------------------------------------------------- */

/* What a digest may be of (9.5): mask. */
#define OF_DATA     0x01u /* the data as it stands */
#define OF_VARIABLE 0x02u /* the value in UEFI_VARIABLE_DATA */
#define OF_TAGGED   0x04u /* the data behind a tag and its length */
#define OF_COMMAND  0x08u /* the text without its "grub_cmd: " and without its final NUL */
#define OF_SHORTER  0x20u /* the data without its last byte: shim counts one too many */
#define OF_STRICT   0x10u /* and of nothing else */

enum event_text {
	TEXT_NONE,
	TEXT_PLAIN,
	TEXT_VARIABLE,
	TEXT_TAG,
	TEXT_BLOB2,
	TEXT_IMAGE,
	TEXT_SEP
};

struct event_type {
	uint32_t type;
	const char *name;
	unsigned int of;
	enum event_text text;
};

#define EVENT_SEPARATOR     0x00000004u
#define EVENT_DRIVER_CONFIG 0x80000001u
#define EVENT_AUTHORITY     0x800000E0u

static const struct event_type types[] = {
	{ 0x00000000, "EV_PREBOOT_CERT", 0, TEXT_NONE },
	{ 0x00000001, "EV_POST_CODE", OF_DATA, TEXT_PLAIN },
	{ EVENT_NO_ACTION, "EV_NO_ACTION", 0, TEXT_PLAIN },
	{ EVENT_SEPARATOR, "EV_SEPARATOR", OF_DATA | OF_STRICT, TEXT_SEP },
	{ 0x00000005, "EV_ACTION", OF_DATA, TEXT_PLAIN },
	{ 0x00000006, "EV_EVENT_TAG", OF_DATA | OF_TAGGED, TEXT_TAG },
	{ 0x00000007, "EV_S_CRTM_CONTENTS", OF_DATA, TEXT_PLAIN },
	{ 0x00000008, "EV_S_CRTM_VERSION", OF_DATA, TEXT_PLAIN },
	{ 0x00000009, "EV_CPU_MICROCODE", OF_DATA, TEXT_PLAIN },
	{ 0x0000000A, "EV_PLATFORM_CONFIG_FLAGS", OF_DATA, TEXT_PLAIN },
	{ 0x0000000B, "EV_TABLE_OF_DEVICES", OF_DATA, TEXT_PLAIN },
	{ 0x0000000C, "EV_COMPACT_HASH", OF_DATA, TEXT_PLAIN },
	{ 0x0000000D, "EV_IPL", OF_DATA | OF_COMMAND, TEXT_PLAIN },
	{ 0x0000000E, "EV_IPL_PARTITION_DATA", OF_DATA, TEXT_NONE },
	{ 0x0000000F, "EV_NONHOST_CODE", OF_DATA, TEXT_PLAIN },
	{ 0x00000010, "EV_NONHOST_CONFIG", OF_DATA, TEXT_PLAIN },
	{ 0x00000011, "EV_NONHOST_INFO", OF_DATA, TEXT_PLAIN },
	{ 0x00000012, "EV_OMIT_BOOT_DEVICE_EVENTS", OF_DATA, TEXT_PLAIN },
	{ EVENT_DRIVER_CONFIG, "EV_EFI_VARIABLE_DRIVER_CONFIG", OF_DATA | OF_STRICT,
		TEXT_VARIABLE },
	{ 0x80000002, "EV_EFI_VARIABLE_BOOT", OF_DATA | OF_VARIABLE | OF_STRICT, TEXT_VARIABLE },
	{ 0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION", 0, TEXT_IMAGE },
	{ 0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER", 0, TEXT_IMAGE },
	{ 0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER", 0, TEXT_IMAGE },
	{ 0x80000006, "EV_EFI_GPT_EVENT", OF_DATA | OF_STRICT, TEXT_NONE },
	{ 0x80000007, "EV_EFI_ACTION", OF_DATA | OF_STRICT, TEXT_PLAIN },
	{ 0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB", 0, TEXT_NONE },
	{ 0x80000009, "EV_EFI_HANDOFF_TABLES", 0, TEXT_NONE },
	{ 0x8000000A, "EV_EFI_PLATFORM_FIRMWARE_BLOB2", 0, TEXT_BLOB2 },
	{ 0x8000000B, "EV_EFI_HANDOFF_TABLES2", 0, TEXT_BLOB2 },
	{ 0x8000000C, "EV_EFI_VARIABLE_BOOT2", OF_DATA | OF_VARIABLE, TEXT_VARIABLE },
	{ 0x80000010, "EV_EFI_HCRTM_EVENT", OF_DATA, TEXT_PLAIN },
	{ EVENT_AUTHORITY, "EV_EFI_VARIABLE_AUTHORITY",
		OF_DATA | OF_VARIABLE | OF_SHORTER | OF_STRICT, TEXT_VARIABLE },
	{ 0x800000E1, "EV_EFI_SPDM_FIRMWARE_BLOB", 0, TEXT_NONE },
	{ 0x800000E2, "EV_EFI_SPDM_FIRMWARE_CONFIG", 0, TEXT_NONE },
};

static const struct event_type *type_find(uint32_t type)
{
	static const struct event_type unknown = { 0, "EV_?", OF_DATA, TEXT_PLAIN };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type)
			return &types[i];
	return &unknown;
}

const char *eventlog_type_name(uint32_t type)
{
	return type_find(type)->name;
}

/* --- parsing ------------------------------------------------------------------------------------ */

static bool is_all(const uint8_t *p, size_t len, uint8_t v)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != v)
			return false;
	return true;
}

/*
 * Nothing but padding from here on? Looked at only where no event can be: one that starts with
 * FFFFFFFF, or whose header is all zero.
 */
static bool is_padding(const struct rd *r, bool is_agile)
{
	size_t header = MIN(r->left, is_agile ? (size_t)12 : (size_t)32);
	uint8_t v = r->left > 0 ? r->at[0] : 0;

	if (v == 0xFF)
		header = MIN(r->left, (size_t)4);
	return (v == 0 || v == 0xFF) && is_all(r->at, header, v) && is_all(r->at, r->left, v);
}

/* The first entry and every one of the old form: register, type, SHA-1, length, data. */
static void event_read_sha1(struct rd *r, struct eventlog_event *e)
{
	e->reg = rd_le32(r);
	e->type = rd_le32(r);
	e->n_digests = 1;
	e->digests[0] = (struct eventlog_digest){ TPM_ALG_SHA1, rd_bytes(r, 20) };
	e->len = rd_le32(r);
	e->data = rd_bytes(r, e->len);
}

static size_t bank_size(const struct eventlog *log, uint16_t alg)
{
	for (size_t i = 0; i < log->n_banks; i++)
		if (log->banks[i].alg == alg)
			return log->banks[i].size;
	return 0;
}

static void event_read_agile(const struct eventlog *log, struct rd *r, struct eventlog_event *e)
{
	e->reg = rd_le32(r);
	e->type = rd_le32(r);
	uint32_t n = rd_le32(r);
	if (n > log->n_banks)
		rd_fail(r);
	for (uint32_t i = 0; i < n && rd_check(r) == 0; i++) {
		uint16_t alg = rd_le16(r);
		size_t size = bank_size(log, alg);
		if (size == 0 || eventlog_digest_of(e, alg) != NULL)
			rd_fail(r); /* not in the header, or twice */
		e->digests[e->n_digests++] = (struct eventlog_digest){ alg, rd_bytes(r, size) };
	}
	e->len = rd_le32(r);
	e->data = rd_bytes(r, e->len);
}

/* The header's data: TCG_EfiSpecIdEvent of a crypto-agile log (9.4). */
static MUST_USE int header_parse(struct eventlog *log, const struct eventlog_event *e)
{
	static const char signature[16] = "Spec ID Event03";
	struct rd r = rd_of(e->data, e->len);

	if (e->type != EVENT_NO_ACTION || e->len < sizeof signature ||
		memcmp(e->data, signature, sizeof signature) != 0)
		return 0;
	log->is_agile = true;
	rd_skip(&r, sizeof signature + 8); /* platform class, versions, width of uintn */
	uint32_t n = rd_le32(&r);
	if (n == 0 || n > ARRAY_LEN(log->banks))
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t alg = rd_le16(&r), size = rd_le16(&r);
		const struct tpm_alg *known = tpm_alg_find(alg);
		if (size == 0 || size > TPM_DIGEST_MAX || bank_size(log, alg) != 0 ||
			(known != NULL && known->size != size))
			return -EBADMSG;
		log->banks[log->n_banks].alg = alg;
		log->banks[log->n_banks++].size = size;
	}
	rd_skip(&r, rd_u8(&r)); /* vendor's */
	return rd_end(&r);
}

int eventlog_open(struct eventlog *ret, struct attest_blob blob, struct why *why)
{
	struct eventlog log = { .r = rd_of(blob.p, blob.len), .len = blob.len };
	struct eventlog_event first = { 0 };
	struct rd r = log.r;

	if (blob.len > LIMIT_EVIDENCE_BYTES)
		return why_set(why, -EMSGSIZE, "event log: %zu bytes, at most %u", blob.len,
			LIMIT_EVIDENCE_BYTES);
	event_read_sha1(&r, &first);
	if (rd_check(&r) < 0 || first.reg >= EVENTLOG_REGISTERS)
		return why_set(why, -EBADMSG, "event log: the first event makes no sense");
	if (header_parse(&log, &first) < 0)
		return why_set(why, -EBADMSG,
			"event log: the list of algorithms in its header "
			"(Spec ID Event03) makes no sense");
	if (!log.is_agile) {
		log.n_banks = 1;
		log.banks[0].alg = TPM_ALG_SHA1, log.banks[0].size = 20;
	}
	*ret = log;
	return 0;
}

int eventlog_next(struct eventlog *log, struct eventlog_event *ret, struct why *why)
{
	struct eventlog_event e = { .index = log->n, .offset = log->len - log->r.left };

	if (log->r.left == 0 || (log->n > 0 && is_padding(&log->r, log->is_agile)))
		return -ENODATA;
	if (log->is_agile && log->n > 0)
		event_read_agile(log, &log->r, &e);
	else
		event_read_sha1(&log->r, &e);
	/* An EV_NO_ACTION event may name no register at all: PCR FFFFFFFF. */
	if (rd_check(&log->r) < 0 ||
		(e.reg >= EVENTLOG_REGISTERS && (e.reg != UINT32_MAX || e.type != EVENT_NO_ACTION)))
		return why_set(why, -EBADMSG,
			"event log: event %zu at byte %zu is malformed or cut off", e.index,
			e.offset);
	log->n++;
	*ret = e;
	return 0;
}

/* A version of the firmware, a locality: a known type, short, and something was measured. */
static bool is_old_start(const struct eventlog_event *e)
{
	return type_find(e->type)->type == e->type && e->len <= LIMIT_EVENTLOG_OLD_DATA_BYTES &&
	       (e->type == EVENT_NO_ACTION || !is_all(e->digests[0].p, 20, 0));
}

/*
 * The old form has no signature: believed where every event can be one. Type 0 was never used, and it
 * is what zeros read as.
 */
static bool is_old_log(struct eventlog *log)
{
	struct eventlog_event e;
	int err;

	while ((err = eventlog_next(log, &e, NULL)) == 0)
		if (e.type == 0 || (e.index == 0 && !is_old_start(&e)))
			return false;
	return err == -ENODATA && log->n > 0;
}

bool eventlog_recognise(struct attest_blob blob)
{
	struct eventlog log;

	return eventlog_open(&log, blob, NULL) == 0 && (log.is_agile || is_old_log(&log));
}

enum eventlog_kind eventlog_guess_kind(struct attest_blob blob)
{
	struct eventlog log;
	struct eventlog_event e;

	if (eventlog_open(&log, blob, NULL) < 0 || log.n_banks != 1 ||
		(log.banks[0].alg != TPM_ALG_SHA384 && log.banks[0].alg != TPM_ALG_SM3))
		return EVENTLOG_TCG;
	while (eventlog_next(&log, &e, NULL) == 0)
		if (e.reg >= EVENTLOG_CCEL_REGISTERS && e.type != EVENT_NO_ACTION)
			return EVENTLOG_TCG;
	return EVENTLOG_CCEL;
}

size_t eventlog_split(struct attest_blob blob, struct attest_blob ret[LIMIT_EVENTLOG_BOOTS])
{
	struct rd r = rd_of(blob.p, blob.len);
	size_t n = 0;

	while (r.left > 0 && n < LIMIT_EVENTLOG_BOOTS) {
		size_t len = rd_le32(&r);
		struct rd sub = rd_sub(&r, len);
		struct rd head = sub;
		if (rd_le32(&head) != 0 || rd_le32(&head) != EVENT_NO_ACTION || rd_check(&head) < 0)
			break;
		ret[n++] = (struct attest_blob){ sub.at, len };
	}
	if (n > 0 && rd_end(&r) == 0)
		return n;
	ret[0] = blob;
	return 1;
}

const uint8_t *eventlog_digest_of(const struct eventlog_event *e, uint16_t alg)
{
	for (size_t i = 0; i < e->n_digests; i++)
		if (e->digests[i].alg == alg)
			return e->digests[i].p;
	return NULL;
}

/* --- what the data says, and whether its digest says so too ------------------------------------- */

/* UEFI_VARIABLE_DATA: GUID, count of characters, length, name (UTF-16), value. */
struct variable {
	const uint8_t *name, *value;
	size_t name_bytes, len;
};

static MUST_USE int variable_parse(const struct eventlog_event *e, struct variable *ret)
{
	struct rd r = rd_of(e->data, e->len);
	struct variable v = { 0 };

	rd_skip(&r, 16);
	uint64_t chars = rd_le64(&r), len = rd_le64(&r);
	if (rd_check(&r) < 0 || chars > r.left / 2 || len > r.left)
		return -EBADMSG;
	v.name_bytes = (size_t)chars * 2;
	v.name = rd_bytes(&r, v.name_bytes);
	v.len = (size_t)len;
	v.value = rd_bytes(&r, v.len);
	if (rd_check(&r) < 0 || r.left > (e->type == EVENT_AUTHORITY ? 8 : 0)) /* shim's surplus */
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* Is it this name, which is ASCII? */
static bool variable_is(const struct variable *v, const char *name)
{
	size_t n = strlen(name);

	if (v->name_bytes != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v->name[2 * i] != (uint8_t)name[i] || v->name[2 * i + 1] != 0)
			return false;
	return true;
}

static bool digest_is(const struct tpm_alg *alg, const uint8_t *digest, const void *p, size_t len)
{
	const struct tpm_part part = { p, len };
	uint8_t got[TPM_DIGEST_MAX];

	return tpm_hash(alg, &part, 1, got) == 0 && memcmp(got, digest, alg->size) == 0;
}

/*
 * The bootloader's text: what it measured is the text behind one of these, without the last byte (a
 * NUL, or what follows it). The first three are always of text that was measured that way.
 */
static const char *const commands[] = {
	"grub_cmd: ", "kernel_cmdline: ", "module_cmdline: ", "grub_cmd ", ""
};

#define COMMANDS_STRICT 3u

static size_t command_find(const uint8_t *p, size_t len)
{
	size_t i = 0;

	while (strlen(commands[i]) > len || memcmp(p, commands[i], strlen(commands[i])) != 0)
		i++;
	return i;
}

static bool digest_is_command(
	const struct tpm_alg *alg, const uint8_t *digest, const uint8_t *p, size_t len)
{
	size_t n = strlen(commands[command_find(p, len)]);

	return digest_is(alg, digest, p + n, len - n) ||
	       (len > n && digest_is(alg, digest, p + n, len - n - 1));
}

static bool is_strict(const struct event_type *t, const struct eventlog_event *e)
{
	return (t->of & OF_STRICT) != 0 ||
	       ((t->of & OF_COMMAND) != 0 && command_find(e->data, e->len) < COMMANDS_STRICT);
}

static bool tag_parse(const struct eventlog_event *e, uint32_t *ret_id, struct rd *ret_data)
{
	struct rd r = rd_of(e->data, e->len);

	*ret_id = rd_le32(&r);
	*ret_data = rd_sub(&r, rd_le32(&r));
	return rd_end(&r) == 0;
}

enum eventlog_proof eventlog_prove(const struct eventlog_event *e, uint16_t alg_id)
{
	const struct event_type *t = type_find(e->type);
	const struct tpm_alg *alg = tpm_alg_find(alg_id);
	const uint8_t *digest = eventlog_digest_of(e, alg_id);
	struct variable v;
	struct rd tagged;
	uint32_t tag;

	if (alg == NULL || digest == NULL || t->of == 0)
		return EVENTLOG_UNPROVEN;
	if (((t->of & OF_DATA) && digest_is(alg, digest, e->data, e->len)) ||
		((t->of & OF_VARIABLE) && variable_parse(e, &v) == 0 &&
			digest_is(alg, digest, v.value, v.len)) ||
		((t->of & OF_TAGGED) && tag_parse(e, &tag, &tagged) &&
			digest_is(alg, digest, tagged.at, tagged.left)) ||
		((t->of & OF_SHORTER) && e->len > 0 &&
			digest_is(alg, digest, e->data, e->len - 1)) ||
		((t->of & OF_COMMAND) && digest_is_command(alg, digest, e->data, e->len)))
		return EVENTLOG_PROVEN;
	return is_strict(t, e) ? EVENTLOG_EDITED : EVENTLOG_UNPROVEN;
}

void eventlog_register_name(uint32_t reg, enum eventlog_kind kind, char ret[EVENTLOG_NAME_MAX])
{
	if (reg == UINT32_MAX)
		(void)snprintf(ret, EVENTLOG_NAME_MAX, "-");
	else if (kind == EVENTLOG_TCG)
		(void)snprintf(ret, EVENTLOG_NAME_MAX, "PCR %u", reg);
	else if (reg == 0)
		(void)snprintf(ret, EVENTLOG_NAME_MAX, "MRTD");
	else
		(void)snprintf(ret, EVENTLOG_NAME_MAX, "RTMR %u", reg - 1);
}

/* Bytes as text: UTF-16 when every second byte is zero, else one byte a character. */
static void text_print(struct wr *w, const uint8_t *p, size_t len)
{
	bool is_wide = len >= 4 && len % 2 == 0;
	size_t step;

	for (size_t i = 1; is_wide && i < MIN(len, (size_t)64); i += 2)
		is_wide = p[i] == 0;
	step = is_wide ? 2 : 1;
	while (len >= step && p[len - step] == 0)
		len -= step;
	size_t n_odd = 0;
	for (size_t i = 0; i < len; i += step)
		n_odd += p[i] < 0x20 || p[i] > 0x7E;
	if (n_odd * 4 > len) { /* no text */
		wr_hex(w, p, MIN(len, (size_t)32));
		return;
	}
	for (size_t i = 0; i < len && w->len < w->size; i += step)
		wr_u8(w, p[i] < 0x20 || p[i] > 0x7E ? '?' : p[i]);
}

static void variable_print(struct wr *w, const struct eventlog_event *e)
{
	struct variable v;

	if (variable_parse(e, &v) < 0) {
		wr_str(w, "(malformed variable)");
		return;
	}
	text_print(w, v.name, v.name_bytes);
	if (v.len <= 8) {
		wr_str(w, " = ");
		wr_hex(w, v.value, v.len);
	} else {
		wr_printf(w, ", %zu bytes", v.len);
	}
}

/* UEFI_IMAGE_LOAD_EVENT: address, length, link-time address, length of the path, path nodes; file names
 * are nodes of type 4, subtype 4. */
static void image_print(struct wr *w, const struct eventlog_event *e)
{
	struct rd r = rd_of(e->data, e->len);

	rd_skip(&r, 8);
	uint64_t len = rd_le64(&r);
	rd_skip(&r, 16);
	wr_printf(w, "%llu bytes", (unsigned long long)len);
	while (rd_check(&r) == 0 && r.left >= 4) {
		uint8_t type = rd_u8(&r), subtype = rd_u8(&r);
		uint16_t size = rd_le16(&r);
		if (size < 4)
			return;
		struct rd node = rd_sub(&r, size - 4u);
		if (type == 4 && subtype == 4 && rd_check(&node) == 0) {
			wr_str(w, " ");
			text_print(w, node.at, node.left);
		}
	}
}

void eventlog_explain(const struct eventlog_event *e, char *ret, size_t size)
{
	struct wr w = wr_of(ret, size);
	struct rd r = rd_of(e->data, e->len);
	uint32_t tag;
	uint8_t n;

	switch (type_find(e->type)->text) {
	case TEXT_NONE:
		wr_printf(&w, "%zu bytes", e->len);
		break;
	case TEXT_PLAIN:
		text_print(&w, e->data, e->len);
		break;
	case TEXT_SEP:
		wr_hex(&w, e->data, MIN(e->len, (size_t)16));
		break;
	case TEXT_VARIABLE:
		variable_print(&w, e);
		break;
	case TEXT_IMAGE:
		image_print(&w, e);
		break;
	case TEXT_TAG:
		if (tag_parse(e, &tag, &r)) {
			wr_printf(&w, "tag 0x%08x ", tag);
			text_print(&w, r.at, r.left);
		}
		break;
	case TEXT_BLOB2: /* length, description; then an address and a length, or tables */
		n = rd_u8(&r);
		r = rd_sub(&r, n);
		if (rd_check(&r) == 0)
			text_print(&w, r.at, r.left);
		break;
	}
	if (wr_end_str(&w) < 0)
		return; /* cut where the line is full, and terminated */
}

/* --- replay ------------------------------------------------------------------------------------- */

/* How many separators a register gets: one each PCR; RTMRs stand for several (8.2). */
static unsigned int separators_max(enum eventlog_kind kind, uint32_t reg)
{
	static const unsigned int ccel[EVENTLOG_CCEL_REGISTERS] = { 0, 3, 5, 1, 1 };

	return kind == EVENTLOG_CCEL ? ccel[reg] : 1;
}

struct replay {
	struct eventlog_replay *out;
	enum eventlog_kind kind;
	unsigned int n_separators[EVENTLOG_REGISTERS];
	bool is_past_firmware; /* the register of Secure Boot had its first separator */
	size_t first_missing;  /* event without a digest in the bank; 0 (the header): none */
};

/* Types are not measured: what a separator measures is one, whatever the log calls it (9.4). */
static bool digest_is_separator(const struct tpm_alg *alg, const uint8_t *digest)
{
	return digest_is(alg, digest, "\0\0\0\0", 4) || digest_is(alg, digest, "\1\0\0\0", 4) ||
	       digest_is(alg, digest, "\xFF\xFF\xFF\xFF", 4);
}

static void replay_init(struct replay *p, const struct tpm_alg *alg)
{
	*p->out = (struct eventlog_replay){ .alg = alg };
	for (uint32_t i = 17; p->kind == EVENTLOG_TCG && i <= 22; i++)
		memset(p->out->value[i], 0xFF, alg->size);
}

/* "StartupLocality": where PCR 0 started from (9.4). Only before it is extended. */
static void locality_apply(struct replay *p, const struct eventlog_event *e)
{
	static const char signature[16] = "StartupLocality";
	struct eventlog_replay *o = p->out;

	if (p->kind != EVENTLOG_TCG || e->reg != 0 || e->len != sizeof signature + 1 ||
		memcmp(e->data, signature, sizeof signature) != 0)
		return;
	if (o->present & 1u) {
		(void)why_set(&o->problem, 0,
			"event %zu: a StartupLocality after PCR 0 was extended", e->index);
		return;
	}
	o->value[0][o->alg->size - 1] = e->data[sizeof signature];
	o->present |= 1u;
}

static void secure_boot_note(struct replay *p, const struct eventlog_event *e)
{
	struct variable v;

	if (e->type != EVENT_DRIVER_CONFIG || p->is_past_firmware || variable_parse(e, &v) < 0 ||
		!variable_is(&v, "SecureBoot") || p->out->secure_boot == EVENTLOG_OFF)
		return;
	p->out->secure_boot = v.len == 1 && v.value[0] == 1 ? EVENTLOG_ON : EVENTLOG_OFF;
}

static MUST_USE int event_apply(struct replay *p, const struct eventlog_event *e)
{
	struct eventlog_replay *o = p->out;
	const uint8_t *digest = eventlog_digest_of(e, o->alg->id);
	bool is_secure_boots = e->reg == (p->kind == EVENTLOG_CCEL ? 1 : 7);
	char name[EVENTLOG_NAME_MAX];

	o->n_events++;
	if (e->type == EVENT_NO_ACTION) {
		locality_apply(p, e);
		return 0;
	}
	eventlog_register_name(e->reg, p->kind, name);
	if (digest == NULL) {
		p->first_missing = p->first_missing > 0 ? p->first_missing : e->index;
		return 0;
	}
	enum eventlog_proof proof = eventlog_prove(e, o->alg->id);
	if (p->kind == EVENTLOG_CCEL && e->reg == 0)
		(void)why_set(&o->problem, 0,
			"event %zu (%s): it names MRTD, which no event extends", e->index,
			eventlog_type_name(e->type));
	else if (proof == EVENTLOG_EDITED)
		(void)why_set(&o->problem, 0,
			"event %zu (%s, %s): its digest is not that of its data: it was edited",
			e->index, eventlog_type_name(e->type), name);
	else if (proof == EVENTLOG_PROVEN && is_secure_boots)
		secure_boot_note(p, e);
	p->is_past_firmware |= is_secure_boots &&
			       (e->type == EVENT_SEPARATOR || digest_is_separator(o->alg, digest));
	if (e->type == EVENT_SEPARATOR &&
		++p->n_separators[e->reg] > separators_max(p->kind, e->reg))
		(void)why_set(
			&o->problem, 0, "event %zu: one separator too many in %s", e->index, name);
	o->n_proven += proof == EVENTLOG_PROVEN;
	o->n_extended++;
	o->present |= 1u << e->reg;
	return tpm_extend(o->alg, o->value[e->reg], digest);
}

int eventlog_replay(struct attest_blob blob, uint16_t alg_id, enum eventlog_kind kind,
	struct eventlog_replay *ret, struct why *why)
{
	const struct tpm_alg *alg = tpm_alg_find(alg_id);
	struct eventlog_replay out;
	struct replay p = { .out = &out, .kind = kind };
	struct eventlog log;
	struct eventlog_event e;

	int err = eventlog_open(&log, blob, why);
	if (err < 0)
		return err;
	if (alg == NULL || bank_size(&log, alg_id) == 0)
		return why_set(
			why, -ENOENT, "the event log has no %s digests", tpm_alg_name(alg_id));
	replay_init(&p, alg);
	while ((err = eventlog_next(&log, &e, why)) == 0) {
		if (kind == EVENTLOG_CCEL && e.type != EVENT_NO_ACTION &&
			e.reg >= EVENTLOG_CCEL_REGISTERS)
			return why_set(why, -EBADMSG, "event log: event %zu names register %u",
				e.index, e.reg);
		err = event_apply(&p, &e);
		if (err < 0)
			return why_set(why, err, "event log: libcrypto failed");
	}
	if (err != -ENODATA)
		return err;
	/* Banks may be listed and not used; of SHA-1's it is known that some events are missing there. */
	if (p.first_missing > 0 && out.n_extended > 0 && alg_id != TPM_ALG_SHA1)
		(void)why_set(&out.problem, 0,
			"event %zu: it has no %s digest, others have: nothing says that it "
			"happened",
			p.first_missing, alg->name);
	*ret = out;
	return 0;
}
