#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "sandbox/svirt_priv.h"

/* What is done with which object. */
static const struct object_row {
	const char *type;
	bool has_pair;      /* the guest's pair, else none: everybody's */
	bool is_remembered; /* journalled, and restored */
} rows[SVIRT_OBJECT_COUNT] = {
	[SVIRT_IMAGE] = { "casemate_image_t", true, true },
	[SVIRT_CONTENT] = { "casemate_content_t", false, true },
	[SVIRT_RAM] = { "casemate_ram_t", true, false },
	[SVIRT_VTPM] = { "casemate_vtpm_state_t", true, true },
	[SVIRT_LEDGER] = { "casemate_ledger_data_t", false, false },
};

static void label_print(const struct object_row *row, const char *pair, char ret[LIMIT_LABEL_BYTES])
{
	(void)snprintf(ret, LIMIT_LABEL_BYTES, "system_u:object_r:%s:s0%s%s", row->type,
		row->has_pair ? ":" : "", row->has_pair ? pair : "");
}

bool svirt_gives_label(enum svirt_object object, const char *pair, const char *label)
{
	char given[LIMIT_LABEL_BYTES];

	label_print(&rows[object], pair, given);
	return rows[object].is_remembered && strcmp(label, given) == 0;
}

static bool has_categories(const char *label)
{
	const char *range = mcs_range_of(label);

	return range != NULL && strchr(range, ':') != NULL;
}

/*
 * The label to put back one day: what another journal remembers of content that it shares with us
 * or of what its supervisor left behind; else what it has now.
 */
static MUST_USE int old_label_choose(const struct svirt *s, struct journal_object *o,
	const char *now, struct svirt_user *user, struct why *why)
{
	const char *old = now;

	int err = svirt_find_user(s->folder, MCS_NAME_OF(s->range), o->device, o->inode, user);
	if (err < 0)
		return why_set(
			why, err, "cannot read the label journals: %s", strerrordesc_np(-err));
	if (user->use == SVIRT_USE_ALIVE &&
		(user->was.object != SVIRT_CONTENT || o->object != SVIRT_CONTENT))
		return why_set(why, -EBUSY, "%s is in use by guest \"%s\"", o->path, user->guest);
	if (user->use != SVIRT_USE_NONE && strcmp(now, user->was.new_label) == 0)
		old = user->was.old_label;
	else if (user->use == SVIRT_USE_ALIVE)
		old = user->was.old_label;
	else if (has_categories(now) && strcmp(now, o->new_label) != 0)
		return why_set(why, -EBUSY,
			"%s is labelled %s, for a guest that casemate did not start; if there is "
			"none, restorecon it",
			o->path, now);
	memcpy(o->old_label, old, strlen(old) + 1);
	return 0;
}

/* Labels that a file system does not take are no reason to refuse a guest; its own label decides. */
static int write_judge(
	const struct svirt *s, const struct journal_object *o, int err, struct why *why)
{
	if (err == 0)
		return 0;
	if (err == -EOPNOTSUPP || err == -EROFS || !s->is_enforcing) {
		log_info("%s: its label stays as it is: %s", o->path, strerrordesc_np(-err));
		return 0;
	}
	return why_set(
		why, err, "cannot label %s %s: %s", o->path, o->new_label, strerrordesc_np(-err));
}

/* Kept for its label alone: who takes the supervisor over later is not to write to the guest's disks. */
static MUST_USE int object_remember(
	struct svirt *s, const struct journal_object *o, int fd, struct why *why)
{
	char link[64];

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	AUTO(fd) int kept = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (kept < 0)
		return why_set(why, -errno, "%s: %s", o->path, strerrordesc_np(errno));
	int err = journal_write_object(s->journal, o);
	if (err < 0)
		return why_set(
			why, err, "cannot write the label journal: %s", strerrordesc_np(-err));
	s->objects[s->n_objects] = *o;
	s->fds[s->n_objects++] = fd_take(&kept);
	return 0;
}

