/* fate.c - see fate.h */
#include "spec/fate.h"

#include "base/cleanup.h"
#include "spec/field.h"
#include "spec/value.h"

static void tell(struct origin origin, const char *what, const char *ignored, const char *refused,
	struct diagnostics *d)
{
	const char *why = refused ? refused : ignored;

	if (why[0]) /* otherwise the group says it */
		origin_fault(origin, d, refused ? SEVERITY_ERROR : SEVERITY_NOTICE, "%s is %s: %s", what,
			refused ? "refused" : "ignored", why);
}

bool fate_of_group(enum grammar_id id, struct origin origin, struct diagnostics *d)
{
	const struct grammar_rule *rule = &grammar[id];

	if (!rule->ignored && !rule->refused)
		return false;
	tell(origin, rule->name, rule->ignored, rule->refused, d);
	return true;
}

#define WHAT_MAX (GRAMMAR_PATH_MAX + VALUE_QUOTE_MAX)

static void name_word(enum grammar_id id, const char *text, char ret[static WHAT_MAX])
{
	snprintf(ret, WHAT_MAX, "%s: \"%s\"", grammar[id].name, value_quote(text).text);
}

bool fate_of_word(const struct grammar_word *word, struct origin origin, struct diagnostics *d)
{
	char what[WHAT_MAX];

	if (!word->ignored && !word->refused)
		return false;
	name_word(word->of, word->text, what);
	tell(origin, what, word->ignored, word->refused, d);
	return true;
}

/* Words out of Palacios' registries are names; a word of ours that is not known is always an error. */
static enum severity severity_of_unknown(enum grammar_id id, const struct diagnostics *d)
{
	return grammar[id].kind == GRAMMAR_VERDICT || id == GRAMMAR_DEVICE_CLASS ? d->unknown : SEVERITY_ERROR;
}

void fate_of_unknown_word(enum grammar_id id, const char *text, struct origin origin, struct diagnostics *d)
{
	const struct grammar_word *near = grammar_suggest_word(id, text);
	enum severity severity = severity_of_unknown(id, d);
	char what[WHAT_MAX], list[GRAMMAR_LIST_MAX];

	name_word(id, text, what);
	if (near)
		origin_fault(origin, d, severity, "%s is unknown; did you mean \"%s\"?", what, near->text);
	else if (grammar_list_words(id, list))
		origin_fault(origin, d, severity, "%s is unknown; write %s", what, list);
	else
		origin_fault(origin, d, severity, "%s is unknown; take it out (hvm.xml(5) lists what hvmd knows)", what);
}

static void judge(const struct element *element, enum grammar_id id, struct diagnostics *d)
{
	_cleanup_free_ char *text = element_text(element, id);
	const struct grammar_rule *rule = &grammar[id];
	struct origin origin = element_origin(element, id);
	const struct grammar_word *word;
	char what[WHAT_MAX];

	if (!text) {
		d->out_of_memory = true;
		return;
	}
	word = grammar_word(id, text);
	if (word) {
		fate_of_word(word, origin, d);
	} else if (rule->ignored || rule->refused) {
		name_word(id, text, what);
		tell(origin, text[0] ? what : rule->name, rule->ignored, rule->refused, d);
	} else {
		fate_of_unknown_word(id, text, origin, d);
	}
}

void fate_of_values(const struct element *element, struct diagnostics *d)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++) {
		if (grammar[id].parent != element->id || grammar[id].kind != GRAMMAR_VERDICT)
			continue;
		if (element->places[id].n == 1)
			judge(element, id, d);
		else if (element->places[id].n == 0 && grammar[id].required)
			field_missing(element, id, d);
	}
}
