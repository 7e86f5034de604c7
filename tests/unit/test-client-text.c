/* test-client-text.c - what hvmctl prints: words, numbers, tables and JSON */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "client/json.h"
#include "client/table.h"
#include "client/text.h"

/* A stream into memory: begin, print to `out`, then compare with printed(). */
static FILE *out;
static char *text;
static size_t text_size;

static void set_up(void)
{
	out = open_memstream(&text, &text_size);
}

static void tear_down(void)
{
	fclose(out);
	free(text);
}

static const char *printed(void)
{
	fflush(out);
	return text;
}

static void cr_takes(char *made, const char *expected)
{
	cr_expect_str_eq(made, expected);
	free(made);
}

TestSuite(escaper, .init = set_up, .fini = tear_down);
TestSuite(json, .init = set_up, .fini = tear_down);
TestSuite(table, .init = set_up, .fini = tear_down);

static const char *escaped(bool escape, bool utf8, const char *data, size_t size)
{
	struct escaper x = {.out = out, .escape = escape, .utf8 = utf8};

	escaper_write(&x, data, size);
	escaper_end(&x);
	return printed();
}

Test(escaper, lets_every_byte_pass_into_a_pipe)
{
	cr_assert_str_eq(escaped(false, true, "\x1b[2J\xff\r\n", 7), "\x1b[2J\xff\r\n");
}

Test(escaper, shows_a_terminal_what_it_must_not_obey)
{
	cr_assert_str_eq(escaped(true, true, "a\x1b]0;x\a\tb\x7f\n", 11), "a\\x1b]0;x\\x07\tb\\x7f\n");
}

Test(escaper, drops_a_carriage_return_before_a_newline_only)
{
	cr_assert_str_eq(escaped(true, true, "one\r\ntwo\rthree\r", 15), "one\ntwo\\x0dthree\\x0d");
}

Test(escaper, leaves_text_in_other_languages_alone)
{
	cr_assert_str_eq(escaped(true, true, "gr\303\274n \342\202\254 \360\237\220\242", 14),
		"gr\303\274n \342\202\254 \360\237\220\242");
}

Test(escaper, shows_bytes_that_are_no_utf8)
{
	cr_assert_str_eq(escaped(true, true, "\xc3(\xed\xa0\x80\xc0\x80\xf5", 8), "\\xc3(\\xed\\xa0\\x80\\xc0\\x80\\xf5");
}

Test(escaper, shows_control_characters_of_the_second_set)
{
	cr_assert_str_eq(escaped(true, true, "\302\233" "31m", 5), "\\xc2\\x9b31m");
}

Test(escaper, shows_every_high_byte_where_the_terminal_has_no_utf8)
{
	cr_assert_str_eq(escaped(true, false, "\303\233", 2), "\\xc3\\x9b");
}

Test(escaper, puts_together_what_was_cut_anywhere)
{
	static const char data[] = "\342\202\254\r\n\302\233\342\202";
	struct escaper x = {.out = out, .escape = true, .utf8 = true};

	for (size_t i = 0; i < sizeof(data) - 1; i++)
		escaper_write(&x, data + i, 1);
	escaper_end(&x);
	cr_assert_str_eq(printed(), "\342\202\254\n\\xc2\\x9b\\xe2\\x82");
}

Test(escaper, shows_a_zero_byte)
{
	cr_assert_str_eq(escaped(true, true, "a\0b", 3), "a\\x00b");
}

Test(text, makes_one_harmless_line)
{
	cr_takes(text_one_line("a\nb\tc\x1b[0m\xff \303\244"), "a\\x0ab\\x09c\\x1b[0m\\xff \303\244");
	cr_takes(text_one_line(""), "");
}

