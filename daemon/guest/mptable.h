/*
 * mptable.h - Intel's MP table, for kernels that know no ACPI
 *
 * It says what acpi.h says: a test holds the two together. Palacios counts one
 * entry more than it writes [spec 8.3]; here the count is of what is there.
 */
#pragma once

#include <stdint.h>

struct buffer;
struct platform;

/*
 * Appends pointer and table to an empty buffer, as they are to stand at `gpa`
 * (a multiple of 16, below 1 MiB). Less than PLATFORM_MP_SIZE bytes.
 */
void mptable_append(const struct platform *platform, uint64_t gpa, struct buffer *b);
