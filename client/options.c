/* options.c - see options.h */
#include "client/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "client/memory.h"
#include "client/say.h"
#include "client/text.h"
#include "spec/definition.h"

#define MONITOR_PATH PKGLIBEXECDIR "/hvm-monitor"

const struct option_info option_table[N_OPTIONS] = {
	[OPTION_SYSTEM] = {"system", 0, NULL, "Talk to the hvmd on the system bus (default)"},
	[OPTION_USER] = {"user", 0, NULL, "Talk to the hvmd on the user bus"},
	[OPTION_BUS] = {"bus", 0, "ADDRESS", "Talk to the hvmd on the bus at this address"},
	[OPTION_HOST] = {"host", 'H', "[USER@]HOST", "Talk to the hvmd on another host, over ssh"},
	[OPTION_QUIET] = {"quiet", 'q', NULL, "Print no remarks, only data and errors"},
	[OPTION_JSON] = {"json", 0, "short|pretty|off", "Print data as JSON"},
	[OPTION_NO_LEGEND] = {"no-legend", 0, NULL, "Print tables without header and footer"},
	[OPTION_HELP] = {"help", 'h', NULL, "Print this help, or that of the verb, and exit"},
	[OPTION_VERSION] = {"version", 0, NULL, "Print the version of hvmctl and exit"},
	[OPTION_TIMEOUT] = {"timeout", 0, "TIME", "Kill what has not gone after this time: 10, 10s, 500ms, 2min"},
	[OPTION_ROS] = {"ros", 0, NULL, "Only the regular OS"},
	[OPTION_HRT] = {"hrt", 0, NULL, "Only the hybrid runtime"},
	[OPTION_GROUP] = {"group", 0, "GROUP",
		"Only counters of this group (vm, partition, vcpu, kvm); repeatable"},
	[OPTION_FOLLOW] = {"follow", 'f', NULL, "Go on printing what is added until the VM stops"},
	[OPTION_LINES] = {"lines", 'n', "LINES", "Begin with the last so many lines"},
	[OPTION_RUNNING] = {"running", 0, NULL, "What runs, not what is stored"},
	[OPTION_MONITOR] = {"monitor", 0, "PATH", "The program that looks at images (default: " MONITOR_PATH ")"},
	[OPTION_NAME] = {"name", 0, "NAME", "Call the VM so, whatever its file says"},
	[OPTION_SET] = {"set", 0, "TAG=VALUE", "Put VALUE where opt_tag=\"TAG\" is; repeatable"},
	[OPTION_WARN] = {"warn", 'W', "no-unknown", "Only warn of names that hvmd does not know"},
	[OPTION_RECORD] = {"record", 0, NULL, "Print what the digest is made from"},
	[OPTION_APPEND] = {"append", 0, "TEXT", "Add to the command line that may be added to"},
	[OPTION_APPEND_ROS] = {"append-ros", 0, "TEXT", "Add to the command line of the regular OS"},
	[OPTION_APPEND_HRT] = {"append-hrt", 0, "TEXT", "Add to the command line of the hybrid runtime"},
	[OPTION_FORCE] = {"force", 0, NULL, "Type into the console even if somebody else does: he then only watches"},
	[OPTION_READ_ONLY] = {"read-only", 0, NULL, "Only watch the console"},
	[OPTION_WAIT] = {"wait", 0, NULL, "Return when the VMs have ended, with the status of the guest"},
};

#define GETOPT_LONG_BASE 256 /* getopt_long() returns this plus the option's id: no letter is as large */

static void make_getopt_tables(struct option *longs, char *shorts)
{
	*shorts++ = ':'; /* a missing argument is told apart from an unknown option */
	for (int i = 0; i < N_OPTIONS; i++) {
		const struct option_info *o = &option_table[i];

		longs[i] = (struct option){
			.name = o->name,
			.has_arg = o->argument ? required_argument : no_argument,
			.val = GETOPT_LONG_BASE + i,
		};
		if (!o->letter)
			continue;
		*shorts++ = o->letter;
		if (o->argument)
			*shorts++ = ':';
	}
	*shorts = '\0';
	longs[N_OPTIONS] = (struct option){};
}

/* The option getopt_long() has found; -1 for none. */
static int option_of(int found)
{
	if (found >= GETOPT_LONG_BASE)
		return found - GETOPT_LONG_BASE;
	for (int i = 0; i < N_OPTIONS; i++)
		if (option_table[i].letter == found)
			return i;
	return -1;
}

/* getopt_long() takes beginnings of names; scripts that rely on one break when another option is added. */
static bool is_abbreviated(const char *word, int id)
{
	const char *name = option_table[id].name;
	size_t n = strlen(name);

	return strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, n) != 0 ||
		(word[2 + n] && word[2 + n] != '=');
}

