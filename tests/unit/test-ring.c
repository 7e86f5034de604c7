/*
 * test-ring.c - reading a dirty ring that KVM fills, clears in steps, and writes over
 *
 * The KVM is a model of virt/kvm/dirty_ring.c: two indices that only go up, and a ring that is full
 * from soft_limit on. Since Linux 6.16 a signal ends KVM_RESET_DIRTY_RINGS where it is, without an
 * error; one that interprets its guest runs on where the ring is full.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "abi/x86.h"
#include "base/error.h"
#include "kvm/internal.h"

#define SOFT_LIMIT (RING_ENTRIES - 576) /* KVM_DIRTY_RING_RSVD_ENTRIES, and the log of a processor with PML */
#define PAGES      65536u

static struct kvm_dirty_gfn ring[RING_ENTRIES];
static uint32_t dirty_index, reset_index;
static uint32_t patience; /* entries until the next reset is interrupted */
static unsigned n_resets;
static bool stuck;        /* no reset gets anywhere */
static struct kvm_machine machine = {.tracks = true, .n_slots = 1};
static struct kvm_vcpu vcpu;

static uint32_t used(void)
{
	return dirty_index - reset_index;
}

static bool is_full(void)
{
	return used() >= SOFT_LIMIT;
}

static void push(uint64_t page)
{
	ring[dirty_index++ % RING_ENTRIES] = (struct kvm_dirty_gfn){.offset = page, .flags = KVM_DIRTY_GFN_F_DIRTY};
}

static int reset(void)
{
	int n = 0;

	n_resets++;
	for (struct kvm_dirty_gfn *entry; !stuck && patience > 0; patience--, n++, reset_index++) {
		entry = &ring[reset_index % RING_ENTRIES];
		if (!(entry->flags & KVM_DIRTY_GFN_F_RESET))
			break;
		cr_assert(ne(u32, used(), 0), "an entry is given back that was never in use");
		entry->flags = 0;
	}
	if (patience == 0)
		patience = RING_ENTRIES + 1;
	return n;
}

int ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	if (request == KVM_RESET_DIRTY_RINGS)
		return reset();
	errno = ENOTTY;
	return -1;
}

static void setup(void)
{
	memset(ring, 0, sizeof(ring));
	dirty_index = reset_index = 0;
	patience = RING_ENTRIES + 1;
	n_resets = 0;
	stuck = false;
	vcpu = (struct kvm_vcpu){.ring = ring, .machine = &machine};
}

TestSuite(ring, .init = setup);

static uint8_t told[PAGES];

static void note(void *data, uint64_t gpa)
{
	(void)data;
	told[gpa / PAGE_SIZE % PAGES] = 1;
}

static bool harvest(bool full)
{
	struct error e;
	bool all = kvm_vcpu_harvest(&vcpu, full, note, NULL);

	cr_assert(eq(int, kvm_vcpu_rearm(&vcpu, &e), 0));
	return all;
}

Test(ring, tells_each_page_once_and_has_room_again)
{
	memset(told, 0, sizeof(told));
	for (uint32_t i = 0; i < SOFT_LIMIT; i++)
		push(i);
	cr_expect(harvest(true));
	cr_expect(eq(u32, used(), 0));
	for (uint32_t i = 0; i < SOFT_LIMIT; i++)
		cr_expect(told[i]);
	cr_expect(not(told[SOFT_LIMIT]));
}

Test(ring, a_signal_in_the_middle_of_a_reset_changes_nothing)
{
	for (uint32_t n = 0; n < SOFT_LIMIT; n += 500) {
		setup();
		patience = n;
		for (uint32_t i = 0; i < SOFT_LIMIT; i++)
			push(i);
		cr_expect(harvest(true));
		cr_expect(eq(u32, used(), 0), "interrupted after %u", n);
	}
}

Test(ring, nothing_read_costs_no_system_call)
{
	cr_expect(harvest(false));
	cr_expect(eq(uint, n_resets, 0));
	push(1);
	cr_expect(harvest(false));
	cr_expect(harvest(false));
	cr_expect(eq(uint, n_resets, 1));
}

Test(ring, a_kvm_that_takes_nothing_back_is_given_up)
{
	struct error e;

	push(1);
	stuck = true;
	cr_expect(kvm_vcpu_harvest(&vcpu, false, note, NULL));
	cr_expect(eq(int, kvm_vcpu_rearm(&vcpu, &e), -EIO));
	cr_expect(eq(str, e.text, (char *)"KVM_RESET_DIRTY_RINGS leaves entries as they are"));
}

/* The guest writes here and there, now and then past the end of the ring, as where it is interpreted. */
static void write_some(unsigned *seed, uint8_t *written)
{
	uint32_t limit = rand_r(seed) % 8 ? SOFT_LIMIT : 3 * RING_ENTRIES;

	for (uint32_t n = (uint32_t)rand_r(seed) % (2 * RING_ENTRIES); n > 0 && used() < limit; n--) {
		uint32_t page = (uint32_t)rand_r(seed) % PAGES;

		push(page);
		written[page] = 1;
	}
}

/* All of a round's pages are told, or it is said that some may be lost; and each round, KVM lets the core run again. */
Test(ring, whatever_the_guest_and_signals_do_it_goes_on_and_no_page_is_forgotten)
{
	static uint8_t written[PAGES];
	unsigned seed = 1, n_exact = 0;

	for (unsigned round = 0; round < 5000; round++) {
		unsigned n_full = 0;
		bool all;

		memset(told, 0, sizeof(told));
		memset(written, 0, sizeof(written));
		write_some(&seed, written);
		if (rand_r(&seed) % 2)
			patience = (uint32_t)rand_r(&seed) % RING_ENTRIES;
		all = harvest(is_full());
		for (; is_full() && n_full < 100; n_full++)
			all = harvest(true) && all;
		cr_assert(lt(uint, n_full, 100u), "round %u: full for ever", round);
		n_exact += all;
		cr_assert(memcmp(told, written, PAGES) == 0 || !all, "round %u: a page is forgotten", round);
	}
	cr_expect(gt(uint, n_exact, 4000u));
}
