/* test-spec.c - the rules of a definition, and its form on the link */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "specs.h"
#include "spec/append.h"
#include "spec/support.h"
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

/* --- Adding to a command line --------------------------------------------- */

static void cr_appends(enum partition_role role, const char *text, const char *whole)
{
	char *cmdline;

	cr_assert(eq(int, spec_append(spec, role, text, &cmdline, &e), 0), "%s", e.text);
	cr_assert_str_eq(cmdline ? cmdline : "(none)", whole);
	free(cmdline);
}

static void cr_does_not_append(enum partition_role role, const char *text, int error, const char *sentence)
{
	char *cmdline;

	cr_assert(eq(int, spec_append(spec, role, text, &cmdline, &e), error));
	cr_assert_str_eq(e.text, sentence);
}

Test(spec, adds_to_a_command_line_where_the_definition_lets_it)
{
	spec->hrt_append = spec->ros_append = true;
	cr_appends(PARTITION_HRT, "core=1", "mode=count \"quoted\" core=1");
	cr_appends(PARTITION_ROS, "quiet", "console=ttyS0 quiet");
	cr_appends(PARTITION_ROS, "", "console=ttyS0");
}

Test(spec, adds_to_no_command_line_as_well)
{
	free(spec->hrt_cmdline);
	spec->hrt_cmdline = NULL;
	spec->hrt_append = true;
	cr_appends(PARTITION_HRT, "mode=park", "mode=park");
	cr_appends(PARTITION_HRT, "", "(none)");
}

Test(spec, adds_to_a_command_line_up_to_its_limit)
{
	char text[SPEC_CMDLINE_MAX] = "";

	spec->ros_append = true;
	memset(text, 'a', SPEC_CMDLINE_MAX - strlen("console=ttyS0") - 1);
	cr_assert(eq(int, spec_append(spec, PARTITION_ROS, text, &(char *){NULL}, &e), 0));
	text[strlen(text)] = 'a';
	cr_does_not_append(PARTITION_ROS, text, -EINVAL,
		"VM nautilus: the command line of ros has 13 bytes, and 1011 more do not fit into 1024");
}

Test(spec, adds_nothing_where_the_definition_does_not_let_it)
{
	spec->ros_append = true;
	cr_does_not_append(PARTITION_HRT, "core=1", -EOPNOTSUPP,
		"VM nautilus: its definition lets nobody add to the command line of hrt; append=\"y\" there would");
	cr_appends(PARTITION_HRT, "", "mode=count \"quoted\"");
}

Test(spec, adds_no_second_line)
{
	spec->hrt_append = true;
	cr_does_not_append(PARTITION_HRT, "a\nb", -EINVAL,
		"VM nautilus: what is to be added to the command line of hrt holds a control character; write it in one line");
}

