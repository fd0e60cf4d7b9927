#include "sev/sim/sim_port.h"

#include <string.h>

#include "base/wr.h"
#include "sev/fw_error.h"
#include "sev/sim/sim_report.h"

_Static_assert(sizeof(struct snp_report_req) == SIM_REQUEST_BYTES, "request");
_Static_assert(sizeof(struct snp_report) == SIM_REPORT_BYTES, "report");

void sim_port_init(struct sim_port *port)
{
	memset(port, 0, sizeof *port);
	port->state = SIM_STATE_IDLE;
}

bool sim_port_owns(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.size == 1 &&
	       (run->io.port == SIM_PORT_DATA || run->io.port == SIM_PORT_CONTROL);
}

static uint32_t report_answer(struct sim_vm *vm, struct snp_report *report)
{
	struct snp_report_req req;
	uint32_t status = sim_script_step(&vm->m->platform.script, SIM_SNP_GUEST_REQUEST);

	if (status != FW_SUCCESS)
		return status;
	if (vm->port.n_in != sizeof req)
		return FW_INVALID_LEN;
	memcpy(&req, vm->port.in, sizeof req);
	return sim_report_make(vm, &req, report);
}

static void request_execute(struct sim_vm *vm)
{
	struct sim_port *port = &vm->port;
	struct snp_report report;
	uint8_t table[SIM_TABLE_BYTES_MAX];
	size_t table_len = 0;
	uint32_t status = report_answer(vm, &report);
	struct wr w = wr_of(port->out, sizeof port->out);

	if (status == FW_SUCCESS &&
		sim_table_write(&vm->m->platform, table, sizeof table, &table_len) < 0)
		table_len = 0; /* too long: an empty table, as many real hosts give */
	wr_le32(&w, status);
	wr_le32(&w, status == FW_SUCCESS ? sizeof report : 0);
	if (status == FW_SUCCESS)
		wr_copy(&w, &report, sizeof report);
	wr_le32(&w, (uint32_t)table_len);
	wr_copy(&w, table, table_len);
	port->n_out = (uint32_t)w.len;
	port->at_out = 0;
	port->state = SIM_STATE_READY;
}

static void control_write(struct sim_vm *vm, uint8_t command)
{
	if (command == SIM_CMD_BEGIN) {
		sim_port_init(&vm->port);
		vm->port.state = SIM_STATE_COLLECTING;
	}
	if (command == SIM_CMD_EXECUTE && vm->port.state == SIM_STATE_COLLECTING)
		request_execute(vm);
}

/* More than a request holds is remembered as too much, not stored. */
static void data_write(struct sim_port *port, uint8_t v)
{
	if (port->state != SIM_STATE_COLLECTING)
		return;
	if (port->n_in < sizeof port->in)
		port->in[port->n_in] = v;
	if (port->n_in <= sizeof port->in)
		port->n_in++;
}

static uint8_t data_read(struct sim_port *port)
{
	return port->state == SIM_STATE_READY && port->at_out < port->n_out
		       ? port->out[port->at_out++]
		       : 0;
}

void sim_port_step(struct sim_vm *vm, struct kvm_run *run)
{
	uint8_t *bytes = (uint8_t *)run + run->io.data_offset;
	bool is_control = run->io.port == SIM_PORT_CONTROL;
	bool is_out = run->io.direction == KVM_EXIT_IO_OUT;

	for (uint32_t i = 0; i < run->io.count; i++) {
		if (is_out && is_control)
			control_write(vm, bytes[i]);
		else if (is_out)
			data_write(&vm->port, bytes[i]);
		else
			bytes[i] = is_control ? vm->port.state : data_read(&vm->port);
	}
}
