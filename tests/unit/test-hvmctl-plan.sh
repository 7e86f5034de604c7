#!/bin/sh
# test-hvmctl-plan.sh - what hvmctl says of images and guest memory without hvmd, and of monitors that misbehave
set -u
cd "$top_srcdir" || exit 99
. tests/tools/tap.sh

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
real=--monitor=$top_builddir/hvm-monitor
fake=--monitor=$top_builddir/tests/fakes/fake-monitor

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
	sed "s,$work,@,g; s,$top_builddir,BUILD,g" "$2" | diff "$work/expected" -
}

# prints STATUS REGEX ARGUMENTS...: hvmctl exits so, and a line of its output matches.
prints()
{
	status=$1 regex=$2
	shift 2
	"$top_builddir/hvmctl" "$@" >"$work/out" 2>&1 </dev/null
	got=$?
	[ $got -eq "$status" ] || echo "it exited with $got, not $status"
	sed "s,$work,@,g" "$work/out" | grep -q "$regex" || { echo "no line matches $regex:"; cat "$work/out"; }
}

definition() # IMAGE MEMORY ROS-MEMORY
{
	cat <<END
<vm name="x" class="PC">
  <memory>$2</memory>
  <cores count="3"/>
  <files>
    <file id="hrt" filename="$1"/>
    <file id="other" filename="other"/>
  </files>
  <hvm enable="y"><ros cores="1" mem="$3"/><hrt file_id="hrt"/></hvm>
</vm>
END
}

# misbehaves WORD SENTENCE: a monitor told so ends in that sentence and status 1, for both verbs.
misbehaves()
{
	FAKE_MONITOR=$1
	export FAKE_MONITOR
	for verb in validate plan; do
		gives 1 "" "hvmctl: @/good.xml: its images cannot be looked at: BUILD/tests/fakes/fake-monitor $2" \
			$verb "$fake" "$work/good.xml"
	done
	unset FAKE_MONITOR
}

says_why_once()
{
	"$top_builddir/hvmctl" validate "$real" "$work/ros.xml" >"$work/said" 2>&1
	for reason in 'no Multiboot2 header (' 'no Multiboot header (' 'pvh: ' 'linux: '; do
		[ "$(grep -o "$reason" "$work/said" | wc -l)" -eq 1 ] || echo "\"$reason\" is not said once"
	done
}

in_its_folder()
{
	cd "$work" && cp good.xml good && gives 0 "$plan" "" plan "$real" good
}

no_descriptors_but_the_link()
{
	cat >"$work/monitor" <<'END'
#!/bin/sh
ls /proc/self/fd >&2
END
	chmod +x "$work/monitor"
	"$top_builddir/hvmctl" plan --monitor="$work/monitor" "$work/good.xml" 7</dev/null 2>"$work/err"
	# 0, 1, 2, the link, and the folder that ls reads
	grep -v hvmctl "$work/err" | tr '\n' ' ' | grep -qx '0 1 2 3 4 ' || cat "$work/err"
}

cp "$top_builddir/examples/guests/reference.elf" "$work/hrt.elf"
echo '#!/bin/sh' >"$work/script"
echo 'any bytes' >"$work/other"
definition hrt.elf 64 4 >"$work/good.xml"
definition script 64 4 >"$work/script.xml"
definition hrt.elf 8 4 >"$work/small.xml"
definition hrt.elf 64 32 >"$work/greedy.xml"
definition none 64 4 >"$work/none.xml"
definition 'hrt.elf" sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' 64 4 >"$work/stored.xml"
cat >"$work/parked.xml" <<END
<vm name="x" class="PC"><memory>64</memory><cores count="1"/><files><file id="hrt" filename="hrt.elf"/></files></vm>
END
sed 's/<memory/& hugepages="y"/' "$work/good.xml" >"$work/huge.xml"
sed 's/<ros /&file_id="other" /' "$work/good.xml" >"$work/ros.xml"
sed 's/filename="other"/sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"/' "$work/ros.xml" >"$work/kernel.xml"

