#include "attest/endorse/endorse_bundle.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cert.h"
#include "attest/json_in.h"
#include "attest/tdx_collateral.h"
#include "base/limits.h"
#include "base/rd.h"

/* --- tar (POSIX.1-1988 "ustar"): regular files, names in two parts ---------------------------- */

#define BLOCK     512u
#define LIST_NAME "MANIFEST.sha256"

/* A header, by offset: what we write and what we demand. */
enum tar_at {
	TAR_NAME = 0,
	TAR_MODE = 100,
	TAR_UID = 108,
	TAR_GID = 116,
	TAR_SIZE = 124,
	TAR_MTIME = 136,
	TAR_SUM = 148,
	TAR_TYPE = 156,
	TAR_MAGIC = 257,
	TAR_PREFIX = 345
};

#define TAR_NAME_MAX   100u
#define TAR_PREFIX_MAX 155u
#define NAME_MAX_BYTES (TAR_NAME_MAX + TAR_PREFIX_MAX + 2)

static const uint8_t magic[8] = { 'u', 's', 't', 'a', 'r', 0, '0', '0' };

static unsigned int tar_sum(const uint8_t h[BLOCK])
{
	unsigned int sum = 8 * ' '; /* the field itself counts as blanks */

	for (size_t i = 0; i < BLOCK; i++)
		if (i < TAR_SUM || i >= TAR_SUM + 8)
			sum += h[i];
	return sum;
}

/* Split so that both parts fit: the header's name is what stands behind the last slash. */
static void tar_member(struct wr *w, const char *name, const uint8_t *buf, size_t len)
{
	uint8_t h[BLOCK + 1] = { 0 };
	const char *slash = strrchr(name, '/');
	const char *file = slash == NULL ? name : slash + 1;
	size_t prefix = slash == NULL ? 0 : (size_t)(slash - name);

	if (prefix > TAR_PREFIX_MAX || strlen(file) > TAR_NAME_MAX) {
		w->is_bad = true;
		return;
	}
	memcpy(h + TAR_NAME, file, strlen(file));
	memcpy(h + TAR_PREFIX, name, prefix);
	memcpy(h + TAR_MODE, "0000644", 8);
	memcpy(h + TAR_UID, "0000000", 8);
	memcpy(h + TAR_GID, "0000000", 8);
	(void)snprintf((char *)h + TAR_SIZE, 12, "%011zo", len);
	memcpy(h + TAR_MTIME, "00000000000", 12); /* the same items are the same file */
	h[TAR_TYPE] = '0';
	memcpy(h + TAR_MAGIC, magic, sizeof magic);
	(void)snprintf((char *)h + TAR_SUM, 8, "%06o", tar_sum(h));
	h[TAR_SUM + 7] = ' ';
	wr_copy(w, h, BLOCK);
	wr_copy(w, buf, len);
	wr_zero(w, (BLOCK - len % BLOCK) % BLOCK);
}

/* n octal digits, closed by a zero byte or a blank. */
static MUST_USE int octal_parse(const uint8_t *p, size_t n, size_t *ret)
{
	size_t v = 0, i = 0;

	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v * 8 + (size_t)(p[i] - '0');
	if (i == 0 || i == n || (p[i] != 0 && p[i] != ' '))
		return -EBADMSG;
	*ret = v;
	return 0;
}

struct tar_entry {
	char name[NAME_MAX_BYTES];
	const uint8_t *p;
	size_t len;
};

