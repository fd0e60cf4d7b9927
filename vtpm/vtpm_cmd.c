#include "vtpm/vtpm_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/wr.h"
#include "vtpm/engine.h"
#include "vtpm/nvstore.h"
#include "vtpm/setup.h"
#include "vtpm/swtpm_state.h"
#include "vtpm/tpm_build.h"

#define STATE_ABOVE  "/var/lib/casemate"
#define STATE_FOLDER STATE_ABOVE "/vtpm"
#define STATE_SUFFIX ".tpm"
#define CA_FOLDER    STATE_ABOVE "/vtpm-ca"
#define KEY_FOLDER   "/etc/casemate"
#define KEY_FILE     KEY_FOLDER "/vtpm.key"
#define KEY_TEXT_MAX 80u /* 64 digits and a line's end */

struct choice;
/* Fill an empty state file with a TPM. */
typedef int tpm_maker(const struct choice *c, int fd, const struct secret *key, struct why *why);

/* What the command line says. */
struct choice {
	tpm_maker *make; /* of verbs that make a TPM */
	bool needs_ca;
	const char *name;
	const char *state, *key, *ca, *file, *swtpm_key;
	bool is_json, is_sure, is_plain;
	char path[LIMIT_PATH_BYTES];
};

static int err_report(int err, const struct why *why)
{
	log_err("%s", why_text(why, err));
	switch (err) {
	case -EINVAL:
		return EXIT_USAGE;
	case -EEXIST:
	case -EBUSY:
		return EXIT_NO;
	case -EKEYREJECTED:
	case -EXDEV:
	case -ENODATA:
	case -ENOTSUP:
		return EXIT_INPUT;
	default:
		return opts_exit_status(err);
	}
}

/* --- files --------------------------------------------------------------------------------------- */

/* A guest's name as in a policy: letters, digits, ".", "_", "-", and one "/" between two such words. */
static MUST_USE int name_check(const char *name, struct why *why)
{
	size_t len = strlen(name), slashes = 0;

	for (size_t i = 0; i < len; i++)
		slashes += name[i] == '/';
	if (len == 0 || len >= LIMIT_NAME_BYTES || slashes > 1 || name[0] == '/' ||
		name[0] == '.' || name[len - 1] == '/' || strstr(name, "/.") != NULL ||
		strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") !=
			len)
		return why_set(why, -EINVAL, "\"%.96s\" is no guest's name", name);
	return 0;
}

/* The state's path: as given, or the guest's in the folder, "/" as "+". */
static MUST_USE int path_make(struct choice *c, struct why *why)
{
	struct wr w = wr_of(c->path, sizeof c->path);

	wr_str(&w, c->state != NULL ? c->state : STATE_FOLDER "/");
	if (c->state == NULL) {
		for (const char *p = c->name; *p != '\0'; p++)
			wr_u8(&w, *p == '/' ? '+' : (uint8_t)*p);
		wr_str(&w, STATE_SUFFIX);
	}
	return wr_end_str(&w) < 0 ? why_set(why, -EINVAL, "the path of the state is too long") : 0;
}

static MUST_USE int file_open(const char *path, int flags, int *ret_fd, struct why *why)
{
	const struct open_how how = { .flags = (unsigned int)(flags | O_CLOEXEC | O_NOCTTY),
		.mode = (flags & O_CREAT) != 0 ? 0600 : 0,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

	if (fd < 0) {
		int err = -errno;
		return why_set(
			why, err == -EACCES ? -EIO : err, "%s: %s", path, strerrordesc_np(-err));
	}
	*ret_fd = fd;
	return 0;
}

/* The lock that a running guest holds (vmm/super). */
static MUST_USE int state_lock(int fd, const char *path, struct why *why)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return why_set(why, errno == EAGAIN ? -EBUSY : -errno, "%s: %s", path,
		errno == EAGAIN ? "its guest runs" : strerrordesc_np(errno));
}

