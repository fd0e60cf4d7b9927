#include "sev/sev_cmd.h"

#include <errno.h>
#include <string.h>

#include "sev/abi_kvm.h"
#include "sev/abi_snp.h"
#include "sev/fw.h"
#include "sev/fw_error.h"

int sev_cmd_issue(struct guest *g, uint32_t id, void *arg, const char *what, struct why *why)
{
	struct abi_sev_cmd cmd = {
		.id = id,
		.data = (uintptr_t)arg,
		.error = ABI_SEV_NO_FW_CALL,
		.sev_fd = (uint32_t)g->sev_fd,
	};
	int err = fw_ioctl(g->vm_fd, ABI_MEMORY_ENCRYPT_OP, &cmd);

	if (err >= 0)
		return 0;
	if (err == -EIO && cmd.error != 0 && cmd.error != ABI_SEV_NO_FW_CALL)
		return why_set(why, -EREMOTEIO, "%s: the firmware says %s (0x%x)%s%s", what,
			fw_error_name(cmd.error), cmd.error,
			fw_error_usual(id, cmd.error)[0] != 0 ? "; usually: " : "",
			fw_error_usual(id, cmd.error));
	if (err == -EBUSY && id == ABI_SEV_INIT2)
		return why_set(why, err,
			"%s: every ASID of this kind is in use; end another guest, or give the "
			"kind more of them in the BIOS (minimum SEV non-ES ASID)",
			what);
	return why_set(why, err, "%s: KVM says %s", what, strerrorname_np(-err));
}

int sev_cmd_read_attr(const struct guest *g, uint64_t attr, uint64_t *ret)
{
	uint64_t value = 0;
	struct kvm_device_attr a = {
		.group = ABI_X86_GRP_SEV,
		.attr = attr,
		.addr = (uintptr_t)&value,
	};
	int err = fw_ioctl(g->kvm_fd, KVM_GET_DEVICE_ATTR, &a);

	if (err < 0)
		return err;
	*ret = value;
	return 0;
}

static const char *const type_names[] = {
	[ABI_VM_TYPE_SEV] = "SEV",
	[ABI_VM_TYPE_SEV_ES] = "SEV-ES",
	[ABI_VM_TYPE_SNP] = "SEV-SNP",
};

int sev_cmd_check_host(
	const struct guest *g, unsigned int vm_type, uint64_t vmsa_features, struct why *why)
{
	uint64_t features = 0;
	int types = fw_ioctl_int(g->kvm_fd, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES);

	if (types < 0 || (types & 1 << vm_type) == 0)
		return why_set(why, -EOPNOTSUPP,
			"this host offers no %s guests (KVM_CAP_VM_TYPES is 0x%x)",
			type_names[vm_type], types < 0 ? 0u : (unsigned int)types);
	if (g->sev_fd < 0)
		return why_set(why, -EOPNOTSUPP, "%s needs /dev/sev", type_names[vm_type]);
	if (vm_type == ABI_VM_TYPE_SEV)
		return vmsa_features == 0
			       ? 0
			       : why_set(why, -ERANGE, "VMSA features 0x%llx: a SEV guest has none",
					 (unsigned long long)vmsa_features);
	int err = sev_cmd_read_attr(g, ABI_X86_SEV_VMSA_FEATURES, &features);
	if (err < 0)
		return why_set(why, err, "cannot read the offered VMSA features");
	if ((vmsa_features & SNP_FEATURE_ACTIVE) != 0 || (vmsa_features & ~features) != 0)
		return why_set(why, -ERANGE, "VMSA features 0x%llx: this host offers 0x%llx",
			(unsigned long long)vmsa_features, (unsigned long long)features);
	return 0;
}
