/* The policy reader: what it accepts, and every way of refusing, with its place in the file. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "policy/diff.h"
#include "policy/explain.h"
#include "policy/fmt.h"
#include "policy/lint.h"
#include "policy/policy_priv.h"
#include "policy/schema.h"
#include "tests/unit/cm.h"

#define PAYMENTS    SOURCE_ROOT "/policy/examples/payments.policy.jsonc"
#define DEVELOPMENT SOURCE_ROOT "/policy/examples/development.policy.jsonc"
#define IMAGING     SOURCE_ROOT "/policy/examples/imaging.policy.jsonc"
#define PAYROLL     SOURCE_ROOT "/policy/examples/payroll.policy.jsonc"
#define GENOMICS    SOURCE_ROOT "/policy/examples/genomics.policy.jsonc"
#define NOW         1795478400 /* 2026-11-24T00:00:00Z */

static struct policy policy;
static struct wire_plan plan;
static char text[LIMIT_POLICY_BYTES + 64];

/* A small valid policy; %s stands where the cases put things. */
#define SMALL_HEAD "{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":1,\n"
#define SMALL_TAIL                                                                                 \
	"\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\"},\n"                               \
	"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\n"                                          \
	"\"devices\":{}}\n"
#define TEE_NONE "\"tee\":{\"type\":\"none\"},\n"
#define TEE_SNP(more)                                                                              \
	"\"tee\":{\"type\":\"snp\",\"snp\":{\"product\":[\"Genoa\"],\"guest_policy\":{\"smt\":"    \
	"true}" more "}},\n"                                                                       \
	"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},\n"

static int parse(const char *s, struct why *why)
{
	why_clear(why);
	return policy_parse(s, strlen(s), "f", &policy, why);
}

static char *example_read(const char *path, size_t *ret_len)
{
	uint8_t *bytes = NULL;

	assert_int_equal(fd_read_path(path, LIMIT_POLICY_BYTES, &bytes, ret_len, NULL), 0);
	char *copy = malloc(*ret_len + 1);
	assert_non_null(copy);
	memcpy(copy, bytes, *ret_len);
	copy[*ret_len] = 0;
	free(bytes);
	return copy;
}

/* An example with the first `what` replaced by `with`. */
static const char *changed_in(const char *path, const char *what, const char *with)
{
	size_t len;
	char *example = example_read(path, &len);
	char *at = strstr(example, what);

	if (at == NULL)
		fail_msg("the example has no %s", what);
	(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - example), example, with,
		at + strlen(what));
	free(example);
	return text;
}

static const char *changed(const char *what, const char *with)
{
	return changed_in(PAYMENTS, what, with);
}

static void unhex(const char *hex, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &ret[i]), 1);
}

/* --- what is accepted ------------------------------------------------------------------------ */

static void parse_fills_in_every_section_of_the_example(void **state)
{
	struct why why = { 0 };

	assert_int_equal(policy_read(PAYMENTS, &policy, &why), 0);
	assert_string_equal(policy.name, "acme.payments/settlement");
	assert_int_equal(policy.serial, 1);
	assert_int_equal(
		policy.valid.not_before, 1793491200);         /* date -d 2026-11-01T00:00:00Z +%s */
	assert_int_equal(policy.valid.not_after, 1825027199); /* date -d 2027-10-31T23:59:59Z +%s */
	assert_false(policy.change.has_supersedes);
	assert_int_equal(policy.labels.env, POLICY_ENV_TEST);
	assert_int_equal(policy.labels.n_frameworks, 2);
	assert_string_equal(policy.labels.frameworks[1], "dora");
	assert_int_equal(policy.tee.type, POLICY_TEE_SNP);
	assert_true(policy.tee.simulated);
	assert_int_equal(policy.tee.snp.n_products, 1);
	assert_int_equal(policy.tee.snp.products[0], POLICY_PRODUCT_GENOA);
	assert_int_equal(
		policy.tee.snp.guest_policy_bits, 0x30137); /* ABI 1.55, SMT, must-be-one */
	assert_int_equal(policy.tee.snp.min_tcbs[0].tcb.microcode, 72);
	assert_int_equal(policy.tee.snp.platform_require, 0x24); /* ECC and alias check */
	assert_int_equal(policy.tee.snp.platform_forbid, 0);
	assert_true(policy.boot.kernel.has_sha384 && policy.boot.initrd.has_sha384);
	assert_int_equal(policy.devices.n_disks, 2);
	assert_int_equal(policy.devices.disks[0].integrity, POLICY_INTEGRITY_VERITY);
	assert_non_null(strstr(policy.boot.cmdline, "casemate.verity=3ad83d1a"));
	assert_int_equal(policy.devices.disks[0].verity.verity_root[1], 0xd8);
	assert_int_equal(policy.devices.disks[1].integrity, POLICY_INTEGRITY_LUKS2_AEAD);
	assert_string_equal(policy.devices.disks[1].key, "transactions-kek");
	assert_int_equal(policy.devices.vsock.ports[0].port, 7001);
	assert_int_equal(policy.keys[0].release.require, 0xf);
	assert_int_equal(policy.keys[0].release.max_age_s, 60);
	assert_true(policy.keys[0].release.once_per_boot);
	assert_ptr_equal(policy_find_key(&policy, "transactions-kek"), &policy.keys[0]);
	assert_null(policy_find_key(&policy, "other"));
	assert_string_equal(policy.audit.origin, "log.example/casemate/payments");
}

