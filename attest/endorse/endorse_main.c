/*
 * casemate-endorse: fetches endorsements into the cache; `casemate attest endorsements fetch` executes
 * it. The one program for evidence that touches a network; it judges nothing but what it stores.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/cmd.h"
#include "attest/endorse/endorse_bundle.h"
#include "attest/endorse/endorse_cmd.h"
#include "attest/endorse/endorse_fetch.h"
#include "attest/endorse/endorse_store.h"
#include "base/fd.h"
#include "base/log.h"

struct args {
	const char *evidence, *product, *hwid, *tcb, *fmspc, *ca;
	const char *cache, *from, *ca_file, *proxy, *timeout, *wait;
	struct opt_list roots;
};

/* --- what is wanted --------------------------------------------------------------------------- */

/* "bl04_tee00_snp24_ucode219", from Turin on with "_fmc01": as the cache spells it. */
static MUST_USE int tcb_parse(
	enum snp_product product, const char *text, uint64_t *ret, struct why *why)
{
	unsigned int bl, tee, snp, ucode, fmc = 0;
	int used = 0;
	bool has_fmc = tcb_decode(product, 0).has_fmc;

	int n = sscanf(text, "bl%3u_tee%3u_snp%3u_ucode%3u%n", &bl, &tee, &snp, &ucode, &used);
	if (n == 4 && has_fmc) {
		int more = 0;
		n = sscanf(text + used, "_fmc%3u%n", &fmc, &more) == 1 ? 4 : 0;
		used += more;
	}
	if (n != 4 || text[used] != '\0' || (bl | tee | snp | ucode | fmc) > 255)
		return why_set(why, -EINVAL, "--tcb: '%s' is not like %s", text,
			has_fmc ? "bl01_tee01_snp04_ucode81_fmc01" : "bl04_tee00_snp24_ucode219");
	*ret = has_fmc ? (uint64_t)fmc | bl << 8 | tee << 16 | (uint64_t)snp << 24
		       : (uint64_t)bl | tee << 8 | (uint64_t)snp << 48;
	*ret |= (uint64_t)ucode << 56;
	return 0;
}

static MUST_USE int amd_parse(const struct args *a, struct endorse_need *ret, struct why *why)
{
	struct endorse_need n = { .kind = EVIDENCE_SNP,
		.product = snp_product_parse(a->product, strlen(a->product)) };
	size_t len = endorse_hwid_len(n.product);

	if (n.product == SNP_PRODUCT_UNKNOWN)
		return why_set(why, -EINVAL, "--product: '%s' is not Milan, Genoa, Turin or Venice",
			a->product);
	if ((a->hwid == NULL) != (a->tcb == NULL))
		return why_set(why, -EINVAL, "--hwid and --tcb belong together");
	n.has_hwid = a->hwid != NULL;
	if (n.has_hwid && opts_parse_hex(a->hwid, n.hwid, len) < 0)
		return why_set(why, -EINVAL, "--hwid: want %zu hexadecimal digits for %s", 2 * len,
			a->product);
	int err = n.has_hwid ? tcb_parse(n.product, a->tcb, &n.tcb, why) : 0;
	if (err == 0)
		*ret = n;
	return err;
}

static MUST_USE int intel_parse(const struct args *a, struct endorse_need *ret, struct why *why)
{
	struct endorse_need n = { .kind = EVIDENCE_TDX, .has_fmspc = true };

	if (opts_parse_hex(a->fmspc, n.fmspc, sizeof n.fmspc) < 0)
		return why_set(why, -EINVAL, "--fmspc: want 12 hexadecimal digits");
	if (a->ca == NULL || (strcmp(a->ca, "platform") != 0 && strcmp(a->ca, "processor") != 0))
		return why_set(why, -EINVAL,
			"--ca platform or --ca processor is missing: the issuer of the PCK "
			"certificate");
	n.is_processor_ca = strcmp(a->ca, "processor") == 0;
	*ret = n;
	return 0;
}

static MUST_USE int usage_check(const struct args *a, struct endorse_fetch_options *ret_options,
	struct endorse_need *ret, struct why *why)
{
	unsigned long long timeout_s = 60, wait_s = 30;
	int n_given = (a->evidence != NULL) + (a->product != NULL) + (a->fmspc != NULL);
	int err = a->timeout == NULL
			  ? 0
			  : opts_parse_u64("--timeout", a->timeout, 1, 3600, &timeout_s, why);

	if (err == 0 && a->wait != NULL)
		err = opts_parse_u64("--wait", a->wait, 0, 86400, &wait_s, why);
	if (err == 0 && n_given != 1)
		err = why_set(why, -EINVAL,
			"want one of --evidence FILE, --product NAME, --fmspc HEX: what to fetch "
			"for");
	if (err == 0 && a->product != NULL)
		err = amd_parse(a, ret, why);
	if (err == 0 && a->fmspc != NULL)
		err = intel_parse(a, ret, why);
	*ret_options = (struct endorse_fetch_options){ .from = a->from,
		.ca_file = a->ca_file,
		.proxy = a->proxy,
		.timeout_s = (long)timeout_s,
		.wait_s = (long)wait_s };
	return err;
}

