import { offerFor, SERVICES_SCRIPT, valuedOptions } from './offers.ts'
import type { Operand, Outline } from './outline.ts'

/** What bash runs when somebody presses TAB. It starts no Node: the profiles tell all. */
export function bashCompletion(main: Outline, commands: readonly Outline[]): string {
  const first = [...commands.map(({ name }) => name), ...main.options.map(({ long }) => long)]
  return `# bash completion for oneknock: source <(oneknock completion bash)

_oneknock_folder() {
  printf %s "\${XDG_CONFIG_HOME:-$HOME/.config}/oneknock"
}

_oneknock_targets() {
  local file
  for file in "$(_oneknock_folder)"/*.json; do
    [[ -e $file ]] || continue
    file=\${file##*/}
    printf '%s\\n' "\${file%.json}"
  done
}

_oneknock_services() {
  sed -n '${SERVICES_SCRIPT}' "$(_oneknock_folder)/$1.json" 2>/dev/null
}

_oneknock() {
  local current=\${COMP_WORDS[COMP_CWORD]} command='' target='' skip='' word offers='' i
  local -i operands=0
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -n $skip ]]; then
      skip=''
      continue
    fi
    case $word in
      --)
        # What exec runs completes as it would by itself.
        declare -F _command_offset >/dev/null && _command_offset $((i + 1))
        return
        ;;
      ${valuedOptions(commands).join(' | ')}) skip=1 ;;
      -*) ;;
      *)
        if [[ -z $command ]]; then
          command=$word
        else
          operands+=1
          [[ $operands -eq 1 ]] && target=$word
        fi
        ;;
    esac
  done
  [[ -n $skip ]] && return

  case $command in
    '') offers='${first.join(' ')}' ;;
${commands.map(command => branch(command, commands)).join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$offers" -- "$current")
}

complete -F _oneknock oneknock
`
}

function branch({ name, options, operands }: Outline, commands: readonly Outline[]): string {
  const flags = options.map(({ long }) => long).join(' ')
  const cases = operands.map((operand, i) => {
    const position = operand.isVariadic ? '*' : `${i}`
    return `          ${position}) offers=${wordsFor(operand, commands)} ;;`
  })
  return `    ${name})
      if [[ $current == -* ]]; then
        offers='${flags}'
      else
        case $operands in
${cases.join('\n')}
        esac
      fi
      ;;`
}

function wordsFor(operand: Operand, commands: readonly Outline[]): string {
  const offer = offerFor(operand, commands)
  switch (offer.kind) {
    case 'words':
      return `'${offer.words.join(' ')}'`
    case 'targets':
      return '$(_oneknock_targets)'
    case 'services':
      return '$(_oneknock_services "$target")'
    case 'nothing':
      return "''"
  }
}
