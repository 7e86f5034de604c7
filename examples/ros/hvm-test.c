/* SPDX-License-Identifier: MIT */
/*
 * hvm-test.c - a Linux process in the ROS that calls the reference HRT (mode=serve) and says how long that takes
 *
 *	hvm-test [--doorbell | --instruction] [--page] [--calls=N] [--reset]
 *
 * Each line is a verdict or a time; the exit status is 0 when all was as promised.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hvm.h"
#include "job.h"

static struct hvm hvm;
static unsigned broken;

static void is(const char *what, uint64_t found, uint64_t promised)
{
	if (found == promised) {
		printf("ok   %s\n", what);
		return;
	}
	printf("FAIL %s: found %" PRIu64 ", promised %" PRIu64 "\n", what, found, promised);
	broken++;
}

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void took(const char *what, uint64_t since, uint64_t n)
{
	printf("time %s: %" PRIu64 " ns each of %" PRIu64 "\n", what, n ? (now_nsec() - since) / n : 0, n);
}

/* Run by the HRT, in kernel mode, on this process's memory: no library, no system calls, no SSE. */
__attribute__((target("general-regs-only"))) static uint64_t twice(uint64_t argument)
{
	return 2 * argument;
}

static struct job job;

static uint64_t do_job(uint64_t function, uint64_t argument)
{
	job = (struct job){.function = function, .argument = argument};
	if (hvm_call(&hvm, (uint64_t)&job, false) != HVM_OK)
		broken++;
	return job.result;
}

static void call_many(uint64_t n)
{
	uint64_t good = 0, begin = now_nsec();

	for (uint64_t i = 0; i < n; i++)
		good += do_job((uint64_t)twice, i) == 2 * i;
	took("asynchronous call", begin, n);
	is("each asynchronous call has its result", good, n);
	job = (struct job){.function = JOB_ADD, .argument = 1};
	is("a parallel call ends", (uint64_t)hvm_call(&hvm, (uint64_t)&job, true), HVM_OK);
	printf("HRT cores that took part: %" PRIu64 "\n", job.result);
}

static void call_many_in_sync(uint64_t n)
{
	static struct hvm_sync sync;
	uint64_t good = 0, begin;

	is("synchronous mode begins", (uint64_t)hvm_sync_begin(&hvm, &sync), HVM_OK);
	begin = now_nsec();
	for (uint64_t i = 0; i < n; i++) {
		job = (struct job){.function = (uint64_t)twice, .argument = i};
		hvm_sync_call(&hvm, &sync, (uint64_t)&job);
		good += job.result == 2 * i;
	}
	took("synchronous call", begin, n);
	is("each synchronous call has its result", good, n);
	is("synchronous mode ends", (uint64_t)hvm_sync_end(&hvm, &sync), HVM_OK);
}

static volatile uint64_t signals;

static void on_signal(uint64_t code)
{
	signals += code == 7;
}

static void check_events(void)
{
	uint8_t *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	uint64_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	is("the HRT gets the result of getpid()", do_job(JOB_SYSCALL, SYS_getpid), (uint64_t)getpid());
	hvm_merge(&hvm);
	is("the HRT reads a page that was not there yet", do_job(JOB_READ, (uint64_t)page), 0);
	is("a signal handler is registered", (uint64_t)hvm_signal_begin(&hvm, on_signal, stack, 65536), HVM_OK);
	is("the HRT raises a signal", do_job(JOB_SIGNAL, 7), 0);
	for (uint64_t end = now_nsec() + 5000000000; signals == 0 && now_nsec() < end;)
		;
	is("it comes", signals, 1);
	is("the handler is removed", (uint64_t)hvm_signal_end(&hvm), HVM_OK);
}

static void reset_in_the_middle(void)
{
	job = (struct job){.function = JOB_SPIN};
	is("a call that does not end begins", (uint64_t)hvm_call_begin(&hvm, (uint64_t)&job, false), HVM_OK);
	is("the HRT is reset", (uint64_t)hvm_reset(&hvm, HVM_REQ_RESET_HRT), HVM_OK);
	is("the call is over, and says why", (uint64_t)hvm_wait(&hvm), HVM_OUTCOME_HRT_GONE);
	while (hvm_call(&hvm, 1, false) != HVM_OK)
		usleep(1000);
	is("address spaces are merged again", (uint64_t)hvm_merge(&hvm), HVM_OK);
	is("and a call has its result", do_job((uint64_t)twice, 4), 8);
}

static void merge(void)
{
	uint64_t begin = now_nsec();

	is("address spaces are merged", (uint64_t)hvm_merge(&hvm), HVM_OK);
	took("merge", begin, 1);
	begin = now_nsec();
	for (unsigned i = 0; i < 1000; i++)
		hvm_request(&hvm, HVM_REQ_NULL, 0, 0);
	took("null hypercall", begin, 1000);
}

int main(int argc, char **argv)
{
	int (*open_way)(struct hvm *h) = hvm_open_port;
	bool page = false, reset = false;
	uint64_t calls = 1000;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--doorbell") == 0)
			open_way = hvm_open_doorbell;
		else if (strcmp(argv[i], "--instruction") == 0)
			open_way = hvm_open_instruction;
		else if (strcmp(argv[i], "--page") == 0)
			page = true;
		else if (strcmp(argv[i], "--reset") == 0)
			reset = true;
		else if (strncmp(argv[i], "--calls=", 8) == 0)
			calls = strtoull(argv[i] + 8, NULL, 10);
		else
			return fprintf(stderr, "usage: hvm-test [--doorbell | --instruction] [--page] [--calls=N] [--reset]\n"), 2;
	if (open_way(&hvm) < 0)
		return fprintf(stderr, "hvm-test: no way to the HVM: %s\n", strerror(errno)), 2;
	if (page && hvm_open_page(&hvm) < 0)
		return fprintf(stderr, "hvm-test: no comm page: %s\n", strerror(errno)), 2;
	if (hvm_request(&hvm, HVM_REQ_NULL, 0, 0) != 0)
		return fprintf(stderr, "hvm-test: nobody answers hypercalls: this is no HVM\n"), 2;
	merge();
	call_many(calls);
	call_many_in_sync(calls);
	check_events();
	if (reset)
		reset_in_the_middle();
	is("address spaces are taken apart", (uint64_t)hvm_unmerge(&hvm), HVM_OK);
	hvm_close(&hvm);
	printf("%s\n", broken ? "hvm-test: FAILED" : "hvm-test: all promises kept");
	return broken ? 1 : 0;
}
