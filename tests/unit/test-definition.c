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
#include "spec/support.h"
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
TestSuite(options, .fini = tear_down);
TestSuite(position, .fini = tear_down);

static int parse(const char *text)
{
	tear_down();
	return definition_parse(text, strlen(text), NULL, &d, &spec);
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

#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* A canonical definition in which each value of a hybrid stands. */
static const char whole[] = "<vm name=\"whole\" class=\"PC\" uuid=\"6f9619ff-8b86-d011-b42d-00cf4fc964ff\">\n"
			    "  <memory hugepages=\"y\">1048576</memory>\n"
			    "  <cores count=\"64\" cpu_weight=\"200\" nodes=\"1\">\n"
			    "    <core target_cpu=\"5\"/>\n"
			    "  </cores>\n"
			    "  <files>\n"
			    "    <file id=\"hrt\" filename=\"hrt.elf\" sha256=\"" DIGEST "\"/>\n"
			    "    <file id=\"kernel\" filename=\"vmlinuz\"/>\n"
			    "    <file id=\"initrd\" filename=\"initrd.img\"/>\n"
			    "    <file id=\"data\" filename=\"data.bin\"/>\n"
			    "  </files>\n"
			    "  <hvm enable=\"y\">\n"
			    "    <ros cores=\"2\" mem=\"8\" file_id=\"kernel\" initrd_id=\"initrd\" "
			    "cmdline=\"console=ttyS0\" append=\"n\" protocol=\"pvh\" "
			    "on_poweroff=\"restart\" on_reset=\"stop\" on_crash=\"ignore\">\n"
			    "      <module file_id=\"data\" cmdline=\"first\"/>\n"
			    "    </ros>\n"
			    "    <hrt file_id=\"hrt\" cmdline=\"mode=park\" append=\"n\" stack=\"8192\" layout=\"seed\" "
			    "load=\"0x800000\" entry=\"0x100\" granule=\"4K\" identity=\"y\" "
			    "hypercall=\"patch\" upcall=\"gpf\" deadline=\"2000\" on_crash=\"stop\" ros_memory=\"ro\">\n"
			    "      <module file_id=\"data\" cmdline=\"second\"/>\n"
			    "      <module file_id=\"hrt\" cmdline=\"\"/>\n"
			    "    </hrt>\n"
			    "  </hvm>\n"
			    "  <devices>\n"
			    "    <device class=\"debug-exit\" id=\"bye\" port=\"0x501\"/>\n"
			    "    <device class=\"SERIAL\"/>\n"
			    "  </devices>\n"
			    "</vm>\n";

/* And one without an HRT. */
static const char plain[] = "<vm name=\"plain\" class=\"PC\">\n"
			    "  <memory hugepages=\"n\">64</memory>\n"
			    "  <cores count=\"2\"/>\n"
			    "  <files>\n"
			    "    <file id=\"kernel\" filename=\"xen\"/>\n"
			    "    <file id=\"initrd\" filename=\"initrd.img\"/>\n"
			    "    <file id=\"data\" filename=\"data.bin\"/>\n"
			    "  </files>\n"
			    "  <ros file_id=\"kernel\" initrd_id=\"initrd\" cmdline=\"quiet\" append=\"n\" protocol=\"pvh\" "
			    "on_poweroff=\"restart\" on_reset=\"stop\" on_crash=\"ignore\">\n"
			    "    <module file_id=\"data\" cmdline=\"text\"/>\n"
			    "  </ros>\n"
			    "  <hvm enable=\"n\"/>\n"
			    "</vm>\n";

static bool is_within(enum grammar_id id, enum grammar_id group)
{
	while (id < N_GRAMMAR && id != group)
		id = grammar[id].parent;
	return id == group;
}

/* Whether it is a value that the canonical form has. */
static bool is_canonical(enum grammar_id id)
{
	return !grammar_is_group(id) && grammar[id].kind != GRAMMAR_VERDICT && grammar[id].parent < N_GRAMMAR &&
	       !is_within(id, GRAMMAR_MULTIBOOT) && id != GRAMMAR_FILE_INDEX;
}

/* The text that has it. */
static const char *text_with(enum grammar_id id)
{
	return is_within(id, GRAMMAR_VM_ROS) ? plain : whole;
}

/* Where the value stands in its text: from its first letter or blank to behind its end, and its text within. */
struct span {
	const char *begin, *text, *text_end, *end;
};

/* Where the start tag of the first such group is. */
static const char *find_tag(enum grammar_id id)
{
	const char *at = grammar[id].parent == GRAMMAR_VM || id == GRAMMAR_VM ? text_with(id) :
										find_tag(grammar[id].parent);
	size_t size = strlen(grammar[id].name);

	for (at = strchr(at, '<'); at; at = strchr(at + 1, '<'))
		if (strncmp(at + 1, grammar[id].name, size) == 0 && strchr(" >", at[1 + size]))
			return at;
	cr_assert(at != NULL, "there is no <%s>", grammar[id].name);
	return NULL;
}

static struct span find(enum grammar_id id)
{
	char pattern[64];
	struct span span;

	if (grammar[id].as_element) {
		span.begin = find_tag(id);
		span.text = strchr(span.begin, '>') + 1;
		span.text_end = strchr(span.text, '<');
		span.end = strchr(span.text_end, '>') + 1;
		return span;
	}
	snprintf(pattern, sizeof(pattern), " %s=\"", grammar[id].name);
	span.begin = strstr(find_tag(grammar[id].parent), pattern);
	cr_assert(span.begin != NULL, "%s", pattern);
	span.text = span.begin + strlen(pattern);
	span.text_end = strchr(span.text, '"');
	span.end = span.text_end + 1;
	return span;
}

static char *replaced(const char *base, const char *begin, const char *end, const char *text)
{
	char *result;

	cr_assert(asprintf(&result, "%.*s%s%s", (int)(begin - base), base, text, end) > 0);
	return result;
}

static char *with(enum grammar_id id, const char *value)
{
	struct span span = find(id);

	return replaced(text_with(id), span.text, span.text_end, value);
}

static char *without(enum grammar_id id)
{
	struct span span = find(id);

	return replaced(text_with(id), span.begin, span.end, "");
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

static void cr_canonical(const char *text)
{
	_cleanup_free_ char *again = NULL;

	cr_assert(eq(int, parse(text), 0), "%s", first_sentence());
	cr_assert(eq(sz, d.n, 0));
	again = definition_format(spec);
	cr_assert_str_eq(again, text);
}

Test(definition, the_whole_ones_are_their_own_canonical_form)
{
	cr_canonical(whole);
	cr_canonical(plain);
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
	cr_assert(eq(int, parse(plain), 0));
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
		const char *base = text_with(id);
		struct span span;

		if (!is_canonical(id) || grammar[id].as_element)
			continue;
		span = find(id);
		group_end = strchr(span.end, '>');
		cr_assert(asprintf(&child, "%.*s%.*s><%s> %.*s\n</%s>%s%s%s", (int)(span.begin - base),
				  base, (int)(group_end - span.end - (group_end[-1] == '/')), span.end,
				  grammar[id].name, (int)(span.text_end - span.text), span.text,
				  grammar[id].name, group_end[-1] == '/' ? "</" : "",
				  group_end[-1] == '/' ? grammar[grammar[id].parent].name : "",
				  group_end[-1] == '/' ? group_end : group_end + 1) > 0);
		cr_assert(eq(int, parse(child), 0), "%s: %s\n%s", grammar[id].name, first_sentence(), child);
		text = definition_format(spec);
		cr_assert_str_eq(text, base);
	}
}

Test(grammar, numbers_out_of_range_are_refused_by_parser_and_schema)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		if (grammar[id].kind != GRAMMAR_NUMBER || !is_canonical(id))
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
	cr_both_refuse(GRAMMAR_ROS_FILE_ID, "other");
	cr_both_refuse(GRAMMAR_ROS_INITRD_ID, "other");
	cr_both_refuse(GRAMMAR_ROS_MODULE_FILE_ID, "other");
	cr_both_refuse(GRAMMAR_VM_ROS_FILE_ID, "other");
	cr_both_refuse(GRAMMAR_VM_ROS_INITRD_ID, "other");
	cr_both_refuse(GRAMMAR_VM_ROS_MODULE_FILE_ID, "other");
	cr_both_refuse(GRAMMAR_HRT_MODULE_FILE_ID, "other");
	cr_both_refuse(GRAMMAR_MEMORY_HUGEPAGES, "yes");
	cr_both_refuse(GRAMMAR_DEVICE_CLASS, "IDE");
	cr_both_refuse(GRAMMAR_DEVICE_ID, "");
	cr_both_refuse(GRAMMAR_HRT_LOAD, "0x800001");
	cr_both_refuse(GRAMMAR_HRT_LOAD, "0x40000000");
	cr_both_refuse(GRAMMAR_HRT_LOAD, "0");
	cr_both_refuse(GRAMMAR_HRT_ENTRY, "0x10000000");
	cr_both_refuse(GRAMMAR_HRT_ENTRY, "-1");
	cr_both_refuse(GRAMMAR_HRT_IDENTITY, "high");
	cr_both_refuse(GRAMMAR_DEVICE_PORT, "0");
	cr_both_refuse(GRAMMAR_DEVICE_PORT, "0x10000");
	cr_both_refuse(GRAMMAR_DEVICE_PORT, "0x");
	cr_both_refuse(GRAMMAR_DEVICE_PORT, "f4");
}

