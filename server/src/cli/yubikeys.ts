import { type Command, Option } from 'commander'
import type { YubiKeyOptions } from '../commands/yubikeys.ts'
import { act, examples, JSON_OPTION, listed } from './declare.ts'

export function declareYubiKeys(program: Command): void {
  const yubikey = program.command('yubikey').description('add and remove the YubiKeys of a user')

  yubikey
    .command('add <user> <label>')
    .description('give a user a token: asks for its public id, private id and key, or reads them')
    .addOption(
      new Option('--generate', 'make new ones, and print what to write into the token').conflicts(
        'online',
      ),
    )
    .option('--online', 'its key is known to a validation server, which is asked each time')
    .option('-s, --services <names>', 'what it opens (default: all that the user may)', listed)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      examples(
        'oneknockd yubikey add alice blue --generate',
        'oneknockd yubikey add alice green --services wiki < token.txt',
      ),
    )
    .action(
      act<YubiKeyOptions>(async (o, name, label) =>
        (await import('../commands/yubikeys.ts')).addYubiKey(name, label, o),
      ),
    )

  yubikey
    .command('remove <user> <label>')
    .description('take a token away from a user, at once')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('oneknockd yubikey remove alice blue'))
    .action(
      act<YubiKeyOptions>(async (o, name, label) =>
        (await import('../commands/yubikeys.ts')).removeYubiKey(name, label, o),
      ),
    )
}
