#include "attest/endorse/endorse_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/log.h"

#define CONNECT_S   10L
#define REDIRECTS   3L
#define SLOW_BYTES  64L /* a second, for SLOW_S: a line that is as good as dead */
#define SLOW_S      20L
#define PAUSE_S     10L /* between two requests when the service does not say (2.5) */
#define STATUS_OK   200L
#define STATUS_NONE 404L
#define STATUS_BUSY 429L
#define STATUS_DOWN 503L

struct endorse_fetch {
	CURL *curl;
	struct endorse_fetch_options o;
	long waited_s;
	char error[CURL_ERROR_SIZE];
	/* of the request that runs */
	const char *chain_header;
	uint8_t *body;
	size_t len;
	char chain[LIMIT_ENDORSE_HEADER_BYTES + 1]; /* URL-encoded */
	size_t chain_len;
	bool is_too_long;
};

void endorse_answer_done(struct endorse_answer *a)
{
	free(a->body);
	curl_free(a->chain);
	*a = (struct endorse_answer){ 0 };
}

static size_t body_take(char *bytes, size_t size, size_t n, void *arg)
{
	struct endorse_fetch *f = arg;

	if (n > LIMIT_ENDORSE_BODY_BYTES - f->len) {
		f->is_too_long = true;
		return 0;
	}
	memcpy(f->body + f->len, bytes, n);
	f->len += n;
	return n;
}

/* Keeps the value of the one header that is wanted; a redirect's headers do not count. */
static size_t header_take(char *bytes, size_t size, size_t n, void *arg)
{
	struct endorse_fetch *f = arg;
	size_t name = f->chain_header == NULL ? 0 : strlen(f->chain_header);

	if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
		f->chain_len = 0;
	if (name == 0 || n <= name || bytes[name] != ':' ||
		strncasecmp(bytes, f->chain_header, name) != 0)
		return n;
	const char *at = bytes + name + 1, *end = bytes + n;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	if ((size_t)(end - at) > LIMIT_ENDORSE_HEADER_BYTES) {
		f->is_too_long = true;
		return 0;
	}
	f->chain_len = (size_t)(end - at);
	memcpy(f->chain, at, f->chain_len);
	return n;
}

#define SET(option, value) (failed |= curl_easy_setopt(f->curl, option, value) != CURLE_OK)

static MUST_USE int options_set(struct endorse_fetch *f)
{
	bool may_http = f->o.from != NULL && strncmp(f->o.from, "http://", 7) == 0;
	bool failed = false;

	SET(CURLOPT_PROTOCOLS_STR, may_http ? "http,https" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, may_http ? "http,https" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, REDIRECTS);
	SET(CURLOPT_PROXY, f->o.proxy == NULL ? "" : f->o.proxy);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (f->o.ca_file != NULL)
		SET(CURLOPT_CAINFO, f->o.ca_file);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT, f->o.timeout_s);
	SET(CURLOPT_CONNECTTIMEOUT, MIN(CONNECT_S, f->o.timeout_s));
	SET(CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	SET(CURLOPT_LOW_SPEED_TIME, SLOW_S);
	SET(CURLOPT_USERAGENT, "casemate-endorse");
	SET(CURLOPT_ERRORBUFFER, f->error);
	SET(CURLOPT_WRITEFUNCTION, body_take);
	SET(CURLOPT_WRITEDATA, f);
	SET(CURLOPT_HEADERFUNCTION, header_take);
	SET(CURLOPT_HEADERDATA, f);
	SET(CURLOPT_MAXFILESIZE, (long)LIMIT_ENDORSE_BODY_BYTES);
	return failed ? -EIO : 0;
}

int endorse_fetch_open(
	const struct endorse_fetch_options *o, struct endorse_fetch **ret, struct why *why)
{
	struct endorse_fetch *f = calloc(1, sizeof *f);

	if (o->from != NULL && strncmp(o->from, "https://", 8) != 0 &&
		strncmp(o->from, "http://", 7) != 0) {
		free(f);
		return why_set(why, -EINVAL,
			"--from: '%s' does not start with https:// (or http://)", o->from);
	}
	if (f == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(f);
		return -ENOMEM;
	}
	f->o = *o;
	f->curl = curl_easy_init();
	f->body = malloc(LIMIT_ENDORSE_BODY_BYTES + 1);
	int err = f->curl == NULL || f->body == NULL ? -ENOMEM : options_set(f);
	if (err < 0) {
		endorse_fetch_close(f);
		return why_set(why, err, "libcurl does not take our options");
	}
	*ret = f;
	return 0;
}

