#include "attest/digest_boot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/boot_pages.h"
#include "attest/digest_snp.h"
#include "base/num.h"

#define SEV_FEATURE_SNP 1ull

/* The walk over the pieces; remembers the first failure. */
struct walk {
	struct digest_snp snp;
	struct boot_digest out;
	int err;
};

static void walk_auto(struct walk *w)
{
	digest_snp_done(&w->snp);
}

static struct boot_digest_piece *piece_new(
	struct walk *w, const char *name, uint64_t gpa, uint64_t len, enum snp_page_type type)
{
	struct boot_digest_piece *p = &w->out.pieces[w->out.n_pieces++];

	(void)snprintf(p->name, sizeof p->name, "%s", name);
	p->gpa = gpa;
	p->len = len;
	p->n_pages = (uint32_t)((len + PAGE_BYTES - 1) / PAGE_BYTES);
	p->page_type = (uint8_t)type;
	return p;
}

/* A piece whose bytes are measured. */
static void piece_add(struct walk *w, const char *name, uint64_t gpa, enum snp_page_type type,
	const uint8_t *buf, size_t len)
{
	if (w->err < 0)
		return;
	struct boot_digest_piece *p = piece_new(w, name, gpa, len, type);
	w->err = sha384_of(&w->snp.sha, buf, len, p->sha384);
	if (w->err == 0)
		w->err = digest_snp_add(&w->snp, type, gpa, buf, len);
}

/* A page of which only type and address are measured. */
static void piece_add_empty(struct walk *w, const char *name, uint64_t gpa, enum snp_page_type type)
{
	if (w->err < 0)
		return;
	(void)piece_new(w, name, gpa, PAGE_BYTES, type);
	w->err = digest_snp_add_empty(&w->snp, type, gpa, 1);
}

static MUST_USE int inputs_check(const struct boot_inputs *in, struct why *why)
{
	if (in->vcpus < 1 || in->vcpus > LIMIT_VCPUS)
		return why_set(why, -ERANGE, "%u vCPUs, want 1 to %u", in->vcpus, LIMIT_VCPUS);
	if (in->memory_mib < LIMIT_MEMORY_MIB_MIN || in->memory_mib > LIMIT_MEMORY_MIB_MAX)
		return why_set(why, -ERANGE, "%llu MiB of memory, want %u to %u",
			(unsigned long long)in->memory_mib, LIMIT_MEMORY_MIB_MIN,
			LIMIT_MEMORY_MIB_MAX);
	if (strlen(in->cmdline) >= LIMIT_CMDLINE_BYTES)
		return why_set(why, -EMSGSIZE, "the command line has %zu bytes, at most %u",
			strlen(in->cmdline), LIMIT_CMDLINE_BYTES - 1);
	if (in->kernel_len > LIMIT_KERNEL_BYTES || in->initrd_len > LIMIT_INITRD_BYTES)
		return why_set(
			why, -EMSGSIZE, "kernel or initial ramdisk larger than this boot takes");
	return 0;
}

static void made_pieces_add(struct walk *w, const struct boot_inputs *in,
	const struct boot_kernel *kernel, const struct boot_layout *layout)
{
	uint8_t page[PAGE_BYTES], acpi[BOOT_ACPI_PAGES * PAGE_BYTES];

	boot_params_print(kernel, layout, page);
	piece_add(w, "boot-parameters", BOOT_GPA_PARAMS, SNP_PAGE_NORMAL, page, sizeof page);
	piece_add(w, "cmdline", BOOT_GPA_CMDLINE, SNP_PAGE_NORMAL, (const uint8_t *)in->cmdline,
		strlen(in->cmdline) + 1);
	boot_gdt_print(page);
	piece_add(w, "gdt", BOOT_GPA_GDT, SNP_PAGE_NORMAL, page, sizeof page);
	boot_cc_blob_print(page);
	piece_add(w, "cc-blob", BOOT_GPA_CC_BLOB, SNP_PAGE_NORMAL, page, sizeof page);
	boot_acpi_print(in->vcpus, acpi);
	piece_add(w, "acpi", BOOT_GPA_ACPI, SNP_PAGE_NORMAL, acpi, sizeof acpi);
	piece_add_empty(w, "secrets", BOOT_GPA_SECRETS, SNP_PAGE_SECRETS);
	piece_add_empty(w, "cpuid", BOOT_GPA_CPUID, SNP_PAGE_CPUID);
	for (uint32_t i = 0; i < in->vcpus; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "vmsa%u", i);
		boot_vmsa_print(i, layout->sev_features, page);
		piece_add(w, name, SNP_VMSA_GPA, SNP_PAGE_VMSA, page, sizeof page);
	}
}

