#include "base/cpu_model.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* attestation.md, 4.5. */
static const struct {
	const char *model;
	uint8_t family, number, stepping;
} models[] = {
	{ "EPYC", 23, 1, 2 },
	{ "EPYC-IBPB", 23, 1, 2 },
	{ "EPYC-Rome", 23, 49, 0 },
	{ "EPYC-Milan", 25, 1, 1 },
	{ "EPYC-Genoa", 25, 17, 0 },
	{ "EPYC-Turin", 26, 0, 0 },
};

/* CPUID Fn0000_0001_EAX: extended family and model beside base family, model, stepping. */
static uint32_t cpu_signature(uint32_t family, uint32_t model, uint32_t stepping)
{
	uint32_t base = family > 0xF ? 0xF : family;

	return (family - base) << 20 | (model >> 4) << 16 | base << 8 | (model & 0xF) << 4 |
	       stepping;
}

/* A model, or a version of it: "EPYC-Milan", "EPYC-Milan-v2". */
static bool is_model(const char *name, const char *model)
{
	size_t len = strlen(model);

	if (strncmp(name, model, len) != 0)
		return false;
	name += len;
	return name[0] == '\0' || (name[0] == '-' && name[1] == 'v' && name[2] >= '1' &&
					  name[2] <= '9' && name[3] == '\0');
}

int cpu_model_parse(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(models); i++)
		if (is_model(name, models[i].model)) {
			*ret = cpu_signature(
				models[i].family, models[i].number, models[i].stepping);
			return 0;
		}
	return -EINVAL;
}

const char *cpu_model_at(unsigned int n)
{
	return n < ARRAY_LEN(models) ? models[n].model : NULL;
}
