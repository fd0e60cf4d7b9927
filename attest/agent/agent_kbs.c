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

#define PREFIX     "/kbs/v0"
#define REQUEST_S  60L /* one request, ledger and slow guest included */
#define CONNECT_S  20L
#define PIN_PREFIX "sha256//"
#define RELAY_PATH "/run/casemate-broker.sock" /* in the guest; 0700, nobody else is there */

struct agent_kbs {
	CURL *curl;
	struct agent_broker broker;
	struct curl_slist *headers;
	pid_t relay; /* 0: none */
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
	AUTO(fd) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
		int err = -errno;
		return why_set(why, -EREMOTEIO, "broker: cannot connect to vsock %u port %u: %s",
			sa.svm_cid, sa.svm_port, strerrordesc_np(-err));
	}
	int err = agent_relay_start(fd_take(&fd), RELAY_PATH, &k->relay);
	return err < 0 ? why_set(why, err, "broker: relay: %s", strerrordesc_np(-err)) : 0;
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
	SET(CURLOPT_TIMEOUT, REQUEST_S);
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
	explicit_bzero(k, sizeof *k);
	free(k);
}

/* --- requests ---------------------------------------------------------------------------------- */

/* The reason a broker gave, or the number alone. */
static MUST_USE int status_report(const struct agent_kbs *k, long status, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	int err = status == 401 || status == 403 ? -EACCES : -EREMOTEIO;
	const char *detail = kbs_json_load(k->body, k->len, &j, NULL) == 0
				     ? kbs_json_text(j, "detail", 1024, NULL)
				     : NULL;

	return detail != NULL ? why_set(why, err, "the broker says no (%ld): %s", status, detail)
			      : why_set(why, err, "the broker says no (%ld)", status);
}

/* POST when there is a text, else GET. The answer is in k->body. */
static MUST_USE int request_send(
	struct agent_kbs *k, const char *path, const char *text, struct why *why)
{
	char url[AGENT_HOST_MAX + LIMIT_PATH_BYTES + 64];
	bool failed = false;
	long status = 0;

	int n = snprintf(url, sizeof url, "https://%s" PREFIX "%s", k->broker.host, path);
	if (n < 0 || (size_t)n >= sizeof url)
		return -EMSGSIZE;
	k->len = 0;
	k->error[0] = '\0';
	SET(CURLOPT_URL, url);
	if (text != NULL) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE, (long)strlen(text));
		SET(CURLOPT_POSTFIELDS, text);
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	if (failed)
		return -EIO;
	CURLcode code = curl_easy_perform(k->curl);
	if (code == CURLE_WRITE_ERROR || code == CURLE_FILESIZE_EXCEEDED)
		return why_set(why, -EMSGSIZE, "broker: an answer of more than %u bytes",
			LIMIT_KBS_BODY_BYTES);
	if (code != CURLE_OK)
		return why_set(why, -EREMOTEIO, "broker: %s",
			k->error[0] != '\0' ? k->error : curl_easy_strerror(code));
	if (curl_easy_getinfo(k->curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		return -EIO;
	return status == 200 ? 0 : status_report(k, status, why);
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

int agent_kbs_challenge(struct agent_kbs *k, char ret_nonce[AGENT_NONCE_MAX + 1], struct why *why)
{
	static const char request[] =
		"{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}";
	int err = request_send(k, "/auth", request, why);

	return err < 0 ? err : agent_kbs_parse_challenge(k->body, k->len, ret_nonce, why);
}

static MUST_USE int evidence_print(
	const char *nonce, json_t *public_key, const struct ev_report *evidence, char **ret)
{
	struct kbs_snp *snp = calloc(1, sizeof *snp);

	if (snp == NULL)
		return -ENOMEM;
	memcpy(snp->report, evidence->report, sizeof snp->report);
	kbs_snp_add_table(snp, evidence->table, evidence->table_len);
	AUTO(kbs_json)
	json_t *j = json_pack("{s:{s:s,s:O},s:{s:o,s:s}}", "runtime-data", "nonce", nonce,
		"tee-pubkey", public_key, "tee-evidence", "primary_evidence", kbs_snp_print(snp),
		"additional_evidence", "");
	free(snp);
	return j == NULL ? -ENOMEM : kbs_json_print(j, ret);
}

int agent_kbs_prove(struct agent_kbs *k, const char *nonce, json_t *public_key,
	const struct ev_report *evidence, struct why *why)
{
	AUTO(kbs_text) char *text = NULL;
	int err = evidence_print(nonce, public_key, evidence, &text);

	return err < 0 ? err : request_send(k, "/attest", text, why);
}

int agent_kbs_fetch(struct agent_kbs *k, const char *path, const json_t *private_key,
	struct secret *ret, struct why *why)
{
	char name[LIMIT_PATH_BYTES + 16];
	int n = snprintf(name, sizeof name, "/resource/%s", path);

	if (n < 0 || (size_t)n >= sizeof name)
		return -EMSGSIZE;
	int err = request_send(k, name, NULL, why);
	return err < 0 ? err : kbs_jwe_open(k->body, k->len, private_key, ret, why);
}
