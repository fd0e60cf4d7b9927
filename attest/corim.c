#include "attest/corim.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/snp_report.h"

/* Tags: draft-ietf-rats-corim, 12; 571: concise evidence (TCG DICE). */
enum {
	TAG_EPOCH = 1,
	TAG_URI = 32,
	TAG_UUID = 37,
	TAG_OID = 111,
	TAG_CORIM = 501,
	TAG_COMID = 506,
	TAG_SVN = 552,
	TAG_MIN_SVN = 553,
	TAG_CERT = 555,
	TAG_BYTES = 560,
	TAG_MASKED = 563,
	TAG_EVIDENCE = 571,
};

/* Labels of the maps (attestation.md, 11.4). */
enum { RIM_ID = 0, RIM_TAGS = 1, RIM_PROFILE = 3, RIM_VALIDITY = 4 };
enum { COMID_IDENTITY = 1, COMID_TRIPLES = 4 };
enum { ENV_CLASS = 0, ENV_INSTANCE = 1, ENV_GROUP = 2 };
enum { CLASS_ID = 0, CLASS_VENDOR = 1, CLASS_MODEL = 2 };
enum { M_KEY = 0, M_VALUE = 1 };
enum { F_VERSION = 0, F_SVN = 1, F_DIGESTS = 2, F_RAW = 4, F_MASK = 5 };
enum { TRIPLE_REFERENCE = 0, TRIPLE_ATTEST_KEY = 3 };
enum { H_CORIM_META = 8, META_VALIDITY = 1 };

#define DIGEST_SHA384   7 /* named information registry */
#define SHA384_LEN      48u
#define KEY_MEASUREMENT 641

/* --- reading ----------------------------------------------------------------------------------- */

/* Text, URI, OID and UUID as text; others as nothing. */
static void id_text(const struct cbor *c, char *ret, size_t size)
{
	struct cbor inner = *c;

	if (c->type == CBOR_TAG)
		(void)cbor_at(c, 0, &inner);
	if (inner.type == CBOR_BYTES)
		wr_hex_str(ret, size, inner.p, inner.len);
	else
		cbor_text(&inner, ret, size);
}

/* {0: not before, 1: not after}, each a time; narrows what is there. */
static MUST_USE int validity_read(const struct cbor *map, struct corim *ret, struct why *why)
{
	int64_t *const ends[] = { &ret->not_before, &ret->not_after };

	for (int i = 0; i < 2; i++) {
		struct cbor c, inner;
		int64_t at = 0;
		if (!cbor_get(map, i, &c))
			continue;
		if (!cbor_untag(&c, TAG_EPOCH, &inner) || !cbor_int(&inner, &at) || at <= 0)
			return why_set(why, -EBADMSG, "CoRIM: its validity is no time");
		if (*ends[i] == 0 || (i == 0) == (at > *ends[i]))
			*ends[i] = at;
	}
	return 0;
}

static MUST_USE int value_add(struct corim *ret, const struct corim_value *v, struct why *why)
{
	if (ret->n == ARRAY_LEN(ret->at))
		return why_set(why, -EMSGSIZE, "CoRIM: more than %zu reference values", ret->n);
	ret->at[ret->n++] = *v;
	return 0;
}

static bool is_snp(const struct corim *c)
{
	return strcmp(c->profile, CORIM_PROFILE_SNP) == 0;
}

