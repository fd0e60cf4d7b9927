#include "vmm/super/sup_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "sandbox/sandbox.h"
#include "sandbox/stage.h"
#include "vmm/super/sup_open.h"

/* One process beside guest memory: 30 MiB with libcrypto, and the page cache of one disk. */
#define LEAF_BYTES (128ull << 20)
/* Threads: the kernel adds none of its own to a monitor's leaf but a vhost-like worker or two. */
#define MONITOR_PIDS (LIMIT_VCPUS + 8u)
/* A pool of 64 threads and those that wait for it (qemu-storage-daemon). */
#define FOREIGN_PIDS 80u

/* ---- gaps ------------------------------------------------------------------------------------ */

static void gap_add(struct confine_gaps *g, const char *wall, bool is_demanded, const char *what,
	const char *fix)
{
	struct confine_gap *gap = &g->at[g->n++];

	*gap = (struct confine_gap){ .wall = wall, .is_demanded = is_demanded };
	(void)why_set(&gap->what, 0, "%s", what);
	(void)why_set(&gap->fix, 0, "%s", fix);
}

void confine_add_controllers(struct confine_gaps *g, uint32_t has, bool is_strict)
{
	static const struct {
		uint32_t bit;
		const char *wall;
		const char *what;
	} rows[] = {
		{ CGROUP_HAS_MEMORY, "cgroup-memory",
			"no memory controller: a process may use all of the host's memory" },
		{ CGROUP_HAS_PIDS, "cgroup-pids",
			"no pids controller: only rlimits bound the number of threads" },
		{ CGROUP_HAS_CPU, "cgroup-cpu",
			"no cpu controller: shares and limits of the CPUs have no effect" },
		{ CGROUP_HAS_IO, "cgroup-io",
			"no io controller: shares of the disks have no effect" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((has & rows[i].bit) == 0)
			gap_add(g, rows[i].wall, is_strict, rows[i].what,
				"enable it in the cgroup.subtree_control of the folders above, or "
				"delegate it (Delegate=cpu io memory pids)");
}

static void cgroup_look(struct confine_gaps *g, bool is_strict)
{
	uint32_t has = 0;
	struct why why = { 0 };

	if (cgroup_probe(&has, &why) < 0)
		gap_add(g, "cgroup", is_strict, "the guest gets no cgroup", why.text);
	else
		confine_add_controllers(g, has, is_strict);
}

static void labels_look(struct confine_gaps *g, uint32_t flags)
{
	static const struct {
		const char *what;
		const char *fix;
	} rows[] = {
		[SVIRT_HOST_NONE] = { "no labels: SELinux is not enabled",
			"enable it and install casemate's module: casemate-selinux(8)" },
		[SVIRT_HOST_NO_MODULE] = { "no labels: SELinux has no module of casemate's",
			"install it: casemate-selinux(8)" },
		[SVIRT_HOST_PERMISSIVE] = { "labels refuse nothing: SELinux is permissive",
			"setenforce 1" },
	};
	enum svirt_host host = svirt_look();

	/* Without our module an SELinux host has no rule for what we start: nobody is meant to run so. */
	bool is_demanded =
		(flags & (PLAN_STRICT | PLAN_MAC_REQUIRED)) != 0 || host == SVIRT_HOST_NO_MODULE;

	if (host != SVIRT_HOST_ENFORCING && (flags & PLAN_MAC_OFF) == 0)
		gap_add(g, "selinux", is_demanded, rows[host].what, rows[host].fix);
}

void confine_missing(const struct wire_plan *plan, struct confine_gaps *ret)
{
	struct confine_gaps g = { 0 };
	uint32_t flags = le32_get(plan->flags);
	bool is_strict = (flags & PLAN_STRICT) != 0;

	cgroup_look(&g, is_strict);
	if (landlock_abi() == 0)
		gap_add(&g, "landlock", is_strict || (flags & PLAN_LANDLOCK) != 0,
			"the kernel has no Landlock, or has it switched off",
			"boot Linux 5.13 or later with landlock in lsm=");
	labels_look(&g, flags);
	if (geteuid() != 0)
		gap_add(&g, "own-uids", is_strict, "the guest's processes have this user's uid",
			"run casemate as root");
	else if (!ids_is_mapped(IDS_FIRST))
		gap_add(&g, "own-uids", is_strict, "the guest's processes share one uid",
			"give the container more ids");
	if (!mdwe_is_known())
		gap_add(&g, "write-execute", is_strict,
			"only the filter refuses memory that becomes executable",
			"boot Linux 6.3 or later (PR_SET_MDWE)");
	*ret = g;
}

int confine_check(const struct confine_gaps *gaps, struct why *why)
{
	char text[sizeof why->text] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < gaps->n; i++) {
		const struct confine_gap *g = &gaps->at[i];
		if (g->is_demanded && len < sizeof text)
			len += (size_t)snprintf(text + len, sizeof text - len, "%s%s (%s: %s)",
				len > 0 ? "; " : "", g->what.text, g->wall, g->fix.text);
	}
	return len > 0 ? why_set(why, -ENODEV,
				 "the policy demands a confinement this host cannot give: %s", text)
		       : 0;
}

void confine_warn(const struct confine_gaps *gaps)
{
	for (unsigned int i = 0; i < gaps->n; i++)
		log_warn("confinement: %s; to change it: %s", gaps->at[i].what.text,
			gaps->at[i].fix.text);
}

/* ---- a guest's walls ------------------------------------------------------------------------- */

/*
 * Guest memory as the host may come to hold it: kinds with a private and a shared copy of a page may
 * hold both for a while; the simulated processor keeps what it encrypted besides.
 */
static uint64_t guest_bytes_max(const struct wire_plan *plan, bool is_simulated)
{
	uint32_t tee = le32_get(plan->tee);
	bool is_double = tee == PLAN_TEE_SW || tee == PLAN_TEE_SNP || tee == PLAN_TEE_TDX;
	uint64_t bytes = le64_get(plan->memory_mib) << 20;

	return bytes * (1u + is_double + is_simulated);
}

static enum svirt_mode mode_of(uint32_t flags)
{
	if ((flags & PLAN_MAC_OFF) != 0)
		return SVIRT_OFF;
	return (flags & (PLAN_MAC_REQUIRED | PLAN_STRICT)) != 0 ? SVIRT_REQUIRED : SVIRT_AUTO;
}

/* A controller that is there can be refused when it is switched on: then it was said by nobody yet. */
static MUST_USE int controllers_check(
	const struct confine *c, uint32_t promised, bool is_strict, struct why *why)
{
	struct confine_gaps lost = { 0 };

	confine_add_controllers(&lost, c->cgroup.controllers | ~promised, is_strict);
	int err = confine_check(&lost, why);
	if (err == 0)
		confine_warn(&lost);
	return err;
}

static MUST_USE int guest_cgroup_open(struct confine *c, struct why *why)
{
	const struct wire_plan *p = c->plan;
	bool is_strict = (le32_get(p->flags) & PLAN_STRICT) != 0;
	uint32_t controllers = 0;
	struct why gone = { 0 };
	uint32_t overhead = le32_get(p->overhead_mib);
	unsigned int n_foreign = 0;

	for (uint32_t i = 0; i < le32_get(p->n_disks); i++)
		n_foreign += le32_get(p->disks[i].backend) != PLAN_BACKEND_CASEMATE;

	if (cgroup_probe(&controllers, &gone) < 0) /* said by confine_missing() */
		return is_strict ? why_set(why, -ENODEV, "the guest gets no cgroup: %s", gone.text)
				 : 0;
	struct cgroup_limits limits = {
		.memory_bytes = c->guest_bytes +
				((uint64_t)(overhead != 0 ? overhead : PLAN_OVERHEAD_MIB) << 20),
		.pids = MONITOR_PIDS + LIMIT_DEVICES + 4u + n_foreign * FOREIGN_PIDS,
		.cpu_weight = le32_get(p->cpu_weight),
		.cpu_percent = le32_get(p->cpu_percent),
		.io_weight = le32_get(p->io_weight),
	};
	int err = cgroup_open(&c->cgroup, p->name, why);
	if (err == 0)
		err = controllers_check(c, controllers, is_strict, why);
	if (err == 0)
		err = cgroup_limit(&c->cgroup, &limits, why);
	return err;
}

int confine_open(
	struct confine *ret, const struct wire_plan *plan, bool is_simulated, struct why *why)
{
	AUTO(confine) struct confine c = CONFINE_NONE;

	c.plan = plan;
	c.guest_bytes = guest_bytes_max(plan, is_simulated);
	int err = svirt_open(
		mode_of(le32_get(plan->flags)), plan->mac_range, plan->name, &c.svirt, why);
	if (err == 0)
		err = guest_cgroup_open(&c, why);
	if (err < 0)
		return err;
	*ret = c;
	c = CONFINE_NONE;
	return 0;
}

int confine_files(struct confine *c, const struct sup_files *f, struct why *why)
{
	const struct wire_plan *p = c->plan;
	const struct {
		int fd;
		const char *path;
		enum svirt_object object;
	} rows[] = {
		{ f->memory, "guest memory", SVIRT_RAM },
		{ f->kernel, p->kernel, SVIRT_CONTENT },
		{ f->initrd, p->initrd, SVIRT_CONTENT },
		{ f->firmware, p->firmware, SVIRT_CONTENT },
		{ f->flash_vars, p->flash_vars, SVIRT_IMAGE },
		{ f->sev_dh, p->sev_dh, SVIRT_CONTENT },
		{ f->sev_session, p->sev_session, SVIRT_CONTENT },
		{ f->snp_certs, p->snp_certs, SVIRT_CONTENT },
		{ f->owner_ca, p->owner_ca, SVIRT_CONTENT },
		{ f->ledger, p->ledger, SVIRT_LEDGER },
		{ f->ledger_key, p->ledger_key, SVIRT_LEDGER },
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(rows); i++)
		if (rows[i].fd >= 0 && rows[i].path[0] != 0)
			err = svirt_relabel(
				c->svirt, rows[i].fd, rows[i].path, rows[i].object, why);
	for (uint32_t i = 0; err == 0 && i < le32_get(p->n_disks); i++)
		err = svirt_relabel(c->svirt, f->disks[i], p->disks[i].path,
			(le32_get(p->disks[i].flags) & PLAN_DISK_READ_ONLY) != 0 ? SVIRT_CONTENT
										 : SVIRT_IMAGE,
			why);
	return err;
}

void confine_leaf(const char *label, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s", label);
	for (char *p = ret; *p != 0; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			    (*p >= '0' && *p <= '9') || *p == '-' || *p == '_'))
			*p = '-';
}

