/*
 * acpi-dump.c - writes the ACPI tables of a machine into files, for acpica's tools
 *
 *	acpi-dump FOLDER CORES NODES
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/acpi.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "guest/acpi.h"
#include "guest/platform.h"

static uint64_t get(const struct buffer *b, uint64_t at, unsigned bytes)
{
	struct cursor c = cursor_init(b->data + at, b->size - at);

	return cursor_uint(&c, bytes);
}

static void save(const char *folder, const struct buffer *b, uint64_t gpa)
{
	uint64_t at = gpa - PLATFORM_ACPI_GPA, size = get(b, at + ACPI_HEADER_LENGTH, 4);
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%.4s.dat", folder, (const char *)b->data + at);
	file = fopen(path, "w");
	if (!file || fwrite(b->data + at, 1, size, file) != size || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct buffer b = BUFFER_INIT(PLATFORM_ACPI_SIZE);
	struct platform platform = {};
	uint64_t xsdt, end, fadt = 0;

	if (argc != 4)
		return 2;
	platform.n_cores = (uint32_t)atoi(argv[2]);
	platform.n_nodes = (uint32_t)atoi(argv[3]);
	for (uint32_t i = 0; i < platform.n_nodes; i++)
		platform.ranges[platform.n_ranges++] = (struct platform_range){.gpa = i << 28, .size = 1 << 28, .node = i};
	for (uint32_t i = 0; i < platform.n_cores && platform.n_nodes > 0; i++)
		platform.node_of_core[i] = i % platform.n_nodes;
	acpi_append(&platform, PLATFORM_ACPI_GPA, &b);
	if (!buffer_ok(&b))
		return 1;
	xsdt = get(&b, 24, 8);
	end = xsdt + get(&b, xsdt - PLATFORM_ACPI_GPA + ACPI_HEADER_LENGTH, 4);
	save(argv[1], &b, xsdt);
	save(argv[1], &b, get(&b, 16, 4));
	for (uint64_t at = xsdt + ACPI_HEADER_SIZE; at < end; at += 8) {
		uint64_t gpa = get(&b, at - PLATFORM_ACPI_GPA, 8);

		save(argv[1], &b, gpa);
		if (fadt == 0)
			fadt = gpa - PLATFORM_ACPI_GPA; /* the first: FADT */
	}
	save(argv[1], &b, get(&b, fadt + 140, 8));
	save(argv[1], &b, get(&b, fadt + 36, 4));
	buffer_fini(&b);
	return 0;
}
