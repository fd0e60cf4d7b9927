/*
 * What a server, or the host in its place, may answer to the agent: must reach
 * agent_kbs_parse_challenge and kbs_jwe_open with an EC key.
 */
#include <string.h>

#include "attest/agent/agent_kbs.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "tests/fuzz/fuzz.h"

/* Made for this file; the corpus holds answers sealed to it. */
static const char ec_key[] =
	"{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"P-384\",\"d\":\"NeCrZ4dhMbxuXAIepCpXHT0eYs"
	"OOlaOkRhl7FkqdfW3Z33nfImU06d8Jow6u0ymW\",\"kty\":\"EC\",\"x\":\"ufvXwVJSlLWvyw1G"
	"CTXUKYfbebQPjwnaTPactp0h-syZQrwmhpAMHSIRxXRMn-FL\",\"y\":\"NXVESHKQdfSEi0Zs0cV47"
	"EcFUkUXez8zhawy_vQhNJTqfu6jhzvqIdoijKZ-0HeV\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *key;
	AUTO(secret) struct secret secret = { 0 };
	char nonce[AGENT_NONCE_MAX + 1];

	if (key == NULL && kbs_json_load(ec_key, strlen(ec_key), &key, NULL) < 0)
		return 0;
	(void)!agent_kbs_parse_challenge(data, size, nonce, NULL);
	(void)!kbs_jwe_open(data, size, key, &secret, NULL);
	return 0;
}
