/*
 * load.c - from the store into the registry: at the start, and again when asked
 *
 * Nothing that is found in the store keeps the rest away. What is faulty is told
 * and otherwise left as it is, so that an administrator can mend it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "spec/definition.h"
#include "vm/images.h"
#include "vm/internal.h"
#include "vm/sealed.h"
#include "vm/store.h"

struct loading {
	struct store_names files; /* owned: what stands in definitions/ */
	/* borrowed */
	struct registry *registry;
	registry_fault_fn fault;
	void *userdata;
};

static void log_fault(void *userdata, const char *file, const char *sentence)
{
	const struct registry *registry = userdata;

	log_error("%s/%s is skipped: %s", registry->store->path, file, sentence);
}

static void tell_fault(struct loading *l, const char *folder, const char *file, const char *sentence)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", folder, file) < 0)
		path = NULL;
	l->fault(l->userdata, path ? path : file, sentence);
}

/* What a definition in the store promises beyond being right. */
static int check_stored(
	const struct registry *registry, const struct vm_spec *spec, const char *name, struct error *e)
{
	if (strcmp(spec->name, name) != 0)
		return error_set(e, -EBADMSG, "it defines VM \"%s\"", spec->name);
	if (!spec->has_uuid)
		return error_set(e, -EBADMSG, "it has no UUID");
	for (size_t i = 0; i < spec->n_files; i++) {
		const struct spec_file *file = &spec->files[i];
		int r;

		if (!file->stored)
			return error_set(e, -EBADMSG, "file \"%s\" has no sha256", file->id);
		r = image_find(registry->store->images, file->sha256, e);
		if (r < 0)
			return error_prefix(e, r, "file \"%s\"", file->id);
	}
	return 0;
}

/* What is about the whole text has neither line nor element. */
static int first_fault(const struct diagnostic *d, int r, struct error *e)
{
	error_set(e, r, "%s%s%s", d->path, d->path[0] ? ": " : "", d->message);
	return d->at.line > 0 ? error_prefix(e, r, "line %u", d->at.line) : r;
}

static int parse_stored(const char *text, size_t size, struct vm_spec **ret, struct error *e)
{
	static const struct definition_options stored = {.stored = true};
	struct diagnostics diagnostics _cleanup_(diagnostics_fini) = {};
	int r;

	r = definition_parse(text, size, &stored, &diagnostics, ret);
	if (r == -ENOMEM)
		return error_set_errno(e, r, "reading it");
	for (size_t i = 0; r < 0 && i < diagnostics.n; i++)
		if (diagnostics.items[i].severity == SEVERITY_ERROR)
			return first_fault(&diagnostics.items[i], r, e);
	return r;
}

static int read_stored(struct registry *registry, const char *name, struct vm_spec **ret, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = store_read(registry->store, name, &text, &size, e);
	if (r == 0)
		r = parse_stored(text, size, &spec, e);
	if (r == 0)
		r = check_stored(registry, spec, name, e);
	if (r == 0)
		*ret = take_ptr(spec);
	return r;
}

/* Takes over *spec when it succeeds. */
static int add_vm(struct registry *registry, struct vm_spec **spec, struct error *e)
{
	struct vm *vm = vm_new(&registry->context, *spec);
	int r;

	if (!vm)
		return error_set_errno(e, -ENOMEM, "VM %s", (*spec)->name);
	r = registry_insert(registry, vm, e);
	if (r < 0) {
		vm->stored = NULL; /* still the caller's */
		vm_free(vm);
		return r;
	}
	take_ptr(*spec);
	if (registry->context.listener)
		registry->context.listener->added(registry->context.userdata, vm);
	return 0;
}

static bool same_definition(const struct vm_spec *a, const struct vm_spec *b)
{
	_cleanup_free_ char *a_text = definition_format(a), *b_text = definition_format(b);

	return a_text && b_text && strcmp(a_text, b_text) == 0;
}

/* Takes over *spec when it succeeds. */
static int change_vm(struct registry *registry, struct vm *vm, struct vm_spec **spec, struct error *e)
{
	int r;

	if (same_definition(vm->stored, *spec))
		return 0;
	r = registry_prepare(registry, vm, *spec, e);
	if (r == 0)
		registry_commit(registry, vm, take_ptr(*spec));
	return r;
}

static int load_definition(struct registry *registry, const char *name, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	struct vm *present = registry_lookup(registry, name);
	int r;

	r = read_stored(registry, name, &spec, e);
	if (r < 0)
		return r;
	return present ? change_vm(registry, present, &spec, e) : add_vm(registry, &spec, e);
}

