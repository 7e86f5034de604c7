/* SPDX-License-Identifier: MIT */
/*
 * check-core.c - what each core is promised for itself: registers, stack, CPUID,
 * hypercalls, faults
 *
 * [spec N.M] is the Palacios HVM specification; the values are those that hvmd
 * loads (4.1, right-hand column).
 */
#include "cpu.h"
#include "guest.h"

#define APIC_BASE         0xFEE00000ull
#define APIC_BASE_ENABLED 0x800ull
#define APIC_BASE_BSP     0x100ull
#define APIC_ID_REGISTER  0x20

static void check_special_registers(struct core *core)
{
	const struct captured *c = core->captured;
	const struct hvm_info_tag *hrt = core->info.hrt;
	uint64_t rsp = (uint64_t)(c + 1);
	uint64_t top = hrt->gva_offset + core->layout.info - core->number * core->layout.stack_size;

	promise_equal(core, "rax holds the magic", c->rax, HVM_BOOT_MAGIC);
	promise_equal(core, "rbx points at the info block", c->rbx, hrt->gva_offset + core->layout.info);
	promise_equal(core, "rcx is the APIC id", c->rcx, read_cpuid(1).ebx >> 24);
	promise_equal(core, "rdx numbers the core within the HRT", c->rdx, c->rcx - hrt->first_hrt_apic_id);
	promise_equal(core, "rsp is 16 below the top of the stack", rsp, top - 16);
	promise_equal(core, "rbp is 8 below the top of the stack", c->rbp, top - 8);
	promise_equal(core, "the word at rsp is poisoned", *(const uint64_t *)rsp, ~0ull);
	promise_equal(core, "the word at rbp is poisoned", *(const uint64_t *)(rsp + 8), ~0ull);
}

static void check_zero_registers(struct core *core)
{
	const struct captured *c = core->captured;

	promise_equal(core, "rsi is 0", c->rsi, 0);
	promise_equal(core, "rdi is 0", c->rdi, 0);
	promise_equal(core, "r8 is 0", c->r8, 0);
	promise_equal(core, "r9 is 0", c->r9, 0);
	promise_equal(core, "r10 is 0", c->r10, 0);
	promise_equal(core, "r11 is 0", c->r11, 0);
	promise_equal(core, "r12 is 0", c->r12, 0);
	promise_equal(core, "r13 is 0", c->r13, 0);
	promise_equal(core, "r14 is 0", c->r14, 0);
	promise_equal(core, "r15 is 0", c->r15, 0);
	promise_equal(core, "rflags has interrupts off", c->rflags, 0x2);
}

static void check_control_registers(struct core *core)
{
	promise_equal(core, "cr0 is 0x80010033", read_cr0(), 0x80010033);
	promise_equal(core, "cr2 is 0", read_cr2(), 0);
	promise_equal(core, "cr3 points at the page tables", read_cr3(), core->layout.page_tables);
	promise_equal(core, "cr4 is 0xb0", read_cr4(), 0xB0);
	promise_equal(core, "cr8 is 0", read_cr8(), 0);
	promise_equal(core, "efer is 0xd00", read_msr(MSR_EFER), 0xD00);
	promise_equal(core, "dr0 to dr3 are 0", read_dr0() | read_dr1() | read_dr2() | read_dr3(), 0);
	promise_equal(core, "dr6 is 0xffff0ff0", read_dr6(), 0xFFFF0FF0);
	promise_equal(core, "dr7 is 0x400", read_dr7(), 0x400);
}

static void check_segments(struct core *core)
{
	promise_equal(core, "cs is 0x8", read_cs(), 0x8);
	promise_equal(core, "ds is 0x10", read_ds(), 0x10);
	promise_equal(core, "es is 0x10", read_es(), 0x10);
	promise_equal(core, "fs is 0x10", read_fs(), 0x10);
	promise_equal(core, "gs is 0x10", read_gs(), 0x10);
	promise_equal(core, "ss is 0x10", read_ss(), 0x10);
	promise_equal(core, "the privilege level is 0", read_cs() & 3, 0);
	promise_equal(core, "tr is 0x18", read_tr(), 0x18);
	promise_equal(core, "ldtr is 0", read_ldtr(), 0);
}

