#include "attest/tdx_tcb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const status_names[TDX_TCB_STATUS_COUNT] = {
#define STATUS_NAME(id, name) [TDX_TCB_##id] = name,
	TDX_TCB_STATUSES(STATUS_NAME)
#undef STATUS_NAME
};

const char *tdx_tcb_status_name(enum tdx_tcb_status s)
{
	return s < TDX_TCB_STATUS_COUNT ? status_names[s] : "?";
}

/* --- one level -------------------------------------------------------------------------------- */

static MUST_USE int status_read(const json_t *level, enum tdx_tcb_status *ret)
{
	const char *name = json_string_value(json_object_get(level, "tcbStatus"));

	for (enum tdx_tcb_status s = 0; name != NULL && s <= TDX_TCB_REVOKED; s++)
		if (strcmp(status_names[s], name) == 0) {
			*ret = s;
			return 0;
		}
	return -EBADMSG;
}

static MUST_USE int advisory_add(struct tdx_tcb *t, const char *id)
{
	for (size_t i = 0; i < t->n_advisories; i++)
		if (strcmp(t->advisories[i], id) == 0)
			return 0;
	if (t->n_advisories == LIMIT_TDX_ADVISORIES)
		return -EMSGSIZE;
	t->advisories[t->n_advisories++] = id;
	return 0;
}

/* The level that was chosen: its status, and its date and advisories into t (step 12). */
static MUST_USE int level_take(const json_t *level, struct tdx_tcb *t, enum tdx_tcb_status *ret)
{
	const json_t *ids = json_object_get(level, "advisoryIDs");
	time_t date = 0;
	int err = status_read(level, ret);

	if (err < 0 || !tdx_json_time(level, "tcbDate", &date) ||
		(ids != NULL && !json_is_array(ids)))
		return -EBADMSG;
	if (t->date == 0 || date < t->date)
		t->date = date;
	for (size_t i = 0; i < json_array_size(ids) && err == 0; i++) {
		const char *id = json_string_value(json_array_get(ids, i));
		err = id == NULL ? -EBADMSG : advisory_add(t, id);
	}
	return err;
}

/* Levels of an enclave or a module: the first that is not above svn (steps 7 and 10). */
static MUST_USE int isvsvn_take(
	const json_t *owner, uint32_t svn, struct tdx_tcb *t, enum tdx_tcb_status *ret)
{
	const json_t *levels = json_object_get(owner, "tcbLevels");

	for (size_t i = 0; i < json_array_size(levels); i++) {
		const json_t *level = json_array_get(levels, i);
		uint32_t least = 0;
		if (!tdx_json_number(json_object_get(level, "tcb"), "isvsvn", UINT16_MAX, &least))
			return -EBADMSG;
		if (svn >= least)
			return level_take(level, t, ret);
	}
	*ret = TDX_TCB_NOT_SUPPORTED;
	return json_is_array(levels) ? 0 : -EBADMSG;
}

/* --- platform (step 9) ------------------------------------------------------------------------ */

#define COMPONENTS 16u

static MUST_USE int components_read(const json_t *tcb, const char *name, uint32_t ret[COMPONENTS])
{
	const json_t *a = json_object_get(tcb, name);

	if (json_array_size(a) != COMPONENTS)
		return -EBADMSG;
	for (size_t i = 0; i < COMPONENTS; i++)
		if (!tdx_json_number(json_array_get(a, i), "svn", UINT16_MAX, &ret[i]))
			return -EBADMSG;
	return 0;
}

static MUST_USE int level_reached(
	const json_t *level, const struct tdx_pck *pck, const uint8_t svn[COMPONENTS], bool *ret)
{
	const json_t *tcb = json_object_get(level, "tcb");
	uint32_t sgx[COMPONENTS], tdx[COMPONENTS], pcesvn = 0;
	int err = components_read(tcb, "sgxtcbcomponents", sgx);

	if (err == 0)
		err = components_read(tcb, "tdxtcbcomponents", tdx);
	if (err < 0 || !tdx_json_number(tcb, "pcesvn", UINT16_MAX, &pcesvn))
		return -EBADMSG;
	/* The first two of a module that has an identity are the identity's matter. */
	size_t from = svn[1] > 0 ? 2 : 0;
	*ret = pck->pcesvn >= pcesvn;
	for (size_t i = 0; i < COMPONENTS; i++)
		*ret = *ret && pck->svn[i] >= sgx[i] && (i < from || svn[i] >= tdx[i]);
	return 0;
}

