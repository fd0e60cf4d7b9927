#include "vtpm/vtpm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rd.h"
#include "base/wr.h"
#include "sandbox/child.h"
#include "vtpm/engine.h"
#include "vtpm/tpm_build.h"
#include "vtpm/vtpm_proto.h"

_Static_assert(VTPM_BUFFER_BYTES == TPM_BUFFER_BYTES, "the monitor's buffer is the engine's");

#define PCRS          24u
#define ALG_SHA256    0x000bu
#define ALG_SHA384    0x000cu
#define COMMAND_BYTES sizeof(struct wire_vtpm_command)
#define MEASURE_BYTES sizeof(struct wire_vtpm_measure)

/* ---- the engine ------------------------------------------------------------------------------- */

/* Startup or Shutdown; the TPM's response code. */
static uint32_t clear_run(enum tpm_cc code)
{
	uint32_t rc = TPM_RC_FAILURE;
	int err = tpm_build_run_clear(code, &rc, NULL);

	return err == 0 || err == -EREMOTEIO ? rc : TPM_RC_FAILURE;
}

static uint32_t extend_run(const struct wire_vtpm_measure *m)
{
	struct tpm_build b;
	struct rd r;
	uint32_t rc = TPM_RC_FAILURE;

	tpm_build_begin(&b, TPM_CC_PCR_EXTEND, (uint32_t[]){ le32_get(m->pcr) }, 1);
	wr_be32(&b.w, 2);
	wr_be16(&b.w, ALG_SHA256);
	wr_copy(&b.w, m->sha256, sizeof m->sha256);
	wr_be16(&b.w, ALG_SHA384);
	wr_copy(&b.w, m->sha384, sizeof m->sha384);
	int err = tpm_build_run(&b, NULL, &r, &rc, NULL);
	return err == 0 || err == -EREMOTEIO ? rc : TPM_RC_FAILURE;
}

static void power_off(struct vtpm *v)
{
	if (v->is_on && !v->is_shut && !engine_has_failed()) {
		uint32_t rc = clear_run(TPM_CC_SHUTDOWN);
		if (rc != TPM_RC_SUCCESS && rc != TPM_RC_INITIALIZE)
			log_warn("the TPM could not be shut down: 0x%x", rc);
	}
	engine_stop();
	v->is_on = false;
}

/* ---- the monitor ------------------------------------------------------------------------------ */

static int command_take(void *owner, struct msg *m)
{
	struct vtpm *v = owner;
	bool had_failed = engine_has_failed();
	const uint8_t *rsp;
	struct wire_vtpm_command hdr;
	size_t len;

	memcpy(&hdr, m->buf, sizeof hdr);
	if (hdr.locality > 4)
		return -EPROTO;
	const uint8_t *cmd = m->buf + sizeof hdr;
	int err = engine_run(hdr.locality, cmd, m->len - sizeof hdr, &rsp, &len);
	if (err < 0)
		return err;
	if (engine_has_failed() && !had_failed)
		log_err("the TPM's state cannot be written: it answers nothing until the guest is "
			"started again");
	struct rd r = rd_of(cmd, m->len - sizeof hdr);
	rd_skip(&r, sizeof(uint16_t) + sizeof(uint32_t));
	v->is_shut = rd_be32(&r) == TPM_CC_SHUTDOWN && tpm_rsp_code(rsp, len) == TPM_RC_SUCCESS;
	v->state = VTPM_USED;
	return chan_send(&v->monitor, VTPM_MSG_RESPONSE, rsp, len, NULL, 0);
}

/* Its arrival has done what there was to do. */
static int cancel_take(void *owner, struct msg *m)
{
	return 0;
}

