/*
 * TPM quotes: made-up ones, signed here, with one thing wrong each; IMA lists, credentials, HCL and
 * SVSM bindings likewise (no real SVSM evidence is public); and, where the folder of real evidence is
 * there (argument), every real quote and its damaged copies.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/eventlog.h"
#include "attest/evidence.h"
#include "attest/hcl.h"
#include "attest/hex.h"
#include "attest/ima_log.h"
#include "attest/svsm.h"
#include "attest/tpm_credential.h"
#include "attest/tpm_evidence.h"
#include "attest/tpm_key.h"
#include "attest/tpm_quote.h"
#include "base/b64.h"
#include "base/fd.h"
#include "base/wr.h"
#include "policy/policy.h"
#include "tests/unit/cm.h"
#include "tests/unit/mutate.h"

#define AT_2026 1768435200 /* 2026-01-15 */
#define AT_2030 1893456000

static const char *vectors;
static struct verdict verdict; /* large */

/* --- made-up quotes ----------------------------------------------------------------------------- */

struct maker {
	EVP_PKEY *key;
	uint8_t attest[256], signature[600], ak[800];
	char pcrs[8192];
	struct attest_blob event_log;
	struct attest_inputs in;
};

#define MASK 0x00FFu /* PCR 0 to 7 */

static struct attest_blob blob_of(const void *p, size_t len)
{
	return (struct attest_blob){ p, len };
}

/* TPMT_SIGNATURE by the key: 0x0014, 0x0016 (with this salt), 0x0018. */
static struct attest_blob sign(
	struct maker *m, uint16_t scheme, int salt, const char *hash, struct attest_blob attest)
{
	const struct tpm_alg *alg = tpm_alg_named(hash, strlen(hash));
	uint8_t der[600];
	size_t len = sizeof der;
	struct wr w = wr_of(m->signature, sizeof m->signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;

	assert_int_equal(
		EVP_DigestSignInit_ex(ctx, &pctx, alg->openssl, NULL, NULL, m->key, NULL), 1);
	if (scheme == 0x0016) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, der, &len, attest.p, attest.len), 1);
	EVP_MD_CTX_free(ctx);
	wr_be16(&w, scheme);
	wr_be16(&w, alg->id);
	if (scheme == 0x0018) {
		const unsigned char *at = der;
		ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
		uint8_t n[2][32];
		assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), n[0], 32), 32);
		assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), n[1], 32), 32);
		ECDSA_SIG_free(sig);
		for (int i = 0; i < 2; i++) {
			wr_be16(&w, 32);
			wr_copy(&w, n[i], 32);
		}
	} else {
		wr_be16(&w, (uint16_t)len);
		wr_copy(&w, der, len);
	}
	return blob_of(m->signature, w.len);
}

static void value_make(uint32_t i, uint8_t ret[32])
{
	memset(ret, (int)(0x10 + i), 32);
}

/* A quote of PCR 0 to 7 (and what mask says), and its values. */
static struct attest_blob quote_make(
	struct maker *m, uint32_t mask, uint16_t bank, const uint8_t (*values)[32], uint16_t type)
{
	struct wr w = wr_of(m->attest, sizeof m->attest);
	struct wr j = wr_of(m->pcrs, sizeof m->pcrs);
	struct tpm_part parts[TPM_PCRS];
	uint8_t value[TPM_PCRS][32], digest[32];
	size_t n = 0;

	wr_str(&j, "{\"sha256\": {");
	for (uint32_t i = 0; i < TPM_PCRS; i++) {
		if ((mask >> i & 1u) == 0)
			continue;
		if (values != NULL)
			memcpy(value[i], values[i], 32);
		else
			value_make(i, value[i]);
		wr_printf(&j, "%s\"%u\": \"", n > 0 ? ", " : "", i);
		wr_hex(&j, value[i], 32);
		wr_str(&j, "\"");
		parts[n++] = (struct tpm_part){ value[i], 32 };
	}
	wr_str(&j, "}}");
	m->in.tpm.pcrs = blob_of(m->pcrs, j.len);
	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA256), parts, n, digest), 0);
	wr_be32(&w, 0xFF544347);
	wr_be16(&w, type);
	wr_be16(&w, 0);
	wr_be16(&w, 5);
	wr_str(&w, "nonce");
	wr_zero(&w, 8 + 4 + 4 + 1 + 8);
	wr_be32(&w, 1);
	wr_be16(&w, bank);
	wr_u8(&w, 3);
	wr_u8(&w, (uint8_t)mask);
	wr_u8(&w, (uint8_t)(mask >> 8));
	wr_u8(&w, (uint8_t)(mask >> 16));
	wr_be16(&w, 32);
	wr_copy(&w, digest, 32);
	assert_int_equal(wr_check(&w), 0);
	return blob_of(m->attest, w.len);
}

static void maker_sign(struct maker *m)
{
	bool is_ec = EVP_PKEY_is_a(m->key, "EC") == 1;

	m->in.tpm.signature = sign(m, is_ec ? 0x0018 : 0x0014, 0, "sha256", m->in.evidence);
}

static void ak_spki(struct maker *m)
{
	unsigned char *p = m->ak;
	int len = i2d_PUBKEY(m->key, &p);

	assert_true(len > 0 && (size_t)len <= sizeof m->ak);
	m->in.tpm.ak = blob_of(m->ak, (size_t)len);
}

static void maker_init(struct maker *m, EVP_PKEY *key)
{
	static const uint8_t nonce[] = "nonce";

	*m = (struct maker){ .key = key };
	assert_non_null(key);
	m->in.at = AT_2026;
	m->in.report_data = nonce;
	m->in.report_data_len = 5;
	m->in.evidence = quote_make(m, MASK, TPM_ALG_SHA256, NULL, 0x8018);
	maker_sign(m);
	ak_spki(m);
}

static void maker_done(struct maker *m)
{
	EVP_PKEY_free(m->key);
}

static void judge(struct maker *m, enum verdict_status overall, enum verdict_row_id row)
{
	struct why why = { 0 };
	char line[VERDICT_WHY_MAX + 64];

	if (attest_verify(&m->in, &verdict, &why) < 0)
		fail_msg("%s", why.text);
	verdict_print_line(&verdict, line, sizeof line);
	if (verdict.overall != overall)
		fail_msg("%s", line);
	if (overall == VERDICT_CONTRAINDICATED && verdict.rows[row].status != overall)
		fail_msg("row %s is not bad: %s", verdict_row_name(row), line);
	assert_int_not_equal(verdict.trust, TRUST_HARDWARE);
}

static void a_good_quote_is_affirmed_as_the_hosts(void **state)
{
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	assert_int_equal(verdict.trust, TRUST_HOST);
	assert_int_equal(verdict.rows[ROW_REPORT_DATA].status, VERDICT_AFFIRMING);
	assert_int_equal(verdict.rows[ROW_PCRS].status, VERDICT_AFFIRMING);
	assert_int_equal(verdict.rows[ROW_BINDING].status, VERDICT_NONE);
	m.in.tpm.pcrs.len = 0;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	assert_int_equal(verdict.rows[ROW_PCRS].status, VERDICT_NONE);
	m.in.required_rows = ROW_BIT(ROW_PCRS);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_PCRS);
	maker_done(&m);
}

/* Hexadecimal digits and names of banks in either case. */
static bool text_is_same(const uint8_t *before, const uint8_t *after, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (tolower(before[i]) != tolower(after[i]))
			return false;
	return true;
}

/* The same key, spelled otherwise: parameters of RSA that nobody reads. */
static bool key_is_same(const uint8_t *before, const uint8_t *after, size_t len)
{
	EVP_PKEY *a = d2i_PUBKEY(NULL, &before, (long)len),
		 *b = d2i_PUBKEY(NULL, &after, (long)len);
	bool is_same = a != NULL && b != NULL && EVP_PKEY_eq(a, b) == 1;

	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	return is_same;
}

static void no_byte_of_a_made_quote_is_too_much(void **state)
{
	static const char *const names[] = { "P-256", "RSA" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct maker m;
		maker_init(&m, i == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048));
		struct subject s = { .name = names[i], .in = m.in, .step = 1 };
		s.in.required_rows = ROW_BIT(ROW_PCRS);
		mutate_check_good(&s, VERDICT_AFFIRMING);
		mutate_bits(&s, &s.in.evidence, 0, s.in.evidence.len, ROW_BIT(ROW_SIGNATURE));
		/* 48 bytes pass for a SEV measurement */
		mutate_lengths(&s, &s.in.evidence, s.in.evidence.len, ROW_BIT(ROW_CHAIN));
		mutate_tail(&s, &s.in.evidence, 0);
		mutate_bytes(
			&s, &s.in.tpm.signature, 0, s.in.tpm.signature.len, ROW_BIT(ROW_SIGNATURE));
		mutate_lengths(
			&s, &s.in.tpm.signature, s.in.tpm.signature.len, ROW_BIT(ROW_SIGNATURE));
		mutate_tail(&s, &s.in.tpm.signature, ROW_BIT(ROW_SIGNATURE));
		s.is_same = key_is_same;
		mutate_bytes(&s, &s.in.tpm.ak, 0, s.in.tpm.ak.len,
			ROW_BIT(ROW_SIGNATURE) | ROW_BIT(ROW_CHAIN));
		s.is_same = NULL;
		mutate_lengths(&s, &s.in.tpm.ak, s.in.tpm.ak.len,
			ROW_BIT(ROW_SIGNATURE) | ROW_BIT(ROW_CHAIN));
		s.is_same = text_is_same;
		mutate_bytes(&s, &s.in.tpm.pcrs, 0, s.in.tpm.pcrs.len, ROW_BIT(ROW_PCRS));
		mutate_lengths(&s, &s.in.tpm.pcrs, s.in.tpm.pcrs.len, ROW_BIT(ROW_PCRS));
		mutate_check_good(&s, VERDICT_AFFIRMING);
		maker_done(&m);
	}
	assert_true(mutate_count > 5000);
}

