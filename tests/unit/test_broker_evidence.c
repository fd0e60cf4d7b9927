/*
 * The broker's judge on evidence that is no SEV-SNP report: a TDX platform made here, real evidence of
 * an Azure machine where it lies beside the source tree; and the store's key in a PKCS#11 token.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "attest/broker/broker_judge.h"
#include "attest/broker/kbs_json.h"
#include "base/b64.h"
#include "base/fd.h"
#include "base/wr.h"
#include "tests/unit/cm.h"
#include "tests/unit/tdx_maker.h"

#define VECTORS SOURCE_ROOT "/../shared/vectors/"
#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"
#define COMMON                                                                                     \
	"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},\"boot\":{\"kernel\":{"       \
	"\"file\":\"k\"},\"cmdline\":\"\"},\"machine\":{\"vcpus\":1,\"memory_mib\":128},"          \
	"\"devices\":{}}"

static char folder[64];
static struct store store = STORE_NONE;
static struct judge judge;
static struct tdx_maker maker;
static uint8_t report_data[64];

static MUST_USE int policy_put(const char *text, const uint8_t *digest, uint8_t ret_hash[32])
{
	uint8_t digests[1][STORE_DIGEST_BYTES] = { 0 };
	const struct store_put put = { "", "a/b", 1, (const uint8_t(*)[STORE_DIGEST_BYTES])digests,
		digest != NULL, NULL };

	if (digest != NULL)
		memcpy(digests[0], digest, STORE_DIGEST_BYTES);
	return store_write_policy(&store, text, strlen(text), &put, ret_hash, NULL);
}

static int judged(
	int64_t now, size_t data_len, const uint8_t *policy_hash, struct proof *proof, char *line)
{
	const struct judge_question q = { .report_data = report_data,
		.report_data_len = data_len,
		.now = now,
		.policy_hash = policy_hash };
	struct why why = { 0 };

	int err = judge_evidence(&judge, &store, &q, proof, &why);
	(void)snprintf(line, WHY_TEXT_MAX, "%s", why_text(&why, err));
	return err;
}

/* --- TDX ------------------------------------------------------------------------------------------ */

static struct attest_blob document(const char *member, char *body)
{
	struct attest_blob b = tdx_maker_doc(member, body, maker.tcb_key);

	free(body);
	return b;
}

static void tdx_collateral_make(void)
{
	const struct tdx_maker_info right = tdx_maker_right();
	X509 *const signers[] = { maker.tcb, maker.root };
	const time_t from = TDX_NOW - TDX_DAY, to = TDX_NOW + 10 * TDX_DAY;
	const struct attest_blob all[] = {
		document("tcbInfo", tdx_maker_tcb_info(&right)),
		document("enclaveIdentity", tdx_maker_qe_identity(&right)),
		tdx_maker_pem(signers, 2),
		tdx_maker_crl("Intel SGX PCK Platform CA", maker.ca_key, NULL, from, to),
		tdx_maker_crl("Intel SGX Root CA", maker.root_key, NULL, from, to),
	};

	memcpy(judge.collateral.at, all, sizeof all);
	judge.collateral.n = ARRAY_LEN(all);
	judge.roots.at[0] = tdx_maker_der(maker.root);
	judge.roots.n = 1;
}

/* The quote as the protocol sends it. */
static MUST_USE int tdx_give(struct tdx_maker_quote *quote)
{
	static char text[B64_TEXT_LEN(16384) + 1];
	struct attest_blob b = tdx_maker_make(&maker, quote);
	struct wr w = wr_of(text, sizeof text);

	b64_print(&w, b.p, b.len);
	assert_int_equal(wr_end_str(&w), 0);
	free((void *)(uintptr_t)b.p);
	AUTO(kbs_json) json_t *j = json_pack("{s:s,s:n}", "quote", text, "cc_eventlog");
	return evidence_parse(j, TEE_TDX, &judge.evidence, NULL);
}

static struct tdx_maker_quote tdx_right(const uint8_t hash[32])
{
	struct tdx_maker_quote q = tdx_maker_td();

	memset(q.body.mrconfigid, 0, sizeof q.body.mrconfigid);
	memcpy(q.body.mrconfigid, hash, 32);
	memcpy(q.body.report_data, report_data, sizeof report_data);
	return q;
}

