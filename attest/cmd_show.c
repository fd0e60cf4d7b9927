#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/appraise.h"
#include "attest/atls.h"
#include "attest/cert.h"
#include "attest/cert_table.h"
#include "attest/cmd.h"
#include "attest/cmd_show_tpm.h"
#include "attest/cmw.h"
#include "attest/json_out.h"
#include "attest/sev_session.h"
#include "attest/snp_leaf.h"
#include "attest/tdx_evidence.h"
#include "attest/vendor.h"

#define SCHEMA "casemate.attest.show/1"

/* --- reports and quotes ----------------------------------------------------------------------- */

static MUST_USE int snp_claims(struct attest_blob blob, struct claims *ret, struct why *why)
{
	struct snp_report r;
	int err = attest_parse_snp(blob, &r, why);

	if (err == 0)
		appraise_snp_claims(&r,
			r.has_cpuid ? snp_product_of_cpuid(r.cpuid_family, r.cpuid_model)
				    : SNP_PRODUCT_UNKNOWN,
			ret);
	return err;
}

/* A measurement, or certificates: a line for each usage. */
static MUST_USE int sev_claims(struct attest_blob blob, struct claims *ret, struct why *why)
{
	static const struct {
		uint32_t usage;
		const char *name;
	} names[] = { { SEV_USAGE_ARK, "ark" }, { SEV_USAGE_ASK, "ask" }, { SEV_USAGE_CEK, "cek" },
		{ SEV_USAGE_OCA, "oca" }, { SEV_USAGE_PEK, "pek" }, { SEV_USAGE_PDH, "pdh" } };
	struct sev_certs certs = { 0 };

	if (blob.len == SEV_MEASURE_BYTES) {
		claims_add_bytes(ret, "mac", blob.p, SEV_MAC_BYTES);
		claims_add_bytes(ret, "mnonce", blob.p + SEV_MAC_BYTES, 16);
		return 0;
	}
	int err = sev_certs_add(&certs, blob.p, blob.len, why);
	for (size_t i = 0; i < certs.n && err == 0; i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			const struct sev_cert *c = &certs.at[i];
			char text[160];
			if (names[k].usage != c->usage)
				continue;
			if (c->is_amd)
				(void)snprintf(text, sizeof text, "RSA-%zu", 8 * c->key_len);
			else
				(void)snprintf(text, sizeof text,
					"API %u.%u, EC P-%zu, %zu signatures", c->api_major,
					c->api_minor, 8 * c->key_len, c->n_signatures);
			claims_add_text(ret, names[k].name, text);
		}
	return err;
}

/* Kinds that are a list of fields. */
static const struct {
	const char *title;
	int (*read)(struct attest_blob blob, struct claims *ret, struct why *why);
} readers[EVIDENCE_KIND_COUNT] = {
	[EVIDENCE_SNP] = { "SEV-SNP attestation report", snp_claims },
	[EVIDENCE_TDX] = { "TDX quote", tdx_evidence_claims },
	[EVIDENCE_SEV] = { "SEV evidence", sev_claims },
};

static void fields_show(
	enum evidence_kind kind, const struct claims *claims, bool as_json, struct wr *w)
{
	const struct claim *version = claims_find(claims, "version");

	if (as_json) {
		json_text(w, "kind", evidence_kind_name(kind));
		claims_print_json(claims, "claims", w);
		return;
	}
	wr_str(w, readers[kind].title);
	if (version != NULL)
		wr_printf(w, ", version %llu", (unsigned long long)version->number);
	wr_str(w, " (decoded, not verified)\n");
	claims_print_text(claims, w);
}

static MUST_USE int evidence_show(enum evidence_kind kind, struct attest_blob blob, bool as_json,
	struct wr *w, struct why *why)
{
	static struct claims claims; /* large; one thread, one call */
	int err = readers[kind].read(blob, &claims, why);

	if (err < 0)
		return err;
	if (as_json) {
		json_open(w, NULL, '{');
		json_text(w, "schema", SCHEMA);
	}
	fields_show(kind, &claims, as_json, w);
	if (as_json)
		json_close(w, '}');
	return 0;
}

/* --- certificates ----------------------------------------------------------------------------- */

#define TIME_TEXT 32

static void time_print(const ASN1_TIME *t, char ret[TIME_TEXT])
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		(void)snprintf(ret, TIME_TEXT, "?");
	else
		(void)strftime(ret, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void serial_print(const ASN1_INTEGER *serial, char *ret, size_t size)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(serial, NULL);
	char *text = n == NULL ? NULL : BN_bn2dec(n);

	(void)snprintf(ret, size, "%s", text == NULL ? "?" : text);
	OPENSSL_free(text);
	BN_free(n);
}