static void every_scheme_is_read(void **state)
{
	static const struct {
		uint16_t scheme;
		int salt;
		const char *hash;
		enum verdict_status want;
	} rows[] = {
		{ 0x0014, 0, "sha256", VERDICT_AFFIRMING },
		{ 0x0016, RSA_PSS_SALTLEN_DIGEST, "sha256", VERDICT_AFFIRMING },
		{ 0x0016, RSA_PSS_SALTLEN_MAX, "sha256", VERDICT_AFFIRMING },
		{ 0x0016, 8, "sha256", VERDICT_CONTRAINDICATED },
		{ 0x0014, 0, "sha1", VERDICT_CONTRAINDICATED },
		{ 0x0014, 0, "sha384", VERDICT_CONTRAINDICATED }, /* digest is SHA-256's */
	};
	struct maker m;

	maker_init(&m, EVP_RSA_gen(2048));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		m.in.tpm.signature =
			sign(&m, rows[i].scheme, rows[i].salt, rows[i].hash, m.in.evidence);
		judge(&m, rows[i].want, i == 5 ? ROW_PCRS : ROW_SIGNATURE);
	}
	maker_sign(&m);
	m.in.tpm.signature.p += 6, m.in.tpm.signature.len -= 6; /* bare */
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	m.in.tpm.signature.len--;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_SIGNATURE);
	m.in.tpm.signature.len = 0;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_SIGNATURE);
	maker_done(&m);
}

static void what_does_not_fit_is_named(void **state)
{
	static const uint8_t other[64] = "another";
	struct maker m;
	EVP_PKEY *stranger = EVP_EC_gen("P-256"), *own;

	maker_init(&m, EVP_EC_gen("P-256"));
	m.in.report_data = other, m.in.report_data_len = 7;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_REPORT_DATA);
	m.in.report_data_len = 0; /* the whole 64 bytes */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_REPORT_DATA);
	m.in.report_data = (const uint8_t[64]){ "nonce" };
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);

	own = m.key, m.key = stranger;
	maker_sign(&m);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_SIGNATURE);
	m.key = own;
	maker_sign(&m);
	m.pcrs[20] = m.pcrs[20] == '0' ? '1' : '0';
	judge(&m, VERDICT_CONTRAINDICATED, ROW_PCRS);
	(void)quote_make(&m, 0x7F, TPM_ALG_SHA256, NULL, 0x8018); /* values: one too few */
	m.in.evidence = blob_of(m.attest, m.in.evidence.len);
	struct attest_blob few = m.in.tpm.pcrs;
	char copy[sizeof m.pcrs];
	memcpy(copy, m.pcrs, sizeof copy);
	m.in.evidence = quote_make(&m, MASK, TPM_ALG_SHA256, NULL, 0x8018);
	m.in.tpm.pcrs = blob_of(copy, few.len);
	maker_sign(&m);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_PCRS);
	m.in.tpm.ak.len = 0;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	m.in.tpm.ak = blob_of("rubbish", 7);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	EVP_PKEY_free(stranger);
	maker_done(&m);
}

static void what_is_no_quote_is_refused(void **state)
{
	struct tpm_quote q;
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	struct attest_blob good = m.in.evidence;
	for (size_t len = 0; len < good.len; len++)
		assert_int_equal(tpm_quote_parse(&q, blob_of(good.p, len), NULL), -EBADMSG);
	assert_int_equal(tpm_quote_parse(&q, blob_of(good.p, good.len + 1), NULL), -EBADMSG);
	assert_int_equal(
		tpm_quote_parse(&q, quote_make(&m, MASK, TPM_ALG_SHA256, NULL, 0x8017), NULL),
		-EPROTONOSUPPORT);
	assert_int_equal(tpm_quote_parse(&q, quote_make(&m, MASK, 0x0027, NULL, 0x8018), NULL),
		-EPROTONOSUPPORT);
	assert_int_equal(tpm_quote_parse(&q, quote_make(&m, 0, TPM_ALG_SHA256, NULL, 0x8018), NULL),
		-EBADMSG);
	struct attest_blob b = quote_make(&m, MASK, TPM_ALG_SHA256, NULL, 0x8018);
	m.attest[0] = 0;
	assert_int_equal(tpm_quote_parse(&q, b, NULL), -EBADMSG);
	maker_done(&m);
}

/* TPMT_PUBLIC of a P-256 key. */
static size_t public_make(EVP_PKEY *key, uint32_t attributes, uint8_t *ret, size_t size)
{
	struct wr w = wr_of(ret, size);
	uint8_t spki[200], *p = spki;
	int len = i2d_PUBKEY(key, &p);

	wr_be16(&w, 0x0023);
	wr_be16(&w, TPM_ALG_SHA256);
	wr_be32(&w, attributes);
	wr_be16(&w, 0);
	wr_be16(&w, 0x0010);
	wr_be16(&w, 0x0018);
	wr_be16(&w, TPM_ALG_SHA256);
	wr_be16(&w, 3);
	wr_be16(&w, 0x0010);
	for (int i = 0; i < 2; i++) {
		wr_be16(&w, 32);
		wr_copy(&w, spki + len - 64 + 32 * i, 32);
	}
	return w.len;
}

static void an_ak_must_be_one(void **state)
{
	static const struct {
		uint32_t attributes;
		enum verdict_status want;
	} rows[] = {
		{ 0x50072, VERDICT_AFFIRMING },
		{ 0x40072, VERDICT_CONTRAINDICATED }, /* not restricted */
		{ 0x50070, VERDICT_CONTRAINDICATED }, /* not fixedTPM */
		{ 0x50062, VERDICT_CONTRAINDICATED }, /* not fixedParent */
		{ 0x50052, VERDICT_CONTRAINDICATED }, /* not sensitiveDataOrigin */
		{ 0x70072, VERDICT_CONTRAINDICATED }, /* decrypts */
		{ 0x10072, VERDICT_CONTRAINDICATED }, /* does not sign */
	};
	struct tpm_key k = { 0 };
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = public_make(m.key, rows[i].attributes, m.ak, sizeof m.ak);
		m.in.tpm.ak = blob_of(m.ak, len);
		judge(&m, rows[i].want, ROW_CHAIN);
		for (size_t cut = 0; cut < len; cut++)
			assert_true(tpm_key_load(&k, blob_of(m.ak, cut), NULL) < 0);
	}
	maker_done(&m);
}

static void a_key_that_lay_beside_the_evidence_vouches_for_nothing(void **state)
{
	static struct policy p; /* large */
	struct tpm_key k = { 0 };
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	m.in.tpm.is_ak_found = true;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	assert_int_equal(verdict.rows[ROW_SIGNATURE].status, VERDICT_AFFIRMING);
	assert_non_null(strstr(verdict.rows[ROW_CHAIN].why, "--ak"));
	memset(&p, 0, sizeof p);
	p.tee.has_tpm = true;
	m.in.policy = &p;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	assert_int_equal(tpm_key_load(&k, m.in.tpm.ak, NULL), 0);
	p.tee.tpm.n_aks = 1;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	memcpy(p.tee.tpm.aks[0].sha256, k.spki_sha256, 32);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	tpm_key_done(&k);
	maker_done(&m);
}

static void a_policy_lists_keys_and_values(void **state)
{
	static struct policy p; /* large */
	struct maker m;
	struct tpm_key k = { 0 };

	maker_init(&m, EVP_EC_gen("P-256"));
	memset(&p, 0, sizeof p);
	m.in.policy = &p;
	p.tee.has_tpm = true;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	p.tee.type = POLICY_TEE_SNP; /* a TPM alone is no TEE */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_TRUST);
	p.tee.type = POLICY_TEE_NONE;

	assert_int_equal(tpm_key_load(&k, m.in.tpm.ak, NULL), 0);
	p.tee.tpm.n_aks = 1;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	memcpy(p.tee.tpm.aks[0].sha256, k.spki_sha256, 32);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	tpm_key_done(&k);

	p.tee.tpm.n_pcrs = 1;
	p.tee.tpm.pcrs[0].index = 4;
	p.tee.tpm.pcrs[0].n = 2;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_PCRS);
	value_make(4, p.tee.tpm.pcrs[0].at[1].sha256);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	p.tee.tpm.pcrs[0].index = 11; /* not quoted */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_PCRS);
	p.tee.tpm.n_pcrs = 0;

	p.tee.tpm.require_event_log = true;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	p.tee.tpm.require_event_log = false;

	p.has_valid = true; /* the policy itself, though no TEE's report is judged */
	p.valid.not_before = AT_2026 - 1;
	p.valid.not_after = AT_2026;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	m.in.at = AT_2026 + 1;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_POLICY);
	m.in.at = AT_2026;
	p.tee.endorsements.n_deny_chips = 1;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHIP_ID);
	maker_done(&m);
}

static void what_a_tpm_cannot_say_is_refused_where_it_is_asked(void **state)
{
	static const uint8_t digest[1][48] = { 0 };
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	m.in.digests = digest, m.in.n_digests = 1;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_MEASUREMENT);
	m.in.n_digests = 0;
	m.in.host_data = digest[0];
	judge(&m, VERDICT_CONTRAINDICATED, ROW_HOST_DATA);
	m.in.host_data = NULL;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	maker_done(&m);
}

/* --- boot log ----------------------------------------------------------------------------------- */

static void log_event(struct wr *w, uint32_t reg, uint32_t type, const void *data, size_t len)
{
	const struct tpm_part part = { data, len };
	uint8_t digest[32];

	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA256), &part, 1, digest), 0);
	wr_le32(w, reg);
	wr_le32(w, type);
	wr_le32(w, 1);
	wr_le16(w, TPM_ALG_SHA256);
	wr_copy(w, digest, 32);
	wr_le32(w, (uint32_t)len);
	wr_copy(w, data, len);
}

static void log_head(struct wr *w)
{
	wr_le32(w, 0);
	wr_le32(w, EVENT_NO_ACTION);
	wr_zero(w, 20);
	wr_le32(w, 33);
	wr_copy(w, "Spec ID Event03\0\0\0\0\0\0\2\0\2\1\0\0\0\x0B\0\x20\0", 33);
}

#define DRIVER_CONFIG 0x80000001u
#define UNTOLD        0x80000008u /* a type whose digest is of something that is not in the log */
#define VARIABLE_SIZE 53u

/* UEFI_VARIABLE_DATA of SecureBoot. */
static void variable_make(uint8_t ret[VARIABLE_SIZE], uint8_t value)
{
	static const char name[] = "S\0e\0c\0u\0r\0e\0B\0o\0o\0t";

	memset(ret, 0, VARIABLE_SIZE);
	ret[16] = 10;
	ret[24] = 1;
	memcpy(ret + 32, name, 20);
	ret[52] = value;
}