static int measure_take(void *owner, struct msg *m)
{
	struct vtpm *v = owner;
	struct wire_vtpm_measure measure;
	uint32_t rc = TPM_RC_SUCCESS;

	memcpy(&measure, m->buf, sizeof measure);
	if (le32_get(measure.pcr) >= PCRS)
		return -EPROTO;
	if (v->state == VTPM_FRESH)
		rc = clear_run(TPM_CC_STARTUP);
	v->state = VTPM_MEASURED;
	if (rc == TPM_RC_SUCCESS)
		rc = extend_run(&measure);
	const le32 wire = le32_of(rc);
	return chan_send(&v->monitor, VTPM_MSG_MEASURED, &wire, sizeof wire, NULL, 0);
}

#define ANY_STATE (IN(VTPM_FRESH) | IN(VTPM_MEASURED) | IN(VTPM_USED))

static const struct rule monitor_rules[] = {
	[VTPM_MSG_COMMAND] = { ANY_STATE, COMMAND_BYTES + 1, COMMAND_BYTES + VTPM_BUFFER_BYTES, 0,
		0, false, command_take },
	[VTPM_MSG_CANCEL] = { ANY_STATE, 0, 0, 0, 0, false, cancel_take },
	[VTPM_MSG_MEASURE] = { IN(VTPM_FRESH) | IN(VTPM_MEASURED), MEASURE_BYTES, MEASURE_BYTES, 0,
		0, false, measure_take },
};

/* ---- the supervisor --------------------------------------------------------------------------- */

static int stop_take(void *owner, struct msg *m)
{
	struct vtpm *v = owner;

	loop_stop(v->loop, 0);
	return 0;
}

static const struct rule super_rules[] = {
	[SUP_MSG_STOP] = { ANY_STATE, 0, 0, 0, 0, true, stop_take },
};

/* ---- all -------------------------------------------------------------------------------------- */

static void chan_fire(struct vtpm *v, struct chan *c, const struct rule *rules, size_t n_rules)
{
	int err = chan_step(c, /* is_waiting= */ false, rules, n_rules, v->state, v);

	if (err < 0 && err != -EAGAIN)
		loop_stop(v->loop, err == -EPIPE ? 0 : err);
}

static void super_fire(struct src *src, uint32_t events)
{
	struct vtpm *v = CONTAINER_OF(src, struct vtpm, super_src);

	chan_fire(v, v->super, super_rules, ARRAY_LEN(super_rules));
}

static void monitor_fire(struct src *src, uint32_t events)
{
	struct vtpm *v = CONTAINER_OF(src, struct vtpm, monitor_src);

	chan_fire(v, &v->monitor, monitor_rules, ARRAY_LEN(monitor_rules));
}

/* A flag of the engine's, cleared when the next command begins. */
static void message_signal(int number)
{
	engine_cancel();
}

static MUST_USE int signals_ask(int fd)
{
	struct sigaction action = { .sa_handler = message_signal, .sa_flags = SA_RESTART };

	if (sigemptyset(&action.sa_mask) < 0 || sigaction(SIGIO, &action, NULL) < 0 ||
		fcntl(fd, F_SETOWN, getpid()) < 0)
		return -errno;
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 || fcntl(fd, F_SETFL, flags | O_ASYNC) < 0 ? -errno : 0;
}

int vtpm_open(struct vtpm *v, struct loop *loop, struct chan *super, int monitor_fd)
{
	v->loop = loop;
	v->super = super;
	int err = chan_open(&v->monitor, monitor_fd);
	if (err == 0)
		err = signals_ask(monitor_fd);
	if (err == 0)
		err = engine_open();
	if (err < 0)
		return err;
	v->monitor_src = (struct src){ .fd = v->monitor.fd, .fire = monitor_fire };
	v->super_src = (struct src){ .fd = super->fd, .fire = super_fire };
	err = loop_add(loop, &v->monitor_src, EPOLLIN);
	return err < 0 ? err : loop_add(loop, &v->super_src, EPOLLIN);
}

int vtpm_start(struct vtpm *v, struct nvstore *store, struct why *why)
{
	int err = engine_start(store, /* may_make= */ false, why);

	v->is_on = err == 0;
	return err;
}

void vtpm_close(struct vtpm *v)
{
	power_off(v);
	chan_close(&v->monitor);
}
