#include "tests/unit/disk_fault.h"

#include <errno.h>

int disk_sync_error;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	if (disk_sync_error == 0)
		return __real_fdatasync(fd);
	errno = disk_sync_error;
	return -1;
}
