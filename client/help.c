/* help.c - see help.h */
#include "client/help.h"

#include "base/macro.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/say.h"
#include "client/verbs.h"

static void print_option(const struct option_info *o, FILE *out)
{
	_cleanup_free_ char *name = NULL;

	if (o->letter)
		name = memory_printf("-%c --%s%s%s", o->letter, o->name, o->argument ? "=" : "",
			o->argument ? o->argument : "");
	else
		name = memory_printf(
			"   --%s%s%s", o->name, o->argument ? "=" : "", o->argument ? o->argument : "");
	fprintf(out, "  %-28s %s\n", name, o->help);
}

static void print_options(uint32_t bits, FILE *out)
{
	for (unsigned i = 0; i < N_OPTIONS; i++)
		if (bits & 1u << i)
			print_option(&option_table[i], out);
}

static void print_group(enum verb_group group, FILE *out)
{
	fprintf(out, "\n%s:\n", verb_group_names[group]);
	for (size_t i = 0; i < n_verbs; i++) {
		_cleanup_free_ char *call =
			memory_printf("%s %s", verb_table[i].name, verb_table[i].arguments);

		if (verb_table[i].group == group)
			fprintf(out, "  %-28s %s\n", call, verb_table[i].summary);
	}
}

void help_print(FILE *out)
{
	fputs("hvmctl [OPTIONS...] VERB [ARGUMENTS...]\n\nDefine, run and watch hybrid virtual machines.\n",
		out);
	for (int group = 0; group < N_VERB_GROUPS; group++)
		print_group((enum verb_group)group, out);
	fputs("\nOptions:\n", out);
	print_options(OPTIONS_COMMON, out);
	fputs("\n\"hvmctl VERB --help\" tells more about a verb; hvmctl(1) tells all.\n", out);
}

static void print_aliases(const struct verb *verb, FILE *out)
{
	if (!verb->aliases[0])
		return;
	fprintf(out, "\nAlso called: %s", verb->aliases[0]);
	for (size_t i = 1; i < VERB_ALIASES_MAX && verb->aliases[i]; i++)
		fprintf(out, ", %s", verb->aliases[i]);
	fputc('\n', out);
}

void help_print_verb(const struct verb *verb, FILE *out)
{
	fprintf(out, "hvmctl [OPTIONS...] %s%s%s\n\n%s.\n\n%s\n", verb->name, verb->arguments[0] ? " " : "",
		verb->arguments, verb->summary, verb->help);
	print_aliases(verb, out);
	if (verb->options) {
		fputs("\nOptions:\n", out);
		print_options(verb->options, out);
	}
	fputs("\n\"hvmctl help\" lists the options of every verb.\n", out);
}

void help_no_verb(const char *word)
{
	const struct verb *like = verb_like(word);

	if (like)
		say_error(NULL, "there is no verb \"%s\"; did you mean \"%s\"? \"hvmctl help\" lists them", word, like->name);
	else
		say_error(NULL, "there is no verb \"%s\"; \"hvmctl help\" lists them", word);
}

enum exit_status verb_help(struct client *c, char **verbs)
{
	const struct verb *verb;

	(void)c;
	if (!verbs[0]) {
		help_print(stdout);
		return STATUS_OK;
	}
	verb = verb_find(verbs[0]);
	if (!verb) {
		help_no_verb(verbs[0]);
		return STATUS_USAGE;
	}
	help_print_verb(verb, stdout);
	return STATUS_OK;
}