/* Does a process of this role map guest memory? */
static bool maps_guest(enum role role)
{
	return role == ROLE_MONITOR || role == ROLE_MONITOR_SIM || role == ROLE_FOREIGN ||
	       (role >= ROLE_DEV_BLK && role <= ROLE_DEV_VSOCK);
}

int confine_place(struct confine *c, enum role role, const char *label, struct spawn_place *ret,
	char *ret_cgroup, struct why *why)
{
	struct spawn_place place = SPAWN_PLACE_NONE;
	bool is_foreign = (role_get(role)->flags & ROLE_IS_FOREIGN) != 0;
	bool has_threads = is_foreign || (role_get(role)->flags & ROLE_HAS_THREADS) != 0;
	char leaf[LIMIT_ID_BYTES * 2];

	ret_cgroup[0] = 0;
	place.guest_bytes = maps_guest(role) ? c->guest_bytes : 0;
	place.socket_label = svirt_socket_label(c->svirt);
	int err = svirt_process_label(c->svirt, role, &place.label, why);
	if (err < 0)
		return err;
	/* Memory of the guest counts for whoever touches a page first: a disk's process may. */
	struct cgroup_limits limits = { .memory_bytes = place.guest_bytes + LEAF_BYTES +
							(has_threads ? LEAF_BYTES : 0),
		.pids = is_foreign    ? FOREIGN_PIDS
			: has_threads ? MONITOR_PIDS
				      : 1 };
	confine_leaf(label, leaf, sizeof leaf);
	if (c->cgroup.fd >= 0) {
		err = cgroup_add(&c->cgroup, leaf, &limits, &place.cgroup_fd, why);
		if (err < 0)
			return err;
		int n = snprintf(ret_cgroup, LIMIT_PATH_BYTES, "%s/%s", c->cgroup.path, leaf);
		if (n < 0 || n >= (int)LIMIT_PATH_BYTES) {
			fd_drop(&place.cgroup_fd);
			return why_set(why, -ENAMETOOLONG, "the path of cgroup %s is too long",
				c->cgroup.path);
		}
	}
	*ret = place;
	return 0;
}

