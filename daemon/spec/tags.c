/* tags.c - see tags.h */
#include "spec/tags.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "spec/xml.h"

struct name {
	const char *text; /* borrowed */
	size_t size;
};

struct scanner {
	char *at, *end;
	struct name open[XML_DEPTH_MAX]; /* elements that wait for their closing tag */
	size_t depth;
};

static bool begins_with(const struct scanner *s, const char *text)
{
	size_t size = strlen(text);

	return (size_t)(s->end - s->at) >= size && memcmp(s->at, text, size) == 0;
}

/* Goes behind the next `text`; false when there is none. */
static bool skip_past(struct scanner *s, const char *text)
{
	char *found = memmem(s->at, (size_t)(s->end - s->at), text, strlen(text));

	if (found)
		s->at = found + strlen(text);
	return found;
}

static struct name take_name(struct scanner *s)
{
	struct name name = {.text = s->at};

	while (s->at < s->end && !strchr(" \t\r\n/>", *s->at)) /* strchr() also finds a NUL: no name has one */
		s->at++;
	name.size = (size_t)(s->at - name.text);
	return name;
}

/* Goes behind the '>' of a start tag; a value in quotes may hold another. */
static bool skip_attributes(struct scanner *s, bool *ret_empty)
{
	for (; s->at < s->end; s->at++) {
		if (*s->at == '>') {
			*ret_empty = s->at[-1] == '/';
			s->at++;
			return true;
		}
		if (*s->at == '"' || *s->at == '\'') {
			s->at = memchr(s->at + 1, *s->at, (size_t)(s->end - s->at - 1));
			if (!s->at)
				return false;
		}
	}
	return false;
}

static bool take_start_tag(struct scanner *s)
{
	struct name name;
	bool empty;

	s->at++;
	name = take_name(s);
	if (!skip_attributes(s, &empty))
		return false;
	if (empty)
		return true;
	if (s->depth == XML_DEPTH_MAX)
		return false;
	s->open[s->depth++] = name;
	return true;
}

static bool take_end_tag(struct scanner *s)
{
	struct name open, name;
	char *at;

	s->at += strlen("</");
	at = s->at;
	name = take_name(s);
	if (s->depth == 0)
		return false;
	open = s->open[--s->depth];
	if (name.size != open.size || strncasecmp(name.text, open.text, name.size) != 0)
		return false;
	memcpy(at, open.text, open.size);
	return true;
}

/* From a '<' to behind what it begins. False when the rest is not worth looking at. */
static bool take_markup(struct scanner *s)
{
	if (begins_with(s, "<!--"))
		return skip_past(s, "-->");
	if (begins_with(s, "<![CDATA["))
		return skip_past(s, "]]>");
	if (begins_with(s, "<?"))
		return skip_past(s, "?>");
	if (begins_with(s, "<!"))
		return false; /* a document type is refused */
	return begins_with(s, "</") ? take_end_tag(s) : take_start_tag(s);
}

void tags_match_case(char *text, size_t size)
{
	struct scanner s = {.at = text, .end = text + size};

	do
		s.at = memchr(s.at, '<', (size_t)(s.end - s.at));
	while (s.at && take_markup(&s));
}