static MUST_USE int key_make(struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	AUTO(fd) int fd = -1;

	if (mkdir(KEY_FOLDER, 0755) < 0 && errno != EEXIST)
		return why_set(why, -errno, KEY_FOLDER ": %s", strerrordesc_np(errno));
	int err = secret_init(&key, NVSTORE_KEY_BYTES);
	if (err == 0 && RAND_priv_bytes(key.p, (int)key.len) != 1)
		err = -EIO;
	if (err == 0)
		err = file_open(KEY_FILE, O_WRONLY | O_CREAT | O_EXCL, &fd, why);
	if (err == 0)
		err = fd_write_all(fd, key.p, key.len);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	if (err == 0)
		log_info("made a key for TPM states: " KEY_FILE);
	return err < 0 ? why_set(why, err, KEY_FILE ": %s", strerrordesc_np(-err)) : 0;
}

/* Nobody but its owner may read a key. */
static MUST_USE int key_read(const char *path, struct secret *ret, struct why *why)
{
	char text[KEY_TEXT_MAX + 1];
	AUTO(fd) int fd = -1;
	struct stat st;

	int err = file_open(path, O_RDONLY, &fd, why);
	if (err < 0)
		return err;
	if (fstat(fd, &st) < 0 || (st.st_mode & 077) != 0)
		return why_set(why, -EIO, "%s: others than its owner may use this key", path);
	ssize_t n = read(fd, text, KEY_TEXT_MAX);
	err = n < 0 ? -errno : secret_parse_key(ret, text, (size_t)n);
	explicit_bzero(text, sizeof text);
	return err < 0 ? why_set(why, err, "%s: want 32 bytes, or 64 hexadecimal digits", path) : 0;
}

static MUST_USE int host_key_read(const struct choice *c, struct secret *ret, struct why *why)
{
	return key_read(c->key != NULL ? c->key : KEY_FILE, ret, why);
}

/* The state of a guest that does not run, which then cannot start before *ret_fd is closed; the key. */
static MUST_USE int state_open(
	const struct choice *c, int *ret_fd, struct secret *ret_key, struct why *why)
{
	int err = file_open(c->path, O_RDWR, ret_fd, why);

	if (err == 0)
		err = state_lock(*ret_fd, c->path, why);
	return err < 0 ? err : host_key_read(c, ret_key, why);
}

/* --- setup, reset -------------------------------------------------------------------------------- */

static void progress_print(void *owner, const char *what)
{
	(void)owner;
	log_info("making %s", what);
}

/* A folder of ours and the one above it, which others use too. */
static MUST_USE int folder_make(const char *above, const char *path, struct why *why)
{
	if (mkdir(above, 0755) < 0 && errno != EEXIST)
		return why_set(why, -errno, "%s: %s", above, strerrordesc_np(errno));
	return mkdir(path, 0700) == 0 || errno == EEXIST
		       ? 0
		       : why_set(why, -errno, "%s: %s", path, strerrordesc_np(errno));
}

/* What was not named is ours to make. */
static MUST_USE int places_make(const struct choice *c, struct why *why)
{
	int err = c->state == NULL ? folder_make(STATE_ABOVE, STATE_FOLDER, why) : 0;

	if (err == 0 && c->needs_ca && c->ca == NULL)
		err = folder_make(STATE_ABOVE, CA_FOLDER, why);
	if (err == 0 && c->key == NULL && access(KEY_FILE, F_OK) < 0)
		err = key_make(why);
	return err;
}

static MUST_USE int tpm_make(
	const struct choice *c, int fd, const struct secret *key, struct why *why)
{
	const char *folder = c->ca != NULL ? c->ca : CA_FOLDER;
	AUTO(nvstore) struct nvstore store = NVSTORE_NONE;
	AUTO(ek_ca) struct ek_ca ca = { 0 };
	AUTO(fd) int dir = -1;

	int err = file_open(folder, O_RDONLY | O_DIRECTORY, &dir, why);
	if (err == 0)
		err = ek_ca_open(&ca, dir, why);
	if (err == 0)
		err = nvstore_create(&store, fd, key, c->name, why);
	return err < 0 ? err : setup_run(&store, &ca, c->name, progress_print, NULL, why);
}

