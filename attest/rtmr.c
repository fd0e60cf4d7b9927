#include "attest/rtmr.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "attest/pe.h"
#include "base/le.h"
#include "base/num.h"
#include "base/wr.h"

/* --- the hand-off list ------------------------------------------------------------------------ */

#define HOB_PHIT       1u
#define HOB_RESOURCE   3u
#define HOB_END_BYTES  8u
#define RES_MEMORY     0u
#define RES_UNACCEPTED 7u
#define RES_ATTRIBUTES 7u

#define GIB            (1ull << 30)

struct range {
	uint64_t at, len;
};

/* RAM below 4 GiB: casemate ends it at 3 GiB (docs/launch.md), QEMU's q35 as here (8.2). */
static uint64_t low_ram(const struct launch_inputs *in)
{
	uint64_t all = in->boot.memory_mib << 20;
	const uint64_t q35_max = 0xb0000000;

	if (in->vmm == VMM_QEMU)
		return all >= q35_max ? 2 * GIB : all;
	return MIN(all, 3 * GIB);
}

static void resource_print(struct wr *w, uint32_t type, uint64_t at, uint64_t len)
{
	if (len == 0)
		return;
	wr_le16(w, HOB_RESOURCE);
	wr_le16(w, 48);
	wr_zero(w, 4 + 16); /* reserved, owner */
	wr_le32(w, type);
	wr_le32(w, RES_ATTRIBUTES);
	wr_le64(w, at);
	wr_le64(w, len);
}

