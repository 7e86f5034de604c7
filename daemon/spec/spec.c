/* spec.c - see spec.h */
#include "spec/spec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "spec/rules.h"

static void modules_fini(struct spec_modules *modules)
{
	for (size_t i = 0; i < modules->n; i++)
		free(modules->items[i].cmdline);
	free(modules->items);
}

struct vm_spec *vm_spec_free(struct vm_spec *spec)
{
	if (!spec)
		return NULL;
	modules_fini(&spec->hrt_modules);
	free(spec->hrt_cmdline);
	modules_fini(&spec->ros_modules);
	free(spec->ros_cmdline);
	for (size_t i = 0; i < spec->n_devices; i++)
		free(spec->devices[i].id);
	free(spec->devices);
	for (size_t i = 0; i < spec->n_files; i++) {
		free(spec->files[i].id);
		free(spec->files[i].filename);
	}
	free(spec->files);
	free(spec->name);
	free(spec);
	return NULL;
}

bool spec_has_console(const struct vm_spec *spec, enum partition_role role)
{
	return role == PARTITION_ROS ? spec->ros_boots : spec->hybrid;
}

enum spec_on_crash spec_on_crash(const struct vm_spec *spec, enum partition_role role)
{
	return role == PARTITION_ROS ? spec->ros_on_crash : spec->hrt_on_crash;
}

bool spec_name_valid(const char *name)
{
	size_t n = strlen(name);

	if (n < 1 || n > SPEC_NAME_MAX || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
			return false;
	return true;
}

bool spec_text_valid(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

struct spec_file *spec_file_find(const struct vm_spec *spec, const char *id)
{
	for (size_t i = 0; i < spec->n_files; i++)
		if (spec->files[i].id && strcmp(spec->files[i].id, id) == 0)
			return &spec->files[i];
	return NULL;
}

int spec_check(const struct vm_spec *spec, struct error *e)
{
	for (size_t i = 0; i < n_spec_rules; i++) {
		int r = spec_rules[i].check(spec, e);

		if (r < 0)
			return r;
	}
	return 0;
}