Test(grammar, each_word_is_taken_by_parser_and_schema_and_no_other)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		if (grammar[id].kind != GRAMMAR_WORD || !is_canonical(id))
			continue;
		cr_both_refuse(id, "");
		cr_both_refuse(id, "nonsense");
		for (size_t i = 0; i < n_grammar_words; i++) {
			_cleanup_free_ char *text = NULL;

			if (grammar_words[i].of != id || grammar_words[i].ignored || grammar_words[i].refused)
				continue;
			text = with(id, grammar_words[i].text);
			cr_assert(schema_takes(text), "%s=\"%s\"", grammar[id].name, grammar_words[i].text);
			if (parse(text) < 0) /* what stands beside it may not go with it, but it is known */
				cr_assert(strstr(first_sentence(), "unknown") == NULL, "%s", first_sentence());
		}
	}
}

/* What others refer to, or need beside them. */
static bool is_needed_here(enum grammar_id id)
{
	return id == GRAMMAR_ROS_FILE_ID || id == GRAMMAR_VM_ROS_FILE_ID || id == GRAMMAR_HRT_LAYOUT;
}

/* A port belongs to one class only, and these to one layout, which no schema can say. */
static bool goes_with_another(enum grammar_id id)
{
	return id == GRAMMAR_DEVICE_PORT || id == GRAMMAR_HRT_ENTRY || id == GRAMMAR_HRT_GRANULE;
}

