/* SPDX-License-Identifier: MIT */
/*
 * gate.c - cores report one after the other
 *
 * There are no interrupts to wait for, so that a core spins, and reads the time
 * to know when it has waited long enough.
 */
#include "cpu.h"
#include "guest.h"

#define PATIENCE_SECONDS 30 /* for each core in front of us: they may share one slow processor with us */
#define GUESSED_KHZ      3000000

static uint64_t turn IN_DATA = 0;

static uint64_t tsc_per_second(const struct core *core)
{
	uint64_t khz = core->info.hrt ? core->info.hrt->cpu_freq_khz : 0;

	return (khz ? khz : GUESSED_KHZ) * 1000;
}

static void wait_for_turn(const struct core *core, uint64_t wanted)
{
	uint64_t start = read_tsc();
	uint64_t patience = (wanted + 1) * PATIENCE_SECONDS * tsc_per_second(core);

	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) < wanted && read_tsc() - start < patience)
		cpu_pause();
}

void gate_wait_turn(const struct core *core)
{
	wait_for_turn(core, core->number);
}

void gate_pass_turn(const struct core *core)
{
	__atomic_store_n(&turn, core->number + 1, __ATOMIC_RELEASE);
}

static uint64_t n_cores(const struct core *core)
{
	return core->info.hrt->total_num_apics - core->info.hrt->first_hrt_apic_id;
}

void gate_wait_second_turn(const struct core *core)
{
	wait_for_turn(core, n_cores(core) + core->number);
}

void gate_pass_second_turn(const struct core *core)
{
	__atomic_store_n(&turn, n_cores(core) + core->number + 1, __ATOMIC_RELEASE);
}

void gate_wait_all(const struct core *core)
{
	wait_for_turn(core, n_cores(core));
}
