/*
 * describe.h - what an image is, in words, for a person who wonders why it does not boot
 *
 * Looks for every format that a machine of ours could meet, also those that
 * cannot be booted (yet). Pure, as all of image/.
 */
#pragma once

#include <stdint.h>

struct buffer;

/* Appends one line without its end: "ELF64 for x86-64, executable; Multiboot2 header at 0x1000, with HRT tag". */
void image_describe(const void *data, uint64_t size, struct buffer *b);
