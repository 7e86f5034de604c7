/* bench.c - see bench.h */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

void bench_run(struct bench_row *rows, size_t n_rows, unsigned rounds)
{
	for (size_t i = 0; i < n_rows; i++)
		rows[i].run(rows[i].userdata);
	for (unsigned round = 0; round < rounds && round < BENCH_ROUNDS_MAX; round++)
		for (size_t i = 0; i < n_rows; i++)
			rows[i].usec[round] = rows[i].run(rows[i].userdata);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_quantile(const double *values, unsigned n, double part)
{
	double sorted[BENCH_ROUNDS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), compare);
	return sorted[(unsigned)(part * (n - 1) + 0.5)];
}

double bench_ratio(const struct bench_row *row, const struct bench_row *floor, unsigned rounds)
{
	double ratios[BENCH_ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++)
		ratios[i] = row->usec[i] / floor->usec[i];
	return bench_quantile(ratios, rounds, 0.5);
}

bool bench_is_steady(const struct bench_row *floor, unsigned rounds)
{
	return bench_quantile(floor->usec, rounds, 0.95) <= 2 * bench_quantile(floor->usec, rounds, 0.5);
}

void bench_print(const struct bench_row *rows, size_t n_rows, unsigned rounds)
{
	printf("  %-46s %12s %12s %8s\n", "", "median us", "p95 us", "ratio");
	for (size_t i = 0; i < n_rows; i++)
		printf("  %-46s %12.1f %12.1f %8.2f\n", rows[i].name, bench_quantile(rows[i].usec, rounds, 0.5),
			bench_quantile(rows[i].usec, rounds, 0.95), bench_ratio(&rows[i], &rows[0], rounds));
	fflush(stdout);
}

void bench_judge(const char *id, const char *what, double value, const char *unit, double goal, bool steady)
{
	const char *verdict = !steady ? "not judged: the floor wavers" : value <= goal ? "met" : "NOT met";

	printf("%s %s: %.2f%s, goal at most %.2f%s: %s\n", id, what, value, unit, goal, unit, verdict);
	fflush(stdout);
}

void bench_print_machine(void)
{
	double load = 0;
	struct utsname name;

	if (uname(&name) == 0 && getloadavg(&load, 1) == 1)
		printf("%s %s %s, %ld processors, load %.2f\n", name.sysname, name.release, name.machine,
			sysconf(_SC_NPROCESSORS_ONLN), load);
	fflush(stdout);
}
