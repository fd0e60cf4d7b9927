#include "attest/digest_ovmf.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/wr.h"

#define RESET_VECTOR 0xFFFFFFF0u

/* --- names ------------------------------------------------------------------------------------ */

static const char *const vmm_names[VMM_COUNT] = {
	[VMM_QEMU] = "qemu",
	[VMM_EC2] = "ec2",
	[VMM_EC2_RDX0] = "ec2-rdx0",
	[VMM_GCE] = "gce",
	[VMM_KRUN] = "krun",
	[VMM_CASEMATE] = "casemate",
	[VMM_CLOUD_HYPERVISOR] = "cloud-hypervisor",
};

int digest_vmm_parse(const char *name, enum digest_vmm *ret)
{
	for (size_t i = 0; i < VMM_COUNT; i++)
		if (strcmp(vmm_names[i], name) == 0) {
			*ret = (enum digest_vmm)i;
			return 0;
		}
	return -EINVAL;
}

const char *digest_vmm_name(enum digest_vmm vmm)
{
	return vmm < VMM_COUNT ? vmm_names[vmm] : "?";
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
	[VMM_CASEMATE] = { 0x9B, 0x9B, 0x93, 0x8B, 0x37F, 0x1F80, 0, 0 },
};

struct vmsa digest_vmsa(const struct ovmf_launch *l, bool is_bsp)
{
	struct vmsa v = vmsa_reset(is_bsp ? RESET_VECTOR : l->firmware->ap_reset, l->features);

	v.cs.attrib = is_bsp ? profiles[l->vmm].cs_bsp : profiles[l->vmm].cs_ap;
	v.ss.attrib = profiles[l->vmm].ss;
	v.tr.attrib = profiles[l->vmm].tr;
	v.fcw = profiles[l->vmm].fcw;
	v.mxcsr = profiles[l->vmm].mxcsr;
	v.rdx = l->vmm == VMM_QEMU || l->vmm == VMM_CASEMATE ? l->signature : profiles[l->vmm].rdx;
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
	if (l->vmm == VMM_CLOUD_HYPERVISOR)
		return why_set(why, -EOPNOTSUPP,
			"Cloud Hypervisor launches IGVM files, and this is a firmware image");
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
		const char *name;
		const uint8_t *guid, *sha256;
		const void *p;
		size_t len;
	} entries[] = {
		{ "cmdline", guid_cmdline, NULL, cmdline, strlen(cmdline) + 1 }, /* with its zero */
		{ "initrd", guid_initrd, l->initrd_sha256,
			l->initrd == NULL ? (const void *)"" : l->initrd, l->initrd_len },
		{ "kernel", guid_kernel, l->kernel_sha256, l->kernel, l->kernel_len },
	};
	int err = 0;
	struct wr w = wr_of(ret, KERNEL_HASHES_BYTES);

	wr_copy(&w, guid_table, sizeof guid_table);
	wr_le16(&w, TABLE_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		uint8_t hash[32];
		if (entries[i].sha256 != NULL)
			memcpy(hash, entries[i].sha256, sizeof hash);
		else if (EVP_Digest(entries[i].p, entries[i].len, hash, NULL, EVP_sha256(), NULL) !=
			 1)
			return -EIO;
		struct measured_piece *row = measured_add(l->trace, entries[i].name, "hashed",
			MEASURED_NO_GPA, NULL, entries[i].len, &err);
		if (row != NULL) {
			row->n_pages = 0;
			row->digest_len = sizeof hash;
			memcpy(row->digest, hash, sizeof hash);
		}
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

	int err = 0;
	if (l->kernel == NULL) {
		(void)measured_add(l->trace, "kernel-hashes", "zero", s->gpa, NULL, s->size, &err);
		return digest_snp_add_empty(d, SNP_PAGE_ZERO, s->gpa, s->size / PAGE_BYTES);
	}
	if (s->size != PAGE_BYTES || offset > PAGE_BYTES - KERNEL_HASHES_BYTES ||
		s->gpa != l->firmware->hashes_gpa - offset)
		return why_set(why, -EOPNOTSUPP,
			"the firmware's place for a kernel's hashes is not inside one page of its "
			"section");
	err = digest_kernel_hashes(l, page + offset);
	(void)measured_add(l->trace, "kernel-hashes", "normal", s->gpa, page, sizeof page, &err);
	return err < 0 ? err : digest_snp_add(d, SNP_PAGE_NORMAL, s->gpa, page, sizeof page);
}