/* --- fetching --------------------------------------------------------------------------------- */

struct run {
	int fd; /* the cache */
	struct endorse_trust trust;
	struct endorse_fetch *fetch;
	const struct endorse_url *url;
	size_t n_stored, n_there;
};

static void run_auto(struct run *r)
{
	endorse_trust_done(&r->trust);
	endorse_fetch_close(r->fetch);
	fd_drop(&r->fd);
}

static int candidate_take(
	void *arg, const char *name, const uint8_t *buf, size_t len, struct why *why)
{
	struct run *r = arg;

	if (buf[0] == 0x30)
		endorse_trust_add_candidate(&r->trust, buf, len);
	return 0;
}

static int item_take(void *arg, const char *name, const uint8_t *buf, size_t len, struct why *why)
{
	struct run *r = arg;
	struct endorse_item item;
	enum endorse_outcome outcome = ENDORSE_SAME;
	char hint[ENDORSE_NAME_MAX] = "";

	/* The address says what the bytes do not: on which path this CRL is. */
	if (r->url->hint != NULL && endorse_judge(&r->trust, buf, len, &item, NULL) == 0 &&
		item.kind == ENDORSE_CRL)
		(void)snprintf(
			hint, sizeof hint, "%.*s_vlek.der", (int)strlen(item.name) - 4, item.name);
	int err = endorse_store_put(r->fd, &r->trust, hint, buf, len, &item, &outcome, why);
	if (err < 0)
		return err == -EBADMSG ? why_set(why, -EKEYREJECTED, "refused") : err;
	r->n_stored += outcome == ENDORSE_STORED;
	r->n_there += outcome != ENDORSE_STORED;
	log_info("%s %s: %s, %s", outcome == ENDORSE_STORED ? "stored" : "already there", item.name,
		endorse_kind_name(item.kind), item.about);
	return 0;
}

static MUST_USE int answer_take(struct run *r, struct endorse_answer *a, struct why *why)
{
	const uint8_t *chain = (const uint8_t *)a->chain;
	size_t chain_len = a->chain == NULL ? 0 : strlen(a->chain);
	int err = 0;

	for (int pass = 0; pass < 2 && err == 0; pass++) {
		endorse_take_fn take = pass == 0 ? candidate_take : item_take;
		if (chain_len > 0)
			err = endorse_split(chain, chain_len, take, r, why);
		if (err == 0)
			err = endorse_split(a->body, a->len, take, r, why);
	}
	return err == -EBADMSG || err == -EKEYREJECTED || err == -EMSGSIZE
		       ? why_prefix(why, err, "%s: the answer is not stored", r->url->url)
		       : err;
}

static MUST_USE int url_fetch(struct run *r, const struct endorse_url *url, struct why *why)
{
	AUTO(endorse_answer) struct endorse_answer a = { 0 };

	r->url = url;
	if (isatty(STDERR_FILENO) == 1)
		log_info("fetching the %s: %s", url->about, url->url);
	int err = endorse_fetch_get(r->fetch, url, &a, why);
	return err < 0 ? err : answer_take(r, &a, why);
}

/* What only this platform needs, first of AMD's names, last of Intel's: its VCEK, its TCB info. */
static bool own_is_there(const struct run *r, const struct endorse_need *n)
{
	char name[ENDORSE_NAME_MAX], realm[ENDORSE_REALM_MAX] = "";
	bool is_there = false;
	size_t at = 0;

	while (n->kind == EVIDENCE_TDX && endorse_need_name(n, at + 1, realm, name))
		at++;

	for (size_t i = 0; i <= r->trust.roots.n && !is_there; i++) {
		struct endorse_item item;
		uint8_t *p = NULL;
		size_t len = 0;
		if (i > 0 && endorse_realm(r->trust.roots.at[i - 1], realm) < 0)
			continue;
		is_there = endorse_need_name(n, at, realm, name) &&
			   endorse_store_get(r->fd, &r->trust, name, &p, &len, &item, NULL) == 0;
		free(p);
	}
	return is_there;
}

static MUST_USE int need_fetch(
	struct run *r, const struct endorse_need *need, const char *from, struct why *why)
{
	struct endorse_need n = *need;
	struct endorse_url url;
	int err = 0;

	/* A VCEK never changes, and its service counts requests (2.5). */
	if (n.has_hwid && own_is_there(r, &n)) {
		log_info("the VCEK is in the cache and does not change");
		n.has_hwid = false;
	}
	for (size_t i = 0; err == 0 && endorse_need_url(&n, i, from, &url); i++)
		err = url_fetch(r, &url, why);
	if (err == 0 && (need->has_hwid || need->has_fmspc) && !own_is_there(r, need))
		err = why_set(why, -EKEYREJECTED,
			"the service answered with another platform's %s: what is needed is not in "
			"the cache",
			need->kind == EVIDENCE_SNP ? "VCEK" : "TCB info");
	return err;
}

