/*
 * mint-report FOLDER: what a simulated SNP platform would answer: report (nonce 0xd1 * 64, host data
 * 0xd3 * 32), vcek and ask, the root they lead to and its crl, each a file in the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/opts.h"
#include "base/wr.h"
#include "tests/unit/snp_maker.h"

static int file_write(int dir, const char *name, struct attest_blob b)
{
	return fd_replace_file(dir, name, b.p, b.len, 0644, NULL);
}

static int cert_write(int dir, const char *name, X509 *x)
{
	struct attest_blob der = maker_der(x);
	int err = file_write(dir, name, der);

	OPENSSL_free((void *)(uintptr_t)der.p);
	X509_free(x);
	return err;
}

static int crl_write(int dir, const struct maker *m)
{
	unsigned char *der = NULL;
	X509_CRL *crl = maker_crl(m, "ARK-Milan", NULL, NULL, MAKER_NOW - 86400, MAKER_NOW + 86400);
	int len = i2d_X509_CRL(crl, &der);
	int err = file_write(dir, "crl", (struct attest_blob){ der, (size_t)len });

	OPENSSL_free(der);
	X509_CRL_free(crl);
	return err;
}

/* 64, 32 and 32 bytes: REPORT_DATA, HOST_DATA, REPORT_ID (attestation.md, 1.1). */
static int serve(uint8_t *report, const struct maker *m)
{
	char data[129], host[65], id[65];

	while (scanf("%128s %64s %64s", data, host, id) == 3) {
		char hex[2 * SNP_REPORT_BYTES + 1];
		if (opts_parse_hex(data, report + 0x50, 64) < 0 ||
			opts_parse_hex(host, report + 0xC0, 32) < 0 ||
			opts_parse_hex(id, report + 0x140, 32) < 0)
			return -EINVAL;
		maker_sign(report, m->leaf);
		wr_hex_str(hex, sizeof hex, report, SNP_REPORT_BYTES);
		if (puts(hex) < 0 || fflush(stdout) != 0)
			return -EPIPE;
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint8_t report[SNP_REPORT_BYTES];
	struct maker_leaf leaf = { .tcb = 0xDB18000000000004u };
	struct maker m;

	bool is_server = argc == 3 && strcmp(argv[2], "--serve") == 0;
	AUTO(fd)
	int dir = argc == 2 || is_server ? open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir < 0) {
		fprintf(stderr, "usage: mint-report FOLDER [--serve]\n");
		return 2;
	}
	maker_init(&m);
	struct maker_ca ark = { .subject = "ARK-Milan",
		.issuer = "ARK-Milan",
		.key = m.ark,
		.signer = m.ark,
		.pathlen = 1 };
	struct maker_ca ask = { .subject = "SEV-Milan",
		.issuer = "ARK-Milan",
		.key = m.ask,
		.signer = m.ark,
		.pathlen = 0 };
	for (size_t i = 0; i < sizeof leaf.hwid; i++)
		leaf.hwid[i] = 0xC1;
	maker_report(report, 5);
	maker_sign(report, m.leaf);
	int err = file_write(dir, "report", (struct attest_blob){ report, sizeof report });
	if (err == 0)
		err = cert_write(dir, "ark", maker_ca(&ark));
	if (err == 0)
		err = cert_write(dir, "ask", maker_ca(&ask));
	if (err == 0)
		err = cert_write(dir, "vcek", maker_leaf(&m, &leaf));
	if (err == 0)
		err = crl_write(dir, &m);
	if (err == 0 && is_server)
		err = serve(report, &m);
	maker_done(&m);
	return err < 0 ? 5 : 0;
}
