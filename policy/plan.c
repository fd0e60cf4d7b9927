#include "policy/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Terminated, zero behind the end, and nothing but printable ASCII in between. */
static bool is_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == size || !is_zero(text + len, size - len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static MUST_USE int text_check(
	const char *what, const char *text, size_t size, bool may_be_empty, struct why *why)
{
	if (!is_text(text, size))
		return why_set(why, -EBADMSG, "plan: %s is not terminated printable text", what);
	if (!may_be_empty && text[0] == 0)
		return why_set(why, -EBADMSG, "plan: %s is missing", what);
	return 0;
}

static MUST_USE int range_check(
	const char *what, uint64_t v, uint64_t min, uint64_t max, struct why *why)
{
	if (v < min || v > max)
		return why_set(why, -EBADMSG, "plan: %s is %llu, want %llu to %llu", what,
			(unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
	return 0;
}

static MUST_USE int disks_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t n = le32_get(plan->n_disks);
	int err = range_check("the number of disks", n, 0, LIMIT_DISKS, why);

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		const struct wire_plan_disk *d = &plan->disks[i];
		uint32_t flags = le32_get(d->flags);
		err = text_check("a disk's id", d->id, sizeof d->id, false, why);
		if (err == 0)
			err = text_check("a disk's path", d->path, sizeof d->path, false, why);
		if (err == 0 && (flags & ~PLAN_DISK_FLAGS_ALL) != 0)
			err = why_set(
				why, -EBADMSG, "plan: disk %s: unknown flags 0x%x", d->id, flags);
		if (err == 0 && flags == (PLAN_DISK_READ_ONLY | PLAN_DISK_DISCARD))
			err = why_set(
				why, -EBADMSG, "plan: disk %s: discard, but read only", d->id);
		if (err == 0 && le32_get(d->zero) != 0)
			err = why_set(why, -EBADMSG, "plan: disk %s: padding is not zero", d->id);
		for (uint32_t j = 0; err == 0 && j < i; j++)
			if (strcmp(plan->disks[j].id, d->id) == 0)
				err = why_set(why, -EBADMSG, "plan: two disks named %s", d->id);
	}
	if (err == 0 && !is_zero(&plan->disks[n], (LIMIT_DISKS - n) * sizeof plan->disks[0]))
		err = why_set(why, -EBADMSG, "plan: unused disk rows are not zero");
	return err;
}

static MUST_USE int ports_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t n = le32_get(plan->n_ports);
	bool has_vsock = (le32_get(plan->flags) & PLAN_VSOCK) != 0;
	int err = range_check("the number of ports", n, 0, has_vsock ? LIMIT_VSOCK_PORTS : 0, why);

	/* Context ids 0 to 2 and all ones are taken (virtio 1.2, 5.10.4). */
	if (err == 0 && has_vsock)
		err = range_check("the vsock id", le64_get(plan->vsock_cid), 3, 0xfffffffe, why);
	if (err == 0 && !has_vsock && le64_get(plan->vsock_cid) != 0)
		err = why_set(why, -EBADMSG, "plan: a vsock id without vsock");
	for (uint32_t i = 0; err == 0 && i < n; i++) {
		const struct wire_plan_port *p = &plan->ports[i];
		err = text_check("a port's socket", p->path, sizeof p->path, false, why);
		if (err == 0)
			err = range_check("a port", le32_get(p->port), 1, 0xfffffffe, why);
		if (err == 0 && le32_get(p->zero) != 0)
			err = why_set(why, -EBADMSG, "plan: a port's padding is not zero");
		for (uint32_t j = 0; err == 0 && j < i; j++)
			if (le32_get(plan->ports[j].port) == le32_get(p->port))
				err = why_set(
					why, -EBADMSG, "plan: port %u twice", le32_get(p->port));
	}
	if (err == 0 && !is_zero(&plan->ports[n], (LIMIT_VSOCK_PORTS - n) * sizeof plan->ports[0]))
		err = why_set(why, -EBADMSG, "plan: unused port rows are not zero");
	return err;
}