Test(spec, knows_which_command_line_is_meant_where_there_is_no_choice)
{
	enum partition_role role;

	cr_assert(eq(int, spec_append_target(spec, &role, &e), -EOPNOTSUPP));
	cr_assert_str_eq(e.text,
		"VM nautilus: its definition lets nobody add to a command line; append=\"y\" at ros or hrt would");
	spec->hrt_append = true;
	cr_assert(eq(int, spec_append_target(spec, &role, &e), 0));
	cr_assert(eq(int, role, PARTITION_HRT));
	spec->ros_append = true;
	cr_assert(eq(int, spec_append_target(spec, &role, &e), -EOPNOTSUPP));
	cr_assert_str_eq(e.text, "VM nautilus: the command lines of both ros and hrt may be added to; say which");
	spec->hrt_append = false;
	cr_assert(eq(int, spec_append_target(spec, &role, &e), 0));
	cr_assert(eq(int, role, PARTITION_ROS));
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

Test(spec, refuses_what_a_ros_without_a_kernel_cannot_have)
{
	spec->ros_boots = false;
	cr_refuses("ros cmdline: there is no kernel that it could be for; add file_id=\"...\"");
	free(take_ptr(spec->ros_cmdline));
	spec->ros_has_initrd = true;
	cr_refuses("ros initrd_id: there is no kernel that it could be for; add file_id=\"...\"");
	spec->ros_has_initrd = false;
	spec->ros_protocol = SPEC_PROTOCOL_PVH;
	cr_refuses("ros protocol: there is no kernel that it could be for; add file_id=\"...\"");
	spec->ros_protocol = SPEC_PROTOCOL_AUTO;
	spec->ros_modules.items = calloc(1, sizeof(*spec->ros_modules.items));
	spec->ros_modules.n = 1;
	cr_refuses("ros module: there is no kernel that it could be for; add file_id=\"...\"");
}

Test(spec, refuses_an_initrd_for_multiboot_and_modules_for_linux)
{
	spec->ros_has_initrd = true;
	spec->ros_protocol = SPEC_PROTOCOL_MULTIBOOT2;
	cr_refuses("ros initrd_id: a multiboot kernel takes modules; write <module file_id=\"...\"/> instead");
	spec->ros_has_initrd = false;
	spec->ros_protocol = SPEC_PROTOCOL_LINUX;
	spec->ros_modules.items = calloc(1, sizeof(*spec->ros_modules.items));
	spec->ros_modules.n = 1;
	cr_refuses("ros module: the protocol linux knows no modules; write initrd_id=\"...\" instead");
}

Test(spec, refuses_memory_that_huge_pages_do_not_fill)
{
	spec->hugepages = true;
	spec->memory = 255 * MiB;
	cr_refuses("hugepages: a huge page has 2 MiB, and memory, 255 MiB, is no multiple of it");
	spec->memory = 256 * MiB;
	spec->ros_memory = 7 * MiB;
	cr_refuses("hugepages: a huge page has 2 MiB, and ros mem, 7 MiB, is no multiple of it");
}

Test(spec, refuses_pins_of_cores_and_cpus_that_cannot_be)
{
	spec->core[4] = (struct spec_core){.pinned = true};
	cr_refuses("core: core 4 is pinned, and the VM has 4");
	spec->core[4].pinned = false;
	spec->core[1] = (struct spec_core){.pinned = true, .cpu = SPEC_CPU_MAX + 1};
	cr_refuses("core: core 1 cannot be pinned to CPU 8192");
}

Test(spec, refuses_devices_that_get_in_each_others_way)
{
	spec->devices[0].class = SPEC_DEVICE_DEBUG_EXIT;
	spec->devices[0].port = SPEC_DEBUG_EXIT_PORT + 3;
	cr_refuses("devices: the four ports from 0xf7 on and those from 0xf4 on overlap");
	spec->devices[0].port = 0x500;
	spec->devices[0].id = strdup("bye");
	cr_refuses("devices: two have the id \"bye\"; each needs its own");
	strcpy(spec->devices[0].id, "tty");
	spec->devices[0].class = spec->devices[1].class = SPEC_DEVICE_SERIAL;
	spec->devices[0].port = spec->devices[1].port = 0;
	cr_refuses("devices: one of class SERIAL has all four serial ports; take the other out");
}

Test(spec, refuses_a_debug_exit_port_that_is_taken)
{
	spec->devices[1].port = 0x3F6;
	cr_refuses("port: four ports from 0x3f6 on include 0x3f8, which is a serial port's; 0xf4 is free");
	spec->devices[1].port = 0xE4;
	cr_refuses("port: four ports from 0xe4 on include 0xe5, which is that of hypercalls; 0xf4 is free");
	spec->devices[1].port = 0xFFFF;
	cr_assert(eq(int, spec_check(spec, &e), 0), "%s", e.text);
	spec->devices[1].port = 0;
	cr_refuses("port: 0x0 is no port");
}

Test(spec, refuses_words_that_do_not_exist)
{
	spec->hrt_upcall = N_SPEC_UPCALLS;
	cr_refuses("hrt: one of layout 0, hypercall 0, upcall 4, on_crash 2, ros_memory 2 and granule 0 does not exist");
}

/* Takes out of the example what cannot be run yet, in the order of the sentences. */
Test(spec, what_is_not_built_is_refused_at_start_with_what_works_instead)
{
#define cr_not_built(sentence)                                                                                 \
	cr_assert(eq(int, spec_check_supported(spec, &e), -EOPNOTSUPP));                                       \
	cr_assert_str_eq(e.text, "VM nautilus: " sentence)
	spec->hugepages = true;
	cr_not_built("memory hugepages=\"y\" is not built yet; hugepages=\"n\" works");
	spec->hugepages = false;
	cr_assert(eq(int, spec_check_supported(spec, &e), 0));
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

static void cr_same_modules(const struct spec_modules *a, const struct spec_modules *b)
{
	cr_assert(eq(sz, a->n, b->n));
	for (size_t i = 0; i < a->n; i++) {
		cr_assert(eq(sz, a->items[i].file, b->items[i].file));
		cr_assert_str_eq(a->items[i].cmdline, b->items[i].cmdline);
	}
}

static void cr_same_ros(const struct vm_spec *a, const struct vm_spec *b)
{
	cr_assert(eq(u32, a->ros_cores, b->ros_cores));
	cr_assert(eq(u64, a->ros_memory, b->ros_memory));
	cr_assert(eq(int, a->ros_boots, b->ros_boots));
	cr_assert(eq(sz, a->ros_file, b->ros_file));
	cr_assert(eq(int, a->ros_has_initrd, b->ros_has_initrd));
	cr_assert(eq(sz, a->ros_initrd, b->ros_initrd));
	cr_assert_str_eq(a->ros_cmdline, b->ros_cmdline);
	cr_assert(eq(int, (int)a->ros_protocol, (int)b->ros_protocol));
	cr_assert(eq(int, (int)a->ros_on_poweroff, (int)b->ros_on_poweroff));
	cr_assert(eq(int, (int)a->ros_on_reset, (int)b->ros_on_reset));
	cr_assert(eq(int, (int)a->ros_on_crash, (int)b->ros_on_crash));
	cr_same_modules(&a->ros_modules, &b->ros_modules);
}

static void cr_same_hrt(const struct vm_spec *a, const struct vm_spec *b)
{
	cr_assert(eq(sz, a->hrt_file, b->hrt_file));
	cr_assert_str_eq(a->hrt_cmdline, b->hrt_cmdline);
	cr_assert(eq(u32, a->hrt_stack, b->hrt_stack));
	cr_assert(eq(u64, a->hrt_load, b->hrt_load));
	cr_assert(eq(u32, a->hrt_entry, b->hrt_entry));
	cr_assert(eq(int, a->hrt_granule, b->hrt_granule));
	cr_assert(eq(int, a->hrt_identity, b->hrt_identity));
	cr_assert(eq(int, (int)a->hrt_layout, (int)b->hrt_layout));
	cr_assert(eq(int, (int)a->hrt_hypercall, (int)b->hrt_hypercall));
	cr_assert(eq(int, (int)a->hrt_upcall, (int)b->hrt_upcall));
	cr_assert(eq(u32, a->hrt_deadline, b->hrt_deadline));
	cr_assert(eq(int, (int)a->hrt_on_crash, (int)b->hrt_on_crash));
	cr_assert(eq(int, (int)a->hrt_ros_memory, (int)b->hrt_ros_memory));
	cr_same_modules(&a->hrt_modules, &b->hrt_modules);
}

static void cr_same_devices(const struct vm_spec *a, const struct vm_spec *b)
{
	cr_assert(eq(sz, a->n_devices, b->n_devices));
	for (size_t i = 0; i < a->n_devices; i++) {
		cr_assert(eq(int, (int)a->devices[i].class, (int)b->devices[i].class));
		cr_assert(eq(u32, a->devices[i].port, b->devices[i].port));
		if (a->devices[i].id)
			cr_assert_str_eq(a->devices[i].id, b->devices[i].id);
		else
			cr_assert(b->devices[i].id == NULL);
	}
}

Test(wire, round_trip_keeps_what_a_monitor_needs)
{
	struct vm_spec *copy = NULL;
	struct buffer b;

	spec->hugepages = true;
	spec->nodes = 1;
	spec->ros_has_initrd = true;
	spec->ros_initrd = 1;
	spec->ros_protocol = SPEC_PROTOCOL_PVH;
	spec->hrt_layout = SPEC_LAYOUT_SEED;
	spec->hrt_hypercall = SPEC_HYPERCALL_MMIO;
	spec->hrt_load = 0x3FFFF000;
	spec->hrt_entry = 0x100;
	spec->hrt_granule = SPEC_GRANULE_1G;
	spec->hrt_identity = true;
	spec->hrt_upcall = SPEC_UPCALL_VECTOR;
	spec->hrt_deadline = 2500;
	spec->files[1].sites = (struct spec_sites){.known = true, .n = 3, .at = {7, 8, 4096}};
	b = encoded();
	cr_assert(eq(int, decode(&b, b.size, &copy), 0), "%s", e.text);
	cr_assert_str_eq(copy->name, spec->name);
	cr_assert(copy->has_uuid);
	cr_assert(eq(int, memcmp(copy->uuid, spec->uuid, sizeof(spec->uuid)), 0));
	cr_assert(eq(u64, copy->memory, spec->memory));
	cr_assert(copy->hugepages);
	cr_assert(eq(u32, copy->cores, spec->cores));
	cr_assert(eq(u32, copy->nodes, spec->nodes));
	cr_assert(eq(int, memcmp(copy->core, spec->core, sizeof(spec->core)), 0));
	cr_assert(copy->hybrid);
	cr_assert(eq(sz, copy->n_files, 2));
	cr_assert_str_eq(copy->files[0].id, "other");
	cr_assert_str_eq(copy->files[1].id, "hrt");
	cr_assert(zero(ptr, copy->files[1].filename));
	cr_assert(eq(int, memcmp(&copy->files[1].sites, &spec->files[1].sites, sizeof(spec->files[1].sites)), 0));
	cr_assert(not(copy->files[0].sites.known));
	cr_same_ros(copy, spec);
	cr_same_hrt(copy, spec);
	cr_same_devices(copy, spec);
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
	size_t at = 1 + SPEC_UUID_SIZE + 4 + strlen("nautilus") + 8 + 4 + 4 + 4 * spec->cores + 4 + 8;
	struct vm_spec *copy = NULL;

	buffer_put_uint(&b, at, 0xFFFFFFFF, 4);
	cr_assert(eq(int, decode(&b, b.size, &copy), -EPROTO));
	buffer_fini(&b);
}
