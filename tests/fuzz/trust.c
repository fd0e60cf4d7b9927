#include "tests/fuzz/trust.h"

#include <stdlib.h>
#include <string.h>

#include "attest/cert.h"

/* RFC 7515, A.3; RFC 8037, A.2. */
static const char *const keys[] = {
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"p\","
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\","
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
};

static const char root[] = "-----BEGIN CERTIFICATE-----\n"
			   "MIIBOzCB7qADAgECAgEBMAUGAytlcDAUMRIwEAYDVQQDDAlmdXp6IHJvb3QwIBcN\n"
			   "MjAwMTAxMDAwMDAwWhgPMjEwMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCWZ1enog\n"
			   "cm9vdDAqMAUGAytlcAMhANdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\n"
			   "o2MwYTAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIChDAdBgNVHQ4EFgQU\n"
			   "WyeqVYkXl3DkdXWxYqHe2XuL/G0wHwYDVR0jBBgwFoAUWyeqVYkXl3DkdXWxYqHe\n"
			   "2XuL/G0wBQYDK2VwA0EAqEVOv/06lLCYtV8VVIciFsHNrxsSSvqI7Sc3YAdGK46U\n"
			   "JDyZrmF+tqRSZGAr7PoVvTt1Y5o9xSd/+XL1/FzuBw==\n"
			   "-----END CERTIFICATE-----\n";

const struct jws_trust *fuzz_trust(void)
{
	static struct jwk_set set;
	static struct cert_store roots;
	static const struct jws_trust trust = { .keys = &set, .roots = &roots, .at = 1790000000 };

	for (size_t i = 0; set.n < ARRAY_LEN(keys); i++)
		if (jwk_set_add(&set, (const uint8_t *)keys[i], strlen(keys[i]), NULL) < 0)
			abort();
	if (roots.n == 0 && cert_store_add(&roots, (const uint8_t *)root, strlen(root), NULL) < 0)
		abort();
	return &trust;
}
