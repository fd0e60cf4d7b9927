/* casemate-ledger: the ledger writer when a supervisor or broker starts it, else a command. */
#include <openssl/crypto.h>

#include "attest/ledger/ledger_cmd.h"
#include "attest/ledger/ledger_role.h"
#include "base/opts.h"
#include "sandbox/child.h"

int main(int argc, char **argv)
{
	/* The system's OpenSSL configuration is not ours: the same settings everywhere. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return EXIT_OURS;
	return spawn_is_child(argc) ? ledger_serve() : ledger_cmd_run(argc, argv);
}
