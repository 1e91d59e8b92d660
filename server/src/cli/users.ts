import type { Command } from 'commander'
import type { DeviceOptions } from '../commands/devices.ts'
import type { UserAddOptions } from '../commands/user-add.ts'
import type { UserOptions } from '../commands/users.ts'
import { DEFAULT_DEVICE } from '../config/defaults.ts'
import { act, examples, JSON_OPTION, listed } from './declare.ts'

const INVITATION_QR = [
  '--invitation-qr',
  "print the invitation's QR code as well; it needs 31 lines or more",
] as const

export function declareUsers(program: Command): void {
  const user = program.command('user').description('add, list, lock, reset and remove people')

  user
    .command('add <name>')
    .description('add somebody with a first device, and print what they need, once')
    .requiredOption('-s, --services <names>', 'what they may open, separated by commas', listed)
    .option('-d, --device <label>', 'the name of their device', DEFAULT_DEVICE)
    .option(...JSON_OPTION)
    .option(...INVITATION_QR)
    .addHelpText(
      'after',
      examples(
        'oneknockd user add alice --services ssh,wiki',
        'oneknockd user add build --services deploy --device runner-1 --json',
      ),
    )
    .action(
      act<UserAddOptions>(async (o, name) =>
        (await import('../commands/user-add.ts')).addUser(name, o),
      ),
    )

  user
    .command('list')
    .description('say who there is')
    .option(...JSON_OPTION)
    .action(act<UserOptions>(async o => (await import('../commands/users.ts')).listUsers(o)))

  const onUser = (
    name: string,
    description: string,
    run: (name: string, options: UserOptions) => Promise<number>,
  ) =>
    user
      .command(`${name} <name>`)
      .description(description)
      .option(...JSON_OPTION)
      .addHelpText('after', examples(`oneknockd user ${name} alice`))
      .action(act<UserOptions>((o, who) => run(who, o)))

  onUser('show', 'say what one user may do, and with which devices; no secrets', async (name, o) =>
    (await import('../commands/users.ts')).showUser(name, o),
  )
  onUser('lock', 'shut somebody out at once: grants end, connections are cut', async (name, o) =>
    (await import('../commands/locks.ts')).lockUser(name, o),
  )
  onUser('unlock', 'lift that lock, and the lockout after wrong codes', async (name, o) =>
    (await import('../commands/locks.ts')).unlockUser(name, o),
  )
  onUser('reset', 'a new authenticator and new recovery codes, for a lost phone', async (name, o) =>
    (await import('../commands/reset.ts')).resetUser(name, o),
  )
  onUser('remove', 'remove somebody with all their devices, at once', async (name, o) =>
    (await import('../commands/users.ts')).removeUser(name, o),
  )
}

export function declareDevices(program: Command): void {
  const device = program.command('device').description('add and remove the devices of a user')

  device
    .command('add <user> <label>')
    .description('give a user another device, and print its invitation, once')
    .option('--invitation', 'print the invitation and nothing else, for a pipe to oneknock add')
    .option(...JSON_OPTION)
    .option(...INVITATION_QR)
    .addHelpText(
      'after',
      examples(
        'oneknockd device add alice phone',
        'ssh gate oneknockd device add alice laptop --invitation | oneknock add',
      ),
    )
    .action(
      act<DeviceOptions>(async (o, name, label) =>
        (await import('../commands/devices.ts')).addDevice(name, label, o),
      ),
    )

  device
    .command('remove <user> <label>')
    .description('take a device away from a user, at once')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('oneknockd device remove alice phone'))
    .action(
      act<DeviceOptions>(async (o, name, label) =>
        (await import('../commands/devices.ts')).removeDevice(name, label, o),
      ),
    )
}
