#include "vmm/monitor/mon_launch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/num.h"
#include "vmm/monitor/mon_boot.h"

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool is_sev(enum guest_kind kind)
{
	return kind == GUEST_SEV || kind == GUEST_SEV_ES;
}

/* --- before the VM ------------------------------------------------------------------------------ */

static bool file_is_empty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == 0;
}

/* Exactly len bytes, or nothing. */
static MUST_USE int blob_read(
	int fd, void *ret, size_t len, const char *name, bool *ret_has, struct why *why)
{
	struct stat st;

	*ret_has = !file_is_empty(fd);
	if (!*ret_has)
		return 0;
	if (fstat(fd, &st) < 0 || st.st_size != (off_t)len)
		return why_set(why, -EBADMSG, "%s: want %zu bytes", name, len);
	int err = fd_pread_all(fd, ret, len, 0);
	return err < 0 ? why_set(why, err, "%s: cannot be read: %s", name, strerrordesc_np(-err))
		       : 0;
}

static MUST_USE int session_read(
	struct launch *l, struct guest_setup *setup, const int *fds, struct why *why)
{
	bool has_dh = false;
	bool has_session = false;
	int err = blob_read(
		fds[MON_FD_SEV_DH], l->dh, sizeof l->dh, "the owner's certificate", &has_dh, why);

	if (err == 0)
		err = blob_read(fds[MON_FD_SEV_SESSION], l->session, sizeof l->session,
			"the owner's session", &has_session, why);
	if (err < 0)
		return err;
	if (has_dh != has_session)
		return why_set(why, -EBADMSG,
			"the owner's session needs both its certificate and its keys");
	setup->sev_dh = has_dh ? l->dh : NULL;
	setup->sev_session = has_session ? l->session : NULL;
	return 0;
}

/* Can a guest of this kind start from what there is? */
static MUST_USE int start_check(const struct launch *l, enum guest_kind kind,
	const struct wire_mon_config *config, struct why *why)
{
	bool has_firmware = l->firmware.map != NULL;

	if (!has_firmware && (is_sev(kind) || kind == GUEST_TDX))
		return why_set(why, -EOPNOTSUPP,
			"a %s guest starts in firmware, and the policy names none",
			is_sev(kind) ? "SEV" : "TDX");
	if (is_sev(kind) && le32_get(config->owner_wait_s) != 0 && !l->firmware.has_secret)
		return why_set(
			why, -EOPNOTSUPP, "this firmware has no place for the owner's secret");
	return 0;
}

int mon_launch_open(struct launch *ret, struct mon_kvm_config *ret_kvm, enum guest_kind kind,
	const struct wire_mon_config *config, const int fds[MON_FD_FIRST_DEVICE], struct why *why)
{
	const struct mon_file firmware = { fds[MON_FD_FIRMWARE],
		&config->digests[PLAN_FILE_FIRMWARE] };
	int err = 0;

	*ret = (struct launch){ 0 };
	memcpy(ret->mrconfigid, config->host_data, sizeof config->host_data);
	*ret_kvm = (struct mon_kvm_config){
		.kind = kind,
		.cpu_signature = le32_get(config->cpu_signature),
		.setup = {
			.vcpus = le32_get(config->vcpus),
			.vmsa_features = le64_get(config->vmsa_features),
			.wants_certs = kind == GUEST_SNP && !file_is_empty(fds[MON_FD_SNP_CERTS]),
			.td_attributes = le64_get(config->td_attributes),
			.td_xfam = le64_get(config->td_xfam),
			.mrconfigid = ret->mrconfigid,
			.mrowner = config->mrowner,
			.mrownerconfig = config->mrownerconfig,
		},
	};
	if (kind != GUEST_NONE) /* a plain guest's firmware is in its flash (mon_pc) */
		err = mon_fwimage_open(&ret->firmware, &firmware, kind, why);
	if (err == 0)
		err = start_check(ret, kind, config, why);
	if (err == 0 && is_sev(kind))
		err = session_read(ret, &ret_kvm->setup, fds, why);
	if (ret->firmware.map != NULL)
		ret_kvm->firmware = &ret->firmware;
	ret_kvm->starts_in_firmware = !file_is_empty(fds[MON_FD_FIRMWARE]);
	return err;
}

void mon_launch_close(struct launch *l)
{
	mon_fwimage_close(&l->firmware);
}

/* --- direct boot -------------------------------------------------------------------------------- */

static MUST_USE int boot_pieces_measure(
	struct guest *g, const struct boot *b, uint64_t *ret_pages, struct why *why)
{
	struct boot_piece pieces[BOOT_PIECES];
	unsigned int n = mon_boot_list(b, pieces);

