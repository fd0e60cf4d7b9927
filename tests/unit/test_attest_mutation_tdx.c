/*
 * TDX quotes and their collateral, made here, with one thing wrong: as test_attest_mutation.c has it
 * for SNP. Real quotes: test_attest_tdx.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "tests/unit/cm.h"
#include "tests/unit/mutate.h"
#include "tests/unit/tdx_maker.h"

#define R(row) ROW_BIT(ROW_##row)

static struct tdx_maker maker;

/* Offsets of a version 4 quote (6.1 to 6.3). */
enum {
	Q_LENGTH = 632,
	Q_SIGNATURE = 636,
	Q_KEY = 700,
	Q_TYPE = 764,
	Q_QE = 770,
	Q_QE_SIGNATURE = 1154,
	Q_AUTH_SIZE = 1218,
	Q_AUTH = 1220,
	Q_CERT_TYPE = 1252,
	Q_CERT = 1258
};

enum { C_TCB, C_QE, C_SIGNER, C_PCK_CRL, C_ROOT_CRL, C_COUNT };

struct tdx {
	struct subject s;
	struct attest_blob certs[1], root, collateral[C_COUNT]; /* what the inputs see */
	struct policy *policy;
};

/* Take over a blob of the maker's. */
static struct attest_blob keep(struct subject *s, struct attest_blob b)
{
	struct attest_blob own = *subject_add(s, b.p, b.len);

	free((void *)(uintptr_t)b.p);
	return own;
}

static struct attest_blob doc_make(const char *member, char *body)
{
	struct attest_blob b = tdx_maker_doc(member, body, maker.tcb_key);

	free(body);
	return b;
}

static struct attest_blob crl_make(X509 *revoked, bool is_root, time_t from, time_t to)
{
	return tdx_maker_crl(is_root ? "Intel SGX Root CA" : "Intel SGX PCK Platform CA",
		is_root ? maker.root_key : maker.ca_key, revoked, from, to);
}

static void tdx_open(struct tdx *f, uint16_t version)
{
	struct tdx_maker_quote quote = tdx_maker_td();
	struct tdx_maker_info right = tdx_maker_right();

	*f = (struct tdx){ .s = { .name = "TDX made here", .step = 1 } };
	quote.version = version;
	quote.body_type = version == 5 ? TDX_BODY_1_5 : TDX_BODY_1_0;
	quote.cert_type = TDX_CERT_PCK_LEAF;
	f->s.in.evidence = keep(&f->s, tdx_maker_make(&maker, &quote));
	f->certs[0] = keep(&f->s, tdx_maker_der(maker.ca));
	f->root = keep(&f->s, tdx_maker_der(maker.root));
	f->collateral[C_TCB] = keep(&f->s, doc_make("tcbInfo", tdx_maker_tcb_info(&right)));
	f->collateral[C_QE] =
		keep(&f->s, doc_make("enclaveIdentity", tdx_maker_qe_identity(&right)));
	f->collateral[C_SIGNER] = keep(&f->s, tdx_maker_der(maker.tcb));
	for (size_t i = C_PCK_CRL; i <= C_ROOT_CRL; i++)
		f->collateral[i] = keep(&f->s,
			crl_make(NULL, i == C_ROOT_CRL, TDX_NOW - TDX_DAY, TDX_NOW + 10 * TDX_DAY));
	f->s.in.certs = f->certs;
	f->s.in.n_certs = 1;
	f->s.in.roots = &f->root;
	f->s.in.n_roots = 1;
	f->s.in.collateral = f->collateral;
	f->s.in.n_collateral = C_COUNT;
	f->s.in.at = TDX_NOW;
	f->policy = calloc(1, sizeof *f->policy);
	assert_non_null(f->policy);
	f->policy->tee.type = POLICY_TEE_TDX;
	f->policy->tee.has_tdx = f->policy->tee.simulated = true;
	f->policy->tee.endorsements.require_crl = true;
	f->policy->boot.n_launch_digests = 1;
	memset(f->policy->boot.launch_digests[0].sha384, 0x52, 48);
	f->s.in.policy = f->policy;
	mutate_check_good(&f->s, VERDICT_AFFIRMING);
}

