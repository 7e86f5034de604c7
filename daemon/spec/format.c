/* format.c - a definition in its canonical form; definition.h has the contract */
#include "spec/definition.h"

#include <inttypes.h>

#include "base/buffer.h"
#include "base/hex.h"
#include "base/macro.h"
#include "spec/grammar.h"
#include "spec/value.h"

#define FORMAT_SIZE_MAX (16 * DEFINITION_SIZE_MAX) /* a byte becomes six at the most, "&quot;" */

static const char *escape_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	default:
		return NULL;
	}
}

static void append_escaped(struct buffer *b, const char *text)
{
	for (; *text; text++)
		if (escape_of(*text))
			buffer_append_string(b, escape_of(*text));
		else
			buffer_append(b, text, 1);
}

static void append_attribute(struct buffer *b, enum grammar_id id, const char *text)
{
	buffer_printf(b, " %s=\"", grammar[id].name);
	append_escaped(b, text);
	buffer_append_string(b, "\"");
}

static void append_number(struct buffer *b, enum grammar_id id, uint64_t value)
{
	buffer_printf(b, " %s=\"%" PRIu64 "\"", grammar[id].name, value);
}

static void append_word(struct buffer *b, enum grammar_id id, unsigned value)
{
	append_attribute(b, id, grammar_word_text(id, value));
}

static void append_switch(struct buffer *b, enum grammar_id id, bool on)
{
	append_attribute(b, id, on ? "y" : "n");
}

static void append_vm_tag(struct buffer *b, const struct vm_spec *spec)
{
	char uuid[VALUE_UUID_TEXT];

	buffer_append_string(b, "<vm");
	append_attribute(b, GRAMMAR_VM_NAME, spec->name);
	append_word(b, GRAMMAR_VM_CLASS, 0);
	if (spec->has_uuid) {
		value_uuid_format(spec->uuid, uuid);
		append_attribute(b, GRAMMAR_VM_UUID, uuid);
	}
	buffer_append_string(b, ">\n");
}

static void append_file(struct buffer *b, const struct spec_file *file)
{
	char digits[VALUE_SHA256_TEXT];

	buffer_append_string(b, "    <file");
	append_attribute(b, GRAMMAR_FILE_ID, file->id);
	if (file->filename)
		append_attribute(b, GRAMMAR_FILE_FILENAME, file->filename);
	if (file->stored) {
		hex_format(file->sha256, sizeof(file->sha256), digits);
		append_attribute(b, GRAMMAR_FILE_SHA256, digits);
	}
	buffer_append_string(b, "/>\n");
}

static void append_files(struct buffer *b, const struct vm_spec *spec)
{
	if (spec->n_files == 0)
		return;
	buffer_append_string(b, "  <files>\n");
	for (size_t i = 0; i < spec->n_files; i++)
		append_file(b, &spec->files[i]);
	buffer_append_string(b, "  </files>\n");
}

static void append_reference(struct buffer *b, enum grammar_id id, const struct vm_spec *spec, size_t file)
{
	append_attribute(b, id, spec->files[file].id);
}

static void append_cmdline(struct buffer *b, enum grammar_id id, const char *cmdline)
{
	append_attribute(b, id, cmdline ? cmdline : "");
}

/* The end of a start tag whose element holds modules only; all <module>s are written alike. */
static void append_modules(
	struct buffer *b, const struct vm_spec *spec, const struct spec_modules *modules, const char *indent, const char *name)
{
	if (modules->n == 0) {
		buffer_append_string(b, "/>\n");
		return;
	}
	buffer_append_string(b, ">\n");
	for (size_t i = 0; i < modules->n; i++) {
		buffer_printf(b, "%s  <module", indent);
		append_reference(b, GRAMMAR_HRT_MODULE_FILE_ID, spec, modules->items[i].file);
		append_cmdline(b, GRAMMAR_HRT_MODULE_CMDLINE, modules->items[i].cmdline);
		buffer_append_string(b, "/>\n");
	}
	buffer_printf(b, "%s</%s>\n", indent, name);
}

/* What is booted; the same in both places of <ros>. */
static void append_boot(struct buffer *b, const struct vm_spec *spec, const char *indent)
{
	if (spec->ros_boots)
		append_reference(b, GRAMMAR_ROS_FILE_ID, spec, spec->ros_file);
	if (spec->ros_has_initrd)
		append_reference(b, GRAMMAR_ROS_INITRD_ID, spec, spec->ros_initrd);
	append_cmdline(b, GRAMMAR_ROS_CMDLINE, spec->ros_cmdline);
	append_switch(b, GRAMMAR_ROS_APPEND, spec->ros_append);
	append_word(b, GRAMMAR_ROS_PROTOCOL, spec->ros_protocol);
	append_word(b, GRAMMAR_ROS_ON_POWEROFF, spec->ros_on_poweroff);
	append_word(b, GRAMMAR_ROS_ON_RESET, spec->ros_on_reset);
	append_word(b, GRAMMAR_ROS_ON_CRASH, spec->ros_on_crash);
	append_modules(b, spec, &spec->ros_modules, indent, "ros");
}

static void append_address(struct buffer *b, enum grammar_id id, uint64_t value)
{
	buffer_printf(b, " %s=\"0x%" PRIx64 "\"", grammar[id].name, value);
}

