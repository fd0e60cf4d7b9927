#include "attest/owner/owner_answer.h"

#include <errno.h>
#include <string.h>

#include "attest/broker/kbs_json.h"
#include "base/b64.h"
#include "base/wr.h"

#define WORDS_MAX 1024u

int owner_print_request(const struct wire_owner_config *config,
	const struct wire_sev_measured *measured, const uint8_t session[32],
	char ret[OWNER_REQUEST_MAX])
{
	uint8_t measure[sizeof measured->hmac + sizeof measured->mnonce];
	struct wr w = wr_of(ret, OWNER_REQUEST_MAX);

	memcpy(measure, measured->hmac, sizeof measured->hmac);
	memcpy(measure + sizeof measured->hmac, measured->mnonce, sizeof measured->mnonce);
	wr_str(&w, "{\"policy\":\"");
	wr_hex(&w, config->policy_hash, sizeof config->policy_hash);
	wr_str(&w, "\",\"session\":\"");
	wr_hex(&w, session, 32);
	wr_str(&w, "\",\"measure\":\"");
	b64_print(&w, measure, sizeof measure);
	wr_printf(&w, "\",\"sev_policy\":%u,\"api\":[%u,%u,%u],\"vcpus\":%u}",
		le32_get(measured->policy), measured->api_major, measured->api_minor,
		measured->build, le32_get(config->vcpus));
	return wr_end_str(&w);
}

enum owner_next owner_judge_status(long status)
{
	static const long later[] = { 202, 425, 429, 502, 503, 504 };

	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		if (status == later[i])
			return OWNER_WAIT;
	return status == 200 ? OWNER_DONE : OWNER_REFUSED;
}

/* A member in base 64, of at most max bytes. */
static MUST_USE int bytes_take(const json_t *j, const char *name, uint8_t *ret, size_t max,
	size_t *ret_len, struct why *why)
{
	const char *text = kbs_json_text(j, name, B64_TEXT_LEN(max), why);

	if (text == NULL)
		return -EBADMSG;
	return b64_parse(text, strlen(text), ret, max, ret_len) < 0
		       ? why_set(why, -EBADMSG, "\"%s\": want at most %zu bytes in base64", name,
				 max)
		       : 0;
}

int owner_parse_packet(const void *body, size_t len, struct wire_sev_secret *ret, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	struct wire_sev_secret got = { 0 };
	size_t header_len = 0, body_len = 0;

	int err = kbs_json_load(body, len, &j, why);
	if (err == 0)
		err = bytes_take(j, "header", got.header, sizeof got.header, &header_len, why);
	if (err == 0)
		err = bytes_take(j, "body", got.body, sizeof got.body, &body_len, why);
	/* What the firmware takes (kvm-cvm-abi.md, 2.12), or nothing at all. */
	if (err == 0 &&
		(header_len != (body_len == 0 ? 0 : sizeof got.header) || body_len % 16 != 0))
		err = why_set(why, -EBADMSG,
			"a header of %zu bytes and a body of %zu, want %zu and a multiple of 16, "
			"or "
			"neither",
			header_len, body_len, sizeof got.header);
	if (err < 0)
		return why_prefix(why, -EBADMSG, "the owner's answer");
	got.len = le32_of((uint32_t)body_len);
	*ret = got;
	return 0;
}

void owner_parse_refusal(const void *body, size_t len, long status, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	const char *words = NULL;

	if (kbs_json_load(body, len, &j, NULL) == 0) {
		words = kbs_json_text(j, "detail", WORDS_MAX, NULL);
		if (words == NULL || words[0] == '\0')
			words = kbs_json_text(j, "state", WORDS_MAX, NULL);
	}
	bool is_wait = owner_judge_status(status) == OWNER_WAIT;
	(void)why_set(why, 0, "the owner's broker says %s (%ld): %s", is_wait ? "not yet" : "no",
		status, words != NULL && words[0] != '\0' ? words : "it gives no reason");
}
