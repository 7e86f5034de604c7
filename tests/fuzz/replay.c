/*
 * replay.c - runs a fuzz target over its corpus, and over the corpus with bytes changed
 *
 * The changes come from a fixed seed, so that each run is the same; it is no
 * search, only a cheap guard that `make check` can afford. Under the sanitizers
 * it is worth the most. Speaks TAP, and takes no arguments.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fuzz.h"

#define SIZE_MAX_INPUT  (1u << 20) /* bytes */
#define CHANGED_PER_FILE 400

static unsigned n_files;

/* xorshift32 (Marsaglia 2003) */
static uint32_t random_u32(void)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* A place near the beginning as often as anywhere: that is where headers are. */
static size_t random_place(size_t size)
{
	return random_u32() % (random_u32() % 2 && size > 256 ? 256 : size);
}

static void change(uint8_t *data, size_t size)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, '"', '<', '&'};
	size_t at = random_place(size);

	switch (random_u32() % 4) {
	case 0:
		data[at] = (uint8_t)random_u32();
		break;
	case 1:
		data[at] ^= (uint8_t)(1u << random_u32() % 8);
		break;
	case 2:
		data[at] = edges[random_u32() % sizeof(edges)];
		break;
	case 3: /* four bytes from elsewhere */
		if (size > 4)
			memmove(data + at % (size - 4), data + random_place(size - 4), 4);
		break;
	}
}

/* Exactly as long as the input, so that the sanitizer sees a read past its end. */
static void run_once(const uint8_t *data, size_t size, unsigned n_changes)
{
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	while (size && n_changes-- > 0)
		change(copy, size);
	LLVMFuzzerTestOneInput(copy, size);
}

static void run_file(const char *path)
{
	static uint8_t data[SIZE_MAX_INPUT];
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	size_t size;

	if (!file)
		return;
	size = fread(data, 1, sizeof(data), file);
	n_files++;
	run_once(data, size, 0);
	for (unsigned i = 0; size && i < CHANGED_PER_FILE; i++)
		run_once(data, i % 8 ? size : random_u32() % size, 1 + random_u32() % 4);
}

static void run_folder(const char *top, const char *folder)
{
	_cleanup_free_ char *path = NULL;
	struct dirent **entries = NULL;
	int n;

	if (!top || asprintf(&path, "%s/%s", top, folder) < 0)
		return;
	n = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *name = NULL;
		struct stat st;

		if (asprintf(&name, "%s/%s", path, entries[i]->d_name) > 0 && stat(name, &st) == 0 &&
			S_ISREG(st.st_mode))
			run_file(name);
		free(entries[i]);
	}
	free(entries);
}

int main(void)
{
	const char *source = getenv("top_srcdir"), *build = getenv("top_builddir");

	run_once((const uint8_t *)"", 0, 0);
	for (unsigned i = 0; fuzz_corpus[i]; i++) {
		run_folder(source, fuzz_corpus[i]);
		if (build && source && strcmp(build, source) != 0)
			run_folder(build, fuzz_corpus[i]);
	}
	printf("1..1\n%sok 1 - %u files, each as it is and changed in %u ways, break no promise\n",
		n_files ? "" : "not ", n_files, CHANGED_PER_FILE);
	return n_files == 0;
}
