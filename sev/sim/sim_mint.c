#include "sev/sim/sim_mint.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/wr.h"
#include "sev/abi_snp.h"
#include "sev/sim/sim_crypto.h"
#include "sev/sim/sim_identity.h"

#define ORGANISATION   "casemate simulated AMD"
#define PSS_SALT_BYTES 48
#define DAYS_CA        (25 * 365)
#define DAYS_VCEK      (7 * 365)
#define DAYS_VLEK      365
#define CSP_ID         "casemate simulated CSP"
#define CHIP_ID_TURIN  8u
#define OID_MAX        64

/* What differs between products. "Attestation facts" 1.2 to 1.5, 2.2. */
struct product {
	const char *name_in_vcek;
	uint32_t fms;
	long struct_version;
	uint8_t tcb[8];
	/* byte of the TCB under each 1.3.6.1.4.1.3704.1.3.n, n = 1 ..; -1: no such extension */
	int8_t spl_byte[9];
};

/* clang-format off */
static const struct product products[SIM_PRODUCT_COUNT] = {
	/*                         bootloader, TEE, .. SNP, microcode        bl tee snp  4  5  6  7 uc fmc */
	[SIM_MILAN] = { "Milan-B0", 0x00A00F11, 0, { 4, 0, 0, 0, 0, 0, 24, 219 }, { 0, 1, 6, 2, 3, 4, 5, 7, -1 } },
	[SIM_GENOA] = { "Genoa",    0x00A10F11, 0, { 10, 0, 0, 0, 0, 0, 23, 84 }, { 0, 1, 6, 2, 3, 4, 5, 7, -1 } },
	/*                         FMC, bootloader, TEE, SNP, .. microcode */
	[SIM_TURIN] = { "Turin",    0x00B00F21, 1, { 1, 1, 1, 4, 0, 0, 0, 80 },   { 1, 2, 3, -1, 4, 5, 6, 7, 0 } },
};
/* clang-format on */

/* The kinds of certificate of the chain. */
struct kind {
	const char *cn_format; /* of the product's name, or fixed */
	long serial;
	long days;
	int path_len; /* of a CA; -1: none */
};

enum { ARK, ASK, VCEK, ASVK, VLEK, CHAIN_COUNT };

static const struct {
	struct kind kind;
	int issuer;
} chain_kinds[CHAIN_COUNT] = {
	[ARK] = { { "ARK-%s", 65536, DAYS_CA, 1 }, ARK },
	[ASK] = { { "SEV-%s", 65537, DAYS_CA, 0 }, ARK },
	[VCEK] = { { "SEV-VCEK", 0, DAYS_VCEK, -1 }, ASK },
	[ASVK] = { { "SEV-VLEK-%s", 65793, DAYS_CA, 0 }, ARK },
	[VLEK] = { { "SEV-VLEK", 0, DAYS_VLEK, -1 }, ASVK },
};

static MUST_USE int name_set(X509_NAME *name, const struct kind *kind, enum sim_product product)
{
	char cn[32];
	const struct {
		const char *field;
		const char *text;
	} rows[] = {
		{ "OU", "Engineering" },
		{ "C", "US" },
		{ "L", "Santa Clara" },
		{ "ST", "CA" },
		{ "O", ORGANISATION },
		{ "CN", cn },
	};

	/* Two steps, so that every format stands in the table and is a constant here. */
	const char *prefix = strchr(kind->cn_format, '%');
	int n = prefix == NULL ? snprintf(cn, sizeof cn, "%s", kind->cn_format)
			       : snprintf(cn, sizeof cn, "%.*s%s", (int)(prefix - kind->cn_format),
					 kind->cn_format, sim_product_name(product));
	if (n < 0 || (size_t)n >= sizeof cn)
		return -EIO;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (X509_NAME_add_entry_by_txt(name, rows[i].field, MBSTRING_ASC,
			    (const unsigned char *)rows[i].text, -1, -1, 0) != 1)
			return -EIO;
	return 0;
}

