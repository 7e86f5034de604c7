#!/bin/sh
# lint-cppcheck.sh - cppcheck has nothing to say about our C
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

# Not asked for: leaks (it does not know __attribute__((cleanup)); the sanitizers find them), variables without
# a value (it takes an array that a function fills for read; gcc's own warning does not), readdir (readdir_r is
# deprecated), and the -1 that mmap() takes for anonymous memory.
look()
{
	cppcheck --quiet --enable=warning,performance,portability --inline-suppr --std=c11 --library=posix \
		--suppress=memleak --suppress=resourceLeak --suppress=uninitvar --suppress=readdirCalled \
		--suppress=invalidFunctionArg -DSD_BUS_PARAM\(x\)= \
		--template='{file}:{line}: {id}: {message}' -Idaemon -Ischemas -D__x86_64__ "$1"
}

for folder in daemon/*/ client/; do
	[ -n "$(find "$folder" -maxdepth 1 -name '*.c')" ] || continue
	if have cppcheck; then
		check "${folder%/} passes cppcheck" look "$folder"
	else
		skip "${folder%/} passes cppcheck" "cppcheck is not installed"
	fi
done
finish
