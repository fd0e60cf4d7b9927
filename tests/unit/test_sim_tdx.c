/*
 * The simulated TDX machine: MRTD, TDREPORT, quotes (judged by the real verifier), the quoting
 * service's messages, the platform file's part, and the guest's voice. What KVM refuses is in
 * tests/sim/tdx_*.scn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/opts.h"
#include "base/wr.h"
#include "sev/fw.h"
#include "sev/sim/sim_guest_port.h"
#include "sev/sim/sim_qgs.h"
#include "sev/sim/sim_quote.h"
#include "sev/sim/sim_state.h"
#include "sev/sim/sim_td.h"
#include "tests/sim/tdx_judge.h"
#include "tests/sim/tdxkit.h"
#include "tests/unit/cm.h"

/* ABI 8, V5. */
#define V5                                                                                         \
	"31d56233674714816063aeae0429052041d2d49cb55cfac3ddf547669ffcfd940621e4f5de7951ac6ca8390"  \
	"c56d6664e"

/* A TD of its own, without KVM around it. */
struct bench {
	struct tdxkit kit; /* for its machine only */
	struct sim_tdx_crypto crypto;
	struct sim_ranges added;
	struct sim_td td;
};

static void bench_init(struct bench *b, uint32_t quote_version)
{
	struct tdxkit_init arg = tdxkit_init_arg();
	uint64_t hw = 0;

	memset(b, 0, sizeof *b);
	tdxkit_init(&b->kit, quote_version);
	b->kit.platform.tdx.no_entropy = 0;
	assert_int_equal(sim_tdx_crypto_init(&b->crypto, &b->kit.platform.tdx, NULL), 0);
	sim_td_init(
		&b->td, &b->kit.platform.tdx, &b->kit.platform.tdx.script, &b->crypto, &b->added);
	assert_int_equal(sim_td_init_vm(&b->td, &arg.head, arg.entries, true, &hw), 0);
}

static void bench_done(struct bench *b)
{
	sim_td_done(&b->td);
	sim_ranges_done(&b->added);
	sim_tdx_crypto_done(&b->crypto);
}

static uint64_t page_add(struct bench *b, uint64_t gpa, uint8_t byte, bool is_measured)
{
	static uint8_t page[4096];

	memset(page, byte, sizeof page);
	return sim_td_add_page(&b->td, gpa, page, is_measured);
}

static void bench_finalize(struct bench *b)
{
	uint64_t hw = 0;

	assert_int_equal(sim_td_init_vcpu(&b->td, true), 0);
	assert_int_equal(sim_td_finalize(&b->td, &hw), 0);
}

/* --- MRTD -------------------------------------------------------------------------------------- */

static void mrtd_is_vector_v5(void **state)
{
	struct bench b;
	uint8_t want[TDX_DIGEST_BYTES], got[TDX_DIGEST_BYTES];

	(void)state;
	bench_init(&b, 4);
	assert_int_equal(opts_parse_hex(V5, want, sizeof want), 0);
	assert_int_equal(page_add(&b, 0xFFFFF000, 0xF4, true), 0);
	assert_int_equal(page_add(&b, 0x809000, 0, false), 0);
	sim_td_digest(&b.td, got);
	assert_memory_equal(got, want, sizeof want);
	bench_finalize(&b);
	sim_td_digest(&b.td, got);
	assert_memory_equal(got, want, sizeof want);
	bench_done(&b);
}

static void mrtd_depends_on_measuring_order_and_address(void **state)
{
	/* Pages {gpa, measured} of each variant; the first is V5's. */
	static const struct {
		uint64_t gpa[2];
		bool is_measured[2];
	} variants[] = {
		{ { 0xFFFFF000, 0x809000 }, { true, false } },
		{ { 0xFFFFF000, 0x809000 }, { true, true } },
		{ { 0xFFFFF000, 0x809000 }, { false, false } },
		{ { 0x809000, 0xFFFFF000 }, { false, true } },
		{ { 0xFFFFE000, 0x809000 }, { true, false } },
	};
	uint8_t digest[ARRAY_LEN(variants)][TDX_DIGEST_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
		struct bench b;
		bench_init(&b, 4);
		for (size_t k = 0; k < 2; k++)
			assert_int_equal(page_add(&b, variants[i].gpa[k],
						 variants[i].gpa[k] == 0x809000 ? 0 : 0xF4,
						 variants[i].is_measured[k]),
				0);
		sim_td_digest(&b.td, digest[i]);
		bench_done(&b);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(digest[i], digest[k], TDX_DIGEST_BYTES);
	}
}

