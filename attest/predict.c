#include "attest/predict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "policy/policy.h"

void predict_image_done(struct predict_image *image)
{
	if (image->is_mapped)
		(void)munmap(image->p, image->len);
	else
		free(image->p);
	*image = (struct predict_image){ 0 };
}

void predict_files_done(struct predict_files *f)
{
	predict_image_done(&f->firmware);
	predict_image_done(&f->kernel);
	predict_image_done(&f->initrd);
}

/* Relative to the policy's folder, or absolute. */
static MUST_USE int path_make(
	char ret[2 * LIMIT_PATH_BYTES], const char *folder, const char *file, struct why *why)
{
	int n = file[0] == '/' ? snprintf(ret, 2 * LIMIT_PATH_BYTES, "%s", file)
			       : snprintf(ret, 2 * LIMIT_PATH_BYTES, "%s/%s", folder, file);

	if (n < 0 || (size_t)n >= 2 * LIMIT_PATH_BYTES)
		return why_set(why, -ENAMETOOLONG, "the path of %s is too long", file);
	return 0;
}

/* Mapped, so that a ramdisk of 500 MiB is not copied. A file that shrinks under the mapping ends us
 * with SIGBUS: whoever can truncate the policy's files can also replace them. */
int predict_image_load(const char *path, size_t max, struct predict_image *ret, struct why *why)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return why_set(why, errno == EACCES ? -EIO : -errno, "cannot open %s: %s", path,
			strerrordesc_np(errno)); /* -EACCES is digest_check()'s */
	if (fstat(fd, &st) < 0)
		return why_set(why, -errno, "cannot read %s", path);
	if (S_ISDIR(st.st_mode))
		return why_set(why, -EISDIR, "%s is a folder", path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return fd_read_path(path, max, &ret->p, &ret->len, why);
	if ((uint64_t)st.st_size > max)
		return why_set(why, -EMSGSIZE, "%s has %lld bytes, at most %zu", path,
			(long long)st.st_size, max);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		return fd_read_path(path, max, &ret->p, &ret->len, why);
	*ret = (struct predict_image){ .p = p, .len = (size_t)st.st_size, .is_mapped = true };
	return 0;
}

static MUST_USE int image_open(const char *folder, const struct policy_file *file, size_t max,
	struct predict_image *ret, struct why *why)
{
	char path[2 * LIMIT_PATH_BYTES];
	int err = path_make(path, folder, file->file, why);

	return err < 0 ? err : predict_image_load(path, max, ret, why);
}

/* Is it the file the policy means? */
static MUST_USE int digest_check(const char *what, const struct policy_file *file,
	const uint8_t digest[SHA384_BYTES], struct why *why)
{
	if (!file->has_sha384 || memcmp(file->sha384, digest, SHA384_BYTES) == 0)
		return 0;
	return why_set(why, -EACCES,
		"%s %s is not the file the policy names: its SHA-384 is %02x%02x%02x%02x..., the "
		"policy "
		"says %02x%02x%02x%02x...",
		what, file->file, digest[0], digest[1], digest[2], digest[3], file->sha384[0],
		file->sha384[1], file->sha384[2], file->sha384[3]);
}

/* One file of the policy: there, and the one that is meant. */
static MUST_USE int file_load(const char *what, const char *folder, const struct policy_file *file,
	size_t max, struct predict_image *ret, struct why *why)
{
	uint8_t digest[SHA384_BYTES];
	int err = image_open(folder, file, max, ret, why);

	if (err < 0 || !file->has_sha384)
		return err;
	err = sha384_once(ret->p, ret->len, digest);
	return err < 0 ? err : digest_check(what, file, digest, why);
}

static MUST_USE int files_open(
	const struct policy *policy, const char *folder, struct predict_files *f, struct why *why)
{
	int err = 0;

	if (policy->boot.has_firmware)
		err = file_load("the firmware", folder, &policy->boot.firmware,
			LIMIT_FIRMWARE_BYTES, &f->firmware, why);
	if (err == 0 && policy->boot.has_kernel)
		err = file_load("the kernel", folder, &policy->boot.kernel, LIMIT_KERNEL_BYTES,
			&f->kernel, why);
	if (err == 0 && policy->boot.has_initrd)
		err = file_load("the initial ramdisk", folder, &policy->boot.initrd,
			LIMIT_INITRD_BYTES, &f->initrd, why);
	return err;
}

static MUST_USE int kind_of(const struct policy *p, enum launch_kind *ret, struct why *why)
{
	static const struct {
		enum policy_tee tee;
		enum launch_kind kind;
	} rows[] = {
		{ POLICY_TEE_SNP, LAUNCH_SNP },
		{ POLICY_TEE_SEV, LAUNCH_SEV },
		{ POLICY_TEE_SEV_ES, LAUNCH_SEV_ES },
		{ POLICY_TEE_TDX, LAUNCH_TDX },
	};

	if (!policy_tee_proves(p->tee.type))
		return why_set(
			why, -EOPNOTSUPP, "the policy asks for a plain guest: nothing is measured");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].tee == p->tee.type)
			*ret = rows[i].kind;
	if (p->boot.has_firmware)
		return 0;
	if (*ret != LAUNCH_SNP)
		return why_set(why, -EOPNOTSUPP,
			"boot.firmware is missing: without it nobody knows what would be measured");
	*ret = LAUNCH_SNP_DIRECT;
	return 0;
}

int predict_launch_load(const struct policy *policy, const char *folder,
	struct predict_files *ret_files, struct launch_inputs *ret_in, struct why *why)
{
	struct predict_files f = { 0 };
	enum launch_kind kind = LAUNCH_SNP;

	int err = kind_of(policy, &kind, why);
	if (err == 0)
		err = files_open(policy, folder, &f, why);
	if (err < 0) {
		predict_files_done(&f);
		return err;
	}
	*ret_files = f;
	*ret_in = (struct launch_inputs){
		.kind = kind,
		.firmware = f.firmware.p,
		.firmware_len = f.firmware.len,
		.cpu_signature = policy->machine.cpu_signature,
		.vmm = VMM_CASEMATE,
		.boot = {
			.kernel = f.kernel.p,
			.kernel_len = f.kernel.len,
			.initrd = f.initrd.len > 0 ? f.initrd.p : NULL,
			.initrd_len = f.initrd.len,
			.cmdline = policy->boot.cmdline,
			.vcpus = (uint32_t)policy->machine.vcpus,
			.memory_mib = policy->machine.memory_mib,
			.vmsa_features = policy->tee.snp.vmsa_features,
		},
	};
	return 0;
}

int attest_predict_launch(
	const struct policy *policy, const char *folder, uint8_t ret[SHA384_BYTES], struct why *why)
{
	AUTO(predict_files) struct predict_files files = { 0 };
	struct launch_inputs in = { 0 };
	struct launch_memo memo = { 0 };
	struct launch_values v = { 0 };

	int err = predict_launch_load(policy, folder, &files, &in, why);
	if (err == 0)
		err = launch_digest_compute(&in, &memo, NULL, &v, why);
	if (err < 0)
		return err;
	memset(ret, 0, SHA384_BYTES);
	memcpy(ret, v.at[0].digest, v.len);
	return 0;
}
