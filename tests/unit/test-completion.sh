#!/bin/sh
# test-completion.sh - what bash and zsh offer behind "hvmctl"; the VMs are those of a hvmctl that is a fake
set -u
cd "$top_srcdir" || exit 99
. tests/tools/tap.sh

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# The real one's help, and VMs that depend on the bus.
cat >"$work/hvmctl" <<END
#!/bin/sh
case "\$*" in
list*--user*) echo "mine    inactive" ;;
list*) echo "nautilus    running"; echo "linux-1    inactive" ;;
*) exec "$top_builddir/hvmctl" "\$@" ;;
esac
END
chmod +x "$work/hvmctl"
PATH=$work:$PATH

# What bash offers for the words given, of which the last is being typed.
in_bash()
{
	bash -c 'compopt() { :; }
		. client/hvmctl.bash
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_hvmctl && printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

# The same by zsh, whose own functions are replaced by some that print.
in_zsh()
{
	zsh -f -c '
		compdef() { : }
		_call_program() { shift; eval "$*" }
		_files() { print -l -- *(N) }
		compadd() { print -l -- $@ }
		_describe() {
			local array=${@[-1]} last
			while [[ $1 == -* ]]; do shift; done
			print -l -- ${${(P)2}%%:*}
		}
		words=("$@") CURRENT=$#
		prefix=$words[CURRENT]
		. client/hvmctl.zsh | while read -r line; do [[ $line == $prefix* ]] && print -r -- $line; done
		:' zsh "$@"
}

# offers SHELL WANTED WORDS...: just these, in any order
offers()
{
	shell=$1 wanted=$2
	shift 2
	"in_$shell" "$@" 2>&1 | sed '/^$/d' | sort -u >"$work/offered"
	printf '%s\n' $wanted | sed '/^$/d' | sort -u | diff - "$work/offered"
}

for shell in bash zsh; do
	if ! have "$shell"; then
		skip "$shell offers what there is" "$shell is not installed"
		continue
	fi
	check "$shell offers verbs" offers "$shell" "start status stop" hvmctl st
	check "$shell offers the VMs that there are" offers "$shell" "nautilus linux-1" hvmctl start ''
	check "$shell offers those of the hvmd that is meant" offers "$shell" mine hvmctl --user start ''
	check "$shell offers a VM by its beginning" offers "$shell" nautilus hvmctl console n
	check "$shell offers a verb's own options" offers "$shell" "--hrt --help --host=" hvmctl reset --h
	check "$shell offers levels" offers "$shell" "err warning notice info debug" hvmctl log-level ''
	check "$shell offers nothing behind a verb without arguments" offers "$shell" "" hvmctl version ''
done
finish