static void append_seed(struct buffer *b, const struct vm_spec *spec)
{
	if (spec->hrt_load)
		append_address(b, GRAMMAR_HRT_LOAD, spec->hrt_load);
	append_address(b, GRAMMAR_HRT_ENTRY, spec->hrt_entry);
	append_word(b, GRAMMAR_HRT_GRANULE, spec->hrt_granule);
}

static void append_hrt(struct buffer *b, const struct vm_spec *spec)
{
	buffer_append_string(b, "    <hrt");
	append_reference(b, GRAMMAR_HRT_FILE_ID, spec, spec->hrt_file);
	append_cmdline(b, GRAMMAR_HRT_CMDLINE, spec->hrt_cmdline);
	append_switch(b, GRAMMAR_HRT_APPEND, spec->hrt_append);
	append_number(b, GRAMMAR_HRT_STACK, spec->hrt_stack);
	append_word(b, GRAMMAR_HRT_LAYOUT, spec->hrt_layout);
	if (spec->hrt_layout == SPEC_LAYOUT_SEED)
		append_seed(b, spec);
	append_switch(b, GRAMMAR_HRT_IDENTITY, spec->hrt_identity);
	append_word(b, GRAMMAR_HRT_HYPERCALL, spec->hrt_hypercall);
	append_word(b, GRAMMAR_HRT_UPCALL, spec->hrt_upcall);
	append_number(b, GRAMMAR_HRT_DEADLINE, spec->hrt_deadline);
	append_word(b, GRAMMAR_HRT_ON_CRASH, spec->hrt_on_crash);
	append_word(b, GRAMMAR_HRT_ROS_MEMORY, spec->hrt_ros_memory);
	append_modules(b, spec, &spec->hrt_modules, "    ", "hrt");
}

static void append_partitions(struct buffer *b, const struct vm_spec *spec)
{
	if (!spec->hybrid) {
		if (spec->ros_boots) {
			buffer_append_string(b, "  <ros");
			append_boot(b, spec, "  ");
		}
		buffer_append_string(b, "  <hvm enable=\"n\"/>\n");
		return;
	}
	buffer_append_string(b, "  <hvm enable=\"y\">\n    <ros");
	append_number(b, GRAMMAR_ROS_CORES, spec->ros_cores);
	append_number(b, GRAMMAR_ROS_MEM, spec->ros_memory / MiB);
	append_boot(b, spec, "    ");
	append_hrt(b, spec);
	buffer_append_string(b, "  </hvm>\n");
}

static void append_memory(struct buffer *b, const struct vm_spec *spec)
{
	buffer_append_string(b, "  <memory");
	append_switch(b, GRAMMAR_MEMORY_HUGEPAGES, spec->hugepages);
	buffer_printf(b, ">%llu</memory>\n", spec->memory / MiB);
}

/* Up to the last that is pinned: the first element is core 0, whether pinned or not. */
static void append_cores(struct buffer *b, const struct vm_spec *spec)
{
	unsigned n = SPEC_CORES_MAX;

	while (n > 0 && !spec->core[n - 1].pinned)
		n--;
	buffer_append_string(b, "  <cores");
	append_number(b, GRAMMAR_CORES_COUNT, spec->cores);
	if (spec->cpu_weight > 0)
		append_number(b, GRAMMAR_CORES_CPU_WEIGHT, spec->cpu_weight);
	if (spec->nodes > 0)
		append_number(b, GRAMMAR_CORES_NODES, spec->nodes);
	buffer_append_string(b, n > 0 ? ">\n" : "/>\n");
	for (unsigned i = 0; i < n; i++) {
		buffer_append_string(b, "    <core");
		if (spec->core[i].pinned)
			append_number(b, GRAMMAR_CORE_TARGET_CPU, spec->core[i].cpu);
		buffer_append_string(b, "/>\n");
	}
	if (n > 0)
		buffer_append_string(b, "  </cores>\n");
}

static void append_devices(struct buffer *b, const struct vm_spec *spec)
{
	if (spec->n_devices == 0)
		return;
	buffer_append_string(b, "  <devices>\n");
	for (size_t i = 0; i < spec->n_devices; i++) {
		const struct spec_device *device = &spec->devices[i];

		buffer_append_string(b, "    <device");
		append_word(b, GRAMMAR_DEVICE_CLASS, device->class);
		if (device->id)
			append_attribute(b, GRAMMAR_DEVICE_ID, device->id);
		if (device->class == SPEC_DEVICE_DEBUG_EXIT)
			append_address(b, GRAMMAR_DEVICE_PORT, device->port);
		buffer_append_string(b, "/>\n");
	}
	buffer_append_string(b, "  </devices>\n");
}

char *definition_format(const struct vm_spec *spec)
{
	struct buffer b = BUFFER_INIT(FORMAT_SIZE_MAX);

	append_vm_tag(&b, spec);
	append_memory(&b, spec);
	append_cores(&b, spec);
	append_files(&b, spec);
	append_partitions(&b, spec);
	append_devices(&b, spec);
	buffer_append_string(&b, "</vm>\n");
	return buffer_take_string(&b);
}