static void a_td_is_proven_by_its_quote(void **state)
{
	static const char text[] =
		"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":1,"
		"\"tee\":{\"type\":\"tdx\",\"simulated\":true,\"tdx\":{\"attributes\":{}}}," COMMON;
	uint8_t hash[32], mrtd[48];
	struct proof proof = { 0 };
	char line[WHY_TEXT_MAX];

	memcpy(mrtd, tdx_maker_td().body.mrtd, sizeof mrtd);
	assert_int_equal(policy_put(text, mrtd, hash), 0);
	struct tdx_maker_quote q = tdx_right(hash);
	assert_int_equal(tdx_give(&q), 0);
	if (judged(TDX_NOW, 64, NULL, &proof, line) != 0)
		fail_msg("%s", line);
	assert_true(judge.is_genuine && proof.is_tcb_met && proof.is_debug_off);
	assert_memory_equal(proof.policy_hash, hash, 32);
	assert_memory_equal(proof.launch_digest, mrtd, 48);

	/* each of these alone is a no */
	for (int i = 0; i < 6; i++) {
		struct tdx_maker_quote bad = tdx_right(hash);
		size_t n = judge.collateral.n;
		size_t n_roots = judge.roots.n;
		if (i == 0)
			bad.body.report_data[0] ^= 1;
		if (i == 1)
			bad.body.mrtd[0] ^= 1;
		if (i == 2)
			bad.body.mrconfigid[40] = 1; /* the hash, and something behind it */
		if (i == 3)
			bad.body.td_attributes.b[0] |= 1; /* debug */
		if (i == 4)
			judge.collateral.n = 0;
		if (i == 5)
			judge.roots.n = 0;
		assert_int_equal(tdx_give(&bad), 0);
		if (judged(TDX_NOW, 64, NULL, &proof, line) != -EACCES)
			fail_msg("%d was taken", i);
		judge.collateral.n = n;
		judge.roots.n = n_roots;
	}
}

static void evidence_of_one_kind_is_none_of_another(void **state)
{
	static const char text[] =
		"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":2,\"tee\":{\"type\":"
		"\"snp\",\"simulated\":true,\"snp\":{\"product\":[\"Milan\"],\"guest_policy\":{"
		"\"smt\":true}}}"
		"," COMMON;
	struct proof proof = { 0 };
	char line[WHY_TEXT_MAX];
	uint8_t hash[32];

	assert_int_equal(policy_put(text, tdx_maker_td().body.mrtd, hash), 0);
	struct tdx_maker_quote q = tdx_right(hash);
	assert_int_equal(tdx_give(&q), 0);
	assert_int_equal(judged(TDX_NOW, 64, NULL, &proof, line), -EACCES);
	if (strstr(line, "not for tdx guests") == NULL)
		fail_msg("%s", line);
}

