#include "sev/sim/sim_fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sev/fw_error.h"

#define SIM_COMMAND_NAME(name) [SIM_##name] = #name,
static const char *const command_names[SIM_COMMAND_COUNT] = { SIM_COMMAND(SIM_COMMAND_NAME) };
#undef SIM_COMMAND_NAME

#define STATUS_MAX 0x3Fu /* the last code there is: ABI 2.2 */
#define ERRNO_MAX  133

static uint32_t command_find(const char *name)
{
	uint32_t i = 0;

	while (i < SIM_COMMAND_COUNT && strcmp(command_names[i], name) != 0)
		i++;
	return i;
}

/* Zero for the name of none. */
static uint32_t errno_find(const char *name)
{
	for (int e = 1; e <= ERRNO_MAX; e++) {
		const char *have = strerrorname_np(e);
		if (have != NULL && strcmp(have, name) == 0)
			return SIM_FAULT_ERRNO | (uint32_t)e;
	}
	return 0;
}

static uint32_t status_find(uint32_t command, const char *name)
{
	char *end = NULL;
	uint32_t err = errno_find(name);

	if (err != 0 || command < SIM_INIT2) /* those of the seam know no firmware status */
		return err;

	for (uint32_t code = 1; code <= STATUS_MAX; code++)
		if (strcmp(fw_error_name(code), name) == 0)
			return code;
	unsigned long code = strtoul(name, &end, 0);
	return *end == 0 && code <= STATUS_MAX ? (uint32_t)code : 0;
}

int sim_fault_parse(const char *text, struct sim_fault *ret, struct why *why)
{
	char command[32] = "";
	char status[32] = "";
	unsigned int nth = 0;
	int used = 0;

	(void)sscanf(text, "%31s %u %31s%n", command, &nth, status, &used);
	struct sim_fault f = { command_find(command), nth, 0 };
	f.status = status_find(f.command, status);
	if (used == 0 || text[used] != 0 || f.command == SIM_COMMAND_COUNT || f.nth == 0 ||
		f.status == 0)
		return why_set(why, -EINVAL,
			"fault '%s': want COMMAND N STATUS, as SNP_LAUNCH_UPDATE 3 "
			"INVALID_PAGE_STATE or IOCTL 7 EIO",
			text);
	*ret = f;
	return 0;
}

uint32_t sim_script_step(struct sim_script *s, enum sim_command command)
{
	s->seen[command]++;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->fault[i].command == (uint32_t)command && s->fault[i].nth == s->seen[command])
			return s->fault[i].status;
	return 0;
}
