/* casemate: the front door and, for `run`, the supervisor. */
#include <signal.h>

#include "base/log.h"
#include "vmm/super/sup_cmd.h"

int main(int argc, char **argv)
{
	log_set_name("casemate");
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error code, not an end */
	return sup_cmd_run(argc, argv);
}
