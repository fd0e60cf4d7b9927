#include "attest/agent/agent_luks.h"

#include <errno.h>
#include <string.h>

#include "attest/broker/kbs_json.h"

#define CIPHER        "aes-xts-plain64"
#define KEY_BYTES_MIN 32u  /* AES-128 in XTS mode has two keys */
#define KEY_BYTES_MAX 128u /* AES-256-XTS and a key for HMAC-SHA-512 */

static bool text_is(const json_t *obj, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(obj, name));

	return text != NULL && strcmp(text, value) == 0;
}

static MUST_USE int segment_check(const json_t *segment, bool is_authenticated, struct why *why)
{
	const json_t *integrity = json_object_get(segment, "integrity");

	if (!text_is(segment, "type", "crypt") || !text_is(segment, "encryption", CIPHER))
		return why_set(
			why, -EACCES, "LUKS2 header: the data is not encrypted with " CIPHER);
	if (json_object_get(segment, "flags") != NULL)
		return why_set(why, -EACCES, "LUKS2 header: a segment with flags (re-encryption)");
	if (integrity == NULL)
		return is_authenticated ? why_set(why, -EACCES,
						  "LUKS2 header: no integrity, and the command "
						  "line demands it")
					: 0;
	if (!text_is(integrity, "type", "hmac(sha256)") &&
		!text_is(integrity, "type", "hmac(sha512)"))
		return why_set(why, -EACCES,
			"LUKS2 header: integrity is not HMAC with SHA-256 or SHA-512");
	return 0;
}

static MUST_USE int keyslot_check(const json_t *slot, struct why *why)
{
	const json_t *area = json_object_get(slot, "area");
	uint64_t size = 0;

	if (!text_is(slot, "type", "luks2") || !text_is(area, "type", "raw"))
		return why_set(why, -EACCES, "LUKS2 header: a key slot that is not a plain one");
	if (!text_is(area, "encryption", CIPHER))
		return why_set(
			why, -EACCES, "LUKS2 header: a key slot is not encrypted with " CIPHER);
	int err = kbs_json_number(slot, "key_size", KEY_BYTES_MAX, &size, why);
	if (err == 0 && size < KEY_BYTES_MIN)
		err = -EACCES;
	if (err == 0)
		err = kbs_json_number(area, "key_size", KEY_BYTES_MAX, &size, why);
	if (err == 0 && size < KEY_BYTES_MIN)
		err = -EACCES;
	return err < 0 ? why_set(why, -EACCES, "LUKS2 header: a key slot with a short key") : 0;
}

int agent_luks_check(const char *json, size_t len, bool is_authenticated, struct why *why)
{
	AUTO(kbs_json) json_t *j = NULL;
	const char *name;
	json_t *slot;

	int err = kbs_json_load(json, len, &j, why);
	if (err < 0)
		return why_prefix(why, -EBADMSG, "LUKS2 header");
	const json_t *segments = json_object_get(j, "segments");
	json_t *slots = json_object_get(j, "keyslots");
	if (json_object_size(segments) != 1 || json_object_get(segments, "0") == NULL)
		return why_set(why, -EACCES, "LUKS2 header: want one segment, there are %zu",
			json_object_size(segments));
	const json_t *config = json_object_get(j, "config");
	if (json_object_get(config, "requirements") != NULL)
		return why_set(why, -EACCES,
			"LUKS2 header: it has requirements (an operation is unfinished)");
	err = segment_check(json_object_get(segments, "0"), is_authenticated, why);
	if (err < 0)
		return err;
	if (json_object_size(slots) == 0)
		return why_set(why, -EACCES, "LUKS2 header: no key slot");
	json_object_foreach(slots, name, slot)
	{
		err = keyslot_check(slot, why);
		if (err < 0)
			return err;
	}
	return 0;
}