static size_t log_make(uint8_t *buf, size_t size, uint8_t secure_boot, uint32_t separators)
{
	struct wr w = wr_of(buf, size);
	uint8_t variable[VARIABLE_SIZE];

	log_head(&w);
	variable_make(variable, secure_boot);
	log_event(&w, 7, DRIVER_CONFIG, variable, sizeof variable);
	for (uint32_t i = 0; i < 8; i++)
		if (separators >> i & 1u)
			log_event(&w, i, 4, "\0\0\0\0", 4);
	assert_int_equal(wr_check(&w), 0);
	return w.len;
}

static void a_boot_log_leads_to_the_registers(void **state)
{
	static struct policy p; /* large */
	uint8_t buf[2048], other[2048], both[4096], values[TPM_PCRS][32] = { 0 };
	struct eventlog_replay r;
	struct maker m;
	size_t len = log_make(buf, sizeof buf, 1, 0xFF);
	size_t other_len = log_make(other, sizeof other, 0, 0xFF);

	maker_init(&m, EVP_EC_gen("P-256"));
	assert_int_equal(
		eventlog_replay(blob_of(buf, len), TPM_ALG_SHA256, EVENTLOG_TCG, &r, NULL), 0);
	for (size_t i = 0; i < 8; i++)
		memcpy(values[i], r.value[i], 32);
	m.in.evidence = quote_make(&m, MASK, TPM_ALG_SHA256, (const uint8_t(*)[32])values, 0x8018);
	maker_sign(&m);
	m.event_log = blob_of(buf, len);
	m.in.event_logs = &m.event_log, m.in.n_event_logs = 1;
	memset(&p, 0, sizeof p);
	p.tee.has_tpm = true;
	p.tee.tpm.secure_boot = POLICY_REQUIRE;
	m.in.policy = &p;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	assert_int_equal(verdict.rows[ROW_EVENT_LOG].status, VERDICT_AFFIRMING);
	p.tee.tpm.secure_boot = POLICY_FORBID;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	m.in.policy = NULL;

	m.event_log = blob_of(other, other_len); /* another boot's */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	m.event_log.len = log_make(other, sizeof other, 1, 0xFE); /* PCR 0 is left out */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	m.event_log.len -= 1;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);

	struct wr w = wr_of(both, sizeof both); /* two boots, the second is ours */
	other_len = log_make(other, sizeof other, 0, 0xFF);
	wr_le32(&w, (uint32_t)other_len);
	wr_copy(&w, other, other_len);
	wr_le32(&w, (uint32_t)len);
	wr_copy(&w, buf, len);
	m.event_log = blob_of(both, w.len);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);

	buf[len - 1] = 1; /* a separator's data */
	m.event_log = blob_of(buf, len);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	buf[len - 1] = 0;
	m.event_log = blob_of(buf, len);
	m.in.tpm.pcrs.len = 0; /* nothing to compare with */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	maker_done(&m);
}

/* Types are not measured: what came behind PCR 7's separator is not the firmware's, whatever its name. */
static void a_separator_by_another_name_ends_the_firmwares_part(void **state)
{
	static struct policy p; /* large */
	uint8_t buf[2048], values[TPM_PCRS][32] = { 0 }, variable[VARIABLE_SIZE];
	struct wr w = wr_of(buf, sizeof buf);
	struct eventlog_replay r;
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	log_head(&w);
	variable_make(variable, 0);
	log_event(&w, 7, UNTOLD, variable, sizeof variable);
	log_event(&w, 7, UNTOLD, "\0\0\0\0", 4);
	variable_make(variable, 1); /* the running system extends PCR 7 */
	log_event(&w, 7, DRIVER_CONFIG, variable, sizeof variable);
	m.event_log = blob_of(buf, w.len);
	assert_int_equal(eventlog_replay(m.event_log, TPM_ALG_SHA256, EVENTLOG_TCG, &r, NULL), 0);
	memcpy(values[7], r.value[7], 32);
	m.in.evidence =
		quote_make(&m, 1u << 7, TPM_ALG_SHA256, (const uint8_t(*)[32])values, 0x8018);
	maker_sign(&m);
	m.in.event_logs = &m.event_log, m.in.n_event_logs = 1;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	memset(&p, 0, sizeof p);
	p.tee.has_tpm = true;
	p.tee.tpm.secure_boot = POLICY_REQUIRE;
	m.in.policy = &p;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	maker_done(&m);
}

/* An event with the digest of one bank only. */
static void log_event_in(
	struct wr *w, uint16_t bank, uint32_t reg, uint32_t type, const void *data, size_t len)
{
	const struct tpm_alg *alg = tpm_alg_find(bank);
	const struct tpm_part part = { data, len };
	uint8_t digest[TPM_DIGEST_MAX];

	assert_int_equal(tpm_hash(alg, &part, 1, digest), 0);
	wr_le32(w, reg);
	wr_le32(w, type);
	wr_le32(w, 1);
	wr_le16(w, bank);
	wr_copy(w, digest, alg->size);
	wr_le32(w, (uint32_t)len);
	wr_copy(w, data, len);
}

/* A quote of one register in SHA-256 and one, both of the first eight, in SHA-384. */
static void quote_two_banks(struct maker *m, unsigned int first, const uint8_t in_sha256[32],
	unsigned int second, const uint8_t in_sha384[48])
{
	const struct tpm_part parts[] = { { in_sha256, 32 }, { in_sha384, 48 } };
	struct wr w = wr_of(m->attest, sizeof m->attest);
	struct wr j = wr_of(m->pcrs, sizeof m->pcrs);
	uint8_t digest[32];

	wr_printf(&j, "{\"sha256\": {\"%u\": \"", first);
	wr_hex(&j, in_sha256, 32);
	wr_printf(&j, "\"}, \"sha384\": {\"%u\": \"", second);
	wr_hex(&j, in_sha384, 48);
	wr_str(&j, "\"}}");
	m->in.tpm.pcrs = blob_of(m->pcrs, j.len);
	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA256), parts, 2, digest), 0);
	wr_copy(&w, "\xFFTCG\x80\x18\0\0\0\5nonce", 15);
	wr_zero(&w, 8 + 4 + 4 + 1 + 8);
	wr_copy(&w, "\0\0\0\2\0\x0B\3\0\0\0\0\x0C\3\0\0\0\0\x20", 18);
	wr_copy(&w, digest, 32);
	assert_int_equal(wr_check(&w), 0);
	m->attest[w.len - 32 - 11] = (uint8_t)(1u << first);
	m->attest[w.len - 32 - 5] = (uint8_t)(1u << second);
	m->in.evidence = blob_of(m->attest, w.len);
	maker_sign(m);
}

static void log_head_two(struct wr *w)
{
	wr_zero(w, 4);
	wr_le32(w, EVENT_NO_ACTION);
	wr_zero(w, 20);
	wr_le32(w, 37);
	wr_copy(w, "Spec ID Event03\0\0\0\0\0\0\2\0\2\2\0\0\0\x0B\0\x20\0\x0C\0\x30\0", 37);
}

static void log_event_two(struct wr *w, uint32_t reg, uint32_t type, const void *data, size_t len)
{
	static const uint16_t banks[] = { TPM_ALG_SHA256, TPM_ALG_SHA384 };
	const struct tpm_part part = { data, len };
	uint8_t digest[TPM_DIGEST_MAX];

	wr_le32(w, reg);
	wr_le32(w, type);
	wr_le32(w, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct tpm_alg *alg = tpm_alg_find(banks[i]);
		assert_int_equal(tpm_hash(alg, &part, 1, digest), 0);
		wr_le16(w, banks[i]);
		wr_copy(w, digest, alg->size);
	}
	wr_le32(w, (uint32_t)len);
	wr_copy(w, data, len);
}

/* Of a bank that the firmware leaves alone the running system makes what it likes. */
static void secure_boot_is_proven_in_the_sha256_bank(void **state)
{
	static struct policy p; /* large */
	uint8_t buf[2048], variable[VARIABLE_SIZE];
	struct wr w = wr_of(buf, sizeof buf);
	struct eventlog_replay a, b;
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	log_head_two(&w);
	variable_make(variable, 1);
	log_event_two(&w, 7, DRIVER_CONFIG, variable, sizeof variable);
	log_event_two(&w, 7, 4, "\0\0\0\0", 4);
	log_event_two(&w, 0, 4, "\0\0\0\0", 4);
	m.event_log = blob_of(buf, w.len);
	m.in.event_logs = &m.event_log, m.in.n_event_logs = 1;
	assert_int_equal(eventlog_replay(m.event_log, TPM_ALG_SHA256, EVENTLOG_TCG, &a, NULL), 0);
	assert_int_equal(eventlog_replay(m.event_log, TPM_ALG_SHA384, EVENTLOG_TCG, &b, NULL), 0);
	memset(&p, 0, sizeof p);
	p.tee.has_tpm = true;
	m.in.policy = &p;
	p.tee.tpm.secure_boot = POLICY_REQUIRE;
	quote_two_banks(&m, 7, a.value[7], 0, b.value[0]);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	quote_two_banks(&m, 7, a.value[7], 7, b.value[7]);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	b.value[7][0] ^= 1;
	quote_two_banks(&m, 7, a.value[7], 7, b.value[7]); /* the other bank has to agree */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	b.value[7][0] ^= 1;
	quote_two_banks(&m, 0, a.value[0], 7, b.value[7]);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	p.tee.tpm.secure_boot = POLICY_FORBID;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	m.in.policy = NULL;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	assert_string_equal(
		(const char *)claims_find(&verdict.claims, "secure_boot")->bytes, "not proven");
	maker_done(&m);
}

static void quote_replayed(struct maker *m, uint32_t mask)
{
	uint8_t values[TPM_PCRS][32];
	struct eventlog_replay r;

	assert_int_equal(eventlog_replay(m->event_log, TPM_ALG_SHA256, EVENTLOG_TCG, &r, NULL), 0);
	for (size_t i = 0; i < TPM_PCRS; i++)
		memcpy(values[i], r.value[i], 32);
	m->in.evidence = quote_make(m, mask, TPM_ALG_SHA256, (const uint8_t(*)[32])values, 0x8018);
	maker_sign(m);
}

