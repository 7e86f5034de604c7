/* SPDX-License-Identifier: MIT */
/* cpu.h - one instruction each (Intel SDM volumes 2 and 4) */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

#include "hvm-guest-abi.h"

#define READ_REGISTER(name)                                                                                    \
	static inline uint64_t read_##name(void)                                                               \
	{                                                                                                      \
		uint64_t value;                                                                                \
                                                                                                               \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                         \
		return value;                                                                                  \
	}

READ_REGISTER(cr0)
READ_REGISTER(cr2)
READ_REGISTER(cr3)
READ_REGISTER(cr4)
READ_REGISTER(cr8)
READ_REGISTER(dr0)
READ_REGISTER(dr1)
READ_REGISTER(dr2)
READ_REGISTER(dr3)
READ_REGISTER(dr6)
READ_REGISTER(dr7)
READ_REGISTER(cs)
READ_REGISTER(ds)
READ_REGISTER(es)
READ_REGISTER(fs)
READ_REGISTER(gs)
READ_REGISTER(ss)

static inline void write_cr4(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline uint16_t read_tr(void)
{
	uint16_t value;

	__asm__ volatile("str %0" : "=m"(value));
	return value;
}

static inline uint16_t read_ldtr(void)
{
	uint16_t value;

	__asm__ volatile("sldt %0" : "=m"(value));
	return value;
}

struct table_register {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static inline struct table_register read_gdtr(void)
{
	struct table_register r;

	__asm__ volatile("sgdt %0" : "=m"(r));
	return r;
}

static inline struct table_register read_idtr(void)
{
	struct table_register r;

	__asm__ volatile("sidt %0" : "=m"(r));
	return r;
}

static inline void write_idtr(struct table_register r)
{
	__asm__ volatile("lidt %0" : : "m"(r) : "memory");
}

#define MSR_APIC_BASE      0x1B
#define MSR_SYSENTER_CS    0x174
#define MSR_SYSENTER_ESP   0x175
#define MSR_SYSENTER_EIP   0x176
#define MSR_PAT            0x277
#define MSR_EFER           0xC0000080
#define MSR_STAR           0xC0000081
#define MSR_LSTAR          0xC0000082
#define MSR_CSTAR          0xC0000083
#define MSR_SFMASK         0xC0000084
#define MSR_FS_BASE        0xC0000100
#define MSR_GS_BASE        0xC0000101
#define MSR_KERNEL_GS_BASE 0xC0000102

static inline uint64_t read_msr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr) : "memory");
}

static inline uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid read_cpuid(uint32_t leaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
	return r;
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* The registers that a hypercall takes, and may not change but for rax. */
struct hypercall {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11;
};

static inline void hypercall(struct hypercall *h)
{
	register uint64_t r8 __asm__("r8") = h->r8;
	register uint64_t r9 __asm__("r9") = h->r9;
	register uint64_t r10 __asm__("r10") = h->r10;
	register uint64_t r11 __asm__("r11") = h->r11;

	__asm__ volatile("outl %%eax, %[port]"
		: "+a"(h->rax), "+b"(h->rbx), "+c"(h->rcx), "+d"(h->rdx), "+S"(h->rsi), "+D"(h->rdi), "+r"(r8),
		"+r"(r9), "+r"(r10), "+r"(r11)
		: [port] "N"(HVM_PORT)
		: "memory");
	h->r8 = r8;
	h->r9 = r9;
	h->r10 = r10;
	h->r11 = r11;
}

/*
 * A request by the registers of the convention, all else aside. BY_INSTRUCTION is for
 * an image as Palacios has them: AMD's instruction behind the load of the marker.
 */
static inline uint64_t hypercall_with(uint64_t request, uint64_t a2)
{
#ifdef BY_INSTRUCTION
	uint64_t rax = HVM_HYPERCALL;

	__asm__ volatile("movabs $0x6464646464646464, %%rbx; vmmcall" : "+a"(rax) : "c"(request), "d"(a2) : "rbx", "memory");
	return rax;
#else
	return hvm_port_call(request, a2, 0);
#endif
}

static inline uint64_t hypercall_request(uint64_t request)
{
	return hypercall_with(request, 0);
}

#define CR4_OSFXSR 0x200u

struct fpu_state {
	uint16_t control;
	uint8_t tags; /* a bit for each register that is in use */
	uint32_t mxcsr;
};

/* FXSAVE needs not save MXCSR unless CR4.OSFXSR is on (SDM volume 1, 10.5.1; the layout: table 10-2). */
static inline struct fpu_state read_fpu(void)
{
	uint8_t area[512] __attribute__((aligned(16)));
	uint64_t cr4 = read_cr4();

	write_cr4(cr4 | CR4_OSFXSR);
	__asm__ volatile("fxsave64 %0" : "=m"(area));
	write_cr4(cr4);
	return (struct fpu_state){*(uint16_t *)area, area[4], *(uint32_t *)(area + 24)};
}

/* What an attempt to read one byte came to; entry.S knows the offsets. */
struct probe {
	uint64_t faulted; /* 0 or 1 */
	uint64_t error_code;
	uint64_t address; /* CR2 */
	uint64_t rip;
	uint64_t value;
};

/* entry.S: reads the byte at gva. With probe_fault() as handler of vector 14, a page fault is told in *ret. */
void probe_read(uint64_t gva, struct probe *ret);
extern const uint8_t probe_instruction[];
void probe_fault(void);

#endif
