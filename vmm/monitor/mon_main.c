/*
 * The monitor of one guest: holds KVM, launches, runs vCPUs. Linked twice: with the system calls
 * (casemate-monitor) and with the simulated processor (casemate-monitor-sim).
 */
#include <errno.h>

#include "base/log.h"
#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/monitor/mon_machine.h"

int main(void)
{
	static struct machine m;
	struct why why = { 0 };
	const enum role role = MON_ROLE;

	m.role = role;
	for (unsigned int i = 0; i < MON_FD_FIRST_DEVICE; i++)
		m.fds[i] = -1;
	int err = child_start(role, &m.chan, &why);
	if (err == 0)
		err = child_recv_config(&m.chan, sizeof m.config, sizeof m.config,
			MON_FD_FIRST_DEVICE, MON_FD_FIRST_DEVICE + LIMIT_DEVICES, &why);
	if (err == 0)
		err = sandbox_prepare(role, &why);
	if (err == 0)
		err = machine_open(&m, &why);
	if (err == 0)
		err = sandbox_enter(role, &why);
	if (err == 0)
		err = machine_launch(&m, &why);
	if (err == 0)
		err = machine_run(&m, &why);
	/* The cause first: a device process ends when its socket closes, and must not be taken for it. */
	int status = child_end(&m.chan, err, &why);
	machine_close(&m);
	return status;
}