Test(grammar, what_is_missing_is_missed_by_parser_and_schema)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		_cleanup_free_ char *text = NULL;

		if (!is_canonical(id) || is_needed_here(id))
			continue;
		text = without(id);
		if (grammar[id].required) {
			cr_assert(eq(int, parse(text), -EBADMSG), "%s", grammar[id].name);
			cr_assert(not(schema_takes(text)), "%s", grammar[id].name);
		} else {
			cr_assert(eq(int, parse(text), 0), "%s: %s", grammar[id].name, first_sentence());
			cr_assert(schema_takes(text) == (!grammar[id].fallback || goes_with_another(id)), "%s", grammar[id].name);
		}
	}
}

Test(grammar, two_files_with_one_id_are_refused_by_parser_and_schema)
{
	const char *at = strstr(whole, "  </files>");
	_cleanup_free_ char *text = replaced(whole, at, at, "    <file id=\"hrt\" filename=\"b\"/>\n");

	cr_assert(eq(int, parse(text), -EBADMSG));
	cr_assert(not(schema_takes(text)));
}

Test(grammar, a_name_that_is_near_is_suggested)
{
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, "memroy"), GRAMMAR_MEMORY));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, "CORE"), GRAMMAR_CORES));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, "pageing"), GRAMMAR_PAGING));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_HVM, "htr"), GRAMMAR_HRT));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_HVM, "rtos"), GRAMMAR_ROS));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_HRT, "fileid"), GRAMMAR_HRT_FILE_ID));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, "teleport"), GRAMMAR_NONE));
	cr_assert(eq(int, (int)grammar_suggest(GRAMMAR_VM, ""), GRAMMAR_NONE));
}

Test(grammar, a_word_that_is_near_is_suggested)
{
	cr_assert_str_eq(grammar_suggest_word(GRAMMAR_DEVICE_CLASS, "8259")->text, "8259A");
	cr_assert_str_eq(grammar_suggest_word(GRAMMAR_DEVICE_CLASS, "IO_APIC")->text, "IOAPIC");
	cr_assert_str_eq(grammar_suggest_word(GRAMMAR_DEVICE_CLASS, "debug_exit")->text, "debug-exit");
	cr_assert_str_eq(grammar_suggest_word(GRAMMAR_EXTENSION_NAME, "EDF_Scheduler")->text, "EDF Scheduler");
	cr_assert(grammar_suggest_word(GRAMMAR_DEVICE_CLASS, "flux capacitor") == NULL);
	cr_assert(grammar_suggest_word(GRAMMAR_DEVICE_CLASS, "") == NULL);
}

Test(grammar, every_row_says_what_it_is_or_what_becomes_of_it)
{
	for (enum grammar_id id = 1; id < N_GRAMMAR; id++) {
		const struct grammar_rule *rule = &grammar[id];

		cr_assert(rule->name != NULL, "%d", (int)id);
		cr_assert(rule->about || rule->ignored || rule->refused || rule->kind == GRAMMAR_FOREIGN ||
				  rule->kind == GRAMMAR_VERDICT,
			"%s", rule->name);
		cr_assert(not(rule->ignored && rule->refused), "%s", rule->name);
		cr_assert(rule->example || !rule->required, "%s", rule->name);
	}
}

/* A value that is not kept is judged by its words or by itself; its words are all judged. */
Test(grammar, no_word_of_a_value_that_is_not_kept_is_honoured)
{
	for (size_t i = 0; i < n_grammar_words; i++) {
		const struct grammar_word *word = &grammar_words[i];
		enum grammar_kind kind = grammar[word->of].kind;

		cr_assert(kind == GRAMMAR_WORD || kind == GRAMMAR_VERDICT, "%s", word->text);
		cr_assert(kind == GRAMMAR_WORD || word->ignored || word->refused, "%s", word->text);
		cr_assert(grammar_word(word->of, word->text) == word, "%s stands there twice", word->text);
	}
}

