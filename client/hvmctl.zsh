#compdef hvmctl
# hvmctl.zsh - zsh completion for hvmctl, which says itself what verbs and options it has

# The options of the line that say which hvmd, so that the names offered are its.
_hvmctl_bus()
{
	local word
	for word in $words; do
		case $word in --user | --system | --bus=* | --host=*) print -r -- $word ;; esac
	done
}

_hvmctl_names()
{
	local -a names
	names=(${(f)"$(_call_program vms hvmctl list --no-legend $(_hvmctl_bus) 2>/dev/null | sed 's/ .*//')"})
	_describe 'virtual machine' names
}

# "  start NAME...   Start VMs" becomes "start:Start VMs".
_hvmctl_verbs()
{
	local -a verbs
	verbs=(${(f)"$(_call_program verbs hvmctl help | sed -n 's/^  \([a-z][a-z-]*\)\( [^ ]*\)*   *\(.*\)/\1:\3/p')"})
	_describe 'verb' verbs
}

# " -H --host=[USER@]HOST   Talk ..." becomes "--host=:Talk ...".
_hvmctl_options()
{
	local -a options
	options=(${(f)"$(_call_program options hvmctl help $1 | sed -n 's/^  *\(-[A-Za-z]\)\{0,1\} *\(--[a-z-]*\)\(=\{0,1\}\)[^ ]*  *\(.*\)/\2\3:\4/p')"})
	_describe -o 'option' options -S ''
}

_hvmctl()
{
	local verb= word
	for word in ${words[2,CURRENT-1]}; do
		[[ $word == -* ]] || { verb=$word; break }
	done
	if [[ $words[CURRENT] == -* ]]; then
		_hvmctl_options
		[[ -z $verb ]] || _hvmctl_options $verb
		return
	fi
	case $verb in
	'' | help) _hvmctl_verbs ;;
	define | validate) _files ;;
	load | plan) _hvmctl_names; _files ;;
	log-level) compadd err warning notice info debug ;;
	capabilities | reload | version) ;;
	*) _hvmctl_names ;;
	esac
}

_hvmctl "$@"
