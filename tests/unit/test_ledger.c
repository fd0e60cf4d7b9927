#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attest/ledger/ledger.h"
#include "attest/ledger/ledger_priv.h"
#include "attest/ledger/ledger_verify.h"
#include "attest/ledger/proof.h"
#include "attest/ledger/tile.h"
#include "base/b64.h"
#include "base/fd.h"
#include "tests/unit/cm.h"

#define ORIGIN "example.com/test"

/* --- a ledger in a folder of its own ---------------------------------------------------------- */

struct fix {
	char path[64];
	int dir;
	char pem[512]; /* not in a struct secret, which a fork() would wipe: children write here too */
	size_t pem_len;
	struct note_key key;
};

static struct note_signer signer_make(const struct fix *f)
{
	struct note_signer s = { 0 };

	assert_int_equal(note_signer_parse(f->pem, f->pem_len, ORIGIN, &s, NULL), 0);
	return s;
}

static void key_make(struct fix *f)
{
	AUTO(secret) struct secret pem = { 0 };

	assert_int_equal(note_make_pem(&pem, NULL), 0);
	assert_true(pem.len <= sizeof f->pem);
	memcpy(f->pem, pem.p, pem.len);
	f->pem_len = pem.len;
	AUTO(note_signer) struct note_signer s = signer_make(f);
	f->key = s.key;
}

static int fix_setup(void **state)
{
	static struct fix f;

	/* In memory where that can be had: 10,000 appends are a matter of seconds there. */
	(void)snprintf(f.path, sizeof f.path, "%s/casemate-test-ledger.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f.path));
	f.dir = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f.dir >= 0);
	key_make(&f);
	AUTO(note_signer) struct note_signer s = signer_make(&f);
	assert_int_equal(ledger_init(f.dir, &s, NULL), 0);
	*state = &f;
	return 0;
}

static int path_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int fix_teardown(void **state)
{
	struct fix *f = *state;

	(void)close(f->dir);
	return nftw(f->path, path_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static struct ledger *ledger_make(const struct fix *f, const struct ledger_disk *disk)
{
	AUTO(note_signer) struct note_signer s = signer_make(f);
	struct ledger *l = NULL;
	struct why why = { 0 };

	int err = ledger_open_disk(f->dir, &s, disk, &l, &why);
	if (err != 0)
		print_message("# %s\n", why_text(&why, err));
	assert_int_equal(err, 0);
	return l;
}

static struct entry entry_make(unsigned int i)
{
	struct entry e = {
		.event = (enum ledger_event)(LEDGER_LAUNCHED + i % (LEDGER_EVENT_COUNT - 1)),
		.time_ns = 1763721480000000000u + i,
		.serial = i,
	};

	(void)snprintf(e.guest, sizeof e.guest, "test/guest-%u", i);
	(void)snprintf(e.text, sizeof e.text, "entry %u", i);
	memset(e.policy_hash, 0x11 + (int)(i % 7), sizeof e.policy_hash);
	if (i % 2 == 1)
		memset(e.launch_digest, 0x22, sizeof e.launch_digest);
	return e;
}

static void entries_append(struct ledger *l, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct entry e = entry_make((unsigned int)ledger_get_size(l));
		uint64_t want = ledger_get_size(l);
		uint64_t index = UINT64_MAX;
		assert_int_equal(ledger_append(l, &e, &index, NULL), 0);
		assert_int_equal(index, want);
	}
}

static int fix_verify(const struct fix *f, struct ledger_report *ret)
{
	struct why why = { 0 };
	int err = ledger_verify(f->dir, &f->key, NULL, NULL, ret, &why);

	assert_true(err == 0 || why.text[0] != 0);
	return err;
}

static void assert_good(const struct fix *f, uint64_t size)
{
	struct ledger_report r;
	struct why why = { 0 };
	int err = ledger_verify(f->dir, &f->key, NULL, NULL, &r, &why);

	if (err != 0)
		print_message("# %s\n", why_text(&why, err));
	assert_int_equal(err, 0);
	assert_int_equal(r.head.size, size);
}

/* Syncing a scratch folder thousands of times proves nothing about order: leave it out there. */
static int sync_skip(int fd)
{
	return 0;
}

static struct ledger_disk disk_fast(void)
{
	struct ledger_disk d = ledger_disk_real;

	d.fsync = sync_skip;
	return d;
}

/* --- hashes ----------------------------------------------------------------------------------- */

/* RFC 6962 and 9162 test tree: eight leaves and the roots of its beginnings. */
static const char *const known_leaves[] = { "", "00", "10", "2021", "3031", "40414243",
	"5051525354555657", "606162636465666768696a6b6c6d6e6f" };
static const char *const known_roots[] = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static size_t hex_bytes(const char *hex, uint8_t *ret)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned int v = 0;
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
		ret[i] = (uint8_t)v;
	}
	return n;
}

static void known_tree_has_its_known_roots(void **state)
{
	static struct tile_edge edge;

	for (unsigned int size = 0; size < ARRAY_LEN(known_roots); size++) {
		struct merkle_hash want;
		struct merkle_hash root;
		(void)hex_bytes(known_roots[size], want.b);
		assert_int_equal(tile_hash_root(&edge, size, &root), 0);
		assert_memory_equal(&root, &want, sizeof root);
		if (size < ARRAY_LEN(known_leaves)) {
			uint8_t leaf[16];
			size_t n = hex_bytes(known_leaves[size], leaf);
			assert_int_equal(merkle_hash_leaf(leaf, n, &edge.at[0][size]), 0);
		}
	}
}

/* MTH of RFC 9162, 2.1.1, written down as it stands there. */
static struct merkle_hash mth(const struct merkle_hash *leaves, size_t n)
{
	struct merkle_hash h = merkle_empty;
	size_t k = 1;

	if (n == 1)
		return leaves[0];
	if (n == 0)
		return h;
	while (k * 2 < n)
		k *= 2;
	struct merkle_hash left = mth(leaves, k);
	struct merkle_hash right = mth(leaves + k, n - k);
	assert_int_equal(merkle_hash_node(&left, &right, &h), 0);
	return h;
}

#define SMALL_TREE 70u

static void every_path_of_a_small_tree_holds_and_no_other(void **state)
{
	struct fix *f = *state;
	struct ledger_disk disk = disk_fast();
	struct merkle_hash leaves[SMALL_TREE];
	AUTO(ledger) struct ledger *l = ledger_make(f, &disk);

	for (unsigned int i = 0; i < SMALL_TREE; i++) {
		uint64_t index = 0;
		uint8_t bytes[2] = { (uint8_t)i, 0x55 };
		assert_int_equal(merkle_hash_leaf(bytes, 2, &leaves[i]), 0);
		assert_int_equal(ledger_append_bytes(l, bytes, 2, &index, NULL), 0);
	}
	for (unsigned int size = 1; size <= SMALL_TREE; size++) {
		struct merkle_hash root = mth(leaves, size);
		for (unsigned int i = 0; i < size; i++) {
			struct merkle_hash path[MERKLE_PATH_MAX];
			struct merkle_hash wrong = leaves[i];
			size_t n = 0;
			assert_int_equal(tile_read_path(f->dir, i, size, path, &n, NULL), 0);
			assert_int_equal(
				merkle_verify_inclusion(&leaves[i], i, size, path, n, &root), 0);
			wrong.b[31] ^= 1;
			assert_int_equal(merkle_verify_inclusion(&wrong, i, size, path, n, &root),
				-EKEYREJECTED);
			assert_int_equal(merkle_verify_inclusion(&leaves[i], (i + 1) % (size + 1),
						 size, path, n, &root),
				-EKEYREJECTED);
			if (n > 0)
				assert_int_equal(merkle_verify_inclusion(
							 &leaves[i], i, size, path, n - 1, &root),
					-EKEYREJECTED);
			assert_int_equal(
				merkle_verify_inclusion(&leaves[i], i, size, path, n + 1, &root),
				-EKEYREJECTED);
		}
	}
}

