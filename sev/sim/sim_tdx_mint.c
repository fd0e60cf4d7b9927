#include "sev/sim/sim_tdx_mint.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/wr.h"
#include "sev/sim/sim_quote.h"
#include "sev/sim/sim_tdx_crypto.h"

#define ORGANISATION "casemate simulated Intel"
#define DAY_S        86400
#define VALID_DAYS   (7 * 365) /* a PCK certificate's: ATT 7.1 */
#define DOC_MAX      8192u
#define DER_MAX      1024u

/* TCB of the made platform. */
#define SGX_SVN       5u
#define SGX_SVN_FIRST 200u /* two bytes in DER */
#define PCESVN        13u
#define MODULE_SVN    5u
#define MODULE_MAJOR  1u /* the module's identity is "TDX_01" */
#define LOADER_SVN    2u
#define QE_SVN        4u
#define EVAL_NUMBER   19u

enum who { WHO_ROOT, WHO_CA, WHO_PCK, WHO_TCB, WHO_COUNT };

static const struct {
	const char *cn;
	enum who issuer;
	bool is_ca;
} people[WHO_COUNT] = {
	[WHO_ROOT] = { "Intel SGX Root CA", WHO_ROOT, true },
	[WHO_CA] = { "Intel SGX PCK Platform CA", WHO_ROOT, true },
	[WHO_PCK] = { "Intel SGX PCK Certificate", WHO_CA, false },
	[WHO_TCB] = { "Intel SGX TCB Signing", WHO_ROOT, false },
};

/* What the PCK certificate and the TCB info say of the platform. */
struct ids {
	uint8_t ppid[16], cpusvn[16], piid[16], fmspc[6], pceid[2];
};

struct mint {
	struct ids ids;
	EVP_PKEY *key[WHO_COUNT];
	EVP_PKEY *ak;
	X509 *cert[WHO_COUNT];
};

/* --- the SGX extension. ATT 7.1 --------------------------------------------------------------- */

struct der {
	uint8_t b[DER_MAX];
	size_t len;
	bool is_bad;
};

static void der_put(struct der *d, uint8_t tag, const void *p, size_t len)
{
	struct wr w = wr_of(d->b + d->len, sizeof d->b - d->len);

	wr_u8(&w, tag);
	if (len > 0xFF)
		wr_be16(&w, (uint16_t)(0x8200 | len >> 8));
	else if (len > 0x7F)
		wr_u8(&w, 0x81);
	wr_u8(&w, (uint8_t)len);
	wr_copy(&w, p, len);
	d->is_bad = d->is_bad || wr_check(&w) < 0 || len > 0xFFFF;
	d->len += w.len;
}

/* SEQUENCE { OID 1.2.840.113741.1.13.1.a[.b], value } */
static void field_put(struct der *d, uint8_t a, uint8_t b, uint8_t tag, const void *p, size_t len)
{
	const uint8_t oid[] = { 0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 1, 13, 1, a, b };
	struct der row = { 0 };

	der_put(&row, V_ASN1_OBJECT, oid, b == 0 ? sizeof oid - 1 : sizeof oid);
	der_put(&row, tag, p, len);
	der_put(d, V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE, row.b, row.len);
	d->is_bad = d->is_bad || row.is_bad;
}

static void number_put(struct der *d, uint8_t a, uint8_t b, uint8_t v)
{
	const uint8_t wide[] = { 0, v };

	field_put(d, a, b, V_ASN1_INTEGER, v < 0x80 ? wide + 1 : wide, v < 0x80 ? 1 : 2);
}

static void sgx_extension(const struct ids *ids, struct der *ret)
{
	const uint8_t scalable = 1, yes = 0xFF, no = 0;
	struct der tcb = { 0 }, flags = { 0 }, all = { 0 };

	for (uint8_t i = 1; i <= 16; i++)
		number_put(&tcb, 2, i, i == 1 ? SGX_SVN_FIRST : SGX_SVN);
	number_put(&tcb, 2, 17, PCESVN);
	field_put(&tcb, 2, 18, V_ASN1_OCTET_STRING, ids->cpusvn, sizeof ids->cpusvn);
	field_put(&flags, 7, 1, V_ASN1_BOOLEAN, &no, 1);
	field_put(&flags, 7, 2, V_ASN1_BOOLEAN, &yes, 1);
	field_put(&flags, 7, 3, V_ASN1_BOOLEAN, &yes, 1);
	field_put(&all, 1, 0, V_ASN1_OCTET_STRING, ids->ppid, sizeof ids->ppid);
	field_put(&all, 2, 0, V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE, tcb.b, tcb.len);
	field_put(&all, 3, 0, V_ASN1_OCTET_STRING, ids->pceid, sizeof ids->pceid);
	field_put(&all, 4, 0, V_ASN1_OCTET_STRING, ids->fmspc, sizeof ids->fmspc);
	field_put(&all, 5, 0, V_ASN1_ENUMERATED, &scalable, 1);
	field_put(&all, 6, 0, V_ASN1_OCTET_STRING, ids->piid, sizeof ids->piid);
	field_put(&all, 7, 0, V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE, flags.b, flags.len);
	der_put(ret, V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE, all.b, all.len);
	ret->is_bad = ret->is_bad || tcb.is_bad || flags.is_bad || all.is_bad;
}