static void refused_page_leaves_mrtd_alone(void **state)
{
	struct bench b;
	uint8_t before[TDX_DIGEST_BYTES], after[TDX_DIGEST_BYTES];

	(void)state;
	bench_init(&b, 4);
	assert_int_equal(page_add(&b, 0x809000, 1, true), 0);
	sim_td_digest(&b.td, before);
	assert_int_equal(page_add(&b, 0x809000, 1, true), ABI_TDX_EPT_ENTRY_STATE_INCORRECT);
	b.kit.platform.tdx.script.fault[0] =
		(struct sim_tdx_fault){ SIM_TDH_MEM_PAGE_ADD, 3, ABI_TDX_OPERAND_BUSY };
	b.kit.platform.tdx.script.n = 1;
	assert_int_equal(page_add(&b, 0x80A000, 1, true), ABI_TDX_OPERAND_BUSY);
	sim_td_digest(&b.td, after);
	assert_memory_equal(before, after, sizeof before);
	bench_finalize(&b);
	assert_int_equal(page_add(&b, 0x80B000, 1, true), ABI_TDX_OP_STATE_INCORRECT);
	sim_td_digest(&b.td, after);
	assert_memory_equal(before, after, sizeof before);
	bench_done(&b);
}

/* --- TDREPORT ---------------------------------------------------------------------------------- */

static void report_says_what_was_launched(void **state)
{
	struct bench b;
	struct tdx_report r;
	uint8_t data[TDX_REPORT_DATA_BYTES], digest[TDX_DIGEST_BYTES],
		zero[TDX_DIGEST_BYTES] = { 0 };

	(void)state;
	memset(data, 0xDA, sizeof data);
	memset(digest, 0xE1, sizeof digest);
	bench_init(&b, 4);
	assert_int_equal(sim_td_report(&b.td, data, &r), -EINVAL); /* not running */
	assert_int_equal(sim_td_extend(&b.td, 2, digest), -EINVAL);
	bench_finalize(&b);
	assert_int_equal(sim_td_extend(&b.td, TDX_RTMRS, digest), -EINVAL);
	assert_int_equal(sim_td_extend(&b.td, 2, digest), 0);
	assert_int_equal(sim_td_report(&b.td, data, &r), 0);
	assert_int_equal(r.mac.type, 0x81);
	assert_memory_equal(r.mac.report_data, data, sizeof data);
	assert_memory_equal(r.td.mrtd, b.td.mrtd, sizeof r.td.mrtd);
	assert_int_equal(le64_get(r.td.attributes), ABI_TDX_ATTR_SEPT_VE_DISABLE);
	assert_int_equal(le64_get(r.td.xfam), 0xE7);
	assert_int_equal(r.td.mrconfigid[0], 0xC1);
	assert_int_equal(r.td.mrowner[0], 0xC2);
	assert_int_equal(r.td.mrownerconfig[0], 0xC3);
	assert_memory_equal(r.td.rtmr[0], zero, sizeof zero);
	/* SHA-384(48 zeros || digest), by the other implementation there is: libcrypto itself. */
	uint8_t both[2 * TDX_DIGEST_BYTES] = { 0 }, want[TDX_DIGEST_BYTES];
	memcpy(both + TDX_DIGEST_BYTES, digest, sizeof digest);
	sim_tdx_sha384(&b.crypto, both, sizeof both, NULL, 0, want);
	assert_memory_equal(r.td.rtmr[2], want, sizeof want);
	bench_done(&b);
}

