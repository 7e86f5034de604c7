/* run.c - see run.h */
#include "client/run.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "client/help.h"
#include "client/options.h"
#include "client/say.h"
#include "client/verbs.h"

static size_t count(char **words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

static bool check_arguments(const struct verb *verb, char **arguments)
{
	size_t n = count(arguments);

	if (n < verb->min_arguments)
		say_error(NULL, "%s wants %s; see \"hvmctl %s --help\"", verb->name, verb->arguments,
			verb->name);
	else if (n > verb->max_arguments && verb->max_arguments > 0)
		say_error(NULL, "%s takes only %s, so \"%s\" is too much", verb->name, verb->arguments,
			arguments[verb->max_arguments]);
	else if (n > verb->max_arguments)
		say_error(NULL, "%s takes no argument, so \"%s\" is too much", verb->name, arguments[0]);
	else
		return true;
	return false;
}

/* Says which option the verb does not have; false when there is one. */
static bool check_options(const struct verb *verb, uint32_t given)
{
	uint32_t strange = given & ~(verb->options | OPTIONS_COMMON);

	if (!strange)
		return true;
	say_error(NULL, "%s has no option --%s; see \"hvmctl %s --help\"", verb->name,
		option_table[__builtin_ctz(strange)].name, verb->name);
	return false;
}

static enum exit_status run_verb(const struct verb *verb, const struct options *o, char **arguments)
{
	_cleanup_(client_fini) struct client c = {.options = o};

	if (o->given & OPTION_BIT(HELP)) {
		help_print_verb(verb, stdout);
		return STATUS_OK;
	}
	if (!check_options(verb, o->given) || !check_arguments(verb, arguments))
		return STATUS_USAGE;
	return verb->run(&c, arguments);
}

static enum exit_status run_options(const struct options *o, char **words)
{
	const struct verb *verb;

	if (o->given & OPTION_BIT(VERSION)) {
		puts("hvmctl " PACKAGE_VERSION);
		return STATUS_OK;
	}
	if (!words[0] && o->given & OPTION_BIT(HELP)) {
		help_print(stdout);
		return STATUS_OK;
	}
	if (!words[0]) {
		say_error(NULL, "which verb? \"hvmctl help\" lists them");
		return STATUS_USAGE;
	}
	verb = verb_find(words[0]);
	if (!verb) {
		help_no_verb(words[0]);
		return STATUS_USAGE;
	}
	return run_verb(verb, o, words + 1);
}

enum exit_status run(int argc, char **argv)
{
	_cleanup_(options_fini) struct options o = {};
	int first = options_parse(argc, argv, &o);

	return first < 0 ? STATUS_USAGE : run_options(&o, argv + first);
}
