/* SPDX-License-Identifier: MIT */
/*
 * process.c - a process of the ROS that calls the reference HRT, and checks what it is promised
 *
 * It runs at CPL 3 (process-entry.S), with the same library (examples/ros) that a
 * Linux process uses, and prints a verdict a line. The HRT runs mode=serve. Words of
 * the command line: doorbell or instruction (hypercalls go by that, not the port), page (the comm
 * page is looked at, not asked for), calls=N, and what to do instead of the checks:
 * reset, replace, linger, time, noise, spin, crash; nosync leaves synchronous mode out, and hold
 * ends the checks with a call that does not end.
 */
#include "hvm.h"
#include "job.h"

#define WINDOW        0x100000000ull /* process-entry.S: pages of each permission */
#define KERNELS       (WINDOW + 0x1000)
#define READ_ONLY     (WINDOW + 0x2000)
#define NOT_THERE     (WINDOW + 0x3000)
#define COMM_PAGE     (WINDOW + 0x4000)
#define NOT_CANONICAL 0x0001000000000000ull

#define TAG_CMDLINE 1 /* Multiboot2 Specification 2.0, 3.6 */
#define TAG_MODULE  3
#define TAG_END     0

struct tag {
	uint32_t type, size;
};

static struct hvm hvm;
static const char *cmdline = "";
static const void *module;
static size_t module_size;
static unsigned kept, broken;

/* --- Text ---------------------------------------------------------------------------------------------------- */

static void put(char c)
{
	__asm__ volatile("outb %0, %1" : : "a"(c), "d"((uint16_t)HVM_PORT_CONSOLE));
}

static void text(const char *s)
{
	while (*s)
		put(*s++);
}

static void number(uint64_t n)
{
	char digits[21], *p = digits + sizeof(digits) - 1;

	*p = 0;
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	text(p);
}

static void line(const char *before, uint64_t n, const char *after)
{
	text(before);
	number(n);
	text(after);
	put('\n');
}

static void is(const char *what, uint64_t found, uint64_t promised)
{
	text(found == promised ? "process: ok   " : "process: FAIL ");
	text(what);
	if (found != promised) {
		line(": found ", found, "");
		broken++;
	} else {
		put('\n');
		kept++;
	}
}

static void refused(const char *what, uint64_t request, uint64_t a2, uint64_t a3)
{
	is(what, hvm_request(&hvm, request, a2, a3), HVM_FAILED);
}

/* --- What we were told ------------------------------------------------------------------------------------------ */

static void read_info(const uint8_t *info)
{
	for (const struct tag *tag = (const struct tag *)(info + 8); tag->type != TAG_END;
		tag = (const struct tag *)((const uint8_t *)tag + ((tag->size + 7) & ~7u))) {
		const uint32_t *words = (const uint32_t *)(tag + 1);

		if (tag->type == TAG_CMDLINE)
			cmdline = (const char *)words;
		if (tag->type == TAG_MODULE) {
			module = (const void *)(uint64_t)words[0];
			module_size = words[1] - words[0];
		}
	}
}

/* What stands behind a word that begins so; NULL where there is none. */
static const char *option(const char *word)
{
	for (const char *p = cmdline; *p; p++) {
		const char *a = p, *b = word;

		if (p > cmdline && p[-1] != ' ')
			continue;
		while (*b && *a == *b) {
			a++;
			b++;
		}
		if (!*b)
			return a;
	}
	return NULL;
}

