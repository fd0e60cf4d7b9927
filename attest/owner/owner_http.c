#include "attest/owner/owner_http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "attest/owner/owner_url.h"
#include "base/limits.h"
#include "base/wr.h"

#define CONNECT_MS 10000L
#define STEP_MS    1000
/* "HOST:PORT:" and addresses in brackets. */
#define RESOLVE_MAX (sizeof(struct owner_url) + LIMIT_OWNER_ADDRESSES * (INET6_ADDRSTRLEN + 3))

struct owner_http {
	CURL *easy;
	CURLM *multi;
	struct curl_slist *headers, *resolve;
	struct owner_url at;
	bool is_running;
	CURLcode code; /* of the last request */
	size_t len;
	char error[CURL_ERROR_SIZE];
	uint8_t body[LIMIT_OWNER_ANSWER_BYTES];
};

/* ---- where ------------------------------------------------------------------------------------- */

static bool host_is_address(const char *host)
{
	struct in_addr a;

	return host[0] == '[' || inet_pton(AF_INET, host, &a) == 1;
}

static void addresses_print(struct wr *w, const struct addrinfo *all)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int n = 0;

	for (const struct addrinfo *a = all; a != NULL && n < LIMIT_OWNER_ADDRESSES;
		a = a->ai_next) {
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0,
			    NI_NUMERICHOST) != 0 ||
			strchr(text, '%') != NULL)
			continue; /* a link-local one: no name should lead to it */
		wr_printf(
			w, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", n++ == 0 ? "" : ",", text);
	}
	if (n == 0)
		w->is_bad = true;
}

/* Now, while there is a resolver: afterwards curl finds the addresses in its cache. */
static MUST_USE int host_resolve(struct owner_http *h, struct why *why)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG
	};
	char line[RESOLVE_MAX];
	struct wr w = wr_of(line, sizeof line);
	struct addrinfo *all = NULL;

	if (host_is_address(h->at.host))
		return 0;
	int code = getaddrinfo(h->at.host, h->at.port, &hints, &all);
	if (code != 0)
		return why_set(why, -EHOSTUNREACH, "the owner's broker: %s has no address: %s",
			h->at.host, gai_strerror(code));
	wr_printf(&w, "%s:%s:", h->at.host, h->at.port);
	addresses_print(&w, all);
	freeaddrinfo(all);
	if (wr_end_str(&w) < 0)
		return why_set(why, -EHOSTUNREACH, "the owner's broker: %s has no address of use",
			h->at.host);
	h->resolve = curl_slist_append(NULL, line);
	return h->resolve != NULL &&
			       curl_easy_setopt(h->easy, CURLOPT_RESOLVE, h->resolve) == CURLE_OK
		       ? 0
		       : -ENOMEM;
}

/* ---- options ------------------------------------------------------------------------------------ */

static size_t body_take(char *bytes, size_t one, size_t n, void *arg)
{
	struct owner_http *h = arg;

	if (n > sizeof h->body - h->len)
		return 0; /* too long: curl gives up */
	memcpy(h->body + h->len, bytes, n);
	h->len += n;
	return n;
}

/* The filter lets this kind of socket pass and no other. */
static curl_socket_t socket_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	return purpose == CURLSOCKTYPE_IPCXN && a->socktype == SOCK_STREAM
		       ? socket(a->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP)
		       : CURL_SOCKET_BAD;
}

/* curl's options as a table would need one table a type; the errors are collected instead. */
#define SET(option, value) (failed |= curl_easy_setopt(h->easy, option, value) != CURLE_OK)

static MUST_USE int options_set(struct owner_http *h, const void *ca, size_t ca_len)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)ca, .len = ca_len, .flags = CURL_BLOB_COPY
	};
	bool failed = false;

	h->headers = curl_slist_append(NULL, "Content-Type: application/json");
	h->headers = curl_slist_append(h->headers, "Expect:");
	SET(CURLOPT_URL, h->at.url);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3 | (long)CURL_SSLVERSION_MAX_TLSv1_3);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAINFO_BLOB, &blob);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, -1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	SET(CURLOPT_HTTPHEADER, h->headers);
	SET(CURLOPT_USERAGENT, "casemate-owner");
	SET(CURLOPT_ERRORBUFFER, h->error);
	SET(CURLOPT_OPENSOCKETFUNCTION, socket_open);
	SET(CURLOPT_WRITEFUNCTION, body_take);
	SET(CURLOPT_WRITEDATA, h);
	SET(CURLOPT_MAXFILESIZE, (long)LIMIT_OWNER_ANSWER_BYTES);
	SET(CURLOPT_POST, 1L);
	return failed || h->headers == NULL ? -EIO : 0;
}

