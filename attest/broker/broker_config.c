#include "attest/broker/broker_config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "policy/doc.h"

enum kind { TEXT, PATH, PATHS, OBJECT };

struct member {
	const char *name;
	const char *parent; /* NULL: at the top */
	enum kind kind;
	bool is_needed;
	size_t at;   /* char * or char *[] in struct broker_config */
	size_t n_at; /* its count, for PATHS */
};

#define AT(m) offsetof(struct broker_config, m)

static const struct member members[] = {
	{ "listen", NULL, PATH, false, AT(listen), 0 },
	{ "listen_tcp", NULL, TEXT, false, AT(listen_tcp), 0 },
	{ "store", NULL, PATH, true, AT(store), 0 },
	{ "roots", NULL, PATHS, false, AT(roots), AT(n_roots) },
	{ "certificates", NULL, PATHS, false, AT(certs), AT(n_certs) },
	{ "crls", NULL, PATHS, false, AT(crls), AT(n_crls) },
	{ "tls", NULL, OBJECT, true, 0, 0 },
	{ "certificate", "tls", PATH, true, AT(certificate), 0 },
	{ "key", "tls", PATH, true, AT(key), 0 },
	{ "ledger", NULL, OBJECT, true, 0, 0 },
	{ "folder", "ledger", PATH, true, AT(ledger_folder), 0 },
	{ "key", "ledger", PATH, true, AT(ledger_key), 0 },
	{ "origin", "ledger", TEXT, true, AT(ledger_origin), 0 },
};

static bool is_below(const struct member *m, const char *parent)
{
	return (m->parent == NULL) == (parent == NULL) &&
	       (parent == NULL || strcmp(m->parent, parent) == 0);
}

/* A copy of the text, below the configuration's folder when it is a relative path. */
static char *text_copy(const json_t *j, const char *folder, enum kind kind)
{
	const char *text = json_string_value(j);
	char *copy = NULL;

	if (text == NULL || text[0] == '\0' || json_string_length(j) >= LIMIT_PATH_BYTES)
		return NULL;
	if (kind == TEXT || text[0] == '/')
		return strdup(text);
	return asprintf(&copy, "%s/%s", folder, text) < 0 ? NULL : copy;
}

static MUST_USE int member_read(
	const struct member *m, const json_t *j, const char *folder, struct broker_config *c)
{
	char **at = (char **)(void *)((unsigned char *)c + m->at);
	size_t *n = (size_t *)(void *)((unsigned char *)c + m->n_at);

	if (m->kind == OBJECT)
		return json_is_object(j) ? 0 : -EBADMSG;
	if (m->kind != PATHS) {
		*at = text_copy(j, folder, m->kind);
		return *at != NULL ? 0 : -EBADMSG;
	}
	if (!json_is_array(j) || json_array_size(j) > LIMIT_BROKER_BLOBS)
		return -EBADMSG;
	for (*n = 0; *n < json_array_size(j); ++*n) {
		at[*n] = text_copy(json_array_get(j, *n), folder, PATH);
		if (at[*n] == NULL)
			return -EBADMSG;
	}
	return 0;
}

static const char *const wants[] = {
	[TEXT] = "want a string",
	[PATH] = "want a path",
	[PATHS] = "want a list of at most 8 paths",
	[OBJECT] = "want an object",
};

static MUST_USE int place_set(
	const struct doc *doc, uint32_t value, struct why *why, const char *name, const char *cause)
{
	unsigned int line = 1;
	unsigned int column = 1;

	doc_place(doc, value == DOC_NONE ? 0 : doc->values[value].at, &line, &column);
	return why_set(
		why, -EBADMSG, "%s:%u:%u: \"%.40s\": %s", doc->filename, line, column, name, cause);
}

/* Every member of the object is one of ours, every needed one is there. */
static MUST_USE int object_read(const struct doc *doc, uint32_t object, json_t *j,
	const char *parent, const char *folder, struct broker_config *c, struct why *why)
{
	const char *name;
	json_t *value;

	json_object_foreach(j, name, value)
	{
		const struct member *m = NULL;
		uint32_t at = doc_member(doc, object, name, strlen(name));
		for (size_t i = 0; i < ARRAY_LEN(members); i++)
			if (is_below(&members[i], parent) && strcmp(members[i].name, name) == 0)
				m = &members[i];
		if (m == NULL)
			return place_set(doc, at, why, name, "not a member we know");
		if (member_read(m, value, folder, c) < 0)
			return place_set(doc, at, why, name, wants[m->kind]);
		if (m->kind == OBJECT) {
			int err = object_read(doc, at, value, name, folder, c, why);
			if (err < 0)
				return err;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (is_below(&members[i], parent) && members[i].is_needed &&
			json_object_get(j, members[i].name) == NULL)
			return place_set(doc, object, why, members[i].name, "is missing");
	return 0;
}

int broker_config_read(const char *path, struct broker_config *ret, struct why *why)
{
	AUTO(broker_config) struct broker_config c = { 0 };
	AUTO(doc) struct doc doc = { 0 };
	uint8_t *bytes = NULL;
	size_t len = 0;
	const char *slash = strrchr(path, '/');
	int folder_len = slash == NULL ? 0 : (int)(slash - path);
	char folder[LIMIT_PATH_BYTES];

	if (snprintf(folder, sizeof folder, "%.*s", folder_len, path) >= (int)sizeof folder)
		return why_set(why, -ENAMETOOLONG, "%.40s...: path too long", path);
	if (slash == NULL)
		(void)snprintf(folder, sizeof folder, ".");
	int err = fd_read_path(path, LIMIT_BROKER_CONFIG_BYTES, &bytes, &len, why);
	if (err == 0)
		err = doc_open(&doc, bytes, len, path, why);
	if (err == 0)
		err = object_read(&doc, 0, doc.root, NULL, folder, &c, why);
	free(bytes);
	if (err < 0)
		return err;

	*ret = c;
	c = (struct broker_config){ 0 };
	return 0;
}

void broker_config_done(struct broker_config *c)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		char **at = (char **)(void *)((unsigned char *)c + members[i].at);
		size_t n = members[i].kind == OBJECT  ? 0
			   : members[i].kind == PATHS ? LIMIT_BROKER_BLOBS
						      : 1;
		for (size_t k = 0; k < n; k++)
			free(at[k]);
	}
	*c = (struct broker_config){ 0 };
}
