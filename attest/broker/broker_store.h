/*
 * broker_store: the broker's folder: secrets, policies, which boots got what.
 *
 *   store.db                      SQLite: all below; secrets are sealed with AES-256-GCM, the tenant,
 *                                 path and version of each bound to it; their key is broker_kek's
 *   evidence/HASH.report, .certs  evidence that was judged and its certificates (PEM): what an auditor
 *                                 needs to judge again; HASH is in the ledger's entry
 *
 *   Everything goes through the folder's descriptor, so that it works with an empty root. What is
 *   written is on the disk when the call returns.
 *
 *   What decides without being secret (policies, digests, host data, minimum serials, revocations, the
 *   tables' definitions) is under one seal in store.db: HMAC-SHA-256 over every row, by a key derived
 *   from the data key (HKDF-SHA-256). It is checked in each transaction that reads or changes such a
 *   row, and a broken one refuses them all with -EBADMSG: a row changed, moved, added or deleted. An
 *   older store.db as a whole, with its own seal, is not noticed.
 *
 *   A tenant ("" without any) has its own secrets, policies, minimum serials and revocations; calls
 *   that name one see nothing of another's.
 *
 * Trust:   the folder is the operator's; a policy's bytes are compared with the hash in its name, a
 *          secret put in another's place does not open, other rows are under the seal.
 * Owns:    the descriptor, the database, the keys.
 * Threads: one; any number of processes may use one folder.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "attest/broker/broker_kek.h"
#include "attest/broker/kbs_path.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/secret.h"
#include "base/why.h"

#define STORE_HASH_BYTES   32u
#define STORE_DIGEST_BYTES 48u

struct sqlite3;

struct store {
	int dir_fd;
	struct sqlite3 *db;
	struct secret key;      /* of the secrets */
	struct secret seal_key; /* of the seal, derived from it */
};

#define STORE_NONE ((struct store){ .dir_fd = -1 })

struct store_policy {
	uint8_t *bytes; /* zero-terminated for convenience */
	size_t len;
	bool is_revoked; /* by its hash */
	char tenant[LIMIT_POLICY_LABEL_BYTES];
	size_t n_digests;
	uint8_t digests[LIMIT_BROKER_DIGESTS][STORE_DIGEST_BYTES];
};

/* Open the folder, and make it and its parts where they are missing. */
MUST_USE int store_open(
	const char *path, const struct kek *kek, struct store *ret, struct why *why);

/* Open a store that is there; -EIO when it is none or may not be read. Makes nothing. */
MUST_USE int store_find(
	const char *path, const struct kek *kek, struct store *ret, struct why *why);
void store_close(struct store *s);
static inline void store_auto(struct store *s)
{
	store_close(s);
}

MUST_USE int store_write_secret(const struct store *s, const char *tenant,
	const struct kbs_path *path, const struct secret *secret, struct why *why);
/* -ENOENT when there is none; -EKEYREJECTED: damaged. */
MUST_USE int store_read_secret(const struct store *s, const char *tenant,
	const struct kbs_path *path, struct secret *ret, struct why *why);
MUST_USE int store_remove_secret(
	const struct store *s, const char *tenant, const struct kbs_path *path, struct why *why);

/* What is put beside a policy's bytes. */
struct store_put {
	const char *tenant;
	const char *name; /* the policy's own */
	uint64_t serial;
	const uint8_t (*digests)[STORE_DIGEST_BYTES]; /* launch digests it may have */
	size_t n_digests;
	const uint8_t
		*host_data; /* NULL, or 32 bytes that evidence may carry instead of its hash */
};

/*
 * Keep a policy; digests and host data are added to those it had. -EACCES: revoked, below the
 * minimum serial, or of another tenant.
 */
MUST_USE int store_write_policy(const struct store *s, const void *bytes, size_t len,
	const struct store_put *put, uint8_t ret_hash[STORE_HASH_BYTES], struct why *why);
/* -ENOENT: unknown; -EBADMSG: damaged, or the seal is broken. Release with store_policy_done(). */
MUST_USE int store_read_policy(const struct store *s, const uint8_t hash[STORE_HASH_BYTES],
	struct store_policy *ret, struct why *why);
void store_policy_done(struct store_policy *p);
static inline void store_policy_auto(struct store_policy *p)
{
	store_policy_done(p);
}
/* The policy that host data stands for: the one whose hash it is, else what was put so. -ENOENT. */
MUST_USE int store_find_policy(const struct store *s, const uint8_t host_data[32],
	uint8_t ret_hash[STORE_HASH_BYTES], struct why *why);

/* Revoke by hash (-ENOENT: the tenant, NULL: anybody, has none such), by name and serial (known or not yet). */
MUST_USE int store_revoke_policy(const struct store *s, const char *tenant,
	const uint8_t hash[STORE_HASH_BYTES], struct why *why);
MUST_USE int store_revoke_serial(const struct store *s, const char *tenant, const char *name,
	uint64_t serial, struct why *why);
/* No policy of this name below this serial any more; it only goes up (-EACCES). */
MUST_USE int store_set_minimum(const struct store *s, const char *tenant, const char *name,
	uint64_t serial, struct why *why);
/* May a policy of this name and serial be used? -EACCES with why. */
MUST_USE int store_check_serial(const struct store *s, const char *tenant, const char *name,
	uint64_t serial, struct why *why);

/*
 * Remember that this boot got this key: 0 the first time, -EEXIST afterwards. forget: for a release
 * that did not happen after all.
 */
MUST_USE int store_mark_released(
	const struct store *s, const uint8_t id[STORE_HASH_BYTES], struct why *why);
void store_forget_released(const struct store *s, const uint8_t id[STORE_HASH_BYTES]);

/*
 * Keep evidence under its hash: report and certificates as a file each. 0 also when it is there
 * already. For evidence whose signature and chain hold only: anybody can send bytes.
 */
MUST_USE int store_write_evidence(const struct store *s, const uint8_t hash[STORE_HASH_BYTES],
	const void *report, size_t report_len, const void *certs, size_t certs_len,
	struct why *why);

/* Call back for each secret's path, each policy's hash in hexadecimal; stops at an error. */
typedef int (*store_each)(void *owner, const char *name);
MUST_USE int store_list_secrets(
	const struct store *s, const char *tenant, store_each each, void *owner, struct why *why);
MUST_USE int store_list_policies(
	const struct store *s, const char *tenant, store_each each, void *owner, struct why *why);

/* Seal the data key under another key: what was opened with one opens with the other from now on. */
MUST_USE int store_rekey(const struct store *s, const struct kek *kek, struct why *why);

/* Give the folder and all it holds to this user, so that the broker need not be root to read it. */
MUST_USE int store_give_to(const struct store *s, uid_t uid, struct why *why);
