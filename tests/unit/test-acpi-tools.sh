#!/bin/sh
# test-acpi-tools.sh - what acpica's own tools make of a guest's ACPI tables
set -u
. "$top_srcdir/tests/tools/tap.sh"

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# without_compiler FILE: its bytes but for the checksum and the name and version of whose compiler wrote it
without_compiler()
{
	{ head -c 9 "$1"; tail -c +11 "$1" | head -c 18; tail -c +37 "$1"; } | od -An -v -tx1
}

# round_trip TABLE: iasl takes it apart without complaint, and what it makes of that again is what it was
round_trip()
{
	(
		cd "$folder" || exit
		iasl -d "$1.dat" >"$1.log" 2>&1 || { echo "iasl -d fails:"; cat "$1.log"; }
		grep -iE 'error|warning|invalid|incorrect|\*\*\*\*' "$1.log" "$1.dsl"
		iasl -we -p "again-$1" "$1.dsl" >"$1.log" 2>&1 || { echo "iasl fails:"; cat "$1.log"; }
		[ "$(without_compiler "$1.dat")" = "$(without_compiler "again-$1.aml")" ] || echo "it comes back different"
	)
}

# evaluates OBJECT REGEX: acpica's interpreter finds it in the tables, with this in its value
evaluates()
{
	(cd "$folder" && acpiexec -b "evaluate $1" DSDT.dat FACP.dat) >"$work/said" 2>&1
	grep -iE 'error|warning|exception' "$work/said" | grep -vE '0 Errors|^Outstanding'
	grep -qE "$2" "$work/said" || { echo "nothing of what it says matches $2:"; cat "$work/said"; }
}

# resources DEVICE REGEX
resources()
{
	(cd "$folder" && acpiexec -b "resources $1" DSDT.dat FACP.dat) >"$work/said" 2>&1
	tr -s ' ' <"$work/said" | grep -qE "$2" || { echo "no line matches $2:"; cat "$work/said"; }
}

for machine in 1:0 2:0 64:4; do
	cores=${machine%:*} nodes=${machine#*:}
	folder=$work/$cores
	mkdir "$folder"
	check "the tables of $cores cores, $nodes nodes can be written" \
		"$top_builddir/tests/unit/acpi-dump" "$folder" "$cores" "$nodes"
	tables='DSDT FACP FACS APIC RSDT XSDT'
	[ "$nodes" -eq 0 ] || tables="$tables SRAT SLIT"
	for table in $tables; do
		case $table in FACS) continue ;; esac # has no checksum, and no compiler's name
		check "iasl agrees with $table of $cores cores, $nodes nodes" round_trip "$table"
	done
done
folder=$work/2
check "acpica evaluates _S5" evaluates '\_S5' 'Package.*Contains 4 Elements'
check "COM1 has its ports" resources '\_SB.COM1' 'Address Minimum : 03F8'
check "COM1 has its interrupt" resources '\_SB.COM1' 'Interrupt List : 4'
check "the PCI bus has its number" resources '\_SB.PCI0' 'Address Maximum : 0+$'
finish
