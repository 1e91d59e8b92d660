import type { Command } from 'commander'
import type { DoctorFlags } from '../commands/doctor.ts'
import type { ExecFlags } from '../commands/exec.ts'
import type { KnockFlags } from '../commands/knock.ts'
import type { KnockerFlags } from '../commands/knocker.ts'
import { CLOSE_HELP, DOCTOR_HELP, EXEC_HELP, KNOCK_HELP, PROXY_HELP } from '../help.ts'
import type { Definitions } from './definition.ts'

const codes = (command: Command): Command =>
  command
    .option('--otp <code>', 'the one-time code')
    .option('--no-otp', 'send no code: for services that need none')
    .option('--otp-command <command>', 'a command line that prints the code')

const terms = (command: Command): Command =>
  command
    .option('--lifetime <time>', 'how long to ask for, such as 30s, 10m, 1h')
    .option('--address <address>', 'admit this address or prefix, not your own')
    .option('--wait <time>', 'how long to wait if somebody must approve (default: 2m)')

/** What knocks, or would. */
export const KNOCKS: Definitions = {
  knock: (command, { end }) =>
    terms(codes(command))
      .summary('open a door')
      .description('Knock at a target: open services there for this machine, for a while.')
      .argument('<target>')
      .argument('[service...]', 'what to open; none: all that you may open by default')
      .option('--if-needed', 'only if it is not open already; one knock for all who ask at once')
      .option('--port <host:port>', 'with --if-needed: it is open if a service answers there')
      .option('--watch', 'keep it open, also when the address changes, until a signal')
      .option('--close', 'with --watch: close it at the end')
      .option('--json', 'for programs: see below')
      .addHelpText('after', KNOCK_HELP)
      .action(async (target: string, services: string[], flags: KnockFlags) =>
        end(await (await import('../commands/knock.ts')).knockCommand(target, services, flags)),
      ),
  close: (command, { end }) =>
    command
      .summary('close it again')
      .description('Close what this device opened, before its time is up.')
      .argument('<target>')
      .argument('[service...]', 'what to close; none: everything')
      .option('--json', 'for programs: see below')
      .addHelpText('after', CLOSE_HELP)
      .action(async (target: string, services: string[], flags: KnockFlags) =>
        end(await (await import('../commands/knock.ts')).closeCommand(target, services, flags)),
      ),
  proxy: (command, { end }) =>
    terms(command)
      .summary('connect through a door (for ssh)')
      .description('Connect input and output to a service, and knock first if its door is shut.')
      .argument('<target>')
      .argument('<host>')
      .argument('<port>')
      .option('--otp-command <command>', 'a command line that prints the code')
      .addHelpText('after', PROXY_HELP)
      .action(async (target: string, host: string, port: string, flags: KnockerFlags) =>
        end(await (await import('../commands/proxy.ts')).proxyCommand(target, host, port, flags)),
      ),
  exec: (command, { end, command: run = [] }) =>
    terms(codes(command))
      .summary('run a command behind a door')
      .description('Open a door, run a command, and end with its status.')
      .usage('[options] <target> [service...] -- <command...>')
      .argument('<target>')
      .argument('[service...]', 'what to open; none: all that you may open by default')
      .option('--if-needed', 'knock only if it is not open already')
      .option('--close', 'close the door when the command has ended')
      .addHelpText('after', EXEC_HELP)
      .action(async (target: string, services: string[], flags: ExecFlags) =>
        end(await (await import('../commands/exec.ts')).execCommand(target, services, run, flags)),
      ),
  doctor: (command, { end, version }) =>
    command
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
        end(await (await import('../commands/doctor.ts')).doctorCommand(target, flags, version)),
      ),
}
