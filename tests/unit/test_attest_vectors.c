/*
 * Real reports of AMD machines, and made-up ones with one thing wrong each, judged as their list
 * says. The folder is the argument; the test is skipped when it is not there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/digest_snp.h"
#include "attest/endorse/endorse_item.h"
#include "attest/evidence.h"
#include "base/fd.h"

#define AT_2026 1790000000 /* 2026-09-21 */
#define AT_2025 1750000000 /* 2025-06-15 */

#define NO_ROW  ROW_COUNT

enum want { ACCEPT, WARN, REJECT, REFUSE /* no verdict: not evidence */ };

struct row {
	const char *report, *leaf, *extra; /* extra: intermediate, CRL or NULL */
	const char *root;                  /* NULL: only the pinned ones */
	enum want want;
	enum verdict_row_id worst; /* the row that has to say so */
	time_t at;
};

#define G "synthetic-genoa/"
#define T "synthetic-turin/"
#define GENOA(report, leaf, want, row)                                                             \
	{                                                                                          \
		G report, G leaf, G "ask.der", G "ark.der", want, row, AT_2026                     \
	}
#define TURIN(report, leaf, want, row)                                                             \
	{                                                                                          \
		T report, T leaf, T "ask.der", T "ark.der", want, row, AT_2026                     \
	}
#define REAL(folder, leaf, want, row)                                                              \
	{                                                                                          \
		folder "/report.bin", folder "/" leaf, NULL, NULL, want, row, AT_2026              \
	}
#define BAD2(report, want, row)                                                                    \
	{                                                                                          \
		"bad/milan-v2-" report, "milan-v2-vcek/vcek.der", NULL, NULL, want, row, AT_2026   \
	}
#define BAD5(report, want, row)                                                                    \
	{                                                                                          \
		"bad/milan-v5-" report, "milan-v5-vcek-gcp/vcek.der", NULL, NULL, want, row,       \
			AT_2026                                                                    \
	}

