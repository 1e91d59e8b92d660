import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Argument, type Command, type Option } from 'commander'
import { examples } from './declare.ts'

/** Each asks the program itself, so that they never say what another version would. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_oneknockd() {
  local IFS=$'\\n'
  COMPREPLY=($(oneknockd complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _oneknockd oneknockd
`,
  zsh: `#compdef oneknockd
_oneknockd() {
  local -a found
  found=("\${(@f)$(oneknockd complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _oneknockd oneknockd
`,
  fish: `complete -c oneknockd -f -a '(oneknockd complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

/** Lets shells complete commands, options and the names of users. */
export function declareCompletion(program: Command): void {
  program
    .command('completion')
    .description('print what teaches a shell these commands')
    .addArgument(new Argument('<shell>').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      examples(
        'oneknockd completion bash > /etc/bash_completion.d/oneknockd',
        `oneknockd completion zsh > "\${fpath[1]}/_oneknockd"`,
        'oneknockd completion fish > ~/.config/fish/completions/oneknockd.fish',
      ),
    )
    .action((shell: string) => void process.stdout.write(SCRIPTS[shell]!))

  program.command('complete [words...]', { hidden: true }).action((words: readonly string[]) => {
    const found = candidates(program, words.slice(0, -1), words.at(-1) ?? '')
    process.stdout.write(found.map(word => `${word}\n`).join(''))
  })
}

/** What may stand where the cursor is, behind these words. */
function candidates(program: Command, before: readonly string[], begun: string): string[] {
  let command = program
  let operands = 0
  for (let i = 0; i < before.length; i++) {
    const word = before[i]!
    if (word.startsWith('-')) {
      const option = findOption(command, word)
      if (takesValue(option) && !word.includes('=') && i + 1 < before.length) i++
      continue
    }
    const next = command.commands.find(one => one.name() === word)
    if (next) command = next
    else operands++
  }
  const option = findOption(command, before.at(-1) ?? '')
  const words = takesValue(option)
    ? (option?.argChoices ?? [])
    : [...visible(command), ...choices(command, operands), ...flags(command)]
  return words.filter(word => word.startsWith(begun))
}

const takesValue = (option: Option | undefined): boolean =>
  option !== undefined && (option.required || option.optional)

const findOption = (command: Command, word: string): Option | undefined =>
  optionsOf(command).find(({ short, long }) => word === short || word.split('=')[0] === long)

/** Its own, and those that it shares with the whole program. */
const optionsOf = (command: Command): readonly Option[] => [
  ...command.options,
  ...(command.parent ? optionsOf(command.parent) : []),
]

const flags = (command: Command): string[] => [
  ...optionsOf(command).flatMap(({ long }) => long ?? []),
  '--help',
]

const visible = ({ commands }: Command): string[] =>
  commands.map(one => one.name()).filter(name => name !== 'complete')

function choices(command: Command, operand: number): readonly string[] {
  const argument = command.registeredArguments[operand]
  if (!argument) return []
  const isUser =
    argument.name() === 'user' || (argument.name() === 'name' && command.name() !== 'add')
  return argument.argChoices ?? (isUser ? userNames(command) : [])
}

/** Whoever may not look into the folder completes no names. */
function userNames(command: Command): string[] {
  const { config } = command.optsWithGlobals<{ config: string }>()
  try {
    const files = readdirSync(join(dirname(config), 'users'))
    return files.flatMap(file => /^([a-z0-9-]+)\.toml$/.exec(file)?.[1] ?? [])
  } catch {
    return []
  }
}
