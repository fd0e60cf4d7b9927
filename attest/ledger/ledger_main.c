/* casemate-ledger: the ledger writer when a supervisor or broker starts it, else a command. */
#include "attest/ledger/ledger_cmd.h"
#include "attest/ledger/ledger_role.h"
#include "sandbox/child.h"

int main(int argc, char **argv)
{
	return spawn_is_child(argc) ? ledger_serve() : ledger_cmd_run(argc, argv);
}
