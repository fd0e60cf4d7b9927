#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cmd.h"
#include "attest/digest_mrtd.h"
#include "attest/digest_ovmf.h"
#include "attest/id_block.h"
#include "attest/json_out.h"
#include "attest/predict.h"
#include "base/cpu_model.h"

#define DIGEST_SCHEMA   "casemate.attest.digest/1"
#define ID_BLOCK_SCHEMA "casemate.attest.id-block/1"

enum mode { MODE_SNP, MODE_SEV_ES, MODE_SEV, MODE_TDX, MODE_COUNT };

static const char *const mode_names[MODE_COUNT] = { "snp", "sev-es", "sev", "tdx" };

struct args {
	const char *mode_name, *firmware, *kernel, *initrd, *cmdline;
	const char *vcpus, *vcpu_type, *vcpu_sig, *vmm, *features;
	const char *firmware_ld, *svsm, *vars_size;
	bool as_json;
	enum mode mode;
};

struct images {
	struct predict_image firmware, kernel, initrd, svsm;
};

static void images_done(struct images *i)
{
	predict_image_done(&i->firmware);
	predict_image_done(&i->kernel);
	predict_image_done(&i->initrd);
	predict_image_done(&i->svsm);
}

/* --- the command line ------------------------------------------------------------------------- */

static MUST_USE int mode_parse(struct args *a, struct why *why)
{
	for (enum mode m = 0; m < MODE_COUNT; m++)
		if (a->mode_name != NULL && strcmp(a->mode_name, mode_names[m]) == 0) {
			a->mode = m;
			return 0;
		}
	return why_set(why, -EINVAL, "--mode: want snp, sev-es, sev or tdx");
}

/* Which model of vCPU: only QEMU lets the digest depend on it. */
static MUST_USE int vcpu_parse(const struct args *a, struct ovmf_launch *l, struct why *why)
{
	uint64_t signature = 0;
	int err = 0;

	if (a->vcpu_sig != NULL)
		err = cmd_parse_word("vcpu-sig", a->vcpu_sig, UINT32_MAX, &signature, why);
	l->signature = (uint32_t)signature;
	if (err < 0 || a->vcpu_sig != NULL || l->vmm != VMM_QEMU)
		return err;
	if (a->vcpu_type == NULL)
		return why_set(why, -EINVAL,
			"--vcpu-type or --vcpu-sig is missing: QEMU measures the CPU model");
	if (cpu_model_parse(a->vcpu_type, &l->signature) < 0)
		return why_set(why, -EINVAL,
			"--vcpu-type: '%s' is no EPYC model of QEMU; give its --vcpu-sig",
			a->vcpu_type);
	return 0;
}

/* What only SNP digests know. */
static MUST_USE int snp_parse(const struct args *a, struct ovmf_launch *l,
	uint8_t firmware_ld[SHA384_BYTES], struct why *why)
{
	unsigned long long vars_size = 0;
	int err = 0;

	if (a->mode != MODE_SNP && (a->firmware_ld != NULL || a->svsm != NULL))
		return why_set(why, -EINVAL, "--firmware-ld and --svsm need --mode snp");
	if (a->firmware_ld != NULL && opts_parse_hex(a->firmware_ld, firmware_ld, SHA384_BYTES) < 0)
		return why_set(why, -EINVAL, "--firmware-ld: want 96 hexadecimal digits");
	if (a->vars_size != NULL)
		err = opts_parse_u64("vars-size", a->vars_size, 0, UINT32_MAX, &vars_size, why);
	l->firmware_ld = a->firmware_ld == NULL ? NULL : firmware_ld;
	l->vars_size = (uint32_t)vars_size;
	return err;
}

static MUST_USE int launch_parse(const struct args *a, struct ovmf_launch *l, struct why *why)
{
	unsigned long long vcpus = 1;
	int err = 0;

	l->features = a->mode == MODE_SNP ? 1 : 0;
	l->cmdline = a->cmdline;
	if (a->vmm != NULL && digest_vmm_parse(a->vmm, &l->vmm) < 0)
		return why_set(why, -EINVAL, "--vmm: want qemu, ec2, ec2-rdx0, gce or krun");
	if (a->kernel == NULL && (a->initrd != NULL || a->cmdline != NULL))
		return why_set(why, -EINVAL, "--initrd and --cmdline need --kernel");
	if (a->vcpus != NULL)
		err = opts_parse_u64("vcpus", a->vcpus, 1, LIMIT_DIGEST_VCPUS, &vcpus, why);
	l->vcpus = (uint32_t)vcpus;
	if (err == 0 && a->features != NULL)
		err = cmd_parse_word("features", a->features, UINT64_MAX, &l->features, why);
	if (err == 0 && (a->mode == MODE_SNP || a->mode == MODE_SEV_ES))
		err = vcpu_parse(a, l, why);
	return err;
}

