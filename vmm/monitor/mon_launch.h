/*
 * mon_launch: the measured launch of docs/launch.md, step by step through sev/guest.h: a kernel
 *             started directly, or firmware, for every kind of guest.
 *
 * Trust:   kernel, ramdisk and firmware are hostile files (mon_boot and mon_fwimage judge them); the
 *          owner's packet comes from the supervisor and is the secure processor's to judge.
 * Owns:    the firmware's memory and the owner's session.
 * Threads: the loop thread, before the vCPUs run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/chan.h"
#include "base/why.h"
#include "vmm/monitor/mon_file.h"
#include "vmm/monitor/mon_fwimage.h"
#include "vmm/monitor/mon_kvm.h"
#include "vmm/super/sup_proto.h"

struct launch {
	struct fwimage firmware; /* of a protected guest; map NULL: none */
	uint8_t dh[GUEST_SEV_DH_BYTES];
	uint8_t session[GUEST_SEV_SESSION_BYTES];
	uint8_t mrconfigid[GUEST_TDX_ID_BYTES];
};

/*
 * Read what belongs to the VM from its birth, firmware and the owner's session, and say in *ret_kvm
 * how to make it; both stay borrowed by it. fds are those of CONFIG. -EOPNOTSUPP with why: a guest
 * of this kind cannot start so; -EBADMSG: a file makes no sense. Before sandbox_enter(). Release with
 * mon_launch_close(), after the VM, also after a failure, and if it was never opened (all zero).
 */
MUST_USE int mon_launch_open(struct launch *ret, struct mon_kvm_config *ret_kvm,
	enum guest_kind kind, const struct wire_mon_config *config,
	const int fds[MON_FD_FIRST_DEVICE], struct why *why);
void mon_launch_close(struct launch *l);

/* What the guest starts from. */
struct launch_source {
	struct mon_file kernel, initrd; /* without firmware */
	struct fwimage_boot boot;       /* with: what firmware reads and compares with its hashes */
	const struct mon_memory *memory;
	struct chan *chan; /* to the supervisor, for the owner's secret */
};

/*
 * Build, place and measure every page and finish the launch; a SEV guest waits for its owner's secret
 * if config says so. ret says how much was measured and how long the launch commands took.
 * -ETIMEDOUT: the owner did not answer; -ECANCELED: the supervisor ended the wait; -EACCES: the owner
 * refused; else the errors of mon_boot.h, mon_fwimage.h and sev/guest.h.
 */
MUST_USE int mon_launch(struct launch *l, struct mon_kvm *kvm, const struct wire_mon_config *config,
	const struct launch_source *source, struct wire_launched *ret, struct why *why);