/* [{0: mkey, 1: {field: value, ...}}, ...]: every field becomes a value of ours. */
static MUST_USE int measurements_read(
	const struct cbor *environment, const struct cbor *list, struct corim *ret, struct why *why)
{
	struct cbor_iter it = cbor_items(list);
	struct cbor m, fields, name;
	int err = 0;

	while (err == 0 && cbor_next(&it, &m)) {
		struct corim_value v = { .environment = *environment, .measurement = ret->n };
		if (!cbor_get(&m, M_VALUE, &fields) || fields.type != CBOR_MAP || fields.n == 0)
			return why_set(why, -EBADMSG, "CoMID: a measurement without values");
		v.has_key = cbor_get(&m, M_KEY, &v.key);
		v.has_mask = cbor_get(&fields, F_MASK, &v.mask);
		if (v.has_mask && !cbor_get(&fields, F_RAW, &name))
			return why_set(
				why, -EBADMSG, "CoMID: a mask without the raw value it masks");
		if (is_snp(ret) && (!v.has_key || v.key.type != CBOR_UINT))
			return why_set(why, -EBADMSG,
				"CoMID: a measurement without a key (mkey), which the SEV-SNP "
				"profile "
				"demands");
		struct cbor_iter below = cbor_items(&fields);
		while (err == 0 && cbor_next(&below, &name) && cbor_next(&below, &v.value)) {
			if (!cbor_int(&name, &v.field))
				return why_set(why, -EBADMSG,
					"CoMID: a measurement's field has no number");
			err = value_add(ret, &v, why);
		}
	}
	return err;
}

/* AMD's trust anchors are certificates in PEM. */
static bool cert_is_readable(const struct cbor *c)
{
	struct cbor inner;

	if (!cbor_untag(c, TAG_CERT, &inner) || inner.type != CBOR_TEXT)
		return false;
	BIO *bio = BIO_new_mem_buf(inner.p, (int)inner.len);
	X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool ok = x != NULL;
	X509_free(x);
	BIO_free(bio);
	ERR_clear_error();
	return ok;
}

static MUST_USE int keys_read(
	const struct cbor *environment, const struct cbor *list, struct corim *ret, struct why *why)
{
	struct corim_value v = { .environment = *environment, .field = CORIM_FIELD_KEY };
	struct cbor_iter it = cbor_items(list);
	struct cbor class, c;
	int err = 0;

	if (is_snp(ret) &&
		(!cbor_get(environment, ENV_CLASS, &class) || !cbor_get(&class, CLASS_VENDOR, &c) ||
			!cbor_get(&class, CLASS_MODEL, &c)))
		return why_set(why, -EBADMSG,
			"CoMID: a trust anchor without vendor or model, which the SEV-SNP profile "
			"demands");
	while (err == 0 && cbor_next(&it, &v.value)) {
		if (is_snp(ret) && !cert_is_readable(&v.value))
			return why_set(why, -EBADMSG,
				"CoMID: a trust anchor that is no certificate in PEM");
		err = value_add(ret, &v, why);
	}
	return err;
}

/* [environment, [...]] and what a later revision adds behind. */
static MUST_USE int triple_read(
	int64_t label, const struct cbor *t, struct corim *ret, struct why *why)
{
	struct cbor environment, class, list;

	if (!cbor_at(t, 0, &environment) || !cbor_at(t, 1, &list) || environment.type != CBOR_MAP ||
		environment.n == 0 || list.type != CBOR_ARRAY || list.n == 0)
		return why_set(why, -EBADMSG, "CoMID: a triple is not [environment, [...]]");
	if (cbor_get(&environment, ENV_CLASS, &class) && (class.type != CBOR_MAP || class.n == 0))
		return why_set(why, -EBADMSG, "CoMID: an environment with an empty class");
	return label == TRIPLE_REFERENCE ? measurements_read(&environment, &list, ret, why)
					 : keys_read(&environment, &list, ret, why);
}

static MUST_USE int triples_read(const struct cbor *map, struct corim *ret, struct why *why)
{
	struct cbor_iter it = cbor_items(map);
	struct cbor name, list, t;
	int64_t label = 0;
	int err = 0;

	while (err == 0 && cbor_next(&it, &name) && cbor_next(&it, &list)) {
		if (!cbor_int(&name, &label) || list.type != CBOR_ARRAY)
			return why_set(why, -EBADMSG, "CoMID: triples are lists under a number");
		if (label != TRIPLE_REFERENCE && label != TRIPLE_ATTEST_KEY) {
			bool is_known = label >= 0 && label < CORIM_TRIPLES;
			ret->n_unsupported[is_known ? label : CORIM_TRIPLES - 1] += (size_t)list.n;
			continue;
		}
		struct cbor_iter below = cbor_items(&list);
		while (err == 0 && cbor_next(&below, &t))
			err = triple_read(label, &t, ret, why);
	}
	return err;
}

