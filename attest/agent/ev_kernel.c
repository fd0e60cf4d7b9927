#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/agent/ev.h"
#include "base/fd.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/log.h"

/* Linux 6.7 and later: Documentation/ABI/testing/configfs-tsm. */
#define TSM_FOLDER "sys/kernel/config/tsm/report"
#define TSM_ENTRY  TSM_FOLDER "/casemate"
/* Before: Documentation/virt/coco/sev-guest.rst, tdx-guest.rst. */
#define SEV_DEVICE "dev/sev-guest"
#define TDX_DEVICE "dev/tdx_guest"
#define CCEL_FILE  "sys/firmware/acpi/tables/data/CCEL"

/* MSG_REPORT_RSP: status, size, 24 bytes, report (attestation.md 1.6). */
#define RSP_REPORT_AT 32u
/* What /dev/sev-guest takes for a certificate table before it says -EINVAL. */
#define SEV_TABLE_BYTES 16384u
/* Tries where the VMM is busy, or another program used our entry in between; 50 ms apart. */
#define TRIES    4u
#define PAUSE_US 50000u

static MUST_USE int device_find(
	const struct ev *ev, const char *path, enum ev_kind kind, struct ev *ret, struct why *why)
{
	if (faccessat(ev->root, path, R_OK | W_OK, 0) < 0)
		return errno == ENOENT
			       ? -ENODEV
			       : why_set(why, -errno, "cannot be used: %s", strerrordesc_np(errno));
	ret->kind = kind;
	return 0;
}

/* --- the boot log of a TD ------------------------------------------------------------------------ */

