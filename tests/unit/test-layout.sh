#!/bin/sh
# test-layout.sh - every address and byte of the boot state against a computation of its own
set -eu

command -v python3 >/dev/null || {
	echo "1..0 # SKIP python3 is not here"
	exit 0
}
version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$top_builddir/config.h")
exec python3 "$top_srcdir/tests/tools/layout.py" "$top_builddir/tests/unit/plan-dump" "$version"
