"""Print a script that completes commands, flags and names in a shell.

Add to ~/.bashrc:  source <(pycompose completion bash)
"""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument
from compose.cli.parsing import UsageError

_SCRIPTS = {
    "bash": """\
_pycompose() {
    local line directive=:0
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :*) directive=$line ;;
            *) COMPREPLY+=("${line%%$'\\t'*}") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ $directive == :0 && ${#COMPREPLY[@]} -eq 0 ]]; then compopt -o default; fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -F _pycompose pycompose""",
    "zsh": """\
#compdef pycompose
_pycompose() {
    local -a found
    local line directive=:0
    while IFS= read -r line; do
        case $line in
            :*) directive=$line ;;
            *) found+=("${${line//:/\\\\:}/$'\\t'/:}") ;;
        esac
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if [[ $directive == :0 && ${#found} -eq 0 ]]; then _files; else _describe pycompose found; fi
}
compdef _pycompose pycompose""",
    "fish": """\
function __pycompose
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null | string match -rv '^:'
end
complete -c pycompose -f -a '(__pycompose)'""",
}


def command(context: Context, shell: Annotated[str, Argument("bash|zsh|fish", minimum=1)]) -> None:
    if shell not in _SCRIPTS:
        raise UsageError(f'no completion for "{shell}": bash, zsh and fish have one')
    context.console.out.line(_SCRIPTS[shell])
