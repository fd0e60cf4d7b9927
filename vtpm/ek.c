#include "vtpm/ek.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rd.h"
#include "base/wr.h"

#define CA_KEY        "ca.key"
#define CA_CERT       "ca.pem"
#define CA_FILE_MAX   8192u
#define CN_MAX        64u /* ub-common-name: X.520 */
#define CA_DAYS       3650
#define SECONDS_A_DAY 86400

/* TPM_ALG_ID, TPM_ECC_CURVE. TPM part 2, 6.3 and 6.4. */
#define ALG_RSA        0x0001u
#define ALG_AES        0x0006u
#define ALG_SHA256     0x000bu
#define ALG_SHA384     0x000cu
#define ALG_NULL       0x0010u
#define ALG_ECC        0x0023u
#define ALG_CFB        0x0043u
#define CURVE_P256     3u
#define CURVE_P384     4u
#define RSA_EXPONENT   65537u
#define COORDINATE_MAX 48u

/* --- templates ----------------------------------------------------------------------------------- */

/* PolicyA: PolicySecret(TPM_RH_ENDORSEMENT), in SHA-256. Profile, annex B. */
static const uint8_t policy_a[32] = { 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90,
	0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2,
	0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa };
/* PolicyB, in SHA-384. Profile, annex B. */
static const uint8_t policy_b[48] = { 0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8,
	0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb,
	0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca, 0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15,
	0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12 };

/* Fixed, of this TPM, made by it, restricted, decrypts, under its policy; with H-3 its password too. */
#define EK_LOW  0x000300b2u
#define EK_HIGH 0x000300f2u

static const struct ek_row rows[EK_COUNT] = {
	[EK_RSA_2048] = { "RSA 2048", 0x81010001, 0x01c00002, ALG_RSA, ALG_SHA256, EK_LOW, policy_a,
		sizeof policy_a, 128, 2048, 256 }, /* L-1 */
	[EK_P256] = { "ECC P-256", 0x81010002, 0x01c0000a, ALG_ECC, ALG_SHA256, EK_LOW, policy_a,
		sizeof policy_a, 128, CURVE_P256, 32 }, /* L-2 */
	[EK_P384] = { "ECC P-384", 0x81010016, 0x01c00016, ALG_ECC, ALG_SHA384, EK_HIGH, policy_b,
		sizeof policy_b, 256, CURVE_P384, 0 }, /* H-3 */
};

const struct ek_row *ek_row(enum ek_kind kind)
{
	return &rows[kind];
}

/* All but the field that is the key. */
static void fixed_print(const struct ek_row *row, struct wr *w)
{
	wr_be16(w, row->type);
	wr_be16(w, row->name_alg);
	wr_be32(w, row->attributes);
	wr_be16(w, row->policy_len);
	wr_copy(w, row->policy, row->policy_len);
	wr_be16(w, ALG_AES);
	wr_be16(w, row->aes_bits);
	wr_be16(w, ALG_CFB);
	wr_be16(w, ALG_NULL); /* scheme */
	wr_be16(w, row->size);
	if (row->type == ALG_RSA)
		wr_be32(w, 0); /* the usual exponent */
	else
		wr_be16(w, ALG_NULL); /* key derivation */
}

void ek_print_template(const struct ek_row *row, struct wr *w)
{
	fixed_print(row, w);
	for (int i = 0; i < (row->type == ALG_RSA ? 1 : 2); i++) {
		wr_be16(w, row->unique_len);
		wr_zero(w, row->unique_len);
	}
}

/* --- public areas -------------------------------------------------------------------------------- */

static void bld_auto(OSSL_PARAM_BLD **b)
{
	OSSL_PARAM_BLD_free(*b);
}

static void params_auto(OSSL_PARAM **p)
{
	OSSL_PARAM_free(*p);
}

static void bn_auto(BIGNUM **b)
{
	BN_free(*b);
}

static void pkey_auto(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static void pkey_ctx_auto(EVP_PKEY_CTX **c)
{
	EVP_PKEY_CTX_free(*c);
}

static MUST_USE int key_build(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **ret)
{
	AUTO(params) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

	return params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
			       EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) == 1
		       ? 0
		       : -EBADMSG;
}

