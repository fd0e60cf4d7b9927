#include "attest/ledger/ledger_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/json_out.h"
#include "attest/ledger/ledger.h"
#include "attest/ledger/ledger_verify.h"
#include "attest/ledger/proof.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/wr.h"
#include "sandbox/receipt.h"

#define JSON_MAX 4096u /* a report: two names, two hashes, one why */

/* One cause to standard error; the exit status that belongs to it. */
static int err_report(const char *what, int err, const struct why *why)
{
	log_err("%s%s%s", what, what[0] != 0 ? ": " : "", why_text(why, err));
	return err == -EEXIST ? EXIT_NO : opts_exit_status(err);
}

static MUST_USE int usage_report(const struct why *why)
{
	log_err("%s", why_text(why, -EINVAL));
	return EXIT_USAGE;
}

static MUST_USE int folder_open(const char *path, int *ret_fd, struct why *why)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		int err = -errno;
		return why_set(why, err == -EACCES ? -EIO : err, "cannot open the folder %s: %s",
			path, strerrordesc_np(-err));
	}
	*ret_fd = fd;
	return 0;
}

static void mem_auto(uint8_t **p)
{
	free(*p);
}

/* --key: a verifier key itself, or a file with one. */
static MUST_USE int key_read(const char *arg, struct note_key *ret, struct why *why)
{
	AUTO(mem) uint8_t *file = NULL;
	size_t len = 0;

	if (note_key_parse(arg, strlen(arg), ret, NULL) == 0)
		return 0;
	int err = fd_read_path(arg, NOTE_VKEY_MAX + 1, &file, &len, why);
	if (err < 0)
		return err;
	err = note_key_parse((const char *)file, len, ret, why);
	return err < 0 ? why_prefix(why, err, "%s", arg) : 0;
}

/* A why longer than its field is cut by the writer; JSON that was cut is not printed at all. */
static int json_print(struct wr *w)
{
	wr_u8(w, '\n');
	if (wr_check(w) < 0 || fwrite(w->buf, 1, w->len, stdout) != w->len) {
		log_err("cannot write the answer");
		return -EIO;
	}
	return 0;
}

/* The key as printed text; NOTE_VKEY_MAX bytes. */
static const char *vkey_text(const struct note_key *key, char ret[NOTE_VKEY_MAX])
{
	struct wr w = wr_of(ret, NOTE_VKEY_MAX);

	note_key_print(key, &w);
	return wr_end_str(&w) == 0 ? ret : "";
}

/* --- verify --------------------------------------------------------------------------------- */

static int verify_print_json(
	const struct ledger_report *r, bool is_key_given, int err, const struct why *why)
{
	uint8_t buf[JSON_MAX];
	char vkey[NOTE_VKEY_MAX];
	struct wr w = wr_of(buf, sizeof buf);

	json_open(&w, NULL, '{');
	json_text(&w, "schema", "casemate/ledger-verify/1");
	json_bool(&w, "valid", err == 0);
	json_bool(&w, "key_given", is_key_given);
	if (r->is_head_good) {
		json_text(&w, "origin", r->head.origin);
		json_text(&w, "key", vkey_text(&r->key, vkey));
		json_number(&w, "size", r->head.size);
		json_hex(&w, "root", r->head.root.b, sizeof r->head.root.b);
	}
	json_bool(&w, "unfinished", r->is_unfinished);
	if (err < 0) {
		json_open(&w, "problem", '{');
		json_text(&w, "why", why_text(why, err));
		json_text_or_null(&w, "file", r->file);
		if (r->has_offset)
			json_number(&w, "offset", r->offset);
		if (r->has_entry)
			json_number(&w, "entry", r->entry);
		json_close(&w, '}');
	}
	json_close(&w, '}');
	return json_print(&w);
}