static MUST_USE int comid_read(const struct cbor *map, struct corim *ret, struct why *why)
{
	struct cbor identity, triples, id;

	if (!cbor_get(map, COMID_IDENTITY, &identity) || !cbor_get(&identity, 0, &id))
		return why_set(why, -EBADMSG, "neither CoRIM nor CoMID: no tag identity");
	if (!cbor_get(map, COMID_TRIPLES, &triples) || triples.type != CBOR_MAP || triples.n == 0)
		return why_set(why, -EBADMSG, "neither CoRIM nor CoMID: no triples");
	if (ret->id[0] == '\0')
		id_text(&id, ret->id, sizeof ret->id);
	return triples_read(&triples, ret, why);
}

/* A tag inside a CoRIM: 506 around the bytes of a CoMID; others are counted. */
static MUST_USE int tag_read(const struct cbor *tag, struct corim *ret, struct why *why)
{
	struct cbor bytes, map;

	if (tag->type != CBOR_TAG)
		return why_set(why, -EBADMSG, "CoRIM: an entry that is not tagged");
	if (!cbor_untag(tag, TAG_COMID, &bytes)) {
		ret->n_other_tags++;
		return 0;
	}
	if (bytes.type != CBOR_BYTES)
		return why_set(why, -EBADMSG, "CoRIM: a CoMID that is no byte string");
	int err = cbor_parse(bytes.p, bytes.len, &map, why);
	return err < 0 ? why_prefix(why, err, "CoMID") : comid_read(&map, ret, why);
}

static MUST_USE int rim_read(const struct cbor *map, struct corim *ret, struct why *why)
{
	struct cbor id, tags, c, tag;
	int err = 0;

	if (!cbor_get(map, RIM_ID, &id) || !cbor_get(map, RIM_TAGS, &tags) ||
		tags.type != CBOR_ARRAY)
		return why_set(why, -EBADMSG, "CoRIM: no id or no tags");
	id_text(&id, ret->id, sizeof ret->id);
	if (cbor_get(map, RIM_PROFILE, &c))
		id_text(&c, ret->profile, sizeof ret->profile);
	if (cbor_get(map, RIM_VALIDITY, &c))
		err = validity_read(&c, ret, why);
	struct cbor_iter it = cbor_items(&tags);
	while (err == 0 && cbor_next(&it, &tag))
		err = tag_read(&tag, ret, why);
	return err;
}

static MUST_USE int document_read(
	const uint8_t *bytes, size_t len, struct corim *ret, struct why *why)
{
	struct cbor c, map, tags;
	int err = cbor_parse(bytes, len, &c, why);

	if (err < 0)
		return err;
	map = c;
	if (cbor_untag(&c, TAG_CORIM, &map) ||
		(cbor_get(&c, RIM_TAGS, &tags) && tags.type == CBOR_ARRAY))
		return rim_read(&map, ret, why);
	if (cbor_untag(&c, TAG_EVIDENCE, &map)) {
		ret->kind = CORIM_EVIDENCE;
		return cbor_get(&map, 0, &tags) && tags.type == CBOR_MAP
			       ? triples_read(&tags, ret, why)
			       : why_set(why, -EBADMSG, "concise evidence without triples");
	}
	ret->kind = CORIM_COMID;
	if (cbor_untag(&c, TAG_COMID, &map) && map.type == CBOR_BYTES)
		err = cbor_parse(map.p, map.len, &map, why);
	return err < 0 ? err : comid_read(&map, ret, why);
}

int corim_parse(const uint8_t *bytes, size_t len, const struct jws_trust *trust, struct corim *ret,
	struct why *why)
{
	struct cose s = { 0 };
	struct cbor meta, map, validity;

