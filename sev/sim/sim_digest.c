#include "sev/sim/sim_digest.h"

#include <string.h>

static void vmsa_hash(const struct sim_crypto *c, const void *page, uint8_t ret[SNP_DIGEST_BYTES])
{
	struct snp_vmsa v;

	memcpy(&v, page, sizeof v);
	v.tsc_scale = le64_of(0);
	v.tsc_offset = le64_of(0);
	sim_sha384(c, &v, sizeof v, ret);
}

void sim_digest_extend(const struct sim_crypto *c, uint8_t ld[SNP_DIGEST_BYTES], uint8_t type,
	uint64_t gpa, const void *page)
{
	struct snp_page_info info = {
		.length = le16_of(sizeof info),
		.page_type = type,
		.gpa = le64_of(gpa),
	};

	memcpy(info.digest_cur, ld, SNP_DIGEST_BYTES);
	if (type == SNP_PAGE_NORMAL)
		sim_sha384(c, page, SNP_PAGE_BYTES, info.contents);
	if (type == SNP_PAGE_VMSA)
		vmsa_hash(c, page, info.contents);
	sim_sha384(c, &info, sizeof info, ld);
}
