#include "attest/endorse/endorse_need.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/tdx_pck.h"
#include "attest/tdx_quote.h"
#include "base/wr.h"

#define KDS      "https://kdsintf.amd.com"
#define PCS      "https://api.trustedservices.intel.com"
#define ROOT_CRL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

/* Only a quote that carries its PCK chain says whose it is (6.3). */
static MUST_USE int need_of_quote(
	struct attest_blob evidence, struct endorse_need *ret, struct why *why)
{
	AUTO(cert_store) struct cert_store s = { 0 };
	struct endorse_need n = { .kind = EVIDENCE_TDX };
	struct tdx_quote q;
	struct tdx_pck pck;
	char ca[CERT_NAME_MAX];

	int err = tdx_quote_parse(&q, evidence.p, evidence.len, why);
	if (err < 0)
		return err;
	while (q.cert_len > 0 && q.cert[q.cert_len - 1] == 0) /* a C string's end */
		q.cert_len--;
	err = cert_store_add(&s, q.cert, q.cert_len, why);
	for (size_t i = 0; i < s.n && err == 0; i++) {
		if (!tdx_pck_recognise(s.at[i]))
			continue;
		err = tdx_pck_parse(&pck, s.at[i], why);
		if (err < 0)
			return err;
		cert_issuer_cn(s.at[i], ca);
		memcpy(n.fmspc, pck.fmspc, sizeof n.fmspc);
		n.has_fmspc = true;
		n.is_processor_ca = strstr(ca, "Processor") != NULL;
		*ret = n;
		return 0;
	}
	return err < 0 ? err : why_set(why, -EBADMSG, "the quote holds no PCK certificate");
}

