/* The monitor's second way in: the thread of a vCPU, at one of its calls of KVM_RUN. */
#include <stdatomic.h>

#include "sev/fw.h"
#include "tests/lab/escape/payload.h"

__typeof__(fw_run) __real_fw_run, __wrap_fw_run;

int __wrap_fw_run(int vcpu_fd)
{
	static atomic_uint turns;

	if (order.when == WHEN_VCPU && atomic_fetch_add(&turns, 1) >= order.loop_turn)
		payload_taken_over(WHEN_VCPU);
	return __real_fw_run(vcpu_fd);
}
