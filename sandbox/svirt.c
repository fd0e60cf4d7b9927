#include "sandbox/svirt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "sandbox/svirt_priv.h"

static const struct svirt_place kernel_place = { &svirt_os_kernel, SVIRT_FOLDER };

/* ---- a pair ---------------------------------------------------------------------------------- */

/* May there be labels at all? 1 yes, 0 none and that is fine, else why not. */
static MUST_USE int mode_check(enum svirt_mode mode, enum svirt_host host, struct why *why)
{
	if (mode == SVIRT_OFF || (mode == SVIRT_AUTO && host == SVIRT_HOST_NONE))
		return 0;
	switch (host) {
	case SVIRT_HOST_NONE:
		return why_set(why, -ENODEV,
			"the policy wants SELinux labels (host.mac_label), and SELinux is not "
			"enabled on this host; enable it (Debian: selinux-activate) or change the "
			"policy");
	case SVIRT_HOST_NO_MODULE:
		return why_set(why, -ENODEV,
			"SELinux is enabled and does not know casemate's types: install the module "
			"with policy/selinux/install.sh (casemate-selinux(8)), or say "
			"host.mac_label.selinux \"off\"");
	case SVIRT_HOST_PERMISSIVE:
		if (mode == SVIRT_REQUIRED)
			return why_set(why, -ENODEV,
				"the policy wants SELinux labels (host.mac_label), and SELinux is "
				"permissive on this host: setenforce 1");
		log_warn("SELinux is permissive: labels are set, nothing is refused");
		return 1;
	case SVIRT_HOST_ENFORCING:
		return 1;
	}
	return -EINVAL;
}

/* The guest that holds a pair, for a message; "" when nobody says. */
static void holder_find(int folder, const char *name, char ret[LIMIT_NAME_BYTES])
{
	struct journal_file f = { .fd = -1 };
	struct journals list;

	ret[0] = 0;
	if (journals_list(folder, NULL, &list) < 0)
		return;
	while (journals_next(&list, &f) > 0)
		if (strcmp(f.name, name) == 0)
			memcpy(ret, f.is.guest, LIMIT_NAME_BYTES);
	journals_close(&list, &f);
}

static MUST_USE int range_take_static(struct svirt *s, const char *range, struct why *why)
{
	char holder[LIMIT_NAME_BYTES];
	struct mcs_pair pair;

	if (mcs_parse_range(range, &pair) < 0)
		return why_set(why, -EINVAL, "MCS range \"%s\": want \"s0:cA,cB\" with A < B < %u",
			range, MCS_CATEGORIES);
	mcs_print_range(pair, s->range);
	int err = journals_take(s->folder, MCS_NAME_OF(s->range), s->guest, &s->journal, why);
	if (err != -EEXIST)
		return err;
	holder_find(s->folder, MCS_NAME_OF(s->range), holder);
	return why_set(why, -EBUSY, "MCS range %s is in use by guest \"%s\"", s->range, holder);
}

/* A random pair; if somebody has it, the next one. */
static MUST_USE int range_take_fresh(struct svirt *s, struct why *why)
{
	struct mcs_set pool;
	uint32_t start;

	if (mcs_parse_pool(s->own, &pool) < 0)
		return why_set(
			why, -EBADMSG, "our own context %s has no range of categories", s->own);
	unsigned int n = mcs_count(&pool);
	if (n < MCS_POOL_MIN)
		return why_set(why, -ERANGE,
			"our own context %s has %u categories to give, too few", s->own, n);
	uint32_t n_pairs = n * (n - 1) / 2;
	if (getrandom(&start, sizeof start, 0) != sizeof start)
		return why_set(why, -errno, "no random numbers: %s", strerrordesc_np(errno));
	for (uint32_t i = 0; i < n_pairs; i++) {
		mcs_print_range(mcs_get_pair(&pool, (start % n_pairs + i) % n_pairs), s->range);
		int err =
			journals_take(s->folder, MCS_NAME_OF(s->range), s->guest, &s->journal, why);
		if (err != -EEXIST)
			return err;
	}
	return why_set(why, -EAGAIN, "all %u pairs of categories are in use", n_pairs);
}

/* "user:role:" of our own context, then a type, then the guest's range. */
static MUST_USE int label_make(
	const char *own, const char *type, const char *range, char ret[LIMIT_LABEL_BYTES])
{
	const char *role = strchr(own, ':');
	const char *own_type = role != NULL ? strchr(role + 1, ':') : NULL;

	if (own_type == NULL)
		return -EBADMSG;
	int n = snprintf(
		ret, LIMIT_LABEL_BYTES, "%.*s:%s:%s", (int)(own_type - own), own, type, range);
	return n > 0 && (unsigned int)n < LIMIT_LABEL_BYTES ? 0 : -EMSGSIZE;
}

