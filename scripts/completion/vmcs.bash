# SPDX-License-Identifier: BSD-2-Clause
# Completion of scripts/vmcs for bash:  . scripts/completion/vmcs.bash
# Verbs and options come from `vmcs --help`, so they are never out of date; after FILE@ it
# offers the tags of that file's dumps, after --tag and --cpu those of the file named before,
# after --reason the exit reasons of the project's table.

# All words of the form --option, -x in the help of a verb.
_vmcs_options()
{
	"$1" ${2:+"$2"} --help 2>/dev/null | grep -oE '(^|[[:space:],])--?[a-zA-Z][a-z-]*' |
		tr -d ' ,\t' | sort -u
}

# The lines "    verb  text" of the help, under "VERB".
_vmcs_verbs()
{
	"$1" --help 2>/dev/null | sed -n 's/^    \([a-z][a-z-]*\)\( .*\)*$/\1/p'
}

# Field 4 of `vmcs list`: the tags.
_vmcs_tags()
{
	"$1" list "$2" 2>/dev/null | awk 'NR > 1 && $4 !~ /^(ours|xmhf64|kvm|xen)$/ { print $4 } NR > 1 { print $1 }' |
		sort -u
}

# bash splits words at @ and =; this puts the present one together again.
_vmcs_word()
{
	local line=${COMP_LINE:0:COMP_POINT}
	printf '%s' "${line##*[[:space:]]}"
}

# The tags or CPUs of the dumps of a file that the line names.
_vmcs_column()
{
	local i file
	for ((i = COMP_CWORD; i > 1; i--)); do
		file=${COMP_WORDS[i]%@*}
		[ ! -f "$file" ] || break
		file=
	done
	[ -n "$file" ] || file=$(_vmcs_first_file)
	[ -n "$file" ] || return
	if [ "$2" = tag ]; then
		_vmcs_tags "$1" "$file"
	else
		"$1" list "$file" 2>/dev/null | awk 'NR > 1 && $3 ~ /^(0x|d[0-9])/ { print $3 }' | sort -u
	fi
}

# A file behind the cursor: vmcs show --tag <Tab> FILE.
_vmcs_first_file()
{
	local i
	for ((i = 2; i < ${#COMP_WORDS[@]}; i++)); do
		if [ -f "${COMP_WORDS[i]}" ]; then
			printf '%s' "${COMP_WORDS[i]}"
			return
		fi
	done
}

# The short names of exit reasons, out of the table.
_vmcs_reasons()
{
	local folder
	folder=$(dirname "$(readlink -f "$(command -v "$1")")")
	sed -n 's/^EXIT_REASON(.*"\([a-z0-9-]*\)").*/\1/p' "$folder/../xmhf/x86/exit_reasons.def" 2>/dev/null
}

# Words separated by commas: offers the next one.
_vmcs_list()
{
	local before=
	case $1 in *,*) before=${1%,*}, ;; esac
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$2" -- "${1##*,}")
}

_vmcs_replies()
{
	local word=$1
	shift
	mapfile -t COMPREPLY < <(compgen "$@" -- "$word")
}

_vmcs()
{
	local program=${COMP_WORDS[0]} verb='' i word previous file
	COMPREPLY=()
	program=${program/#\~/$HOME}
	word=$(_vmcs_word)
	previous=${COMP_WORDS[COMP_CWORD - 1]}
	case $word in
	--*=*)
		previous=${word%%=*}
		word=${word#*=}
		;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	if [ -z "$verb" ]; then
		_vmcs_replies "$word" -W "$(_vmcs_verbs "$program") --help"
		return
	fi
	case $previous in
	--vmcs) _vmcs_replies "$word" -W '01 12 02'; return ;;
	--color) _vmcs_replies "$word" -W 'auto always never'; return ;;
	--kind) _vmcs_replies "$word" -W '101 102 201 202 exit'; return ;;
	--sort) _vmcs_replies "$word" -W 'time samples'; return ;;
	--by) _vmcs_list "$word" 'reason vector kind cpu rip qualification'; return ;;
	-i | --ignore) _vmcs_list "$word" 'host guest control read-only tsc address registers unknown msrs'; return ;;
	--timeline) _vmcs_replies "$word" -W '0 10 20 50 100'; return ;;
	--top) _vmcs_replies "$word" -W '5 10 20 50'; return ;;
	-n | --number) _vmcs_replies "$word" -W '1 2 3 -1 -2'; return ;;
	-j | --jobs) _vmcs_replies "$word" -W '1 2 4'; return ;;
	--reason) _vmcs_replies "$word" -W "$(_vmcs_reasons "$program")"; return ;;
	-t | --tag) _vmcs_replies "$word" -W "$(_vmcs_column "$program" tag)"; return ;;
	-c | --cpu) _vmcs_replies "$word" -W "$(_vmcs_column "$program" cpu)"; return ;;
	esac
	case $word in
	-*) _vmcs_replies "$word" -W "$(_vmcs_options "$program" "$verb")" ;;
	*@*)
		file=${word%@*}
		if [ -z "$file" ]; then
			# @TAG: of the file named before.
			for ((i = COMP_CWORD - 1; i > 1; i--)); do
				file=${COMP_WORDS[i]%@*}
				[ ! -f "$file" ] || break
				file=
			done
			[ -n "$file" ] || return
			mapfile -t COMPREPLY < <(compgen -W "$(_vmcs_tags "$program" "$file")" -- "${word#@}")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_vmcs_tags "$program" "$file")" -- "${word##*@}")
		fi
		case $COMP_WORDBREAKS in
		*@*) ;;
		*) COMPREPLY=("${COMPREPLY[@]/#/${word%@*}@}") ;;
		esac ;;
	*) compopt -o filenames 2>/dev/null; _vmcs_replies "$word" -f ;;
	esac
}

complete -F _vmcs vmcs scripts/vmcs ./scripts/vmcs
