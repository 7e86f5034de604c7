/* SPDX-License-Identifier: MIT */
/* promises.c - one verdict line for each promise, and the count of them */
#include "console.h"
#include "guest.h"

void promise(struct core *core, const char *what, bool kept)
{
	if (kept)
		core->kept++;
	else
		core->broken++;
	say(core, "%s %s", kept ? "ok  " : "FAIL", what);
}

void promise_equal(struct core *core, const char *what, uint64_t found, uint64_t promised)
{
	if (found == promised) {
		promise(core, what, true);
		return;
	}
	core->broken++;
	say(core, "FAIL %s: found 0x%lx, promised 0x%lx", what, found, promised);
}