Test(text, knows_utf8)
{
	uint32_t c = 0;

	cr_expect(utf8_decode("a", 1, &c) == 1 && c == 'a');
	cr_expect(utf8_decode("\303\244x", 3, &c) == 2 && c == 0xE4);
	cr_expect(utf8_decode("\364\217\277\277", 4, &c) == 4 && c == 0x10FFFF);
	cr_expect(eq(int, utf8_decode("", 0, &c), -1));
	cr_expect(eq(int, utf8_decode("\303", 1, &c), -1));
	cr_expect(eq(int, utf8_decode("\342\202", 2, &c), -1));
	cr_expect(eq(int, utf8_decode("\303x", 2, &c), 0));
	cr_expect(eq(int, utf8_decode("\200", 1, &c), 0), "the middle of a sequence");
	cr_expect(eq(int, utf8_decode("\340\200\200", 3, &c), 0), "not the shortest form");
	cr_expect(eq(int, utf8_decode("\355\240\200", 3, &c), 0), "a surrogate");
	cr_expect(eq(int, utf8_decode("\364\220\200\200", 4, &c), 0), "beyond Unicode");
}

Test(text, writes_sizes_as_whole_numbers)
{
	cr_takes(size_format(0), "0B");
	cr_takes(size_format(1), "1B");
	cr_takes(size_format(1024), "1K");
	cr_takes(size_format(16ull << 20), "16M");
	cr_takes(size_format(1100ull << 20), "1100M");
	cr_takes(size_format(8ull << 30), "8G");
	cr_takes(size_format(1ull << 40), "1T");
	cr_takes(size_format(1ull << 60), "1048576T");
	cr_takes(size_format(UINT64_MAX), "18446744073709551615B");
}

Test(text, writes_durations_in_two_units)
{
	cr_takes(duration_format(0), "0s");
	cr_takes(duration_format(59999999), "59s");
	cr_takes(duration_format(303000000), "5min 3s");
	cr_takes(duration_format(7200000000), "2h 0min");
	cr_takes(duration_format(93600000000), "1d 2h");
}

Test(text, reads_durations)
{
	uint64_t usec = 0;

	cr_expect(duration_parse("10", &usec) && usec == 10000000);
	cr_expect(duration_parse("500ms", &usec) && usec == 500000);
	cr_expect(duration_parse("2min", &usec) && usec == 120000000);
	cr_expect(duration_parse("1h", &usec) && usec == 3600000000);
	cr_expect(not(duration_parse("", &usec)));
	cr_expect(not(duration_parse("-1", &usec)));
	cr_expect(not(duration_parse("10 s", &usec)));
	cr_expect(not(duration_parse("10years", &usec)));
	cr_expect(not(duration_parse("18446744073709551615", &usec)));
	cr_expect(not(duration_parse("99999999999999999999", &usec)));
}

Test(text, reads_whole_numbers_only)
{
	uint64_t n = 0;

	cr_expect(number_parse("18446744073709551615", &n) && n == UINT64_MAX);
	cr_expect(not(number_parse("18446744073709551616", &n)));
	cr_expect(not(number_parse("+1", &n)));
	cr_expect(not(number_parse("1x", &n)));
	cr_expect(not(number_parse("", &n)));
}

