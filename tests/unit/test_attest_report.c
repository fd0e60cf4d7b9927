#include <errno.h>
#include <string.h>

#include "attest/evidence.h"
#include "attest/snp_report.h"
#include "tests/unit/cm.h"
#include "tests/unit/snp_maker.h"

static void every_field_comes_from_its_offset(void **state)
{
	uint8_t b[SNP_REPORT_BYTES];
	struct snp_report r;

	maker_report(b, 5);
	maker_put32(b + 0x004, 0x11223344);
	maker_put64(b + 0x008, 0xB0000);
	memset(b + 0x010, 0xA1, 16);
	memset(b + 0x020, 0xA2, 16);
	maker_put32(b + 0x030, 3);
	maker_put64(b + 0x038, 0x0102030405060708);
	maker_put64(b + 0x040, 0x67);
	maker_put32(b + 0x048, 0x07); /* author key, masked, VLEK */
	memset(b + 0x0E0, 0xA3, 48);
	memset(b + 0x110, 0xA4, 48);
	b[0x18A] = 9;
	maker_put64(b + 0x200, 0x55);
	assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), 0);
	assert_int_equal(r.version, 5);
	assert_int_equal(r.guest_svn, 0x11223344);
	assert_int_equal(r.policy, 0xB0000);
	assert_memory_equal(r.family_id, b + 0x010, 16);
	assert_memory_equal(r.image_id, b + 0x020, 16);
	assert_int_equal(r.vmpl, 3);
	assert_true(r.current_tcb == 0x0102030405060708);
	assert_int_equal(r.platform_info, 0x67);
	assert_int_equal(r.signing_key, SNP_KEY_VLEK);
	assert_int_equal(r.key_info, 7);
	assert_memory_equal(r.report_data, b + 0x050, 64);
	assert_memory_equal(r.measurement, b + 0x090, 48);
	assert_memory_equal(r.host_data, b + 0x0C0, 32);
	assert_memory_equal(r.id_key_digest, b + 0x0E0, 48);
	assert_memory_equal(r.author_key_digest, b + 0x110, 48);
	assert_memory_equal(r.report_id, b + 0x140, 32);
	assert_memory_equal(r.report_id_ma, b + 0x160, 32);
	assert_true(r.reported_tcb == 0xDB18000000000004);
	assert_true(r.has_cpuid && r.has_mit_vectors);
	assert_int_equal(r.cpuid_family, 0x19);
	assert_int_equal(r.cpuid_model, 1);
	assert_int_equal(r.cpuid_stepping, 9);
	assert_memory_equal(r.chip_id, b + 0x1A0, 64);
	assert_true(r.committed_tcb == 0xDB18000000000004);
	assert_int_equal(r.current.build, 7);
	assert_int_equal(r.current.minor, 55);
	assert_int_equal(r.current.major, 1);
	assert_int_equal(r.committed.major, 1);
	assert_true(r.launch_tcb == 0xDB18000000000004);
	assert_int_equal(r.launch_mit_vector, 0x3F);
	assert_int_equal(r.current_mit_vector, 0x55);
	assert_true(r.sig_tail_is_zero);
}

static void versions_2_to_5_are_read(void **state)
{
	for (uint32_t v = 2; v <= 5; v++) {
		uint8_t b[SNP_REPORT_BYTES];
		struct snp_report r;
		maker_report(b, v);
		assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), 0);
		assert_int_equal(r.has_cpuid, v >= 3);
		assert_int_equal(r.has_mit_vectors, v >= 5);
	}
}

static void other_versions_are_refused(void **state)
{
	const uint32_t versions[] = { 0, 1, 6, 9, 0xFFFFFFFF };

	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		uint8_t b[SNP_REPORT_BYTES];
		struct snp_report r = { .guest_svn = 77 };
		maker_report(b, 5);
		maker_put32(b, versions[i]);
		assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), -EPROTONOSUPPORT);
		assert_int_equal(r.guest_svn, 77); /* untouched */
	}
}

static void other_lengths_are_refused(void **state)
{
	static uint8_t b[SNP_REPORT_BYTES + 1];
	struct snp_report r;
	struct why why = { 0 };

	maker_report(b, 5);
	assert_int_equal(snp_report_parse(&r, b, SNP_REPORT_BYTES - 1, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "1183"));
	assert_int_equal(snp_report_parse(&r, b, SNP_REPORT_BYTES + 1, NULL), -EBADMSG);
	assert_int_equal(snp_report_parse(&r, b, 672, NULL), -EBADMSG);
	assert_int_equal(snp_report_parse(&r, b, 0, NULL), -EBADMSG);
}

static void other_signature_algorithms_are_refused(void **state)
{
	uint8_t b[SNP_REPORT_BYTES];
	struct snp_report r;

	maker_report(b, 3);
	maker_put32(b + 0x034, 0);
	assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), -EPROTONOSUPPORT);
	maker_put32(b + 0x034, 7);
	assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), -EPROTONOSUPPORT);
}

