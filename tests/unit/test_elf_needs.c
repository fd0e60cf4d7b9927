/* What a program is made of: small ELF files put together by hand, good ones and damaged ones. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/elf_needs.h"
#include "tests/unit/cm.h"

#define BASE 0x400000ull /* address of the file's first byte */

/* One of everything; strings start with the empty one. */
struct image {
	Elf64_Ehdr head;
	Elf64_Phdr phdrs[3];
	char interp[32];
	Elf64_Dyn dyns[8];
	char strings[128];
};

static const char strings[] = "\0liba.so.1\0libb.so.2\0/opt/lib:$ORIGIN/x\0/old";
#define AT_A   1u
#define AT_B   11u
#define AT_RUN 21u
#define AT_OLD 40u

static struct image image_make(void)
{
	struct image i = {
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_phoff = offsetof(struct image, phdrs),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 3 },
		.phdrs = { { .p_type = PT_LOAD,
				   .p_vaddr = BASE,
				   .p_filesz = sizeof(struct image),
				   .p_memsz = sizeof(struct image) },
			{ .p_type = PT_INTERP,
				.p_offset = offsetof(struct image, interp),
				.p_filesz = sizeof i.interp },
			{ .p_type = PT_DYNAMIC,
				.p_offset = offsetof(struct image, dyns),
				.p_filesz = sizeof i.dyns } },
		.interp = "/lib64/ld.so",
		.dyns = { { DT_NEEDED, { AT_A } }, { DT_NEEDED, { AT_B } },
			{ DT_STRTAB, { BASE + offsetof(struct image, strings) } },
			{ DT_STRSZ, { sizeof strings } }, { DT_RUNPATH, { AT_RUN } },
			{ DT_RPATH, { AT_OLD } }, { DT_NULL, { 0 } },
			{ DT_NEEDED, { AT_A } } /* behind the end */ },
	};

	memcpy(i.strings, strings, sizeof strings);
	return i;
}

static int needs(const void *bytes, size_t len, struct elf_needs *ret)
{
	struct why why = { 0 };
	AUTO(fd) int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	int err = elf_needs_read(fd, ret, &why);
	assert_true(err == 0 || why.text[0] != 0);
	return err;
}

static void names_interpreter_and_folders_are_found(void **state)
{
	struct image i = image_make();
	struct elf_needs n;

	assert_int_equal(needs(&i, sizeof i, &n), 0);
	assert_string_equal(n.interp, "/lib64/ld.so");
	assert_int_equal(n.n, 2);
	assert_string_equal(n.names[0], "liba.so.1");
	assert_string_equal(n.names[1], "libb.so.2");
	assert_string_equal(n.runpath, "/opt/lib:$ORIGIN/x");
}

/* The loader stops there: another table behind it would have it load what was not found here. */
static void names_are_those_before_the_end(void **state)
{
	static const Elf64_Dyn behind[] = {
		{ DT_STRTAB, { BASE + offsetof(struct image, strings) + 1 } }, { DT_STRSZ, { 1 } },
		{ DT_RUNPATH, { AT_OLD } }
	};

	for (size_t k = 0; k < ARRAY_LEN(behind); k++) {
		struct image i = image_make();
		struct elf_needs n;
		i.dyns[7] = behind[k];
		assert_int_equal(needs(&i, sizeof i, &n), 0);
		assert_int_equal(n.n, 2);
		assert_string_equal(n.names[0], "liba.so.1");
		assert_string_equal(n.runpath, "/opt/lib:$ORIGIN/x");
	}
}

static void the_older_run_path_counts_alone(void **state)
{
	struct image i = image_make();
	struct elf_needs n;

	i.dyns[4].d_tag = DT_DEBUG;
	assert_int_equal(needs(&i, sizeof i, &n), 0);
	assert_string_equal(n.runpath, "/old");
}

static void a_static_program_needs_nothing(void **state)
{
	struct image i = image_make();
	struct elf_needs n;

	i.head.e_type = ET_EXEC;
	i.head.e_phnum = 1;
	assert_int_equal(needs(&i, sizeof i, &n), 0);
	assert_int_equal(n.n, 0);
	assert_string_equal(n.interp, "");
}

static void this_program_itself_can_be_read(void **state)
{
	struct elf_needs n;
	AUTO(fd) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(elf_needs_read(fd, &n, NULL), 0);
	assert_true(n.n >= 1);
	assert_non_null(strstr(n.interp, "/ld-"));
}