static MUST_USE int platform_take(const json_t *info, const struct tdx_pck *pck,
	const uint8_t svn[COMPONENTS], struct tdx_tcb *t, enum tdx_tcb_status *ret)
{
	const json_t *levels = json_object_get(info, "tcbLevels");

	for (size_t i = 0; i < json_array_size(levels); i++) {
		bool is_reached = false;
		int err = level_reached(json_array_get(levels, i), pck, svn, &is_reached);
		if (err < 0 || is_reached)
			return err < 0 ? err : level_take(json_array_get(levels, i), t, ret);
	}
	*ret = TDX_TCB_NOT_SUPPORTED;
	return json_is_array(levels) ? 0 : -EBADMSG;
}

/* --- module (steps 6 and 10) ------------------------------------------------------------------ */

static const json_t *module_find(const json_t *info, const char *id)
{
	const json_t *all = json_object_get(info, "tdxModuleIdentities");

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *m = json_array_get(all, i);
		const char *name = json_string_value(json_object_get(m, "id"));
		if (name != NULL && strcasecmp(name, id) == 0)
			return m;
	}
	return NULL;
}

static bool masked_is(const uint8_t *value, const uint8_t *mask, const uint8_t *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((value[i] & mask[i]) != want[i])
			return false;
	return true;
}

/* Signer and attributes of the module against its row; why is filled when they differ. */
static MUST_USE int module_check(
	const json_t *m, const struct tdx_quote *q, bool is_1_0, struct why *why)
{
	uint8_t signer[48], want[8], mask[8];

	if (!tdx_json_hex(m, "mrsigner", signer, sizeof signer) ||
		!tdx_json_hex(m, "attributes", want, sizeof want) ||
		!tdx_json_hex(m, "attributesMask", mask, sizeof mask))
		return -EBADMSG;
	if (!is_1_0)
		memset(mask, 0xFF, sizeof mask);
	if (memcmp(signer, q->body.mrsignerseam, sizeof signer) != 0)
		(void)why_set(why, 0, "MRSIGNERSEAM is not the signer that the TCB info names");
	else if (!masked_is(q->body.seam_attributes.b, mask, want, sizeof want))
		(void)why_set(why, 0, "SEAMATTRIBUTES are not those that the TCB info names");
	return 0;
}

static MUST_USE int module_take(const json_t *info, const struct tdx_quote *q,
	const uint8_t svn[COMPONENTS], struct tdx_tcb *t, enum tdx_tcb_status *ret)
{
	bool is_1_0 = svn[1] == 0;
	char id[sizeof t->module_id] = "";

	if (!is_1_0)
		(void)snprintf(id, sizeof id, "TDX_%02X", svn[1]);
	const json_t *m = is_1_0 ? json_object_get(info, "tdxModule") : module_find(info, id);
	if (m == NULL && is_1_0)
		return -EBADMSG;
	memcpy(t->module_id, id, sizeof id);
	*ret = TDX_TCB_UP_TO_DATE;
	int err = 0;
	if (m == NULL)
		(void)why_set(&t->module_why, 0, "the TCB info has no module identity '%s'", id);
	else
		err = module_check(m, q, is_1_0, &t->module_why);
	if (err == 0 && t->module_why.text[0] != '\0')
		*ret = TDX_TCB_MODULE_MISMATCH;
	else if (err == 0 && !is_1_0)
		err = isvsvn_take(m, svn[0], t, ret);
	return err;
}

/* --- quoting enclave (step 7) ----------------------------------------------------------------- */

static MUST_USE int qe_take(const json_t *identity, const struct tdx_qe_report *qe,
	struct tdx_tcb *t, enum tdx_tcb_status *ret)
{
	uint8_t misc[4], misc_mask[4], attributes[16], attributes_mask[16], signer[32];
	uint32_t product = 0;
	const char *what = NULL;

