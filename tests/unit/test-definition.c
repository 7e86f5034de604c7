/*
 * test-definition.c - reading and writing definitions, beyond the files of tests/data/
 *
 * Held together here: the grammar's table, the parser, hvm.xsd and hvm.xml(5).
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/io.h"
#include "specs.h"
#include "spec/definition.h"
#include "spec/grammar.h"
#include "spec/schema.h"
#include "spec/value.h"

static struct diagnostics d;
static struct vm_spec *spec;

static void tear_down(void)
{
	diagnostics_fini(&d);
	spec = vm_spec_free(spec);
}

TestSuite(definition, .fini = tear_down);
TestSuite(grammar, .fini = tear_down);
TestSuite(hostile, .fini = tear_down);

static int parse(const char *text)
{
	tear_down();
	return definition_parse(text, strlen(text), &d, &spec);
}

static const char *first_sentence(void)
{
	return d.n > 0 ? d.items[0].message : "nothing was said";
}

static bool schema_takes(const char *text)
{
	struct diagnostics complaints = {};
	bool takes;

	schema_check(text, strlen(text), &complaints);
	cr_assert(not(complaints.out_of_memory));
	takes = complaints.n_errors == 0;
	diagnostics_fini(&complaints);
	return takes;
}

/* A canonical definition in which each value of the grammar stands. */
static const char whole[] = "<vm name=\"whole\" class=\"PC\" uuid=\"6f9619ff-8b86-d011-b42d-00cf4fc964ff\">\n"
			    "  <memory>1048576</memory>\n"
			    "  <cores count=\"64\"/>\n"
			    "  <files>\n"
			    "    <file id=\"hrt\" filename=\"hrt.elf\" "
			    "sha256=\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"/>\n"
			    "  </files>\n"
			    "  <hvm enable=\"y\">\n"
			    "    <ros cores=\"1\" mem=\"8\"/>\n"
			    "    <hrt file_id=\"hrt\" cmdline=\"mode=park\" stack=\"8192\"/>\n"
			    "  </hvm>\n"
			    "</vm>\n";

/* Where the value stands in `whole`: from its first letter or blank to behind its end, and its text within.
 */
struct span {
	const char *begin, *text, *text_end, *end;
};

static struct span find(enum grammar_id id)
{
	char pattern[64];
	struct span span;

	if (grammar[id].as_element) {
		snprintf(pattern, sizeof(pattern), "<%s>", grammar[id].name);
		span.begin = strstr(whole, pattern);
		cr_assert(span.begin != NULL, "%s", pattern);
		span.text = span.begin + strlen(pattern);
		span.text_end = strchr(span.text, '<');
		span.end = strchr(span.text_end, '>') + 1;
		return span;
	}
	snprintf(pattern, sizeof(pattern), "<%s ", grammar[grammar[id].parent].name);
	span.begin = strstr(whole, pattern);
	cr_assert(span.begin != NULL, "%s", pattern);
	snprintf(pattern, sizeof(pattern), " %s=\"", grammar[id].name);
	span.begin = strstr(span.begin, pattern);
	cr_assert(span.begin != NULL, "%s", pattern);
	span.text = span.begin + strlen(pattern);
	span.text_end = strchr(span.text, '"');
	span.end = span.text_end + 1;
	return span;
}

static char *replaced(const char *begin, const char *end, const char *text)
{
	char *result;

	cr_assert(asprintf(&result, "%.*s%s%s", (int)(begin - whole), whole, text, end) > 0);
	return result;
}

static char *with(enum grammar_id id, const char *value)
{
	struct span span = find(id);

	return replaced(span.text, span.text_end, value);
}

static char *without(enum grammar_id id)
{
	struct span span = find(id);

	return replaced(span.begin, span.end, "");
}

static void cr_both_refuse(enum grammar_id id, const char *value)
{
	_cleanup_free_ char *text = with(id, value);

	cr_assert(eq(int, parse(text), -EBADMSG), "%s=\"%s\"", grammar[id].name, value);
	cr_assert(not(schema_takes(text)), "%s=\"%s\"", grammar[id].name, value);
}

