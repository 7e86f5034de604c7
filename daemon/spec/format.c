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

static void append_vm_tag(struct buffer *b, const struct vm_spec *spec)
{
	char uuid[VALUE_UUID_TEXT];

	buffer_append_string(b, "<vm");
	append_attribute(b, GRAMMAR_VM_NAME, spec->name);
	append_attribute(b, GRAMMAR_VM_CLASS, grammar[GRAMMAR_VM_CLASS].word);
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

static void append_hvm(struct buffer *b, const struct vm_spec *spec)
{
	if (!spec->hybrid) {
		buffer_append_string(b, "  <hvm enable=\"n\"/>\n");
		return;
	}
	buffer_append_string(b, "  <hvm enable=\"y\">\n    <ros");
	append_number(b, GRAMMAR_ROS_CORES, spec->ros_cores);
	append_number(b, GRAMMAR_ROS_MEM, spec->ros_memory / MiB);
	buffer_append_string(b, "/>\n    <hrt");
	append_attribute(b, GRAMMAR_HRT_FILE_ID, spec->files[spec->hrt_file].id);
	append_attribute(b, GRAMMAR_HRT_CMDLINE, spec->hrt_cmdline ? spec->hrt_cmdline : "");
	append_number(b, GRAMMAR_HRT_STACK, spec->hrt_stack);
	buffer_append_string(b, "/>\n  </hvm>\n");
}

char *definition_format(const struct vm_spec *spec)
{
	struct buffer b = BUFFER_INIT(FORMAT_SIZE_MAX);

	append_vm_tag(&b, spec);
	buffer_printf(&b, "  <memory>%llu</memory>\n", spec->memory / MiB);
	buffer_append_string(&b, "  <cores");
	append_number(&b, GRAMMAR_CORES_COUNT, spec->cores);
	buffer_append_string(&b, "/>\n");
	append_files(&b, spec);
	append_hvm(&b, spec);
	buffer_append_string(&b, "</vm>\n");
	return buffer_take_string(&b);
}