static uint64_t option_number(const char *word, uint64_t otherwise)
{
	const char *p = option(word);
	uint64_t n = 0;

	for (; p && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return p ? n : otherwise;
}

/* --- Calls --------------------------------------------------------------------------------------------------------- */

static struct job job;
static uint64_t n_called;

static uint64_t do_job(uint64_t function, uint64_t argument)
{
	int r;

	job = (struct job){.function = function, .argument = argument};
	r = hvm_call(&hvm, (uint64_t)&job, false);
	if (r != HVM_OK)
		line("process: FAIL a call ended with ", (uint64_t)r, "");
	return job.result;
}

/* Code of the process that the HRT runs. */
static uint64_t twice(uint64_t argument)
{
	n_called++;
	return 2 * argument;
}

static void check_calls(uint64_t n)
{
	uint64_t good = 0;

	is("a call without common memory is answered", (uint64_t)hvm_call(&hvm, 7, false), HVM_OK);
	is("address spaces are merged", (uint64_t)hvm_merge(&hvm), HVM_OK);
	is("a function of the process runs in the HRT", do_job((uint64_t)twice, 21), 42);
	for (uint64_t i = 0; i < n; i++)
		good += do_job((uint64_t)twice, i) == 2 * i;
	is("each of many calls has its result", good, n);
	is("it has written to the memory of the process", n_called, n + 1);
	job = (struct job){.function = JOB_ADD, .argument = 1};
	is("a parallel call ends", (uint64_t)hvm_call(&hvm, (uint64_t)&job, true), HVM_OK);
	line("process: cores that took part: ", job.result, "");
	is("merging again changes nothing", (uint64_t)hvm_merge(&hvm), HVM_OK);
}

static void check_sync(uint64_t n)
{
	static struct hvm_sync sync;
	static struct job one;
	uint64_t good = 0;

	is("synchronous mode begins", (uint64_t)hvm_sync_begin(&hvm, &sync), HVM_OK);
	is("it is a state", hvm_state(&hvm), HVM_STATE_SYNC);
	for (uint64_t i = 0; i < n; i++) {
		one = (struct job){.function = (uint64_t)twice, .argument = i};
		hvm_sync_call(&hvm, &sync, (uint64_t)&one);
		good += one.result == 2 * i;
	}
	is("each of many synchronous calls has its result", good, n);
	is("the HRT has counted them", sync.completed, n);
	refused("a call is refused in synchronous mode", HVM_REQ_CALL, 1, 0);
	is("synchronous mode ends, by an upcall on top of another", (uint64_t)hvm_sync_end(&hvm, &sync), HVM_OK);
	is("nothing is going on any more", hvm_state(&hvm), HVM_STATE_IDLE);
}

/* --- Events and signals ----------------------------------------------------------------------------------------------- */

static uint64_t fake_syscall(void *data, const uint64_t args[8])
{
	(void)data;
	return args[0] + args[1] + args[2];
}

static volatile uint64_t signals, last_signal;

static void on_signal(uint64_t code)
{
	signals++;
	last_signal = code;
}

static void wait_for_signals(uint64_t n)
{
	for (uint64_t i = 0; i < 100000000 && signals < n; i++)
		__asm__ volatile("pause");
}

static void check_events(void)
{
	static uint8_t stack[8192] __attribute__((aligned(16)));

	hvm.syscall = fake_syscall;
	is("the HRT gets the result of a system call", do_job(JOB_SYSCALL, 36), 39);
	is("and of another", do_job(JOB_SYSCALL, 100), 103);
	is("a signal without a handler is refused", do_job(JOB_SIGNAL, 5), HVM_FAILED);
	is("a handler is registered", (uint64_t)hvm_signal_begin(&hvm, on_signal, stack, sizeof(stack)), HVM_OK);
	is("the HRT raises a signal", do_job(JOB_SIGNAL, 0x1D), 0);
	wait_for_signals(1);
	is("it comes, once", signals, 1);
	is("with its code", last_signal, 0x1D);
	for (uint64_t i = 0; i < 20; i++) {
		do_job(JOB_SIGNAL, 100 + i);
		wait_for_signals(i + 2);
	}
	is("each of many signals comes", signals, 21);
	is("the handler is removed", (uint64_t)hvm_signal_end(&hvm), HVM_OK);
	is("then signals are refused", hvm_request(&hvm, HVM_REQ_SIGNAL, 1, 0), HVM_FAILED);
}

extern uint64_t gdt[], gdt_end[];
extern uint32_t helped; /* by the kernel, which is who has then asked */

static void check_gdt(void)
{
	is("the GDT goes to the HRT", (uint64_t)hvm_gdt_sync(&hvm, 0x12345000, 1), HVM_OK);
	is("with its limit", do_job(JOB_GDT, 0), (uint64_t)((uint8_t *)gdt_end - (uint8_t *)gdt - 1));
	is("and the FS base", do_job(JOB_GDT, 1), 0x12345000);
	is("and the core", do_job(JOB_GDT, 2), 1);
	is("and the code segment", do_job(JOB_GDT, 3), helped ? 0x08 : 0x2B);
	is("the HRT goes back to its own", (uint64_t)hvm_gdt_restore(&hvm), HVM_OK);
}

/* --- What is refused ---------------------------------------------------------------------------------------------------- */

static void check_refusals(void)
{
	refused("an unknown request is refused", 0x77, 0, 0);
	refused("a report is the HRT's", HVM_REQ_DONE, 0, 0);
	refused("an event is the HRT's to raise", HVM_REQ_RAISE_EVENT, WINDOW, 0);
	refused("an event that is not there cannot be completed", HVM_REQ_COMPLETE_EVENT, 0, 0);
	refused("synchronous mode ends only where it has begun", HVM_REQ_UNSYNC, 0, 0);
	is("a pointer to the process's memory is taken", hvm_request(&hvm, HVM_REQ_STATE, WINDOW, 0), HVM_STATE_IDLE);
	if (!helped) {
		refused("a pointer to the kernel's memory is not", HVM_REQ_STATE, KERNELS, 0);
		refused("nor one that runs into the kernel's memory", HVM_REQ_STATE, KERNELS - 8, 0);
		refused("an image is not taken from the kernel's memory", HVM_REQ_LOAD_IMAGE, KERNELS, 100);
	}
	refused("nor to what is read-only", HVM_REQ_STATE, READ_ONLY, 0);
	refused("nor to what is not there", HVM_REQ_STATE, NOT_THERE, 0);
	refused("nor to what is no address", HVM_REQ_STATE, NOT_CANONICAL, 0);
	refused("nor to the comm page, which is the HVM's", HVM_REQ_STATE, COMM_PAGE, 0);
	refused("nor one that is none", HVM_REQ_LOAD_IMAGE, WINDOW, 4096);
	refused("a handler needs memory", HVM_REQ_SIGNAL_HANDLER, NOT_THERE, WINDOW + 0x1000);
	refused("and a stack that the process can write", HVM_REQ_SIGNAL_HANDLER, WINDOW, READ_ONLY + 0x1000);
}

static void check_page(void)
{
	const volatile struct hvm_comm_page *page = (const volatile struct hvm_comm_page *)COMM_PAGE;
	uint64_t before = page->sequence;

	is("the comm page tells the state", page->state, HVM_STATE_IDLE);
	hvm_call(&hvm, 1, false);
	is("its sequence goes up, to an even number", page->sequence > before && page->sequence % 2 == 0, 1);
	is("the last call is in it", page->request, HVM_REQ_CALL);
}

static void hold(void)
{
	hvm_merge(&hvm);
	job = (struct job){.function = JOB_SPIN};
	is("a call that does not end begins", (uint64_t)hvm_call_begin(&hvm, (uint64_t)&job, false), HVM_OK);
	text("process: holds\n");
	for (;;)
		__asm__ volatile("pause");
}

static void check(void)
{
	uint64_t n = option_number("calls=", 10);

	is("the null hypercall is answered", hvm_request(&hvm, HVM_REQ_NULL, 0, 0), 0);
	check_calls(n);
	check_page();
	if (!option("nosync")) /* an HRT called by interrupts cannot leave it: they are off there */
		check_sync(n);
	check_events();
	check_gdt();
	check_refusals();
	is("address spaces are taken apart", (uint64_t)hvm_unmerge(&hvm), HVM_OK);
	if (option("hold"))
		hold();
}

/* --- Resets ---------------------------------------------------------------------------------------------------------------- */

static void wait_for_hrt(void)
{
	while (hvm_call(&hvm, 1, false) != HVM_OK)
		__asm__ volatile("pause");
}

/* In the middle of a call, whose end tells that the reset has been done: it may take no time at all, or long. */
static void reset_hrt(void)
{
	hvm_merge(&hvm);
	job = (struct job){.function = JOB_SPIN};
	is("a call that does not end begins", (uint64_t)hvm_call_begin(&hvm, (uint64_t)&job, false), HVM_OK);
	is("the HRT is reset in the middle of it", (uint64_t)hvm_reset(&hvm, HVM_REQ_RESET_HRT), HVM_OK);
	is("the call is over, and says why", (uint64_t)hvm_wait(&hvm), HVM_OUTCOME_HRT_GONE);
	wait_for_hrt();
}

static void serves_again(void)
{
	is("the HRT merges", (uint64_t)hvm_merge(&hvm), HVM_OK);
	is("the HRT serves again", do_job((uint64_t)twice, 4), 8);
}

static void reset_in_synchronous_mode(void)
{
	static struct hvm_sync sync;
	int r;

	hvm_merge(&hvm);
	is("synchronous mode begins", (uint64_t)hvm_sync_begin(&hvm, &sync), HVM_OK);
	is("the HRT is reset in it", (uint64_t)hvm_reset(&hvm, HVM_REQ_RESET_HRT), HVM_OK);
	do
		r = hvm_sync_call(&hvm, &sync, 1);
	while (r == HVM_OK);
	is("a call ends, and says why", (uint64_t)r, HVM_OUTCOME_HRT_GONE);
	wait_for_hrt();
}

static void reset_in_the_middle(void)
{
	reset_in_synchronous_mode();
	reset_hrt();
	serves_again();
}

static void replace_image(void)
{
	is("a good image is taken", (uint64_t)hvm_load_image(&hvm, module, module_size), HVM_OK);
	is("the old one runs until a reset", (uint64_t)hvm_call(&hvm, 1, false), HVM_OK);
	reset_hrt();
	serves_again();
}

/* Calls for ever, whatever somebody else does to the HRT. */
static void linger(void)
{
	text("process: lingers\n");
	for (;;)
		hvm_call(&hvm, 1, false);
}

/* --- Times, in cycles of the TSC --------------------------------------------------------------------------------------------- */

#define TIMED_NULLS  500
#define TIMED_CALLS  100
#define TIMED_MERGES 20
#define TIMED_SYNCS  1000

static uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return low | (uint64_t)high << 32;
}

