#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/elf_needs.h"
#include "sandbox/foreign_jail.h"

/*
 * Where ld.so looks without a configuration or a cache, which the new root has neither of: Debian's
 * folders, then those of Fedora and RHEL. ld.so(8).
 */
static const char *const folders[] = { "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib" };

static bool is_plain(const char *path)
{
	size_t len = strlen(path);

	return path[0] == '/' && len > 1 && len < LIMIT_PATH_BYTES && path[len - 1] != '/' &&
	       strstr(path, "/./") == NULL && strstr(path, "/../") == NULL &&
	       strstr(path, "//") == NULL && (len < 2 || strcmp(path + len - 2, "/.") != 0) &&
	       (len < 3 || strcmp(path + len - 3, "/..") != 0);
}

int foreign_files_add(struct foreign_files *f, const char *path, bool may_exec, struct why *why)
{
	if (!is_plain(path))
		return why_set(why, -EINVAL, "%s is not a whole, plain path", path);
	for (unsigned int i = 0; i < f->n; i++)
		if (strcmp(f->file[i].path, path) == 0) {
			f->file[i].may_exec = f->file[i].may_exec || may_exec;
			return 0;
		}
	if (f->n == LIMIT_FOREIGN_PATHS)
		return why_set(why, -EMSGSIZE, "more than %u files", LIMIT_FOREIGN_PATHS);
	struct foreign_file *file = &f->file[f->n++];
	*file = (struct foreign_file){ .fd = -1, .may_exec = may_exec };
	(void)snprintf(file->path, sizeof file->path, "%s", path);
	return 0;
}

int foreign_files_bind(struct foreign_files *f, int fd, const char *from, const char *at,
	bool may_write, struct why *why)
{
	unsigned int n = f->n;
	int err = foreign_files_add(f, at, false, why);

	if (err < 0)
		return err;
	if (f->n == n)
		return why_set(why, -EEXIST, "%s is there already", at);
	f->file[n].from = from;
	f->file[n].fd = fd;
	f->file[n].may_write = may_write;
	return 0;
}

/* A library in one folder: is it there? $ORIGIN is the folder of the file that needs it. */
static bool is_in(const char *folder, const char *of, const char *name, char *ret, size_t size)
{
	static const char origin[] = "$ORIGIN";
	size_t skip = strncmp(folder, origin, sizeof origin - 1) == 0 ? sizeof origin - 1 : 0;
	int own = skip > 0 ? (int)(strrchr(of, '/') - of) : 0;
	int n = snprintf(ret, size, "%.*s%s/%s", own, of, folder + skip, name);

	return n > 0 && (size_t)n < size && access(ret, R_OK) == 0;
}

static MUST_USE int library_find(
	const struct elf_needs *needs, const char *of, const char *name, char *ret, size_t size)
{
	char runpath[sizeof needs->runpath];
	char *rest = runpath;

	(void)snprintf(runpath, sizeof runpath, "%s", needs->runpath);
	for (char *folder = strsep(&rest, ":"); folder != NULL; folder = strsep(&rest, ":"))
		if (folder[0] != 0 && is_in(folder, of, name, ret, size))
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (is_in(folders[i], of, name, ret, size))
			return 0;
	return -ENOENT;
}

/* What one of the files needs, each behind those that are there. */
static MUST_USE int needs_add(struct foreign_files *f, unsigned int i, struct why *why)
{
	const char *of = f->file[i].path;
	struct elf_needs needs;
	char path[LIMIT_PATH_BYTES];

	AUTO(fd) int fd = open(of, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return why_set(why, -errno, "cannot open %s: %s", of, strerrordesc_np(errno));
	int err = elf_needs_read(fd, &needs, why);
	if (err < 0)
		return why_prefix(why, err, "%s", of);
	if (needs.interp[0] != 0)
		err = foreign_files_add(f, needs.interp, true, why);
	for (unsigned int n = 0; err == 0 && n < needs.n; n++) {
		err = library_find(&needs, of, needs.names[n], path, sizeof path);
		if (err < 0)
			return why_set(why, err,
				"%s needs %s, which is in no folder that ld.so knows by itself", of,
				needs.names[n]);
		err = foreign_files_add(f, path, false, why);
	}
	return err;
}

int foreign_files_add_program(struct foreign_files *f, const char *program, struct why *why)
{
	unsigned int first = f->n;
	int err = foreign_files_add(f, program, true, why);

	for (unsigned int i = first; err == 0 && i < f->n; i++)
		err = needs_add(f, i, why);
	return err;
}
