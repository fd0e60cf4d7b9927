#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/atls.h"
#include "attest/cmd.h"
#include "attest/endorse/endorse_bundle.h"
#include "attest/endorse/endorse_cmd.h"
#include "attest/endorse/endorse_item.h"
#include "attest/endorse/endorse_list.h"
#include "attest/endorse/endorse_store.h"
#include "attest/hcl.h"
#include "base/fd.h"
#include "base/log.h"
#include "sandbox/spawn.h"

struct args {
	const char *cache, *at;
	struct opt_list roots;
	bool as_json;
	char **files;
	size_t n_files;
};

/* --- import ----------------------------------------------------------------------------------- */

struct import {
	const char *file;
	bool is_named; /* by the caller; else found in a folder */
	int fd;
	struct endorse_trust trust;
	size_t n_taken, n_refused, n_unread;
};

/* An item that nobody trusted vouches for is reported; the others of its file are still taken. */
static int item_take(void *arg, const char *name, const uint8_t *buf, size_t len, struct why *why)
{
	struct import *im = arg;
	struct endorse_item item;
	enum endorse_outcome outcome = ENDORSE_SAME;
	struct why w = { 0 };
	int err = endorse_store_put(im->fd, &im->trust, name, buf, len, &item, &outcome, &w);

	if (err == 0) {
		static const char *const words[] = { "stored", "unchanged", "as new is" };
		im->n_taken++;
		log_info("%s %s: %s, %s", words[outcome], item.name, endorse_kind_name(item.kind),
			item.about);
		return 0;
	}
	if (err != -EKEYREJECTED && err != -EBADMSG)
		return why_set(why, err, "%s", why_text(&w, err));
	if (err == -EBADMSG && !im->is_named)
		return 0;
	im->n_refused++;
	log_err("%s%s%s: refused: %s", im->file, name[0] != '\0' ? ": " : "", name,
		why_text(&w, err));
	return 0;
}

static int candidate_take(
	void *arg, const char *name, const uint8_t *buf, size_t len, struct why *why)
{
	struct import *im = arg;

	if (buf[0] == 0x30)
		endorse_trust_add_candidate(&im->trust, buf, len);
	return 0;
}

static MUST_USE int file_split(
	struct import *im, const char *path, endorse_take_fn take, struct why *why)
{
	uint8_t *p = NULL;
	size_t len = 0;
	int err = fd_read_path(path, LIMIT_ENDORSE_BUNDLE_BYTES, &p, &len, why);

	im->file = path;
	if (err < 0)
		return err;
	err = endorse_split(p, len, take, im, why);
	free(p);
	return err == -EBADMSG || err == -EMSGSIZE ? why_prefix(why, err, "%s", path) : err;
}

/* Issuers first: a file's items stand in any order. A folder's other files are passed over. */
static MUST_USE int file_import(
	struct import *im, const char *path, bool is_named, endorse_take_fn take, struct why *why)
{
	struct why w = { 0 };

	im->is_named = is_named;
	int err = file_split(im, path, take, &w);
	if (err == 0 || (!is_named && (err == -EBADMSG || err == -EMSGSIZE)))
		return 0;
	return why_set(why, err, "%s", why_text(&w, err));
}

static MUST_USE int folder_import(struct import *im, const char *path, unsigned int depth,
	endorse_take_fn take, struct why *why)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);
	int err = n < 0 ? why_set(why, -EIO, "cannot list the folder %s", path) : 0;

	for (int i = 0; i < n; i++) {
		char file[PATH_MAX];
		struct stat st;
		int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		bool is_there = names[i]->d_name[0] != '.' && len > 0 &&
				(size_t)len < sizeof file && lstat(file, &st) == 0;
		if (err == 0 && is_there && S_ISREG(st.st_mode))
			err = file_import(im, file, false, take, why);
		else if (err == 0 && is_there && S_ISDIR(st.st_mode) && depth > 0)
			err = folder_import(im, file, depth - 1, take, why);
		free(names[i]);
	}
	free(names);
	return err;
}

#define IMPORT_DEPTH 6 /* a cache of ours, and a folder around it */

static MUST_USE int all_import(
	struct import *im, const struct args *a, endorse_take_fn take, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < a->n_files && err == 0; i++) {
		struct stat st;
		bool is_folder = stat(a->files[i], &st) == 0 && S_ISDIR(st.st_mode);
		err = is_folder ? folder_import(im, a->files[i], IMPORT_DEPTH, take, why)
				: file_import(im, a->files[i], true, take, why);
	}
	return err;
}

static int import_run(const struct args *a, int fd, struct endorse_trust *t)
{
	struct import im = { .fd = fd, .trust = *t };
	struct why why = { 0 };

	endorse_store_lock(fd);
	int err = all_import(&im, a, candidate_take, &why);

	if (err == 0)
		err = all_import(&im, a, item_take, &why);
	*t = im.trust;
	if (err < 0)
		return cmd_fail(err == -ENOMEM || err == -EIO ? opts_exit_status(err) : EXIT_INPUT,
			err, &why);
	if (im.n_refused > 0)
		return EXIT_NO;
	if (im.n_taken > 0)
		return EXIT_YES;
	(void)why_set(&why, 0, "no endorsement in what was given");
	return cmd_fail(EXIT_INPUT, -EBADMSG, &why);
}

