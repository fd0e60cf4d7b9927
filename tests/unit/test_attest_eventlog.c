/*
 * Boot event logs: made-up ones with one thing wrong each, and, where the folder of real ones is
 * there (argument), every real log against the registers its neighbour lists.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/eventlog.h"
#include "base/fd.h"
#include "base/wr.h"
#include "tests/unit/cm.h"

static const char *vectors;

/* --- made-up logs ------------------------------------------------------------------------------- */

struct maker {
	struct wr w;
	uint8_t buf[4096];
	const struct tpm_alg *alg;
	uint8_t want[TPM_DIGEST_MAX]; /* register 7 of a PCR log, 1 of a CCEL */
};

static void log_start(struct maker *m, uint16_t alg)
{
	*m = (struct maker){ .alg = tpm_alg_find(alg) };
	m->w = wr_of(m->buf, sizeof m->buf);
	wr_le32(&m->w, 0);
	wr_le32(&m->w, EVENT_NO_ACTION);
	wr_zero(&m->w, 20);
	wr_le32(&m->w, 16 + 8 + 4 + 4 + 1);
	wr_copy(&m->w, "Spec ID Event03", 16);
	wr_copy(&m->w, "\0\0\0\0\0\2\0\2", 8);
	wr_le32(&m->w, 1);
	wr_le16(&m->w, alg);
	wr_le16(&m->w, m->alg->size);
	wr_u8(&m->w, 0);
}

/* An event whose digest is that of what is measured. */
static void log_add(struct maker *m, uint32_t reg, uint32_t type, const void *data, size_t len,
	const void *measured, size_t measured_len)
{
	const struct tpm_part part = { measured, measured_len };
	uint8_t digest[TPM_DIGEST_MAX];

	assert_int_equal(tpm_hash(m->alg, &part, 1, digest), 0);
	wr_le32(&m->w, reg);
	wr_le32(&m->w, type);
	wr_le32(&m->w, 1);
	wr_le16(&m->w, m->alg->id);
	wr_copy(&m->w, digest, m->alg->size);
	wr_le32(&m->w, (uint32_t)len);
	wr_copy(&m->w, data, len);
	assert_int_equal(tpm_extend(m->alg, m->want, digest), 0);
}

static void log_add_same(struct maker *m, uint32_t reg, uint32_t type, const void *data, size_t len)
{
	log_add(m, reg, type, data, len, data, len);
}

static void log_add_secure_boot(struct maker *m, uint32_t reg, uint8_t value)
{
	static const char name[] = "SecureBoot";
	uint8_t data[16 + 16 + 20 + 1] = { 0 };

	data[16] = 10, data[24] = 1;
	for (size_t i = 0; i < 10; i++)
		data[32 + 2 * i] = (uint8_t)name[i];
	data[sizeof data - 1] = value;
	log_add_same(m, reg, 0x80000001, data, sizeof data);
}

static struct attest_blob log_blob(const struct maker *m)
{
	assert_int_equal(wr_check(&m->w), 0);
	return (struct attest_blob){ m->buf, m->w.len };
}

static int replay(const struct maker *m, enum eventlog_kind kind, struct eventlog_replay *ret)
{
	return eventlog_replay(log_blob(m), m->alg->id, kind, ret, NULL);
}

static void a_log_replays_to_its_register(void **state)
{
	struct maker m;
	struct eventlog_replay r;

	log_start(&m, TPM_ALG_SHA256);
	log_add_secure_boot(&m, 7, 1);
	log_add_same(&m, 7, 4, "\0\0\0\0", 4);
	wr_zero(&m.w, 100);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_memory_equal(r.value[7], m.want, 32);
	assert_int_equal(r.present, 1u << 7);
	assert_int_equal(r.secure_boot, EVENTLOG_ON);
	assert_int_equal(r.n_proven, 2);
	assert_string_equal(r.problem.text, "");
	assert_true(eventlog_recognise(log_blob(&m)));
	assert_int_equal(eventlog_guess_kind(log_blob(&m)), EVENTLOG_TCG);
	assert_int_equal(r.value[17][0], 0xFF);
	assert_int_equal(r.value[23][0], 0);
}