static void tdx_close(struct tdx *f)
{
	mutate_check_good(&f->s, VERDICT_AFFIRMING);
	free(f->policy);
	subject_done(&f->s);
}

static void every_bit_and_length_of_a_quote_counts(void **state)
{
	struct tdx f;

	tdx_open(&f, 4);
	struct attest_blob *q = &f.s.in.evidence;
	mutate_bits(&f.s, q, 0, Q_LENGTH, R(SIGNATURE));
	mutate_bytes(&f.s, q, Q_LENGTH, Q_SIGNATURE, 0);
	mutate_bytes(&f.s, q, Q_SIGNATURE, Q_KEY, R(SIGNATURE));
	mutate_bytes(&f.s, q, Q_KEY, Q_TYPE, R(SIGNATURE));
	mutate_bytes(&f.s, q, Q_TYPE, Q_QE, 0);
	mutate_bits(&f.s, q, Q_QE, Q_QE_SIGNATURE, R(QE));
	mutate_bytes(&f.s, q, Q_QE_SIGNATURE, Q_AUTH_SIZE, R(QE));
	mutate_bytes(&f.s, q, Q_AUTH_SIZE, Q_AUTH, 0);
	mutate_bytes(&f.s, q, Q_AUTH, Q_CERT_TYPE, R(QE));
	mutate_bytes(&f.s, q, Q_CERT_TYPE, Q_CERT, R(CHAIN));
	mutate_bytes(&f.s, q, Q_CERT, q->len, R(CHAIN) | R(QE));
	mutate_lengths(&f.s, q, q->len, R(CHAIN)); /* 48 bytes pass for a SEV measurement */
	f.s.in.kind = EVIDENCE_TDX;
	mutate_lengths(&f.s, q, q->len, 0);
	tdx_close(&f);
}

static void every_bit_of_a_version_5_body_counts(void **state)
{
	struct tdx f;

	tdx_open(&f, 5);
	f.s.step = 3;
	mutate_bits(&f.s, &f.s.in.evidence, 0, 48 + 6 + 648, R(SIGNATURE));
	mutate_lengths(&f.s, &f.s.in.evidence, f.s.in.evidence.len, R(CHAIN));
	tdx_close(&f);
}

/* 6.3: buffers are longer than quotes. What follows is nobody's word, so it changes nothing. */
static void bytes_behind_a_quote_change_nothing(void **state)
{
	static const size_t tails[] = { 1, 70, 4096, 1u << 20 };
	struct tdx f;

	tdx_open(&f, 4);
	struct attest_blob quote = f.s.in.evidence;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		uint8_t *longer = malloc(quote.len + tails[i]);
		assert_non_null(longer);
		memcpy(longer, quote.p, quote.len);
		memset(longer + quote.len, 0x30, tails[i]); /* looks like DER */
		f.s.in.evidence = (struct attest_blob){ longer, quote.len + tails[i] };
		struct verdict v;
		struct why why = { 0 };
		int err = attest_verify(&f.s.in, &v, &why);
		assert_true(err == -EBADMSG || err == -EMSGSIZE ||
			    (err == 0 && v.overall == VERDICT_AFFIRMING));
		longer[0x100] ^= 1;
		mutate_judge(&f.s, R(SIGNATURE), "tail and a bit", tails[i]);
		free(longer);
	}
	f.s.in.evidence = quote;
	tdx_close(&f);
}

static void part_mutate(struct tdx *f, const char *name, struct attest_blob *b, uint32_t rows)
{
	f->s.name = name;
	mutate_bytes(&f->s, b, 0, b->len, rows);
	mutate_lengths(&f->s, b, b->len, rows);
	mutate_tail(&f->s, b, rows);
}