/* --- list, export ----------------------------------------------------------------------------- */

static int list_run(const struct args *a, int fd, struct endorse_trust *t)
{
	struct why why = { 0 };
	struct wr w = { 0 };
	time_t at = time(NULL);
	int err = a->at == NULL ? 0 : cmd_parse_time(a->at, &at, &why);

	if (err < 0)
		return cmd_fail(EXIT_USAGE, err, &why);
	err = endorse_list_print(fd, t, at, a->as_json, &w, &why);
	if (err < 0)
		return cmd_fail(opts_exit_status(err), err, &why);
	int status = cmd_print(&w, EXIT_YES);
	free(w.buf);
	return status;
}

struct members {
	size_t n, total;
	struct endorse_member *at;
	struct endorse_names names;
};

static void members_auto(struct members *m)
{
	for (size_t i = 0; i < m->n; i++)
		free((void *)(uintptr_t)m->at[i].p);
	free(m->at);
	endorse_names_done(&m->names);
}

static MUST_USE int members_read(
	int fd, const struct endorse_trust *t, struct members *m, struct why *why)
{
	int err = endorse_store_names(fd, &m->names, why);

	if (err < 0)
		return err;
	m->at = calloc(m->names.n + 1, sizeof *m->at);
	if (m->at == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->names.n; i++) {
		struct endorse_item item;
		struct why w = { 0 };
		uint8_t *p = NULL;
		size_t len = 0;
		err = endorse_store_get(fd, t, m->names.at[i], &p, &len, &item, &w);
		if (err == -ENOMEM)
			return err;
		if (err < 0) {
			log_warn("%s is left out: %s", m->names.at[i], why_text(&w, err));
			continue;
		}
		m->at[m->n++] = (struct endorse_member){ m->names.at[i], p, len };
		m->total += len;
	}
	return m->n > 0 ? 0
			: why_set(why, -ENOENT, "the cache is empty: there is nothing to export");
}

static int export_run(const struct args *a, int fd, struct endorse_trust *t)
{
	AUTO(members) struct members m = { 0 };
	struct why why = { 0 };
	int err = members_read(fd, t, &m, &why);
	size_t size = err < 0 ? 0 : endorse_bundle_size(m.n, m.total);
	uint8_t *buf = malloc(size + 1);
	struct wr w = wr_of(buf, size);

	if (err == 0 && buf == NULL)
		err = -ENOMEM;
	if (err == 0 && size > LIMIT_ENDORSE_BUNDLE_BYTES)
		err = why_set(&why, -EMSGSIZE, "a bundle holds at most %u bytes: export a part",
			LIMIT_ENDORSE_BUNDLE_BYTES);
	if (err == 0)
		err = endorse_bundle_write(&w, m.at, m.n);
	if (err == 0)
		err = fd_replace_file(AT_FDCWD, a->files[0], buf, w.len, 0644, &why);
	free(buf);
	if (err < 0)
		return cmd_fail(err == -ENOENT ? EXIT_INPUT : opts_exit_status(err), err, &why);
	log_info("%zu items in %s", m.n, a->files[0]);
	return EXIT_YES;
}

/* --- the command ------------------------------------------------------------------------------ */

struct command {
	const char *name, *usage, *about;
	size_t min, max; /* files */
	bool may_create;
	int (*run)(const struct args *a, int fd, struct endorse_trust *t);
};

static const struct command commands[] = {
	{ "import", "casemate attest endorsements import FILE|DIR... [OPTION]...",
		"Keep certificates, CRLs, collateral or a bundle of them in the cache.", 1, 4096,
		true, import_run },
	{ "list", "casemate attest endorsements list [OPTION]...",
		"Say what the cache holds, for whom, and until when it is good.", 0, 0, false,
		list_run },
	{ "export", "casemate attest endorsements export BUNDLE [OPTION]...",
		"Write the cache into one file, for a machine without a network.", 1, 1, false,
		export_run },
};

static MUST_USE int roots_load(
	const struct opt_list *list, struct endorse_trust *t, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < list->n && err == 0; i++) {
		AUTO(cmd_files) struct cmd_files f = { 0 };
		err = cmd_files_add(&f, list->at[i], LIMIT_CERT_BLOB_BYTES, why);
		if (err == 0)
			err = endorse_trust_add_root(t, f.at[0].p, f.at[0].len, why);
	}
	return err;
}

