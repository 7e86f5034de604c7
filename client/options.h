/*
 * options.h - every option of hvmctl, in one table
 *
 * Parsing, the help texts and the check of the man page and the completion are
 * made from it. Options stand before or behind the verb.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/json.h"

struct definition_override;

enum option_id {
	/* of every verb */
	OPTION_SYSTEM,
	OPTION_USER,
	OPTION_BUS,
	OPTION_HOST,
	OPTION_QUIET,
	OPTION_JSON,
	OPTION_NO_LEGEND,
	OPTION_HELP,
	OPTION_VERSION,
	/* of the verbs that name them */
	OPTION_TIMEOUT,
	OPTION_ROS,
	OPTION_HRT,
	OPTION_GROUP,
	OPTION_FOLLOW,
	OPTION_LINES,
	OPTION_RUNNING,
	OPTION_MONITOR,
	OPTION_NAME,
	OPTION_SET,
	OPTION_WARN,
	OPTION_RECORD,
	OPTION_APPEND,
	OPTION_APPEND_ROS,
	OPTION_APPEND_HRT,
	OPTION_FORCE,
	OPTION_READ_ONLY,
	OPTION_WAIT,
	N_OPTIONS,
};

#define OPTION_BIT(id) (1u << OPTION_##id)
#define OPTIONS_COMMON (OPTION_BIT(TIMEOUT) - 1)

struct option_info {
	const char *name;
	char letter;          /* 0: none */
	const char *argument; /* NULL: takes none */
	const char *help;     /* one line */
};

extern const struct option_info option_table[N_OPTIONS];

struct options {
	uint32_t given;   /* OPTION_BIT()s */
	const char *bus;  /* "system", "user" or an address */
	const char *host; /* NULL: this one */
	bool quiet, no_legend, follow, running, record, force, read_only, wait;
	enum json_mode json;
	uint64_t timeout_usec; /* 0: hvmd's own */
	const char *scope;     /* of a reset: "all", "ros" or "hrt" */
	const char *console;   /* "ros" or "hrt"; "": the first that the VM has */
	const char **groups;   /* owned; NULL-terminated, or NULL */
	size_t n_groups;
	uint64_t lines; /* UINT64_MAX: all */
	const char *monitor; /* path of the program that looks at images */
	const char *name; /* of the VM to define; NULL: as its file says */
	struct definition_override *overrides; /* owned, and with it each tag */
	size_t n_overrides;
	const char *append, *append_ros, *append_hrt; /* to command lines; NULL: nothing */
	bool unknown_warns; /* names that hvmd does not know are warnings */
};

/*
 * Reads the options of a command line and moves them in front of what else is
 * there. Returns the index of the first word that is no option; -1 when it has
 * said on standard error what is wrong. What *ret then holds wants
 * options_fini() either way.
 */
int options_parse(int argc, char **argv, struct options *ret);

void options_fini(struct options *o);
