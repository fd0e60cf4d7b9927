#include "attest/vendor.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "attest/vendor_certs.inc" /* made by vendor/embed.py from vendor/amd/ */

/* ARK public keys, SHA-256 of SPKI (attestation.md, 2.3). */
static const struct {
	enum snp_product product;
	uint8_t spki[32];
} pins[] = {
	{ SNP_PRODUCT_MILAN,
		{ 0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5, 0xff, 0xa8,
			0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b, 0xed, 0x8d, 0x6f,
			0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9 } },
	{ SNP_PRODUCT_GENOA,
		{ 0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d, 0xb5, 0xfc,
			0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a, 0x9c, 0xeb, 0xd6,
			0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31 } },
	{ SNP_PRODUCT_TURIN,
		{ 0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56, 0xf9, 0x24,
			0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03, 0xf5, 0x3f, 0x90,
			0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08 } },
};

/*
 * Root keys of SEV and SEV-ES that no X.509 certificate holds; the same digest, over the key as
 * SubjectPublicKeyInfo. Computed from AMD's ARK certificates in its own format for Naples and Rome
 * (attestation.md, 5), whose chains down to a machine's PDH were verified with them.
 */
static const struct {
	const char *product;
	uint8_t spki[32];
} sev_pins[] = {
	{ "Naples", { 0x3a, 0x04, 0xf8, 0xf1, 0x34, 0x7d, 0xe2, 0x06, 0xc9, 0x20, 0x6a, 0x81, 0x14,
			    0x8b, 0xa4, 0xef, 0x0a, 0x23, 0x3b, 0x24, 0x5d, 0x43, 0xa1, 0x5d, 0xd8,
			    0x2d, 0xe0, 0x43, 0xbb, 0x3e, 0x4f, 0x69 } },
	{ "Rome", { 0x74, 0x47, 0xff, 0xa2, 0x1e, 0x2b, 0x93, 0x8b, 0xfa, 0xde, 0x89, 0xf5, 0xe9,
			  0x06, 0x6c, 0x00, 0xa3, 0x28, 0x81, 0x3b, 0xfc, 0x43, 0x68, 0x56, 0x05,
			  0xcc, 0xea, 0xbd, 0x18, 0xda, 0x6f, 0xde } },
};

/* Intel SGX Root CA, whose certificate has SHA-256 44a0196b...b674d3 (attestation.md, 7.1). */
static const uint8_t intel_pin[32] = { 0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f,
	0x91, 0x86, 0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35, 0x77, 0x74, 0x72,
	0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e };

/* The first SEV-Genoa (serial 131073): on every CRL of ARK-Genoa since 2022-10-31 (2.3, 2.4). */
static const uint8_t revoked_sha256[][32] = {
	{ 0x54, 0x46, 0x7b, 0x96, 0xb8, 0xba, 0xf2, 0x1d, 0xd4, 0x2e, 0xf7, 0x16, 0x2a, 0x62, 0xec,
		0x78, 0x12, 0xc5, 0x23, 0x1e, 0xf3, 0x01, 0x79, 0x0e, 0x37, 0xa8, 0x4b, 0x82, 0x2a,
		0xe6, 0xf4, 0x59 },
};

#define ROW(cn, root, name)                                                                        \
	{                                                                                          \
		cn, root, name, sizeof name                                                        \
	}
