#include <stdio.h>
#include <string.h>

#include "sandbox/role.h"
#include "sandbox/seccomp_filter.h"
#include "vmm/super/sup_foreign.h"
#include "vmm/super/sup_json.h"
#include "vmm/super/sup_plan.h"
#include "vmm/super/sup_proto.h"

/* A process and what it will hold; a file the supervisor opens is a row with flags. */
struct held {
	const char *what;
	const char *path; /* NULL: not a file of the host */
	const char *flags;
};

struct process {
	enum role role;
	const char *id;
	unsigned int n;
	struct held held[MON_FD_FIRST_DEVICE + LIMIT_DEVICES + 1];
};

struct view {
	unsigned int n;
	struct process at[LIMIT_DEVICES + 5];
};

static struct process *process_add(struct view *v, enum role role, const char *id)
{
	struct process *p = &v->at[v->n++];

	*p = (struct process){ .role = role, .id = id };
	return p;
}

static void held_add(struct process *p, const char *what, const char *path, const char *flags)
{
	p->held[p->n++] = (struct held){ what, path, flags };
}

static struct process *device_add(struct view *v, enum role role, const char *id)
{
	struct process *p = process_add(v, role, id);

	held_add(p, "channel to the supervisor", NULL, NULL);
	held_add(p, "vhost-user socket", NULL, NULL);
	return p;
}

static void devices_add(struct view *v, const struct wire_plan *plan)
{
	uint32_t flags = le32_get(plan->flags);

	for (uint32_t i = 0; i < le32_get(plan->n_disks); i++) {
		const struct wire_plan_disk *d = &plan->disks[i];
		bool is_read_only = (le32_get(d->flags) & PLAN_DISK_READ_ONLY) != 0;
		bool is_foreign = le32_get(d->backend) != PLAN_BACKEND_CASEMATE;
		struct process *p = device_add(v, is_foreign ? ROLE_FOREIGN : ROLE_DEV_BLK, d->id);
		held_add(p, "disk", d->path,
			is_read_only ? "O_RDONLY, shared lock" : "O_RDWR, exclusive lock");
		if (is_foreign)
			held_add(p, "becomes", sup_foreign_program(le32_get(d->backend)),
				"in a root with its libraries and the disk");
	}
	if ((flags & PLAN_CONSOLE) != 0) {
		struct process *p = device_add(v, ROLE_DEV_CONSOLE, "");
		held_add(p, "output, a pipe to the supervisor", NULL, NULL);
		held_add(p, "input, a pipe from the supervisor", NULL, NULL);
	}
	if ((flags & PLAN_RNG) != 0)
		(void)device_add(v, ROLE_DEV_RNG, "");
	if ((flags & PLAN_VSOCK) != 0) {
		struct process *p = device_add(v, ROLE_DEV_VSOCK, "");
		for (uint32_t i = 0; i < le32_get(plan->n_ports); i++)
			held_add(p, "streams to", plan->ports[i].path,
				"connected when the guest asks");
	}
}

/* Who speaks to somebody outside for the guest's launch or proof. */
static void helpers_add(struct view *v, const struct wire_plan *plan)
{
	if (plan->qgs[0] != 0) {
		struct process *p = process_add(v, ROLE_QUOTE, "");
		held_add(p, "channel to the supervisor", NULL, NULL);
		held_add(p, "channel to the monitor", NULL, NULL);
		held_add(p, "streams to", plan->qgs, "connected when the guest asks for a quote");
	}
	if ((le32_get(plan->flags) & PLAN_OWNER) != 0) {
		struct process *p = process_add(v, ROLE_OWNER, "");
		held_add(p, "channel to the supervisor", NULL, NULL);
		held_add(p, "whom to trust", plan->owner_ca, "O_RDONLY");
		held_add(p, "owner's session", plan->sev_session, "O_RDONLY");
		held_add(p, "streams to", plan->owner_url, "connected when the launch is measured");
	}
}

static void boot_add(struct process *p, const struct wire_plan *plan)
{
	const struct {
		const char *what, *path, *flags;
	} rows[] = {
		{ "kernel", plan->kernel, "O_RDONLY" },
		{ "initrd", plan->initrd, "O_RDONLY" },
		{ "firmware", plan->firmware, "O_RDONLY" },
		{ "flash variables", plan->flash_vars, "O_RDWR, exclusive lock" },
		{ "owner's certificate", plan->sev_dh, "O_RDONLY" },
		{ "owner's session", plan->sev_session, "O_RDONLY" },
		{ "certificate table", plan->snp_certs, "O_RDONLY" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].path[0] != 0)
			held_add(p, rows[i].what, rows[i].path, rows[i].flags);
}

