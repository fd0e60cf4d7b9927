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
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opts.h"
#include "sev/fw.h"
#include "sev/sim/sim_state.h"
#include "tests/sim/scn.h"
#include "tests/sim/simkit.h"

#define DEFAULT_RAM (16ull << 20)

struct scenario {
	struct kit kit;
	bool is_open;
	uint64_t policy;
	struct why why;
};

/* --- steps ----------------------------------------------------------------------------------- */

static int on_platform(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	struct sim_platform *p = &s->kit.minted.platform;

	p->seed = (uint32_t)scn_number(l, "seed", p->seed);
	p->asids = (uint32_t)scn_number(l, "asids", p->asids);
	p->flags = (uint32_t)scn_number(l, "flags", p->flags);
	return 0;
}

static int on_fault(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	struct sim_script *script = &s->kit.minted.platform.script;
	char text[128];

	if (l->n != 4)
		scn_bad("fault COMMAND N STATUS");
	(void)snprintf(text, sizeof text, "%s %s %s", l->word[1], l->word[2], l->word[3]);
	return sim_fault_parse(text, &script->fault[script->n++], &s->why);
}

static int on_backend(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	enum guest_kind kind = strcmp(l->word[1], "none") == 0 ? GUEST_NONE : GUEST_SNP;
	int err = kit_open(&s->kit, &s->why);

	if (err < 0)
		return err;
	s->is_open = true;
	const struct guest_setup setup = {
		.kvm_fd = s->kit.kvm_fd,
		.sev_fd = s->kit.sev_fd,
		.vmsa_features = scn_number(l, "features", 0),
	};
	return guest_open(kind, &setup, &s->kit.guest, &s->why);
}

static int on_memory(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	return kit_add_memory(
		&s->kit, scn_number(l, "gpa", 0), scn_number(l, "size", DEFAULT_RAM), &s->why);
}

static int on_start(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	int err = 0;

	s->policy = scn_number(l, "policy", 0x30000);
	if (s->kit.n_ram == 0)
		err = kit_add_memory(&s->kit, 0, DEFAULT_RAM, &s->why);
	if (err == 0 && !scn_is(l, "attributes", "shared"))
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
	scn_bad("type=");
	return PAGE_NORMAL;
}

static int on_update(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	enum page_type type = type_parse(scn_text(l, "type"));
	size_t size = scn_number(l, "size", 4096);
	uint8_t *bytes = malloc(size + 1);

	if (bytes == NULL)
		scn_bad("memory");
	memset(bytes, scn_is(l, "data", "f4") ? 0xF4 : 0, size + 1);
	/* An odd address: the back end takes any. */
	const void *src = type == PAGE_ZERO || type == PAGE_SECRETS ? NULL : bytes + 1;
	int err = guest_measure_pages(
		s->kit.guest, type, scn_number(l, "gpa", 0), src, size, &s->why);
	free(bytes);
	return err;
}

static int on_cpuid(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	union fake_cpuid table;

	fake_kvm_cpuid(&table);
	if (scn_is(l, "bad", "yes"))
		table.head.entries[1].ecx |= 1u << 8; /* a feature the fake CPU lacks */
	return guest_measure_cpuid(s->kit.guest, scn_number(l, "gpa", 0), &table.head, &s->why);
}

static int on_vcpu(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	int fd = kit_add_vcpu(&s->kit, scn_number(l, "rdx", 0));
	struct kvm_debugregs dbg = { .dr6 = 0xFFFF0FF0, .dr7 = scn_number(l, "dr7", 0x400) };

	return fd < 0 ? fd : fw_ioctl(fd, KVM_SET_DEBUGREGS, &dbg);
}

static int on_finish(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	struct guest_identity id = { .host_data = { 0xAB } };
	struct snp_id_block block;
	struct snp_id_auth auth;
	uint8_t ld[SNP_DIGEST_BYTES] = { 0 };
	const char *kind = scn_text(l, "id");

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

static int on_digest(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	uint8_t want[SNP_DIGEST_BYTES], got[SNP_DIGEST_BYTES];
	int err = opts_parse_hex(l->word[1], want, sizeof want);

	if (err == 0)
		err = sim_get_digest(guest_vm_fd(s->kit.guest), got);
	if (err == 0 && memcmp(want, got, sizeof want) != 0)
		err = why_set(&s->why, -EBADMSG, "another digest, %02x%02x%02x...", got[0], got[1],
			got[2]);
	return err;
}

static int on_convert(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	return guest_convert(s->kit.guest, scn_number(l, "gpa", 0), scn_number(l, "size", 4096),
		scn_is(l, "to", "private"));
}

static int on_byte(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	uint64_t gpa = scn_number(l, "gpa", 0);

	if (gpa >= s->kit.ram_size[0])
		scn_bad("byte: only in the first memory slot, at 0");
	return s->kit.ram[0][gpa] == scn_number(l, "is", 0)
		       ? 0
		       : why_set(&s->why, -EBADMSG, "the byte is 0x%x", s->kit.ram[0][gpa]);
}

static int on_registers(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	struct kvm_regs regs;

	(void)l;
	return fw_ioctl(s->kit.vcpu[0], KVM_GET_REGS, &regs);
}

static int on_report(void *world, const struct scn_line *l)
{
	struct scenario *s = world;
	struct snp_report_req req = {
		.report_data = { 1, 2, 3 },
		.vmpl = le32_of((uint32_t)scn_number(l, "vmpl", 0)),
		.key_sel = le32_of((uint32_t)scn_number(l, "key", 0)),
	};
	struct kit_answer a;
	uint8_t ld[SNP_DIGEST_BYTES];
	uint32_t want = (uint32_t)scn_number(l, "status", 0);
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

static const struct scn_step steps[] = {
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

static void *scenario_begin(void)
{
	static struct scenario s;

	s = (struct scenario){ 0 };
	kit_init(&s.kit, SIM_MILAN, 3);
	return &s;
}

static void scenario_end(void *world)
{
	struct scenario *s = world;

	kit_done(&s->kit);
}

static struct why *scenario_why(void *world)
{
	struct scenario *s = world;

	return &s->why;
}

int main(int argc, char **argv)
{
	const struct scn_program program = { steps, ARRAY_LEN(steps), scenario_begin, scenario_end,
		scenario_why };

	return scn_main(&program, argc, argv);
}
