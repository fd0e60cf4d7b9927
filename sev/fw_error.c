#include "sev/fw_error.h"

#include <stddef.h>

#include "base/cdefs.h"

#define FW_ERROR_NAME(code, name) [code] = #name,
static const char *const names[] = { FW_ERROR(FW_ERROR_NAME) };
#undef FW_ERROR_NAME

const char *fw_error_name(uint32_t code)
{
	return code < ARRAY_LEN(names) && names[code] != NULL ? names[code] : "unknown";
}
