#include <errno.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cert.h"
#include "attest/cert_table.h"
#include "attest/snp_chain.h"
#include "attest/snp_leaf.h"
#include "attest/vendor.h"
#include "base/opts.h"
#include "tests/unit/cm.h"
#include "tests/unit/snp_maker.h"

static struct maker maker;

#define DAY (24 * 3600)

/* --- certificate tables ------------------------------------------------------------------------ */

static const uint8_t guid_vcek[16] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5,
	0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };
static const uint8_t guid_ark[16] = { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43,
	0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae };

static void table_entry(uint8_t *at, const uint8_t guid[16], uint32_t offset, uint32_t len)
{
	memcpy(at, guid, 16);
	maker_put32(at + 16, offset);
	maker_put32(at + 20, len);
}

static void a_table_is_split_by_guid(void **state)
{
	uint8_t b[128] = { 0 };
	const uint8_t unknown[16] = { 9, 9, 9 };
	struct cert_table t;
	char text[37];

	table_entry(b, guid_vcek, 96, 4);
	table_entry(b + 24, unknown, 100, 8);
	table_entry(b + 48, guid_ark, 108, 20);
	assert_int_equal(cert_table_parse(&t, b, sizeof b, NULL), 0);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.at[0].kind, CERT_TABLE_VCEK);
	assert_int_equal(t.at[1].kind, CERT_TABLE_OTHER);
	assert_int_equal(t.at[2].kind, CERT_TABLE_ARK);
	assert_ptr_equal(t.at[2].p, b + 108);
	assert_int_equal(t.at[2].len, 20);
	cert_table_guid_print(t.at[0].guid, text);
	assert_string_equal(text, "63da758d-e664-4564-adc5-f4b93be8accd");
}

static void an_empty_table_has_no_entries(void **state)
{
	const uint8_t b[4096] = { 0 };
	struct cert_table t;

	assert_int_equal(cert_table_parse(&t, b, sizeof b, NULL), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(cert_table_parse(&t, b, 24, NULL), 0);
}

static void a_table_without_an_end_is_refused(void **state)
{
	uint8_t b[48];
	struct cert_table t;

	table_entry(b, guid_vcek, 48, 0);
	table_entry(b + 24, guid_ark, 48, 0);
	assert_int_equal(cert_table_parse(&t, b, sizeof b, NULL), -EBADMSG);
	assert_int_equal(cert_table_parse(&t, b, 0, NULL), -EBADMSG);
	assert_int_equal(cert_table_parse(&t, b, 23, NULL), -EBADMSG);
}

static void a_blob_outside_the_table_is_refused(void **state)
{
	static const struct {
		uint32_t offset, len;
	} rows[] = { { 48, 53 }, { 101, 0 }, { 100, 1 }, { 0xFFFFFFF0, 0x20 }, { 48, 0xFFFFFFFF },
		{ 8, 4 }, { 47, 1 }, { 0, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t b[100] = { 0 };
		struct cert_table t;
		table_entry(b, guid_vcek, rows[i].offset, rows[i].len);
		assert_int_equal(cert_table_parse(&t, b, sizeof b, NULL), -EBADMSG);
	}
}

static void a_guid_twice_is_refused(void **state)
{
	uint8_t b[100] = { 0 };
	struct cert_table t;

	table_entry(b, guid_vcek, 72, 4);
	table_entry(b + 24, guid_vcek, 76, 4);
	assert_int_equal(cert_table_parse(&t, b, sizeof b, NULL), -EBADMSG);
}

static void too_many_entries_are_refused(void **state)
{
	static uint8_t b[24 * (LIMIT_CERT_TABLE_ENTRIES + 2)];
	struct cert_table t;

	for (size_t i = 0; i < LIMIT_CERT_TABLE_ENTRIES + 1; i++) {
		const uint8_t guid[16] = { (uint8_t)(i + 1) };
		table_entry(b + i * 24, guid, sizeof b, 0);
	}
	assert_int_equal(cert_table_parse(&t, b, sizeof b, NULL), -EMSGSIZE);
}

/* --- loading ----------------------------------------------------------------------------------- */

static void pem_der_and_tables_load(void **state)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	size_t len = 0;
	const char *cn = NULL;
	const uint8_t *der = vendor_cert(0, &len, &cn);
	static uint8_t table[8192];
	char *text = NULL;

	assert_int_equal(cert_store_add(&s, der, len, NULL), 0);
	BIO *bio = BIO_new(BIO_s_mem());
	for (int i = 0; i < 2; i++)
		assert_int_equal(PEM_write_bio_X509(bio, s.at[0]), 1);
	long pem_len = BIO_get_mem_data(bio, &text);
	assert_int_equal(cert_store_add(&s, (const uint8_t *)text, (size_t)pem_len, NULL), 0);
	table_entry(table, guid_vcek, 72, (uint32_t)len);
	table_entry(table + 24, guid_ark, 72 + (uint32_t)len, (uint32_t)pem_len);
	memcpy(table + 72, der, len);
	memcpy(table + 72 + len, text, (size_t)pem_len);
	assert_int_equal(cert_store_add(&s, table, sizeof table, NULL), 0);
	assert_int_equal(s.n, 6);
	for (size_t i = 1; i < s.n; i++)
		assert_int_equal(X509_cmp(s.at[0], s.at[i]), 0);
	BIO_free(bio);
}

static void what_is_no_certificate_is_refused(void **state)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	static const char *const texts[] = { "", "hello", "0", "-----BEGIN CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" };
	size_t len = 0;
	const char *cn = NULL;
	const uint8_t *der = vendor_cert(0, &len, &cn);
	uint8_t *longer = calloc(1, len + 1);

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(
			cert_store_add(&s, (const uint8_t *)texts[i], strlen(texts[i]), NULL),
			-EBADMSG);
	assert_int_equal(cert_store_add(&s, der, len - 1, NULL), -EBADMSG);
	memcpy(longer, der, len);
	assert_int_equal(
		cert_store_add(&s, longer, len + 1, NULL), -EBADMSG); /* a byte behind it */
	assert_int_equal(s.n, 0);
	free(longer);
}

