/* run.h - a command line from its first word to its exit status */
#pragma once

#include "client/status.h"

/* argv is permuted. Data goes to standard output, sentences to standard error. */
enum exit_status run(int argc, char **argv);
