/*
 * tcb: AMD products and TCB_VERSION words: firmware levels, decoded per product and compared
 *      component by component (attestation.md, 1.4 and 1.5).
 *
 * Trust:   words may hold anything; every pattern decodes.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

/* Names as in certificates: ARK-Milan, SEV-Milan, SEV-VLEK-Milan. */
enum snp_product {
	SNP_PRODUCT_UNKNOWN,
	SNP_PRODUCT_MILAN,
	SNP_PRODUCT_GENOA, /* Bergamo and Siena use its certificates */
	SNP_PRODUCT_TURIN,
	SNP_PRODUCT_VENICE,
	SNP_PRODUCT_COUNT
};

#define TCB_BYTES 8u

struct tcb {
	bool has_fmc; /* Turin and later */
	uint8_t fmc;
	uint8_t bootloader;
	uint8_t tee;
	uint8_t snp;
	uint8_t microcode;
};

#define TCB_TEXT_MAX 80

/* "Milan", or "unknown"; never NULL. */
const char *snp_product_name(enum snp_product product);

/* The product of that name; name_len bytes of it, not zero-terminated. */
enum snp_product snp_product_parse(const char *name, size_t name_len);

/* From the combined family and model numbers of a version 3 report. */
enum snp_product snp_product_of_cpuid(uint8_t family, uint8_t model);

/*
 * Which certificate extension (1.3.6.1.4.1.3704.1.3.N) speaks for byte i of a TCB_VERSION: a row of
 * TCB_BYTES numbers N. NULL for an unknown product.
 */
const uint8_t *tcb_extension_arcs(enum snp_product product);

struct tcb tcb_decode(enum snp_product product, uint64_t word);

/* The first component in which a is lower than b, by name; NULL when a reaches b in all. */
const char *tcb_first_below(const struct tcb *a, const struct tcb *b);

/* "bootloader 4 tee 0 snp 24 microcode 219". */
void tcb_print(const struct tcb *t, char ret[TCB_TEXT_MAX]);