static void cr_schema_takes(enum grammar_id id, uint64_t value)
{
	_cleanup_free_ char *text = NULL;
	char digits[32];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	text = with(id, digits);
	cr_assert(schema_takes(text), "%s=\"%s\"", grammar[id].name, digits);
}

static void cr_both_refuse_number(enum grammar_id id, uint64_t value)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	cr_both_refuse(id, digits);
}

Test(definition, the_whole_one_is_its_own_canonical_form)
{
	_cleanup_free_ char *again = NULL;

	cr_assert(eq(int, parse(whole), 0), "%s", first_sentence());
	cr_assert(eq(sz, d.n, 0));
	again = definition_format(spec);
	cr_assert_str_eq(again, whole);
}

Test(definition, writing_and_reading_gives_the_same)
{
	_cleanup_(vm_spec_freep) struct vm_spec *before = spec_example();
	_cleanup_free_ char *text = NULL;

	before->files[0].filename = strdup("a & b <c> \"d\" 'e'");
	before->files[1].stored = true;
	memset(before->files[1].sha256, 0x5A, SPEC_SHA256_SIZE);
	text = definition_format(before);
	cr_assert(eq(int, parse(text), 0), "%s", first_sentence());
	cr_assert_str_eq(spec->name, before->name);
	cr_assert(spec->has_uuid);
	cr_assert(eq(int, memcmp(spec->uuid, before->uuid, SPEC_UUID_SIZE), 0));
	cr_assert(eq(u64, spec->memory, before->memory));
	cr_assert(eq(u32, spec->cores, before->cores));
	cr_assert(spec->hybrid);
	cr_assert(eq(u32, spec->ros_cores, before->ros_cores));
	cr_assert(eq(u64, spec->ros_memory, before->ros_memory));
	cr_assert(eq(sz, spec->n_files, 2));
	cr_assert_str_eq(spec->files[0].filename, before->files[0].filename);
	cr_assert(not(spec->files[0].stored));
	cr_assert(zero(ptr, spec->files[1].filename));
	cr_assert(spec->files[1].stored);
	cr_assert(eq(int, memcmp(spec->files[1].sha256, before->files[1].sha256, SPEC_SHA256_SIZE), 0));
	cr_assert(eq(sz, spec->hrt_file, 1));
	cr_assert_str_eq(spec->hrt_cmdline, before->hrt_cmdline);
	cr_assert(eq(u32, spec->hrt_stack, before->hrt_stack));
}

Test(definition, what_is_read_keeps_every_rule)
{
	cr_assert(eq(int, parse(whole), 0));
	cr_assert(eq(int, spec_check(spec, NULL), 0));
	cr_assert(eq(int, parse("<vm name='a' class='PC' memory='2'><cores count='3'/></vm>"), 0), "%s",
		first_sentence());
	cr_assert(eq(int, spec_check(spec, NULL), 0));
	cr_assert(eq(u32, spec->ros_cores, 3));
	cr_assert(eq(u64, spec->ros_memory, 2 * MiB));
}

Test(definition, each_value_can_be_a_child_element)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		_cleanup_free_ char *child = NULL, *text = NULL;
		const char *group_end;
		struct span span;

		if (grammar[id].kind == GRAMMAR_GROUP || grammar[id].as_element)
			continue;
		span = find(id);
		group_end = strchr(span.end, '>');
		cr_assert(asprintf(&child, "%.*s%.*s><%s> %.*s\n</%s>%s%s%s", (int)(span.begin - whole),
				  whole, (int)(group_end - span.end - (group_end[-1] == '/')), span.end,
				  grammar[id].name, (int)(span.text_end - span.text), span.text,
				  grammar[id].name, group_end[-1] == '/' ? "</" : "",
				  group_end[-1] == '/' ? grammar[grammar[id].parent].name : "",
				  group_end[-1] == '/' ? group_end : group_end + 1) > 0);
		cr_assert(eq(int, parse(child), 0), "%s: %s\n%s", grammar[id].name, first_sentence(), child);
		text = definition_format(spec);
		cr_assert_str_eq(text, whole);
	}
}

