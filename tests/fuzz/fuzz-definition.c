/* fuzz-definition.c - a text is refused with a reason, or its canonical form is stable */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fuzz.h"
#include "spec/definition.h"

const char *const fuzz_corpus[] = {"examples", "tests/data/bad", "tests/data/good", NULL};

/* A file of an image container needs no name; hvmctl gives it one. */
static void name_files(struct vm_spec *spec)
{
	for (size_t i = 0; i < spec->n_files; i++)
		if (!spec->files[i].filename && !spec->files[i].stored)
			spec->files[i].filename = strdup("packed");
}

/* The canonical form of a text, or NULL where that is refused. */
static char *canonical(const char *text, size_t size, const struct definition_options *options)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	struct diagnostics diagnostics = {};
	struct error e = {};
	int r = definition_parse(text, size, options, &diagnostics, &spec);

	if ((r == 0) != (diagnostics.n_errors == 0))
		abort(); /* a refusal without a reason, or the reverse */
	if (r == 0 && spec_check(spec, &e) < 0)
		abort();
	diagnostics_fini(&diagnostics);
	if (r == 0)
		name_files(spec);
	return r == 0 ? definition_format(spec) : NULL;
}

/* What is taken is written so that it is taken without any option, and written alike. */
static void check_round_trip(const char *text, size_t size, const struct definition_options *options)
{
	_cleanup_free_ char *once = canonical(text, size, options), *twice = NULL;

	if (!once)
		return;
	twice = canonical(once, strlen(once), NULL);
	if (!twice || strcmp(once, twice) != 0)
		abort();
}

/* The schema never has more to say than the parser: hvmd reads its own store without it. */
static void check_schema_agrees(const char *text, size_t size)
{
	static const struct definition_options stored = {.stored = true};
	_cleanup_free_ char *with = canonical(text, size, NULL), *without = canonical(text, size, &stored);

	if (!with != !without)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct definition_override override = {"mem", "64 & <more>"};
	static const struct definition_options lenient = {.unknown_warns = true, .fallback_name = "lent"};
	static const struct definition_options packed = {.packed = true, .name = "a", .overrides = &override, .n_overrides = 1};

	check_round_trip((const char *)data, size, NULL);
	check_round_trip((const char *)data, size, &lenient);
	check_round_trip((const char *)data, size, &packed);
	check_schema_agrees((const char *)data, size);
	return 0;
}