static void a_ccel_has_rtmrs(void **state)
{
	struct maker m;
	struct eventlog_replay r;
	char name[EVENTLOG_NAME_MAX];

	log_start(&m, TPM_ALG_SHA384);
	log_add_secure_boot(&m, 1, 0);
	memset(m.buf + m.w.len, 0xFF, 50);
	m.w.len += 50;
	assert_int_equal(eventlog_guess_kind(log_blob(&m)), EVENTLOG_CCEL);
	assert_int_equal(replay(&m, EVENTLOG_CCEL, &r), 0);
	assert_memory_equal(r.value[1], m.want, 48);
	assert_int_equal(r.secure_boot, EVENTLOG_OFF);
	eventlog_register_name(1, EVENTLOG_CCEL, name);
	assert_string_equal(name, "RTMR 0");

	log_add_same(&m, 5, 5, "x", 1); /* after padding: not even looked at, but refused */
	assert_int_equal(replay(&m, EVENTLOG_CCEL, &r), -EBADMSG);
	log_start(&m, TPM_ALG_SHA384);
	log_add_same(&m, 5, 5, "x", 1);
	assert_int_equal(replay(&m, EVENTLOG_CCEL, &r), -EBADMSG);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
}

static void what_a_digest_proves(void **state)
{
	static const struct {
		uint32_t type;
		const char *data;
		size_t len;
		const char *measured;
		size_t measured_len;
		enum eventlog_proof want;
	} rows[] = {
		{ 4, "\0\0\0\0", 4, "\0\0\0\0", 4, EVENTLOG_PROVEN },
		{ 4, "\0\0\0\0", 4, "\1\0\0\0", 4, EVENTLOG_EDITED },
		{ 0x80000007, "Exit", 4, "Exit", 4, EVENTLOG_PROVEN },
		{ 0x80000007, "Exit", 4, "exit", 4, EVENTLOG_EDITED },
		{ 0x80000006, "GPT", 3, "gpt", 3, EVENTLOG_EDITED },
		{ 0xD, "grub_cmd: ls", 13, "ls", 2, EVENTLOG_PROVEN },
		{ 0xD, "kernel_cmdline: a", 17, "a", 1, EVENTLOG_PROVEN },
		{ 0xD, "grub_cmd: lxy", 13, "ls", 2, EVENTLOG_EDITED },
		{ 0xD, "grub_cmd ls\0", 13, "ls", 3, EVENTLOG_PROVEN },
		{ 0xD, "grub_cmd sl\0", 13, "ls", 3, EVENTLOG_UNPROVEN },
		{ 0x800000E0, "certificate", 12, "certificate", 11, EVENTLOG_PROVEN },
		{ 0x800000E0, "certificate", 12, "another one", 11, EVENTLOG_EDITED },
		{ 0xD, "/vmlinuz", 9, "the kernel", 10, EVENTLOG_UNPROVEN },
		{ 6, "\1\0\0\0\3\0\0\0abc", 11, "abc", 3, EVENTLOG_PROVEN },
		{ 6, "\1\0\0\0\4\0\0\0abc", 11, "abc", 3, EVENTLOG_UNPROVEN },
		{ 0x80000003, "image", 5, "image", 5, EVENTLOG_UNPROVEN },
		{ 0x80000002, "short", 5, "other", 5, EVENTLOG_EDITED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct maker m;
		struct eventlog_replay r;
		struct eventlog log;
		struct eventlog_event e;
		log_start(&m, TPM_ALG_SHA256);
		log_add(&m, 7, rows[i].type, rows[i].data, rows[i].len, rows[i].measured,
			rows[i].measured_len);
		assert_int_equal(eventlog_open(&log, log_blob(&m), NULL), 0);
		assert_int_equal(eventlog_next(&log, &e, NULL), 0);
		assert_int_equal(eventlog_next(&log, &e, NULL), 0);
		assert_int_equal(eventlog_prove(&e, TPM_ALG_SHA256), rows[i].want);
		assert_int_equal(eventlog_next(&log, &e, NULL), -ENODATA);
		assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
		assert_memory_equal(r.value[7], m.want, 32);
		assert_int_equal(r.problem.text[0] != '\0', rows[i].want == EVENTLOG_EDITED);
	}
}

static void separators_end_a_phase(void **state)
{
	struct maker m;
	struct eventlog_replay r;

	log_start(&m, TPM_ALG_SHA256);
	log_add_same(&m, 7, 4, "\0\0\0\0", 4);
	log_add_secure_boot(&m, 7, 1); /* too late to mean anything */
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_int_equal(r.secure_boot, EVENTLOG_NOT_SAID);
	assert_string_equal(r.problem.text, "");
	log_add_same(&m, 7, 4, "\0\0\0\0", 4);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_string_equal(r.problem.text, "event 3: one separator too many in PCR 7");
}

/* A log may say what it likes of events that no quoted register speaks for. */
static void events_that_nothing_proves_are_a_problem(void **state)
{
	struct maker m;
	struct eventlog_replay r;

	log_start(&m, TPM_ALG_SHA384);
	log_add_same(&m, 0, 5, "x", 1);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_string_equal(r.problem.text, "");
	assert_int_equal(replay(&m, EVENTLOG_CCEL, &r), 0);
	assert_string_equal(
		r.problem.text, "event 1 (EV_ACTION): it names MRTD, which no event extends");

	log_start(&m, TPM_ALG_SHA256);
	wr_le32(&m.w, 7);
	wr_le32(&m.w, 5);
	wr_le32(&m.w, 0); /* digests */
	wr_le32(&m.w, 1);
	wr_str(&m.w, "x");
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_string_equal(r.problem.text, ""); /* a bank that is not used */
	log_add_same(&m, 7, 5, "x", 1);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_string_equal(r.problem.text,
		"event 1: it has no sha256 digest, others have: nothing says that it happened");
}

static void secure_boot_that_was_ever_off_is_off(void **state)
{
	struct maker m;
	struct eventlog_replay r;

	log_start(&m, TPM_ALG_SHA256);
	log_add_secure_boot(&m, 7, 0);
	log_add_secure_boot(&m, 7, 1);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_int_equal(r.secure_boot, EVENTLOG_OFF);
}

static void locality_sets_pcr_0(void **state)
{
	struct maker m;
	struct eventlog_replay r;

	log_start(&m, TPM_ALG_SHA256);
	log_add_same(&m, 0, EVENT_NO_ACTION, "StartupLocality\0\3", 17);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_int_equal(r.value[0][31], 3);
	assert_string_equal(r.problem.text, "");
	log_add_same(&m, 0, 8, "v", 1);
	log_add_same(&m, 0, EVENT_NO_ACTION, "StartupLocality\0\0", 17);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), 0);
	assert_string_not_equal(r.problem.text, "");
}