Test(text, spells_every_property_of_the_interface_as_scripts_see_it)
{
	static const char *const pairs[][2] = {
		{"Name", "name"},
		{"UUID", "uuid"},
		{"State", "state"},
		{"StateChangeTimestampMonotonic", "state_change_timestamp_monotonic"},
		{"VCPUs", "vcpus"},
		{"MemoryBytes", "memory_bytes"},
		{"Unit", "unit"},
		{"VSockCID", "vsock_cid"},
		{"NResets", "n_resets"},
		{"FirstVCPU", "first_vcpu"},
		{"NVCPUs", "n_vcpus"},
		{"VisibleMemoryBytes", "visible_memory_bytes"},
		{"GVAOffset", "gva_offset"},
		{"CommPage", "comm_page"},
		{"NTransactions", "n_transactions"},
		{"KVMAvailable", "kvm_available"},
		{"KVMAPIVersion", "kvm_api_version"},
		{"MaxVCPUs", "max_vcpus"},
		{"NVMs", "n_vms"},
		{"VM", "vm"},
		{"Numbers", "numbers"},
		{"ACPITables", "acpi_tables"},
		{"already_so", "already_so"},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_takes(snake_case(pairs[i][0]), pairs[i][1]);
}

/* Prints and frees. */
static const char *json_printed(struct json *j, enum json_mode mode)
{
	json_print(j, mode, out);
	json_free(j);
	return printed();
}

Test(json, escapes_strings)
{
	cr_assert_str_eq(json_printed(json_bytes("\"\\/\n\t\r\0\x1b\x7f\302\233", 11), JSON_SHORT),
		"\"\\\"\\\\/\\n\\t\\u000d\\u0000\\u001b\\u007f\\u009b\"\n");
}

Test(json, keeps_utf8_and_replaces_what_is_none)
{
	cr_assert_str_eq(json_printed(json_bytes("\303\244\xff\303", 4), JSON_SHORT),
		"\"\303\244\357\277\275\357\277\275\"\n");
}

Test(json, prints_numbers_whole)
{
	struct json *array = json_new(JSON_ARRAY);

	json_append(array, json_uint(UINT64_MAX));
	json_append(array, json_int(INT64_MIN));
	json_append(array, json_bool(true));
	json_append(array, json_bool(false));
	json_append(array, json_new(JSON_NULL));
	cr_assert_str_eq(json_printed(array, JSON_SHORT), "[18446744073709551615,-9223372036854775808,true,false,null]\n");
}

static struct json *nested(void)
{
	struct json *array = json_new(JSON_ARRAY), *object = json_new(JSON_OBJECT);

	json_set(object, "name", json_string("x"));
	json_set(object, "none", json_new(JSON_ARRAY));
	json_append(array, object);
	json_append(array, json_new(JSON_OBJECT));
	return array;
}

Test(json, prints_one_line_when_short)
{
	cr_assert_str_eq(json_printed(nested(), JSON_SHORT), "[{\"name\":\"x\",\"none\":[]},{}]\n");
}

Test(json, indents_when_pretty)
{
	cr_assert_str_eq(json_printed(nested(), JSON_PRETTY),
		"[\n  {\n    \"name\": \"x\",\n    \"none\": []\n  },\n  {}\n]\n");
}

Test(json, replaces_the_value_of_a_key_that_is_there)
{
	struct json *object = json_new(JSON_OBJECT);

	json_set(object, "a", json_uint(1));
	json_set(object, "a", json_uint(2));
	cr_assert_str_eq(json_printed(object, JSON_SHORT), "{\"a\":2}\n");
}

Test(json, answers_with_nothing_for_what_is_absent_or_of_another_type)
{
	struct json *object = json_new(JSON_OBJECT);

	json_set(object, "number", json_uint(1));
	cr_expect_str_eq(json_get_string(object, "number"), "");
	cr_expect(eq(u64, json_get_uint(object, "absent"), 0));
	cr_expect(json_get(NULL, "x") == NULL);
	cr_expect(json_get(json_get(object, "number"), "x") == NULL);
	cr_expect(eq(sz, json_length(NULL), 0));
	json_free(object);
}

Test(json, sorts_keys_with_numbers_by_their_value)
{
	struct json *object = json_new(JSON_OBJECT);

	json_set(object, "vcpu.10.exits", json_uint(3));
	json_set(object, "vcpu.2.exits", json_uint(2));
	json_set(object, "kvm.x", json_uint(1));
	json_sort(object, NULL);
	cr_assert_str_eq(json_printed(object, JSON_SHORT), "{\"kvm.x\":1,\"vcpu.2.exits\":2,\"vcpu.10.exits\":3}\n");
}


Test(json, reads_as_text_on_one_line)
{
	struct json *array = json_new(JSON_ARRAY);

	json_append(array, json_string("mb\n64"));
	json_append(array, json_uint(7));
	cr_takes(json_to_text(array), "mb\\x0a64, 7");
	json_free(array);
}
static const char *const header[] = {"NAME", "STATE"};

Test(table, makes_columns_as_wide_as_their_widest_cell)
{
	struct table t = table_init(header, 2);

	table_add(&t, "n\303\244utilus");
	table_add(&t, "running");
	table_add(&t, "a");
	table_printf(&t, "%d", 7);
	table_print(&t, true, out);
	table_fini(&t);
	cr_assert_str_eq(printed(), "NAME      STATE\nn\303\244utilus  running\na         7\n");
}

Test(table, writes_a_dash_for_nothing_and_no_control_characters)
{
	struct table t = table_init(header, 2);

	table_add(&t, "");
	table_add(&t, "x\ny");
	table_print(&t, false, out);
	table_fini(&t);
	cr_assert_str_eq(printed(), "-  x\\x0ay\n");
}