	for (unsigned int i = 0; i < n; i++) {
		const struct boot_piece *p = &pieces[i];
		if (p->len == 0)
			continue;
		int err = guest_measure_pages(g, PAGE_NORMAL, p->gpa, p->bytes, p->len, why);
		if (err < 0)
			return why_prefix(why, err, "%s", p->name);
		*ret_pages += (p->len + PAGE_BYTES - 1) / PAGE_BYTES;
	}
	return 0;
}

/* The pages that only an SNP guest has. */
static MUST_USE int special_measure(struct mon_kvm *kvm, uint64_t *ret_pages, struct why *why)
{
	int err = guest_measure_pages(
		kvm->guest, PAGE_SECRETS, BOOT_SECRETS_GPA, NULL, PAGE_BYTES, why);

	if (err == 0)
		err = guest_measure_cpuid(kvm->guest, BOOT_CPUID_GPA, kvm->cpuid, why);
	*ret_pages += 2;
	return err;
}

static MUST_USE int boot_measure(struct mon_kvm *kvm, const struct wire_mon_config *config,
	const struct launch_source *source, uint64_t *ret_pages, struct why *why)
{
	bool is_snp = guest_kind(kvm->guest) == GUEST_SNP;
	struct boot_config boot_config = {
		.memory_bytes = le64_get(config->memory_bytes),
		.vcpus = le32_get(config->vcpus),
		.is_protected = is_snp,
		.cmdline = config->cmdline,
	};
	struct boot boot;
	int err = mon_boot_init(&boot, &boot_config, &source->kernel, &source->initrd, why);

	if (err < 0)
		return err;
	err = boot_pieces_measure(kvm->guest, &boot, ret_pages, why);
	if (err == 0 && is_snp)
		err = special_measure(kvm, ret_pages, why);
	mon_boot_done(&boot);
	return err;
}

/* --- firmware ----------------------------------------------------------------------------------- */

/* Zeros behind a piece's bytes, or all of it: pages of the type that has no contents, if it may. */
static MUST_USE int zeros_measure(
	struct guest *g, enum page_type type, uint64_t gpa, uint64_t size, struct why *why)
{
	static const uint8_t zeros[16 * PAGE_BYTES];
	int err = 0;

	if (type != PAGE_NORMAL)
		return guest_measure_pages(
			g, type == PAGE_SECRETS ? type : PAGE_ZERO, gpa, NULL, size, why);
	for (uint64_t at = 0; err == 0 && at < size; at += sizeof zeros)
		err = guest_measure_pages(
			g, type, gpa + at, zeros, MIN(size - at, sizeof zeros), why);
	return err;
}

static MUST_USE int piece_measure(
	struct mon_kvm *kvm, const struct fwimage_piece *p, struct why *why)
{
	uint64_t done = 0;
	int err = 0;

	if (p->type == PAGE_CPUID)
		return guest_measure_cpuid(kvm->guest, p->gpa, kvm->cpuid, why);
	if (p->bytes != NULL) {
		err = guest_measure_pages(kvm->guest, p->type, p->gpa, p->bytes, p->len, why);
		done = MIN((p->len + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1), p->size);
	}
	if (err == 0 && done < p->size)
		err = zeros_measure(kvm->guest, p->type, p->gpa + done, p->size - done, why);
	return err;
}

static MUST_USE int firmware_measure(struct launch *l, struct mon_kvm *kvm,
	const struct launch_source *source, uint64_t *ret_pages, struct why *why)
{
	struct fwimage_piece pieces[FWIMAGE_PIECES];
	unsigned int n = 0;
	int err = mon_fwimage_list(&l->firmware, guest_kind(kvm->guest), &source->boot,
		source->memory, pieces, &n, why);

	for (unsigned int i = 0; err == 0 && i < n; i++) {
		err = piece_measure(kvm, &pieces[i], why);
		if (err < 0)
			return why_prefix(why, err, "%s", pieces[i].name);
		*ret_pages += (pieces[i].size + PAGE_BYTES - 1) / PAGE_BYTES;
	}
	return err;
}

/* --- the owner of a SEV guest ------------------------------------------------------------------- */

/* What the supervisor may say while we wait. */
struct secret {
	struct chan *chan;
	bool is_there;
	const struct wire_sev_secret *packet; /* in the channel's buffer */
};

static int on_secret(void *owner, struct msg *m)
{
	struct secret *s = owner;

	s->is_there = true;
	s->packet = (const struct wire_sev_secret *)(const void *)m->buf;
	return 0;
}

static int on_stop(void *owner, struct msg *m)
{
	(void)owner;
	return -ECANCELED;
}

static const struct rule secret_rules[] = {
	[SUP_MSG_STOP] = { IN(0), 0, 0, 0, 0, true, on_stop },
	[SUP_MSG_SEV_SECRET] = { IN(0), sizeof(struct wire_sev_secret),
		sizeof(struct wire_sev_secret), 0, 0, true, on_secret },
};

