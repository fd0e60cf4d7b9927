#include "attest/agent/ev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/fd.h"

static const struct ev_source *const sources[] = { &ev_tsm, &ev_sev_guest, &ev_tdx_guest, &ev_tpm,
	&ev_last };

const char *ev_kind_name(enum ev_kind kind)
{
	static const char *const names[EV_KIND_COUNT] = {
		[EV_SNP] = "snp",
		[EV_TDX] = "tdx",
		[EV_TPM] = "tpm",
	};

	return names[kind];
}

static MUST_USE int source_find(struct ev *ev, const char *only, struct why *why)
{
	bool is_known = only == NULL;

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		if (only != NULL && strcmp(only, sources[i]->name) != 0)
			continue;
		is_known = true;
		int err = sources[i]->find(ev, why);
		if (err == -ENODEV && only == NULL) {
			why_clear(why);
			continue;
		}
		ev->source = sources[i];
		return err < 0 ? why_prefix(why, err, "%s", sources[i]->name) : 0;
	}
	if (!is_known)
		return why_set(why, -EINVAL, "%s is no source of evidence", only);
	return why_set(why, -ENODEV,
		"no source of evidence: neither configfs-tsm nor /dev/sev-guest, /dev/tdx_guest or "
		"/dev/tpmrm0; not a confidential guest, or the initramfs lacks sev-guest, "
		"tdx-guest or a TPM driver");
}

int ev_open(const char *root, const char *only, struct ev *ret, struct why *why)
{
	struct ev ev = { .root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) };

	if (ev.root < 0)
		return why_set(why, -errno, "cannot open folder %s", root);
	int err = source_find(&ev, only, why);
	if (err < 0) {
		(void)close(ev.root);
		return err;
	}

	*ret = ev;
	return 0;
}

void ev_close(struct ev *ev)
{
	if (ev->source == NULL)
		return;
	if (ev->root >= 0)
		(void)close(ev->root);
	*ev = (struct ev){ .root = -1 };
}

int ev_get(const struct ev *ev, const uint8_t report_data[EV_REPORT_DATA_BYTES],
	struct ev_evidence *ret, struct why *why)
{
	ret->kind = ev->kind;
	ret->len = ret->table_len = ret->log_len = 0;
	int err = ev->source->get(ev, report_data, ret, why);
	return err < 0 ? why_prefix(why, err, "%s", ev->source->name) : 0;
}

int ev_read(const struct ev *ev, const char *path, void *ret, size_t max, size_t *ret_len)
{
	AUTO(fd) int fd = openat(ev->root, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint8_t more;
	size_t len = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, len < max ? (uint8_t *)ret + len : &more,
			len < max ? max - len : sizeof more);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (len == max)
			return -EMSGSIZE;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}
