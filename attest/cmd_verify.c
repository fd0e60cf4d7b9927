#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/cmd.h"
#include "attest/cmd_companions.h"
#include "attest/cmd_refvalues.h"
#include "attest/cmd_token.h"
#include "attest/cmw.h"
#include "attest/verdict.h"
#include "policy/policy.h"

struct args {
	const char *evidence, *kind, *policy, *report_data, *at, *endorsements;
	const char *signature, *ak, *pcrs, *ima, *tee, *tee_quote, *tik;
	struct cmd_sev_text sev;
	struct opt_list certs, crls, roots, collateral, event_logs, require;
	struct token_args token;
	struct opt_list references;
	bool as_json, accept_warning;
};

/* What the arguments name, loaded. Large: static in cmd_verify(). */
struct loaded {
	struct cmd_files evidence, certs, crls, roots, collateral, event_logs, single;
	uint8_t sev_digest[32];
	struct cmd_companions companions;
	struct policy policy;
	uint8_t digests[1][SHA384_BYTES];
	uint8_t report_data[SNP_REPORT_DATA_BYTES];
	struct refvalues references;
	struct cmw wrapper;
	struct attest_inputs in;
};

static void loaded_done(struct loaded *l)
{
	cmd_files_done(&l->evidence);
	cmd_files_done(&l->certs);
	cmd_files_done(&l->crls);
	cmd_files_done(&l->roots);
	cmd_files_done(&l->collateral);
	cmd_files_done(&l->event_logs);
	cmd_files_done(&l->single);
	cmd_refvalues_done(&l->references);
	cmw_done(&l->wrapper);
}

/* --- certificates ----------------------------------------------------------------------------- */

/* A file that somebody names has to hold certificates; a file in a folder need not. */
static MUST_USE int cert_file_add(
	struct cmd_files *f, const char *path, bool is_named, struct why *why)
{
	size_t n = 0;
	int err = cmd_files_add(f, path, LIMIT_CERT_BLOB_BYTES, is_named ? why : NULL);

	if (err < 0)
		return is_named ? err : 0;
	err = attest_check_certs(f->at[f->n - 1], &n, is_named ? why : NULL);
	if (err == 0 && n == 0)
		err = why_set(is_named ? why : NULL, -EBADMSG, "no certificate in it");
	if (err == 0)
		return 0;
	if (is_named)
		return why_prefix(why, err, "%s", path);
	free((void *)(uintptr_t)f->at[--f->n].p);
	return 0;
}

static MUST_USE int cert_folder_add(struct cmd_files *f, const char *path, struct why *why)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);
	int err = n < 0 ? why_set(why, -errno, "cannot read folder %s", path) : 0;

	for (int i = 0; i < n; i++) {
		char file[PATH_MAX];
		struct stat st;
		int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		bool is_file = len > 0 && (size_t)len < sizeof file && stat(file, &st) == 0 &&
			       S_ISREG(st.st_mode) && st.st_size <= (off_t)LIMIT_CERT_BLOB_BYTES;
		if (err == 0 && is_file)
			err = cert_file_add(f, file, false, why);
		free(names[i]);
	}
	free(names);
	return err;
}

static MUST_USE int certs_load(
	const struct opt_list *list, bool may_be_folder, struct cmd_files *f, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < list->n && err == 0; i++) {
		struct stat st;
		bool is_folder =
			may_be_folder && stat(list->at[i], &st) == 0 && S_ISDIR(st.st_mode);
		err = is_folder ? cert_folder_add(f, list->at[i], why)
				: cert_file_add(f, list->at[i], true, why);
	}
	return err;
}

/* --- expected values -------------------------------------------------------------------------- */

/* 1 to 64 bytes, filled up with zeros at the end. */
static MUST_USE int report_data_parse(
	const char *text, uint8_t ret[SNP_REPORT_DATA_BYTES], size_t *ret_len, struct why *why)
{
	size_t len = strlen(text) / 2;

	if (len < 1 || len > SNP_REPORT_DATA_BYTES || opts_parse_hex(text, ret, len) < 0)
		return why_set(why, -EINVAL,
			"--report-data: want 2 to 128 hexadecimal digits or @FILE with at most 64 "
			"bytes");
	*ret_len = len;
	return 0;
}

