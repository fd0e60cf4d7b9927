#include "attest/broker/broker_config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/opts.h"
#include "policy/doc.h"

enum kind { TEXT, PATH, PATHS, OBJECT, NUMBER, BOOL, PINS, TENANTS };

struct member {
	const char *name;
	const char *parent; /* NULL: at the top */
	enum kind kind;
	bool is_needed;
	size_t at;   /* char *, char *[], uint64_t, bool in struct broker_config */
	size_t n_at; /* PATHS: its count; NUMBER: the largest; PINS: may they write */
};

#define AT(m) offsetof(struct broker_config, m)

static const struct member members[] = {
	{ "listen", NULL, PATH, false, AT(listen), 0 },
	{ "listen_tcp", NULL, TEXT, false, AT(listen_tcp), 0 },
	{ "store", NULL, PATH, true, AT(store), 0 },
	{ "store_key", NULL, OBJECT, false, 0, 0 },
	{ "file", "store_key", PATH, false, AT(key_file), 0 },
	{ "pkcs11_module", "store_key", PATH, false, AT(key_module), 0 },
	{ "pkcs11_token", "store_key", TEXT, false, AT(key_token), 0 },
	{ "pkcs11_key", "store_key", TEXT, false, AT(key_label), 0 },
	{ "pkcs11_pin_file", "store_key", PATH, false, AT(key_pin_file), 0 },
	{ "tpm", "store_key", PATH, false, AT(key_tpm), 0 },
	{ "roots", NULL, PATHS, false, AT(roots), AT(n_roots) },
	{ "certificates", NULL, PATHS, false, AT(certs), AT(n_certs) },
	{ "crls", NULL, PATHS, false, AT(crls), AT(n_crls) },
	{ "collateral", NULL, PATHS, false, AT(collateral), AT(n_collateral) },
	{ "legacy_rsa1_5", NULL, BOOL, false, AT(may_rsa1_5), 0 },
	{ "tls", NULL, OBJECT, true, 0, 0 },
	{ "certificate", "tls", PATH, true, AT(certificate), 0 },
	{ "key", "tls", PATH, true, AT(key), 0 },
	{ "ledger", NULL, OBJECT, true, 0, 0 },
	{ "folder", "ledger", PATH, true, AT(ledger_folder), 0 },
	{ "key", "ledger", PATH, true, AT(ledger_key), 0 },
	{ "origin", "ledger", TEXT, true, AT(ledger_origin), 0 },
	{ "token", NULL, OBJECT, false, 0, 0 },
	{ "key", "token", PATH, true, AT(token_key), 0 },
	{ "issuer", "token", TEXT, false, AT(token_issuer), 0 },
	{ "duration_s", "token", NUMBER, false, AT(token_s), LIMIT_BROKER_TOKEN_S },
	{ "rate", NULL, OBJECT, false, 0, 0 },
	{ "peer", "rate", NUMBER, false, AT(rate_peer), 1000000 },
	{ "all", "rate", NUMBER, false, AT(rate_all), 1000000 },
	{ "admin", NULL, OBJECT, false, 0, 0 },
	{ "listen", "admin", PATH, false, AT(admin_listen), 0 },
	{ "listen_tcp", "admin", TEXT, false, AT(admin_listen_tcp), 0 },
	{ "ca", "admin", PATH, false, AT(admin_ca), 0 },
	{ "admins", NULL, PINS, false, 0, true },
	{ "readers", NULL, PINS, false, 0, false },
	{ "tenants", NULL, TENANTS, false, 0, 0 },
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

/* --- tenants ------------------------------------------------------------------------------------- */

/* Certificates that may administer a tenant. */
static MUST_USE int pins_read(struct broker_tenant *t, const json_t *j, bool may_write)
{
	if (!json_is_array(j) || json_array_size(j) > ARRAY_LEN(t->pins) - t->n_pins)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(j); i++) {
		const char *hex = json_string_value(json_array_get(j, i));
		if (hex == NULL || opts_parse_hex(hex, t->pins[t->n_pins].sha256, 32) < 0)
			return -EBADMSG;
		t->pins[t->n_pins++].may_write = may_write;
	}
	return 0;
}

/* A short text of letters, digits, '.', '_' and '-': it stands in logs and JSON. */
static MUST_USE int name_read(const json_t *j, char *ret, size_t size)
{
	const char *text = json_string_value(j);
	size_t len = json_string_length(j);

	if (text == NULL || len == 0 || len >= size ||
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
			len)
		return -EBADMSG;
	memcpy(ret, text, len + 1);
	return 0;
}