Test(grammar, numbers_out_of_range_are_refused_by_parser_and_schema)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		if (grammar[id].kind != GRAMMAR_NUMBER)
			continue;
		cr_both_refuse_number(id, grammar[id].min - 1);
		cr_both_refuse_number(id, grammar[id].max + 1);
		cr_both_refuse(id, "4294967297");
		cr_both_refuse(id, "18446744073709551616");
		cr_both_refuse(id, "-1");
		cr_both_refuse(id, "4k");
		cr_both_refuse(id, "");
		cr_schema_takes(id, grammar[id].min);
		cr_schema_takes(id, grammar[id].max);
	}
}

Test(grammar, other_bad_values_are_refused_by_parser_and_schema)
{
	cr_both_refuse(GRAMMAR_VM_NAME, "");
	cr_both_refuse(GRAMMAR_VM_NAME, "a b");
	cr_both_refuse(GRAMMAR_VM_CLASS, "Mac");
	cr_both_refuse(GRAMMAR_VM_UUID, "6f9619ff-8b86-d011-b42d-00cf4fc964f");
	cr_both_refuse(GRAMMAR_VM_UUID, "6f9619ff-8b86-d011-b42d-00cf4fc964fg");
	cr_both_refuse(GRAMMAR_VM_UUID, "6f9619ff08b86-d011-b42d-00cf4fc964ff");
	cr_both_refuse(GRAMMAR_FILE_ID, "");
	cr_both_refuse(GRAMMAR_FILE_FILENAME, "");
	cr_both_refuse(GRAMMAR_FILE_SHA256, "e3b0c442");
	cr_both_refuse(GRAMMAR_HVM_ENABLE, "yes");
	cr_both_refuse(GRAMMAR_HRT_FILE_ID, "other");
	cr_both_refuse(GRAMMAR_HRT_CMDLINE, "two&#10;lines");
}

Test(grammar, what_is_missing_is_missed_by_parser_and_schema)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		_cleanup_free_ char *text = NULL;

		if (grammar[id].kind == GRAMMAR_GROUP)
			continue;
		text = without(id);
		if (grammar[id].required) {
			cr_assert(eq(int, parse(text), -EBADMSG), "%s", grammar[id].name);
			cr_assert(not(schema_takes(text)), "%s", grammar[id].name);
		} else {
			cr_assert(eq(int, parse(text), 0), "%s: %s", grammar[id].name, first_sentence());
			cr_assert(schema_takes(text) == !grammar[id].fallback, "%s", grammar[id].name);
		}
	}
}

Test(grammar, two_files_with_one_id_are_refused_by_parser_and_schema)
{
	const char *at = strstr(whole, "  </files>");
	_cleanup_free_ char *text = replaced(at, at, "    <file id=\"hrt\" filename=\"b\"/>\n");

	cr_assert(eq(int, parse(text), -EBADMSG));
	cr_assert(not(schema_takes(text)));
}

Test(grammar, a_name_that_is_near_is_suggested)
{
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, "memroy"), GRAMMAR_MEMORY));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, "CORE"), GRAMMAR_CORES));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_HVM, "htr"), GRAMMAR_HRT));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_HVM, "rtos"), GRAMMAR_ROS));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_HRT, "fileid"), GRAMMAR_HRT_FILE_ID));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, "telemetry"), GRAMMAR_NONE));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, ""), GRAMMAR_NONE));
}

Test(grammar, every_required_value_has_an_example)
{
	for (enum grammar_id id = 1; id < N_GRAMMAR; id++) {
		cr_assert(grammar[id].name && grammar[id].about, "%d", (int)id);
		cr_assert(grammar[id].example || !grammar[id].required, "%s", grammar[id].name);
	}
}

static char *man_page(void)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	char *text = NULL;
	size_t size;

	cr_assert(asprintf(&path, "%s/man/hvm.xml.5", getenv("top_srcdir")) > 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(ge(int, file_read(fd, path, MiB, &text, &size, NULL), 0), "%s", path);
	return text;
}

