/*
 * override.h - values put into a definition from outside: TAG=VALUE [spec 1.1]
 */
#pragma once

#include <libxml/tree.h>

#include "spec/definition.h"

/* Replaces the texts within the tree at `root`. Adds an error for each override that cannot be made. */
void override_apply(xmlNode *root, const struct definition_override *overrides, size_t n,
	struct diagnostics *diagnostics);