static const struct {
	const char *cn;
	const char *root_cn; /* NULL: it is a root */
	const uint8_t *der;
	size_t len;
} built_in[] = {
	ROW("ARK-Milan", NULL, ark_milan),
	ROW("SEV-Milan", "ARK-Milan", ask_milan),
	ROW("SEV-VLEK-Milan", "ARK-Milan", asvk_milan),
	ROW("ARK-Genoa", NULL, ark_genoa),
	ROW("SEV-Genoa", "ARK-Genoa", ask_genoa),
	ROW("SEV-VLEK-Genoa", "ARK-Genoa", asvk_genoa),
	ROW("ARK-Turin", NULL, ark_turin),
	ROW("SEV-Turin", "ARK-Turin", ask_turin),
	ROW("SEV-VLEK-Turin", "ARK-Turin", asvk_turin),
	ROW("Intel SGX Root CA", NULL, intel_root),
	ROW("Intel SGX PCK Platform CA", "Intel SGX Root CA", intel_platform_ca),
	ROW("Intel SGX TCB Signing", "Intel SGX Root CA", intel_tcb_signing_2018),
	ROW("Intel SGX TCB Signing", "Intel SGX Root CA", intel_tcb_signing_2025),
};
#undef ROW

static enum snp_product pin_find(const uint8_t spki[32])
{
	for (size_t i = 0; i < ARRAY_LEN(pins); i++)
		if (memcmp(pins[i].spki, spki, sizeof pins[i].spki) == 0)
			return pins[i].product;
	return SNP_PRODUCT_UNKNOWN;
}

enum snp_product vendor_root_product(const X509 *root)
{
	uint8_t spki[32];

	return cert_spki_sha256(root, spki) < 0 ? SNP_PRODUCT_UNKNOWN : pin_find(spki);
}

const char *vendor_sev_root(const uint8_t spki[32])
{
	enum snp_product product = pin_find(spki);

	for (size_t i = 0; i < ARRAY_LEN(sev_pins); i++)
		if (memcmp(sev_pins[i].spki, spki, sizeof sev_pins[i].spki) == 0)
			return sev_pins[i].product;
	return product == SNP_PRODUCT_UNKNOWN ? NULL : snp_product_name(product);
}

bool vendor_is_intel_root(const X509 *root)
{
	uint8_t spki[32];

	return cert_spki_sha256(root, spki) == 0 && memcmp(spki, intel_pin, sizeof spki) == 0;
}

/* Parsed on first use and kept for the life of the process. */
static X509 *parsed[ARRAY_LEN(built_in)];
static pthread_once_t parsed_once = PTHREAD_ONCE_INIT;

static void built_in_parse(void)
{
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++) {
		const unsigned char *at = built_in[i].der;
		parsed[i] = d2i_X509(NULL, &at, (long)built_in[i].len);
	}
}

static MUST_USE int built_in_add(
	struct cert_store *s, const char *cn, const char **ret_root_cn, struct why *why)
{
	int err = 0;

	(void)pthread_once(&parsed_once, built_in_parse);
	for (size_t i = 0; i < ARRAY_LEN(built_in) && err == 0; i++) {
		if (strcmp(built_in[i].cn, cn) != 0)
			continue;
		*ret_root_cn = built_in[i].root_cn;
		err = parsed[i] == NULL ? -ENOMEM : cert_store_add_x509(s, parsed[i], why);
	}
	return err;
}

X509 *vendor_find_der(const uint8_t *der, size_t len)
{
	(void)pthread_once(&parsed_once, built_in_parse);
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
		if (built_in[i].len == len && memcmp(built_in[i].der, der, len) == 0)
			return parsed[i];
	return NULL;
}

int vendor_add_chain(struct cert_store *s, const char *issuer_cn, struct why *why)
{
	const char *root_cn = NULL;
	int err = built_in_add(s, issuer_cn, &root_cn, why);

	if (err == 0 && root_cn != NULL)
		err = built_in_add(s, root_cn, &root_cn, why);
	return err;
}

const uint8_t *vendor_cert(size_t i, size_t *ret_len, const char **ret_cn)
{
	if (i >= ARRAY_LEN(built_in))
		return NULL;
	*ret_len = built_in[i].len;
	*ret_cn = built_in[i].cn;
	return built_in[i].der;
}

bool vendor_is_revoked(const X509 *x)
{
	uint8_t digest[32];

	if (cert_sha256(x, digest) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(revoked_sha256); i++)
		if (memcmp(revoked_sha256[i], digest, sizeof digest) == 0)
			return true;
	return false;
}