static MUST_USE int text_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok ? 0 : -EIO;
}

/* An extension whose value is these bytes as they are (DER made by the caller). */
static MUST_USE int raw_extension(X509 *cert, const char *oid, const uint8_t *der, size_t len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext = NULL;

	if (object != NULL && value != NULL && ASN1_OCTET_STRING_set(value, der, (int)len) == 1)
		ext = X509_EXTENSION_create_by_OBJ(NULL, object, 0, value);
	int ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(object);
	return ok ? 0 : -EIO;
}

/* DER INTEGER of one byte: two bytes where the top bit would make it negative. */
static MUST_USE int number_extension(X509 *cert, const char *oid, uint8_t v)
{
	const uint8_t small[] = { 0x02, 0x01, v };
	const uint8_t large[] = { 0x02, 0x02, 0x00, v };

	return v < 0x80 ? raw_extension(cert, oid, small, sizeof small)
			: raw_extension(cert, oid, large, sizeof large);
}

#define ARC "1.3.6.1.4.1.3704.1"

/* Of a VCEK the chip it belongs to, of a VLEK the provider. */
static MUST_USE int owner_extension(X509 *cert, bool is_vlek, const struct sim_platform *p)
{
	const size_t id_len = p->product == SIM_TURIN ? CHIP_ID_TURIN : SIM_CHIP_ID_BYTES;
	uint8_t id[2 + SIM_CHIP_ID_BYTES] = { 0x04, (uint8_t)id_len }; /* OCTET STRING */
	uint8_t csp[2 + sizeof CSP_ID - 1] = { 0x16, sizeof CSP_ID - 1 };

	memcpy(id + 2, p->chip_id, id_len);
	memcpy(csp + 2, CSP_ID, sizeof CSP_ID - 1);
	return is_vlek ? raw_extension(cert, ARC ".5", csp, sizeof csp)
		       : raw_extension(cert, ARC ".4", id, 2 + id_len);
}

static MUST_USE int leaf_extensions(X509 *cert, bool is_vlek, const struct sim_platform *p)
{
	const struct product *product = &products[p->product];
	const char *text = is_vlek ? sim_product_name(p->product) : product->name_in_vcek;
	const size_t name_len = strlen(text);
	uint8_t name[32] = { 0x16, (uint8_t)name_len }; /* IA5String */
	int err = number_extension(cert, ARC ".1", (uint8_t)product->struct_version);

	memcpy(name + 2, text, name_len);
	if (err == 0)
		err = raw_extension(cert, ARC ".2", name, 2 + name_len);
	for (int i = 0; err == 0 && i < (int)ARRAY_LEN(product->spl_byte); i++) {
		char oid[OID_MAX];
		if (product->spl_byte[i] < 0)
			continue;
		(void)snprintf(oid, sizeof oid, ARC ".3.%d", i + 1);
		err = number_extension(cert, oid, p->reported_tcb[product->spl_byte[i]]);
	}
	return err == 0 ? owner_extension(cert, is_vlek, p) : err;
}

static MUST_USE int ca_extensions(X509 *cert, const struct kind *kind)
{
	char constraints[48];
	int err;

	(void)snprintf(
		constraints, sizeof constraints, "critical,CA:TRUE,pathlen:%d", kind->path_len);
	err = text_extension(cert, NID_basic_constraints, constraints);
	if (err == 0)
		err = text_extension(cert, NID_key_usage,
			kind->path_len > 0 ? "critical,keyCertSign,cRLSign"
					   : "critical,keyCertSign");
	return err;
}

/* RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48. "Attestation facts" 2.1. */
static MUST_USE int cert_sign(X509 *cert, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey = NULL;
	int ok = ctx != NULL &&
		 EVP_DigestSignInit_ex(ctx, &pkey, "SHA2-384", NULL, NULL, key, NULL) == 1 &&
		 EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) == 1 &&
		 EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, PSS_SALT_BYTES) == 1 &&
		 EVP_PKEY_CTX_set_rsa_mgf1_md(pkey, EVP_sha384()) == 1 &&
		 X509_sign_ctx(cert, ctx) > 0;

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