	if (len > LIMIT_EVIDENCE_BYTES)
		return why_set(why, -EMSGSIZE, "%zu bytes, at most %u", len, LIMIT_EVIDENCE_BYTES);
	if (len < 1 || (bytes[0] != 0xd2 && bytes[0] != 0x84))
		return document_read(bytes, len, ret, why);
	ret->is_signed = true;
	int err = cose_verify(bytes, len, trust, &s, why);
	if (err < 0)
		return err;
	ret->is_verified = s.is_verified;
	(void)snprintf(ret->signer, sizeof ret->signer, "%s", s.signer);
	/* What the signer says of itself is a byte string with a map in it. */
	if (cbor_get(&s.protected_map, H_CORIM_META, &meta)) {
		err = meta.type == CBOR_BYTES ? cbor_parse(meta.p, meta.len, &map, why) : -EBADMSG;
		if (err == 0 && cbor_get(&map, META_VALIDITY, &validity))
			err = validity_read(&validity, ret, why);
	}
	if (err < 0)
		return why_set(why, err, "CoRIM: the signer's description cannot be read");
	return document_read(s.payload, s.payload_len, ret, why);
}

int corim_check_time(const struct corim *c, time_t at, struct why *why)
{
	if (c->not_before != 0 && (int64_t)at < c->not_before)
		return why_set(why, -ESTALE, "reference values that are not valid yet");
	if (c->not_after != 0 && (int64_t)at > c->not_after)
		return why_set(why, -ESTALE, "reference values that expired");
	return 0;
}

/* --- AMD's profile ----------------------------------------------------------------------------- */

/*
 * Keys of measurements and where a report has them (attestation.md, 1.1, 11.4; 1, 3, 4 and 5 as the
 * profile's example has them). Numbers are big-endian in raw values, little-endian in the report.
 */
static const struct snp_field {
	int key;
	int16_t row; /* enum verdict_row_id */
	uint16_t offset, len;
	bool is_number, is_tcb;
} snp_fields[] = {
	{ 1, ROW_POLICY, 0x04, 4, true, false }, /* guest SVN */
	{ 2, ROW_POLICY, 0x08, 8, true, false },
	{ 3, ROW_ID_KEY, 0x10, 16, false, false }, /* family id */
	{ 4, ROW_ID_KEY, 0x20, 16, false, false }, /* image id */
	{ 5, ROW_VMPL, 0x30, 4, true, false },
	{ 6, ROW_TCB, 0x38, 8, true, true },
	{ 7, ROW_PLATFORM_INFO, 0x40, 8, true, false },
	{ 640, ROW_REPORT_DATA, 0x50, 64, false, false },
	{ KEY_MEASUREMENT, ROW_MEASUREMENT, 0x90, 48, false, false },
	{ 645, ROW_POLICY, 0x140, 32, false, false }, /* report id */
	{ 646, ROW_MIGRATION, 0x160, 32, false, false },
	{ 647, ROW_TCB, 0x180, 8, true, true },
	{ 3328, ROW_CHIP_ID, 0x1A0, 64, false, false },
	{ 3329, ROW_TCB, 0x1E0, 8, true, true },
	{ 3968, ROW_TCB, 0x1F0, 8, true, true },
};

/* A class that names a vendor names AMD (attestation.md, 11.4). */
static bool env_is_amd(const struct cbor *environment)
{
	struct cbor class, vendor;
	char name[32];

	if (!cbor_get(environment, ENV_CLASS, &class) || !cbor_get(&class, CLASS_VENDOR, &vendor))
		return true;
	cbor_text(&vendor, name, sizeof name);
	return strncmp(name, "AMD", 3) == 0 || strncmp(name, "Advanced Micro Devices", 22) == 0;
}

static bool env_fits_chip(
	const struct cbor *environment, const uint8_t *chip_id, const uint8_t *digest)
{
	struct cbor instance, bytes;

	/* Who is in a group nobody says here. */
	if (cbor_get(environment, ENV_GROUP, &instance) || !env_is_amd(environment))
		return false;
	if (!cbor_get(environment, ENV_INSTANCE, &instance))
		return true;
	if (!cbor_untag(&instance, TAG_BYTES, &bytes) || bytes.type != CBOR_BYTES)
		return false;
	/* The profile's example names a guest by its measurement. */
	if (bytes.len == SHA384_LEN)
		return digest != NULL && memcmp(bytes.p, digest, SHA384_LEN) == 0;
	return chip_id != NULL && bytes.len == SNP_CHIP_ID_BYTES &&
	       memcmp(bytes.p, chip_id, SNP_CHIP_ID_BYTES) == 0;
}