static bool memo_fits(const struct boot_memo *m, const struct boot_inputs *in, uint64_t initrd_len,
	uint64_t initrd_gpa)
{
	return m->state.n_pieces > 0 && m->kernel == in->kernel &&
	       m->kernel_len == in->kernel_len && m->initrd == in->initrd &&
	       m->initrd_len == initrd_len && m->initrd_gpa == initrd_gpa;
}

/* The launch digest in out is only carried for the memo; walk.snp.ld is the running one. */
static void images_add(struct walk *w, const struct boot_inputs *in,
	const struct boot_kernel *kernel, const struct boot_layout *layout, struct boot_memo *memo)
{
	if (memo_fits(memo, in, layout->initrd_len, layout->initrd_gpa)) {
		w->out = memo->state;
		memcpy(w->snp.ld, memo->state.digest, sizeof w->snp.ld);
		return;
	}
	piece_add(w, "kernel", BOOT_GPA_KERNEL, SNP_PAGE_NORMAL, kernel->body, kernel->body_len);
	if (layout->initrd_len > 0)
		piece_add(w, "initrd", layout->initrd_gpa, SNP_PAGE_NORMAL, in->initrd,
			layout->initrd_len);
	if (w->err < 0)
		return;
	memcpy(w->out.digest, w->snp.ld, sizeof w->out.digest);
	*memo = (struct boot_memo){ .kernel = in->kernel,
		.kernel_len = in->kernel_len,
		.initrd = in->initrd,
		.initrd_len = layout->initrd_len,
		.initrd_gpa = layout->initrd_gpa,
		.state = w->out };
}

int boot_digest_compute(const struct boot_inputs *in, struct boot_digest *ret, struct why *why)
{
	struct boot_memo memo = { 0 };

	return boot_digest_compute_memo(in, &memo, ret, why);
}

int boot_digest_compute_memo(const struct boot_inputs *in, struct boot_memo *memo,
	struct boot_digest *ret, struct why *why)
{
	AUTO(walk) struct walk w = { 0 };
	struct boot_kernel kernel = { 0 };
	struct boot_layout layout = { 0 };
	uint64_t initrd_len = in->initrd == NULL ? 0 : in->initrd_len;

	int err = inputs_check(in, why);
	if (err == 0)
		err = boot_kernel_parse(&kernel, in->kernel, in->kernel_len, why);
	if (err == 0)
		err = boot_layout_make(&layout, &kernel, initrd_len, in->memory_mib << 20, why);
	if (err == 0)
		err = digest_snp_init(&w.snp);
	if (err < 0)
		return err;
	layout.vcpus = in->vcpus;
	layout.sev_features = in->vmsa_features | SEV_FEATURE_SNP;

	images_add(&w, in, &kernel, &layout, memo);
	made_pieces_add(&w, in, &kernel, &layout);
	if (w.err < 0)
		return w.err;
	memcpy(w.out.digest, w.snp.ld, sizeof w.out.digest);
	*ret = w.out;
	return 0;
}

const struct boot_digest_piece *boot_digest_find(const struct boot_digest *d, const char *name)
{
	for (size_t i = 0; i < d->n_pieces; i++)
		if (strcmp(d->pieces[i].name, name) == 0)
			return &d->pieces[i];
	return NULL;
}
