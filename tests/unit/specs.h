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
	spec->hrt_on_crash = SPEC_ON_CRASH_RESET;
	spec->hrt_ros_memory = SPEC_ACCESS_NONE;
	spec->hrt_modules.items = calloc(1, sizeof(*spec->hrt_modules.items));
	spec->hrt_modules.n = 1;
	spec->hrt_modules.items[0].cmdline = strdup("the data");
	spec->core[3] = (struct spec_core){.pinned = true, .cpu = 7};
	spec->ros_boots = true;
	spec->ros_on_poweroff = SPEC_ON_POWEROFF_RESET;
	spec->ros_on_reset = SPEC_ON_RESET_PAUSE;
	spec->ros_on_crash = SPEC_ON_CRASH_STOP;
	spec->ros_cmdline = strdup("console=ttyS0");
	spec->devices = calloc(2, sizeof(*spec->devices));
	spec->n_devices = 2;
	spec->devices[0].class = SPEC_DEVICE_SERIAL;
	spec->devices[1] = (struct spec_device){SPEC_DEVICE_DEBUG_EXIT, strdup("bye"), SPEC_DEBUG_EXIT_PORT};
	return spec;
}
