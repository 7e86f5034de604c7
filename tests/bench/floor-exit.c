/* floor-exit.c - see floor-exit.h */
#include "floor-exit.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/macro.h"
#include "daemon.h"

#define CODE_GPA   0x1000u
#define TABLES_GPA 0x2000u /* PML4, PDPT, and the page directory of the fourth GiB */
#define LOW_PD_GPA 0x5000u
#define SIZE       0x6000u

struct floor_exit {
	int kvm, vm, vcpu;
	struct kvm_run *area;
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
	f->area = mmap(NULL, (size_t)ioctl(f->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, f->vcpu, 0);
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

static void write_code(struct floor_exit *f, bool user)
{
	/* 1: mov %edi, %eax; mov %eax, (%rsi) or out %eax, $HVM_PORT; dec %r8d; jmp 1b */
	static const uint8_t by_page[] = {0x89, 0xF8, 0x89, 0x06, 0x41, 0xFF, 0xC8, 0xEB, 0xF7};
	static const uint8_t by_port[] = {0x89, 0xF8, 0xE7, HVM_PORT, 0x41, 0xFF, 0xC8, 0xEB, 0xF7};

	memcpy(f->memory + CODE_GPA, user ? by_page : by_port, sizeof(by_page));
}

static void set_state(struct floor_exit *f, bool user)
{
	const uint8_t cpl = user ? 3 : 0;
	struct kvm_segment code = {.limit = UINT32_MAX, .selector = (uint16_t)(0x08 | cpl), .type = 11, .present = 1, .dpl = cpl,
		.s = 1, .l = 1, .g = 1};
	struct kvm_segment data = {.limit = UINT32_MAX, .selector = (uint16_t)(0x10 | cpl), .type = 3, .present = 1, .dpl = cpl,
		.s = 1, .db = 1, .g = 1};
	struct kvm_regs regs = {.rip = CODE_GPA, .rflags = 2, .rdi = HVM_HYPERCALL, .rsi = HVM_DOORBELL_GPA};
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

struct floor_exit *floor_exit_start(bool user)
{
	struct floor_exit *f = calloc(1, sizeof(*f));

	if (!f)
		bench_fail("floor: no memory");
	make_machine(f);
	write_tables(f);
	write_code(f, user);
	set_state(f, user);
	f->area->kvm_valid_regs = KVM_SYNC_X86_REGS;
	return f;
}

double floor_exit_run(struct floor_exit *f, unsigned n)
{
	double begin = bench_now();

	for (unsigned i = 0; i < n; i++)
		if (ioctl(f->vcpu, KVM_RUN, 0) < 0 ||
			(f->area->exit_reason != KVM_EXIT_IO && f->area->exit_reason != KVM_EXIT_MMIO))
			bench_fail("floor: exit reason %u", f->area->exit_reason);
	return (bench_now() - begin) / n;
}
