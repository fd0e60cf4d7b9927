#include "sandbox/elf_needs.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

/* <elf.h> describes the file, whose numbers are little-endian as ours: this machine's programs only. */
#define PHDRS_MAX 64u   /* a Debian program has 13 */
#define DYNS_MAX  1024u /* and some 40 of these */

struct elf {
	int fd;
	unsigned int n_phdrs;
	Elf64_Phdr phdrs[PHDRS_MAX];
	uint64_t strings; /* address and length of the table of names */
	uint64_t strings_len;
};

static MUST_USE int header_read(struct elf *e)
{
	Elf64_Ehdr h;
	int err = fd_pread_all(e->fd, &h, sizeof h, 0);

	if (err < 0)
		return err == -ENODATA ? -EBADMSG : err;
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
		h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_machine != EM_X86_64 ||
		(h.e_type != ET_EXEC && h.e_type != ET_DYN) || h.e_phentsize != sizeof e->phdrs[0])
		return -EBADMSG;
	if (h.e_phnum > PHDRS_MAX)
		return -EMSGSIZE;
	e->n_phdrs = h.e_phnum;
	return fd_pread_all(e->fd, e->phdrs, e->n_phdrs * sizeof e->phdrs[0], h.e_phoff);
}

static const Elf64_Phdr *phdr_find(const struct elf *e, uint32_t type)
{
	for (unsigned int i = 0; i < e->n_phdrs; i++)
		if (e->phdrs[i].p_type == type)
			return &e->phdrs[i];
	return NULL;
}

/* Where in the file an address is, and how many bytes from there on are. */
static MUST_USE int address_find(
	const struct elf *e, uint64_t address, uint64_t *ret_offset, uint64_t *ret_len)
{
	for (unsigned int i = 0; i < e->n_phdrs; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];
		if (p->p_type != PT_LOAD || address < p->p_vaddr ||
			address - p->p_vaddr >= p->p_filesz)
			continue;
		uint64_t in = address - p->p_vaddr;
		if (p->p_offset > INT64_MAX - in)
			return -EBADMSG;
		*ret_offset = p->p_offset + in;
		*ret_len = p->p_filesz - in;
		return 0;
	}
	return -EBADMSG;
}

/* A text in the file that ends within len bytes. */
static MUST_USE int text_read(
	const struct elf *e, uint64_t offset, uint64_t len, char *ret, size_t size)
{
	size_t n = (size_t)MIN(len, (uint64_t)size);

	if (offset > INT64_MAX)
		return -EBADMSG;
	ssize_t got = pread(e->fd, ret, n, (off_t)offset); /* the file may end before n bytes */
	if (got < 0)
		return -errno;
	if (memchr(ret, 0, (size_t)got) != NULL)
		return ret[0] != 0 ? 0 : -EBADMSG;
	return (size_t)got == size ? -EMSGSIZE : -EBADMSG;
}

static MUST_USE int name_read(const struct elf *e, uint64_t at, char *ret, size_t size)
{
	uint64_t offset = 0;
	uint64_t len = 0;

	if (at >= e->strings_len)
		return -EBADMSG;
	int err = e->strings > UINT64_MAX - at ? -EBADMSG
					       : address_find(e, e->strings + at, &offset, &len);
	return err < 0 ? err : text_read(e, offset, MIN(len, e->strings_len - at), ret, size);
}

static MUST_USE int dyn_take(
	const struct elf *e, const Elf64_Dyn *d, struct elf_needs *ret, bool *has_runpath)
{
	if (d->d_tag == DT_NEEDED) {
		if (ret->n == LIMIT_ELF_NEEDED)
			return -EMSGSIZE;
		int err = name_read(e, d->d_un.d_val, ret->names[ret->n], sizeof ret->names[0]);
		ret->n += err == 0;
		return err;
	}
	/* The newer of the two counts, whichever comes first. */
	if (d->d_tag == DT_RUNPATH || (d->d_tag == DT_RPATH && !*has_runpath)) {
		*has_runpath = d->d_tag == DT_RUNPATH;
		return name_read(e, d->d_un.d_val, ret->runpath, sizeof ret->runpath);
	}
	return 0;
}

static MUST_USE int dynamic_read(struct elf *e, const Elf64_Phdr *p, struct elf_needs *ret)
{
	Elf64_Dyn dyns[DYNS_MAX];
	size_t n = p->p_filesz / sizeof dyns[0];
	bool has_runpath = false;

	if (n > DYNS_MAX)
		return -EMSGSIZE;
	int err = fd_pread_all(e->fd, dyns, n * sizeof dyns[0], p->p_offset);
	if (err < 0)
		return err;
	/* What is behind the end ld.so does not see either. */
	for (size_t i = 0; i < n; i++)
		if (dyns[i].d_tag == DT_NULL)
			n = i;
	for (size_t i = 0; i < n; i++) {
		if (dyns[i].d_tag == DT_STRTAB)
			e->strings = dyns[i].d_un.d_ptr;
		if (dyns[i].d_tag == DT_STRSZ)
			e->strings_len = dyns[i].d_un.d_val;
	}
	for (size_t i = 0; err == 0 && i < n; i++)
		err = dyn_take(e, &dyns[i], ret, &has_runpath);
	return err;
}

static MUST_USE int needs_read(struct elf *e, struct elf_needs *ret)
{
	int err = header_read(e);
	const Elf64_Phdr *interp = phdr_find(e, PT_INTERP);
	const Elf64_Phdr *dynamic = phdr_find(e, PT_DYNAMIC);

	if (err == 0 && interp != NULL)
		err = text_read(
			e, interp->p_offset, interp->p_filesz, ret->interp, sizeof ret->interp);
	if (err == 0 && dynamic != NULL)
		err = dynamic_read(e, dynamic, ret);
	return err == -ENODATA || err == -EINVAL ? -EBADMSG : err; /* an offset outside the file */
}

int elf_needs_read(int fd, struct elf_needs *ret, struct why *why)
{
	struct elf e = { .fd = fd };
	struct elf_needs needs = { 0 };
	int err = needs_read(&e, &needs);

	if (err < 0)
		return why_set(why, err, "%s",
			err == -EBADMSG    ? "not a program or library for x86-64, or a damaged one"
			: err == -EMSGSIZE ? "needs more than any program we know"
					   : strerrordesc_np(-err));
	*ret = needs;
	return 0;
}
