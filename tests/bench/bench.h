/*
 * bench.h - what all benchmarks do alike
 *
 * A figure is the ratio between what we do and a floor: the same thing without us, measured in the same
 * run. The rows of a benchmark are run in turn, A B C A B C, so that a machine that gets slower meanwhile
 * does so for all of them. Nothing here fails because of a time: a figure is printed with its goal and whether it
 * meets it, and where the floor itself wavers nothing is judged at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define BENCH_ROUNDS_MAX 1000u

/* Does it once, and returns how long that took, in microseconds. */
typedef double (*bench_fn)(void *userdata);

struct bench_row {
	const char *name;
	bench_fn run;
	void *userdata;
	double usec[BENCH_ROUNDS_MAX]; /* filled by bench_run() */
};

/* Runs all rows `rounds` times in turn, after one round that does not count. */
void bench_run(struct bench_row *rows, size_t n_rows, unsigned rounds);

/* Of n values, which stay as they are. `part` is 0.5 for the median, 0.95 for p95. */
double bench_quantile(const double *values, unsigned n, double part);

/* Prints a table of the rows: median, p95, and the median of the ratios to the first row. */
void bench_print(const struct bench_row *rows, size_t n_rows, unsigned rounds);

/* The median of the ratios of one row to another, round by round. */
double bench_ratio(const struct bench_row *row, const struct bench_row *floor, unsigned rounds);

/* Whether the p95 of a floor is at most twice its median: only then it is one to judge by. */
bool bench_is_steady(const struct bench_row *floor, unsigned rounds);

/* Prints "P14 sentence: VALUE UNIT, goal at most GOAL: met", or "not met", or "not judged" when !steady. */
void bench_judge(const char *id, const char *what, double value, const char *unit, double goal, bool steady);

/* Prints which machine this is: kernel, processors, load. */
void bench_print_machine(void);
