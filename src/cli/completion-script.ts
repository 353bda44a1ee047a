import type { Shell } from "./completion.ts";

/** What a shell has to read to complete the words of sbdctl; each asks `sbdctl __complete`. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case "bash":
      return BASH;
    case "zsh":
      return ZSH;
    case "fish":
      return FISH;
  }
}

const BASH = `# bash completion of sbdctl: source <(sbdctl completion bash)
_sbdctl() {
  local answer current=\${COMP_WORDS[COMP_CWORD]} line
  answer=$("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :0) compopt -o default ;;
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done <<< "$answer"
}
complete -F _sbdctl sbdctl
`;

const ZSH = `#compdef sbdctl
# zsh completion of sbdctl: source <(sbdctl completion zsh), after compinit
_sbdctl() {
  local line files=0
  local -a found
  while IFS= read -r line; do
    case $line in
      :0) files=1 ;;
      :*) ;;
      *) found+=("\${\${line//:/\\\\:}/$'\\t'/:}") ;;
    esac
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( files )) && _files
  (( \${#found} )) && _describe sbdctl found
}
compdef _sbdctl sbdctl
`;

const FISH = `# fish completion of sbdctl: sbdctl completion fish | source
function __sbdctl_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answer ($words[1] __complete $words[2..-1] 2>/dev/null)
  string match -v -r '^:' -- $answer
  if contains -- :0 $answer
    __fish_complete_path (commandline -ct)
  end
end
complete -c sbdctl -f -a '(__sbdctl_complete)'
`;
