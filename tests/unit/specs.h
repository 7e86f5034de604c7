/* specs.h - definitions made by hand, for tests */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "spec/spec.h"

/* A right hybrid definition that owns its parts: 4 cores, 2 of them the ROS's; 256 MiB, 8 of them the ROS's.
 */
static inline struct vm_spec *spec_example(void)
{
	struct vm_spec *spec = calloc(1, sizeof(*spec));

	spec->name = strdup("nautilus");
	spec->has_uuid = true;
	memset(spec->uuid, 0xA5, sizeof(spec->uuid));
	spec->memory = 256 * MiB;
	spec->cores = 4;
	spec->hybrid = true;
	spec->ros_cores = 2;
	spec->ros_memory = 8 * MiB;
	spec->files = calloc(2, sizeof(*spec->files));
	spec->n_files = 2;
	spec->files[0].id = strdup("other");
	spec->files[1].id = strdup("hrt");
	spec->hrt_file = 1;
	spec->hrt_cmdline = strdup("mode=count \"quoted\"");
	spec->hrt_stack = SPEC_STACK_DEFAULT;
	return spec;
}
