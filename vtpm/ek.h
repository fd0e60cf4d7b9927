/*
 * ek: a TPM's endorsement keys: the templates of the TCG EK Credential Profile, and the certificates
 *     that a local CA gives them (TCG EK Credential Profile; sandbox specification 4.3).
 *
 * Trust:   public areas are our own engine's, read with bounds all the same; the CA's files are the
 *          operator's.
 * Owns:    struct ek_ca owns its key and certificate.
 * Threads: any; one struct belongs to one thread.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/why.h"
#include "base/wr.h"

enum ek_kind { EK_RSA_2048, EK_P256, EK_P384, EK_COUNT };

struct ek_row {
	const char *name;
	uint32_t handle;   /* where the key is made persistent */
	uint32_t nv_index; /* where its certificate is */
	/* Of the template. */
	uint16_t type, name_alg;
	uint32_t attributes;
	const uint8_t *policy;
	uint16_t policy_len;
	uint16_t aes_bits;
	uint16_t size;       /* bits of the modulus, or TPM_ECC_CURVE */
	uint16_t unique_len; /* zero bytes in place of the modulus, or of either coordinate */
};

const struct ek_row *ek_row(enum ek_kind kind);

/* The template: a TPMT_PUBLIC, for TPM2_CreatePrimary. */
void ek_print_template(const struct ek_row *row, struct wr *w);

/* NV index of the platform certificate, and of a certificate's attributes: made by the platform,
 * readable by everybody, written and locked by the platform. TPM part 2, 13.4. */
#define EK_NV_PLATFORM   0x01c08000u
#define EK_NV_ATTRIBUTES 0x42072001u

/* The longest certificate: an NV index of libtpms has 2048 bytes. */
#define EK_CERT_MAX 2048u

struct ek_ca {
	EVP_PKEY *key;
	X509 *cert;
};

/* What a certificate says of the TPM and of whose it is. */
struct ek_subject {
	const char *guest;     /* a guest's name */
	uint32_t manufacturer; /* TPM_PT_MANUFACTURER */
	uint32_t firmware;     /* TPM_PT_FIRMWARE_VERSION_1 */
	uint32_t revision;     /* TPM_PT_REVISION */
};

/*
 * Read key and certificate (PEM) of a CA from a folder: ca.key and ca.pem; make both when neither is
 * there (P-384, ten years, the key readable by its owner alone). -EBADMSG: they cannot be read or do
 * not belong together; -EIO and errors of open(2). Release with ek_ca_close().
 */
MUST_USE int ek_ca_open(struct ek_ca *ret, int dir_fd, struct why *why);
void ek_ca_close(struct ek_ca *ca);

static inline void ek_ca_auto(struct ek_ca *ca)
{
	ek_ca_close(ca);
}

enum ek_cert_kind {
	EK_CERT_KEY,      /* for an endorsement key */
	EK_CERT_PLATFORM, /* for the machine around it, on the same key, as swtpm_cert makes it */
};

/*
 * A certificate for the key of a TPMT_PUBLIC, in DER at ret (EK_CERT_MAX bytes); *ret_len. key says
 * what the public area has to look like. -EBADMSG: it does not; -EIO: libcrypto fails.
 */
MUST_USE int ek_certify(const struct ek_ca *ca, enum ek_cert_kind kind, enum ek_kind key,
	const struct ek_subject *subject, const uint8_t *public, size_t len, uint8_t *ret,
	size_t *ret_len, struct why *why);