static void reserved_bytes_must_be_zero(void **state)
{
	static const struct {
		uint32_t version;
		size_t at;
	} rows[] = { { 2, 0x04C }, { 2, 0x04F }, { 2, 0x188 }, { 2, 0x18A }, { 2, 0x19F },
		{ 2, 0x1F8 }, { 2, 0x207 }, { 2, 0x29F }, { 3, 0x18B }, { 3, 0x19F }, { 3, 0x1EB },
		{ 3, 0x1EF }, { 3, 0x1F8 }, { 4, 0x200 }, { 5, 0x18B }, { 5, 0x208 },
		{ 5, 0x29F } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t b[SNP_REPORT_BYTES];
		struct snp_report r;
		struct why why = { 0 };
		char at[16];
		maker_report(b, rows[i].version);
		b[rows[i].at] = 1;
		assert_int_equal(snp_report_parse(&r, b, sizeof b, &why), -EBADMSG);
		(void)snprintf(at, sizeof at, "0x%zx ", rows[i].at);
		assert_non_null(strstr(why.text, at)); /* the message names the byte */
	}
}

static void reserved_bits_of_key_info_must_be_zero(void **state)
{
	uint8_t b[SNP_REPORT_BYTES];
	struct snp_report r;

	maker_report(b, 5);
	maker_put32(b + 0x048, 1u << 5);
	assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), -EBADMSG);
	maker_put32(b + 0x048, 1u << 31);
	assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), -EBADMSG);
}

static void bytes_behind_the_signature_are_noticed(void **state)
{
	uint8_t b[SNP_REPORT_BYTES];
	struct snp_report r;

	maker_report(b, 5);
	b[SNP_REPORT_BYTES - 1] = 1;
	assert_int_equal(snp_report_parse(&r, b, sizeof b, NULL), 0);
	assert_false(r.sig_tail_is_zero);
}

static void the_response_header_is_stripped_and_checked(void **state)
{
	uint8_t b[SNP_RESPONSE_HEADER + SNP_REPORT_BYTES] = { 0 };
	struct snp_report r;

	maker_report(b + SNP_RESPONSE_HEADER, 5);
	maker_put32(b + 4, SNP_REPORT_BYTES);
	assert_int_equal(attest_recognise(b, sizeof b), EVIDENCE_SNP);
	assert_int_equal(attest_parse_snp((struct attest_blob){ b, sizeof b }, &r, NULL), 0);
	maker_put32(b, 0x16); /* status */
	assert_int_equal(attest_parse_snp((struct attest_blob){ b, sizeof b }, &r, NULL), -EBADMSG);
	maker_put32(b, 0);
	maker_put32(b + 4, 1183);
	assert_int_equal(attest_parse_snp((struct attest_blob){ b, sizeof b }, &r, NULL), -EBADMSG);
	maker_put32(b + 4, SNP_REPORT_BYTES);
	b[31] = 1;
	assert_int_equal(attest_parse_snp((struct attest_blob){ b, sizeof b }, &r, NULL), -EBADMSG);
}

static void other_evidence_is_recognised_as_such(void **state)
{
	uint8_t quote[700] = { 4, 0, 2, 0, 0x81, 0, 0, 0 };
	const uint8_t tpm[] = { 0xFF, 'T', 'C', 'G', 0x80, 0x18 };

	assert_int_equal(attest_recognise(quote, sizeof quote), EVIDENCE_TDX);
	assert_int_equal(attest_recognise(tpm, sizeof tpm), EVIDENCE_TPM);
	assert_int_equal(attest_recognise(quote, 16), EVIDENCE_UNKNOWN);
	assert_int_equal(attest_recognise(tpm, 0), EVIDENCE_UNKNOWN);
	assert_int_equal(attest_recognise(quote, 48), EVIDENCE_SEV); /* as long as a measurement */
	assert_int_equal(attest_recognise(quote, 49), EVIDENCE_TDX); /* cut, and said so */
	quote[0] = 6;
	assert_int_equal(attest_recognise(quote, sizeof quote), EVIDENCE_TDX);
	quote[0] = 16;
	assert_int_equal(attest_recognise(quote, sizeof quote), EVIDENCE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_from_its_offset),
		cmocka_unit_test(versions_2_to_5_are_read),
		cmocka_unit_test(other_versions_are_refused),
		cmocka_unit_test(other_lengths_are_refused),
		cmocka_unit_test(other_signature_algorithms_are_refused),
		cmocka_unit_test(reserved_bytes_must_be_zero),
		cmocka_unit_test(reserved_bits_of_key_info_must_be_zero),
		cmocka_unit_test(bytes_behind_the_signature_are_noticed),
		cmocka_unit_test(the_response_header_is_stripped_and_checked),
		cmocka_unit_test(other_evidence_is_recognised_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
