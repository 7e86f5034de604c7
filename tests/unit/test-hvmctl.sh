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
# A name that is missing is none here: hvmctl lends that of the file.
names_all_faults() # FILE.xml
{
	"$top_builddir/hvmctl" validate "$1" >"$work/out" 2>"$work/err"
	got=$?
	[ $got -eq 6 ] || echo "it exited with $got, not 6"
	cat "$work/err"
	sed -n '\, /vm: error: name is missing;,d; s/^\([0-9]*:[0-9]*\): \([^ ]*\): \(error\|warning\|notice\): /:\1: \3: \2: /p' "${1%.xml}.expected" |
		sed 's/^:0:0: /:1:1: /; s/^\([^/]*\): : /\1: /' | sed "s,^,$1," | diff - "$work/out"
}

cannot_write()
{
	"$top_builddir/hvmctl" help >/dev/full 2>"$work/err"
	got=$?
	[ $got -eq 1 ] || echo "it exited with $got, not 1"
	compare "hvmctl: cannot write the output: No space left on device" "$work/err"
}

hash() # TEXT
{
	printf '%s' "$1" >"$work/hashed"
	python3 tests/tools/pack-container.py hash "$work/hashed" | sed 's/^0x//'
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
	case $file in */name-missing.xml) continue ;; esac # its only fault
	check "validate names all faults of $file" names_all_faults "$file"
done
found='@/good.xml:4:10: notice: /vm/files/file: file "hrt": ELF64, little-endian, for x86-64, executable; Multiboot2 header at 0x1000, with HRT tag (hrt_flags 0x200, gva_offset 0xffff800000000000); boots by mb64
@/good.xml: valid'
check "validate says what is in the image of a good definition" gives 0 "$found" "" validate "$monitor" "$work/good.xml"
check "validate says nothing about a good definition when quiet" gives 0 "" "" -q validate "$monitor" "$work/good.xml"
check "validate prints an empty array for a good definition when quiet" \
	gives 0 "[]" "" validate -q "$monitor" --json=short "$work/good.xml"
check "validate names an image that is not there" gives 6 \
	'@/none.xml:4:10: error: /vm/files/file: the image "images/none" of file "hrt" cannot be used: No such file or directory' "" \
	validate "$work/none.xml"
check "validate names an empty image" gives 6 \
	'@/empty.xml:4:10: error: /vm/files/file: the image "images/empty" of file "hrt" cannot be used: it is empty; an image has at least an ELF header' "" \
	validate "$work/empty.xml"
check "validate does not wait for a FIFO that is an image" gives 6 \
	'@/fifo.xml:4:10: error: /vm/files/file: the image "images/fifo" of file "hrt" cannot be used: it is not a regular file' "" \
	validate "$work/fifo.xml"
check "validate takes no folder for an image" gives 6 \
	'@/folder.xml:4:10: error: /vm/files/file: the image "images" of file "hrt" cannot be used: it is not a regular file' "" \
	validate "$work/folder.xml"
check "validate prints faults as JSON" gives 6 \
	'[{"file":"@/empty.xml","line":4,"column":10,"path":"/vm/files/file","severity":"error","message":"the image \"images/empty\" of file \"hrt\" cannot be used: it is empty; an image has at least an ELF header"}]' "" \
	validate --json=short "$work/empty.xml"
check "validate looks at every file and exits with the first failure" gives 6 \
	'@/none.xml:4:10: error: /vm/files/file: the image "images/none" of file "hrt" cannot be used: No such file or directory
'"$found" "" \
	validate "$monitor" "$work/none.xml" "$work/good.xml"
check "validate does not open an image that hvmd has" gives 0 "@/stored.xml: valid" "" validate "$work/stored.xml"
check "validate says when there is no such file" gives 1 "" "hvmctl: @/gone.xml: No such file or directory" \
	validate "$work/gone.xml"
check "validate does not wait for a FIFO" gives 1 "" "hvmctl: @/images/fifo: not a regular file" \
	validate "$work/images/fifo"
head -c 1048577 /dev/zero | tr '\0' ' ' >"$work/long.xml"
check "validate says that a definition is too long" gives 6 \
	"@/long.xml:1:1: error: 1048577 bytes are more than the limit of 1048576" "" validate "$work/long.xml"
check "define refuses a faulty definition before it asks anybody" gives 6 "" \
	'@/none.xml:4:10: error: /vm/files/file: the image "images/none" of file "hrt" cannot be used: No such file or directory' \
	define --bus="$nobody" "$work/good.xml" "$work/none.xml"

nameless()
{
	sed "s/ name=\"x\"//" "$work/good.xml"
}

pack() # VERSION NAME: a container of @/packed.xml with @/images/hrt.elf and a few bytes
{
	printf 'any bytes' >"$work/bytes"
	python3 tests/tools/pack-container.py "$1" "$work/packed.xml" "$work/images/hrt.elf" "$work/bytes" >"$work/$2"
}

