#include "attest/cmd_refvalues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/json_in.h"
#include "attest/jwk.h"
#include "base/log.h"

#define SCHEMA "casemate.attest.refvalues/1"

static MUST_USE int keys_load(const struct opt_list *keys, struct jwk_set *ret, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < keys->n && err == 0; i++) {
		AUTO(cmd_files) struct cmd_files file = { 0 };
		err = cmd_files_add(&file, keys->at[i], LIMIT_EVIDENCE_BYTES, why);
		if (err < 0)
			return err;
		err = jwk_set_add(ret, file.at[0].p, file.at[0].len, why);
		if (err < 0)
			err = why_prefix(why, err, "%s", keys->at[i]);
	}
	return err;
}

/* --- for verify -------------------------------------------------------------------------------- */

void cmd_refvalues_done(struct refvalues *r)
{
	while (r->n > 0)
		free(r->docs[--r->n]);
	cmd_files_done(&r->files);
}

/* Launch digests as our own commands print them; MRTD has two. */
static MUST_USE int measure_digest(struct attest_blob b, struct refvalues *r, struct why *why)
{
	static const char *const forms[][2] = { { "casemate.attest.measure/1", "launch_digest" },
		{ "casemate.attest.digest/1", "digest" },
		{ "casemate.attest.digest/1", "digest_two_pass" } };
	AUTO(json_in) json_t *j = NULL;
	size_t before = r->n_digests;
	int err = json_in_parse(b.p, b.len, &j, why);

	if (err < 0)
		return err;
	const char *schema = json_string_value(json_object_get(j, "schema"));
	for (size_t i = 0; schema != NULL && i < ARRAY_LEN(forms); i++) {
		const char *digest = json_string_value(json_object_get(j, forms[i][1]));
		if (strcmp(schema, forms[i][0]) == 0 && digest != NULL &&
			r->n_digests < LIMIT_CORIM_DIGESTS &&
			opts_parse_hex(digest, r->digests[r->n_digests], sizeof r->digests[0]) == 0)
			r->n_digests++;
	}
	return r->n_digests > before ? 0
				     : why_set(why, -EBADMSG,
					       "no launch digest of 48 bytes as 'measure --json' "
					       "or 'digest --json' prints");
}

static MUST_USE int doc_add(struct refvalues *r, struct attest_blob b, const struct jwk_set *keys,
	const struct attest_inputs *in, struct why *why)
{
	const struct jws_trust trust = { .keys = keys, .at = in->at };
	struct snp_report report;
	struct corim *c = r->n < LIMIT_CORIM_FILES ? calloc(1, sizeof *c) : NULL;

	if (c == NULL)
		return why_set(why, r->n < LIMIT_CORIM_FILES ? -ENOMEM : -EMSGSIZE,
			"more than %u files of reference values", LIMIT_CORIM_FILES);
	r->docs[r->n++] = c;
	int err = corim_parse(b.p, b.len, &trust, c, why);
	if (err == 0)
		err = corim_check_time(c, in->at, why);
	if (err == 0 && c->kind == CORIM_EVIDENCE)
		err = why_set(why, -EBADMSG, "evidence, and no reference values");
	if (err == 0 && keys->n > 0 && !c->is_verified)
		err = why_set(
			why, -EKEYREJECTED, "nobody signed it, and --keys says who must have");
	if (err < 0)
		return err;
	bool is_snp = attest_parse_snp(in->evidence, &report, NULL) == 0;
	r->n_digests += corim_snp_digests(c, is_snp ? report.chip_id : NULL,
		&r->digests[r->n_digests], LIMIT_CORIM_DIGESTS - r->n_digests);
	return 0;
}

int cmd_refvalues_load(struct refvalues *r, const struct opt_list *files,
	const struct opt_list *keys, struct attest_inputs *in, struct why *why)
{
	static struct jwk_set set; /* large; one thread, one call */
	int err = keys_load(keys, &set, why);

	for (size_t i = 0; i < in->n_digests && i < LIMIT_CORIM_DIGESTS; i++)
		memcpy(r->digests[r->n_digests++], in->digests[i], sizeof r->digests[0]);
	for (size_t i = 0; i < files->n && err == 0; i++) {
		err = cmd_files_add(&r->files, files->at[i], LIMIT_EVIDENCE_BYTES, why);
		if (err < 0)
			break;
		struct attest_blob b = r->files.at[r->files.n - 1];
		if (r->n_digests == LIMIT_CORIM_DIGESTS)
			err = why_set(
				why, -EMSGSIZE, "more than %u launch digests", LIMIT_CORIM_DIGESTS);
		else if (b.len > 0 && b.p[0] != '{')
			err = doc_add(r, b, &set, in, why);
		else if (set.n > 0)
			err = why_set(why, -EKEYREJECTED,
				"nobody signed it, and --keys says who must have");
		else
			err = measure_digest(b, r, why);
		if (err < 0)
			err = why_prefix(why, err, "%s", files->at[i]);
	}
	jwk_set_done(&set);
	in->digests = (const uint8_t(*)[48])r->digests;
	in->n_digests = r->n_digests;
	return err;
}

