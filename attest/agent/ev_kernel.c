#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/agent/ev.h"
#include "base/fd.h"
#include "base/le.h"

/* Linux 6.7 and later: Documentation/ABI/testing/configfs-tsm. */
#define TSM_FOLDER "/sys/kernel/config/tsm/report"
#define TSM_ENTRY  TSM_FOLDER "/casemate"
/* Before: Documentation/virt/coco/sev-guest.rst. */
#define SEV_DEVICE "/dev/sev-guest"

/* MSG_REPORT_RSP: status, size, 24 bytes, report (attestation.md 1.6). */
#define RSP_REPORT_AT 32u

int ev_find(const char **ret_name, struct why *why)
{
	if (access(TSM_FOLDER, F_OK) == 0)
		*ret_name = "configfs-tsm";
	else if (access(SEV_DEVICE, R_OK | W_OK) == 0)
		*ret_name = SEV_DEVICE;
	else
		return why_set(why, -ENODEV,
			"neither " TSM_FOLDER " nor " SEV_DEVICE
			" is here: not an SEV-SNP guest, or the "
			"module sev-guest is not in the initramfs");
	return 0;
}

/* --- configfs-tsm ------------------------------------------------------------------------------ */

static MUST_USE int tsm_write(const char *name, const void *bytes, size_t len)
{
	char path[128];

	(void)snprintf(path, sizeof path, TSM_ENTRY "/%s", name);
	AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, bytes, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* Binary attributes are read to their end; one byte more than fits tells too long. */
static MUST_USE int tsm_read(const char *name, uint8_t *ret, size_t max, size_t *ret_len)
{
	char path[128];
	size_t len = 0;

	(void)snprintf(path, sizeof path, TSM_ENTRY "/%s", name);
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < max) {
		ssize_t n = read(fd, ret + len, max - len);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* Nobody else may have asked in between: the generation counts every change of the entry. */
static MUST_USE int tsm_check_generation(const char *want, struct why *why)
{
	uint8_t text[32] = { 0 };
	size_t len = 0;
	int err = tsm_read("generation", text, sizeof text - 1, &len);

	if (err < 0)
		return why_set(why, err, "configfs-tsm: generation: %s", strerrordesc_np(-err));
	return strcmp((const char *)text, want) == 0
		       ? 0
		       : why_set(why, -EAGAIN, "configfs-tsm: somebody else used our entry");
}

static MUST_USE int tsm_get(const uint8_t *report_data, struct ev_report *ret, struct why *why)
{
	size_t len = 0;

	int err = tsm_write("inblob", report_data, EV_REPORT_DATA_BYTES);
	if (err < 0)
		return why_set(why, err, "configfs-tsm: inblob: %s", strerrordesc_np(-err));
	err = tsm_read("outblob", ret->report, sizeof ret->report, &len);
	if (err < 0)
		return why_set(why, -EREMOTEIO, "configfs-tsm: outblob: %s", strerrordesc_np(-err));
	if (len != sizeof ret->report)
		return why_set(why, -EBADMSG, "configfs-tsm: report of %zu bytes, want %u", len,
			EV_REPORT_BYTES);
	if (tsm_read("auxblob", ret->table, sizeof ret->table, &ret->table_len) < 0)
		ret->table_len = 0; /* the broker may have the certificates itself */
	return tsm_check_generation("1\n", why);
}

static MUST_USE int tsm_report(const uint8_t *report_data, struct ev_report *ret, struct why *why)
{
	(void)rmdir(TSM_ENTRY);
	if (mkdir(TSM_ENTRY, 0700) < 0)
		return why_set(why, -errno, "configfs-tsm: cannot make an entry: %s",
			strerrordesc_np(errno));
	int err = tsm_get(report_data, ret, why);
	(void)rmdir(TSM_ENTRY);
	return err;
}

/* --- /dev/sev-guest ---------------------------------------------------------------------------- */

static MUST_USE int device_ask(
	int fd, struct snp_ext_report_req *req, struct snp_report_resp *resp, struct why *why)
{
	struct snp_guest_request_ioctl call = {
		.msg_version = 1,
		.req_data = (uintptr_t)req,
		.resp_data = (uintptr_t)resp,
	};

	if (ioctl(fd, SNP_GET_EXT_REPORT, &call) == 0)
		return 0;
	int err = errno;
	/* exitinfo2: low half the firmware's, high half the VMM's answer. */
	return why_set(why, -EREMOTEIO, SEV_DEVICE ": no report: %s (firmware 0x%llx)",
		strerrordesc_np(err), (unsigned long long)call.exitinfo2);
}

static MUST_USE int device_report(
	const uint8_t *report_data, struct ev_report *ret, struct why *why)
{
	AUTO(fd) int fd = open(SEV_DEVICE, O_RDWR | O_CLOEXEC);
	struct snp_report_resp resp = { 0 };
	struct snp_ext_report_req req = {
		.certs_address = (uintptr_t)ret->table,
		.certs_len = EV_TABLE_BYTES,
	};
	le32 word;

	if (fd < 0)
		return why_set(
			why, -errno, "cannot open " SEV_DEVICE ": %s", strerrordesc_np(errno));
	memcpy(req.data.user_data, report_data, EV_REPORT_DATA_BYTES);
	memset(ret->table, 0, sizeof ret->table);
	int err = device_ask(fd, &req, &resp, why);
	if (err < 0)
		return err;
	memcpy(&word, resp.data, sizeof word);
	if (le32_get(word) != 0)
		return why_set(
			why, -EREMOTEIO, SEV_DEVICE ": firmware status 0x%x", le32_get(word));
	memcpy(&word, resp.data + 4, sizeof word);
	if (le32_get(word) != EV_REPORT_BYTES)
		return why_set(why, -EBADMSG, SEV_DEVICE ": report of %u bytes, want %u",
			le32_get(word), EV_REPORT_BYTES);
	memcpy(ret->report, resp.data + RSP_REPORT_AT, EV_REPORT_BYTES);
	ret->table_len = EV_TABLE_BYTES; /* ends with its zero entry; zeros when there is none */
	return 0;
}

int ev_get_report(
	const uint8_t report_data[EV_REPORT_DATA_BYTES], struct ev_report *ret, struct why *why)
{
	return access(TSM_FOLDER, F_OK) == 0 ? tsm_report(report_data, ret, why)
					     : device_report(report_data, ret, why);
}
