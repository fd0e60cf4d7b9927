#include "attest/what_changed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu_model.h"

static const struct {
	const char *key, *name;
} inputs[CHANGED_INPUT_COUNT] = {
	[CHANGED_KERNEL] = { "kernel", "kernel" },
	[CHANGED_INITRD] = { "initrd", "initrd" },
	[CHANGED_CMDLINE] = { "cmdline", "command line" },
	[CHANGED_VCPUS] = { "vcpus", "number of vCPUs" },
	[CHANGED_MEMORY] = { "memory_mib", "memory size" },
	[CHANGED_FEATURES] = { "vmsa_features", "VMSA features" },
	[CHANGED_FIRMWARE] = { "firmware", "firmware" },
	[CHANGED_CPU] = { "cpu", "CPU model" },
	[CHANGED_VMM] = { "vmm", "VMM" },
};

#define BIT(input) (1u << CHANGED_##input)
#define BOOTED     (BIT(KERNEL) | BIT(INITRD) | BIT(CMDLINE))

/* Which inputs each kind's digest depends on. */
static const uint32_t matters[LAUNCH_KIND_COUNT] = {
	[LAUNCH_SNP_DIRECT] = BOOTED | BIT(VCPUS) | BIT(MEMORY) | BIT(FEATURES),
	[LAUNCH_SNP] = BOOTED | BIT(VCPUS) | BIT(FEATURES) | BIT(FIRMWARE) | BIT(CPU) | BIT(VMM),
	[LAUNCH_SEV] = BOOTED | BIT(FIRMWARE),
	[LAUNCH_SEV_ES] = BOOTED | BIT(VCPUS) | BIT(FEATURES) | BIT(FIRMWARE) | BIT(CPU) | BIT(VMM),
	[LAUNCH_TDX] = BIT(FIRMWARE) | BIT(VMM),
	/* QEMU writes the ramdisk's place into the kernel, and memory decides on the place. */
	[LAUNCH_TDX_RTMR1] = BIT(KERNEL) | BIT(INITRD) | BIT(MEMORY) | BIT(VMM),
	[LAUNCH_TDX_RTMR2] = BIT(INITRD) | BIT(CMDLINE),
};

bool changed_input_matters(enum changed_input input, enum launch_kind kind)
{
	return (matters[kind] & 1u << input) != 0;
}

/* Words that somebody puts on a kernel command line to see more or to get in. */
static const char *const usual_words[] = { "quiet", "debug", "ignore_loglevel", "loglevel=7",
	"earlyprintk=serial", "earlyprintk=ttyS0", "console=ttyS0", "console=ttyS0,115200",
	"console=hvc0", "single", "1", "s", "S", "3", "5", "rescue", "emergency", "rw", "ro",
	"init=/bin/sh", "init=/bin/bash", "rdinit=/bin/sh", "rdinit=/bin/bash", "rd.break", "break",
	"break=premount", "break=mount", "break=bottom", "systemd.unit=rescue.target",
	"systemd.unit=emergency.target", "systemd.debug-shell=1", "systemd.debug_shell", "nokaslr",
	"mitigations=off", "nosmp", "maxcpus=1", "nosmep", "nosmap", "iommu=off", "selinux=0",
	"apparmor=0", "enforcing=0", "lockdown=none", "module.sig_enforce=0", "kgdboc=ttyS0",
	"sysrq_always_enabled=1", "panic=1", "panic=-1", "reboot=t", "nopti", "pti=off",
	"noexec=off", "ima_appraise=off", "fips=0" };

static const uint64_t usual_memories_mib[] = { 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072,
	4096, 6144, 8192, 12288, 16384, 32768, 65536 };

/* Guests that start in firmware may have more than ours have (LIMIT_VCPUS). */
#define VCPUS_TRIED 64u

/* SEV_FEATURES beside SNP: none, DebugSwap (what newer kernels set), SecureTSC. */
static const uint64_t usual_features[] = { 0, 0x20, 0x200, 0x220 };