void endorse_fetch_close(struct endorse_fetch *f)
{
	if (f == NULL)
		return;
	curl_easy_cleanup(f->curl);
	free(f->body);
	free(f);
}

/* One request: its status, or 0 with why. */
static long request_run(struct endorse_fetch *f, const struct endorse_url *url, struct why *why)
{
	long status = 0;
	bool failed = false;

	f->len = f->chain_len = 0;
	f->is_too_long = false;
	f->error[0] = '\0';
	f->chain_header = url->chain_header;
	SET(CURLOPT_URL, url->url);
	CURLcode code = failed ? CURLE_FAILED_INIT : curl_easy_perform(f->curl);
	if (f->is_too_long || code == CURLE_FILESIZE_EXCEEDED) {
		(void)why_set(why, 0, "%s: the answer is longer than %u bytes", url->url,
			LIMIT_ENDORSE_BODY_BYTES);
		f->is_too_long = true;
	} else if (code != CURLE_OK)
		(void)why_set(why, 0, "%s: %s", url->url,
			f->error[0] != '\0' ? f->error : curl_easy_strerror(code));
	else
		(void)curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* Too many requests: wait as long as the service asks for, if that is short enough for the caller. */
static MUST_USE int pause_take(
	struct endorse_fetch *f, const struct endorse_url *url, long status, struct why *why)
{
	curl_off_t asked = 0;

	(void)curl_easy_getinfo(f->curl, CURLINFO_RETRY_AFTER, &asked);
	long pause = asked > 0 && asked < 86400 ? (long)asked : asked > 0 ? 86400 : PAUSE_S;
	if (pause > f->o.wait_s - f->waited_s)
		return why_set(why, -EHOSTUNREACH,
			"%s: the service answers too many requests (%ld) and asks for a pause of "
			"%ld s: try again after that, allow for it with --wait, or use a mirror "
			"with --from",
			url->url, status, pause);
	log_info("%s: too many requests; trying again in %ld s", url->about, pause);
	f->waited_s += pause;
	struct timespec t = { .tv_sec = pause };
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	return 0;
}

static MUST_USE int answer_give(struct endorse_fetch *f, const struct endorse_url *url,
	struct endorse_answer *ret, struct why *why)
{
	int len = 0;
	char *chain = f->chain_len == 0
			      ? NULL
			      : curl_easy_unescape(f->curl, f->chain, (int)f->chain_len, &len);

	if (f->chain_len > 0 && (chain == NULL || memchr(chain, 0, (size_t)len) != NULL)) {
		curl_free(chain);
		return why_set(why, -EBADMSG, "%s: the header %s cannot be decoded", url->url,
			url->chain_header);
	}
	uint8_t *body = malloc(f->len + 1);
	if (body == NULL) {
		curl_free(chain);
		return -ENOMEM;
	}
	memcpy(body, f->body, f->len);
	*ret = (struct endorse_answer){ .body = body, .len = f->len, .chain = chain };
	return 0;
}

int endorse_fetch_get(struct endorse_fetch *f, const struct endorse_url *url,
	struct endorse_answer *ret, struct why *why)
{
	for (;;) {
		long status = request_run(f, url, why);
		if (status == STATUS_OK)
			return answer_give(f, url, ret, why);
		if (status == 0)
			return f->is_too_long ? -EMSGSIZE : -EHOSTUNREACH;
		if (status == STATUS_NONE)
			return why_set(why, -ENOENT, "%s: the service has no such %s (404)",
				url->url, url->about);
		if (status != STATUS_BUSY && status != STATUS_DOWN)
			return why_set(why, -EHOSTUNREACH, "%s: the service answers %ld", url->url,
				status);
		int err = pause_take(f, url, status, why);
		if (err < 0)
			return err;
	}
}
