/*
 * casemate-sim-platform: makes the file that stands for a machine with an AMD secure processor, or for
 * one with Intel TDX.
 * Built with -Dsimulator=true only; what it makes attests nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/wr.h"
#include "sev/sim/sim_identity.h"
#include "sev/sim/sim_mint.h"
#include "sev/sim/sim_tdx_mint.h"

#define PRODUCT_TDX "TDX"
#define PEM_MAX     8192 /* an RSA-4096 certificate is 2.3 KiB in PEM */

struct args {
	const char *ark_dir;
	const char *version;
	const char *product;
	const char *seed;
	const char *asids;
	const char *sev_asids;
	const char *hidden_asids;
	const char *memlock;
	const char *quote_version;
	const char *tdx_keys;
	const char *no_entropy;
	struct opt_list flags;
	struct opt_list faults;
};

static MUST_USE int product_parse(const char *name, enum sim_product *ret, struct why *why)
{
	for (unsigned int i = 0; i < SIM_PRODUCT_COUNT; i++) {
		if (name != NULL && strcmp(name, sim_product_name((enum sim_product)i)) != 0)
			continue;
		*ret = (enum sim_product)i;
		return 0;
	}
	return why_set(why, -EINVAL, "--product %s: want Milan, Genoa, Turin or TDX", name);
}

static MUST_USE int number_parse(
	const char *name, const char *text, unsigned long long max, uint32_t *ret, struct why *why)
{
	unsigned long long v = *ret;
	int err = text != NULL ? opts_parse_u64(name, text, 0, max, &v, why) : 0;

	if (err == 0)
		*ret = (uint32_t)v;
	return err;
}

static MUST_USE int script_parse(
	const struct opt_list *faults, struct sim_script *ret, struct why *why)
{
	struct sim_script s = { 0 };

	if (faults->n > LIMIT_SIM_FAULTS)
		return why_set(why, -EINVAL, "at most %u faults", LIMIT_SIM_FAULTS);
	for (size_t i = 0; i < faults->n; i++) {
		int err = sim_fault_parse(faults->at[i], &s.fault[s.n++], why);
		if (err < 0)
			return err;
	}
	*ret = s;
	return 0;
}

/* What --set knows: flags of the platform (sim_platform.h). */
static const struct {
	const char *name;
	uint32_t flag;
} flags[] = {
	{ "no-snp", SIM_FLAG_NO_SNP },
	{ "no-certs", SIM_FLAG_NO_CERTS },
	{ "contiguous", SIM_FLAG_CONTIGUOUS },
	{ "signals", SIM_FLAG_SIGNALS },
};

static MUST_USE int flags_parse(const struct opt_list *list, uint32_t *ret, struct why *why)
{
	uint32_t all = *ret;

	for (size_t i = 0; i < list->n; i++) {
		size_t k = 0;
		while (k < ARRAY_LEN(flags) && strcmp(flags[k].name, list->at[i]) != 0)
			k++;
		if (k == ARRAY_LEN(flags))
			return why_set(why, -EINVAL,
				"--set %s: want no-snp, no-certs, contiguous or signals",
				list->at[i]);
		all |= flags[k].flag;
	}
	*ret = all;
	return 0;
}

static MUST_USE int values_parse(const struct args *args, struct sim_platform *p, struct why *why)
{
	uint32_t memlock_kib = 0;
	int err = number_parse("--asids", args->asids, UINT32_MAX, &p->asids, why);

	if (err == 0)
		err = number_parse("--sev-asids", args->sev_asids, UINT32_MAX, &p->sev_asids, why);
	if (err == 0)
		err = number_parse(
			"--hidden-asids", args->hidden_asids, UINT32_MAX, &p->hidden_asids, why);
	if (err == 0)
		err = number_parse("--memlock", args->memlock, UINT32_MAX, &memlock_kib, why);
	p->memlock_bytes = (uint64_t)memlock_kib * 1024;
	return err == 0 ? flags_parse(&args->flags, &p->flags, why) : err;
}

/* Certificates as one PEM file: certs[0..n) one after the other. */
static MUST_USE int pem_write(
	int dir, const char *name, const struct sim_bytes *certs, size_t n, struct why *why)
{
	char text[2 * PEM_MAX];
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = 0;
		int err = sim_mint_pem(certs[i], text + used, sizeof text - used, &len);
		if (err < 0)
			return why_set(why, err, "cannot write %s", name);
		used += len;
	}
	return fd_replace_file(dir, name, text, used, 0644, why);
}

