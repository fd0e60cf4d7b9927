#include "attest/ovmf_ours.h"

#include <errno.h>

int ovmf_check_amd(const struct ovmf *o, bool is_snp, bool is_es, bool has_kernel, struct why *why)
{
	if (is_snp && !o->has_metadata)
		return why_set(why, -EOPNOTSUPP,
			"this firmware has no SEV metadata: it is not built for SEV-SNP");
	if (is_es && !o->has_reset)
		return why_set(why, -EOPNOTSUPP,
			"this firmware does not say where vCPUs start: it is not built for "
			"encrypted registers");
	if (has_kernel && (!o->has_hashes || o->hashes_size < OVMF_HASHES_BYTES))
		return why_set(why, -EOPNOTSUPP,
			"this firmware has no place for a kernel's hashes and would start any: "
			"boot a disk, or use a build for AMD SEV (OvmfPkg/AmdSev)");
	if (has_kernel && is_snp && !ovmf_has_section(o, OVMF_KERNEL_HASHES))
		return why_set(why, -EOPNOTSUPP,
			"this firmware's SEV metadata have no section for a kernel's hashes");
	return 0;
}

static MUST_USE int section_check(const struct tdvf_section *s, bool *has_hob, struct why *why)
{
	bool has_contents = s->type == TDVF_BFV || s->type == TDVF_CFV;

	if (s->type > TDVF_TEMP_MEM || (s->attributes & ~TDVF_EXTEND) != 0)
		return why_set(why, -EPROTONOSUPPORT,
			"firmware: TDVF section of type %u, attributes 0x%x", s->type,
			s->attributes);
	if ((s->raw_size > 0) != has_contents)
		return why_set(why, -EBADMSG,
			"firmware: TDVF section of type %u has 0x%x bytes at 0x%x of the image for "
			"0x%llx bytes of memory",
			s->type, s->raw_size, s->offset, (unsigned long long)s->size);
	if (s->type == TDVF_TD_HOB && (*has_hob || s->gpa == 0))
		return why_set(why, -EBADMSG, "firmware: two TD HOB sections, or one at 0");
	*has_hob = *has_hob || s->type == TDVF_TD_HOB;
	return 0;
}

int ovmf_check_td(const struct ovmf *o, struct why *why)
{
	bool has_hob = false;
	struct tdvf t;

	if (!o->has_tdvf || o->is_shim)
		return why_set(why, -EOPNOTSUPP,
			"this firmware has no TDVF descriptor: it is not built for TDX");
	int err = tdvf_parse(&t, o, why);
	if (err == 0 && t.n < 2)
		err = why_set(why, -EBADMSG, "firmware: %zu TDVF sections in %zu bytes", t.n,
			16 + 32 * t.n);
	for (size_t i = 0; err == 0 && i < t.n; i++)
		err = section_check(&t.at[i], &has_hob, why);
	if (err == 0 && !has_hob)
		err = why_set(why, -EBADMSG, "firmware: no TD HOB section");
	return err;
}