static void report_cannot_be_forged(void **state)
{
	struct bench b;
	struct tdx_report r;
	uint8_t data[TDX_REPORT_DATA_BYTES] = { 1 };
	static const size_t at[] = { 0, 17, 33, 81, 128, 224, 255, 256 + 8, 512, 512 + 20, 1023 };

	(void)state;
	bench_init(&b, 4);
	bench_finalize(&b);
	assert_int_equal(sim_td_report(&b.td, data, &r), 0);
	assert_true(sim_td_is_report(&b.kit.platform.tdx, &b.crypto, &r));
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		((uint8_t *)&r)[at[i]] ^= 4;
		assert_false(sim_td_is_report(&b.kit.platform.tdx, &b.crypto, &r));
		((uint8_t *)&r)[at[i]] ^= 4;
	}
	b.kit.platform.tdx.report_key[0] ^= 1; /* another machine */
	assert_false(sim_td_is_report(&b.kit.platform.tdx, &b.crypto, &r));
	bench_done(&b);
}

/* --- quotes ------------------------------------------------------------------------------------ */

/* A TD of one measured page, its report over 0xDA.., and a quote of that. */
static size_t quote_make(struct bench *b, uint32_t version, uint8_t *quote, size_t size)
{
	uint8_t data[TDX_REPORT_DATA_BYTES];
	struct tdx_report r;
	size_t len = 0;

	memset(data, 0xDA, sizeof data);
	bench_init(b, version);
	assert_int_equal(page_add(b, 0xFFFFF000, 0xF4, true), 0);
	bench_finalize(b);
	assert_int_equal(sim_td_report(&b->td, data, &r), 0);
	assert_int_equal(
		sim_quote_make(&b->kit.platform.tdx, &b->crypto, &r, quote, size, &len), 0);
	return len;
}

#define YES "affirming"
#define NO  "contraindicated"

static void quotes_are_affirmed_as_simulated(void **state)
{
	static uint8_t quote[SIM_QUOTE_BYTES_MAX];

	(void)state;
	for (uint32_t version = 4; version <= 5; version++) {
		struct bench b;
		uint8_t data[64];
		size_t len = quote_make(&b, version, quote, sizeof quote);

		memset(data, 0xDA, sizeof data);
		struct tdx_judgement j = tdx_judge(b.kit.minted, quote, len, data, b.td.mrtd);
		assert_string_equal(j.overall, YES);
		assert_string_equal(j.trust, "simulated");
		const char *const rows[] = { j.signature, j.chain, j.revocation, j.tcb, j.qe,
			j.module, j.collateral, j.measurement, j.report_data };
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			assert_string_equal(rows[i], YES);
		assert_int_equal(quote[0], version);
		bench_done(&b);
	}
}

static void quote_of_another_nonce_or_image_is_refused(void **state)
{
	static uint8_t quote[SIM_QUOTE_BYTES_MAX];
	struct bench b;
	uint8_t data[64], mrtd[48] = { 1 };
	size_t len = quote_make(&b, 4, quote, sizeof quote);

	(void)state;
	memset(data, 0xDB, sizeof data);
	struct tdx_judgement j = tdx_judge(b.kit.minted, quote, len, data, mrtd);
	assert_string_equal(j.report_data, NO);
	assert_string_equal(j.measurement, NO);
	assert_string_equal(j.signature, YES);
	bench_done(&b);
}

static void corrupted_quotes_are_refused(void **state)
{
	static uint8_t quote[SIM_QUOTE_BYTES_MAX];
	struct bench b;
	uint8_t data[64];

	(void)state;
	memset(data, 0xDA, sizeof data);
	for (uint32_t version = 4; version <= 5; version++) {
		size_t len = quote_make(&b, version, quote, sizeof quote);
		/* A bit in every 61st byte of header, body, signatures, QE report; then shorter ones. */
		for (size_t at = 0; at < 1400; at += 61) {
			quote[at] ^= 0x10;
			struct tdx_judgement j =
				tdx_judge(b.kit.minted, quote, len, data, b.td.mrtd);
			quote[at] ^= 0x10;
			if (strcmp(j.overall, "no verdict") != 0)
				assert_string_equal(j.overall, NO);
		}
		for (size_t cut = 0; cut < len; cut += 997) {
			struct tdx_judgement j =
				tdx_judge(b.kit.minted, quote, cut, data, b.td.mrtd);
			assert_string_equal(j.overall, "no verdict");
		}
		bench_done(&b);
	}
}

