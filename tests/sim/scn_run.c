/*
 * scn_run: runs scenario files against the SNP back end over the simulator. A file is a promise: its
 * lines are steps in order, each of which must succeed unless it says `expect -ERRNO`. Prints TAP.
 *
 *   platform seed=N asids=N            before backend; the platform's values
 *   fault COMMAND N STATUS             before backend; the script of failures
 *   backend snp|none [features=X]
 *   memory gpa=X size=X                without one, `start` makes 16 MiB at 0
 *   start policy=X [attributes=shared] makes all memory private, unless told not to
 *   update gpa=X size=X type=normal|zero|unmeasured|secrets data=zero|f4
 *   cpuid gpa=X [bad=yes]              the table of the fake KVM; bad: one bit too many for the CPU
 *   vcpu [rdx=X] [dr7=X]
 *   finish [id=good|ld|policy|sig|author]
 *   digest HEX                         the simulator's launch digest so far
 *   convert gpa=X size=X to=private|shared
 *   byte gpa=X is=X                    what the guest would find
 *   registers                          KVM_GET_REGS of vCPU 0
 *   report [vmpl=N] [key=N] [status=X] asks through the guest port; checks signature and fields
 *
 * Any line may end in `expect -ERRNO` and `says WORD` (a word that `why` must hold). # is a comment.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/opts.h"
#include "sev/fw.h"
#include "sev/sim/sim_state.h"
#include "tests/sim/simkit.h"

#define LINE_WORDS_MAX 12
#define SCN_BYTES_MAX  65536
#define DEFAULT_RAM    (16ull << 20)

struct line {
	size_t n;
	char *word[LINE_WORDS_MAX];
	int expect;
	const char *says;
};

struct scenario {
	struct kit kit;
	bool is_open;
	uint64_t policy;
	struct why why;
};

static const struct {
	const char *name;
	int err;
} errnos[] = {
	{ "-EPROTO", -EPROTO },
	{ "-EREMOTEIO", -EREMOTEIO },
	{ "-EINVAL", -EINVAL },
	{ "-EFAULT", -EFAULT },
	{ "-ENOTCONN", -ENOTCONN },
	{ "-ERANGE", -ERANGE },
	{ "-EIO", -EIO },
	{ "-EBUSY", -EBUSY },
	{ "-EEXIST", -EEXIST },
	{ "-ENOTTY", -ENOTTY },
	{ "-EOPNOTSUPP", -EOPNOTSUPP },
	{ "-ELOOP", -ELOOP },
	{ "-EPERM", -EPERM },
};

static void bad_scenario(const char *what)
{
	fprintf(stderr, "scenario: %s\n", what);
	exit(2);
}

static int errno_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(errnos); i++)
		if (strcmp(errnos[i].name, name) == 0)
			return errnos[i].err;
	bad_scenario(name);
	return 0;
}

/* The text behind "key=", or NULL. */
static const char *text_of(const struct line *l, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 1; i < l->n; i++)
		if (strncmp(l->word[i], key, len) == 0 && l->word[i][len] == '=')
			return l->word[i] + len + 1;
	return NULL;
}

static bool is_text(const struct line *l, const char *key, const char *value)
{
	const char *text = text_of(l, key);

	return text != NULL && strcmp(text, value) == 0;
}

