/* SPDX-License-Identifier: MIT */
/*
 * tick.c - mode=tick: every core counts the ticks of its APIC timer, and halts in between
 *
 * It costs its host next to nothing, so that hundreds of them can run and show that they do. How fast
 * the timer is nobody tells a guest: it is measured against the TSC, for some milliseconds.
 */
#include "console.h"
#include "cpu.h"
#include "guest.h"
#include "idt.h"

#define TICK_VECTOR  0x40
#define MEASURE_MSEC 5

/* Registers of a local APIC (Intel SDM volume 3, table 11-1) */
#define APIC_GPA           0xFEE00000ull
#define APIC_EOI           0xB0
#define APIC_SPURIOUS      0xF0
#define APIC_TIMER         0x320
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_NOW     0x390
#define APIC_TIMER_DIVIDER 0x3E0

#define APIC_ENABLED       0x100u
#define APIC_MASKED        0x10000u
#define APIC_PERIODIC      0x20000u
#define APIC_DIVIDE_BY_1   0xBu

static uint64_t apic;
static struct gate idt[IDT_VECTORS];

struct interrupt_frame;

static volatile uint32_t *apic_register(unsigned offset)
{
	return (volatile uint32_t *)(apic + offset);
}

static __attribute__((interrupt)) void on_tick(struct interrupt_frame *frame)
{
	(void)frame;
	*apic_register(APIC_EOI) = 0;
}

void tick_prepare(const struct core *core)
{
	apic = core->info.hrt->gva_offset + APIC_GPA;
	idt_copy_boot(idt);
	idt[TICK_VECTOR] = gate_to(on_tick);
}

/* A core that its host has put aside meanwhile has aged by both clocks. */
static uint64_t ticks_per_second(const struct core *core)
{
	uint64_t khz = core->info.hrt->cpu_freq_khz, begin = read_tsc(), ticks;

	*apic_register(APIC_TIMER) = APIC_MASKED;
	*apic_register(APIC_TIMER_DIVIDER) = APIC_DIVIDE_BY_1;
	*apic_register(APIC_TIMER_INITIAL) = UINT32_MAX;
	while (read_tsc() - begin < khz * MEASURE_MSEC)
		cpu_pause();
	ticks = UINT32_MAX - *apic_register(APIC_TIMER_NOW);
	return ticks * khz / (read_tsc() - begin) * 1000;
}

_Noreturn void tick_for_ever(struct core *core)
{
	const char *value = info_option(&core->info, "hz=");
	uint64_t hz = value ? option_number(value) : 2, counter = 0, period;

	idt_load(idt);
	*apic_register(APIC_SPURIOUS) |= APIC_ENABLED;
	period = ticks_per_second(core) / (hz ? hz : 1);
	say(core, "ticks");
	*apic_register(APIC_TIMER) = APIC_PERIODIC | TICK_VECTOR;
	*apic_register(APIC_TIMER_INITIAL) = period < UINT32_MAX ? (uint32_t)period : UINT32_MAX;
	for (;;) {
		__asm__ volatile("sti; hlt; cli" : : : "memory");
		out32(HVM_PORT_HEARTBEAT, (uint32_t)++counter);
	}
}
