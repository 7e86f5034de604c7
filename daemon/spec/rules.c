/* rules.c - see rules.h */
#include "spec/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "abi/x86.h"
#include "base/error.h"
#include "base/macro.h"
#include "spec/spec.h"

static int check_name(const struct vm_spec *spec, struct error *e)
{
	if (!spec->name || !spec_name_valid(spec->name))
		return error_set(e, -EBADMSG,
			"name: \"%.80s\" cannot be the name of a VM; write 1 to %d letters, digits, '_', "
			"'-', '.', "
			"the first a letter or a digit",
			spec->name ? spec->name : "", SPEC_NAME_MAX);
	return 0;
}

static int check_memory(const struct vm_spec *spec, struct error *e)
{
	if (spec->memory < SPEC_MEMORY_MIN || spec->memory > SPEC_MEMORY_MAX || spec->memory % MiB != 0)
		return error_set(e, -EBADMSG,
			"memory: %" PRIu64 " bytes; a VM has whole MiB, from %llu to %llu of them",
			spec->memory, SPEC_MEMORY_MIN / MiB, SPEC_MEMORY_MAX / MiB);
	return 0;
}

static int check_cores(const struct vm_spec *spec, struct error *e)
{
	if (spec->cores < 1 || spec->cores > SPEC_CORES_MAX)
		return error_set(
			e, -EBADMSG, "cores: a VM has 1 to %d, not %" PRIu32, SPEC_CORES_MAX, spec->cores);
	return 0;
}

static int check_cores_for_both(const struct vm_spec *spec, struct error *e)
{
	if (spec->hybrid && spec->cores == 1)
		return error_set(e, -EBADMSG,
			"cores: a hybrid VM needs at least 2, one for the ROS and one for the HRT, and 1 is "
			"given");
	return 0;
}

static int check_file(const struct vm_spec *spec, const struct spec_file *file, struct error *e)
{
	if (!file->id || !file->id[0] || strlen(file->id) > SPEC_FILE_ID_MAX || !spec_text_valid(file->id))
		return error_set(e, -EBADMSG, "files: an id has 1 to %d bytes and no control characters",
			SPEC_FILE_ID_MAX);
	if (spec_file_find(spec, file->id) != file)
		return error_set(e, -EBADMSG, "files: two have the id \"%s\"; each needs its own", file->id);
	return 0;
}

