#!/bin/sh
# test-definitions.sh - every definition of tests/data/ and examples/, read as hvmd reads it
#
# Beside NAME.xml stands NAME.expected: the diagnostics and, where none is an error, the canonical form.
set -u
cd "$top_srcdir" || exit 99
. tests/tools/tap.sh

read_definition=$top_builddir/tests/unit/read-definition
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

says_as_expected() # FILE.xml STATUS
{
	"$read_definition" "$1" >"$work/out" 2>&1
	[ $? -eq "$2" ] || echo "the exit status is not $2"
	diff "${1%.xml}.expected" "$work/out"
}

# The diagnostics begin with their line, the canonical form never with a digit.
canonical_of()
{
	"$read_definition" "$1" | sed '/^[0-9]*:[0-9]*:/d' >"$work/canonical.xml"
}

is_its_own_canonical_form()
{
	"$read_definition" "$work/canonical.xml" | cmp - "$work/canonical.xml"
}

fits_schema()
{
	xmllint --nonet --noout --schema schemas/hvm.xsd "$1" 2>"$work/complaints" || cat "$work/complaints"
}

says_nothing()
{
	"$read_definition" "$1" | grep '^[0-9]'
	:
}

for file in tests/data/bad/*.xml; do
	check "the faults of $file are told as expected" says_as_expected "$file" 1
done
for file in tests/data/good/*.xml; do
	check "$file is read and written as expected" says_as_expected "$file" 0
done
for file in examples/*.xml; do
	check "hvmd has nothing to say about $file" says_nothing "$file"
done
for file in tests/data/good/*.xml examples/*.xml; do
	canonical_of "$file"
	check "the canonical form of $file is its own" is_its_own_canonical_form
	if have xmllint; then
		check "the canonical form of $file fits hvm.xsd" fits_schema "$work/canonical.xml"
	else
		skip "the canonical form of $file fits hvm.xsd" "xmllint is not installed"
	fi
done
finish
