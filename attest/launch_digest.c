#include "attest/launch_digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "attest/digest_mrtd.h"
#include "attest/igvm.h"
#include "attest/ovmf_ours.h"
#include "attest/rtmr.h"

#define SEV_FEATURE_SNP 1ull

const char *launch_kind_title(enum launch_kind kind)
{
	static const char *const titles[LAUNCH_KIND_COUNT] = {
		[LAUNCH_SNP_DIRECT] = "launch digest",
		[LAUNCH_SNP] = "launch digest",
		[LAUNCH_SEV] = "launch digest",
		[LAUNCH_SEV_ES] = "launch digest",
		[LAUNCH_TDX] = "MRTD",
		[LAUNCH_TDX_RTMR1] = "RTMR 1",
		[LAUNCH_TDX_RTMR2] = "RTMR 2",
	};

	return kind < LAUNCH_KIND_COUNT ? titles[kind] : "?";
}

static MUST_USE int direct_digest(const struct launch_inputs *in, struct launch_memo *memo,
	struct measured *trace, uint8_t ret[SHA384_BYTES], struct why *why)
{
	struct boot_digest d;
	int err = boot_digest_compute_memo(&in->boot, &memo->boot, &d, why);

	for (size_t i = 0; err == 0 && trace != NULL && i < d.n_pieces; i++) {
		const struct boot_digest_piece *p = &d.pieces[i];
		struct measured_piece *row = measured_add(trace, p->name,
			snp_page_type_name(p->page_type), p->gpa, NULL, p->len, &err);
		if (row == NULL ||
			(p->page_type != SNP_PAGE_NORMAL && p->page_type != SNP_PAGE_VMSA))
			continue;
		row->digest_len = SHA384_BYTES;
		memcpy(row->digest, p->sha384, SHA384_BYTES);
	}
	if (err == 0)
		memcpy(ret, d.digest, SHA384_BYTES);
	return err;
}

/* --- firmware --------------------------------------------------------------------------------- */

/* Kernel and ramdisk hashed once for many tries. */
static MUST_USE int hashes_fill(
	const struct launch_inputs *in, struct launch_memo *memo, struct ovmf_launch *l)
{
	if (in->boot.kernel == NULL)
		return 0;
	if (!memo->has_hashes || memo->kernel != in->boot.kernel ||
		memo->initrd != in->boot.initrd) {
		const uint8_t *initrd =
			in->boot.initrd == NULL ? (const uint8_t *)"" : in->boot.initrd;
		size_t initrd_len = in->boot.initrd == NULL ? 0 : in->boot.initrd_len;
		memo->has_hashes = EVP_Digest(in->boot.kernel, in->boot.kernel_len,
					   memo->kernel_sha256, NULL, EVP_sha256(), NULL) == 1 &&
				   EVP_Digest(initrd, initrd_len, memo->initrd_sha256, NULL,
					   EVP_sha256(), NULL) == 1;
		memo->kernel = in->boot.kernel;
		memo->initrd = in->boot.initrd;
	}
	l->kernel_sha256 = memo->kernel_sha256;
	l->initrd_sha256 = memo->initrd_sha256;
	return memo->has_hashes ? 0 : -EIO;
}

static MUST_USE int firmware_parse(
	const struct launch_inputs *in, struct launch_memo *memo, struct why *why)
{
	if (in->firmware == NULL)
		return why_set(why, -EOPNOTSUPP, "there is no firmware");
	if (memo->firmware == in->firmware)
		return 0;
	memo->has_ld = false;
	memo->firmware = NULL;
	int err = ovmf_parse(&memo->ovmf, in->firmware, in->firmware_len, why);
	if (err == 0)
		memo->firmware = in->firmware;
	return err;
}