static void tile_paths_are_those_of_the_specification(void **state)
{
	char path[TILE_PATH_MAX];

	tile_print_path(path, 0, 0, 256);
	assert_string_equal(path, "tile/0/000");
	tile_print_path(path, 1, 273, 112);
	assert_string_equal(path, "tile/1/273.p/112");
	tile_print_path(path, TILE_ENTRIES, 65535, 255);
	assert_string_equal(path, "tile/entries/x065/535.p/255");
	/* tlog-tiles: a tree of 70,000 has 273 full tiles, then widths 112, 17 and 1. */
	assert_int_equal(tile_get_width(70000, 0, 272), 256);
	assert_int_equal(tile_get_width(70000, 0, 273), 112);
	assert_int_equal(tile_get_width(70000, 1, 0), 256);
	assert_int_equal(tile_get_width(70000, 1, 1), 17);
	assert_int_equal(tile_get_width(70000, 2, 0), 1);
	assert_int_equal(tile_get_width(256, 0, 1), 0);
}

/* --- notes ------------------------------------------------------------------------------------ */

/* The example of C2SP signed-note. */
static const char spec_vkey[] =
	"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char spec_note[] = "This is an example message.\n"
				"\n"
				"\xe2\x80\x94 example.com/foo "
				"Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYj"
				"OBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

static void note_of_the_specification_is_verified(void **state)
{
	struct note_key key = { 0 };
	size_t n = 0;
	char again[NOTE_VKEY_MAX];
	struct wr w = wr_of(again, sizeof again);

	assert_int_equal(note_key_parse(spec_vkey, strlen(spec_vkey), &key, NULL), 0);
	assert_int_equal(note_verify(spec_note, strlen(spec_note), &key, &n, NULL), 0);
	assert_int_equal(n, 28);
	note_key_print(&key, &w);
	assert_int_equal(wr_end_str(&w), 0);
	assert_string_equal(again, spec_vkey);
}

static void note_with_any_changed_byte_is_refused(void **state)
{
	struct note_key key = { 0 };
	char note[sizeof spec_note];
	size_t n = 0;

	assert_int_equal(note_key_parse(spec_vkey, strlen(spec_vkey), &key, NULL), 0);
	for (size_t i = 0; i < sizeof spec_note - 1; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			memcpy(note, spec_note, sizeof note);
			note[i] = (char)(note[i] ^ (1 << bit));
			assert_int_not_equal(note_verify(note, sizeof note - 1, &key, &n, NULL), 0);
		}
	}
	for (size_t i = 0; i < sizeof spec_note - 1; i++)
		assert_int_not_equal(note_verify(spec_note, i, &key, &n, NULL), 0);
}

static void verifier_key_with_any_changed_byte_is_refused(void **state)
{
	struct note_key key = { 0 };
	char vkey[sizeof spec_vkey];

	for (size_t i = 0; i < sizeof spec_vkey - 1; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			memcpy(vkey, spec_vkey, sizeof vkey);
			vkey[i] = (char)(vkey[i] ^ (1 << bit));
			assert_int_equal(
				note_key_parse(vkey, sizeof vkey - 1, &key, NULL), -EBADMSG);
		}
	}
}

static void signature_of_a_stranger_is_ignored_but_not_enough(void **state)
{
	struct note_key key = { 0 };
	struct note_key other = { 0 };
	char note[1024];
	size_t n = 0;
	static const char stranger[] = "\xe2\x80\x94 witness.example AAAAAAECAwQ=\n";

	assert_int_equal(note_key_parse(spec_vkey, strlen(spec_vkey), &key, NULL), 0);
	(void)snprintf(note, sizeof note, "%s%s", spec_note, stranger);
	assert_int_equal(note_verify(note, strlen(note), &key, &n, NULL), 0);
	(void)snprintf(note, sizeof note, "text\n\n%s", stranger);
	assert_int_equal(note_verify(note, strlen(note), &key, &n, NULL), -EKEYREJECTED);
	other = key;
	other.pub[0] ^= 1;
	assert_int_equal(
		note_verify(spec_note, strlen(spec_note), &other, &n, NULL), -EKEYREJECTED);
}

static void checkpoint_of_another_form_is_refused(void **state)
{
	struct fix *f = *state;
	AUTO(note_signer) struct note_signer s = signer_make(f);
	static const char root[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
	const struct {
		const char *text;
		int err;
	} cases[] = {
		{ ORIGIN "\n0\n%s\n", 0 },
		{ ORIGIN "\n0\n%s\nextension\n", 0 },
		{ ORIGIN "\n00\n%s\n", -EBADMSG },
		{ ORIGIN "\n-1\n%s\n", -EBADMSG },
		{ ORIGIN "\n16777216\n%s\n", -EBADMSG },
		{ ORIGIN "\n99999999999999999999999999\n%s\n", -EBADMSG },
		{ ORIGIN "\n\n%s\n", -EBADMSG },
		{ ORIGIN "\n0\nx%s\n", -EBADMSG },
		{ ORIGIN "\n0\n", -EBADMSG },
		{ "\n0\n%s\n", -EBADMSG },
		{ "example.com/other\n0\n%s\n", -EKEYREJECTED },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];
		uint8_t note[512];
		struct wr w = wr_of(note, sizeof note);
		struct checkpoint cp;
		const char *mark = strstr(cases[i].text, "%s");
		if (mark != NULL)
			(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - cases[i].text),
				cases[i].text, root, mark + 2);
		else
			(void)snprintf(text, sizeof text, "%s", cases[i].text);
		assert_int_equal(note_sign(&s, text, strlen(text), &w), 0);
		assert_int_equal(checkpoint_parse(note, w.len, &f->key, &cp, NULL), cases[i].err);
	}
}

static void private_key_of_another_kind_is_refused(void **state)
{
	struct note_signer s = { 0 };
	static const char *const pems[] = { "", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n",
		/* X25519: the same curve, another purpose */
		"-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VuBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq\n"
		"-----END PRIVATE KEY-----\n" };
	struct fix *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(pems); i++)
		assert_int_equal(
			note_signer_parse(pems[i], strlen(pems[i]), ORIGIN, &s, NULL), -EBADMSG);
	assert_int_equal(note_signer_parse(f->pem, f->pem_len, "with space", &s, NULL), -EBADMSG);
	assert_int_equal(note_signer_parse(f->pem, f->pem_len, "with+plus", &s, NULL), -EBADMSG);
	assert_int_equal(note_signer_parse(f->pem, f->pem_len, "", &s, NULL), -EBADMSG);
}

