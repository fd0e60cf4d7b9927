/*
 * Evidence with one thing wrong: every bit of what is signed, every byte of signatures and
 * certificates, every length, and what an attacker can put together from genuine pieces. Made here,
 * and real where the folder with vectors is given.
 *
 * usage: test_attest_mutation [VECTORS [STEP]]: of real evidence every STEP-th bit, byte and length is
 * changed (23 without it); 1 is everything and takes minutes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "policy/policy.h"
#include "tests/unit/cm.h"
#include "tests/unit/mutate.h"
#include "tests/unit/snp_maker.h"

#define TCB_MILAN 0xDB18000000000004u
#define AT_2026   1790000000 /* when the real certificates are valid */
#define LEAF_ROWS (ROW_BIT(ROW_SIGNATURE) | ROW_BIT(ROW_CHAIN))

static const char *vectors;
static size_t real_step = 23;
static struct maker maker;

/* --- SNP, made here ------------------------------------------------------------------------------ */

struct snp {
	struct subject s;
	struct attest_blob certs[2], root, crl; /* what the inputs see */
	struct policy *policy;
	uint8_t *report;
};

static struct attest_blob ark, ask, vcek;

static struct attest_blob ca_blob(const char *subject, const char *issuer, EVP_PKEY *key,
	EVP_PKEY *signer, const struct maker_ca *more)
{
	struct maker_ca o = *more;

	o.subject = subject;
	o.issuer = issuer;
	o.key = key;
	o.signer = signer;
	X509 *x = maker_ca(&o);
	struct attest_blob b = maker_der(x);
	X509_free(x);
	return b;
}

static struct attest_blob leaf_blob(const struct maker_leaf *o)
{
	X509 *x = maker_leaf(&maker, o);
	struct attest_blob b = maker_der(x);

	X509_free(x);
	return b;
}

static struct maker_leaf right_leaf(void)
{
	struct maker_leaf o = { .tcb = TCB_MILAN };

	memset(o.hwid, 0xC1, sizeof o.hwid);
	return o;
}

static void blob_free(struct attest_blob *b)
{
	free((void *)(uintptr_t)b->p);
	*b = (struct attest_blob){ 0 };
}

static struct attest_blob crl_blob(struct attest_blob revoked, time_t from, time_t to)
{
	const unsigned char *at = revoked.p;
	unsigned char *der = NULL;
	X509 *x = revoked.p == NULL ? NULL : d2i_X509(NULL, &at, (long)revoked.len);
	X509_CRL *crl = maker_crl(&maker, "ARK-Milan", NULL, x, from, to);
	int len = i2d_X509_CRL(crl, &der);

	assert_true(len > 0);
	uint8_t *copy = malloc((size_t)len);
	assert_non_null(copy);
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	X509_free(x);
	return (struct attest_blob){ copy, (size_t)len };
}

static void snp_open(struct snp *f, uint32_t version)
{
	uint8_t report[SNP_REPORT_BYTES];

	*f = (struct snp){ .s = { .name = "SNP made here", .step = 1 } };
	maker_report(report, version);
	maker_sign(report, maker.leaf);
	f->s.in.evidence = *subject_add(&f->s, report, sizeof report);
	f->report = (uint8_t *)(uintptr_t)f->s.in.evidence.p;
	f->certs[0] = vcek;
	f->certs[1] = ask;
	f->root = ark;
	f->policy = calloc(1, sizeof *f->policy);
	assert_non_null(f->policy);
	f->policy->tee.type = POLICY_TEE_SNP;
	f->policy->tee.has_snp = f->policy->tee.simulated = true;
	f->policy->tee.snp.guest_policy_bits = 0x30000;
	f->policy->tee.snp.guest_policy.smt = true;
	f->policy->boot.n_launch_digests = 1;
	memset(f->policy->boot.launch_digests[0].sha384, 0xD2, 48);
	memset(f->policy->hash, 0xD3, 32);
	f->s.in.certs = f->certs;
	f->s.in.n_certs = 2;
	f->s.in.roots = &f->root;
	f->s.in.n_roots = 1;
	f->s.in.policy = f->policy;
	f->s.in.at = MAKER_NOW;
	mutate_check_good(&f->s, VERDICT_AFFIRMING);
}

