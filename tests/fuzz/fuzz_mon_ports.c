/*
 * Reaches the ports and the memory behind which firmware is served: mon_fwcfg.c with its commands
 * in RAM, mon_flash.c, mon_rtc.c, mon_pm.c, mon_debug.c, mon_pci.c. Input: records of 10 bytes: what,
 * width, where, value. What, modulo 8: 0 port written, 1 read; 2 flash written, 3 read; 4 RAM written,
 * so that commands are found there; 5 seconds pass; 6 files of these sizes as another flash; 7 from
 * now on the flash can (bit 0) not be mapped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rd.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/monitor/mon_pc.h"

#define RAM_BYTES  (16u << 20)
#define VARS_BYTES 0x2000u
#define VARS_GPA   0xffffd000u
#define TOUCHED    0x10000u /* of RAM: what is zeroed again for every input */

struct rig {
	struct bus bus;
	struct pci pci;
	struct mon_memory memory;
	struct pm pm;
	struct rtc rtc;
	struct debug debug;
	struct fwcfg fwcfg;
	struct flash flash;
	int code_fd, vars_fd, other_fd;
	bool cannot_map;
};

static time_t now_s;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	*ret = (struct timespec){ .tv_sec = now_s };
	return 0;
}

static void rig_end(void *owner, enum ended_how how) {}

static void rig_say(void *owner, const char *line)
{
	if (strlen(line) > DEBUG_LINE_BYTES)
		abort();
}

static int rig_map(void *owner, unsigned int slot, uint64_t gpa, size_t size, void *host)
{
	const struct rig *g = owner;

	return g->cannot_map ? -EINVAL : 0;
}

static void rig_open(struct rig *g)
{
	int ram = memfd_create("ram", MFD_CLOEXEC);

	g->code_fd = memfd_create("code", MFD_CLOEXEC);
	g->vars_fd = memfd_create("vars", MFD_CLOEXEC);
	g->other_fd = memfd_create("other", MFD_CLOEXEC);
	if (ftruncate(ram, RAM_BYTES) < 0 || ftruncate(g->code_fd, 0x1000) < 0 ||
		ftruncate(g->vars_fd, VARS_BYTES) < 0 ||
		mon_memory_open(&g->memory, ram, RAM_BYTES, NULL) < 0)
		abort();
}

static void rig_build(struct rig *g)
{
	static const uint8_t blob[5000] = { 1, 2, 3 };
	const struct flash_ops ops = { rig_map, g };
	const struct mon_file code = { g->code_fd, NULL };

	g->bus = (struct bus){ 0 };
	g->cannot_map = false;
	now_s = 1000;
	if (mon_pci_init(&g->pci, &g->bus, 0x80000000) < 0 ||
		mon_pm_init(&g->pm, &g->bus, &g->pci, rig_end, g) < 0 ||
		mon_rtc_init(&g->rtc, &g->bus, RAM_BYTES, 0, 1) < 0 ||
		mon_debug_init(&g->debug, &g->bus, rig_say, g) < 0 ||
		mon_fwcfg_init(&g->fwcfg, &g->bus, &g->memory) < 0 ||
		mon_flash_open(&g->flash, &g->bus, &code, g->vars_fd, &ops, NULL) < 0)
		abort();
	mon_fwcfg_add_file(&g->fwcfg, "blob", blob, sizeof blob);
}

/* Code and variables in one file each, of any size; the code is small, for it is read. */
static void flash_open(struct rig *g, uint32_t code_size, uint32_t vars_size)
{
	const struct flash_ops ops = { rig_map, g };
	const struct mon_file code = { g->other_fd, NULL };
	AUTO(fd) int vars_fd = memfd_create("vars", MFD_CLOEXEC);
	struct flash flash;
	struct bus bus = { 0 };

	if (ftruncate(g->other_fd, code_size % 0x4001) < 0 || vars_fd < 0 ||
		ftruncate(vars_fd, vars_size % (2 * LIMIT_FIRMWARE_BYTES)) < 0)
		abort();
	(void)!mon_flash_open(&flash, &bus, &code, vars_fd, &ops, NULL);
	mon_flash_close(&flash);
}

/* A port where something is, more often than not. */
static uint64_t port_of(uint32_t at)
{
	static const uint16_t ports[] = { 0x510, 0x511, 0x514, 0x518, 0x70, 0x71, 0x402, 0xcf8,
		0xcf9, 0xcfc, 0xcfe, 0xb004, 0xb008 };

	return at < ARRAY_LEN(ports) ? ports[at] : at & 0xffff;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig g;
	struct rd r = rd_of(data, size);

	if (g.memory.map == NULL)
		rig_open(&g);
	rig_build(&g);
	memset(g.memory.map, 0, TOUCHED);
	while (r.left >= 10) {
		uint8_t what = rd_u8(&r);
		unsigned int len = 1u << (rd_u8(&r) & 3);
		uint32_t at = rd_le32(&r);
		uint32_t v = rd_le32(&r);
		if ((what & 7) == 0)
			bus_write(&g.bus, BUS_IO, port_of(at), len, v);
		else if ((what & 7) == 1)
			(void)bus_read(&g.bus, BUS_IO, port_of(at), len);
		else if ((what & 7) == 2)
			bus_write(&g.bus, BUS_MMIO, VARS_GPA + at % (VARS_BYTES + 8), len, v);
		else if ((what & 7) == 3)
			(void)bus_read(&g.bus, BUS_MMIO, VARS_GPA + at % (VARS_BYTES + 8), len);
		else if ((what & 7) == 4)
			(void)!mon_memory_write(&g.memory, at % TOUCHED, &v, sizeof v);
		else if ((what & 7) == 5)
			now_s += v & 0xff;
		else if ((what & 7) == 6)
			flash_open(&g, at, v);
		else
			g.cannot_map = (v & 1) != 0;
	}
	mon_flash_close(&g.flash);
	return 0;
}