/* --- entries ---------------------------------------------------------------------------------- */

static const char sample[] =
	"{\"schema\":\"casemate/ledger-entry/1\",\"time\":\"2025-11-21T10:38:00.000000001Z\","
	"\"event\":\"released\",\"guest\":\"prod/payments\",\"serial\":7,"
	"\"policy_sha256\":\"1111111111111111111111111111111111111111111111111111111111111111\","
	"\"launch_digest\":null,\"evidence_sha256\":null,\"resource\":\"default/key/disk\","
	"\"text\":\"a \\\"b\\\" \\\\ \\u000a\\u00ff\"}";

static void entry_is_written_and_read_in_one_form(void **state)
{
	struct entry e = { 0 };
	uint8_t buf[LIMIT_LEDGER_ENTRY_BYTES];
	struct wr w = wr_of(buf, sizeof buf);

	assert_int_equal(entry_parse(sample, strlen(sample), &e, NULL), 0);
	assert_int_equal(e.event, LEDGER_RELEASED);
	assert_int_equal(e.time_ns, 1763721480000000001u);
	assert_string_equal(e.guest, "prod/payments");
	assert_int_equal(e.serial, 7);
	assert_string_equal(e.text, "a \"b\" \\ \n\xff");
	assert_int_equal(entry_print(&e, &w), 0);
	assert_int_equal(w.len, strlen(sample));
	assert_memory_equal(buf, sample, w.len);
}

/* The sample with one piece replaced. */
static size_t sample_change(char ret[1024], const char *from, const char *to)
{
	const char *at = strstr(sample, from);

	assert_non_null(at);
	return (size_t)snprintf(
		ret, 1024, "%.*s%s%s", (int)(at - sample), sample, to, at + strlen(from));
}

static void entry_in_any_other_form_is_refused(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{ "{\"schema", " {\"schema" },
		{ "entry/1", "entry/2" },
		{ "\"time\":", "\"time\": " },
		{ "2025-11-21", "2025-13-21" },
		{ "2025-11-21", "2025-11-31" },
		{ "2025-11-21", "2025-02-29" },
		{ "2025-11-21", "1969-12-31" },
		{ "2025-11-21", "2555-01-01" },
		{ "T10:38:00", "T24:00:00" },
		{ "T10:38:00", "T10:38:60" },
		{ ".000000001Z", ".1Z" },
		{ ".000000001Z", ".000000001+00:00" },
		{ "released", "forged" },
		{ "released", "Released" },
		{ ":7,", ":07," },
		{ ":7,", ":-7," },
		{ ":7,", ":," },
		{ ":7,", ":18446744073709551616," },
		{ "\"launch_digest\":null", "\"launch_digest\":\"\"" },
		{ "\"launch_digest\":null", "\"launch_digest\":nul" },
		{ "\"evidence_sha256\":null",
			"\"evidence_sha256\":"
			"\"0000000000000000000000000000000000000000000000000000000000000000\"" },
		{ "\"evidence_sha256\":null",
			"\"evidence_sha256\":"
			"\"AA00000000000000000000000000000000000000000000000000000000000000\"" },
		{ "\"default/key/disk\"", "\"\"" },
		{ "\\u000a", "\\n" },
		{ "\\u000a", "\\u000A" },
		{ "\\u000a", "\\u0000" },
		{ "\\u000a", "\\u010a" },
		{ "\\u000a", "\\u0041" },
		{ "\\u000a", "\n" },
		{ "\\u00ff", "\xff" },
		{ "\\u00ff\"}", "\"}x" },
		{ "\\u00ff\"}", "\"" },
		{ "\\u00ff\"}", "" },
	};
	struct entry e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[1024];
		struct why why = { 0 };
		size_t n = sample_change(text, cases[i].from, cases[i].to);
		assert_int_equal(entry_parse(text, n, &e, &why), -EBADMSG);
		assert_true(why.text[0] != 0);
	}
	for (size_t i = 0; i < strlen(sample); i++)
		assert_int_equal(entry_parse(sample, i, &e, NULL), -EBADMSG);
}

static void times_are_written_as_the_calendar_says(void **state)
{
	static const struct {
		uint64_t s;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z" },
		{ 951782399, "2000-02-28T23:59:59.000000000Z" },
		{ 951782400, "2000-02-29T00:00:00.000000000Z" },
		{ 951868800, "2000-03-01T00:00:00.000000000Z" },
		{ 1735689599, "2024-12-31T23:59:59.000000000Z" },
		{ 4107542400, "2100-03-01T00:00:00.000000000Z" },
		{ 18446744073, "2554-07-21T23:34:33.000000000Z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[ENTRY_TIME_MAX];
		struct wr w = wr_of(text, sizeof text);
		entry_print_time(&w, cases[i].s * 1000000000u);
		assert_int_equal(wr_end_str(&w), 0);
		assert_string_equal(text, cases[i].text);
	}
	/* Each day of 130 years, there and back. */
	for (uint64_t day = 0; day < 130 * 365; day++) {
		struct entry e = entry_make(1);
		struct entry again;
		uint8_t buf[LIMIT_LEDGER_ENTRY_BYTES];
		struct wr w = wr_of(buf, sizeof buf);
		e.time_ns = day * 86400u * 1000000000u + 86399999999999u;
		assert_int_equal(entry_print(&e, &w), 0);
		assert_int_equal(entry_parse(buf, w.len, &again, NULL), 0);
		assert_int_equal(again.time_ns, e.time_ns);
	}
}

static void longest_entry_fits_its_limit(void **state)
{
	struct entry e = { .event = LEDGER_LAUNCHED, .time_ns = 1, .serial = UINT64_MAX };
	struct wire_ledger_receipt receipt;
	struct entry again;
	uint8_t buf[LIMIT_LEDGER_ENTRY_BYTES];
	struct wr w = wr_of(buf, sizeof buf);

	memset(e.guest, 0x7f, sizeof e.guest - 1);
	memset(e.resource, 0xff, sizeof e.resource - 1);
	memset(e.text, 1, sizeof e.text - 1);
	memset(e.policy_hash, 1, sizeof e.policy_hash);
	memset(e.launch_digest, 1, sizeof e.launch_digest);
	memset(e.evidence_hash, 1, sizeof e.evidence_hash);
	memset(&receipt, 'x', sizeof receipt);
	receipt.process[sizeof receipt.process - 1] = 0;
	receipt.label[sizeof receipt.label - 1] = 0;
	receipt.cgroup[sizeof receipt.cgroup - 1] = 0;
	receipt.held = le32_of(0x1fff);
	while (e.n_receipts < LIMIT_LEDGER_RECEIPTS)
		assert_int_equal(entry_add_receipt(&e, &receipt, NULL), 0);
	assert_int_equal(entry_print(&e, &w), 0);
	assert_int_equal(entry_parse(buf, w.len, &again, NULL), 0);
	assert_memory_equal(&again, &e, sizeof e);
}

/* A launch with two processes' receipts. */
static const char launch[] =
	"{\"schema\":\"casemate/ledger-entry/1\",\"time\":\"2025-11-21T10:38:00.000000001Z\","
	"\"event\":\"launched\",\"guest\":\"prod/payments\",\"serial\":7,"
	"\"policy_sha256\":null,\"launch_digest\":null,\"evidence_sha256\":null,"
	"\"resource\":null,\"text\":\"\",\"sandbox\":["
	"{\"process\":\"dev-blk data\",\"uid\":1879048193,\"filter\":\"0123456789abcdef\","
	"\"label\":\"system_u:system_r:casemate_dev_blk_t:s0:c1,c2\","
	"\"cgroup\":\"/casemate/payments.7/dev-blk-data\",\"held\":[\"root-empty\",\"threads\"]},"
	"{\"process\":\"monitor\",\"uid\":0,\"filter\":\"0000000000000000\",\"label\":null,"
	"\"cgroup\":null,\"held\":[]}]}";

static void receipts_of_a_launch_are_written_and_read_in_one_form(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{ "\"held\":[]}]}", "\"held\":[]}],}" },
		{ "\"held\":[]}]}", "\"held\":[]},]}" },
		{ "\"held\":[]}]}", "\"held\":[]}}" },
		{ "\"root-empty\",\"threads\"", "\"threads\",\"root-empty\"" },
		{ "\"root-empty\",\"threads\"", "\"root-empty\",\"root-empty\"" },
		{ "\"root-empty\",\"threads\"", "\"root-empty\" \"threads\"" },
		{ "\"threads\"", "\"thread\"" },
		{ "\"threads\"", "\"\"" },
		{ "1879048193", "4294967296" },
		{ "1879048193", "01" },
		{ "0123456789abcdef", "0123456789ABCDEF" },
		{ "0123456789abcdef", "0123456789abcde" },
		{ "\"label\":null", "\"label\":\"\"" },
		{ ",\"sandbox\":[", ",\"sandbox\":[]}x[" },
		{ ",\"sandbox\":[", ",\"Sandbox\":[" },
	};
	static struct entry e;
	static uint8_t buf[LIMIT_LEDGER_ENTRY_BYTES];
	struct wr w = wr_of(buf, sizeof buf);

	assert_int_equal(entry_parse(launch, strlen(launch), &e, NULL), 0);
	assert_int_equal(e.n_receipts, 2);
	assert_string_equal(e.receipts[0].process, "dev-blk data");
	assert_int_equal(e.receipts[0].uid, 1879048193);
	assert_int_equal(e.receipts[0].held, 0x1001);
	assert_string_equal(e.receipts[1].label, "");
	assert_int_equal(entry_print(&e, &w), 0);
	assert_int_equal(w.len, strlen(launch));
	assert_memory_equal(buf, launch, w.len);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[2048];
		const char *at = strstr(launch, cases[i].from);
		assert_non_null(at);
		int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - launch), launch,
			cases[i].to, at + strlen(cases[i].from));
		if (entry_parse(text, (size_t)n, &e, NULL) != -EBADMSG)
			fail_msg("\"%s\" is taken", cases[i].to);
	}
	for (size_t i = 0; i < strlen(launch); i++)
		assert_int_equal(entry_parse(launch, i, &e, NULL), -EBADMSG);
}

