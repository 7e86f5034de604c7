/* test-client-verbs.c - hvmctl's tables of verbs and options, what is made from them, and the tail of a log */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "client/console.h"
#include "client/help.h"
#include "client/options.h"
#include "client/run.h"
#include "client/verbs.h"

#define WORDS_MAX 8

/* A command line, which getopt_long() may permute. */
static struct command {
	char *words[WORDS_MAX + 1];
	int n;
} line;

static void say(const char *words)
{
	char *copy = strdup(words);

	line = (struct command){.words = {(char *)"hvmctl"}, .n = 1};
	for (char *word = strtok(copy, " "); word && line.n < WORDS_MAX; word = strtok(NULL, " "))
		line.words[line.n++] = word;
}

static enum exit_status run_words(const char *words)
{
	say(words);
	return run(line.n, line.words);
}

static void cr_is_usage_error(const char *words, const char *sentence)
{
	cr_redirect_stderr();
	cr_assert(eq(int, (int)run_words(words), STATUS_USAGE));
	fflush(stderr);
	cr_assert_stderr_eq_str(sentence);
}

#define USAGE(name, words, sentence)                                                                           \
	Test(usage, name)                                                                                      \
	{                                                                                                      \
		cr_is_usage_error(words, "hvmctl: " sentence "\n");                                            \
	}                                                                                                      \
	struct usage_needs_a_semicolon

USAGE(wants_a_verb, "", "which verb? \"hvmctl help\" lists them");
USAGE(refuses_an_unknown_verb, "frobnicate", "there is no verb \"frobnicate\"; \"hvmctl help\" lists them");
USAGE(refuses_a_very_long_verb, "listlistlistlistlistlistlistlistlist",
	"there is no verb \"listlistlistlistlistlistlistlistlist\"; \"hvmctl help\" lists them");
USAGE(suggests_nothing_far_fetched, "foo", "there is no verb \"foo\"; \"hvmctl help\" lists them");
USAGE(suggests_a_verb_for_a_mistyped_one, "strat a",
	"there is no verb \"strat\"; did you mean \"start\"? \"hvmctl help\" lists them");
USAGE(suggests_a_verb_to_whoever_asks_for_help, "help undefin",
	"there is no verb \"undefin\"; did you mean \"undefine\"? \"hvmctl help\" lists them");
USAGE(takes_no_beginning_of_a_verb, "lis", "there is no verb \"lis\"; did you mean \"list\"? \"hvmctl help\" lists them");
USAGE(refuses_an_unknown_option, "list --colour", "there is no option --colour; \"hvmctl help\" lists them");
USAGE(refuses_an_unknown_letter, "list -qz", "there is no option -z; \"hvmctl help\" lists them");
USAGE(takes_no_beginning_of_an_option, "list --js=short", "there is no option --js=short; write --json in full");
USAGE(takes_no_beginning_of_an_option_with_a_word, "list --ho there", "there is no option --ho; write --host in full");
USAGE(wants_the_argument_of_an_option, "list --bus", "--bus wants an argument: --bus=ADDRESS");
USAGE(wants_the_argument_of_a_letter, "log x -n", "--lines wants an argument: --lines=LINES");
USAGE(refuses_an_argument_where_there_is_none, "list --quiet=yes", "--quiet takes no argument");
USAGE(refuses_an_option_of_another_verb, "start x --follow", "start has no option --follow; see \"hvmctl start --help\"");
USAGE(wants_a_name, "start", "start wants NAME...; see \"hvmctl start --help\"");
USAGE(takes_one_name_where_it_says_one, "reset a b", "reset takes only NAME, so \"b\" is too much");
USAGE(takes_no_name_where_it_says_none, "version a", "version takes no argument, so \"a\" is too much");
USAGE(names_the_json_modes, "list --json=yes", "--json takes short, pretty or off, not \"yes\"");
USAGE(refuses_a_time_of_zero, "stop x --timeout=0",
	"--timeout takes a time above zero such as 10, 10s, 500ms or 2min, not \"0\"");
USAGE(refuses_lines_below_zero, "log x -n -3", "--lines takes a whole number, not \"-3\"");
USAGE(resets_one_partition_or_both, "reset x --ros --hrt",
	"--ros and --hrt exclude each other");
