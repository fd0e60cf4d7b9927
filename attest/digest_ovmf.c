#include "attest/digest_ovmf.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/limits.h"
#include "base/wr.h"

#define RESET_VECTOR 0xFFFFFFF0u

/* --- names ------------------------------------------------------------------------------------ */

int digest_vmm_parse(const char *name, enum digest_vmm *ret)
{
	static const char *const names[VMM_COUNT] = { "qemu", "ec2", "ec2-rdx0", "gce", "krun" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum digest_vmm)i;
			return 0;
		}
	return -EINVAL;
}

/* --- vCPU state ------------------------------------------------------------------------------- */

/* What VMMs set otherwise than QEMU (attestation.md, 4.5). */
static const struct {
	uint16_t cs_bsp, cs_ap, ss, tr;
	uint16_t fcw;
	uint32_t mxcsr;
	uint64_t rdx, g_pat; /* 0: QEMU's */
} profiles[VMM_COUNT] = {
	[VMM_QEMU] = { 0x9B, 0x9B, 0x93, 0x8B, 0x37F, 0x1F80, 0, 0 },
	[VMM_EC2] = { 0x9A, 0x9B, 0x92, 0x83, 0, 0, 0x600, 0 },
	[VMM_EC2_RDX0] = { 0x9A, 0x9B, 0x92, 0x83, 0, 0, 0, 0 },
	[VMM_GCE] = { 0x9B, 0x9B, 0x93, 0x8B, 0, 0, 0x600, 0x00070106 },
	[VMM_KRUN] = { 0x9A, 0x9A, 0x92, 0x83, 0, 0, 0, 0 },
};

struct vmsa digest_vmsa(const struct ovmf_launch *l, bool is_bsp)
{
	struct vmsa v = vmsa_reset(is_bsp ? RESET_VECTOR : l->firmware->ap_reset, l->features);

	v.cs.attrib = is_bsp ? profiles[l->vmm].cs_bsp : profiles[l->vmm].cs_ap;
	v.ss.attrib = profiles[l->vmm].ss;
	v.tr.attrib = profiles[l->vmm].tr;
	v.fcw = profiles[l->vmm].fcw;
	v.mxcsr = profiles[l->vmm].mxcsr;
	v.rdx = l->vmm == VMM_QEMU ? l->signature : profiles[l->vmm].rdx;
	if (profiles[l->vmm].g_pat != 0)
		v.g_pat = profiles[l->vmm].g_pat;
	if (l->vmm == VMM_KRUN && is_bsp) {
		v.rsi = 0x7000; /* zero page, stack */
		v.rsp = v.rbp = 0x8FF0;
	} else if (l->vmm == VMM_KRUN) {
		v.cs.selector = 0x9100;
		v.cs.base = 0x91000;
	}
	return v;
}

/* An SVSM's vCPUs all start alike, in flat 32-bit segments (attestation.md, 4.6). */
static struct vmsa svsm_vmsa(const struct ovmf_launch *l, uint64_t gpa)
{
	const struct vmsa_seg flat = { 0x10, 0xC93, 0xFFFFFFFF, 0 };
	struct vmsa v = vmsa_reset(RESET_VECTOR, 1);

	v.es = v.ss = v.ds = v.fs = flat;
	v.cs = (struct vmsa_seg){ 0x8, 0xC9B, 0xFFFFFFFF, 0 };
	v.cr0 = 0x11;
	v.rip = gpa + l->svsm->svsm_entry;
	v.rdx = l->signature;
	v.fcw = 0; /* as the published digests have it */
	return v;
}

static MUST_USE int launch_check(const struct ovmf_launch *l, bool has_vcpus, struct why *why)
{
	if (has_vcpus && (l->vcpus == 0 || l->vcpus > LIMIT_DIGEST_VCPUS))
		return why_set(
			why, -ERANGE, "%u vCPUs, want 1 to %u", l->vcpus, LIMIT_DIGEST_VCPUS);
	if (l->svsm != NULL && (l->vmm != VMM_QEMU || l->kernel != NULL || !l->svsm->has_svsm ||
				       l->vars_size % PAGE_BYTES != 0 ||
				       l->svsm->len > l->firmware->gpa - l->vars_size))
		return why_set(why, -EOPNOTSUPP,
			"an SVSM is started by QEMU, without a kernel of its own, from an image "
			"that "
			"says where it starts, below whole pages of variables");
	if (has_vcpus && l->svsm == NULL && !l->firmware->has_reset)
		return why_set(why, -EOPNOTSUPP,
			"the firmware's table does not say where vCPUs start: it is not built for "
			"encrypted registers");
	if (l->kernel != NULL && !l->firmware->has_hashes)
		return why_set(why, -EOPNOTSUPP,
			"the firmware has no room for a kernel's hashes: it would not check the "
			"kernel");
	return 0;
}

