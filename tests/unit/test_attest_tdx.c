/*
 * TDX quotes: those of real machines and made-up ones with one thing wrong each, judged as their list
 * says (where that collection is at hand), and a platform of our own, right or wrong in any one thing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/evidence.h"
#include "attest/tdx_collateral.h"
#include "base/cdefs.h"
#include "base/fd.h"
#include "base/wr.h"
#include "policy/policy.h"
#include "tests/unit/cm.h"
#include "tests/unit/mutate.h"
#include "tests/unit/tdx_maker.h"

/* --- the collection --------------------------------------------------------------------------- */

#define VECTORS SOURCE_ROOT "/../shared/vectors/"

/* Days in the windows of the collateral. */
#define D2023_07_01 1688169600
#define D2024_09_25 1727222400
#define D2025_03_01 1740787200
#define D2025_06_20 1750377600
#define D2025_07_01 1751328000
#define D2025_08_05 1754424000 /* 20:00 */
#define D2025_11_01 1761955200
#define D2026_02_10 1770681600
#define D2026_04_01 1775001600
#define D2026_09_21 1790000000

#define NO_ROW      ROW_COUNT

enum want { ACCEPT, WARN, REJECT, REFUSE /* no verdict: not evidence */ };

#define FILES_MAX 6

struct row {
	const char *folder, *quote;
	const char *collateral; /* below folder, with / at the end */
	const char *files[FILES_MAX];
	const char *root; /* NULL: only the pinned one */
	time_t at;
	enum want want;
	enum verdict_row_id worst; /* the row that has to say so */
	const char *status;        /* actual of row tcb; NULL: not compared */
	const char *advisories;    /* of the claim; NULL: not compared */
};

#define ALL                                                                                        \
	{                                                                                          \
		"tcb_info.json", "qe_identity.json", "tcb_signing_chain.pem", "pck_crl.der",       \
			"root_ca_crl.der"                                                          \
	}
#define NO_CRLS                                                                                    \
	{                                                                                          \
		"tcb_info.json", "qe_identity.json", "tcb_signing_chain.pem"                       \
	}

/* clang-format off */
#define REAL(folder, coll, at, want, row, status) \
	{ "tdx/" folder "/", "quote.bin", coll "/", ALL, NULL, at, want, row, status, NULL }
#define BAD4(quote, want, row) \
	{ "tdx/", "bad/v4-" quote, "v4-phala-uptodate/collateral/", ALL, NULL, D2025_07_01, want, row, NULL, NULL }
#define BAD5(quote, want, row) \
	{ "tdx/", "bad/v5-" quote, "v5-td15-uptodate/collateral/", ALL, NULL, D2025_03_01, want, row, NULL, NULL }
#define SYN(quote, want, row, status, ids) \
	{ "tdx/synthetic-tdx/", quote, "", ALL, "root_ca.pem", D2026_09_21, want, row, status, ids }
#define SYN_WITH(tcb, qe, crl, root_crl, want, row) \
	{ "tdx/synthetic-tdx/", "quote-good-v4.bin", "", { tcb, qe, "tcb_signing_chain.pem", crl, root_crl }, \
		"root_ca.pem", D2026_09_21, want, row, NULL, NULL }
#define TCB "tcb_info.json"
#define QE "qe_identity.json"
#define CRL "pck_crl.der"
#define ROOT_CRL "root_ca_crl.der"

static const struct row collection[] = {
	REAL("v4-azure-automata", "collateral", D2025_06_20, REJECT, ROW_TCB, "NotSupported"),
	{ "tdx/v4-cmc-c0806f/", "quote.bin", "collateral/", ALL, NULL, D2026_04_01, REJECT, ROW_TCB, "OutOfDate",
		"INTEL-SA-01010,INTEL-SA-01036,INTEL-SA-01076,INTEL-SA-01079,INTEL-SA-01099,INTEL-SA-01103,INTEL-SA-01111" },
	{ "tdx/v4-debug-50806f/", "quote.bin", "collateral/", ALL, NULL, D2026_04_01, REJECT, ROW_TCB, "OutOfDate",
		"INTEL-SA-00837,INTEL-SA-00960,INTEL-SA-00982,INTEL-SA-00986,INTEL-SA-01010,INTEL-SA-01036,"
		"INTEL-SA-01076,INTEL-SA-01079,INTEL-SA-01099,INTEL-SA-01103,INTEL-SA-01111" },
	REAL("v4-dstack-00806f", "collateral", D2025_11_01, ACCEPT, NO_ROW, "UpToDate"),
	/* A CRL of another month than the rest: the platform is up to date, the collateral stale. */
	REAL("v4-gcp-cos113", "collateral", D2024_09_25, REJECT, ROW_COLLATERAL, "UpToDate"),
	{ "tdx/v4-gcp-cos113/", "quote.bin", "collateral/", NO_CRLS, NULL, D2024_09_25, ACCEPT, NO_ROW, "UpToDate", NULL },
	REAL("v4-gcp-cos113", "collateral-later", D2026_02_10, REJECT, ROW_TCB, "OutOfDate"),
	REAL("v4-phala-uptodate", "collateral", D2025_07_01, ACCEPT, NO_ROW, "UpToDate"),
	{ "tdx/v4-sbx-untrusted-root/", "quote.bin", "", { NULL }, NULL, D2025_07_01, REJECT, ROW_CHAIN, NULL, NULL },
	REAL("v4-spr-e4-notsupported", "collateral", D2023_07_01, REJECT, ROW_TCB, "NotSupported"),
	REAL("v4-teekit-b0c06f", "collateral", D2025_08_05, REJECT, ROW_TCB, "NotSupported"),
	REAL("v4-trailing-oasis", "collateral", D2024_09_25, REJECT, ROW_COLLATERAL, "UpToDate"),
	{ "tdx/v4-trailing-oasis/", "quote.bin", "collateral/", NO_CRLS, NULL, D2024_09_25, ACCEPT, NO_ROW, "UpToDate", NULL },
	REAL("v4-trailing-oasis", "collateral-later", D2026_04_01, REJECT, ROW_TCB, "OutOfDate"),
	/* Its PCK certificate is younger than this collateral. */
	REAL("v5-td15-uptodate", "collateral", D2025_03_01, REJECT, ROW_CHAIN, "UpToDate"),
	REAL("v5-td15-uptodate", "collateral-later", D2026_02_10, ACCEPT, NO_ROW, "UpToDate"),
	/* another time, another platform's, none */
	REAL("v4-phala-uptodate", "collateral", D2025_08_05, REJECT, ROW_COLLATERAL, "UpToDate"),
	REAL("v4-phala-uptodate", "collateral", D2025_03_01, REJECT, ROW_COLLATERAL, ""),
	{ "tdx/", "v4-phala-uptodate/quote.bin", "v4-azure-automata/collateral/", ALL, NULL, D2025_07_01, REJECT,
		ROW_COLLATERAL, NULL, NULL },
	{ "tdx/", "v4-phala-uptodate/quote.bin", "", { NULL }, NULL, D2025_07_01, WARN, ROW_COLLATERAL, "", NULL },
	{ "tdx/intel-qvl-sample/", "quote.dat", "", { "tcbInfo.json", "qeIdentity.json", "tcbSignChain.pem",
		"intermediateCaCrl.der", "rootCaCrl.der" }, "trustedRootCaCert.pem", D2023_07_01, REJECT, ROW_QE, NULL, NULL },
	{ "tdx/intel-qvl-sample/", "quote.dat", "", { "tcbInfo.json", "qeIdentity.json", "tcbSignChain.pem" }, NULL,
		D2023_07_01, REJECT, ROW_CHAIN, NULL, NULL },

	BAD4("bitflip-attkey.bin", REJECT, ROW_SIGNATURE), BAD4("bitflip-mrtd.bin", REJECT, ROW_SIGNATURE),
	BAD4("bitflip-qeauth.bin", REJECT, ROW_QE), BAD4("bitflip-qereport.bin", REJECT, ROW_QE),
	BAD4("bitflip-qesig.bin", REJECT, ROW_QE), BAD4("bitflip-quotesig.bin", REJECT, ROW_SIGNATURE),
	BAD4("bitflip-reportdata.bin", REJECT, ROW_SIGNATURE), BAD4("pck-bitflip.bin", REJECT, ROW_CHAIN),
	BAD4("pem-broken.bin", REFUSE, NO_ROW), BAD4("truncated-body.bin", REFUSE, NO_ROW),
	BAD4("truncated-cert.bin", REFUSE, NO_ROW), BAD4("truncated-sig.bin", REFUSE, NO_ROW),
	BAD5("bitflip-attkey.bin", REJECT, ROW_SIGNATURE), BAD5("bitflip-mrtd.bin", REJECT, ROW_SIGNATURE),
	BAD5("bitflip-qeauth.bin", REJECT, ROW_QE), BAD5("bitflip-qereport.bin", REJECT, ROW_QE),
	BAD5("bitflip-qesig.bin", REJECT, ROW_QE), BAD5("bitflip-quotesig.bin", REJECT, ROW_SIGNATURE),
	BAD5("bitflip-reportdata.bin", REJECT, ROW_SIGNATURE), BAD5("pck-bitflip.bin", REJECT, ROW_CHAIN),
	BAD5("pem-broken.bin", REFUSE, NO_ROW), BAD5("truncated-body.bin", REFUSE, NO_ROW),
	BAD5("truncated-cert.bin", REFUSE, NO_ROW), BAD5("truncated-sig.bin", REFUSE, NO_ROW),
	{ "tdx/", "v4-phala-uptodate/quote.bin", "", { "bad/v4-phala-tcb_info-edited.json",
		"v4-phala-uptodate/collateral/qe_identity.json", "v4-phala-uptodate/collateral/tcb_signing_chain.pem" },
		NULL, D2025_07_01, REJECT, ROW_COLLATERAL, "", NULL },
	{ "tdx/", "v4-phala-uptodate/quote.bin", "", { "bad/v4-phala-qe_identity-edited.json",
		"v4-phala-uptodate/collateral/tcb_info.json", "v4-phala-uptodate/collateral/tcb_signing_chain.pem" },
		NULL, D2025_07_01, REJECT, ROW_COLLATERAL, "", NULL },

	SYN("quote-good-v4.bin", ACCEPT, NO_ROW, "UpToDate", ""),
	SYN("quote-good-v4-nul.bin", ACCEPT, NO_ROW, "UpToDate", ""),
	SYN("quote-good-v4-trailing.bin", ACCEPT, NO_ROW, "UpToDate", ""),
	SYN("quote-good-v5-bt2.bin", ACCEPT, NO_ROW, "UpToDate", ""),
	SYN("quote-good-v5-bt3.bin", ACCEPT, NO_ROW, "UpToDate", ""),
	SYN("quote-module1-ok.bin", ACCEPT, NO_ROW, "UpToDate", ""),
	SYN("quote-module1-outofdate.bin", REJECT, ROW_TCB, "OutOfDate", NULL),
	SYN("quote-module9-unknown.bin", REJECT, ROW_MODULE, "TdxModuleMismatch", NULL),
	SYN("quote-config.bin", WARN, ROW_TCB, "ConfigurationNeeded", "INTEL-SA-00837"),
	SYN("quote-swhardening.bin", WARN, ROW_TCB, "SWHardeningNeeded", "INTEL-SA-00615"),
	SYN("quote-outofdate.bin", REJECT, ROW_TCB, "OutOfDate", "INTEL-SA-01036"),
	SYN("quote-relaunch.bin", WARN, ROW_TCB, "TDRelaunchAdvised", "INTEL-SA-01036"),
	SYN("quote-revoked-tcb.bin", REJECT, ROW_TCB, "Revoked", "INTEL-SA-00001"),
	SYN("quote-notsupported.bin", REJECT, ROW_TCB, "NotSupported", NULL),
	SYN("quote-qe-svn3.bin", REJECT, ROW_TCB, "OutOfDate", NULL),
	SYN("quote-qe-prodid.bin", REJECT, ROW_QE, NULL, NULL),
	SYN("quote-debug.bin", WARN, ROW_DEBUG, "UpToDate", ""),
	SYN("quote-qe-bind.bin", REJECT, ROW_QE, NULL, NULL),
	SYN("quote-qe-sig.bin", REJECT, ROW_QE, NULL, NULL),
	SYN("quote-quote-sig.bin", REJECT, ROW_SIGNATURE, NULL, NULL),
	SYN("quote-root-swapped.bin", REJECT, ROW_CHAIN, NULL, NULL),
	SYN("quote-vendor.bin", REJECT, ROW_QE, NULL, NULL),
	SYN("quote-akt3.bin", REFUSE, NO_ROW, NULL, NULL),
	SYN("quote-v6.bin", REFUSE, NO_ROW, NULL, NULL),
	SYN("quote-authlen-overflow.bin", REFUSE, NO_ROW, NULL, NULL),
	SYN("quote-certlen-overflow.bin", REFUSE, NO_ROW, NULL, NULL),
	SYN("quote-siglen-overflow.bin", REFUSE, NO_ROW, NULL, NULL),
	{ "tdx/synthetic-tdx/", "quote-good-v4.bin", "", ALL, NULL, D2026_09_21, REJECT, ROW_CHAIN, NULL, NULL },

	SYN_WITH("tcb_info_eval12.json", QE, CRL, ROOT_CRL, ACCEPT, NO_ROW), /* a policy's matter */
	SYN_WITH("tcb_info_expired.json", QE, CRL, ROOT_CRL, REJECT, ROW_COLLATERAL),
	SYN_WITH("tcb_info_id_sgx.json", QE, CRL, ROOT_CRL, REJECT, ROW_COLLATERAL),
	SYN_WITH("tcb_info_otherfmspc.json", QE, CRL, ROOT_CRL, REJECT, ROW_COLLATERAL),
	SYN_WITH("tcb_info_reserialised.json", QE, CRL, ROOT_CRL, REJECT, ROW_COLLATERAL),
	SYN_WITH("tcb_info_wrongkey.json", QE, CRL, ROOT_CRL, REJECT, ROW_COLLATERAL),
	SYN_WITH(TCB, "qe_identity_id_qe.json", CRL, ROOT_CRL, REJECT, ROW_COLLATERAL),
	SYN_WITH(TCB, "qe_identity_othersigner.json", CRL, ROOT_CRL, REJECT, ROW_QE),
	SYN_WITH(TCB, QE, "pck_crl_expired.der", ROOT_CRL, REJECT, ROW_COLLATERAL),
	SYN_WITH(TCB, QE, "pck_crl_revoking_pck.der", ROOT_CRL, REJECT, ROW_REVOCATION),
	SYN_WITH(TCB, QE, "pck_crl_wrong_issuer.der", ROOT_CRL, REJECT, ROW_REVOCATION),
	SYN_WITH(TCB, QE, CRL, "root_ca_crl_revoking_platform_ca.der", REJECT, ROW_REVOCATION),
	SYN_WITH(TCB, QE, CRL, "root_ca_crl_revoking_tcb_signing.der", REJECT, ROW_COLLATERAL),
	SYN_WITH(TCB, QE, NULL, NULL, ACCEPT, NO_ROW),
	SYN_WITH(TCB, NULL, CRL, ROOT_CRL, WARN, ROW_COLLATERAL),
	SYN_WITH(NULL, QE, CRL, ROOT_CRL, WARN, ROW_COLLATERAL),
};
/* clang-format on */

