#include <string.h>

#include "attest/tcb.h"
#include "tests/unit/cm.h"

static void milan_and_turin_words_decode_differently(void **state)
{
	struct tcb milan = tcb_decode(SNP_PRODUCT_MILAN, 0xDB18000000000004);
	struct tcb turin = tcb_decode(SNP_PRODUCT_TURIN, 0x5100000004010201);
	char text[TCB_TEXT_MAX];

	tcb_print(&milan, text);
	assert_string_equal(text, "bootloader 4 tee 0 snp 24 microcode 219");
	tcb_print(&turin, text);
	assert_string_equal(text, "fmc 1 bootloader 2 tee 1 snp 4 microcode 81");
}

static void components_are_compared_one_by_one(void **state)
{
	/* As one integer a is above b: a higher microcode must not hide a lower snp. */
	struct tcb a = tcb_decode(SNP_PRODUCT_GENOA, 0xFF17000000000009);
	struct tcb b = tcb_decode(SNP_PRODUCT_GENOA, 0x4818000000000009);

	assert_string_equal(tcb_first_below(&a, &b), "snp");
	assert_string_equal(tcb_first_below(&b, &a), "microcode");
	assert_null(tcb_first_below(&a, &a));
}

static void every_component_counts(void **state)
{
	const struct tcb base = { true, 2, 2, 2, 2, 2 };
	struct tcb low[] = { base, base, base, base, base };
	const char *const names[] = { "fmc", "bootloader", "tee", "snp", "microcode" };

	low[0].fmc--, low[1].bootloader--, low[2].tee--, low[3].snp--, low[4].microcode--;
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(tcb_first_below(&low[i], &base), names[i]);
		assert_null(tcb_first_below(&base, &low[i]));
	}
}

static void model_ranges_include_their_ends(void **state)
{
	assert_int_equal(snp_product_of_cpuid(0x19, 0x00), SNP_PRODUCT_MILAN);
	assert_int_equal(snp_product_of_cpuid(0x19, 0x0F), SNP_PRODUCT_MILAN);
	assert_int_equal(snp_product_of_cpuid(0x19, 0x10), SNP_PRODUCT_GENOA);
	assert_int_equal(snp_product_of_cpuid(0x19, 0x1F), SNP_PRODUCT_GENOA);
	assert_int_equal(snp_product_of_cpuid(0x19, 0xA0), SNP_PRODUCT_GENOA);
	assert_int_equal(snp_product_of_cpuid(0x19, 0xAF), SNP_PRODUCT_GENOA);
	assert_int_equal(snp_product_of_cpuid(0x1A, 0x11), SNP_PRODUCT_TURIN);
	assert_int_equal(snp_product_of_cpuid(0x1A, 0x57), SNP_PRODUCT_VENICE);
}

static void unknown_models_have_no_product(void **state)
{
	assert_int_equal(snp_product_of_cpuid(0x19, 0x20), SNP_PRODUCT_UNKNOWN);
	assert_int_equal(snp_product_of_cpuid(0x19, 0xB0), SNP_PRODUCT_UNKNOWN);
	assert_int_equal(snp_product_of_cpuid(0x1A, 0x12), SNP_PRODUCT_UNKNOWN);
	assert_int_equal(snp_product_of_cpuid(0x17, 0x31), SNP_PRODUCT_UNKNOWN);
	assert_null(tcb_extension_arcs(SNP_PRODUCT_UNKNOWN));
}

static void product_names_match_whole(void **state)
{
	assert_int_equal(snp_product_parse("Milan-B0", 5), SNP_PRODUCT_MILAN);
	assert_int_equal(snp_product_parse("Milan-B0", 8), SNP_PRODUCT_UNKNOWN);
	assert_int_equal(snp_product_parse("Mila", 4), SNP_PRODUCT_UNKNOWN);
	assert_int_equal(snp_product_parse("milan", 5), SNP_PRODUCT_UNKNOWN);
	assert_int_equal(snp_product_parse("", 0), SNP_PRODUCT_UNKNOWN);
	assert_int_equal(snp_product_parse("unknown", 7), SNP_PRODUCT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(milan_and_turin_words_decode_differently),
		cmocka_unit_test(components_are_compared_one_by_one),
		cmocka_unit_test(every_component_counts),
		cmocka_unit_test(model_ranges_include_their_ends),
		cmocka_unit_test(unknown_models_have_no_product),
		cmocka_unit_test(product_names_match_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
