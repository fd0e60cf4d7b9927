#include "vmm/monitor/mon_flash.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/monitor/mon_boot.h"

#define FLASH_END BOOT_HIGH_GPA

enum { SLOT_CODE, SLOT_VARS };

/* Commands (Intel 28F640J3 data sheet, table 4); a command of no meaning goes back to the array. */
enum {
	CMD_PROGRAM = 0x10,
	CMD_PROGRAM_TOO = 0x40,
	CMD_ERASE = 0x20,
	CMD_ERASE_CONFIRM = 0xd0,
	CMD_CLEAR_STATUS = 0x50,
	CMD_READ_STATUS = 0x70,
	CMD_READ_ARRAY = 0xff,
};
#define STATUS_READY 0x80u /* nothing ever fails here */

/*
 * Only a flash that shows its status is not memory for the guest. A real one also shows it after a
 * program or an erase; OVMF does not look before it goes back to the array, and to take a slot
 * away for each of its thousands of bytes would cost seconds.
 */
static void flash_set_mode(struct flash *f, enum flash_mode mode)
{
	bool was_status = f->mode == FLASH_STATUS;
	bool is_status = mode == FLASH_STATUS;

	f->mode = mode;
	if (was_status == is_status)
		return;
	int err = f->ops.map(
		f->ops.owner, SLOT_VARS, f->vars_gpa, f->vars_size, is_status ? NULL : f->vars);
	if (err < 0)
		log_warn_seldom("flash: cannot be mapped: %s", strerrordesc_np(-err));
}

/* A flash can only clear bits; erasing sets them. */
static void vars_program(struct flash *f, uint64_t at, unsigned int len, uint64_t v)
{
	for (unsigned int i = 0; i < len; i++)
		f->vars[at + i] &= (uint8_t)(v >> (8 * i));
	f->status |= STATUS_READY;
	flash_set_mode(f, FLASH_ARRAY);
}

static void vars_erase(struct flash *f, uint64_t at)
{
	uint64_t block = at & ~(uint64_t)(FLASH_BLOCK_BYTES - 1);

	memset(f->vars + block, 0xff, FLASH_BLOCK_BYTES);
	f->status |= STATUS_READY;
	flash_set_mode(f, FLASH_ARRAY);
}

static void command_start(struct flash *f, uint8_t command)
{
	switch (command) {
	case CMD_PROGRAM:
	case CMD_PROGRAM_TOO:
		flash_set_mode(f, FLASH_PROGRAM);
		break;
	case CMD_ERASE:
		flash_set_mode(f, FLASH_ERASE);
		break;
	case CMD_CLEAR_STATUS:
		f->status = 0;
		flash_set_mode(f, FLASH_STATUS);
		break;
	case CMD_READ_STATUS:
		flash_set_mode(f, FLASH_STATUS);
		break;
	case CMD_READ_ARRAY:
	default:
		flash_set_mode(f, FLASH_ARRAY);
		break;
	}
}

static void flash_write(struct bus_dev *dev, uint64_t offset, unsigned int len, uint64_t v)
{
	struct flash *f = CONTAINER_OF(dev, struct flash, dev);

	if (f->mode == FLASH_PROGRAM)
		vars_program(f, offset, len, v);
	else if (f->mode == FLASH_ERASE && (uint8_t)v == CMD_ERASE_CONFIRM)
		vars_erase(f, offset);
	else
		command_start(f, (uint8_t)v);
}

/* KVM reads the array itself, but for a read that was under way when its slot came back. */
static uint64_t flash_read(struct bus_dev *dev, uint64_t offset, unsigned int len)
{
	const struct flash *f = CONTAINER_OF(dev, struct flash, dev);
	uint64_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint64_t)(f->mode == FLASH_STATUS ? f->status : f->vars[offset + i])
		     << (8 * i);
	return v;
}

static MUST_USE int size_check(const char *name, size_t size, struct why *why)
{
	if (num_is_aligned(size, FLASH_BLOCK_BYTES))
		return 0;
	return why_set(
		why, -EBADMSG, "%s: %zu bytes are no whole number of 4 KiB blocks", name, size);
}

/* Shared with the file: what is written here is in it, also when we are killed in the next moment. */
static MUST_USE int vars_map(struct flash *f, int fd, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return why_set(why, -errno, "firmware variables: cannot be examined");
	if (st.st_size == 0)
		return 0;
	if (st.st_size < 0 || (uint64_t)st.st_size > LIMIT_FIRMWARE_BYTES)
		return why_set(why, -EMSGSIZE, "firmware variables: %lld bytes, at most %u",
			(long long)st.st_size, LIMIT_FIRMWARE_BYTES);
	int err = size_check("firmware variables", (size_t)st.st_size, why);
	if (err < 0)
		return err;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return why_set(why, -errno, "firmware variables: cannot be mapped");
	f->vars = map;
	f->vars_size = (size_t)st.st_size;
	return 0;
}

int mon_flash_open(struct flash *ret, struct bus *bus, const struct mon_file *code, int vars_fd,
	const struct flash_ops *ops, struct why *why)
{
	*ret = (struct flash){ .dev = { flash_read, flash_write }, .ops = *ops };
	int err = mon_file_read(
		code, LIMIT_FIRMWARE_BYTES, "firmware", &ret->code, &ret->code_size, why);

	if (err == 0)
		err = size_check("firmware", ret->code_size, why);
	if (err == 0)
		err = vars_map(ret, vars_fd, why);
	if (err < 0)
		return err;
	if (ret->code_size == 0 || ret->code_size + ret->vars_size > LIMIT_FIRMWARE_BYTES)
		return why_set(why, -EBADMSG,
			"firmware: %zu bytes with %zu bytes of variables, want 1 to %u",
			ret->code_size, ret->vars_size, LIMIT_FIRMWARE_BYTES);
	uint64_t code_gpa = FLASH_END - ret->code_size;
	ret->vars_gpa = code_gpa - ret->vars_size;
	err = ops->map(ops->owner, SLOT_CODE, code_gpa, ret->code_size, ret->code);
	if (err == 0 && ret->vars_size > 0)
		err = ops->map(ops->owner, SLOT_VARS, ret->vars_gpa, ret->vars_size, ret->vars);
	if (err == 0 && ret->vars_size > 0)
		err = bus_add(bus, BUS_MMIO, ret->vars_gpa, ret->vars_size, &ret->dev);
	return err < 0 ? why_set(why, err, "firmware: cannot be mapped: %s", strerrordesc_np(-err))
		       : 0;
}

void mon_flash_close(struct flash *f)
{
	if (f->code != NULL)
		(void)munmap(f->code, f->code_size);
	if (f->vars != NULL)
		(void)munmap(f->vars, f->vars_size);
	f->code = f->vars = NULL;
}