static struct attest_blob file_load(const char *a, const char *b, const char *c)
{
	char path[4096];
	uint8_t *p = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof path, "%s%s%s%s", VECTORS, a, b, c);
	if (fd_read_path(path, 1u << 20, &p, &len, NULL) < 0)
		fail_msg("cannot read %s", path);
	return (struct attest_blob){ p, len };
}

static void blob_free(struct attest_blob b)
{
	free((void *)(uintptr_t)b.p);
}

/* NULL when the verdict is the wanted one, else what is wrong with it. */
static const char *fault_of(const struct row *r, int err, const struct verdict *v)
{
	static const enum verdict_status statuses[] = { [ACCEPT] = VERDICT_AFFIRMING,
		[WARN] = VERDICT_WARNING,
		[REJECT] = VERDICT_CONTRAINDICATED };

	if (r->want == REFUSE)
		return err == -EBADMSG || err == -EPROTONOSUPPORT
			       ? NULL
			       : "was not refused as no evidence";
	if (err < 0)
		return "gave no verdict";
	if (v->overall != statuses[r->want])
		return "another verdict than wanted";
	if (r->worst != NO_ROW && v->rows[r->worst].status != statuses[r->want])
		return "another row than wanted";
	if (r->status != NULL && strcmp(v->rows[ROW_TCB].actual, r->status) != 0)
		return "another TCB status than wanted";
	const struct claim *ids = claims_find(&v->claims, "advisory_ids");
	if (r->advisories != NULL &&
		(ids == NULL || strcmp((const char *)ids->bytes, r->advisories) != 0))
		return "other advisories than wanted";
	if (r->want == ACCEPT && v->trust != (r->root == NULL ? TRUST_HARDWARE : TRUST_SIMULATED))
		return "another trust class than wanted";
	return NULL;
}

static const char *row_check(const struct row *r, char *line, size_t size)
{
	static struct verdict v;
	struct attest_blob collateral[FILES_MAX], root = { 0 };
	struct attest_inputs in = { .kind = EVIDENCE_TDX,
		.evidence = file_load(r->folder, r->quote, ""),
		.collateral = collateral,
		.roots = &root,
		.n_roots = r->root != NULL,
		.at = r->at };

	for (size_t i = 0; i < FILES_MAX; i++)
		if (r->files[i] != NULL)
			collateral[in.n_collateral++] =
				file_load(r->folder, r->collateral, r->files[i]);
	if (r->root != NULL)
		root = file_load(r->folder, r->root, "");
	struct why why = { 0 };
	int err = attest_verify(&in, &v, &why);
	if (err == 0)
		verdict_print_line(&v, line, size);
	else
		(void)snprintf(line, size, "%s", why.text);
	const char *fault = fault_of(r, err, &v);
	for (size_t i = 0; i < in.n_collateral; i++)
		blob_free(collateral[i]);
	blob_free(in.evidence);
	blob_free(root);
	return fault;
}

static bool no_vectors(void)
{
	struct stat st;

	return stat(VECTORS "tdx", &st) < 0;
}

static void quotes_of_the_collection_are_judged_as_its_list_says(void **state)
{
	size_t n_bad = 0;

	if (no_vectors())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(collection); i++) {
		char line[700] = "";
		const char *fault = row_check(&collection[i], line, sizeof line);
		if (getenv("SHOW_ROWS") != NULL)
			print_message("# %s%s with %s: %s\n", collection[i].folder,
				collection[i].quote, collection[i].files[0], line);
		if (fault == NULL)
			continue;
		n_bad++;
		print_error("# %s%s with %s %s %s %s: %s (%s)\n", collection[i].folder,
			collection[i].quote, collection[i].files[0], collection[i].files[1],
			collection[i].files[3], collection[i].files[4], fault, line);
	}
	assert_int_equal(n_bad, 0);
}

