/* floor.c - see floor.h */
#include "floor.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "daemon.h"

#define CODE_GPA 0x1000u
#define PAGE     4096u

static uint8_t *memory, *pristine;
static struct kvm_run *area;
static int vcpu;
static pthread_t thread;
static sem_t enter, left; /* the guest */

static void ignore(int number)
{
	(void)number;
}

static void *spin(void *data)
{
	for (;;) {
		ioctl(vcpu, KVM_RUN, 0);
		sem_post(&left);
		sem_wait(&enter);
	}
	return data;
}

static void must(long r, const char *what)
{
	if (r < 0)
		bench_fail("floor: %s", what);
}

static void make_machine(unsigned max_pages)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0);
	struct kvm_userspace_memory_region region = {.memory_size = (max_pages + 2ull) * PAGE};

	must(vm, "KVM_CREATE_VM");
	memory = mmap(NULL, region.memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pristine = mmap(NULL, region.memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)memory;
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	must(vcpu, "KVM_CREATE_VCPU");
	area = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (area == MAP_FAILED)
		bench_fail("floor: the run area");
}

static void set_registers(void)
{
	struct kvm_regs regs = {.rip = CODE_GPA, .rflags = 2};

	memcpy(&area->s.regs.regs, &regs, sizeof(regs));
	area->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

void floor_start(unsigned max_pages)
{
	struct sigaction action = {.sa_handler = ignore};
	struct kvm_sregs sregs;

	make_machine(max_pages);
	memcpy(memory + CODE_GPA, "\xEB\xFE", 2); /* jmp to itself */
	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	area->kvm_valid_regs = KVM_SYNC_X86_REGS;
	set_registers();
	sigaction(SIGUSR2, &action, NULL);
	sem_init(&enter, 0, 0);
	sem_init(&left, 0, 0);
	must(-pthread_create(&thread, NULL, spin, NULL), "a thread");
}

double floor_reset(unsigned pages)
{
	uint64_t begin = clock_nsec();

	__atomic_store_n(&area->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(thread, SIGUSR2);
	sem_wait(&left);
	for (unsigned i = 0; i < pages; i++)
		memcpy(memory + (i + 2ull) * PAGE, pristine + (i + 2ull) * PAGE, PAGE);
	set_registers();
	__atomic_store_n(&area->immediate_exit, 0, __ATOMIC_SEQ_CST);
	sem_post(&enter);
	return (double)(clock_nsec() - begin) / 1000;
}
