#include "vmm/super/sup_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/opts.h"
#include "vmm/super/sup_cmd.h"
#include "vmm/super/sup_confine.h"
#include "vmm/super/sup_control.h"
#include "vmm/super/sup_plan.h"
#include "vmm/super/sup_start.h"
#include "vmm/super/sup_watch.h"

struct run_options {
	const char *policy;
	const char *name;
	const char *simulator;
	const char *log_level;
	bool is_plan_only;
	bool is_json;
	bool has_input;
};

/* The terminal as it was, while the guest has it key by key. */
struct terminal {
	bool is_changed;
	struct termios old;
};

/* Keys go to the guest as they are typed and without an echo; Ctrl-C stays ours and ends it. */
static void terminal_enter(struct terminal *t)
{
	struct termios now;

	if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
		tcgetattr(STDIN_FILENO, &t->old) < 0)
		return;
	now = t->old;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	t->is_changed = tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
}

static void terminal_auto(struct terminal *t)
{
	if (t->is_changed)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->old);
}

static MUST_USE int options_parse(struct run_options *o, int argc, char **argv, struct why *why)
{
	const struct opt options[] = {
		{ "name", OPT_TEXT, &o->name, "N", "the guest's name, instead of the policy's" },
		{ "plan", OPT_FLAG, &o->is_plan_only, NULL,
			"print what would be started and opened; stop" },
		{ "json", OPT_FLAG, &o->is_json, NULL, "with --plan: one JSON object" },
		{ "simulator", OPT_TEXT, &o->simulator, "FILE",
			"this simulated platform instead of a secure processor" },
		{ "stdin", OPT_FLAG, &o->has_input, NULL,
			"feed standard input to the console though it is no terminal" },
		{ "log-level", OPT_TEXT, &o->log_level, "LEVEL",
			"err, warn, info (default) or debug" },
		{ 0 },
	};
	const struct opt_spec spec = {
		"casemate run POLICY [--name N] [--plan [--json]] [--simulator FILE] [--stdin] "
		"[--log-level LEVEL]",
		"Launch the guest of a policy in the foreground; its console is the terminal.",
		options, 1, 1
	};
	char **args = NULL;
	size_t n_args = 0;
	int err = opts_parse(&spec, argc, argv, &args, &n_args, why);

	if (err != 0)
		return err;
	o->policy = args[0];
	if (o->is_json && !o->is_plan_only)
		return why_set(why, -EINVAL,
			"--json needs --plan: a run has its guest's console on standard "
			"output");
	if (o->name != NULL && (o->name[0] == 0 || strlen(o->name) >= LIMIT_NAME_BYTES))
		return why_set(
			why, -EINVAL, "--name: want 1 to %u characters", LIMIT_NAME_BYTES - 1);
	return 0;
}

static MUST_USE int level_set(const char *text, struct why *why)
{
	static const char *const names[LOG_LEVEL_COUNT] = { "err", "warn", "info", "debug" };

	for (int i = 0; text != NULL && i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		log_set_level((enum log_level)i);
		sup_log_set_level((enum log_level)i);
		return 0;
	}
	return text == NULL ? 0
			    : why_set(why, -EINVAL,
				      "--log-level: \"%s\" is none of err, warn, info, "
				      "debug",
				      text);
}

/* What the command line may not ask of this policy, or of this installation. */
static MUST_USE int simulator_check(
	const struct run_options *o, const struct wire_plan *plan, struct why *why)
{
	AUTO(fd) int fd = -1;

	if (o->simulator == NULL)
		return 0;
	if (!plan_tee_is_protected(le32_get(plan->tee)))
		return why_set(why, -EACCES,
			"--simulator: the policy's guest is a %s one (tee %s): it "
			"needs no secure processor, simulated or not",
			plan_tee_title(le32_get(plan->tee)), plan_tee_name(le32_get(plan->tee)));
	if ((le32_get(plan->flags) & PLAN_SIMULATED) == 0)
		return why_set(why, -EACCES,
			"--simulator: the policy does not accept trust class "
			"\"simulated\"");
	if (!o->is_plan_only && spawn_open_binary("casemate-monitor-sim", &fd, NULL, 0, NULL) < 0)
		return why_set(why, -ENODEV,
			"--simulator: this installation has no casemate-monitor-sim: "
			"build it with meson configure -Dsimulator=true");
	return 0;
}

static MUST_USE int name_set(const struct run_options *o, struct wire_plan *plan, struct why *why)
{
	if (o->name == NULL)
		return 0;
	memset(plan->name, 0, sizeof plan->name);
	(void)snprintf(plan->name, sizeof plan->name, "%s", o->name);
	return plan_check(plan, why) < 0
		       ? why_set(why, -EINVAL, "--name: want printable characters")
		       : 0;
}

