/* CPUID and model-specific registers. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "vmm/super/sup_host_facts.h"

#define LEAF_ENCRYPTION 0x8000001fu /* APM volume 3, E.4.17 */

/* Numbers of Linux's arch/x86/include/asm/msr-index.h. */
#define MSR_SYSCFG   0xc0010010u
#define MSR_RMP_BASE 0xc0010132u
#define MSR_RMP_END  0xc0010133u
#define MSR_KEYIDS   0x00000087u /* Intel: bits 63:32, key identifiers for TDX */

void host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret[4])
{
	memset(ret, 0, 4 * sizeof ret[0]);
	(void)__get_cpuid_count(leaf, subleaf, &ret[0], &ret[1], &ret[2], &ret[3]);
}

static void msr_read(int fd, int err, uint32_t number, struct host_num *ret)
{
	*ret = (struct host_num){ .err = err };
	if (fd >= 0 && pread(fd, &ret->v, sizeof ret->v, number) != (ssize_t)sizeof ret->v)
		*ret = (struct host_num){ .err = errno };
}

void host_look_cpu(const struct host_source *from, struct host_facts *ret)
{
	uint32_t r[4];

	from->cpuid(0, 0, r);
	memcpy(ret->vendor, &r[1], 4);
	memcpy(ret->vendor + 4, &r[3], 4);
	memcpy(ret->vendor + 8, &r[2], 4);
	ret->vendor[12] = '\0';
	from->cpuid(1, 0, r);
	ret->family = r[0] >> 8 & 0xf;
	ret->model = r[0] >> 4 & 0xf;
	ret->stepping = r[0] & 0xf;
	if (ret->family == 6 || ret->family == 15)
		ret->model |= r[0] >> 12 & 0xf0;
	if (ret->family == 15)
		ret->family += r[0] >> 20 & 0xff;
	from->cpuid(0x80000000u, 0, r);
	ret->max_extended = r[0];
	memset(ret->enc, 0, sizeof ret->enc);
	if (ret->max_extended >= LEAF_ENCRYPTION)
		from->cpuid(LEAF_ENCRYPTION, 0, ret->enc);

	AUTO(fd) int fd = openat(from->root_fd, "dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? errno : 0;
	msr_read(fd, err, MSR_SYSCFG, &ret->syscfg);
	msr_read(fd, err, MSR_RMP_BASE, &ret->rmp_base);
	msr_read(fd, err, MSR_RMP_END, &ret->rmp_end);
	msr_read(fd, err, MSR_KEYIDS, &ret->keyids);
}
