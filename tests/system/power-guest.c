/*
 * power-guest.c - defines VMs until the power goes, and tells what the power has left
 *
 * Runs in the machine that power-cuts kills, as its only program. What it does is drawn,
 * but from nothing except the number of the step: so that what the store has to hold after
 * so many steps is known without having been noted anywhere.
 *
 * Says, a line each with a full stop at its end: "holds N" when the store holds what N steps come to and
 * nothing else; "done N" when a step was acknowledged; "not ok" and why, and ends.
 *
 * usage: power-guest STATE-FOLDER TERMINAL N   (N: steps acknowledged; one more may have been under way)
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/macro.h"
#include "unit/state-dir.h"

#define IMAGE_MAX (64 * KiB)

struct model {
	struct {
		unsigned defined, image; /* in which step; 0: not defined */
		bool enabled;
	} vms[5];
};

static int terminal;

/* Out of here, or at least on its way, when it returns: the host reads what the line carries. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vdprintf(terminal, format, ap);
	va_end(ap);
	tcdrain(terminal);
}

static unsigned draw(unsigned n, unsigned what, unsigned below)
{
	unsigned x = n * 2654435761u + what * 40503u;

	x = (x ^ x >> 15) * 2246822519u;
	x = (x ^ x >> 13) * 3266489917u;
	return (x ^ x >> 16) % below;
}

/* A text for each number, up to some pages long. */
static const char *image_text(unsigned image)
{
	static char text[IMAGE_MAX];
	unsigned size = 16 + draw(image, 0, sizeof(text) - 16);

	memset(text, 'a' + image % 26, size);
	text[size - 1] = '\0';
	text[snprintf(text, size, "image %u", image)] = '.';
	return text;
}

static int define(struct registry *registry, const char *name, unsigned n, unsigned image, struct error *e)
{
	char cmdline[32];

	snprintf(cmdline, sizeof(cmdline), "step %u", n);
	return registry ? state_define(registry, name, cmdline, image ? image_text(image) : NULL, e) : 0;
}

static int undefine(struct registry *registry, const char *name, struct error *e)
{
	return registry ? registry_undefine(registry, registry_find(registry, name, e), e) : 0;
}

static int enable(struct registry *registry, const char *name, bool on, struct error *e)
{
	return registry ? registry_set_autostart(registry, registry_find(registry, name, e), on, e) : 0;
}

/* Step n, in the model, and where there is a registry, there. */
static int step(struct model *m, struct registry *registry, unsigned n, struct error *e)
{
	unsigned i = draw(n, 1, ARRAY_SIZE(m->vms)), what = draw(n, 2, 8);
	bool by_digest = m->vms[0].defined && what == 3; /* of what VM "a" has */
	char name[] = {'a' + i, '\0'};

	if (m->vms[i].defined && what < 2) {
		m->vms[i].defined = m->vms[i].enabled = 0;
		return undefine(registry, name, e);
	}
	if (m->vms[i].defined && what == 2) {
		m->vms[i].enabled = !m->vms[i].enabled;
		return enable(registry, name, m->vms[i].enabled, e);
	}
	m->vms[i].defined = n;
	if (by_digest)
		m->vms[i].image = m->vms[0].image;
	else
		m->vms[i].image = what == 4 ? 1 + draw(n, 3, 3) : n + 3; /* of three, or one nobody has */
	return define(registry, name, n, by_digest ? 0 : m->vms[i].image, e);
}

/* How a store that never saw a power cut reads after n steps. */
static void expect(unsigned n, char ret[STATE_TEXT_SIZE])
{
	char *dir = state_dir_new();
	struct registry *registry = state_open(dir, NULL);
	struct model m = {};
	int r = registry ? 0 : -1;

	for (unsigned i = 1; i <= n; i++)
		step(&m, NULL, i, NULL);
	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(m.vms); i++) {
		char name[] = {'a' + i, '\0'};

		if (m.vms[i].defined)
			r = define(registry, name, m.vms[i].defined, m.vms[i].image, NULL);
		if (r == 0 && m.vms[i].enabled)
			r = enable(registry, name, true, NULL);
	}
	state_close(registry);
	if (r < 0 || !state_restart(dir, ret))
		abort();
	state_dir_remove(dir);
	free(dir);
}

/* Whether the store holds what *n steps come to, or one more, which is then counted. */
static bool check(const char *dir, unsigned *n)
{
	char before[STATE_TEXT_SIZE], after[STATE_TEXT_SIZE], now[STATE_TEXT_SIZE];

	state_restart(dir, now);
	expect(*n, before);
	expect(*n + 1, after);
	if (strcmp(now, after) == 0)
		++*n;
	else if (strcmp(now, before) != 0) {
		say("not ok - after %u steps there should be\n%sor\n%sbut there is\n%s.\n", *n, before, after,
			now);
		return false;
	}
	say("holds %u.\n", *n);
	return true;
}

static int go_on(const char *dir, unsigned n)
{
	struct error e = {.text = "it cannot be opened"};
	struct registry *registry = state_open(dir, &e);
	struct model m = {};

	for (unsigned i = 1; i <= n; i++)
		step(&m, NULL, i, NULL);
	while (registry && step(&m, registry, ++n, &e) == 0)
		say("done %u.\n", n);
	say("not ok - step %u: %s.\n", n, e.text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	unsigned n;

	if (argc != 4 || (terminal = open(argv[2], O_WRONLY | O_NOCTTY | O_CLOEXEC)) < 0)
		return EXIT_FAILURE;
	n = strtoul(argv[3], NULL, 10);
	return check(argv[1], &n) ? go_on(argv[1], n) : EXIT_FAILURE;
}