static void receipt_with_a_bad_field_is_refused(void **state)
{
	static struct entry e;
	struct wire_ledger_receipt r;

	memset(&e, 0, sizeof e);
	memset(&r, 0, sizeof r);
	assert_int_equal(entry_add_receipt(&e, &r, NULL), -EBADMSG); /* of nobody */
	memset(r.process, 'x', sizeof r.process);
	assert_int_equal(entry_add_receipt(&e, &r, NULL), -EBADMSG); /* without its end */
	r.process[4] = 0;
	r.label[0] = '"';
	assert_int_equal(entry_add_receipt(&e, &r, NULL), -EBADMSG);
	r.label[0] = 0;
	r.cgroup[0] = '\n';
	assert_int_equal(entry_add_receipt(&e, &r, NULL), -EBADMSG);
	r.cgroup[0] = 0;
	r.held = le32_of(0x2000);
	assert_int_equal(entry_add_receipt(&e, &r, NULL), -EBADMSG);
	r.held = le32_of(0x1fff);
	for (unsigned int i = 0; i < LIMIT_LEDGER_RECEIPTS; i++)
		assert_int_equal(entry_add_receipt(&e, &r, NULL), 0);
	assert_int_equal(entry_add_receipt(&e, &r, NULL), -EMSGSIZE);
}

static void message_with_a_bad_field_is_no_entry(void **state)
{
	struct wire_ledger_entry wire = { .event = le32_of(LEDGER_ENDED) };
	struct entry e;

	assert_int_equal(entry_of_wire(&wire, &e, NULL), 0);
	memset(wire.text, 'x', sizeof wire.text);
	assert_int_equal(entry_of_wire(&wire, &e, NULL), -EBADMSG);
	wire.text[0] = 0;
	memset(wire.guest, 'x', sizeof wire.guest);
	assert_int_equal(entry_of_wire(&wire, &e, NULL), -EBADMSG);
	wire.guest[0] = 0;
	wire.event = le32_of(LEDGER_EVENT_COUNT);
	assert_int_equal(entry_of_wire(&wire, &e, NULL), -EBADMSG);
	wire.event = le32_of(0);
	assert_int_equal(entry_of_wire(&wire, &e, NULL), -EBADMSG);
	wire.event = le32_of(LEDGER_ENDED);
	wire.time_ns = le64_of(UINT64_MAX);
	assert_int_equal(entry_of_wire(&wire, &e, NULL), -EBADMSG);
}

