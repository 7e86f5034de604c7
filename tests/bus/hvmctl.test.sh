#!/bin/sh
# hvmctl.test.sh - hvmctl against hvmd on a private bus, with a monitor that has no machine
#
# Each exit status of hvmctl is provoked here or, where no hvmd is needed, in tests/unit/test-hvmctl.sh.
set -u
cd "$top_srcdir" || exit 99
. tests/tools/tap.sh

have dbus-daemon || { echo "1..0 # SKIP dbus-daemon is not installed"; exit 0; }

work=$(mktemp -d) || exit 99
bus=unix:path=$work/bus
log=$work/state/console/x.hrt.log
pids=
trap 'kill $pids 2>/dev/null; wait; rm -rf "$work"' EXIT

hvmctl()
{
	"$top_builddir/hvmctl" --bus="$bus" "$@"
}

# gives STATUS STDOUT STDERR ARGUMENTS...: hvmctl exits so and prints exactly that, whatever is in $work shown as @.
gives()
{
	status=$1 stdout=$2 stderr=$3
	shift 3
	hvmctl "$@" >"$work/out" 2>"$work/err" </dev/null
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

# prints STATUS REGEX ARGUMENTS...: hvmctl exits so, and a line of its output matches; nothing stands on standard error.
prints()
{
	status=$1 regex=$2
	shift 2
	hvmctl "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ $got -eq "$status" ] || echo "it exited with $got, not $status"
	cat "$work/err"
	grep -aq "$regex" "$work/out" || { echo "no line matches $regex:"; cat "$work/out"; }
}

# within SECONDS COMMAND...: whether it succeeds before that.
within()
{
	tries=$(($1 * 20))
	shift
	until "$@" >"$work/within" 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { cat "$work/within"; return 1; }
		sleep 0.05
	done
}

refuses_faulty()
{
	hvmctl list --json=short >"$work/before"
	prints_error 6 '^@/bad.xml:2:1: error: not well-formed XML: ' define "$work/bad.xml" "$work/x.xml"
	hvmctl list --json=short | diff "$work/before" -
}

# gives_no REGEX ARGUMENTS...: hvmctl succeeds, and no line of it matches
gives_no()
{
	regex=$1
	shift
	hvmctl "$@" >"$work/out" || echo "it fails"
	grep -e "$regex" "$work/out"
	true
}

# prints_error STATUS REGEX ARGUMENTS...: hvmctl exits so, prints nothing, and a line on standard error matches.
prints_error()
{
	status=$1 regex=$2
	shift 2
	hvmctl "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ $got -eq "$status" ] || echo "it exited with $got, not $status"
	cat "$work/out"
	sed "s,$work,@,g" "$work/err" | grep -q "$regex" || { echo "no line matches $regex:"; cat "$work/err"; }
}

kvm_counters() # NUMBER OPTION
{
	number=$1
	shift
	[ "$(hvmctl telemetry x "$@" | grep -c '^kvm\.')" -eq "$number" ] || hvmctl telemetry x "$@"
}

log_is_tail() # LINES OPTION...
{
	tail -n "$1" "$log" >"$work/tail"
	shift
	hvmctl log x "$@" | cmp - "$work/tail"
}

log_escapes()
{
	LC_ALL=C script -qec "$top_builddir/hvmctl --bus=$bus log x -n 2" /dev/null </dev/null >"$work/out"
	printf 'second\r\n\\x1b[2J\\xfflast' | cmp - "$work/out"
}

start_and_terminate()
{
	hvmctl start x
	hvmctl terminate x
	prints 3 "inactive" status x
}

# A VM named $1, whose HRT's command line tells the monitor how to misbehave.
definition()
{
	cat <<END
<vm name="$1" class="PC">
  <memory>64</memory>
  <cores count="3"/>
  <files><file id="hrt" filename="images/hrt.elf"/></files>
  <hvm enable="y"><ros cores="1" mem="8"/><hrt file_id="hrt" cmdline="${2-}"/></hvm>
</vm>
END
}

# An ordinary private bus; its administrator lets nobody ask for capabilities.
cat >"$work/bus.conf" <<END
<busconfig>
  <type>session</type>
  <listen>unix:path=$work/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="signal"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <deny send_interface="org.hvmd1.Manager" send_member="GetCapabilities"/>
  </policy>
</busconfig>
END
dbus-daemon --nofork --config-file="$work/bus.conf" --print-address >"$work/bus.address" 2>"$work/bus.log" &
pids=$!
within 5 test -s "$work/bus.address" || { echo "Bail out! dbus-daemon does not start"; exit 99; }

check "without hvmd on the bus, hvmctl says so" gives 1 "" \
	"hvmctl: hvmd is not there: nobody owns org.hvmd1 on the bus \"unix:path=@/bus\"" list

"$top_builddir/hvmd" --bus="$bus" --state-dir="$work/state" --run-dir="$work/run" \
	--monitor="$top_builddir/tests/fakes/fake-monitor" --kvm=/dev/null 2>"$work/hvmd.log" &
pids="$pids $!"
within 5 hvmctl version || { echo "Bail out! hvmd does not start: $(cat "$work/hvmd.log")"; exit 99; }

mkdir "$work/images" "$work/elsewhere"
printf 'any bytes' >"$work/images/hrt.elf"
definition x >"$work/x.xml"
definition y crash >"$work/y.xml"
definition z mute >"$work/z.xml"
echo "<vm>" >"$work/bad.xml"

check "list says when there are none" gives 0 "0 VMs listed." "" list
check "define stores a definition and says nothing" gives 0 "" "" define "$work/x.xml"
check "define takes several files" gives 0 "" "" define "$work/y.xml" "$work/z.xml"
check "list shows them in columns" gives 0 "\
NAME  STATE     PARTITIONS   VCPUS  MEMORY  LEADER  UPTIME
x     inactive  ros:1+hrt:2  3      64M     -       -
y     inactive  ros:1+hrt:2  3      64M     -       -
z     inactive  ros:1+hrt:2  3      64M     -       -

3 VMs listed." "" list
check "list takes patterns" gives 0 "x  inactive  ros:1+hrt:2  3  64M  -  -" "" list --no-legend 'x*' nothing
check "list prints properties as JSON" prints 0 \
	'^\[{"name":"x","uuid":"[0-9a-f-]\{36\}","state":"inactive",.*"memory_bytes":67108864,.*"role":"hrt",.*"n_vcpus":2,.*}\]$' \
	list --json=short x
check "list prints an empty array for none" gives 0 "[]" "" list --json=short none

check "cat prints the canonical definition" prints 0 '<file id="hrt" filename="images/hrt.elf" sha256="[0-9a-f]\{64\}"/>' cat x
check "dumpxml is cat" prints 0 '<vm name="x"' dumpxml x
check "cat prints it in JSON" prints 0 '^\[{"name":"x","definition":"<vm name=\\"x\\" .*</vm>\\n"}\]$' cat x --json=short
hvmctl cat x >"$work/elsewhere/x.xml"
check "what cat prints can be defined again without the image" gives 0 "" "" define "$work/elsewhere/x.xml"
check "define refuses a faulty definition and changes nothing" refuses_faulty

sed 's/ name="x"//; s/<memory>/<memory opt_tag="mem" alignment="2MB">/' "$work/x.xml" >"$work/lent.pal"
check "define lends a name, and says what is ignored" prints_error 0 \
	'^@/lent.pal:2:3: notice: /vm/memory: alignment: "2MB" is ignored: ' define "$work/lent.pal"
check "define is quiet when asked" gives 0 "" "" define -q "$work/lent.pal"
check "the VM is called like its file" prints 0 '<vm name="lent" ' cat lent
check "define takes a name and other values" gives 0 "" "" define -q --name=named --set MEM=32 "$work/lent.pal"
check "they are what is stored" prints 0 '<memory hugepages="n">32</memory>' cat named
check "what the VM was called stays" prints 0 '<memory hugepages="n">64</memory>' cat lent
sed 's/<memory>/<teleport to="mars"\/>&/' "$work/x.xml" >"$work/old.xml"
check "define -Wno-unknown warns of what hvmd does not know, and leaves it out" prints_error 0 \
	'^@/old.xml:2:3: warning: /vm/teleport: ' define -Wno-unknown --name=old "$work/old.xml"
if have python3; then
	sed 's/filename="[^"]*"/index="1"/' "$work/x.xml" >"$work/packed.xml"
	python3 tests/tools/pack-container.py 1 "$work/packed.xml" "$work/bad.xml" "$work/images/hrt.elf" >"$work/box.dat"
	check "define takes an image container" gives 0 "" "" define --name=packed "$work/box.dat"
	check "its file is what is stored" prints 0 \
		"<file id=\"hrt\" filename=\"box.dat\" sha256=\"$(sha256sum <"$work/images/hrt.elf" | cut -d' ' -f1)\"/>" cat packed
	hvmctl undefine packed
else
	skip "define takes an image container" "python3 is not installed"
fi
sed 's/<memory/& hugepages="y"/; s/"x"/"later"/' "$work/x.xml" >"$work/later.xml"
check "what is not built yet can be defined" gives 0 "" "" define "$work/later.xml"
check "it is refused at the start, with what works" gives 1 "" \
	'hvmctl: later: VM later: memory hugepages="y" is not built yet; hugepages="n" works' \
	start later
hvmctl undefine lent named old later

check "status of a VM that does not run exits with 3" prints 3 '^       State: inactive (defined) since ' status x
check "status without a name shows all and exits with 0" prints 0 '^  Partitions: ros: inactive, core 0, 8M at 0x0$' status
check "status of a VM that is not there exits with 4" gives 4 "" \
	'hvmctl: gone: there is no such VM; "hvmctl list" shows those that there are' status gone
for verb in start stop terminate reset undefine cat telemetry log console plan memmap; do
	check "$verb of a VM that is not there exits with 4" gives 4 "" 'hvmctl: gone: there is no VM "gone"' $verb gone
done
for verb in stop terminate reset console memmap; do
	check "$verb of a VM that does not run exits with 3" gives 3 "" \
		"hvmctl: x: VM x is not running; it is inactive" $verb x
done
check "log of a VM that has never run is a failure" gives 1 "" \
	"hvmctl: x: VM x has no log of console \"hrt\": it has not been started yet" log x
check "a call that the bus does not allow exits with 5" prints_error 5 "^hvmctl: " capabilities
check "all are tried, and the first failure decides" gives 4 "" \
	'hvmctl: gone: there is no VM "gone"
hvmctl: x: VM x is not running; it is inactive' stop gone x
check "version prints both" prints 0 '^hvmd ' version
check "version prints both as JSON" prints 0 '^\[{"hvmctl":"[^"]*","hvmd":"[^"]*"}\]$' version --json=short
check "telemetry has what hvmd itself knows" prints 0 '^vm.state *inactive$' telemetry x
check "a telemetry group that is not there is a failure" gives 1 "" \
	'hvmctl: x: telemetry group "y" is not known; known are vm, partition, vcpu and kvm' telemetry x --group=y

plan="\
REGION       START        END          SIZE  ACCESS  SOURCE           SHA256
ros memory   0x000000000  0x000800000  8M    both    zero             -
image 0      0x000800000  0x004000000  56M   hrt     file hrt+0x1000  0001020304050607
device hole  0x0fec00000  0x100000000  20M   device  -                -"
check "plan shows where everything would stand" gives 0 "$plan" "" plan x
check "plan prints bytes as JSON" gives 0 \
	'[{"region":"ros memory","start":0,"end":8388608,"size":8388608,"access":"both","source":"zero"},{"region":"image 0","start":8388608,"end":67108864,"size":58720256,"access":"hrt","source":"file","file":"hrt","offset":4096,"bytes":8,"sha256":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},{"region":"device hole","start":4273995776,"end":4294967296,"size":20971520,"access":"device","source":"none"}]' \
	"" plan x --json=short

definition bad bad-image >"$work/bad-image.xml"
check "a VM with a bad image can be defined" gives 0 "" "" define "$work/bad-image.xml"
check "its plan fails as that of its file does" gives 6 "" \
	"hvmctl: bad: HRT image \"hrt\": it begins with 61 6e 79" plan bad
check "and it can be removed" gives 0 "" "" undefine bad

check "start says nothing" gives 0 "" "" start x
check "start of a VM that runs is a failure" gives 1 "" "hvmctl: x: VM x is already running" start x
check "undefine of a VM that runs is a failure" gives 1 "" "hvmctl: x: VM x is running; stop it first" undefine x
check "status of a VM that runs exits with 0" prints 0 '^              hrt: running, cores 1-2, 56M at 0x800000$' status x
check "status of a VM that runs does not call it unresponsive" gives_no unresponsive status x
check "status says how the HRT talks" prints 0 '^  Hypercalls: patch (3 rewritten); upcalls: pf$' status x
check "status ends with the console" prints 0 '^hello from core 1$' status x
check "status prints the console's lines in JSON" prints 0 '"console_log":\["hello from core 1"\]' status x --json=short
check "list shows monitor and uptime" prints 0 '^x  *running  *ros:1+hrt:2  *3  *64M  *[1-9][0-9]*  *[0-9]*s$' list
check "telemetry names all VMs without a name" prints 0 '^y:$' telemetry
check "telemetry shows the monitor's counters" prints 0 '^vcpu.1.exits *1$' telemetry x
check "telemetry prints numbers and strings as JSON" prints 0 \
	'^\[{"name":"x","telemetry":{.*"partition.hrt.state":"running",.*"vcpu.1.exits":1,' telemetry x --json=short
check "telemetry leaves out KVM's counters" kvm_counters 0
check "telemetry shows KVM's counters when asked for" kvm_counters 149 --group=kvm
check "console prints what comes until its end" gives 0 "hello from the console" \
	"Console hrt of x, read only. Interrupt (^C) to leave." console x
check "a quiet console says nothing of its own" gives 0 "hello from the console" "" console -q x
check "memmap shows where everything stands" gives 0 "$plan" "" memmap x
printf 'other bytes' >"$work/images/other.elf"
printf 'bad bytes' >"$work/images/bad.elf"
: >"$work/images/empty.elf"
check "load says nothing" gives 0 "" "" load x --hrt "$work/images/other.elf"
check "load of what is no image says what is wrong with it" gives 1 "" \
	'hvmctl: x: HRT image "hrt": there is no Multiboot2 header in its first 32768 bytes' load x --hrt "$work/images/bad.elf"
check "load of an empty file is a failure" gives 1 "" "hvmctl: x: the image: the file is empty" \
	load x --hrt "$work/images/empty.elf"
check "load of a folder is a failure" gives 1 "" "hvmctl: x: the image: the descriptor is not of a regular file" \
	load x --hrt "$work/images"
check "load of a file that is not there is a failure" gives 1 "" \
	"hvmctl: @/gone.elf: No such file or directory" load x --hrt "$work/gone.elf"
check "load wants to know whose image it is" gives 2 "" \
	"hvmctl: load wants to know whose image it is: hvmctl load x --hrt f" load x f
check "load for a VM that does not run exits with 3" gives 3 "" \
	"hvmctl: y: VM y is not running; it is inactive" load y --hrt "$work/images/other.elf"
check "load for a VM that is not there exits with 4" gives 4 "" 'hvmctl: gone: there is no VM "gone"' \
	load gone --hrt "$work/images/other.elf"
check "reset of a partition says nothing" gives 0 "" "" reset x --hrt
check "reset is counted" prints 0 '"n_resets":1' list --json=short x
check "reset --hrt is not one of the ROS" prints 0 '"role":"ros".*"n_resets":0.*"role":"hrt".*"n_resets":1' list --json=short x

check "log prints what the guest said" gives 0 "hello from core 1" "" log x
printf 'second\r\n\033[2J\377last' >>"$log"
check "log passes the guest's bytes into a pipe" log_is_tail 3
check "log -n passes the last lines" log_is_tail 2 -n 2
check "log prints lines as JSON" gives 0 '["hello from core 1","second\u000d","\u001b[2J'"$(printf '\357\277\275')"'last"]' "" \
	log x --json=short
if have script; then
	check "log does not let the guest command a terminal" log_escapes
else
	skip "log does not let the guest command a terminal" "script is not installed"
fi

{ hvmctl log -f -n 1 x >"$work/followed" 2>&1; echo $? >"$work/follower"; } &
within 5 grep -aq last "$work/followed"
echo " words" >>"$log"
check "log -f prints what is added" within 5 grep -aq "last words" "$work/followed"
check "stop says nothing" gives 0 "" "" stop x
check "log -f ends well when the VM has stopped" within 5 grep -qx 0 "$work/follower"
check "a stopped VM keeps its log" prints 0 "^second" log x
check "status tells why it stopped" prints 3 "^   Last exit: host-request$" status x
check "terminate says nothing" start_and_terminate

hvmctl start y
within 5 prints 3 "crashed" status y >/dev/null
check "status tells why a guest crashed, and exits with 3" prints 3 \
	'^     Because: core 1: triple fault at 0x1234$' status y
check "a crashed VM can be stopped" gives 0 "" "" stop y

hvmctl start z
check "a monitor that does not answer in time exits with 7" prints_error 7 '^hvmctl: z: ' reset z
check "stop takes a timeout" gives 0 "" "" stop z --timeout=200ms

check "enable says nothing" gives 0 "" "" enable x y
check "status says that a VM is enabled" prints 3 '^  Definition: .*/state/definitions/x.xml; enabled$' status x
check "disable says nothing" gives 0 "" "" disable x
check "status says that a VM is disabled" prints 3 '^  Definition: .*/state/definitions/x.xml; disabled$' status x
check "enable of a VM that is not there exits with 4" gives 4 "" 'hvmctl: gone: there is no VM "gone"' enable gone

check "verify says nothing when all is well" gives 0 "" "" verify
check "verify prints an empty array when all is well" gives 0 "[]" "" verify x --json=short
check "verify of a VM that is not there exits with 4" gives 4 "" 'hvmctl: there is no VM "gone"' verify gone
image=$(sha256sum "$work/images/hrt.elf" | cut -d ' ' -f 1)
printf 'any BYTES' >"$work/state/images/$image"
check "verify names what is damaged and exits with 1" prints 1 \
	"^x: hrt: image $image: it is damaged, its SHA-256 is [0-9a-f]*; define the VM again with the right file\$" verify x
check "verify prints faults as JSON" prints 1 '^\[{"name":"x","file":"hrt","message":"image ' verify x --json=short
hvmctl define "$work/x.xml"
check "define heals the image" gives 0 "" "" verify

hvmctl start x
sed 's/count="3"/count="4"/' "$work/x.xml" >"$work/elsewhere/changed.xml"
cp -r "$work/images" "$work/elsewhere"
check "a VM that runs can be defined anew" gives 0 "" "" define "$work/elsewhere/changed.xml"
check "status says that the definition has changed" prints 0 \
	'^  Definition: .*/x.xml; disabled; changed, holds from the next start on$' status x
check "cat prints what is stored" prints 0 '<cores count="4"/>' cat x
check "cat --running prints what runs" prints 0 '<cores count="3"/>' cat x --running
hvmctl stop x

check "reload says nothing when all is well" gives 0 "" "" reload
echo "<vm>" >"$work/state/definitions/x.xml"
check "log-level says what is logged" gives 0 "info" "" log-level
check "log-level changes it" gives 0 "" "" log-level notice
check "... and it is changed" gives 0 '{"log_level":"notice"}' "" log-level --json=short
check "log-level refuses what is no level" gives 1 "" \
	'hvmctl: log level "loud" is not known; err, warning, notice, info and debug are' log-level loud
check "reload names what is faulty and exits with 6" prints 6 '^definitions/x.xml: line 2: ' reload
check "reload prints faults as JSON" prints 6 '^\[{"file":"definitions/x.xml","message":"line 2: ' reload --json=short
check "what was faulty is kept as it was" prints 0 '<cores count="4"/>' cat x

for mode in guest-exit crash die idle; do
	definition "$mode" "$mode" >"$work/$mode.xml"
	hvmctl define "$work/$mode.xml"
done
check "start --wait exits with the status that the guest gave" gives 35 "" \
	'hvmctl: guest-exit: it has ended (guest-poweroff): the hrt has ended the VM with status 35' start --wait guest-exit
check "start --wait is quiet when asked" gives 35 "" "" start --wait -q guest-exit
check "start --wait exits with 33 after a crash" gives 33 "" \
	'hvmctl: crash: it has ended (triple-fault): core 1: triple fault at 0x1234' start --wait crash
check "start --wait exits with 40 when the monitor dies" prints_error 40 \
	'^hvmctl: die: it has ended (vmm-died): the monitor (PID [0-9]*) was killed by signal ' start --wait die
check "start --wait says that a VM cannot be started" prints_error 4 'there is no VM' start --wait nobody
stop_soon()
{
	while [ "$(hvmctl status idle | sed -n 's/^ *State: \([a-z]*\).*/\1/p')" != running ]; do sleep 0.05; done
	hvmctl stop idle
}
stop_soon &
check "start --wait tells when somebody else stops it" gives 1 "" \
	'hvmctl: idle: it was stopped (host-request) before the guest had ended' start --wait idle
wait $!
hvmctl terminate crash
hvmctl undefine guest-exit crash die idle

# ssh to a host whose bus is ours: sd-bus runs it with these arguments.
mkdir "$work/bin"
cat >"$work/bin/ssh" <<END
#!/bin/sh
printf '%s\n' "\$*" >"$work/ssh.arguments"
exec systemd-stdio-bridge --bus-path="$bus"
END
chmod +x "$work/bin/ssh"

on_another_host()
{
	PATH=$work/bin:$PATH "$top_builddir/hvmctl" -H admin@far list --no-legend >"$work/out" 2>&1
	grep -q '^x ' "$work/out" || cat "$work/out"
	grep -q -- '-- admin@far systemd-stdio-bridge' "$work/ssh.arguments" || cat "$work/ssh.arguments"
}
if have systemd-stdio-bridge; then
	check "list -H lists the VMs of another host" on_another_host
else
	skip "list -H lists the VMs of another host" "systemd-stdio-bridge is not installed"
fi

check "undefine says nothing" gives 0 "" "" undefine x y z
check "undefine leaves nothing" gives 0 "0 VMs listed." "" list
finish
