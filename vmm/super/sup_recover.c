/* casemate host recover: labels that ended supervisors left behind. */
#include <stdio.h>

#include "base/opts.h"
#include "sandbox/svirt.h"
#include "vmm/super/sup_cmd.h"
#include "vmm/super/sup_host.h"

int sup_cmd_recover(int argc, char **argv)
{
	const struct opt options[] = { { 0 } };
	const struct opt_spec spec = { "casemate host recover",
		"Put back the SELinux labels that killed supervisors and power cuts left behind.",
		options, 0, 0 };
	char **args = NULL;
	size_t n_args = 0;
	unsigned int n_restored = 0;
	struct why why = { 0 };
	int err = opts_parse(&spec, argc, argv, &args, &n_args, &why);

	if (err != 0)
		return sup_cmd_usage(err, &why);
	err = svirt_recover(&n_restored, &why);
	if (err < 0)
		return sup_cmd_fail(err, &why);
	printf("%u labels restored\n", n_restored);
	return opts_end(EXIT_YES);
}
