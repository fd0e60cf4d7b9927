/*
 * kbs_path: names of resources: repository/type/tag.
 *
 * Trust:   none in the text.
 * Owns:    nothing; a plain value.
 * Threads: any.
 */
#pragma once

#include "base/cdefs.h"
#include "base/why.h"

#define KBS_NAME_MAX 64 /* of one part; fits a file name on every file system */

struct kbs_path {
	char part[3][KBS_NAME_MAX + 1]; /* repository, type, tag */
};

/*
 * Exactly three parts of 1 to 64 letters, digits, '.', '_' and '-', none with a leading '.': a part
 * is a file name and nothing else. A tag that ends with ".new" is the half-written file of another.
 * -EBADMSG with why.
 */
MUST_USE int kbs_path_parse(const char *text, struct kbs_path *ret, struct why *why);
