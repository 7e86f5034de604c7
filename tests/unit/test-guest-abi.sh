#!/bin/sh
# test-guest-abi.sh - schemas/hvm-guest-abi.h alone is all that a guest needs, whatever it is written in
set -u
cd "$top_srcdir" || exit 99
. tests/tools/tap.sh

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
header=schemas/hvm-guest-abi.h
cp "$header" "$work"

# Every constant is used, every structure has a size, every function is called.
{
	echo '#include "hvm-guest-abi.h"'
	sed -n 's/^#define \(HVM_[A-Z0-9_]*\) .*/uint64_t use_\1(void); uint64_t use_\1(void) { return (uint64_t)\1; }/p' "$header"
	sed -n 's/^struct \(hvm_[a-z_]*\) {.*/unsigned long size_\1(void); unsigned long size_\1(void) { return sizeof(struct \1); }/p' \
		"$header"
	echo 'uint64_t call(volatile uint32_t *page); uint64_t call(volatile uint32_t *page)'
	echo '{ return hvm_port_call(HVM_REQ_NULL, 0, 0) + hvm_doorbell_call(page, HVM_REQ_NULL, 0, 0); }'
} >"$work/all.c"

# compiles COMPILER OPTION...: without a word, though it may see no other folder of ours
compiles()
{
	compiler=$1
	shift
	(cd "$work" && "$compiler" -pedantic -Wall -Wextra -Werror "$@" -c -o /dev/null all.c)
}

# compiles_by COMPILER WHAT OPTION...
compiles_by()
{
	compiler=$1
	what=$2
	shift 2
	if have "$compiler"; then
		check "$what" compiles "$compiler" "$@"
	else
		skip "$what" "$compiler is not installed"
	fi
}

check "it includes nothing but stdint.h" sh -c "grep '^#include' $header | grep -v '^#include <stdint.h>$' ; true"
check "there is much to use" test "$(grep -c use_HVM "$work/all.c")" -gt 60
compiles_by gcc "a C99 program needs nothing else" -std=c99
compiles_by gcc "nor does one without a C library" -std=c99 -ffreestanding -nostdlib -mno-red-zone -mgeneral-regs-only -mcmodel=large
compiles_by gcc "nor one in today's C" -std=c17
if have clang; then clang=clang; else clang='clang-14'; fi # as it is called in Debian's package
compiles_by "$clang" "nor does clang" -std=c99
compiles_by g++ "C++ takes it, too" -std=c++11 -xc++
finish