static void leaf_claims(X509 *x, struct claims *c)
{
	struct why why = { 0 };
	struct snp_leaf leaf;
	char levels[TCB_TEXT_MAX];
	uint64_t word = 0;

	if (!snp_leaf_recognise(x))
		return;
	if (snp_leaf_parse(&leaf, x, &why) < 0) {
		claims_add_text(c, "fault", why.text);
		return;
	}
	claims_add_text(c, "product", leaf.product_name);
	if (leaf.kind == SNP_KEY_VLEK)
		claims_add_text(c, "csp_id", leaf.csp_id);
	else
		claims_add_bytes(c, "hw_id", leaf.hwid_raw, leaf.hwid_raw_len);
	if (!snp_leaf_tcb(&leaf, leaf.product, &word))
		return;
	struct tcb tcb = tcb_decode(leaf.product, word);
	tcb_print(&tcb, levels);
	claims_add_text(c, "tcb_levels", levels);
}

static void cert_claims(X509 *x, struct claims *c)
{
	char subject[CERT_NAME_MAX], issuer[CERT_NAME_MAX], serial[64], from[TIME_TEXT],
		to[TIME_TEXT];
	uint8_t digest[32];

	cert_subject_cn(x, subject);
	cert_issuer_cn(x, issuer);
	serial_print(X509_get0_serialNumber(x), serial, sizeof serial);
	time_print(X509_get0_notBefore(x), from);
	time_print(X509_get0_notAfter(x), to);
	claims_add_text(c, "type", "certificate");
	claims_add_text(c, "subject", subject);
	claims_add_text(c, "issuer", issuer);
	claims_add_text(c, "serial", serial);
	claims_add_text(c, "not_before", from);
	claims_add_text(c, "not_after", to);
	if (cert_sha256(x, digest) == 0)
		claims_add_bytes(c, "sha256", digest, sizeof digest);
	claims_add_bool(c, "pinned_root", vendor_root_product(x) != SNP_PRODUCT_UNKNOWN);
	leaf_claims(x, c);
}

static void crl_claims(X509_CRL *crl, struct claims *c)
{
	char name[256], from[TIME_TEXT], to[TIME_TEXT];
	const STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(crl);
	int n = rows == NULL ? 0 : sk_X509_REVOKED_num(rows);

	name[0] = '\0';
	(void)X509_NAME_get_text_by_NID(
		X509_CRL_get_issuer(crl), NID_commonName, name, sizeof name);
	time_print(X509_CRL_get0_lastUpdate(crl), from);
	time_print(X509_CRL_get0_nextUpdate(crl), to);
	claims_add_text(c, "type", "crl");
	claims_add_text(c, "issuer", name);
	claims_add_text(c, "this_update", from);
	claims_add_text(c, "next_update", to);
	claims_add_number(c, "revoked", n < 0 ? 0 : (uint64_t)n);
}

static void object_show(const struct claims *c, bool as_json, struct wr *w)
{
	if (as_json) {
		claims_print_json(c, NULL, w);
		return;
	}
	claims_print_text(c, w);
	wr_str(w, "\n");
}

static void store_show(const struct cert_store *s, bool as_json, struct wr *w)
{
	for (size_t i = 0; i < s->n; i++) {
		struct claims c = { 0 };
		cert_claims(s->at[i], &c);
		object_show(&c, as_json, w);
	}
	for (size_t i = 0; i < s->n_crls; i++) {
		struct claims c = { 0 };
		crl_claims(s->crls[i], &c);
		object_show(&c, as_json, w);
	}
}

static void table_entries_show(const struct cert_table *t, bool as_json, struct wr *w)
{
	if (!as_json)
		wr_printf(w, "certificate table, %zu entries\n", t->n);
	else
		json_open(w, "table", '[');
	for (size_t i = 0; i < t->n; i++) {
		const struct cert_table_entry *e = &t->at[i];
		char guid[37];
		cert_table_guid_print(e->guid, guid);
		if (!as_json) {
			wr_printf(w, "  %-5s %s  byte %zu, %zu bytes\n",
				cert_table_kind_name(e->kind), guid, e->offset, e->len);
			continue;
		}
		json_open(w, NULL, '{');
		json_text(w, "kind", cert_table_kind_name(e->kind));
		json_text(w, "guid", guid);
		json_number(w, "offset", e->offset);
		json_number(w, "length", e->len);
		json_close(w, '}');
	}
	if (as_json)
		json_close(w, ']');
	else
		wr_str(w, "\n");
}

/* --- attested TLS ------------------------------------------------------------------------------ */

static const char *hash_name(uint64_t alg)
{
	return alg == 1 ? "SHA-256" : alg == 7 ? "SHA-384" : alg == 8 ? "SHA-512" : "unknown";
}