static MUST_USE int tenant_read(struct broker_tenant *t, json_t *j)
{
	const json_t *spaces = json_object_get(j, "namespaces");
	const char *name;
	json_t *value;
	int err = name_read(json_object_get(j, "name"), t->name, sizeof t->name);

	if (err == 0 && spaces != NULL &&
		(!json_is_array(spaces) || json_array_size(spaces) > ARRAY_LEN(t->namespaces)))
		err = -EBADMSG;
	for (; err == 0 && t->n_namespaces < json_array_size(spaces); t->n_namespaces++)
		err = name_read(json_array_get(spaces, t->n_namespaces),
			t->namespaces[t->n_namespaces], sizeof t->namespaces[0]);
	json_object_foreach(j, name, value)
	{
		bool is_admins = strcmp(name, "admins") == 0;
		if (err == 0 && (is_admins || strcmp(name, "readers") == 0))
			err = pins_read(t, value, is_admins);
		else if (strcmp(name, "name") != 0 && strcmp(name, "namespaces") != 0)
			err = -EBADMSG;
	}
	return err;
}

/* Is a namespace or a key of theirs the same? Of one tenant: does one stand there twice? */
static bool is_shared(const struct broker_tenant *a, const struct broker_tenant *b)
{
	for (size_t i = 0; i < a->n_namespaces; i++)
		for (size_t k = 0; k < (a == b ? i : b->n_namespaces); k++)
			if (strcmp(a->namespaces[i], b->namespaces[k]) == 0)
				return true;
	for (size_t i = 0; i < a->n_pins; i++)
		for (size_t k = 0; k < (a == b ? i : b->n_pins); k++)
			if (memcmp(a->pins[i].sha256, b->pins[k].sha256, 32) == 0)
				return true;
	return false;
}

/* What two claim would be one's, and nobody could see whose. */
static bool is_anything_shared(const struct broker_config *c)
{
	for (size_t i = 0; i < c->n_tenants; i++)
		for (size_t k = 0; k <= i; k++)
			if (is_shared(&c->tenants[i], &c->tenants[k]))
				return true;
	return false;
}

static MUST_USE int tenants_read(struct broker_config *c, const json_t *j)
{
	if (!json_is_array(j) || json_array_size(j) >= LIMIT_BROKER_TENANTS)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(j); i++) {
		int err = tenant_read(&c->tenants[c->n_tenants], json_array_get(j, i));
		for (size_t k = 0; err == 0 && k < c->n_tenants; k++)
			if (strcmp(c->tenants[k].name, c->tenants[c->n_tenants].name) == 0)
				err = -EBADMSG;
		if (err < 0)
			return err;
		c->n_tenants++;
	}
	return 0;
}

int broker_config_tenant(const struct broker_config *c, const char *policy_name, const char *label,
	const char **ret, struct why *why)
{
	const struct broker_tenant *found = NULL;
	size_t len = strcspn(policy_name, "/");

	for (size_t i = 0; i < c->n_tenants; i++)
		for (size_t k = 0; k < c->tenants[i].n_namespaces; k++)
			if (strlen(c->tenants[i].namespaces[k]) == len &&
				strncmp(c->tenants[i].namespaces[k], policy_name, len) == 0)
				found = &c->tenants[i];
	for (size_t i = 1; found == NULL && label[0] != '\0' && i < c->n_tenants; i++)
		if (strcmp(c->tenants[i].name, label) == 0)
			found = &c->tenants[i];
	if (c->n_tenants > 1 && label[0] != '\0' &&
		(found == NULL || strcmp(found->name, label) != 0))
		return why_set(why, -EACCES,
			"policy %s: its tenant \"%s\" is not the one of its "
			"namespace here",
			policy_name, label);
	*ret = found != NULL ? found->name : "";
	return 0;
}

struct kek broker_config_kek(const struct broker_config *c)
{
	return (struct kek){ c->key_file, c->key_module, c->key_token, c->key_label,
		c->key_pin_file, c->key_tpm };
}

/* --- members ------------------------------------------------------------------------------------- */

static MUST_USE int paths_read(const json_t *j, const char *folder, char **at, size_t *n)
{
	if (!json_is_array(j) || json_array_size(j) > LIMIT_BROKER_BLOBS)
		return -EBADMSG;
	for (*n = 0; *n < json_array_size(j); ++*n) {
		at[*n] = text_copy(json_array_get(j, *n), folder, PATH);
		if (at[*n] == NULL)
			return -EBADMSG;
	}
	return 0;
}