static void every_byte_of_certificates_and_lists_counts(void **state)
{
	struct tdx f;

	tdx_open(&f, 4);
	part_mutate(&f, "CA", &f.certs[0], R(CHAIN));
	/* A root is trusted for its key: who gives another certificate of that key gives a root. */
	mutate_swap(&f.s, &f.root, f.collateral[C_SIGNER], R(CHAIN), "the signer as root");
	mutate_swap(&f.s, &f.root, f.certs[0], R(CHAIN), "the CA as root");
	mutate_lengths(&f.s, &f.root, f.root.len, R(CHAIN));
	f.s.least = VERDICT_WARNING; /* without collateral a person decides */
	part_mutate(&f, "signer", &f.collateral[C_SIGNER], R(COLLATERAL));
	f.s.step = 2;
	part_mutate(&f, "PCK CRL", &f.collateral[C_PCK_CRL], R(REVOCATION) | R(COLLATERAL));
	part_mutate(&f, "root CRL", &f.collateral[C_ROOT_CRL], R(REVOCATION) | R(COLLATERAL));
	tdx_close(&f);
}

/* The signature's hexadecimal digits, 128 of them and "} behind, may be of either case. */
static bool doc_is_same(const uint8_t *before, const uint8_t *after, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (before[i] != after[i] &&
			(i + 130 < len || tolower(before[i]) != tolower(after[i])))
			return false;
	return true;
}

static void every_byte_of_signed_documents_counts(void **state)
{
	struct tdx f;

	tdx_open(&f, 4);
	f.s.least = VERDICT_WARNING;
	f.s.is_same = doc_is_same;
	for (size_t i = C_TCB; i <= C_QE; i++) {
		f.s.name = i == C_TCB ? "TCB info" : "QE identity";
		mutate_bytes(&f.s, &f.collateral[i], 0, f.collateral[i].len, R(COLLATERAL));
		mutate_lengths(&f.s, &f.collateral[i], f.collateral[i].len, R(COLLATERAL));
	}
	tdx_close(&f);
}

