#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/endorse/endorse_bundle.h"
#include "attest/endorse/endorse_list.h"
#include "attest/endorse/endorse_need.h"
#include "attest/endorse/endorse_store.h"
#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/cm.h"
#include "tests/unit/snp_maker.h"

#define TCB_MILAN 0xDB18000000000004u
#define TCB_OLDER 0xDB17000000000004u
#define DAY       86400
#define LEVELS    "bl04_tee00_snp24_ucode219.der"
#define OLDER     "bl04_tee00_snp23_ucode219.der"

static struct maker maker;
static struct attest_blob ark, ask, vcek, vcek_older, vcek_stranger, vlek, crl_old, crl_new;
static char hwid[129], realm[ENDORSE_REALM_MAX], folder[64];
static struct endorse_trust trust;
static int fd = -1;

static struct attest_blob crl_blob(time_t from, time_t to)
{
	unsigned char *der = NULL;
	X509_CRL *crl = maker_crl(&maker, "ARK-Milan", NULL, NULL, from, to);
	int len = i2d_X509_CRL(crl, &der);

	assert_true(len > 0);
	X509_CRL_free(crl);
	return (struct attest_blob){ der, (size_t)len };
}

/* Takes x. */
static struct attest_blob der_of(X509 *x)
{
	struct attest_blob b = maker_der(x);

	X509_free(x);
	return b;
}

static struct attest_blob leaf_blob(uint64_t tcb, bool is_vlek, EVP_PKEY *signer)
{
	struct maker_leaf o = { .tcb = tcb, .is_vlek = is_vlek, .signer = signer };

	memset(o.hwid, 0xC1, sizeof o.hwid);
	return der_of(maker_leaf(&maker, &o));
}

static int setup(void **state)
{
	X509 *root;

	maker_init(&maker);
	ark = der_of(maker_ca(&(struct maker_ca){ .subject = "ARK-Milan",
		.issuer = "ARK-Milan",
		.key = maker.ark,
		.signer = maker.ark,
		.pathlen = 1 }));
	ask = der_of(maker_ca(&(struct maker_ca){ .subject = "SEV-Milan",
		.issuer = "ARK-Milan",
		.key = maker.ask,
		.signer = maker.ark }));
	vcek = leaf_blob(TCB_MILAN, false, NULL);
	vcek_older = leaf_blob(TCB_OLDER, false, NULL);
	vcek_stranger = leaf_blob(TCB_MILAN, false, maker.ark);
	vlek = leaf_blob(TCB_MILAN, true, NULL);
	crl_old = crl_blob(MAKER_NOW - 3 * DAY, MAKER_NOW - 2 * DAY);
	crl_new = crl_blob(MAKER_NOW - DAY, MAKER_NOW + DAY);
	assert_int_equal(endorse_trust_add_root(&trust, ark.p, ark.len, NULL), 0);
	root = trust.roots.at[0];
	assert_int_equal(endorse_realm(root, realm), 0);
	memset(hwid, 0, sizeof hwid);
	for (size_t i = 0; i < 64; i++)
		memcpy(hwid + 2 * i, "c1", 2);
	endorse_trust_add_candidate(&trust, ask.p, ask.len);
	return 0;
}

static int teardown(void **state)
{
	struct attest_blob *all[] = { &ark, &ask, &vcek, &vcek_older, &vcek_stranger, &vlek };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		free((void *)(uintptr_t)all[i]->p);
	OPENSSL_free((void *)(uintptr_t)crl_old.p);
	OPENSSL_free((void *)(uintptr_t)crl_new.p);
	endorse_trust_done(&trust);
	maker_done(&maker);
	return 0;
}

/* A cache of its own for each test. */
static int cache_open(void **state)
{
	char path[96];

	(void)snprintf(folder, sizeof folder, "/tmp/casemate-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/a/b", folder);
	assert_int_equal(endorse_store_open(path, true, &fd, NULL), 0);
	return 0;
}