/* --- the answer ------------------------------------------------------------------------------- */

static MUST_USE int images_load(
	const struct args *a, struct images *i, struct ovmf_launch *l, struct why *why)
{
	int err = predict_image_load(a->firmware, LIMIT_FIRMWARE_BYTES, &i->firmware, why);

	if (err == 0 && a->kernel != NULL)
		err = predict_image_load(a->kernel, LIMIT_KERNEL_BYTES, &i->kernel, why);
	if (err == 0 && a->initrd != NULL)
		err = predict_image_load(a->initrd, LIMIT_INITRD_BYTES, &i->initrd, why);
	if (err == 0 && a->svsm != NULL)
		err = predict_image_load(a->svsm, LIMIT_FIRMWARE_BYTES, &i->svsm, why);
	l->kernel = i->kernel.p, l->kernel_len = i->kernel.len;
	l->initrd = i->initrd.p, l->initrd_len = i->initrd.len;
	return err;
}

static void digest_print(
	struct wr *w, bool as_json, const char *key, const char *name, const uint8_t *d, size_t len)
{
	if (as_json) {
		json_hex(w, key, d, len);
		return;
	}
	wr_hex(w, d, len);
	wr_printf(w, "%s%s\n", name[0] == '\0' ? "" : "  ", name);
}

static MUST_USE int digest_answer(
	const struct args *a, const struct ovmf_launch *l, struct wr *w, struct why *why)
{
	uint8_t digest[SHA384_BYTES], second[SHA384_BYTES];
	bool is_snp = a->mode == MODE_SNP, is_tdx = a->mode == MODE_TDX;
	int err = 0;

	if (is_snp)
		err = digest_ovmf_snp(l, digest, why);
	else if (is_tdx)
		err = digest_mrtd(l->firmware, false, digest, why);
	else
		err = digest_sev(l, a->mode == MODE_SEV_ES, digest, why);
	if (err == 0 && is_tdx)
		err = digest_mrtd(l->firmware, true, second, why);
	if (err < 0)
		return err;
	if (a->as_json) {
		json_open(w, NULL, '{');
		json_text(w, "schema", DIGEST_SCHEMA);
		json_text(w, "mode", mode_names[a->mode]);
	}
	digest_print(w, a->as_json, "digest", is_tdx ? "page by page" : "", digest,
		is_snp || is_tdx ? SHA384_BYTES : 32);
	if (is_tdx)
		digest_print(
			w, a->as_json, "digest_two_pass", "in two passes", second, SHA384_BYTES);
	if (a->as_json)
		json_close(w, '}');
	return 0;
}

static MUST_USE int digest_compute(const struct args *a, struct ovmf_launch *l, struct images *i,
	struct wr *w, struct why *why)
{
	static struct ovmf firmware, svsm; /* large; one thread, one call */

	int err = images_load(a, i, l, why);
	if (err == 0)
		err = ovmf_parse(&firmware, i->firmware.p, i->firmware.len, why);
	if (err == 0 && a->svsm != NULL)
		err = ovmf_parse(&svsm, i->svsm.p, i->svsm.len, why);
	l->firmware = &firmware;
	l->svsm = a->svsm == NULL ? NULL : &svsm;
	return err < 0 ? err : digest_answer(a, l, w, why);
}

static int digest_run(struct args *a)
{
	uint8_t firmware_ld[SHA384_BYTES];
	struct ovmf_launch l = { 0 };
	struct images images = { 0 };
	struct why why = { 0 };
	struct wr w = { 0 };

	int err = mode_parse(a, &why);
	if (err == 0 && a->firmware == NULL)
		err = why_set(&why, -EINVAL, "--firmware FILE is missing");
	if (err == 0)
		err = launch_parse(a, &l, &why);
	if (err == 0)
		err = snp_parse(a, &l, firmware_ld, &why);
	if (err < 0)
		return cmd_fail(EXIT_USAGE, err, &why);
	err = cmd_text_open(&w, &why);
	if (err == 0)
		err = digest_compute(a, &l, &images, &w, &why);
	int status = err == 0 ? cmd_print(&w, EXIT_YES)
			      : cmd_fail(err == -EOPNOTSUPP ? EXIT_INPUT : opts_exit_status(err),
					err, &why);
	images_done(&images);
	free(w.buf);
	return status;
}

