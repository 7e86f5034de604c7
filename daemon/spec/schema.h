/*
 * schema.h - canonical definitions held against schemas/hvm.xsd
 *
 * The schema is part of the program; no file is read. It says once more, in a
 * language that other tools know, what the grammar and the rules say; a complaint
 * here about a definition that those took is a fault of ours, and a person should
 * still be told rather than the definition stored.
 */
#pragma once

#include <stddef.h>

struct diagnostics;

/* Adds an error for each complaint about `text`, a definition in its canonical form. */
void schema_check(const char *text, size_t size, struct diagnostics *diagnostics);
