/*
 * note: signed notes and verifier keys (C2SP signed-note), Ed25519 only.
 *
 *       A note is text, an empty line, and lines "— name base64(key id || signature)". We read
 *       printable ASCII and newlines only, which is narrower than the specification (UTF-8): the
 *       text is a checkpoint, and what a person sees is then what was signed.
 *
 * Trust:   none in notes and verifier keys; a signer's PEM comes from its owner.
 * Owns:    struct note_signer holds a secret; release with note_signer_done().
 * Threads: any; one signer belongs to one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/b64.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/secret.h"
#include "base/why.h"
#include "base/wr.h"

/* A verifier key: who may sign, and under which name. */
struct note_key {
	char name[LIMIT_NAME_BYTES];
	uint8_t id[4];   /* SHA-256(name || 0x0a || 0x01 || public)[:4] */
	uint8_t pub[32]; /* Ed25519, RFC 8032 */
};

struct note_signer {
	struct note_key key;
	struct secret seed;
};

/* Longest "name+id+base64", with its zero. */
#define NOTE_VKEY_MAX (LIMIT_NAME_BYTES + 1 + 8 + 1 + B64_TEXT_LEN(33) + 1)

/* 0 when the name can be a key's: 1 to 95 printable ASCII characters, no space, no plus. */
MUST_USE int note_check_name(const char *name, struct why *why);

/*
 * Read "name+hexid+base64(0x01 || public)". One newline at the end is fine. -EBADMSG: malformed,
 * not Ed25519, or the id is not the key's own.
 */
MUST_USE int note_key_parse(const char *vkey, size_t len, struct note_key *ret, struct why *why);
void note_key_print(const struct note_key *key, struct wr *w);

/*
 * Read a private key (PEM, PKCS #8, not encrypted, Ed25519), which will sign as `name`, and try it
 * out. The caller owns *ret. -EBADMSG: not such a key.
 */
MUST_USE int note_signer_parse(
	const void *pem, size_t len, const char *name, struct note_signer *ret, struct why *why);
void note_signer_done(struct note_signer *signer);

static inline void note_signer_auto(struct note_signer *signer)
{
	note_signer_done(signer);
}

/* Make a fresh private key; *ret is its PEM, the caller's. */
MUST_USE int note_make_pem(struct secret *ret, struct why *why);

/* Write text (which ends in a newline), the empty line and the signature line. */
MUST_USE int note_sign(
	const struct note_signer *signer, const char *text, size_t len, struct wr *w);

/*
 * Check form and signature. 0 and the length of the text with its last newline; -EBADMSG: not a
 * note (why names the byte); -EKEYREJECTED: the key did not sign it, or the signature is wrong.
 */
MUST_USE int note_verify(const void *note, size_t len, const struct note_key *key,
	size_t *ret_text_len, struct why *why);
