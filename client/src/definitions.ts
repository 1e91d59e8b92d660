import { Argument, Command } from 'commander'
import type { AddFlags } from './commands/add.ts'
import type { Shell } from './commands/completion.ts'
import type { DoctorFlags } from './commands/doctor.ts'
import type { ExecFlags } from './commands/exec.ts'
import type { KnockFlags } from './commands/knock.ts'
import type { KnockerFlags } from './commands/knocker.ts'
import type { ListFlags } from './commands/list.ts'
import {
  ADD_HELP,
  CLOSE_HELP,
  COMPLETION_HELP,
  DOCTOR_HELP,
  EXEC_HELP,
  KNOCK_HELP,
  LOCK_HELP,
  MAIN_HELP,
  PROXY_HELP,
} from './help.ts'

export interface Definition {
  readonly version: string
  /** Says what is wrong with a command line. */
  readonly complain: (text: string) => void
  /** What `exec` is to run. */
  readonly command?: readonly string[]
  /** Takes the status that a command ends with. */
  readonly end: (status: number) => void
}

/**
 * The commands and their options: help, completions and manual are made of this. What a command does
 * is loaded when it runs.
 */
export function defineCommands({ version, complain, command = [], end }: Definition): Command {
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
    .option('--totp-secret', "keep the authenticator's secret too: for machines only, see below")
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
    .command('lock')
    .summary('seal a key with a passphrase')
    .description('Seal the key of a target with a passphrase, asked for or on stdin.')
    .argument('<target>')
    .addHelpText('after', LOCK_HELP)
    .action(async (target: string) =>
      end(await (await import('./commands/lock.ts')).lockCommand(target)),
    )
  program
    .command('unlock')
    .summary('take the passphrase off again')
    .description('Keep the key of a target without a passphrase again.')
    .argument('<target>')
    .action(async (target: string) =>
      end(await (await import('./commands/lock.ts')).unlockCommand(target)),
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
    .option('--if-needed', 'only if it is not open already; one knock for all who ask at once')
    .option('--port <host:port>', 'with --if-needed: it is open if a service answers there')
    .option('--watch', 'keep it open, also when the address changes, until a signal')
    .option('--close', 'with --watch: close it at the end')
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
  program
    .command('proxy')
    .summary('connect through a door (for ssh)')
    .description('Connect input and output to a service, and knock first if its door is shut.')
    .argument('<target>')
    .argument('<host>')
    .argument('<port>')
    .option('--otp-command <command>', 'a command line that prints the code')
    .option('--lifetime <time>', 'how long to ask for, such as 30s, 10m, 1h')
    .option('--address <address>', 'admit this address or prefix, not your own')
    .option('--wait <time>', 'how long to wait if somebody must approve (default: 2m)')
    .addHelpText('after', PROXY_HELP)
    .action(async (target: string, host: string, port: string, flags: KnockerFlags) =>
      end(await (await import('./commands/proxy.ts')).proxyCommand(target, host, port, flags)),
    )
  program
    .command('exec')
    .summary('run a command behind a door')
    .description('Open a door, run a command, and end with its status.')
    .usage('[options] <target> [service...] -- <command...>')
    .argument('<target>')
    .argument('[service...]', 'what to open; none: all that you may open by default')
    .option('--otp <code>', 'the one-time code')
    .option('--no-otp', 'send no code: for services that need none')
    .option('--otp-command <command>', 'a command line that prints the code')
    .option('--lifetime <time>', 'how long to ask for, such as 30s, 10m, 1h')
    .option('--address <address>', 'admit this address or prefix, not your own')
    .option('--wait <time>', 'how long to wait if somebody must approve (default: 2m)')
    .option('--if-needed', 'knock only if it is not open already')
    .option('--close', 'close the door when the command has ended')
    .addHelpText('after', EXEC_HELP)
    .action(async (target: string, services: string[], flags: ExecFlags) =>
      end(await (await import('./commands/exec.ts')).execCommand(target, services, command, flags)),
    )
  program
    .command('doctor')
    .summary('find what is wrong')
    .description('Find what keeps a target from opening, and say what to do about it.')
    .argument('<target>')
    .option('--knock', 'knock too: shows whether the door opens; takes a code')
    .option('--port <host:port>', 'with --knock: see whether a service answers there')
    .option('--otp <code>', 'the one-time code')
    .option('--otp-command <command>', 'a command line that prints the code')
    .option('--json', 'a JSON object')
    .addHelpText('after', DOCTOR_HELP)
    .action(async (target: string, flags: DoctorFlags) =>
      end(await (await import('./commands/doctor.ts')).doctorCommand(target, flags, version)),
    )
  program
    .command('completion')
    .summary('teach a shell to complete')
    .description('Print the script that teaches a shell to complete commands, options and targets.')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', COMPLETION_HELP)
    .action(async (shell: Shell) =>
      end((await import('./commands/completion.ts')).completionCommand(shell, program)),
    )
  return program
}
