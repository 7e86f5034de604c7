#!/bin/sh
# test-tools.sh - the tools that judge the rest notice what they are there for
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A build folder with one program of each result, and a tree with one wrong include.
mkdir -p "$work/build/tests/unit" "$work/build/tests/bus" "$work/tree/tests" "$work/tree/daemon/base" "$work/tree/client" \
	"$work/tree/schemas" "$work/tree/examples" "$work/none"
printf ':test-result: PASS\n:test-result: SKIP\n' >"$work/build/tests/unit/a.trs"
printf 'SKIP: tests/unit/a 2 - flies # SKIP no wings\n' >"$work/build/tests/unit/a.log"
printf ':test-result: PASS\n:test-result: FAIL\n:test-result: ERROR\n' >"$work/build/tests/unit/b.trs"
printf 'it fell\n' >"$work/build/tests/unit/b.log"
cp -r tests/tools "$work/tree/tests"
printf '/* Tour 20: the\n * second stop */\n#include "vm/vm.h"\n' >"$work/tree/daemon/base/a.c"
printf '/* Tour 3: the first */\n#include <libxml/tree.h>\n' >"$work/tree/client/b.c"

# said FILE TEXT: the text stands in what a tool has said
said()
{
	grep -qF -e "$2" "$1" || cat "$1"
}

status=0
tests/tools/summary "$work/build" >"$work/summary" || status=$?
check "the summary adds up all results" said "$work/summary" "2 passed, 2 failed, 1 skipped"
check "the sum is the last line" said "$work/summary" "$(tail -n 1 "$work/summary" | grep ' passed, ')"
check "the summary fails when a test failed" [ "$status" -ne 0 ]
check "the summary shows the log of what failed" said "$work/summary" "it fell"
check "the summary says why a test was skipped" said "$work/summary" "no wings"

rm "$work/build/tests/unit/b.trs"
tests/tools/summary -n "$work/build/tests/unit" "$work/build" >"$work/summary" || echo "it fails" >>"$work/summary"
check "the summary is content without failures" said "$work/summary" "1 passed, 0 failed, 1 skipped"
check "a kind that ran is no failure" [ "$(tail -n 1 "$work/summary")" != "it fails" ]
tests/tools/summary -n "$work/build/tests/bus" "$work/build" >"$work/summary" || echo "it fails" >>"$work/summary"
check "a kind of which nothing ran is a failure" said "$work/summary" "1 passed, 1 failed, 1 skipped"
check "and the summary fails then" said "$work/summary" "it fails"

top_srcdir=$work/tree top_builddir=$work/none sh tests/tools/lint-layers.sh >"$work/layers" || :
check "an include of a higher layer is found" said "$work/layers" 'daemon/base/a.c:3: base may not include "vm/vm.h"'
check "a library's header outside its folder is found" said "$work/layers" 'client/b.c:2: #include <libxml/tree.h> belongs in daemon/spec'
check "a program that is not there is no pass" said "$work/layers" "there is no hvm-monitor"

tests/tools/tour "$work/tree" >"$work/tour"
check "the tour begins with the lowest number" [ "$(head -n 1 "$work/tour")" = "3. client/b.c:1" ]
check "a stop of two lines is one text" said "$work/tour" "    the second stop"
finish