/* --- one byte of a real quote ------------------------------------------------------------------ */

#define STEP 19 /* every so many bits, bytes, lengths; 1 takes minutes */

/* The signed text, then the digits of the signature (their case carries nothing). */
static void document_mutate(struct subject *s, struct attest_blob *b)
{
	const uint32_t rows = ROW_BIT(ROW_COLLATERAL);
	const uint8_t *at = memmem(b->p, b->len, "\"signature\":\"", 13);

	assert_non_null(at);
	size_t from = (size_t)(at - b->p) + 13;
	mutate_bytes(s, b, 0, from, rows);
	for (size_t i = from; i < from + 128; i += 3) {
		((uint8_t *)(uintptr_t)b->p)[i] ^= 1;
		mutate_judge(s, rows, "digit", i);
		((uint8_t *)(uintptr_t)b->p)[i] ^= 1;
	}
	mutate_lengths(s, b, from + 128, rows);
}

static void no_byte_of_a_real_quote_and_its_collateral_is_too_much(void **state)
{
	static const struct {
		const char *quote, *collateral;
		time_t at;
	} real[] = {
		{ "tdx/v4-dstack-00806f/quote.bin", "tdx/v4-dstack-00806f/collateral/",
			D2025_11_01 },
		{ "tdx/v5-td15-uptodate/quote.bin", "tdx/v5-td15-uptodate/collateral-later/",
			D2026_02_10 },
	};
	static const char *const files[] = ALL;
	const uint32_t own = ROW_BIT(ROW_SIGNATURE) | ROW_BIT(ROW_CHAIN),
		       crl = ROW_BIT(ROW_REVOCATION) | ROW_BIT(ROW_COLLATERAL);

	if (no_vectors())
		skip();
	for (size_t k = 0; k < ARRAY_LEN(real); k++) {
		struct subject s = { .name = real[k].quote, .step = STEP };
		struct attest_blob given[5];
		struct policy *p = calloc(1, sizeof *p);
		struct tdx_quote q;
		assert_non_null(p);
		for (size_t i = 0; i < ARRAY_LEN(given); i++) {
			struct attest_blob b = file_load(real[k].collateral, files[i], "");
			given[i] = *subject_add(&s, b.p, b.len);
			blob_free(b);
		}
		struct attest_blob b = file_load(real[k].quote, "", "");
		assert_int_equal(tdx_quote_parse(&q, b.p, b.len, NULL), 0);
		s.in.evidence = *subject_add(&s, b.p, b.len - q.n_trailing);
		p->tee.type = POLICY_TEE_TDX;
		p->tee.has_tdx = p->tee.endorsements.require_crl = true;
		p->boot.n_launch_digests = 1;
		memcpy(p->boot.launch_digests[0].sha384, q.body.mrtd, 48);
		s.in.policy = p;
		s.in.kind = EVIDENCE_TDX;
		s.in.at = real[k].at;
		s.in.collateral = given;
		s.in.n_collateral = ARRAY_LEN(given);
		mutate_check_good(&s, VERDICT_AFFIRMING);
		mutate_bits(&s, &s.in.evidence, 0, q.signed_len, own);
		mutate_bytes(&s, &s.in.evidence, q.signed_len, s.in.evidence.len - 1, own);
		mutate_lengths(&s, &s.in.evidence, s.in.evidence.len, own);
		document_mutate(&s, &given[0]);
		document_mutate(&s, &given[1]);
		mutate_bytes(&s, &given[2], 0, 900, ROW_BIT(ROW_COLLATERAL));
		for (size_t i = 3; i < 5; i++) {
			mutate_bytes(&s, &given[i], 0, given[i].len, crl);
			mutate_lengths(&s, &given[i], given[i].len, crl);
		}
		mutate_check_good(&s, VERDICT_AFFIRMING);
		blob_free(b);
		subject_done(&s);
		free(p);
	}
	assert_true(mutate_count > 3000);
}

/* --- the log of a real boot -------------------------------------------------------------------- */

/* A quote with its log, judged without collateral; flip: byte of the log to change, 0 for none. */
static const struct verdict_row *log_judge(
	const char *quote, const char *log, size_t cut, size_t flip)
{
	static struct verdict v;
	struct attest_blob l = file_load("eventlog/", log, "");
	struct attest_inputs in = { .evidence = file_load("tdx/", quote, "/quote.bin"),
		.event_logs = &l,
		.n_event_logs = 1,
		.at = D2024_09_25 };

	if (flip > 0)
		((uint8_t *)(uintptr_t)l.p)[flip] ^= 1;
	if (cut > 0)
		l.len = cut;
	assert_int_equal(attest_verify_tdx(&in, &v, NULL), 0);
	blob_free(in.evidence);
	blob_free(l);
	return &v.rows[ROW_EVENT_LOG];
}

static void an_event_log_replays_or_names_register_and_event(void **state)
{
	if (no_vectors())
		skip();
	const struct verdict_row *r = log_judge("v4-gcp-cos113", "ccel-cos-113.bin", 0, 0);
	assert_int_equal(r->status, VERDICT_AFFIRMING);
	/* user space extended RTMR2 after the log was taken */
	r = log_judge("v4-sbx-untrusted-root", "ccel-cctrusted.bin", 0, 0);
	assert_int_equal(r->status, VERDICT_WARNING);
	assert_non_null(strstr(r->why, "RTMR2"));
	assert_non_null(strstr(r->why, "running system"));
	/* another machine's */
	r = log_judge("v4-gcp-cos113", "ccel-cctrusted.bin", 0, 0);
	assert_int_equal(r->status, VERDICT_CONTRAINDICATED);
	assert_non_null(strstr(r->why, "RTMR0"));
	/* one bit of a digest in the first events, which are RTMR0's */
	r = log_judge("v4-gcp-cos113", "ccel-cos-113.bin", 0, 0x60);
	assert_int_equal(r->status, VERDICT_CONTRAINDICATED);
	/* cut inside an event */
	r = log_judge("v4-gcp-cos113", "ccel-cos-113.bin", 1001, 0);
	assert_int_equal(r->status, VERDICT_CONTRAINDICATED);
}

/* --- a platform of our own --------------------------------------------------------------------- */

static struct tdx_maker maker;

enum { W_TCB, W_QE, W_CHAIN, W_CRL, W_ROOT_CRL, W_EXTRA, W_COUNT };

/* Everything one verification is given; a test changes one thing. */
struct world {
	struct tdx_maker_quote quote;
	struct attest_blob evidence; /* made from quote when empty */
	struct attest_blob certs[4];
	size_t n_certs;
	struct attest_blob collateral[W_COUNT]; /* those with len > 0 are given */
	struct attest_inputs in;
	struct verdict v;
};

static struct attest_blob tcb_info(const struct tdx_maker_info *o)
{
	char *text = tdx_maker_tcb_info(o);
	struct attest_blob b = tdx_maker_doc("tcbInfo", text, maker.tcb_key);

	free(text);
	return b;
}

static struct attest_blob qe_identity(const struct tdx_maker_info *o)
{
	char *text = tdx_maker_qe_identity(o);
	struct attest_blob b = tdx_maker_doc("enclaveIdentity", text, maker.tcb_key);

	free(text);
	return b;
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof *w);
	struct tdx_maker_info right = tdx_maker_right();
	X509 *const signers[] = { maker.tcb, maker.root };

	assert_non_null(w);
	w->quote = tdx_maker_td();
	w->collateral[W_TCB] = tcb_info(&right);
	w->collateral[W_QE] = qe_identity(&right);
	w->collateral[W_CHAIN] = tdx_maker_pem(signers, 2);
	w->collateral[W_CRL] = tdx_maker_crl("Intel SGX PCK Platform CA", maker.ca_key, NULL,
		TDX_NOW - TDX_DAY, TDX_NOW + 10 * TDX_DAY);
	w->collateral[W_ROOT_CRL] = tdx_maker_crl("Intel SGX Root CA", maker.root_key, NULL,
		TDX_NOW - TDX_DAY, TDX_NOW + 10 * TDX_DAY);
	w->in.at = TDX_NOW;
	return w;
}

static void world_free(struct world *w)
{
	blob_free(w->evidence);
	for (size_t i = 0; i < W_COUNT; i++)
		blob_free(w->collateral[i]);
	for (size_t i = 0; i < w->n_certs; i++)
		blob_free(w->certs[i]);
	free(w);
}

static void world_give(struct world *w, size_t i, struct attest_blob b)
{
	blob_free(w->collateral[i]);
	w->collateral[i] = b;
}

static int world_try(struct world *w)
{
	struct attest_blob given[W_COUNT], root = tdx_maker_der(maker.root);
	struct why why = { 0 };
	size_t n = 0;

	if (w->evidence.len == 0)
		w->evidence = tdx_maker_make(&maker, &w->quote);
	for (size_t i = 0; i < W_COUNT; i++)
		if (w->collateral[i].len > 0)
			given[n++] = w->collateral[i];
	w->in.evidence = w->evidence;
	w->in.certs = w->certs, w->in.n_certs = w->n_certs;
	w->in.collateral = given, w->in.n_collateral = n;
	w->in.roots = &root, w->in.n_roots = 1;
	int err = attest_verify_tdx(&w->in, &w->v, &why);
	blob_free(root);
	return err;
}