/* What only one kind of guest may have. */
static MUST_USE int tee_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t tee = le32_get(plan->tee);
	uint32_t flags = le32_get(plan->flags);

	if (tee != PLAN_TEE_NONE && tee != PLAN_TEE_SNP)
		return why_set(why, -EBADMSG, "plan: guest kind %u", tee);
	if (tee == PLAN_TEE_NONE &&
		((flags & (PLAN_SIMULATED | PLAN_ID_BLOCK)) != 0 ||
			le64_get(plan->guest_policy) != 0 || le64_get(plan->vmsa_features) != 0))
		return why_set(why, -EBADMSG, "plan: a plain guest with SNP values");
	if (tee == PLAN_TEE_SNP && plan->ledger[0] == 0)
		return why_set(why, -EBADMSG, "plan: a protected guest without a ledger");
	if ((flags & PLAN_AUTHOR_KEY) != 0 && (flags & PLAN_ID_BLOCK) == 0)
		return why_set(why, -EBADMSG, "plan: an author key without an ID block");
	if ((flags & PLAN_ID_BLOCK) == 0 && (!is_zero(plan->id_block, sizeof plan->id_block) ||
						    !is_zero(plan->id_auth, sizeof plan->id_auth)))
		return why_set(why, -EBADMSG, "plan: ID block bytes without the flag");
	if ((flags & PLAN_HUGE_2M) != 0 && (flags & PLAN_HUGE_1G) != 0)
		return why_set(why, -EBADMSG, "plan: two sizes of huge pages");
	return 0;
}

static MUST_USE int ledger_check(const struct wire_plan *plan, struct why *why)
{
	bool has_ledger = plan->ledger[0] != 0;

	if (has_ledger != (plan->ledger_key[0] != 0) || has_ledger != (plan->ledger_origin[0] != 0))
		return why_set(why, -EBADMSG,
			"plan: a ledger needs its folder, key and origin, all three or none");
	return 0;
}

static MUST_USE int texts_check(const struct wire_plan *plan, struct why *why)
{
	const struct {
		const char *what;
		const char *text;
		size_t size;
		bool may_be_empty;
	} texts[] = {
		{ "the name", plan->name, sizeof plan->name, false },
		{ "the kernel's path", plan->kernel, sizeof plan->kernel, false },
		{ "the initrd's path", plan->initrd, sizeof plan->initrd, true },
		{ "the command line", plan->cmdline, sizeof plan->cmdline, true },
		{ "the ledger's path", plan->ledger, sizeof plan->ledger, true },
		{ "the ledger key's path", plan->ledger_key, sizeof plan->ledger_key, true },
		{ "the ledger's origin", plan->ledger_origin, sizeof plan->ledger_origin, true },
	};
	int err = 0;

	for (size_t i = 0; err == 0 && i < ARRAY_LEN(texts); i++)
		err = text_check(
			texts[i].what, texts[i].text, texts[i].size, texts[i].may_be_empty, why);
	return err;
}

int plan_check(const struct wire_plan *plan, struct why *why)
{
	uint32_t flags = le32_get(plan->flags);

	if (le32_get(plan->version) != PLAN_VERSION)
		return why_set(why, -EBADMSG, "plan: version %u, want %u", le32_get(plan->version),
			PLAN_VERSION);
	if ((flags & ~PLAN_FLAGS_ALL) != 0)
		return why_set(why, -EBADMSG, "plan: unknown flags 0x%x", flags);
	int err = texts_check(plan, why);
	if (err == 0)
		err = range_check(
			"the number of vCPUs", le32_get(plan->vcpus), 1, LIMIT_VCPUS, why);
	if (err == 0)
		err = range_check("memory in MiB", le64_get(plan->memory_mib), LIMIT_MEMORY_MIB_MIN,
			LIMIT_MEMORY_MIB_MAX, why);
	if (err == 0)
		err = tee_check(plan, why);
	if (err == 0)
		err = disks_check(plan, why);
	if (err == 0)
		err = ports_check(plan, why);
	if (err == 0)
		err = ledger_check(plan, why);
	return err;
}
