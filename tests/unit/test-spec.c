/* test-spec.c - the rules of a definition, and its form on the link */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "specs.h"
#include "spec/wire.h"

static struct vm_spec *spec;
static struct error e;

static void set_up(void)
{
	spec = spec_example();
	e = (struct error){};
}

static void tear_down(void)
{
	spec = vm_spec_free(spec);
}

static void cr_refuses(const char *sentence)
{
	cr_assert(eq(int, spec_check(spec, &e), -EBADMSG));
	cr_assert_str_eq(e.text, sentence);
}

TestSuite(spec, .init = set_up, .fini = tear_down);
TestSuite(wire, .init = set_up, .fini = tear_down);

Test(spec, accepts_the_example)
{
	cr_assert(eq(int, spec_check(spec, &e), 0), "%s", e.text);
}

Test(spec, accepts_a_vm_without_an_hrt)
{
	spec->hybrid = false;
	spec->ros_cores = spec->cores;
	spec->ros_memory = spec->memory;
	cr_assert(eq(int, spec_check(spec, &e), 0), "%s", e.text);
}

Test(spec, knows_which_names_a_vm_may_have)
{
	cr_assert(spec_name_valid("a"));
	cr_assert(spec_name_valid("0-a_b.C"));
	cr_assert(not(spec_name_valid("")));
	cr_assert(not(spec_name_valid(".hidden")));
	cr_assert(not(spec_name_valid("a/b")));
	cr_assert(not(spec_name_valid("n\303\244me")));
	cr_assert(spec_name_valid("abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"));
	cr_assert(not(spec_name_valid("abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01")));
}

Test(spec, refuses_a_bad_name)
{
	strcpy(spec->name, "-a");
	cr_refuses("name: \"-a\" cannot be the name of a VM; write 1 to 63 letters, digits, '_', '-', '.', "
		   "the first a letter or a digit");
}

Test(spec, refuses_memory_out_of_range)
{
	spec->memory = 0;
	cr_refuses("memory: 0 bytes; a VM has whole MiB, from 2 to 1048576 of them");
	spec->memory = SPEC_MEMORY_MAX + MiB;
	cr_assert(eq(int, spec_check(spec, NULL), -EBADMSG));
	spec->memory = 256 * MiB + 1;
	cr_assert(eq(int, spec_check(spec, NULL), -EBADMSG));
}

Test(spec, refuses_no_cores_and_too_many)
{
	spec->cores = 0;
	cr_refuses("cores: a VM has 1 to 64, not 0");
	spec->cores = 65;
	cr_refuses("cores: a VM has 1 to 64, not 65");
}

Test(spec, refuses_a_hybrid_of_one_core)
{
	spec->cores = 1;
	cr_refuses(
		"cores: a hybrid VM needs at least 2, one for the ROS and one for the HRT, and 1 is given");
}

Test(spec, refuses_a_ros_without_cores)
{
	spec->ros_cores = 0;
	cr_refuses("ros cores: 0; the ROS boots on core 0, so give it at least 1");
}

Test(spec, refuses_a_ros_with_all_cores)
{
	spec->ros_cores = 4;
	cr_refuses("ros cores: 4 of 4 cores leave none for the HRT; give the ROS 3 at most");
}

Test(spec, refuses_a_ros_with_all_memory)
{
	spec->ros_memory = 256 * MiB;
	cr_refuses("ros mem: 256 MiB of 256 MiB leave none for the HRT; give the ROS less than 256");
}

Test(spec, refuses_a_ros_without_memory)
{
	spec->ros_memory = 0;
	cr_refuses("ros mem: 0 bytes; the ROS has whole MiB, at least one");
}

Test(spec, refuses_a_ros_that_reaches_into_the_device_hole)
{
	spec->memory = 16 * GiB;
	spec->ros_memory = 4077 * MiB;
	cr_refuses("ros mem: 4077 MiB reach into the device hole, which begins at 4076 MiB; give the ROS no "
		   "more");
	spec->ros_memory = 4076 * MiB;
	cr_assert(eq(int, spec_check(spec, &e), 0));
}

Test(spec, refuses_two_files_with_one_id)
{
	strcpy(spec->files[0].id, "hrt");
	cr_refuses("files: two have the id \"hrt\"; each needs its own");
}

Test(spec, refuses_an_empty_file_id)
{
	spec->files[0].id[0] = '\0';
	cr_refuses("files: an id has 1 to 255 bytes and no control characters");
}

Test(spec, refuses_an_hrt_file_that_is_not_there)
{
	spec->hrt_file = 2;
	cr_refuses("hrt file_id: there is no file 2 among 2");
}

Test(spec, refuses_a_command_line_of_two_lines)
{
	spec->hrt_cmdline[0] = '\n';
	cr_refuses("hrt cmdline: it holds a control character; write it in one line");
}

Test(spec, refuses_a_stack_that_is_no_multiple_of_a_page)
{
	spec->hrt_stack = 5000;
	cr_refuses("hrt stack: 5000 bytes; it is a multiple of 4096, up to 1048576");
}

Test(spec, refuses_stacks_that_do_not_fit)
{
	spec->memory = 10 * MiB;
	spec->hrt_stack = SPEC_STACK_MAX;
	cr_refuses("hrt stack: 2 cores with 1048576 bytes each do not fit into the 2 MiB that the HRT owns; "
		   "give it more memory or smaller stacks");
}

