#!/bin/sh
# lint-units.sh - the units are sound, and expose little
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# With a program that is there.
for unit in hvmd hvm-registrar; do
	sed 's,^\(Exec[A-Z][a-z]*\)=[^ ]*,\1=/bin/true,; /^Documentation=/d' "daemon/units/$unit.service.in" >"$work/$unit.service"
done

# In tenths, as systemd counts: from 0 (nothing) to 100 (everything).
exposure()
{
	systemd-analyze security --no-pager --offline=true --threshold="$2" "$work/$1.service" >"$work/said" 2>&1 || cat "$work/said"
}

verified()
{
	systemd-analyze verify "$work/$1.service" 2>&1 || :
}

# Every file of polkit's, of D-Bus's and of systemd's names the same user.
users()
{
	grep -q '^User=hvmd$' daemon/units/hvmd.service.in || echo "the unit has another user"
	grep -q '^u hvmd ' daemon/units/hvmd.sysusers || echo "sysusers makes another user"
	grep -q '<policy user="hvmd">' daemon/units/org.hvmd1.conf || echo "D-Bus allows another user"
	[ "$(grep -c '>unix-user:hvmd<' daemon/units/org.hvmd1.policy)" -eq "$(grep -c '<action ' daemon/units/org.hvmd1.policy)" ] ||
		echo "an action of polkit's has another owner"
}

# Each action that hvmd asks about is one that polkit knows.
actions()
{
	sed -n 's/^#define [A-Z_]* *"\(org\.hvmd1\.[a-z-]*\)"$/\1/p' daemon/bus/policy.c | while read -r action; do
		grep -q "<action id=\"$action\">" daemon/units/org.hvmd1.policy || echo "polkit does not know $action"
	done
}

# Each message has its paragraph in the catalog, and there is no other.
catalog()
{
	sed -n 's/^#define MESSAGE_[A-Z_]* *"\([0-9a-f]*\)"$/\1/p' daemon/abi/messages.h | sort >"$work/said"
	sed -n 's/^-- \([0-9a-f]*\)$/\1/p' daemon/units/hvmd.catalog | sort | diff "$work/said" -
	grep -E '.{121}' daemon/units/hvmd.catalog || :
}

if have systemd-analyze; then
	check "the exposure of hvmd's unit is at most 1.5" exposure hvmd 15
	check "... and that of the registrar's" exposure hvm-registrar 15
	check "systemd-analyze has nothing to say about hvmd's unit" verified hvmd
	check "... nor about the registrar's" verified hvm-registrar
else
	skip "the units expose little, and are sound" "systemd-analyze is not installed"
fi
check "hvmd's user is the same everywhere" users
check "the catalog explains every message" catalog
check "polkit knows the actions that it is asked about" actions
finish