static void the_log_a_policy_asks_for_is_the_firmwares(void **state)
{
	static struct policy p; /* large */
	struct policy_tpm *t = &p.tee.tpm;
	uint8_t buf[2048];
	struct wr w = wr_of(buf, sizeof buf);
	struct eventlog_replay r;
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	m.in.event_logs = &m.event_log, m.in.n_event_logs = 1;
	memset(&p, 0, sizeof p);
	p.tee.has_tpm = true;
	m.in.policy = &p;
	log_head(&w); /* anybody may extend PCR 16, and write a log of it */
	log_event(&w, 16, UNTOLD, "made up", 7);
	m.event_log = blob_of(buf, w.len);
	quote_replayed(&m, 1u << 16);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	t->require_event_log = true;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	assert_int_equal(eventlog_replay(m.event_log, TPM_ALG_SHA256, EVENTLOG_TCG, &r, NULL), 0);
	t->n_pcrs = 1; /* no register that the firmware's log speaks of: 0 to 7 it is */
	t->pcrs[0].index = 16, t->pcrs[0].n = 1;
	memcpy(t->pcrs[0].at[0].sha256, r.value[16], 32);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	t->n_pcrs = 0;

	m.event_log.len = log_make(buf, sizeof buf, 1, 0xFF);
	quote_replayed(&m, 0xFF);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	for (uint32_t i = 0; i < 8; i++) {
		quote_replayed(&m, 0xFFu & ~(1u << i));
		judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	}
	quote_replayed(&m, 1u << 4); /* all that the policy lists */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	assert_int_equal(eventlog_replay(m.event_log, TPM_ALG_SHA256, EVENTLOG_TCG, &r, NULL), 0);
	t->n_pcrs = 1;
	t->pcrs[0].index = 4;
	memcpy(t->pcrs[0].at[0].sha256, r.value[4], 32);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	t->pcrs[1] = t->pcrs[0]; /* quoted and as listed, but not in the log */
	t->pcrs[1].index = 9;
	memset(t->pcrs[1].at[0].sha256, 0, 32);
	t->n_pcrs = 2;
	quote_replayed(&m, 1u << 4 | 1u << 9);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	maker_done(&m);
}

/* The bank that proves PCR 7 says that Secure Boot was off; another, which does not, says on. */
static void secure_boot_is_what_the_proven_bank_says(void **state)
{
	static struct policy p; /* large */
	uint8_t buf[2048], variable[VARIABLE_SIZE];
	struct wr w = wr_of(buf, sizeof buf);
	struct eventlog_replay a, b;
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	wr_zero(&w, 4);
	wr_le32(&w, EVENT_NO_ACTION);
	wr_zero(&w, 20);
	wr_le32(&w, 37);
	wr_copy(&w, "Spec ID Event03\0\0\0\0\0\0\2\0\2\2\0\0\0\x0B\0\x20\0\x0C\0\x30\0", 37);
	variable_make(variable, 0);
	log_event_in(&w, TPM_ALG_SHA256, 7, DRIVER_CONFIG, variable, sizeof variable);
	variable_make(variable, 1);
	log_event_in(&w, TPM_ALG_SHA384, 7, DRIVER_CONFIG, variable, sizeof variable);
	log_event_in(&w, TPM_ALG_SHA384, 0, 4, "\0\0\0\0", 4);
	m.event_log = blob_of(buf, w.len);
	assert_int_equal(eventlog_replay(m.event_log, TPM_ALG_SHA256, EVENTLOG_TCG, &a, NULL), 0);
	assert_int_equal(eventlog_replay(m.event_log, TPM_ALG_SHA384, EVENTLOG_TCG, &b, NULL), 0);
	assert_int_equal(b.secure_boot, EVENTLOG_ON);
	quote_two_banks(&m, 7, a.value[7], 0, b.value[0]);
	m.in.event_logs = &m.event_log, m.in.n_event_logs = 1;
	memset(&p, 0, sizeof p);
	p.tee.has_tpm = true;
	p.tee.tpm.secure_boot = POLICY_REQUIRE;
	m.in.policy = &p;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_EVENT_LOG);
	maker_done(&m);
}

/* --- files -------------------------------------------------------------------------------------- */

static void sized(struct wr *w, const void *p, size_t len)
{
	wr_le32(w, (uint32_t)len);
	wr_copy(w, p, len);
}

/* One line, its template data given. */
static void ima_line(struct wr *list, const char *template, const char *fields, const uint8_t *data,
	size_t len, uint8_t pcr[32])
{
	const struct tpm_part part = { data, len };
	uint8_t sha1[20], sha256[32];

	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA1), &part, 1, sha1), 0);
	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA256), &part, 1, sha256), 0);
	wr_str(list, "10 ");
	wr_hex(list, sha1, 20);
	wr_printf(list, " %s %s\n", template, fields);
	assert_int_equal(tpm_extend(tpm_alg_find(TPM_ALG_SHA256), pcr, sha256), 0);
}

/* Fields in the binary form: digest with its name (NUL at its end), path, rest. */
static void ima_add(struct wr *list, const char *template, const char *name, const char *path,
	const char *rest_hex, uint8_t pcr[32])
{
	uint8_t digest[32], data[512], rest[64];
	size_t rest_len = 0;
	char fields[512];
	struct wr w = wr_of(data, sizeof data);
	struct wr f = wr_of(fields, sizeof fields);

	memset(digest, 0x5A, sizeof digest);
	wr_str(&f, name);
	wr_hex(&f, digest, 32);
	wr_printf(
		&f, " %s%s%s", path, rest_hex != NULL ? " " : "", rest_hex != NULL ? rest_hex : "");
	assert_int_equal(wr_end_str(&f), 0);
	wr_le32(&w, (uint32_t)(strlen(name) + 1 + 32));
	wr_copy(&w, name, strlen(name) + 1);
	wr_copy(&w, digest, 32);
	sized(&w, path, strlen(path) + 1);
	if (rest_hex != NULL) {
		assert_int_equal(
			hex_parse(rest_hex, strlen(rest_hex), rest, sizeof rest, &rest_len), 0);
		sized(&w, rest, rest_len);
	}
	ima_line(list, template, fields, data, w.len, pcr);
}

static void ima_list_make(struct wr *list, uint8_t pcr[32])
{
	uint8_t data[512], old[20 + 256] = { 0 };
	struct wr w = wr_of(data, sizeof data);

	ima_add(list, "ima-ng", "sha256:", "/usr/bin/with space", NULL, pcr);
	ima_add(list, "ima-ngv2", "verity:sha256:", "/bin/sh", NULL, pcr);
	ima_add(list, "ima-sig", "sha256:", "/a path", "030204aabbccdd", pcr);
	ima_add(list, "ima-sig", "sha256:", "/no signature", "", pcr);
	ima_add(list, "ima-sigv2", "ima:sha256:", "/b", "0302", pcr);
	ima_add(list, "ima-buf", "sha256:", "kexec-cmdline", "726f6f74", pcr);
	/* modsig: digest, path, signature, digest of the module, its signature */
	sized(&w, "sha1:\0AAAAAAAAAAAAAAAAAAAA", 26);
	sized(&w, "/m.ko", 6);
	sized(&w, "", 0);
	sized(&w, "sha1:\0BBBBBBBBBBBBBBBBBBBB", 26);
	sized(&w, "\1\2", 2);
	ima_line(list, "ima-modsig",
		"sha1:4141414141414141414141414141414141414141 /m.ko  "
		"sha1:4242424242424242424242424242424242424242 0102",
		data, w.len, pcr);
	memset(old, 'C', 20);
	memcpy(old + 20, "/old", 4);
	ima_line(
		list, "ima", "4343434343434343434343434343434343434343 /old", old, sizeof old, pcr);
}

static void every_template_is_hashed(void **state)
{
	char text[4096];
	struct wr list = wr_of(text, sizeof text);
	uint8_t pcr[32] = { 0 }, half[32];
	struct ima_replay r;
	const struct tpm_alg *alg = tpm_alg_find(TPM_ALG_SHA256);

	ima_list_make(&list, pcr);
	struct attest_blob b = blob_of(text, list.len);
	assert_true(ima_recognise(b));
	assert_int_equal(ima_replay(b, alg, pcr, &r, NULL), 0);
	assert_int_equal(r.bad_line, 0);
	assert_int_equal(r.n_lines, 8);
	assert_int_equal(r.n_covered, 8);
	assert_memory_equal(r.value, pcr, 32);

	/* lines that came after the quote */
	memcpy(half, pcr, 32);
	ima_add(&list, "ima-ng", "sha256:", "/later", NULL, pcr);
	assert_int_equal(ima_replay(blob_of(text, list.len), alg, half, &r, NULL), 0);
	assert_int_equal(r.n_covered, 8);
	assert_int_equal(r.n_lines, 9);

	/* a violation, and FF in the register */
	uint8_t ff[32];
	memset(ff, 0xFF, 32);
	assert_int_equal(tpm_extend(alg, pcr, ff), 0);
	wr_str(&list, "10 0000000000000000000000000000000000000000 ima-ng sha256:00 /open\n");
	assert_int_equal(ima_replay(blob_of(text, list.len), alg, pcr, &r, NULL), 0);
	assert_int_equal(r.n_covered, 10);
	assert_int_equal(r.n_violations, 1);
}

static void edited_lists_are_named(void **state)
{
	static const char *const bad[] = { "10 00", "x", "11 aa ima-ng sha1:aa /x",
		"10 aa ima-other sha1:aa /x", "100 aa ima-ng sha1:aa /x", "10 zz ima-ng sha1:aa /x",
		"11 1d8d532d463c9f8c205d0df7787669a85f93e260 ima-ng sha1:00 /x" };
	char text[4096];
	struct wr list = wr_of(text, sizeof text);
	uint8_t pcr[32] = { 0 };
	struct ima_replay r;
	const struct tpm_alg *alg = tpm_alg_find(TPM_ALG_SHA256);

	ima_list_make(&list, pcr);
	char *at = strstr(text, "/bin/sh");
	at[1] = 'B';
	assert_int_equal(ima_replay(blob_of(text, list.len), alg, pcr, &r, NULL), 0);
	assert_int_equal(r.bad_line, 2);
	assert_int_equal(r.n_covered, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			ima_replay(blob_of(bad[i], strlen(bad[i])), alg, NULL, &r, NULL), -EBADMSG);
}

