#include "attest/broker/broker_reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "attest/broker/kbs_json.h"
#include "base/wr.h"

#define ERROR_PREFIX "https://github.com/confidential-containers/kbs/errors/"
#define METRICS_MAX  4096u

static const struct {
	int status;
	const char *kind; /* the protocol's error type ends with it */
} refusals[REFUSAL_COUNT] = {
	[NO_PATH] = { 404, "InvalidRequestPath" },
	[NO_REQUEST] = { 400, "InvalidRequest" },
	[NO_VERSION] = { 400, "ProtocolVersion" },
	[NO_TEE] = { 400, "UnsupportedTee" },
	[NO_TOKEN] = { 401, "TokenNotFound" },
	[NO_SESSION] = { 401, "UnAuthenticatedCookie" },
	[NO_PROOF] = { 401, "AttestationFailed" },
	[NO_PERMISSION] = { 403, "PolicyDeny" },
	[NO_RESOURCE] = { 404, "ResourceNotFound" },
	[NO_ROOM] = { 503, "TooManySessions" },
	[NO_LEDGER] = { 503, "LedgerUnavailable" },
	[NO_STORE] = { 503, "StoreBusy" },
	[NO_LUCK] = { 500, "InternalError" },
	[NO_HURRY] = { 429, "TooManyRequests" },
};

void reply_json(struct broker_reply *r, json_t *j)
{
	r->status = 200;
	if (j == NULL || kbs_json_print(j, &r->body) < 0)
		r->body = NULL;
	json_decref(j);
}

void reply_refuse(struct broker_reply *r, enum refusal no, const struct why *why)
{
	char type[128];

	(void)snprintf(type, sizeof type, ERROR_PREFIX "%s", refusals[no].kind);
	reply_json(r, json_pack("{s:s,s:s}", "type", type, "detail", why != NULL ? why->text : ""));
	r->status = refusals[no].status;
}

enum refusal refusal_of(int err)
{
	switch (err) {
	case -EACCES:
		return NO_PERMISSION;
	case -EBADMSG:
	case -EMSGSIZE:
	case -EPROTONOSUPPORT:
	case -EINVAL:
	case -E2BIG:
	case -ERANGE:
		return NO_REQUEST;
	case -ENOENT:
		return NO_RESOURCE;
	case -EPIPE:
		return NO_LEDGER;
	case -EAGAIN:
		return NO_STORE;
	default:
		return NO_LUCK;
	}
}

static const char *const names[METRIC_COUNT][2] = {
	[METRIC_CHALLENGES] = { "challenges", "Sessions begun" },
	[METRIC_PROVEN] = { "proven", "Evidence that proved a guest" },
	[METRIC_REFUSED] = { "refused", "Evidence that was refused" },
	[METRIC_RELEASED] = { "released", "Secrets released" },
	[METRIC_NOT_RELEASED] = { "not_released", "Secrets asked for and not released" },
	[METRIC_LIMITED] = { "limited", "Requests beyond a rate" },
	[METRIC_ADMIN] = { "admin_requests", "Requests of administrators" },
	[METRIC_CONNECTIONS] = { "connections", "Connections accepted" },
	[METRIC_RELOADS] = { "reloads", "Configurations taken over while running" },
	[METRIC_RELOADS_FAILED] = { "reloads_failed", "Configurations that could not be" },
};

int metrics_print(const struct metrics *m, unsigned int sessions, char **ret)
{
	char *text = calloc(1, METRICS_MAX);
	struct wr w = wr_of(text, text != NULL ? METRICS_MAX : 0);

	for (size_t i = 0; i < METRIC_COUNT; i++)
		wr_printf(&w,
			"# HELP casemate_broker_%s_total %s.\n# TYPE casemate_broker_%s_total "
			"counter\ncasemate_broker_%s_total %llu\n",
			names[i][0], names[i][1], names[i][0], names[i][0],
			(unsigned long long)m->n[i]);
	wr_str(&w, "# HELP casemate_broker_replies_total Replies by status.\n"
		   "# TYPE casemate_broker_replies_total counter\n");
	for (size_t i = 2; i < ARRAY_LEN(m->statuses); i++)
		wr_printf(&w, "casemate_broker_replies_total{status=\"%zuxx\"} %llu\n", i,
			(unsigned long long)m->statuses[i]);
	wr_printf(&w,
		"# HELP casemate_broker_sessions Sessions now.\n# TYPE casemate_broker_sessions "
		"gauge\ncasemate_broker_sessions %u\n",
		sessions);
	if (wr_end_str(&w) < 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}
