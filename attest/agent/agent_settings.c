#include "attest/agent/agent_settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/broker/kbs_path.h"
#include "base/opts.h"

#define PREFIX      "casemate."
#define HEX_SHA256  64u
#define BLOCK_BYTES 4096u /* of dm-verity here, data and hash */

static bool is_all_of(const char *text, const char *allowed)
{
	return text[0] != '\0' && strspn(text, allowed) == strlen(text);
}

#define DIGITS  "0123456789"
#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static MUST_USE int text_take(const char *text, char *ret, size_t size, const char *allowed)
{
	if (strlen(text) >= size || !is_all_of(text, allowed))
		return -EBADMSG;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

/* An absolute path without "..", doubled slashes or an end that names nothing. */
static MUST_USE int path_take(const char *text, char *ret, size_t size)
{
	size_t len = strlen(text);

	if (text[0] != '/' || len < 2 || text[len - 1] == '/' || strstr(text, "//") != NULL ||
		strstr(text, "/.") != NULL)
		return -EBADMSG;
	return text_take(text, ret, size, LETTERS DIGITS "/._-+:@%=");
}

static MUST_USE int workload_set(struct agent_settings *s, const char *v)
{
	return path_take(v, s->workload, sizeof s->workload);
}

static MUST_USE int root_set(struct agent_settings *s, const char *v)
{
	return text_take(v, s->root, sizeof s->root, LOWER DIGITS);
}

static MUST_USE int verity_set(struct agent_settings *s, const char *v)
{
	char hex[HEX_SHA256 + 1] = "";
	unsigned long long offset = 0;

	if (strlen(v) < HEX_SHA256 + 2 || v[HEX_SHA256] != '@')
		return -EBADMSG;
	memcpy(hex, v, HEX_SHA256);
	int err = opts_parse_hex(hex, s->verity, sizeof s->verity);
	if (err == 0)
		err = opts_parse_u64(
			PREFIX "verity", v + HEX_SHA256 + 1, BLOCK_BYTES, INT64_MAX, &offset, NULL);
	s->verity_offset = offset;
	return err < 0 || offset % BLOCK_BYTES != 0 ? -EBADMSG : 0;
}

static MUST_USE int volume_set(struct agent_settings *s, const char *v)
{
	return text_take(v, s->volume, sizeof s->volume, LOWER DIGITS);
}

static MUST_USE int key_set(struct agent_settings *s, const char *v)
{
	struct kbs_path parsed;

	if (strlen(v) >= sizeof s->key || kbs_path_parse(v, &parsed, NULL) < 0)
		return -EBADMSG;
	memcpy(s->key, v, strlen(v) + 1);
	return 0;
}

static MUST_USE int mount_set(struct agent_settings *s, const char *v)
{
	return path_take(v, s->mount, sizeof s->mount);
}

static MUST_USE int integrity_set(struct agent_settings *s, const char *v)
{
	s->is_integrity_required = strcmp(v, "required") == 0;
	return s->is_integrity_required ? 0 : -EBADMSG;
}

/* A numeric address: a name would need an answer of the network's. */
static MUST_USE int tcp_take(const char *text, struct agent_broker *ret)
{
	unsigned long long port = 0;
	char address[AGENT_PATH_MAX + 1];
	uint8_t raw[16];
	const char *colon = strrchr(text, ':');
	bool is_v6 = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';

	if (colon == NULL || strlen(text) >= sizeof ret->tcp)
		return -EBADMSG;
	size_t len = (size_t)(colon - text) - (is_v6 ? 2 : 0);
	memcpy(address, text + (is_v6 ? 1 : 0), len);
	address[len] = '\0';
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address, raw) != 1 ||
		opts_parse_u64("port", colon + 1, 1, UINT16_MAX, &port, NULL) < 0)
		return -EBADMSG;
	memcpy(ret->tcp, text, strlen(text) + 1);
	return 0;
}

int agent_broker_parse(const char *text, struct agent_broker *ret)
{
	unsigned long long cid = 0;
	unsigned long long port = 0;
	char cid_text[16] = "";

	if (strncmp(text, "unix:", 5) == 0)
		return path_take(text + 5, ret->unix_path, sizeof ret->unix_path);
	if (strncmp(text, "tcp:", 4) == 0)
		return tcp_take(text + 4, ret);
	if (strncmp(text, "vsock:", 6) != 0)
		return -EBADMSG;
	text += 6;
	size_t len = strcspn(text, ":");
	if (text[len] != ':' || len >= sizeof cid_text)
		return -EBADMSG;
	memcpy(cid_text, text, len);
	if (opts_parse_u64("cid", cid_text, 0, UINT32_MAX - 1, &cid, NULL) < 0 ||
		opts_parse_u64("port", text + len + 1, 1, UINT32_MAX - 1, &port, NULL) < 0)
		return -EBADMSG;
	ret->unix_path[0] = '\0';
	ret->vsock_cid = (uint32_t)cid;
	ret->vsock_port = (uint32_t)port;
	return 0;
}