static void verify_print_text(const char *path, const struct ledger_report *r, bool is_key_given)
{
	char vkey[NOTE_VKEY_MAX];
	char root[2 * MERKLE_HASH_BYTES + 1];
	struct wr w = wr_of(root, sizeof root);

	wr_hex(&w, r->head.root.b, MERKLE_HASH_BYTES);
	printf("%s: good\n", path);
	printf("  origin   %s\n", r->head.origin);
	printf("  entries  %llu\n", (unsigned long long)r->head.size);
	printf("  root     %s\n", wr_end_str(&w) == 0 ? root : "");
	printf("  key      %s\n", vkey_text(&r->key, vkey));
	if (!is_key_given)
		printf("  The key is the ledger's own: the folder agrees with itself. Whose it is, "
		       "only\n"
		       "  --key with a key you got from its owner can tell.\n");
	if (r->is_unfinished)
		printf("  An append was interrupted before it counted; the next writer removes its "
		       "files.\n");
}

static MUST_USE int verify_run(int argc, char **argv)
{
	const char *key_arg = NULL;
	bool is_json = false;
	const struct opt options[] = {
		{ "key", OPT_TEXT, &key_arg, "PUB",
			"the signer's verifier key, or a file with it" },
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object instead of text" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-ledger verify DIR [--key PUB] [--json]",
		"Check every entry, tile and the signature of a ledger.", options, 1, 1 };
	AUTO(fd) int dir = -1;
	struct note_key key = { 0 };
	struct ledger_report report = { 0 };
	struct why why = { 0 };
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage_report(&why);
	if (key_arg != NULL)
		err = key_read(key_arg, &key, &why);
	if (err < 0)
		return err_report("--key", err, &why);
	err = folder_open(args[0], &dir, &why);
	if (err < 0)
		return err_report("", err, &why);
	err = ledger_verify(dir, key_arg != NULL ? &key : NULL, NULL, NULL, &report, &why);
	if (is_json && verify_print_json(&report, key_arg != NULL, err, &why) < 0)
		return EXIT_OURS;
	if (err < 0)
		return err_report(args[0], err, &why);
	if (!is_json)
		verify_print_text(args[0], &report, key_arg != NULL);
	return EXIT_YES;
}

/* --- list ----------------------------------------------------------------------------------- */

static void hash_print(const char *label, const uint8_t *hash, size_t len)
{
	char hex[2 * 48 + 1];
	struct wr w = wr_of(hex, sizeof hex);
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= hash[i];
	wr_hex(&w, hash, len);
	if (any != 0 && wr_end_str(&w) == 0)
		printf("        %-9s %s\n", label, hex);
}

/* A text from an entry: what is not printable ASCII becomes '?'. */
static void text_print(const char *text)
{
	for (; *text != 0; text++)
		putchar(*text < 0x20 || *text > 0x7e ? '?' : *text);
}

/* One process: what it proved, and first what it did not. */
static void receipt_print_text(const struct entry_receipt *r)
{
	uint32_t missing = RECEIPT_ALL & ~r->held;

	printf("        %-9s ", "sandbox");
	text_print(r->process);
	printf("  uid %u  filter ", r->uid);
	for (size_t i = 0; i < sizeof r->filter; i++)
		printf("%02x", r->filter[i]);
	for (unsigned int i = 0; 1u << i <= RECEIPT_ALL; i++)
		if ((missing & 1u << i) != 0)
			printf("  not %s", receipt_bit_name(i));
	printf("  ");
	text_print(r->label[0] != 0 ? r->label : "no label");
	printf("  ");
	text_print(r->cgroup[0] != 0 ? r->cgroup : "no cgroup");
	putchar('\n');
}

static void entry_print_text(
	void *owner, uint64_t index, const struct entry *e, const struct tile_entry *bytes)
{
	char when[ENTRY_TIME_MAX];
	struct wr w = wr_of(when, sizeof when);

	entry_print_time(&w, e->time_ns);
	printf("%6llu  %s  %-8s  ", (unsigned long long)index, wr_end_str(&w) == 0 ? when : "",
		entry_event_name(e->event));
	text_print(e->guest);
	if (e->text[0] != 0)
		printf("  ");
	text_print(e->text);
	putchar('\n');
	hash_print("policy", e->policy_hash, sizeof e->policy_hash);
	hash_print("launch", e->launch_digest, sizeof e->launch_digest);
	hash_print("evidence", e->evidence_hash, sizeof e->evidence_hash);
	if (e->resource[0] != 0) {
		printf("        %-9s ", "resource");
		text_print(e->resource);
		putchar('\n');
	}
	for (unsigned int i = 0; i < e->n_receipts; i++)
		receipt_print_text(&e->receipts[i]);
}

