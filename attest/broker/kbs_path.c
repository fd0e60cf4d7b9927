#include "attest/broker/kbs_path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define HALF ".new"

/* What fd_replace_file() calls a file that is not whole yet. */
static bool is_half(const char *name)
{
	size_t len = strlen(name);

	return len >= strlen(HALF) && strcmp(name + len - strlen(HALF), HALF) == 0;
}

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
	if (is_half(path.part[2]))
		return why_set(why, -EBADMSG,
			"resource \"%.200s\": a tag that ends with " HALF " is not yet whole",
			text);

	*ret = path;
	return 0;
}