static MUST_USE int report_data_load(
	const char *text, uint8_t ret[SNP_REPORT_DATA_BYTES], size_t *ret_len, struct why *why)
{
	AUTO(cmd_files) struct cmd_files file = { 0 };

	memset(ret, 0, SNP_REPORT_DATA_BYTES);
	if (text[0] != '@')
		return report_data_parse(text, ret, ret_len, why);
	int err = cmd_files_add(&file, text + 1, SNP_REPORT_DATA_BYTES, why);
	if (err < 0)
		return err;
	if (file.at[0].len == 0)
		return why_set(why, -EBADMSG, "--report-data: %s is empty", text + 1);
	memcpy(ret, file.at[0].p, file.at[0].len);
	*ret_len = file.at[0].len;
	return 0;
}

static MUST_USE int policy_load(const char *path, struct loaded *l, struct why *why)
{
	char folder[PATH_MAX];
	int err = policy_read(path, &l->policy, why);

	if (err < 0)
		return err;
	l->in.policy = &l->policy;
	/* A policy that names no firmware for SEV or TDX appraises what others launched. */
	if (l->policy.boot.n_launch_digests > 0 || !policy_tee_proves(l->policy.tee.type) ||
		(l->policy.tee.type != POLICY_TEE_SNP && !l->policy.boot.has_firmware))
		return 0;
	err = cmd_folder_of(path, folder, sizeof folder, why);
	if (err == 0)
		err = attest_predict_launch(&l->policy, folder, l->digests[0], why);
	if (err < 0)
		return why_prefix(why, err,
			"the expected launch digest cannot be computed (or put boot.launch_digest "
			"into the "
			"policy)");
	l->in.digests = (const uint8_t(*)[SHA384_BYTES])l->digests;
	l->in.n_digests = 1;
	return 0;
}

static MUST_USE int rows_parse(const struct opt_list *list, uint32_t *ret, struct why *why)
{
	for (size_t i = 0; i < list->n; i++) {
		enum verdict_row_id row;
		if (verdict_row_parse(list->at[i], &row) < 0)
			return why_set(
				why, -EINVAL, "--require: there is no row '%s'", list->at[i]);
		*ret |= ROW_BIT(row);
	}
	return 0;
}

/* --- the command ------------------------------------------------------------------------------ */

/* An option that asks something of evidence; a token would not be asked. */
static bool has_evidence_options(const struct args *a)
{
	const char *const texts[] = { a->kind, a->policy, a->endorsements, a->signature, a->ak,
		a->pcrs, a->ima, a->tee, a->tee_quote, a->tik, a->sev.api, a->sev.policy,
		a->sev.digest, a->token.out };
	bool is_any = a->certs.n + a->crls.n + a->collateral.n + a->event_logs.n + a->require.n +
			      a->references.n >
		      0;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		is_any |= texts[i] != NULL;
	return is_any;
}

/* What is wrong with the command line itself: EXIT_USAGE. */
static MUST_USE int usage_check(const struct args *a, struct loaded *l, struct why *why)
{
	if ((a->evidence == NULL) == (a->token.token == NULL))
		return why_set(why, -EINVAL, "--evidence FILE is missing, or --token FILE");
	if (a->token.token != NULL && has_evidence_options(a))
		return why_set(why, -EINVAL,
			"with --token go --keys, --issuer, --root, --report-data, --at, "
			"--accept-warning and "
			"--json; the others are asked of --evidence");
	if (cmd_token_usage(&a->token, a->references.n > 0, why) < 0)
		return -EINVAL;
	for (enum evidence_kind k = EVIDENCE_SNP; k < EVIDENCE_KIND_COUNT; k++)
		if (a->kind != NULL && strcmp(a->kind, evidence_kind_name(k)) == 0)
			l->in.kind = k;
	if (a->kind != NULL && l->in.kind == EVIDENCE_UNKNOWN)
		return why_set(why, -EINVAL, "--kind: '%s' is not snp, tdx, sev or tpm", a->kind);
	l->in.at = time(NULL);
	int err = a->at == NULL ? 0 : cmd_parse_time(a->at, &l->in.at, why);
	if (err == 0)
		err = rows_parse(&a->require, &l->in.required_rows, why);
	if (err == 0 && a->report_data != NULL && a->report_data[0] != '@')
		err = report_data_load(a->report_data, l->report_data, &l->in.report_data_len, why);
	if (err == 0)
		err = cmd_parse_sev(&a->sev, l->sev_digest, &l->in.sev, why);
	return err;
}