static int cache_close(void **state)
{
	char command[128];

	fd_drop(&fd);
	(void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command); /* NOLINT(cert-env33-c): a folder of ours */
}

static const char *name_of(const char *rest)
{
	static char name[ENDORSE_NAME_MAX];

	(void)snprintf(name, sizeof name, "%s%.230s", realm, rest);
	return name;
}

static const char *chip_name(const char *file)
{
	char rest[ENDORSE_NAME_MAX];

	(void)snprintf(rest, sizeof rest, "snp/Milan/%s/%s", hwid, file);
	return name_of(rest);
}

static enum endorse_outcome put(struct attest_blob b)
{
	struct endorse_item item;
	enum endorse_outcome outcome;

	assert_int_equal(endorse_store_put(fd, &trust, "", b.p, b.len, &item, &outcome, NULL), 0);
	return outcome;
}

static int get(const char *name, struct why *why)
{
	struct endorse_item item;
	uint8_t *p = NULL;
	size_t len = 0;
	int err = endorse_store_get(fd, &trust, name, &p, &len, &item, why);

	free(p);
	return err;
}

/* --- items ------------------------------------------------------------------------------------ */

static void an_item_is_named_after_what_it_is(void **state)
{
	struct endorse_item item;

	assert_int_equal(endorse_judge(&trust, vcek.p, vcek.len, &item, NULL), 0);
	assert_int_equal(item.kind, ENDORSE_VCEK);
	assert_string_equal(item.name, chip_name(LEVELS));
	assert_false(item.is_hardware);
	assert_int_equal(item.realm_len, strlen(realm));
	assert_int_equal(endorse_judge(&trust, ark.p, ark.len, &item, NULL), 0);
	assert_string_equal(item.name, name_of("snp/Milan/ark.der"));
	assert_int_equal(endorse_judge(&trust, ask.p, ask.len, &item, NULL), 0);
	assert_string_equal(item.name, name_of("snp/Milan/ask.der"));
	assert_int_equal(endorse_judge(&trust, crl_new.p, crl_new.len, &item, NULL), 0);
	assert_string_equal(item.name, name_of("snp/Milan/crl.der"));
	assert_true(item.good_until == MAKER_NOW + DAY);
}

static void nothing_is_an_item_without_a_trusted_signature(void **state)
{
	AUTO(endorse_trust) struct endorse_trust nobody = { 0 };
	const struct attest_blob all[] = { ark, ask, vcek, crl_new };
	struct endorse_item item = { .serial = 77 };
	struct why why = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(
			endorse_judge(&nobody, all[i].p, all[i].len, &item, NULL), -EKEYREJECTED);
	endorse_trust_add_candidate(&nobody, ark.p, ark.len); /* a candidate is no root */
	endorse_trust_add_candidate(&nobody, ask.p, ask.len);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(
			endorse_judge(&nobody, all[i].p, all[i].len, &item, NULL), -EKEYREJECTED);
	assert_int_equal(endorse_judge(&trust, vcek_stranger.p, vcek_stranger.len, &item, &why),
		-EKEYREJECTED);
	assert_true(why.text[0] != '\0');
	assert_int_equal(item.serial, 77);
}

static void bytes_that_are_none_are_said_to_be_none(void **state)
{
	struct endorse_item item;
	uint8_t copy[4096];

	assert_int_equal(endorse_judge(&trust, (const uint8_t *)"hello", 5, &item, NULL), -EBADMSG);
	assert_int_equal(endorse_judge(&trust, (const uint8_t *)"{}", 2, &item, NULL), -EBADMSG);
	assert_int_equal(endorse_judge(&trust, vcek.p, 0, &item, NULL), -EBADMSG);
	memcpy(copy, vcek.p, vcek.len);
	copy[vcek.len] = 0;
	assert_int_equal(endorse_judge(&trust, copy, vcek.len + 1, &item, NULL), -EBADMSG);
	for (size_t len = 0; len < vcek.len; len += 7)
		assert_true(endorse_judge(&trust, vcek.p, len, &item, NULL) < 0);
}