static void base64_has_one_text_for_each_value(void **state)
{
	static const char *const bad[] = { "A", "AA", "AAA", "AA=A",
		"====", "AB==", "AAB=", "AA==AAAA", "A===", "AA\n=", "AA-_" };
	uint8_t out[8];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(b64_parse(bad[i], strlen(bad[i]), out, sizeof out, &n), -EBADMSG);
	assert_int_equal(b64_parse("AAAAAAAAAAAA", 12, out, sizeof out, &n), -EMSGSIZE);
	for (size_t len = 0; len <= sizeof out; len++) {
		char text[16];
		struct wr w = wr_of(text, sizeof text);
		uint8_t in[8] = { 0xff, 0xee, 0x01, 0x80, 0x3f, 0xfb, 0, 9 };
		b64_print(&w, in, len);
		assert_int_equal(w.len, B64_TEXT_LEN(len));
		assert_int_equal(b64_parse(text, w.len, out, sizeof out, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(out, in, len);
	}
}

/* --- the ledger as it should be ----------------------------------------------------------------- */

static void count_take(
	void *owner, uint64_t index, const struct entry *e, const struct tile_entry *bytes)
{
	unsigned int *n = owner;

	assert_int_equal(index, *n);
	assert_int_equal(e->serial, *n);
	(*n)++;
}

static void entries_come_back_in_order_after_reopening(void **state)
{
	struct fix *f = *state;
	struct ledger_report r;
	unsigned int n = 0;

	assert_good(f, 0);
	for (unsigned int i = 0; i < 3; i++) {
		AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);
		assert_int_equal(ledger_get_size(l), i * 2);
		entries_append(l, 2);
	}
	assert_int_equal(ledger_verify(f->dir, NULL, count_take, &n, &r, NULL), 0);
	assert_int_equal(n, 6);
	assert_string_equal(r.head.origin, ORIGIN);
	assert_false(r.is_unfinished);
}

static bool exists(const struct fix *f, const char *path)
{
	return faccessat(f->dir, path, F_OK, 0) == 0;
}

static void full_tile_takes_the_place_of_its_partials(void **state)
{
	struct fix *f = *state;
	struct ledger_disk disk = disk_fast();
	AUTO(ledger) struct ledger *l = ledger_make(f, &disk);

	entries_append(l, 255);
	assert_true(exists(f, "tile/0/000.p/255"));
	assert_true(exists(f, "tile/entries/000.p/1"));
	entries_append(l, 1);
	assert_false(exists(f, "tile/0/000.p"));
	assert_false(exists(f, "tile/entries/000.p"));
	assert_true(exists(f, "tile/0/000"));
	assert_true(exists(f, "tile/entries/000"));
	assert_true(exists(f, "tile/1/000.p/1"));
	assert_good(f, 256);
	entries_append(l, 270);
	assert_good(f, 526);
	ledger_close(l);
	l = ledger_make(f, &disk);
	assert_int_equal(ledger_get_size(l), 526);
	entries_append(l, 1);
	assert_good(f, 527);
}

static void reader_of_an_older_size_finds_the_full_tile(void **state)
{
	struct fix *f = *state;
	struct ledger_disk disk = disk_fast();
	AUTO(ledger) struct ledger *l = ledger_make(f, &disk);
	struct merkle_hash tile[TILE_WIDTH];
	char path[TILE_PATH_MAX];

	entries_append(l, 256);
	assert_int_equal(tile_read(f->dir, 0, 0, 7, tile, path, NULL), 0);
	assert_string_equal(path, "tile/0/000");
}

static void writers_take_turns(void **state)
{
	struct fix *f = *state;
	pid_t pids[3];
	struct ledger_report r;

	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			struct note_signer s = signer_make(f);
			struct ledger *l = NULL;
			bool is_good = ledger_open(f->dir, &s, &l, NULL) == 0;
			for (unsigned int k = 0; k < 20 && is_good; k++) {
				struct entry e = entry_make(k);
				uint64_t index;
				is_good = ledger_append(l, &e, &index, NULL) == 0;
			}
			_exit(is_good ? 0 : 1);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int status = -1;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(fix_verify(f, &r), 0);
	assert_int_equal(r.head.size, 60);
}

static void writer_does_not_wait_for_ever(void **state)
{
	struct fix *f = *state;
	AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);
	AUTO(fd) int other = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct entry e = entry_make(0);
	uint64_t index = 0;

	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_int_equal(ledger_append(l, &e, &index, NULL), -EBUSY);
	assert_int_equal(flock(other, LOCK_UN), 0);
	entries_append(l, 1);
	assert_good(f, 1);
}

/* --- what a writer refuses ------------------------------------------------------------------- */

static int open_try(const struct fix *f, const char *origin)
{
	AUTO(note_signer) struct note_signer s = { 0 };
	struct ledger *l = NULL;
	struct why why = { 0 };

	assert_int_equal(note_signer_parse(f->pem, f->pem_len, origin, &s, NULL), 0);
	int err = ledger_open(f->dir, &s, &l, &why);
	ledger_close(l);
	assert_true(err == 0 || why.text[0] != 0);
	return err;
}

static void file_flip(const struct fix *f, const char *path, off_t at)
{
	AUTO(fd) int fd = openat(f->dir, path, O_RDWR | O_CLOEXEC);
	uint8_t c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

static void writer_refuses_what_it_cannot_build_upon(void **state)
{
	struct fix *f = *state;
	static const char *const files[] = { "checkpoint", "tile/0/000.p/5",
		"tile/entries/000.p/5" };

	AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);
	entries_append(l, 5);
	assert_int_equal(open_try(f, ORIGIN), 0);
	assert_int_equal(open_try(f, "example.com/other"), -EKEYREJECTED);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct stat st;
		assert_int_equal(fstatat(f->dir, files[i], &st, 0), 0);
		for (off_t at = 0; at < st.st_size; at += 37) {
			file_flip(f, files[i], at);
			assert_int_not_equal(open_try(f, ORIGIN), 0);
			file_flip(f, files[i], at);
		}
	}
	assert_int_equal(unlinkat(f->dir, "tile/0/000.p/5", 0), 0);
	assert_int_equal(open_try(f, ORIGIN), -ENOENT);
	assert_int_equal(unlinkat(f->dir, "checkpoint", 0), 0);
	assert_int_equal(open_try(f, ORIGIN), -ENOENT);
}

static void beginning_twice_is_refused(void **state)
{
	struct fix *f = *state;
	AUTO(note_signer) struct note_signer s = signer_make(f);
	AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);

	entries_append(l, 1);
	assert_int_equal(ledger_init(f->dir, &s, NULL), -EEXIST);
	assert_good(f, 1);
}

/* --- damage ----------------------------------------------------------------------------------- */

static struct fix *damage_fix;
static unsigned int damage_step;
static unsigned long damage_tried;

static void assert_bad(const char *path, const char *what, off_t at)
{
	struct ledger_report r;
	struct why why = { 0 };
	int with_key = ledger_verify(damage_fix->dir, &damage_fix->key, NULL, NULL, &r, NULL);
	int err = ledger_verify(damage_fix->dir, NULL, NULL, NULL, &r, &why);

	if (err == 0 || with_key == 0 || why.text[0] == 0)
		fail_msg("%s of %s at %lld was not found", what, path, (long long)at);
	damage_tried++;
}

static int byte_flip_each(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type != FTW_F)
		return 0;
	AUTO(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (off_t at = 0; at < st->st_size; at += damage_step) {
		uint8_t was;
		assert_int_equal(pread(fd, &was, 1, at), 1);
		uint8_t is = was ^ (uint8_t)(1u << (at % 8));
		assert_int_equal(pwrite(fd, &is, 1, at), 1);
		assert_bad(path, "a flipped byte", at);
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
	}
	return 0;
}

/* Cut at every length, one byte too many, and gone. */
static int length_change_each(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	uint8_t *was = NULL;
	size_t len = 0;

	if (type != FTW_F)
		return 0;
	assert_int_equal(fd_read_path(path, 1u << 20, &was, &len, NULL), 0);
	for (size_t cut = 0; cut < len; cut += damage_step) {
		assert_int_equal(truncate(path, (off_t)cut), 0);
		assert_bad(path, "a cut", (off_t)cut);
		AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(fd_pwrite_all(fd, was, len, 0), 0);
	}
	AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "\n", 1, (off_t)len), 1);
	assert_bad(path, "a byte too many", (off_t)len);
	assert_int_equal(truncate(path, (off_t)len), 0);
	free(was);
	return 0;
}

static void every_flipped_byte_is_found(void **state)
{
	struct fix *f = *state;
	AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);

	entries_append(l, 4);
	damage_fix = f;
	damage_step = 1;
	damage_tried = 0;
	assert_int_equal(nftw(f->path, byte_flip_each, 16, FTW_PHYS), 0);
	assert_true(damage_tried > 3000);
	assert_good(f, 4);
}