static void every_cut_is_refused_or_shorter(void **state)
{
	struct maker m;
	struct eventlog_replay r;

	log_start(&m, TPM_ALG_SHA256);
	size_t header = m.w.len, whole;
	log_add_secure_boot(&m, 7, 1);
	whole = m.w.len;
	for (size_t len = 0; len <= whole; len++) {
		m.w.len = len;
		int err = replay(&m, EVENTLOG_TCG, &r);
		assert_int_equal(err, len == header || len == whole ? 0 : -EBADMSG);
	}
}

static void a_header_must_make_sense(void **state)
{
	struct maker m;
	struct eventlog_replay r;

	log_start(&m, TPM_ALG_SHA256);
	m.buf[32 + 24] = 0; /* no algorithm */
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), -EBADMSG);
	m.buf[32 + 24] = 200;
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), -EBADMSG);
	log_start(&m, TPM_ALG_SHA256);
	m.buf[32 + 30] = 33; /* its size */
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), -EBADMSG);
	log_start(&m, TPM_ALG_SHA256);
	assert_int_equal(
		eventlog_replay(log_blob(&m), TPM_ALG_SHA1, EVENTLOG_TCG, &r, NULL), -ENOENT);
	log_add_same(&m, 24, 5, "x", 1);
	assert_int_equal(replay(&m, EVENTLOG_TCG, &r), -EBADMSG);
}