static MUST_USE int rsa_key_make(struct rd *r, EVP_PKEY **ret)
{
	AUTO(bld) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	AUTO(bn) BIGNUM *n = NULL;
	uint16_t len = rd_be16(r);
	const uint8_t *modulus = rd_bytes(r, len);

	if (rd_end(r) < 0 || len != 256)
		return -EBADMSG;
	n = BN_bin2bn(modulus, len, NULL);
	if (bld == NULL || n == NULL || !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) ||
		!OSSL_PARAM_BLD_push_uint(bld, OSSL_PKEY_PARAM_RSA_E, RSA_EXPONENT))
		return -EIO;
	return key_build("RSA", bld, ret);
}

/* A coordinate of size bytes, right-aligned. */
static void coordinate_read(struct rd *r, uint8_t *ret, size_t size)
{
	uint16_t len = rd_be16(r);
	const uint8_t *bytes = rd_bytes(r, len);

	if (bytes == NULL || len > size) {
		rd_fail(r);
		return;
	}
	memset(ret, 0, size - len);
	memcpy(ret + size - len, bytes, len);
}

static MUST_USE int ecc_key_make(struct rd *r, enum ek_kind kind, EVP_PKEY **ret)
{
	AUTO(bld) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	size_t size = kind == EK_P384 ? 48 : 32;
	uint8_t point[1 + 2 * COORDINATE_MAX] = { 4 };

	coordinate_read(r, point + 1, size);
	coordinate_read(r, point + 1 + size, size);
	if (rd_end(r) < 0)
		return -EBADMSG;
	if (bld == NULL ||
		!OSSL_PARAM_BLD_push_utf8_string(
			bld, OSSL_PKEY_PARAM_GROUP_NAME, kind == EK_P384 ? "P-384" : "P-256", 0) ||
		!OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size))
		return -EIO;
	return key_build("EC", bld, ret);
}

/* The key of a public area that is its template's but for the field at its end. */
static MUST_USE int key_make(enum ek_kind kind, const uint8_t *public, size_t len, EVP_PKEY **ret)
{
	uint8_t fixed[128];
	struct wr w = wr_of(fixed, sizeof fixed);
	struct rd r = rd_of(public, len);

	fixed_print(&rows[kind], &w);
	const uint8_t *seen = rd_bytes(&r, w.len);
	if (seen == NULL || memcmp(seen, fixed, w.len) != 0)
		return -EBADMSG;
	return kind == EK_RSA_2048 ? rsa_key_make(&r, ret) : ecc_key_make(&r, kind, ret);
}

/* --- the CA -------------------------------------------------------------------------------------- */

static void bio_auto(BIO **b)
{
	BIO_free(*b);
}

static void x509_auto(X509 **x)
{
	X509_free(*x);
}

void ek_ca_close(struct ek_ca *ca)
{
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
	*ca = (struct ek_ca){ 0 };
}

/* A random serial number of 127 bits and the dates; the subject's name is still to come. */
static MUST_USE int cert_begin(X509 *cert, EVP_PKEY *key, int days)
{
	uint8_t bytes[16];
	AUTO(bn) BIGNUM *serial = NULL;

	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return -EIO;
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
	serial = BN_bin2bn(bytes, sizeof bytes, NULL);
	return serial != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
			       BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL &&
			       X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
			       X509_gmtime_adj(X509_getm_notAfter(cert),
				       (long)days * SECONDS_A_DAY) != NULL &&
			       X509_set_pubkey(cert, key) == 1
		       ? 0
		       : -EIO;
}

/* The extensions of section "x" of a configuration, and the signature. */
static MUST_USE int cert_end(X509 *cert, X509 *issuer, EVP_PKEY *key, const char *text)
{
	AUTO(bio) BIO *bio = BIO_new_mem_buf(text, -1);
	CONF *conf = NCONF_new(NULL);
	X509V3_CTX ctx;
	long line;
	int err = bio != NULL && conf != NULL && NCONF_load_bio(conf, bio, &line) == 1 ? 0 : -EIO;

	if (err == 0) {
		X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
		X509V3_set_nconf(&ctx, conf);
		if (X509V3_EXT_add_nconf(conf, &ctx, "x", cert) != 1 ||
			X509_sign(cert, key, EVP_sha384()) <= 0)
			err = -EIO;
	}
	NCONF_free(conf);
	return err;
}