struct json_list {
	bool is_started;
};

/* The canonical bytes of an entry are JSON: they go out as they are. */
static void entry_print_json(
	void *owner, uint64_t index, const struct entry *e, const struct tile_entry *bytes)
{
	struct json_list *l = owner;

	printf("%s{\"index\":%llu,\"entry\":", l->is_started ? "," : "", (unsigned long long)index);
	(void)fwrite(bytes->at, 1, bytes->len, stdout);
	putchar('}');
	l->is_started = true;
}

/* The end of the object that list --json begins: entries come first, the judgement last. */
static int list_end_json(const struct ledger_report *r, int err, const struct why *why)
{
	uint8_t buf[JSON_MAX];
	struct wr w = wr_of(buf, sizeof buf);

	json_close(&w, ']');
	json_bool(&w, "valid", err == 0);
	if (r->is_head_good) {
		json_text(&w, "origin", r->head.origin);
		json_number(&w, "size", r->head.size);
	}
	if (err < 0)
		json_text(&w, "problem", why_text(why, err));
	json_close(&w, '}');
	return json_print(&w);
}

static MUST_USE int list_run(int argc, char **argv)
{
	bool is_json = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object instead of text" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-ledger list DIR [--json]",
		"Print the entries of a ledger, and verify it on the way.", options, 1, 1 };
	AUTO(fd) int dir = -1;
	struct ledger_report report = { 0 };
	struct json_list list = { .is_started = false };
	struct why why = { 0 };
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage_report(&why);
	err = folder_open(args[0], &dir, &why);
	if (err < 0)
		return err_report("", err, &why);
	if (is_json)
		printf("{\"schema\":\"casemate/ledger-list/1\",\"entries\":[");
	err = ledger_verify(
		dir, NULL, is_json ? entry_print_json : entry_print_text, &list, &report, &why);
	if (is_json && list_end_json(&report, err, &why) < 0)
		return EXIT_OURS;
	return err < 0 ? err_report(args[0], err, &why) : EXIT_YES;
}

/* --- prove ---------------------------------------------------------------------------------- */

