#include "tests/sim/tdx_judge.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/evidence.h"

static const char *row(const struct verdict *v, enum verdict_row_id id)
{
	return verdict_status_name(v->rows[id].status);
}

struct tdx_judgement tdx_judge(const struct sim_tdx_minted *m, const uint8_t *quote, size_t len,
	const uint8_t report_data[64], const uint8_t mrtd[48])
{
	static struct verdict v;
	uint8_t digest[1][48];
	struct attest_blob blobs[SIM_TDX_FILE_COUNT];
	struct attest_inputs in = {
		.evidence = { quote, len },
		.roots = &blobs[SIM_TDX_FILE_ROOT],
		.n_roots = 1,
		.collateral = &blobs[SIM_TDX_FILE_ROOT + 1],
		.n_collateral = SIM_TDX_FILE_COUNT - 1,
		.report_data = report_data,
		.report_data_len = 64,
		.digests = (const uint8_t(*)[48])digest,
		.n_digests = 1,
		.at = time(NULL),
	};

	memcpy(digest[0], mrtd, sizeof digest[0]);
	for (size_t i = 0; i < SIM_TDX_FILE_COUNT; i++)
		blobs[i] = (struct attest_blob){ m->file[i].bytes, m->file[i].len };
	if (attest_verify(&in, &v, NULL) < 0)
		return (struct tdx_judgement){ .overall = "no verdict", .trust = "no verdict" };
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (v.rows[i].status > VERDICT_AFFIRMING)
			printf("# %s: %s\n", verdict_row_name((enum verdict_row_id)i),
				v.rows[i].why);
	return (struct tdx_judgement){
		.overall = verdict_status_name(v.overall),
		.trust = trust_class_name(v.trust),
		.signature = row(&v, ROW_SIGNATURE),
		.chain = row(&v, ROW_CHAIN),
		.revocation = row(&v, ROW_REVOCATION),
		.tcb = row(&v, ROW_TCB),
		.qe = row(&v, ROW_QE),
		.module = row(&v, ROW_MODULE),
		.collateral = row(&v, ROW_COLLATERAL),
		.measurement = row(&v, ROW_MEASUREMENT),
		.report_data = row(&v, ROW_REPORT_DATA),
	};
}