/* That the name is there, too, has to reach the disk. */
static MUST_USE int folder_sync(const char *path, struct why *why)
{
	const char *slash = strrchr(path, '/');
	char folder[LIMIT_PATH_BYTES];
	AUTO(fd) int fd = -1;

	(void)snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
		slash == NULL ? "." : path);
	int err = file_open(folder, O_RDONLY | O_DIRECTORY, &fd, why);
	return err == 0 && fsync(fd) < 0
		       ? why_set(why, -errno, "%s: %s", folder, strerrordesc_np(errno))
		       : err;
}

/* A whole new state beside the path, then in its place: a crash leaves the old one or none. */
static MUST_USE int state_make(
	const struct choice *c, const struct secret *key, unsigned int flags, struct why *why)
{
	char path[LIMIT_PATH_BYTES + 8];
	AUTO(fd) int fd = -1;

	(void)snprintf(path, sizeof path, "%s.new", c->path);
	(void)unlink(path); /* what an interrupted one left */
	int err = file_open(path, O_RDWR | O_CREAT | O_EXCL, &fd, why);
	if (err < 0)
		return err;
	err = c->make(c, fd, key, why);
	if (err == 0 && renameat2(AT_FDCWD, path, AT_FDCWD, c->path, flags) < 0)
		err = why_set(why, -errno, "%s: %s", c->path, strerrordesc_np(errno));
	if (err < 0)
		(void)unlink(path);
	return err < 0 ? err : folder_sync(c->path, why);
}

/* setup, import: where there is none. */
static MUST_USE int setup_do(struct choice *c, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };

	if (access(c->path, F_OK) == 0)
		return why_set(why, -EEXIST, "%s has a TPM already (%s); \"reset\" makes another",
			c->name, c->path);
	int err = places_make(c, why);
	if (err == 0)
		err = host_key_read(c, &key, why);
	return err < 0 ? err : state_make(c, &key, RENAME_NOREPLACE, why);
}

static MUST_USE int reset_do(struct choice *c, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	AUTO(fd) int old = -1;

	if (!c->is_sure)
		return why_set(why, -EINVAL,
			"a new TPM opens nothing that was sealed to the old one: say --yes");
	int err = state_open(c, &old, &key, why);
	return err < 0 ? err : state_make(c, &key, 0, why);
}

/* --- from swtpm, and back ------------------------------------------------------------------------- */

static void bytes_auto(uint8_t **p)
{
	if (*p != NULL)
		explicit_bzero(*p, LIMIT_VTPM_STATE_BYTES);
	free(*p);
}

static MUST_USE int swtpm_key_read(const struct choice *c, struct secret *ret, struct why *why)
{
	return c->swtpm_key != NULL ? key_read(c->swtpm_key, ret, why) : 0;
}

/* The state in swtpm's file, LIMIT_VTPM_STATE_BYTES of room at ret. */
static MUST_USE int swtpm_read(
	const struct choice *c, uint8_t *ret, size_t *ret_len, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	uint8_t *file = NULL;
	AUTO(fd) int fd = -1;
	size_t len = 0;

	int err = swtpm_key_read(c, &key, why);
	if (err == 0)
		err = file_open(c->file, O_RDONLY, &fd, why);
	if (err == 0) {
		err = fd_read_file(fd, LIMIT_VTPM_STATE_BYTES + SWTPM_OVERHEAD_BYTES, &file, &len);
		err = err < 0 ? why_set(why, err, "%s: %s", c->file, strerrordesc_np(-err)) : 0;
	}
	if (err == 0) {
		err = swtpm_state_read(file, len, &key, ret, ret_len, why);
		err = err < 0 ? why_prefix(why, err, "%s", c->file) : 0;
		explicit_bzero(file, len);
	}
	free(file);
	return err;
}