static void snp_close(struct snp *f)
{
	mutate_check_good(&f->s, VERDICT_AFFIRMING); /* everything was put back */
	free(f->policy);
	subject_done(&f->s);
}

static void every_bit_and_length_of_a_report_counts(void **state)
{
	const uint32_t rows = ROW_BIT(ROW_SIGNATURE);
	struct snp f;

	for (uint32_t version = 3; version <= 5; version += 2) {
		snp_open(&f, version);
		f.s.step = version == 3 ? 1 : 3;
		mutate_bits(&f.s, &f.s.in.evidence, 0, SNP_REPORT_SIGNED, rows);
		mutate_bytes(&f.s, &f.s.in.evidence, SNP_REPORT_SIGNED, SNP_REPORT_BYTES, rows);
		/* 48 bytes pass for a SEV measurement, without a platform's certificates */
		mutate_lengths(&f.s, &f.s.in.evidence, SNP_REPORT_BYTES, ROW_BIT(ROW_CHAIN));
		mutate_tail(&f.s, &f.s.in.evidence, 0);
		f.s.in.kind = EVIDENCE_SNP; /* the caller insists */
		mutate_lengths(&f.s, &f.s.in.evidence, SNP_REPORT_BYTES, 0);
		mutate_tail(&f.s, &f.s.in.evidence, 0);
		snp_close(&f);
	}
}

static void certificate_mutate(struct snp *f, struct attest_blob *b, uint32_t rows)
{
	struct attest_blob shared = *b, *own = subject_add(&f->s, b->p, b->len);

	*b = *own;
	mutate_bytes(&f->s, b, 0, b->len, rows);
	mutate_lengths(&f->s, b, b->len, rows);
	mutate_tail(&f->s, b, rows);
	*b = shared;
}

static void every_byte_and_length_of_its_certificates_counts(void **state)
{
	struct snp f;

	snp_open(&f, 3);
	certificate_mutate(&f, &f.certs[0], LEAF_ROWS);
	certificate_mutate(&f, &f.certs[1], ROW_BIT(ROW_CHAIN));
	certificate_mutate(&f, &f.root, ROW_BIT(ROW_CHAIN));
	snp_close(&f);
}

static void every_byte_of_a_required_crl_counts(void **state)
{
	struct attest_blob fresh =
		crl_blob((struct attest_blob){ 0 }, MAKER_NOW - 86400, MAKER_NOW + 86400);
	struct snp f;

	snp_open(&f, 3);
	f.policy->tee.endorsements.require_crl = true;
	f.crl = fresh;
	f.s.in.crls = &f.crl;
	f.s.in.n_crls = 1;
	mutate_check_good(&f.s, VERDICT_AFFIRMING);
	certificate_mutate(&f, &f.crl, ROW_BIT(ROW_REVOCATION));
	snp_close(&f);
	blob_free(&fresh);
}

