#include "vmm/monitor/mon_pc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "base/wr.h"

#define OVMF_WINDOW_START 0x80000000u
#define SETUP_SECTS_AT    0x1f1u
#define SECTOR_BYTES      512u

uint32_t mon_pc_window_start(const struct mon_memory *memory)
{
	uint32_t low = (uint32_t)memory->ranges[0].size;

	return MAX(low, OVMF_WINDOW_START);
}

static void debug_say(void *owner, const char *line)
{
	log_info("firmware: %s", line);
}

static int flash_map(void *owner, unsigned int slot, uint64_t gpa, size_t size, void *host)
{
	return mon_kvm_set_rom(owner, slot, gpa, size, host);
}

/* RAM as firmware wants to know it: entries of address, size and type 1. */
static void e820_build(struct pc *pc, const struct mon_memory *memory)
{
	struct wr w = wr_of(pc->e820, sizeof pc->e820);

	for (unsigned int i = 0; i < memory->n; i++) {
		wr_le64(&w, memory->ranges[i].gpa);
		wr_le64(&w, memory->ranges[i].size);
		wr_le32(&w, 1);
	}
	mon_fwcfg_add_file(&pc->fwcfg, "etc/e820", pc->e820, w.len);
}

static void acpi_add(struct pc *pc, unsigned int vcpus, const struct mon_memory *memory)
{
	struct acpi_files *a = &pc->acpi;

	mon_acpi_build_files(a, vcpus, mon_pc_window_start(memory));
	mon_fwcfg_add_file(&pc->fwcfg, ACPI_FILE_RSDP, a->rsdp, sizeof a->rsdp);
	mon_fwcfg_add_file(&pc->fwcfg, ACPI_FILE_TABLES, a->tables, a->tables_len);
	mon_fwcfg_add_file(&pc->fwcfg, ACPI_FILE_LOADER, a->loader, sizeof a->loader);
}

/*
 * Firmware puts the image together again from setup sectors and the rest, and starts it as an EFI
 * program: that it is one, is for the firmware to judge. An image shorter than its setup is all
 * setup.
 */
static void kernel_add(struct pc *pc)
{
	struct fwcfg *f = &pc->fwcfg;
	size_t sects = pc->kernel_len > SETUP_SECTS_AT ? pc->kernel[SETUP_SECTS_AT] : 0;
	size_t setup = MIN((sects != 0 ? sects + 1 : 5) * SECTOR_BYTES, pc->kernel_len);
	size_t cmdline = strlen(pc->cmdline) + 1;

	mon_fwcfg_add_number(f, FWCFG_SETUP_SIZE, 4, (uint32_t)setup);
	mon_fwcfg_add(f, FWCFG_SETUP, pc->kernel, setup);
	mon_fwcfg_add_number(f, FWCFG_KERNEL_SIZE, 4, (uint32_t)(pc->kernel_len - setup));
	mon_fwcfg_add(f, FWCFG_KERNEL, pc->kernel + setup, pc->kernel_len - setup);
	mon_fwcfg_add_number(f, FWCFG_CMDLINE_SIZE, 4, (uint32_t)cmdline);
	mon_fwcfg_add(f, FWCFG_CMDLINE, pc->cmdline, cmdline);
	if (pc->initrd_len == 0)
		return;
	mon_fwcfg_add_number(f, FWCFG_INITRD_SIZE, 4, (uint32_t)pc->initrd_len);
	mon_fwcfg_add(f, FWCFG_INITRD, pc->initrd, pc->initrd_len);
}

static MUST_USE int files_read(struct pc *pc, const struct pc_config *config, struct why *why)
{
	int err = mon_file_read(
		&config->kernel, LIMIT_KERNEL_BYTES, "kernel", &pc->kernel, &pc->kernel_len, why);

	if (err == 0)
		err = mon_file_read(&config->initrd, LIMIT_INITRD_BYTES, "initrd", &pc->initrd,
			&pc->initrd_len, why);
	(void)snprintf(pc->cmdline, sizeof pc->cmdline, "%s", config->cmdline);
	return err;
}

static MUST_USE int ports_open(struct pc *pc, const struct pc_config *config, struct bus *bus,
	struct pci *pci, const struct mon_memory *memory)
{
	uint64_t low = memory->ranges[0].size;
	int err = mon_pm_init(&pc->pm, bus, pci, config->end, config->owner);

	if (err == 0)
		err = mon_rtc_init(&pc->rtc, bus, low, memory->size - low, config->vcpus);
	if (err == 0)
		err = mon_debug_init(&pc->debug, bus, debug_say, pc);
	if (err == 0)
		err = mon_fwcfg_init(&pc->fwcfg, bus, config->is_protected ? NULL : memory);
	return err;
}

int mon_pc_open(struct pc *ret, const struct pc_config *config, struct bus *bus, struct pci *pci,
	struct mon_kvm *kvm, const struct mon_memory *memory, struct why *why)
{
	const struct flash_ops flash_ops = { flash_map, kvm };

	memset(ret, 0, sizeof *ret);
	ret->is_open = true;
	int err = ports_open(ret, config, bus, pci, memory);
	if (err < 0)
		return err;
	err = files_read(ret, config, why);
	if (err == 0 && !config->is_protected)
		err = mon_flash_open(
			&ret->flash, bus, &config->firmware, config->vars_fd, &flash_ops, why);
	if (err < 0)
		return err;
	mon_fwcfg_add_number(&ret->fwcfg, FWCFG_VCPUS, 2, config->vcpus);
	mon_fwcfg_add_number(&ret->fwcfg, FWCFG_VCPUS_MAX, 2, config->vcpus);
	e820_build(ret, memory);
	acpi_add(ret, config->vcpus, memory);
	if (ret->kernel_len > 0)
		kernel_add(ret);
	return 0;
}

void mon_pc_close(struct pc *pc)
{
	if (!pc->is_open)
		return;
	pc->is_open = false;
	mon_flash_close(&pc->flash);
	if (pc->kernel != NULL)
		(void)munmap(pc->kernel, pc->kernel_len);
	if (pc->initrd != NULL)
		(void)munmap(pc->initrd, pc->initrd_len);
	pc->kernel = pc->initrd = NULL;
}