static void took(const char *what, uint64_t begin, uint64_t n)
{
	uint64_t cycles = tsc() - begin;

	text("process: time ");
	text(what);
	line(" ", cycles / n, "");
}

static void time_syncs(void)
{
	static struct hvm_sync sync;
	uint64_t begin;

	hvm_sync_begin(&hvm, &sync);
	begin = tsc();
	for (unsigned i = 0; i < TIMED_SYNCS; i++)
		hvm_sync_call(&hvm, &sync, 1);
	took("sync", begin, TIMED_SYNCS);
	hvm_sync_end(&hvm, &sync);
}

static void take_times(void)
{
	uint64_t begin = tsc();

	for (unsigned i = 0; i < TIMED_NULLS; i++)
		hvm_request(&hvm, HVM_REQ_NULL, 0, 0);
	took("null", begin, TIMED_NULLS);
	begin = tsc();
	for (unsigned i = 0; i < TIMED_CALLS; i++)
		hvm_call(&hvm, 1, false);
	took("call", begin, TIMED_CALLS);
	begin = tsc();
	for (unsigned i = 0; i < TIMED_MERGES; i++)
		hvm_merge(&hvm);
	took("merge", begin, TIMED_MERGES);
	time_syncs();
}

/* --- Noise ------------------------------------------------------------------------------------------------------------------- */