/* The state becomes that of a new instance; libtpms has to take it. */
static MUST_USE int tpm_import(
	const struct choice *c, int fd, const struct secret *key, struct why *why)
{
	AUTO(nvstore) struct nvstore store = NVSTORE_NONE;
	AUTO(bytes) uint8_t *state = malloc(LIMIT_VTPM_STATE_BYTES);
	size_t len = 0;

	int err = state == NULL ? -ENOMEM : swtpm_read(c, state, &len, why);
	if (err == 0)
		err = nvstore_create(&store, fd, key, c->name, why);
	if (err == 0)
		err = nvstore_save(&store, state, len, false);
	if (err == 0)
		err = engine_start(&store, /* may_make= */ false, why);
	engine_stop();
	return err;
}

static MUST_USE int export_write(
	const struct choice *c, const struct nvstore *store, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	AUTO(bytes) uint8_t *file = malloc(LIMIT_VTPM_STATE_BYTES + SWTPM_OVERHEAD_BYTES);
	AUTO(fd) int fd = -1;
	size_t len = 0;

	int err = file == NULL ? -ENOMEM : swtpm_key_read(c, &key, why);
	if (err == 0)
		err = swtpm_state_print(store->state, store->len, &key, file, &len);
	if (err == 0)
		err = file_open(c->file, O_WRONLY | O_CREAT | O_EXCL, &fd, why);
	if (err < 0)
		return err;
	err = fd_write_all(fd, file, len);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	if (err < 0)
		(void)unlink(c->file);
	return err < 0 ? why_set(why, err, "%s: %s", c->file, strerrordesc_np(-err)) : 0;
}

static MUST_USE int export_do(struct choice *c, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	AUTO(nvstore) struct nvstore store = NVSTORE_NONE;
	AUTO(fd) int fd = -1;

	if ((c->swtpm_key != NULL) == c->is_plain)
		return why_set(why, -EINVAL,
			"a TPM's secrets leave with it: say --swtpm-key FILE, or --unencrypted");
	int err = state_open(c, &fd, &key, why);
	if (err == 0)
		err = nvstore_open(&store, fd, &key, c->name, why);
	return err < 0 ? err : export_write(c, &store, why);
}

/* --- show ---------------------------------------------------------------------------------------- */

/* The state as it is now, in memory: looking at a TPM starts it, and that is written. */
static MUST_USE int state_copy(const char *path, int *ret_fd, struct why *why)
{
	AUTO(fd) int fd = -1;
	AUTO(fd) int copy = memfd_create("tpm", MFD_CLOEXEC);
	uint8_t *bytes = NULL;
	size_t len = 0;

	int err = file_open(path, O_RDONLY, &fd, why);
	if (err < 0)
		return err;
	err = fd_read_file(fd, 2 * NVSTORE_SLOT_BYTES, &bytes, &len);
	if (err == 0)
		err = copy < 0 ? -errno : fd_write_all(copy, bytes, len);
	free(bytes);
	if (err < 0)
		return why_set(why, err, "%s: %s", path, strerrordesc_np(-err));
	*ret_fd = fd_take(&copy);
	return 0;
}

