#!/bin/sh
# test-hvmctl.sh - what hvmctl does without hvmd: validation, help, exit statuses
set -u
cd "$top_srcdir" || exit 99
. tests/tools/tap.sh

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
nobody=unix:path=$work/nobody
monitor=--monitor=$top_builddir/hvm-monitor

# gives STATUS STDOUT STDERR ARGUMENTS...: hvmctl exits so and prints exactly that, whatever is in $work shown as @.
gives()
{
	status=$1 stdout=$2 stderr=$3
	shift 3
	"$top_builddir/hvmctl" "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ $got -eq "$status" ] || echo "it exited with $got, not $status"
	compare "$stdout" "$work/out"
	compare "$stderr" "$work/err"
}

compare()
{
	printf '%s' "$1" >"$work/expected"
	[ -z "$1" ] || echo >>"$work/expected"
	sed "s,$work,@,g" "$2" | diff "$work/expected" -
}

definition() # IMAGE
{
	cat <<END
<vm name="x" class="PC">
  <memory>64</memory>
  <cores count="2"/>
  <files><file id="hrt" filename="$1"/></files>
  <hvm enable="y"><ros cores="1" mem="8"/><hrt file_id="hrt"/></hvm>
</vm>
END
}

# Beside tests/data/bad/NAME.xml stands "LINE:COLUMN: ELEMENT: SEVERITY: SENTENCE"; 0:0 and no element are left out.
names_all_faults() # FILE.xml
{
	"$top_builddir/hvmctl" validate "$1" >"$work/out" 2>"$work/err"
	got=$?
	[ $got -eq 6 ] || echo "it exited with $got, not 6"
	cat "$work/err"
	sed -n 's/^\([0-9]*:[0-9]*\): \([^ ]*\): \(error\|warning\|notice\): /:\1: \3: \2: /p' "${1%.xml}.expected" |
		sed 's/^:0:0: /: /; s/^\([^/]*\): : /\1: /' | sed "s,^,$1," | diff - "$work/out"
}

cannot_write()
{
	"$top_builddir/hvmctl" help >/dev/full 2>"$work/err"
	got=$?
	[ $got -eq 1 ] || echo "it exited with $got, not 1"
	compare "hvmctl: cannot write the output: No space left on device" "$work/err"
}

same_help()
{
	"$top_builddir/hvmctl" help stop >"$work/help"
	"$top_builddir/hvmctl" shutdown -h | diff "$work/help" -
}

mkdir "$work/images"
cp "$top_builddir/examples/guests/reference.elf" "$work/images/hrt.elf"
: >"$work/images/empty"
mkfifo "$work/images/fifo"
definition images/hrt.elf >"$work/good.xml"
definition images/none >"$work/none.xml"
definition images/empty >"$work/empty.xml"
definition images/fifo >"$work/fifo.xml"
definition images >"$work/folder.xml"
# sha256sum(1) of nothing in particular: hvmd is asked for it, not the file
definition 'images/none" sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' >"$work/stored.xml"

for file in tests/data/bad/*.xml; do
	check "validate names all faults of $file" names_all_faults "$file"
done
found='@/good.xml: notice: file "hrt": ELF64, little-endian, for x86-64, executable; Multiboot2 header at 0x1000, with HRT tag (hrt_flags 0x200, gva_offset 0xffff800000000000); boots by mb64
@/good.xml: valid'
check "validate says what is in the image of a good definition" gives 0 "$found" "" validate "$monitor" "$work/good.xml"
check "validate says nothing about a good definition when quiet" gives 0 "" "" -q validate "$monitor" "$work/good.xml"
check "validate prints an empty array for a good definition when quiet" \
	gives 0 "[]" "" validate -q "$monitor" --json=short "$work/good.xml"
check "validate names an image that is not there" gives 6 \
	'@/none.xml: error: /vm/files/file: the image "images/none" of file "hrt" cannot be used: No such file or directory' "" \
	validate "$work/none.xml"
check "validate names an empty image" gives 6 \
	'@/empty.xml: error: /vm/files/file: the image "images/empty" of file "hrt" cannot be used: it is empty; an image has at least an ELF header' "" \
	validate "$work/empty.xml"
check "validate does not wait for a FIFO that is an image" gives 6 \
	'@/fifo.xml: error: /vm/files/file: the image "images/fifo" of file "hrt" cannot be used: it is not a regular file' "" \
	validate "$work/fifo.xml"
check "validate takes no folder for an image" gives 6 \
	'@/folder.xml: error: /vm/files/file: the image "images" of file "hrt" cannot be used: it is not a regular file' "" \
	validate "$work/folder.xml"
check "validate prints faults as JSON" gives 6 \
	'[{"file":"@/empty.xml","line":0,"column":0,"path":"/vm/files/file","severity":"error","message":"the image \"images/empty\" of file \"hrt\" cannot be used: it is empty; an image has at least an ELF header"}]' "" \
	validate --json=short "$work/empty.xml"
check "validate looks at every file and exits with the first failure" gives 6 \
	'@/none.xml: error: /vm/files/file: the image "images/none" of file "hrt" cannot be used: No such file or directory
'"$found" "" \
	validate "$monitor" "$work/none.xml" "$work/good.xml"
check "validate does not open an image that hvmd has" gives 0 "@/stored.xml: valid" "" validate "$work/stored.xml"
check "validate says when there is no such file" gives 1 "" "hvmctl: @/gone.xml: No such file or directory" \
	validate "$work/gone.xml"
check "validate does not wait for a FIFO" gives 1 "" "hvmctl: @/images/fifo: not a regular file" \
	validate "$work/images/fifo"
check "define refuses a faulty definition before it asks anybody" gives 6 "" \
	'@/none.xml: error: /vm/files/file: the image "images/none" of file "hrt" cannot be used: No such file or directory' \
	define --bus="$nobody" "$work/good.xml" "$work/none.xml"

check "a bus that is not there is a failure" gives 1 "" \
	"hvmctl: cannot reach the bus at \"unix:path=@/nobody\": No such file or directory (an address is like unix:path=/run/dbus/system_bus_socket)" \
	list --bus="$nobody"
check "a bus address that is none is a failure" gives 1 "" \
	'hvmctl: cannot reach the bus at "nonsense": Connection refused (an address is like unix:path=/run/dbus/system_bus_socket)' \
	list --bus=nonsense
check "version says its own without a bus, and fails" gives 1 "hvmctl $("$top_builddir/hvmctl" --version | sed 's/.* //')" \
	'hvmctl: cannot reach the bus at "nonsense": Connection refused (an address is like unix:path=/run/dbus/system_bus_socket)' \
	version --bus=nonsense
check "no verb is a usage error" gives 2 "" 'hvmctl: which verb? "hvmctl help" lists them'
check "control characters in arguments do not reach the terminal" gives 2 "" \
	'hvmctl: there is no verb "a\x1b[2J"; "hvmctl help" lists them' "$(printf 'a\033[2J')"
check "VERB --help and help VERB are the same, by any name" same_help
if [ -w /dev/full ]; then
	check "output that cannot be written is a failure" cannot_write
else
	skip "output that cannot be written is a failure" "there is no /dev/full"
fi
finish