/* A definition in which the group or value `id` of Palacios stands, the value with this text. */
static char *foreign(enum grammar_id id, const char *value)
{
	enum grammar_id chain[8];
	struct buffer b = BUFFER_INIT(4096);
	unsigned n = 0;

	for (enum grammar_id at = id; at != GRAMMAR_VM; at = grammar[at].parent)
		chain[n++] = at;
	buffer_append_string(&b, "<vm name='a' class='PC'>");
	if (chain[n - 1] != GRAMMAR_MEMORY)
		buffer_append_string(&b, "<memory>64</memory>");
	if (chain[n - 1] != GRAMMAR_CORES)
		buffer_append_string(&b, "<cores count='2'/>");
	for (unsigned i = n; i > 0; i--) {
		buffer_printf(&b, "<%s>", grammar[chain[i - 1]].name);
		if (chain[i - 1] == GRAMMAR_MEMORY)
			buffer_append_string(&b, "64");
		if (chain[i - 1] == GRAMMAR_CORES)
			buffer_append_string(&b, "<count>2</count>");
		if (chain[i - 1] == GRAMMAR_GENERIC && id != GRAMMAR_GENERIC_CLASS)
			buffer_append_string(&b, "<class>GENERIC</class>");
	}
	buffer_append_string(&b, value);
	for (unsigned i = 0; i < n; i++)
		buffer_printf(&b, "</%s>", grammar[chain[i]].name);
	buffer_append_string(&b, "</vm>");
	return buffer_take_string(&b);
}

static void cr_tells(enum grammar_id id, const char *value, const char *ignored, const char *refused)
{
	_cleanup_free_ char *text = foreign(id, value), *sentence = NULL, *word = NULL;
	const char *why = refused ? refused : ignored;
	bool told = false;

	cr_assert(asprintf(&word, ": \"%s\"", value) > 0);
	cr_assert(asprintf(&sentence, "%s%s is %s: %s", grammar[id].name, value[0] ? word : "",
			  refused ? "refused" : "ignored", why) > 0);
	cr_assert(eq(int, parse(text), refused ? -EBADMSG : 0), "%s: %s", text, first_sentence());
	for (size_t i = 0; i < d.n; i++)
		told = told || (strcmp(d.items[i].message, sentence) == 0 &&
				       d.items[i].severity == (refused ? SEVERITY_ERROR : SEVERITY_NOTICE));
	cr_assert(told || !why[0], "not told: %s\n%s", sentence, first_sentence());
}

Test(grammar, every_fate_is_told)
{
	for (enum grammar_id id = 1; id < N_GRAMMAR; id++)
		if (grammar[id].ignored || grammar[id].refused)
			cr_tells(id, grammar_is_group(id) ? "" : "7", grammar[id].ignored, grammar[id].refused);
	for (size_t i = 0; i < n_grammar_words; i++)
		if ((grammar_words[i].ignored || grammar_words[i].refused) && !grammar_words[i].look_as)
			cr_tells(grammar_words[i].of, grammar_words[i].text, grammar_words[i].ignored,
				grammar_words[i].refused);
}

static void cr_unknown(const char *text, const char *sentence)
{
	const struct definition_options lenient = {.unknown_warns = true};
	bool told = false;

	cr_assert(eq(int, parse(text), -EBADMSG), "%s", text);
	for (size_t i = 0; i < d.n; i++)
		told = told || strcmp(d.items[i].message, sentence) == 0;
	cr_assert(told, "%s", first_sentence());
	tear_down();
	cr_assert(eq(int, definition_parse(text, strlen(text), &lenient, &d, &spec), 0), "%s", first_sentence());
	cr_assert(eq(int, (int)d.items[0].severity, SEVERITY_WARNING));
	cr_assert_str_eq(d.items[0].message, sentence);
}

#define SMALL(inner) "<vm name='a' class='PC'><memory>64</memory><cores count='2'/>" inner "</vm>"

Test(grammar, unknown_names_are_errors_or_if_so_wished_warnings)
{
	cr_unknown(SMALL("<teleport/>"), "vm has no element \"teleport\"; take it out (hvm.xml(5) lists what hvmd knows)");
	cr_unknown(SMALL("<tiem/>"), "vm has no element \"tiem\"; did you mean \"time\"?");
	cr_unknown(SMALL("<strategy/>"), "vm has no element \"strategy\"; it belongs in /vm/paging");
	cr_unknown(SMALL("<time zone='CET'/>"),
		"time has no attribute \"zone\"; take it out (hvm.xml(5) lists what hvmd knows)");
	cr_unknown(SMALL("<devices><device class='8259' id='pic'><bus>x</bus></device></devices>"),
		"class: \"8259\" is unknown; did you mean \"8259A\"?");
	cr_unknown(SMALL("<devices><device class='abacus'/></devices>"),
		"class: \"abacus\" is unknown; take it out (hvm.xml(5) lists what hvmd knows)");
	cr_unknown(SMALL("<extensions><extension name='mtrr'/></extensions>"),
		"name: \"mtrr\" is unknown; did you mean \"MTRRS\"?");
}

