/*
 * What a bearer may send: the bytes as a token, and as the claims of a token that our key has signed:
 * must reach jws_verify, claims_check, proof_parse, kbs_key_check.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attest/broker/broker_token.h"
#include "attest/broker/kbs_json.h"
#include "attest/jws.h"
#include "tests/fuzz/fuzz.h"

/* Ed25519 (RFC 8037, A.1), for speed; by way of a file, as an operator gives it. */
static void tokens_make(struct tokens *t)
{
	static const char pem[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
		"-----END PRIVATE KEY-----\n";
	char path[32];
	int fd = memfd_create("key", MFD_CLOEXEC);

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, pem, strlen(pem)) != (ssize_t)strlen(pem) ||
		tokens_open(t, path, NULL, 0, NULL) < 0)
		abort();
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tokens tokens;
	AUTO(kbs_json) json_t *key = NULL;
	AUTO(kbs_json) json_t *signed_key = NULL;
	struct proof proof;
	char *token = NULL;

	if (tokens.jwks == NULL)
		tokens_make(&tokens);
	char *text = strndup((const char *)data, size);
	if (text != NULL)
		(void)!tokens_read(&tokens, text, 1790000000, &proof, &key, NULL);
	if (jws_sign(&tokens.key, "JWT", NULL, data, size, &token, NULL) == 0)
		(void)!tokens_read(&tokens, token, 1790000000, &proof, &signed_key, NULL);
	free(token);
	free(text);
	return 0;
}