static void an_ima_list_leads_to_pcr_10(void **state)
{
	char text[4096];
	struct wr list = wr_of(text, sizeof text);
	uint8_t values[TPM_PCRS][32] = { 0 };
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	ima_list_make(&list, values[10]);
	m.in.evidence =
		quote_make(&m, 1u << 10, TPM_ALG_SHA256, (const uint8_t(*)[32])values, 0x8018);
	maker_sign(&m);
	m.in.tpm.ima = blob_of(text, list.len);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	assert_int_equal(verdict.rows[ROW_IMA].status, VERDICT_AFFIRMING);
	text[list.len - 2] = 'X';
	judge(&m, VERDICT_CONTRAINDICATED, ROW_IMA);
	m.in.tpm.ima = blob_of("rubbish", 7);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_IMA);
	m.in.tpm.ima = blob_of(text, list.len);
	m.in.evidence = quote_make(&m, MASK, TPM_ALG_SHA256, NULL, 0x8018);
	maker_sign(&m);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_IMA); /* PCR 10 is not quoted */
	maker_done(&m);
}

static size_t hcl_make(uint8_t *buf, size_t size, const char *text, uint32_t type);

static void line_take(const struct ima_line *line, void *user)
{
	assert_string_equal(line->digest, "sha256:?[2J00");
	assert_string_equal(line->path, "/bin/?]0;x?");
	*(size_t *)user += 1;
}

static void texts_for_people_are_printable(void **state)
{
	static const char list[] = "10 0000000000000000000000000000000000000000 ima-ng "
				   "sha256:\033[2J00 /bin/\033]0;x\a\n";
	static const char data[] = "{\"user-data\":\"\\u001b[2J\\u009b\"}";
	static struct claims claims; /* large */
	uint8_t buf[2600] = { 0 };
	struct hcl_report h;
	size_t n = 0;

	assert_int_equal(ima_walk(blob_of(list, sizeof list - 1), line_take, &n, NULL), 0);
	assert_int_equal(n, 1);
	(void)hcl_make(buf, sizeof buf, data, 2);
	assert_int_equal(hcl_parse(&h, blob_of(buf, sizeof buf), NULL), 0);
	hcl_claims(&h, &claims);
	const struct claim *user = claims_find(&claims, "hcl_user_data");
	assert_non_null(user);
	assert_string_equal((const char *)user->bytes, "?[2J??");
}

/* --- certificates ------------------------------------------------------------------------------- */

static X509 *cert_make(
	EVP_PKEY *key, EVP_PKEY *issuer, const char *cn, const char *issuer_cn, const char *eku)
{
	X509 *x = X509_new();
	X509_NAME *name;
	X509V3_CTX ctx;

	assert_int_equal(X509_set_version(x, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 7), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), AT_2026 - 86400));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), AT_2026 + 86400));
	name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
	name = X509_get_issuer_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)issuer_cn, -1, -1, 0);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &ctx,
		eku != NULL ? NID_ext_key_usage : NID_basic_constraints,
		eku != NULL ? eku : "critical,CA:TRUE");
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(x, issuer, EVP_sha256()) > 0);
	return x;
}

static struct attest_blob cert_blob(X509 *x, uint8_t *buf, size_t size, size_t padding)
{
	unsigned char *p = buf;

	memset(buf, 0, size);
	int len = i2d_X509(x, &p);
	assert_true(len > 0 && (size_t)len + padding <= size);
	return blob_of(buf, (size_t)len + padding);
}

static void an_ak_certificate_leads_to_a_root(void **state)
{
	static struct policy p; /* large */
	const struct attest_blob rubbish = blob_of("rubbish", 7);
	uint8_t ak_buf[4096], root_buf[2048];
	struct maker m;
	EVP_PKEY *ca = EVP_EC_gen("P-256");

	maker_init(&m, EVP_EC_gen("P-256"));
	X509 *root = cert_make(ca, ca, "root", "root", NULL);
	X509 *ak = cert_make(m.key, ca, "ak", "root", "2.23.133.8.3");
	X509 *web = cert_make(m.key, ca, "ak", "root", "serverAuth");
	struct attest_blob root_blob = cert_blob(root, root_buf, sizeof root_buf, 0);

	m.in.tpm.ak = cert_blob(ak, ak_buf, sizeof ak_buf, 2000); /* zeros of an NV index behind */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);            /* no root */
	m.in.roots = &root_blob, m.in.n_roots = 1;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	assert_int_equal(verdict.trust, TRUST_HOST);
	memset(&p, 0, sizeof p);
	p.tee.endorsements.require_crl = true;
	m.in.policy = &p;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_REVOCATION);
	m.in.policy = NULL;
	m.in.crls = &rubbish, m.in.n_crls = 1;
	judge(&m, VERDICT_WARNING, ROW_COUNT);
	m.in.n_crls = 0;
	m.in.at = AT_2030;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	m.in.at = AT_2026;
	ak_buf[m.in.tpm.ak.len - 1] = 1; /* no zero */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	m.in.tpm.ak = cert_blob(ak, ak_buf, sizeof ak_buf, 0);
	ak_buf[m.in.tpm.ak.len - 1] ^= 1; /* the signature */
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	m.in.tpm.ak = cert_blob(web, ak_buf, sizeof ak_buf, 0);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);

	/* among the other certificates */
	struct attest_blob other = cert_blob(ak, ak_buf, sizeof ak_buf, 0);
	m.in.tpm.ak.len = 0;
	m.in.certs = &other, m.in.n_certs = 1;
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	X509_free(root);
	X509_free(ak);
	X509_free(web);
	EVP_PKEY_free(ca);
	maker_done(&m);
}

/* --- credentials -------------------------------------------------------------------------------- */

static void a_credential_opens_with_its_key_only(void **state)
{
	static const uint8_t secret[] = "sixteen bytes ..";
	uint8_t name[34] = { 0, 0x0B, 1, 2, 3 }, got[TPM_CREDENTIAL_SECRET_MAX];
	EVP_PKEY *keys[] = { EVP_RSA_gen(2048), EVP_EC_gen("P-256"), EVP_EC_gen("P-256") };
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	struct tpm_credential c;
	size_t len = 0;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(
			tpm_credential_make(keys[i], name, sizeof name, secret, 16, &c, NULL), 0);
		assert_int_equal(
			tpm_credential_open(keys[i], name, sizeof name, &c, got, &len, NULL), 0);
		assert_int_equal(len, 16);
		assert_memory_equal(got, secret, 16);
		assert_true(tpm_credential_open(
				    keys[i + 1], name, sizeof name, &c, got, &len, NULL) < 0);
		name[5] ^= 1;
		assert_int_equal(
			tpm_credential_open(keys[i], name, sizeof name, &c, got, &len, NULL),
			-EKEYREJECTED);
		name[5] ^= 1;
		c.id_object[c.id_object_len - 1] ^= 1;
		assert_int_equal(
			tpm_credential_open(keys[i], name, sizeof name, &c, got, &len, NULL),
			-EKEYREJECTED);
		c.id_object_len--;
		assert_int_equal(
			tpm_credential_open(keys[i], name, sizeof name, &c, got, &len, NULL),
			-EBADMSG);
	}
	assert_int_equal(
		tpm_credential_make(p384, name, sizeof name, secret, 16, &c, NULL), -EOPNOTSUPP);
	assert_int_equal(
		tpm_credential_make(keys[0], name, sizeof name, secret, 0, &c, NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		EVP_PKEY_free(keys[i]);
	EVP_PKEY_free(p384);
}

/* --- bindings ----------------------------------------------------------------------------------- */

static const char variable[] = "{\"keys\":[{\"kid\":\"HCLEkPub\",\"kty\":\"RSA\"}],\"user-data\":"
			       "\"00\"}";

static size_t hcl_make(uint8_t *buf, size_t size, const char *text, uint32_t type)
{
	const struct tpm_part part = { text, strlen(text) };
	uint8_t digest[32];
	struct wr w = wr_of(buf, size);

	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA256), &part, 1, digest), 0);
	wr_str(&w, "HCLA");
	wr_le32(&w, 2);
	wr_le32(&w, 0);
	wr_le32(&w, 2);
	wr_zero(&w, 16);
	wr_pad_to(&w, 32 + (type == 2 ? 0x50 : 128));
	wr_copy(&w, digest, 32);
	wr_pad_to(&w, 32 + 1184);
	wr_le32(&w, 20 + (uint32_t)part.len);
	wr_le32(&w, 1);
	wr_le32(&w, type);
	wr_le32(&w, 1);
	wr_le32(&w, (uint32_t)part.len);
	wr_copy(&w, text, part.len);
	assert_int_equal(wr_check(&w), 0);
	return w.len;
}

static void an_hcl_report_binds_its_data(void **state)
{
	uint8_t buf[2600] = { 0 };
	struct hcl_report h;
	EVP_PKEY *key = NULL;

	for (uint32_t type = 2; type <= 4; type += 2) {
		size_t len = hcl_make(buf, sizeof buf, variable, type);
		assert_true(hcl_recognise(blob_of(buf, len)));
		assert_int_equal(hcl_parse(&h, blob_of(buf, sizeof buf), NULL), 0);
		assert_int_equal(h.kind, type == 2 ? EVIDENCE_SNP : EVIDENCE_TDX);
		assert_int_equal(hcl_check_variable(&h, NULL), 0);
		assert_int_equal(hcl_ak(&h, &key, NULL), -EBADMSG); /* no HCLAkPub */
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(hcl_parse(&h, blob_of(buf, cut), NULL), -EBADMSG);
		assert_int_equal(hcl_parse(&h, blob_of(buf, len), NULL), 0);
		buf[len - 3] ^= 1;
		assert_int_equal(hcl_check_variable(&h, NULL), -EKEYREJECTED);
		buf[len - 3] ^= 1;
		buf[32 + (type == 2 ? 0x50 : 128) + 40] = 1; /* report data goes on */
		assert_int_equal(hcl_check_variable(&h, NULL), -EKEYREJECTED);
		memset(buf, 0, sizeof buf);
	}
	(void)hcl_make(buf, sizeof buf, "{\"keys\":1,\"keys\":2}", 2);
	assert_int_equal(hcl_parse(&h, blob_of(buf, sizeof buf), NULL), 0);
	assert_int_equal(hcl_ak(&h, &key, NULL), -EBADMSG);
	(void)hcl_make(buf, sizeof buf, variable, 3);
	assert_int_equal(hcl_parse(&h, blob_of(buf, sizeof buf), NULL), -EPROTONOSUPPORT);
}