/* What is changed in a good file, and the error it must be. */
static void not_elf(struct image *i)
{
	i->head.e_ident[1] = 'F';
}
static void class_32(struct image *i)
{
	i->head.e_ident[EI_CLASS] = ELFCLASS32;
}
static void big_endian(struct image *i)
{
	i->head.e_ident[EI_DATA] = ELFDATA2MSB;
}
static void other_machine(struct image *i)
{
	i->head.e_machine = EM_AARCH64;
}
static void object_file(struct image *i)
{
	i->head.e_type = ET_REL;
}
static void odd_phdrs(struct image *i)
{
	i->head.e_phentsize = 32;
}
static void many_phdrs(struct image *i)
{
	i->head.e_phnum = 65;
}
static void far_phdrs(struct image *i)
{
	i->head.e_phoff = 1ull << 40;
}
static void negative_phdrs(struct image *i)
{
	i->head.e_phoff = UINT64_MAX;
}
static void far_interp(struct image *i)
{
	i->phdrs[1].p_offset = 1ull << 40;
}
static void negative_interp(struct image *i)
{
	i->phdrs[1].p_offset = UINT64_MAX;
}
static void endless_interp(struct image *i)
{
	memset(i->interp, 'x', sizeof i->interp);
}
static void empty_interp(struct image *i)
{
	i->interp[0] = 0;
}
static void far_dynamic(struct image *i)
{
	i->phdrs[2].p_offset = 1ull << 40;
}
static void negative_dynamic(struct image *i)
{
	i->phdrs[2].p_offset = UINT64_MAX - 8;
}
static void long_dynamic(struct image *i)
{
	i->phdrs[2].p_filesz = 1ull << 40;
}
static void name_outside(struct image *i)
{
	i->dyns[0].d_un.d_val = sizeof strings;
}
static void name_far_outside(struct image *i)
{
	i->dyns[0].d_un.d_val = UINT64_MAX;
}
static void empty_name(struct image *i)
{
	i->dyns[0].d_un.d_val = 0;
}
static void no_strings(struct image *i)
{
	i->dyns[2].d_tag = DT_DEBUG;
}
static void strings_nowhere(struct image *i)
{
	i->dyns[2].d_un.d_ptr = BASE - 1;
}
static void strings_behind(struct image *i)
{
	i->dyns[2].d_un.d_ptr = BASE + sizeof *i;
}
static void strings_wrap(struct image *i)
{
	i->dyns[2].d_un.d_ptr = UINT64_MAX;
}
static void cut_strings(struct image *i)
{
	i->dyns[3].d_un.d_val = AT_A + 4;
}
static void load_wraps(struct image *i)
{
	i->phdrs[0].p_offset = UINT64_MAX;
}

static void damaged_files_are_refused(void **state)
{
	static const struct {
		const char *name;
		void (*change)(struct image *i);
		int want;
	} cases[] = {
		{ "not_elf", not_elf, -EBADMSG },
		{ "class_32", class_32, -EBADMSG },
		{ "big_endian", big_endian, -EBADMSG },
		{ "other_machine", other_machine, -EBADMSG },
		{ "object_file", object_file, -EBADMSG },
		{ "odd_phdrs", odd_phdrs, -EBADMSG },
		{ "many_phdrs", many_phdrs, -EMSGSIZE },
		{ "far_phdrs", far_phdrs, -EBADMSG },
		{ "negative_phdrs", negative_phdrs, -EBADMSG },
		{ "far_interp", far_interp, -EBADMSG },
		{ "negative_interp", negative_interp, -EBADMSG },
		{ "endless_interp", endless_interp, -EBADMSG },
		{ "empty_interp", empty_interp, -EBADMSG },
		{ "far_dynamic", far_dynamic, -EBADMSG },
		{ "negative_dynamic", negative_dynamic, -EBADMSG },
		{ "long_dynamic", long_dynamic, -EMSGSIZE },
		{ "name_outside", name_outside, -EBADMSG },
		{ "name_far_outside", name_far_outside, -EBADMSG },
		{ "empty_name", empty_name, -EBADMSG },
		{ "no_strings", no_strings, -EBADMSG },
		{ "strings_nowhere", strings_nowhere, -EBADMSG },
		{ "strings_behind", strings_behind, -EBADMSG },
		{ "strings_wrap", strings_wrap, -EBADMSG },
		{ "cut_strings", cut_strings, -EBADMSG },
		{ "load_wraps", load_wraps, -EBADMSG },
	};

	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct image i = image_make();
		struct elf_needs n = { .n = 77 };
		cases[c].change(&i);
		int err = needs(&i, sizeof i, &n);
		if (err != cases[c].want || n.n != 77)
			fail_msg("%s: %d, want %d", cases[c].name, err, cases[c].want);
	}
}

static void a_file_cut_anywhere_is_refused_or_means_the_same(void **state)
{
	struct image i = image_make();
	struct elf_needs n;

	for (size_t len = 0; len < sizeof i; len++) {
		int err = needs(&i, len, &n);
		if (err == 0) /* only unused bytes at the end are missing */
			assert_true(n.n == 2 && len >= offsetof(struct image, strings) + AT_OLD);
		else
			assert_int_equal(err, -EBADMSG);
	}
}

static void too_many_libraries_are_refused(void **state)
{
	struct {
		struct image i;
		Elf64_Dyn more[LIMIT_ELF_NEEDED + 3]; /* two say where the names are */
	} big = { .i = image_make() };
	struct elf_needs n;

	for (size_t d = 0; d < ARRAY_LEN(big.more); d++)
		big.more[d] = (Elf64_Dyn){ DT_NEEDED, { AT_A } };
	big.more[0] = big.i.dyns[2];
	big.more[1] = big.i.dyns[3];
	big.i.phdrs[2].p_offset = sizeof big.i;
	big.i.phdrs[2].p_filesz = sizeof big.more;
	assert_int_equal(needs(&big, sizeof big, &n), -EMSGSIZE);
	big.i.phdrs[2].p_filesz -= sizeof big.more[0];
	assert_int_equal(needs(&big, sizeof big, &n), 0);
	assert_int_equal(n.n, LIMIT_ELF_NEEDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_interpreter_and_folders_are_found),
		cmocka_unit_test(names_are_those_before_the_end),
		cmocka_unit_test(the_older_run_path_counts_alone),
		cmocka_unit_test(a_static_program_needs_nothing),
		cmocka_unit_test(this_program_itself_can_be_read),
		cmocka_unit_test(damaged_files_are_refused),
		cmocka_unit_test(a_file_cut_anywhere_is_refused_or_means_the_same),
		cmocka_unit_test(too_many_libraries_are_refused),
	};

	return cmocka_run_group_tests_name("elf_needs", tests, NULL, NULL);
}