/* curl would say so at the first request, an hour of launch later. */
static MUST_USE int ca_check(const void *ca, size_t ca_len, struct why *why)
{
	BIO *bio = ca_len <= LIMIT_CERT_BLOB_BYTES ? BIO_new_mem_buf(ca, (int)ca_len) : NULL;
	X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	if (x == NULL)
		return why_set(why, -EBADMSG, "the owner's CA: no PEM certificate in it");
	X509_free(x);
	return 0;
}

int owner_http_open(const char *url, const char *path, const void *ca, size_t ca_len,
	struct owner_http **ret, struct why *why)
{
	AUTO(owner_http) struct owner_http *h = calloc(1, sizeof *h);

	tzset(); /* reads a file; a certificate's dates are told in some zone */
	if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (h->easy == NULL || h->multi == NULL)
		return -ENOMEM;
	int err = ca_check(ca, ca_len, why);
	if (err == 0)
		err = owner_url_parse(url, path, &h->at, why);
	if (err == 0)
		err = options_set(h, ca, ca_len);
	if (err == 0)
		err = host_resolve(h, why);
	if (err < 0)
		return why_set(why, err, "curl does not take our options");

	*ret = h;
	h = NULL;
	return 0;
}

void owner_http_close(struct owner_http *h)
{
	if (h == NULL)
		return;
	owner_http_stop(h);
	if (h->multi != NULL)
		(void)curl_multi_cleanup(h->multi);
	if (h->easy != NULL)
		curl_easy_cleanup(h->easy);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->resolve);
	free(h);
}

/* ---- requests ----------------------------------------------------------------------------------- */

int owner_http_start(struct owner_http *h, const char *body, uint32_t timeout_ms, struct why *why)
{
	bool failed = false;

	h->len = 0;
	h->error[0] = '\0';
	h->code = CURLE_OK;
	SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	SET(CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	SET(CURLOPT_POSTFIELDS, body);
	if (failed || curl_multi_add_handle(h->multi, h->easy) != CURLM_OK)
		return why_set(why, -EIO, "curl does not take our options");
	h->is_running = true;
	return 0;
}

void owner_http_stop(struct owner_http *h)
{
	if (h->is_running)
		(void)curl_multi_remove_handle(h->multi, h->easy);
	h->is_running = false;
}

int owner_http_step(struct owner_http *h, int fd, bool *ret_is_over)
{
	struct curl_waitfd wait = { .fd = fd, .events = CURL_WAIT_POLLIN };

	while (wait.revents == 0) {
		int n = 0;
		CURLMcode code = curl_multi_perform(h->multi, &n);
		if (code != CURLM_OK)
			return code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
		const CURLMsg *m = curl_multi_info_read(h->multi, &n);
		if (m != NULL && m->msg == CURLMSG_DONE) {
			h->code = m->data.result;
			owner_http_stop(h);
			*ret_is_over = true;
			return 0;
		}
		code = curl_multi_poll(h->multi, &wait, 1, STEP_MS, NULL);
		if (code != CURLM_OK)
			return code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
	}
	*ret_is_over = false;
	return 0;
}

void owner_http_get(const struct owner_http *h, struct owner_result *ret)
{
	/* The broker is another one, or it sends what no broker of ours does. */
	static const CURLcode final[] = { CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
		CURLE_SSL_ISSUER_ERROR, CURLE_WRITE_ERROR, CURLE_FILESIZE_EXCEEDED };
	curl_off_t after = 0;

	*ret = (struct owner_result){ .body = h->body, .len = h->len };
	for (size_t i = 0; i < ARRAY_LEN(final); i++)
		ret->is_final = ret->is_final || h->code == final[i];
	if (h->code == CURLE_WRITE_ERROR || h->code == CURLE_FILESIZE_EXCEEDED)
		ret->error = "an answer that is too long";
	else if (h->code != CURLE_OK)
		ret->error = h->error[0] != '\0' ? h->error : curl_easy_strerror(h->code);
	if (h->code != CURLE_OK)
		return;
	if (curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &ret->status) != CURLE_OK)
		ret->error = "no status";
	if (curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		ret->retry_after_s = (uint32_t)MIN(after, (curl_off_t)LIMIT_OWNER_PAUSE_S);
}