static MUST_USE int member_read(
	const struct member *m, const json_t *j, const char *folder, struct broker_config *c)
{
	void *at = (unsigned char *)c + m->at;
	json_int_t n = json_integer_value(j);

	switch (m->kind) {
	case OBJECT:
		return json_is_object(j) ? 0 : -EBADMSG;
	case TEXT:
	case PATH:
		*(char **)at = text_copy(j, folder, m->kind);
		return *(char **)at != NULL ? 0 : -EBADMSG;
	case PATHS:
		return paths_read(j, folder, at, (size_t *)(void *)((unsigned char *)c + m->n_at));
	case NUMBER:
		*(uint64_t *)at = (uint64_t)n;
		return json_is_integer(j) && n > 0 && (uint64_t)n <= m->n_at ? 0 : -EBADMSG;
	case BOOL:
		*(bool *)at = json_is_true(j);
		return json_is_boolean(j) ? 0 : -EBADMSG;
	case PINS:
		return pins_read(&c->tenants[0], j, m->n_at != 0);
	case TENANTS:
		return tenants_read(c, j);
	}
	return -EBADMSG;
}

static const char *const wants[] = {
	[TEXT] = "want a string",
	[PATH] = "want a path",
	[PATHS] = "want a list of at most 8 paths",
	[OBJECT] = "want an object",
	[NUMBER] = "want a number within its limits",
	[BOOL] = "want true or false",
	[PINS] = "want a list of SHA-256 hashes of public keys, 64 hexadecimal digits each",
	[TENANTS] = "want a list of objects: name, namespaces, admins, readers; each name once",
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

/* What single members cannot say. */
static MUST_USE int config_check(const struct broker_config *c, struct why *why)
{
	bool is_token = c->key_module != NULL || c->key_token != NULL || c->key_label != NULL ||
			c->key_pin_file != NULL;

	bool is_whole = c->key_module != NULL && c->key_token != NULL && c->key_label != NULL &&
			c->key_pin_file != NULL;
	if (is_token != is_whole || is_token + (c->key_file != NULL) + (c->key_tpm != NULL) > 1)
		return why_set(why, -EBADMSG,
			"\"store_key\": want one of file, tpm, and pkcs11_module with "
			"pkcs11_token, pkcs11_key and pkcs11_pin_file");
	return is_anything_shared(c)
		       ? why_set(why, -EBADMSG,
				 "\"tenants\": a namespace, or a key of admins and readers, "
				 "stands there twice")
		       : 0;
}

int broker_config_parse(const char *path, const uint8_t *bytes, size_t len,
	struct broker_config *ret, struct why *why)
{
	AUTO(broker_config) struct broker_config c = { .n_tenants = 1 };
	AUTO(doc) struct doc doc = { 0 };
	const char *slash = strrchr(path, '/');
	int folder_len = slash == NULL ? 0 : (int)(slash - path);
	char folder[LIMIT_PATH_BYTES];

	if (snprintf(folder, sizeof folder, "%.*s", folder_len, path) >= (int)sizeof folder)
		return why_set(why, -ENAMETOOLONG, "%.40s...: path too long", path);
	if (slash == NULL)
		(void)snprintf(folder, sizeof folder, ".");
	c.tenants = calloc(LIMIT_BROKER_TENANTS, sizeof *c.tenants);
	if (c.tenants == NULL)
		return -ENOMEM;
	int err = doc_open(&doc, bytes, len, path, why);
	if (err == 0)
		err = object_read(&doc, 0, doc.root, NULL, folder, &c, why);
	if (err == 0)
		err = config_check(&c, why);
	if (err < 0)
		return err;

	*ret = c;
	c = (struct broker_config){ 0 };
	return 0;
}

int broker_config_read(const char *path, struct broker_config *ret, struct why *why)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int err = fd_read_path(path, LIMIT_BROKER_CONFIG_BYTES, &bytes, &len, why);

	if (err == 0)
		err = broker_config_parse(path, bytes, len, ret, why);
	free(bytes);
	return err;
}

const char *broker_config_differs(const struct broker_config *a, const struct broker_config *b)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct member *m = &members[i];
		if (m->kind != TEXT && m->kind != PATH)
			continue;
		const char *x = *(char *const *)(const void *)((const unsigned char *)a + m->at);
		const char *y = *(char *const *)(const void *)((const unsigned char *)b + m->at);
		if ((x == NULL) != (y == NULL) || (x != NULL && strcmp(x, y) != 0))
			return m->name;
	}
	return NULL;
}

void broker_config_done(struct broker_config *c)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		char **at = (char **)(void *)((unsigned char *)c + members[i].at);
		size_t n = members[i].kind == PATHS                             ? LIMIT_BROKER_BLOBS
			   : members[i].kind == TEXT || members[i].kind == PATH ? 1
										: 0;
		for (size_t k = 0; k < n; k++)
			free(at[k]);
	}
	free(c->tenants);
	*c = (struct broker_config){ 0 };
}