Test(grammar, an_unknown_word_of_ours_is_an_error_even_then)
{
	const struct definition_options lenient = {.unknown_warns = true};
	_cleanup_free_ char *text = with(GRAMMAR_HRT_ON_CRASH, "explode");

	cr_assert(eq(int, definition_parse(text, strlen(text), &lenient, &d, &spec), -EBADMSG));
	cr_assert_str_eq(first_sentence(), "on_crash: \"explode\" is unknown; write stop, reset, pause or ignore");
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
	const char *section, *entry, *end, *next;

	snprintf(pattern, sizeof(pattern), "\n.Ss %s\n", grammar[grammar[id].parent].name);
	section = strstr(page, pattern);
	cr_assert(section != NULL, "hvm.xml(5) has no section on %s", grammar[grammar[id].parent].name);
	section += strlen(pattern);
	snprintf(pattern, sizeof(pattern), "\n.It Ic %s\n", grammar[id].name);
	entry = strstr(section, pattern);
	cr_assert(entry != NULL, "hvm.xml(5) says nothing about %s", grammar[id].name);
	end = strstr(section, "\n.Ss ");
	cr_assert(end && entry < end, "hvm.xml(5) has %s in another section", grammar[id].name);
	entry += strlen(pattern) - 1;
	end = strstr(entry, "\n.El");
	next = strstr(entry, "\n.It ");
	return strndup(entry, (size_t)((next && next < end ? next : end) - entry));
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
	snprintf(number, sizeof(number), grammar[id].kind == GRAMMAR_ADDRESS ? "0x%" PRIx64 : "%" PRIu64, grammar[id].max);
	cr_says(entry, id, number);
	snprintf(number, sizeof(number), "%" PRIu64, grammar[id].min);
	if (grammar[id].min > 0 && grammar[id].kind == GRAMMAR_NUMBER)
		cr_says(entry, id, number);
}

/* The words of a value are named, and which of them is meant where nothing is written. */
static void cr_names_words(const char *entry, enum grammar_id id)
{
	for (size_t i = 0; i < n_grammar_words; i++) {
		char macro[48];

		if (grammar_words[i].of != id || grammar_words[i].ignored || grammar_words[i].refused)
			continue;
		snprintf(macro, sizeof(macro), "Cm %s", grammar_words[i].text);
		cr_says(entry, id, macro);
	}
}

static void replace_all(char *text, const char *from, const char *to)
{
	for (char *at = strstr(text, from); at; at = strstr(at, from)) {
		memcpy(at, to, strlen(to));
		memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
	}
}

/* What roff(7) writes is what a reader sees: its quotes, and no line ends. */
static void unescape(char *text)
{
	replace_all(text, "\\(dq", "\"");
	replace_all(text, "\n", " ");
}

/* The entry's example, an attribute or an element, is taken where the value stands. */
static void cr_example_is_taken(const char *entry, enum grammar_id id)
{
	const char *line = strstr(entry, "\n.Dl "), *end;
	_cleanup_free_ char *example = NULL, *value = NULL, *text = NULL;
	size_t begin;

	cr_assert(line != NULL, "hvm.xml(5) has no example of %s", grammar[id].name);
	line += strlen("\n.Dl ");
	example = strndup(line, strcspn(line, "\n"));
	unescape(example);
	begin = strcspn(example, example[0] == '<' ? ">" : "\"") + 1;
	end = strpbrk(example + begin, "<\"");
	cr_assert(end != NULL, "%s", example);
	cr_assert(strstr(example, grammar[id].name) != NULL, "%s", example);
	value = strndup(example + begin, (size_t)(end - example) - begin);
	if (id == GRAMMAR_FILE_INDEX)
		return; /* only in an image container: see there */
	text = is_canonical(id) ? with(id, value) : foreign(id, value);
	cr_assert(eq(int, parse(text), 0), "%s: %s", example, first_sentence());
	if (id != GRAMMAR_MEMORY_HUGEPAGES)
		spec->hugepages = false; /* of the text around it */
	cr_assert(eq(int, spec_check_supported(spec, NULL) < 0, strstr(entry, "\nNot built yet.") != NULL),
		"whether %s is built", grammar[id].name);
}

Test(grammar, the_man_page_describes_every_value_and_its_examples_are_taken)
{
	_cleanup_free_ char *page = man_page();

	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		_cleanup_free_ char *entry = NULL;

		if (grammar_is_group(id) || grammar[id].kind == GRAMMAR_VERDICT || grammar[id].parent >= N_GRAMMAR)
			continue;
		entry = man_entry(page, id);
		cr_describes(entry, id);
		cr_names_words(entry, id);
		cr_example_is_taken(entry, id);
	}
}

/* An element, where it stands; what is behind it. */
#define VM(inner) "<vm name='a' class='PC'>" inner
#define SIZES  "<memory>256</memory><cores count='4'/>"
#define IMAGES "<files><file id='hrt' filename='h'/><file id='kernel' filename='k'/><file id='data' filename='d'/></files>"
static const struct {
	enum grammar_id id;
	const char *before, *after;
} homes[] = {
	{GRAMMAR_MEMORY, VM("<cores count='4'/>"), "</vm>"},
	{GRAMMAR_CORES, VM("<memory>256</memory>"), "</vm>"},
	{GRAMMAR_CORE, VM("<memory>256</memory><cores count='4'>"), "</cores></vm>"},
	{GRAMMAR_FILES, VM(SIZES), "</vm>"},
	{GRAMMAR_FILE, VM(SIZES "<files>"), "</files></vm>"},
	{GRAMMAR_HVM, VM(SIZES IMAGES), "</vm>"},
	{GRAMMAR_ROS, VM(SIZES IMAGES "<hvm enable='y'>"), "<hrt file_id='hrt'/></hvm></vm>"},
	{GRAMMAR_HRT, VM(SIZES IMAGES "<hvm enable='y'><ros cores='1' mem='8'/>"), "</hvm></vm>"},
	{GRAMMAR_HRT_MODULE, VM(SIZES IMAGES "<hvm enable='y'><ros cores='1' mem='8'/><hrt file_id='hrt'>"),
		"</hrt></hvm></vm>"},
	{GRAMMAR_DEVICES, VM(SIZES), "</vm>"},
	{GRAMMAR_DEVICE, VM(SIZES "<devices>"), "</devices></vm>"},
	{GRAMMAR_MULTIBOOT, VM(SIZES IMAGES), "</vm>"},
};