static void every_cut_file_is_found(void **state)
{
	struct fix *f = *state;
	AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);

	entries_append(l, 3);
	damage_fix = f;
	damage_step = 3;
	damage_tried = 0;
	assert_int_equal(nftw(f->path, length_change_each, 16, FTW_PHYS), 0);
	assert_true(damage_tried > 500);
	assert_good(f, 3);
}

static void damage_above_the_first_level_is_found(void **state)
{
	struct fix *f = *state;
	struct ledger_disk disk = disk_fast();
	AUTO(ledger) struct ledger *l = ledger_make(f, &disk);

	entries_append(l, 256 + 3);
	damage_fix = f;
	damage_step = 997;
	damage_tried = 0;
	assert_int_equal(nftw(f->path, byte_flip_each, 16, FTW_PHYS), 0);
	damage_step = 1;
	for (int i = 0; i < 32; i++) {
		file_flip(f, "tile/1/000.p/1", i);
		assert_bad("tile/1/000.p/1", "a flipped byte", i);
		file_flip(f, "tile/1/000.p/1", i);
	}
	assert_good(f, 259);
}

static void trouble_is_named_by_entry_file_and_byte(void **state)
{
	struct fix *f = *state;
	AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);
	struct ledger_report r;
	struct why why = { 0 };
	struct tile_entry at[TILE_WIDTH];
	char path[TILE_PATH_MAX];
	unsigned int n = 0;
	uint8_t *buf = malloc(TILE_BUNDLE_MAX);

	entries_append(l, 5);
	assert_int_equal(tile_read_bundle(f->dir, 0, 5, buf, at, &n, path, NULL), 0);
	file_flip(f, "tile/entries/000.p/5", (off_t)at[3].offset + 100);
	assert_int_equal(ledger_verify(f->dir, NULL, NULL, NULL, &r, &why), -EKEYREJECTED);
	assert_true(r.has_entry && r.entry == 3);
	assert_string_equal(r.file, "tile/entries/000.p/5");
	assert_int_equal(r.offset, at[3].offset);
	assert_non_null(strstr(why.text, "entry 3 (tile/entries/000.p/5, byte "));
	file_flip(f, "tile/entries/000.p/5", (off_t)at[3].offset + 100);

	why_clear(&why);
	file_flip(f, "tile/0/000.p/5", 2 * 32 + 7);
	assert_int_equal(ledger_verify(f->dir, NULL, NULL, NULL, &r, &why), -EKEYREJECTED);
	assert_string_equal(r.file, "tile/0/000.p/5");
	assert_int_equal(r.offset, 64);
	assert_non_null(strstr(why.text, "the entry is what was signed"));
	free(buf);
}

static void ledger_of_another_key_is_not_the_one_asked_for(void **state)
{
	struct fix *f = *state;
	struct note_key other = f->key;
	struct ledger_report r;

	other.pub[5] ^= 1;
	assert_int_equal(ledger_verify(f->dir, &other, NULL, NULL, &r, NULL), -EKEYREJECTED);
	other = f->key;
	other.name[0] = 'E';
	assert_int_equal(ledger_verify(f->dir, &other, NULL, NULL, &r, NULL), -EKEYREJECTED);
}

/* An entry that is well signed but not of our form: framing and hashes hold, the entry does not. */
static void signed_nonsense_is_still_nonsense(void **state)
{
	struct fix *f = *state;
	AUTO(ledger) struct ledger *l = ledger_make(f, &ledger_disk_real);
	struct ledger_report r;
	uint64_t index = 0;

	entries_append(l, 1);
	assert_int_equal(ledger_append_bytes(l, "{}", 2, &index, NULL), 0);
	assert_int_equal(fix_verify(f, &r), -EBADMSG);
	assert_int_equal(r.entry, 1);
}

/* --- interruptions ---------------------------------------------------------------------------- */

/* A disk on which the n-th call goes wrong. */
static struct {
	unsigned long calls;
	unsigned long at; /* which call; 0: none */
	int err;          /* what it says */
	bool is_dead;     /* from then on nothing happens any more: the process is gone */
	bool is_death;
	bool is_full;         /* from then on nothing new fits */
	size_t write_part;    /* a failing write first writes so many bytes */
	unsigned long writes; /* write calls so far; with write_at, that write fails */
	unsigned long write_at;
	size_t write_len; /* length of that write */
} bad;

/* True when this call must fail. */
static bool bad_step(bool is_growing)
{
	bad.calls++;
	if (bad.is_dead || (bad.is_full && is_growing) || (bad.at != 0 && bad.calls == bad.at)) {
		bad.is_dead = bad.is_death;
		errno = bad.err;
		return true;
	}
	return false;
}

static int bad_create(int dir_fd, const char *path, mode_t mode)
{
	return bad_step(true) ? -1 : ledger_disk_real.create(dir_fd, path, mode);
}

static ssize_t bad_write(int fd, const void *buf, size_t len)
{
	bool is_hit = bad_step(true);

	if (!bad.is_dead || is_hit)
		bad.writes++;
	if (bad.write_at != 0 && bad.writes == bad.write_at && !is_hit) {
		bad.write_len = len;
		is_hit = true;
	}
	if (!is_hit)
		return write(fd, buf, len);
	if (bad.write_part > 0 && bad.write_part <= len) {
		ssize_t n = write(fd, buf, bad.write_part);
		assert_true(n >= 0);
		bad.write_part = 0;
	}
	bad.is_dead = bad.is_death;
	errno = bad.err;
	return -1;
}

static int bad_fsync(int fd)
{
	return bad_step(false) ? -1 : 0;
}

static int bad_rename(int dir_fd, const char *from, const char *to)
{
	return bad_step(false) ? -1 : ledger_disk_real.rename(dir_fd, from, to);
}

static int bad_mkdir(int dir_fd, const char *path, mode_t mode)
{
	return bad_step(true) ? -1 : mkdirat(dir_fd, path, mode);
}

static int bad_unlink(int dir_fd, const char *path, int flags)
{
	return bad_step(false) ? -1 : unlinkat(dir_fd, path, flags);
}

static const struct ledger_disk disk_bad = { bad_create, bad_write, bad_fsync, bad_rename,
	bad_mkdir, bad_unlink };

/* How many entries are there, whole and signed? */
static uint64_t size_read(const struct fix *f)
{
	struct ledger_report r;
	struct why why = { 0 };
	int err = ledger_verify(f->dir, &f->key, NULL, NULL, &r, &why);

	if (err != 0)
		fail_msg("after call %lu: %s", bad.at, why_text(&why, err));
	return r.head.size;
}

/* Append with the disk going wrong once; what must hold afterwards, whatever it was. */
static bool interrupted_append(struct fix *f, struct ledger *l, uint64_t before)
{
	struct entry e = entry_make((unsigned int)before);
	uint64_t index = 0;

	bad.calls = 0;
	bad.writes = 0;
	int err = ledger_append(l, &e, &index, NULL);
	bool is_dead = bad.is_dead;
	bad.at = 0;
	bad.write_at = 0;
	bad.is_dead = false;
	bad.is_full = false;
	uint64_t size = size_read(f);
	assert_true(size == before || size == before + 1);
	if (err == 0)
		assert_int_equal(size, before + 1);
	return is_dead;
}

