/* casemate-vtpm: the command that makes and shows a guest's TPM. */
#include "vtpm/vtpm_cmd.h"

int main(int argc, char **argv)
{
	return vtpm_cmd_run(argc, argv);
}