static void malformed_evidence_is_refused(void **state)
{
	static const struct {
		enum broker_tee tee;
		const char *text;
	} rows[] = {
		{ TEE_TDX, "{}" },
		{ TEE_TDX, "{\"quote\":7}" },
		{ TEE_TDX, "{\"quote\":\"\"}" },
		{ TEE_TDX, "{\"quote\":\"a*b\"}" },
		{ TEE_TDX, "{\"quote\":\"AAAA\",\"cc_eventlog\":\"!\"}" },
		{ TEE_TDX, "{\"quote\":\"AAAA\",\"cc_eventlog\":7}" },
		{ TEE_TPM, "[]" },
		{ TEE_AZ_SNP, "\"x\"" },
		{ TEE_SNP, "{}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(kbs_json) json_t *j = json_loads(rows[i].text, JSON_DECODE_ANY, NULL);
		if (evidence_parse(j, rows[i].tee, &judge.evidence, NULL) != -EBADMSG)
			fail_msg("taken: %s", rows[i].text);
	}
	AUTO(kbs_json) json_t *j = json_pack("{s:s}", "quote", "AAAA");
	struct proof proof = { 0 };
	char line[WHY_TEXT_MAX];
	assert_int_equal(evidence_parse(j, TEE_TDX, &judge.evidence, NULL), 0);
	assert_int_equal(judged(TDX_NOW, 64, NULL, &proof, line), -EBADMSG);
	assert_int_equal(evidence_parse(j, TEE_TPM, &judge.evidence, NULL), 0);
	assert_int_equal(judged(TDX_NOW, 64, NULL, &proof, line), -EACCES); /* no policy named */
}

static void init_data_has_the_published_digest(void **state)
{
	static const char *const bad[] = { "", "algorithm = sha384", "algorithm = \"md5\"",
		"algorithm = \"sha384", "[x]\nalgorithm = \"sha384\"", "xalgorithm = \"sha384\"",
		"{\"algorithm\": 7}", "{\"algorithm\": \"none\"}" };
	uint8_t digest[64], again[64];
	uint8_t *toml = NULL, *want = NULL;
	size_t toml_len = 0, want_len = 0;
	char hex[2 * 48 + 1];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (initdata_digest(bad[i], strlen(bad[i]), digest, NULL) >= 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(initdata_digest("{\"algorithm\":\"sha-256\"}", 23, digest, NULL), 0);
	assert_int_equal(initdata_digest("algorithm='sha256'\n", 19, again, NULL), 0);
	assert_int_equal(digest[32], 0);
	if (access(VECTORS "docs/kbs-synthetic/initdata.toml", R_OK) < 0)
		skip();
	assert_int_equal(fd_read_path(VECTORS "docs/kbs-synthetic/initdata.toml", 65536, &toml,
				 &toml_len, NULL),
		0);
	assert_int_equal(fd_read_path(VECTORS "docs/kbs-synthetic/initdata.expected.json", 65536,
				 &want, &want_len, NULL),
		0);
	assert_int_equal(initdata_digest(toml, toml_len, digest, NULL), 0);
	wr_hex_str(hex, sizeof hex, digest, 48);
	AUTO(kbs_json) json_t *j = json_loadb((char *)want, want_len, 0, NULL);
	assert_string_equal(hex, json_string_value(json_object_get(j, "sha384")));
	assert_memory_equal(hex, json_string_value(json_object_get(j, "snp_host_data")), 64);
	free(toml);
	free(want);
}

/* --- a virtual TPM, really ------------------------------------------------------------------------ */

#define AZURE      VECTORS "tpm/azure-snp-genoa/"
#define AZURE_TIME 1767225600 /* 2026-01-01: between the VCEK's dates */
#define PCR4       "d8353e5595ec7b44e41e157e7135d370cab44c2280a751542b00af454485d4e9"

static const uint8_t azure_data[48] = { 0x02, 0x18, 0x48, 0x8b, 0xae, 0x25, 0xd2, 0x50, 0x92, 0x32,
	0xbf, 0x67, 0x6f, 0x1a, 0x66, 0xa3, 0x0d, 0x73, 0x72, 0xad, 0xd9, 0x09, 0x10, 0x9b, 0x36,
	0x01, 0x6e, 0xf1, 0x36, 0xf2, 0x93, 0x8c, 0xa0, 0x54, 0x75, 0xf8, 0xb4, 0x60, 0x94, 0xde,
	0x6b, 0x64, 0x27, 0x0e, 0xa3, 0x5d, 0x95, 0x0f };
static const uint8_t azure_digest[48] = { 0xf5, 0x7d, 0xc0, 0x9a, 0x50, 0x7c, 0x6e, 0xcd, 0x82,
	0x36, 0x9b, 0xff, 0xb6, 0x00, 0xf0, 0x00, 0x37, 0x92, 0xf4, 0xd9, 0x9b, 0xc2, 0x6e, 0x98,
	0x5e, 0xc0, 0xc2, 0x66, 0xfc, 0x34, 0xfa, 0xf3, 0x70, 0x6f, 0xaf, 0x81, 0x4c, 0x9e, 0x61,
	0x06, 0x57, 0x68, 0xa6, 0xff, 0x91, 0x7c, 0x89, 0xae };

static void azure_policy(unsigned int serial, const char *pcr4, uint8_t ret_hash[32])
{
	char text[2048];

	(void)snprintf(text, sizeof text,
		"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":%u,\"tee\":{"
		"\"type\":\"snp\",\"snp\":{\"product\":[\"Genoa\"],\"guest_policy\":{"
		"\"abi_minor\":31,\"smt\":true}},\"tpm\":{\"pcrs\":[{\"index\":4,\"sha256\":"
		"[\"%s\"]}]}}," COMMON,
		serial, pcr4);
	assert_int_equal(policy_put(text, azure_digest, ret_hash), 0);
}

static void a_virtual_tpm_is_proven_by_the_report_behind_it(void **state)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	uint8_t hash[32], other[32];
	struct proof proof = { 0 };
	char line[WHY_TEXT_MAX];

	if (access(AZURE "evidence.json", R_OK) < 0)
		skip();
	assert_int_equal(fd_read_path(AZURE "evidence.json", 1 << 20, &bytes, &len, NULL), 0);
	AUTO(kbs_json) json_t *j = json_loadb((char *)bytes, len, 0, NULL);
	assert_int_equal(evidence_parse(j, TEE_AZ_SNP, &judge.evidence, NULL), 0);
	free(bytes);
	memset(report_data, 0, sizeof report_data);
	memcpy(report_data, azure_data, sizeof azure_data);
	azure_policy(11, PCR4, hash);
	int err = judged(AZURE_TIME, 48, hash, &proof, line);
	if (err != 0)
		fail_msg("%s", line);
	assert_memory_equal(proof.launch_digest, azure_digest, 48);
	assert_memory_not_equal(proof.boot_id, (uint8_t[32]){ 0 }, 32);
	assert_int_equal(judged(AZURE_TIME, 48, NULL, &proof, line), -EACCES);
	report_data[0] ^= 1;
	assert_int_equal(judged(AZURE_TIME, 48, hash, &proof, line), -EACCES);
	assert_non_null(strstr(line, "report"));
	report_data[0] ^= 1;
	azure_policy(13, "00353e5595ec7b44e41e157e7135d370cab44c2280a751542b00af454485d4e9", other);
	assert_int_equal(judged(AZURE_TIME, 48, other, &proof, line), -EACCES);
	/* the same bytes as another kind */
	judge.evidence.tee = TEE_TPM;
	assert_int_equal(judged(AZURE_TIME, 48, hash, &proof, line), -EACCES);
	judge.evidence.tee = TEE_AZ_TDX;
	assert_int_equal(judged(AZURE_TIME, 48, hash, &proof, line), -EACCES);
}

#define AZURE_TDX      VECTORS "tpm/azure-tdx-v1/"
#define AZURE_TDX_TCB  VECTORS "tdx/v4-dstack-00806f/collateral/"
#define AZURE_TDX_TIME 1761350400 /* 2025-10-25, between the collateral's dates */
#define AZURE_TDX_PCR0 "782b20b10f55cc46e2142cc2145d548698073e5beb82752c8d7f9279f0d8a273"

static struct attest_blob file_read(const char *folder_path, const char *name)
{
	char path[512];
	uint8_t *bytes = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof path, "%s%s", folder_path, name);
	assert_int_equal(fd_read_path(path, 1 << 20, &bytes, &len, NULL), 0);
	return (struct attest_blob){ bytes, len };
}