/* Whether it is an element that a definition may have, described in a section of the page, where it is told by name. */
static bool has_section(enum grammar_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(homes); i++)
		if (strcmp(grammar[homes[i].id].name, grammar[id].name) == 0)
			return true;
	return id == GRAMMAR_VM || !grammar_is_group(id) || grammar[id].kind == GRAMMAR_FOREIGN || grammar[id].ignored ||
	       grammar[id].refused;
}

/* What the page says about an element itself, before its values; its example, as a reader sees it. */
static char *example_of(const char *page, enum grammar_id id)
{
	char pattern[64];
	const char *section, *values, *line;
	char *example;

	snprintf(pattern, sizeof(pattern), "\n.Ss %s\n", grammar[id].name);
	section = strstr(page, pattern);
	cr_assert(section != NULL, "hvm.xml(5) has no section on %s", grammar[id].name);
	values = strstr(section, "\n.Bl ");
	line = strstr(section, "\n.Dl <");
	cr_assert(values && line && line < values, "hvm.xml(5) has no example of the element %s", grammar[id].name);
	example = strndup(section, (size_t)(line - section));
	cr_assert(strcasestr(example, "required") || strcasestr(example, "optional"), "hvm.xml(5): may %s be left out?",
		grammar[id].name);
	free(example);
	line += strlen("\n.Dl ");
	example = strndup(line, strcspn(line, "\n"));
	unescape(example);
	return example;
}

Test(grammar, the_man_page_has_an_example_of_every_element_which_is_taken)
{
	_cleanup_free_ char *page = man_page();

	for (enum grammar_id id = 0; id < N_GRAMMAR; id++)
		cr_assert(has_section(id), "%s", grammar[id].name);
	for (size_t i = 0; i < ARRAY_SIZE(homes); i++) {
		_cleanup_free_ char *example = example_of(page, homes[i].id), *text = NULL;

		cr_assert(eq(int, strncmp(example + 1, grammar[homes[i].id].name, strlen(grammar[homes[i].id].name)), 0));
		cr_assert(asprintf(&text, "%s%s%s", homes[i].before, example, homes[i].after) > 0);
		cr_assert(eq(int, parse(text), 0), "%s: %s", example, first_sentence());
	}
}

/* The definition in a subsection of the page. The caller frees it. */
static char *definition_in(const char *page, const char *subsection)
{
	const char *section = strstr(page, subsection), *begin = section ? strstr(section, "\n<vm ") : NULL;

	cr_assert(begin != NULL, "%s", subsection);
	return strndup(begin + 1, (size_t)(strstr(begin, "\n.Ed") - begin));
}

/* Whether what has been parsed has a thing that is ignored, or refused, for this sentence. */
static bool is_told(const char *sentence)
{
	for (size_t i = 0; i < d.n; i++)
		if (strstr(d.items[i].message, sentence))
			return true;
	return false;
}

/* A word is one of many with the same sentence; of each value one such word is enough. */
static bool a_word_is_told(enum grammar_id of, bool refused)
{
	bool any = false;

	for (size_t i = 0; i < n_grammar_words; i++) {
		const struct grammar_word *word = &grammar_words[i];
		const char *sentence = refused ? word->refused : word->ignored;

		if (word->of != of || !sentence || !sentence[0])
			continue;
		if (is_told(sentence))
			return true;
		any = true;
	}
	return !any;
}

static void cr_shows_every_fate(bool refused)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		const char *sentence = refused ? grammar[id].refused : grammar[id].ignored;

		cr_assert(sentence == NULL || sentence[0] == 0 || is_told(sentence), "no example of %s: %s", grammar[id].name, sentence);
		cr_assert(a_word_is_told(id, refused), "no example of a word of %s", grammar[id].name);
	}
}

Test(grammar, the_man_page_has_an_example_of_everything_that_is_ignored_or_refused)
{
	_cleanup_free_ char *page = man_page();
	_cleanup_free_ char *taken = definition_in(page, "\n.Ss Ignored\n"), *refused = definition_in(page, "\n.Ss Refused\n");

	cr_assert(eq(int, parse(taken), 0), "%s", first_sentence());
	cr_shows_every_fate(false);
	cr_assert(eq(int, parse(refused), -EBADMSG));
	cr_shows_every_fate(true);
}