static void view_make(
	struct view *v, const struct wire_plan *plan, const char *policy, const char *simulator)
{
	uint32_t tee = le32_get(plan->tee);
	bool is_simulated = plan_tee_is_protected(tee) && simulator != NULL;
	struct process *p = process_add(v, ROLE_POLICY, "");

	held_add(p, "channel to the supervisor", NULL, NULL);
	held_add(p, "policy", policy, "O_RDONLY");
	if (plan->ledger[0] != 0) {
		p = process_add(v, ROLE_LEDGER, "");
		held_add(p, "channel to the supervisor", NULL, NULL);
		held_add(p, "ledger", plan->ledger, "O_RDONLY|O_DIRECTORY");
		held_add(p, "signing key", plan->ledger_key, "O_RDONLY");
	}
	unsigned int first = v->n;
	devices_add(v, plan);
	unsigned int n_devices = v->n - first;
	helpers_add(v, plan);
	p = process_add(v, is_simulated ? ROLE_MONITOR_SIM : ROLE_MONITOR, "");
	held_add(p, "channel to the supervisor", NULL, NULL);
	held_add(p, "virtual machines", "/dev/kvm", "O_RDWR");
	if (is_simulated)
		held_add(p, "simulated platform", simulator, "O_RDONLY");
	else if (plan_tee_is_protected(tee) && tee != PLAN_TEE_TDX)
		held_add(p, "secure processor", "/dev/sev", "O_RDONLY");
	held_add(p, "guest memory, a sealed memfd", NULL, NULL);
	boot_add(p, plan);
	if (plan->qgs[0] != 0)
		held_add(p, "channel to casemate-quote", NULL, NULL);
	for (unsigned int i = 0; i < n_devices; i++)
		held_add(p, "vhost-user socket", NULL, NULL);
}

static void process_print(const struct process *p)
{
	const struct role_row *row = role_get(p->role);

	printf("  %s%s%s\n", row->binary, p->id[0] != 0 ? "  " : "", p->id);
	for (unsigned int i = 0; i < p->n; i++) {
		const struct held *h = &p->held[i];
		printf("    %-34s %s%s%s%s\n", h->what, h->path != NULL ? h->path : "",
			h->flags != NULL ? "  (" : "", h->flags != NULL ? h->flags : "",
			h->flags != NULL ? ")" : "");
	}
	printf("    %-34s %zu rules in policy/seccomp/%s.syscalls and base; at most %u "
	       "descriptors%s\n",
		"sandbox", row->filter->n_rules, row->filter->name, row->max_fds,
		(row->flags & ROLE_WRITES_FILES) != 0 ? "" : "; may not make a file grow");
}

/* What the whole guest may use, where the policy says so. */
static void limits_print(const struct wire_plan *plan, bool is_json)
{
	const struct {
		const char *name;
		le32 value;
	} rows[] = {
		{ "cpu_percent", plan->cpu_percent },
		{ "cpu_weight", plan->cpu_weight },
		{ "io_weight", plan->io_weight },
		{ "overhead_mib", plan->overhead_mib },
	};
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (le32_get(rows[i].value) == 0)
			continue;
		if (is_json)
			printf("%s\"%s\": %u", n++ > 0 ? ", " : "", rows[i].name,
				le32_get(rows[i].value));
		else
			printf("; %s %u", rows[i].name, le32_get(rows[i].value));
	}
}

static const char *demand_name(const struct wire_plan *plan)
{
	return (le32_get(plan->flags) & PLAN_STRICT) != 0 ? "strict" : "available";
}

static const char *label_name(const struct wire_plan *plan)
{
	uint32_t flags = le32_get(plan->flags);

	if ((flags & PLAN_MAC_OFF) != 0)
		return "off";
	if (plan->mac_range[0] != 0)
		return plan->mac_range;
	return (flags & PLAN_MAC_REQUIRED) != 0 ? "required" : "auto";
}

static void confinement_print(const struct wire_plan *plan, const struct confine_gaps *gaps)
{
	printf("\nconfinement: %s; SELinux label %s; Landlock %s", demand_name(plan),
		label_name(plan),
		(le32_get(plan->flags) & PLAN_LANDLOCK) != 0 ? "demanded" : "where it is");
	limits_print(plan, /* is_json= */ false);
	printf("\n");
	for (unsigned int i = 0; i < gaps->n; i++)
		printf("  %s (%s): %s\n    to change it: %s\n",
			gaps->at[i].is_demanded ? "refused" : "missing", gaps->at[i].wall,
			gaps->at[i].what.text, gaps->at[i].fix.text);
	if (gaps->n == 0)
		printf("  this host has every wall\n");
}

