/* fuzz-kernel.c - whatever a kernel of the ROS says, what is believed of it lies within the file, and what is planned in memory */
#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/macro.h"
#include "fuzz.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"
#include "image/describe.h"

const char *const fuzz_corpus[] = {
	"tests/fuzz/corpus/kernel", "tests/fuzz/corpus/image", "tests/data/images", "examples/guests", NULL};

#define COPIED_MAX (1 * MiB)

static struct spec_file ids[] = {{.id = (char *)"kernel"}, {.id = (char *)"initrd"}};
static const struct vm_spec spec = {.name = (char *)"test", .memory = 96 * MiB, .ros_memory = 96 * MiB, .cores = 1,
	.ros_cores = 1, .files = ids, .n_files = 2, .ros_boots = true, .ros_has_initrd = true, .ros_initrd = 1,
	.ros_cmdline = (char *)"console=ttyS0"};

static void check_segment(const struct kernel_image *image, size_t i, uint64_t size)
{
	const struct image_segment *s = &image->segments[i];

	if (s->offset > size || s->file_size > size - s->offset || s->file_size > s->memory_size || s->memory_size == 0)
		abort();
	if (s->gpa + s->memory_size < s->gpa || (i > 0 && s[-1].gpa + s[-1].memory_size > s->gpa))
		abort();
}

static void check_plan(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_regions; i++)
		if (plan->regions[i].size == 0 ||
			(i > 0 && plan->regions[i - 1].gpa + plan->regions[i - 1].size > plan->regions[i].gpa))
			abort();
}

/* Under the sanitizer: none of it reads or writes beyond what it says. */
static void check_sections(const struct image_sections *sections, const uint8_t *data)
{
	uint8_t *headers, *bytes;

	if (sections->n == 0 || sections->size > COPIED_MAX)
		return;
	headers = calloc(sections->n, sections->header_size);
	bytes = malloc(sections->size + 1);
	if (headers && bytes) {
		sections_headers(data, sections, 0x1000, 0x2000, headers);
		sections_copy(data, sections, bytes);
	}
	free(headers);
	free(bytes);
}

static void plan_boot(const struct kernel_image *image, const struct guest_file files[2])
{
	struct ros_boot boot = {.kernel = *image, .spec = &spec, .files = files};
	struct boot_registers *registers = calloc(1, 4096);
	struct plan plan;
	struct error e = {};

	plan_ros_alone(&spec, &plan);
	if (ros_boot_plan(&boot, &plan, &e) == 0) {
		check_plan(&plan);
		ros_boot_registers(&boot, registers);
	} else if (!e.text[0]) {
		abort(); /* a refusal without a sentence */
	}
	free(registers);
}

/* What is said of it for a person is never empty, nor long. */
static void check_words(const uint8_t *data, size_t size)
{
	struct buffer b = BUFFER_INIT(4096);

	image_describe(data, size, &b);
	kernel_image_explain(data, size, KERNEL_PROTOCOLS_ALL & ~KERNEL_PROTOCOL_BIT(KERNEL_PVH), &b);
	if (b.size == 0 || !buffer_ok(&b))
		abort();
	buffer_fini(&b);
}

static void check_choice(const uint8_t *data, size_t size)
{
	struct kernel_image image;
	struct error e = {};

	if (kernel_image_parse(data, size, KERNEL_PROTOCOLS_ALL, &image, &e) < 0) {
		if (!e.text[0])
			abort(); /* a refusal without a sentence */
	} else if (!kernel_protocol_to_string(image.protocol)[0]) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct guest_file files[2] = {{data, size}, {(const uint8_t *)"initrd", 6}};
	struct kernel_image image;
	struct error e;
	int r;

	check_words(data, size);
	check_choice(data, size);
	for (int p = 0; p < N_KERNEL_PROTOCOLS; p++) {
		e = (struct error){};
		r = kernel_image_parse_as(data, size, (enum kernel_protocol)p, &image, &e);
		if (r < 0) {
			if ((r != -ENOENT && r != -ENOEXEC) || !e.text[0])
				abort();
			continue;
		}
		if (image.n_segments == 0 || image.n_segments > KERNEL_SEGMENTS_MAX)
			abort();
		for (size_t i = 0; i < image.n_segments; i++)
			check_segment(&image, i, size);
		check_sections(&image.sections, data);
		plan_boot(&image, files);
	}
	return 0;
}
