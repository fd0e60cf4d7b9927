/* libattest_evidence FOLDER: a signed report and the certificates that vouch for it, as files. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/snp_maker.h"

static void file_write(const char *folder, const char *name, const void *bytes, size_t len)
{
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "wb");
	if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void cert_write(const char *folder, const char *name, X509 *x)
{
	struct attest_blob b = maker_der(x);

	file_write(folder, name, b.p, b.len);
	free((void *)(uintptr_t)b.p);
}

int main(int argc, char **argv)
{
	static const char policy[] =
		"{\"schema\":\"launch-policy/1\",\"name\":\"a/b\",\"serial\":1,"
		"\"tee\":{\"type\":\"snp\",\"simulated\":true,\"snp\":{\"product\":[\"Milan\"],"
		"\"guest_policy\":{\"smt\":true}}},"
		"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
		"\"boot\":{\"kernel\":{\"file\":\"k\"},\"cmdline\":\"\",\"launch_digest\":[\""
		"d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2"
		"d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2\"]},"
		"\"machine\":{\"vcpus\":1,\"memory_mib\":128},\"devices\":{}}\n";
	uint8_t report[SNP_REPORT_BYTES];
	struct maker_leaf leaf = { .tcb = 0xDB18000000000004u };
	struct maker m;

	if (argc != 2)
		return 2;
	maker_init(&m);
	memset(leaf.hwid, 0xC1, sizeof leaf.hwid);
	struct maker_ca ark = { .subject = "ARK-Milan",
		.issuer = "ARK-Milan",
		.key = m.ark,
		.signer = m.ark,
		.pathlen = -1 };
	struct maker_ca ask = { .subject = "SEV-Milan",
		.issuer = "ARK-Milan",
		.key = m.ask,
		.signer = m.ark,
		.pathlen = 0 };
	maker_report(report, 3);
	maker_sign(report, m.leaf);
	file_write(argv[1], "report", report, sizeof report);
	cert_write(argv[1], "ark.der", maker_ca(&ark));
	cert_write(argv[1], "ask.der", maker_ca(&ask));
	cert_write(argv[1], "leaf.der", maker_leaf(&m, &leaf));
	file_write(argv[1], "policy", policy, sizeof policy - 1);
	maker_done(&m);
	return 0;
}