/* Death at each call in turn, beginning with a ledger of `size` entries. */
static void death_run(struct fix *f, unsigned int size)
{
	struct ledger_disk fast = disk_fast();
	AUTO(ledger) struct ledger *first = ledger_make(f, &fast);

	entries_append(first, size - (unsigned int)ledger_get_size(first));
	for (unsigned long n = 1;; n++) {
		AUTO(ledger) struct ledger *l = ledger_make(f, &disk_bad);
		uint64_t before = ledger_get_size(l);
		memset(&bad, 0, sizeof bad);
		bad.at = n;
		bad.err = EIO;
		bad.is_death = true;
		bad.write_part = 1 + n % 40;
		bool was_hit = interrupted_append(f, l, before);
		/* The next writer clears up, appends, and everything holds. */
		ledger_close(l);
		l = ledger_make(f, &disk_bad);
		struct ledger_report r;
		assert_int_equal(fix_verify(f, &r), 0);
		assert_false(r.is_unfinished);
		if (!was_hit)
			return;
		assert_true(n < 2000);
		/* Stay at the size in question: forget an entry that did get through. */
		if (ledger_get_size(l) != before)
			return;
	}
}

static void death_at_any_call_leaves_the_last_whole_entry(void **state)
{
	death_run(*state, 0);
	death_run(*state, 4);
	death_run(*state, 255);
	death_run(*state, 300);
}

static void death_while_clearing_up_does_no_harm(void **state)
{
	struct fix *f = *state;
	struct ledger_disk fast = disk_fast();
	struct ledger *l = ledger_make(f, &fast);

	entries_append(l, 255);
	ledger_close(l);
	for (unsigned long n = 10; n < 300; n += 29) {
		memset(&bad, 0, sizeof bad);
		l = ledger_make(f, &disk_bad);
		bad.at = n;
		bad.err = EIO;
		bad.is_death = true;
		(void)interrupted_append(f, l, ledger_get_size(l));
		ledger_close(l);
	}
	l = ledger_make(f, &fast);
	assert_true(ledger_get_size(l) >= 256);
	entries_append(l, 1);
	ledger_close(l);
	assert_false(exists(f, "tile/0/000.p"));
}

static void death_at_any_byte_of_a_write_leaves_the_last_whole_entry(void **state)
{
	struct fix *f = *state;
	struct ledger_disk fast = disk_fast();
	struct ledger *l = ledger_make(f, &fast);

	entries_append(l, 2);
	ledger_close(l);
	for (unsigned long write_at = 1; write_at <= 3; write_at++) {
		size_t len = 1;
		for (size_t part = 0; part < len; part++) {
			memset(&bad, 0, sizeof bad);
			l = ledger_make(f, &disk_bad);
			bad.err = EIO;
			bad.is_death = true;
			bad.write_at = write_at;
			bad.write_part = part;
			assert_true(interrupted_append(f, l, 2));
			len = bad.write_len;
			assert_true(len > 100 || write_at == 2);
			ledger_close(l);
			assert_int_equal(size_read(f), 2);
		}
	}
	l = ledger_make(f, &fast);
	entries_append(l, 1);
	ledger_close(l);
	assert_good(f, 3);
}

static void failing_call_is_an_error_and_the_writer_goes_on(void **state)
{
	struct fix *f = *state;
	struct ledger_disk fast = disk_fast();
	static const int errs[] = { ENOSPC, EIO, EDQUOT };

	struct ledger *l = ledger_make(f, &fast);
	entries_append(l, 254);
	ledger_close(l);
	memset(&bad, 0, sizeof bad);
	l = ledger_make(f, &disk_bad);
	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		for (unsigned long n = 1;; n++) {
			uint64_t before = size_read(f);
			memset(&bad, 0, sizeof bad);
			bad.at = n;
			bad.err = errs[i];
			bad.write_part = n % 30;
			(void)interrupted_append(f, l, before);
			if (bad.calls < n)
				break;
			/* The same writer, after the trouble is over. */
			struct entry e = entry_make(7);
			uint64_t index = 0;
			uint64_t now = size_read(f);
			bad.at = 0;
			assert_int_equal(ledger_append(l, &e, &index, NULL), 0);
			assert_int_equal(index, now);
			assert_true(n < 2000);
		}
	}
	ledger_close(l);
}

static void full_disk_changes_nothing(void **state)
{
	struct fix *f = *state;
	struct ledger_disk fast = disk_fast();
	struct ledger *l = ledger_make(f, &fast);
	struct why why = { 0 };
	struct entry e = entry_make(0);
	uint64_t index = 0;

	entries_append(l, 255);
	ledger_close(l);
	l = ledger_make(f, &disk_bad);
	memset(&bad, 0, sizeof bad);
	bad.err = ENOSPC;
	bad.is_full = true;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(ledger_append(l, &e, &index, &why), -ENOSPC);
		assert_non_null(strstr(why.text, "No space left on device"));
		struct ledger_report r;
		assert_int_equal(fix_verify(f, &r), 0);
		assert_int_equal(r.head.size, 255);
		assert_false(r.is_unfinished);
	}
	bad.is_full = false;
	assert_int_equal(ledger_append(l, &e, &index, NULL), 0);
	assert_int_equal(index, 255);
	ledger_close(l);
	assert_int_equal(size_read(f), 256);
}

static bool text_write(const char *path, const char *text)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0;
}

static bool ids_map(uid_t uid, gid_t gid)
{
	char map[64];

	(void)snprintf(map, sizeof map, "0 %u 1\n", uid);
	bool is_good =
		text_write("/proc/self/setgroups", "deny") && text_write("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof map, "0 %u 1\n", gid);
	return is_good && text_write("/proc/self/gid_map", map);
}

/* In a child with a mount namespace of its own: a file system of a few pages. */
static int small_disk_run(void)
{
	struct fix f = { .dir = -1 };
	struct note_signer s = { 0 };
	struct ledger *l = NULL;
	struct ledger_report r;
	uint64_t index = 0;
	uint64_t n = 0;
	int err = 0;
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !ids_map(uid, gid) ||
		mount("t", "/tmp", "tmpfs", 0, "size=96k") < 0)
		return 77;
	f.dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	key_make(&f);
	s = signer_make(&f);
	if (ledger_init(f.dir, &s, NULL) < 0 || ledger_open(f.dir, &s, &l, NULL) < 0)
		return 2;
	while (err == 0) {
		struct entry e = entry_make((unsigned int)n);
		err = ledger_append(l, &e, &index, NULL);
		n += err == 0;
	}
	if (err != -ENOSPC || n == 0 || ledger_verify(f.dir, &f.key, NULL, NULL, &r, NULL) != 0)
		return 3;
	return r.head.size == n && !r.is_unfinished ? 0 : 4;
}

