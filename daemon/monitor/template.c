/* template.c - what stands in the HRT's memory at boot: from the definition's image, or from another; see build.h */
#include "monitor/build.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/log.h"
#include "guest/boot.h"
#include "guest/patch.h"
#include "kvm/kvm.h"
#include "monitor/machine.h"
#include "spec/sites.h"
#include "spec/spec.h"

/* The HRT's own memory as a reset puts it back. */
static void add_pristine(const struct machine *machine, struct memory *ret)
{
	uint64_t ros = machine->spec->ros_memory;

	*ret = (struct memory){};
	for (size_t i = 0; i < machine->memory.n_windows; i++) {
		const struct memory_window *w = &machine->memory.windows[i];
		uint64_t start = (uint64_t)(w->host - machine->ram), skip = start < ros ? ros - start : 0;

		if (w->host != machine->comm_page && skip < w->size)
			memory_add(ret, w->gpa + skip, w->size - skip, machine->hrt_memory.pristine + (start + skip - ros));
	}
}

/* --- Hypercalls by instruction -------------------------------------------------------------------------- */

/* As hvmd has found them in the file, if it has looked and another image has not taken the file's place; or NULL. */
static const struct spec_sites *known_sites(const struct machine *machine)
{
	size_t file = machine->spec->hrt_file;
	const struct spec_sites *sites = &machine->spec->files[file].sites;

	return sites->known && !machine->images.changed[file] ? sites : NULL;
}

/* Where hvmd has not looked we do; and an image that has any is then not mapped but copied. */
static void search_image(struct machine *machine)
{
	const struct hrt_image *image = &machine->boot.image;
	size_t file = machine->spec->hrt_file;
	uint32_t n = 0;

	if (machine->hypercall != SPEC_HYPERCALL_PATCH || known_sites(machine))
		return;
	for (size_t i = 0; i < image->n_segments; i++)
		if (image->segments[i].executable)
			n += patch_count(machine->images.files[file].data + image->segments[i].offset,
				image->segments[i].file_size);
	machine->images.changed[file] = n > 0;
}

/* In an image that was copied. */
static void rewrite_copy(struct machine *machine, struct memory *memory)
{
	if (machine->hypercall == SPEC_HYPERCALL_PATCH && machine->images.changed[machine->spec->hrt_file])
		machine->n_patched = patch_image(&machine->boot.plan, &machine->boot.image, memory);
}

static int rewrite_site(struct machine *machine, const struct memory *pristine, uint64_t gpa, struct error *e)
{
	uint8_t *at = memory_at(pristine, gpa, SITE_SIZE);
	int r;

	assert(at);
	r = hrt_memory_replace(&machine->hrt_memory, (uint64_t)(at - machine->hrt_memory.pristine), SITE_SIZE, e);
	if (r == 0)
		patch_site(at);
	return r;
}

/* In one that is mapped: of its pages, only those become our own that have a site. */
static int rewrite_mapped(struct machine *machine, struct error *e)
{
	const struct hrt_image *image = &machine->boot.image;
	const struct spec_sites *sites = known_sites(machine);
	const uint8_t *file = machine->images.files[machine->spec->hrt_file].data;
	struct memory pristine;
	uint64_t gpa;
	int r = 0;

	if (machine->hypercall != SPEC_HYPERCALL_PATCH || !sites)
		return 0;
	add_pristine(machine, &pristine);
	for (size_t i = 0; i < image->n_segments; i++)
		for (uint32_t n = 0; n < sites->n && r == 0; n++)
			if (patch_find(&image->segments[i], file, sites->at[n], &gpa)) {
				r = rewrite_site(machine, &pristine, machine->boot.plan.image_base + gpa, e);
				machine->n_patched++;
			}
	hrt_memory_show_replaced(&machine->hrt_memory);
	return r;
}

/* An image without such instructions calls by the port, or by the page. */
static void settle_hypercall(struct machine *machine)
{
	enum spec_hypercall wish = machine->spec->hrt_hypercall;

	if (machine->hypercall != SPEC_HYPERCALL_PATCH)
		return;
	if (machine->n_patched > 0)
		log_info("vm %s: %u hypercalls by instruction in the HRT's image now go by port 0x%x", machine->spec->name,
			machine->n_patched, HVM_PORT);
	else if (wish == SPEC_HYPERCALL_PATCH)
		log_warning("vm %s: the HRT's image has no hypercall by instruction that could be rewritten",
			machine->spec->name);
	if (machine->n_patched == 0 && wish == SPEC_HYPERCALL_AUTO)
		machine->hypercall = SPEC_HYPERCALL_PORT;
}

int template_choose_hypercall(struct machine *machine, struct error *e)
{
	enum spec_hypercall wish = machine->spec->hrt_hypercall;
	bool intercepts = kvm_host_intercepts_hypercalls(machine->host);

	if (wish == SPEC_HYPERCALL_XEN && !intercepts)
		return error_set(e, -EOPNOTSUPP, "hrt hypercall=\"xen\": this kernel's KVM is built without CONFIG_KVM_XEN; "
			"hypercall=\"auto\" works");
	if (wish == SPEC_HYPERCALL_AUTO)
		wish = intercepts ? SPEC_HYPERCALL_XEN : SPEC_HYPERCALL_PATCH;
	machine->hypercall = wish;
	return 0;
}

