#!/bin/sh
# first-session.sh - shows what hvmd is for, on a hybrid VM that comes with it
#
# usage: first-session.sh [BUILD-FOLDER]
#
# Everything happens in a temporary folder with a D-Bus of its own; nothing
# outside is touched, and nothing stays behind. The steps are those of README.md.
set -eu

build=$(cd "${1:-build}" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/hvmd.XXXXXX")
bus=
daemon=
number=0
trap 'end $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

end()
{
	trap - EXIT
	for pid in $daemon $bus; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	[ "$1" -eq 0 ] || sed 's/^/hvmd: /' "$work/hvmd.log" >&2 || :
	rm -rf "$work"
	exit "$1"
}

step()
{
	number=$((number + 1))
	printf '\n%d. %s\n' $number "$*"
}

# Runs hvmctl, showing what a person would have typed.
hvmctl()
{
	printf '   $ hvmctl %s\n' "$*"
	"$build/hvmctl" "$@" >"$work/said" || { cat "$work/said"; return 1; }
	sed 's/^/   /' "$work/said"
}

# Until COMMAND succeeds, at most ten seconds
wait_for()
{
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "first-session: this did not become true within ten seconds: $*" >&2
	return 1
}

# A person reads along; a pipe does not need to wait.
cd "$work"
mkdir state run
cp -r "$OLDPWD/examples" .
cp -r "$build/examples/guests" examples