static int check_files(const struct vm_spec *spec, struct error *e)
{
	if (spec->n_files > SPEC_FILES_MAX)
		return error_set(e, -EBADMSG, "files: %zu are more than the %d that a VM may have",
			spec->n_files, SPEC_FILES_MAX);
	for (size_t i = 0; i < spec->n_files; i++) {
		int r = check_file(spec, &spec->files[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_ros_cores(const struct vm_spec *spec, struct error *e)
{
	if (!spec->hybrid && spec->ros_cores != spec->cores)
		return error_set(e, -EBADMSG,
			"ros cores: without an HRT all %" PRIu32 " cores are the ROS's, not %" PRIu32,
			spec->cores, spec->ros_cores);
	if (!spec->hybrid || spec->cores < 2) /* check_cores_for_both() says it */
		return 0;
	if (spec->ros_cores < 1)
		return error_set(e, -EBADMSG, "ros cores: 0; the ROS boots on core 0, so give it at least 1");
	if (spec->ros_cores >= spec->cores)
		return error_set(e, -EBADMSG,
			"ros cores: %" PRIu32 " of %" PRIu32
			" cores leave none for the HRT; give the ROS %" PRIu32 " at most",
			spec->ros_cores, spec->cores, spec->cores - 1);
	return 0;
}

static int check_ros_memory(const struct vm_spec *spec, struct error *e)
{
	uint64_t ros = spec->ros_memory;

	if (!spec->hybrid && ros != spec->memory)
		return error_set(e, -EBADMSG,
			"ros mem: without an HRT all %llu MiB are the ROS's, not %" PRIu64 " bytes",
			spec->memory / MiB, ros);
	if (!spec->hybrid)
		return 0;
	if (ros == 0 || ros % MiB != 0)
		return error_set(
			e, -EBADMSG, "ros mem: %" PRIu64 " bytes; the ROS has whole MiB, at least one", ros);
	if (ros >= spec->memory)
		return error_set(e, -EBADMSG,
			"ros mem: %llu MiB of %llu MiB leave none for the HRT; give the ROS less than %llu",
			ros / MiB, spec->memory / MiB, spec->memory / MiB);
	if (ros > DEVICE_HOLE_START)
		return error_set(e, -EBADMSG,
			"ros mem: %llu MiB reach into the device hole, which begins at %llu MiB; give the "
			"ROS no more",
			ros / MiB, DEVICE_HOLE_START / MiB);
	return 0;
}

static int check_hrt_file(const struct vm_spec *spec, struct error *e)
{
	if (spec->hybrid && spec->hrt_file >= spec->n_files)
		return error_set(e, -EBADMSG, "hrt file_id: there is no file %zu among %zu", spec->hrt_file,
			spec->n_files);
	return 0;
}

static int check_hrt_cmdline(const struct vm_spec *spec, struct error *e)
{
	if (!spec->hybrid || !spec->hrt_cmdline)
		return 0;
	if (strlen(spec->hrt_cmdline) > SPEC_CMDLINE_MAX)
		return error_set(e, -EBADMSG, "hrt cmdline: %zu bytes are more than %d",
			strlen(spec->hrt_cmdline), SPEC_CMDLINE_MAX);
	if (!spec_text_valid(spec->hrt_cmdline))
		return error_set(
			e, -EBADMSG, "hrt cmdline: it holds a control character; write it in one line");
	return 0;
}

static int check_hrt_stack(const struct vm_spec *spec, struct error *e)
{
	if (!spec->hybrid)
		return 0;
	if (spec->hrt_stack < PAGE_SIZE || spec->hrt_stack > SPEC_STACK_MAX ||
		spec->hrt_stack % PAGE_SIZE != 0)
		return error_set(e, -EBADMSG,
			"hrt stack: %" PRIu32 " bytes; it is a multiple of 4096, up to %u", spec->hrt_stack,
			SPEC_STACK_MAX);
	return 0;
}

static int check_hrt_stacks_fit(const struct vm_spec *spec, struct error *e)
{
	uint64_t n, room;

	if (!spec->hybrid || spec->ros_cores >= spec->cores || spec->ros_memory >= spec->memory)
		return 0;
	n = spec->cores - spec->ros_cores;
	room = spec->memory - spec->ros_memory;
	if (n * spec->hrt_stack >= room) /* at most 64 * 1 MiB */
		return error_set(e, -EBADMSG,
			"hrt stack: %" PRIu64 " cores with %" PRIu32
			" bytes each do not fit into the %llu MiB that the HRT owns; "
			"give it more memory or smaller stacks",
			n, spec->hrt_stack, room / MiB);
	return 0;
}

#define NAME        SPEC_FIELD_BIT(SPEC_FIELD_NAME)
#define MEMORY      SPEC_FIELD_BIT(SPEC_FIELD_MEMORY)
#define CORES       SPEC_FIELD_BIT(SPEC_FIELD_CORES)
#define FILES       SPEC_FIELD_BIT(SPEC_FIELD_FILES)
#define ROS_CORES   SPEC_FIELD_BIT(SPEC_FIELD_ROS_CORES)
#define ROS_MEMORY  SPEC_FIELD_BIT(SPEC_FIELD_ROS_MEMORY)
#define HRT_FILE    SPEC_FIELD_BIT(SPEC_FIELD_HRT_FILE)
#define HRT_CMDLINE SPEC_FIELD_BIT(SPEC_FIELD_HRT_CMDLINE)
#define HRT_STACK   SPEC_FIELD_BIT(SPEC_FIELD_HRT_STACK)

const struct spec_rule spec_rules[] = {
	{NAME, SPEC_FIELD_NAME, check_name},
	{MEMORY, SPEC_FIELD_MEMORY, check_memory},
	{CORES, SPEC_FIELD_CORES, check_cores},
	{CORES, SPEC_FIELD_CORES, check_cores_for_both},
	{FILES, SPEC_FIELD_FILES, check_files},
	{CORES | ROS_CORES, SPEC_FIELD_ROS_CORES, check_ros_cores},
	{MEMORY | ROS_MEMORY, SPEC_FIELD_ROS_MEMORY, check_ros_memory},
	{FILES | HRT_FILE, SPEC_FIELD_HRT_FILE, check_hrt_file},
	{HRT_CMDLINE, SPEC_FIELD_HRT_CMDLINE, check_hrt_cmdline},
	{HRT_STACK, SPEC_FIELD_HRT_STACK, check_hrt_stack},
	{MEMORY | CORES | ROS_CORES | ROS_MEMORY | HRT_STACK, SPEC_FIELD_HRT_STACK, check_hrt_stacks_fit},
};
const size_t n_spec_rules = ARRAY_SIZE(spec_rules);