Test(spec, refuses_a_ros_that_is_less_than_a_vm_without_an_hrt)
{
	spec->hybrid = false;
	cr_refuses("ros cores: without an HRT all 4 cores are the ROS's, not 2");
}

Test(spec, frees_nothing_and_half_a_definition)
{
	struct vm_spec *half = calloc(1, sizeof(*half));

	cr_assert(zero(ptr, vm_spec_free(NULL)));
	cr_assert(zero(ptr, vm_spec_free(half)));
}

static struct buffer encoded(void)
{
	struct buffer b = BUFFER_INIT(65536);

	spec_encode(spec, &b);
	cr_assert(buffer_ok(&b));
	return b;
}

static int decode(const struct buffer *b, size_t size, struct vm_spec **ret)
{
	/* a copy of its own, so that a sanitizer sees any read past the end */
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);
	struct cursor c;

	memcpy(copy, b->data, size);
	c = cursor_init(copy, size);
	return spec_decode(&c, ret, &e);
}

Test(wire, round_trip_keeps_what_a_monitor_needs)
{
	struct buffer b = encoded();
	struct vm_spec *copy = NULL;

	cr_assert(eq(int, decode(&b, b.size, &copy), 0), "%s", e.text);
	cr_assert_str_eq(copy->name, spec->name);
	cr_assert(copy->has_uuid);
	cr_assert(eq(int, memcmp(copy->uuid, spec->uuid, sizeof(spec->uuid)), 0));
	cr_assert(eq(u64, copy->memory, spec->memory));
	cr_assert(eq(u32, copy->cores, spec->cores));
	cr_assert(copy->hybrid);
	cr_assert(eq(u32, copy->ros_cores, spec->ros_cores));
	cr_assert(eq(u64, copy->ros_memory, spec->ros_memory));
	cr_assert(eq(sz, copy->n_files, 2));
	cr_assert_str_eq(copy->files[0].id, "other");
	cr_assert_str_eq(copy->files[1].id, "hrt");
	cr_assert(zero(ptr, copy->files[1].filename));
	cr_assert(eq(sz, copy->hrt_file, 1));
	cr_assert_str_eq(copy->hrt_cmdline, spec->hrt_cmdline);
	cr_assert(eq(u32, copy->hrt_stack, spec->hrt_stack));
	vm_spec_free(copy);
	buffer_fini(&b);
}

Test(wire, round_trip_without_an_hrt)
{
	struct buffer b;
	struct vm_spec *copy = NULL;

	spec->hybrid = false;
	spec->has_uuid = false;
	spec->ros_cores = spec->cores;
	spec->ros_memory = spec->memory;
	free(take_ptr(spec->hrt_cmdline));
	b = encoded();
	cr_assert(eq(int, decode(&b, b.size, &copy), 0), "%s", e.text);
	cr_assert(not(copy->hybrid));
	cr_assert(not(copy->has_uuid));
	cr_assert(zero(ptr, copy->hrt_cmdline));
	vm_spec_free(copy);
	buffer_fini(&b);
}

Test(wire, refuses_a_definition_cut_at_any_byte)
{
	struct buffer b = encoded();
	struct vm_spec *copy = NULL;

	for (size_t size = 0; size < b.size; size++) {
		cr_assert(eq(int, decode(&b, size, &copy), -EPROTO), "cut to %zu bytes", size);
		cr_assert_str_eq(e.text, "a definition on the link is cut short or malformed");
	}
	buffer_fini(&b);
}

Test(wire, refuses_bytes_left_over)
{
	struct buffer b = encoded();
	struct vm_spec *copy = NULL;

	buffer_append_zeros(&b, 3);
	cr_assert(eq(int, decode(&b, b.size, &copy), -EPROTO));
	cr_assert_str_eq(e.text, "a definition on the link has 3 bytes too many");
	buffer_fini(&b);
}

Test(wire, survives_any_one_byte_being_another)
{
	struct buffer b = encoded();

	for (size_t i = 0; i < b.size; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct vm_spec *copy = NULL;
			int r;

			b.data[i] ^= (uint8_t)(1u << bit);
			r = decode(&b, b.size, &copy);
			cr_assert(r == 0 || r == -EPROTO || r == -EBADMSG);
			cr_assert(r < 0 || spec_check(copy, NULL) == 0);
			vm_spec_free(copy);
			b.data[i] ^= (uint8_t)(1u << bit);
		}
	buffer_fini(&b);
}

Test(wire, refuses_a_definition_that_breaks_a_rule)
{
	struct buffer b;
	struct vm_spec *copy = NULL;

	spec->ros_cores = 4;
	b = encoded();
	cr_assert(eq(int, decode(&b, b.size, &copy), -EBADMSG));
	cr_assert_str_eq(e.text,
		"a definition on the link: ros cores: 4 of 4 cores leave none for the HRT; give the ROS 3 at "
		"most");
	buffer_fini(&b);
}

Test(wire, refuses_a_count_of_files_that_no_definition_has)
{
	struct buffer b = encoded();
	size_t at = 1 + SPEC_UUID_SIZE + 4 + strlen("nautilus") + 8 + 4 + 4 + 8;
	struct vm_spec *copy = NULL;

	buffer_put_uint(&b, at, 0xFFFFFFFF, 4);
	cr_assert(eq(int, decode(&b, b.size, &copy), -EPROTO));
	buffer_fini(&b);
}
