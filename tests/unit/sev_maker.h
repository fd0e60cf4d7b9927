/*
 * sev_maker: a SEV platform of the tests' own: root keys, certificates, ID blocks, and the firmware's
 *            side of sessions and secrets, written from the specification and not from attest/.
 *
 * Trust:   nothing from outside.
 * Owns:    a sev_maker owns its keys.
 * Threads: one.
 */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define MAKER_AMD_MAX  1600u
#define MAKER_SEV_CERT 2084u

enum maker_key { MAKER_ARK, MAKER_ASK, MAKER_CEK, MAKER_OCA, MAKER_PEK, MAKER_PDH, MAKER_KEYS };

struct sev_maker {
	EVP_PKEY *keys[MAKER_KEYS];
	unsigned int rsa_bits;
	uint8_t certs[MAKER_KEYS][MAKER_SEV_CERT];
	size_t len[MAKER_KEYS];
};

/* Keys and a whole chain, root keys of 2048 or 4096 bits. Aborts when libcrypto fails. */
void sev_maker_init(struct sev_maker *m, unsigned int rsa_bits);
void sev_maker_done(struct sev_maker *m);

/* Sign a certificate again after it was changed. */
void sev_maker_sign(struct sev_maker *m, enum maker_key which);

/* What the firmware does at LAUNCH_START: 0 and the keys, or -1 when a MAC does not hold. */
int maker_session_open(const struct sev_maker *m, const uint8_t *godh, const uint8_t blob[128],
	uint32_t policy, uint8_t ret_tek[16], uint8_t ret_tik[16]);

/* LAUNCH_MEASURE: MAC and nonce. */
void maker_measure(const uint8_t tik[16], const uint8_t api[3], uint32_t policy,
	const uint8_t digest[32], uint8_t ret[48]);

/* LAUNCH_SECRET: 0 and the plain bytes, or -1. */
int maker_secret_open(const uint8_t tek[16], const uint8_t tik[16], const uint8_t measure[32],
	const uint8_t header[52], const uint8_t *data, size_t len, uint8_t *ret);

/* An ID block and its authentication page, signed by fresh keys; an author key if asked for. */
void maker_id_block(uint8_t block[96], uint8_t auth[4096], int has_author);

/*
 * A firmware image: a pattern, then the table with SEV metadata (len bytes of items), reset block, hash
 * area and TDVF descriptor. Entries whose data are NULL or 0 are left out.
 */
struct maker_firmware {
	uint32_t ap_reset, hashes_gpa;
	const uint32_t (*sections)[3]; /* gpa, size, type */
	size_t n_sections;
	const uint32_t (*tdvf)[6]; /* offset, raw size, gpa, size, type, attributes */
	size_t n_tdvf;
};
void maker_firmware(const struct maker_firmware *f, uint8_t *image, size_t len);
