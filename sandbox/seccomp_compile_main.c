/*
 * seccomp-compile FOLDER: turns the allow-lists into filters while casemate is built. Writes
 * FOLDER/seccomp_filters.c (struct seccomp_filter, one a list) and FOLDER/NAME.pfc (for people).
 * The only program of the build that libseccomp is linked to.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sha256.h"
#include "sandbox/seccomp_filter.h"
#include "sandbox/seccomp_table.h"

#define CODE_MAX 4096u /* BPF_MAXINSNS, which no kernel takes more of */

struct code {
	struct sock_filter at[CODE_MAX];
	size_t n;
};

static int row_add(scmp_filter_ctx ctx, const struct seccomp_row *row)
{
	struct scmp_arg_cmp cmp[SECCOMP_CONDS_MAX];

	for (unsigned int i = 0; i < row->n_conds; i++)
		cmp[i] = SCMP_CMP(row->conds[i].arg, SCMP_CMP_MASKED_EQ, row->conds[i].mask,
			row->conds[i].value);
	uint32_t action = row->err == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(row->err);
	return seccomp_rule_add_array(ctx, action, row->nr, row->n_conds, cmp);
}

/* What is on no list kills the process; so does a call of a foreign architecture, x32 among them. */
static int rows_add(scmp_filter_ctx ctx, const struct seccomp_table *table)
{
	int err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* A search tree: every call of a vCPU thread passes here. */
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (err == 0)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ERRNO(SECCOMP_CANARY_ERRNO), SCMP_SYS(getppid), 0);
	for (size_t i = 0; err == 0 && i < table->n_rows; i++)
		err = row_add(ctx, &table->rows[i]);
	return err;
}

/* libseccomp writes to descriptors only. */
static int code_export(scmp_filter_ctx ctx, struct code *ret)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int err = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	ssize_t size = err == 0 ? pread(fd, ret->at, sizeof ret->at, 0) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (err < 0)
		return err;
	if (size <= 0 || (size_t)size == sizeof ret->at || (size_t)size % sizeof ret->at[0] != 0)
		return -EMSGSIZE;
	ret->n = (size_t)size / sizeof ret->at[0];
	return 0;
}

static int pfc_export(scmp_filter_ctx ctx, const char *folder, const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof path, "%s/%s.pfc", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int err = fd < 0 ? -errno : seccomp_export_pfc(ctx, fd);
	if (fd >= 0 && close(fd) < 0 && err == 0)
		err = -errno;
	return err;
}

static void code_print(FILE *out, const struct seccomp_table *table, const struct code *code)
{
	char symbol[64];
	uint8_t digest[SHA256_BYTES];

	(void)snprintf(symbol, sizeof symbol, "%s", table->name);
	for (char *p = strchr(symbol, '-'); p != NULL; p = strchr(p, '-'))
		*p = '_';
	fprintf(out, "static const struct sock_filter code_%s[] = {\n", symbol);
	for (size_t i = 0; i < code->n; i++)
		fprintf(out, "\t{ 0x%02x, %u, %u, 0x%08x },\n", code->at[i].code, code->at[i].jt,
			code->at[i].jf, code->at[i].k);
	fprintf(out, "};\nconst struct seccomp_filter seccomp_%s = { \"%s\", %zu, %zu,\n\t{ ",
		symbol, table->name, table->n_rows, code->n);
	sha256(code->at, code->n * sizeof code->at[0], digest);
	for (size_t i = 0; i < sizeof digest; i++)
		fprintf(out, "0x%02x, ", digest[i]);
	fprintf(out, "},\n\tcode_%s };\n\n", symbol);
}

static int table_compile(FILE *out, const char *folder, const struct seccomp_table *table)
{
	static struct code code;
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = ctx == NULL ? -ENOMEM : rows_add(ctx, table);

	if (err == 0)
		err = code_export(ctx, &code);
	if (err == 0)
		err = pfc_export(ctx, folder, table->name);
	if (err == 0)
		code_print(out, table, &code);
	seccomp_release(ctx);
	if (err < 0)
		fprintf(stderr, "seccomp-compile: %s: %s\n", table->name, strerrordesc_np(-err));
	return err;
}

int main(int argc, char **argv)
{
	char path[4096];
	int err = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: seccomp-compile FOLDER\n");
		return 2;
	}
	(void)snprintf(path, sizeof path, "%s/seccomp_filters.c", argv[1]);
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		perror(path);
		return EXIT_FAILURE;
	}
	fprintf(out,
		"/* Made by seccomp-compile from policy/seccomp: edit the lists, not this. */\n"
		"#include \"sandbox/seccomp_filter.h\"\n\n");
	for (size_t i = 0; err == 0 && i < seccomp_n_tables; i++)
		err = table_compile(out, argv[1], &seccomp_tables[i]);
	if (fclose(out) != 0 && err == 0)
		err = -errno;
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