static MUST_USE int hash_print(struct wr *w, const void *bytes, size_t len)
{
	uint8_t digest[32];

	if (EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	wr_hex(w, digest, sizeof digest);
	return 0;
}

static MUST_USE int key_print(
	struct wr *w, enum ek_kind kind, bool is_json, bool is_first, struct why *why)
{
	const struct ek_row *row = ek_row(kind);
	struct setup_key key;

	int err = setup_read_key(kind, &key, why);
	if (err < 0 || !key.is_there)
		return err;
	wr_printf(w,
		is_json ? "%s{\"key\":\"%s\",\"handle\":\"0x%08x\",\"public_sha256\":\""
			: "%sendorsement key %s at 0x%08x, public area SHA-256 ",
		is_json && !is_first ? "," : "", row->name, row->handle);
	err = hash_print(w, key.public, key.public_len);
	wr_str(w, is_json ? "\",\"certificate_sha256\":" : ",\n  certificate SHA-256 ");
	if (key.cert_len == 0) {
		wr_str(w, is_json ? "null" : "none");
	} else {
		wr_str(w, is_json ? "\"" : "");
		err = err < 0 ? err : hash_print(w, key.cert, key.cert_len);
		wr_str(w, is_json ? "\"" : "");
	}
	wr_str(w, is_json ? "}" : "\n");
	return err;
}

static MUST_USE int tpm_print(const struct choice *c, const struct nvstore_mark *mark,
	bool has_torn, struct wr *w, struct why *why)
{
	int err = 0;

	wr_printf(w,
		c->is_json ? "{\"schema\":\"casemate/vtpm/1\",\"name\":\"%s\",\"instance\":\""
			   : "guest %s, instance ",
		c->name);
	wr_hex(w, mark->instance, sizeof mark->instance);
	wr_printf(w,
		c->is_json ? "\",\"run\":%llu,\"generation\":%llu,\"one_slot\":%s,\"keys\":["
			   : "\nrun %llu, generation %llu%s\n",
		(unsigned long long)mark->run, (unsigned long long)mark->generation,
		c->is_json ? (has_torn ? "true" : "false")
		: has_torn ? ", one slot of two"
			   : "");
	for (unsigned int i = 0; err == 0 && i < EK_COUNT; i++)
		err = key_print(w, (enum ek_kind)i, c->is_json, i == 0, why);
	wr_str(w, c->is_json ? "]}\n" : "");
	return err < 0 ? err : wr_check(w);
}

static MUST_USE int show_do(struct choice *c, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	AUTO(nvstore) struct nvstore store = NVSTORE_NONE;
	AUTO(fd) int fd = -1;
	char text[4096];
	struct wr w = wr_of(text, sizeof text);

	int err = state_copy(c->path, &fd, why);
	if (err == 0)
		err = host_key_read(c, &key, why);
	if (err == 0)
		err = nvstore_open(&store, fd, &key, c->name, why);
	if (err < 0)
		return err;
	const struct nvstore_mark mark = store.mark;
	bool has_torn = store.has_torn;
	err = engine_start(&store, /* may_make= */ false, why);
	if (err == 0)
		err = tpm_build_run_clear(TPM_CC_STARTUP, NULL, why);
	if (err == 0)
		err = tpm_print(c, &mark, has_torn, &w, why);
	engine_stop();
	if (err == 0 && fwrite(text, 1, w.len, stdout) != w.len)
		err = why_set(why, -EIO, "cannot write the answer");
	return err;
}

/* --- verbs --------------------------------------------------------------------------------------- */

enum { TAKES_CA = 1, TAKES_JSON = 2, TAKES_YES = 4, TAKES_FROM = 8, TAKES_TO = 16 };

static const struct verb {
	const char *name;
	const char *usage, *about;
	MUST_USE int (*run)(struct choice *c, struct why *why);
	tpm_maker *make;
	unsigned int takes;
} verbs[] = {
	{ "setup", "casemate vtpm setup NAME", "Make a guest's TPM: keys, certificates, banks.",
		setup_do, tpm_make, TAKES_CA },
	{ "show", "casemate vtpm show NAME", "A guest's TPM: its state's history and its keys.",
		show_do, NULL, TAKES_JSON },
	{ "reset", "casemate vtpm reset NAME --yes",
		"Make a guest another TPM; what was sealed to the old one is lost.", reset_do,
		tpm_make, TAKES_CA | TAKES_YES },
	{ "import", "casemate vtpm import NAME --from FILE", "Make a guest's TPM of swtpm's state.",
		setup_do, tpm_import, TAKES_FROM },
	{ "export", "casemate vtpm export NAME --to FILE", "Write a guest's TPM as swtpm's state.",
		export_do, NULL, TAKES_TO },
};

#define OPTIONS_MAX 8

/* The options that a verb takes, of all there are; ends with a zero row. */
static void options_pick(const struct verb *v, struct choice *c, struct opt ret[OPTIONS_MAX])
{
	const struct {
		unsigned int takes; /* any of these; 0: all verbs */
		struct opt opt;
	} all[] = {
		{ 0, { "state", OPT_TEXT, &c->state, "FILE",
			     "the state (" STATE_FOLDER "/NAME" STATE_SUFFIX ")" } },
		{ 0, { "key", OPT_TEXT, &c->key, "FILE",
			     "the key it is encrypted with (" KEY_FILE ")" } },
		{ TAKES_CA, { "ca", OPT_TEXT, &c->ca, "FOLDER",
				    "the CA of its certificates (" CA_FOLDER ")" } },
		{ TAKES_JSON, { "json", OPT_FLAG, &c->is_json, NULL, "print JSON" } },
		{ TAKES_YES, { "yes", OPT_FLAG, &c->is_sure, NULL, "the old TPM may go" } },
		{ TAKES_FROM, { "from", OPT_TEXT, &c->file, "FILE", "swtpm's tpm2-00.permall" } },
		{ TAKES_TO, { "to", OPT_TEXT, &c->file, "FILE", "the file to make" } },
		{ TAKES_FROM | TAKES_TO, { "swtpm-key", OPT_TEXT, &c->swtpm_key, "FILE",
						 "the key swtpm uses (aes-256-cbc)" } },
		{ TAKES_TO, { "unencrypted", OPT_FLAG, &c->is_plain, NULL,
				    "write the TPM's secrets in the clear" } },
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].takes == 0 || (all[i].takes & v->takes) != 0)
			ret[n++] = all[i].opt;
}