int confine_narrow(const struct confine *c, int registry, struct why *why)
{
	AUTO(fd) int labels = -1;
	struct sandbox_folder folders[4];
	bool has_sockets = le32_get(c->plan->n_ports) > 0 || c->plan->qgs[0] != 0;
	/* Labels are given back by their owner or with FOWNER; a port's socket may be another user's. */
	struct sandbox_keep keep = { .caps = (c->svirt != NULL ? 1ull << CAP_FOWNER : 0) |
					     (has_sockets ? 1ull << CAP_DAC_OVERRIDE : 0),
		.may_connect = has_sockets,
		.folders = folders };

	if (c->svirt != NULL) {
		labels = open(SVIRT_FOLDER, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (labels < 0)
			return why_set(why, -errno, "cannot open %s: %s", SVIRT_FOLDER,
				strerrordesc_np(errno));
	}
	/* Only our own cgroup is written to: beside it are those of other guests. */
	const struct sandbox_folder wanted[] = { { registry, SANDBOX_MAY_REMOVE },
		{ c->cgroup.fd, CGROUP_MAY }, { c->cgroup.base, CGROUP_BASE_MAY },
		{ labels, SANDBOX_MAY_READ | SANDBOX_MAY_REMOVE } };
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (wanted[i].fd >= 0)
			folders[keep.n_folders++] = wanted[i];
	/* From here on every socket is one to a guest's port; /proc, where it is said, goes. */
	int err = svirt_sockets_begin(c->svirt, why);
	return err < 0 ? err : sandbox_narrow(ROLE_SUPER, &keep, why);
}

bool confine_was_oom(const struct confine *c, const char *label)
{
	char leaf[LIMIT_ID_BYTES * 2];

	confine_leaf(label, leaf, sizeof leaf);
	return c->cgroup.fd >= 0 && cgroup_was_oom(&c->cgroup, leaf);
}

void confine_close(struct confine *c)
{
	cgroup_close(&c->cgroup);
	svirt_close(c->svirt);
	*c = CONFINE_NONE;
}
