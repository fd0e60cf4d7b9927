#include "attest/agent/agent_kbs.h"

#include <curl/curl.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attest/agent/agent_relay.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_jwe.h"
#include "attest/broker/kbs_snp.h"
#include "base/b64.h"
#include "base/fd.h"
#include "base/limits.h"

#define PREFIX    "/kbs/v0"
#define VERSION   "0.4.0"
#define REQUEST_S 60L /* one request, ledger and slow guest included */
#define CONNECT_S 20L
#define PAUSE_US                                                                                   \
	500000u /* before the second try; doubled each time, at most PAUSE_DOUBLINGS times */
#define PAUSE_DOUBLINGS 4u
#define PIN_PREFIX      "sha256//"
#define RELAY_PATH      "/run/casemate-broker.sock" /* in the guest; 0700, nobody else is there */

struct agent_kbs {
	CURL *curl;
	struct agent_broker broker;
	struct curl_slist *headers;
	struct curl_slist *connect_to; /* TCP: where, whatever the name says; NULL */
	pid_t relay;                   /* 0: none */
	char *token;                   /* of the last proof; NULL: none */
	long status;                   /* of the last answer; 0: none */
	char error[CURL_ERROR_SIZE];
	size_t len;
	uint8_t body[LIMIT_KBS_BODY_BYTES];
};

/* --- the connection ---------------------------------------------------------------------------- */

/* Connect, and give curl a path to it. */
static MUST_USE int vsock_connect(struct agent_kbs *k, struct why *why)
{
	struct sockaddr_vm sa = {
		.svm_family = AF_VSOCK,
		.svm_cid = k->broker.vsock_cid,
		.svm_port = k->broker.vsock_port,
	};
	int err = agent_relay_start((struct sockaddr *)&sa, sizeof sa, RELAY_PATH, &k->relay);

	return err < 0 ? why_set(why, -EREMOTEIO, "broker: cannot connect to vsock %u port %u: %s",
				 sa.svm_cid, sa.svm_port, strerrordesc_np(-err))
		       : 0;
}

static size_t body_take(char *bytes, size_t one, size_t n, void *arg)
{
	struct agent_kbs *k = arg;

	if (n > sizeof k->body - k->len)
		return 0; /* too long: curl gives up */
	memcpy(k->body + k->len, bytes, n);
	k->len += n;
	return n;
}

/* A guest has no clock of its own: the host could make any date true or false. */
static CURLcode tls_set(CURL *curl, void *ctx, void *arg)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

	return X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME) == 1
		       ? CURLE_OK
		       : CURLE_SSL_CERTPROBLEM;
}

/* curl's options as a table would need one table a type; the errors are collected instead. */
#define SET(option, value) (failed |= curl_easy_setopt(k->curl, option, value) != CURLE_OK)

/* Whom we talk to: by the authority in the image, or by the broker's own key. */
static MUST_USE int trust_set(
	struct agent_kbs *k, const uint8_t *ca, size_t ca_len, struct why *why)
{
	char pin[sizeof PIN_PREFIX + B64_TEXT_LEN(32)];
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)ca, .len = ca_len, .flags = CURL_BLOB_NOCOPY
	};
	struct wr w = wr_of(pin, sizeof pin);
	bool failed = false;

	if (ca == NULL && !k->broker.has_pin)
		return why_set(why, -EINVAL, "neither a broker CA in the image nor casemate.ca=");
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_CAINFO, NULL);
	if (ca != NULL)
		SET(CURLOPT_CAINFO_BLOB, &blob);
	if (k->broker.has_pin) {
		wr_str(&w, PIN_PREFIX);
		b64_print(&w, k->broker.pin, sizeof k->broker.pin);
		if (wr_end_str(&w) < 0)
			return -EMSGSIZE;
		SET(CURLOPT_PINNEDPUBLICKEY, pin);
	}
	/* Without an authority the key itself is known, which is stricter than any name. */
	SET(CURLOPT_SSL_VERIFYPEER, ca != NULL ? 1L : 0L);
	SET(CURLOPT_SSL_VERIFYHOST, ca != NULL ? 2L : 0L);
	return failed ? why_set(why, -EIO, "curl does not take the broker's certificate options")
		      : 0;
}

