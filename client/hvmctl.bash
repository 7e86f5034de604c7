# hvmctl.bash - bash completion for hvmctl; a unit test holds it to the tables of verbs and options

# The words of the command line that say which hvmd, so that the names offered are its.
_hvmctl_bus()
{
	local word
	for word in "${COMP_WORDS[@]}"; do
		case $word in --user | --system) printf '%s\n' "$word" ;; esac
	done
}

_hvmctl_names()
{
	hvmctl list --no-legend $(_hvmctl_bus) 2>/dev/null | while read -r name _; do printf '%s\n' "$name"; done
}

_hvmctl()
{
	local verbs='list status define undefine validate cat enable disable verify start stop terminate reset load
		console log telemetry plan memmap digest capabilities reload log-level version help'
	local options='--system --user --bus= --host= --quiet --json= --no-legend --help --version'
	local current=${COMP_WORDS[COMP_CWORD]} verb= word

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case " ${verbs//[[:space:]]/ } " in *" $word "*) verb=$word && break ;; esac
	done
	case $verb in
	cat) options+=' --running' ;;
	define) options+=' --name= --set= --warn=' ;;
	start) options+=' --append= --append-ros= --append-hrt= --wait' ;;
	stop) options+=' --timeout=' ;;
	reset) options+=' --ros --hrt' ;;
	load) options+=' --hrt' ;;
	console) options+=' --ros --hrt --force --read-only' ;;
	log) options+=' --ros --hrt --follow --lines=' ;;
	telemetry) options+=' --group=' ;;
	validate) options+=' --name= --set= --warn= --monitor=' ;;
	digest) options+=' --running --record --set= --warn= --monitor=' ;;
	plan) options+=' --set= --warn= --monitor=' ;;
	esac
	case $verb,$current in
	*,-*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
	,* | help,*) COMPREPLY=($(compgen -W "$verbs" -- "$current")) ;;
	define,* | validate,*) COMPREPLY=($(compgen -f -- "$current")) ;;
	load,* | plan,* | digest,*) COMPREPLY=($(compgen -f -- "$current") $(compgen -W "$(_hvmctl_names)" -- "$current")) ;;
	log-level,*) COMPREPLY=($(compgen -W 'err warning notice info debug' -- "$current")) ;;
	capabilities,* | reload,* | version,*) COMPREPLY=() ;;
	*) COMPREPLY=($(compgen -W "$(_hvmctl_names)" -- "$current")) ;;
	esac
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

complete -o filenames -F _hvmctl hvmctl
