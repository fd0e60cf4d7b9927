#include "vmm/super/sup_host_kernel.h"

#include <stdio.h>
#include <string.h>

#include "base/cdefs.h"

const struct host_fault host_faults[HOST_FAULT_COUNT] = {
	/*
	 * A guest changes its GHCB while KVM looks at it. Commit 7588dbcebcbf, Linux 6.5;
	 * Debian's changelog of linux 6.1.52-1 and 6.4.11-1 has the backports.
	 */
	[HOST_FAULT_GHCB] = { "CVE-2023-4155", { 5, 11 }, { 6, 5 },
		{ { 6, 1, 52 }, { 6, 4, 11 } } },
	/*
	 * A VMM runs a vCPU during SNP_LAUNCH_FINISH and crashes the host (ABI 5.2; casemate does
	 * not, others may). Came with SNP guests in 6.11; 7.2 is the first version known to be good.
	 */
	[HOST_FAULT_VMSA] = { "CVE-2026-31591", { 6, 11 }, { 7, 2 }, { { 0 } } },
};

bool host_kernel_parse(const struct host_facts *f, struct host_kernel *ret)
{
	struct host_kernel k = { 0 };
	const char *debian = f->version.err == 0 ? strstr(f->version.s, "Debian ") : NULL;
	int used = 0;

	if (debian != NULL &&
		sscanf(debian, "Debian %u.%u.%u-", &k.major, &k.minor, &k.patch) == 3) {
		k.is_exact = true;
		*ret = k;
		return true;
	}
	k = (struct host_kernel){ 0 };
	if (f->release.err != 0 || sscanf(f->release.s, "%u.%u", &k.major, &k.minor) != 2)
		return false;
	k.is_exact = sscanf(f->release.s, "%u.%u.%u%n", &k.major, &k.minor, &k.patch, &used) == 3 &&
		     f->release.s[used] == '\0';
	*ret = k;
	return true;
}

static bool is_before(const struct host_kernel *k, const unsigned int v[2])
{
	return k->major < v[0] || (k->major == v[0] && k->minor < v[1]);
}

int host_fault_check(const struct host_fault *fault, const struct host_kernel *k)
{
	if (is_before(k, fault->since) || !is_before(k, fault->fixed))
		return 1;
	if (!k->is_exact)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(fault->stable); i++)
		if (k->major == fault->stable[i][0] && k->minor == fault->stable[i][1])
			return k->patch >= fault->stable[i][2];
	return 0;
}