static void quote_under_another_root_is_refused(void **state)
{
	static uint8_t quote[SIM_QUOTE_BYTES_MAX];
	struct sim_tdx_minted other;
	struct bench b;
	uint8_t data[64];
	size_t len = quote_make(&b, 4, quote, sizeof quote);

	(void)state;
	memset(data, 0xDA, sizeof data);
	assert_int_equal(sim_tdx_mint(&other, 4, NULL), 0);
	struct tdx_judgement j = tdx_judge(&other, quote, len, data, b.td.mrtd);
	assert_string_equal(j.overall, NO);
	assert_string_equal(j.trust, "host");
	sim_tdx_mint_done(&other);
	bench_done(&b);
}

static void old_module_is_out_of_date(void **state)
{
	static uint8_t quote[SIM_QUOTE_BYTES_MAX];
	struct bench b;
	struct tdx_report r;
	uint8_t data[64] = { 0xDA };
	size_t len = 0;

	(void)state;
	bench_init(&b, 4);
	b.kit.platform.tdx.tee_tcb_svn[0] = 2; /* the collateral wants 5 */
	bench_finalize(&b);
	assert_int_equal(sim_td_report(&b.td, data, &r), 0);
	assert_int_equal(
		sim_quote_make(&b.kit.platform.tdx, &b.crypto, &r, quote, sizeof quote, &len), 0);
	struct tdx_judgement j = tdx_judge(b.kit.minted, quote, len, data, b.td.mrtd);
	assert_string_equal(j.signature, YES);
	assert_string_equal(j.tcb, NO);
	bench_done(&b);
}

/* --- the quoting service ----------------------------------------------------------------------- */

struct message {
	uint8_t b[4096];
	size_t len;
};

static struct message request_make(
	uint16_t major, uint32_t type, uint32_t code, uint32_t report_size, const void *report)
{
	struct message m;
	struct wr w = wr_of(m.b, sizeof m.b);

	wr_le16(&w, major);
	wr_le16(&w, 1);
	wr_le32(&w, type);
	wr_le32(&w, 16 + 8 + 1024);
	wr_le32(&w, code);
	wr_le32(&w, report_size);
	wr_le32(&w, 0);
	wr_copy(&w, report, 1024);
	m.len = w.len;
	return m;
}

struct answer {
	uint8_t b[SIM_QGS_OUT_MAX];
	size_t len;
};

static uint32_t le32_at(const uint8_t *p)
{
	le32 v;

	memcpy(&v, p, sizeof v);
	return le32_get(v);
}

static void service_init(struct bench *b, struct sim_qgs *q, struct tdx_report *r)
{
	uint8_t data[TDX_REPORT_DATA_BYTES] = { 7 };

	bench_init(b, 4);
	bench_finalize(b);
	assert_int_equal(sim_td_report(&b->td, data, r), 0);
	*q = (struct sim_qgs){ .platform = &b->kit.platform.tdx, .crypto = &b->crypto };
}

static void service_answers_with_a_quote(void **state)
{
	static struct answer a;
	struct bench b;
	struct sim_qgs q;
	struct tdx_report r;

	(void)state;
	service_init(&b, &q, &r);
	struct message m = request_make(1, SIM_QGS_QUOTE_REQ, 0, sizeof r, &r);
	sim_qgs_answer(&q, m.b, m.len, a.b, &a.len);
	assert_int_equal(le32_at(a.b + 4), SIM_QGS_QUOTE_RESP);
	assert_int_equal(le32_at(a.b + 8), a.len);
	assert_int_equal(le32_at(a.b + 12), 0);
	assert_int_equal(le32_at(a.b + 16), 0);
	assert_int_equal(le32_at(a.b + 20), a.len - 24);
	assert_int_equal(a.b[24], 4); /* version of the quote */
	/* The bare form: a report for a quote. */
	size_t len = a.len - 24;
	sim_qgs_answer(&q, &r, sizeof r, a.b, &a.len);
	assert_int_equal(a.len, len);
	assert_int_equal(a.b[0], 4);
	bench_done(&b);
}

