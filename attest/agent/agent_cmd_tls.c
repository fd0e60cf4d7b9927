#include "attest/agent/agent_cmd_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/agent/agent_cmd.h"
#include "attest/agent/agent_proxy.h"
#include "attest/agent/agent_tls.h"
#include "attest/evidence.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/opts.h"
#include "policy/policy.h"

#define LIFE_S        3600u   /* by default */
#define LIFE_S_MAX    604800u /* a week: evidence is of one boot, and grows old */
#define CERT_LIST_MAX 262144  /* bytes of a peer's certificates: the evidence is in them */
#define FILES_MAX     16u     /* of roots, certificates, collateral each */

/* --- the own certificate ----------------------------------------------------------------------- */

struct own_args {
	struct agent_cmd_source source;
	const char *name, *nonce, *life;
};

/* What a certificate is made from. */
struct own {
	struct ev ev;
	struct agent_tls_spec spec;
	uint8_t nonce[AGENT_TLS_NONCE_MAX];
	SSL_CTX *ctx;
	time_t made;
};

#define OWN_OPTIONS(a)                                                                             \
	{ "name", OPT_TEXT, &(a).name, "NAME", "common and DNS name (casemate-guest)" },           \
		{ "life", OPT_TEXT, &(a).life, "SECONDS", "how long it is valid (3600)" },         \
		AGENT_CMD_SOURCE_OPTIONS((a).source)

static MUST_USE int own_open(const struct own_args *a, struct own *o, struct why *why)
{
	unsigned long long life = LIFE_S;
	size_t digits = a->nonce != NULL ? strlen(a->nonce) : 0;

	if (a->life != NULL && opts_parse_u64("--life", a->life, 60, LIFE_S_MAX, &life, why) < 0)
		return -EINVAL;
	if (digits / 2 > sizeof o->nonce ||
		(digits > 0 && opts_parse_hex(a->nonce, o->nonce, digits / 2) < 0))
		return why_set(why, -EINVAL, "--nonce: want at most %zu hexadecimal digits",
			2 * sizeof o->nonce);
	o->spec = (struct agent_tls_spec){ .name = a->name != NULL ? a->name : "casemate-guest",
		.nonce = o->nonce,
		.nonce_len = digits / 2,
		.life_s = (unsigned int)life };
	if (strlen(o->spec.name) > 64 || o->spec.name[strspn(o->spec.name, AGENT_CMD_NAME_CHARS)])
		return why_set(why, -EINVAL, "--name: want at most 64 letters, digits, '.', '-'");
	return ev_open(a->source.root != NULL ? a->source.root : "/", a->source.name, &o->ev, why);
}

static void own_close(struct own *o)
{
	SSL_CTX_free(o->ctx);
	ev_close(&o->ev);
}

static MUST_USE int own_make(struct own *o, EVP_PKEY **ret_key, X509 **ret_cert, struct why *why)
{
	o->spec.now = time(NULL);
	int err = agent_tls_make(&o->ev, &o->spec, ret_key, ret_cert, why);
	if (err == 0)
		log_info("certificate: for %s, %s evidence from %s, valid for %u s", o->spec.name,
			ev_kind_name(o->ev.kind), o->ev.source->name, o->spec.life_s);
	return err;
}

/* --- tls-cert ---------------------------------------------------------------------------------- */

static MUST_USE int pem_write(const char *path, EVP_PKEY *key, const X509 *cert, struct why *why)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when it is freed */
	char *text = NULL;
	int ok = bio != NULL &&
		 (key != NULL ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
			      : PEM_write_bio_X509(bio, cert)) == 1;
	long len = ok ? BIO_get_mem_data(bio, &text) : 0;
	int err = ok ? fd_replace_file(
			       AT_FDCWD, path, text, (size_t)len, key != NULL ? 0600 : 0644, why)
		     : -ENOMEM;

	BIO_free(bio);
	return err;
}

int agent_cmd_tls_cert(int argc, char **argv)
{
	AUTO(agent_tls_key) EVP_PKEY *key = NULL;
	AUTO(agent_tls_cert) X509 *cert = NULL;
	static struct own o;
	struct own_args a = { 0 };
	const char *out = NULL, *key_out = NULL;
	const struct opt options[] = {
		{ "out", OPT_TEXT, &out, "FILE", "the certificate, PEM" },
		{ "key", OPT_TEXT, &key_out, "FILE", "its private key, PEM" },
		{ "nonce", OPT_TEXT, &a.nonce, "HEX", "what a verifier asked for" },
		OWN_OPTIONS(a),
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-agent tls-cert --out FILE --key FILE [OPTION]...",
		"Make a TLS key and a certificate that carries evidence for it.", options, 0, 0 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err > 0)
		return EXIT_YES;
	if (err == 0 && (out == NULL || key_out == NULL))
		err = why_set(&why, -EINVAL, "--out FILE and --key FILE are needed");
	if (err == 0)
		err = own_open(&a, &o, &why);
	if (err == 0)
		err = own_make(&o, &key, &cert, &why);
	if (err == 0)
		err = pem_write(key_out, key, NULL, &why);
	if (err == 0)
		err = pem_write(out, NULL, cert, &why);
	own_close(&o);
	return agent_cmd_end(err, &why);
}