static MUST_USE int ca_make(struct ek_ca *ca)
{
	static const char extensions[] = "[x]\n"
					 "basicConstraints=critical,CA:TRUE,pathlen:0\n"
					 "keyUsage=critical,keyCertSign,cRLSign\n"
					 "subjectKeyIdentifier=hash\n";
	char name[64];
	uint8_t bytes[4];

	ca->key = EVP_EC_gen("P-384");
	ca->cert = X509_new();
	if (ca->key == NULL || ca->cert == NULL || RAND_bytes(bytes, sizeof bytes) != 1)
		return -EIO;
	/* Two hosts' CAs are told apart by name. */
	(void)snprintf(name, sizeof name, "casemate TPM CA %02x%02x%02x%02x", bytes[0], bytes[1],
		bytes[2], bytes[3]);
	int err = cert_begin(ca->cert, ca->key, CA_DAYS);
	X509_NAME *subject = X509_get_subject_name(ca->cert);
	if (err == 0 && (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
				 (const uint8_t *)name, -1, -1, 0) != 1 ||
				X509_set_issuer_name(ca->cert, subject) != 1))
		err = -EIO;
	return err == 0 ? cert_end(ca->cert, ca->cert, ca->key, extensions) : err;
}

static MUST_USE int ca_write(const struct ek_ca *ca, int dir_fd, struct why *why)
{
	AUTO(bio) BIO *key = BIO_new(BIO_s_secmem());
	AUTO(bio) BIO *cert = BIO_new(BIO_s_mem());
	char *text;

	if (key == NULL || cert == NULL ||
		PEM_write_bio_PKCS8PrivateKey(key, ca->key, NULL, NULL, 0, NULL, NULL) != 1 ||
		PEM_write_bio_X509(cert, ca->cert) != 1)
		return -EIO;
	long len = BIO_get_mem_data(key, &text);
	int err = fd_replace_file(dir_fd, CA_KEY, text, (size_t)len, 0600, why);
	if (err < 0)
		return err;
	len = BIO_get_mem_data(cert, &text);
	return fd_replace_file(dir_fd, CA_CERT, text, (size_t)len, 0644, why);
}

/* A file of the folder as a BIO over ret; -ENOENT: it is not there. */
static MUST_USE int ca_file_read(
	int dir_fd, const char *name, uint8_t ret[CA_FILE_MAX], BIO **ret_bio)
{
	AUTO(fd) int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, CA_FILE_MAX);

	if (n < 0)
		return -errno;
	*ret_bio = BIO_new_mem_buf(ret, (int)n);
	return *ret_bio == NULL ? -EIO : 0;
}

static MUST_USE int ca_parse(struct ek_ca *ca, BIO *key, BIO *cert, struct why *why)
{
	ca->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	ca->cert = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	if (ca->key == NULL || ca->cert == NULL)
		return why_set(why, -EBADMSG, "the CA's %s: not PEM, or encrypted",
			ca->key == NULL ? CA_KEY : CA_CERT);
	if (X509_check_private_key(ca->cert, ca->key) != 1 || X509_check_ca(ca->cert) != 1)
		return why_set(
			why, -EBADMSG, "the CA's " CA_CERT " is no CA's, or not of its " CA_KEY);
	return 0;
}

static MUST_USE int ca_read(struct ek_ca *ca, int dir_fd, struct why *why)
{
	uint8_t key_text[CA_FILE_MAX];
	uint8_t cert_text[CA_FILE_MAX];
	AUTO(bio) BIO *key = NULL;
	AUTO(bio) BIO *cert = NULL;

	int key_err = ca_file_read(dir_fd, CA_KEY, key_text, &key);
	int err = ca_file_read(dir_fd, CA_CERT, cert_text, &cert);
	if (key_err == -ENOENT && err == -ENOENT)
		return -ENOENT;
	if (key_err < 0 || err < 0)
		err = why_set(why, -EBADMSG, "the CA's %s: %s", key_err < 0 ? CA_KEY : CA_CERT,
			strerrordesc_np(key_err < 0 ? -key_err : -err));
	else
		err = ca_parse(ca, key, cert, why);
	OPENSSL_cleanse(key_text, sizeof key_text);
	return err;
}

int ek_ca_open(struct ek_ca *ret, int dir_fd, struct why *why)
{
	AUTO(ek_ca) struct ek_ca ca = { 0 };

	int err = ca_read(&ca, dir_fd, why);
	if (err == -ENOENT) {
		err = ca_make(&ca);
		if (err == 0)
			err = ca_write(&ca, dir_fd, why);
	}
	if (err < 0)
		return why_set(why, err, "the CA cannot be made: %s", strerrordesc_np(-err));
	*ret = ca;
	ca = (struct ek_ca){ 0 };
	return 0;
}