static void check_table_registers(struct core *core)
{
	uint64_t offset = core->info.hrt->gva_offset;
	struct table_register gdtr = read_gdtr(), idtr = read_idtr();

	promise_equal(core, "gdtr points at the GDT", gdtr.base, offset + core->layout.gdt);
	promise_equal(core, "gdtr limit is 0x27", gdtr.limit, 0x27);
	promise_equal(core, "idtr points at the IDT", idtr.base, offset + core->layout.idt);
	promise_equal(core, "idtr limit is 0xfff", idtr.limit, 0xFFF);
}

static void check_msrs(struct core *core)
{
	uint64_t apic_base = APIC_BASE | APIC_BASE_ENABLED | (core->number == 0 ? APIC_BASE_BSP : 0);

	promise_equal(core, "fs base is 0", read_msr(MSR_FS_BASE), 0);
	promise_equal(core, "gs base is 0", read_msr(MSR_GS_BASE), 0);
	promise_equal(core, "kernel gs base is 0", read_msr(MSR_KERNEL_GS_BASE), 0);
	promise_equal(core, "star is 0", read_msr(MSR_STAR), 0);
	promise_equal(core, "lstar is 0", read_msr(MSR_LSTAR), 0);
	promise_equal(core, "cstar is 0", read_msr(MSR_CSTAR), 0);
	promise_equal(core, "sfmask is 0", read_msr(MSR_SFMASK), 0);
	promise_equal(core, "sysenter cs is 0", read_msr(MSR_SYSENTER_CS), 0);
	promise_equal(core, "sysenter esp is 0", read_msr(MSR_SYSENTER_ESP), 0);
	promise_equal(core, "sysenter eip is 0", read_msr(MSR_SYSENTER_EIP), 0);
	promise_equal(core, "pat is as after power-on", read_msr(MSR_PAT), 0x0007040600070406);
	promise_equal(core, "the APIC is on, the boot flag on core 0 only", read_msr(MSR_APIC_BASE), apic_base);
}

static void check_fpu(struct core *core)
{
	struct fpu_state fpu = read_fpu();

	promise_equal(core, "fpu control word is 0x37f", fpu.control, 0x37F);
	promise_equal(core, "the fpu stack is empty", fpu.tags, 0);
	promise_equal(core, "mxcsr is 0x1f80", fpu.mxcsr, 0x1F80);
}

static void check_cpuid(struct core *core)
{
	struct cpuid features = read_cpuid(1), signature = read_cpuid(HVM_CPUID_SIGNATURE);
	struct cpuid us = read_cpuid(HVM_CPUID_ABI);
	bool has_topology = read_cpuid(0).eax >= 0xB;

	promise_equal(core, "cpuid 1 has the APIC id", features.ebx >> 24, core->apic);
	promise_equal(core, "cpuid 0xb has it too", has_topology ? read_cpuid(0xB).edx : core->apic, core->apic);
	promise(core, "cpuid offers an APIC", features.edx & 1u << 9);
	promise(core, "cpuid offers no x2APIC", !(features.ecx & 1u << 21));
	promise(core, "cpuid is signed hvmd",
		signature.ebx == HVM_CPUID_NAME && signature.ecx == HVM_CPUID_NAME && signature.edx == HVM_CPUID_NAME);
	promise_equal(core, "cpuid has the leaf of the comm page", signature.eax, HVM_CPUID_PAGE);
	promise_equal(core, "cpuid has the hypercall port", us.eax, HVM_PORT);
	promise_equal(core, "cpuid has the doorbell", us.ebx, HVM_DOORBELL_GPA);
	promise_equal(core, "cpuid calls us an HRT", us.ecx, HVM_CPUID_ROLE_HRT);
	promise_equal(core, "cpuid has the ABI version", us.edx, HVM_ABI_VERSION);
}

static void check_apic(struct core *core)
{
	volatile uint32_t *id = (volatile uint32_t *)(core->info.hrt->gva_offset + APIC_BASE + APIC_ID_REGISTER);

	promise_equal(core, "the local APIC has the APIC id", *id >> 24, core->apic);
}