struct pair {
	EVP_PKEY *key;
	X509 *cert;
};

static MUST_USE int cert_fill(X509 *cert, const struct kind *kind, const struct pair *subject,
	const struct sim_platform *p)
{
	int err = name_set(X509_get_subject_name(cert), kind, p->product);

	if (err < 0 || X509_set_version(cert, X509_VERSION_3) != 1 ||
		ASN1_INTEGER_set(X509_get_serialNumber(cert), kind->serial) != 1 ||
		X509_gmtime_adj(X509_getm_notBefore(cert), -86400L) == NULL ||
		X509_time_adj_ex(X509_getm_notAfter(cert), (int)kind->days, 0, NULL) == NULL ||
		X509_set_pubkey(cert, subject->key) != 1)
		return -EIO;
	return kind->path_len >= 0 ? ca_extensions(cert, kind)
				   : leaf_extensions(cert, kind == &chain_kinds[VLEK].kind, p);
}

/* subject->cert, signed by issuer (its own issuer when they are the same). */
static MUST_USE int cert_make(struct pair *subject, const struct pair *issuer,
	const struct kind *kind, const struct sim_platform *p)
{
	subject->cert = X509_new();
	if (subject->cert == NULL)
		return -ENOMEM;
	int err = cert_fill(subject->cert, kind, subject, p);
	if (err == 0 &&
		X509_set_issuer_name(subject->cert, X509_get_subject_name(issuer->cert)) != 1)
		err = -EIO;
	if (err == 0)
		err = cert_sign(subject->cert, issuer->key);
	return err;
}

/* Where each certificate goes. */
static struct sim_bytes *chain_blob(struct sim_platform *p, int which)
{
	static const enum sim_blob blobs[] = { SIM_BLOB_ARK, SIM_BLOB_ASK, SIM_BLOB_VCEK };

	return which >= ASVK ? &p->vlek[which - ASVK] : &p->blob[blobs[which]];
}

static uint8_t **chain_bytes(struct sim_minted *m, int which)
{
	static const enum sim_blob blobs[] = { SIM_BLOB_ARK, SIM_BLOB_ASK, SIM_BLOB_VCEK };

	return which >= ASVK ? &m->vlek[which - ASVK] : &m->bytes[blobs[which]];
}

static MUST_USE int der_take(uint8_t *der, int len, struct sim_bytes *blob, uint8_t **bytes)
{
	if (der == NULL || len <= 0)
		return -EIO;
	*bytes = der;
	*blob = (struct sim_bytes){ der, (size_t)len };
	return 0;
}

static MUST_USE int key_put(struct sim_minted *m, EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

	PKCS8_PRIV_KEY_INFO_free(info);
	return der_take(der, len, &m->platform.blob[SIM_BLOB_KEY], &m->bytes[SIM_BLOB_KEY]);
}

static MUST_USE int chain_make(struct sim_minted *m, struct pair chain[CHAIN_COUNT], int rsa_bits)
{
	int err = 0;

	for (int i = 0; i < CHAIN_COUNT && err == 0; i++) {
		unsigned char *der = NULL;
		bool is_ca = chain_kinds[i].kind.path_len >= 0;
		chain[i].key = is_ca ? EVP_RSA_gen((unsigned int)rsa_bits) : EVP_EC_gen("P-384");
		if (chain[i].key == NULL)
			return -EIO;
		err = cert_make(&chain[i], &chain[chain_kinds[i].issuer], &chain_kinds[i].kind,
			&m->platform);
		int len = err == 0 ? i2d_X509(chain[i].cert, &der) : -1;
		if (err == 0)
			err = der_take(der, len, chain_blob(&m->platform, i), chain_bytes(m, i));
	}
	return err == 0 ? key_put(m, chain[VCEK].key) : err;
}

/* --- SEV's own formats ------------------------------------------------------------------------ */

