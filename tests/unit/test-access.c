/* test-access.c - reaching a guest's memory by its own addresses, with its own permissions */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <string.h>

#include "abi/x86.h"
#include "guest/access.h"
#include "guest/memory.h"

/* PML4, PDPT, PD, PT, and three pages of data that follow each other from GVA on. */
static _Alignas(4096) uint64_t pages[7][512];
static _Alignas(4096) uint64_t rom[512];
#define PML4 0x1000ull
#define ROM  0x20000ull
#define GVA  0x0000123456789000ull
#define BYTES (3 * 4096)

static struct memory memory;
static uint64_t told[16];
static unsigned n_told;

static uint64_t *entry(unsigned level)
{
	return &pages[level][GVA >> (39 - 9 * level) & 511];
}

static void note(void *data, uint64_t gpa)
{
	(void)data;
	told[n_told++ % 16] = gpa;
}

static void build(void)
{
	memset(pages, 0, sizeof(pages));
	memory = (struct memory){};
	memory_add(&memory, PML4, sizeof(pages), pages);
	memory_add_readonly(&memory, ROM, sizeof(rom), rom);
	for (unsigned level = 0; level < 3; level++)
		*entry(level) = (PML4 + 0x1000 * (level + 1)) | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	for (unsigned i = 0; i < 3; i++)
		entry(3)[i] = (PML4 + 0x1000 * (4 + i)) | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	n_told = 0;
}

TestSuite(access, .init = build);

static const struct access kernel = {.memory = &memory, .cr3 = PML4, .wrote = note};
static const struct access user = {.memory = &memory, .cr3 = PML4, .user = true, .wrote = note};

Test(access, writes_and_reads_across_pages)
{
	uint8_t out[5000], in[5000];

	memset(out, 0x5A, sizeof(out));
	cr_assert(eq(int, access_write(&user, GVA + 3000, out, sizeof(out)), 0));
	cr_assert(eq(int, access_read(&user, GVA + 3000, in, sizeof(in)), 0));
	cr_assert(memcmp(out, in, sizeof(out)) == 0);
	cr_assert(eq(int, ((uint8_t *)pages[4])[3000], 0x5A));
	cr_assert(eq(int, ((uint8_t *)pages[4])[2999], 0));
	cr_assert(eq(int, ((uint8_t *)pages[5])[3903], 0x5A));
	cr_assert(eq(int, ((uint8_t *)pages[5])[3904], 0));
}

Test(access, asks_each_level_for_the_users_permission_at_cpl_3_only)
{
	uint64_t word = 1;

	for (unsigned level = 0; level < 4; level++) {
		build();
		*entry(level) &= ~PTE_USER;
		cr_expect(eq(int, access_read(&user, GVA, &word, 8), -EFAULT), "level %u", level);
		cr_expect(eq(int, access_write(&user, GVA, &word, 8), -EFAULT), "level %u", level);
		cr_expect(eq(int, access_write(&kernel, GVA, &word, 8), 0), "level %u", level);
	}
}

Test(access, asks_each_level_for_the_permission_to_write_at_every_cpl)
{
	uint64_t word = 1;

	for (unsigned level = 0; level < 4; level++) {
		build();
		*entry(level) &= ~PTE_WRITABLE;
		cr_expect(eq(int, access_write(&user, GVA, &word, 8), -EFAULT), "level %u", level);
		cr_expect(eq(int, access_write(&kernel, GVA, &word, 8), -EFAULT), "level %u", level);
		cr_expect(eq(int, access_check_write(&kernel, GVA, 8), -EFAULT), "level %u", level);
		cr_expect(eq(int, access_read(&user, GVA, &word, 8), 0), "level %u", level);
	}
}

Test(access, writes_nothing_of_what_runs_into_a_page_that_refuses)
{
	uint8_t out[5000];

	memset(out, 0x5A, sizeof(out));
	entry(3)[1] &= ~PTE_WRITABLE;
	cr_assert(eq(int, access_write(&user, GVA, out, sizeof(out)), -EFAULT));
	cr_assert(eq(u64, pages[4][0], 0));
	entry(3)[1] = 0;
	cr_assert(eq(int, access_write(&user, GVA, out, sizeof(out)), -EFAULT));
	cr_assert(eq(u64, pages[4][0], 0));
	cr_assert(eq(uint, n_told, 0));
}

Test(access, marks_what_it_writes_as_a_processor_does_and_tells_of_it)
{
	uint64_t word = 1;

	cr_assert(eq(int, access_write(&kernel, GVA, &word, 8), 0));
	for (unsigned level = 0; level < 3; level++)
		cr_expect(eq(u64, *entry(level) & (PTE_ACCESSED | PTE_DIRTY), PTE_ACCESSED));
	cr_expect(eq(u64, entry(3)[0] & (PTE_ACCESSED | PTE_DIRTY), PTE_ACCESSED | PTE_DIRTY));
	cr_expect(eq(u64, entry(3)[1] & (PTE_ACCESSED | PTE_DIRTY), 0));
	cr_expect(eq(uint, n_told, 5)); /* four tables and the page */
	cr_expect(eq(u64, told[4], PML4 + 0x4000));
	cr_assert(eq(int, access_read(&kernel, GVA + 4096, &word, 8), 0));
	cr_expect(eq(u64, entry(3)[1] & PTE_ACCESSED, 0));
}

Test(access, does_not_write_to_memory_that_is_read_only_for_the_guest)
{
	uint64_t word = 1;

	entry(3)[0] = ROM | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	cr_expect(eq(int, access_read(&user, GVA, &word, 8), 0));
	cr_expect(eq(int, access_check_write(&user, GVA, 8), -EFAULT));
	cr_expect(eq(int, access_write(&user, GVA, &word, 8), -EFAULT));
}

Test(access, does_not_leave_memory_or_the_canonical_addresses)
{
	uint64_t word = 1;

	entry(3)[2] = 0x40000 | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	cr_expect(eq(int, access_write(&user, GVA + 2 * 4096, &word, 8), -EFAULT));
	cr_expect(eq(int, access_read(&user, GVA + 2 * 4096 - 4, &word, 8), -EFAULT));
	cr_expect(eq(int, access_read(&user, GVA | 1ull << 48, &word, 8), -EFAULT));
	cr_expect(eq(int, access_read(&user, UINT64_MAX - 3, &word, 8), -EFAULT));
	cr_expect(eq(int, access_read(&user, GVA, &word, UINT64_MAX), -EFAULT));
	cr_expect(eq(int, access_check_read(&user, GVA + BYTES - 8, 8), -EFAULT));
}

Test(access, knows_a_processs_addresses)
{
	cr_expect(access_is_user_address(0x00007FFFFFFFFFFF));
	cr_expect(not(access_is_user_address(0x0000800000000000)));
	cr_expect(not(access_is_user_address(0xFFFF800000000000)));
}