/* The next member: 0, 1 at the end (a block of zeros), -EBADMSG. */
static MUST_USE int tar_next(struct rd *r, struct tar_entry *ret)
{
	static const uint8_t zero[BLOCK];
	const uint8_t *h = rd_bytes(r, BLOCK);
	size_t sum = 0, len = 0;

	if (h == NULL)
		return -EBADMSG;
	if (memcmp(h, zero, BLOCK) == 0)
		return 1;
	if (octal_parse(h + TAR_SUM, 8, &sum) < 0 || sum != tar_sum(h) ||
		octal_parse(h + TAR_SIZE, 12, &len) < 0 || h[TAR_TYPE] != '0' ||
		memcmp(h + TAR_MAGIC, magic, 5) != 0 || len == 0)
		return -EBADMSG;
	ret->len = len;
	ret->p = rd_bytes(r, len);
	rd_skip(r, (BLOCK - len % BLOCK) % BLOCK);
	(void)snprintf(ret->name, sizeof ret->name, "%.155s%s%.100s", (const char *)h + TAR_PREFIX,
		h[TAR_PREFIX] != 0 ? "/" : "", (const char *)h + TAR_NAME);
	return rd_check(r);
}

/* --- our bundle ------------------------------------------------------------------------------- */

bool endorse_bundle_recognise(const uint8_t *buf, size_t len)
{
	return len >= 2 * BLOCK && memcmp(buf + TAR_MAGIC, magic, 5) == 0;
}

/* "<64 digits>  <name>\n": a line of sha256sum. */
#define LIST_LINE_MAX (64 + 2 + NAME_MAX_BYTES + 1)

size_t endorse_bundle_size(size_t n, size_t total)
{
	return total + (n + 4) * 2 * BLOCK + n * LIST_LINE_MAX;
}

static MUST_USE int line_print(
	char ret[LIST_LINE_MAX], const char *name, const uint8_t *buf, size_t len)
{
	uint8_t digest[32];

	if (EVP_Digest(buf, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	wr_hex_str(ret, 65, digest, sizeof digest);
	int n = snprintf(ret + 64, LIST_LINE_MAX - 64, "  %s\n", name);
	return n < 0 || (size_t)n >= LIST_LINE_MAX - 64 ? -EMSGSIZE : 0;
}

int endorse_bundle_write(struct wr *w, const struct endorse_member *m, size_t n)
{
	size_t size = n * LIST_LINE_MAX + 1;
	uint8_t *text = calloc(1, size);
	struct wr list = wr_of(text, text == NULL ? 0 : size);
	int err = text == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < n && err == 0; i++) {
		char line[LIST_LINE_MAX];
		err = line_print(line, m[i].name, m[i].p, m[i].len);
		if (err == 0)
			wr_str(&list, line);
	}
	if (err == 0) {
		tar_member(w, LIST_NAME, text, list.len);
		for (size_t i = 0; i < n; i++)
			tar_member(w, m[i].name, m[i].p, m[i].len);
		wr_zero(w, 2 * BLOCK);
		err = wr_check(w);
	}
	free(text);
	return err;
}

/* The list's next line has to be this member's: nothing is missing, added, changed or moved. */
static MUST_USE int line_check(struct rd *list, const struct tar_entry *e, struct why *why)
{
	char line[LIST_LINE_MAX];
	int err = line_print(line, e->name, e->p, e->len);

	if (err < 0)
		return err;
	const uint8_t *want = rd_bytes(list, strlen(line));
	if (want == NULL || memcmp(want, line, strlen(line)) != 0)
		return why_set(why, -EBADMSG,
			"bundle: member '%s' is not what the next line of %s says: the file is "
			"damaged, transfer it again",
			e->name, LIST_NAME);
	return 0;
}

static MUST_USE int bundle_split(
	const uint8_t *buf, size_t len, endorse_take_fn take, void *arg, struct why *why)
{
	struct rd r = rd_of(buf, len), list = rd_of(NULL, 0);
	struct tar_entry e;
	int err = tar_next(&r, &e);

	if (err != 0 || strcmp(e.name, LIST_NAME) != 0)
		return why_set(why, -EBADMSG, "a tar archive without %s first: no bundle of ours",
			LIST_NAME);
	list = rd_of(e.p, e.len);
	for (size_t n = 0; (err = tar_next(&r, &e)) == 0; n++) {
		if (n == LIMIT_ENDORSE_FILES)
			return why_set(why, -EMSGSIZE, "bundle: more than %u members",
				LIMIT_ENDORSE_FILES);
		err = line_check(&list, &e, why);
		if (err == 0)
			err = take(arg, e.name, e.p, e.len, why);
		if (err < 0)
			return err;
	}
	rd_zero(&r, r.left); /* tar fills its last record */
	if (err < 0 || rd_end(&r) < 0)
		return why_set(why, -EBADMSG, "bundle: damaged at byte %zu: transfer it again",
			len - r.left);
	if (rd_end(&list) < 0)
		return why_set(why, -EBADMSG,
			"bundle: fewer members than %s lists: transfer it again", LIST_NAME);
	return 0;
}

/* --- others' forms ---------------------------------------------------------------------------- */

static MUST_USE int store_give(
	const struct cert_store *s, endorse_take_fn take, void *arg, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < s->n + s->n_crls && err == 0; i++) {
		unsigned char *der = NULL;
		int n = i < s->n ? i2d_X509(s->at[i], &der) : i2d_X509_CRL(s->crls[i - s->n], &der);
		err = n <= 0 ? -ENOMEM : take(arg, "", der, (size_t)n, why);
		OPENSSL_free(der);
	}
	return err;
}