#define assert_row(w, row, wanted)                                                                 \
	do {                                                                                       \
		if ((w)->v.rows[row].status != (wanted))                                           \
			fail_msg("row %s is %s: %s", verdict_row_name(row),                        \
				verdict_status_name((w)->v.rows[row].status),                      \
				(w)->v.rows[row].why);                                             \
	} while (0)

static void world_judge(struct world *w)
{
	assert_int_equal(world_try(w), 0);
	assert_int_not_equal(w->v.trust, TRUST_HARDWARE);
}

static void world_accept(struct world *w)
{
	char line[700];

	world_judge(w);
	verdict_print_line(&w->v, line, sizeof line);
	if (w->v.overall != VERDICT_AFFIRMING)
		fail_msg("%s", line);
	assert_int_equal(w->v.trust, TRUST_SIMULATED);
	world_free(w);
}

/* Contraindicated, in that row; an empty text: any reason. */
static void world_reject(struct world *w, enum verdict_row_id row, const char *text)
{
	world_judge(w);
	assert_int_equal(w->v.overall, VERDICT_CONTRAINDICATED);
	assert_row(w, row, VERDICT_CONTRAINDICATED);
	if (strstr(w->v.rows[row].why, text) == NULL)
		fail_msg("row %s says '%s', not '%s'", verdict_row_name(row), w->v.rows[row].why,
			text);
	world_free(w);
}

static void world_warn(struct world *w, enum verdict_row_id row)
{
	world_judge(w);
	assert_int_equal(w->v.overall, VERDICT_WARNING);
	assert_row(w, row, VERDICT_WARNING);
	world_free(w);
}

/* --- quotes ------------------------------------------------------------------------------------ */

static void every_version_body_and_certification_data_is_read(void **state)
{
	for (uint16_t body = TDX_BODY_1_0; body <= TDX_BODY_1_5_EXTENDED; body++) {
		struct world *w = world_new();
		w->quote.version = 5;
		w->quote.body_type = body;
		w->quote.n_trailing = 100;
		world_accept(w);
	}
	for (uint16_t type = 1; type <= 7; type++) {
		if (type == 6)
			continue;
		struct world *w = world_new();
		w->quote.cert_type = type;
		w->certs[w->n_certs++] = tdx_maker_der(maker.ca);
		if (type != TDX_CERT_PCK_LEAF && type != TDX_CERT_CHAIN)
			w->certs[w->n_certs++] = tdx_maker_der(maker.pck);
		world_accept(w);
	}
}

static void a_quote_without_a_pck_certificate_is_refused(void **state)
{
	for (uint16_t type = 1; type <= 3; type++) {
		struct world *w = world_new();
		w->quote.cert_type = type;
		w->certs[w->n_certs++] = tdx_maker_der(maker.ca);
		world_reject(w, ROW_CHAIN, "no PCK certificate at hand");
	}
}

static void fields_become_claims(void **state)
{
	struct world *w = world_new();

	w->quote.version = 5;
	w->quote.body_type = TDX_BODY_1_5_EXTENDED;
	world_judge(w);
	const struct claim *c = claims_find(&w->v.claims, "mrtd");
	assert_memory_equal(c->bytes, w->quote.body.mrtd, 48);
	assert_non_null(claims_find(&w->v.claims, "cur_servtd_hash"));
	assert_string_equal(claims_find(&w->v.claims, "tcb_status")->bytes, "UpToDate");
	assert_string_equal(claims_find(&w->v.claims, "tcb_date")->bytes, "2025-03-13T00:00:00Z");
	assert_int_equal(claims_find(&w->v.claims, "tcb_eval_num")->number, 19);
	assert_int_equal(claims_find(&w->v.claims, "fmspc")->len, 6);
	assert_true(claims_find(&w->v.claims, "is_smt_enabled")->number == 1);
	assert_true(w->v.claims.n < CLAIMS_MAX);
	world_free(w);
}

static void every_truncation_is_refused(void **state)
{
	struct world *w = world_new();

	world_judge(w);
	size_t len = w->evidence.len;
	for (w->evidence.len = 1; w->evidence.len < len; w->evidence.len++) {
		int err = world_try(w);
		assert_true(err == -EBADMSG || err == -EPROTONOSUPPORT);
	}
	world_free(w);
}

/* Behind the authentication data: the PEM text, whose line ends and NUL carry nothing. */
static void no_changed_bit_is_affirmed(void **state)
{
	struct world *w = world_new();
	size_t n_verdicts = 0;

	world_judge(w);
	size_t n_binary = 48 + 584 + 4 + 134 + 384 + 64 + 2 + 32 + 6;
	uint8_t *b = (uint8_t *)(uintptr_t)w->evidence.p;
	for (size_t i = 0; i < n_binary; i++) {
		b[i] ^= (uint8_t)(1u << (i % 8));
		if (world_try(w) == 0) {
			n_verdicts++;
			assert_int_equal(w->v.overall, VERDICT_CONTRAINDICATED);
			assert_int_not_equal(w->v.rows[ROW_SIGNATURE].status, VERDICT_AFFIRMING);
		}
		b[i] ^= (uint8_t)(1u << (i % 8));
	}
	assert_true(n_verdicts > 1200);
	world_accept(w);
}

static void signatures_of_other_keys_are_refused(void **state)
{
	struct world *w = world_new();

	w->quote.pck = maker.other;
	world_reject(w, ROW_QE, "does not fit the PCK");
	w = world_new();
	w->quote.is_unbound = true;
	world_reject(w, ROW_QE, "attestation key");
	w = world_new();
	w->quote.is_unbound = true; /* and a genuine chain beside it vouches for nothing */
	world_reject(w, ROW_TRUST, "what the host says");
	w = world_new();
	world_judge(w);
	memset((uint8_t *)(uintptr_t)w->evidence.p + 48 + 584 + 4, 0, 64); /* r = s = 0 */
	world_reject(w, ROW_SIGNATURE, "");
	w = world_new();
	world_judge(w);
	memset((uint8_t *)(uintptr_t)w->evidence.p + 48 + 584 + 4 + 64, 0xFF, 64); /* no point */
	world_reject(w, ROW_SIGNATURE, "");
}

/* --- certificates ------------------------------------------------------------------------------ */

static void world_give_leaf(struct world *w, const struct tdx_maker_cert *o, X509 *ca)
{
	X509 *leaf = tdx_maker_cert(o);
	X509 *const chain[] = { leaf, ca, maker.root };
	struct attest_blob pem = tdx_maker_pem(chain, 3);

	w->quote.cert = pem;
	w->evidence = tdx_maker_make(&maker, &w->quote);
	blob_free(pem);
	X509_free(leaf);
}

static struct world *world_of_leaf(const struct tdx_maker_cert *o, X509 *ca)
{
	struct world *w = world_new();

	world_give_leaf(w, o, ca);
	return w;
}

static struct tdx_maker_cert leaf_right(const struct tdx_pck *p)
{
	return (struct tdx_maker_cert){ .subject = "Intel SGX PCK Certificate",
		.issuer = "Intel SGX PCK Platform CA",
		.key = maker.pck_key,
		.signer = maker.ca_key,
		.pck = p };
}

static void a_malformed_sgx_extension_is_refused(void **state)
{
	struct tdx_pck p = tdx_maker_platform();

	for (int fault = EXT_RIGHT + 1; fault < EXT_FAULT_COUNT; fault++) {
		struct tdx_maker_cert o = leaf_right(&p);
		o.fault = (enum tdx_ext_fault)fault;
		world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "SGX extension");
	}
	struct tdx_maker_cert right = leaf_right(&p);
	world_accept(world_of_leaf(&right, maker.ca));
	p.has_piid = p.has_configuration = false; /* under the Processor CA */
	world_accept(world_of_leaf(&right, maker.ca));
}

static void a_wrong_leaf_is_refused(void **state)
{
	struct tdx_pck p = tdx_maker_platform();
	struct tdx_maker_cert o = leaf_right(&p);

	o.signer = maker.other;
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "does not fit the key");
	o = leaf_right(&p);
	o.subject = "Intel SGX TCB Signing";
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "no PCK certificate");
	o = leaf_right(&p);
	o.to = TDX_NOW - TDX_DAY;
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "expired");
	o = leaf_right(&p);
	o.from = TDX_NOW + TDX_DAY;
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "not yet valid");
	o = leaf_right(&p);
	o.digest = "SHA384";
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "not signed with ECDSA, SHA-256");
	o = leaf_right(&p);
	o.is_ca = true;
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "basicConstraints");
	o = leaf_right(&p);
	o.key = maker.p384;
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "P-256");
	o = leaf_right(&p);
	o.issuer = "Intel SGX PCK Processor CA"; /* nobody's name here */
	world_reject(world_of_leaf(&o, maker.ca), ROW_CHAIN, "no certificate of");
}

static void a_wrong_ca_is_refused(void **state)
{
	static const struct {
		struct tdx_maker_cert o;
		const char *text;
	} faults[] = {
		{ { .is_no_cert_sign = true, .is_ca = true }, "keyUsage" },
		{ { .is_ca = false }, "" },
		{ { .is_ca = true, .to = TDX_NOW - TDX_DAY }, "expired" },
		{ { .is_ca = true, .digest = "SHA512" }, "not signed with" },
		{ { .is_ca = true, .subject = "Intel SGX PCK Other CA" }, "" },
		{ { .is_ca = true, .issuer = "Another Root" }, "no certificate of" },
	};
	struct tdx_pck p = tdx_maker_platform();

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct tdx_maker_cert o = faults[i].o, leaf = leaf_right(&p);
		o.subject = o.subject == NULL ? "Intel SGX PCK Platform CA" : o.subject;
		o.issuer = o.issuer == NULL ? "Intel SGX Root CA" : o.issuer;
		o.key = maker.ca_key;
		o.signer = maker.root_key;
		leaf.issuer = o.subject;
		X509 *ca = tdx_maker_cert(&o);
		world_reject(world_of_leaf(&leaf, ca), ROW_CHAIN, faults[i].text);
		X509_free(ca);
	}
}