static int azure_td_judged(
	unsigned int serial, const uint8_t mrtd[48], struct proof *proof, char *line)
{
	char text[2048];
	uint8_t hash[32];

	(void)snprintf(text, sizeof text,
		"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":%u,\"tee\":{"
		"\"type\":\"tdx\",\"tdx\":{\"attributes\":{},\"tcb\":{\"accept\":["
		"\"OutOfDate\"]}},\"tpm\":{\"pcrs\":[{\"index\":0,\"sha256\":[\"" AZURE_TDX_PCR0
		"\"]}]}}," COMMON,
		serial);
	assert_int_equal(policy_put(text, mrtd, hash), 0);
	return judged(AZURE_TDX_TIME, 9, hash, proof, line);
}

static void a_td_with_a_virtual_tpm_is_known_by_its_digest(void **state)
{
	static const char *const names[] = { "tcb_info.json", "qe_identity.json",
		"tcb_signing_chain.pem", "pck_crl.der", "root_ca_crl.der" };
	struct blobs ours = judge.collateral;
	struct proof proof = { 0 };
	char line[WHY_TEXT_MAX];
	uint8_t mrtd[48];

	if (access(AZURE_TDX "evidence.json", R_OK) < 0)
		skip();
	struct attest_blob b = file_read(AZURE_TDX, "evidence.json");
	AUTO(kbs_json) json_t *j = json_loadb((const char *)b.p, b.len, 0, NULL);
	free((void *)(uintptr_t)b.p);
	assert_int_equal(evidence_parse(j, TEE_AZ_TDX, &judge.evidence, NULL), 0);
	b = file_read(AZURE_TDX, "td_quote.bin");
	memcpy(mrtd, b.p + 48 + 136, sizeof mrtd);
	free((void *)(uintptr_t)b.p);
	judge.collateral = (struct blobs){ .n = ARRAY_LEN(names) };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		judge.collateral.at[i] = file_read(AZURE_TDX_TCB, names[i]);
	memset(report_data, 0, sizeof report_data);
	memcpy(report_data, "challenge", 9);
	if (azure_td_judged(31, mrtd, &proof, line) != 0)
		fail_msg("%s", line);
	assert_memory_equal(proof.launch_digest, mrtd, sizeof mrtd);
	assert_memory_not_equal(proof.boot_id, (uint8_t[32]){ 0 }, 32);
	mrtd[47] ^= 1;
	assert_int_equal(azure_td_judged(32, mrtd, &proof, line), -EACCES);
	assert_memory_equal(proof.launch_digest, (uint8_t[48]){ 0 }, 48); /* nothing was proven */
	blobs_done(&judge.collateral);
	judge.collateral = ours;
}