/* --- certificates -------------------------------------------------------------------------------- */

/*
 * Extensions of a certificate, as the profile has them: the TPM's maker, model and version in the alternative
 * name (2.23.133.2.1 to 3), the specification it follows in the directory attributes (2.23.133.2.16).
 * "0." in front of a number keeps it: libcrypto drops what stands before the first full stop.
 */
static const char key_extensions[] = "[x]\n"
				     "basicConstraints=critical,CA:FALSE\n"
				     "keyUsage=critical,%s\n"
				     "extendedKeyUsage=2.23.133.8.1\n"
				     "authorityKeyIdentifier=keyid\n"
				     "subjectAltName=critical,dirName:tpm\n"
				     "2.5.29.9=ASN1:SEQUENCE:attributes\n"
				     "[tpm]\n"
				     "0.2.23.133.2.1=id:%08X\n"
				     "0.2.23.133.2.2=casemate-vtpm\n"
				     "0.2.23.133.2.3=id:%08X\n"
				     "[attributes]\n"
				     "a=SEQUENCE:specification\n"
				     "[specification]\n"
				     "a=OID:2.23.133.2.16\n"
				     "b=SET:values\n"
				     "[values]\n"
				     "a=SEQUENCE:value\n"
				     "[value]\n"
				     "a=UTF8:2.0\n"
				     "b=INTEGER:0\n"
				     "c=INTEGER:%u\n";
/* TCG Platform Certificate Profile: maker, model, version (2.23.133.5.1.1, 4, 5). */
static const char platform_extensions[] = "[x]\n"
					  "basicConstraints=critical,CA:FALSE\n"
					  "keyUsage=critical,digitalSignature\n"
					  "extendedKeyUsage=2.23.133.8.2\n"
					  "authorityKeyIdentifier=keyid\n"
					  "subjectAltName=critical,dirName:platform\n"
					  "[platform]\n"
					  "0.2.23.133.5.1.1=casemate\n"
					  "0.2.23.133.5.1.4=casemate\n"
					  "0.2.23.133.5.1.5=" CASEMATE_VERSION "\n";

static MUST_USE int extensions_add(X509 *cert, const struct ek_ca *ca, enum ek_cert_kind kind,
	enum ek_kind key, const struct ek_subject *s)
{
	char text[sizeof key_extensions + 64];

	if (kind == EK_CERT_PLATFORM)
		return cert_end(cert, ca->cert, ca->key, platform_extensions);
	(void)snprintf(text, sizeof text, key_extensions,
		key == EK_RSA_2048 ? "keyEncipherment" : "keyAgreement", s->manufacturer,
		s->firmware, s->revision);
	return cert_end(cert, ca->cert, ca->key, text);
}

int ek_certify(const struct ek_ca *ca, enum ek_cert_kind kind, enum ek_kind key,
	const struct ek_subject *subject, const uint8_t *public, size_t len, uint8_t *ret,
	size_t *ret_len, struct why *why)
{
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	AUTO(x509) X509 *cert = X509_new();

	int err = key_make(key, public, len, &pkey);
	if (err < 0)
		return why_set(
			why, err, "the %s endorsement key is not of its template", rows[key].name);
	err = cert == NULL ? -ENOMEM : cert_begin(cert, pkey, CA_DAYS);
	if (err == 0 &&
		(X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) != 1 ||
			X509_NAME_add_entry_by_txt(X509_get_subject_name(cert),
				strlen(subject->guest) <= CN_MAX ? "CN" : "UID", MBSTRING_UTF8,
				(const uint8_t *)subject->guest, -1, -1, 0) != 1))
		err = -EIO;
	if (err == 0)
		err = extensions_add(cert, ca, kind, key, subject);
	int n = err == 0 ? i2d_X509(cert, NULL) : 0;
	if (err == 0 && (n <= 0 || (unsigned int)n > EK_CERT_MAX))
		err = -EIO;
	if (err < 0)
		return why_set(why, err, "the certificate of the %s endorsement key cannot be made",
			rows[key].name);
	*ret_len = (size_t)i2d_X509(cert, &ret);
	return 0;
}