/* The SHA-384 of a list [[alg, bytes], ...]; NULL: none. */
static const uint8_t *digest_of(const struct cbor *digests)
{
	struct cbor_iter it = cbor_items(digests);
	struct cbor pair, alg, bytes;
	int64_t n = 0;

	while (digests->type == CBOR_ARRAY && cbor_next(&it, &pair))
		if (cbor_at(&pair, 0, &alg) && cbor_at(&pair, 1, &bytes) && cbor_int(&alg, &n) &&
			n == DIGEST_SHA384 && bytes.type == CBOR_BYTES && bytes.len == SHA384_LEN)
			return bytes.p;
	return NULL;
}

/* A launch digest; NULL: some other value. */
static const uint8_t *launch_digest(const struct corim *c, const struct corim_value *v)
{
	bool is_one = is_snp(c) && c->kind != CORIM_EVIDENCE && v->has_key &&
		      v->key.n == KEY_MEASUREMENT && v->field == F_DIGESTS;

	return is_one ? digest_of(&v->value) : NULL;
}

size_t corim_snp_digests(
	const struct corim *c, const uint8_t *chip_id, uint8_t (*ret)[48], size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n && n < max; i++) {
		const struct corim_value *v = &c->at[i];
		const uint8_t *digest = launch_digest(c, v);
		if (digest != NULL && env_fits_chip(&v->environment, chip_id, digest))
			memcpy(ret[n++], digest, SHA384_LEN);
	}
	return n;
}

static uint64_t number_of(const struct snp_field *f, const uint8_t *report)
{
	uint64_t n = 0;

	for (size_t i = f->len; i-- > 0;)
		n = n << 8 | report[f->offset + i];
	return n;
}

/* By component, as TCB versions are compared (attestation.md, 1.4). */
static bool at_least(uint64_t have, uint64_t want, bool is_tcb)
{
	bool ok = true;

	for (unsigned int shift = 0; shift < 64; shift += 8)
		ok = ok && (have >> shift & 255) >= (want >> shift & 255);
	return is_tcb ? ok : have >= want;
}

/* Raw bytes under a mask, or the whole value; -1: the mask asks for nothing. */
static int raw_compare(
	const struct snp_field *f, const uint8_t *report, const struct corim_value *v)
{
	struct cbor bytes = { 0 }, pair, mask = v->mask;

	if (cbor_untag(&v->value, TAG_MASKED, &pair)) {
		if (!cbor_at(&pair, 0, &bytes) || !cbor_at(&pair, 1, &mask))
			return 0;
	} else if (!cbor_untag(&v->value, TAG_BYTES, &bytes)) {
		bytes = v->value;
	}
	if (bytes.type != CBOR_BYTES || bytes.len != f->len ||
		(mask.p != NULL && (mask.type != CBOR_BYTES || mask.len != bytes.len)))
		return 0;
	uint8_t asked = 0, differ = 0;
	for (size_t i = 0; i < f->len; i++) {
		uint8_t have = report[f->offset + (f->is_number ? f->len - 1 - i : i)];
		uint8_t bits = mask.p != NULL ? mask.p[i] : 0xff;
		asked |= bits;
		differ |= (uint8_t)((have ^ bytes.p[i]) & bits);
	}
	return asked == 0 ? -1 : differ == 0;
}

/* 1 matches, 0 does not, -1 is nothing we compare. */
static int value_compare(
	const struct snp_field *f, const uint8_t *report, const struct corim_value *v)
{
	struct cbor n;

	if (v->field == F_RAW)
		return raw_compare(f, report, v);
	if (v->field != F_SVN || !f->is_number)
		return -1;
	uint64_t have = number_of(f, report);
	if (cbor_untag(&v->value, TAG_MIN_SVN, &n))
		return n.type == CBOR_UINT && at_least(have, n.n, f->is_tcb);
	if (!cbor_untag(&v->value, TAG_SVN, &n))
		n = v->value;
	return n.type == CBOR_UINT && have == n.n;
}