static bool keeps_registers(void)
{
	struct hypercall h = {HVM_HYPERCALL, HVM_MARKER, HVM_REQ_NULL, 2, 3, 4, 8, 9, 10, 11};

	hypercall(&h);
	return h.rbx == HVM_MARKER && h.rcx == HVM_REQ_NULL && h.rdx == 2 && h.rsi == 3 && h.rdi == 4 && h.r8 == 8 &&
		h.r9 == 9 && h.r10 == 10 && h.r11 == 11;
}

static void check_hypercalls(struct core *core)
{
	struct hypercall unmarked = {.rax = HVM_HYPERCALL, .rbx = HVM_MARKER + 1, .rcx = HVM_REQ_NULL};
	struct hypercall unknown = {.rax = HVM_HYPERCALL + 1, .rbx = HVM_MARKER, .rcx = HVM_REQ_NULL};

	hypercall(&unmarked);
	hypercall(&unknown);
	promise_equal(core, "the null hypercall answers 0", hypercall_request(HVM_REQ_NULL), 0);
	promise(core, "a hypercall keeps all registers but rax", keeps_registers());
	promise_equal(core, "an unknown request fails", hypercall_request(0x7777), HVM_FAILED);
	promise_equal(core, "a request without the marker fails", unmarked.rax, HVM_FAILED);
	promise_equal(core, "an unknown hypercall fails", unknown.rax, HVM_FAILED);
}

/* A hypercall by a store, from whatever privilege level has the page. */
static void check_doorbell(struct core *core)
{
	volatile uint32_t *doorbell = (volatile uint32_t *)(core->info.hrt->gva_offset + HVM_DOORBELL_GPA);

	promise_equal(core, "the doorbell can be found", *doorbell, HVM_DOORBELL_MAGIC);
	promise_equal(core, "a hypercall by the doorbell is answered", hvm_doorbell_call(doorbell, HVM_REQ_STATE, 0, 0),
		HVM_STATE_IDLE);
	promise_equal(core, "an unknown request by it fails", hvm_doorbell_call(doorbell, 0x7777, 0, 0), HVM_FAILED);
}

static void check_ports(struct core *core)
{
	promise_equal(core, "an unknown port reads all ones", in32(0x5A5A), 0xFFFFFFFF);
	promise_equal(core, "a single byte of it too", in8(0x5A5A), 0xFF);
}

struct gate {
	uint64_t low, high;
};

static struct gate trap_gate(uint64_t handler)
{
	return (struct gate){
		.low = (handler & 0xFFFF) | 0x00008F0000080000ull | ((handler >> 16 & 0xFFFF) << 48),
		.high = handler >> 32,
	};
}

/* Reads a byte with an IDT of our own, which is the boot IDT up to vector 13 and our handler for 14. */
static void probe(uint64_t gva, struct probe *ret)
{
	struct table_register boot = read_idtr();
	const struct gate *gates = (const struct gate *)boot.base;
	struct gate own[15];

	for (unsigned i = 0; i < 14; i++)
		own[i] = gates[i];
	own[14] = trap_gate((uint64_t)probe_fault);
	write_idtr((struct table_register){.limit = sizeof(own) - 1, .base = (uint64_t)own});
	probe_read(gva, ret);
	write_idtr(boot);
}

static void check_faults(struct core *core)
{
	const struct hvm_info_tag *hrt = core->info.hrt;
	uint64_t beyond = hrt->gva_offset + hrt->max_mem_mapped;
	struct probe p = {0};

	probe(beyond - 1, &p);
	promise_equal(core, "the last mapped byte can be read", p.faulted, 0);
	probe(beyond, &p);
	promise_equal(core, "the byte after it faults", p.faulted, 1);
	promise_equal(core, "the fault names the address", p.address, beyond);
	promise_equal(core, "the fault names the instruction", p.rip, (uint64_t)probe_instruction);
	promise_equal(core, "the fault was a read, of nothing present", p.error_code, 0);
}

void check_core(struct core *core)
{
	check_special_registers(core);
	check_zero_registers(core);
	check_control_registers(core);
	check_segments(core);
	check_table_registers(core);
	check_msrs(core);
	check_fpu(core);
	check_cpuid(core);
	check_apic(core);
	check_hypercalls(core);
	check_doorbell(core);
	check_ports(core);
	check_faults(core);
}
