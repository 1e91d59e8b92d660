import { Argument, Command } from 'commander'
import type { Shell } from './commands/completion.ts'
import type { Definition, Definitions } from './definitions/definition.ts'
import { KNOCKS } from './definitions/knocks.ts'
import { TARGETS } from './definitions/targets.ts'
import { COMPLETION_HELP, MAIN_HELP } from './help.ts'
import { print } from './output.ts'

/** Prints what the definitions make of themselves. */
const SHELLS: Definitions = {
  completion: (command, definition) =>
    command
      .summary('teach a shell to complete')
      .description(
        'Print the script that teaches a shell to complete commands, options and targets.',
      )
      .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
      .addHelpText('after', COMPLETION_HELP)
      .action(async (shell: Shell) => {
        const { completionCommand } = await import('./commands/completion.ts')
        definition.end(completionCommand(shell, defineCommands(definition)))
      }),
}

const COMMANDS: Definitions = { ...TARGETS, ...KNOCKS, ...SHELLS }

/**
 * The commands and their options: help, completions and manual are made of this. A knock defines only
 * itself: the others would keep it waiting for a millisecond.
 */
export function defineCommands(definition: Definition, only?: string): Command {
  const program = new Command('oneknock')
    .description('One packet opens one door: knock at a server with a one-time code.')
    .version(definition.version)
    .exitOverride()
    .configureOutput({
      outputError: text => definition.complain(text, 'oneknock'),
      writeOut: print,
    })
    .addHelpText('after', MAIN_HELP)
  const isKnown = only !== undefined && Object.hasOwn(COMMANDS, only)
  for (const name of isKnown ? [only] : Object.keys(COMMANDS)) {
    const outputError = (text: string) => definition.complain(text, `oneknock ${name}`)
    COMMANDS[name]!(program.command(name).configureOutput({ outputError }), definition)
  }
  return program
}
