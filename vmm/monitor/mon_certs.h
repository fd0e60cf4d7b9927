/*
 * mon_certs: the certificate table that an SNP guest gets with its report (KVM_EXIT_SNP_REQ_CERTS,
 *            ABI 3.5), out of a file that another program keeps up to date. That program takes the
 *            write lock while it changes the file and the host's TCB; we hold a read lock from the
 *            copy until the firmware has signed the report, so the two fit.
 *
 * Trust:   the guest's address and size are checked; the file is judged anew at every request.
 * Owns:    the descriptor of the file.
 * Threads: the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cdefs.h"
#include "base/limits.h"
#include "sev/abi_kvm.h"
#include "sev/guest.h"
#include "vmm/monitor/mon_memory.h"

struct certs {
	bool has_table;
	int fd;         /* has_table */
	bool is_locked; /* a request is between its copy and its report */
	uint8_t table[LIMIT_SNP_CERTS_BYTES];
};

/* Take fd; a file that is empty now, or -1: there is no table. */
void mon_certs_init(struct certs *c, int fd);
/* Also if it was never initialised (all zero). */
void mon_certs_done(struct certs *c);

static inline bool mon_certs_has(const struct certs *c)
{
	return c->has_table;
}

/*
 * Answer a request. True: the file is locked until mon_certs_unlock(), to be called when KVM has
 * completed the exit. req->ret is 0, EAGAIN (the file is being changed, or another request has it:
 * vCPUs that take turns would keep its writer out for ever), ENOSPC (req->npages says how many), or EIO.
 */
MUST_USE bool mon_certs_serve(struct certs *c, struct guest *g, const struct mon_memory *memory,
	struct abi_req_certs *req);
void mon_certs_unlock(struct certs *c);

/* Is this a certificate table: entries inside it, a zero entry at their end? */
bool mon_certs_check(const uint8_t *table, size_t len);