static MUST_USE int section_add(struct digest_snp *d, const struct ovmf_launch *l,
	const struct ovmf_section *s, struct why *why)
{
	static const struct {
		uint32_t section;
		enum snp_page_type page;
		const char *name;
	} types[] = {
		{ OVMF_SNP_SEC_MEM, SNP_PAGE_ZERO, "sec-mem" },
		{ OVMF_SNP_SECRETS, SNP_PAGE_SECRETS, "secrets" },
		{ OVMF_CPUID, SNP_PAGE_CPUID, "cpuid" },
		{ OVMF_SVSM_CAA, SNP_PAGE_ZERO, "svsm-caa" },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		enum snp_page_type page = types[i].page;
		if (s->type != types[i].section)
			continue;
		if (l->vmm == VMM_GCE && s->type == OVMF_SNP_SEC_MEM)
			page = SNP_PAGE_UNMEASURED;
		(void)measured_add(l->trace, types[i].name, snp_page_type_name((uint8_t)page),
			s->gpa, NULL, s->size, &err);
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

	(void)measured_add(l->trace, "firmware", "normal", o->gpa, o->image, o->len, &err);
	if (l->firmware_ld != NULL)
		memcpy(d->ld, l->firmware_ld, sizeof d->ld);
	else if (err == 0)
		err = digest_snp_add(d, SNP_PAGE_NORMAL, o->gpa, o->image, o->len);
	if (err < 0 || l->svsm == NULL)
		return err;
	*ret_gpa = o->gpa - l->vars_size - l->svsm->len;
	(void)measured_add(
		l->trace, "svsm", "normal", *ret_gpa, l->svsm->image, l->svsm->len, &err);
	return err < 0 ? err
		       : digest_snp_add(d, SNP_PAGE_NORMAL, *ret_gpa, l->svsm->image, l->svsm->len);
}

/* The first vCPU's page in a row of its own, the others, which are alike, in another. */
static MUST_USE int vmsa_trace(const struct ovmf_launch *l, uint32_t index,
	const uint8_t page[PAGE_BYTES], const char *type)
{
	char name[32] = "vmsa0";
	int err = 0;

	if (index > 1)
		return 0;
	if (index == 1 && l->vcpus > 2)
		(void)snprintf(name, sizeof name, "vmsa1 to vmsa%u", l->vcpus - 1);
	else if (index == 1)
		(void)snprintf(name, sizeof name, "vmsa1");
	struct measured_piece *p =
		measured_add(l->trace, name, type, SNP_VMSA_GPA, page, PAGE_BYTES, &err);
	if (p != NULL && index == 1)
		p->n_pages = l->vcpus - 1;
	return err;
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
		err = vmsa_trace(l, i, page, "vmsa");
		if (err == 0)
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
	int err = 0;

	(void)measured_add(l->trace, "firmware", "data", l->firmware->gpa, l->firmware->image,
		l->firmware->len, &err);
	if (ok && l->kernel != NULL) {
		ok = digest_kernel_hashes(l, hashes) == 0 &&
		     EVP_DigestUpdate(ctx, hashes, sizeof hashes) == 1;
		(void)measured_add(l->trace, "kernel-hashes", "data", l->firmware->hashes_gpa,
			hashes, sizeof hashes, &err);
	}
	for (uint32_t i = 0; ok && is_es && i < l->vcpus; i++) {
		struct vmsa v = digest_vmsa(l, i == 0);
		vmsa_print(&v, page);
		ok = EVP_DigestUpdate(ctx, page, sizeof page) == 1 &&
		     vmsa_trace(l, i, page, "data") == 0;
	}
	return ok ? err : -EIO;
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
