/*
 * tags.h - closing tags spelled as their opening ones
 *
 * In the Palacios dialect </memory> closes <Memory> [spec 1.2]; in XML it does
 * not. This changes the case of letters in closing tags, and nothing else: every
 * byte keeps its place. What is no XML stays none, and the parser says so.
 */
#pragma once

#include <stddef.h>

void tags_match_case(char *text, size_t size);
