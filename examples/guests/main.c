/* SPDX-License-Identifier: MIT */
/*
 * main.c - the reference HRT: says who it is, what it found, and whether what
 * hvmd promises to an HRT was true
 *
 * Every core runs this at the same time. They take turns to report, core 0
 * first, and park at the end. Begin reading at guest_main().
 *
 * Tour 500: The other side: a small HRT of our own that checks each promise
 * from within and prints a verdict a line. Its lines are the assertions of
 * tests/kvm/test-hrt.c. Start from it when you write your own.
 */
#include "console.h"
#include "guest.h"

static void show_hrt_tag(const struct core *core)
{
	const struct hvm_info_tag *hrt = core->info.hrt;

	say(core, "cores %u to %u of %u, %lu kHz", hrt->first_hrt_apic_id, hrt->total_num_apics - 1,
		hrt->total_num_apics, hrt->cpu_freq_khz);
	say(core, "flags 0x%lx, 0x%lx bytes mapped at 0x%lx", hrt->hrt_flags, hrt->max_mem_mapped, hrt->gva_offset);
	say(core, "own memory from 0x%lx, boot state from 0x%lx", hrt->first_hrt_gpa, hrt->boot_state_gpa);
	say(core, "comm page 0x%lx, vector %u", hrt->comm_page_gpa, hrt->hrt_int_vector);
}

static void show_memory_map(const struct core *core)
{
	const struct info *info = &core->info;

	for (uint32_t i = 0; i < info->n_map; i++)
		say(core, "map 0x%lx + 0x%lx type %u", info->map[i].base, info->map[i].length, info->map[i].type);
}

static void show_info(const struct core *core)
{
	const struct info *info = &core->info;

	say(core, "info at 0x%lx, %u bytes, %u tags", info->gva, info->size, info->n_tags);
	if (info->loader)
		say(core, "loaded by %s", info->loader);
	if (info->cmdline)
		say(core, "command line %s", info->cmdline);
	show_hrt_tag(core);
	show_memory_map(core);
}

static void check(struct core *core)
{
	if (core->number == 0) {
		show_info(core);
		check_shared(core);
	}
	check_core(core);
	say(core, "%u promises kept, %u broken", core->kept, core->broken);
}

static void hello(const struct core *core)
{
	print("hrt core %lu (apic %lu): hello\n", core->number, core->apic);
}

_Noreturn void guest_main(const struct captured *captured)
{
	struct core core = {.captured = captured, .number = captured->rdx, .apic = captured->rcx};

	info_read(captured->rbx, &core.info);
	if (!core.info.hrt) {
		say(&core, "FAIL there is no HRT tag in the info block at 0x%lx", captured->rbx);
		park();
	}
	info_layout(&core.info, &core.layout);
	gate_wait_turn(&core);
	hello(&core);
	run_mode(&core);
	check(&core);
	gate_pass_turn(&core);
	park();
}
