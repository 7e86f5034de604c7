#!/bin/sh
# test-digest.sh - the launch digest: recomputed independently, the same everywhere, another for each other start
set -u
cd "$top_srcdir" || exit 99
. tests/tools/tap.sh

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
hvmctl()
{
	"$top_builddir/hvmctl" "$@" --monitor="$top_builddir/hvm-monitor"
}

definition() # CMDLINE MEMORY
{
	cat <<END
<vm name="x" class="PC">
  <memory>$2</memory>
  <cores count="3"/>
  <files><file id="hrt" filename="hrt"/></files>
  <hvm enable="y"><ros cores="1" mem="4"/><hrt file_id="hrt" cmdline="$1"/></hvm>
</vm>
END
}

digest()
{
	hvmctl digest "$work/$1.xml" | sed 's/ .*//'
}

is_that_of_the_record()
{
	hvmctl digest --record "$work/a.xml" | sha384sum | sed 's/ .*//' >"$work/sum"
	digest a | diff - "$work/sum"
}

is_that_of_the_recipe()
{
	hvmctl plan --json=short "$work/a.xml" >"$work/plan.json"
	python3 tests/tools/launch-digest.py "$work/plan.json" "$work/a.xml" >"$work/recomputed" || echo "it fails"
	digest a | diff - "$work/recomputed"
}

differs() # NAME
{
	[ "$(digest a)" != "$(digest "$1")" ] || echo "it is the same"
}

is_the_same() # NAME
{
	[ "$(digest a)" = "$(digest "$1")" ] || echo "it differs"
}

has_96_digits()
{
	digest a | grep -qx '[0-9a-f]\{96\}' || digest a
}

as_json()
{
	hvmctl digest "$work/a.xml" --json=short | python3 -c '
import json, sys
[one] = json.load(sys.stdin)
assert sorted(one) == ["launch_digest", "name", "record"] and one["name"] == "x"
print(one["launch_digest"])' >"$work/json"
	digest a | diff - "$work/json"
}

cp "$top_builddir/examples/guests/reference.elf" "$work/hrt"
definition "mode=park" 64 >"$work/a.xml"
definition "mode=spin" 64 >"$work/cmdline.xml"
definition "mode=park" 65 >"$work/memory.xml"
sed 's/name="x"/name="y"/' "$work/a.xml" >"$work/name.xml"
mkdir "$work/other" && cp "$work/hrt" "$work/other/hrt" && printf x >>"$work/other/hrt" && cp "$work/a.xml" "$work/other/a.xml"

check "the digest is a SHA-384" has_96_digits
check "it is that of the record" is_that_of_the_record
if command -v python3 >/dev/null; then
	check "it is what the recipe makes of definition, plan and images" is_that_of_the_recipe
	check "it is printed as JSON" as_json
fi
check "it does not depend on the VM's name" is_the_same name
check "another command line has another digest" differs cmdline
check "another size of memory has another digest" differs memory
check "another file has another digest" differs other/a
finish