static void swapped_pieces_are_refused(void **state)
{
	struct tdx_pck other_platform = tdx_maker_platform(), low = tdx_maker_platform();
	struct tdx_maker_info info = tdx_maker_right();
	struct tdx f;

	other_platform.fmspc[0] ^= 1;
	low.svn[3] = 4;
	X509 *const leafs[] = {
		tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX PCK Certificate",
			.issuer = "Intel SGX PCK Platform CA",
			.key = maker.pck_key,
			.signer = maker.ca_key,
			.pck = &other_platform }),
		tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX PCK Certificate",
			.issuer = "Intel SGX PCK Platform CA",
			.key = maker.pck_key,
			.signer = maker.ca_key,
			.pck = &low }),
		tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX PCK Certificate",
			.issuer = "Intel SGX PCK Platform CA",
			.key = maker.pck_key,
			.signer = maker.other,
			.pck = &low }),
		tdx_maker_cert(&(struct tdx_maker_cert){ .subject = "Intel SGX PCK Certificate",
			.issuer = "Intel SGX PCK Platform CA",
			.key = maker.pck_key,
			.signer = maker.ca_key,
			.to = TDX_NOW - 1,
			.pck = &low }),
	};
	static const uint32_t leaf_rows[] = { R(COLLATERAL), R(TCB), R(CHAIN), R(CHAIN) };
	static const char *const leaf_names[] = { "another platform's PCK", "PCK of a lower TCB",
		"PCK of another CA", "expired PCK" };

	tdx_open(&f, 4);
	for (size_t i = 0; i < ARRAY_LEN(leafs); i++) {
		struct tdx_maker_quote quote = tdx_maker_td();
		quote.cert_type = TDX_CERT_PCK_LEAF;
		quote.cert = tdx_maker_der(leafs[i]);
		struct attest_blob q = tdx_maker_make(&maker, &quote);
		mutate_swap(&f.s, &f.s.in.evidence, q, leaf_rows[i], leaf_names[i]);
		free((void *)(uintptr_t)quote.cert.p);
		free((void *)(uintptr_t)q.p);
		X509_free(leafs[i]);
	}
	const struct {
		const char *name;
		size_t part;
		struct attest_blob with;
		uint32_t rows;
	} swaps[] = {
		{ "a QE identity as TCB info", C_TCB, f.collateral[C_QE], R(COLLATERAL) },
		{ "a TCB info as QE identity", C_QE, f.collateral[C_TCB], R(COLLATERAL) },
		{ "a list that revokes the PCK", C_PCK_CRL,
			crl_make(maker.pck, false, TDX_NOW - TDX_DAY, TDX_NOW + TDX_DAY),
			R(REVOCATION) },
		{ "a list that revokes the CA", C_ROOT_CRL,
			crl_make(maker.ca, true, TDX_NOW - TDX_DAY, TDX_NOW + TDX_DAY),
			R(REVOCATION) },
		{ "a list that revokes the signer", C_ROOT_CRL,
			crl_make(maker.tcb, true, TDX_NOW - TDX_DAY, TDX_NOW + TDX_DAY),
			R(COLLATERAL) },
		{ "an expired list", C_PCK_CRL,
			crl_make(NULL, false, TDX_NOW - 2 * TDX_DAY, TDX_NOW - TDX_DAY),
			R(COLLATERAL) | R(REVOCATION) },
		{ "a list of the future", C_PCK_CRL,
			crl_make(NULL, false, TDX_NOW + TDX_DAY, TDX_NOW + 2 * TDX_DAY),
			R(COLLATERAL) | R(REVOCATION) },
	};
	f.s.least = VERDICT_WARNING;
	for (size_t i = 0; i < ARRAY_LEN(swaps); i++) {
		mutate_swap(&f.s, &f.collateral[swaps[i].part], swaps[i].with, swaps[i].rows,
			swaps[i].name);
		if (i >= 2)
			free((void *)(uintptr_t)swaps[i].with.p);
	}
	const struct {
		const char *name;
		struct tdx_maker_info info;
		uint32_t rows;
	} infos[] = {
		{ "TCB info of yesterday", { .next = "2026-09-20T00:00:00Z" }, R(COLLATERAL) },
		{ "TCB info of tomorrow", { .issued = "2026-09-22T00:00:00Z" }, R(COLLATERAL) },
		{ "TCB info of a sibling", { .fmspc = "00a0b1c2d3e5" }, R(COLLATERAL) },
		{ "TCB info for SGX", { .id = "SGX" }, R(COLLATERAL) },
		{ "revoked platform", { .status = "Revoked" }, R(TCB) },
		{ "platform out of date", { .status = "OutOfDate" }, R(TCB) },
		{ "a status of tomorrow", { .status = "Mellow" }, R(TCB) | R(COLLATERAL) },
	};
	for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
		struct tdx_maker_info o = info;
		o.next = infos[i].info.next != NULL ? infos[i].info.next : o.next;
		o.issued = infos[i].info.issued != NULL ? infos[i].info.issued : o.issued;
		o.fmspc = infos[i].info.fmspc != NULL ? infos[i].info.fmspc : o.fmspc;
		o.id = infos[i].info.id != NULL ? infos[i].info.id : o.id;
		o.status = infos[i].info.status != NULL ? infos[i].info.status : o.status;
		struct attest_blob b = doc_make("tcbInfo", tdx_maker_tcb_info(&o));
		mutate_swap(&f.s, &f.collateral[C_TCB], b, infos[i].rows, infos[i].name);
		free((void *)(uintptr_t)b.p);
	}
	tdx_close(&f);
}

static int made_open(void **state)
{
	tdx_maker_init(&maker);
	return 0;
}

static int made_close(void **state)
{
	tdx_maker_done(&maker);
	return 0;
}

static void there_were_enough(void **state)
{
	printf("# %u mutations\n", mutate_count);
	assert_true(mutate_count >= 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_and_length_of_a_quote_counts),
		cmocka_unit_test(every_bit_of_a_version_5_body_counts),
		cmocka_unit_test(bytes_behind_a_quote_change_nothing),
		cmocka_unit_test(every_byte_of_certificates_and_lists_counts),
		cmocka_unit_test(every_byte_of_signed_documents_counts),
		cmocka_unit_test(swapped_pieces_are_refused),
		cmocka_unit_test(there_were_enough),
	};

	return cmocka_run_group_tests(tests, made_open, made_close);
}
