/* test-images.c - files in an HRT's memory: mapped where they are sealed, the same bytes either way */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/x86.h"
#include "base/error.h"
#include "base/io.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "monitor/hrt-memory.h"
#include "monitor/images.h"

#define GPA       (16ull << 20)
#define SIZE      (16 * PAGE_SIZE)
#define FILE_SIZE (8 * PAGE_SIZE)

static struct images images;
static struct hrt_memory hrt;
static struct memory memory;
static struct plan plan;
static uint8_t *host, file[FILE_SIZE];
static int fds[SPEC_FILES_MAX];
static struct error e;

static int make_file(bool sealed)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert(eq(int, write_full(fd, file, sizeof(file)), 0));
	if (sealed)
		cr_assert(eq(int, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0));
	return fd;
}

/* [offset, offset + bytes) of the file at `gpa`, in a region of `size`; the rest of the memory is zero. */
static void plan_file(uint64_t gpa, uint64_t size, uint64_t offset, uint64_t bytes)
{
	plan.n_regions = 3;
	plan.regions[0] = (struct plan_region){.gpa = GPA, .size = gpa - GPA, .access = PLAN_HRT};
	plan.regions[1] = (struct plan_region){.gpa = gpa, .size = size, .access = PLAN_HRT,
		.origin = {.source = PLAN_FILE, .offset = offset, .size = bytes}};
	plan.regions[2] = (struct plan_region){.gpa = gpa + size, .size = GPA + SIZE - gpa - size, .access = PLAN_HRT};
}

static void make(bool sealed)
{
	struct memory rest;

	for (size_t i = 0; i < FILE_SIZE; i++)
		file[i] = (uint8_t)(i * 7 + i / PAGE_SIZE + 1);
	fds[0] = make_file(sealed);
	cr_assert(eq(int, images_take(&images, 0, fds[0], "image", &e), 0), "%s", e.text);
	host = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert(eq(int, hrt_memory_init(&hrt, host, SIZE, &e), 0));
	memory_add(&memory, GPA, SIZE, host);
	images_rest(&images, &plan, &memory, &rest);
	if (memory_at(&rest, plan.regions[1].gpa, plan.regions[1].size)) /* boot_write_image() */
		memcpy(memory_at(&rest, plan.regions[1].gpa, plan.regions[1].size), file + plan.regions[1].origin.offset,
			plan.regions[1].origin.size);
	images_write_edges(&images, &plan, &memory);
	cr_assert(eq(int, hrt_memory_seal(&hrt, false, &e), 0));
	cr_assert(eq(int, images_overlay(&images, &plan, fds, &memory, &hrt, &e), 0), "%s", e.text);
}

static void fini(void)
{
	hrt_memory_fini(&hrt);
	images_fini(&images);
	close(fds[0]);
}

TestSuite(images, .fini = fini);

static void cr_memory_is_right(const char *when)
{
	const struct plan_region *r = &plan.regions[1];
	uint8_t expected[SIZE] = {};

	memcpy(expected + (r->gpa - GPA), file + r->origin.offset, r->origin.size);
	for (size_t i = 0; i < SIZE; i++)
		cr_assert(eq(u8, host[i], expected[i]), "%s, byte 0x%zx", when, i);
}

static void cr_works(bool sealed)
{
	make(sealed);
	cr_expect(eq(int, images.mapped[0], sealed));
	cr_memory_is_right("at boot");
	memset(host, 0xEE, SIZE);
	cr_assert(eq(int, hrt_memory_put_back(&hrt, &e), 0));
	cr_memory_is_right("after a reset");
	cr_expect(eq(int, memcmp(images.files[0].data, file, FILE_SIZE), 0), "the file is as it was");
}

Test(images, a_sealed_file_is_mapped)
{
	plan_file(GPA + 4 * PAGE_SIZE, 6 * PAGE_SIZE, PAGE_SIZE, 4 * PAGE_SIZE);
	cr_works(true);
}

Test(images, another_is_read)
{
	plan_file(GPA + 4 * PAGE_SIZE, 6 * PAGE_SIZE, PAGE_SIZE, 4 * PAGE_SIZE);
	cr_works(false);
}

Test(images, pages_that_are_filled_in_part_are_copied)
{
	plan_file(GPA + 4 * PAGE_SIZE + 0x123, 6 * PAGE_SIZE, PAGE_SIZE + 0x123, 4 * PAGE_SIZE + 0x321);
	cr_works(true);
}

Test(images, a_few_bytes_within_a_page_are_copied)
{
	plan_file(GPA + 4 * PAGE_SIZE + 0x10, 0x200, PAGE_SIZE + 0x10, 0x100);
	cr_works(true);
}

Test(images, bytes_that_lie_in_the_file_in_another_way_are_copied)
{
	plan_file(GPA + 4 * PAGE_SIZE, 6 * PAGE_SIZE, PAGE_SIZE + 8, 4 * PAGE_SIZE);
	cr_works(true);
}

Test(images, cannot_be_cut_off_under_a_mapping)
{
	plan_file(GPA + 4 * PAGE_SIZE, 6 * PAGE_SIZE, 0, 4 * PAGE_SIZE);
	make(true);
	cr_expect(lt(int, ftruncate(fds[0], 0), 0));
	cr_expect(lt(i64, pwrite(fds[0], "x", 1, 0), 0));
	cr_memory_is_right("afterwards");
}