const char *changed_input_key(enum changed_input input)
{
	return input < CHANGED_INPUT_COUNT ? inputs[input].key : "?";
}

const char *changed_input_name(enum changed_input input)
{
	return input < CHANGED_INPUT_COUNT ? inputs[input].name : "?";
}

struct search {
	const struct launch_inputs *base;
	const uint8_t *digest;
	struct launch_memo memo;
	struct changed *out;
};

static bool is_among(const struct launch_values *v, const uint8_t *digest)
{
	for (size_t i = 0; i < v->n; i++)
		if (memcmp(v->at[i].digest, digest, v->len) == 0)
			return true;
	return false;
}

/* Does this launch give the digest? A launch that is impossible does not. */
static bool try(struct search *s, const struct launch_inputs *in, uint32_t changed)
{
	struct launch_values v;

	s->out->n_tried++;
	if (launch_digest_compute(in, &s->memo, NULL, &v, NULL) < 0 || !is_among(&v, s->digest))
		return false;
	s->out->is_found = true;
	s->out->inputs = changed;
	s->out->in = *in;
	return true;
}

/* --- what people usually change --------------------------------------------------------------- */

/* Put a word in at byte at, which is a word boundary. */
static bool try_word_at(struct search *s, size_t at, const char *word)
{
	const char *line = s->base->boot.cmdline;
	struct launch_inputs in = *s->base;
	bool is_space_before = at > 0 && line[at - 1] != ' ', is_space_behind = line[at] != '\0';
	int n = snprintf(s->out->cmdline, sizeof s->out->cmdline, "%.*s%s%s%s%s", (int)at, line,
		is_space_before ? " " : "", word, is_space_behind ? " " : "", line + at);

	if (n < 0 || (size_t)n >= sizeof s->out->cmdline)
		return false;
	in.boot.cmdline = s->out->cmdline;
	return try(s, &in, 1u << CHANGED_CMDLINE);
}

static bool try_usual_words_at(struct search *s, size_t at)
{
	for (size_t i = 0; i < ARRAY_LEN(usual_words); i++)
		if (try_word_at(s, at, usual_words[i]))
			return true;
	return false;
}

/* Leave out the word at [at, end) and the spaces behind it (or before it, for the last). */
static bool try_without(struct search *s, size_t at, size_t end)
{
	const char *from = s->base->boot.cmdline;
	struct launch_inputs in = *s->base;
	char *line = s->out->cmdline;
	size_t rest = end + strspn(from + end, " ");

	if (from[rest] == '\0')
		while (at > 0 && from[at - 1] == ' ')
			at--;
	(void)snprintf(line, sizeof s->out->cmdline, "%.*s%s", (int)at, from, from + rest);
	in.boot.cmdline = line;
	return try(s, &in, 1u << CHANGED_CMDLINE);
}

static bool try_cmdlines(struct search *s)
{
	const char *line = s->base->boot.cmdline;

	if (s->base->boot.kernel == NULL)
		return false;
	for (size_t at = strspn(line, " "); line[at] != '\0';) {
		size_t end = at + strcspn(line + at, " ");
		if (try_without(s, at, end) || try_usual_words_at(s, at))
			return true;
		at = end + strspn(line + end, " ");
	}
	return try_usual_words_at(s, strlen(line));
}

static bool try_vcpus(struct search *s)
{
	struct launch_inputs in = *s->base;
	uint32_t max = s->base->kind == LAUNCH_SNP_DIRECT ? LIMIT_VCPUS : VCPUS_TRIED;

	for (uint32_t n = 1; n <= max; n++) {
		in.boot.vcpus = n;
		if (n != s->base->boot.vcpus && try(s, &in, 1u << CHANGED_VCPUS))
			return true;
	}
	return false;
}

static bool try_features(struct search *s)
{
	struct launch_inputs in = *s->base;

	for (size_t i = 0; i < ARRAY_LEN(usual_features); i++) {
		in.boot.vmsa_features = usual_features[i];
		if (in.boot.vmsa_features != s->base->boot.vmsa_features &&
			try(s, &in, 1u << CHANGED_FEATURES))
			return true;
	}
	return false;
}

