/* fuzz-definition.c - a text is refused with a reason, or its canonical form is stable */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fuzz.h"
#include "spec/definition.h"

const char *const fuzz_corpus[] = {"examples", "tests/data/bad", "tests/data/good", NULL};

/* The canonical form of a text, or NULL where that is refused. */
static char *canonical(const char *text, size_t size)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	struct diagnostics diagnostics = {};
	struct error e = {};
	int r = definition_parse(text, size, NULL, &diagnostics, &spec);

	if ((r == 0) != (diagnostics.n_errors == 0))
		abort(); /* a refusal without a reason, or the reverse */
	if (r == 0 && spec_check(spec, &e) < 0)
		abort();
	diagnostics_fini(&diagnostics);
	return r == 0 ? definition_format(spec) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *once = canonical((const char *)data, size), *twice = NULL;

	if (!once)
		return 0;
	twice = canonical(once, strlen(once));
	if (!twice || strcmp(once, twice) != 0)
		abort();
	return 0;
}