/* --- proxies ----------------------------------------------------------------------------------- */

/* TLS 1.3 only, and no resumption: every connection shows its certificate. */
static MUST_USE int tls_new(const SSL_METHOD *method, SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_num_tickets(ctx, 0) != 1) {
		SSL_CTX_free(ctx);
		return -ENOMEM;
	}
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(
		ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	*ret = ctx;
	return 0;
}

static MUST_USE int where_parse(
	const char *name, const char *text, struct agent_broker *ret, struct why *why)
{
	return text != NULL && agent_broker_parse(text, ret) == 0
		       ? 0
		       : why_set(why, -EINVAL,
				 "%s: want vsock:CID:PORT, unix:PATH or tcp:ADDRESS:PORT", name);
}

/* A certificate serves half its life: whoever looks at it later has the other half. */
static int serve_get_tls(void *owner, SSL_CTX **ret, struct why *why)
{
	AUTO(agent_tls_key) EVP_PKEY *key = NULL;
	AUTO(agent_tls_cert) X509 *cert = NULL;
	struct own *o = owner;
	SSL_CTX *ctx = NULL;
	time_t now = time(NULL);

	if (o->ctx != NULL && now >= o->made && now - o->made < (time_t)o->spec.life_s / 2) {
		*ret = o->ctx;
		return 0;
	}
	int err = own_make(o, &key, &cert, why);
	if (err == 0)
		err = tls_new(TLS_server_method(), &ctx);
	if (err == 0 &&
		(SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1))
		err = -EIO;
	if (err < 0) {
		SSL_CTX_free(ctx);
		if (o->ctx == NULL || now < o->made || now - o->made >= (time_t)o->spec.life_s)
			return err;
		/* Not now, then: the old one is good still, and the next connection tries again. */
		log_warn("certificate: not made anew: %s", why_text(why, err));
		why_clear(why);
		*ret = o->ctx;
		return 0;
	}
	SSL_CTX_free(o->ctx);
	o->ctx = *ret = ctx;
	o->made = now;
	return 0;
}

int agent_cmd_tls_serve(int argc, char **argv)
{
	static struct own o;
	struct agent_proxy proxy = { .is_server = true, .get_tls = serve_get_tls, .owner = &o };
	struct own_args a = { 0 };
	const char *listen = NULL, *to = NULL;
	SSL_CTX *first = NULL;
	const struct opt options[] = {
		{ "listen", OPT_TEXT, &listen, "WHERE", "TLS: vsock:, unix: or tcp:" },
		{ "to", OPT_TEXT, &to, "WHERE", "the plain service behind it" },
		OWN_OPTIONS(a),
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-agent tls-serve --listen WHERE --to WHERE "
				       "[OPTION]...",
		"Serve TLS with an attested certificate, in front of a plain service.", options, 0,
		0 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err > 0)
		return EXIT_YES;
	if (err == 0)
		err = where_parse("--listen", listen, &proxy.listen, &why);
	if (err == 0)
		err = where_parse("--to", to, &proxy.to, &why);
	if (err == 0)
		err = own_open(&a, &o, &why);
	if (err == 0)
		err = serve_get_tls(&o, &first, &why); /* fail now, not at the first client */
	if (err == 0)
		err = agent_proxy_run(&proxy, &why);
	own_close(&o);
	return agent_cmd_end(err, &why);
}

/* --- tls-connect ------------------------------------------------------------------------------- */

struct peer_args {
	const char *listen, *to, *policy;
	struct opt_list digests, certs, crls, roots, collateral;
};

struct files {
	size_t n;
	struct attest_blob at[FILES_MAX];
};

/* What a peer is judged by; held while the proxy runs. */
struct peer {
	SSL_CTX *ctx;
	struct policy policy;
	struct files certs, crls, roots, collateral;
	uint8_t digests[FILES_MAX][48];
	struct attest_inputs in;
};

