#!/bin/sh
# test-bench.sh - the benchmarks run and print their figures. What the figures are is nobody's concern here.
set -u
. "$top_srcdir/tests/tools/tap.sh"

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# prints_figures PROGRAM GOAL...: in little, it ends well and has a line for each of these goals
prints_figures()
{
	program=$1
	shift
	"$top_builddir/tests/bench/$program" --quick >"$work/out" 2>&1 || { cat "$work/out"; return 1; }
	for goal; do
		grep -q "^$goal .*, goal at most .*: " "$work/out" || { cat "$work/out"; return 1; }
	done
}

if (: <>/dev/kvm) 2>/dev/null; then
	check "bench-start prints P3 to P5, P7, P8, P11 and P15" prints_figures bench-start P3 P4 P5 P7 P8 P11 P15 4
	check "bench-talk prints P18 and P19" prints_figures bench-talk P18 P19
	check "bench-many prints P20 and P21" prints_figures bench-many P20 P21
else
	skip "bench-many prints P20 and P21" "/dev/kvm cannot be opened"
	skip "bench-start prints P3 to P5, P7, P8, P11 and P15" "/dev/kvm cannot be opened"
	skip "bench-talk prints P18 and P19" "/dev/kvm cannot be opened"
fi
check "bench-store prints P12, P13 and P14" prints_figures bench-store P12 P13 P14
check "bench-survival prints P16 and P17" prints_figures bench-survival P16 P17
finish