/* The page's text on a value: from its ".It" to the next entry or section. The caller frees it. */
static char *man_entry(const char *page, enum grammar_id id)
{
	char pattern[64];
	const char *section, *entry, *end;

	snprintf(pattern, sizeof(pattern), "\n.Ss %s\n", grammar[grammar[id].parent].name);
	section = strstr(page, pattern);
	cr_assert(section != NULL, "hvm.xml(5) has no section on %s", grammar[grammar[id].parent].name);
	section += strlen(pattern);
	snprintf(pattern, sizeof(pattern), "\n.It Ic %s\n", grammar[id].name);
	entry = strstr(section, pattern);
	cr_assert(entry != NULL, "hvm.xml(5) says nothing about %s", grammar[id].name);
	end = strstr(section, "\n.El");
	cr_assert(end && entry < end, "hvm.xml(5) has %s in another section", grammar[id].name);
	entry += strlen(pattern);
	end = strstr(entry, "\n.It ") && strstr(entry, "\n.It ") < end ? strstr(entry, "\n.It ") : end;
	return strndup(entry, (size_t)(end - entry));
}

static void cr_says(const char *entry, enum grammar_id id, const char *wanted)
{
	cr_assert(strstr(entry, wanted) != NULL, "hvm.xml(5) does not say \"%s\" about %s", wanted,
		grammar[id].name);
}

static void cr_describes(const char *entry, enum grammar_id id)
{
	char number[32];

	if (grammar[id].required)
		cr_says(entry, id, "Required");
	else
		cr_says(entry, id, "efault");
	if (grammar[id].fallback)
		cr_says(entry, id, grammar[id].fallback);
	if (grammar[id].unit)
		cr_says(entry, id, grammar[id].unit);
	if (grammar[id].max == 0)
		return;
	snprintf(number, sizeof(number), "%" PRIu64, grammar[id].max);
	cr_says(entry, id, number);
	snprintf(number, sizeof(number), "%" PRIu64, grammar[id].min);
	if (grammar[id].min > 0 && grammar[id].kind == GRAMMAR_NUMBER)
		cr_says(entry, id, number);
}

Test(grammar, the_man_page_describes_every_value)
{
	_cleanup_free_ char *page = man_page();

	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		_cleanup_free_ char *entry = NULL;

		if (grammar[id].kind == GRAMMAR_GROUP)
			continue;
		entry = man_entry(page, id);
		cr_describes(entry, id);
	}
}

/* As often as `limit` bytes allow. */
static char *repeated(const char *piece, size_t n)
{
	struct buffer b = BUFFER_INIT(8 * MiB);

	for (size_t i = 0; i < n; i++)
		buffer_append_string(&b, piece);
	cr_assert(buffer_ok(&b));
	return buffer_take_string(&b);
}

Test(hostile, ten_thousand_nested_elements_get_one_sentence)
{
	_cleanup_free_ char *open = repeated("<a>", 10000), *close = repeated("</a>", 10000), *text = NULL;

	cr_assert(asprintf(&text, "%s%s", open, close) > 0);
	cr_assert(eq(int, parse(text), -EBADMSG));
	cr_assert(eq(sz, d.n, 1));
	cr_assert_str_eq(d.items[0].message,
		"elements are nested deeper than any definition needs; a closing tag may be missing");
}

Test(hostile, a_mebibyte_of_open_tags_gets_one_sentence)
{
	_cleanup_free_ char *text = repeated("<a>", DEFINITION_SIZE_MAX / 3);

	cr_assert(eq(int, parse(text), -EBADMSG));
	cr_assert(eq(sz, d.n, 1));
}

Test(hostile, a_hundred_thousand_attributes_are_not_even_parsed)
{
	struct buffer b = BUFFER_INIT(DEFINITION_SIZE_MAX);
	_cleanup_free_ char *text = NULL;

	buffer_append_string(&b, "<vm");
	for (unsigned i = 0; i < 80000; i++)
		buffer_printf(&b, " a%u=''", i);
	buffer_append_string(&b, "/>");
	text = buffer_take_string(&b);
	cr_assert(text != NULL);
	cr_assert(eq(int, parse(text), -EBADMSG));
	cr_assert_str_eq(first_sentence(),
		"the definition has 80000 signs \"=\", so many attributes or so long comments; 4096 are the "
		"most allowed");
}

Test(hostile, a_text_that_is_too_long_is_refused)
{
	_cleanup_free_ char *text = repeated(" ", DEFINITION_SIZE_MAX + 1);

	cr_assert(eq(int, parse(text), -EBADMSG));
	cr_assert_str_eq(first_sentence(), "the definition has 1048577 bytes; 1048576 are the most allowed");
}