/* Sockets we make for the guest: our own type, its range. */
static MUST_USE int socket_label_make(struct svirt *s)
{
	const char *range = mcs_range_of(s->own);
	char type[LIMIT_LABEL_BYTES];

	if (range == NULL)
		return -EBADMSG;
	const char *end = range - 1;
	const char *begin = end;
	while (begin[-1] != ':')
		begin--;
	(void)snprintf(type, sizeof type, "%.*s", (int)(end - begin), begin);
	return label_make(s->own, type, s->range, s->socket_label);
}

static MUST_USE int pair_take(struct svirt *s, const char *range, struct why *why)
{
	unsigned int n_restored;
	int err = journals_lock(s->folder, why);

	if (err < 0)
		return err;
	err = svirt_restore_dead(s->os, s->folder, &n_restored);
	if (err < 0)
		(void)why_set(
			why, err, "cannot read the label journals: %s", strerrordesc_np(-err));
	else if (n_restored > 0)
		log_warn("%u labels restored that an ended supervisor had left", n_restored);
	if (err == 0)
		err = range[0] != 0 ? range_take_static(s, range, why) : range_take_fresh(s, why);
	journals_unlock(s->folder);
	return err;
}

static void svirt_auto(struct svirt **s)
{
	svirt_close(*s);
}

int svirt_open_at(const struct svirt_place *place, enum svirt_mode mode, const char *range,
	const char *guest, struct svirt **ret, struct why *why)
{
	enum svirt_host host = mode == SVIRT_OFF ? SVIRT_HOST_NONE : place->os->look();

	int err = mode_check(mode, host, why);
	if (err <= 0) {
		if (err == 0)
			*ret = NULL;
		return err;
	}
	AUTO(svirt) struct svirt *s = calloc(1, sizeof *s);
	if (s == NULL)
		return -ENOMEM;
	s->os = place->os;
	s->is_enforcing = host == SVIRT_HOST_ENFORCING;
	s->folder = s->journal = -1;
	(void)snprintf(s->guest, sizeof s->guest, "%s", guest[0] != 0 ? guest : "?");
	err = s->os->read_own(s->own);
	if (err < 0)
		return why_set(why, err, "cannot read our own context: %s", strerrordesc_np(-err));
	err = journals_open(place->folder, /* is_made= */ true, &s->folder, why);
	if (err < 0)
		return why_prefix(why, -ENODEV, "SELinux labels need root");
	err = pair_take(s, range, why);
	if (err < 0)
		return err;
	err = socket_label_make(s);
	if (err < 0)
		return why_set(why, err, "our own context %s is not one", s->own);
	*ret = s;
	s = NULL;
	return 0;
}

int svirt_open(enum svirt_mode mode, const char *range, const char *guest, struct svirt **ret,
	struct why *why)
{
	return svirt_open_at(&kernel_place, mode, range, guest, ret, why);
}

enum svirt_host svirt_look(void)
{
	return svirt_os_kernel.look();
}

/* ---- processes and sockets ------------------------------------------------------------------- */

const char *svirt_range(const struct svirt *s)
{
	return s != NULL ? s->range : "";
}

int svirt_process_label(struct svirt *s, enum role role, const char **ret, struct why *why)
{
	char label[LIMIT_LABEL_BYTES];

	if (s == NULL) {
		*ret = NULL;
		return 0;
	}
	const struct role_row *row = role_get(role);
	int err = label_make(s->own, row->domain, s->range, label);
	if (err < 0)
		return why_set(why, err, "context of %s: too long", row->name);
	if (s->os->check_label(label) < 0)
		return why_set(why, -ENODEV,
			"the SELinux policy does not know %s: the module is older than this "
			"casemate; "
			"install its own with policy/selinux/install.sh",
			label);
	err = s->os->check_exec(s->own, label, why);
	if (err < 0 && s->is_enforcing)
		return why_prefix(why, err,
			"%s must be started from casemate_t: is the casemate program labelled "
			"casemate_exec_t (restorecon)",
			row->binary);
	if (err < 0)
		log_warn("%s", why_text(why, err));
	if (err < 0)
		why_clear(why); /* permissive: the kernel will let it pass, and log it */
	memcpy(s->process_labels[role], label, sizeof label);
	*ret = s->process_labels[role];
	return 0;
}

