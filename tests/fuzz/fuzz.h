/*
 * fuzz.h - what a fuzz target is
 *
 * One parser, bytes that somebody hostile wrote, and what must hold whatever
 * they are. replay.c runs a target over its corpus in `make check`; the same
 * source linked with clang's -fsanitize=fuzzer instead searches for new bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Folders with files to begin from, below the source or the build folder; NULL ends them. */
extern const char *const fuzz_corpus[];

/* Runs the parser once. Returns 0; aborts where a promise does not hold. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
