#!/bin/sh
# lint-sources.sh - what holds for every source file, whatever is in it
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

sources=$(find daemon client schemas examples tests -name '*.[chS]' | sort)
scripts=$(find bootstrap .ci tests examples -type f -exec grep -lE '^#!.*(sh|awk|python3)' {} + | sort)

# A file begins by saying what it is: a comment that names it, after "#!" or the licence if there is one.
headless()
{
	for file in $sources $scripts tests/tools/tap.sh tests/tools/layers.txt; do
		sed -n 1,4p "$file" | grep -qF "${file##*/} - " || echo "$file:1: no head comment \"${file##*/} - what it is\""
	done
}

# Whoever copies a guest or the ABI header takes the MIT licence with it; all else is under COPYING.
mislabelled()
{
	for file in $sources; do
		case $file in schemas/* | examples/guests/* | examples/ros/*) licence=MIT ;; *) licence= ;; esac
		[ "$(sed -n 's/.*SPDX-License-Identifier: \([^ ]*\).*/\1/p' "$file")" = "$licence" ] ||
			echo "$file:1: the licence line must be \"${licence:-none}\""
	done
}

unclean()
{
	grep -nE '[[:blank:]]+$' $sources $scripts || :
	grep -nE '\b(TODO|FIXME|XXX)\b' $sources || :
}

lost()
{
	tests/tools/tour . | sed -n 's/^\([0-9]*\)\. .*/two stops of the tour have the number \1/p' | uniq -d
}

untested()
{
	sed -n 's/^\(L[0-9]*\) .*/\1/p' tests/data/loader-bugs.txt | while read -r bug; do
		grep -rqE "^Test\\([a-z_]+, [a-z0-9_]+_${bug}[,)]" tests/unit tests/kvm || echo "no test is named ..._$bug"
	done
}

check "every source begins by saying what it is" headless
check "what others copy is marked MIT and nothing else is" mislabelled
check "no source has blanks at a line's end or promises something for later" unclean
check "each bug in loader-bugs.txt has a test" untested
check "each stop of the tour has a number of its own" lost
finish
