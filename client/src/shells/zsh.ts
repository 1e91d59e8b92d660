import { offerFor, SERVICES_SCRIPT } from './offers.ts'
import type { Flag, Operand, Outline } from './outline.ts'

/** What zsh runs when somebody presses TAB. It starts no Node: the profiles tell all. */
export function zshCompletion(main: Outline, commands: readonly Outline[]): string {
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`)
  return `#compdef oneknock
# zsh completion for oneknock: oneknock completion zsh > "\${fpath[1]}/_oneknock"

_oneknock_folder() {
  print -r -- "\${XDG_CONFIG_HOME:-$HOME/.config}/oneknock"
}

_oneknock_targets() {
  local -a names
  names=("$(_oneknock_folder)"/*.json(N:t:r))
  compadd -a names
}

# The target is the first word behind the command that is no option.
_oneknock_services() {
  local -a names
  local target=\${\${words[2,-1]:#-*}[1]}
  names=(\${(f)"$(sed -n '${SERVICES_SCRIPT}' "$(_oneknock_folder)/$target.json" 2>/dev/null)"})
  compadd -a names
}

_oneknock() {
  local context state line
  local -a commands
  local -i at
  commands=(
${described.join('\n')}
  )
  _arguments -C ${main.options.map(flagSpec).join(' ')} '1:command:->command' '*::operand:->operand'
  case $state in
    command) _describe command commands ;;
    operand)
      # What exec runs completes as it would by itself.
      at=\${words[(i)--]}
      if ((at < CURRENT)); then
        shift $at words
        ((CURRENT -= at))
        _normal
        return
      fi
      case $words[1] in
${commands.map(command => branch(command, commands)).join('\n')}
      esac
      ;;
  esac
}

# Loaded by itself as a function of fpath, or sourced.
if [[ $funcstack[1] == _oneknock ]]; then
  _oneknock "$@"
else
  compdef _oneknock oneknock
fi
`
}

function branch({ name, options, operands }: Outline, commands: readonly Outline[]): string {
  const specs = [
    ...options.map(flagSpec),
    ...operands.map((operand, i) => operandSpec(operand, i + 1, commands)),
  ]
  return `        ${name})
          _arguments ${specs.join(' \\\n            ')}
          ;;`
}

const flagSpec = ({ long, value, description }: Flag): string =>
  quoted(`${long}[${escaped(description)}]${value === undefined ? '' : `:${escaped(value)}: `}`)

function operandSpec(operand: Operand, position: number, commands: readonly Outline[]): string {
  const place = operand.isVariadic ? '*' : `${position}`
  return quoted(`${place}:${operand.name}:${actionFor(operand, commands)}`)
}

function actionFor(operand: Operand, commands: readonly Outline[]): string {
  const offer = offerFor(operand, commands)
  switch (offer.kind) {
    case 'words':
      return `(${offer.words.join(' ')})`
    case 'targets':
      return '_oneknock_targets'
    case 'services':
      return '_oneknock_services'
    case 'nothing':
      return ' '
  }
}

/** In a description these end it. */
const escaped = (text: string): string => text.replaceAll(/[\\[\]:]/g, '\\$&')

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