static void zeros_are_no_log(void **state)
{
	static const uint8_t zeros[200], event[32] = { [4] = 1, [20] = 1 };

	for (size_t len = 0; len < sizeof zeros; len++)
		assert_false(eventlog_recognise((struct attest_blob){ zeros, len }));
	assert_true(eventlog_recognise((struct attest_blob){ event, sizeof event }));
}

/* The old form has no signature: each event has to be one. */
static void an_old_log_has_to_be_whole(void **state)
{
	uint8_t two[68] = { [4] = 8, [20] = 1, [28] = 4, [36] = 1, [36 + 4] = 4, [36 + 20] = 1 };
	uint8_t report[1183] = {
		3, [0x0A] = 3, [0x90] = 0xD2
	}; /* an SNP report that lost a byte */
	const struct attest_blob b = { two, sizeof two };

	assert_true(eventlog_recognise(b));
	for (size_t len = 0; len < sizeof two; len++)
		assert_int_equal(eventlog_recognise((struct attest_blob){ two, len }), len == 36);
	two[36] = 24; /* register */
	assert_false(eventlog_recognise(b));
	two[36] = 1, two[40] = 0; /* type */
	assert_false(eventlog_recognise(b));
	two[40] = 4, two[5] = 1; /* of the first: one nobody knows */
	assert_false(eventlog_recognise(b));
	for (uint8_t svn = 0; svn < 4; svn++) {
		report[4] = svn; /* type */
		assert_false(eventlog_recognise((struct attest_blob){ report, sizeof report }));
	}
}

static void boots_are_told_apart(void **state)
{
	struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];
	struct maker m;
	uint8_t buf[1024];
	struct wr w = wr_of(buf, sizeof buf);

	log_start(&m, TPM_ALG_SHA256);
	struct attest_blob one = log_blob(&m);
	assert_int_equal(eventlog_split(one, boots), 1);
	assert_ptr_equal(boots[0].p, one.p);
	for (int i = 0; i < 3; i++) {
		wr_le32(&w, (uint32_t)one.len);
		wr_copy(&w, one.p, one.len);
	}
	assert_int_equal(eventlog_split((struct attest_blob){ buf, w.len }, boots), 3);
	assert_int_equal(boots[2].len, one.len);
	assert_int_equal(eventlog_split((struct attest_blob){ buf, w.len - 1 }, boots), 1);
}

static void an_explanation_is_one_printable_line(void **state)
{
	struct eventlog_event e = {
		.type = 0xD, .data = (const uint8_t *)"grub_cmd: a\nb\x80 c", .len = 16
	};
	char text[12];

	eventlog_explain(&e, text, sizeof text);
	assert_string_equal(text, "grub_cmd: a");
	e.data += 10, e.len -= 10;
	eventlog_explain(&e, text, sizeof text);
	assert_int_equal(strspn(text, " !\"#$%&'()*+,-./0123456789:;<=>?abcdef"), strlen(text));
	assert_string_equal(eventlog_type_name(0x80000007), "EV_EFI_ACTION");
	assert_string_equal(eventlog_type_name(0x12345), "EV_?");
}

/* --- real logs ---------------------------------------------------------------------------------- */