static MUST_USE int transport_set(struct agent_kbs *k, struct why *why)
{
	const char *path = k->broker.unix_path;
	char to[AGENT_PATH_MAX + 8];

	if (k->broker.tcp[0] != '\0') {
		(void)snprintf(to, sizeof to, "::%s", k->broker.tcp);
		k->connect_to = curl_slist_append(NULL, to);
		return curl_easy_setopt(k->curl, CURLOPT_CONNECT_TO, k->connect_to) == CURLE_OK
			       ? 0
			       : -EIO;
	}
	if (path[0] == '\0') {
		int err = vsock_connect(k, why);
		if (err < 0)
			return err;
		path = RELAY_PATH;
	}
	return curl_easy_setopt(k->curl, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK ? 0 : -EIO;
}

static MUST_USE int options_set(struct agent_kbs *k)
{
	bool failed = false;

	k->headers = curl_slist_append(NULL, "Content-Type: application/json");
	k->headers = curl_slist_append(k->headers, "Expect:");
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3 | (long)CURL_SSLVERSION_MAX_TLSv1_3);
	SET(CURLOPT_SSL_CTX_FUNCTION, tls_set);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT, k->broker.timeout_s > 0 ? (long)k->broker.timeout_s : REQUEST_S);
	SET(CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	SET(CURLOPT_COOKIEFILE, "");
	SET(CURLOPT_HTTPHEADER, k->headers);
	SET(CURLOPT_USERAGENT, "casemate-agent");
	SET(CURLOPT_ERRORBUFFER, k->error);
	SET(CURLOPT_WRITEFUNCTION, body_take);
	SET(CURLOPT_WRITEDATA, k);
	SET(CURLOPT_MAXFILESIZE, (long)LIMIT_KBS_BODY_BYTES);
	return failed ? -EIO : 0;
}

int agent_kbs_open(const struct agent_broker *broker, const uint8_t *ca, size_t ca_len,
	struct agent_kbs **ret, struct why *why)
{
	AUTO(agent_kbs) struct agent_kbs *k = calloc(1, sizeof *k);

	if (k == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	k->broker = *broker;
	k->curl = curl_easy_init();
	if (k->curl == NULL)
		return -ENOMEM;
	int err = options_set(k);
	if (err == 0)
		err = trust_set(k, ca, ca_len, why);
	if (err == 0)
		err = transport_set(k, why);
	if (err < 0)
		return why_set(why, err, "curl does not take our options");

	*ret = k;
	k = NULL;
	return 0;
}

void agent_kbs_close(struct agent_kbs *k)
{
	if (k == NULL)
		return;
	curl_easy_cleanup(k->curl);
	agent_relay_stop(k->relay);
	curl_slist_free_all(k->headers);
	curl_slist_free_all(k->connect_to);
	kbs_text_free(k->token);
	explicit_bzero(k, sizeof *k);
	free(k);
}

/* --- requests ---------------------------------------------------------------------------------- */

/* What a status means where the broker gives no words of its own. */
static const char *status_hint(long status)
{
	static const struct {
		long from, to;
		const char *text;
	} hints[] = {
		{ 300, 399, "a redirect, which is not followed" },
		{ 401, 401, "nothing is proven in this session" },
		{ 403, 403, "its policy does not allow it" },
		{ 404, 404, "it has no such thing, or is no key broker" },
		{ 413, 413, "the request is too long for it" },
		{ 429, 429, "too many requests" },
		{ 500, 599, "it has trouble of its own" },
	};

	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (status >= hints[i].from && status <= hints[i].to)
			return hints[i].text;
	return "no reason given";
}

/* The reason a broker gave: RFC 7807's "detail", else the last part of "type". */
static MUST_USE int status_report(const struct agent_kbs *k, long status, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	int err = status == 401 || status == 403 ? -EACCES : -EREMOTEIO;
	const char *words = NULL;

	if (kbs_json_load(k->body, k->len, &j, NULL) == 0) {
		words = kbs_json_text(j, "detail", 1024, NULL);
		const char *type = kbs_json_text(j, "type", 1024, NULL);
		if ((words == NULL || words[0] == '\0') && type != NULL)
			words = strrchr(type, '/') != NULL ? strrchr(type, '/') + 1 : type;
	}
	if (words == NULL || words[0] == '\0')
		words = status_hint(status);
	return why_set(why, err, "the broker says no (%ld): %s", status, words);
}

/* POST when there is a text, else GET, with the token instead of the cookie where it is asked for. */
static MUST_USE int request_set(
	struct agent_kbs *k, const char *path, const char *text, bool has_token)
{
	char url[AGENT_HOST_MAX + LIMIT_PATH_BYTES + 64];
	bool failed = false;