static bool try_memories(struct search *s)
{
	struct launch_inputs in = *s->base;

	for (size_t i = 0; i < ARRAY_LEN(usual_memories_mib); i++) {
		in.boot.memory_mib = usual_memories_mib[i];
		if (in.boot.memory_mib != s->base->boot.memory_mib &&
			try(s, &in, 1u << CHANGED_MEMORY))
			return true;
	}
	return false;
}

static bool try_cpus(struct search *s)
{
	struct launch_inputs in = *s->base;

	in.cpu_signature = 0;
	if (s->base->cpu_signature != 0 && try(s, &in, 1u << CHANGED_CPU))
		return true;
	for (unsigned int i = 0; cpu_model_at(i) != NULL; i++)
		if (cpu_model_parse(cpu_model_at(i), &in.cpu_signature) == 0 &&
			in.cpu_signature != s->base->cpu_signature &&
			try(s, &in, 1u << CHANGED_CPU))
			return true;
	return false;
}

static bool try_vmms(struct search *s)
{
	struct launch_inputs in = *s->base;

	in.is_two_pass = !in.is_two_pass;
	if (s->base->kind == LAUNCH_TDX && try(s, &in, 1u << CHANGED_VMM))
		return true;
	in.is_two_pass = s->base->is_two_pass;
	for (enum digest_vmm v = 0; v < VMM_COUNT; v++) {
		in.vmm = v;
		if (v != s->base->vmm && try(s, &in, 1u << CHANGED_VMM))
			return true;
	}
	return false;
}

