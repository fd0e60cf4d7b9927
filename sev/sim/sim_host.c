#include "sev/sim/sim_host.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int kernel_ioctl(int fd, unsigned long request, unsigned long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static int kernel_run(int vcpu_fd)
{
	return kernel_ioctl(vcpu_fd, KVM_RUN, 0);
}

static int kernel_map_run(int vcpu_fd, size_t size, struct kvm_run **ret)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static void kernel_close(int fd)
{
	(void)close(fd);
}

const struct sim_host sim_host_kernel = {
	.ioctl = kernel_ioctl,
	.run = kernel_run,
	.map_run = kernel_map_run,
	.close = kernel_close,
};
