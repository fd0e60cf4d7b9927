/* Reaches sim_tdx_platform_record() with every tag, _check() and _print() of what was accepted. */
#include <stdlib.h>
#include <string.h>

#include "sev/sim/sim_tdx_platform.h"
#include "tests/fuzz/fuzz.h"

static int records_read(struct sim_tdx_platform *ret, const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);

	*ret = (struct sim_tdx_platform){ 0 };
	while (rd_check(&r) == 0 && r.left > 0) {
		uint32_t tag = rd_le32(&r);
		uint32_t len = rd_le32(&r);
		struct rd body = rd_sub(&r, len);
		sim_tdx_platform_record(ret, tag, len, &body);
		if (rd_end(&body) < 0)
			rd_fail(&r);
	}
	int err = rd_end(&r);
	return err == 0 ? sim_tdx_platform_check(ret, NULL) : err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[65536];
	static struct sim_tdx_platform p, again;
	struct wr w = wr_of(out, sizeof out);

	if (size > sizeof out || records_read(&p, data, size) < 0)
		return 0;
	/* What was read can be written, in the order of tags, and reads the same. */
	sim_tdx_platform_print(&p, &w);
	if (wr_check(&w) < 0 || w.len != size || records_read(&again, out, w.len) < 0 ||
		again.script.n != p.script.n || again.xfam != p.xfam || again.keys != p.keys ||
		memcmp(again.report_key, p.report_key, sizeof p.report_key) != 0)
		abort();
	return 0;
}