static void a_full_store_refuses_more(void **state)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	size_t len = 0;
	const char *cn = NULL;
	const uint8_t *der = vendor_cert(0, &len, &cn);

	for (size_t i = 0; i < LIMIT_CERTS; i++)
		assert_int_equal(cert_store_add(&s, der, len, NULL), 0);
	assert_int_equal(cert_store_add(&s, der, len, NULL), -EMSGSIZE);
}

/* --- the vendor's own -------------------------------------------------------------------------- */

/* Published fingerprints (SHA-256 of DER). */
static const struct {
	const char *cn, *sha256;
} published[] = {
	{ "ARK-Milan", "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd" },
	{ "ARK-Genoa", "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1" },
	{ "ARK-Turin", "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a" },
	{ "SEV-Milan", "67d303bd3905fd38db8b20e0793699870e7fa612eaad5dec358293fd8c0bac1b" },
	{ "SEV-Genoa", "5464738c1546aed5f2cecf1dc98c5c960a92e8913238a61711bc90ec6e828521" },
	{ "SEV-Turin", "5b77ef5fe7a7a004fd9032668fba9d0fda22f88c4442069a479636a6ae3b3185" },
	{ "SEV-VLEK-Milan", "c5e081f59b7efab1fe2f8b505e159704e72f29cab7ef7cf628a05a42439082f5" },
	{ "SEV-VLEK-Genoa", "197e610743a917d6b9bb982a5a9226ccc0a15b611be0619e626aca9151457372" },
	{ "SEV-VLEK-Turin", "104e10a8bd060a3c20a434261a57d0588fd65a88915b4f65b08bdecaf8df1a3c" },
	{ "Intel SGX Root CA", "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3" },
	{ "Intel SGX PCK Platform CA",
		"22eb770dca215b607b5ccfc21a672b1da5cc660b1ad0365020567979edcaa0e1" },
	{ "Intel SGX TCB Signing",
		"ec37d98107bfb7dab6ff8de4d4dda6fde30a6f50b0d7b03eefb5652f1e652969" },
	{ "Intel SGX TCB Signing",
		"c0575e76d0303b61d09cde8cbdb70db34a74f38318300d7c0e6ba8cf4bf45aea" },
};