int svirt_plain_label_at(const struct svirt_place *place, enum role role,
	char ret[LIMIT_LABEL_BYTES], struct why *why)
{
	char own[LIMIT_LABEL_BYTES];
	char label[LIMIT_LABEL_BYTES];
	enum svirt_host host = place->os->look();

	ret[0] = 0;
	if (host == SVIRT_HOST_NONE || host == SVIRT_HOST_NO_MODULE)
		return 0;
	int err = place->os->read_own(own);
	const char *range = err == 0 ? mcs_range_of(own) : NULL;
	if (err == 0)
		err = range != NULL ? label_make(own, role_get(role)->domain, range, label)
				    : -EBADMSG;
	if (err < 0)
		return why_set(why, err, "cannot read our own context: %s", strerrordesc_np(-err));
	/* Not started from casemate_t: it stays where we are; a guest's own label will say why. */
	if (place->os->check_exec(own, label, NULL) == 0)
		memcpy(ret, label, sizeof label);
	return 0;
}

int svirt_plain_label(enum role role, char ret[LIMIT_LABEL_BYTES], struct why *why)
{
	return svirt_plain_label_at(&kernel_place, role, ret, why);
}

const char *svirt_socket_label(const struct svirt *s)
{
	return s != NULL ? s->socket_label : NULL;
}

int svirt_sockets_begin(struct svirt *s, struct why *why)
{
	int err = s != NULL ? s->os->set_socket_label(s->socket_label) : 0;

	return err < 0 ? why_set(why, err, "cannot label sockets %s: %s", s->socket_label,
				 strerrordesc_np(-err))
		       : 0;
}

void svirt_sockets_end(struct svirt *s)
{
	if (s != NULL && s->os->set_socket_label(NULL) < 0)
		log_err("sockets keep the label of %s", s->guest);
}

int svirt_label_pipe(struct svirt *s, int fd, struct why *why)
{
	int err = s != NULL ? s->os->write_label(fd, s->socket_label) : 0;

	return err < 0 ? why_set(why, err, "cannot label a pipe %s: %s", s->socket_label,
				 strerrordesc_np(-err))
		       : 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Under the folder's lock: from the end record on, what we used is nobody's but others'. */
static MUST_USE int objects_restore(struct svirt *s)
{
	struct svirt_restore r = { s->os, s->folder, MCS_NAME_OF(s->range), true };
	int result = journal_write_end(s->journal);

	if (result < 0)
		return result; /* all of it then waits for whoever comes next: we are gone by then */
	for (unsigned int i = s->n_objects; i-- > 0;) {
		int err = svirt_restore_fd(&r, &s->objects[i], s->fds[i]);
		if (err < 0)
			log_warn("%s: cannot get back its label %s: %s", s->objects[i].path,
				s->objects[i].old_label, strerrordesc_np(-err));
		if (err < 0)
			result = err;
	}
	return result;
}

static MUST_USE int pair_give_back(struct svirt *s)
{
	struct why why = { 0 };
	int err = journals_lock(s->folder, &why);

	if (err < 0)
		return err;
	err = objects_restore(s);
	journals_unlock(s->folder);
	/* The journal goes only when the labels are on the disk. It may take long: without the lock. */
	for (unsigned int i = 0; i < s->n_objects && err == 0; i++)
		if (fsync(s->fds[i]) < 0 && errno != EROFS && errno != EINVAL)
			err = -errno;
	if (err == 0 && unlinkat(s->folder, MCS_NAME_OF(s->range), 0) < 0)
		err = -errno;
	return err;
}

void svirt_close(struct svirt *s)
{
	if (s == NULL)
		return;
	if (s->journal >= 0) {
		int err = pair_give_back(s);
		if (err < 0)
			log_warn("labels of this guest are not all restored (%s): the next launch "
				 "or casemate host recover will try again",
				strerrordesc_np(-err));
	}
	for (unsigned int i = 0; i < s->n_objects; i++)
		fd_drop(&s->fds[i]);
	fd_drop(&s->journal);
	fd_drop(&s->folder);
	free(s);
}

int svirt_recover_at(const struct svirt_place *place, unsigned int *ret_restored, struct why *why)
{
	AUTO(fd) int folder = -1;
	struct why missing = { 0 };

	int err = journals_open(place->folder, /* is_made= */ false, &folder, &missing);
	if (err == -ENOENT) {
		*ret_restored = 0;
		return 0;
	}
	if (err < 0)
		return why_set(why, err, "%s", why_text(&missing, err));
	if (place->os->look() == SVIRT_HOST_NONE)
		return why_set(why, -ENODEV,
			"SELinux is not enabled: labels can be neither read nor restored");
	err = journals_lock(folder, why);
	if (err < 0)
		return err;
	err = svirt_restore_dead(place->os, folder, ret_restored);
	journals_unlock(folder);
	return err < 0 ? why_set(why, err, "cannot read the label journals: %s",
				 strerrordesc_np(-err))
		       : 0;
}

int svirt_recover(unsigned int *ret_restored, struct why *why)
{
	return svirt_recover_at(&kernel_place, ret_restored, why);
}