static void a_quote_of_an_unproven_tee_is_refused(void **state)
{
	uint8_t buf[2600] = { 0 };
	struct maker m;

	maker_init(&m, EVP_EC_gen("P-256"));
	m.in.tpm.tee = blob_of(buf, hcl_make(buf, sizeof buf, variable, 2));
	judge(&m, VERDICT_CONTRAINDICATED, ROW_BINDING);
	m.in.tpm.tee = blob_of("rubbish", 7);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_BINDING);
	/* an SNP report whose report data is the key's hash, with no chain: bound to nothing proven */
	const struct tpm_part part = { m.in.tpm.ak.p, m.in.tpm.ak.len };
	memset(buf, 0, sizeof buf);
	buf[0] = 2;
	buf[0x34] = 1; /* signature algorithm */
	m.in.tpm.tee = blob_of(buf, SNP_REPORT_BYTES);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_BINDING);
	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA256), &part, 1, buf + 0x50), 0);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	/* such a report is the guest's own: its HOST_DATA has to be this policy's hash */
	static struct policy p; /* large */
	memset(&p, 0, sizeof p);
	p.tee.type = POLICY_TEE_SNP;
	memset(p.hash, 0x77, sizeof p.hash);
	m.in.policy = &p;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_HOST_DATA);
	maker_done(&m);
}

/* Made-up: no real evidence is public. */
static void an_svsm_manifest_is_bound_with_the_nonce(void **state)
{
	uint8_t buf[256], report_data[64];
	const struct attest_blob nonce = { (const uint8_t *)"nonce", 5 };
	struct wr w = wr_of(buf, sizeof buf);
	struct attest_blob found;

	wr_copy(&w, "\xbb\x9e\x84\x63\x92\x3d\x70\x46\xa1\xff\x58\xf9\xc9\x4b\x87\xbb", 16);
	wr_le32(&w, 24 + 48 + 5);
	wr_le32(&w, 2);
	wr_copy(&w, svsm_guid_uefi_mm, 16);
	wr_le32(&w, 24 + 48);
	wr_le32(&w, 2);
	wr_copy(&w, svsm_guid_vtpm, 16);
	wr_le32(&w, 24 + 48 + 2);
	wr_le32(&w, 3);
	wr_str(&w, "mmtpm");
	struct attest_blob manifest = { buf, w.len };
	const struct tpm_part parts[] = { { nonce.p, nonce.len }, { buf, w.len } };
	assert_int_equal(tpm_hash(tpm_alg_find(TPM_ALG_SHA512), parts, 2, report_data), 0);
	assert_int_equal(svsm_check_binding(report_data, nonce, manifest, NULL), 0);
	assert_int_equal(svsm_find(manifest, svsm_guid_vtpm, &found, NULL), 0);
	assert_int_equal(found.len, 3);
	assert_memory_equal(found.p, "tpm", 3);
	assert_int_equal(svsm_check_binding(report_data, blob_of("other", 5), manifest, NULL),
		-EKEYREJECTED);
	for (size_t cut = 0; cut < w.len; cut++)
		assert_int_equal(
			svsm_find(blob_of(buf, cut), svsm_guid_vtpm, &found, NULL), -EBADMSG);
	buf[24 + 24 + 20] = 4; /* longer than the manifest */
	assert_int_equal(svsm_find(manifest, svsm_guid_vtpm, &found, NULL), -EBADMSG);
	buf[24 + 24 + 20] = 3;
	memcpy(buf + 24, svsm_guid_vtpm, 16); /* twice */
	assert_int_equal(svsm_find(manifest, svsm_guid_vtpm, &found, NULL), -EBADMSG);
	memset(buf + 24, 0, 16);
	assert_int_equal(svsm_find(manifest, svsm_guid_uefi_mm, &found, NULL), -ENOENT);
}

/* What casemate-agent and others send of a TPM outside a TEE. */
static struct attest_blob agent_json(struct maker *m)
{
	static char text[8192];
	const struct {
		const char *name;
		struct attest_blob blob;
	} rows[] = { { "{\"ak_public\":\"", blob_of(m->ak, m->in.tpm.ak.len) },
		{ "\",\"tpm_quote\":{\"message\":\"", m->in.evidence },
		{ "\",\"signature\":\"", m->in.tpm.signature } };
	struct wr w = wr_of(text, sizeof text);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		wr_str(&w, rows[i].name);
		b64_print(&w, rows[i].blob.p, rows[i].blob.len);
	}
	for (uint32_t i = 0; i < TPM_PCRS; i++) {
		uint8_t value[32];
		value_make(i, value);
		wr_str(&w, i == 0 ? "\",\"pcrs\":[\"" : "\",\"");
		wr_hex(&w, value, 32);
	}
	wr_str(&w, "\"]}}");
	assert_int_equal(wr_end_str(&w), 0);
	return blob_of(text, w.len);
}

static void an_agents_quote_is_judged_by_the_policys_key(void **state)
{
	static struct policy p; /* large */
	static const uint8_t data[64] = { 0xD1 };
	struct maker m, other;
	struct tpm_key k = { 0 };

	maker_init(&m, EVP_EC_gen("P-256"));
	maker_init(&other, EVP_EC_gen("P-256"));
	memset(&p, 0, sizeof p);
	m.in.evidence = quote_make(&m, 0xFFFFFF, TPM_ALG_SHA256, NULL, 0x8018);
	maker_sign(&m);
	assert_int_equal(tpm_key_load(&k, m.in.tpm.ak, NULL), 0);
	struct attest_blob b = agent_json(&m);
	const struct attest_tpm nothing = { 0 };
	const struct attest_blob signature = m.in.tpm.signature, quote = m.in.evidence;
	m.in.tpm = nothing;
	m.in.evidence = b;
	assert_int_equal(attest_recognise(b.p, b.len), EVIDENCE_TPM);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN); /* whose key it is, nobody says */
	m.in.policy = &p;
	p.tee.has_tpm = true;
	p.tee.tpm.n_aks = p.tee.tpm.n_pcrs = p.tee.tpm.pcrs[0].n = 1;
	p.tee.tpm.pcrs[0].index = 23;
	value_make(23, p.tee.tpm.pcrs[0].at[0].sha256);
	judge(&m, VERDICT_CONTRAINDICATED, ROW_CHAIN);
	memcpy(p.tee.tpm.aks[0].sha256, k.spki_sha256, 32);
	judge(&m, VERDICT_AFFIRMING, ROW_COUNT);
	assert_int_equal(verdict.trust, TRUST_HOST);
	assert_int_equal(verdict.rows[ROW_PCRS].status, VERDICT_AFFIRMING);
	assert_int_equal(verdict.rows[ROW_REPORT_DATA].status, VERDICT_AFFIRMING);
	m.in.report_data = data, m.in.report_data_len = sizeof data;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_REPORT_DATA);
	m.in.report_data = NULL;
	p.tee.tpm.pcrs[0].at[0].sha256[0] ^= 1;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_PCRS);
	p.tee.tpm.pcrs[0].at[0].sha256[0] ^= 1;
	m.in.tpm.signature = signature;
	m.in.tpm.ak.len = other.in.tpm.ak.len;
	memcpy(m.ak, other.ak, sizeof m.ak);
	m.in.evidence = quote;
	b = agent_json(&m);
	m.in.tpm = nothing;
	m.in.evidence = b;
	judge(&m, VERDICT_CONTRAINDICATED, ROW_SIGNATURE);
	tpm_key_done(&k);
	maker_done(&other);
	maker_done(&m);
}

static void containers_are_read_strictly(void **state)
{
	static const char *const bad[] = { "{\"tpm_quote\": 1}",
		"{\"tpm_quote\": {\"message\": [1, 300], \"signature\": [1]}}",
		"{\"tpm_quote\": {\"message\": \"ff\", \"signature\": \"!\"}}",
		"{\"tpm_quote\": {\"message\": \"ff\", \"signature\": \"ff\"}}",
		"{\"tpm_quote\": 1, \"tpm_quote\": 2}",
		"{\"tpm_quote\": [[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]}",
		("{\"tpm_quote\": {\"message\": \"ff\", \"signature\": \"ff\", \"pcrs\": "
		 "[\"00\"]}, "
		 "\"hcl_report\": \"00\"}"),
		"{\"tpm_quote\": {\"message\": \"ff\", \"signature\": \"ff\"}, \"ak_public\": 7}",
		"{\"tpm_quote\": {\"message\": \"ff\", \"signature\": \"ff\"}, \"ak_public\": "
		"null}",
		"{\"tpm_quote\": {\"message\": \"ff\", \"signature\": \"ff\"}, \"ak_public\": "
		"\"00\", "
		"\"hcl_report\": null}" };
	static const char *const bad_pcrs[] = { "{\"sha256\": 1}", "{\"sha257\": {}}",
		"{\"sha256\": {\"24\": \"00\"}}", "{\"sha256\": {\"x\": \"00\"}}",
		"{\"sha256\": {\"1\": \"00\"}}", "rubbish" };
	struct tpm_evidence *e = NULL;
	struct tpm_pcrs p;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct attest_blob b = blob_of(bad[i], strlen(bad[i]));
		assert_true(tpm_evidence_recognise(b));
		assert_int_equal(tpm_evidence_parse(b, &e, NULL), -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_pcrs); i++)
		assert_int_equal(
			tpm_pcrs_parse(&p, blob_of(bad_pcrs[i], strlen(bad_pcrs[i])), NULL),
			-EBADMSG);
}

/* --- real ones ---------------------------------------------------------------------------------- */

struct file {
	uint8_t *buf;
	struct attest_blob blob;
};

static void file_done(struct file *f)
{
	free(f->buf);
}

static struct file file_read(const char *folder, const char *name)
{
	struct file f = { 0 };
	char path[512];
	size_t len = 0;

	if (name == NULL)
		return f;
	(void)snprintf(path, sizeof path, "%s/%s/%s", vectors, folder, name);
	if (fd_read_path(path, LIMIT_EVIDENCE_BYTES, &f.buf, &len, NULL) < 0)
		fail_msg("%s", path);
	f.blob = blob_of(f.buf, len);
	return f;
}

enum want {
	ACCEPT,
	REJECT,
	REFUSE,
	TDX, /* all good but for collateral, which is not there */
	LOG  /* a log alone, whole, but proven by nothing */
};

struct row {
	const char *folder, *evidence, *signature, *ak, *pcrs, *log, *tee, *tee_quote, *certs;
	enum want want;
	enum verdict_row_id worst;
};