static MUST_USE int broker_set(struct agent_settings *s, const char *v)
{
	s->is_key_launched = strcmp(v, "launch") == 0;
	return s->is_key_launched ? 0 : agent_broker_parse(v, &s->broker);
}

static MUST_USE int host_set(struct agent_settings *s, const char *v)
{
	return text_take(v, s->broker.host, sizeof s->broker.host, LETTERS DIGITS ".-");
}

static MUST_USE int ca_set(struct agent_settings *s, const char *v)
{
	s->broker.has_pin = true;
	return opts_parse_hex(v, s->broker.pin, sizeof s->broker.pin);
}

static MUST_USE int evidence_set(struct agent_settings *s, const char *v)
{
	return text_take(v, s->evidence, sizeof s->evidence, LOWER "-_");
}

int agent_key_kind_parse(const char *text, char ret[AGENT_WORD_MAX + 1])
{
	static const char *const kinds[] = { "P-256", "P-384", "P-521", "RSA" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(text, kinds[i]) == 0) {
			memcpy(ret, text, strlen(text) + 1);
			return 0;
		}
	return -EBADMSG;
}

static MUST_USE int key_kind_set(struct agent_settings *s, const char *v)
{
	return agent_key_kind_parse(v, s->key_kind);
}

static const struct word {
	const char *name;
	int (*set)(struct agent_settings *s, const char *value);
	const char *want;
	bool is_needed;
} words[] = {
	{ "workload", workload_set, "an absolute path", true },
	{ "root", root_set, "a block device's name, like vda", false },
	{ "verity", verity_set, "HASH@OFFSET: 64 hexadecimal digits, a multiple of 4096", true },
	{ "volume", volume_set, "a block device's name, like vdb", false },
	{ "key", key_set, "REPOSITORY/TYPE/TAG", false },
	{ "mount", mount_set, "an absolute path", false },
	{ "integrity", integrity_set, "\"required\"", false },
	{ "broker", broker_set, "vsock:CID:PORT, unix:PATH, tcp:ADDRESS:PORT or launch", false },
	{ "host", host_set, "a host name", false },
	{ "ca", ca_set, "64 hexadecimal digits", false },
	{ "evidence", evidence_set, "a source of evidence", false },
	{ "teekey", key_kind_set, "P-256, P-384, P-521 or RSA", false },
};

static MUST_USE int word_take(
	const char *text, uint32_t *seen, struct agent_settings *s, struct why *why)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i].name);
		if (strncmp(text, words[i].name, len) != 0 || text[len] != '=')
			continue;
		if ((*seen & 1u << i) != 0)
			return why_set(why, -EBADMSG, "command line: " PREFIX "%s is given twice",
				words[i].name);
		*seen |= 1u << i;
		if (words[i].set(s, text + len + 1) < 0)
			return why_set(why, -EBADMSG,
				"command line: " PREFIX "%s: want %s, not \"%.80s\"", words[i].name,
				words[i].want, text + len + 1);
		return 0;
	}
	return why_set(why, -EBADMSG, "command line: " PREFIX "%.80s is not a word we know", text);
}

static MUST_USE int settings_check(const struct agent_settings *s, uint32_t seen, struct why *why)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i].is_needed && (seen & 1u << i) == 0)
			return why_set(why, -EBADMSG, "command line: " PREFIX "%s= is missing",
				words[i].name);
	if ((s->volume[0] == '\0') != (s->key[0] == '\0'))
		return why_set(why, -EBADMSG,
			"command line: " PREFIX "volume= and " PREFIX "key= need each other");
	if (strcmp(s->volume, s->root) == 0)
		return why_set(why, -EBADMSG, "command line: root and volume are one device");
	return 0;
}

int agent_settings_parse(
	const char *cmdline, size_t len, struct agent_settings *ret, struct why *why)
{
	struct agent_settings s = {
		.root = "vda",
		.mount = "/data",
		.key_kind = "P-384",
		.broker = { .vsock_cid = 2, .vsock_port = 7001, .host = "casemate-broker" },
	};
	char copy[LIMIT_CMDLINE_BYTES];
	uint32_t seen = 0;

	if (len >= sizeof copy || memchr(cmdline, '\0', len) != NULL)
		return why_set(
			why, -EMSGSIZE, "command line: longer than %zu bytes", sizeof copy - 1);
	memcpy(copy, cmdline, len);
	copy[len] = '\0';
	char *rest = copy;
	for (char *w; (w = strsep(&rest, " \n")) != NULL;) {
		if (strncmp(w, PREFIX, strlen(PREFIX)) != 0)
			continue;
		int err = word_take(w + strlen(PREFIX), &seen, &s, why);
		if (err < 0)
			return err;
	}
	int err = settings_check(&s, seen, why);
	if (err < 0)
		return err;

	*ret = s;
	return 0;
}