size_t corim_snp_appraise(const struct corim *c, const uint8_t report[1184], struct verdict *v,
	size_t *ret_not_compared)
{
	size_t n_left = 0, n_all = 0;

	/* Launch digests were expected values of the verification; a mask goes with its value. */
	for (size_t i = 0; i < c->n; i++)
		n_left += c->at[i].field != CORIM_FIELD_KEY && c->at[i].field != F_MASK &&
			  launch_digest(c, &c->at[i]) == NULL;
	for (size_t k = 0; is_snp(c) && c->kind != CORIM_EVIDENCE && k < ARRAY_LEN(snp_fields);
		k++) {
		const struct snp_field *f = &snp_fields[k];
		size_t n_asked = 0, n_failed = 0, asked = SIZE_MAX, failed = SIZE_MAX;
		char have[2 * 64 + 1];
		for (size_t i = 0; i < c->n; i++) {
			const struct corim_value *x = &c->at[i];
			if (!x->has_key || x->key.n != (uint64_t)f->key ||
				x->field == CORIM_FIELD_KEY)
				continue;
			int got = value_compare(f, report, x);
			if (!env_fits_chip(&x->environment, report + 0x1A0, report + 0x90))
				continue;
			n_left -= got >= 0;
			/* All fields of one measurement have to match, one measurement is enough. */
			n_asked += got >= 0 && asked != x->measurement;
			n_failed += got == 0 && failed != x->measurement;
			asked = got >= 0 ? x->measurement : asked;
			failed = got == 0 ? x->measurement : failed;
		}
		if (n_asked == 0)
			continue;
		n_all += n_asked;
		wr_hex_str(have, sizeof have, report + f->offset, f->len);
		if (n_failed == n_asked)
			verdict_set(v, (enum verdict_row_id)f->row, VERDICT_CONTRAINDICATED,
				"a reference value", have,
				"none of the %zu reference values for measurement %d matches",
				n_asked, f->key);
		else
			verdict_set(v, (enum verdict_row_id)f->row, VERDICT_AFFIRMING,
				"a reference value", have, "%s", "");
	}
	*ret_not_compared = n_left;
	return n_all;
}

/* --- answers ----------------------------------------------------------------------------------- */

static const char *const kind_names[CORIM_KIND_COUNT] = {
	[CORIM_RIM] = "corim",
	[CORIM_COMID] = "comid",
	[CORIM_EVIDENCE] = "concise-evidence",
};

static const char *const triple_names[CORIM_TRIPLES] = { "reference", "endorsed", "device identity",
	"attest key", "domain dependency", "domain membership", "CoSWID", "triples 7",
	"conditional endorsement series", "triples 9", "conditional endorsement or later" };

static const struct {
	int64_t field;
	const char *name;
} field_names[] = {
	{ F_VERSION, "version" },
	{ F_SVN, "svn" },
	{ F_DIGESTS, "digests" },
	{ 3, "flags" },
	{ F_RAW, "raw" },
	{ F_MASK, "raw_mask" },
	{ 6, "mac" },
	{ 7, "ip" },
	{ 8, "serial" },
	{ 9, "ueid" },
	{ 10, "uuid" },
	{ 11, "name" },
	{ 13, "crypto_keys" },
	{ 14, "integrity_registers" },
	{ CORIM_FIELD_KEY, "key" },
};

static void field_text(int64_t field, char *ret, size_t size)
{
	(void)snprintf(ret, size, "field %lld", (long long)field);
	for (size_t i = 0; i < ARRAY_LEN(field_names); i++)
		if (field_names[i].field == field)
			(void)snprintf(ret, size, "%s", field_names[i].name);
}

