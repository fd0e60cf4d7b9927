#include "attest/measured.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

struct measured_piece *measured_add(struct measured *list, const char *name, const char *type,
	uint64_t gpa, const void *buf, uint64_t len, int *err)
{
	if (list == NULL || *err < 0)
		return NULL;
	if (list->n == MEASURED_MAX) {
		list->is_cut = true;
		return NULL;
	}
	struct measured_piece *p = &list->at[list->n++];
	*p = (struct measured_piece){ .type = type,
		.gpa = gpa,
		.offset = MEASURED_NO_GPA,
		.len = len,
		.n_pages = len / PAGE_BYTES + (len % PAGE_BYTES != 0 ? 1 : 0) };
	(void)snprintf(p->name, sizeof p->name, "%s", name);
	if (buf != NULL) {
		*err = sha384_once(buf, (size_t)len, p->digest);
		p->digest_len = SHA384_BYTES;
	}
	return p;
}

const struct measured_piece *measured_find(const struct measured *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->at[i].name, name) == 0)
			return &list->at[i];
	return NULL;
}