	int n = snprintf(url, sizeof url, "https://%s" PREFIX "%s", k->broker.host, path);
	if (n < 0 || (size_t)n >= sizeof url)
		return -EMSGSIZE;
	k->len = 0;
	k->error[0] = '\0';
	k->status = 0;
	SET(CURLOPT_URL, url);
	SET(CURLOPT_HTTPAUTH, has_token ? (long)CURLAUTH_BEARER : (long)CURLAUTH_BASIC);
	SET(CURLOPT_XOAUTH2_BEARER, has_token ? k->token : NULL);
	if (text != NULL) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE, (long)strlen(text));
		SET(CURLOPT_POSTFIELDS, text);
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	return failed ? -EIO : 0;
}

/* The answer is in k->body. */
static MUST_USE int request_send(
	struct agent_kbs *k, const char *path, const char *text, bool has_token, struct why *why)
{
	int err = request_set(k, path, text, has_token);

	if (err < 0)
		return err;
	CURLcode code = curl_easy_perform(k->curl);
	if (code == CURLE_WRITE_ERROR || code == CURLE_FILESIZE_EXCEEDED)
		return why_set(why, -EMSGSIZE, "broker: an answer of more than %u bytes",
			LIMIT_KBS_BODY_BYTES);
	if (code != CURLE_OK)
		return why_set(why, -EREMOTEIO, "broker: %s",
			k->error[0] != '\0' ? k->error : curl_easy_strerror(code));
	if (curl_easy_getinfo(k->curl, CURLINFO_RESPONSE_CODE, &k->status) != CURLE_OK)
		return -EIO;
	return k->status == 200 ? 0 : status_report(k, k->status, why);
}

bool agent_kbs_is_unproven(const struct agent_kbs *k)
{
	return k->status == 401;
}

const char *agent_kbs_token(const struct agent_kbs *k)
{
	return k->token;
}