static void built_in_certificates_have_their_published_fingerprints(void **state)
{
	size_t n = 0, len = 0;
	const char *cn = NULL;

	for (const uint8_t *der; (der = vendor_cert(n, &len, &cn)) != NULL; n++) {
		AUTO(cert_store) struct cert_store s = { 0 };
		char subject[CERT_NAME_MAX];
		uint8_t want[32], got[32];
		size_t i = 0;
		assert_int_equal(cert_store_add(&s, der, len, NULL), 0);
		cert_subject_cn(s.at[0], subject);
		assert_string_equal(subject, cn);
		assert_int_equal(cert_sha256(s.at[0], got), 0);
		for (bool is_it = false; !is_it; i += !is_it) {
			assert_in_range(i, 0, ARRAY_LEN(published) - 1);
			assert_int_equal(opts_parse_hex(published[i].sha256, want, 32), 0);
			is_it = strcmp(published[i].cn, cn) == 0 && memcmp(got, want, 32) == 0;
		}
		assert_false(vendor_is_revoked(s.at[0]));
		/* Only the roots are pinned, each for its product. */
		enum snp_product product = vendor_root_product(s.at[0]);
		assert_string_equal(snp_product_name(product),
			strncmp(cn, "ARK-", 4) == 0 ? cn + 4 : "unknown");
		assert_int_equal(
			vendor_is_intel_root(s.at[0]), strcmp(cn, "Intel SGX Root CA") == 0);
	}
	assert_int_equal(n, ARRAY_LEN(published));
}

/* --- leafs ------------------------------------------------------------------------------------- */

#define TCB_MILAN 0xDB18000000000004u

static void a_vcek_says_product_tcb_and_chip(void **state)
{
	struct maker_leaf o = { .tcb = TCB_MILAN, .product_name = "Milan-B0" };
	struct snp_leaf leaf;
	uint64_t tcb = 0;
	uint8_t other[64];

	memset(o.hwid, 0xC1, sizeof o.hwid);
	memset(other, 0xC2, sizeof other);
	for (int form = HWID_RAW; form <= HWID_WRAPPED; form++) {
		o.hwid_form = (enum maker_hwid)form;
		X509 *x = maker_leaf(&maker, &o);
		assert_true(snp_leaf_recognise(x));
		assert_int_equal(snp_leaf_parse(&leaf, x, NULL), 0);
		assert_int_equal(leaf.kind, SNP_KEY_VCEK);
		assert_int_equal(leaf.product, SNP_PRODUCT_MILAN);
		assert_true(snp_leaf_tcb(&leaf, SNP_PRODUCT_MILAN, &tcb));
		assert_true(tcb == TCB_MILAN);
		assert_false(snp_leaf_tcb(&leaf, SNP_PRODUCT_TURIN, &tcb)); /* no .3.9 */
		assert_true(snp_leaf_hwid_is(&leaf, SNP_PRODUCT_MILAN, o.hwid));
		assert_false(snp_leaf_hwid_is(&leaf, SNP_PRODUCT_MILAN, other));
		assert_false(snp_leaf_hwid_is(&leaf, SNP_PRODUCT_TURIN, o.hwid));
		X509_free(x);
	}
}

static void a_raw_hwid_may_start_like_a_wrapped_one(void **state)
{
	struct maker_leaf o = { .tcb = TCB_MILAN, .hwid = { 4, 64, 1, 2, 3 } };
	struct snp_leaf leaf;
	X509 *x = maker_leaf(&maker, &o);

	assert_int_equal(snp_leaf_parse(&leaf, x, NULL), 0);
	assert_true(snp_leaf_hwid_is(&leaf, SNP_PRODUCT_MILAN, o.hwid));
	X509_free(x);
}

static void turin_has_eight_bytes_and_a_zero_tail(void **state)
{
	struct maker_leaf o = {
		.product = "Turin", .tcb = 0x5100000004010201, .hwid = { 1, 2, 3, 4, 5, 6, 7, 8 }
	};
	struct snp_leaf leaf;
	uint8_t chip[64] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint64_t tcb = 0;

	for (int form = HWID_RAW; form <= HWID_WRAPPED; form++) {
		o.hwid_form = (enum maker_hwid)form;
		X509 *x = maker_leaf(&maker, &o);
		assert_int_equal(snp_leaf_parse(&leaf, x, NULL), 0);
		assert_true(snp_leaf_tcb(&leaf, SNP_PRODUCT_TURIN, &tcb));
		assert_true(tcb == o.tcb);
		chip[63] = 0;
		assert_true(snp_leaf_hwid_is(&leaf, SNP_PRODUCT_TURIN, chip));
		chip[63] = 1;
		assert_false(snp_leaf_hwid_is(&leaf, SNP_PRODUCT_TURIN, chip));
		X509_free(x);
	}
}