void cmd_refvalues_appraise(
	const struct refvalues *r, const struct attest_inputs *in, struct verdict *v)
{
	struct attest_blob b = in->evidence;
	struct snp_report report;
	/* A certificate with a report in it is none. */
	bool is_snp = v->kind == EVIDENCE_SNP && attest_parse_snp(b, &report, NULL) == 0;
	size_t n_compared = 0;

	if (b.len == SNP_RESPONSE_HEADER + SNP_REPORT_BYTES)
		b.p += SNP_RESPONSE_HEADER;
	for (size_t i = 0; i < r->n; i++) {
		size_t n_left = r->docs[i]->n;
		if (is_snp)
			n_compared += corim_snp_appraise(r->docs[i], b.p, v, &n_left);
		for (size_t t = 0; t < CORIM_TRIPLES; t++)
			n_left += r->docs[i]->n_unsupported[t];
		n_left += r->docs[i]->n_other_tags;
		if (n_left > 0)
			log_warn("reference values of %s: %zu are not compared ('refvalues show' "
				 "lists them)",
				r->docs[i]->id, n_left);
	}
	/* Who gives reference values wants them to count. */
	if (n_compared == 0 && v->rows[ROW_MEASUREMENT].status == VERDICT_NONE)
		verdict_set(v, ROW_MEASUREMENT, VERDICT_CONTRAINDICATED, "a reference value", "",
			"none of the reference values that were given is for this evidence");
	verdict_close(v, in->required_rows);
}

/* --- refvalues show ---------------------------------------------------------------------------- */

static MUST_USE int doc_show(const struct corim *c, bool as_json, struct wr *w, struct why *why)
{
	if (!as_json)
		return corim_print_text(c, w, why);
	json_open(w, NULL, '{');
	json_text(w, "schema", SCHEMA);
	int err = corim_print_json(c, w, why);
	json_close(w, '}');
	return err;
}

static MUST_USE int measure_show(struct attest_blob b, bool as_json, struct wr *w, struct why *why)
{
	static struct refvalues r; /* large; one thread, one call */
	int err = measure_digest(b, &r, why);

	if (err < 0)
		return err;
	if (as_json) {
		json_open(w, NULL, '{');
		json_text(w, "schema", SCHEMA);
		json_text(w, "kind", "measure");
		json_open(w, "launch_digests", '[');
	}
	for (size_t i = 0; i < r.n_digests; i++) {
		if (as_json) {
			json_hex(w, NULL, r.digests[i], sizeof r.digests[i]);
			continue;
		}
		wr_str(w, "launch digest ");
		wr_hex(w, r.digests[i], sizeof r.digests[i]);
		wr_str(w, "\n");
	}
	if (as_json) {
		json_close(w, ']');
		json_close(w, '}');
	}
	return 0;
}

struct show_args {
	const char *at;
	struct opt_list keys;
	bool as_json;
};

static int show(const char *path, const struct show_args *a)
{
	static struct corim doc; /* large; one thread, one call */
	static struct jwk_set keys;
	AUTO(cmd_files) struct cmd_files file = { 0 };
	struct jws_trust trust = { .keys = &keys, .at = time(NULL) };
	struct why why = { 0 };
	struct wr w = { 0 };
	int err = a->at == NULL ? 0 : cmd_parse_time(a->at, &trust.at, &why);

	if (err < 0)
		return cmd_fail(EXIT_USAGE, err, &why);
	err = keys_load(&a->keys, &keys, &why);
	if (err == 0)
		err = cmd_files_add(&file, path, LIMIT_EVIDENCE_BYTES, &why);
	if (err == 0)
		err = cmd_text_open(&w, &why);
	if (err == 0 && file.at[0].len > 0 && file.at[0].p[0] == '{') {
		err = measure_show(file.at[0], a->as_json, &w, &why);
	} else if (err == 0) {
		err = corim_parse(file.at[0].p, file.at[0].len, &trust, &doc, &why);
		if (err == 0)
			err = doc_show(&doc, a->as_json, &w, &why);
		if (err == 0 && keys.n > 0)
			err = doc.is_verified ? corim_check_time(&doc, trust.at, &why)
					      : why_set(&why, -EKEYREJECTED, "nobody signed it");
	}
	jwk_set_done(&keys);
	bool is_no = err == -EKEYREJECTED || err == -ESTALE;
	if (err < 0)
		(void)why_prefix(&why, err, "%s", path);
	int status = err < 0 ? cmd_fail(is_no ? EXIT_NO : EXIT_INPUT, err, &why)
			     : cmd_print(&w, EXIT_YES);
	free(w.buf);
	return status;
}

int cmd_refvalues(int argc, char **argv)
{
	struct show_args a = { 0 };
	const struct opt options[] = {
		{ "keys", OPT_LIST, &a.keys, "FILE", "JWK set or PEM: who must have signed it" },
		{ "at", OPT_TEXT, &a.at, "TIME", "judge validity at this time instead of now" },
		{ "json", OPT_FLAG, &a.as_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate attest refvalues show FILE [OPTION]...",
		"Reference values: a CoRIM, a CoMID, or what 'casemate measure --json' printed.",
		options, 2, 2 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	if (strcmp(args[0], "show") != 0) {
		(void)why_set(&why, -EINVAL, "refvalues: '%.40s' is not show", args[0]);
		return cmd_fail(EXIT_USAGE, -EINVAL, &why);
	}
	return show(args[1], &a);
}
