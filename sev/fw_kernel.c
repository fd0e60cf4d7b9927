/* The seam as it ships: the system calls and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sev/fw.h"

int fw_open(int kvm_fd, int sev_fd, struct why *why)
{
	int version = fw_ioctl_int(kvm_fd, KVM_GET_API_VERSION, 0);

	(void)sev_fd;
	if (version < 0)
		return why_set(why, version, "the descriptor for /dev/kvm does not answer");
	if (version != KVM_API_VERSION)
		return why_set(why, -EPROTONOSUPPORT, "KVM API version %d, want %d", version,
			KVM_API_VERSION);
	return 0;
}

int fw_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int fw_ioctl_int(int fd, unsigned long request, unsigned long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int fw_run(int vcpu_fd)
{
	return fw_ioctl_int(vcpu_fd, KVM_RUN, 0);
}

int fw_map_run(int vcpu_fd, size_t size, struct kvm_run **ret)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

int fw_punch(int gmem_fd, uint64_t offset, uint64_t len)
{
	int ret = fallocate(
		gmem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len);

	return ret < 0 ? -errno : 0;
}

void fw_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}
