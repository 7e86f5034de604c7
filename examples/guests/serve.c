/* SPDX-License-Identifier: MIT */
/*
 * serve.c - mode=serve: what an HRT does with upcalls
 *
 * Every core gets an IDT of its own gates and waits. An upcall reads the comm page,
 * does what it says, and reports; jobs are in job.h. In synchronous mode core 0
 * stays in its upcall and looks at the ROS's three words; the upcall that ends this
 * arrives on top of it. A real page fault in the ROS's half asks the ROS for the page.
 */
#include "console.h"
#include "cpu.h"
#include "guest.h"
#include "idt.h"
#include "job.h"

#define VECTOR_GP 13
#define VECTOR_PF 14
#define LOWER_HALF_ENTRIES 256 /* of a PML4: the ROS's */
#define LAPIC_SVR 0xFEE000F0ull
#define LAPIC_ENABLED 0x100u
#define GDT_BYTES_MAX 1024
#define NOBODYS_PORT 0x1234
#define NOBODYS_GPA  0xFEC00000ull /* where PCs have an IOAPIC */

struct frame { /* as upcall.S pushes it, from its end */
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t error;
	uint64_t rip, cs, rflags, rsp, ss;
};

static struct {
	uint64_t offset;               /* gva_offset */
	const struct hvm_comm_page *page;
	volatile struct hvm_sync *sync;
	volatile bool leave_sync;
	uint64_t gdt[5];               /* see JOB_GDT */
	uint64_t numbers;              /* calls with a number */
	struct gate idt[IDT_VECTORS];
	uint8_t area[HVM_GDT_AREA_HEAD + GDT_BYTES_MAX];
} serve IN_DATA = {0};

void upcall_by_fault(void);
void upcall_by_interrupt(void);
void serve_upcall(const struct frame *frame);
void serve_fault(const struct frame *frame);

/* --- Asking the ROS ------------------------------------------------------------------------------------------- */

/* Raises an event and waits for its result; one core at a time. */
static uint64_t ask(struct hvm_event *event)
{
	while (hypercall_with(HVM_REQ_RAISE_EVENT, (uint64_t)event) == HVM_FAILED)
		cpu_pause();
	while (*(volatile const uint64_t *)&serve.page->event != HVM_EVENT_DONE)
		cpu_pause();
	hypercall_with(HVM_REQ_STATE, (uint64_t)event);
	hypercall_with(HVM_REQ_ACK_EVENT, 0);
	return event->result;
}

static uint64_t ask_for_syscall(uint64_t number)
{
	struct hvm_event event = {.type = HVM_EVENT_ROS_SYSCALL};

	event.u.syscall.args[0] = number;
	event.u.syscall.args[1] = 1;
	event.u.syscall.args[2] = 2;
	return ask(&event);
}

static void ask_for_page(const struct frame *frame, uint64_t address)
{
	struct hvm_event event = {.type = HVM_EVENT_ROS_PAGE_FAULT};

	event.u.page_fault.rip = frame->rip;
	event.u.page_fault.cr2 = address;
	event.u.page_fault.action = frame->error >> 1 & 1;
	ask(&event);
}

/* --- Jobs --------------------------------------------------------------------------------------------------------- */

static uint64_t run(const struct job *job, const struct frame *frame)
{
	switch (job->function) {
	case JOB_SYSCALL:
		return ask_for_syscall(job->argument);
	case JOB_SIGNAL:
		return hypercall_with(HVM_REQ_SIGNAL, job->argument);
	case JOB_READ:
		return *(volatile uint64_t *)job->argument;
	case JOB_SPIN:
		for (;;)
			cpu_pause();
	case JOB_GDT:
		return job->argument < 5 ? serve.gdt[job->argument] : 0;
	case JOB_FLAGS:
		return frame->rflags;
	}
	return ((uint64_t (*)(uint64_t))job->function)(job->argument);
}

static void call(uint64_t argument, const struct frame *frame)
{
	struct job *job = (struct job *)argument;

	if (argument < JOB_NUMBERS)
		__atomic_fetch_add(&serve.numbers, 1, __ATOMIC_RELAXED);
	else if (job->function == JOB_ADD)
		__atomic_fetch_add(&job->result, job->argument, __ATOMIC_SEQ_CST);
	else
		job->result = run(job, frame);
}

/* --- Upcalls ------------------------------------------------------------------------------------------------------ */

static uint64_t *pml4_of(uint64_t cr3)
{
	return (uint64_t *)(serve.offset + (cr3 & 0x000FFFFFFFFFF000));
}

/* The ROS's half of our PML4 becomes that of `cr3`, or empty. */
static void merge(uint64_t cr3)
{
	uint64_t *to = pml4_of(read_cr3()), *from = pml4_of(cr3), n = LOWER_HALF_ENTRIES;

	if (cr3)
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	else
		__asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0) : "memory");
	__asm__ volatile("mov %0, %%cr3" : : "r"(read_cr3()) : "memory");
}