/* A version 2 report does not say which of two products made it (1.4). */
static MUST_USE int products_fetch(
	struct run *r, struct endorse_need *need, const char *from, struct why *why)
{
	struct why first = { 0 };

	if (need->kind != EVIDENCE_SNP || need->product != SNP_PRODUCT_UNKNOWN)
		return need_fetch(r, need, from, why);
	need->product = SNP_PRODUCT_MILAN;
	int err = need_fetch(r, need, from, &first);
	if (err != -ENOENT)
		return err < 0 ? why_set(why, err, "%s", first.text) : 0;
	need->product = SNP_PRODUCT_GENOA;
	return need_fetch(r, need, from, why);
}

static MUST_USE int run_open(const struct args *a, const struct endorse_fetch_options *o,
	struct endorse_need *need, struct run *r, struct why *why)
{
	AUTO(cmd_files) struct cmd_files f = { 0 };
	char path[PATH_MAX];
	int err = endorse_cache_path(a->cache, path, sizeof path, why);

	if (err == 0 && a->evidence != NULL)
		err = cmd_files_add(&f, a->evidence, LIMIT_EVIDENCE_BYTES, why);
	if (err == 0 && a->evidence != NULL) {
		err = endorse_need_of(f.at[0], need, why);
		if (err < 0)
			return why_prefix(why, err, "%s", a->evidence);
	}
	for (size_t i = 0; i < a->roots.n && err == 0; i++) {
		err = cmd_files_add(&f, a->roots.at[i], LIMIT_CERT_BLOB_BYTES, why);
		if (err == 0)
			err = endorse_trust_add_root(
				&r->trust, f.at[f.n - 1].p, f.at[f.n - 1].len, why);
	}
	if (err == 0)
		err = endorse_store_open(path, true, &r->fd, why);
	if (err == 0)
		err = endorse_fetch_open(o, &r->fetch, why);
	if (err == 0)
		endorse_store_load_cas(r->fd, &r->trust);
	return err;
}

static int args_run(const struct args *a)
{
	AUTO(run) struct run r = { .fd = -1 };
	struct endorse_fetch_options o;
	struct endorse_need need = { 0 };
	struct why why = { 0 };
	int err = usage_check(a, &o, &need, &why);

	if (err < 0)
		return cmd_fail(EXIT_USAGE, err, &why);
	err = run_open(a, &o, &need, &r, &why);
	if (err < 0)
		return cmd_fail(err == -EINVAL   ? EXIT_USAGE
				: err == -ENOMEM ? EXIT_OURS
						 : EXIT_INPUT,
			err, &why);
	if (need.kind == EVIDENCE_SNP && !need.has_hwid && need.product == SNP_PRODUCT_UNKNOWN)
		need.product =
			SNP_PRODUCT_MILAN; /* version 2, masked: before there was a Genoa VLEK */
	endorse_store_lock(r.fd);          /* before: two of us would ask for the same twice */
	err = products_fetch(&r, &need, a->from, &why);
	if (err < 0)
		return cmd_fail(err == -EHOSTUNREACH            ? EXIT_MACHINE
				: err == -ENOMEM || err == -EIO ? EXIT_OURS
								: EXIT_NO,
			err, &why);
	log_info("%zu stored, %zu were there", r.n_stored, r.n_there);
	return EXIT_YES;
}

int main(int argc, char **argv)
{
	struct args a = { 0 };
	const struct opt options[] = {
		{ "evidence", OPT_TEXT, &a.evidence, "FILE", "for this SNP report or TDX quote" },
		{ "product", OPT_TEXT, &a.product, "NAME",
			"SNP: Milan, Genoa, Turin; chain and CRL" },
		{ "hwid", OPT_TEXT, &a.hwid, "HEX", "SNP: and the VCEK of this chip" },
		{ "tcb", OPT_TEXT, &a.tcb, "LEVELS", "SNP: at bl04_tee00_snp24_ucode219" },
		{ "fmspc", OPT_TEXT, &a.fmspc, "HEX", "TDX: collateral of this platform" },
		{ "ca", OPT_TEXT, &a.ca, "WHICH", "TDX: platform or processor, the PCK's issuer" },
		{ "from", OPT_TEXT, &a.from, "URL", "a mirror instead of the vendors" },
		{ "cache", OPT_TEXT, &a.cache, "DIR", ENDORSE_CACHE_HELP },
		{ "root", OPT_LIST, &a.roots, "FILE", "an extra trust root" },
		{ "cacert", OPT_TEXT, &a.ca_file, "FILE",
			"PEM: who signed the mirror's certificate" },
		{ "proxy", OPT_TEXT, &a.proxy, "URL", "go through this proxy; otherwise none" },
		{ "timeout", OPT_TEXT, &a.timeout, "SECONDS", "of one request, 60" },
		{ "wait", OPT_TEXT, &a.wait, "SECONDS", "pauses the service may ask for, 30" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate attest endorsements fetch [OPTION]...",
		ENDORSE_FETCH_ABOUT, options, 0, 0 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	log_set_name(ENDORSE_PROGRAM);
	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return opts_end(err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why));
	return opts_end(args_run(&a));
}