static uint64_t drawn(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
	return *state >> 11;
}

/* Mostly one of ours, of some kind of permission; or any number. */
static uint64_t drawn_address(uint64_t *state)
{
	static const uint64_t places[] = {WINDOW, KERNELS, READ_ONLY, NOT_THERE, COMM_PAGE, NOT_CANONICAL, (uint64_t)&job};
	uint64_t n = drawn(state) % 8;

	return n < sizeof(places) / sizeof(places[0]) ? places[n] + drawn(state) % 4096 : drawn(state) << 11;
}

/* Any request with any arguments, but for resets of the ROS; and stores and loads where devices may be. */
static void make_noise(void)
{
	const uint64_t devices = 0xFEC00000;
	uint64_t state = tsc();

	line("process: makes noise from ", state, "");
	for (;;) {
		volatile uint32_t *device = (volatile uint32_t *)(devices + (drawn(&state) % 0x1400000 & ~3ull));
		uint64_t request = drawn(&state) % 0x80;

		if (request != HVM_REQ_RESET_ROS && request != HVM_REQ_RESET_ALL)
			hvm_request(&hvm, request, drawn_address(&state), drawn_address(&state));
		if (drawn(&state) % 4 == 0)
			*device = (uint32_t)drawn(&state);
		if (drawn(&state) % 4 == 0)
			(void)*device;
	}
}