/* The item as JSON text, free() it; NULL with an error. Members get the names of their labels. */
static char *item_text(const struct cbor *c, const char *const *names, size_t n, struct why *why)
{
	json_t *j = NULL;

	if (cbor_to_json(c, CBOR_AS_HEX, &j, why) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char label[8];
		(void)snprintf(label, sizeof label, "%zu", i);
		json_t *member = json_incref(json_object_get(j, label));
		if (member != NULL && json_object_del(j, label) == 0)
			(void)json_object_set_new(j, names[i], member);
	}
	char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	json_decref(j);
	return text;
}

/* {"class": {...}, "instance": ...}: class and the rest, each with its names. */
static char *environment_text(const struct cbor *environment, struct why *why)
{
	static const char *const names[] = { "class", "instance", "group" };
	static const char *const class_names[] = { "id", "vendor", "model", "layer", "index" };
	struct cbor class;

	if (environment->n == 1 && cbor_get(environment, ENV_CLASS, &class))
		return item_text(&class, class_names, ARRAY_LEN(class_names), why);
	return item_text(environment, names, ARRAY_LEN(names), why);
}

/* is_first: of its environment; people want to see that once. */
static MUST_USE int value_print(
	const struct corim_value *v, bool as_json, bool is_first, struct wr *w, struct why *why)
{
	char field[32], *environment = environment_text(&v->environment, why);
	char *key = v->has_key ? item_text(&v->key, NULL, 0, why) : strdup("null");
	char *value = item_text(&v->value, NULL, 0, why);
	bool is_ok = environment != NULL && key != NULL && value != NULL;

	field_text(v->field, field, sizeof field);
	if (is_ok && as_json) {
		json_open(w, NULL, '{');
		json_text(w, "field", field);
		wr_printf(w, ", \"key\": %s, \"environment\": %s, \"value\": %s", key, environment,
			value);
		json_close(w, '}');
	} else if (is_ok) {
		if (is_first)
			wr_printf(w, "in %s\n", environment);
		wr_printf(w, "  %-20s %-6s %s\n", field, v->has_key ? key : "", value);
	}
	free(environment);
	free(key);
	free(value);
	return is_ok ? 0 : why_set(why, -EBADMSG, "a value that cannot be shown");
}

int corim_print_json(const struct corim *c, struct wr *w, struct why *why)
{
	int err = 0;

	json_text(w, "kind", kind_names[c->kind]);
	json_text(w, "id", c->id);
	json_text_or_null(w, "profile", c->profile);
	json_text(w, "signature",
		c->is_verified ? "verified"
		: c->is_signed ? "not checked"
			       : "none");
	json_text_or_null(w, "signer", c->signer);
	json_number(w, "not_before", (uint64_t)c->not_before);
	json_number(w, "not_after", (uint64_t)c->not_after);
	json_open(w, "values", '[');
	for (size_t i = 0; i < c->n && err == 0; i++)
		err = value_print(&c->at[i], true, true, w, why);
	json_close(w, ']');
	json_open(w, "unsupported", '{');
	for (size_t i = 0; i < CORIM_TRIPLES; i++)
		if (c->n_unsupported[i] > 0)
			json_number(w, triple_names[i], c->n_unsupported[i]);
	if (c->n_other_tags > 0)
		json_number(w, "tags that are no CoMID", c->n_other_tags);
	json_close(w, '}');
	return err;
}

int corim_print_text(const struct corim *c, struct wr *w, struct why *why)
{
	int err = 0;

	wr_printf(w, "%s %s%s%s, signature %s%s\n", kind_names[c->kind], c->id,
		c->profile[0] != '\0' ? ", profile " : "", c->profile,
		c->is_verified ? "verified by "
		: c->is_signed ? "not checked"
			       : "none",
		c->signer);
	for (size_t i = 0; i < c->n && err == 0; i++)
		err = value_print(&c->at[i], false,
			i == 0 || c->at[i].environment.raw != c->at[i - 1].environment.raw, w, why);
	for (size_t i = 0; i < CORIM_TRIPLES; i++)
		if (c->n_unsupported[i] > 0)
			wr_printf(w, "not supported: %zu of %s\n", c->n_unsupported[i],
				triple_names[i]);
	if (c->n_other_tags > 0)
		wr_printf(w, "not supported: %zu tags that are no CoMID\n", c->n_other_tags);
	return err;
}