static bool has_ending(const char *file)
{
	size_t size = strlen(file), ending = strlen(DEFINITION_ENDING);

	return size > ending && strcmp(file + size - ending, DEFINITION_ENDING) == 0;
}

static void load_file(struct loading *l, const char *file)
{
	_cleanup_free_ char *name = NULL;
	struct error e = {};
	int r;

	if (!has_ending(file)) {
		tell_fault(l, "definitions", file,
			"it is no definition, its name does not end in " DEFINITION_ENDING);
		return;
	}
	name = strndup(file, strlen(file) - strlen(DEFINITION_ENDING));
	r = name ? load_definition(l->registry, name, &e) : -ENOMEM;
	if (r == 0)
		return;
	l->registry->skipped = true;
	tell_fault(l, "definitions", file, error_text(&e, r));
}

/* A VM that runs stays until somebody undefines it. */
static void drop_missing(struct loading *l)
{
	struct registry *registry = l->registry;

	for (size_t i = registry->n_vms; i-- > 0;) {
		struct vm *vm = registry->vms[i];
		_cleanup_free_ char *file = NULL;

		if (asprintf(&file, "%s" DEFINITION_ENDING, vm->stored->name) < 0) {
			file = NULL;
			continue;
		}
		if (store_names_have(&l->files, file))
			continue;
		if (vm_is_active(vm))
			tell_fault(l, "definitions", file,
				"it is gone, but the VM runs; define it again, or stop and undefine it");
		else
			registry_drop(registry, vm);
	}
}

/* A name without a definition is left over from an undefine that was interrupted. */
static void remove_strays(struct loading *l, const struct store_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		_cleanup_free_ char *file = NULL;
		struct error e = {};
		int r;

		if (asprintf(&file, "%s" DEFINITION_ENDING, names->items[i]) < 0) {
			file = NULL;
			continue;
		}
		if (registry_lookup(l->registry, names->items[i]) || store_names_have(&l->files, file))
			continue;
		r = store_set_autostart(l->registry->store, names->items[i], false, &e);
		if (r < 0)
			tell_fault(l, "autostart", names->items[i], error_text(&e, r));
	}
}

static void load_autostart(struct loading *l)
{
	struct store_names names _cleanup_(store_names_fini) = {};
	struct registry *registry = l->registry;
	struct error e = {};
	int r;

	r = store_list_autostart(registry->store, &names, &e);
	if (r < 0) {
		l->fault(l->userdata, "autostart", error_text(&e, r));
		return;
	}
	for (size_t i = 0; i < registry->n_vms; i++)
		vm_set_autostart(registry->vms[i], store_names_have(&names, registry->vms[i]->stored->name));
	remove_strays(l, &names);
}

/* Their images are made ready in memory as long as there is room, beginning with those that are wanted first. */
static void expect_images(struct registry *registry, bool autostart)
{
	bool room = true;

	for (size_t i = 0; i < registry->n_vms && room; i++) {
		const struct vm *vm = registry->vms[i];

		for (size_t n = 0; vm->autostart == autostart && n < vm->stored->n_files && room; n++)
			room = sealed_expect(registry->context.sealed, vm->stored->files[n].sha256);
	}
}

static int load_all(struct loading *l, struct error *e)
{
	struct registry *registry = l->registry;
	int r;

	r = store_settle(registry->store, e);
	if (r == 0)
		r = store_list_definitions(registry->store, &l->files, e);
	if (r < 0)
		return r;
	registry->skipped = false;
	drop_missing(l);
	for (size_t i = 0; i < l->files.n; i++)
		load_file(l, l->files.items[i]);
	load_autostart(l);
	store_sweep_consoles(registry->store, &l->files);
	registry_sweep(registry);
	if (registry->skipped)
		log_warning("no image is removed from %s/images as long as a definition there is faulty",
			registry->store->path);
	expect_images(registry, true);
	expect_images(registry, false);
	store_names_fini(&l->files);
	return 0;
}

int registry_load(struct registry *registry, struct error *e)
{
	struct loading l = {.registry = registry, .fault = log_fault, .userdata = registry};

	return load_all(&l, e);
}

static void tell_reloading(const struct registry *registry, bool begins)
{
	if (registry->context.listener)
		registry->context.listener->reloading(registry->context.userdata, begins);
}

int registry_reload(struct registry *registry, registry_fault_fn fault, void *userdata, struct error *e)
{
	struct loading l = {.registry = registry,
		.fault = fault ? fault : log_fault,
		.userdata = fault ? userdata : registry};
	int r;

	tell_reloading(registry, true);
	r = load_all(&l, e);
	registry_adopt_rest(registry);
	tell_reloading(registry, false);
	return r;
}