/* --- The definition's image ----------------------------------------------------------------------------- */

/* What is a mapped file's is not written, but for the pages that it fills in part. */
int template_write(struct machine *machine, const struct machine_fds *fds, struct error *e)
{
	const struct plan *plan = &machine->boot.plan;
	struct memory rest;
	int r;

	search_image(machine);
	images_rest(&machine->images, plan, &machine->memory, &rest);
	boot_write_image(plan, &machine->boot.hrt, &rest);
	rewrite_copy(machine, &machine->memory);
	r = boot_write_state(plan, &machine->boot.hrt, machine->cpu_khz, &rest, e);
	if (r < 0)
		return r;
	images_write_edges(&machine->images, plan, &machine->memory);
	r = hrt_memory_seal(&machine->hrt_memory, kvm_host_has_dirty_ring(machine->host), e);
	if (r < 0)
		return r;
	r = images_overlay(&machine->images, plan, fds->files, &machine->memory, &machine->hrt_memory, e);
	if (r == 0)
		r = rewrite_mapped(machine, e);
	settle_hypercall(machine);
	return r;
}

/* --- Another image ---------------------------------------------------------------------------------- */

int machine_offer_image(struct machine *machine, uint8_t *data, size_t size, struct error *e)
{
	_cleanup_free_ struct prepared *trial = calloc(1, sizeof(*trial));
	_cleanup_free_ uint8_t *image = data;
	struct guest_file files[SPEC_FILES_MAX];
	size_t hrt = machine->spec->hrt_file;
	uint8_t *old;
	int r;

	if (!trial)
		return error_set_errno(e, -ENOMEM, "looking at an image");
	memcpy(files, machine->images.files, sizeof(files));
	files[hrt] = (struct guest_file){.data = image, .size = size};
	r = machine_prepare(machine, files, trial, e);
	if (r < 0)
		return r;
	pthread_mutex_lock(&machine->lock);
	old = machine->next_image;
	machine->next_image = take_ptr(image);
	machine->next_image_size = size;
	pthread_mutex_unlock(&machine->lock);
	free(old);
	return 0;
}

/* What the plan has in the HRT's memory is about to change; `clear`: it was the old image's. */
static int replace_regions(struct machine *machine, const struct memory *pristine, bool clear, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < machine->boot.plan.n_regions && r == 0; i++) {
		const struct plan_region *region = &machine->boot.plan.regions[i];
		uint8_t *at = region->free ? NULL : memory_at(pristine, region->gpa, region->size);

		if (!at)
			continue;
		r = hrt_memory_replace(&machine->hrt_memory, (uint64_t)(at - machine->hrt_memory.pristine), region->size, e);
		if (r == 0 && clear)
			memset(at, 0, region->size);
	}
	return r;
}

static int write_pristine(struct machine *machine, struct memory *pristine, struct error *e)
{
	struct memory rest;

	images_rest(&machine->images, &machine->boot.plan, pristine, &rest);
	boot_write_image(&machine->boot.plan, &machine->boot.hrt, &rest);
	rewrite_copy(machine, pristine);
	settle_hypercall(machine);
	return boot_write_state(&machine->boot.plan, &machine->boot.hrt, machine->cpu_khz, &rest, e);
}

/* To where another image wants it. The ROS may be running. */
static int move_comm_page(struct machine *machine, uint64_t from, struct error *e)
{
	uint64_t to = machine->boot.plan.comm_page;
	int r = 0;

	if (to == from)
		return 0;
	for (int role = 0; role < N_PARTITION_ROLES && r == 0; role++)
		r = kvm_machine_move(machine->partitions[role].kvm, from, to, PAGE_SIZE, machine->comm_page, e);
	if (r == 0)
		memory_move(&machine->memory, machine->comm_page, to);
	if (r == 0)
		talk_move_page(machine, to);
	return r;
}

int machine_adopt_image(struct machine *machine, struct error *e)
{
	uint64_t comm_page = machine->boot.plan.comm_page;
	struct memory pristine;
	uint8_t *image;
	size_t size;
	int r;

	pthread_mutex_lock(&machine->lock);
	image = take_ptr(machine->next_image);
	size = machine->next_image_size;
	pthread_mutex_unlock(&machine->lock);
	if (!image)
		return 0;
	add_pristine(machine, &pristine);
	r = replace_regions(machine, &pristine, true, e);
	images_replace(&machine->images, machine->spec->hrt_file, image, size);
	if (machine->hypercall == SPEC_HYPERCALL_PORT && machine->spec->hrt_hypercall == SPEC_HYPERCALL_AUTO)
		machine->hypercall = SPEC_HYPERCALL_PATCH;
	machine->n_patched = 0;
	if (r == 0)
		r = machine_prepare(machine, machine->images.files, &machine->boot, e);
	if (r == 0)
		r = move_comm_page(machine, comm_page, e);
	if (r == 0)
		r = replace_regions(machine, &pristine, false, e);
	if (r == 0)
		r = write_pristine(machine, &pristine, e);
	if (r == 0)
		hrt_memory_show_replaced(&machine->hrt_memory);
	machine->n_images++;
	if (r == 0)
		log_notice("vm %s: the HRT has another image from this reset on (%zu bytes)", machine->spec->name, size);
	return r;
}
