#include "sev/sim/sim_port.h"

#include <string.h>

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

static void control_write(struct sim_vm *vm, uint8_t command)
{
	if (command == SIM_CMD_BEGIN) {
		sim_port_init(&vm->port);
		vm->port.state = SIM_STATE_COLLECTING;
	}
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
