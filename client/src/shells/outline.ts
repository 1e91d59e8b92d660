import type { Command } from 'commander'

/** What a command line may hold, as the definitions have it: completions and the manual are made of this. */
export interface Outline {
  readonly name: string
  readonly summary: string
  readonly description: string
  readonly usage: string
  readonly operands: readonly Operand[]
  readonly options: readonly Flag[]
  /** What its help says below the lists. */
  readonly more: string
}

export interface Operand {
  readonly name: string
  readonly description: string
  readonly isVariadic: boolean
  /** All that it may be, if that is known. */
  readonly choices: readonly string[]
}

export interface Flag {
  readonly long: string
  readonly short: string | undefined
  /** As the help writes it: `--otp <code>`. */
  readonly text: string
  /** What its value is called; `undefined` if it takes none. */
  readonly value: string | undefined
  readonly description: string
}

/** The program itself, and its commands in the order of the help. */
export function outlineOf(program: Command): {
  readonly main: Outline
  readonly commands: readonly Outline[]
} {
  const help = program.createHelp()
  return { main: one(program), commands: help.visibleCommands(program).map(one) }
}

function one(command: Command): Outline {
  const help = command.createHelp()
  return {
    name: command.name(),
    summary: help.subcommandDescription(command),
    description: help.commandDescription(command),
    usage: help.commandUsage(command),
    operands: command.registeredArguments.map(argument => ({
      name: argument.name(),
      description: argument.description,
      isVariadic: argument.variadic,
      choices: argument.argChoices ?? [],
    })),
    options: help.visibleOptions(command).map(option => ({
      long: option.long!,
      short: option.short,
      text: option.flags,
      value: /<(.+)>/.exec(option.flags)?.[1],
      description: help.optionDescription(option),
    })),
    more: moreOf(command),
  }
}

/** Commander gives the texts behind the lists to nobody but the screen. */
function moreOf(command: Command): string {
  let shown = ''
  const before = command.configureOutput()
  command.configureOutput({
    writeOut: text => {
      shown += text
    },
  })
  command.outputHelp()
  command.configureOutput(before)
  return shown.slice(command.helpInformation().length).trim()
}
