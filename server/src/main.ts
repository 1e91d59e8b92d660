#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { declareAudit } from './cli/audit.ts'
import { declareCompletion } from './cli/completion.ts'
import { declareDaemon } from './cli/daemon.ts'
import { act, examples } from './cli/declare.ts'
import { declareFirewall } from './cli/firewall.ts'
import { declareOtp } from './cli/otp.ts'
import { declareDevices, declareUsers } from './cli/users.ts'
import { declareYubiKeys } from './cli/yubikeys.ts'
import type { CheckOptions } from './commands/check.ts'
import { Failure } from './commands/failure.ts'
import type { InitOptions } from './commands/init.ts'
import { BACKENDS, DEFAULT_CONFIG_FILE } from './config/defaults.ts'
import { StoreError } from './users/store.ts'

const program = new Command('oneknockd')
  .description('Opens a door for the one packet that knocks right, and closes it again.')
  .addOption(
    new Option('-c, --config <file>', 'the configuration')
      .env('ONEKNOCKD_CONFIG')
      .default(DEFAULT_CONFIG_FILE),
  )
  .version(version())
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()
  .addHelpText(
    'after',
    examples(
      'oneknockd init --public gate.example.com   write a first configuration',
      'oneknockd check                            say everything that is wrong with it',
      'oneknockd user add alice --services ssh    let somebody in',
      'oneknockd run                              open doors',
    ),
  )

program
  .command('init')
  .description('write a first configuration, and make the folders it names')
  .option('-d, --dir <dir>', 'put everything below this folder')
  .addOption(
    new Option(
      '-b, --backend <backend>',
      'what guards the ports (default: what this host can do)',
    ).choices(BACKENDS),
  )
  .option(
    '-p, --public <host:port>',
    "where clients send their packets (default: this host's name)",
  )
  .addHelpText(
    'after',
    examples(
      'oneknockd init --public gate.example.com',
      'oneknockd init --dir ./try --backend gate --public 127.0.0.1   needs no root',
    ),
  )
  .action(act<InitOptions>(async o => (await import('./commands/init.ts')).init(o)))

program
  .command('check')
  .description('say everything that is wrong with the configuration and the users')
  .action(act<CheckOptions>(async o => (await import('./commands/check.ts')).check(o)))

program
  .command('run')
  .description('open doors, until told to stop')
  .addHelpText('after', examples('oneknockd run --config ./try/oneknockd.toml'))
  .action(act<{ config: string }>(async o => (await import('./commands/run.ts')).run(o)))

program
  .command('helper')
  .description('run the commands of services whose exec has `as`, as that account; for root')
  .action(act<{ config: string }>(async o => (await import('./commands/helper.ts')).helper(o)))

declareDaemon(program)
declareUsers(program)
declareDevices(program)
declareYubiKeys(program)
declareOtp(program)
declareAudit(program)
declareFirewall(program)
declareCompletion(program)
leadToHelp(program, program.name())

process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  // `oneknockd user list | head` has all it wants once the pipe is closed.
  if (code !== 'EPIPE')
    process.stderr.write(
      complaint(`cannot write the answer (${code}); see where standard output goes`),
    )
  process.exit(1)
})
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

/** What is wrong with a command line ends with the help for that very command. */
function leadToHelp(command: Command, name: string): void {
  command.configureOutput({
    outputError: (text, write) => write(complaint(`${oneLine(text)}; for help: ${name} --help`)),
  })
  for (const one of command.commands) leadToHelp(one, `${name} ${one.name()}`)
}

function report(error: unknown): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 && !isVerifying() ? 0 : 1
  const known = error instanceof Failure || error instanceof StoreError
  const message = error instanceof Error ? error.message : `${error}`
  const lines = known ? message.split('\n') : [`unexpected: ${oneLine(message)}; please report it`]
  for (const line of lines) process.stderr.write(complaint(line))
  return 1
}

/**
 * Whose code `otp verify` is asked about may be anybody's word, such as `--version`: nothing but a
 * right code ends it with 0.
 */
function isVerifying(): boolean {
  const { argv } = process
  return argv.some((word, index) => word === 'otp' && argv[index + 1] === 'verify')
}

function complaint(line: string): string {
  return `oneknockd: ${line}\n`
}

/** Commander's suggestions stand on a second line, and some of its messages end like sentences. */
function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replace(/\.$/, '')
    .replaceAll(/\s*\n\s*/g, ' ')
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
}
