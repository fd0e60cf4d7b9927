/*
 * casemate-agent: the first program of a guest: prove, fetch the key, open the disks, run, switch off.
 * Called by another program it has verbs (agent_cmd.h).
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/agent/agent_boot.h"
#include "attest/agent/agent_cmd.h"
#include "attest/agent/agent_disk.h"
#include "attest/agent/agent_launch.h"
#include "attest/agent/agent_prove.h"
#include "attest/agent/agent_run.h"
#include "attest/agent/agent_settings.h"
#include "attest/broker/kbs_json.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"

#define CA_FILE      "/etc/casemate/broker-ca.pem"
#define CA_BYTES_MAX 65536u

#define BROKER_TRIES 6u /* a broker that starts beside us has half a minute */

struct agent {
	struct agent_settings settings;
	uint8_t *ca;
	size_t ca_len;
	struct agent_prove prove;
	int status; /* the workload's */
};

static int step_modules(struct agent *a, struct why *why)
{
	unsigned int n = 0;
	int err = agent_boot_load_modules(&n, why);

	if (err == 0)
		log_info("modules: %u loaded", n);
	return err;
}

static int step_settings(struct agent *a, struct why *why)
{
	char *text = NULL;
	size_t len = 0;

	int err = fd_read_path("/proc/cmdline", LIMIT_CMDLINE_BYTES, (uint8_t **)&text, &len, why);
	if (err == 0)
		err = agent_settings_parse(text, len, &a->settings, why);
	free(text);
	return err;
}

static int step_evidence(struct agent *a, struct why *why)
{
	return agent_prove_find(&a->prove, "/", &a->settings, why);
}

static int step_challenge(struct agent *a, struct why *why)
{
	int err = fd_read_path(CA_FILE, CA_BYTES_MAX, &a->ca, &a->ca_len, why);

	if (err == -ENOENT && a->settings.broker.has_pin) {
		why_clear(why);
		err = 0;
	}
	a->settings.broker.tries = BROKER_TRIES;
	return err < 0 ? err
		       : agent_prove_challenge(&a->prove, &a->settings, a->ca, a->ca_len, why);
}

static int step_report(struct agent *a, struct why *why)
{
	return agent_prove_report(&a->prove, &a->settings, why);
}

static int step_proof(struct agent *a, struct why *why)
{
	return agent_prove_send(&a->prove, why);
}

static int step_key(struct agent *a, struct why *why)
{
	if (a->settings.is_key_launched) {
		int err = agent_launch_take("/", a->settings.key, &a->prove.key, why);
		if (err == 0)
			log_info("key: %s came with the launch", a->settings.key);
		return err;
	}
	return agent_prove_fetch(&a->prove, &a->settings, why);
}

static int step_root(struct agent *a, struct why *why)
{
	const struct agent_settings *s = &a->settings;

	int err = agent_disk_wait(s->root, why);
	if (err == 0)
		err = agent_disk_open_root(s->root, s->verity, s->verity_offset, why);
	if (err == 0)
		err = agent_run_mount_root(why);
	if (err == 0)
		log_info("root: %s is what the measured command line names", s->root);
	return err;
}

static int step_volume(struct agent *a, struct why *why)
{
	const struct agent_settings *s = &a->settings;

	int err = agent_disk_wait(s->volume, why);
	if (err == 0)
		err = agent_disk_open_volume(
			s->volume, &a->prove.key, s->is_integrity_required, why);
	secret_done(&a->prove.key);
	if (err == 0)
		err = agent_run_mount_volume(s->mount, why);
	if (err == 0)
		log_info("volume: %s opened at %s", s->volume, s->mount);
	return err;
}

static int step_workload(struct agent *a, struct why *why)
{
	log_info("workload: %s", a->settings.workload);
	return agent_run_program(a->settings.workload, &a->status, why);
}

static const struct {
	const char *name;
	int (*run)(struct agent *a, struct why *why);
	bool is_for_volume; /* only when there is a volume, and so a key */
	bool is_for_broker; /* only when the key is a broker's to give */
} steps[] = {
	{ "modules", step_modules, false, false },
	{ "settings", step_settings, false, false },
	{ "evidence", step_evidence, true, true },
	{ "challenge", step_challenge, true, true },
	{ "report", step_report, true, true },
	{ "proof", step_proof, true, true },
	{ "key", step_key, true, false },
	{ "root", step_root, false, false },
	{ "volume", step_volume, true, false },
	{ "workload", step_workload, false, false },
};

static int steps_run(struct agent *a)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct why why = { 0 };
		if (steps[i].is_for_volume && a->settings.volume[0] == '\0')
			continue;
		if (steps[i].is_for_broker && a->settings.is_key_launched)
			continue;
		/* Wipe what proves or opens anything before foreign code runs, whatever becomes of it. */
		if (steps[i].run == step_workload)
			agent_prove_done(&a->prove);
		int err = steps[i].run(a, &why);
		if (err < 0) {
			log_err("FAILED at %s: %s", steps[i].name, why_text(&why, err));
			return err;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct agent a;
	struct why why = { 0 };

	log_set_name("casemate-agent");
	/* What the C library frees is overwritten: protocol buffers of libraries hold secrets too. */
	(void)mallopt(M_PERTURB, 0x5a);
	if (getpid() != 1)
		return agent_cmd(argc, argv);
	int err = agent_boot_start(&why);
	if (err < 0)
		log_err("FAILED at boot: %s", why_text(&why, err));
	kbs_json_init();
	if (err == 0)
		err = steps_run(&a);
	agent_prove_done(&a.prove);
	agent_run_end();
	agent_disk_close(AGENT_MAP_VOLUME);
	agent_disk_close(AGENT_MAP_ROOT);
	if (err == 0)
		log_info("end: the workload's status is %d", a.status);
	agent_boot_end(err < 0 ? EXIT_NO : a.status);
}
