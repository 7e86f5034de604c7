/* help.h - the help texts, made from the tables of verbs and options */
#pragma once

#include <stdio.h>

struct verb;

/* All verbs and the options of every verb. */
void help_print(FILE *out);

/* Says on standard error that there is no such verb, and which one may have been meant. */
void help_no_verb(const char *word);

/* One verb: how it is called, what it does, its aliases and its own options. */
void help_print_verb(const struct verb *verb, FILE *out);