static void service_refuses_by_code(void **state)
{
	static struct answer a;
	struct bench b;
	struct sim_qgs q;
	struct tdx_report r, bad;

	(void)state;
	service_init(&b, &q, &r);
	bad = r;
	bad.td.mrtd[0] ^= 1;
	const struct {
		struct message m;
		size_t less;
		uint32_t code;
	} rows[] = {
		{ request_make(2, SIM_QGS_QUOTE_REQ, 0, sizeof r, &r), 0, SIM_QGS_INVALID_VERSION },
		{ request_make(1, 9, 0, sizeof r, &r), 0, SIM_QGS_INVALID_TYPE },
		{ request_make(1, SIM_QGS_COLLATERAL_REQ, 0, sizeof r, &r), 0,
			SIM_QGS_INVALID_TYPE },
		{ request_make(1, SIM_QGS_QUOTE_REQ, 5, sizeof r, &r), 0, SIM_QGS_INVALID_CODE },
		{ request_make(1, SIM_QGS_QUOTE_REQ, 0, 1000, &r), 0, SIM_QGS_INVALID_SIZE },
		{ request_make(1, SIM_QGS_QUOTE_REQ, 0, UINT32_MAX, &r), 0, SIM_QGS_INVALID_SIZE },
		{ request_make(1, SIM_QGS_QUOTE_REQ, 0, sizeof r, &r), 1, SIM_QGS_INVALID_SIZE },
		{ request_make(1, SIM_QGS_QUOTE_REQ, 0, sizeof r, &r), 1040, SIM_QGS_INVALID_SIZE },
		{ request_make(1, SIM_QGS_QUOTE_REQ, 0, sizeof r, &bad), 0, SIM_QGS_INVALID_PARAM },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sim_qgs_answer(&q, rows[i].m.b, rows[i].m.len - rows[i].less, a.b, &a.len);
		assert_int_equal(le32_at(a.b + 8), a.len);
		assert_int_equal(le32_at(a.b + 12), rows[i].code);
	}
	sim_qgs_answer(&q, &bad, sizeof bad, a.b, &a.len);
	assert_int_equal(a.len, 0);
	bench_done(&b);
}

static void service_fails_as_scripted(void **state)
{
	static struct answer a;
	struct bench b;
	struct sim_qgs q;
	struct tdx_report r;

	(void)state;
	service_init(&b, &q, &r);
	assert_int_equal(sim_tdx_fault_parse("QUOTE 2 0x12002", &q.script.fault[0], NULL), 0);
	q.script.n = 1;
	struct message m = request_make(1, SIM_QGS_QUOTE_REQ, 0, sizeof r, &r);
	static const uint32_t want[] = { 0, SIM_QGS_OUT_OF_MEMORY, 0 };
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		sim_qgs_answer(&q, m.b, m.len, a.b, &a.len);
		assert_int_equal(le32_at(a.b + 12), want[i]);
	}
	bench_done(&b);
}

/* --- the platform file ------------------------------------------------------------------------- */

static void platform_reads_as_it_was_written(void **state)
{
	static uint8_t file[LIMIT_SIM_PLATFORM_BYTES];
	struct sim_platform p;
	struct tdxkit k;
	size_t len = 0;

	(void)state;
	tdxkit_init(&k, 5);
	k.platform.tdx.seed = 77;
	k.platform.tdx.script.fault[0] =
		(struct sim_tdx_fault){ SIM_TDH_MR_EXTEND, 3, ABI_TDX_OPERAND_BUSY };
	k.platform.tdx.script.n = 1;
	assert_int_equal(sim_platform_print(&k.platform, file, sizeof file, &len), 0);
	assert_int_equal(sim_platform_parse(&p, file, len, NULL), 0);
	assert_true(p.tdx.is_present);
	assert_int_equal(p.tdx.quote_version, 5);
	assert_int_equal(p.tdx.seed, 77);
	assert_int_equal(p.tdx.script.n, 1);
	assert_int_equal(p.tdx.script.fault[0].status, ABI_TDX_OPERAND_BUSY);
	assert_memory_equal(p.tdx.report_key, k.platform.tdx.report_key, SIM_TDX_KEY_BYTES);
	for (size_t i = 0; i < SIM_TDX_BLOB_COUNT; i++) {
		assert_int_equal(p.tdx.blob[i].len, k.platform.tdx.blob[i].len);
		assert_memory_equal(p.tdx.blob[i].p, k.platform.tdx.blob[i].p, p.tdx.blob[i].len);
	}
}

