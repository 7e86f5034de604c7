/* file.h - a file of the definition, as a monitor has it: bytes that others wrote */
#pragma once

#include <stdint.h>

struct guest_file {
	const uint8_t *data; /* borrowed; NULL: nobody needs it */
	uint64_t size;
};
