#include "tests/lab/escape/lie.h"

#include "base/cdefs.h"

static void nothing(void) {}

const struct lie lies[] = {
	{ "nothing", nothing },
};
const size_t n_lies = ARRAY_LEN(lies);
