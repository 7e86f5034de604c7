/* help.h - the help texts, made from the tables of verbs and options */
#pragma once

#include <stdio.h>

struct verb;

/* All verbs and the options of every verb. */
void help_print(FILE *out);

/* One verb: how it is called, what it does, its aliases and its own options. */
void help_print_verb(const struct verb *verb, FILE *out);