static bool try_usual(struct search *s)
{
	static const struct {
		enum changed_input input;
		bool (*try)(struct search *s);
	} rows[] = {
		{ CHANGED_CMDLINE, try_cmdlines },
		{ CHANGED_VCPUS, try_vcpus },
		{ CHANGED_FEATURES, try_features },
		{ CHANGED_MEMORY, try_memories },
		{ CHANGED_CPU, try_cpus },
		{ CHANGED_VMM, try_vmms },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (changed_input_matters(rows[i].input, s->base->kind) && rows[i].try(s))
			return true;
	return false;
}

/* --- candidates ------------------------------------------------------------------------------- */

#define COMBINATIONS_MAX 4096u

/* Replace one input by candidate i (0: the base's); what it changed. */
static uint32_t candidate_set(const struct changed_candidates *c, enum changed_input input,
	size_t i, struct launch_inputs *in)
{
	if (i == 0)
		return 0;
	i--;
	switch (input) {
	case CHANGED_KERNEL:
		in->boot.kernel = c->kernels[i].p, in->boot.kernel_len = c->kernels[i].len;
		break;
	case CHANGED_INITRD:
		in->boot.initrd = c->initrds[i].p, in->boot.initrd_len = c->initrds[i].len;
		break;
	case CHANGED_CMDLINE:
		in->boot.cmdline = c->cmdlines[i];
		break;
	case CHANGED_VCPUS:
		in->boot.vcpus = c->vcpus[i];
		break;
	case CHANGED_MEMORY:
		in->boot.memory_mib = c->memories_mib[i];
		break;
	case CHANGED_FIRMWARE:
		in->firmware = c->firmwares[i].p, in->firmware_len = c->firmwares[i].len;
		break;
	case CHANGED_FEATURES:
	case CHANGED_CPU:
	case CHANGED_VMM:
	case CHANGED_INPUT_COUNT:
		break;
	}
	return 1u << input;
}

/* Every combination, those with fewest changes first. */
static bool try_candidates(struct search *s, const struct changed_candidates *c)
{
	const size_t counts[CHANGED_INPUT_COUNT] = {
		[CHANGED_KERNEL] = c->n_kernels,
		[CHANGED_INITRD] = c->n_initrds,
		[CHANGED_CMDLINE] = c->n_cmdlines,
		[CHANGED_VCPUS] = c->n_vcpus,
		[CHANGED_MEMORY] = c->n_memories,
		[CHANGED_FIRMWARE] = c->n_firmwares,
	};
	size_t total = 1;

	for (size_t k = 0; k < CHANGED_INPUT_COUNT && total <= COMBINATIONS_MAX; k++)
		total *= counts[k] + 1;
	for (unsigned int n_changes = 1; n_changes < CHANGED_INPUT_COUNT; n_changes++) {
		if (n_changes > 1 && total > COMBINATIONS_MAX)
			return false;
		size_t at[CHANGED_INPUT_COUNT] = { 0 };
		for (;;) {
			size_t k = 0;
			while (k < CHANGED_INPUT_COUNT && ++at[k] > counts[k])
				at[k++] = 0;
			if (k == CHANGED_INPUT_COUNT)
				break;
			struct launch_inputs in = *s->base;
			uint32_t changed = 0;
			for (k = 0; k < CHANGED_INPUT_COUNT; k++)
				changed |= candidate_set(c, (enum changed_input)k, at[k], &in);
			if ((unsigned int)__builtin_popcount(changed) == n_changes &&
				try(s, &in, changed))
				return true;
		}
	}
	return false;
}

int what_changed(const struct launch_inputs *base, const uint8_t *digest,
	const struct changed_candidates *candidates, struct changed *ret, struct why *why)
{
	struct search s = { .base = base, .digest = digest, .out = ret };
	struct launch_values v;

	*ret = (struct changed){ 0 };
	int err = launch_digest_compute(base, &s.memo, NULL, &v, why);
	if (err < 0)
		return err;
	if (is_among(&v, digest)) {
		ret->is_found = true;
		ret->in = *base;
		return 0;
	}
	if (!try_candidates(&s, candidates))
		(void)try_usual(&s);
	return 0;
}

/* --- words ------------------------------------------------------------------------------------ */

/* Bytes of from and to up to the last word boundary at which they still agree. */
static size_t common_front(const char *from, const char *to)
{
	size_t n = 0, boundary = 0;

	for (;; n++) {
		bool is_end =
			(from[n] == '\0' || from[n] == ' ') && (to[n] == '\0' || to[n] == ' ');
		if (is_end)
			boundary = n;
		if (from[n] != to[n] || from[n] == '\0')
			return boundary;
	}
}

static size_t common_back(const char *from, size_t from_len, const char *to, size_t to_len)
{
	size_t n = 0, boundary = 0;

	for (;; n++) {
		bool is_end = (n == from_len || from[from_len - 1 - n] == ' ') &&
			      (n == to_len || to[to_len - 1 - n] == ' ');
		if (is_end)
			boundary = n;
		if (n == from_len || n == to_len || from[from_len - 1 - n] != to[to_len - 1 - n])
			return boundary;
	}
}

static void trim(const char **p, size_t *len)
{
	while (*len > 0 && **p == ' ')
		(*p)++, (*len)--;
	while (*len > 0 && (*p)[*len - 1] == ' ')
		(*len)--;
}

void changed_words(const char *from, const char *to, char *ret, size_t size)
{
	size_t front = common_front(from, to);
	const char *old = from + front, *new = to + front;
	size_t old_len = strlen(old), new_len = strlen(new);
	size_t back = common_back(old, old_len, new, new_len);

	old_len -= back;
	new_len -= back;
	trim(&old, &old_len);
	trim(&new, &new_len);
	if (old_len == 0 && new_len == 0)
		(void)snprintf(ret, size, "only spaces differ");
	else if (old_len == 0)
		(void)snprintf(ret, size, "'%.*s' added", (int)new_len, new);
	else if (new_len == 0)
		(void)snprintf(ret, size, "'%.*s' removed", (int)old_len, old);
	else
		(void)snprintf(
			ret, size, "'%.*s' became '%.*s'", (int)old_len, old, (int)new_len, new);
}
