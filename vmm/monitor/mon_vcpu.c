#include "vmm/monitor/mon_vcpu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/receipt.h"
#include "sev/fw.h"

#define STACK_BYTES 65536u /* a thread loads its filter; then KVM_RUN, read and write */

/* Takes a running vCPU out of the guest; the handler itself has nothing to do. */
#define SIGNAL_KICK SIGUSR1

static void kick_taken(int signal)
{
	(void)signal;
}

/* What the loop thread wrote while the vCPU waited, it wrote before it said so. */
static void resume_wait(struct vcpu *v)
{
	eventfd_t n;

	while (eventfd_read(v->resume_fd, &n) < 0 && errno == EINTR)
		;
	(void)atomic_load(&v->is_waiting);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;

	atomic_store(&v->enter_err, v->all->ops.enter(v->all->ops.owner, &v->enter_why));
	(void)eventfd_write(v->entered_fd, 1);
	resume_wait(v);
	while (!atomic_load(&v->all->is_ending)) {
		v->run_err = fw_run(v->fd);
		if ((v->run_err == -EINTR || v->run_err == -EAGAIN) && !v->is_completing)
			continue;
		if (v->run_err == 0 && v->all->ops.serve(v->all->ops.owner, v))
			continue;
		atomic_store(&v->is_waiting, true);
		(void)eventfd_write(v->all->exits.fd, 1);
		resume_wait(v);
	}
	return NULL;
}

static void exits_fire(struct src *src, uint32_t events)
{
	struct vcpus *vs = CONTAINER_OF(src, struct vcpus, exits);
	eventfd_t n;

	(void)eventfd_read(src->fd, &n);
	for (unsigned int i = 0; i < vs->n; i++) {
		struct vcpu *v = &vs->at[i];
		if (!atomic_load(&v->is_waiting) || atomic_load(&vs->is_ending))
			continue;
		vs->ops.exited(vs->ops.owner, v);
		atomic_store(&v->is_waiting, false);
		(void)eventfd_write(v->resume_fd, 1);
	}
}

static MUST_USE int vcpu_thread_start(struct vcpu *v)
{
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err != 0)
		return -err;
	err = pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (err == 0)
		err = pthread_create(&v->thread, &attr, vcpu_main, v);
	(void)pthread_attr_destroy(&attr);
	return -err;
}

/* No thread is left outside its sandbox: wait for all, then ask each. */
static MUST_USE int threads_await(struct vcpus *vs, struct why *why)
{
	for (eventfd_t entered = 0; entered < vs->n;) {
		eventfd_t more = 0;
		if (eventfd_read(vs->entered_fd, &more) < 0 && errno != EINTR)
			return why_set(why, -errno, "cannot wait for the vCPU threads");
		entered += more;
	}
	for (unsigned int i = 0; i < vs->n; i++) {
		const struct vcpu *v = &vs->at[i];
		int err = atomic_load(&v->enter_err);
		if (err < 0)
			return why_set(why, err, "vCPU %u: %s", i, why_text(&v->enter_why, err));
	}
	receipt_note_threads(1 + vs->n);
	receipt_hold(RECEIPT_THREADS);
	return 0;
}

int mon_vcpu_start(struct vcpus *ret, struct mon_kvm *kvm, struct loop *loop,
	const struct vcpu_ops *ops, struct why *why)
{
	struct sigaction kick = { .sa_handler = kick_taken };

	*ret = (struct vcpus){
		.exits = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), exits_fire },
		.entered_fd = eventfd(0, EFD_CLOEXEC),
		.ops = *ops,
	};
	int err =
		ret->exits.fd < 0 || ret->entered_fd < 0 || sigaction(SIGNAL_KICK, &kick, NULL) < 0
			? -errno
			: loop_add(loop, &ret->exits, EPOLLIN);
	for (unsigned int i = 0; err == 0 && i < kvm->n_vcpus; i++) {
		struct vcpu *v = &ret->at[i];
		v->all = ret;
		v->id = i;
		v->fd = kvm->vcpu_fds[i];
		v->run = kvm->runs[i];
		v->entered_fd = ret->entered_fd;
		atomic_init(&v->enter_err, -EINPROGRESS);
		v->resume_fd = eventfd(0, EFD_CLOEXEC);
		err = v->resume_fd < 0 ? -errno : vcpu_thread_start(v);
		if (err == 0)
			ret->n++;
		else
			fd_drop(&v->resume_fd);
	}
	if (err < 0)
		err = why_set(why, err, "cannot make a vCPU thread: %s", strerrordesc_np(-err));
	else
		err = threads_await(ret, why);
	if (err < 0)
		mon_vcpu_stop(ret, loop);
	fd_drop(&ret->entered_fd); /* every thread has written to it, or is no more */
	return err;
}

void mon_vcpu_go(struct vcpus *vs)
{
	for (unsigned int i = 0; i < vs->n; i++)
		(void)eventfd_write(vs->at[i].resume_fd, 1);
}

/*
 * immediate_exit closes the window between "is_ending was false" and KVM_RUN; the signal takes
 * out a vCPU that is already in the guest.
 */
void mon_vcpu_stop(struct vcpus *vs, struct loop *loop)
{
	atomic_store(&vs->is_ending, true);
	for (unsigned int i = 0; i < vs->n; i++) {
		struct vcpu *v = &vs->at[i];
		__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		(void)eventfd_write(v->resume_fd, 1);
		(void)pthread_kill(v->thread, SIGNAL_KICK);
	}
	for (unsigned int i = 0; i < vs->n; i++) {
		(void)pthread_join(vs->at[i].thread, NULL);
		fd_drop(&vs->at[i].resume_fd);
	}
	vs->n = 0;
	loop_del(loop, &vs->exits);
	fd_drop(&vs->exits.fd);
}
