#!/bin/sh
# first-session.sh - what `./bootstrap --run` shows is so, and nothing is left behind
set -eu
. "$top_srcdir/tests/tools/tap.sh"

if ! (: <>/dev/kvm) 2>/dev/null; then
	skip "the first session ends well" "/dev/kvm cannot be opened"
	finish
	exit
fi
if ! have dbus-daemon; then
	skip "the first session ends well" "dbus-daemon is not installed"
	finish
	exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"

session()
{
	TMPDIR=$work/tmp "$top_srcdir/examples/first-session.sh" "$top_builddir" >"$work/said" 2>&1 || cat "$work/said"
}

# said N PATTERN [STEP]: on N lines, of one step or of all
said()
{
	awk -v step="${3-}" '/^[0-9]+\. / { now = $1 + 0 } step == "" || now == step' "$work/said" >"$work/part"
	[ "$(grep -cE "$2" "$work/part")" -eq "$1" ] || cat "$work/said"
}

# All processes of the session, monitors too, have the temporary folder as their working directory.
left()
{
	ls -A "$work/tmp"
	find /proc/[0-9]*/cwd -maxdepth 0 -lname "$work/tmp/*" 2>/dev/null || :
}

check "the first session ends well" session
check "each HRT core says hello before the reset" said 2 '^   hrt core [01] .*hello$' 4
check "each HRT core finds all promises kept" said 2 '^   core [01]: [0-9]+ promises kept, 0 broken$' 4
check "the HRT has been reset once" said 1 'partition.hrt.resets +1$'
check "the ROS has not" said 1 'partition.ros.resets +0$'
check "it is inactive before the start and after the stop" said 2 '^   nautilus +inactive '
check "nothing is left behind" left
finish
