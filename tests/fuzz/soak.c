/*
 * soak.c - runs a fuzz target in one process for very long: a search without sanitizers and without feedback
 *
 *	soak-TARGET [--runs=N] [--seed=N] [--first=N]
 *
 * What it lacks in wit (tests/fuzz/measure has that) it makes up for by numbers. Run k of a seed is always the same:
 * a piece of a corpus file with bytes changed, or bytes that are drawn. The first finding, a fault or a
 * run that takes longer than HANG_SEC, ends it and says which run that was, and that run's input is kept.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macro.h"
#include "fuzz.h"

#define INPUT_MAX  1024u /* bytes */
#define FILES_MAX  64u
#define HANG_SEC   5
#define REPORT_SEC 60

static struct file {
	uint8_t *data;
	size_t size;
} files[FILES_MAX];
static size_t n_files;

static uint64_t seed = 1, first, runs = 1000000, run;
static uint8_t input[INPUT_MAX];
static size_t input_size;
static char found[64];

/* --- What happens in a run, from its number alone ------------------------------------------------------------- */

static uint64_t state;

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t drawn(void)
{
	uint64_t z = state += 0x9E3779B97F4A7C15u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static void draw_bytes(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = drawn();

		memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
	}
}

static void change_bytes(void)
{
	for (uint64_t n = drawn() % 16; n > 0; n--)
		input[drawn() % input_size] = (uint8_t)drawn();
}

static void make_input(void)
{
	const struct file *file = &files[n_files ? drawn() % n_files : 0];

	input_size = 1 + drawn() % INPUT_MAX;
	if (drawn() % 2 || file->size <= input_size) {
		draw_bytes(input, input_size);
		return;
	}
	memcpy(input, file->data + drawn() % (file->size - input_size), input_size);
	change_bytes();
}

/* --- Findings --------------------------------------------------------------------------------------------------- */

static void say_where(int number)
{
	char text[256];
	int fd = open(found, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int n = snprintf(text, sizeof(text), "FOUND by run %llu of seed %llu: signal %d (%s); its input is in %s\n",
		(unsigned long long)run, (unsigned long long)seed, number, number == SIGALRM ? "it hangs" : sigdescr_np(number), found);

	if (fd < 0 || write(fd, input, input_size) < 0 || write(STDOUT_FILENO, text, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

static void catch_faults(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGALRM};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		signal(faults[i], say_where);
}

/* --- All runs ----------------------------------------------------------------------------------------------------- */

static void report(uint64_t begin)
{
	uint64_t n = run - first, usec = clock_usec() - begin;

	printf("%llu runs of seed %llu, %.0f a second, nothing found\n", (unsigned long long)n, (unsigned long long)seed,
		(double)n * 1e6 / (double)(usec ? usec : 1));
	fflush(stdout);
}

static void soak(void)
{
	uint64_t begin = clock_usec(), reported = begin;

	for (run = first; run < first + runs; run++) {
		state = seed * 0xD1342543DE82EF95u + run * 0x2545F4914F6CDD1Du;
		make_input();
		LLVMFuzzerTestOneInput(input, input_size);
		if (run % 4096)
			continue;
		alarm(HANG_SEC);
		if (clock_usec() - reported > REPORT_SEC * 1000000ull) {
			reported = clock_usec();
			report(begin);
		}
	}
	alarm(0);
	report(begin);
}

static void load_file(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0 || n_files == FILES_MAX)
		return;
	files[n_files].data = malloc((size_t)st.st_size);
	if (files[n_files].data)
		files[n_files].size = fread(files[n_files].data, 1, (size_t)st.st_size, file);
	n_files += files[n_files].size > 0;
}

/* In an order that is the same everywhere. */
static void load_corpus(void)
{
	const char *top = getenv("top_srcdir");

	for (size_t i = 0; top && fuzz_corpus[i]; i++) {
		_cleanup_free_ char *folder = NULL;
		struct dirent **entries = NULL;
		int n = asprintf(&folder, "%s/%s", top, fuzz_corpus[i]) < 0 ? -1 : scandir(folder, &entries, NULL, alphasort);

		for (int k = 0; k < n; k++) {
			_cleanup_free_ char *path = NULL;

			if (asprintf(&path, "%s/%s", folder, entries[k]->d_name) > 0)
				load_file(path);
			free(entries[k]);
		}
		free(entries);
	}
}

static bool option(const char *argument, const char *name, uint64_t *ret)
{
	size_t n = strlen(name);

	if (strncmp(argument, name, n) != 0)
		return false;
	*ret = strtoull(argument + n, NULL, 0);
	return true;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!option(argv[i], "--runs=", &runs) && !option(argv[i], "--seed=", &seed) && !option(argv[i], "--first=", &first)) {
			fprintf(stderr, "usage: %s [--runs=N] [--seed=N] [--first=N]\n", argv[0]);
			return 2;
		}
	snprintf(found, sizeof(found), "found-%llu", (unsigned long long)seed);
	load_corpus();
	catch_faults();
	soak();
	return 0;
}