static void spin(void)
{
	hvm_merge(&hvm);
	job = (struct job){.function = JOB_SPIN};
	line("process: the call ended with ", (uint64_t)hvm_call(&hvm, (uint64_t)&job, false), "");
	is("what it did is over", hvm_state(&hvm), HVM_STATE_IDLE);
}

static void told(void *data, const struct hvm_event *event)
{
	(void)data;
	line("process: told of event ", event->type, "");
	line("process: vector ", event->u.exception.vector, "");
}

/* The HRT jumps to where nothing is. */
static void crash(void)
{
	hvm.told = told;
	hvm_merge(&hvm);
	job = (struct job){.function = 0xFFFFFFFFFFFFF000ull};
	line("process: the call ended with ", (uint64_t)hvm_call(&hvm, (uint64_t)&job, false), "");
	hvm_serve_event(&hvm);
	refused("nobody calls what has crashed", HVM_REQ_CALL, 1, 0);
}

void process_fault(uint64_t first, uint64_t second, uint64_t cr2);

void process_fault(uint64_t first, uint64_t second, uint64_t cr2)
{
	line("process: FAIL a fault: ", first, "");
	line("process: ", second, "");
	line("process: address ", cr2, "");
}

static enum hvm_way way_by_instruction(void)
{
	uint32_t eax = 0, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx == 0x68747541 ? HVM_BY_VMMCALL : HVM_BY_VMCALL; /* "Auth", as in AMD's name */
}

void process_main(const uint8_t *info);

void process_main(const uint8_t *info)
{
	read_info(info);
	if (option("instruction"))
		hvm.way = way_by_instruction();
	if (option("doorbell")) {
		hvm.way = HVM_BY_DOORBELL;
		hvm.doorbell = (volatile uint32_t *)HVM_DOORBELL_GPA;
		is("the doorbell is there", *hvm.doorbell, HVM_DOORBELL_MAGIC);
	}
	if (option("page"))
		hvm.page = (const volatile struct hvm_comm_page *)COMM_PAGE;
	wait_for_hrt();
	if (option("reset"))
		reset_in_the_middle();
	else if (option("replace"))
		replace_image();
	else if (option("linger"))
		linger();
	else if (option("time"))
		take_times();
	else if (option("noise"))
		make_noise();
	else if (option("spin"))
		spin();
	else if (option("crash"))
		crash();
	else
		check();
	line("process: ", kept, " promises kept");
	line("process: ", broken, " broken");
}

/* What GCC may call even from freestanding code */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	void *r = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return r;
}

void *memset(void *to, int c, size_t n)
{
	void *r = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return r;
}