static bool parse_json_mode(const char *word, enum json_mode *ret)
{
	static const char *const names[] = {
		[JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(word, names[i]) == 0) {
			*ret = (enum json_mode)i;
			return true;
		}
	say_error(NULL, "--json takes short, pretty or off, not \"%s\"", word);
	return false;
}

static bool set_scope(struct options *o, const char *scope)
{
	if (strcmp(o->scope, "all") != 0 && strcmp(o->scope, scope) != 0) {
		say_error(NULL, "--ros and --hrt exclude each other");
		return false;
	}
	o->scope = o->console = scope;
	return true;
}

static void add_group(struct options *o, const char *group)
{
	o->groups = memory_resize(o->groups, o->n_groups + 2, sizeof(*o->groups));
	o->groups[o->n_groups++] = group;
	o->groups[o->n_groups] = NULL;
}

static bool parse_timeout(const char *word, uint64_t *ret)
{
	if (duration_parse(word, ret) && *ret > 0)
		return true;
	say_error(NULL, "--timeout takes a time above zero such as 10, 10s, 500ms or 2min, not \"%s\"", word);
	return false;
}

static bool parse_lines(const char *word, uint64_t *ret)
{
	if (number_parse(word, ret))
		return true;
	say_error(NULL, "--lines takes a whole number, not \"%s\"", word);
	return false;
}

static bool parse_name(const char *word, const char **ret)
{
	*ret = word;
	if (spec_name_valid(word))
		return true;
	say_error(NULL, "--name takes 1 to %d letters, digits, '_', '-', '.', the first a letter or a digit, not \"%s\"",
		SPEC_NAME_MAX, word);
	return false;
}

static bool add_override(struct options *o, const char *word)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word) {
		say_error(NULL, "--set takes TAG=VALUE, not \"%s\"", word);
		return false;
	}
	o->overrides = memory_resize(o->overrides, o->n_overrides + 1, sizeof(*o->overrides));
	o->overrides[o->n_overrides++] = (struct definition_override){
		.tag = memory_bytes(word, (size_t)(equals - word)), .value = equals + 1};
	return true;
}

static bool parse_warning(const char *word, bool *ret_unknown_warns)
{
	*ret_unknown_warns = true;
	if (strcmp(word, "no-unknown") == 0)
		return true;
	say_error(NULL, "-W takes no-unknown, not \"%s\"", word);
	return false;
}

static bool option_apply(struct options *o, enum option_id id, const char *argument)
{
	o->given |= 1u << id;
	switch (id) {
	case OPTION_SYSTEM:
		o->bus = "system";
		return true;
	case OPTION_USER:
		o->bus = "user";
		return true;
	case OPTION_BUS:
		o->bus = argument;
		return true;
	case OPTION_HOST:
		o->host = argument;
		return true;
	case OPTION_QUIET:
		o->quiet = true;
		return true;
	case OPTION_JSON:
		return parse_json_mode(argument, &o->json);
	case OPTION_NO_LEGEND:
		o->no_legend = true;
		return true;
	case OPTION_TIMEOUT:
		return parse_timeout(argument, &o->timeout_usec);
	case OPTION_ROS:
		return set_scope(o, "ros");
	case OPTION_HRT:
		return set_scope(o, "hrt");
	case OPTION_GROUP:
		add_group(o, argument);
		return true;
	case OPTION_FOLLOW:
		o->follow = true;
		return true;
	case OPTION_LINES:
		return parse_lines(argument, &o->lines);
	case OPTION_RUNNING:
		o->running = true;
		return true;
	case OPTION_MONITOR:
		o->monitor = argument;
		return true;
	case OPTION_NAME:
		return parse_name(argument, &o->name);
	case OPTION_SET:
		return add_override(o, argument);
	case OPTION_WARN:
		return parse_warning(argument, &o->unknown_warns);
	case OPTION_RECORD:
		o->record = true;
		return true;
	case OPTION_APPEND:
		o->append = argument;
		return true;
	case OPTION_APPEND_ROS:
		o->append_ros = argument;
		return true;
	case OPTION_APPEND_HRT:
		o->append_hrt = argument;
		return true;
	case OPTION_FORCE:
		o->force = true;
		return true;
	case OPTION_READ_ONLY:
		o->read_only = true;
		return true;
	case OPTION_WAIT:
		o->wait = true;
		return true;
	case OPTION_HELP:
	case OPTION_VERSION:
	case N_OPTIONS:
		return true;
	}
	return true;
}

static bool say_unknown(char **argv)
{
	const char *word = argv[optind - 1];

	if (optopt > 0 && optopt < GETOPT_LONG_BASE)
		say_error(NULL, "there is no option -%c; \"hvmctl help\" lists them", optopt);
	else if (optopt >= GETOPT_LONG_BASE)
		say_error(NULL, "--%s takes no argument", option_table[optopt - GETOPT_LONG_BASE].name);
	else
		say_error(NULL, "there is no option %s; \"hvmctl help\" lists them", word);
	return false;
}

static bool say_argument_missing(void)
{
	const struct option_info *o = &option_table[option_of(optopt)];

	say_error(NULL, "--%s wants an argument: --%s=%s", o->name, o->name, o->argument);
	return false;
}

static bool options_next(char **argv, int found, struct options *o)
{
	const char *word;
	int id;

	if (found == '?')
		return say_unknown(argv);
	if (found == ':')
		return say_argument_missing();
	id = option_of(found);
	word = argv[optind - (optarg == argv[optind - 1] ? 2 : 1)];
	if (found >= GETOPT_LONG_BASE && is_abbreviated(word, id)) {
		say_error(NULL, "there is no option %s; write --%s in full", word, option_table[id].name);
		return false;
	}
	return option_apply(o, (enum option_id)id, optarg);
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct option longs[N_OPTIONS + 1];
	char shorts[2 * N_OPTIONS + 2];
	int found;

	*ret = (struct options){.bus = "system", .scope = "all", .console = "", .lines = UINT64_MAX, .monitor = MONITOR_PATH};
	make_getopt_tables(longs, shorts);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
		if (!options_next(argv, found, ret))
			return -1;
	return optind;
}

void options_fini(struct options *o)
{
	while (o->n_overrides > 0)
		free((char *)o->overrides[--o->n_overrides].tag);
	free(o->overrides);
	free(o->groups);
	*o = (struct options){};
}