/* What ties the evidence to the certificate, and its fields. */
static void inside_show(const struct atls *a, bool as_json, struct wr *w)
{
	static struct claims inner; /* large; one thread, one call */
	enum evidence_kind kind = attest_recognise_bare(a->evidence.p, a->evidence.len);
	struct claims c = { 0 };
	struct why why = { 0 };
	int err = -EPROTONOSUPPORT;

	claims_add_text(&c, "type", "evidence in the certificate");
	claims_add_number(&c, "length", a->evidence.len);
	if (a->table.len > 0)
		claims_add_number(&c, "certificate_table_length", a->table.len);
	if (a->claims.p != NULL) {
		claims_add_text(&c, "key_hash_algorithm", hash_name(a->hash_alg));
		claims_add_bytes(&c, "key_hash", a->key_hash.p, a->key_hash.len);
		if (a->nonce.len > 0)
			claims_add_bytes(&c, "nonce", a->nonce.p, a->nonce.len);
	}
	if (readers[kind].read != NULL)
		err = readers[kind].read(a->evidence, &inner, &why);
	if (err < 0)
		claims_add_text(&c, "fault",
			why.text[0] != '\0' ? why.text : "neither SNP report nor TDX quote");
	if (as_json) {
		json_open(w, "evidence", '{');
		claims_print_json(&c, "carried", w);
	} else {
		object_show(&c, as_json, w);
	}
	if (err == 0)
		fields_show(kind, &inner, as_json, w);
	if (as_json)
		json_close(w, '}');
}

static MUST_USE int certs_show(struct attest_blob blob, bool as_json, struct wr *w, struct why *why)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	AUTO(atls) struct atls inside = { 0 };
	struct cert_table table = { 0 };
	int err = cert_store_add(&s, blob.p, blob.len, why);

	if (err < 0)
		return err;
	bool is_table = cert_table_parse(&table, blob.p, blob.len, NULL) == 0;
	if (as_json) {
		json_open(w, NULL, '{');
		json_text(w, "schema", SCHEMA);
		json_text(w, "kind", is_table ? "certificate-table" : "certificates");
	}
	if (is_table)
		table_entries_show(&table, as_json, w);
	if (as_json)
		json_open(w, "objects", '[');
	store_show(&s, as_json, w);
	if (as_json)
		json_close(w, ']');
	if (atls_open(blob, &inside, NULL) == 0)
		inside_show(&inside, as_json, w);
	if (as_json)
		json_close(w, '}');
	return 0;
}

/* --- conceptual message wrappers --------------------------------------------------------------- */

static void cmw_show(const struct cmw *c, bool as_json, struct wr *w)
{
	if (as_json) {
		json_open(w, NULL, '{');
		json_text(w, "schema", SCHEMA);
		json_text(w, "kind", "cmw");
		json_open(w, "records", '[');
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct cmw_record *r = &c->at[i];
		enum evidence_kind kind = attest_recognise(r->value.p, r->value.len);
		if (!as_json) {
			wr_printf(w, "%-16s %s, %zu bytes, evidence: %s\n", r->name, r->type,
				r->value.len, evidence_kind_name(kind));
			continue;
		}
		json_open(w, NULL, '{');
		json_text(w, "name", r->name);
		json_text(w, "type", r->type);
		json_number(w, "indicator", r->indicator);
		json_text(w, "evidence", evidence_kind_name(kind));
		json_hex(w, "value", r->value.p, r->value.len);
		json_close(w, '}');
	}
	if (as_json) {
		json_close(w, ']');
		json_close(w, '}');
	}
}

/* --- the command ------------------------------------------------------------------------------ */

static MUST_USE int bytes_show(struct attest_blob blob, bool as_json, struct wr *w, struct why *why)
{
	enum evidence_kind kind = attest_recognise(blob.p, blob.len);
	struct why w_certs = { 0 };

	if (kind != EVIDENCE_UNKNOWN && atls_recognise(blob.p, blob.len))
		return certs_show(blob, as_json, w, why);
	if (readers[kind].read != NULL)
		return evidence_show(kind, blob, as_json, w, why);
	int tpm = cmd_show_tpm(blob, as_json, SCHEMA, w, why);
	if (tpm != -ENOENT)
		return tpm;
	if (kind != EVIDENCE_UNKNOWN)
		return why_set(why, -EPROTONOSUPPORT,
			"%s evidence is not supported in this version", evidence_kind_name(kind));
	static struct cmw wrapper; /* large; one thread, one call */
	if (cmw_parse(blob.p, blob.len, &wrapper, NULL) == 0) {
		cmw_show(&wrapper, as_json, w);
		cmw_done(&wrapper);
		return 0;
	}
	int err = certs_show(blob, as_json, w, &w_certs);
	if (err < 0)
		return why_set(why, err,
			"%zu bytes that are neither a report (SNP: %u bytes) nor certificates: %s",
			blob.len, SNP_REPORT_BYTES, w_certs.text);
	return 0;
}

int cmd_show(int argc, char **argv)
{
	AUTO(cmd_files) struct cmd_files files = { 0 };
	bool as_json = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &as_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate attest show FILE [--json]",
		"Decode evidence: SNP report, TDX quote, certificate table, certificates, CRL.",
		options, 1, 1 };
	struct why why = { 0 };
	struct wr w = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	err = cmd_files_add(&files, args[0], LIMIT_EVIDENCE_BYTES, &why);
	if (err == 0)
		err = cmd_text_open(&w, &why);
	if (err == 0)
		err = bytes_show(files.at[0], as_json, &w, &why);
	if (err < 0)
		(void)why_prefix(&why, err, "%s", args[0]);
	int status = err < 0 ? cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why)
			     : cmd_print(&w, EXIT_YES);
	free(w.buf);
	return status;
}