static void really_full_disk_leaves_a_good_ledger(void **state)
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(small_disk_run());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void killed_writer_keeps_every_acknowledged_entry(void **state)
{
	struct fix *f = *state;
	uint64_t acknowledged = 0;

	for (unsigned int round = 0; round < 25; round++) {
		int pipe_fds[2];
		assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct note_signer s = signer_make(f);
			struct ledger *l = NULL;
			if (ledger_open(f->dir, &s, &l, NULL) < 0)
				_exit(1);
			for (;;) {
				struct entry e = entry_make(round);
				uint64_t index = 0;
				if (ledger_append(l, &e, &index, NULL) != 0 ||
					write(pipe_fds[1], &index, sizeof index) != sizeof index)
					_exit(1);
			}
		}
		(void)close(pipe_fds[1]);
		(void)usleep(1000 + round * 1713 % 20000);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		for (uint64_t index; read(pipe_fds[0], &index, sizeof index) == sizeof index;)
			acknowledged = index + 1;
		(void)close(pipe_fds[0]);
		assert_true(size_read(f) >= acknowledged);
	}
	assert_true(acknowledged > 0);
	struct ledger *l = ledger_make(f, &ledger_disk_real);
	ledger_close(l);
	assert_true(size_read(f) >= acknowledged);
}

static void interrupted_beginning_can_be_repeated(void **state)
{
	struct fix *f = *state;
	AUTO(note_signer) struct note_signer s = signer_make(f);

	for (unsigned long n = 1;; n++) {
		assert_int_equal(unlinkat(f->dir, "checkpoint", 0), 0);
		(void)unlinkat(f->dir, "vkey", 0);
		memset(&bad, 0, sizeof bad);
		bad.at = n;
		bad.err = EIO;
		bad.is_death = true;
		bad.write_part = n;
		int err = ledger_init_disk(f->dir, &s, &disk_bad, NULL);
		bool was_hit = bad.is_dead;
		if (!exists(f, "checkpoint"))
			assert_int_equal(ledger_init(f->dir, &s, NULL), 0);
		assert_good(f, 0);
		if (!was_hit) {
			assert_int_equal(err, 0);
			return;
		}
		assert_true(n < 100);
	}
}

/* --- proofs ----------------------------------------------------------------------------------- */

static size_t proof_text(const struct fix *f, uint64_t index, uint8_t ret[LIMIT_LEDGER_PROOF_BYTES])
{
	struct wr w = wr_of(ret, LIMIT_LEDGER_PROOF_BYTES);
	struct why why = { 0 };
	int err = proof_make(f->dir, &f->key, index, &w, &why);

	if (err != 0)
		fail_msg("%s", why_text(&why, err));
	return w.len;
}

static uint8_t proof_buf[LIMIT_LEDGER_PROOF_BYTES];

static void proof_of_every_entry_holds(void **state)
{
	struct fix *f = *state;
	struct ledger_disk disk = disk_fast();
	static const uint64_t indexes[] = { 0, 1, 254, 255, 256, 257, 400, 511, 512, 513 };
	static struct proof p;
	struct wr w = wr_of(proof_buf, sizeof proof_buf);

	struct ledger *l = ledger_make(f, &disk);
	entries_append(l, 514);
	ledger_close(l);
	for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
		size_t len = proof_text(f, indexes[i], proof_buf);
		assert_int_equal(proof_verify(proof_buf, len, &f->key, &p, NULL), 0);
		assert_int_equal(p.index, indexes[i]);
		assert_int_equal(p.entry.serial, indexes[i]);
		assert_int_equal(p.head.size, 514);
	}
	assert_int_equal(proof_make(f->dir, &f->key, 514, &w, NULL), -ERANGE);
}

static void proof_with_any_changed_byte_is_refused(void **state)
{
	struct fix *f = *state;
	static struct proof p;
	struct ledger *l = ledger_make(f, &ledger_disk_real);

	entries_append(l, 5);
	ledger_close(l);
	size_t len = proof_text(f, 2, proof_buf);
	for (size_t i = 0; i < len; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			proof_buf[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(proof_verify(proof_buf, len, &f->key, &p, NULL), 0);
			proof_buf[i] ^= (uint8_t)(1u << bit);
		}
	}
	for (size_t i = 0; i < len; i++)
		assert_int_not_equal(proof_verify(proof_buf, i, &f->key, &p, NULL), 0);
	struct note_key other = f->key;
	other.pub[0] ^= 1;
	assert_int_equal(proof_verify(proof_buf, len, &other, &p, NULL), -EKEYREJECTED);
	assert_int_equal(proof_verify(proof_buf, len, &f->key, &p, NULL), 0);
}

static void damaged_ledger_gives_no_proof(void **state)
{
	struct fix *f = *state;
	struct wr w = wr_of(proof_buf, sizeof proof_buf);
	struct ledger *l = ledger_make(f, &ledger_disk_real);

	entries_append(l, 5);
	ledger_close(l);
	file_flip(f, "tile/0/000.p/5", 0);
	assert_int_equal(proof_make(f->dir, &f->key, 1, &w, NULL), -EKEYREJECTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fix_setup, fix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_tree_has_its_known_roots),
		TEST(every_path_of_a_small_tree_holds_and_no_other),
		cmocka_unit_test(tile_paths_are_those_of_the_specification),
		cmocka_unit_test(note_of_the_specification_is_verified),
		cmocka_unit_test(note_with_any_changed_byte_is_refused),
		cmocka_unit_test(verifier_key_with_any_changed_byte_is_refused),
		cmocka_unit_test(signature_of_a_stranger_is_ignored_but_not_enough),
		TEST(checkpoint_of_another_form_is_refused),
		TEST(private_key_of_another_kind_is_refused),
		cmocka_unit_test(entry_is_written_and_read_in_one_form),
		cmocka_unit_test(entry_in_any_other_form_is_refused),
		cmocka_unit_test(times_are_written_as_the_calendar_says),
		cmocka_unit_test(longest_entry_fits_its_limit),
		cmocka_unit_test(receipts_of_a_launch_are_written_and_read_in_one_form),
		cmocka_unit_test(receipt_with_a_bad_field_is_refused),
		cmocka_unit_test(message_with_a_bad_field_is_no_entry),
		cmocka_unit_test(base64_has_one_text_for_each_value),
		TEST(entries_come_back_in_order_after_reopening),
		TEST(full_tile_takes_the_place_of_its_partials),
		TEST(reader_of_an_older_size_finds_the_full_tile),
		TEST(writers_take_turns),
		TEST(writer_does_not_wait_for_ever),
		TEST(writer_refuses_what_it_cannot_build_upon),
		TEST(beginning_twice_is_refused),
		TEST(every_flipped_byte_is_found),
		TEST(every_cut_file_is_found),
		TEST(damage_above_the_first_level_is_found),
		TEST(trouble_is_named_by_entry_file_and_byte),
		TEST(ledger_of_another_key_is_not_the_one_asked_for),
		TEST(signed_nonsense_is_still_nonsense),
		TEST(death_at_any_call_leaves_the_last_whole_entry),
		TEST(death_while_clearing_up_does_no_harm),
		TEST(death_at_any_byte_of_a_write_leaves_the_last_whole_entry),
		TEST(failing_call_is_an_error_and_the_writer_goes_on),
		TEST(full_disk_changes_nothing),
		cmocka_unit_test(really_full_disk_leaves_a_good_ledger),
		TEST(killed_writer_keeps_every_acknowledged_entry),
		TEST(interrupted_beginning_can_be_repeated),
		TEST(proof_of_every_entry_holds),
		TEST(proof_with_any_changed_byte_is_refused),
		TEST(damaged_ledger_gives_no_proof),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