static MUST_USE int choice_check(const struct verb *v, struct choice *c, struct why *why)
{
	if ((v->takes & (TAKES_FROM | TAKES_TO)) != 0 && c->file == NULL)
		return why_set(why, -EINVAL, "--%s is missing",
			(v->takes & TAKES_TO) != 0 ? "to" : "from");
	int err = name_check(c->name, why);
	return err < 0 ? err : path_make(c, why);
}

static int verb_run(const struct verb *v, int argc, char **argv)
{
	struct choice c = { .make = v->make, .needs_ca = (v->takes & TAKES_CA) != 0 };
	struct opt options[OPTIONS_MAX] = { 0 };
	const struct opt_spec spec = { v->usage, v->about, options, 1, 1 };
	struct why why = { 0 };
	char **args;
	size_t n;

	options_pick(v, &c, options);
	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err > 0)
		return EXIT_YES;
	if (err == 0) {
		c.name = args[0];
		err = choice_check(v, &c, &why);
	}
	if (err == 0)
		err = engine_open();
	if (err == 0)
		err = v->run(&c, &why);
	return err < 0 ? err_report(err, &why) : opts_end(EXIT_YES);
}

static void help_print(void)
{
	printf("usage: casemate vtpm VERB NAME ...\n\n"
	       "A guest's TPM, made and shown while the guest does not run.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-38s %s\n", verbs[i].usage, verbs[i].about);
}

int vtpm_cmd_run(int argc, char **argv)
{
	log_set_name("casemate vtpm");
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verb_run(&verbs[i], argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		help_print();
		return opts_end(EXIT_YES);
	}
	log_err("%s%.40s%s; the verbs are setup, show, reset, import, export",
		argc > 1 ? "unknown verb \"" : "a verb is missing", argc > 1 ? argv[1] : "",
		argc > 1 ? "\"" : "");
	return EXIT_USAGE;
}
