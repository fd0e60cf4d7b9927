#include "attest/broker/kbs_path.h"

#include <errno.h>
#include <string.h>

int kbs_path_parse(const char *text, struct kbs_path *ret, struct why *why)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	struct kbs_path path = { 0 };
	const char *at = text;

	for (size_t i = 0; i < ARRAY_LEN(path.part); i++) {
		size_t len = strspn(at, allowed);
		char end = i + 1 < ARRAY_LEN(path.part) ? '/' : '\0';
		if (len == 0 || len > KBS_NAME_MAX || at[0] == '.' || at[len] != end)
			return why_set(why, -EBADMSG,
				"resource \"%.200s\": want repository/type/tag of letters, digits, "
				". _ -",
				text);
		memcpy(path.part[i], at, len);
		at += len + 1;
	}

	*ret = path;
	return 0;
}
