/* support.c - see support.h. One row for each thing that is not built; whoever builds it takes its row out */
#include "spec/support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/macro.h"
#include "spec/grammar.h"
#include "spec/spec.h"
#include "spec/value.h"

#define ASKED_MAX 160 /* bytes, with the NUL */

/* Whether it is asked for; then also in which words: `hrt upcall="pf"`. */
typedef bool (*asks_fn)(const struct vm_spec *spec, char ret[static ASKED_MAX]);

static bool asks_for_text(const char *group, const char *name, const char *value, char ret[static ASKED_MAX])
{
	snprintf(ret, ASKED_MAX, "%s %s=\"%s\"", group, name, value_quote(value).text);
	return true;
}

static bool asks_for_hugepages(const struct vm_spec *spec, char ret[static ASKED_MAX])
{
	return spec->hugepages && asks_for_text("memory", "hugepages", "y", ret);
}

static const struct {
	asks_fn asks;
	const char *works; /* instead, today */
} limits[] = {
	{asks_for_hugepages, "hugepages=\"n\" works"},
};

int spec_check_supported(const struct vm_spec *spec, struct error *e)
{
	char asked[ASKED_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i].asks(spec, asked))
			return error_set(e, -EOPNOTSUPP, "VM %s: %s is not built yet; %s", spec->name, asked, limits[i].works);
	return 0;
}
