/* hrt-info.h - what an HRT core is told of its machine: the contents of its information block [spec 5.3, 5.4] */
#pragma once

#include <stdint.h>

#include "guest/info.h"

struct buffer;
struct hrt_source;
struct plan;

#define MEMORY_MAP_MAX 9

/*
 * The memory map an HRT core is told: RAM with the boot state reserved, and what
 * is handed over beside the image, and the device hole; memory of the ROS that it
 * may not see is reserved, too. Returns the number of entries.
 */
unsigned memory_map_hrt(const struct plan *plan, struct memory_map_entry ret[MEMORY_MAP_MAX]);

/* Appends the block. Fails as buffers do. */
void hrt_info_append(const struct plan *plan, const struct hrt_source *source, uint64_t cpu_khz, struct buffer *b);

/* Bytes of it. */
uint64_t hrt_info_size(const struct plan *plan, const struct hrt_source *source);
