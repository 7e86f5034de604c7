/* launch.c - see launch.h, and hvmd-digest(7) for what each line says */
#include "guest/launch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stddef.h>
#include <string.h>

#include "base/hex.h"
#include "base/macro.h"
#include "guest/memory.h"
#include "guest/plan.h"

static_assert(PLAN_DIGEST_SIZE == SHA256_DIGEST_SIZE && SPEC_SHA256_SIZE == SHA256_DIGEST_SIZE, "parts are SHA-256");
static_assert(LAUNCH_DIGEST_SIZE == SHA384_DIGEST_SIZE, "the whole is SHA-384");

void launch_init(struct launch *launch)
{
	*launch = (struct launch){.record = BUFFER_INIT(LAUNCH_RECORD_MAX)};
	buffer_append_string(&launch->record, "hvmd launch record 1\n");
}

void launch_fini(struct launch *launch)
{
	buffer_fini(&launch->record);
}

/* --- Regions ---------------------------------------------------------------- */

static void digest_bytes(const struct memory *memory, struct plan_region *region)
{
	const void *bytes = memory_at(memory, region->gpa, region->size);
	struct sha256_ctx sha;

	assert(bytes); /* the planner has granted it, and whoever asks has written it */
	sha256_init(&sha);
	sha256_update(&sha, region->size, bytes);
	sha256_digest(&sha, sizeof(region->digest), region->digest);
}

static void add_digest(struct launch *launch, const struct plan_region *region)
{
	char hex[2 * PLAN_DIGEST_SIZE + 1];

	hex_format(region->digest, sizeof(region->digest), hex);
	buffer_printf(&launch->record, " %s", hex);
}

static void add_region(struct launch *launch, const struct plan_region *region)
{
	const struct plan_origin *origin = &region->origin;

	buffer_printf(&launch->record, "region 0x%" PRIx64 " 0x%" PRIx64 " %s %s", region->gpa, region->size,
		plan_access_to_string(region->access), plan_source_to_string(origin->source));
	if (origin->source == PLAN_FILE)
		buffer_printf(&launch->record, " 0x%" PRIx64 " 0x%" PRIx64, origin->offset, origin->size);
	if (origin->source == PLAN_FILE || origin->source == PLAN_GENERATED)
		add_digest(launch, region);
	buffer_append_string(&launch->record, "\n");
}

void launch_add_regions(struct launch *launch, struct plan *plan, const struct memory *memory,
	const uint8_t files[][SPEC_SHA256_SIZE])
{
	for (size_t i = 0; i < plan->n_regions; i++) {
		struct plan_region *region = &plan->regions[i];

		switch (region->origin.source) {
		case PLAN_FILE:
			memcpy(region->digest, files[region->origin.file], sizeof(region->digest));
			break;
		case PLAN_GENERATED:
			digest_bytes(memory, region);
			break;
		case PLAN_ZERO:
		case PLAN_NOWHERE:
			break;
		}
		add_region(launch, region);
	}
}

/* --- Cores ------------------------------------------------------------------- */

#define REGISTER(name) {#name, offsetof(struct boot_registers, name)}

static const struct {
	const char *name;
	size_t offset; /* of a uint64_t */
} registers[] = {
	REGISTER(rax), REGISTER(rbx), REGISTER(rcx), REGISTER(rdx), REGISTER(rsi), REGISTER(rdi), REGISTER(rsp),
	REGISTER(rbp), REGISTER(r8), REGISTER(r9), REGISTER(r10), REGISTER(r11), REGISTER(r12), REGISTER(r13),
	REGISTER(r14), REGISTER(r15), REGISTER(rip), REGISTER(rflags), REGISTER(cr0), REGISTER(cr2), REGISTER(cr3),
	REGISTER(cr4), REGISTER(efer),
};

static const struct {
	const char *name;
	size_t offset; /* of a struct boot_segment */
} segments[] = {
	REGISTER(cs), REGISTER(data), REGISTER(tr), REGISTER(ldt),
};

static uint64_t register_at(const struct boot_registers *r, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)r + offset, sizeof(value));
	return value;
}

static void add_registers(struct launch *launch, const struct boot_registers *now)
{
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		uint64_t value = register_at(now, registers[i].offset);

		if (value != register_at(&launch->last, registers[i].offset))
			buffer_printf(&launch->record, " %s=0x%" PRIx64, registers[i].name, value);
	}
}

/* Access rights as in a VMCS: SDM volume 3C, 24.4.1. */
static uint32_t rights(const struct boot_segment *s)
{
	return s->type | (uint32_t)s->s << 4 | (uint32_t)s->dpl << 5 | (uint32_t)s->present << 7 | (uint32_t)s->l << 13 |
		(uint32_t)s->db << 14 | (uint32_t)s->g << 15 | (uint32_t)s->unusable << 16;
}

static bool same_segment(const struct boot_segment *a, const struct boot_segment *b)
{
	return a->selector == b->selector && a->base == b->base && a->limit == b->limit && rights(a) == rights(b);
}

static void add_segments(struct launch *launch, const struct boot_registers *now)
{
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
		const struct boot_segment *s = (const void *)((const uint8_t *)now + segments[i].offset);
		const struct boot_segment *last = (const void *)((const uint8_t *)&launch->last + segments[i].offset);

		if (!same_segment(s, last))
			buffer_printf(&launch->record, " %s=0x%x:0x%" PRIx64 ":0x%" PRIx32 ":0x%" PRIx32, segments[i].name,
				s->selector, s->base, s->limit, rights(s));
	}
}

static void add_table(struct launch *launch, const char *name, uint64_t base, uint16_t limit, uint64_t last_base,
	uint16_t last_limit)
{
	if (base != last_base || limit != last_limit)
		buffer_printf(&launch->record, " %s=0x%" PRIx64 ":0x%x", name, base, limit);
}

void launch_add_core(struct launch *launch, uint32_t id, const struct boot_registers *now)
{
	const struct boot_registers *last = &launch->last;

	buffer_printf(&launch->record, "core %" PRIu32, id);
	add_registers(launch, now);
	add_segments(launch, now);
	add_table(launch, "gdt", now->gdt_base, now->gdt_limit, last->gdt_base, last->gdt_limit);
	add_table(launch, "idt", now->idt_base, now->idt_limit, last->idt_base, last->idt_limit);
	buffer_append_string(&launch->record, "\n");
	launch->last = *now;
}

int launch_digest(const struct launch *launch, uint8_t ret[LAUNCH_DIGEST_SIZE])
{
	struct sha384_ctx sha;

	if (!buffer_ok(&launch->record))
		return -ENOMEM;
	sha384_init(&sha);
	sha384_update(&sha, launch->record.size, launch->record.data);
	sha384_digest(&sha, LAUNCH_DIGEST_SIZE, ret);
	return 0;
}
