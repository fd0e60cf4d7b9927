#include "attest/agent/agent_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define MODULES_FILE  "/etc/modules.load"
#define MODULES_BYTES 65536u /* hundreds of paths */
#define PORT_STATUS   0x604u /* docs/launch.md, "Ports of the machine" */

static const struct {
	const char *type;
	const char *at;
	unsigned long flags;
	const char *options;
	bool is_optional; /* not in every kernel */
} mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false },
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755", false },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=4m", false },
	{ "securityfs", "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, true },
	{ "configfs", "/sys/kernel/config", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, true },
};

static MUST_USE int mount_all(struct why *why)
{
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		(void)mkdir(mounts[i].at, 0755);
		if (mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags,
			    mounts[i].options) < 0 &&
			errno != EBUSY && !mounts[i].is_optional)
			return why_set(why, -errno, "cannot mount %s: %s", mounts[i].at,
				strerrordesc_np(errno));
	}
	return 0;
}

/* The kernel had no /dev/console to open for us: the initramfs holds no device nodes. */
static MUST_USE int console_open(struct why *why)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	if (fd < 0)
		return why_set(why, -errno, "neither a console nor /dev/null");
	for (int to = 0; to <= 2; to++)
		if (fd != to && dup2(fd, to) < 0)
			return -errno;
	if (fd > 2)
		(void)close(fd);
	return 0;
}

int agent_boot_start(struct why *why)
{
	/* The kernel makes variables of command line words it does not know; libraries obey some. */
	if (clearenv() != 0 || setenv("DM_DISABLE_UDEV", "1", 1) < 0)
		return -ENOMEM;
	(void)umask(077);
	int err = mount_all(why);
	return err < 0 ? err : console_open(why);
}

static MUST_USE int module_load(const char *path, struct why *why)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		return why_set(why, -errno, "module %s: %s", path, strerrordesc_np(errno));
	return 0;
}

int agent_boot_load_modules(unsigned int *ret, struct why *why)
{
	char *text = NULL;
	size_t len = 0;
	unsigned int n = 0;

	int err = fd_read_path(MODULES_FILE, MODULES_BYTES, (uint8_t **)&text, &len, NULL);
	if (err == -ENOENT) {
		*ret = 0; /* a kernel with everything built in */
		return 0;
	}
	if (err < 0)
		return why_set(why, err, MODULES_FILE ": %s", strerrordesc_np(-err));
	char *rest = text;
	for (char *line; err == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		if (line[0] == '\0' || line[0] == '#')
			continue;
		err = module_load(line, why);
		n++;
	}
	free(text);
	if (err == 0)
		*ret = n;
	return err;
}

void agent_boot_end(int status)
{
	sync();
	if (ioperm(PORT_STATUS, 1, 1) == 0)
		outb((unsigned char)status, PORT_STATUS);
	else
		log_err("the status %d cannot be reported: ioperm: %s", status,
			strerrordesc_np(errno));
	(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause(); /* a first program that ends is a kernel panic */
}
