/*
 * Where evidence comes from: the agent's own code against a tree of files that behaves as the kernel's
 * does: pipes for the attributes of a configfs entry with a thread behind them, ioctl() of our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/agent/ev.h"
#include "base/fd.h"
#include "base/le.h"
#include "tests/unit/cm.h"

#define ENTRY "sys/kernel/config/tsm/report/casemate"

static char root[64];
static const uint8_t asked[EV_REPORT_DATA_BYTES] = "a nonce and a key";

static const char *below(const char *name)
{
	static char path[4][256];
	static unsigned int at;

	at = (at + 1) % ARRAY_LEN(path);
	(void)snprintf(path[at], sizeof path[at], "%s/%s", root, name);
	return path[at];
}

static void file_put(const char *name, const void *bytes, size_t len)
{
	assert_int_equal(fd_replace_file(AT_FDCWD, below(name), bytes, len, 0600, NULL), 0);
}

static void folders_make(const char *path)
{
	char part[128];

	for (size_t i = 1; i <= strlen(path); i++)
		if (path[i] == '/' || path[i] == '\0') {
			(void)snprintf(part, sizeof part, "%.*s", (int)i, path);
			(void)mkdir(below(part), 0700);
		}
}

static int tree_make(void **state)
{
	(void)snprintf(root, sizeof root, "/tmp/casemate-test-XXXXXX");
	assert_non_null(mkdtemp(root));
	folders_make("dev");
	return 0;
}

static int tree_end(void **state)
{
	char cmd[128];

	(void)snprintf(cmd, sizeof cmd, "rm -rf %s", root);
	return system(cmd); /* NOLINT: a path of our own */
}

/* --- a configfs entry -------------------------------------------------------------------------- */

static struct tsm {
	const char *provider;
	size_t out_len, aux_len;
	unsigned int foreign; /* requests of another program that come in between */
	pthread_t thread;
} tsm;

static void generation_put(unsigned int n)
{
	char text[16];

	(void)snprintf(text, sizeof text, "%u\n", n);
	file_put(ENTRY "/generation", text, strlen(text));
}