static void malformed_leafs_are_refused(void **state)
{
	EVP_PKEY *p256 = EVP_EC_gen("P-256");
	const struct maker_leaf rows[] = {
		{ .hwid_form = HWID_NONE },
		{ .has_both_ids = true },
		{ .bad_spl = 1 },
		{ .bad_spl = 2 },
		{ .bad_spl = 3 },
		{ .key = p256 },
		{ .product_name = "Mi\tlan" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct snp_leaf leaf;
		struct why why = { 0 };
		X509 *x = maker_leaf(&maker, &rows[i]);
		assert_int_equal(snp_leaf_parse(&leaf, x, &why), -EBADMSG);
		assert_true(why.text[0] != '\0');
		X509_free(x);
	}
	EVP_PKEY_free(p256);
}

static void a_missing_level_speaks_for_no_tcb(void **state)
{
	const struct maker_leaf o = { .tcb = TCB_MILAN, .bad_spl = 4 };
	struct snp_leaf leaf;
	uint64_t tcb = 0;
	X509 *x = maker_leaf(&maker, &o);

	assert_int_equal(snp_leaf_parse(&leaf, x, NULL), 0);
	assert_false(snp_leaf_tcb(&leaf, SNP_PRODUCT_MILAN, &tcb));
	X509_free(x);
}

/* --- chains ------------------------------------------------------------------------------------ */

/* A right chain, and the one thing that is to be wrong. */
struct chain_case {
	struct maker_ca ark, ask;
	struct maker_leaf leaf;
	bool is_no_root; /* the root is not given */
	time_t at;
};

static struct chain_case right_case(void)
{
	return (struct chain_case){
		.ark = { .subject = "ARK-Milan",
			.issuer = "ARK-Milan",
			.key = maker.ark,
			.signer = maker.ark,
			.pathlen = 1 },
		.ask = { .subject = "SEV-Milan",
			.issuer = "ARK-Milan",
			.key = maker.ask,
			.signer = maker.ark,
			.pathlen = 0 },
		.leaf = { .tcb = TCB_MILAN },
		.at = MAKER_NOW,
	};
}

static int case_verify(const struct chain_case *c, struct snp_chain *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store pool = { 0 }, roots = { 0 };
	X509 *ark = maker_ca(&c->ark), *ask = maker_ca(&c->ask),
	     *leaf = maker_leaf(&maker, &c->leaf);

	assert_int_equal(cert_store_add_x509(&pool, leaf, NULL), 0);
	assert_int_equal(cert_store_add_x509(&pool, ask, NULL), 0);
	assert_int_equal(cert_store_add_x509(&pool, ark, NULL), 0);
	if (!c->is_no_root)
		assert_int_equal(cert_store_add_x509(&roots, ark, NULL), 0);
	int err = snp_chain_verify(&pool, &roots, leaf,
		c->leaf.is_vlek ? SNP_KEY_VLEK : SNP_KEY_VCEK, c->at, ret, why);
	X509_free(ark);
	X509_free(ask);
	X509_free(leaf);
	return err;
}

static void a_right_chain_verifies_as_simulated(void **state)
{
	struct chain_case c = right_case();
	struct snp_chain chain = { 0 };
	struct why why = { 0 };

	assert_int_equal(case_verify(&c, &chain, &why), 0);
	assert_int_equal(chain.trust, TRUST_SIMULATED);
	assert_int_equal(chain.product, SNP_PRODUCT_MILAN);
	c.ark.pathlen = -1; /* ARK-Milan itself has none */
	assert_int_equal(case_verify(&c, &chain, NULL), 0);
	c.ask.subject = "SEV-VLEK-Milan";
	c.leaf.is_vlek = true;
	assert_int_equal(case_verify(&c, &chain, NULL), 0);
}

/* Refused, and the reason names this. */
static void expect_refusal(const struct chain_case *c, const char *text)
{
	struct snp_chain chain;
	struct why why = { 0 };

	assert_int_equal(case_verify(c, &chain, &why), -EKEYREJECTED);
	if (strstr(why.text, text) == NULL)
		fail_msg("why is '%s', want '%s' in it", why.text, text);
}

static void a_root_that_nobody_gave_is_not_trusted(void **state)
{
	struct chain_case c = right_case();

	c.is_no_root = true;
	expect_refusal(&c, "neither AMD's root nor a root you gave");
}

static void every_certificate_has_to_be_in_its_time(void **state)
{
	for (int i = 0; i < 6; i++) {
		struct chain_case c = right_case();
		time_t *from[] = { &c.leaf.from, &c.ask.from, &c.ark.from };
		time_t *to[] = { &c.leaf.to, &c.ask.to, &c.ark.to };
		if (i < 3)
			*to[i] = MAKER_NOW - DAY;
		else
			*from[i - 3] = MAKER_NOW + DAY;
		expect_refusal(&c, i < 3 ? "has expired" : "not yet valid");
	}
}

static void the_time_is_the_asked_one(void **state)
{
	struct chain_case c = right_case();
	struct snp_chain chain;

	c.leaf.to = MAKER_NOW - DAY;
	c.at = MAKER_NOW - 2 * DAY;
	assert_int_equal(case_verify(&c, &chain, NULL), 0);
	c.at = MAKER_NOW + 1000 * (time_t)DAY;
	expect_refusal(&c, "has expired");
}

static void wrong_signers_are_refused(void **state)
{
	struct chain_case c = right_case();

	c.leaf.signer = maker.ark; /* says SEV-Milan, signed by another key */
	expect_refusal(&c, "does not fit the key of SEV-Milan");
	c = right_case();
	c.ask.signer = maker.ask;
	expect_refusal(&c, "does not fit the key of ARK-Milan");
	c = right_case();
	c.ark.signer = maker.ask;
	expect_refusal(&c, "does not fit the key of ARK-Milan");
	c = right_case();
	c.ask.subject = "SEV-Genoa"; /* another name than the leaf's issuer */
	expect_refusal(&c, "no certificate of SEV-Milan");
	c = right_case();
	c.ark.subject = "ARK-Other";
	expect_refusal(&c, "no certificate of ARK-Milan");
}

static void a_root_has_to_be_self_signed(void **state)
{
	struct chain_case c = right_case();

	c.ark.issuer = "ARK-Above";
	expect_refusal(&c, "not self-signed");
}

static void products_of_a_chain_have_to_agree(void **state)
{
	struct chain_case c = right_case();

	c.ark.subject = c.ark.issuer = c.ask.issuer = "ARK-Genoa";
	expect_refusal(&c, "different products");
}

static void signatures_have_to_be_pss_with_sha384(void **state)
{
	struct chain_case c = right_case();

	c.ask.is_pkcs1 = true;
	expect_refusal(&c, "RSASSA-PSS");
	c = right_case();
	c.ask.digest = "SHA256";
	expect_refusal(&c, "RSASSA-PSS");
	c = right_case();
	c.ask.salt = 32;
	expect_refusal(&c, "RSASSA-PSS");
	c = right_case();
	c.ark.salt = 20;
	expect_refusal(&c, "RSASSA-PSS");
}

static void intermediates_have_to_be_cas(void **state)
{
	struct chain_case c = right_case();
	EVP_PKEY *small = EVP_RSA_gen(2048);

	c.ask.is_no_ca = true;
	expect_refusal(&c, "is not a CA");
	c = right_case();
	c.ask.is_no_cert_sign = true;
	expect_refusal(&c, "may not sign");
	c = right_case();
	c.ark.pathlen = 0;
	expect_refusal(&c, "pathLenConstraint");
	c = right_case();
	c.ask.key = c.leaf.signer = small;
	expect_refusal(&c, "not RSA-4096");
	c.leaf.signer = maker.ask; /* said of the key before the signature is tried */
	expect_refusal(&c, "not RSA-4096");
	EVP_PKEY_free(small);
}

/* --- revocation -------------------------------------------------------------------------------- */

static uint64_t max_age = SNP_CRL_ANY_AGE;

static enum verdict_status crl_status(
	const char *issuer, EVP_PKEY *signer, bool revokes, time_t from, time_t to)
{
	AUTO(cert_store) struct cert_store crls = { 0 };
	struct chain_case c = right_case();
	struct why why = { 0 };
	struct snp_chain chain = { .issuer = maker_ca(&c.ask),
		.root = maker_ca(&c.ark),
		.leaf = maker_leaf(&maker, &c.leaf) };

	crls.crls[crls.n_crls++] =
		maker_crl(&maker, issuer, signer, revokes ? chain.issuer : NULL, from, to);
	enum verdict_status s = snp_chain_revocation(&chain, &crls, MAKER_NOW, max_age, &why);
	assert_true(s == VERDICT_AFFIRMING || why.text[0] != '\0');
	X509_free(chain.leaf);
	X509_free(chain.issuer);
	X509_free(chain.root);
	return s;
}

static void a_current_crl_affirms_what_it_does_not_list(void **state)
{
	assert_int_equal(crl_status("ARK-Milan", NULL, false, MAKER_NOW - DAY, MAKER_NOW + DAY),
		VERDICT_AFFIRMING);
}

static void a_listed_intermediate_is_revoked_even_by_an_old_crl(void **state)
{
	assert_int_equal(crl_status("ARK-Milan", NULL, true, MAKER_NOW - DAY, MAKER_NOW + DAY),
		VERDICT_CONTRAINDICATED);
	assert_int_equal(crl_status("ARK-Milan", NULL, true, MAKER_NOW - 2 * DAY, MAKER_NOW - DAY),
		VERDICT_CONTRAINDICATED);
}

static void an_expired_crl_is_a_warning(void **state)
{
	assert_int_equal(crl_status("ARK-Milan", NULL, false, MAKER_NOW - 2 * DAY, MAKER_NOW - DAY),
		VERDICT_WARNING);
	assert_int_equal(crl_status("ARK-Milan", NULL, false, MAKER_NOW + DAY, MAKER_NOW + 2 * DAY),
		VERDICT_WARNING);
}

static void an_expired_crl_is_refused_beyond_the_policys_age(void **state)
{
	max_age = 0;
	assert_int_equal(crl_status("ARK-Milan", NULL, false, MAKER_NOW - 2 * DAY, MAKER_NOW - DAY),
		VERDICT_CONTRAINDICATED);
	max_age = 1;
	assert_int_equal(crl_status("ARK-Milan", NULL, false, MAKER_NOW - 2 * DAY, MAKER_NOW - DAY),
		VERDICT_CONTRAINDICATED);
	assert_int_equal(
		crl_status("ARK-Milan", NULL, false, MAKER_NOW - 2 * DAY, MAKER_NOW - DAY + 1),
		VERDICT_WARNING);
	assert_int_equal(crl_status("ARK-Milan", NULL, false, MAKER_NOW - DAY, MAKER_NOW + DAY),
		VERDICT_AFFIRMING);
	max_age = SNP_CRL_ANY_AGE;
}

static void a_forged_crl_is_no_answer(void **state)
{
	assert_int_equal(
		crl_status("ARK-Milan", maker.ask, false, MAKER_NOW - DAY, MAKER_NOW + DAY),
		VERDICT_CONTRAINDICATED);
}

static void another_issuers_crl_says_nothing(void **state)
{
	assert_int_equal(crl_status("ARK-Genoa", NULL, true, MAKER_NOW - DAY, MAKER_NOW + DAY),
		VERDICT_NONE);
}

static int setup(void **state)
{
	maker_init(&maker);
	return 0;
}

static int teardown(void **state)
{
	maker_done(&maker);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_split_by_guid),
		cmocka_unit_test(an_empty_table_has_no_entries),
		cmocka_unit_test(a_table_without_an_end_is_refused),
		cmocka_unit_test(a_blob_outside_the_table_is_refused),
		cmocka_unit_test(a_guid_twice_is_refused),
		cmocka_unit_test(too_many_entries_are_refused),
		cmocka_unit_test(pem_der_and_tables_load),
		cmocka_unit_test(what_is_no_certificate_is_refused),
		cmocka_unit_test(a_full_store_refuses_more),
		cmocka_unit_test(built_in_certificates_have_their_published_fingerprints),
		cmocka_unit_test(a_vcek_says_product_tcb_and_chip),
		cmocka_unit_test(a_raw_hwid_may_start_like_a_wrapped_one),
		cmocka_unit_test(turin_has_eight_bytes_and_a_zero_tail),
		cmocka_unit_test(malformed_leafs_are_refused),
		cmocka_unit_test(a_missing_level_speaks_for_no_tcb),
		cmocka_unit_test(a_right_chain_verifies_as_simulated),
		cmocka_unit_test(a_root_that_nobody_gave_is_not_trusted),
		cmocka_unit_test(every_certificate_has_to_be_in_its_time),
		cmocka_unit_test(the_time_is_the_asked_one),
		cmocka_unit_test(wrong_signers_are_refused),
		cmocka_unit_test(a_root_has_to_be_self_signed),
		cmocka_unit_test(products_of_a_chain_have_to_agree),
		cmocka_unit_test(signatures_have_to_be_pss_with_sha384),
		cmocka_unit_test(intermediates_have_to_be_cas),
		cmocka_unit_test(a_current_crl_affirms_what_it_does_not_list),
		cmocka_unit_test(a_listed_intermediate_is_revoked_even_by_an_old_crl),
		cmocka_unit_test(an_expired_crl_is_a_warning),
		cmocka_unit_test(an_expired_crl_is_refused_beyond_the_policys_age),
		cmocka_unit_test(a_forged_crl_is_no_answer),
		cmocka_unit_test(another_issuers_crl_says_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
