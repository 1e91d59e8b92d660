import { Command } from 'commander'
import type { AddFlags } from './commands/add.ts'
import type { KnockFlags } from './commands/knock.ts'
import type { ListFlags } from './commands/list.ts'
import type { Exit } from './exit.ts'
import { ADD_HELP, CLOSE_HELP, KNOCK_HELP, MAIN_HELP } from './help.ts'

export interface Definition {
  readonly version: string
  /** Says what is wrong with a command line. */
  readonly complain: (text: string) => void
  /** Takes what a command ends with. */
  readonly end: (exit: Exit) => void
}

/**
 * The commands and their options: help, completions and manual are made of this. What a command does
 * is loaded when it runs.
 */
export function defineCommands({ version, complain, end }: Definition): Command {
  const program = new Command('oneknock')
    .description('One packet opens one door: knock at a server with a one-time code.')
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: complain })
    .addHelpText('after', MAIN_HELP)

  program
    .command('add')
    .summary('take up an invitation')
    .description('Take up an invitation: its server becomes a target to knock at.')
    .argument('[invitation]', 'better pasted when asked, or on stdin: here others can see it')
    .option('--name <name>', 'call the target this, not what its server calls itself')
    .option('--otp-command <command>', 'a command line that prints a code')
    .addHelpText('after', ADD_HELP)
    .action(async (invitation: string | undefined, flags: AddFlags) =>
      end(await (await import('./commands/add.ts')).addCommand(invitation, flags)),
    )
  program
    .command('list')
    .summary('list the targets')
    .description('List the targets.')
    .option('--json', 'one JSON object a line')
    .action(async (flags: ListFlags) =>
      end(await (await import('./commands/list.ts')).listCommand(flags)),
    )
  program
    .command('show')
    .summary('show a target')
    .description('Show what is kept of a target, all but the key.')
    .argument('<target>')
    .option('--json', 'a JSON object')
    .action(async (target: string, flags: ListFlags) =>
      end(await (await import('./commands/list.ts')).showCommand(target, flags)),
    )
  program
    .command('remove')
    .summary('forget a target')
    .description('Forget a target and its key.')
    .argument('<target>')
    .action(async (target: string) =>
      end(await (await import('./commands/remove.ts')).removeCommand(target)),
    )
  program
    .command('knock')
    .summary('open a door')
    .description('Knock at a target: open services there for this machine, for a while.')
    .argument('<target>')
    .argument('[service...]', 'what to open; none: all that you may open by default')
    .option('--otp <code>', 'the one-time code')
    .option('--no-otp', 'send no code: for services that need none')
    .option('--otp-command <command>', 'a command line that prints the code')
    .option('--lifetime <time>', 'how long to ask for, such as 30s, 10m, 1h')
    .option('--address <address>', 'admit this address or prefix, not your own')
    .option('--wait <time>', 'how long to wait if somebody must approve (default: 2m)')
    .option('--json', 'for programs: see below')
    .addHelpText('after', KNOCK_HELP)
    .action(async (target: string, services: string[], flags: KnockFlags) =>
      end(await (await import('./commands/knock.ts')).knockCommand(target, services, flags)),
    )
  program
    .command('close')
    .summary('close it again')
    .description('Close what this device opened, before its time is up.')
    .argument('<target>')
    .argument('[service...]', 'what to close; none: everything')
    .option('--json', 'for programs: see below')
    .addHelpText('after', CLOSE_HELP)
    .action(async (target: string, services: string[], flags: KnockFlags) =>
      end(await (await import('./commands/knock.ts')).closeCommand(target, services, flags)),
    )
  return program
}
