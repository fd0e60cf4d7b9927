#include "sandbox/svirt_os.h"

#include <errno.h>
#include <selinux/selinux.h>
#include <string.h>

/* One of our types, in a context that every policy with our module knows. */
#define KNOWN_LABEL "system_u:object_r:casemate_image_t:s0"

static enum svirt_host kernel_look(void)
{
	if (is_selinux_enabled() <= 0)
		return SVIRT_HOST_NONE;
	if (security_check_context_raw(KNOWN_LABEL) < 0)
		return SVIRT_HOST_NO_MODULE;
	return security_getenforce() > 0 ? SVIRT_HOST_ENFORCING : SVIRT_HOST_PERMISSIVE;
}

/* What libselinux allocated, into our size; freed. */
static MUST_USE int label_keep(char *label, char ret[LIMIT_LABEL_BYTES])
{
	size_t len = strlen(label);

	if (len > 0 && len < LIMIT_LABEL_BYTES)
		memcpy(ret, label, len + 1);
	freecon(label);
	return len == 0 ? -EBADMSG : len < LIMIT_LABEL_BYTES ? 0 : -EMSGSIZE;
}

static int kernel_read_own(char ret[LIMIT_LABEL_BYTES])
{
	char *label = NULL;

	return getcon_raw(&label) < 0 ? -errno : label_keep(label, ret);
}

static int kernel_check_label(const char *label)
{
	return security_check_context_raw(label) < 0 ? -EINVAL : 0;
}

/*
 * The program is executed under no_new_privs by a descriptor from another mount namespace; each of
 * the two makes the kernel ask for a permission of its own beside the transition.
 */
static int kernel_check_exec(const char *from, const char *to, struct why *why)
{
	static const struct {
		const char *in_class;
		const char *permission;
	} wanted[] = {
		{ "process", "transition" },
		{ "process2", "nnp_transition" },
		{ "process2", "nosuid_transition" },
	};

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		struct av_decision d = { 0 };
		security_class_t class = string_to_security_class(wanted[i].in_class);
		access_vector_t bit =
			class != 0 ? string_to_av_perm(class, wanted[i].permission) : 0;
		if (bit == 0)
			continue; /* a kernel or policy without it does not ask for it */
		if (security_compute_av_raw(from, to, class, bit, &d) < 0)
			return why_set(why, -errno,
				"cannot ask SELinux whether %s may start %s: %s", from, to,
				strerrordesc_np(errno));
		if ((d.allowed & bit) == 0)
			return why_set(why, -EACCES,
				"the SELinux policy does not let %s start %s (%s %s)", from, to,
				wanted[i].in_class, wanted[i].permission);
	}
	return 0;
}

static int kernel_read_label(int fd, char ret[LIMIT_LABEL_BYTES])
{
	char *label = NULL;

	if (fgetfilecon_raw(fd, &label) < 0)
		return errno == ENODATA ? -EOPNOTSUPP : -errno;
	return label_keep(label, ret);
}

static int kernel_write_label(int fd, const char *label)
{
	return fsetfilecon_raw(fd, label) < 0 ? -errno : 0;
}

static int kernel_set_socket_label(const char *label)
{
	return setsockcreatecon_raw(label) < 0 ? -errno : 0;
}

const struct svirt_os svirt_os_kernel = {
	.look = kernel_look,
	.read_own = kernel_read_own,
	.check_label = kernel_check_label,
	.check_exec = kernel_check_exec,
	.read_label = kernel_read_label,
	.write_label = kernel_write_label,
	.set_socket_label = kernel_set_socket_label,
};