#define GCE(e, s, log, want, row)                                                                  \
	{                                                                                          \
		"tpm/gce-cos-85-nonce9009", e, s, "ak_pub.tpmt", "pcrs.json", log, NULL, NULL,     \
			NULL, want, row                                                            \
	}
#define MACHINE(folder, boot, want, row)                                                           \
	{                                                                                          \
		"tpm/" folder, boot ".attest", boot ".sig", "ak_pub.pem", boot ".pcrs.json",       \
			boot ".eventlog.bin", NULL, NULL, NULL, want, row                          \
	}
#define AZURE(folder, ak, hcl, quote, certs, want, row)                                            \
	{                                                                                          \
		"tpm/azure-" folder, "quote.attest", "quote.sig", ak, "pcrs.json", NULL, hcl,      \
			quote, certs, want, row                                                    \
	}
#define AZURE_ALL(folder, quote, certs, good)                                                      \
	AZURE(folder, "ak_pub.pem", "hcl_report.bin", quote, certs, good, ROW_COLLATERAL),         \
		AZURE(folder, NULL, "hcl_report.bin", quote, certs, good, ROW_COLLATERAL),         \
		AZURE(folder, "ak_pub.pem", "hcl_report-vardata-edited.bin", quote, certs, REJECT, \
			ROW_BINDING),                                                              \
		AZURE(folder, "../azure-snp-v0/../gce-cos-85-nonce9009/ak_pub.pem",                \
			"hcl_report.bin", quote, certs, REJECT, ROW_SIGNATURE)
#define ALONE(folder, file, certs, want, row)                                                      \
	{                                                                                          \
		folder, file, NULL, NULL, NULL, NULL, NULL, NULL, certs, want, row                 \
	}
#define AZURE_JSON(folder, want, row)                                                              \
	{                                                                                          \
		"tpm/azure-" folder, "evidence.json", NULL, NULL, NULL, NULL, NULL, NULL, NULL,    \
			want, row                                                                  \
	}

static const struct row rows[] = {
	GCE("quote-sha1.attest", "quote-sha1.sig", "eventlog.bin", ACCEPT, ROW_COUNT),
	GCE("quote-sha256.attest", "quote-sha256.sig", "eventlog.bin", ACCEPT, ROW_COUNT),
	GCE("quote-sha384.attest", "quote-sha384.sig", "eventlog.bin", ACCEPT, ROW_COUNT),
	GCE("attestation.pb", NULL, NULL, ACCEPT, ROW_COUNT),
	GCE("quote-sha256.attest", "quote-sha256.sig", "eventlog-edited.bin", REJECT,
		ROW_EVENT_LOG),
	GCE("quote-sha384-badmagic.attest", "quote-sha384.sig", NULL, REFUSE, ROW_COUNT),
	GCE("quote-sha384-truncated.attest", "quote-sha384.sig", NULL, REFUSE, ROW_COUNT),
	GCE("quote-sha384-bitflip.attest", "quote-sha384.sig", NULL, REJECT, ROW_SIGNATURE),
	GCE("quote-sha384.attest", "quote-sha256.sig", NULL, REJECT, ROW_SIGNATURE),
	{ "tpm/gce-cos-85-nonce9009", "attestation.pb", NULL, NULL, NULL, NULL, NULL, NULL, NULL,
		REJECT, ROW_CHAIN },
	{ "tpm/gce-cos-85-nonce9009", "attestation.pb", NULL, NULL, NULL, NULL, NULL, NULL,
		"../gce-ca/tpm_ek_intermediate_2.crt", REJECT, ROW_CHAIN },
	MACHINE("hw-dell-notebook", "boot1", ACCEPT, ROW_COUNT),
	MACHINE("hw-dell-notebook", "boot2", ACCEPT, ROW_COUNT),
	MACHINE("hw-good", "good", ACCEPT, ROW_COUNT),
	MACHINE("hw-good", "failed", REJECT, ROW_EVENT_LOG),
	{ "tpm/hw-dell-notebook", "boot1.attest", "boot1.sig", "ak_pub.pem", "boot1.pcrs.json",
		"boot2.eventlog.bin", NULL, NULL, NULL, REJECT, ROW_EVENT_LOG },
	{ "tpm/keylime-emulator", "quote.out", "quotesig.out", "ak.pub", "quotepcr.out", NULL, NULL,
		NULL, NULL, ACCEPT, ROW_COUNT },
	{ "tpm/keylime-emulator", "quote.out", "quotesig.out", "ek.pub", "quotepcr.out", NULL, NULL,
		NULL, NULL, REJECT, ROW_SIGNATURE },
	AZURE_ALL("snp-genoa", NULL, "vcek.pem", ACCEPT),
	AZURE_ALL("snp-v0", NULL, "vcek.pem", ACCEPT),
	AZURE_ALL("snp-v1", NULL, "vcek.der", ACCEPT),
	AZURE_ALL("tdx-v0", "td_quote.bin", NULL, TDX),
	AZURE_ALL("tdx-v1", "td_quote.bin", NULL, TDX),
	AZURE_ALL("tdx-flashbots-2025", "td_quote.bin", NULL, TDX),
	AZURE("tdx-flashbots-2025", "ak_cert_chain.pem", "hcl_report.bin", "td_quote.bin", NULL,
		TDX, ROW_COLLATERAL),
	AZURE("tdx-flashbots-2025", "ak_cert_chain.pem", "hcl_report.bin", NULL, NULL, REJECT,
		ROW_BINDING),
	AZURE("tdx-flashbots-2025", NULL, "hcl_report.bin", "../azure-tdx-v1/td_quote.bin", NULL,
		REJECT, ROW_BINDING),
	AZURE("snp-v1", NULL, "hcl_report.bin", NULL, NULL, REJECT, ROW_CHAIN), /* no VCEK */
	AZURE("snp-v1", NULL, "hcl_report.bin", NULL, "../azure-snp-genoa/vcek.pem", REJECT,
		ROW_CHIP_ID),
	AZURE("snp-v1", NULL, "../azure-snp-genoa/hcl_report.bin", NULL, "vcek.der", REJECT,
		ROW_SIGNATURE),
	ALONE("tpm/azure-snp-v1", "hcl_report.bin", "vcek.der", ACCEPT, ROW_COUNT),
	ALONE("tpm/azure-snp-v1", "hcl_report.bin", NULL, REJECT, ROW_CHAIN),
	ALONE("tpm/azure-snp-v1", "hcl_report-vardata-edited.bin", "vcek.der", REJECT, ROW_BINDING),
	ALONE("tpm/azure-tdx-v1", "hcl_report.bin", NULL, REJECT, ROW_BINDING),
	ALONE("ima", "rust-keylime-ascii.txt", NULL, LOG, ROW_IMA),
	ALONE("ima", "keylime-keyrings.txt", NULL, LOG, ROW_IMA),
	ALONE("ima", "rust-keylime-edited.txt", NULL, REJECT, ROW_IMA),
	ALONE("ima", "keylime-bad-signatures.txt", NULL, REJECT, ROW_IMA),
	ALONE("eventlog", "ccel-cos-113.bin", NULL, LOG, ROW_EVENT_LOG),
	ALONE("eventlog", "tpm-debian-10.bin", NULL, LOG, ROW_EVENT_LOG),
	ALONE("eventlog", "tpm-ga-short_no_action_eventlog.bin", NULL, LOG, ROW_EVENT_LOG),
	ALONE("tpm/gce-cos-85-nonce9009", "eventlog-edited.bin", NULL, REJECT, ROW_EVENT_LOG),
	ALONE("eventlog", "tpm-keylime-bogus.bin", NULL, REFUSE, ROW_COUNT),
	AZURE_JSON("snp-genoa", ACCEPT, ROW_COUNT),
	AZURE_JSON("snp-v0", ACCEPT, ROW_COUNT),
	AZURE_JSON("snp-v1", ACCEPT, ROW_COUNT),
	AZURE_JSON("tdx-v0", TDX, ROW_COLLATERAL),
	AZURE_JSON("tdx-v1", TDX, ROW_COLLATERAL),
};

static void row_judge(const struct row *r)
{
	const char *names[] = { r->evidence, r->signature, r->ak, r->pcrs, r->log, r->tee,
		r->tee_quote, r->certs };
	struct file f[ARRAY_LEN(names)];
	struct attest_inputs in = { .at = AT_2026 };
	struct why why = { 0 };
	char line[VERDICT_WHY_MAX + 64] = "";

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		f[i] = file_read(r->folder, names[i]);
	in.evidence = f[0].blob;
	in.tpm.signature = f[1].blob, in.tpm.ak = f[2].blob, in.tpm.pcrs = f[3].blob;
	in.event_logs = &f[4].blob, in.n_event_logs = r->log != NULL;
	in.tpm.tee = f[5].blob, in.tpm.tee_quote = f[6].blob;
	in.certs = &f[7].blob, in.n_certs = r->certs != NULL;
	int err = attest_verify(&in, &verdict, &why);
	if (err == 0)
		verdict_print_line(&verdict, line, sizeof line);
	enum verdict_status status = r->want == ACCEPT                  ? VERDICT_AFFIRMING
				     : r->want == TDX || r->want == LOG ? VERDICT_WARNING
									: VERDICT_CONTRAINDICATED;
	bool ok = r->want == REFUSE
			  ? err < 0
			  : err == 0 && verdict.overall == status &&
				    (r->want == ACCEPT || verdict.rows[r->worst].status == status);
	if (ok && r->want == TDX)
		ok = verdict.rows[ROW_BINDING].status == VERDICT_AFFIRMING &&
		     verdict.rows[ROW_SIGNATURE].status == VERDICT_AFFIRMING;
	if (ok && r->tee == NULL && r->want == ACCEPT)
		ok = verdict.trust ==
		     (strncmp(r->folder, "tpm/azure", 9) == 0 ? TRUST_HARDWARE : TRUST_HOST);
	if (!ok)
		fail_msg("%s %s: %s%s", r->folder, r->evidence, why.text, line);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		file_done(&f[i]);
}

