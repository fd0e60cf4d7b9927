#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/cmd.h"
#include "attest/sev_chain.h"
#include "attest/sev_session.h"
#include "base/b64.h"
#include "base/fd.h"

/* --- what verify and sev-secret have in common -------------------------------------------------- */

int cmd_parse_sev(const struct cmd_sev_text *text, uint8_t digest[32], struct attest_sev *ret,
	struct why *why)
{
	unsigned int api[3] = { 0 };
	uint64_t policy = 0;
	char end;

	if (text->api != NULL &&
		(sscanf(text->api, "%3u.%3u.%3u%c", &api[0], &api[1], &api[2], &end) != 3 ||
			api[0] > 255 || api[1] > 255 || api[2] > 255))
		return why_set(why, -EINVAL, "--sev-api: '%s' is not MAJOR.MINOR.BUILD", text->api);
	if (text->policy != NULL) {
		int err = cmd_parse_word("sev-policy", text->policy, UINT32_MAX, &policy, why);
		if (err < 0)
			return err;
	}
	if (text->digest != NULL && opts_parse_hex(text->digest, digest, 32) < 0)
		return why_set(why, -EINVAL, "--sev-digest: want 64 hexadecimal digits");
	ret->api_major = (uint8_t)api[0];
	ret->api_minor = (uint8_t)api[1];
	ret->build = (uint8_t)api[2];
	ret->policy = (uint32_t)policy;
	ret->digest = text->digest == NULL ? NULL : digest;
	return 0;
}

static MUST_USE int out_write(const char *folder, const char *name, const void *bytes, size_t len,
	mode_t mode, struct why *why)
{
	char path[2 * LIMIT_PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof path)
		return why_set(why, -ENAMETOOLONG, "the path of %s is too long", name);
	return fd_replace_file(AT_FDCWD, path, bytes, len, mode, why);
}

/* As QEMU and libvirt read it: base 64. */
static MUST_USE int out_write_b64(
	const char *folder, const char *name, const void *bytes, size_t len, struct why *why)
{
	static uint8_t text[B64_TEXT_LEN(SEV_SECRET_MAX)]; /* one thread, one call at a time */
	struct wr w = wr_of(text, sizeof text);

	b64_print(&w, bytes, len);
	return wr_check(&w) < 0 ? -EMSGSIZE : out_write(folder, name, text, w.len, 0644, why);
}

/* --- sev-session ------------------------------------------------------------------------------ */

struct session_args {
	struct opt_list certs, roots;
	const char *policy, *out;
};

static MUST_USE int certs_read(const struct opt_list *list, struct cmd_files *files,
	struct sev_certs *ret, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < list->n && err == 0; i++) {
		err = cmd_files_add(files, list->at[i], LIMIT_CERT_BLOB_BYTES, why);
		if (err == 0)
			err = sev_certs_add(
				ret, files->at[files->n - 1].p, files->at[files->n - 1].len, why);
		if (err == -EBADMSG || err == -EPROTONOSUPPORT)
			(void)why_prefix(why, err, "%s", list->at[i]);
	}
	return err;
}

/* A PDH that leads up to a trusted root, or none. */
static MUST_USE int pdh_find(const struct sev_certs *certs, const struct sev_certs *roots,
	const struct sev_cert **ret, struct sev_chain *ret_chain, struct why *why)
{
	for (size_t i = 0; i < certs->n; i++)
		if (certs->at[i].usage == SEV_USAGE_PDH) {
			*ret = &certs->at[i];
			return sev_chain_verify(certs, roots, *ret, ret_chain, why);
		}
	return why_set(why, -EKEYREJECTED, "there is no PDH among the certificates");
}

static MUST_USE int session_write(const char *out, const struct sev_session *s, struct why *why)
{
	uint8_t tik[SEV_TIK_BYTES];
	int err = out_write_b64(out, "godh.b64", s->godh, sizeof s->godh, why);

	if (err == 0)
		err = out_write_b64(out, "session.b64", s->blob, sizeof s->blob, why);
	/* The same as bytes: what a launch policy and casemate broker sev-session read. */
	if (err == 0)
		err = out_write(out, "godh.bin", s->godh, sizeof s->godh, 0644, why);
	if (err == 0)
		err = out_write(out, "session.bin", s->blob, sizeof s->blob, 0644, why);
	if (err == 0)
		err = out_write(out, "tek.bin", s->keys.p, SEV_KEY_BYTES, 0600, why);
	memcpy(tik, s->keys.p + SEV_KEY_BYTES, SEV_KEY_BYTES);
	memcpy(tik + SEV_KEY_BYTES, s->pdh, sizeof s->pdh);
	if (err == 0)
		err = out_write(out, "tik.bin", tik, sizeof tik, 0600, why);
	explicit_bzero(tik, sizeof tik);
	return err;
}