static const struct row rows[] = {
	REAL("genoa-v3-vcek-azure", "vcek.der", ACCEPT, NO_ROW),
	REAL("genoa-v3-vcek-ms", "vcek.der", ACCEPT, NO_ROW),
	REAL("genoa-v5-vcek-family19-modelA0", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-tsm-certtable", "certs.bin", ACCEPT, NO_ROW),
	REAL("milan-v2-azure-aci", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v2-vcek", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v2-vcek-authorkey", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v2-vcek-debugpolicy", "vcek.der", WARN, ROW_DEBUG),
	REAL("milan-v3-vcek-aci-20250617", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v3-vcek-dstack", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v3-vcek-oak-cb", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v3-wrongtcb", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v3-wrongtcb", "vcek-older-tcb.der", REJECT, ROW_TCB),
	REAL("milan-v5-vcek-gcp", "vcek.der", ACCEPT, NO_ROW),
	REAL("turin-v5-vcek-ms", "vcek.der", ACCEPT, NO_ROW),
	REAL("milan-v3-vlek-aws-vmpl1", "vlek.der", REJECT, ROW_CHAIN), /* expired 2025-12-10 */
	{ "milan-v3-vlek-aws-vmpl1/report.bin", "milan-v3-vlek-aws-vmpl1/vlek.der", NULL, NULL,
		ACCEPT, NO_ROW, AT_2025 },
	{ "milan-v2-no-vcek-azure/report.bin", NULL, NULL, NULL, REJECT, ROW_CHAIN, AT_2026 },
	/* a CRL of its time affirms, of another time warns */
	{ "milan-v2-vcek/report.bin", "milan-v2-vcek/vcek.der",
		"amd-certs/crl_ark_milan_2022-05-09.crl", NULL, WARN, ROW_REVOCATION, AT_2026 },
	{ "milan-v2-vcek-debugpolicy/report.bin", "milan-v2-vcek-debugpolicy/vcek.der",
		"amd-certs/crl_ark_milan_2022-05-09.crl", NULL, WARN, ROW_DEBUG, 1670000000 },

	BAD2("bitflip-measurement.bin", REJECT, ROW_SIGNATURE),
	BAD2("bitflip-reportdata.bin", REJECT, ROW_SIGNATURE),
	BAD2("bitflip-sig-r.bin", REJECT, ROW_SIGNATURE),
	BAD2("bitflip-sig-s.bin", REJECT, ROW_SIGNATURE),
	BAD2("sig-bigendian.bin", REJECT, ROW_SIGNATURE),
	BAD2("sig-zero.bin", REJECT, ROW_SIGNATURE),
	BAD2("sigpad-r-nonzero.bin", REJECT, ROW_SIGNATURE),
	BAD2("sigpad-tail-nonzero.bin", REJECT, ROW_SIGNATURE),
	BAD2("truncated-1183.bin", REFUSE, NO_ROW),
	BAD2("truncated-672.bin", REFUSE, NO_ROW),
	BAD2("version-9.bin", REFUSE, NO_ROW),
	BAD5("bitflip-measurement.bin", REJECT, ROW_SIGNATURE),
	BAD5("bitflip-reportdata.bin", REJECT, ROW_SIGNATURE),
	BAD5("bitflip-sig-r.bin", REJECT, ROW_SIGNATURE),
	BAD5("bitflip-sig-s.bin", REJECT, ROW_SIGNATURE),
	BAD5("sig-bigendian.bin", REJECT, ROW_SIGNATURE),
	BAD5("sig-zero.bin", REJECT, ROW_SIGNATURE),
	BAD5("sigpad-r-nonzero.bin", REJECT, ROW_SIGNATURE),
	BAD5("sigpad-tail-nonzero.bin", REJECT, ROW_SIGNATURE),
	BAD5("truncated-1183.bin", REFUSE, NO_ROW),
	BAD5("truncated-672.bin", REFUSE, NO_ROW),
	BAD5("version-9.bin", REFUSE, NO_ROW),
	{ "milan-v2-vcek/report.bin", "bad/milan-v2-vcek-bitflip-sig.der", NULL, NULL, REJECT,
		ROW_CHAIN, AT_2026 },
	{ "milan-v2-vcek/report.bin", "bad/milan-v2-vcek-hwid-changed.der", NULL, NULL, REJECT,
		ROW_CHIP_ID, AT_2026 },
	{ "milan-v2-vcek/report.bin", "bad/trustee-vcek-invalid-legacy.der", NULL, NULL, REJECT,
		ROW_CHAIN, AT_2026 },

	GENOA("report-good.bin", "vcek.der", ACCEPT, NO_ROW),
	GENOA("report-debug.bin", "vcek.der", WARN, ROW_DEBUG),
	GENOA("report-hwid-mismatch.bin", "vcek.der", REJECT, ROW_CHIP_ID),
	GENOA("report-maskchip.bin", "vcek.der", ACCEPT, NO_ROW),
	GENOA("report-otherkey.bin", "vcek.der", REJECT, ROW_SIGNATURE),
	GENOA("report-tcb-mismatch.bin", "vcek.der", REJECT, ROW_TCB),
	GENOA("report-vlek-masked.bin", "vcek.der", REJECT, ROW_CHAIN),
	GENOA("report-vmpl3.bin", "vcek.der", ACCEPT, NO_ROW),
	GENOA("report-good.bin", "vcek-expired.der", REJECT, ROW_CHAIN),
	GENOA("report-good.bin", "vcek-hwid-and-csp.der", REJECT, ROW_CHAIN),
	GENOA("report-good.bin", "vcek-hwid-octetstring.der", ACCEPT, NO_ROW),
	GENOA("report-good.bin", "vcek-lower-tcb.der", REJECT, ROW_TCB),
	GENOA("report-good.bin", "vcek-no-hwid.der", REJECT, ROW_CHAIN),
	GENOA("report-good.bin", "vcek-wrong-issuer.der", REJECT, ROW_CHAIN),
	GENOA("report-good.bin", "certs-overflow.bin", REJECT, ROW_CHAIN),
	GENOA("report-good.bin", "certs-offset-in-header.bin", REJECT, ROW_CHAIN),
	GENOA("report-good.bin", "certs-no-terminator.bin", REJECT, ROW_CHAIN),
	{ G "report-good.bin", G "certs.bin", NULL, G "ark.der", ACCEPT, NO_ROW, AT_2026 },
	{ G "report-good.bin", G "certs.bin", NULL, NULL, REJECT, ROW_CHAIN, AT_2026 },
	{ G "report-good.bin", G "certs.bin", NULL, T "ark.der", REJECT, ROW_CHAIN, AT_2026 },
	{ G "report-good.bin", G "certs.bin", G "crl-ask-revoked.crl", G "ark.der", REJECT,
		ROW_REVOCATION, AT_2026 },
	{ G "report-good.bin", G "certs.bin", G "crl-empty.crl", G "ark.der", ACCEPT, NO_ROW,
		AT_2026 },
	{ G "report-vlek-masked.bin", G "vlek.der", G "asvk.der", G "ark.der", ACCEPT, NO_ROW,
		AT_2026 },

	TURIN("report-good.bin", "vcek.der", ACCEPT, NO_ROW),
	TURIN("report-debug.bin", "vcek.der", WARN, ROW_DEBUG),
	TURIN("report-bit17clear.bin", "vcek.der", REJECT, ROW_POLICY),
	TURIN("report-policy-reserved.bin", "vcek.der", REJECT, ROW_POLICY),
	TURIN("report-chipid-tail.bin", "vcek.der", REJECT, ROW_CHIP_ID),
	TURIN("report-hwid-mismatch.bin", "vcek.der", REJECT, ROW_CHIP_ID),
	TURIN("report-iommu-bit6.bin", "vcek.der", ACCEPT, NO_ROW),
	TURIN("report-keyinfo-vlek.bin", "vcek.der", REJECT, ROW_CHAIN),
	TURIN("report-maskchip.bin", "vcek.der", ACCEPT, NO_ROW),
	TURIN("report-milan-cpu.bin", "vcek.der", REJECT, ROW_PRODUCT),
	TURIN("report-otherkey.bin", "vcek.der", REJECT, ROW_SIGNATURE),
	TURIN("report-tcb-mismatch.bin", "vcek.der", REJECT, ROW_TCB),
	TURIN("report-version6.bin", "vcek.der", REFUSE, NO_ROW),
	TURIN("report-vmpl3.bin", "vcek.der", ACCEPT, NO_ROW),
	TURIN("report-good.bin", "vcek-expired.der", REJECT, ROW_CHAIN),
	TURIN("report-good.bin", "vcek-hwid-and-csp.der", REJECT, ROW_CHAIN),
	TURIN("report-good.bin", "vcek-hwid-octetstring.der", ACCEPT, NO_ROW),
	TURIN("report-good.bin", "vcek-lower-tcb.der", REJECT, ROW_TCB),
	TURIN("report-good.bin", "vcek-no-hwid.der", REJECT, ROW_CHAIN),
	TURIN("report-good.bin", "vcek-wrong-issuer.der", REJECT, ROW_CHAIN),
	TURIN("report-vlek-masked.bin", "vcek.der", REJECT, ROW_CHAIN),
	TURIN("report-good.bin", "certs-overflow.bin", REJECT, ROW_CHAIN),
	TURIN("report-good.bin", "certs-offset-in-header.bin", REJECT, ROW_CHAIN),
	TURIN("report-good.bin", "certs-no-terminator.bin", REJECT, ROW_CHAIN),
	{ T "report-good.bin", T "certs.bin", NULL, T "ark.der", ACCEPT, NO_ROW, AT_2026 },
	{ T "report-good.bin", T "certs.bin", NULL, NULL, REJECT, ROW_CHAIN, AT_2026 },
	{ T "report-good.bin", T "certs.bin", T "crl-empty.crl", T "ark.der", ACCEPT, NO_ROW,
		AT_2026 },
	{ T "report-good.bin", T "certs.bin", T "crl-ask-revoked.crl", T "ark.der", REJECT,
		ROW_REVOCATION, AT_2026 },
	{ T "report-vlek-masked.bin", T "vlek.der", T "asvk.der", T "ark.der", ACCEPT, NO_ROW,
		AT_2026 },
};

/* Certificates and CRLs by themselves, as the cache of endorsements judges them. */
static const struct {
	const char *file, *root;
	bool is_good;
} items[] = {
	{ "amd-certs/ark_genoa.der", NULL, true },
	{ "amd-certs/ark_milan.der", NULL, true },
	{ "amd-certs/ark_turin.der", NULL, true },
	{ "amd-certs/ask_genoa.der", NULL, true },
	{ "amd-certs/ask_genoa_old_revoked.der", NULL, false },
	{ "amd-certs/ask_milan.der", NULL, true },
	{ "amd-certs/ask_turin.der", NULL, true },
	{ "amd-certs/asvk_genoa.der", NULL, true },
	{ "amd-certs/asvk_milan.der", NULL, true },
	{ "amd-certs/asvk_turin.der", NULL, true },
	{ "amd-certs/crl_ark_genoa_2022-10-31.crl", NULL, true },
	{ "amd-certs/crl_ark_milan_2022-05-09.crl", NULL, true },
	{ "amd-certs/vcek_turin_no_report.der", NULL, true },
	{ "bad/milan-v2-vcek-bitflip-sig.der", NULL, false },
	{ "bad/milan-v2-vcek-hwid-changed.der", NULL, false },
	{ "bad/trustee-vcek-invalid-legacy.der", NULL, false },
	{ G "ark.der", NULL, false },
	{ G "ark.der", T "ark.der", false },
	{ G "ark.der", G "ark.der", true },
	{ G "ask.der", G "ark.der", true },
	{ G "asvk.der", G "ark.der", true },
	{ G "asvk.der", NULL, false },
	{ G "crl-empty.crl", G "ark.der", true },
	{ G "crl-empty.crl", T "ark.der", false },
	{ T "ark.der", NULL, false },
	{ T "ark.der", T "ark.der", true },
	{ T "ask.der", T "ark.der", true },
	{ T "asvk.der", T "ark.der", true },
	{ T "crl-ask-revoked.crl", T "ark.der", true },
};

/* VMSA pages as QEMU has them measured: EPYC-v4 (RDX), SEV_FEATURES 1, AP reset address. */
static const struct {
	const char *file;
	uint32_t reset;
} vmsas[] = {
	{ "launch/vmsa/sev_snp-qemu-EPYC-v4-features1-bsp.bin", 0xFFFFFFF0 },
	{ "launch/vmsa/sev_snp-qemu-EPYC-v4-features1-ap.bin", 0x0080B004 },
};
#define EPYC_V4_SIGNATURE 0x00800F12u

static const char *root;

static struct attest_blob file_load(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *p = NULL;
	size_t len = 0;

	if (name == NULL)
		return (struct attest_blob){ 0 };
	(void)snprintf(path, sizeof path, "%s/%s%s", root, folder, name);
	if (fd_read_path(path, 1u << 20, &p, &len, NULL) < 0) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	return (struct attest_blob){ p, len };
}

static void blob_free(struct attest_blob b)
{
	free((void *)(uintptr_t)b.p);
}

/* "" when the verdict is the wanted one, else what is wrong with it. */
static const char *fault_of(const struct row *r, int err, const struct verdict *v)
{
	static const enum verdict_status statuses[] = { [ACCEPT] = VERDICT_AFFIRMING,
		[WARN] = VERDICT_WARNING,
		[REJECT] = VERDICT_CONTRAINDICATED };

	if (r->want == REFUSE)
		return err == -EBADMSG || err == -EPROTONOSUPPORT
			       ? ""
			       : "was not refused as no evidence";
	if (err < 0)
		return "gave no verdict";
	if (v->overall != statuses[r->want])
		return "another verdict than wanted";
	if (r->worst != NO_ROW && v->rows[r->worst].status != statuses[r->want])
		return "another row than wanted";
	if (r->want == ACCEPT && v->trust != (r->root == NULL ? TRUST_HARDWARE : TRUST_SIMULATED))
		return "another trust class than wanted";
	return "";
}

static const char *row_check(const struct row *r, char *line, size_t size)
{
	static struct verdict v;
	struct attest_blob evidence = file_load("snp/", r->report);
	struct attest_blob certs[] = { file_load("snp/", r->leaf), file_load("snp/", r->extra) };
	struct attest_blob anchor = file_load("snp/", r->root);
	struct attest_inputs in = { .evidence = evidence,
		.certs = certs,
		.n_certs = 2,
		.roots = &anchor,
		.n_roots = r->root != NULL,
		.at = r->at };

	if (r->leaf == NULL)
		in.n_certs = 0;
	int err = attest_verify_snp(&in, &v, NULL);
	if (err == 0)
		verdict_print_line(&v, line, size);
	const char *fault = fault_of(r, err, &v);
	blob_free(evidence);
	blob_free(certs[0]);
	blob_free(certs[1]);
	blob_free(anchor);
	return fault;
}

static bool vmsa_check(size_t i)
{
	struct attest_blob want = file_load("", vmsas[i].file);
	struct vmsa v = vmsa_reset(vmsas[i].reset, 1);
	uint8_t page[PAGE_BYTES];

	v.rdx = EPYC_V4_SIGNATURE;
	vmsa_print(&v, page);
	bool ok = want.len == PAGE_BYTES && memcmp(want.p, page, PAGE_BYTES) == 0;
	blob_free(want);
	return ok;
}

static bool item_check(size_t i)
{
	AUTO(endorse_trust) struct endorse_trust trust = { 0 };
	struct attest_blob item = file_load("snp/", items[i].file);
	struct attest_blob anchor = file_load("snp/", items[i].root);
	struct endorse_item ret;
	int err = anchor.len == 0 ? 0 : endorse_trust_add_root(&trust, anchor.p, anchor.len, NULL);

	if (err == 0)
		err = endorse_judge(&trust, item.p, item.len, &ret, NULL);
	blob_free(item);
	blob_free(anchor);
	return items[i].is_good ? err == 0 && ret.is_hardware == (items[i].root == NULL)
				: err == -EKEYREJECTED;
}

/* Is this file of the list in a row above? */
static bool file_is_covered(const char *file)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const names[] = { rows[i].report, rows[i].leaf, rows[i].extra,
			rows[i].root };
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			if (names[k] != NULL && strcmp(names[k], file) == 0)
				return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		if (strcmp(items[i].file, file) == 0)
			return true;
	return false;
}

/* Every snp/ line of the collection's list, by its first column. */
static bool list_is_covered(void)
{
	struct attest_blob list = file_load("", "MANIFEST.tsv");
	char *text = (char *)(uintptr_t)list.p, *save = NULL;
	bool ok = true;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, "\t")] = '\0';
		if (strncmp(line, "snp/", 4) != 0 || file_is_covered(line + 4))
			continue;
		printf("# no row for %s\n", line);
		ok = false;
	}
	blob_free(list);
	return ok;
}

