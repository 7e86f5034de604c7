#!/bin/sh
# test-system.sh - the story of tests/system/run, as automake's test; skips where it cannot be told
set -u
here=$top_srcdir/tests/system
. "$top_srcdir/tests/tools/tap.sh"

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

for program in qemu-system-x86_64 cpio; do
	have $program || skip_all "$program is not installed"
done
said=$("$here/build-image" 2>&1) || {
	printf '%s\n' "$said" | sed 's/^/# /'
	skip_all "there is no Debian to run it in: $(printf '%s\n' "$said" | tail -n 1)"
}
"$here/run" "$top_builddir" || exit 0 # what failed is said in TAP, or the plan is missing
