/* SPDX-License-Identifier: MIT */
/*
 * modes.c - what the command line can ask for instead of the checks
 *
 * Most modes are ways to misbehave: a monitor has to get along with each. They
 * begin when all cores have said hello.
 */
#include "console.h"
#include "cpu.h"
#include "guest.h"

/*
 * Where mode=reset counts boots: in the ROS's memory, which no HRT reset puts
 * back. The ROS of such a VM is parked, so that nobody else uses it.
 */
#define BOOT_COUNTER_GPA 0x1000

#define NOTHING_PORT 0x1234
#define NOTHING_MSR  0x12345678

#define APIC_GPA   0xFEE00000
#define DEVICE_GPA 0xFEC00000 /* where PCs have an IOAPIC: never memory */

_Noreturn void park(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void spin(struct core *core)
{
	say(core, "spins");
	for (;;)
		cpu_pause();
}

static void stay_parked(struct core *core)
{
	say(core, "parks");
	park();
}

static void registers(struct core *core)
{
	gate_wait_second_turn(core);
	show_registers(core);
	gate_pass_second_turn(core);
	park();
}

/* A sum of bytes tells whether a module is whole and where it is said to be. */
static void modules(struct core *core)
{
	const struct info *info = &core->info;

	for (uint32_t i = 0; i < info->n_modules; i++) {
		const struct module *m = info->modules[i];
		const uint8_t *bytes = (const uint8_t *)(info->hrt->gva_offset + m->start);
		uint64_t sum = 0;

		for (uint32_t k = 0; k < m->end - m->start; k++)
			sum += bytes[k];
		say(core, "module %u: %u bytes, sum %lu, text %s", i, m->end - m->start, sum, m->cmdline);
	}
	park();
}

/* In registers: while it counts, not a byte of its memory changes, so that others can tell who else has changed one. */
static void count(struct core *core)
{
	uint64_t step = core->info.hrt->cpu_freq_khz * 100; /* a tenth of a second */
	uint64_t next = read_tsc() + step, counter = 0;

	say(core, "counts");
	for (;;) {
		counter++;
		__asm__ volatile("" : "+r"(counter));
		if (read_tsc() < next)
			continue;
		next += step;
		out32(HVM_PORT_HEARTBEAT, (uint32_t)counter);
	}
}

static void triple_fault(struct core *core)
{
	say(core, "an exception without an IDT comes now");
	write_idtr((struct table_register){0});
	__asm__ volatile("ud2");
}

static void touch_unmapped(struct core *core)
{
	const struct hvm_info_tag *hrt = core->info.hrt;
	uint64_t gva = hrt->gva_offset + hrt->max_mem_mapped;

	say(core, "a read of 0x%lx, which is not mapped, comes now", gva);
	(void)*(volatile uint8_t *)gva;
}

static void undefined(struct core *core)
{
	say(core, "ud2 comes now");
	__asm__ volatile("ud2");
}

/* Whatever reads a device is emulated by KVM, which does not know popcnt. */
static void unknown_to_emulators(struct core *core)
{
	const uint64_t *device = (const uint64_t *)(core->info.hrt->gva_offset + DEVICE_GPA);
	uint64_t bits;

	say(core, "popcnt of a device's register comes now");
	__asm__ volatile("popcnt (%1), %0" : "=a"(bits) : "c"(device) : "cc", "memory");
	say(core, "popcnt worked: %lu", bits);
}

/* A software KVM restarts this instruction for ever; a stock one answers -1000 itself [spec 11.3]. */
static void raw_vmcall(struct core *core)
{
	static const volatile uint64_t marker = HVM_MARKER; /* from memory: one in the code would have hvmd rewrite the call */
	uint64_t rax = HVM_HYPERCALL;

	say(core, "vmcall comes now");
	__asm__ volatile("vmcall" : "+a"(rax) : "b"(marker), "c"(HVM_REQ_NULL) : "memory");
	say(core, "vmcall answered 0x%lx", rax);
}

static void spoil(void)
{
	for (uint64_t i = 0; i < PATTERN_WORDS; i += 64)
		data_pattern[i] = 0;
	for (uint8_t *p = image_data_end; p < image_end; p += PAGE_SIZE)
		*p = 0xAA;
}

static void reset_once(struct core *core)
{
	volatile uint64_t *boots = (volatile uint64_t *)(core->info.hrt->gva_offset + BOOT_COUNTER_GPA);
	uint64_t answer;

	++*boots;
	say(core, "boot %lu", *boots);
	check_image(core);
	say(core, "%u promises kept, %u broken", core->kept, core->broken);
	if (*boots > 1)
		return;
	spoil();
	say(core, "data and bss are spoilt; asking for a reset");
	answer = hypercall_request(HVM_REQ_RESET_HRT);
	if (answer)
		say(core, "FAIL the reset was refused: 0x%lx", answer);
}

static void dirty(struct core *core)
{
	const char *value = info_option(&core->info, "pages=");
	uint64_t wanted = value ? option_number(value) : 1, done = 0;
	uint64_t offset = core->info.hrt->gva_offset;
	uint64_t page = ((uint64_t)image_end - offset + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1), used = 0;

	for (; done < wanted && page < core->layout.stacks; page += PAGE_SIZE, done++) {
		volatile uint64_t *word = (volatile uint64_t *)(offset + page);

		used += *word != 0;
		*word = page;
	}
	say(core, "dirtied %lu of %lu pages", done, wanted);
	if (used)
		say(core, "FAIL %lu of them were not zero", used);
}

/* What the definition lets an HRT do with the memory of the ROS. */
static void try_ros_memory(struct core *core)
{
	volatile uint64_t *word = (volatile uint64_t *)(core->info.hrt->gva_offset + BOOT_COUNTER_GPA);
	uint64_t before = *word;

	*word = 0x1234;
	say(core, "ros memory was 0x%lx, is 0x%lx", before, *word);
}

/* Each twice. The MSR is of a range that no vendor has; a fault would end the HRT. */
static void touch_nothing(struct core *core)
{
	const volatile uint32_t *device = (const volatile uint32_t *)(core->info.hrt->gva_offset + DEVICE_GPA);
	uint64_t port = 0, msr = 0, word = 0;

	for (unsigned i = 0; i < 2; i++) {
		port = in32(NOTHING_PORT);
		out32(NOTHING_PORT, 1);
		write_msr(NOTHING_MSR, 1);
		msr = read_msr(NOTHING_MSR);
		word = *device;
	}
	say(core, "port 0x%lx, msr 0x%lx, word 0x%lx", port, msr, word);
}

static uint64_t drawn(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
	return *state >> 11;
}

/* A hypercall with any registers: by the number and marker mostly, but none that resets or ends us. */
static void noise_call(uint64_t *state)
{
	uint64_t request = drawn(state) % 0x80;

	if (request >= HVM_REQ_RESET_ROS && request <= HVM_REQ_RESET_ALL)
		request = HVM_REQ_STATE;
	if (drawn(state) % 2)
		hvm_port_call(request, drawn(state), drawn(state));
	else
		hvm_doorbell_call((volatile uint32_t *)(HVM_GVA_OFFSET_HIGH + HVM_DOORBELL_GPA), request, drawn(state) << 12,
			drawn(state));
}

static void noise_once(const struct core *core, uint64_t *state)
{
	uint64_t offset = core->info.hrt->gva_offset, gpa = DEVICE_GPA + drawn(state) % 0x1400000;
	uint16_t port = (uint16_t)drawn(state);

	switch (drawn(state) % 8) {
	case 0:
		if (port != HVM_PORT_CONSOLE)
			out8(port, (uint8_t)drawn(state));
		break;
	case 1:
		out32(port, (uint32_t)drawn(state));
		break;
	case 2:
		in32(port);
		break;
	case 3:
		in8(port);
		break;
	case 4: /* but for the LAPIC's page, by which a core stops itself or others */
		if (gpa >> 12 != APIC_GPA >> 12)
			*(volatile uint64_t *)(offset + (gpa & ~7ull)) = drawn(state);
		break;
	case 5:
		(void)*(volatile uint32_t *)(offset + (gpa & ~3ull));
		break;
	default:
		noise_call(state);
	}
}

/* Whatever a guest can do at ports, addresses and by hypercalls, in an order that is drawn. */
static void noise(struct core *core)
{
	const char *value = info_option(&core->info, "rounds=");
	uint64_t rounds = value ? option_number(value) : 1000, state = read_tsc() + core->number;

	say(core, "makes noise from 0x%lx", state);
	for (uint64_t i = 0; i < rounds; i++)
		noise_once(core, &state);
	say(core, "made noise");
}

/* Null hypercalls in a row, and how many cycles of the TSC they took. */
static void null_calls(struct core *core)
{
	const char *value = info_option(&core->info, "rounds=");
	uint32_t left = value ? (uint32_t)option_number(value) : 1000;
	uint64_t begin = read_tsc();

	__asm__ volatile("1: mov %[number], %%eax\n"
		"outl %%eax, %[port]\n"
		"dec %[left]\n"
		"jnz 1b"
		: [left] "+r"(left)
		: [number] "r"(HVM_HYPERCALL), [port] "N"(HVM_PORT), "b"(HVM_MARKER), "c"(HVM_REQ_NULL)
		: "rax", "cc", "memory");
	say(core, "time null %lu", read_tsc() - begin);
}

static void serve(struct core *core)
{
	serve_for_ever(core);
}

static void tick(struct core *core)
{
	tick_for_ever(core);
}

static const struct mode {
	const char *word;
	void (*run)(struct core *core);
	enum { ALL_CORES, CORE_0, ONE_CORE } who; /* ONE_CORE: core=N, or the last */
} modes[] = {
	{"park", stay_parked, ALL_CORES},
	{"registers", registers, ALL_CORES},
	{"modules", modules, CORE_0},
	{"spin", spin, ALL_CORES},
	{"count", count, ALL_CORES},
	{"triple", triple_fault, ONE_CORE},
	{"unmapped", touch_unmapped, ONE_CORE},
	{"ud", undefined, ONE_CORE},
	{"emulation", unknown_to_emulators, ONE_CORE},
	{"vmcall", raw_vmcall, ONE_CORE},
	{"reset", reset_once, CORE_0},
	{"dirty", dirty, CORE_0},
	{"ros", try_ros_memory, CORE_0},
	{"noise", noise, ALL_CORES},
	{"null", null_calls, CORE_0},
	{"serve", serve, ALL_CORES},
	{"tick", tick, ALL_CORES},
	{"nothing", touch_nothing, CORE_0},
};

static bool concerns(const struct mode *mode, const struct core *core)
{
	const struct hvm_info_tag *hrt = core->info.hrt;
	const char *value = info_option(&core->info, "core=");
	uint64_t last = hrt->total_num_apics - hrt->first_hrt_apic_id - 1;

	switch (mode->who) {
	case ALL_CORES:
		return true;
	case CORE_0:
		return core->number == 0;
	case ONE_CORE:
		return core->number == (value ? option_number(value) : last);
	}
	return false;
}

static const struct mode *mode_find(const char *value)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (option_is(value, modes[i].word))
			return &modes[i];
	return NULL;
}

void run_mode(struct core *core)
{
	const char *value = info_option(&core->info, "mode=");
	const struct mode *mode;

	if (!value || option_is(value, "check"))
		return;
	mode = mode_find(value);
	if (core->number == 0 && option_is(value, "serve"))
		serve_prepare(core);
	if (core->number == 0 && option_is(value, "tick"))
		tick_prepare(core);
	gate_pass_turn(core);
	gate_wait_all(core);
	if (!mode && core->number == 0)
		say(core, "FAIL no such mode: %s", value);
	if (mode && concerns(mode, core))
		mode->run(core);
	park();
}
