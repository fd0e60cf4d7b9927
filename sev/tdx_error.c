#include "sev/tdx_error.h"

#include <stdio.h>

#include "base/cdefs.h"
#include "sev/abi_tdx.h"

static const struct {
	uint64_t status;
	const char *name;
	const char *usual;
} statuses[] = {
	{ ABI_TDX_OPERAND_INVALID, "TDX_OPERAND_INVALID", "a value this module does not allow" },
	{ ABI_TDX_OPERAND_BUSY, "TDX_OPERAND_BUSY", "another command holds it; launch again" },
	{ ABI_TDX_RND_NO_ENTROPY, "TDX_RND_NO_ENTROPY",
		"the processor's random numbers are exhausted for the moment; launch again" },
	{ ABI_TDX_OP_STATE_INCORRECT, "TDX_OP_STATE_INCORRECT", "a launch command out of order" },
	{ ABI_TDX_NO_VCPUS, "TDX_NO_VCPUS", "no vCPU was initialised before the end" },
	{ ABI_TDX_EPT_ENTRY_STATE_INCORRECT, "TDX_EPT_ENTRY_STATE_INCORRECT",
		"the page was added already" },
};

static const struct {
	uint32_t id;
	const char *name;
} operands[] = {
	{ ABI_TDX_OPERAND_ATTRIBUTES, "ATTRIBUTES" },
	{ ABI_TDX_OPERAND_XFAM, "XFAM" },
	{ ABI_TDX_OPERAND_EXEC_CONTROLS, "EXEC_CONTROLS" },
	{ ABI_TDX_OPERAND_EPTP, "EPTP_CONTROLS" },
	{ ABI_TDX_OPERAND_MAX_VCPUS, "MAX_VCPUS" },
	{ ABI_TDX_OPERAND_CPUID_CONFIG, "CPUID_CONFIG" },
	{ ABI_TDX_OPERAND_TSC_FREQUENCY, "TSC_FREQUENCY" },
	{ ABI_TDX_OPERAND_NUM_L2_VMS, "NUM_L2_VMS" },
};

static const char *operand_name(uint64_t word)
{
	if ((word & ABI_TDX_STATUS_MASK) == ABI_TDX_OPERAND_INVALID)
		for (size_t i = 0; i < ARRAY_LEN(operands); i++)
			if (operands[i].id == (uint32_t)word)
				return operands[i].name;
	return "";
}

void tdx_error_print(uint64_t word, char ret[TDX_ERROR_TEXT_BYTES])
{
	const char *operand = operand_name(word);
	size_t i = 0;

	while (i < ARRAY_LEN(statuses) && statuses[i].status != (word & ABI_TDX_STATUS_MASK))
		i++;
	(void)snprintf(ret, TDX_ERROR_TEXT_BYTES, "%s%s%s (0x%016llx)%s%s",
		i < ARRAY_LEN(statuses) ? statuses[i].name : "a status unknown here",
		operand[0] != 0 ? " of " : "", operand, (unsigned long long)word,
		i < ARRAY_LEN(statuses) ? "; usually: " : "",
		i < ARRAY_LEN(statuses) ? statuses[i].usual : "");
}