/* The folder is locked: the label is read now, for another guest's end may just have changed it. */
static MUST_USE int object_label(struct svirt *s, struct journal_object *o, int fd, struct why *why)
{
	struct svirt_user user = { .use = SVIRT_USE_NONE };
	char now[LIMIT_LABEL_BYTES];

	for (unsigned int i = 0; i < s->n_objects; i++) {
		if (s->objects[i].device != o->device || s->objects[i].inode != o->inode)
			continue;
		return s->objects[i].object == o->object
			       ? 0
			       : why_set(why, -EBUSY, "%s is used twice, as %s and %s", o->path,
					 rows[s->objects[i].object].type, rows[o->object].type);
	}
	int err = s->os->read_label(fd, now);
	if (err < 0)
		return why_set(why, err, "cannot read the label of %s: %s", o->path,
			strerrordesc_np(-err));
	err = old_label_choose(s, o, now, &user, why);
	if (err < 0)
		return err;
	/* It is what it should be, and nobody wants it otherwise later. */
	if (strcmp(now, o->new_label) == 0 && strcmp(o->old_label, now) == 0)
		return 0;
	if (s->n_objects == ARRAY_LEN(s->objects))
		return why_set(why, -EMSGSIZE, "more than %u things to label", LIMIT_SVIRT_OBJECTS);
	err = object_remember(s, o, fd, why);
	if (err < 0 || strcmp(now, o->new_label) == 0)
		return err;
	return write_judge(s, o, s->os->write_label(fd, o->new_label), why);
}

static MUST_USE int ledger_check(
	const struct svirt *s, const char *path, const char *now, struct why *why)
{
	const char *type = rows[SVIRT_LEDGER].type;
	const char *range = mcs_range_of(now);
	size_t len = strlen(type);

	if (range != NULL && (size_t)(range - now) > len + 1 &&
		strncmp(range - 1 - len, type, len) == 0 && range[-2 - (ptrdiff_t)len] == ':')
		return 0;
	if (s->is_enforcing)
		return why_set(why, -EACCES,
			"%s is labelled %s, want %s: semanage fcontext -a -t %s '%s(/.*)?' && "
			"restorecon -R %s",
			path, now, type, type, path, path);
	log_warn("%s is labelled %s, want %s", path, now, type);
	return 0;
}

/* A path from the policy's folder becomes a whole one: what the kernel says the descriptor is. */
static MUST_USE int path_complete(int fd, const struct stat *st, char path[LIMIT_PATH_BYTES])
{
	char link[64];
	char whole[LIMIT_PATH_BYTES];
	struct stat found;

	if (path[0] == '/')
		return 0;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, whole, sizeof whole);
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof whole)
		return -ENAMETOOLONG;
	whole[n] = 0;
	if (lstat(whole, &found) < 0 || found.st_dev != st->st_dev || found.st_ino != st->st_ino)
		return -ENOENT; /* a memfd, a file that has lost its name */
	memcpy(path, whole, (size_t)n + 1);
	return 0;
}

int svirt_relabel(
	struct svirt *s, int fd, const char *path, enum svirt_object object, struct why *why)
{
	struct journal_object o = { .object = object };
	char now[LIMIT_LABEL_BYTES];
	struct stat st;

	if (s == NULL)
		return 0;
	const struct object_row *row = &rows[object];
	if (strlen(path) >= sizeof o.path || fstat(fd, &st) < 0)
		return why_set(why, -EINVAL, "cannot label %s", path);
	o.device = st.st_dev;
	o.inode = st.st_ino;
	(void)snprintf(o.path, sizeof o.path, "%s", path);
	label_print(row, MCS_NAME_OF(s->range), o.new_label);
	int err = s->os->read_label(fd, now);
	if (err == -EOPNOTSUPP)
		return write_judge(s, &o, err, why);
	if (err < 0)
		return why_set(
			why, err, "cannot read the label of %s: %s", path, strerrordesc_np(-err));
	if (object == SVIRT_LEDGER)
		return ledger_check(s, path, now, why);
	if (!row->is_remembered)
		return write_judge(s, &o, s->os->write_label(fd, o.new_label), why);
	err = path_complete(fd, &st, o.path);
	if (err < 0)
		return why_set(why, err, "%s: a label is restored by a path, and it has none: %s",
			path, strerrordesc_np(-err));
	err = journals_lock(s->folder, why);
	if (err < 0)
		return err;
	err = object_label(s, &o, fd, why);
	journals_unlock(s->folder);
	return err;
}