other='file "other": no ELF file and no bzImage; no Multiboot2 header; this definition does not boot it'
# The boot state is at the end of RAM as in daemon/guest/plan.h; the image's size is its own affair.
end=$("$top_builddir/hvmctl" plan "$real" "$work/good.xml" --no-legend | sed -n 's/^image 0 *0x000800000  0x\(0008.....\) .*/\1/p')
size=$(((0x$end - 0x800000) / 1024))
# The table has the first digits of what JSON has whole.
set -- $("$top_builddir/hvmctl" plan "$real" "$work/good.xml" --json=pretty | sed -n 's/.*"sha256": "\(.\{16\}\).*/\1/p')
plan="\
REGION        START        END          SIZE    ACCESS  SOURCE           SHA256
ros memory    0x000000000  0x000400000  4M      both    zero             -
hrt memory    0x000400000  0x000800000  4M      hrt     zero             -
image 0       0x000800000  0x$end  $(printf %-6s "${size}K")  hrt     file hrt+0x1000  $1
hrt memory    0x$end  0x003fe7000  $((0x3fe7 * 4 - 0x800000 / 1024 - size))K  hrt     zero             -
stacks        0x003fe7000  0x003fe9000  8K      hrt     generated        $2
info block    0x003fe9000  0x003fea000  4K      hrt     generated        $3
page tables   0x003fea000  0x003ffc000  72K     hrt     generated        $4
tss           0x003ffc000  0x003ffd000  4K      hrt     zero             -
gdt           0x003ffd000  0x003ffe000  4K      hrt     generated        $5
idt           0x003ffe000  0x003fff000  4K      hrt     generated        $6
null handler  0x003fff000  0x004000000  4K      hrt     generated        $7
device hole   0x0fec00000  0x100000000  20M     device  -                -
comm page     0x300000000  0x300001000  4K      both    zero             -"

check "plan shows every region in order" gives 0 "$plan" "" plan "$real" "$work/good.xml"
check "plan prints bytes as JSON" prints 0 \
	'^\[{"region":"ros memory","start":0,"end":4194304,"size":4194304,"access":"both","source":"zero"},.*"access":"both","source":"zero"}\]$' \
	plan "$real" "$work/good.xml" --json=short
check "plan --no-legend leaves out the header" gives 0 "$(echo "$plan" | sed 1d)" "" plan "$real" "$work/good.xml" --no-legend
check "plan takes a file of the current folder without a slash" in_its_folder
check "plan needs no hvmd for a file, and one for a name" gives 1 "" \
	'hvmctl: cannot reach the bus at "unix:path=@/nobody": No such file or directory (an address is like unix:path=/run/dbus/system_bus_socket)' \
	plan --bus="unix:path=$work/nobody" good
check "plan says when there is no such file" gives 1 "" "hvmctl: gone.xml: No such file or directory" plan gone.xml
check "plan names an image that is not there" gives 6 "" \
	'@/none.xml:5:5: error: /vm/files/file: the image "none" of file "hrt" cannot be used: No such file or directory' \
	plan "$real" "$work/none.xml"
sed 's/<hrt /&ros_memory="ro" /' "$work/good.xml" >"$work/reads.xml"
check "plan says what the HRT may only read" prints 0 '^ros memory    0x000000000  0x000400000  4M  *hrt-reads  zero ' \
	plan "$real" "$work/reads.xml"
check "plan says why there is none for what is no image" gives 6 "" \
	'hvmctl: @/script.xml: HRT image "hrt": the file has 10 bytes; an ELF64 header alone has 64' \
	plan "$real" "$work/script.xml"
check "plan names the region that does not fit" prints 6 \
	'^hvmctl: @/small.xml: HRT image "hrt": image 0, .* does not lie in RAM, which ends at 0x800000: give the VM more memory' \
	plan "$real" "$work/small.xml"
check "plan names both regions that want the same memory" prints 6 \
	'^hvmctl: @/greedy.xml: HRT image "hrt": ros memory \[0x0, 0x2000000) and image 0 \[0x800000, .*) want the same memory' \
	plan "$real" "$work/greedy.xml"
check "plan says who has an image that is not at hand" gives 1 "" \
	'hvmctl: @/stored.xml: the image "hrt" is given by its SHA-256 alone, so only hvmd has it: define it and plan x by its name' \
	plan "$real" "$work/stored.xml"