/* Genuine pieces in the wrong company. */
static void swapped_certificates_are_refused(void **state)
{
	static const struct maker_ca plain = { .pathlen = -1 };
	const time_t year = 365 * 86400;
	struct maker_leaf expired = right_leaf(), future = right_leaf(), chip = right_leaf(),
			  tcb = right_leaf(), genoa = right_leaf(), vlek = right_leaf(),
			  key = right_leaf(), signer = right_leaf();
	struct maker_ca old = {
		.pathlen = -1, .from = MAKER_NOW - 2 * year, .to = MAKER_NOW - year
	};
	struct snp f;

	expired.from = MAKER_NOW - 2 * year, expired.to = MAKER_NOW - year;
	future.from = MAKER_NOW + year, future.to = MAKER_NOW + 2 * year;
	chip.hwid[0] ^= 1;
	tcb.tcb--;
	genoa.product = "Genoa";
	vlek.is_vlek = true;
	key.key = maker.other;
	signer.signer = maker.ark;
	const struct {
		const char *what;
		struct maker_leaf leaf;
		uint32_t rows;
	} leafs[] = {
		{ "expired leaf", expired, ROW_BIT(ROW_CHAIN) },
		{ "leaf of the future", future, ROW_BIT(ROW_CHAIN) },
		{ "another chip's leaf", chip, ROW_BIT(ROW_CHIP_ID) },
		{ "leaf of an older TCB", tcb, ROW_BIT(ROW_TCB) },
		{ "another product's leaf", genoa, ROW_BIT(ROW_CHAIN) },
		{ "VLEK", vlek, ROW_BIT(ROW_CHAIN) },
		{ "leaf with another key", key, ROW_BIT(ROW_SIGNATURE) },
		{ "leaf that another CA signed", signer, ROW_BIT(ROW_CHAIN) },
	};
	struct attest_blob genoa_ask =
		ca_blob("SEV-Genoa", "ARK-Milan", maker.ask, maker.ark, &plain);
	struct attest_blob genoa_ark =
		ca_blob("ARK-Genoa", "ARK-Genoa", maker.ark, maker.ark, &plain);
	struct attest_blob old_ask = ca_blob("SEV-Milan", "ARK-Milan", maker.ask, maker.ark, &old);
	struct attest_blob self_ask =
		ca_blob("SEV-Milan", "ARK-Milan", maker.ask, maker.ask, &plain);
	struct attest_blob revoking = crl_blob(ask, MAKER_NOW - 86400, MAKER_NOW + 86400);

	snp_open(&f, 3);
	for (size_t i = 0; i < ARRAY_LEN(leafs); i++) {
		struct attest_blob b = leaf_blob(&leafs[i].leaf);
		mutate_swap(&f.s, &f.certs[0], b, leafs[i].rows, leafs[i].what);
		blob_free(&b);
	}
	mutate_swap(&f.s, &f.certs[0], ask, ROW_BIT(ROW_CHAIN), "no leaf");
	mutate_swap(&f.s, &f.certs[1], vcek, ROW_BIT(ROW_CHAIN), "no intermediate");
	mutate_swap(&f.s, &f.certs[1], genoa_ask, ROW_BIT(ROW_CHAIN), "another product's ASK");
	mutate_swap(&f.s, &f.certs[1], old_ask, ROW_BIT(ROW_CHAIN), "expired ASK");
	mutate_swap(&f.s, &f.certs[1], self_ask, ROW_BIT(ROW_CHAIN), "ASK that signed itself");
	mutate_swap(&f.s, &f.root, genoa_ark, ROW_BIT(ROW_CHAIN), "another product's root");
	mutate_swap(&f.s, &f.root, vcek, ROW_BIT(ROW_CHAIN), "a leaf as root");
	f.s.in.crls = &revoking;
	f.s.in.n_crls = 1;
	mutate_judge(&f.s, ROW_BIT(ROW_REVOCATION), "revoked ASK", 0);
	f.s.in.n_crls = 0;
	snp_close(&f);
	blob_free(&genoa_ask);
	blob_free(&genoa_ark);
	blob_free(&old_ask);
	blob_free(&self_ask);
	blob_free(&revoking);
}

static void report_resign(struct snp *f, size_t at, uint8_t value, uint32_t rows, const char *what)
{
	uint8_t signature[SNP_REPORT_BYTES - SNP_REPORT_SIGNED], old = f->report[at];

	memcpy(signature, f->report + SNP_REPORT_SIGNED, sizeof signature);
	f->report[at] = value;
	maker_sign(f->report, maker.leaf);
	mutate_judge(&f->s, rows, what, at);
	f->report[at] = old;
	memcpy(f->report + SNP_REPORT_SIGNED, signature, sizeof signature);
}

