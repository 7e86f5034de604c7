#!/bin/sh
# first-session.sh - shows what hvmd is for, on a hybrid VM that comes with it
#
# usage: first-session.sh [BUILD-FOLDER]
#
# Everything happens in a temporary folder with a D-Bus of its own; nothing
# outside is touched and nothing stays behind. The steps are those of README.md.
set -eu

build=$(cd "${1:-build}" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/hvmd.XXXXXX")
bus=
daemon=
number=0
hrt_cores=2 # of examples/nautilus.xml

end()
{
	status=$?
	trap - EXIT
	[ "$status" -eq 0 ] || sed 's/^/hvmd said: /' "$work/hvmd.log" >&2 || :
	[ -z "$daemon" ] || timeout 10 "$build/hvmctl" -q terminate nautilus 2>/dev/null || : # it would outlive hvmd
	for pid in $daemon $bus; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	rm -rf "$work"
	exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step()
{
	number=$((number + 1))
	printf '\n%d. %s\n' $number "$*"
}

# As a person would have typed it, and what comes of it, without the lines that match $hide.
hide='^$'
hvmctl()
{
	printf '   $ hvmctl %s\n' "$*"
	timeout 60 "$build/hvmctl" "$@" >"$work/said" || { cat "$work/said"; exit 1; }
	grep -v "$hide" "$work/said" | sed 's/^/   /' || :
}

# wait_for WHAT COMMAND...: until the command succeeds, for half a minute
wait_for()
{
	what=$1
	shift
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "first-session: $what has not happened within 30 seconds" >&2
	exit 1
}

verdicts()
{
	[ "$(timeout 5 "$build/hvmctl" log nautilus | grep -c 'promises kept')" -ge "$1" ]
}

mkdir "$work/state" "$work/run" "$work/examples"
cp "$source/examples/nautilus.xml" "$work/examples"
cp -r "$build/examples/guests" "$work/examples"
cd "$work"
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$work/bus"
cat >bus.conf <<END
<busconfig>
  <listen>$DBUS_SYSTEM_BUS_ADDRESS</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
END

step "A private D-Bus, and hvmd on it. hvmd is the daemon that keeps and runs hybrid VMs."
dbus-daemon --config-file=bus.conf --nofork --nopidfile --print-address >bus.address 2>bus.log &
bus=$!
wait_for "the start of dbus-daemon" test -s bus.address
"$build/hvmd" --bus=system --state-dir="$work/state" --run-dir="$work/run" --monitor="$build/hvm-monitor" \
	>hvmd.log 2>&1 &
daemon=$!
wait_for "the start of hvmd" timeout 1 "$build/hvmctl" version
hvmctl version

step "A definition: 4 cores, 2 for a regular OS (ROS), 2 for a hybrid runtime (HRT). hvmd keeps it, and its image."
hvmctl define examples/nautilus.xml
hvmctl list

step "Start. All HRT cores enter the kernel at once, in 64-bit mode; no firmware, no boot loader."
hvmctl start nautilus
wait_for "the report of each HRT core" verdicts $hrt_cores

step "What the HRT printed. On each core it checks what hvmd promises to a kernel (the good verdicts are left out here)."
hide=': ok  '
hvmctl log nautilus
hide='^$'

step "Counters, read without stopping a core (those at zero are left out here)."
hide=' 0$'
hvmctl telemetry nautilus
hide='^$'

step "Reset the HRT alone: it boots again, while the regular OS would not notice."
hvmctl reset nautilus --hrt
wait_for "the second report of each HRT core" verdicts $((2 * hrt_cores))
hvmctl telemetry nautilus --group=partition

step "How it is now, with the end of its console."
hvmctl status nautilus

step "Stop."
hvmctl stop nautilus
hvmctl list

printf '\nThat is all: hvmd and its bus end now, and %s goes away.\n' "$work"