check "plan says so of a kernel, too" gives 1 "" \
	'hvmctl: @/kernel.xml: the image "other" is given by its SHA-256 alone, so only hvmd has it: define it and plan x by its name' \
	plan "$real" "$work/kernel.xml"
check "plan says that there is nothing to run" prints 1 '^hvmctl: @/parked.xml: VM x has nothing to run: neither a kernel' plan "$real" "$work/parked.xml"

check "validate says what each image is and whether it is booted" prints 0 "^@/good.xml:6:5: notice: /vm/files/file: $other\$" \
	validate "$real" "$work/good.xml"
check "validate says why an image cannot be booted, and nothing of memory" gives 6 \
	'@/script.xml:5:5: error: /vm/files/file: file "hrt" cannot be booted: the file has 10 bytes; an ELF64 header alone has 64' "" \
	validate -q "$real" "$work/script.xml"
check "validate says why there is no place for an image" prints 6 \
	'^@/greedy.xml:2:3: error: /vm/memory: there is no place for it in memory: HRT image "hrt": ros memory ' \
	validate "$real" "$work/greedy.xml"
check "validate prints what it found as JSON" prints 6 \
	'{"file":"@/script.xml","line":5,"column":5,"path":"/vm/files/file","severity":"error","message":"file \\"hrt\\" cannot be booted: ' \
	validate "$real" "$work/script.xml" --json=short
check "validate looks at the other images where one is missing" prints 6 "^@/none.xml:6:5: notice: /vm/files/file: $other\$" \
	validate "$real" "$work/none.xml"
check "validate says of a definition without HRT that it cannot be started" prints 0 \
	'^@/parked.xml:1:1: notice: /vm: it cannot be started: VM x has nothing to run: neither a kernel' validate "$real" "$work/parked.xml"
check "validate says what is not built yet" prints 0 \
	'^@/huge.xml:1:1: notice: /vm: it cannot be started: VM x: memory hugepages="y" is not built yet; hugepages="n" works$' \
	validate "$real" "$work/huge.xml"
check "validate says why a kernel of the ROS cannot be booted" prints 6 \
	'^@/ros.xml:6:5: error: /vm/files/file: file "other" cannot be booted: no boot protocol takes it: multiboot2: no Multiboot2 header ' \
	validate "$real" "$work/ros.xml"
check "validate says it once" says_why_once
check "plan refuses what start would refuse" gives 1 "" \
	'hvmctl: @/huge.xml: VM x: memory hugepages="y" is not built yet; hugepages="n" works' plan "$real" "$work/huge.xml"
check "validate finds it right nevertheless" prints 0 '^@/parked.xml: valid$' validate "$real" "$work/parked.xml"

check "a monitor that is not there is one sentence" gives 1 "" \
	"hvmctl: @/good.xml: its images cannot be looked at: @/no-monitor cannot be started: No such file or directory (--monitor= names another)" \
	validate --monitor="$work/no-monitor" "$work/good.xml"
check "a program that is no monitor is one sentence" gives 1 "" \
	"hvmctl: @/good.xml: its images cannot be looked at: /bin/true exited with status 0 before it had answered" \
	plan --monitor=/bin/true "$work/good.xml"
check "a monitor that dies is one sentence" misbehaves die-in-inspect \
	"was killed by signal 4 (Illegal instruction) before it had answered"
check "a monitor that does not greet is one sentence" misbehaves no-hello \
	"broke the link protocol: its first message is no greeting; is it the hvm-monitor of hvmd $("$top_builddir/hvmctl" --version | sed 's/.* //')?"
check "a monitor that answers too much is one sentence" misbehaves bad-inspect \
	"broke the link protocol: its answer has another form; is it the hvm-monitor of hvmd $("$top_builddir/hvmctl" --version | sed 's/.* //')?"
check "a monitor whose regions overlap is one sentence" misbehaves bad-plan \
	"broke the link protocol: its answer has another form; is it the hvm-monitor of hvmd $("$top_builddir/hvmctl" --version | sed 's/.* //')?"
check "a monitor inherits nothing but its link" no_descriptors_but_the_link
finish
