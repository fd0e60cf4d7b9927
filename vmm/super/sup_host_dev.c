/* /dev/kvm, /dev/sev, and the quoting service's socket. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "sev/abi_kvm.h"
#include "vmm/super/sup_host_facts.h"

#define QGS_SOCKET "var/run/tdx-qgs/qgs.socket" /* ABI 4.11 */

static void num_from(struct host_num *ret, int answer)
{
	*ret = answer < 0 ? (struct host_num){ .err = errno }
			  : (struct host_num){ .v = (unsigned int)answer };
}

static void look_kvm(int root, struct host_facts *ret)
{
	AUTO(fd) int fd = openat(root, "dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		ret->kvm_api = ret->vm_types = (struct host_num){ .err = errno };
		return;
	}
	num_from(&ret->kvm_api, ioctl(fd, KVM_GET_API_VERSION, 0));
	num_from(&ret->vm_types, ioctl(fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES));
}

/* A command of /dev/sev that only reads; 0, or errno with the firmware's status. ABI 2.1. */
static int psp_ask(int fd, uint32_t command, void *ret, uint32_t *ret_fw)
{
	uint64_t at = (uintptr_t)ret;
	struct abi_sev_issue issue = {
		.cmd = command,
		.data_lo = (uint32_t)at,
		.data_hi = (uint32_t)(at >> 32),
		.error = ABI_SEV_NO_FW_CALL,
	};
	int err = ioctl(fd, ABI_SEV_ISSUE_CMD, &issue) < 0 ? errno : 0;

	*ret_fw = issue.error;
	return err;
}

static void look_psp(int root, struct host_facts *ret)
{
	AUTO(fd) int fd = openat(root, "dev/sev", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		ret->sev.err = ret->snp.err = errno;
		return;
	}
	ret->sev.err = psp_ask(fd, ABI_PSP_PLATFORM_STATUS, &ret->sev.v, &ret->sev.fw);
	ret->snp.err = psp_ask(fd, ABI_PSP_SNP_PLATFORM_STATUS, &ret->snp.v, &ret->snp.fw);
}

/* Does anybody listen? Nothing is said to it. */
static void look_qgs(int root, struct host_num *ret)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/" QGS_SOCKET, root);
	bool is_there = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
	*ret = is_there ? (struct host_num){ .v = 1 } : (struct host_num){ .err = errno };
}

void host_look_devices(const struct host_source *from, struct host_facts *ret)
{
	look_kvm(from->root_fd, ret);
	look_psp(from->root_fd, ret);
	look_qgs(from->root_fd, &ret->qgs);
}