/* A reset of the ROS ends synchronous mode without an upcall. */
static bool is_in_sync(void)
{
	uint64_t state = *(volatile const uint64_t *)&serve.page->state;

	return !serve.leave_sync && (state == HVM_STATE_SYNC || state == HVM_STATE_SYNCTEARDOWN);
}

/* The words are the ROS's if it is still there after they were read. */
static void stay_in_sync(volatile struct hvm_sync *sync, const struct frame *frame)
{
	uint64_t completed = sync->completed;

	serve.leave_sync = false;
	hypercall_with(HVM_REQ_DONE, 0);
	while (is_in_sync()) {
		uint64_t issued = sync->issued, argument = sync->argument;

		if (issued == completed || !is_in_sync()) {
			cpu_pause();
			continue;
		}
		call(argument, frame);
		__atomic_store_n(&sync->completed, ++completed, __ATOMIC_RELEASE);
	}
}

static void take_gdt(uint64_t core)
{
	uint16_t limit, cs;

	__builtin_memcpy(&limit, serve.area, 2);
	__builtin_memcpy(&serve.gdt[1], serve.area + 10, 8);
	__builtin_memcpy(&cs, serve.area + 18, 2);
	serve.gdt[0] = limit;
	serve.gdt[2] = core;
	serve.gdt[3] = cs;
	serve.gdt[4]++;
}

void serve_upcall(const struct frame *frame)
{
	uint64_t request = serve.page->request, first = serve.page->arguments[0], second = serve.page->arguments[1];

	switch (request) {
	case HVM_REQ_CALL:
	case HVM_REQ_PARCALL:
		call(first, frame);
		hypercall_with(HVM_REQ_DONE, 0);
		break;
	case HVM_REQ_SYNC:
		stay_in_sync((volatile struct hvm_sync *)first, frame);
		break;
	case HVM_REQ_UNSYNC:
		serve.leave_sync = true;
		hypercall_with(HVM_REQ_DONE, 0);
		break;
	case HVM_REQ_MERGE:
	case HVM_REQ_UNMERGE:
		merge(request == HVM_REQ_MERGE ? first : 0);
		hypercall_with(HVM_REQ_MERGE_DONE, 0);
		break;
	case HVM_REQ_SYNC_GDT:
	case HVM_REQ_RESTORE_GDT:
		if (request == HVM_REQ_SYNC_GDT)
			take_gdt(second);
		hypercall_with(HVM_REQ_GDT_DONE, 0);
		break;
	}
}

/* An upcall, or a fault of our own: then the ROS is asked for its page, and the instruction runs again. */
void serve_fault(const struct frame *frame)
{
	uint64_t address = read_cr2();

	if (frame->error == HVM_UPCALL_ERROR)
		serve_upcall(frame);
	else if (address < 1ull << 47)
		ask_for_page(frame, address);
	else {
		print("hrt: a fault at 0x%lx, address 0x%lx, error 0x%lx\n", frame->rip, address, frame->error);
		__asm__ volatile("ud2"); /* hvmd's null handler takes that */
	}
}

/* --- Getting ready -------------------------------------------------------------------------------------------------- */

/* Gates for upcalls of each kind; the boot IDT's null handlers report what we do not expect. */
static void make_idt(const struct hvm_info_tag *hrt)
{
	idt_copy_boot(serve.idt);
	serve.idt[VECTOR_PF] = gate_to(upcall_by_fault);
	serve.idt[VECTOR_GP] = gate_to(upcall_by_fault);
	serve.idt[hrt->hrt_int_vector] = gate_to(upcall_by_interrupt);
}

void serve_prepare(const struct core *core)
{
	const struct hvm_info_tag *hrt = core->info.hrt;

	serve.offset = hrt->gva_offset;
	serve.page = (const struct hvm_comm_page *)(hrt->gva_offset + hrt->comm_page_gpa);
	make_idt(hrt);
	if (hypercall_with(HVM_REQ_GDT_AREA, (uint64_t)serve.area))
		say(core, "FAIL the area for the GDT was refused");
}

static void enable_lapic(void)
{
	volatile uint32_t *svr = (volatile uint32_t *)(serve.offset + LAPIC_SVR);

	*svr |= LAPIC_ENABLED;
}

/* Nearly always in the middle of a read that hvmd has still to answer, when an upcall comes; it must not cost the answer. */
static _Noreturn void wait_reading(const struct core *core)
{
	for (;;) {
		uint64_t port = in32(NOBODYS_PORT), word = *(volatile uint32_t *)(serve.offset + NOBODYS_GPA);

		if (port != UINT32_MAX || word != UINT32_MAX)
			say(core, "FAIL a read was 0x%lx, 0x%lx", port, word);
	}
}

_Noreturn void serve_for_ever(struct core *core)
{
	const char *wait = info_option(&core->info, "wait=") ?: "";

	idt_load(serve.idt);
	enable_lapic();
	say(core, "serves");
	if (option_is(wait, "spin"))
		for (;;)
			__asm__ volatile("sti; pause; cli");
	if (option_is(wait, "masked"))
		for (;;)
			cpu_pause();
	if (option_is(wait, "read"))
		wait_reading(core);
	for (;;)
		__asm__ volatile("sti; hlt; cli");
}