/* Every file of a folder, or the file; what is in them is for whoever judges it. */
static MUST_USE int plain_add(struct cmd_files *f, const char *path, bool is_below, struct why *why)
{
	struct dirent **names = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		return why_set(why, -errno, "cannot read %s", path);
	if (!S_ISDIR(st.st_mode))
		return is_below && (!S_ISREG(st.st_mode) ||
					   st.st_size > (off_t)LIMIT_EVIDENCE_BYTES)
			       ? 0
			       : cmd_files_add(f, path, LIMIT_EVIDENCE_BYTES, why);
	int n = is_below ? 0 : scandir(path, &names, NULL, alphasort);
	int err = n < 0 ? why_set(why, -errno, "cannot read folder %s", path) : 0;
	for (int i = 0; i < n; i++) {
		char file[PATH_MAX];
		int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		if (err == 0 && len > 0 && (size_t)len < sizeof file && names[i]->d_name[0] != '.')
			err = plain_add(f, file, true, why);
		free(names[i]);
	}
	free(names);
	return err;
}

/* What is named has to hold something. Returns which files were named themselves; may be NULL. */
static MUST_USE int plain_load(
	const struct opt_list *list, struct cmd_files *f, bool *ret_is_named, struct why *why)
{
	struct stat st;

	for (size_t i = 0; i < list->n; i++) {
		size_t n = f->n;
		int err = plain_add(f, list->at[i], false, why);
		if (err < 0)
			return err;
		if (f->n == n || (f->n == n + 1 && f->at[n].len == 0))
			return why_set(why, -EBADMSG, "%s is empty", list->at[i]);
		if (ret_is_named != NULL)
			ret_is_named[n] = stat(list->at[i], &st) == 0 && !S_ISDIR(st.st_mode);
	}
	return 0;
}

/* One file of an option that takes one; NULL: not given. */
static MUST_USE int single_load(
	struct loaded *l, const char *path, struct attest_blob *ret, struct why *why)
{
	if (path == NULL)
		return 0;
	int err = cmd_files_add(&l->single, path, LIMIT_EVIDENCE_BYTES, why);
	if (err < 0)
		return err;
	*ret = l->single.at[l->single.n - 1];
	return ret->len > 0 ? 0 : why_set(why, -EBADMSG, "%s is empty", path);
}

static MUST_USE int companions_load(const struct args *a, struct loaded *l, struct why *why)
{
	struct attest_inputs *in = &l->in;
	int err = plain_load(&a->collateral, &l->collateral, l->companions.is_named, why);

	if (err == 0)
		err = plain_load(&a->event_logs, &l->event_logs, NULL, why);
	if (err == 0)
		err = single_load(l, a->signature, &in->tpm.signature, why);
	if (err == 0)
		err = single_load(l, a->ak, &in->tpm.ak, why);
	if (err == 0)
		err = single_load(l, a->pcrs, &in->tpm.pcrs, why);
	if (err == 0)
		err = single_load(l, a->ima, &in->tpm.ima, why);
	if (err == 0)
		err = single_load(l, a->tee, &in->tpm.tee, why);
	if (err == 0)
		err = single_load(l, a->tee_quote, &in->tpm.tee_quote, why);
	if (err == 0)
		err = single_load(l, a->tik, &in->sev.tik, why);
	in->collateral = l->collateral.at, in->n_collateral = l->collateral.n;
	in->event_logs = l->event_logs.at, in->n_event_logs = l->event_logs.n;
	return err;
}

/* Evidence in a conceptual message wrapper; the certificate table that comes with it is one more. */
static MUST_USE int wrapper_open(struct loaded *l, struct why *why)
{
	struct attest_inputs *in = &l->in;
	struct attest_blob table = { 0 };

	if (in->kind != EVIDENCE_UNKNOWN ||
		attest_recognise(in->evidence.p, in->evidence.len) != EVIDENCE_UNKNOWN ||
		cmw_parse(in->evidence.p, in->evidence.len, &l->wrapper, NULL) < 0)
		return 0;
	int err = cmw_find_evidence(&l->wrapper, &in->evidence, &table, why);
	if (err == 0 && table.len > 0 && l->certs.n < CMD_FILES_MAX) {
		uint8_t *copy = malloc(table.len);
		if (copy == NULL)
			return -ENOMEM;
		memcpy(copy, table.p, table.len);
		l->certs.at[l->certs.n++] = (struct attest_blob){ copy, table.len };
	}
	return err;
}