/* --- kernel hashes ---------------------------------------------------------------------------- */

static const uint8_t guid_table[] = { 0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c, 0xb4, 0x79,
	0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21 };
static const uint8_t guid_cmdline[] = { 0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c, 0xaa, 0x78,
	0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a };
static const uint8_t guid_initrd[] = { 0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b, 0x9a, 0xf1,
	0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d };
static const uint8_t guid_kernel[] = { 0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42, 0xb8, 0x35,
	0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b };

#define TABLE_BYTES 168u
#define ENTRY_BYTES 50u

int digest_kernel_hashes(const struct ovmf_launch *l, uint8_t ret[KERNEL_HASHES_BYTES])
{
	const char *cmdline = l->cmdline == NULL ? "" : l->cmdline;
	const struct {
		const uint8_t *guid;
		const void *p;
		size_t len;
	} entries[] = {
		{ guid_cmdline, cmdline, strlen(cmdline) + 1 }, /* with its zero */
		{ guid_initrd, l->initrd == NULL ? (const void *)"" : l->initrd, l->initrd_len },
		{ guid_kernel, l->kernel, l->kernel_len },
	};
	struct wr w = wr_of(ret, KERNEL_HASHES_BYTES);

	wr_copy(&w, guid_table, sizeof guid_table);
	wr_le16(&w, TABLE_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		uint8_t hash[32];
		if (EVP_Digest(entries[i].p, entries[i].len, hash, NULL, EVP_sha256(), NULL) != 1)
			return -EIO;
		wr_copy(&w, entries[i].guid, 16);
		wr_le16(&w, ENTRY_BYTES);
		wr_copy(&w, hash, sizeof hash);
	}
	wr_pad_to(&w, KERNEL_HASHES_BYTES);
	return wr_check(&w);
}

/* --- SEV-SNP ---------------------------------------------------------------------------------- */

/* The page of the hashes; zeros without a kernel. */
static MUST_USE int hashes_add(struct digest_snp *d, const struct ovmf_launch *l,
	const struct ovmf_section *s, struct why *why)
{
	uint32_t offset = l->firmware->hashes_gpa % PAGE_BYTES;
	uint8_t page[PAGE_BYTES] = { 0 };

	if (l->kernel == NULL)
		return digest_snp_add_empty(d, SNP_PAGE_ZERO, s->gpa, s->size / PAGE_BYTES);
	if (s->size != PAGE_BYTES || offset > PAGE_BYTES - KERNEL_HASHES_BYTES)
		return why_set(why, -EOPNOTSUPP,
			"the firmware's place for a kernel's hashes is not inside one page");
	int err = digest_kernel_hashes(l, page + offset);
	return err < 0 ? err : digest_snp_add(d, SNP_PAGE_NORMAL, s->gpa, page, sizeof page);
}

static MUST_USE int section_add(struct digest_snp *d, const struct ovmf_launch *l,
	const struct ovmf_section *s, struct why *why)
{
	static const struct {
		uint32_t section;
		enum snp_page_type page;
	} types[] = {
		{ OVMF_SNP_SEC_MEM, SNP_PAGE_ZERO },
		{ OVMF_SNP_SECRETS, SNP_PAGE_SECRETS },
		{ OVMF_CPUID, SNP_PAGE_CPUID },
		{ OVMF_SVSM_CAA, SNP_PAGE_ZERO },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		enum snp_page_type page = types[i].page;
		if (s->type != types[i].section)
			continue;
		if (l->vmm == VMM_GCE && s->type == OVMF_SNP_SEC_MEM)
			page = SNP_PAGE_UNMEASURED;
		return digest_snp_add_empty(d, page, s->gpa, s->size / PAGE_BYTES);
	}
	return hashes_add(d, l, s, why);
}