found_in() # FILE
{
	printf '%s' "$found" | sed "s,@/good.xml,@/$1,"
}

nameless >"$work/lent.pal"
nameless >"$work/not a name.pal"
sed 's/<memory>/<memory opt_tag="mem">/' "$work/good.xml" >"$work/tagged.xml"
sed 's/<vm /<vm colour="red" /' "$work/good.xml" >"$work/old.xml"
definition 'images/hrt.elf" index="0' >"$work/packed.xml"

check "a VM without a name is called like its file" gives 0 "$(found_in lent.pal)" "" \
	validate "$monitor" "$work/lent.pal"
check "a file that is called like no VM can be lends no name" gives 6 \
	'@/not a name.pal:1:1: error: /vm: name is missing, and what the file is called, "not a name", cannot be the name of a VM; write name="nautilus"' "" \
	validate "$work/not a name.pal"
check "--name helps such a file" gives 0 "$(found_in "not a name.pal")" "" \
	validate "$monitor" --name=a "$work/not a name.pal"
check "--name that is none is a usage error" gives 2 "" \
	"hvmctl: --name takes 1 to 63 letters, digits, '_', '-', '.', the first a letter or a digit, not \"a b\"" \
	validate --name="a b" "$work/good.xml"
check "--name is for one file" gives 2 "" "hvmctl: --name names one VM, and 2 files are given" \
	define --bus="$nobody" --name=a "$work/good.xml" "$work/lent.pal"
check "--set replaces a text" gives 6 \
	'@/tagged.xml:2:3: error: /vm/memory: memory: 1 is less than 2; write 2 to 1048576 MiB' "" \
	validate "$monitor" --set MEM=1 "$work/tagged.xml"
check "--set without a value is a usage error" gives 2 "" 'hvmctl: --set takes TAG=VALUE, not "mem"' \
	validate --set mem "$work/tagged.xml"
check "--set of a tag that no element has is an error" gives 6 \
	'@/tagged.xml:1:1: error: no element has opt_tag="cpus", so there is nothing that "4" could replace' "" \
	validate --set mem=64 --set cpus=4 "$work/tagged.xml"
check "a name that hvmd does not know is an error" gives 6 \
	'@/old.xml:1:1: error: /vm: vm has no attribute "colour"; take it out (hvm.xml(5) lists what hvmd knows)' "" \
	validate "$work/old.xml"
check "with -Wno-unknown it is a warning" gives 0 \
	'@/old.xml:1:1: warning: /vm: vm has no attribute "colour"; take it out (hvm.xml(5) lists what hvmd knows)'"
$(found_in old.xml)" "" \
	validate "$monitor" -Wno-unknown "$work/old.xml"
check "-W takes nothing else" gives 2 "" 'hvmctl: -W takes no-unknown, not "all"' validate -Wall "$work/old.xml"
if have python3; then
	pack 0 zero.dat
	pack 1 one.dat
	LC_ALL=C sed 's/any bytes/ANY BYTES/' "$work/one.dat" >"$work/damaged.dat"
	head -c 100 "$work/one.dat" >"$work/cut.dat"
	sed -i 's/index="0"/index="2"/' "$work/packed.xml"
	pack 1 fewer.dat
	sed -i 's/index="2"/index="0"/; s/count="2"/count="0"/' "$work/packed.xml"
	pack 1 faulty.dat
	check "an image container of version 0 is valid" gives 0 "$(found_in zero.dat)" "" \
		validate "$monitor" "$work/zero.dat"
	check "an image container of version 1 is valid" gives 0 "$(found_in one.dat)" "" \
		validate "$monitor" "$work/one.dat"
	check "a damaged image container is refused" gives 6 \
		"@/damaged.dat:1:1: error: image container: file 1 has the hash 0x$(hash 'ANY BYTES'), and its table says 0x$(hash 'any bytes'): it is damaged" "" \
		validate "$work/damaged.dat"
	check "an image container that is cut short is refused" gives 6 \
		"@/cut.dat:1:1: error: image container: it ends within its text" "" validate "$work/cut.dat"
	cp "$work/one.dat" "$work/huge.dat"
	truncate -s 1025M "$work/huge.dat"
	check "an image container larger than any is refused unread" gives 6 \
		"@/huge.dat:1:1: error: 1074790400 bytes are more than the limit of 1024 MiB" "" validate "$work/huge.dat"
	check "an image container with fewer files than the definition is refused" gives 6 \
		'@/fewer.dat:4:10: error: /vm/files/file: the image with index 2 of file "hrt" cannot be used: the container has fewer files' "" \
		validate "$work/fewer.dat"
	check "a fault of a definition in a container has its line there" gives 6 \
		'@/faulty.dat:3:3: error: /vm/cores: count: 0 is less than 1; write 1 to 64' "" validate "$work/faulty.dat"
else
	skip "image containers are valid or refused" "python3 is not installed"
fi

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
