/*
 * kernel-verdict.c - what we make of kernels, for the shell
 *
 *	kernel-verdict FILE         a line a protocol: "multiboot2: yes", "multiboot: no: ..." (it does not speak
 *	                            it), "pvh: wrong: ..." (it does, and cannot be booted)
 *	kernel-verdict --load FILE  boots it in thought: where everything stands, and whether memory then holds
 *	                            the file's bytes
 *	kernel-verdict --make DIR   writes kernels into a folder, one for each thing that a header may get wrong
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/macro.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"
#include "image-builder.h"

#define RAM (256 * MiB)

static struct guest_file read_file(const char *path)
{
	static uint8_t data[32 * MiB];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(data, 1, sizeof(data), f) : 0;

	if (!f || ferror(f) || fclose(f) != 0) {
		perror(path);
		exit(2);
	}
	return (struct guest_file){data, n};
}

static int judge(const char *path)
{
	struct guest_file file = read_file(path);

	for (int p = 0; p < N_KERNEL_PROTOCOLS; p++) {
		struct kernel_image image;
		struct error e = {};
		int r = kernel_image_parse_as(file.data, file.size, (enum kernel_protocol)p, &image, &e);

		printf("%s: %s%s%s\n", kernel_protocol_to_string((enum kernel_protocol)p), r == 0 ? "yes" : r == -ENOENT ? "no" : "wrong",
			r == 0 ? "" : ": ", e.text);
	}
	return 0;
}

/* --- In thought ---------------------------------------------------------------- */

static int fail(const struct error *e)
{
	printf("refused: %s\n", e->text);
	return 1;
}

static bool holds(const uint8_t *ram, const struct image_segment *s, const struct guest_file *file)
{
	if (memcmp(ram + s->gpa, file->data + s->offset, s->file_size) != 0)
		return false;
	for (uint64_t i = s->file_size; i < s->memory_size; i++)
		if (ram[s->gpa + i])
			return false;
	return true;
}

static int load(const char *path)
{
	static struct spec_file id = {.id = (char *)"kernel"};
	struct vm_spec spec = {.name = (char *)"test", .memory = RAM, .ros_memory = RAM, .cores = 1, .ros_cores = 1, .files = &id,
		.n_files = 1, .ros_boots = true};
	struct guest_file file = read_file(path);
	uint8_t *ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct boot_registers registers;
	struct memory memory = {};
	struct ros_boot boot;
	struct error e = {};
	struct plan plan;

	memory_add(&memory, 0, RAM, ram);
	plan_ros_alone(&spec, &plan);
	if (ros_boot_init(&boot, &spec, &file, &e) < 0 || ros_boot_plan(&boot, &plan, &e) < 0 || ros_boot_write(&boot, &memory, &e) < 0)
		return fail(&e);
	ros_boot_registers(&boot, &registers);
	printf("protocol %s\nentry 0x%llx\neax 0x%llx\n", kernel_protocol_to_string(boot.kernel.protocol),
		(unsigned long long)registers.rip, (unsigned long long)registers.rax);
	for (size_t i = 0; i < boot.kernel.n_segments; i++) {
		const struct image_segment *s = &boot.kernel.segments[i];

		printf("segment 0x%llx 0x%llx: %s\n", (unsigned long long)s->gpa, (unsigned long long)s->memory_size,
			holds(ram, s, &file) ? "loaded" : "DIFFERS");
	}
	return 0;
}

/* --- By hand ---------------------------------------------------------------------- */

static void write_image(const char *folder, const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
		perror(path);
		exit(2);
	}
}

static void make2(const char *folder, const char *name, const struct recipe *recipe)
{
	struct buffer b = {};

	recipe_build(recipe, &b);
	write_image(folder, name, b.data, b.size);
	buffer_fini(&b);
}

static struct recipe kernel2(void)
{
	struct recipe r;

	recipe_bare(&r);
	r.n_segments = 1;
	r.segments[0] = (struct recipe_segment){.type = 1, .flags = 5, .offset = EXAMPLE_OFFSET, .virtual_address = EXAMPLE_GPA,
		.physical_address = EXAMPLE_GPA, .file_size = EXAMPLE_LOADED, .memory_size = EXAMPLE_LOADED};
	recipe_tag_end(&r);
	return r;
}

/* With the header at this offset of a file of this size. */
static void make2_at(const char *folder, const char *name, uint64_t offset, uint64_t size)
{
	struct recipe r = kernel2();

	r.header_offset = offset;
	r.size = size;
	make2(folder, name, &r);
}

static void make1(const char *folder, const char *name, uint64_t offset, uint32_t flags, uint32_t error, size_t size)
{
	static uint8_t data[64 * KiB];
	uint32_t words[] = {0x1BADB002, flags, -(0x1BADB002 + flags) + error, 0x100000 + (uint32_t)offset, 0x100000, 0, 0, 0x100000};

	memset(data, 0, sizeof(data));
	memcpy(data + offset, words, sizeof(words));
	write_image(folder, name, data, size);
}

static int make(const char *folder)
{
	struct recipe r = kernel2();

	make2(folder, "right2", &r);
	r.checksum_off = 1;
	make2(folder, "checksum2", &r);
	r = kernel2();
	r.arch = 4;
	make2(folder, "mips2", &r);
	r = kernel2();
	r.magic ^= 1;
	make2(folder, "magic2", &r);
	r = kernel2();
	r.tags_size = 0;
	recipe_tag(&r, 10, 0, (uint32_t[]){0x100000, 0x8000000, 0x1000, 2}, 4);
	recipe_tag_end(&r);
	make2(folder, "moves2", &r);
	make2_at(folder, "last2", 32768 - 24, 65536);
	make2_at(folder, "far2", 32768, 65536);
	make1(folder, "right1", 0, 0x10003, 0, 4096);
	make1(folder, "last1", 8192 - 12, 3, 0, 16384);
	make1(folder, "far1", 8192, 0x10003, 0, 16384);
	make1(folder, "odd1", 2, 0x10003, 0, 4096);
	make1(folder, "checksum1", 0, 0x10003, 1, 4096);
	make1(folder, "tiny1", 0, 3, 0, 11);
	make1(folder, "video1", 0, 0x10007, 0, 4096);
	write_image(folder, "empty", "", 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--load") == 0)
		return load(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--make") == 0)
		return make(argv[2]);
	return argc == 2 ? judge(argv[1]) : 2;
}
