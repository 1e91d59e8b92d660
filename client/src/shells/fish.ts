import { offerFor, SERVICES_SCRIPT, valuedOptions } from './offers.ts'
import type { Flag, Operand, Outline } from './outline.ts'

/** What fish runs when somebody presses TAB. It starts no Node: the profiles tell all. */
export function fishCompletion(main: Outline, commands: readonly Outline[]): string {
  return `# fish completion for oneknock: oneknock completion fish | source

function __oneknock_folder
    if test -n "$XDG_CONFIG_HOME"
        echo $XDG_CONFIG_HOME/oneknock
    else
        echo $HOME/.config/oneknock
    end
end

function __oneknock_targets
    for file in (__oneknock_folder)/*.json
        string replace -r '.*/(.*)\\.json$' '$1' $file
    end
end

function __oneknock_services
    set -l words (__oneknock_words)
    sed -n ${quoted(SERVICES_SCRIPT)} (__oneknock_folder)/$words[2].json 2>/dev/null
end

# The words before the cursor that are no options, and no values of options.
function __oneknock_words
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --
                break
            case ${valuedOptions(commands).join(' ')}
                set skip 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

function __oneknock_in -a command
    set -l words (__oneknock_words)
    test "$words[1]" = $command; and not contains -- -- (commandline -opc)
end

function __oneknock_at -a command position
    __oneknock_in $command; and test (count (__oneknock_words)) -eq $position
end

function __oneknock_from -a command position
    __oneknock_in $command; and test (count (__oneknock_words)) -ge $position
end

complete -c oneknock -f
complete -c oneknock -n 'contains -- -- (commandline -opc)' -F
${main.options.map(flag => flagLine(flag, 'test (count (__oneknock_words)) -eq 0')).join('\n')}
${commands.map(command => linesFor(command, commands)).join('\n')}
`
}

function linesFor(command: Outline, commands: readonly Outline[]): string {
  const { name, summary, options, operands } = command
  return [
    `complete -c oneknock -n 'test (count (__oneknock_words)) -eq 0' -a ${name} -d ${quoted(summary)}`,
    ...options.map(flag => flagLine(flag, `__oneknock_in ${name}`)),
    ...operands.flatMap((operand, i) => operandLine(name, operand, i + 1, commands)),
  ].join('\n')
}

function flagLine({ long, value, description }: Flag, condition: string): string {
  const takes = value === undefined ? '' : ' -x'
  return `complete -c oneknock -n '${condition}' -l ${long.slice(2)}${takes} -d ${quoted(description)}`
}

function operandLine(
  name: string,
  operand: Operand,
  position: number,
  commands: readonly Outline[],
): string[] {
  const words = wordsFor(operand, commands)
  const condition = `__oneknock_${operand.isVariadic ? 'from' : 'at'} ${name} ${position}`
  return words === '' ? [] : [`complete -c oneknock -n '${condition}' -a '${words}'`]
}

function wordsFor(operand: Operand, commands: readonly Outline[]): string {
  const offer = offerFor(operand, commands)
  switch (offer.kind) {
    case 'words':
      return offer.words.join(' ')
    case 'targets':
      return '(__oneknock_targets)'
    case 'services':
      return '(__oneknock_services)'
    case 'nothing':
      return ''
  }
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
