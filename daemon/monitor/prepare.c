/* prepare.c - see prepare.h */
#include "monitor/prepare.h"

#include <errno.h>

#include "base/error.h"
#include "spec/spec.h"

static bool is_module(const struct spec_modules *modules, size_t file)
{
	for (size_t i = 0; i < modules->n; i++)
		if (modules->items[i].file == file)
			return true;
	return false;
}

bool prepare_needs_file(const struct vm_spec *spec, size_t file)
{
	return (spec->hybrid && (file == spec->hrt_file || is_module(&spec->hrt_modules, file))) ||
		(spec->ros_boots && (file == spec->ros_file || is_module(&spec->ros_modules, file) ||
			(spec->ros_has_initrd && file == spec->ros_initrd)));
}

static int prepare_hrt(const struct vm_spec *spec, const struct guest_file *files, const struct hrt_processor *processor,
	struct prepared *ret, struct error *e)
{
	int r;

	ret->hrt = (struct hrt_source){.spec = spec, .files = files, .image = &ret->image, .processor = *processor};
	r = hrt_parse(spec, &files[spec->hrt_file], &ret->image, e);
	if (r == 0)
		r = plan_hrt(&ret->hrt, &ret->plan, e);
	return r < 0 ? error_prefix(e, r, "HRT image \"%s\"", spec->files[spec->hrt_file].id) : 0;
}

int prepare(const struct vm_spec *spec, const struct guest_file *files, const struct hrt_processor *processor,
	struct prepared *ret, struct error *e)
{
	int r = 0;

	if (!spec->hybrid && !spec->ros_boots)
		return error_set(e, -EOPNOTSUPP,
			"VM %s has nothing to run: neither a kernel (<ros file_id=\"...\"/>) nor an HRT (<hvm enable=\"y\">)",
			spec->name);
	if (spec->hybrid)
		r = prepare_hrt(spec, files, processor, ret, e);
	else
		plan_ros_alone(spec, &ret->plan);
	if (r < 0 || !spec->ros_boots)
		return r;
	r = ros_boot_init(&ret->ros, spec, files, e);
	return r < 0 ? r : ros_boot_plan(&ret->ros, &ret->plan, e);
}