static size_t line_print(size_t number, bool ok, const char *what, const char *says)
{
	printf("%sok %zu - %s %s\n", ok ? "" : "not ", number, what, says);
	return !ok;
}

int main(int argc, char **argv)
{
	struct stat st;
	size_t n = ARRAY_LEN(rows), n_bad = 0;

	root = argc > 1 ? argv[1] : "";
	if (stat(root, &st) < 0) {
		printf("1..0 # SKIP no collection of real reports at '%s'\n", root);
		return 0;
	}
	printf("1..%zu\n", n + ARRAY_LEN(vmsas) + ARRAY_LEN(items) + 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char line[512] = "";
		const char *fault = row_check(&rows[i], line, sizeof line);
		printf("%sok %zu - %s with %s%s%s%s\n", fault[0] == '\0' ? "" : "not ", i + 1,
			rows[i].report, rows[i].leaf == NULL ? "nothing" : rows[i].leaf,
			rows[i].extra == NULL ? "" : " and ",
			rows[i].extra == NULL ? "" : rows[i].extra,
			rows[i].root == NULL ? "" : ", root given");
		if (fault[0] != '\0')
			printf("# %s (%s)\n", fault, line), n_bad++;
	}
	for (size_t i = 0; i < ARRAY_LEN(vmsas); i++)
		n_bad += line_print(++n, vmsa_check(i), vmsas[i].file, "is laid out the same");
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		n_bad += line_print(++n, item_check(i), items[i].file,
			items[i].is_good ? "is an endorsement" : "is refused");
	n_bad += line_print(++n, list_is_covered(), "snp/ of MANIFEST.tsv", "has a row for each");
	return n_bad > 0;
}
