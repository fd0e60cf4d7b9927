#include "vmm/super/sup_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attest/ledger/ledger_proto.h"
#include "attest/owner/owner_proto.h"
#include "base/fd.h"
#include "vmm/super/sup_foreign.h"

/* The device processes of the plan, in the order of the monitor's PCI slots. */
static MUST_USE int device_pair(struct sup_guest *g, enum mon_device device, int *ret_back)
{
	struct sup_devices *d = &g->devices;
	int pair[2];

	if (d->n == LIMIT_DEVICES)
		return -ERANGE;
	int err = svirt_sockets_begin(g->confine->svirt, NULL);
	if (err < 0)
		return err;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		err = -errno;
	svirt_sockets_end(g->confine->svirt);
	if (err < 0)
		return err;
	d->kinds[d->n] = (uint32_t)device;
	d->fronts[d->n++] = pair[0];
	*ret_back = pair[1];
	return 0;
}

static MUST_USE int config_send(struct sup_child *c, const void *config, size_t len, const int *fds,
	unsigned int n_fds, struct why *why)
{
	int err = spawn_send_config(&c->chan, config, len, fds, n_fds);

	return err < 0 ? why_set(why, err, "cannot configure %s: %s", c->label,
				 strerrordesc_np(-err))
		       : 0;
}

/* One device: its process, a vhost-user pair, CONFIG with the back end's socket first. */
static MUST_USE int device_start(struct sup_guest *g, enum role role, enum mon_device device,
	const char *id, const void *config, size_t len, const int *fds, unsigned int n_fds,
	struct why *why)
{
	int send[3] = { -1, -1, -1 };
	AUTO(fd) int back = -1;
	int err = device_pair(g, device, &back);

	if (err < 0)
		return why_set(
			why, err, "cannot make a device's socket: %s", strerrordesc_np(-err));
	err = sup_child_start(g, role, id, NULL, 0, why);
	if (err < 0)
		return err;
	struct sup_child *c = &g->children[g->n_children - 1];
	send[0] = back;
	for (unsigned int i = 0; i < n_fds; i++)
		send[1 + i] = fds[i];
	return config_send(c, config, len, send, 1 + n_fds, why);
}

static MUST_USE int own_disk_start(struct sup_guest *g, uint32_t i, struct why *why)
{
	const struct wire_plan_disk *d = &g->plan->disks[i];
	struct wire_blk_config config = { .size = le64_of(g->files->disk_sizes[i]),
		.flags = d->flags };

	memcpy(config.id, d->id, sizeof config.id);
	return device_start(g, ROLE_DEV_BLK, MON_DEVICE_BLK, d->id, &config, sizeof config,
		&g->files->disks[i], 1, why);
}

static MUST_USE int foreign_disk_start(struct sup_guest *g, uint32_t i, struct why *why)
{
	struct sup_devices *d = &g->devices;

	if (d->n == LIMIT_DEVICES)
		return why_set(why, -ERANGE, "more than %u devices", LIMIT_DEVICES);
	d->kinds[d->n] = MON_DEVICE_BLK;
	int err = sup_foreign_disk(g, i, &d->fronts[d->n], why);
	d->n += err == 0;
	return err;
}

static MUST_USE int disks_start(struct sup_guest *g, struct why *why)
{
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < le32_get(g->plan->n_disks); i++)
		err = le32_get(g->plan->disks[i].backend) == PLAN_BACKEND_CASEMATE
			      ? own_disk_start(g, i, why)
			      : foreign_disk_start(g, i, why);
	return err;
}

