/*
 * plan-dump.c - says where everything would stand, for tests/tools/layout.py
 *
 * Reads wishes, one a line, numbers in decimal:
 *
 *	MEMORY ROS_MEMORY FLAGS MAP GVA_OFFSET ROS_CORES HRT_CORES STACK COMM_PAGE IMAGE IMAGE_SIZE
 *	IDENTITY BYTES
 *
 * and answers each with lines of "NAME VALUE", then an empty line. With BYTES 1
 * it also writes the boot state and says the SHA-256 of every part of it.
 */
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>

#include "base/macro.h"
#include "guest/boot.h"
#include "plans.h"

#define CMDLINE "layout"
#define CPU_KHZ 2300000

static void say_digest(const char *name, const void *data, size_t size)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, size, data);
	sha256_digest(&sha, sizeof(digest), digest);
	printf("sha256(%s) ", name);
	for (size_t i = 0; i < sizeof(digest); i++)
		printf("%02x", digest[i]);
	printf("\n");
}

/* Every region of the boot state, as it stands in memory; they are the regions from the lowest stack to END. */
static int say_bytes(const struct plan *plan)
{
	struct memory memory;
	struct error e;
	int r;

	plan_memory(plan, &memory);
	r = boot_write_state(plan, &wished.source, CPU_KHZ, &memory, &e);
	for (size_t i = 0; r == 0 && i < plan->n_regions; i++) {
		const struct plan_region *region = &plan->regions[i];

		if (region->gpa >= plan->stacks && region->gpa < plan->end)
			say_digest(region->name, memory_at(&memory, region->gpa, region->size), region->size);
	}
	free(memory.windows[0].host);
	return r;
}

static void say_core(const struct plan *plan, uint32_t n)
{
	struct boot_registers r;

	boot_registers_hrt(plan, n, &r);
	printf("core%u.rbx %" PRIu64 "\n", n, r.rbx);
	printf("core%u.rcx %" PRIu64 "\n", n, r.rcx);
	printf("core%u.rdx %" PRIu64 "\n", n, r.rdx);
	printf("core%u.rsp %" PRIu64 "\n", n, r.rsp);
	printf("core%u.rbp %" PRIu64 "\n", n, r.rbp);
	printf("core%u.cr3 %" PRIu64 "\n", n, r.cr3);
	printf("core%u.gdt %" PRIu64 "\n", n, r.gdt_base);
	printf("core%u.idt %" PRIu64 "\n", n, r.idt_base);
	printf("core%u.tr %" PRIu64 "\n", n, r.tr.base);
}

static void say_plan(const struct plan *plan)
{
	printf("end %" PRIu64 "\n", plan->end);
	printf("handler %" PRIu64 "\n", plan->handler);
	printf("idt %" PRIu64 "\n", plan->idt);
	printf("gdt %" PRIu64 "\n", plan->gdt);
	printf("tss %" PRIu64 "\n", plan->tss);
	printf("page_tables %" PRIu64 "\n", plan->page_tables);
	printf("page_table_pages %" PRIu64 "\n", plan->page_table_pages);
	printf("info %" PRIu64 "\n", plan->info);
	printf("stacks %" PRIu64 "\n", plan->stacks);
	printf("map %" PRIu64 "\n", plan->map_bytes);
	for (size_t i = 0; i < plan->n_regions; i++)
		printf("region %s %" PRIu64 " %" PRIu64 " %s\n", plan->regions[i].name, plan->regions[i].gpa,
			plan->regions[i].size, plan_access_to_string(plan->regions[i].access));
	for (uint32_t n = 0; n < plan->n_hrt_cores; n++)
		say_core(plan, n);
}

int main(void)
{
	struct wish w = {.cmdline = CMDLINE};
	struct plan plan;
	struct error e;
	unsigned identity, bytes;

	while (scanf("%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu32 "%" SCNu32 "%" SCNu64 "%" SCNu64
		     "%" SCNu64 "%" SCNu64 "%u%u",
		       &w.memory, &w.ros_memory, &w.flags, &w.map, &w.gva_offset, &w.ros_cores, &w.hrt_cores, &w.stack,
		       &w.comm_page, &w.image, &w.image_size, &identity, &bytes) == 13) {
		w.identity = identity;
		if (wish_plan(&w, &plan, &e) < 0) {
			printf("refused %s\n", e.text);
		} else {
			say_plan(&plan);
			if (bytes && say_bytes(&plan) < 0)
				return 1;
		}
		printf("\n");
		fflush(stdout);
	}
	return !feof(stdin);
}