static int session_run(const struct session_args *a)
{
	AUTO(cmd_files) struct cmd_files files = { 0 };
	AUTO(sev_session) struct sev_session s = { 0 };
	struct sev_certs certs = { 0 }, roots = { 0 };
	const struct sev_cert *pdh = NULL;
	struct sev_chain chain;
	struct why why = { 0 };
	uint64_t policy = 0;

	int err = a->policy == NULL || a->out == NULL || a->certs.n == 0
			  ? why_set(&why, -EINVAL, "--certs, --policy and --out are needed")
			  : cmd_parse_word("policy", a->policy, UINT32_MAX, &policy, &why);
	if (err == 0)
		err = certs_read(&a->certs, &files, &certs, &why);
	if (err == 0)
		err = certs_read(&a->roots, &files, &roots, &why);
	if (err == 0)
		err = pdh_find(&certs, &roots, &pdh, &chain, &why);
	if (err == 0)
		err = sev_session_make(pdh, (uint32_t)policy, &s, &why);
	if (err == 0)
		err = session_write(a->out, &s, &why);
	if (err < 0)
		return cmd_fail(opts_exit_status(err), err, &why);
	printf("%s platform (%s): godh and session (.bin, .b64) are for its host; tek.bin and "
	       "tik.bin stay with you\n",
		chain.product, trust_class_name(chain.trust));
	return EXIT_YES;
}

int cmd_sev_session(int argc, char **argv)
{
	struct session_args a = { 0 };
	const struct opt options[] = {
		{ "certs", OPT_LIST, &a.certs, "FILE",
			"the platform's certificates: PDH, PEK, OCA, CEK, ASK, ARK" },
		{ "root", OPT_LIST, &a.roots, "FILE", "an extra trust root, an ARK" },
		{ "policy", OPT_TEXT, &a.policy, "HEX", "the guest policy of the launch" },
		{ "out", OPT_TEXT, &a.out, "DIR", "where the six files go" },
		{ 0 },
	};
	const struct opt_spec spec = {
		"casemate attest sev-session --certs FILE... --policy HEX --out DIR",
		"Make the owner's session for a SEV or SEV-ES launch on this platform, offline.",
		options, 0, 0
	};
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	return session_run(&a);
}

/* --- sev-secret ------------------------------------------------------------------------------- */

struct secret_args {
	const char *keys, *measure, *out;
	struct cmd_sev_text launch;
	struct opt_list secrets;
};

static MUST_USE int keys_read(const char *folder, struct secret *ret, struct why *why)
{
	static const char *const names[] = { "tek.bin", "tik.bin" };
	static const size_t max[] = { SEV_KEY_BYTES, SEV_TIK_BYTES };
	int err = secret_init(ret, 2 * SEV_KEY_BYTES);

	for (size_t i = 0; i < ARRAY_LEN(names) && err == 0; i++) {
		char path[2 * LIMIT_PATH_BYTES];
		uint8_t *p = NULL;
		size_t len = 0;
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		err = fd_read_path(path, max[i], &p, &len, why);
		if (err == 0 && len != SEV_KEY_BYTES && len != max[i])
			err = why_set(why, -EBADMSG, "%s: %zu bytes, want %u%s", path, len,
				SEV_KEY_BYTES, i == 0 ? "" : " or 48");
		if (err == 0)
			memcpy(ret->p + i * SEV_KEY_BYTES, p, SEV_KEY_BYTES);
		if (p != NULL)
			explicit_bzero(p, len);
		free(p);
	}
	return err;
}

/* Nothing is encrypted for a guest whose measurement was not verified. */
static MUST_USE int measure_check(const struct secret *keys, const struct attest_sev *sev,
	struct attest_blob measure, struct why *why)
{
	struct sev_measured m = { sev->api_major, sev->api_minor, sev->build, sev->policy, { 0 },
		{ 0 } };
	uint8_t mac[SEV_MAC_BYTES];

	if (measure.len != SEV_MEASURE_BYTES)
		return why_set(why, -EBADMSG, "--measure: %zu bytes, want %u", measure.len,
			SEV_MEASURE_BYTES);
	memcpy(m.digest, sev->digest, sizeof m.digest);
	memcpy(m.mnonce, measure.p + SEV_MAC_BYTES, sizeof m.mnonce);
	int err = sev_measure_mac(keys->p + SEV_KEY_BYTES, &m, mac);
	if (err < 0 || secret_equal(mac, measure.p, sizeof mac))
		return err;
	return why_set(why, -EKEYREJECTED,
		"the measurement's MAC does not hold with these keys, API, policy and digest");
}