/* RSASSA-PSS with SHA-384 (SHA-256 by a key of 2048 bits), little-endian. */
static MUST_USE int rsa_sign(EVP_PKEY *key, const void *p, size_t len, uint8_t *ret)
{
	size_t n = (size_t)EVP_PKEY_get_size(key);
	const char *hash = n == 256 ? "SHA2-256" : "SHA2-384";
	uint8_t sig[512];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey = NULL;
	bool is_ok = ctx != NULL && n <= sizeof sig &&
		     EVP_DigestSignInit_ex(ctx, &pkey, hash, NULL, NULL, key, NULL) == 1 &&
		     EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, RSA_PSS_SALTLEN_DIGEST) == 1 &&
		     EVP_DigestSign(ctx, sig, &n, p, len) == 1;

	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; is_ok && i < n; i++)
		ret[i] = sig[n - 1 - i];
	return is_ok ? 0 : -EIO;
}

static MUST_USE int number_put(const EVP_PKEY *key, const char *name, uint8_t *ret, size_t len)
{
	BIGNUM *n = NULL;
	bool is_ok = EVP_PKEY_get_bn_param(key, name, &n) == 1 &&
		     BN_bn2lebinpad(n, ret, (int)len) == (int)len;

	BN_free(n);
	return is_ok ? 0 : -EIO;
}

/* ASK or ARK: "Attestation facts" 5. The signature is the ARK's. */
static MUST_USE int ca_put(const struct pair chain[CHAIN_COUNT], int which, uint8_t *ret)
{
	static const uint32_t usages[] = { [ARK] = 0, [ASK] = SIM_USAGE_ASK };
	size_t n = (size_t)EVP_PKEY_get_size(chain[which].key);
	struct wr w = wr_of(ret, 64);

	wr_le32(&w, 1); /* version */
	for (unsigned int i = 0; i < 16; i++)
		wr_u8(&w, (uint8_t)(0xC0 + which)); /* key id */
	for (unsigned int i = 0; i < 16; i++)
		wr_u8(&w, 0xC0 + ARK); /* that of the signer */
	wr_le32(&w, usages[which]);
	wr_zero(&w, 16);
	wr_le32(&w, (uint32_t)n * 8); /* bits of the exponent, bits of the modulus */
	wr_le32(&w, (uint32_t)n * 8);
	int err = wr_check(&w);
	if (err == 0)
		err = number_put(chain[which].key, OSSL_PKEY_PARAM_RSA_E, ret + 64, n);
	if (err == 0)
		err = number_put(chain[which].key, OSSL_PKEY_PARAM_RSA_N, ret + 64 + n, n);
	return err == 0 ? rsa_sign(chain[ARK].key, ret, 64 + 2 * n, ret + 64 + 2 * n) : err;
}

static MUST_USE int identity_put(struct sim_minted *m, const struct pair chain[CHAIN_COUNT])
{
	struct sim_identity id = { 0 };
	size_t n = (size_t)EVP_PKEY_get_size(chain[ASK].key);
	struct sim_sev_cert *cek = &id.cert[SIM_CERT_CEK];
	int err = sim_identity_make(&id, m->platform.api_major, m->platform.api_minor);

	m->identity = OPENSSL_malloc(SIM_IDENTITY_BYTES);
	m->platform.identity = (struct sim_bytes){ m->identity, SIM_IDENTITY_BYTES };
	if (err == 0 && m->identity == NULL)
		err = -ENOMEM;
	if (err == 0) {
		cek->sig[0].usage = le32_of(SIM_USAGE_ASK);
		cek->sig[0].algo = le32_of(n == 256 ? SIM_ALGO_RSA_SHA256 : SIM_ALGO_RSA_SHA384);
		err = rsa_sign(chain[ASK].key, cek, SIM_SEV_CERT_SIGNED, cek->sig[0].rsa);
	}
	if (err == 0)
		err = sim_identity_print(&id, m->identity);
	sim_identity_done(&id);
	m->ca_len = 2 * (64 + 3 * n);
	if (err == 0)
		err = ca_put(chain, ASK, m->ca);
	return err == 0 ? ca_put(chain, ARK, m->ca + m->ca_len / 2) : err;
}