static void confinement_print_json(const struct wire_plan *plan, const struct confine_gaps *gaps)
{
	printf("\"confinement\": {\"demand\": \"%s\", \"selinux\": \"%s\", "
	       "\"landlock\": %s, \"limits\": {",
		demand_name(plan), label_name(plan),
		(le32_get(plan->flags) & PLAN_LANDLOCK) != 0 ? "true" : "false");
	limits_print(plan, /* is_json= */ true);
	printf("}, \"missing\": [");
	for (unsigned int i = 0; i < gaps->n; i++) {
		printf("%s{\"wall\": \"%s\", \"refused\": %s, \"what\": ", i > 0 ? ", " : "",
			gaps->at[i].wall, gaps->at[i].is_demanded ? "true" : "false");
		sup_json_text(stdout, gaps->at[i].what.text);
		printf(", \"fix\": ");
		sup_json_text(stdout, gaps->at[i].fix.text);
		printf("}");
	}
	printf("]}, ");
}

static void view_print_text(const struct view *v, const struct wire_plan *plan,
	const struct confine_gaps *gaps, const char *policy)
{
	uint32_t tee = le32_get(plan->tee);

	printf("guest %s: %s (tee %s), %u vCPUs, %llu MiB; policy %s, serial %llu, sha256 ",
		plan->name, plan_tee_title(tee), plan_tee_name(tee), le32_get(plan->vcpus),
		(unsigned long long)le64_get(plan->memory_mib), policy,
		(unsigned long long)le64_get(plan->serial));
	for (size_t i = 0; i < sizeof plan->policy_hash; i++)
		printf("%02x", plan->policy_hash[i]);
	printf("\n\nEvery process below has user, pid, mount, network, ipc, uts and cgroup "
	       "namespaces of its\n"
	       "own, an empty read-only root, an unprivileged uid, no capability, no environment, "
	       "standard\n"
	       "input and output on /dev/null, and dies with the supervisor.\n\nprocesses:\n");
	for (unsigned int i = 0; i < v->n; i++)
		process_print(&v->at[i]);
	confinement_print(plan, gaps);
	printf("\nOnly the policy was opened; nothing else was opened or started.\n");
}

static void held_print_json(const struct held *h)
{
	printf("{\"what\": ");
	sup_json_text(stdout, h->what);
	if (h->path != NULL) {
		printf(", \"path\": ");
		sup_json_text(stdout, h->path);
		printf(", \"flags\": ");
		sup_json_text(stdout, h->flags);
	}
	printf("}");
}

static void view_print_json(const struct view *v, const struct wire_plan *plan,
	const struct confine_gaps *gaps, const char *policy)
{
	printf("{\"schema\": \"casemate/plan/1\", \"name\": ");
	sup_json_text(stdout, plan->name);
	printf(", \"policy\": ");
	sup_json_text(stdout, policy);
	printf(", \"policy_hash\": ");
	sup_json_hex(stdout, plan->policy_hash, sizeof plan->policy_hash);
	printf(", \"serial\": %llu, \"tee\": \"%s\", \"vcpus\": %u, \"memory_mib\": %llu, ",
		(unsigned long long)le64_get(plan->serial), plan_tee_name(le32_get(plan->tee)),
		le32_get(plan->vcpus), (unsigned long long)le64_get(plan->memory_mib));
	confinement_print_json(plan, gaps);
	printf("\"processes\": [");
	for (unsigned int i = 0; i < v->n; i++) {
		const struct process *p = &v->at[i];
		const struct role_row *row = role_get(p->role);
		printf("%s{\"program\": \"%s\", \"role\": \"%s\", \"id\": ", i > 0 ? ", " : "",
			row->binary, row->name);
		sup_json_text(stdout, p->id);
		printf(", \"sandbox\": {\"namespaces\": [\"user\", \"pid\", \"mount\", \"net\", "
		       "\"ipc\", "
		       "\"uts\", \"cgroup\"], \"root\": \"empty\", \"capabilities\": 0, "
		       "\"seccomp\": \"%s\", "
		       "\"seccomp_rules\": %zu, \"max_descriptors\": %u}, \"descriptors\": [",
			row->filter->name, row->filter->n_rules, row->max_fds);
		for (unsigned int j = 0; j < p->n; j++) {
			printf("%s", j > 0 ? ", " : "");
			held_print_json(&p->held[j]);
		}
		printf("]}");
	}
	printf("]}\n");
}

void sup_plan_print(const struct wire_plan *plan, const struct confine_gaps *gaps,
	const char *policy, const char *simulator, bool is_json)
{
	static struct view view; /* too large for a stack */

	view_make(&view, plan, policy, simulator);
	if (is_json)
		view_print_json(&view, plan, gaps, policy);
	else
		view_print_text(&view, plan, gaps, policy);
}