/* The exit status of a guest that ended, and the last line a person reads. */
static int result_report(const struct sup_result *r)
{
	static const int statuses[ENDED_COUNT] = {
		[ENDED_OFF] = EXIT_YES,
		[ENDED_RESET] = EXIT_NO,
		[ENDED_CRASH] = EXIT_OURS,
		[ENDED_STOP] = EXIT_OURS,
		[ENDED_DEVICE] = EXIT_OURS,
	};
	static const char *const texts[ENDED_COUNT] = {
		[ENDED_RESET] = "the guest asked for a reset, which ends it",
		[ENDED_CRASH] = "the guest crashed",
		[ENDED_STOP] = "the monitor stopped unasked",
		[ENDED_DEVICE] = "a device process is gone",
	};

	if (r->signal != 0) {
		fprintf(stderr, "casemate: ended by signal %d\n", r->signal);
		return 128 + r->signal;
	}
	if (r->err < 0)
		return sup_cmd_fail(r->err, &r->why);
	if (!r->has_ended) {
		fprintf(stderr, "casemate: the guest ended without a word\n");
		return EXIT_OURS;
	}
	if (r->how != ENDED_DEVICE && r->how != ENDED_CRASH && r->status != UINT32_MAX)
		return (int)r->status;
	if (texts[r->how] != NULL) {
		struct why why = { 0 };
		(void)why_set(
			&why, 0, "%s%s%s", texts[r->how], r->text[0] != 0 ? ": " : "", r->text);
		fprintf(stderr, "casemate: %s\n", why.text);
	}
	return statuses[r->how];
}

static struct sup_entry entry = { .fd = -1 };

static void running_note(struct sup_guest *g)
{
	static struct wire_guest_process processes[SUP_PROCESSES_MAX];

	for (unsigned int i = 0; i < g->n_children; i++) {
		const struct sup_child *c = &g->children[i];
		memcpy(processes[i].label, c->label, sizeof c->label);
		processes[i].pid = le32_of((uint32_t)c->spawned.pid);
		processes[i].receipt = c->receipt;
	}
	sup_entry_set_processes(&entry, processes, g->n_children);
	sup_entry_set_state(&entry, SUP_RUNNING);
	log_info("guest %s runs", g->plan->name);
}

/* Standard input: a terminal, or whatever --stdin says it is. A file cannot be watched. */
static void input_watch(struct sup_guest *g, const struct run_options *o)
{
	if ((le32_get(g->plan->flags) & (PLAN_SERIAL | PLAN_CONSOLE)) == 0)
		return;
	if (!o->has_input && !(isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp()))
		return;
	g->input.fd = STDIN_FILENO;
	if (loop_add(&g->loop, &g->input, EPOLLIN) < 0) {
		g->input.fd = -1;
		log_warn("standard input cannot be watched: the guest's console gets none");
	}
}

static int guest_run(const struct run_options *o, const struct wire_plan *plan,
	struct sup_files *files, struct confine *confine)
{
	static struct sup_guest g; /* too large for a stack */
	AUTO(terminal) struct terminal terminal = { 0 };
	struct why why = { 0 };

	g.plan = plan;
	g.files = files;
	g.confine = confine;
	g.on_running = running_note;
	int err = sup_watch_open(&g, &why);
	if (err == 0)
		err = sup_entry_open_folder(&entry, &g.registry, &why);
	if (err == 0)
		err = sup_start_guest(&g, o->simulator != NULL, &why);
	if (err == 0) {
		input_watch(&g, o);
		terminal_enter(&terminal);
		err = sup_watch_run(&g);
	}
	sup_watch_close(&g);
	if (err < 0)
		return sup_cmd_fail(err, &why);
	return result_report(&g.result);
}

int sup_cmd_launch(int argc, char **argv)
{
	struct run_options o = { 0 };
	struct why why = { 0 };
	static struct wire_plan plan; /* too large for a stack */
	AUTO(confine) struct confine confine = CONFINE_NONE;
	AUTO(sup_files) struct sup_files files = SUP_FILES_NONE;
	AUTO(fd) int policy = -1;
	struct confine_gaps gaps;
	int err = options_parse(&o, argc, argv, &why);

	if (err != 0)
		return sup_cmd_usage(err, &why);
	err = level_set(o.log_level, &why);
	if (err == 0)
		err = sup_open_policy(o.policy, &policy, &files, &why);
	if (err == 0)
		err = sup_plan_read(policy, o.policy, &plan, &why);
	fd_drop(&policy);
	if (err == 0)
		err = name_set(&o, &plan, &why);
	if (err == 0)
		err = simulator_check(&o, &plan, &why);
	if (err < 0)
		return sup_cmd_fail(err, &why);
	confine_missing(&plan, &gaps);
	if (o.is_plan_only) {
		sup_plan_print(&plan, &gaps, o.policy, o.simulator, o.is_json);
		return EXIT_YES;
	}
	(void)signal(SIGTTIN, SIG_IGN); /* in the background: no input, instead of a stop */
	err = confine_check(&gaps, &why);
	if (err == 0) {
		confine_warn(&gaps);
		err = confine_open(&confine, &plan, o.simulator != NULL, &why);
	}
	if (err == 0)
		err = sup_open_files(&plan, o.simulator, &files, &why);
	if (err == 0)
		err = confine_files(&confine, &files, &why);
	if (err == 0)
		err = sup_entry_open(&entry, &plan, o.policy, o.simulator != NULL, &why);
	if (err < 0)
		return sup_cmd_fail(err, &why);
	int status = guest_run(&o, &plan, &files, &confine);
	sup_entry_close(&entry);
	return status;
}
