/* measure.c - see measure.h */
#include "monitor/measure.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "link/link.h"
#include "monitor/prepare.h"
#include "spec/spec.h"

/* Memory for what we write, and for nothing else. */
struct rehearsal {
	struct prepared prepared;
	struct memory memory;
	uint8_t *bytes; /* owned mapping */
	uint64_t size;
	uint8_t files[SPEC_FILES_MAX][SPEC_SHA256_SIZE];
};

static struct rehearsal *rehearsal_free(struct rehearsal *r)
{
	if (r && r->bytes)
		munmap(r->bytes, r->size);
	free(r);
	return NULL;
}
DEFINE_CLEANUP(struct rehearsal *, rehearsal_free);

static bool is_ours(const struct plan_region *region)
{
	return region->origin.source == PLAN_GENERATED;
}

/* Neighbours are one window: what is written may span them. */
static void add_window(struct memory *memory, const struct plan_region *region, uint8_t *host)
{
	struct memory_window *last = memory->n_windows ? &memory->windows[memory->n_windows - 1] : NULL;

	if (last && last->gpa + last->size == region->gpa && last->host + last->size == host)
		last->size += region->size;
	else
		memory_add(memory, region->gpa, region->size, host);
}

static int make_memory(struct rehearsal *r, struct error *e)
{
	const struct plan *plan = &r->prepared.plan;
	uint64_t at = 0;
	void *p;

	for (size_t i = 0; i < plan->n_regions; i++)
		if (is_ours(&plan->regions[i]))
			r->size += round_up(plan->regions[i].size, 8);
	p = r->size ? mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			       -1, 0) : NULL; /* cage(run, inspect): mmap, munmap */
	if (p == MAP_FAILED)
		return error_set_errno(e, -errno, "measuring %llu bytes", (unsigned long long)r->size);
	r->bytes = p;
	for (size_t i = 0; i < plan->n_regions; i++) {
		if (!is_ours(&plan->regions[i]))
			continue;
		add_window(&r->memory, &plan->regions[i], r->bytes + at);
		at += round_up(plan->regions[i].size, 8);
	}
	return 0;
}

static int write_all(struct rehearsal *r, const struct vm_spec *spec, struct error *e)
{
	int ret = 0;

	if (spec->hybrid) {
		boot_write_image(&r->prepared.plan, &r->prepared.hrt, &r->memory);
		ret = boot_write_state(&r->prepared.plan, &r->prepared.hrt, 0, &r->memory, e);
	}
	if (ret == 0 && spec->ros_boots)
		ret = ros_boot_write(&r->prepared.ros, &r->memory, e);
	return ret;
}

static void digest_files(struct rehearsal *r, const struct vm_spec *spec, const struct guest_file *files)
{
	for (size_t i = 0; i < spec->n_files; i++) {
		struct sha256_ctx sha;

		if (spec->files[i].stored || !files[i].data) {
			memcpy(r->files[i], spec->files[i].sha256, SPEC_SHA256_SIZE);
			continue;
		}
		sha256_init(&sha);
		sha256_update(&sha, files[i].size, files[i].data);
		sha256_digest(&sha, SPEC_SHA256_SIZE, r->files[i]);
	}
}

static void add_cores(struct launch *launch, const struct rehearsal *r, const struct vm_spec *spec)
{
	const struct plan *plan = &r->prepared.plan;
	struct boot_registers registers;

	if (spec->ros_boots) {
		ros_boot_registers(&r->prepared.ros, &registers);
		launch_add_core(launch, 0, &registers);
	}
	for (uint32_t n = 0; spec->hybrid && n < plan->n_hrt_cores; n++) {
		boot_registers_hrt(plan, n, &registers);
		launch_add_core(launch, plan->first_hrt_core + n, &registers);
	}
}

static int record(struct measure *measure, struct rehearsal *r, const struct vm_spec *spec, struct error *e)
{
	struct launch launch;
	int ret;

	launch_init(&launch);
	launch_add_regions(&launch, &r->prepared.plan, &r->memory, (const uint8_t(*)[SPEC_SHA256_SIZE])r->files);
	add_cores(&launch, r, spec);
	ret = launch_digest(&launch, measure->digest);
	measure->plan = r->prepared.plan;
	measure->record = launch.record;
	return ret < 0 ? error_set_errno(e, ret, "measuring") : 0;
}

int measure_new(const struct vm_spec *spec, const struct guest_file *files, struct measure **ret, struct error *e)
{
	static const struct hrt_processor usual = {.gigabyte_pages = true};
	_cleanup_(rehearsal_freep) struct rehearsal *r = calloc(1, sizeof(*r));
	_cleanup_(measure_freep) struct measure *measure = calloc(1, sizeof(*measure));
	int error;

	if (!r || !measure)
		return error_set_errno(e, -ENOMEM, "measuring");
	error = prepare(spec, files, &usual, &r->prepared, e);
	if (error == 0)
		error = make_memory(r, e);
	if (error == 0)
		error = write_all(r, spec, e);
	if (error < 0)
		return error;
	digest_files(r, spec, files);
	error = record(measure, r, spec, e);
	if (error == 0)
		*ret = take_ptr(measure);
	return error;
}

struct measure *measure_free(struct measure *measure)
{
	if (!measure)
		return NULL;
	buffer_fini(&measure->record);
	free(measure);
	return NULL;
}

/* --- On the link --------------------------------------------------------------- */

/* The digest of the same bytes at the same place, or zeros. */
static const uint8_t *digest_of(const struct plan_region *region, const struct measure *measure)
{
	static const uint8_t unknown[PLAN_DIGEST_SIZE];
	const struct plan_region *same = measure ? plan_find(&measure->plan, region->gpa) : NULL;

	return same && same->gpa == region->gpa && same->size == region->size ? same->digest : unknown;
}

static void append_region(const struct plan_region *region, const struct vm_spec *spec, const struct measure *measure,
	struct buffer *b)
{
	enum plan_source source = region->origin.source;

	link_append_string(b, region->name);
	buffer_append_uint(b, region->gpa, 8);
	buffer_append_uint(b, region->size, 8);
	link_append_string(b, plan_access_to_string(region->access));
	link_append_string(b, plan_source_to_string(source));
	if (source == PLAN_FILE) {
		link_append_string(b, spec->files[region->origin.file].id);
		buffer_append_uint(b, region->origin.offset, 8);
		buffer_append_uint(b, region->origin.size, 8);
	}
	if (source == PLAN_FILE || source == PLAN_GENERATED)
		buffer_append(b, digest_of(region, measure), PLAN_DIGEST_SIZE);
}

void measure_append_plan(
	const struct plan *plan, const struct vm_spec *spec, const struct measure *measure, struct buffer *b)
{
	buffer_append_uint(b, plan->n_regions, 4);
	for (size_t i = 0; i < plan->n_regions; i++)
		append_region(&plan->regions[i], spec, measure, b);
	if (measure) {
		buffer_append_uint(b, measure->record.size, 4);
		buffer_append(b, measure->record.data, measure->record.size);
		buffer_append(b, measure->digest, LAUNCH_DIGEST_SIZE);
	} else {
		link_append_string(b, "");
		buffer_append_zeros(b, LAUNCH_DIGEST_SIZE);
	}
}