static MUST_USE int inputs_load(const struct args *a, struct loaded *l, struct why *why)
{
	struct attest_inputs *in = &l->in;
	int err = cmd_files_add(&l->evidence, a->evidence, LIMIT_EVIDENCE_BYTES, why);

	if (err == 0)
		err = certs_load(&a->certs, true, &l->certs, why);
	if (err == 0)
		err = certs_load(&a->crls, false, &l->crls, why);
	if (err == 0)
		err = certs_load(&a->roots, false, &l->roots, why);
	if (err == 0 && a->report_data != NULL)
		err = report_data_load(a->report_data, l->report_data, &in->report_data_len, why);
	if (err == 0)
		err = companions_load(a, l, why);
	if (err < 0)
		return err;
	in->evidence = l->evidence.at[0];
	in->roots = l->roots.at, in->n_roots = l->roots.n;
	err = wrapper_open(l, why);
	if (err < 0)
		return why_prefix(why, err, "%s", a->evidence);
	if (a->endorsements != NULL)
		err = cmd_endorsements_pick(
			a->endorsements, in, &l->certs, &l->crls, &l->collateral, why);
	if (err < 0)
		return err;
	in->collateral = l->collateral.at, in->n_collateral = l->collateral.n;
	in->certs = l->certs.at, in->n_certs = l->certs.n;
	in->crls = l->crls.at, in->n_crls = l->crls.n;
	in->report_data = a->report_data == NULL ? NULL : l->report_data;
	if (attest_recognise(in->evidence.p, in->evidence.len) == EVIDENCE_TPM)
		cmd_companions_find(in, &l->companions);
	return 0;
}

static MUST_USE int evidence_verify(
	const struct args *a, struct loaded *l, struct verdict *ret, struct why *why)
{
	int err = attest_verify(&l->in, ret, why);
	return err < 0 ? why_prefix(why, err, "%s", a->evidence) : 0;
}

/* Who names a CRL wants it to count. */
static void crls_appraise(const struct args *a, const struct loaded *l, struct verdict *v)
{
	if (a->crls.n == 0 || v->rows[ROW_REVOCATION].status != VERDICT_NONE)
		return;
	verdict_set(v, ROW_REVOCATION, VERDICT_WARNING, "a CRL", "",
		"none of the CRLs that were given is of a CA of this evidence");
	verdict_close(v, l->in.required_rows);
}

static int verdict_answer(const struct args *a, const struct verdict *v)
{
	struct why why = { 0 };
	struct wr w = { 0 };
	bool is_good = v->overall == VERDICT_AFFIRMING ||
		       (v->overall == VERDICT_WARNING && a->accept_warning);

	int err = cmd_text_open(&w, &why);
	if (err < 0)
		return cmd_fail(EXIT_OURS, err, &why);
	if (a->as_json)
		verdict_print_json(v, &w);
	else
		verdict_print_text(v, &w);
	int status = cmd_print(&w, is_good ? EXIT_YES : EXIT_NO);
	free(w.buf);
	if (!is_good && !a->as_json) {
		char line[VERDICT_WHY_MAX + 64];
		verdict_print_line(v, line, sizeof line);
		(void)why_set(&why, 0, "%s", line);
		(void)cmd_fail(EXIT_NO, 0, &why);
	}
	return status;
}

/* A token needs roots and the value asked for, nothing else that belongs to evidence. */
static int token_run(const struct args *a, struct loaded *l)
{
	struct why why = { 0 };
	int err = certs_load(&a->roots, false, &l->roots, &why);

	if (err == 0 && a->report_data != NULL)
		err = report_data_load(
			a->report_data, l->report_data, &l->in.report_data_len, &why);
	if (err < 0)
		return cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why);
	l->in.roots = l->roots.at, l->in.n_roots = l->roots.n;
	l->in.report_data = a->report_data == NULL ? NULL : l->report_data;
	return cmd_token_verify(&a->token, &l->in, a->as_json, a->accept_warning);
}

static int verify_run(const struct args *a, struct loaded *l)
{
	static struct verdict verdict; /* large; one thread, one call */
	struct why why = { 0 };

	int err = usage_check(a, l, &why);
	if (err < 0)
		return cmd_fail(EXIT_USAGE, err, &why);
	if (a->token.token != NULL)
		return token_run(a, l);
	err = inputs_load(a, l, &why);
	if (err < 0)
		return cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why);
	if (a->policy != NULL) {
		err = policy_load(a->policy, l, &why);
		if (err < 0)
			return cmd_fail(err == -ENOMEM   ? EXIT_OURS
					: err == -EACCES ? EXIT_NO
							 : EXIT_INPUT,
				err, &why);
	}
	if (a->references.n > 0) {
		err = cmd_refvalues_load(
			&l->references, &a->references, &a->token.keys, &l->in, &why);
		if (err == -EKEYREJECTED || err == -ESTALE)
			return cmd_fail(EXIT_NO, err, &why);
		if (err < 0)
			return cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why);
	}
	err = evidence_verify(a, l, &verdict, &why);
	if (err < 0)
		return cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why);
	if (a->references.n > 0)
		cmd_refvalues_appraise(&l->references, &l->in, &verdict);
	crls_appraise(a, l, &verdict);
	if (a->token.out != NULL) {
		err = cmd_token_write(&a->token, &l->in, &verdict, &why);
		if (err < 0)
			return cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why);
	}
	return verdict_answer(a, &verdict);
}

