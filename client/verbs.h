/*
 * verbs.h - what hvmctl can do: one table
 *
 * Parsing, "hvmctl help", "hvmctl VERB --help", and the tests of the man page
 * and the bash completion are made from it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/bus.h"

enum verb_group {
	GROUP_DEFINITIONS,
	GROUP_RUN_TIME,
	GROUP_CONSOLE,
	GROUP_OBSERVE,
	GROUP_DAEMON,
	N_VERB_GROUPS,
};

#define VERB_ALIASES_MAX   2
#define VERB_ARGUMENTS_ANY SIZE_MAX

/* arguments: the words behind the verb, NULL-terminated */
typedef enum exit_status (*verb_fn)(struct client *c, char **arguments);

struct verb {
	const char *name;
	const char *aliases[VERB_ALIASES_MAX];
	enum verb_group group;
	const char *arguments; /* as help shows them; "" for none */
	size_t min_arguments, max_arguments;
	uint32_t options;    /* OPTION_BIT()s besides OPTIONS_COMMON */
	const char *summary; /* one line, no full stop */
	const char *help;    /* sentences, lines at most 76 columns */
	verb_fn run;
};

extern const struct verb verb_table[];
extern const size_t n_verbs;
extern const char *const verb_group_names[N_VERB_GROUPS];

/* The verb of this name or alias; NULL when there is none. */
const struct verb *verb_find(const char *word);

/* The verb that may have been meant; NULL when none is like it. */
const struct verb *verb_like(const char *word);

/* The functions of the table. define.c */
enum exit_status verb_define(struct client *c, char **files);
enum exit_status verb_undefine(struct client *c, char **names);
enum exit_status verb_cat(struct client *c, char **names);
enum exit_status verb_validate(struct client *c, char **files);
/* keep.c */
enum exit_status verb_enable(struct client *c, char **names);
enum exit_status verb_disable(struct client *c, char **names);
enum exit_status verb_verify(struct client *c, char **names);
enum exit_status verb_reload(struct client *c, char **none);
enum exit_status verb_log_level(struct client *c, char **level);
/* list.c */
enum exit_status verb_list(struct client *c, char **patterns);
enum exit_status verb_status(struct client *c, char **names);
/* life.c */
enum exit_status verb_start(struct client *c, char **names);
enum exit_status verb_stop(struct client *c, char **names);
enum exit_status verb_terminate(struct client *c, char **names);
enum exit_status verb_reset(struct client *c, char **names);
enum exit_status verb_load(struct client *c, char **words);
/* console.c */
enum exit_status verb_log(struct client *c, char **names);
enum exit_status verb_console(struct client *c, char **names);
/* observe.c */
enum exit_status verb_telemetry(struct client *c, char **names);
enum exit_status verb_capabilities(struct client *c, char **none);
enum exit_status verb_version(struct client *c, char **none);
/* plan.c */
enum exit_status verb_plan(struct client *c, char **files_or_names);
enum exit_status verb_digest(struct client *c, char **words);
enum exit_status verb_memmap(struct client *c, char **names);
/* help.c */
enum exit_status verb_help(struct client *c, char **verbs);