Test(grammar, the_definitions_in_the_man_page_are_right)
{
	_cleanup_free_ char *page = man_page();
	const char *palacios = strstr(page, "\n.Ss Ignored\n"), *ours = strstr(page, "\n.Sh IMAGE CONTAINERS\n");
	unsigned n = 0;

	for (const char *at = strstr(page, "\n<vm "); at; at = strstr(at + 1, "\n<vm ")) {
		_cleanup_free_ char *text = strndup(at + 1, (size_t)(strstr(at, "\n.Ed") - at));

		if (at > palacios && at < ours)
			continue;
		cr_assert(eq(int, parse(text), 0), "%s\n%s", text, first_sentence());
		cr_assert(eq(sz, d.n, 0), "%s\n%s", text, first_sentence());
		n++;
	}
	cr_assert(ge(u32, n, 3));
}

/* Whether an entry has this path, the word or none, and the sentence. */
static bool has_fate(const char *page, const char *path, const char *word, const char *sentence)
{
	_cleanup_free_ char *item = NULL;

	cr_assert(asprintf(&item, "\n.It Ic %s%s", path, word ? " Cm " : "\n") > 0);
	for (const char *at = strstr(page, item); at; at = strstr(at + 1, item)) {
		const char *line_end = strchr(at + 1, '\n'), *next = strstr(line_end, "\n.It "), *end = strstr(line_end, "\n.El");
		_cleanup_free_ char *line = strndup(at, (size_t)(line_end - at));
		_cleanup_free_ char *entry = strndup(line_end, (size_t)((next && next < end ? next : end) - line_end));

		unescape(entry);
		if ((!word || strstr(line, word)) && strstr(entry, sentence))
			return true;
	}
	return false;
}

static void cr_tells_fate(const char *page, enum grammar_id id, const char *word, const char *sentence)
{
	char path[GRAMMAR_PATH_MAX];

	if (!sentence)
		return;
	grammar_path(id, path);
	cr_assert(sentence[0] == 0 || has_fate(page, path + strlen("/vm/"), word, sentence),
		"hvm.xml(5) does not say of %s %s: %s", path, word ? word : "", sentence);
}