/* --- the cache -------------------------------------------------------------------------------- */

static void a_newer_one_replaces_an_older_one_and_not_back(void **state)
{
	assert_int_equal(put(crl_old), ENDORSE_STORED);
	assert_int_equal(put(crl_old), ENDORSE_SAME);
	assert_int_equal(put(crl_new), ENDORSE_STORED);
	assert_int_equal(put(crl_old), ENDORSE_OLDER);
	assert_int_equal(put(vcek), ENDORSE_STORED);
	assert_int_equal(put(vcek_older), ENDORSE_STORED); /* another TCB, another place */
	assert_int_equal(get(chip_name(LEVELS), NULL), 0);
	assert_int_equal(get(chip_name(OLDER), NULL), 0);
}

static void a_file_of_another_kind_is_no_item(void **state)
{
	struct why why = { 0 };

	assert_int_equal(put(vcek), ENDORSE_STORED);
	assert_int_equal(get(chip_name(OLDER), NULL), -ENOENT);
	/* another TCB's certificate, genuine, under this name */
	assert_int_equal(fd_replace_file(fd, chip_name(OLDER), vcek.p, vcek.len, 0644, NULL), 0);
	assert_int_equal(get(chip_name(OLDER), &why), -EBADMSG);
	assert_non_null(strstr(why.text, "its place is"));
	assert_int_equal(fd_replace_file(fd, chip_name(OLDER), "junk", 4, 0644, NULL), 0);
	assert_int_equal(get(chip_name(OLDER), NULL), -EBADMSG);
	assert_int_equal(fd_replace_file(fd, chip_name(OLDER), vcek_stranger.p, vcek_stranger.len,
				 0644, NULL),
		0);
	assert_int_equal(get(chip_name(OLDER), NULL), -EKEYREJECTED);
	assert_int_equal(unlinkat(fd, chip_name(OLDER), 0), 0);
	assert_int_equal(symlinkat(LEVELS, fd, chip_name(OLDER)), 0);
	assert_int_equal(get(chip_name(OLDER), NULL), -EBADMSG);
	assert_int_equal(unlinkat(fd, chip_name(OLDER), 0), 0);
	assert_int_equal(mkfifoat(fd, chip_name(OLDER), 0644), 0); /* does not wait for a writer */
	assert_int_equal(get(chip_name(OLDER), NULL), -EBADMSG);
	/* what is wrong gives way */
	assert_int_equal(put(vcek_older), ENDORSE_STORED);
	assert_int_equal(get(chip_name(OLDER), NULL), 0);
}

struct given {
	size_t n;
	enum endorse_kind kinds[16];
};

static int item_give(
	void *arg, const struct endorse_item *item, uint8_t *p, size_t len, struct why *why)
{
	struct given *g = arg;

	g->kinds[g->n++] = item->kind;
	free(p);
	return 0;
}

static struct given pick(const struct endorse_trust *t, uint32_t version)
{
	uint8_t report[SNP_REPORT_BYTES];
	struct given g = { 0 };

	maker_report(report, version);
	assert_int_equal(endorse_store_pick(fd, t, (struct attest_blob){ report, sizeof report },
				 item_give, &g, NULL),
		0);
	return g;
}

