/*
 * svirt: SELinux labels of a guest: a pair of MCS categories that no other running guest of this
 *        host has, contexts for its processes, labels for what they use, and their restoration.
 *
 * A pair is held by a locked journal, FOLDER/CA,CB (FOLDER: /var/lib/casemate/labels). It lists every
 * object that was relabelled, with its old label, and is on the disk before the label changes: whoever
 * finds a journal that nobody has locked (its supervisor was killed, the machine lost power) puts the
 * labels back first, then takes the pair away. Nothing else knows which pairs are in use.
 *
 * Trust:   the kernel's answers; the journal is ours alone (mode 0600, root) and checked all the same.
 * Owns:    struct svirt: pair, journal, descriptors of what is to be restored.
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "base/why.h"
#include "sandbox/role.h"

#define SVIRT_FOLDER "/var/lib/casemate/labels"

enum svirt_mode {
	SVIRT_AUTO, /* labels where SELinux is enabled and our policy module is loaded; a host that has
	                   SELinux enabled and not our module is an error, one without SELinux is none */
	SVIRT_REQUIRED, /* enabled, enforcing, our module loaded, the transition allowed; else -ENODEV */
	SVIRT_OFF, /* no labels, whatever the host has (an enforcing host then may refuse the exec) */
};

/* What a host can do: for `--plan`, `host check`, messages. */
enum svirt_host {
	SVIRT_HOST_NONE,       /* no SELinux */
	SVIRT_HOST_NO_MODULE,  /* enabled; our types are unknown */
	SVIRT_HOST_PERMISSIVE, /* enabled, our types are known, not enforcing */
	SVIRT_HOST_ENFORCING,
};
enum svirt_host svirt_look(void);

/* What an object is for; the label follows from it (policy/selinux/casemate.te). */
enum svirt_object {
	SVIRT_IMAGE,   /* writable disk, flash variables: casemate_image_t with the guest's pair */
	SVIRT_CONTENT, /* read-only disk, kernel, ramdisk, firmware: casemate_content_t:s0, shared */
	SVIRT_RAM,     /* memfd of guest memory: casemate_ram_t with the pair; nothing to restore */
	SVIRT_VTPM,    /* TPM state: casemate_vtpm_state_t with the pair */
	SVIRT_LEDGER, /* the ledger's folder and key: left as they are, must be casemate_ledger_data_t */
	SVIRT_OBJECT_COUNT
};

struct svirt; /* NULL stands for "no labels": every function below takes it and does nothing */

/*
 * Put back what dead supervisors left relabelled; then take a pair: range is "" for a fresh one or
 * "s0:cA,cB" for a static one (at most one running guest has it). *ret is NULL when there are no
 * labels to be had and mode allows that. -ENODEV with why and the fix; -EBUSY: the static pair is in
 * use; -EAGAIN: no pair is free.
 */
MUST_USE int svirt_open(enum svirt_mode mode, const char *range, const char *guest,
	struct svirt **ret, struct why *why);

/* "s0:c12,c345"; "" without labels. */
const char *svirt_range(const struct svirt *s);

/*
 * The context in which a role's program is executed: our own user and role, the row's domain, the
 * guest's pair. Checked before: known to the loaded policy, and a transition from ours. *ret is
 * svirt's own until svirt_close(); NULL without labels.
 */
MUST_USE int svirt_process_label(
	struct svirt *s, enum role role, const char **ret, struct why *why);

/*
 * The context of a process that belongs to no guest yet (the policy reader): the row's domain, our own
 * range. "" where SELinux or our module is not, or this process may not start it.
 */
MUST_USE int svirt_plain_label(enum role role, char ret[LIMIT_LABEL_BYTES], struct why *why);

/* The context sockets are made with while somebody makes them for this guest; NULL: none. */
const char *svirt_socket_label(const struct svirt *s);

/* Sockets made from here to svirt_sockets_end() carry that label (setsockcreatecon). */
MUST_USE int svirt_sockets_begin(struct svirt *s, struct why *why);
void svirt_sockets_end(struct svirt *s);

/* The same for a pipe that was made: it has its maker's whole range, which the guest has not. */
MUST_USE int svirt_label_pipe(struct svirt *s, int fd, struct why *why);

/*
 * Label what is behind fd. path is for the journal and for messages, made whole by what the kernel says
 * of fd where it is none: at restoration it must still lead to the same device and inode. Objects on
 * file systems without labels are left alone, with a log line. SVIRT_CONTENT that others use too is
 * restored when its last user has gone. -EBUSY: an image that another running guest has labelled. What
 * is behind fd is kept open, for reading, until the end.
 */
MUST_USE int svirt_relabel(
	struct svirt *s, int fd, const char *path, enum svirt_object object, struct why *why);

/* Restore, release the pair, free. Fine on NULL. What cannot be restored stays in the journal. */
void svirt_close(struct svirt *s);

/* Restore what dead supervisors left, and nothing else: `casemate host recover`. Number restored. */
MUST_USE int svirt_recover(unsigned int *ret_restored, struct why *why);