static void platform_refuses_what_cannot_be(void **state)
{
	static uint8_t file[LIMIT_SIM_PLATFORM_BYTES];
	struct sim_platform p;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct tdxkit k;
		tdxkit_init(&k, 4);
		struct sim_tdx_platform *t = &k.platform.tdx;
		t->quote_version = i == 0 ? 6 : t->quote_version;
		t->body_type = i == 1 ? 3 : i == 2 ? 4 : t->body_type;
		t->keys = i == 3 ? 65 : t->keys;
		t->xfam = i == 4 ? 1 : i == 5 ? 0xFFFFFFFF : t->xfam;
		t->flags = i == 6 ? 8 : t->flags;
		t->no_entropy = i == 7 ? 20000 : t->no_entropy;
		assert_int_equal(sim_platform_print(&k.platform, file, sizeof file, &len), 0);
		assert_int_equal(sim_platform_parse(&p, file, len, NULL), -ERANGE);
	}
}

static void platform_refuses_twice_or_half(void **state)
{
	struct sim_tdx_platform p = { 0 };
	uint8_t bytes[16] = { 1 };
	struct rd r = rd_of(bytes, sizeof bytes);

	(void)state;
	sim_tdx_platform_record(&p, 17, sizeof bytes, &r);
	assert_int_equal(rd_end(&r), 0);
	assert_int_equal(sim_tdx_platform_check(&p, NULL), -EBADMSG); /* no values, no chain */
	r = rd_of(bytes, sizeof bytes);
	sim_tdx_platform_record(&p, 17, sizeof bytes, &r);
	assert_int_equal(rd_end(&r), -EBADMSG);
	static const uint32_t unknown[] = { 21, 31 };
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		r = rd_of(bytes, sizeof bytes);
		sim_tdx_platform_record(&p, unknown[i], sizeof bytes, &r);
		assert_int_equal(rd_end(&r), -EBADMSG);
	}
	r = rd_of(bytes, 0);
	sim_tdx_platform_record(&p, 18, 0, &r);
	assert_int_equal(rd_end(&r), -EBADMSG);
	r = rd_of(bytes, sizeof bytes); /* a fault of command 1, nth 0 */
	sim_tdx_platform_record(&p, 20, sizeof bytes, &r);
	assert_int_equal(rd_end(&r), -EBADMSG);
}

static void faults_are_parsed(void **state)
{
	static const char *const bad[] = { "", "TDH_MEM_PAGE_ADD",
		"TDH_MEM_PAGE_ADD 0 OPERAND_BUSY", "TDH_MEM_PAGE_ADD 1 NONSENSE",
		"TDH_MEM_PAGE_ADD 1 0", "TDH_NONE 1 OPERAND_BUSY", "QUOTE 1 0x12001 more" };
	struct sim_tdx_fault f;

	(void)state;
	assert_int_equal(sim_tdx_fault_parse("TDH_MNG_INIT 2 OPERAND_INVALID", &f, NULL), 0);
	assert_int_equal(f.command, SIM_TDH_MNG_INIT);
	assert_int_equal(f.nth, 2);
	assert_int_equal(f.status, ABI_TDX_OPERAND_INVALID);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sim_tdx_fault_parse(bad[i], &f, NULL), -EINVAL);
}

static void key_must_belong_to_the_certificate(void **state)
{
	struct tdxkit k;
	struct sim_tdx_crypto c;

	(void)state;
	tdxkit_init(&k, 4);
	k.platform.tdx.blob[SIM_TDX_PCK_KEY] = k.platform.tdx.blob[SIM_TDX_AK];
	assert_int_equal(sim_tdx_crypto_init(&c, &k.platform.tdx, NULL), -EBADMSG);
}

/* --- the guest's voice ------------------------------------------------------------------------- */

static void kit_start(struct tdxkit *k)
{
	struct why why = { 0 };

	tdxkit_init(k, 4);
	assert_int_equal(tdxkit_open(k, &why), 0);
	assert_int_equal(tdxkit_launch(k), 0);
}

