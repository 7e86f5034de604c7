/* floor-exit.c - see floor-exit.h */
#include "floor-exit.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/macro.h"
#include "daemon.h"

#define CODE_GPA   0x1000u
#define TABLES_GPA 0x2000u /* PML4, PDPT, and the page directory of the fourth GiB */
#define LOW_PD_GPA 0x5000u
#define SIZE       0x6000u

#define RFLAGS_IOPL_3 0x3000u /* OUT at CPL 3 */

struct floor_exit {
	enum floor_exit_kind kind;
	int kvm, vm, vcpu, event;
	struct kvm_run *area;
	size_t area_size;
	uint8_t *memory;
};

static void must(long r, const char *what)
{
	if (r < 0)
		bench_fail("floor: %s", what);
}

static void make_machine(struct floor_exit *f)
{
	struct kvm_userspace_memory_region region = {.memory_size = SIZE};

	f->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	f->vm = ioctl(f->kvm, KVM_CREATE_VM, 0);
	must(f->vm, "KVM_CREATE_VM");
	f->memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region.userspace_addr = (uintptr_t)f->memory;
	must(ioctl(f->vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	f->vcpu = ioctl(f->vm, KVM_CREATE_VCPU, 0);
	must(f->vcpu, "KVM_CREATE_VCPU");
	f->area_size = (size_t)ioctl(f->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	f->area = mmap(NULL, f->area_size, PROT_READ | PROT_WRITE, MAP_SHARED, f->vcpu, 0);
	if (f->area == MAP_FAILED)
		bench_fail("floor: the run area");
}

/* The first 2 MiB and the doorbell's 2 MiB, where they are. */
static void write_tables(struct floor_exit *f)
{
	const uint64_t flags = PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	uint64_t *pml4 = (uint64_t *)(f->memory + TABLES_GPA), *pdpt = pml4 + 512, *pd = pdpt + 512;
	uint64_t *low = (uint64_t *)(f->memory + LOW_PD_GPA);

	pml4[0] = (TABLES_GPA + 0x1000) | flags;
	pdpt[0] = LOW_PD_GPA | flags;
	pdpt[3] = (TABLES_GPA + 0x2000) | flags;
	low[0] = PTE_LARGE | flags;
	pd[HVM_DOORBELL_GPA / (2 * MiB) % 512] = (HVM_DOORBELL_GPA & ~(2 * MiB - 1)) | PTE_LARGE | flags;
}

/* A store of four bytes to the doorbell ends in an eventfd that nobody looks at. */
static void listen(struct floor_exit *f)
{
	struct kvm_ioeventfd listener = {.addr = HVM_DOORBELL_GPA, .len = 4};

	f->event = eventfd(0, EFD_CLOEXEC);
	listener.fd = f->event;
	must(ioctl(f->vm, KVM_IOEVENTFD, &listener), "KVM_IOEVENTFD");
}

static void write_code(struct floor_exit *f)
{
	/* 1: mov %edi, %eax; mov %eax, (%rsi) or out %eax, $HVM_PORT; dec %r8d; jmp 1b */
	static const uint8_t by_page[] = {0x89, 0xF8, 0x89, 0x06, 0x41, 0xFF, 0xC8, 0xEB, 0xF7};
	static const uint8_t by_port[] = {0x89, 0xF8, 0xE7, HVM_PORT, 0x41, 0xFF, 0xC8, 0xEB, 0xF7};
	/* 1: mov %r9d, %r8d; 2: mov %edi, %eax; mov %eax, (%rsi); dec %r8d; jnz 2b; out %eax, $HVM_PORT; jmp 1b */
	static const uint8_t in_a_row[] = {0x45, 0x89, 0xC8, 0x89, 0xF8, 0x89, 0x06, 0x41, 0xFF, 0xC8, 0x75, 0xF7, 0xE7, HVM_PORT,
		0xEB, 0xF0};

	if (f->kind == FLOOR_EVENTFD)
		memcpy(f->memory + CODE_GPA, in_a_row, sizeof(in_a_row));
	else
		memcpy(f->memory + CODE_GPA, f->kind == FLOOR_PAGE ? by_page : by_port, sizeof(by_page));
}

static void set_state(struct floor_exit *f)
{
	const uint8_t cpl = f->kind == FLOOR_PORT ? 0 : 3;
	struct kvm_segment code = {.limit = UINT32_MAX, .selector = (uint16_t)(0x08 | cpl), .type = 11, .present = 1, .dpl = cpl,
		.s = 1, .l = 1, .g = 1};
	struct kvm_segment data = {.limit = UINT32_MAX, .selector = (uint16_t)(0x10 | cpl), .type = 3, .present = 1, .dpl = cpl,
		.s = 1, .db = 1, .g = 1};
	struct kvm_regs regs = {.rip = CODE_GPA, .rflags = 2 | RFLAGS_IOPL_3, .rdi = HVM_HYPERCALL, .rsi = HVM_DOORBELL_GPA};
	struct kvm_sregs sregs;

	must(ioctl(f->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = data;
	sregs.cr3 = TABLES_GPA;
	sregs.cr4 = CR4_PAE;
	sregs.cr0 = CR0_PE | CR0_PG | CR0_ET;
	sregs.efer = EFER_LME | EFER_LMA;
	must(ioctl(f->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(f->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

struct floor_exit *floor_exit_start(enum floor_exit_kind kind)
{
	struct floor_exit *f = calloc(1, sizeof(*f));

	if (!f)
		bench_fail("floor: no memory");
	*f = (struct floor_exit){.kind = kind, .event = -1};
	make_machine(f);
	if (kind == FLOOR_EVENTFD)
		listen(f);
	write_tables(f);
	write_code(f);
	set_state(f);
	f->area->kvm_valid_regs = KVM_SYNC_X86_REGS;
	return f;
}

static void run(struct floor_exit *f)
{
	if (ioctl(f->vcpu, KVM_RUN, 0) < 0 || (f->area->exit_reason != KVM_EXIT_IO && f->area->exit_reason != KVM_EXIT_MMIO))
		bench_fail("floor: exit reason %u", f->area->exit_reason);
}

/* How many stores are to be made in a row is in r9d; all of them arrive. */
static void run_in_a_row(struct floor_exit *f, unsigned n)
{
	struct kvm_regs regs;
	uint64_t arrived;

	must(ioctl(f->vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	regs.r9 = n;
	must(ioctl(f->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	run(f);
	if (read(f->event, &arrived, sizeof(arrived)) != sizeof(arrived) || arrived != n)
		bench_fail("floor: not all of %u stores reached the eventfd", n);
}

double floor_exit_run(struct floor_exit *f, unsigned n)
{
	double begin = bench_now();

	if (f->kind == FLOOR_EVENTFD)
		run_in_a_row(f, n);
	else
		for (unsigned i = 0; i < n; i++)
			run(f);
	return (bench_now() - begin) / n;
}

double floor_exit_close(struct floor_exit *f)
{
	double begin = bench_now();

	munmap(f->area, f->area_size);
	close(f->vcpu);
	close(f->vm);
	begin = bench_now() - begin;
	close(f->kvm);
	if (f->event >= 0)
		close(f->event);
	munmap(f->memory, SIZE);
	free(f);
	return begin;
}
