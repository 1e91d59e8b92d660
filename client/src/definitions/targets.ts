import type { AddFlags } from '../commands/add.ts'
import type { ListFlags } from '../commands/list.ts'
import { ADD_HELP, LOCK_HELP } from '../help.ts'
import type { Definitions } from './definition.ts'

/** What is done with targets at home: nothing of it leaves this machine. */
export const TARGETS: Definitions = {
  add: (command, { end }) =>
    command
      .summary('take up an invitation')
      .description('Take up an invitation: its server becomes a target to knock at.')
      .argument('[invitation]', 'better pasted when asked, or on stdin: here others can see it')
      .option('--name <name>', 'call the target this, not what its server calls itself')
      .option('--otp-command <command>', 'a command line that prints a code')
      .option('--http <url>', 'where packets go when UDP does not get through')
      .option('--totp-secret', "keep the authenticator's secret too: for machines only, see below")
      .addHelpText('after', ADD_HELP)
      .action(async (invitation: string | undefined, flags: AddFlags) =>
        end(await (await import('../commands/add.ts')).addCommand(invitation, flags)),
      ),
  list: (command, { end }) =>
    command
      .summary('list the targets')
      .description('List the targets.')
      .option('--json', 'one JSON object a line')
      .action(async (flags: ListFlags) =>
        end(await (await import('../commands/list.ts')).listCommand(flags)),
      ),
  show: (command, { end }) =>
    command
      .summary('show a target')
      .description('Show what is kept of a target, all but the key.')
      .argument('<target>')
      .option('--json', 'a JSON object')
      .action(async (target: string, flags: ListFlags) =>
        end(await (await import('../commands/list.ts')).showCommand(target, flags)),
      ),
  remove: (command, { end }) =>
    command
      .summary('forget a target')
      .description('Forget a target and its key.')
      .argument('<target>')
      .action(async (target: string) =>
        end(await (await import('../commands/remove.ts')).removeCommand(target)),
      ),
  lock: (command, { end }) =>
    command
      .summary('seal a key with a passphrase')
      .description('Seal the key of a target with a passphrase, asked for or on stdin.')
      .argument('<target>')
      .addHelpText('after', LOCK_HELP)
      .action(async (target: string) =>
        end(await (await import('../commands/lock.ts')).lockCommand(target)),
      ),
  unlock: (command, { end }) =>
    command
      .summary('take the passphrase off again')
      .description('Keep the key of a target without a passphrase again.')
      .argument('<target>')
      .action(async (target: string) =>
        end(await (await import('../commands/lock.ts')).unlockCommand(target)),
      ),
}
