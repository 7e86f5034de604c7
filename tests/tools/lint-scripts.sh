#!/bin/sh
# lint-scripts.sh - the shell scripts parse, and shellcheck has nothing to say
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

scripts=$(find bootstrap .ci tests examples -type f -exec grep -lE '^#!.*\bsh$' {} + | sort)

# Not asked for: SC1090 SC1091 (sourced files are checked by themselves), SC2046 SC2086 (lists are split on
# purpose), SC2016 (quoted $ that awk or sed reads), SC2154 (top_srcdir and top_builddir come from make),
# SC2034 SC2317 (functions that check() calls by name), SC3043 (every sh we run on has local).
quiet=SC1090,SC1091,SC2016,SC2034,SC2046,SC2086,SC2154,SC2317,SC3043

for script in $scripts; do
	check "$script parses" sh -n "$script"
	if have shellcheck; then
		check "$script passes shellcheck" shellcheck -s sh -f gcc -e "$quiet" "$script"
	else
		skip "$script passes shellcheck" "shellcheck is not installed"
	fi
done
finish