/* The key signs whatever the host makes of the firmware's levels; the rules of 1.4 still hold. */
static void levels_that_cannot_be_are_refused_though_signed(void **state)
{
	static const size_t levels[] = { 0, 1, 6, 7 }; /* Milan: 1.4 */
	struct snp f;

	snp_open(&f, 3);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		size_t at = levels[i];
		if (f.report[0x180 + at] > 0)
			report_resign(&f, 0x180 + at, (uint8_t)(f.report[0x180 + at] - 1),
				ROW_BIT(ROW_TCB), "REPORTED_TCB below the certificate, byte");
		report_resign(&f, 0x180 + at, (uint8_t)(f.report[0x180 + at] + 1), ROW_BIT(ROW_TCB),
			"REPORTED_TCB above COMMITTED_TCB, byte");
		if (f.report[0x1E0 + at] > 0)
			report_resign(&f, 0x1E0 + at, (uint8_t)(f.report[0x1E0 + at] - 1),
				ROW_BIT(ROW_TCB), "COMMITTED_TCB below REPORTED_TCB, byte");
		report_resign(&f, 0x1E0 + at, (uint8_t)(f.report[0x1E0 + at] + 1), ROW_BIT(ROW_TCB),
			"COMMITTED_TCB above CURRENT_TCB, byte");
		if (f.report[0x38 + at] > 0)
			report_resign(&f, 0x38 + at, (uint8_t)(f.report[0x38 + at] - 1),
				ROW_BIT(ROW_TCB), "CURRENT_TCB below COMMITTED_TCB, byte");
		report_resign(&f, 0x1F0 + at, (uint8_t)(f.report[0x1F0 + at] + 1), ROW_BIT(ROW_TCB),
			"LAUNCH_TCB above CURRENT_TCB, byte");
	}
	report_resign(&f, 0x0A, 0x0B, ROW_BIT(ROW_DEBUG), "debug allowed, byte");
	report_resign(&f, 0x0A, 0x07, ROW_BIT(ROW_MIGRATION), "migration allowed, byte");
	report_resign(&f, 0x0A, 0x01, ROW_BIT(ROW_POLICY), "bit 17 is zero, byte");
	for (size_t i = 0; i < 4; i++)
		report_resign(&f, 0x30 + i, 0xFF, ROW_BIT(ROW_VMPL), "VMPL, byte");
	for (size_t i = 0; i < 48; i++)
		report_resign(&f, 0x90 + i, 0, ROW_BIT(ROW_MEASUREMENT), "launch digest, byte");
	for (size_t i = 0; i < 32; i++)
		report_resign(&f, 0xC0 + i, 0, ROW_BIT(ROW_HOST_DATA), "host data, byte");
	for (size_t i = 0; i < 64; i++)
		report_resign(&f, 0x1A0 + i, 0, ROW_BIT(ROW_CHIP_ID), "chip id, byte");
	report_resign(
		&f, 0x189, 0x11, ROW_BIT(ROW_PRODUCT) | ROW_BIT(ROW_TCB), "Genoa's model, byte");
	report_resign(
		&f, 0x188, 0x1A, ROW_BIT(ROW_PRODUCT) | ROW_BIT(ROW_TCB), "Turin's family, byte");
	snp_close(&f);
}

static void every_bit_of_a_nonce_counts(void **state)
{
	uint8_t nonce[SNP_REPORT_DATA_BYTES];
	struct snp f;

	snp_open(&f, 3);
	memset(nonce, 0xD1, sizeof nonce);
	f.s.in.report_data = nonce;
	f.s.in.report_data_len = sizeof nonce;
	for (size_t i = 0; i < sizeof nonce * 8; i += 3) {
		nonce[i / 8] ^= (uint8_t)(1u << (i % 8));
		mutate_judge(&f.s, ROW_BIT(ROW_REPORT_DATA), "nonce bit", i);
		nonce[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	snp_close(&f);
}

/* Lengths, offsets and GUIDs of a table that the host made; then its certificates. */
static void certificate_tables_are_taken_apart_with_care(void **state)
{
	static const uint8_t vcek_guid[] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad,
		0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };
	static const uint8_t ask_guid[] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0,
		0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 };
	uint8_t table[8192] = { 0 };
	struct snp f;

	snp_open(&f, 3);
	memcpy(table, vcek_guid, 16);
	maker_put32(table + 16, 72);
	maker_put32(table + 20, (uint32_t)vcek.len);
	memcpy(table + 24, ask_guid, 16);
	maker_put32(table + 40, (uint32_t)(72 + vcek.len));
	maker_put32(table + 44, (uint32_t)ask.len);
	memcpy(table + 72, vcek.p, vcek.len);
	memcpy(table + 72 + vcek.len, ask.p, ask.len);
	struct attest_blob given[2] = { f.certs[0], f.certs[1] };
	f.certs[0] = *subject_add(&f.s, table, 72 + vcek.len + ask.len);
	f.s.in.n_certs = 1;
	mutate_check_good(&f.s, VERDICT_AFFIRMING);
	/* GUIDs: an unknown one keeps its blob aside. */
	mutate_bits(&f.s, &f.certs[0], 0, 72, LEAF_ROWS);
	f.s.step = 5;
	mutate_bytes(&f.s, &f.certs[0], 72, f.certs[0].len, LEAF_ROWS);
	mutate_lengths(&f.s, &f.certs[0], f.certs[0].len, LEAF_ROWS);
	f.certs[0] = given[0];
	f.s.in.n_certs = 2;
	snp_close(&f);
}