Test(hostile, faults_without_number_are_counted_and_some_kept)
{
	_cleanup_free_ char *inner = repeated("<x/>", 5000), *text = NULL;

	cr_assert(asprintf(&text, "<vm>%s</vm>", inner) > 0);
	cr_assert(eq(int, parse(text), -EBADMSG));
	cr_assert(eq(sz, d.n, DIAGNOSTICS_MAX));
	cr_assert(ge(sz, d.n_errors, 5000));
}

Test(hostile, a_nul_within_the_text_is_refused)
{
	char text[sizeof(whole)];

	memcpy(text, whole, sizeof(whole));
	text[100] = '\0';
	cr_assert(eq(int, definition_parse(text, sizeof(text) - 1, &d, &spec), -EBADMSG));
}

Test(hostile, a_text_cut_at_any_byte_is_refused)
{
	for (size_t size = 0; size < strlen(whole) - 1; size++) {
		_cleanup_free_ char *copy = strndup(whole, size);

		cr_assert(eq(int, parse(copy), -EBADMSG), "cut to %zu bytes", size);
		cr_assert(ge(sz, d.n, 1));
	}
}

/* Whatever a byte becomes, what is said is fit for D-Bus and a terminal, and what is taken keeps the rules.
 */
Test(hostile, any_byte_may_be_another)
{
	static const unsigned char others[] = {
		'<', '>', '"', '&', '-', '9', 'z', ' ', '\n', 0x01, 0x7F, 0xC3, 0xFF};

	for (size_t i = 0; i < sizeof(whole) - 1; i++)
		for (size_t j = 0; j < sizeof(others); j++) {
			char text[sizeof(whole)];

			memcpy(text, whole, sizeof(whole));
			text[i] = (char)others[j];
			if (parse(text) == 0)
				cr_assert(eq(int, spec_check(spec, NULL), 0));
			for (size_t k = 0; k < d.n; k++) {
				char clean[4096];

				value_quote_into(d.items[k].message, clean, sizeof(clean));
				cr_assert_str_eq(d.items[k].message, clean);
			}
		}
}

Test(value, numbers_are_digits_only)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.0", "one", "1,000"};
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert(eq(int, value_number(bad[i], &value), -EINVAL), "%s", bad[i]);
	cr_assert(eq(int, value_number("18446744073709551616", &value), -ERANGE));
	cr_assert(eq(int, value_number("18446744073709551615", &value), 0));
	cr_assert(eq(u64, value, UINT64_MAX));
	cr_assert(eq(int, value_number("0010", &value), 0));
	cr_assert(eq(u64, value, 10));
}

Test(value, a_quote_is_clean_and_bounded)
{
	_cleanup_free_ char *long_text = repeated("\303\244", 100);
	struct quote quote = value_quote(long_text);

	cr_assert(eq(sz, strlen(quote.text), 95));
	cr_assert_str_eq(quote.text + 92, "...");
	cr_assert_str_eq(value_quote("a\nb\tc\033d\177").text, "a b c d ");
	cr_assert_str_eq(value_quote("\303\244").text, "\303\244");
	cr_assert_str_eq(value_quote("\377\303x\355\240\200").text, "??x???");
	cr_assert_str_eq(value_quote("\360\237\230\200").text, "\360\237\230\200");
	cr_assert_str_eq(value_quote("\300\200").text, "??");
	cr_assert_str_eq(value_quote("\302\205").text, " ");
}

Test(value, uuids_and_digests_are_read_in_either_case)
{
	uint8_t uuid[SPEC_UUID_SIZE], sha256[SPEC_SHA256_SIZE];
	char text[VALUE_UUID_TEXT];

	cr_assert(value_uuid("6F9619FF-8B86-d011-b42d-00cf4fc964ff", uuid));
	value_uuid_format(uuid, text);
	cr_assert_str_eq(text, "6f9619ff-8b86-d011-b42d-00cf4fc964ff");
	cr_assert(value_sha256("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", sha256));
	cr_assert(eq(u8, sha256[31], 0x55));
	cr_assert(not(value_sha256("", sha256)));
}
