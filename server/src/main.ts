#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import type { CheckOptions } from './commands/check.ts'
import type { DeviceOptions } from './commands/devices.ts'
import { Failure } from './commands/failure.ts'
import type { InitOptions } from './commands/init.ts'
import type { UserAddOptions } from './commands/user-add.ts'
import type { UserOptions } from './commands/users.ts'
import { BACKENDS, DEFAULT_CONFIG_FILE, DEFAULT_DEVICE } from './config/defaults.ts'
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
  .configureOutput({
    outputError: (text, write) => write(complaint(`${oneLine(text)}; for help: oneknockd --help`)),
  })
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
    new Option('-b, --backend <backend>', 'what guards the ports (default: what this host can do)')
      // Not built yet.
      .choices(BACKENDS.filter(backend => backend !== 'ipset')),
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

const user = program.command('user').description('add, list, show and remove people')

user
  .command('add <name>')
  .description('add somebody with a first device, and print what they need, once')
  .requiredOption('-s, --services <names>', 'what they may open, separated by commas', listed)
  .option('-d, --device <label>', 'the name of their device', DEFAULT_DEVICE)
  .option('--json', 'print one JSON value')
  .option('--invitation-qr', "print the invitation's QR code as well; it needs 31 lines or more")
  .addHelpText(
    'after',
    examples(
      'oneknockd user add alice --services ssh,wiki',
      'oneknockd user add build --services deploy --device runner-1 --json',
    ),
  )
  .action(
    act<UserAddOptions>(async (o, name) =>
      (await import('./commands/user-add.ts')).addUser(name, o),
    ),
  )

user
  .command('list')
  .description('say who there is')
  .option('--json', 'print one JSON value')
  .action(act<UserOptions>(async o => (await import('./commands/users.ts')).listUsers(o)))

user
  .command('show <name>')
  .description('say what one user may do, and with which devices; no secrets')
  .option('--json', 'print one JSON value')
  .action(
    act<UserOptions>(async (o, name) => (await import('./commands/users.ts')).showUser(name, o)),
  )

user
  .command('remove <name>')
  .description('remove somebody with all their devices, at once')
  .option('--json', 'print one JSON value')
  .action(
    act<UserOptions>(async (o, name) => (await import('./commands/users.ts')).removeUser(name, o)),
  )

const device = program.command('device').description('add and remove the devices of a user')

device
  .command('add <user> <label>')
  .description('give a user another device, and print its invitation, once')
  .option('--json', 'print one JSON value')
  .option('--invitation-qr', "print the invitation's QR code as well; it needs 31 lines or more")
  .addHelpText('after', examples('oneknockd device add alice phone'))
  .action(
    act<DeviceOptions>(async (o, name, label) =>
      (await import('./commands/devices.ts')).addDevice(name, label, o),
    ),
  )

device
  .command('remove <user> <label>')
  .description('take a device away from a user, at once')
  .option('--json', 'print one JSON value')
  .addHelpText('after', examples('oneknockd device remove alice phone'))
  .action(
    act<DeviceOptions>(async (o, name, label) =>
      (await import('./commands/devices.ts')).removeDevice(name, label, o),
    ),
  )

// `oneknockd user list | head` has all it wants once the pipe is closed.
process.stdout.on('error', () => process.exit(1))
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

/** Each command is loaded when it is asked for: nobody waits for the daemon to list users. */
function act<Options>(
  run: (options: Options, ...operands: string[]) => Promise<number>,
): (this: Command) => Promise<void> {
  return async function () {
    const options = this.optsWithGlobals()
    const config = resolve(options.config)
    process.exitCode = await run({ ...options, config } as Options, ...this.args)
  }
}

function report(error: unknown): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1
  const known = error instanceof Failure || error instanceof StoreError
  const message = error instanceof Error ? error.message : `${error}`
  const lines = known ? message.split('\n') : [`unexpected: ${oneLine(message)}; please report it`]
  for (const line of lines) process.stderr.write(complaint(line))
  return 1
}

function complaint(line: string): string {
  return `oneknockd: ${line}\n`
}

/** Commander's suggestions stand on a second line. */
function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
}

function listed(text: string): string[] {
  return text.split(',').flatMap(name => name.trim() || [])
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map(line => `  ${line}\n`).join('')}`
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
}
