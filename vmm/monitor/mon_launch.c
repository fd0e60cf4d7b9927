#include "vmm/monitor/mon_launch.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "vmm/monitor/mon_boot.h"

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static MUST_USE int pieces_measure(
	struct guest *g, const struct boot *b, uint64_t *ret_pages, struct why *why)
{
	struct boot_piece pieces[BOOT_PIECES];
	unsigned int n = mon_boot_list(b, pieces);

	for (unsigned int i = 0; i < n; i++) {
		const struct boot_piece *p = &pieces[i];
		if (p->len == 0)
			continue;
		int err = guest_measure_pages(g, PAGE_NORMAL, p->gpa, p->bytes, p->len, why);
		if (err < 0)
			return why_prefix(why, err, "%s", p->name);
		*ret_pages += (p->len + PAGE_BYTES - 1) / PAGE_BYTES;
	}
	return 0;
}

/* The pages that only a protected guest has. */
static MUST_USE int special_measure(struct mon_kvm *kvm, uint64_t *ret_pages, struct why *why)
{
	int err = guest_measure_pages(
		kvm->guest, PAGE_SECRETS, BOOT_SECRETS_GPA, NULL, PAGE_BYTES, why);

	if (err == 0)
		err = guest_measure_cpuid(kvm->guest, BOOT_CPUID_GPA, kvm->cpuid, why);
	*ret_pages += 2;
	return err;
}

static MUST_USE int launch_finish(
	struct mon_kvm *kvm, const struct wire_mon_config *config, struct why *why)
{
	uint32_t flags = le32_get(config->flags);
	bool has_id = (flags & MON_CONFIG_ID_BLOCK) != 0;
	struct guest_identity id = {
		.id_block = has_id ? config->id_block : NULL,
		.id_auth = has_id ? config->id_auth : NULL,
		.has_author_key = (flags & MON_CONFIG_AUTHOR_KEY) != 0,
	};

	memcpy(id.host_data, config->host_data, sizeof id.host_data);
	return guest_finish_launch(kvm->guest, &id, why);
}

int mon_launch(struct mon_kvm *kvm, const struct wire_mon_config *config, int kernel_fd,
	int initrd_fd, struct wire_launched *ret, struct why *why)
{
	bool is_protected = guest_kind(kvm->guest) != GUEST_NONE;
	struct boot_config boot_config = {
		.memory_bytes = le64_get(config->memory_bytes),
		.vcpus = le32_get(config->vcpus),
		.is_protected = is_protected,
		.cmdline = config->cmdline,
	};
	struct boot boot;
	uint64_t pages = 0;
	int err = mon_boot_init(&boot, &boot_config, kernel_fd, initrd_fd, why);

	if (err < 0)
		return err;
	uint64_t start = now_us();
	err = guest_set_private(kvm->guest, why);
	if (err == 0)
		err = guest_start_launch(kvm->guest, le64_get(config->guest_policy), why);
	if (err == 0)
		err = pieces_measure(kvm->guest, &boot, &pages, why);
	if (err == 0 && is_protected)
		err = special_measure(kvm, &pages, why);
	if (err == 0)
		err = launch_finish(kvm, config, why);
	mon_boot_done(&boot);
	if (err < 0)
		return err;
	*ret = (struct wire_launched){ .measured_pages = le64_of(pages),
		.measured_us = le64_of(now_us() - start) };
	return 0;
}