/* The digest after the firmware's pages alone: the slow part of every SNP launch. */
static MUST_USE int ld_fill(struct launch_memo *memo, struct ovmf_launch *l)
{
	AUTO(digest_snp) struct digest_snp d = { 0 };
	int err = memo->has_ld ? 0 : digest_snp_init(&d);

	if (err == 0 && !memo->has_ld) {
		err = digest_snp_add(
			&d, SNP_PAGE_NORMAL, memo->ovmf.gpa, memo->ovmf.image, memo->ovmf.len);
		memcpy(memo->ld, d.ld, sizeof memo->ld);
		memo->has_ld = err == 0;
	}
	l->firmware_ld = memo->ld;
	return err;
}

static MUST_USE int amd_digest(const struct launch_inputs *in, struct launch_memo *memo,
	struct measured *trace, uint8_t ret[SHA384_BYTES], struct why *why)
{
	struct ovmf_launch l = {
		.firmware = &memo->ovmf,
		.vmm = in->vmm,
		.vcpus = in->boot.vcpus,
		.signature = in->cpu_signature,
		.features = in->boot.vmsa_features | (in->kind == LAUNCH_SNP ? SEV_FEATURE_SNP : 0),
		.kernel = in->boot.kernel,
		.kernel_len = in->boot.kernel_len,
		.initrd = in->boot.initrd,
		.initrd_len = in->boot.initrd == NULL ? 0 : in->boot.initrd_len,
		.cmdline = in->boot.cmdline,
		.trace = trace,
	};

	int err = hashes_fill(in, memo, &l);
	if (err == 0 && igvm_recognise(in->firmware, in->firmware_len))
		return in->kind == LAUNCH_SNP
			       ? igvm_digest(in->firmware, in->firmware_len, &l, ret, why)
			       : why_set(why, -EOPNOTSUPP, "an IGVM file is for SEV-SNP here");
	if (err == 0)
		err = firmware_parse(in, memo, why);
	if (err == 0 && in->vmm == VMM_CASEMATE)
		err = ovmf_check_amd(&memo->ovmf, in->kind == LAUNCH_SNP, in->kind != LAUNCH_SEV,
			in->boot.kernel != NULL, why);
	if (err == 0 && in->kind != LAUNCH_SNP)
		return digest_sev(&l, in->kind == LAUNCH_SEV_ES, ret, why);
	if (err == 0)
		err = ld_fill(memo, &l);
	return err == 0 ? digest_ovmf_snp(&l, ret, why) : err;
}

static MUST_USE int mrtd_digest(const struct launch_inputs *in, struct launch_memo *memo,
	struct measured *trace, uint8_t ret[SHA384_BYTES], struct why *why)
{
	int err = firmware_parse(in, memo, why);

	if (err == 0 && in->vmm == VMM_CASEMATE)
		err = ovmf_check_td(&memo->ovmf, why);
	return err < 0 ? err : digest_mrtd_trace(&memo->ovmf, in->is_two_pass, trace, ret, why);
}

int launch_digest_compute(const struct launch_inputs *in, struct launch_memo *memo,
	struct measured *trace, struct launch_values *ret, struct why *why)
{
	struct launch_values v = { .n = 1, .len = SHA384_BYTES, .at[0].when = "" };
	int err = -EINVAL;

	switch (in->kind) {
	case LAUNCH_SNP_DIRECT:
		err = direct_digest(in, memo, trace, v.at[0].digest, why);
		break;
	case LAUNCH_SEV:
	case LAUNCH_SEV_ES:
		v.len = 32;
		err = amd_digest(in, memo, trace, v.at[0].digest, why);
		break;
	case LAUNCH_SNP:
		err = amd_digest(in, memo, trace, v.at[0].digest, why);
		break;
	case LAUNCH_TDX:
		err = mrtd_digest(in, memo, trace, v.at[0].digest, why);
		break;
	case LAUNCH_TDX_RTMR1:
	case LAUNCH_TDX_RTMR2:
		err = rtmr_predict(in, trace, &v, why);
		break;
	case LAUNCH_KIND_COUNT:
		break;
	}
	if (err == 0)
		*ret = v;
	return err;
}
