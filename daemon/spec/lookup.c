/* lookup.c - what a name is in the grammar's table, or was meant to be; grammar.h has the contract */
#include "spec/grammar.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"

static size_t path_append(enum grammar_id id, char *ret)
{
	size_t at = grammar[id].parent == GRAMMAR_NONE ? 0 : path_append(grammar[id].parent, ret);
	size_t size = strlen(grammar[id].name);

	assert(at + 1 + size < GRAMMAR_PATH_MAX);
	ret[at] = '/';
	memcpy(ret + at + 1, grammar[id].name, size + 1);
	return at + 1 + size;
}

void grammar_path(enum grammar_id id, char ret[static GRAMMAR_PATH_MAX])
{
	path_append(id, ret);
}

bool grammar_is_group(enum grammar_id id)
{
	return grammar[id].kind == GRAMMAR_GROUP || grammar[id].kind == GRAMMAR_FOREIGN;
}

enum grammar_id grammar_child(enum grammar_id parent, const char *name)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++)
		if (grammar[id].parent == parent && !grammar[id].variant && strcasecmp(grammar[id].name, name) == 0)
			return id;
	return GRAMMAR_NONE;
}

enum grammar_id grammar_elsewhere(enum grammar_id parent, const char *name)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++)
		if (grammar[id].parent != parent && grammar[id].parent < N_GRAMMAR &&
			strcasecmp(grammar[id].name, name) == 0)
			return id;
	return GRAMMAR_NONE;
}

#define NAME_BYTES_MAX 32 /* longer than any name of ours; nothing longer is near one */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A' + 'a') : (unsigned char)c;
}

/*
 * How many letters must be put in, taken out, replaced, or swapped with their
 * neighbour to make one of the other, without case. d[i][j] is the answer for the
 * first i letters of a and the first j of b.
 */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[NAME_BYTES_MAX + 1][NAME_BYTES_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	assert(n <= NAME_BYTES_MAX && m <= NAME_BYTES_MAX);
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = d[i - 1][j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
			d[i][j] = least(d[i][j], least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

/* How far away a name of ours is too far: two strokes mend it, one where it has no more than four letters. */
static unsigned too_far(const char *name)
{
	size_t size = strnlen(name, NAME_BYTES_MAX + 1);

	return size > NAME_BYTES_MAX ? 0 : size <= 4 ? 2 : 3;
}

enum grammar_id grammar_suggest(enum grammar_id parent, const char *name)
{
	enum grammar_id found = GRAMMAR_NONE;
	unsigned best = too_far(name);

	for (enum grammar_id id = 0; best > 0 && id < N_GRAMMAR; id++)
		if (grammar[id].parent == parent && distance(name, grammar[id].name) < best) {
			best = distance(name, grammar[id].name);
			found = id;
		}
	return found;
}

const struct grammar_word *grammar_word(enum grammar_id of, const char *text)
{
	for (size_t i = 0; i < n_grammar_words; i++)
		if (grammar_words[i].of == of && strcasecmp(grammar_words[i].text, text) == 0)
			return &grammar_words[i];
	return NULL;
}

const struct grammar_word *grammar_suggest_word(enum grammar_id of, const char *text)
{
	const struct grammar_word *found = NULL;
	unsigned best = too_far(text);

	for (size_t i = 0; best > 0 && i < n_grammar_words; i++)
		if (grammar_words[i].of == of && distance(text, grammar_words[i].text) < best) {
			best = distance(text, grammar_words[i].text);
			found = &grammar_words[i];
		}
	return found;
}

static bool is_honoured(const struct grammar_word *word)
{
	return !word->ignored && !word->refused;
}

const char *grammar_word_text(enum grammar_id of, unsigned value)
{
	for (size_t i = 0; i < n_grammar_words; i++)
		if (grammar_words[i].of == of && grammar_words[i].value == value && is_honoured(&grammar_words[i]))
			return grammar_words[i].text;
	assert(false);
	return "";
}

bool grammar_list_words(enum grammar_id of, char ret[static GRAMMAR_LIST_MAX])
{
	const char *words[16];
	size_t n = 0, used = 0;

	for (size_t i = 0; i < n_grammar_words; i++) {
		if (grammar_words[i].of != of)
			continue;
		if (!is_honoured(&grammar_words[i]))
			return false;
		assert(n < ARRAY_SIZE(words));
		words[n++] = grammar_words[i].text;
	}
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(ret + used, GRAMMAR_LIST_MAX - used, "%s%s",
			i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
	assert(used < GRAMMAR_LIST_MAX);
	return n > 0;
}