static MUST_USE int secret_wait(struct secret *s, uint32_t wait_s, struct why *why)
{
	const uint64_t end_us = now_us() + (uint64_t)wait_s * 1000000;
	int err = 0;

	while (!s->is_there && (err == 0 || err == -EAGAIN)) {
		struct pollfd p = { .fd = s->chan->fd, .events = POLLIN };
		uint64_t now = now_us();
		if (now >= end_us)
			return why_set(why, -ETIMEDOUT,
				"the guest's owner did not answer in %u seconds", wait_s);
		uint64_t left_ms = (end_us - now) / 1000 + 1;
		if (poll(&p, 1, (int)MIN(left_ms, 60000u)) > 0)
			err = chan_step(
				s->chan, false, secret_rules, ARRAY_LEN(secret_rules), 0, s);
	}
	return s->is_there ? 0
			   : why_set(why, err, "the wait for the guest's owner was ended: %s",
				     strerrordesc_np(-err));
}

static MUST_USE int secret_put(
	const struct launch *l, struct guest *g, const struct wire_sev_secret *s, struct why *why)
{
	uint32_t len = le32_get(s->len);

	if (le32_get(s->err) != 0)
		return why_set(why, -EACCES, "the guest's owner refused: %.*s",
			(int)strnlen(s->text, sizeof s->text), s->text);
	if (len == 0)
		return 0;
	if (len > sizeof s->body || len > l->firmware.secret_size)
		return why_set(why, -EMSGSIZE,
			"the owner's secret has %u bytes, the firmware's place for it %u", len,
			l->firmware.secret_size);
	return guest_put_secret(g, l->firmware.secret_gpa, s->header, s->body, len, why);
}

static MUST_USE int measured_send(
	struct chan *chan, const struct guest_measurement *m, struct why *why)
{
	struct wire_sev_measured w = {
		.policy = le32_of(m->policy),
		.api_major = m->api_major,
		.api_minor = m->api_minor,
		.build = m->build,
	};

	memcpy(w.hmac, m->hmac, sizeof w.hmac);
	memcpy(w.mnonce, m->mnonce, sizeof w.mnonce);
	int err = chan_send(chan, SUP_MSG_SEV_MEASURED, &w, sizeof w, NULL, 0);
	return err < 0 ? why_set(why, err, "cannot tell the supervisor: %s", strerrordesc_np(-err))
		       : 0;
}

/* Measure, show it to the owner, put what it gives. *ret_us: how long that took. */
static MUST_USE int owner_ask(struct launch *l, struct mon_kvm *kvm,
	const struct wire_mon_config *config, struct chan *chan, uint64_t *ret_us, struct why *why)
{
	uint32_t wait_s = le32_get(config->owner_wait_s);
	struct secret secret = { .chan = chan };
	struct guest_measurement m = { 0 };
	int err = guest_read_measurement(kvm->guest, &m, why);

	if (err < 0 || wait_s == 0)
		return err;
	uint64_t start = now_us();
	err = measured_send(chan, &m, why);
	if (err == 0)
		err = secret_wait(&secret, wait_s, why);
	*ret_us = now_us() - start;
	return err == 0 ? secret_put(l, kvm->guest, secret.packet, why) : err;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static MUST_USE int launch_finish(
	struct mon_kvm *kvm, const struct wire_mon_config *config, struct why *why)
{
	uint32_t flags = le32_get(config->flags);
	bool has_id = (flags & MON_CONFIG_ID_BLOCK) != 0;
	struct guest_identity id = {
		.id_block = has_id ? config->id_block : NULL,
		.id_auth = has_id ? config->id_auth : NULL,
		.has_author_key = (flags & MON_CONFIG_AUTHOR_KEY) != 0,
	};

	memcpy(id.host_data, config->host_data, sizeof id.host_data);
	return guest_finish_launch(kvm->guest, &id, why);
}

int mon_launch(struct launch *l, struct mon_kvm *kvm, const struct wire_mon_config *config,
	const struct launch_source *source, struct wire_launched *ret, struct why *why)
{
	uint64_t pages = 0;
	uint64_t waited_us = 0;
	uint64_t start = now_us();
	int err = guest_set_private(kvm->guest, why);

	if (err == 0)
		err = guest_start_launch(kvm->guest, le64_get(config->guest_policy), why);
	if (err == 0)
		err = l->firmware.map != NULL ? firmware_measure(l, kvm, source, &pages, why)
					      : boot_measure(kvm, config, source, &pages, why);
	if (err == 0 && is_sev(guest_kind(kvm->guest)))
		err = owner_ask(l, kvm, config, source->chan, &waited_us, why);
	if (err == 0)
		err = launch_finish(kvm, config, why);
	if (err < 0)
		return err;
	*ret = (struct wire_launched){ .measured_pages = le64_of(pages),
		.measured_us = le64_of(now_us() - start - waited_us) };
	return 0;
}