static int command_run(const struct command *c, int argc, char **argv)
{
	AUTO(endorse_trust) struct endorse_trust trust = { 0 };
	AUTO(fd) int fd = -1;
	struct args a = { 0 };
	const struct opt options[] = {
		{ "cache", OPT_TEXT, &a.cache, "DIR", ENDORSE_CACHE_HELP },
		{ "root", OPT_LIST, &a.roots, "FILE", "an extra trust root" },
		{ "at", OPT_TEXT, &a.at, "TIME", "list: judge dates at this time instead of now" },
		{ "json", OPT_FLAG, &a.as_json, NULL, "list: one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { c->usage, c->about, options, c->min, c->max };
	char path[PATH_MAX];
	struct why why = { 0 };

	int err = opts_parse(&spec, argc, argv, &a.files, &a.n_files, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	if (c->run != list_run && (a.as_json || a.at != NULL))
		err = why_set(&why, -EINVAL, "--at and --json are for list");
	if (err == 0)
		err = endorse_cache_path(a.cache, path, sizeof path, &why);
	if (err < 0)
		return cmd_fail(EXIT_USAGE, err, &why);
	err = roots_load(&a.roots, &trust, &why);
	if (err == 0)
		err = endorse_store_open(path, c->may_create, &fd, &why);
	if (err < 0)
		return cmd_fail(err == -ENOMEM ? EXIT_OURS : EXIT_INPUT, err, &why);
	endorse_store_load_cas(fd, &trust);
	return c->run(&a, fd, &trust);
}

/* Another program, so that this one is without a network. */
static int fetch_exec(char **argv)
{
	AUTO(fd) int fd = -1;
	char path[PATH_MAX], name[] = ENDORSE_PROGRAM;
	struct why why = { 0 };
	int err = spawn_open_binary(ENDORSE_PROGRAM, &fd, path, sizeof path, &why);

	if (err < 0)
		return cmd_fail(EXIT_MACHINE, err, &why);
	argv[0] = name;
	(void)execv(path, argv);
	(void)why_set(&why, 0, "cannot run %s: %s", path, strerrordesc_np(errno));
	return cmd_fail(EXIT_OURS, -EIO, &why);
}

int cmd_endorsements(int argc, char **argv)
{
	const char *name = argc < 2 ? "" : argv[1];

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(name, commands[i].name) == 0)
			return command_run(&commands[i], argc - 1, argv + 1);
	if (strcmp(name, "fetch") == 0)
		return fetch_exec(argv + 1);
	if (strcmp(name, "--help") == 0) {
		printf("usage: casemate attest endorsements import|list|export|fetch ...\n");
		for (size_t i = 0; i < ARRAY_LEN(commands); i++)
			printf("  %-8s %s\n", commands[i].name, commands[i].about);
		printf("  %-8s %s\n", "fetch", ENDORSE_FETCH_ABOUT);
		return EXIT_YES;
	}
	log_err("%s%.40s%s: want one of import, list, export, fetch",
		argc < 2 ? "a command is missing" : "unknown command '", name, argc < 2 ? "" : "'");
	return EXIT_USAGE;
}

/* --- for verify ------------------------------------------------------------------------------- */

struct pick {
	struct cmd_files *certs, *crls, *collateral;
	bool is_tdx;
};

static int item_give(
	void *arg, const struct endorse_item *item, uint8_t *p, size_t len, struct why *why)
{
	struct pick *pick = arg;
	struct cmd_files *f = item->kind == ENDORSE_CRL ? pick->crls : pick->certs;

	if (pick->is_tdx)
		f = pick->collateral;
	if (f->n == CMD_FILES_MAX) {
		free(p);
		return why_set(why, -EMSGSIZE, "more than %d files", CMD_FILES_MAX);
	}
	f->at[f->n++] = (struct attest_blob){ p, len };
	return 0;
}

/* An SNP report or a TDX quote; in a TLS certificate, or the report in Azure's of its paravisor. */
static struct attest_blob evidence_of(struct attest_blob blob, struct atls *a)
{
	struct hcl_report h;

	if (atls_recognise(blob.p, blob.len) && atls_open(blob, a, NULL) == 0)
		return a->evidence;
	return hcl_recognise(blob) && hcl_parse(&h, blob, NULL) == 0 ? h.tee : blob;
}

int cmd_endorsements_pick(const char *cache, const struct attest_inputs *in,
	struct cmd_files *certs, struct cmd_files *crls, struct cmd_files *collateral,
	struct why *why)
{
	AUTO(endorse_trust) struct endorse_trust trust = { 0 };
	AUTO(fd) int fd = -1;
	const struct attest_blob blobs[] = { in->evidence, in->tpm.tee, in->tpm.tee_quote };
	int err = endorse_store_open(cache, false, &fd, why);

	for (size_t i = 0; i < in->n_roots && err == 0; i++)
		err = endorse_trust_add_root(&trust, in->roots[i].p, in->roots[i].len, why);
	if (err < 0)
		return err;
	endorse_store_load_cas(fd, &trust);
	for (size_t i = 0; i < ARRAY_LEN(blobs) && err == 0; i++) {
		AUTO(atls) struct atls a = { 0 };
		struct attest_blob b = evidence_of(blobs[i], &a);
		struct pick pick = { certs, crls, collateral,
			attest_recognise(b.p, b.len) == EVIDENCE_TDX };
		if (b.len > 0)
			err = endorse_store_pick(fd, &trust, b, item_give, &pick, why);
	}
	return err;
}
