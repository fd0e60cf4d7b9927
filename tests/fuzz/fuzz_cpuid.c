/*
 * Reaches cpuid_page_build() over any table and sim_cpuid_check() over any page. What the check has
 * corrected must pass the next time, or a monitor that follows the correction would never end.
 */
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "sev/cpuid.h"
#include "sev/sim/sim_cpuid.h"
#include "tests/fuzz/fuzz.h"

#define ENTRIES_MAX 256u

static void page_check(struct snp_cpuid_page *page)
{
	/* A CPU of sorts: the checks with a row of their own, and all those without. */
	static const struct sim_cpuid_profile profile = { .n = 3,
		.row = { { 1, 0, { 0x00A00F11, 0x800, 0xFF, 0xFF } },
			{ 0xD, 0, { 7, 0x340, 0, 0 } },
			{ 0x80000008u, 0, { 0x3030, 1, 0, 0x10001 } } } };
	bool is_fixable;

	if (!sim_cpuid_check(&profile, page, &is_fixable) && is_fixable &&
		!sim_cpuid_check(&profile, page, &is_fixable))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = MIN(size / sizeof(struct kvm_cpuid_entry2), (size_t)ENTRIES_MAX);
	struct kvm_cpuid2 *table = calloc(1, sizeof *table + n * sizeof table->entries[0]);
	struct snp_cpuid_page page = { 0 };

	if (table == NULL)
		return 0;
	table->nent = (uint32_t)n;
	memcpy(table->entries, data, n * sizeof table->entries[0]);
	if (cpuid_page_build(&page, table, 51, NULL) == 0)
		page_check(&page);
	free(table);
	memcpy(&page, data, MIN(size, sizeof page));
	page_check(&page);
	return 0;
}