USAGE(cannot_follow_into_an_array, "log x -f --json=short", "--follow and --json exclude each other: the array would never end");
USAGE(shows_no_help_for_an_unknown_verb, "help frobnicate", "there is no verb \"frobnicate\"; \"hvmctl help\" lists them");

Test(options, stand_before_and_behind_the_verb)
{
	struct options o;
	int first;

	say("--user stop a --timeout 5 -q b");
	first = options_parse(line.n, line.words, &o);
	cr_assert_str_eq(line.words[first], "stop");
	cr_assert_str_eq(line.words[first + 1], "a");
	cr_assert_str_eq(line.words[first + 2], "b");
	cr_assert_str_eq(o.bus, "user");
	cr_assert(o.quiet);
	cr_assert(eq(u64, o.timeout_usec, 5000000));
	options_fini(&o);
}

Test(options, end_at_two_dashes)
{
	struct options o;
	int first;

	say("list -- -q");
	first = options_parse(line.n, line.words, &o);
	cr_assert_str_eq(line.words[first + 1], "-q");
	cr_assert(not(o.quiet));
	options_fini(&o);
}

Test(options, gather_groups)
{
	struct options o;

	say("stats --group=vm --group kvm");
	cr_assert(options_parse(line.n, line.words, &o) > 0);
	cr_assert(eq(sz, o.n_groups, 2));
	cr_assert_str_eq(o.groups[1], "kvm");
	cr_assert_null(o.groups[2]);
	options_fini(&o);
}

Test(verbs, are_found_by_name_and_alias)
{
	cr_expect_str_eq(verb_find("destroy")->name, "terminate");
	cr_expect_str_eq(verb_find("poweroff")->name, "stop");
	cr_expect_str_eq(verb_find("list")->name, "list");
	cr_expect_null(verb_find(""));
}

Test(verbs, have_names_that_nobody_else_has)
{
	for (size_t i = 0; i < n_verbs; i++) {
		cr_expect(verb_find(verb_table[i].name) == &verb_table[i], "%s", verb_table[i].name);
		for (size_t k = 0; k < VERB_ALIASES_MAX && verb_table[i].aliases[k]; k++)
			cr_expect(verb_find(verb_table[i].aliases[k]) == &verb_table[i], "%s", verb_table[i].aliases[k]);
	}
}

static char *help_text(const struct verb *verb)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (verb)
		help_print_verb(verb, out);
	else
		help_print(out);
	fclose(out);
	return text;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static void cr_fits_a_terminal(const char *text)
{
	for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
		cr_expect(strcspn(at, "\n") <= 100, "%.*s", (int)strcspn(at, "\n"), at);
}

Test(help, names_every_verb_and_common_option)
{
	_cleanup_free_ char *text = help_text(NULL);

	cr_fits_a_terminal(text);
	for (size_t i = 0; i < n_verbs; i++)
		cr_expect(has(text, verb_table[i].summary), "%s", verb_table[i].name);
	for (int i = 0; i < OPTION_TIMEOUT; i++)
		cr_expect(has(text, option_table[i].help), "%s", option_table[i].name);
}

Test(help, of_a_verb_names_its_own_options_and_aliases)
{
	_cleanup_free_ char *text = help_text(verb_find("stop"));

	cr_fits_a_terminal(text);
	cr_expect(has(text, "hvmctl [OPTIONS...] stop NAME..."));
	cr_expect(has(text, "Also called: shutdown, poweroff\n"));
	cr_expect(has(text, "--timeout=TIME"));
	cr_expect(not(has(text, "--follow")));
}