/* GUID:FILE, the GUID as people write it. */
static MUST_USE int secret_read(
	const char *text, struct sev_secret *ret, struct secret *ret_bytes, struct why *why)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	char digits[33] = "";
	uint8_t raw[16], *p = NULL;
	size_t n = 0, len = 0, at = 0;

	for (; text[at] != '\0' && text[at] != ':' && n < 32; at++)
		if (text[at] != '-')
			digits[n++] = text[at];
	if (text[at] != ':' || opts_parse_hex(digits, raw, sizeof raw) < 0)
		return why_set(why, -EINVAL, "--secret: '%s' is not GUID:FILE", text);
	for (size_t i = 0; i < sizeof raw; i++)
		ret->guid[i] = raw[order[i]];
	int err = fd_read_path(text + at + 1, SEV_SECRET_MAX, &p, &len, why);
	if (err == 0)
		err = len == 0 ? why_set(why, -EBADMSG, "%s is empty", text + at + 1)
			       : secret_init_copy(ret_bytes, p, len);
	if (p != NULL)
		explicit_bzero(p, len);
	free(p);
	ret->p = ret_bytes->p;
	ret->len = ret_bytes->len;
	return err;
}

static MUST_USE int packet_write(const struct secret_args *a, const struct secret *keys,
	struct attest_blob measure, struct why *why)
{
	struct sev_secret entries[OPT_LIST_MAX];
	struct secret bytes[OPT_LIST_MAX] = { 0 };
	AUTO(secret) struct secret plain = { 0 };
	static uint8_t data[SEV_SECRET_MAX]; /* one thread, one call */
	uint8_t header[SEV_SECRET_HEADER_BYTES];
	size_t len = 0;
	int err = secret_init(&plain, SEV_SECRET_MAX);

	for (size_t i = 0; i < a->secrets.n && err == 0; i++)
		err = secret_read(a->secrets.at[i], &entries[i], &bytes[i], why);
	if (err == 0)
		err = sev_secret_table(entries, a->secrets.n, plain.p, plain.len, &len, why);
	if (err == 0)
		err = sev_secret_make(keys, measure.p, plain.p, len, header, data, why);
	if (err == 0)
		err = out_write_b64(a->out, "secret-header.b64", header, sizeof header, why);
	if (err == 0)
		err = out_write_b64(a->out, "secret.b64", data, len, why);
	for (size_t i = 0; i < a->secrets.n; i++)
		secret_done(&bytes[i]);
	return err;
}

static int secret_run(const struct secret_args *a)
{
	AUTO(cmd_files) struct cmd_files files = { 0 };
	AUTO(secret) struct secret keys = { 0 };
	struct attest_sev sev = { 0 };
	uint8_t digest[32];
	struct why why = { 0 };

	int err = a->keys == NULL || a->measure == NULL || a->out == NULL || a->secrets.n == 0 ||
				  a->launch.api == NULL || a->launch.policy == NULL ||
				  a->launch.digest == NULL
			  ? why_set(&why, -EINVAL, "every option of this command is needed")
			  : cmd_parse_sev(&a->launch, digest, &sev, &why);
	if (err == 0)
		err = keys_read(a->keys, &keys, &why);
	if (err == 0)
		err = cmd_files_add(&files, a->measure, LIMIT_EVIDENCE_BYTES, &why);
	if (err == 0)
		err = measure_check(&keys, &sev, files.at[0], &why);
	if (err == 0)
		err = packet_write(a, &keys, files.at[0], &why);
	return err < 0 ? cmd_fail(opts_exit_status(err), err, &why) : EXIT_YES;
}

int cmd_sev_secret(int argc, char **argv)
{
	struct secret_args a = { 0 };
	const struct opt options[] = {
		{ "keys", OPT_TEXT, &a.keys, "DIR", "where sev-session put tek.bin and tik.bin" },
		{ "measure", OPT_TEXT, &a.measure, "FILE", "LAUNCH_MEASURE's answer, 48 bytes" },
		{ "sev-api", OPT_TEXT, &a.launch.api, "MAJOR.MINOR.BUILD",
			"the firmware's version" },
		{ "sev-policy", OPT_TEXT, &a.launch.policy, "HEX", "the guest policy at launch" },
		{ "sev-digest", OPT_TEXT, &a.launch.digest, "HEX", "the expected launch digest" },
		{ "secret", OPT_LIST, &a.secrets, "GUID:FILE", "a secret; repeatable" },
		{ "out", OPT_TEXT, &a.out, "DIR", "where secret-header.b64 and secret.b64 go" },
		{ 0 },
	};
	const struct opt_spec spec = {
		"casemate attest sev-secret --keys DIR --measure FILE OPTION... --out DIR",
		"Encrypt secrets for a SEV or SEV-ES guest whose measurement holds, offline.",
		options, 0, 0
	};
	struct why why = { 0 };
	char **args = NULL;
	size_t n_args = 0;

	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);
	if (err != 0)
		return err > 0 ? EXIT_YES : cmd_fail(EXIT_USAGE, err, &why);
	return secret_run(&a);
}