	if (!tdx_json_hex(identity, "miscselect", misc, sizeof misc) ||
		!tdx_json_hex(identity, "miscselectMask", misc_mask, sizeof misc_mask) ||
		!tdx_json_hex(identity, "attributes", attributes, sizeof attributes) ||
		!tdx_json_hex(
			identity, "attributesMask", attributes_mask, sizeof attributes_mask) ||
		!tdx_json_hex(identity, "mrsigner", signer, sizeof signer) ||
		!tdx_json_number(identity, "isvprodid", UINT16_MAX, &product))
		return -EBADMSG;
	if (!masked_is(qe->miscselect.b, misc_mask, misc, sizeof misc))
		what = "MISCSELECT";
	else if (!masked_is(qe->attributes, attributes_mask, attributes, sizeof attributes))
		what = "ATTRIBUTES";
	else if (memcmp(qe->mrsigner, signer, sizeof signer) != 0)
		what = "MRSIGNER";
	else if (le16_get(qe->isvprodid) != product)
		what = "ISVPRODID";
	if (what == NULL)
		return isvsvn_take(identity, le16_get(qe->isvsvn), t, ret);
	(void)why_set(&t->qe_why, 0,
		"the quoting enclave's %s is not the QE identity's: another enclave made the quote",
		what);
	*ret = TDX_TCB_QE_MISMATCH;
	return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What an enclave's or module's status makes of the platform's (step 11). */
static enum tdx_tcb_status converge(enum tdx_tcb_status p, enum tdx_tcb_status other)
{
	if (other == TDX_TCB_OUT_OF_DATE && p <= TDX_TCB_SW_HARDENING_NEEDED)
		return TDX_TCB_OUT_OF_DATE;
	if (other == TDX_TCB_OUT_OF_DATE &&
		(p == TDX_TCB_CONFIGURATION_NEEDED ||
			p == TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED))
		return TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
	return MAX(p, other); /* Revoked, and what a document should not say of an enclave */
}

/* Steps 6 and 9 to 11 for one set of SVNs; parts: platform and module, may be NULL. */
static MUST_USE int svn_take(const json_t *info, const struct tdx_pck *pck,
	const struct tdx_quote *q, const uint8_t svn[COMPONENTS], struct tdx_tcb *t,
	enum tdx_tcb_status *ret)
{
	int err = platform_take(info, pck, svn, t, &t->platform);

	if (err == 0)
		err = module_take(info, q, svn, t, &t->module);
	*ret = converge(converge(t->platform, t->module), t->qe);
	return err;
}

/* Step 13: the module was updated under the TD. */
static enum tdx_tcb_status relaunch(enum tdx_tcb_status launched, enum tdx_tcb_status current)
{
	bool is_old = launched == TDX_TCB_OUT_OF_DATE ||
		      launched == TDX_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;

	if (!is_old || current > TDX_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED)
		return MAX(launched, current);
	return launched == TDX_TCB_OUT_OF_DATE && current < TDX_TCB_CONFIGURATION_NEEDED
		       ? TDX_TCB_TD_RELAUNCH_ADVISED
		       : TDX_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
}

static int advisory_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int tdx_tcb_evaluate(const struct tdx_doc *tcb_info, const struct tdx_doc *qe_identity,
	const struct tdx_pck *pck, const struct tdx_quote *q, struct tdx_tcb *ret, struct why *why)
{
	struct tdx_tcb t = { .eval_number = MIN(tcb_info->eval_number, qe_identity->eval_number) };
	int err = qe_take(qe_identity->json, q->qe, &t, &t.qe);

	if (err < 0)
		return why_set(why, err, "QE identity: malformed, or too many advisories");
	t.has_current = q->body_type >= TDX_BODY_1_5;
	if (t.has_current)
		err = svn_take(tcb_info->json, pck, q, q->body.tee_tcb_svn2, &t, &t.current);
	if (err == 0)
		err = svn_take(tcb_info->json, pck, q, q->body.tee_tcb_svn, &t, &t.launched);
	if (err < 0)
		return why_set(why, err, "TCB info: malformed, or too many advisories");
	t.status = t.has_current ? relaunch(t.launched, t.current) : t.launched;
	qsort(t.advisories, t.n_advisories, sizeof t.advisories[0], advisory_cmp);
	*ret = t;
	return 0;
}

void tdx_tcb_print_advisories(const struct tdx_tcb *t, char *ret, size_t size)
{
	size_t n = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < t->n_advisories && n < size - 1; i++)
		n += (size_t)snprintf(
			ret + n, size - n, "%s%s", i > 0 ? "," : "", t->advisories[i]);
}