static char *document(const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	char *text = NULL;
	size_t size;

	cr_assert(getenv("top_srcdir") != NULL, "top_srcdir is not set; make check sets it");
	cr_assert(asprintf(&path, "%s/%s", getenv("top_srcdir"), name) > 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(file_read(fd, name, 1 << 20, &text, &size, NULL) == 0, "%s", path);
	return text;
}

/* Whether one of the lines that begin an entry has these words. */
static bool has_entry(const char *page, const char *words)
{
	size_t n = strlen(words);

	for (const char *item = strstr(page, "\n.It "); item; item = strstr(item + 1, "\n.It ")) {
		const char *end = strchr(item + 1, '\n');

		for (const char *at = strstr(item, words); at && at < end; at = strstr(at + 1, words))
			if (at[-1] == ' ' && strchr(" \n", at[n]))
				return true;
	}
	return false;
}

static void cr_describes(const char *page, const char *macro, const char *name)
{
	_cleanup_free_ char *words = NULL;

	cr_assert(asprintf(&words, "%s%s", macro, name) > 0);
	cr_expect(has_entry(page, words), "hvmctl.1 has no entry \"%s\"", words);
}

Test(manual, describes_every_verb_alias_and_option)
{
	_cleanup_free_ char *page = document("man/hvmctl.1");

	for (size_t i = 0; i < n_verbs; i++) {
		cr_describes(page, "Cm ", verb_table[i].name);
		for (size_t k = 0; k < VERB_ALIASES_MAX && verb_table[i].aliases[k]; k++)
			cr_describes(page, "Cm ", verb_table[i].aliases[k]);
	}
	for (int i = 0; i < N_OPTIONS; i++) {
		char letter[] = {option_table[i].letter, '\0'};

		cr_describes(page, "Fl -", option_table[i].name);
		if (letter[0])
			cr_describes(page, "Fl ", letter);
	}
}

Test(manual, describes_no_verb_that_is_not_there)
{
	_cleanup_free_ char *page = document("man/hvmctl.1");

	for (char *at = strstr(page, "\n.It Cm "); at; at = strstr(at, "\n.It Cm ")) {
		char verb[32] = "";

		at += strlen("\n.It Cm ");
		cr_assert(sscanf(at, "%31s", verb) == 1);
		cr_expect(verb_find(verb) != NULL, "hvmctl.1 describes %s", verb);
	}
}

/* Whether one of the words between blanks in the completion's text is this. */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if (strchr(" \t\n'", at[-1]) && strchr(" \n'=|)", at[n]))
			return true;
	return false;
}

Test(completion, offers_every_verb_and_option)
{
	_cleanup_free_ char *text = document("client/hvmctl.bash");

	for (size_t i = 0; i < n_verbs; i++)
		cr_expect(has_word(text, verb_table[i].name), "hvmctl.bash does not offer %s", verb_table[i].name);
	for (int i = 0; i < N_OPTIONS; i++) {
		_cleanup_free_ char *option = NULL;

		cr_assert(asprintf(&option, "--%s", option_table[i].name) > 0);
		cr_expect(has_word(text, option), "hvmctl.bash does not offer %s", option);
	}
}

/* A file with this content, of which log_tail() is asked; the text from where it says. */
static const char *tail(const char *content, uint64_t lines)
{
	static char text[64];
	uint64_t offset = 0;
	FILE *f = tmpfile();

	fputs(content, f);
	fflush(f);
	cr_assert(eq(int, log_tail(fileno(f), lines, &offset), 0));
	memset(text, 0, sizeof(text));
	cr_assert(pread_full(fileno(f), text, sizeof(text) - 1, offset) >= 0);
	fclose(f);
	return text;
}

Test(log_tail, counts_lines_from_the_end)
{
	cr_expect_str_eq(tail("a\nb\nc\n", 1), "c\n");
	cr_expect_str_eq(tail("a\nb\nc\n", 2), "b\nc\n");
	cr_expect_str_eq(tail("a\nb\nc\n", 3), "a\nb\nc\n");
	cr_expect_str_eq(tail("a\nb\nc\n", 4), "a\nb\nc\n");
	cr_expect_str_eq(tail("a\nb\nc\n", UINT64_MAX - 1), "a\nb\nc\n");
	cr_expect_str_eq(tail("a\nb\nc\n", 0), "");
	cr_expect_str_eq(tail("", 5), "");
	cr_expect_str_eq(tail("\n\n\n", 2), "\n\n");
}

Test(log_tail, counts_a_last_line_without_its_newline)
{
	cr_expect_str_eq(tail("a\nb", 1), "b");
	cr_expect_str_eq(tail("a\nb", 2), "a\nb");
}

Test(log_tail, looks_further_up_than_one_block)
{
	char content[10000];

	memset(content, 'x', sizeof(content));
	memcpy(content, "first\n", 6);
	content[6000] = '\n';
	content[9990] = '\n';
	content[9999] = '\0';
	cr_expect_str_eq(tail(content, 1), "xxxxxxxx");
	cr_expect(strncmp(tail(content, 3), "xxxx", 4) == 0);
	cr_expect(strncmp(tail(content, 4), "first\nxxxx", 10) == 0);
}