static void real_quotes_are_judged(void **state)
{
	if (vectors == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		row_judge(&rows[i]);
}

/* Google's AK certificate of 2021, which names the EK's purpose, to Google's root. */
static void a_real_ak_certificate_leads_to_its_root(void **state)
{
	if (vectors == NULL)
		skip();
	struct file pb = file_read("tpm/gce-cos-85-nonce9009", "attestation.pb");
	struct file ca = file_read("tpm/gce-ca", "tpm_ek_intermediate_2.crt");
	struct file root = file_read("tpm/gce-ca", "tpm_ek_root_1.cer");
	struct attest_inputs in = { .at = AT_2026,
		.evidence = pb.blob,
		.certs = &ca.blob,
		.n_certs = 1,
		.roots = &root.blob,
		.n_roots = 1 };

	assert_int_equal(attest_verify(&in, &verdict, NULL), 0);
	assert_int_equal(verdict.overall, VERDICT_AFFIRMING);
	assert_int_equal(verdict.trust, TRUST_HOST);
	in.n_certs = 0;
	assert_int_equal(attest_verify(&in, &verdict, NULL), 0);
	assert_int_equal(verdict.rows[ROW_CHAIN].status, VERDICT_CONTRAINDICATED);
	file_done(&pb);
	file_done(&ca);
	file_done(&root);
}

/* Every bit of quote and signature, and of a TEE's HCL report: never a yes. */
static void no_changed_bit_is_affirmed(void **state)
{
	if (vectors == NULL)
		skip();
	struct file f[] = { file_read("tpm/azure-snp-v1", "quote.attest"),
		file_read("tpm/azure-snp-v1", "quote.sig"),
		file_read("tpm/azure-snp-v1", "pcrs.json"),
		file_read("tpm/azure-snp-v1", "hcl_report.bin"),
		file_read("tpm/azure-snp-v1", "vcek.der") };
	struct attest_inputs in = {
		.at = AT_2026, .evidence = f[0].blob, .certs = &f[4].blob, .n_certs = 1
	};

	in.tpm.signature = f[1].blob, in.tpm.pcrs = f[2].blob, in.tpm.tee = f[3].blob;
	assert_int_equal(attest_verify(&in, &verdict, NULL), 0);
	assert_int_equal(verdict.overall, VERDICT_AFFIRMING);
	for (size_t k = 0; k < 4; k++) {
		size_t step = k == 3 ? 37 : k == 2 ? 29 : 3;
		for (size_t bit = 0; bit < 8 * f[k].blob.len; bit += step) {
			size_t at = bit / 8;
			/* The header's size and status, the area's rest and the padding say nothing. */
			if (k == 3 && ((at >= 8 && at < 12) || (at >= 16 && at < 32) ||
					      (at >= 1216 && at < 1220)))
				continue;
			f[k].buf[at] ^= (uint8_t)(1u << bit % 8);
			int err = attest_verify(&in, &verdict, NULL);
			f[k].buf[at] ^= (uint8_t)(1u << bit % 8);
			/* Hexadecimal has two cases; white space is none. */
			if (err == 0 && verdict.overall == VERDICT_AFFIRMING && k != 2)
				fail_msg("file %zu, bit %zu", k, bit);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(f); i++)
		file_done(&f[i]);
}

static void real_ima_lists_replay(void **state)
{
	static const struct {
		const char *name;
		size_t bad_line;
	} lists[] = { { "keylime-bad-signatures", 1 }, { "keylime-keyrings", 0 },
		{ "keylime-log-sha1", 0 }, { "keylime-log-sha384", 0 },
		{ "rust-keylime-ascii", 0 } };
	static const char *const keys[] = { "pcr10_sha1",
		"pcr10_sha256_of_recomputed_template_data" };
	static const uint16_t algs[] = { TPM_ALG_SHA1, TPM_ALG_SHA256 };

	if (vectors == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		char name[64], hex[65];
		(void)snprintf(name, sizeof name, "%s.txt", lists[i].name);
		struct file list = file_read("ima", name);
		(void)snprintf(name, sizeof name, "%s.pcr10.json", lists[i].name);
		struct file want = file_read("ima", name);
		json_t *root = json_loadb((const char *)want.blob.p, want.blob.len, 0, NULL);
		for (size_t k = 0; k < 2; k++) {
			struct ima_replay r;
			assert_int_equal(
				ima_replay(list.blob, tpm_alg_find(algs[k]), NULL, &r, NULL), 0);
			wr_hex_str(hex, sizeof hex, r.value, tpm_alg_find(algs[k])->size);
			/* The neighbour's SHA-1 is of what the line should be, ours of what it says. */
			if (k == 1 || lists[i].bad_line == 0)
				assert_string_equal(
					hex, json_string_value(json_object_get(root, keys[k])));
			assert_int_equal(r.bad_line, lists[i].bad_line);
			assert_int_equal(
				r.n_lines, json_integer_value(json_object_get(root, "entries")));
		}
		json_decref(root);
		file_done(&list);
		file_done(&want);
	}
	struct file edited = file_read("ima", "rust-keylime-edited.txt");
	struct ima_replay r;
	assert_int_equal(ima_replay(edited.blob, tpm_alg_find(TPM_ALG_SHA1), NULL, &r, NULL), 0);
	assert_int_equal(r.bad_line, 101);
	file_done(&edited);
}

static size_t hex_of(const json_t *object, const char *key, uint8_t *ret, size_t max)
{
	const char *text = json_string_value(json_object_get(object, key));
	size_t len = 0;

	assert_non_null(text);
	assert_int_equal(hex_parse(text, strlen(text), ret, max, &len), 0);
	return len;
}

static void credentials_check(const char *file, int want)
{
	static const char *const kinds[] = { "rsa", "ecc" };
	static const char *const pems[] = { "ek-rsa.private.pem", "ek-ec.private.pem" };
	struct file f = file_read("tpm/credential", file);
	json_t *root = json_loadb((const char *)f.blob.p, f.blob.len, 0, NULL);
	uint8_t name[66], secret[64], got[TPM_CREDENTIAL_SECRET_MAX];
	size_t name_len = hex_of(root, "ak_name", name, sizeof name), len = 0;

	for (size_t i = 0; i < 2; i++) {
		const json_t *c = json_object_get(root, kinds[i]);
		struct file pem = file_read("tpm/credential", pems[i]);
		BIO *bio = BIO_new_mem_buf(pem.blob.p, (int)pem.blob.len);
		EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		struct tpm_credential cred = { 0 };
		if (c != NULL) {
			cred.id_object_len =
				hex_of(c, "id_object_tpm2b", cred.id_object, sizeof cred.id_object);
			cred.seed_len =
				hex_of(c, "encrypted_secret_tpm2b", cred.seed, sizeof cred.seed);
			assert_int_equal(
				tpm_credential_open(key, name, name_len, &cred, got, &len, NULL),
				want);
		}
		if (c != NULL && want == 0) {
			assert_int_equal(len, hex_of(root, "secret", secret, sizeof secret));
			assert_memory_equal(got, secret, len);
		}
		EVP_PKEY_free(key);
		BIO_free(bio);
		file_done(&pem);
	}
	json_decref(root);
	file_done(&f);
}

static void real_credentials_open(void **state)
{
	uint8_t name[66], secret[64], seed[16], want[128];
	struct tpm_credential c;

	if (vectors == NULL)
		skip();
	credentials_check("credential.json", 0);
	credentials_check("credential-bad.json", -EKEYREJECTED);
	struct file f = file_read("tpm/credential", "go-tpm-rsa.json");
	json_t *root = json_loadb((const char *)f.blob.p, f.blob.len, 0, NULL);
	size_t name_len = hex_of(root, "aik_name", name, sizeof name);
	size_t secret_len = hex_of(root, "secret", secret, sizeof secret);
	assert_int_equal(hex_of(root, "seed", seed, sizeof seed), 16);
	assert_int_equal(tpm_credential_seal(seed, 16, name, name_len, secret, secret_len, &c), 0);
	assert_int_equal(
		c.id_object_len, hex_of(root, "expected_credential_blob_tpm2b", want, sizeof want));
	assert_memory_equal(c.id_object, want, c.id_object_len);
	json_decref(root);
	file_done(&f);

	struct tpm_key k = { 0 };
	struct file ak = file_read("tpm/credential", "ak.tpmt_public");
	assert_int_equal(tpm_key_load(&k, ak.blob, NULL), 0);
	assert_int_equal(k.attributes, 0x50072);
	assert_int_equal(k.name_len, 34);
	assert_int_equal(k.name[2], 0x1b);
	tpm_key_done(&k);
	file_done(&ak);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_quote_is_affirmed_as_the_hosts),
		cmocka_unit_test(no_byte_of_a_made_quote_is_too_much),
		cmocka_unit_test(every_scheme_is_read),
		cmocka_unit_test(what_does_not_fit_is_named),
		cmocka_unit_test(what_is_no_quote_is_refused),
		cmocka_unit_test(an_ak_must_be_one),
		cmocka_unit_test(a_key_that_lay_beside_the_evidence_vouches_for_nothing),
		cmocka_unit_test(a_policy_lists_keys_and_values),
		cmocka_unit_test(what_a_tpm_cannot_say_is_refused_where_it_is_asked),
		cmocka_unit_test(a_boot_log_leads_to_the_registers),
		cmocka_unit_test(a_separator_by_another_name_ends_the_firmwares_part),
		cmocka_unit_test(secure_boot_is_what_the_proven_bank_says),
		cmocka_unit_test(secure_boot_is_proven_in_the_sha256_bank),
		cmocka_unit_test(the_log_a_policy_asks_for_is_the_firmwares),
		cmocka_unit_test(every_template_is_hashed),
		cmocka_unit_test(edited_lists_are_named),
		cmocka_unit_test(an_ima_list_leads_to_pcr_10),
		cmocka_unit_test(texts_for_people_are_printable),
		cmocka_unit_test(an_ak_certificate_leads_to_a_root),
		cmocka_unit_test(a_credential_opens_with_its_key_only),
		cmocka_unit_test(an_hcl_report_binds_its_data),
		cmocka_unit_test(a_quote_of_an_unproven_tee_is_refused),
		cmocka_unit_test(an_svsm_manifest_is_bound_with_the_nonce),
		cmocka_unit_test(an_agents_quote_is_judged_by_the_policys_key),
		cmocka_unit_test(containers_are_read_strictly),
		cmocka_unit_test(real_quotes_are_judged),
		cmocka_unit_test(a_real_ak_certificate_leads_to_its_root),
		cmocka_unit_test(no_changed_bit_is_affirmed),
		cmocka_unit_test(real_ima_lists_replay),
		cmocka_unit_test(real_credentials_open),
	};

	vectors = argc > 1 && access(argv[1], R_OK) == 0 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