Test(grammar, the_man_page_tells_every_fate)
{
	_cleanup_free_ char *page = man_page();
	const char *ignored = strstr(page, "\n.Ss Ignored\n"), *refused = strstr(page, "\n.Ss Refused\n");

	cr_assert(ignored && refused);
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		cr_tells_fate(ignored, id, NULL, grammar[id].ignored);
		cr_tells_fate(refused, id, NULL, grammar[id].refused);
	}
	for (size_t i = 0; i < n_grammar_words; i++) {
		const struct grammar_word *word = &grammar_words[i];

		cr_tells_fate(ignored, word->of, word->text, word->ignored);
		cr_tells_fate(refused, word->of, word->text, word->refused);
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

static int parse_with(const char *text, const struct definition_options *options)
{
	tear_down();
	return definition_parse(text, strlen(text), options, &d, &spec);
}

Test(options, a_name_beside_the_text_goes_before_that_in_it)
{
	const struct definition_options named = {.name = "b", .fallback_name = "c"};

	cr_assert(eq(int, parse_with(SMALL(""), &named), 0), "%s", first_sentence());
	cr_assert_str_eq(spec->name, "b");
	cr_assert(eq(int, parse_with("<vm class='PC' memory='2'><cores count='1'/></vm>", &named), 0));
	cr_assert_str_eq(spec->name, "b");
}

Test(options, a_name_to_fall_back_on_is_for_texts_without_one)
{
	const struct definition_options lent = {.fallback_name = "c"}, useless = {.fallback_name = "my vm"};
	const char nameless[] = "<vm class='PC' memory='2'><cores count='1'/></vm>";

	cr_assert(eq(int, parse_with(SMALL(""), &lent), 0));
	cr_assert_str_eq(spec->name, "a");
	cr_assert(eq(int, parse_with(nameless, &lent), 0));
	cr_assert_str_eq(spec->name, "c");
	cr_assert(eq(int, parse_with(nameless, &useless), -EBADMSG));
	cr_assert_str_eq(first_sentence(),
		"name is missing, and what the file is called, \"my vm\", cannot be the name of a VM; write "
		"name=\"nautilus\"");
	cr_assert(eq(int, parse_with(nameless, NULL), -EBADMSG));
	cr_assert_str_eq(first_sentence(),
		"name is missing; write name=\"nautilus\" (the name by which the VM is known)");
}

#define TEXT_WITH_TAGS                                                                                                 \
	"<vm name='a' class='PC'><memory Opt_Tag='mem'>64</memory><cores count='2'/><files><file id='k'>"       \
	"<filename opt_tag='KERNEL'>old<!-- x --> name</filename></file></files></vm>"

Test(options, an_override_replaces_the_text_of_its_tag)
{
	const struct definition_override overrides[] = {{"MEM", "128"}, {"kernel", "a & <b>"}};
	const struct definition_options o = {.overrides = overrides, .n_overrides = 2};

	cr_assert(eq(int, parse_with(TEXT_WITH_TAGS, NULL), 0), "%s", first_sentence());
	cr_assert(eq(u64, spec->memory, 64 * MiB));
	cr_assert_str_eq(spec->files[0].filename, "old name");
	cr_assert(eq(int, parse_with(TEXT_WITH_TAGS, &o), 0), "%s", first_sentence());
	cr_assert(eq(u64, spec->memory, 128 * MiB));
	cr_assert_str_eq(spec->files[0].filename, "a & <b>");
}

Test(options, an_override_is_read_as_if_it_stood_there)
{
	const struct definition_override much = {"mem", "plenty"};
	const struct definition_options o = {.overrides = &much, .n_overrides = 1};

	cr_assert(eq(int, parse_with(TEXT_WITH_TAGS, &o), -EBADMSG));
	cr_assert_str_eq(first_sentence(),
		"memory: \"plenty\" is no whole number of MiB; write 2 to 1048576, digits only");
	cr_assert(eq(u32, d.items[0].at.column, 25));
}

Test(options, an_override_that_matches_nothing_or_is_no_text_is_an_error)
{
	const struct definition_override none = {"cpus", "4"}, binary = {"mem", "\377"};
	const struct definition_options o = {.overrides = &none, .n_overrides = 1},
					p = {.overrides = &binary, .n_overrides = 1};

	cr_assert(eq(int, parse_with(TEXT_WITH_TAGS, &o), -EBADMSG));
	cr_assert_str_eq(first_sentence(),
		"no element has opt_tag=\"cpus\", so there is nothing that \"4\" could replace");
	cr_assert(eq(int, parse_with(TEXT_WITH_TAGS, &p), -EBADMSG));
	cr_assert_str_eq(first_sentence(), "the value for mem, \"?\", is no UTF-8");
}

#define WITH_FILE(attributes) SMALL("<files><file id='k' " attributes "/></files>")

Test(options, an_index_ties_a_file_to_its_container_and_means_nothing_elsewhere)
{
	const struct definition_options packed = {.packed = true};

	cr_assert(eq(int, parse_with(WITH_FILE("index='3'"), &packed), 0), "%s", first_sentence());
	cr_assert(spec->files[0].packed);
	cr_assert(eq(u32, spec->files[0].index, 3));
	cr_assert(eq(int, parse_with(WITH_FILE("filename='x'"), &packed), -EBADMSG));
	cr_assert_str_eq(first_sentence(),
		"index is missing, so the container does not say which of its files this is");
	cr_assert(eq(int, parse_with(WITH_FILE("index='256'"), &packed), -EBADMSG));
	cr_assert(eq(int, parse_with(WITH_FILE("index='3' filename='x'"), NULL), 0), "%s", first_sentence());
	cr_assert(not(spec->files[0].packed));
	cr_assert_str_eq(first_sentence(),
		"index is ignored: it is a place within an image container, and this text is in none");
	cr_assert(eq(int, parse_with(WITH_FILE("index='3'"), NULL), -EBADMSG));
}

static void cr_at(const char *text, unsigned line, unsigned column)
{
	parse(text);
	cr_assert(gt(sz, d.n, 0));
	cr_assert(eq(u32, d.items[0].at.line, line), "%s: %s", text, first_sentence());
	cr_assert(eq(u32, d.items[0].at.column, column), "%s: %s", text, first_sentence());
}

Test(position, is_where_the_start_tag_begins)
{
	cr_at("<vm name='a' class='PC' memory='2'>\n  <cores\n   count='1'\n   bad='>'\n  /></vm>", 2, 3);
	cr_at("<vm name='a' class='PC' memory='2'><cores count='1'/><!-- <x> --><bad/></vm>", 1, 66);
	cr_at("<vm name='a' class='PC' memory='2'>\r\n\t<cores count='1'/><bad></bad></vm>", 2, 20);
	cr_at("<?xml version='1.0'?>\n\n<vm name='a' class='PC' memory='&#50;'><cores count='1'/>\n\n <bad/></vm>", 5, 2);
	cr_at("<vm name='\303\244' class='PC' memory='2'><cores count='1'/></vm>", 1, 1);
	cr_at("<vm name='a' class='PC' memory='2'><!-- \303\244 --><bad></bad><cores count='1'/></vm>", 1, 47);
}

Test(position, of_a_text_is_that_of_its_first_letter)
{
	cr_at("<vm name='a' class='PC' memory='2'><cores count='1'/>\n\n   lost</vm>", 3, 4);
	cr_at("<vm name='a' class='PC' memory='2'><cores count='1'/>\n<hvm enable='n'/>  text\n</vm>", 2, 20);
}

Test(position, of_elements_behind_a_long_text_is_right)
{
	_cleanup_free_ char *blanks = repeated(" \n", 100000), *text = NULL;

	cr_assert(asprintf(&text, "<vm name='a' class='PC' memory='2'><cores count='1'/>%s<bad/></vm>", blanks) > 0);
	cr_at(text, 100001, 1);
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
	cr_assert(eq(int, definition_parse(text, sizeof(text) - 1, NULL, &d, &spec), -EBADMSG));
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