int endorse_need_of(struct attest_blob evidence, struct endorse_need *ret, struct why *why)
{
	static const uint8_t zero[SNP_CHIP_ID_BYTES];
	struct endorse_need n = { .kind = attest_recognise(evidence.p, evidence.len) };
	struct snp_report r;

	if (n.kind == EVIDENCE_TDX)
		return need_of_quote(evidence, ret, why);
	if (n.kind != EVIDENCE_SNP)
		return why_set(why, -EBADMSG, "want an SNP report or a TDX quote");
	int err = attest_parse_snp(evidence, &r, why);
	if (err < 0)
		return err;
	if (r.has_cpuid)
		n.product = snp_product_of_cpuid(r.cpuid_family, r.cpuid_model);
	n.is_vlek = r.signing_key == SNP_KEY_VLEK;
	n.has_hwid = !n.is_vlek && memcmp(r.chip_id, zero, sizeof zero) != 0;
	memcpy(n.hwid, r.chip_id, sizeof n.hwid);
	n.tcb = r.reported_tcb;
	if (r.has_cpuid && n.product == SNP_PRODUCT_UNKNOWN)
		return why_set(why, -EPROTONOSUPPORT,
			"the report's CPUID family 0x%x model 0x%x is no product we know",
			r.cpuid_family, r.cpuid_model);
	*ret = n;
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *const amd_files[] = { "ark", "ask", "asvk", "crl", "crl_vlek" };
static const char *const intel_cas[] = { "root_ca", "tcb_signing", "platform_ca", "processor_ca" };
/* What a platform of each CA needs. */
static const char *const intel_files[2][6] = {
	{ "root_ca.der", "tcb_signing.der", "platform_ca.der", "qe_identity.json",
		"root_ca_crl.der", "pck_crl_platform.der" },
	{ "root_ca.der", "tcb_signing.der", "processor_ca.der", "qe_identity.json",
		"root_ca_crl.der", "pck_crl_processor.der" },
};

#define AMD_CAS 3u

bool endorse_need_ca(size_t i, const char *realm, char ret[ENDORSE_NAME_MAX])
{
	size_t n_amd = (SNP_PRODUCT_COUNT - 1) * AMD_CAS;

	if (i < n_amd)
		(void)snprintf(ret, ENDORSE_NAME_MAX, "%ssnp/%s/%s.der", realm,
			snp_product_name((enum snp_product)(1 + i / AMD_CAS)),
			amd_files[i % AMD_CAS]);
	else if (i - n_amd < ARRAY_LEN(intel_cas))
		(void)snprintf(ret, ENDORSE_NAME_MAX, "%stdx/%s.der", realm, intel_cas[i - n_amd]);
	else
		return false;
	return true;
}

static void leaf_name(const struct endorse_need *n, enum snp_product product, const char *realm,
	char ret[ENDORSE_NAME_MAX])
{
	char hwid[2 * SNP_CHIP_ID_BYTES + 1], tcb[ENDORSE_TCB_MAX];

	wr_hex_str(hwid, sizeof hwid, n->hwid, endorse_hwid_len(product));
	endorse_tcb_print(product, n->tcb, tcb);
	(void)snprintf(ret, ENDORSE_NAME_MAX, "%ssnp/%s/%s/%s.der", realm,
		snp_product_name(product), n->is_vlek ? "vlek" : hwid, tcb);
}

static bool amd_name(
	const struct endorse_need *n, size_t i, const char *realm, char ret[ENDORSE_NAME_MAX])
{
	static const enum snp_product version_2[] = { SNP_PRODUCT_MILAN, SNP_PRODUCT_GENOA };
	bool is_known = n->product != SNP_PRODUCT_UNKNOWN;
	size_t per_product = 1 + ARRAY_LEN(amd_files), k = i / per_product;

	if (k >= (is_known ? 1 : ARRAY_LEN(version_2)))
		return false;
	enum snp_product product = is_known ? n->product : version_2[k];
	if (i % per_product == 0)
		leaf_name(n, product, realm, ret);
	else
		(void)snprintf(ret, ENDORSE_NAME_MAX, "%ssnp/%s/%s.der", realm,
			snp_product_name(product), amd_files[i % per_product - 1]);
	return true;
}

bool endorse_need_name(
	const struct endorse_need *n, size_t i, const char *realm, char ret[ENDORSE_NAME_MAX])
{
	char fmspc[13];

	if (n->kind == EVIDENCE_SNP)
		return amd_name(n, i, realm, ret);
	wr_hex_str(fmspc, sizeof fmspc, n->fmspc, sizeof n->fmspc);
	if (i < ARRAY_LEN(intel_files[0]))
		(void)snprintf(ret, ENDORSE_NAME_MAX, "%stdx/%s", realm,
			intel_files[n->is_processor_ca][i]);
	else if (i == ARRAY_LEN(intel_files[0]))
		(void)snprintf(ret, ENDORSE_NAME_MAX, "%stdx/%s/tcb_info.json", realm, fmspc);
	else
		return false;
	return true;
}

/* --- addresses -------------------------------------------------------------------------------- */

/* 2.5; from Turin on the FMC's number comes first. */
static void vcek_query(const struct endorse_need *n, char *ret, size_t size)
{
	struct tcb t = tcb_decode(n->product, n->tcb);
	char fmc[24] = "";

	if (t.has_fmc)
		(void)snprintf(fmc, sizeof fmc, "fmcSPL=%02u&", t.fmc);
	(void)snprintf(ret, size, "?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u", fmc,
		t.bootloader, t.tee, t.snp, t.microcode);
}

static bool amd_url(
	const struct endorse_need *n, size_t i, const char *base, struct endorse_url *ret)
{
	const char *product = snp_product_name(n->product), *path = n->is_vlek ? "vlek" : "vcek";
	char hwid[2 * SNP_CHIP_ID_BYTES + 1], query[96];

	if (i == 0) {
		ret->about = "certificate chain";
		(void)snprintf(
			ret->url, sizeof ret->url, "%s/%s/v1/%s/cert_chain", base, path, product);
	} else if (i == 1) {
		ret->about = "CRL";
		ret->hint = n->is_vlek ? "crl_vlek" : NULL;
		(void)snprintf(ret->url, sizeof ret->url, "%s/%s/v1/%s/crl", base, path, product);
	} else if (i == 2 && n->has_hwid) {
		ret->about = "VCEK";
		wr_hex_str(hwid, sizeof hwid, n->hwid, endorse_hwid_len(n->product));
		vcek_query(n, query, sizeof query);
		(void)snprintf(ret->url, sizeof ret->url, "%s/vcek/v1/%s/%s%s", base, product, hwid,
			query);
	} else
		return false;
	return true;
}

static bool intel_url(
	const struct endorse_need *n, size_t i, const char *from, struct endorse_url *ret)
{
	const char *base = from == NULL ? PCS : from;
	char fmspc[13];

	wr_hex_str(fmspc, sizeof fmspc, n->fmspc, sizeof n->fmspc);
	switch (i) {
	case 0:
		ret->about = "QE identity";
		ret->chain_header = "SGX-Enclave-Identity-Issuer-Chain";
		(void)snprintf(
			ret->url, sizeof ret->url, "%s/tdx/certification/v4/qe/identity", base);
		return true;
	case 1:
		ret->about = "PCK CRL";
		ret->chain_header = "SGX-PCK-CRL-Issuer-Chain";
		(void)snprintf(ret->url, sizeof ret->url,
			"%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der", base,
			n->is_processor_ca ? "processor" : "platform");
		return true;
	case 2:
		ret->about = "root CRL";
		(void)snprintf(ret->url, sizeof ret->url, "%s%s", from == NULL ? ROOT_CRL : from,
			from == NULL ? "" : "/sgx/certification/v4/rootcacrl");
		return true;
	case 3:
		ret->about = "TCB info";
		ret->chain_header = "TCB-Info-Issuer-Chain";
		(void)snprintf(ret->url, sizeof ret->url, "%s/tdx/certification/v4/tcb?fmspc=%s",
			base, fmspc);
		return n->has_fmspc;
	default:
		return false;
	}
}

bool endorse_need_url(
	const struct endorse_need *n, size_t i, const char *from, struct endorse_url *ret)
{
	*ret = (struct endorse_url){ 0 };
	return n->kind == EVIDENCE_SNP ? amd_url(n, i, from == NULL ? KDS : from, ret)
				       : intel_url(n, i, from, ret);
}