/* --- a TPM outside a TEE --------------------------------------------------------------------------- */

#define AGENT_JSON                                                                                 \
	SOURCE_ROOT "/tests/fuzz/corpus/tpm_attest/agent_json" /* made for 64 bytes 0xD1 */
#define AK   "724a1de9d39443c43314f5e1f25fe352b03521442613da8c756beffd30978a2f"
#define PCR1 "1111111111111111111111111111111111111111111111111111111111111111"
#define PCRS "\"pcrs\":[{\"index\":1,\"sha256\":[\"" PCR1 "\"]}]"

static int tpm_judged(unsigned int serial, const char *tpm, struct proof *proof, char *line)
{
	char text[1024];
	uint8_t hash[32];

	(void)snprintf(text, sizeof text,
		"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":%u,\"tee\":{"
		"\"type\":\"none\",\"tpm\":{%s}}," COMMON,
		serial, tpm);
	assert_int_equal(policy_put(text, NULL, hash), 0);
	return judged(AZURE_TIME, 64, hash, proof, line);
}

static void a_tpm_is_proven_by_a_key_that_the_policy_names(void **state)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	struct proof proof = { 0 };
	char line[WHY_TEXT_MAX];

	assert_int_equal(fd_read_path(AGENT_JSON, 65536, &bytes, &len, NULL), 0);
	AUTO(kbs_json) json_t *j = json_loadb((char *)bytes, len, 0, NULL);
	free(bytes);
	assert_int_equal(evidence_parse(j, TEE_TPM, &judge.evidence, NULL), 0);
	memset(report_data, 0xD1, sizeof report_data);
	if (tpm_judged(21, PCRS ",\"aks\":[\"" AK "\"]", &proof, line) != 0)
		fail_msg("%s", line);
	assert_int_equal(judge.verdict.trust, TRUST_HOST);
	assert_false(proof.is_tcb_met);
	assert_memory_not_equal(proof.boot_id, (uint8_t[32]){ 0 }, 32);
	assert_int_equal(tpm_judged(22, PCRS, &proof, line), -EACCES);
	assert_non_null(strstr(line, "names no key"));
	assert_int_equal(tpm_judged(23, PCRS ",\"aks\":[\"" PCR1 "\"]", &proof, line), -EACCES);
	assert_non_null(strstr(line, "chain"));
	report_data[63] ^= 1;
	assert_int_equal(tpm_judged(24, PCRS ",\"aks\":[\"" AK "\"]", &proof, line), -EACCES);
	assert_non_null(strstr(line, "report"));
}

/* --- the store's key in a token ------------------------------------------------------------------- */

static int shell(const char *format)
{
	char command[1024];

	(void)snprintf(command, sizeof command, "%s >/dev/null 2>&1", format);
	return system(command);
}