/* Evidence without its log is evidence still: what goes wrong here is only said. */
static void log_add(const struct ev *ev, struct ev_evidence *ret)
{
	AUTO(fd) int fd = openat(ev->root, CCEL_FILE, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (fd < 0)
		return; /* firmware without one */
	int err = fd_read_file(fd, LIMIT_EVIDENCE_BYTES, &bytes, &len);
	/* Its area is larger than the log: what fills it up may be cut. */
	while (err == 0 && len > EV_LOG_BYTES && (bytes[len - 1] == 0 || bytes[len - 1] == 0xFF))
		len--;
	if (err == 0 && len <= EV_LOG_BYTES) {
		memcpy(ret->log, bytes, len);
		ret->log_len = len;
	} else {
		log_warn("evidence: the boot log is left out: %s",
			err < 0 ? strerrordesc_np(-err) : "longer than a request can hold");
	}
	free(bytes);
}

/* --- configfs-tsm ------------------------------------------------------------------------------ */

static MUST_USE int tsm_read(const struct ev *ev, const char *name, void *ret, size_t max,
	size_t *ret_len, struct why *why)
{
	char path[128];

	(void)snprintf(path, sizeof path, TSM_ENTRY "/%s", name);
	int err = ev_read(ev, path, ret, max, ret_len);
	return err < 0 ? why_set(why, err, "%s: %s", name, strerrordesc_np(-err)) : 0;
}

/* A line of text, without its end. */
static MUST_USE int tsm_read_line(
	const struct ev *ev, const char *name, char *ret, size_t size, struct why *why)
{
	size_t len = 0;
	int err = tsm_read(ev, name, ret, size - 1, &len, why);

	if (err < 0)
		return err;
	ret[len] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

static MUST_USE int tsm_generation(const struct ev *ev, unsigned long *ret, struct why *why)
{
	char text[32];
	char *end;
	int err = tsm_read_line(ev, "generation", text, sizeof text, why);

	if (err < 0)
		return err;
	*ret = strtoul(text, &end, 10);
	return end != text && *end == '\0'
		       ? 0
		       : why_set(why, -EBADMSG, "generation: \"%s\" is no number", text);
}

static MUST_USE int tsm_ask(const struct ev *ev, const uint8_t *report_data, struct why *why)
{
	AUTO(fd) int fd = openat(ev->root, TSM_ENTRY "/inblob", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : write(fd, report_data, EV_REPORT_DATA_BYTES);

	if (n < 0)
		return why_set(why, -errno, "inblob: %s", strerrordesc_np(errno));
	return (size_t)n == EV_REPORT_DATA_BYTES ? 0 : why_set(why, -EIO, "inblob: short write");
}

static MUST_USE int tsm_take(const struct ev *ev, struct ev_evidence *ret, struct why *why)
{
	int err = tsm_read(ev, "outblob", ret->bytes, sizeof ret->bytes, &ret->len, why);

	if (err < 0)
		return err == -EMSGSIZE ? err : -EREMOTEIO;
	if (ret->len == 0 || (ev->kind == EV_SNP && ret->len != EV_REPORT_BYTES))
		return why_set(why, -EBADMSG, "outblob: %zu bytes, a report has %u", ret->len,
			EV_REPORT_BYTES);
	/* Only sev_guest has one; the broker may have the certificates itself. */
	if (ev->kind != EV_SNP ||
		tsm_read(ev, "auxblob", ret->table, sizeof ret->table, &ret->table_len, NULL) < 0)
		ret->table_len = 0;
	return 0;
}

/* The generation counts every change of the entry: ours must be the only one. */
static MUST_USE int tsm_get(
	const struct ev *ev, const uint8_t *report_data, struct ev_evidence *ret, struct why *why)
{
	unsigned long before = 0;
	unsigned long after = 0;

	for (unsigned int i = 0; i < TRIES; i++) {
		int err = tsm_generation(ev, &before, why);
		if (err == 0)
			err = tsm_ask(ev, report_data, why);
		if (err == 0)
			err = tsm_take(ev, ret, why);
		if (err == 0)
			err = tsm_generation(ev, &after, why);
		if (err < 0)
			return err;
		if (after == before + 1) {
			if (ev->kind == EV_TDX)
				log_add(ev, ret);
			return 0;
		}
		(void)usleep(PAUSE_US);
	}
	return why_set(why, -EAGAIN, "another program keeps using our entry " TSM_ENTRY);
}

/* The entry stays until the agent ends: its provider says what kind of evidence comes. */
static MUST_USE int tsm_find(struct ev *ev, struct why *why)
{
	char provider[64];

	if (mkdirat(ev->root, TSM_ENTRY, 0700) < 0 && errno != EEXIST)
		/* No folder: no such kernel; ENXIO: nobody in it provides reports. */
		return errno == ENOENT || errno == ENXIO
			       ? -ENODEV
			       : why_set(why, -errno, "cannot make an entry: %s",
					 strerrordesc_np(errno));
	int err = tsm_read_line(ev, "provider", provider, sizeof provider, why);
	if (err < 0)
		return err;
	if (strcmp(provider, "sev_guest") != 0 && strcmp(provider, "tdx_guest") != 0)
		return why_set(why, -EPROTONOSUPPORT,
			"provider \"%s\"; we know sev_guest and "
			"tdx_guest",
			provider);
	ev->kind = provider[0] == 's' ? EV_SNP : EV_TDX;
	return 0;
}

const struct ev_source ev_tsm = { "configfs-tsm", tsm_find, tsm_get };

/* --- /dev/sev-guest ---------------------------------------------------------------------------- */

/* One request; the high half of exitinfo2 is the VMM's answer, the low half the firmware's. */
static MUST_USE int sev_ioctl(int fd, unsigned long number, void *req, struct snp_report_resp *resp,
	uint32_t *ret_vmm, struct why *why)
{
	for (unsigned int i = 0;; i++) {
		struct snp_guest_request_ioctl call = {
			.msg_version = 1,
			.req_data = (uintptr_t)req,
			.resp_data = (uintptr_t)resp,
		};
		if (ioctl(fd, number, &call) == 0)
			return 0;
		int err = errno;
		*ret_vmm = (uint32_t)(call.exitinfo2 >> 32);
		if (*ret_vmm != SNP_GUEST_VMM_ERR_BUSY || i == TRIES)
			return why_set(why, -EREMOTEIO, "no report: %s (VMM %u, firmware 0x%x)",
				strerrordesc_np(err), *ret_vmm, (uint32_t)call.exitinfo2);
		(void)usleep(PAUSE_US << i);
	}
}

/*
 * Report with certificates; where the table does not fit, the report alone: the broker may have the
 * certificates itself. The kernel says with INVALID_LEN how long the table is.
 */
static MUST_USE int sev_ask(int fd, const uint8_t *report_data, struct snp_report_resp *resp,
	struct ev_evidence *ret, struct why *why)
{
	struct snp_ext_report_req req = {
		.certs_address = (uintptr_t)ret->table,
		.certs_len = SEV_TABLE_BYTES,
	};
	uint32_t vmm = 0;

	memcpy(req.data.user_data, report_data, EV_REPORT_DATA_BYTES);
	memset(ret->table, 0, sizeof ret->table);
	int err = sev_ioctl(fd, SNP_GET_EXT_REPORT, &req, resp, &vmm, why);
	if (err < 0 && vmm == SNP_GUEST_VMM_ERR_INVALID_LEN && req.certs_len > SEV_TABLE_BYTES &&
		req.certs_len <= sizeof ret->table) {
		why_clear(why);
		vmm = 0;
		err = sev_ioctl(fd, SNP_GET_EXT_REPORT, &req, resp, &vmm, why);
	}
	if (err == 0) {
		/* It ends with its zero entry; zeros when there is none. */
		ret->table_len = MIN(req.certs_len, sizeof ret->table);
		return 0;
	}
	if (vmm != SNP_GUEST_VMM_ERR_INVALID_LEN && req.certs_len == SEV_TABLE_BYTES)
		return err;
	why_clear(why);
	return sev_ioctl(fd, SNP_GET_REPORT, &req.data, resp, &vmm, why);
}

static MUST_USE int sev_get(
	const struct ev *ev, const uint8_t *report_data, struct ev_evidence *ret, struct why *why)
{
	AUTO(fd) int fd = openat(ev->root, SEV_DEVICE, O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct snp_report_resp resp = { 0 };
	le32 status, size;

	if (fd < 0)
		return why_set(why, -errno, "cannot be opened: %s", strerrordesc_np(errno));
	int err = sev_ask(fd, report_data, &resp, ret, why);
	if (err < 0)
		return err;
	memcpy(&status, resp.data, sizeof status);
	memcpy(&size, resp.data + 4, sizeof size);
	if (le32_get(status) != 0)
		return why_set(why, -EREMOTEIO, "firmware status 0x%x", le32_get(status));
	if (le32_get(size) != EV_REPORT_BYTES)
		return why_set(why, -EBADMSG, "report of %u bytes, want %u", le32_get(size),
			EV_REPORT_BYTES);
	memcpy(ret->bytes, resp.data + RSP_REPORT_AT, EV_REPORT_BYTES);
	ret->len = EV_REPORT_BYTES;
	return 0;
}

static MUST_USE int sev_find(struct ev *ev, struct why *why)
{
	return device_find(ev, SEV_DEVICE, EV_SNP, ev, why);
}

const struct ev_source ev_sev_guest = { "sev-guest", sev_find, sev_get };

/* --- /dev/tdx_guest ---------------------------------------------------------------------------- */

/* It gives a TDREPORT, which proves nothing to anybody outside (attestation.md 6.5). */
static MUST_USE int tdx_find(struct ev *ev, struct why *why)
{
	int err = device_find(ev, TDX_DEVICE, EV_TDX, ev, why);

	return err < 0 ? err
		       : why_set(why, -EOPNOTSUPP,
				 "it makes TDREPORTs only; a quote needs configfs-tsm (Linux 6.7, "
				 "mounted at /sys/kernel/config) and the host's quote generation "
				 "service behind it");
}

const struct ev_source ev_tdx_guest = { "tdx_guest", tdx_find, NULL };