/* --- real evidence ------------------------------------------------------------------------------- */

static bool file_add(
	struct subject *s, const char *folder, const char *name, struct attest_blob *ret)
{
	char path[512];
	uint8_t *bytes = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof path, "%s/%s/%s", vectors, folder, name);
	if (fd_read_path(path, 1u << 24, &bytes, &len, NULL) < 0)
		return false;
	*ret = *subject_add(s, bytes, len);
	free(bytes);
	return true;
}

static void real_reports_have_no_byte_too_much(void **state)
{
	static const struct {
		const char *folder, *leaf;
	} rows[] = {
		{ "snp/milan-v2-vcek", "vcek.der" },
		{ "snp/milan-v3-vcek-dstack", "vcek.der" },
		{ "snp/milan-v5-vcek-gcp", "vcek.der" },
		{ "snp/genoa-v3-vcek-azure", "vcek.der" },
		{ "snp/genoa-v5-vcek-family19-modelA0", "vcek.der" },
		{ "snp/turin-v5-vcek-ms", "vcek.der" },
	};
	struct attest_blob leafs[ARRAY_LEN(rows)], report;
	struct subject s = { .name = "leafs", .step = real_step };

	if (vectors == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!file_add(&s, rows[i].folder, rows[i].leaf, &leafs[i]))
			skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct subject r = { .name = rows[i].folder, .step = real_step };
		struct attest_blob leaf = leafs[i];
		assert_true(file_add(&r, rows[i].folder, "report.bin", &report));
		r.in = (struct attest_inputs){
			.evidence = report, .certs = &leaf, .n_certs = 1, .at = AT_2026
		};
		mutate_check_good(&r, VERDICT_AFFIRMING);
		mutate_bits(&r, &r.in.evidence, 0, SNP_REPORT_SIGNED, ROW_BIT(ROW_SIGNATURE));
		mutate_bytes(&r, &r.in.evidence, SNP_REPORT_SIGNED, SNP_REPORT_BYTES,
			ROW_BIT(ROW_SIGNATURE));
		mutate_bytes(&r, &leaf, 0, leaf.len, LEAF_ROWS);
		mutate_lengths(&r, &leaf, leaf.len, LEAF_ROWS);
		mutate_tail(&r, &leaf, LEAF_ROWS);
		for (size_t j = 0; j < ARRAY_LEN(rows); j++)
			if (j != i)
				mutate_swap(&r, &leaf, leafs[j], LEAF_ROWS, rows[j].folder);
		mutate_check_good(&r, VERDICT_AFFIRMING);
		subject_done(&r);
	}
	subject_done(&s);
}

/* --- all of it ------------------------------------------------------------------------------------ */

static int made_open(void **state)
{
	static const struct maker_ca root = { .pathlen = -1 };
	struct maker_leaf leaf = right_leaf();

	maker_init(&maker);
	ark = ca_blob("ARK-Milan", "ARK-Milan", maker.ark, maker.ark, &root);
	ask = ca_blob("SEV-Milan", "ARK-Milan", maker.ask, maker.ark, &(struct maker_ca){ 0 });
	vcek = leaf_blob(&leaf);
	return 0;
}

static int made_close(void **state)
{
	blob_free(&ark);
	blob_free(&ask);
	blob_free(&vcek);
	maker_done(&maker);
	return 0;
}

static void there_were_enough(void **state)
{
	printf("# %u mutations\n", mutate_count);
	assert_true(mutate_count >= 10000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_and_length_of_a_report_counts),
		cmocka_unit_test(every_byte_and_length_of_its_certificates_counts),
		cmocka_unit_test(every_byte_of_a_required_crl_counts),
		cmocka_unit_test(swapped_certificates_are_refused),
		cmocka_unit_test(levels_that_cannot_be_are_refused_though_signed),
		cmocka_unit_test(every_bit_of_a_nonce_counts),
		cmocka_unit_test(certificate_tables_are_taken_apart_with_care),
		cmocka_unit_test(real_reports_have_no_byte_too_much),
		cmocka_unit_test(there_were_enough),
	};

	if (argc > 1)
		vectors = argv[1];
	if (argc > 2)
		real_step = strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, made_open, made_close);
}