int cmd_digest(int argc, char **argv)
{
	struct args a = { 0 };
	const struct opt options[] = {
		{ "mode", OPT_TEXT, &a.mode_name, "MODE", "snp, sev-es, sev or tdx" },
		{ "firmware", OPT_TEXT, &a.firmware, "FILE",
			"the whole image: OVMF, TDVF, td-shim" },
		{ "firmware-ld", OPT_TEXT, &a.firmware_ld, "HEX",
			"snp: digest after the image's pages; then FILE may be its end" },
		{ "svsm", OPT_TEXT, &a.svsm, "FILE",
			"snp: an SVSM that starts before the firmware" },
		{ "vars-size", OPT_TEXT, &a.vars_size, "N", "bytes of variables between the two" },
		{ "kernel", OPT_TEXT, &a.kernel, "FILE", "kernel whose hash the firmware checks" },
		{ "initrd", OPT_TEXT, &a.initrd, "FILE", "its initial ramdisk" },
		{ "cmdline", OPT_TEXT, &a.cmdline, "TEXT", "its command line" },
		{ "vcpus", OPT_TEXT, &a.vcpus, "N", "number of vCPUs; 1 if not given" },
		{ "vcpu-type", OPT_TEXT, &a.vcpu_type, "MODEL",
			"QEMU's CPU model, EPYC-v4, EPYC-Milan, ..." },
		{ "vcpu-sig", OPT_TEXT, &a.vcpu_sig, "HEX", "its CPUID signature instead" },
		{ "vmm", OPT_TEXT, &a.vmm, "VMM", "qemu (if not given), ec2, ec2-rdx0, gce, krun" },
		{ "features", OPT_TEXT, &a.features, "HEX",
			"SEV_FEATURES; if not given 1 for snp, 0 for sev-es" },
		{ "json", OPT_FLAG, &a.as_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = {
		"casemate attest digest --mode MODE --firmware FILE [OPTION]...",
		"Compute the launch digest of a guest that starts in a firmware image, offline.",
		options, 0, 0
	};
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	return digest_run(&a);
}

/* --- ID blocks -------------------------------------------------------------------------------- */

static void id_block_answer(const struct id_block *b, bool as_json, struct wr *w)
{
	struct claims c = { 0 };

	claims_add_bytes(&c, "launch_digest", b->ld, sizeof b->ld);
	claims_add_bytes(&c, "family_id", b->family_id, sizeof b->family_id);
	claims_add_bytes(&c, "image_id", b->image_id, sizeof b->image_id);
	claims_add_number(&c, "guest_svn", b->guest_svn);
	claims_add_number(&c, "policy", b->policy);
	claims_add_bytes(&c, "id_key_digest", b->id_key_digest, sizeof b->id_key_digest);
	if (b->has_author)
		claims_add_bytes(
			&c, "author_key_digest", b->author_key_digest, sizeof b->author_key_digest);
	if (!as_json) {
		claims_print_text(&c, w);
		return;
	}
	json_open(w, NULL, '{');
	json_text(w, "schema", ID_BLOCK_SCHEMA);
	claims_print_json(&c, "claims", w);
	json_close(w, '}');
}

int cmd_id_block(int argc, char **argv)
{
	AUTO(cmd_files) struct cmd_files files = { 0 };
	bool as_json = false;
	const struct opt options[] = {
		{ "json", OPT_FLAG, &as_json, NULL, "one JSON object on standard output" },
		{ 0 },
	};
	const struct opt_spec spec = { "casemate attest id-block BLOCK AUTH [--json]",
		"Verify an SNP ID block with its authentication page, offline.", options, 2, 2 };
	struct id_block b;
	struct why why = { 0 };
	struct wr w = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	for (size_t i = 0; i < n_args && err == 0; i++)
		err = cmd_files_add(&files, args[i], ID_AUTH_BYTES, &why);
	if (err == 0 && (files.at[0].len != ID_BLOCK_BYTES || files.at[1].len != ID_AUTH_BYTES))
		err = why_set(&why, -EBADMSG, "want an ID block of %u bytes and a page of %u",
			ID_BLOCK_BYTES, ID_AUTH_BYTES);
	if (err == 0)
		err = cmd_text_open(&w, &why);
	if (err == 0)
		err = id_block_verify(files.at[0].p, files.at[1].p, &b, &why);
	if (err == 0)
		id_block_answer(&b, as_json, &w);
	int status =
		err == 0 ? cmd_print(&w, EXIT_YES) : cmd_fail(opts_exit_status(err), err, &why);
	free(w.buf);
	return status;
}
