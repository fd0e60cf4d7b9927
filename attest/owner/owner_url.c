#include "attest/owner/owner_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One part of a URL into a fixed place; a part that is not there is empty. */
static MUST_USE int part_get(CURLU *u, CURLUPart part, unsigned int flags, char *ret, size_t size)
{
	char *text = NULL;
	CURLUcode code = curl_url_get(u, part, &text, flags);
	int n = code == CURLUE_OK ? snprintf(ret, size, "%s", text) : 0;

	curl_free(text);
	if (code != CURLUE_OK)
		ret[0] = '\0';
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static MUST_USE int parts_take(struct owner_url *ret, CURLU *u, const char *path)
{
	static const CURLUPart unused[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
		CURLUPART_QUERY, CURLUPART_FRAGMENT, CURLUPART_ZONEID };
	char text[LIMIT_PATH_BYTES], prefix[LIMIT_PATH_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(unused); i++)
		if (part_get(u, unused[i], 0, text, sizeof text) < 0 || text[0] != '\0')
			return -EINVAL;
	if (part_get(u, CURLUPART_SCHEME, 0, text, sizeof text) < 0 || strcmp(text, "https") != 0 ||
		part_get(u, CURLUPART_HOST, 0, ret->host, sizeof ret->host) < 0 ||
		ret->host[0] == '\0' ||
		part_get(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, ret->port, sizeof ret->port) < 0 ||
		part_get(u, CURLUPART_PATH, 0, prefix, sizeof prefix) < 0)
		return -EINVAL;
	for (size_t len = strlen(prefix); len > 0 && prefix[len - 1] == '/'; len--)
		prefix[len - 1] = '\0';
	int n = snprintf(
		ret->url, sizeof ret->url, "https://%s:%s%s%s", ret->host, ret->port, prefix, path);
	return n < 0 || (size_t)n >= sizeof ret->url ? -EINVAL : 0;
}

/* What curl would mend or overlook: user information and marks without anything behind, "https:/". */
static bool is_plain(const char *text)
{
	static const char scheme[] = "https://";
	const char *host = text + strlen(scheme);

	return strncmp(text, scheme, strlen(scheme)) == 0 && *host != '/' &&
	       strpbrk(host, "@?#\\ ") == NULL;
}

int owner_url_parse(const char *text, const char *path, struct owner_url *ret, struct why *why)
{
	struct owner_url parsed = { .host = "" };
	CURLU *u = curl_url();
	int err = u == NULL ? -ENOMEM
		  : is_plain(text) && curl_url_set(u, CURLUPART_URL, text, CURLU_NO_AUTHORITY) ==
					      CURLUE_OK
			  ? parts_take(&parsed, u, path)
			  : -EINVAL;

	curl_url_cleanup(u);
	if (err < 0)
		return why_set(why, err,
			"the owner's URL \"%.200s\": want https://HOST[:PORT][/PATH]", text);
	*ret = parsed;
	return 0;
}