static int by_address(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* The sections that are added to RAM; those of the image lie above all of it. */
static size_t added_of(const struct tdvf *tdvf, struct range *ret, uint64_t *ret_hob)
{
	size_t n = 0;

	for (size_t i = 0; i < tdvf->n; i++) {
		const struct tdvf_section *s = &tdvf->at[i];
		if (s->type == TDVF_TD_HOB)
			*ret_hob = s->gpa;
		if (s->type == TDVF_TD_HOB || s->type == TDVF_TEMP_MEM)
			ret[n++] = (struct range){ s->gpa, s->size };
	}
	qsort(ret, n, sizeof *ret, by_address);
	return n;
}

int rtmr_hob_print(
	const struct launch_inputs *in, uint8_t *ret, size_t size, size_t *ret_len, struct why *why)
{
	static const uint8_t zeros[8] = { 0 };
	uint64_t low = low_ram(in), all = in->boot.memory_mib << 20, hob = 0, from = 0;
	struct range added[LIMIT_FIRMWARE_SECTIONS];
	struct wr w = wr_of(ret, size);
	struct tdvf tdvf;
	struct ovmf o;

	int err = ovmf_parse(&o, in->firmware, in->firmware_len, why);
	if (err == 0)
		err = tdvf_parse(&tdvf, &o, why);
	if (err < 0)
		return err;
	size_t n = added_of(&tdvf, added, &hob);
	wr_le16(&w, HOB_PHIT);
	wr_le16(&w, 56);
	wr_zero(&w, 4);
	wr_le32(&w, 9); /* version */
	wr_zero(&w, 4 + 32);
	size_t end_at = w.len;
	wr_copy(&w, zeros, sizeof zeros); /* where the list ends: below */
	for (size_t i = 0; i < n; i++) {
		if (added[i].at < from || added[i].at > low || added[i].len > low - added[i].at)
			return why_set(why, -EFAULT,
				"the firmware wants memory at 0x%llx, where this guest has none, "
				"or "
				"wants it twice",
				(unsigned long long)added[i].at);
		resource_print(&w, RES_UNACCEPTED, from, added[i].at - from);
		resource_print(&w, RES_MEMORY, added[i].at, added[i].len);
		from = added[i].at + added[i].len;
	}
	resource_print(&w, RES_UNACCEPTED, from, low - from);
	resource_print(&w, RES_UNACCEPTED, 4 * GIB, all - low);
	if (wr_check(&w) < 0)
		return why_set(why, -EMSGSIZE, "the hand-off list does not fit");
	le64 end = le64_of(hob + w.len + HOB_END_BYTES);
	memcpy(ret + end_at, &end, sizeof end);
	*ret_len = w.len;
	return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static void extend(uint8_t value[SHA384_BYTES], const uint8_t digest[SHA384_BYTES], int *err)
{
	uint8_t both[2 * SHA384_BYTES];

	memcpy(both, value, SHA384_BYTES);
	memcpy(both + SHA384_BYTES, digest, SHA384_BYTES);
	if (*err == 0)
		*err = sha384_once(both, sizeof both, value);
}

static void text_extend(uint8_t value[SHA384_BYTES], const char *text, size_t len, int *err)
{
	uint8_t digest[SHA384_BYTES] = { 0 };

	if (*err == 0)
		*err = sha384_once(text, len, digest);
	extend(value, digest, err);
}

static const char calling[] = "Calling EFI Application from Boot Option";
static const char separator[4];
static const char leaving[] = "Exit Boot Services Invocation";
static const char left[] = "Exit Boot Services Returned with Success";

#define KERNEL_HEADER_MIN 0x1000u  /* below, QEMU gives the firmware nothing to patch */
#define ACPI_BYTES        0x28000u /* what QEMU keeps free for its tables below the ramdisk */

static uint32_t get32(const uint8_t *p)
{
	le32 v;

	memcpy(&v, p, sizeof v);
	return le32_get(v);
}

static void put32(uint8_t *p, uint32_t v)
{
	le32 x = le32_of(v);

	memcpy(p, &x, sizeof x);
}

/* QEMU puts the ramdisk's place into the kernel of a TD, as for plain guests (8.2; hw/i386/x86). */
static MUST_USE int initrd_place(
	const struct launch_inputs *in, const uint8_t *kernel, uint16_t protocol, uint32_t *ret)
{
	uint64_t low = low_ram(in), max = 0x37ffffff;

	if (protocol >= 0x20c && (kernel[0x236] & 0x40) != 0)
		max = UINT32_MAX;
	else if (protocol >= 0x203 && protocol < 0x20c && get32(kernel + 0x22c) != 0)
		max = get32(kernel + 0x22c);
	if (low <= ACPI_BYTES)
		return -ERANGE;
	max = MIN(max, low - ACPI_BYTES - 1);
	if (in->boot.initrd_len >= max)
		return -ERANGE;
	*ret = (uint32_t)((max - in->boot.initrd_len) & ~(uint64_t)(PAGE_BYTES - 1));
	return 0;
}

static MUST_USE int qemu_patch(
	const struct launch_inputs *in, uint8_t *kernel, size_t len, struct why *why)
{
	if (len < KERNEL_HEADER_MIN || memcmp(kernel + 0x202, "HdrS", 4) != 0)
		return why_set(why, -EBADMSG, "the kernel is no bzImage");
	uint16_t protocol = (uint16_t)(kernel[0x206] | kernel[0x207] << 8);
	bool is_high = (kernel[0x211] & 1) != 0;
	uint32_t real = is_high ? 0x10000 : 0x90000, cmdline = is_high ? 0x20000 : 0x9a000, at = 0;
	if (protocol < 0x202)
		return why_set(why, -EOPNOTSUPP, "the kernel's boot protocol is older than 2.2");
	kernel[0x210] = 0xb0; /* loader: QEMU */
	kernel[0x211] |= 0x80;
	put32(kernel + 0x224, cmdline - real - 0x200);
	put32(kernel + 0x228, cmdline);
	if (in->boot.initrd == NULL)
		return 0;
	if (initrd_place(in, kernel, protocol, &at) < 0)
		return why_set(why, -ERANGE, "QEMU has no place for the initial ramdisk");
	put32(kernel + 0x218, at);
	put32(kernel + 0x21c, (uint32_t)in->boot.initrd_len);
	return 0;
}

static MUST_USE int kernel_digest(
	const struct launch_inputs *in, uint8_t ret[SHA384_BYTES], struct why *why)
{
	size_t len = in->boot.kernel_len;

	if (in->boot.kernel == NULL)
		return why_set(
			why, -EOPNOTSUPP, "there is no kernel: what a disk boots is not predicted");
	if (in->vmm != VMM_QEMU)
		return pe_authenticode(in->boot.kernel, len, ret, why);
	uint8_t *copy = malloc(len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, in->boot.kernel, len);
	int err = qemu_patch(in, copy, len, why);
	if (err == 0)
		err = pe_authenticode(copy, len, ret, why);
	free(copy);
	return err;
}

static MUST_USE int rtmr1_predict(const struct launch_inputs *in, struct measured *trace,
	struct launch_values *v, struct why *why)
{
	uint8_t kernel[SHA384_BYTES];

	int err = kernel_digest(in, kernel, why);
	if (err < 0)
		return err;
	struct measured_piece *p = measured_add(
		trace, "kernel", "authenticode", MEASURED_NO_GPA, NULL, in->boot.kernel_len, &err);
	if (p != NULL) {
		p->n_pages = 0;
		p->digest_len = SHA384_BYTES;
		memcpy(p->digest, kernel, sizeof kernel);
	}
	v->n = 2;
	v->at[0].when =
		"firmware that ends this register's boot phase with a separator (newer edk2)";
	v->at[1].when = "firmware that does not (older edk2)";
	for (size_t i = 0; i < v->n; i++) {
		memset(v->at[i].digest, 0, SHA384_BYTES);
		extend(v->at[i].digest, kernel, &err);
		text_extend(v->at[i].digest, calling, strlen(calling), &err);
		if (i == 0)
			text_extend(v->at[i].digest, separator, sizeof separator, &err);
		text_extend(v->at[i].digest, leaving, strlen(leaving), &err);
		text_extend(v->at[i].digest, left, strlen(left), &err);
	}
	return err;
}

/* The kernel's load options: in UTF-16 with a zero, as its EFI stub measures them; 0 bytes: none. */
static size_t options_print(const struct launch_inputs *in, bool is_new, uint8_t *ret, size_t size)
{
	const char *parts[] = { in->boot.initrd != NULL && is_new ? "initrd=initrd " : "",
		in->boot.cmdline == NULL ? "" : in->boot.cmdline,
		in->boot.initrd != NULL && !is_new ? " initrd=initrd" : "" };
	struct wr w = wr_of(ret, size);

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (const char *c = parts[i]; *c != 0; c++)
			wr_le16(&w, (uint8_t)*c);
	if (w.len > 0)
		wr_le16(&w, 0);
	return wr_check(&w) < 0 ? 0 : w.len;
}

#define OPTIONS_BYTES (2 * (LIMIT_CMDLINE_BYTES + 32u))

static MUST_USE int rtmr2_predict(const struct launch_inputs *in, struct measured *trace,
	struct launch_values *v, struct why *why)
{
	uint8_t options[OPTIONS_BYTES], initrd[SHA384_BYTES] = { 0 };
	int err = 0;

	if (in->boot.kernel == NULL)
		return why_set(
			why, -EOPNOTSUPP, "there is no kernel: what a disk boots is not predicted");
	v->n = in->boot.initrd != NULL ? 2 : 1;
	v->at[0].when = v->n == 1 ? ""
				  : "firmware that writes initrd=initrd before the command line "
				    "(newer edk2)";
	v->at[1].when = "firmware that writes it behind (older edk2)";
	if (in->boot.initrd != NULL)
		err = sha384_once(in->boot.initrd, in->boot.initrd_len, initrd);
	for (size_t i = 0; i < v->n; i++) {
		size_t len = options_print(in, i == 0, options, sizeof options);
		memset(v->at[i].digest, 0, SHA384_BYTES);
		struct measured_piece *p =
			measured_add(trace, i == 0 ? "load-options" : "load-options, older",
				"tagged", MEASURED_NO_GPA, options, len, &err);
		if (p != NULL)
			p->n_pages = 0;
		if (len > 0)
			text_extend(v->at[i].digest, (const char *)options, len, &err);
		if (in->boot.initrd != NULL)
			extend(v->at[i].digest, initrd, &err);
	}
	if (in->boot.initrd != NULL) {
		struct measured_piece *p = measured_add(trace, "initrd", "tagged", MEASURED_NO_GPA,
			NULL, in->boot.initrd_len, &err);
		if (p != NULL) {
			p->n_pages = 0;
			p->digest_len = SHA384_BYTES;
			memcpy(p->digest, initrd, sizeof initrd);
		}
	}
	return err;
}

int rtmr_predict(const struct launch_inputs *in, struct measured *trace, struct launch_values *ret,
	struct why *why)
{
	struct launch_values v = { .n = 1, .len = SHA384_BYTES };
	int err = in->kind == LAUNCH_TDX_RTMR1 ? rtmr1_predict(in, trace, &v, why)
					       : rtmr2_predict(in, trace, &v, why);

	if (err == 0)
		*ret = v;
	return err;
}

/* --- the log ---------------------------------------------------------------------------------- */

static void event_add(struct rtmr_log *log, unsigned int reg, const char *name, const char *why,
	const void *buf, size_t len, int *err)
{
	if (*err < 0 || log->n == RTMR_EVENTS_MAX)
		return;
	struct rtmr_event *e = &log->at[log->n++];
	*e = (struct rtmr_event){ .reg = reg, .name = name, .why = why };
	if (buf != NULL)
		*err = sha384_once(buf, len, e->digest);
}

/* The firmware's configuration volume, as the image has it. */
static void cfv_add(struct rtmr_log *log, const struct launch_inputs *in, int *err)
{
	struct tdvf tdvf;
	struct ovmf o;

	if (*err < 0 || ovmf_parse(&o, in->firmware, in->firmware_len, NULL) < 0 ||
		tdvf_parse(&tdvf, &o, NULL) < 0)
		return;
	for (size_t i = 0; i < tdvf.n; i++)
		if (tdvf.at[i].type == TDVF_CFV)
			event_add(log, 0, "configuration volume", NULL, o.image + tdvf.at[i].offset,
				tdvf.at[i].raw_size, err);
}

int rtmr_events(const struct launch_inputs *in, struct rtmr_log *ret, struct why *why)
{
	static const char variables[] = "the variables that this firmware is built with";
	static const char tables[] = "the VMM's ACPI tables";
	static const char entries[] = "the boot entries that this firmware makes";
	uint8_t hob[PAGE_BYTES], options[OPTIONS_BYTES], kernel[SHA384_BYTES];
	struct rtmr_log log = { 0 };
	size_t hob_len = 0;

	int err = rtmr_hob_print(in, hob, sizeof hob, &hob_len, why);
	if (err < 0)
		return err;
	bool has_digest = in->boot.kernel != NULL && kernel_digest(in, kernel, NULL) == 0;
	event_add(&log, 0, "hand-off list (TdxTable)", NULL, hob, hob_len, &err);
	cfv_add(&log, in, &err);
	event_add(&log, 0, "SecureBoot", variables, NULL, 0, &err);
	event_add(&log, 0, "PK", variables, NULL, 0, &err);
	event_add(&log, 0, "KEK", variables, NULL, 0, &err);
	event_add(&log, 0, "db", variables, NULL, 0, &err);
	event_add(&log, 0, "dbx", variables, NULL, 0, &err);
	event_add(&log, 0, "separator", NULL, separator, sizeof separator, &err);
	event_add(&log, 0, "ACPI loader", tables, NULL, 0, &err);
	event_add(&log, 0, "ACPI rsdp", tables, NULL, 0, &err);
	event_add(&log, 0, "ACPI tables", tables, NULL, 0, &err);
	event_add(&log, 0, "BootOrder", entries, NULL, 0, &err);
	event_add(&log, 0, "Boot0000 and on", entries, NULL, 0, &err);
	if (in->boot.kernel != NULL) {
		event_add(&log, 1, "kernel (Authenticode)",
			has_digest ? NULL : "firmware could not start this file", NULL, 0, &err);
		if (err == 0 && has_digest)
			memcpy(log.at[log.n - 1].digest, kernel, sizeof kernel);
		event_add(&log, 1, "call of the boot option", NULL, calling, strlen(calling), &err);
		event_add(
			&log, 1, "separator (newer edk2)", NULL, separator, sizeof separator, &err);
		size_t len = options_print(in, true, options, sizeof options);
		if (len > 0)
			event_add(&log, 2, "load options", NULL, options, len, &err);
		if (in->boot.initrd != NULL)
			event_add(&log, 2, "initrd", NULL, in->boot.initrd, in->boot.initrd_len,
				&err);
		event_add(&log, 1, "exit of boot services", NULL, leaving, strlen(leaving), &err);
		event_add(&log, 1, "its success", NULL, left, strlen(left), &err);
	}
	if (err == 0)
		*ret = log;
	return err;
}
