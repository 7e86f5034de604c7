/* large-image.h - an HRT image of any size whose cores halt at once, in one executable segment */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * As a memfd for the caller, "image", sealed as hvmd's are or not; at least 8 KiB. `calls`: it has a
 * hypercall by instruction. Or a negative errno.
 */
int large_image(uint64_t size, bool sealed, bool calls);
