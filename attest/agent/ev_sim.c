#include <errno.h>
#include <string.h>
#include <sys/io.h>

#include "attest/agent/ev.h"
#include "base/le.h"
#include "sev/sim/sim_guest_port.h"

#define STATE_POLLS 1000u /* EXECUTE is answered before the OUT returns; this is for "never" */

_Static_assert(SIM_REPORT_BYTES == EV_REPORT_BYTES, "one report");
_Static_assert(SIM_TABLE_BYTES_MAX <= EV_TABLE_BYTES, "the table fits");

/* insb() and outsb() of <sys/io.h> do not tell the compiler that they touch memory. */
static void port_read(void *ret, size_t len)
{
	/* The pages must be there: KVM has read the port when storing faults, and reads on after it. */
	memset(ret, 0, len);
	__asm__ volatile("rep insb"
			 : "+D"(ret), "+c"(len)
			 : "d"((uint16_t)SIM_PORT_DATA)
			 : "memory");
}

static void port_write(const void *bytes, size_t len)
{
	__asm__ volatile("rep outsb"
			 : "+S"(bytes), "+c"(len)
			 : "d"((uint16_t)SIM_PORT_DATA)
			 : "memory");
}

static uint32_t port_read_le32(void)
{
	le32 v;

	port_read(&v, sizeof v);
	return le32_get(v);
}

static MUST_USE int sim_find(struct ev *ev, struct why *why)
{
	if (ioperm(SIM_PORT_DATA, 2, 1) < 0)
		return why_set(why, -errno, "ioperm: %s", strerrordesc_np(errno));
	uint8_t state = inb(SIM_PORT_CONTROL);
	if (state < SIM_STATE_IDLE || state > SIM_STATE_READY)
		return why_set(why, -ENODEV, "no secure processor at port 0x%x (it reads 0x%02x)",
			SIM_PORT_CONTROL, state);
	ev->kind = EV_SNP;
	return 0;
}

static MUST_USE int execute(const uint8_t *request, struct why *why)
{
	unsigned int polls = 0;

	outb(SIM_CMD_BEGIN, SIM_PORT_CONTROL);
	port_write(request, SIM_REQUEST_BYTES);
	outb(SIM_CMD_EXECUTE, SIM_PORT_CONTROL);
	while (inb(SIM_PORT_CONTROL) != SIM_STATE_READY)
		if (++polls == STATE_POLLS)
			return why_set(why, -EREMOTEIO, "no answer");
	return 0;
}

static MUST_USE int sim_get(
	const struct ev *ev, const uint8_t *report_data, struct ev_evidence *ret, struct why *why)
{
	/* MSG_REPORT_REQ: report data, VMPL 0, key selection 0 (attestation.md 1.6). */
	uint8_t request[SIM_REQUEST_BYTES] = { 0 };

	memcpy(request, report_data, EV_REPORT_DATA_BYTES);
	int err = execute(request, why);
	if (err < 0)
		return err;
	uint32_t status = port_read_le32();
	uint32_t len = port_read_le32();
	if (status != 0 || len != EV_REPORT_BYTES)
		return why_set(why, -EREMOTEIO, "firmware status 0x%x, %u bytes", status, len);
	port_read(ret->bytes, EV_REPORT_BYTES);
	ret->len = EV_REPORT_BYTES;
	len = port_read_le32();
	if (len > EV_TABLE_BYTES)
		return why_set(why, -EBADMSG, "certificate table of %u bytes", len);
	port_read(ret->table, len);
	ret->table_len = len;
	return 0;
}

const struct ev_source ev_last = { "simulated", sim_find, sim_get };