static void parse_fills_in_what_tdx_has_to_prove(void **state)
{
	const struct policy_tdx *t = &policy.tee.tdx;
	struct why why = { 0 };

	if (policy_read(IMAGING, &policy, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(policy.tee.type, POLICY_TEE_TDX);
	assert_true(policy.tee.has_tdx && !policy.tee.has_snp);
	assert_int_equal(t->attributes_require, POLICY_TD_SEPT_VE_DISABLE);
	assert_int_equal(t->attributes_forbid, POLICY_TD_DEBUG | POLICY_TD_MIGRATABLE |
						       POLICY_TD_PKS | POLICY_TD_KEY_LOCKER |
						       POLICY_TD_PERFMON);
	assert_true(t->has_xfam);
	assert_int_equal(t->xfam, 0x602e7);
	assert_int_equal(t->tcb.accept, 1u << POLICY_TDX_UP_TO_DATE);
	assert_true(t->tcb.has_grace);
	assert_int_equal(t->tcb.grace.status,
		1u << POLICY_TDX_OUT_OF_DATE | 1u << POLICY_TDX_CONFIGURATION_NEEDED);
	assert_int_equal(t->tcb.grace.days, 30);
	assert_int_equal(t->tcb.n_deny, 1);
	assert_string_equal(t->tcb.deny[0].id, "INTEL-SA-01234");
	assert_true(t->tcb.has_min_date);
	assert_int_equal(t->tcb.min_date, 1778716800); /* date -d 2026-05-14T00:00:00Z +%s */
	assert_int_equal(t->tcb.min_eval_number, 20);
	assert_int_equal(t->rtmr[0].n, 0);
	assert_int_equal(t->rtmr[1].n, 1);
	assert_int_equal(t->rtmr[1].at[0].sha384[0], 0x1f);
	assert_int_equal(t->rtmr[2].at[0].sha384[47], 0x92);
	assert_int_equal(t->n_piids, 2);
	assert_int_equal(t->piids[1].id[15], 0x5e);
	assert_int_equal(t->smt, POLICY_FORBID);
	assert_int_equal(t->cached_keys, POLICY_ANY);
	assert_int_equal(t->n_mrseam, 0);
	assert_true(policy.tee.endorsements.has_max_age && policy.tee.endorsements.require_crl);
	assert_int_equal(policy.tee.endorsements.max_age_days, 7);
	assert_int_equal(policy.boot.launch_digests[0].sha384[0], 0x91);
}

#define TEE(more)                                                                                  \
	SMALL_HEAD "\"tee\":{" more                                                                \
		   "},\n\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"              \
		   "\n" SMALL_TAIL
#define DIGEST_48                                                                                  \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"         \
	"28292a2b2c2d2e2f"
#define DIGEST_32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void parse_fills_in_everything_else_of_tee(void **state)
{
	struct why why = { 0 };

	if (parse(TEE("\"type\":\"tdx\",\"tdx\":{\"attributes\":{\"debug\":true,\"pks\":"
		      "\"require\"},"
		      "\"mrseam\":[\"" DIGEST_48 "\"],\"mrowner\":\"" DIGEST_48 "\","
		      "\"mrownerconfig\":\"sha384:" DIGEST_48 "\",\"cached_keys\":\"forbid\","
		      "\"dynamic_platform\":\"forbid\",\"rtmr\":{\"0\":[\"" DIGEST_48 "\"],"
		      "\"3\":[\"" DIGEST_48 "\"]}}"),
		    &why) < 0)
		fail_msg("%s", why.text);
	const struct policy_tdx *t = &policy.tee.tdx;
	assert_int_equal(t->attributes_require, POLICY_TD_PKS);
	assert_int_equal(t->attributes_forbid, POLICY_TD_MIGRATABLE); /* unless it is written */
	assert_int_equal(t->attributes.key_locker, POLICY_ANY);
	assert_int_equal(t->mrseam[0].sha384[47], 0x2f);
	assert_true(t->has_mrowner && t->has_mrownerconfig && !t->has_xfam);
	assert_int_equal(t->mrownerconfig[1], 1);
	assert_int_equal(t->rtmr[3].n, 1);
	assert_int_equal(t->tcb.accept, 0);
	if (parse(TEE("\"type\":\"sev-es\",\"sev\":{\"policy\":\"0x5\",\"api_major\":1,"
		      "\"api_minor\":51,\"build\":3},\"tpm\":{\"pcrs\":[{\"index\":0,\"sha256\":"
		      "[\"" DIGEST_32 "\"]},{\"index\":23,\"sha256\":[\"" DIGEST_32
		      "\",\"" DIGEST_32 "\"]}],\"aks\":[\"" DIGEST_32
		      "\"],\"secure_boot\":\"require\",\"event_log\":"
		      "true},\"endorsements\":{\"deny_chips\":[\"0011223344556677\","
		      "\"00112233445566778899aabbccddeeff\"],\"deny_digests\":[\"" DIGEST_48
		      "\"]}"),
		    &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(policy.tee.type, POLICY_TEE_SEV_ES);
	assert_int_equal(policy.tee.sev.policy, 5);
	assert_int_equal(policy.tee.sev.api_minor, 51);
	assert_int_equal(policy.tee.tpm.n_pcrs, 2);
	assert_int_equal(policy.tee.tpm.pcrs[1].index, 23);
	assert_int_equal(policy.tee.tpm.pcrs[1].n, 2);
	assert_int_equal(policy.tee.tpm.pcrs[1].at[1].sha256[31], 0x1f);
	assert_int_equal(policy.tee.tpm.aks[0].sha256[1], 1);
	assert_int_equal(policy.tee.tpm.secure_boot, POLICY_REQUIRE);
	assert_true(policy.tee.tpm.require_event_log);
	assert_int_equal(policy.tee.endorsements.n_deny_chips, 2);
	assert_int_equal(policy.tee.endorsements.deny_chips[1].id[15], 0xff);
	assert_int_equal(policy.tee.endorsements.deny_chips[1].id[16], 0);
	assert_int_equal(policy.tee.endorsements.deny_digests[0].sha384[2], 2);
	assert_false(policy.tee.endorsements.has_max_age || policy.tee.endorsements.require_crl);
	if (parse(SMALL_HEAD TEE_SNP(
			  ",\"id_keys\":[\"" DIGEST_48 "\"],\"min_guest_svn\":4,\"family_id\":"
			  "\"00112233445566778899aabbccddeeff\",\"min_firmware\":{\"major\":1,"
			  "\"minor\":55,\"build\":21},\"provisional\":\"forbid\",\"mitigations\":"
			  "\"0x3f\",\"csp_ids\":[\"Some Cloud\"]") SMALL_TAIL,
		    &why) < 0)
		fail_msg("%s", why.text);
	const struct policy_snp *s = &policy.tee.snp;
	assert_int_equal(s->n_id_keys, 1);
	assert_int_equal(s->min_guest_svn, 4);
	assert_true(s->has_family_id && !s->has_image_id);
	assert_int_equal(s->family_id[15], 0xff);
	assert_int_equal(s->min_minor, 55);
	assert_int_equal(s->min_build, 21);
	assert_int_equal(s->provisional, POLICY_FORBID);
	assert_int_equal(s->mitigations, 0x3f);
	assert_string_equal(s->csp_ids[0].id, "Some Cloud");
}

static void parse_takes_small_policies_and_keys_of_your_own(void **state)
{
	struct why why = { 0 };

	assert_int_equal(parse(SMALL_HEAD TEE_NONE SMALL_TAIL, &why), 0);
	assert_int_equal(policy.tee.type, POLICY_TEE_NONE);
	assert_int_equal(
		parse(SMALL_HEAD
			"\"x-owner\":{\"a\":[1,2,{}]}, // \"quoted\"\n" TEE_NONE SMALL_TAIL,
			&why),
		0);
	assert_int_equal(parse(SMALL_HEAD TEE_SNP("") SMALL_TAIL, &why), 0);
	assert_int_equal(policy.tee.snp.guest_policy_bits, 0x30000);
	assert_int_equal(policy.tee.snp.n_min_tcbs, 0);
}

static void comments_in_strings_are_text(void **state)
{
	struct why why = { 0 };

	assert_int_equal(
		parse(SMALL_HEAD
			"\"x-a\":\"a // b\", \"x-b\":\"\\\"//\", // c \"\n" TEE_NONE
			"\"boot\":{\"kernel\":{\"file\":\"a//b\"},\"cmdline\":\"a=http://x\"},\n"
			"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{}}",
			&why),
		0);
	assert_string_equal(policy.boot.kernel.file, "a//b");
	assert_string_equal(policy.boot.cmdline, "a=http://x");
}

static void defaults_are_the_documented_ones(void **state)
{
	struct why why = { 0 };
	const char *s = changed("\"max_age_s\": 60,", "");

	assert_int_equal(parse(s, &why), 0);
	assert_int_equal(policy.keys[0].release.max_age_s, 60);
	assert_int_equal(parse(changed("\"tcb_field\": \"committed\",", ""), &why), 0);
	assert_int_equal(policy.tee.snp.tcb_field, POLICY_TCB_COMMITTED);
	assert_int_equal(parse(SMALL_HEAD TEE_NONE SMALL_TAIL, &why), 0);
	assert_int_equal(policy.devices.console, POLICY_CONSOLE_NONE);
	assert_false(policy.devices.rng);
	assert_int_equal(policy.machine.hugepages, POLICY_HUGE_NO);
}

static void hash_is_sha256_of_the_bytes_as_written(void **state)
{
	uint8_t want[32], got[32];
	struct why why = { 0 };
	const char *s = SMALL_HEAD TEE_NONE SMALL_TAIL;
	const char *with_comment = "// c\n" SMALL_HEAD TEE_NONE SMALL_TAIL;

	/* FIPS 180-4, the example "abc". */
	unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want, 32);
	assert_int_equal(policy_hash("abc", 3, got), 0);
	assert_memory_equal(got, want, 32);
	assert_int_equal(parse(s, &why), 0);
	memcpy(got, policy.hash, 32);
	assert_int_equal(policy_hash(s, strlen(s), want), 0);
	assert_memory_equal(got, want, 32);
	assert_int_equal(parse(with_comment, &why), 0);
	assert_memory_not_equal(got, policy.hash, 32);
}

static void digests_chips_and_masks_are_read(void **state)
{
	struct why why = { 0 };
	char chips[1200], long_id[129], digest[97];

	memset(long_id, 'a', 128);
	memset(digest, '1', 96);
	long_id[128] = digest[96] = 0;
	(void)snprintf(chips, sizeof chips,
		SMALL_HEAD TEE_SNP(",\"chip_ids\":[\"%s\",\"00112233445566ff\"],\"vmsa_features\":"
				   "\"0x20\"") "\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":"
					       "\"\",\"launch_digest\":"
					       "[\"%s\",\"sha384:%s\"]},\"machine\":{\"vcpus\":1,"
					       "\"memory_mib\":128},\"devices\":{}}",
		long_id, digest, digest);
	if (parse(chips, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(policy.tee.snp.n_chips, 2);
	assert_int_equal(policy.tee.snp.chips[0].id[63], 0xaa);
	assert_int_equal(policy.tee.snp.chips[1].id[7], 0xff);
	assert_int_equal(policy.tee.snp.chips[1].id[8], 0);
	assert_int_equal(policy.tee.snp.vmsa_features, 0x20);
	assert_int_equal(policy.boot.n_launch_digests, 2);
	assert_memory_equal(
		policy.boot.launch_digests[0].sha384, policy.boot.launch_digests[1].sha384, 48);
}

static void id_block_must_fit_the_guest_policy(void **state)
{
	char block[193], s[2000];
	struct why why = { 0 };
	const char *auth = "01000000"
			   "00000000"
			   "0000000000000000000000000000000000000000000000000000000000000000"
			   "000000000000000000000000000000000000000000000000";

	memset(block, '0', 192);
	block[192] = 0;
	memcpy(block + 2 * 0x50, "01000000", 8);
	memcpy(block + 2 * 0x58, "0000030000000000", 16); /* 0x30000, little-endian */
	(void)snprintf(s, sizeof s,
		SMALL_HEAD TEE_SNP(",\"id_block\":{\"block\":\"%s\",\"auth\":"
				   "\"%s%s\"}") SMALL_TAIL,
		block, auth, "0000000000000000");
	if (parse(s, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(policy_plan(&policy, &plan, &why), 0);
	assert_int_equal(le32_get(plan.flags) & PLAN_ID_BLOCK, PLAN_ID_BLOCK);
	assert_int_equal(plan.id_block[0x50], 1);
	assert_int_equal(plan.id_auth[0], 1);
	s[strstr(s, "0000030000000000") - s + 4] = '1';
	assert_int_equal(parse(s, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "another guest_policy"));
}

/* --- what is refused: the error, the place, a word of the cause ------------------------------- */

struct bad {
	const char *text;
	int err;
	const char *place; /* how the message starts */
	const char *cause; /* what it contains */
};

static void bads_check(const struct bad *bads, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct why why = { 0 };
		int err = parse(bads[i].text, &why);
		if (err != bads[i].err ||
			strncmp(why.text, bads[i].place, strlen(bads[i].place)) != 0 ||
			strstr(why.text, bads[i].cause) == NULL)
			fail_msg("case %zu: %d \"%s\", want %d \"%s\" with \"%s\"", i, err,
				why.text, bads[i].err, bads[i].place, bads[i].cause);
	}
}

#define BADS_CHECK(bads) bads_check((bads), ARRAY_LEN(bads))

static void reader_refuses_text_that_is_not_the_profile(void **state)
{
	static const struct bad bads[] = {
		{ "", -EBADMSG, "f:1:1: ", "the file ends where '{' should be" },
		{ "[]", -EBADMSG, "f:1:1: ", "expected '{'" },
		{ "\xef\xbb\xbf{}", -EBADMSG, "f:1:1: ", "byte order mark" },
		{ "{\n\"a\": \"\xff\"}", -EBADMSG, "f:2:7: ", "0xff is not UTF-8" },
		{ "{\n\"a\": \"\xed\xa0\x80\"}", -EBADMSG, "f:2:7: ", "not UTF-8" },
		{ "{\n\"a\": \"\xc0\x80\"}", -EBADMSG, "f:2:7: ", "not UTF-8" },
		{ "{ // \xf5\n}", -EBADMSG, "f:1:6: ", "not UTF-8" },
		{ "{}\r\n", -EBADMSG, "f:1:3: ", "carriage return" },
		{ "{\x01}", -EBADMSG, "f:1:2: ", "control character 0x01" },
		{ "{} {}", -EBADMSG, "f:1:4: ", "nothing may follow" },
		{ "{\"a\": 1.5}", -EBADMSG, "f:1:7: ", "integers" },
		{ "{\"a\": 1e5}", -EBADMSG, "f:1:7: ", "integers" },
		{ "{\"a\": 0x10}", -EBADMSG, "f:1:7: ", "mask as a string" },
		{ "{\"a\": 01}", -EBADMSG, "f:1:7: ", "does not start with 0" },
		{ "{\"a\": 9223372036854775808}", -EBADMSG, "f:1:7: ", "at most 18 digits" },
		{ "{\"a\": -}", -EBADMSG, "f:1:8: ", "a digit" },
		{ "{\"a\": nul}", -EBADMSG, "f:1:7: ", "a value" },
		{ "{\"a\": 'b'}", -EBADMSG, "f:1:7: ", "found '''" },
		{ "{\"a\": 1,}", -EBADMSG, "f:1:9: ", "a comma before '}'" },
		{ "{\"a\": [1,]}", -EBADMSG, "f:1:10: ", "a comma before ']'" },
		{ "{\"a\": 1 \"b\": 2}", -EBADMSG, "f:1:9: ", "',' or '}'" },
		{ "{a: 1}", -EBADMSG, "f:1:2: ", "a key in quotes" },
		{ "{\"\": 1}", -EBADMSG, "f:1:2: ", "key is empty" },
		{ "{\"a\" 1}", -EBADMSG, "f:1:6: ", "':'" },
		{ "{\"a\": /* c */ 1}", -EBADMSG, "f:1:7: ", "comment starts with //" },
		{ "{\"a\": \"b\n\"}", -EBADMSG, "f:1:9: ", "must end on the line" },
		{ "{\"a\": \"b", -EBADMSG, "f:1:7: ", "has no end" },
		{ "{\"a\": \"b\\", -EBADMSG, "f:1:7: ", "has no end" },
		{ "{\"a\": \"\\q\"}", -EBADMSG, "f:1:", "escape" },
		{ "{\"a\": \"\\u0000\"}", -EBADMSG, "f:1:", "" },
		{ "{\"a\": \"\\ud800\"}", -EBADMSG, "f:1:", "" },
		{ "{\"\\u0061\": 1}", -EBADMSG, "f:1:3: ", "a key has no escapes" },
		{ "{", -EBADMSG, "f:1:2: ", "the file ends" },
	};

	BADS_CHECK(bads);
}

static void reader_refuses_what_is_too_big(void **state)
{
	struct why why = { 0 };
	size_t len = 0;

	memset(text, ' ', sizeof text);
	assert_int_equal(policy_parse(text, LIMIT_POLICY_BYTES + 1, "f", &policy, &why), -EMSGSIZE);
	len = (size_t)snprintf(text, sizeof text, "{\"x-a\":");
	for (unsigned int i = 0; i < LIMIT_POLICY_DEPTH; i++)
		text[len++] = '[';
	text[len] = 0;
	assert_int_equal(parse(text, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "f:1:23: more than 16 objects"));
	len = (size_t)snprintf(text, sizeof text, "{\"x-a\":[0");
	for (unsigned int i = 0; i < LIMIT_POLICY_MEMBERS; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, ",0");
	(void)snprintf(text + len, sizeof text - len, "]}");
	assert_int_equal(parse(text, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "more than 256 entries in one list"));
	len = (size_t)snprintf(text, sizeof text, "{\"x-a\":[0");
	for (unsigned int i = 0; i < 64; i++) {
		len += (size_t)snprintf(text + len, sizeof text - len, ",[0");
		for (unsigned int j = 0; j < 200; j++)
			len += (size_t)snprintf(text + len, sizeof text - len, ",0");
		len += (size_t)snprintf(text + len, sizeof text - len, "]");
	}
	(void)snprintf(text + len, sizeof text - len, "]}");
	assert_int_equal(parse(text, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "more than 8192 values"));
}

static void long_file_names_leave_room_for_the_cause(void **state)
{
	char name[1000];
	struct why why = { 0 };

	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	assert_int_equal(policy_parse("{}", 2, name, &policy, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "nnn:1:1: key \"schema\" is missing"));
	assert_memory_equal(why.text, "...nnn", 6);
}

static void reader_refuses_unknown_and_duplicate_keys_at_their_place(void **state)
{
	static const struct bad bads[] = {
		{ SMALL_HEAD "  \"oops\": 1, " TEE_NONE SMALL_TAIL, -EBADMSG,
			"f:2:3: ", "unknown key \"oops\"" },
		{ SMALL_HEAD "\"tee\":{\"type\":\"none\", \"kind\":1}," SMALL_TAIL, -EBADMSG,
			"f:2:23: ", "unknown key \"kind\"" },
		{ SMALL_HEAD "\"x\": 1," TEE_NONE SMALL_TAIL, -EBADMSG,
			"f:2:1: ", "unknown key \"x\"" },
		{ SMALL_HEAD TEE_NONE " \"serial\": 2,\n" SMALL_TAIL, -EBADMSG,
			"f:3:2: ", "duplicate key \"serial\", first at line 1" },
		{ "{\"x-a\":{\"b\":1,\n\"b\":1}}", -EBADMSG, "f:2:1: ", "duplicate key \"b\"" },
		{ SMALL_HEAD SMALL_TAIL, -EBADMSG, "f:1:1: ", "key \"tee\" is missing" },
		{ SMALL_HEAD "\"tee\":\n {}," SMALL_TAIL, -EBADMSG,
			"f:3:2: tee: ", "key \"type\" is missing" },
	};

	BADS_CHECK(bads);
}

static void reader_refuses_wrong_types_and_ranges_at_their_place(void **state)
{
	static const struct bad bads[] = {
		{ "{\"schema\":\"launch-policy/2\"}", -EBADMSG,
			"f:1:11: schema: ", "want \"launch-policy/1\"" },
		{ "{\"schema\":1}", -EBADMSG, "f:1:11: schema: ", "want a text, found a number" },
		{ "{\"schema\":null}", -EBADMSG, "f:1:11: schema: ", "found null" },
		{ "{\"name\":\"noslash\"}", -EBADMSG, "f:1:9: name: ", "namespace/id" },
		{ "{\"name\":\"A/b\"}", -EBADMSG, "f:1:9: name: ", "namespace/id" },
		{ "{\"name\":\"a/\"}", -ERANGE, "f:1:9: name: ", "bytes" },
		{ "{\"serial\":0}", -ERANGE, "f:1:11: serial: ", "0 is outside 1" },
		{ "{\"serial\":-1}", -ERANGE, "f:1:11: serial: ", "-1 is outside" },
		{ "{\"serial\":\"1\"}", -EBADMSG,
			"f:1:11: serial: ", "want a number, found a text" },
		{ "{\"valid\":[]}", -EBADMSG, "f:1:10: valid: ", "want an object, found a list" },
		{ "{\"valid\":{\"not_before\":\"2026-11-01\"}}", -EBADMSG,
			"f:1:24: valid.not_before: ", "want a time in UTC" },
		{ "{\"valid\":{\"not_before\":\"2026-11-01T00:00:00+01:00\"}}", -EBADMSG,
			"f:1:24: ", "want a time in UTC" },
		{ "{\"valid\":{\"not_before\":\"2026-02-29T00:00:00Z\"}}", -ERANGE,
			"f:1:24: ", "calendar" },
		{ "{\"valid\":{\"not_before\":\"2026-11-01T24:00:00Z\"}}", -ERANGE,
			"f:1:24: ", "calendar" },
		{ "{\"labels\":{\"env\":\"prd\"}}", -EBADMSG,
			"f:1:18: labels.env: ", "one of \"dev\", \"test\", \"staging\", \"prod\"" },
		{ "{\"labels\":{\"frameworks\":[\"a\",2]}}", -EBADMSG,
			"f:1:30: labels.frameworks[1]: ", "want a text" },
		{ "{\"change\":{\"summary\":\"a\\u0007\"}}", -EBADMSG,
			"f:1:22: change.summary: ", "control characters" },
		{ "{\"change\":{\"supersedes\":\"sha256:12\"}}", -EBADMSG,
			"f:1:25: change.supersedes: ", "64 hex digits, found 2" },
		{ "{\"tee\":{\"simulated\":1}}", -EBADMSG,
			"f:1:21: tee.simulated: ", "true or false" },
		{ "{\"tee\":{\"snp\":{\"vmsa_features\":32}}}", -EBADMSG,
			"f:1:32: tee.snp.vmsa_features: ", "mask as a text" },
		{ "{\"tee\":{\"snp\":{\"vmsa_features\":\"0x1\"}}}", -ERANGE,
			"f:1:32: ", "bits 0x1 may not be set" },
		{ "{\"tee\":{\"snp\":{\"vmsa_features\":\"0x\"}}}", -EBADMSG,
			"f:1:32: ", "hex digits" },
		{ "{\"tee\":{\"snp\":{\"chip_ids\":[\"0123\"]}}}", -EBADMSG,
			"f:1:28: tee.snp.chip_ids[0]: ", "8 or 64 bytes" },
		{ "{\"tee\":{\"snp\":{\"chip_ids\":[\"0123456789ABCDEF\"]}}}", -EBADMSG,
			"f:1:28: ", "lower-case" },
		{ "{\"tee\":{\"snp\":{\"vmpl\":4}}}", -ERANGE, "f:1:23: tee.snp.vmpl: ", "0 to 3" },
		{ "{\"tee\":{\"snp\":{\"product\":[]}}}", -ERANGE,
			"f:1:26: tee.snp.product: ", "0 entries" },
		{ "{\"tee\":{\"snp\":{\"min_tcb\":{\"snp\":256}}}}", -ERANGE,
			"f:1:33: tee.snp.min_tcb.snp: ", "0 to 255" },
		{ "{\"tee\":{\"type\":\"sgx\"}}", -EBADMSG, "f:1:16: tee.type: ", "\"sev-es\"" },
		{ "{\"tee\":{\"tdx\":{}}}", -EBADMSG, "f:1:15: tee.tdx: ", "\"attributes\"" },
		{ "{\"tee\":{\"tdx\":{\"attributes\":{\"pks\":true}}}}", -EBADMSG,
			"f:1:36: tee.tdx.attributes.pks: ", "want a text" },
		{ "{\"tee\":{\"tdx\":{\"xfam\":\"602e7\"}}}", -EBADMSG,
			"f:1:23: tee.tdx.xfam: ", "\"0x\"" },
		{ "{\"tee\":{\"tdx\":{\"tcb\":{\"accept\":[\"Revoked\"]}}}}", -EBADMSG,
			"f:1:33: tee.tdx.tcb.accept[0]: ", "never acceptable" },
		{ "{\"tee\":{\"tdx\":{\"tcb\":{\"grace\":{\"status\":[\"NotSupported\"]}}}}}",
			-EBADMSG, "f:1:42: tee.tdx.tcb.grace.status[0]: ", "never acceptable" },
		{ "{\"tee\":{\"tdx\":{\"tcb\":{\"accept\":[\"uptodate\"]}}}}", -EBADMSG,
			"f:1:33: ", "\"TDRelaunchAdvised\"" },
		{ "{\"tee\":{\"tdx\":{\"tcb\":{\"advisories_deny\":[\"SA-01234\"]}}}}", -EBADMSG,
			"f:1:42: ", "INTEL-SA-01234" },
		{ "{\"tee\":{\"tdx\":{\"piids\":[\"0011\"]}}}", -EBADMSG,
			"f:1:25: tee.tdx.piids[0]: ", "16 bytes" },
		{ "{\"tee\":{\"tdx\":{\"rtmr\":{\"4\":[]}}}}", -EBADMSG,
			"f:1:24: ", "unknown key" },
		{ "{\"tee\":{\"sev\":{\"policy\":\"0x100000000\"}}}", -ERANGE,
			"f:1:25: tee.sev.policy: ", "may not be set" },
		{ "{\"tee\":{\"tpm\":{\"pcrs\":[{\"index\":24}]}}}", -ERANGE,
			"f:1:33: tee.tpm.pcrs[0].index: ", "0 to 23" },
		{ "{\"tee\":{\"tpm\":{\"pcrs\":[{\"index\":2,\"sha256\":[]}]}}}", -ERANGE,
			"f:1:44: tee.tpm.pcrs[0].sha256: ", "0 entries" },
		{ "{\"tee\":{\"endorsements\":{\"deny_chips\":[\"001122\"]}}}", -EBADMSG,
			"f:1:39: ", "8, 16 or 64 bytes" },
		{ "{\"tee\":{\"endorsements\":{\"crl\":\"ignore\"}}}", -EBADMSG,
			"f:1:31: tee.endorsements.crl: ", "want \"require\"" },
		{ "{\"tee\":{\"snp\":{\"family_id\":\"00\"}}}", -EBADMSG, "f:1:28: ", "16 bytes" },
		{ "{\"boot\":{\"cmdline\":\"a\\nb\"}}", -EBADMSG,
			"f:1:20: boot.cmdline: ", "printable ASCII" },
		{ "{\"boot\":{\"kernel\":{\"file\":\"\"}}}", -ERANGE,
			"f:1:27: boot.kernel.file: ", "bytes" },
		{ "{\"machine\":{\"vcpus\":9}}", -ERANGE, "f:1:21: machine.vcpus: ", "1 to 8" },
		{ "{\"machine\":{\"memory_mib\":127}}", -ERANGE, "f:1:26: ", "128 to 65536" },
		{ "{\"devices\":{\"disk\":{}}}", -EBADMSG,
			"f:1:20: devices.disk: ", "want a list" },
		{ "{\"devices\":{\"disk\":[{\"id\":\"a_b\"}]}}", -EBADMSG,
			"f:1:27: devices.disk[0].id: ", "is not a to z" },
		{ "{\"devices\":{\"disk\":[{\"id\":\"a12345678901234567890\"}]}}", -ERANGE,
			"f:1:27: ", "21 bytes, want 1 to 20" },
		{ "{\"devices\":{\"disk\":[{\"integrity\":{\"root\":1}}]}}", -EBADMSG,
			"f:1:35: ", "unknown key \"root\"" },
		{ "{\"devices\":{\"disk\":[{\"integrity\":\"crc\"}]}}", -EBADMSG,
			"f:1:34: devices.disk[0].integrity: ", "\"luks2-aead\"" },
		{ "{\"devices\":{\"disk\":[{\"backend\":\"/bin/sh\"}]}}", -EBADMSG,
			"f:1:32: devices.disk[0].backend: ", "\"qemu-storage-daemon\"" },
		{ "{\"devices\":{\"vsock\":{\"cid\":2}}}", -ERANGE, "f:1:28: ", "outside 3" },
		{ "{\"devices\":{\"vsock\":{\"ports\":[7001]}}}", -EBADMSG,
			"f:1:31: devices.vsock.ports[0]: ", "want an object" },
		{ "{\"keys\":[{\"source\":\"https://x\"}]}", -EBADMSG,
			"f:1:20: keys[0].source: ", "kbs:" },
		{ "{\"keys\":[{\"release\":{\"require\":[\"debug:off\",\"debug:off\"]}}]}",
			-EBADMSG, "f:1:45: keys[0].release.require[1]: ", "twice" },
		{ "{\"waivers\":[{\"rule\":\"tee-1\"}]}", -EBADMSG,
			"f:1:21: waivers[0].rule: ", "TEE-005" },
	};

	BADS_CHECK(bads);
}

static void reader_refuses_what_this_version_cannot_honour(void **state)
{
	static const struct bad bads[] = {
		{ "{\"boot\":{\"uki\":{}}}", -EPROTONOSUPPORT,
			"f:1:16: boot.uki: ", "not supported" },
		{ "{\"machine\":{\"cpu_model\":\"EPYC-v4\"}}", -EBADMSG,
			"f:1:25: ", "want \"host\"" },
		{ "{\"devices\":{\"net\":[{}]}}", -EPROTONOSUPPORT,
			"f:1:19: devices.net: ", "must be empty" },
		{ "{\"devices\":{\"passthrough\":[1]}}", -EPROTONOSUPPORT,
			"f:1:27: ", "must be empty" },
		{ "{\"host\":{\"memory_lock\":true}}", -EPROTONOSUPPORT,
			"f:1:24: host.memory_lock: ", "not supported" },
		{ "{\"host\":{\"mac_label\":{\"apparmor\":\"x\"}}}", -EPROTONOSUPPORT,
			"f:1:34: host.mac_label.apparmor: ", "not supported" },
		{ "{\"host\":{\"on_device_death\":\"restart\"}}", -EPROTONOSUPPORT,
			"f:1:28: ", "not supported" },
		{ "{\"host\":{\"core_dump\":\"allow\"}}", -EPROTONOSUPPORT,
			"f:1:22: ", "not supported" },
		{ "{\"runtime\":{\"reattest_s\":900}}", -EPROTONOSUPPORT,
			"f:1:26: runtime.reattest_s: ", "not supported" },
		{ "{\"runtime\":{\"migration\":\"allow\"}}", -EPROTONOSUPPORT,
			"f:1:25: ", "not supported" },
		{ "{\"audit\":{\"timestamp\":\"rfc3161:x\"}}", -EPROTONOSUPPORT,
			"f:1:23: ", "not supported" },
		{ "{\"audit\":{\"redact\":[\"a\"]}}", -EPROTONOSUPPORT,
			"f:1:20: ", "must be empty" },
	};

	BADS_CHECK(bads);
	assert_int_equal(policy_exit_status(-EPROTONOSUPPORT), 3);
}

/* One change to the payments example, and the path it is blamed on. */
static void reader_refuses_keys_that_contradict_each_other(void **state)
{
	static const struct {
		const char *what, *with, *path, *cause;
	} cases[] = {
		{ "\"type\": \"snp\"", "\"type\": \"none\"", "tee.snp: ", "needs type snp" },
		{ "\"audit\": {", "\"x-audit\": {", ":3:1: ", "needs the object \"audit\"" },
		{ "2027-10-31T23:59:59Z", "2026-11-01T00:00:00Z",
			"valid.not_after: ", "not after" },
		{ "\"mode\": \"ro\"", "\"mode\": \"rw\"", "devices.disk[0].mode: ", "is ro" },
		{ "\"mode\": \"ro\"", "\"mode\": \"ro\", \"discard\": true",
			"devices.disk[0].discard: ", "writes" },
		{ "\"mode\": \"ro\"", "\"mode\": \"ro\", \"key\": \"transactions-kek\"",
			"devices.disk[0].key: ", "only luks2" },
		{ "\"id\": \"transactions\"", "\"id\": \"root\"",
			"devices.disk[1].id: ", "another" },
		{ "\"key\": \"transactions-kek\"", "\"key\": \"other\"",
			"devices.disk[1].key: ", "no such id" },
		{ "\"key\": \"transactions-kek\"", "\"x-key\": 1",
			"devices.disk[1].integrity: ", "needs the key" },
		{ "\"socket\": \"broker.sock\"}",
			"\"socket\": \"b\"}, {\"port\": 7001, \"socket\": \"c\"}",
			"devices.vsock.ports[1].port: ", "another row" },
		{ "\"keys\": [",
			"\"keys\": [{\"id\": \"again\", \"purpose\": \"p\", \"source\": "
			"\"kbs:///payments/disk/transactions-kek\"},",
			"keys[1].source: ", "another key has this source" },
		{ "\"keys\": [",
			"\"keys\": [{\"id\": \"transactions-kek\", \"purpose\": \"p\", "
			"\"source\": \"kbs:///x\"},",
			"keys[1].id: ", "another key has this id" },
		{ "\"hugepages\": \"no\"", "\"hugepages\": \"1G\"",
			"machine.memory_mib: ", "multiple" },
		{ "[\"Genoa\"]", "[\"Genoa\", \"Genoa\"]", "tee.snp.product: ", "twice" },
		{ "{\"bootloader\": 9", "{\"fmc\": 1, \"bootloader\": 9",
			"tee.snp.min_tcb.fmc: ", "only Turin" },
		{ "\"vmpl\": 0",
			"\"vmpl\": 0, \"author_key\": \"sha384:"
			"00000000000000000000000000000000000000000000000000000000000000000000000000"
			"000000"
			"0000000000000000\"",
			"tee.snp.author_key: ", "id_block" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct why why = { 0 };
		int err = parse(changed(cases[i].what, cases[i].with), &why);
		if (err != -EBADMSG || strstr(why.text, cases[i].path) == NULL ||
			strstr(why.text, cases[i].cause) == NULL)
			fail_msg("case %zu: %d \"%s\"", i, err, why.text);
	}
}

static void objects_of_tee_stand_with_their_types(void **state)
{
	static const struct bad bads[] = {
		{ TEE("\"type\":\"tdx\""), -EBADMSG,
			"f:2:15: tee.type: ", "needs the object tee.tdx" },
		{ TEE("\"type\":\"sev\""), -EBADMSG,
			"f:2:15: tee.type: ", "need the object tee.sev" },
		{ TEE("\"type\":\"none\",\"tdx\":{\"attributes\":{}}"), -EBADMSG,
			"f:2:28: tee.tdx: ", "needs type tdx" },
		{ TEE("\"type\":\"tdx\",\"sev\":{\"policy\":\"0x1\"},\"tdx\":{\"attributes\":{}}"),
			-EBADMSG, "f:2:27: tee.sev: ", "sev or sev-es" },
		{ TEE("\"type\":\"sev\",\"sev\":{\"policy\":\"0x5\"}"), -EBADMSG,
			"f:2:37: tee.sev.policy: ", "with type sev-es" },
		{ TEE("\"type\":\"sev-es\",\"sev\":{\"policy\":\"0x1\"}"), -EBADMSG,
			"f:2:40: tee.sev.policy: ", "with type sev-es" },
		{ TEE("\"type\":\"none\",\"endorsements\":{}"), -EBADMSG,
			"f:2:37: tee.endorsements: ", "nobody" },
		{ TEE("\"type\":\"none\",\"simulated\":true"), -EBADMSG, "f:2:34: ", "simulated" },
		{ TEE("\"type\":\"none\",\"tpm\":{\"secure_boot\":\"require\"}"), -EBADMSG,
			"f:2:43: tee.tpm.secure_boot: ", "event_log" },
		{ TEE("\"type\":\"none\",\"tpm\":{\"pcrs\":[{\"index\":1,\"sha256\":[\"" DIGEST_32
		      "\"]},{\"index\":1,\"sha256\":[\"" DIGEST_32 "\"]}]}"),
			-EBADMSG, "f:2:", "another row has this register" },
		{ SMALL_HEAD "\"tee\":{\"type\":\"tdx\",\"tdx\":{\"attributes\":{}}}," SMALL_TAIL,
			-EBADMSG, "f:1:1: ", "needs the object \"audit\"" },
		{ SMALL_HEAD TEE_SNP(",\"provisional\":\"require\"") SMALL_TAIL, -EBADMSG,
			"f:2:", "nobody needs it" },
	};
	static const struct {
		const char *what, *with, *cause;
	} cases[] = {
		{ "\"0x602e7\"", "\"0x602e4\"", "tee.tdx.xfam: bits 0 and 1" },
		{ "[\"OutOfDate\",", "[\"UpToDate\",", "tee.tdx.tcb.grace.status: " },
		{ "\"type\": \"tdx\"", "\"type\": \"snp\"", "tee.type: type snp needs" },
	};
	struct why why = { 0 };

	BADS_CHECK(bads);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (parse(changed_in(IMAGING, cases[i].what, cases[i].with), &why) != -EBADMSG ||
			strstr(why.text, cases[i].cause) == NULL)
			fail_msg("case %zu: \"%s\"", i, why.text);
	assert_int_equal(parse(TEE("\"type\":\"none\",\"tpm\":{},\"endorsements\":{}"), &why), 0);
}

/* A policy with these rows of tee, boot and devices; a ledger is there. */
#define LAUNCH(tee, boot, devices)                                                                 \
	SMALL_HEAD "\"tee\":{" tee                                                                 \
		   "},\n\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"              \
		   "\n\"boot\":{" boot "},\n\"machine\":{\"vcpus\":1,\"memory_mib\":256},\n"       \
		   "\"devices\":{" devices "}}\n"
#define KERNEL                  "\"kernel\":{\"file\":\"k\"},\"cmdline\":\"a\""
#define FIRMWARE                "\"firmware\":{\"file\":\"OVMF.fd\"}"
#define DISK                    "\"disk\":[{\"id\":\"d\",\"file\":\"d\",\"mode\":\"ro\",\"integrity\":\"none\"}]"
#define SEV(type, policy, more) "\"type\":\"" type "\",\"sev\":{\"policy\":\"" policy "\"" more "}"
#define SESSION                 ",\"session\":{\"dh_cert\":\"dh.bin\",\"session\":\"session.bin\"}"
#define OWNER                   ",\"owner\":{\"url\":\"https://broker.example:8443\",\"ca\":\"ca.pem\",\"wait_s\":90}"

static void plan_refuses_what_cannot_be_launched(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *cause;
	} cases[] = {
		{ TEE("\"type\":\"tdx\",\"tdx\":{\"attributes\":{}}"), -EBADMSG, "boot.firmware" },
		{ TEE(SEV("sev", "0x9", "")), -EBADMSG, "boot.firmware" },
		{ TEE(SEV("sev-es", "0xd", "")), -EBADMSG, "boot.firmware" },
		/* What the guest policy allows is asked for by name, or refused. */
		{ LAUNCH(SEV("sev", "0x8", ""), FIRMWARE "," KERNEL, ""), -EACCES,
			"\"debug\": true" },
		{ LAUNCH(SEV("sev", "0x1", ""), FIRMWARE "," KERNEL, ""), -EACCES,
			"\"migration\": true" },
		{ LAUNCH(SEV("sev-es", "0x4", ",\"migration\":true"), FIRMWARE "," KERNEL, ""),
			-EACCES, "tee.sev.policy lets the host debug" },
		{ LAUNCH(SEV("sev-es", "0x5", ",\"debug\":false"), FIRMWARE "," KERNEL, ""),
			-EACCES, "NOSEND" },
	};
	struct why why = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (parse(cases[i].text, &why) < 0)
			fail_msg("case %zu: %s", i, why.text);
		memset(&plan, 0xA5, sizeof plan);
		int err = policy_plan(&policy, &plan, &why);
		if (err != cases[i].err || strstr(why.text, cases[i].cause) == NULL)
			fail_msg("case %zu: %d \"%s\"", i, err, why.text);
		assert_int_equal(plan.id_auth[0], 0xA5);
	}
}

static void plan_has_what_each_kind_of_guest_is_launched_with(void **state)
{
	struct why why = { 0 };

#define PLANS(what)                                                                                \
	do {                                                                                       \
		if (parse(what, &why) < 0 || policy_plan(&policy, &plan, &why) < 0)                \
			fail_msg("%s", why.text);                                                  \
	} while (0)
	PLANS(LAUNCH(SEV("sev-es", "0xd", SESSION OWNER), FIRMWARE "," KERNEL, ""));
	assert_int_equal(le32_get(plan.tee), PLAN_TEE_SEV_ES);
	assert_int_equal(le32_get(plan.flags), PLAN_SEV_SESSION | PLAN_OWNER | PLAN_LANDLOCK);
	assert_int_equal(le64_get(plan.guest_policy), 0xd);
	assert_string_equal(plan.firmware, "OVMF.fd");
	assert_string_equal(plan.kernel, "k");
	assert_string_equal(plan.sev_dh, "dh.bin");
	assert_string_equal(plan.sev_session, "session.bin");
	assert_string_equal(plan.owner_url, "https://broker.example:8443");
	assert_string_equal(plan.owner_ca, "ca.pem");
	assert_int_equal(le32_get(plan.owner_wait_s), 90);
	PLANS(LAUNCH(
		SEV("sev", "0x0", SESSION ",\"debug\":true,\"migration\":true"), FIRMWARE, DISK));
	assert_int_equal(le32_get(plan.tee), PLAN_TEE_SEV);
	assert_int_equal(le32_get(plan.flags), PLAN_SEV_SESSION | PLAN_LANDLOCK);
	assert_int_equal(le32_get(plan.owner_wait_s), 0);
	assert_int_equal(plan.kernel[0], 0);
	PLANS(LAUNCH(
		"\"type\":\"tdx\",\"tdx\":{\"attributes\":{\"pks\":\"require\"},\"xfam\":\"0x3\","
		"\"mrowner\":\"" DIGEST_48 "\",\"quoting\":\"vsock:2:4050\"}",
		FIRMWARE "," KERNEL, ""));
	assert_int_equal(le32_get(plan.tee), PLAN_TEE_TDX);
	assert_int_equal(le64_get(plan.td_attributes), POLICY_TD_SEPT_VE_DISABLE | POLICY_TD_PKS);
	assert_int_equal(le64_get(plan.td_xfam), 3);
	assert_int_equal(plan.mrowner[47], 0x2f);
	assert_string_equal(plan.qgs, "vsock:2:4050");
	PLANS(LAUNCH("\"type\":\"tdx\",\"tdx\":{\"attributes\":{\"debug\":true,\"sept_ve_disable\":"
		     "\"forbid\"}}",
		FIRMWARE "," KERNEL, ""));
	assert_int_equal(le64_get(plan.td_attributes), POLICY_TD_DEBUG);
	PLANS(LAUNCH("\"type\":\"sw\"", KERNEL, ""));
	assert_int_equal(le32_get(plan.tee), PLAN_TEE_SW);
	PLANS(LAUNCH("\"type\":\"none\"", FIRMWARE ",\"flash_vars\":{\"file\":\"v\"}", DISK));
	assert_string_equal(plan.flash_vars, "v");
	assert_int_equal(le32_get(plan.cpu_signature), 0);
	PLANS(changed("\"vcpus\": 2", "\"vcpus\": 2, \"cpu\": \"EPYC-Milan-v2\""));
	assert_int_equal(le32_get(plan.cpu_signature), 0xa00f11);
	PLANS(changed("\"vmpl\": 0", "\"vmpl\": 0, \"certs\": \"chain.tbl\""));
	assert_string_equal(plan.snp_certs, "chain.tbl");
#undef PLANS
}

static void what_is_launched_does_not_contradict_itself(void **state)
{
	static const struct bad bads[] = {
		{ LAUNCH("\"type\":\"none\"", "\"cmdline\":\"\"", ""), -EBADMSG,
			"f:4:8: boot: ", "key \"kernel\" is missing" },
		{ LAUNCH("\"type\":\"none\"", "\"kernel\":{\"file\":\"k\"}", ""), -EBADMSG,
			"f:4:8: boot: ", "key \"cmdline\" is missing" },
		{ LAUNCH("\"type\":\"none\"", FIRMWARE, ""), -EBADMSG,
			"f:6:11: devices: ", "devices.disk has none" },
		{ LAUNCH("\"type\":\"none\"", FIRMWARE ",\"initrd\":{\"file\":\"i\"}", DISK),
			-EBADMSG, "f:4:", "an initrd needs boot.kernel" },
		{ LAUNCH("\"type\":\"none\"", FIRMWARE ",\"cmdline\":\"\"", DISK), -EBADMSG,
			"f:4:", "needs boot.kernel" },
		{ LAUNCH("\"type\":\"none\"", KERNEL ",\"flash_vars\":{\"file\":\"v\"}", ""),
			-EBADMSG, "f:4:", "boot.firmware is missing" },
		{ LAUNCH("\"type\":\"sw\"", FIRMWARE ",\"flash_vars\":{\"file\":\"v\"}", DISK),
			-EBADMSG, "f:4:", "only a plain guest" },
		{ LAUNCH(SEV("sev", "0xd", ""), FIRMWARE "," KERNEL, ""), -EBADMSG,
			"f:2:37: tee.sev.policy: ", "with type sev-es" },
		{ LAUNCH(SEV("sev", "0x9", ",\"debug\":true"), FIRMWARE "," KERNEL, ""), -EBADMSG,
			"f:2:51: tee.sev.debug: ", "NODBG" },
		{ LAUNCH(SEV("sev", "0x9", ",\"migration\":true"), FIRMWARE "," KERNEL, ""),
			-EBADMSG, "f:2:55: tee.sev.migration: ", "NOSEND" },
		{ LAUNCH(SEV("sev", "0x9", OWNER), FIRMWARE "," KERNEL, ""), -EBADMSG,
			"f:2:", "an owner needs tee.sev.session" },
		{ LAUNCH(SEV("sev", "0x9",
				 SESSION ",\"owner\":{\"url\":\"http://ab\",\"ca\":\"c\"}"),
			  FIRMWARE "," KERNEL, ""),
			-EBADMSG, "f:2:", "https://" },
		{ LAUNCH("\"type\":\"tdx\",\"tdx\":{\"attributes\":{},\"quoting\":\"vsock:2\"}",
			  FIRMWARE "," KERNEL, ""),
			-EBADMSG, "f:2:", "vsock:CID:PORT" },
		{ LAUNCH("\"type\":\"sw\",\"simulated\":true", KERNEL, ""), -EBADMSG,
			"f:2:", "only evidence can be simulated" },
	};
	static const struct {
		const char *with, *cause;
	} cases[] = {
		{ "\"vcpus\": 2, \"cpu\": \"Opteron\"", "machine.cpu: \"Opteron\" is not host" },
		{ "\"vcpus\": 2, \"cpu\": \"EPYC-v0\"", "machine.cpu: " },
		{ "\"vcpus\": 2, \"cpu\": \"host\", \"cpu_model\": \"host\"",
			"cpu says it already" },
	};
	struct why why = { 0 };

	BADS_CHECK(bads);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (parse(changed("\"vcpus\": 2", cases[i].with), &why) != -EBADMSG ||
			strstr(why.text, cases[i].cause) == NULL)
			fail_msg("case %zu: \"%s\"", i, why.text);
	assert_int_equal(
		parse(changed_in(IMAGING, "\"vcpus\": 8", "\"vcpus\": 8, \"cpu\": \"EPYC\""), &why),
		-EBADMSG);
	assert_non_null(strstr(why.text, "TDX module"));
}

static void failed_parse_leaves_the_policy_untouched(void **state)
{
	struct why why = { 0 };
	static struct policy before;

	assert_int_equal(policy_read(DEVELOPMENT, &policy, &why), 0);
	before = policy;
	assert_int_equal(parse(changed("\"mode\": \"ro\"", "\"mode\": \"rw\""), &why), -EBADMSG);
	assert_memory_equal(&before, &policy, sizeof policy);
}

static void validity_window_is_held(void **state)
{
	struct why why = { 0 };

	assert_int_equal(policy_read(PAYMENTS, &policy, &why), 0);
	assert_int_equal(policy_check_time(&policy, 1793491200, &why), 0);
	assert_int_equal(policy_check_time(&policy, 1825027199, &why), 0);
	assert_int_equal(policy_check_time(&policy, 1793491199, &why), -EACCES);
	assert_non_null(strstr(why.text, "not valid before 2026-11-01T00:00:00Z"));
	why_clear(&why);
	assert_int_equal(policy_check_time(&policy, 1825027200, &why), -EACCES);
	assert_non_null(strstr(why.text, "was valid until 2027-10-31T23:59:59Z"));
}

static void times_are_those_of_the_calendar(void **state)
{
	static const struct {
		const char *text;
		bool is_day;
		int err;
		int64_t want;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", false, 0, 0 },
		{ "2000-02-29T12:00:00Z", false, 0, 951825600 }, /* date -d ... +%s */
		{ "2026-12-31T23:59:59Z", false, 0, 1798761599 },
		{ "2027-01-31", true, 0, 1801440000 }, /* 2027-02-01T00:00:00Z */
		{ "2100-02-29", true, -ERANGE, 0 },
		{ "2026-13-01", true, -ERANGE, 0 },
		{ "2026-00-01", true, -ERANGE, 0 },
		{ "1969-12-31", true, -ERANGE, 0 },
		{ "2026-1-1", true, -EBADMSG, 0 },
		{ "2026-11-01t00:00:00z", false, -EBADMSG, 0 },
		{ "2026-12-31T23:59:60Z", false, -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = 0;
		assert_int_equal(
			schema_parse_time(cases[i].text, cases[i].is_day, &got), cases[i].err);
		assert_int_equal(got, cases[i].want);
	}
}

/* --- the plan -------------------------------------------------------------------------------- */

static void printed_times_read_back(void **state)
{
	char out[SCHEMA_TIME_BYTES];

	for (int64_t t = 0; t <= 253402300799; t += 86399 * 97) {
		int64_t back = 0;
		schema_print_time(t, out);
		assert_int_equal(schema_parse_time(out, false, &back), 0);
		assert_int_equal(back, t);
	}
	schema_print_time(951825600, out);
	assert_string_equal(out, "2000-02-29T12:00:00Z");
	schema_print_time(-1, out);
	assert_string_equal(out, "?");
	schema_print_time(253402300800, out);
	assert_string_equal(out, "?");
}

static void plan_says_what_the_policy_says(void **state)
{
	struct why why = { 0 };

	assert_int_equal(policy_read(PAYMENTS, &policy, &why), 0);
	assert_int_equal(policy_plan(&policy, &plan, &why), 0);
	assert_int_equal(le32_get(plan.flags),
		PLAN_SIMULATED | PLAN_RNG | PLAN_VSOCK | PLAN_SERIAL | PLAN_LANDLOCK);
	assert_int_equal(le32_get(plan.tee), PLAN_TEE_SNP);
	assert_int_equal(le64_get(plan.guest_policy), 0x30137);
	assert_memory_equal(plan.policy_hash, policy.hash, 32);
	assert_string_equal(plan.kernel, "payments/vmlinuz");
	assert_string_equal(plan.initrd, "payments/initrd.img");
	assert_int_equal(le32_get(plan.digests[PLAN_FILE_KERNEL].has_sha384), 1);
	assert_memory_equal(plan.digests[PLAN_FILE_KERNEL].sha384, policy.boot.kernel.sha384, 48);
	assert_memory_equal(plan.digests[PLAN_FILE_INITRD].sha384, policy.boot.initrd.sha384, 48);
	assert_int_equal(le32_get(plan.digests[PLAN_FILE_FIRMWARE].has_sha384), 0);
	assert_string_equal(plan.cmdline, policy.boot.cmdline);
	assert_int_equal(le32_get(plan.n_disks), 2);
	assert_int_equal(le32_get(plan.disks[0].flags), PLAN_DISK_READ_ONLY);
	assert_int_equal(le32_get(plan.disks[1].flags), 0);
	assert_string_equal(plan.disks[1].id, "transactions");
	assert_int_equal(le32_get(plan.n_ports), 1);
	assert_int_equal(le64_get(plan.vsock_cid), 110);
	assert_string_equal(plan.ports[0].path, "broker.sock");
	assert_string_equal(plan.ledger_origin, "log.example/casemate/payments");
	assert_int_equal(policy_read(DEVELOPMENT, &policy, &why), 0);
	assert_int_equal(policy_plan(&policy, &plan, &why), 0);
	assert_int_equal(le32_get(plan.tee), PLAN_TEE_NONE);
	assert_int_equal(le64_get(plan.guest_policy), 0);
	assert_int_equal(plan.ledger[0], 0);
}

#define HOST(keys)                                                                                 \
	"{\"schema\":\"launch-policy/1\",\"name\":\"t/g\",\"serial\":1,\"tee\":{\"type\":"         \
	"\"none\"},\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\"},"                       \
	"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{},\"host\":{" keys "}}"

static void plan_says_how_the_guest_is_confined(void **state)
{
	static const struct {
		const char *text;
		uint32_t flags;
		const char *range;
	} cases[] = {
		{ HOST(""), PLAN_LANDLOCK, "" },
		{ HOST("\"landlock\":true"), PLAN_LANDLOCK, "" },
		{ HOST("\"landlock\":false"), 0, "" },
		{ HOST("\"confinement\":\"available\""), PLAN_LANDLOCK, "" },
		{ HOST("\"confinement\":\"strict\""), PLAN_LANDLOCK | PLAN_STRICT, "" },
		{ HOST("\"mac_label\":{}"), PLAN_LANDLOCK, "" },
		{ HOST("\"mac_label\":{\"selinux\":\"auto\"}"), PLAN_LANDLOCK, "" },
		{ HOST("\"mac_label\":{\"selinux\":\"required\"}"),
			PLAN_LANDLOCK | PLAN_MAC_REQUIRED, "" },
		{ HOST("\"mac_label\":{\"selinux\":\"off\"}"), PLAN_LANDLOCK | PLAN_MAC_OFF, "" },
		{ HOST("\"mac_label\":{\"selinux\":\"s0:c0,c1023\"}"),
			PLAN_LANDLOCK | PLAN_MAC_REQUIRED, "s0:c0,c1023" },
	};
	struct why why = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (parse(cases[i].text, &why) < 0 || policy_plan(&policy, &plan, &why) < 0)
			fail_msg("%s", why.text);
		assert_int_equal(le32_get(plan.flags), cases[i].flags);
		assert_string_equal(plan.mac_range, cases[i].range);
		assert_int_equal(le32_get(plan.cpu_percent), 0);
	}
	assert_int_equal(parse(HOST("\"limits\":{\"cpu_percent\":150,\"cpu_weight\":50,"
				    "\"io_weight\":10000,\"overhead_mib\":64}"),
				 &why),
		0);
	assert_int_equal(policy_plan(&policy, &plan, &why), 0);
	assert_int_equal(le32_get(plan.cpu_percent), 150);
	assert_int_equal(le32_get(plan.cpu_weight), 50);
	assert_int_equal(le32_get(plan.io_weight), 10000);
	assert_int_equal(le32_get(plan.overhead_mib), 64);
}

static void confinement_that_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {
		HOST("\"confinement\":\"none\""),
		HOST("\"landlock\":\"yes\""),
		HOST("\"mac_label\":{\"selinux\":\"\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c1\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c2,c1\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c1,c1\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c1,c1024\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c1,c02\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c1,c2,c3\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c,c2\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s1:c1,c2\"}"),
		HOST("\"mac_label\":{\"selinux\":\"s0:c1,c99999999999\"}"),
		HOST("\"limits\":{\"cpu_percent\":9}"),
		HOST("\"limits\":{\"cpu_percent\":1901}"),
		HOST("\"limits\":{\"cpu_weight\":0}"),
		HOST("\"limits\":{\"io_weight\":10001}"),
		HOST("\"limits\":{\"overhead_mib\":63}"),
		HOST("\"limits\":{\"overhead\":64}"),
		HOST("\"confinement\":\"strict\",\"mac_label\":{\"selinux\":\"off\"}"),
		HOST("\"confinement\":\"strict\",\"landlock\":false"),
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct why why = { 0 };
		if (parse(bad[i], &why) == 0)
			fail_msg("%s is taken", bad[i]);
		if (strstr(why.text, "host.") == NULL && strstr(why.text, "overhead") == NULL)
			fail_msg("\"%s\" does not say where", why.text);
	}
}

static void plan_refuses_a_migration_agent(void **state)
{
	struct why why = { 0 };

	assert_int_equal(parse(changed("\"migrate_ma\": false", "\"migrate_ma\": true"), &why), 0);
	assert_int_equal(policy_plan(&policy, &plan, &why), -EPROTONOSUPPORT);
	assert_non_null(strstr(why.text, "migrate_ma"));
}

/* The supervisor's own check, on plans that a captured reader might send. */
#define BREAKS(change)                                                                             \
	do {                                                                                       \
		bad = good;                                                                        \
		why_clear(&why);                                                                   \
		change;                                                                            \
		if (plan_check(&bad, &why) != -EBADMSG || why.text[0] == 0)                        \
			fail_msg("accepted: " #change);                                            \
	} while (0)

static void plan_check_refuses_every_field_out_of_range(void **state)
{
	static struct wire_plan good, bad;
	struct why why = { 0 };

	assert_int_equal(policy_read(PAYMENTS, &policy, &why), 0);
	assert_int_equal(policy_plan(&policy, &good, &why), 0);
	assert_int_equal(plan_check(&good, &why), 0);
	BREAKS(bad.version = le32_of(PLAN_VERSION + 1));
	BREAKS(bad.flags = le32_of(PLAN_FLAGS_ALL + 1));
	BREAKS(bad.flags = le32_of(le32_get(good.flags) | PLAN_AUTHOR_KEY));
	BREAKS(bad.flags = le32_of(le32_get(good.flags) | PLAN_HUGE_1G | PLAN_HUGE_2M));
	BREAKS(bad.flags = le32_of(PLAN_SERIAL)); /* ports without vsock */
	BREAKS(memset(bad.name, 'a', sizeof bad.name));
	BREAKS(bad.name[0] = 0);
	BREAKS(bad.name[sizeof bad.name - 1] = 'x'); /* behind the terminating zero */
	BREAKS(bad.tee = le32_of(PLAN_TEE_NONE));
	BREAKS(bad.tee = le32_of(PLAN_TEE_COUNT));
	BREAKS(bad.tee = le32_of(PLAN_TEE_TDX));
	BREAKS(bad.vcpus = le32_of(0));
	BREAKS(bad.vcpus = le32_of(LIMIT_VCPUS + 1));
	BREAKS(bad.memory_mib = le64_of(LIMIT_MEMORY_MIB_MIN - 1));
	BREAKS(bad.memory_mib = le64_of(1ull << 63));
	BREAKS(bad.id_block[5] = 1);
	BREAKS(bad.id_auth[4095] = 1);
	BREAKS(bad.kernel[0] = 0);
	BREAKS(bad.kernel[3] = '\n');
	BREAKS(memset(bad.initrd, '/', sizeof bad.initrd));
	BREAKS(bad.cmdline[0] = '\t');
	BREAKS(bad.n_disks = le32_of(LIMIT_DISKS + 1));
	BREAKS(bad.n_disks = le32_of(0xffffffff));
	BREAKS(bad.n_disks = le32_of(1)); /* a filled row that does not count */
	BREAKS(bad.n_disks = le32_of(3)); /* an empty row that counts */
	BREAKS(bad.disks[0].flags = le32_of(4));
	BREAKS(bad.disks[0].flags = le32_of(PLAN_DISK_READ_ONLY | PLAN_DISK_DISCARD));
	BREAKS(bad.disks[0].backend = le32_of(PLAN_BACKEND_COUNT));
	BREAKS(memcpy(bad.disks[0].id, bad.disks[1].id, sizeof bad.disks[0].id));
	BREAKS(bad.n_ports = le32_of(LIMIT_VSOCK_PORTS + 1));
	BREAKS(bad.n_ports = le32_of(0));
	BREAKS(bad.ports[0].port = le32_of(0));
	BREAKS(bad.ports[0].port = le32_of(0xffffffff));
	BREAKS(bad.ports[0].path[0] = 0);
	BREAKS(bad.vsock_cid = le64_of(2));
	BREAKS(bad.vsock_cid = le64_of(1ull << 32));
	BREAKS(bad.ledger[0] = 0);
	BREAKS(memset(bad.ledger, 0, sizeof bad.ledger));
	BREAKS(memset(bad.ledger_key, 0, sizeof bad.ledger_key));
	BREAKS(bad.digests[PLAN_FILE_KERNEL].has_sha384 = le32_of(2));
	BREAKS(bad.digests[PLAN_FILE_KERNEL].has_sha384 = le32_of(0)); /* of what, then? */
	BREAKS(bad.digests[PLAN_FILE_INITRD].zero = le32_of(1));
	BREAKS(bad.digests[PLAN_FILE_FIRMWARE].has_sha384 = le32_of(1)); /* there is none */
	BREAKS(bad.digests[PLAN_FILE_FIRMWARE].sha384[47] = 1);
	BREAKS(memset(bad.initrd, 0, sizeof bad.initrd)); /* its digest stays */
	BREAKS(bad.flags = le32_of(le32_get(good.flags) | PLAN_MAC_OFF | PLAN_MAC_REQUIRED));
	BREAKS(bad.flags = le32_of(le32_get(good.flags) | PLAN_MAC_OFF | PLAN_STRICT));
	BREAKS(memcpy(bad.mac_range, "s0:c1,c2", 9)); /* and not required */
	BREAKS(memset(bad.mac_range, 'x', sizeof bad.mac_range));
	BREAKS((bad.flags = le32_of(le32_get(good.flags) | PLAN_MAC_REQUIRED),
		memcpy(bad.mac_range, "s0:c2,c1", 9)));
	BREAKS(bad.cpu_weight = le32_of(10001));
	BREAKS(bad.cpu_percent = le32_of(PLAN_CPU_PERCENT_MAX + 1));
	BREAKS(bad.io_weight = le32_of(10001));
	BREAKS(bad.overhead_mib = le32_of(63));
	BREAKS(bad.overhead_mib = le32_of(65537));
}

static void plan_check_refuses_what_a_kind_of_guest_cannot_have(void **state)
{
	static struct wire_plan good, bad;
	struct why why = { 0 };

	assert_int_equal(
		parse(LAUNCH(SEV("sev", "0x9", SESSION OWNER), FIRMWARE "," KERNEL, ""), &why), 0);
	assert_int_equal(policy_plan(&policy, &good, &why), 0);
	assert_int_equal(plan_check(&good, &why), 0);
	BREAKS(bad.guest_policy = le64_of(0xd)); /* SEV-ES's */
	BREAKS(bad.guest_policy = le64_of(1ull << 32));
	BREAKS(bad.vmsa_features = le64_of(0x20));
	BREAKS(bad.td_attributes = le64_of(1));
	BREAKS(bad.td_xfam = le64_of(3));
	BREAKS(bad.mrowner[0] = 1);
	BREAKS(bad.mrownerconfig[47] = 1);
	BREAKS(bad.flags = le32_of(PLAN_OWNER));
	BREAKS(bad.flags = le32_of(PLAN_SEV_SESSION));
	BREAKS(memset(bad.sev_dh, 0, sizeof bad.sev_dh));
	BREAKS(memset(bad.owner_ca, 0, sizeof bad.owner_ca));
	BREAKS(memcpy(bad.owner_url, "http:///", 8));
	BREAKS(bad.owner_wait_s = le32_of(0));
	BREAKS(bad.owner_wait_s = le32_of(LIMIT_OWNER_WAIT_S + 1));
	BREAKS(bad.snp_certs[0] = 'c');
	BREAKS(bad.qgs[0] = 'q');
	BREAKS(bad.flash_vars[0] = 'v');
	BREAKS(memset(bad.firmware, 0, sizeof bad.firmware));
	BREAKS(memset(bad.kernel, 0, sizeof bad.kernel));
	BREAKS(bad.tee = le32_of(PLAN_TEE_SEV_ES)); /* whose guest policy has the bit */
	assert_int_equal(parse(LAUNCH("\"type\":\"tdx\",\"tdx\":{\"attributes\":{},\"quoting\":"
				      "\"vsock:2:4050\"}",
				       FIRMWARE, DISK),
				 &why),
		0);
	assert_int_equal(policy_plan(&policy, &good, &why), 0);
	BREAKS(bad.guest_policy = le64_of(1));
	BREAKS(bad.cpu_signature = le32_of(0xa00f11));
	BREAKS(memcpy(bad.qgs, "vsock:x", 8));
	BREAKS(memcpy(bad.qgs, "vsock:1:4294967295", 19));
	BREAKS(memset(bad.firmware, 0, sizeof bad.firmware));
	BREAKS((bad.n_disks = le32_of(0), memset(bad.disks, 0, sizeof bad.disks)));
	BREAKS(bad.cmdline[0] = 'a');
	BREAKS(bad.initrd[0] = 'i');
	BREAKS(memset(bad.ledger, 0, 3 * LIMIT_PATH_BYTES / 3));
}

/* As above, and for this reason. */
#define BREAKS_WITH(cause, change)                                                                 \
	do {                                                                                       \
		BREAKS(change);                                                                    \
		if (strstr(why.text, cause) == NULL)                                               \
			fail_msg(#change ": %s", why.text);                                        \
	} while (0)
#define HOLDS(change)                                                                              \
	do {                                                                                       \
		bad = good;                                                                        \
		why_clear(&why);                                                                   \
		change;                                                                            \
		if (plan_check(&bad, &why) != 0)                                                   \
			fail_msg(#change ": %s", why.text);                                        \
	} while (0)

static void plan_check_knows_the_bits_of_amds_words(void **state)
{
	static struct wire_plan good, bad;
	struct why why = { 0 };

	assert_int_equal(policy_read(PAYMENTS, &policy, &why), 0);
	assert_int_equal(policy_plan(&policy, &good, &why), 0);
	HOLDS(bad.guest_policy = le64_of(0x20000));
	HOLDS(bad.guest_policy = le64_of(0x3fbffff));
	HOLDS(bad.vmsa_features = le64_of(0x21d7fe));
	BREAKS_WITH("bits 0x20000 must be set", bad.guest_policy = le64_of(0x10000));
	BREAKS_WITH("bits 0x40000 are reserved", bad.guest_policy = le64_of(0x70000));
	BREAKS_WITH("bits 0x4000000 are reserved", bad.guest_policy = le64_of(0x4030000));
	BREAKS_WITH("reserved", bad.guest_policy = le64_of(1ull << 63 | 0x30000));
	BREAKS_WITH("SNPActive", bad.vmsa_features = le64_of(1));
	BREAKS_WITH("bits 0x800 are reserved", bad.vmsa_features = le64_of(0x820));
	BREAKS_WITH("VMSA features", bad.vmsa_features = le64_of(1ull << 32));
	BREAKS_WITH("all zero", bad.flags = le32_of(le32_get(good.flags) | PLAN_ID_BLOCK));
	BREAKS_WITH("all zero",
		(bad.flags = le32_of(le32_get(good.flags) | PLAN_ID_BLOCK), bad.id_block[0] = 1));
	HOLDS((bad.flags = le32_of(le32_get(good.flags) | PLAN_ID_BLOCK), bad.id_block[95] = 1,
		bad.id_auth[4095] = 1));
	BREAKS_WITH("two consoles", bad.flags = le32_of(le32_get(good.flags) | PLAN_CONSOLE));
	assert_int_equal(parse(LAUNCH(SEV("sev-es", "0xd", ""), FIRMWARE "," KERNEL, ""), &why), 0);
	assert_int_equal(policy_plan(&policy, &good, &why), 0);
	HOLDS(bad.guest_policy = le64_of(0xffff003f));
	HOLDS(bad.vmsa_features = le64_of(0x20));
	BREAKS_WITH("bits 0x40 are reserved", bad.guest_policy = le64_of(0x4d));
	BREAKS_WITH("bits 0x8000 are reserved", bad.guest_policy = le64_of(0x800d));
	BREAKS_WITH("bits 0x200 are reserved", bad.vmsa_features = le64_of(0x200)); /* SNP's */
	BREAKS_WITH("SNPActive", bad.vmsa_features = le64_of(1));
}

static void plan_check_knows_the_bits_of_a_td(void **state)
{
	static struct wire_plan good, bad;
	struct why why = { 0 };

	assert_int_equal(parse(LAUNCH("\"type\":\"tdx\",\"tdx\":{\"attributes\":{}}",
				       FIRMWARE "," KERNEL, ""),
				 &why),
		0);
	assert_int_equal(policy_plan(&policy, &good, &why), 0);
	HOLDS(bad.td_attributes = le64_of(1ull << 63 | 1ull << 62 | 0xd8010071));
	HOLDS(bad.td_attributes = le64_of(1ull << 29));
	BREAKS_WITH("bits 0x2 are reserved", bad.td_attributes = le64_of(2));
	BREAKS_WITH("reserved", bad.td_attributes = le64_of(1ull << 32));
	BREAKS_WITH("debugged", bad.td_attributes = le64_of(1ull << 29 | 1));
	BREAKS_WITH("debugged", bad.td_attributes = le64_of(1ull << 63 | 1ull << 29));
	HOLDS(bad.td_xfam = le64_of(0x6dbe7));
	HOLDS(bad.td_xfam = le64_of(3));
	BREAKS_WITH("must be set", bad.td_xfam = le64_of(5));
	BREAKS_WITH("bits 0x8 are reserved", bad.td_xfam = le64_of(0xb));
	BREAKS_WITH("bits 0x400 are reserved", bad.td_xfam = le64_of(0x403));
	BREAKS_WITH("AVX-512", bad.td_xfam = le64_of(0x27));
	BREAKS_WITH("AVX-512", bad.td_xfam = le64_of(0xe3)); /* without AVX */
	BREAKS_WITH("CET", bad.td_xfam = le64_of(0x803));
	BREAKS_WITH("AMX", bad.td_xfam = le64_of(0x20003));
	why_clear(&why);
	assert_int_equal(
		parse(LAUNCH("\"type\":\"tdx\",\"tdx\":{\"attributes\":{},\"xfam\":\"0x27\"}",
			      FIRMWARE "," KERNEL, ""),
			&why),
		0);
	assert_int_equal(policy_plan(&policy, &good, &why), -EBADMSG);
	if (strncmp(why.text, "tee of type tdx: XFAM 0x27: AVX-512", 35) != 0)
		fail_msg("%s", why.text);
}
#undef HOLDS
#undef BREAKS_WITH
#undef BREAKS

/* --- schema, fmt, lint, explain --------------------------------------------------------------- */

static void published_schema_is_the_one_in_the_table(void **state)
{
	size_t len;
	char *want = example_read(SOURCE_ROOT "/policy/schema/launch-policy-1.schema.json", &len);
	json_t *schema = schema_publish();
	char *got = json_dumps(schema, JSON_INDENT(2));

	assert_non_null(got);
	assert_int_equal(strlen(got) + 1, len);
	assert_memory_equal(got, want, len - 1);
	assert_int_equal(want[len - 1], '\n');
	json_decref(schema);
	free(got);
	free(want);
}

static void page_check(const char *path, const struct field *field, void *owner)
{
	char line[200];

	(void)snprintf(line, sizeof line, "\n.It Cm %s\n", path);
	if (strstr(owner, line) == NULL)
		fail_msg("casemate.policy(5) has no line \".It Cm %s\"", path);
}

static void manual_page_names_every_key(void **state)
{
	size_t len;
	char *page = example_read(SOURCE_ROOT "/docs/man/casemate.policy.5", &len);

	schema_walk(page_check, page);
	free(page);
}

static char *formatted(const char *s, size_t len, size_t *ret_len)
{
	AUTO(doc) struct doc doc = { 0 };
	uint8_t *out = NULL;
	struct why why = { 0 };

	if (policy_parse_doc(&doc, s, len, "f", &policy, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(fmt_print(&doc, (const uint8_t *)s, &out, ret_len), 0);
	return (char *)out;
}

static void fmt_keeps_examples_and_every_comment(void **state)
{
	static const char *const paths[] = { PAYMENTS, IMAGING, DEVELOPMENT, PAYROLL, GENOMICS };
	static const char messy[] =
		"// one\n{ // two\n\n\n  \"x-a\" : // three\n [ 1,2 ,{ } ] , // four\n"
		"// five\n" SMALL_HEAD TEE_NONE SMALL_TAIL "// six\n\n// seven";
	static const char want_head[] =
		"// one\n{\n  // two\n  // three\n  \"x-a\": [1, 2, {}], // four\n"
		"  // five\n  \"schema\": \"launch-policy/1\",\n";
	static const char want_tail[] = "  \"devices\": {}\n}\n// six\n\n// seven\n";
	char *start = strstr(messy, "{\"schema");
	size_t len, again_len;
	char *s, *again;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char *example = example_read(paths[i], &len);
		s = formatted(example, len, &again_len);
		assert_int_equal(len, again_len);
		assert_memory_equal(example, s, len);
		free(example);
		free(s);
	}
	(void)snprintf(text, sizeof text, "%.*s%s", (int)(start - messy), messy, start + 1);
	s = formatted(text, strlen(text), &len);
	if (strncmp(s, want_head, strlen(want_head)) != 0 ||
		memcmp(s + len - strlen(want_tail), want_tail, strlen(want_tail)) != 0)
		fail_msg("%.*s", (int)len, s);
	again = formatted(s, len, &again_len);
	assert_int_equal(len, again_len);
	assert_memory_equal(s, again, len);
	free(s);
	free(again);
}

static struct lint_report report;

static void lint(const char *s)
{
	AUTO(doc) struct doc doc = { 0 };
	struct why why = { 0 };

	if (policy_parse_doc(&doc, s, strlen(s), "f", &policy, &why) < 0)
		fail_msg("%s", why.text);
	lint_check(&doc, &policy, NOW, &report);
}

static const struct lint_finding *finding(const char *rule, const char *path)
{
	for (size_t i = 0; i < report.n; i++)
		if (strcmp(report.findings[i].rule->id, rule) == 0 &&
			strcmp(report.findings[i].path, path) == 0)
			return &report.findings[i];
	return NULL;
}

static void lint_lets_the_examples_pass(void **state)
{
	static const char *const paths[] = { PAYMENTS, IMAGING, PAYROLL, GENOMICS, DEVELOPMENT };
	struct why why = { 0 };
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char *s = example_read(paths[i], &len);
		bool is_plain = strcmp(paths[i], DEVELOPMENT) == 0;
		lint(s);
		assert_int_equal(report.n_errors, 0);
		assert_int_equal(report.n_warnings, is_plain ? 0 : 1);
		assert_true(is_plain || finding("AUD-002", "audit") != NULL);
		free(s);
		/* And each says enough to launch. */
		if (policy_plan(&policy, &plan, &why) < 0)
			fail_msg("%s: %s", paths[i], why.text);
	}
}

static void lint_finds_what_is_unwise_about_firmware(void **state)
{
	lint(LAUNCH("\"type\":\"sw\"", KERNEL, ""));
	assert_non_null(finding("TEE-012", "tee.type"));
	lint(LAUNCH(SEV("sev", "0x9", ""), FIRMWARE, DISK));
	assert_non_null(finding("TEE-013", "tee.sev"));
	assert_non_null(finding("BOOT-001", "boot.firmware"));
	assert_non_null(finding("BOOT-005", "boot"));
	assert_null(finding("BOOT-003", "boot"));
	lint(LAUNCH(SEV("sev", "0x9", SESSION), FIRMWARE "," KERNEL, ""));
	assert_non_null(finding("TEE-013", "tee.sev"));
	assert_null(finding("BOOT-005", "boot"));
	lint(LAUNCH(SEV("sev", "0x9", SESSION OWNER), FIRMWARE "," KERNEL, ""));
	assert_null(finding("TEE-013", "tee.sev"));
	/* Who only appraises launches nothing. */
	lint(TEE(SEV("sev", "0x9", "")));
	assert_null(finding("TEE-013", "tee.sev"));
}

static void lint_finds_each_rule_at_its_key(void **state)
{
	static const struct {
		const char *what, *with, *rule, *path;
		enum lint_severity severity;
	} cases[] = {
		{ "2027-10-31", "2027-12-31", "POL-003", "valid.not_after", LINT_WARNING },
		{ "2027-10-31", "2029-10-31", "POL-003", "valid.not_after", LINT_ERROR },
		{ "\"valid\":", "\"x-valid\":", "POL-003", "", LINT_WARNING },
		{ "\"valid\":", "\"x-valid\":", "POL-010", "x-valid", LINT_NOTE },
		{ "\"debug\": false", "\"debug\": true", "TEE-001", "tee.snp.guest_policy.debug",
			LINT_ERROR },
		{ "\"migrate_ma\": false", "\"migrate_ma\": true", "TEE-002",
			"tee.snp.guest_policy.migrate_ma", LINT_ERROR },
		{ "\"min_tcb\":", "\"x-min_tcb\":", "TEE-003", "tee.snp", LINT_ERROR },
		{ "\"committed\"", "\"current\"", "TEE-003", "tee.snp.tcb_field", LINT_ERROR },
		{ "\"committed\"", "\"reported\"", "TEE-003", "tee.snp.tcb_field", LINT_ERROR },
		{ "\"data_class\": \"confidential\"", "\"data_class\": \"pci-chd\"", "TEE-005",
			"tee.snp.guest_policy.smt", LINT_WARNING },
		{ "\"simulated\": true", "\"simulated\": false", "TEE-007", "tee.snp",
			LINT_WARNING },
		{ "[\"Genoa\"]", "[\"Genoa\", \"Milan\"]", "TEE-008", "tee.snp.min_tcb",
			LINT_WARNING },
		{ "\"env\": \"test\"", "\"env\": \"prod\"", "TEE-010", "tee.simulated",
			LINT_ERROR },
		{ "\"env\": \"test\"", "\"env\": \"prod\"", "DEV-002", "devices.console",
			LINT_WARNING },
		{ "quiet", "init=/bin/sh", "BOOT-003", "boot.cmdline", LINT_ERROR },
		{ "quiet", "single", "BOOT-003", "boot.cmdline", LINT_ERROR },
		{ "casemate.verity=", "x=", "BOOT-003", "boot.cmdline", LINT_ERROR },
		{ "casemate.verity=3", "casemate.verity=4", "BOOT-003", "boot.cmdline",
			LINT_ERROR },
		{ "\"integrity\": \"luks2-aead\",\n        \"key\": \"transactions-kek\"",
			"\"integrity\": \"none\"", "DEV-001", "devices.disk[1].integrity",
			LINT_ERROR },
		{ "luks2-aead", "luks2", "DEV-001", "devices.disk[1].integrity", LINT_WARNING },
		{ "\"mode\": \"rw\",", "\"mode\": \"rw\", \"backend\": \"qemu-storage-daemon\",",
			"DEV-003", "devices.disk[1].backend", LINT_WARNING },
		{ "\"attestation:affirming\",", "", "KEY-001", "keys[0].release.require",
			LINT_ERROR },
		{ "\"policy:this\",", "", "KEY-001", "keys[0].release.require", LINT_ERROR },
		{ "\"release\":", "\"x-release\":", "KEY-001", "keys[0]", LINT_ERROR },
		{ "\"max_age_s\": 60", "\"max_age_s\": 301", "KEY-002", "keys[0].release.max_age_s",
			LINT_WARNING },
		{ "\"CHG-10423\"", "\"-----BEGIN PRIVATE KEY-----\"", "KEY-003", "", LINT_ERROR },
		{ "quiet", "token=abc", "KEY-003", "boot.cmdline", LINT_ERROR },
		{ "\"CHG-10423\"", "\"kQ7xV2mN9pR4sT8wZ1bC6dF3gH5jL0aE\"", "KEY-003",
			"change.ticket", LINT_ERROR },
		{ "\"CHG-10423\"", "\"8f14e45fceea167a5a36dedd4bea2543\"", "KEY-003",
			"change.ticket", LINT_ERROR },
		{ "\"seccomp\": \"strict\",", "", "HOST-001", "host", LINT_ERROR },
		{ "\"core_dump\": \"forbid\"", "\"x-a\": 0", "HOST-001", "host", LINT_ERROR },
		{ "\"core_dump\": \"forbid\"", "\"core_dump\": \"forbid\", \"landlock\": false",
			"HOST-001", "host.landlock", LINT_ERROR },
		{ "\"core_dump\": \"forbid\"",
			"\"core_dump\": \"forbid\", \"mac_label\": {\"selinux\": \"off\"}",
			"HOST-001", "host.mac_label.selinux", LINT_ERROR },
		{ "\"data_class\": \"confidential\"", "\"data_class\": \"ephi\"", "AUD-001",
			"audit.retain_days", LINT_ERROR },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		lint(changed(cases[i].what, cases[i].with));
		const struct lint_finding *f = finding(cases[i].rule, cases[i].path);
		if (f == NULL || f->severity != cases[i].severity || f->is_waived)
			fail_msg("case %zu: no %s at %s", i, cases[i].rule, cases[i].path);
		assert_true(cases[i].severity != LINT_ERROR || report.n_errors > 0);
	}
	lint(changed("\"sha384\": \"sha384:a4f88b9d", "\"x-sha384\": \"sha384:a4f88b9d"));
	assert_non_null(finding("BOOT-001", "boot.kernel"));
	lint(changed("\"integrity\": {", "\"integrity\": \"none\", \"x-integrity\": {"));
	assert_non_null(finding("BOOT-004", "devices.disk[0].file"));
	lint(TEE("\"type\":\"sev\",\"sev\":{\"policy\":\"0x0\"}"));
	assert_non_null(finding("TEE-001", "tee.sev.policy"));
	assert_non_null(finding("TEE-002", "tee.sev.policy"));
	assert_non_null(finding("TEE-003", "tee.sev"));
	assert_non_null(finding("TEE-014", "tee.sev.policy"));
	lint(TEE("\"type\":\"sev\",\"sev\":{\"policy\":\"0x2\"}"));
	assert_null(finding("TEE-014", "tee.sev.policy"));
	lint(SMALL_HEAD "\"labels\":{\"env\":\"prod\"}," TEE_NONE SMALL_TAIL);
	assert_non_null(finding("TEE-011", "tee.type"));
	assert_non_null(finding("POL-004", ""));
}

#define ROW(product)                                                                               \
	"{\"product\":\"" product "\",\"bootloader\":4,\"tee\":0,\"snp\":24,\"microcode\":219}"
#define TWO_ROWS(a, b)                                                                             \
	TEE("\"type\":\"snp\",\"snp\":{\"product\":[\"Genoa\",\"Milan\"],"                         \
	    "\"guest_policy\":{\"smt\":true},\"min_tcb\":[" a "," b "]}")

static void each_product_has_its_own_min_tcb(void **state)
{
	static const struct {
		const char *text, *cause;
	} bads[] = {
		{ TWO_ROWS(ROW("Milan"), ROW("Milan")),
			"tee.snp.min_tcb[1].product: another row has this product" },
		{ TWO_ROWS(ROW("Milan"), ROW("Turin")),
			"tee.snp.min_tcb[1].product: tee.snp.product does not name" },
		{ TWO_ROWS(ROW("Milan"), "{\"bootloader\":1,\"tee\":0,\"snp\":1,\"microcode\":1}"),
			"tee.snp.min_tcb[1]: each row of several names its product" },
		{ TWO_ROWS(ROW("Milan"), ROW("Venice")), "min_tcb[1].product: \"Venice\" is not" },
		{ TWO_ROWS(ROW("Milan"), "{\"product\":\"Genoa\"}"), "\"bootloader\" is missing" },
		{ TWO_ROWS(ROW("Genoa"),
			  "{\"product\":\"Milan\",\"fmc\":1,\"bootloader\":1,\"tee\":0,"
			  "\"snp\":1,\"microcode\":1}"),
			"tee.snp.min_tcb[1].fmc: only Turin" },
	};
	static const struct {
		const char *what, *with, *cause;
	} changes[] = {
		{ "{\"bootloader\": 9", "{\"product\": \"Milan\", \"bootloader\": 9",
			"tee.snp.min_tcb.product: tee.snp.product does not name" },
		{ "{\"bootloader\": 9, \"tee\": 0, \"snp\": 23, \"microcode\": 72}", "[]",
			"tee.snp.min_tcb: 0 entries, want 1 to 3" },
		{ "{\"bootloader\": 9, \"tee\": 0, \"snp\": 23, \"microcode\": 72}", "9",
			"tee.snp.min_tcb: want a list" },
		{ "[\"Genoa\"]", "[\"Genoa\", \"Milan\"], \"x-a\": 0", NULL },
		{ "{\"bootloader\": 9", "{\"product\": \"Genoa\", \"bootloader\": 9", NULL },
	};
	static char out[65536];
	const struct policy_snp *s = &policy.tee.snp;
	struct wr w = wr_of(out, sizeof out);
	struct why why = { 0 };
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(bads); i++)
		if (parse(bads[i].text, &why) != -EBADMSG ||
			strstr(why.text, bads[i].cause) == NULL)
			fail_msg("case %zu: \"%s\"", i, why.text);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		if ((parse(changed(changes[i].what, changes[i].with), &why) == 0) !=
				(changes[i].cause == NULL) ||
			strstr(why.text, changes[i].cause != NULL ? changes[i].cause : "") == NULL)
			fail_msg("change %zu: \"%s\"", i, why.text);
	assert_ptr_equal(policy_find_min_tcb(s, POLICY_PRODUCT_GENOA), &s->min_tcbs[0].tcb);
	assert_null(policy_find_min_tcb(s, POLICY_PRODUCT_MILAN));
	assert_int_equal(
		parse(TEE("\"type\":\"snp\",\"snp\":{\"product\":[\"Genoa\",\"Milan\"],"
			  "\"guest_policy\":{\"smt\":true},\"min_tcb\":[" ROW("Milan") "]}"),
			&why),
		-EBADMSG);
	assert_non_null(strstr(why.text, "a product of tee.snp.product has no row"));
	lint(TWO_ROWS(ROW("Milan"), ROW("Genoa")));
	assert_null(finding("TEE-008", "tee.snp.min_tcb"));
	assert_null(finding("TEE-003", "tee.snp"));
	assert_int_equal(s->n_min_tcbs, 2);
	assert_ptr_equal(policy_find_min_tcb(s, POLICY_PRODUCT_GENOA), &s->min_tcbs[1].tcb);
	assert_ptr_equal(policy_find_min_tcb(s, POLICY_PRODUCT_MILAN), &s->min_tcbs[0].tcb);
	assert_null(policy_find_min_tcb(s, POLICY_PRODUCT_TURIN));
	explain_print(&policy, &w);
	assert_int_equal(wr_end_str(&w), 0);
	assert_non_null(strstr(out, "firmware of Milan at least: bootloader 4, tee 0, snp 24"));
	static const char two[] = TWO_ROWS(ROW("Milan"), ROW("Genoa"));
	char *f = formatted(two, strlen(two), &len);
	assert_non_null(memmem(f, len, "\"min_tcb\": [\n", 13));
	assert_int_equal(policy_parse(f, len, "f", &policy, &why), 0);
	free(f);
}

static void a_launch_digest_is_as_long_as_its_tees(void **state)
{
	static const struct {
		const char *tee, *digest;
		int err;
		const char *cause;
	} cases[] = {
		{ "sev", "sha256:" DIGEST_32, 0, "" },
		{ "sev", "sha384:" DIGEST_32 "00000000000000000000000000000000", 0, "" },
		{ "sev", DIGEST_32, -EBADMSG, "boot.launch_digest[0]: want \"sha384:\" and 96" },
		{ "sev", "sha256:" DIGEST_32 "00", -EBADMSG, "want \"sha256:\" and 64" },
		{ "sev", "sha384:" DIGEST_32 "00000000000000000000000000000001", -EBADMSG,
			"SEV's launch digests are SHA-256" },
		{ "snp", "sha256:" DIGEST_32, -EBADMSG,
			"boot.launch_digest[0]: SHA-256 is the launch digest of SEV" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct why why = { 0 };
		bool is_sev = strcmp(cases[i].tee, "sev") == 0;
		(void)snprintf(text, sizeof text,
			"%s\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
			"\"tee\":{\"type\":\"%s\",%s},\"boot\":{\"kernel\":{\"file\":\"k\"},"
			"\"cmdline\":\"\",\"launch_digest\":[\"%s\"]},"
			"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{}}",
			SMALL_HEAD, cases[i].tee,
			is_sev ? "\"sev\":{\"policy\":\"0x1\"}"
			       : "\"snp\":{\"product\":[\"Milan\"],\"guest_policy\":{\"smt\":true}"
				 "}",
			cases[i].digest);
		if (parse(text, &why) != cases[i].err || strstr(why.text, cases[i].cause) == NULL)
			fail_msg("case %zu: \"%s\"", i, why.text);
	}
}

static void lint_finds_what_is_unwise_about_tdx(void **state)
{
	static const struct {
		const char *what, *with, *rule, *path;
		enum lint_severity severity;
	} cases[] = {
		{ "\"debug\": false", "\"debug\": true", "TEE-001", "tee.tdx.attributes.debug",
			LINT_ERROR },
		{ "\"migratable\": \"forbid\"", "\"migratable\": \"any\"", "TEE-002",
			"tee.tdx.attributes.migratable", LINT_ERROR },
		{ "\"min_tcb_date\": \"2026-05-14T00:00:00Z\",\n        \"min_eval_number\": 20",
			"\"x-a\": 1", "TEE-003", "tee.tdx.tcb", LINT_WARNING },
		{ "\"smt\": \"forbid\"", "\"smt\": \"any\"", "TEE-005", "tee.tdx.smt",
			LINT_WARNING },
		{ "[\"UpToDate\"]", "[\"UpToDate\", \"OutOfDateConfigurationNeeded\"]", "TEE-006",
			"tee.tdx.tcb.accept", LINT_WARNING },
		{ "\"piids\"", "\"x-piids\"", "TEE-007", "tee.tdx", LINT_WARNING },
		{ "\"type\": \"tdx\",", "\"type\": \"tdx\", \"simulated\": true,", "TEE-010",
			"tee.simulated", LINT_ERROR },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		lint(changed_in(IMAGING, cases[i].what, cases[i].with));
		const struct lint_finding *f = finding(cases[i].rule, cases[i].path);
		if (f == NULL || f->severity != cases[i].severity)
			fail_msg("case %zu: no %s at %s", i, cases[i].rule, cases[i].path);
	}
}

#define WAIVER(rule, expires)                                                                      \
	"\"waivers\":[{\"rule\":\"" rule                                                           \
	"\",\"reason\":\"r\",\"approver\":\"a\",\"expires\":\"" expires "\"}], \"host\":"

static void waivers_count_until_they_expire_and_only_where_they_may(void **state)
{
	lint(changed("\"host\":", WAIVER("AUD-002", "2026-12-31")));
	assert_true(finding("AUD-002", "audit")->is_waived);
	assert_int_equal(report.n_warnings, 0);
	assert_int_equal(report.n_errors, 0);
	lint(changed("\"host\":", WAIVER("AUD-002", "2026-11-23")));
	assert_false(finding("AUD-002", "audit")->is_waived);
	assert_non_null(finding("WVR-001", "waivers[0].expires"));
	lint(changed("\"host\":", WAIVER("AUD-002", "2027-11-23")));
	assert_non_null(finding("WVR-001", "waivers[0].expires"));
	lint(changed("\"host\":", WAIVER("TEE-001", "2026-12-31")));
	assert_non_null(finding("WVR-001", "waivers[0].rule"));
	lint(changed("\"host\":", WAIVER("TEE-999", "2026-12-31")));
	assert_non_null(finding("WVR-001", "waivers[0].rule"));
	assert_int_equal(report.n_errors, 1);
}

static void reader_failures_name_their_lint_rule(void **state)
{
	static const struct {
		const char *text, *rule;
	} cases[] = {
		{ "{\"oops\":1}", "POL-001" },
		{ "{", "POL-001" },
		{ "{\"tee\":{\"snp\":{\"vmsa_features\":32}}}", "TEE-009" },
		{ "{\"change\":{\"supersedes\":\"12\"}}", "TEE-009" },
		{ "{\"tee\":{\"tdx\":{\"tcb\":{\"accept\":[\"Revoked\"]}}}}", "TEE-006" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(doc) struct doc doc = { 0 };
		assert_int_equal(policy_parse_doc(&doc, cases[i].text, strlen(cases[i].text), "f",
					 &policy, NULL),
			-EBADMSG);
		assert_string_equal(doc.fail_rule, cases[i].rule);
		assert_non_null(lint_find_rule(doc.fail_rule));
	}
}

static void explain_says_what_is_not_protected(void **state)
{
	static char out[65536];
	struct wr w = wr_of(out, sizeof out);
	struct why why = { 0 };

	assert_int_equal(policy_read(DEVELOPMENT, &policy, &why), 0);
	explain_print(&policy, &w);
	assert_int_equal(wr_end_str(&w), 0);
	assert_non_null(strstr(out, "NOT protected"));
	assert_non_null(strstr(out, "whatever is at development/vmlinuz"));
	w = wr_of(out, sizeof out);
	assert_int_equal(policy_read(PAYMENTS, &policy, &why), 0);
	policy.devices.disks[1].backend = POLICY_BACKEND_QEMU_STORAGE_DAEMON;
	explain_print(&policy, &w);
	assert_int_equal(wr_end_str(&w), 0);
	assert_non_null(strstr(out, "SIMULATED evidence is accepted"));
	assert_non_null(strstr(out, ", key transactions-kek, served by qemu-storage-daemon\n"));
	assert_non_null(strstr(out, "Key transactions-kek (disk) is released after an affirming"));
	w = wr_of(out, sizeof out);
	assert_int_equal(policy_read(IMAGING, &policy, &why), 0);
	explain_print(&policy, &w);
	assert_int_equal(wr_end_str(&w), 0);
	assert_non_null(strstr(out, "UpToDate; for 30 days more: ConfigurationNeeded, OutOfDate"));
	assert_non_null(strstr(out, "debugging off, migration off, shared cores (SMT) off"));
	assert_non_null(strstr(out, "none of 1 denied advisories is open\n"
				    "  TCB info of evaluation 20 or later\n"
				    "  TCB level of 2026-05-14 or later\n"
				    "  XFAM 0x602e7\n"));
	w = wr_of(out, sizeof out);
	assert_int_equal(parse(TEE("\"type\":\"sev\",\"sev\":{\"policy\":\"0x0\"}"), &why), 0);
	explain_print(&policy, &w);
	assert_int_equal(wr_end_str(&w), 0);
	assert_non_null(strstr(out, "debugging ALLOWED, leaving the machine ALLOWED"));
	w = wr_of(out, sizeof out);
	explain_print_fields(&w);
	assert_int_equal(wr_end_str(&w), 0);
	assert_non_null(strstr(out, "devices.disk[].integrity.verity_root\n"));
}

/* --- diff ------------------------------------------------------------------------------------ */

static struct diff_report changes;

static void changes_of(const char *from, const char *to)
{
	AUTO(doc) struct doc a = { 0 };
	AUTO(doc) struct doc b = { 0 };
	struct why why = { 0 };

	if (policy_parse_doc(&a, from, strlen(from), "a", &policy, &why) < 0 ||
		policy_parse_doc(&b, to, strlen(to), "b", &policy, &why) < 0)
		fail_msg("%s", why.text);
	diff_compare(a.root, b.root, &changes);
}

#define HOST_END "\"core_dump\": \"forbid\""

/* Each change of the example, and back again. */
static void diff_says_which_way_a_change_goes(void **state)
{
	static const struct {
		const char *example, *what, *with, *path;
		enum diff_way way;
	} cases[] = {
		{ PAYMENTS, "\"serial\": 1", "\"serial\": 2", "serial", DIFF_NOTE },
		{ PAYMENTS, "\"smt\": true", "\"smt\": false", "tee.snp.guest_policy.smt",
			DIFF_STRICTER },
		{ PAYMENTS, "\"debug\": false", "\"debug\": true", "tee.snp.guest_policy.debug",
			DIFF_LOOSER },
		{ PAYMENTS, "\"snp\": 23", "\"snp\": 22", "tee.snp.min_tcb[].snp", DIFF_LOOSER },
		{ PAYMENTS, "\"committed\"", "\"current\"", "tee.snp.tcb_field", DIFF_LOOSER },
		{ PAYMENTS, "\"committed\"", "\"launch\"", "tee.snp.tcb_field", DIFF_OTHER },
		{ PAYMENTS, "\"ecc\": \"require\"", "\"ecc\": \"any\"", "tee.snp.platform_info.ecc",
			DIFF_LOOSER },
		{ PAYMENTS, "\"ecc\": \"require\"", "\"ecc\": \"forbid\"",
			"tee.snp.platform_info.ecc", DIFF_OTHER },
		{ PAYMENTS, "\"vmpl\": 0", "\"vmpl\": 0, \"chip_ids\": [\"0011223344556677\"]",
			"tee.snp.chip_ids", DIFF_STRICTER },
		/* None: only what the files give; one more is one more that is accepted. */
		{ PAYMENTS, "\"cmdline\":", "\"launch_digest\": [\"" DIGEST_48 "\"], \"cmdline\":",
			"boot.launch_digest", DIFF_LOOSER },
		{ PAYMENTS, "\"console\": \"serial\"", "\"console\": \"none\"", "devices.console",
			DIFF_STRICTER },
		{ PAYMENTS, "\"luks2-aead\"", "\"luks2\"",
			"devices.disk[\"transactions\"].integrity", DIFF_LOOSER },
		{ PAYMENTS, "\"policy:this\", ", "", "keys[\"transactions-kek\"].release.require",
			DIFF_LOOSER },
		{ PAYMENTS, "\"max_age_s\": 60", "\"max_age_s\": 30",
			"keys[\"transactions-kek\"].release.max_age_s", DIFF_STRICTER },
		{ PAYMENTS, "\"retain_days\": 400", "\"retain_days\": 10", "audit.retain_days",
			DIFF_LOOSER },
		{ PAYMENTS, "\"cmdline\": \"console=ttyS0 quiet", "\"cmdline\": \"console=ttyS0",
			"boot.cmdline", DIFF_OTHER },
		{ PAYROLL, "0x3101003f", "0x31010037", "tee.sev.policy", DIFF_LOOSER },
		{ IMAGING, "[\"OutOfDate\", ", "[", "tee.tdx.tcb.grace.status", DIFF_STRICTER },
		{ IMAGING, "\"perfmon\": \"forbid\"", "\"perfmon\": \"any\"",
			"tee.tdx.attributes.perfmon", DIFF_LOOSER },
		{ PAYMENTS, HOST_END, HOST_END ", \"confinement\": \"strict\"", "host.confinement",
			DIFF_STRICTER },
		{ PAYMENTS, HOST_END, HOST_END ", \"landlock\": false", "host.landlock",
			DIFF_LOOSER },
		{ PAYMENTS, HOST_END, HOST_END ", \"mac_label\": {\"selinux\": \"off\"}",
			"host.mac_label.selinux", DIFF_LOOSER },
		{ PAYMENTS, HOST_END, HOST_END ", \"mac_label\": {\"selinux\": \"s0:c1,c2\"}",
			"host.mac_label.selinux", DIFF_STRICTER },
		{ PAYMENTS, HOST_END, HOST_END ", \"limits\": {\"cpu_percent\": 50}",
			"host.limits.cpu_percent", DIFF_STRICTER },
		{ PAYMENTS, HOST_END, HOST_END ", \"limits\": {\"overhead_mib\": 512}",
			"host.limits.overhead_mib", DIFF_LOOSER },
		{ PAYMENTS, HOST_END, HOST_END ", \"limits\": {\"overhead_mib\": 128}",
			"host.limits.overhead_mib", DIFF_STRICTER },
		{ PAYMENTS, HOST_END, HOST_END ", \"limits\": {\"io_weight\": 50}",
			"host.limits.io_weight", DIFF_OTHER },
		{ IMAGING, "\"days\": 30", "\"days\": 31", "tee.tdx.tcb.grace.days", DIFF_LOOSER },
	};
	static const enum diff_way back[DIFF_WAY_COUNT] = {
		[DIFF_STRICTER] = DIFF_LOOSER,
		[DIFF_LOOSER] = DIFF_STRICTER,
		[DIFF_OTHER] = DIFF_OTHER,
		[DIFF_NOTE] = DIFF_NOTE,
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len;
		char *old = example_read(cases[i].example, &len);
		const char *new = changed_in(cases[i].example, cases[i].what, cases[i].with);
		changes_of(old, new);
		if (changes.n != 1 || changes.overall != cases[i].way ||
			changes.at[0].way != cases[i].way ||
			strcmp(changes.at[0].path, cases[i].path) != 0)
			fail_msg("case %zu: %zu changes, %s, %s", i, changes.n,
				changes.n > 0 ? changes.at[0].path : "",
				diff_way_name(changes.overall));
		changes_of(new, old);
		assert_int_equal(changes.overall, back[cases[i].way]);
		changes_of(new, new);
		assert_int_equal(changes.n, 0);
		free(old);
	}
}

#define TWO_DISKS(one, two)                                                                        \
	"{\"schema\":\"launch-policy/1\",\"name\":\"t/"                                            \
	"g\",\"serial\":1,\"tee\":{\"type\":\"none\"},"                                            \
	"\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\"},\"machine\":{\"vcpus\":1,"        \
	"\"memory_mib\":128},\"devices\":{\"disk\":["                                              \
	"{\"id\":\"" one "\",\"file\":\"" one "\",\"mode\":\"ro\",\"integrity\":\"none\"},"        \
	"{\"id\":\"" two "\",\"file\":\"" two "\",\"mode\":\"ro\",\"integrity\":\"none\"}]}}"

static void diff_weighs_all_changes_together(void **state)
{
	size_t len;
	char *old = example_read(PAYMENTS, &len);

	changes_of(old, changed("\"smt\": true,\n        \"debug\": false",
				"\"smt\": false,\n        \"debug\": true"));
	assert_int_equal(changes.n, 2);
	assert_int_equal(changes.overall, DIFF_MIXED);
	changes_of(old,
		changed("\"serial\": 1",
			"\"serial\": 2, \"waivers\": [{\"rule\": \"AUD-002\", "
			"\"reason\": \"r\", \"approver\": \"a\", \"expires\": \"2026-12-01\"}]"));
	assert_int_equal(changes.n, 2);
	assert_int_equal(changes.overall, DIFF_LOOSER);
	free(old);
	changes_of(TWO_DISKS("a", "b"), TWO_DISKS("b", "a"));
	assert_int_equal(changes.n, 1);
	assert_int_equal(changes.overall, DIFF_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_fills_in_every_section_of_the_example),
		cmocka_unit_test(parse_fills_in_what_tdx_has_to_prove),
		cmocka_unit_test(parse_fills_in_everything_else_of_tee),
		cmocka_unit_test(parse_takes_small_policies_and_keys_of_your_own),
		cmocka_unit_test(comments_in_strings_are_text),
		cmocka_unit_test(defaults_are_the_documented_ones),
		cmocka_unit_test(hash_is_sha256_of_the_bytes_as_written),
		cmocka_unit_test(digests_chips_and_masks_are_read),
		cmocka_unit_test(id_block_must_fit_the_guest_policy),
		cmocka_unit_test(reader_refuses_text_that_is_not_the_profile),
		cmocka_unit_test(reader_refuses_what_is_too_big),
		cmocka_unit_test(long_file_names_leave_room_for_the_cause),
		cmocka_unit_test(reader_refuses_unknown_and_duplicate_keys_at_their_place),
		cmocka_unit_test(reader_refuses_wrong_types_and_ranges_at_their_place),
		cmocka_unit_test(reader_refuses_what_this_version_cannot_honour),
		cmocka_unit_test(reader_refuses_keys_that_contradict_each_other),
		cmocka_unit_test(objects_of_tee_stand_with_their_types),
		cmocka_unit_test(plan_refuses_what_cannot_be_launched),
		cmocka_unit_test(plan_has_what_each_kind_of_guest_is_launched_with),
		cmocka_unit_test(what_is_launched_does_not_contradict_itself),
		cmocka_unit_test(plan_check_refuses_what_a_kind_of_guest_cannot_have),
		cmocka_unit_test(plan_check_knows_the_bits_of_amds_words),
		cmocka_unit_test(plan_check_knows_the_bits_of_a_td),
		cmocka_unit_test(failed_parse_leaves_the_policy_untouched),
		cmocka_unit_test(validity_window_is_held),
		cmocka_unit_test(times_are_those_of_the_calendar),
		cmocka_unit_test(printed_times_read_back),
		cmocka_unit_test(plan_says_what_the_policy_says),
		cmocka_unit_test(plan_says_how_the_guest_is_confined),
		cmocka_unit_test(confinement_that_makes_no_sense_is_refused),
		cmocka_unit_test(plan_refuses_a_migration_agent),
		cmocka_unit_test(plan_check_refuses_every_field_out_of_range),
		cmocka_unit_test(published_schema_is_the_one_in_the_table),
		cmocka_unit_test(manual_page_names_every_key),
		cmocka_unit_test(fmt_keeps_examples_and_every_comment),
		cmocka_unit_test(lint_lets_the_examples_pass),
		cmocka_unit_test(lint_finds_each_rule_at_its_key),
		cmocka_unit_test(lint_finds_what_is_unwise_about_tdx),
		cmocka_unit_test(lint_finds_what_is_unwise_about_firmware),
		cmocka_unit_test(waivers_count_until_they_expire_and_only_where_they_may),
		cmocka_unit_test(reader_failures_name_their_lint_rule),
		cmocka_unit_test(explain_says_what_is_not_protected),
		cmocka_unit_test(each_product_has_its_own_min_tcb),
		cmocka_unit_test(a_launch_digest_is_as_long_as_its_tees),
		cmocka_unit_test(diff_says_which_way_a_change_goes),
		cmocka_unit_test(diff_weighs_all_changes_together),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