/* In the service's own form, the signed bytes as they stand. */
static MUST_USE int doc_give(
	const struct tdx_doc *d, endorse_take_fn take, void *arg, struct why *why)
{
	size_t size = d->len + 2 * sizeof d->signature + 64;
	uint8_t *buf = calloc(1, size);
	struct wr w = wr_of(buf, buf == NULL ? 0 : size);

	wr_printf(&w, "{\"%s\":", d->kind == TDX_DOC_TCB_INFO ? "tcbInfo" : "enclaveIdentity");
	wr_copy(&w, d->p, d->len);
	wr_str(&w, ",\"signature\":\"");
	wr_hex(&w, d->signature, sizeof d->signature);
	wr_str(&w, "\"}");
	int err = wr_check(&w) < 0 ? -ENOMEM : take(arg, "", buf, w.len, why);
	free(buf);
	return err;
}

/* What a cloud's metadata service says of its machine (2.5). -ENOENT: it is something else. */
static MUST_USE int cloud_add(struct cert_store *s, struct attest_blob blob, struct why *why)
{
	static const char *const names[] = { "vcekCert", "certificateChain" };
	AUTO(json_in) json_t *j = NULL;
	int err = blob.len == 0 || blob.p[0] != '{' ? -ENOENT
						    : json_in_parse(blob.p, blob.len, &j, NULL);

	if (err < 0 || json_object_get(j, names[0]) == NULL)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_LEN(names) && err == 0; i++) {
		const char *text = json_string_value(json_object_get(j, names[i]));
		if (text != NULL)
			err = cert_store_add(s, (const uint8_t *)text, strlen(text), why);
	}
	return err;
}

static MUST_USE int blob_split(
	struct attest_blob blob, endorse_take_fn take, void *arg, struct why *why)
{
	AUTO(tdx_collateral) struct tdx_collateral c = { 0 };
	AUTO(cert_store) struct cert_store s = { 0 };
	int err = cloud_add(&s, blob, why);

	if (err == -ENOENT)
		err = tdx_collateral_add(&c, &s, blob, why);
	if (err == 0)
		err = store_give(&s, take, arg, why);
	for (size_t i = 0; i < c.n && err == 0; i++)
		err = doc_give(&c.at[i], take, arg, why);
	return err;
}

int endorse_split(const uint8_t *buf, size_t len, endorse_take_fn take, void *arg, struct why *why)
{
	if (len > LIMIT_ENDORSE_BUNDLE_BYTES)
		return why_set(
			why, -EMSGSIZE, "%zu bytes, at most %u", len, LIMIT_ENDORSE_BUNDLE_BYTES);
	if (endorse_bundle_recognise(buf, len))
		return bundle_split(buf, len, take, arg, why);
	return blob_split((struct attest_blob){ buf, len }, take, arg, why);
}
