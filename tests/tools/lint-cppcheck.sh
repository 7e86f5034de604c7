#!/bin/sh
# lint-cppcheck.sh - cppcheck has nothing to say about our C
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

look()
{
	cppcheck --quiet --enable=warning,performance,portability --inline-suppr --std=c11 --library=posix \
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