static void a_report_gets_what_is_its_own(void **state)
{
	AUTO(endorse_trust) struct endorse_trust nobody = { 0 };
	const struct attest_blob all[] = { ark, ask, vcek, vcek_older, crl_new };

	assert_int_equal(pick(&trust, 3).n, 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(put(all[i]), ENDORSE_STORED);
	for (uint32_t version = 2; version <= 5; version++) {
		struct given g = pick(&trust, version);
		assert_int_equal(g.n, 4);
		assert_int_equal(g.kinds[0], ENDORSE_VCEK);
		assert_int_equal(g.kinds[3], ENDORSE_CRL);
	}
	assert_int_equal(pick(&nobody, 3).n, 0); /* another root's realm */
	assert_int_equal(fd_replace_file(fd, chip_name(LEVELS), "junk", 4, 0644, NULL), 0);
	assert_int_equal(pick(&trust, 3).n, 3);
}

static void the_list_says_what_is_wrong_and_until_when(void **state)
{
	struct wr w = { 0 };

	(void)put(ark), (void)put(ask), (void)put(vcek), (void)put(crl_old);
	assert_int_equal(fd_replace_file(fd, "x\033[31m", "junk", 4, 0644, NULL), 0);
	assert_int_equal(endorse_list_print(fd, &trust, MAKER_NOW, false, &w, NULL), 0);
	w.buf[w.len] = '\0';
	const char *text = (const char *)w.buf;
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "wrong    x?[31m: "));
	assert_non_null(strstr(text, "expired "));
	assert_non_null(strstr(text, "EXPIRED since"));
	free(w.buf);
	(void)put(crl_new);
	assert_int_equal(endorse_list_print(fd, &trust, MAKER_NOW, true, &w, NULL), 0);
	w.buf[w.len] = '\0';
	text = (const char *)w.buf;
	assert_non_null(strstr(text, "\"schema\": \"casemate.attest.endorsements/1\""));
	assert_non_null(strstr(text, "\"expired\": false"));
	assert_non_null(strstr(text, "\"missing\": null"));
	free(w.buf);
}

/* --- bundles ---------------------------------------------------------------------------------- */

struct taken {
	size_t n, n_good;
};

static int item_take(void *arg, const char *name, const uint8_t *buf, size_t len, struct why *why)
{
	struct taken *t = arg;
	struct endorse_item item;

	t->n++;
	t->n_good += endorse_judge(&trust, buf, len, &item, NULL) == 0 &&
		     (name[0] == '\0' || strcmp(name, item.name) == 0);
	return 0;
}

static size_t bundle_make(uint8_t **ret)
{
	char name[ENDORSE_NAME_MAX];

	(void)snprintf(name, sizeof name, "%s", chip_name(LEVELS));
	const struct endorse_member m[] = { { name, vcek.p, vcek.len },
		{ name_of("snp/Milan/ark.der"), ark.p, ark.len } };
	size_t size = endorse_bundle_size(2, vcek.len + ark.len);
	uint8_t *buf = malloc(size);
	struct wr w = wr_of(buf, size);

	assert_non_null(buf);
	assert_int_equal(endorse_bundle_write(&w, m, 2), 0);
	*ret = buf;
	return w.len;
}

static void a_bundle_comes_back_whole(void **state)
{
	uint8_t *buf = NULL;
	size_t len = bundle_make(&buf);
	struct taken t = { 0 };

	assert_true(endorse_bundle_recognise(buf, len));
	assert_int_equal(len % 512, 0);
	assert_int_equal(endorse_split(buf, len, item_take, &t, NULL), 0);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.n_good, 2);
	free(buf);
}

/* Whatever is handed over before the damage is noticed is still judged by its signature. */
static void a_damaged_bundle_is_refused(void **state)
{
	uint8_t *buf = NULL;
	size_t len = bundle_make(&buf);

	for (size_t cut = 0; cut < len - 1024; cut += 61) {
		struct taken t = { 0 };
		assert_true(endorse_split(buf, cut, item_take, &t, NULL) < 0);
	}
	for (size_t i = 0; i < len; i += 13) {
		struct taken t = { 0 };
		buf[i] ^= 0x20;
		int err = endorse_split(buf, len, item_take, &t, NULL);
		assert_true(err < 0 || t.n == 2); /* padding and the header's unused fields */
		assert_int_equal(t.n, t.n_good);
		buf[i] ^= 0x20;
	}
	buf[len - 1] = 1; /* behind the end */
	struct taken behind = { 0 };
	assert_int_equal(endorse_split(buf, len, item_take, &behind, NULL), -EBADMSG);
	buf[len - 1] = 0;
	buf[0] = 'N'; /* NANIFEST.sha256: a stranger's archive */
	struct taken t = { 0 };
	assert_true(endorse_split(buf, len, item_take, &t, NULL) < 0);
	assert_int_equal(t.n, 0);
	free(buf);
}

