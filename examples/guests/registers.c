/* SPDX-License-Identifier: MIT */
/*
 * registers.c - every register at the first instruction, a line each, for whoever compares
 *
 * In the order of the table in [spec 4.1]. What segment registers hide cannot be
 * read from within; check-core.c and every instruction try it.
 */
#include "console.h"
#include "cpu.h"
#include "guest.h"

static void row(const struct core *core, const char *name, uint64_t value)
{
	say(core, "reg %s 0x%lx", name, value);
}

static void show_general(const struct core *core)
{
	const struct captured *c = core->captured;

	row(core, "rax", c->rax);
	row(core, "rbx", c->rbx);
	row(core, "rcx", c->rcx);
	row(core, "rdx", c->rdx);
	row(core, "rsp", (uint64_t)(c + 1));
	row(core, "rbp", c->rbp);
	row(core, "rdi", c->rdi);
	row(core, "rsi", c->rsi);
	row(core, "r8", c->r8);
	row(core, "r9", c->r9);
	row(core, "r10", c->r10);
	row(core, "r11", c->r11);
	row(core, "r12", c->r12);
	row(core, "r13", c->r13);
	row(core, "r14", c->r14);
	row(core, "r15", c->r15);
	row(core, "rflags", c->rflags);
}

static void show_control(const struct core *core)
{
	row(core, "cr0", read_cr0());
	row(core, "cr2", read_cr2());
	row(core, "cr3", read_cr3());
	row(core, "cr4", read_cr4());
	row(core, "cr8", read_cr8());
	row(core, "efer", read_msr(MSR_EFER));
	row(core, "dr0", read_dr0());
	row(core, "dr1", read_dr1());
	row(core, "dr2", read_dr2());
	row(core, "dr3", read_dr3());
	row(core, "dr6", read_dr6());
	row(core, "dr7", read_dr7());
}

static void show_msrs(const struct core *core)
{
	row(core, "star", read_msr(MSR_STAR));
	row(core, "lstar", read_msr(MSR_LSTAR));
	row(core, "sfmask", read_msr(MSR_SFMASK));
	row(core, "kernel_gs_base", read_msr(MSR_KERNEL_GS_BASE));
	row(core, "fs_base", read_msr(MSR_FS_BASE));
	row(core, "gs_base", read_msr(MSR_GS_BASE));
	row(core, "pat", read_msr(MSR_PAT));
	row(core, "apic_base", read_msr(MSR_APIC_BASE));
}

static void show_tables(const struct core *core)
{
	struct table_register idtr = read_idtr(), gdtr = read_gdtr();

	row(core, "idtr.base", idtr.base);
	row(core, "idtr.limit", idtr.limit);
	row(core, "gdtr.base", gdtr.base);
	row(core, "gdtr.limit", gdtr.limit);
	row(core, "tr", read_tr());
	row(core, "ldtr", read_ldtr());
	row(core, "cs", read_cs());
	row(core, "ds", read_ds());
	row(core, "es", read_es());
	row(core, "fs", read_fs());
	row(core, "gs", read_gs());
	row(core, "ss", read_ss());
}

static void show_fpu(const struct core *core)
{
	struct fpu_state fpu = read_fpu();

	row(core, "fcw", fpu.control);
	row(core, "ftw", fpu.tags);
	row(core, "mxcsr", fpu.mxcsr);
}

void show_registers(struct core *core)
{
	show_general(core);
	show_control(core);
	show_msrs(core);
	show_tables(core);
	show_fpu(core);
	say(core, "reg end");
}
