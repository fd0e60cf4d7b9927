#include "attest/agent/agent_prove.h"

#include <errno.h>
#include <string.h>

#include "attest/broker/kbs_bind.h"
#include "attest/broker/kbs_jwe.h"
#include "base/log.h"

int agent_prove_find(
	struct agent_prove *p, const char *root, const struct agent_settings *s, struct why *why)
{
	int err = ev_open(root != NULL ? root : "/", s->evidence[0] != '\0' ? s->evidence : NULL,
		&p->ev, why);

	if (err == 0)
		log_info("evidence: %s, from %s", ev_kind_name(p->ev.kind), p->ev.source->name);
	return err;
}

static MUST_USE int challenge(
	struct agent_prove *p, const struct agent_settings *s, struct why *why)
{
	int err = agent_kbs_challenge(p->kbs, p->ev.kind, p->nonce, why);

	if (err == 0)
		log_info("challenge: a nonce from %s", s->broker.host);
	return err;
}

int agent_prove_challenge(struct agent_prove *p, const struct agent_settings *s, const uint8_t *ca,
	size_t ca_len, struct why *why)
{
	int err = agent_kbs_open(&s->broker, ca, ca_len, &p->kbs, why);

	return err < 0 ? err : challenge(p, s, why);
}

static void keys_free(struct agent_prove *p)
{
	json_decref(p->private_key);
	json_decref(p->public_key);
	p->private_key = p->public_key = NULL;
}

int agent_prove_report(struct agent_prove *p, const struct agent_settings *s, struct why *why)
{
	uint8_t report_data[KBS_REPORT_DATA_BYTES];

	keys_free(p);
	int err = kbs_key_make(s->key_kind, &p->private_key, &p->public_key, why);
	if (err == 0)
		err = kbs_bind_report_data(p->nonce, p->public_key, report_data);
	if (err == 0)
		err = ev_get(&p->ev, report_data, &p->evidence, why);
	if (err == 0)
		log_info("report: made for this nonce and a fresh key, %zu bytes of certificates",
			p->evidence.table_len);
	return err;
}

int agent_prove_send(struct agent_prove *p, struct why *why)
{
	int err = agent_kbs_prove(p->kbs, p->nonce, p->public_key, &p->evidence, why);

	if (err == 0)
		log_info("proof: the broker's verdict is affirming");
	return err;
}

int agent_prove_fetch(struct agent_prove *p, const struct agent_settings *s, struct why *why)
{
	int err = agent_kbs_fetch(p->kbs, s->key, p->private_key, &p->key, why);

	if (err == -EACCES && agent_kbs_is_unproven(p->kbs)) {
		log_info("key: the broker forgot the proof (%s); once more", why_text(why, err));
		why_clear(why);
		err = challenge(p, s, why);
		if (err == 0)
			err = agent_prove_report(p, s, why);
		if (err == 0)
			err = agent_prove_send(p, why);
		if (err == 0)
			err = agent_kbs_fetch(p->kbs, s->key, p->private_key, &p->key, why);
	}
	if (err == 0)
		log_info("key: %s released to this guest", s->key);
	return err;
}

void agent_prove_done(struct agent_prove *p)
{
	secret_done(&p->key);
	keys_free(p);
	agent_kbs_close(p->kbs);
	p->kbs = NULL;
	ev_close(&p->ev);
}