static void values_compare(
	const char *name, struct attest_blob blob, const char *bank, json_t *regs)
{
	enum eventlog_kind kind = eventlog_guess_kind(blob);
	struct eventlog_replay r = { 0 };
	struct why why = { 0 };
	const char *reg;
	json_t *value;
	char hex[2 * TPM_DIGEST_MAX + 1];
	uint32_t present = 0;

	int err = eventlog_replay(blob, tpm_alg_named(bank, strlen(bank))->id, kind, &r, &why);
	if (err < 0 || r.problem.text[0] != '\0')
		fail_msg("%s, %s: %s%s", name, bank, why.text, r.problem.text);
	json_object_foreach(regs, reg, value)
	{
		uint32_t n = (uint32_t)strtoul(reg, NULL, 10);
		assert_in_range(n, 0, EVENTLOG_REGISTERS - 1);
		wr_hex_str(hex, sizeof hex, r.value[n], r.alg->size);
		if (strcmp(hex, json_string_value(value)) != 0)
			fail_msg("%s, %s, register %u: %s, want %s", name, bank, n, hex,
				json_string_value(value));
		present |= 1u << n;
	}
	assert_int_equal(r.present, present);
}

static struct attest_blob file_read(const char *name, uint8_t **ret_buf)
{
	char path[512];
	size_t len = 0;

	(void)snprintf(path, sizeof path, "%s/eventlog/%s", vectors, name);
	if (fd_read_path(path, LIMIT_EVIDENCE_BYTES, ret_buf, &len, NULL) < 0)
		fail_msg("%s", path);
	return (struct attest_blob){ *ret_buf, len };
}

static void real_log_check(const char *name)
{
	uint8_t *log_buf, *regs_buf;
	char regs_name[256];
	const char *bank;
	json_t *regs;

	struct attest_blob blob = file_read(name, &log_buf);
	(void)snprintf(regs_name, sizeof regs_name, "%.*s.regs.json", (int)strlen(name) - 4, name);
	struct attest_blob text = file_read(regs_name, &regs_buf);
	json_t *root = json_loadb((const char *)text.p, text.len, 0, NULL);
	assert_non_null(root);
	assert_true(eventlog_recognise(blob));
	json_object_foreach(json_object_get(root, "banks"), bank, regs)
		values_compare(name, blob, bank, regs);
	json_decref(root);
	free(log_buf);
	free(regs_buf);
}

static void real_logs_replay(void **state)
{
	char path[512];
	size_t n = 0;

	if (vectors == NULL)
		skip();
	(void)snprintf(path, sizeof path, "%s/eventlog", vectors);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		size_t len = strlen(d->d_name);
		if (len > 10 && strcmp(d->d_name + len - 10, ".regs.json") == 0) {
			char name[256];
			(void)snprintf(name, sizeof name, "%.*s.bin", (int)len - 10, d->d_name);
			real_log_check(name);
			n++;
		}
	}
	(void)closedir(dir);
	assert_true(n > 10);

	uint8_t *buf;
	struct attest_blob bogus = file_read("tpm-keylime-bogus.bin", &buf);
	assert_false(eventlog_recognise(bogus));
	free(buf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_replays_to_its_register),
		cmocka_unit_test(a_ccel_has_rtmrs),
		cmocka_unit_test(what_a_digest_proves),
		cmocka_unit_test(separators_end_a_phase),
		cmocka_unit_test(events_that_nothing_proves_are_a_problem),
		cmocka_unit_test(secure_boot_that_was_ever_off_is_off),
		cmocka_unit_test(locality_sets_pcr_0),
		cmocka_unit_test(every_cut_is_refused_or_shorter),
		cmocka_unit_test(a_header_must_make_sense),
		cmocka_unit_test(zeros_are_no_log),
		cmocka_unit_test(an_old_log_has_to_be_whole),
		cmocka_unit_test(boots_are_told_apart),
		cmocka_unit_test(an_explanation_is_one_printable_line),
		cmocka_unit_test(real_logs_replay),
	};

	vectors = argc > 1 && access(argv[1], R_OK) == 0 ? argv[1] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