static void a_name_that_does_not_fit_is_no_member(void **state)
{
	char name[300];
	uint8_t buf[8192];
	struct wr w = wr_of(buf, sizeof buf);
	const struct endorse_member m = { name, (const uint8_t *)"x", 1 };

	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_true(endorse_bundle_write(&w, &m, 1) < 0);
}

static void other_forms_are_taken_apart(void **state)
{
	char *json = NULL, *pem = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	const unsigned char *at = vcek.p;
	X509 *x = d2i_X509(NULL, &at, (long)vcek.len);
	struct taken t = { 0 };

	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	size_t len = (size_t)BIO_get_mem_data(bio, &pem);
	assert_int_equal(endorse_split((const uint8_t *)pem, len, item_take, &t, NULL), 0);
	assert_int_equal(t.n_good, 1);
	/* a cloud's metadata service */
	assert_true(asprintf(&json, "{\"vcekCert\": \"") > 0);
	char *grown = calloc(1, len * 2 + 64);
	assert_non_null(grown);
	size_t n = (size_t)snprintf(grown, len, "%s", json);
	for (size_t i = 0; i < len; i++) {
		if (pem[i] == '\n')
			grown[n++] = '\\', grown[n++] = 'n';
		else
			grown[n++] = pem[i];
	}
	memcpy(grown + n, "\", \"tcbm\": \"x\"}", 16);
	assert_int_equal(
		endorse_split((const uint8_t *)grown, strlen(grown), item_take, &t, NULL), 0);
	assert_int_equal(t.n_good, 2);
	const char *const bad[] = { "{", "{}", "{\"a\": 1}", "{\"vcekCert\": 3}x", "hello",
		"{\"vcekCert\": \"-----BEGIN CERTIFICATE-----\"}", "{\"tcbInfo\": {}}" };
	struct taken none = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(endorse_split((const uint8_t *)bad[i], strlen(bad[i]), item_take, &none,
				    NULL) < 0);
	assert_int_equal(none.n, 0);
	free(json);
	free(grown);
	X509_free(x);
	BIO_free(bio);
}

/* --- needs ------------------------------------------------------------------------------------ */

static void addresses_are_the_services(void **state)
{
	struct endorse_need n = { .kind = EVIDENCE_SNP,
		.product = SNP_PRODUCT_TURIN,
		.has_hwid = true,
		.hwid = { 0x2f, 0x9f, 0xf9, 0xd9, 0xa6, 0xa5, 0xc3, 0x68 },
		.tcb = 0x5100000004010201 };
	struct endorse_url u;

	assert_true(endorse_need_url(&n, 2, NULL, &u));
	assert_string_equal(u.url, "https://kdsintf.amd.com/vcek/v1/Turin/2f9ff9d9a6a5c368"
				   "?fmcSPL=01&blSPL=02&teeSPL=01&snpSPL=04&ucodeSPL=81");
	n.product = SNP_PRODUCT_GENOA;
	n.tcb = 0x4817000000000009;
	assert_true(endorse_need_url(&n, 2, "http://m/x", &u));
	assert_string_equal(u.url + strlen("http://m/x/vcek/v1/Genoa/") + 128,
		"?blSPL=09&teeSPL=00&snpSPL=23&ucodeSPL=72");
	n.is_vlek = true, n.has_hwid = false;
	assert_true(endorse_need_url(&n, 0, NULL, &u));
	assert_string_equal(u.url, "https://kdsintf.amd.com/vlek/v1/Genoa/cert_chain");
	assert_true(endorse_need_url(&n, 1, NULL, &u));
	assert_string_equal(u.url, "https://kdsintf.amd.com/vlek/v1/Genoa/crl");
	assert_false(endorse_need_url(&n, 2, NULL, &u)); /* a provider's, not the public's */
	n = (struct endorse_need){
		.kind = EVIDENCE_TDX, .has_fmspc = true, .fmspc = { 0xb0, 0xc0, 0x6f }
	};
	assert_true(endorse_need_url(&n, 3, NULL, &u));
	assert_string_equal(u.url, "https://api.trustedservices.intel.com/tdx/certification/v4/"
				   "tcb?fmspc=b0c06f000000");
	assert_string_equal(u.chain_header, "TCB-Info-Issuer-Chain");
	assert_true(endorse_need_url(&n, 1, "https://pccs", &u));
	assert_string_equal(
		u.url, "https://pccs/sgx/certification/v4/pckcrl?ca=platform&encoding=der");
	assert_false(endorse_need_url(&n, 4, NULL, &u));
}