static MUST_USE int hashstick_put(struct sim_minted *m, const struct pair chain[CHAIN_COUNT])
{
	struct sim_crypto c = { 0 };
	int err = sim_crypto_init(&c, &m->platform, NULL);

	if (err == 0)
		err = sim_vlek_wrap(&c, m->platform.chip_id, chain[VLEK].key,
			m->platform.reported_tcb, &m->hashstick);
	sim_crypto_done(&c);
	return err;
}

static MUST_USE int values_default(
	struct sim_platform *p, enum sim_product product, uint32_t report_version)
{
	*p = (struct sim_platform){
		.has_sev = true,
		.product = product,
		.report_version = report_version,
		.fms = products[product].fms,
		.asids = 8,
		.seed = 1,
		.flags = SIM_FLAG_SMT,
		.platform_info = 0x25, /* SMT, ECC, alias check: as real Milan and Genoa hosts */
		.api_major = 1,
		.api_minor = 55,
		.api_build = 25,
		.vmsa_features = SNP_FEATURE_DEBUG_SWAP,
		.kinds = SIM_KIND_SEV | SIM_KIND_ES | SIM_KIND_SNP,
		.sev_asids = 8,
		.policy_mask = SNP_POLICY_ABI_MINOR | SNP_POLICY_ABI_MAJOR | SNP_POLICY_SMT |
			       SNP_POLICY_ONE | SNP_POLICY_DEBUG | SNP_POLICY_SOCKET,
		.mit_vector = report_version >= 5 ? 0x3F : 0,
	};
	memcpy(p->current_tcb, products[product].tcb, sizeof p->current_tcb);
	memcpy(p->committed_tcb, products[product].tcb, sizeof p->committed_tcb);
	memcpy(p->reported_tcb, products[product].tcb, sizeof p->reported_tcb);
	return sim_random(p->chip_id, product == SIM_TURIN ? CHIP_ID_TURIN : SIM_CHIP_ID_BYTES);
}

int sim_mint(struct sim_minted *ret, enum sim_product product, uint32_t report_version,
	int rsa_bits, struct why *why)
{
	struct sim_minted m = { 0 };
	struct pair chain[CHAIN_COUNT] = { 0 };
	int err = values_default(&m.platform, product, report_version);

	if (err == 0)
		err = chain_make(&m, chain, rsa_bits);
	if (err == 0)
		err = identity_put(&m, chain);
	if (err == 0)
		err = hashstick_put(&m, chain);
	for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
		EVP_PKEY_free(chain[i].key);
		X509_free(chain[i].cert);
	}
	if (err < 0) {
		sim_mint_done(&m);
		return why_set(why, err, "libcrypto cannot make the simulated chain");
	}
	*ret = m;
	return 0;
}

void sim_mint_done(struct sim_minted *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->bytes); i++)
		if (m->bytes[i] != NULL)
			OPENSSL_clear_free(m->bytes[i], m->platform.blob[i].len);
	for (size_t i = 0; i < ARRAY_LEN(m->vlek); i++)
		OPENSSL_free(m->vlek[i]);
	OPENSSL_clear_free(m->identity, SIM_IDENTITY_BYTES);
	*m = (struct sim_minted){ 0 };
}

int sim_mint_pem(struct sim_bytes der, char *buf, size_t size, size_t *ret_len)
{
	const unsigned char *p = der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	int err = -EIO;

	if (cert != NULL && bio != NULL && PEM_write_bio_X509(bio, cert) == 1) {
		long len = BIO_get_mem_data(bio, &text);
		err = len > 0 && (size_t)len <= size ? 0 : -EMSGSIZE;
		if (err == 0) {
			memcpy(buf, text, (size_t)len);
			*ret_len = (size_t)len;
		}
	}
	BIO_free(bio);
	X509_free(cert);
	return err;
}
