import { type Command, InvalidArgumentError } from 'commander'
import type { AuditOptions, RepairOptions, ShowOptions } from '../commands/audit.ts'
import type { TailOptions } from '../commands/tail.ts'
import { act, examples, JSON_OPTION } from './declare.ts'

/** Lines of the past that `tail` shows, as tail(1) does. */
const TAIL_LINES = 10

export function declareAudit(program: Command): void {
  const audit = program.command('audit').description('read the ledger, and prove that it is whole')

  audit
    .command('show')
    .description('who opened what, from where, when, until when; who was refused, and why')
    .option('-u, --user <name>', 'of this user alone')
    .option('-s, --since <when>', 'how long ago, such as 24h, or a time with its zone')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('oneknockd audit show --user alice --since 24h'))
    .action(act<ShowOptions>(async o => (await import('../commands/audit.ts')).show(o)))

  audit
    .command('tail')
    .description('the last events; with --follow those to come')
    .option('-n, --lines <number>', 'how many', whole, TAIL_LINES)
    .option('-f, --follow', 'go on, as the daemon records them')
    .option('--json', 'print one JSON value for each event')
    .addHelpText('after', examples('oneknockd audit tail --follow'))
    .action(act<TailOptions>(async o => (await import('../commands/tail.ts')).tail(o)))

  audit
    .command('verify')
    .description('prove the chain through all files, or name the first bad line')
    .option(...JSON_OPTION)
    .action(act<AuditOptions>(async o => (await import('../commands/audit.ts')).verify(o)))

  audit
    .command('head')
    .description('where the chain stands; kept elsewhere, it shows later if the past was rewritten')
    .option(...JSON_OPTION)
    .action(act<AuditOptions>(async o => (await import('../commands/audit.ts')).head(o)))

  audit
    .command('repair')
    .description('set aside what is damaged, so that the daemon starts again')
    .option('--accept-forgetting', 'used codes behind the damage may be accepted again')
    .option(...JSON_OPTION)
    .action(act<RepairOptions>(async o => (await import('../commands/audit.ts')).repair(o)))
}

function whole(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('write a whole number')
}
