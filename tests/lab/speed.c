/*
 * speed: how fast this machine's /dev/kvm runs kernel code.
 *
 * Runs a counted loop at ring 0 of a throw-away 64-bit guest, longer and longer until it takes
 * MEASURE_NS, and prints instructions per second. A /dev/kvm that emulates ring 0 does a few
 * million, one in the lab some hundred million, hardware a thousand million and more.
 * Exit status: 0; 4 no usable /dev/kvm (the message says why).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
	MEASURE_NS = 50 * 1000 * 1000,
	GIVE_UP_SECONDS = 5,
	FIRST_ROUNDS = 20000,
	INSTRUCTIONS_PER_ROUND = 2,
	MEMORY_SIZE = 0x10000,
	CODE_AT = 0x1000,
	PML4_AT = 0x2000,
	PDPT_AT = 0x3000,
	PD_AT = 0x4000,
};

#define PTE_PRESENT_WRITE 0x3
#define PDE_LARGE         0x80
#define CR0_PE_PG         0x80000001
#define CR4_PAE           0x20
#define EFER_LME_LMA      0x500

/* dec %rcx; jnz back to it; hlt */
static const uint8_t loop_code[] = { 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xf4 };

static _Noreturn void give_up(const char *what)
{
	(void)fprintf(stderr, "speed: %s: %s\n", what, strerror(errno));
	exit(4);
}

static int checked(int result, const char *what)
{
	if (result < 0)
		give_up(what);
	return result;
}

static void put64(uint8_t *memory, size_t at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

static uint8_t *make_memory(int vm)
{
	uint8_t *memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		give_up("mmap");
	memcpy(memory + CODE_AT, loop_code, sizeof(loop_code));
	put64(memory, PML4_AT, PDPT_AT | PTE_PRESENT_WRITE);
	put64(memory, PDPT_AT, PD_AT | PTE_PRESENT_WRITE);
	put64(memory, PD_AT, PDE_LARGE | PTE_PRESENT_WRITE);
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
		.userspace_addr = (uintptr_t)memory,
	};
	checked(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	return memory;
}

static void enter_long_mode(int vcpu)
{
	struct kvm_sregs sregs;
	checked(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	struct kvm_segment data = code;
	data.selector = 16;
	data.type = 3;
	data.l = 0;
	data.db = 1;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= CR0_PE_PG;
	sregs.cr3 = PML4_AT;
	sregs.cr4 |= CR4_PAE;
	sregs.efer |= EFER_LME_LMA;
	checked(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Returns the nanoseconds the loop took. */
static uint64_t run_loop(int vcpu, struct kvm_run *run, uint64_t rounds)
{
	struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2, .rcx = rounds };
	checked(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	uint64_t start = now_ns();
	checked(ioctl(vcpu, KVM_RUN, NULL), "KVM_RUN");
	uint64_t took = now_ns() - start;
	if (run->exit_reason != KVM_EXIT_HLT) {
		(void)fprintf(stderr, "speed: the guest ended with exit reason %u, not with hlt\n",
			run->exit_reason);
		exit(4);
	}
	return took;
}

static void on_alarm(int signal)
{
	(void)signal; /* KVM_RUN returns with EINTR */
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &action, NULL);
	alarm(GIVE_UP_SECONDS);

	int kvm = checked(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = checked(ioctl(kvm, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	make_memory(vm);
	int vcpu = checked(ioctl(vm, KVM_CREATE_VCPU, 0UL), "KVM_CREATE_VCPU");
	int size = checked(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL), "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		give_up("mmap of the vCPU");
	enter_long_mode(vcpu);

	uint64_t rounds = FIRST_ROUNDS;
	uint64_t took = run_loop(vcpu, run, rounds);
	while (took < MEASURE_NS) {
		rounds *= took < MEASURE_NS / 8 ? 8 : 2;
		took = run_loop(vcpu, run, rounds);
	}
	double rate = (double)rounds * INSTRUCTIONS_PER_ROUND * 1e9 / (double)took;
	printf("%.0f\n", rate);
	return 0;
}
