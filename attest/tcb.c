#include "attest/tcb.h"

#include <stdio.h>
#include <string.h>

static const char *const product_names[SNP_PRODUCT_COUNT] = {
	[SNP_PRODUCT_UNKNOWN] = "unknown",
	[SNP_PRODUCT_MILAN] = "Milan",
	[SNP_PRODUCT_GENOA] = "Genoa",
	[SNP_PRODUCT_TURIN] = "Turin",
	[SNP_PRODUCT_VENICE] = "Venice",
};

/* Inclusive ranges (attestation.md, 1.5). */
static const struct {
	uint8_t family, first, last;
	enum snp_product product;
} models[] = {
	{ 0x19, 0x00, 0x0F, SNP_PRODUCT_MILAN },
	{ 0x19, 0x10, 0x1F, SNP_PRODUCT_GENOA },
	{ 0x19, 0xA0, 0xAF, SNP_PRODUCT_GENOA },
	{ 0x1A, 0x00, 0x11, SNP_PRODUCT_TURIN },
	{ 0x1A, 0x50, 0x57, SNP_PRODUCT_VENICE },
	{ 0x1A, 0x90, 0x9F, SNP_PRODUCT_VENICE },
	{ 0x1A, 0xA0, 0xAF, SNP_PRODUCT_VENICE },
	{ 0x1A, 0xC0, 0xC7, SNP_PRODUCT_VENICE },
};

/* TCB_VERSION byte by byte; attestation.md, 1.4 and 2.2. */
static const uint8_t arcs_19h[TCB_BYTES] = { 1, 2, 4, 5, 6, 7, 3, 8 };
static const uint8_t arcs_1ah[TCB_BYTES] = { 9, 1, 2, 3, 5, 6, 7, 8 };

const char *snp_product_name(enum snp_product product)
{
	return product_names[product < SNP_PRODUCT_COUNT ? product : SNP_PRODUCT_UNKNOWN];
}

enum snp_product snp_product_parse(const char *name, size_t name_len)
{
	for (enum snp_product p = SNP_PRODUCT_UNKNOWN + 1; p < SNP_PRODUCT_COUNT; p++)
		if (strlen(product_names[p]) == name_len &&
			memcmp(product_names[p], name, name_len) == 0)
			return p;
	return SNP_PRODUCT_UNKNOWN;
}

enum snp_product snp_product_of_cpuid(uint8_t family, uint8_t model)
{
	for (size_t i = 0; i < ARRAY_LEN(models); i++)
		if (models[i].family == family && model >= models[i].first &&
			model <= models[i].last)
			return models[i].product;
	return SNP_PRODUCT_UNKNOWN;
}

static bool product_is_19h(enum snp_product product)
{
	return product == SNP_PRODUCT_MILAN || product == SNP_PRODUCT_GENOA;
}

const uint8_t *tcb_extension_arcs(enum snp_product product)
{
	if (product == SNP_PRODUCT_UNKNOWN)
		return NULL;
	return product_is_19h(product) ? arcs_19h : arcs_1ah;
}

struct tcb tcb_decode(enum snp_product product, uint64_t word)
{
	uint8_t b[TCB_BYTES];

	for (size_t i = 0; i < TCB_BYTES; i++)
		b[i] = (uint8_t)(word >> (8 * i));
	if (product_is_19h(product) || product == SNP_PRODUCT_UNKNOWN)
		return (struct tcb){
			.bootloader = b[0], .tee = b[1], .snp = b[6], .microcode = b[7]
		};
	return (struct tcb){ .has_fmc = true,
		.fmc = b[0],
		.bootloader = b[1],
		.tee = b[2],
		.snp = b[3],
		.microcode = b[7] };
}

const char *tcb_first_below(const struct tcb *a, const struct tcb *b)
{
	if (a->fmc < b->fmc)
		return "fmc";
	if (a->bootloader < b->bootloader)
		return "bootloader";
	if (a->tee < b->tee)
		return "tee";
	if (a->snp < b->snp)
		return "snp";
	return a->microcode < b->microcode ? "microcode" : NULL;
}

void tcb_print(const struct tcb *t, char ret[TCB_TEXT_MAX])
{
	char fmc[16] = "";

	if (t->has_fmc)
		(void)snprintf(fmc, sizeof fmc, "fmc %u ", t->fmc);
	(void)snprintf(ret, TCB_TEXT_MAX, "%sbootloader %u tee %u snp %u microcode %u", fmc,
		t->bootloader, t->tee, t->snp, t->microcode);
}