/* In the table's order; EC2 measures the CPUID page last. */
static MUST_USE int sections_add(struct digest_snp *d, const struct ovmf_launch *l, struct why *why)
{
	const struct ovmf *o = l->svsm == NULL ? l->firmware : l->svsm;
	bool is_ec2 = l->vmm == VMM_EC2 || l->vmm == VMM_EC2_RDX0;
	int err = 0;

	if (l->kernel != NULL && !ovmf_has_section(o, OVMF_KERNEL_HASHES))
		return why_set(why, -EOPNOTSUPP,
			"the firmware's SEV metadata have no section for a kernel's hashes");
	for (size_t i = 0; i < o->n_sections && err == 0; i++)
		if (!is_ec2 || o->sections[i].type != OVMF_CPUID)
			err = section_add(d, l, &o->sections[i], why);
	for (size_t i = 0; i < o->n_sections && err == 0 && is_ec2; i++)
		if (o->sections[i].type == OVMF_CPUID)
			err = section_add(d, l, &o->sections[i], why);
	return err;
}

/* Firmware, and SVSM; *ret_gpa: where the SVSM lies. */
static MUST_USE int images_add(struct digest_snp *d, const struct ovmf_launch *l, uint64_t *ret_gpa)
{
	const struct ovmf *o = l->firmware;
	int err = 0;

	if (l->firmware_ld != NULL)
		memcpy(d->ld, l->firmware_ld, sizeof d->ld);
	else
		err = digest_snp_add(d, SNP_PAGE_NORMAL, o->gpa, o->image, o->len);
	if (err < 0 || l->svsm == NULL)
		return err;
	*ret_gpa = o->gpa - l->vars_size - l->svsm->len;
	return digest_snp_add(d, SNP_PAGE_NORMAL, *ret_gpa, l->svsm->image, l->svsm->len);
}

int digest_ovmf_snp(const struct ovmf_launch *l, uint8_t ret[SHA384_BYTES], struct why *why)
{
	AUTO(digest_snp) struct digest_snp d = { 0 };
	uint8_t page[PAGE_BYTES];
	uint64_t svsm_gpa = 0;

	int err = launch_check(l, true, why);
	if (err == 0)
		err = digest_snp_init(&d);
	if (err == 0)
		err = images_add(&d, l, &svsm_gpa);
	if (err == 0)
		err = sections_add(&d, l, why);
	for (uint32_t i = 0; i < l->vcpus && err == 0; i++) {
		struct vmsa v = l->svsm == NULL ? digest_vmsa(l, i == 0) : svsm_vmsa(l, svsm_gpa);
		vmsa_print(&v, page);
		err = digest_snp_add(&d, SNP_PAGE_VMSA, SNP_VMSA_GPA, page, sizeof page);
	}
	if (err < 0)
		return why_set(why, err, "the digest cannot be computed");
	memcpy(ret, d.ld, SHA384_BYTES);
	return 0;
}

/* --- SEV, SEV-ES ------------------------------------------------------------------------------ */

static MUST_USE int sev_hash(const struct ovmf_launch *l, bool is_es, EVP_MD_CTX *ctx)
{
	uint8_t hashes[KERNEL_HASHES_BYTES], page[PAGE_BYTES];
	bool ok = EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(ctx, l->firmware->image, l->firmware->len) == 1;

	if (ok && l->kernel != NULL)
		ok = digest_kernel_hashes(l, hashes) == 0 &&
		     EVP_DigestUpdate(ctx, hashes, sizeof hashes) == 1;
	for (uint32_t i = 0; ok && is_es && i < l->vcpus; i++) {
		struct vmsa v = digest_vmsa(l, i == 0);
		vmsa_print(&v, page);
		ok = EVP_DigestUpdate(ctx, page, sizeof page) == 1;
	}
	return ok ? 0 : -EIO;
}

int digest_sev(const struct ovmf_launch *l, bool is_es, uint8_t ret[32], struct why *why)
{
	uint8_t digest[32];

	int err = launch_check(l, is_es, why);
	if (err < 0)
		return err;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		return -ENOMEM;
	err = sev_hash(l, is_es, ctx);
	if (err == 0 && EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
		err = -EIO;
	EVP_MD_CTX_free(ctx);
	if (err < 0)
		return why_set(why, err, "the digest cannot be computed");
	memcpy(ret, digest, sizeof digest);
	return 0;
}