static void a_root_that_nobody_gave_is_refused(void **state)
{
	struct world *w = world_new();
	struct attest_blob none = { 0 };

	w->evidence = tdx_maker_make(&maker, &w->quote);
	w->in.evidence = w->evidence;
	w->in.roots = &none;
	assert_int_equal(attest_verify_tdx(&w->in, &w->v, NULL), 0);
	assert_row(w, ROW_CHAIN, VERDICT_CONTRAINDICATED);
	assert_row(w, ROW_TRUST, VERDICT_CONTRAINDICATED);
	assert_int_equal(w->v.trust, TRUST_HOST);
	world_free(w);
}

/* --- collateral -------------------------------------------------------------------------------- */

static struct attest_blob text_blob(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	return (struct attest_blob){ (uint8_t *)copy, strlen(copy) };
}

/* The document with one text replaced by another, signed anew: what Intel would not write. */
static struct attest_blob tcb_info_edited(const char *from, const char *to)
{
	struct tdx_maker_info right = tdx_maker_right();
	char *text = tdx_maker_tcb_info(&right), *edited = NULL;
	char *at = strstr(text, from);

	assert_non_null(at);
	assert_true(
		asprintf(&edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	struct attest_blob b = tdx_maker_doc("tcbInfo", edited, maker.tcb_key);
	free(text);
	free(edited);
	return b;
}

static void malformed_documents_are_refused(void **state)
{
	static const char *const edits[][2] = {
		{ "\"version\":3", "\"version\":3,\"version\":3" },
		{ "\"version\":3", "\"version\":99999999999999999999" },
		{ "\"version\":3", "\"version\":1e999" },
		{ "\"version\":3", "\"version\":-3" },
		{ "\"version\":3", "\"version\":3.0" },
		{ "\"version\":3", "\"version\":\"3\"" },
		{ "\"tcbType\":0", "\"tcbType\":[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]" },
		{ "\"tcbType\":0", "\"tcbType\":" },
		{ "2026-09-01T", "2026-13-01T" },
		{ "2026-09-01T", "2026-09-01 " },
		{ "2026-09-01T", "12026-09-01T" },
		{ "00a0b1c2d3e4", "00a0b1c2d3" },
		{ "00a0b1c2d3e4", "00a0b1c2d3eg" },
		{ "\"tdxModule\"", "\"tdxmodule\"" },
		{ "\"pcesvn\":11", "\"pcesvn\":65536" },
		{ "[{\"svn\":200}", "[{\"svn\":200},{\"svn\":0}" },
		{ "{\"svn\":200}", "{\"svn\":\"200\"}" },
		{ "\"2026-03-11T00:00:00Z\",\"tcbStatus\":\"UpToDate\"",
			"\"2026-03-11T00:00:00Z\",\"tcbStatus\":\"Fine\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		struct world *w = world_new();
		bool is_level = strstr(edits[i][1], "svn") != NULL ||
				strstr(edits[i][0], "tdxModule") != NULL ||
				strstr(edits[i][1], "Fine") != NULL;
		world_give(w, W_TCB, tcb_info_edited(edits[i][0], edits[i][1]));
		world_reject(w, ROW_COLLATERAL, is_level ? "malformed" : "TCB info");
	}
}

static void texts_around_a_document_are_refused(void **state)
{
	struct tdx_maker_info right = tdx_maker_right();
	struct attest_blob good = tcb_info(&right);
	const char *text = (const char *)good.p;
	const char *signature = strstr(text, ",\"signature\"");
	char *texts[8] = { 0 };

	assert_true(asprintf(&texts[0], "%.*s x", (int)good.len, text) > 0);
	assert_true(asprintf(&texts[1], "{\"signature\":\"\",%s", text + 1) > 0);
	assert_true(asprintf(&texts[2], "{\"more\":{},%s", text + 1) > 0);
	assert_true(asprintf(&texts[3], "%.*s}", (int)(signature - text), text) > 0);
	assert_true(asprintf(&texts[4], "[%s]", text) > 0);
	assert_true(asprintf(&texts[5], "%.*s", (int)good.len - 1, text) > 0);
	assert_true(asprintf(&texts[6], "%.*s%.*s}", (int)good.len - 1, text,
			    (int)strlen(signature) - 1, signature) > 0);
	assert_true(asprintf(&texts[7], "{\"tcbInfo\" :%s", text + strlen("{\"tcbInfo\":")) > 0);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct world *w = world_new();
		blob_free(w->collateral[W_TCB]);
		w->collateral[W_TCB] =
			(struct attest_blob){ (uint8_t *)texts[i], strlen(texts[i]) };
		if (i == 7) /* space where it carries nothing */
			world_accept(w);
		else
			world_reject(w, ROW_COLLATERAL, "");
	}
	blob_free(good);
}

static void documents_of_others_are_refused(void **state)
{
	static const struct {
		struct tdx_maker_info o;
		const char *text;
	} faults[] = {
		{ { .fmspc = "00a0b1c2d3e5" }, "another FMSPC" },
		{ { .pceid = "0001" }, "another PCE id" },
		{ { .id = "SGX" }, "not one for TDX" },
		{ { .version = 2 }, "not one for TDX" },
		{ { .issued = "2026-09-22T00:00:00Z" }, "younger" },
		{ { .next = "2026-09-20T00:00:00Z" }, "stale" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct world *w = world_new();
		struct tdx_maker_info o = tdx_maker_right();
		const struct tdx_maker_info *f = &faults[i].o;
		o.fmspc = f->fmspc == NULL ? "00A0B1C2D3E4" : f->fmspc; /* any case will do */
		o.pceid = f->pceid == NULL ? o.pceid : f->pceid;
		o.id = f->id == NULL ? o.id : f->id;
		o.version = f->version == 0 ? o.version : f->version;
		o.issued = f->issued == NULL ? o.issued : f->issued;
		o.next = f->next == NULL ? o.next : f->next;
		world_give(w, W_TCB, tcb_info(&o));
		world_reject(w, ROW_COLLATERAL, faults[i].text);
		if (i < 2)
			continue;
		w = world_new();
		if (i == 2)
			o.id = "QE";
		world_give(w, W_QE, qe_identity(&o));
		world_reject(w, ROW_COLLATERAL, faults[i].text);
	}
}

static void a_signer_of_others_is_refused(void **state)
{
	const struct tdx_maker_cert right = { .subject = "Intel SGX TCB Signing",
		.issuer = "Intel SGX Root CA",
		.key = maker.tcb_key,
		.signer = maker.root_key };
	const char *const texts[] = { "does not fit the key", "expired", "no TCB Signing",
		"was not issued", "does not fit the key of its signer" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct world *w = world_new();
		struct tdx_maker_cert o = right;
		if (i == 0)
			o.signer = maker.other;
		if (i == 1)
			o.to = TDX_NOW - TDX_DAY;
		if (i == 2)
			o.subject = "Intel SGX PCK Certificate";
		if (i == 3)
			o.issuer = "Another Root";
		if (i == 4)
			o.key = maker.other;
		X509 *x = tdx_maker_cert(&o);
		world_give(w, W_CHAIN, tdx_maker_der(x));
		X509_free(x);
		world_reject(w, ROW_COLLATERAL, texts[i]);
	}
}

static void the_newest_document_counts_in_any_order(void **state)
{
	for (int order = 0; order < 2; order++) {
		struct world *w = world_new();
		struct tdx_maker_info newer = tdx_maker_right();
		newer.eval_number = 20;
		newer.status = "OutOfDate";
		newer.next = "2026-09-10T00:00:00Z"; /* stale: the older one does not step in */
		w->collateral[W_EXTRA] = tcb_info(&newer);
		if (order == 1) {
			struct attest_blob b = w->collateral[W_TCB];
			w->collateral[W_TCB] = w->collateral[W_EXTRA];
			w->collateral[W_EXTRA] = b;
		}
		world_judge(w);
		assert_string_equal(w->v.rows[ROW_TCB].actual, "OutOfDate");
		world_reject(w, ROW_COLLATERAL, "stale");
	}
	/* a forged newer one does not push the genuine one aside */
	struct world *w = world_new();
	struct tdx_maker_info newer = tdx_maker_right();
	newer.eval_number = 21;
	char *text = tdx_maker_tcb_info(&newer);
	w->collateral[W_EXTRA] = tdx_maker_doc("tcbInfo", text, maker.other);
	free(text);
	world_accept(w);
}

static char *hex_of(struct attest_blob b)
{
	char *ret = malloc(2 * b.len + 1);

	assert_non_null(ret);
	wr_hex_str(ret, 2 * b.len + 1, b.p, b.len);
	return ret;
}

/* Text as a JSON string. */
static char *quoted(const char *text, size_t len)
{
	char *ret = malloc(2 * len + 1);
	size_t n = 0;

	assert_non_null(ret);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\n')
			ret[n++] = '\\';
		ret[n++] = text[i] == '\n' ? 'n' : text[i];
	}
	ret[n] = '\0';
	return ret;
}

static void a_bundle_and_hexadecimal_crls_are_read(void **state)
{
	for (int nested = 0; nested < 2; nested++) {
		struct world *w = world_new();
		struct tdx_maker_info right = tdx_maker_right();
		char *tcb = tdx_maker_tcb_info(&right), *qe = tdx_maker_qe_identity(&right);
		uint8_t sig[2][64];
		char hex[2][129], *bundle = NULL;
		char *chain =
			quoted((const char *)w->collateral[W_CHAIN].p, w->collateral[W_CHAIN].len);
		char *crl = hex_of(w->collateral[W_CRL]), *root = hex_of(w->collateral[W_ROOT_CRL]);

		tdx_maker_sign(maker.tcb_key, tcb, strlen(tcb), sig[0]);
		tdx_maker_sign(maker.tcb_key, qe, strlen(qe), sig[1]);
		for (size_t i = 0; i < 2; i++)
			wr_hex_str(hex[i], sizeof hex[i], sig[i], 64);
		char *tcb_text = quoted(tcb, strlen(tcb)), *qe_text = quoted(qe, strlen(qe));
		assert_true(asprintf(&bundle,
				    "{\"pck_crl_issuer_chain\":\"\",\"root_ca_crl\":\"%s\","
				    "\"pck_crl\":\"%s\",\"tcb_info_issuer_chain\":\"%s\","
				    "\"tcb_info\":\"%s\",\"tcb_info_signature\":\"%s\","
				    "\"qe_identity_issuer_chain\":\"%s\",\"qe_identity\":\"%s\","
				    "\"qe_identity_signature\":\"%s\"}\n",
				    root, nested == 1 ? "{}" : crl, chain, tcb_text, hex[0], chain,
				    qe_text, hex[1]) > 0);
		for (size_t i = 0; i < W_EXTRA; i++)
			world_give(w, i, (struct attest_blob){ 0 });
		world_give(w, W_EXTRA, text_blob(bundle));
		if (nested == 1)
			world_reject(w, ROW_COLLATERAL, "");
		else
			world_accept(w);
		char *all[] = { tcb, qe, bundle, chain, crl, root, tcb_text, qe_text };
		for (size_t i = 0; i < ARRAY_LEN(all); i++)
			free(all[i]);
	}
	struct world *w = world_new();
	char *hex = hex_of(w->collateral[W_CRL]);
	world_give(w, W_CRL, text_blob(hex));
	free(hex);
	world_judge(w);
	assert_row(w, ROW_REVOCATION, VERDICT_AFFIRMING);
	world_free(w);
}

/* --- CRLs -------------------------------------------------------------------------------------- */

static void crls_are_judged(void **state)
{
	const char *const ca = "Intel SGX PCK Platform CA", *const root = "Intel SGX Root CA";
	const time_t from = TDX_NOW - TDX_DAY, to = TDX_NOW + TDX_DAY;
	struct world *w = world_new();

	world_give(w, W_CRL, tdx_maker_crl(ca, maker.ca_key, maker.pck, from, to));
	world_reject(w, ROW_REVOCATION, "PCK certificate is on");
	w = world_new();
	world_give(w, W_ROOT_CRL, tdx_maker_crl(root, maker.root_key, maker.ca, from, to));
	world_reject(w, ROW_REVOCATION, "PCK CA is on");
	w = world_new();
	world_give(w, W_ROOT_CRL, tdx_maker_crl(root, maker.root_key, maker.tcb, from, to));
	world_reject(w, ROW_COLLATERAL, "revoked");
	w = world_new();
	world_give(w, W_CRL, tdx_maker_crl(ca, maker.other, NULL, from, to));
	world_reject(w, ROW_REVOCATION, "does not fit");
	w = world_new();
	world_give(w, W_CRL,
		tdx_maker_crl("Intel SGX PCK Processor CA", maker.ca_key, NULL, from, to));
	world_reject(w, ROW_REVOCATION, "another CA's");
	w = world_new();
	world_give(w, W_CRL, tdx_maker_crl(ca, maker.ca_key, NULL, from, TDX_NOW - 1));
	world_reject(w, ROW_COLLATERAL, "CRL of the PCK CA is stale");
	/* expired lists keep what they say */
	w = world_new();
	world_give(w, W_CRL, tdx_maker_crl(ca, maker.ca_key, maker.pck, from, TDX_NOW - 1));
	world_reject(w, ROW_REVOCATION, "PCK certificate is on");
	/* one of tomorrow says nothing yet */
	w = world_new();
	world_give(w, W_CRL, tdx_maker_crl(ca, maker.ca_key, NULL, to, to + TDX_DAY));
	world_judge(w);
	assert_row(w, ROW_REVOCATION, VERDICT_NONE);
	world_free(w);
	/* the later of two counts */
	w = world_new();
	w->collateral[W_EXTRA] = tdx_maker_crl(ca, maker.ca_key, maker.pck, TDX_NOW - 60, to);
	world_reject(w, ROW_REVOCATION, "PCK certificate is on");
}

static void a_crl_that_cannot_be_read_is_not_overlooked(void **state)
{
	struct world *w = world_new();

	w->collateral[W_CRL].len -= 1;
	world_warn(w, ROW_REVOCATION);
	w = world_new();
	world_give(w, W_CRL, text_blob("abc"));
	world_warn(w, ROW_REVOCATION);
}

/* --- TCB --------------------------------------------------------------------------------------- */

static void tcb_is(struct world *w, const char *status, enum verdict_status row)
{
	world_judge(w);
	if (strcmp(w->v.rows[ROW_TCB].actual, status) != 0)
		fail_msg("TCB status %s, want %s", w->v.rows[ROW_TCB].actual, status);
	assert_row(w, ROW_TCB, row);
	world_free(w);
}

static void world_status(struct world *w, const char *status)
{
	struct tdx_maker_info o = tdx_maker_right();

	o.status = status;
	world_give(w, W_TCB, tcb_info(&o));
}

static void statuses_become_rows_and_converge(void **state)
{
	static const struct {
		const char *platform, *qe, *want;
		enum verdict_status row;
	} cases[] = {
		{ "UpToDate", "UpToDate", "UpToDate", VERDICT_AFFIRMING },
		{ "SWHardeningNeeded", "UpToDate", "SWHardeningNeeded", VERDICT_WARNING },
		{ "ConfigurationNeeded", "UpToDate", "ConfigurationNeeded", VERDICT_WARNING },
		{ "ConfigurationAndSWHardeningNeeded", "UpToDate",
			"ConfigurationAndSWHardeningNeeded", VERDICT_WARNING },
		{ "OutOfDate", "UpToDate", "OutOfDate", VERDICT_CONTRAINDICATED },
		{ "OutOfDateConfigurationNeeded", "UpToDate", "OutOfDateConfigurationNeeded",
			VERDICT_CONTRAINDICATED },
		{ "Revoked", "UpToDate", "Revoked", VERDICT_CONTRAINDICATED },
		{ "UpToDate", "OutOfDate", "OutOfDate", VERDICT_CONTRAINDICATED },
		{ "SWHardeningNeeded", "OutOfDate", "OutOfDate", VERDICT_CONTRAINDICATED },
		{ "ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded",
			VERDICT_CONTRAINDICATED },
		{ "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded",
			VERDICT_CONTRAINDICATED },
		{ "UpToDate", "Revoked", "Revoked", VERDICT_CONTRAINDICATED },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *w = world_new();
		struct tdx_maker_info o = tdx_maker_right();
		world_status(w, cases[i].platform);
		o.status = cases[i].qe;
		world_give(w, W_QE, qe_identity(&o));
		tcb_is(w, cases[i].want, cases[i].row);
	}
}

static void levels_are_reached_component_by_component(void **state)
{
	struct world *w = world_new();

	w->quote.body.tee_tcb_svn[0] = 4; /* below 5, above 2 */
	world_judge(w);
	assert_non_null(strstr(w->v.rows[ROW_TCB].why, "INTEL-SA-00615,INTEL-SA-00837"));
	tcb_is(w, "OutOfDate", VERDICT_CONTRAINDICATED);
	w = world_new();
	w->quote.body.tee_tcb_svn[0] = 1;
	tcb_is(w, "NotSupported", VERDICT_CONTRAINDICATED);
	/* a module with an identity: its first two bytes are the identity's matter */
	w = world_new();
	w->quote.body.tee_tcb_svn[0] = 3;
	w->quote.body.tee_tcb_svn[1] = 3;
	tcb_is(w, "UpToDate", VERDICT_AFFIRMING);
	w = world_new();
	w->quote.body.tee_tcb_svn[0] = 2;
	w->quote.body.tee_tcb_svn[1] = 3;
	world_reject(w, ROW_MODULE, "revoked");
	w = world_new();
	w->quote.body.tee_tcb_svn[1] = 4;
	world_reject(w, ROW_MODULE, "no module identity 'TDX_04'");
	w = world_new();
	w->quote.body.mrsignerseam[7] = 1;
	world_reject(w, ROW_MODULE, "MRSIGNERSEAM");
	w = world_new();
	w->quote.body.seam_attributes.b[0] = 1;
	world_reject(w, ROW_MODULE, "SEAMATTRIBUTES");
	/* components of the PCK certificate */
	struct tdx_pck p = tdx_maker_platform();
	struct tdx_maker_cert o = leaf_right(&p);
	p.svn[15] = 4;
	tcb_is(world_of_leaf(&o, maker.ca), "OutOfDate", VERDICT_CONTRAINDICATED);
	p = tdx_maker_platform();
	p.pcesvn = 10;
	tcb_is(world_of_leaf(&o, maker.ca), "OutOfDate", VERDICT_CONTRAINDICATED);
	p = tdx_maker_platform();
	p.svn[0] = 0;
	tcb_is(world_of_leaf(&o, maker.ca), "NotSupported", VERDICT_CONTRAINDICATED);
}

static void the_quoting_enclave_has_to_be_the_identitys(void **state)
{
	for (size_t i = 0; i < 5; i++) {
		static const char *const texts[] = { "MISCSELECT", "ATTRIBUTES", "MRSIGNER",
			"ISVPRODID", "below every level" };
		struct world *w = world_new();
		struct tdx_qe_report *qe = &w->quote.qe;
		uint8_t *const bytes[] = { qe->miscselect.b, qe->attributes, qe->mrsigner,
			qe->isvprodid.b, qe->isvsvn.b };
		bytes[i][0] = i == 4 ? 1 : bytes[i][0] ^ 2;
		world_reject(w, ROW_QE, texts[i]);
	}
	struct world *w = world_new();
	w->quote.qe.attributes[8] = 3; /* masked */
	world_accept(w);
}

static void an_update_under_the_running_td_asks_for_a_relaunch(void **state)
{
	struct world *w = world_new();

	w->quote.version = 5;
	w->quote.body_type = TDX_BODY_1_5;
	w->quote.body.tee_tcb_svn[0] = 3;
	tcb_is(w, "TDRelaunchAdvised", VERDICT_WARNING);
	w = world_new();
	w->quote.version = 5;
	w->quote.body_type = TDX_BODY_1_5;
	w->quote.body.tee_tcb_svn[0] = 3;
	world_status(w, "ConfigurationNeeded");
	tcb_is(w, "TDRelaunchAdvisedConfigurationNeeded", VERDICT_WARNING);
	/* the other way round: the worse of the two */
	w = world_new();
	w->quote.version = 5;
	w->quote.body_type = TDX_BODY_1_5;
	w->quote.body.tee_tcb_svn2[0] = 3;
	tcb_is(w, "OutOfDate", VERDICT_CONTRAINDICATED);
}

/* --- policies ---------------------------------------------------------------------------------- */

static struct policy *policy_new(struct world *w)
{
	struct policy *p = calloc(1, sizeof *p);

	assert_non_null(p);
	p->tee.type = POLICY_TEE_TDX;
	p->tee.simulated = p->tee.has_tdx = true;
	p->boot.n_launch_digests = 1;
	memset(p->boot.launch_digests[0].sha384, 0x52, 48);
	memset(p->hash, 0x99, sizeof p->hash);
	memset(w->quote.body.mrconfigid, 0x99, 32);
	w->in.policy = p;
	return p;
}

enum change {
	NOTHING,
	ACCEPT_STATUS,
	REFUSE_STATUS,
	IN_GRACE,
	PAST_GRACE,
	DENY_ADVISORY,
	MIN_DATE,
	MIN_EVAL,
	AGE_ALLOWED,
	AGE_PAST,
	NO_CRL,
	MRSEAM_IN,
	MRSEAM_OUT,
	RTMR_IN,
	RTMR_OUT,
	OWNER_IN,
	OWNER_OUT,
	OWNERCONFIG_OUT,
	PIID_IN,
	PIID_OUT,
	PIID_DENIED,
	XFAM_OUT,
	ATTRIBUTE_MISSING,
	ATTRIBUTE_EXCESS,
	SMT_FORBIDDEN,
	CACHED_KEYS_REQUIRED,
	DEBUG_ON,
	DEBUG_ALLOWED,
	MIGRATABLE,
	DIGEST_OUT,
	DIGEST_DENIED,
	HASH_OUT,
	OTHER_TEE,
	EXPIRED,
	NOT_SIMULATED,
	NO_COLLATERAL,
	CHANGE_COUNT
};

static const struct {
	enum verdict_row_id row; /* ROW_COUNT: affirming */
	enum verdict_status status;
} policy_wants[CHANGE_COUNT] = {
	[NOTHING] = { ROW_COUNT, 0 },
	[ACCEPT_STATUS] = { ROW_COUNT, 0 },
	[REFUSE_STATUS] = { ROW_TCB, VERDICT_CONTRAINDICATED },
	[IN_GRACE] = { ROW_COUNT, 0 },
	[PAST_GRACE] = { ROW_TCB, VERDICT_CONTRAINDICATED },
	[DENY_ADVISORY] = { ROW_TCB, VERDICT_CONTRAINDICATED },
	[MIN_DATE] = { ROW_TCB, VERDICT_CONTRAINDICATED },
	[MIN_EVAL] = { ROW_TCB, VERDICT_CONTRAINDICATED },
	[AGE_ALLOWED] = { ROW_COLLATERAL, VERDICT_WARNING },
	[AGE_PAST] = { ROW_COLLATERAL, VERDICT_CONTRAINDICATED },
	[NO_CRL] = { ROW_REVOCATION, VERDICT_CONTRAINDICATED },
	[MRSEAM_IN] = { ROW_COUNT, 0 },
	[MRSEAM_OUT] = { ROW_MODULE, VERDICT_CONTRAINDICATED },
	[RTMR_IN] = { ROW_COUNT, 0 },
	[RTMR_OUT] = { ROW_RTMR, VERDICT_CONTRAINDICATED },
	[OWNER_IN] = { ROW_COUNT, 0 },
	[OWNER_OUT] = { ROW_OWNER, VERDICT_CONTRAINDICATED },
	[OWNERCONFIG_OUT] = { ROW_OWNER, VERDICT_CONTRAINDICATED },
	[PIID_IN] = { ROW_COUNT, 0 },
	[PIID_OUT] = { ROW_CHIP_ID, VERDICT_CONTRAINDICATED },
	[PIID_DENIED] = { ROW_CHIP_ID, VERDICT_CONTRAINDICATED },
	[XFAM_OUT] = { ROW_POLICY, VERDICT_CONTRAINDICATED },
	[ATTRIBUTE_MISSING] = { ROW_POLICY, VERDICT_CONTRAINDICATED },
	[ATTRIBUTE_EXCESS] = { ROW_POLICY, VERDICT_CONTRAINDICATED },
	[SMT_FORBIDDEN] = { ROW_PLATFORM_INFO, VERDICT_CONTRAINDICATED },
	[CACHED_KEYS_REQUIRED] = { ROW_COUNT, 0 },
	[DEBUG_ON] = { ROW_DEBUG, VERDICT_CONTRAINDICATED },
	[DEBUG_ALLOWED] = { ROW_COUNT, 0 },
	[MIGRATABLE] = { ROW_MIGRATION, VERDICT_CONTRAINDICATED },
	[DIGEST_OUT] = { ROW_MEASUREMENT, VERDICT_CONTRAINDICATED },
	[DIGEST_DENIED] = { ROW_MEASUREMENT, VERDICT_CONTRAINDICATED },
	[HASH_OUT] = { ROW_HOST_DATA, VERDICT_CONTRAINDICATED },
	[OTHER_TEE] = { ROW_POLICY, VERDICT_CONTRAINDICATED },
	[EXPIRED] = { ROW_POLICY, VERDICT_CONTRAINDICATED },
	[NOT_SIMULATED] = { ROW_TRUST, VERDICT_CONTRAINDICATED },
	[NO_COLLATERAL] = { ROW_COLLATERAL, VERDICT_CONTRAINDICATED },
};

static void tcb_change(struct world *w, struct policy *p, enum change c)
{
	struct policy_tdx_tcb *t = &p->tee.tdx.tcb;
	struct tdx_maker_info o = tdx_maker_right();

	if (c >= ACCEPT_STATUS && c <= DENY_ADVISORY) {
		o.status = "OutOfDate";
		o.advisories = "\"INTEL-SA-01234\"";
		world_give(w, W_TCB, tcb_info(&o));
	}
	/* The level is of 2026-03-11, the QE's of 2025-03-13: 557 days ago. */
	if (c == ACCEPT_STATUS || c == DENY_ADVISORY)
		t->accept = 1u << POLICY_TDX_OUT_OF_DATE;
	t->has_grace = c == IN_GRACE || c == PAST_GRACE;
	t->grace.status = 1u << POLICY_TDX_OUT_OF_DATE;
	t->grace.days = c == IN_GRACE ? 560 : 500;
	if (c == DENY_ADVISORY) {
		t->n_deny = 1;
		(void)snprintf(t->deny[0].id, sizeof t->deny[0].id, "INTEL-SA-01234");
	}
	t->has_min_date = c == MIN_DATE;
	t->min_date = TDX_NOW - 500 * TDX_DAY;
	t->min_eval_number = c == MIN_EVAL ? 20 : 0;
	if (c == AGE_ALLOWED || c == AGE_PAST) {
		o.next = "2026-09-15T00:00:00Z"; /* six days */
		world_give(w, W_TCB, tcb_info(&o));
		p->tee.endorsements.has_max_age = true;
		p->tee.endorsements.max_age_days = c == AGE_ALLOWED ? 7 : 5;
	}
	if (c == NO_CRL) {
		p->tee.endorsements.require_crl = true;
		world_give(w, W_CRL, (struct attest_blob){ 0 });
	}
	if (c == NO_COLLATERAL)
		world_give(w, W_TCB, (struct attest_blob){ 0 });
}

static void td_change(struct world *w, struct policy *p, enum change c)
{
	struct policy_tdx *t = &p->tee.tdx;
	struct policy_endorsements *e = &p->tee.endorsements;

	t->n_mrseam = c == MRSEAM_IN || c == MRSEAM_OUT ? 2 : 0;
	memset(t->mrseam[1].sha384, c == MRSEAM_IN ? 0x51 : 0x50, 48);
	t->rtmr[2].n = c == RTMR_IN || c == RTMR_OUT ? 1 : 0;
	memset(t->rtmr[2].at[0].sha384, c == RTMR_IN ? 0x62 : 0x61, 48);
	t->has_mrowner = c == OWNER_IN || c == OWNER_OUT;
	t->mrowner[0] = c == OWNER_OUT;
	t->has_mrownerconfig = c == OWNER_IN || c == OWNERCONFIG_OUT;
	t->mrownerconfig[47] = c == OWNERCONFIG_OUT;
	t->n_piids = c == PIID_IN || c == PIID_OUT ? 1 : 0;
	memset(t->piids[0].id, c == PIID_IN ? 0x33 : 0x34, 16);
	e->n_deny_chips = c == PIID_DENIED;
	memset(e->deny_chips[0].id, 0x33, 16);
	t->has_xfam = c == XFAM_OUT;
	t->xfam = 3;
	t->attributes_require = c == ATTRIBUTE_MISSING ? 1ull << 30 : 1ull << 28;
	t->attributes_forbid = c == ATTRIBUTE_EXCESS ? 1ull << 28 : 1ull << 63;
	t->smt = c == SMT_FORBIDDEN ? POLICY_FORBID : POLICY_ANY;
	t->cached_keys = c == CACHED_KEYS_REQUIRED ? POLICY_REQUIRE : POLICY_ANY;
	t->debug = c == DEBUG_ALLOWED;
	if (c == DEBUG_ON || c == DEBUG_ALLOWED)
		w->quote.body.td_attributes.b[0] = 1;
	t->attributes.migratable = POLICY_FORBID;
	if (c == MIGRATABLE)
		w->quote.body.td_attributes.b[3] |= 0x20;
}

static void policies_are_appraised_one_demand_at_a_time(void **state)
{
	for (int c = NOTHING; c < CHANGE_COUNT; c++) {
		struct world *w = world_new();
		struct policy *p = policy_new(w);
		char line[700];
		tcb_change(w, p, (enum change)c);
		td_change(w, p, (enum change)c);
		p->boot.launch_digests[0].sha384[0] ^= c == DIGEST_OUT;
		p->tee.endorsements.n_deny_digests = c == DIGEST_DENIED;
		memset(p->tee.endorsements.deny_digests[0].sha384, 0x52, 48);
		w->quote.body.mrconfigid[c == HASH_OUT ? 47 : 0] ^= c == HASH_OUT;
		p->tee.type = c == OTHER_TEE ? POLICY_TEE_SNP : POLICY_TEE_TDX;
		p->has_valid = c == EXPIRED;
		p->valid.not_after = TDX_NOW - 1;
		p->tee.simulated = c != NOT_SIMULATED;
		world_judge(w);
		verdict_print_line(&w->v, line, sizeof line);
		enum verdict_row_id row = policy_wants[c].row;
		if (row == ROW_COUNT && w->v.overall != VERDICT_AFFIRMING)
			fail_msg("change %d: %s", c, line);
		if (row != ROW_COUNT && (w->v.overall != policy_wants[c].status ||
						w->v.rows[row].status != policy_wants[c].status))
			fail_msg("change %d: %s", c, line);
		world_free(w);
		free(p);
	}
}

/* Row collateral refuses a CRL that ended too long ago; with "require" row revocation does, too. */
static void an_expired_list_is_none_where_one_is_required(void **state)
{
	static const struct {
		bool is_required;
		uint64_t max_age_days; /* 0: no limit given */
		enum verdict_status status;
	} rows[] = { { false, 5, VERDICT_WARNING }, { true, 7, VERDICT_WARNING },
		{ true, 5, VERDICT_CONTRAINDICATED }, { true, 0, VERDICT_CONTRAINDICATED } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = world_new();
		struct policy *p = policy_new(w);
		p->tee.endorsements.require_crl = rows[i].is_required;
		p->tee.endorsements.has_max_age = rows[i].max_age_days != 0;
		p->tee.endorsements.max_age_days = rows[i].max_age_days;
		world_give(w, W_CRL,
			tdx_maker_crl("Intel SGX PCK Platform CA", maker.ca_key, NULL,
				TDX_NOW - 30 * TDX_DAY, TDX_NOW - 6 * TDX_DAY));
		world_judge(w);
		assert_int_equal(w->v.rows[ROW_REVOCATION].status, rows[i].status);
		if (rows[i].status == VERDICT_CONTRAINDICATED)
			assert_non_null(strstr(w->v.rows[ROW_REVOCATION].why,
				"a CRL ended 6 days before the time "
				"asked for; the policy requires"));
		world_free(w);
		free(p);
	}
}

/* The policy's own word for what it asks, and what the evidence says instead. */
static void refusals_name_the_key_and_the_value(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct world *w = world_new();
		struct policy *p = policy_new(w);
		p->tee.tdx.smt = i == 0 ? POLICY_FORBID : POLICY_ANY;
		p->tee.tdx.dynamic_platform = i == 1 ? POLICY_REQUIRE : POLICY_ANY;
		p->tee.tdx.tcb.has_min_date = i == 2;
		p->tee.tdx.tcb.min_date = TDX_NOW;
		if (i == 0)
			world_reject(w, ROW_PLATFORM_INFO,
				"forbids smtEnabled, the PCK certificate says that it is on");
		else if (i == 1)
			world_reject(w, ROW_PLATFORM_INFO,
				"requires dynamicPlatform, the PCK certificate says that it is "
				"off");
		else
			world_reject(w, ROW_TCB, "before the policy's min_tcb_date");
		free(p);
	}
}

/* Under the Processor CA a certificate names no platform: then a list of platforms is not answered. */
static void a_platform_without_a_name_is_refused_where_some_are_listed(void **state)
{
	struct tdx_pck pck = tdx_maker_platform();
	struct tdx_maker_cert o = leaf_right(&pck);

	pck.has_piid = false;
	for (int i = 0; i < 3; i++) {
		struct world *w = world_new();
		struct policy *p = policy_new(w);
		world_give_leaf(w, &o, maker.ca);
		p->tee.endorsements.n_deny_chips = i == 1;
		p->tee.tdx.n_piids = i == 2;
		if (i == 0)
			world_accept(w);
		else
			world_reject(w, ROW_CHIP_ID, "names no platform instance");
		free(p);
	}
}

static void asked_values_are_compared(void **state)
{
	struct world *w = world_new();
	uint8_t data[64], host[32] = { 1 }, digest[1][48];

	memset(data, 0x70, sizeof data);
	w->in.report_data = data;
	world_accept(w);
	w = world_new();
	data[63] ^= 1;
	w->in.report_data = data;
	world_reject(w, ROW_REPORT_DATA, "another nonce");
	w = world_new();
	w->in.host_data = host;
	world_reject(w, ROW_HOST_DATA, "MRCONFIGID");
	w = world_new();
	memset(digest, 0x53, sizeof digest);
	w->in.digests = (const uint8_t(*)[48])digest;
	w->in.n_digests = 1;
	world_reject(w, ROW_MEASUREMENT, "MRTD");
	w = world_new();
	w->quote.body.xfam.b[0] = 0xE5;
	world_reject(w, ROW_POLICY, "XFAM");
	w = world_new();
	w->in.required_rows = ROW_BIT(ROW_EVENT_LOG);
	world_reject(w, ROW_EVENT_LOG, "required");
}

static int group_setup(void **state)
{
	tdx_maker_init(&maker);
	return 0;
}

static int group_done(void **state)
{
	tdx_maker_done(&maker);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_of_the_collection_are_judged_as_its_list_says),
		cmocka_unit_test(no_byte_of_a_real_quote_and_its_collateral_is_too_much),
		cmocka_unit_test(an_event_log_replays_or_names_register_and_event),
		cmocka_unit_test(every_version_body_and_certification_data_is_read),
		cmocka_unit_test(a_quote_without_a_pck_certificate_is_refused),
		cmocka_unit_test(fields_become_claims),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(no_changed_bit_is_affirmed),
		cmocka_unit_test(signatures_of_other_keys_are_refused),
		cmocka_unit_test(a_malformed_sgx_extension_is_refused),
		cmocka_unit_test(a_wrong_leaf_is_refused),
		cmocka_unit_test(a_wrong_ca_is_refused),
		cmocka_unit_test(a_root_that_nobody_gave_is_refused),
		cmocka_unit_test(malformed_documents_are_refused),
		cmocka_unit_test(texts_around_a_document_are_refused),
		cmocka_unit_test(documents_of_others_are_refused),
		cmocka_unit_test(a_signer_of_others_is_refused),
		cmocka_unit_test(the_newest_document_counts_in_any_order),
		cmocka_unit_test(a_bundle_and_hexadecimal_crls_are_read),
		cmocka_unit_test(crls_are_judged),
		cmocka_unit_test(a_crl_that_cannot_be_read_is_not_overlooked),
		cmocka_unit_test(statuses_become_rows_and_converge),
		cmocka_unit_test(levels_are_reached_component_by_component),
		cmocka_unit_test(the_quoting_enclave_has_to_be_the_identitys),
		cmocka_unit_test(an_update_under_the_running_td_asks_for_a_relaunch),
		cmocka_unit_test(policies_are_appraised_one_demand_at_a_time),
		cmocka_unit_test(an_expired_list_is_none_where_one_is_required),
		cmocka_unit_test(refusals_name_the_key_and_the_value),
		cmocka_unit_test(a_platform_without_a_name_is_refused_where_some_are_listed),
		cmocka_unit_test(asked_values_are_compared),
	};

	return cmocka_run_group_tests_name("attest_tdx", tests, group_setup, group_done);
}