static bool need_names(const struct endorse_need *n, const char *file)
{
	char name[ENDORSE_NAME_MAX];

	for (size_t i = 0; endorse_need_name(n, i, "", name); i++)
		if (strcmp(name, file) == 0)
			return true;
	return false;
}

static void a_quote_gets_its_own_cas_list(void **state)
{
	struct endorse_need n = { .kind = EVIDENCE_TDX, .has_fmspc = true, .fmspc = { 0xAB } };

	assert_true(need_names(&n, "tdx/ab0000000000/tcb_info.json"));
	assert_true(need_names(&n, "tdx/pck_crl_platform.der"));
	assert_false(need_names(&n, "tdx/pck_crl_processor.der"));
	n.is_processor_ca = true;
	assert_true(need_names(&n, "tdx/pck_crl_processor.der"));
	assert_false(need_names(&n, "tdx/platform_ca.der"));
}

static void evidence_says_what_it_needs(void **state)
{
	uint8_t report[SNP_REPORT_BYTES];
	struct endorse_need n;
	char name[ENDORSE_NAME_MAX];

	maker_report(report, 3);
	struct attest_blob b = { report, sizeof report };
	assert_int_equal(endorse_need_of(b, &n, NULL), 0);
	assert_true(n.has_hwid && !n.is_vlek && n.product == SNP_PRODUCT_MILAN);
	assert_true(endorse_need_name(&n, 0, realm, name));
	assert_string_equal(name, chip_name(LEVELS));
	memset(report + 0x1A0, 0, 64);
	report[0x48] = 1 << 2; /* VLEK */
	assert_int_equal(endorse_need_of(b, &n, NULL), 0);
	assert_true(!n.has_hwid && n.is_vlek);
	assert_true(endorse_need_name(&n, 0, "", name));
	assert_string_equal(name, "snp/Milan/vlek/" LEVELS);
	report[0x188] = 0x42; /* a family that is none */
	assert_int_equal(endorse_need_of(b, &n, NULL), -EPROTONOSUPPORT);
	b.len--;
	assert_true(endorse_need_of(b, &n, NULL) < 0);
}

#define CACHE_TEST(f) cmocka_unit_test_setup_teardown(f, cache_open, cache_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_item_is_named_after_what_it_is),
		cmocka_unit_test(nothing_is_an_item_without_a_trusted_signature),
		cmocka_unit_test(bytes_that_are_none_are_said_to_be_none),
		CACHE_TEST(a_newer_one_replaces_an_older_one_and_not_back),
		CACHE_TEST(a_file_of_another_kind_is_no_item),
		CACHE_TEST(a_report_gets_what_is_its_own),
		CACHE_TEST(the_list_says_what_is_wrong_and_until_when),
		cmocka_unit_test(a_bundle_comes_back_whole),
		cmocka_unit_test(a_damaged_bundle_is_refused),
		cmocka_unit_test(a_name_that_does_not_fit_is_no_member),
		cmocka_unit_test(other_forms_are_taken_apart),
		cmocka_unit_test(addresses_are_the_services),
		cmocka_unit_test(a_quote_gets_its_own_cas_list),
		cmocka_unit_test(evidence_says_what_it_needs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