/* --- certificates and CRLs -------------------------------------------------------------------- */

static MUST_USE int name_fill(X509_NAME *name, enum who who)
{
	const char *const rows[][2] = { { "CN", people[who].cn }, { "O", ORGANISATION },
		{ "L", "Santa Clara" }, { "ST", "CA" }, { "C", "US" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (X509_NAME_add_entry_by_txt(name, rows[i][0], MBSTRING_ASC,
			    (const unsigned char *)rows[i][1], -1, -1, 0) != 1)
			return -EIO;
	return 0;
}

static MUST_USE int extension_add(X509 *x, X509_EXTENSION *ext)
{
	int ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok ? 0 : -EIO;
}

static MUST_USE int extensions_fill(X509 *x, const struct ids *ids, enum who who)
{
	bool is_ca = people[who].is_ca;
	int err = extension_add(x, X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
					   is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE"));

	if (err == 0)
		err = extension_add(x, X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage,
					       is_ca ? "critical,keyCertSign,cRLSign"
						     : "critical,digitalSignature,nonRepudiation"));
	if (err < 0 || who != WHO_PCK)
		return err;
	struct der d = { 0 };
	sgx_extension(ids, &d);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
	err = -EIO;
	if (!d.is_bad && value != NULL && oid != NULL &&
		ASN1_OCTET_STRING_set(value, d.b, (int)d.len) == 1)
		err = extension_add(x, X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value));
	ASN1_OBJECT_free(oid);
	ASN1_OCTET_STRING_free(value);
	return err;
}

static MUST_USE int cert_make(struct mint *m, enum who who)
{
	enum who issuer = people[who].issuer;
	X509 *x = X509_new();
	uint64_t serial;

	m->cert[who] = x;
	if (x == NULL || RAND_bytes((unsigned char *)&serial, sizeof serial) != 1 ||
		X509_set_version(x, X509_VERSION_3) != 1 ||
		ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1) != 1 ||
		X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) == NULL ||
		X509_time_adj_ex(X509_getm_notAfter(x), VALID_DAYS, 0, NULL) == NULL ||
		X509_set_pubkey(x, m->key[who]) != 1)
		return -EIO;
	int err = name_fill(X509_get_subject_name(x), who);
	if (err == 0)
		err = name_fill(X509_get_issuer_name(x), issuer);
	if (err == 0)
		err = extensions_fill(x, &m->ids, who);
	if (err == 0 && X509_sign(x, m->key[issuer], EVP_sha256()) <= 0)
		err = -EIO;
	return err;
}

/* A CRL of nobody, in DER. */
static MUST_USE int crl_make(const struct mint *m, enum who who, struct sim_tdx_file *ret)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_new();
	unsigned char *der = NULL;
	int len = -1;

	if (crl != NULL && t != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		X509_CRL_set_issuer_name(crl, X509_get_subject_name(m->cert[who])) == 1 &&
		X509_gmtime_adj(t, -DAY_S) != NULL && X509_CRL_set1_lastUpdate(crl, t) == 1 &&
		X509_time_adj_ex(t, VALID_DAYS, 0, NULL) != NULL &&
		X509_CRL_set1_nextUpdate(crl, t) == 1 &&
		X509_CRL_sign(crl, m->key[who], EVP_sha256()) > 0)
		len = i2d_X509_CRL(crl, &der);
	X509_CRL_free(crl);
	ASN1_TIME_free(t);
	if (len <= 0)
		return -EIO;
	ret->bytes = der;
	ret->len = (size_t)len;
	return 0;
}

