/*
 * broker_admin: what administrators of a tenant may ask over mutual TLS (casemate-broker(8)).
 *
 *   POST|DELETE /kbs/v0/resource/REPOSITORY/TYPE/TAG     keep, remove a secret: the body's bytes
 *   GET  /kbs/v0/resources                               their names
 *   POST /kbs/v0/launch-policy                           keep a policy
 *   GET  /kbs/v0/launch-policy                           the policies
 *   POST /kbs/v0/launch-policy/revoke                    by hash, or by name and serial
 *   POST /kbs/v0/launch-policy/minimum                   least serial of a name
 *   POST /kbs/v0/sev-session                             keep the session of a SEV launch (broker_sev.h)
 *   GET  /kbs/v0/sev-session                             the sessions
 *   POST /kbs/v0/sev-session/release                     its launch is not held any more
 *   DELETE /kbs/v0/sev-session/SESSION                   forget it
 *   GET  /metrics (of all tenants: for those of none), /healthz
 *
 * Trust:   the client's key, which TLS has proven, decides tenant and role; nothing else does.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

#include "attest/broker/broker_answer.h"
#include "base/cdefs.h"

/* spki: SHA-256 of the client certificate's SubjectPublicKeyInfo. */
void broker_admin_answer(struct broker *b, const struct broker_request *rq, const uint8_t spki[32],
	struct broker_reply *ret);

/*
 * Keep a policy for a tenant: parse it, find its tenant by the configuration (NULL: `tenant` as
 * given). digests: `n` texts of 96 hexadecimal digits. Shared with the command line. *policy is the
 * caller's room. -EACCES: not for this tenant, revoked, too old; -EINVAL: digests; else
 * policy_parse()'s errors.
 */
MUST_USE int broker_put_policy(const struct store *s, const struct broker_config *config,
	const char *tenant, const uint8_t *bytes, size_t len, const char *filename,
	const char *const *digests, size_t n, const uint8_t *host_data, struct policy *policy,
	uint8_t ret_hash[STORE_HASH_BYTES], struct why *why);

/* The tenant's policies as a JSON list of {hash, state, name, serial, launch_digests}. */
MUST_USE int broker_list_policies(
	const struct store *s, const char *tenant, json_t **ret, struct why *why);
/* The names of its secrets as a JSON list. */
MUST_USE int broker_list_secrets(
	const struct store *s, const char *tenant, json_t **ret, struct why *why);