/* OpenSSL asks once a handshake; nothing else of the chain counts. */
static int peer_verify(X509_STORE_CTX *store, void *arg)
{
	static struct verdict v; /* large; a process a connection */
	struct peer *p = arg;
	struct attest_inputs in = p->in;
	struct why why = { 0 };
	char line[VERDICT_WHY_MAX + 64];
	unsigned char *der = NULL;
	int len = i2d_X509(X509_STORE_CTX_get0_cert(store), &der);

	in.evidence = (struct attest_blob){ der, len > 0 ? (size_t)len : 0 };
	in.at = time(NULL);
	int err = len > 0 ? attest_verify(&in, &v, &why) : -ENOMEM;
	OPENSSL_free(der);
	if (err == 0 && v.overall == VERDICT_AFFIRMING)
		return 1;
	verdict_print_line(&v, line, sizeof line);
	log_warn("peer: refused: %s", err < 0 ? why_text(&why, err) : line);
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static int peer_get_tls(void *owner, SSL_CTX **ret, struct why *why)
{
	struct peer *p = owner;

	*ret = p->ctx;
	return 0;
}

static MUST_USE int files_load(const struct opt_list *list, struct files *f, struct why *why)
{
	if (list->n > FILES_MAX)
		return why_set(why, -EMSGSIZE, "at most %u files of a kind", FILES_MAX);
	for (size_t i = 0; i < list->n; i++) {
		uint8_t *bytes = NULL;
		size_t len = 0;
		int err = fd_read_path(list->at[i], LIMIT_EVIDENCE_BYTES, &bytes, &len, why);
		if (err < 0)
			return err;
		f->at[f->n++] = (struct attest_blob){ bytes, len };
	}
	return 0;
}

static MUST_USE int peer_open(const struct peer_args *a, struct peer *p, struct why *why)
{
	if (a->policy == NULL)
		return why_set(why, -EINVAL, "--policy POLICY is missing: what must the peer be?");
	if (a->digests.n > FILES_MAX)
		return why_set(why, -EINVAL, "--digest: at most %u", FILES_MAX);
	for (size_t i = 0; i < a->digests.n; i++)
		if (opts_parse_hex(a->digests.at[i], p->digests[i], sizeof p->digests[i]) < 0)
			return why_set(why, -EINVAL, "--digest: want 96 hexadecimal digits");
	int err = policy_read(a->policy, &p->policy, why);
	if (err == 0)
		err = files_load(&a->certs, &p->certs, why);
	if (err == 0)
		err = files_load(&a->crls, &p->crls, why);
	if (err == 0)
		err = files_load(&a->roots, &p->roots, why);
	if (err == 0)
		err = files_load(&a->collateral, &p->collateral, why);
	if (err == 0)
		err = tls_new(TLS_client_method(), &p->ctx);
	if (err < 0)
		return err;
	p->in = (struct attest_inputs){ .certs = p->certs.at,
		.n_certs = p->certs.n,
		.crls = p->crls.at,
		.n_crls = p->crls.n,
		.roots = p->roots.at,
		.n_roots = p->roots.n,
		.collateral = p->collateral.at,
		.n_collateral = p->collateral.n,
		.digests = (const uint8_t(*)[48])p->digests,
		.n_digests = a->digests.n,
		.policy = &p->policy,
		.required_rows = ROW_BIT(ROW_BINDING) | ROW_BIT(ROW_MEASUREMENT) };
	if (p->crls.n > 0) /* whoever gives some wants every chain judged by one */
		p->in.required_rows |= ROW_BIT(ROW_REVOCATION);
	SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(p->ctx, peer_verify, p);
	return 0;
}

int agent_cmd_tls_connect(int argc, char **argv)
{
	static struct peer p;
	struct agent_proxy proxy = { .get_tls = peer_get_tls, .owner = &p };
	struct peer_args a = { 0 };
	const struct opt options[] = {
		{ "listen", OPT_TEXT, &a.listen, "WHERE", "plain: vsock:, unix: or tcp:" },
		{ "to", OPT_TEXT, &a.to, "WHERE", "the attested service" },
		{ "policy", OPT_TEXT, &a.policy, "POLICY", "what the service must prove" },
		{ "digest", OPT_LIST, &a.digests, "HEX",
			"a launch digest it may have, beside the policy's" },
		{ "certs", OPT_LIST, &a.certs, "FILE", "certificates beside those it sends" },
		{ "crl", OPT_LIST, &a.crls, "FILE", "certificate revocation list" },
		{ "root", OPT_LIST, &a.roots, "FILE", "an extra trust root (class simulated)" },
		{ "collateral", OPT_LIST, &a.collateral, "FILE", "TDX: TCB info and the like" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-agent tls-connect --listen WHERE --to WHERE "
				       "--policy POLICY [OPTION]...",
		"Take plain connections to a service that must prove what it is.", options, 0, 0 };
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err > 0)
		return EXIT_YES;
	if (err == 0)
		err = where_parse("--listen", a.listen, &proxy.listen, &why);
	if (err == 0)
		err = where_parse("--to", a.to, &proxy.to, &why);
	if (err == 0)
		err = peer_open(&a, &p, &why);
	if (err == 0)
		err = agent_proxy_run(&proxy, &why);
	return agent_cmd_end(err, &why);
}