static uint64_t number_of(const struct line *l, const char *key, uint64_t otherwise)
{
	const char *text = text_of(l, key);

	return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

/* --- steps ----------------------------------------------------------------------------------- */

static int on_platform(struct scenario *s, const struct line *l)
{
	struct sim_platform *p = &s->kit.minted.platform;

	p->seed = (uint32_t)number_of(l, "seed", p->seed);
	p->asids = (uint32_t)number_of(l, "asids", p->asids);
	p->flags = (uint32_t)number_of(l, "flags", p->flags);
	return 0;
}

static int on_fault(struct scenario *s, const struct line *l)
{
	struct sim_script *script = &s->kit.minted.platform.script;
	char text[128];

	if (l->n != 4)
		bad_scenario("fault COMMAND N STATUS");
	(void)snprintf(text, sizeof text, "%s %s %s", l->word[1], l->word[2], l->word[3]);
	return sim_fault_parse(text, &script->fault[script->n++], &s->why);
}

static int on_backend(struct scenario *s, const struct line *l)
{
	enum guest_kind kind = strcmp(l->word[1], "none") == 0 ? GUEST_NONE : GUEST_SNP;
	int err = kit_open(&s->kit, &s->why);

	if (err < 0)
		return err;
	s->is_open = true;
	const struct guest_setup setup = {
		.kvm_fd = s->kit.kvm_fd,
		.sev_fd = s->kit.sev_fd,
		.vmsa_features = number_of(l, "features", 0),
	};
	return guest_open(kind, &setup, &s->kit.guest, &s->why);
}

static int on_memory(struct scenario *s, const struct line *l)
{
	return kit_add_memory(
		&s->kit, number_of(l, "gpa", 0), number_of(l, "size", DEFAULT_RAM), &s->why);
}

static int on_start(struct scenario *s, const struct line *l)
{
	int err = 0;

	s->policy = number_of(l, "policy", 0x30000);
	if (s->kit.n_ram == 0)
		err = kit_add_memory(&s->kit, 0, DEFAULT_RAM, &s->why);
	if (err == 0 && !is_text(l, "attributes", "shared"))
		err = guest_set_private(s->kit.guest, &s->why);
	return err == 0 ? guest_start_launch(s->kit.guest, s->policy, &s->why) : err;
}

static enum page_type type_parse(const char *name)
{
	static const char *const names[PAGE_TYPE_COUNT] = {
		[PAGE_NORMAL] = "normal",
		[PAGE_ZERO] = "zero",
		[PAGE_UNMEASURED] = "unmeasured",
		[PAGE_SECRETS] = "secrets",
		[PAGE_CPUID] = "cpuid",
	};

	for (unsigned int i = 0; name != NULL && i < PAGE_TYPE_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum page_type)i;
	bad_scenario("type=");
	return PAGE_NORMAL;
}

static int on_update(struct scenario *s, const struct line *l)
{
	enum page_type type = type_parse(text_of(l, "type"));
	size_t size = number_of(l, "size", 4096);
	uint8_t *bytes = malloc(size + 1);

	if (bytes == NULL)
		bad_scenario("memory");
	memset(bytes, is_text(l, "data", "f4") ? 0xF4 : 0, size + 1);
	/* An odd address: the back end takes any. */
	const void *src = type == PAGE_ZERO || type == PAGE_SECRETS ? NULL : bytes + 1;
	int err =
		guest_measure_pages(s->kit.guest, type, number_of(l, "gpa", 0), src, size, &s->why);
	free(bytes);
	return err;
}

static int on_cpuid(struct scenario *s, const struct line *l)
{
	union fake_cpuid table;

	fake_kvm_cpuid(&table);
	if (is_text(l, "bad", "yes"))
		table.head.entries[1].ecx |= 1u << 8; /* a feature the fake CPU lacks */
	return guest_measure_cpuid(s->kit.guest, number_of(l, "gpa", 0), &table.head, &s->why);
}

static int on_vcpu(struct scenario *s, const struct line *l)
{
	int fd = kit_add_vcpu(&s->kit, number_of(l, "rdx", 0));
	struct kvm_debugregs dbg = { .dr6 = 0xFFFF0FF0, .dr7 = number_of(l, "dr7", 0x400) };

	return fd < 0 ? fd : fw_ioctl(fd, KVM_SET_DEBUGREGS, &dbg);
}

static int on_finish(struct scenario *s, const struct line *l)
{
	struct guest_identity id = { .host_data = { 0xAB } };
	struct snp_id_block block;
	struct snp_id_auth auth;
	uint8_t ld[SNP_DIGEST_BYTES] = { 0 };
	const char *kind = text_of(l, "id");

	if (kind != NULL) {
		/* The digest as it will be: a scenario with an ID block has no vCPUs. */
		int err = sim_get_digest(guest_vm_fd(s->kit.guest), ld);
		if (err < 0)
			return err;
		if (strcmp(kind, "ld") == 0)
			ld[0] ^= 1;
		kit_make_id(ld, s->policy ^ (strcmp(kind, "policy") == 0), &block, &auth);
		if (strcmp(kind, "sig") == 0)
			auth.id_block_sig.r[3] ^= 1;
		if (strcmp(kind, "author") == 0)
			auth.id_key_sig.s[3] ^= 1;
		id.id_block = (const uint8_t *)&block;
		id.id_auth = (const uint8_t *)&auth;
		id.has_author_key = true;
	}
	return guest_finish_launch(s->kit.guest, &id, &s->why);
}

static int on_digest(struct scenario *s, const struct line *l)
{
	uint8_t want[SNP_DIGEST_BYTES], got[SNP_DIGEST_BYTES];
	int err = opts_parse_hex(l->word[1], want, sizeof want);

	if (err == 0)
		err = sim_get_digest(guest_vm_fd(s->kit.guest), got);
	if (err == 0 && memcmp(want, got, sizeof want) != 0)
		err = why_set(&s->why, -EBADMSG, "another digest, %02x%02x%02x...", got[0], got[1],
			got[2]);
	return err;
}

static int on_convert(struct scenario *s, const struct line *l)
{
	return guest_convert(s->kit.guest, number_of(l, "gpa", 0), number_of(l, "size", 4096),
		is_text(l, "to", "private"));
}

static int on_byte(struct scenario *s, const struct line *l)
{
	uint64_t gpa = number_of(l, "gpa", 0);

	if (gpa >= s->kit.ram_size[0])
		bad_scenario("byte: only in the first memory slot, at 0");
	return s->kit.ram[0][gpa] == number_of(l, "is", 0)
		       ? 0
		       : why_set(&s->why, -EBADMSG, "the byte is 0x%x", s->kit.ram[0][gpa]);
}

static int on_registers(struct scenario *s, const struct line *l)
{
	struct kvm_regs regs;

	(void)l;
	return fw_ioctl(s->kit.vcpu[0], KVM_GET_REGS, &regs);
}

static int on_report(struct scenario *s, const struct line *l)
{
	struct snp_report_req req = {
		.report_data = { 1, 2, 3 },
		.vmpl = le32_of((uint32_t)number_of(l, "vmpl", 0)),
		.key_sel = le32_of((uint32_t)number_of(l, "key", 0)),
	};
	struct kit_answer a;
	uint8_t ld[SNP_DIGEST_BYTES];
	uint32_t want = (uint32_t)number_of(l, "status", 0);
	int err = kit_ask(&s->kit, &req, sizeof req, &a);

	if (err == 0)
		err = sim_get_digest(guest_vm_fd(s->kit.guest), ld);
	if (err < 0)
		return err;
	if (a.status != want)
		return why_set(&s->why, -EBADMSG, "status 0x%x", a.status);
	if (want != 0)
		return 0;
	if (!kit_is_signed(&s->kit, &a.report) || a.table_len == 0 ||
		memcmp(a.report.measurement, ld, sizeof ld) != 0 ||
		le64_get(a.report.policy) != s->policy || a.report.host_data[0] != 0xAB ||
		memcmp(a.report.report_data, req.report_data, sizeof req.report_data) != 0)
		return why_set(&s->why, -EBADMSG, "the report is not about this launch");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct scenario *s, const struct line *l);
	size_t min_words;
} steps[] = {
	{ "platform", on_platform, 2 },
	{ "fault", on_fault, 4 },
	{ "backend", on_backend, 2 },
	{ "memory", on_memory, 1 },
	{ "start", on_start, 1 },
	{ "update", on_update, 2 },
	{ "cpuid", on_cpuid, 1 },
	{ "vcpu", on_vcpu, 1 },
	{ "finish", on_finish, 1 },
	{ "digest", on_digest, 2 },
	{ "convert", on_convert, 2 },
	{ "byte", on_byte, 2 },
	{ "registers", on_registers, 1 },
	{ "report", on_report, 1 },
};