/* SEV's own formats: what the platform exports, and AMD's part of that chain. */
static MUST_USE int blobs_write(int dir, const struct sim_minted *m, struct why *why)
{
	static uint8_t certs[SIM_CERT_COUNT * SIM_SEV_CERT_BYTES]; /* PDH, PEK, OCA, CEK */
	static const enum sim_cert order[] = { SIM_CERT_PDH, SIM_CERT_PEK, SIM_CERT_OCA,
		SIM_CERT_CEK };
	const struct {
		const char *name;
		const void *p;
		size_t len;
	} files[] = {
		{ "sev-pdh.cert", certs, SIM_SEV_CERT_BYTES },
		{ "sev-chain.cert", certs + SIM_SEV_CERT_BYTES, 3 * SIM_SEV_CERT_BYTES },
		{ "sev-ca.cert", m->ca, m->ca_len },
		{ "sev-ark.cert", m->ca + m->ca_len / 2, m->ca_len / 2 },
		{ "vlek.hashstick", &m->hashstick, sizeof m->hashstick },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		memcpy(certs + i * SIM_SEV_CERT_BYTES,
			m->identity + order[i] * (SIM_EC_BYTES + SIM_SEV_CERT_BYTES) + SIM_EC_BYTES,
			SIM_SEV_CERT_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(files) && err == 0; i++)
		err = fd_replace_file(dir, files[i].name, files[i].p, files[i].len, 0644, why);
	return err;
}

static MUST_USE int chain_write(const char *path, const struct sim_minted *m, struct why *why)
{
	const struct sim_bytes *b = m->platform.blob;
	const struct sim_bytes *v = m->platform.vlek;
	const struct {
		const char *name;
		struct sim_bytes certs[2];
		size_t n;
	} files[] = {
		{ "ark.pem", { b[SIM_BLOB_ARK] }, 1 },
		{ "ask.pem", { b[SIM_BLOB_ASK] }, 1 },
		{ "vcek.pem", { b[SIM_BLOB_VCEK] }, 1 },
		{ "chain.pem", { b[SIM_BLOB_ASK], b[SIM_BLOB_ARK] }, 2 }, /* as AMD serves it */
		{ "asvk.pem", { v[SIM_VLEK_ASVK] }, 1 },
		{ "vlek.pem", { v[SIM_VLEK_CERT] }, 1 },
		{ "vlek-chain.pem", { v[SIM_VLEK_ASVK], b[SIM_BLOB_ARK] }, 2 },
	};
	AUTO(fd) int dir = -1;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return why_set(why, -errno, "cannot make %s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return why_set(why, -errno, "cannot open %s", path);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		int err = pem_write(dir, files[i].name, files[i].certs, files[i].n, why);
		if (err < 0)
			return err;
	}
	return blobs_write(dir, m, why);
}

static MUST_USE int platform_write(const char *path, const struct sim_platform *p, struct why *why)
{
	static uint8_t buf[LIMIT_SIM_PLATFORM_BYTES];
	size_t len = 0;
	int err = sim_platform_print(p, buf, sizeof buf, &len);

	return err == 0 ? fd_replace_file(AT_FDCWD, path, buf, len, 0600, why)
			: why_set(why, err, "the platform file would be too long");
}

static MUST_USE int platform_create(const char *path, const struct args *args, struct why *why)
{
	enum sim_product product = SIM_MILAN;
	uint32_t version = 3;
	uint32_t seed = 1;
	struct sim_script script = { 0 };
	struct sim_minted m;
	int err = product_parse(args->product, &product, why);

	if (err == 0)
		err = number_parse("--report-version", args->version, 5, &version, why);
	if (err == 0 && version != 3 && version != 5)
		err = why_set(why, -EINVAL, "--report-version %u: want 3 or 5", version);
	if (err == 0)
		err = number_parse("--seed", args->seed, UINT32_MAX, &seed, why);
	if (err == 0)
		err = script_parse(&args->faults, &script, why);
	if (err == 0)
		err = sim_mint(&m, product, version, SIM_RSA_BITS, why);
	if (err < 0)
		return err;
	m.platform.seed = seed;
	m.platform.script = script;
	err = values_parse(args, &m.platform, why);
	if (err == 0)
		err = chain_write(args->ark_dir, &m, why);
	if (err == 0)
		err = platform_write(path, &m.platform, why);
	sim_mint_done(&m);
	return err;
}

/* --- Intel TDX --------------------------------------------------------------------------------- */

/* The module's faults and those of a call itself come in one list. */
static MUST_USE int tdx_script_parse(
	const struct opt_list *faults, struct sim_platform *ret, struct why *why)
{
	struct sim_tdx_script *tdx = &ret->tdx.script;
	struct sim_script *calls = &ret->script;

	if (faults->n > LIMIT_SIM_FAULTS)
		return why_set(why, -EINVAL, "at most %u faults", LIMIT_SIM_FAULTS);
	for (size_t i = 0; i < faults->n; i++) {
		if (sim_fault_parse(faults->at[i], &calls->fault[calls->n], NULL) == 0) {
			calls->n++;
			continue;
		}
		int err = sim_tdx_fault_parse(faults->at[i], &tdx->fault[tdx->n++], why);
		if (err < 0)
			return err;
	}
	return 0;
}

static MUST_USE int tdx_values_parse(
	const struct args *args, struct sim_platform *ret, struct why *why)
{
	int err = number_parse("--seed", args->seed, UINT32_MAX, &ret->tdx.seed, why);

	if (err == 0)
		err = number_parse("--tdx-keys", args->tdx_keys, 64, &ret->tdx.keys, why);
	if (err == 0)
		err = number_parse(
			"--no-entropy", args->no_entropy, 10000, &ret->tdx.no_entropy, why);
	return err == 0 ? tdx_script_parse(&args->faults, ret, why) : err;
}

static MUST_USE int tdx_files_write(
	const char *path, const struct sim_tdx_minted *m, struct why *why)
{
	AUTO(fd) int dir = -1;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return why_set(why, -errno, "cannot make %s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return why_set(why, -errno, "cannot open %s", path);
	return sim_tdx_mint_write(m, dir, why);
}

static MUST_USE int tdx_create(const char *path, const struct args *args, struct why *why)
{
	uint32_t version = 4;
	struct sim_platform p = { 0 };
	struct sim_tdx_minted m;
	int err = number_parse("--quote-version", args->quote_version, 5, &version, why);

	if (err == 0 && version != 4 && version != 5)
		err = why_set(why, -EINVAL, "--quote-version %u: want 4 or 5", version);
	if (err == 0)
		err = sim_tdx_mint(&m, version, why);
	if (err < 0)
		return err;
	p.tdx = m.platform;
	err = tdx_values_parse(args, &p, why);
	if (err == 0)
		err = tdx_files_write(args->ark_dir, &m, why);
	if (err == 0)
		err = platform_write(path, &p, why);
	sim_tdx_mint_done(&m);
	return err;
}

int main(int argc, char **argv)
{
	struct why why = { 0 };
	struct args args = { 0 };
	char **names = NULL;
	size_t n = 0;
	const struct opt options[] = {
		{ "ark-dir", OPT_TEXT, &args.ark_dir, "DIR",
			"where the chains go: ark.pem, ask.pem, vcek.pem, chain.pem, the VLEK's, "
			"sev-*.cert, vlek.hashstick; TDX: tdx-root.pem and tdx-collateral" },
		{ "report-version", OPT_TEXT, &args.version, "3|5",
			"of the reports; 3 if not given" },
		{ "product", OPT_TEXT, &args.product, "Milan|Genoa|Turin|TDX",
			"Milan if not given" },
		{ "seed", OPT_TEXT, &args.seed, "N",
			"of the early stops of page measurements; 0 for none" },
		{ "fault", OPT_LIST, &args.faults, "'COMMAND N STATUS'",
			"fail the Nth firmware command of a kind; 'IOCTL N EIO': the Nth ioctl" },
		{ "asids", OPT_TEXT, &args.asids, "N", "SEV-ES and SNP guests at a time; 8" },
		{ "sev-asids", OPT_TEXT, &args.sev_asids, "N", "plain SEV guests at a time; 8" },
		{ "hidden-asids", OPT_TEXT, &args.hidden_asids, "N",
			"ciphertext hiding: that many of --asids for SNP alone" },
		{ "memlock", OPT_TEXT, &args.memlock, "KIB",
			"limit of registered memory; the process's own if not given" },
		{ "quote-version", OPT_TEXT, &args.quote_version, "4|5",
			"TDX: of the quotes; 4 if not given" },
		{ "tdx-keys", OPT_TEXT, &args.tdx_keys, "N", "TDX: guests at a time; 8" },
		{ "no-entropy", OPT_TEXT, &args.no_entropy, "N",
			"TDX: the first N INIT_VM of each guest find none; 2" },
		{ "set", OPT_LIST, &args.flags, "FLAG", "no-snp, no-certs, contiguous or signals" },
		{ 0 },
	};
	const struct opt_spec spec = {
		.usage = "casemate-sim-platform create FILE --ark-dir DIR",
		.about = "Make a simulated AMD or Intel machine. What it signs proves nothing.",
		.options = options,
		.min_args = 2,
		.max_args = 2,
	};
	int err = opts_parse(&spec, argc, argv, &names, &n, &why);

	log_set_name("casemate-sim-platform");
	if (err == 1)
		return EXIT_YES;
	if (err == 0 && (strcmp(names[0], "create") != 0 || args.ark_dir == NULL))
		err = why_set(&why, -EINVAL, "usage: %s", spec.usage);
	if (err < 0) {
		log_err("%s", why_text(&why, err));
		return EXIT_USAGE;
	}
	bool is_tdx = args.product != NULL && strcmp(args.product, PRODUCT_TDX) == 0;
	err = is_tdx ? tdx_create(names[1], &args, &why) : platform_create(names[1], &args, &why);
	if (err < 0)
		log_err("%s", why_text(&why, err));
	return err == -EINVAL ? EXIT_USAGE : err < 0 ? opts_exit_status(err) : EXIT_YES;
}
