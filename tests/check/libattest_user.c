/* A program that is not ours: it knows <casemate/attest.h>, the installed library and nothing else.
 * usage: libattest-user FOLDER (report, leaf.der, ask.der, ark.der, policy as written by
 * libattest_evidence); prints what is wrong and exits with 1, or prints the JSON verdict. */
#include <casemate/attest.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1790000000

static const char *folder;

#define WANT(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #what);                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static size_t file_read(const char *name, unsigned char *buf, size_t size)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	WANT(f != NULL);
	size_t len = fread(buf, 1, size, f);
	fclose(f);
	return len;
}

static int file_add(struct attest_request *r, enum attest_part part, const char *name)
{
	unsigned char buf[16384];

	return attest_request_add(r, part, buf, file_read(name, buf, sizeof buf));
}

/* Everything that vouches for the report; the caller adds what it asks. */
static struct attest_request *request_open(void)
{
	struct attest_request *r = attest_request_new();

	WANT(r != NULL);
	WANT(file_add(r, ATTEST_EVIDENCE, "report") == 0);
	WANT(file_add(r, ATTEST_CERTIFICATES, "leaf.der") == 0);
	WANT(file_add(r, ATTEST_CERTIFICATES, "ask.der") == 0);
	WANT(file_add(r, ATTEST_ROOT, "ark.der") == 0);
	attest_request_set_time(r, NOW);
	return r;
}

static struct attest_result *judged(struct attest_request *r)
{
	struct attest_result *result = NULL;
	int err = attest_request_verify(r, &result);

	if (err < 0)
		fprintf(stderr, "%s\n", attest_request_error(r));
	WANT(err == 0 && result != NULL && attest_request_error(r)[0] == '\0');
	return result;
}

static enum attest_status row_status(const struct attest_result *result, const char *name)
{
	struct attest_row row;

	WANT(attest_result_find(result, name, &row) == 0);
	WANT(strcmp(row.name, name) == 0);
	WANT(row.status != ATTEST_CONTRAINDICATED || row.why[0] != '\0');
	return row.status;
}

static void good_evidence_is_affirmed(void)
{
	struct attest_request *r = request_open();
	unsigned char data[64];
	struct attest_row row;
	size_t n = 0;

	memset(data, 0xD1, sizeof data);
	WANT(attest_request_add(r, ATTEST_REPORT_DATA, data, sizeof data) == 0);
	WANT(attest_request_require(r, "report_data") == 0);
	struct attest_result *result = judged(r);
	WANT(attest_result_status(result) == ATTEST_AFFIRMING);
	WANT(strcmp(attest_status_name(attest_result_status(result)), "affirming") == 0);
	WANT(strcmp(attest_result_kind(result), "snp") == 0);
	WANT(strcmp(attest_result_trust(result), "simulated") == 0);
	while (attest_result_row(result, n, &row) == 0)
		n++;
	WANT(n > 16 && attest_result_row(result, n, &row) == -ERANGE);
	WANT(attest_result_find(result, "mood", &row) == -EINVAL);
	WANT(row_status(result, "signature") == ATTEST_AFFIRMING);
	printf("%s\n", attest_result_json(result));
	attest_result_free(result);
	attest_request_free(r);
}

static void a_policy_decides(void)
{
	struct attest_request *r = request_open();
	unsigned char hash[32];

	WANT(file_add(r, ATTEST_POLICY, "policy") == 0);
	struct attest_result *result = judged(r);
	WANT(attest_result_status(result) == ATTEST_CONTRAINDICATED);
	WANT(row_status(result, "host_data") == ATTEST_CONTRAINDICATED);
	WANT(row_status(result, "trust") == ATTEST_AFFIRMING);
	WANT(strstr(attest_result_line(result), "host data differ") != NULL);
	attest_result_free(result);
	memset(hash, 0xD3, sizeof hash);
	WANT(attest_request_add(r, ATTEST_HOST_DATA, hash, sizeof hash) == 0);
	result = judged(r); /* the same request again */
	WANT(attest_result_status(result) == ATTEST_AFFIRMING);
	attest_result_free(result);
	WANT(attest_request_add(r, ATTEST_HOST_DATA, hash, sizeof hash) == -EMSGSIZE);
	WANT(attest_request_add(r, ATTEST_POLICY, "{}", 2) == -EMSGSIZE);
	attest_request_free(r);
}