/* --- files ----------------------------------------------------------------------------------- */

static void line_parse(char *text, struct line *ret)
{
	char *save = NULL;

	*ret = (struct line){ 0 };
	text[strcspn(text, "#")] = 0;
	for (char *w = strtok_r(text, " \t", &save); w != NULL; w = strtok_r(NULL, " \t", &save)) {
		if (strcmp(w, "expect") == 0 && (w = strtok_r(NULL, " \t", &save)) != NULL)
			ret->expect = errno_parse(w);
		else if (w != NULL && strcmp(w, "says") == 0)
			ret->says = strtok_r(NULL, " \t", &save);
		else if (w != NULL && ret->n < LINE_WORDS_MAX)
			ret->word[ret->n++] = w;
		else
			bad_scenario("a line is malformed");
	}
}

/* 0: as promised. */
static int line_run(struct scenario *s, const struct line *l, const char *path, unsigned int at)
{
	why_clear(&s->why);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (strcmp(steps[i].name, l->word[0]) != 0 || l->n < steps[i].min_words)
			continue;
		int err = steps[i].run(s, l);
		if (err == l->expect && (l->says == NULL || strstr(s->why.text, l->says) != NULL))
			return 0;
		printf("# %s:%u: %s gave %d (%s), want %d\n", path, at, l->word[0], err,
			why_text(&s->why, err), l->expect);
		return 1;
	}
	bad_scenario(l->word[0]);
	return 1;
}

static int file_run(const char *path)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	struct scenario s = { 0 };
	unsigned int at = 0;
	int failed = 0;

	if (fd_read_path(path, SCN_BYTES_MAX, &bytes, &len, NULL) < 0)
		bad_scenario(path);
	kit_init(&s.kit, SIM_MILAN, 3);
	char *rest = (char *)bytes;
	while (failed == 0 && rest != NULL) {
		struct line l;
		char *text = strsep(&rest, "\n");
		at++;
		line_parse(text, &l);
		if (l.n > 0)
			failed = line_run(&s, &l, path, at);
	}
	kit_done(&s.kit);
	free(bytes);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		const char *slash = strrchr(argv[i], '/');
		int is_bad = file_run(argv[i]);
		printf("%sok %d - %s\n", is_bad ? "not " : "", i, slash ? slash + 1 : argv[i]);
		failed |= is_bad;
	}
	return failed;
}
