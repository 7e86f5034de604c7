#!/bin/sh
# test-corpus.sh - GRUB and we agree on which files are Multiboot kernels; and what we make of Debian's Xen
set -u
. "$top_srcdir/tests/tools/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
verdict=$top_builddir/tests/unit/kernel-verdict

# Whether we say that a file speaks a protocol: it does too if it cannot be booted for what it asks.
speaks() # PROTOCOL FILE
{
	"$verdict" "$2" | grep -q "^$1: \(yes\|wrong\)"
}

agrees() # PROTOCOL GRUB-PROTOCOL FILE
{
	grub-file "--is-x86-$2" "$3" && grub=speaks || grub="does not speak"
	speaks "$1" "$3" && we=speaks || we="does not speak"
	[ "$grub" = "$we" ] || echo "GRUB: it $grub $2; we: it $we it"
}

corpus()
{
	mkdir "$work/made"
	"$verdict" --make "$work/made"
	find "$work/made" "$top_builddir/examples/guests" "$top_srcdir/tests/fuzz/corpus/kernel" "$images" \
		-type f ! -name mips2 2>/dev/null | sort
}

does_not_speak()
{
	speaks "$@" && echo "we take it"
	return 0
}

# What tests/tools/fetch-images has fetched.
images=${XDG_CACHE_HOME:-$HOME/.cache}/hvmd-images

corpus >"$work/list"
if have grub-file; then
	while read -r file; do
		check "GRUB says the same of ${file##*/} and Multiboot2" agrees multiboot2 multiboot2 "$file"
		check "GRUB says the same of ${file##*/} and Multiboot" agrees multiboot multiboot "$file"
	done <"$work/list"
	check "GRUB takes a header for MIPS for one of ours" grub-file --is-x86-multiboot2 "$work/made/mips2"
else
	skip "GRUB says the same of all kernels" "grub-file (Debian: grub-common) is not installed"
fi

check "a header for MIPS is none of ours" does_not_speak multiboot2 "$work/made/mips2"

prints() # LINE COMMAND...
{
	line=$1
	shift
	"$@" >"$work/out" 2>&1
	grep -qx "$line" "$work/out" || { echo "no line is \"$line\":"; cat "$work/out"; }
}

is_loaded()
{
	"$verdict" --load "$1" >"$work/out" || cat "$work/out"
	sed -n '/^segment/!d; /: loaded$/d; p' "$work/out"
	grep -q '^segment' "$work/out"
}

xen=$(find "$images" -name 'xen-*' -type f 2>/dev/null | head -n 1)
if [ -n "$xen" ]; then
	check "Debian's Xen is a Multiboot2 kernel" prints "multiboot2: yes" "$verdict" "$xen"
	check "Debian's Xen is a Multiboot kernel, too" prints "multiboot: yes" "$verdict" "$xen"
	check "Debian's Xen is booted by Multiboot2" prints "protocol multiboot2" "$verdict" --load "$xen"
	check "Debian's Xen is told that it was" prints "eax 0x36d76289" "$verdict" --load "$xen"
	check "all segments of Debian's Xen are loaded" is_loaded "$xen"
else
	skip "Debian's Xen is loaded by Multiboot2" "it is not there; tests/tools/fetch-images gets it from a Debian mirror"
fi
finish
