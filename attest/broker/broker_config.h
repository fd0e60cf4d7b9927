/*
 * broker_config: the broker's configuration file (casemate-broker(8)).
 *
 * Trust:   the file is the operator's; it is read strictly all the same.
 * Owns:    all strings and tenants; broker_config_done() releases them.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/broker/broker_kek.h"
#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"

/* Who may administer what: certificates by the SHA-256 of their SubjectPublicKeyInfo. */
struct broker_tenant {
	char name[LIMIT_POLICY_LABEL_BYTES]; /* "": policies and secrets of no tenant */
	size_t n_namespaces;                 /* policies "payments/..." belong to it */
	char namespaces[LIMIT_BROKER_BLOBS][LIMIT_NAME_BYTES];
	size_t n_pins;
	struct {
		uint8_t sha256[32];
		bool may_write;
	} pins[LIMIT_BROKER_ADMINS];
};

struct broker_config {
	/* NULL or 0 where not given. Relative names in the file are below the file's folder. */
	char *listen;
	char *listen_tcp;
	char *certificate;
	char *key;
	char *store;
	char *key_file; /* store_key */
	char *key_module, *key_token, *key_label, *key_pin_file;
	char *key_tpm;
	char *ledger_folder;
	char *ledger_key;
	char *ledger_origin;
	char *token_key;
	char *token_issuer;
	uint64_t token_s;
	char *admin_listen;
	char *admin_listen_tcp;
	char *admin_ca;
	uint64_t rate_peer, rate_all;
	bool may_rsa1_5;
	char *roots[LIMIT_BROKER_BLOBS];
	size_t n_roots;
	char *certs[LIMIT_BROKER_BLOBS];
	size_t n_certs;
	char *crls[LIMIT_BROKER_BLOBS];
	size_t n_crls;
	char *collateral[LIMIT_BROKER_BLOBS];
	size_t n_collateral;
	struct broker_tenant *tenants; /* [0] is "" */
	size_t n_tenants;
};

/* Read it; unknown and duplicate members are errors with file:line:column. -EBADMSG, errors of open(2). */
MUST_USE int broker_config_read(const char *path, struct broker_config *ret, struct why *why);
/* The same from bytes that were read from path before. */
MUST_USE int broker_config_parse(const char *path, const uint8_t *bytes, size_t len,
	struct broker_config *ret, struct why *why);
void broker_config_done(struct broker_config *c);
static inline void broker_config_auto(struct broker_config *c)
{
	broker_config_done(c);
}

/* A member that only counts at start and differs; NULL: none. */
const char *broker_config_differs(const struct broker_config *a, const struct broker_config *b);

/* The store's key as the file says. Borrowed. */
struct kek broker_config_kek(const struct broker_config *c);

/*
 * The tenant a policy belongs to: whose namespace its name is in, else the one its label names, else
 * "". -EACCES: it names another than that, or one that is none of ours while there are tenants.
 */
MUST_USE int broker_config_tenant(const struct broker_config *c, const char *policy_name,
	const char *label, const char **ret, struct why *why);