static void guest_report_becomes_a_verified_quote(void **state)
{
	static struct answer a;
	struct tdxkit k;
	struct bench b; /* the service's side of the same machine */
	struct tdx_report r;
	uint8_t data[64], extend[4 + 48] = { 3 }, mrtd[48];
	uint64_t status = 1;
	uint32_t len = 0;

	(void)state;
	kit_start(&k);
	memset(data, 0x4E, sizeof data);
	assert_int_equal(tdxkit_ask(&k, SIM_CMD_TD_EXTEND, extend, sizeof extend), 0);
	assert_int_equal(tdxkit_answer(&k, &status, NULL, 0, NULL), 0);
	assert_int_equal(status, 0);
	assert_int_equal(tdxkit_ask(&k, SIM_CMD_TD_REPORT, data, sizeof data), 0);
	assert_int_equal(tdxkit_answer(&k, &status, &r, sizeof r, &len), 0);
	assert_int_equal(status, 0);
	assert_int_equal(len, sizeof r);
	assert_int_equal(sim_get_digest(k.vm, mrtd), 0);
	tdxkit_done(&k);

	bench_init(&b, 4);
	struct sim_qgs q = { .platform = &b.kit.platform.tdx, .crypto = &b.crypto };
	struct message m = request_make(1, SIM_QGS_QUOTE_REQ, 0, sizeof r, &r);
	sim_qgs_answer(&q, m.b, m.len, a.b, &a.len);
	assert_int_equal(le32_at(a.b + 12), 0);
	struct tdx_judgement j = tdx_judge(b.kit.minted, a.b + 24, a.len - 24, data, mrtd);
	assert_string_equal(j.overall, YES);
	bench_done(&b);
}

static void port_refuses_malformed_requests(void **state)
{
	struct tdxkit k;
	uint8_t bytes[200] = { 0 };
	uint64_t status = 0;
	static const struct {
		uint8_t command;
		size_t len;
		uint64_t status;
	} rows[] = {
		{ SIM_CMD_TD_REPORT, 63, ABI_TDX_OPERAND_INVALID },
		{ SIM_CMD_TD_REPORT, 65, ABI_TDX_OPERAND_INVALID },
		{ SIM_CMD_TD_REPORT, 200, ABI_TDX_OPERAND_INVALID },
		{ SIM_CMD_TD_EXTEND, 51, ABI_TDX_OPERAND_INVALID },
		{ SIM_CMD_TD_ACCEPT, 16, ABI_TDX_OPERAND_INVALID },     /* length 0 */
		{ SIM_CMD_TD_TOUCH, 16, ABI_TDVMCALL_INVALID_OPERAND }, /* no memory there */
		{ SIM_CMD_TD_QUOTE, 8, ABI_TDVMCALL_INVALID_OPERAND },
		{ SIM_CMD_TD_NOTIFY, 7, ABI_TDVMCALL_INVALID_OPERAND },
		{ SIM_CMD_TD_FATAL, 79, ABI_TDVMCALL_INVALID_OPERAND },
		{ SIM_CMD_TD_MAP, 24, ABI_TDVMCALL_INVALID_OPERAND }, /* length 0 */
	};

	(void)state;
	kit_start(&k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(tdxkit_ask(&k, rows[i].command, bytes, rows[i].len), 0);
		assert_int_equal(k.run->exit_reason, KVM_EXIT_HLT);
		assert_int_equal(tdxkit_answer(&k, &status, NULL, 0, NULL), 0);
		assert_int_equal(status, rows[i].status);
	}
	tdxkit_done(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mrtd_is_vector_v5),
		cmocka_unit_test(mrtd_depends_on_measuring_order_and_address),
		cmocka_unit_test(refused_page_leaves_mrtd_alone),
		cmocka_unit_test(report_says_what_was_launched),
		cmocka_unit_test(report_cannot_be_forged),
		cmocka_unit_test(quotes_are_affirmed_as_simulated),
		cmocka_unit_test(quote_of_another_nonce_or_image_is_refused),
		cmocka_unit_test(corrupted_quotes_are_refused),
		cmocka_unit_test(quote_under_another_root_is_refused),
		cmocka_unit_test(old_module_is_out_of_date),
		cmocka_unit_test(service_answers_with_a_quote),
		cmocka_unit_test(service_refuses_by_code),
		cmocka_unit_test(service_fails_as_scripted),
		cmocka_unit_test(platform_reads_as_it_was_written),
		cmocka_unit_test(platform_refuses_what_cannot_be),
		cmocka_unit_test(platform_refuses_twice_or_half),
		cmocka_unit_test(faults_are_parsed),
		cmocka_unit_test(key_must_belong_to_the_certificate),
		cmocka_unit_test(guest_report_becomes_a_verified_quote),
		cmocka_unit_test(port_refuses_malformed_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