static void the_stores_key_may_be_in_a_token(void **state)
{
	char conf[128], pin[128], path[128], text[256];
	struct kek kek = {
		.module = SOFTHSM, .token = "casemate", .label = "store", .pin_file = pin
	};
	AUTO(store) struct store s = STORE_NONE;
	AUTO(secret) struct secret secret = { 0 };
	AUTO(secret) struct secret got = { 0 };
	struct kbs_path where;
	struct why why = { 0 };

	if (access(SOFTHSM, R_OK) < 0)
		skip();
	(void)snprintf(conf, sizeof conf, "%s/softhsm.conf", folder);
	(void)snprintf(pin, sizeof pin, "%s/pin", folder);
	(void)snprintf(path, sizeof path, "%s/keyed", folder);
	(void)snprintf(text, sizeof text, "directories.tokendir = %s\n", folder);
	assert_int_equal(fd_replace_file(AT_FDCWD, conf, text, strlen(text), 0600, NULL), 0);
	assert_int_equal(fd_replace_file(AT_FDCWD, pin, "1234\n", 5, 0600, NULL), 0);
	(void)setenv("SOFTHSM2_CONF", conf, 1);
	if (shell("softhsm2-util --init-token --free --label casemate --pin 1234 --so-pin 5678") !=
			0 ||
		shell("pkcs11-tool --module " SOFTHSM " --token-label casemate --login --pin 1234 "
		      "--keygen --key-type AES:32 --label store") != 0)
		skip();
	if (store_open(path, &kek, &s, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(kbs_path_parse("a/b/c", &where, NULL), 0);
	assert_int_equal(secret_init_copy(&secret, "x-secret", 8), 0);
	assert_int_equal(store_write_secret(&s, "", &where, &secret, NULL), 0);
	store_close(&s);
	assert_int_equal(store_find(path, &kek, &s, &why), 0);
	assert_int_equal(store_read_secret(&s, "", &where, &got, NULL), 0);
	assert_memory_equal(got.p, "x-secret", 8);
	store_close(&s);

	/* no token, no key, no PIN, another key: each says so */
	static const struct {
		const char *token, *label, *pin, *says;
	} rows[] = {
		{ "nobody", "store", "1234", "no token labelled" },
		{ "casemate", "nothing", "1234", "no AES key" },
		{ "casemate", "store", "9999", "PIN" },
		{ "casemate", "other", "1234", "not the one" },
	};
	assert_int_equal(shell("pkcs11-tool --module " SOFTHSM " --token-label casemate --login "
			       "--pin 1234 --keygen --key-type AES:32 --label other"),
		0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct why no = { 0 };
		kek.token = rows[i].token;
		kek.label = rows[i].label;
		assert_int_equal(fd_replace_file(AT_FDCWD, pin, rows[i].pin, 4, 0600, NULL), 0);
		assert_true(store_find(path, &kek, &s, &no) < 0);
		if (strstr(no.text, rows[i].says) == NULL)
			fail_msg("want \"%s\" in \"%s\"", rows[i].says, no.text);
	}
	kek.module = "/nonexistent.so";
	assert_true(store_find(path, &kek, &s, NULL) < 0);
	assert_int_equal(store_find(path, NULL, &s, NULL), -EIO);
}

/* --- and in a TPM: swtpm, its socket behind a terminal that stands for the device ------------------ */

/* Commands one way, answers the other, until either side ends; in a process of its own. */
static _Noreturn void relay_run(int terminal, int tpm)
{
	struct pollfd p[] = { { terminal, POLLIN, 0 }, { tpm, POLLIN, 0 } };
	char buf[4096];

	while (poll(p, 2, -1) > 0)
		for (size_t i = 0; i < 2; i++) {
			ssize_t n = p[i].revents != 0 ? read(p[i].fd, buf, sizeof buf) : 0;
			if (p[i].revents != 0 &&
				(n <= 0 || write(p[1 - i].fd, buf, (size_t)n) != n))
				_exit(0);
		}
	_exit(0);
}

struct soft_tpm {
	pid_t tpm, relay;
	char device[64];
};

static int tpm_start(struct soft_tpm *t, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char state[128], server[160];
	struct termios raw;
	int terminal = -1, slave = -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(state, sizeof state, "dir=%s/%s", folder, name);
	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s.sock", folder, name);
	(void)snprintf(server, sizeof server, "type=unixio,path=%s", sa.sun_path);
	assert_int_equal(mkdir(state + strlen("dir="), 0700), 0);
	t->tpm = fork();
	if (t->tpm == 0) {
		(void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server",
			server, "--flags", "not-need-init,startup-clear", (char *)NULL);
		_exit(126);
	}
	for (int i = 0; i < 200 && connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0; i++)
		(void)usleep(20000);
	assert_int_equal(openpty(&terminal, &slave, t->device, NULL, NULL), 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	t->relay = fork();
	if (t->relay == 0)
		relay_run(terminal, fd);
	(void)close(terminal);
	(void)close(fd);
	return slave; /* kept open: a terminal without a user forgets its settings */
}

static void tpm_stop(struct soft_tpm *t, int slave)
{
	(void)kill(t->relay, SIGKILL);
	(void)kill(t->tpm, SIGKILL);
	(void)waitpid(t->relay, NULL, 0);
	(void)waitpid(t->tpm, NULL, 0);
	(void)close(slave);
}

static void the_stores_key_may_be_sealed_by_a_tpm(void **state)
{
	struct soft_tpm t = { 0 }, other = { 0 };
	struct kek kek = { .tpm = t.device }, wrong = { .tpm = other.device };
	AUTO(store) struct store s = STORE_NONE;
	AUTO(secret) struct secret secret = { 0 };
	AUTO(secret) struct secret got = { 0 };
	struct kbs_path where;
	struct why why = { 0 };
	char path[128];

	if (system("command -v swtpm >/dev/null") != 0)
		skip();
	int a = tpm_start(&t, "tpm"), b = tpm_start(&other, "tpm2");
	(void)snprintf(path, sizeof path, "%s/tpm-keyed", folder);
	if (store_open(path, &kek, &s, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(kbs_path_parse("a/b/c", &where, NULL), 0);
	assert_int_equal(secret_init_copy(&secret, "x-secret", 8), 0);
	assert_int_equal(store_write_secret(&s, "", &where, &secret, NULL), 0);
	store_close(&s);
	if (store_find(path, &kek, &s, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(store_read_secret(&s, "", &where, &got, NULL), 0);
	assert_memory_equal(got.p, "x-secret", 8);
	store_close(&s);
	assert_int_equal(store_find(path, &wrong, &s, &why), -EIO);
	if (strstr(why.text, "not of this TPM") == NULL)
		fail_msg("%s", why.text);
	wrong.tpm = "/dev/null";
	assert_int_equal(store_find(path, &wrong, &s, NULL), -EIO);
	wrong.tpm = "/nonexistent";
	assert_int_equal(store_find(path, &wrong, &s, NULL), -EIO);
	tpm_stop(&t, a);
	tpm_stop(&other, b);
}

static int setup(void **state)
{
	tdx_maker_init(&maker);
	tdx_collateral_make();
	memset(report_data, 0xA5, sizeof report_data);
	(void)snprintf(folder, sizeof folder, "/tmp/casemate-test-XXXXXX");
	return mkdtemp(folder) == NULL || store_open(folder, NULL, &store, NULL) < 0;
}

static int teardown(void **state)
{
	char command[128];

	blobs_done(&judge.collateral);
	blobs_done(&judge.roots);
	tdx_maker_done(&maker);
	store_close(&store);
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_td_is_proven_by_its_quote),
		cmocka_unit_test(evidence_of_one_kind_is_none_of_another),
		cmocka_unit_test(malformed_evidence_is_refused),
		cmocka_unit_test(init_data_has_the_published_digest),
		cmocka_unit_test(a_virtual_tpm_is_proven_by_the_report_behind_it),
		cmocka_unit_test(a_td_with_a_virtual_tpm_is_known_by_its_digest),
		cmocka_unit_test(a_tpm_is_proven_by_a_key_that_the_policy_names),
		cmocka_unit_test(the_stores_key_may_be_in_a_token),
		cmocka_unit_test(the_stores_key_may_be_sealed_by_a_tpm),
	};

	kbs_json_init();
	return cmocka_run_group_tests(tests, setup, teardown);
}