static void what_cannot_be_is_refused(void)
{
	struct attest_request *r = attest_request_new();
	struct attest_result *result = NULL;
	unsigned char report[2048];
	size_t len = file_read("report", report, sizeof report);

	WANT(attest_request_verify(r, &result) == -EINVAL);
	WANT(strstr(attest_request_error(r), "no evidence") != NULL);
	WANT(attest_request_add(r, ATTEST_EVIDENCE, report, 0) == -EINVAL);
	WANT(attest_request_add(r, ATTEST_PART_COUNT, report, len) == -EINVAL);
	WANT(attest_request_add(r, ATTEST_DIGEST, report, 47) == -EINVAL);
	WANT(attest_request_add(r, ATTEST_DIGEST, report, 32) == 0);
	WANT(attest_request_add(r, ATTEST_DIGEST, report, 32) == -EMSGSIZE);
	for (size_t n = 1; n <= 49; n++)
		if (n != 16 && n != 48)
			WANT(attest_request_add(r, ATTEST_SEV_TIK, report, n) == -EINVAL);
	WANT(attest_request_add(r, ATTEST_SEV_TIK, report, 48) == 0);
	WANT(attest_request_add(r, ATTEST_TPM_TEE_QUOTE, report, len) == 0);
	WANT(attest_request_add(r, ATTEST_TPM_TEE_QUOTE, report, len) == -EMSGSIZE);
	WANT(attest_request_add(r, ATTEST_REPORT_DATA, report, 65) == -EINVAL);
	WANT(attest_request_add(r, ATTEST_POLICY, "{\"oops\": 1}", 11) == -EBADMSG);
	WANT(strstr(attest_request_error(r), "policy:1:2: unknown key") != NULL);
	WANT(attest_request_set_kind(r, "sgx") == -EINVAL);
	WANT(attest_request_require(r, "mood") == -EINVAL);
	WANT(attest_request_add(r, ATTEST_EVIDENCE, report, len - 1) == 0);
	WANT(attest_request_verify(r, &result) == -EINVAL);
	WANT(strstr(attest_request_error(r), "no clock") != NULL);
	attest_request_set_time(r, NOW);
	WANT(attest_request_verify(r, &result) < 0 && result == NULL);
	WANT(attest_request_set_kind(r, "snp") == 0);
	WANT(attest_request_verify(r, &result) == -EBADMSG && result == NULL);
	WANT(strcmp(attest_status_name((enum attest_status)77), "?") == 0);
	attest_request_free(r);
	attest_request_free(NULL);
	attest_result_free(NULL);
}

static void a_changed_bit_is_seen(void)
{
	struct attest_request *r = attest_request_new();
	unsigned char report[2048];
	size_t len = file_read("report", report, sizeof report);

	report[0x90] ^= 1; /* the launch digest */
	WANT(attest_request_add(r, ATTEST_EVIDENCE, report, len) == 0);
	memset(report, 0, sizeof report); /* the request has its own copy */
	WANT(file_add(r, ATTEST_CERTIFICATES, "leaf.der") == 0);
	WANT(file_add(r, ATTEST_CERTIFICATES, "ask.der") == 0);
	WANT(file_add(r, ATTEST_ROOT, "ark.der") == 0);
	attest_request_set_time(r, NOW);
	struct attest_result *result = judged(r);
	WANT(attest_result_status(result) == ATTEST_CONTRAINDICATED);
	WANT(row_status(result, "signature") == ATTEST_CONTRAINDICATED);
	attest_result_free(result);
	attest_request_set_time(r, 0); /* the same, when no certificate was valid yet */
	result = judged(r);
	WANT(row_status(result, "chain") == ATTEST_CONTRAINDICATED);
	attest_result_free(result);
	attest_request_free(r);
}

static void *many(void *owner)
{
	(void)owner;
	for (int i = 0; i < 8; i++) {
		struct attest_request *r = request_open();
		struct attest_result *result = judged(r);
		WANT(attest_result_status(result) == ATTEST_AFFIRMING);
		attest_result_free(result);
		attest_request_free(r);
	}
	return NULL;
}

static void threads_share_nothing(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		WANT(pthread_create(&threads[i], NULL, many, NULL) == 0);
	for (int i = 0; i < 4; i++)
		WANT(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	folder = argv[1];
	good_evidence_is_affirmed();
	a_policy_decides();
	what_cannot_be_is_refused();
	a_changed_bit_is_seen();
	threads_share_nothing();
	return 0;
}