static MUST_USE int pem_make(
	const struct mint *m, const enum who *who, size_t n, uint8_t **ret, size_t *ret_len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	uint8_t *copy = NULL;
	bool is_good = bio != NULL;

	for (size_t i = 0; i < n && is_good; i++)
		is_good = PEM_write_bio_X509(bio, m->cert[who[i]]) == 1;
	long len = is_good ? BIO_get_mem_data(bio, &text) : 0;
	if (len > 0)
		copy = OPENSSL_memdup(text, (size_t)len);
	BIO_free(bio);
	if (copy == NULL)
		return -EIO;
	*ret = copy;
	*ret_len = (size_t)len;
	return 0;
}

/* --- documents. ATT 7.2 ----------------------------------------------------------------------- */

static void date_put(struct wr *w, const char *name, time_t at)
{
	struct tm tm;
	char text[32];

	(void)gmtime_r(&at, &tm);
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	wr_printf(w, "\"%s\":\"%s\",", name, text);
}

static void window_put(struct wr *w)
{
	time_t now = time(NULL);

	date_put(w, "issueDate", now - DAY_S);
	date_put(w, "nextUpdate", now + (time_t)VALID_DAYS * DAY_S);
	wr_printf(w, "\"tcbEvaluationDataNumber\":%u,", EVAL_NUMBER);
}

static void components_put(struct wr *w, const char *name, const unsigned int svn[16])
{
	wr_printf(w, "\"%s\":[", name);
	for (size_t i = 0; i < 16; i++)
		wr_printf(w, "%s{\"svn\":%u}", i == 0 ? "" : ",", svn[i]);
	wr_str(w, "],");
}

/* Two levels: the platform's own, and one below everything. */
static void platform_level_put(struct wr *w, bool is_current)
{
	unsigned int sgx[16], tdx[16] = { 0 };

	for (size_t i = 0; i < 16; i++)
		sgx[i] = is_current ? i == 0 ? SGX_SVN_FIRST : SGX_SVN : 1;
	tdx[0] = is_current ? MODULE_SVN : 0;
	tdx[2] = is_current ? LOADER_SVN : 0;
	wr_str(w, "{\"tcb\":{");
	components_put(w, "sgxtcbcomponents", sgx);
	components_put(w, "tdxtcbcomponents", tdx);
	wr_printf(w, "\"pcesvn\":%u},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\"}",
		is_current ? PCESVN : 5,
		is_current ? "2026-03-11T00:00:00Z" : "2023-03-13T00:00:00Z",
		is_current ? "UpToDate" : "OutOfDate");
}

static void isv_levels_put(struct wr *w, unsigned int current)
{
	wr_printf(w,
		"\"tcbLevels\":[{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"2026-03-11T00:00:00Z\","
		"\"tcbStatus\":\"UpToDate\"},{\"tcb\":{\"isvsvn\":1},\"tcbDate\":"
		"\"2023-03-13T00:00:00Z\",\"tcbStatus\":\"OutOfDate\"}]",
		current);
}