static MUST_USE int prove_run(int argc, char **argv)
{
	const char *out = NULL;
	const struct opt options[] = {
		{ "out", OPT_TEXT, &out, "FILE",
			"write the proof there instead of standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-ledger prove DIR INDEX [--out FILE]",
		"Write one entry with all that proves it (C2SP tlog-proof).", options, 2, 2 };
	AUTO(fd) int dir = -1;
	AUTO(mem) uint8_t *buf = malloc(LIMIT_LEDGER_PROOF_BYTES);
	struct note_key key = { 0 };
	struct why why = { 0 };
	unsigned long long index = 0;
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage_report(&why);
	if (opts_parse_u64("INDEX", args[1], 0, LIMIT_LEDGER_ENTRIES, &index, &why) < 0)
		return usage_report(&why);
	if (buf == NULL)
		return EXIT_OURS;
	struct wr w = wr_of(buf, LIMIT_LEDGER_PROOF_BYTES);
	err = folder_open(args[0], &dir, &why);
	if (err < 0)
		return err_report("", err, &why);
	err = ledger_read_vkey(dir, &key, &why);
	if (err == 0)
		err = proof_make(dir, &key, index, &w, &why);
	if (err == -ERANGE) {
		log_err("%s: %s", args[0], why.text);
		return EXIT_NO;
	}
	if (err < 0)
		return err_report(args[0], err, &why);
	if (out != NULL)
		err = fd_replace_file(AT_FDCWD, out, w.buf, w.len, 0644, &why);
	else if (fwrite(w.buf, 1, w.len, stdout) != w.len)
		err = -EIO;
	return err < 0 ? err_report("", err, &why) : EXIT_YES;
}

/* --- check-proof ---------------------------------------------------------------------------- */

static int proof_print_json(const struct proof *p, int err, const struct why *why)
{
	uint8_t buf[JSON_MAX + LIMIT_LEDGER_ENTRY_BYTES];
	struct wr w = wr_of(buf, sizeof buf);

	json_open(&w, NULL, '{');
	json_text(&w, "schema", "casemate/ledger-proof-check/1");
	json_bool(&w, "valid", err == 0);
	if (err < 0) {
		json_text(&w, "problem", why_text(why, err));
	} else {
		json_text(&w, "origin", p->head.origin);
		json_number(&w, "size", p->head.size);
		json_hex(&w, "root", p->head.root.b, sizeof p->head.root.b);
		json_number(&w, "index", p->index);
		wr_str(&w, ",\"entry\":");
		wr_copy(&w, p->entry_bytes, p->entry_len);
	}
	json_close(&w, '}');
	return json_print(&w);
}

static MUST_USE int check_proof_run(int argc, char **argv)
{
	const char *key_arg = NULL;
	bool is_json = false;
	const struct opt options[] = {
		{ "key", OPT_TEXT, &key_arg, "PUB",
			"the signer's verifier key, or a file with it" },
		{ "json", OPT_FLAG, &is_json, NULL, "one JSON object instead of text" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-ledger check-proof FILE --key PUB [--json]",
		"Check that an entry stands in the ledger whose head the key signed.", options, 1,
		1 };
	AUTO(mem) uint8_t *file = NULL;
	size_t len = 0;
	struct note_key key = { 0 };
	struct proof proof;
	struct why why = { 0 };
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage_report(&why);
	if (key_arg == NULL) {
		(void)why_set(&why, -EINVAL, "--key is missing: whose proof is it to be?");
		return usage_report(&why);
	}
	err = key_read(key_arg, &key, &why);
	if (err < 0)
		return err_report("--key", err, &why);
	err = fd_read_path(args[0], LIMIT_LEDGER_PROOF_BYTES, &file, &len, &why);
	if (err < 0)
		return err_report("", err, &why);
	err = proof_verify(file, len, &key, &proof, &why);
	if (is_json && proof_print_json(&proof, err, &why) < 0)
		return EXIT_OURS;
	if (err < 0)
		return err_report(args[0], err, &why);
	if (!is_json) {
		struct tile_entry bytes = { .at = proof.entry_bytes, .len = proof.entry_len };
		printf("%s: the entry stands in %s, of %llu entries\n", args[0], proof.head.origin,
			(unsigned long long)proof.head.size);
		entry_print_text(NULL, proof.index, &proof.entry, &bytes);
	}
	return EXIT_YES;
}

/* --- init ----------------------------------------------------------------------------------- */

/* The key's file; made when it is not there, readable by its owner alone. */
static MUST_USE int signer_open(
	const char *path, const char *origin, struct note_signer *ret, struct why *why)
{
	AUTO(secret) struct secret pem = { 0 };
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int err = 0;
	ssize_t n;

	if (fd < 0 && errno == ENOENT) {
		err = note_make_pem(&pem, why);
		if (err == 0)
			err = fd_replace_file(AT_FDCWD, path, pem.p, pem.len, 0600, why);
		return err < 0 ? err : note_signer_parse(pem.p, pem.len, origin, ret, why);
	}
	if (fd < 0) {
		err = -errno;
		return why_set(why, err == -EACCES ? -EIO : err, "cannot open %s: %s", path,
			strerrordesc_np(-err));
	}
	err = secret_init(&pem, LIMIT_SECRET_BYTES);
	if (err < 0)
		return why_set(why, err, "no locked memory for the key");
	n = pread(fd, pem.p, pem.len, 0);
	if (n < 0)
		return why_set(why, -errno, "cannot read %s", path);
	err = note_signer_parse(pem.p, (size_t)n, origin, ret, why);
	return err < 0 ? why_prefix(why, err, "%s", path) : 0;
}

static MUST_USE int init_run(int argc, char **argv)
{
	const char *origin = NULL;
	const char *key_path = NULL;
	const struct opt options[] = {
		{ "origin", OPT_TEXT, &origin, "NAME",
			"the ledger's name, such as example.com/payments" },
		{ "key", OPT_TEXT, &key_path, "FILE",
			"private key (PEM, Ed25519); made if it is not there" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate-ledger init DIR --origin NAME --key FILE",
		"Begin an empty ledger and print its verifier key.", options, 1, 1 };
	AUTO(fd) int dir = -1;
	AUTO(note_signer) struct note_signer signer = { 0 };
	char vkey[NOTE_VKEY_MAX];
	struct why why = { 0 };
	char **args;
	size_t n;

	int err = opts_parse(&spec, argc, argv, &args, &n, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : usage_report(&why);
	if (origin == NULL || key_path == NULL) {
		(void)why_set(&why, -EINVAL, "--%s is missing; usage: %s",
			origin == NULL ? "origin" : "key", spec.usage);
		return usage_report(&why);
	}
	if (note_check_name(origin, &why) < 0)
		return usage_report(&why);
	bool is_new = mkdir(args[0], 0755) == 0;
	if (!is_new && errno != EEXIST) {
		err = errno == EACCES ? -EIO : -errno;
		(void)why_set(&why, err, "cannot make the folder %s: %s", args[0],
			strerrordesc_np(errno));
		return err_report("", err, &why);
	}
	err = folder_open(args[0], &dir, &why);
	if (err < 0)
		return err_report("", err, &why);
	if (faccessat(dir, LEDGER_CHECKPOINT, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		log_err("%s: there is a ledger already", args[0]);
		return EXIT_NO;
	}
	err = signer_open(key_path, origin, &signer, &why);
	if (err == 0)
		err = ledger_init(dir, &signer, &why);
	if (err < 0 && is_new && (unlinkat(dir, LEDGER_VKEY, 0) == 0 || errno == ENOENT))
		(void)rmdir(args[0]); /* nothing half made is left */
	if (err < 0)
		return err_report(args[0], err, &why);
	printf("%s\n", vkey_text(&signer.key, vkey));
	return EXIT_YES;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} verbs[] = {
	{ "init", init_run, "begin an empty ledger" },
	{ "verify", verify_run, "check a whole ledger" },
	{ "list", list_run, "print its entries" },
	{ "prove", prove_run, "write the proof of one entry" },
	{ "check-proof", check_proof_run, "check such a proof" },
};

static void verbs_print(void)
{
	printf("usage: casemate-ledger VERB …\n\nThe audit ledger.\n\nverbs:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-12s %s\n", verbs[i].name, verbs[i].about);
	printf("\n`casemate-ledger VERB --help` says more.\n");
}

static int verb_refuse(const char *name)
{
	char known[128];
	struct wr w = wr_of(known, sizeof known);

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		wr_printf(&w, "%s%s", i > 0 ? ", " : "", verbs[i].name);
	if (wr_end_str(&w) < 0)
		return EXIT_OURS;
	if (name == NULL)
		log_err("a verb is missing: one of %s", known);
	else
		log_err("unknown verb \"%s\": want one of %s", name, known);
	return EXIT_USAGE;
}

static int verb_run(int argc, char **argv)
{
	if (argc < 2)
		return verb_refuse(NULL);
	if (strcmp(argv[1], "--help") == 0) {
		verbs_print();
		return EXIT_YES;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	return verb_refuse(argv[1]);
}

int ledger_cmd_run(int argc, char **argv)
{
	log_set_name("casemate-ledger");
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return EXIT_OURS;
	return opts_end(verb_run(argc, argv));
}