int agent_kbs_parse_challenge(
	const void *body, size_t len, char ret_nonce[AGENT_NONCE_MAX + 1], struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;

	int err = kbs_json_load(body, len, &j, why);
	const char *nonce = err == 0 ? kbs_json_text(j, "nonce", AGENT_NONCE_MAX, why) : NULL;
	if (nonce == NULL)
		return why_prefix(why, err < 0 ? err : -EBADMSG, "challenge");
	/* It goes into canonical JSON as it is: base64 of either alphabet, nothing that needs escaping. */
	size_t plain = strspn(
		nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=");
	if (plain < 16 || nonce[plain] != '\0' ||
		plain != json_string_length(json_object_get(j, "nonce")))
		return why_set(why, -EBADMSG, "challenge: a nonce that is short, or not base64");

	memcpy(ret_nonce, nonce, plain + 1);
	return 0;
}

/* No answer at all, or one that says "not now": worth another try. */
static bool is_worth_waiting(const struct agent_kbs *k, int err)
{
	return err == -EREMOTEIO && (k->status == 0 || k->status == 429 || k->status == 502 ||
					    k->status == 503 || k->status == 504);
}

int agent_kbs_challenge(struct agent_kbs *k, enum ev_kind kind, char ret_nonce[AGENT_NONCE_MAX + 1],
	struct why *why)
{
	char request[128];

	(void)snprintf(request, sizeof request,
		"{\"version\":\"" VERSION "\",\"tee\":\"%s\",\"extra-params\":\"\"}",
		ev_kind_name(kind));
	int err = request_send(k, "/auth", request, false, why);
	for (unsigned int i = 1; i < k->broker.tries && is_worth_waiting(k, err); i++) {
		(void)usleep(PAUSE_US << MIN(i - 1, PAUSE_DOUBLINGS));
		why_clear(why);
		err = request_send(k, "/auth", request, false, why);
	}
	if (err < 0 && why != NULL && k->status >= 400 && strstr(why->text, "ersion") != NULL)
		return why_prefix(why, -EPROTONOSUPPORT,
			"it does not take the protocol's version " VERSION ", the one we speak");
	return err < 0 ? err : agent_kbs_parse_challenge(k->body, k->len, ret_nonce, why);
}

static json_t *snp_print(const struct ev_evidence *evidence)
{
	struct kbs_snp *snp = calloc(1, sizeof *snp);

	if (snp == NULL)
		return NULL;
	memcpy(snp->report, evidence->bytes, sizeof snp->report);
	kbs_snp_add_table(snp, evidence->table, evidence->table_len);
	json_t *j = kbs_snp_print(snp);
	free(snp);
	return j;
}

/* Bytes as a JSON string in base 64; NULL: JSON's null for none. */
static json_t *b64_json(const uint8_t *bytes, size_t len)
{
	char *text = len == 0 ? NULL : malloc(B64_TEXT_LEN(len) + 1);
	struct wr w = wr_of(text, text == NULL ? 0 : B64_TEXT_LEN(len) + 1);

	if (len == 0)
		return json_null();
	b64_print(&w, bytes, len);
	json_t *j = text != NULL && wr_end_str(&w) == 0 ? json_string(text) : NULL;
	free(text);
	return j;
}

/* As attestation.md 12.4 spells each kind. */
static json_t *primary_print(const struct ev_evidence *e)
{
	switch (e->kind) {
	case EV_SNP:
		return snp_print(e);
	case EV_TDX:
		return json_pack("{s:o,s:o}", "quote", b64_json(e->bytes, e->len), "cc_eventlog",
			b64_json(e->log, e->log_len));
	case EV_TPM:
		return json_loadb((const char *)e->bytes, e->len, 0, NULL);
	case EV_KIND_COUNT:
		break;
	}
	return NULL;
}

static MUST_USE int evidence_print(
	const char *nonce, json_t *public_key, const struct ev_evidence *evidence, char **ret)
{
	AUTO(kbs_json)
	json_t *j = json_pack("{s:{s:s,s:O},s:{s:o,s:s}}", "runtime-data", "nonce", nonce,
		"tee-pubkey", public_key, "tee-evidence", "primary_evidence",
		primary_print(evidence), "additional_evidence", "");
	if (j == NULL)
		return -ENOMEM;
	int err = kbs_json_print(j, ret);
	return err == 0 && strlen(*ret) > LIMIT_KBS_BODY_BYTES ? -EMSGSIZE : err;
}

/* The token of an answer to /attest: it goes into a header as it is, so three parts of base64url. */
static MUST_USE int token_take(struct agent_kbs *k, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;

	kbs_text_free(k->token);
	k->token = NULL;
	if (k->len == 0)
		return 0;
	int err = kbs_json_load(k->body, k->len, &j, why);
	if (err < 0)
		return why_prefix(why, err, "answer to the proof");
	const char *token = kbs_json_text(j, "token", LIMIT_KBS_BODY_BYTES, NULL);
	if (token == NULL || token[0] == '\0')
		return 0; /* the cookie will do */
	if (token[strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				"-_.")] != '\0')
		return why_set(why, -EBADMSG, "answer to the proof: \"token\" is no JWT");
	k->token = strdup(token);
	return k->token != NULL ? 0 : -ENOMEM;
}

int agent_kbs_prove(struct agent_kbs *k, const char *nonce, json_t *public_key,
	const struct ev_evidence *evidence, struct why *why)
{
	AUTO(kbs_text) char *text = NULL;
	int err = evidence_print(nonce, public_key, evidence, &text);

	if (err == 0)
		err = request_send(k, "/attest", text, false, why);
	return err < 0 ? err : token_take(k, why);
}

int agent_kbs_fetch(struct agent_kbs *k, const char *path, const json_t *private_key,
	struct secret *ret, struct why *why)
{
	char name[LIMIT_PATH_BYTES + 16];
	int n = snprintf(name, sizeof name, "/resource/%s", path);

	if (n < 0 || (size_t)n >= sizeof name)
		return -EMSGSIZE;
	int err = request_send(k, name, NULL, false, why);
	if (err == -EACCES && agent_kbs_is_unproven(k) && k->token != NULL) {
		why_clear(why);
		err = request_send(k, name, NULL, true, why);
	}
	return err < 0 ? err : kbs_jwe_open(k->body, k->len, private_key, ret, why);
}