/* MRSIGNERSEAM and SEAMATTRIBUTES of Intel's modules are zero: ATT 6.2. */
static void module_put(struct wr *w)
{
	static const uint8_t zero[48];

	wr_str(w, "\"mrsigner\":\"");
	wr_hex(w, zero, sizeof zero);
	wr_str(w, "\",\"attributes\":\"0000000000000000\","
		  "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"");
}

static void tcb_info_put(struct wr *w, const struct ids *ids)
{
	wr_str(w, "{\"id\":\"TDX\",\"version\":3,");
	window_put(w);
	wr_str(w, "\"fmspc\":\"");
	wr_hex(w, ids->fmspc, sizeof ids->fmspc);
	wr_str(w, "\",\"pceId\":\"");
	wr_hex(w, ids->pceid, sizeof ids->pceid);
	wr_str(w, "\",\"tcbType\":0,\"tdxModule\":{");
	module_put(w);
	wr_printf(w, "},\"tdxModuleIdentities\":[{\"id\":\"TDX_%02X\",", MODULE_MAJOR);
	module_put(w);
	wr_str(w, ",");
	isv_levels_put(w, MODULE_SVN);
	wr_str(w, "}],\"tcbLevels\":[");
	platform_level_put(w, true);
	wr_str(w, ",");
	platform_level_put(w, false);
	wr_str(w, "]}");
}

static void qe_identity_put(struct wr *w, const struct ids *ids)
{
	uint8_t signer[32], attributes[16] = { SIM_QE_ATTRIBUTES };

	(void)ids;
	memset(signer, SIM_QE_MRSIGNER_BYTE, sizeof signer);
	wr_str(w, "{\"id\":\"TD_QE\",\"version\":2,");
	window_put(w);
	wr_str(w, "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\",\"attributes\":\"");
	wr_hex(w, attributes, sizeof attributes);
	wr_str(w, "\",\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\"");
	wr_hex(w, signer, sizeof signer);
	wr_printf(w, "\",\"isvprodid\":%u,", SIM_QE_PRODUCT);
	isv_levels_put(w, QE_SVN);
	wr_str(w, "}");
}

/* {"member":body,"signature":"..."}: signed over exactly the body's bytes. */
static MUST_USE int doc_make(const struct mint *m, const char *member,
	void (*put)(struct wr *w, const struct ids *ids), struct sim_tdx_file *ret)
{
	char body[DOC_MAX], text[DOC_MAX + 256];
	struct wr b = wr_of(body, sizeof body), w = wr_of(text, sizeof text);
	uint8_t signature[SIM_TDX_SIG_BYTES];

	put(&b, &m->ids);
	int err = wr_check(&b);
	if (err == 0)
		err = sim_tdx_sign(m->key[WHO_TCB], body, b.len, signature);
	if (err < 0)
		return err;
	wr_printf(&w, "{\"%s\":", member);
	wr_copy(&w, body, b.len);
	wr_str(&w, ",\"signature\":\"");
	wr_hex(&w, signature, sizeof signature);
	wr_str(&w, "\"}");
	ret->bytes = wr_check(&w) == 0 ? OPENSSL_memdup(text, w.len) : NULL;
	ret->len = w.len;
	return ret->bytes != NULL ? 0 : -ENOMEM;
}

/* --- all of it -------------------------------------------------------------------------------- */

static MUST_USE int values_fill(
	struct sim_tdx_platform *p, const struct ids *ids, uint32_t quote_version)
{
	*p = (struct sim_tdx_platform){
		.is_present = true,
		.quote_version = quote_version,
		.body_type = quote_version == 5 ? 3 : 2,
		.keys = 8,
		.seed = 1,
		.no_entropy = 2,
		.flags = SIM_TDX_FLAG_5_LEVEL,
		.attributes = ABI_TDX_ATTR_SEPT_VE_DISABLE, /* all that 7.2 offers: ABI 4.2 */
		.xfam = 0x602E7,                            /* as most real quotes: ATT 6.2 */
		.tee_tcb_svn = { MODULE_SVN, MODULE_MAJOR, LOADER_SVN },
		.tee_tcb_svn2 = { MODULE_SVN, MODULE_MAJOR, LOADER_SVN },
		.qe_isvsvn = QE_SVN,
	};
	memcpy(p->cpusvn, ids->cpusvn, sizeof p->cpusvn);
	memset(p->mrseam, 0x5E, sizeof p->mrseam);
	return RAND_bytes(p->report_key, sizeof p->report_key) == 1 ? 0 : -EIO;
}

static MUST_USE int key_put(struct sim_tdx_minted *m, enum sim_tdx_blob blob, EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

	PKCS8_PRIV_KEY_INFO_free(info);
	if (len <= 0)
		return -EIO;
	m->bytes[blob] = der;
	m->platform.blob[blob] = (struct sim_tdx_bytes){ der, (size_t)len };
	return 0;
}

static MUST_USE int keys_make(struct mint *m)
{
	for (size_t i = 0; i < WHO_COUNT; i++) {
		m->key[i] = EVP_EC_gen("P-256");
		int err = m->key[i] != NULL ? cert_make(m, (enum who)i) : -EIO;
		if (err < 0)
			return err;
	}
	m->ak = EVP_EC_gen("P-256");
	return m->ak != NULL ? 0 : -EIO;
}

static MUST_USE int blobs_make(const struct mint *m, struct sim_tdx_minted *ret)
{
	static const enum who chain[] = { WHO_PCK, WHO_CA, WHO_ROOT };
	size_t len = 0;
	int err = key_put(ret, SIM_TDX_PCK_KEY, m->key[WHO_PCK]);

	if (err == 0)
		err = key_put(ret, SIM_TDX_AK, m->ak);
	if (err == 0)
		err = pem_make(m, chain, ARRAY_LEN(chain), &ret->bytes[SIM_TDX_CHAIN], &len);
	if (err == 0)
		ret->platform.blob[SIM_TDX_CHAIN] =
			(struct sim_tdx_bytes){ ret->bytes[SIM_TDX_CHAIN], len };
	return err;
}

static MUST_USE int files_make(const struct mint *m, struct sim_tdx_file *f)
{
	static const char *const names[SIM_TDX_FILE_COUNT] = {
		[SIM_TDX_FILE_ROOT] = "tdx-root.pem",
		[SIM_TDX_FILE_TCB_INFO] = "tcb-info.json",
		[SIM_TDX_FILE_QE_IDENTITY] = "qe-identity.json",
		[SIM_TDX_FILE_TCB_CHAIN] = "tcb-signing-chain.pem",
		[SIM_TDX_FILE_ROOT_CRL] = "root-ca.crl",
		[SIM_TDX_FILE_PCK_CRL] = "pck.crl",
	};
	static const enum who root[] = { WHO_ROOT }, signing[] = { WHO_TCB, WHO_ROOT };
	struct sim_tdx_file *r = &f[SIM_TDX_FILE_ROOT], *s = &f[SIM_TDX_FILE_TCB_CHAIN];

	for (size_t i = 0; i < SIM_TDX_FILE_COUNT; i++)
		f[i].name = names[i];
	int err = pem_make(m, root, ARRAY_LEN(root), &r->bytes, &r->len);
	if (err == 0)
		err = pem_make(m, signing, ARRAY_LEN(signing), &s->bytes, &s->len);
	if (err == 0)
		err = doc_make(m, "tcbInfo", tcb_info_put, &f[SIM_TDX_FILE_TCB_INFO]);
	if (err == 0)
		err = doc_make(m, "enclaveIdentity", qe_identity_put, &f[SIM_TDX_FILE_QE_IDENTITY]);
	if (err == 0)
		err = crl_make(m, WHO_ROOT, &f[SIM_TDX_FILE_ROOT_CRL]);
	if (err == 0)
		err = crl_make(m, WHO_CA, &f[SIM_TDX_FILE_PCK_CRL]);
	return err;
}

int sim_tdx_mint(struct sim_tdx_minted *ret, uint32_t quote_version, struct why *why)
{
	struct sim_tdx_minted made = { 0 };
	struct mint m = { .ids.fmspc = { 0x00, 0xC5, 0x1A, 0x00, 0x00, 0x00 } };
	int err = RAND_bytes(m.ids.ppid, sizeof m.ids.ppid) == 1 &&
				  RAND_bytes(m.ids.piid, sizeof m.ids.piid) == 1
			  ? 0
			  : -EIO;

	memset(m.ids.cpusvn, SGX_SVN, sizeof m.ids.cpusvn);
	if (err == 0)
		err = keys_make(&m);
	if (err == 0)
		err = values_fill(&made.platform, &m.ids, quote_version);
	if (err == 0)
		err = blobs_make(&m, &made);
	if (err == 0)
		err = files_make(&m, made.file);
	for (size_t i = 0; i < WHO_COUNT; i++) {
		EVP_PKEY_free(m.key[i]);
		X509_free(m.cert[i]);
	}
	EVP_PKEY_free(m.ak);
	if (err < 0) {
		sim_tdx_mint_done(&made);
		return why_set(why, err, "libcrypto cannot make the simulated Intel machine");
	}
	*ret = made;
	return 0;
}

void sim_tdx_mint_done(struct sim_tdx_minted *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->bytes); i++)
		if (m->bytes[i] != NULL)
			OPENSSL_clear_free(m->bytes[i], m->platform.blob[i].len);
	for (size_t i = 0; i < ARRAY_LEN(m->file); i++)
		OPENSSL_free(m->file[i].bytes);
	*m = (struct sim_tdx_minted){ 0 };
}

int sim_tdx_mint_write(const struct sim_tdx_minted *m, int dir, struct why *why)
{
	static const char folder[] = "tdx-collateral";
	AUTO(fd) int below = -1;
	int err = 0;

	if (mkdirat(dir, folder, 0755) < 0 && errno != EEXIST)
		return why_set(why, -errno, "cannot make folder %s", folder);
	below = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (below < 0)
		return why_set(why, -errno, "cannot open folder %s", folder);
	for (size_t i = 0; i < SIM_TDX_FILE_COUNT && err == 0; i++)
		err = fd_replace_file(i == SIM_TDX_FILE_ROOT ? dir : below, m->file[i].name,
			m->file[i].bytes, m->file[i].len, 0644, why);
	return err;
}
