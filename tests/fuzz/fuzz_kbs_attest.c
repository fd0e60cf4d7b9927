/*
 * What a stranger may send to the broker: must reach kbs_json_load, kbs_key_check, evidence_parse for
 * every kind, initdata_digest, kbs_snp_parse,
 * kbs_bind_report_data, snp_report_parse, kbs_jwe_seal, kbs_path_parse.
 */
#include "attest/broker/broker_evidence.h"
#include "attest/broker/kbs_bind.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "attest/broker/kbs_path.h"
#include "attest/broker/kbs_snp.h"
#include "attest/snp_report.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kbs_snp snp;
	static struct secret secret;
	static struct evidence other;
	uint8_t digest[64];
	AUTO(kbs_json) json_t *j = NULL;
	AUTO(kbs_text) char *jwe = NULL;
	struct snp_report report;
	struct kbs_path path;
	uint8_t bound[KBS_REPORT_DATA_BYTES];

	if (secret.p == NULL && secret_init(&secret, 32) < 0)
		return 0;
	if (kbs_json_load(data, size, &j, NULL) < 0)
		return 0;
	const json_t *runtime = json_object_get(j, "runtime-data");
	const json_t *evidence = json_object_get(j, "tee-evidence");
	const json_t *key = json_object_get(runtime, "tee-pubkey");
	const char *nonce = kbs_json_text(runtime, "nonce", 64, NULL);
	if (nonce != NULL)
		(void)!kbs_path_parse(nonce, &path, NULL);
	for (enum broker_tee tee = 0; tee < TEE_COUNT; tee++)
		(void)!evidence_parse(
			json_object_get(evidence, "primary_evidence"), tee, &other, NULL);
	const json_t *init = json_object_get(json_object_get(j, "init-data"), "body");
	if (json_is_string(init))
		(void)!initdata_digest(
			json_string_value(init), json_string_length(init), digest, NULL);
	if (kbs_snp_parse(json_object_get(evidence, "primary_evidence"), &snp, NULL) == 0)
		(void)!snp_report_parse(&report, snp.report, sizeof snp.report, NULL);
	if (nonce != NULL && kbs_key_check(key, true, NULL) == 0) {
		(void)!kbs_bind_report_data(nonce, key, bound);
		(void)!kbs_jwe_seal(&secret, key, &jwe, NULL);
	}
	return 0;
}
