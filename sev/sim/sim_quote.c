#include "sev/sim/sim_quote.h"

#include <errno.h>
#include <string.h>

#include "base/wr.h"
#include "sev/sim/sim_td.h"

#define KEY_ECDSA_P256 2u
#define BODY_1_0       2u
#define BODY_1_5       3u
#define BODY_1_0_BYTES 584u
#define BODY_1_5_BYTES 648u
#define CERT_QE_REPORT 6u
#define CERT_CHAIN     5u
#define AUTH_BYTES     32u

static const uint8_t intel_vendor[16] = { 0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94,
	0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06, 0x07 };

/* SGX enclave report body. ATT 6.4. */
struct wire_qe_report {
	uint8_t cpusvn[16];
	le32 miscselect;
	uint8_t zero_a[28];
	uint8_t attributes[16];
	uint8_t mrenclave[32];
	uint8_t zero_b[32];
	uint8_t mrsigner[32];
	uint8_t zero_c[96];
	le16 isvprodid;
	le16 isvsvn;
	uint8_t zero_d[60];
	uint8_t report_data[64];
};
WIRE_SIZE(struct wire_qe_report, 384);
WIRE_AT(struct wire_qe_report, isvprodid, 256);
WIRE_AT(struct wire_qe_report, report_data, 320);

static void header_put(const struct sim_tdx_platform *p, struct wr *w)
{
	wr_le16(w, (uint16_t)p->quote_version);
	wr_le16(w, KEY_ECDSA_P256);
	wr_le32(w, TDX_REPORT_TYPE);
	wr_zero(w, 4);
	wr_copy(w, intel_vendor, sizeof intel_vendor);
	wr_zero(w, 20); /* user data: the enclave's id */
	if (p->quote_version < 5)
		return;
	wr_le16(w, (uint16_t)p->body_type);
	wr_le32(w, p->body_type == BODY_1_5 ? BODY_1_5_BYTES : BODY_1_0_BYTES);
}

/* ATT 6.2: the fields of TDREPORT in another order. */
static void body_put(const struct sim_tdx_platform *p, const struct tdx_report *r, struct wr *w)
{
	wr_copy(w, r->tcb.tee_tcb_svn, sizeof r->tcb.tee_tcb_svn);
	wr_copy(w, r->tcb.mrseam, sizeof r->tcb.mrseam);
	wr_copy(w, r->tcb.mrsignerseam, sizeof r->tcb.mrsignerseam);
	wr_copy(w, &r->tcb.attributes, sizeof r->tcb.attributes);
	wr_copy(w, &r->td.attributes, sizeof r->td.attributes);
	wr_copy(w, &r->td.xfam, sizeof r->td.xfam);
	wr_copy(w, r->td.mrtd, sizeof r->td.mrtd);
	wr_copy(w, r->td.mrconfigid, sizeof r->td.mrconfigid);
	wr_copy(w, r->td.mrowner, sizeof r->td.mrowner);
	wr_copy(w, r->td.mrownerconfig, sizeof r->td.mrownerconfig);
	wr_copy(w, r->td.rtmr, sizeof r->td.rtmr);
	wr_copy(w, r->mac.report_data, sizeof r->mac.report_data);
	if (p->body_type != BODY_1_5)
		return;
	wr_copy(w, r->tcb.rest, 16); /* TEE_TCB_SVN2 */
	wr_copy(w, r->td.servtd_hash, sizeof r->td.servtd_hash);
}

/* The QE's report says whose the attestation key is; the PCK key signs it. ATT 6.3, 6.4. */
static MUST_USE int certification_put(const struct sim_tdx_platform *p,
	const struct sim_tdx_crypto *c, const uint8_t key[SIM_TDX_KEY_XY], struct wr *w)
{
	struct wire_qe_report qe = {
		.attributes = { SIM_QE_ATTRIBUTES },
		.isvprodid = le16_of(SIM_QE_PRODUCT),
		.isvsvn = le16_of(p->qe_isvsvn),
	};
	uint8_t auth[AUTH_BYTES], signature[SIM_TDX_SIG_BYTES];
	const struct sim_tdx_bytes *chain = &p->blob[SIM_TDX_CHAIN];

	for (uint8_t i = 0; i < sizeof auth; i++)
		auth[i] = i;
	memcpy(qe.cpusvn, p->cpusvn, sizeof qe.cpusvn);
	memset(qe.mrsigner, SIM_QE_MRSIGNER_BYTE, sizeof qe.mrsigner);
	memset(qe.mrenclave, 0xE5, sizeof qe.mrenclave);
	sim_tdx_sha256(c, key, SIM_TDX_KEY_XY, auth, sizeof auth, qe.report_data);
	int err = sim_tdx_sign(c->pck, &qe, sizeof qe, signature);
	if (err < 0)
		return err;
	wr_le16(w, CERT_QE_REPORT);
	wr_le32(w, (uint32_t)(sizeof qe + sizeof signature + 2 + sizeof auth + 6 + chain->len));
	wr_copy(w, &qe, sizeof qe);
	wr_copy(w, signature, sizeof signature);
	wr_le16(w, sizeof auth);
	wr_copy(w, auth, sizeof auth);
	wr_le16(w, CERT_CHAIN);
	wr_le32(w, (uint32_t)chain->len);
	wr_copy(w, chain->p, chain->len);
	return 0;
}

int sim_quote_make(const struct sim_tdx_platform *p, const struct sim_tdx_crypto *c,
	const struct tdx_report *report, uint8_t *buf, size_t size, size_t *ret_len)
{
	static const size_t fixed = SIM_TDX_SIG_BYTES + SIM_TDX_KEY_XY + 6 +
				    sizeof(struct wire_qe_report) + SIM_TDX_SIG_BYTES + 2 +
				    AUTH_BYTES + 6;
	uint8_t key[SIM_TDX_KEY_XY], signature[SIM_TDX_SIG_BYTES];
	struct wr w = wr_of(buf, size);

	if (!sim_td_is_report(p, c, report))
		return -EKEYREJECTED;
	header_put(p, &w);
	body_put(p, report, &w);
	if (wr_check(&w) < 0)
		return -EMSGSIZE;
	int err = sim_tdx_public(c->ak, key);
	if (err == 0)
		err = sim_tdx_sign(c->ak, buf, w.len, signature);
	if (err < 0)
		return err;
	wr_le32(&w, (uint32_t)(fixed + p->blob[SIM_TDX_CHAIN].len));
	wr_copy(&w, signature, sizeof signature);
	wr_copy(&w, key, sizeof key);
	err = certification_put(p, c, key, &w);
	if (err == 0)
		err = wr_check(&w);
	if (err == 0)
		*ret_len = w.len;
	return err;
}