int cmd_verify(int argc, char **argv)
{
	static struct loaded loaded; /* large; one thread, one call */
	struct args a = { 0 };
	const struct opt options[] = {
		{ "evidence", OPT_TEXT, &a.evidence, "FILE",
			"SNP report, TDX quote, SEV measurement, TPM quote" },
		{ "kind", OPT_TEXT, &a.kind, "KIND",
			"snp, tdx, sev or tpm instead of recognising it" },
		{ "certs", OPT_LIST, &a.certs, "FILE|DIR",
			"certificates: PEM, DER or certificate table" },
		{ "crl", OPT_LIST, &a.crls, "FILE", "certificate revocation list" },
		{ "collateral", OPT_LIST, &a.collateral, "FILE|DIR",
			"TDX: TCB info, QE identity, chains, CRLs; TPM: what lies beside a quote" },
		{ "endorsements", OPT_TEXT, &a.endorsements, "DIR",
			"cache of endorsements to take what is missing from" },
		{ "event-log", OPT_LIST, &a.event_logs, "FILE", "boot log: CCEL, TCG event log" },
		{ "signature", OPT_TEXT, &a.signature, "FILE", "TPM: the quote's signature" },
		{ "ak", OPT_TEXT, &a.ak, "FILE", "TPM: the attestation key or its certificate" },
		{ "pcrs", OPT_TEXT, &a.pcrs, "FILE", "TPM: values of the quoted registers" },
		{ "ima", OPT_TEXT, &a.ima, "FILE", "TPM: the kernel's IMA list" },
		{ "tee", OPT_TEXT, &a.tee, "FILE",
			"TPM: the TEE's report that vouches for the key" },
		{ "tee-quote", OPT_TEXT, &a.tee_quote, "FILE",
			"TPM: what proves it: TDX quote of an HCL report, SNP report of an "
			"SVSM's" },
		{ "tik", OPT_TEXT, &a.tik, "FILE", "SEV: the session's integrity key: tik.bin" },
		{ "sev-api", OPT_TEXT, &a.sev.api, "MAJOR.MINOR.BUILD",
			"SEV: the firmware's version" },
		{ "sev-policy", OPT_TEXT, &a.sev.policy, "HEX", "SEV: the guest policy at launch" },
		{ "sev-digest", OPT_TEXT, &a.sev.digest, "HEX", "SEV: the expected launch digest" },
		{ "policy", OPT_TEXT, &a.policy, "POLICY", "appraise against this launch policy" },
		{ "report-data", OPT_TEXT, &a.report_data, "HEX|@FILE",
			"the value asked for; filled up with zeros to 64 bytes" },
		{ "root", OPT_LIST, &a.roots, "FILE",
			"an extra trust root (trust class simulated)" },
		{ "at", OPT_TEXT, &a.at, "TIME", "judge validity at this time instead of now" },
		{ "require", OPT_LIST, &a.require, "ROW", "this row must not be 'none'" },
		{ "reference", OPT_LIST, &a.references, "FILE",
			"reference values: CoRIM, or casemate measure --json" },
		{ "token", OPT_TEXT, &a.token.token, "FILE",
			"check this attestation result instead of evidence" },
		{ "keys", OPT_LIST, &a.token.keys, "FILE",
			"JWK set or PEM: who may have signed token or reference" },
		{ "issuer", OPT_LIST, &a.token.issuers, "TEXT",
			"who may have issued the token; its iss" },
		{ "token-out", OPT_TEXT, &a.token.out, "FILE",
			"write the verdict as a signed token" },
		{ "token-key", OPT_TEXT, &a.token.key, "FILE", "private key that signs it, PEM" },
		{ "token-format", OPT_TEXT, &a.token.format, "FORM",
			"ear (default), ear-veraison, coco or dsse" },
		{ "token-policy-id", OPT_TEXT, &a.token.policy_id, "TEXT",
			"the policy's name in it" },
		{ "accept-warning", OPT_FLAG, &a.accept_warning, NULL, "exit 0 for a warning too" },
		{ "json", OPT_FLAG, &a.as_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate attest verify --evidence FILE [OPTION]...",
		"Verify and appraise evidence, offline.", options, 0, 0 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	int status = verify_run(&a, &loaded);
	loaded_done(&loaded);
	return status;
}