/* Output and input of the console are pipes of ours: no process of the guest holds the terminal. */
static MUST_USE int console_start(struct sup_guest *g, struct why *why)
{
	int out[2];
	int in[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return why_set(why, -errno, "cannot make a pipe: %s", strerrordesc_np(errno));
	AUTO(fd) int out_write = out[1];
	g->console_out.fd = out[0];
	if (pipe2(in, O_CLOEXEC) < 0)
		return why_set(why, -errno, "cannot make a pipe: %s", strerrordesc_np(errno));
	AUTO(fd) int in_read = in[0];
	g->console_in = in[1];
	if (fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(in[1], F_SETFL, O_NONBLOCK) < 0)
		return why_set(why, -errno, "cannot set up a pipe: %s", strerrordesc_np(errno));
	int err = svirt_label_pipe(g->confine->svirt, out_write, why);
	if (err == 0)
		err = svirt_label_pipe(g->confine->svirt, in_read, why);
	if (err < 0)
		return err;
	int fds[2] = { out_write, in_read };
	return device_start(g, ROLE_DEV_CONSOLE, MON_DEVICE_CONSOLE, "", NULL, 0, fds, 2, why);
}

static MUST_USE int vsock_start(struct sup_guest *g, struct why *why)
{
	struct wire_vsock_config config = { .cid = g->plan->vsock_cid,
		.n_ports = g->plan->n_ports };

	for (uint32_t i = 0; i < le32_get(g->plan->n_ports); i++)
		config.ports[i] = g->plan->ports[i].port;
	return device_start(
		g, ROLE_DEV_VSOCK, MON_DEVICE_VSOCK, "", &config, sizeof config, NULL, 0, why);
}

static MUST_USE int ledger_start(struct sup_guest *g, struct why *why)
{
	int fds[2] = { g->files->ledger, g->files->ledger_key };
	struct wire_ledger_config config;

	if (g->plan->ledger[0] == 0)
		return 0;
	memcpy(config.origin, g->plan->ledger_origin, sizeof config.origin);
	int err = sup_child_start(g, ROLE_LEDGER, "", fds, 2, why);
	if (err < 0)
		return err;
	g->ledger = &g->children[g->n_children - 1];
	return config_send(g->ledger, &config, sizeof config, NULL, 0, why);
}

/* casemate-quote, and the channel between it and the monitor. */
static MUST_USE int quote_start(struct sup_guest *g, struct why *why)
{
	int pair[2];

	if (g->plan->qgs[0] == 0)
		return 0;
	int err = svirt_sockets_begin(g->confine->svirt, why);
	if (err < 0)
		return err;
	err = chan_pair(pair);
	svirt_sockets_end(g->confine->svirt);
	if (err < 0)
		return why_set(why, err, "cannot make a channel: %s", strerrordesc_np(-err));
	AUTO(fd) int end = pair[1];
	g->quote_end = pair[0];
	err = sup_child_start(g, ROLE_QUOTE, "", NULL, 0, why);
	if (err < 0)
		return err;
	struct sup_child *c = &g->children[g->n_children - 1];
	return config_send(c, NULL, 0, &end, 1, why);
}

/* casemate-owner, before anything is launched: a broker that is not there costs nothing else. */
static MUST_USE int owner_start(struct sup_guest *g, struct why *why)
{
	int fds[OWNER_FD_COUNT] = {
		[OWNER_FD_CA] = g->files->owner_ca, [OWNER_FD_SESSION] = g->files->sev_session
	};
	struct wire_owner_config config = { .wait_s = g->plan->owner_wait_s,
		.vcpus = g->plan->vcpus };

	if ((le32_get(g->plan->flags) & PLAN_OWNER) == 0)
		return 0;
	memcpy(config.url, g->plan->owner_url, sizeof config.url);
	memcpy(config.guest, g->plan->name, sizeof config.guest);
	memcpy(config.policy_hash, g->plan->policy_hash, sizeof config.policy_hash);
	int err = sup_child_start(g, ROLE_OWNER, "", NULL, 0, why);
	if (err < 0)
		return err;
	g->owner = &g->children[g->n_children - 1];
	return config_send(g->owner, &config, sizeof config, fds, OWNER_FD_COUNT, why);
}

int sup_start_guest(struct sup_guest *g, bool is_simulated, struct why *why)
{
	uint32_t flags = le32_get(g->plan->flags);
	int err = ledger_start(g, why);

	if (err == 0)
		err = disks_start(g, why);
	if (err == 0 && (flags & PLAN_CONSOLE) != 0)
		err = console_start(g, why);
	if (err == 0 && (flags & PLAN_RNG) != 0)
		err = device_start(g, ROLE_DEV_RNG, MON_DEVICE_RNG, "", NULL, 0, NULL, 0, why);
	if (err == 0 && (flags & PLAN_VSOCK) != 0)
		err = vsock_start(g, why);
	if (err == 0)
		err = quote_start(g, why);
	if (err == 0)
		err = owner_start(g, why);
	/* The monitor loads while the devices start; what it is told comes when they are READY. */
	if (err == 0)
		err = sup_child_start(
			g, is_simulated ? ROLE_MONITOR_SIM : ROLE_MONITOR, "", NULL, 0, why);
	if (err == 0)
		g->monitor = &g->children[g->n_children - 1];
	return err;
}

static uint32_t monitor_flags(uint32_t flags)
{
	return ((flags & PLAN_ID_BLOCK) != 0 ? MON_CONFIG_ID_BLOCK : 0) |
	       ((flags & PLAN_AUTHOR_KEY) != 0 ? MON_CONFIG_AUTHOR_KEY : 0) |
	       ((flags & PLAN_SERIAL) != 0 ? MON_CONFIG_SERIAL : 0);
}

int sup_start_monitor(struct sup_guest *g, struct why *why)
{
	const struct wire_plan *p = g->plan;
	struct sup_devices *d = &g->devices;
	int fds[MON_FD_FIRST_DEVICE + LIMIT_DEVICES] = {
		[MON_FD_KVM] = g->files->kvm,
		[MON_FD_SEV] = g->files->sev,
		[MON_FD_MEMORY] = g->files->memory,
		[MON_FD_KERNEL] = g->files->kernel,
		[MON_FD_INITRD] = g->files->initrd,
		[MON_FD_FIRMWARE] = g->files->firmware,
		[MON_FD_FLASH_VARS] = g->files->flash_vars,
		[MON_FD_SEV_DH] = g->files->sev_dh,
		[MON_FD_SEV_SESSION] = g->files->sev_session,
		[MON_FD_SNP_CERTS] = g->files->snp_certs,
		[MON_FD_QUOTE] = g->quote_end,
	};
	struct wire_mon_config config = {
		.tee = p->tee,
		.vcpus = p->vcpus,
		.memory_bytes = le64_of(le64_get(p->memory_mib) << 20),
		.guest_policy = p->guest_policy,
		.vmsa_features = p->vmsa_features,
		.td_attributes = p->td_attributes,
		.td_xfam = p->td_xfam,
		.cpu_signature = p->cpu_signature,
		/* Later than casemate-owner, which says why, and than our own patience. */
		.owner_wait_s =
			le32_of((le32_get(p->flags) & PLAN_OWNER) != 0
					? le32_get(p->owner_wait_s) + 2 * LIMIT_OWNER_GRACE_S
					: 0),
		.flags = le32_of(monitor_flags(le32_get(p->flags))),
		.n_devices = le32_of(d->n),
	};

	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		if (fds[i] < 0) /* not named in the plan */
			fds[i] = g->files->empty;
	memcpy(config.host_data, p->policy_hash, sizeof config.host_data);
	memcpy(config.mrowner, p->mrowner, sizeof config.mrowner);
	memcpy(config.mrownerconfig, p->mrownerconfig, sizeof config.mrownerconfig);
	memcpy(config.id_block, p->id_block, sizeof config.id_block);
	memcpy(config.id_auth, p->id_auth, sizeof config.id_auth);
	memcpy(config.cmdline, p->cmdline, sizeof config.cmdline);
	memcpy(config.digests, p->digests, sizeof config.digests);
	for (uint32_t i = 0; i < d->n; i++) {
		config.devices[i] = le32_of(d->kinds[i]);
		fds[MON_FD_FIRST_DEVICE + i] = d->fronts[i];
	}
	int err = sup_child_send(g->monitor, SUP_MSG_CONFIG, &config, sizeof config, fds,
		MON_FD_FIRST_DEVICE + d->n);
	if (err < 0)
		return why_set(why, err, "cannot configure the monitor: %s", strerrordesc_np(-err));
	/* From here on the supervisor only watches. */
	for (uint32_t i = 0; i < d->n; i++)
		fd_drop(&d->fronts[i]);
	fd_drop(&g->quote_end);
	sup_files_drop(g->files);
	return 0;
}