static void pipe_write(const char *name, const void *bytes, size_t len)
{
	AUTO(fd) int fd = open(below(name), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	(void)!fd_write_all(fd, bytes, len);
}

/* What the kernel does between inblob and outblob: the report starts with what was asked for. */
static void *tsm_serve(void *arg)
{
	static uint8_t out[EV_BYTES_MAX + 1];
	unsigned int generation = 0;

	for (;;) {
		uint8_t *in = NULL;
		size_t len = 0;
		int fd = open(below(ENTRY "/inblob"), O_RDONLY | O_CLOEXEC); /* waits for it */
		assert_int_equal(fd_read_file(fd, 64, &in, &len), 0);
		(void)close(fd);
		memset(out, 0xA5, sizeof out);
		memcpy(out, in, len);
		free(in);
		generation++;
		if (tsm.foreign > 0) {
			tsm.foreign--;
			generation++;
		}
		generation_put(generation);
		pipe_write(ENTRY "/outblob", out, tsm.out_len);
	}
	return NULL;
}

static void tsm_start(const char *provider, size_t out_len, size_t aux_len)
{
	static uint8_t aux[EV_TABLE_BYTES];

	tsm.provider = provider;
	tsm.out_len = out_len;
	tsm.foreign = 0;
	folders_make(ENTRY);
	file_put(ENTRY "/provider", provider, strlen(provider));
	generation_put(0);
	if (aux_len > 0)
		file_put(ENTRY "/auxblob", aux, aux_len);
	assert_int_equal(mkfifo(below(ENTRY "/inblob"), 0600), 0);
	assert_int_equal(mkfifo(below(ENTRY "/outblob"), 0600), 0);
	assert_int_equal(pthread_create(&tsm.thread, NULL, tsm_serve, NULL), 0);
}

static void tsm_stop(void)
{
	(void)pthread_cancel(tsm.thread);
	(void)pthread_join(tsm.thread, NULL);
}

static struct ev_evidence got;

/* Open, get once, close. */
static int ask(const char *only, struct why *why)
{
	struct ev ev = { 0 };
	int err = ev_open(root, only, &ev, why);

	if (err == 0)
		err = ev_get(&ev, asked, &got, why);
	ev_close(&ev);
	return err;
}

static void assert_says(const struct why *why, const char *part)
{
	if (strstr(why->text, part) == NULL)
		fail_msg("want \"%s\" in \"%s\"", part, why->text);
	print_message("# %s\n", why->text);
}

static void configfs_gives_a_report_and_certificates(void **state)
{
	struct why why = { 0 };

	tsm_start("sev_guest\n", EV_REPORT_BYTES, 4096);
	assert_int_equal(ask(NULL, &why), 0);
	assert_int_equal(got.kind, EV_SNP);
	assert_int_equal(got.len, EV_REPORT_BYTES);
	assert_memory_equal(got.bytes, asked, sizeof asked);
	assert_int_equal(got.table_len, 4096);
	assert_int_equal(ask("configfs-tsm", &why), 0);
	tsm_stop();
}

static void configfs_without_certificates_is_fine(void **state)
{
	struct why why = { 0 };

	tsm_start("sev_guest\n", EV_REPORT_BYTES, 0);
	assert_int_equal(ask(NULL, &why), 0);
	assert_int_equal(got.table_len, 0);
	tsm_stop();
}

static void configfs_gives_a_quote_and_the_boot_log(void **state)
{
	static uint8_t ccel[3 * EV_LOG_BYTES];
	struct why why = { 0 };

	folders_make("sys/firmware/acpi/tables/data");
	memset(ccel, 0x11, 40000);
	memset(ccel + 40000, 0xFF, sizeof ccel - 40000);
	file_put("sys/firmware/acpi/tables/data/CCEL", ccel, sizeof ccel);
	tsm_start("tdx_guest\n", 5006, 0);
	assert_int_equal(ask(NULL, &why), 0);
	assert_int_equal(got.kind, EV_TDX);
	assert_int_equal(got.len, 5006);
	assert_int_equal(got.log_len, EV_LOG_BYTES);
	/* One that does not fit is left out, not cut. */
	memset(ccel, 0x11, sizeof ccel);
	file_put("sys/firmware/acpi/tables/data/CCEL", ccel, sizeof ccel);
	assert_int_equal(ask(NULL, &why), 0);
	assert_int_equal(got.log_len, 0);
	tsm_stop();
}

static void another_program_in_between_is_seen(void **state)
{
	struct why why = { 0 };

	tsm_start("sev_guest\n", EV_REPORT_BYTES, 0);
	tsm.foreign = 2;
	assert_int_equal(ask(NULL, &why), 0);
	tsm.foreign = 100;
	assert_int_equal(ask(NULL, &why), -EAGAIN);
	assert_says(&why, "configfs-tsm: another program");
	tsm_stop();
}

static void configfs_that_fails_is_not_passed_over(void **state)
{
	struct why why = { 0 };

	file_put("dev/sev-guest", "", 0); /* the next one would be there */
	tsm_start("sev_guest\n", 100, 0);
	assert_int_equal(ask(NULL, &why), -EBADMSG);
	assert_says(&why, "configfs-tsm: outblob: 100 bytes");
	why_clear(&why);
	tsm.out_len = EV_BYTES_MAX + 1;
	assert_int_equal(ask(NULL, &why), -EMSGSIZE);
	why_clear(&why);
	tsm.out_len = 0;
	assert_int_equal(ask(NULL, &why), -EBADMSG);
	why_clear(&why);
	tsm_stop();
	file_put(ENTRY "/generation", "many", 4);
	assert_int_equal(ask(NULL, &why), -EBADMSG);
	assert_says(&why, "generation");
}

static void unknown_providers_are_named(void **state)
{
	struct why why = { 0 };

	folders_make(ENTRY);
	file_put(ENTRY "/provider", "arm_cca_guest\n", 14);
	assert_int_equal(ask(NULL, &why), -EPROTONOSUPPORT);
	assert_says(&why, "arm_cca_guest");
}

static void folder_without_a_provider_attribute_fails(void **state)
{
	struct why why = { 0 };

	folders_make(ENTRY);
	assert_int_equal(ask(NULL, &why), -ENOENT);
	assert_says(&why, "configfs-tsm: provider");
}

/* --- /dev/sev-guest ---------------------------------------------------------------------------- */

static struct sev {
	uint32_t table_len; /* what the host has */
	unsigned int busy;  /* answers before one that counts */
	uint32_t firmware;  /* its error; 0: none */
	uint32_t status, size;
	unsigned int calls;
} sev;

/* In place of the C library's: the kernel's rules for the two requests. */
int ioctl(int fd, unsigned long number, ...)
{
	va_list ap;

	va_start(ap, number);
	struct snp_guest_request_ioctl *call = va_arg(ap, struct snp_guest_request_ioctl *);
	va_end(ap);
	struct snp_ext_report_req *req = (void *)(uintptr_t)call->req_data;
	struct snp_report_resp *resp = (void *)(uintptr_t)call->resp_data;
	le32 word;

	sev.calls++;
	call->exitinfo2 = 0;
	if (sev.busy > 0) {
		sev.busy--;
		call->exitinfo2 = (uint64_t)SNP_GUEST_VMM_ERR_BUSY << 32;
		errno = EAGAIN;
		return -1;
	}
	if (number == SNP_GET_EXT_REPORT && req->certs_len < sev.table_len) {
		req->certs_len = sev.table_len;
		call->exitinfo2 = (uint64_t)SNP_GUEST_VMM_ERR_INVALID_LEN << 32;
		errno = EIO;
		return -1;
	}
	if (sev.firmware != 0) {
		call->exitinfo2 = sev.firmware;
		errno = EIO;
		return -1;
	}
	word = le32_of(sev.status);
	memcpy(resp->data, &word, sizeof word);
	word = le32_of(sev.size);
	memcpy(resp->data + 4, &word, sizeof word);
	memcpy(resp->data + 32, req->data.user_data, EV_REPORT_DATA_BYTES);
	if (number == SNP_GET_EXT_REPORT)
		memset((void *)(uintptr_t)req->certs_address, 0x55, sev.table_len);
	return 0;
}

static void sev_start(uint32_t table_len)
{
	sev = (struct sev){ .table_len = table_len, .size = EV_REPORT_BYTES };
	file_put("dev/sev-guest", "", 0);
}

static void device_gives_a_report_and_certificates(void **state)
{
	struct why why = { 0 };

	sev_start(5000);
	assert_int_equal(ask(NULL, &why), 0);
	assert_int_equal(got.kind, EV_SNP);
	assert_int_equal(got.len, EV_REPORT_BYTES);
	assert_memory_equal(got.bytes, asked, sizeof asked);
	assert_int_equal(got.table_len, 16384);
	assert_int_equal(got.table[0], 0x55);
	assert_int_equal(sev.calls, 1);
}

static void a_short_table_is_asked_for_again(void **state)
{
	struct why why = { 0 };

	sev_start(20480);
	assert_int_equal(ask(NULL, &why), 0);
	assert_int_equal(got.table_len, 20480);
	assert_int_equal(sev.calls, 2);
}

static void a_table_that_never_fits_is_done_without(void **state)
{
	struct why why = { 0 };

	sev_start(EV_TABLE_BYTES + 1);
	assert_int_equal(ask(NULL, &why), 0);
	assert_int_equal(got.table_len, 0);
	assert_int_equal(got.len, EV_REPORT_BYTES);
	assert_int_equal(sev.calls, 2);
}

static void a_busy_host_is_asked_again(void **state)
{
	struct why why = { 0 };

	sev_start(4096);
	sev.busy = 2;
	assert_int_equal(ask(NULL, &why), 0);
	sev.busy = 100;
	assert_int_equal(ask(NULL, &why), -EREMOTEIO);
	assert_says(&why, "sev-guest: no report: ");
}

static void a_refusal_of_the_firmware_is_said(void **state)
{
	struct why why = { 0 };

	sev_start(4096);
	sev.firmware = 0x16;
	assert_int_equal(ask(NULL, &why), -EREMOTEIO);
	assert_says(&why, "firmware 0x16");
	assert_int_equal(sev.calls, 1);
	why_clear(&why);
	sev.firmware = 0;
	sev.status = 0x27;
	assert_int_equal(ask(NULL, &why), -EREMOTEIO);
	assert_says(&why, "status 0x27");
	why_clear(&why);
	sev.status = 0;
	sev.size = 1183;
	assert_int_equal(ask(NULL, &why), -EBADMSG);
}

/* --- the others -------------------------------------------------------------------------------- */

static void tdx_device_alone_cannot_quote(void **state)
{
	struct why why = { 0 };

	file_put("dev/tdx_guest", "", 0);
	assert_int_equal(ask(NULL, &why), -EOPNOTSUPP);
	assert_says(&why, "tdx_guest: it makes TDREPORTs only");
}

static void nothing_at_all_is_said(void **state)
{
	struct why why = { 0 };

	assert_int_equal(ask(NULL, &why), -ENODEV);
	assert_says(&why, "no source of evidence");
	why_clear(&why);
	assert_int_equal(ask("sev-guest", &why), -ENODEV);
	assert_says(&why, "sev-guest: ");
	why_clear(&why);
	assert_int_equal(ask("crystal-ball", &why), -EINVAL);
	why_clear(&why);
	struct ev ev;
	assert_int_equal(ev_open("/nowhere", NULL, &ev, &why), -ENOENT);
}

static void the_named_source_is_the_only_one(void **state)
{
	struct why why = { 0 };

	sev_start(4096);
	file_put("dev/tdx_guest", "", 0);
	assert_int_equal(ask("tdx_guest", &why), -EOPNOTSUPP);
	why_clear(&why);
	assert_int_equal(ask("sev-guest", &why), 0);
	assert_int_equal(ask("simulated", &why), -ENODEV);
}

#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, tree_make, tree_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(configfs_gives_a_report_and_certificates),
		IN_TREE(configfs_without_certificates_is_fine),
		IN_TREE(configfs_gives_a_quote_and_the_boot_log),
		IN_TREE(another_program_in_between_is_seen),
		IN_TREE(configfs_that_fails_is_not_passed_over),
		IN_TREE(unknown_providers_are_named),
		IN_TREE(folder_without_a_provider_attribute_fails),
		IN_TREE(device_gives_a_report_and_certificates),
		IN_TREE(a_short_table_is_asked_for_again),
		IN_TREE(a_table_that_never_fits_is_done_without),
		IN_TREE(a_busy_host_is_asked_again),
		IN_TREE(a_refusal_of_the_firmware_is_said),
		IN_TREE(tdx_device_alone_cannot_quote),
		IN_TREE(nothing_at_all_is_said),
		IN_TREE(the_named_source_is_the_only_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
