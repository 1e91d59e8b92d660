import type { Command } from 'commander'
import type { FirewallOptions } from '../commands/firewall.ts'
import { act, examples, JSON_OPTION } from './declare.ts'

export function declareFirewall(program: Command): void {
  const firewall = program
    .command('firewall')
    .description('the guard in the kernel (nftables, ipset)')

  firewall
    .command('show')
    .description('print the rules that the configuration leads to')
    .action(act<FirewallOptions>(async o => (await import('../commands/firewall.ts')).show(o)))

  firewall
    .command('try <duration>')
    .description('put the guard up for a while; unless confirmed, it lets go by itself')
    .option(...JSON_OPTION)
    .addHelpText('after', examples('oneknockd firewall try 5m', 'oneknockd firewall apply'))
    .action(
      act<FirewallOptions>(async (o, duration) =>
        (await import('../commands/firewall.ts')).tryOut(duration, o),
      ),
    )

  firewall
    .command('apply')
    .description('put the guard up for good, end a trial, and save it for the next boot')
    .option(...JSON_OPTION)
    .action(act<FirewallOptions>(async o => (await import('../commands/firewall.ts')).apply(o)))

  firewall
    .command('remove')
    .description('take the guard away: its ports are open to everybody')
    .option(...JSON_OPTION)
    .action(act<FirewallOptions>(async o => (await import('../commands/firewall.ts')).remove(o)))
}
